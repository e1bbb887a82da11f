//! `[workers]` and `[dpdk]`: the forwarding threads, and what DPDK needs for theirs

/// `[dpdk]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dpdk {
    /// Options for DPDK's environment (EAL).
    pub eal: Vec<String>,
    /// Packet buffers of each worker.
    pub mbufs: u32,
}

/// What a worker does when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Look again at once.
    Poll,
    /// Sleep until something comes.
    Sleep,
}

impl Idle {
    /// As it is written in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Sleep => "sleep",
        }
    }
}

/// `[workers]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workers {
    /// How many forwarding threads.
    pub count: u32,
    /// The core of each; `None`: the last cores of the machine.
    pub cores: Option<Vec<usize>>,
    /// Whether packets that concern no home address are forwarded by route.
    pub transit: bool,
    /// Whether TCP's MSS is lowered to what a tunnel takes.
    pub tcp_mss_clamp: bool,
    /// What they do when there is nothing to do.
    pub idle: Idle,
}
