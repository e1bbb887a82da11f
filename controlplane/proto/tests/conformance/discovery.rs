//! ICMPv6 of home links, of home agent discovery and of mobile prefix discovery.

use std::net::Ipv6Addr;

use dhp_proto::anchor::LinkId;
use dhp_wire::icmpv6::{
    Body, Builder, NdOption, PrefixInformation, RouterAdvertisement, prefix_flag, router_flag,
};
use dhp_wire::packet::{IcmpPacket, compose_icmpv6};

use crate::address;
use crate::output::Output;
use crate::words::{Words, octets};
use crate::world::HOME_LINK;

/// - `ra [from=ROUTER] [no-h] [life=] [preference= ha-life=] [address=…] [valid=] [preferred=] [no-r]`: a Router
///   Advertisement on the home link; `address=` may stand more than once.
/// - `dhaad [from=COA] [to=HOMEANYCAST] [id=]`, `mps [from=COA] [hao=HOME] [id=]`.
/// - `nd data= from= to= [hop=]`: any Neighbor Discovery message on the home link.
///
/// `badsum` spoils the checksum.
pub fn message(words: &Words) -> (Option<LinkId>, Vec<u8>) {
    let id = words.number_or("id", 0x77) as u16;
    match words.kind() {
        "ra" => {
            let source = words.address("from").unwrap_or(address::read("ROUTER"));
            let all_nodes = address::read("ALLNODES");
            let message = advertisement(words).finish(&source, &all_nodes);
            (
                Some(HOME_LINK),
                packet(words, source, all_nodes, None, message),
            )
        }
        "dhaad" => {
            let source = words.address("from").unwrap_or(address::read("COA"));
            let to = words.address("to").unwrap_or(address::read("HOMEANYCAST"));
            let body = Body::HomeAgentDiscoveryRequest { identifier: id };
            let message = Builder::new(&body).finish(&source, &to);
            (None, packet(words, source, to, None, message))
        }
        "mps" => {
            let source = words.address("from").unwrap_or(address::read("COA"));
            let to = words.address("to").unwrap_or(address::read("ANCHOR"));
            let home = match words.get("hao") {
                Some("none") => None,
                other => Some(address::read(other.unwrap_or("HOME"))),
            };
            let body = Body::MobilePrefixSolicitation { identifier: id };
            let message = Builder::new(&body).finish(&home.unwrap_or(source), &to);
            (None, packet(words, source, to, home, message))
        }
        _ => {
            let source = words.address("from").unwrap();
            let to = words.address("to").unwrap();
            let mut message = octets(words.get("data").unwrap());
            let sum = dhp_wire::checksum::upper_layer_checksum(&source, &to, 58, &message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            (Some(HOME_LINK), packet(words, source, to, None, message))
        }
    }
}

fn packet(
    words: &Words,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    home_address: Option<Ipv6Addr>,
    mut message: Vec<u8>,
) -> Vec<u8> {
    message[2] ^= u8::from(words.has("badsum"));
    let mut packet = compose_icmpv6(
        &source,
        &destination,
        home_address.as_ref(),
        words.address("rh2").as_ref(),
        &message,
    );
    if let Some(limit) = words.number("hop") {
        packet[7] = limit as u8;
    }
    packet
}

fn advertisement(words: &Words) -> Builder {
    let flags = if words.has("no-h") {
        0
    } else {
        router_flag::HOME_AGENT
    };
    let body = Body::RouterAdvertisement(RouterAdvertisement {
        hop_limit: 64,
        flags,
        lifetime_s: words.number_or("life", 1800) as u16,
        reachable_ms: 0,
        retransmit_ms: 0,
    });
    let mut builder = Builder::new(&body);
    for name in words.all("address") {
        let router = if words.has("no-r") {
            0
        } else {
            prefix_flag::ROUTER_ADDRESS
        };
        builder = builder.option(&NdOption::<&[u8]>::Prefix(PrefixInformation {
            prefix_len: 64,
            flags: prefix_flag::ON_LINK | prefix_flag::AUTONOMOUS | router,
            valid_lifetime_s: words.number_or("valid", 3600) as u32,
            preferred_lifetime_s: words.number_or("preferred", 600) as u32,
            prefix: address::read(name),
        }));
    }
    if let Some(preference) = words.number("preference") {
        // By hand: a lifetime of 0 is not one to be sent.
        let [p0, p1] = (preference as u16).to_be_bytes();
        let [l0, l1] = (words.number_or("ha-life", 1800) as u16).to_be_bytes();
        let data = [0, 0, p0, p1, l0, l1];
        builder = builder.option(&NdOption::Unknown { kind: 8, data });
    }
    builder
}

/// Reads a discovery message; nothing of other packets.
pub fn read(packet: &[u8]) -> Option<Output> {
    let parsed = IcmpPacket::parse(packet).ok()?;
    let message = parsed.read().ok()?;
    assert!(parsed.checksum_is_valid());
    let output = match message.body {
        Body::HomeAgentDiscoveryReply { identifier } => {
            let names: Vec<String> = message.addresses.iter().map(address::name).collect();
            Output::new("dhaad-reply")
                .with("id", identifier)
                .with("count", names.len())
                .with("addresses", names.join(","))
        }
        Body::MobilePrefixAdvertisement { identifier, flags } => {
            let prefixes: Vec<PrefixInformation> = message
                .options
                .iter()
                .map(|option| match option {
                    Ok(NdOption::Prefix(prefix)) => prefix,
                    option => panic!("only prefixes: {option:?}"),
                })
                .collect();
            let all = |field: &dyn Fn(&PrefixInformation) -> String| {
                let fields: Vec<String> = prefixes.iter().map(field).collect();
                fields.join(",")
            };
            Output::new("mpa")
                .with("id", identifier)
                .with("flags", flags)
                .with(
                    "prefix",
                    all(&|of| format!("{}/{}", of.prefix, of.prefix_len)),
                )
                .with("prefix-flags", all(&|of| format!("{:#x}", of.flags)))
                .with("valid", all(&|of| of.valid_lifetime_s.to_string()))
                .with("preferred", all(&|of| of.preferred_lifetime_s.to_string()))
        }
        _ => return None,
    };
    let output = output
        .with("src", address::name(parsed.source))
        .with("dst", address::name(parsed.destination));
    Some(match parsed.type2_home {
        Some(home) => output.with("rh2", address::name(home)),
        None => output,
    })
}
