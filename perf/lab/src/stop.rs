//! Ctrl-C and SIGTERM, turned into a flag that every wait looks at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Shared flag: the lab is to end.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Turns SIGINT, SIGTERM and SIGHUP into the flag.
    ///
    /// By handlers, not by a blocked mask: children would inherit the mask, while handlers end with exec(2).
    pub fn on_signals() -> Result<Self> {
        let stop = Self::default();
        let flag = stop.clone();
        let (ready, installed) = mpsc::channel();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                let outcome = watch(&flag, &ready);
                // Nobody listens any more once the handlers were installed.
                let _ = ready.send(outcome);
            })?;
        installed
            .recv()?
            .context("cannot handle the termination signals")?;
        Ok(stop)
    }

    /// Asks everything to end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the end was asked for.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// An error if the end was asked for.
    pub fn check(&self) -> Result<()> {
        if self.requested() {
            bail!("interrupted");
        }
        Ok(())
    }

    /// Waits until `ready` gives a value, looking every 20 ms; an error names `what` after `limit`.
    pub fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        mut ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            self.check()?;
            if let Some(value) = ready()? {
                return Ok(value);
            }
            if Instant::now() >= deadline {
                bail!("{what}: not within {} s", limit.as_secs_f32());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sleeps, ended early by the flag.
    pub fn sleep(&self, duration: Duration) -> Result<()> {
        let deadline = Instant::now() + duration;
        loop {
            self.check()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(Duration::from_millis(20)));
        }
    }
}

/// Installs the handlers, says so, and waits for signals as long as the process lives.
fn watch(stop: &Stop, ready: &mpsc::Sender<Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        ready.send(Ok(()))?;
        loop {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
                _ = hangup.recv() => "SIGHUP",
            };
            eprintln!("{name}: ending …");
            stop.request();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requested_stop_ends_every_wait() {
        let stop = Stop::default();
        stop.request();
        assert!(stop.sleep(Duration::from_secs(3600)).is_err());
        assert!(
            stop.wait_for("nothing", Duration::from_secs(3600), || Ok(None::<()>))
                .is_err()
        );
    }

    #[test]
    fn a_wait_names_what_did_not_come() {
        let error = Stop::default()
            .wait_for("the moon", Duration::ZERO, || Ok(None::<()>))
            .map_err(|e| e.to_string());
        assert!(error.is_err_and(|text| text.contains("the moon")));
    }
}
