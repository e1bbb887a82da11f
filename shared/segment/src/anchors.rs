//! The outer source addresses of plain bindings, by number: most boxes have one, and no slot has room for it.
//!
//! An address is there before the first slot names it, and never changes then.

use crate::address_words::AddressWords;
use crate::layout::ANCHORS;
use crate::sync::{AtomicU64, Ordering};
use crate::view::View;

/// The table of a view.
#[derive(Clone, Copy)]
pub(crate) struct Anchors<'a>(pub(crate) &'a View);

impl<'a> Anchors<'a> {
    #[inline(always)]
    fn words(self, number: u8) -> Option<&'a [AtomicU64; 2]> {
        self.0.anchors().get(usize::from(number))
    }

    /// The address with this number.
    #[inline(always)]
    pub(crate) fn get(self, number: u8) -> Option<AddressWords> {
        let words = self.words(number)?;
        Some(AddressWords([
            words[0].load(Ordering::Relaxed),
            words[1].load(Ordering::Relaxed),
        ]))
    }

    /// The number of an address, which gets one if there is any left. Writer only.
    pub(crate) fn number(self, address: AddressWords) -> Option<u8> {
        let wanted = address.0;
        for number in 0..=u8::try_from(ANCHORS - 1).unwrap_or(u8::MAX) {
            let words = self.words(number)?;
            let found = [0, 1].map(|word| words[word].load(Ordering::Relaxed));
            if found == wanted {
                return Some(number);
            }
            if found == [0, 0] {
                for (word, value) in words.iter().zip(wanted) {
                    word.store(value, Ordering::Relaxed);
                }
                return Some(number);
            }
        }
        None
    }
}
