//! `dhpd` between the visited network and the host

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::namespaces::Namespace;
use crate::{ANCHOR, until};

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
        // The role is one of the defaults.
        let text = format!(
            "[anchor]\naddress = \"{ANCHOR}\"\n\
             [[port]]\ninterface = \"core0\"\n[[port]]\ninterface = \"cn0\"\n\
             [[correspondent]]\nprefix = \"2001:db8:c:1::/64\"\n\
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
        let ready = log.by_ref().map_while(Result::ok).any(|line| {
            eprintln!("dhpd: {line}");
            line.contains("dhpd runs")
        });
        // The pipe must not fill up.
        std::thread::spawn(move || {
            log.map_while(Result::ok)
                .for_each(|line| eprintln!("dhpd: {line}"))
        });
        assert!(ready, "dhpd has ended");
        Self {
            process,
            socket,
            _directory: directory,
        }
    }

    /// Ask until the answer satisfies.
    pub fn ask_until(&self, request: &str, satisfied: impl Fn(&str) -> bool) {
        until(request, || satisfied(&self.ask(request)));
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = BufReader::new(UnixStream::connect(&self.socket).expect("the socket"));
        writeln!(stream.get_mut(), "{request}").expect("written");
        let mut answer = String::new();
        stream.read_line(&mut answer).expect("an answer");
        answer
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // `ip netns exec` has become dhpd itself. Its namespace goes with the test, and all that it has put there.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
