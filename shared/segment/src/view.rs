//! Checked access to the regions of a mapped segment.

use crate::flow_set::FlowSet;
use crate::group::GROUP_WORDS;
use crate::hash::Seed;
use crate::layout::{Layout, Region, header_word};
use crate::mapping::Mapping;
use crate::meter::Meter;
use crate::slot::SLOT_WORDS;
use crate::sync::{AtomicU64, Ordering};
use crate::template::{Place, Template};
use core::ptr::NonNull;

/// A mapping and the layout that this process validated for it.
pub(crate) struct View {
    mapping: Mapping,
    pub(crate) layout: Layout,
    /// The hash seed, copied at opening.
    pub(crate) seed: Seed,
    /// The groups of the home table, in `mapping`.
    home_groups: NonNull<[[AtomicU64; GROUP_WORDS]]>,
    /// The slots of the home table, in `mapping`.
    homes: NonNull<[[AtomicU64; SLOT_WORDS]]>,
    /// The anchor addresses, in `mapping`.
    anchors: NonNull<[[AtomicU64; 2]]>,
}

// SAFETY: what the pointers lead to is a part of `mapping`, which may be used from any thread, and lives as long.
unsafe impl Send for View {}
// SAFETY: as above: they give nothing but references to atomics.
unsafe impl Sync for View {}

impl View {
    /// `mapping` must have been checked to hold `layout.words` words.
    pub(crate) fn new(mapping: Mapping, layout: Layout) -> Self {
        let home_groups = NonNull::from(slots(&mapping, &layout.home_groups));
        let homes = NonNull::from(slots(&mapping, &layout.homes));
        let anchors = NonNull::from(slots(&mapping, &layout.anchors));
        let mut view = Self {
            mapping,
            layout,
            seed: Seed::new([0; 2]),
            home_groups,
            homes,
            anchors,
        };
        let secret = [header_word::SEED, header_word::SEED + 1].map(|word| view.load(word));
        view.seed = Seed::new(secret);
        view
    }

    /// The groups of the home table.
    #[inline(always)]
    pub(crate) fn home_groups(&self) -> &[[AtomicU64; GROUP_WORDS]] {
        // SAFETY: as in `homes`.
        unsafe { self.home_groups.as_ref() }
    }

    /// The slots of the home table.
    #[inline(always)]
    pub(crate) fn homes(&self) -> &[[AtomicU64; SLOT_WORDS]] {
        // SAFETY: a part of `mapping`, whose memory stays where it is, however `mapping` moves, and is there as long as `self`.
        unsafe { self.homes.as_ref() }
    }

    /// The anchor addresses.
    #[inline(always)]
    pub(crate) fn anchors(&self) -> &[[AtomicU64; 2]] {
        // SAFETY: as in `homes`.
        unsafe { self.anchors.as_ref() }
    }

    /// The word at `at`, relaxed; 0 beyond the end.
    fn load(&self, at: usize) -> u64 {
        self.word(at).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// The word at `word`, of the header for example.
    #[inline(always)]
    pub(crate) fn word(&self, word: usize) -> Option<&AtomicU64> {
        self.mapping.words().get(word)
    }

    /// The first `N` words of slot `index` of `region`.
    #[inline(always)]
    pub(crate) fn slot<const N: usize>(
        &self,
        region: &Region,
        index: u32,
    ) -> Option<&[AtomicU64; N]> {
        let at = region.at(index)?;
        self.mapping.words().get(at..at + N)?.first_chunk()
    }

    /// Template `index` and its past.
    #[inline(always)]
    pub(crate) fn template(&self, index: u32) -> Option<Place<'_>> {
        Some(Place {
            template: self.slot(&self.layout.templates, index)?,
            past: self.slot(&self.layout.pasts, index)?,
        })
    }

    /// The template `index`, read. Its past is looked for only where there is one.
    #[inline(always)]
    pub(crate) fn load_template(&self, index: u32) -> Option<Template> {
        let template = self.slot(&self.layout.templates, index)?;
        Some(Template::load(template, || {
            self.slot(&self.layout.pasts, index)
        }))
    }

    /// The meter `index`.
    #[inline(always)]
    pub(crate) fn meter(&self, index: u32) -> Option<Meter<'_>> {
        self.slot(&self.layout.meters, index).map(Meter)
    }

    /// The flow set `index`.
    #[inline(always)]
    pub(crate) fn flow_set(&self, index: u32) -> Option<FlowSet<'_>> {
        self.slot(&self.layout.flow_sets, index).map(FlowSet)
    }

    /// All words of slot `index` of `region`.
    #[inline(always)]
    pub(crate) fn slice(&self, region: &Region, index: u32) -> Option<&[AtomicU64]> {
        self.mapping
            .words()
            .get(region.at(index)?..)?
            .get(..region.stride)
    }
}

/// The slots of a region that has no gaps.
fn slots<'a, const N: usize>(mapping: &'a Mapping, region: &Region) -> &'a [[AtomicU64; N]] {
    let words = mapping.words();
    let end = region.start.saturating_add(region.count.saturating_mul(N));
    let words = words.get(region.start..end).unwrap_or_default();
    words.as_chunks().0
}

/// Two words, big-endian, of an address: numeric order is prefix order.
#[inline(always)]
pub(crate) fn address_words(address: &[u8; 16]) -> [u64; 2] {
    let bits = u128::from_be_bytes(*address);
    [(bits >> 64) as u64, bits as u64]
}

/// The inverse of [`address_words`].
#[inline(always)]
pub(crate) fn address_octets(words: [u64; 2]) -> [u8; 16] {
    (u128::from(words[0]) << 64 | u128::from(words[1])).to_be_bytes()
}
