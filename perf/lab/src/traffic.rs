//! The flows while they run: per flow a download by curl and a UDP stream each way.

use std::path::Path;

use anyhow::Result;

use crate::demo_plan::DemoPlan;
use crate::download::{Download, DownloadPlan, DownloadResult};
use crate::flows::Flow;
use crate::lab::Lab;
use crate::roaming::Watched;
use crate::streams::{RATE, Stream, StreamEnds, StreamNotes};
use crate::timeline::{Timeline, Tone};

/// After how long without octets a download that has to survive gives up, s.
const PATIENCE_S: u64 = 30;

/// All flows of a demo, running and ended.
#[derive(Debug, Default)]
pub struct Traffic {
    downloads: Vec<Download>,
    results: Vec<DownloadResult>,
    streams: Vec<Stream>,
    notes: Vec<StreamNotes>,
}

impl Traffic {
    /// Starts every flow. The streams' notes go to `directory`.
    pub fn start(lab: &Lab, plan: &DemoPlan, directory: &Path) -> Result<Self> {
        let mut traffic = Self::default();
        for flow in Flow::ALL {
            let (speed_limit, speed_time_s) = if flow.is_persistent() {
                (1000, PATIENCE_S)
            } else {
                // curl looks once a second: within one second it may give up before it has measured anything.
                (plan.rate / 2, 2)
            };
            let download = DownloadPlan {
                flow,
                name: format!("curl-{}", flow.key()),
                url: format!("http://[{}]/{}", flow.correspondent(), plan.length),
                length: plan.length,
                speed_limit,
                speed_time_s,
            };
            let namespace = lab.node("mn")?.name();
            traffic
                .downloads
                .push(Download::start(lab.starter(), namespace, download)?);
            let ends = StreamEnds {
                flow,
                key: flow.key(),
                node: "cn",
                address: flow.correspondent(),
                port: flow.stream_port(),
                rate: RATE,
            };
            traffic.streams.push(Stream::start(lab, &ends, directory)?);
        }
        Ok(traffic)
    }

    /// Whether downloads still run.
    pub fn is_downloading(&self) -> bool {
        !self.downloads.is_empty()
    }

    /// Ends what has no anchor: it ended with the first move, but back in the old access network it might be alive again.
    pub fn end_unanchored(&mut self, timeline: &mut Timeline) -> Result<()> {
        while let Some(index) = self
            .streams
            .iter()
            .position(|stream| !stream.flow().is_persistent())
        {
            self.notes.push(self.streams.remove(index).finish()?);
        }
        while let Some(index) = self
            .downloads
            .iter()
            .position(|download| !download.plan().flow.is_persistent())
        {
            let result = self.downloads.remove(index).finish()?;
            tell_end(timeline, &result);
            self.results.push(result);
        }
        Ok(())
    }

    /// Ends everything and gives what was seen, by flow.
    pub fn finish(mut self) -> Result<(Vec<DownloadResult>, Vec<StreamNotes>)> {
        for download in self.downloads {
            self.results.push(download.finish()?);
        }
        for stream in self.streams {
            self.notes.push(stream.finish()?);
        }
        self.results.sort_by_key(|result| result.flow);
        self.notes.sort_by_key(|notes| notes.flow);
        Ok((self.results, self.notes))
    }
}

impl Watched for Traffic {
    /// Tells of downloads that have ended, draws the progress.
    fn look(&mut self, timeline: &mut Timeline) -> Result<()> {
        self.streams.iter_mut().try_for_each(Stream::check)?;
        let mut index = 0;
        while let Some(download) = self.downloads.get_mut(index) {
            if download.has_ended()? {
                let result = self.downloads.remove(index).finish()?;
                tell_end(timeline, &result);
                self.results.push(result);
            } else {
                index += 1;
            }
        }
        if !self.downloads.is_empty() {
            let bars: Vec<String> = self.downloads.iter().map(bar).collect();
            timeline.progress(bars.join("   "));
        }
        Ok(())
    }
}

fn tell_end(timeline: &mut Timeline, result: &DownloadResult) {
    let name = result.flow.name();
    let megabytes = result.received as f64 / 1e6;
    if result.received == result.length {
        let text = format!(
            "curl, {name}: complete, {megabytes:.0} MB in {:.1} s",
            result.seconds
        );
        timeline.say(Tone::Good, &text);
    } else if result.flow.is_persistent() {
        timeline.say(
            Tone::Bad,
            &format!("curl, {name}: broke after {megabytes:.1} MB"),
        );
    } else {
        timeline.say(
            Tone::Good,
            &format!("curl, {name}: broke after {megabytes:.1} MB, as it should"),
        );
    }
}

fn bar(download: &Download) -> String {
    const CELLS: u64 = 12;
    let plan = download.plan();
    let received = download.received();
    let filled = received
        .saturating_mul(CELLS)
        .checked_div(plan.length)
        .unwrap_or(0)
        .min(CELLS);
    let cells: String = (0..CELLS)
        .map(|cell| if cell < filled { '█' } else { '░' })
        .collect();
    format!(
        "{} {cells} {:>5.1} MB",
        plan.flow.key(),
        received as f64 / 1e6
    )
}
