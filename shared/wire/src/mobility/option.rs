//! Mobility options, typed.

use core::net::{IpAddr, Ipv6Addr};

use super::fields::{Lifetime, Mode, SessionType};
use crate::codepoints::Status;

/// The message authentication option (RFC 4285 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthOption<'a> {
    /// 1 is MN-HA, see [`crate::codepoints::auth_subtype`].
    pub subtype: u8,
    /// Which security association.
    pub spi: u32,
    /// Authentication Data.
    pub data: &'a [u8],
    /// Octets of the Mobility Header that the MAC covers: from the first through the SPI. Give it to
    /// [`super::MobilityHeader::mac_input`]. Not used to write the option.
    pub mac_input_len: usize,
    /// The header ends with this option's last octet, as DMIPv6 profile 1 demands. Not used to write the option.
    pub ends_header: bool,
    /// At most padding stands behind, which RFC 4285 §5 permits. Not used to write the option.
    pub is_last: bool,
}

/// A mobility option. Addresses, lengths and enumerated values have been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MobilityOption<'a> {
    /// Refresh Interval (RFC 6275 §6.2.4).
    BindingRefreshAdvice(Lifetime),
    /// Alternate Care-of Address (RFC 6275 §6.2.5).
    AlternateCareOf(Ipv6Addr),
    /// Nonce Indices (RFC 6275 §6.2.6).
    NonceIndices {
        /// Home Nonce Index.
        home: u16,
        /// Care-of Nonce Index.
        care_of: u16,
    },
    /// Binding Authorization Data (RFC 6275 §6.2.7).
    BindingAuthorizationData {
        /// The authenticator.
        authenticator: &'a [u8],
        /// Octets of the Mobility Header that it covers: up to itself. Not used to write the option.
        mac_input_len: usize,
        /// The header ends with the authenticator's last octet; RFC 6275 §9.5.1: "MUST be the last option and MUST
        /// NOT have trailing padding". Not used to write the option.
        ends_header: bool,
    },
    /// Mobile Network Prefix (RFC 3963 §4.3).
    MobileNetworkPrefix {
        /// At most 128.
        prefix_len: u8,
        /// The prefix; bits behind its length mean nothing.
        prefix: Ipv6Addr,
    },
    /// Mobile Node Identifier (RFC 4283 §3).
    MnId {
        /// 1 is a network access identifier.
        subtype: u8,
        /// At least one octet.
        identifier: &'a [u8],
    },
    /// Message authentication (RFC 4285 §5).
    Auth(AuthOption<'a>),
    /// Replay protection: a 64-bit NTP timestamp (RFC 4285 §6).
    MesgId(u64),
    /// Vendor Specific (RFC 5094 §3).
    VendorSpecific {
        /// Private Enterprise Number.
        vendor: u32,
        /// The vendor's own.
        sub_type: u8,
        /// The vendor's own.
        data: &'a [u8],
    },
    /// Service Selection (RFC 5149 §3): which service the binding is for, 1 to 255 octets of UTF-8.
    ServiceSelection(&'a str),
    /// How often the sender has lost its state (RFC 5847 §3.4).
    RestartCounter(u32),
    /// Binding Identifier (RFC 5648 §4.3, RFC 6089 §4.1).
    BindingIdentifier {
        /// BID, not 0.
        bid: u16,
        /// What became of it.
        status: Status,
        /// `H`: simultaneous home and foreign binding.
        home_flag: bool,
        /// BID-PRI, 7 bits; 0 where RFC 6089 is not in use.
        priority: u8,
        /// The care-of address, of either family; without one, that of the packet.
        care_of: Option<IpAddr>,
    },
    /// Flow Summary (RFC 6089 §4.2.2).
    FlowSummary(FlowIds<'a>),
    /// Flow Identification (RFC 6089 §4.2).
    FlowIdentification {
        /// FID, not 0.
        fid: u16,
        /// FID-PRI; the lower goes first.
        priority: u16,
        /// See [`crate::codepoints::flow_status`].
        status: u8,
        /// Sub-options, for [`super::FlowSubOptions`].
        sub_options: &'a [u8],
    },
    /// DMIPv6: the correspondent whose DHPs are asked for.
    Correspondent {
        /// At most 128, which means this host.
        prefix_len: u8,
        /// Address or prefix; host bits mean nothing.
        address: Ipv6Addr,
    },
    /// DMIPv6: a DHP and what it covers.
    DhpInformation {
        /// Higher is better.
        preference: u8,
        /// 0 idle … 255 full.
        load: u8,
        /// Coverage prefix length, at most 128.
        prefix_len: u8,
        /// The DHP's address.
        address: Ipv6Addr,
        /// Coverage prefix.
        prefix: Ipv6Addr,
        /// Round-trip time from the DHP to the correspondent, 0 if unknown.
        path_rtt_us: u32,
    },
    /// DMIPv6: a distributed home address.
    Dhoa {
        /// What became of it; 0 in requests.
        status: Status,
        /// The flow it is for, 0 for all.
        fid: u16,
        /// The address, `::` for any.
        address: Ipv6Addr,
        /// Asked for or granted.
        lifetime: Lifetime,
    },
    /// DMIPv6: what a flow needs. 0 is no requirement.
    FlowRequirements {
        /// Kind of session continuity.
        session: SessionType,
        /// Differentiated services code point, 6 bits.
        dscp: u8,
        /// Bandwidth in kbit/s.
        min_bandwidth_kbps: u32,
        /// Latency in ms.
        max_latency_ms: u16,
        /// Loss in tenths of a percent.
        max_loss_permille: u16,
    },
    /// DMIPv6: how a flow's packets go.
    CommunicationMode {
        /// The mode.
        mode: Mode,
        /// The flow, 0 for all.
        fid: u16,
    },
    /// DMIPv6: opaque, 8 to 32 octets, to be echoed.
    Cookie(&'a [u8]),
    /// An option that is not known here: "Implementations MUST silently ignore any mobility options that they do not
    /// understand." (RFC 6275 §6.2.1) RFC 5096's option is one of them where DMIPv6 has another number: what it says is
    /// known to its experiment alone.
    Unknown {
        /// Option type.
        kind: u8,
        /// Option data.
        data: &'a [u8],
    },
}

/// The flow identifiers of a Flow Summary option, at least one, none 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FlowIds<'a>(&'a [[u8; 2]]);

impl<'a> FlowIds<'a> {
    /// Identifiers in network byte order; nothing if the list is empty, longer than an option holds or has a 0.
    #[must_use]
    pub fn new(fids: &'a [[u8; 2]]) -> Option<Self> {
        let sound = (1..=127).contains(&fids.len()) && !fids.contains(&[0, 0]);
        sound.then_some(Self(fids))
    }

    /// The identifiers in their order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + 'a {
        self.0.iter().map(|fid| u16::from_be_bytes(*fid))
    }

    pub(super) fn octets(&self) -> &'a [u8] {
        self.0.as_flattened()
    }
}

impl core::fmt::Debug for FlowIds<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
