//! From a configuration to a working agent, and back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv6Addr;
use std::path::Path;
use std::rc::Rc;

use anyhow::Context;
use dhp_port_afpacket::{Interface, KernelGuard, PacketSocket, Profile, RawIpv6Sender};
use dhp_proto::mobile_node::policy::NamedAddresses;
use dhp_proto::mobile_node::{Kept, MobileNode};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tun_rs::{AsyncDevice, DeviceBuilder};

use super::keeping::{self, Ending};
use super::kernel_state::{MIN_MTU, TUNNEL_HEADER};
use super::known_names::KnownNames;
use super::solicitation::Solicitations;
use super::{Agent, Inputs};
use crate::access::Access;
use crate::api::Api;
use crate::clock::Clock;
use crate::config::Config;
use crate::data_path::DataPath;
use crate::dns::Stub;
use crate::event::EventLog;
use crate::exec::Marking;
use crate::icmp_socket::IcmpSocket;
use crate::metrics;
use crate::netlink::Netlink;
use crate::plan::Plan;
use crate::state::StateFile;
use crate::sysctl::Sysctls;

/// Mobility Headers that wait for the engine; more are lost, and sent again by whoever wants an answer.
const SIGNALLING: usize = 256;
/// Conversations that wait to be judged; of more, the next packets tell.
const SIGHTINGS: usize = 256;
/// Resolved names that wait for the agent.
const NAMES: usize = 16;

/// Runs the agent until SIGTERM or SIGINT, or until SIGUSR1 ends it for a restart, by a configuration that was read from `path`. Needs
/// a `LocalSet`.
///
/// # Errors
/// Something cannot be set up, or breaks; everything that was set up is taken back, unless the next start is to go on with it.
pub async fn run(path: &Path, config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hangups = signal(SignalKind::hangup())?;
    let mut restart = signal(SignalKind::user_defined1())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => Ending::Leave,
            _ = interrupt.recv() => Ending::Leave,
            _ = restart.recv() => Ending::Keep,
        }
    };
    let interfaces: Vec<Interface> = config
        .interfaces
        .iter()
        .map(|name| Interface::find(name))
        .collect::<Result<_, _>>()?;
    let events = EventLog::new();
    let (api, questions, requests) = Api::listen(&config.socket, events.clone())
        .with_context(|| config.socket.display().to_string())?;
    let (netlink, notifications) = Netlink::connect().context("open a netlink socket")?;
    let clock = Clock::new();
    let mn_id = keeping::owner(&config);
    let kept = keeping::recall(&config, &mn_id, clock.now());
    let places = home_places(&config, kept.as_ref(), &interfaces);
    let installed = take_over(&netlink, &config, &places, kept.is_some()).await?;
    let state = config.state.as_ref();
    let state = state.map(|path| StateFile::new(path, &mn_id));
    let keeps_state = state.is_some();
    let mut sysctls = Sysctls::new(config.socket.with_extension("state"))?;
    let result = async {
        set_parameters(&config, &mut sysctls)?;
        let tun = open_tun(&config, &interfaces)?;
        let tunnel_index = tun.if_index()?;
        let names: Vec<&str> = config.interfaces.iter().map(String::as_str).collect();
        let guard = KernelGuard::new(Profile::MobileNode, &names)?;
        let mut senders = HashMap::new();
        for interface in &interfaces {
            senders.insert(interface.index, RawIpv6Sender::open(Some(&interface.name))?);
        }
        let (sightings_in, sightings) = mpsc::channel(SIGHTINGS);
        let data = Rc::new(DataPath::new(tun, senders, sightings_in));
        let (signalling_in, signalling) = mpsc::channel(SIGNALLING);
        let uplink = tokio::task::spawn_local(Rc::clone(&data).run_uplink());
        let mut tasks = vec![uplink];
        for interface in &interfaces {
            let socket = PacketSocket::open(&interface.name)?;
            let downlink = Rc::clone(&data).run_downlink(socket, signalling_in.clone());
            tasks.push(tokio::task::spawn_local(downlink));
        }
        let (names_in, names) = mpsc::channel(NAMES);
        if let Some(dns) = &config.dns {
            let stub = Stub::open(dns, names_in.clone())
                .await
                .with_context(|| format!("{}: listen for DNS questions", dns.listen))?;
            tasks.push(tokio::task::spawn_local(stub.run()));
        }
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no entropy: {error}"))?;
        let mut engine = MobileNode::new(config.engine.clone(), clock.now(), seed)?;
        let bindings = kept.as_ref().map(keeping::bindings).unwrap_or_default();
        engine.provision(config.provisioned.clone());
        if let Some(kept) = kept {
            engine.restore(clock.now(), kept);
        }
        let marking = Marking::new(&config.policy, config.socket_preferences);
        let mut agent = Agent {
            access: Access::new(interfaces.iter().map(|one| (one.index, one.name.clone()))),
            hardware_addresses: hardware_addresses(&interfaces),
            path: path.to_owned(),
            config,
            clock,
            engine,
            solicitations: Solicitations::default(),
            announcements: None,
            netlink: netlink.clone(),
            icmp: IcmpSocket::open().context("open a raw ICMPv6 socket")?,
            data,
            events,
            tunnel_index,
            installed,
            bindings,
            steerings: BTreeMap::new(),
            ready: BTreeMap::new(),
            names: NamedAddresses::default(),
            known_names: KnownNames::default(),
            lookups: names_in,
            looking_up: None,
            preparing: Vec::new(),
            leases: BTreeMap::new(),
            marking,
            next_look: Instant::now(),
            sources: Vec::new(),
            path_mtus: BTreeMap::new(),
            state,
            ending: None,
        };
        if let Some(listen) = agent.config.metrics {
            metrics::serve(listen, questions, &agent.events)
                .await
                .with_context(|| format!("{listen}: serve metrics"))?;
        }
        if keeps_state {
            // From here on, sockets keep their addresses when this process dies.
            agent.data.persist().context("keep the tunnel interface")?;
        }
        let inputs = Inputs {
            notifications,
            signalling,
            requests,
            sightings,
            names,
            hangups,
        };
        // Whoever started it need not wait any longer; without such a one this does nothing.
        if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
            tracing::warn!(%error, "cannot tell the service manager");
        }
        let worked = tokio::select! {
            worked = agent.work(inputs, stop) => worked,
            broken = broken(&mut tasks) => broken,
        };
        for task in tasks {
            task.abort();
        }
        drop(guard);
        let keep = keeps_state && !matches!(worked, Ok(Ending::Leave));
        if let Some(state) = agent.state.take() {
            state.finish();
            if !keep {
                netlink
                    .remove_link(tunnel_index)
                    .await
                    .context("remove the tunnel interface")?;
            }
        }
        worked.map(|_| keep)
    }
    .await;
    if !result.as_ref().is_ok_and(|keep| *keep) {
        sysctls.restore();
    }
    drop(api);
    result.map(|_| ())
}

/// Where an agent may put the home address beside the tunnel interface: on an access interface, by its index. It is the configured one,
/// or the one that renumbering has made of it.
pub(super) fn home_places(
    config: &Config,
    kept: Option<&Kept>,
    interfaces: &[Interface],
) -> Vec<(u32, Ipv6Addr)> {
    let configured = config.engine.home.iter().map(|home| home.address);
    let kept = kept.and_then(|kept| kept.home.as_ref());
    let homes: BTreeSet<Ipv6Addr> = configured.chain(kept.map(|home| home.address)).collect();
    homes
        .into_iter()
        .flat_map(|home| interfaces.iter().map(move |one| (one.index, home)))
        .collect()
}

/// What an agent of before has left in the kernel: taken over where its state is known, else removed.
async fn take_over(
    netlink: &Netlink,
    config: &Config,
    places: &[(u32, Ipv6Addr)],
    known: bool,
) -> anyhow::Result<Plan> {
    let left = netlink.left_tunnel(&config.tun).await?;
    if let (true, Some(index)) = (known, left) {
        let taken_over = netlink.take_over(index, places).await;
        return taken_over.context("take over what an agent has left behind");
    }
    netlink
        .remove_leftovers(places)
        .await
        .context("remove what a killed agent has left behind")?;
    if let Some(index) = left {
        netlink
            .remove_link(index)
            .await
            .with_context(|| format!("{}: remove what a killed agent has left", config.tun))?;
    }
    Ok(Plan::default())
}

/// The first data path task that ends: none should.
async fn broken(
    tasks: &mut [tokio::task::JoinHandle<std::io::Result<()>>],
) -> anyhow::Result<Ending> {
    let (ended, _, _) = futures::future::select_all(tasks).await;
    ended
        .context("the data path panicked")?
        .context("the data path has lost an interface")?;
    anyhow::bail!("the data path has ended")
}

/// Access interfaces take addresses from Router Advertisements and use them at once; nothing of the kind happens on the
/// tunnel interface, but that only exists later.
fn set_parameters(config: &Config, sysctls: &mut Sysctls) -> anyhow::Result<()> {
    for interface in &config.interfaces {
        let mut set = |parameter: &str, value: &str| {
            sysctls
                .set(interface, parameter, value)
                .with_context(|| format!("{interface}: set {parameter} to {value}"))
        };
        set("accept_ra", "2")?;
        set("router_solicitation_delay", "0")?;
        if config.optimistic_dad {
            // RFC 4429: a host that has moved need not be silent until duplicate address detection is over.
            set("optimistic_dad", "1")?;
            set("use_optimistic", "1")?;
        }
    }
    Ok(())
}

fn open_tun(config: &Config, interfaces: &[Interface]) -> anyhow::Result<AsyncDevice> {
    let narrowest = interfaces
        .iter()
        .map(|interface| u32::from(interface.mtu))
        .min()
        .unwrap_or(1500);
    let mtu = narrowest.saturating_sub(TUNNEL_HEADER).max(MIN_MTU);
    let tun = DeviceBuilder::new()
        .name(&config.tun)
        .mtu(u16::try_from(mtu).unwrap_or(u16::MAX))
        // One that an agent has left is up, and would lose its addresses.
        .inherit_enable_state()
        .build_async()
        .with_context(|| format!("{}: make the tunnel interface", config.tun))?;
    // They go with the interface, so nobody has to restore them.
    for (parameter, value) in [
        ("accept_ra", "0"),
        ("router_solicitations", "0"),
        ("addr_gen_mode", "1"),
    ] {
        std::fs::write(
            format!("/proc/sys/net/ipv6/conf/{}/{parameter}", config.tun),
            value,
        )
        .with_context(|| format!("{}: set {parameter}", config.tun))?;
    }
    tun.enabled(true)
        .with_context(|| format!("{}: bring it up", config.tun))?;
    Ok(tun)
}

fn hardware_addresses(interfaces: &[Interface]) -> BTreeMap<u32, [u8; 6]> {
    interfaces
        .iter()
        .filter(|interface| interface.mac != [0; 6])
        .map(|interface| (interface.index, interface.mac))
        .collect()
}
