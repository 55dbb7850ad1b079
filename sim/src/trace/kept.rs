//! The last events: a ring in a plain array. Every event of a run passes through it, so what is kept of the usual ones is a few words,
//! and an [`Event`] is made of them when somebody asks.

use super::RECORDS;
use super::bytes::halves;
use super::event::{CallWords, Event, What};
use super::packets::{PacketKind, Words, pair};
use super::place::Place;
use super::recording::Recording;
use std::collections::VecDeque;
use twinsock::Instant;

/// What is kept of an event in the ring. All have the same fields, so that each is written to where it stays, and no other words are touched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) at: Instant,
    pub(super) kind: RecordKind,
    /// The host of a packet.
    pub(super) host: u32,
    pub(super) words: Words,
    /// The name of a call, or of a choice's door.
    pub(super) name: &'static str,
}

/// Of what kind of event, and so what the words of a [`Record`] are.
#[derive(Clone, Copy, Debug)]
pub(super) enum RecordKind {
    /// A packet that carried a segment or datagram over IPv4, sent or delivered: its words.
    Packet(PacketKind),
    /// A call of this name returned, which is about a descriptor, or about none: its [`CallWords`].
    CallEnd { has_fd: bool },
    /// A timer of a host went off: where.
    Timer,
    /// A choice: where, of how many answers, and which.
    Choice,
    /// The next one of the other events.
    Other,
}

impl Record {
    /// One of the other events.
    const OTHER: Record = Record { at: Instant::ZERO, kind: RecordKind::Other, host: 0, words: Words::NONE, name: "" };

    /// Becomes that of a timer.
    fn set_timer(&mut self, at: Instant, place: Place) {
        (self.at, self.kind) = (at, RecordKind::Timer);
        self.set_place(place);
    }

    /// Becomes that of a choice.
    #[inline(always)]
    pub(super) fn set_choice(&mut self, at: Instant, place: Place, name: &'static str, (n, value): (u32, u32)) {
        (self.at, self.kind, self.name) = (at, RecordKind::Choice, name);
        self.set_place(place);
        self.words.addrs = pair(n, value);
    }

    #[inline(always)]
    fn set_place(&mut self, place: Place) {
        self.words.numbers = pair(place.host, place.pid);
        self.words.header = u64::from(place.thread);
    }

    fn place(&self) -> Place {
        let ([pid, host], [thread, _]) = (halves(self.words.numbers), halves(self.words.header));
        Place { host, pid, thread }
    }

    /// The event, unless it is one of the others.
    fn event(&self) -> Option<Event> {
        let Record { at, kind, host, words, name } = *self;
        Some(match kind {
            RecordKind::Packet(kind) => words.packet_event(at, host, kind, ""),
            RecordKind::CallEnd { has_fd } => CallWords::of_record(words).event(at, name, has_fd),
            RecordKind::Timer => Event { at, place: self.place(), what: What::Timer },
            RecordKind::Choice => {
                let [value, n] = halves(words.addrs);
                Event { at, place: self.place(), what: What::Choice { door: name, n, value } }
            }
            RecordKind::Other => return None,
        })
    }
}

/// The last records, and whoever wants to know of everything.
///
/// The usual event finds its place in the ring by one look. That fails when the ring has come to its end, and for every event while somebody is attending:
/// the ring is aside then. So an event costs nothing more for what is seldom.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// A ring: record `number` is in place `number % size`. It holds a few more than are shown.
    records: Vec<Record>,
    /// The place of the next record.
    next: usize,
    /// The number of the record in the first place.
    before: usize,
    size: usize,
    /// How many are shown.
    records_max: usize,
    /// Somebody is attending, and the ring is aside.
    is_attended: bool,
    aside: Vec<Record>,
    /// Events that are not usual, as they are, each with the number of its [`Record::Other`], some of which may be gone.
    others: VecDeque<(usize, Event)>,
    recording: Option<Box<Recording>>,
    /// What somebody listens for.
    #[cfg(feature = "tracing")]
    untold: Option<Box<super::untold::Untold>>,
}

/// The least size of a ring, also where none of it is shown.
const SIZE_MIN: usize = 64;

impl Default for Kept {
    fn default() -> Kept {
        Kept::new(0)
    }
}

impl Kept {
    /// Room for so many; with 0, none are shown.
    pub(super) fn new(records_max: usize) -> Kept {
        Kept {
            records: Vec::with_capacity(records_max),
            next: 0,
            before: 0,
            size: records_max.max(SIZE_MIN),
            records_max,
            is_attended: false,
            aside: Vec::new(),
            others: VecDeque::new(),
            recording: None,
            #[cfg(feature = "tracing")]
            untold: None,
        }
    }

    /// Keeps the whole run from here on.
    pub(super) fn record(&mut self, recording: Recording) {
        self.recording = Some(Box::new(recording));
        self.attend();
    }

    /// The whole run, as far as it was kept; no more of it is.
    pub(super) fn take_recording(&mut self) -> Option<Recording> {
        let recording = self.recording.take();
        self.attend();
        recording.map(|recording| *recording)
    }

    /// Somebody listens from here on.
    #[cfg(feature = "tracing")]
    pub(super) fn listen(&mut self, untold: super::untold::Untold) {
        self.untold = Some(Box::new(untold));
        self.attend();
    }

    /// What somebody listens for.
    #[cfg(feature = "tracing")]
    pub(super) fn untold_mut(&mut self) -> Option<&mut super::untold::Untold> {
        self.untold.as_deref_mut()
    }

    /// Puts the ring aside if somebody is attending, and back if not.
    fn attend(&mut self) {
        let is_attended = RECORDS && (self.recording.is_some() || self.is_listened_to());
        if self.is_attended != is_attended {
            self.is_attended = is_attended;
            std::mem::swap(&mut self.records, &mut self.aside);
        }
    }

    #[cfg(feature = "tracing")]
    fn is_listened_to(&self) -> bool {
        self.untold.is_some()
    }

    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "nobody can listen")]
    fn is_listened_to(&self) -> bool {
        false
    }

    /// Whether somebody wants to know of everything.
    #[inline(always)]
    pub(super) fn is_attended(&self) -> bool {
        RECORDS && self.is_attended
    }

    /// Keeps a record, which is written over another. Answers whether somebody wants to know of everything.
    #[inline(always)]
    pub(super) fn keep(&mut self, write: impl FnOnce(&mut Record)) -> bool {
        match self.records.get_mut(self.next) {
            Some(oldest) => {
                write(oldest);
                self.next += 1;
                false
            }
            None => {
                let (oldest, is_attended) = self.find_place();
                write(oldest);
                RECORDS && is_attended
            }
        }
    }

    /// The place of the next record, wherever the ring is, and whether somebody is attending.
    #[cold]
    #[inline(never)]
    fn find_place(&mut self) -> (&mut Record, bool) {
        if self.next >= self.ring_mut().len() {
            return self.find_place_behind();
        }
        self.take_place()
    }

    /// The same behind all records that are in the ring: that is at its end, or grows.
    #[inline(never)]
    fn find_place_behind(&mut self) -> (&mut Record, bool) {
        if self.next == self.size {
            self.before += self.size;
            self.next = 0;
        }
        if self.next == self.ring_mut().len() {
            self.ring_mut().push(Record::OTHER);
        }
        self.take_place()
    }

    #[inline(always)]
    fn take_place(&mut self) -> (&mut Record, bool) {
        let (next, is_attended) = (self.next, self.is_attended);
        self.next += 1;
        (&mut self.ring_mut()[next], is_attended)
    }

    /// The ring, wherever it is.
    #[inline(always)]
    fn ring_mut(&mut self) -> &mut Vec<Record> {
        if self.is_attended { &mut self.aside } else { &mut self.records }
    }

    /// How many records there were so far: the number of the next one.
    pub(super) fn count(&self) -> usize {
        self.before + self.next
    }

    /// Keeps an event as what it is.
    #[inline]
    pub(super) fn keep_event(&mut self, event: Event) {
        let Event { at, place, what } = &event;
        match what {
            What::Timer => _ = self.keep(|record| record.set_timer(*at, *place)),
            What::Choice { door, n, value } => _ = self.keep(|record| record.set_choice(*at, *place, door, (*n, *value))),
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
        if self.records_max > 0 {
            let number = self.count();
            while self.others.front().is_some_and(|(other, _)| other + self.records_max <= number) {
                self.others.pop_front();
            }
            self.others.push_back((number, event));
        }
        self.keep(|record| record.kind = RecordKind::Other);
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

    /// The events, oldest first.
    pub(super) fn events(&self) -> impl Iterator<Item = Event> {
        let mut others = self.others.iter();
        let ring = if self.is_attended { &self.aside } else { &self.records };
        let next = self.count();
        (next.saturating_sub(self.records_max)..next).map(move |number| {
            ring[number % self.size].event().unwrap_or_else(|| {
                let other = others.find(|(of, _)| *of == number);
                other.expect("each of the other events is kept").1.clone()
            })
        })
    }
}
