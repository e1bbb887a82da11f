//! The anchor as a correspondent node of mobile nodes whose home is elsewhere (RFC 6275 §5.2, §9.4, §9.5), for itself and on
//! behalf of the hosts behind it: what is said to one of those is answered in its name.
//!
//! Nothing is remembered of who asks for tokens: "the correspondent node does not need to remember anything" (§5.2.5) until an
//! update proves that its sender has received both.

mod acknowledge;
mod cache;
mod lifecycle;
mod nonces;
mod update;

use core::net::Ipv6Addr;

pub(crate) use cache::CorrespondentCache;
pub use cache::RouteEnds;
use dhp_wire::ipv6::is_unicast_routable;
use dhp_wire::mobility::Builder;
use dhp_wire::packet::compose;
pub(crate) use nonces::Nonces;

use super::Anchor;
use super::counters::MessageKind;
use super::drop_reason::SignallingDrop;
use super::receive::Received;
use crate::return_routability::TokenKind;
use crate::time::Now;

/// What becomes of a correspondent's binding: what the correspondent sends to the home address goes to the care-of address
/// directly, with a type 2 routing header, and comes from there with a Home Address option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteOptimization {
    /// The mobile node is there.
    Begins {
        /// Its home address, and whose packets these are.
        ends: RouteEnds,
        /// Its care-of address.
        care_of: Ipv6Addr,
        /// When the binding ends by itself, in nanoseconds of [`Now::mono_ns`].
        expires_ns: u64,
    },
    /// It is to be reached by its home address again.
    Ends {
        /// Its home address, and whose packets these were.
        ends: RouteEnds,
    },
    /// The binding ends soon. If packets have gone to the care-of address since it began, say so by
    /// [`super::AnchorCommand::NoteUse`]: then the mobile node is asked to refresh it.
    IsUsed {
        /// Which one.
        ends: RouteEnds,
    },
}

impl Anchor {
    /// Whether this anchor speaks for a correspondent of this address.
    pub(crate) fn is_correspondent(&self, address: &Ipv6Addr) -> bool {
        self.config.is_correspondent && (*address == self.config.address || self.acts_for(address))
    }

    /// Whether this is one of the hosts that the anchor acts for.
    pub(crate) fn acts_for(&self, address: &Ipv6Addr) -> bool {
        let mut behind = self.config.correspondents_behind.iter();
        self.config.is_correspondent && behind.any(|prefix| prefix.contains(address))
    }

    /// Answers a Home Test Init (RFC 6275 §9.4.1) or a Care-of Test Init (§9.4.2), as §9.4.3 and §9.4.4 have it: "the
    /// destination … is the Source Address of the packet" it answers.
    pub(crate) fn test_init(
        &mut self,
        now: Now,
        received: &Received<'_>,
        purpose: TokenKind,
        cookie: [u8; 8],
    ) -> Result<(), SignallingDrop> {
        // RFC 6275 §8.2: "the node … MUST allow route optimization to be administratively enabled or disabled."
        if !self.config.is_correspondent {
            return Err(SignallingDrop::RouteOptimizationOff);
        }
        // RFC 6275 §9.4.1: "The Home Test Init message MUST NOT include a Home Address destination option." "Any packet
        // carrying a … message which fails to satisfy this test MUST be silently ignored."
        if received.home_address.is_some() {
            return Err(SignallingDrop::HomeAddressOption);
        }
        let source = &received.source;
        if !is_unicast_routable(source) {
            return Err(SignallingDrop::BadSource);
        }
        let (index, token) = self.nonces.token(now, source, purpose);
        let (kind, builder) = match purpose {
            TokenKind::Home => (
                MessageKind::HomeTest,
                Builder::home_test(index, cookie, token.octets()),
            ),
            TokenKind::CareOf => (
                MessageKind::CareOfTest,
                Builder::care_of_test(index, cookie, token.octets()),
            ),
        };
        let own = &received.destination;
        let packet = compose(own, source, None, None, &builder.finish(own, source));
        self.transmit(kind, 0, packet, received.unproved());
        Ok(())
    }
}
