//! The shortest way for calls that carry a few bytes and succeed: one look at the descriptor, one at the socket, one at TCP.
//!
//! Whatever is not the usual case, a flag, an error, a wait, is left to the long way, which finds everything as it was.

use super::Host;
use super::cx::{Pid, Token};
use super::file::Object;
use super::inet::TimerOf;
use super::process::Process;
use super::slab::{Key, KeyQueue, to_usize};
use super::socket::Socket;
use crate::packet::Packet;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use twinsock::Instant;
use twinsock::consts as c;
use twinsock::raw::RawFd;

/// Flags that do not matter to a call that succeeds at once.
pub(super) const INDIFFERENT_FLAGS: i32 = c::MSG_DONTWAIT | c::MSG_NOSIGNAL;

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
    Waits(QuietRecv),
    /// It is for the long way, [`Host::begin`].
    Long,
}

/// A plain receive that waits, and that its host has hardly taken note of: [`Host::resume_recv_short`] ends it if it is an easy one,
/// [`Host::take_up`] makes an [`Op`](super::Op) of it that can be treated as any other.
#[derive(Clone, Copy, Debug)]
pub struct QuietRecv {
    pub(super) token: Token,
    pub(super) pid: Pid,
    pub(super) fd: RawFd,
    pub(super) flags: i32,
    /// Held.
    pub(super) file: Key,
    pub(super) socket: Key,
    /// The socket is one of datagrams.
    pub(super) is_dgram: bool,
}

impl QuietRecv {
    /// The flags that the call was given.
    #[inline]
    #[must_use]
    pub fn flags(&self) -> i32 {
        self.flags
    }
}

/// The socket that a thread used last, so that the next call finds it at once if it uses it again.
#[derive(Clone, Copy, Debug)]
pub struct Recent {
    /// Its descriptor; more than that, by [`DGRAM`], if it is a datagram socket.
    fd: i64,
    /// [`Process::changes`](super::process::Process::changes) when it was looked up.
    changes: u32,
    file: Key,
    socket: Key,
}

/// No descriptor is as much as this.
const DGRAM: i64 = 1 << 32;

impl Default for Recent {
    fn default() -> Recent {
        Recent { fd: i64::MIN, changes: 0, file: Key::NOBODY, socket: Key::NOBODY }
    }
}

impl Host {
    /// `send(2)`, if it is an easy one: a few bytes that the buffer takes. Where they may go out at once, they do, as `packet`.
    #[inline]
    pub fn send_short(
        &mut self,
        now: Instant,
        (pid, recent): (Pid, &mut Recent),
        fd: RawFd,
        data: &[u8],
        flags: i32,
        packet: &mut Packet,
    ) -> ShortSend {
        if flags & !INDIFFERENT_FLAGS != 0 {
            return ShortSend::Long;
        }
        let Some((_, key)) = self.socket_behind(pid, fd, recent) else { return ShortSend::Long };
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
    pub fn recv_short(
        &mut self,
        now: Instant,
        (pid, recent): (Pid, &mut Recent),
        token: Token,
        fd: RawFd,
        into: &mut [u8],
        flags: i32,
    ) -> Short {
        if flags & !INDIFFERENT_FLAGS != 0 {
            return Short::Long;
        }
        let Some((file, key)) = self.socket_behind(pid, fd, recent) else { return Short::Long };
        let Host { sockets, dirty, timers, .. } = self;
        let Some(socket) = sockets.get_mut(key) else { return Short::Long };
        if !socket.tcb.must_wait() {
            return socket.receive(now, key, into, dirty, timers).map_or(Short::Long, Short::Done);
        }
        let may_wait = flags & c::MSG_DONTWAIT == 0 && socket.options.receive_timeout.is_none() && !into.is_empty();
        let Some(entry) = self.files.get_mut(file) else { return Short::Long };
        if !may_wait || entry.nonblocking || !entry.queue.sit_down(token) {
            return Short::Long;
        }
        entry.hold();
        Short::Waits(QuietRecv { token, pid, fd, flags, file, socket: key, is_dgram: false })
    }

    /// Goes on with a receive that waited, if it is an easy one. `None`: nothing has happened, see [`Host::take_up`].
    #[inline]
    pub fn resume_recv_short(&mut self, now: Instant, quiet: &QuietRecv, into: &mut [u8]) -> Option<usize> {
        let Host { files, sockets, dirty, timers, .. } = self;
        let entry = files.get_mut(quiet.file)?;
        if !entry.queue.sits(quiet.token) || !entry.is_shared() {
            return None;
        }
        let received = sockets.get_mut(quiet.socket)?.receive(now, quiet.socket, into, dirty, timers)?;
        entry.queue.get_up();
        entry.put_one_of_several();
        Some(received)
    }

    /// File and socket of a descriptor.
    #[inline(always)]
    fn socket_behind(&self, pid: Pid, fd: RawFd, recent: &mut Recent) -> Option<(Key, Key)> {
        let process = self.processes.get(to_usize(pid.0))?.as_ref()?;
        if recent.fd == i64::from(fd) && recent.changes == process.changes() {
            return Some((recent.file, recent.socket));
        }
        self.look_up(process, fd, recent)
    }

    /// The same of a datagram socket.
    #[inline]
    pub(super) fn dgram_of(&self, pid: Pid, fd: RawFd, recent: &mut Recent) -> Option<(Key, Key)> {
        let process = self.processes.get(to_usize(pid.0))?.as_ref()?;
        let is_known = |recent: &Recent| recent.fd == i64::from(fd) + DGRAM && recent.changes == process.changes();
        if !is_known(recent) {
            self.look_up(process, fd, recent);
        }
        is_known(recent).then_some((recent.file, recent.socket))
    }

    #[inline(never)]
    fn look_up(&self, process: &Process, fd: RawFd, recent: &mut Recent) -> Option<(Key, Key)> {
        if recent.fd == i64::from(fd) + DGRAM && recent.changes == process.changes() {
            return None;
        }
        let file = process.descriptor(fd).ok()?.file;
        match self.files.get(file)?.object {
            Object::Socket(socket) => {
                *recent = Recent { fd: i64::from(fd), changes: process.changes(), file, socket };
                Some((file, socket))
            }
            Object::Dgram(dgram) => {
                *recent = Recent { fd: i64::from(fd) + DGRAM, changes: process.changes(), file, socket: dgram };
                None
            }
            Object::Pipe(..) | Object::Epoll(_) | Object::Local(_) | Object::Plain(_) => None,
        }
    }
}

impl Socket {
    /// A receive that finds enough.
    #[inline]
    fn receive(
        &mut self,
        now: Instant,
        key: Key,
        into: &mut [u8],
        dirty: &mut KeyQueue,
        timers: &mut BinaryHeap<Reverse<(Instant, TimerOf)>>,
    ) -> Option<usize> {
        if self.options.peek_off > 0 {
            return None;
        }
        let received = self.tcb.recv_plainly(now, into)?;
        if self.tcb.has_output() {
            self.mark_dirty(key, dirty, timers);
        }
        Some(received)
    }
}
