//! tshark and scapy as processes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Values of every field, in the order of their appearance.
pub type Fields = BTreeMap<String, Vec<String>>;

/// What tshark makes of each packet of a capture.
pub fn tshark(capture: &Path) -> Vec<Fields> {
    let options = ["-n", "-T", "json", "--no-duplicate-keys", "-r"];
    let mut command = Command::new("tshark");
    let output = run(command.args(options).arg(capture), "tshark", "tshark");
    let packets: Vec<Value> = serde_json::from_slice(&output.stdout).expect("tshark's JSON");
    packets
        .iter()
        .map(|packet| {
            let mut fields = Fields::new();
            collect(&packet["_source"]["layers"], &mut fields);
            fields
        })
        .collect()
}

/// Runs `scapy_peer.py`, and gives its lines.
pub fn scapy(arguments: &[&str]) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/scapy_peer.py");
    let mut command = Command::new(python_with_scapy());
    let output = run(
        command.arg(script).args(arguments),
        "scapy",
        "python3-scapy",
    );
    let text = String::from_utf8(output.stdout).expect("scapy's lines");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// Debian's scapy belongs to Debian's interpreter, which need not be the first in the path.
fn python_with_scapy() -> &'static str {
    let has_scapy = |python: &&str| {
        Command::new(python)
            .args(["-c", "import scapy"])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    ["/usr/bin/python3", "python3"]
        .into_iter()
        .find(has_scapy)
        .expect("scapy for python3: install python3-scapy, or run deploy/test, which does")
}

fn run(command: &mut Command, tool: &str, package: &str) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{tool}: {error}: install {package}, or run deploy/test"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool}: {errors}");
    output
}

/// Every leaf of a tree, by the name of the nearest field above it.
fn collect(value: &Value, fields: &mut Fields) {
    let Value::Object(members) = value else {
        return;
    };
    for (name, value) in members {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            match value {
                Value::String(text) => fields.entry(name.clone()).or_default().push(text.clone()),
                tree => {
                    fields.entry(name.clone()).or_default();
                    collect(tree, fields);
                }
            }
        }
    }
}
