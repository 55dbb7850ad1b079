//! The receive queue of a UDP socket, and what it charges: `__udp_enqueue_schedule_skb`, `udp_rmem_release` in `net/ipv4/udp.c`.
//!
//! Linux has two queues: packets arrive in one, and a reader that finds its own empty takes over all that has arrived. Memory is given
//! back when the reader's queue runs empty, or when a quarter of the buffer has been read; that takes over what has arrived, too. Here
//! they are one queue and the length of its front part.
//!
//! A datagram is written where it stands: a few bytes of data are copied once on their way in and once on their way out, and nothing else moves.

use super::{IpHeader, Source};
use crate::line::Line;
use crate::packet::Payload;
use std::net::{IpAddr, Ipv4Addr};
use twinsock::Instant;

/// A datagram in the queue.
#[derive(Debug)]
pub(super) struct Queued {
    pub source: Source,
    pub payload: Payload,
    charge: u32,
    /// An empty datagram that was looked at under `SO_PEEK_OFF`: the next look goes past it.
    peeked: bool,
}

impl Queued {
    /// A place for one.
    fn fresh() -> Queued {
        let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let source = Source {
            header: IpHeader { src: nobody, dst: nobody, ttl: 0, tos: 0 },
            src_port: 0,
            dst_port: 0,
            arrived: Instant::ZERO,
            dropped_before: 0,
            has_interface: false,
            segment_bytes: 0,
        };
        Queued { source, payload: Payload::EMPTY, charge: 0, peeked: false }
    }
}

/// The queue.
#[derive(Debug)]
pub(super) struct ReceiveQueue {
    packets: Line<Queued>,
    /// How many of `packets`, at the front, the reader has taken over: the `reader_queue`.
    reader: usize,
    rcvbuf_bytes: u32,
    /// `sk_rmem_alloc`, in bytes.
    rmem_alloc: u32,
    /// What was read and not yet given back, `forward_deficit`.
    deficit: u32,
    /// When it is given back, `forward_threshold`.
    threshold: u32,
    /// Some was given back last, and nothing was taken since.
    is_released: bool,
}

impl ReceiveQueue {
    pub(super) fn new(rcvbuf_bytes: u32) -> ReceiveQueue {
        ReceiveQueue {
            packets: Line::new(),
            reader: 0,
            rcvbuf_bytes,
            rmem_alloc: 0,
            deficit: 0,
            threshold: rcvbuf_bytes / 4,
            is_released: false,
        }
    }

    /// Takes a datagram to this address in: its source is to be written to where it is going to stand. `None`: there is no room for it. `is_paged`: it was made
    /// to be cut, and its data lies in pages.
    #[inline(always)]
    pub(super) fn push(&mut self, dst: &IpAddr, (payload, len): (&Payload, usize), is_paged: bool) -> Option<&mut Source> {
        debug_assert_eq!(len, payload.len(), "so long is the data");
        let charge = if is_paged { charge_paged(len) } else { charge(len, dst) };
        if !self.has_room(charge) {
            return None;
        }
        self.rmem_alloc += charge;
        self.is_released = false;
        let place = self.packets.push(Queued::fresh);
        place.charge = charge;
        place.peeked = false;
        place.payload.set(payload);
        Some(&mut place.source)
    }

    /// Whether a datagram of this charge is taken in.
    #[inline]
    fn has_room(&self, charge: u32) -> bool {
        let fits = self.rmem_alloc.saturating_add(charge) <= self.rcvbuf_bytes;
        // One datagram of any size goes into an empty buffer, unless the buffer is so large that the sum could overflow.
        let alone = self.rmem_alloc == 0 && self.rcvbuf_bytes <= i32::MAX.cast_unsigned() / 2;
        fits || alone
    }

    /// A datagram comes to an empty queue and is read at once: [`ReceiveQueue::push`], [`ReceiveQueue::pop`]. `false`: there is no room for it.
    #[inline]
    pub(super) fn pass(&mut self, len: usize, dst: &IpAddr) -> bool {
        debug_assert!(self.is_empty() && self.deficit == 0, "of what an empty queue has been charged all is given back");
        let has_room = self.has_room(charge(len, dst));
        // A queue that runs empty gives its memory back.
        self.is_released |= has_room;
        has_room
    }

    /// The first datagram, for a reader.
    #[inline]
    pub(super) fn front(&mut self) -> Option<&Queued> {
        self.refill();
        self.packets.get(0)
    }

    /// Removes the first datagram, if there is one.
    pub(super) fn pop(&mut self) {
        self.pop_if(|_| Some(()));
    }

    /// Removes the first datagram if a reader makes something of it: what that is.
    #[inline(always)]
    pub(super) fn pop_if<R>(&mut self, read: impl FnOnce(&Queued) -> Option<R>) -> Option<R> {
        self.refill();
        let first = self.packets.get_mut(0)?;
        let made = read(first)?;
        first.payload.release();
        let charge = first.charge;
        self.packets.pop();
        self.give_back(charge);
        Some(made)
    }

    /// A datagram of this charge was read.
    #[inline(always)]
    fn give_back(&mut self, charge: u32) {
        self.reader -= 1;
        self.deficit += charge;
        if self.deficit >= self.threshold || self.reader == 0 {
            self.rmem_alloc -= std::mem::take(&mut self.deficit);
            self.is_released = true;
            // "This can save us from acquiring the rx queue lock on next receive."
            self.reader = self.packets.len();
        }
    }

    /// The datagram that a peek at `peek_off` sees, and where in it. A negative offset is none.
    pub(super) fn peek(&mut self, peek_off: i32) -> Option<(&Queued, usize)> {
        let offset = usize::try_from(peek_off).ok();
        let mut found = self.find(self.reader, offset);
        if found.is_none() {
            self.reader = self.packets.len();
            found = self.find(self.reader, offset);
        }
        let (of, within) = found?;
        let queued = self.packets.get_mut(of)?;
        queued.peeked |= queued.payload.is_empty();
        Some((queued, within))
    }

    /// A reader that has nothing left takes over what has arrived.
    #[inline]
    pub(super) fn refill(&mut self) {
        if self.reader == 0 {
            self.reader = self.packets.len();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(super) const fn rmem_alloc(&self) -> u32 {
        self.rmem_alloc
    }

    /// The memory that is set aside and not in use, `sk_forward_alloc`: the rest of a page, and a whole one after memory was given back down
    /// to the end of a page (`udp_rmem_release` keeps a part).
    pub(super) const fn set_aside(&self) -> u32 {
        match self.rmem_alloc.next_multiple_of(PAGE_BYTES) - self.rmem_alloc {
            0 if self.is_released => PAGE_BYTES,
            rest => rest,
        }
    }

    pub(super) const fn rcvbuf_bytes(&self) -> u32 {
        self.rcvbuf_bytes
    }

    pub(super) fn set_rcvbuf(&mut self, bytes: u32) {
        self.rcvbuf_bytes = bytes;
        self.threshold = bytes / 4;
    }

    /// Charges something that is not a datagram to the buffer, an entry of the error queue; `false`: there is no room for it.
    pub(super) fn charge_other(&mut self, bytes: u32) -> bool {
        let fits = self.rmem_alloc.saturating_add(bytes) < self.rcvbuf_bytes;
        if fits {
            self.rmem_alloc += bytes;
        }
        fits
    }

    /// Gives back what `charge_other` took, at once.
    pub(super) fn uncharge_other(&mut self, bytes: u32) {
        self.rmem_alloc -= bytes;
    }

    /// `__skb_try_recv_from_queue` for a peek, over the first `limit` datagrams.
    fn find(&self, limit: usize, offset: Option<usize>) -> Option<(usize, usize)> {
        let mut within = offset.unwrap_or(0);
        for (of, queued) in (0..limit).map_while(|of| Some((of, self.packets.get(of)?))) {
            let len = queued.payload.len();
            if offset.is_some() && within >= len && (within > 0 || queued.peeked) {
                within -= len;
                continue;
            }
            return Some((of, within));
        }
        None
    }
}

/// What a datagram with this many bytes of data charges to the receive buffer: `skb->truesize`, the size of the kernel's own buffer
/// (rounded up to a size of its allocator) and its descriptor.
#[inline]
pub(super) fn charge(len: usize, dst: &IpAddr) -> u32 {
    // Most are small.
    if len <= CHARGED_LEAST_MAX_BYTES { CHARGE_LEAST } else { charge_larger(len, *dst) }
}

#[inline(never)]
fn charge_larger(len: usize, dst: IpAddr) -> u32 {
    let with_header = len_with_header(len, dst);
    let unfragmented_max = if dst.is_ipv4() { usize::MAX } else { LOOPBACK_MTU_BYTES - 48 };
    for (up_to, charge) in [(197, 832), (645, 1280), (1669, 2304), (3717, 4352), (7813, 8448), (UNPAGED_MAX_BYTES, 16_640)] {
        if with_header <= up_to {
            return charge;
        }
    }
    if len > unfragmented_max { CHARGE_FRAGMENTED } else { charge_paged(len) }
}

/// The longer IPv6 header leaves less room in each size.
const fn len_with_header(len: usize, dst: IpAddr) -> usize {
    if dst.is_ipv4() { len } else { len + 13 }
}

/// Whether so many bytes of data are too many for memory of their own: they are written into pages.
pub(super) const fn is_paged(len: usize, dst: IpAddr) -> bool {
    len_with_header(len, dst) > UNPAGED_MAX_BYTES
}

/// What fits `SKB_MAX_ALLOC` beside the headers of IPv4.
const UNPAGED_MAX_BYTES: usize = 16_004;

/// The same of a datagram whose data lies in pages: they count as far as they are used, beside the head.
pub(super) fn charge_paged(len: usize) -> u32 {
    bytes_u32(len) + 832
}

/// Data of up to this many bytes are charged the least, whichever IP carries them.
const CHARGED_LEAST_MAX_BYTES: usize = 197 - 13;
const CHARGE_LEAST: u32 = 832;
/// The unit in which the kernel sets memory aside.
const PAGE_BYTES: u32 = 4096;
const LOOPBACK_MTU_BYTES: usize = 65_536;
/// The largest IPv6 datagrams do not fit the MTU of loopback: they arrive as a full fragment and a small one.
const CHARGE_FRAGMENTED: u32 = 67_144;

/// A count of bytes in a datagram.
pub(super) fn bytes_u32(len: usize) -> u32 {
    u32::try_from(len).expect("a datagram is at most 64 KiB")
}
