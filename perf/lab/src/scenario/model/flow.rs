//! What the mobile node does while it moves

use serde::{Deserialize, Serialize};

/// A flow.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Flow {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The region of its correspondent.
    pub to: String,
    /// Its session type.
    pub session: SessionType,
    /// When it begins.
    #[serde(default)]
    pub from_s: f64,
    /// Packets per second each way, of a stream.
    #[serde(default = "pps")]
    pub rate_pps: u32,
    /// Octets per second, of a download or of each connection.
    #[serde(default = "rate")]
    pub rate_kbytes: u64,
    /// Connections at once, of `web`.
    #[serde(default = "connections")]
    pub connections: u32,
    /// Length of each object, of `web`.
    #[serde(default = "object")]
    pub object_kbytes: u64,
    /// The access networks that it may use at a time, the best first: those that both interfaces are in. The default one if empty.
    #[serde(default)]
    pub access: Vec<String>,
    /// How much of it may be lost on an access, in 1/10 %; 0 is no limit.
    #[serde(default)]
    pub max_loss_permille: u16,
}

/// What a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// UDP packets with sequence numbers at a constant rate, both ways, as RTP has.
    Stream,
    /// One TCP connection: curl.
    Download,
    /// Many short TCP connections, several at once: `curl --parallel`.
    Web,
    /// OpenSSH: a line typed ten times a second, and echoed.
    Ssh,
    /// OpenSSH: as much as `rate-kbytes`.
    SshBulk,
}

/// The session type (RFC 8653).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionType {
    /// By the DHP of its correspondent's region.
    SessionLasting,
    /// By the home agent.
    Fixed,
    /// By nobody.
    NonPersistent,
}

impl SessionType {
    /// All, in the order of the policy.
    pub const ALL: [Self; 3] = [Self::SessionLasting, Self::Fixed, Self::NonPersistent];

    /// The subnet of a region's site where correspondents of this session type are.
    pub fn subnet(self) -> u8 {
        match self {
            Self::SessionLasting => 1,
            Self::Fixed => 2,
            Self::NonPersistent => 3,
        }
    }
}

fn pps() -> u32 {
    200
}
fn rate() -> u64 {
    200
}
fn connections() -> u32 {
    6
}
fn object() -> u64 {
    100
}
