//! The routes by which the host kernel hands packets for mobile nodes over

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use nix::net::if_::if_nametoindex;
use rtnetlink::RouteMessageBuilder;

/// Why the kernel has no route to the pools.
#[derive(Debug, thiserror::Error)]
pub enum HostRouteError {
    /// No netlink socket.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The interface is not there.
    #[error("{interface}: {cause}")]
    Interface {
        /// Its name.
        interface: String,
        /// The system's answer.
        cause: nix::errno::Errno,
    },
    /// The kernel does not take the route.
    #[error("cannot route the pool {prefix} to {interface}: {cause}")]
    Refused {
        /// The pool.
        prefix: Ipv6Net,
        /// The exception interface.
        interface: String,
        /// The kernel's answer.
        cause: rtnetlink::Error,
    },
}

/// Route the pools to the exception interface, so that the kernel (and a routing daemon on it) knows them. The routes go
/// away with the interface.
///
/// # Errors
/// [`HostRouteError`].
pub async fn route_pools(
    interface: &str,
    pools: impl Iterator<Item = Ipv6Net>,
) -> Result<(), HostRouteError> {
    let index = if_nametoindex(interface).map_err(|cause| HostRouteError::Interface {
        interface: interface.to_owned(),
        cause,
    })?;
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    for prefix in pools {
        let route = RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(prefix.network(), prefix.prefix_len())
            .output_interface(index)
            .build();
        let added = handle.route().add(route).replace().execute().await;
        added.map_err(|cause| HostRouteError::Refused {
            prefix,
            interface: interface.to_owned(),
            cause,
        })?;
    }
    connection.abort();
    Ok(())
}
