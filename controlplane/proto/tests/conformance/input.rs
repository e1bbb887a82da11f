//! What an anchor is sent, or told: the lines that begin with `>`.

use dhp_proto::anchor::{AnchorAction, AnchorCommand, NeighborMessage, PrefixLifetimes, RouteEnds};
use dhp_wire::mobility::Lifetime;

use crate::address;
use crate::departure;
use crate::discovery;
use crate::dmip;
use crate::mobile_node::binding_update;
use crate::packet::{Way, wrap};
use crate::return_routability::test_init;
use crate::words::{Words, octets};
use crate::world::{HOME_LINK, World};

/// Carries out a line and gives what comes of it.
///
/// - `bu …`, see `mobile_node`.
/// - `query …`, `req …`, `upd …`, see `dmip`.
/// - `hoti …`, `coti …`, `cnbu …`, see `return_routability`.
/// - `bra …`, `heartbeat …`, `be …`, see `departure`; `ra …`, `dhaad …`, `mps …`, `nd …`, see `discovery`.
/// - `mh type= data= [proto=] [len=]`: any Mobility Header.
/// - `data hao= [from=] [to=]`: a UDP packet with a Home Address option that no binding is known of.
/// - `local from= to=`: a UDP packet on the home link to a link-local address.
/// - `reload …` with other settings, see `world`.
/// - `wait seconds`; `restart` with the kept numbers alone.
/// - `ns [from=] target=`, `na target=`: Neighbor Discovery on the home link.
/// - `revoke [home=] [trigger=]`, `switch [home=] [to=…,…] [remaining=]`, `release home=`, `used home=`, `drain`, `undrain`, `prefix [valid=] [preferred=]`: commands.
pub fn carry_out(world: &mut World, words: &Words) -> Vec<AnchorAction> {
    let now = world.now;
    match words.kind() {
        "bu" => {
            let packet = binding_update(words, now.ntp);
            world.anchor.handle_packet(now, &packet);
        }
        "query" | "req" | "upd" => {
            let packet = dmip::message(words, now.ntp, &world.cookies);
            world.anchor.handle_packet(now, &packet);
        }
        "hoti" | "coti" => {
            let packet = test_init(words);
            world.anchor.handle_packet(now, &packet);
        }
        "cnbu" => {
            let packet = world.tokens.binding_update(words);
            world.anchor.handle_packet(now, &packet);
        }
        "bra" | "heartbeat" | "be" => {
            let packet = departure::message(words);
            world.anchor.handle_packet(now, &packet);
        }
        "ra" | "dhaad" | "mps" | "nd" => {
            let (link, packet) = discovery::message(words);
            world.anchor.handle_icmpv6(now, link, &packet);
        }
        "mh" => world.anchor.handle_packet(now, &mobility_header(words)),
        "data" => {
            let packet = data(words);
            world.anchor.handle_unbound_home_address(now, &packet);
        }
        "local" => {
            let packet = local(words);
            world.anchor.handle_link_local(now, HOME_LINK, &packet);
        }
        "reload" => world.reload(words),
        "restart" => world.restart(),
        "wait" => return world.wait(words.subject().parse().unwrap()),
        "ns" => {
            let message = NeighborMessage::Solicitation {
                source: words.address("from").unwrap_or(address::read("NEIGHBOR")),
                target: words.address("target").unwrap(),
            };
            world.anchor.handle_neighbor(now, HOME_LINK, message);
        }
        "na" => {
            let target = words.address("target").unwrap();
            let message = NeighborMessage::Advertisement { target };
            world.anchor.handle_neighbor(now, HOME_LINK, message);
        }
        kind => {
            let command = command(kind, words).unwrap_or_else(|| panic!("what is {words}?"));
            world.anchor.handle_command(now, command);
        }
    }
    world.take_actions()
}

fn command(kind: &str, words: &Words) -> Option<AnchorCommand> {
    let seconds = |key| words.number(key).map(std::time::Duration::from_secs);
    Some(match kind {
        "release" => AnchorCommand::Release {
            home_address: words.address("home").unwrap_or(address::read("HOME")),
        },
        "revoke" => AnchorCommand::Revoke {
            home_address: words.address("home").unwrap_or(address::read("HOME")),
            trigger: words.number_or("trigger", 1) as u8,
        },
        "switch" => AnchorCommand::SwitchHomeAgent {
            home_address: words.address("home").unwrap_or(address::read("HOME")),
            home_agents: words
                .get("to")
                .map(|names| names.split(',').map(address::read).collect())
                .unwrap_or_default(),
            remaining: words
                .number("remaining")
                .map(|units| Lifetime(units as u16)),
        },
        "used" => AnchorCommand::NoteUse {
            ends: RouteEnds {
                home_address: words.address("home").unwrap_or(address::read("HOME")),
                correspondent: words.address("of").unwrap_or(address::read("ANCHOR")),
            },
        },
        "drain" => AnchorCommand::SetDraining(true),
        "undrain" => AnchorCommand::SetDraining(false),
        "prefix" => AnchorCommand::SetPrefixLifetimes {
            prefix: "2001:db8:1:1::/64".parse().unwrap(),
            lifetimes: PrefixLifetimes {
                valid: seconds("valid"),
                preferred: seconds("preferred"),
            },
        },
        _ => return None,
    })
}

/// A Mobility Header whose Header Len is that of its data, unless `len=` says otherwise.
fn mobility_header(words: &Words) -> Vec<u8> {
    let data = octets(words.get("data").unwrap_or("0000"));
    let len = words
        .number("len")
        .map_or_else(|| (6 + data.len()) / 8 - 1, |len| len as usize);
    let proto = words.number_or("proto", 59) as u8;
    let kind = words.number("type").unwrap() as u8;
    let mut mh = vec![proto, len as u8, kind, 0, 0, 0];
    mh.extend(data);
    wrap(Way::read(words, "COA", None), mh, words)
}

fn data(words: &Words) -> Vec<u8> {
    let source = words.address("from").unwrap_or(address::read("COA"));
    let destination = words.address("to").unwrap_or(address::read("ANCHOR"));
    let mut packet = vec![0x60, 0, 0, 0, 0, 32, 60, 64];
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend([17, 2, 1, 2, 0, 0, 0xc9, 16]);
    packet.extend(words.address("hao").unwrap().octets());
    packet.extend([0; 8]);
    packet
}

fn local(words: &Words) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 8, 17, 64];
    packet.extend(words.address("from").unwrap().octets());
    packet.extend(words.address("to").unwrap().octets());
    packet.extend([0; 8]);
    packet
}
