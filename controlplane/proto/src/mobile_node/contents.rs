//! The options of an answer.

use dhp_wire::mobility::{MobilityOption, Options};
use ipnet::Ipv6Net;

use super::anchors::AddressAnswer;
use super::candidate::Candidate;

/// What an answer's options say.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) dhoas: Vec<AddressAnswer>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) mesg_id: Option<u64>,
    pub(super) cookie: Option<Vec<u8>>,
    pub(super) refresh_advice: Option<u16>,
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
                MobilityOption::Auth(_) => auths += 1,
                _ => {}
            }
        }
        (auths <= 1).then_some(contents)
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}
