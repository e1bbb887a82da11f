//! Status values: what a Binding Acknowledgement, a DMIPv6 answer and a Binding Error say.

use core::fmt;

/// Status of a Binding Acknowledgement, a DMIPv6 message or one option in it. Below 128 the request was accepted
/// (RFC 6275 §6.1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Status(pub u8);

impl Status {
    /// Whether the request was accepted.
    #[inline]
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        self.0 < 128
    }

    /// The meaning in words; `None` for values that this project does not know.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            status::ACCEPTED => "accepted",
            status::ACCEPTED_PREFIX_DISCOVERY => "accepted, prefix discovery necessary",
            status::MCOA_NOT_COMPLETE => "accepted, not all care-of addresses",
            status::MCOA_RETURN_HOME_WITHOUT_NDP => {
                "accepted, return home without neighbour discovery proxying"
            }
            status::CARE_OF_TEST_PENDING => "accepted, care-of test pending",
            status::UNSPECIFIED => "reason unspecified",
            status::PROHIBITED => "administratively prohibited",
            status::INSUFFICIENT_RESOURCES => "insufficient resources",
            status::HOME_REGISTRATION_NOT_SUPPORTED => "home registration not supported",
            status::NOT_HOME_SUBNET => "not home subnet",
            status::NOT_HOME_AGENT => "not home agent for this mobile node",
            status::DAD_FAILED => "duplicate address detection failed",
            status::SEQUENCE_OUT_OF_WINDOW => "sequence number out of window",
            status::EXPIRED_HOME_NONCE => "expired home nonce index",
            status::EXPIRED_CARE_OF_NONCE => "expired care-of nonce index",
            status::EXPIRED_NONCES => "expired nonces",
            status::REGISTRATION_TYPE_CHANGE => "registration type change disallowed",
            status::MOBILE_ROUTER_NOT_PERMITTED => "mobile router operation not permitted",
            status::INVALID_PREFIX => "invalid prefix",
            status::PREFIX_NOT_AUTHORIZED => "not authorized for prefix",
            status::FORWARDING_SETUP_FAILED => "forwarding setup failed",
            status::ID_MISMATCH => "message identifier mismatch",
            status::MESG_ID_REQUIRED => "message identifier required",
            status::AUTHENTICATION_FAILED => "authentication failed",
            status::SERVICE_AUTHORIZATION_FAILED => "service authorization failed",
            status::MCOA_MALFORMED => "malformed binding identifier option",
            status::MCOA_NON_MCOA_BINDING_EXISTS => "a binding without identifier exists",
            status::MCOA_PROHIBITED => "multiple care-of addresses prohibited",
            status::MCOA_UNKNOWN_CARE_OF => "unknown care-of address",
            status::MCOA_BULK_PROHIBITED => "bulk registration prohibited",
            status::MCOA_SIMULTANEOUS_HOME_PROHIBITED => {
                "simultaneous home and foreign binding prohibited"
            }
            status::INVALID_CARE_OF => "invalid care-of address",
            status::NOT_COVERED => "correspondent not covered",
            status::COOKIE_REQUIRED => "cookie required",
            status::NOT_ASSIGNED => "address not assigned to this mobile node",
            status::MALFORMED => "malformed or missing option",
            status::DRAINING => "draining",
            _ => return None,
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl From<Status> for u8 {
    fn from(status: Status) -> Self {
        status.0
    }
}

impl From<u8> for Status {
    fn from(status: u8) -> Self {
        Self(status)
    }
}

/// Values of [`Status`], named in the RFCs' words.
pub mod status {
    /// Accepted (RFC 6275).
    pub const ACCEPTED: u8 = 0;
    /// Accepted, prefix discovery necessary (RFC 6275).
    pub const ACCEPTED_PREFIX_DISCOVERY: u8 = 1;
    /// Accepted, not all care-of addresses (RFC 5648).
    pub const MCOA_NOT_COMPLETE: u8 = 4;
    /// Accepted, return home without neighbour discovery proxying (RFC 5648).
    pub const MCOA_RETURN_HOME_WITHOUT_NDP: u8 = 5;
    /// Accepted, care-of test pending (DMIPv6 profile 1).
    pub const CARE_OF_TEST_PENDING: u8 = 16;
    /// Reason unspecified (RFC 6275).
    pub const UNSPECIFIED: u8 = 128;
    /// Administratively prohibited (RFC 6275).
    pub const PROHIBITED: u8 = 129;
    /// Insufficient resources (RFC 6275).
    pub const INSUFFICIENT_RESOURCES: u8 = 130;
    /// Home registration not supported (RFC 6275).
    pub const HOME_REGISTRATION_NOT_SUPPORTED: u8 = 131;
    /// Not home subnet (RFC 6275).
    pub const NOT_HOME_SUBNET: u8 = 132;
    /// Not home agent for this mobile node (RFC 6275).
    pub const NOT_HOME_AGENT: u8 = 133;
    /// Duplicate address detection failed (RFC 6275).
    pub const DAD_FAILED: u8 = 134;
    /// Sequence number out of window (RFC 6275).
    pub const SEQUENCE_OUT_OF_WINDOW: u8 = 135;
    /// Expired home nonce index (RFC 6275).
    pub const EXPIRED_HOME_NONCE: u8 = 136;
    /// Expired care-of nonce index (RFC 6275).
    pub const EXPIRED_CARE_OF_NONCE: u8 = 137;
    /// Expired nonces (RFC 6275).
    pub const EXPIRED_NONCES: u8 = 138;
    /// Registration type change disallowed (RFC 6275).
    pub const REGISTRATION_TYPE_CHANGE: u8 = 139;
    /// Mobile router operation not permitted (RFC 3963).
    pub const MOBILE_ROUTER_NOT_PERMITTED: u8 = 140;
    /// Invalid prefix (RFC 3963).
    pub const INVALID_PREFIX: u8 = 141;
    /// Not authorized for prefix (RFC 3963).
    pub const PREFIX_NOT_AUTHORIZED: u8 = 142;
    /// Forwarding setup failed (RFC 3963).
    pub const FORWARDING_SETUP_FAILED: u8 = 143;
    /// Message identifier mismatch (RFC 4285).
    pub const ID_MISMATCH: u8 = 144;
    /// Message identifier required (RFC 4285).
    pub const MESG_ID_REQUIRED: u8 = 145;
    /// Authentication failed (RFC 4285).
    pub const AUTHENTICATION_FAILED: u8 = 146;
    /// Service authorization failed (RFC 5149).
    pub const SERVICE_AUTHORIZATION_FAILED: u8 = 151;
    /// Malformed binding identifier option (RFC 5648).
    pub const MCOA_MALFORMED: u8 = 164;
    /// A binding without identifier exists (RFC 5648).
    pub const MCOA_NON_MCOA_BINDING_EXISTS: u8 = 165;
    /// Multiple care-of addresses prohibited (RFC 5648).
    pub const MCOA_PROHIBITED: u8 = 166;
    /// Unknown care-of address (RFC 5648).
    pub const MCOA_UNKNOWN_CARE_OF: u8 = 167;
    /// Bulk registration prohibited (RFC 5648).
    pub const MCOA_BULK_PROHIBITED: u8 = 168;
    /// Simultaneous home and foreign binding prohibited (RFC 5648).
    pub const MCOA_SIMULTANEOUS_HOME_PROHIBITED: u8 = 169;
    /// Invalid care-of address (RFC 6275).
    pub const INVALID_CARE_OF: u8 = 174;
    /// Correspondent not covered (DMIPv6 profile 1).
    pub const NOT_COVERED: u8 = 192;
    /// Cookie required (DMIPv6 profile 1).
    pub const COOKIE_REQUIRED: u8 = 193;
    /// Address not assigned to this mobile node (DMIPv6 profile 1).
    pub const NOT_ASSIGNED: u8 = 194;
    /// Malformed or missing option (DMIPv6 profile 1).
    pub const MALFORMED: u8 = 195;
    /// Draining (DMIPv6 profile 1).
    pub const DRAINING: u8 = 196;
}

/// Status of a Binding Error (RFC 6275 §6.1.9), a registry of its own.
pub mod binding_error_status {
    /// Home Address option without a binding.
    pub const UNKNOWN_BINDING: u8 = 1;
    /// Mobility Header type not recognized.
    pub const UNRECOGNIZED_MH_TYPE: u8 = 2;
}

/// Status of a Binding Revocation Acknowledgement (RFC 5846 §5.2), a registry of its own. Below 128 it was done.
pub mod revocation_status {
    /// Success.
    pub const SUCCESS: u8 = 0;
    /// Partial success.
    pub const PARTIAL_SUCCESS: u8 = 1;
    /// Binding does not exist.
    pub const NO_BINDING: u8 = 128;
    /// IPv4 Home Address option required.
    pub const IPV4_HOME_ADDRESS_REQUIRED: u8 = 129;
    /// Global revocation not authorized.
    pub const GLOBAL_NOT_AUTHORIZED: u8 = 130;
    /// Revoked mobile nodes' identity required.
    pub const IDENTITY_REQUIRED: u8 = 131;
    /// The mobile node is attached.
    pub const MOBILE_NODE_ATTACHED: u8 = 132;
    /// Revocation trigger not supported.
    pub const TRIGGER_NOT_SUPPORTED: u8 = 133;
    /// Revocation function not supported.
    pub const FUNCTION_NOT_SUPPORTED: u8 = 134;
    /// Proxy binding revocation not supported.
    pub const PROXY_NOT_SUPPORTED: u8 = 135;
}

/// Status of a Flow Identification option (RFC 6089 §4.2), a registry of its own.
pub mod flow_status {
    /// Flow binding successful.
    pub const ACCEPTED: u8 = 0;
    /// Administratively prohibited.
    pub const PROHIBITED: u8 = 128;
    /// Rejected, reason unspecified.
    pub const REJECTED: u8 = 129;
    /// Option malformed.
    pub const MALFORMED: u8 = 130;
    /// Binding identifier not found.
    pub const BID_NOT_FOUND: u8 = 131;
    /// Flow identifier not found.
    pub const FID_NOT_FOUND: u8 = 132;
    /// Traffic selector format not supported.
    pub const SELECTOR_UNSUPPORTED: u8 = 133;
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn accepted_is_below_128() {
        assert!(Status(0).is_accepted() && Status(16).is_accepted() && Status(127).is_accepted());
        assert!(!Status(128).is_accepted() && !Status(255).is_accepted());
    }

    #[test]
    fn display() {
        assert_eq!(
            Status(status::SEQUENCE_OUT_OF_WINDOW).to_string(),
            "135 (sequence number out of window)"
        );
        assert_eq!(Status(77).to_string(), "77");
    }
}
