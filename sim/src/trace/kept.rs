//! The last events: a ring in a plain array. Every event of a run passes through it, so what is kept of the usual ones is a few words,
//! and an [`Event`] is made of them when somebody asks.

use super::event::{CallName, Event, Place, What, Words};
use std::collections::VecDeque;
use twinsock::{Instant, Result};

/// What is kept of an event in the ring.
#[derive(Clone, Copy, Debug)]
pub(super) enum Record {
    /// A packet that carried a segment over IPv4, sent or delivered; `addrs` are its source and destination.
    Segment { at: Instant, words: Words, addrs: u64 },
    /// A call's end.
    CallEnd { at: Instant, place: Place, call: CallName, fd: Option<i32>, result: Result<usize> },
    /// A timer of a host went off.
    Timer { at: Instant, place: Place },
    /// A choice.
    Choice { at: Instant, place: Place, door: &'static str, n: u32, value: u32 },
    /// The next one of the other events.
    Other,
}

/// The last records.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    records: Vec<Record>,
    records_max: usize,
    /// Where the next one goes: to the oldest one's place, once all are taken.
    next: usize,
    /// Events that are not usual, as they are, one for each [`Record::Other`].
    others: VecDeque<Event>,
}

impl Kept {
    /// Room for so many.
    pub(super) fn new(records_max: usize) -> Kept {
        Kept { records: Vec::with_capacity(records_max), records_max, next: 0, others: VecDeque::new() }
    }

    #[inline]
    pub(super) fn keep(&mut self, record: Record) {
        let at = self.next;
        self.next = if at + 1 < self.records_max { at + 1 } else { 0 };
        match self.records.get_mut(at) {
            Some(oldest) => {
                if matches!(oldest, Record::Other) {
                    self.others.pop_front();
                }
                *oldest = record;
            }
            None => self.fill(record),
        }
    }

    /// Keeps an event as what it is.
    #[inline]
    pub(super) fn keep_event(&mut self, event: Event) {
        let Event { at, place, what } = &event;
        match what {
            What::Timer => self.keep(Record::Timer { at: *at, place: *place }),
            What::Choice { door, n, value } => {
                self.keep(Record::Choice { at: *at, place: *place, door, n: *n, value: *value });
            }
            What::CallEnd { .. }
            | What::PacketSent(_)
            | What::PacketDelivered(_)
            | What::PacketDropped(..)
            | What::PacketMet(..)
            | What::Network { .. }
            | What::ProcessStart
            | What::ProcessExit
            | What::ProcessKill
            | What::ProcessPanic { .. }
            | What::Machine(_)
            | What::CallFault { .. } => self.keep_other(event),
        }
    }

    /// Keeps an event that is not usual.
    pub(super) fn keep_other(&mut self, event: Event) {
        self.keep(Record::Other);
        self.others.push_back(event);
    }

    #[cold]
    fn fill(&mut self, record: Record) {
        self.records.push(record);
    }

    /// The events, oldest first.
    pub(super) fn events(&self) -> impl Iterator<Item = Event> {
        let (newer, older) = self.records.split_at(self.next.min(self.records.len()));
        let mut others = self.others.iter();
        older.iter().chain(newer).map(move |record| match *record {
            Record::Segment { at, words, addrs } => words.segment_event(at, addrs),
            Record::CallEnd { at, place, call, fd, result } => Event { at, place, what: What::CallEnd { call, fd, result } },
            Record::Timer { at, place } => Event { at, place, what: What::Timer },
            Record::Choice { at, place, door, n, value } => Event { at, place, what: What::Choice { door, n, value } },
            Record::Other => others.next().expect("each of the other events is kept").clone(),
        })
    }
}
