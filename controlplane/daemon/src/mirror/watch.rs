//! Following the kernel by rtnetlink

use std::net::{IpAddr, Ipv6Addr};

use futures::channel::mpsc::UnboundedReceiver;
use futures::{FutureExt, StreamExt, TryStreamExt};
use netlink_packet_route::neighbour::{
    NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourState,
};
use netlink_packet_route::route::RouteType;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::packet_core::{NLM_F_REPLACE, NetlinkMessage, NetlinkPayload};
use rtnetlink::sys::{AsyncSocket, SocketAddr};
use rtnetlink::{Handle, MulticastGroup, RouteMessageBuilder};
use tokio::task::JoinHandle;

use super::decode;
use super::kernel::{Followed, KernelRoute, Touched};
use super::solicit::{Solicitation, SolicitationKind};
use super::state::KernelState;

/// Octets of notifications that may wait in the kernel. Beyond, it drops them and says so, and everything is read again.
const NOTIFICATION_BUFFER: usize = 4 << 20;

/// Why the kernel cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// No netlink socket.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[from] std::io::Error),
    /// A request was refused.
    #[error("the kernel refused to {what}: {cause}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its answer.
        cause: rtnetlink::Error,
    },
    /// The notification socket was closed.
    #[error("the kernel's notifications have ended")]
    Ended,
}

/// Keeps a [`KernelState`] as the kernel has it.
pub struct Watcher {
    handle: Handle,
    notifications: UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>,
    state: KernelState,
    /// How far the state is from the kernel's, by the notifications taken so far.
    behind: Followed,
    /// Notifications were lost.
    overrun: bool,
    connections: [JoinHandle<()>; 2],
}

impl Watcher {
    /// Subscribe to notifications, then read everything.
    ///
    /// # Errors
    /// [`MirrorError`]; nothing of it is worth trying again at once.
    pub async fn start() -> Result<Self, MirrorError> {
        let mut watcher = Self::start_from(KernelState::default()).await?;
        watcher.take_touched();
        Ok(watcher)
    }

    /// The same, where `before` was known until the notifications ended: what is different is touched.
    ///
    /// # Errors
    /// As [`Watcher::start`].
    pub async fn start_from(before: KernelState) -> Result<Self, MirrorError> {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Neigh,
            MulticastGroup::Ipv6Route,
        ];
        let (mut listening, _, notifications) = rtnetlink::new_multicast_connection(&groups)?;
        listening
            .socket_mut()
            .socket_mut()
            .set_rx_buf_sz(NOTIFICATION_BUFFER)?;
        let (asking, handle, _) = rtnetlink::new_connection()?;
        let mut watcher = Self {
            handle,
            notifications,
            state: before,
            behind: Followed::Same,
            overrun: false,
            connections: [tokio::spawn(listening), tokio::spawn(asking)],
        };
        let now = watcher.read_everything().await?;
        watcher.state.resync(now);
        Ok(watcher)
    }

    /// What the kernel has.
    pub fn state(&self) -> &KernelState {
        &self.state
    }

    /// What has become different in the state since the last call.
    pub fn take_touched(&mut self) -> Touched {
        self.state.take_touched()
    }

    /// Wait until the state has changed. What else has been notified by then is followed too. Nothing is lost if the wait
    /// is given up.
    ///
    /// # Errors
    /// [`MirrorError`]: start anew.
    pub async fn changed(&mut self) -> Result<(), MirrorError> {
        while self.behind == Followed::Same {
            let mut next = self.notifications.next().await;
            loop {
                let Some((message, _)) = next else {
                    return Err(MirrorError::Ended);
                };
                self.follow(message);
                match self.notifications.next().now_or_never() {
                    Some(another) => next = another,
                    None => break,
                }
            }
        }
        if self.overrun {
            tracing::warn!(
                "the kernel dropped notifications; reading links, routes and neighbours again"
            );
            let now = self.read_everything().await?;
            self.state.resync(now);
        } else if self.behind == Followed::Unclear {
            let routes = self.read_routes().await?;
            self.state.replace_routes(routes);
        }
        self.overrun = false;
        self.behind = Followed::Same;
        Ok(())
    }

    /// Take over one notification, or note that more has to be read.
    fn follow(&mut self, message: NetlinkMessage<RouteNetlinkMessage>) {
        let replaces = message.header.flags & NLM_F_REPLACE != 0;
        let followed = match message.payload {
            NetlinkPayload::Overrun(_) => {
                self.overrun = true;
                Followed::Unclear
            }
            NetlinkPayload::InnerMessage(inner) => match decode::change(&inner, replaces) {
                Some(change) => self.state.apply(change),
                None => Followed::Same,
            },
            _ => Followed::Same,
        };
        self.behind = self.behind.max(followed);
    }

    async fn read_everything(&self) -> Result<KernelState, MirrorError> {
        let mut state = KernelState::default();
        let refused = |what| move |cause| MirrorError::Refused { what, cause };
        let mut links = std::pin::pin!(self.handle.link().get().execute());
        while let Some(link) = links
            .try_next()
            .await
            .map_err(refused("list the interfaces"))?
        {
            if let Some(change) = decode::change(&RouteNetlinkMessage::NewLink(link), false) {
                state.apply(change);
            }
        }
        let neighbours = self
            .handle
            .neighbours()
            .get()
            .set_address_family(AddressFamily::Inet6)
            .execute();
        let mut neighbours = std::pin::pin!(neighbours);
        while let Some(neighbour) = neighbours
            .try_next()
            .await
            .map_err(refused("list the neighbours"))?
        {
            if let Some(change) =
                decode::change(&RouteNetlinkMessage::NewNeighbour(neighbour), false)
            {
                state.apply(change);
            }
        }
        state.replace_routes(self.read_routes().await?);
        Ok(state)
    }

    async fn read_routes(&self) -> Result<Vec<KernelRoute>, MirrorError> {
        let request = RouteMessageBuilder::<Ipv6Addr>::new().build();
        let mut answers = std::pin::pin!(self.handle.route().get(request).execute());
        let mut routes = Vec::new();
        while let Some(route) = answers
            .try_next()
            .await
            .map_err(|cause| MirrorError::Refused {
                what: "list the routes",
                cause,
            })?
        {
            routes.extend(decode::routes(&route));
        }
        Ok(routes)
    }

    /// Have the kernel resolve a neighbour.
    ///
    /// # Errors
    /// What the kernel answers.
    pub async fn solicit(&self, solicitation: &Solicitation) -> Result<(), MirrorError> {
        let mut result = self.request(solicitation).await;
        if result.is_err() && solicitation.kind == SolicitationKind::Manage {
            // Kernels before 5.16 do not know NTF_EXT_MANAGED.
            let once = Solicitation {
                kind: SolicitationKind::Use,
                ..*solicitation
            };
            result = self.request(&once).await;
        }
        result.map_err(|cause| MirrorError::Refused {
            what: "resolve a neighbour",
            cause,
        })
    }

    async fn request(&self, solicitation: &Solicitation) -> Result<(), rtnetlink::Error> {
        let address = IpAddr::V6(solicitation.address);
        let mut request = self
            .handle
            .neighbours()
            .add(solicitation.interface, address)
            .kind(RouteType::Unspec)
            .state(NeighbourState::None)
            .replace();
        match solicitation.kind {
            SolicitationKind::Manage => {
                let managed = NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed);
                request.message_mut().attributes.push(managed);
            }
            SolicitationKind::Use => request = request.flags(NeighbourFlags::Use),
        }
        request.message_mut().header.family = AddressFamily::Inet6;
        request.execute().await
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        for connection in &self.connections {
            connection.abort();
        }
    }
}
