//! Everything that was measured: said, and as figures for targets

use dhpd::priority::Priority;
use serde::Serialize;

use super::{calm, engine, handoff, rings, storm, veth};
use crate::results::Figures;
use crate::statistics::Spread;

/// What there is of each part.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Whether the control plane kept a journal.
    with_journal: bool,
    pub(super) engine: Vec<engine::Measured>,
    calm: Option<calm::Measured>,
    pub(super) rings: Option<rings::Measured>,
    pub(super) storm: Option<storm::Measured>,
    handoff: Option<handoff::Measured>,
    pub(super) veth: Option<veth::Measured>,
}

impl Report {
    /// Nothing yet.
    pub fn new(with_journal: bool) -> Self {
        Self {
            with_journal,
            ..Self::default()
        }
    }

    /// Takes a part, and says it.
    pub fn add_engine(&mut self, part: engine::Measured) {
        let rate = line(part.updates_per_second);
        println!(
            "engine, {} bindings: {rate} updates a second",
            part.bindings
        );
        println!(
            "  the longest 16 registrations took {:.0} µs; all bindings ended in {:.2} s, in which signalling waited {:.0} µs at most",
            part.longest_registration_us, part.expiry.seconds, part.expiry.longest_us
        );
        if let Some(memory) = part.memory {
            println!(
                "  {:.0} octets of memory a binding, beside {:.0} a mobile node",
                memory.per_binding, memory.per_mobile_node
            );
        }
        self.engine.push(part);
    }

    /// Takes a part, and says it.
    pub fn add_calm(&mut self, part: calm::Measured) {
        println!(
            "calm: {} Binding Updates at {} a second, all acknowledged; punt to inject:{}",
            part.updates, part.rate_per_second, part.latency
        );
        self.calm = Some(part);
    }

    /// Takes a part, and says it.
    pub fn add_rings(&mut self, part: rings::Measured) {
        println!(
            "rings, {} bindings: {} updates a second, {} ns of the control thread each; at {} a second, really {}, control thread {}: {} lost, punt to inject:{}; reading the clock: p99.9 {} µs",
            part.bindings,
            line(part.updates_per_second),
            line(part.control_ns_per_update),
            part.rate_per_second,
            line(part.sent_per_second),
            match part.is_real_time {
                true => Priority::RealTime,
                false => Priority::Ordinary,
            }
            .name(),
            part.lost,
            part.latency,
            line(part.idle_p999_us)
        );
        self.rings = Some(part);
    }

    /// Takes a part, and says it.
    pub fn add_storm(&mut self, part: storm::Measured) {
        say_storm("storm", &part);
        self.storm = Some(part);
    }

    /// Takes a part, and says it.
    pub fn add_veth(&mut self, part: veth::Measured) {
        println!(
            "veth: {} mobile nodes, {:.0} registered a second",
            part.calm.mobile_nodes, part.registered_per_second
        );
        say_storm("veth, calm", &part.calm);
        say_storm("veth, storm", &part.storm);
        self.veth = Some(part);
    }

    /// Takes a part, and says it.
    pub fn add_handoff(&mut self, part: handoff::Measured) {
        println!(
            "handoff: {} mobile nodes with {} flows each in {:.2} s, {} unfinished; {} bindings and {} flows lost; {} of {} packets lost meanwhile; {} signalling packets dropped",
            part.mobile_nodes,
            part.flows_of_each,
            part.seconds,
            part.unfinished,
            part.bindings_lost,
            part.flows_lost,
            part.packets_lost,
            part.packets,
            part.dropped
        );
        self.handoff = Some(part);
    }

    /// What targets can name.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::new();
        for part in &self.engine {
            let name = |what| format!("engine.{}.{what}", part.bindings);
            let rate = part.updates_per_second.median;
            figures.put(name("updates_per_second"), Some(rate));
            let longest = part.longest_registration_us;
            figures.put(name("longest_registration_us"), Some(longest));
            let longest = part.expiry.longest_us;
            figures.put(name("longest_expiry_us"), Some(longest));
            if let Some(memory) = part.memory {
                figures.put(name("octets_per_binding"), Some(memory.per_binding));
                figures.put(name("octets_per_mobile_node"), Some(memory.per_mobile_node));
            }
        }
        if let Some(part) = &self.calm {
            figures.put("calm.p99_us", Some(part.latency.p99_us.median));
        }
        if let Some(part) = &self.rings {
            figures.put(
                "rings.updates_per_second",
                Some(part.updates_per_second.median),
            );
            figures.put("rings.p999_us", Some(part.latency.p999_us.median));
            figures.put("rings.idle_p999_us", Some(part.idle_p999_us.median));
            figures.put("rings.lost", Some(part.lost as f64));
        }
        if let Some(part) = &self.storm {
            put_storm(&mut figures, "storm", part);
        }
        if let Some(part) = &self.veth {
            let rate = part.registered_per_second;
            figures.put("veth.registered_per_second", Some(rate));
            put_storm(&mut figures, "veth.calm", &part.calm);
            put_storm(&mut figures, "veth.storm", &part.storm);
        }
        if let Some(part) = &self.handoff {
            let name = |what| format!("handoff.{}.{what}", part.mobile_nodes);
            figures.put(name("seconds"), Some(part.seconds));
            let lost = part.unfinished + part.bindings_lost + part.flows_lost;
            figures.put("handoff.lost", Some(lost as f64));
            figures.put("handoff.packets_lost", Some(part.packets_lost as f64));
        }
        figures
    }
}

fn say_storm(name: &str, part: &storm::Measured) {
    println!(
        "{name}, {:.0} first requests a second for {:.0} s, of which with all else {:.0} a second reached the control plane; {} packets that named a bound home address dropped, {} lost before the worker:",
        part.requests_per_second,
        part.seconds,
        part.punted_per_second,
        part.dropped_updates,
        part.missed
    );
    println!(
        "  {} of {} refreshes answered, {} at once; {} of {} handoffs unfinished, p50 {:.2} ms, p99 {:.1} ms, max {:.0} ms; {} bindings ended, {} misplaced; memory {:.1} to {:.1} MiB",
        part.refreshed,
        part.refreshes,
        part.refreshed_at_once,
        part.handoffs_unfinished,
        part.handoffs,
        part.handoff_ms(50),
        part.handoff_ms(99),
        part.handoff_ms(100),
        part.bindings_ended,
        part.bindings_misplaced,
        mebi(part.octets_before),
        mebi(part.octets_after)
    );
}

fn put_storm(figures: &mut Figures, name: &str, part: &storm::Measured) {
    let growth = part.octets_after as f64 / part.octets_before as f64 - 1.0;
    for (what, value) in [
        ("requests_per_second", part.requests_per_second),
        ("refreshed_percent", part.refreshed_percent()),
        ("handoffs_unfinished", part.handoffs_unfinished as f64),
        ("handoff_p99_ms", part.handoff_ms(99)),
        ("bindings_lost", part.bindings_lost() as f64),
        ("memory_growth_percent", growth * 100.0),
    ] {
        figures.put(format!("{name}.{what}"), Some(value));
    }
}

fn line(Spread { min, median, max }: Spread) -> String {
    format!("{median:.0} ({min:.0} to {max:.0})")
}

fn mebi(octets: u64) -> f64 {
    octets as f64 / f64::from(1 << 20)
}
