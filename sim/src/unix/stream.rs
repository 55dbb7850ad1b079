//! Streams: bytes sent and received (`unix_stream_sendmsg`, `unix_stream_read_generic`).

use super::control::Ancillary;
use super::queue::{stream_charge, stream_chunk};
use super::recv::{RecvFlags, RecvState};
use super::send::{SendFlags, SendState, Stage};
use super::sock::{Life, State};
use super::{Caller, Failure, Outcome, UnixId, UnixSpace, WaitFor};
use std::io::{IoSlice, IoSliceMut};
use twinsock::{Errno, Result};

impl<F: Copy> UnixSpace<F> {
    #[inline]
    pub(super) fn send_stream(
        &mut self,
        id: UnixId,
        caller: &Caller,
        iov: &[IoSlice<'_>],
        to: Option<&[u8]>,
        flags: SendFlags,
        state: &mut SendState<F>,
    ) -> Outcome<usize> {
        let len: usize = iov.iter().map(|part| part.len()).sum();
        let sock = &self.socks[id];
        if state.stage == Stage::Entry {
            if flags.oob && len == 0 {
                return Err(Errno::OPNOTSUPP.into());
            }
            if to.is_some() {
                let is_connected = sock.state == State::Established;
                return Err(if is_connected { Errno::ISCONN } else { Errno::OPNOTSUPP }.into());
            }
        }
        let other = sock.peer.ok_or(Errno::NOTCONN)?;
        if state.stage == Stage::Entry {
            if sock.shutdown.write {
                return Err(broken_pipe(state));
            }
            state.stage = Stage::Memory;
        }
        let plain = len - usize::from(flags.oob);
        while state.sent < plain {
            self.reserve(id)?;
            let size = stream_chunk(plain - state.sent, self.socks[id].sndbuf_bytes);
            self.may_deliver(id, other, state)?;
            let record = self.make_record(id, other, caller, &mut state.ancillary, size, stream_charge(size));
            let queue = &mut self.socks[other].queue;
            queue.push(record, iov, state.sent);
            queue.inq_len += size;
            self.wake(other, |wakes| wakes.readable = true);
            state.sent += size;
        }
        if flags.oob && state.sent == plain {
            self.send_urgent(id, other, caller, iov, state)?;
        }
        Ok(state.sent)
    }

    /// Whether the peer takes a piece for which there is send memory.
    #[inline]
    pub(super) fn may_deliver(&mut self, id: UnixId, other: UnixId, state: &SendState<F>) -> Outcome<()> {
        let receiver = &self.socks[other];
        if receiver.life == Life::Dead || receiver.shutdown.read {
            self.give_back(id);
            return Err(broken_pipe(state));
        }
        if let Err(error) = self.may_take_rights(other, &state.ancillary) {
            self.give_back(id);
            return Err(error.into());
        }
        Ok(())
    }

    /// Whether a socket takes descriptors, if there are any: SO_PASSRIGHTS.
    pub(super) fn may_take_rights(&self, id: UnixId, ancillary: &Ancillary<F>) -> Result<()> {
        if ancillary.rights.is_empty() || self.socks[id].options.passrights { Ok(()) } else { Err(Errno::PERM) }
    }

    #[inline]
    pub(super) fn recv_stream(
        &mut self,
        id: UnixId,
        iov: &mut [IoSliceMut<'_>],
        flags: RecvFlags,
        state: &mut RecvState<F>,
    ) -> Outcome<usize> {
        let sock = &self.socks[id];
        if sock.state != State::Established {
            return Err(Errno::INVAL.into());
        }
        if flags.oob {
            return Ok(self.recv_urgent(id, iov, flags, state)?);
        }
        let room = iov.iter().map(|part| part.len()).sum::<usize>();
        let lowat = usize::try_from(sock.options.rcvlowat).unwrap_or(0);
        let target = *state.target.get_or_insert_with(|| if flags.waitall { room } else { room.min(lowat) }.max(1));
        let scan = if flags.peek { self.peek_bytes(id, iov, room, state) } else { self.take_bytes(id, iov, room, state) };
        if scan == Scan::Empty && state.copied < target {
            let sock = &mut self.socks[id];
            match (sock.error.take(), state.copied) {
                (Some(error), 0) => return Err(error.into()),
                // What is there already wins, and the error is lost.
                (Some(_), _) => {}
                (None, _) if sock.shutdown.read => {}
                (None, 0) if flags.nonblocking => return Err(Errno::AGAIN.into()),
                (None, _) if flags.nonblocking => {}
                (None, _) => return Err(Failure::waiting(WaitFor::Own)),
            }
        }
        if self.socks[id].options.passcred {
            state.tell_writer();
        }
        Ok(state.copied)
    }

    /// Reads and removes bytes.
    #[inline]
    fn take_bytes(&mut self, id: UnixId, iov: &mut [IoSliceMut<'_>], room: usize, state: &mut RecvState<F>) -> Scan {
        loop {
            let Some(first) = self.socks[id].queue.records.front() else { return Scan::Empty };
            let mut index = 0;
            if first.left() == 0 || first.is_mark {
                index = match self.pass_mark(id, 0, false, state) {
                    Some(index) => index,
                    None => return Scan::after_mark(state.copied),
                };
            }
            loop {
                match self.socks[id].queue.records.get(index) {
                    Some(record) if record.left() == 0 => index += 1,
                    Some(_) => break,
                    None => return Scan::Empty,
                }
            }
            if !self.look_at(id, index, state) {
                return Scan::Ended;
            }
            self.take_from(id, index, iov, room, state);
            let sock = &mut self.socks[id];
            if sock.queue.records[index].left() > 0 {
                return Scan::Ended;
            }
            let record = sock.queue.remove(index);
            self.uncharge(record.sender, record.charge);
            if !state.rights.is_empty() || state.copied == room {
                return Scan::Ended;
            }
        }
    }

    /// Reads as much of one message as there is room for, and takes its descriptors.
    #[inline]
    fn take_from(&mut self, id: UnixId, index: usize, iov: &mut [IoSliceMut<'_>], room: usize, state: &mut RecvState<F>) {
        let sock = &mut self.socks[id];
        let count = sock.queue.records[index].left().min(room - state.copied);
        sock.queue.copy_out(index, 0, count, iov, state.copied);
        sock.queue.consume(index, count);
        sock.queue.inq_len -= count;
        state.copied += count;
        if sock.options.peek_off >= 0 {
            sock.options.peek_off = sock.options.peek_off.saturating_sub(offset(count)).max(0);
        }
        let rights = &mut sock.queue.records[index].rights;
        if !rights.is_empty() {
            state.rights = std::mem::take(rights);
            self.in_flight -= state.rights.len();
        }
    }

    /// Looks at bytes without removing them, from SO_PEEK_OFF on. As in Linux, it goes on to the next message when there is no room left,
    /// which shows in the descriptors.
    fn peek_bytes(&mut self, id: UnixId, iov: &mut [IoSliceMut<'_>], room: usize, state: &mut RecvState<F>) -> Scan {
        let mut skip = usize::try_from(self.socks[id].options.peek_off).unwrap_or(0);
        let mut index = 0;
        while let Some(record) = self.socks[id].queue.records.get(index) {
            if record.left() == 0 || record.is_mark {
                index = match self.pass_mark(id, index, true, state) {
                    Some(index) => index,
                    None => return Scan::after_mark(state.copied),
                };
            }
            loop {
                match self.socks[id].queue.records.get(index) {
                    Some(record) if skip >= record.left() => skip -= record.left(),
                    Some(_) => break,
                    None => return Scan::Empty,
                }
                index += 1;
            }
            if !self.look_at(id, index, state) {
                return Scan::Ended;
            }
            let sock = &mut self.socks[id];
            let count = (sock.queue.records[index].left() - skip).min(room - state.copied);
            sock.queue.copy_out(index, skip, count, iov, state.copied);
            state.copied += count;
            if sock.options.peek_off >= 0 {
                sock.options.peek_off = sock.options.peek_off.saturating_add(offset(count));
            }
            if !sock.queue.records[index].rights.is_empty() {
                state.rights.clone_from(&sock.queue.records[index].rights);
                state.rights_peeked = true;
                return Scan::Ended;
            }
            skip = 0;
            index += 1;
            if index == sock.queue.records.len() {
                return Scan::Ended;
            }
        }
        Scan::Empty
    }

    /// A message is about to be read: notes its sender. `false`: what another sender wrote is not joined, if anybody wants to know.
    #[inline]
    fn look_at(&self, id: UnixId, index: usize, state: &mut RecvState<F>) -> bool {
        let sock = &self.socks[id];
        let record = &sock.queue.records[index];
        match state.writer {
            Some(writer) if writer != record.credentials => return false,
            Some(_) => {}
            None if sock.options.passcred => state.writer = Some(record.credentials),
            None => {}
        }
        if state.wants_name {
            state.name.clone_from(&self.socks[record.sender].addr);
        }
        true
    }
}

/// How going through the queue ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scan {
    /// The call has what it may have.
    Ended,
    /// There is nothing more in the queue.
    Empty,
}

impl Scan {
    /// A mark stands in the way: it ends a call that has something, and is nothing to one that has not.
    const fn after_mark(copied: usize) -> Scan {
        if copied > 0 { Scan::Ended } else { Scan::Empty }
    }
}

/// `EPIPE`, with SIGPIPE unless a part was sent.
fn broken_pipe<F>(state: &SendState<F>) -> Failure {
    Failure { errno: Errno::PIPE, sigpipe: state.sent == 0, wait: None }
}

/// A count as SO_PEEK_OFF counts.
fn offset(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
