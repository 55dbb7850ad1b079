//! The last events: a ring in a plain array. Every event of a run passes through it, so what is kept of the usual ones is a few words,
//! and an [`Event`] is made of them when somebody asks.

use super::event::{CallName, Event, Place, What, Words};
use std::net::IpAddr;
use twinsock::{Instant, Result};

/// What is kept of an event.
#[derive(Clone, Debug)]
pub(super) enum Record {
    /// A packet that carried a segment.
    Segment { at: Instant, words: Words, src: IpAddr, dst: IpAddr, why: &'static str },
    /// A call's end.
    CallEnd { at: Instant, place: Place, call: CallName, fd: Option<i32>, result: Result<usize> },
    /// Another event, as it is.
    Event(Event),
}

impl Record {
    fn event(&self) -> Event {
        match self {
            Record::Segment { at, words, src, dst, why } => words.segment_event(*at, *src, *dst, why),
            Record::CallEnd { at, place, call, fd, result } => {
                Event { at: *at, place: *place, what: What::CallEnd { call: *call, fd: *fd, result: *result } }
            }
            Record::Event(event) => event.clone(),
        }
    }
}

/// The last records.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    records: Vec<Record>,
    records_max: usize,
    /// Where the next one goes: to the oldest one's place, once all are taken.
    next: usize,
}

impl Kept {
    /// Room for so many.
    pub(super) fn new(records_max: usize) -> Kept {
        Kept { records: Vec::with_capacity(records_max), records_max, next: 0 }
    }

    #[inline]
    pub(super) fn keep(&mut self, record: Record) {
        let at = self.next;
        self.next = if at + 1 < self.records_max { at + 1 } else { 0 };
        match self.records.get_mut(at) {
            Some(oldest) => *oldest = record,
            None => self.fill(record),
        }
    }

    #[cold]
    fn fill(&mut self, record: Record) {
        self.records.push(record);
    }

    /// The events, oldest first.
    pub(super) fn events(&self) -> impl Iterator<Item = Event> {
        let (newer, older) = self.records.split_at(self.next.min(self.records.len()));
        older.iter().chain(newer).map(Record::event)
    }
}
