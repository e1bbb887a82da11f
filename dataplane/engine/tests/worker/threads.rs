//! Ports whose memory or queues know threads

use std::os::fd::BorrowedFd;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::thread::{self, ThreadId};

use dhp_engine::{
    Batch, FlushReport, FrameBuf, FramePool, Link, Port, PortInfo, PortStats, WakeFd, Worker,
    WorkerConfig,
};
use dhp_port_memory::MemoryPort;
use dhp_segment::{Geometry, Segment};

/// A port that remembers where it was entered.
struct Tied<'a> {
    port: MemoryPort,
    entered: &'a Mutex<Vec<ThreadId>>,
}

impl Port for Tied<'_> {
    type Buf = FrameBuf;

    fn enter_thread(&mut self) {
        let mut entered = self.entered.lock().expect("not poisoned");
        entered.push(thread::current().id());
    }

    fn info(&self) -> &PortInfo {
        self.port.info()
    }

    fn rx_burst(&mut self, batch: &mut Batch<FrameBuf>) -> usize {
        assert!(!self.entered.lock().expect("not poisoned").is_empty());
        self.port.rx_burst(batch)
    }

    fn tx(&mut self, frame: FrameBuf) -> Result<(), FrameBuf> {
        self.port.tx(frame)
    }

    fn flush(&mut self) -> FlushReport {
        self.port.flush()
    }

    fn alloc(&mut self) -> Option<FrameBuf> {
        self.port.alloc()
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        self.port.poll_fd()
    }

    fn stats(&self) -> PortStats {
        self.port.stats()
    }
}

#[test]
fn each_port_is_entered_once_on_the_thread_that_works() {
    let entered = Mutex::new(Vec::new());
    let geometry = Geometry {
        workers: 1,
        ..Geometry::default()
    };
    let segment = Segment::anonymous(&geometry).expect("a segment");
    let pool = FramePool::new(8, 2048);
    let port = |name: &str| {
        let info = PortInfo {
            name: name.to_owned(),
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            link: Link::Ethernet,
            host_has_copy: false,
        };
        let (port, _wire) = MemoryPort::new(info, pool.clone(), 4);
        Tied {
            port,
            entered: &entered,
        }
    };
    let ports = vec![port("core0"), port("cn0")];
    let reader = segment.reader(0).expect("the reader");
    let mut worker = Worker::new(WorkerConfig::default(), ports, None, reader).expect("a worker");
    assert!(entered.lock().expect("not poisoned").is_empty());
    let (stop, wake) = (AtomicBool::new(true), WakeFd::new().expect("an eventfd"));
    let id = thread::scope(|scope| {
        let working = scope.spawn(|| {
            worker.run(&stop, &wake).expect("no core asked for");
            thread::current().id()
        });
        working.join().expect("no panic")
    });
    assert_eq!(*entered.lock().expect("not poisoned"), [id, id]);
}
