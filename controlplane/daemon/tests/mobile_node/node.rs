//! The mobile node: the engine of `dhp-mn` on the packets of an interface, in a thread of its own

use std::net::Ipv6Addr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dhp_proto::mobile_node::{MnAction, MnEvent, MobileNode, MobileNodeConfig};
use dhp_proto::time::Now;
use dhp_wire::codepoints::next_header;
use dhp_wire::ipv6::Ipv6View;
use dhpd::clock::{Clock, system_clock};

use crate::support::PATIENCE;
use crate::support::echo::tunnelled_echo_reply;
use crate::support::namespaces::Namespace;
use crate::support::station::Station;

/// The longest that the test's wishes and the engine's timers wait for each other.
const TURN: Duration = Duration::from_millis(10);

type Wish = Box<dyn FnOnce(&mut MobileNode, Now) + Send>;

/// The thread, which ends with this.
pub struct Node {
    /// `None`: it has to end.
    wishes: Option<Sender<Wish>>,
    events: Receiver<MnEvent>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// On `eth0` of the namespace.
    pub fn start(namespace: &Namespace, config: MobileNodeConfig) -> Self {
        let station = Station::new(namespace);
        let (wishes, to_do) = channel();
        let (told, events) = channel();
        let thread = std::thread::spawn(move || {
            let mut clock = system_clock();
            let engine = MobileNode::new(config, clock(), [7; 32]).expect("a right configuration");
            work(engine, clock, &station, &to_do, &told);
        });
        Self {
            wishes: Some(wishes),
            events,
            thread: Some(thread),
        }
    }

    /// Have the engine do something.
    pub fn wish(&self, wish: impl FnOnce(&mut MobileNode, Now) + Send + 'static) {
        let wishes = self.wishes.as_ref().expect("it works");
        wishes.send(Box::new(wish)).expect("it works");
    }

    /// Waits for an event of which `read` makes something; nothing may be lost before that.
    pub fn wait_for<T>(&self, read: impl Fn(&MnEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else {
                panic!("not in time; instead {seen:#?}");
            };
            assert!(!is_loss(&event), "{event:?}");
            if let Some(found) = read(&event) {
                return found;
            }
            seen.push(event);
        }
    }

    /// Waits until these home addresses are confirmed at the care-of address, in whatever order.
    pub fn wait_for_bound(&self, homes: &[Ipv6Addr], at: Ipv6Addr) {
        let mut missing = homes.to_vec();
        while !missing.is_empty() {
            let bound = self.wait_for(|event| match event {
                MnEvent::Bound {
                    home_addresses,
                    care_of,
                    ..
                } if *care_of == at => Some(home_addresses.clone()),
                _ => None,
            });
            missing.retain(|home| !bound.contains(home));
        }
    }

    /// Whether anything has been lost since the last event that was waited for.
    pub fn has_lost_nothing(&self) -> bool {
        !self.events.try_iter().any(|event| is_loss(&event))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.wishes = None;
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "it has panicked");
        }
    }
}

fn is_loss(event: &MnEvent) -> bool {
    matches!(event, MnEvent::Unbound { .. } | MnEvent::Fallback { .. })
}

fn work(
    mut engine: MobileNode,
    mut clock: Clock,
    station: &Station,
    to_do: &Receiver<Wish>,
    told: &Sender<MnEvent>,
) {
    loop {
        match to_do.try_recv() {
            Ok(wish) => wish(&mut engine, clock()),
            Err(std::sync::mpsc::TryRecvError::Empty) => {}
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
        }
        engine.handle_timeout(clock());
        while let Some(action) = engine.poll_action() {
            match action {
                MnAction::Transmit(packet) => station.send(&packet),
                // The test may have heard enough.
                MnAction::Event(event) => drop(told.send(event)),
            }
        }
        let deadline = Instant::now() + TURN;
        if let Some(packet) = station.receive_until(deadline, |packet| Some(packet.to_vec())) {
            receive(&mut engine, clock(), station, &packet);
        }
    }
}

/// Signalling is the engine's; what comes by the tunnel is answered where it is an echo request.
fn receive(engine: &mut MobileNode, now: Now, station: &Station, packet: &[u8]) {
    let Ok(view) = Ipv6View::new(packet) else {
        return;
    };
    match view.next_header() {
        next_header::MOBILITY | next_header::ROUTING => engine.handle_packet(now, packet),
        next_header::IPV6 => {
            let inner = Ipv6View::new(view.payload());
            let to = inner.map(|inner| inner.destination());
            let reply = to.ok().and_then(|home| tunnelled_echo_reply(packet, home));
            reply.iter().for_each(|reply| station.send(reply));
        }
        _ => {}
    }
}
