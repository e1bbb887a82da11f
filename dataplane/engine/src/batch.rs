//! What a stage works on

use arrayvec::ArrayVec;

/// Packets in a full batch: frames, buffers and bindings of a batch stay in an L1 cache of 32 KiB together. With 64 a packet costs
/// the same where all bindings are in the L2 cache, and a sixth more with a million of them.
pub const BATCH_SIZE: usize = 32;

/// Up to [`BATCH_SIZE`] packets that arrived at one port.
#[derive(Debug)]
pub struct Batch<B> {
    packets: ArrayVec<B, BATCH_SIZE>,
}

impl<B> Batch<B> {
    /// An empty batch.
    pub const fn new() -> Self {
        Self {
            packets: ArrayVec::new_const(),
        }
    }

    /// Add a packet.
    ///
    /// # Errors
    /// The packet itself, where the batch is full.
    #[inline]
    pub fn push(&mut self, packet: B) -> Result<(), B> {
        self.packets.try_push(packet).map_err(|full| full.element())
    }

    /// How many more packets [`push`](Self::push) will take.
    #[inline]
    pub const fn room(&self) -> usize {
        self.packets.remaining_capacity()
    }

    /// Packets in it.
    #[inline]
    pub const fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// The packets in order of arrival.
    pub fn iter(&self) -> std::slice::Iter<'_, B> {
        self.packets.iter()
    }

    /// The packets in order of arrival, to be rewritten.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, B> {
        self.packets.iter_mut()
    }

    /// Give each packet away, in order of arrival. Those that are given back stay.
    #[inline]
    pub fn give(&mut self, mut take: impl FnMut(B) -> Result<(), B>) {
        for packet in std::mem::take(&mut self.packets) {
            if let Err(packet) = take(packet) {
                // There is room for all that were there.
                let _ = self.push(packet);
            }
        }
    }

    /// Take all packets out, in order of arrival.
    #[inline]
    pub fn drain(&mut self) -> impl Iterator<Item = B> {
        self.packets.drain(..)
    }
}

impl<B> Default for Batch<B> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_stays_in_order() {
        let mut batch = Batch::new();
        for number in 0..BATCH_SIZE {
            assert!(batch.push(number).is_ok());
        }
        let mut taken = Vec::new();
        batch.give(|number| match number % 3 {
            0 => Err(number),
            _ => {
                taken.push(number);
                Ok(())
            }
        });
        let expected = |kept: bool| (0..BATCH_SIZE).filter(move |number| (number % 3 == 0) == kept);
        assert!(batch.iter().copied().eq(expected(true)));
        assert!(taken.into_iter().eq(expected(false)));
    }
}
