//! The sections `[[port]]` and `[dpdk]`

use std::convert::Infallible;

use dhp_config::{Located, Section};

use super::{Dpdk, Driver, Port};

/// Read one port. `number` is the port's place in the file.
pub(super) fn port(number: usize, section: Section<'_>) -> Option<Located<Port>> {
    let is_dpdk = section.word("driver", &[("af-packet", false), ("dpdk", true)]);
    let port = match is_dpdk {
        Some(Located { value: true, .. }) => dpdk_port(number, &section),
        _ => {
            let name = section.interface("interface");
            let name = section.require("interface", name, "\"eth0\"");
            name.map(|name| Located {
                value: Port {
                    interface: name.value,
                    driver: Driver::AfPacket,
                },
                span: name.span,
            })
        }
    };
    section.finish();
    port
}

fn dpdk_port(number: usize, section: &Section<'_>) -> Option<Located<Port>> {
    let device = section.text(
        "device",
        "a PCI address such as \"0000:03:00.0\", or a virtual device such as \"net_af_packet0,iface=eth0\"",
        |text| match text.is_empty() || text.contains(char::is_whitespace) {
            true => Err("no device can have that name"),
            false => Ok(text.to_owned()),
        },
    );
    let device = section.require("device", device, "\"0000:03:00.0\"");
    let tap = section.interface("tap");
    let device = device?;
    Some(Located {
        value: Port {
            interface: tap.map_or_else(|| format!("dhp-{number}"), |tap| tap.value),
            driver: Driver::Dpdk {
                device: device.value,
            },
        },
        span: device.span,
    })
}

/// Read `[dpdk]`.
pub(super) fn dpdk(section: Section<'_>) -> Dpdk {
    let eal = section.texts("eal", "options of DPDK such as \"--no-huge\"", |text| {
        Ok::<_, Infallible>(text.to_owned())
    });
    let mbufs = section.integer("mbufs", 2_047..=1 << 22);
    section.finish();
    Dpdk {
        eal: eal.map_or_else(Vec::new, |options| {
            options.into_iter().map(|option| option.value).collect()
        }),
        mbufs: mbufs
            .and_then(|mbufs| u32::try_from(mbufs.value).ok())
            .unwrap_or(16_383),
    }
}
