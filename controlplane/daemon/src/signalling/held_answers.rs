//! Answers that wait for the journal: what promises a DHoA leaves when a restart would know of it

use std::collections::{HashMap, VecDeque};
use std::net::Ipv6Addr;

use foldhash::fast::RandomState;

use super::outgoing::Outgoing;

/// Answers that wait at most: more than a disk lets gather in a second. What exceeds them is lost, and asked for again.
const MOST: usize = 65_536;

/// An answer and how far the journal has to be before it leaves.
struct Held {
    position: u64,
    destination: Ipv6Addr,
    outgoing: Outgoing,
}

/// What waits. Nothing of it is looked at as long as nothing waits.
#[derive(Default)]
pub(super) struct HeldAnswers {
    /// In the order of their positions.
    waiting: VecDeque<Held>,
    /// New assignments that are on their way to the disk, in the same order.
    assigned: VecDeque<(u64, Ipv6Addr)>,
    positions: HashMap<Ipv6Addr, u64, RandomState>,
    /// What goes where an answer waits for waits too: it may be the same answer, sent again.
    destinations: HashMap<Ipv6Addr, u64, RandomState>,
    /// What the packets of the input in hand wait for.
    current: Option<u64>,
}

/// What becomes of a packet.
pub(super) enum Verdict {
    /// It leaves now.
    Leaves(Outgoing),
    /// It waits.
    Waits,
    /// There is no room for it to wait.
    Lost,
}

impl HeldAnswers {
    /// Another input's actions begin.
    pub(super) fn begin(&mut self) {
        self.current = None;
    }

    /// A DHoA was assigned, which the journal has when it has come to `position`.
    pub(super) fn assign(&mut self, home_address: Ipv6Addr, position: u64) {
        self.assigned.push_back((position, home_address));
        self.positions.insert(home_address, position);
        self.current = Some(position);
    }

    /// The packets that follow tell of this home address.
    pub(super) fn tell_of(&mut self, home_address: Ipv6Addr) {
        if let Some(position) = self.positions.get(&home_address) {
            self.current = self.current.max(Some(*position));
        }
    }

    /// A packet is to leave.
    pub(super) fn judge(&mut self, destination: Ipv6Addr, outgoing: Outgoing) -> Verdict {
        let waits_for = self
            .current
            .max(self.destinations.get(&destination).copied());
        let Some(position) = waits_for else {
            return Verdict::Leaves(outgoing);
        };
        if self.waiting.len() >= MOST {
            return Verdict::Lost;
        }
        // Behind those that came before.
        let position = self
            .waiting
            .back()
            .map_or(position, |last| position.max(last.position));
        self.destinations.insert(destination, position);
        self.waiting.push_back(Held {
            position,
            destination,
            outgoing,
        });
        Verdict::Waits
    }

    /// Whether anything is to be remembered.
    pub(super) fn is_idle(&self) -> bool {
        self.assigned.is_empty() && self.waiting.is_empty()
    }

    /// Whether an answer waits.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The journal has come to `position`: the next packet that may leave; call until `None`.
    pub(super) fn release(&mut self, position: u64) -> Option<Outgoing> {
        while let Some((_, home_address)) = self.assigned.front().filter(|(at, _)| *at <= position)
        {
            remove_reached(&mut self.positions, home_address, position);
            self.assigned.pop_front();
        }
        if self.waiting.front()?.position > position {
            return None;
        }
        let held = self.waiting.pop_front()?;
        remove_reached(&mut self.destinations, &held.destination, position);
        Some(held.outgoing)
    }
}

/// Forgets a position that the journal has come to. A later one of the same address stays.
fn remove_reached(
    positions: &mut HashMap<Ipv6Addr, u64, RandomState>,
    address: &Ipv6Addr,
    reached: u64,
) {
    if positions.get(address).is_some_and(|at| *at <= reached) {
        positions.remove(address);
    }
}

#[cfg(test)]
mod tests {
    use dhp_proto::anchor::AnchorAction;

    use super::*;

    const DHOA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 1, 0, 0, 0, 7);
    const HERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 1);
    const THERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 2);

    fn packet(number: u8) -> Outgoing {
        Outgoing::new(AnchorAction::Transmit(vec![number]), 0, None)
    }

    /// Whether a packet leaves at once.
    fn leaves(held: &mut HeldAnswers, to: Ipv6Addr, number: u8) -> bool {
        matches!(held.judge(to, packet(number)), Verdict::Leaves(_))
    }

    fn released(held: &mut HeldAnswers, position: u64) -> Vec<u8> {
        let released = std::iter::from_fn(|| held.release(position));
        released
            .map(|outgoing| match outgoing.action {
                AnchorAction::Transmit(packet) => packet[0],
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_promise_waits_and_so_does_what_goes_the_same_way_or_repeats_it() {
        let mut held = HeldAnswers::default();
        assert!(leaves(&mut held, HERE, 0));
        held.assign(DHOA, 5);
        assert!(!leaves(&mut held, HERE, 1));
        held.begin();
        assert!(leaves(&mut held, THERE, 2), "nothing to do with it");
        assert!(
            !leaves(&mut held, HERE, 3),
            "the same answer again, perhaps"
        );
        held.tell_of(DHOA);
        assert!(!leaves(&mut held, THERE, 4), "the same DHoA");
        assert_eq!(released(&mut held, 4), [0_u8; 0]);
        assert_eq!(released(&mut held, 5), [1, 3, 4]);
        held.begin();
        held.tell_of(DHOA);
        assert!(held.is_idle() && leaves(&mut held, HERE, 5) && leaves(&mut held, THERE, 6));
    }

    #[test]
    fn what_waits_leaves_in_its_order() {
        let mut held = HeldAnswers::default();
        held.assign(DHOA, 5);
        assert!(!leaves(&mut held, HERE, 1));
        held.assign(THERE, 9);
        assert!(!leaves(&mut held, HERE, 2));
        held.begin();
        held.tell_of(DHOA);
        assert!(!leaves(&mut held, THERE, 3));
        assert_eq!(released(&mut held, 8), [1]);
        assert!(!leaves(&mut held, HERE, 4), "behind the second");
        assert_eq!(released(&mut held, 9), [2, 3, 4]);
        assert!(held.is_idle());
    }

    #[test]
    fn what_gathers_is_bounded() {
        let mut held = HeldAnswers::default();
        held.assign(DHOA, 1);
        for _ in 0..MOST {
            assert!(matches!(held.judge(HERE, packet(0)), Verdict::Waits));
        }
        assert!(matches!(held.judge(HERE, packet(0)), Verdict::Lost));
    }
}
