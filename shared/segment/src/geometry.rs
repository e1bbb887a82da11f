//! How much a segment holds.

use crate::error::SegmentError;

/// The sizes of a segment's tables, fixed when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Forwarding workers: 1 to 256.
    pub workers: u32,
    /// Home addresses that can be bound at once. No insertion fails below this number. Their table grows with them: what it has
    /// not grown to is address space only, but for a segment in a file, which has all its memory from the beginning.
    pub home_addresses: u32,
    /// Handoffs that can happen while the slowest worker goes through two batches: a new tunnel is a template until then. What
    /// bindings with limits or flow rules need comes on top of it.
    pub templates: u32,
    /// Next hops (neighbours) known at once.
    pub next_hops: u32,
    /// Prefixes in the route table.
    pub routes: u32,
    /// Home addresses that can have flow rules or several care-of addresses at once: 4 KiB each, and the templates that
    /// their care-of addresses need.
    pub flow_sets: u32,
    /// Exact flows with a rule at once, of all home addresses together: less than 100 octets each. No insertion of one fails below
    /// this number. Their table grows with them, as that of the home addresses does.
    pub flows: u32,
    /// Bindings that can be limited at once, in rate or while their care-of address is tested: 192 octets each, and two
    /// templates.
    pub meters: u32,
    /// Optimized routes of correspondents at once: 144 octets each.
    pub optimized_routes: u32,
    /// Packets in each punt and each inject ring, a power of two.
    pub ring_slots: u32,
}

impl Default for Geometry {
    fn default() -> Self {
        Self {
            workers: 1,
            home_addresses: 65_536,
            templates: 16_384,
            next_hops: 4_096,
            routes: 16_384,
            flow_sets: 1_024,
            flows: 65_536,
            meters: 0,
            optimized_routes: 1_024,
            ring_slots: 1_024,
        }
    }
}

impl Geometry {
    /// Checks every field against its limits.
    ///
    /// # Errors
    /// [`SegmentError::Geometry`] naming the first field at fault.
    pub fn validate(&self) -> Result<(), SegmentError> {
        let table = "expected 1 to 268435456";
        let within = |value: u32| (1..=1 << 28).contains(&value);
        check(
            "workers",
            self.workers,
            (1..=256).contains(&self.workers),
            "expected 1 to 256",
        )?;
        check(
            "home_addresses",
            self.home_addresses,
            within(self.home_addresses),
            table,
        )?;
        check("templates", self.templates, within(self.templates), table)?;
        check("next_hops", self.next_hops, within(self.next_hops), table)?;
        check("routes", self.routes, within(self.routes), table)?;
        check(
            "flow_sets",
            self.flow_sets,
            self.flow_sets <= 1 << 20,
            "expected at most 1048576",
        )?;
        check(
            "flows",
            self.flows,
            self.flows <= 1 << 28,
            "expected at most 268435456",
        )?;
        check(
            "meters",
            self.meters,
            self.meters <= 1 << 28,
            "expected at most 268435456",
        )?;
        check(
            "optimized_routes",
            self.optimized_routes,
            self.optimized_routes <= 1 << 28,
            "expected at most 268435456",
        )?;
        check(
            "ring_slots",
            self.ring_slots,
            self.ring_slots.is_power_of_two() && self.ring_slots <= 1 << 16,
            "expected a power of two up to 65536",
        )
    }
}

fn check(
    field: &'static str,
    value: u32,
    holds: bool,
    expected: &'static str,
) -> Result<(), SegmentError> {
    if holds {
        return Ok(());
    }
    Err(SegmentError::Geometry {
        field,
        value: u64::from(value),
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        Geometry::default().validate().unwrap();
    }

    #[test]
    fn each_field_is_refused_by_name() {
        let good = Geometry::default();
        let cases = [
            ("workers", Geometry { workers: 0, ..good }),
            (
                "workers",
                Geometry {
                    workers: 257,
                    ..good
                },
            ),
            (
                "home_addresses",
                Geometry {
                    home_addresses: 0,
                    ..good
                },
            ),
            (
                "templates",
                Geometry {
                    templates: 0,
                    ..good
                },
            ),
            (
                "templates",
                Geometry {
                    templates: u32::MAX,
                    ..good
                },
            ),
            (
                "next_hops",
                Geometry {
                    next_hops: 0,
                    ..good
                },
            ),
            ("routes", Geometry { routes: 0, ..good }),
            (
                "flow_sets",
                Geometry {
                    flow_sets: u32::MAX,
                    ..good
                },
            ),
            (
                "optimized_routes",
                Geometry {
                    optimized_routes: u32::MAX,
                    ..good
                },
            ),
            (
                "flows",
                Geometry {
                    flows: u32::MAX,
                    ..good
                },
            ),
            (
                "ring_slots",
                Geometry {
                    ring_slots: 1000,
                    ..good
                },
            ),
        ];
        for (name, geometry) in cases {
            match geometry.validate() {
                Err(SegmentError::Geometry { field, .. }) => assert_eq!(field, name),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}
