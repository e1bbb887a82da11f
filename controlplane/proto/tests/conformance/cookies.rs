//! The cookies of care-of tests: random, so that the cases call them `c1`, `c2` … in the order in which they first come.

use dhp_proto::anchor::AnchorAction;
use dhp_wire::codepoints::{CodePoints, status};
use dhp_wire::mobility::{Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::MobilityPacket;

use crate::words::octets;

/// Those that have come so far.
#[derive(Debug, Default)]
pub struct Cookies(Vec<Vec<u8>>);

impl Cookies {
    /// Learns from what the anchor sends. Whatever is in a 16 is a cookie of a test.
    pub fn learn(&mut self, actions: &[AnchorAction]) {
        for action in actions {
            if let AnchorAction::Transmit(packet) = action
                && let Some(cookie) = tested_by(packet)
                && !self.0.contains(&cookie)
            {
                self.0.push(cookie);
            }
        }
    }

    /// The name of a cookie, or else its octets, of these hexadecimal digits.
    pub fn name(&self, digits: &str) -> String {
        let cookie = octets(digits);
        let known = self.0.iter().position(|known| *known == cookie);
        known.map_or(digits.to_owned(), |index| format!("c{}", index + 1))
    }

    /// The octets of a cookie by its name, or of hexadecimal digits. One that has not come is of zeros.
    pub fn octets(&self, text: &str) -> Vec<u8> {
        let Some(number) = text.strip_prefix('c').and_then(|text| text.parse().ok()) else {
            return octets(text);
        };
        let known = usize::checked_sub(number, 1).and_then(|index| self.0.get(index));
        known.cloned().unwrap_or(vec![0; 16])
    }
}

fn tested_by(packet: &[u8]) -> Option<Vec<u8>> {
    let parsed = MobilityPacket::parse(packet).ok()?;
    let header = MobilityHeader::parse(parsed.mh).ok()?;
    let Ok(Message::Dmip(dmip)) = header.message(&CodePoints::default()) else {
        return None;
    };
    if dmip.header.status.0 != status::CARE_OF_TEST_PENDING {
        return None;
    }
    dmip.options.iter().find_map(|option| match option {
        Ok(MobilityOption::Cookie(cookie)) => Some(cookie.to_vec()),
        _ => None,
    })
}
