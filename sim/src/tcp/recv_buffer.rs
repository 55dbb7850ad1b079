//! The receive queue: what the peer sent in order and the user has not read, and what came too early.
//!
//! Payloads are kept as they came and copied once, into the reader's buffer.

use super::send_buffer::slice;
use super::tcb::{SEGMENT_OVERHEAD_BYTES, u32_from, usize_from};
use crate::copy::copy;
use crate::packet::{Payload, SeqNumber, copy_few};
use std::collections::VecDeque;
use std::fmt;
use std::io::IoSliceMut;
use twinsock::Instant;

/// The receive queue of one connection.
///
/// The fields stand in memory as they stand here: what every segment of a few bytes looks at is together, `HOT_BYTES` from the beginning on.
#[derive(Clone, PartialEq, Debug, Default)]
#[repr(C)]
pub(super) struct RecvBuffer {
    /// Unread bytes in `queue` and `tail`.
    bytes: u32,
    /// Those in `early`.
    early_bytes: u32,
    /// What receive buffer autotuning measures.
    pub(super) space: ReadingRate,
    /// In order, from the read position on, `tail` last; `head` bytes of the first are read.
    queue: VecDeque<Payload>,
    head: usize,
    /// Small segments, together at most what an inline payload holds; empty: there are none at the end.
    tail: Tail,
    /// Segments that came too early, ordered, not overlapping.
    early: VecDeque<Early>,
}

/// The place where small segments are put, as Linux coalesces them.
#[derive(Clone, PartialEq)]
struct Tail {
    len: usize,
    bytes: [u8; Payload::INLINE_MAX_BYTES],
}

impl Default for Tail {
    fn default() -> Tail {
        Tail { len: 0, bytes: [0; Payload::INLINE_MAX_BYTES] }
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tail").field(&self.as_slice()).finish()
    }
}

impl Tail {
    #[inline]
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// How many places for segments the buffer of a connection that is over may have for the next one to get it.
const SPARE_PLACES_MAX: usize = 16;

/// A segment from beyond RCV.NXT.
#[derive(Clone, PartialEq, Debug)]
struct Early {
    seq: SeqNumber,
    data: Payload,
    fin: bool,
}

/// How much the user reads in a round trip: `rcvq_space` of Linux.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct ReadingRate {
    /// The largest amount so far.
    pub(super) bytes: u32,
    /// Where the measurement began.
    pub(super) seq: SeqNumber,
    /// When it began.
    pub(super) since: Instant,
}

impl RecvBuffer {
    /// How much of it, from its beginning on, the ways of a few bytes look at.
    pub(super) const HOT_BYTES: usize = std::mem::offset_of!(RecvBuffer, early);

    /// Becomes as one that was just made; `false`: it has had more than a few bytes, and is not worth keeping.
    pub(super) fn make_spare(&mut self) -> bool {
        let places = self.queue.capacity() + self.early.capacity();
        if places > 0 {
            self.queue.clear();
            self.early.clear();
        }
        self.empty();
        places <= SPARE_PLACES_MAX
    }

    /// There is nothing in it any more, nor was there anything in its queues.
    fn empty(&mut self) {
        self.tail.len = 0;
        self.head = 0;
        self.bytes = 0;
        self.early_bytes = 0;
        self.space = ReadingRate::default();
    }

    /// Unread bytes in order.
    #[inline]
    pub(super) fn queued_bytes(&self) -> u32 {
        self.bytes
    }

    /// sk_rmem_alloc: what the queues hold, overhead included.
    #[inline]
    pub(super) fn charge(&self) -> u32 {
        let segments = u32_from(self.queue.len() + self.early.len() + usize::from(self.tail.len > 0));
        self.bytes + self.early_bytes + SEGMENT_OVERHEAD_BYTES * segments
    }

    /// Whether segments wait for a gap to be filled.
    pub(super) fn has_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// Adds data that continues the stream, which may be taken out of `data`.
    #[inline]
    pub(super) fn push(&mut self, data: &mut Payload) {
        match data {
            Payload::Inline { len, bytes } => self.push_few(usize::from(*len), bytes),
            Payload::Shared(_) => {
                self.bytes += u32_from(data.len());
                self.end_tail();
                self.queue.push_back(std::mem::replace(data, Payload::EMPTY));
            }
        }
    }

    /// Adds a few bytes that continue the stream.
    #[inline]
    pub(super) fn push_small(&mut self, data: &[u8]) {
        self.bytes += u32_from(data.len());
        if self.tail.len + data.len() > Payload::INLINE_MAX_BYTES {
            self.end_tail();
        }
        let end = self.tail.len + data.len();
        self.tail.bytes[self.tail.len..end].copy_from_slice(data);
        self.tail.len = end;
    }

    /// Adds the first `len` of these bytes.
    #[inline]
    pub(super) fn push_few(&mut self, len: usize, bytes: &[u8; Payload::INLINE_MAX_BYTES]) {
        if self.tail.len > 0 {
            return self.push_small(&bytes[..len]);
        }
        // All of them, for that takes no look at how many they are.
        self.tail.bytes = *bytes;
        self.tail.len = len;
        self.bytes += u32_from(len);
    }

    /// Reads all of one small segment; `None`: there is more, or nothing, or it does not fit, and nothing has happened.
    #[inline]
    pub(super) fn read_few(&mut self, into: &mut [u8]) -> Option<usize> {
        let len = self.tail.len;
        if len == 0 || self.head > 0 || !self.queue.is_empty() {
            return None;
        }
        copy_few(into.get_mut(..len)?, self.tail.as_slice());
        self.tail.len = 0;
        self.bytes = 0;
        Some(len)
    }

    /// What is in `tail` takes its place in the queue.
    fn end_tail(&mut self) {
        if self.tail.len > 0 {
            self.queue.push_back(Payload::copy_of(self.tail.as_slice()));
            self.tail.len = 0;
        }
    }

    /// The data that was not read to its end, in order.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.queue.iter().map(Payload::as_slice).chain(Some(self.tail.as_slice()).filter(|tail| !tail.is_empty()))
    }

    /// The first of it.
    fn first(&self) -> Option<&[u8]> {
        match self.queue.front() {
            Some(first) => Some(first.as_slice()),
            None => Some(self.tail.as_slice()).filter(|tail| !tail.is_empty()),
        }
    }

    /// The first of it is read.
    fn drop_first(&mut self) {
        if self.queue.pop_front().is_none() {
            self.tail.len = 0;
        }
    }

    /// Reads into one buffer as much as there is and fits.
    #[inline]
    pub(super) fn read_into(&mut self, into: &mut [u8]) -> usize {
        // The usual case: all of one small segment.
        if self.queue.is_empty()
            && let Some(part) = self.tail.as_slice().get(self.head..)
            && let Some(into) = into.get_mut(..part.len())
        {
            into.copy_from_slice(part);
            let copied = part.len();
            self.tail.len = 0;
            self.head = 0;
            self.bytes = 0;
            return copied;
        }
        self.read(&mut [IoSliceMut::new(into)], 0)
    }

    /// Reads into `iov` after its first `skip` bytes as much as there is and fits: `copy_out` and `consume` in one.
    pub(super) fn read(&mut self, iov: &mut [IoSliceMut<'_>], skip: usize) -> usize {
        let mut into = Scatter { iov, index: 0, offset: 0 };
        into.advance(skip);
        let mut copied = 0;
        while let Some(first) = self.first() {
            let part = &first[self.head..];
            let stored = into.store(part);
            copied += stored;
            if stored < part.len() {
                self.head += stored;
                break;
            }
            self.head = 0;
            self.drop_first();
        }
        self.bytes -= u32_from(copied);
        copied
    }

    /// Copies up to `max` bytes, from `offset` bytes after the read position on, into `iov` after its first `skip` bytes.
    pub(super) fn copy_out(&self, offset: usize, iov: &mut [IoSliceMut<'_>], skip: usize, max: usize) -> usize {
        let mut into = Scatter { iov, index: 0, offset: 0 };
        into.advance(skip);
        let mut skipped = self.head + offset;
        let mut copied = 0;
        for data in self.parts() {
            if skipped >= data.len() {
                skipped -= data.len();
                continue;
            }
            let part = &data[skipped..];
            let part = &part[..part.len().min(max - copied)];
            skipped = 0;
            let stored = into.store(part);
            copied += stored;
            if stored < part.len() || copied == max {
                break;
            }
        }
        copied
    }

    /// Forgets the first `len` unread bytes: they were read.
    pub(super) fn consume(&mut self, len: usize) {
        self.bytes -= u32_from(len);
        self.head += len;
        while let Some(first) = self.first() {
            let first = first.len();
            if self.head < first {
                break;
            }
            self.head -= first;
            self.drop_first();
        }
    }

    /// Forgets all data.
    pub(super) fn clear(&mut self) {
        if self.queue.capacity() + self.early.capacity() > 0 {
            *self = RecvBuffer::default();
        } else {
            self.empty();
        }
    }

    /// Keeps data (and a FIN after it) that came too early; what is there already stays.
    #[cold]
    pub(super) fn keep_early(&mut self, mut seq: SeqNumber, mut data: Payload, mut fin: bool) {
        let index = self.early.partition_point(|early| early.seq.before_or_at(seq));
        if let Some(before) = index.checked_sub(1).and_then(|before| self.early.get_mut(before)) {
            let end = before.end();
            if seq.before(end) {
                let overlap = usize_from(end - seq);
                if overlap >= data.len() {
                    before.fin |= fin && overlap == data.len();
                    return;
                }
                data = slice(&data, overlap, data.len() - overlap);
                seq = end;
            }
        }
        let end = seq + u32_from(data.len());
        while let Some(after) = self.early.get_mut(index) {
            if end.before_or_at(after.seq) {
                break;
            }
            if after.end().before_or_at(end) {
                fin |= after.fin;
                self.early_bytes -= u32_from(after.data.len());
                self.early.remove(index);
            } else {
                data = slice(&data, 0, usize_from(after.seq - seq));
                break;
            }
        }
        if data.is_empty() && !fin {
            return;
        }
        self.early_bytes += u32_from(data.len());
        self.early.insert(index, Early { seq, data, fin });
    }

    /// Takes the early segment that continues the stream at `rcv_nxt`, if there is one: its new data, and whether a FIN follows it.
    #[cold]
    pub(super) fn take_early(&mut self, rcv_nxt: SeqNumber) -> Option<(Payload, bool)> {
        while let Some(first) = self.early.front() {
            if rcv_nxt.before(first.seq) {
                return None;
            }
            let Early { seq, data, fin } = self.early.pop_front().expect("the queue has a front");
            self.early_bytes -= u32_from(data.len());
            let old = usize_from(rcv_nxt - seq);
            if old < data.len() || (fin && old == data.len()) {
                let data = if old == 0 { data } else { slice(&data, old, data.len() - old) };
                return Some((data, fin));
            }
        }
        None
    }

    /// Forgets what came too early: the stream has ended.
    pub(super) fn drop_early(&mut self) {
        if !self.early.is_empty() {
            self.early.clear();
            self.early_bytes = 0;
        }
    }

    /// The byte at `offset` bytes after the read position.
    pub(super) fn byte_at(&self, offset: usize) -> Option<u8> {
        let mut at = self.head + offset;
        for data in self.parts() {
            if at < data.len() {
                return Some(data[at]);
            }
            at -= data.len();
        }
        None
    }
}

impl Early {
    fn end(&self) -> SeqNumber {
        self.seq + u32_from(self.data.len())
    }
}

/// A position in a scattered buffer.
struct Scatter<'a, 'b> {
    iov: &'a mut [IoSliceMut<'b>],
    index: usize,
    offset: usize,
}

impl Scatter<'_, '_> {
    fn advance(&mut self, mut bytes: usize) {
        while let Some(slice) = self.iov.get(self.index) {
            let left = slice.len() - self.offset;
            if bytes < left {
                self.offset += bytes;
                return;
            }
            bytes -= left;
            self.index += 1;
            self.offset = 0;
        }
    }

    /// Stores as much of `data` as there is room for.
    fn store(&mut self, mut data: &[u8]) -> usize {
        let mut stored = 0;
        while let Some(slice) = self.iov.get_mut(self.index) {
            let room = &mut slice[self.offset..];
            let len = room.len().min(data.len());
            copy(&mut room[..len], &data[..len]);
            stored += len;
            if len == data.len() {
                self.offset += len;
                break;
            }
            data = &data[len..];
            self.index += 1;
            self.offset = 0;
        }
        stored
    }
}
