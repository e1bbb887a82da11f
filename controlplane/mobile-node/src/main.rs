//! dhp-mn: the mobile node's agent for Linux.
//!
//! It finds the DHPs near the correspondents that its policy names, gives unmodified programs their addresses as source,
//! tunnels their packets, and keeps all of it working while the host moves from network to network.

#![forbid(unsafe_code)]

mod access;
mod agent;
mod api;
mod arrival;
mod client;
mod clock;
mod config;
mod data_path;
mod direct_route;
mod dns;
mod event;
mod exec;
mod explanation;
mod icmp_socket;
mod link_rate;
mod metrics;
mod neighbor_discovery;
mod netlink;
mod plan;
mod readiness;
mod state;
mod status;
mod sysctl;
mod traffic_by_mode;
mod tunnel;
mod watch;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use dhp_config::LoadError;

use config::{Config, DEFAULT_SOCKET, Loaded, LogFormat, described};
use exec::SessionType;
use explanation::Connection;

/// The mobile node's agent of the Distributed Home-Proxy.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent until SIGTERM or SIGINT.
    Run {
        /// Configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// End the running agent as SIGTERM does: all is given back, nothing is left behind.
    Stop {
        /// End it for a restart, as SIGUSR1 does: bindings, addresses and routes stay, and sessions go on with the next start.
        #[arg(long)]
        keep: bool,
        #[command(flatten)]
        agent: Running,
    },
    /// Remove what an agent that was killed has left behind, instead of going on with it.
    Clean {
        /// Its configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration file.
    Check {
        /// Configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Show care-of address, anchors, bindings, flows and counters of the running agent.
    Status {
        /// As JSON.
        #[arg(long, conflicts_with = "watch")]
        json: bool,
        /// Draw it again each second and when something happens, until q is pressed.
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        agent: Running,
    },
    /// Say what becomes of a connection to a destination: by which rule, from which address, through which anchor, and why.
    Explain {
        /// An IPv6 address.
        destination: Ipv6Addr,
        /// tcp, udp, udp-lite, sctp, icmpv6 or a number.
        #[arg(long, value_parser = explanation::protocol)]
        protocol: Option<u8>,
        /// The port there.
        #[arg(long)]
        port: Option<u16>,
        /// The DSCP of its packets, 0 to 63.
        #[arg(long, value_parser = clap::value_parser!(u8).range(0..=63))]
        dscp: Option<u8>,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        agent: Running,
    },
    /// Run one command whose connections get a session type of their own, whatever the policy says.
    Exec {
        /// What they get.
        #[arg(long)]
        session: SessionType,
        #[command(flatten)]
        agent: Running,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Print what happens in the running agent, one JSON object a line.
    Events {
        /// Begin with what has happened already.
        #[arg(long)]
        replay: bool,
        #[command(flatten)]
        agent: Running,
    },
    /// Read the configuration again, as SIGHUP does: another spi, algorithm or key takes effect at once, and no binding is lost
    /// by it. Anything else needs a restart.
    Reload {
        #[command(flatten)]
        agent: Running,
    },
    /// Prefer an access interface over the order of the configuration: its address is bound before the other is left.
    Move {
        /// The interface; without it, the order of the configuration holds again.
        #[arg(long, value_name = "INTERFACE")]
        to: Option<String>,
        #[command(flatten)]
        agent: Running,
    },
}

#[derive(Debug, Args)]
struct Running {
    /// The agent's socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
}

fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            match error.downcast_ref::<LoadError>() {
                Some(LoadError::Invalid(error)) => {
                    eprintln!("{}", error.render(std::io::stderr().is_terminal()));
                }
                _ => eprintln!("dhp-mn: {error:#}"),
            }
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Exec {
            session,
            agent,
            command,
        } => return exec::exec(&agent.socket, session, &command),
        Command::Run { config } => run(&config),
        Command::Stop { keep, agent } => client::stop(&agent.socket, keep),
        Command::Clean { config } => local_runtime(agent::clean(&config))?,
        Command::Check { config } => {
            if let Some(warning) = Config::load(&config)?.warning {
                println!("{}", described(&warning));
            }
            println!("{}: good", config.display());
            Ok(())
        }
        Command::Status {
            watch: true, agent, ..
        } => watch::watch(&agent.socket),
        Command::Status { json, agent, .. } => client::status(&agent.socket, json),
        Command::Explain {
            destination,
            protocol,
            port,
            dscp,
            json,
            agent,
        } => {
            let connection = Connection {
                destination,
                protocol,
                port,
                dscp,
            };
            client::explain(&agent.socket, connection, json)
        }
        Command::Events { replay, agent } => client::events(&agent.socket, replay),
        Command::Reload { agent } => client::reload(&agent.socket),
        Command::Move { to, agent } => client::prefer(&agent.socket, to),
    }
    .map(|()| ExitCode::SUCCESS)
}

fn run(path: &Path) -> anyhow::Result<()> {
    let Loaded { config, warning } = Config::load(path)?;
    let log = tracing_subscriber::fmt()
        .with_max_level(config.log_level)
        .with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    if let Some(warning) = warning {
        tracing::warn!("{}", described(&warning));
    }
    if config.engine.code_points.is_experimental() {
        // RFC 5096 §1: "An implementation MUST NOT be released or deployed with the experimental messages."
        tracing::warn!("experimental code points are in use: set [signalling] outside a lab");
    }
    local_runtime(agent::run(path, config))?
}

/// Runs on this thread alone.
fn local_runtime<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(tokio::task::LocalSet::new().run_until(work)))
}
