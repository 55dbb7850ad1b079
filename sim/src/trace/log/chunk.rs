//! A part of a log: the memory of a run of events.

use crate::packet::{Packet, Payload};
use crate::trace::event::Event;
use crate::trace::recording::{Connection, Memory};
use std::ops::{Deref, DerefMut};

/// A run of events.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    /// The events that are packed.
    pub(super) bytes: Bytes,
    /// Those that are not, in their order.
    pub(super) others: Vec<(Event, Option<Box<Packet>>)>,
    /// The data of packets that have much, in their order.
    pub(super) payloads: Vec<Payload>,
    /// The connections that its events name by their numbers, from 1 on.
    pub(super) connections: Vec<Connection>,
    /// The time and the step that its first event counts from.
    pub(super) start: (u64, u64),
    pub(super) events: usize,
    /// How many of them are usual packets that were sent; and the number of the first, less 1: 0 is the number of no packet.
    pub(super) sent: u32,
    pub(super) sent_before: u32,
    /// Packets of other kinds that were sent.
    pub(super) other_sent: u32,
    /// How many bytes `others` and `payloads` hold.
    pub(super) values_bytes: usize,
}

/// Bytes that go back to where they came from.
#[derive(Clone, Default)]
pub(super) struct Bytes {
    bytes: Vec<u8>,
    memory: Memory,
}

/// How large a chunk is.
const BYTES: usize = 64 << 10;
/// How large the usual event is.
const EVENT_BYTES: usize = 40;
/// What a chunk has room for beyond its size, for the event by which it is full: few have more bytes.
const LAST_EVENT_BYTES: usize = 4 << 10;
/// How many bytes of packets' data a chunk holds before another is begun.
pub(super) const CHUNK_HELD_BYTES: usize = 4 << 20;
/// How many bytes of packets' data and other values a recording holds: beyond that, the oldest chunks go.
pub(super) const HELD_MAX_BYTES: usize = 512 << 20;

/// At how many bytes a chunk is full, in a recording that keeps so many events: an eighth of them is one chunk or more.
pub(super) fn full_at(events_max: usize) -> usize {
    BYTES.min(events_max / 8 * EVENT_BYTES).max(1)
}

impl Chunk {
    /// The chunk after another.
    pub(super) fn after(last: &Chunk, full_at: usize, memory: Memory, start: (u64, u64)) -> Chunk {
        let bytes = Bytes { bytes: (memory.take)(full_at + LAST_EVENT_BYTES.min(full_at)), memory };
        Chunk { bytes, start, sent_before: last.sent_before.wrapping_add(last.sent), ..Chunk::default() }
    }

    /// How many bytes it holds.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity() + self.values_bytes
    }

    /// The connection of a number; 0 is that of none.
    pub(super) fn connection(&self, number: u32) -> Option<Connection> {
        let index = usize::try_from(number).expect("a small number").checked_sub(1)?;
        Some(self.connections[index])
    }
}

impl Deref for Bytes {
    type Target = Vec<u8>;

    #[inline(always)]
    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Bytes {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Bytes) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Bytes {}

impl Drop for Bytes {
    fn drop(&mut self) {
        if self.bytes.capacity() > 0 {
            (self.memory.give)(std::mem::take(&mut self.bytes));
        }
    }
}
