//! `dhpd` on the ports of the router

use crate::packets::ANCHOR;
use crate::support::daemon::Daemon;
use crate::support::namespaces::Namespace;

/// With all routes of the kernel's, and both gateways.
pub fn start(namespace: &Namespace) -> Daemon {
    // Every case may cost an error, as many as the kernel sends with its limits off.
    let sections = format!(
        "[anchor]\naddress = \"{ANCHOR}\"\n[[port]]\ninterface = \"core0\"\n[[port]]\ninterface = \"cn0\"\n\
         [[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"dhoa\"\n[[coverage]]\nprefix = \"2001:db8:c::/48\"\n\
         [rates]\nicmp-errors = 100000\nicmp-errors-per-network = 100000\n"
    );
    let daemon = Daemon::start(namespace, &sections);
    daemon.ask_until(r#"{"command":"routes"}"#, |answer| {
        [
            "a::/64", "c::/48", "f::/48", "bad::/48", "bae::/48", "baf::/48",
        ]
        .iter()
        .all(|prefix| answer.contains(&format!("\"2001:db8:{prefix}\"")))
    });
    daemon.ask_until(r#"{"command":"neighbours"}"#, |answer| {
        answer.matches("\"mac\":\"02:").count() >= 2
    });
    daemon
}
