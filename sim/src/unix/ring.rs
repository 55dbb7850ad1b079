//! A growing ring of bytes: what is queued at a socket, copied in once and out once, in storage that is used again.

use std::io::{IoSlice, IoSliceMut};

/// How much storage an empty ring keeps.
const KEPT_MAX_BYTES: usize = 1 << 20;
const FIRST_BYTES: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Ring {
    /// A power of two in length, or empty.
    bytes: Box<[u8]>,
    head: usize,
    len: usize,
}

impl Ring {
    /// Appends `count` gathered bytes, those after the first `skip`.
    #[inline]
    pub(super) fn push(&mut self, iov: &[IoSlice<'_>], mut skip: usize, mut count: usize) {
        self.make_room(count);
        for part in iov {
            if count == 0 {
                return;
            }
            if skip >= part.len() {
                skip -= part.len();
                continue;
            }
            let part = &part[skip..part.len().min(skip + count)];
            self.push_slice(part);
            count -= part.len();
            skip = 0;
        }
        assert_eq!(count, 0, "a message is as long as what it is gathered from");
    }

    /// Scatters `count` bytes from `at` on behind the first `skip` bytes of `iov`.
    #[inline]
    pub(super) fn copy_out(&self, mut at: usize, mut count: usize, iov: &mut [IoSliceMut<'_>], mut skip: usize) {
        debug_assert!(at + count <= self.len, "only what is queued is read");
        for part in iov {
            if count == 0 {
                return;
            }
            if skip >= part.len() {
                skip -= part.len();
                continue;
            }
            let end = part.len().min(skip + count);
            let room = &mut part[skip..end];
            self.copy_slice(at, room);
            at += room.len();
            count -= room.len();
            skip = 0;
        }
        assert_eq!(count, 0, "no more is read than there is room for");
    }

    /// Drops the first `count` bytes.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.len, "only what is queued is dropped");
        self.len -= count;
        if self.len == 0 {
            self.head = 0;
            if self.bytes.len() > KEPT_MAX_BYTES {
                self.bytes = Box::default();
            }
        } else {
            self.head = (self.head + count) & (self.bytes.len() - 1);
        }
    }

    #[inline]
    fn push_slice(&mut self, part: &[u8]) {
        let tail = (self.head + self.len) & (self.bytes.len() - 1);
        let first = part.len().min(self.bytes.len() - tail);
        self.bytes[tail..tail + first].copy_from_slice(&part[..first]);
        self.bytes[..part.len() - first].copy_from_slice(&part[first..]);
        self.len += part.len();
    }

    #[inline]
    fn copy_slice(&self, at: usize, room: &mut [u8]) {
        let start = (self.head + at) & (self.bytes.len() - 1);
        let first = room.len().min(self.bytes.len() - start);
        let rest = room.len() - first;
        room[..first].copy_from_slice(&self.bytes[start..start + first]);
        room[first..].copy_from_slice(&self.bytes[..rest]);
    }

    #[inline]
    fn make_room(&mut self, count: usize) {
        let need = self.len + count;
        if need > self.bytes.len() {
            self.grow(need);
        }
    }

    #[cold]
    fn grow(&mut self, need: usize) {
        let mut bytes = vec![0; need.next_power_of_two().max(FIRST_BYTES)].into_boxed_slice();
        if self.len > 0 {
            self.copy_slice(0, &mut bytes[..self.len]);
        }
        self.bytes = bytes;
        self.head = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;
    use std::io::{IoSlice, IoSliceMut};

    #[test]
    fn bytes_come_out_in_order_over_the_end_and_through_growth() {
        let mut ring = Ring::default();
        let (mut pushed, mut popped) = (0_u8, 0_u8);
        for round in 0..200_usize {
            let chunk: Vec<u8> = (0..round % 90)
                .map(|_| {
                    pushed = pushed.wrapping_add(1);
                    pushed
                })
                .collect();
            let (left, right) = chunk.split_at(chunk.len() / 3);
            ring.push(&[IoSlice::new(left), IoSlice::new(right)], 0, chunk.len());
            let count = ring.len.min(round % 77);
            let mut out = vec![0; count];
            ring.copy_out(0, count, &mut [IoSliceMut::new(&mut out)], 0);
            ring.consume(count);
            for byte in out {
                popped = popped.wrapping_add(1);
                assert_eq!(byte, popped, "no byte is lost or made up");
            }
        }
    }
}
