//! Network namespaces that go away with the test

use std::fs::File;
use std::process::Command;

use nix::sched::{CloneFlags, setns};

/// Run `ip -6` and return what it says.
pub fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip")
        .arg("-6")
        .args(arguments)
        .output()
        .expect("ip (iproute2) is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A network namespace, its loopback interface up.
pub struct Namespace {
    name: String,
}

impl Namespace {
    pub fn new(role: &str) -> Self {
        let name = format!("dhpd-test-{}-{role}", std::process::id());
        ip(&["netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Run `ip -6` in it.
    pub fn ip(&self, arguments: &[&str]) -> String {
        let within = ["-n", self.name.as_str()];
        ip(&[&within, arguments].concat())
    }

    /// A link between an interface of this one, which is a port of `dhpd`, and `eth0` of another.
    pub fn link(&self, port: &str, host: &Namespace) {
        let (own, others) = (self.name(), host.name());
        ip(&[
            "link", "add", port, "netns", own, "type", "veth", "peer", "name", "eth0", "netns",
            others,
        ]);
    }

    /// The same, up at both ends, with the router's address and the host's, whose packets go by the router.
    pub fn connect(&self, port: &str, gateway: &str, host: &Namespace, address: &str) {
        self.link(port, host);
        // The kernel asks for a neighbour from its link-local address, and not before it knows that nobody else has it.
        self.sysctl(&format!("net.ipv6.conf.{port}.accept_dad=0"));
        self.ip(&["link", "set", port, "up"]);
        self.add_address(gateway, port);
        host.ip(&["link", "set", "eth0", "up"]);
        host.add_address(address, "eth0");
        host.ip(&["route", "add", "default", "via", gateway]);
    }

    /// Without duplicate address detection, which would take its second.
    pub fn add_address(&self, address: &str, interface: &str) {
        self.ip(&[
            "address",
            "add",
            &format!("{address}/64"),
            "dev",
            interface,
            "nodad",
        ]);
    }

    pub fn sysctl(&self, setting: &str) {
        let setting = setting.to_owned();
        self.within(move || {
            let (name, value) = setting.split_once('=').expect("name=value");
            let path = format!("/proc/sys/{}", name.replace('.', "/"));
            std::fs::write(&path, value).expect("root may");
        });
    }

    /// Do something in the namespace, on a thread of its own.
    pub fn within<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> T {
        let path = format!("/run/netns/{}", self.name);
        let thread = std::thread::spawn(move || {
            let namespace = File::open(path).expect("the namespace is there");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may enter it");
            act()
        });
        thread.join().expect("it did not panic")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nothing to be done if it fails.
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .status();
    }
}
