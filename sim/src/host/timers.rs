//! The timers of a host: one for each socket that has a deadline, and one for the connections in TIME-WAIT together, earliest first.
//!
//! An entry does not move when a deadline moves later, and then goes off in vain. Those that are due at one moment go off in the order of their sockets, and the
//! one for TIME-WAIT last.

use crate::deadlines::{Deadlines, Numbered};
use crate::slab::{Key, to_usize};
use twinsock::Instant;

/// Whose timer it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TimerOf {
    /// A socket's.
    Socket(Key),
    /// That of the connection in TIME-WAIT which ends first.
    TimeWaits,
}

impl Numbered for Key {
    #[inline]
    fn number(self) -> usize {
        to_usize(Key::number(self))
    }
}

/// The timers.
#[derive(Debug)]
pub(super) struct TimerQueue {
    sockets: Deadlines<Key>,
    /// It is nearly always there, and late: a socket's timer would come after it and then go before it. [`Instant::FAR`] if there is none.
    time_waits_at: Instant,
}

impl TimerQueue {
    /// The earliest moment, and whose it is.
    #[inline]
    pub(super) fn first(&self) -> Option<(Instant, TimerOf)> {
        match self.sockets.first() {
            Some((at, key)) if at <= self.time_waits_at => Some((at, TimerOf::Socket(key))),
            Some(_) | None if self.time_waits_at < Instant::FAR => Some((self.time_waits_at, TimerOf::TimeWaits)),
            Some(_) | None => None,
        }
    }

    /// Enters a socket's moment, or moves it.
    #[inline]
    pub(super) fn set(&mut self, key: Key, at: Instant) {
        self.sockets.set(key, at);
    }

    /// Takes a socket's moment out, if there is one.
    #[inline]
    pub(super) fn clear(&mut self, key: Key) {
        self.sockets.clear(key);
    }

    /// Takes the earliest moment of a socket out.
    pub(super) fn drop_first_of_sockets(&mut self) {
        self.sockets.drop_first();
    }

    /// When the connection in TIME-WAIT ends that ends first, [`Instant::FAR`] if there is none.
    #[inline]
    pub(super) fn set_time_waits(&mut self, at: Instant) {
        self.time_waits_at = at;
    }
}

impl Default for TimerQueue {
    fn default() -> TimerQueue {
        TimerQueue { sockets: Deadlines::new(), time_waits_at: Instant::FAR }
    }
}
