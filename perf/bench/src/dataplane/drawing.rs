//! The result as a drawing: cycles of a packet by the number of bindings

use dhp_svg::{COLOURS, Panel, Plot, document};

use super::Report;
use super::rings::Work;
use crate::results::Stamp;

/// Cycles of each kind of work.
pub fn draw(report: &Report, stamp: &Stamp) -> String {
    let results = &report.results;
    let at = |bindings: u32| f64::from(bindings).log10();
    let x = |edge: fn(f64, f64) -> f64, from: f64| {
        let all = results.iter().map(|result| at(result.bindings));
        all.fold(from, edge)
    };
    let range = (x(f64::min, 8.0) - 0.2, x(f64::max, 0.0) + 0.2);
    let top = results
        .iter()
        .map(|result| result.cycles.max)
        .fold(1.0, f64::max);
    let mut plot = Plot::new((760.0, 340.0), range, (0.0, top * 1.1));
    let ticks: Vec<_> = [
        (3.0, "1 k"),
        (4.0, "10 k"),
        (5.0, "100 k"),
        (6.0, "1 M"),
        (7.0, "10 M"),
    ]
    .into_iter()
    .filter(|(tick, _)| (range.0..=range.1).contains(tick))
    .map(|(tick, name)| (tick, name.to_owned()))
    .collect();
    plot.axes_with(&ticks, "bindings", "cycles a packet");
    let mut legend = Vec::new();
    for (work, class) in Work::ALL.into_iter().zip(COLOURS) {
        let of_it = || results.iter().filter(|result| result.work == work);
        let points: Vec<_> = of_it()
            .map(|result| (at(result.bindings), result.cycles.median))
            .collect();
        for result in of_it() {
            let spread = (result.cycles.min, result.cycles.max);
            plot.spread(class, at(result.bindings), spread);
        }
        plot.line(class, &points);
        plot.dots(class, &points);
        legend.push((class, work.name().to_owned()));
    }
    let panel = Panel { plot, legend };
    document(
        "Cycles of a packet from ring to ring",
        &stamp.line(),
        vec![panel],
    )
}
