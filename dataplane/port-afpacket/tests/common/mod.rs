//! Network namespaces without names: they go with the descriptors that hold them, whatever way a test ends
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace with a loopback interface that is up.
pub struct Namespace {
    file: File,
}

impl Namespace {
    /// `None`, with a word to the tester, without the right to make one.
    pub fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: network namespaces need root");
            return None;
        }
        let file = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            File::open("/proc/thread-self/ns/net").expect("its file")
        });
        let namespace = Self {
            file: file.join().expect("no panic"),
        };
        namespace.ip("link set lo up");
        Some(namespace)
    }

    /// Run `work` in the namespace. Sockets that it returns stay there.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let joined = thread::scope(|scope| {
            let worker = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET).expect("the namespace");
                work()
            });
            worker.join()
        });
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Run `ip` with these arguments.
    pub fn ip(&self, arguments: &str) -> String {
        self.command("ip", arguments)
    }

    /// Run a command and return what it printed.
    pub fn command(&self, program: &str, arguments: &str) -> String {
        let output = self.run(|| Command::new(program).args(arguments.split(' ')).output());
        let output = output.expect("the command starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Give `interface` an address with a 64-bit prefix, and wait until packets to it are the kernel's own: the kernel makes
    /// the route on a thread of its own, after the address can already be bound.
    pub fn add_address(&self, address: &str, interface: &str) {
        self.ip(&format!("addr add {address}/64 dev {interface} nodad"));
        let route = format!("local {address} dev {interface} ");
        let routed = (0..1000).any(|_| self.ip("-6 route show table local").contains(&route));
        assert!(routed, "no {route}");
    }

    /// Write a kernel parameter below `/proc/sys/net`.
    pub fn set(&self, parameter: &str, value: &str) {
        let path = format!("/proc/sys/net/{parameter}");
        self.run(|| std::fs::write(&path, value)).expect(&path);
    }

    /// Connect with `other` by a pair of interfaces, which are up and have a fixed MAC address each.
    pub fn connect(&self, name: &str, mac: &str, other: &Self, other_name: &str, other_mac: &str) {
        // No router solicitations nor reports that a test would have to tell from its own packets.
        self.set("ipv6/conf/default/addr_gen_mode", "1");
        other.set("ipv6/conf/default/addr_gen_mode", "1");
        let path = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            other.file.as_fd().as_raw_fd()
        );
        self.ip(&format!(
            "link add name {name} address {mac} type veth peer name {other_name} address {other_mac} netns {path}"
        ));
        self.ip(&format!("link set {name} up"));
        other.ip(&format!("link set {other_name} up"));
    }
}

/// Wait until `socket` can be read. `false`: it could not within two seconds.
pub fn readable(socket: &impl AsFd) -> bool {
    let mut wanted = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let limit = PollTimeout::try_from(Duration::from_secs(2)).expect("short");
    poll(&mut wanted, limit).expect("poll") > 0
}
