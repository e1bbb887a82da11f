//! What a handoff cost, put together from the lab's acts, the agent's reports, the streams and the capture.

use serde::Serialize;

use crate::access::Access;
use crate::agent_events::AgentEvent;
use crate::flows::Flow;
use crate::pcap::CapturedFrame;
use crate::stream_record::Direction;
use crate::streams::{StreamNotes, Way};

/// After so much time with a usable care-of address a silence is no longer the handoff's.
pub const SETTLED_NS: u64 = 1_000_000_000;

/// How the mobile node changes its point of attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// One interface: the old link is cut first.
    BreakBeforeMake,
    /// Two interfaces: the new link is ready before the old one is left.
    MakeBeforeBreak,
}

impl Manner {
    /// How long from its beginning the machine must not stand still.
    pub fn stall_window_ns(self) -> u64 {
        match self {
            Self::BreakBeforeMake => STALL_WINDOW_NS,
            // Where nothing is interrupted every stall shows.
            Self::MakeBeforeBreak => SETTLED_NS,
        }
    }

    /// A name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::BreakBeforeMake => "break before make",
            Self::MakeBeforeBreak => "make before break",
        }
    }
}

/// A handoff as the lab caused it; times in monotonic nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Handoff {
    /// From 1.
    pub number: usize,
    /// How.
    pub manner: Manner,
    /// The access network left.
    pub from: Access,
    /// The access network joined.
    pub to: Access,
    /// The cut of the radio, or the command to move.
    pub begun_ns: u64,
    /// When the radio was there again; the beginning for make before break.
    pub radio_up_ns: u64,
    /// End of the time that is looked at.
    pub until_ns: u64,
    /// For how long the machine's cores stood still while it went on; see [`crate::stall_meter`].
    pub stalled_ns: u64,
}

/// The phases of a handoff on the mobile node, which all flows share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// When the agent knew of the new link.
    pub detected_ns: Option<u64>,
    /// When the new care-of address could be used.
    pub usable_ns: Option<u64>,
    /// When the DHP's confirmation had come.
    pub bound_dhp_ns: Option<u64>,
    /// When the home agent's acknowledgement had come.
    pub bound_ha_ns: Option<u64>,
}

/// What the handoff did to one flow, one way.
#[derive(Clone, Debug, Serialize)]
pub struct FlowEffect<F = Flow> {
    /// The flow.
    pub flow: F,
    /// The direction.
    pub way: Way,
    /// Packets lost.
    pub lost: u64,
    /// Longest silence at the receiver, ms.
    pub interruption_ms: f64,
    /// Whether packets arrived again within the handoff's time.
    pub restored: bool,
    /// What of the interruption was left when the care-of address could be used, ms: signalling and rerouting.
    pub after_usable_ms: Option<f64>,
}

/// A handoff's figures.
#[derive(Clone, Debug, Serialize)]
pub struct HandoffReport<F = Flow> {
    /// From 1.
    pub number: usize,
    /// How.
    pub manner: Manner,
    /// The access network left.
    pub from: Access,
    /// The access network joined.
    pub to: Access,
    /// When it began, seconds since the demo's start.
    pub begun_s: f64,
    /// How long the radio was cut, ms (part of detection).
    pub radio_gap_ms: f64,
    /// From the beginning until the agent knew of the new link, ms.
    pub detection_ms: Option<f64>,
    /// From then until the new care-of address could be used, ms.
    pub configuration_ms: Option<f64>,
    /// From then until the DHP's confirmation was there, ms.
    pub dhp_signalling_ms: Option<f64>,
    /// From then until the home agent's acknowledgement was there, ms.
    pub ha_signalling_ms: Option<f64>,
    /// For how long the machine's cores stood still meanwhile, ms.
    pub stalled_ms: f64,
    /// Signalling octets (whole IPv6 packets with Mobility Headers, both ways).
    pub signalling_bytes: u64,
    /// Signalling packets.
    pub signalling_packets: usize,
    /// What the flows suffered.
    pub flows: Vec<FlowEffect<F>>,
}

/// A handoff is measured in single milliseconds, over a chain of ten threads: more standing still than this spoils it.
const STALL_LIMIT_NS: u64 = 5_000_000;
/// How long from its beginning a stall can lengthen the interruption of a handoff that has one anyway.
const STALL_WINDOW_NS: u64 = 300_000_000;

impl Handoff {
    /// Whether the machine stood still for so long that its times say nothing about a handoff.
    pub fn is_spoiled(&self) -> bool {
        self.stalled_ns > STALL_LIMIT_NS
    }

    /// Finds the phases in the agent's reports.
    pub fn phases(&self, events: &[AgentEvent], dhp: &str, home_agent: &str) -> Phases {
        let prefix = self.to.prefix();
        let after = |name| self.events_named(events, name);
        let new_address = |event: &&AgentEvent| {
            event
                .text("address")
                .is_some_and(|address| address.starts_with(&prefix))
        };
        let (detected_ns, usable_ns) = match self.manner {
            // The link and its address were there before the move was asked for.
            Manner::MakeBeforeBreak => (Some(self.begun_ns), Some(self.begun_ns)),
            Manner::BreakBeforeMake => (
                after("link_up").next().map(|event| event.at_ns),
                after("address_configured")
                    .find(new_address)
                    .map(|event| event.at_ns),
            ),
        };
        Phases {
            detected_ns,
            usable_ns,
            bound_dhp_ns: self.bound_ns(events, dhp),
            bound_ha_ns: self.bound_ns(events, home_agent),
        }
    }

    /// When an anchor had confirmed the new care-of address.
    pub fn bound_ns(&self, events: &[AgentEvent], anchor: &str) -> Option<u64> {
        let prefix = self.to.prefix();
        let new = |event: &&AgentEvent| {
            event.text("anchor") == Some(anchor)
                && event
                    .text("care_of")
                    .is_some_and(|address| address.starts_with(&prefix))
        };
        let mut bound = self.events_named(events, "bound");
        bound.find(new).map(|event| event.at_ns)
    }

    /// The events of this name while it went on.
    fn events_named<'a>(
        &self,
        events: &'a [AgentEvent],
        name: &'static str,
    ) -> impl Iterator<Item = &'a AgentEvent> {
        let window = self.begun_ns..self.until_ns;
        events
            .iter()
            .filter(move |event| event.name == name && window.contains(&event.at_ns))
    }

    /// What one flow suffered, one way.
    pub fn effect<F: Copy>(
        &self,
        phases: &Phases,
        notes: &StreamNotes<F>,
        way: Way,
    ) -> FlowEffect<F> {
        self.effect_on(phases, notes.flow, way, notes.direction(way))
    }

    /// As [`effect`](Self::effect), from what was sent and what arrived.
    pub fn effect_on<F>(
        &self,
        phases: &Phases,
        flow: F,
        way: Way,
        direction: Direction<'_>,
    ) -> FlowEffect<F> {
        // The silence of the handoff is the longest one until things have settled.
        let settled_ns = phases
            .usable_ns
            .unwrap_or(self.until_ns)
            .saturating_add(SETTLED_NS);
        let mut seen = direction.longest_silence(self.begun_ns, settled_ns.min(self.until_ns));
        if seen.restored_ns.is_none() {
            seen = direction.longest_silence(self.begun_ns, self.until_ns);
        }
        // The path's delay shifts both ends of a silence alike: what is left of it after the time until the care-of
        // address could be used is what signalling and rerouting took.
        let after_usable_ms =
            phases
                .usable_ns
                .filter(|_| seen.restored_ns.is_some())
                .map(|usable_ns| {
                    milliseconds(
                        seen.gap_ns
                            .saturating_sub(usable_ns.saturating_sub(self.begun_ns)),
                    )
                });
        FlowEffect {
            flow,
            way,
            lost: seen.lost,
            interruption_ms: milliseconds(seen.gap_ns),
            restored: seen.restored_ns.is_some(),
            after_usable_ms,
        }
    }

    /// Puts everything together.
    pub fn report<F>(
        &self,
        phases: &Phases,
        flows: Vec<FlowEffect<F>>,
        signalling: &[CapturedFrame],
        start_ns: u64,
    ) -> HandoffReport<F> {
        let between =
            |from: Option<u64>, to: Option<u64>| Some(milliseconds(to?.saturating_sub(from?)));
        HandoffReport {
            number: self.number,
            manner: self.manner,
            from: self.from,
            to: self.to,
            begun_s: milliseconds(self.begun_ns.saturating_sub(start_ns)) / 1e3,
            radio_gap_ms: milliseconds(self.radio_up_ns.saturating_sub(self.begun_ns)),
            detection_ms: between(Some(self.begun_ns), phases.detected_ns),
            configuration_ms: between(phases.detected_ns, phases.usable_ns),
            dhp_signalling_ms: between(phases.usable_ns, phases.bound_dhp_ns),
            ha_signalling_ms: between(phases.usable_ns, phases.bound_ha_ns),
            stalled_ms: milliseconds(self.stalled_ns),
            signalling_bytes: signalling.iter().map(|frame| frame.ipv6_bytes).sum(),
            signalling_packets: signalling.len(),
            flows,
        }
    }
}

impl<F> HandoffReport<F> {
    /// As [`Handoff::is_spoiled`].
    pub fn is_spoiled(&self) -> bool {
        self.stalled_ms > milliseconds(STALL_LIMIT_NS)
    }
}

/// Nanoseconds as milliseconds.
pub fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    fn event(at_ms: u64, name: &str, fields: &[(&str, &str)]) -> AgentEvent {
        let fields: Map<String, Value> = fields
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Value::from(*v)))
            .collect();
        AgentEvent {
            at_ns: at_ms * 1_000_000,
            name: name.to_owned(),
            fields,
        }
    }

    #[test]
    fn phases_are_those_of_the_new_network() {
        let handoff = Handoff {
            number: 1,
            manner: Manner::BreakBeforeMake,
            from: Access::A,
            to: Access::B,
            begun_ns: 100_000_000,
            radio_up_ns: 150_000_000,
            until_ns: 900_000_000,
            stalled_ns: 0,
        };
        let events = [
            event(50, "link_up", &[]),
            event(101, "link_down", &[]),
            event(151, "link_up", &[]),
            event(160, "address_configured", &[("address", "2001:db8:a::7")]),
            event(170, "address_configured", &[("address", "2001:db8:b::7")]),
            event(
                190,
                "bound",
                &[("anchor", "dhp"), ("care_of", "2001:db8:b::7")],
            ),
            event(
                250,
                "bound",
                &[("anchor", "ha"), ("care_of", "2001:db8:b::7")],
            ),
        ];
        let ms = |value: u64| Some(value * 1_000_000);
        let expected = Phases {
            detected_ns: ms(151),
            usable_ns: ms(170),
            bound_dhp_ns: ms(190),
            bound_ha_ns: ms(250),
        };
        let phases = handoff.phases(&events, "dhp", "ha");
        assert_eq!(phases, expected);
        let report = handoff.report::<Flow>(&phases, Vec::new(), &[], 0);
        assert_eq!(report.detection_ms, Some(51.0));
        assert_eq!(report.configuration_ms, Some(19.0));
        assert_eq!(report.dhp_signalling_ms, Some(20.0));
    }
}
