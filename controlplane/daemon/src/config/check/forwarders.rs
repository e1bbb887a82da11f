//! Ports, and the workers that serve them

use dhp_config::Problem;

use crate::config::draft::Draft;

pub(super) fn interfaces(draft: &Draft, found: &mut Vec<Problem>) {
    for (index, port) in draft.ports.iter().enumerate() {
        let name = &port.value.interface;
        if let Some(earlier) = draft
            .ports
            .iter()
            .take(index)
            .find(|earlier| earlier.value.interface == *name)
        {
            found.push(
                Problem::new(
                    port.span.clone(),
                    format!("the interface {name} is given twice"),
                    "another interface",
                )
                .related(earlier.span.clone(), "first given here"),
            );
        }
        let device = port.value.driver.device();
        if let Some(earlier) = draft
            .ports
            .iter()
            .take(index)
            .find(|earlier| device.is_some() && earlier.value.driver.device() == device)
        {
            found.push(
                Problem::new(
                    port.span.clone(),
                    format!("the device {} is given twice", device.unwrap_or_default()),
                    "another device",
                )
                .related(earlier.span.clone(), "first given here"),
            );
        }
        let driver = port.value.driver.name();
        if let Some(first) = draft.ports.first()
            && first.value.driver.name() != driver
        {
            found.push(
                Problem::new(
                    port.span.clone(),
                    format!(
                        "a port by {driver} beside one by {}",
                        first.value.driver.name()
                    ),
                    "one driver for all ports: packets stay in the memory of one",
                )
                .related(first.span.clone(), "the other port")
                .help("DPDK takes Linux interfaces too: device = \"net_af_packet0,iface=eth0\""),
            );
        }
        if *name == draft.host_interface.value {
            found.push(
                Problem::new(
                    port.span.clone(),
                    format!("the port {name} has the name of the host interface"),
                    "an interface other than the one that dhpd makes towards the kernel",
                )
                .help("set `interface` in [host] to another name"),
            );
        }
    }
}

pub(super) fn workers(draft: &Draft, found: &mut Vec<Problem>) {
    let (Some(cores), Some(span)) = (&draft.workers.cores, &draft.places_cores) else {
        return;
    };
    if u32::try_from(cores.len()) != Ok(draft.workers.count) {
        found.push(Problem::new(
            span.clone(),
            format!("{} cores for {} workers", cores.len(), draft.workers.count),
            "one core for each worker",
        ));
    }
    for (index, core) in cores.iter().enumerate() {
        if cores.iter().take(index).any(|earlier| earlier == core) {
            found.push(Problem::new(
                span.clone(),
                format!("core {core} is given twice"),
                "a core of its own for each worker, which never gives it up while there are packets",
            ));
        }
    }
}
