//! What we send, read by tshark and scapy; what scapy sends, read by us. Both tools must be there: `deploy/test` installs them.

mod cases;
mod expected;
mod pcap;
mod received;
mod tools;

use std::path::PathBuf;

use cases::{Case, cases};
use expected::EXPECTED;

/// A capture of every case, in a directory that goes with it.
fn capture(cases: &[Case]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("sent.pcap");
    let octets = pcap::pcap(cases.iter().map(|case| &case.packet[..]));
    std::fs::write(&file, octets).expect("a capture");
    (directory, file)
}

/// That every expected value is among those of its field.
fn assert_fields(who: &str, name: &str, expected: expected::Fields, found: &tools::Fields) {
    for (field, value) in expected {
        let values = found.get(*field).map_or(&[][..], Vec::as_slice);
        assert!(
            values.iter().any(|found| found == value),
            "{who} on {name}: {field} is {values:?}, not {value}"
        );
    }
}

#[test]
fn every_packet_has_its_expectations() {
    let names: Vec<_> = cases().iter().map(|case| case.name).collect();
    let expected: Vec<_> = EXPECTED.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, expected);
}

#[test]
fn tshark_decodes_what_we_send() {
    let cases = cases();
    let (_directory, file) = capture(&cases);
    let decoded = tools::tshark(&file);
    assert_eq!(decoded.len(), cases.len());
    for ((name, expected, _), found) in EXPECTED.iter().zip(&decoded) {
        assert_fields("tshark", name, expected, found);
        // Wireshark 4.0 begins to read the options of a Home Agent Switch six octets too early; the address it finds.
        let is_misread = *name == "ha-switch";
        assert!(
            is_misread || !found.contains_key("_ws.malformed"),
            "tshark on {name}: malformed"
        );
        if found.contains_key("icmpv6.checksum") {
            assert_fields("tshark", name, &[("icmpv6.checksum.status", "1")], found);
        }
    }
}

#[test]
fn scapy_decodes_what_we_send() {
    let cases = cases();
    let (_directory, file) = capture(&cases);
    let decoded = tools::scapy(&["decode", file.to_str().expect("a path")]);
    assert_eq!(decoded.len(), cases.len());
    for ((name, _, expected), line) in EXPECTED.iter().zip(&decoded) {
        let found = serde_json::from_value(line["fields"].clone()).expect("fields");
        assert_fields("scapy", name, expected, &found);
        assert_eq!(line["checksum_is_right"], true, "scapy on {name}");
    }
}

#[test]
fn we_decode_what_scapy_sends() {
    let sent = tools::scapy(&["encode"]);
    let names: Vec<_> = sent.iter().map(|line| line["name"].as_str()).collect();
    let expected: Vec<_> = received::EXPECTED
        .iter()
        .map(|(name, _)| Some(*name))
        .collect();
    assert_eq!(names, expected);
    for ((name, expected), line) in received::EXPECTED.iter().zip(&sent) {
        let packet = line["packet"].as_str().expect("hexadecimal");
        assert_eq!(received::read(packet), *expected, "{name}");
    }
}
