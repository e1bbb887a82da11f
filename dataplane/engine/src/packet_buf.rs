//! What the stages need of a packet's memory

/// A frame in memory, with room before its first octet for the headers of a tunnel.
///
/// Implemented by [`FrameBuf`](crate::FrameBuf) for ports on ordinary memory; a DPDK mbuf is another implementation.
/// No operation allocates or panics; each that can be refused says so and then leaves the frame as it was.
pub trait PacketBuf {
    /// The octets of the frame as it now is.
    fn bytes(&self) -> &[u8];

    /// The octets of the frame, to be rewritten in place.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Octets that [`prepend`](Self::prepend) could still put in front.
    fn headroom(&self) -> usize;

    /// The longest that [`set_len`](Self::set_len) can make the frame without moving its front, in octets.
    fn capacity(&self) -> usize;

    /// Have the memory right before the frame come nearer, where a tunnel's headers are to be written. A hint: nothing changes.
    #[inline]
    fn expect_prepend(&self) {}

    /// Grow the frame by `octets` at its front. What [`trim_front`](Self::trim_front) has taken off stands there again, unless
    /// something else was written there since; apart from that it is unspecified. `false`: not enough headroom.
    #[must_use]
    fn prepend(&mut self, octets: usize) -> bool;

    /// Take `octets` off the front. `false`: the frame is shorter.
    #[must_use]
    fn trim_front(&mut self, octets: usize) -> bool;

    /// [`prepend`](Self::prepend), and the first `N` octets of the frame then. `None`: not enough headroom, or the frame would be
    /// shorter; it is as it was.
    #[inline]
    #[must_use]
    fn prepend_front<const N: usize>(&mut self, octets: usize) -> Option<&mut [u8; N]> {
        if self.bytes().len().saturating_add(octets) < N || !self.prepend(octets) {
            return None;
        }
        self.bytes_mut().first_chunk_mut()
    }

    /// [`trim_front`](Self::trim_front), and the first `N` octets of the frame then. `None`: the frame would be shorter; it is as it
    /// was.
    #[inline]
    #[must_use]
    fn trim_to_front<const N: usize>(&mut self, octets: usize) -> Option<&mut [u8; N]> {
        if self.bytes().len() < N.saturating_add(octets) || !self.trim_front(octets) {
            return None;
        }
        self.bytes_mut().first_chunk_mut()
    }

    /// Make the frame `octets` long by moving its end. What stands in added octets is unspecified.
    /// `false`: more than [`capacity`](Self::capacity).
    #[must_use]
    fn set_len(&mut self, octets: usize) -> bool;
}

/// Where a port gets the memory for packets. A clone is another handle to the same memory.
pub trait PacketPool: Clone + Send {
    /// The packets.
    type Buf: PacketBuf;

    /// An empty frame with headroom. `None`: all are in use. Does not allocate memory.
    fn alloc(&self) -> Option<Self::Buf>;
}
