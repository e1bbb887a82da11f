//! Named counters: messages by type and status, drops by reason.

use hashbrown::HashMap;

use super::events::ReleaseReason;

/// The messages that an anchor counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageKind {
    /// DMIP type 1.
    DhpQuery,
    /// DMIP type 2.
    DhpQueryReply,
    /// DMIP type 3.
    DhoaRequest,
    /// DMIP type 4.
    DhoaResponse,
    /// DMIP type 5.
    DhpBindingUpdate,
    /// DMIP type 6.
    DhpBindingConfirmation,
    /// RFC 6275 Binding Update.
    BindingUpdate,
    /// RFC 6275 Binding Acknowledgement.
    BindingAcknowledgement,
    /// RFC 6275 Binding Error.
    BindingError,
    /// ICMPv6 Parameter Problem.
    ParameterProblem,
}

impl MessageKind {
    /// The value of the label `type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DhpQuery => "dhp_query",
            Self::DhpQueryReply => "dhp_query_reply",
            Self::DhoaRequest => "dhoa_request",
            Self::DhoaResponse => "dhoa_response",
            Self::DhpBindingUpdate => "dhp_binding_update",
            Self::DhpBindingConfirmation => "dhp_binding_confirmation",
            Self::BindingUpdate => "binding_update",
            Self::BindingAcknowledgement => "binding_acknowledgement",
            Self::BindingError => "binding_error",
            Self::ParameterProblem => "parameter_problem",
        }
    }
}

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
    /// A registration with a correspondent, which an anchor is not.
    CorrespondentRegistration = "correspondent_registration",
    /// A retransmission whose stored answer is that there is none.
    Retransmission = "retransmission",
    /// An error message was due, but its rate limit is reached.
    RateLimited = "rate_limited",
    /// An answer would have been too long for what caused it.
    Amplification = "amplification",
    /// An answer did not fit a Mobility Header.
    AnswerTooLong = "answer_too_long",
}

/// One counter with its name, labels and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterSample {
    /// Name of the family.
    pub name: &'static str,
    /// What the family counts.
    pub help: &'static str,
    /// Labels: name and value.
    pub labels: Vec<(&'static str, String)>,
    /// How many.
    pub value: u64,
}

/// The counters of an anchor.
#[derive(Debug, Clone, Default)]
pub struct AnchorCounters {
    received: HashMap<MessageKind, u64>,
    sent: HashMap<(MessageKind, u8), u64>,
    dropped: HashMap<SignallingDrop, u64>,
    released: HashMap<ReleaseReason, u64>,
    registrations: u64,
    handoffs: u64,
    retransmissions_answered: u64,
}

impl AnchorCounters {
    /// Messages of a kind that have come in with a sound header.
    #[must_use]
    pub fn received(&self, kind: MessageKind) -> u64 {
        self.received.get(&kind).copied().unwrap_or(0)
    }

    /// Messages of a kind that went out with a status.
    #[must_use]
    pub fn sent(&self, kind: MessageKind, status: u8) -> u64 {
        self.sent.get(&(kind, status)).copied().unwrap_or(0)
    }

    /// Packets dropped for a reason.
    #[must_use]
    pub fn dropped(&self, reason: SignallingDrop) -> u64 {
        self.dropped.get(&reason).copied().unwrap_or(0)
    }

    /// Bindings that have ended for a reason.
    #[must_use]
    pub fn released(&self, reason: ReleaseReason) -> u64 {
        self.released.get(&reason).copied().unwrap_or(0)
    }

    /// Bindings made.
    #[must_use]
    pub fn registrations(&self) -> u64 {
        self.registrations
    }

    /// Bindings that got another care-of address.
    #[must_use]
    pub fn handoffs(&self) -> u64 {
        self.handoffs
    }

    /// Everything, for export. Drop and release reasons stand there with 0 too; messages once there was one.
    #[must_use]
    pub fn samples(&self) -> Vec<CounterSample> {
        let mut samples = Vec::new();
        let mut received: Vec<_> = self.received.iter().collect();
        received.sort_unstable();
        for (kind, value) in received {
            samples.push(sample(
                "dhp_signalling_received_total",
                "Signalling messages received",
                vec![("type", kind.name().to_owned())],
                *value,
            ));
        }
        let mut sent: Vec<_> = self.sent.iter().collect();
        sent.sort_unstable();
        for ((kind, status), value) in sent {
            let labels = vec![
                ("type", kind.name().to_owned()),
                ("status", status.to_string()),
            ];
            samples.push(sample(
                "dhp_signalling_sent_total",
                "Signalling messages sent",
                labels,
                *value,
            ));
        }
        for reason in SignallingDrop::ALL {
            let labels = vec![("reason", reason.name().to_owned())];
            let help = "Signalling messages dropped";
            samples.push(sample(
                "dhp_signalling_dropped_total",
                help,
                labels,
                self.dropped(*reason),
            ));
        }
        for reason in ReleaseReason::ALL {
            let labels = vec![("reason", reason.name().to_owned())];
            samples.push(sample(
                "dhp_bindings_released_total",
                "Bindings ended",
                labels,
                self.released(reason),
            ));
        }
        for (name, help, value) in [
            (
                "dhp_bindings_created_total",
                "Bindings made",
                self.registrations,
            ),
            (
                "dhp_handoffs_total",
                "Bindings that got another care-of address",
                self.handoffs,
            ),
            (
                "dhp_retransmissions_answered_total",
                "Retransmitted requests that got their stored answer",
                self.retransmissions_answered,
            ),
        ] {
            samples.push(sample(name, help, Vec::new(), value));
        }
        samples
    }

    pub(crate) fn count_received(&mut self, kind: MessageKind) {
        increment(self.received.entry(kind).or_default());
    }

    pub(crate) fn count_sent(&mut self, kind: MessageKind, status: u8) {
        increment(self.sent.entry((kind, status)).or_default());
    }

    pub(crate) fn count_dropped(&mut self, reason: SignallingDrop) {
        increment(self.dropped.entry(reason).or_default());
    }

    pub(crate) fn count_released(&mut self, reason: ReleaseReason) {
        increment(self.released.entry(reason).or_default());
    }

    pub(crate) fn count_registration(&mut self) {
        increment(&mut self.registrations);
    }

    pub(crate) fn count_handoff(&mut self) {
        increment(&mut self.handoffs);
    }

    pub(crate) fn count_retransmission(&mut self) {
        increment(&mut self.retransmissions_answered);
    }
}

fn increment(counter: &mut u64) {
    *counter = counter.wrapping_add(1);
}

fn sample(
    name: &'static str,
    help: &'static str,
    labels: Vec<(&'static str, String)>,
    value: u64,
) -> CounterSample {
    CounterSample {
        name,
        help,
        labels,
        value,
    }
}
