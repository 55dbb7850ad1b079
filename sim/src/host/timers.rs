//! The timers of a host: one for each socket that has a deadline, and one for the connections in TIME-WAIT together, earliest first.
//!
//! An entry does not move when a deadline moves later, and then goes off in vain. Those that are due at one moment go off in the order of [`TimerOf`].

use crate::deadlines::{Deadlines, Numbered};
use crate::slab::{Key, to_usize};

/// Whose timer it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum TimerOf {
    /// A socket's.
    Socket(Key),
    /// That of the connection in TIME-WAIT which ends first.
    TimeWaits,
}

impl Numbered for TimerOf {
    #[inline]
    fn number(self) -> usize {
        match self {
            TimerOf::Socket(key) => to_usize(key.number()) + 1,
            TimerOf::TimeWaits => 0,
        }
    }
}

/// The timers.
pub(super) type TimerQueue = Deadlines<TimerOf>;
