//! What is known of threads while they run: where each is, since when it waits, and what its descriptor was connected to when it used it last.

use crate::trace::event::CallName;
use crate::trace::packets::pair;
use crate::trace::place::Place;
use crate::trace::recording::{CallEnd, Connection, Ends};
use std::collections::BTreeMap;
use twinsock::Instant;

/// The threads of a run, by their numbers.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Threads {
    all: Vec<Thread>,
    /// What descriptors were connected to when they were seen last, for the call that closes them.
    connections: BTreeMap<Descriptor, Connected>,
    /// Counts the times that what threads know of connections was made void.
    voids: u64,
    /// Counts the chunks: numbers that were given in an earlier one are void.
    chunks: u64,
}

/// Host and process, as one word, and number of a descriptor.
type Descriptor = (u64, i32);

/// What a descriptor is connected to.
#[derive(Clone, PartialEq, Eq)]
struct Connected {
    ends: Ends,
    /// Its number in the chunk that has room, if [`Threads::chunks`] is still this.
    number: u32,
    chunks: u64,
}

/// What has come of a call that ends.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    /// When it was made.
    pub(super) since: Instant,
    /// The number of what its descriptor is connected to; 0 if that is nothing.
    pub(super) connection: u32,
    /// Its place follows from its thread's number; if not, that is not known.
    pub(super) knows_place: bool,
}

/// What is known of a thread.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Thread {
    /// Where it runs; [`NOWHERE`] if it has not been seen yet.
    place: Place,
    /// When the call was made in which it waits; [`NEVER`] if it does not.
    called: Instant,
    /// The descriptor that it used last.
    fd: i32,
    /// The number of that connection in the chunk that has room.
    number: u32,
    /// Its ends, or [`UNCONNECTED`], and [`Threads::voids`] when that was looked up.
    ends: [u64; 2],
    voids: u64,
}

const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// No place.
const NOWHERE: Place = Place { host: u32::MAX, pid: u32::MAX, thread: u32::MAX };

/// In place of the ends of what has none: no connection has ports of this number.
const UNCONNECTED: [u64; 2] = [0; 2];

const UNSEEN: Thread = Thread { place: NOWHERE, called: NEVER, fd: -1, number: 0, ends: UNCONNECTED, voids: u64::MAX };

/// The number of a thread whose place does not follow from its own.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// By how many numbers a thread may be ahead of those seen so far.
const SKIPPED_MAX: usize = 1 << 16;

fn index(thread: u32) -> usize {
    usize::try_from(thread).unwrap_or(usize::MAX)
}

impl Threads {
    /// Whether a place follows from its thread's number.
    #[inline(always)]
    pub(super) fn knows(&self, place: Place) -> bool {
        self.all.get(index(place.thread)).is_some_and(|thread| thread.place == place)
    }

    /// Takes note of a place; whether it follows from its thread's number from now on.
    pub(super) fn learn(&mut self, place: Place) -> bool {
        self.note(place).is_some_and(|thread| {
            if thread.place == NOWHERE {
                thread.place = place;
            }
            thread.place == place
        })
    }

    /// The place of a thread.
    pub(super) fn place(&self, thread: u32) -> Place {
        self.all[index(thread)].place
    }

    /// What is known of a thread; nothing if its number is one that no run gives. Threads are numbered from 0 on.
    #[inline(always)]
    fn note(&mut self, place: Place) -> Option<&mut Thread> {
        let index = index(place.thread);
        if index >= self.all.len() && !self.make_place(index) {
            return None;
        }
        self.all.get_mut(index)
    }

    #[cold]
    #[inline(never)]
    fn make_place(&mut self, index: usize) -> bool {
        let follows = index <= self.all.len() + SKIPPED_MAX;
        if follows {
            self.all.resize(index + 1, UNSEEN);
        }
        follows
    }

    /// A thread begins to wait for a call to return, or goes on waiting.
    #[inline(always)]
    pub(super) fn waits(&mut self, place: Place, at: Instant) {
        if let Some(thread) = self.note(place)
            && thread.called == NEVER
        {
            thread.called = at;
        }
    }

    /// Another chunk begins, with numbers of its own.
    pub(super) fn forget_numbers(&mut self) {
        self.voids += 1;
        self.chunks += 1;
    }

    /// What has come of the call of a thread, whose descriptor is connected as `ends` says; `numbers` are the connections that have a number.
    #[inline(always)]
    pub(super) fn ended(&mut self, end: CallEnd, ends: Option<&Ends>, numbers: &mut Vec<Connection>) -> Ended {
        let words = match ends {
            Some(Ends::V4(words)) => Some(words),
            Some(Ends::Other(_)) => None,
            None => Some(&UNCONNECTED),
        };
        if let Some(words) = words
            && let Some(thread) = self.all.get_mut(index(end.place.thread))
            && thread.voids == self.voids
            && (Some(thread.fd), thread.ends, thread.place) == (end.fd, *words, end.place)
            && (ends.is_some() || !end.call.is(const { CallName::new("dup3") }))
        {
            return Ended { since: thread.end(end.at), connection: thread.number, knows_place: true };
        }
        self.ended_otherwise(end, ends, numbers)
    }

    /// The same, if that is not what the thread did last.
    #[inline(never)]
    fn ended_otherwise(&mut self, end: CallEnd, ends: Option<&Ends>, numbers: &mut Vec<Connection>) -> Ended {
        let since = self.note(end.place).map_or(end.at, |thread| thread.end(end.at));
        // dup2(2): the number stands for something else from here on.
        if end.call == const { CallName::new("dup3") }
            && let Some(fd) = end.result.ok().and_then(|fd| i32::try_from(fd).ok())
        {
            self.connections.remove(&(pair(end.place.host, end.place.pid), fd));
            self.voids += 1;
        }
        let connection = end.fd.map_or(0, |fd| self.connection(end, fd, ends, numbers));
        Ended { since, connection, knows_place: false }
    }

    /// The number of what a descriptor is connected to; 0 if that is nothing.
    fn connection(&mut self, end: CallEnd, fd: i32, ends: Option<&Ends>, numbers: &mut Vec<Connection>) -> u32 {
        let key = (pair(end.place.host, end.place.pid), fd);
        let chunks = self.chunks;
        let mut number = |known: &mut Connected| {
            if known.chunks != chunks {
                numbers.push(known.ends.connection());
                known.number = u32::try_from(numbers.len()).expect("a chunk has few events");
                known.chunks = chunks;
            }
            known.number
        };
        let Some(ends) = ends else {
            if end.call != const { CallName::new("close") } {
                let known = self.connections.get_mut(&key);
                let (is_known, number, voids) = (known.is_some(), known.map_or(0, number), self.voids);
                if let Some(thread) = self.note(end.place)
                    && !is_known
                {
                    (thread.ends, thread.fd, thread.voids, thread.number) = (UNCONNECTED, fd, voids, 0);
                }
                return number;
            }
            let last = self.connections.remove(&key);
            self.voids += 1;
            return last.map_or(0, |mut known| number(&mut known));
        };
        let unnumbered = || Connected { ends: ends.clone(), number: 0, chunks: 0 };
        let voids = &mut self.voids;
        let known = self.connections.entry(key).or_insert_with(|| {
            // Who knows of it that it is nothing is wrong now.
            *voids += 1;
            unnumbered()
        });
        if known.ends != *ends {
            *known = unnumbered();
        }
        let (number, voids) = (number(known), self.voids);
        if let (Ends::V4(words), Some(thread)) = (ends, self.note(end.place)) {
            (thread.ends, thread.fd, thread.voids, thread.number) = (*words, fd, voids, number);
        }
        number
    }
}

impl Thread {
    /// A call ends; when it was made.
    #[inline(always)]
    fn end(&mut self, at: Instant) -> Instant {
        if self.called == NEVER { at } else { std::mem::replace(&mut self.called, NEVER) }
    }
}
