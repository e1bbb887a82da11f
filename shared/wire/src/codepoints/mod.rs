//! Every number that a registry assigns, in one table.
//!
//! The registries are IANA's: Protocol Numbers, ICMPv6 Parameters, Destination Options and Hop-by-Hop Options, Mobile
//! IPv6 Parameters. DMIPv6 profile 1 has numbers of its own inside the experimental ones of RFC 5096.

mod dmip;
mod status_code;

pub use dmip::{CodePoints, DmipType, dmip_flag, dmip_option, dmip_type};
pub use status_code::{Status, binding_error_status, flow_status, revocation_status, status};

/// IPv6 Next Header values (Protocol Numbers).
pub mod next_header {
    /// Hop-by-Hop Options (RFC 8200 §4.3).
    pub const HOP_BY_HOP: u8 = 0;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IPv6 (RFC 2473).
    pub const IPV6: u8 = 41;
    /// Routing header (RFC 8200 §4.4).
    pub const ROUTING: u8 = 43;
    /// Fragment header (RFC 8200 §4.5).
    pub const FRAGMENT: u8 = 44;
    /// Encapsulating Security Payload (RFC 4303).
    pub const ESP: u8 = 50;
    /// Authentication Header (RFC 4302).
    pub const AUTHENTICATION: u8 = 51;
    /// ICMPv6 (RFC 4443).
    pub const ICMPV6: u8 = 58;
    /// Nothing follows (RFC 8200 §4.7).
    pub const NO_NEXT: u8 = 59;
    /// Destination Options (RFC 8200 §4.6).
    pub const DESTINATION: u8 = 60;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// Mobility Header (RFC 6275 §6.1).
    pub const MOBILITY: u8 = 135;
    /// UDP-Lite.
    pub const UDP_LITE: u8 = 136;
}

/// Destination and Hop-by-Hop option types.
pub mod ipv6_option {
    /// One octet of padding.
    pub const PAD1: u8 = 0;
    /// Two or more octets of padding.
    pub const PADN: u8 = 1;
    /// Tunnel Encapsulation Limit (RFC 2473 §4.1.1).
    pub const TUNNEL_ENCAPSULATION_LIMIT: u8 = 4;
    /// Router Alert (RFC 2711).
    pub const ROUTER_ALERT: u8 = 5;
    /// For experiments (RFC 4727 §3.5): whoever does not know it skips it, as the highest two bits say (RFC 8200 §4.2).
    pub const EXPERIMENT: u8 = 0x1e;
    /// Home Address (RFC 6275 §6.3).
    pub const HOME_ADDRESS: u8 = 0xc9;
}

/// Routing header types.
pub mod routing_type {
    /// Source route, deprecated by RFC 5095.
    pub const SOURCE_ROUTE: u8 = 0;
    /// Type 2 (RFC 6275 §6.4).
    pub const TYPE_2: u8 = 2;
}

/// Mobility Header types.
pub mod mh_type {
    /// Binding Refresh Request.
    pub const BINDING_REFRESH_REQUEST: u8 = 0;
    /// Home Test Init.
    pub const HOME_TEST_INIT: u8 = 1;
    /// Care-of Test Init.
    pub const CARE_OF_TEST_INIT: u8 = 2;
    /// Home Test.
    pub const HOME_TEST: u8 = 3;
    /// Care-of Test.
    pub const CARE_OF_TEST: u8 = 4;
    /// Binding Update.
    pub const BINDING_UPDATE: u8 = 5;
    /// Binding Acknowledgement.
    pub const BINDING_ACKNOWLEDGEMENT: u8 = 6;
    /// Binding Error.
    pub const BINDING_ERROR: u8 = 7;
    /// Experimental (RFC 5096).
    pub const EXPERIMENTAL: u8 = 11;
    /// Home Agent Switch (RFC 5142).
    pub const HOME_AGENT_SWITCH: u8 = 12;
    /// Heartbeat (RFC 5847).
    pub const HEARTBEAT: u8 = 13;
    /// Binding Revocation (RFC 5846).
    pub const BINDING_REVOCATION: u8 = 16;
}

/// Mobility options.
pub mod mobility_option {
    /// One octet of padding.
    pub const PAD1: u8 = 0;
    /// Two or more octets of padding.
    pub const PADN: u8 = 1;
    /// Binding Refresh Advice (RFC 6275 §6.2.4).
    pub const BINDING_REFRESH_ADVICE: u8 = 2;
    /// Alternate Care-of Address (RFC 6275 §6.2.5).
    pub const ALTERNATE_CARE_OF: u8 = 3;
    /// Nonce Indices (RFC 6275 §6.2.6).
    pub const NONCE_INDICES: u8 = 4;
    /// Binding Authorization Data (RFC 6275 §6.2.7).
    pub const BINDING_AUTHORIZATION_DATA: u8 = 5;
    /// Mobile Network Prefix (RFC 3963 §4.3).
    pub const MOBILE_NETWORK_PREFIX: u8 = 6;
    /// Mobile Node Identifier (RFC 4283).
    pub const MN_ID: u8 = 8;
    /// Mobility message authentication (RFC 4285 §5).
    pub const AUTH: u8 = 9;
    /// Replay protection by timestamp (RFC 4285 §6).
    pub const MESG_ID: u8 = 10;
    /// Experimental (RFC 5096).
    pub const EXPERIMENTAL: u8 = 18;
    /// Vendor Specific (RFC 5094).
    pub const VENDOR_SPECIFIC: u8 = 19;
    /// Service Selection (RFC 5149).
    pub const SERVICE_SELECTION: u8 = 20;
    /// Restart Counter (RFC 5847 §3.4).
    pub const RESTART_COUNTER: u8 = 28;
    /// Binding Identifier (RFC 5648 §4.3).
    pub const BINDING_IDENTIFIER: u8 = 35;
    /// Flow Summary. RFC 6089 §4.2 and its §8 give 44 and 45 the other way round from each other; the registry
    /// follows §8.
    pub const FLOW_SUMMARY: u8 = 44;
    /// Flow Identification; see [`FLOW_SUMMARY`].
    pub const FLOW_IDENTIFICATION: u8 = 45;
}

/// Subtypes of the Mobile Node Identifier option.
pub mod mn_id_subtype {
    /// Network Access Identifier (RFC 4283 §3).
    pub const NAI: u8 = 1;
}

/// B.R. Type of a Binding Revocation message (RFC 5846 §5).
pub mod revocation_type {
    /// Binding Revocation Indication.
    pub const INDICATION: u8 = 1;
    /// Binding Revocation Acknowledgement.
    pub const ACKNOWLEDGEMENT: u8 = 2;
}

/// Revocation Trigger of a Binding Revocation Indication (RFC 5846 §5.1): below 128 for bindings of one mobile node.
pub mod revocation_trigger {
    /// Unspecified.
    pub const UNSPECIFIED: u8 = 0;
    /// Administrative reason.
    pub const ADMINISTRATIVE: u8 = 1;
    /// User-initiated session termination.
    pub const USER_TERMINATED: u8 = 5;
    /// Access network session termination.
    pub const ACCESS_NETWORK_TERMINATED: u8 = 6;
    /// Binding cache entries are possibly out of step.
    pub const OUT_OF_SYNC: u8 = 7;
    /// All bindings of a peer, by policy.
    pub const PER_PEER_POLICY: u8 = 128;
}

/// Subtypes of the message authentication option (RFC 4285 §5).
pub mod auth_subtype {
    /// Shared between mobile node and home agent.
    pub const MN_HA: u8 = 1;
    /// Shared between mobile node and AAA server.
    pub const MN_AAA: u8 = 2;
}

/// Sub-options of Flow Identification (RFC 6089 §4.2.1).
pub mod flow_sub_option {
    /// One octet of padding.
    pub const PAD1: u8 = 0;
    /// Two or more octets of padding.
    pub const PADN: u8 = 1;
    /// Binding Reference.
    pub const BINDING_REFERENCE: u8 = 2;
    /// Traffic Selector.
    pub const TRAFFIC_SELECTOR: u8 = 3;
}

/// ICMPv6 types (RFC 4443, RFC 4861, RFC 6275 §6.5–6.8) and codes.
pub mod icmpv6 {
    /// Destination Unreachable.
    pub const DESTINATION_UNREACHABLE: u8 = 1;
    /// Packet Too Big.
    pub const PACKET_TOO_BIG: u8 = 2;
    /// Time Exceeded.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Code of Time Exceeded: hop limit exceeded in transit.
    pub const HOP_LIMIT_EXCEEDED: u8 = 0;
    /// Code of Time Exceeded: fragment reassembly time exceeded.
    pub const REASSEMBLY_TIME_EXCEEDED: u8 = 1;
    /// Parameter Problem.
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Echo Request.
    pub const ECHO_REQUEST: u8 = 128;
    /// Echo Reply.
    pub const ECHO_REPLY: u8 = 129;
    /// Router Solicitation.
    pub const ROUTER_SOLICITATION: u8 = 133;
    /// Router Advertisement.
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    /// Neighbor Solicitation.
    pub const NEIGHBOR_SOLICITATION: u8 = 135;
    /// Neighbor Advertisement.
    pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
    /// Redirect.
    pub const REDIRECT: u8 = 137;
    /// Home Agent Address Discovery Request.
    pub const HOME_AGENT_DISCOVERY_REQUEST: u8 = 144;
    /// Home Agent Address Discovery Reply.
    pub const HOME_AGENT_DISCOVERY_REPLY: u8 = 145;
    /// Mobile Prefix Solicitation.
    pub const MOBILE_PREFIX_SOLICITATION: u8 = 146;
    /// Mobile Prefix Advertisement.
    pub const MOBILE_PREFIX_ADVERTISEMENT: u8 = 147;

    /// Whether RFC 4861 has the type, whose messages never go through a router.
    #[must_use]
    pub const fn is_neighbor_discovery(kind: u8) -> bool {
        matches!(kind, ROUTER_SOLICITATION..=REDIRECT)
    }

    /// Destination Unreachable: no route to destination.
    pub const NO_ROUTE: u8 = 0;
    /// Destination Unreachable: communication with the destination administratively prohibited.
    pub const ADMINISTRATIVELY_PROHIBITED: u8 = 1;
    /// Destination Unreachable: address unreachable.
    pub const ADDRESS_UNREACHABLE: u8 = 3;
    /// Parameter Problem: erroneous header field.
    pub const ERRONEOUS_FIELD: u8 = 0;
    /// Parameter Problem: unrecognized Next Header.
    pub const UNRECOGNIZED_NEXT_HEADER: u8 = 1;
    /// Parameter Problem: unrecognized IPv6 option.
    pub const UNRECOGNIZED_OPTION: u8 = 2;
}

/// Neighbor Discovery options (RFC 4861 §4.6, RFC 6275 §7.3, §7.4).
pub mod nd_option {
    /// Source Link-Layer Address.
    pub const SOURCE_LINK_LAYER: u8 = 1;
    /// Target Link-Layer Address.
    pub const TARGET_LINK_LAYER: u8 = 2;
    /// Prefix Information.
    pub const PREFIX_INFORMATION: u8 = 3;
    /// MTU.
    pub const MTU: u8 = 5;
    /// Advertisement Interval.
    pub const ADVERTISEMENT_INTERVAL: u8 = 7;
    /// Home Agent Information.
    pub const HOME_AGENT: u8 = 8;
}

/// Protocol constants of RFC 6275 §12.
pub mod constants {
    use core::time::Duration;

    /// Retransmissions of a Home Agent Address Discovery Request.
    pub const DHAAD_RETRIES: u32 = 4;
    /// First wait for a Binding Acknowledgement.
    pub const INITIAL_BINDACK_TIMEOUT: Duration = Duration::from_secs(1);
    /// `InitialBindackTimeoutFirstReg` (RFC 6275 §13): the first wait where duplicate address detection must run.
    pub const INITIAL_BINDACK_TIMEOUT_FIRST_REG: Duration = Duration::from_millis(1500);
    /// First wait for a Home Agent Address Discovery Reply.
    pub const INITIAL_DHAAD_TIMEOUT: Duration = Duration::from_secs(3);
    /// First wait for a Mobile Prefix Advertisement.
    pub const INITIAL_SOLICIT_TIMER: Duration = Duration::from_secs(3);
    /// Longest wait for a Binding Acknowledgement.
    pub const MAX_BINDACK_TIMEOUT: Duration = Duration::from_secs(32);
    /// How long a deleted home binding's sequence number is remembered.
    pub const MAX_DELETE_BCE_TIMEOUT: Duration = Duration::from_secs(10);
    /// Longest life of a nonce.
    pub const MAX_NONCE_LIFETIME: Duration = Duration::from_secs(240);
    /// Longest life of a keygen token.
    pub const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(210);
    /// Attempts at route optimization before giving up for a while.
    pub const MAX_RO_FAILURE: u32 = 3;
    /// Longest binding from the return routability procedure.
    pub const MAX_RR_BINDING_LIFETIME: Duration = Duration::from_secs(420);
    /// Binding Updates and their like a second, to one destination.
    pub const MAX_UPDATE_RATE: u32 = 3;
    /// Retransmissions of an unsolicited Mobile Prefix Advertisement.
    pub const PREFIX_ADV_RETRIES: u32 = 3;
    /// First wait for the solicitation that acknowledges one.
    pub const PREFIX_ADV_TIMEOUT: Duration = Duration::from_secs(3);
}
