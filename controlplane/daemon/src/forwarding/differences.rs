//! What differs between two plans' routes

use std::cmp::Ordering;

use ipnet::Ipv6Net;

use crate::mirror::PlannedRoute;

/// The prefixes whose routes differ between two lists, each ordered by prefix and with each prefix once, as a plan has them;
/// with the route that the new list has.
pub(super) fn differences(
    old: impl Iterator<Item = PlannedRoute>,
    new: impl Iterator<Item = PlannedRoute>,
) -> Vec<(Ipv6Net, Option<PlannedRoute>)> {
    let mut found = Vec::new();
    let (mut old, mut new) = (old.peekable(), new.peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(before), Some(now)) => before.prefix.cmp(&now.prefix),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return found,
        };
        let before = old.next_if(|_| order.is_le());
        let now = new.next_if(|_| order.is_ge());
        if before != now {
            let either = before.or(now);
            found.extend(either.map(|route| (route.prefix, now)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;
    use crate::mirror::PlannedAction;

    /// Routes of a few nested prefixes, so that two lists have many in common.
    fn routes() -> impl Strategy<Value = Vec<PlannedRoute>> {
        let prefix =
            (0_u128..8, prop_oneof![Just(0), Just(32), Just(35)]).prop_map(|(bits, len)| {
                let address = (0x2001_0db8 << 96) | (bits << 93);
                Ipv6Net::new_assert(address.into(), len).trunc()
            });
        let action = (0_u16..3).prop_map(|port| PlannedAction::Connected { port });
        btree_map(prefix, (action, 1280_u16..1282), 0..12).prop_map(|routes| {
            let routes = routes.into_iter();
            routes
                .map(|(prefix, (action, mtu))| PlannedRoute {
                    prefix,
                    action,
                    mtu,
                })
                .collect()
        })
    }

    proptest! {
        /// Applied to the old routes they give the new ones, and none of them is idle.
        #[test]
        fn they_lead_from_the_old_to_the_new(old in routes(), new in routes()) {
            let by_prefix = |routes: &[PlannedRoute]| -> BTreeMap<Ipv6Net, PlannedRoute> {
                routes.iter().map(|route| (route.prefix, *route)).collect()
            };
            let mut table = by_prefix(&old);
            for (prefix, route) in differences(old.iter().copied(), new.iter().copied()) {
                let before = table.clone();
                match route {
                    Some(route) => table.insert(prefix, route),
                    None => table.remove(&prefix),
                };
                prop_assert_ne!(&table, &before);
            }
            prop_assert_eq!(table, by_prefix(&new));
        }
    }
}
