//! A message before anybody looks at what it asks for, and the answers to it

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use dhp_wire::codepoints::DmipType;

use super::Model;
use crate::care_of::answer::Answer;
use crate::care_of::care_ofs::{Binding, only};
use crate::message::{Head, Read};

/// A lifetime counts so many nanoseconds.
pub(super) const LIFETIME_NS: u64 = 4_000_000_000;

/// A DMIP message.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) kind: DmipType,
    pub(super) owner: usize,
    pub(super) spi: u32,
    /// As it stands in the message, and without wrap-around once that is known.
    sequence: u16,
    pub(super) number: i64,
    mesg_id: Option<u64>,
    pub(super) care_of: Ipv6Addr,
    pub(super) lifetime: u16,
    pub(super) flags: u16,
    pub(super) read: &'a Read,
    /// The answers that came, for what only they can tell: cookies, and which DHoA was assigned.
    pub(super) observed: &'a [Read],
}

/// What has become of it.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) status: u8,
    pub(super) flags: u16,
    pub(super) lifetime: u16,
    /// Status, FID, address, lifetime.
    pub(super) dhoas: Vec<(u8, u16, Ipv6Addr, u16)>,
    /// BID and status.
    pub(super) bids: Vec<(u16, u8)>,
    pub(super) is_echo: bool,
}

impl Outcome {
    pub(super) fn refused(status: u8) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }
}

impl Model {
    /// The answers to a message.
    pub fn receive(&mut self, read: &Read, observed: &[Read]) -> Vec<Answer> {
        let auth = read.contents.auth.as_ref().expect("signed");
        let owner = self.associations[&auth.spi].owner;
        let care_of = read.contents.alternate.first().copied();
        let care_of = care_of.unwrap_or(read.source);
        let answers = match read.head {
            Head::Dmip {
                kind,
                sequence,
                lifetime,
                flags,
                ..
            } => self.dmip(Request {
                kind,
                owner,
                spi: auth.spi,
                sequence,
                number: sequence.into(),
                mesg_id: read.contents.mesg_id.first().copied(),
                care_of,
                lifetime,
                flags,
                read,
                observed,
            }),
            Head::Update {
                sequence, lifetime, ..
            } => {
                let home = read.home.expect("a home address");
                let binding = self.bindings.get_mut(&home).expect("a bound DHoA");
                // "Classic updates have no cookie: exempt"
                let ends_ns = self.now.mono_ns + u64::from(lifetime) * LIFETIME_NS;
                binding.change_to(only(care_of, ends_ns));
                self.touched.insert(home);
                self.abandon();
                let head = Head::Acknowledgement {
                    status: 0,
                    sequence,
                    lifetime,
                };
                vec![Answer::new(read.source, head)]
            }
            _ => Vec::new(),
        };
        self.keep_touched();
        answers
    }

    fn dmip(&mut self, request: Request<'_>) -> Vec<Answer> {
        let (read, now) = (request.read, self.now);
        let association = &self.associations[&request.spi];
        // "identical octets get 16 with the same Cookie again"
        if let Some(answers) = association.stored(&read.source, &read.octets, now) {
            return answers;
        }
        let number = match association.place(request.sequence) {
            Ok(number) => number,
            Err(highest) => {
                let refused = Outcome {
                    lifetime: highest,
                    ..Outcome::refused(135)
                };
                return self.answers(&request, refused);
            }
        };
        let fresh = association.check_timestamp(number, request.mesg_id, self.started, now);
        if let Err((status, mesg_id)) = fresh {
            let request = Request { mesg_id, ..request };
            return self.answers(&request, Outcome::refused(status));
        }
        self.association(&request).use_up(number, request.mesg_id);
        let request = Request { number, ..request };
        let outcome = match request.kind {
            DmipType::DhoaRequest => self.dhoa_request(&request),
            _ => self.dhp_update(&request),
        };
        let answers = self.answers(&request, outcome);
        self.association(&request)
            .keep(read.source, &read.octets, answers.clone(), now);
        answers
    }

    /// "a 16 with its own Cookie goes to each new one"; who echoes one of several cookies gets one without.
    fn answers(&self, request: &Request<'_>, outcome: Outcome) -> Vec<Answer> {
        let accepted = outcome.dhoas.iter().filter(|dhoa| dhoa.0 == 0);
        let bindings = accepted.filter_map(|dhoa| self.bindings.get(&dhoa.2));
        let under_test = bindings.flat_map(Binding::under_test);
        let care_ofs: BTreeSet<_> = under_test.map(|care_of| (request.owner, care_of)).collect();
        let status = match care_ofs.is_empty() {
            true => outcome.status,
            false => 16,
        };
        let head = Head::Dmip {
            kind: match request.kind {
                DmipType::DhoaRequest => DmipType::DhoaResponse,
                _ => DmipType::BindingConfirmation,
            },
            sequence: request.sequence,
            lifetime: outcome.lifetime,
            flags: outcome.flags,
            status,
        };
        let answer = |to, cookie| Answer {
            cookie,
            mesg_id: request.mesg_id,
            dhoas: outcome.dhoas.clone(),
            bids: outcome.bids.clone(),
            ..Answer::new(to, head)
        };
        let cookies = care_ofs.iter().map(|key| {
            let cookie = self.trials[key].cookie.clone();
            answer(key.1, Some(cookie))
        });
        let to_sender = care_ofs.is_empty() || outcome.is_echo;
        let to_sender = to_sender.then(|| answer(request.read.source, None));
        cookies.chain(to_sender).collect()
    }
}
