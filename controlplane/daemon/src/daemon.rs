//! `dhpd run`: everything put together on Linux interfaces

use std::sync::Arc;

use anyhow::{Context, anyhow};
use dhp_port_afpacket::{KernelGuard, Profile};
use dhp_segment::Geometry;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::anchor_config::anchor_config;
use crate::clock::system_clock;
use crate::config::{Config, HostFacts, LoadedConfig, kernel_forwards};
use crate::control_plane::ControlPlane;
use crate::forwarding::TunnelLimits;
use crate::health::HealthMonitor;
use crate::home_links::HomeLinks;
use crate::inspector::Inspector;
use crate::journal::{Journal, Restored};
use crate::metrics::Metrics;
use crate::mirror::{Territory, Watcher, plan};
use crate::operator::Operator;
use crate::pool_routes::PoolRoutes;
use crate::ports::PortMonitor;
use crate::socket::ControlSocket;
use crate::workers::{WorkerEnded, Workers};
use crate::{home_links, http, logging, mirror, path_probe, workers};

/// Run until SIGTERM or SIGINT (SIGHUP has the configuration read again), or until something fails that cannot be mended while running. Everything that was made is
/// taken away again: interface, routes, guard, socket.
///
/// # Errors
/// What could not be set up, or has failed.
pub async fn run(loaded: &LoadedConfig) -> anyhow::Result<()> {
    // First, so that a signal during the start is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let facts = HostFacts::gather().context("cannot list the interfaces of this host")?;
    loaded.check_host(&facts)?;
    let config = &loaded.config;
    logging::warn_of(loaded);
    warn_of_what_stands(config);

    let metrics = Metrics::new(config.workers.count)?;
    // The workers start with the kernel's routes, not without any.
    let territory = Territory::of(config);
    let watcher = Watcher::start().await?;
    let mut anchor = anchor_config(config)?;
    let journal = open_journal(config)?;
    // A journal knows of which association no number of the time before is known: of those timestamps tell the new from the
    // recorded, as of all where there is none.
    anchor.sequence_state_lost = journal.is_none();
    if let Some((_, restored)) = &journal {
        anchor.heartbeat.restart_counter = restored.restart_counter;
    }
    let control = ControlPlane::start(
        &geometry(config),
        anchor,
        system_clock(),
        &plan(watcher.state(), &territory),
        metrics.signalling_seconds(),
        TunnelLimits {
            path_mtu: config.anchor.path_mtu,
            rate_cap: config.rates.binding,
        },
    )?;

    let priority = config.signalling.priority;
    if let Err(error) = control.handle().ask(move |_| priority.take()).await? {
        tracing::warn!("the thread that answers stays an ordinary one: {error}");
    }

    let (links, listeners, interceptions) = HomeLinks::open(&config.home_links())?;
    control
        .handle()
        .ask(|signalling| signalling.serve_links(links))
        .await?;
    // The workers find the bindings of before: nobody hears that there are none.
    if let Some((journal, restored)) = journal {
        control.keep_state(journal, restored).await?;
    }

    let socket = ControlSocket::bind(&config.api.socket)?;
    let web = match config.api.metrics {
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen at {address}"))?,
        ),
        None => None,
    };

    // The kernel stops forwarding, then the workers begin to: a gap is better than every packet twice.
    let guard = KernelGuard::new(Profile::Anchor, &config.kernel_interfaces())?;
    let cores = workers::cores(config, &facts);
    let (ended, mut ends) = mpsc::unbounded_channel();
    let mut workers = Workers::start(config, &cores, &control, &ended)?;
    let pool_routes = Arc::new(PoolRoutes::new(&config.host_interface)?);
    pool_routes
        .set(&config.pool_prefixes(), &config.pool_prefixes())
        .await?;

    let monitor = HealthMonitor::new(config);
    let handle = control.handle().clone();
    let operator = Operator::new(
        loaded.path().to_owned(),
        config.clone(),
        handle.clone(),
        Some(Arc::clone(&pool_routes)),
    );
    let territories = operator.territory();
    let paths = path_probe::follow(operator.probes(), config.anchor.address, handle.clone());
    let ports = PortMonitor::new(workers.take_watches()).context("cannot watch the ports")?;
    let inspector = Arc::new(Inspector::new(operator, cores, metrics, monitor, ports));
    let mut tasks = JoinSet::new();
    for listener in listeners {
        tasks.spawn(listener.listen(handle.clone()));
    }
    tasks.spawn(home_links::hand_over(interceptions, pool_routes));
    tasks.spawn(paths);
    let mirrored = Arc::clone(&inspector);
    tasks.spawn(async move {
        mirror::follow(
            territories,
            watcher,
            territory,
            &handle,
            mirrored.health_monitor(),
        )
        .await;
        tracing::error!("the control plane has ended: packets are still forwarded, mobile nodes no longer served; restart dhpd");
    });
    tasks.spawn(socket.serve(Arc::clone(&inspector)));
    if let Some(listener) = web {
        let router = http::router(Arc::clone(&inspector));
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "metrics are no longer served");
            }
        });
    }
    let ports: Vec<&str> = config
        .ports
        .iter()
        .map(|port| port.interface.as_str())
        .collect();
    tracing::info!(anchor = %config.anchor.address, ?ports, workers = config.workers.count, "dhpd runs");

    let outcome = loop {
        tokio::select! {
            _ = terminate.recv() => break Ok("SIGTERM"),
            _ = interrupt.recv() => break Ok("SIGINT"),
            Some(end) = ends.recv() => break Err(describe(&end)),
            Some(()) = hangup.recv() => {
                // What has changed is in the log already.
                if let Err(error) = inspector.reload().await {
                    tracing::error!("SIGHUP: the configuration was not taken over: {error}");
                }
            }
        }
    };
    match &outcome {
        Ok(signal) => tracing::info!(signal, "dhpd ends"),
        Err(error) => tracing::error!(%error, "dhpd ends"),
    }
    // Clients and the mirror first, then what they talk to; the guard last, while the workers have stopped.
    tasks.shutdown().await;
    drop(workers);
    drop(guard);
    drop(control);
    outcome.map(|_| ())
}

fn describe(end: &WorkerEnded) -> anyhow::Error {
    match end.error {
        Some(error) => anyhow!("worker {} has ended: {error}", end.worker),
        None => anyhow!("worker {} has panicked, see above", end.worker),
    }
}

/// What an operator should know and may not see otherwise.
fn warn_of_what_stands(config: &Config) {
    let code_points = config.signalling.code_points;
    if code_points.is_experimental() {
        tracing::warn!(
            mh_type = code_points.mh_type,
            option_type = code_points.option,
            "experimental code points are in use: RFC 5096 forbids to deploy them beyond experiments; [signalling] sets others"
        );
    }
    if config.signalling.allow_unauthenticated {
        tracing::warn!(
            "Binding Updates without authentication are accepted: anyone can bind the home addresses of [[mobile-node]]; this is for laboratories"
        );
    }
    for pool in config.pools_that_need_a_journal() {
        tracing::warn!(
            pool = %pool.prefix,
            "the pool is narrow and there is no journal: an address may be assigned that a mobile node of before this start still holds"
        );
    }
    if !kernel_forwards() {
        tracing::warn!(
            "the kernel does not forward IPv6, so that it does not find neighbours for forwarded packets; remedy: sysctl -w \
             net.ipv6.conf.all.forwarding=1"
        );
    }
}

fn open_journal(config: &Config) -> anyhow::Result<Option<(Journal, Restored)>> {
    let Some(path) = &config.signalling.journal else {
        return Ok(None);
    };
    let spis: Vec<u32> = config.mobile_nodes.iter().map(|node| node.spi).collect();
    Ok(Some(Journal::open(path, &spis)?))
}

fn geometry(config: &Config) -> Geometry {
    Geometry {
        workers: config.workers.count,
        home_addresses: config.limits.home_addresses,
        // One in sixteen, and a thousand, for the handoffs within two rounds of a worker: more of them wait for the next.
        templates: (config.limits.home_addresses / 16).saturating_add(1_024),
        next_hops: config.limits.next_hops,
        routes: config.limits.routes,
        flow_sets: config.limits.flow_sets,
        optimized_routes: match config.anchor.roles.correspondent {
            true => config.limits.correspondents,
            false => 0,
        },
        flows: config.limits.flows,
        meters: if config.rates.binding.is_some() || config.signalling.care_of_test {
            config.limits.home_addresses
        } else {
            0
        },
        ..Geometry::default()
    }
}
