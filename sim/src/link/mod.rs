//! What lies between two hosts, and what it does to a packet.
//!
//! A [`Link`] is a description and never changes; how far one of its two directions has come is a `Direction`. For each packet the
//! world chooses a delay ([`Link::choose_delay`]) and, where a link treats the frames of a packet each by itself, asks for the `FrameFate` of each; and
//! hands in the choices (`Chance`): this room draws nothing by itself, and reads no socket and no packet.
//!
//! - `delay.rs`: how delays are distributed;
//! - `fault.rs`: how often something goes wrong;
//! - `direction.rs`: queue and order of one direction, and what becomes of a frame.

mod delay;
mod direction;
mod fault;

pub use delay::Delay;
pub(crate) use direction::{Direction, FrameFate};
pub(crate) use fault::Chance;
pub use fault::{GilbertElliott, Ratio};

use std::num::NonZeroU64;
use std::time::Duration;
use twinsock::Instant;

/// A link between two hosts: both directions behave alike.
///
/// Each frame of a packet is lost, corrupted, duplicated, delayed further or turned away by a full queue by itself: what becomes of one frame of a
/// large segment becomes of its bytes, and not of those around it.
///
/// ```
/// use std::time::Duration;
/// use twinsock_sim::link::{Link, Ratio};
///
/// let link = Link::new().delay(Duration::from_millis(2)).jitter(Duration::from_millis(1));
/// assert_eq!(link.choose_delay(|_n| 0), Duration::from_millis(2));
///
/// let radio = link.loss(Ratio::new(1, 50)).duplication(Ratio::new(1, 1000)).rate(6_750_000);
/// assert!(radio.acts_on_frames());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// How long a packet is under way, from the moment at which its last byte is on the wire. Each packet's delay is chosen anew, but no packet
    /// overtakes another unless [`Link::reordering`] makes it.
    pub delays: Delay,
    /// How many bytes are put on the wire in a second, counted from the IP header on; `None`: a packet takes no time for its length.
    pub rate: Option<NonZeroU64>,
    /// How many bytes wait at most for their turn on the wire, besides the frame that is having it. A frame that does not fit is dropped: a tail drop.
    pub queue_bytes: u64,
    /// How many frames wait at most.
    pub queue_packets: u32,
    /// The largest frame that fits, in bytes, from its IP header on.
    pub mtu_bytes: u32,
    /// How many frames are lost, each by itself.
    pub loss: Ratio,
    /// Losses in bursts, besides.
    pub bursts: Option<GilbertElliott>,
    /// How many frames arrive twice.
    pub duplication: Ratio,
    /// How many frames arrive late, such that others overtake them.
    pub reordering: Ratio,
    /// By how much they do.
    pub reordering_by: Duration,
    /// How many frames are changed on their way, so that their checksum is wrong: the kernel of their receiver drops and counts them.
    pub corruption: Ratio,
}

/// The MTU of an Ethernet.
///
/// ```
/// use twinsock_sim::{Link, link::MTU_DEFAULT_BYTES};
/// assert_eq!(Link::new().mtu_bytes, MTU_DEFAULT_BYTES);
/// ```
pub const MTU_DEFAULT_BYTES: u32 = 1500;

impl Link {
    /// A link without delay and without faults, with the MTU of an Ethernet.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Link;
    /// assert_eq!(Link::new().express_delay(), Some(Duration::ZERO));
    /// ```
    #[must_use]
    pub const fn new() -> Link {
        Link {
            delays: Delay::Fixed(Duration::ZERO),
            rate: None,
            queue_bytes: u64::MAX,
            queue_packets: u32::MAX,
            mtu_bytes: MTU_DEFAULT_BYTES,
            loss: Ratio::NEVER,
            bursts: None,
            duplication: Ratio::NEVER,
            reordering: Ratio::NEVER,
            reordering_by: Duration::ZERO,
            corruption: Ratio::NEVER,
        }
    }

    /// Sets how long a packet is under way at least.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Link;
    /// assert_eq!(Link::new().delay(Duration::from_millis(5)).delays.min(), Duration::from_millis(5));
    /// ```
    #[must_use]
    pub const fn delay(self, delay: Duration) -> Link {
        Link { delays: self.delays.with_min(delay), ..self }
    }

    /// Sets by how much the delay may be exceeded: anything up to that, each alike.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::{Delay, Link};
    /// let ms = Duration::from_millis;
    /// assert_eq!(Link::new().delay(ms(5)).jitter(ms(1)).delays, Delay::Uniform { min: ms(5), max: ms(6) });
    /// ```
    #[must_use]
    pub const fn jitter(self, jitter: Duration) -> Link {
        let min = self.delays.min();
        let delays = if jitter.is_zero() { Delay::Fixed(min) } else { Delay::Uniform { min, max: min.saturating_add(jitter) } };
        Link { delays, ..self }
    }

    /// Sets how the delays are distributed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::link::{Delay, Link};
    /// let ms = Duration::from_millis;
    /// let link = Link::new().delays(Delay::HeavyTail { min: ms(5), scale: ms(1) });
    /// assert_eq!(link.delay(ms(7)).delays, Delay::HeavyTail { min: ms(7), scale: ms(1) });
    /// ```
    #[must_use]
    pub const fn delays(self, delays: Delay) -> Link {
        Link { delays, ..self }
    }

    /// Sets how many bytes are put on the wire in a second.
    ///
    /// ```
    /// use twinsock_sim::Link;
    /// let dsl = Link::new().rate(16_000_000 / 8).queue_packets(100);
    /// assert_eq!(dsl.rate.unwrap().get(), 2_000_000);
    /// ```
    ///
    /// # Panics
    /// If that is 0: a link which lets nothing through is a cut, [`Sim::cut`](crate::Sim::cut).
    #[must_use]
    pub const fn rate(self, bytes_per_second: u64) -> Link {
        let Some(rate) = NonZeroU64::new(bytes_per_second) else { panic!("a link puts something on its wire") };
        Link { rate: Some(rate), ..self }
    }

    /// Sets how many bytes wait at most for their turn on the wire. Without a rate none waits.
    ///
    /// ```
    /// use twinsock_sim::Link;
    /// assert_eq!(Link::new().rate(1_000_000).queue_bytes(64 << 10).queue_bytes, 65_536);
    /// ```
    #[must_use]
    pub const fn queue_bytes(self, queue_bytes: u64) -> Link {
        Link { queue_bytes, ..self }
    }

    /// Sets how many frames wait at most for their turn on the wire. Without a rate none waits.
    ///
    /// ```
    /// use twinsock_sim::Link;
    /// assert_eq!(Link::new().rate(1_000_000).queue_packets(100).queue_packets, 100);
    /// ```
    #[must_use]
    pub const fn queue_packets(self, queue_packets: u32) -> Link {
        Link { queue_packets, ..self }
    }

    /// Sets the largest frame that fits, in bytes, from its IP header on.
    ///
    /// ```
    /// use twinsock_sim::Link;
    /// assert_eq!(Link::new().mtu_bytes(1400).mtu_bytes, 1400);
    /// ```
    #[must_use]
    pub const fn mtu_bytes(self, mtu_bytes: u32) -> Link {
        Link { mtu_bytes, ..self }
    }

    /// Sets how many frames are lost, each by itself.
    ///
    /// ```
    /// use twinsock_sim::{Link, Ratio};
    /// let link = Link::new().loss(Ratio::new(1, 100));
    /// assert_eq!(link.loss, Ratio::new(1, 100));
    /// ```
    #[must_use]
    pub const fn loss(self, loss: Ratio) -> Link {
        Link { loss, ..self }
    }

    /// Adds losses in bursts.
    ///
    /// ```
    /// use twinsock_sim::{GilbertElliott, Link, Ratio};
    /// let bursts = GilbertElliott {
    ///     into_bad: Ratio::new(1, 500),
    ///     out_of_bad: Ratio::new(1, 4),
    ///     loss_good: Ratio::NEVER,
    ///     loss_bad: Ratio::new(3, 4),
    /// };
    /// assert_eq!(Link::new().bursts(bursts).bursts, Some(bursts));
    /// ```
    #[must_use]
    pub const fn bursts(self, bursts: GilbertElliott) -> Link {
        Link { bursts: Some(bursts), ..self }
    }

    /// Sets how many frames arrive twice.
    ///
    /// ```
    /// use twinsock_sim::{Link, Ratio};
    /// let link = Link::new().duplication(Ratio::new(1, 100));
    /// assert_eq!(link.duplication, Ratio::new(1, 100));
    /// ```
    #[must_use]
    pub const fn duplication(self, duplication: Ratio) -> Link {
        Link { duplication, ..self }
    }

    /// Sets how many frames arrive late, and by how much: those behind them overtake them.
    ///
    /// ```
    /// use twinsock_sim::{Link, Ratio};
    /// let link = Link::new().reordering(Ratio::new(1, 100), std::time::Duration::from_millis(10));
    /// assert_eq!(link.reordering, Ratio::new(1, 100));
    /// ```
    #[must_use]
    pub const fn reordering(self, reordering: Ratio, by: Duration) -> Link {
        Link { reordering, reordering_by: by, ..self }
    }

    /// Sets how many frames are changed on their way.
    ///
    /// ```
    /// use twinsock_sim::{Link, Ratio};
    /// let link = Link::new().corruption(Ratio::new(1, 100));
    /// assert_eq!(link.corruption, Ratio::new(1, 100));
    /// ```
    #[must_use]
    pub const fn corruption(self, corruption: Ratio) -> Link {
        Link { corruption, ..self }
    }

    /// The delay of every packet, if all have the same and nothing else happens to them.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Link;
    /// let link = Link::new().delay(Duration::from_millis(5));
    /// assert_eq!(link.express_delay(), Some(Duration::from_millis(5)));
    /// assert_eq!(link.rate(1_000_000).express_delay(), None);
    /// ```
    #[must_use]
    pub fn express_delay(&self) -> Option<Duration> {
        (self.delays.answers() == 1 && !self.acts_on_frames()).then(|| self.delays.min())
    }

    /// Whether what becomes of a packet is decided frame by frame.
    ///
    /// ```
    /// use twinsock_sim::{Link, Ratio};
    /// assert!(Link::new().loss(Ratio::new(1, 100)).acts_on_frames() && !Link::new().acts_on_frames());
    /// ```
    #[must_use]
    pub fn acts_on_frames(&self) -> bool {
        let has_chance = [self.loss, self.duplication, self.reordering, self.corruption].iter().any(|ratio| !ratio.is_never());
        has_chance || self.rate.is_some() || self.bursts.is_some()
    }

    /// Chooses the delay of a packet. `draw(n)` gives one of `0..n`, where 0 is the boring answer, here the shortest delay; where all delays are the same
    /// nothing is drawn.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Link;
    /// let link = Link::new().delay(Duration::from_millis(5)).jitter(Duration::from_millis(1));
    /// assert_eq!(link.choose_delay(|_n| 0), Duration::from_millis(5), "the boring answer");
    /// assert_eq!(link.choose_delay(|n| n - 1), Duration::from_millis(6));
    /// ```
    pub fn choose_delay(&self, draw: impl FnOnce(u32) -> u32) -> Duration {
        match self.delays.answers() {
            1 => self.delays.min(),
            answers => self.delays.after(draw(answers)),
        }
    }

    /// Decides on a frame of `bytes` that is handed to one direction of the link at `now`, and whose packet is delayed by `delay`.
    pub(crate) fn frame(
        &self,
        direction: &mut Direction,
        now: Instant,
        bytes: u32,
        delay: Duration,
        chance: &mut impl Chance,
    ) -> FrameFate {
        direction.frame(self, now, bytes, delay, chance)
    }
}

impl Default for Link {
    fn default() -> Link {
        Link::new()
    }
}

#[cfg(test)]
mod tests {
    use super::direction::LOST;
    use super::fault::NoChance;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// When a packet that was sent at `now` arrives, as the world reckons.
    fn arrival(link: &Link, direction: &mut Direction, now: Instant, draw: impl FnOnce(u32) -> u32) -> u64 {
        direction.in_order(now + link.choose_delay(draw)).as_nanos()
    }

    fn no_choice(_n: u32) -> u32 {
        panic!("nothing is left to chance")
    }

    #[test]
    fn without_jitter_nothing_is_drawn() {
        let link = Link::new().delay(MS);
        let mut there = Direction::new();
        for now in [0, 5, 5, 1_000] {
            assert_eq!(arrival(&link, &mut there, Instant::from_nanos(now), no_choice), now + 1_000_000);
        }
    }

    #[test]
    fn jitter_is_one_choice_from_the_shortest_delay_to_the_longest() {
        let link = Link::new().delay(MS).jitter(Duration::from_nanos(300));
        for answer in [0, 1, 300] {
            let at = arrival(&link, &mut Direction::new(), Instant::ZERO, |n| {
                assert_eq!(n, 301);
                answer
            });
            assert_eq!(at, 1_000_000 + u64::from(answer));
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
            let at = arrival(&link, &mut there, Instant::from_nanos(now), |_| answer);
            assert!(at >= last && at >= now + 1_000_000 && at <= now + 2_000_000, "packet {now}");
            last = at;
        }
        assert_eq!(arrival(&link, &mut back, Instant::ZERO, |_| 0), 1_000_000, "directions do not wait for each other");
    }

    #[test]
    fn a_jitter_of_hours_is_one_choice_too() {
        for hours in [1, 1_000, u64::MAX / 3600] {
            let jitter = Duration::from_secs(hours * 3600);
            let link = Link::new().jitter(jitter);
            let longest = arrival(&link, &mut Direction::new(), Instant::ZERO, |n| n - 1);
            let nanos = u64::try_from(jitter.as_nanos()).unwrap_or(u64::MAX);
            assert!(longest <= nanos && longest >= nanos - nanos / 1_000_000_000, "{longest} of {nanos}");
        }
        let endless = Link::new().delay(Duration::MAX);
        assert_eq!(arrival(&endless, &mut Direction::new(), Instant::FAR, no_choice), Instant::FAR.as_nanos());
    }

    /// Chance that answers as it is told: what happens, in order; everything else does not.
    struct Told(Vec<&'static str>);

    impl Chance for Told {
        fn happens(&mut self, ratio: Ratio, what: &'static str) -> bool {
            if ratio.is_never() {
                return false;
            }
            let happens = self.0.first() == Some(&what);
            if happens {
                self.0.remove(0);
            }
            happens
        }
    }

    const HALF: Ratio = Ratio::new(1, 2);

    fn fates(link: &Link, frames: usize, told: &[&'static str]) -> Vec<FrameFate> {
        let (mut there, mut chance) = (Direction::new(), Told(told.to_vec()));
        let fates = (0..frames).map(|_| link.frame(&mut there, Instant::ZERO, 1000, link.delays.min(), &mut chance)).collect();
        assert!(chance.0.is_empty(), "{:?} did not happen", chance.0);
        fates
    }

    fn plain(millis: u64) -> FrameFate {
        FrameFate::Arrives { at: Instant::from_nanos(millis * 1_000_000), damaged: false, twice: false, late: false }
    }

    #[test]
    fn a_link_without_faults_draws_nothing_for_a_frame() {
        assert_eq!(fates(&Link::new().delay(MS), 3, &[]), [plain(1), plain(1), plain(1)]);
        assert!(!Link::new().delay(MS).jitter(MS).acts_on_frames());
    }

    #[test]
    fn a_frame_is_lost_corrupted_duplicated_or_overtaken_by_itself() {
        let link = Link::new().loss(HALF).corruption(HALF).duplication(HALF).reordering(HALF, 2 * MS);
        let found = fates(&link, 4, &["lost", "corrupted", "duplicated", "overtaken"]);
        let everything = FrameFate::Arrives { at: Instant::from_nanos(2_000_000), damaged: true, twice: true, late: true };
        assert_eq!(found, [FrameFate::Lost(LOST), everything, plain(0), plain(0)]);
    }

    #[test]
    fn a_burst_goes_on_until_it_ends() {
        let bursts = GilbertElliott { into_bad: HALF, out_of_bad: HALF, loss_good: Ratio::NEVER, loss_bad: HALF };
        let (begins, goes_on, lost) = ("a burst of losses begins", "still a burst of losses", "lost");
        let found = fates(&Link::new().bursts(bursts), 5, &[begins, lost, goes_on, lost, goes_on]);
        let lost = FrameFate::Lost(LOST);
        assert_eq!(found, [lost, lost, plain(0), plain(0), plain(0)]);
    }

    #[test]
    fn a_rate_that_does_not_divide_a_second_loses_nothing_in_the_long_run() {
        let link = Link::new().rate(3_333_333);
        let mut there = Direction::new();
        let mut last = Instant::ZERO;
        for _ in 0..3_333 {
            match link.frame(&mut there, Instant::ZERO, 1000, Duration::ZERO, &mut NoChance) {
                FrameFate::Arrives { at, .. } => last = at,
                FrameFate::Lost(why) => panic!("{why}"),
            }
        }
        // 3,333,000 bytes at 3,333,333 a second.
        assert_eq!(last.as_nanos(), 3_333_000_u64 * 1_000_000_000 / 3_333_333);
    }

    #[test]
    fn only_links_that_delay_all_alike_let_packets_go_by_express() {
        let mut there = Direction::new();
        there.set_express(Some(&Link::new().delay(MS).mtu_bytes(1000)));
        assert_eq!(there.arrival(Instant::ZERO, 1000), Some(Instant::from_nanos(1_000_000)));
        assert_eq!(there.arrival(Instant::ZERO, 1001), None);
        for link in [Link::new().jitter(MS), Link::new().loss(Ratio::NEVER).rate(1), Link::new().corruption(HALF)] {
            there.set_express(Some(&link));
            assert_eq!(there.arrival(Instant::ZERO, 40), None, "{link:?}");
        }
        there.set_express(None);
        assert_eq!(there.arrival(Instant::ZERO, 40), None);
    }
}
