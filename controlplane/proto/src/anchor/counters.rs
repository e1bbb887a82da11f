//! Named counters: messages by type and status, drops by reason.

use hashbrown::HashMap;

use super::care_of_test::CareOfTestCounters;
use super::drop_reason::SignallingDrop;
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
    /// RFC 6275 Home Test Init.
    HomeTestInit,
    /// RFC 6275 Care-of Test Init.
    CareOfTestInit,
    /// RFC 6275 Home Test.
    HomeTest,
    /// RFC 6275 Care-of Test.
    CareOfTest,
    /// RFC 6275 Binding Update.
    BindingUpdate,
    /// RFC 6275 Binding Acknowledgement.
    BindingAcknowledgement,
    /// RFC 6275 Binding Refresh Request.
    BindingRefreshRequest,
    /// ICMPv6 Home Agent Address Discovery Reply.
    HomeAgentDiscoveryReply,
    /// ICMPv6 Mobile Prefix Advertisement.
    MobilePrefixAdvertisement,
    /// RFC 5846 Binding Revocation Indication.
    BindingRevocationIndication,
    /// RFC 5846 Binding Revocation Acknowledgement.
    BindingRevocationAcknowledgement,
    /// RFC 5142 Home Agent Switch.
    HomeAgentSwitch,
    /// RFC 5847 Heartbeat.
    Heartbeat,
    /// RFC 6275 Binding Error.
    BindingError,
    /// ICMPv6 Parameter Problem.
    ParameterProblem,
    /// ICMPv6 Destination Unreachable.
    DestinationUnreachable,
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
            Self::HomeTestInit => "home_test_init",
            Self::CareOfTestInit => "care_of_test_init",
            Self::HomeTest => "home_test",
            Self::CareOfTest => "care_of_test",
            Self::BindingUpdate => "binding_update",
            Self::BindingAcknowledgement => "binding_acknowledgement",
            Self::BindingRefreshRequest => "binding_refresh_request",
            Self::HomeAgentDiscoveryReply => "home_agent_discovery_reply",
            Self::MobilePrefixAdvertisement => "mobile_prefix_advertisement",
            Self::BindingRevocationIndication => "binding_revocation_indication",
            Self::BindingRevocationAcknowledgement => "binding_revocation_acknowledgement",
            Self::HomeAgentSwitch => "home_agent_switch",
            Self::Heartbeat => "heartbeat",
            Self::BindingError => "binding_error",
            Self::ParameterProblem => "parameter_problem",
            Self::DestinationUnreachable => "destination_unreachable",
        }
    }
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
    care_of_tests: CareOfTestCounters,
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

    /// Care-of tests.
    #[must_use]
    pub fn care_of_tests(&self) -> CareOfTestCounters {
        self.care_of_tests
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
        samples.extend(self.care_of_tests.samples());
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

    /// Care-of addresses that have changed.
    pub(crate) fn count_handoffs(&mut self, moved: usize) {
        let moved = u64::try_from(moved).unwrap_or(u64::MAX);
        self.handoffs = self.handoffs.saturating_add(moved);
    }

    pub(crate) fn care_of_tests_mut(&mut self) -> &mut CareOfTestCounters {
        &mut self.care_of_tests
    }

    pub(crate) fn count_retransmission(&mut self) {
        increment(&mut self.retransmissions_answered);
    }
}

pub(crate) fn increment(counter: &mut u64) {
    *counter = counter.wrapping_add(1);
}

pub(crate) fn sample(
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
