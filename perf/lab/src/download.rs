//! An HTTP download by an unmodified `curl` on the mobile node, watched through its standard output.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::children::{Output, Program, Running, Starter};
use crate::clock::monotonic_ns;
use crate::content::hexadecimal;
use crate::flows::Flow;

/// How often the progress is noted for the plots.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// What to download and how.
#[derive(Clone, Debug)]
pub struct DownloadPlan<F = Flow> {
    /// The flow that it goes by.
    pub flow: F,
    /// The name of curl's log.
    pub name: String,
    /// What curl is to get.
    pub url: String,
    /// Octets.
    pub length: u64,
    /// curl's `--speed-limit`: it gives up when less than this many octets per second came …
    pub speed_limit: u64,
    /// … for so many seconds, `--speed-time`; the speed is curl's mean of about five seconds.
    pub speed_time_s: u64,
}

/// How a download went.
#[derive(Clone, Debug, Serialize)]
pub struct DownloadResult<F = Flow> {
    /// The flow.
    pub flow: F,
    /// Octets asked for.
    pub length: u64,
    /// Octets received.
    pub received: u64,
    /// SHA-256 of what was received.
    pub sha256: String,
    /// curl's exit status; `None` if a signal ended it.
    pub curl_exit: Option<i32>,
    /// From start to end.
    pub seconds: f64,
    /// (monotonic ns, octets received up to then), every 50 ms.
    pub samples: Vec<(u64, u64)>,
}

impl<F> DownloadResult<F> {
    /// All octets, and the right ones.
    pub fn is_complete(&self, expected_sha256: &str) -> bool {
        self.curl_exit == Some(0) && self.received == self.length && self.sha256 == expected_sha256
    }

    /// When the last octets came, monotonic ns; 0 if none did.
    pub fn last_growth_ns(&self) -> u64 {
        let grew = self.samples.windows(2).filter_map(|pair| match pair {
            [(_, before), (time, after)] if after > before => Some(*time),
            _ => None,
        });
        grew.max().unwrap_or(0)
    }

    /// It is not complete, and for its last second nothing came.
    pub fn broke(&self) -> bool {
        let ended_ns = self.samples.last().map_or(0, |(time, _)| *time);
        self.received < self.length
            && ended_ns.saturating_sub(self.last_growth_ns()) >= 1_000_000_000
    }
}

/// A running download.
#[derive(Debug)]
pub struct Download<F = Flow> {
    plan: DownloadPlan<F>,
    curl: Running,
    started_ns: u64,
    received: Arc<AtomicU64>,
    samples: Arc<Mutex<Vec<(u64, u64)>>>,
    reader: JoinHandle<std::io::Result<String>>,
}

impl<F: Copy> Download<F> {
    /// Starts curl in the mobile node's namespace.
    pub fn start(starter: &Starter, namespace: &str, plan: DownloadPlan<F>) -> Result<Self> {
        let (limit, time) = (plan.speed_limit.to_string(), plan.speed_time_s.to_string());
        let command = [
            "curl",
            "--silent",
            "--show-error",
            "--fail",
            "--noproxy",
            "*",
            "--speed-limit",
            &limit,
            "--speed-time",
            &time,
            "--max-time",
            "600",
            "--no-buffer",
            "--output",
            "-",
            &plan.url,
        ];
        let mut curl = starter.start(Program {
            name: &plan.name,
            namespace,
            command: command.map(String::from).to_vec(),
            output: Output::Pipe,
        })?;
        let mut output = curl.take_output()?;
        let received = Arc::new(AtomicU64::new(0));
        let samples = Arc::new(Mutex::new(Vec::new()));
        let (counter, notes) = (Arc::clone(&received), Arc::clone(&samples));
        let started_ns = monotonic_ns();
        let reader = thread::Builder::new()
            .name("download".into())
            .spawn(move || {
                let mut hash = Sha256::new();
                let mut buffer = vec![0; 64 * 1024];
                let mut total = 0_u64;
                let mut next_sample_ns = 0;
                let mut last_growth = None;
                loop {
                    let length = output.read(&mut buffer)?;
                    let now = monotonic_ns();
                    total = total.saturating_add(length as u64);
                    counter.store(total, Ordering::Relaxed);
                    if now >= next_sample_ns || length == 0 {
                        let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
                        // The end may come long after the last octets: both times are wanted.
                        notes.extend(last_growth.take().filter(|_| length == 0));
                        notes.push((now, total));
                        next_sample_ns = now + SAMPLE_EVERY.as_nanos() as u64;
                    }
                    last_growth = Some((now, total));
                    match buffer.get(..length) {
                        Some(octets) if length > 0 => hash.update(octets),
                        _ => return Ok(hexadecimal(&hash.finalize())),
                    }
                }
            })?;
        Ok(Self {
            plan,
            curl,
            started_ns,
            received,
            samples,
            reader,
        })
    }

    /// What is downloaded.
    pub fn plan(&self) -> &DownloadPlan<F> {
        &self.plan
    }

    /// Octets received so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Whether curl has ended.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.curl.ended()?.is_some())
    }

    /// The outcome; ends curl if it still runs.
    pub fn finish(mut self) -> Result<DownloadResult<F>> {
        self.curl.stop();
        let status = self.curl.ended()?.context("curl did not end")?;
        let sha256 = self
            .reader
            .join()
            .map_err(|_| anyhow!("the download's reader panicked"))??;
        let samples =
            std::mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner));
        let ended_ns = samples.last().map_or(self.started_ns, |(time, _)| *time);
        Ok(DownloadResult {
            flow: self.plan.flow,
            length: self.plan.length,
            received: self.received.load(Ordering::Relaxed),
            sha256,
            curl_exit: status.code(),
            seconds: ended_ns.saturating_sub(self.started_ns) as f64 / 1e9,
            samples,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(received: u64, samples: &[(u64, u64)]) -> DownloadResult {
        DownloadResult {
            flow: Flow::Direct,
            length: 100,
            received,
            sha256: String::new(),
            curl_exit: Some(28),
            seconds: 1.0,
            samples: samples.to_vec(),
        }
    }

    #[test]
    fn a_download_broke_if_nothing_came_at_its_end() {
        const S: u64 = 1_000_000_000;
        assert!(result(20, &[(S, 10), (2 * S, 20), (9 * S, 20)]).broke());
        assert!(
            !result(20, &[(S, 10), (2 * S, 20), (2 * S + 1, 20)]).broke(),
            "it was cut off"
        );
        assert!(
            !result(100, &[(S, 10), (2 * S, 100), (9 * S, 100)]).broke(),
            "it was complete"
        );
    }
}
