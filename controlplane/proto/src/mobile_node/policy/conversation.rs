//! Who began a conversation (profile 1, section 2, step 2): "CN-initiated flows arrive on the HoA … and stay on MIPv6 through
//! the HA … MN-initiated flows may use a DHP".

use core::net::Ipv6Addr;
use std::collections::HashMap;

use dhp_wire::codepoints::{icmpv6, next_header};
use dhp_wire::ipv6::Ipv6View;

/// Conversations that are remembered; more than a node has, unless somebody scans.
const MAX_CONVERSATIONS: usize = 4096;

/// One transport flow, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conversation {
    /// This node's address.
    pub local: Ipv6Addr,
    /// The correspondent's.
    pub remote: Ipv6Addr,
    /// IP protocol number.
    pub protocol: u8,
    /// This node's port; for ICMPv6 the identifier; else 0.
    pub local_port: u16,
    /// The correspondent's.
    pub remote_port: u16,
}

impl Conversation {
    /// The conversation of a packet that this node sends. `None` for what belongs to none, such as an error or an answer to an
    /// echo.
    #[must_use]
    pub fn of_sent(view: &Ipv6View<'_>) -> Option<Self> {
        let (source_port, destination_port) = ports(view, icmpv6::ECHO_REQUEST)?;
        Some(Self {
            local: view.source(),
            remote: view.destination(),
            protocol: view.next_header(),
            local_port: source_port,
            remote_port: destination_port,
        })
    }

    /// The conversation of a packet that this node receives.
    #[must_use]
    pub fn of_received(view: &Ipv6View<'_>) -> Option<Self> {
        let (source_port, destination_port) = ports(view, icmpv6::ECHO_REPLY)?;
        Some(Self {
            local: view.destination(),
            remote: view.source(),
            protocol: view.next_header(),
            local_port: destination_port,
            remote_port: source_port,
        })
    }
}

/// Source and destination port, where the protocol has any. Of ICMPv6 only messages of one type belong to a conversation.
fn ports(view: &Ipv6View<'_>, icmp_type: u8) -> Option<(u16, u16)> {
    let payload = view.payload();
    match view.next_header() {
        next_header::TCP | next_header::UDP | next_header::UDP_LITE | next_header::SCTP => {
            let [a, b, c, d] = *payload.first_chunk()?;
            Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
        }
        next_header::ICMPV6 => {
            let [kind, _, _, _, high, low] = *payload.first_chunk()?;
            let identifier = u16::from_be_bytes([high, low]);
            (kind == icmp_type).then_some((identifier, identifier))
        }
        _ => Some((0, 0)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Initiator {
    Here,
    There,
}

/// The conversations of the last while.
///
/// Two generations, so that nothing has to be timed: [`turn`](Self::turn) makes the present one the past, and drops what was past
/// before. What goes on is carried over.
#[derive(Debug, Default)]
pub struct Conversations {
    present: HashMap<Conversation, Initiator>,
    past: HashMap<Conversation, Initiator>,
}

impl Conversations {
    /// Notes a packet that was sent. True if it is the first since the last [`turn`](Self::turn) of a conversation that began
    /// here; of too many conversations some are not noticed.
    pub fn sent(&mut self, conversation: Conversation) -> bool {
        self.note(conversation, Initiator::Here) == Some(Initiator::Here)
    }

    /// Notes a packet that was received. True if it is the first since the last [`turn`](Self::turn) of a conversation that began
    /// there.
    pub fn received(&mut self, conversation: Conversation) -> bool {
        self.note(conversation, Initiator::There) == Some(Initiator::There)
    }

    /// Who began it, if this is the first packet since the last turn.
    fn note(&mut self, conversation: Conversation, who: Initiator) -> Option<Initiator> {
        if self.present.contains_key(&conversation) || self.present.len() >= MAX_CONVERSATIONS {
            return None;
        }
        let began = *self.past.get(&conversation).unwrap_or(&who);
        // A packet that only arrives does not tell that this node still talks: `sent` is to see the first one it sends.
        if who == Initiator::Here || began == Initiator::There {
            self.present.insert(conversation, began);
        }
        Some(began)
    }

    /// Forgets that it was noted, as if its next packet were the first again.
    pub fn forget(&mut self, conversation: &Conversation) {
        self.present.remove(conversation);
    }

    /// Begins a new generation.
    pub fn turn(&mut self) {
        self.past = core::mem::take(&mut self.present);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(remote_port: u16) -> Conversation {
        Conversation {
            local: Ipv6Addr::LOCALHOST,
            remote: Ipv6Addr::LOCALHOST,
            protocol: next_header::TCP,
            local_port: 40_000,
            remote_port,
        }
    }

    #[test]
    fn who_sends_first_has_begun_it_for_as_long_as_it_goes_on() {
        let mut conversations = Conversations::default();
        assert!(conversations.received(conversation(1)));
        assert!(!conversations.received(conversation(1)), "not the first");
        assert!(!conversations.sent(conversation(1)), "an answer");
        assert!(conversations.sent(conversation(2)));
        assert!(!conversations.received(conversation(2)));
        assert!(!conversations.sent(conversation(2)), "not the first one");
        for _ in 0..3 {
            conversations.turn();
            assert!(!conversations.sent(conversation(1)));
            conversations.received(conversation(2));
            assert!(conversations.sent(conversation(2)), "it goes on");
        }
        conversations.turn();
        conversations.turn();
        assert!(conversations.sent(conversation(1)), "long forgotten");
    }

    #[test]
    fn a_scan_fills_no_memory() {
        let mut conversations = Conversations::default();
        let seen = (0..=u16::MAX).filter(|port| conversations.sent(conversation(*port)));
        assert_eq!(seen.count(), MAX_CONVERSATIONS);
    }

    #[test]
    fn an_echo_is_a_conversation_and_an_error_is_none() {
        let mut packet = [0; 48];
        packet[0] = 0x60;
        packet[5] = 8;
        packet[6] = next_header::ICMPV6;
        packet[40] = icmpv6::ECHO_REQUEST;
        packet[44..46].copy_from_slice(&[1, 2]);
        let view = |packet: &[u8; 48]| {
            let packet = *packet;
            let view = Ipv6View::new(&packet).expect("a packet");
            (
                Conversation::of_sent(&view),
                Conversation::of_received(&view),
            )
        };
        let (sent, received) = view(&packet);
        assert_eq!(sent.map(|one| one.remote_port), Some(0x0102));
        assert_eq!(
            received, None,
            "somebody asks: no conversation of this node's"
        );
        packet[40] = icmpv6::ECHO_REPLY;
        let (sent, received) = view(&packet);
        assert_eq!(
            (sent, received.map(|one| one.local_port)),
            (None, Some(0x0102))
        );
        packet[40] = 1;
        assert_eq!(view(&packet), (None, None));
    }
}
