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
use crate::demo_lab;
use crate::fuzz_packets::PacketSource;
use crate::lab::LabOptions;
use crate::namespace::{self, Namespace};
use crate::port_driver::PortDriver;
use crate::signalling_options::SignallingOptions;
use crate::state::{self, State};
use crate::stop::Stop;
use crate::wire::{End, open_tap};

const PORT_MAC: [u8; 6] = [0x02, 0xd5, 0, 0, 0xf0, 1];
const OTHER_MAC: [u8; 6] = [0x02, 0xd5, 0, 0, 0xf0, 2];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// Packets between two looks at the daemon's counters; less than its receive ring holds.
const BURST: u64 = 1024;

/// How long the daemon's counters may stand still.
const PATIENCE: Duration = Duration::from_secs(5);
/// RFC 8200 §4.5: "If insufficient fragments are received to complete reassembly of a packet within 60 seconds …, reassembly of
/// that packet must be abandoned".
const FRAGMENTS_KEPT: Duration = Duration::from_secs(60);
/// The daemon's way to its own host: what the host sends into it is received, and counted, too.
const HOST_PORT: &str = "dhp0";

/// Packets at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    /// Received by the workers, from all ports.
    received: u64,
    /// Sent to the daemon by its own host.
    from_host: u64,
}

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
        fs::write(
            &path,
            demo_lab::home_proxy(None).render(
                &socket,
                PortDriver::AfPacket,
                SignallingOptions::default(),
            ),
        )?;
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
            Ok(target.ask("status").ok().map(drop))
        })?;
        Ok(target)
    }

    fn fuzz(&mut self, packets: u64, seed: u64, stop: &Stop) -> Result<()> {
        let mut source = PacketSource::new(seed)?;
        let before = self.counted()?;
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
        self.wait_until_conserved(stop)?;
        println!(
            "{sent} packets, {octets} octets, seed {seed}, in {seconds:.1} s ({:.0} packets/s): each counted, no panic, the daemon answers",
            sent as f64 / seconds
        );
        self.print_outcomes()
    }

    /// The daemon must count what was sent; it gets time for that, as long as its counter goes on.
    fn wait_until_counted(
        &mut self,
        before: Counted,
        sent: u64,
        seed: u64,
        stop: &Stop,
    ) -> Result<()> {
        let mut last = before;
        let mut patience = Instant::now() + PATIENCE;
        loop {
            stop.check()?;
            self.daemon
                .check()
                .with_context(|| format!("after {sent} packets of seed {seed}"))?;
            let now = self.counted()?;
            let from_host = now.from_host.saturating_sub(before.from_host);
            let counted = now.received.saturating_sub(before.received);
            if counted == sent.saturating_add(from_host) {
                return Ok(());
            }
            if now != last {
                last = now;
                patience = Instant::now() + PATIENCE;
            }
            if Instant::now() >= patience {
                bail!(
                    "{counted} packets counted; {sent} sent, {from_host} from the daemon's own host (seed {seed})"
                );
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

    fn counted(&self) -> Result<Counted> {
        loop {
            let from_host = self.sent_by_host()?;
            let received = sum(&self.ask("counters")?, "counters", &["rx_packets"]);
            // A packet between the two looks would be in one of them only.
            if self.sent_by_host()? == from_host {
                return Ok(Counted {
                    received,
                    from_host,
                });
            }
        }
    }

    fn sent_by_host(&self) -> Result<u64> {
        let links = self
            .namespace
            .output("ip", &["-s", "-j", "link", "show", "dev", HOST_PORT])?;
        let links: Value = serde_json::from_str(&links).context("ip gives no JSON")?;
        let packets = links
            .pointer("/0/stats64/tx/packets")
            .and_then(Value::as_u64);
        packets.with_context(|| format!("{HOST_PORT} has no statistics"))
    }

    /// Every packet must have ended in exactly one place: sent, handed over, or dropped by a name. Fragments that wait for the
    /// rest of their packet end with their time.
    fn wait_until_conserved(&self, stop: &Stop) -> Result<()> {
        let patience = Instant::now() + FRAGMENTS_KEPT + PATIENCE;
        loop {
            stop.check()?;
            let (came, went) = self.came_and_went()?;
            if came == went {
                return Ok(());
            }
            if Instant::now() >= patience {
                bail!("{came} packets came or were made, {went} went or were dropped by a name");
            }
            self.drain();
            stop.sleep(Duration::from_millis(100))?;
        }
    }

    fn came_and_went(&self) -> Result<(u64, u64)> {
        let all = self.ask("counters")?;
        let came = sum(
            &all,
            "counters",
            &[
                "rx_packets",
                "injected",
                "icmp_sent",
                "outer_fragments",
                "flow_copies",
            ],
        );
        let went = [
            "tx_packets",
            "punted_mobility",
            "punted_query",
            "punted_errors",
            "relayed_errors",
            "fragments_joined",
            "host_has_copy",
        ];
        // An ICMPv6 error that was not sent for its rate never was a packet.
        let never = sum(&all, "drops", &["icmp_rate_limited"]);
        let went = sum(&all, "counters", &went) + sum(&all, "drops", &[]) - never;
        Ok((came, went))
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

/// The sum over all workers of these counters of a kind, of all where none is named.
fn sum(answer: &Value, kind: &str, names: &[&str]) -> u64 {
    let workers = answer
        .get("workers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let counters = workers
        .filter_map(|worker| worker.get(kind)?.as_object())
        .flatten();
    let wanted = counters.filter(|(name, _)| names.is_empty() || names.contains(&name.as_str()));
    wanted.filter_map(|(_, value)| value.as_u64()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_over_workers() {
        let answer = serde_json::json!({"workers": [
            {"counters": {"rx_packets": 3, "tx_packets": 1}, "drops": {"no_route": 2}},
            {"counters": {"rx_packets": 4}, "drops": {"no_route": 1, "multicast": 5}},
        ]});
        assert_eq!(sum(&answer, "counters", &["rx_packets"]), 7);
        assert_eq!(sum(&answer, "drops", &[]), 8);
    }
}
