//! Configuring a device: its queues, and how packets are spread over them

use dpdk_sys::{rte_eth_conf, rte_eth_dev_info};

use crate::device::{DpdkDevice, device_info};
use crate::error::{DpdkError, check};
use crate::mempool::Mempool;

/// Configure a queue pair for each pool, and start the device.
pub(crate) fn configure(device: &mut DpdkDevice, pools: &[Mempool]) -> Result<(), DpdkError> {
    let port = device.port_id;
    let subject = device.settings.device.clone();
    let queues = queue_count(device, pools.len())?;
    let info = device_info(port, &subject)?;
    let conf = configuration(device, queues);
    // SAFETY: DPDK copies the configuration.
    let code = unsafe { dpdk_sys::rte_eth_dev_configure(port, queues, queues, &raw const conf) };
    check(code, &subject, "configure the device")?;
    // From here on the device may hold mbufs.
    device.pools = pools.to_vec();
    set_up_queues(device, &info, &conf, pools)?;
    // SAFETY: the device is configured, with all its queues.
    let code = unsafe { dpdk_sys::rte_eth_dev_start(port) };
    check(code, &subject, "start the device")?;
    device.started = true;
    // Neighbour discovery is multicast (RFC 4861). A link without such a filter hears everything anyway.
    // SAFETY: sets a filter of a device that is there.
    let code = unsafe { dpdk_sys::rte_eth_allmulticast_enable(port) };
    if code < 0 && !device.is_virtual() {
        // SAFETY: as above.
        let code = unsafe { dpdk_sys::rte_eth_promiscuous_enable(port) };
        check(code, &subject, "receive multicast")?;
        device.filters = false;
    }
    report(device, queues);
    Ok(())
}

fn queue_count(device: &DpdkDevice, workers: usize) -> Result<u16, DpdkError> {
    let can = device.capabilities;
    let most = can.rx_queues.min(can.tx_queues);
    match u16::try_from(workers) {
        Ok(queues) if queues > 0 && queues <= most => Ok(queues),
        _ => Err(DpdkError::new(
            &device.settings.device,
            "give each worker a queue",
            format!("{workers} workers, and the device has {most} queues"),
        )
        .remedy("fewer workers, or more queues by the device's arguments (net_af_packet0,iface=eth0,qpairs=2)")),
    }
}

fn configuration(device: &DpdkDevice, queues: u16) -> rte_eth_conf {
    let can = device.capabilities;
    // SAFETY: integers, flags and null pointers, for all of which zero is a value: the default.
    let mut conf: rte_eth_conf = unsafe { std::mem::zeroed() };
    conf.rxmode.mtu = device.info.mtu.into();
    if can.fast_free {
        // All that a queue sends is of its worker's one pool, and has no other owner.
        conf.txmode.offloads |= dpdk_sys::DHP_TX_OFFLOAD_FAST_FREE;
    }
    if queues > 1 && can.rss_ipv6 {
        conf.rxmode.mq_mode = dpdk_sys::DHP_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = dpdk_sys::DHP_RSS_IPV6 & device.rss_offloads;
        if can.rss_inner {
            conf.rx_adv_conf.rss_conf.rss_hf |= dpdk_sys::DHP_RSS_INNERMOST;
        }
    }
    conf
}

fn set_up_queues(
    device: &DpdkDevice,
    info: &rte_eth_dev_info,
    conf: &rte_eth_conf,
    pools: &[Mempool],
) -> Result<(), DpdkError> {
    let port = device.port_id;
    let subject = device.settings.device.as_str();
    let (mut receive, mut transmit) = (device.settings.descriptors, device.settings.descriptors);
    // SAFETY: both numbers are read and written.
    let code = unsafe {
        dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(port, &raw mut receive, &raw mut transmit)
    };
    check(code, subject, "choose the length of the rings")?;
    let node = device.numa_node().unwrap_or(0);
    let mut tx_conf = info.default_txconf;
    tx_conf.offloads = conf.txmode.offloads;
    for (queue, pool) in (0..).zip(pools) {
        // SAFETY: the queue is one of those configured; the pool lives as long as the device, which has a handle of it.
        let code = unsafe {
            dpdk_sys::rte_eth_rx_queue_setup(
                port,
                queue,
                receive,
                node,
                &raw const info.default_rxconf,
                pool.as_ptr(),
            )
        };
        check(code, subject, "set up a receive queue")?;
        // SAFETY: the queue is one of those configured; DPDK copies the configuration.
        let code = unsafe {
            dpdk_sys::rte_eth_tx_queue_setup(port, queue, transmit, node, &raw const tx_conf)
        };
        check(code, subject, "set up a transmit queue")?;
    }
    Ok(())
}

fn report(device: &DpdkDevice, queues: u16) {
    let can = device.capabilities;
    let port = device.info.name.as_str();
    if queues > 1 && !can.rss_ipv6 {
        tracing::warn!(
            port,
            device = device.settings.device,
            queues,
            "the device does not spread packets over queues: the first worker gets all that arrives here"
        );
    }
    tracing::info!(
        port,
        device = device.settings.device,
        mac = %dhp_wire::ethernet::MacAddr(device.info.mac),
        mtu = device.info.mtu,
        queues,
        rss = can.rss_ipv6,
        rss_inside_tunnels = can.rss_inner,
        checksums_on_receive = can.rx_checksum,
        checksums_on_transmit = can.tx_checksum,
        link = device.link().text,
        "DPDK device started"
    );
}
