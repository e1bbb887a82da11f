//! Who has had which address, by what the anchor shows: no address has two owners, and none gets a new one too early

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use dhp_proto::security_association::MnId;

use crate::site::QUARANTINE_NS;
use crate::world::{Difference, ensure};

#[derive(Debug)]
struct Entry {
    owner: MnId,
    /// When it was last seen bound.
    seen_ns: u64,
}

/// The last owner of every address.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<Ipv6Addr, Entry>,
}

impl Ledger {
    /// An address is bound for this mobile node.
    ///
    /// # Errors
    /// Another one had it less than a quarantine ago.
    pub fn enter(
        &mut self,
        address: Ipv6Addr,
        owner: &MnId,
        now_ns: u64,
    ) -> Result<(), Difference> {
        if let Some(last) = self.entries.get(&address) {
            let is_free = last.owner == *owner || now_ns >= last.seen_ns + QUARANTINE_NS;
            ensure(is_free, || {
                format!(
                    "{address} has gone from {} to {owner} too early",
                    last.owner
                )
            })?;
        }
        let entry = Entry {
            owner: owner.clone(),
            seen_ns: now_ns,
        };
        self.entries.insert(address, entry);
        Ok(())
    }

    /// Every address that was ever bound.
    pub fn addresses(&self) -> impl Iterator<Item = &Ipv6Addr> {
        self.entries.keys()
    }

    /// The anchor has lost its state.
    pub fn forget(&mut self) {
        self.entries.clear();
    }
}
