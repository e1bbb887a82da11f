//! The agent under test.

use std::io::{BufRead, BufReader};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::network::hurry_thread;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running `dhp-mn`; killed with this.
pub struct Agent {
    child: Child,
    watcher: Child,
    events: Receiver<serde_json::Value>,
    directory: tempfile::TempDir,
}

impl Agent {
    /// Starts it in the namespace with a policy of two prefixes, and waits until it answers.
    pub fn start(namespace: &str, directory: tempfile::TempDir) -> Self {
        let flows = r#"
            [[flow]]
            prefix = "2001:db8:c:1::/64"
            session = "session-lasting"
            [[flow]]
            prefix = "2001:db8:c:3::/64"
            session = "non-persistent"
            "#;
        Self::start_with(namespace, directory, flows)
    }

    /// The same with other sections.
    pub fn start_with(namespace: &str, directory: tempfile::TempDir, sections: &str) -> Self {
        Self::start_on(namespace, directory, r#"["wlan0"]"#, sections)
    }

    /// The same on other access interfaces.
    pub fn start_on(
        namespace: &str,
        directory: tempfile::TempDir,
        interfaces: &str,
        sections: &str,
    ) -> Self {
        let socket = directory.path().join("dhp-mn.sock");
        let config = directory.path().join("dhp-mn.toml");
        let text = format!(
            r#"
            [mobile-node]
            id = "mn1@example.net"
            spi = 256
            home-key = "{key}"
            interfaces = {interfaces}
            {sections}
            [api]
            socket = "{socket}"
            [log]
            level = "warn"
            "#,
            key = "42".repeat(32),
            socket = socket.display(),
        );
        std::fs::write(&config, text).expect("a configuration");
        let inside = |arguments: &[&str], path: &PathBuf| {
            // `ip netns exec` would hide the control groups.
            let mut command = Command::new("nsenter");
            command.arg(format!("--net=/run/netns/{namespace}"));
            command.arg(env!("CARGO_BIN_EXE_dhp-mn"));
            command.args(arguments).arg(path);
            command
        };
        let child = inside(&["run", "--config"], &config)
            .spawn()
            .expect("the agent starts");
        let deadline = std::time::Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(
                std::time::Instant::now() < deadline,
                "the agent does not listen"
            );
            std::thread::yield_now();
        }
        let mut watcher = inside(&["events", "--replay", "--socket"], &socket)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a watcher");
        let output = BufReader::new(watcher.stdout.take().expect("its output"));
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).expect("JSON lines"));
            }
        });
        Self {
            child,
            watcher,
            events,
            directory,
        }
    }

    /// Lets it go before everything else on a busy machine.
    pub fn hurry(&self) {
        hurry_thread(Pid::from_raw(
            i32::try_from(self.child.id()).expect("an identifier"),
        ));
    }

    /// Waits for an event of that name.
    pub fn wait_for(&self, name: &str) -> serde_json::Value {
        let mut seen = Vec::new();
        loop {
            match self.events.recv_timeout(PATIENCE) {
                Ok(event) if event["event"] == name => return event,
                Ok(event) => seen.push(event),
                Err(_) => panic!("no {name} after {seen:#?}"),
            }
        }
    }

    /// Waits for an event of that name with that field.
    pub fn wait_for_field(&self, name: &str, field: &str, value: &str) -> serde_json::Value {
        loop {
            let event = self.wait_for(name);
            if event[field] == value {
                return event;
            }
        }
    }

    /// Changes the configuration file.
    pub fn edit(&self, from: &str, to: &str) {
        let path = self.directory.path().join("dhp-mn.toml");
        let text = std::fs::read_to_string(&path).expect("readable");
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).expect("written");
    }

    /// `dhp-mn reload`: whether it was taken over, and what was said.
    pub fn reload(&self) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_dhp-mn"))
            .args(["reload", "--socket"])
            .arg(self.directory.path().join("dhp-mn.sock"))
            .output()
            .expect("an answer");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// Has it read its configuration again by SIGHUP.
    pub fn hang_up(&self) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).expect("an identifier"));
        kill(id, Signal::SIGHUP).expect("a signal");
    }

    /// `dhp-mn status --json`.
    pub fn status(&self) -> serde_json::Value {
        self.ask(&["status", "--json"])
    }

    /// Runs a command of `dhp-mn` that ends the agent, and waits for that.
    pub fn end_by(mut self, arguments: &[&str]) -> tempfile::TempDir {
        let status = Command::new(env!("CARGO_BIN_EXE_dhp-mn"))
            .args(arguments)
            .arg("--socket")
            .arg(self.socket())
            .status();
        assert!(status.expect("dhp-mn runs").success());
        assert!(self.child.wait().expect("the agent ends").success());
        let empty = tempfile::tempdir().expect("a directory");
        std::mem::replace(&mut self.directory, empty)
    }

    /// The agent's socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("dhp-mn.sock")
    }

    /// What a command of `dhp-mn` answers.
    pub fn ask(&self, arguments: &[&str]) -> serde_json::Value {
        let output = Command::new(env!("CARGO_BIN_EXE_dhp-mn"))
            .args(arguments)
            .arg("--socket")
            .arg(self.directory.path().join("dhp-mn.sock"))
            .output()
            .expect("a status");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Ends it with a signal, and waits for that.
    pub fn end(mut self, signal: Signal) -> (std::process::ExitStatus, tempfile::TempDir) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).expect("an identifier"));
        kill(id, signal).expect("a signal");
        let status = self.child.wait().expect("the agent ends");
        let directory = std::mem::replace(
            &mut self.directory,
            tempfile::tempdir().expect("a directory"),
        );
        (status, directory)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
    }
}

/// A field that is an address.
pub fn address(event: &serde_json::Value, field: &str) -> Ipv6Addr {
    event[field]
        .as_str()
        .expect("a field")
        .parse()
        .expect("an address")
}
