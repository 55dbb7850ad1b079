//! The receive queue of a socket and what its messages charge to their senders: `sk_receive_queue` and `skb->truesize`.

use super::id::UnixId;
use super::ring::Ring;
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use twinsock::Instant;
use twinsock::control::Credentials;

/// Where the bytes of a message are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// In the queue's ring, in the order of the messages.
    Ring,
    /// Here: an urgent byte, which may be read before what stands in front of it.
    Urgent(u8),
}

/// A message in the queue, `struct sk_buff`.
#[derive(Debug)]
pub(super) struct Record<F> {
    pub sender: UnixId,
    pub len: usize,
    pub consumed: usize,
    pub charge: u32,
    pub credentials: Credentials,
    pub store: Store,
    /// It is the urgent mark, `oob_skb`.
    pub is_mark: bool,
    /// An empty message that was looked at under `SO_PEEK_OFF`: the next look goes past it.
    pub peeked: bool,
    /// When it came, if its receiver wanted to know then.
    pub stamp: Option<Instant>,
    /// Descriptors in flight.
    pub rights: Vec<F>,
}

impl<F> Record<F> {
    /// What has not been read, `unix_skb_len`.
    pub(super) const fn left(&self) -> usize {
        self.len - self.consumed
    }

    /// What of it is in the ring.
    const fn in_ring(&self) -> usize {
        match self.store {
            Store::Ring => self.left(),
            Store::Urgent(_) => 0,
        }
    }
}

#[derive(Debug)]
pub(super) struct Queue<F> {
    pub records: VecDeque<Record<F>>,
    ring: Ring,
    /// `u->oob_skb` is set.
    pub has_mark: bool,
    /// `u->inq_len`: what FIONREAD says of a stream. An urgent byte that is skipped stays counted, as in Linux.
    pub inq_len: usize,
}

impl<F> Queue<F> {
    pub(super) fn new() -> Queue<F> {
        Queue { records: VecDeque::new(), ring: Ring::default(), has_mark: false, inq_len: 0 }
    }

    /// Queues a message of `record.len` bytes, those of `iov` after the first `skip`.
    #[inline]
    pub(super) fn push(&mut self, record: Record<F>, iov: &[IoSlice<'_>], skip: usize) {
        debug_assert_eq!(record.store, Store::Ring, "urgent bytes are pushed by push_urgent");
        self.ring.push(iov, skip, record.len);
        self.records.push_back(record);
    }

    /// Queues an urgent byte; an earlier mark becomes ordinary data.
    pub(super) fn push_urgent(&mut self, record: Record<F>) {
        self.clear_mark();
        self.has_mark = true;
        self.records.push_back(record);
    }

    /// There is no mark any longer; the byte stays where it is.
    pub(super) fn clear_mark(&mut self) {
        if std::mem::take(&mut self.has_mark) {
            self.records.iter_mut().for_each(|record| record.is_mark = false);
        }
    }

    /// Where the mark is.
    pub(super) fn mark(&self) -> Option<usize> {
        if self.has_mark { self.records.iter().position(|record| record.is_mark) } else { None }
    }

    /// Copies `count` bytes of a message, those after `skip` unread ones, behind the first `done` bytes of `iov`.
    pub(super) fn copy_out(&self, index: usize, skip: usize, count: usize, iov: &mut [IoSliceMut<'_>], done: usize) {
        if count == 0 {
            return;
        }
        match self.records[index].store {
            Store::Ring => {
                let before: usize = self.records.iter().take(index).map(Record::in_ring).sum();
                self.ring.copy_out(before + skip, count, iov, done);
            }
            Store::Urgent(byte) => put_byte(byte, iov, done),
        }
    }

    /// Marks `count` bytes of a message as read. What stands in front of it is read already.
    #[inline]
    pub(super) fn consume(&mut self, index: usize, count: usize) {
        let record = &mut self.records[index];
        record.consumed += count;
        if record.store == Store::Ring {
            self.ring.consume(count);
        }
    }

    /// Takes a message out; what was not read of it is lost.
    #[inline]
    pub(super) fn remove(&mut self, index: usize) -> Record<F> {
        let record = if index == 0 { self.records.pop_front() } else { self.records.remove(index) };
        let record = record.expect("a message that was found is there");
        let lost = record.in_ring();
        if lost > 0 {
            debug_assert_eq!(index, 0, "bytes leave the ring in order");
            self.ring.consume(lost);
        }
        if record.is_mark {
            self.has_mark = false;
        }
        record
    }
}

/// Stores a byte behind the first `done` bytes of `iov`.
pub(super) fn put_byte(byte: u8, iov: &mut [IoSliceMut<'_>], mut done: usize) {
    for part in iov {
        if let Some(room) = part.get_mut(done) {
            *room = byte;
            return;
        }
        done -= part.len();
    }
}

/// The byte at an offset of what is gathered.
pub(super) fn byte_at(iov: &[IoSlice<'_>], mut at: usize) -> u8 {
    for part in iov {
        if let Some(byte) = part.get(at) {
            return *byte;
        }
        at -= part.len();
    }
    unreachable!("an offset below the length of what is gathered")
}

/// How many bytes of a stream go into one message at most: a page's worth in the head and eight pages, and two messages into a buffer.
#[inline]
pub(super) fn stream_chunk(left: usize, sndbuf_bytes: u32) -> usize {
    let half = usize::try_from(sndbuf_bytes / 2).expect("usize holds 32 bits") - 64;
    left.min(half).min(HEAD_OF_A_PAGE_BYTES + FRAGS_BYTES)
}

/// What a piece of a stream charges.
#[inline]
pub(super) fn stream_charge(len: usize) -> u32 {
    let paged = len.min(page_align(len.saturating_sub(HEAD_OF_A_PAGE_BYTES)));
    head_charge(len - paged) + bytes_u32(page_align(paged))
}

/// What a datagram or a record charges; `None`: the kernel finds no memory for it (`KMALLOC_MAX_SIZE`).
#[inline]
pub(super) fn message_charge(len: usize) -> Option<u32> {
    let paged = page_align(len.saturating_sub(HEAD_MAX_BYTES).min(FRAGS_MAX * PAGE_BYTES));
    let head = len - paged.min(len);
    if head + SHARED_INFO_BYTES > KMALLOC_MAX_BYTES {
        return None;
    }
    Some(head_charge(head) + bytes_u32(paged))
}

/// `__alloc_skb`: data and `skb_shared_info` in a block of the allocator, plus the descriptor.
#[inline]
fn head_charge(len: usize) -> u32 {
    let block = len.next_multiple_of(CACHE_LINE_BYTES) + SHARED_INFO_BYTES;
    bytes_u32(block.next_power_of_two().max(512)) + SK_BUFF_BYTES
}

const fn page_align(len: usize) -> usize {
    len.next_multiple_of(PAGE_BYTES)
}

#[inline]
fn bytes_u32(len: usize) -> u32 {
    u32::try_from(len).expect("a message is smaller than 4 GiB")
}

const PAGE_BYTES: usize = 4096;
const CACHE_LINE_BYTES: usize = 64;
/// `SKB_DATA_ALIGN(sizeof(struct skb_shared_info))`.
const SHARED_INFO_BYTES: usize = 320;
/// `SKB_DATA_ALIGN(sizeof(struct sk_buff))`.
const SK_BUFF_BYTES: u32 = 256;
/// `SKB_MAX_HEAD(0)`.
const HEAD_OF_A_PAGE_BYTES: usize = PAGE_BYTES - SHARED_INFO_BYTES;
/// `UNIX_SKB_FRAGS_SZ`.
const FRAGS_BYTES: usize = 32_768;
/// `SKB_MAX_ALLOC`.
const HEAD_MAX_BYTES: usize = 4 * PAGE_BYTES - SHARED_INFO_BYTES;
/// `MAX_SKB_FRAGS`.
const FRAGS_MAX: usize = 17;
const KMALLOC_MAX_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_charges_a_block_and_pages() {
        let charges = [
            (1, 768),
            (192, 768),
            (193, 1280),
            (704, 1280),
            (705, 2304),
            (1728, 2304),
            (3776, 4352),
            (3777, 4864),
            (4096, 4864),
            (7872, 8448),
            (7873, 8960),
            (16_064, 16_640),
            (16_065, 17_152),
            (36_544, 37_120),
        ];
        for (len, charge) in charges {
            assert_eq!(stream_charge(len), charge, "{len} bytes");
        }
        assert_eq!(stream_chunk(1 << 20, 212_992), 36_544);
        assert_eq!(stream_chunk(1 << 20, 4608), 2240);
    }

    #[test]
    fn a_message_charges_one_block_and_pages_beyond_it() {
        let charges = [
            (0, 768),
            (1, 768),
            (193, 1280),
            (705, 2304),
            (3776, 4352),
            (3777, 8448),
            (7872, 8448),
            (7873, 16_640),
            (16_064, 16_640),
            (16_065, 20_736),
            (20_000, 20_736),
            (40_000, 41_216),
            (100_000, 102_656),
        ];
        for (len, charge) in charges {
            assert_eq!(message_charge(len), Some(charge), "{len} bytes");
        }
    }
}
