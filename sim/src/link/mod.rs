//! What lies between two hosts, and what it does to a packet.
//!
//! A [`Link`] is a description and never changes; how far one of its two directions has come is a [`Direction`]. For each packet the
//! world asks for a [`Verdict`], and hands in the choices: this room draws nothing by itself, and reads no socket and no packet.

use std::time::Duration;
use twinsock::Instant;

/// A link between two hosts: both directions behave alike.
///
/// ```
/// use std::time::Duration;
/// use twinsock::Instant;
/// use twinsock_sim::link::{Direction, Link, Verdict};
///
/// let link = Link::new().delay(Duration::from_millis(2)).jitter(Duration::from_millis(1));
/// let mut there = Direction::new();
/// let verdict = link.verdict(&mut there, Instant::ZERO, 1500, |_n| 0);
/// assert_eq!(verdict, Verdict::Arrives(Instant::from_nanos(2_000_000)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// How long a packet is under way at least.
    pub delay: Duration,
    /// By how much that may be exceeded: each packet's delay is chosen anew, in steps of a nanosecond (of more where a choice has
    /// not that many answers: above 4.2 s). No packet overtakes another.
    pub jitter: Duration,
    /// The largest frame that fits, in bytes, from its IP header on.
    pub mtu_bytes: u32,
}

/// How far one direction of a link has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Direction {
    /// When the last packet arrives.
    last_arrival: Instant,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It arrives, once.
    Arrives(Instant),
    /// A frame of it does not fit: it is dropped, and its sender may be told, RFC 1191 and RFC 8201.
    TooBig {
        /// The largest frame that fits.
        mtu_bytes: u32,
    },
}

/// The MTU of an Ethernet.
pub const MTU_DEFAULT_BYTES: u32 = 1500;

impl Link {
    /// A link without delay, with the MTU of an Ethernet.
    #[must_use]
    pub const fn new() -> Link {
        Link { delay: Duration::ZERO, jitter: Duration::ZERO, mtu_bytes: MTU_DEFAULT_BYTES }
    }

    /// Sets how long a packet is under way at least.
    #[must_use]
    pub const fn delay(self, delay: Duration) -> Link {
        Link { delay, ..self }
    }

    /// Sets by how much the delay may be exceeded.
    #[must_use]
    pub const fn jitter(self, jitter: Duration) -> Link {
        Link { jitter, ..self }
    }

    /// Sets the largest frame that fits, in bytes, from its IP header on.
    #[must_use]
    pub const fn mtu_bytes(self, mtu_bytes: u32) -> Link {
        Link { mtu_bytes, ..self }
    }

    /// As [`Link::verdict`], of a packet that fits even if its largest frame is as long as `frame_bytes_at_most`, and that meets no chance;
    /// `None`, and nothing has happened, of another.
    #[inline]
    pub fn arrival(&self, direction: &mut Direction, now: Instant, frame_bytes_at_most: u32) -> Option<Instant> {
        if frame_bytes_at_most > self.mtu_bytes || !self.jitter.is_zero() {
            return None;
        }
        direction.last_arrival = (now + self.delay).max(direction.last_arrival);
        Some(direction.last_arrival)
    }

    /// The delay of every packet, if all have the same and nothing else happens to them.
    #[must_use]
    pub fn express_delay(&self) -> Option<Duration> {
        self.jitter.is_zero().then_some(self.delay)
    }

    /// Decides on a packet that is handed to one direction of the link at `now`, the largest of whose frames is `frame_bytes` long.
    ///
    /// `draw(n)` gives one of `0..n`, where 0 is the boring answer, here the shortest delay. Without jitter nothing is drawn.
    #[inline]
    pub fn verdict(&self, direction: &mut Direction, now: Instant, frame_bytes: u32, draw: impl FnOnce(u32) -> u32) -> Verdict {
        if frame_bytes > self.mtu_bytes {
            return Verdict::TooBig { mtu_bytes: self.mtu_bytes };
        }
        let mut arrival = now + self.delay;
        if !self.jitter.is_zero() {
            let (steps, step) = self.jitter_steps();
            arrival += Duration::from_nanos(step * u64::from(draw(steps + 1)));
        }
        direction.last_arrival = arrival.max(direction.last_arrival);
        Verdict::Arrives(direction.last_arrival)
    }

    /// The jitter as a number of steps, which a choice has room for, and the length of a step in nanoseconds.
    fn jitter_steps(&self) -> (u32, u64) {
        const STEPS_MAX: u32 = u32::MAX - 1;
        let nanos = u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX);
        let step = nanos.div_ceil(u64::from(STEPS_MAX));
        (u32::try_from(nanos / step).expect("steps are as long as it takes"), step)
    }
}

impl Default for Link {
    fn default() -> Link {
        Link::new()
    }
}

impl Direction {
    /// A direction that nothing has used.
    #[must_use]
    pub const fn new() -> Direction {
        Direction { last_arrival: Instant::ZERO }
    }

    /// When a packet arrives that would do so at `at` if it could overtake others.
    #[inline]
    pub fn in_order(&mut self, at: Instant) -> Instant {
        self.last_arrival = at.max(self.last_arrival);
        self.last_arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn arrival(verdict: Verdict) -> u64 {
        match verdict {
            Verdict::Arrives(at) => at.as_nanos(),
            Verdict::TooBig { mtu_bytes } => panic!("too big for {mtu_bytes}"),
        }
    }

    fn no_choice(_n: u32) -> u32 {
        panic!("nothing is left to chance")
    }

    #[test]
    fn without_jitter_nothing_is_drawn() {
        let link = Link::new().delay(MS);
        let mut there = Direction::new();
        for now in [0, 5, 5, 1_000] {
            let verdict = link.verdict(&mut there, Instant::from_nanos(now), 40, no_choice);
            assert_eq!(arrival(verdict), now + 1_000_000);
        }
    }

    #[test]
    fn jitter_is_one_choice_from_the_shortest_delay_to_the_longest() {
        let link = Link::new().delay(MS).jitter(Duration::from_nanos(300));
        for answer in [0, 1, 300] {
            let verdict = link.verdict(&mut Direction::new(), Instant::ZERO, 40, |n| {
                assert_eq!(n, 301);
                answer
            });
            assert_eq!(arrival(verdict), 1_000_000 + u64::from(answer));
        }
    }

    #[test]
    fn no_packet_overtakes_another() {
        let link = Link::new().delay(MS).jitter(MS);
        let mut there = Direction::new();
        let mut back = Direction::new();
        let answers = [900_000, 0, 5, 999_999, 1_000_000, 0];
        let mut last = 0;
        for (now, answer) in (0..).zip(answers) {
            let at = arrival(link.verdict(&mut there, Instant::from_nanos(now), 40, |_| answer));
            assert!(at >= last && at >= now + 1_000_000 && at <= now + 2_000_000, "packet {now}");
            last = at;
        }
        assert_eq!(
            arrival(link.verdict(&mut back, Instant::ZERO, 40, |_| 0)),
            1_000_000,
            "directions do not wait for each other"
        );
    }

    #[test]
    fn a_jitter_of_hours_is_one_choice_too() {
        for hours in [1, 1_000, u64::MAX / 3600] {
            let jitter = Duration::from_secs(hours * 3600);
            let link = Link::new().jitter(jitter);
            let longest = arrival(link.verdict(&mut Direction::new(), Instant::ZERO, 40, |n| n - 1));
            let nanos = u64::try_from(jitter.as_nanos()).unwrap_or(u64::MAX);
            assert!(longest <= nanos && longest >= nanos - nanos / 1_000_000_000, "{longest} of {nanos}");
        }
        let at_the_end = Link::new().delay(Duration::MAX).verdict(&mut Direction::new(), Instant::FAR, 40, no_choice);
        assert_eq!(at_the_end, Verdict::Arrives(Instant::FAR));
    }

    #[test]
    fn a_frame_that_does_not_fit_is_too_big() {
        let link = Link::new().mtu_bytes(1280);
        let mut there = Direction::new();
        assert_eq!(link.verdict(&mut there, Instant::ZERO, 1281, no_choice), Verdict::TooBig { mtu_bytes: 1280 });
        assert_eq!(link.verdict(&mut there, Instant::ZERO, 1280, no_choice), Verdict::Arrives(Instant::ZERO));
    }
}
