//! The routes of the pools in the host kernel: one that hands packets over to the workers, one to be announced
//!
//! Each pool has two routes to the exception interface. That in the `local` table is always there: by it the kernel hands
//! over what reaches a pool's address through the kernel. That in the `main` table, with the protocol number
//! [`PROTOCOL`], says that this box wants the pool's packets: routing daemons read the `main` table and announce it, by
//! `redistribute kernel` (FRR) or `learn` (BIRD). Withdrawing a pool deletes the second one, and takes no packet its way.
//!
//! A pool on a real home link has neither: only its addresses that are bound are handed over, each by a route of its own.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use netlink_packet_route::route::{RouteHeader, RouteMessage, RouteProtocol, RouteScope};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use rtnetlink::{Handle, RouteMessageBuilder};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// The routing protocol (`ip route … proto 80`) of the routes that dhpd makes; unassigned in Linux's rtnetlink.h and in
/// iproute2's rt_protos.
pub const PROTOCOL: u8 = 80;

const MAIN_TABLE: u8 = RouteHeader::RT_TABLE_MAIN;
/// RT_TABLE_LOCAL of Linux's rtnetlink.h: looked up before all others.
const LOCAL_TABLE: u8 = 255;

/// Why the kernel's routes to the pools are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum PoolRouteError {
    /// No netlink socket.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The interface is not there.
    #[error("{interface}: {cause}")]
    Interface {
        /// Its name.
        interface: String,
        /// The system's answer.
        cause: Errno,
    },
    /// The kernel does not take the route, or does not let it go.
    #[error("the route of the pool {prefix} to {interface} cannot be changed: {cause}")]
    Refused {
        /// The pool.
        prefix: Ipv6Net,
        /// The exception interface.
        interface: String,
        /// The kernel's answer.
        cause: rtnetlink::Error,
    },
}

/// Which routes there are.
#[derive(Debug, Default)]
struct InForce {
    handed_over: BTreeSet<Ipv6Net>,
    announced: BTreeSet<Ipv6Net>,
}

/// Keeps the routes of the pools. They go away with the exception interface.
pub struct PoolRoutes {
    interface: String,
    index: u32,
    handle: Handle,
    connection: JoinHandle<()>,
    in_force: Mutex<InForce>,
}

impl PoolRoutes {
    /// For pools that are handed over by this interface; no route yet.
    ///
    /// # Errors
    /// [`PoolRouteError`].
    pub fn new(interface: &str) -> Result<Self, PoolRouteError> {
        let index = if_nametoindex(interface).map_err(|cause| PoolRouteError::Interface {
            interface: interface.to_owned(),
            cause,
        })?;
        let (connection, handle, _) = rtnetlink::new_connection()?;
        Ok(Self {
            interface: interface.to_owned(),
            index,
            handle,
            connection: tokio::spawn(connection),
            in_force: Mutex::default(),
        })
    }

    /// The pools that routing daemons are to announce.
    pub async fn announced(&self) -> BTreeSet<Ipv6Net> {
        self.in_force.lock().await.announced.clone()
    }

    /// Have `pools` handed over to the workers, those in `announced` announced, and no others.
    ///
    /// # Errors
    /// [`PoolRouteError`]; what was done before stays done, and the same call does the rest.
    pub async fn set(
        &self,
        pools: &BTreeSet<Ipv6Net>,
        announced: &BTreeSet<Ipv6Net>,
    ) -> Result<(), PoolRouteError> {
        let mut in_force = self.in_force.lock().await;
        // A pool is announced as the last and withdrawn as the first, so that nobody is invited into a dead end.
        for prefix in &in_force.announced.clone() {
            if !announced.contains(prefix) {
                self.delete(*prefix, MAIN_TABLE).await?;
                in_force.announced.remove(prefix);
            }
        }
        for prefix in &in_force.handed_over.clone() {
            if !pools.contains(prefix) {
                self.delete(*prefix, LOCAL_TABLE).await?;
                in_force.handed_over.remove(prefix);
            }
        }
        for prefix in pools {
            self.put(*prefix, LOCAL_TABLE).await?;
            in_force.handed_over.insert(*prefix);
        }
        for prefix in announced {
            self.put(*prefix, MAIN_TABLE).await?;
            in_force.announced.insert(*prefix);
        }
        Ok(())
    }

    /// Have packets to an address of a home link handed over to the workers, or no more.
    ///
    /// # Errors
    /// [`PoolRouteError`].
    pub async fn hand_over(&self, address: Ipv6Addr, wanted: bool) -> Result<(), PoolRouteError> {
        let prefix = Ipv6Net::from(address);
        match wanted {
            true => self.put(prefix, LOCAL_TABLE).await,
            false => self.delete(prefix, LOCAL_TABLE).await,
        }
    }

    fn route(&self, prefix: Ipv6Net, table: u8) -> RouteMessage {
        RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(prefix.network(), prefix.prefix_len())
            .output_interface(self.index)
            .protocol(RouteProtocol::Other(PROTOCOL))
            .scope(RouteScope::Universe)
            .table_id(table.into())
            .build()
    }

    async fn put(&self, prefix: Ipv6Net, table: u8) -> Result<(), PoolRouteError> {
        let request = self.handle.route().add(self.route(prefix, table)).replace();
        request
            .execute()
            .await
            .map_err(|cause| self.refused(prefix, cause))
    }

    async fn delete(&self, prefix: Ipv6Net, table: u8) -> Result<(), PoolRouteError> {
        match self
            .handle
            .route()
            .del(self.route(prefix, table))
            .execute()
            .await
        {
            // Somebody else has deleted it.
            Err(rtnetlink::Error::NetlinkError(message))
                if message.raw_code() == -(Errno::ESRCH as i32) =>
            {
                Ok(())
            }
            other => other.map_err(|cause| self.refused(prefix, cause)),
        }
    }

    fn refused(&self, prefix: Ipv6Net, cause: rtnetlink::Error) -> PoolRouteError {
        PoolRouteError::Refused {
            prefix,
            interface: self.interface.clone(),
            cause,
        }
    }
}

impl Drop for PoolRoutes {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
