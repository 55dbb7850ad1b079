//! Wait queues: who waits for what happens to a file, Linux's `wait_queue_head` as a value.
//!
//! An entry is a parked call or an epoll set that watches the file. Non-exclusive entries are all woken; of the exclusive ones
//! (accept, epoll_wait, pipe ends, EPOLLEXCLUSIVE) one per event, first come first served.
//!
//! A plain call that waits alone, the usual case, is kept apart, as a mere token: it gets an entry when somebody joins it.

use super::cx::Token;
use super::epoll::ItemId;
use super::fifo::Fifo;
use super::poll::{ALWAYS, KEY_READABLE, wakes};
use crate::slab::{Key, Slab};
use twinsock::PollEvents;

/// Who is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waiter {
    /// A parked call, by its key in [`Sleepers`].
    Call(Key),
    /// An entry of an epoll set, which is named by its key in the host's table of sets.
    Epoll(Key, ItemId),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    who: Waiter,
    /// What a call waits for; an epoll entry keeps its own.
    filter: PollEvents,
    exclusive: bool,
}

/// What became of a call that began to wait when nobody else did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Quiet {
    /// There is none.
    #[default]
    Nobody,
    /// It still waits alone.
    Asleep,
    /// It is woken and has not gone on yet.
    Awake,
    /// It has an entry like others, which its thread does not know yet.
    Sleeper,
}

/// The waiters of one file, in order. Most files have none, or one that waits alone: others have a place of their own.
#[derive(Debug, Default)]
pub(super) struct WaitQueue {
    /// Whose call began to wait alone.
    token: Token,
    seats: Option<Box<Seats>>,
    /// For how many bytes it has room if it is a receive.
    room: u32,
    /// What it waits for, as [`Entry`] has it, in the 16 bits of `poll(2)`.
    filter: i16,
    quiet: Quiet,
    /// Whether an event wakes only one such call.
    exclusive: bool,
}

#[derive(Debug, Default)]
struct Seats {
    entries: Vec<Entry>,
    /// That of the call that began to wait alone, while its thread does not know it.
    of_quiet: Option<Key>,
}

impl Seats {
    #[cold]
    fn are_free(&self) -> bool {
        self.entries.is_empty()
    }
}

const _: () = assert!(size_of::<WaitQueue>() == 24, "there is one for each open file");

impl WaitQueue {
    /// Those that have entries.
    #[inline]
    fn entries(&self) -> &[Entry] {
        self.seats.as_ref().map_or(&[], |seats| &seats.entries)
    }

    #[inline]
    fn entries_mut(&mut self) -> &mut Vec<Entry> {
        &mut self.seats.get_or_insert_default().entries
    }

    fn filter(&self) -> PollEvents {
        PollEvents::from_raw(i32::from(self.filter))
    }

    /// Whether nobody waits at all, so that a call may begin to wait without an entry.
    #[inline]
    pub(super) fn has_nobody(&self) -> bool {
        self.quiet == Quiet::Nobody && self.seats.as_ref().is_none_or(|seats| seats.are_free())
    }

    /// A receive on a stream begins to wait without an entry; `false`: it must have one.
    #[inline]
    pub(super) fn sit_down(&mut self, token: Token, room: usize) -> bool {
        self.sit_down_for(token, room, (RECV_FILTER, false))
    }

    /// The same for a receive of datagrams, each of which wakes one receiver.
    #[inline]
    pub(super) fn sit_down_alone(&mut self, token: Token, room: usize) -> bool {
        self.sit_down_for(token, room, (RECV_FILTER, true))
    }

    /// The same for any call, which waits for what this filter says, see [`Kind::filter`](super::task::Kind::filter).
    #[inline]
    pub(super) fn sit_down_for(&mut self, token: Token, room: usize, (filter, exclusive): (PollEvents, bool)) -> bool {
        let is_alone = self.has_nobody();
        if is_alone {
            self.quiet = Quiet::Asleep;
            self.token = token;
            self.room = u32::try_from(room).unwrap_or(u32::MAX);
            self.filter = i16::try_from(filter.raw()).expect("poll(2) has 16 bits for what a call waits for");
            self.exclusive = exclusive;
        }
        is_alone
    }

    /// Whether the thread waits here without an entry.
    #[inline]
    pub(super) fn sits(&self, token: Token) -> bool {
        match self.quiet {
            Quiet::Asleep | Quiet::Awake => self.token == token,
            Quiet::Sleeper | Quiet::Nobody => false,
        }
    }

    /// Whose call waits without an entry.
    #[inline]
    pub(super) fn asleep(&self) -> Option<Token> {
        (self.quiet == Quiet::Asleep).then_some(self.token)
    }

    /// For how many bytes that call has room; 0 if there is none.
    #[inline(always)]
    pub(super) fn room_of_asleep(&self) -> u32 {
        if self.quiet == Quiet::Asleep { self.room } else { 0 }
    }

    /// That call, of which it is known that there is one, has what it waits for, and goes on. Answers whose it is.
    #[inline(always)]
    pub(super) fn end_asleep(&mut self) -> Token {
        debug_assert_eq!(self.quiet, Quiet::Asleep, "who had room waits");
        self.quiet = Quiet::Nobody;
        self.token
    }

    /// The call that waited without an entry goes on.
    #[inline]
    pub(super) fn get_up(&mut self) {
        self.quiet = Quiet::Nobody;
    }

    /// A call that waits without an entry gets one, before others do.
    pub(super) fn seat(&mut self, sleepers: &mut Sleepers) {
        let woken = match self.quiet {
            Quiet::Asleep => false,
            Quiet::Awake => true,
            Quiet::Sleeper | Quiet::Nobody => return,
        };
        let call = sleepers.calls.insert(Sleeper { token: self.token, woken, disconnected: false });
        let entry = Entry { who: Waiter::Call(call), filter: self.filter(), exclusive: self.exclusive };
        let seats = self.seats.get_or_insert_default();
        seats.entries.push(entry);
        seats.of_quiet = Some(call);
        self.quiet = Quiet::Sleeper;
    }

    /// The entry of a thread's call that began to wait without one, which its thread knows from now on.
    pub(super) fn take_seat(&mut self, token: Token, sleepers: &mut Sleepers) -> Option<Key> {
        self.seat(sleepers);
        if self.quiet != Quiet::Sleeper || self.token != token {
            return None;
        }
        self.quiet = Quiet::Nobody;
        self.seats.as_mut()?.of_quiet.take()
    }

    /// Tells the call that waits without an entry of an event; `None`: there is none, and it is for those that have entries. The token is
    /// that of a thread which is to be woken.
    #[inline]
    pub(super) fn wake_quiet(&mut self, key: PollEvents) -> Option<Option<Token>> {
        let is_asleep = self.quiet == Quiet::Asleep;
        if is_asleep && wakes(key, self.filter()) {
            self.quiet = Quiet::Awake;
            return Some(Some(self.token));
        }
        (is_asleep || self.quiet == Quiet::Awake).then_some(None)
    }

    /// Adds a call at the end; one that is there already waits for `filter` too.
    #[inline]
    pub(super) fn add_call(&mut self, call: Key, filter: PollEvents, exclusive: bool) {
        let who = Waiter::Call(call);
        match self.entries_mut().iter_mut().find(|entry| entry.who == who) {
            Some(entry) => entry.filter |= filter,
            None => self.entries_mut().push(Entry { who, filter, exclusive }),
        }
    }

    /// Adds a call of `epoll_wait(2)`: at the head, where `__add_wait_queue_exclusive` puts it, so that the last one to come is the first
    /// to go.
    pub(super) fn add_epoll_wait(&mut self, call: Key, filter: PollEvents) {
        self.entries_mut().insert(0, Entry { who: Waiter::Call(call), filter, exclusive: true });
    }

    /// The calls that wait.
    pub(super) fn calls(&self) -> impl Iterator<Item = Key> + '_ {
        self.entries().iter().filter_map(|entry| match entry.who {
            Waiter::Call(call) => Some(call),
            Waiter::Epoll(..) => None,
        })
    }

    /// Adds an epoll entry: at the head, where `add_wait_queue` puts it, at the end if it is exclusive.
    pub(super) fn add_epoll(&mut self, set: Key, item: ItemId, exclusive: bool) {
        let entry = Entry { who: Waiter::Epoll(set, item), filter: PollEvents::NONE, exclusive };
        if exclusive {
            self.entries_mut().push(entry);
        } else {
            self.entries_mut().insert(0, entry);
        }
    }

    /// Takes a waiter out.
    #[inline]
    pub(super) fn remove(&mut self, who: Waiter) {
        let Some(seats) = &mut self.seats else { return };
        match seats.entries[..] {
            [entry] if entry.who == who => seats.entries.clear(),
            _ => seats.entries.retain(|entry| entry.who != who),
        }
    }

    /// Whether nobody waits who has an entry.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// The epoll entries that watch the file.
    pub(super) fn epoll_items(&self) -> impl Iterator<Item = (Key, ItemId)> + '_ {
        self.entries().iter().filter_map(|entry| match entry.who {
            Waiter::Call(_) => None,
            Waiter::Epoll(set, item) => Some((set, item)),
        })
    }

    /// The call that waits, if it is the only waiter, and what it waits for: the usual case.
    #[inline]
    pub(super) fn only_call(&self) -> Option<(Key, PollEvents)> {
        match *self.entries() {
            [Entry { who: Waiter::Call(call), filter, .. }] => Some((call, filter)),
            _ => None,
        }
    }

    /// Wakes the first exclusive call that is not awake already and waits for this key.
    pub(super) fn wake_next(&self, key: PollEvents, mut wake: impl FnMut(Key) -> bool) {
        for entry in self.entries().iter().filter(|entry| entry.exclusive && wakes(key, entry.filter)) {
            if let Waiter::Call(call) = entry.who
                && wake(call)
            {
                return;
            }
        }
    }

    /// The next whom an event with this wake-up key is told, `__wake_up`: everybody who waits for it, but only one exclusive waiter that takes it, unless
    /// `all`. What the one before has answered is for [`Round::took`].
    pub(super) fn next_told(&self, round: &mut Round, key: PollEvents, all: bool) -> Option<Waiter> {
        while let Some(entry) = self.entries().get(round.at) {
            round.at += 1;
            let is_filtered = match entry.who {
                Waiter::Call(_) => !wakes(key, entry.filter),
                Waiter::Epoll(..) => false,
            };
            if is_filtered || (entry.exclusive && round.is_taken && !all) {
                continue;
            }
            round.is_exclusive = entry.exclusive;
            return Some(entry.who);
        }
        None
    }

    /// Tells them all.
    pub(super) fn wake(&self, key: PollEvents, all: bool, mut tell: impl FnMut(Waiter) -> bool) {
        let mut round = Round::default();
        while let Some(who) = self.next_told(&mut round, key, all) {
            round.took(tell(who));
        }
    }
}

/// How far an event has been told.
#[derive(Debug, Default)]
pub(super) struct Round {
    at: usize,
    /// Whether the one that is being told is exclusive.
    is_exclusive: bool,
    /// Whether an exclusive one has taken the event.
    is_taken: bool,
}

impl Round {
    /// Whether the one that was told took the event; one that is awake already does not.
    pub(super) fn took(&mut self, took: bool) {
        self.is_taken |= self.is_exclusive && took;
    }
}

/// What a receive waits for.
pub(super) const RECV_FILTER: PollEvents = PollEvents::from_raw(KEY_READABLE.raw() | ALWAYS.raw());

#[derive(Debug)]
struct Sleeper {
    token: Token,
    woken: bool,
    /// Its socket was disconnected meanwhile, `sk_disconnects`.
    disconnected: bool,
}

/// The parked calls of a host, and the order in which those that are woken were woken.
///
/// The fields stand in memory as they stand here: what every receive looks at is at the beginning.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Sleepers {
    woken: Fifo<Woken>,
    calls: Slab<Sleeper>,
}

/// Somebody who was woken.
#[derive(Clone, Copy, Debug)]
enum Woken {
    /// A call of [`Sleepers`].
    Call(Key),
    /// A thread that waits without an entry.
    Quiet(Token),
}

impl Sleepers {
    /// Nobody sleeps.
    pub(super) const fn new() -> Sleepers {
        Sleepers { calls: Slab::new(), woken: Fifo::new() }
    }

    /// A call goes to sleep for the first time.
    #[inline]
    pub(super) fn park(&mut self, token: Token) -> Key {
        self.calls.insert(Sleeper { token, woken: false, disconnected: false })
    }

    /// The socket on which a call waits is disconnected.
    pub(super) fn disconnect(&mut self, call: Key) {
        if let Some(sleeper) = self.calls.get_mut(call) {
            sleeper.disconnected = true;
        }
    }

    /// Whether the socket was disconnected while the call waited.
    pub(super) fn is_disconnected(&self, call: Key) -> bool {
        self.calls.get(call).is_some_and(|sleeper| sleeper.disconnected)
    }

    /// A call that was woken goes to sleep again.
    pub(super) fn park_again(&mut self, call: Key) {
        if let Some(sleeper) = self.calls.get_mut(call) {
            sleeper.woken = false;
        }
    }

    /// A call has returned; answers whether a wake had been spent on it.
    #[inline]
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
        self.woken.push(Woken::Call(call));
        true
    }

    /// Wakes a thread that waits without an entry.
    #[inline]
    pub(super) fn wake_quiet(&mut self, token: Token) {
        self.woken.push(Woken::Quiet(token));
    }

    /// Whether somebody was woken whom nobody knows of yet.
    #[inline]
    pub(super) fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// Takes out who is to be resumed, if that is one thread alone, and one that waits without an entry.
    #[inline]
    pub(super) fn only_woken(&mut self) -> Option<Token> {
        match self.woken.pop_only()? {
            Woken::Quiet(token) => Some(token),
            call @ Woken::Call(_) => {
                self.woken.push(call);
                None
            }
        }
    }

    /// The next thread to be resumed; calls that have gone on meanwhile are passed over.
    #[inline]
    pub(super) fn next_woken(&mut self) -> Option<Token> {
        loop {
            match self.woken.pop()? {
                Woken::Quiet(token) => return Some(token),
                Woken::Call(call) => {
                    if let Some(sleeper) = self.calls.get(call).filter(|sleeper| sleeper.woken) {
                        return Some(sleeper.token);
                    }
                }
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
            queue.add_call(call, IN, exclusive);
        }
        (sleepers, queue)
    }

    fn wake(sleepers: &mut Sleepers, queue: &WaitQueue, key: PollEvents, all: bool) -> Vec<u64> {
        queue.wake(key, all, |who| match who {
            Waiter::Call(call) => sleepers.wake(call),
            Waiter::Epoll(..) => unreachable!("no epoll set in this test"),
        });
        std::iter::from_fn(|| sleepers.next_woken()).map(|token| token.0).collect()
    }

    #[test]
    fn exclusive_waiters_are_served_one_per_event_first_come_first() {
        let (mut sleepers, queue) = sleepers_and_queue(true);
        assert_eq!(wake(&mut sleepers, &queue, IN, false), [1]);
        assert_eq!(wake(&mut sleepers, &queue, IN, false), [2]);
        assert_eq!(wake(&mut sleepers, &queue, PollEvents::NONE, true), [3], "those that are awake are not woken again");
    }

    #[test]
    fn other_waiters_are_all_woken_and_once() {
        let (mut sleepers, queue) = sleepers_and_queue(false);
        assert_eq!(wake(&mut sleepers, &queue, PollEvents::OUT, false), [] as [u64; 0]);
        assert_eq!(wake(&mut sleepers, &queue, IN, false), [1, 2, 3]);
        assert_eq!(wake(&mut sleepers, &queue, IN, false), [] as [u64; 0]);
    }
}
