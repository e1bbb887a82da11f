//! What mobile nodes and other anchors answer to messages of RFC 5846, RFC 5142 and RFC 5847.

use std::net::Ipv6Addr;

use dhp_wire::mobility::{
    Builder, HeartbeatHeader, HeartbeatKind, MobilityOption, RevocationFlags, RevocationHeader,
    RevocationKind,
};

use crate::address;
use crate::mobile_node::association;
use crate::packet::{Way, damage, wrap};
use crate::words::{Words, number};

/// `bra seq= [status=] [by=1|2|8|none]` from a mobile node; `heartbeat kind=request|response|unsolicited seq= [restarts=]` and
/// `be status=` from another anchor.
pub fn message(words: &Words) -> Vec<u8> {
    match words.kind() {
        "bra" => acknowledgement(words),
        "heartbeat" => wrap(Way::read(words, "ANCHOR2", None), heartbeat(words), words),
        _ => {
            let status = words.number_or("status", 2) as u8;
            let home = words.address("home").unwrap_or(Ipv6Addr::UNSPECIFIED);
            let mh = Builder::binding_error(status, &home);
            let mh = mh.finish(&Ipv6Addr::UNSPECIFIED, &Ipv6Addr::UNSPECIFIED);
            wrap(Way::read(words, "ANCHOR2", None), mh, words)
        }
    }
}

fn acknowledgement(words: &Words) -> Vec<u8> {
    let home = words.address("home").unwrap_or(address::read("HOME"));
    let way = Way::read(words, "COA", Some(home));
    let mut builder = Builder::binding_revocation(RevocationHeader {
        kind: RevocationKind::Acknowledgement {
            status: words.number_or("status", 0) as u8,
        },
        sequence: words.number_or("seq", 1) as u16,
        flags: RevocationFlags::default(),
    });
    let by = words.get("by").unwrap_or("1");
    if by != "none" {
        let signer = association(number(by) as u8);
        let mac = |mh: &[u8]| signer.mac(&way.source, &home, mh);
        builder = builder.auth(signer.spi(), signer.algorithm().mac_len(), mac);
    }
    let mut mh = builder.finish(&Ipv6Addr::UNSPECIFIED, &Ipv6Addr::UNSPECIFIED);
    damage(&mut mh, words);
    wrap(way, mh, words)
}

fn heartbeat(words: &Words) -> Vec<u8> {
    let kind = match words.get("kind") {
        Some("response") => HeartbeatKind::Response,
        Some("unsolicited") => HeartbeatKind::UnsolicitedResponse,
        _ => HeartbeatKind::Request,
    };
    let sequence = words.number_or("seq", 1) as u32;
    let mut builder = Builder::heartbeat(HeartbeatHeader { kind, sequence });
    if let Some(restarts) = words.number("restarts") {
        builder = builder.option(&MobilityOption::RestartCounter(restarts as u32));
    }
    builder.finish(&Ipv6Addr::UNSPECIFIED, &Ipv6Addr::UNSPECIFIED)
}
