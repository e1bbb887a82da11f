//! Single addresses of real home links whose packets are tunnelled, whatever the plan has for them

use std::net::Ipv6Addr;

use dhp_segment::RouteAction;
use ipnet::Ipv6Net;

use super::routes::segment_route;
use super::tunnel_path::LEAST_MTU;
use super::{Forwarding, ForwardingError};
use crate::mirror::{PlannedAction, PlannedRoute};

impl Forwarding {
    /// Have packets to this address go to its mobile node. What the plan says of the address is kept for
    /// [`leave`](Self::leave).
    ///
    /// # Errors
    /// [`ForwardingError::Busy`]: nothing has changed, try again.
    pub fn intercept(&mut self, address: Ipv6Addr) -> Result<(), ForwardingError> {
        let prefix = Ipv6Net::from(address);
        if self.intercepted.contains_key(&prefix) {
            return Ok(());
        }
        let route = PlannedRoute {
            prefix,
            action: PlannedAction::Pool,
            mtu: LEAST_MTU,
        };
        let put = self.writer.put_route(&self.segment_route(&route));
        self.placed(prefix, put)?;
        let planned = self.routes.insert(prefix, route);
        // The next hop of a planned route stays in use: the route may come back.
        self.intercepted.insert(prefix, planned);
        self.touched.insert(prefix);
        Ok(())
    }

    /// Leave the packets to this address to the plan again.
    ///
    /// # Errors
    /// [`ForwardingError::Busy`]: nothing has changed, try again.
    pub fn leave(&mut self, address: Ipv6Addr) -> Result<(), ForwardingError> {
        let prefix = Ipv6Net::from(address);
        let Some(planned) = self.intercepted.get(&prefix).copied() else {
            return Ok(());
        };
        match planned {
            Some(route) => {
                let put = self.writer.put_route(&self.segment_route(&route));
                self.placed(prefix, put)?;
                self.routes.insert(prefix, route);
            }
            None => {
                let gone = segment_route(prefix, RouteAction::Pool);
                let removed = self.writer.remove_route(&gone);
                self.removed(prefix, removed)?;
                self.routes.remove(prefix);
            }
        }
        self.intercepted.remove(&prefix);
        self.touched.insert(prefix);
        Ok(())
    }
}
