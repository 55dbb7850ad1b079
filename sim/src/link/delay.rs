//! How long a packet is under way: distributions as functions of one choice, in integer arithmetic.
//!
//! The answer 0 is the shortest delay and a larger answer never a shorter one, so that shrinking a choice shortens the delay.

use std::time::Duration;

/// How the delays of a link's packets are distributed.
///
/// ```
/// use std::time::Duration;
/// use twinsock_sim::link::Delay;
///
/// let ms = Duration::from_millis;
/// let delay = Delay::Exponential { min: ms(2), mean: ms(1) };
/// assert_eq!(delay.after(0), ms(2), "the first answer is the shortest delay");
/// let all: u128 = (0..delay.answers()).map(|answer| delay.after(answer).as_micros()).sum();
/// assert_eq!(all / u128::from(delay.answers()), 2999, "2 ms and 1 ms, cut off at the far end");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// The same for all: nothing is drawn.
    Fixed(Duration),
    /// Anything from `min` to `max`, each alike, in steps of a nanosecond (of more where a choice has not that many answers: above 4.2 s).
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// `min`, and behind it an exponential distribution: as from a queue with random arrivals. The longest is `min` and eleven times `mean`.
    Exponential {
        /// The shortest.
        min: Duration,
        /// By how much `min` is exceeded on average.
        mean: Duration,
    },
    /// `min`, and behind it a Lomax distribution (Pareto's, moved to zero) of shape 2: most packets are quick, and a few are very late, as on a
    /// wireless link. One in four exceeds `min` by more than `scale`, one in a thousand by more than 30 times `scale`; the longest is `min` and 255
    /// times `scale`, the average `min` and `scale`.
    HeavyTail {
        /// The shortest.
        min: Duration,
        /// The average of what exceeds it.
        scale: Duration,
    },
}

/// The answers of a choice between the quantiles of a distribution.
const QUANTILES: u32 = 1 << 16;

impl Delay {
    /// The shortest delay.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Delay;
    /// assert_eq!(Delay::Fixed(Duration::from_millis(5)).min(), Duration::from_millis(5));
    /// ```
    #[must_use]
    pub const fn min(self) -> Duration {
        match self {
            Delay::Fixed(min) | Delay::Uniform { min, .. } | Delay::Exponential { min, .. } | Delay::HeavyTail { min, .. } => min,
        }
    }

    /// The same distribution with another shortest delay.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Delay;
    /// let ms = Duration::from_millis;
    /// assert_eq!(Delay::Uniform { min: ms(1), max: ms(3) }.with_min(ms(5)), Delay::Uniform { min: ms(5), max: ms(7) });
    /// ```
    #[must_use]
    pub const fn with_min(self, min: Duration) -> Delay {
        match self {
            Delay::Fixed(_) => Delay::Fixed(min),
            Delay::Uniform { min: old, max } => Delay::Uniform { min, max: min.saturating_add(max.saturating_sub(old)) },
            Delay::Exponential { mean, .. } => Delay::Exponential { min, mean },
            Delay::HeavyTail { scale, .. } => Delay::HeavyTail { min, scale },
        }
    }

    /// How many answers the choice of a packet's delay has; with one there is none.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Delay;
    /// assert_eq!(Delay::Fixed(Duration::from_millis(5)).answers(), 1, "nothing to choose");
    /// ```
    #[must_use]
    pub fn answers(self) -> u32 {
        match self {
            Delay::Fixed(_) => 1,
            Delay::Uniform { min, max } => steps(min, max).0 + 1,
            Delay::Exponential { mean: excess, .. } | Delay::HeavyTail { scale: excess, .. } if excess.is_zero() => 1,
            Delay::Exponential { .. } | Delay::HeavyTail { .. } => QUANTILES,
        }
    }

    /// The delay that an answer, which is below [`Delay::answers`], stands for.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Delay;
    /// let delay = Delay::Uniform { min: Duration::from_nanos(10), max: Duration::from_nanos(12) };
    /// assert_eq!((delay.answers(), delay.after(2)), (3, Duration::from_nanos(12)));
    /// ```
    #[must_use]
    pub fn after(self, answer: u32) -> Duration {
        let excess = match self {
            Delay::Fixed(_) => 0,
            Delay::Uniform { min, max } => steps(min, max).1.saturating_mul(u64::from(answer)),
            Delay::Exponential { mean, .. } => scaled(mean, exponential(rest(answer)), 32),
            Delay::HeavyTail { scale, .. } => scaled(scale, lomax(rest(answer)), 20),
        };
        self.min().saturating_add(Duration::from_nanos(excess))
    }
}

/// The spread between two delays as a number of steps, which a choice has room for, and the length of a step in nanoseconds.
fn steps(min: Duration, max: Duration) -> (u32, u64) {
    const STEPS_MAX: u32 = u32::MAX - 1;
    let nanos = nanos(max.saturating_sub(min));
    let step = nanos.div_ceil(u64::from(STEPS_MAX)).max(1);
    (u32::try_from(nanos / step).expect("steps are as long as it takes"), step)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A duration in nanoseconds, times a number with so many bits behind the point.
fn scaled(duration: Duration, factor: u64, point: u32) -> u64 {
    let nanos = (u128::from(nanos(duration)) * u128::from(factor)) >> point;
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// How many answers are as late or later, from [`QUANTILES`] down to 1.
fn rest(answer: u32) -> u32 {
    QUANTILES - answer.min(QUANTILES - 1)
}

/// -ln(rest / QUANTILES), 32 bits behind the point.
fn exponential(rest: u32) -> u64 {
    // ln 2, 32 bits behind the point.
    const LN_2: u64 = 2_977_044_472;
    let halvings = (u64::from(QUANTILES.ilog2()) << 32) - log2(rest);
    u64::try_from((u128::from(halvings) * u128::from(LN_2)) >> 32).expect("a logarithm of 16 bits is small")
}

/// The quantile function of a Lomax distribution of shape 2, sqrt(QUANTILES / rest) - 1, 20 bits behind the point.
fn lomax(rest: u32) -> u64 {
    let square = (u64::from(QUANTILES) << 40) / u64::from(rest);
    square.isqrt() - (1 << 20)
}

/// The binary logarithm of a number from 1 to 2^16, 32 bits behind the point: from a table, with straight lines between its places.
fn log2(number: u32) -> u64 {
    let whole = number.ilog2();
    // What follows the first bit, as 16 bits.
    let behind = (number << (16 - whole)) & 0xffff;
    let (place, between) = (usize::try_from(behind >> 8).expect("eight bits are an index"), u64::from(behind & 0xff));
    let (low, high) = (LOG2[place], LOG2[place + 1]);
    (u64::from(whole) << 32) + low + (((high - low) * between) >> 8)
}

/// log2(1 + n / 256), 32 bits behind the point.
static LOG2: [u64; 257] = log2_table();

const fn log2_table() -> [u64; 257] {
    let mut table = [0; 257];
    let mut place = 0;
    while place < 256 {
        // A number from 1 to 2, with 62 bits behind the point: each squaring gives a bit of its logarithm.
        let mut number = (256 + place as u128) << 54;
        let mut bit = 0;
        while bit < 32 {
            number = (number * number) >> 62;
            table[place] <<= 1;
            if number >> 63 != 0 {
                number >>= 1;
                table[place] |= 1;
            }
            bit += 1;
        }
        place += 1;
    }
    table[256] = 1 << 32;
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sum(delay: Delay) -> u128 {
        (0..delay.answers()).map(|answer| delay.after(answer).as_nanos()).sum()
    }

    fn ends(delay: Delay) -> (u128, u128) {
        (delay.after(0).as_nanos(), delay.after(delay.answers() - 1).as_nanos())
    }

    fn every_kind(min: Duration, excess: Duration) -> [Delay; 4] {
        [
            Delay::Fixed(min),
            Delay::Uniform { min, max: min.saturating_add(excess) },
            Delay::Exponential { min, mean: excess },
            Delay::HeavyTail { min, scale: excess },
        ]
    }

    #[test]
    fn a_larger_answer_is_never_a_shorter_delay() {
        for excess in [Duration::from_nanos(7), Duration::from_micros(3), MS, Duration::from_secs(100)] {
            for delay in every_kind(MS, excess) {
                let step = (delay.answers() / 50_000).max(1);
                let mut last = Duration::ZERO;
                for answer in (0..delay.answers()).step_by(usize::try_from(step).unwrap()) {
                    let now = delay.after(answer);
                    assert!(now >= last && now >= MS, "{delay:?}: {answer}");
                    last = now;
                }
            }
        }
    }

    #[test]
    fn the_bounds_are_exact() {
        assert_eq!(ends(Delay::Fixed(MS)), (1_000_000, 1_000_000));
        assert_eq!(ends(Delay::Uniform { min: MS, max: 3 * MS }), (1_000_000, 3_000_000));
        // ln 65536 = 11.0903548..., sqrt 65536 - 1 = 255.
        assert_eq!(ends(Delay::Exponential { min: MS, mean: MS }), (1_000_000, 1_000_000 + 11_090_354));
        assert_eq!(ends(Delay::HeavyTail { min: MS, scale: MS }), (1_000_000, 256_000_000));
    }

    #[test]
    fn the_average_over_all_answers_is_what_the_distribution_says() {
        let uniform = Delay::Uniform { min: MS, max: MS + Duration::from_nanos(1000) };
        assert_eq!(sum(uniform), 1001 * (1_000_000 + 500));
        // 65,536 ln 65,536 - ln 65,536!, in means; from an independent calculation.
        let exponential = sum(Delay::Exponential { min: Duration::ZERO, mean: MS });
        let expected = 65_529_535_883_u128;
        assert!(exponential.abs_diff(expected) < expected / 100_000, "{exponential}");
        // 256 times the sum of 1 / sqrt n over all n up to 65,536, less 65,536, in scales.
        let heavy = sum(Delay::HeavyTail { min: Duration::ZERO, scale: MS });
        let expected = 65_162_649_245_u128;
        assert!(heavy.abs_diff(expected) < expected / 100_000, "{heavy}");
    }

    #[test]
    fn quantiles_are_where_the_formulas_have_them() {
        let late = |delay: Delay, one_in: u32| delay.after(QUANTILES - QUANTILES / one_in).as_nanos();
        let exponential = Delay::Exponential { min: Duration::ZERO, mean: MS };
        for (one_in, nanos) in [(2, 693_147_u128), (4, 1_386_294), (1024, 6_931_471)] {
            assert!(late(exponential, one_in).abs_diff(nanos) <= 5, "{one_in}: {}", late(exponential, one_in));
        }
        let heavy = Delay::HeavyTail { min: Duration::ZERO, scale: MS };
        for (one_in, nanos) in [(4, 1_000_000), (16, 3_000_000), (1024, 31_000_000)] {
            assert_eq!(late(heavy, one_in), nanos, "{one_in}");
        }
    }

    #[test]
    fn the_table_of_logarithms_is_exact_at_its_places() {
        assert_eq!(log2(1 << 16), 16 << 32);
        assert_eq!(log2(1), 0);
        // log2(1.5) = 0.58496250072115618...
        let exact = 2_512_394_810_u64;
        assert!(log2(3).abs_diff((1 << 32) + exact) <= 8, "{}", log2(3));
    }

    #[test]
    fn no_spread_is_no_choice() {
        for delay in every_kind(MS, Duration::ZERO) {
            assert_eq!((delay.answers(), delay.after(0)), (1, MS), "{delay:?}");
        }
        let backwards = Delay::Uniform { min: 2 * MS, max: MS };
        assert_eq!((backwards.answers(), backwards.after(0)), (1, 2 * MS));
    }

    #[test]
    fn the_longest_durations_are_no_mistake() {
        for delay in every_kind(Duration::MAX, Duration::MAX.saturating_sub(Duration::from_secs(1))) {
            assert_eq!(delay.after(delay.answers() - 1), Duration::MAX);
        }
    }
}
