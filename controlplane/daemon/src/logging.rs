//! Log lines on standard error

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

use crate::config::{LoadedConfig, Log, LogFormat};

type SetFilter = Box<dyn Fn(EnvFilter) + Send + Sync>;

/// What changes the filter of the log lines, once there are any.
static SET_FILTER: OnceLock<SetFilter> = OnceLock::new();

fn filter(log: &Log) -> EnvFilter {
    let level = std::env::var("DHPD_LOG").unwrap_or_else(|_| log.level.clone());
    EnvFilter::builder().parse_lossy(level)
}

/// Log at the configured level from now on, unless the environment variable `DHPD_LOG` says otherwise.
pub fn set_level(log: &Log) {
    if let Some(set_filter) = SET_FILTER.get() {
        set_filter(filter(log));
    }
}

/// Tell what an operator should know of a configuration that is right.
pub fn warn_of(loaded: &LoadedConfig) {
    for warning in loaded.warnings() {
        tracing::warn!(
            file = %warning.file.display(),
            line = warning.line,
            remedy = warning.help,
            "{}",
            warning.message
        );
    }
}

/// Log as configured; the environment variable `DHPD_LOG` wins over the configured level. Only the first call counts.
pub fn init(log: &Log) {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(log))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // An error means that there is logging already.
    let _ = match log.format {
        LogFormat::Text => {
            let lines = lines.with_filter_reloading();
            let handle = lines.reload_handle();
            // The handle fails only when the subscriber is gone, and with it all lines.
            let set: SetFilter = Box::new(move |filter| drop(handle.reload(filter)));
            lines.try_init().map(|()| SET_FILTER.set(set).is_ok())
        }
        LogFormat::Json => {
            let lines = lines.json().with_filter_reloading();
            let handle = lines.reload_handle();
            let set: SetFilter = Box::new(move |filter| drop(handle.reload(filter)));
            lines.try_init().map(|()| SET_FILTER.set(set).is_ok())
        }
    };
}
