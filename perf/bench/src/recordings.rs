//! `dhp-bench recordings`: what a packet generator needs to measure a `dhpd` on network cards
//!
//! Mobile nodes are many, and a generator plays files. So there are four: the mobile nodes as sections of a configuration of
//! `dhpd`, the Binding Updates that bind them, the packets of correspondents to their home addresses, and their own out of their
//! tunnels. Addresses are those of `deploy/dhpd.example.toml`.

use std::fs;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use dhp_wire::mobility::Lifetime;
use etherparse::PacketBuilder;

use crate::pcap::Pcap;
use crate::signalling::appliance::ANCHOR;
use crate::signalling::mobile_nodes::MobileNodes;

/// A host behind the port of the correspondents.
const CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
/// Two hours: longer than anybody measures, if `[signalling] max-lifetime` allows it.
const LIFETIME: Lifetime = Lifetime(1_800);
/// Where the generator's frames come from; nobody looks.
const GENERATOR: [u8; 6] = [2, 0, 0, 0, 0, 2];
const NEXT_HEADER_IPV6: u8 = 41;
/// Ethernet, IPv6 and UDP header.
const HEADERS: usize = 14 + 40 + 8;

/// What to record.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Mobile nodes, each with one home address.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..))]
    mobile_nodes: u16,
    /// Octets of an Ethernet frame outside of the tunnel, without checksum; 40 more inside.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(64..=1474))]
    size: u16,
    /// The MAC address of the port of `dhpd` towards the mobile nodes.
    #[arg(long, value_name = "MAC", value_parser = mac)]
    access_mac: [u8; 6],
    /// The MAC address of the port of `dhpd` towards the correspondents.
    #[arg(long, value_name = "MAC", value_parser = mac)]
    correspondent_mac: [u8; 6],
    /// Write the files into this directory.
    #[arg(long, value_name = "DIR", default_value = "recordings")]
    directory: PathBuf,
}

/// Write the files.
///
/// # Errors
/// One cannot be written.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let directory = &arguments.directory;
    fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    let payload = vec![0; usize::from(arguments.size).saturating_sub(HEADERS)];
    let mut nodes = MobileNodes::new(arguments.mobile_nodes, LIFETIME)?;

    let mut register = Pcap::new();
    for _ in 0..arguments.mobile_nodes {
        let mut update = nodes.next_update();
        if let Some(to) = update.first_chunk_mut::<6>() {
            *to = arguments.access_mac;
        }
        register.push(&update)?;
    }
    let (mut downlink, mut uplink) = (Pcap::new(), Pcap::new());
    for (home, care_of) in nodes.addresses() {
        downlink.push(&to_home(arguments.correspondent_mac, home, &payload)?)?;
        uplink.push(&from_care_of(
            arguments.access_mac,
            home,
            care_of,
            &payload,
        )?)?;
    }
    for (name, content) in [
        ("mobile-nodes.toml", nodes.configuration().into_bytes()),
        ("register.pcap", register.into_octets()),
        ("downlink.pcap", downlink.into_octets()),
        ("uplink.pcap", uplink.into_octets()),
    ] {
        let path = directory.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        println!("written: {}", path.display());
    }
    Ok(())
}

fn to_home(mac: [u8; 6], home: Ipv6Addr, payload: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(GENERATOR, mac)
        .ipv6(CORRESPONDENT.octets(), home.octets(), 64)
        .udp(443, 10_000)
        .write(&mut frame, payload)?;
    Ok(frame)
}

fn from_care_of(
    mac: [u8; 6],
    home: Ipv6Addr,
    care_of: Ipv6Addr,
    payload: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let (mut inner, mut frame) = (Vec::new(), Vec::new());
    PacketBuilder::ipv6(home.octets(), CORRESPONDENT.octets(), 64)
        .udp(10_000, 443)
        .write(&mut inner, payload)?;
    PacketBuilder::ethernet2(GENERATOR, mac)
        .ipv6(care_of.octets(), ANCHOR.octets(), 64)
        .write(&mut frame, NEXT_HEADER_IPV6.into(), &inner)?;
    Ok(frame)
}

/// Six octets in hexadecimal, with colons between them.
fn mac(text: &str) -> anyhow::Result<[u8; 6]> {
    let octets = text
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16))
        .collect::<Result<Vec<_>, _>>()?;
    let mac = <[u8; 6]>::try_from(octets).ok();
    let mac = mac.context("a MAC address has six octets, as 52:54:00:12:34:56")?;
    ensure!(mac[0] & 1 == 0, "that is a group, not a card");
    Ok(mac)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::signalling::appliance::Appliance;
    use dhpd::config::LoadedConfig;
    use etherparse::SlicedPacket;

    const NODES: u16 = 50;
    const CONFIGURATION: &str = r#"
        [anchor]
        address = "2001:db8:d::1"
        roles = ["home-agent"]
        [[port]]
        interface = "core0"
        [[pool]]
        prefix = "2001:db8:1:1::/64"
        kind = "home"
    "#;

    #[test]
    fn a_home_agent_reads_the_mobile_nodes_and_binds_them() {
        let mut nodes = MobileNodes::new(NODES, LIFETIME).expect("mobile nodes");
        let text = CONFIGURATION.to_owned() + &nodes.configuration();
        let loaded = LoadedConfig::from_text(Path::new("dhpd.toml"), &text);
        let loaded = loaded.unwrap_or_else(|error| panic!("{}", error.render(false)));
        let read = loaded.config.mobile_nodes.iter();
        assert!(
            read.map(|node| node.home_address)
                .eq(nodes.addresses().map(|(home, _)| Some(home)))
        );

        let appliance =
            Appliance::start(nodes.security_associations(), None).expect("an appliance");
        let patience = Instant::now() + Duration::from_secs(30);
        for _ in 0..NODES {
            appliance.send(&nodes.next_update()).expect("room");
        }
        let mut bound = 0;
        while bound < u64::from(NODES) {
            bound += appliance
                .acknowledgements(&nodes)
                .expect("all are accepted");
            assert!(Instant::now() < patience, "{bound} are bound");
            std::thread::yield_now();
        }
        appliance.stop().expect("a quiet end");
    }

    #[test]
    fn frames_have_the_size_that_was_asked_for_and_the_tunnel_around_it() {
        let (home, care_of) = (CORRESPONDENT, ANCHOR);
        let payload = vec![0; 128 - HEADERS];
        let mac = mac("52:54:00:12:34:56").expect("a MAC address");
        let frame = to_home(mac, home, &payload).expect("a frame");
        assert_eq!(frame.len(), 128);
        let tunnelled = from_care_of(mac, home, care_of, &payload).expect("a frame");
        assert_eq!(tunnelled.len(), 128 + 40);
        assert_eq!(tunnelled.get(..6), Some(&mac[..]));
        SlicedPacket::from_ethernet(&tunnelled).expect("well-formed");
    }

    #[test]
    fn what_is_no_mac_address_of_a_card_is_refused() {
        for text in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:5g",
            "ff:ff:ff:ff:ff:ff",
        ] {
            assert!(mac(text).is_err(), "{text}");
        }
    }
}
