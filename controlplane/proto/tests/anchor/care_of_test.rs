//! Section 6.4: a new care-of address is tested.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use dhp_proto::anchor::{
    AnchorConfig, BindingChange, CareOfTestCounters, ReleaseReason, UnderTest,
};
use dhp_wire::codepoints::{DmipType, Status, dmip_flag};
use dhp_wire::mobility::MobilityOption;

use crate::answer::Answer;
use crate::harness::{
    ANCHOR, CARE_OF, CARE_OF_2, HOME, Mn, OWN_DHOA, TEN_MINUTES, World, config, mn1, mn2,
};
use crate::message::{Dmip, Update, dhoa, flow};

const CARE_OF_3: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 3);
const TEST: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_nanos(1);

fn world() -> World {
    World::with(AnchorConfig {
        care_of_test: true,
        ..config()
    })
}

/// The first mobile node's DHoA, bound to [`CARE_OF`], which has passed; numbers up to 2 are used.
fn at_home_with_a_dhoa() -> (World, Ipv6Addr) {
    let mut world = world();
    let answer = world.ask(&Dmip::dhoa_request(1).by(&mn1()));
    let dhoa = assigned(&answer);
    let echo = echo(&answer, Dmip::update(2, &[dhoa]));
    assert_eq!(world.ask(&echo.by(&mn1())).status, 0);
    (world, dhoa)
}

/// The DHoA that an answer assigns, under test or not.
fn assigned(answer: &Answer) -> Ipv6Addr {
    assert!(matches!(answer.status, 0 | 16), "{answer:?}");
    answer.dhoas[0].address
}

/// The update with the cookie of an answer.
fn echo<'a>(answer: &'a Answer, update: Dmip<'a>) -> Dmip<'a> {
    let cookie = answer.cookie.as_deref().expect("a cookie");
    update.option(MobilityOption::Cookie(cookie))
}

fn bid(bid: u16, care_of: Ipv6Addr) -> MobilityOption<'static> {
    MobilityOption::BindingIdentifier {
        bid,
        status: Status(0),
        home_flag: false,
        priority: u8::try_from(bid * 10).expect("small"),
        care_of: Some(IpAddr::V6(care_of)),
    }
}

/// The answers to one packet.
fn ask_all(world: &mut World, packet: &[u8]) -> Vec<Answer> {
    let packets = world.feed(packet);
    packets.iter().map(|packet| Answer::read(packet)).collect()
}

fn test_of(world: &World, home_address: Ipv6Addr) -> Option<UnderTest> {
    let binding = world.anchor.binding(world.now, &home_address);
    binding.expect("bound").test
}

/// BIDs of a home address, with the care-of address that each has and its test.
fn numbered(world: &World, home_address: Ipv6Addr) -> Vec<(u16, Ipv6Addr, Option<UnderTest>)> {
    let binding = world.anchor.binding(world.now, &home_address);
    let care_ofs = binding.expect("bound").care_ofs.iter();
    care_ofs
        .map(|care_of| (care_of.bid, care_of.address, care_of.test))
        .collect()
}

fn counted(world: &World) -> (u64, u64, u64, u64) {
    let CareOfTestCounters {
        begun,
        passed,
        failed,
        abandoned,
    } = world.anchor.counters().care_of_tests();
    (begun, passed, failed, abandoned)
}

fn instead(tested: Ipv6Addr) -> Option<UnderTest> {
    Some(UnderTest {
        tested: Some(tested),
    })
}

const NOTHING_INSTEAD: Option<UnderTest> = Some(UnderTest { tested: None });

/// Without the configuration nothing is tested.
#[test]
fn nothing_is_tested_unless_configured() {
    let mut world = World::new();
    let answer = world.ask(&Dmip::dhoa_request(1).by(&mn1()));
    assert_eq!((answer.status, answer.cookie), (0, None));
    assert_eq!(counted(&world), (0, 0, 0, 0));
}

/// A DHoA Request: 16 and a cookie to the care-of address, which the binding has under test; its echo in a type 5.
#[test]
fn a_new_dhoa_is_under_test_until_the_cookie_is_echoed() {
    let mut world = world();
    let answer = world.ask(&Dmip::dhoa_request(1).by(&mn1()));
    assert_eq!(answer.kind, Some(DmipType::DhoaResponse));
    assert_eq!((answer.status, answer.dhoas[0].status), (16, 0));
    assert_eq!(answer.cookie.as_ref().map(Vec::len), Some(16));
    assert!(answer.is_by_anchor_of(&mn1(), CARE_OF, ANCHOR));
    let dhoa = assigned(&answer);
    assert_eq!(test_of(&world, dhoa), NOTHING_INSTEAD);
    let BindingChange::Bound { test, .. } = world.last_change() else {
        panic!()
    };
    assert_eq!(*test, NOTHING_INSTEAD);
    let echoed = world.ask(&echo(&answer, Dmip::update(2, &[dhoa])).by(&mn1()));
    assert_eq!((echoed.status, echoed.statuses()), (0, vec![0]));
    assert_eq!((echoed.cookie, echoed.destination), (None, CARE_OF));
    assert_eq!(test_of(&world, dhoa), None);
    assert_eq!(counted(&world), (1, 1, 0, 0));
    world.wait(2 * TEST);
    assert_eq!(world.care_of(dhoa), Some(CARE_OF));
}

/// A handoff: the new care-of address is bound at once, with the old one for what exceeds its credit.
#[test]
fn a_handoff_names_the_old_care_of_address_until_the_new_one_has_passed() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let moved = Dmip::update(3, &[dhoa]).from(CARE_OF_2);
    let answer = world.ask(&moved.by(&mn1()));
    assert_eq!((answer.status, answer.destination), (16, CARE_OF_2));
    assert_eq!(world.care_of(dhoa), Some(CARE_OF_2));
    assert_eq!(test_of(&world, dhoa), instead(CARE_OF));
    let echo = echo(&answer, Dmip::update(4, &[dhoa]).from(CARE_OF_2));
    assert_eq!(world.ask(&echo.by(&mn1())).status, 0);
    assert_eq!(test_of(&world, dhoa), None);
    // What has passed is not tested again while it is a care-of address of the binding.
    let refresh = Dmip::update(5, &[dhoa]).from(CARE_OF_2);
    assert_eq!(world.ask(&refresh.by(&mn1())).status, 0);
    assert_eq!(counted(&world), (2, 2, 0, 0));
}

/// "With care-of-test … the answer goes to the CoA", which here is not where the request came from.
#[test]
fn the_cookie_goes_to_the_alternate_care_of_address() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let answer = world.ask(&Dmip::update(3, &[dhoa]).alternate(CARE_OF_2).by(&mn1()));
    assert_eq!((answer.status, answer.destination), (16, CARE_OF_2));
    assert!(answer.is_by_anchor_of(&mn1(), CARE_OF_2, ANCHOR));
    let echo = echo(&answer, Dmip::update(4, &[dhoa]).alternate(CARE_OF_2));
    let echoed = world.ask(&echo.by(&mn1()));
    assert_eq!((echoed.status, echoed.destination), (0, CARE_OF));
    assert_eq!(test_of(&world, dhoa), None);
}

/// Without flag A "only status 16 and statuses ≥ 128 are answered".
#[test]
fn a_test_is_asked_for_though_no_confirmation_was_wanted() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let silent = |sequence| Dmip {
        flags: 0,
        ..Dmip::update(sequence, &[dhoa]).from(CARE_OF_2)
    };
    let answer = world.ask(&silent(3).by(&mn1()));
    assert_eq!(answer.status, 16);
    assert_eq!(world.feed(&echo(&answer, silent(4)).by(&mn1())).len(), 0);
    assert_eq!(test_of(&world, dhoa), None);
}

/// "Not echoed: the old CoA stays", and ends when it would have.
#[test]
fn without_an_echo_the_old_care_of_address_stays() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let end = world
        .anchor
        .binding(world.now, &dhoa)
        .expect("bound")
        .expires_ns;
    world.wait(Duration::from_secs(100));
    world.ask(&Dmip::update(3, &[dhoa]).from(CARE_OF_2).by(&mn1()));
    world.wait(TEST - MOMENT);
    assert_eq!(world.care_of(dhoa), Some(CARE_OF_2));
    world.wait(MOMENT);
    assert_eq!(world.care_of(dhoa), Some(CARE_OF));
    let binding = world.anchor.binding(world.now, &dhoa).expect("bound");
    assert_eq!((binding.expires_ns, binding.test), (end, None));
    assert_eq!(counted(&world), (2, 1, 1, 0));
    world.wait(Duration::from_secs(600));
    assert_eq!(world.care_of(dhoa), None);
}

/// The old care-of address ends meanwhile, so that there is none.
#[test]
fn an_old_care_of_address_whose_lifetime_has_passed_does_not_stay() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    world.wait(Duration::from_secs(595));
    world.ask(&Dmip::update(3, &[dhoa]).from(CARE_OF_2).by(&mn1()));
    assert_eq!(test_of(&world, dhoa), NOTHING_INSTEAD);
    world.wait(TEST);
    let ended = BindingChange::Released {
        home_address: dhoa,
        reason: ReleaseReason::CareOfTestFailed,
    };
    assert_eq!(*world.last_change(), ended);
}

/// "without one the binding and its assignment end", the DHoA quarantined.
#[test]
fn without_an_echo_a_new_dhoa_goes() {
    let mut world = world();
    let dhoa = assigned(&world.ask(&Dmip::dhoa_request(1).by(&mn1())));
    world.wait(TEST);
    assert_eq!((world.care_of(dhoa), world.bound_count()), (None, 0));
    let quarantined: usize = world.anchor.pools().map(|pool| pool.quarantined).sum();
    assert_eq!(quarantined, 1);
    let released = world
        .anchor
        .counters()
        .released(ReleaseReason::CareOfTestFailed);
    assert_eq!(released, 1);
    // "the same MN may wish it back"
    let wish = Dmip::dhoa_request(2).option(self::dhoa(dhoa, 0, 0));
    assert_eq!(assigned(&world.ask(&wish.by(&mn1()))), dhoa);
}

/// "while a care-of test is pending identical octets get 16 with the same Cookie again", and act once.
#[test]
fn identical_octets_get_the_same_cookie() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let moved = Dmip::update(3, &[dhoa]).alternate(CARE_OF_2).by(&mn1());
    let answer = world.ask(&moved);
    world.wait(Duration::from_secs(9));
    let events = world.events.len();
    assert_eq!(world.ask(&moved).packet, answer.packet);
    assert_eq!(world.events.len(), events);
    // It has not gained time by that.
    world.wait(Duration::from_secs(1));
    assert_eq!(world.care_of(dhoa), Some(CARE_OF));
}

/// Nor by other updates: the test is of the care-of address.
#[test]
fn other_updates_to_the_same_care_of_address_go_on_with_its_test() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let first = world.ask(&Dmip::update(3, &[dhoa]).from(CARE_OF_2).by(&mn1()));
    world.wait(Duration::from_secs(9));
    let second = world.ask(&Dmip::update(4, &[dhoa]).from(CARE_OF_2).by(&mn1()));
    assert_eq!((second.status, &second.cookie), (16, &first.cookie));
    world.wait(Duration::from_secs(1));
    assert_eq!(world.care_of(dhoa), Some(CARE_OF));
    assert_eq!(counted(&world), (2, 1, 1, 0));
}

/// A cookie that is not that of the care-of address which the message names, or is too late, proves nothing.
#[test]
fn other_cookies_prove_nothing() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let to = |care_of| move |sequence| Dmip::update(sequence, &[dhoa]).from(care_of);
    let (to_2, to_3) = (to(CARE_OF_2), to(CARE_OF_3));
    let second = world.ask(&to_2(3).by(&mn1()));
    // Invented.
    let invented = to_2(4).option(MobilityOption::Cookie(&[7; 16]));
    let answer = world.ask(&invented.by(&mn1()));
    assert_eq!((answer.status, &answer.cookie), (16, &second.cookie));
    // Another mobile node's.
    let other = world.ask(&Dmip::dhoa_request(1).from(CARE_OF_2).by(&mn2()));
    assert_eq!(other.status, 16);
    assert_eq!(world.ask(&echo(&other, to_2(5)).by(&mn1())).status, 16);
    // Of another care-of address of the same mobile node.
    let third = world.ask(&echo(&second, to_3(6)).by(&mn1()));
    assert_eq!((third.status, third.destination), (16, CARE_OF_3));
    assert_ne!(third.cookie, second.cookie);
    // Too late: there is a new test.
    world.wait(TEST);
    assert_eq!(world.care_of(dhoa), Some(CARE_OF));
    let again = world.ask(&echo(&third, to_3(7)).by(&mn1()));
    assert_eq!(again.status, 16);
    assert_ne!(again.cookie, third.cookie);
    assert_eq!(world.ask(&echo(&again, to_3(8)).by(&mn1())).status, 0);
    assert_eq!(world.care_of(dhoa), Some(CARE_OF_3));
}

/// A DHoA Request echoes no test: its Cookie is that of a storm.
#[test]
fn a_cookie_is_echoed_in_an_update_alone() {
    let mut world = world();
    let answer = world.ask(&Dmip::dhoa_request(1).by(&mn1()));
    let again = world.ask(&echo(&answer, Dmip::dhoa_request(2)).by(&mn1()));
    assert_eq!((again.status, again.cookie), (16, answer.cookie));
}

/// Two handoffs within ten seconds: the last care-of address is tested, and the first is what the binding goes back to.
#[test]
fn a_second_handoff_during_a_test_takes_its_place() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let second = world.ask(&Dmip::update(3, &[dhoa]).from(CARE_OF_2).by(&mn1()));
    world.wait(Duration::from_secs(6));
    let third = world.ask(&Dmip::update(5, &[dhoa]).from(CARE_OF_3).by(&mn1()));
    assert_eq!(third.status, 16);
    assert_eq!(test_of(&world, dhoa), instead(CARE_OF));
    assert_eq!(counted(&world), (2 + 1, 1, 0, 1));
    // The echo of the first handoff was overtaken, and is of a test that there is no more.
    let late = echo(&second, Dmip::update(4, &[dhoa]).from(CARE_OF_2));
    let late = world.ask(&late.by(&mn1()));
    assert_eq!((late.status, late.destination), (16, CARE_OF_3));
    assert_eq!(world.care_of(dhoa), Some(CARE_OF_3));
    // The end of the first test would be now.
    world.wait(Duration::from_secs(4));
    assert_eq!(world.care_of(dhoa), Some(CARE_OF_3));
    world.wait(Duration::from_secs(6));
    assert_eq!(world.care_of(dhoa), Some(CARE_OF));
}

/// Who returns during a test is where the binding has been all the time.
#[test]
fn the_old_care_of_address_is_not_tested_when_the_mobile_node_returns() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    world.ask(&Dmip::update(3, &[dhoa]).from(CARE_OF_2).by(&mn1()));
    assert_eq!(world.ask(&Dmip::update(4, &[dhoa]).by(&mn1())).status, 0);
    assert_eq!(test_of(&world, dhoa), None);
    world.wait(TEST);
    assert_eq!(world.care_of(dhoa), Some(CARE_OF));
    assert_eq!(counted(&world), (2, 1, 0, 1));
    // Once it has left for good it is tested like any other.
    let second = world.ask(&Dmip::update(5, &[dhoa]).from(CARE_OF_2).by(&mn1()));
    let echo = echo(&second, Dmip::update(6, &[dhoa]).from(CARE_OF_2));
    assert_eq!(world.ask(&echo.by(&mn1())).status, 0);
    assert_eq!(world.ask(&Dmip::update(7, &[dhoa]).by(&mn1())).status, 16);
}

/// Several DHoAs, one care-of address: one test, whichever of them its echo lists.
#[test]
fn a_care_of_address_is_tested_once_for_all_dhoas_of_its_mobile_node() {
    let mut world = world();
    let first = world.ask(&Dmip::dhoa_request(1).by(&mn1()));
    let dedicated = Dmip::dhoa_request(2)
        .flags(dmip_flag::DEDICATED)
        .option(flow(3));
    let second = world.ask(&dedicated.by(&mn1()));
    assert_eq!((second.status, &second.cookie), (16, &first.cookie));
    let echo_of_first = echo(&first, Dmip::update(3, &[assigned(&first)]));
    assert_eq!(world.ask(&echo_of_first.by(&mn1())).status, 0);
    assert_eq!(test_of(&world, assigned(&second)), None);
    let of_second = echo(&second, Dmip::update(4, &[assigned(&second)]));
    assert_eq!(world.ask(&of_second.by(&mn1())).status, 0);
    // Where the mobile node is known to be, a further DHoA needs no test.
    let third = Dmip::dhoa_request(5)
        .flags(dmip_flag::DEDICATED)
        .option(flow(4));
    assert_eq!(world.ask(&third.by(&mn1())).status, 0);
    assert_eq!(counted(&world), (1, 1, 0, 0));
    // Another mobile node's word is none for this one.
    assert_eq!(world.ask(&Dmip::dhoa_request(1).by(&mn2())).status, 16);
}

/// "A Replace that meets 16 releases when the echo arrives."
#[test]
fn a_replace_waits_for_the_echo() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let dedicated = Dmip::dhoa_request(3)
        .flags(dmip_flag::DEDICATED)
        .option(flow(3));
    let dedicated = assigned(&world.ask(&dedicated.by(&mn1())));
    let replace = |sequence| {
        Dmip::update(sequence, &[dhoa])
            .from(CARE_OF_2)
            .flags(dmip_flag::REPLACE)
    };
    let answer = world.ask(&replace(4).by(&mn1()));
    assert_eq!(answer.status, 16);
    assert_eq!(world.care_of(dedicated), Some(CARE_OF));
    assert_eq!(world.ask(&echo(&answer, replace(5)).by(&mn1())).status, 0);
    assert_eq!(world.held_by(&mn1()), [dhoa]);
}

/// "With several CoAs a 16 with its own Cookie goes to each new one, each is echoed in a type 5 of its own, and those that passed
/// serve meanwhile."
#[test]
fn several_care_of_addresses_are_tested_each_by_itself() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let both = |sequence| {
        Dmip::update(sequence, &[dhoa])
            .option(bid(1, CARE_OF))
            .option(bid(2, CARE_OF_2))
            .option(bid(3, CARE_OF_3))
    };
    let answers = ask_all(&mut world, &both(3).by(&mn1()));
    let to: Vec<_> = answers
        .iter()
        .map(|answer| (answer.status, answer.destination))
        .collect();
    assert_eq!(to, [(16, CARE_OF_2), (16, CARE_OF_3)]);
    assert_ne!(answers[0].cookie, answers[1].cookie);
    assert!(
        answers
            .iter()
            .all(|answer| answer.is_by_anchor_of(&mn1(), CARE_OF, ANCHOR))
    );
    let (passed, pending) = (None, instead(CARE_OF));
    let under_test = [
        (1, CARE_OF, passed),
        (2, CARE_OF_2, pending),
        (3, CARE_OF_3, pending),
    ];
    assert_eq!(numbered(&world, dhoa), under_test);
    let steered = world.last_change().clone();
    let BindingChange::Steered { care_ofs, .. } = steered else {
        panic!("{steered:?}")
    };
    let told: Vec<_> = care_ofs.iter().map(|care_of| care_of.test).collect();
    assert_eq!(told, [passed, pending, pending]);

    let echoed = ask_all(&mut world, &echo(&answers[1], both(4)).by(&mn1()));
    let to: Vec<_> = echoed
        .iter()
        .map(|answer| (answer.status, answer.destination, answer.cookie.clone()))
        .collect();
    let still = (16, CARE_OF_2, answers[0].cookie.clone());
    assert_eq!(to, [(16, CARE_OF, None), still]);
    let one_left = [
        (1, CARE_OF, passed),
        (2, CARE_OF_2, pending),
        (3, CARE_OF_3, passed),
    ];
    assert_eq!(numbered(&world, dhoa), one_left);
    // The other does not pass: the rest stays.
    world.wait(TEST);
    let left = [(1, CARE_OF, passed), (3, CARE_OF_3, passed)];
    assert_eq!(numbered(&world, dhoa), left);
    assert_eq!(counted(&world), (3, 2, 1, 0));
}

/// A BID whose new care-of address does not pass has its old one again.
#[test]
fn a_bid_goes_back_to_its_own_old_care_of_address() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let both = |sequence, second| {
        Dmip::update(sequence, &[dhoa])
            .option(bid(1, CARE_OF))
            .option(bid(2, second))
    };
    let answer = world.ask(&both(3, CARE_OF_2).by(&mn1()));
    let echo = echo(&answer, both(4, CARE_OF_2));
    assert_eq!(world.ask(&echo.by(&mn1())).status, 0);
    assert_eq!(world.ask(&both(5, CARE_OF_3).by(&mn1())).status, 16);
    let moved = BindingChange::CareOfMoved {
        home_address: dhoa,
        bid: 2,
        care_of: CARE_OF_3,
        test: instead(CARE_OF_2),
    };
    assert_eq!(*world.last_change(), moved);
    world.wait(TEST);
    let before = [(1, CARE_OF, None), (2, CARE_OF_2, None)];
    assert_eq!(numbered(&world, dhoa), before);
}

/// BIDs that take the place of a care-of address without one, none of which passes.
#[test]
fn where_no_bid_passes_the_one_care_of_address_stays() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let both = Dmip::update(3, &[dhoa])
        .option(bid(1, CARE_OF_2))
        .option(bid(2, CARE_OF_3));
    assert_eq!(ask_all(&mut world, &both.by(&mn1())).len(), 2);
    assert_eq!(test_of(&world, dhoa), instead(CARE_OF));
    world.wait(TEST);
    assert_eq!(world.care_of(dhoa), Some(CARE_OF));
    assert_eq!(numbered(&world, dhoa), []);
}

/// Nor does what the mobile node has taken away during the test come back.
#[test]
fn a_bid_that_was_taken_away_during_a_test_stays_away() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let both = Dmip::update(3, &[dhoa])
        .option(bid(1, CARE_OF))
        .option(bid(2, CARE_OF_2));
    assert_eq!(world.ask(&both.by(&mn1())).status, 16);
    let one_less = Dmip::update(4, &[dhoa]).lifetime(0).option(bid(1, CARE_OF));
    let answer = world.ask(&one_less.by(&mn1()));
    assert_eq!((answer.status, answer.destination), (16, CARE_OF_2));
    assert_eq!(test_of(&world, dhoa), NOTHING_INSTEAD);
    world.wait(TEST);
    assert_eq!(world.care_of(dhoa), None);
}

/// "Classic updates have no cookie: exempt".
#[test]
fn classic_updates_are_exempt() {
    let mut world = world();
    assert_eq!(world.ask(&Update::new(HOME, 1).by(&mn1())).status, 0);
    assert_eq!(world.ask(&Update::new(OWN_DHOA, 1).by(&mn1())).status, 0);
    let moved = Dmip::update(1, &[OWN_DHOA]).from(CARE_OF_2);
    assert_eq!(world.ask(&moved.by(&mn1())).status, 16);
    let exempt = Update::new(OWN_DHOA, 2).from(CARE_OF_2);
    assert_eq!(world.ask(&exempt.by(&mn1())).status, 0);
    assert_eq!(test_of(&world, OWN_DHOA), None);
    world.wait(TEST);
    assert_eq!(world.care_of(OWN_DHOA), Some(CARE_OF_2));
    assert_eq!(counted(&world), (1, 0, 0, 1));
}

/// A binding that ends takes its test with it.
#[test]
fn a_release_ends_the_test() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    world.ask(&Dmip::update(3, &[dhoa]).from(CARE_OF_2).by(&mn1()));
    let release = Dmip::update(4, &[dhoa]).lifetime(0).from(CARE_OF_2);
    assert_eq!(world.ask(&release.by(&mn1())).status, 0);
    assert_eq!(counted(&world), (2, 1, 0, 1));
    world.wait(TEST);
    assert_eq!(world.care_of(dhoa), None);
}

/// What is refused is not tested, and another's echo is its own matter.
#[test]
fn a_refused_address_is_not_tested() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let foreign = Dmip::update(1, &[dhoa]).from(CARE_OF_2);
    assert_eq!(world.ask(&foreign.by(&mn2())).status, 194);
    assert_eq!(world.care_of(dhoa), Some(CARE_OF));
    assert_eq!(counted(&world), (1, 1, 0, 0));
    let granted = world.ask(&Dmip::update(3, &[dhoa]).by(&mn1()));
    assert_eq!(granted.lifetime, TEN_MINUTES);
}

/// Another security association of the same mobile node may echo.
#[test]
fn a_test_is_the_mobile_nodes_not_its_associations() {
    let second = Mn {
        security: dhp_proto::security_association::SecurityAssociation::new(
            999,
            mn1().security.mn_id().clone(),
            dhp_proto::auth::Key::new([9; 16]),
            dhp_proto::auth::Algorithm::HmacSha1_96,
            mn1().security.permissions().clone(),
        )
        .expect("right"),
    };
    let mut world = World::with(AnchorConfig {
        care_of_test: true,
        security_associations: vec![mn1().security, second.security.clone()],
        ..config()
    });
    let answer = world.ask(&Dmip::dhoa_request(1).by(&mn1()));
    let echo = echo(&answer, Dmip::update(1, &[assigned(&answer)]));
    assert_eq!(world.ask(&echo.by(&second)).status, 0);
}

fn restarted(world: &World) -> World {
    let config = AnchorConfig {
        care_of_test: true,
        ..config()
    };
    world.restart(config, Duration::ZERO).0
}

/// A restart is no way round a test: the binding is where the mobile node has been reached.
#[test]
fn a_restart_during_a_test_goes_back_to_the_old_care_of_address() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let moved = Dmip::update(3, &[dhoa]).from(CARE_OF_2);
    let answer = world.ask(&moved.by(&mn1()));
    assert_eq!(answer.status, 16);
    let mut after = restarted(&world);
    assert_eq!(after.care_of(dhoa), Some(CARE_OF));
    assert_eq!(test_of(&after, dhoa), None);
    let again = Dmip::update(4, &[dhoa]).from(CARE_OF_2);
    assert_eq!(after.ask(&again.by(&mn1())).status, 16);

    let echo = echo(&answer, Dmip::update(4, &[dhoa]).from(CARE_OF_2));
    assert_eq!(world.ask(&echo.by(&mn1())).status, 0);
    assert_eq!(restarted(&world).care_of(dhoa), Some(CARE_OF_2));
}

/// What was never reached anywhere is not bound again, and nobody else's.
#[test]
fn a_restart_during_a_first_test_keeps_the_dhoa_for_its_mobile_node() {
    let mut world = world();
    let dhoa = assigned(&world.ask(&Dmip::dhoa_request(1).by(&mn1())));
    let mut after = restarted(&world);
    assert_eq!(after.care_of(dhoa), None);
    let wish = |sequence| Dmip::dhoa_request(sequence).option(self::dhoa(dhoa, 0, 0));
    let others = assigned(&after.ask(&wish(1).by(&mn2())));
    assert_ne!(others, dhoa);
    assert_eq!(assigned(&after.ask(&wish(2).by(&mn1()))), dhoa);
}

#[test]
fn a_restart_keeps_those_of_several_care_of_addresses_that_have_passed() {
    let (mut world, dhoa) = at_home_with_a_dhoa();
    let both = Dmip::update(3, &[dhoa])
        .option(bid(1, CARE_OF))
        .option(bid(2, CARE_OF_2));
    assert_eq!(world.ask(&both.by(&mn1())).status, 16);
    let after = restarted(&world);
    assert_eq!(numbered(&after, dhoa), [(1, CARE_OF, None)]);
}
