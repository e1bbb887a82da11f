//! The lab's address plan: everything from the documentation prefix 2001:db8::/32 (RFC 3849).
//!
//! | prefix | where |
//! |---|---|
//! | 2001:db8:1::/48 | home agent 2001:db8:1::1, home link 2001:db8:1:1::/64 |
//! | 2001:db8:a::/64, 2001:db8:b::/64 | access networks A and B |
//! | 2001:db8:c::/48 | the correspondent's site |
//! | 2001:db8:d::/48 | DHP 2001:db8:d::1, its DHoA pool 2001:db8:d:1::/64 |
//! | 2001:db8:f::/48 | links between routers |

/// The home agent's own address.
pub const HA: &str = "2001:db8:1::1";
/// The home link.
pub const HOME_PREFIX: &str = "2001:db8:1:1::/64";
/// The mobile node's home address.
pub const HOME_ADDRESS: &str = "2001:db8:1:1::100";
/// The DHP's own address.
pub const DHP: &str = "2001:db8:d::1";
/// The addresses that the DHP assigns.
pub const DHOA_PREFIX: &str = "2001:db8:d:1::/64";
/// What the DHP covers: the correspondent's site.
pub const COVERAGE: &str = "2001:db8:c::/48";
/// The correspondent's address for the flow through the DHP, on its DHoA.
pub const CN_DHP: &str = "2001:db8:c:1::80";
/// The correspondent's address for the flow through the home agent, on the HoA.
pub const CN_HA: &str = "2001:db8:c:2::80";
/// The correspondent's address for the non-persistent flow, on the CoA.
pub const CN_DIRECT: &str = "2001:db8:c:3::80";
