//! Octets as a sequence of events at an appliance, for the fuzzer: every string of octets is a script, and each is checked
//!
//! | octet | event, and what follows |
//! |---|---|
//! | 0, 1, 2 | a frame on that port: two octets of length, the frame |
//! | 3 | a round: one octet, the power of two of nanoseconds that have passed |
//! | 4 | the control plane injects: two octets of length, the packet |
//! | 5 | a home address is bound: one octet each for home address, care-of address, size of the tunnel, and limits |
//! | 6 | a binding ends: one octet for the home address |
//! | 7 | a home address gets two care-of addresses, a flow rule and one for an exact flow: one octet for it, one for the rules |
//! | 8 | a packet comes in fragments: one octet each for the port, their size and their order, two of length, the packet |
//! | 9 | packets are traced: one octet for which |
//!
//! Greater octets are taken modulo 10, indices modulo what there is, and a length beyond the end means the rest. The first octet
//! of a script is the setup: 1 the kernel has a copy, 2 no transit, 4 no host port, 8 hardly a buffer.
//!
//! | octet | its bits |
//! |---|---|
//! | limits | 1 metered, 2 a cap on the rate by the high four, 4 under test, 8 with the care-of address before for what exceeds |
//! | order | 1, 2, 4 which is first, 8 turned round, 16 the last is missing, 32 the first comes twice; 64, 128 Identification |
//! | which | 1 any, 2 only what is dropped, 4 only of one home address, by the others |

use crate::stage::Stage;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Frame {
        port: usize,
        octets: Vec<u8>,
    },
    Round {
        passed_log2: u8,
    },
    Inject {
        octets: Vec<u8>,
    },
    Bind {
        home: u8,
        care_of: u8,
        mtu: u8,
        limits: u8,
    },
    Unbind {
        home: u8,
    },
    Flows {
        home: u8,
        rule: u8,
    },
    Fragments {
        port: u8,
        size: u8,
        order: u8,
        octets: Vec<u8>,
    },
    Trace {
        which: u8,
    },
}

/// A setup and what happens then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub setup: u8,
    pub events: Vec<Event>,
}

impl Script {
    pub fn read(mut octets: &[u8]) -> Self {
        let setup = take(&mut octets);
        let mut events = Vec::new();
        while !octets.is_empty() {
            events.push(match take(&mut octets) % 10 {
                3 => Event::Round {
                    passed_log2: take(&mut octets) % 40,
                },
                4 => Event::Inject {
                    octets: take_string(&mut octets),
                },
                5 => Event::Bind {
                    home: take(&mut octets),
                    care_of: take(&mut octets),
                    mtu: take(&mut octets),
                    limits: take(&mut octets),
                },
                6 => Event::Unbind {
                    home: take(&mut octets),
                },
                7 => Event::Flows {
                    home: take(&mut octets),
                    rule: take(&mut octets),
                },
                8 => Event::Fragments {
                    port: take(&mut octets),
                    size: take(&mut octets),
                    order: take(&mut octets),
                    octets: take_string(&mut octets),
                },
                9 => Event::Trace {
                    which: take(&mut octets),
                },
                port => Event::Frame {
                    port: port.into(),
                    octets: take_string(&mut octets),
                },
            });
        }
        Self { setup, events }
    }

    pub fn write(&self) -> Vec<u8> {
        let mut written = vec![self.setup];
        let string = |before: &[u8], octets: &[u8]| {
            let length = (octets.len() as u16).to_be_bytes();
            [before, &length, octets].concat()
        };
        for event in &self.events {
            written.extend(match event {
                Event::Frame { port, octets } => string(&[*port as u8], octets),
                Event::Round { passed_log2 } => vec![3, *passed_log2],
                Event::Inject { octets } => string(&[4], octets),
                Event::Bind {
                    home,
                    care_of,
                    mtu,
                    limits,
                } => vec![5, *home, *care_of, *mtu, *limits],
                Event::Unbind { home } => vec![6, *home],
                Event::Flows { home, rule } => vec![7, *home, *rule],
                Event::Fragments {
                    port,
                    size,
                    order,
                    octets,
                } => string(&[8, *port, *size, *order], octets),
                Event::Trace { which } => vec![9, *which],
            });
        }
        written
    }

    /// Has it all happen, and panics unless every packet ended in one counted place, what left was permitted, and all buffers
    /// came back.
    pub fn play(&self) {
        let mut stage = Stage::new(self.setup);
        for event in &self.events {
            stage.act(event);
        }
        stage.finish();
    }
}

/// The next octet; 0 behind the end.
fn take(octets: &mut &[u8]) -> u8 {
    let Some((first, rest)) = octets.split_first() else {
        return 0;
    };
    *octets = rest;
    *first
}

fn take_string(octets: &mut &[u8]) -> Vec<u8> {
    let length = usize::from(u16::from_be_bytes([take(octets), take(octets)]));
    let (string, rest) = octets.split_at(length.min(octets.len()));
    *octets = rest;
    string.to_vec()
}
