//! A queue that is empty most of the time and seldom holds more than one element.

use std::collections::VecDeque;

/// First in, first out. In memory, the first one comes first.
#[derive(Debug)]
#[repr(C)]
pub struct Fifo<T> {
    /// `None`: the queue is empty.
    first: Option<T>,
    rest: VecDeque<T>,
}

impl<T> Fifo<T> {
    /// An empty queue.
    #[must_use]
    pub(crate) const fn new() -> Fifo<T> {
        Fifo { first: None, rest: VecDeque::new() }
    }

    /// Whether there is nothing in it.
    #[inline]
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Adds an element at the end.
    #[inline]
    pub(crate) fn push(&mut self, element: T) {
        if self.first.is_none() {
            self.first = Some(element);
        } else {
            self.rest.push_back(element);
        }
    }

    /// Takes the first element out.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let first = self.first.take();
        if !self.rest.is_empty() {
            self.move_up();
        }
        first
    }

    #[cold]
    fn move_up(&mut self) {
        self.first = self.rest.pop_front();
    }

    /// Takes the first element out, if there is no other.
    #[inline]
    pub(crate) fn pop_only(&mut self) -> Option<T> {
        if self.rest.is_empty() { self.first.take() } else { None }
    }
}

impl<T> Default for Fifo<T> {
    fn default() -> Fifo<T> {
        Fifo::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_in_is_the_first_out() {
        let mut fifo = Fifo::new();
        let mut next = 0;
        for count in [1, 3, 0, 2, 5] {
            let expected: Vec<i32> = (next..next + count).collect();
            expected.iter().for_each(|element| fifo.push(*element));
            assert_eq!(fifo.is_empty(), count == 0);
            next += count;
            assert_eq!(std::iter::from_fn(|| fifo.pop()).collect::<Vec<i32>>(), expected);
        }
        assert!(fifo.is_empty() && fifo.pop().is_none());
        fifo.push(1);
        assert_eq!((fifo.pop_only(), fifo.pop_only()), (Some(1), None));
        fifo.push(2);
        fifo.push(3);
        assert_eq!((fifo.pop_only(), fifo.pop(), fifo.pop_only()), (None, Some(2), Some(3)), "two are too many");
    }
}
