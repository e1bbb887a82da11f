//! The agent's state for `dhp-mn status`.

use dhp_proto::mobile_node::{FlowProgress, Session};

use super::Agent;
use super::engine_events::kind_name;
use crate::config::{FlowPolicy, Treatment};
use crate::status::{
    AnchorStatus, BindingStatus, CandidateStatus, FlowStatus, InterfaceStatus, Status,
};

impl Agent {
    /// The present state.
    pub(super) fn status(&self) -> Status {
        let engine = self.engine.status();
        let now_ns = self.clock.now().mono_ns;
        let seconds_left = |expires_ns: u64| expires_ns.saturating_sub(now_ns) / 1_000_000_000;
        let anchors = engine.anchors.iter().map(|anchor| AnchorStatus {
            address: anchor.address,
            kind: kind_name(anchor.kind).to_owned(),
            rtt_ns: anchor.round_trip_ns,
            pending: anchor.pending,
            bindings: anchor
                .bindings
                .iter()
                .map(|binding| BindingStatus {
                    home_address: binding.home_address,
                    care_of: binding.care_of,
                    seconds_left: binding.expires_ns.map(seconds_left),
                })
                .collect(),
        });
        let flows = self.config.flows.iter().map(|policy| {
            let progress = engine
                .flows
                .iter()
                .find(|flow| flow.correspondent == policy.prefix);
            FlowStatus {
                prefix: policy.prefix,
                session: session_name(policy).to_owned(),
                state: progress
                    .map_or("-", |flow| progress_name(flow.progress))
                    .to_owned(),
                source: self.source(policy),
            }
        });
        let candidates = engine
            .candidates
            .iter()
            .flat_map(|(correspondent, candidates)| {
                candidates.iter().map(|candidate| CandidateStatus {
                    correspondent: *correspondent,
                    dhp: candidate.dhp,
                    coverage: candidate.coverage,
                    preference: candidate.preference,
                    load: candidate.load,
                    rtt_ns: candidate.round_trip_ns,
                })
            });
        let signalling = engine
            .counters
            .iter()
            .map(|(name, value)| (format!("signalling_{name}"), value));
        let data = self
            .data
            .counters
            .iter()
            .map(|(name, value)| (name.to_owned(), value));
        Status {
            care_of: engine.care_of,
            spi: self.config.engine.spi,
            algorithm: self.config.engine.algorithm.name().to_owned(),
            interfaces: self.interface_status(),
            anchors: anchors.collect(),
            flows: flows.collect(),
            candidates: candidates.collect(),
            counters: signalling.chain(data).collect(),
        }
    }

    fn interface_status(&self) -> Vec<InterfaceStatus> {
        let current = self.access.current().map(|care_of| care_of.index);
        let interfaces = self
            .access
            .interfaces()
            .iter()
            .map(|interface| InterfaceStatus {
                name: interface.name.clone(),
                up: interface.up,
                in_use: current == Some(interface.index),
                preferred: self.access.preferred() == Some(interface.index),
                router: interface.router(),
                addresses: interface.addresses().collect(),
            });
        interfaces.collect()
    }
}

fn session_name(policy: &FlowPolicy) -> &'static str {
    match policy.treatment {
        Treatment::Anchored(Session::SessionLasting) => "session-lasting",
        Treatment::Anchored(Session::GracefulReplacement) => "graceful-replacement",
        Treatment::Anchored(Session::Fixed) => "fixed",
        Treatment::NonPersistent => "non-persistent",
    }
}

fn progress_name(progress: FlowProgress) -> &'static str {
    match progress {
        FlowProgress::Waiting => "waiting",
        FlowProgress::Querying => "querying",
        FlowProgress::Requesting(_) => "requesting",
        FlowProgress::Ready { .. } => "ready",
        FlowProgress::Fallback => "fallback",
    }
}
