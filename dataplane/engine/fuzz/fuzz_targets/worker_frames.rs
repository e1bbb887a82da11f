//! Frames, injected packets, time and changes of bindings at one worker: see `script.rs` for the meaning of the octets, and for
//! what is checked
#![no_main]

use dhp_engine_fuzz::script::Script;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| Script::read(octets).play());
