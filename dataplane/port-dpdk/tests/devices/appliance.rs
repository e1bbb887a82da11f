//! A worker on DPDK ports, on a thread of its own

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use dhp_engine::{IdlePolicy, WakeFd, Worker, WorkerConfig};
use dhp_port_dpdk::DpdkWorkerPort;
use dhp_segment::{Geometry, Route, RouteAction, Segment};

/// Runs until it is dropped.
pub struct Appliance {
    pub segment: Segment,
    stop: Arc<AtomicBool>,
    wake: WakeFd,
    thread: Option<JoinHandle<()>>,
}

/// Tables in which `local` is an address of the box, and nothing else is known.
pub fn segment(local: Ipv6Addr) -> Segment {
    let geometry = Geometry {
        workers: 1,
        home_addresses: 16,
        templates: 32,
        next_hops: 16,
        routes: 16,
        flow_sets: 0,
        flows: 0,
        meters: 0,
        optimized_routes: 0,
        ring_slots: 16,
    };
    let segment = Segment::anonymous(&geometry).expect("a segment");
    let route = Route {
        prefix: local,
        len: 128,
        action: RouteAction::Local,
    };
    let mut writer = segment.writer().expect("the writer");
    assert!(writer.publish_routes(&[route]).expect("room"));
    segment
}

impl Appliance {
    /// Each of `exceptions` is a port and its exception port.
    pub fn start(
        segment: Segment,
        ports: Vec<DpdkWorkerPort>,
        exceptions: &[(usize, usize)],
    ) -> Self {
        let config = WorkerConfig {
            idle: IdlePolicy::default(),
            ..WorkerConfig::default()
        };
        let reader = segment.reader(0).expect("the reader");
        let mut worker = Worker::new(config, ports, None, reader).expect("a worker");
        for (port, exception) in exceptions {
            worker = worker
                .with_exception_port(*port, *exception)
                .expect("free ports");
        }
        let stop = Arc::new(AtomicBool::new(false));
        let wake = WakeFd::new().expect("an eventfd");
        let (stopped, bell) = (Arc::clone(&stop), wake.clone());
        let thread =
            std::thread::spawn(move || worker.run(&stopped, &bell).expect("no core asked for"));
        Self {
            segment,
            stop,
            wake,
            thread: Some(thread),
        }
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.wake.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the worker panicked");
        }
    }
}
