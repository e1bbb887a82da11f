//! The packets that a worker was given, and what was current then

use std::net::Ipv6Addr;

use super::Ledger;
use crate::bindings::Plan;

/// Bindings of the packets that were handed over at once, each with the generation that was published then.
#[derive(Debug, Default)]
pub struct HandedOver {
    to_home: Vec<(u32, u32)>,
    from_care_of: Vec<(u32, u32)>,
    /// Packets to home addresses are looked up by binding.
    sorted: bool,
}

impl HandedOver {
    /// None yet.
    pub fn clear(&mut self) {
        self.to_home.clear();
        self.from_care_of.clear();
        self.sorted = false;
    }

    /// A packet for this binding is about to be handed over.
    pub fn downlink(&mut self, ledger: &Ledger, number: u32) {
        self.to_home.push((number, ledger.published(number)));
        self.sorted = false;
    }

    /// A packet from the mobile node of this binding; says from which generation of care-of address.
    pub fn uplink(&mut self, ledger: &Ledger, number: u32) -> u32 {
        let generation = ledger.published(number);
        self.from_care_of.push((number, generation));
        generation
    }

    /// How many packets have to come out in tunnels.
    pub fn tunnels_due(&self) -> usize {
        self.to_home.len()
    }

    /// How many packets came out of tunnels if none was refused.
    pub fn inner_due(&self) -> usize {
        self.from_care_of.len()
    }

    /// A packet came out in a tunnel to `care_of`: whether that was current when the packet was handled. It was not if it is the
    /// care-of address of nobody who was to get a packet, either.
    pub fn is_current(&mut self, plan: &Plan, ledger: &Ledger, care_of: Ipv6Addr) -> bool {
        if !std::mem::replace(&mut self.sorted, true) {
            self.to_home.sort_unstable();
        }
        let Some((number, generation)) = plan.read_care_of(care_of) else {
            return false;
        };
        // The first of a binding's, which is the oldest: of two packets any may have come out as this one.
        let at = self.to_home.partition_point(|(other, _)| *other < number);
        match self.to_home.get(at) {
            Some((other, published)) if *other == number => {
                (*published..=ledger.begun(number)).contains(&generation)
            }
            _ => false,
        }
    }

    /// How many of the packets from care-of addresses may have been refused: their binding has moved twice since, so that they
    /// are not even from the care-of address before.
    pub fn may_be_refused(&self, ledger: &Ledger) -> usize {
        let overtaken = |(number, generation): &&(u32, u32)| {
            ledger.begun(*number).wrapping_sub(*generation) >= 2
        };
        self.from_care_of.iter().filter(overtaken).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_current_lies_between_published_before_and_begun_after() {
        let (plan, ledger) = (Plan::new(8, 64), Ledger::new(8));
        ledger.begin(3, 5);
        ledger.publish(3, 5);
        let mut handed = HandedOver::default();
        handed.downlink(&ledger, 3);
        ledger.begin(3, 6);
        let mut current = |number, generation| {
            handed.is_current(&plan, &ledger, plan.care_of(number, generation))
        };
        assert!(!current(3, 4), "replaced before");
        assert!(current(3, 5) && current(3, 6));
        assert!(!current(3, 7), "not made yet");
        assert!(!current(2, 0), "of a binding that has no packet");
        assert!(!handed.is_current(&plan, &ledger, plan.home(3)));
    }

    #[test]
    fn a_packet_is_refused_only_after_two_handoffs() {
        let ledger = Ledger::new(8);
        let mut handed = HandedOver::default();
        assert_eq!(handed.uplink(&ledger, 1), 0);
        ledger.begin(1, 1);
        assert_eq!(handed.may_be_refused(&ledger), 0);
        ledger.begin(1, 2);
        assert_eq!(handed.may_be_refused(&ledger), 1);
    }
}
