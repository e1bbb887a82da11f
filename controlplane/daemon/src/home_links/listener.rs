//! What comes in on a home link and concerns the protocol engine

use std::io;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use dhp_port_afpacket::{HeardPacket, HomeLinkSocket};
use dhp_proto::anchor::LinkId;
use dhp_wire::codepoints::next_header;
use dhp_wire::extension;
use dhp_wire::icmpv6::Body;
use dhp_wire::ipv6::Ipv6View;
use dhp_wire::packet::IcmpPacket;
use tokio::io::unix::AsyncFd;

use super::HomeLinkError;
use super::watched::Watched;
use crate::control::{ControlHandle, Stopped};

/// The longest message that matters, in octets: of the least MTU of IPv6.
const LONGEST: usize = 1280;
/// Before a socket that has failed is read again.
const PAUSE: Duration = Duration::from_secs(1);

/// Hears one home link.
#[derive(Debug)]
pub struct LinkListener {
    link: LinkId,
    socket: AsyncFd<Arc<HomeLinkSocket>>,
    watched: Arc<Watched>,
}

impl LinkListener {
    #[expect(
        deprecated,
        reason = "its replacement is an unsafe function; what has AsFd keeps one descriptor open while it lives, as that demands"
    )]
    pub(super) fn new(
        link: LinkId,
        socket: Arc<HomeLinkSocket>,
        watched: Arc<Watched>,
    ) -> Result<Self, HomeLinkError> {
        let name = socket.interface().name.clone();
        let socket =
            AsyncFd::new(socket).map_err(|cause| HomeLinkError::Watch { link: name, cause })?;
        Ok(Self {
            link,
            socket,
            watched,
        })
    }

    /// Tell the control plane what concerns it, until it stops. One packet at a time: where there are more than it can take,
    /// the kernel drops them, as a full link would.
    pub async fn listen(self, control: ControlHandle) {
        let mut buffer = [0; LONGEST];
        loop {
            match self.next(&mut buffer).await {
                Ok(heard) => {
                    if self.hand_on(&control, heard, &buffer).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let name = self.socket.get_ref().interface().name.as_str();
                    tracing::warn!(%error, link = name, "the home link is not heard");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn next(&self, buffer: &mut [u8]) -> io::Result<HeardPacket> {
        loop {
            let mut ready = self.socket.readable().await?;
            if let Ok(heard) = ready.try_io(|socket| socket.get_ref().recv(buffer)) {
                return heard;
            }
        }
    }

    async fn hand_on(
        &self,
        control: &ControlHandle,
        heard: HeardPacket,
        buffer: &[u8],
    ) -> Result<(), Stopped> {
        let octets = buffer.get(..heard.octets).unwrap_or_default();
        let Ok(view) = Ipv6View::new(octets) else {
            return Ok(());
        };
        if !self.concerns(&view) {
            return Ok(());
        }
        let (link, from, packet) = (self.link, heard.from, view.packet().to_vec());
        control
            .ask(move |signalling| signalling.hear_on_link(link, from, &packet))
            .await
    }

    /// Most of what is said on a link is about others.
    fn concerns(&self, packet: &Ipv6View<'_>) -> bool {
        let destination = packet.destination();
        if destination.is_unicast_link_local() && self.watched.is_proxied(&destination) {
            return true;
        }
        // What comes from others reaches the anchor by the workers. A Home Address option may stand before it, though RFC 6275
        // §10.3.2 has a mobile node at home do without.
        if self.watched.is_proxied(&packet.source()) {
            let chain = extension::walk(packet.packet());
            return chain.is_ok_and(|chain| chain.upper_protocol == next_header::MOBILITY);
        }
        let message = IcmpPacket::parse(packet.packet());
        let message = message.as_ref().ok().and_then(|packet| packet.read().ok());
        let about = |target: &Ipv6Addr| self.watched.concerns(target);
        message.is_some_and(|message| match message.body {
            Body::RouterAdvertisement(_) => true,
            Body::NeighborSolicitation { target } | Body::NeighborAdvertisement { target, .. } => {
                about(&target)
            }
            _ => false,
        })
    }
}
