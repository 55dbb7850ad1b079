//! What will happen: the few events that come next at hand, all others in the [`EventQueue`].
//!
//! A conversation has few events pending at any moment: a packet or two, a turn, and timers far off. Those that come next stand here in a row, so that
//! they never go through the wheel. Three facts hold between any two calls:
//!
//! 1. The row is in the order in which its events happen, the next one last.
//! 2. Every event in the row is earlier than every event in the queue: those of one instant are all here or all there.
//! 3. So what is at one instant stays first in, first out, for both keep that order.

use super::Due;
use super::event::EventQueue;
use twinsock::Instant;

/// The events that are pending, in the order of their instants, first in first out within an instant.
pub(super) struct Agenda {
    /// The next one last; only the first `len` mean something.
    row: [(Instant, Due); ROW_MAX],
    len: usize,
    /// The instant of the earliest event of all, [`Instant::FAR`] while there is none.
    next_at: Instant,
    queue: EventQueue<Due>,
}

/// How many events there are in the row at most.
const ROW_MAX: usize = 8;

impl Agenda {
    /// Nothing will happen.
    pub(super) fn new() -> Agenda {
        let nothing = (Instant::FAR, Due::arrival(super::HostId(0), 0));
        Agenda { row: [nothing; ROW_MAX], len: 0, next_at: Instant::FAR, queue: EventQueue::new() }
    }

    /// Adds an event that happens at `at`, after those already pending for that instant.
    #[inline(always)]
    pub(super) fn push(&mut self, at: Instant, due: Due) {
        if self.len > 0 {
            self.push_among(at, due);
        } else if self.queue.is_idle_until(at) {
            self.row[0] = (at, due);
            self.len = 1;
            self.next_at = at;
        } else {
            self.queue.push(at, due);
            self.next_at = self.next_at.min(at);
        }
    }

    /// Adds an event where others are in the row.
    #[inline(never)]
    fn push_among(&mut self, at: Instant, due: Due) {
        self.next_at = self.next_at.min(at);
        if !self.queue.is_idle_until(at) {
            return self.queue.push(at, due);
        }
        if self.len == ROW_MAX && !self.make_room(at) {
            return self.queue.push(at, due);
        }
        let mut place = self.len;
        while place > 0 && self.row[place - 1].0 <= at {
            self.row[place] = self.row[place - 1];
            place -= 1;
        }
        self.row[place] = (at, due);
        self.len += 1;
    }

    /// The row is full: those of its latest instant go to the queue, where all others are later, unless what comes in at `at` is later still. Answers
    /// whether that has a place in the row.
    fn make_room(&mut self, at: Instant) -> bool {
        let (last_at, _) = self.row[0];
        if at <= last_at {
            let count = self.row.iter().take_while(|(other, _)| *other == last_at).count();
            for (_, due) in self.row[..count].iter().rev() {
                self.queue.push(last_at, *due);
            }
            self.row.copy_within(count.., 0);
            self.len -= count;
        }
        at < last_at
    }

    /// Takes the earliest event; of those at one instant, the one that was pushed first.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<(Instant, Due)> {
        let Some(([earlier @ .., next], _)) = self.row.split_at_checked(self.len) else {
            let next = self.queue.pop();
            self.next_at = self.queue.peek().unwrap_or(Instant::FAR);
            return next;
        };
        self.next_at = match earlier {
            [.., (at, _)] => *at,
            [] => self.queue.peek().unwrap_or(Instant::FAR),
        };
        self.len -= 1;
        Some(*next)
    }

    /// An event that comes after those in the row, where one is at hand, see [`EventQueue::scout`].
    #[inline]
    pub(super) fn scout(&mut self) -> Option<&Due> {
        self.queue.scout()
    }

    /// The instant of the earliest event.
    #[inline]
    pub(super) fn peek(&self) -> Option<Instant> {
        if self.is_empty() { None } else { Some(self.next_at) }
    }

    /// Whether the earliest event is later than `at`. At the end of time the answer may be `false` although nothing is pending.
    #[inline]
    pub(super) fn is_idle_until(&self, at: Instant) -> bool {
        self.next_at > at
    }

    /// Whether nothing is pending.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0 && self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Alarm;
    use super::*;
    use std::collections::VecDeque;

    fn number(due: Due) -> u64 {
        match due {
            Due::Alarm(Alarm(number)) => number,
            Due::Arrival(_) | Due::Damaged(_) | Due::Sending(_) | Due::Unjudged(_) | Due::Timer(_) => unreachable!("alarms only"),
        }
    }

    #[test]
    fn events_happen_in_the_order_of_a_sorted_list() {
        for reach in [1, 3, 40, 100_000] {
            let (mut agenda, mut model) = (Agenda::new(), VecDeque::<(Instant, u64)>::new());
            let (mut state, mut now) = (11_u64, Instant::ZERO);
            for pushed in 0..30_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // More come than go for a while, then the other way round.
                let comes = if pushed / 500 % 2 == 0 { 5 } else { 3 };
                if state >> 61 < comes {
                    let at = Instant::from_nanos(now.as_nanos() + (state >> 20) % reach);
                    agenda.push(at, Due::Alarm(Alarm(pushed)));
                    let place = model.iter().rposition(|(other, _)| *other <= at).map_or(0, |before| before + 1);
                    model.insert(place, (at, pushed));
                } else {
                    let next = agenda.pop().map(|(at, due)| (at, number(due)));
                    assert_eq!(next, model.pop_front());
                    now = next.map_or(now, |(at, _)| at);
                }
                assert_eq!(agenda.peek(), model.front().map(|(at, _)| *at));
                assert_eq!(agenda.is_empty(), model.is_empty());
            }
        }
    }
}
