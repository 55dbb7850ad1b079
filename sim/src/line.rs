//! A queue whose places are used again: what is added is written where it is going to stand, over what stood there before. A leaf: it knows nobody, and
//! holds whatever the rooms put in.

/// First in, first out; the first and the last can be got at.
#[derive(Clone, Debug)]
pub(crate) struct Line<T> {
    /// None, or a power of two of them: number `n` stands at `n` modulo theirs.
    places: Vec<T>,
    /// The number of the first.
    first: usize,
    len: usize,
}

/// How many places a line has at least that has held anything: a power of two.
const PLACES_MIN: usize = 4;

impl<T> Line<T> {
    /// A line in which nothing stands.
    pub(crate) const fn new() -> Line<T> {
        Line { places: Vec::new(), first: 0, len: 0 }
    }

    /// How many stand in it.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing stands in it.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    const fn index(&self, of: usize) -> usize {
        self.first.wrapping_add(of) & self.places.len().wrapping_sub(1)
    }

    /// The one behind so many others.
    #[inline]
    pub(crate) fn get(&self, of: usize) -> Option<&T> {
        if of < self.len { self.places.get(self.index(of)) } else { None }
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, of: usize) -> Option<&mut T> {
        let index = self.index(of);
        if of < self.len { self.places.get_mut(index) } else { None }
    }

    /// The last one.
    #[inline]
    pub(crate) fn last(&self) -> Option<&T> {
        self.get(self.len.wrapping_sub(1))
    }

    /// A place at the end, which holds what it has held before, or a `fresh` value.
    #[inline]
    pub(crate) fn push(&mut self, fresh: impl FnMut() -> T) -> &mut T {
        if self.len == self.places.len() {
            self.grow(fresh);
        }
        let index = self.index(self.len);
        self.len += 1;
        &mut self.places[index]
    }

    /// The same where a place is there to be used again: there nearly always is.
    #[inline(always)]
    pub(crate) fn push_again(&mut self) -> Option<&mut T> {
        if self.len == self.places.len() {
            return None;
        }
        let index = self.index(self.len);
        self.len += 1;
        self.places.get_mut(index)
    }

    /// The same at the beginning.
    #[inline]
    pub(crate) fn push_first(&mut self, fresh: impl FnMut() -> T) -> &mut T {
        if self.len == self.places.len() {
            self.grow(fresh);
        }
        self.first = self.first.wrapping_sub(1);
        self.len += 1;
        let index = self.index(0);
        &mut self.places[index]
    }

    /// Takes the first one out, which stays in its place until that is used again.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<&mut T> {
        if self.len == 0 {
            return None;
        }
        let index = self.index(0);
        self.first = self.first.wrapping_add(1);
        self.len -= 1;
        self.places.get_mut(index)
    }

    /// Takes the one behind so many others out, whose place goes to the first.
    #[inline(always)]
    pub(crate) fn take(&mut self, of: usize) -> Option<T>
    where
        T: Copy,
    {
        if of >= self.len {
            return None;
        }
        let first = *self.places.get(self.index(0))?;
        let index = self.index(of);
        let taken = std::mem::replace(self.places.get_mut(index)?, first);
        self.first = self.first.wrapping_add(1);
        self.len -= 1;
        Some(taken)
    }

    /// Takes the last one out.
    #[inline]
    pub(crate) fn pop_last(&mut self) -> Option<&mut T> {
        self.len = self.len.checked_sub(1)?;
        let index = self.index(self.len);
        self.places.get_mut(index)
    }

    /// Two change places, each behind so many others.
    #[inline]
    pub(crate) fn swap(&mut self, of: usize, other: usize) {
        let (of, other) = (self.index(of), self.index(other));
        self.places.swap(of, other);
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, fresh: impl FnMut() -> T) {
        let first = self.index(0);
        self.places.rotate_left(first);
        self.first = 0;
        self.places.resize_with((2 * self.places.len()).max(PLACES_MIN), fresh);
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
        let (mut line, mut deque) = (Line::new(), VecDeque::new());
        for step in 0..3000 {
            match rng.next_u32() % 8 {
                0..=2 => {
                    match line.push_again() {
                        Some(place) if step % 2 == 0 => *place = step,
                        Some(place) => {
                            *place = 0;
                            line.pop_last();
                            *line.push(|| 0) = step;
                        }
                        None => *line.push(|| 0) = step,
                    }
                    deque.push_back(step);
                }
                3 => {
                    *line.push_first(|| 0) = step;
                    deque.push_front(step);
                }
                4 => assert_eq!(line.pop_last().copied(), deque.pop_back()),
                5 if line.len() > 1 => {
                    line.swap(0, line.len() - 1);
                    deque.swap(0, deque.len() - 1);
                }
                6 => {
                    let of = line.len() / 2;
                    // Of a deque, the first takes the place of what is taken, too.
                    assert_eq!(line.take(of), deque.swap_remove_front(of));
                }
                _ => assert_eq!(line.pop().copied(), deque.pop_front()),
            }
            assert_eq!((line.len(), line.is_empty()), (deque.len(), deque.is_empty()));
            assert_eq!(line.last(), deque.back());
            assert!((0..=line.len()).all(|of| line.get(of) == deque.get(of)));
            assert_eq!(line.get_mut(1).copied(), deque.get(1).copied());
        }
    }
}
