//! What records say of bindings and quarantines
//!
//! | record | body |
//! |---|---|
//! | bound | home address (16), care-of address (16), kept at (8), [end (8)], [SPI (4), number (2)], [FID it is dedicated to (2)], MN-ID subtype (1), list of its octets (1), list of flows: FID (2), mode (1); list of care-of addresses: BID (2), BID-PRI (1), address (16), has end (1), end (8); list of flow bindings: FID (2), FID-PRI (2), TS format (1), list of the selector's octets (1), list of BIDs (2) |
//! | refreshed | home address (16), care-of address (16), kept at (8), [end (8)], [SPI (4), number (2)] |
//! | quarantined | home address (16), end (8), kept at (8), MN-ID subtype (1), list of its octets (1) |
//!
//! A list has its length in two octets before it. Times are those of the journal's clock, as NTP timestamps. What stands in brackets is there if its flag is set.

use std::net::Ipv6Addr;
use std::sync::Arc;

use dhp_proto::anchor::{
    FlowBinding, FlowMode, FlowSelector, KeptBinding, KeptCareOf, KeptOrder, KeptQuarantine,
    KeptTime, PoolKind,
};
use dhp_proto::security_association::MnId;
use dhp_wire::mobility::{Ipv4TrafficSelector, Mode, TrafficSelector};

use super::fields::{Fields, put_list};

mod flag {
    pub const HAS_END: u8 = 0x01;
    pub const HAS_ORDER: u8 = 0x02;
    pub const IS_HOME: u8 = 0x04;
    pub const LINK_LOCAL: u8 = 0x08;
    pub const DEDICATED: u8 = 0x10;
}

/// A binding that has changed in nothing but where and how long: what most records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The home address.
    pub home_address: Ipv6Addr,
    /// Where it is.
    pub care_of: Ipv6Addr,
    /// When this was kept.
    pub kept: KeptTime,
    /// When it ends by itself; `None` for never.
    pub ends: Option<KeptTime>,
    /// The DMIP message that has changed it.
    pub changed_by: Option<KeptOrder>,
}

impl Refresh {
    /// What makes `before` the same as `now`, if nothing else is different.
    pub fn between(before: &KeptBinding, now: &KeptBinding) -> Option<Self> {
        let is_all = before.kind == now.kind
            && before.mn == now.mn
            && before.link_local == now.link_local
            && before.dedicated == now.dedicated
            && before.flows == now.flows
            && before.care_ofs.is_empty()
            && now.care_ofs.is_empty()
            && before.flow_bindings == now.flow_bindings;
        is_all.then_some(Self {
            home_address: now.home_address,
            care_of: now.care_of,
            kept: now.kept,
            ends: now.ends,
            changed_by: now.changed_by,
        })
    }

    /// Has a binding be as it is after the refresh.
    pub fn apply(self, binding: &mut KeptBinding) {
        binding.care_of = self.care_of;
        binding.kept = self.kept;
        binding.ends = self.ends;
        binding.changed_by = self.changed_by;
    }

    /// Flags and body.
    pub fn encode(&self, body: &mut Vec<u8>) -> u8 {
        body.extend(self.home_address.octets());
        body.extend(self.care_of.octets());
        body.extend(self.kept.0.to_be_bytes());
        let mut flags = 0;
        if let Some(ends) = self.ends {
            flags |= flag::HAS_END;
            body.extend(ends.0.to_be_bytes());
        }
        if let Some(by) = self.changed_by {
            flags |= flag::HAS_ORDER;
            body.extend(by.spi.to_be_bytes());
            body.extend(by.number.to_be_bytes());
        }
        flags
    }

    /// Reads what [`Self::encode`] has written.
    pub fn decode(flags: u8, fields: &mut Fields<'_>) -> Option<Self> {
        let (home_address, care_of) = (fields.address()?, fields.address()?);
        let kept = fields.time()?;
        let mut ends = None;
        if flags & flag::HAS_END != 0 {
            ends = Some(fields.time()?);
        }
        let mut changed_by = None;
        if flags & flag::HAS_ORDER != 0 {
            let (spi, number) = (fields.u32()?, fields.u16()?);
            changed_by = Some(KeptOrder { spi, number });
        }
        Some(Self {
            home_address,
            care_of,
            kept,
            ends,
            changed_by,
        })
    }
}

/// Flags and body of a binding.
pub fn encode_binding(binding: &KeptBinding, body: &mut Vec<u8>) -> u8 {
    let refresh = Refresh {
        home_address: binding.home_address,
        care_of: binding.care_of,
        kept: binding.kept,
        ends: binding.ends,
        changed_by: binding.changed_by,
    };
    let mut flags = refresh.encode(body);
    if binding.kind == PoolKind::Home {
        flags |= flag::IS_HOME;
    }
    if binding.link_local {
        flags |= flag::LINK_LOCAL;
    }
    if let Some(fid) = binding.dedicated {
        flags |= flag::DEDICATED;
        body.extend(fid.to_be_bytes());
    }
    encode_owner(&binding.mn, body);
    put_list(body, binding.flows.iter(), |body, flow| {
        body.extend(flow.fid.to_be_bytes());
        body.push(flow.mode as u8);
    });
    put_list(body, binding.care_ofs.iter(), |body, care_of| {
        body.extend(care_of.bid.to_be_bytes());
        body.push(care_of.priority);
        body.extend(care_of.address.octets());
        body.push(u8::from(care_of.ends.is_some()));
        body.extend(care_of.ends.map_or(0, |ends| ends.0).to_be_bytes());
    });
    put_list(body, binding.flow_bindings.iter(), |body, flow| {
        body.extend(flow.fid.to_be_bytes());
        body.extend(flow.priority.to_be_bytes());
        let (format, selector) = match &flow.selector {
            FlowSelector::Ipv4(selector) => (Ipv4TrafficSelector::FORMAT, selector.to_octets()),
            FlowSelector::Ipv6(selector) => (TrafficSelector::FORMAT, selector.to_octets()),
        };
        body.push(format);
        put_list(body, selector.into_iter(), Vec::push);
        put_list(body, flow.bids.iter(), |body, bid| {
            body.extend(bid.to_be_bytes());
        });
    });
    flags
}

/// Reads what [`encode_binding`] has written.
pub fn decode_binding(flags: u8, fields: &mut Fields<'_>) -> Option<KeptBinding> {
    let refresh = Refresh::decode(flags, fields)?;
    let mut dedicated = None;
    if flags & flag::DEDICATED != 0 {
        dedicated = Some(fields.u16()?);
    }
    let mn = decode_owner(fields)?;
    let flows = fields.list(|fields| {
        let fid = fields.u16()?;
        let mode = Mode::from_u8(fields.u8()?)?;
        Some(FlowMode { fid, mode })
    })?;
    let care_ofs = fields.list(|fields| {
        let (bid, priority, address) = (fields.u16()?, fields.u8()?, fields.address()?);
        let (has_end, ends) = (fields.u8()?, fields.time()?);
        Some(KeptCareOf {
            bid,
            priority,
            address,
            ends: (has_end != 0).then_some(ends),
        })
    })?;
    let flow_bindings = fields.list(|fields| {
        let (fid, priority, format) = (fields.u16()?, fields.u16()?, fields.u8()?);
        let selector = decode_selector(format, fields)?;
        let bids = fields.list(Fields::u16)?;
        Some(FlowBinding {
            fid,
            priority,
            selector,
            bids,
        })
    })?;
    Some(KeptBinding {
        home_address: refresh.home_address,
        kind: match flags & flag::IS_HOME {
            0 => PoolKind::Dhoa,
            _ => PoolKind::Home,
        },
        mn: Arc::new(mn),
        care_of: refresh.care_of,
        ends: refresh.ends,
        kept: refresh.kept,
        changed_by: refresh.changed_by,
        link_local: flags & flag::LINK_LOCAL != 0,
        dedicated,
        flows: flows.into(),
        care_ofs,
        flow_bindings,
    })
}

/// Body of a quarantine.
pub fn encode_quarantine(quarantine: &KeptQuarantine, body: &mut Vec<u8>) {
    body.extend(quarantine.home_address.octets());
    body.extend(quarantine.ends.0.to_be_bytes());
    body.extend(quarantine.kept.0.to_be_bytes());
    encode_owner(&quarantine.mn, body);
}

/// Reads what [`encode_quarantine`] has written.
pub fn decode_quarantine(fields: &mut Fields<'_>) -> Option<KeptQuarantine> {
    Some(KeptQuarantine {
        home_address: fields.address()?,
        ends: fields.time()?,
        kept: fields.time()?,
        mn: Arc::new(decode_owner(fields)?),
    })
}

fn encode_owner(mn: &MnId, body: &mut Vec<u8>) {
    body.push(mn.subtype);
    put_list(body, mn.identifier.iter(), |body, octet| body.push(*octet));
}

fn decode_owner(fields: &mut Fields<'_>) -> Option<MnId> {
    let subtype = fields.u8()?;
    let len = usize::from(fields.u16()?);
    let identifier = fields.octets(len)?.to_vec();
    Some(MnId {
        subtype,
        identifier,
    })
}

fn decode_selector(format: u8, fields: &mut Fields<'_>) -> Option<FlowSelector> {
    let len = usize::from(fields.u16()?);
    let octets = fields.octets(len)?;
    match format {
        Ipv4TrafficSelector::FORMAT => {
            let read = Ipv4TrafficSelector::parse(octets).ok();
            read.map(FlowSelector::Ipv4)
        }
        TrafficSelector::FORMAT => TrafficSelector::parse(octets).ok().map(FlowSelector::Ipv6),
        _ => None,
    }
}
