//! dhpd: the Distributed Home-Proxy daemon
#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use dhpd::config::{Config, HostFacts, LoadError, LoadedConfig};
use serde_json::json;

/// The Distributed Home-Proxy daemon: anchors mobile nodes' addresses near their correspondents.
#[derive(Parser)]
#[command(
    version,
    after_help = "A smallest configuration, for a router with one interface towards the mobile nodes and one towards
the servers they talk to:

  [anchor]
  address = \"2001:db8:d::1\"            # an address of this host

  [[port]]
  interface = \"core0\"
  [[port]]
  interface = \"cn0\"

  [[pool]]
  prefix = \"2001:db8:d:1::/64\"         # routed to this host; mobile nodes get addresses from it
  kind = \"dhoa\"

  [[coverage]]
  prefix = \"2001:db8:c::/48\"           # the servers

  [[mobile-node]]
  id = \"mn1@example.net\"
  spi = 256
  home-key-file = \"mn1.key\"            # openssl rand -hex 32 > mn1.key; chmod 600 mn1.key

Check it, run it, look at it:

  dhpd check --config dhpd.toml
  dhpd run --config dhpd.toml
  dhpctl show status"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run until SIGTERM or SIGINT. Needs CAP_NET_ADMIN and CAP_NET_RAW
    Run {
        /// The configuration
        #[arg(long, value_name = "FILE", default_value = "/etc/dhpd/dhpd.toml")]
        config: PathBuf,
    },
    /// Say whether a configuration is right, and what it means
    Check {
        /// The configuration
        #[arg(long, value_name = "FILE", default_value = "/etc/dhpd/dhpd.toml")]
        config: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { config } => run(&config),
        Command::Check {
            config,
            json: false,
        } => check(&config),
        Command::Check { config, json: true } => check_json(&config),
    }
}

fn explain(error: &LoadError) {
    match error {
        LoadError::Invalid(error) => eprintln!("{}", error.render(std::io::stderr().is_terminal())),
        LoadError::Unreadable { .. } => eprintln!("dhpd: {error}"),
    }
}

fn run(path: &Path) -> ExitCode {
    let loaded = match LoadedConfig::from_file(path) {
        Ok(loaded) => loaded,
        Err(error) => {
            explain(&error);
            return ExitCode::FAILURE;
        }
    };
    dhpd::logging::init(&loaded.config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(dhpd::daemon::run(&loaded)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dhpd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(path: &Path) -> ExitCode {
    let loaded = match LoadedConfig::from_file(path) {
        Ok(loaded) => loaded,
        Err(error) => {
            explain(&error);
            return ExitCode::FAILURE;
        }
    };
    eprint!(
        "{}",
        loaded.render_warnings(std::io::stderr().is_terminal())
    );
    println!("{}: right\n{}", path.display(), describe(&loaded.config));
    if let Err(error) = HostFacts::gather()
        .map_err(anyhow::Error::from)
        .and_then(|facts| Ok(loaded.check_host(&facts)?))
    {
        println!("On this host it would not run:\n\n{error}");
    }
    ExitCode::SUCCESS
}

/// What the configuration makes of a host, in sentences.
fn describe(config: &Config) -> String {
    let mut lines = vec![format!(
        "  {} is {}, with {} worker(s) on {}",
        config.anchor.address,
        config.anchor.roles.names().join(", "),
        config.workers.count,
        config
            .ports
            .iter()
            .map(|port| match port.driver.device() {
                Some(device) => format!("{} ({device})", port.interface),
                None => port.interface.clone(),
            })
            .collect::<Vec<_>>()
            .join(", "),
    )];
    for pool in &config.pools {
        let link = match &pool.link {
            Some(link) => format!(" on the link of {link}"),
            None => String::new(),
        };
        lines.push(format!(
            "  pool {} ({}){link}",
            pool.prefix,
            pool.kind.name()
        ));
    }
    for prefix in &config.coverage {
        lines.push(format!("  covers {prefix}"));
    }
    lines.push(format!(
        "  {} mobile node(s), {} directory entries; at most {} home addresses bound",
        config.mobile_nodes.len(),
        config.directory.len(),
        config.limits.home_addresses,
    ));
    if config.signalling.code_points.is_experimental() {
        lines.push("  experimental code points: not for deployment (RFC 5096)".to_owned());
    }
    lines.join("\n")
}

fn check_json(path: &Path) -> ExitCode {
    let (document, code) = match LoadedConfig::from_file(path) {
        Ok(loaded) => {
            let facts = HostFacts::gather().unwrap_or_default();
            let host = loaded
                .check_host(&facts)
                .err()
                .map(|error| error.reports())
                .unwrap_or_default();
            let warnings: Vec<_> = loaded.warnings().collect();
            let document = json!({"ok": true, "config": loaded.config.summary(), "problems": [], "warnings": warnings, "host_problems": host});
            (document, ExitCode::SUCCESS)
        }
        Err(LoadError::Invalid(error)) => (
            json!({"ok": false, "problems": error.reports()}),
            ExitCode::FAILURE,
        ),
        Err(error) => (
            json!({"ok": false, "error": error.to_string(), "problems": []}),
            ExitCode::FAILURE,
        ),
    };
    println!("{document:#}");
    code
}
