//! A recording's events in a row, packed: a few words for a call or a packet, stored as they come. They become [`Recorded`] values when somebody
//! reads them, and whatever takes time (names, text, the options' meaning) is left until then.
//!
//! A log is chunks (`chunk.rs`), and when it has reached its limit the oldest chunk goes: the last events of a run are those that somebody wants to
//! see. What happens often (calls, waits, TCP and UDP over IPv4, timers, choices) is packed; anything else is kept as the value that it is. An event is
//! its head and, by its kind, more words, and text or data behind them:
//!
//! ```text
//! head   = kind (8 bits), turns since the event before (8), by kind (16), nanoseconds since the event before (32)
//! ```
//!
//! Where a head has no room for the time that has passed, [`kind::MOMENT`] comes before it and says when it is; where an event's place does not follow
//! from its thread's number (`threads.rs`), [`kind::PLACE`] says where it is.

mod chunk;
mod events;
mod options;
mod threads;

use super::arguments::{Arguments, DATA_SHOWN_MAX_BYTES};
use super::event::{CallName, Event, What};
use super::packets::{PacketKind, Words, pair};
use super::place::Place;
use super::recording::{CallEnd, Ends, Memory, Recorded, Transfer};
use crate::packet::{Body, Packet, Payload};
use chunk::{CHUNK_HELD_BYTES, Chunk, HELD_MAX_BYTES};
use events::Events;
use std::collections::VecDeque;
use std::fmt;
use threads::{Ended, Threads, UNKNOWN};
use twinsock::Instant;
use twinsock::raw::RawFd;

/// The events, and what their numbers stand for.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Log {
    /// The chunk that has room.
    now: Chunk,
    /// Those before, oldest first.
    full: VecDeque<Chunk>,
    /// At so many bytes of `now` another chunk is begun.
    full_at: usize,
    memory: Memory,
    /// How many events may be kept.
    events_max: usize,
    /// How many are in `full`.
    events: usize,
    /// How many went with the oldest chunks.
    dropped: u64,
    /// How many packets that were sent went with them.
    dropped_sent: u32,
    /// How many bytes the full chunks hold.
    held_bytes: usize,
    threads: Threads,
    /// Names of calls and doors, and reasons.
    words: Vec<&'static str>,
    // The event before, in this chunk.
    at: u64,
    step: u64,
    echo: Echo,
}

/// How the data of the last packet that had so much began: what a program sends or receives is mostly that, and is kept once then.
type Echo = [u8; DATA_SHOWN_MAX_BYTES];

/// How long the name of a short form is: that of an IPv4 address, `ip(7)`.
const NAME_BYTES: usize = 16;
/// Of data longer than that a packet's own is kept, not a copy.
const COPIED_MAX_BYTES: usize = 256;
/// What an unpacked event is counted as.
const OTHER_BYTES: usize = 256;

/// Which event it is, and the words after its head; two in brackets share one, the first in its lower half.
mod kind {
    /// `[thread, fd]`, since when, the result, `[connection, length]`; the head has the call's name and the bits of `call`. The arguments follow.
    pub const CALL: u8 = 5;
    /// `[thread, fd]`, `[room, whether a name is asked for]`; the flags are in the head.
    pub const WAITS_RECV: u8 = 6;
    /// `[thread, length]`; the call's name is in the head, the arguments follow.
    pub const WAITS_CALL: u8 = 7;
    /// `[thread, length]`; the text follows.
    pub const WAITS_FOR: u8 = 8;
    /// `[thread, 0]`.
    pub const WAKE: u8 = 9;
    /// `[host, what options.rs makes of the packet]`, the header's words, and those of the options; TTL and TOS are in the head. The data follows.
    pub const SENT: u8 = 10;
    /// `[host, number]`: a packet arrives as it was sent under this number, in the same chunk.
    pub const ARRIVED: u8 = 11;
    /// `[host, why]`, the header's words; what becomes of it is in the head.
    pub const PACKET: u8 = 12;
    /// `[host, 0]`.
    pub const TIMER: u8 = 13;
    /// `[n, value]`; the door is in the head.
    pub const CHOICE: u8 = 14;
    /// One word of nothing: it is the next of the chunk's other events.
    pub const OTHER: u8 = 15;
    /// No event: the time and the turn, a word each, from which the next event counts.
    pub const MOMENT: u8 = 16;
    /// No event: `[host, pid]`, `[thread, 0]`: where the next event is, if its thread is [`UNKNOWN`](super::threads::UNKNOWN).
    pub const PLACE: u8 = 17;
    /// `[thread, fd]`, `[connection, length]`; the flags are in the head. What the bits say follows: the name, and the data's beginning.
    pub const SEND: u8 = 0x20;
    /// `[thread, fd]`, `[connection, length]`, `[room, nanoseconds since it was called]`; the rest as of [`SEND`].
    pub const RECV: u8 = 0x24;
    pub const TRANSFERS_END: u8 = 0x28;
    /// A bit of these two: the data begins as the last packet's did, and does not follow.
    pub const AGAIN: u8 = 1;
    /// Another: there is a name.
    pub const NAMED: u8 = 2;
}

/// What the head of a [`kind::CALL`] holds besides the number of its name.
mod call {
    pub const HAS_FD: u16 = 1 << 15;
    pub const HAS_FAILED: u16 = 1 << 14;
    pub const NAME: u16 = HAS_FAILED - 1;
}

impl Log {
    pub(super) fn new(events_max: usize, memory: Memory) -> Log {
        Log {
            now: Chunk::default(),
            full: VecDeque::new(),
            full_at: 0,
            memory,
            events_max,
            events: 0,
            dropped: 0,
            dropped_sent: 0,
            held_bytes: 0,
            threads: Threads::default(),
            words: Vec::new(),
            at: 0,
            step: 0,
            echo: Echo::default(),
        }
    }

    pub(super) fn events_count(&self) -> usize {
        self.events + self.now.events
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many packets were sent before the first event that is kept.
    pub(super) fn dropped_sent(&self) -> u32 {
        self.dropped_sent
    }

    /// Begins another chunk if there is no room for an event.
    #[inline(always)]
    fn make_room(&mut self, step: u64, at: Instant) {
        if self.now.bytes.len() >= self.full_at {
            self.begin_chunk(step, at);
        }
    }

    #[cold]
    #[inline(never)]
    fn begin_chunk(&mut self, step: u64, at: Instant) {
        (self.at, self.step, self.echo) = (at.as_nanos(), step, Echo::default());
        self.threads.forget_numbers();
        self.full_at = chunk::full_at(self.events_max);
        let last = std::mem::take(&mut self.now);
        self.now = Chunk::after(&last, self.full_at, self.memory, (self.at, self.step));
        if last.events > 0 {
            self.held_bytes += last.held_bytes();
            self.events += last.events;
            self.full.push_back(last);
        }
        while let Some(oldest) = self.full.front()
            && (self.held_bytes > HELD_MAX_BYTES || self.events - oldest.events >= self.events_max)
        {
            self.held_bytes -= oldest.held_bytes();
            self.events -= oldest.events;
            self.dropped += u64::try_from(oldest.events).expect("a count in memory fits 64 bits");
            self.dropped_sent += oldest.sent + oldest.other_sent;
            self.full.pop_front();
        }
    }

    /// Appends words.
    #[inline(always)]
    fn put<const N: usize>(&mut self, words: [u64; N]) {
        self.now.bytes.extend_from_slice(words.map(u64::to_le_bytes).as_flattened());
    }

    /// Counts an event whose head this is.
    #[inline(always)]
    fn head(&mut self, step: u64, at: Instant, kind: u8, by_kind: u16) -> u64 {
        let (time, steps) = (at.as_nanos().wrapping_sub(self.at), step.wrapping_sub(self.step));
        (self.at, self.step) = (at.as_nanos(), step);
        self.now.events += 1;
        let rest = u64::from(kind) | u64::from(by_kind) << 16;
        if time >> 32 | steps >> 8 != 0 { self.far_head(rest) } else { rest | steps << 8 | time << 32 }
    }

    /// The same of an event that is far from the one before.
    #[cold]
    #[inline(never)]
    fn far_head(&mut self, rest: u64) -> u64 {
        self.put([u64::from(kind::MOMENT), self.at, self.step]);
        rest
    }

    /// The number by which an event says whose it is. If that is unknown, the place is said before the event.
    #[inline(always)]
    fn thread(&mut self, place: Place) -> u32 {
        if self.threads.knows(place) { place.thread } else { self.unknown_thread(place) }
    }

    #[cold]
    #[inline(never)]
    fn unknown_thread(&mut self, place: Place) -> u32 {
        if self.threads.learn(place) {
            return place.thread;
        }
        let Place { host, pid, thread } = place;
        self.put([u64::from(kind::PLACE), pair(pid, host), u64::from(thread)]);
        UNKNOWN
    }

    /// The number of a name, door or reason. There are some tens of them.
    #[inline]
    fn word(&mut self, word: &'static str) -> u16 {
        let index = self.words.iter().position(|known| std::ptr::eq(*known, word)).unwrap_or_else(|| self.other_word(word));
        u16::try_from(index).expect("there are few names of calls, doors and reasons")
    }

    #[cold]
    #[inline(never)]
    fn other_word(&mut self, word: &'static str) -> usize {
        self.words.push(word);
        self.words.len() - 1
    }

    /// What has come of a thread's call.
    #[inline(always)]
    fn ended(&mut self, step: u64, end: CallEnd, ends: Option<&Ends>) -> Ended {
        self.make_room(step, end.at);
        self.threads.ended(end, ends, &mut self.now.connections)
    }

    /// The end of a `sendto(2)`.
    #[inline(always)]
    pub(super) fn send(&mut self, step: u64, end: CallEnd, ends: Option<&Ends>, (fd, sent): (RawFd, &Transfer<'_>)) {
        let ended = self.ended(step, end, ends);
        let (Ok(flags), Ok(len)) = (u16::try_from(sent.flags), u32::try_from(sent.data.len())) else {
            return self.call(step, end, ended, |to| to.transfer(fd, sent));
        };
        let Some(name) = short_name(sent.name).filter(|_| ended.since == end.at) else {
            return self.call(step, end, ended, |to| to.transfer(fd, sent));
        };
        let thread = if ended.knows_place { end.place.thread } else { self.thread(end.place) };
        let (bits, shown) = self.shown(name, sent.data);
        let head = self.head(step, end.at, kind::SEND | bits, flags);
        self.put([head, pair(fd.cast_unsigned(), thread), pair(len, ended.connection)]);
        self.put_shown(name, shown);
    }

    /// The end of a `recvfrom(2)`.
    #[inline(always)]
    pub(super) fn recv(&mut self, step: u64, end: CallEnd, ends: Option<&Ends>, (fd, received): (RawFd, &Transfer<'_>)) {
        let ended = self.ended(step, end, ends);
        let Transfer { data, room, flags, name } = *received;
        let ago = end.at.as_nanos().wrapping_sub(ended.since.as_nanos());
        let sizes = (u32::try_from(data.len()), u32::try_from(room), u32::try_from(ago));
        let (Ok(flags), (Ok(len), Ok(room), Ok(ago)), Some(name)) = (u16::try_from(flags), sizes, short_name(name)) else {
            return self.call(step, end, ended, |to| to.transfer(fd, received));
        };
        let thread = if ended.knows_place { end.place.thread } else { self.thread(end.place) };
        let (bits, shown) = self.shown(name, data);
        let head = self.head(step, end.at, kind::RECV | bits, flags);
        self.put([head, pair(fd.cast_unsigned(), thread), pair(len, ended.connection), pair(ago, room)]);
        self.put_shown(name, shown);
    }

    /// Which bits say what follows, and the beginning of the data, if that is not the last packet's.
    #[inline(always)]
    fn shown<'a>(&self, name: Option<&[u8; NAME_BYTES]>, data: &'a [u8]) -> (u8, Option<&'a [u8]>) {
        let shown = match data.first_chunk() {
            Some(shown) => (*shown != self.echo).then_some(&shown[..]),
            None => Some(data),
        };
        let again = if shown.is_none() { kind::AGAIN } else { 0 };
        (again | if name.is_some() { kind::NAMED } else { 0 }, shown)
    }

    /// Appends what follows.
    #[inline(always)]
    fn put_shown(&mut self, name: Option<&[u8; NAME_BYTES]>, shown: Option<&[u8]>) {
        if let Some(name) = name {
            self.now.bytes.extend_from_slice(name);
        }
        if let Some(shown) = shown {
            self.now.bytes.extend_from_slice(shown);
        }
    }

    /// The end of any call.
    pub(super) fn call_end(&mut self, step: u64, end: CallEnd, ends: Option<&Ends>, list: impl FnOnce(&mut Arguments<'_>)) {
        let ended = self.ended(step, end, ends);
        self.call(step, end, ended, list);
    }

    fn call(&mut self, step: u64, end: CallEnd, ended: Ended, list: impl FnOnce(&mut Arguments<'_>)) {
        let CallEnd { at, place, call, fd, result } = end;
        let Ended { since, connection, knows_place } = ended;
        let thread = if knows_place { place.thread } else { self.thread(place) };
        let word = self.word(call.name());
        let (failed, result) = match result {
            Ok(value) => (0, u64::try_from(value).expect("a count in memory fits 64 bits")),
            Err(errno) => (call::HAS_FAILED, u64::from(errno.raw().cast_unsigned())),
        };
        let bits = word & call::NAME | failed | if fd.is_some() { call::HAS_FD } else { 0 };
        let head = self.head(step, at, kind::CALL, bits);
        let fd = fd.unwrap_or(0).cast_unsigned();
        self.put([head, pair(fd, thread), since.as_nanos(), result, u64::from(connection)]);
        self.put_arguments(list);
    }

    /// Appends arguments, and puts their length into the upper half of the word before them.
    fn put_arguments(&mut self, list: impl FnOnce(&mut Arguments<'_>)) {
        let from = self.now.bytes.len();
        let mut arguments = Arguments::new(&mut self.now.bytes, &self.echo);
        list(&mut arguments);
        arguments.end();
        let len = u32::try_from(self.now.bytes.len() - from).expect("a call's arguments are shorter than 4 GiB");
        self.now.bytes[from - 4..from].copy_from_slice(&len.to_le_bytes());
    }

    /// A thread begins to wait in a `recvfrom(2)`.
    #[inline]
    pub(super) fn waits_recv(
        &mut self,
        step: u64,
        at: Instant,
        place: Place,
        (fd, room): (RawFd, usize),
        (flags, is_named): (i32, bool),
    ) {
        self.make_room(step, at);
        let (Ok(flags), Ok(room)) = (u16::try_from(flags), u32::try_from(room)) else {
            return self.waits_call(step, at, place, const { CallName::new("recvfrom") }, |to| {
                to.awaited(fd, room, flags, is_named);
            });
        };
        self.threads.waits(place, at);
        let thread = self.thread(place);
        let head = self.head(step, at, kind::WAITS_RECV, flags);
        self.put([head, pair(fd.cast_unsigned(), thread), pair(u32::from(is_named), room)]);
    }

    /// A thread begins to wait in a call.
    pub(super) fn waits_call(
        &mut self,
        step: u64,
        at: Instant,
        place: Place,
        call: CallName,
        list: impl FnOnce(&mut Arguments<'_>),
    ) {
        self.make_room(step, at);
        self.threads.waits(place, at);
        let (thread, word) = (self.thread(place), self.word(call.name()));
        let head = self.head(step, at, kind::WAITS_CALL, word);
        self.put([head, u64::from(thread)]);
        self.put_arguments(list);
    }

    /// A thread begins to wait for something else.
    pub(super) fn waits_for(&mut self, step: u64, at: Instant, place: Place, what: &str) {
        self.make_room(step, at);
        let thread = self.thread(place);
        let head = self.head(step, at, kind::WAITS_FOR, 0);
        let len = u32::try_from(what.len()).expect("a name is shorter than 4 GiB");
        self.put([head, pair(len, thread)]);
        self.now.bytes.extend_from_slice(what.as_bytes());
    }

    /// A thread waits no longer.
    #[inline]
    pub(super) fn wakes(&mut self, step: u64, at: Instant, place: Place) {
        self.make_room(step, at);
        let thread = self.thread(place);
        let head = self.head(step, at, kind::WAKE, 0);
        self.put([head, u64::from(thread)]);
    }

    /// A host sends a segment or datagram between IPv4 addresses. Answers its number, for [`Log::arrived`].
    #[inline]
    pub(super) fn sent(&mut self, step: u64, at: Instant, host: u32, words: Words, packet: &Packet) -> u32 {
        self.make_room(step, at);
        let head = self.head(step, at, kind::SENT, u16::from_le_bytes([packet.ttl, packet.tos]));
        let Words { numbers, header, addrs, len_urgent } = words;
        let rest = options::Rest::of(packet);
        self.put([head, pair(rest.bits, host), numbers, header, addrs, len_urgent]);
        if rest.bits & options::TIMESTAMPS != 0 {
            self.put([rest.timestamps]);
        }
        if rest.bits & options::MORE != 0 {
            options::put_more(&mut self.now.bytes, packet);
        }
        let data = packet.data();
        if let Some(begin) = data.first_chunk() {
            self.echo = *begin;
        }
        if data.len() <= COPIED_MAX_BYTES {
            self.now.bytes.extend_from_slice(data);
        } else {
            self.hold(payload_of(packet).clone());
        }
        self.now.sent += 1;
        self.now.sent_before.wrapping_add(self.now.sent)
    }

    #[inline(never)]
    fn hold(&mut self, payload: Payload) {
        self.holds(payload.len());
        self.now.payloads.push(payload);
    }

    /// So many bytes more are held besides the chunk's own.
    fn holds(&mut self, bytes: usize) {
        self.now.values_bytes += bytes;
        if self.now.values_bytes >= CHUNK_HELD_BYTES {
            self.full_at = 0;
        }
    }

    /// A packet arrives that is as it was when it was sent under this number.
    #[inline]
    pub(super) fn arrived(&mut self, step: u64, at: Instant, host: u32, words: Words, number: u32) {
        self.make_room(step, at);
        if number.wrapping_sub(self.now.sent_before).wrapping_sub(1) >= self.now.sent {
            return self.packet(step, at, host, PacketKind::Delivered, words, "");
        }
        let head = self.head(step, at, kind::ARRIVED, 0);
        self.put([head, pair(number, host)]);
    }

    /// Something happens to a segment or datagram between IPv4 addresses.
    #[inline(never)]
    pub(super) fn packet(&mut self, step: u64, at: Instant, host: u32, what: PacketKind, words: Words, why: &'static str) {
        self.make_room(step, at);
        let why = self.word(why);
        let head = self.head(step, at, kind::PACKET, u16::from(what.byte()));
        let Words { numbers, header, addrs, len_urgent } = words;
        self.put([head, pair(u32::from(why), host), numbers, header, addrs, len_urgent]);
    }

    /// One of `0..n` is drawn.
    pub(super) fn choice(&mut self, step: u64, at: Instant, door: &'static str, n: u32, value: u32) {
        self.make_room(step, at);
        let door = self.word(door);
        let head = self.head(step, at, kind::CHOICE, door);
        self.put([head, pair(value, n)]);
    }

    /// Anything else, and the packet that is sent, if it is that.
    pub(super) fn event(&mut self, step: u64, event: &Event, packet: Option<&Packet>) {
        let Event { at, place, what } = event;
        if let What::Choice { door, n, value } = what
            && *place == Place::WORLD
        {
            return self.choice(step, *at, door, *n, *value);
        }
        self.make_room(step, *at);
        if let What::Timer = what
            && *place == Place::host(place.host)
        {
            let head = self.head(step, *at, kind::TIMER, 0);
            self.put([head, u64::from(place.host)]);
        } else {
            let head = self.head(step, *at, kind::OTHER, 0);
            self.put([head, 0]);
            self.now.other_sent += u32::from(packet.is_some());
            self.now.others.push((event.clone(), packet.map(|packet| Box::new(packet.clone()))));
            self.holds(OTHER_BYTES + packet.map_or(0, |packet| packet.data().len()));
        }
    }

    /// The events that are kept, oldest first; without the text of calls and waits, which takes longest, if that is not wanted.
    pub(super) fn read(&self, texts: bool) -> impl Iterator<Item = Recorded> {
        self.full.iter().chain([&self.now]).flat_map(move |chunk| Events::of(self, chunk, texts))
    }
}

/// A name as short forms have it: none, or that of an IPv4 address. `None`: it is another.
#[inline(always)]
fn short_name(name: Option<&[u8]>) -> Option<Option<&[u8; NAME_BYTES]>> {
    name.map(<&[u8; NAME_BYTES]>::try_from).transpose().ok()
}

/// The data of a segment or datagram.
fn payload_of(packet: &Packet) -> &Payload {
    match &packet.body {
        Body::Tcp(segment) => &segment.payload,
        Body::Udp(datagram) => &datagram.payload,
        Body::Icmp(_) => unreachable!("an ICMP message is no usual packet"),
    }
}

impl Default for Log {
    fn default() -> Log {
        Log::new(super::recording::EVENTS_MAX, Memory::default())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events, {} dropped", self.events_count(), self.dropped)
    }
}

#[cfg(test)]
mod tests;
