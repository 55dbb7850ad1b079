//! The send queue: what the user has sent and the peer has not acknowledged, already cut where segments begin.
//!
//! Bytes are copied once, from the caller into a chunk. A chunk of a few bytes holds them itself; a larger one is a slice of a block
//! that segments share, so that sending and repeating copy nothing. Blocks come back to use when the last segment that shares them
//! is gone.

use super::calm::Calm;
use super::ring::Ring;
use super::tcb::{SEGMENT_OVERHEAD_BYTES, u32_from, usize_from};
use crate::copy::append;
use crate::packet::{Payload, SeqNumber};
use bytes::{Buf, BytesMut};
use std::collections::VecDeque;

/// The send queue of one connection.
///
/// The fields stand in memory as they stand here: what every segment of a few bytes looks at is together, `HOT_BYTES` from the beginning on.
#[derive(Clone, PartialEq, Debug, Default)]
#[repr(C)]
pub(super) struct SendBuffer {
    /// In sequence order; the first `sent` of them have been transmitted.
    chunks: Ring<Chunk>,
    sent: usize,
    /// The bytes of all chunks.
    bytes: u32,
    /// Whether the last chunk is still in `tail`, not in itself.
    open: bool,
    /// The block being filled is of the usual size.
    is_tail_usual: bool,
    /// What the calm way goes by.
    pub(super) calm: Calm,
    /// The block being filled: the bytes of the open chunk, then free space.
    tail: BytesMut,
    /// Blocks used up, oldest first, that segments may still share.
    retired: VecDeque<BytesMut>,
}

/// What goes out as one segment, unless the window cuts it.
#[derive(Clone, PartialEq, Debug, Default)]
struct Chunk {
    seq: SeqNumber,
    len: u32,
    /// Empty while the chunk is open.
    data: Payload,
}

impl SendBuffer {
    /// How much of it, from its beginning on, the ways of a few bytes look at.
    pub(super) const HOT_BYTES: usize = std::mem::offset_of!(SendBuffer, tail);

    /// Becomes as one that was just made, but that it keeps its small places; `false`: it has more than small ones, and is not worth keeping.
    pub(super) fn make_spare(&mut self) -> bool {
        self.chunks.clear(|chunk| chunk.data.release());
        self.sent = 0;
        self.bytes = 0;
        self.open = false;
        self.calm = Calm::default();
        let is_small = self.chunks.places() <= SPARE_CHUNKS_MAX && self.tail.capacity() == 0 && self.retired.capacity() == 0;
        // A block that is full to its end is held on to, though there is no room in it.
        self.tail = BytesMut::new();
        self.is_tail_usual = false;
        is_small
    }

    /// Makes the caches ready for the next chunk.
    #[inline]
    pub(super) fn prefetch_next(&self) {
        self.chunks.prefetch_next();
    }

    /// Bytes in the queue.
    pub(super) fn queued_bytes(&self) -> u32 {
        self.bytes
    }

    /// sk_wmem_queued: bytes and the overhead of their segments.
    #[inline]
    pub(super) fn charge(&self) -> u32 {
        self.bytes + SEGMENT_OVERHEAD_BYTES * u32_from(self.chunks.len())
    }

    /// packets_out: how many chunks are transmitted and not acknowledged.
    pub(super) fn sent_chunks(&self) -> usize {
        self.sent
    }

    /// Whether a chunk waits to be transmitted.
    #[inline]
    pub(super) fn has_unsent(&self) -> bool {
        self.sent < self.chunks.len()
    }

    /// Adds a small chunk at `seq` to the empty queue, as one that is transmitted now.
    #[inline(always)]
    pub(super) fn push_sent(&mut self, seq: SeqNumber, data: &[u8]) {
        self.push_small(seq, data);
        self.sent = 1;
    }

    /// The same of a queue of which it is known that it is empty.
    #[inline(always)]
    pub(super) fn push_only_sent(&mut self, seq: SeqNumber, data: &[u8]) {
        debug_assert!(self.chunks.is_empty() && !self.open, "nothing is out or waits");
        let len = u32_from(data.len());
        self.bytes = len;
        self.sent = 1;
        let chunk = self.chunks.put_only();
        chunk.seq = seq;
        chunk.len = len;
        chunk.data.assign(data);
    }

    /// Forgets the only chunk, which is a small one: the peer has it.
    #[inline(always)]
    pub(super) fn forget_one(&mut self) {
        self.chunks.drop_only();
        self.sent = 0;
        self.bytes = 0;
    }

    /// Whether there is one chunk only, transmitted, and an ACK of `to` is an ACK of all of it.
    #[inline(always)]
    pub(super) fn is_only_sent(&self, to: SeqNumber) -> bool {
        self.sent == 1 && self.chunks.len() == 1 && self.chunks.front().is_some_and(|chunk| chunk.seq + chunk.len == to)
    }

    /// Forgets the only chunk: the peer has it.
    #[inline(always)]
    pub(super) fn acknowledge_only(&mut self) {
        self.drop_first();
        self.sent = 0;
        self.bytes = 0;
    }

    /// The data of the only chunk there is, if it has not been transmitted and has its bytes by itself.
    #[inline]
    pub(super) fn only_unsent(&self) -> Option<&Payload> {
        if self.chunks.len() != 1 || self.sent != 0 || self.open {
            return None;
        }
        self.chunks.front().map(|chunk| &chunk.data)
    }

    /// The first chunk that had not been transmitted now has.
    #[inline]
    pub(super) fn count_sent(&mut self) {
        self.sent += 1;
    }

    /// How many more bytes the last chunk takes, if it has not been transmitted.
    #[inline]
    pub(super) fn tail_room(&self, size_goal: u32) -> u32 {
        match self.chunks.back() {
            Some(last) if self.sent < self.chunks.len() => size_goal.saturating_sub(last.len),
            Some(_) | None => 0,
        }
    }

    /// Begins a chunk at `seq` that is going to hold about `expected` bytes.
    #[inline]
    pub(super) fn start_chunk(&mut self, seq: SeqNumber, expected: usize) {
        self.close_tail();
        let data = if expected <= Payload::INLINE_MAX_BYTES {
            Payload::Inline { len: 0, bytes: [0; Payload::INLINE_MAX_BYTES] }
        } else {
            self.make_room(expected);
            self.open = true;
            Payload::EMPTY
        };
        *self.chunks.push() = Chunk { seq, len: 0, data };
    }

    /// Adds a small chunk at `seq`, whole.
    #[inline(always)]
    pub(super) fn push_small(&mut self, seq: SeqNumber, data: &[u8]) {
        self.close_tail();
        let len = u32_from(data.len());
        self.bytes += len;
        let chunk = self.chunks.push();
        chunk.seq = seq;
        chunk.len = len;
        chunk.data.assign(data);
    }

    /// The first chunk goes.
    #[inline]
    fn drop_first(&mut self) {
        self.chunks[0].data.release();
        self.chunks.drop_front();
    }

    /// Adds `data` to the last chunk, which has not been transmitted.
    #[inline]
    pub(super) fn extend_tail(&mut self, data: &[u8]) {
        let last = self.chunks.back_mut().expect("a chunk was started");
        last.len += u32_from(data.len());
        self.bytes += u32_from(data.len());
        if !self.open {
            let Payload::Inline { len, bytes } = &mut last.data else {
                unreachable!("a chunk that is not transmitted is open or inline");
            };
            let held = usize::from(*len);
            let end = held + data.len();
            if end <= Payload::INLINE_MAX_BYTES {
                bytes[held..end].copy_from_slice(data);
                *len = u8::try_from(end).expect("an inline chunk is shorter than 256 bytes");
                return;
            }
            let inline = *bytes;
            last.data = Payload::EMPTY;
            self.open = true;
            self.make_room(end);
            self.tail.extend_from_slice(&inline[..held]);
        }
        if self.tail.capacity() - self.tail.len() < data.len() {
            self.is_tail_usual = false;
        }
        append(&mut self.tail, data);
    }

    /// The first chunk that has not been transmitted: its length, and whether it is the last.
    #[inline]
    pub(super) fn next_unsent(&self) -> Option<(u32, bool)> {
        let chunk = self.chunks.get(self.sent)?;
        Some((chunk.len, self.sent + 1 == self.chunks.len()))
    }

    /// The first `len` bytes that have not been transmitted, out of one chunk, as the data of a segment; they count as transmitted now.
    #[inline]
    pub(super) fn transmit(&mut self, len: u32) -> &Payload {
        let index = self.sent;
        let in_tail = self.open && index + 1 == self.chunks.len();
        if in_tail || len != self.chunks[index].len {
            self.cut_unsent(index, len, in_tail);
        }
        self.sent += 1;
        &self.chunks[index].data
    }

    /// Makes a chunk of its own, with its own data, of the first `len` bytes of a chunk.
    fn cut_unsent(&mut self, index: usize, len: u32, in_tail: bool) {
        let chunk = &mut self.chunks[index];
        debug_assert!(len > 0 && len <= chunk.len, "a segment is cut out of one chunk");
        let front = if in_tail { cut(&mut self.tail, usize_from(len)) } else { take_front(&mut chunk.data, usize_from(len)) };
        if len == chunk.len {
            self.open = false;
            chunk.data = front;
            return;
        }
        let seq = chunk.seq;
        chunk.seq += len;
        chunk.len -= len;
        self.chunks.insert(index, Chunk { seq, len, data: front });
    }

    /// Up to `max` bytes from `seq` on, transmitted earlier, to be sent again; they end with their chunk, but small chunks are put together to
    /// `mss` bytes (`tcp_retrans_try_collapse`).
    pub(super) fn resend(&self, seq: SeqNumber, max: u32, mss: u32) -> Payload {
        let index = self.chunks.partition_point(|chunk| (chunk.seq + chunk.len).before_or_at(seq));
        let Some(chunk) = self.chunks.get(index).filter(|_| index < self.sent) else {
            return Payload::EMPTY;
        };
        let offset = seq - chunk.seq;
        let len = max.min(chunk.len - offset);
        if len < max.min(mss) && index + 1 < self.sent {
            return self.gather(index, usize_from(offset), usize_from(max.min(mss)));
        }
        slice(&chunk.data, usize_from(offset), usize_from(len))
    }

    /// Up to `max` bytes from a place in the chunk of this index on, out of several chunks.
    #[cold]
    fn gather(&self, index: usize, offset: usize, max: usize) -> Payload {
        let mut bytes = BytesMut::with_capacity(max);
        let mut offset = offset;
        for chunk in (index..self.sent).map(|index| &self.chunks[index]) {
            let data = &chunk.data.as_slice()[offset..];
            bytes.extend_from_slice(&data[..data.len().min(max - bytes.len())]);
            offset = 0;
            if bytes.len() == max {
                break;
            }
        }
        if bytes.len() <= Payload::INLINE_MAX_BYTES { Payload::copy_of(&bytes) } else { Payload::Shared(bytes.freeze()) }
    }

    /// Forgets everything before `to`: the peer has it.
    #[inline]
    pub(super) fn acknowledge(&mut self, to: SeqNumber) {
        while self.sent > 0 {
            let chunk = &mut self.chunks[0];
            let end = chunk.seq + chunk.len;
            if end.before_or_at(to) {
                self.bytes -= chunk.len;
                self.sent -= 1;
                self.drop_first();
                continue;
            }
            if chunk.seq.before(to) {
                let acknowledged = to - chunk.seq;
                chunk.data = slice(&chunk.data, usize_from(acknowledged), usize_from(chunk.len - acknowledged));
                chunk.seq = to;
                chunk.len -= acknowledged;
                self.bytes -= acknowledged;
            }
            break;
        }
    }

    /// Lets go of blocks that nothing is out of, where everything is acknowledged, and that a sender in full swing would want again at once.
    pub(super) fn drop_idle_blocks(&mut self) {
        if self.chunks.is_empty() {
            self.retired.truncate(IDLE_BLOCKS_MAX);
            self.retired.shrink_to(IDLE_BLOCKS_MAX);
        }
    }

    /// Closes the open chunk: its bytes become its own.
    fn close_tail(&mut self) {
        if self.open {
            let last = self.chunks.back_mut().expect("an open chunk is the last one");
            last.data = cut(&mut self.tail, usize_from(last.len));
            self.open = false;
        }
    }

    /// Makes `tail` take `expected` bytes more, if it can without copying what segments share.
    fn make_room(&mut self, expected: usize) {
        if self.tail.capacity() - self.tail.len() >= expected || self.tail.try_reclaim(expected) {
            return;
        }
        debug_assert!(self.tail.is_empty(), "a chunk is begun when no other is open");
        let next = self.retired.front_mut().is_some_and(|oldest| oldest.try_reclaim(BLOCK_BYTES));
        let fresh = if next && expected <= BLOCK_BYTES { self.retired.pop_front() } else { None };
        // Small writers get small blocks, until they fill them faster than the peer reads them.
        let is_small = self.tail.capacity() == 0 && self.chunks.is_empty();
        let bytes = expected.max(if is_small { BLOCK_MIN_BYTES } else { BLOCK_BYTES });
        let is_usual = fresh.is_some() || bytes == BLOCK_BYTES;
        let block = fresh.unwrap_or_else(|| BytesMut::with_capacity(bytes));
        let used_up = std::mem::replace(&mut self.tail, block);
        // Another than the usual size would never be enough, or too much, when its turn comes.
        if self.is_tail_usual && self.retired.len() < RETIRED_BLOCKS_MAX {
            self.retired.push_back(used_up);
        }
        self.is_tail_usual = is_usual;
    }
}

/// The first `len` bytes of the block's data, taken out of it.
fn cut(block: &mut BytesMut, len: usize) -> Payload {
    if len <= Payload::INLINE_MAX_BYTES {
        let data = Payload::copy_of(&block[..len]);
        block.advance(len);
        data
    } else {
        Payload::Shared(block.split_to(len).freeze())
    }
}

/// `len` bytes of `data` from `offset` on.
pub(super) fn slice(data: &Payload, offset: usize, len: usize) -> Payload {
    match data {
        Payload::Shared(bytes) if len > Payload::INLINE_MAX_BYTES => Payload::Shared(bytes.slice(offset..offset + len)),
        Payload::Shared(_) | Payload::Inline { .. } => Payload::copy_of(&data.as_slice()[offset..offset + len]),
    }
}

/// Takes the first `len` bytes out of `data`.
fn take_front(data: &mut Payload, len: usize) -> Payload {
    let front = slice(data, 0, len);
    *data = slice(data, len, data.len() - len);
    front
}

/// How many places for chunks the buffer of a connection that is over may have for the next one to get it.
const SPARE_CHUNKS_MAX: usize = 8;
/// The size of a block: one segment, however large.
const BLOCK_BYTES: usize = 65_536;
/// The smallest block.
const BLOCK_MIN_BYTES: usize = 2048;
/// How many used-up blocks are kept for reuse while data is in flight: 8 MiB.
const RETIRED_BLOCKS_MAX: usize = 128;
/// How many are kept when nothing has been sent for a while, besides the one being filled.
const IDLE_BLOCKS_MAX: usize = 1;
