//! Which home addresses an update is about, at a glance: for whoever sorts messages before anybody has authenticated them.

use core::net::Ipv6Addr;

use super::option::MobilityOption;
use super::options::next_option;
use super::read::{DMIP_FIXED_LEN, DMIP_VERSION};
use crate::codepoints::{CodePoints, dmip_type, mh_type};
use crate::field::u8_at;

/// Options that are looked at, padding included: MN-ID and the padding between options leave room for several DHoAs.
const OPTIONS: usize = 16;

/// Offset of the DMIP Type.
const DMIP_TYPE: usize = 6;
/// Offset of the DMIPv6 version.
const VERSION: usize = 7;

/// Whether `mh` is a Binding Update of RFC 6275, whose home address stands in the packet's Home Address option or is its source.
/// Nothing else of it is checked.
#[must_use]
pub fn is_binding_update(mh: &[u8]) -> bool {
    u8_at(mh, 2) == Some(mh_type::BINDING_UPDATE)
}

/// The DHoAs that a DHP Binding Update lists among its first 16 options; of any other message none. Neither the message nor its
/// chain of options is known to be sound: this reads what is there, for a bounded time.
pub fn named_dhoas<'a>(
    mh: &'a [u8],
    code_points: &CodePoints,
) -> impl Iterator<Item = Ipv6Addr> + use<'a> {
    let is_update = u8_at(mh, 2) == Some(code_points.mh_type)
        && u8_at(mh, DMIP_TYPE) == Some(dmip_type::BINDING_UPDATE)
        && u8_at(mh, VERSION).is_some_and(|version| version >> 4 == DMIP_VERSION);
    let option = code_points.option;
    let mut at = if is_update { DMIP_FIXED_LEN } else { mh.len() };
    core::iter::from_fn(move || {
        let (raw, end) = next_option(mh, at)?;
        at = end;
        Some(raw)
    })
    .take(OPTIONS)
    .filter(move |raw| raw.kind == option)
    .filter_map(move |raw| match MobilityOption::decode(&raw, option) {
        Ok(MobilityOption::Dhoa { address, .. }) if !address.is_unspecified() => Some(address),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::codepoints::{DmipType, Status};
    use crate::mobility::{BuFlags, Builder, DmipHeader, Lifetime};

    const SOURCE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 7);
    const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);

    fn dhoa(number: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0xd, 1, 0, 0, 0, number)
    }

    fn message(kind: DmipType, dhoas: u16, code_points: &CodePoints) -> Vec<u8> {
        let header = DmipHeader {
            kind,
            sequence: 1,
            lifetime: Lifetime(10),
            flags: 0,
            status: Status(0),
        };
        let mn_id = MobilityOption::MnId {
            subtype: 1,
            identifier: b"mn7@example.net",
        };
        let start = Builder::dmip(code_points, header).option(&mn_id);
        let with_dhoa = |builder: Builder, number| {
            builder.option(&MobilityOption::Dhoa {
                status: Status(0),
                fid: 0,
                address: dhoa(number),
                lifetime: Lifetime(10),
            })
        };
        (0..dhoas).fold(start, with_dhoa).finish(&SOURCE, &ANCHOR)
    }

    #[test]
    fn a_dhp_binding_update_names_what_it_lists() {
        let code_points = CodePoints {
            mh_type: 200,
            option: 201,
        };
        let update = message(DmipType::BindingUpdate, 3, &code_points);
        let named: Vec<_> = named_dhoas(&update, &code_points).collect();
        assert_eq!(named, [dhoa(0), dhoa(1), dhoa(2)]);
        assert_eq!(named_dhoas(&update, &CodePoints::default()).count(), 0);
        let wish = message(DmipType::DhoaRequest, 3, &code_points);
        assert_eq!(named_dhoas(&wish, &code_points).count(), 0);
    }

    #[test]
    fn a_long_list_is_read_in_part_and_a_broken_one_as_far_as_it_goes() {
        let code_points = CodePoints::default();
        let update = message(DmipType::BindingUpdate, 30, &code_points);
        let named = named_dhoas(&update, &code_points).count();
        assert!((1..=OPTIONS).contains(&named), "{named}");
        for len in 0..update.len() {
            let some = named_dhoas(&update[..len], &code_points).count();
            assert!(some <= named, "{len} octets");
        }
    }

    #[test]
    fn padding_without_end_is_not_read_to_its_end() {
        let code_points = CodePoints::default();
        let mut update = message(DmipType::BindingUpdate, 1, &code_points);
        update.splice(DMIP_FIXED_LEN..DMIP_FIXED_LEN, [0; 1024]);
        assert_eq!(named_dhoas(&update, &code_points).count(), 0);
    }

    #[test]
    fn a_classic_update_is_told_by_its_type() {
        let update = Builder::binding_update(1, BuFlags::HOME, Lifetime(10));
        assert!(is_binding_update(&update.finish(&SOURCE, &ANCHOR)));
        assert!(!is_binding_update(&message(
            DmipType::BindingUpdate,
            1,
            &CodePoints::default()
        )));
        assert!(!is_binding_update(&[]));
    }
}
