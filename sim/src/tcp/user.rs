//! The user calls of RFC 9293 section 3.10 as Linux's sockets answer them: SEND, RECEIVE, CLOSE, ABORT, shutdown and disconnect.
//!
//! The order of the checks is what a program sees when several things are wrong at once.

use super::poll::Wakes;
use super::state::State;
use super::tcb::{Tcb, Urgent, u32_from, usize_from};
use crate::packet::Payload;
use std::io::{IoSlice, IoSliceMut};
use twinsock::{Errno, Instant, Result, Shutdown};

/// The flags of `send(2)` that concern TCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SendFlags {
    /// `MSG_OOB`: the last byte is urgent.
    pub oob: bool,
    /// `MSG_MORE`: a partial segment waits for the next send.
    pub more: bool,
    /// `MSG_EOR`: the next send begins a segment of its own.
    pub eor: bool,
}

/// The flags of `recv(2)` that concern TCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RecvFlags {
    /// `MSG_PEEK`: what is read stays in the queue.
    pub peek: bool,
    /// `MSG_TRUNC`: the bytes are discarded, only counted.
    pub trunc: bool,
    /// Where a peek begins: `SO_PEEK_OFF`, or what an earlier turn of the same call has peeked at.
    pub peek_offset: u32,
}

/// What closing a socket does with what it still has to send: `SO_LINGER`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Linger {
    /// Off: delivered in the background.
    None,
    /// On with 0 seconds: dropped, the peer is reset.
    Reset,
    /// On with some seconds: as `None`, and the host lets the caller wait while [`Tcb::has_unacked`].
    Wait,
}

/// Which directions are shut down: `sk_shutdown`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShutdownBits {
    /// RCV_SHUTDOWN.
    pub read: bool,
    /// SEND_SHUTDOWN.
    pub write: bool,
}

impl ShutdownBits {
    /// Both directions: SHUTDOWN_MASK.
    pub const BOTH: ShutdownBits = ShutdownBits { read: true, write: true };
}

impl Tcb {
    /// Nothing is going on for now: gives back memory that is kept for a sender in full swing.
    pub fn rest(&mut self) {
        if let Some(send) = &mut self.send {
            send.drop_idle_blocks();
        }
    }

    /// CLOSED to LISTEN: `listen(2)`. In LISTEN nothing changes.
    pub fn listen(&mut self) {
        if self.state == State::Closed {
            self.state = State::Listen;
            self.done = false;
            // TCP_QUICKACK is on again: `inet_csk_delack_init`.
            self.ack.pingpong = false;
        }
    }

    /// LISTEN to CLOSED; the shutdown bits are clear afterwards. The host resets the queued connections.
    pub fn unlisten(&mut self) {
        if self.state == State::Listen {
            self.state = State::Closed;
            self.shutdown = ShutdownBits::default();
            self.wakes |= Wakes::STATE;
        }
    }

    /// RFC 9293 section 3.10.2, SEND: takes what there is room for out of `iov` after its first `skip` bytes.
    ///
    /// # Errors
    /// `EAGAIN`: connecting, or no room. The pending error, taken. `EPIPE`: shut down, or not connected.
    pub fn send(&mut self, now: Instant, iov: &[IoSlice<'_>], skip: usize, flags: SendFlags) -> Result<usize> {
        if self.state == State::SynSent || (self.state == State::SynReceived && !self.passive) {
            return Err(self.err.take().unwrap_or(Errno::AGAIN));
        }
        if self.err.is_some() || self.shutdown.write || !self.state.may_send() {
            return Err(self.err.take().unwrap_or(Errno::PIPE));
        }
        let mut source = Gather::new(iov, skip);
        if source.left == 0 {
            return Ok(0);
        }
        self.restart_after_idle(now);
        let (taken, full) = self.queue_data(&mut source);
        if full {
            self.nospace = true;
        }
        if taken == 0 {
            return Err(Errno::AGAIN);
        }
        self.more_follows = flags.more && !full;
        self.sealed = flags.eor && !full;
        if flags.oob {
            self.snd_up = self.write_seq;
        }
        Ok(taken)
    }

    /// Copies data into the send queue: how much, and whether the buffer is full.
    #[inline]
    fn queue_data(&mut self, source: &mut Gather<'_, '_>) -> (usize, bool) {
        let size_goal = self.size_goal;
        let lowat = self.notsent_lowat();
        self.send_buffer();
        let send = self.send.as_mut().expect("the send queue was made above");
        let mut taken = 0;
        while source.left > 0 {
            let mut room = if self.sealed { 0 } else { send.tail_room(size_goal) };
            if room == 0 {
                let unsent = if self.snd_nxt.before(self.write_seq) { self.write_seq - self.snd_nxt } else { 0 };
                if send.charge() >= self.sndbuf || unsent >= lowat {
                    return (taken, true);
                }
                self.push_now = false;
                self.sealed = false;
                if source.left <= Payload::INLINE_MAX_BYTES && source.is_contiguous() {
                    let part = source.next(Payload::INLINE_MAX_BYTES);
                    send.push_small(self.write_seq, part);
                    self.write_seq += u32_from(part.len());
                    return (taken + part.len(), false);
                }
                room = size_goal;
                // What is left of a large write is the beginning of a chunk that the next one fills.
                let expected = if taken > 0 { usize_from(size_goal) } else { source.left.min(usize_from(size_goal)) };
                send.start_chunk(self.write_seq, expected);
            }
            let part = source.next(usize_from(room));
            send.extend_tail(part);
            self.write_seq += u32_from(part.len());
            taken += part.len();
        }
        (taken, false)
    }

    /// RFC 9293 section 3.10.3, RECEIVE: one turn of `recv(2)`. Stores what there is into `iov` after its first `skip` bytes, up to
    /// the urgent mark. `Ok(0)` with room left in `iov` is the end of the stream.
    ///
    /// A caller that has some bytes already asks [`Tcb::recv_is_over`] before another turn, which would take the pending error.
    ///
    /// # Errors
    /// `EAGAIN`: nothing there yet. `ENOTCONN`: never connected, or listening. The pending error, taken.
    pub fn recv(&mut self, now: Instant, iov: &mut [IoSliceMut<'_>], skip: usize, flags: RecvFlags) -> Result<usize> {
        if self.state == State::Listen {
            return Err(Errno::NOTCONN);
        }
        if self.unread_bytes() > if flags.peek { flags.peek_offset } else { 0 } {
            let before = self.copied_seq;
            let copied = if self.urgent == Urgent::None && !flags.peek && !flags.trunc {
                self.read_plain(iov, skip)
            } else {
                self.read_up_to_mark(iov, skip, flags)
            };
            if self.copied_seq != before {
                self.after_read(now, copied);
            }
            if copied > 0 || room_after(iov, skip) == 0 {
                return Ok(copied);
            }
        }
        if self.done {
            return Ok(0);
        }
        if let Some(error) = self.err.take() {
            return Err(error);
        }
        if self.shutdown.read {
            return Ok(0);
        }
        Err(if self.state == State::Closed { Errno::NOTCONN } else { Errno::AGAIN })
    }

    /// The usual case: no urgent data.
    #[inline]
    fn read_plain(&mut self, iov: &mut [IoSliceMut<'_>], skip: usize) -> usize {
        let recv = self.recv.as_mut().expect("unread bytes are in the receive buffer");
        let copied = recv.read(iov, skip);
        self.copied_seq += u32_from(copied);
        copied
    }

    /// `tcp_recvmsg_locked` where there is urgent data, or where the bytes stay or are thrown away.
    fn read_up_to_mark(&mut self, iov: &mut [IoSliceMut<'_>], skip: usize, flags: RecvFlags) -> usize {
        let room = room_after(iov, skip);
        let recv = self.recv.as_mut().expect("unread bytes are in the receive buffer");
        let unread = recv.queued_bytes();
        let mut offset = if flags.peek { flags.peek_offset } else { 0 };
        let mut end = unread;
        if self.urgent != Urgent::None {
            let mark = self.urg_seq - self.copied_seq;
            if mark == offset && room > 0 && !self.options.oobinline {
                // The urgent byte itself is not part of the stream that is read: tcp(7).
                offset += 1;
            } else if mark > offset && mark < unread {
                end = mark;
            }
        }
        let len = room.min(usize_from(end - offset));
        let copied = if flags.trunc { len } else { recv.copy_out(usize_from(offset), iov, skip, len) };
        if !flags.peek {
            let passed = offset + u32_from(copied);
            recv.consume(usize_from(passed));
            self.copied_seq += passed;
            if self.urgent != Urgent::None && self.urg_seq.before(self.copied_seq) {
                self.urgent = Urgent::None;
            }
        }
        copied
    }

    /// Whether another turn of `recv` would report an end or an error, so that a call with some bytes in hand returns them.
    #[must_use]
    pub fn recv_is_over(&self) -> bool {
        self.err.is_some() || self.done || self.shutdown.read || self.state == State::Closed
    }

    /// `recv(2)` with MSG_OOB: the urgent byte.
    ///
    /// # Errors
    /// `EINVAL`: none, already read, or SO_OOBINLINE. `ENOTCONN`: the connection died without a FIN. `EAGAIN`: announced, not here yet.
    pub fn recv_urgent(&mut self, into: &mut [u8], peek: bool) -> Result<usize> {
        if self.state == State::Listen {
            return Err(Errno::NOTCONN);
        }
        if self.options.oobinline {
            return Err(Errno::INVAL);
        }
        match self.urgent {
            Urgent::None | Urgent::Read => Err(Errno::INVAL),
            Urgent::Unread(_) | Urgent::Awaited if self.state == State::Closed && !self.done => Err(Errno::NOTCONN),
            Urgent::Unread(byte) => {
                if !peek {
                    self.urgent = Urgent::Read;
                }
                Ok(into.first_mut().map_or(0, |first| {
                    *first = byte;
                    1
                }))
            }
            Urgent::Awaited if self.state == State::Closed || self.shutdown.read => Ok(0),
            Urgent::Awaited => Err(Errno::AGAIN),
        }
    }

    /// `shutdown(2)`: `inet_shutdown` and `tcp_shutdown`.
    ///
    /// # Errors
    /// `ENOTCONN`: CLOSED. The bits are set all the same, and survive `connect` and `listen`.
    pub fn shutdown(&mut self, now: Instant, how: Shutdown) -> Result<()> {
        let (read, write) = match how {
            Shutdown::Read => (true, false),
            Shutdown::Write => (false, true),
            Shutdown::Both => (true, true),
        };
        match self.state {
            State::Listen => {
                if read {
                    self.unlisten();
                    self.skip_ahead();
                }
                self.wakes |= Wakes::STATE;
                return Ok(());
            }
            State::SynSent => {
                self.disconnect(now);
                return Ok(());
            }
            State::Closed
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => {}
        }
        self.shutdown.read |= read;
        self.shutdown.write |= write;
        self.wakes |= Wakes::STATE;
        if write && self.state.may_send() {
            self.send_fin();
        }
        if self.state == State::Closed { Err(Errno::NOTCONN) } else { Ok(()) }
    }

    /// RFC 9293 section 3.10.4, CLOSE, by the last descriptor. The host keeps the block, without a user, until [`Tcb::is_gone`].
    pub fn close(&mut self, now: Instant, linger: Linger) {
        let unread = self.unread_bytes() > 0;
        if let Some(recv) = &mut self.recv {
            recv.clear();
        }
        self.copied_seq = self.rcv_nxt;
        self.shutdown = ShutdownBits::BOTH;
        self.orphan = true;
        match self.state {
            State::Closed | State::TimeWait => {}
            State::Listen | State::SynSent => self.die(),
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck => {
                if unread || linger == Linger::Reset || self.state == State::SynReceived {
                    self.reset_peer(now);
                    self.die();
                } else {
                    self.close_in_peace(now);
                }
            }
        }
    }

    /// FIN after the queue; what Linux does with a connection whose user is gone.
    fn close_in_peace(&mut self, now: Instant) {
        match self.state {
            State::Established | State::CloseWait => self.send_fin(),
            State::FinWait2 => self.orphan_in_fin_wait2(now),
            State::FinWait1
            | State::SynReceived
            | State::Closing
            | State::LastAck
            | State::Closed
            | State::Listen
            | State::SynSent
            | State::TimeWait => {}
        }
    }

    /// RFC 9293 section 3.10.5, ABORT: resets the peer where the state asks for it; CLOSED, with `ECONNRESET` pending.
    pub fn abort(&mut self, now: Instant) {
        let was_open = self.state != State::Closed && self.state != State::Listen;
        if self.state_needs_reset() {
            self.reset_peer(now);
        }
        if was_open {
            self.err = Some(Errno::CONNRESET);
            self.wakes |= Wakes::ERROR;
        }
        self.die();
    }

    /// `connect(2)` with AF_UNSPEC, `tcp_disconnect`: ABORT, and the block is as fresh, but for the pending error.
    pub fn disconnect(&mut self, now: Instant) {
        match self.state {
            State::Listen => self.unlisten(),
            State::Closed => {}
            State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => self.abort(now),
        }
        self.shutdown = ShutdownBits::default();
        self.ack.pingpong = false;
        self.options.maxseg = 0;
        self.done = false;
        self.urgent = Urgent::None;
        self.nospace = false;
        self.recv = None;
        self.copied_seq = self.rcv_nxt;
        self.skip_ahead();
    }

    /// `tcp_disconnect` moves `write_seq` beyond everything that the peer could still take.
    fn skip_ahead(&mut self) {
        self.unsettled = self.unsettled.wrapping_add(self.max_window).wrapping_add(2);
    }

    /// `tcp_need_reset`: whether the peer must be told.
    fn state_needs_reset(&self) -> bool {
        match self.state {
            State::SynReceived | State::Established | State::CloseWait | State::FinWait1 | State::FinWait2 => true,
            State::Closing | State::LastAck => self.snd_nxt != self.write_seq + u32::from(self.fin_queued),
            State::Closed | State::Listen | State::SynSent | State::TimeWait => false,
        }
    }

    /// `tcp_done`: the connection is over. The receive queue stays.
    pub(super) fn die(&mut self) {
        if self.state != State::Closed {
            self.unsettled = (self.write_seq + u32::from(self.fin_queued)) - self.snd_una;
        }
        self.state = State::Closed;
        self.shutdown = ShutdownBits::BOTH;
        self.spare_send();
        self.fin_queued = false;
        self.snd_una = self.snd_nxt;
        self.write_seq = self.snd_nxt;
        self.rtx_nxt = self.snd_nxt;
        self.rtx_end = self.snd_nxt;
        self.ack.now = false;
        self.ack.scheduled = false;
        self.timers.stop();
        self.wakes |= Wakes::STATE;
        if let Some(recv) = &mut self.recv {
            recv.drop_early();
        }
    }

    /// Ends the connection with an error for its user: `sk_error_report` and `tcp_done`.
    pub(super) fn fail(&mut self, error: Errno) {
        self.err = Some(error);
        self.wakes |= Wakes::ERROR;
        self.die();
    }

    /// A FIN goes out after the queue: `tcp_close_state` and `tcp_send_fin`.
    pub(super) fn send_fin(&mut self) {
        let next = match self.state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            State::Closed
            | State::SynReceived
            | State::Listen
            | State::SynSent
            | State::FinWait1
            | State::FinWait2
            | State::Closing
            | State::LastAck
            | State::TimeWait => return,
        };
        self.state = next;
        self.fin_queued = true;
    }
}

/// The room in a scattered buffer after its first `skip` bytes.
fn room_after(iov: &[IoSliceMut<'_>], skip: usize) -> usize {
    iov.iter().map(|slice| slice.len()).sum::<usize>().saturating_sub(skip)
}

/// A position in a gathered buffer.
struct Gather<'a, 'b> {
    iov: &'a [IoSlice<'b>],
    offset: usize,
    left: usize,
}

impl<'a> Gather<'a, '_> {
    fn new(iov: &'a [IoSlice<'_>], skip: usize) -> Gather<'a, 'a> {
        let left = match iov {
            [only] => only.len().saturating_sub(skip),
            several => several.iter().map(|slice| slice.len()).sum::<usize>().saturating_sub(skip),
        };
        Gather { iov, offset: skip, left }
    }

    /// Whether what is left is in one slice.
    #[inline]
    fn is_contiguous(&self) -> bool {
        self.iov.first().is_some_and(|first| self.offset + self.left == first.len())
    }

    /// The next bytes, at least one and at most `max`, out of one slice.
    fn next(&mut self, max: usize) -> &'a [u8] {
        loop {
            let (first, rest) = self.iov.split_first().expect("bytes are left in the slices");
            if self.offset < first.len() {
                let part = &first[self.offset..];
                let part = &part[..part.len().min(max)];
                self.offset += part.len();
                self.left -= part.len();
                return part;
            }
            self.offset -= first.len();
            self.iov = rest;
        }
    }
}
