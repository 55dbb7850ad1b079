//! Wait queues: who waits for what happens to a file, Linux's `wait_queue_head` as a value.
//!
//! An entry is a parked call or an epoll set that watches the file. Non-exclusive entries are all woken; of the exclusive ones
//! (accept, epoll_wait, EPOLLEXCLUSIVE) one per event, first come first served.

use super::cx::Token;
use super::slab::{Key, Slab};
use std::collections::VecDeque;
use twinsock::PollEvents;

/// Who is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waiter {
    /// A parked call, by its key in [`Sleepers`].
    Call(Key),
    /// An entry of the epoll set that is the open file `set`; `item` is the set's own name for the entry.
    Epoll {
        /// The file of the set.
        set: Key,
        /// The entry within the set.
        item: u32,
    },
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    who: Waiter,
    interest: PollEvents,
    exclusive: bool,
}

/// The waiters of one file, in order.
#[derive(Debug, Default)]
pub(super) struct WaitQueue {
    entries: Vec<Entry>,
}

impl WaitQueue {
    /// Adds a waiter at the end; of a call that waits already, only the interest changes: it keeps its place.
    pub(super) fn add(&mut self, who: Waiter, interest: PollEvents, exclusive: bool) {
        match self.entries.iter_mut().find(|entry| entry.who == who) {
            Some(entry) => entry.interest = entry.interest | interest,
            None => self.entries.push(Entry { who, interest, exclusive }),
        }
    }

    /// Adds an epoll entry; those added later are told first, as `add_wait_queue` puts them at the head.
    pub(super) fn add_first(&mut self, who: Waiter, interest: PollEvents, exclusive: bool) {
        if exclusive {
            self.add(who, interest, true);
        } else {
            self.entries.insert(0, Entry { who, interest, exclusive });
        }
    }

    /// Changes what an entry waits for.
    pub(super) fn set_interest(&mut self, who: Waiter, interest: PollEvents) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.who == who) {
            entry.interest = interest;
        }
    }

    /// Takes a waiter out.
    pub(super) fn remove(&mut self, who: Waiter) {
        if let Some(at) = self.entries.iter().position(|entry| entry.who == who) {
            self.entries.remove(at);
        }
    }

    /// Whether nobody waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Tells the waiters that one of `events` has happened. Calls are marked as woken; entries of epoll sets are listed in `sets`.
    ///
    /// With `all`, exclusive waiters are all woken, as `wake_up_interruptible_all` does.
    pub(super) fn wake(&self, events: PollEvents, all: bool, sleepers: &mut Sleepers, sets: &mut Vec<SetEvent>) {
        let mut exclusive_left = !all;
        for entry in &self.entries {
            if !entry.interest.intersects(events) || (entry.exclusive && !all && !exclusive_left) {
                continue;
            }
            let told = match entry.who {
                Waiter::Call(call) => sleepers.wake(call),
                Waiter::Epoll { set, item } => {
                    sets.push(SetEvent { set, item, events });
                    true
                }
            };
            if entry.exclusive && told {
                exclusive_left = false;
            }
        }
    }
}

/// Something happened to a file that an epoll set watches.
#[derive(Clone, Copy, Debug)]
pub(super) struct SetEvent {
    pub(super) set: Key,
    pub(super) item: u32,
    pub(super) events: PollEvents,
}

#[derive(Debug)]
struct Sleeper {
    token: Token,
    woken: bool,
}

/// The parked calls of a host, and the order in which those that are woken were woken.
#[derive(Debug)]
pub(super) struct Sleepers {
    calls: Slab<Sleeper>,
    woken: VecDeque<Key>,
}

impl Sleepers {
    /// Nobody sleeps.
    pub(super) const fn new() -> Sleepers {
        Sleepers { calls: Slab::new(), woken: VecDeque::new() }
    }

    /// A call goes to sleep for the first time.
    pub(super) fn park(&mut self, token: Token) -> Key {
        self.calls.insert(Sleeper { token, woken: false })
    }

    /// A call that was woken goes to sleep again.
    pub(super) fn park_again(&mut self, call: Key) {
        self.calls[call].woken = false;
    }

    /// A call has returned; answers whether a wake had been spent on it.
    pub(super) fn leave(&mut self, call: Key) -> bool {
        self.calls.remove(call).is_some_and(|sleeper| sleeper.woken)
    }

    /// Wakes a call; `false` if it is awake already.
    #[inline]
    pub(super) fn wake(&mut self, call: Key) -> bool {
        let Some(sleeper) = self.calls.get_mut(call) else { return false };
        if sleeper.woken {
            return false;
        }
        sleeper.woken = true;
        self.woken.push_back(call);
        true
    }

    /// The next thread to be resumed; calls that have ended meanwhile are passed over.
    #[inline]
    pub(super) fn next_woken(&mut self) -> Option<Token> {
        loop {
            let call = self.woken.pop_front()?;
            if let Some(sleeper) = self.calls.get(call).filter(|sleeper| sleeper.woken) {
                return Some(sleeper.token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN: PollEvents = PollEvents::IN;

    fn sleepers_and_queue(exclusive: bool) -> (Sleepers, WaitQueue) {
        let mut sleepers = Sleepers::new();
        let mut queue = WaitQueue::default();
        for token in 1..=3 {
            let call = sleepers.park(Token(token));
            queue.add(Waiter::Call(call), IN, exclusive);
        }
        (sleepers, queue)
    }

    fn drain(sleepers: &mut Sleepers) -> Vec<u64> {
        std::iter::from_fn(|| sleepers.next_woken()).map(|token| token.0).collect()
    }

    #[test]
    fn exclusive_waiters_are_served_one_per_event_first_come_first() {
        let (mut sleepers, queue) = sleepers_and_queue(true);
        queue.wake(IN, false, &mut sleepers, &mut Vec::new());
        queue.wake(IN, false, &mut sleepers, &mut Vec::new());
        assert_eq!(drain(&mut sleepers), [1, 2]);
        queue.wake(IN, true, &mut sleepers, &mut Vec::new());
        assert_eq!(drain(&mut sleepers), [3], "those that are awake are not woken again");
    }

    #[test]
    fn other_waiters_are_all_woken_and_once() {
        let (mut sleepers, queue) = sleepers_and_queue(false);
        queue.wake(PollEvents::OUT, false, &mut sleepers, &mut Vec::new());
        assert_eq!(drain(&mut sleepers), [] as [u64; 0]);
        queue.wake(IN, false, &mut sleepers, &mut Vec::new());
        queue.wake(IN, false, &mut sleepers, &mut Vec::new());
        assert_eq!(drain(&mut sleepers), [1, 2, 3]);
    }
}
