//! Who has something to do when, the earliest first, where nobody has more than one such moment and everybody may change it at any time. A leaf: it knows
//! nobody but the room of tables.
//!
//! A heap in which everybody's place is known, so that an entry is moved or taken out where it is. Those that are due at one moment come in the order of
//! their own.

use crate::slab::to_usize;
use twinsock::Instant;

/// Whose moment it is, of those who have numbers of their own, small ones.
pub(crate) trait Numbered: Copy + Ord {
    /// The number.
    fn number(self) -> usize;
}

/// The moments.
#[derive(Debug)]
pub(crate) struct Deadlines<W> {
    /// A binary heap.
    heap: Vec<(Instant, W)>,
    /// Where in it everybody's entry is, by number.
    places: Vec<u32>,
}

/// There is no entry.
const NONE: u32 = u32::MAX;

impl<W> Deadlines<W> {
    /// Nobody has anything to do.
    pub(crate) const fn new() -> Deadlines<W> {
        Deadlines { heap: Vec::new(), places: Vec::new() }
    }
}

impl<W: Numbered> Deadlines<W> {
    /// The earliest moment, and whose it is.
    #[inline]
    pub(crate) fn first(&self) -> Option<(Instant, W)> {
        self.heap.first().copied()
    }

    /// Enters somebody's moment, or moves it.
    #[inline]
    pub(crate) fn set(&mut self, whose: W, at: Instant) {
        let number = whose.number();
        match self.places.get(number).copied() {
            Some(NONE) | None => self.enter(number, at, whose),
            Some(place) => self.replace(to_usize(place), at, whose),
        }
    }

    /// Takes somebody's moment out, if there is one.
    pub(crate) fn clear(&mut self, whose: W) {
        match self.places.get(whose.number()).copied() {
            Some(NONE) | None => {}
            Some(place) => self.remove(to_usize(place), whose.number()),
        }
    }

    /// Takes the earliest one out.
    pub(crate) fn drop_first(&mut self) {
        if let Some((_, whose)) = self.first() {
            self.remove(0, whose.number());
        }
    }

    // An entry goes in two arguments, in registers: what is written to memory as two words cannot be read as one at once.

    /// Somebody who has no entry gets one.
    #[inline(never)]
    fn enter(&mut self, number: usize, at: Instant, whose: W) {
        if self.places.len() <= number {
            self.places.resize(number + 1, NONE);
        }
        let place = self.heap.len();
        self.heap.push((at, whose));
        if self.rises(place, at, whose) {
            self.rise(place, at, whose);
        } else {
            self.note(place, number);
        }
    }

    /// The entry in this place goes, and the last one comes to where it belongs.
    fn remove(&mut self, place: usize, number: usize) {
        self.places[number] = NONE;
        if let Some((at, whose)) = self.heap.pop()
            && place < self.heap.len()
        {
            self.note(place, whose.number());
            self.replace(place, at, whose);
        }
    }

    /// An entry whose owner's place this is comes there, in place of the one that was, and from there to where it belongs.
    #[inline(never)]
    fn replace(&mut self, place: usize, at: Instant, whose: W) {
        if self.rises(place, at, whose) {
            self.rise(place, at, whose);
        } else if self.earlier_child(place, at, whose).is_some() {
            self.sink(place, at, whose);
        } else {
            self.heap[place] = (at, whose);
        }
    }

    /// Whether an entry is due before the one that precedes this place.
    #[inline]
    fn rises(&self, place: usize, at: Instant, whose: W) -> bool {
        place > 0 && is_before((at, whose), self.heap[(place - 1) / 2])
    }

    /// An entry goes from this place towards the front as far as it is due before others, which make room for it.
    #[inline(never)]
    fn rise(&mut self, mut place: usize, at: Instant, whose: W) {
        while self.rises(place, at, whose) {
            let parent = (place - 1) / 2;
            let (parent_at, parents) = self.heap[parent];
            self.put(place, parent_at, parents);
            place = parent;
        }
        self.put(place, at, whose);
    }

    /// An entry goes from this place towards the end as far as it is due after others.
    #[inline(never)]
    fn sink(&mut self, mut place: usize, at: Instant, whose: W) {
        while let Some(child) = self.earlier_child(place, at, whose) {
            let (child_at, childs) = self.heap[child];
            self.put(place, child_at, childs);
            place = child;
        }
        self.put(place, at, whose);
    }

    /// Who of those behind this place is due before an entry, and first.
    #[inline]
    fn earlier_child(&self, place: usize, at: Instant, whose: W) -> Option<usize> {
        let left = 2 * place + 1;
        let first = *self.heap.get(left)?;
        let (child, first) = match self.heap.get(left + 1) {
            Some(second) if is_before(*second, first) => (left + 1, *second),
            Some(_) | None => (left, first),
        };
        is_before(first, (at, whose)).then_some(child)
    }

    /// An entry is in this place.
    #[inline]
    fn put(&mut self, place: usize, at: Instant, whose: W) {
        self.heap[place] = (at, whose);
        self.note(place, whose.number());
    }

    /// The entry of this number is known to be in this place.
    #[inline]
    fn note(&mut self, place: usize, number: usize) {
        self.places[number] = u32::try_from(place).expect("fewer than 2^32 have something to do");
    }
}

/// Whether an entry is due before another.
#[inline(always)]
fn is_before<W: Ord>((at, whose): (Instant, W), (other_at, other): (Instant, W)) -> bool {
    at < other_at || (at == other_at && whose < other)
}

impl<W> Default for Deadlines<W> {
    fn default() -> Deadlines<W> {
        Deadlines::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    impl Numbered for u32 {
        fn number(self) -> usize {
            to_usize(self)
        }
    }

    #[test]
    fn moments_come_as_those_of_an_ordered_map_do() {
        let (mut queue, mut model) = (Deadlines::new(), BTreeMap::new());
        let mut state = 7_u32;
        for _ in 0..50_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let whose = (state >> 20) % 41;
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
