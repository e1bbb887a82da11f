//! Home Agent Switch (RFC 5142 §4).

use super::options::Options;
use crate::addresses::Addresses;

/// Octets before the addresses.
pub(super) const FIXED_LEN: usize = 8;
/// Addresses that the longest Mobility Header has room for.
pub(super) const MAX_ADDRESSES: usize = (super::MAX_LEN - FIXED_LEN) / 16;

/// A home agent tells a mobile node to find another one.
#[derive(Clone, Copy, Debug)]
pub struct HomeAgentSwitch<'a> {
    /// Other home agents, best first. Of none, "the mobile node MUST perform home agent discovery".
    pub addresses: Addresses<'a>,
    /// Mobility options; Binding Refresh Advice tells when the binding will be deleted.
    pub options: Options<'a>,
}

impl<'a> HomeAgentSwitch<'a> {
    /// The addresses of a header, and where they end; nothing if it is too short for as many as it says.
    pub(super) fn addresses(header: &'a [u8], count: u8) -> Option<(Addresses<'a>, usize)> {
        let end = FIXED_LEN + usize::from(count) * 16;
        let octets = header.get(FIXED_LEN..end)?;
        Some((Addresses::of_octets(octets), end))
    }
}
