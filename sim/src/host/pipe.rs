//! A pipe, `pipe(7)`: a ring of 16 page-sized buffers between two ends, as a value.
//!
//! It follows Linux's `fs/pipe.c` where a program can tell: a write of up to PIPE_BUF bytes goes in whole or not at all; a page is given
//! back only when it has been read to its end, so that a pipe of small leftovers is full long before 65536 bytes; a small write is merged
//! into the last page where it fits. Blocking, SIGPIPE and the count of descriptors are the host's.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use twinsock::{Errno, PollEvents, Result};

/// How many pages a pipe has, Linux's `PIPE_DEF_BUFFERS`.
pub const PAGES_MAX: usize = 16;
/// The size of a page, in bytes; also `PIPE_BUF`, the largest write that is never split.
pub const PAGE_BYTES: usize = 4096;
/// How many bytes a pipe holds at most, `F_GETPIPE_SZ`.
#[cfg(test)]
const CAPACITY_BYTES: usize = PAGES_MAX * PAGE_BYTES;

/// Which end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// The end that is read.
    Read,
    /// The end that is written.
    Write,
}

/// How the open file description is set, and where the call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mode {
    /// `O_DIRECT` on the write end: every write is a packet of its own (several, if it is larger than a page).
    pub packets: bool,
    /// The call has slept on this pipe already. A sleeper that leaves something behind wakes the next one, since only the first of
    /// several sleepers was woken; and a write that slept is no longer merged into the last page.
    pub slept: bool,
}

/// Who is to be woken, since the last [`Pipe::take_wakes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Wakes {
    /// Watchers of the read end and one sleeping reader, with `poll::KEY_PIPE_READABLE`.
    pub readable: bool,
    /// Watchers of the write end and one sleeping writer, with `poll::KEY_PIPE_WRITABLE`.
    pub writable: bool,
    /// Everybody at either end, with `poll::KEY_STATE`: an end was closed.
    pub closed: bool,
}

/// A pipe.
#[derive(Debug)]
pub struct Pipe {
    /// The bytes of all pages, oldest first.
    bytes: VecDeque<u8>,
    /// The pages in use, oldest first: a ring that starts at `first`.
    pages: [Page; PAGES_MAX],
    first: usize,
    used: usize,
    has_reader: bool,
    has_writer: bool,
    wakes: Wakes,
}

#[derive(Clone, Copy, Debug, Default)]
struct Page {
    /// How many bytes of the page have been read.
    offset: usize,
    /// How many bytes are left to read.
    len: usize,
    /// The page holds a packet.
    packet: bool,
}

impl Default for Pipe {
    fn default() -> Pipe {
        Pipe::new()
    }
}

impl Pipe {
    /// An empty pipe with both ends open, `pipe2(2)`.
    #[must_use]
    pub(crate) fn new() -> Pipe {
        Pipe {
            bytes: VecDeque::new(),
            pages: [Page::default(); PAGES_MAX],
            first: 0,
            used: 0,
            has_reader: true,
            has_writer: true,
            wakes: Wakes::default(),
        }
    }

    /// Reads what is there, up to the room in `iov`. 0 is the end of the stream (or no room).
    ///
    /// # Errors
    /// `EAGAIN`: nothing is there, and the write end is open.
    pub(crate) fn read(&mut self, iov: &mut [IoSliceMut<'_>], mode: Mode) -> Result<usize> {
        let room: usize = iov.iter().map(|part| part.len()).sum();
        if room == 0 {
            return Ok(0);
        }
        let mut taken = 0;
        while taken < room && self.used > 0 {
            let was_full = self.is_full();
            let page = &mut self.pages[self.first];
            let count = page.len.min(room - taken);
            let (packet, rest) = (page.packet, page.len - count);
            page.offset += count;
            page.len = rest;
            copy_out(&mut self.bytes, iov, taken, count);
            taken += count;
            if packet {
                // The rest of a packet is lost.
                self.bytes.drain(..rest);
            }
            if packet || rest == 0 {
                self.first = (self.first + 1) % PAGES_MAX;
                self.used -= 1;
                self.wakes.writable |= was_full;
            }
            if packet {
                break;
            }
        }
        if mode.slept && self.used > 0 {
            self.wakes.readable = true;
        }
        if taken == 0 && self.has_writer { Err(Errno::AGAIN) } else { Ok(taken) }
    }

    /// Writes the bytes of `iov` after the first `skip`, as many as go in. `skip` counts what the same call has written already.
    ///
    /// # Errors
    /// `EPIPE`: the read end is closed (the host raises SIGPIPE, also after a part). `EAGAIN`: no room.
    pub(crate) fn write(&mut self, iov: &[IoSlice<'_>], skip: usize, mode: Mode) -> Result<usize> {
        let total: usize = iov.iter().map(|part| part.len()).sum();
        debug_assert!(skip <= total, "a call has written no more than it was given");
        if total == skip {
            return Ok(0);
        }
        if !self.has_reader {
            return Err(Errno::PIPE);
        }
        let mut done = skip;
        if skip == 0 && !mode.slept {
            done += self.merge(iov, total);
        }
        while done < total && !self.is_full() {
            let count = (total - done).min(PAGE_BYTES);
            copy_in(&mut self.bytes, iov, done, count);
            self.pages[(self.first + self.used) % PAGES_MAX] = Page { offset: 0, len: count, packet: mode.packets };
            self.used += 1;
            done += count;
        }
        // Also where the pipe was not empty, and where nothing went in: "epoll nonsensically wants a wakeup" (fs/pipe.c). A sleeping
        // reader cannot tell, since it sleeps only while the pipe is empty.
        self.wakes.readable = true;
        if mode.slept && !self.is_full() {
            self.wakes.writable = true;
        }
        if done == skip { Err(Errno::AGAIN) } else { Ok(done - skip) }
    }

    /// What `poll(2)` says of an end.
    #[must_use]
    pub(crate) fn poll_mask(&self, end: End) -> PollEvents {
        let mut mask = PollEvents::NONE;
        match end {
            End::Read => {
                if self.used > 0 {
                    mask |= PollEvents::IN | PollEvents::RDNORM;
                }
                if !self.has_writer {
                    mask |= PollEvents::HUP;
                }
            }
            End::Write => {
                if !self.is_full() {
                    mask |= PollEvents::OUT | PollEvents::WRNORM;
                }
                if !self.has_reader {
                    mask |= PollEvents::ERR;
                }
            }
        }
        mask
    }

    /// The last descriptor of an end is closed. Once both are, the pipe may be dropped.
    pub(crate) fn close(&mut self, end: End) {
        match end {
            End::Read => self.has_reader = false,
            End::Write => self.has_writer = false,
        }
        self.wakes.closed |= self.has_reader != self.has_writer;
    }

    /// Whether both ends are closed.
    #[must_use]
    pub(crate) fn is_gone(&self) -> bool {
        !self.has_reader && !self.has_writer
    }

    /// How many bytes are there to read, `FIONREAD`.
    #[must_use]
    pub(crate) fn readable_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Who is to be woken for what happened since the last time.
    pub(crate) fn take_wakes(&mut self) -> Wakes {
        std::mem::take(&mut self.wakes)
    }

    fn is_full(&self) -> bool {
        self.used == PAGES_MAX
    }

    /// Puts what is beyond whole pages into the last page, if it fits there; answers how many bytes.
    fn merge(&mut self, iov: &[IoSlice<'_>], total: usize) -> usize {
        let count = total % PAGE_BYTES;
        if count == 0 || self.used == 0 {
            return 0;
        }
        let last = &mut self.pages[(self.first + self.used - 1) % PAGES_MAX];
        if last.packet || last.offset + last.len + count > PAGE_BYTES {
            return 0;
        }
        last.len += count;
        copy_in(&mut self.bytes, iov, 0, count);
        count
    }
}

/// Appends `count` bytes of `iov`, after its first `skip`.
fn copy_in(to: &mut VecDeque<u8>, iov: &[IoSlice<'_>], mut skip: usize, mut count: usize) {
    for part in iov {
        if skip >= part.len() {
            skip -= part.len();
            continue;
        }
        let piece = &part[skip..part.len().min(skip + count)];
        to.extend(piece);
        count -= piece.len();
        skip = 0;
        if count == 0 {
            return;
        }
    }
}

/// Moves the first `count` bytes into `iov`, after its first `skip`.
fn copy_out(from: &mut VecDeque<u8>, iov: &mut [IoSliceMut<'_>], mut skip: usize, count: usize) {
    let mut done = 0;
    for part in iov {
        if skip >= part.len() {
            skip -= part.len();
            continue;
        }
        let room = &mut part[skip..];
        skip = 0;
        let piece = room.len().min(count - done);
        copy_range(from, done, &mut room[..piece]);
        done += piece;
        if done == count {
            break;
        }
    }
    from.drain(..count);
}

/// Copies the bytes from `start` on into `into`, which they fill.
fn copy_range(from: &VecDeque<u8>, start: usize, into: &mut [u8]) {
    let (front, back) = from.as_slices();
    let in_front = front.len().saturating_sub(start).min(into.len());
    let (first, second) = into.split_at_mut(in_front);
    if in_front > 0 {
        first.copy_from_slice(&front[start..start + in_front]);
    }
    let start = (start + in_front).saturating_sub(front.len());
    second.copy_from_slice(&back[start..start + second.len()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Mode = Mode { packets: false, slept: false };
    const SLEPT: Mode = Mode { packets: false, slept: true };
    const PACKETS: Mode = Mode { packets: true, slept: false };

    fn write(pipe: &mut Pipe, data: &[u8]) -> Result<usize> {
        pipe.write(&[IoSlice::new(data)], 0, PLAIN)
    }

    fn read(pipe: &mut Pipe, room: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; room];
        let count = pipe.read(&mut [IoSliceMut::new(&mut bytes)], PLAIN)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut pipe = Pipe::new();
        let data: Vec<u8> = (0..10_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let (a, b) = data.split_at(5_001);
        assert_eq!(pipe.write(&[IoSlice::new(a), IoSlice::new(&[]), IoSlice::new(b)], 0, PLAIN), Ok(10_000));
        assert_eq!(pipe.readable_bytes(), 10_000);
        let (mut x, mut y) = ([0; 3], [0; 6_000]);
        assert_eq!(pipe.read(&mut [IoSliceMut::new(&mut x), IoSliceMut::new(&mut y)], PLAIN), Ok(6_003));
        assert_eq!([&x[..], &y[..]].concat(), data[..6_003]);
        assert_eq!(read(&mut pipe, 65_536).unwrap(), data[6_003..]);
        assert_eq!(read(&mut pipe, 1), Err(Errno::AGAIN));
    }

    #[test]
    fn a_pipe_holds_65536_bytes() {
        let mut pipe = Pipe::new();
        assert_eq!(write(&mut pipe, &vec![1; 100_000]), Ok(CAPACITY_BYTES));
        assert_eq!(write(&mut pipe, &[1]), Err(Errno::AGAIN));
        assert_eq!(pipe.poll_mask(End::Write), PollEvents::NONE);
        assert_eq!(pipe.readable_bytes(), CAPACITY_BYTES);
    }

    #[test]
    fn a_write_of_pipe_buf_is_never_split() {
        let mut pipe = Pipe::new();
        assert_eq!(write(&mut pipe, &vec![1; 15 * 4096 + 100]), Ok(15 * 4096 + 100));
        assert_eq!(write(&mut pipe, &[2; 4096]), Err(Errno::AGAIN), "3996 bytes would go in");
        assert_eq!(write(&mut pipe, &[2; 3996]), Ok(3996));
        assert_eq!(write(&mut pipe, &[2]), Err(Errno::AGAIN));
    }

    #[test]
    fn a_page_is_free_only_when_it_is_read_to_its_end() {
        let mut pipe = Pipe::new();
        write(&mut pipe, &vec![1; CAPACITY_BYTES]).unwrap();
        pipe.take_wakes();
        assert_eq!(read(&mut pipe, 4095).unwrap().len(), 4095);
        assert_eq!(pipe.take_wakes(), Wakes::default());
        assert_eq!(write(&mut pipe, &[2]), Err(Errno::AGAIN));
        pipe.take_wakes();
        assert_eq!(read(&mut pipe, 1).unwrap().len(), 1);
        assert_eq!(pipe.take_wakes(), Wakes { writable: true, ..Wakes::default() });
        assert_eq!(write(&mut pipe, &[2]), Ok(1));
    }

    #[test]
    fn writers_are_woken_only_when_the_pipe_was_full() {
        let mut pipe = Pipe::new();
        write(&mut pipe, &[1; 8192]).unwrap();
        assert!(pipe.take_wakes().readable);
        read(&mut pipe, 8192).unwrap();
        assert_eq!(pipe.take_wakes(), Wakes::default());
    }

    #[test]
    fn every_write_is_an_edge_for_watchers() {
        let mut pipe = Pipe::new();
        for _ in 0..3 {
            write(&mut pipe, &[1]).unwrap();
            assert!(pipe.take_wakes().readable);
        }
    }

    #[test]
    fn a_sleeper_that_leaves_something_wakes_the_next() {
        let mut pipe = Pipe::new();
        write(&mut pipe, &[1; 10]).unwrap();
        pipe.take_wakes();
        let mut byte = [0];
        assert_eq!(pipe.read(&mut [IoSliceMut::new(&mut byte)], SLEPT), Ok(1));
        assert!(pipe.take_wakes().readable);
        assert_eq!(pipe.write(&[IoSlice::new(&[1; 10])], 0, SLEPT), Ok(10));
        assert!(pipe.take_wakes().writable);
    }

    #[test]
    fn a_blocked_write_goes_on_where_it_stopped() {
        let mut pipe = Pipe::new();
        let data: Vec<u8> = (0..70_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let iov = [IoSlice::new(&data[..10]), IoSlice::new(&data[10..])];
        assert_eq!(pipe.write(&iov, 0, PLAIN), Ok(65_536));
        let mut got = read(&mut pipe, 5_000).unwrap();
        assert_eq!(pipe.write(&iov, 65_536, SLEPT), Ok(4_096), "one page is free");
        got.extend(read(&mut pipe, 65_536).unwrap());
        assert_eq!(pipe.write(&iov, 69_632, SLEPT), Ok(368));
        got.extend(read(&mut pipe, 65_536).unwrap());
        assert_eq!(got, data);
    }

    #[test]
    fn closing_an_end_is_seen_at_the_other() {
        let mut pipe = Pipe::new();
        write(&mut pipe, &[7]).unwrap();
        pipe.take_wakes();
        pipe.close(End::Write);
        assert!(pipe.take_wakes().closed);
        assert_eq!(pipe.poll_mask(End::Read), PollEvents::IN | PollEvents::RDNORM | PollEvents::HUP);
        assert_eq!(read(&mut pipe, 9), Ok(vec![7]));
        assert_eq!(read(&mut pipe, 9), Ok(vec![]));
        assert_eq!(pipe.poll_mask(End::Read), PollEvents::HUP);
        pipe.close(End::Read);
        assert!(!pipe.take_wakes().closed && pipe.is_gone());

        let mut pipe = Pipe::new();
        pipe.close(End::Read);
        assert_eq!(pipe.poll_mask(End::Write), PollEvents::OUT | PollEvents::WRNORM | PollEvents::ERR);
        assert_eq!(write(&mut pipe, &[]), Ok(0), "a write of nothing asks nothing");
        assert_eq!(write(&mut pipe, &[1]), Err(Errno::PIPE));
    }

    #[test]
    fn a_packet_is_read_whole_or_cut() {
        let mut pipe = Pipe::new();
        for data in [&b"first"[..], b"second"] {
            assert_eq!(pipe.write(&[IoSlice::new(data)], 0, PACKETS), Ok(data.len()));
        }
        assert_eq!(read(&mut pipe, 3).unwrap(), b"fir");
        assert_eq!(read(&mut pipe, 100).unwrap(), b"second");
        assert_eq!(pipe.write(&[IoSlice::new(&[3; 5_000])], 0, PACKETS), Ok(5_000));
        assert_eq!(read(&mut pipe, 9_000).unwrap().len(), 4096);
        assert_eq!(read(&mut pipe, 9_000).unwrap().len(), 904);
    }
}
