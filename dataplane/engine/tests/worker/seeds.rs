//! Scripts to begin with: for the fuzzer, and for the tests that play some themselves

use crate::appliance::*;
use crate::packets::*;
use crate::script::{Event, Script};
use crate::{drops_table, mutation};

const FAR: &str = "2001:db8:a::42";

fn frame(port: usize, packet: &[u8]) -> Event {
    let octets = match port {
        HOST => packet.to_vec(),
        _ => ethernet(PORT_MACS[port], packet),
    };
    Event::Frame { port, octets }
}

fn script(events: impl IntoIterator<Item = Event>) -> Script {
    Script {
        setup: 0,
        events: events.into_iter().collect(),
    }
}

/// One of each treatment and each drop, all of them in one round, and what needs an order of events.
pub fn seeds() -> Vec<Script> {
    let drops = drops_table::cases()
        .into_iter()
        .map(|(port, packet, _)| (port, packet));
    let packets: Vec<_> = mutation::corpus().into_iter().chain(drops).collect();
    let alone = packets
        .iter()
        .map(|(port, packet)| script([frame(*port, packet)]));
    let together = script(packets.iter().map(|(port, packet)| frame(*port, packet)));
    let down = || frame(CN, &udp(CORRESPONDENT, HOME, 40));
    let large = || frame(CN, &udp(CORRESPONDENT, HOME, 1_400));
    let up = |care_of| {
        frame(
            CORE,
            &tunnelled(care_of, ANCHOR, &udp(HOME, CORRESPONDENT, 40)),
        )
    };
    let second = || Event::Round { passed_log2: 30 };
    let quoted = tunnelled(ANCHOR, CARE_OF, &udp(CORRESPONDENT, HOME, 1400));
    let too_big = icmp(
        address("2001:db8:a::ff"),
        address(ANCHOR),
        [2, 0],
        1400,
        &quoted,
    );
    let pieces = |order| Event::Fragments {
        port: CORE as u8,
        size: 9,
        order,
        octets: tunnelled(CARE_OF, ANCHOR, &udp(HOME, CORRESPONDENT, 200)),
    };
    let limited = |limits| Event::Bind {
        home: 0,
        care_of: 1,
        mtu: 0,
        limits,
    };
    let traced = |which| Event::Trace { which };
    let two_copies = || Event::Flows { home: 0, rule: 1 };
    let handoff = Event::Bind {
        home: 0,
        care_of: 1,
        mtu: 1,
        limits: 0,
    };
    let in_order = [
        script([
            down(),
            handoff.clone(),
            down(),
            up(CARE_OF),
            up(OTHER_CARE_OF),
        ]),
        script([handoff.clone(), second(), second(), second(), up(CARE_OF)]),
        script([Event::Unbind { home: 0 }, down(), up(CARE_OF)]),
        script([Event::Flows { home: 0, rule: 1 }, down(), up(OTHER_CARE_OF)]),
        script([
            Event::Flows {
                home: 0,
                rule: 0xc1,
            },
            down(),
            second(),
            down(),
        ]),
        script([
            two_copies(),
            frame(CN, &with_hop_limit(&udp(CORRESPONDENT, HOME, 40), 1)),
        ]),
        script([two_copies(), frame(CN, &udp(CORRESPONDENT, HOME, 1452))]),
        script([frame(CORE, &too_big)]),
        script([pieces(0)]),
        script([pieces(0x10), second(), pieces(0x08)]),
        script([pieces(0x3a), Event::Round { passed_log2: 36 }, pieces(0x10)]),
        script([
            limited(4),
            down(),
            large(),
            large(),
            large(),
            up(OTHER_CARE_OF),
            large(),
        ]),
        script([
            limited(12),
            large(),
            large(),
            large(),
            up(CARE_OF),
            handoff.clone(),
            down(),
        ]),
        script([limited(2), large(), large(), second(), large()]),
        script([limited(7), two_copies(), large(), large(), large()]),
        script([
            traced(1),
            down(),
            up(CARE_OF),
            traced(3),
            up(FAR),
            traced(0),
        ]),
        script([traced(5), down(), up(CARE_OF), pieces(0)]),
        script([
            Event::Inject {
                octets: mobility(ANCHOR, CARE_OF),
            },
            Event::Inject {
                octets: mobility(ANCHOR, HOME),
            },
        ]),
    ];
    alone.chain([together]).chain(in_order).collect()
}
