//! Mobility Headers: parsed, kept, written and parsed again, whatever the code points
#![no_main]

use dhp_wire_fuzz::checks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    checks::mobility_header(octets);
});
