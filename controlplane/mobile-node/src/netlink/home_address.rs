//! Home addresses: on the tunnel interface, and on an access interface while the node is at home.

use std::net::{IpAddr, Ipv6Addr};

use netlink_packet_route::address::{AddressAttribute, AddressFlags};
use rtnetlink::AddressMessageBuilder;

use super::{Netlink, ignore_missing, log};
use crate::plan::Plan;

/// Of a home address on any interface: none brings a route. That tells one on an access interface from an administrator's.
pub(super) const HOME_PREFIX_LEN: u8 = 128;

impl Netlink {
    /// Adds the addresses that `new` has and `old` has not.
    pub(super) async fn add_addresses(&self, tunnel: u32, old: &mut Plan, new: &Plan) {
        for address in new.addresses.difference(&old.addresses.clone()) {
            // There is nobody on the tunnel interface who could have the same address.
            let added = self.add_home_address(tunnel, *address, AddressFlags::Nodad);
            if log(added.await, "add a home address") {
                old.addresses.insert(*address);
            }
        }
        for ((index, address), detect_duplicates) in &new.at_home {
            if old.at_home.contains_key(&(*index, *address)) {
                continue;
            }
            let flags = match detect_duplicates {
                // Where the interface is not optimistic, the kernel takes it for none.
                true => AddressFlags::Optimistic,
                // RFC 6275 §11.5.5: "the mobile node MUST NOT perform Duplicate Address Detection on its own home address".
                false => AddressFlags::Nodad,
            };
            let added = self.add_home_address(*index, *address, flags).await;
            if log(added, "add the home address to its link") {
                old.at_home.insert((*index, *address), *detect_duplicates);
            }
        }
    }

    /// Removes the addresses that `old` has and `new` has not.
    pub(super) async fn remove_addresses(&self, tunnel: u32, old: &mut Plan, new: &Plan) {
        let gone: Vec<Ipv6Addr> = old.addresses.difference(&new.addresses).copied().collect();
        for address in gone {
            let removed = self.remove_home_address(tunnel, address).await;
            log(removed, "remove a home address");
            old.addresses.remove(&address);
        }
        let at_home = old.at_home.keys();
        let gone = at_home.filter(|place| !new.at_home.contains_key(place));
        for (index, address) in gone.copied().collect::<Vec<_>>() {
            let removed = self.remove_home_address(index, address).await;
            log(removed, "remove the home address from its link");
            old.at_home.remove(&(index, address));
        }
    }

    async fn add_home_address(
        &self,
        index: u32,
        address: Ipv6Addr,
        flags: AddressFlags,
    ) -> Result<(), rtnetlink::Error> {
        let mut add = self
            .handle
            .address()
            .add(index, IpAddr::V6(address), HOME_PREFIX_LEN)
            .replace();
        let flags = flags | AddressFlags::Noprefixroute;
        add.message_mut()
            .attributes
            .push(AddressAttribute::Flags(flags));
        add.execute().await
    }

    pub(super) async fn remove_home_address(
        &self,
        index: u32,
        address: Ipv6Addr,
    ) -> Result<(), rtnetlink::Error> {
        let message = AddressMessageBuilder::<Ipv6Addr>::new()
            .index(index)
            .address(address, HOME_PREFIX_LEN)
            .build();
        ignore_missing(self.handle.address().del(message).execute().await)
    }
}
