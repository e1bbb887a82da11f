//! Messages of Neighbor Discovery, Home Agent Address Discovery and Mobile Prefix Discovery
#![no_main]

use dhp_wire_fuzz::checks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| checks::icmpv6_message(octets));
