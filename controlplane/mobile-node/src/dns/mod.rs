//! The stub resolver: it passes questions and answers on as they are, and has anchors prepared for the addresses in an answer
//! before the program that asked gets to know them. So its first connection already has the right source address.

mod message;
mod resolver;

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::config::DnsConfig;
use resolver::{Resolver, Transport};

/// Questions and connections at once; more go unanswered, and are asked again.
const AT_ONCE: usize = 128;
/// Addresses of one answer that are prepared: programs try the first ones.
pub const PREPARED_ADDRESSES: usize = 3;
/// The longest DNS message (RFC 1035 §4.2.2).
const LONGEST: usize = 65_535;

/// What the agent is told.
#[derive(Debug)]
pub enum Lookup {
    /// Somebody asks for the addresses of this name: those that it had before are likely to be the answer.
    Asked(String),
    /// There is an answer.
    Answered(Resolved),
    /// A name that was looked up in advance has addresses.
    Foreseen {
        /// The name.
        name: String,
        /// Its addresses.
        addresses: Vec<Ipv6Addr>,
    },
}

/// A name has addresses.
#[derive(Debug)]
pub struct Resolved {
    /// The name that was asked for, as text.
    pub name: String,
    /// Its addresses, each with how long that is true.
    pub addresses: Vec<(Ipv6Addr, Duration)>,
    /// To be told when everything is prepared, or cannot be.
    pub prepared: oneshot::Sender<()>,
}

/// The resolver's sockets.
#[derive(Debug)]
pub struct Stub {
    udp: UdpSocket,
    tcp: TcpListener,
    resolver: Resolver,
}

impl Stub {
    /// Listens. Names and their addresses are told to `agent`.
    ///
    /// # Errors
    /// Somebody else has the port.
    pub async fn open(config: &DnsConfig, agent: mpsc::Sender<Lookup>) -> io::Result<Self> {
        Ok(Self {
            udp: UdpSocket::bind(config.listen).await?,
            tcp: TcpListener::bind(config.listen).await?,
            resolver: Resolver::new(config.upstream.clone(), agent),
        })
    }

    /// Answers, for as long as it can.
    ///
    /// # Errors
    /// A socket is broken.
    pub async fn run(self) -> io::Result<()> {
        let resolver = Rc::new(self.resolver);
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let udp = Rc::new(self.udp);
        let mut buffer = vec![0; LONGEST];
        loop {
            let resolver = Rc::clone(&resolver);
            tokio::select! {
                received = udp.recv_from(&mut buffer) => {
                    let (length, from) = received?;
                    let question = buffer.get(..length).unwrap_or_default().to_vec();
                    let udp = Rc::clone(&udp);
                    in_turn(&room, async move {
                        if let Some(answer) = resolver.resolve(&question, Transport::Udp).await {
                            // Who has asked may have gone.
                            let _ = udp.send_to(&answer, from).await;
                        }
                    });
                }
                accepted = self.tcp.accept() => {
                    let (stream, _) = accepted?;
                    in_turn(&room, async move {
                        if let Err(error) = resolver.serve(stream).await {
                            tracing::debug!(%error, "a client of the stub resolver went away");
                        }
                    });
                }
            }
        }
    }
}

/// Looks names up that nobody has asked for yet, one after the other, and tells the agent their addresses.
pub async fn look_up(upstream: Vec<SocketAddr>, names: Vec<String>, agent: mpsc::Sender<Lookup>) {
    let resolver = Resolver::new(upstream, agent.clone());
    for name in names {
        let addresses = resolver.look_up(&name).await;
        let told = Lookup::Foreseen { name, addresses };
        if agent.send(told).await.is_err() {
            return;
        }
    }
}

/// Does the work beside everything else, if there is room.
fn in_turn(room: &Arc<Semaphore>, work: impl Future<Output = ()> + 'static) {
    if let Ok(permit) = Arc::clone(room).try_acquire_owned() {
        tokio::task::spawn_local(async move {
            work.await;
            drop(permit);
        });
    }
}
