//! `[dns]`: the stub resolver.

use std::net::SocketAddr;

use dhp_config::{Problem, Section};

use super::DnsConfig;

pub(super) fn dns(section: Section<'_>) -> Option<DnsConfig> {
    let address = |text: &str| text.parse::<SocketAddr>();
    let listen = section.require(
        "listen",
        section.text("listen", "an address with a port", address),
        "\"[::1]:53\"",
    );
    let upstream = section.require(
        "upstream",
        section.texts("upstream", "addresses with ports", address),
        "[\"[2001:db8::53]:53\"]",
    );
    // Whoever can ask it can have anchors prepared.
    if let Some(outside) = listen.as_ref().filter(|one| !one.value.ip().is_loopback()) {
        section.problem(Problem::new(
            outside.span.clone(),
            format!("{} is no loopback address", outside.value.ip()),
            "an address of this host alone, such as \"[::1]:53\"",
        ));
    }
    if upstream.as_ref().is_some_and(Vec::is_empty) {
        section.problem(Problem::new(
            section.span.clone(),
            "`upstream` names nobody",
            "at least one resolver",
        ));
    }
    section.finish();
    let upstream = upstream?.into_iter().map(|one| one.value).collect();
    Some(DnsConfig {
        listen: listen?.value,
        upstream,
    })
}
