//! dhpctl: asks a running dhpd
#![forbid(unsafe_code)]

mod client;
mod listing;
mod show;
mod table;

use std::io::Write;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use dhpctl::{DEFAULT_SOCKET, LARGEST_PAGE, Reply, Request};

/// Asks a running dhpd, the Distributed Home-Proxy daemon.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  dhpctl show status                     how it is
  dhpctl show bindings                   which home addresses are where
  dhpctl show mobile-nodes               whom it knows, by which keys, and when it last heard of them
  dhpctl show flows --node mn1@example.net   what of its traffic goes where
  dhpctl show counters --json | jq .     everything counted, as data
  dhpctl trace --drops                   which packets are dropped, and why
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
        #[command(subcommand)]
        what: What,
    },
    /// Watch what becomes of packets, one line each, until Ctrl-C. Slows down the workers while it runs, and loses some
    /// where there are many
    Trace {
        /// Only packets with this source or destination, inside a tunnel or outside
        #[arg(value_name = "ADDRESS")]
        address: Option<Ipv6Addr>,
        /// Only packets that are dropped
        #[arg(long)]
        drops: bool,
        /// End after this many packets
        #[arg(long, value_name = "N")]
        count: Option<usize>,
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
    /// End the binding of a home address by Binding Revocation (RFC 5846): the mobile node is told first
    Revoke {
        /// The home address, or distributed home address
        #[arg(value_name = "HOME_ADDRESS")]
        home_address: Ipv6Addr,
    },
    /// Have a mobile node find another home agent (RFC 5142); this one serves it until then
    Switch {
        /// The home address, or distributed home address
        #[arg(value_name = "HOME_ADDRESS")]
        home_address: Ipv6Addr,
        /// The other home agent; without one the mobile node has to search
        #[arg(value_name = "HOME_AGENT")]
        home_agent: Option<Ipv6Addr>,
    },
    /// Take no new mobile nodes and withdraw the routes of the DHoA pools (on), or undo that (off); those that are bound
    /// stay, and are served as far as their packets still come here
    Drain {
        #[arg(value_enum, default_value = "on")]
        switch: Switch,
    },
}

#[derive(Subcommand)]
enum What {
    /// Health, bindings in total, workers
    Status,
    /// Home addresses and where they are
    Bindings,
    /// Mobile nodes: keys and their use, home addresses, DHoAs, care-of addresses
    #[command(after_help = "Examples:
  dhpctl show mobile-nodes                          all, in the order of the configuration
  dhpctl show mobile-nodes --node mn1@example.net   one: which key (SPI) has it used last?
  dhpctl show mobile-nodes --json | jq '.[] | select(.last_heard_seconds == null) | .id'

REFUSED counts messages with one of its SPIs that its key did not authenticate. SEQUENCE is that of the SPI used last;
\"lost\": numbers of the time before the start are not known, so that the next message needs a timestamp.")]
    MobileNodes {
        /// Only the mobile node with this identifier
        #[arg(long, value_name = "NAI")]
        node: Option<String>,
    },
    /// Flows of bound home addresses: which packets go where, and by which of the workers' tables
    #[command(after_help = "Examples:
  dhpctl show flows                                  all, in the order of their home addresses
  dhpctl show flows --node mn1@example.net           those of one mobile node
  dhpctl show flows --home-address 2001:db8:d:1::7   those of one address

FLOW 0 is what belongs to no other. Packets are told in the words of RFC 6088; \"-\": the mobile node has told the mode
alone. TABLE: \"exact\" is one lookup, \"range\" a list that is tried in its order, \"-\" no rule: such packets go where the
address's others go.")]
    Flows {
        /// Only those of the mobile node with this identifier
        #[arg(long, value_name = "NAI")]
        node: Option<String>,
        /// Only those of this home address
        #[arg(long, value_name = "ADDRESS")]
        home_address: Option<Ipv6Addr>,
    },
    /// Links, and what their drivers count (all of it with --json)
    Ports,
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
                after_correspondent: None,
                limit: LARGEST_PAGE,
            },
            What::MobileNodes { node } => Request::MobileNodes {
                node: node.clone(),
                from: 0,
                limit: LARGEST_PAGE,
            },
            What::Flows { node, home_address } => Request::Flows {
                node: node.clone(),
                home_address: *home_address,
                after: None,
                limit: LARGEST_PAGE,
            },
            What::Ports => Request::Ports,
            What::Pools => Request::Pools,
            What::Counters => Request::Counters,
            What::Routes => Request::Routes {
                after: None,
                limit: LARGEST_PAGE,
            },
            What::Neighbours => Request::Neighbours,
            What::Config => Request::Config,
        },
        Command::Trace { address, drops, .. } => Request::Trace {
            address: *address,
            drops_only: *drops,
        },
        Command::Reload => Request::Reload,
        Command::Release { home_address } => Request::Release {
            home_address: *home_address,
        },
        Command::Revoke { home_address } => Request::Revoke {
            home_address: *home_address,
        },
        Command::Switch {
            home_address,
            home_agent,
        } => Request::Switch {
            home_address: *home_address,
            home_agent: *home_agent,
        },
        Command::Drain { switch } => Request::Drain {
            on: matches!(switch, Switch::On),
        },
    }
}

/// How often what was traced is asked for.
const TRACE_EVERY: Duration = Duration::from_millis(200);

/// Print what becomes of packets, until `count` are printed.
fn trace(
    client: &mut client::Client,
    arguments: &Arguments,
    count: Option<usize>,
) -> anyhow::Result<()> {
    let mut left = count.unwrap_or(usize::MAX);
    let mut output = std::io::stdout().lock();
    while left > 0 {
        let Reply::Trace(packets) = client.ask(&request(&arguments.command))? else {
            anyhow::bail!("dhpd answers something else");
        };
        for packet in packets.iter().take(left) {
            let line = if arguments.json {
                format!("{}\n", serde_json::to_string(packet)?)
            } else {
                show::trace_line(packet)
            };
            output.write_all(line.as_bytes())?;
        }
        output.flush()?;
        left = left.saturating_sub(packets.len());
        if left > 0 {
            std::thread::sleep(TRACE_EVERY);
        }
    }
    Ok(())
}

/// The reader has seen enough, as `head` has.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut client = client::Client::connect(&arguments.socket)?;
    if let Command::Trace { count, .. } = &arguments.command {
        return trace(&mut client, arguments, *count);
    }
    let request = request(&arguments.command);
    if matches!(request, Request::MobileNodes { .. } | Request::Flows { .. }) {
        let output = &mut std::io::stdout().lock();
        return listing::print(&mut client, request, arguments.json, output);
    }
    let reply = client.ask_all(&request)?;
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
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dhpctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}
