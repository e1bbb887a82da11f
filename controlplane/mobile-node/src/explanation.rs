//! What becomes of a connection, and why: what `dhp-mn explain` asks and shows.

use std::fmt::{Display, Formatter};
use std::net::Ipv6Addr;

use dhp_wire::codepoints::next_header;
use serde::{Deserialize, Serialize};

use crate::status::CandidateStatus;

/// A connection that somebody might make.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Connection {
    /// To whom.
    pub destination: Ipv6Addr,
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// The port there.
    pub port: Option<u16>,
    /// DSCP of its packets.
    pub dscp: Option<u8>,
}

/// A rule of the policy.
#[derive(Debug, Serialize, Deserialize)]
pub struct RuleExplanation {
    /// Its number in the policy, from 1.
    pub number: usize,
    /// File and line.
    pub place: String,
    /// What it is about, in words.
    pub about: String,
    /// What its flows get.
    pub session: String,
}

/// A DHP that could serve the correspondent.
#[derive(Debug, Serialize, Deserialize)]
pub struct CandidateExplanation {
    /// The DHP.
    #[serde(flatten)]
    pub candidate: CandidateStatus,
    /// By what the one before it is better; `null`: it is the best.
    pub loses_by: Option<String>,
}

/// What becomes of a connection.
#[derive(Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// The connection.
    pub connection: Connection,
    /// The rule that decides; `null`: none matches.
    pub rule: Option<RuleExplanation>,
    /// Rules before it that would decide if more was known of the connection.
    pub undecided: Vec<RuleExplanation>,
    /// Its source address, unless the program chooses one itself.
    pub source: Option<Ipv6Addr>,
    /// Where its packets go through.
    pub anchor: Option<Ipv6Addr>,
    /// From here to the anchor and back.
    pub anchor_rtt_ns: Option<u64>,
    /// The access interface that it uses, and why; `null`: there is none.
    pub access: Option<String>,
    /// `proxy`, `home agent`, `route-optimized` or `direct`.
    pub mode: String,
    /// Why that is so.
    pub why: String,
    /// DHPs for the correspondent, best first.
    pub candidates: Vec<CandidateExplanation>,
    /// What happens with the next packet, or by itself, where something does.
    pub next: Option<String>,
}

/// Names and numbers of protocols, as the command line has them.
const PROTOCOLS: [(&str, u8); 5] = [
    ("tcp", next_header::TCP),
    ("udp", next_header::UDP),
    ("udp-lite", next_header::UDP_LITE),
    ("sctp", next_header::SCTP),
    ("icmpv6", next_header::ICMPV6),
];

/// A protocol by name or number.
///
/// # Errors
/// It is neither.
pub fn protocol(text: &str) -> Result<u8, String> {
    let named = PROTOCOLS.iter().find(|(name, _)| *name == text);
    named
        .map(|(_, number)| *number)
        .or_else(|| text.parse().ok())
        .ok_or_else(|| "neither tcp, udp, udp-lite, sctp, icmpv6 nor a number".to_owned())
}

/// The name of a protocol, or its number.
pub fn protocol_name(number: u8) -> String {
    let named = PROTOCOLS.iter().find(|(_, known)| *known == number);
    named.map_or_else(
        || format!("protocol {number}"),
        |(name, _)| (*name).to_owned(),
    )
}

impl Display for Connection {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.destination)?;
        if let Some(number) = self.protocol {
            write!(out, " {}", protocol_name(number))?;
        }
        if let Some(port) = self.port {
            write!(out, " port {port}")?;
        }
        if let Some(dscp) = self.dscp {
            write!(out, " DSCP {dscp}")?;
        }
        Ok(())
    }
}

impl Display for RuleExplanation {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        let Self {
            number,
            place,
            about,
            session,
        } = self;
        write!(out, "{number} ({place}): {about}: {session}")
    }
}

impl Display for CandidateExplanation {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        let one = &self.candidate;
        let round_trip = milliseconds(one.rtt_ns);
        let path = milliseconds(one.path_rtt_ns);
        write!(
            out,
            "{} covers {}, RTT {round_trip} and {path} beyond it, load {}/255, preference {}",
            one.dhp, one.coverage, one.load, one.preference
        )?;
        if let Some(reason) = &self.loses_by {
            write!(out, "; loses by {reason}")?;
        }
        Ok(())
    }
}

impl Display for Explanation {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "connection  {}", self.connection)?;
        for rule in &self.undecided {
            writeln!(out, "perhaps     rule {rule}")?;
        }
        match &self.rule {
            Some(rule) => writeln!(out, "rule        {rule}")?,
            None => writeln!(out, "rule        none matches")?,
        }
        let source = self.source.map(|source| source.to_string());
        let source = source.unwrap_or_else(|| "none now".to_owned());
        writeln!(out, "source      {source}")?;
        if let Some(anchor) = self.anchor {
            let round_trip = milliseconds(self.anchor_rtt_ns);
            writeln!(out, "anchor      {anchor}, RTT {round_trip}")?;
        }
        if let Some(access) = &self.access {
            writeln!(out, "access      {access}")?;
        }
        writeln!(out, "mode        {}", self.mode)?;
        writeln!(out, "why         {}", self.why)?;
        for candidate in &self.candidates {
            writeln!(out, "candidate   {candidate}")?;
        }
        if let Some(next) = &self.next {
            writeln!(out, "next        {next}")?;
        }
        Ok(())
    }
}

fn milliseconds(nanos: Option<u64>) -> String {
    nanos.map_or_else(
        || "unknown".to_owned(),
        |nanos| format!("{:.1} ms", nanos as f64 / 1e6),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_has_a_name_or_a_number() {
        assert_eq!(protocol("tcp"), Ok(6));
        assert_eq!(protocol("89"), Ok(89));
        assert!(protocol("tpc").is_err() && protocol("256").is_err());
        assert_eq!(
            (protocol_name(17), protocol_name(89)),
            ("udp".into(), "protocol 89".into())
        );
    }

    #[test]
    fn an_explanation_reads_like_an_answer() {
        let explanation = Explanation {
            connection: Connection {
                destination: Ipv6Addr::LOCALHOST,
                protocol: Some(6),
                port: Some(443),
                dscp: None,
            },
            rule: None,
            undecided: Vec::new(),
            source: None,
            anchor: Some(Ipv6Addr::LOCALHOST),
            anchor_rtt_ns: Some(20_500_000),
            access: Some("wwan0: the first that the rule names".to_owned()),
            mode: "proxy".to_owned(),
            why: "because".to_owned(),
            candidates: Vec::new(),
            next: None,
        };
        assert_eq!(
            explanation.to_string(),
            "connection  ::1 tcp port 443\nrule        none matches\nsource      none now\n\
             anchor      ::1, RTT 20.5 ms\naccess      wwan0: the first that the rule names\nmode        proxy\nwhy         because\n"
        );
    }
}
