//! Binding Revocation (RFC 5846 §5).

use crate::codepoints::revocation_type;

/// The fixed part of a Binding Revocation message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationHeader {
    /// Which of the messages, and what only that one says.
    pub kind: RevocationKind,
    /// Matches an acknowledgement to its indication.
    pub sequence: u16,
    /// `P`, `V` and `G`; an acknowledgement has those of its indication.
    pub flags: RevocationFlags,
}

/// The B.R. Type and the octet behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationKind {
    /// Binding Revocation Indication (§5.1).
    Indication {
        /// See [`crate::codepoints::revocation_trigger`].
        trigger: u8,
    },
    /// Binding Revocation Acknowledgement (§5.2).
    Acknowledgement {
        /// See [`crate::codepoints::revocation_status`].
        status: u8,
    },
    /// A B.R. Type that is not known: the RFC has no answer to it.
    Other {
        /// B.R. Type.
        kind: u8,
        /// The octet behind it.
        value: u8,
    },
}

impl RevocationKind {
    pub(super) const fn from_wire([kind, value]: [u8; 2]) -> Self {
        match kind {
            revocation_type::INDICATION => Self::Indication { trigger: value },
            revocation_type::ACKNOWLEDGEMENT => Self::Acknowledgement { status: value },
            _ => Self::Other { kind, value },
        }
    }

    pub(super) const fn to_wire(self) -> [u8; 2] {
        match self {
            Self::Indication { trigger } => [revocation_type::INDICATION, trigger],
            Self::Acknowledgement { status } => [revocation_type::ACKNOWLEDGEMENT, status],
            Self::Other { kind, value } => [kind, value],
        }
    }
}

/// Flags of a Binding Revocation message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RevocationFlags(pub u16);

impl RevocationFlags {
    /// `P` Proxy Binding.
    pub const PROXY: Self = Self(0x8000);
    /// `V` IPv4 HoA Binding Only.
    pub const IPV4_ONLY: Self = Self(0x4000);
    /// `G` Global.
    pub const GLOBAL: Self = Self(0x2000);
    const ASSIGNED: u16 = 0xe000;

    /// The flags of a received field; reserved bits "MUST be ignored by the receiver".
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
}

impl core::ops::BitOr for RevocationFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
