//! Devices in memory

use dhp_engine::{BATCH_SIZE, Batch, FRAME_HEADROOM, FlushReport, PacketBuf, Port};
use dhp_port_dpdk::DpdkDevice;

use crate::{attach, eal, frame, pool, received, send, settings};

const GROUP: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const SOMEBODY: [u8; 6] = [2, 0, 0, 0, 0, 7];

#[test]
fn frames_pass_in_order_and_each_queue_is_on_its_own() {
    let pools = [pool(), pool()];
    let mut ports = attach("net_ring_loop").start(&pools).expect("two queues");
    let [first, second] = &mut ports[..] else {
        panic!("{} queues", ports.len());
    };
    let mac = first.info().mac;
    assert_eq!((mac[0] & 3, second.info().mac), (2, mac));
    for number in 0..3 {
        send(second, &frame(mac, number));
    }
    assert_eq!(
        second.flush(),
        FlushReport {
            sent: 3,
            bytes: 180,
            failed: 0
        }
    );
    assert_eq!(second.flush(), FlushReport::default());
    assert!(received(first).is_empty());
    let expected: Vec<_> = (0..3).map(|number| frame(mac, number)).collect();
    assert_eq!(received(second), expected);
    assert_eq!((pools[1].in_use(), second.stats().rx_packets), (0, 3));
}

#[test]
fn frames_to_somebody_else_are_left_out() {
    let pool = pool();
    let mut ports = attach("net_ring_others")
        .start(std::slice::from_ref(&pool))
        .expect("a queue");
    let port = &mut ports[0];
    let mac = port.info().mac;
    for (to, number) in [(SOMEBODY, 1), (GROUP, 2), (mac, 3), ([0xff; 6], 4)] {
        send(port, &frame(to, number));
    }
    send(port, &[2, 0, 0]);
    port.flush();
    let numbers: Vec<_> = received(port).iter().map(|frame| frame[59]).collect();
    assert_eq!(numbers, [2, 3, 4]);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_batch_takes_no_more_than_it_has_room_for() {
    let mut ports = attach("net_ring_batch").start(&[pool()]).expect("a queue");
    let port = &mut ports[0];
    let mac = port.info().mac;
    for number in 0..BATCH_SIZE as u8 + 5 {
        send(port, &frame(mac, number));
    }
    port.flush();
    let mut batch = Batch::new();
    assert_eq!(port.rx_burst(&mut batch), BATCH_SIZE);
    assert_eq!(port.rx_burst(&mut batch), 0);
    batch.drain().take(10).for_each(drop);
    assert_eq!(port.rx_burst(&mut batch), 5);
}

/// A ring of `net_ring` has room for 1023.
#[test]
fn what_the_device_refuses_is_counted_and_given_back() {
    let pool = pool();
    let mut ports = attach("net_ring_full")
        .start(std::slice::from_ref(&pool))
        .expect("a queue");
    let port = &mut ports[0];
    let mac = port.info().mac;
    let mut total = FlushReport::default();
    for _ in 0..3 {
        for number in 0..=255 {
            send(port, &frame(mac, number));
            send(port, &frame(mac, number));
        }
        let refused = port.alloc().expect("an mbuf");
        assert!(port.tx(refused).is_err(), "the queue holds 512");
        let report = port.flush();
        total.sent += report.sent;
        total.bytes += report.bytes;
        total.failed += report.failed;
    }
    assert_eq!(
        total,
        FlushReport {
            sent: 1023,
            bytes: 1023 * 60,
            failed: 513
        }
    );
    assert_eq!((pool.in_use(), port.stats().tx_failed), (1023, 513));
    while !received(port).is_empty() {}
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn what_a_queue_holds_at_its_end_is_given_back() {
    let pool = pool();
    let mut ports = attach("net_ring_end")
        .start(std::slice::from_ref(&pool))
        .expect("a queue");
    send(&mut ports[0], &frame(SOMEBODY, 1));
    drop(ports);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn an_mbuf_is_what_the_engine_expects() {
    let pool = pool();
    let mut mbuf = pool.alloc_copy(&[7; 60]).expect("an mbuf");
    assert!(mbuf.headroom() >= FRAME_HEADROOM && mbuf.capacity() >= 2_048);
    assert!(mbuf.trim_front(14) && mbuf.set_len(40));
    assert!(mbuf.prepend(14));
    assert_eq!(mbuf.bytes(), [7; 54]);
    assert!(mbuf.prepend(40));
    assert_eq!(
        (mbuf.bytes().len(), &mbuf.bytes()[40..]),
        (94, &[7; 54][..])
    );
    let headroom = mbuf.headroom();
    assert!(!mbuf.prepend(headroom + 1) && mbuf.prepend(headroom));
    assert_eq!(mbuf.headroom(), 0);
    assert!(!mbuf.trim_front(mbuf.bytes().len() + 1));
    assert!(mbuf.trim_front(mbuf.bytes().len()) && mbuf.bytes().is_empty());
    let room = mbuf.capacity();
    assert!(mbuf.set_len(room) && !mbuf.set_len(room + 1) && !mbuf.set_len(usize::MAX));
    assert!(pool.alloc_copy(&[0; 4_000]).is_none());
    drop(mbuf);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn an_mbuf_gives_the_front_that_it_has_after_a_move_or_stays_as_it_was() {
    let pool = pool();
    let mut mbuf = pool.alloc_copy(&[7; 60]).expect("an mbuf");
    let front = mbuf.prepend_front::<100>(40).expect("room");
    front[..40].fill(1);
    assert_eq!(front[40..], [7; 60]);
    assert_eq!(mbuf.bytes().len(), 100);
    assert!(mbuf.prepend_front::<141>(40).is_none());
    let headroom = mbuf.headroom();
    assert!(mbuf.prepend_front::<0>(headroom + 1).is_none());
    assert!(mbuf.prepend_front::<0>(usize::MAX).is_none());
    assert!(mbuf.trim_to_front::<61>(40).is_none());
    assert!(mbuf.trim_to_front::<0>(usize::MAX).is_none());
    assert_eq!(
        (mbuf.bytes().len(), &mbuf.bytes()[..40]),
        (100, &[1; 40][..])
    );
    assert_eq!(mbuf.trim_to_front::<60>(40), Some(&mut [7; 60]));
    assert_eq!(mbuf.bytes(), [7; 60]);
}

/// As many as there are places are taken, the others stay in the batch, in order.
#[test]
fn a_batch_is_queued_as_far_as_there_is_room() {
    let pool = pool();
    let mut ports = attach("net_ring_places")
        .start(std::slice::from_ref(&pool))
        .expect("a queue");
    let port = &mut ports[0];
    // One frame before, so that of the last batch one is left.
    send(port, &frame(SOMEBODY, 0));
    let mut queued = 1;
    let mut batch = Batch::new();
    while batch.is_empty() {
        for number in 0..BATCH_SIZE {
            let octets = frame(SOMEBODY, number as u8);
            let mbuf = pool.alloc_copy(&octets).expect("an mbuf");
            assert!(batch.push(mbuf).is_ok());
        }
        port.tx_batch(&mut batch);
        queued += BATCH_SIZE - batch.len();
    }
    assert_eq!(batch.len(), 1);
    let last = frame(SOMEBODY, BATCH_SIZE as u8 - 1);
    assert_eq!(batch.iter().next().map(PacketBuf::bytes), Some(&last[..]));
    assert_eq!(port.flush().sent, queued as u64);
}

#[test]
fn a_device_tells_what_it_is_and_counts() {
    let device = attach("net_ring_tells");
    assert_eq!(device.info().name, "net_ring_tells");
    assert!(device.info().mtu >= 1500);
    assert!(!device.capabilities().rss_ipv6);
    let mut ports = device.start(&[pool()]).expect("a queue");
    let mac = ports[0].info().mac;
    send(&mut ports[0], &frame(mac, 1));
    ports[0].flush();
    assert_eq!(received(&mut ports[0]).len(), 1);
    let device = ports[0].device();
    assert!(device.link().up, "{:?}", device.link());
    let xstats = device.xstats();
    let good = |name: &str| {
        xstats
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, count)| *count)
    };
    assert_eq!(
        (good("rx_good_packets"), good("tx_good_packets")),
        (Some(1), Some(1)),
        "{xstats:?}"
    );
}

#[test]
fn a_device_is_one_ports_at_a_time() {
    let device = attach("net_ring_once");
    let again = DpdkDevice::attach(eal(), settings("net_ring_once")).expect_err("it is taken");
    assert!(again.to_string().contains("another port"), "{again}");
    drop(device);
    attach("net_ring_once");
}

#[test]
fn too_many_workers_are_refused_with_the_number_of_queues() {
    let pools: Vec<_> = (0..17).map(|_| pool()).collect();
    let error = attach("net_ring_many")
        .start(&pools)
        .expect_err("16 queues");
    assert!(
        error
            .to_string()
            .contains("17 workers, and the device has 16 queues"),
        "{error}"
    );
}

#[test]
fn a_device_of_no_link_takes_everything_and_gives_nothing_for_us() {
    let pool = pool();
    let mut ports = attach("net_null_sink")
        .start(std::slice::from_ref(&pool))
        .expect("a queue");
    let port = &mut ports[0];
    for number in 0..64 {
        send(port, &frame(SOMEBODY, number));
    }
    assert_eq!(port.flush().sent, 64);
    assert!(received(port).is_empty(), "frames of zeros are for nobody");
    drop(ports);
    assert_eq!(pool.in_use(), 0);
}
