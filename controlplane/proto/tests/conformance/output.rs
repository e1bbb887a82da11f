//! What comes of an input, as the lines that begin with `<` have it.

use std::collections::BTreeMap;

use dhp_proto::anchor::{AnchorAction, LinkAction, RouteEnds, RouteOptimization};
use dhp_wire::codepoints::{CodePoints, next_header};
use dhp_wire::mobility::{
    HeartbeatKind, Message, MobilityHeader, MobilityOption, Options, RevocationKind,
};
use dhp_wire::packet::MobilityPacket;

use crate::address;
use crate::discovery;
use crate::dmip;
use crate::return_routability::Tokens;
use crate::steering;
use crate::words::Words;

/// A message or an action: its kind and what can be said about it.
#[derive(Debug)]
pub struct Output {
    pub kind: String,
    pub fields: BTreeMap<&'static str, String>,
}

impl Output {
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            fields: BTreeMap::new(),
        }
    }

    pub fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.fields.insert(key, value.to_string());
        self
    }

    /// Whether a line describes this: each of its pairs stands here, `key=none` means that there is no such field.
    pub fn is(&self, expected: &Words) -> bool {
        self.kind == expected.kind()
            && expected.pairs().all(|(key, value)| {
                let field = self.fields.get(key).map_or("none", String::as_str);
                field == value
            })
    }

    /// Reads an action; nothing of a binding event, which `bound` and `unbound` ask for.
    pub fn read(action: &AnchorAction, tokens: &Tokens) -> Option<Self> {
        match action {
            AnchorAction::Transmit(packet) => Some(read_packet(packet, tokens)),
            AnchorAction::Event(_)
            | AnchorAction::KeepNumber(_)
            | AnchorAction::KeepAssignment { .. } => None,
            AnchorAction::OnLink { action, .. } => Some(read_link_action(action, tokens)),
            AnchorAction::Peer { address, change } => Some(
                Output::new("peer")
                    .with("at", address::name(*address))
                    .with("is", format!("{change:?}").to_lowercase()),
            ),
            AnchorAction::Route(change) => Some(read_route(*change)),
        }
    }
}

fn read_route(change: RouteOptimization) -> Output {
    match change {
        RouteOptimization::Begins { ends, care_of, .. } => {
            route("route", ends).with("at", address::name(care_of))
        }
        RouteOptimization::Ends { ends } => route("no-route", ends),
        RouteOptimization::IsUsed { ends } => route("is-used", ends),
    }
}

fn route(kind: &str, ends: RouteEnds) -> Output {
    Output::new(kind)
        .with("home", address::name(ends.home_address))
        .with("of", address::name(ends.correspondent))
}

fn read_link_action(action: &LinkAction, tokens: &Tokens) -> Output {
    match action {
        LinkAction::Probe { target } => Output::new("probe").with("target", address::name(*target)),
        LinkAction::StartProxy { address } => {
            Output::new("start-proxy").with("address", address::name(*address))
        }
        LinkAction::StopProxy { address } => {
            Output::new("stop-proxy").with("address", address::name(*address))
        }
        LinkAction::Advertise {
            target,
            destination,
            solicited,
            override_flag,
        } => Output::new("advertise")
            .with("target", address::name(*target))
            .with("dst", address::name(*destination))
            .with("s", u8::from(*solicited))
            .with("o", u8::from(*override_flag)),
        LinkAction::Send(packet) => read_packet(packet, tokens).with("on", "link"),
    }
}

/// Reads a packet, which has to be sound in every respect.
fn read_packet(packet: &[u8], tokens: &Tokens) -> Output {
    if let Some(output) = discovery::read(packet) {
        return output;
    }
    if packet[6] == next_header::ICMPV6 {
        let pointer = u32::from_be_bytes(packet[44..48].try_into().unwrap());
        return Output::new("icmp")
            .with("type", packet[40])
            .with("code", packet[41])
            .with("pointer", pointer)
            .with("dst", name_at(packet, 24))
            .with("src", name_at(packet, 8));
    }
    let parsed = MobilityPacket::parse(packet).expect("a Mobility Header");
    assert!(parsed.checksum_is_valid());
    let header = MobilityHeader::parse(parsed.mh).expect("a sound header");
    let message = header.message(&CodePoints::default()).expect("a message");
    let mut output = read_message(&message)
        .with("src", address::name(parsed.source))
        .with("dst", address::name(parsed.destination));
    let authorization = message.options().and_then(|options| {
        options.iter().find_map(|option| match option {
            Ok(MobilityOption::BindingAuthorizationData {
                authenticator,
                mac_input_len,
                ..
            }) => Some(tokens.verdict(&parsed.mh[..mac_input_len], authenticator)),
            _ => None,
        })
    });
    if let Some(verdict) = authorization {
        output = output.with("bad", verdict);
    }
    if let Some(home) = parsed.type2_home {
        output = output.with("rh2", address::name(home));
    }
    if let Some(home) = parsed.home_address {
        output = output.with("hao", address::name(home));
    }
    output
}

fn read_message(message: &Message<'_>) -> Output {
    match message {
        Message::BindingAcknowledgement(ack) => {
            let output = Output::new("ba")
                .with("status", ack.status.0)
                .with("seq", ack.sequence)
                .with("life", ack.lifetime.0)
                .with("flags", ack.flags);
            read_options(output, &ack.options)
        }
        Message::BindingError {
            status,
            home_address,
            ..
        } => Output::new("be")
            .with("status", status)
            .with("home", address::name(*home_address)),
        Message::BindingRevocation { header, options } => {
            let (kind, value) = match header.kind {
                RevocationKind::Indication { trigger } => ("bri", trigger),
                other => panic!("an anchor sends no {other:?}"),
            };
            let output = Output::new(kind)
                .with("trigger", value)
                .with("seq", header.sequence)
                .with("flags", header.flags.to_wire());
            read_options(output, options)
        }
        Message::Dmip(dmip) => dmip::read(dmip),
        Message::HomeAgentSwitch(switch) => {
            let names: Vec<String> = switch.addresses.iter().map(address::name).collect();
            let output = Output::new("has").with("to", names.join(","));
            read_options(output, &switch.options)
        }
        Message::Heartbeat { header, options } => {
            let kind = match header.kind {
                HeartbeatKind::Request => "request",
                HeartbeatKind::Response => "response",
                HeartbeatKind::UnsolicitedResponse => "unsolicited",
            };
            let output = Output::new("heartbeat")
                .with("kind", kind)
                .with("seq", header.sequence);
            read_options(output, options)
        }
        Message::HomeTest { cookie, .. } => Output::new("hot").with("cookie", hex(cookie)),
        Message::CareOfTest { cookie, .. } => Output::new("cot").with("cookie", hex(cookie)),
        Message::BindingRefreshRequest { options } => read_options(Output::new("brr"), options),
        other => panic!("an anchor sends no {other:?}"),
    }
}

fn read_options(mut output: Output, options: &Options<'_>) -> Output {
    let mut bids = Vec::new();
    let mut flows = Vec::new();
    for option in options {
        output = match option.expect("a sound option") {
            MobilityOption::BindingIdentifier { .. }
            | MobilityOption::FlowIdentification { .. } => {
                let (bid, flow) = steering::answer(&option.expect("a sound option"));
                bids.extend(bid);
                flows.extend(flow);
                output
            }
            MobilityOption::BindingRefreshAdvice(interval) => output.with("refresh", interval.0),
            MobilityOption::MesgId(timestamp) => output.with("mesgid", format!("{timestamp:#x}")),
            MobilityOption::BindingAuthorizationData { ends_header, .. } => {
                assert!(ends_header);
                output
            }
            MobilityOption::RestartCounter(counter) => output.with("restarts", counter),
            MobilityOption::Auth(auth) => output.with("auth", auth.spi),
            other => panic!("unexpected {other:?}"),
        };
    }
    for (key, answers) in [("bids", bids), ("flows", flows)] {
        if !answers.is_empty() {
            output = output.with(key, answers.join(","));
        }
    }
    output
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn name_at(packet: &[u8], at: usize) -> String {
    let octets: [u8; 16] = packet[at..at + 16].try_into().unwrap();
    address::name(octets.into())
}
