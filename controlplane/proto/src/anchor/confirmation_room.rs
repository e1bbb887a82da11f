//! Whether a DHP Binding Confirmation has room for all that it must say.
//!
//! Its options are never longer than those of the update that it answers, but another order can cost more padding, and it may list
//! DHoAs that the update did not. An update whose answer does not fit a Mobility Header is refused as a whole, before it acts: acting
//! in silence, it would leave the mobile node behind with addresses that it does not know the state of.

use dhp_wire::codepoints::{DmipType, Status};
use dhp_wire::mobility::{Builder, DmipHeader, Lifetime, MobilityOption, Mode};

use super::Anchor;
use super::dhoa_steering;
use super::request::Proven;
use super::request_options::{DhoaOption, RequestOptions};

/// So many options fit always: the longest, a DHoA, has 32 octets with its padding, and 96 are enough for the header, MESG-ID, a
/// cookie and AUTH.
const ALWAYS_FIT: usize = 60;

/// The longest cookie (section 4.2), which a care-of test adds.
const LONGEST_COOKIE: [u8; 32] = [0; 32];

impl Anchor {
    /// Whether an answer can tell what has become of these addresses, and of the other options of the update.
    pub(crate) fn can_confirm(
        &self,
        proven: &Proven,
        listed: &[DhoaOption],
        options: &RequestOptions<'_>,
    ) -> bool {
        let counts = [
            listed.len(),
            options.identifiers.len(),
            options.flows.len(),
            options.modes.len(),
        ];
        if counts.iter().sum::<usize>() <= ALWAYS_FIT {
            return true;
        }
        let header = DmipHeader {
            kind: DmipType::BindingConfirmation,
            sequence: 0,
            lifetime: Lifetime::ZERO,
            flags: 0,
            status: Status(0),
        };
        let mut builder = Builder::dmip(&self.config.code_points, header);
        for option in packed(longest(listed, options)) {
            builder = builder.option(&option);
        }
        let mesg_id = options.mesg_id.map(MobilityOption::MesgId);
        builder = mesg_id.iter().fold(builder, Builder::option);
        let mac_len = proven.security.algorithm().mac_len();
        let cookie = MobilityOption::Cookie(&LONGEST_COOKIE);
        builder.is_complete() && builder.len_with(&cookie, mac_len).is_some()
    }
}

/// All that an answer may have to repeat.
fn longest(listed: &[DhoaOption], options: &RequestOptions<'_>) -> Vec<MobilityOption<'static>> {
    let status = Status(0);
    let dhoas = listed.iter().map(|dhoa| MobilityOption::Dhoa {
        status,
        fid: dhoa.fid,
        address: dhoa.address,
        lifetime: dhoa.lifetime,
    });
    let identifiers = options.identifiers.iter();
    let identifiers = identifiers.map(|option| MobilityOption::BindingIdentifier {
        bid: option.bid,
        status,
        home_flag: option.home_flag,
        priority: option.priority,
        care_of: None,
    });
    let flows = options.flows.iter();
    let flows = flows.map(|option| dhoa_steering::answer(option, 0));
    let modes = options.modes.iter();
    let modes = modes.map(|(fid, _)| MobilityOption::CommunicationMode {
        mode: Mode::Proxy,
        fid: *fid,
    });
    dhoas.chain(identifiers).chain(flows).chain(modes).collect()
}

/// The options of an answer in an order that costs little padding, where there are many. Between two DHoAs there are 6 octets of
/// it: just what a Binding Identifier or a Communication Mode needs.
pub(crate) fn packed(options: Vec<MobilityOption<'static>>) -> Vec<MobilityOption<'static>> {
    if options.len() <= ALWAYS_FIT {
        return options;
    }
    let is_dhoa = |option: &MobilityOption<'_>| matches!(option, MobilityOption::Dhoa { .. });
    let is_short = |option: &MobilityOption<'_>| {
        matches!(
            option,
            MobilityOption::BindingIdentifier { .. } | MobilityOption::CommunicationMode { .. }
        )
    };
    let (dhoas, others): (Vec<_>, Vec<_>) = options.into_iter().partition(is_dhoa);
    let (short, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_short);
    let mut short = short.into_iter();
    let mut packed = Vec::with_capacity(dhoas.len() + short.len() + others.len());
    for dhoa in dhoas {
        packed.push(dhoa);
        packed.extend(short.next());
    }
    packed.extend(short);
    packed.extend(others);
    packed
}
