//! Fixed-size fields out of octet strings of unknown length.

use core::net::Ipv6Addr;

/// The `N` octets at `at`, or nothing where the string ends before.
#[inline]
pub(crate) fn octets<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

#[inline]
pub(crate) fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    octets(bytes, at).map(u16::from_be_bytes)
}

#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    octets(bytes, at).map(u32::from_be_bytes)
}

#[inline]
pub(crate) fn address_at(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    octets::<16>(bytes, at).map(Ipv6Addr::from)
}
