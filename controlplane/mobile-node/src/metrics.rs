//! `/metrics` for Prometheus: what `dhp-mn status` tells, as numbers, and how long handoffs interrupt.

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddr};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{
    Histogram, HistogramOpts, Registry, TextEncoder, register_gauge_vec_with_registry,
    register_int_counter_vec_with_registry, register_int_gauge_vec_with_registry,
};
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};

use crate::api::{Answer, Question, Request};
use crate::data_path::Traffic;
use crate::event::{Event, EventLog, Record};
use crate::status::Status;

/// Seconds: a make before break costs a round trip, a break as long as the radio is away.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0];

/// Where a scrape gets its numbers.
#[derive(Clone)]
struct Source {
    agent: mpsc::Sender<Request>,
    interruptions: Histogram,
}

/// Serves from now on, until the runtime ends.
///
/// # Errors
/// Nobody can listen there.
pub async fn serve(
    listen: SocketAddr,
    agent: mpsc::Sender<Request>,
    events: &EventLog,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let options = HistogramOpts::new(
        "dmip_mn_interruption_seconds",
        "From the loss or change of the care-of address until an anchor has bound the new one",
    );
    let interruptions = Histogram::with_opts(options.buckets(BUCKETS.to_vec()))?;
    tokio::task::spawn_local(observe(events.clone(), interruptions.clone()));
    let source = Source {
        agent,
        interruptions,
    };
    let router = Router::new()
        .route("/metrics", get(scrape))
        .with_state(source);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are no longer served");
        }
    });
    Ok(())
}

async fn observe(events: EventLog, interruptions: Histogram) {
    let (_, mut coming) = events.watch();
    let mut handoff = Handoff::default();
    loop {
        match coming.recv().await {
            Ok(record) => {
                if let Some(seconds) = handoff.note(&record) {
                    interruptions.observe(seconds);
                }
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

async fn scrape(State(source): State<Source>) -> Response {
    let (answer, answered) = oneshot::channel();
    let question = Question::Status;
    // Without an agent there is no answer.
    let _ = source.agent.send(Request { question, answer }).await;
    let Ok(Answer::Status(status)) = answered.await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the agent is ending").into_response();
    };
    match text(&status, &source.interruptions) {
        // https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A change of the care-of address, and the anchors that have bound the new one.
#[derive(Debug, Default)]
struct Handoff {
    /// When the address before was lost, or replaced.
    begun_ns: Option<u64>,
    /// Whether there is a care-of address.
    attached: bool,
    bound: BTreeSet<Ipv6Addr>,
    /// Anchors that have ever bound one: the first time is no handoff.
    known: BTreeSet<Ipv6Addr>,
}

impl Handoff {
    /// How many seconds a handoff has interrupted what goes by one anchor, when that is over.
    fn note(&mut self, record: &Record) -> Option<f64> {
        match &record.event {
            Event::CareOfLost => {
                self.attached = false;
                self.begin(record.time_ns);
            }
            Event::CareOf { .. } => {
                if self.attached || self.begun_ns.is_none() {
                    self.begin(record.time_ns);
                }
                self.attached = true;
            }
            Event::Bound { anchor, .. } | Event::AtHome { anchor, .. } if self.attached => {
                let first = self.bound.insert(*anchor);
                let known = !self.known.insert(*anchor);
                let begun_ns = self.begun_ns.filter(|_| first && known)?;
                return Some(record.time_ns.saturating_sub(begun_ns) as f64 / 1e9);
            }
            _ => {}
        }
        None
    }

    fn begin(&mut self, time_ns: u64) {
        self.begun_ns = Some(time_ns);
        self.bound.clear();
    }
}

fn text(status: &Status, interruptions: &Histogram) -> Result<String, prometheus::Error> {
    let families = Registry::new();
    let build = register_int_gauge_vec_with_registry!(
        "dmip_mn_build_info",
        "1, with the program's version",
        &["version"],
        &families
    )?;
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    families.register(Box::new(interruptions.clone()))?;
    let at_home = register_int_gauge_vec_with_registry!(
        "dmip_mn_at_home",
        "1 while the node is at home and its home address needs no tunnel",
        &[],
        &families
    )?;
    let none: [&str; 0] = [];
    at_home
        .with_label_values(&none)
        .set(status.at_home.is_some().into());
    anchors(&families, status)?;
    modes(&families, status)?;
    signalling(&families, status)?;
    let flows = register_int_gauge_vec_with_registry!(
        "dmip_mn_flows",
        "Flows of the policy and on demand, by session type and how far they have got",
        &["session", "state"],
        &families
    )?;
    let of_policy = status.flows.iter().map(|flow| (&flow.session, &flow.state));
    let on_demand = status.correspondents.iter();
    let on_demand = on_demand.map(|flow| (&flow.session, &flow.state));
    for (session, state) in of_policy.chain(on_demand) {
        flows.with_label_values(&[session, state]).inc();
    }
    TextEncoder::new().encode_to_string(&families.gather())
}

fn anchors(families: &Registry, status: &Status) -> Result<(), prometheus::Error> {
    let bindings = register_int_gauge_vec_with_registry!(
        "dmip_mn_bindings",
        "Addresses that an anchor has given",
        &["anchor", "kind"],
        families
    )?;
    let silent = register_int_gauge_vec_with_registry!(
        "dmip_mn_anchor_silent",
        "1 while an anchor does not answer",
        &["anchor"],
        families
    )?;
    let round_trips = register_gauge_vec_with_registry!(
        "dmip_mn_anchor_rtt_seconds",
        "Round-trip time to an anchor, as last measured",
        &["anchor"],
        families
    )?;
    let labels = ["anchor", "kind", "direction"];
    let help = "Packets through the tunnel to an anchor, by its kind";
    let packets = register_int_counter_vec_with_registry!(
        "dmip_mn_tunnel_packets_total",
        help,
        &labels,
        families
    )?;
    let help = "Octets of packets in the tunnel to an anchor, without the tunnel header";
    let bytes = register_int_counter_vec_with_registry!(
        "dmip_mn_tunnel_bytes_total",
        help,
        &labels,
        families
    )?;
    for anchor in &status.anchors {
        let address = anchor.address.to_string();
        let held = i64::try_from(anchor.bindings.len()).unwrap_or(i64::MAX);
        bindings
            .with_label_values(&[&address, &anchor.kind])
            .set(held);
        silent
            .with_label_values(&[&address])
            .set(anchor.silent.into());
        if let Some(ns) = anchor.rtt_ns {
            round_trips
                .with_label_values(&[&address])
                .set(ns as f64 / 1e9);
        }
        for (direction, direction_packets, direction_bytes) in directions(&anchor.traffic) {
            let labels = [address.as_str(), anchor.kind.as_str(), direction];
            packets.with_label_values(&labels).inc_by(direction_packets);
            bytes.with_label_values(&labels).inc_by(direction_bytes);
        }
    }
    Ok(())
}

fn modes(families: &Registry, status: &Status) -> Result<(), prometheus::Error> {
    let labels = ["mode", "direction"];
    let help = "Packets through the tunnel interface, by the mode of their flow";
    let packets = register_int_counter_vec_with_registry!(
        "dmip_mn_mode_packets_total",
        help,
        &labels,
        families
    )?;
    let help = "Octets of packets through the tunnel interface, without the tunnel header, by the mode of their flow";
    let bytes = register_int_counter_vec_with_registry!(
        "dmip_mn_mode_bytes_total",
        help,
        &labels,
        families
    )?;
    for (mode, traffic) in &status.modes {
        for (direction, direction_packets, direction_bytes) in directions(traffic) {
            let labels = [mode.as_str(), direction];
            packets.with_label_values(&labels).inc_by(direction_packets);
            bytes.with_label_values(&labels).inc_by(direction_bytes);
        }
    }
    let routes = register_int_gauge_vec_with_registry!(
        "dmip_mn_routes",
        "Pairs of a home address and a correspondent whose packets may go directly, by how they go",
        &["mode"],
        families
    )?;
    for route in &status.routes {
        routes.with_label_values(&[&route.mode]).inc();
    }
    Ok(())
}

/// Each direction of traffic with its packets and octets.
fn directions(traffic: &Traffic) -> [(&'static str, u64, u64); 2] {
    [
        ("out", traffic.packets_sent, traffic.bytes_sent),
        ("in", traffic.packets_received, traffic.bytes_received),
    ]
}

/// Messages that are counted by type, with the names of the engine's counters.
const TYPES: [(&str, &str, &str); 6] = [
    ("dhp-query", "queries_sent", "query_bytes_sent"),
    ("dhoa-request", "requests_sent", "request_bytes_sent"),
    ("dhp-binding-update", "updates_sent", "update_bytes_sent"),
    (
        "binding-update",
        "home_updates_sent",
        "home_update_bytes_sent",
    ),
    (
        "correspondent-binding-update",
        "route_updates_sent",
        "route_update_bytes_sent",
    ),
    ("test-init", "route_tests_sent", "route_test_bytes_sent"),
];

fn signalling(families: &Registry, status: &Status) -> Result<(), prometheus::Error> {
    let engine = |name: &str| {
        let counter = status.counters.get(&format!("signalling_{name}"));
        counter.copied().unwrap_or_default()
    };
    let handoffs = register_int_counter_vec_with_registry!(
        "dmip_mn_handoffs_total",
        "Care-of addresses so far",
        &[],
        families
    )?;
    let none: [&str; 0] = [];
    handoffs.with_label_values(&none).inc_by(engine("handoffs"));
    let help = "Signalling messages sent, by type";
    let messages = register_int_counter_vec_with_registry!(
        "dmip_mn_signalling_messages_total",
        help,
        &["type"],
        families
    )?;
    let help = "Octets of signalling messages sent, IPv6 header included, by type";
    let bytes = register_int_counter_vec_with_registry!(
        "dmip_mn_signalling_bytes_total",
        help,
        &["type"],
        families
    )?;
    for (kind, sent, octets) in TYPES {
        messages.with_label_values(&[kind]).inc_by(engine(sent));
        bytes.with_label_values(&[kind]).inc_by(engine(octets));
    }
    let help = "What the engine counts of signalling";
    let of_engine = register_int_counter_vec_with_registry!(
        "dmip_mn_signalling_total",
        help,
        &["counter"],
        families
    )?;
    let help = "What the data path counts, in packets";
    let of_data_path = register_int_counter_vec_with_registry!(
        "dmip_mn_data_path_total",
        help,
        &["counter"],
        families
    )?;
    for (name, value) in &status.counters {
        match name.strip_prefix("signalling_") {
            Some(name) => of_engine.with_label_values(&[name]).inc_by(*value),
            None => of_data_path.with_label_values(&[name]).inc_by(*value),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64, event: Event) -> Record {
        Record {
            time_ns: milliseconds * 1_000_000,
            event,
        }
    }

    fn care_of() -> Event {
        Event::CareOf {
            interface: "wlan0".to_owned(),
            address: Ipv6Addr::LOCALHOST,
        }
    }

    fn bound() -> Event {
        Event::Bound {
            anchor: Ipv6Addr::LOCALHOST,
            home_addresses: Vec::new(),
            care_of: Ipv6Addr::LOCALHOST,
            rtt_ns: None,
        }
    }

    #[test]
    fn a_handoff_interrupts_from_the_loss_of_the_address_or_from_the_new_one() {
        let mut handoff = Handoff::default();
        let notes = [
            (0, care_of(), None),
            (20, bound(), None),
            (100, care_of(), None),
            (120, bound(), Some(0.02)),
            (130, bound(), None),
            (200, Event::CareOfLost, None),
            (250, care_of(), None),
            (270, bound(), Some(0.07)),
        ];
        for (time, event, expected) in notes {
            assert_eq!(handoff.note(&at(time, event)), expected, "{time}");
        }
    }
}
