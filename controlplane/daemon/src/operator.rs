//! What an operator changes while the daemon runs: draining, single bindings, the configuration

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use dhp_proto::anchor::ReconfigureError;
use dhp_proto::security_association::SecurityAssociationError;
use dhpctl::{ConfigChange, Reloaded};
use ipnet::Ipv6Net;
use tokio::sync::{Mutex, watch};

use crate::anchor_config::anchor_config;
use crate::config::{Config, ConfigError, HostFacts, LoadError, LoadedConfig};
use crate::control::{ControlHandle, Stopped};
use crate::logging;
use crate::mirror::Territory;
use crate::pool_routes::{PoolRouteError, PoolRoutes};

/// Why a configuration was not taken over. All but [`Self::Routes`] and [`Self::Stopped`] leave everything as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file cannot be read, or is wrong.
    #[error("{}", explain(.0))]
    Load(#[from] LoadError),
    /// This machine cannot run it.
    #[error("{}", .0.render(false))]
    Host(#[from] ConfigError),
    /// The machine does not tell what it has.
    #[error("cannot list the interfaces of this host: {0}")]
    Facts(std::io::Error),
    /// It changes what cannot change while the daemon runs.
    #[error("only a restart can change {}: nothing was changed", .0.join(", "))]
    Fixed(Vec<&'static str>),
    /// A key that does not fit its algorithm.
    #[error(transparent)]
    Association(#[from] SecurityAssociationError),
    /// The protocol engine does not take it.
    #[error("{0}: nothing was changed")]
    Anchor(#[from] ReconfigureError),
    /// The configuration is in force, but not all routes of its pools are.
    #[error("the configuration is in force, but {0}; reload once more when that is mended")]
    Routes(#[from] PoolRouteError),
    /// Nobody is there to take it.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

fn explain(error: &LoadError) -> String {
    match error {
        LoadError::Invalid(error) => error.render(false),
        LoadError::Unreadable { .. } => error.to_string(),
    }
}

/// Carries out what operators want.
pub struct Operator {
    path: PathBuf,
    config: RwLock<Arc<Config>>,
    control: ControlHandle,
    /// `None` where no host kernel stands beside the workers.
    pool_routes: Option<Arc<PoolRoutes>>,
    territory: watch::Sender<Territory>,
    /// Held by whoever changes something in more than one place; whether the box drains.
    draining: Mutex<bool>,
}

impl Operator {
    /// The operator's hand in a daemon that runs by the configuration of this file.
    pub fn new(
        path: PathBuf,
        config: Config,
        control: ControlHandle,
        pool_routes: Option<Arc<PoolRoutes>>,
    ) -> Self {
        Self {
            path,
            territory: watch::Sender::new(Territory::of(&config)),
            config: RwLock::new(Arc::new(config)),
            control,
            pool_routes,
            draining: Mutex::new(false),
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Speaks to the control thread.
    pub fn control(&self) -> &ControlHandle {
        &self.control
    }

    /// What of the configuration decides over addresses, for the mirror to follow.
    pub fn territory(&self) -> watch::Receiver<Territory> {
        self.territory.subscribe()
    }

    /// The pools that routing daemons are to announce.
    pub async fn announced(&self) -> BTreeSet<Ipv6Net> {
        match &self.pool_routes {
            Some(routes) => routes.announced().await,
            None => BTreeSet::new(),
        }
    }

    /// End a binding; `false` if there is none.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn release(&self, home_address: Ipv6Addr) -> Result<bool, Stopped> {
        self.control
            .ask(move |signalling| signalling.release(home_address))
            .await
    }

    /// End a binding by Binding Revocation; `false` if there is none.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn revoke(&self, home_address: Ipv6Addr) -> Result<bool, Stopped> {
        self.control
            .ask(move |signalling| signalling.revoke(home_address))
            .await
    }

    /// Have a mobile node find another home agent; `false` if it is not bound.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn switch(
        &self,
        home_address: Ipv6Addr,
        home_agent: Option<Ipv6Addr>,
    ) -> Result<bool, Stopped> {
        self.control
            .ask(move |signalling| signalling.switch_home_agent(home_address, home_agent))
            .await
    }

    /// Refuse new mobile nodes and withdraw the routes of the DHoA pools, or undo both.
    ///
    /// # Errors
    /// In a sentence.
    pub async fn drain(&self, on: bool) -> Result<(), String> {
        let mut draining = self.draining.lock().await;
        let switched = self
            .control
            .ask(move |signalling| signalling.set_draining(on))
            .await;
        switched.map_err(|stopped| stopped.to_string())?;
        *draining = on;
        tracing::info!(on, "draining was switched");
        let routed = self.route_pools(&self.config(), on).await;
        routed.map_err(|error| {
            tracing::error!(on, %error, "not all routes follow the draining");
            error.to_string()
        })
    }

    /// Read the configuration again, and take it over without losing a packet, a binding or a sequence number.
    ///
    /// # Errors
    /// [`ReloadError`].
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let draining = self.draining.lock().await;
        let loaded = LoadedConfig::from_file(&self.path)?;
        loaded.check_host(&HostFacts::gather().map_err(ReloadError::Facts)?)?;
        logging::warn_of(&loaded);
        let (old, new) = (self.config(), loaded.config);
        let fixed = old.fixed_differences(&new);
        if !fixed.is_empty() {
            return Err(ReloadError::Fixed(fixed));
        }
        let wanted = anchor_config(&new)?;
        let ended = self
            .control
            .ask(move |signalling| signalling.reconfigure(wanted));
        let released = ended.await??;
        let changes = old.live_changes(&new);
        logging::set_level(&new.log);
        self.territory.send_replace(Territory::of(&new));
        let new = Arc::new(new);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
        for change in &changes {
            tracing::info!(what = change.what, how = change.how, "configuration");
        }
        tracing::info!(
            changes = changes.len(),
            released = released.len(),
            "the configuration was read again"
        );
        self.route_pools(&new, *draining).await?;
        let change = |change: crate::config::Change| ConfigChange {
            what: change.what,
            how: change.how.to_owned(),
        };
        Ok(Reloaded {
            changes: changes.into_iter().map(change).collect(),
            released,
        })
    }

    async fn route_pools(&self, config: &Config, draining: bool) -> Result<(), PoolRouteError> {
        let Some(routes) = &self.pool_routes else {
            return Ok(());
        };
        let pools = config.pool_prefixes();
        match draining {
            true => routes.set(&pools, &config.home_prefixes()).await,
            false => routes.set(&pools, &pools).await,
        }
    }
}
