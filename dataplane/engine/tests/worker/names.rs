//! Every name that a worker may count under has a case that raises it
//!
//! Both tables are matches without a wildcard: who adds a name has to say here what raises it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use dhp_engine::{PuntRates, WakeFd, WorkerConfig, monotonic_ns};
use dhp_segment::{
    CareOfTest, Counter, CounterSnapshot, DropReason, FlowRule, FlowSelector, TraceRequest, Tunnel,
};

use crate::appliance::*;
use crate::drops_table;
use crate::mutation::corpus;
use crate::optimized;
use crate::packets::*;
use crate::running::{bare_worker, eventually, sleepy};

const FAR: &str = "2001:db8:a::42";

/// The counters after a case that raises `reason`.
fn dropping(reason: DropReason) -> CounterSnapshot {
    match reason {
        DropReason::MalformedIpv6
        | DropReason::BadExtensionChain
        | DropReason::InvalidSource
        | DropReason::LinkScope
        | DropReason::Multicast
        | DropReason::NoRoute
        | DropReason::Prohibited
        | DropReason::Blackhole
        | DropReason::HopLimitExceeded
        | DropReason::PacketTooBig
        | DropReason::NeighbourUnresolved
        | DropReason::NoBinding
        | DropReason::SpoofedPoolSource
        | DropReason::TunnelSourceMismatch
        | DropReason::TunnelUnknownHome
        | DropReason::TunnelInnerMalformed
        | DropReason::TunnelLoop
        | DropReason::EncapsulationLimit
        | DropReason::EcnInvalid
        | DropReason::RoutingHeader0
        | DropReason::RoutingHeader2
        | DropReason::RoutingHeaderUnknown
        | DropReason::HomeAddressOptionUnbound
        | DropReason::Fragment
        | DropReason::FragmentMalformed
        | DropReason::ReassemblyLimit => of_the_table(reason),
        DropReason::NotIpv6 => {
            let appliance = Appliance::new();
            appliance.wires[CORE].push(&[0; 13]).expect("room");
            polled(appliance)
        }
        DropReason::ReceiveTruncated => bare(vec![0x60; 2049], false),
        DropReason::TxFailed => bare(udp(FAR, CORRESPONDENT, 10), true),
        DropReason::NoHeadroom => bare(udp(FAR, HOME, 10), false),
        DropReason::TransitDisabled => {
            let mut setup = Setup::default();
            setup.config.transit = false;
            after(setup, CORE, &udp(FAR, CORRESPONDENT, 10))
        }
        DropReason::HostUnavailable => {
            let setup = Setup {
                host_port: None,
                ..Setup::default()
            };
            after(setup, CORE, &echo_request(FAR, ANCHOR))
        }
        DropReason::NoBuffer => {
            let setup = Setup {
                frames: 1,
                ..Setup::default()
            };
            after(setup, CORE, &udp(FAR, UNBOUND_HOME, 10))
        }
        DropReason::PuntTooLong => {
            let setup = Setup {
                frame_octets: 9216,
                ..Setup::default()
            };
            let long = raw(FAR, ANCHOR, 135, &[0; dhp_segment::RING_PACKET_BYTES]);
            after(setup, CORE, &long)
        }
        DropReason::RingFull => {
            let setup = Setup {
                ring_slots: 4,
                ..Setup::default()
            };
            five_times(setup, &mobility(FAR, ANCHOR))
        }
        DropReason::TxFull => {
            let setup = Setup {
                wire_depth: 4,
                ..Setup::default()
            };
            let mut appliance = Appliance::with(setup);
            for _ in 0..5 {
                appliance.receive(CORE, &udp(FAR, CORRESPONDENT, 10));
                appliance.poll();
            }
            polled(appliance)
        }
        DropReason::IcmpRateLimited => {
            let mut setup = Setup::default();
            setup.config.icmp_errors.per_cause = 4;
            five_times(setup, &udp(FAR, UNBOUND_HOME, 10))
        }
        DropReason::InjectedMalformed => {
            let mut appliance = Appliance::new();
            appliance.control.inject(0, &[0x45; 60]).expect("room");
            polled(appliance)
        }
        DropReason::FlowDiscarded => by_rule(true, &udp(CORRESPONDENT, HOME, 10)),
        DropReason::FragmentWithoutFirst => {
            let later = with_extension(
                &udp(CORRESPONDENT, HOME, 10),
                44,
                &fragment_header(8, false),
            );
            by_rule(false, &later)
        }
        DropReason::IcmpErrorUnrelated => tunnel_error(STRANGER, 1280),
        DropReason::IcmpErrorIgnored => tunnel_error(HOME, 1000),
        DropReason::FragmentDuplicate => pieces(&[0, 0]),
        DropReason::ReassemblyOverlap => {
            let appliance = Appliance::new();
            for place in [200, 208] {
                appliance.receive(CORE, &cut(&uplink(), &[place], 7)[0]);
            }
            polled(appliance)
        }
        DropReason::ReassemblyTimeout => {
            let mut appliance = Appliance::new();
            appliance.receive(CORE, &cut(&uplink(), &[200], 7)[0]);
            appliance.poll();
            appliance.now_ns += 61_000_000_000;
            polled(appliance)
        }
        DropReason::BindingRateCap => limited(|tunnel| tunnel.rate_cap = Some(1)),
        DropReason::CareOfTestCredit => {
            limited(|tunnel| tunnel.test = Some(CareOfTest { tested: None }))
        }
        DropReason::PuntRateLimited => five_times(unheard(), &mobility(FAR, ANCHOR)),
        DropReason::PuntKnownLimited => five_times(unheard(), &mobility(CARE_OF, ANCHOR)),
        DropReason::PuntHandoffLimited => five_times(unheard(), &binding_update(FAR, ANCHOR, HOME)),
        DropReason::PuntBoundLimited => {
            five_times(unheard(), &binding_update(CARE_OF, ANCHOR, HOME))
        }
    }
}

/// The counters after a case that raises `counter`.
fn counting(counter: Counter) -> CounterSnapshot {
    match counter {
        Counter::RxPackets
        | Counter::RxBytes
        | Counter::TxPackets
        | Counter::TxBytes
        | Counter::Encapsulated
        | Counter::Decapsulated
        | Counter::PreviousCareOf
        | Counter::Forwarded
        | Counter::Hairpinned
        | Counter::PuntedMobility
        | Counter::PuntedBound
        | Counter::PuntedHandoffs
        | Counter::PuntedKnown
        | Counter::PuntedQuery
        | Counter::PuntedHost
        | Counter::NeighbourPending
        | Counter::FromHost
        | Counter::OuterFragments
        | Counter::RoutedType2
        | Counter::IcmpSent
        | Counter::Polls => {
            let appliance = Appliance::new();
            for (port, packet) in corpus() {
                appliance.receive(port, &packet);
            }
            polled(appliance)
        }
        Counter::HostHasCopy => {
            let setup = Setup {
                host_has_copy: true,
                ..Setup::default()
            };
            after(setup, CORE, &echo_request(FAR, ANCHOR))
        }
        Counter::PuntedErrors => tunnel_error(HOME, 1280),
        Counter::RelayedErrors => {
            let quoted = tunnelled(ANCHOR, CARE_OF, &udp(CORRESPONDENT, HOME, 100));
            after(
                Setup::default(),
                CORE,
                &icmp(address(FAR), address(ANCHOR), [1, 0], 0, &quoted),
            )
        }
        Counter::Injected => {
            let mut appliance = Appliance::new();
            let answer = mobility(ANCHOR, CARE_OF);
            appliance.control.inject(0, &answer).expect("room");
            polled(appliance)
        }
        Counter::OptimizedOut => optimized::between_host_and_roamer(CN),
        Counter::OptimizedIn => optimized::between_host_and_roamer(CORE),
        Counter::FlowCopies => by_rule(false, &udp(CORRESPONDENT, HOME, 10)),
        Counter::FragmentsJoined | Counter::Reassembled => pieces(&[0, 1]),
        Counter::BindingErrorsAsked => of_the_table(DropReason::HomeAddressOptionUnbound),
        Counter::BindingErrorsNotAsked => {
            let option = home_address_header(HOME);
            five_times(
                unheard(),
                &with_extension(&udp(FAR, ANCHOR, 10), 60, &option),
            )
        }
        Counter::TraceLost => {
            let mut appliance = Appliance::new();
            appliance.control.set_trace(Some(TraceRequest::default()));
            // More than wait for anybody.
            for _ in 0..200 {
                appliance.receive(CORE, &udp(FAR, CORRESPONDENT, 10));
                appliance.poll();
            }
            polled(appliance)
        }
        Counter::IdlePolls => polled(Appliance::new()),
        Counter::Sleeps => slept(),
    }
}

#[test]
fn every_drop_reason_has_a_case_that_raises_it() {
    for reason in DropReason::ALL {
        let counters = dropping(*reason);
        assert!(counters.drops(*reason) > 0, "{reason} is not raised");
    }
}

#[test]
fn every_counter_has_a_case_that_raises_it() {
    for counter in Counter::ALL {
        assert!(
            counting(*counter).get(*counter) > 0,
            "{counter} is not raised"
        );
    }
}

/// Whatever waits for this appliance is treated.
fn polled(mut appliance: Appliance) -> CounterSnapshot {
    appliance.poll();
    appliance.assert_conserved();
    appliance.counters()
}

fn after(setup: Setup, port: usize, packet: &[u8]) -> CounterSnapshot {
    let appliance = Appliance::with(setup);
    appliance.receive(port, packet);
    polled(appliance)
}

fn five_times(setup: Setup, packet: &[u8]) -> CounterSnapshot {
    let appliance = Appliance::with(setup);
    for _ in 0..5 {
        appliance.receive(CORE, packet);
    }
    polled(appliance)
}

fn of_the_table(reason: DropReason) -> CounterSnapshot {
    let mut cases = drops_table::cases().into_iter();
    let case = cases.find(|(_, _, raised)| *raised == reason);
    let (port, packet, _) = case.unwrap_or_else(|| panic!("{reason} has no case"));
    after(Setup::default(), port, &packet)
}

fn uplink() -> Vec<u8> {
    tunnelled(CARE_OF, ANCHOR, &udp(HOME, CORRESPONDENT, 400))
}

/// Which of the two pieces of a tunnel packet come, in this order.
fn pieces(order: &[usize]) -> CounterSnapshot {
    let appliance = Appliance::new();
    let pieces = cut(&uplink(), &[200], 7);
    for piece in order {
        appliance.receive(CORE, &pieces[*piece]);
    }
    polled(appliance)
}

/// Packets for [`HOME`], whose binding is limited.
fn limited(change: impl FnOnce(&mut Tunnel)) -> CounterSnapshot {
    let mut appliance = Appliance::new();
    let home = address(HOME);
    let mut tunnel = appliance.writer.binding(home).expect("bound").tunnel();
    change(&mut tunnel);
    appliance
        .writer
        .publish_binding(home, &tunnel)
        .expect("room");
    for _ in 0..5 {
        appliance.receive(CN, &udp(CORRESPONDENT, HOME, 1_000));
    }
    polled(appliance)
}

/// Of everybody the control plane hears once a second.
fn unheard() -> Setup {
    let mut setup = Setup::default();
    setup.config.punt_rates = PuntRates {
        bound: 1,
        handoffs: 1,
        known: 1,
        unknown: 1,
        ..PuntRates::default()
    };
    setup
}

/// One frame into a worker on a port that has no headroom.
fn bare(frame: Vec<u8>, fails: bool) -> CounterSnapshot {
    let (mut worker, wire, segment) = bare_worker(WorkerConfig::default(), None, fails);
    wire.to_worker
        .lock()
        .expect("not poisoned")
        .push_back(frame);
    worker.poll(monotonic_ns());
    segment.counters(0)
}

/// [`HOME`] has two care-of addresses and one rule for all UDP ports, by which both get a copy, or nobody.
fn by_rule(discard: bool, packet: &[u8]) -> CounterSnapshot {
    let mut appliance = Appliance::new();
    let home = address(HOME);
    let first = appliance.writer.binding(home).expect("bound").tunnel();
    let mut second = first;
    second.care_of = address(OTHER_CARE_OF);
    let ports = dhp_segment::FlowRange {
        first: 0,
        last: u16::MAX,
    };
    let rule = FlowRule {
        selector: FlowSelector {
            source_port: Some(ports),
            ..FlowSelector::default()
        },
        bids: vec![1, 2],
        discard,
    };
    let set = appliance
        .writer
        .publish_flows(home, &[(1, first), (2, second)], &[rule]);
    assert!(set.expect("room"));
    appliance.receive(CN, packet);
    polled(appliance)
}

/// A Packet Too Big about a tunnel packet with something for `inner` in it.
fn tunnel_error(inner: &str, mtu: u32) -> CounterSnapshot {
    let quoted = tunnelled(ANCHOR, CARE_OF, &udp(CORRESPONDENT, inner, 100));
    after(
        Setup::default(),
        CORE,
        &icmp(address(FAR), address(ANCHOR), [2, 0], mtu, &quoted),
    )
}

fn slept() -> CounterSnapshot {
    let mut setup = Setup::default();
    setup.config.idle = sleepy();
    let Appliance {
        mut worker,
        segment,
        ..
    } = Appliance::with(setup);
    let (stop, wake) = (AtomicBool::new(false), WakeFd::new().expect("an eventfd"));
    thread::scope(|scope| {
        let running = scope.spawn(|| worker.run(&stop, &wake));
        eventually("falls asleep", || {
            segment.counters(0).get(Counter::Sleeps) > 0
        });
        stop.store(true, Ordering::Release);
        wake.wake();
        assert_eq!(running.join().expect("no panic"), Ok(()));
    });
    segment.counters(0)
}
