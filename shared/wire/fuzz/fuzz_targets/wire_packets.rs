//! IPv6 packets: chains of extension headers, the errors that answer them, the messages in them
#![no_main]

use dhp_wire_fuzz::checks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    checks::ethernet_frame(octets);
    checks::ipv6_packet(octets);
});
