//! A mobile node that registers and listens, on the packets of an interface whose kernel knows nothing of it

use std::net::Ipv6Addr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use dhp_port_afpacket::{KernelGuard, PacketSocket, Profile, RawIpv6Sender};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_wire::codepoints::{CodePoints, DmipType, Status, next_header};
use dhp_wire::ipv6::{HEADER_LEN, Ipv6View};
use dhp_wire::mobility::{
    BuFlags, Builder, DmipHeader, Lifetime, Message, MobilityHeader, MobilityOption,
};
use dhp_wire::packet::{MobilityPacket, compose};
use dhpd::clock::system_clock;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::support::namespaces::Namespace;
use crate::{ANCHOR, CARE_OF, CORRESPONDENT, HOME, KEY};

/// Longer than anything takes here: the first packet may wait for neighbour discovery.
const PATIENCE: Duration = Duration::from_secs(20);
/// After that, a question is repeated, as a mobile node does.
const AGAIN: Duration = Duration::from_secs(1);

pub struct MobileNode {
    socket: PacketSocket,
    sender: RawIpv6Sender,
    security: SecurityAssociation,
    _guard: KernelGuard,
}

impl MobileNode {
    pub fn new(namespace: &Namespace) -> Self {
        let (id, key) = (MnId::nai("mn1@example.net"), Key::new(KEY));
        let (algorithm, permissions) = (Algorithm::HmacSha256_128, Permissions::default());
        let security =
            SecurityAssociation::from_home_key(256, id, &key, &ANCHOR, algorithm, permissions)
                .expect("right");
        namespace.within(|| Self {
            socket: PacketSocket::open("eth0").expect("root may listen"),
            sender: RawIpv6Sender::open(Some("eth0")).expect("root may send"),
            security,
            _guard: KernelGuard::new(Profile::MobileNode, &["eth0"]).expect("root may guard"),
        })
    }

    /// Status and sequence number of the answer to a Binding Update.
    pub fn register(&self, sequence: u16) -> (u8, u16) {
        let flags = BuFlags::ACKNOWLEDGE | BuFlags::HOME;
        let mac = |mh: &[u8]| self.security.mac(&CARE_OF, &HOME, mh);
        let mh = Builder::binding_update(sequence, flags, Lifetime(150))
            .auth(
                self.security.spi(),
                self.security.algorithm().mac_len(),
                mac,
            )
            .finish(&HOME, &ANCHOR);
        let packet = compose(&CARE_OF, &ANCHOR, Some(&HOME), None, &mh);
        self.ask(
            || self.sender.send(&packet).expect("sent"),
            |packet| match message(packet)? {
                Message::BindingAcknowledgement(answer) => Some((answer.status.0, answer.sequence)),
                _ => None,
            },
        )
    }

    /// The DHoA that it gets.
    pub fn ask_for_dhoa(&self, sequence: u16) -> Ipv6Addr {
        let header = DmipHeader {
            kind: DmipType::DhoaRequest,
            sequence,
            lifetime: Lifetime(150),
            flags: 0,
            status: Status(0),
        };
        let correspondent = MobilityOption::Correspondent {
            prefix_len: 128,
            address: CORRESPONDENT,
        };
        // A box that knows nothing of the time before wants to know when this was sent.
        let mesg_id = MobilityOption::MesgId(system_clock()().ntp);
        let mac = |mh: &[u8]| self.security.mac(&CARE_OF, &ANCHOR, mh);
        let mh = Builder::dmip(&CodePoints::default(), header)
            .option(&correspondent)
            .option(&mesg_id)
            .auth(
                self.security.spi(),
                self.security.algorithm().mac_len(),
                mac,
            )
            .finish(&CARE_OF, &ANCHOR);
        let packet = compose(&CARE_OF, &ANCHOR, None, None, &mh);
        self.ask(
            || self.sender.send(&packet).expect("sent"),
            |packet| match message(packet)? {
                Message::Dmip(dmip) if dmip.header.sequence == sequence => {
                    assert!(dmip.header.status.is_accepted(), "{:?}", dmip.header);
                    dmip.options.iter().find_map(|option| match option {
                        Ok(MobilityOption::Dhoa { address, .. }) => Some(address),
                        _ => None,
                    })
                }
                _ => None,
            },
        )
    }

    /// What is sent to a home address comes through the tunnel.
    pub fn receives(&self, home_address: Ipv6Addr, send: impl Fn()) {
        self.ask(send, |packet| {
            let outer = Ipv6View::new(packet).ok()?;
            let is_tunnel = (outer.source(), outer.destination()) == (ANCHOR, CARE_OF)
                && outer.next_header() == next_header::IPV6;
            let inner = Ipv6View::new(packet.get(HEADER_LEN..)?).ok()?;
            let is_for_it = (inner.source(), inner.destination()) == (CORRESPONDENT, home_address);
            (is_tunnel && is_for_it).then_some(())
        });
    }

    /// Sends, now and again, until something comes of which `read` makes an answer.
    fn ask<T>(&self, send: impl Fn(), read: impl Fn(&[u8]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            send();
            if let Some(answer) = self.receive(Instant::now() + AGAIN, &read) {
                return answer;
            }
        }
        panic!("no answer came");
    }

    fn receive<T>(&self, deadline: Instant, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let mut buffer = [0; 2048];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            match self.socket.recv(&mut buffer) {
                Ok(octets) => {
                    let found = buffer.get(..octets).and_then(&read);
                    if found.is_some() {
                        return found;
                    }
                }
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}");
                    let timeout = PollTimeout::try_from(left).expect("short");
                    let mut watched = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
                    poll(&mut watched, timeout).expect("polled");
                }
            }
        }
    }
}

/// What the anchor says, if the packet is from it and sound.
fn message(packet: &[u8]) -> Option<Message<'_>> {
    let parsed = MobilityPacket::parse(packet).ok()?;
    if parsed.source != ANCHOR || !parsed.checksum_is_valid() {
        return None;
    }
    let header = MobilityHeader::parse(parsed.mh).ok()?;
    header.message(&CodePoints::default()).ok()
}
