//! The messages that a mobile node sends.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{DmipType, Status, dmip_flag};
use dhp_wire::mobility::{BuFlags, Builder, DmipHeader, Lifetime, MobilityOption, SessionType};
use dhp_wire::packet;
use ipnet::Ipv6Net;

use super::MobileNode;
use super::action::{MnAction, MnEvent, Session};
use super::exchange::{Exchange, Purpose};
use super::need::{FlowKey, Requirements};
use super::other_homes::registration_of;
use super::pace::MessageKind;
use super::steering;
use crate::auth::{self, Key};
use crate::time::Now;

impl Purpose {
    /// The message, for the limits on how often one may be sent.
    fn kind(&self) -> MessageKind {
        match self {
            Self::HomeRegister
            | Self::HomeDeregister
            | Self::HomeReturn { .. }
            | Self::OtherRegister { .. }
            | Self::OtherDeregister { .. } => MessageKind::BindingUpdate,
            Self::Query { .. } | Self::Check { .. } | Self::Measure { .. } => {
                MessageKind::Dmip(DmipType::DhpQuery)
            }
            Self::Request { .. } => MessageKind::Dmip(DmipType::DhoaRequest),
            Self::Update { .. } | Self::Release { .. } | Self::Detach { .. } => {
                MessageKind::Dmip(DmipType::BindingUpdate)
            }
        }
    }

    /// The message that answers it; `None`: a Binding Acknowledgement.
    pub(super) fn answer(&self) -> Option<DmipType> {
        match self {
            Self::HomeRegister
            | Self::HomeDeregister
            | Self::HomeReturn { .. }
            | Self::OtherRegister { .. }
            | Self::OtherDeregister { .. } => None,
            Self::Query { .. } | Self::Check { .. } | Self::Measure { .. } => {
                Some(DmipType::DhpQueryReply)
            }
            Self::Request { .. } => Some(DmipType::DhoaResponse),
            Self::Update { .. } | Self::Release { .. } | Self::Detach { .. } => {
                Some(DmipType::BindingConfirmation)
            }
        }
    }
}

impl MobileNode {
    /// Sends an exchange's message, unless the limit for such messages says later.
    pub(super) fn transmit(&mut self, now: Now, exchange: &mut Exchange) {
        let kind = exchange.purpose.kind();
        if let Err(allowed_ns) = self.pace.admit(exchange.peer, kind, now.mono_ns) {
            exchange.next_ns = allowed_ns;
            return;
        }
        // Profile 1, section 4.1: "unlike a Binding Update, the same octets with the same Sequence #".
        if exchange.packet.is_empty() || exchange.purpose.is_home() {
            match self.compose(now, exchange) {
                Some(packet) => exchange.packet = packet,
                None => return,
            }
        }
        exchange.transmitted(now.mono_ns);
        self.count_sent(exchange.packet.len(), exchange.transmissions, kind);
        let packet = exchange.packet.clone();
        self.actions.push_back(MnAction::Transmit(packet));
        let home_addresses = match &exchange.purpose {
            Purpose::Update { addresses } => addresses.clone(),
            Purpose::HomeRegister | Purpose::HomeReturn { .. } => {
                self.home.iter().map(|home| home.address).collect()
            }
            Purpose::OtherRegister { home } => vec![*home],
            Purpose::Request { .. } => Vec::new(),
            Purpose::Query { .. }
            | Purpose::Check { .. }
            | Purpose::Measure { .. }
            | Purpose::Release { .. }
            | Purpose::Detach { .. }
            | Purpose::HomeDeregister
            | Purpose::OtherDeregister { .. } => return,
        };
        self.event(MnEvent::UpdateSent {
            anchor: exchange.peer,
            home_addresses,
            care_of: exchange.care_of,
            attempt: exchange.transmissions,
        });
    }

    /// Counts a packet of `octets`, which was sent `transmissions` times by now.
    pub(super) fn count_sent(&mut self, octets: usize, transmissions: u32, kind: MessageKind) {
        let counters = &mut self.counters;
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        counters.packets_sent = counters.packets_sent.saturating_add(1);
        counters.bytes_sent = counters.bytes_sent.saturating_add(octets);
        if transmissions > 1 {
            counters.retransmissions = counters.retransmissions.saturating_add(1);
        }
        let (counter, bytes) = match kind {
            MessageKind::BindingUpdate => (
                &mut counters.home_updates_sent,
                &mut counters.home_update_bytes_sent,
            ),
            MessageKind::RouteUpdate => (
                &mut counters.route_updates_sent,
                &mut counters.route_update_bytes_sent,
            ),
            MessageKind::HomeTestInit | MessageKind::CareOfTestInit => (
                &mut counters.route_tests_sent,
                &mut counters.route_test_bytes_sent,
            ),
            MessageKind::Dmip(DmipType::DhpQuery) => {
                (&mut counters.queries_sent, &mut counters.query_bytes_sent)
            }
            MessageKind::Dmip(DmipType::DhoaRequest) => (
                &mut counters.requests_sent,
                &mut counters.request_bytes_sent,
            ),
            MessageKind::Dmip(_) => (&mut counters.updates_sent, &mut counters.update_bytes_sent),
        };
        *counter = counter.saturating_add(1);
        *bytes = bytes.saturating_add(octets);
    }

    /// The packet of an exchange, with a Sequence # of its own. `None` if what it is about is gone.
    fn compose(&mut self, now: Now, exchange: &mut Exchange) -> Option<Vec<u8>> {
        match exchange.purpose.clone() {
            Purpose::Query { flow, .. } => {
                Some(self.compose_query(exchange, &flow.correspondent, flow.need.requirements))
            }
            Purpose::Check { correspondent } | Purpose::Measure { correspondent, .. } => {
                Some(self.compose_query(exchange, &correspondent, Requirements::default()))
            }
            Purpose::Request { flow, .. } => self.compose_request(now, exchange, &flow),
            Purpose::Update { addresses } => {
                self.compose_update(now, exchange, &addresses, self.config.lifetime)
            }
            Purpose::Release { addresses } => self.compose_update(now, exchange, &addresses, 0),
            Purpose::Detach { addresses, bids } => {
                self.compose_detach(now, exchange, &addresses, &bids)
            }
            Purpose::HomeRegister | Purpose::OtherRegister { .. } => {
                let home = self.registration(&exchange.purpose)?;
                let lifetime = self.home_lifetime(now, home);
                self.compose_home(now, exchange, lifetime)
            }
            Purpose::HomeDeregister
            | Purpose::HomeReturn { .. }
            | Purpose::OtherDeregister { .. } => self.compose_home(now, exchange, 0),
        }
    }

    fn compose_query(
        &mut self,
        exchange: &mut Exchange,
        correspondent: &Ipv6Net,
        requirements: Requirements,
    ) -> Vec<u8> {
        self.query_sequence = self.query_sequence.wrapping_add(1);
        exchange.sequence = self.query_sequence;
        let mut builder = self
            .dmip(DmipType::DhpQuery, exchange.sequence, 0, 0)
            .option(&correspondent_option(correspondent));
        if requirements != Requirements::default() {
            builder = builder.option(&requirements_option(
                SessionType::SessionLasting,
                requirements,
            ));
        }
        if let Some(cookie) = &exchange.cookie {
            builder = builder.option(&MobilityOption::Cookie(cookie));
        }
        let mh = builder.finish(&exchange.care_of, &exchange.peer);
        packet::compose(&exchange.care_of, &exchange.peer, None, None, &mh)
    }

    fn compose_request(
        &mut self,
        now: Now,
        exchange: &mut Exchange,
        flow: &FlowKey,
    ) -> Option<Vec<u8>> {
        let wish = self.flows.get(flow)?.wish;
        let anchor = self.anchors.get_mut(&exchange.peer)?;
        exchange.sequence = anchor.next_sequence();
        anchor.steered.was_requested = true;
        let lifetime = self.config.lifetime;
        let mut builder = self
            .identified(DmipType::DhoaRequest, exchange.sequence, lifetime, 0)
            .option(&correspondent_option(&flow.correspondent));
        if let Some((_, address)) = wish.filter(|(anchor, _)| *anchor == exchange.peer) {
            builder = builder.option(&dhoa_option(address, 0));
        }
        let session = match flow.need.session {
            Session::GracefulReplacement => SessionType::GracefulReplacement,
            Session::SessionLasting | Session::Fixed => SessionType::SessionLasting,
        };
        let requirements = flow.need.requirements;
        // A DHP takes what asks for nothing as session-lasting.
        if session != SessionType::SessionLasting || requirements != Requirements::default() {
            builder = builder.option(&requirements_option(session, requirements));
        }
        self.finish_dmip(now, exchange, builder)
    }

    fn compose_update(
        &mut self,
        now: Now,
        exchange: &mut Exchange,
        addresses: &[Ipv6Addr],
        lifetime: u16,
    ) -> Option<Vec<u8>> {
        let anchor = self.anchors.get_mut(&exchange.peer)?;
        exchange.sequence = anchor.next_sequence();
        let leaving = !anchor.steered.leaving(&exchange.steering).is_empty();
        let flags = match exchange.replaces {
            true => dmip_flag::ACKNOWLEDGE | dmip_flag::REPLACE,
            false => dmip_flag::ACKNOWLEDGE,
        };
        let mut builder =
            self.identified(DmipType::BindingUpdate, exchange.sequence, lifetime, flags);
        for address in addresses {
            builder = builder.option(&dhoa_option(*address, lifetime));
        }
        let mode = self.confirmed_mode(addresses).filter(|_| lifetime > 0);
        if let Some(mode) = mode {
            builder = builder.option(&MobilityOption::CommunicationMode { mode, fid: 0 });
        }
        let mac_len = self.config.algorithm.mac_len();
        builder = exchange.steering.write_care_ofs(builder);
        builder = exchange.steering.write_flows(builder, leaving, mac_len);
        self.finish_dmip(now, exchange, builder)
    }

    /// Takes care-of addresses away; the flow bindings stand there again, since those that do not are deleted.
    fn compose_detach(
        &mut self,
        now: Now,
        exchange: &mut Exchange,
        addresses: &[Ipv6Addr],
        bids: &[u16],
    ) -> Option<Vec<u8>> {
        exchange.sequence = self.anchors.get_mut(&exchange.peer)?.next_sequence();
        let flags = dmip_flag::ACKNOWLEDGE;
        let mut builder = self.identified(DmipType::BindingUpdate, exchange.sequence, 0, flags);
        for address in addresses {
            builder = builder.option(&dhoa_option(*address, 0));
        }
        for bid in bids {
            builder = builder.option(&steering::identifier(*bid, 0, None));
        }
        let mac_len = self.config.algorithm.mac_len();
        builder = exchange.steering.write_flows(builder, false, mac_len);
        self.finish_dmip(now, exchange, builder)
    }

    /// MESG-ID, cookie, AUTH, checksum, IPv6 header.
    fn finish_dmip(
        &mut self,
        now: Now,
        exchange: &mut Exchange,
        mut builder: Builder,
    ) -> Option<Vec<u8>> {
        let (care_of, peer) = (exchange.care_of, exchange.peer);
        let anchor = self.anchors.get_mut(&peer)?;
        exchange.mesg_id = anchor.mesg_id.then(|| anchor.clock.next(now.ntp));
        let key = anchor.key.clone();
        if let Some(mesg_id) = exchange.mesg_id {
            builder = builder.option(&MobilityOption::MesgId(mesg_id));
        }
        if let Some(cookie) = &exchange.cookie {
            builder = builder.option(&MobilityOption::Cookie(cookie));
        }
        // Profile 1, section 6.1: the "home address" input of the MAC is the DHP's address.
        let mh = self
            .authenticated(builder, &key, &care_of, &peer)
            .finish(&care_of, &peer);
        Some(packet::compose(&care_of, &peer, None, None, &mh))
    }

    /// A Binding Update to the home agent as RFC 6275 §11.7.1 has it: "The Home Registration (H) bit MUST be set", "The
    /// Acknowledge (A) bit MUST be set", "The packet MUST contain a Home Address destination option", and the Alternate
    /// Care-of Address option "MUST be included in all home registrations". From the home link the home address is source and
    /// care-of address, and needs no option (§11.5.5).
    fn compose_home(
        &mut self,
        now: Now,
        exchange: &mut Exchange,
        lifetime: u16,
    ) -> Option<Vec<u8>> {
        let purpose = &exchange.purpose;
        let home = registration_of(&mut self.home, &mut self.other_homes, purpose)?;
        exchange.sequence = home.next_sequence();
        exchange.mesg_id = home.mesg_id.then(|| home.clock.next(now.ntp));
        let (agent, address, key) = (home.agent, home.address, home.key.clone());
        let care_of = exchange.care_of;
        let flags = BuFlags::ACKNOWLEDGE | BuFlags::HOME;
        // RFC 5648 §5.3: several care-of addresses stand each in its option, and with the O flag they take the place of all
        // that there were.
        let mut builder = if exchange.steering.is_single() {
            Builder::binding_update(exchange.sequence, flags, Lifetime(lifetime))
                .option(&MobilityOption::AlternateCareOf(care_of))
        } else {
            let flags = flags | BuFlags::OVERWRITE;
            let builder = Builder::binding_update(exchange.sequence, flags, Lifetime(lifetime));
            let mac_len = self.config.algorithm.mac_len();
            let builder = exchange.steering.write_care_ofs(builder);
            exchange.steering.write_flows(builder, false, mac_len)
        };
        if let Some(mn_id) = &self.config.mn_id {
            builder = builder.option(&MobilityOption::MnId {
                subtype: mn_id.subtype,
                identifier: &mn_id.identifier,
            });
        }
        if let Some(mesg_id) = exchange.mesg_id {
            builder = builder.option(&MobilityOption::MesgId(mesg_id));
        }
        // RFC 6275 §6.1.1: the checksum is over the home address where a Home Address option is present.
        let mh = self
            .authenticated(builder, &key, &care_of, &address)
            .finish(&address, &agent);
        let option = (care_of != address).then_some(&address);
        Some(packet::compose(&care_of, &agent, option, None, &mh))
    }

    fn dmip(&self, kind: DmipType, sequence: u16, lifetime: u16, flags: u16) -> Builder {
        let header = DmipHeader {
            kind,
            sequence,
            lifetime: Lifetime(lifetime),
            flags,
            status: Status(0),
        };
        Builder::dmip(&self.config.code_points, header)
    }

    fn identified(&self, kind: DmipType, sequence: u16, lifetime: u16, flags: u16) -> Builder {
        let builder = self.dmip(kind, sequence, lifetime, flags);
        match &self.config.mn_id {
            Some(mn_id) => builder.option(&MobilityOption::MnId {
                subtype: mn_id.subtype,
                identifier: &mn_id.identifier,
            }),
            None => builder,
        }
    }

    fn authenticated(
        &self,
        builder: Builder,
        key: &Key,
        care_of: &Ipv6Addr,
        home: &Ipv6Addr,
    ) -> Builder {
        let algorithm = self.config.algorithm;
        builder.auth(self.config.spi, algorithm.mac_len(), |mh_through_spi| {
            auth::mac(algorithm, key, care_of, home, mh_through_spi)
        })
    }
}

fn correspondent_option(correspondent: &Ipv6Net) -> MobilityOption<'static> {
    MobilityOption::Correspondent {
        prefix_len: correspondent.prefix_len(),
        address: correspondent.network(),
    }
}

fn requirements_option(
    session: SessionType,
    requirements: Requirements,
) -> MobilityOption<'static> {
    MobilityOption::FlowRequirements {
        session,
        dscp: requirements.dscp,
        min_bandwidth_kbps: requirements.min_bandwidth_kbps,
        max_latency_ms: requirements.max_latency_ms,
        max_loss_permille: requirements.max_loss_permille,
    }
}

fn dhoa_option(address: Ipv6Addr, lifetime: u16) -> MobilityOption<'static> {
    MobilityOption::Dhoa {
        status: Status(0),
        fid: 0,
        address,
        lifetime: Lifetime(lifetime),
    }
}
