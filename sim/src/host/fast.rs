//! The shortest way for calls that carry a few bytes and succeed: one look at the descriptor, one at the socket, one at TCP.
//!
//! Whatever is not the usual case, a flag, an error, a wait, is left to the long way, which finds everything as it was.

use super::Host;
use super::cx::{Pid, Token};
use super::file::Object;
use super::op::{Kind, Op, Task};
use super::slab::{Key, to_usize};
use crate::packet::Packet;
use twinsock::Instant;
use twinsock::consts as c;
use twinsock::raw::RawFd;

/// Flags that do not matter to a call that succeeds at once.
const INDIFFERENT_FLAGS: i32 = c::MSG_DONTWAIT | c::MSG_NOSIGNAL;

/// What the short way of a send came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShortSend {
    /// All of it is in the buffer, and in the packet, which is to be sent.
    Out,
    /// All of it is in the buffer.
    Queued,
    /// Nothing has happened: it is for the long way, [`Host::begin`].
    Long,
}

/// What the short way of a receive came to.
#[derive(Debug)]
pub enum Short {
    /// It returns this.
    Done(usize),
    /// It waits.
    Parked(Op),
    /// It is for the long way, [`Host::begin`].
    Long,
}

impl Host {
    /// `send(2)`, if it is an easy one: a few bytes that the buffer takes. Where they may go out at once, they do, as `packet`.
    #[inline]
    pub fn send_short(&mut self, now: Instant, pid: Pid, fd: RawFd, data: &[u8], flags: i32, packet: &mut Packet) -> ShortSend {
        if flags & !INDIFFERENT_FLAGS != 0 {
            return ShortSend::Long;
        }
        let Some((_, key)) = self.socket_behind(pid, fd) else { return ShortSend::Long };
        let is_first = !self.has_output();
        let Host { sockets, dirty, timers, sysctl, .. } = self;
        let Some(socket) = sockets.get_mut(key) else { return ShortSend::Long };
        if is_first && socket.tcb.send_through(now, data, packet.segment_mut()) {
            socket.address(sysctl, packet);
            socket.arm(key, timers);
            return ShortSend::Out;
        }
        if !socket.tcb.send_small(now, data) {
            return ShortSend::Long;
        }
        socket.mark_dirty(key, dirty, timers);
        ShortSend::Queued
    }

    /// `recv(2)`, if it is an easy one: it finds enough, or has only to wait. Otherwise nothing has happened: see [`Host::begin`].
    #[inline]
    pub fn recv_short(&mut self, now: Instant, pid: Pid, token: Token, fd: RawFd, into: &mut [u8], flags: i32) -> Short {
        if flags & !INDIFFERENT_FLAGS != 0 {
            return Short::Long;
        }
        let Some((file, key)) = self.socket_behind(pid, fd) else { return Short::Long };
        let Some(socket) = self.sockets.get_mut(key) else { return Short::Long };
        if !socket.tcb.must_wait() {
            return self.receive(now, key, into).map_or(Short::Long, Short::Done);
        }
        let may_wait = flags & c::MSG_DONTWAIT == 0 && socket.options.receive_timeout.is_none() && !into.is_empty();
        if !may_wait || self.files[file].nonblocking {
            return Short::Long;
        }
        let task = Task::new(Kind::Recv { socket: key }, file, false, flags);
        Short::Parked(self.sleep(pid, token, fd, Instant::FAR, task))
    }

    /// Goes on with a receive that waited, if it is an easy one.
    ///
    /// # Errors
    /// The operation, if it is not: see [`Host::resume`].
    #[inline]
    pub fn resume_recv_short(&mut self, now: Instant, op: Op, into: &mut [u8]) -> Result<usize, Op> {
        let task = &op.0.task;
        let (Kind::Recv { socket }, Some(file)) = (task.kind, task.file) else { return Err(op) };
        if task.flags & !INDIFFERENT_FLAGS != 0 || task.done > 0 || self.files.get(file).is_none_or(|file| !file.is_shared()) {
            return Err(op);
        }
        let Some(received) = self.receive(now, socket, into) else { return Err(op) };
        self.leave_shared(&op.0, file);
        self.recycle(op);
        Ok(received)
    }

    #[inline]
    fn socket_behind(&self, pid: Pid, fd: RawFd) -> Option<(Key, Key)> {
        let process = self.processes.get(to_usize(pid.0))?.as_ref()?;
        let file = process.descriptor(fd).ok()?.file;
        match self.files.get(file)?.object {
            Object::Socket(socket) => Some((file, socket)),
            Object::Dgram(_) | Object::Pipe(..) | Object::Epoll(_) | Object::Local(_) | Object::Plain(_) => None,
        }
    }

    /// A receive that finds enough.
    #[inline]
    fn receive(&mut self, now: Instant, key: Key, into: &mut [u8]) -> Option<usize> {
        let Host { sockets, dirty, timers, .. } = self;
        let socket = sockets.get_mut(key)?;
        if socket.options.peek_off > 0 {
            return None;
        }
        let received = socket.tcb.recv_plainly(now, into)?;
        if socket.tcb.has_output() {
            socket.mark_dirty(key, dirty, timers);
        }
        Some(received)
    }
}
