//! Fields with units or bits of their own.

use core::fmt;
use core::time::Duration;

/// A Lifetime field: units of 4 seconds (RFC 6275 §6.1.7), 0xffff for ever (DMIPv6 profile 1; RFC 6275 gives that
/// value no meaning of its own, and a granted lifetime is limited anyway).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lifetime(pub u16);

impl Lifetime {
    /// Deletes a binding.
    pub const ZERO: Self = Self(0);
    /// Never ends.
    pub const INFINITE: Self = Self(0xffff);
    /// Seconds of one unit.
    pub const UNIT_SECONDS: u64 = 4;

    /// The longest lifetime that does not exceed `duration`, at most the longest finite one. A granted lifetime
    /// must never outlive what it was granted for.
    #[must_use]
    pub fn at_most(duration: Duration) -> Self {
        let units = duration.as_secs() / Self::UNIT_SECONDS;
        Self(u16::try_from(units).unwrap_or(u16::MAX).min(0xfffe))
    }

    /// The time it stands for; `None` if it never ends.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        if self.0 == Self::INFINITE.0 {
            return None;
        }
        Some(Duration::from_secs(self.0 as u64 * Self::UNIT_SECONDS))
    }

    /// Whether it asks for, or tells of, deletion.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.duration() {
            Some(duration) => write!(f, "{} s", duration.as_secs()),
            None => f.write_str("infinite"),
        }
    }
}

/// Flags of a Binding Update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct BuFlags(pub u16);

impl BuFlags {
    /// `A` Acknowledge (RFC 6275).
    pub const ACKNOWLEDGE: Self = Self(0x8000);
    /// `H` Home Registration (RFC 6275).
    pub const HOME: Self = Self(0x4000);
    /// `L` Link-Local Address Compatibility (RFC 6275).
    pub const LINK_LOCAL: Self = Self(0x2000);
    /// `K` Key Management Mobility Capability (RFC 6275).
    pub const KEY_MANAGEMENT: Self = Self(0x1000);
    /// `M` MAP Registration (RFC 4140).
    pub const MAP: Self = Self(0x0800);
    /// `R` Mobile Router (RFC 3963).
    pub const ROUTER: Self = Self(0x0400);
    /// `P` Proxy Registration (RFC 5213).
    pub const PROXY: Self = Self(0x0200);
    /// `F` Forcing UDP encapsulation (RFC 5555).
    pub const FORCE_UDP: Self = Self(0x0100);
    /// `T` TLV-header format (RFC 5845).
    pub const TLV_HEADER: Self = Self(0x0080);
    /// `O` Overwrite (RFC 5648), also `B` Bulk (RFC 6602); see [`Self::overwrites`].
    pub const OVERWRITE: Self = Self(0x0040);
    /// `S` (RFC 7161).
    pub const MULTICAST_SUBSCRIPTION: Self = Self(0x0020);
    /// `D` (RFC 8885).
    pub const DISTRIBUTED: Self = Self(0x0010);
    /// Every bit that has a meaning.
    const ASSIGNED: u16 = 0xfff0;

    /// The flags of a received field; reserved bits "MUST be ignored by the receiver" (RFC 6275 §6.1.7).
    #[must_use]
    pub const fn from_wire(field: u16) -> Self {
        Self(field & Self::ASSIGNED)
    }

    /// The field to send; reserved bits "MUST be initialized to zero by the sender".
    #[must_use]
    pub const fn to_wire(self) -> u16 {
        self.0 & Self::ASSIGNED
    }

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Both sets of flags.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether bit 0x0040 means Overwrite. RFC 5648 §4.2 and RFC 6602 §4.1 both define it; the latter's Bulk needs
    /// `P`, and Overwrite means something only beside a Binding Identifier option.
    #[must_use]
    pub const fn overwrites(self, has_binding_identifier: bool) -> bool {
        has_binding_identifier && self.contains(Self::OVERWRITE) && !self.contains(Self::PROXY)
    }
}

impl core::ops::BitOr for BuFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

/// Flags of a Binding Acknowledgement.
pub mod ba_flag {
    /// `K` Key Management Mobility Capability (RFC 6275).
    pub const KEY_MANAGEMENT: u8 = 0x80;
    /// `R` Mobile Router (RFC 3963 §4.2).
    pub const ROUTER: u8 = 0x40;
    /// `P` Proxy Registration (RFC 5213).
    pub const PROXY: u8 = 0x20;
}

/// What a flow needs, in RFC 8653's words; the session types that never ask a DHP have no value here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SessionType {
    /// The address is valid until the session ends.
    SessionLasting = 1,
    /// The address may go, with time to replace it.
    GracefulReplacement = 3,
}

impl SessionType {
    /// The type of a field, unless it is none that a DHP may be asked for.
    #[must_use]
    pub const fn from_u8(field: u8) -> Option<Self> {
        match field {
            1 => Some(Self::SessionLasting),
            3 => Some(Self::GracefulReplacement),
            _ => None,
        }
    }
}

/// How packets of a flow go between mobile node and correspondent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Mode {
    /// Through the DHP.
    #[default]
    Proxy = 0,
    /// Directly, with Home Address option and type 2 routing header.
    RouteOptimized = 1,
}

impl Mode {
    /// The mode of a field, if there is one.
    #[must_use]
    pub const fn from_u8(field: u8) -> Option<Self> {
        match field {
            0 => Some(Self::Proxy),
            1 => Some(Self::RouteOptimized),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetime_units() {
        assert_eq!(Lifetime(900).duration(), Some(Duration::from_secs(3600)));
        assert_eq!(Lifetime::INFINITE.duration(), None);
        assert_eq!(Lifetime::at_most(Duration::from_millis(7_999)), Lifetime(1));
        assert_eq!(Lifetime::at_most(Duration::from_secs(3)), Lifetime::ZERO);
        assert_eq!(Lifetime::at_most(Duration::MAX), Lifetime(0xfffe));
    }

    #[test]
    fn bit_9_is_overwrite_only_beside_a_bid_and_without_p() {
        let o = BuFlags::OVERWRITE;
        assert!(o.overwrites(true));
        assert!(!o.overwrites(false));
        assert!(!(o | BuFlags::PROXY).overwrites(true));
        assert!(!BuFlags::HOME.overwrites(true));
    }

    #[test]
    fn reserved_bits() {
        assert_eq!(BuFlags::from_wire(0xe00f), BuFlags(0xe000));
        assert_eq!(BuFlags(0xffff).to_wire(), 0xfff0);
    }
}
