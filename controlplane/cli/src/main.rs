//! dhpctl: asks a running dhpd
#![forbid(unsafe_code)]

mod client;
mod show;
mod table;

use std::io::Write;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use dhpctl::{DEFAULT_SOCKET, LARGEST_PAGE, Request};

/// Asks a running dhpd, the Distributed Home-Proxy daemon.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  dhpctl show status                     how it is
  dhpctl show bindings                   which mobile nodes are where
  dhpctl show counters --json | jq .     everything counted, as data
  dhpctl reload                          after the configuration was edited
  dhpctl drain                           before maintenance: no new mobile nodes, no traffic by our routes
  dhpctl drain off                       after it"
)]
struct Arguments {
    /// The daemon's socket, as [api] socket of its configuration says
    #[arg(long, global = true, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show one aspect of the daemon
    Show {
        #[arg(value_enum)]
        what: What,
    },
    /// Read the configuration again; bindings, sequence numbers and traffic go on. A wrong one, or one that needs a
    /// restart, changes nothing
    Reload,
    /// End the binding of a home address at once; its mobile node may bind anew
    Release {
        /// The home address, or distributed home address
        #[arg(value_name = "HOME_ADDRESS")]
        home_address: Ipv6Addr,
    },
    /// Take no new mobile nodes and withdraw the routes of the DHoA pools (on), or undo that (off); those that are bound
    /// stay, and are served as far as their packets still come here
    Drain {
        #[arg(value_enum, default_value = "on")]
        switch: Switch,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Health, bindings in total, workers
    Status,
    /// Home addresses and where they are
    Bindings,
    /// Address pools
    Pools,
    /// What the workers and the protocol engine have counted
    Counters,
    /// The workers' route table
    Routes,
    /// The workers' next hops
    Neighbours,
    /// The configuration in force, without keys
    Config,
}

#[derive(Clone, Copy, ValueEnum)]
enum Switch {
    On,
    Off,
}

fn request(command: &Command) -> Request {
    match command {
        Command::Show { what } => match what {
            What::Status => Request::Status,
            What::Bindings => Request::Bindings {
                after: None,
                limit: LARGEST_PAGE,
            },
            What::Pools => Request::Pools,
            What::Counters => Request::Counters,
            What::Routes => Request::Routes {
                after: None,
                limit: LARGEST_PAGE,
            },
            What::Neighbours => Request::Neighbours,
            What::Config => Request::Config,
        },
        Command::Reload => Request::Reload,
        Command::Release { home_address } => Request::Release {
            home_address: *home_address,
        },
        Command::Drain { switch } => Request::Drain {
            on: matches!(switch, Switch::On),
        },
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut client = client::Client::connect(&arguments.socket)?;
    let reply = client.ask_all(&request(&arguments.command))?;
    let text = if arguments.json {
        // Without the word that says which kind of answer it is: who asked knows.
        let document = serde_json::to_value(&reply)?;
        let content = document
            .as_object()
            .and_then(|object| object.values().next());
        format!("{:#}\n", content.unwrap_or(&document))
    } else {
        show::text(&reply)
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // The reader has seen enough, as `head` has.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dhpctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}
