//! The same worker, with its links by `net_pcap` and its packets in mbufs

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};

use dhp_engine::{Batch, FlushReport, Port, PortInfo, PortStats, Worker};
use dhp_port_dpdk::{DeviceSettings, DpdkDevice, DpdkPort, Eal, Mbuf, Mempool};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::appliance::{Appliance, CN, CORE, HOST, ethernet};
use crate::host_port::HostPort;
use crate::recording::{recorded, recording};
use crate::{Outcome, Packets, ROUNDS, setup, time_ns, without_addresses};

fn eal() -> &'static Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    EAL.get_or_init(|| {
        let prefix = format!("--file-prefix=dhp_treatment_{}", std::process::id());
        let options = [
            "--no-huge",
            "--no-shconf",
            "--no-pci",
            "--no-telemetry",
            "-m",
            "256",
            &prefix,
        ];
        let eal = Eal::init(&options.map(str::to_owned)).expect("DPDK without hugepages");
        // Nobody shares anything, and the process ends without a last word.
        std::fs::remove_dir_all(eal.runtime_directory()).expect("a directory of this process");
        eal
    })
}

/// Either kind of port, so that one worker can have both.
enum TestPort {
    Link(DpdkPort),
    Host(HostPort),
}

impl Port for TestPort {
    type Buf = Mbuf;

    fn info(&self) -> &PortInfo {
        match self {
            Self::Link(port) => port.info(),
            Self::Host(port) => port.info(),
        }
    }

    fn rx_burst(&mut self, batch: &mut Batch<Mbuf>) -> usize {
        match self {
            Self::Link(port) => port.rx_burst(batch),
            Self::Host(port) => port.rx_burst(batch),
        }
    }

    fn tx(&mut self, frame: Mbuf) -> Result<(), Mbuf> {
        match self {
            Self::Link(port) => port.tx(frame),
            Self::Host(port) => port.tx(frame),
        }
    }

    fn flush(&mut self) -> FlushReport {
        match self {
            Self::Link(port) => port.flush(),
            Self::Host(port) => port.flush(),
        }
    }

    fn alloc(&mut self) -> Option<Mbuf> {
        match self {
            Self::Link(port) => port.alloc(),
            Self::Host(port) => port.alloc(),
        }
    }

    fn poll_fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }

    fn stats(&self) -> PortStats {
        match self {
            Self::Link(port) => port.stats(),
            Self::Host(port) => port.stats(),
        }
    }
}

/// A link that plays what it is given, and records what leaves.
struct Link {
    directory: tempfile::TempDir,
    device: DpdkDevice,
}

impl Link {
    /// With the packets that arrive. They are for the device's address, which is known when the device is there, and the device
    /// wants to begin to read when it is made: so it reads from a pipe.
    fn new(name: &str, packets: &[&Vec<u8>]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (input, output) = (directory.path().join("in"), directory.path().join("out"));
        mkfifo(&input, Mode::S_IRWXU).expect("a pipe");
        let arguments = format!("rx_pcap={},tx_pcap={}", input.display(), output.display());
        let (give, given) = mpsc::channel::<Vec<u8>>();
        std::thread::spawn(move || -> std::io::Result<()> {
            let mut pipe = std::fs::File::create(&input)?;
            pipe.write_all(&recording(&[]))?;
            pipe.write_all(&given.recv().unwrap_or_default())
        });
        // DPDK knows devices by name, and tests run at once.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let settings = DeviceSettings {
            device: format!("net_pcap_{name}_{number},{arguments}"),
            name: name.to_owned(),
            descriptors: 256,
        };
        let device = DpdkDevice::attach(eal(), settings).expect("a device");
        let to_it = |packet: &&Vec<u8>| ethernet(device.info().mac, packet);
        let frames: Vec<_> = packets.iter().map(to_it).collect();
        give.send(recording(&frames).split_off(recording(&[]).len()))
            .expect("the pipe is read");
        Self { directory, device }
    }

    fn start(self, pool: &Mempool) -> (TestPort, tempfile::TempDir) {
        let mut queues = self
            .device
            .start(std::slice::from_ref(pool))
            .expect("a queue");
        (TestPort::Link(queues.remove(0)), self.directory)
    }
}

/// What becomes of the packets.
pub fn outcome(packets: &Packets) -> Outcome {
    let of_port = |wanted: usize| -> Vec<&Vec<u8>> {
        let on_it = packets.iter().filter(|(port, _)| *port == wanted);
        on_it.map(|(_, packet)| packet).collect()
    };
    let setup = setup();
    let pool = Mempool::new(eal(), 8_191, 2_048, None).expect("memory");
    let (core, core_files) = Link::new("core", &of_port(CORE)).start(&pool);
    let (cn, cn_files) = Link::new("cn", &of_port(CN)).start(&pool);
    let (host, host_sent) = HostPort::new(pool.clone(), &of_port(HOST));
    // The tables of the appliance, without its worker.
    let appliance = Appliance::with(crate::setup());
    drop(appliance.worker);
    let mut control = appliance.control;
    let mut worker = Worker::new(
        setup.config,
        vec![core, cn, TestPort::Host(host)],
        setup.host_port,
        appliance.segment.reader(0).expect("the reader"),
    )
    .expect("a worker");
    for round in 0..ROUNDS {
        worker.poll(time_ns(round));
    }
    let mut punted = Vec::new();
    let mut buffer = [0; dhp_segment::RING_PACKET_BYTES];
    while let Some(punt) = control.punt_pop(0, &mut buffer) {
        punted.push(crate::punt((punt.meta, buffer[..punt.len].to_vec())));
    }
    let counters = appliance.segment.counters(0);
    // Recordings are complete when their devices are closed.
    drop(worker);
    let left = |port: usize, files: tempfile::TempDir| -> Vec<Vec<u8>> {
        let frames = recorded(&files.path().join("out"));
        let frames = frames.iter();
        frames.map(|frame| without_addresses(port, frame)).collect()
    };
    assert_eq!(pool.in_use(), 0);
    let host_sent = std::mem::take(&mut *host_sent.lock().expect("nobody panicked"));
    Outcome {
        sent: [left(CORE, core_files), left(CN, cn_files), host_sent],
        punted,
        counters,
    }
}
