//! Who may do what, one at a time.
//!
//! A file-backed segment is guarded by open-file-description locks on single octets of the file: the kernel lets go of
//! them when the holder dies, whatever it died of and whatever PID namespace it lived in. Within one process (and for
//! anonymous memory) a flag does the same.

use crate::error::SegmentError;
use core::fmt;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The parts that one party at a time may play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Changes the tables.
    Writer,
    /// Serves the control plane's ends of the rings.
    Control,
    /// Reads the tables: one worker, by number.
    Worker(u32),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Writer => f.write_str("writer"),
            Self::Control => f.write_str("control end"),
            Self::Worker(worker) => write!(f, "reader of worker {worker}"),
        }
    }
}

impl Role {
    fn number(self) -> u32 {
        match self {
            Self::Writer => 0,
            Self::Control => 1,
            Self::Worker(worker) => worker.saturating_add(2),
        }
    }
}

/// Which roles are taken.
pub(crate) struct Roles {
    here: Box<[AtomicBool]>,
    file: Option<File>,
}

impl Roles {
    pub(crate) fn new(workers: u32, file: Option<File>) -> Arc<Self> {
        let here = (0..workers as usize + 2)
            .map(|_| AtomicBool::new(false))
            .collect();
        Arc::new(Self { here, file })
    }

    /// Takes `role` until the returned claim is dropped.
    pub(crate) fn claim(self: &Arc<Self>, role: Role) -> Result<Claim, SegmentError> {
        let taken = || SegmentError::Taken(role);
        let here = self.here.get(role.number() as usize).ok_or_else(taken)?;
        if here.swap(true, Ordering::AcqRel) {
            return Err(taken());
        }
        if !self.lock(role, libc::F_WRLCK) {
            here.store(false, Ordering::Release);
            return Err(taken());
        }
        Ok(Claim {
            roles: Arc::clone(self),
            role,
        })
    }

    fn lock(&self, role: Role, kind: libc::c_int) -> bool {
        let Some(file) = &self.file else { return true };
        let range = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: libc::off_t::from(role.number()),
            l_len: 1,
            // Open-file-description locks want 0 here (fcntl(2)).
            l_pid: 0,
        };
        fcntl(file, FcntlArg::F_OFD_SETLK(&range)).is_ok()
    }
}

/// A role held; dropping it gives it up.
pub(crate) struct Claim {
    roles: Arc<Roles>,
    role: Role,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.roles.lock(self.role, libc::F_UNLCK);
        if let Some(here) = self.roles.here.get(self.role.number() as usize) {
            here.store(false, Ordering::Release);
        }
    }
}
