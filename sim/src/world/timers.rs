//! The earliest timer of each host, apart from the queue of what else will happen: most of them are moved or taken back, and never go off.

use super::{HostId, World, index};
use crate::deadlines::{Deadlines, Numbered};
use twinsock::Instant;

/// The timers. At one moment they go off before everything else, and in the order of their hosts: when one was set last is nothing that a run may go by, as
/// it depends on which way a call took.
///
/// Most of those that come to be the first are taken back soon. So such a one stands apart, in front, and the entry that its host has among the others stays where it is.
#[derive(Debug)]
pub(super) struct HostTimers {
    /// Those that do not stand in front, and the one that does as it was before.
    others: Deadlines<TimerOf>,
    front: Option<Front>,
    /// When the first goes off; [`Instant::FAR`] if there is none.
    first_at: Instant,
}

/// The timer that stands in front: no other goes off before it.
#[derive(Clone, Copy, Debug)]
struct Front {
    at: Instant,
    whose: TimerOf,
    /// Its host's entry among the others; [`Instant::FAR`] if there is none.
    behind: Instant,
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

    /// A host's timer goes off at `at`, which is not past, or not at all if that is [`Instant::FAR`]; its entry was for the moment `known`. Answers the moment for which it
    /// is now: what it has come back to may be too early.
    #[inline]
    fn set(&mut self, whose: TimerOf, known: Instant, at: Instant) -> Instant {
        let mut behind = known;
        let own = self.front.filter(|front| front.whose == whose);
        if let Some(front) = own {
            behind = front.behind;
            self.front = None;
            self.first_at = self.first_of_others();
        }
        if at < self.first_at {
            self.step_back();
            self.front = Some(Front { at, whose, behind });
            self.first_at = at;
            return at;
        }
        if own.is_some() && behind <= at && at < Instant::FAR {
            return behind;
        }
        self.enter(whose, at);
        at
    }

    fn first_of_others(&self) -> Instant {
        self.others.first().map_or(Instant::FAR, |(at, _)| at)
    }

    /// Whoever stands in front makes room for one that is earlier.
    #[inline]
    fn step_back(&mut self) {
        if let Some(Front { at, whose, .. }) = self.front.take() {
            self.others.set(whose, at);
        }
    }

    /// A timer that does not stand in front comes to where it belongs.
    #[inline(never)]
    fn enter(&mut self, whose: TimerOf, at: Instant) {
        if at == Instant::FAR {
            self.others.clear(whose);
        } else {
            self.others.set(whose, at);
        }
        self.first_at = self.front.map_or(Instant::FAR, |front| front.at).min(self.first_of_others());
    }

    /// The first, and whose it is.
    fn first(&self) -> Option<(Instant, TimerOf)> {
        self.front.map(|front| (front.at, front.whose)).into_iter().chain(self.others.first()).min()
    }
}

impl Default for HostTimers {
    fn default() -> HostTimers {
        HostTimers { others: Deadlines::new(), front: None, first_at: Instant::FAR }
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

    /// The host's earliest timer is to go off at this moment; [`Instant::FAR`]: it has none. An entry to which it comes back may be earlier, and goes off in vain.
    #[cold]
    #[inline(never)]
    pub(super) fn set_timer(&mut self, id: HostId, at: Instant) {
        let known = &mut self.machines[id.index()].timer_at;
        *known = self.timers.set(TimerOf(id.0), *known, at.max(self.now));
    }

    /// Whether the next thing that happens is that a timer goes off, if there is one.
    #[inline(always)]
    pub(super) fn is_timer_next(&self) -> bool {
        !self.queue.is_due_before(self.timers.first_at)
    }

    /// When that timer goes off, and whose it is. It stays where it is: what is done to its host then moves it, see [`World::note_timer`].
    pub(super) fn next_timer(&self) -> Option<(Instant, HostId)> {
        self.timers.first().map(|(at, TimerOf(host))| (at, HostId(host)))
    }
}

/// An entry that is too early is not worth the event if this is how long it would stay: about a few round trips.
const SOON_NS: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn timers_go_off_in_order_wherever_they_stand() {
        let (mut timers, mut wanted) = (HostTimers::default(), BTreeMap::new());
        let mut known = [Instant::FAR; 7];
        let (mut now, mut state, mut gone_off) = (0, 7_u32, 0);
        for _ in 0..50_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let whose = TimerOf((state >> 20) % 7);
            let at = match state >> 28 {
                0..13 => Instant::from_nanos(now + u64::from(state >> 8 & 63)),
                _ => Instant::FAR,
            };
            wanted.insert(whose, at);
            known[whose.number()] = timers.set(whose, known[whose.number()], at);
            if state >> 16 & 3 != 0 {
                continue;
            }
            // The next one goes off, or moves.
            let Some((at, whose)) = timers.first() else { continue };
            let moment = wanted[&whose];
            if moment == at {
                assert_eq!(wanted.iter().map(|(whose, at)| (*at, *whose)).min(), Some((at, whose)));
                now = at.as_nanos();
                gone_off += 1;
                wanted.insert(whose, Instant::FAR);
            }
            known[whose.number()] = timers.set(whose, known[whose.number()], wanted[&whose]);
            assert!(known.iter().zip(0..).all(|(known, host)| wanted.get(&TimerOf(host)).is_none_or(|at| known <= at)));
            assert_eq!(timers.first_at(), timers.first().map_or(Instant::FAR, |(at, _)| at));
        }
        assert!(gone_off > 1000);
    }
}
