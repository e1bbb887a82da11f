//! `dhp-lab fuzz-port`: a million random and mutated packets into a running daemon's port.
//!
//! The port is a TAP whose other side this program holds, so that nothing but its packets arrives there, and each one
//! must be found in the daemon's counters.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tun_rs::SyncDevice;

use crate::children::{Output, Program, Running, Starter};
use crate::configuration;
use crate::fuzz_packets::PacketSource;
use crate::lab::LabOptions;
use crate::namespace::{self, Namespace};
use crate::state::{self, State};
use crate::stop::Stop;
use crate::wire::{End, open_tap};

const PORT_MAC: [u8; 6] = [0x02, 0xd5, 0, 0, 0xf0, 1];
const OTHER_MAC: [u8; 6] = [0x02, 0xd5, 0, 0, 0xf0, 2];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// Packets between two looks at the daemon's counters; less than its receive ring holds.
const BURST: u64 = 1024;

/// Runs the fuzzer.
pub fn run(options: LabOptions, packets: u64, seed: u64, stop: &Stop) -> Result<()> {
    namespace::check_available()?;
    let state = Arc::new(State::acquire(Path::new(state::DIRECTORY))?);
    let outcome = Target::start(&state, &options, stop)
        .and_then(|mut target| target.fuzz(packets, seed, stop));
    state.release()?;
    outcome
}

/// A daemon in a namespace of its own, with both of its ports in our hands.
struct Target {
    daemon: Running,
    client: String,
    socket: String,
    log: std::path::PathBuf,
    ports: [SyncDevice; 2],
    namespace: Namespace,
}

impl Target {
    fn start(state: &Arc<State>, options: &LabOptions, stop: &Stop) -> Result<Self> {
        let namespace = Namespace::create(state, "fuzz")?;
        namespace.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        let open = |interface, mac| {
            open_tap(End {
                namespace: &namespace,
                interface,
                mac,
            })
        };
        let ports = [open("core0", PORT_MAC)?, open("cn0", OTHER_MAC)?];
        namespace.ip_lines(
            "address add 2001:db8:d::1/128 dev lo
             address add 2001:db8:f:3::2/64 dev core0
             address add 2001:db8:f:4::1/64 dev cn0
             neighbour add 2001:db8:f:3::1 lladdr 02:d5:00:00:f0:03 dev core0 nud permanent
             neighbour add 2001:db8:f:4::2 lladdr 02:d5:00:00:f0:04 dev cn0 nud permanent
             route add default via 2001:db8:f:3::1
             route add 2001:db8:c::/48 via 2001:db8:f:4::2",
        )?;
        let socket = state.directory().join("fuzz.sock");
        let path = state.directory().join("fuzz.toml");
        fs::write(&path, configuration::home_proxy(&socket))?;
        let starter = Starter::new(Arc::clone(state), &options.logs)?;
        let binary = |name: &str| options.binaries.join(name).display().to_string();
        let daemon = starter.start(Program {
            name: "dhpd-fuzz",
            namespace: namespace.name(),
            command: vec![
                binary("dhpd"),
                "run".into(),
                "--config".into(),
                path.display().to_string(),
            ],
            output: Output::Log,
        })?;
        let log = starter.log_directory().join("dhpd-fuzz.log");
        let mut target = Self {
            daemon,
            client: binary("dhpctl"),
            socket: socket.display().to_string(),
            log,
            ports,
            namespace,
        };
        stop.wait_for("dhpd answers", Duration::from_secs(15), || {
            target.daemon.check()?;
            Ok(std::os::unix::net::UnixStream::connect(&socket)
                .ok()
                .map(drop))
        })?;
        Ok(target)
    }

    fn fuzz(&mut self, packets: u64, seed: u64, stop: &Stop) -> Result<()> {
        let mut source = PacketSource::new(seed)?;
        let before = self.received()?;
        let started = Instant::now();
        let mut sent = 0;
        let mut octets = 0;
        let mut frame = Vec::with_capacity(2048);
        while sent < packets {
            stop.check()?;
            for _ in 0..BURST.min(packets - sent) {
                let packet = source.next();
                frame.clear();
                frame.extend_from_slice(&PORT_MAC);
                frame.extend_from_slice(&OTHER_MAC);
                frame.extend_from_slice(&ETHERTYPE_IPV6);
                frame.extend_from_slice(&packet);
                let [port, _] = &self.ports;
                port.send(&frame)
                    .context("the port does not take the packet")?;
                sent += 1;
                octets += frame.len();
            }
            self.drain();
            self.wait_until_counted(before, sent, seed, stop)?;
        }
        let seconds = started.elapsed().as_secs_f64();
        self.check_alive()?;
        println!(
            "{sent} packets, {octets} octets, seed {seed}, in {seconds:.1} s ({:.0} packets/s): each counted, no panic, the daemon answers",
            sent as f64 / seconds
        );
        self.print_outcomes()
    }

    /// The daemon must count what was sent; it gets time for that, as long as its counter goes on.
    fn wait_until_counted(&mut self, before: u64, sent: u64, seed: u64, stop: &Stop) -> Result<()> {
        let mut counted = 0;
        let mut patience = Instant::now() + Duration::from_secs(5);
        loop {
            stop.check()?;
            self.daemon
                .check()
                .with_context(|| format!("after {sent} packets of seed {seed}"))?;
            let now = self.received()?.saturating_sub(before);
            if now == sent {
                return Ok(());
            }
            if now > sent {
                bail!("{now} packets counted, {sent} sent (seed {seed})");
            }
            if now > counted {
                counted = now;
                patience = Instant::now() + Duration::from_secs(5);
            }
            if Instant::now() >= patience {
                bail!("{now} of {sent} packets counted (seed {seed})");
            }
            self.drain();
        }
    }

    /// Takes what the daemon and its kernel send out of the ports, so that they can go on sending.
    fn drain(&self) {
        let mut scratch = [0; 2048];
        for port in &self.ports {
            while port.recv(&mut scratch).is_ok() {}
        }
    }

    fn check_alive(&mut self) -> Result<()> {
        self.daemon.check()?;
        let log = fs::read_to_string(&self.log)
            .with_context(|| format!("cannot read {}", self.log.display()))?;
        if let Some(line) = log.lines().find(|line| line.contains("panicked")) {
            bail!("a panic in {}: {line}", self.log.display());
        }
        let health = self.ask("status")?;
        if health.is_null() {
            bail!("the daemon gives no status");
        }
        Ok(())
    }

    fn received(&self) -> Result<u64> {
        let counters = self.ask("counters")?;
        let workers = counters
            .get("workers")
            .and_then(Value::as_array)
            .context("counters without workers")?;
        let sum = |name: &str| -> u64 {
            let of = |worker: &Value| worker.get("counters")?.get(name)?.as_u64();
            workers.iter().filter_map(of).sum()
        };
        Ok(sum("rx_packets"))
    }

    fn print_outcomes(&self) -> Result<()> {
        let counters = self.ask("counters")?;
        for worker in counters
            .get("workers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            for kind in ["counters", "drops"] {
                let values = worker
                    .get(kind)
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten();
                for (name, value) in values.filter(|(_, value)| value.as_u64() != Some(0)) {
                    println!("  {kind:<9}{name:<32}{value:>12}");
                }
            }
        }
        Ok(())
    }

    fn ask(&self, what: &str) -> Result<Value> {
        let text = self.namespace.output(
            &self.client,
            &["--socket", &self.socket, "--json", "show", what],
        )?;
        serde_json::from_str(&text).with_context(|| format!("dhpctl show {what} gives no JSON"))
    }
}
