//! How urgent a punted packet is, by what a worker can see of it

/// Whose a punted packet seems to be, from the least to the most urgent. All of this is a hint, and no proof: it says who is served
/// first, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PuntClass {
    /// Anybody's.
    Stranger,
    /// From an address that looks like a registered care-of address; a few strangers' look like it.
    Known,
    /// An update of a home address that has a binding here, from elsewhere: a handoff, or it is to look like one.
    Handoff,
    /// From the care-of address of the home address that it names.
    Bound,
}

impl PuntClass {
    pub(crate) const fn encode(self) -> u64 {
        match self {
            Self::Stranger => 0,
            Self::Known => 1,
            Self::Handoff => 2,
            Self::Bound => 3,
        }
    }

    pub(crate) const fn decode(value: u64) -> Self {
        match value & 3 {
            0 => Self::Stranger,
            1 => Self::Known,
            2 => Self::Handoff,
            _ => Self::Bound,
        }
    }

    /// Of a punt ring's slots, those that a packet of this class leaves free for more urgent ones. The ring is a queue, so this is
    /// also how many strangers a handoff waits behind.
    pub(crate) const fn reserve(self, slots: u32) -> u32 {
        match self {
            Self::Stranger => slots / 2,
            Self::Known => slots / 4,
            Self::Handoff => slots / 8,
            Self::Bound => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_urgent_has_more_of_the_ring() {
        let classes = [0, 1, 2, 3].map(PuntClass::decode);
        assert!(classes.is_sorted());
        for (number, class) in (0..).zip(classes) {
            assert_eq!(class.encode(), number);
        }
        assert_eq!(classes.map(|class| class.reserve(64)), [32, 16, 8, 0]);
        // The smallest ring takes a packet of each.
        assert!(classes.iter().all(|class| class.reserve(2) < 2));
    }
}
