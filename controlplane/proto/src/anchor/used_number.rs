//! Sequence numbers that outlive the engine, so that a recorded Binding Update is refused after a restart.
//!
//! RFC 6275 §15.3: "The home agent … may lose the … sequence number information … in that case, replay attacks become
//! possible"; keeping it in "non-volatile storage" is what the RFC recommends against it.

use core::net::Ipv6Addr;

use super::Anchor;
use super::binding_cache::HomeSequence;
use super::events::AnchorAction;
use super::sequence::SequenceWindow;

/// What is to be kept of the numbers that a message has used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsedNumber {
    /// Of classic Binding Updates for a home address.
    Home {
        /// The home address.
        home_address: Ipv6Addr,
        /// The last accepted number.
        last: u16,
        /// MESG-ID of the newest accepted update that had one.
        newest_timestamp: Option<u64>,
    },
    /// Of DMIPv6 messages of a security association.
    Association {
        /// Its SPI.
        spi: u32,
        /// The highest accepted number.
        highest: u16,
        /// MESG-ID of the message with the highest number, if it had one.
        newest_timestamp: Option<u64>,
        /// The numbers were begun anew, by a message that its MESG-ID showed to be fresh: which were used before that is not
        /// known.
        is_restarted: bool,
    },
    /// Of a security association it is not known which numbers were used before.
    Lost {
        /// Its SPI.
        spi: u32,
    },
    /// A home address is nobody's any more: who gets it next begins with numbers of its own.
    Forgotten {
        /// The home address.
        home_address: Ipv6Addr,
    },
}

impl Anchor {
    /// Takes a number that was used before this start. Before the first packet; an association must be configured, and one
    /// that is not needs no number.
    pub fn restore_number(&mut self, number: UsedNumber) {
        match number {
            UsedNumber::Home {
                home_address,
                last,
                newest_timestamp,
            } => {
                let sequence = HomeSequence {
                    last,
                    newest_timestamp,
                    invalid_until_ns: None,
                };
                self.cache.home_sequences.insert(home_address, sequence);
            }
            UsedNumber::Association {
                spi,
                highest,
                newest_timestamp,
                is_restarted,
            } => {
                if let Some(association) = self.nodes.association_mut(spi) {
                    association.window = SequenceWindow::used_up_to(highest);
                    association.newest_timestamp = newest_timestamp;
                    association.has_lost_numbers = is_restarted;
                }
            }
            UsedNumber::Lost { spi } => {
                if let Some(association) = self.nodes.association_mut(spi) {
                    association.has_lost_numbers = true;
                }
            }
            UsedNumber::Forgotten { home_address } => {
                self.cache.home_sequences.swap_remove(&home_address);
            }
        }
    }

    /// Has the caller keep a number, before the answer to its message leaves.
    pub(crate) fn keep_number(&mut self, number: UsedNumber) {
        self.actions.push_back(AnchorAction::KeepNumber(number));
    }
}
