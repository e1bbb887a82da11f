//! Which care-of addresses get a packet for a home address that has several, or flow rules (RFC 6089 §5.3.6)

use dhp_segment::{
    Counter, DropReason, FlowKey, FlowSet, FlowVerdict, HomeEntry, MAX_CARE_OFS, Reader, Template,
};
use dhp_wire::codepoints::next_header;
use dhp_wire::extension::{self, Fragment, HeaderChain};
use dhp_wire::ipv6::Ipv6View;

use crate::origin::Origin;
use crate::path::Path;
use crate::{PacketBuf, Port};

impl<P: Port> Path<P> {
    /// Tunnel a packet to each care-of address that the flow rules name, or to the default one where they name none.
    #[inline(never)]
    pub(crate) fn downlink_by_flow(
        &mut self,
        packet: P::Buf,
        home: Option<HomeEntry>,
        flows: u32,
        origin: Origin,
    ) {
        match self.flow_verdict(packet.bytes(), flows) {
            Ok(FlowVerdict::Default) => self.downlink_default(packet, home, origin),
            Ok(FlowVerdict::Discard) => self.discard(packet, DropReason::FlowDiscarded),
            Ok(FlowVerdict::CareOfs(care_ofs)) => {
                self.send_copies(packet, home, flows, care_ofs, origin);
            }
            Err(reason) => self.discard(packet, reason),
        }
    }

    /// What the rules say, or for a later fragment what they said of the first one.
    ///
    /// The rule of exactly the packet's flow is asked first, and after it those of the list that come before it. Where it has none, the
    /// list decides, and what that says is remembered.
    fn flow_verdict(&mut self, packet: &[u8], flows: u32) -> Result<FlowVerdict, DropReason> {
        let Some(set) = self.reader.flow_set(flows).filter(|set| set.has_rules()) else {
            return Ok(FlowVerdict::Default);
        };
        let flow = PacketFlow::of(packet).ok_or(DropReason::MalformedIpv6)?;
        let PacketFlow { key, fragment } = &flow;
        // Before the list is looked at: a change in between makes this the generation of nothing.
        let generation = set.generation();
        let fragmented = fragment.map(|fragment| (key.source, key.destination, fragment.id));
        if let (Some(fragmented), true) = (fragmented, flow.is_later_fragment()) {
            let remembered = self
                .flow_memory
                .recall(&fragmented, generation, self.now_ns);
            return match remembered {
                Some(verdict) => Ok(verdict),
                None if set.needs_first_fragment() => Err(DropReason::FragmentWithoutFirst),
                None => Ok(set.verdict(key)),
            };
        }
        let verdict = match self.reader.find_flow(set, key) {
            Some(exact) => set.overrules(key, &exact).unwrap_or_else(|| {
                self.reader.carry_flow(&exact, packet.len() as u64);
                exact.verdict
            }),
            None => self
                .flow_memory
                .verdict(key, generation, self.now_ns, || set.verdict(key)),
        };
        if let Some(fragmented) = fragmented.filter(|_| fragment.is_some_and(|piece| piece.more)) {
            self.flow_memory
                .remember(fragmented, generation, verdict, self.now_ns);
        }
        Ok(verdict)
    }

    /// "A copy of the packet is forwarded to each of the care-of addresses associated with the BIDs" (RFC 6089 §5.3.6).
    fn send_copies(
        &mut self,
        packet: P::Buf,
        home: Option<HomeEntry>,
        flows: u32,
        care_ofs: u8,
        origin: Origin,
    ) {
        let mut narrowest: Option<Template> = None;
        for position in (0..MAX_CARE_OFS).filter(|position| care_ofs >> position & 1 == 1) {
            // One that has been taken away since "has no effect on the traffic".
            let Some(template) = self
                .reader
                .flow_set(flows)
                .and_then(|set| set.template(position))
                .and_then(|id| self.reader.template(id))
            else {
                continue;
            };
            let (wider, narrower) = match narrowest {
                None => (None, template),
                Some(before) if before.mtu < template.mtu => (Some(template), before),
                Some(before) => (Some(before), template),
            };
            narrowest = Some(narrower);
            if let Some(wider) = wider {
                self.reader.count(Counter::FlowCopies, 1);
                match self.copy(&packet) {
                    Some(copy) => self.enter_one_of(copy, &wider, origin.of_copy()),
                    None => self.reader.count_drop(DropReason::NoBuffer),
                }
            }
        }
        // The packet itself goes last, so that one care-of address costs no copy, and into the narrowest tunnel: what is too
        // big for any is too big for that one, and the source is told of it.
        match narrowest {
            Some(template) => self.enter_one_of(packet, &template, origin),
            None => self.downlink_default(packet, home, origin),
        }
    }

    fn copy(&mut self, packet: &P::Buf) -> Option<P::Buf> {
        let mut copy = self.ports.first_mut().and_then(Port::alloc)?;
        if !copy.set_len(packet.bytes().len()) {
            return None;
        }
        copy.bytes_mut().copy_from_slice(packet.bytes());
        Some(copy)
    }

    /// As [`template_from`], now.
    pub(crate) fn template_from(&self, home: HomeEntry, care_of: &[u8; 16]) -> Option<Template> {
        template_from(&self.reader, home, care_of, self.now_ns)
    }
}

/// The template of the binding that has `care_of` for its care-of address, or had it until a moment ago: the default one, the
/// tested one behind it, or one with a Binding Identification number.
pub(crate) fn template_from(
    reader: &Reader,
    home: HomeEntry,
    care_of: &[u8; 16],
    now_ns: u64,
) -> Option<Template> {
    let accepts = |template: &Template| template.accepts_source(care_of, now_ns);
    let default = reader.tunnel(&home)?;
    if accepts(&default) {
        return Some(default);
    }
    // While a care-of address is tested, the one before is good.
    let tested = default.tested.and_then(|id| reader.template(id));
    if let Some(tested) = tested.filter(accepts) {
        return Some(tested);
    }
    let set = reader.flow_set(home.flows()?)?;
    FlowSet::templates(set)
        .filter_map(|id| reader.template(id))
        .find(accepts)
}

/// The flow that a packet is of.
pub(crate) struct PacketFlow {
    /// What of the packet the selectors of RFC 6088 §3.2 look at.
    pub(crate) key: FlowKey,
    /// Which piece it is, of a packet in fragments.
    fragment: Option<Fragment>,
}

impl PacketFlow {
    /// That of a packet from its IPv6 header on.
    pub(crate) fn of(packet: &[u8]) -> Option<Self> {
        let view = Ipv6View::new(packet).ok()?;
        // In transit a broken chain is not our business: the rules see a packet without ports.
        let chain = extension::walk(view.packet()).unwrap_or_else(|_| HeaderChain {
            upper_protocol: view.next_header(),
            upper_offset: view.packet().len(),
            ..HeaderChain::default()
        });
        Some(Self {
            key: flow_key(&view, &chain),
            fragment: chain.fragment,
        })
    }

    /// Whether it has neither ports nor an SPI, since it is not the first piece.
    fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset != 0)
    }
}

fn flow_key(view: &Ipv6View<'_>, chain: &HeaderChain) -> FlowKey {
    let is_later = chain.fragment.is_some_and(|fragment| fragment.offset != 0);
    let word = |offset: usize| {
        let octets = view.packet().get(chain.upper_offset..)?.get(offset..)?;
        octets.first_chunk::<4>().filter(|_| !is_later)
    };
    let ports = match chain.upper_protocol {
        next_header::TCP
        | next_header::UDP
        | next_header::SCTP
        | next_header::DCCP
        | next_header::UDP_LITE => word(0).map(|[s0, s1, d0, d1]| {
            (
                u16::from_be_bytes([*s0, *s1]),
                u16::from_be_bytes([*d0, *d1]),
            )
        }),
        _ => None,
    };
    let spi = match chain.upper_protocol {
        next_header::ESP => word(0).map(|octets| u32::from_be_bytes(*octets)),
        _ => None,
    };
    FlowKey {
        source: *view.source_octets(),
        destination: *view.destination_octets(),
        spi,
        flow_label: view.flow_label(),
        ports,
        dscp: view.traffic_class() >> 2,
        next_header: chain.upper_protocol,
    }
}
