//! Everything that was measured, drawn

use dhp_svg::{COLOURS, Panel, Plot, document, number};

use super::report::Report;
use super::storm;
use crate::results::Stamp;
use crate::statistics::Spread;

/// The left end of the plot of handoffs.
const SHORTEST_MS: f64 = 0.01;

impl Report {
    /// Updates per second by the number of bindings, and how long handoffs took.
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
        let handoffs = [
            ("in a storm", self.storm.as_ref()),
            ("over veth", self.veth.as_ref().map(|part| &part.calm)),
            (
                "over veth, in a storm",
                self.veth.as_ref().map(|part| &part.storm),
            ),
        ];
        let panels = panel(&lines).into_iter().chain(handoff_panel(&handoffs));
        let title = "Binding Updates on one core, and handoffs";
        document(title, &stamp.line(), panels.collect())
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

/// Of a hundred handoffs, how many took no longer than so many milliseconds. `None`: none was measured.
fn handoff_panel(lines: &[(&str, Option<&storm::Measured>)]) -> Option<Panel> {
    let at = |milliseconds: f64| milliseconds.max(SHORTEST_MS).log10();
    let measured = || {
        lines
            .iter()
            .filter_map(|(name, part)| Some((name, (*part)?)))
    };
    let longest = measured().map(|(_, part)| at(part.handoff_ms(100)));
    let right = longest.reduce(f64::max)? + 0.1;
    let mut plot = Plot::new((760.0, 300.0), (at(0.0), right), (0.0, 100.0));
    let decades = [0.01_f64, 0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0];
    let ticks: Vec<_> = decades
        .into_iter()
        .filter(|decade| (at(0.0)..=right).contains(&at(*decade)))
        .map(|decade| (at(decade), number(decade)))
        .collect();
    plot.axes_with(
        &ticks,
        "ms from the new care-of address to the acknowledgement",
        "handoffs of a hundred",
    );
    let mut legend = Vec::new();
    for ((name, part), class) in measured().zip(COLOURS) {
        let percentiles = (0..).zip(&part.handoff_percentiles_ms);
        let points: Vec<_> = percentiles
            .map(|(percent, milliseconds)| (at(*milliseconds), f64::from(percent)))
            .collect();
        plot.line(class, &points);
        legend.push((class, (*name).to_owned()));
    }
    Some(Panel { plot, legend })
}
