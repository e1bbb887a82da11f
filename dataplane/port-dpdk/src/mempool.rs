//! The memory that packets live in

use std::ffi::{CString, c_int};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dhp_engine::{FRAME_HEADROOM, PacketPool};

use crate::eal::Eal;
use crate::error::DpdkError;
use crate::mbuf::Mbuf;

/// The most mbufs that a thread keeps for itself (`RTE_MEMPOOL_CACHE_MAX_SIZE` is 512).
const THREAD_CACHE: u32 = 256;

const _: () = assert!(dpdk_sys::DHP_MBUF_HEADROOM as usize >= FRAME_HEADROOM);

/// A pool of mbufs. A clone is another handle.
#[derive(Clone, Debug)]
pub struct Mempool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: NonNull<dpdk_sys::rte_mempool>,
    eal: Eal,
}

// SAFETY: the operations of a DPDK pool may be used by several threads at once.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Mempool {
    /// A pool of at least `mbufs` mbufs, each for a frame of up to `frame_octets` octets beside its headroom, near the
    /// processors of `numa_node` (`None`: wherever there is memory).
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn new(
        eal: &Eal,
        mbufs: u32,
        frame_octets: u16,
        numa_node: Option<u32>,
    ) -> Result<Self, DpdkError> {
        /// Names of pools are unique in a process.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("dhp_mbufs_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        // A pool of 2^n - 1 wastes no memory: it has a ring with 2^n places, of which one stays empty.
        let mbufs = mbufs.clamp(2 * THREAD_CACHE, 1 << 24);
        let mbufs = mbufs.saturating_add(1).next_power_of_two() - 1;
        let room = frame_octets.saturating_add(dpdk_sys::DHP_MBUF_HEADROOM);
        // -1 is DPDK's SOCKET_ID_ANY.
        let socket = numa_node.map_or(-1, |node| c_int::try_from(node).unwrap_or(-1));
        let raw_name = CString::new(name.as_str()).unwrap_or_default();
        // SAFETY: DPDK is initialized, as the handle shows, and copies the name.
        let pool = unsafe {
            dpdk_sys::rte_pktmbuf_pool_create(
                raw_name.as_ptr(),
                mbufs,
                THREAD_CACHE,
                0,
                room,
                socket,
            )
        };
        let Some(pool) = NonNull::new(pool) else {
            let needed = (u64::from(mbufs) * (u64::from(room) + 256)) >> 20;
            return Err(DpdkError::last(&name, "allocate packet memory").remedy(format!(
                "about {needed} MB for {mbufs} mbufs of {room} octets: more hugepages, a larger -m with --no-huge, or fewer mbufs"
            )));
        };
        Ok(Self {
            inner: Arc::new(Inner {
                pool,
                eal: eal.clone(),
            }),
        })
    }

    /// Mbufs that are neither in the pool nor in the cache of a thread. Costs a look at every cache.
    pub fn in_use(&self) -> u32 {
        // SAFETY: the pool lives as long as `inner`; the call reads counts.
        unsafe { dpdk_sys::rte_mempool_in_use_count(self.inner.pool.as_ptr()) }
    }

    /// An mbuf that holds a copy of `octets`. `None`: none is free, or `octets` is too long.
    pub fn alloc_copy(&self, octets: &[u8]) -> Option<Mbuf> {
        use dhp_engine::PacketBuf;
        let mut mbuf = self.alloc()?;
        mbuf.set_len(octets.len()).then_some(())?;
        mbuf.bytes_mut().copy_from_slice(octets);
        Some(mbuf)
    }

    pub(crate) fn as_ptr(&self) -> *mut dpdk_sys::rte_mempool {
        self.inner.pool.as_ptr()
    }

    pub(crate) fn eal(&self) -> &Eal {
        &self.inner.eal
    }
}

impl PacketPool for Mempool {
    type Buf = Mbuf;

    #[inline]
    fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: the pool lives as long as `inner`; what comes out is an mbuf of nobody else, one segment, with headroom.
        unsafe { Mbuf::from_raw(dpdk_sys::rte_pktmbuf_alloc(self.as_ptr())) }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: the pool is still there; the call reads counts.
        let in_use = unsafe { dpdk_sys::rte_mempool_in_use_count(self.pool.as_ptr()) };
        if in_use > 0 {
            // An mbuf does not know whether its pool lives, so that the pool has to.
            tracing::debug!(in_use, "packet memory is still in use and stays");
            return self.eal.leak();
        }
        // SAFETY: no handle is left, and all mbufs are in the pool; one that is out is the only way to come by another.
        unsafe { dpdk_sys::rte_mempool_free(self.pool.as_ptr()) };
    }
}
