//! Mobile Prefix Solicitations and Advertisements (RFC 6275 §11.4.2, §11.4.3).
//!
//! What the home agent says of the prefix that the home address has limits the registration, and is asked for again before the prefix
//! ends, or is no longer preferred. What follows from other prefixes: [`super::renumbering`].

use core::net::Ipv6Addr;

use dhp_wire::icmpv6::{Body, Builder, Message, NdOption};
use dhp_wire::packet::{IcmpPacket, compose_icmpv6};

use super::MobileNode;
use super::action::{MnAction, MnEvent};
use super::parameter_problem::RefusedPacket;
use super::receive::count;
use super::registration::HomeRegistration;
use super::renumbering::Advertised;
use crate::time::{NANOS_PER_SECOND, Now};

/// A home agent sends no more than one advertisement a second (§6.8): what comes faster is not its.
const SPACING_NS: u64 = NANOS_PER_SECOND;
/// INITIAL_SOLICIT_TIMER (§12): from the first solicitation to the second; the interval is doubled each time.
const INITIAL_SOLICIT_TIMER_NS: u64 = 3 * NANOS_PER_SECOND;
/// Solicitations without an answer, until there is another reason for one.
const MAX_SOLICITATIONS: u32 = 4;
/// RFC 4862 §5.5.3 e: what is not authenticated shortens a lifetime to no less than two hours.
const TWO_HOURS_NS: u64 = 2 * 3600 * NANOS_PER_SECOND;

/// A Mobile Prefix Solicitation that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Solicitation {
    identifier: u16,
    answered: bool,
    sent_ns: u64,
    transmissions: u32,
}

impl Solicitation {
    /// When it is to be sent again.
    fn due_ns(&self) -> Option<u64> {
        let is_open = !self.answered && self.transmissions < MAX_SOLICITATIONS;
        let interval_ns = INITIAL_SOLICIT_TIMER_NS << self.transmissions.saturating_sub(1).min(8);
        is_open.then(|| self.sent_ns.saturating_add(interval_ns))
    }
}

/// What the home agent has said of the prefix that the home address has.
#[derive(Debug, Clone, Copy)]
pub(super) struct HomePrefix {
    /// End of the valid lifetime.
    pub(super) ends_ns: u64,
    /// When to ask again: three quarters of the way there.
    ask_ns: u64,
}

impl HomePrefix {
    /// That of a former home address, of which nothing is asked.
    pub(super) fn until(ends_ns: u64) -> Self {
        Self {
            ends_ns,
            ask_ns: u64::MAX,
        }
    }

    /// RFC 4862 §5.5.3 e, where `None` is a prefix that does not end, as it is while nothing was said of it.
    pub(super) fn after(known: Option<Self>, valid_s: u32, now: Now) -> Option<Self> {
        if valid_s == u32::MAX {
            return None;
        }
        let offered_ns = u64::from(valid_s).saturating_mul(NANOS_PER_SECOND);
        let left_ns = known.map_or(u64::MAX, |prefix| {
            prefix.ends_ns.saturating_sub(now.mono_ns)
        });
        let valid_ns = if offered_ns > TWO_HOURS_NS || offered_ns > left_ns {
            offered_ns
        } else if left_ns <= TWO_HOURS_NS {
            return known;
        } else {
            TWO_HOURS_NS
        };
        Some(Self {
            ends_ns: now.deadline_ns(valid_ns),
            ask_ns: now.deadline_ns(valid_ns / 4 * 3),
        })
    }
}

impl MobileNode {
    /// Takes an ICMPv6 message.
    pub(super) fn receive_icmpv6(&mut self, now: Now, packet: &IcmpPacket<'_>) {
        if !packet.checksum_is_valid() {
            return count(&mut self.counters.malformed);
        }
        if let Some(refused) = RefusedPacket::of(packet.message) {
            return self.mobility_refused(now, &refused);
        }
        match packet.read() {
            Ok(message) if matches!(message.body, Body::HomeAgentDiscoveryReply { .. }) => {
                self.receive_home_agents(now, packet, &message);
            }
            Ok(message) if matches!(message.body, Body::MobilePrefixAdvertisement { .. }) => {
                self.receive_prefixes(now, packet, &message);
            }
            Ok(_) => count(&mut self.counters.unexpected),
            Err(_) => count(&mut self.counters.malformed),
        }
    }

    /// "The Source Address … is the same as the home agent address to which the mobile node last sent an accepted home
    /// registration Binding Update". "The packet MUST have a type 2 routing header". "If the ICMP Identifier value matches the
    /// ICMP Identifier value of the most recently sent Mobile Prefix Solicitation and no other advertisement has yet been
    /// received for this value, then the advertisement is considered to be solicited". "Otherwise, the advertisement is
    /// unsolicited, and MUST be discarded. In this case the mobile node SHOULD send a Mobile Prefix Solicitation."
    fn receive_prefixes(&mut self, now: Now, packet: &IcmpPacket<'_>, message: &Message<'_>) {
        let Body::MobilePrefixAdvertisement { identifier, .. } = message.body else {
            return;
        };
        let is_here = self.care_of == Some(packet.destination);
        let address = packet.type2_home.filter(|_| is_here);
        let home = address.and_then(|address| self.bound_registration(&address));
        let Some(home) = home.filter(|home| home.agent == packet.source) else {
            return count(&mut self.counters.unexpected);
        };
        let address = home.address;
        match &mut home.solicitation {
            Some(sent) if sent.identifier == identifier && !sent.answered => {
                sent.answered = true;
                self.take_prefixes(now, message);
            }
            Some(sent) if now.mono_ns.saturating_sub(sent.sent_ns) < SPACING_NS => {}
            _ => self.solicit_for(now, address),
        }
        count(&mut self.counters.prefix_advertisements);
    }

    /// §11.4.3: they are processed "as if they arrived in a Router Advertisement on the mobile node's home link".
    fn take_prefixes(&mut self, now: Now, message: &Message<'_>) {
        let options = message.options.iter().flatten();
        let options = options.filter_map(|option| match option {
            NdOption::Prefix(information) => Advertised::read(&information),
            _ => None,
        });
        let prefixes: Vec<Advertised> = options.collect();
        self.event(MnEvent::HomePrefixes {
            prefixes: prefixes
                .iter()
                .map(|prefix| (prefix.net, prefix.valid_s))
                .collect(),
        });
        self.follow_prefixes(now, &prefixes);
    }

    /// Begins to ask for the prefixes at home.
    pub(super) fn solicit_prefixes(&mut self, now: Now) {
        if let Some((_, address)) = self.bound_home() {
            self.solicit_for(now, address);
        }
    }

    /// The same for one of the home addresses: the home agent tells each of them (§10.6.2), until it hears that it has arrived.
    fn solicit_for(&mut self, now: Now, address: Ipv6Addr) {
        // Unsolicited advertisements have 0; §11.4.2: "a random value".
        let identifier = u16::try_from(self.random.below(0xffff)).unwrap_or_default();
        let solicitation = Solicitation {
            identifier: identifier.saturating_add(1),
            answered: false,
            sent_ns: now.mono_ns,
            transmissions: 0,
        };
        self.transmit_solicitation(now, address, solicitation);
    }

    /// §11.4.2: from the care-of address, with the home address in a Home Address option.
    fn transmit_solicitation(&mut self, now: Now, address: Ipv6Addr, solicitation: Solicitation) {
        let care_of = self.care_of;
        let home = self.bound_registration(&address);
        let (Some(home), Some(care_of)) = (home, care_of) else {
            return;
        };
        let agent = home.agent;
        home.solicitation = Some(Solicitation {
            sent_ns: now.mono_ns,
            transmissions: solicitation.transmissions.saturating_add(1),
            ..solicitation
        });
        let identifier = solicitation.identifier;
        let body = Body::MobilePrefixSolicitation { identifier };
        let message = Builder::new(&body).finish(&address, &agent);
        let packet = compose_icmpv6(&care_of, &agent, Some(&address), None, &message);
        count(&mut self.counters.packets_sent);
        let octets = u64::try_from(packet.len()).unwrap_or(u64::MAX);
        self.counters.bytes_sent = self.counters.bytes_sent.saturating_add(octets);
        count(&mut self.counters.prefix_solicitations_sent);
        self.actions.push_back(MnAction::Transmit(packet));
    }

    /// When the prefixes at home are to be asked for, or asked for again.
    pub(super) fn solicitation_deadline(&self) -> Option<u64> {
        if self.is_on_home_link() {
            return None;
        }
        let (home, _) = (self.home.as_ref()?, self.bound_home()?);
        let repeated = home.solicitation.and_then(|sent| sent.due_ns());
        let is_open = repeated.is_some();
        let asked = home.prefix.map(|prefix| prefix.ask_ns);
        let asked = asked.into_iter().chain(home.deprecated_ns).min();
        asked.filter(|_| !is_open).into_iter().chain(repeated).min()
    }

    /// Asks for the prefixes at home if it is time. §11.4.2: "When a mobile node has a home address that is about to become invalid, it
    /// SHOULD send a Mobile Prefix Solicitation to its home agent". True if it was.
    pub(super) fn solicit_in_time(&mut self, now: Now) -> bool {
        if self
            .solicitation_deadline()
            .is_none_or(|due_ns| due_ns > now.mono_ns)
        {
            return false;
        }
        let open = self.home.as_ref().and_then(|home| {
            let sent = home.solicitation?;
            sent.due_ns().map(|_| (home.address, sent))
        });
        match open {
            Some((address, sent)) => self.transmit_solicitation(now, address, sent),
            None => {
                if let Some(home) = &mut self.home {
                    home.deprecated_ns = home.deprecated_ns.filter(|at| *at > now.mono_ns);
                }
                // Of a prefix that goes on to its end without a word, each quarter of the rest.
                let prefix = self.home.as_mut().and_then(|home| home.prefix.as_mut());
                if let Some(prefix) = prefix.filter(|prefix| prefix.ask_ns <= now.mono_ns) {
                    let left_ns = prefix.ends_ns.saturating_sub(now.mono_ns);
                    prefix.ask_ns = match left_ns / 4 * 3 {
                        0..SPACING_NS => u64::MAX,
                        wait_ns => now.deadline_ns(wait_ns),
                    };
                }
                self.solicit_prefixes(now);
            }
        }
        true
    }

    /// The lifetime that the home agent is asked for, in units of 4 seconds. §11.4.2: "The mobile node SHOULD further limit the
    /// lifetimes that it sends on any Binding Updates to be within the remaining valid lifetime".
    pub(super) fn home_lifetime(&self, now: Now, home: &HomeRegistration) -> u16 {
        let left = home.prefix.map_or(u64::MAX, |prefix| {
            prefix.ends_ns.saturating_sub(now.mono_ns) / (4 * NANOS_PER_SECOND)
        });
        // 0 would be a de-registration.
        let left = u16::try_from(left).unwrap_or(u16::MAX).max(1);
        self.config.lifetime.min(left)
    }
}
