//! The bindings of a batch, looked up together

use arrayvec::ArrayVec;
use dhp_segment::{AddressWords, HomeCandidate, HomeEntry, HomePlace, Reader};

use crate::BATCH_SIZE;

/// A tunnelled packet from one mobile node here to another needs two bindings, any other one or none.
const KEYS: usize = 2 * BATCH_SIZE;

/// Names a home address of the current batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u16);

const _: () = assert!(KEYS <= 1 << 16);

/// The home addresses that a batch asks about, and the answers. Each is on its way from memory while the others are asked for.
#[derive(Debug)]
pub(crate) struct Lookup {
    keys: ArrayVec<(AddressWords, HomePlace), KEYS>,
    candidates: [Option<HomeCandidate>; KEYS],
    entries: [Option<HomeEntry>; KEYS],
    /// Some of the bindings have flow rules or several care-of addresses.
    has_flows: bool,
}

impl Lookup {
    pub(crate) const fn new() -> Self {
        Self {
            keys: ArrayVec::new_const(),
            candidates: [None; KEYS],
            entries: [None; KEYS],
            has_flows: false,
        }
    }

    /// Forget the batch before.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.has_flows = false;
    }

    /// Ask for the binding of `home_address`. There is room for two such calls per packet of a batch; beyond, there is no
    /// key and so no binding.
    #[inline]
    pub(crate) fn ask(&mut self, home_address: &[u8; 16], reader: &Reader) -> Option<Key> {
        let key = u16::try_from(self.keys.len()).ok().map(Key)?;
        let home_address = AddressWords::from(*home_address);
        let place = reader.expect_home(home_address);
        self.keys.try_push((home_address, place)).ok().map(|()| key)
    }

    /// Look up all that was asked for.
    #[inline]
    pub(crate) fn resolve(&mut self, reader: &Reader) {
        let expected = self.keys.iter().zip(&mut self.candidates);
        for ((_, place), candidate) in expected {
            *candidate = Some(reader.expect_binding(*place));
        }
        let found = self
            .keys
            .iter()
            .zip(&self.candidates)
            .zip(&mut self.entries);
        for (((key, _), candidate), entry) in found {
            *entry = candidate.and_then(|candidate| reader.find_home(*key, candidate));
            if let Some(flows) = entry.and_then(|entry| entry.flows()) {
                reader.expect_flow_set(flows);
                self.has_flows = true;
            }
        }
    }

    /// Whether any of the bindings that [`resolve`](Self::resolve) found has a flow set.
    #[inline]
    pub(crate) fn has_flows(&self) -> bool {
        self.has_flows
    }

    /// The binding that [`resolve`](Self::resolve) found.
    #[inline]
    pub(crate) fn entry(&self, key: Option<Key>) -> Option<HomeEntry> {
        self.entries.get(usize::from(key?.0)).copied().flatten()
    }
}
