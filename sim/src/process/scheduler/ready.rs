//! The threads that can run now, in the order in which they became so.

use super::ThreadId;
use crate::line::Line;

/// The threads.
pub struct Ready {
    threads: Line<ThreadId>,
    /// Those that have let all others go first: who comes when there is nobody else. Where there are any, there are others.
    last: Vec<ThreadId>,
}

impl Ready {
    /// None.
    pub(super) const fn new() -> Ready {
        Ready { threads: Line::new(), last: Vec::new() }
    }

    /// How many they are, among whom is chosen now.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.threads.len()
    }

    /// Whether there is none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }

    /// The one behind so many others.
    #[inline(always)]
    pub fn get(&self, of: usize) -> Option<ThreadId> {
        self.threads.get(of).copied()
    }

    /// All of those, in their order: not those that let others go first.
    pub fn iter(&self) -> impl Iterator<Item = ThreadId> + '_ {
        (0..self.len()).map_while(|of| self.get(of))
    }

    /// Another one.
    #[inline(always)]
    pub(super) fn push(&mut self, thread: ThreadId) {
        match self.threads.push_again() {
            Some(place) => *place = thread,
            None => self.push_more(thread),
        }
    }

    #[cold]
    #[inline(never)]
    fn push_more(&mut self, thread: ThreadId) {
        *self.threads.push(|| thread) = thread;
    }

    /// Another one, which lets all others go first.
    pub(super) fn push_last(&mut self, thread: ThreadId) {
        if self.is_empty() { self.push(thread) } else { self.last.push(thread) }
    }

    /// Takes the one behind so many others out, whose place goes to the first: constant cost, and 0 stays first come, first served.
    #[inline(always)]
    pub(super) fn take(&mut self, of: usize) -> Option<ThreadId> {
        let taken = self.threads.take(of);
        self.bring_last();
        taken
    }

    /// Whoever has let others go first comes if there is nobody else.
    #[inline(always)]
    fn bring_last(&mut self) {
        if self.threads.is_empty() && !self.last.is_empty() {
            self.bring_all();
        }
    }

    #[cold]
    #[inline(never)]
    fn bring_all(&mut self) {
        for thread in std::mem::take(&mut self.last) {
            self.push(thread);
        }
    }

    /// Another one comes, and the only one is taken out: what `push` and `take` come to.
    #[inline(always)]
    pub(super) fn replace_only(&mut self, thread: ThreadId) -> Option<ThreadId> {
        debug_assert_eq!(self.len(), 1, "the only one is to be taken out");
        self.threads.get_mut(0).map(|only| std::mem::replace(only, thread))
    }

    /// Keeps those of which this is true, and asks once for each, in their order.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(ThreadId) -> bool) {
        for _ in 0..self.len() {
            let Some(thread) = self.threads.pop().copied() else { return };
            if stays(thread) {
                self.push(thread);
            }
        }
        self.last.retain(|thread| stays(*thread));
        self.bring_last();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_takes_the_place_of_the_chosen_one() {
        let mut ready = Ready::new();
        (0..7).for_each(|number| ready.push(ThreadId(number)));
        assert_eq!(ready.take(3), Some(ThreadId(3)));
        assert_eq!(ready.iter().map(|thread| thread.0).collect::<Vec<_>>(), [1, 2, 0, 4, 5, 6]);
        assert_eq!((ready.take(0), ready.take(5)), (Some(ThreadId(1)), None));
        ready.retain(|thread| thread.0 % 2 == 0);
        ready.push(ThreadId(9));
        assert_eq!(ready.iter().map(|thread| thread.0).collect::<Vec<_>>(), [2, 0, 4, 6, 9]);
        assert_eq!((ready.len(), ready.is_empty(), ready.get(4)), (5, false, Some(ThreadId(9))));
    }

    #[test]
    fn who_lets_others_go_first_comes_when_they_have_gone() {
        let mut ready = Ready::new();
        ready.push_last(ThreadId(0));
        ready.push(ThreadId(1));
        ready.push_last(ThreadId(2));
        ready.push_last(ThreadId(3));
        ready.push(ThreadId(4));
        assert_eq!(ready.len(), 3, "the first was alone");
        ready.retain(|thread| thread.0 != 3);
        let order: Vec<_> = std::iter::from_fn(|| ready.take(0).map(|thread| thread.0)).collect();
        assert_eq!(order, [0, 1, 4, 2]);
        ready.push(ThreadId(5));
        ready.push_last(ThreadId(6));
        ready.retain(|thread| thread.0 == 6);
        assert_eq!((ready.len(), ready.get(0)), (1, Some(ThreadId(6))));
    }

    #[test]
    fn the_only_one_is_replaced_as_by_push_and_take() {
        let mut ready = [Ready::new(), Ready::new()];
        ready.iter_mut().for_each(|ready| (0..3).for_each(|number| ready.push(ThreadId(number))));
        ready.iter_mut().for_each(|ready| ready.retain(|thread| thread.0 == 1));
        ready[0].push(ThreadId(7));
        assert_eq!(ready[0].take(0), ready[1].replace_only(ThreadId(7)));
        assert_eq!(ready.map(|ready| ready.iter().collect::<Vec<_>>()), [[ThreadId(7)], [ThreadId(7)]]);
    }
}
