//! Everything that was measured: said, as figures for targets, and drawn

use dhp_svg::{COLOURS, Panel, Plot, document};
use serde::Serialize;

use super::{calm, engine, handoff, rings, storm};
use crate::results::{Figures, Stamp};
use crate::statistics::Spread;

/// What there is of each part.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    engine: Vec<engine::Measured>,
    calm: Option<calm::Measured>,
    rings: Option<rings::Measured>,
    storm: Option<storm::Measured>,
    handoff: Option<handoff::Measured>,
}

impl Report {
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
            "rings, {} bindings: {} updates a second; at {} a second {} lost, punt to inject:{}",
            part.bindings,
            line(part.updates_per_second),
            part.rate_per_second,
            part.lost,
            part.latency
        );
        self.rings = Some(part);
    }

    /// Takes a part, and says it.
    pub fn add_storm(&mut self, part: storm::Measured) {
        println!(
            "storm, {:.0} first requests a second for {:.0} s, of which {:.0} a second reached the control plane:",
            part.requests_per_second, part.seconds, part.punted_per_second
        );
        println!(
            "  {} of {} refreshes answered, {} at once; {} of {} handoffs unfinished; {} bindings ended, {} misplaced; memory {:.1} to {:.1} MiB",
            part.refreshed,
            part.refreshes,
            part.refreshed_at_once,
            part.handoffs_unfinished,
            part.handoffs,
            part.bindings_ended,
            part.bindings_misplaced,
            mebi(part.octets_before),
            mebi(part.octets_after)
        );
        self.storm = Some(part);
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
            figures.put("rings.lost", Some(part.lost as f64));
        }
        if let Some(part) = &self.storm {
            let share = part.refreshed as f64 / part.refreshes as f64;
            let growth = part.octets_after as f64 / part.octets_before as f64 - 1.0;
            figures.put("storm.requests_per_second", Some(part.requests_per_second));
            figures.put("storm.refreshed_percent", Some(share * 100.0));
            figures.put(
                "storm.handoffs_unfinished",
                Some(part.handoffs_unfinished as f64),
            );
            let lost = part.bindings_ended.max(part.bindings_misplaced);
            figures.put("storm.bindings_lost", Some(lost as f64));
            figures.put("storm.memory_growth_percent", Some(growth * 100.0));
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

    /// Updates per second by the number of bindings.
    pub fn draw(&self, stamp: &Stamp) -> String {
        let rates = self
            .engine
            .iter()
            .map(|part| (part.bindings, part.updates_per_second));
        let rings = self
            .rings
            .iter()
            .map(|part| (part.bindings, part.updates_per_second));
        let lines = [
            ("the engine alone", rates.collect()),
            ("from ring to ring", rings.collect()),
        ];
        let panels = panel(&lines).into_iter().collect();
        document("Binding Updates on one core", &stamp.line(), panels)
    }
}

/// `None`: nothing of it was measured.
fn panel(lines: &[(&str, Vec<(u32, Spread)>)]) -> Option<Panel> {
    let all = || lines.iter().flat_map(|(_, points)| points);
    let at = |bindings: u32| f64::from(bindings).log10();
    let top = all().map(|(_, spread)| spread.max / 1e3).reduce(f64::max)?;
    let left = all().map(|(bindings, _)| at(*bindings)).reduce(f64::min)? - 0.2;
    let right = all().map(|(bindings, _)| at(*bindings)).reduce(f64::max)? + 0.2;
    let mut plot = Plot::new((760.0, 300.0), (left, right), (0.0, top * 1.1));
    let ticks: Vec<_> = all()
        .map(|(bindings, _)| (at(*bindings), bindings.to_string()))
        .collect();
    plot.axes_with(&ticks, "bindings", "thousand updates a second");
    let mut legend = Vec::new();
    for ((name, points), class) in lines.iter().zip(COLOURS) {
        let thousands = |value: f64| value / 1e3;
        let dots: Vec<_> = points
            .iter()
            .map(|(n, spread)| (at(*n), thousands(spread.median)))
            .collect();
        for (n, spread) in points {
            plot.spread(
                class,
                at(*n),
                (thousands(spread.min), thousands(spread.max)),
            );
        }
        plot.line(class, &dots);
        plot.dots(class, &dots);
        legend.push((class, (*name).to_owned()));
    }
    Some(Panel { plot, legend })
}

fn line(Spread { min, median, max }: Spread) -> String {
    format!("{median:.0} ({min:.0} to {max:.0})")
}

fn mebi(octets: u64) -> f64 {
    octets as f64 / f64::from(1 << 20)
}
