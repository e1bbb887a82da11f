//! What mobile nodes send

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use super::{NODES, World, care_of_address};
use crate::care_of::step::{By, Echo, Update as Asked};
use crate::signer::Signer;
use crate::site::{ANCHOR, PLACES};
use crate::step::{
    BidAsk, Elsewhere, Fault, FlowAsk, HomeUpdate, Number, Pick, Request, Signature, Update, Whom,
};
use crate::world::Difference;

impl World<'_> {
    fn signature(&self, by: By) -> Signature {
        let alternate = match by.care_of {
            PLACES => Some(Elsewhere::Neighbour),
            of if of == by.place => None,
            of => Some(Elsewhere::Place(of)),
        };
        Signature {
            node: NODES[by.node],
            second: false,
            number: Number::Next,
            mesg_id: None,
            fault: Fault::None,
            mn_id: None,
            place: by.place,
            alternate,
            arrivals: vec![0],
        }
    }

    /// The next message of a mobile node, as the closure makes it.
    fn sign(
        &mut self,
        by: By,
        cookie: Option<&[u8]>,
        make: impl FnOnce(&Signer<'_>) -> Vec<u8>,
    ) -> Vec<u8> {
        let sequence = self.next[by.node];
        self.next[by.node] += 1;
        let node = &self.nodes[NODES[by.node]];
        make(&Signer {
            node,
            by: &self.signature(by),
            security: &node.associations[0],
            sequence,
            mesg_id: self.is_dated[by.node].then_some(self.clock.now().ntp),
            cookie,
        })
    }

    fn send(&mut self, by: By, packet: Vec<u8>) -> Result<(), Difference> {
        if by.is_late {
            self.late.push(packet);
            return Ok(());
        }
        self.sent.push(packet.clone());
        self.deliver(&packet)
    }

    pub(super) fn request(&mut self, by: By, fid: u16, lifetime: u16) -> Result<(), Difference> {
        let flow = (fid != 0).then_some(FlowAsk {
            fid,
            priority: 1,
            selector: None,
            bids: None,
        });
        let request = Request {
            lifetime,
            dedicated: fid != 0,
            wish: None,
            correspondent: Whom::Covered,
            kbps: None,
            flow,
        };
        let packet = self.sign(by, None, |signer| signer.request(&request, None));
        self.send(by, packet)
    }

    pub(super) fn update(&mut self, by: By, asked: &Asked) -> Result<(), Difference> {
        let cookie = asked.echo.and_then(|echo| self.cookie(by.node, echo));
        let mut by = match (asked.echo, &cookie) {
            (Some(Echo::Right(_)), Some((care_of, _))) => naming(by, *care_of),
            _ => by,
        };
        let cookie = cookie.map(|(_, cookie)| cookie);
        // Care-of addresses are not taken away by BIDs here, and one without is not named beside them.
        let bids = asked.bids.iter().filter(|_| asked.lifetime != 0);
        let bids = bids.map(|(bid, (place, priority))| BidAsk {
            bid: *bid,
            priority: *priority,
            care_of: Some(match *place {
                PLACES => Elsewhere::Neighbour,
                place => Elsewhere::Place(place),
            }),
            home: false,
        });
        let bids: Vec<_> = bids.collect();
        if !bids.is_empty() {
            by.care_of = by.place;
        }
        let update = Update {
            lifetime: asked.lifetime,
            acknowledge: true,
            replace: asked.replace,
            listed: Vec::new(),
            bids,
            flows: Vec::new(),
            modes: Vec::new(),
        };
        let listed = self.listed(by.node, &asked.listed, asked.of_another);
        let packet = self.sign(by, cookie.as_deref(), |signer| {
            signer.update(&update, &listed)
        });
        self.send(by, packet)
    }

    /// Address, FID and lifetime of each DHoA that an update lists: the mobile node's newest by number, and one of another.
    fn listed(
        &self,
        node: usize,
        numbers: &[usize],
        of_another: bool,
    ) -> Vec<(Ipv6Addr, u16, u16)> {
        let (own, others): (Vec<(usize, Ipv6Addr)>, Vec<_>) =
            self.assigned.iter().partition(|(of, _)| *of == node);
        let newest: Vec<_> = own
            .iter()
            .rev()
            .take(3)
            .map(|(_, address)| *address)
            .collect();
        let numbers = numbers.iter().map(|number| number % newest.len().max(1));
        let numbers: BTreeSet<usize> = numbers.collect();
        let named = numbers
            .iter()
            .filter_map(|number| newest.get(*number).copied());
        let another = others.last().filter(|_| of_another);
        let another = another.map(|(_, address)| *address);
        let listed = named.chain(another);
        listed.map(|address| (address, 0, 0)).collect()
    }

    /// A classic Binding Update of a DHoA that is bound, which is always newer than the last.
    pub(super) fn classic(
        &mut self,
        node: usize,
        dhoa: usize,
        place: usize,
        lifetime: u16,
    ) -> Result<(), Difference> {
        let bound = self.model.bindings().iter();
        let own = bound.filter(|(_, binding)| binding.owner == NODES[node]);
        let own: Vec<_> = own.map(|(address, _)| *address).collect();
        let Some(home) = own.get(dhoa % own.len().max(1)).copied() else {
            return Ok(());
        };
        self.note("classic update");
        let update = HomeUpdate {
            home: Pick::Unknown,
            lifetime,
            option: true,
            home_registration: true,
            overwrite: false,
            bids: Vec::new(),
            flows: Vec::new(),
            summary: Vec::new(),
        };
        let by = By {
            node,
            place,
            care_of: place,
            is_late: false,
        };
        let of_node = &self.nodes[NODES[node]];
        let packet = Signer {
            node: of_node,
            by: &self.signature(by),
            security: &of_node.associations[0],
            sequence: self.next_classic,
            mesg_id: None,
            cookie: None,
        }
        .home_update(&update, home);
        self.next_classic += 1;
        self.deliver(&packet)
    }

    /// Where a cookie was sent to, and the cookie.
    fn cookie(&self, node: usize, echo: Echo) -> Option<(Ipv6Addr, Vec<u8>)> {
        let own = self.cookies.iter().filter(|(of, ..)| *of == node);
        let given = match echo {
            Echo::Right(ago) | Echo::Elsewhere(ago) => own.rev().nth(ago),
            Echo::Anybodys => self.cookies.last(),
            Echo::Invented => return Some((ANCHOR, vec![0x5a; 16])),
        };
        given.map(|(_, care_of, cookie)| (*care_of, cookie.clone()))
    }
}

/// The same sender, who names this care-of address.
fn naming(by: By, care_of: Ipv6Addr) -> By {
    let is_it = |place: &usize| care_of_address(by.node, *place) == care_of;
    By {
        care_of: (0..=PLACES).find(is_it).unwrap_or(by.care_of),
        ..by
    }
}
