//! Further care-of addresses and flow rules of a home address on their way into the segment

use std::net::Ipv6Addr;

use dhp_proto::anchor::{SteeredCareOf, SteeringRule};
use dhp_segment::{FlowRange, FlowRule, FlowSelector, SegmentError, Tunnel};
use dhp_wire::mobility::{SelectorRange, TrafficSelector};

use super::{Forwarding, ForwardingError, PREVIOUS_CARE_OF_NS, TestPath, TunnelPath};

/// How long a care-of address may be under test (DMIPv6 profile 1, section 6.4).
const CARE_OF_TEST_NS: u64 = 10_000_000_000;

/// A care-of address with a Binding Identification number, as it is in the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FurtherCareOf {
    /// BID.
    pub bid: u16,
    /// Where its packets go.
    pub path: TunnelPath,
    /// The number of the next hop in the segment.
    pub(super) next_hop: u32,
    /// Where it was until a moment ago, and until when that is good.
    pub(super) previous: Option<(Ipv6Addr, u64)>,
    /// Its test.
    pub test: Option<TestPath>,
}

impl Forwarding {
    /// The home address has these care-of addresses and rules now.
    pub(super) fn steer(
        &mut self,
        home_address: Ipv6Addr,
        care_ofs: &[SteeredCareOf],
        rules: &[SteeringRule],
        now_ns: u64,
    ) -> Result<(), ForwardingError> {
        let further: Vec<FurtherCareOf> = care_ofs
            .iter()
            .map(|care_of| self.further(home_address, *care_of, now_ns))
            .collect();
        let tunnels: Vec<(u16, Tunnel)> = further
            .iter()
            .map(|further| (further.bid, self.further_tunnel(home_address, further)))
            .collect();
        let rules: Vec<FlowRule> = rules.iter().map(flow_rule).collect();
        if !self.writer.publish_flows(home_address, &tunnels, &rules)? {
            // The binding itself found no room, which was told.
            return Ok(());
        }
        self.bound.change(home_address, |bound| {
            bound.further = further.into_boxed_slice();
        });
        Ok(())
    }

    /// One of its care-of addresses is another now, or its test is.
    pub(super) fn move_care_of(
        &mut self,
        home_address: Ipv6Addr,
        moved: SteeredCareOf,
        now_ns: u64,
    ) -> Result<(), ForwardingError> {
        let moved = self.further(home_address, moved, now_ns);
        self.place_further(home_address, moved)?;
        Ok(())
    }

    /// A care-of address by the way that leads there now.
    fn further(
        &self,
        home_address: Ipv6Addr,
        SteeredCareOf { bid, care_of, test }: SteeredCareOf,
        now_ns: u64,
    ) -> FurtherCareOf {
        let path = self.path_to(home_address, care_of);
        let bound = self.bound.get(home_address);
        let before = bound.and_then(|bound| bound.further.iter().find(|known| known.bid == bid));
        let until_ns = now_ns.saturating_add(PREVIOUS_CARE_OF_NS);
        let tested = test.and_then(|test| test.tested);
        let previous = match before {
            Some(before) if before.path.care_of != care_of => {
                // Of two handoffs during a test the first one's was never in force.
                let earlier = before.test.and(before.previous).map(|(left, _)| left);
                let earlier = earlier.filter(|left| tested == Some(*left));
                let left = earlier.unwrap_or(before.path.care_of);
                // While it is tested, the one before is good, if that had passed.
                let until_ns = match tested == Some(left) {
                    true => until_ns.saturating_add(CARE_OF_TEST_NS),
                    false => until_ns,
                };
                (left != care_of).then_some((left, until_ns))
            }
            Some(before) if before.test.is_some() && test.is_none() => {
                let previous = before.previous;
                previous.map(|(left, good_ns)| (left, good_ns.min(until_ns)))
            }
            Some(before) => before.previous,
            None => None,
        };
        FurtherCareOf {
            bid,
            path,
            next_hop: self.next_hops.id(path.next_hop),
            previous,
            test: test.map(|test| self.test_path(home_address, test)),
        }
    }

    fn further_tunnel(&self, home_address: Ipv6Addr, further: &FurtherCareOf) -> Tunnel {
        // What limits the binding was decided when it was made.
        let default = self.writer.binding(home_address);
        Tunnel {
            anchor: self.anchor,
            care_of: further.path.care_of,
            next_hop: further.next_hop,
            mtu: further.path.mtu,
            previous: further.previous,
            metered: false,
            rate_cap: default.and_then(|template| template.tunnel().rate_cap),
            test: further.test.as_ref().map(TestPath::in_segment),
        }
    }

    /// By one store, whatever rules name it.
    fn place_further(
        &mut self,
        home_address: Ipv6Addr,
        further: FurtherCareOf,
    ) -> Result<(), SegmentError> {
        let tunnel = self.further_tunnel(home_address, &further);
        if !self
            .writer
            .set_care_of(home_address, further.bid, Some(&tunnel))?
        {
            // Nor had it found room before.
            return Ok(());
        }
        self.bound.change(home_address, |bound| {
            let mut known = bound.further.iter_mut();
            if let Some(known) = known.find(|known| known.bid == further.bid) {
                *known = further;
            }
        });
        Ok(())
    }

    /// Move those of a binding's further tunnels whose way has changed.
    pub(super) fn retarget_further(&mut self, home_address: Ipv6Addr) -> Result<(), SegmentError> {
        let further = self.bound.get(home_address).map(|bound| &bound.further);
        for known in further.cloned().unwrap_or_default() {
            let path = self.path_to(home_address, known.path.care_of);
            let next_hop = self.next_hops.id(path.next_hop);
            let test = known
                .test
                .map(|test| self.test_path(home_address, test.told()));
            if (path, next_hop, test) != (known.path, known.next_hop, known.test) {
                let moved = FurtherCareOf {
                    path,
                    next_hop,
                    test,
                    ..known
                };
                self.place_further(home_address, moved)?;
            }
        }
        Ok(())
    }
}

fn flow_rule(rule: &SteeringRule) -> FlowRule {
    FlowRule {
        selector: flow_selector(&rule.selector),
        bids: rule.bids.clone(),
        discard: false,
    }
}

/// Whether a rule is for exactly one flow to a home address: the workers have a table of these.
pub fn is_exact(selector: &TrafficSelector, home_address: Ipv6Addr) -> bool {
    flow_selector(selector).exact(home_address).is_some()
}

fn flow_selector(selector: &TrafficSelector) -> FlowSelector {
    FlowSelector {
        source: selector.source.map(range),
        destination: selector.destination.map(range),
        spi: selector.spi.map(range),
        flow_label: selector.flow_label.map(range),
        source_port: selector.source_port.map(range),
        destination_port: selector.destination_port.map(range),
        dscp: selector.dscp.map(range),
        next_header: selector.next_header.map(range),
    }
}

/// RFC 6088 §3.2: without an end the field has one value.
fn range<T: Copy>(SelectorRange { start, end }: SelectorRange<T>) -> FlowRange<T> {
    FlowRange {
        first: start,
        last: end.unwrap_or(start),
    }
}
