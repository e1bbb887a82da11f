//! Whose a packet for the control plane seems to be
//!
//! DMIPv6 profile 1, section 6.5: "Type 5 and classic updates whose source and address match a binding go into the priority
//! queue; the hint grants nothing else." An update that names a bound home address from elsewhere is what a handoff looks like. No
//! more than the fixed part of a message and its first options is read for that.

use dhp_segment::PuntClass;
use dhp_wire::codepoints::next_header;
use dhp_wire::extension::HeaderChain;
use dhp_wire::ipv6::Ipv6View;
use dhp_wire::mobility::{is_binding_update, named_dhoas};

use crate::Port;
use crate::local::is_partial;
use crate::origin::Origin;
use crate::path::Path;
use crate::punt_limits::Sender;

/// DHoAs of one message that are looked up: a mobile node that has lost the first ones is still told from a stranger.
const LOOKED_UP: usize = 4;

impl<P: Port> Path<P> {
    /// Whose a packet with these headers is, as far as can be seen.
    pub(crate) fn sender_of(
        &self,
        view: &Ipv6View<'_>,
        chain: &HeaderChain,
        origin: Origin,
    ) -> Sender {
        let source = *view.source_octets();
        if let Some((class, home)) = self.named_home(view, chain, origin) {
            return Sender {
                source,
                class,
                home,
            };
        }
        let class = match self.reader.is_care_of(&source) {
            true => PuntClass::Known,
            false => PuntClass::Stranger,
        };
        Sender {
            source,
            class,
            home: source,
        }
    }

    /// The bound home address that a packet is about, and whether it comes from where that is bound.
    fn named_home(
        &self,
        view: &Ipv6View<'_>,
        chain: &HeaderChain,
        origin: Origin,
    ) -> Option<(PuntClass, [u8; 16])> {
        let source = view.source_octets();
        if is_partial(chain) {
            return None;
        }
        // What was in a tunnel has been found to come from the care-of address of its source, and nothing else that a port receives
        // has a home address for its source.
        if matches!(origin, Origin::Opened(_)) && self.reader.lookup_home(source).is_some() {
            return Some((PuntClass::Bound, *source));
        }
        let home_address = chain.home_address.map(|(address, _)| address.octets());
        if chain.upper_protocol != next_header::MOBILITY {
            let class = self.class_of(view, &home_address?)?;
            return (class == PuntClass::Bound).then_some((class, home_address?));
        }
        let mh = view.packet().get(chain.upper_offset..)?;
        if is_binding_update(mh) {
            // Without the option the home address is the source (RFC 6275 §10.3.1): the mobile node is at home.
            let home = home_address.unwrap_or(*source);
            return Some((self.class_of(view, &home)?, home));
        }
        named_dhoas(mh, &self.code_points)
            .take(LOOKED_UP)
            .find_map(|dhoa| {
                let home = dhoa.octets();
                Some((self.class_of(view, &home)?, home))
            })
    }

    /// The class of an update of a home address; `None`: it is not bound here.
    fn class_of(&self, view: &Ipv6View<'_>, home_address: &[u8; 16]) -> Option<PuntClass> {
        let source = view.source_octets();
        let is_from_there = match self.reader.lookup_home(home_address) {
            Some(home) => self.template_from(home, source).is_some(),
            // Bound elsewhere, and to this box as a correspondent.
            None => self
                .reader
                .find_optimized(view.destination_octets(), home_address)?
                .route
                .accepts_source(source, self.now_ns),
        };
        Some(match is_from_there {
            true => PuntClass::Bound,
            false => PuntClass::Handoff,
        })
    }
}
