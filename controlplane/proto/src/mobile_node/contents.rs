//! The options of an answer.

use dhp_wire::codepoints::{Status, status};
use dhp_wire::mobility::{MobilityOption, Options};
use ipnet::Ipv6Net;

use super::anchors::AddressAnswer;
use super::candidate::Candidate;

/// The last of the statuses that RFC 5648 §8 has for refusals.
const LAST_MCOA: u8 = status::MCOA_SIMULTANEOUS_HOME_PROHIBITED;

/// What an answer's options say.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) dhoas: Vec<AddressAnswer>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) mesg_id: Option<u64>,
    pub(super) cookie: Option<Vec<u8>>,
    pub(super) refresh_advice: Option<u16>,
    /// How many Binding Identifier options there are.
    pub(super) identifiers: usize,
    /// The first status of a care-of address or a flow binding that refuses it.
    pub(super) steering_refusal: Option<u8>,
}

impl Contents {
    /// `None` if an option is malformed, or stands twice where it may stand once (profile 1, section 4.1).
    pub(super) fn read(options: &Options<'_>) -> Option<Self> {
        let mut contents = Self::default();
        let mut auths = 0;
        for option in options {
            match option.ok()? {
                MobilityOption::Dhoa {
                    status,
                    address,
                    lifetime,
                    ..
                } => contents.dhoas.push(AddressAnswer {
                    address,
                    status: status.0,
                    lifetime: lifetime.0,
                }),
                MobilityOption::DhpInformation {
                    preference,
                    load,
                    prefix_len,
                    address,
                    prefix,
                    path_rtt_us,
                } => contents.candidates.push(Candidate {
                    dhp: address,
                    coverage: Ipv6Net::new(prefix, prefix_len).ok()?.trunc(),
                    preference,
                    load,
                    path_round_trip_ns: (path_rtt_us > 0).then(|| u64::from(path_rtt_us) * 1000),
                    round_trip_ns: None,
                }),
                MobilityOption::MesgId(timestamp) => {
                    once(&mut contents.mesg_id, timestamp)?;
                }
                MobilityOption::Cookie(cookie) => once(&mut contents.cookie, cookie.to_vec())?,
                MobilityOption::BindingRefreshAdvice(interval) => {
                    once(&mut contents.refresh_advice, interval.0)?;
                }
                MobilityOption::BindingIdentifier { status, .. } => {
                    contents.identifiers = contents.identifiers.saturating_add(1);
                    contents.refuse(status);
                }
                MobilityOption::FlowIdentification { status, .. } => {
                    contents.refuse(Status(status))
                }
                MobilityOption::Auth(_) => auths += 1,
                _ => {}
            }
        }
        (auths <= 1).then_some(contents)
    }

    fn refuse(&mut self, status: Status) {
        let refusal = (!status.is_accepted()).then_some(status.0);
        self.steering_refusal = self.steering_refusal.or(refusal);
    }

    /// The status that refuses the care-of addresses and flow bindings of an update, if one does; `header` is the answer's.
    pub(super) fn refuses_steering(&self, header: Status) -> Option<u8> {
        let of_addresses = self.dhoas.iter().map(|dhoa| Status(dhoa.status));
        let mut refusals = of_addresses.filter_map(|status| self.refuses_bids(status));
        let refused_whole = !header.is_accepted() && self.dhoas.is_empty();
        refusals
            .next()
            .or(self.refuses_bids(header))
            .or(refused_whole.then_some(header.0))
    }

    /// The same in a Binding Acknowledgement, whose other statuses are about the registration itself.
    pub(super) fn refuses_bids(&self, header: Status) -> Option<u8> {
        let is_about_bids = (status::MCOA_MALFORMED..=LAST_MCOA).contains(&header.0);
        is_about_bids.then_some(header.0).or(self.steering_refusal)
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}
