//! Why a home link cannot be served

use dhp_port_afpacket::SetupError;

/// Why a home link cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HomeLinkError {
    /// The socket cannot be made.
    #[error(transparent)]
    Socket(#[from] SetupError),
    /// The system does not tell its addresses.
    #[error("cannot list the addresses of {link}: {cause}")]
    Addresses {
        /// The interface.
        link: String,
        /// Why.
        cause: nix::errno::Errno,
    },
    /// Advertisements come from a link-local address.
    #[error(
        "{link} has no link-local address: set it up, and net.ipv6.conf.{link}.addr_gen_mode other than 1 (none)"
    )]
    NoLinkLocal {
        /// The interface.
        link: String,
    },
    /// The runtime cannot watch the socket.
    #[error("cannot watch {link}: {cause}")]
    Watch {
        /// The interface.
        link: String,
        /// Why.
        cause: std::io::Error,
    },
}
