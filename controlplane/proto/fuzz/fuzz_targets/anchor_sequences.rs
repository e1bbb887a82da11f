//! Packets, commands and time in any order: whatever the anchor has begun ends, and it never panics
#![no_main]

use dhp_proto_fuzz::{script::Script, world::World};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    World::new().play(&Script::read(octets));
});
