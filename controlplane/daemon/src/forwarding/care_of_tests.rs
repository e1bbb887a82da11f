//! Care-of addresses under test on their way into the segment (DMIPv6 profile 1, section 6.4)

use std::net::Ipv6Addr;

use dhp_proto::anchor::{PoolKind, UnderTest};
use dhp_segment::{CareOfTest, SegmentError, TestedCareOf, Tunnel};

use super::{Forwarding, TunnelPath};

/// The test of a care-of address, as it is in the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestPath {
    /// Where goes what exceeds the credit; `None`: nowhere.
    pub tested: Option<TunnelPath>,
    /// The number of the next hop in the segment.
    next_hop: u32,
}

impl TestPath {
    /// The care-of address that gets what exceeds the credit.
    pub(super) fn instead(&self) -> Option<Ipv6Addr> {
        self.tested.map(|path| path.care_of)
    }

    /// As the anchor has told of it.
    pub(super) fn told(&self) -> UnderTest {
        UnderTest {
            tested: self.instead(),
        }
    }

    /// As the segment wants it.
    pub(super) fn in_segment(&self) -> CareOfTest {
        CareOfTest {
            tested: self.tested.map(|path| TestedCareOf {
                care_of: path.care_of,
                next_hop: self.next_hop,
                mtu: path.mtu,
            }),
        }
    }
}

impl Forwarding {
    /// Account for what mobile nodes send from DHoAs to come, so that it is known when a test begins: "in the last 8 s". Home
    /// addresses are bound by classic updates, which are exempt.
    pub fn meter_dhoas(&mut self, are_metered: bool) {
        self.are_dhoas_metered = are_metered;
    }

    /// The tunnel of a binding to its default care-of address.
    pub(super) fn default_tunnel(
        &self,
        kind: PoolKind,
        path: TunnelPath,
        next_hop: u32,
        previous: Option<(Ipv6Addr, u64)>,
        test: Option<&TestPath>,
    ) -> Tunnel {
        Tunnel {
            anchor: self.anchor,
            care_of: path.care_of,
            next_hop,
            mtu: path.mtu,
            previous,
            metered: self.are_dhoas_metered && kind == PoolKind::Dhoa,
            rate_cap: self.limits.rate_cap,
            test: test.map(TestPath::in_segment),
        }
    }

    /// The tunnel of a binding to its default care-of address goes another way, or what exceeds its credit does.
    pub(super) fn retarget_default(
        &mut self,
        home_address: Ipv6Addr,
        next_hop: u32,
        mtu: u16,
        test: Option<&TestPath>,
    ) -> Result<(), SegmentError> {
        let (Some(test), Some(template)) = (test, self.writer.binding(home_address)) else {
            self.writer.retarget(home_address, next_hop, mtu)?;
            return Ok(());
        };
        let tunnel = Tunnel {
            next_hop,
            mtu,
            test: Some(test.in_segment()),
            ..template.tunnel()
        };
        self.writer.publish_binding(home_address, &tunnel)
    }

    /// A test by the way that leads to the tested care-of address now.
    pub(super) fn test_path(&self, home_address: Ipv6Addr, test: UnderTest) -> TestPath {
        let tested = test
            .tested
            .map(|care_of| self.path_to(home_address, care_of));
        TestPath {
            tested,
            next_hop: self.next_hops.id(tested.and_then(|path| path.next_hop)),
        }
    }
}
