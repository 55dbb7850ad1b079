//! The last events: a ring in a plain array. Every event of a run passes through it, so what is kept of the usual ones is a few words,
//! and an [`Event`] is made of them when somebody asks.

use super::RECORDS;
use super::event::{CallName, Event, What};
use super::packets::{PacketKind, Words};
use super::place::Place;
use super::recording::Recording;
use std::collections::VecDeque;
use twinsock::{Instant, Result};

/// What is kept of an event in the ring.
#[derive(Clone, Copy, Debug)]
pub(super) enum Record {
    /// A packet that carried a segment or datagram over IPv4, sent or delivered.
    Packet { at: Instant, host: u32, kind: PacketKind, line: Words },
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
    /// A ring: record `number` is at `number & mask`. It holds a few more than are shown.
    records: Vec<Record>,
    records_max: usize,
    mask: usize,
    /// The number of the next record.
    next: usize,
    /// Events that are not usual, as they are, each with the number of its [`Record::Other`], some of which may be gone.
    others: VecDeque<(usize, Event)>,
    /// The whole run, if that was asked for.
    pub(super) recording: Option<Box<Recording>>,
    /// What somebody listens for.
    #[cfg(feature = "tracing")]
    pub(super) untold: Option<Box<super::untold::Untold>>,
}

impl Kept {
    /// Room for so many; with 0, none are kept.
    pub(super) fn new(records_max: usize) -> Kept {
        let size = records_max.next_power_of_two();
        Kept {
            records: Vec::with_capacity(size),
            records_max,
            mask: size - 1,
            next: 0,
            others: VecDeque::new(),
            recording: None,
            #[cfg(feature = "tracing")]
            untold: None,
        }
    }

    #[inline(always)]
    pub(super) fn keep(&mut self, record: Record) {
        let at = self.next & self.mask;
        self.next += 1;
        match self.records.get_mut(at) {
            Some(oldest) => *oldest = record,
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
            | What::Waits
            | What::Wake
            | What::PacketMet(..)
            | What::Network { .. }
            | What::ProcessStart
            | What::ProcessExit
            | What::ProcessKill
            | What::ProcessPanic { .. }
            | What::Machine(_)
            | What::CallFault { .. }
            | What::Signal { .. }
            | What::Name { .. } => self.keep_other(event),
        }
    }

    /// Keeps an event that is not usual.
    pub(super) fn keep_other(&mut self, event: Event) {
        while self.others.front().is_some_and(|(number, _)| number + self.records_max <= self.next) {
            self.others.pop_front();
        }
        self.others.push_back((self.next, event));
        self.keep(Record::Other);
    }

    /// Whether somebody wants to know of calls in full.
    #[inline]
    pub(super) fn wants_calls(&self) -> bool {
        #[cfg(feature = "tracing")]
        if RECORDS && self.untold.as_ref().is_some_and(|untold| untold.wants(super::Topic::Call)) {
            return true;
        }
        self.is_recording()
    }

    /// Whether the whole run is kept.
    #[inline(always)]
    pub(super) fn is_recording(&self) -> bool {
        RECORDS && self.recording.is_some()
    }

    /// The whole run, where it is kept.
    #[inline(always)]
    pub(super) fn recording_mut(&mut self) -> Option<&mut Recording> {
        if RECORDS { self.recording.as_deref_mut() } else { None }
    }

    /// Keeps an event for whoever listens.
    #[cfg(feature = "tracing")]
    #[inline]
    pub(super) fn tell(&mut self, step: u64, topic: Option<super::untold::Topic>, event: impl FnOnce() -> Event) {
        if RECORDS && let Some(untold) = &mut self.untold {
            untold.add(step, topic, event);
        }
    }

    #[cold]
    fn fill(&mut self, record: Record) {
        self.records.push(record);
    }

    /// The events, oldest first.
    pub(super) fn events(&self) -> impl Iterator<Item = Event> {
        let mut others = self.others.iter();
        (self.next.saturating_sub(self.records_max)..self.next).map(move |number| match self.records[number & self.mask] {
            Record::Packet { at, host, kind, line } => line.packet_event(at, host, kind, ""),
            Record::CallEnd { at, place, call, fd, result } => Event { at, place, what: What::CallEnd { call, fd, result } },
            Record::Timer { at, place } => Event { at, place, what: What::Timer },
            Record::Choice { at, place, door, n, value } => Event { at, place, what: What::Choice { door, n, value } },
            Record::Other => {
                let other = others.find(|(of, _)| *of == number);
                other.expect("each of the other events is kept").1.clone()
            }
        })
    }
}
