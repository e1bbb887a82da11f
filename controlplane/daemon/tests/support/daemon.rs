//! A running `dhpd`

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::PATIENCE;
use super::namespaces::Namespace;

/// `dhpd run` in a namespace. It ends with this.
pub struct Daemon {
    process: Child,
    socket: PathBuf,
    config: PathBuf,
    _directory: tempfile::TempDir,
}

impl Daemon {
    /// Start it by a configuration of these sections, to which `[api]` is added, and wait until it runs.
    pub fn start(namespace: &Namespace, sections: &str) -> Self {
        Self::launch(namespace, sections, "metrics = \"off\"\n")
    }

    /// The same with `/metrics` and `/healthz` at the default address, within the namespace.
    pub fn start_with_metrics(namespace: &Namespace, sections: &str) -> Self {
        Self::launch(namespace, sections, "")
    }

    fn launch(namespace: &Namespace, sections: &str, metrics: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let (config, socket) = (path("dhpd.toml"), path("dhpd.sock"));
        let api = format!("[api]\nsocket = \"{}\"\n{metrics}", socket.display());
        std::fs::write(&config, format!("{sections}{api}")).expect("written");
        Self {
            process: run(namespace, &config),
            socket,
            config,
            _directory: directory,
        }
    }

    /// SIGKILL, and another start by the same configuration.
    pub fn kill_and_start_again(&mut self, namespace: &Namespace) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
        self.process = run(namespace, &self.config);
    }

    /// Its control socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The answer to a line.
    pub fn ask(&self, request: &str) -> String {
        self.try_to_ask(request).expect("an answer")
    }

    fn try_to_ask(&self, request: &str) -> std::io::Result<String> {
        let mut stream = BufReader::new(UnixStream::connect(&self.socket)?);
        writeln!(stream.get_mut(), "{request}")?;
        let mut answer = String::new();
        stream.read_line(&mut answer)?;
        Ok(answer)
    }

    /// What stands at a place of the answer to a command, such as `/ok/counters/workers/0`.
    pub fn look_up(&self, command: &str, pointer: &str) -> Option<serde_json::Value> {
        let answer = self.ask(&format!(r#"{{"command":"{command}"}}"#));
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        answer.pointer(pointer).cloned()
    }

    /// Ask until the answer satisfies: what the kernel tells takes its milliseconds.
    pub fn ask_until(&self, request: &str, satisfied: impl Fn(&str) -> bool) {
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

    /// Packets that the first worker has forwarded.
    pub fn forwarded(&self) -> u64 {
        let counter = self.look_up("counters", "/ok/counters/workers/0/counters/forwarded");
        counter.and_then(|count| count.as_u64()).expect("a counter")
    }

    /// Change the configuration file.
    pub fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.config).expect("readable");
        assert!(text.contains(from), "{text}");
        std::fs::write(&self.config, text.replace(from, to)).expect("written");
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// SIGTERM, and how it ends by that.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.process.wait().expect("it ends")
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id()).expect("a process number");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }
}

/// A process that has said that it is ready.
fn run(namespace: &Namespace, config: &Path) -> Child {
    let dhpd = env!("CARGO_BIN_EXE_dhpd");
    let mut process = Command::new("ip")
        .args(["netns", "exec", namespace.name(), dhpd, "run", "--config"])
        .arg(config)
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
    process
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(counters) = self.try_to_ask(r#"{"command":"counters"}"#)
        {
            eprintln!("dhpd: {counters}");
        }
        // `ip netns exec` has become dhpd itself. Its namespace goes with the test, and all that it has put there.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
