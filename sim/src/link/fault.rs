//! How often something goes wrong: ratios, bursts.

use std::fmt;

/// How often something happens, as a ratio: the simulator knows no floats.
///
/// ```
/// use twinsock_sim::link::Ratio;
/// assert_eq!(Ratio::new(3, 1000).to_string(), "3 in 1000");
/// assert_eq!(Ratio::default(), Ratio::NEVER);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// So often ...
    pub of: u32,
    /// ... in so many times.
    pub in_: u32,
}

impl Ratio {
    /// Not at all; nothing is drawn.
    ///
    /// ```
    /// use twinsock_sim::Ratio;
    /// assert_eq!(Ratio::NEVER, Ratio::default());
    /// ```
    pub const NEVER: Ratio = Ratio { of: 0, in_: 1 };
    /// Each time; nothing is drawn.
    ///
    /// ```
    /// use twinsock_sim::Ratio;
    /// assert_eq!(Ratio::ALWAYS.not(), Ratio::new(0, 1));
    /// ```
    pub const ALWAYS: Ratio = Ratio { of: 1, in_: 1 };

    /// `of` times in `in_`.
    ///
    /// # Panics
    /// If that is more often than always, or `in_` is 0.
    ///
    /// ```
    /// use twinsock_sim::Ratio;
    /// assert!(Ratio::new(0, 100).is_never());
    /// ```
    #[must_use]
    pub const fn new(of: u32, in_: u32) -> Ratio {
        assert!(in_ > 0 && of <= in_, "a ratio is from 0 to 1");
        Ratio { of, in_ }
    }

    /// Whether it is not at all.
    ///
    /// ```
    /// use twinsock_sim::Ratio;
    /// assert!(Ratio::NEVER.is_never() && !Ratio::new(1, 100).is_never());
    /// ```
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.of == 0
    }

    /// The rest: how often it does not happen.
    ///
    /// ```
    /// use twinsock_sim::Ratio;
    /// assert_eq!(Ratio::new(1, 4).not(), Ratio::new(3, 4));
    /// ```
    #[must_use]
    pub const fn not(self) -> Ratio {
        Ratio { of: self.in_.saturating_sub(self.of), in_: self.in_ }
    }
}

impl Default for Ratio {
    fn default() -> Ratio {
        Ratio::NEVER
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.of, self.in_)
    }
}

/// Losses in bursts: a link is good or bad, and changes between the two with each frame (E. N. Gilbert, 1960; E. O. Elliott, 1963). It begins good.
///
/// Bursts are `1 / out_of_bad` frames long on average and begin every `1 / into_bad` good frames.
///
/// ```
/// use twinsock_sim::link::{GilbertElliott, Ratio};
/// let radio = GilbertElliott {
///     into_bad: Ratio::new(1, 200),
///     out_of_bad: Ratio::new(1, 10),
///     loss_good: Ratio::NEVER,
///     loss_bad: Ratio::new(1, 2),
/// };
/// assert_eq!(twinsock_sim::Link::new().bursts(radio).bursts, Some(radio));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GilbertElliott {
    /// How often a good link turns bad.
    pub into_bad: Ratio,
    /// How often a bad link turns good.
    pub out_of_bad: Ratio,
    /// How often a good link loses a frame.
    pub loss_good: Ratio,
    /// How often a bad link loses a frame.
    pub loss_bad: Ratio,
}

/// What decides where a link leaves something to chance: "no" is the boring answer.
pub trait Chance {
    /// Whether something happens, and what that is, in a word.
    fn happens(&mut self, ratio: Ratio, what: &'static str) -> bool;
}

/// Nothing happens unless it always does.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default)]
pub struct NoChance;

#[cfg(test)]
impl Chance for NoChance {
    fn happens(&mut self, ratio: Ratio, _what: &'static str) -> bool {
        ratio.of >= ratio.in_
    }
}
