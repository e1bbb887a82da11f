//! `dhpd` as the home agent of the link of home0

use crate::mobile_node::HOME_KEY;
use crate::support::daemon::Daemon;
use crate::support::namespaces::Namespace;
use crate::{ANCHOR, HOME, TAKEN};

/// With two mobile nodes.
pub fn start(namespace: &Namespace) -> Daemon {
    let key: String = HOME_KEY
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let node = |spi: u32, home| {
        format!(
            "[[mobile-node]]\nid = \"mn{spi}@example.net\"\nspi = {spi}\nhome-key = \"{key}\"\n\
             home-address = \"{home}\"\n"
        )
    };
    let sections = format!(
        "[anchor]\naddress = \"{ANCHOR}\"\nroles = [\"home-agent\"]\n\
         [[port]]\ninterface = \"core0\"\n[[port]]\ninterface = \"home0\"\n\
         [[pool]]\nprefix = \"2001:db8:1:1::/64\"\nkind = \"home\"\nlink = \"home0\"\n{}{}",
        node(256, HOME),
        node(257, TAKEN),
    );
    Daemon::start(namespace, &sections)
}
