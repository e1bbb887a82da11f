//! One direction of a wire: an ordered, bounded queue of frames that become due after the one-way delay.

use std::collections::VecDeque;
use std::time::Duration;

use crate::random::Random;

/// Frames that may be on the wire at once; as many as a 10 Gbit/s wire of 35 ms carries of 1,500 octets, roughly.
const MAX_FRAMES: usize = 32_768;

/// The properties of a direction.
#[derive(Clone, Copy, Debug)]
pub struct LineSettings {
    /// One-way propagation delay.
    pub delay: Duration,
    /// Transmission rate in bit/s; unlimited if absent.
    pub rate_bits_per_second: Option<u64>,
    /// How long a frame may wait for the transmitter before it is dropped, where the rate is limited.
    pub max_queueing: Duration,
    /// Fraction of frames lost, 0 to 1.
    pub loss: f64,
}

impl LineSettings {
    /// A line that only delays.
    pub fn delay(delay: Duration) -> Self {
        Self {
            delay,
            rate_bits_per_second: None,
            max_queueing: Duration::from_millis(50),
            loss: 0.0,
        }
    }
}

/// What happened to a frame put on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It will come out.
    Queued,
    /// The line or its transmitter's queue is full.
    Full,
    /// Lost by the configured loss.
    Lost,
}

/// Frames under way.
#[derive(Debug)]
pub struct DelayLine {
    settings: LineSettings,
    delay_ns: u64,
    under_way: VecDeque<(u64, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
    transmitter_free_ns: u64,
    random: Random,
}

impl DelayLine {
    /// An empty line. The seed decides which frames are lost.
    pub fn new(settings: LineSettings, seed: u64) -> Self {
        let delay_ns = nanoseconds(settings.delay);
        Self {
            settings,
            delay_ns,
            under_way: VecDeque::new(),
            spare: Vec::new(),
            transmitter_free_ns: 0,
            random: Random::new(seed),
        }
    }

    /// From now on that part of the frames is lost.
    pub fn set_loss(&mut self, loss: f64) {
        self.settings.loss = loss;
    }

    /// Puts a frame on the line.
    pub fn push(&mut self, now_ns: u64, frame: &[u8]) -> Accepted {
        if self.settings.loss > 0.0 && self.random.fraction() < self.settings.loss {
            return Accepted::Lost;
        }
        if self.under_way.len() >= MAX_FRAMES {
            return Accepted::Full;
        }
        let sent_ns = match self.settings.rate_bits_per_second {
            None => now_ns,
            Some(rate) => {
                let start = self.transmitter_free_ns.max(now_ns);
                if start - now_ns > nanoseconds(self.settings.max_queueing) {
                    return Accepted::Full;
                }
                let bits = (frame.len() as u64).saturating_mul(8);
                let serialisation_ns = bits
                    .saturating_mul(1_000_000_000)
                    .checked_div(rate)
                    .unwrap_or(0);
                self.transmitter_free_ns = start.saturating_add(serialisation_ns);
                self.transmitter_free_ns
            }
        };
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(frame);
        self.under_way
            .push_back((sent_ns.saturating_add(self.delay_ns), buffer));
        Accepted::Queued
    }

    /// When the first frame becomes due.
    pub fn next_due_ns(&self) -> Option<u64> {
        self.under_way.front().map(|(due, _)| *due)
    }

    /// Takes the first frame if it is due.
    pub fn pop_due(&mut self, now_ns: u64) -> Option<Vec<u8>> {
        if self.next_due_ns()? > now_ns {
            return None;
        }
        self.under_way.pop_front().map(|(_, frame)| frame)
    }

    /// Gives a frame's memory back.
    pub fn recycle(&mut self, frame: Vec<u8>) {
        if self.spare.len() < 1024 {
            self.spare.push(frame);
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn frames_come_out_in_order_after_the_delay() {
        let mut line = DelayLine::new(LineSettings::delay(Duration::from_millis(5)), 1);
        assert_eq!(line.push(0, b"first"), Accepted::Queued);
        assert_eq!(line.push(MS, b"second"), Accepted::Queued);
        assert_eq!(line.next_due_ns(), Some(5 * MS));
        assert_eq!(line.pop_due(5 * MS - 1), None);
        assert_eq!(line.pop_due(7 * MS), Some(b"first".to_vec()));
        assert_eq!(line.pop_due(7 * MS), Some(b"second".to_vec()));
        assert_eq!(line.next_due_ns(), None);
    }

    #[test]
    fn a_rate_spaces_frames_and_bounds_their_wait() {
        let settings = LineSettings {
            rate_bits_per_second: Some(8_000_000),
            max_queueing: Duration::from_millis(2),
            ..LineSettings::delay(Duration::ZERO)
        };
        let mut line = DelayLine::new(settings, 1);
        let kilobyte = [0; 1000]; // 1 ms on this line
        let accepted: Vec<_> = (0..4).map(|_| line.push(0, &kilobyte)).collect();
        assert_eq!(
            accepted,
            [
                Accepted::Queued,
                Accepted::Queued,
                Accepted::Queued,
                Accepted::Full
            ]
        );
        assert!(line.pop_due(MS).is_some());
        assert!(line.pop_due(MS).is_none());
        assert!(line.pop_due(2 * MS).is_some());
    }

    #[test]
    fn loss_is_about_what_was_asked_for() {
        let settings = LineSettings {
            loss: 0.25,
            ..LineSettings::delay(Duration::ZERO)
        };
        let mut line = DelayLine::new(settings, 7);
        let lost = (0..10_000)
            .filter(|_| line.push(0, b"x") == Accepted::Lost)
            .count();
        assert!((2_300..2_700).contains(&lost), "{lost}");
    }

    #[test]
    fn the_line_is_bounded() {
        let mut line = DelayLine::new(LineSettings::delay(Duration::from_secs(1)), 1);
        let queued = (0..MAX_FRAMES + 10)
            .filter(|_| line.push(0, b"x") == Accepted::Queued)
            .count();
        assert_eq!(queued, MAX_FRAMES);
    }
}
