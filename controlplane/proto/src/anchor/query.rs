//! DHP Query → DHP Query Reply.

use dhp_wire::codepoints::{DmipType, Status, status};
use dhp_wire::ipv6::{HEADER_LEN, MIN_MTU};
use dhp_wire::mobility::{Builder, Dmip, DmipHeader, MobilityOption};
use ipnet::Ipv6Net;

use super::Anchor;
use super::config::DirectoryEntry;
use super::cookie::Reachable;
use super::counters::MessageKind;
use super::directory::{information, sort_best_first};
use super::drop_reason::SignallingDrop;
use super::heartbeat::PeerState;
use super::receive::Received;
use super::reply::{Proof, Seal};
use super::request::names;
use super::request_options::{RequestOptions, Requirements};
use crate::time::Now;

/// More candidates than a Reply of 1280 octets has room for.
const MAX_CANDIDATES: usize = 32;

impl Anchor {
    pub(crate) fn dhp_query(
        &mut self,
        now: Now,
        received: &Received<'_>,
        dmip: &Dmip<'_>,
        reachable: Reachable,
    ) -> Result<(), SignallingDrop> {
        let anycast = received.destination != self.config.address;
        let options =
            RequestOptions::read(dmip.header.kind, &dmip.options, &self.config.code_points);
        let security = match dmip.options.auth() {
            Some(auth) if !auth.ends_header => return Err(SignallingDrop::BehindAuthentication),
            // Section 4.1: "to a unicast locator also MN-ID + AUTH, to have the reply authenticated (not verified:
            // answered without AUTH)".
            Some(auth) if !anycast => {
                let mh = received.header.bytes();
                let mh_through_spi = mh.get(..auth.mac_input_len).unwrap_or(mh);
                self.nodes
                    .association(auth.spi)
                    .map(|association| association.security.clone())
                    .filter(|security| {
                        options
                            .mn_id
                            .is_none_or(|mn_id| names(mn_id, security.mn_id()))
                    })
                    .filter(|security| {
                        security.verify(
                            &received.source,
                            &self.config.address,
                            mh_through_spi,
                            auth.data,
                        )
                    })
            }
            _ => None,
        };
        let proof = if security.is_some() {
            Proof::Mac
        } else if reachable == Reachable::Proved {
            Proof::Cookie
        } else {
            received.unproved()
        };
        let (status, candidates) = match options.correspondent {
            Some(correspondent) if !options.malformed => {
                self.candidates(now, &correspondent, options.requirements, anycast)
            }
            // "195 malformed or missing option, after the MAC verified; before that, silence"
            _ if security.is_some() => (status::MALFORMED, Vec::new()),
            _ => return Err(SignallingDrop::Malformed),
        };
        let header = DmipHeader {
            kind: DmipType::DhpQueryReply,
            sequence: dmip.header.sequence,
            lifetime: self.config.query_lifetime,
            flags: 0,
            status: Status(status),
        };
        let cookie = options.cookie.map(MobilityOption::Cookie);
        let mac_len = security
            .as_ref()
            .map_or(0, |security| security.algorithm().mac_len());
        let options = self.fit(header, cookie, &candidates, mac_len, proof.longest_answer());
        let seal = security.as_deref().map(|security| Seal {
            security,
            care_of: received.source,
        });
        let packet = self.dmip_answer(&received.source, header, &options, seal)?;
        self.transmit(MessageKind::DhpQueryReply, status, packet, proof);
        Ok(())
    }

    /// The DHPs that cover `correspondent`, best first, and the status of the reply.
    fn candidates(
        &self,
        now: Now,
        correspondent: &Ipv6Net,
        requirements: Option<Requirements>,
        anycast: bool,
    ) -> (u8, Vec<DirectoryEntry>) {
        let own = self.coverage.covering(correspondent).next();
        let own = own.map(|entry| self.own_entry(now, entry));
        let usable =
            own.filter(|_| !self.draining && requirements.is_none_or(|asked| self.can_meet(asked)));
        let mut candidates: Vec<_> = usable.into_iter().collect();
        // To the anycast address a DHP "covering that prefix answers itself"; the directory is the locator's.
        if !anycast {
            candidates.extend(self.others(correspondent, MAX_CANDIDATES));
        }
        sort_best_first(&mut candidates);
        let refused = candidates.is_empty() && own.is_some() && self.draining;
        let status = match refused {
            true => status::DRAINING,
            false => status::ACCEPTED,
        };
        (status, candidates)
    }

    /// The best other DHP for a correspondent.
    pub(crate) fn alternative(&self, correspondent: &Ipv6Net) -> Option<DirectoryEntry> {
        self.others(correspondent, 1).pop()
    }

    /// The best other DHPs for a correspondent, at most so many: each once, with the longest prefix that it covers, but for those
    /// that are known not to answer.
    fn others(&self, correspondent: &Ipv6Net, most: usize) -> Vec<DirectoryEntry> {
        let mut others: Vec<DirectoryEntry> = Vec::new();
        let mut found = self.directory.covering(correspondent);
        while others.len() < most
            && let Some(entry) = found.next()
        {
            let is_known = others.iter().any(|other| other.dhp == entry.dhp);
            if !is_known && self.peers.state(&entry.dhp) != Some(PeerState::Down) {
                others.push(*entry);
            }
        }
        others
    }

    /// Whether flows can be promised what is required; 0 is no requirement.
    pub(crate) fn can_meet(&self, asked: Requirements) -> bool {
        let capacity = &self.config.capacity;
        let unless_zero = |asked: u16, best: u16| asked == 0 || asked >= best;
        asked.min_bandwidth_kbps <= capacity.max_bandwidth_kbps
            && unless_zero(asked.max_latency_ms, capacity.min_latency_ms)
            && unless_zero(asked.max_loss_permille, capacity.min_loss_permille)
    }

    /// The options of a reply, as many candidates as fit. Section 4.1: "At most 1280 octets."
    fn fit<'a>(
        &self,
        header: DmipHeader,
        cookie: Option<MobilityOption<'a>>,
        candidates: &[DirectoryEntry],
        mac_len: usize,
        longest: usize,
    ) -> Vec<MobilityOption<'a>> {
        let longest_mh = longest.min(MIN_MTU).saturating_sub(HEADER_LEN);
        let mut builder = Builder::dmip(&self.config.code_points, header);
        let mut options = Vec::new();
        let candidates = candidates
            .iter()
            .map(|entry| -> MobilityOption<'a> { information(entry) });
        for option in cookie.into_iter().chain(candidates) {
            if builder
                .len_with(&option, mac_len)
                .is_none_or(|len| len > longest_mh)
            {
                break;
            }
            builder = builder.option(&option);
            options.push(option);
        }
        options
    }
}
