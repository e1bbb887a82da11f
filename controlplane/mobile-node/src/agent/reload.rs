//! Another key, read from the configuration while the agent runs.

use dhp_config::LoadError;
use dhp_proto::mobile_node::ConfigError;

use super::Agent;
use crate::config::{Config, Loaded, described};
use crate::event::Event;

/// Why the configuration in force stays.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    /// The file cannot be read, or is wrong.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It changes what cannot change while the agent runs.
    #[error("only a restart can change {}: nothing was changed", .0.join(", "))]
    Fixed(Vec<&'static str>),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] ConfigError),
}

impl Agent {
    /// Reads the configuration again and goes on with the security association that it has now: all bindings are confirmed
    /// with it at once. Gives its SPI, if it is another one.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing has changed then.
    pub(super) async fn reload(&mut self) -> Result<Option<u32>, ReloadError> {
        let Loaded {
            config: new,
            warning,
        } = Config::load(&self.path)?;
        if let Some(warning) = warning {
            tracing::warn!("{}", described(&warning));
        }
        let fixed = self.config.fixed_differences(&new);
        if !fixed.is_empty() {
            return Err(ReloadError::Fixed(fixed));
        }
        if !self.config.has_other_key(&new) {
            return Ok(None);
        }
        let (spi, algorithm) = (new.engine.spi, new.engine.algorithm);
        self.engine
            .change_key(self.clock.now(), spi, algorithm, new.engine.key.clone())?;
        self.config = new;
        tracing::info!(spi, "another key is in use");
        self.events.write(Event::KeyChanged { spi });
        self.follow_engine().await;
        Ok(Some(spi))
    }
}
