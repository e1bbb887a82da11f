//! Whatever happens, in whatever weather.

use dhp_proto::mobile_node::MnCommand;
use proptest::prelude::*;

use crate::world::{MS, SECOND, Weather, World, care_of};

#[derive(Debug, Clone, Copy)]
enum Step {
    Talk,
    Move(u16),
    LoseCareOf,
    Proxy,
    Permit(bool),
    Pass(u64),
    RestartCorrespondent(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Talk),
        4 => (1_u16..5).prop_map(Step::Move),
        1 => Just(Step::LoseCareOf),
        1 => Just(Step::Proxy),
        1 => any::<bool>().prop_map(Step::Permit),
        4 => (1_u64..3000).prop_map(|ms| Step::Pass(ms * MS)),
        2 => (1_u64..300).prop_map(|seconds| Step::Pass(seconds * SECOND)),
        1 => (2_u8..200).prop_map(Step::RestartCorrespondent),
    ]
}

fn weather() -> impl Strategy<Value = Weather> {
    (0_u64..40, 0_u64..40, 0_u64..200).prop_map(|(loss, repeats, jitter_ms)| Weather {
        loss,
        repeats,
        jitter_ns: jitter_ms * MS,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What the mobile node holds for optimized the correspondent has bound, unless it has lost all that it knew; and when the
    /// weather clears, the route is optimized.
    #[test]
    fn both_ends_agree(
        seed in any::<u8>(),
        weather in weather(),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut world = World::new(seed);
        world.weather = weather;
        // The home address is the same all the while, or the flow begins again.
        let mut is_restarted = false;
        for one in steps {
            match one {
                Step::Talk if world.has_dhoa() => world.talk(),
                Step::Move(network) => world.move_to(network),
                Step::LoseCareOf => world.lose_care_of(),
                Step::Proxy if world.has_dhoa() => {
                    world.command(MnCommand::ProxyRoute(world.ends()));
                }
                Step::Permit(permitted) => world.permit(permitted),
                Step::Pass(ns) => world.pass(ns),
                Step::RestartCorrespondent(seed) => {
                    world.restart_cn(seed);
                    is_restarted = true;
                }
                Step::Talk | Step::Proxy => {}
            }
            if let Some(care_of) = world.optimized() && !is_restarted {
                prop_assert!(world.bound.values().any(|bound| *bound == care_of));
            }
        }
        world.weather = Weather::default();
        world.permit(true);
        world.move_to(5);
        world.pass(200 * SECOND);
        world.move_to(6);
        // An earlier failure lets a correspondent rest for ten minutes at most.
        for _ in 0..22 {
            world.talk();
            world.sends_data();
            world.pass(30 * SECOND);
        }
        prop_assert_eq!(world.optimized(), Some(care_of(6)));
        prop_assert_eq!(world.bound.get(&world.ends()), Some(&care_of(6)));
        prop_assert!(world.sends_data());
        // No more than the limits allow: three of a kind a second.
        let counters = world.node.counters();
        prop_assert!(counters.route_tests_sent < 2000, "{:?}", counters);
    }
}
