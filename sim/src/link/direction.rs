//! How far one direction of a link has come: its queue, its order, whether it is in a burst of losses; and what becomes of each frame.

use super::{Chance, Link, Ratio};
use crate::seldom::unlikely;
use std::collections::VecDeque;
use std::time::Duration;
use twinsock::Instant;

/// How far one direction of a link has come.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
// The fields stand in memory as they stand here: what express looks at is together, at the beginning.
#[repr(C)]
pub struct Direction {
    /// Packets whose largest frame may be longer than this do not go by express; 0: none does.
    express_bytes_max: u32,
    /// How long those are under way that do, in nanoseconds.
    express_delay_ns: u64,
    /// When the last packet arrives.
    last_arrival: Instant,
    /// When the last frame will have been put on the wire.
    free_at: Instant,
    /// What a frame takes beyond whole nanoseconds, in bytes times nanoseconds per second.
    rest: u64,
    /// The frames that wait for their turn on the wire: when that is, and how long they are.
    waiting: VecDeque<(Instant, u32)>,
    waiting_bytes: u64,
    /// Whether losses come in bursts, and this is one.
    is_bad: bool,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameFate {
    /// It is lost, and why.
    Lost(&'static str),
    /// It arrives.
    Arrives {
        /// When.
        at: Instant,
        /// It has been changed on its way: its checksum is wrong.
        damaged: bool,
        /// It arrives twice.
        twice: bool,
        /// Frames behind it may arrive before it.
        late: bool,
    },
}

/// The queue of the link is full.
pub const QUEUE_FULL: &str = "the queue is full";
/// Chance would have it.
pub const LOST: &str = "lost";

impl Direction {
    /// How much of a direction, from its beginning on, express looks at.
    pub(crate) const HOT_BYTES: usize = std::mem::offset_of!(Direction, free_at);

    /// A direction that nothing has used.
    #[must_use]
    pub const fn new() -> Direction {
        Direction {
            express_bytes_max: 0,
            express_delay_ns: 0,
            last_arrival: Instant::ZERO,
            is_bad: false,
            free_at: Instant::ZERO,
            rest: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    /// Lets packets go by express over this link, if it leaves nothing to chance and delays all packets alike; with `None`, none does.
    pub fn set_express(&mut self, link: Option<&Link>) {
        let delay = link.and_then(|link| Some((link, link.express_delay()?)));
        (self.express_bytes_max, self.express_delay_ns) = match delay {
            Some((link, delay)) => (link.mtu_bytes, u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX)),
            None => (0, 0),
        };
    }

    /// When a packet arrives that goes by express, where the largest of its frames is at most so long; `None`, and nothing has happened, of another.
    #[inline]
    pub fn arrival(&mut self, now: Instant, frame_bytes_at_most: u32) -> Option<Instant> {
        if unlikely(frame_bytes_at_most > self.express_bytes_max) {
            return None;
        }
        let at = Instant::from_nanos(now.as_nanos().saturating_add(self.express_delay_ns));
        self.last_arrival = at.max(self.last_arrival);
        Some(self.last_arrival)
    }

    /// When something arrives that would do so at `at`, but overtakes nothing.
    pub fn in_order(&mut self, at: Instant) -> Instant {
        self.last_arrival = at.max(self.last_arrival);
        self.last_arrival
    }

    /// The link has become another: what waits for its turn on the wire has had it.
    pub fn restart(&mut self) {
        self.is_bad = false;
        self.free_at = Instant::ZERO;
        self.waiting.clear();
        self.waiting_bytes = 0;
    }

    /// When a frame of so many bytes is on the wire, all of it; `None`: there is no room for it in the queue.
    fn transmit(&mut self, link: &Link, now: Instant, bytes: u32) -> Option<Instant> {
        let Some(rate) = link.rate else { return Some(now) };
        while let Some((_, bytes)) = self.waiting.front().filter(|(begin, _)| *begin <= now) {
            self.waiting_bytes -= u64::from(*bytes);
            self.waiting.pop_front();
        }
        let begin = now.max(self.free_at);
        let is_limited = link.queue_bytes < u64::MAX || link.queue_packets < u32::MAX;
        if begin > now && is_limited {
            let packets = u64::try_from(self.waiting.len()).expect("a length fits 64 bits");
            let fits = self.waiting_bytes + u64::from(bytes) <= link.queue_bytes && packets < u64::from(link.queue_packets);
            if !fits {
                return None;
            }
            self.waiting.push_back((begin, bytes));
            self.waiting_bytes += u64::from(bytes);
        }
        let product = u128::from(bytes) * NANOS_PER_SECOND + u128::from(if begin > now { self.rest } else { 0 });
        let rate = u128::from(rate.get());
        let nanos = u64::try_from(product / rate).unwrap_or(u64::MAX);
        self.rest = u64::try_from(product % rate).expect("a remainder is below a 64 bit number");
        self.free_at = Instant::from_nanos(begin.as_nanos().saturating_add(nanos));
        Some(self.free_at)
    }

    /// Whether a burst of losses goes on, begins or ends with this frame: how often frames are lost now.
    fn burst(&mut self, link: &Link, chance: &mut impl Chance) -> Ratio {
        let Some(bursts) = &link.bursts else { return Ratio::NEVER };
        self.is_bad = if self.is_bad {
            chance.happens(bursts.out_of_bad.not(), "still a burst of losses")
        } else {
            chance.happens(bursts.into_bad, "a burst of losses begins")
        };
        if self.is_bad { bursts.loss_bad } else { bursts.loss_good }
    }

    /// Decides on a frame of so many bytes that is handed to this direction of a link at `now`, and whose packet is delayed by `delay`.
    pub(super) fn frame(
        &mut self,
        link: &Link,
        now: Instant,
        bytes: u32,
        delay: Duration,
        chance: &mut impl Chance,
    ) -> FrameFate {
        let Some(on_wire) = self.transmit(link, now, bytes) else { return FrameFate::Lost(QUEUE_FULL) };
        let burst = self.burst(link, chance);
        if chance.happens(link.loss, LOST) || chance.happens(burst, LOST) {
            return FrameFate::Lost(LOST);
        }
        let damaged = chance.happens(link.corruption, "corrupted");
        let twice = chance.happens(link.duplication, "duplicated");
        let late = chance.happens(link.reordering, "overtaken");
        let at = on_wire + delay;
        let at = if late { at + link.reordering_by } else { self.in_order(at) };
        FrameFate::Arrives { at, damaged, twice, late }
    }
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;
