//! Network namespaces without names: they go with the process, whatever way it ends

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::thread;
use std::time::Instant;

use anyhow::{Context, bail};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace. Nothing of it is left when the last descriptor of it is closed, which a kill does as well.
#[derive(Debug)]
pub struct Namespace {
    file: File,
}

impl Namespace {
    /// # Errors
    /// Without CAP_SYS_ADMIN, or on a kernel without network namespaces.
    pub fn new() -> anyhow::Result<Self> {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        match made.join() {
            Ok(Ok(file)) => Ok(Self { file }),
            Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                bail!("this benchmark makes network namespaces and must be run as root (try sudo)")
            }
            Ok(Err(error)) => Err(error)
                .context("this benchmark needs network namespaces, which this kernel refuses"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Run `work` on a thread in the namespace. Sockets that it returns stay there.
    ///
    /// # Errors
    /// The namespace cannot be entered.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> anyhow::Result<R> {
        let joined = thread::scope(|scope| {
            let inside =
                scope.spawn(|| setns(&self.file, CloneFlags::CLONE_NEWNET).map(|()| work()));
            inside.join()
        });
        match joined {
            Ok(done) => done.context("enter a network namespace"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Run iproute2's `ip` in the namespace.
    ///
    /// # Errors
    /// There is no `ip`, or what it says against the arguments.
    pub fn ip(&self, arguments: &str) -> anyhow::Result<()> {
        let output = self
            .run(|| Command::new("ip").args(arguments.split(' ')).output())?
            .context("run the ip command of iproute2")?;
        if !output.status.success() {
            bail!(
                "ip {arguments}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }

    /// Connect with `other` by a pair of interfaces that are up.
    ///
    /// # Errors
    /// As [`ip`](Self::ip).
    pub fn connect(&self, name: &str, other: &Self, other_name: &str) -> anyhow::Result<()> {
        let path = format!("/proc/{}/fd/{}", std::process::id(), other.file.as_raw_fd());
        self.ip(&format!(
            "link add {name} type veth peer name {other_name} netns {path}"
        ))?;
        self.ip(&format!("link set {name} up"))?;
        other.ip(&format!("link set {other_name} up"))
    }

    /// Packets that `interface` has received, by the kernel's count, and when that was so.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn received_packets(&self, interface: &str) -> anyhow::Result<(Instant, u64)> {
        let (at, table) = self.run(|| {
            let table = std::fs::read_to_string("/proc/thread-self/net/dev");
            (Instant::now(), table)
        })?;
        let table = table.context("read the interface statistics")?;
        // "name: bytes packets errs …"
        let count = table.lines().find_map(|line| {
            let (name, columns) = line.trim().split_once(':')?;
            (name == interface).then(|| columns.split_whitespace().nth(1)?.parse().ok())?
        });
        let count = count.with_context(|| format!("no statistics of {interface}"))?;
        Ok((at, count))
    }
}
