//! A recording's events in a row, packed: about thirty bytes for a call or a packet. They become [`Recorded`] values when somebody reads them.
//!
//! A log is chunks, and when it has reached its limit the oldest chunk goes: the last events of a run are those that somebody wants to see. Of what
//! happens often (calls, waits, TCP and UDP over IPv4, timers, choices) the numbers are packed as bytes; anything else is kept as the value that it is. An
//! event is
//!
//! ```text
//! event   = kind time steps where rest
//! time    = nanoseconds since the event before
//! steps   = turns since the event before
//! where   = 0 host pid thread, or 1 + thread; of a packet or a timer, its host
//! ```
//!
//! with numbers as `bytes.rs` writes them.

mod events;

use super::arguments::{Arguments, Echo, put_data};
use super::bytes::{put, put_len, put_signed};
use super::event::{CallName, Event, What};
use super::packets::{PacketKind, Words};
use super::place::Place;
use super::recording::{CallEnd, Connection, Recorded};
use crate::packet::{Body, Datagram, Packet, Payload, Segment, TcpOptions, Timestamps};
use events::Events;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use twinsock::Instant;
use twinsock::raw::RawFd;

/// The events, and what their numbers stand for.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Log {
    chunks: VecDeque<Chunk>,
    /// How many events may be kept.
    events_max: usize,
    /// How many are.
    events: usize,
    /// How many went with the oldest chunks.
    dropped: u64,
    /// How many packets that were sent went with them.
    dropped_sent: u32,
    /// How many bytes all chunks hold.
    held_bytes: usize,
    /// By thread, where it runs; [`Place::WORLD`] of those not seen so far.
    places: Vec<Place>,
    /// Names of calls and doors, and reasons.
    words: Vec<&'static str>,
    /// Of the connections of the last chunk, their places in it, and the one that was asked for last.
    connections: BTreeMap<Connection, usize>,
    last_connection: Option<(Connection, usize)>,
    // The event before, in this chunk.
    at: u64,
    step: u64,
    echo: Echo,
}

/// A run of events.
#[derive(Clone, Default, PartialEq, Eq)]
struct Chunk {
    bytes: Vec<u8>,
    /// Events that are not packed, in their order.
    others: Vec<(Event, Option<Box<Packet>>)>,
    /// The data of packets that have much, in their order.
    payloads: Vec<Payload>,
    connections: Vec<Connection>,
    /// The time and the step that its first event counts from.
    start: (u64, u64),
    events: usize,
    /// How many of them are usual packets that were sent; and the number of the first.
    sent: u32,
    first_sent: u32,
    /// Packets of other kinds that were sent.
    other_sent: u32,
    held_bytes: usize,
}

/// The size of a chunk: when it has so many bytes, another is begun.
const CHUNK_BYTES: usize = 64 << 10;
/// How many bytes of packets' data a chunk holds before another is begun.
const CHUNK_HELD_BYTES: usize = 4 << 20;
/// How many bytes of packets' data and other values a recording holds: beyond that, the oldest chunks go.
const HELD_MAX_BYTES: usize = 512 << 20;
/// Of data longer than that a packet's own is kept, not a copy.
const COPIED_MAX_BYTES: usize = 256;
/// What an unpacked event is counted as.
const OTHER_BYTES: usize = 256;

mod kind {
    pub const SEND: u8 = 1;
    pub const RECV: u8 = 2;
    pub const CALL: u8 = 3;
    pub const WAITS_RECV: u8 = 4;
    pub const WAITS_CALL: u8 = 5;
    pub const WAITS_FOR: u8 = 6;
    pub const WAKE: u8 = 7;
    pub const SENT: u8 = 8;
    /// A packet arrives as it was sent, in the same chunk.
    pub const ARRIVED: u8 = 9;
    pub const PACKET: u8 = 10;
    pub const TIMER: u8 = 11;
    pub const CHOICE: u8 = 12;
    pub const OTHER: u8 = 13;
}

/// What is recorded of a call's end, besides its arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) at: Instant,
    pub(super) place: Place,
    /// When it was made.
    pub(super) since: Instant,
    pub(super) connection: Option<Connection>,
}

impl Log {
    pub(super) fn new(events_max: usize) -> Log {
        Log {
            chunks: VecDeque::new(),
            events_max,
            events: 0,
            dropped: 0,
            dropped_sent: 0,
            held_bytes: 0,
            places: Vec::new(),
            words: Vec::new(),
            connections: BTreeMap::new(),
            last_connection: None,
            at: 0,
            step: 0,
            echo: Echo::default(),
        }
    }

    pub(super) fn events_count(&self) -> usize {
        self.events
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many packets were sent before the first event that is kept.
    pub(super) fn dropped_sent(&self) -> u32 {
        self.dropped_sent
    }

    /// Begins another chunk if the last one has no room for an event.
    #[inline]
    fn make_room(&mut self, step: u64, at: Instant) {
        if self.chunks.back().is_none_or(|chunk| {
            chunk.bytes.len() >= CHUNK_BYTES || chunk.held_bytes >= CHUNK_HELD_BYTES || chunk.events > self.events_max / 8
        }) {
            self.begin_chunk(step, at);
        }
    }

    /// Begins an event: its kind, time and step.
    #[inline]
    fn head(&mut self, step: u64, at: Instant, kind: u8) -> &mut Chunk {
        self.make_room(step, at);
        let chunk = self.chunks.back_mut().expect("a chunk has been begun");
        chunk.bytes.push(kind);
        put_signed(&mut chunk.bytes, at.as_nanos().wrapping_sub(self.at).cast_signed());
        put(&mut chunk.bytes, step.wrapping_sub(self.step));
        (self.at, self.step) = (at.as_nanos(), step);
        chunk.events += 1;
        self.events += 1;
        chunk
    }

    #[cold]
    fn begin_chunk(&mut self, step: u64, at: Instant) {
        let first_sent = self.chunks.back().map_or(1, |last| last.first_sent.wrapping_add(last.sent));
        (self.at, self.step, self.echo) = (at.as_nanos(), step, Echo::default());
        self.connections.clear();
        self.last_connection = None;
        if let Some(last) = self.chunks.back_mut() {
            last.held_bytes += last.bytes.capacity();
            self.held_bytes += last.held_bytes;
        }
        while let Some(oldest) = self.chunks.front()
            && (self.held_bytes > HELD_MAX_BYTES || self.events - oldest.events >= self.events_max)
        {
            self.held_bytes -= oldest.held_bytes;
            self.events -= oldest.events;
            self.dropped += u64::try_from(oldest.events).expect("a count in memory fits 64 bits");
            self.dropped_sent += oldest.sent + oldest.other_sent;
            self.chunks.pop_front();
        }
        let bytes = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 16);
        self.chunks.push_back(Chunk { bytes, start: (self.at, self.step), first_sent, ..Chunk::default() });
    }

    /// The same of an event in a thread.
    #[inline]
    fn thread_head(&mut self, step: u64, at: Instant, kind: u8, place: Place) -> &mut Chunk {
        let known = self.is_known(place);
        let chunk = self.head(step, at, kind);
        if known {
            put(&mut chunk.bytes, u64::from(place.thread) + 1);
        } else {
            chunk.bytes.push(0);
            [place.host, place.pid, place.thread].iter().for_each(|number| put(&mut chunk.bytes, u64::from(*number)));
        }
        chunk
    }

    /// Whether the place follows from its thread's number.
    #[inline]
    fn is_known(&mut self, place: Place) -> bool {
        let index = usize::try_from(place.thread).unwrap_or(usize::MAX);
        self.places.get(index).is_some_and(|known| *known == place) || self.learn(index, place)
    }

    #[cold]
    fn learn(&mut self, index: usize, place: Place) -> bool {
        // Threads are numbered from 0 on; of whoever numbers them otherwise each event says where it is.
        if index > self.places.len() + THREADS_SKIPPED_MAX {
            return false;
        }
        if index >= self.places.len() {
            self.places.resize(index + 1, Place::WORLD);
        }
        if self.places[index] == Place::WORLD {
            self.places[index] = place;
        }
        self.places[index] == place
    }

    /// The place of a connection in the chunk that has room.
    #[inline]
    fn connection(&mut self, connection: Connection) -> usize {
        match &self.last_connection {
            Some((last, index)) if *last == connection => *index,
            Some(_) | None => self.other_connection(connection),
        }
    }

    fn other_connection(&mut self, connection: Connection) -> usize {
        let all = &mut self.chunks.back_mut().expect("a chunk has room").connections;
        let index = *self.connections.entry(connection).or_insert_with(|| {
            all.push(connection);
            all.len() - 1
        });
        self.last_connection = Some((connection, index));
        index
    }

    /// Begins the end of a call: whose, since when, and its connection.
    #[inline]
    fn end_head(&mut self, step: u64, end: Ended, kind: u8) -> &mut Vec<u8> {
        self.make_room(step, end.at);
        let connection = end.connection.map_or(0, |connection| 1 + self.connection(connection));
        let bytes = &mut self.thread_head(step, end.at, kind, end.place).bytes;
        put(bytes, end.at.as_nanos().saturating_sub(end.since.as_nanos()));
        put_len(bytes, connection);
        bytes
    }

    fn word(&mut self, word: &'static str) -> u64 {
        let index = self.words.iter().position(|known| *known == word).unwrap_or_else(|| {
            self.words.push(word);
            self.words.len() - 1
        });
        u64::try_from(index).expect("an index in memory fits 64 bits")
    }

    /// The end of a `send(2)` or `sendto(2)` without an address that took all of `data`.
    #[inline]
    pub(super) fn send(&mut self, step: u64, end: Ended, fd: RawFd, data: &[u8], flags: i32) {
        let echo = self.short(step, kind::SEND, end, fd, flags);
        let chunk = self.chunks.back_mut().expect("the event has begun");
        put_data(&mut chunk.bytes, echo, data);
    }

    /// The end of a `recv(2)` of up to `len` bytes that gave `data`.
    #[inline]
    pub(super) fn recv(&mut self, step: u64, end: Ended, fd: RawFd, (data, len): (&[u8], usize), flags: i32) {
        let echo = self.short(step, kind::RECV, end, fd, flags);
        let chunk = self.chunks.back_mut().expect("the event has begun");
        put_data(&mut chunk.bytes, echo, data);
        put_len(&mut chunk.bytes, len);
    }

    #[inline]
    fn short(&mut self, step: u64, kind: u8, end: Ended, fd: RawFd, flags: i32) -> Echo {
        let bytes = self.end_head(step, end, kind);
        put_signed(bytes, i64::from(fd));
        put_signed(bytes, i64::from(flags));
        // Taken after the head, which may have begun another chunk.
        self.echo
    }

    /// The end of any call.
    pub(super) fn call(&mut self, step: u64, end: Ended, of: CallEnd, list: impl FnOnce(&mut Arguments<'_>)) {
        let word = self.word(of.call.name());
        self.make_room(step, end.at);
        let echo = self.echo;
        let bytes = self.end_head(step, end, kind::CALL);
        put(bytes, word);
        // No descriptor is negative; a program may ask about one that is.
        put(bytes, of.fd.map_or(0, |fd| 1 + u64::from(fd.cast_unsigned())));
        match of.result {
            Ok(value) => {
                bytes.push(0);
                put_len(bytes, value);
            }
            Err(errno) => {
                bytes.push(1);
                put_signed(bytes, i64::from(errno.raw()));
            }
        }
        let mut arguments = Arguments::new(bytes, echo);
        list(&mut arguments);
        arguments.end();
    }

    /// A thread begins to wait in a `recv(2)`.
    pub(super) fn waits_recv(&mut self, step: u64, at: Instant, place: Place, fd: RawFd, len: usize, flags: i32) {
        let chunk = self.thread_head(step, at, kind::WAITS_RECV, place);
        put_signed(&mut chunk.bytes, i64::from(fd));
        put_signed(&mut chunk.bytes, i64::from(flags));
        put_len(&mut chunk.bytes, len);
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
        let word = self.word(call.name());
        self.make_room(step, at);
        let echo = self.echo;
        let bytes = &mut self.thread_head(step, at, kind::WAITS_CALL, place).bytes;
        put(bytes, word);
        let mut arguments = Arguments::new(bytes, echo);
        list(&mut arguments);
        arguments.end();
    }

    /// A thread begins to wait for something else.
    pub(super) fn waits_for(&mut self, step: u64, at: Instant, place: Place, what: &str) {
        let bytes = &mut self.thread_head(step, at, kind::WAITS_FOR, place).bytes;
        put_len(bytes, what.len());
        bytes.extend_from_slice(what.as_bytes());
    }

    /// A thread waits no longer.
    pub(super) fn wakes(&mut self, step: u64, at: Instant, place: Place) {
        self.thread_head(step, at, kind::WAKE, place);
    }

    /// A host sends a segment or datagram between IPv4 addresses. Answers its number, for [`Log::arrived`].
    pub(super) fn sent(&mut self, step: u64, at: Instant, host: u32, words: Words, packet: &Packet) -> u32 {
        let chunk = self.head(step, at, kind::SENT);
        put(&mut chunk.bytes, u64::from(host));
        put_words(&mut chunk.bytes, words);
        let payload = match &packet.body {
            Body::Tcp(Segment { options, payload, frame_bytes, .. }) => {
                let [low, high] = frame_bytes.to_le_bytes();
                chunk.bytes.extend_from_slice(&[packet.ttl, packet.tos, low, high]);
                put_options(&mut chunk.bytes, options);
                payload
            }
            Body::Udp(Datagram { payload, dont_fragment, no_check, .. }) => {
                let flags = u8::from(*dont_fragment) | u8::from(*no_check) << 1;
                chunk.bytes.extend_from_slice(&[packet.ttl, packet.tos, flags]);
                payload
            }
            Body::Icmp(_) => unreachable!("an ICMP message is no usual packet"),
        };
        let data = payload.as_slice();
        let echo = if data.len() <= COPIED_MAX_BYTES {
            let from = chunk.bytes.len();
            chunk.bytes.extend_from_slice(data);
            Echo { from, len: data.len() }
        } else {
            chunk.held_bytes += data.len();
            chunk.payloads.push(payload.clone());
            Echo::default()
        };
        let number = chunk.first_sent.wrapping_add(chunk.sent);
        chunk.sent += 1;
        self.echo = echo;
        number
    }

    /// A packet arrives that is as it was when it was sent under this number.
    pub(super) fn arrived(&mut self, step: u64, at: Instant, host: u32, words: Words, number: u32) {
        let near = self.chunks.back().map(|chunk| (chunk.first_sent.wrapping_add(chunk.sent).wrapping_sub(number), chunk.sent));
        match near {
            // It may be another chunk that the head begins.
            Some((back, sent)) if (1..=sent).contains(&back) => {
                let chunk = self.head(step, at, kind::ARRIVED);
                put(&mut chunk.bytes, u64::from(host));
                if chunk.sent == sent {
                    put(&mut chunk.bytes, u64::from(back));
                } else {
                    chunk.bytes.push(0);
                    put_words(&mut chunk.bytes, words);
                }
            }
            Some(_) | None => self.packet(step, at, host, PacketKind::Delivered, words, ""),
        }
    }

    /// Something happens to a segment or datagram between IPv4 addresses.
    pub(super) fn packet(&mut self, step: u64, at: Instant, host: u32, what: PacketKind, words: Words, why: &'static str) {
        let why = self.word(why);
        let chunk = self.head(step, at, kind::PACKET);
        put(&mut chunk.bytes, u64::from(host));
        chunk.bytes.push(what.byte());
        put(&mut chunk.bytes, why);
        put_words(&mut chunk.bytes, words);
    }

    /// One of `0..n` is drawn.
    pub(super) fn choice(&mut self, step: u64, at: Instant, door: &'static str, n: u32, value: u32) {
        let door = self.word(door);
        let bytes = &mut self.head(step, at, kind::CHOICE).bytes;
        [door, u64::from(n), u64::from(value)].iter().for_each(|number| put(bytes, *number));
    }

    /// Anything else, and the packet that is sent, if it is that.
    pub(super) fn event(&mut self, step: u64, event: &Event, packet: Option<&Packet>) {
        let Event { at, place, what } = event;
        if let What::Choice { door, n, value } = what
            && *place == Place::WORLD
        {
            self.choice(step, *at, door, *n, *value);
        } else if let What::Timer = what
            && *place == Place::host(place.host)
        {
            put(&mut self.head(step, *at, kind::TIMER).bytes, u64::from(place.host));
        } else {
            let chunk = self.head(step, *at, kind::OTHER);
            chunk.held_bytes += OTHER_BYTES + packet.map_or(0, |packet| packet.data().len());
            chunk.other_sent += u32::from(packet.is_some());
            chunk.others.push((event.clone(), packet.map(|packet| Box::new(packet.clone()))));
        }
    }

    /// The events that are kept, oldest first.
    pub(super) fn read(&self) -> impl Iterator<Item = Recorded> {
        self.chunks.iter().flat_map(|chunk| Events::of(self, chunk))
    }
}

/// By how many numbers a thread may be ahead of those seen so far.
pub(super) const THREADS_SKIPPED_MAX: usize = 1 << 16;

impl Default for Log {
    fn default() -> Log {
        Log::new(super::recording::EVENTS_MAX)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events, {} dropped", self.events, self.dropped)
    }
}

fn put_words(bytes: &mut Vec<u8>, words: Words) {
    let Words { numbers, header, addrs, len_urgent } = words;
    let mut all = [0; 24];
    for (place, word) in all.chunks_exact_mut(8).zip([numbers, header, addrs]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&all);
    // The length lowest, so that it is short where nothing is urgent.
    put(bytes, len_urgent.rotate_left(32));
}

/// Which options there are: a bit each, and the number of SACK blocks above them.
mod option {
    pub const MSS: u8 = 1;
    pub const WINDOW_SCALE: u8 = 2;
    pub const SACK_PERMITTED: u8 = 4;
    pub const TIMESTAMPS: u8 = 8;
    pub const SACK_SHIFT: u8 = 4;
}

fn put_options(bytes: &mut Vec<u8>, options: &TcpOptions) {
    let TcpOptions { mss_bytes, window_scale, sack_permitted, timestamps, sack } = options;
    let mut flags = 0;
    flags |= if mss_bytes.is_some() { option::MSS } else { 0 };
    flags |= if window_scale.is_some() { option::WINDOW_SCALE } else { 0 };
    flags |= if *sack_permitted { option::SACK_PERMITTED } else { 0 };
    flags |= if timestamps.is_some() { option::TIMESTAMPS } else { 0 };
    // A bit for each place, for some of them may be empty.
    for (index, block) in sack.iter().enumerate() {
        flags |= u8::from(block.is_some()) << index << option::SACK_SHIFT;
    }
    bytes.push(flags);
    if let Some(mss) = mss_bytes {
        put(bytes, u64::from(*mss));
    }
    if let Some(scale) = window_scale {
        bytes.push(*scale);
    }
    if let Some(Timestamps { value, echo }) = timestamps {
        bytes.extend_from_slice(&(u64::from(*value) | u64::from(*echo) << 32).to_le_bytes());
    }
    for (left, right) in sack.iter().flatten() {
        bytes.extend_from_slice(&(u64::from(left.value()) | u64::from(right.value()) << 32).to_le_bytes());
    }
}
