//! `dhpd` on the ports of the router

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::namespaces::Namespace;
use crate::packets::ANCHOR;
use crate::router::PATIENCE;

/// A running `dhpd`, which ends with the test.
pub struct Daemon {
    process: Child,
    socket: PathBuf,
    _directory: tempfile::TempDir,
}

impl Daemon {
    pub fn start(namespace: &Namespace) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let (config, socket) = (path("dhpd.toml"), path("dhpd.sock"));
        // Every case may cost an error, as many as the kernel sends with its limits off.
        let text = format!(
            "[anchor]\naddress = \"{ANCHOR}\"\n[[port]]\ninterface = \"core0\"\n[[port]]\ninterface = \"cn0\"\n\
             [[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"dhoa\"\n[[coverage]]\nprefix = \"2001:db8:c::/48\"\n\
             [rates]\nicmp-errors = 100000\nicmp-errors-per-network = 100000\n\
             [api]\nsocket = \"{}\"\nmetrics = \"off\"\n",
            socket.display()
        );
        std::fs::write(&config, text).expect("written");
        let dhpd = env!("CARGO_BIN_EXE_dhpd");
        let mut process = Command::new("ip")
            .args(["netns", "exec", namespace.name(), dhpd, "run", "--config"])
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip is there");
        let mut log = BufReader::new(process.stderr.take().expect("piped")).lines();
        let ready = log
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.contains("dhpd runs"));
        // The pipe must not fill up.
        std::thread::spawn(move || {
            log.map_while(Result::ok)
                .for_each(|line| eprintln!("dhpd: {line}"))
        });
        assert!(ready, "dhpd has ended");
        let daemon = Self {
            process,
            socket,
            _directory: directory,
        };
        // All routes of the kernel's, and both gateways.
        daemon.ask_until(r#"{"command":"routes"}"#, |answer| {
            [
                "a::/64", "c::/48", "f::/48", "bad::/48", "bae::/48", "baf::/48",
            ]
            .iter()
            .all(|prefix| answer.contains(&format!("\"2001:db8:{prefix}\"")))
        });
        daemon.ask_until(r#"{"command":"neighbours"}"#, |answer| {
            answer.matches("\"mac\":\"02:").count() >= 2
        });
        daemon
    }

    /// Ask until the answer satisfies: what the kernel tells takes its milliseconds.
    fn ask_until(&self, request: &str, satisfied: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(request);
            if satisfied(&answer) {
                return;
            }
            assert!(Instant::now() < deadline, "{request}: {answer}");
            std::thread::yield_now();
        }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = BufReader::new(UnixStream::connect(&self.socket).expect("the socket"));
        writeln!(stream.get_mut(), "{request}").expect("written");
        let mut answer = String::new();
        stream.read_line(&mut answer).expect("an answer");
        answer
    }

    /// Packets that the workers have forwarded.
    pub fn forwarded(&self) -> u64 {
        let answer = self.ask(r#"{"command":"counters"}"#);
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        let counter = answer.pointer("/ok/counters/workers/0/counters/forwarded");
        counter
            .and_then(serde_json::Value::as_u64)
            .expect("a counter")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // `ip netns exec` has become dhpd itself. Its namespace goes with the test, and all that it has put there.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
