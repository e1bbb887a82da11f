//! What the engine counts.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counters since start.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64),+
        }

        impl Counters {
            /// Each counter with its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name)),+].into_iter()
            }
        }
    };
}

counters! {
    /// Packets sent.
    packets_sent,
    /// Octets of the packets sent, IPv6 header included.
    bytes_sent,
    /// Packets received, whatever became of them.
    packets_received,
    /// Octets of the packets received.
    bytes_received,
    /// DHP Queries sent.
    queries_sent,
    /// Octets of DHP Queries sent.
    query_bytes_sent,
    /// Correspondents that were one too many for flows on demand.
    demands_refused,
    /// DHoA Requests sent.
    requests_sent,
    /// Octets of DHoA Requests sent.
    request_bytes_sent,
    /// DHP Binding Updates sent.
    updates_sent,
    /// Octets of DHP Binding Updates sent.
    update_bytes_sent,
    /// Classic Binding Updates sent.
    home_updates_sent,
    /// Octets of classic Binding Updates sent.
    home_update_bytes_sent,
    /// Home and Care-of Test Inits sent to correspondents.
    route_tests_sent,
    /// Octets of these.
    route_test_bytes_sent,
    /// Binding Updates sent to correspondents.
    route_updates_sent,
    /// Octets of Binding Updates sent to correspondents.
    route_update_bytes_sent,
    /// Correspondents that were one too many for route optimization.
    routes_refused,
    /// Transmissions after the first of the same message.
    retransmissions,
    /// Answers that were acted on.
    answers_accepted,
    /// Packets that are no well-formed message, or have a wrong checksum.
    malformed,
    /// Messages that a mobile node does not get.
    unexpected,
    /// Answers that match no message that waits for one.
    unmatched,
    /// Answers without, or with wrong, authentication data.
    authentication_failures,
    /// Answers whose MESG-ID is not the one sent.
    mesg_id_mismatches,
    /// Mobile Prefix Advertisements of the home agent.
    prefix_advertisements,
    /// Mobile Prefix Solicitations sent.
    prefix_solicitations_sent,
    /// Binding Errors.
    binding_errors,
    /// ICMPv6 errors of nodes that know no Mobility Header, or no Home Address option.
    mobility_refused,
    /// Home Agent Address Discovery Requests sent.
    home_agent_requests_sent,
    /// Home Agent Address Discovery Replies.
    home_agent_replies,
    /// Binding Refresh Requests.
    refresh_requests,
    /// Cookies that were asked for.
    cookies_echoed,
    /// Sequence numbers that were set right by an anchor.
    resynchronisations,
    /// Answers that refused something.
    refusals,
    /// Care-of addresses set.
    handoffs,
    /// Bindings whose lifetime ended.
    expirations,
    /// Times that the node has come home.
    home_returns,
}
