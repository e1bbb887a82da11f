//! The result as a drawing: throughput by kind of traffic, and latency by load

use dhp_svg::{COLOURS, Panel, Plot, document};

use super::device::Subject;
use super::report::{DeviceResult, Rate, Report};
use crate::results::Stamp;

const SIZE: (f64, f64) = (760.0, 300.0);

/// One of a device's throughputs.
type RateOf = fn(&DeviceResult) -> Rate;

/// Throughput of both devices, latency of the worker.
pub fn draw(report: &Report, stamp: &Stamp) -> String {
    document(
        "The worker over a memif pair, and testpmd io on the same",
        &stamp.line(),
        vec![throughput(report), latency(report)],
    )
}

fn throughput(report: &Report) -> Panel {
    let rates: [(&str, RateOf); 2] = [("NDR", |device| device.ndr), ("PDR", |device| device.pdr)];
    let mut series: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for subject in Subject::BOTH {
        let name = subject.name();
        for (rate, of) in rates {
            let points = at_each(report, |place| {
                of(report.results.get(place)?.device(subject)?).mpps
            });
            series.push((format!("{rate} {name}"), points));
        }
        let points = at_each(report, |place| {
            let flood = report.results.get(place)?.flood.as_ref()?;
            Some(match subject {
                Subject::Worker => flood.worker.mpps.median,
                Subject::Testpmd => flood.testpmd.mpps.median,
            })
        });
        series.push((format!("flood {name}"), points));
    }
    let names: Vec<_> = (report.results.iter().zip(0_u32..))
        .map(|(result, place)| (f64::from(place), result.traffic.to_string()))
        .collect();
    let last = names.len().saturating_sub(1) as f64;
    panel(
        (-0.3, last + 0.3),
        &names,
        "octets outside of the tunnel",
        "Mpps",
        series,
    )
}

/// The greatest of 99 in 100.
fn latency(report: &Report) -> Panel {
    let mut series = Vec::new();
    for result in &report.results {
        let latencies = result
            .device(Subject::Worker)
            .map(|device| &device.latencies);
        let points = latencies.into_iter().flatten();
        let points = points.map(|latency| (f64::from(latency.percent_of_ndr), latency.p99_us));
        series.push((format!("p99 {}", result.traffic), points.collect()));
    }
    let ticks = [10.0, 50.0, 90.0].map(|percent| (percent, format!("{percent} %")));
    panel(
        (0.0, 100.0),
        &ticks,
        "load, of the NDR",
        "µs, worker",
        series,
    )
}

fn at_each(report: &Report, of: impl Fn(usize) -> Option<f64>) -> Vec<(f64, f64)> {
    let places = 0..report.results.len();
    places
        .filter_map(|place| Some((place as f64, of(place)?)))
        .collect()
}

fn panel(
    x: (f64, f64),
    ticks: &[(f64, String)],
    x_title: &str,
    y_title: &str,
    series: Vec<(String, Vec<(f64, f64)>)>,
) -> Panel {
    let all = series.iter().flat_map(|(_, points)| points);
    let top = all.map(|(_, y)| *y).fold(0.0, f64::max);
    let mut plot = Plot::new(SIZE, x, (0.0, top * 1.1));
    plot.axes_with(ticks, x_title, y_title);
    let mut legend = Vec::new();
    for ((name, points), class) in series.into_iter().zip(COLOURS) {
        plot.line(class, &points);
        plot.dots(class, &points);
        legend.push((class, name));
    }
    Panel { plot, legend }
}
