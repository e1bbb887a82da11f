//! Scripts as the fuzzer plays them, some at every test

use proptest::collection::vec;
use proptest::prelude::*;

use crate::mutation::{Numbers, mutate};
use crate::script::Script;
use crate::seeds::seeds;

#[test]
fn every_seed_plays_in_every_setup() {
    for mut script in seeds() {
        for setup in 0..16 {
            script.setup = setup;
            assert_eq!(Script::read(&script.write()), script);
            script.play();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 128 } else { 2048 }))]

    #[test]
    fn any_octets_are_a_script(octets in vec(any::<u8>(), 0..2000)) {
        Script::read(&octets).play();
    }

    #[test]
    fn of_seeds_one_after_the_other_and_mutated(
        setup in 0..16_u8,
        choices in vec((0..seeds().len(), 1..u64::MAX), 1..40),
    ) {
        let seeds = seeds();
        let mut octets = vec![setup];
        for (choice, seed) in choices {
            let mut events = seeds[choice].write()[1..].to_vec();
            mutate(&mut events, &mut Numbers(seed));
            octets.extend(events);
        }
        Script::read(&octets).play();
    }
}
