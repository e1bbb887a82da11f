//! The result as a drawing: cycles of a packet by the number of bindings, beside the limit, and what changes cost

use dhp_svg::{COLOURS, Panel, Plot, document};

use super::rings::Work;
use super::samples::Samples;
use crate::results::Stamp;

/// What is drawn of each kind of work.
struct Line {
    /// The end of its name among the samples.
    what: &'static str,
    meaning: &'static str,
}

/// Three plots, one below the other.
pub fn draw(bindings: &[u32], samples: &Samples, stamp: &Stamp) -> String {
    let cycles = [
        Line {
            what: "cycles",
            meaning: "",
        },
        Line {
            what: "limit_cycles",
            meaning: ", the limit",
        },
    ];
    let ratios = |what| [Line { what, meaning: "" }];
    let panels = [
        panel(bindings, samples, "cycles a packet", &cycles),
        panel(bindings, samples, "times the limit", &ratios("times_limit")),
        panel(
            bindings,
            samples,
            "with 100,000 handoffs a second: times without",
            &ratios("times_unchanged"),
        ),
    ];
    let panels = panels.into_iter().flatten().collect();
    document("Packets from ring to ring", &stamp.line(), panels)
}

/// `None`: nothing of it was measured.
fn panel(bindings: &[u32], samples: &Samples, title: &str, lines: &[Line]) -> Option<Panel> {
    let at = |bindings: u32| f64::from(bindings).log10();
    let kinds = lines
        .iter()
        .flat_map(|line| Work::OF_WORKERS.map(|work| (work, line)));
    let drawn: Vec<_> = kinds
        .zip(COLOURS)
        .map(|((work, line), class)| {
            let spreads = bindings.iter().filter_map(|n| {
                let spread = samples.spread(&format!("{}.{n}.{}", work.name(), line.what))?;
                Some((at(*n), spread))
            });
            let name = format!("{}{}", work.name(), line.meaning);
            (class, name, spreads.collect::<Vec<_>>())
        })
        .filter(|(_, _, spreads)| !spreads.is_empty())
        .collect();
    let all = || drawn.iter().flat_map(|(_, _, spreads)| spreads);
    let top = all().map(|(_, spread)| spread.max).reduce(f64::max)?;
    let left = all().map(|(x, _)| *x).reduce(f64::min)? - 0.2;
    let right = all().map(|(x, _)| *x).reduce(f64::max)? + 0.2;
    let mut plot = Plot::new((760.0, 300.0), (left, right), (0.0, top * 1.1));
    let ticks: Vec<_> = bindings.iter().map(|n| (at(*n), short(*n))).collect();
    plot.axes_with(&ticks, "bindings", title);
    let mut legend = Vec::new();
    for (class, name, spreads) in drawn {
        let points: Vec<_> = spreads.iter().map(|(x, s)| (*x, s.median)).collect();
        for (x, spread) in &spreads {
            plot.spread(class, *x, (spread.min, spread.max));
        }
        plot.line(class, &points);
        plot.dots(class, &points);
        legend.push((class, name));
    }
    Some(Panel { plot, legend })
}

fn short(bindings: u32) -> String {
    match bindings {
        n if n.is_multiple_of(1_000_000) => format!("{} M", n / 1_000_000),
        n if n.is_multiple_of(1_000) => format!("{} k", n / 1_000),
        n => n.to_string(),
    }
}
