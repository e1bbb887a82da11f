//! What the Binding Identifier options of a message do to the care-of addresses of a home address (RFC 5648 §6.2).

use core::net::{IpAddr, Ipv6Addr};

use dhp_wire::codepoints::{Status, status};
use dhp_wire::ipv6::is_unicast_routable;

use super::Anchor;
use super::care_of_addresses::{self, CareOfAddress};

/// A Binding Identifier option of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdentifierOption {
    pub(crate) bid: u16,
    /// `H`: the mobile node is at home too.
    pub(crate) home_flag: bool,
    pub(crate) priority: u8,
    pub(crate) care_of: Option<IpAddr>,
}

/// What Binding Identifier options come to.
#[derive(Debug, Default)]
pub(crate) struct Identified {
    /// The care-of addresses from now on, in the order of their BIDs.
    pub(crate) care_ofs: Vec<CareOfAddress>,
    /// One for each option, 0 where it was accepted.
    pub(crate) statuses: Vec<u8>,
}

impl Identified {
    /// Nothing changes for this reason.
    pub(crate) fn refused(options: &[IdentifierOption], status: u8) -> Self {
        Self {
            care_ofs: Vec::new(),
            statuses: vec![status; options.len()],
        }
    }

    /// Whether any option was accepted.
    pub(crate) fn is_accepted(&self) -> bool {
        self.statuses
            .iter()
            .any(|status| Status(*status).is_accepted())
    }

    /// The status of the whole, and that of each option, where `accepted` is that of a success. RFC 5648 §6.2: "If the status
    /// value is specific to one of the bindings in the bulk registration, the status value MUST be stored in the Status field
    /// in the corresponding Binding Identifier mobility option. In this case, the Status field of the Binding Acknowledgement
    /// MUST be set to [MCOA NOTCOMPLETE] … Otherwise, the Status field of the Binding Identifier mobility option MUST be set
    /// to zero".
    pub(crate) fn summary(&self, accepted: u8) -> (u8, Vec<u8>) {
        let whole = |status: u8| if status == 0 { accepted } else { status };
        let first = self.statuses.first().copied().unwrap_or_default();
        if self.statuses.iter().all(|status| *status == first) {
            return (whole(first), vec![0; self.statuses.len()]);
        }
        let each = self.statuses.iter().map(|status| whole(*status));
        (status::MCOA_NOT_COMPLETE, each.collect())
    }
}

impl Anchor {
    /// Why no Binding Identifier option can be accepted, whatever it says.
    pub(crate) fn refusal_of_identifiers(&self, options: &[IdentifierOption]) -> Option<u8> {
        let most = self.config.limits.max_care_of_addresses;
        if most == 0 {
            return Some(status::MCOA_PROHIBITED);
        }
        // "Bulk binding registration is either not permitted or not supported" where it could never be complete.
        (most == 1 && options.len() > 1).then_some(status::MCOA_BULK_PROHIBITED)
    }

    /// Adds the care-of addresses of the options to `known`, or has them replace those.
    pub(crate) fn register_identifiers(
        &self,
        home_address: &Ipv6Addr,
        known: &[CareOfAddress],
        options: &[IdentifierOption],
        overwrite: bool,
        expires_ns: Option<u64>,
    ) -> Identified {
        let may_split = self.may_split(home_address);
        let most = match may_split {
            true => self.config.limits.max_care_of_addresses,
            false => 1,
        };
        // "If the 'O' flag is set in the Binding Update, the receiving node removes all the existing bindings and registers
        // the received binding(s)."
        let mut care_ofs = if overwrite {
            Vec::new()
        } else {
            known.to_vec()
        };
        let mut statuses = Vec::with_capacity(options.len());
        for (at, option) in options.iter().enumerate() {
            let before = options.get(..at).unwrap_or_default();
            let status = if before.iter().any(|other| other.bid == option.bid) {
                // Which of the two would it be?
                status::MCOA_MALFORMED
            } else {
                match self.care_of_address(known, option) {
                    Ok(address) => {
                        let care_of = CareOfAddress {
                            bid: option.bid,
                            priority: option.priority,
                            address,
                            expires_ns,
                            test: None,
                        };
                        put(&mut care_ofs, care_of, most)
                    }
                    Err(status) => status,
                }
            };
            statuses.push(status);
        }
        Identified { care_ofs, statuses }
    }

    /// The care-of address that an option stands for, or why there is none.
    fn care_of_address(
        &self,
        known: &[CareOfAddress],
        option: &IdentifierOption,
    ) -> Result<Ipv6Addr, u8> {
        // "Simultaneous home and foreign attachment is neither supported nor permitted": what is bound goes through tunnels.
        if option.home_flag {
            return Err(status::MCOA_SIMULTANEOUS_HOME_PROHIBITED);
        }
        match option.care_of {
            // "If the unicast routable address is not present in the Care-of Address field, the receiver MUST reject the
            // Binding Identifier mobility option and return the status value set to [MCOA MALFORMED]."
            Some(IpAddr::V6(address)) if !is_unicast_routable(&address) => {
                Err(status::MCOA_MALFORMED)
            }
            Some(IpAddr::V6(address)) => match self.check_care_of(&address) {
                Ok(()) => Ok(address),
                Err(_) => Err(status::INVALID_CARE_OF),
            },
            // RFC 5555's tunnels to IPv4 are not spoken.
            Some(IpAddr::V4(_)) => Err(status::INVALID_CARE_OF),
            // "When the length value is 4 and the Binding Identifier is present in the binding cache, the receiving node MUST
            // update the associated binding entry. Otherwise, … [MCOA UNKNOWN]".
            None => care_of_addresses::find(known, option.bid)
                .map(|care_of| care_of.address)
                .ok_or(status::MCOA_UNKNOWN_CARE_OF),
        }
    }
}

/// Puts a care-of address where its BID belongs, if there is room for it; gives its status.
fn put(care_ofs: &mut Vec<CareOfAddress>, care_of: CareOfAddress, most: usize) -> u8 {
    match care_ofs.binary_search_by_key(&care_of.bid, |known| known.bid) {
        Ok(at) => {
            if let Some(known) = care_ofs.get_mut(at) {
                *known = care_of;
            }
        }
        Err(_) if care_ofs.len() >= most => return status::INSUFFICIENT_RESOURCES,
        Err(at) => care_ofs.insert(at, care_of),
    }
    status::ACCEPTED
}

/// Takes the care-of addresses of the options away. "If the receiving node does not have an appropriate binding for the BID,
/// it MUST reject the Binding Update and send a Binding Acknowledgement with status set to 133".
pub(crate) fn deregister_identifiers(
    known: &[CareOfAddress],
    options: &[IdentifierOption],
) -> Identified {
    let status = |option: &IdentifierOption| match care_of_addresses::find(known, option.bid) {
        // A home binding would begin by it.
        _ if option.home_flag => status::MCOA_SIMULTANEOUS_HOME_PROHIBITED,
        Some(_) => status::ACCEPTED,
        None => status::NOT_HOME_AGENT,
    };
    let goes = |care_of: &CareOfAddress| {
        let mut named = options.iter().filter(|option| option.bid == care_of.bid);
        named.any(|option| status(option) == status::ACCEPTED)
    };
    Identified {
        care_ofs: known.iter().filter(|known| !goes(known)).copied().collect(),
        statuses: options.iter().map(status).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(statuses: &[u8], accepted: u8) -> (u8, Vec<u8>) {
        let identified = Identified {
            care_ofs: Vec::new(),
            statuses: statuses.to_vec(),
        };
        identified.summary(accepted)
    }

    #[test]
    fn a_status_that_is_that_of_all_stands_in_the_header_alone() {
        assert_eq!(summary(&[0, 0], 0), (0, vec![0, 0]));
        assert_eq!(summary(&[0, 0], 1), (1, vec![0, 0]));
        assert_eq!(summary(&[164], 0), (164, vec![0]));
        assert_eq!(summary(&[167, 167], 0), (167, vec![0, 0]));
    }

    #[test]
    fn statuses_that_differ_stand_each_in_its_option() {
        assert_eq!(summary(&[0, 167], 0), (4, vec![0, 167]));
        assert_eq!(summary(&[164, 167], 0), (4, vec![164, 167]));
        assert_eq!(summary(&[0, 167], 1), (4, vec![1, 167]));
    }
}
