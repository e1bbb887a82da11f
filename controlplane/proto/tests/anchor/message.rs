//! Requests as a mobile node makes them.

use std::net::Ipv6Addr;

use dhp_wire::codepoints::{CodePoints, DmipType, Status, dmip_flag};
use dhp_wire::mobility::{BuFlags, Builder, DmipHeader, Lifetime, MobilityOption};
use dhp_wire::packet::compose;

use crate::harness::{ANCHOR, CARE_OF, CORRESPONDENT, Mn, TEN_MINUTES};

/// A DMIP message in the making.
#[derive(Clone)]
pub struct Dmip<'a> {
    pub kind: DmipType,
    pub sequence: u16,
    pub lifetime: Lifetime,
    pub flags: u16,
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    pub options: Vec<MobilityOption<'a>>,
    /// The care-of address that the MAC takes.
    pub care_of: Ipv6Addr,
    /// Octets of padding at the end.
    pub padding: usize,
}

impl<'a> Dmip<'a> {
    pub fn new(kind: DmipType, sequence: u16) -> Self {
        Self {
            kind,
            sequence,
            lifetime: TEN_MINUTES,
            flags: 0,
            source: CARE_OF,
            destination: ANCHOR,
            options: Vec::new(),
            care_of: CARE_OF,
            padding: 0,
        }
    }

    pub fn query() -> Self {
        Self {
            lifetime: Lifetime::ZERO,
            ..Self::new(DmipType::DhpQuery, 1)
        }
        .option(correspondent())
    }

    pub fn dhoa_request(sequence: u16) -> Self {
        Self::new(DmipType::DhoaRequest, sequence).option(correspondent())
    }

    /// A DHP Binding Update that wants a confirmation and lists these.
    pub fn update(sequence: u16, dhoas: &[Ipv6Addr]) -> Self {
        let update = Self {
            flags: dmip_flag::ACKNOWLEDGE,
            ..Self::new(DmipType::BindingUpdate, sequence)
        };
        dhoas.iter().fold(update, |update, address| {
            update.option(dhoa(*address, 0, 0))
        })
    }

    pub fn option(mut self, option: MobilityOption<'a>) -> Self {
        self.options.push(option);
        self
    }

    pub fn flags(mut self, flags: u16) -> Self {
        self.flags |= flags;
        self
    }

    pub fn lifetime(mut self, units: u16) -> Self {
        self.lifetime = Lifetime(units);
        self
    }

    pub fn from(mut self, source: Ipv6Addr) -> Self {
        self.source = source;
        self.care_of = source;
        self
    }

    pub fn alternate(mut self, care_of: Ipv6Addr) -> Self {
        self.care_of = care_of;
        self.option(MobilityOption::AlternateCareOf(care_of))
    }

    fn builder(&self) -> Builder {
        let header = DmipHeader {
            kind: self.kind,
            sequence: self.sequence,
            lifetime: self.lifetime,
            flags: self.flags,
            status: Status(0),
        };
        let builder = Builder::dmip(&CodePoints::default(), header);
        self.options
            .iter()
            .fold(builder, |builder, option| builder.option(option))
            .padding(self.padding)
    }

    /// The packet, without authentication.
    pub fn plain(&self) -> Vec<u8> {
        let mh = self.builder().finish(&self.source, &self.destination);
        compose(&self.source, &self.destination, None, None, &mh)
    }

    /// The packet, authenticated.
    pub fn by(&self, mn: &Mn) -> Vec<u8> {
        let security = &mn.security;
        let mac = |mh: &[u8]| security.mac(&self.care_of, &ANCHOR, mh);
        let builder = self
            .builder()
            .auth(security.spi(), security.algorithm().mac_len(), mac);
        assert!(builder.is_complete());
        compose(
            &self.source,
            &self.destination,
            None,
            None,
            &builder.finish(&self.source, &self.destination),
        )
    }
}

pub fn correspondent() -> MobilityOption<'static> {
    MobilityOption::Correspondent {
        prefix_len: 128,
        address: CORRESPONDENT,
    }
}

pub fn dhoa(address: Ipv6Addr, fid: u16, lifetime: u16) -> MobilityOption<'static> {
    MobilityOption::Dhoa {
        status: Status(0),
        fid,
        address,
        lifetime: Lifetime(lifetime),
    }
}

pub fn flow(fid: u16) -> MobilityOption<'static> {
    MobilityOption::FlowIdentification {
        fid,
        priority: 1,
        status: 0,
        sub_options: &[],
    }
}

pub fn mn_id(mn: &Mn) -> MobilityOption<'_> {
    let id = mn.security.mn_id();
    MobilityOption::MnId {
        subtype: id.subtype,
        identifier: &id.identifier,
    }
}

/// An RFC 6275 Binding Update in the making.
#[derive(Clone)]
pub struct Update<'a> {
    pub sequence: u16,
    pub lifetime: Lifetime,
    pub flags: BuFlags,
    pub home: Ipv6Addr,
    pub source: Ipv6Addr,
    /// Whether the home address stands in a Home Address option.
    pub away: bool,
    pub options: Vec<MobilityOption<'a>>,
    pub care_of: Ipv6Addr,
}

impl<'a> Update<'a> {
    /// A home registration from a visited link.
    pub fn new(home: Ipv6Addr, sequence: u16) -> Self {
        Self {
            sequence,
            lifetime: TEN_MINUTES,
            flags: BuFlags::ACKNOWLEDGE | BuFlags::HOME,
            home,
            source: CARE_OF,
            away: true,
            options: Vec::new(),
            care_of: CARE_OF,
        }
    }

    pub fn option(mut self, option: MobilityOption<'a>) -> Self {
        self.options.push(option);
        self
    }

    pub fn lifetime(mut self, units: u16) -> Self {
        self.lifetime = Lifetime(units);
        self
    }

    pub fn from(mut self, source: Ipv6Addr) -> Self {
        self.source = source;
        self.care_of = source;
        self
    }

    pub fn alternate(mut self, care_of: Ipv6Addr) -> Self {
        self.care_of = care_of;
        self.option(MobilityOption::AlternateCareOf(care_of))
    }

    /// At home: no Home Address option, the home address is the source.
    pub fn at_home(mut self) -> Self {
        self.away = false;
        let home = self.home;
        self.from(home)
    }

    fn packet(&self, builder: Builder) -> Vec<u8> {
        let home = self.away.then_some(&self.home);
        let mh = builder.finish(home.unwrap_or(&self.source), &ANCHOR);
        compose(&self.source, &ANCHOR, home, None, &mh)
    }

    fn builder(&self) -> Builder {
        let builder = Builder::binding_update(self.sequence, self.flags, self.lifetime);
        self.options
            .iter()
            .fold(builder, |builder, option| builder.option(option))
    }

    pub fn plain(&self) -> Vec<u8> {
        self.packet(self.builder())
    }

    pub fn by(&self, mn: &Mn) -> Vec<u8> {
        let security = &mn.security;
        let mac = |mh: &[u8]| security.mac(&self.care_of, &self.home, mh);
        self.packet(
            self.builder()
                .auth(security.spi(), security.algorithm().mac_len(), mac),
        )
    }
}
