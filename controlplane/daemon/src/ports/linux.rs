//! An interface of the kernel's, by rtnetlink

use std::sync::Arc;

use dhp_engine::PortStats;
use dhp_port_afpacket::MissedFrames;
use futures::TryStreamExt;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage, Stats64};
use rtnetlink::Handle;

use super::PortView;

/// The interface as the kernel has it now.
pub(super) async fn view(
    handle: &Handle,
    interface: &str,
    missed: &[Arc<MissedFrames>],
) -> PortView {
    let mut links = handle
        .link()
        .get()
        .match_name(interface.to_owned())
        .execute();
    let mut view = PortView {
        name: interface.to_owned(),
        driver: "af-packet",
        ..PortView::default()
    };
    match links.try_next().await {
        Ok(Some(message)) => describe(&mut view, &message),
        Ok(None) => "the kernel does not tell".clone_into(&mut view.link),
        Err(error) => view.link = error.to_string(),
    }
    // The interface has counted them as received.
    let missed = missed.iter().map(|queue| queue.count()).sum();
    view.stats.rx_missed = view.stats.rx_missed.saturating_add(missed);
    view
}

fn describe(view: &mut PortView, message: &LinkMessage) {
    let flags = message.header.flags;
    view.link_up = flags.contains(LinkFlags::Up | LinkFlags::LowerUp);
    view.link = match (view.link_up, flags.contains(LinkFlags::Up)) {
        (true, _) => "up",
        (false, true) => "no carrier",
        (false, false) => "set down",
    }
    .to_owned();
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Mtu(mtu) => view.mtu = *mtu,
            LinkAttribute::Address(octets) => {
                view.mac = octets.as_slice().try_into().unwrap_or_default();
            }
            LinkAttribute::Stats64(stats) => {
                view.stats = port_stats(stats);
                view.counters = counters(stats);
            }
            _ => {}
        }
    }
}

fn port_stats(stats: &Stats64) -> PortStats {
    PortStats {
        rx_packets: stats.rx_packets,
        rx_bytes: stats.rx_bytes,
        rx_missed: stats.rx_missed_errors,
        tx_packets: stats.tx_packets,
        tx_bytes: stats.tx_bytes,
        tx_failed: stats.tx_errors.saturating_add(stats.tx_dropped),
        ..PortStats::default()
    }
}

/// By the names that `/sys/class/net/…/statistics` has.
fn counters(stats: &Stats64) -> Vec<(String, u64)> {
    [
        ("rx_packets", stats.rx_packets),
        ("tx_packets", stats.tx_packets),
        ("rx_bytes", stats.rx_bytes),
        ("tx_bytes", stats.tx_bytes),
        ("rx_errors", stats.rx_errors),
        ("tx_errors", stats.tx_errors),
        ("rx_dropped", stats.rx_dropped),
        ("tx_dropped", stats.tx_dropped),
        ("multicast", stats.multicast),
        ("rx_length_errors", stats.rx_length_errors),
        ("rx_over_errors", stats.rx_over_errors),
        ("rx_crc_errors", stats.rx_crc_errors),
        ("rx_frame_errors", stats.rx_frame_errors),
        ("rx_fifo_errors", stats.rx_fifo_errors),
        ("rx_missed_errors", stats.rx_missed_errors),
        ("tx_carrier_errors", stats.tx_carrier_errors),
        ("tx_fifo_errors", stats.tx_fifo_errors),
    ]
    .map(|(name, count)| (name.to_owned(), count))
    .into()
}
