//! The agent: movement detection, engine, kernel state and data path together.

mod accesses;
mod choosing;
mod engine_events;
mod explain;
mod home_link;
mod keeping;
mod kernel_state;
mod known_names;
mod prefetch;
mod reload;
mod report;
mod routes;
mod setup;
mod sockets;
mod solicitation;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use dhp_proto::mobile_node::policy::NamedAddresses;
use dhp_proto::mobile_node::{FlowKey, MnCommand, MobileNode, Steering};
use ipnet::Ipv6Net;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

pub use keeping::clean;
pub use setup::run;

use crate::access::{Access, CareOf, Observation, Order};
use crate::api::{Answer, Question, Request};
use crate::clock::Clock;
use crate::config::Config;
use crate::data_path::{DataPath, Sighting};
use crate::dns::Lookup;
use crate::event::{Event, EventLog};
use crate::exec::{Marking, SessionType};
use crate::icmp_socket::IcmpSocket;
use crate::neighbor_discovery::Received;
use crate::netlink::{self, Netlink, Notification, Notifications};
use crate::plan::Plan;
use crate::state::StateFile;
use choosing::Preparing;
use home_link::Announcements;
use keeping::Ending;
use known_names::KnownNames;
use solicitation::Solicitations;

/// How long anchors may take to confirm that everything ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// Where an anchor has bound a home address last, under test or not.
#[derive(Debug, Clone, Copy)]
struct Binding {
    anchor: Ipv6Addr,
    care_of: Ipv6Addr,
}

/// What the engine has found for a flow.
#[derive(Debug, Clone, Copy)]
struct Ready {
    /// The correspondents that it is for.
    serves: Ipv6Net,
    anchor: Ipv6Addr,
    home_address: Ipv6Addr,
}

/// The agent.
struct Agent {
    /// The file that the configuration was read from.
    path: PathBuf,
    config: Config,
    clock: Clock,
    engine: MobileNode,
    access: Access,
    hardware_addresses: BTreeMap<u32, [u8; 6]>,
    solicitations: Solicitations,
    /// What the home link is told after coming home.
    announcements: Option<Announcements>,
    netlink: Netlink,
    icmp: IcmpSocket,
    data: Rc<DataPath>,
    events: EventLog,
    tunnel_index: u32,
    installed: Plan,
    bindings: BTreeMap<Ipv6Addr, Binding>,
    /// Where each home address's anchor sends its flows, if to more than one care-of address.
    steerings: BTreeMap<Ipv6Addr, (Ipv6Addr, Steering)>,
    /// Flows that new sessions can use.
    ready: BTreeMap<FlowKey, Ready>,
    /// Addresses of the names that the policy is about.
    names: NamedAddresses,
    /// What names were resolved to before.
    known_names: KnownNames,
    /// Where names are told that were looked up in advance.
    lookups: mpsc::Sender<Lookup>,
    /// What looks them up.
    looking_up: Option<tokio::task::JoinHandle<()>>,
    /// Resolved names that wait for their anchors.
    preparing: Vec<Preparing>,
    /// Session types of marked sockets, each until when it is kept.
    leases: BTreeMap<SessionType, Instant>,
    /// Marks the sockets of programs that the policy names.
    marking: Marking,
    /// When to look next what is still in use.
    next_look: Instant,
    /// Sources of the flows by rule, as they were reported last.
    sources: Vec<(usize, Ipv6Net, Option<Ipv6Addr>)>,
    /// Path MTUs that Packet Too Big messages have told, by anchor or correspondent.
    path_mtus: BTreeMap<Ipv6Addr, u32>,
    /// Where the state is kept over a restart.
    state: Option<StateFile>,
    /// How it is to end, when somebody has asked.
    ending: Option<Ending>,
}

/// Where the agent's inputs come from.
struct Inputs {
    notifications: Notifications,
    signalling: mpsc::Receiver<Vec<u8>>,
    requests: mpsc::Receiver<Request>,
    sightings: mpsc::Receiver<Sighting>,
    names: mpsc::Receiver<Lookup>,
    /// SIGHUP: the configuration is to be read again.
    hangups: Signal,
}

impl Agent {
    /// Works until `stop` is ready or the kernel is gone.
    async fn work(
        &mut self,
        mut inputs: Inputs,
        stop: impl Future<Output = Ending>,
    ) -> anyhow::Result<Ending> {
        let mut stop = std::pin::pin!(stop);
        self.start().await?;
        let ending = loop {
            self.keep();
            if let Some(ending) = self.ending {
                break ending;
            }
            let deadline = self.deadline();
            // An advertisement is looked at before the address that the kernel makes of it.
            tokio::select! {
                biased;
                ending = &mut stop => match self.end(ending == Ending::Keep) {
                    Answer::Refused(reason) => {
                        tracing::warn!("{reason}");
                        break Ending::Leave;
                    }
                    _ => break ending,
                },
                received = self.icmp.recv() => {
                    let (index, received) = received?;
                    self.take_icmp(index, received).await;
                }
                notification = netlink::next(&mut inputs.notifications) => match notification {
                    Some(notification) => self.take_notification(notification).await?,
                    None => anyhow::bail!("the kernel has closed the netlink socket"),
                },
                Some(packet) = inputs.signalling.recv() => {
                    self.engine.handle_packet(self.clock.now(), &packet);
                    self.follow_engine().await;
                }
                Some(request) = inputs.requests.recv() => self.take_request(request).await,
                Some(sighting) = inputs.sightings.recv() => self.take_sighting(sighting).await,
                Some(lookup) = inputs.names.recv() => match lookup {
                    Lookup::Asked(name) => self.expect_name(&name).await,
                    Lookup::Answered(resolved) => self.take_name(resolved).await,
                    Lookup::Foreseen { name, addresses } => {
                        self.take_foreseen(&name, addresses).await;
                    }
                },
                Some(()) = inputs.hangups.recv() => {
                    if let Err(error) = self.reload().await {
                        tracing::error!("SIGHUP: the configuration was not taken over: {error}");
                    }
                }
                () = tokio::time::sleep_until(deadline) => {
                    self.engine.handle_timeout(self.clock.now());
                    self.follow_engine().await;
                    self.look_around().await;
                    self.solicit_due();
                    self.announce_due();
                }
            }
        };
        if ending == Ending::Leave {
            self.keep_knowledge();
            self.say_farewell(&mut inputs.signalling).await;
        }
        Ok(ending)
    }

    fn deadline(&self) -> Instant {
        let engine = self.engine.poll_timeout().map(|ns| self.clock.instant(ns));
        let far = Instant::now() + Duration::from_secs(3600);
        engine
            .into_iter()
            .chain(self.solicitations.next_due())
            .chain(self.announcements.map(|announcements| announcements.due()))
            .min()
            .unwrap_or(far)
            .min(self.next_look)
    }

    async fn start(&mut self) -> anyhow::Result<()> {
        self.marking.refresh();
        self.events.write(Event::Started);
        self.use_prepared();
        // What was there before the start is known before anything in the kernel is changed.
        self.note_events();
        self.take_notification(Notification::Overrun).await?;
        self.apply_plan().await;
        Ok(())
    }

    async fn take_notification(&mut self, notification: Notification) -> anyhow::Result<()> {
        match notification {
            Notification::Observed(observation) => self.observe(observation).await,
            Notification::Overrun => {
                for observation in self.netlink.observe_all().await? {
                    self.observe(observation).await;
                }
            }
            Notification::Other => {}
        }
        Ok(())
    }

    async fn take_icmp(&mut self, index: u32, received: Received) {
        match received {
            Received::Advertisement(advertisement) => {
                let observation = Observation::Advertised {
                    index,
                    advertisement,
                };
                self.observe(observation).await;
            }
            Received::RouteTooBig { correspondent, mtu } => {
                if self.is_route_to(&correspondent) {
                    self.path_mtus.insert(correspondent, mtu);
                    self.set_tunnels();
                }
            }
            Received::TunnelTooBig { anchor, mtu } => {
                if self.anchors().contains(&anchor) {
                    self.path_mtus.insert(anchor, mtu);
                    self.set_tunnels();
                }
            }
        }
    }

    async fn take_request(&mut self, request: Request) {
        let answer = match request.question {
            Question::Status => Answer::Status(Box::new(self.status())),
            Question::Explain(contact) => Answer::Explained(Box::new(self.explain(contact))),
            Question::Exec { session } => self.lease(session).await,
            Question::Move { to } => self.prefer(to).await,
            Question::Reload => match self.reload().await {
                Ok(spi) => Answer::Reloaded { spi },
                Err(error) => Answer::Refused(error.to_string()),
            },
            Question::Stop { keep } => self.end(keep),
            Question::Events { .. } => Answer::Refused("events are no single answer".to_owned()),
        };
        // The asker may have gone.
        let _ = request.answer.send(answer);
    }

    async fn prefer(&mut self, to: Option<String>) -> Answer {
        let interfaces = self.access.interfaces();
        let index = match &to {
            None => None,
            Some(name) => match interfaces.iter().find(|interface| interface.name == *name) {
                Some(interface) => Some(interface.index),
                None => {
                    let known: Vec<&str> = interfaces
                        .iter()
                        .map(|interface| interface.name.as_str())
                        .collect();
                    let known = known.join(", ");
                    return Answer::Refused(format!("{name} is none of the interfaces: {known}"));
                }
            },
        };
        let orders = self.access.prefer(index);
        self.follow(orders).await;
        Answer::Done
    }

    async fn observe(&mut self, observation: Observation) {
        if self.is_of_home_address(&observation) {
            return;
        }
        let orders = self.access.observe(observation);
        self.follow(orders).await;
    }

    /// Does what movement detection orders: the kernel's state first, so that the signalling finds its way out.
    async fn follow(&mut self, orders: Vec<Order>) {
        if orders.is_empty() {
            return;
        }
        let mut care_of = None;
        let mut are_others = false;
        for order in orders {
            match order {
                Order::LinkDown { index } => {
                    self.solicitations.stop(index);
                    let interface = self.name(index);
                    self.events.write(Event::LinkDown { interface });
                }
                Order::LinkUp { index } => {
                    let interface = self.name(index);
                    self.events.write(Event::LinkUp { interface });
                    self.solicitations.start(index);
                    self.solicit_due();
                }
                Order::Advertised {
                    index,
                    advertisement,
                } => {
                    self.solicitations.stop(index);
                    let interface = self.name(index);
                    let (router, prefixes) = (advertisement.router, advertisement.prefixes);
                    self.events.write(Event::RouterAdvertised {
                        interface,
                        router,
                        prefixes,
                    });
                }
                Order::AddressConfigured { index, address } => {
                    let interface = self.name(index);
                    self.events
                        .write(Event::AddressConfigured { interface, address });
                }
                Order::RemoveAddress {
                    index,
                    address,
                    prefix_len,
                } => {
                    self.netlink
                        .remove_address(index, address, prefix_len)
                        .await;
                }
                Order::RemoveRouter { index, router } => {
                    self.netlink.remove_router(index, router).await;
                }
                Order::CareOf(new) => care_of = Some(new),
                Order::Attached => are_others = true,
            }
        }
        self.apply_plan().await;
        if let Some(care_of) = care_of {
            self.tell_care_of(care_of);
        }
        if care_of.is_some() || are_others {
            self.tell_of_accesses();
        }
        if care_of.is_some() {
            self.prefetch();
        }
        self.set_tunnels();
        self.follow_engine().await;
    }

    fn tell_care_of(&mut self, care_of: Option<CareOf>) {
        match care_of {
            Some(CareOf { index, address, .. }) => {
                let interface = self.name(index);
                self.events.write(Event::CareOf { interface, address });
                self.path_mtus.clear();
            }
            None => self.events.write(Event::CareOfLost),
        }
    }

    /// Ends all bindings, for as long as anchors may take to confirm it.
    async fn say_farewell(&mut self, signalling: &mut mpsc::Receiver<Vec<u8>>) {
        let deadline = Instant::now() + FAREWELL;
        self.engine
            .handle_command(self.clock.now(), MnCommand::Shutdown);
        self.follow_engine().await;
        while !self.engine.is_stopped() {
            let wake = self.deadline().min(deadline);
            match timeout_at(wake, signalling.recv()).await {
                Ok(Some(packet)) => self.engine.handle_packet(self.clock.now(), &packet),
                Ok(None) => break,
                Err(_) if Instant::now() >= deadline => break,
                Err(_) => self.engine.handle_timeout(self.clock.now()),
            }
            self.follow_engine().await;
        }
        self.events.write(Event::Stopped);
        self.netlink
            .apply(self.tunnel_index, &mut self.installed, &Plan::default())
            .await;
    }

    fn name(&self, index: u32) -> String {
        self.access
            .interface(index)
            .map_or_else(String::new, |interface| interface.name.clone())
    }
}
