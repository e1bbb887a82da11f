//! `dhp-lab up`: a lab for a person to play with.

use std::time::Duration;

use anyhow::Result;

use crate::demo_lab::DemoLab;
use crate::lab::{Lab, LabOptions};
use crate::stop::Stop;

/// Builds the lab, says how to use it, and keeps it until the stop.
pub fn run(options: LabOptions, networks_only: bool, stop: &Stop) -> Result<()> {
    let mut demo = DemoLab::build(options, None)?;
    demo.lab.start_server("cn", None)?;
    if !networks_only {
        demo.start_anchors(stop)?;
        demo.start_agent(stop)?;
    }
    let mut lab = demo.lab;
    print!("{}", guide(&lab)?);
    while !stop.requested() {
        lab.check()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn guide(lab: &Lab) -> Result<String> {
    let topology = lab.topology()?;
    let mut text =
        String::from("The lab is up. Its nodes (enter one with `dhp-lab shell NODE`):\n");
    for (node, what) in topology.nodes() {
        text.push_str(&format!("  {node:<6}{what}\n"));
    }
    text.push_str("\nIts wires, one way:\n");
    for wire in topology.planned_wires() {
        text.push_str(&format!(
            "  {:<12}{:>3} ms\n",
            format!("{}–{}", wire.left.0, wire.right.0),
            wire.settings.delay.as_millis()
        ));
    }
    let socket = |node: &str| lab.socket(node).display().to_string();
    text.push_str(&format!(
        "
In other terminals:
  dhp-lab shell mn -- curl -o /dev/null http://[2001:db8:c:1::80]/1000000000    on a DHoA through the DHP
  dhp-lab shell mn -- curl -o /dev/null http://[2001:db8:c:2::80]/1000000000    on the home address through the home agent
  dhp-lab move b                                                              and watch them go on
  dhp-mn events --socket {mn}
  dhpctl --socket {dhp} show bindings
  dhpctl --socket {ha} show bindings
  dhp-lab shell mn -- tcpdump -ni wlan0 'ip6[6] == 135 or ip6[6] == 60 or ip6[6] == 43'
Logs: {logs}

Ctrl-C ends the lab and removes it.
",
        mn = socket("mn"),
        dhp = socket("dhp"),
        ha = socket("ha"),
        logs = lab.starter().log_directory().display(),
    ));
    Ok(text)
}
