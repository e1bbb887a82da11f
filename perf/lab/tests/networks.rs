//! The lab's networks without any daemon of ours: packets flow, the radio moves, and nothing stays behind a killed lab.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const LAB: &str = env!("CARGO_BIN_EXE_dhp-lab");

/// A lab in the background; killed when dropped, whatever way the test ends.
struct Lab {
    child: Child,
    /// Another one may have been there before: it is none of this test's business.
    came_up: bool,
}

impl Lab {
    fn up(logs: &std::path::Path) -> Self {
        let mut command = Command::new(LAB);
        command.args(["up", "--networks-only", "--logs"]).arg(logs);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().map(Result::unwrap);
        let came_up = first.is_some_and(|line| line.starts_with("The lab is up"));
        let lab = Self { child, came_up };
        assert!(lab.came_up, "the lab does not come up");
        lab
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.came_up {
            lab(&["down"]);
        }
    }
}

fn lab(arguments: &[&str]) -> Output {
    Command::new(LAB).args(arguments).output().unwrap()
}

fn in_node(node: &str, command: &[&str]) -> String {
    let output = lab(&[&["shell", node, "--"], command].concat());
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn forwarded_by(node: &str) -> String {
    let counters = in_node(node, &["cat", "/proc/net/snmp6"]);
    counters
        .lines()
        .find(|line| line.starts_with("Ip6OutForwDatagrams"))
        .unwrap()
        .to_owned()
}

fn has_address(prefix: &str) -> bool {
    in_node("mn", &["ip", "-6", "address", "show", "dev", "wlan0"]).contains(prefix)
}

fn lab_namespaces() -> usize {
    let shown = Command::new("ip").args(["netns", "list"]).output().unwrap();
    String::from_utf8(shown.stdout)
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("dhplab-"))
        .count()
}

#[test]
fn networks_carry_packets_roam_and_leave_nothing_behind() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: network namespaces need root");
        return;
    }
    let logs = tempfile::tempdir().unwrap();
    let lab_up = Lab::up(logs.path());
    eventually("an address of access network A", || {
        has_address("2001:db8:a:")
    });

    // Through five wires, by curl, which knows nothing of the lab.
    let url = "http://[2001:db8:c:3::80]/3000000";
    let size = in_node(
        "mn",
        &[
            "curl",
            "--silent",
            "--output",
            "/dev/null",
            "--write-out",
            "%{size_download}",
            url,
        ],
    );
    assert_eq!(size, "3000000");

    // BCP 38: the access network lets no foreign source out.
    let spoofed = ["ip", "address", "add", "2001:db8:1:1::100/128", "dev", "lo"];
    in_node("mn", &spoofed);
    let foreign = [
        "--silent",
        "--max-time",
        "1",
        "--interface",
        "2001:db8:1:1::100",
        "--output",
        "/dev/null",
        url,
    ];
    // The end of the download's connection is still on its way.
    let mut before = String::new();
    eventually("the access router rests", || {
        let last = std::mem::replace(&mut before, forwarded_by("ara"));
        std::thread::sleep(Duration::from_millis(100));
        last == before
    });
    let refused = lab(&[&["shell", "mn", "--", "curl"], &foreign[..]].concat());
    assert_eq!(refused.status.code(), Some(28), "{refused:?}");
    assert_eq!(
        forwarded_by("ara"),
        before,
        "nothing left the access network"
    );

    let moved = lab(&["move", "b", "--gap-ms", "10"]);
    assert!(moved.status.success(), "{moved:?}");
    eventually("an address of access network B", || {
        has_address("2001:db8:b:")
    });

    // SIGKILL: nobody cleans up, until the next run does.
    let advertisers = in_node("ara", &["ip", "netns", "pids", "dhplab-ara"]);
    assert!(advertisers.split_whitespace().count() > 0);
    assert_eq!(lab_namespaces(), 8);
    drop(lab_up);
    assert_eq!(lab_namespaces(), 0);
    for pid in advertisers.split_whitespace() {
        // The command line of a process that has ended, but was not reaped yet, is empty.
        let command =
            || std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        eventually("no radvd outlives the lab", || {
            !command().starts_with("radvd")
        });
    }
}
