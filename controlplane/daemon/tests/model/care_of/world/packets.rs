//! Packets of the correspondent and of mobile nodes: where they go, and whose they count as

use std::net::Ipv6Addr;

use super::World;
use crate::invariants::ends;
use crate::site::{ANCHOR, CORRESPONDENT};
use crate::world::{Difference, ensure};

/// "the previous CoA is good for 2 s more"
const PREVIOUS_NS: u64 = 2_000_000_000;
/// Of a packet in its tunnel.
const PACKET: u64 = 1_000;

impl World<'_> {
    /// A packet from the correspondent.
    pub(super) fn send_down(&mut self, address: Ipv6Addr) -> Result<(), Difference> {
        let now_ns = self.now_ns();
        let binding = self.model.bindings().get(&address);
        let first = binding.map(|binding| {
            let (bid, care_of) = binding.default();
            let tested = self.model.tested(binding, *bid);
            (care_of.address, care_of.is_under_test, tested)
        });
        let credit = self.model.binding_mut(&address);
        let credit = credit.and_then(|binding| binding.credit.as_mut());
        let (expected, what) = match (first, credit) {
            (None, _) => (vec![None], "to nobody"),
            (Some((own, false, _)), _) => (vec![Some(own)], "to the mobile node"),
            (Some((own, true, tested)), None) => (
                vec![Some(own), tested],
                "to the first of several under test",
            ),
            (Some((own, true, tested)), Some(credit)) => {
                match (credit.spend(PACKET, now_ns), tested) {
                    (true, _) => (vec![Some(own)], "to a care-of address under test"),
                    (false, Some(_)) => (vec![tested], "to the tested care-of address instead"),
                    (false, None) => (vec![None], "to nowhere"),
                }
            }
        };
        self.note(what);
        self.appliance.send_on_cn(&datagram(CORRESPONDENT, address));
        let out = self.appliance.take_from_core();
        let out: Vec<_> = out.iter().map(|packet| ends(packet)).collect();
        self.appliance.take_from_cn();
        let expected = expected.into_iter();
        let expected = expected.map(|to| to.map(|to| (ANCHOR, to)).into_iter().collect());
        let expected: Vec<Vec<_>> = expected.collect();
        ensure(expected.contains(&out), || {
            format!("a packet to {address} should leave by {expected:?}, has left by {out:?}")
        })
    }

    /// A packet of a mobile node, from a care-of address that it may be at.
    pub(super) fn send_up(
        &mut self,
        address: Ipv6Addr,
        care_of: Ipv6Addr,
    ) -> Result<(), Difference> {
        let now_ns = self.now_ns();
        self.note_places();
        let binding = self.model.bindings().get(&address);
        let is_under_test = binding.is_some_and(|of| of.under_test().contains(&care_of));
        let there_ns = self.there_ns.get(&(address, care_of)).copied();
        let mut packet = vec![0x60, 0, 0, 0, 3, 0xc0, 41, 64];
        packet.extend(care_of.octets());
        packet.extend(ANCHOR.octets());
        packet.extend(datagram(address, CORRESPONDENT));
        self.appliance.send_on_core(&packet);
        let out = self.appliance.take_from_cn();
        let arrived = out
            .iter()
            .any(|packet| ends(packet) == (address, CORRESPONDENT));
        match there_ns {
            Some(at_ns) if at_ns == now_ns => {
                self.note(match is_under_test {
                    true => "from a care-of address under test",
                    false => "from a tested care-of address",
                });
                ensure(arrived, || {
                    format!("what {address} has sent from {care_of} does not arrive")
                })?;
            }
            // It may be on its way still.
            Some(at_ns) if now_ns <= at_ns + PREVIOUS_NS => {}
            _ => {
                self.note("from a stranger");
                ensure(!arrived, || {
                    format!("what was sent from {care_of} counts as from {address}")
                })?;
            }
        }
        if let Some(binding) = self.model.binding_mut(&address)
            && let Some(credit) = &mut binding.credit
            && arrived
        {
            credit.receive(PACKET, now_ns);
        }
        Ok(())
    }

    /// From where mobile nodes may send now: "Packets are taken from both".
    pub(super) fn note_places(&mut self) {
        let now_ns = self.now_ns();
        for (address, binding) in self.model.bindings() {
            for (bid, care_of) in &binding.care_ofs {
                self.there_ns.insert((*address, care_of.address), now_ns);
                let tested = self.model.tested(binding, *bid);
                if let Some(tested) = tested.filter(|_| care_of.is_under_test) {
                    self.there_ns.insert((*address, tested), now_ns);
                }
            }
        }
    }
}

/// A packet of 960 octets, which has [`PACKET`] in a tunnel.
fn datagram(from: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 3, 0x98, 17, 64];
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend([0, 53, 0, 53, 3, 0x98, 0, 1]);
    packet.resize(960, 0);
    packet
}
