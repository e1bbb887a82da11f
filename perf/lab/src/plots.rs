//! The report's plots.

use std::fmt::Write;

use crate::demo_report::DemoReport;
use crate::download::DownloadResult;
use crate::flows::Flow;
use crate::handoff::{FlowEffect, HandoffReport, Manner};
use crate::streams::Way;
use dhp_svg::{Plot, number};

const BIN_S: f64 = 0.25;

/// Goodput of the downloads over time, with the moves.
pub fn goodput(report: &DemoReport) -> String {
    let lines: Vec<_> = report
        .downloads
        .iter()
        .map(|download| (download.flow, rates(report, download)))
        .collect();
    let all = || lines.iter().flat_map(|(_, points)| points.iter());
    let start = all().map(|point| point.0).fold(report.seconds, f64::min);
    let end = all().map(|point| point.0).fold(start, f64::max);
    let top = all().map(|point| point.1).fold(1.0, f64::max);
    let mut plot = Plot::new((980.0, 300.0), (start, end), (0.0, top * 1.1));
    plot.axes(
        "seconds since the start",
        "goodput of each download, Mbit/s",
    );
    for handoff in &report.handoffs {
        plot.mark(
            handoff.begun_s,
            &format!("{:?}→{:?}", handoff.from, handoff.to),
        );
    }
    for (flow, points) in &lines {
        plot.line(flow.key(), points);
    }
    plot.finish("Goodput of the three downloads over time, moves marked")
}

/// (seconds, Mbit/s) in bins; where nothing came for longer, the line goes to the ground.
fn rates(report: &DemoReport, download: &DownloadResult) -> Vec<(f64, f64)> {
    let mut samples = download
        .samples
        .iter()
        .map(|(time, octets)| (report.seconds(*time), *octets));
    let mut points = Vec::new();
    let Some((mut bin, mut octets_before)) = samples.next() else {
        return points;
    };
    let mut last = bin;
    for (seconds, octets) in samples {
        let silence = seconds - last > 2.0 * BIN_S;
        if silence {
            points.extend([(last, 0.0), (seconds, 0.0)]);
        } else if seconds - bin >= BIN_S {
            let rate = octets.saturating_sub(octets_before) as f64 * 8e-6 / (seconds - bin);
            points.push(((bin + seconds) / 2.0, rate));
        }
        if silence || seconds - bin >= BIN_S {
            bin = seconds;
            octets_before = octets;
        }
        last = seconds;
    }
    points
}

/// Arrivals of the downlink streams around one handoff: time across, sequence number up.
pub fn close_up(report: &DemoReport, index: usize, handoff: &HandoffReport) -> String {
    let mut plot = Plot::new((480.0, 260.0), (-100.0, 700.0), (0.0, 800.0));
    plot.axes(
        "ms since the handoff began",
        "sequence number of what arrives, CN→MN",
    );
    plot.mark(
        0.0,
        if handoff.manner == Manner::BreakBeforeMake {
            "cut"
        } else {
            "move"
        },
    );
    if let (Manner::BreakBeforeMake, Some(detection), Some(configuration)) = (
        handoff.manner,
        handoff.detection_ms,
        handoff.configuration_ms,
    ) {
        plot.mark(detection + configuration, "CoA");
    }
    for stream in report
        .streams
        .iter()
        .filter(|stream| stream.way == Way::Downlink)
    {
        let Some(points) = stream.close_ups.get(index) else {
            continue;
        };
        if stream.flow.is_persistent() || index == 0 {
            let points: Vec<_> = points
                .iter()
                .map(|(ms, sequence)| (*ms, *sequence as f64))
                .collect();
            plot.dots(stream.flow.key(), &points);
        }
    }
    plot.finish("Arrivals around a handoff")
}

/// Interruption of each handoff and persistent flow, split in three.
pub fn interruptions(report: &DemoReport) -> String {
    const ROW: f64 = 22.0;
    const LABEL: f64 = 250.0;
    const WIDTH: f64 = 980.0;
    let rows: Vec<(&HandoffReport, &FlowEffect)> = report
        .handoffs
        .iter()
        .flat_map(|handoff| handoff.flows.iter().map(move |effect| (handoff, effect)))
        .filter(|(_, effect)| effect.flow.is_persistent() && effect.restored)
        .collect();
    let longest = rows
        .iter()
        .map(|(_, effect)| effect.interruption_ms)
        .fold(10.0, f64::max);
    let scale = (WIDTH - LABEL - 90.0) / (longest * 1.15);
    let mut body = String::new();
    let mut y = 6.0;
    let mut previous = 0;
    for (handoff, effect) in rows {
        if handoff.number != previous {
            y += 10.0;
            let _ = write!(
                body,
                "<text class=tick x=0 y={:.1}>{}. {:?}→{:?}</text>",
                y + 13.0,
                handoff.number,
                handoff.from,
                handoff.to
            );
            previous = handoff.number;
        }
        let _ = write!(
            body,
            "<text class=tick text-anchor=end x={:.1} y={:.1}>{} {}</text>",
            LABEL - 10.0,
            y + 13.0,
            effect.flow.name(),
            effect.way.name()
        );
        let mut x = LABEL;
        for (class, name, ms) in parts(handoff, effect) {
            let width = ms * scale;
            let _ = write!(
                body,
                "<rect class={class} x={x:.1} y={y:.1} width={:.1} height={:.1} rx=2><title>{name}: {ms:.1} ms</title></rect>",
                (width - 2.0).max(0.5),
                ROW - 6.0
            );
            x += width;
        }
        let _ = write!(
            body,
            "<text class=value x={:.1} y={:.1}>{} ms, {} lost</text>",
            x + 6.0,
            y + 13.0,
            number((effect.interruption_ms * 10.0).round() / 10.0),
            effect.lost
        );
        y += ROW;
    }
    format!(
        "<svg viewBox='0 0 {WIDTH} {:.0}' role=img aria-label='Interruptions by handoff, flow and phase'>{body}</svg>",
        y + 6.0
    )
}

/// The interruption's parts: they add up to it, the last taking what the first two leave.
fn parts(handoff: &HandoffReport, effect: &FlowEffect) -> [(&'static str, &'static str, f64); 3] {
    let detection = handoff
        .detection_ms
        .unwrap_or(0.0)
        .min(effect.interruption_ms);
    let configuration = handoff
        .configuration_ms
        .unwrap_or(0.0)
        .min(effect.interruption_ms - detection);
    [
        ("detection", "detection", detection),
        ("configuration", "address configuration", configuration),
        (
            "signalling",
            "signalling and path",
            effect.interruption_ms - detection - configuration,
        ),
    ]
}

/// Arrivals per second of every stream over time, both ways: small, to see what the CoA flow does.
pub fn arrivals(report: &DemoReport, way: Way) -> String {
    let mut plot = Plot::new((480.0, 220.0), (0.0, report.seconds), (0.0, 120.0));
    plot.axes(
        "seconds since the start",
        &format!("UDP packets per 100 ms, {}", way.name()),
    );
    for handoff in &report.handoffs {
        plot.mark(handoff.begun_s, &handoff.number.to_string());
    }
    for flow in Flow::ALL {
        for stream in report
            .streams
            .iter()
            .filter(|stream| stream.flow == flow && stream.way == way)
        {
            let bins = (0_u32..).zip(&stream.arrivals_per_100ms);
            let points: Vec<_> = bins
                .map(|(bin, count)| (f64::from(bin) / 10.0, f64::from(*count)))
                .skip_while(|(_, count)| *count == 0.0)
                .collect();
            plot.line(flow.key(), &points);
        }
    }
    plot.finish("Arrivals of the UDP streams over time")
}
