//! Mobile nodes that are asked to leave: Binding Revocation (RFC 5846) and Home Agent Switch (RFC 5142).
//!
//! Both send one message again and again until the mobile node has answered in its way, and take no refresh of the binding
//! meanwhile.

use core::cmp::Reverse;
use core::net::Ipv6Addr;

use dhp_wire::mobility::{
    Builder, Lifetime, MobilityOption, Options, RevocationFlags, RevocationHeader, RevocationKind,
};
use dhp_wire::packet::compose;
use hashbrown::HashMap;

use super::Anchor;
use super::counters::MessageKind;
use super::drop_reason::SignallingDrop;
use super::events::ReleaseReason;
use super::mobile_nodes::MnIndex;
use super::receive::Received;
use super::reply::Proof;
use super::timers::Timer;
use crate::security_association::SecurityAssociation;
use crate::time::{NANOS_PER_SECOND, Now};
use crate::timer_wheel::TimerKey;

/// InitMINDelayBRIs of RFC 5846 §11.
const REVOCATION_DELAY_NS: u64 = NANOS_PER_SECOND;
/// MAX_BRACK_TIMEOUT of RFC 5846 §11.
const LONGEST_REVOCATION_DELAY_NS: u64 = 2 * NANOS_PER_SECOND;
/// BRIMaxRetriesNumber of RFC 5846 §11.
const REVOCATION_RETRIES: u32 = 1;
/// INITIAL-HA-SWITCH-TIMEOUT of RFC 5142 §8.
const SWITCH_DELAY_NS: u64 = 5 * NANOS_PER_SECOND;
/// MAX-HA-SWITCH-TIMEOUT of RFC 5142 §8.
const LONGEST_SWITCH_DELAY_NS: u64 = 20 * NANOS_PER_SECOND;

/// A mobile node that was asked to leave, and how often it still will be.
#[derive(Debug)]
struct Departure {
    kind: MessageKind,
    /// Of a revocation: what its acknowledgement repeats.
    sequence: Option<u16>,
    packet: Vec<u8>,
    delay_ns: u64,
    longest_delay_ns: u64,
    /// `None` for as long as the binding lasts.
    retries_left: Option<u32>,
    timer: TimerKey,
}

/// The mobile nodes that were asked to leave, by home address.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    by_home: HashMap<Ipv6Addr, Departure>,
    last_sequence: u16,
}

impl Departures {
    /// Whether a mobile node has been asked to leave.
    pub(crate) fn contains(&self, home_address: &Ipv6Addr) -> bool {
        self.by_home.contains_key(home_address)
    }
}

impl Anchor {
    /// RFC 5846 §7: "To terminate a mobile node registration and its current binding with the home agent, the home agent
    /// sends a packet to the mobile node containing a Binding Revocation Indication".
    pub(crate) fn revoke(&mut self, now: Now, home_address: Ipv6Addr, trigger: u8) {
        let Some(binding) = self.cache.bindings.get(&home_address) else {
            return;
        };
        let (owner, care_of) = (binding.owner, binding.care_of);
        self.departures.last_sequence = self.departures.last_sequence.wrapping_add(1);
        let sequence = self.departures.last_sequence;
        let builder = Builder::binding_revocation(RevocationHeader {
            kind: RevocationKind::Indication { trigger },
            sequence,
            flags: RevocationFlags::default(),
        });
        // "The Binding Revocation Indication MUST be sent using a Type 2 routing header that contains the mobile node's
        // registered IPv6 home address". "The care-of address for the binding MUST be used as the destination address".
        let Some(mh) = self.seal(owner, &care_of, &home_address, builder) else {
            return;
        };
        let own = &self.config.address;
        let packet = compose(own, &care_of, None, Some(&home_address), &mh);
        let timer = self.timers.schedule(
            now.deadline_ns(REVOCATION_DELAY_NS),
            Timer::DepartureDue(home_address),
        );
        let departure = Departure {
            kind: MessageKind::BindingRevocationIndication,
            sequence: Some(sequence),
            packet,
            delay_ns: REVOCATION_DELAY_NS,
            longest_delay_ns: LONGEST_REVOCATION_DELAY_NS,
            retries_left: Some(REVOCATION_RETRIES),
            timer,
        };
        self.ask_to_leave(home_address, departure);
    }

    /// RFC 5142 §5.1: "A home agent SHOULD send a Home Agent Switch message when a known period of unavailability is pending".
    /// It goes to the home address, through the tunnel, as "any other Mobility Header". `remaining` is for how long the
    /// binding will still be served.
    pub(crate) fn switch_home_agent(
        &mut self,
        now: Now,
        home_address: Ipv6Addr,
        home_agents: &[Ipv6Addr],
        remaining: Option<Lifetime>,
    ) {
        let Some(binding) = self.cache.bindings.get(&home_address) else {
            return;
        };
        let (owner, care_of) = (binding.owner, binding.care_of);
        let mut builder = Builder::home_agent_switch(home_agents);
        let mut delay_ns = SWITCH_DELAY_NS;
        if let Some(remaining) = remaining {
            builder = builder.option(&MobilityOption::BindingRefreshAdvice(remaining));
            // RFC 5142 §5.2: "then it SHOULD delay any retransmissions until at least one half of the time period has
            // expired, or INITIAL-HA-SWITCH-TIMEOUT, whichever value is less."
            let half = remaining.duration().unwrap_or_default().as_nanos() / 2;
            let half = u64::try_from(half).unwrap_or(u64::MAX);
            delay_ns = delay_ns.min(half.max(NANOS_PER_SECOND));
        }
        let Some(mh) = self.seal(owner, &care_of, &home_address, builder) else {
            return;
        };
        let packet = compose(&self.config.address, &home_address, None, None, &mh);
        let timer = self
            .timers
            .schedule(now.deadline_ns(delay_ns), Timer::DepartureDue(home_address));
        let departure = Departure {
            kind: MessageKind::HomeAgentSwitch,
            sequence: None,
            packet,
            delay_ns,
            longest_delay_ns: LONGEST_SWITCH_DELAY_NS,
            retries_left: None,
            timer,
        };
        self.ask_to_leave(home_address, departure);
    }

    /// RFC 5846 §6.1: "The Binding Revocation Message MUST be protected using the same underlying security association …
    /// that is being used … to protect the … binding registration"; RFC 5142 §5.1 likewise.
    fn seal(
        &self,
        owner: MnIndex,
        care_of: &Ipv6Addr,
        home_address: &Ipv6Addr,
        builder: Builder,
    ) -> Option<Vec<u8>> {
        let security = self.association_of(owner)?;
        let mac = |mh: &[u8]| security.mac(care_of, home_address, mh);
        let builder = builder.auth(security.spi(), security.algorithm().mac_len(), mac);
        builder
            .is_complete()
            .then(|| builder.finish(&self.config.address, home_address))
    }

    /// The association that a mobile node is spoken to with: of several, as there are while its key is changed, the one that
    /// it has used last, or else that with the lowest SPI.
    fn association_of(&self, owner: MnIndex) -> Option<&SecurityAssociation> {
        let associations = self.nodes.associations_of(owner);
        associations
            .max_by_key(|association| {
                let spi = association.security.spi();
                (association.heard_ns(), Reverse(spi))
            })
            .map(|association| &*association.security)
    }

    fn ask_to_leave(&mut self, home_address: Ipv6Addr, departure: Departure) {
        self.forget_departure(&home_address);
        let (kind, packet) = (departure.kind, departure.packet.clone());
        self.departures.by_home.insert(home_address, departure);
        self.transmit(kind, 0, packet, Proof::Mac);
    }

    /// Sends the message again. RFC 5846 §6.3: "the timeout period is doubled upon each retransmission", until it reaches
    /// the longest; after the last one the initiator "SHOULD clean up all resources associated with this mobile node binding".
    pub(crate) fn ask_again(&mut self, now: Now, home_address: &Ipv6Addr) {
        let Some(departure) = self.departures.by_home.get_mut(home_address) else {
            return;
        };
        match &mut departure.retries_left {
            Some(0) => {
                self.release(now, home_address, ReleaseReason::Revoked);
                return;
            }
            Some(left) => *left = left.saturating_sub(1),
            None => {}
        }
        departure.delay_ns = departure
            .delay_ns
            .saturating_mul(2)
            .min(departure.longest_delay_ns);
        departure.timer = self.timers.schedule(
            now.deadline_ns(departure.delay_ns),
            Timer::DepartureDue(*home_address),
        );
        let (kind, packet) = (departure.kind, departure.packet.clone());
        self.transmit(kind, 0, packet, Proof::Mac);
    }

    /// The binding has ended, as was asked.
    pub(crate) fn forget_departure(&mut self, home_address: &Ipv6Addr) {
        if let Some(departure) = self.departures.by_home.remove(home_address) {
            self.timers.cancel(departure.timer);
        }
    }

    /// RFC 5846 §6.2.2: "The initiator MUST validate that the sequence number in the Sequence Number field matches the
    /// sequence number of an outstanding Binding Revocation Indication". Whatever the status, there is nothing left to wait
    /// for: "it is based on the initiator local policy how to handle the mobile node binding", and here it ends.
    pub(crate) fn revocation_acknowledged(
        &mut self,
        now: Now,
        received: &Received<'_>,
        sequence: u16,
        options: &Options<'_>,
    ) -> Result<(), SignallingDrop> {
        let home_address = received.home_address.unwrap_or(received.source);
        let outstanding = self.departures.by_home.get(&home_address);
        if outstanding.and_then(|departure| departure.sequence) != Some(sequence) {
            return Err(SignallingDrop::NoRevocation);
        }
        // RFC 5846 §6.2: "MUST verify that the packet was received protected by the security association".
        let auth = options.auth().ok_or(SignallingDrop::NoAuthentication)?;
        if !auth.is_last {
            return Err(SignallingDrop::BehindAuthentication);
        }
        let association = self
            .nodes
            .association(auth.spi)
            .ok_or(SignallingDrop::UnknownSpi)?;
        let binding = self.cache.bindings.get(&home_address);
        let is_owner = binding.is_some_and(|binding| binding.owner == association.owner);
        let mh = received.header.bytes();
        let mh = mh.get(..auth.mac_input_len).unwrap_or(mh);
        let security = &association.security;
        if !is_owner || !security.verify(&received.source, &home_address, mh, auth.data) {
            return Err(SignallingDrop::Authenticator);
        }
        self.release(now, &home_address, ReleaseReason::Revoked);
        Ok(())
    }
}
