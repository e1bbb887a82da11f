//! Two network namespaces with a link between them: the mobile node's, and that of everything else.

use std::fs::File;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;

/// How many networks this process has made: tests that run at the same time have namespaces of their own.
static MADE: AtomicU32 = AtomicU32::new(0);

/// The namespaces; removed with this.
pub struct Network {
    number: u32,
}

/// An interface of a network that [`Network::flap`]s.
const CLOCK: &str = "clock0";

impl Network {
    /// Makes them, or says why that cannot be done here.
    pub fn new() -> Result<Self, String> {
        Self::with_link(&[])
    }

    /// Makes a network of which the kernel tells no more than once a second what the carrier does, as it does of a network card:
    /// with the same index at both ends it takes the link's interfaces for ones that stand alone.
    pub fn like_a_card() -> Result<Self, String> {
        let network = Self::with_link(&["index", "7000"])?;
        network.add_veth(CLOCK, CLOCK, &["index", "7001"])?;
        for namespace in [network.node(), network.rest()] {
            network.ip(&namespace, &["link", "set", CLOCK, "up"]);
        }
        Ok(network)
    }

    fn with_link(index: &[&str]) -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("not root".to_owned());
        }
        let network = Self {
            number: MADE.fetch_add(1, Ordering::Relaxed),
        };
        for name in [network.node(), network.rest()] {
            run("ip", &["netns", "add", &name])?;
            run("ip", &["-n", &name, "link", "set", "lo", "up"])?;
        }
        let (node, rest) = (network.node(), network.rest());
        network.add_veth("wlan0", "r0", index)?;
        network.write(&rest, "net/ipv6/conf/all/forwarding", "1");
        // The router's own addresses need no duplicate address detection.
        network.write(&rest, "net/ipv6/conf/r0/accept_dad", "0");
        network.connect();
        run("ip", &["-n", &node, "link", "set", "wlan0", "up"])?;
        Ok(network)
    }

    /// A second link between them: wwan0 and r1, for the access network of a prefix of 48 bits.
    pub fn add_link(&self, prefix: &str) {
        let (node, rest) = (self.node(), self.rest());
        self.add_veth("wwan0", "r1", &[]).expect("ip works");
        self.write(&rest, "net/ipv6/conf/r1/accept_dad", "0");
        self.ip(&node, &["link", "set", "wwan0", "up"]);
        self.connect_second(prefix);
    }

    fn add_veth(&self, near: &str, far: &str, index: &[&str]) -> Result<(), String> {
        let (node, rest) = (self.node(), self.rest());
        let near = [&["-n", &node, "link", "add", near][..], index].concat();
        let far = [&["type", "veth", "peer", "name", far][..], index].concat();
        run("ip", &[near, far, vec!["netns", &rest]].concat()).map(drop)
    }

    /// Brings the second link up.
    pub fn connect_second(&self, prefix: &str) {
        self.ip(&self.rest(), &["link", "set", "r1", "up"]);
        self.ip(&self.rest(), &["route", "add", prefix, "dev", "r1"]);
    }

    /// Takes the carrier of the second link away.
    pub fn disconnect_second(&self) {
        self.ip(&self.rest(), &["link", "set", "r1", "down"]);
    }

    /// Brings the link up. All access networks are on it; which one the router advertises is another matter.
    pub fn connect(&self) {
        self.ip(&self.rest(), &["link", "set", "r0", "up"]);
        self.ip(
            &self.rest(),
            &["route", "add", "2001:db8::/32", "dev", "r0"],
        );
    }

    /// Takes the carrier away.
    pub fn disconnect(&self) {
        self.ip(&self.rest(), &["link", "set", "r0", "down"]);
    }

    /// Takes the carrier away and gives it back before the kernel tells of it. On a machine that stands still for a second
    /// meanwhile it may be told after all.
    pub fn flap(&self) {
        // What the kernel has told of another interface begins the second in which it tells nothing.
        self.ip(&self.rest(), &["link", "set", CLOCK, "down"]);
        while !self
            .ip(&self.node(), &["link", "show", CLOCK])
            .contains("state DOWN")
        {
            thread::yield_now();
        }
        self.disconnect();
        self.connect();
    }

    /// Name of the mobile node's namespace.
    pub fn node(&self) -> String {
        format!("dhpmn{}-{}a", std::process::id(), self.number)
    }

    /// Name of the other one.
    pub fn rest(&self) -> String {
        format!("dhpmn{}-{}b", std::process::id(), self.number)
    }

    /// Runs `ip` in a namespace and gives what it printed.
    pub fn ip(&self, namespace: &str, arguments: &[&str]) -> String {
        let output = run("ip", &[&["-n", namespace][..], arguments].concat()).expect("ip works");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A kernel parameter.
    pub fn read(&self, namespace: &str, parameter: &str) -> String {
        let path = format!("/proc/sys/{parameter}");
        inside(namespace, move || {
            std::fs::read_to_string(path)
                .expect("a parameter")
                .trim()
                .to_owned()
        })
    }

    fn write(&self, namespace: &str, parameter: &str, value: &str) {
        let (path, value) = (format!("/proc/sys/{parameter}"), value.to_owned());
        inside(namespace, move || {
            std::fs::write(path, value).expect("a parameter")
        });
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [self.node(), self.rest()] {
            let _ = run("ip", &["netns", "del", &name]);
        }
    }
}

/// Does something in a namespace, on a thread of its own.
pub fn inside<T: Send + 'static>(namespace: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let path = format!("/run/netns/{namespace}");
    let (result, done) = mpsc::channel();
    let thread = thread::spawn(move || {
        let file = File::open(path).expect("the namespace is there");
        setns(file, CloneFlags::CLONE_NEWNET).expect("the namespace can be entered");
        let _ = result.send(work());
    });
    let value = done.recv();
    thread.join().expect("the work is done");
    value.expect("a result")
}

/// Lets the calling thread go before everything else on a busy machine, where that is possible.
pub fn hurry() {
    hurry_thread(nix::unistd::gettid());
}

/// The same with another one.
pub fn hurry_thread(thread: Pid) {
    // Without it the test measures the machine as well.
    let _ = run("chrt", &["--fifo", "--pid", "10", &thread.to_string()]);
}

fn run(program: &str, arguments: &[&str]) -> Result<Output, String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
