//! Which addresses may be care-of addresses of bindings: a hint for whom to serve first.
//!
//! A counting filter with one hash: an octet for each of four places per binding. It forgets no care-of address, and takes one
//! stranger in five for one; who the strangers are depends on the segment's secret seed. An octet that has reached 255 stays
//! there, since by then it is not known how many it stands for.

use crate::hash::Hash;
use crate::layout::Region;
use crate::sync::{AtomicU64, Ordering};
use crate::view::{View, address_words};

/// Places for each binding.
pub(crate) const PLACES: usize = 4;
/// Places in a word.
pub(crate) const PER_WORD: usize = 8;

/// The filter of a view.
#[derive(Clone, Copy)]
pub(crate) struct CareOfFilter<'a>(pub(crate) &'a View);

impl<'a> CareOfFilter<'a> {
    /// The word of an address, and the shift of its octet there.
    #[inline(always)]
    fn place(self, address: &[u8; 16]) -> Option<(&'a AtomicU64, u32)> {
        let region: &Region = &self.0.layout.care_of_filter;
        let places = u32::try_from(region.count.saturating_mul(PER_WORD)).unwrap_or(u32::MAX);
        let place = Hash::new(&self.0.seed, address_words(address)).place(places);
        let [word] = self.0.slot::<1>(region, place / PER_WORD as u32)?;
        Some((word, place % PER_WORD as u32 * 8))
    }

    /// Whether `address` may be a care-of address.
    #[inline]
    pub(crate) fn holds(self, address: &[u8; 16]) -> bool {
        self.place(address)
            .is_some_and(|(word, shift)| word.load(Ordering::Relaxed) >> shift & 0xff != 0)
    }

    /// Counts one more binding with this care-of address. Writer only.
    pub(crate) fn add(self, address: &[u8; 16]) {
        self.change(address, |count| count.saturating_add(1));
    }

    /// Counts one less. Writer only.
    pub(crate) fn remove(self, address: &[u8; 16]) {
        self.change(address, |count| match count {
            u8::MAX => u8::MAX,
            count => count.saturating_sub(1),
        });
    }

    fn change(self, address: &[u8; 16], change: impl Fn(u8) -> u8) {
        if let Some((word, shift)) = self.place(address) {
            let old = word.load(Ordering::Relaxed);
            let count = u64::from(change((old >> shift) as u8));
            word.store(old & !(0xff << shift) | count << shift, Ordering::Relaxed);
        }
    }
}
