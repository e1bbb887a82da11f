//! When to ask for routers: at once when the carrier comes, then again until one answers.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Agent;
use crate::event::Event;

/// The first repetition; RFC 4861 §10 has RTR_SOLICITATION_INTERVAL = 4 s, but a host that has just moved is cut off
/// meanwhile, and RFC 6275 §11.5.1 wants movement detected quickly.
const FIRST: Duration = Duration::from_millis(250);
/// RTR_SOLICITATION_INTERVAL (RFC 4861 §10).
const LONGEST: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Copy)]
struct Solicitation {
    due: Instant,
    interval: Duration,
    attempt: u32,
}

/// The interfaces that wait for a router.
#[derive(Debug, Default)]
pub(super) struct Solicitations {
    waiting: BTreeMap<u32, Solicitation>,
}

impl Solicitations {
    /// Begins, at once.
    pub(super) fn start(&mut self, index: u32) {
        let solicitation = Solicitation {
            due: Instant::now(),
            interval: FIRST,
            attempt: 0,
        };
        self.waiting.insert(index, solicitation);
    }

    /// A router has answered, or there is no link to ask on.
    pub(super) fn stop(&mut self, index: u32) {
        self.waiting.remove(&index);
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }

    /// The interfaces that are due, with the number of the attempt.
    fn take_due(&mut self, now: Instant) -> Vec<(u32, u32)> {
        let mut due = Vec::new();
        for (index, waiting) in &mut self.waiting {
            if waiting.due <= now {
                waiting.attempt = waiting.attempt.saturating_add(1);
                waiting.due = now + waiting.interval;
                waiting.interval = (waiting.interval * 2).min(LONGEST);
                due.push((*index, waiting.attempt));
            }
        }
        due
    }
}

impl Agent {
    /// Sends the solicitations that are due.
    pub(super) fn solicit_due(&mut self) {
        for (index, attempt) in self.solicitations.take_due(Instant::now()) {
            let Some(interface) = self.access.interface(index) else {
                continue;
            };
            // RFC 4861 §4.1: the option "MUST NOT be included if the Source Address is the unspecified address".
            let address = self.hardware_addresses.get(&index).copied();
            let address = address.filter(|_| interface.link_local.is_some());
            match self.icmp.solicit(index, address) {
                Ok(()) => self.events.write(Event::RouterSolicited {
                    interface: interface.name.clone(),
                    attempt,
                }),
                Err(error) => tracing::debug!(%error, "cannot solicit at {}", interface.name),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_due_at_once_and_the_interval_doubles_to_four_seconds() {
        let mut solicitations = Solicitations::default();
        solicitations.start(2);
        let mut now = solicitations.next_due().expect("one is due");
        let mut waits = Vec::new();
        for attempt in 1..=7 {
            assert_eq!(solicitations.take_due(now), [(2, attempt)]);
            assert!(solicitations.take_due(now).is_empty());
            let next = solicitations.next_due().expect("the next");
            waits.push((next - now).as_millis());
            now = next;
        }
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 4000, 4000]);
        solicitations.stop(2);
        assert!(solicitations.next_due().is_none());
    }
}
