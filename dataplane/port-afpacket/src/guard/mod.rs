//! Keeping the host kernel's hands off what a worker or an agent handles
//!
//! A packet socket gets a copy; the kernel goes on with the original and would forward it a second time, or answer a
//! tunnel packet that it has no tunnel for with a Parameter Problem. Packet sockets that are bound to `ETH_P_ALL` see a
//! packet before the ingress hook of netfilter does, so that a chain on that hook can drop the original.

mod expression;
mod message;
mod profile;
mod transaction;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;

use crate::error::{Context, SetupError};
use crate::interface::FIND_INTERFACE;

pub use profile::Profile;

/// Tables that this crate made have names that begin so; the process identifier follows.
const TABLE_PREFIX: &str = "dhp_guard_";

/// An nftables table with a chain on the ingress hook of each guarded interface. The kernel removes it with the socket
/// that owns it, whatever way the process ends.
#[derive(Debug)]
pub struct KernelGuard {
    socket: OwnedFd,
    table: String,
    profile: Profile,
    owned: bool,
}

impl KernelGuard {
    /// Guard `interfaces` of the network namespace of the calling thread. All of them or, on an error, none.
    ///
    /// # Errors
    /// There is no such interface, CAP_NET_ADMIN is missing, or the kernel lacks nftables' `netdev` family.
    pub fn new(profile: Profile, interfaces: &[&str]) -> Result<Self, SetupError> {
        for interface in interfaces {
            // Linux 6.16 and later would take a name that no interface has yet.
            if_nametoindex(*interface).context(interface, FIND_INTERFACE)?;
        }
        match Self::install(profile, interfaces, true) {
            // Linux before 5.12 has no tables with an owner.
            Err(error) if is_unsupported(&error) => {
                remove_stale_tables()?;
                Self::install(profile, interfaces, false)
            }
            done => done,
        }
    }

    /// Guard one more interface. For one that was removed and has come back this must be called again: before Linux 6.16
    /// its chain was removed with it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn add(&self, interface: &str) -> Result<(), SetupError> {
        if_nametoindex(interface).context(interface, FIND_INTERFACE)?;
        let mut steps = transaction::Transaction::new();
        profile::add_chain(&mut steps, &self.table, interface, self.profile);
        match steps.commit(self.socket.as_fd(), interface) {
            Err(error)
                if error.step == transaction::ADD_CHAIN && is_errno(&error, &[Errno::EEXIST]) =>
            {
                Ok(())
            }
            done => done,
        }
    }

    /// The name of the table, as `nft list ruleset` shows it.
    pub fn table(&self) -> &str {
        &self.table
    }

    fn install(profile: Profile, interfaces: &[&str], owned: bool) -> Result<Self, SetupError> {
        /// So that one process can have several guards.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let table = format!(
            "{TABLE_PREFIX}{}_{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let names = interfaces.join(", ");
        let socket = transaction::open().context(&names, "open a netfilter socket")?;
        let mut steps = transaction::Transaction::new();
        steps.add_table(&table, owned);
        for interface in interfaces {
            profile::add_chain(&mut steps, &table, interface, profile);
        }
        steps.commit(socket.as_fd(), &names)?;
        Ok(Self {
            socket,
            table,
            profile,
            owned,
        })
    }
}

impl Drop for KernelGuard {
    fn drop(&mut self) {
        // An owned table would go with the socket, but only when a child that is being started has let go of its copy too.
        let mut steps = transaction::Transaction::new();
        steps.delete_table(&self.table);
        if let Err(error) = steps.commit(self.socket.as_fd(), &self.table)
            && !self.owned
        {
            tracing::warn!(%error, "the table stays; nft delete table netdev {}", self.table);
        }
    }
}

fn is_unsupported(error: &SetupError) -> bool {
    error.step == transaction::ADD_TABLE && is_errno(error, &[Errno::EINVAL, Errno::EOPNOTSUPP])
}

fn is_errno(error: &SetupError, wanted: &[Errno]) -> bool {
    let errno = error.source.raw_os_error().map(Errno::from_raw);
    errno.is_some_and(|errno| wanted.contains(&errno))
}

/// Remove tables without owner that processes left which are no more.
fn remove_stale_tables() -> Result<(), SetupError> {
    let socket = transaction::open().context(TABLE_PREFIX, "open a netfilter socket")?;
    let tables = transaction::tables(socket.as_fd()).context(TABLE_PREFIX, "list the tables")?;
    for table in tables {
        let process = table
            .strip_prefix(TABLE_PREFIX)
            .and_then(|rest| rest.split('_').next())
            .and_then(|number| number.parse::<u32>().ok());
        if let Some(process) = process
            && !std::path::Path::new("/proc")
                .join(process.to_string())
                .exists()
        {
            let mut steps = transaction::Transaction::new();
            steps.delete_table(&table);
            steps.commit(socket.as_fd(), &table)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
