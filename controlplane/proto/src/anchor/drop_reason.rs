//! Why a signalling packet got no further.

macro_rules! drop_reasons {
    ($($(#[doc = $help:literal])+ $variant:ident = $name:literal,)*) => {
        /// Why a packet got no further. Each is a counter.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum SignallingDrop {
            $($(#[doc = $help])+ $variant,)*
        }

        impl SignallingDrop {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of the label `reason`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($help),+),)* }
            }
        }
    };
}

drop_reasons! {
    /// So many first messages come that each needs a cookie, for which the sender was asked.
    CookieRequired = "cookie_required",
    /// Not an IPv6 packet with a Mobility Header.
    NotMobility = "not_mobility",
    /// Addressed neither to the anchor nor to the anycast address of a covered prefix.
    NotForUs = "not_for_us",
    /// The source is multicast, unspecified, loopback or the anchor itself.
    BadSource = "bad_source",
    /// A type 2 routing header, which is for mobile nodes only.
    RoutingHeader = "routing_header",
    /// The checksum is wrong.
    Checksum = "checksum",
    /// The Payload Proto is not 59.
    PayloadProto = "payload_proto",
    /// The Mobility Header is shorter than its type needs.
    HeaderLen = "header_len",
    /// The Mobility Header is cut off.
    Truncated = "truncated",
    /// The MH Type is unknown.
    UnknownMhType = "unknown_mh_type",
    /// The DMIP Type is unknown.
    UnknownDmipType = "unknown_dmip_type",
    /// The DMIP Version is unknown.
    UnknownDmipVersion = "unknown_dmip_version",
    /// A mobility option reaches beyond the header.
    OptionChain = "option_chain",
    /// A message that no anchor expects, such as an answer or a home test.
    NotForAnchors = "not_for_anchors",
    /// A Home Address option where none may be.
    HomeAddressOption = "home_address_option",
    /// The home address is not unicast routable.
    HomeAddressNotRoutable = "home_address_not_routable",
    /// The care-of address of a Binding Update is not unicast routable.
    CareOfNotRoutable = "care_of_not_routable",
    /// There is no MN-HA authentication option.
    NoAuthentication = "no_authentication",
    /// Something follows the authentication option.
    BehindAuthentication = "behind_authentication",
    /// No security association has that SPI.
    UnknownSpi = "unknown_spi",
    /// A malformed message that no MAC has proved.
    Malformed = "malformed",
    /// Nonce Indices in a home registration.
    NonceIndices = "nonce_indices",
    /// A registration with a correspondent, which this anchor is not.
    CorrespondentRegistration = "correspondent_registration",
    /// A registration with a correspondent that lacks the Nonce Indices.
    NoNonceIndices = "no_nonce_indices",
    /// The authenticator of a registration with a correspondent is wrong.
    Authenticator = "authenticator",
    /// A solicitation of prefixes from who is not bound, or not there.
    NoBinding = "no_binding",
    /// A solicitation of prefixes, and none are advertised here.
    PrefixAdvertisementsOff = "prefix_advertisements_off",
    /// A packet for the link-local address of a mobile node that is away from its home link.
    LinkLocal = "link_local",
    /// The acknowledgement of a revocation that is not outstanding.
    NoRevocation = "no_revocation",
    /// A heartbeat from an anchor that is not configured.
    NotAPeer = "not_a_peer",
    /// A response to a heartbeat that was not sent, or is answered already.
    UnexpectedHeartbeat = "unexpected_heartbeat",
    /// Route optimization is not enabled here.
    RouteOptimizationOff = "route_optimization_off",
    /// A retransmission whose stored answer is that there is none.
    Retransmission = "retransmission",
    /// An error message was due, but its rate limit is reached.
    RateLimited = "rate_limited",
    /// An update that is not newer than the one whose home address is being tested for duplicates.
    DuplicateDetection = "duplicate_detection",
    /// An answer would have been too long for what caused it.
    Amplification = "amplification",
    /// An answer did not fit a Mobility Header.
    AnswerTooLong = "answer_too_long",
}
