//! Packets for mobile nodes that are away, on their way through the host kernel

use std::net::Ipv6Addr;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::pool_routes::PoolRoutes;

/// An address that the kernel is to hand over to the workers, or no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interception {
    /// A home address.
    pub address: Ipv6Addr,
    /// Whether it is away.
    pub wanted: bool,
}

/// Has the kernel hand over the addresses that are away, until there is nobody to give orders any more.
pub async fn hand_over(mut orders: UnboundedReceiver<Interception>, routes: Arc<PoolRoutes>) {
    while let Some(Interception { address, wanted }) = orders.recv().await {
        if let Err(error) = routes.hand_over(address, wanted).await {
            tracing::error!(%address, wanted, %error, "the host kernel does not follow a home address");
        }
    }
}
