//! Binding Errors (RFC 6275 §9.3.3) and ICMPv6 errors, both limited in rate.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::binding_error_status;
use dhp_wire::extension;
use dhp_wire::icmpv6::{IcmpError, may_answer, write_error};
use dhp_wire::ipv6::{Ipv6View, MIN_MTU, is_unicast_routable};
use dhp_wire::mobility::Builder;
use dhp_wire::packet::compose;

use super::Anchor;
use super::counters::MessageKind;
use super::drop_reason::SignallingDrop;
use super::reply::Proof;
use crate::time::Now;

/// The addresses of a packet that a Binding Error answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offence {
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
}

impl Anchor {
    /// RFC 6275 §9.3.3: "A Binding Error message is sent directly to the address that appeared in the IPv6 Source
    /// Address field of the offending packet."
    pub(crate) fn binding_error(
        &mut self,
        now: Now,
        Offence {
            source,
            destination,
        }: Offence,
        home_address: Ipv6Addr,
        status: u8,
        proof: Proof,
    ) {
        // "Binding Error messages SHOULD be subject to rate limiting in the same manner as is done for ICMPv6"
        if !self.binding_errors.take(now.mono_ns) {
            self.counters.count_dropped(SignallingDrop::RateLimited);
            return;
        }
        let own = match self.acts_for(&destination) {
            true => destination,
            false => self.config.address,
        };
        let mh = Builder::binding_error(status, &home_address).finish(&own, &source);
        let packet = compose(&own, &source, None, None, &mh);
        self.transmit(MessageKind::BindingError, status, packet, proof);
    }

    /// RFC 6275 §9.3.1: "If the packet is dropped due to the above tests, the correspondent node MUST send the Binding Error
    /// message … The Status field in this message should be set to 1 (unknown binding for Home Address destination option)."
    pub(crate) fn receive_unbound(
        &mut self,
        now: Now,
        buffer: &[u8],
    ) -> Result<(), SignallingDrop> {
        let view = Ipv6View::new(buffer).map_err(|_| SignallingDrop::NotMobility)?;
        self.check_addresses(view.source(), view.destination())?;
        let packet = view.packet();
        let chain = extension::walk(packet).map_err(|_| SignallingDrop::NotMobility)?;
        let (home_address, _) = chain.home_address.ok_or(SignallingDrop::NotMobility)?;
        // "Packets containing a Home Address option MUST be dropped if the given home address is not a unicast routable
        // address", and nobody is told of it.
        if !is_unicast_routable(&home_address) {
            return Err(SignallingDrop::HomeAddressNotRoutable);
        }
        let proof = Proof::None {
            request_len: packet.len(),
        };
        let status = binding_error_status::UNKNOWN_BINDING;
        let offence = Offence {
            source: view.source(),
            destination: view.destination(),
        };
        self.binding_error(now, offence, home_address, status, proof);
        Ok(())
    }

    /// Tells the source that there is an octet which cannot be processed, "directly to the Source Address of the
    /// packet" (RFC 6275 §9.2).
    pub(crate) fn parameter_problem(&mut self, now: Now, packet: &[u8], code: u8, pointer: u32) {
        let error = IcmpError::ParameterProblem { code, pointer };
        if let Some(out) = self.icmp_error(now, packet, error) {
            let proof = Proof::None {
                request_len: packet.len(),
            };
            self.transmit(MessageKind::ParameterProblem, code, out, proof);
        }
    }

    /// An ICMPv6 error about a packet, to its source, limited in rate (RFC 4443 §2.4(f)); `None` where there may be none.
    pub(crate) fn icmp_error(
        &mut self,
        now: Now,
        packet: &[u8],
        error: IcmpError,
    ) -> Option<Vec<u8>> {
        let view = Ipv6View::new(packet).ok()?;
        if !may_answer(packet, error) {
            return None;
        }
        if !self.icmp_errors.take(now.mono_ns) {
            self.counters.count_dropped(SignallingDrop::RateLimited);
            return None;
        }
        let mut out = vec![0; MIN_MTU];
        let own = &self.config.address;
        let len = write_error(&mut out, own, &view.source(), error, packet)?;
        out.truncate(len);
        Some(out)
    }
}
