//! The earliest timer of each host, apart from the queue of what else will happen: most of them are moved or taken back, and never go off.

use super::{HostId, World, index};
use crate::deadlines::{Deadlines, Numbered};
use twinsock::Instant;

/// The timers. At one moment they go off before everything else, and in the order of their hosts: when one was set last is nothing that a run may go by, as
/// it depends on which way a call took.
#[derive(Debug)]
pub(super) struct HostTimers {
    deadlines: Deadlines<TimerOf>,
    /// When the first goes off; [`Instant::FAR`] if there is none.
    first_at: Instant,
}

/// Whose timer it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct TimerOf(u32);

impl Numbered for TimerOf {
    #[inline]
    fn number(self) -> usize {
        index(self.0)
    }
}

impl HostTimers {
    /// Whether none goes off until `at` or at that moment.
    #[inline(always)]
    pub(super) fn is_idle_until(&self, at: Instant) -> bool {
        self.first_at > at
    }

    /// When the first goes off; [`Instant::FAR`] if there is none.
    #[inline(always)]
    pub(super) fn first_at(&self) -> Instant {
        self.first_at
    }

    fn note_first(&mut self) {
        self.first_at = self.deadlines.first().map_or(Instant::FAR, |(at, _)| at);
    }
}

impl Default for HostTimers {
    fn default() -> HostTimers {
        HostTimers { deadlines: Deadlines::new(), first_at: Instant::FAR }
    }
}

impl World {
    /// A host's earliest timer is this one now, or it has none if that is [`Instant::FAR`]; its entry was for the moment `known`. An entry that is too early, which is what most of them become,
    /// stays until it goes off in vain, or is wanted earlier again; one that would do so soon moves.
    #[inline(always)]
    pub(super) fn note_timer(&mut self, id: HostId, known: Instant, at: Instant) {
        if at < known || (at > known && known.as_nanos() < self.now.as_nanos().saturating_add(SOON_NS)) {
            self.set_timer(id, at);
        }
    }

    /// The host's earliest timer is to go off at this moment, and no earlier one; [`Instant::FAR`]: it has none.
    #[cold]
    #[inline(never)]
    pub(super) fn set_timer(&mut self, id: HostId, at: Instant) {
        self.machines[id.index()].timer_at = at;
        let (deadlines, whose) = (&mut self.timers.deadlines, TimerOf(id.0));
        if at == Instant::FAR {
            deadlines.clear(whose);
        } else {
            deadlines.set(whose, at.max(self.now));
        }
        self.timers.note_first();
    }

    /// Whether the next thing that happens is that a timer goes off, if there is one.
    #[inline(always)]
    pub(super) fn is_timer_next(&self) -> bool {
        !self.queue.is_due_before(self.timers.first_at)
    }

    /// When that timer goes off, and whose it is. It stays where it is: what is done to its host then moves it, see [`World::note_timer`].
    pub(super) fn next_timer(&self) -> Option<(Instant, HostId)> {
        self.timers.deadlines.first().map(|(at, TimerOf(host))| (at, HostId(host)))
    }
}

/// An entry that is too early is not worth the event if this is how long it would stay: about a few round trips.
const SOON_NS: u64 = 10_000_000;
