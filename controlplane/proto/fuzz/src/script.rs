//! What happens to an anchor, as octets: a kind, a length in two octets, and as many octets as that says

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet with a Mobility Header, whose checksum is put right.
    Mobility(Vec<u8>),
    /// A packet as it is.
    Raw(Vec<u8>),
    /// An ICMPv6 message from the home link, or from anywhere, whose checksum is put right.
    Icmp {
        /// Whether it comes from the home link.
        on_link: bool,
        /// The packet.
        packet: Vec<u8>,
    },
    /// A packet with a Home Address option of which the forwarding plane knows no binding.
    Unbound(Vec<u8>),
    /// Time passes, in units of 100 ms.
    Wait(u16),
    /// An operator's command, by number.
    Command(u16),
}

/// A sequence of events. Nothing is longer: the time of a run grows with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(pub Vec<Event>);

const MAX_EVENTS: usize = 64;

impl Script {
    /// Reads as much as there is.
    #[must_use]
    pub fn read(mut octets: &[u8]) -> Self {
        let mut events = Vec::new();
        while events.len() < MAX_EVENTS
            && let Some(([kind, l0, l1], rest)) = octets.split_first_chunk()
        {
            let number = u16::from_be_bytes([*l0, *l1]);
            let kind = kind % 7;
            let len = if kind < 5 { usize::from(number) } else { 0 };
            let (data, behind) = rest.split_at(len.min(rest.len()));
            octets = behind;
            let packet = data.to_vec();
            events.push(match kind {
                0 => Event::Mobility(packet),
                1 => Event::Raw(packet),
                2 | 3 => Event::Icmp {
                    on_link: kind == 2,
                    packet,
                },
                4 => Event::Unbound(packet),
                5 => Event::Wait(number),
                _ => Event::Command(number),
            });
        }
        Self(events)
    }

    /// The octets that are read so.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        for event in &self.0 {
            let (kind, number, data): (u8, u16, &[u8]) = match event {
                Event::Mobility(packet) => (0, len(packet), packet),
                Event::Raw(packet) => (1, len(packet), packet),
                Event::Icmp { on_link, packet } => (3 - u8::from(*on_link), len(packet), packet),
                Event::Unbound(packet) => (4, len(packet), packet),
                Event::Wait(units) => (5, *units, &[]),
                Event::Command(number) => (6, *number, &[]),
            };
            octets.push(kind);
            octets.extend(number.to_be_bytes());
            octets.extend(data);
        }
        octets
    }
}

fn len(packet: &[u8]) -> u16 {
    u16::try_from(packet.len()).expect("a packet")
}
