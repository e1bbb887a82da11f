//! Log lines on standard error

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Log as configured; the environment variable `DHPD_LOG` wins over the configured level. Only the first call counts.
pub fn init(log: &Log) {
    let level = std::env::var("DHPD_LOG").unwrap_or_else(|_| log.level.clone());
    let filter = EnvFilter::builder().parse_lossy(level);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // An error means that there is logging already.
    let _ = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}
