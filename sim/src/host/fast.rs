//! The shortest way for calls that carry a few bytes and succeed: one look at the descriptor, one at the socket, one at TCP.
//!
//! Whatever is not the usual case, a flag, an error, a wait, is left to the long way, which finds everything as it was.

use super::Host;
use super::call::Call;
use super::cx::{Cx, Pid};
use super::op::{Kind, Task};
use super::slab::{Key, to_usize};
use crate::tcp::{RecvFlags, SendFlags, State};
use std::io::{IoSlice, IoSliceMut};
use twinsock::consts as c;
use twinsock::raw::RawFd;

/// Flags that do not matter to a call that succeeds at once.
const INDIFFERENT_FLAGS: i32 = c::MSG_DONTWAIT | c::MSG_NOSIGNAL;

/// What the short way came to.
pub(super) enum Short {
    /// The call returns this.
    Done(usize),
    /// The call waits, as this task.
    Wait(RawFd, Task),
    /// The rest, after so many bytes, is for the long way.
    Long(usize),
}

impl Host {
    /// Does a call that sends or receives, if it is an easy one.
    #[inline]
    pub(super) fn begin_short(&mut self, cx: &mut Cx<'_>, pid: Pid, call: &mut Call<'_, '_>) -> Short {
        if let Call::Sendto { fd, data, flags, addr: None } = call
            && *flags & !INDIFFERENT_FLAGS == 0
            && let Some((_, key)) = self.socket_behind(pid, *fd)
        {
            return self.send_short(cx, key, data);
        }
        if let Call::Recvfrom { fd, into, flags, name: None } = call
            && *flags & !INDIFFERENT_FLAGS == 0
            && let Some((file, key)) = self.socket_behind(pid, *fd)
        {
            if let Some(received) = self.recv_short(cx, key, into) {
                return Short::Done(received);
            }
            if *flags & c::MSG_DONTWAIT == 0 && !self.files[file].nonblocking && self.must_wait(key) {
                return Short::Wait(*fd, Task::new(Kind::Recv { socket: key }, file, false, *flags));
            }
        }
        Short::Long(0)
    }

    /// Goes on with a receive that was woken for what it waited for, if it is an easy one.
    #[inline]
    pub(super) fn resume_short(&mut self, cx: &mut Cx<'_>, task: &Task, call: &mut Call<'_, '_>) -> Option<usize> {
        if let (Kind::Recv { socket }, Call::Recvfrom { into, name: None, .. }) = (task.kind, call)
            && task.flags & !INDIFFERENT_FLAGS == 0
            && task.done == 0
        {
            return self.recv_short(cx, socket, into);
        }
        None
    }

    #[inline]
    fn socket_behind(&self, pid: Pid, fd: RawFd) -> Option<(Key, Key)> {
        self.socket_of(pid, fd).ok()
    }

    /// A send that the buffer takes whole.
    #[inline]
    fn send_short(&mut self, cx: &mut Cx<'_>, key: Key, data: &[u8]) -> Short {
        let tcb = &mut self.sockets[key].tcb;
        if tcb.error().is_some() {
            return Short::Long(0);
        }
        match tcb.send(cx.now, &[IoSlice::new(data)], 0, SendFlags::default()) {
            Ok(sent) => {
                self.mark_dirty(key);
                if sent == data.len() { Short::Done(sent) } else { Short::Long(sent) }
            }
            // A send that fails takes nothing: on the long way it fails again, for the same reason.
            Err(_) => Short::Long(0),
        }
    }

    /// A receive that finds enough.
    #[inline]
    fn recv_short(&mut self, cx: &mut Cx<'_>, key: Key, into: &mut [u8]) -> Option<usize> {
        let socket = &mut self.sockets[key];
        let waiting = socket.tcb.readable_bytes();
        if waiting == 0 || into.is_empty() || socket.options.peek_off > 0 {
            return None;
        }
        if waiting < into.len() && waiting < to_usize(socket.tcb.options.rcvlowat) {
            return None;
        }
        let received = socket.tcb.recv(cx.now, &mut [IoSliceMut::new(into)], 0, RecvFlags::default());
        self.mark_dirty(key);
        Some(received.expect("bytes that can be read are read"))
    }

    /// Whether a receive has nothing to return but will have.
    #[inline]
    fn must_wait(&self, key: Key) -> bool {
        let tcb = &self.sockets[key].tcb;
        tcb.readable_bytes() == 0 && !tcb.at_mark() && !tcb.recv_is_over() && tcb.state() != State::Listen
    }
}
