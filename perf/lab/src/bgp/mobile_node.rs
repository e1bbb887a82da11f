//! A mobile node that does nothing but hand off: Binding Updates (RFC 6275 §6.1.7) from two care-of addresses in turns.

use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_wire::mobility::{BuFlags, Builder, Lifetime};
use dhp_wire::packet::compose;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, sendto, socket,
};

use super::network::{ANCHOR, CARE_OF, HOME};
use crate::namespace::Namespace;

/// Its identity, SPI and key, also for the appliance's configuration.
pub const MN_ID: &str = "mn1@example.net";
pub const SPI: u32 = 256;
pub const KEY: &str = "6c61622d6f6e6c792d7365637265742e";
const ALGORITHM: Algorithm = Algorithm::HmacSha1_96;
const LIFETIME: Lifetime = Lifetime(150);

/// The mobile node.
pub struct HandingOff {
    socket: OwnedFd,
    association: SecurityAssociation,
    sent: u64,
}

impl HandingOff {
    /// It sends from this namespace, where its care-of addresses are.
    pub fn in_namespace(namespace: &Namespace) -> Result<Self> {
        // ipv6(7): packets with all their headers, of any source.
        let open = || {
            socket(
                AddressFamily::Inet6,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::Raw,
            )
        };
        let key = (0..KEY.len() / 2)
            .map(|octet| u8::from_str_radix(KEY.get(octet * 2..octet * 2 + 2).unwrap_or(""), 16));
        let key = Key::new(key.collect::<Result<Vec<u8>, _>>()?);
        Ok(Self {
            socket: namespace
                .inside(open)?
                .context("cannot open a raw socket")?,
            association: SecurityAssociation::new(
                SPI,
                MnId::nai(MN_ID),
                key,
                ALGORITHM,
                Permissions::default(),
            )?,
            sent: 0,
        })
    }

    /// Binding Updates sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Moves to the other care-of address; the first time, binds.
    pub fn hand_off(&mut self) -> Result<()> {
        let (home, anchor): (Ipv6Addr, Ipv6Addr) = (HOME.parse()?, ANCHOR.parse()?);
        let [first, second] = CARE_OF;
        let care_of: Ipv6Addr = if self.sent.is_multiple_of(2) {
            first
        } else {
            second
        }
        .parse()?;
        let sequence = u16::try_from((self.sent + 1) % 0x1_0000)?;
        let mac = |octets: &[u8]| self.association.mac(&care_of, &home, octets);
        let mh = Builder::binding_update(sequence, BuFlags::ACKNOWLEDGE | BuFlags::HOME, LIFETIME)
            .auth(SPI, ALGORITHM.mac_len(), mac)
            .finish(&home, &anchor);
        let packet = compose(&care_of, &anchor, Some(&home), None, &mh);
        let to = SockaddrIn6::from(std::net::SocketAddrV6::new(anchor, 0, 0, 0));
        sendto(self.socket.as_raw_fd(), &packet, &to, MsgFlags::empty())
            .context("cannot send a Binding Update")?;
        self.sent += 1;
        Ok(())
    }
}
