//! A queue in a ring whose places are used again as they are, so that what is put into one need not be moved there.

use crate::prefetch::prefetch;
use std::fmt;
use std::ops::{Index, IndexMut};

/// A queue; what a place holds while it is not in use means nothing, and keeps what it owns.
#[derive(Clone, PartialEq, Default)]
pub(super) struct Ring<T> {
    /// None, or a power of two of them.
    places: Vec<T>,
    /// The place of the first element.
    head: usize,
    len: usize,
}

impl<T: Default> Ring<T> {
    /// How many elements there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn place(&self, index: usize) -> usize {
        (self.head + index) & self.places.len().wrapping_sub(1)
    }

    /// The element of this index.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        if index < self.len { self.places.get(self.place(index)) } else { None }
    }

    /// The first element.
    #[inline]
    pub(super) fn front(&self) -> Option<&T> {
        self.get(0)
    }

    /// The last element.
    #[inline]
    pub(super) fn back(&self) -> Option<&T> {
        self.get(self.len.wrapping_sub(1))
    }

    /// The last element.
    #[inline]
    pub(super) fn back_mut(&mut self) -> Option<&mut T> {
        if self.len == 0 {
            return None;
        }
        let place = self.place(self.len - 1);
        self.places.get_mut(place)
    }

    /// Adds an element at the end: its place, with what another has left there.
    #[inline(always)]
    pub(super) fn push(&mut self) -> &mut T {
        if self.len == self.places.len() {
            self.grow();
        }
        let place = self.place(self.len);
        self.len += 1;
        &mut self.places[place]
    }

    /// The place for the only element of a queue in which there is none: the same one each time, while there are no others.
    #[inline(always)]
    pub(super) fn put_only(&mut self) -> &mut T {
        debug_assert!(self.is_empty(), "it is the only one");
        if self.head >= self.places.len() {
            self.grow();
        }
        self.len = 1;
        &mut self.places[self.head]
    }

    /// Takes the only element out, and leaves it in its place.
    #[inline(always)]
    pub(super) fn drop_only(&mut self) {
        debug_assert_eq!(self.len, 1, "there is one, and no other");
        self.len = 0;
    }

    /// Makes the caches ready for an element more.
    #[inline]
    pub(super) fn prefetch_next(&self) {
        if let Some(place) = self.places.get(self.place(self.len)) {
            prefetch(place);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        self.places.rotate_left(self.head);
        self.head = 0;
        self.places.resize_with((2 * self.len).max(1), T::default);
    }

    /// Takes the first element out, and leaves it in its place.
    #[inline]
    pub(super) fn drop_front(&mut self) {
        if self.len > 0 {
            self.head = self.place(1);
            self.len -= 1;
        }
    }

    /// Takes all elements out, and leaves them in their places.
    pub(super) fn clear(&mut self, mut leave: impl FnMut(&mut T)) {
        for index in 0..self.len {
            leave(&mut self[index]);
        }
        self.len = 0;
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// Puts an element before that of this index, or at the end.
    pub(super) fn insert(&mut self, index: usize, element: T) {
        *self.push() = element;
        for later in (index..self.len - 1).rev() {
            let (one, other) = (self.place(later), self.place(later + 1));
            self.places.swap(one, other);
        }
    }

    /// The index of the first element that is not one of those in front.
    pub(super) fn partition_point(&self, is_in_front: impl Fn(&T) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_in_front(&self[middle]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl<T: Default + fmt::Debug> fmt::Debug for Ring<T> {
    /// The elements; where they stand, and what stands in other places, belongs to nobody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..self.len).map(|index| &self[index])).finish()
    }
}

impl<T: Default> Index<usize> for Ring<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: usize) -> &T {
        self.get(index).expect("the index is that of an element")
    }
}

impl<T: Default> IndexMut<usize> for Ring<T> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        assert!(index < self.len, "the index is that of an element");
        let place = self.place(index);
        &mut self.places[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};
    use std::collections::VecDeque;

    #[test]
    fn it_does_what_a_deque_does() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut ring, mut deque) = (Ring::default(), VecDeque::new());
        for element in 0..10_000_u32 {
            match rng.next_u32() % 6 {
                0 if deque.is_empty() => {
                    *ring.put_only() = element;
                    deque.push_back(element);
                }
                1 if deque.len() == 1 => {
                    ring.drop_only();
                    deque.pop_front();
                }
                0 | 1 => {
                    *ring.push() = element;
                    deque.push_back(element);
                }
                2 => {
                    let at = rng.next_u32() as usize % (deque.len() + 1);
                    ring.insert(at, element);
                    deque.insert(at, element);
                }
                _ => {
                    ring.drop_front();
                    deque.pop_front();
                }
            }
            assert_eq!(ring.len(), deque.len());
            assert_eq!(ring.is_empty(), deque.is_empty());
            assert!((0..=ring.len()).all(|index| ring.get(index) == deque.get(index)));
            assert_eq!((ring.front(), ring.back()), (deque.front(), deque.back()));
            if let Some(last) = ring.back_mut() {
                *last += 1;
                deque[ring.len() - 1] += 1;
            }
        }
    }

    #[test]
    fn a_partition_is_found() {
        let mut ring = Ring::default();
        (0..9).for_each(|element| *ring.push() = element);
        for parts in 0..10 {
            assert_eq!(ring.partition_point(|element| *element < parts), parts);
        }
    }
}
