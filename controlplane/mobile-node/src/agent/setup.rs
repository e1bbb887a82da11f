//! From a configuration to a working agent, and back.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::rc::Rc;

use anyhow::Context;
use dhp_port_afpacket::{Interface, KernelGuard, PacketSocket, Profile, RawIpv6Sender};
use dhp_proto::mobile_node::MobileNode;
use dhp_proto::mobile_node::policy::NamedAddresses;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tun_rs::{AsyncDevice, DeviceBuilder};

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
use crate::netlink::Netlink;
use crate::plan::Plan;
use crate::sysctl::Sysctls;

/// Mobility Headers that wait for the engine; more are lost, and sent again by whoever wants an answer.
const SIGNALLING: usize = 256;
/// Conversations that wait to be judged; of more, the next packets tell.
const SIGHTINGS: usize = 256;
/// Resolved names that wait for the agent.
const NAMES: usize = 16;

/// Runs the agent until SIGTERM or SIGINT, by a configuration that was read from `path`. Needs a `LocalSet`.
///
/// # Errors
/// Something cannot be set up, or breaks; everything that was set up is taken back.
pub async fn run(path: &Path, config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hangups = signal(SignalKind::hangup())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let interfaces: Vec<Interface> = config
        .interfaces
        .iter()
        .map(|name| Interface::find(name))
        .collect::<Result<_, _>>()?;
    let events = EventLog::new();
    let (api, requests) = Api::listen(&config.socket, events.clone())
        .with_context(|| config.socket.display().to_string())?;
    let (netlink, notifications) = Netlink::connect().context("open a netlink socket")?;
    netlink
        .remove_leftovers()
        .await
        .context("remove what a killed agent has left behind")?;
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
            let stub = Stub::open(dns, names_in)
                .await
                .with_context(|| format!("{}: listen for DNS questions", dns.listen))?;
            tasks.push(tokio::task::spawn_local(stub.run()));
        }
        let clock = Clock::new();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no entropy: {error}"))?;
        let marking = Marking::new(&config.policy);
        let engine = MobileNode::new(config.engine.clone(), clock.now(), seed)?;
        let mut agent = Agent {
            access: Access::new(interfaces.iter().map(|one| (one.index, one.name.clone()))),
            hardware_addresses: hardware_addresses(&interfaces),
            path: path.to_owned(),
            config,
            clock,
            engine,
            solicitations: Solicitations::default(),
            netlink,
            icmp: IcmpSocket::open().context("open a raw ICMPv6 socket")?,
            data,
            events,
            tunnel_index,
            installed: Plan::default(),
            bindings: BTreeMap::new(),
            ready: BTreeMap::new(),
            names: NamedAddresses::default(),
            known_names: KnownNames::default(),
            preparing: Vec::new(),
            leases: BTreeMap::new(),
            marking,
            next_look: Instant::now(),
            sources: Vec::new(),
            path_mtus: BTreeMap::new(),
        };
        let inputs = Inputs {
            notifications,
            signalling,
            requests,
            sightings,
            names,
            hangups,
        };
        let worked = tokio::select! {
            worked = agent.work(inputs, stop) => worked,
            broken = broken(&mut tasks) => broken,
        };
        for task in tasks {
            task.abort();
        }
        drop(guard);
        worked
    }
    .await;
    sysctls.restore();
    drop(api);
    result
}

/// The first data path task that ends: none should.
async fn broken(tasks: &mut [tokio::task::JoinHandle<std::io::Result<()>>]) -> anyhow::Result<()> {
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
        .enable(false)
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
