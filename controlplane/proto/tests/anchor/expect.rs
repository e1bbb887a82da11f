//! Looking ahead at packets.

use dhp_wire::mobility::Lifetime;

use crate::harness::{HOME, World, mn1};
use crate::message::{Dmip, Update};

/// It finds what updates are about, skips everything else, and changes nothing: the same packets have the same answers then.
#[test]
fn looking_ahead_finds_addresses_and_changes_nothing() {
    let (mut world, mut other) = (World::new(), World::new());
    let request = Dmip::dhoa_request(1).by(&mn1());
    let granted = world.ask(&request).dhoa();
    other.ask(&request);
    let packets = [
        Dmip::update(2, &[granted]).by(&mn1()),
        Update::new(HOME, 1).by(&mn1()),
        Dmip::query().plain(),
        Dmip::update(3, &[]).plain(),
        vec![0x60; 40],
        Vec::new(),
    ];
    let mut expected = Vec::new();
    let all = packets.iter().map(Vec::as_slice);
    world.anchor.expect(all, &mut expected);
    let found: Vec<_> = expected.iter().map(|one| one.home_address).collect();
    assert_eq!(found, [granted, HOME]);
    for packet in &packets {
        assert_eq!(world.feed(packet), other.feed(packet));
    }
    let remaining = |world: &World| -> Vec<Lifetime> {
        let bindings = world.anchor.bindings(world.now);
        bindings.map(|binding| binding.remaining).collect()
    };
    assert_eq!(remaining(&world), remaining(&other));
    assert_eq!(world.bound_count(), 2);
}
