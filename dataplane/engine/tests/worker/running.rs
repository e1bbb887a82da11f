//! The worker's own loop, and ports that are not memory

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dhp_engine::{
    IdlePolicy, MAX_PORTS, RunError, WakeFd, Worker, WorkerConfig, WorkerError, monotonic_ns,
};
use dhp_segment::{
    Counter, DropReason, Geometry, NextHop, NextHopState, Route, RouteAction, Segment, Tunnel,
};

use crate::appliance::{ANCHOR, Appliance, CARE_OF, CN, CORE, CORRESPONDENT, HOME, Setup};
use crate::bare_port::{BarePort, BareWire};
use crate::packets::{address, mobility, udp, with_hop_limit};

/// A worker with one bare port, by which everything is reached.
pub fn bare_worker(
    config: WorkerConfig,
    readable: Option<UnixDatagram>,
    fails: bool,
) -> (Worker<BarePort>, BareWire, Segment) {
    let geometry = Geometry {
        ring_slots: 16,
        ..Geometry::default()
    };
    let segment = Segment::anonymous(&geometry).expect("a segment");
    let mut writer = segment.writer().expect("the writer");
    let next_hop = writer.allocate_next_hop().expect("a next hop");
    let hop = NextHop {
        port: 0,
        state: NextHopState::Resolved,
        destination_mac: [0; 6],
        source_mac: [0; 6],
        mtu: 1500,
    };
    writer.set_next_hop(next_hop, hop).expect("room");
    let route = |prefix, len, action| Route {
        prefix: address(prefix),
        len,
        action,
    };
    let routes = [
        route("::", 0, RouteAction::Forward { next_hop }),
        route(HOME, 128, RouteAction::Pool),
    ];
    writer.publish_routes(&routes).expect("room");
    let tunnel = Tunnel {
        anchor: address(ANCHOR),
        care_of: address(CARE_OF),
        next_hop,
        mtu: 1460,
        previous: None,
        metered: false,
        rate_cap: None,
        test: None,
    };
    writer
        .publish_binding(address(HOME), &tunnel)
        .expect("room");
    let (port, wire) = BarePort::new(readable, fails);
    let reader = segment.reader(0).expect("the reader");
    let worker = Worker::new(config, vec![port], None, reader).expect("a worker");
    (worker, wire, segment)
}

pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < give_up, "{what}");
        thread::yield_now();
    }
}

/// Sleeps at once, and until something wakes it.
pub fn sleepy() -> IdlePolicy {
    IdlePolicy::Sleep {
        empty_rounds: 1,
        at_most: Duration::from_secs(3_600),
    }
}

#[test]
fn frames_longer_than_a_buffer_are_received_and_dropped() {
    for oversized in [1_u64, 63, 64, 65] {
        let (mut worker, wire, segment) = bare_worker(WorkerConfig::default(), None, false);
        {
            let mut waiting = wire.to_worker.lock().expect("not poisoned");
            for _ in 0..oversized {
                waiting.push_back(vec![0x60; 2049]);
            }
            waiting.push_back(udp("2001:db8::1", "2001:db8::2", 10));
        }
        assert_eq!(worker.poll(1), 1, "the frame that fits is a packet");
        worker.poll(2);
        let counters = segment.counters(0);
        assert_eq!(counters.drops(DropReason::ReceiveTruncated), oversized);
        assert_eq!(counters.get(Counter::RxPackets), oversized + 1);
        assert_eq!(counters.get(Counter::TxPackets), 1);
        assert_eq!(counters.total_drops(), oversized);
    }
}

#[test]
fn a_sleeping_worker_wakes_for_packets_for_the_control_plane_and_for_the_end() {
    let (ours, theirs) = UnixDatagram::pair().expect("a pair of sockets");
    theirs
        .set_nonblocking(true)
        .expect("a socket that does not block");
    let config = WorkerConfig {
        idle: sleepy(),
        ..WorkerConfig::default()
    };
    let (mut worker, wire, segment) = bare_worker(config, Some(theirs), false);
    let mut control = segment.control().expect("the control end");
    let stop = Arc::new(AtomicBool::new(false));
    let wake = WakeFd::new().expect("an eventfd");
    let (its_stop, its_wake) = (Arc::clone(&stop), wake.clone());
    let thread = thread::spawn(move || worker.run(&its_stop, &its_wake));
    let sent = || wire.from_worker.lock().expect("not poisoned").len();
    let sleeps = || segment.counters(0).get(Counter::Sleeps);

    eventually("falls asleep", || sleeps() > 0);
    let packet = udp("2001:db8::1", "2001:db8::2", 10);
    wire.to_worker
        .lock()
        .expect("not poisoned")
        .push_back(packet.clone());
    ours.send(&[1]).expect("sent");
    eventually("forwards", || sent() == 1);
    assert_eq!(
        wire.from_worker.lock().expect("not poisoned")[0],
        with_hop_limit(&packet, 63)
    );

    control
        .inject(0, &mobility("2001:db8::1", "2001:db8::2"))
        .expect("room");
    wake.wake();
    eventually("injects", || sent() == 2);

    // What has woken it does not keep it awake: there are no rounds for a while.
    let polls = || segment.counters(0).get(Counter::Polls);
    eventually("falls asleep again", || {
        let before = polls();
        let while_end = Instant::now() + Duration::from_millis(20);
        while Instant::now() < while_end {
            thread::yield_now();
        }
        polls() == before
    });
    // And the writer need not wait for it.
    let mut writer = segment.writer().expect("the writer");
    for _ in 0..3 {
        assert!(writer.publish_routes(&[]).expect("room"));
    }

    stop.store(true, Ordering::Release);
    wake.wake();
    assert_eq!(thread.join().expect("no panic"), Ok(()));
}

#[test]
fn a_worker_with_a_port_that_cannot_be_waited_on_looks_again() {
    let mut setup = Setup::default();
    setup.config.idle = sleepy();
    setup.config.core = core_affinity::get_core_ids().and_then(|cores| Some(cores.first()?.id));
    let Appliance {
        mut worker,
        wires,
        segment,
        ..
    } = Appliance::with(setup);
    let stop = Arc::new(AtomicBool::new(false));
    let wake = WakeFd::new().expect("an eventfd");
    let (its_stop, its_wake) = (Arc::clone(&stop), wake.clone());
    let thread = thread::spawn(move || worker.run(&its_stop, &its_wake));
    eventually("falls asleep", || {
        segment.counters(0).get(Counter::Sleeps) > 0
    });
    let frame = crate::appliance::ethernet(
        crate::appliance::PORT_MACS[CORE],
        &udp("2001:db8:a::42", CORRESPONDENT, 10),
    );
    wires[CORE].push(&frame).expect("room");
    eventually("forwards", || wires[CN].waiting() == 1);
    stop.store(true, Ordering::Release);
    wake.wake();
    assert_eq!(thread.join().expect("no panic"), Ok(()));
}

#[test]
fn a_polling_worker_never_sleeps() {
    let config = WorkerConfig {
        idle: IdlePolicy::Poll,
        ..WorkerConfig::default()
    };
    let (mut worker, _wire, segment) = bare_worker(config, None, false);
    let stop = Arc::new(AtomicBool::new(false));
    let wake = WakeFd::new().expect("an eventfd");
    let (its_stop, its_wake) = (Arc::clone(&stop), wake.clone());
    let thread = thread::spawn(move || worker.run(&its_stop, &its_wake));
    eventually("polls", || {
        segment.counters(0).get(Counter::IdlePolls) > 5_000
    });
    stop.store(true, Ordering::Release);
    assert_eq!(thread.join().expect("no panic"), Ok(()));
    assert_eq!(segment.counters(0).get(Counter::Sleeps), 0);
}

#[test]
fn a_core_that_does_not_exist_is_refused() {
    let config = WorkerConfig {
        core: Some(usize::MAX),
        ..WorkerConfig::default()
    };
    let (mut worker, ..) = bare_worker(config, None, false);
    let wake = WakeFd::new().expect("an eventfd");
    let refused = worker.run(&AtomicBool::new(false), &wake);
    assert_eq!(refused, Err(RunError::Core(usize::MAX)));
}

#[test]
fn what_cannot_be_a_worker_is_refused() {
    let worker = |ports: usize, host_port| {
        let segment = Segment::anonymous(&Geometry::default()).expect("a segment");
        let ports = (0..ports).map(|_| BarePort::new(None, false).0).collect();
        let reader = segment.reader(0).expect("the reader");
        Worker::new(WorkerConfig::default(), ports, host_port, reader).err()
    };
    assert_eq!(worker(0, None), Some(WorkerError::NoPorts));
    assert_eq!(
        worker(MAX_PORTS + 1, None),
        Some(WorkerError::TooManyPorts(MAX_PORTS + 1))
    );
    assert_eq!(worker(2, Some(2)), Some(WorkerError::HostPort(2)));
    assert_eq!(worker(MAX_PORTS, Some(0)), None);
}

#[test]
fn a_worker_that_stands_still_holds_up_no_writer() {
    let mut appliance = Appliance::new();
    let routes = [Route {
        prefix: address("::"),
        len: 0,
        action: RouteAction::Blackhole,
    }];
    // A route table can be replaced twice only if nobody uses the first one any more.
    for _ in 0..3 {
        assert!(
            appliance.writer.publish_routes(&routes).expect("room"),
            "not begun"
        );
    }
    appliance.pass(CORE, &udp("2001:db8:a::42", CORRESPONDENT, 10));
    appliance.worker.park();
    for _ in 0..3 {
        assert!(
            appliance.writer.publish_routes(&routes).expect("room"),
            "parked"
        );
    }
    appliance.pass(CORE, &udp("2001:db8:a::42", CORRESPONDENT, 10));
    assert_eq!(appliance.counted()["blackhole"], 2);
}

#[test]
fn the_writer_may_reuse_what_a_worker_has_finished_with_after_each_round() {
    let mut appliance = Appliance::new();
    for _ in 0..5 {
        appliance.poll();
        assert!(appliance.writer.publish_routes(&[]).expect("room"));
    }
}

#[test]
fn what_a_port_fails_to_send_is_counted() {
    let (mut worker, wire, segment) = bare_worker(WorkerConfig::default(), None, true);
    let packet = udp("2001:db8::1", "2001:db8::2", 10);
    wire.to_worker
        .lock()
        .expect("not poisoned")
        .extend([packet.clone(), packet]);
    assert_eq!(worker.poll(monotonic_ns()), 2);
    let counters = segment.counters(0);
    assert_eq!(counters.drops(DropReason::TxFailed), 2);
    assert_eq!(counters.get(Counter::TxPackets), 0);
}

#[test]
fn a_frame_without_headroom_is_not_tunnelled() {
    let (mut worker, wire, segment) = bare_worker(WorkerConfig::default(), None, false);
    let packet = udp("2001:db8::1", HOME, 10);
    wire.to_worker
        .lock()
        .expect("not poisoned")
        .push_back(packet);
    worker.poll(monotonic_ns());
    let counters = segment.counters(0);
    assert_eq!(counters.drops(DropReason::NoHeadroom), 1);
    assert_eq!(counters.total_drops(), 1);
}
