//! A mobile node's key is changed: for a while it has two security associations, then the old one goes.

use std::time::Duration;

use dhp_proto::anchor::{AnchorAction, AnchorCommand, AnchorConfig, AssociationView};
use dhp_proto::auth::Key;
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_wire::codepoints::{CodePoints, revocation_trigger};
use dhp_wire::mobility::{Message, MobilityHeader};
use dhp_wire::packet::MobilityPacket;

use crate::harness::{CARE_OF_2, HOME, Mn, World, config, mn1, mn2};
use crate::message::{Dmip, Update};

/// The association that is to follow that of [`mn1`].
fn successor(spi: u32, key: u8) -> Mn {
    let before = mn1().security;
    let algorithm = before.algorithm();
    let security = SecurityAssociation::new(
        spi,
        before.mn_id().clone(),
        Key::new(vec![key; algorithm.key_len()]),
        algorithm,
        before.permissions().clone(),
    );
    Mn {
        security: security.unwrap(),
    }
}

fn with(associations: &[&Mn]) -> AnchorConfig {
    let associations = associations.iter().map(|mn| mn.security.clone());
    AnchorConfig {
        security_associations: associations.chain([mn2().security]).collect(),
        ..config()
    }
}

fn association(world: &World, spi: u32) -> AssociationView<'_> {
    let mut views = world.anchor.security_associations();
    views.find(|view| view.spi == spi).unwrap()
}

/// The SPI of the Binding Revocation Indication that the anchor wants sent.
fn spi_of_next(world: &mut World) -> u32 {
    let Some(AnchorAction::Transmit(packet)) = world.anchor.poll_action() else {
        panic!("no packet")
    };
    let parsed = MobilityPacket::parse(&packet).unwrap();
    let header = MobilityHeader::parse(parsed.mh).unwrap();
    match header.message(&CodePoints::default()).unwrap() {
        Message::BindingRevocation { options, .. } => options.auth().unwrap().spi,
        other => panic!("no revocation: {other:?}"),
    }
}

/// The whole way: both keys are good, then the new one alone, and what was bound is bound all the time.
#[test]
fn bindings_go_on_while_a_key_is_changed() {
    let (old, new) = (mn1(), successor(512, 0x77));
    let mut world = World::new();
    let granted = world.ask(&Dmip::dhoa_request(900).by(&old)).dhoa();
    world.ask(&Update::new(HOME, 44).by(&old));

    assert_eq!(world.reconfigure(with(&[&old, &new])), Ok(Vec::new()));
    assert_eq!(association(&world, 512).sequence, None, "an empty window");
    assert_eq!(association(&world, 256).sequence, Some(900));
    assert_eq!(world.ask(&Dmip::update(901, &[granted]).by(&old)).status, 0);
    // Numbers of another association: lower, and yet later.
    let moved = Dmip::update(5, &[granted]).from(CARE_OF_2).by(&new);
    assert_eq!(world.ask(&moved).status, 0);
    assert_eq!(world.care_of(granted), Some(CARE_OF_2));
    // Classic updates have one space for each home address, whatever the key.
    assert_eq!(world.ask(&Update::new(HOME, 44).by(&new)).status, 135);
    assert_eq!(world.ask(&Update::new(HOME, 45).by(&new)).status, 0);
    // The assignment is the mobile node's, not the key's.
    assert_eq!(world.ask(&Dmip::dhoa_request(6).by(&new)).dhoa(), granted);

    assert_eq!(world.reconfigure(with(&[&new])), Ok(Vec::new()));
    world.ignored(&Dmip::update(902, &[granted]).by(&old));
    assert_eq!(world.ask(&Dmip::update(7, &[granted]).by(&new)).status, 0);
    assert_eq!(world.held_by(&new), [HOME, granted]);
}

/// An SPI that comes back has a new key and an empty window: what the association before it has numbered is not later than
/// what this one numbers.
#[test]
fn an_spi_may_be_used_again() {
    let (first, second, third) = (mn1(), successor(512, 0x77), successor(256, 0x78));
    let mut world = World::new();
    let granted = world.ask(&Dmip::dhoa_request(9_000).by(&first)).dhoa();
    // The second has not touched the binding when the first goes.
    world.reconfigure(with(&[&second])).unwrap();
    world.reconfigure(with(&[&second, &third])).unwrap();
    let moved = Dmip::update(3, &[granted]).from(CARE_OF_2).by(&third);
    assert_eq!(world.ask(&moved).status, 0);
    assert_eq!(world.care_of(granted), Some(CARE_OF_2));
}

/// The same of an SPI that another mobile node gets.
#[test]
fn an_spi_that_changes_hands_begins_anew() {
    let (first, second) = (mn1(), successor(512, 0x77));
    let mut world = World::new();
    world.ask(&Dmip::dhoa_request(9_000).by(&first));
    let of_another = SecurityAssociation::new(
        256,
        MnId::nai("mn3@example.net"),
        Key::new(vec![3; first.security.algorithm().key_len()]),
        first.security.algorithm(),
        Permissions::default(),
    );
    let mut handed_over = with(&[&second]);
    handed_over.security_associations.push(of_another.unwrap());
    world.reconfigure(handed_over).unwrap();
    let view = association(&world, 256);
    assert_eq!(
        (view.mn.to_string(), view.sequence),
        ("mn3@example.net".to_owned(), None)
    );
}

/// What tells an operator when the old key may go, and who uses a wrong one.
#[test]
fn use_and_refusals_are_told_by_association() {
    let (old, new) = (mn1(), successor(512, 0x77));
    let mut world = World::with(with(&[&old, &new]));
    assert_eq!(association(&world, 256).heard_ns, None);
    world.ask(&Update::new(HOME, 1).by(&old));
    let first = world.now.mono_ns;
    world.wait(Duration::from_secs(1));
    world.ask(&Dmip::dhoa_request(1).by(&new));
    let (old_view, new_view) = (association(&world, 256), association(&world, 512));
    assert_eq!(old_view.heard_ns, Some(first));
    assert_eq!(new_view.heard_ns, Some(world.now.mono_ns));

    // A wrong MAC says nothing of its owner, nor does what was heard before.
    world.wait(Duration::from_secs(1));
    let impostor = successor(256, 0x11);
    assert_eq!(world.ask(&Dmip::dhoa_request(2).by(&impostor)).status, 146);
    assert_eq!(world.ask(&Update::new(HOME, 2).by(&impostor)).status, 146);
    assert_eq!(world.ask(&Update::new(HOME, 1).by(&old)).status, 135);
    let view = association(&world, 256);
    assert_eq!((view.heard_ns, view.refused), (Some(first), 2));
    assert_eq!(association(&world, 512).refused, 0);

    let nodes: Vec<_> = world.anchor.mobile_nodes_from(0, None).collect();
    let node = nodes[0].as_ref().unwrap();
    let spis: Vec<u32> = node.associations.iter().map(|view| view.spi).collect();
    assert_eq!((nodes.len(), spis), (2, vec![256, 512]));
    assert_eq!((node.number, node.dhoas.len(), node.quarantined), (0, 1, 0));
    let wanted = mn2();
    let mut found = world
        .anchor
        .mobile_nodes_from(0, Some(wanted.security.mn_id()));
    assert_eq!(found.next(), Some(None));
    let found = found.next().flatten().unwrap();
    assert_eq!((found.number, found.id), (1, wanted.security.mn_id()));
}

/// RFC 5846 §6.1: "using the same underlying security association" as the registration, which is the one last used.
#[test]
fn a_mobile_node_is_spoken_to_with_the_key_that_it_uses() {
    let (old, new) = (mn1(), successor(512, 0x77));
    let mut world = World::with(with(&[&old, &new]));
    for (sequence, mn) in [(1, &old), (2, &new), (3, &old)] {
        world.ask(&Update::new(HOME, sequence).by(mn));
        world.anchor.handle_command(
            world.now,
            AnchorCommand::Revoke {
                home_address: HOME,
                trigger: revocation_trigger::ADMINISTRATIVE,
            },
        );
        assert_eq!(spi_of_next(&mut world), mn.security.spi());
        world.command(AnchorCommand::Release { home_address: HOME });
        assert_eq!(world.care_of(HOME), None);
        world.wait(Duration::from_secs(1));
    }
}
