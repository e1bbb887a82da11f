//! Threads and the memory of packets

use dhp_engine::{PacketPool, Port};
use dhp_port_dpdk::ThreadRegistration;

use crate::{attach, eal, pool};

#[test]
fn a_thread_is_registered_once_and_can_be_again() {
    std::thread::spawn(|| {
        for _ in 0..3 {
            let registration = ThreadRegistration::new(eal()).expect("a number");
            let nested = ThreadRegistration::new(eal()).expect("the same number");
            drop((nested, registration));
        }
    })
    .join()
    .expect("no panic");
}

/// DPDK has 128 numbers; that a thread's end gives its back is seen by more threads than that, one after the other.
#[test]
fn a_worker_thread_gives_its_number_back_at_its_end() {
    let mut port = attach("net_ring_threads")
        .start(&[pool()])
        .expect("a queue")
        .remove(0);
    for _ in 0..200 {
        port = std::thread::spawn(move || {
            port.enter_thread();
            port.enter_thread();
            port
        })
        .join()
        .expect("no panic");
    }
    std::thread::spawn(|| ThreadRegistration::new(eal()).map(drop))
        .join()
        .expect("no panic")
        .expect("a number is left");
}

#[test]
fn a_pool_ends_at_its_last_mbuf() {
    let pool = pool();
    let mut mbufs = Vec::new();
    while let Some(mbuf) = pool.alloc() {
        mbufs.push(mbuf);
    }
    assert_eq!(mbufs.len(), 2_047);
    drop(mbufs.split_off(1));
    assert_eq!(pool.in_use(), 1);
    // The pool is there for the one that is out.
    drop(pool);
    drop(mbufs);
}
