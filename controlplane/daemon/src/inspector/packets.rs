//! Where packets go: routes, neighbours, and traces of some

use std::net::Ipv6Addr;

use dhp_segment::TraceRequest;
use dhpctl::{LARGEST_PAGE, Neighbour, Route, Routes, TracedPacket};
use ipnet::Ipv6Net;

use super::Inspector;
use crate::control::Stopped;
use crate::mirror::{NextHopFacts, NextHopKey, PlannedAction, PlannedRoute};
use crate::packet_traces::{Calendar, TracedBy};

impl Inspector {
    pub(super) async fn routes(
        &self,
        after: Option<Ipv6Net>,
        limit: usize,
    ) -> Result<Routes, Stopped> {
        let limit = limit.clamp(1, LARGEST_PAGE);
        let page: Vec<PlannedRoute> = self
            .operator
            .control()
            .ask(move |signalling| {
                let routes = signalling.forwarding().routes_after(after);
                routes.take(limit.saturating_add(1)).copied().collect()
            })
            .await?;
        Ok(Routes {
            routes: page
                .iter()
                .take(limit)
                .map(|route| self.route(route))
                .collect(),
            more: page.len() > limit,
        })
    }

    fn route(&self, route: &PlannedRoute) -> Route {
        let (action, next_hop, port) = match route.action {
            PlannedAction::Via(NextHopKey { port, address }) => ("via", Some(address), Some(port)),
            PlannedAction::Connected { port } => ("connected", None, Some(port)),
            PlannedAction::ByKernel => ("kernel", None, None),
            PlannedAction::Local => ("local", None, None),
            PlannedAction::Anchor => ("anchor", None, None),
            PlannedAction::Pool => ("pool", None, None),
            PlannedAction::Unreachable => ("unreachable", None, None),
            PlannedAction::Prohibited => ("prohibited", None, None),
            PlannedAction::Blackhole => ("blackhole", None, None),
        };
        Route {
            prefix: route.prefix,
            action: action.to_owned(),
            next_hop,
            port: port.map(|port| self.port_name(port)),
        }
    }

    pub(super) async fn neighbours(&self) -> Result<Vec<Neighbour>, Stopped> {
        let next_hops: Vec<(NextHopKey, NextHopFacts)> = self
            .operator
            .control()
            .ask(|signalling| signalling.forwarding().next_hops().collect())
            .await?;
        let rows = next_hops.iter().map(|(key, facts)| Neighbour {
            address: key.address,
            port: self.port_name(key.port),
            mac: facts
                .mac
                .map(|mac| dhp_wire::ethernet::MacAddr(mac).to_string()),
            mtu: facts.mtu,
        });
        Ok(rows.collect())
    }

    pub(super) async fn trace(
        &self,
        address: Option<Ipv6Addr>,
        drops_only: bool,
    ) -> Result<Vec<TracedPacket>, Stopped> {
        let request = TraceRequest {
            address,
            drops_only,
        };
        let traces = self
            .operator
            .control()
            .ask(move |signalling| signalling.take_traces(request))
            .await?;
        let config = self.operator.config();
        let calendar = Calendar::now();
        let describe = |trace: &TracedBy| {
            let port = usize::from(trace.traced.meta.port);
            let name = match config.ports.get(port) {
                Some(port) => Some(port.interface.clone()),
                // The last port of each worker leads to the host kernel.
                None => (port == config.ports.len()).then(|| config.host_interface.clone()),
            };
            trace.describe(name, calendar)
        };
        Ok(traces.iter().map(describe).collect())
    }
}
