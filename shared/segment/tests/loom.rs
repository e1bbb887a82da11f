//! Every order in which the steps of a writer and a worker can meet, and every value that a load may then give.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p dhp-segment --test loom`
#![cfg(loom)]

use core::net::Ipv6Addr;
use dhp_segment::{
    ExactFlow, ExactRule, FlowKey, FlowRule, FlowSelector, FlowVerdict, Geometry, PuntClass,
    PuntKind, PuntMeta, Reader, Route, RouteAction, Segment, Tunnel, Writer,
};
use loom::thread;

const TINY: Geometry = Geometry {
    workers: 1,
    home_addresses: 1,
    templates: 1,
    next_hops: 1,
    routes: 1,
    flow_sets: 0,
    flows: 0,
    meters: 0,
    optimized_routes: 0,
    ring_slots: 1,
};

fn model(check: impl Fn(&Segment) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = Some(3);
    builder.check(move || check(&Segment::anonymous_with_seed(&TINY, [1, 2]).unwrap()));
}

fn home(n: u128) -> Ipv6Addr {
    Ipv6Addr::from(n)
}

/// A tunnel whose fields all say `generation` and `n`.
fn tunnel(n: u128, generation: u128) -> Tunnel {
    Tunnel {
        anchor: home(n << 64 | generation),
        care_of: home(n << 96 | generation),
        next_hop: generation as u32,
        mtu: generation as u16,
        previous: None,
        metered: false,
        rate_cap: None,
        test: None,
    }
}

/// The generation of `n`'s binding, after a check that it is whole, and that it stays so while it is held.
fn look_up(reader: &Reader, n: u128) -> Option<u128> {
    let entry = reader.lookup_home(&home(n).octets())?;
    let first = reader.tunnel(&entry).unwrap();
    let generation = u128::from(first.next_hop);
    assert_eq!(first.tunnel(), tunnel(n, generation));
    Some(generation)
}

fn publish(writer: &mut Writer, n: u128, generation: u128) -> bool {
    writer
        .publish_binding(home(n), &tunnel(n, generation))
        .is_ok()
}

/// Two handoffs. As soon as that is allowed, the first one's tunnel overwrites the one that the slot had, and the second one's template
/// overwrites the first one's.
#[test]
fn no_tunnel_is_overwritten_under_a_worker() {
    model(|segment| {
        let mut writer = segment.writer().unwrap();
        assert!(publish(&mut writer, 1, 1));
        let reader = segment.reader(0).unwrap();
        let worker = thread::spawn(move || {
            let first = look_up(&reader, 1).unwrap();
            reader.quiescent();
            let second = look_up(&reader, 1).unwrap();
            assert!(second >= first);
        });
        assert!(publish(&mut writer, 1, 2));
        writer.reclaim();
        publish(&mut writer, 1, 3);
        worker.join().unwrap();
    });
}

/// The same, for a worker that sleeps and wakes instead of reporting.
#[test]
fn a_worker_that_wakes_sees_what_was_published_while_it_slept() {
    model(|segment| {
        let mut writer = segment.writer().unwrap();
        assert!(publish(&mut writer, 1, 1));
        let reader = segment.reader(0).unwrap();
        let worker = thread::spawn(move || {
            reader.park();
            reader.unpark();
            look_up(&reader, 1).unwrap();
        });
        assert!(publish(&mut writer, 1, 2));
        publish(&mut writer, 1, 3);
        worker.join().unwrap();
    });
}

/// A removed slot and its tunnel come back as another key's, at once if the worker has let go: neither key is ever found
/// with the other's template.
#[test]
fn a_slot_is_not_reused_under_a_worker() {
    model(|segment| {
        let mut writer = segment.writer().unwrap();
        assert!(publish(&mut writer, 1, 1));
        let reader = segment.reader(0).unwrap();
        let worker = thread::spawn(move || {
            for n in [1, 2] {
                assert!(look_up(&reader, n).is_none_or(|generation| generation == n));
            }
            reader.quiescent();
            assert!(look_up(&reader, 2).is_none_or(|generation| generation == 2));
        });
        assert!(writer.remove_binding(home(1)));
        writer.reclaim();
        assert!(publish(&mut writer, 2, 2));
        worker.join().unwrap();
    });
}

/// Seven bindings in the one group that a table for twenty begins with. The eighth splits it: one of the seven moves while it is looked
/// up, is handed off where it has gone, and leaves the slot that it had as soon as that is allowed.
#[test]
fn no_lookup_misses_a_binding_that_moves() {
    let geometry = Geometry {
        home_addresses: 20,
        ..TINY
    };
    // One anchor address, so that the model is not about finding its number.
    let with_anchor = |n: u128, generation: u128| Tunnel {
        anchor: home(99),
        ..tunnel(n, generation)
    };
    let look_up = move |reader: &Reader| {
        let entry = reader.lookup_home(&home(MOVES).octets()).unwrap();
        let found = reader.tunnel(&entry).unwrap().tunnel();
        let generation = u128::from(found.next_hop);
        assert_eq!(found, with_anchor(MOVES, generation));
        (entry, generation)
    };
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let segment = Segment::anonymous_with_seed(&geometry, [1, 2]).unwrap();
        // In boxes: a modelled thread has a small stack.
        let mut writer = Box::new(segment.writer().unwrap());
        let mut publish = move |n, generation| {
            let published = writer.publish_binding(home(n), &with_anchor(n, generation));
            writer.reclaim();
            published.is_ok()
        };
        assert!((0..7).all(|n| publish(n, 1)));
        let reader = Box::new(segment.reader(0).unwrap());
        let (before, _) = look_up(&reader);
        let worker = thread::spawn(move || {
            let (_, first) = look_up(&reader);
            let (_, second) = look_up(&reader);
            assert!(second >= first);
            reader.quiescent();
            let (_, third) = look_up(&reader);
            assert!(third >= second);
            reader
        });
        assert!(publish(7, 1));
        assert!(publish(MOVES, 2));
        let reader = worker.join().unwrap();
        let (after, generation) = look_up(&reader);
        assert_ne!(after, before, "it has moved");
        assert_eq!(generation, 2);
    });
}

/// One of the home addresses that move.
const MOVES: u128 = 0;

/// Three flow sets over two slots, each with its own care-of address: no rule leads to the care-of address of another set.
#[test]
fn a_flow_set_is_not_overwritten_under_a_worker() {
    let publish = |writer: &mut Writer, generation: u128| {
        let rule = FlowRule {
            selector: FlowSelector::default(),
            bids: vec![generation as u16],
            discard: false,
        };
        writer.publish_flows(
            home(1),
            &[(generation as u16, tunnel(1, generation))],
            &[rule],
        )
    };
    let geometry = Geometry {
        flow_sets: 1,
        meters: 0,
        ..TINY
    };
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = Some(2);
    builder.check(move || {
        let segment = Segment::anonymous_with_seed(&geometry, [1, 2]).unwrap();
        let mut writer = segment.writer().unwrap();
        writer.publish_binding(home(1), &tunnel(1, 9)).unwrap();
        publish(&mut writer, 1).unwrap();
        let reader = segment.reader(0).unwrap();
        let worker = thread::spawn(move || {
            let seen = || {
                let entry = reader.lookup_home(&home(1).octets()).unwrap();
                let set = reader.flow_set(entry.flows().unwrap()).unwrap();
                assert_eq!(set.verdict(&KEY), FlowVerdict::CareOfs(1));
                let template = reader.template(set.template(0).unwrap()).unwrap();
                let generation = u128::from(template.next_hop);
                assert_eq!(template.tunnel(), tunnel(1, generation));
                generation
            };
            let first = seen();
            reader.quiescent();
            assert!(seen() >= first);
        });
        publish(&mut writer, 2).unwrap();
        // Busy, unless the worker has let go of the first.
        let _ = publish(&mut writer, 3);
        worker.join().unwrap();
    });
}

const KEY: FlowKey = FlowKey {
    source: [1; 16],
    destination: [2; 16],
    spi: None,
    flow_label: 0,
    ports: None,
    dscp: 0,
    next_header: 59,
};

const FLOW: ExactFlow = ExactFlow {
    source: Ipv6Addr::LOCALHOST,
    next_header: 17,
    source_port: 443,
    destination_port: 50_000,
};

/// The flow with another port, and a packet of it.
fn flow(port: u16) -> (ExactFlow, FlowKey) {
    let flow = ExactFlow {
        source_port: port,
        ..FLOW
    };
    let packet = FlowKey {
        source: flow.source.octets(),
        ports: Some((port, flow.destination_port)),
        next_header: flow.next_header,
        ..KEY
    };
    (flow, packet)
}

/// The number of the tunnel that a packet is sent through by the rules of home address 1.
fn decide(reader: &Reader, packet: &FlowKey) -> Option<u128> {
    let entry = reader.lookup_home(&home(1).octets())?;
    let set = reader.flow_set(entry.flows()?)?;
    let verdict = match reader.find_flow(set, packet) {
        Some(flow) => set.overrules(packet, &flow).unwrap_or(flow.verdict),
        None => set.verdict(packet),
    };
    let FlowVerdict::CareOfs(mask) = verdict else {
        return None;
    };
    let position = mask.trailing_zeros() as usize;
    let template = reader.template(set.template(position).unwrap()).unwrap();
    let number = u128::from(template.next_hop);
    assert_eq!(template.tunnel(), tunnel(1, number));
    Some(number)
}

const ONE_FLOW: Geometry = Geometry {
    flow_sets: 1,
    flows: 1,
    ..TINY
};

fn model_of_flows(preemptions: usize, check: impl Fn(&Segment) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 40_000;
    builder.preemption_bound = Some(preemptions);
    builder.check(move || check(&Segment::anonymous_with_seed(&ONE_FLOW, [1, 2]).unwrap()));
}

/// Three lists one after the other, each with two care-of addresses whose BIDs are others' in the next one. By the first the flow goes to
/// one, by the second there is no rule for it, so that it goes where all others do, by the third to the one that another rule does not
/// overrule. Its packets go where one of the lists says, and never where a flow's rule and another list would.
#[test]
fn a_flow_goes_by_one_list_at_a_time() {
    let publish = |writer: &mut Writer, list: u16| {
        // Tunnel 10 * list is for the flow, the next one for all others.
        let care_ofs = [0, 1].map(|role| {
            let number = u128::from(10 * list + role);
            (1 + (list + role) % 2, tunnel(1, number))
        });
        let [flows, others] = care_ofs.map(|(bid, _)| vec![bid]);
        let rule = |selector, bids| FlowRule {
            selector,
            bids,
            discard: false,
        };
        let exact = rule(FLOW.into(), flows);
        let all = rule(FlowSelector::default(), others);
        let rules = match list {
            1 => vec![exact, all],
            2 => vec![all],
            _ => vec![all, exact],
        };
        writer.publish_flows(home(1), &care_ofs, &rules)
    };
    model_of_flows(2, move |segment| {
        let mut writer = Box::new(segment.writer().unwrap());
        writer.publish_binding(home(1), &tunnel(1, 9)).unwrap();
        publish(&mut writer, 1).unwrap();
        let reader = Box::new(segment.reader(0).unwrap());
        let worker = thread::spawn(move || {
            let (_, packet) = flow(443);
            let expected = |number| [10, 21, 31].contains(&number);
            let first = decide(&reader, &packet).unwrap();
            reader.quiescent();
            let second = decide(&reader, &packet).unwrap();
            assert!(expected(first) && expected(second), "{first}, {second}");
            assert!(second >= first);
        });
        publish(&mut writer, 2).unwrap();
        // Busy, unless the worker has let go of the first.
        let _ = publish(&mut writer, 3);
        worker.join().unwrap();
    });
}

/// Ports of two flows that have the same tag under the seed of the models, so that one is looked for in the other's slot.
const ALIKE: [u16; 2] = [443, 257];

/// A flow is removed, and another of the same tag comes into its slot as soon as that is allowed: none is found with what the other's
/// rule says.
#[test]
fn the_slot_of_a_flow_is_not_reused_under_a_worker() {
    model_of_flows(3, |segment| {
        let mut writer = Box::new(segment.writer().unwrap());
        writer.publish_binding(home(1), &tunnel(1, 9)).unwrap();
        let care_ofs = [(1, tunnel(1, 1)), (2, tunnel(1, 2))];
        writer.publish_flows(home(1), &care_ofs, &[]).unwrap();
        let set = |writer: &mut Writer, port: u16, bid: u16| {
            let rule = ExactRule {
                flow: flow(port).0,
                bids: vec![bid],
                discard: false,
                rank: 0,
            };
            assert!(writer.set_flow(home(1), &rule).unwrap());
        };
        let [first, second] = ALIKE;
        set(&mut writer, first, 1);
        let reader = Box::new(segment.reader(0).unwrap());
        let worker = thread::spawn(move || {
            let found = decide(&reader, &flow(second).1);
            assert!(found.is_none_or(|number| number == 2), "{found:?}");
            reader.quiescent();
            let found = decide(&reader, &flow(first).1);
            assert!(found.is_none_or(|number| number == 1), "{found:?}");
        });
        assert!(writer.remove_flow(home(1), &flow(first).0));
        writer.reclaim();
        set(&mut writer, second, 2);
        worker.join().unwrap();
    });
}

/// The third table goes where the first was.
#[test]
fn a_route_table_is_not_overwritten_under_a_worker() {
    let table = |next_hop: u32| {
        [Route {
            prefix: home(0),
            len: 0,
            action: RouteAction::Forward { next_hop },
        }]
    };
    model(move |segment| {
        let mut writer = segment.writer().unwrap();
        writer.try_publish_routes(&table(1)).unwrap();
        let reader = segment.reader(0).unwrap();
        let worker = thread::spawn(move || {
            let seen = || match reader.route(&[1; 16]) {
                RouteAction::Forward { next_hop } => next_hop,
                other => panic!("{other:?}"),
            };
            let first = seen();
            reader.quiescent();
            assert!(seen() >= first);
        });
        writer.try_publish_routes(&table(2)).unwrap();
        // The first table's nodes are the first to be used again, if the worker has let go of them.
        writer.reclaim();
        writer.try_publish_routes(&table(3)).unwrap();
        worker.join().unwrap();
    });
}

/// A route that comes and goes, over nodes that are reused as soon as that is allowed: its addresses go one of two ways, those
/// beside it always the same.
#[test]
fn a_route_tree_is_not_overwritten_under_a_worker() {
    let route = |len, next_hop| Route {
        prefix: home(1 << 127),
        len,
        action: RouteAction::Forward { next_hop },
    };
    let geometry = Geometry { routes: 2, ..TINY };
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let segment = Segment::anonymous_with_seed(&geometry, [1, 2]).unwrap();
        let mut writer = segment.writer().unwrap();
        writer.put_route(&route(1, 1)).unwrap();
        let reader = segment.reader(0).unwrap();
        let worker = thread::spawn(move || {
            for _ in 0..2 {
                let [inside, beside] = [1_u128 << 127 | 1, u128::MAX]
                    .map(|address| reader.route(&address.to_be_bytes()));
                let forward = |next_hop| RouteAction::Forward { next_hop };
                assert!(inside == forward(1) || inside == forward(2), "{inside:?}");
                assert_eq!(beside, forward(1));
                reader.quiescent();
            }
        });
        writer.put_route(&route(2, 2)).unwrap();
        writer.reclaim();
        let _ = writer.remove_route(&route(2, 2));
        writer.reclaim();
        let _ = writer.put_route(&route(3, 2));
        worker.join().unwrap();
    });
}

/// One slot, three packets: every packet that comes out is whole and in its turn, and none is lost.
///
/// The consumer is the thread that is spawned: loom notes one access to a word at a time, and the producer's look at its own
/// cursor would hide the consumer's from it.
#[test]
fn packets_pass_the_ring_whole_and_in_order() {
    model(|segment| {
        let reader = segment.reader(0).unwrap();
        let mut control = segment.control().unwrap();
        let mut last = 0;
        let mut take = move || {
            let mut buffer = [0; 8];
            let Some(punted) = control.punt_pop(0, &mut buffer) else {
                return 0;
            };
            let n = buffer[0];
            assert_eq!((buffer, punted.len), ([n; 8], 8));
            assert_eq!(
                (punted.meta.port, punted.meta.timestamp_ns),
                (n.into(), n.into())
            );
            assert!(n > last);
            last = n;
            1
        };
        let consumer = thread::spawn(move || {
            let mut taken = 0;
            for _ in 0..2 {
                taken += take();
                thread::yield_now();
            }
            (taken, take)
        });
        let mut sent = 0;
        for n in 1..=3_u8 {
            let meta = PuntMeta {
                class: PuntClass::Bound,
                port: n.into(),
                kind: PuntKind::Mobility,
                timestamp_ns: n.into(),
            };
            if reader.punt(&meta, &[n; 8]).is_ok() {
                sent += 1;
            }
            thread::yield_now();
        }
        let (taken, mut take) = consumer.join().unwrap();
        assert_eq!(taken + take(), sent);
    });
}
