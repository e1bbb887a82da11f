//! DHoA Requests and DHP Binding Updates before anybody looks at what they ask for

use dhp_wire::codepoints::DmipType;
use dhp_wire::mobility::Mode;

use super::numbers::Order;
use super::reply::{Expected, Reply};
use super::{Model, Node};
use crate::message::{Contents, Head, Read};
use crate::site::ANCHOR;

/// A request whose sender and number are proved.
pub(super) struct Proven<'a> {
    pub(super) contents: &'a Contents,
    pub(super) owner: usize,
    pub(super) order: Order,
    pub(super) care_of: std::net::Ipv6Addr,
    pub(super) lifetime: u16,
    pub(super) flags: u16,
}

/// What a request comes to, in the parts that its answer has.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) status: u8,
    pub(super) lifetime: u16,
    pub(super) flags: u16,
    pub(super) dhoas: Vec<(u8, u16, std::net::Ipv6Addr, u16)>,
    pub(super) bids: Vec<(u16, u8)>,
    pub(super) flows: Vec<(u16, u8)>,
    pub(super) modes: Vec<(u16, Mode)>,
    pub(super) is_silent: bool,
}

impl Outcome {
    pub(super) fn refused(status: u8) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// That of the header, and those of all options.
    pub(super) fn statuses(&self) -> impl Iterator<Item = u8> {
        let dhoas = self.dhoas.iter().map(|(status, ..)| *status);
        let bids = self.bids.iter().map(|(_, status)| *status);
        let flows = self.flows.iter().map(|(_, status)| *status);
        [self.status]
            .into_iter()
            .chain(dhoas)
            .chain(bids)
            .chain(flows)
    }
}

impl Model {
    pub(super) fn request(&mut self, read: &Read, observed: Option<&Read>) -> Expected {
        let Head::Dmip {
            kind,
            sequence,
            lifetime,
            flags,
            ..
        } = read.head
        else {
            return Expected::Silence("no request");
        };
        let answer_kind = match kind {
            DmipType::DhoaRequest => DmipType::DhoaResponse,
            DmipType::BindingUpdate => DmipType::BindingConfirmation,
            _ => return Expected::Silence("an answer"),
        };
        if read.home.is_some() {
            return Expected::Silence("a Home Address option");
        }
        let contents = &read.contents;
        // "No SA for that SPI: silent discard and count."
        let Some(auth) = &contents.auth else {
            return Expected::Silence("not authenticated");
        };
        let Some(association) = self.associations.get(&auth.spi) else {
            return Expected::Silence("unknown SPI");
        };
        if !auth.ends_header {
            return Expected::Silence("something behind AUTH");
        }
        let care_of = contents.alternate.first().copied().unwrap_or(read.source);
        let mesg_id = contents.mesg_id.first().copied();
        let reply = |outcome: Outcome, mesg_id: Option<u64>| {
            let head = Head::Dmip {
                kind: answer_kind,
                sequence,
                lifetime: outcome.lifetime,
                flags: outcome.flags,
                status: outcome.status,
            };
            let reply = Reply {
                dhoas: outcome.dhoas,
                bids: outcome.bids,
                flows: outcome.flows,
                modes: outcome.modes,
                ..Reply::new(read.source, head, auth.spi, mesg_id)
            };
            Expected::Reply(Box::new(reply), care_of, ANCHOR)
        };
        // "Wrong MAC: 146."
        let covered = &read.octets[..auth.covered];
        if !association
            .security
            .verify(&care_of, &ANCHOR, covered, &auth.data)
        {
            return reply(Outcome::refused(146), mesg_id);
        }
        if let Some(stored) = association.stored(&read.source, &read.octets, self.now) {
            return stored;
        }
        // "present, it must be the association's owner, else 146"
        let owner = association.owner;
        if !contents.names(&self.nodes[owner]) {
            return reply(Outcome::refused(146), mesg_id);
        }
        let number = match association.place(sequence) {
            Ok(number) => number,
            Err(highest) => {
                let refused = Outcome {
                    lifetime: highest,
                    ..Outcome::refused(135)
                };
                return reply(refused, mesg_id);
            }
        };
        let fresh = association.check_timestamp(number, mesg_id, self.started, self.now);
        if let Err((status, mesg_id)) = fresh {
            return reply(Outcome::refused(status), mesg_id);
        }
        let spi = auth.spi;
        if let Some(association) = self.associations.get_mut(&spi) {
            association.use_up(number, mesg_id);
        }
        let proven = Proven {
            contents,
            owner,
            order: Order { spi, number },
            care_of,
            lifetime,
            flags,
        };
        let outcome = if contents.is_malformed(kind) {
            Outcome::refused(195)
        } else if kind == DmipType::DhoaRequest {
            self.dhoa_request(&proven, observed)
        } else {
            self.dhp_update(&proven)
        };
        let answer = if outcome.is_silent {
            Expected::Silence("no confirmation was wanted")
        } else {
            reply(outcome, mesg_id)
        };
        let now = self.now;
        if let Some(association) = self.associations.get_mut(&spi) {
            association.keep(read.source, &read.octets, answer.clone(), now);
        }
        answer
    }

    /// Flag `O` of answers: "route optimization permitted".
    pub(super) fn optimization_flag(&self, owner: usize) -> u16 {
        let permissions = self.nodes[owner].associations[0].permissions();
        if permissions.route_optimization {
            0x8000
        } else {
            0
        }
    }
}

impl Contents {
    /// Whether an MN-ID option, if there is one, names this mobile node.
    pub(super) fn names(&self, node: &Node) -> bool {
        let named = self.mn_id.first();
        named.is_none_or(|(subtype, identifier)| {
            (*subtype, identifier) == (node.id.subtype, &node.id.identifier)
        })
    }
}
