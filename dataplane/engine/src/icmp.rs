//! ICMPv6 errors, at a limited rate

use dhp_segment::{Counter, DropReason};
use dhp_wire::icmpv6::{IcmpError, may_answer, write_error};
use dhp_wire::ipv6::{Ipv6View, MIN_MTU};

use crate::network_limits::NetworkLimits;
use crate::origin::Origin;
use crate::path::Path;
use crate::token_bucket::TokenBucket;
use crate::{PacketBuf, Port};

/// ICMPv6 errors per second that a worker sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorRates {
    /// Of one cause, to all together.
    pub per_cause: u32,
    /// To one /64, of all causes.
    pub per_network: u32,
}

impl Default for ErrorRates {
    fn default() -> Self {
        Self {
            per_cause: 1_000,
            per_network: 200,
        }
    }
}

/// One bucket per cause, so that a flood of one kind does not silence the others, and one per network, so that one sender
/// does not silence what others have to be told.
#[derive(Debug)]
pub(crate) struct ErrorLimits {
    unreachable: TokenBucket,
    too_big: TokenBucket,
    time_exceeded: TokenBucket,
    parameter_problem: TokenBucket,
    /// To one /64, whatever the cause.
    networks: NetworkLimits<[u8; 8]>,
}

impl ErrorLimits {
    pub(crate) fn new(rates: &ErrorRates) -> Self {
        let full = TokenBucket::new(rates.per_cause);
        Self {
            unreachable: full,
            too_big: full,
            time_exceeded: full,
            parameter_problem: full,
            networks: NetworkLimits::new(rates.per_network),
        }
    }

    fn permit(&mut self, error: IcmpError, to: &[u8; 16], now_ns: u64) -> bool {
        let [p0, p1, p2, p3, p4, p5, p6, p7, ..] = *to;
        if !self.networks.take([p0, p1, p2, p3, p4, p5, p6, p7], now_ns) {
            return false;
        }
        let bucket = match error {
            IcmpError::DestinationUnreachable { .. } => &mut self.unreachable,
            IcmpError::PacketTooBig { .. } => &mut self.too_big,
            IcmpError::TimeExceeded | IcmpError::ReassemblyTimeExceeded => &mut self.time_exceeded,
            IcmpError::ParameterProblem { .. } => &mut self.parameter_problem,
        };
        bucket.take(now_ns)
    }
}

impl<P: Port> Path<P> {
    /// Tell the source of `offending` what is wrong with it, where RFC 4443 §2.4 and the rate allow. The packet itself is
    /// still to be ended.
    #[cold]
    pub(crate) fn answer(&mut self, offending: &[u8], error: IcmpError, origin: Origin) {
        if !origin.is_answered() || !may_answer(offending, error) {
            return;
        }
        if let Ok(view) = Ipv6View::new(offending) {
            self.send_error(*view.source_octets(), offending, error);
        }
    }

    /// Send an error about `offending`, which may be cut short, to its source, where the rate allows.
    pub(crate) fn send_error(&mut self, source: [u8; 16], offending: &[u8], error: IcmpError) {
        let Some(from) = self.error_source else {
            return;
        };
        if !self.error_limits.permit(error, &source, self.now_ns) {
            return self.reader.count_drop(DropReason::IcmpRateLimited);
        }
        self.reader.count(Counter::IcmpSent, 1);
        let Some(mut packet) = self.ports.first_mut().and_then(Port::alloc) else {
            return self.reader.count_drop(DropReason::NoBuffer);
        };
        let room = packet.capacity().min(MIN_MTU);
        let written = packet
            .set_len(room)
            .then(|| write_error(packet.bytes_mut(), &from, &source.into(), error, offending))
            .flatten();
        match written {
            Some(length) if packet.set_len(length) => {
                self.originate(packet, &source);
            }
            _ => self.discard(packet, DropReason::NoBuffer),
        }
    }
}
