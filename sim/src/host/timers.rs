//! The timers of a host: one for each socket that has a deadline, and one for the connections in TIME-WAIT together, earliest first.
//!
//! A heap in which everybody's place is known, so that an entry is moved or taken out where it is. It does not move when a deadline moves later, and then
//! goes off in vain. Those that are due at one moment go off in the order of [`TimerOf`].

use crate::slab::{Key, to_usize};
use twinsock::Instant;

/// Whose timer it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum TimerOf {
    /// A socket's.
    Socket(Key),
    /// That of the connection in TIME-WAIT which ends first.
    TimeWaits,
}

type Entry = (Instant, TimerOf);

/// The timers.
#[derive(Debug, Default)]
pub(super) struct TimerQueue {
    /// A binary heap.
    heap: Vec<Entry>,
    /// Where in it everybody's entry is, or was: by socket number, and after all sockets that have ever been here. More than a look at the heap is
    /// needed to know whether it is there still.
    places: Vec<u32>,
    time_waits: u32,
}

impl TimerQueue {
    /// The earliest entry.
    #[inline]
    pub(super) fn first(&self) -> Option<Entry> {
        self.heap.first().copied()
    }

    /// Enters a timer, or moves it: nobody has more than one.
    pub(super) fn set(&mut self, whose: TimerOf, at: Instant) {
        match self.place(whose) {
            Some(place) => {
                let earlier = at < self.heap[place].0;
                self.heap[place].0 = at;
                if earlier { self.rise(place) } else { self.sink(place) }
            }
            None => {
                self.heap.push((at, whose));
                self.rise(self.heap.len() - 1);
            }
        }
    }

    /// Takes a timer out, if it is there.
    pub(super) fn clear(&mut self, whose: TimerOf) {
        let Some(place) = self.place(whose) else { return };
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            // Whoever has come from the end may have to go either way.
            self.sink(place);
            self.rise(place);
        }
    }

    /// Takes the earliest entry out.
    pub(super) fn drop_first(&mut self) {
        if !self.heap.is_empty() {
            self.heap.swap_remove(0);
            if self.heap.len() > 1 {
                self.sink(0);
            } else {
                self.settle(0);
            }
        }
    }

    /// Where somebody's entry is.
    #[inline]
    fn place(&self, whose: TimerOf) -> Option<usize> {
        let place = to_usize(self.place_of(whose));
        self.heap.get(place).filter(|entry| entry.1 == whose).map(|_| place)
    }

    #[inline]
    fn place_of(&self, whose: TimerOf) -> u32 {
        match whose {
            TimerOf::Socket(key) => self.places.get(to_usize(key.number())).copied().unwrap_or(u32::MAX),
            TimerOf::TimeWaits => self.time_waits,
        }
    }

    /// The entry in this place is there to stay for now.
    #[inline]
    fn settle(&mut self, place: usize) {
        let Some((_, whose)) = self.heap.get(place) else { return };
        let here = u32::try_from(place).expect("a host has fewer than 2^32 timers");
        match whose {
            TimerOf::Socket(key) => {
                let number = to_usize(key.number());
                if self.places.len() <= number {
                    self.places.resize(number + 1, u32::MAX);
                }
                self.places[number] = here;
            }
            TimerOf::TimeWaits => self.time_waits = here,
        }
    }

    /// The entry in this place goes towards the front as far as it is due before others.
    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if !is_before(&self.heap[place], &self.heap[parent]) {
                break;
            }
            self.heap.swap(parent, place);
            self.settle(place);
            place = parent;
        }
        self.settle(place);
    }

    /// The entry in this place goes towards the end as far as it is due after others.
    fn sink(&mut self, mut place: usize) {
        loop {
            let left = 2 * place + 1;
            let Some(first) = self.heap.get(left) else { break };
            let child = if self.heap.get(left + 1).is_some_and(|second| is_before(second, first)) { left + 1 } else { left };
            if !is_before(&self.heap[child], &self.heap[place]) {
                break;
            }
            self.heap.swap(place, child);
            self.settle(place);
            place = child;
        }
        self.settle(place);
    }
}

/// Whether a timer goes off before another.
#[inline]
fn is_before((at, whose): &Entry, (other_at, other): &Entry) -> bool {
    at < other_at || (at == other_at && whose < other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;
    use std::collections::BTreeMap;

    #[test]
    fn timers_go_off_as_those_of_an_ordered_map_do() {
        let mut slab = Slab::new();
        let mut owners: Vec<TimerOf> = (0..40).map(|number| TimerOf::Socket(slab.insert(number))).collect();
        owners.push(TimerOf::TimeWaits);
        let (mut queue, mut model) = (TimerQueue::default(), BTreeMap::new());
        let mut state = 7_u32;
        for _ in 0..50_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let whose = owners[to_usize((state >> 20) % 41)];
            let at = Instant::from_nanos(u64::from(state >> 8 & 63));
            match state >> 28 {
                0..8 => {
                    queue.set(whose, at);
                    model.insert(whose, at);
                }
                8..12 => {
                    queue.clear(whose);
                    model.remove(&whose);
                }
                _ => {
                    if let Some((_, first)) = queue.first() {
                        queue.drop_first();
                        assert!(model.remove(&first).is_some(), "whoever is in the queue is there once");
                    }
                }
            }
            assert_eq!(queue.first(), model.iter().map(|(whose, at)| (*at, *whose)).min());
            assert_eq!(queue.heap.len(), model.len());
        }
    }
}
