//! The calls that move bytes: send and receive in all their forms on sockets, read and write on pipes.
//!
//! A blocking send returns when everything is queued; a receive when it has what it was asked to wait for (SO_RCVLOWAT,
//! MSG_WAITALL). Either returns its part when it is ended early; the error then stays for the next call.

use super::Host;
use super::addr;
use super::call::RecvRef;
use super::cmsg;
use super::cx::{Cx, Pid};
use super::pipe::Mode;
use super::poll;
use super::task::{Kind, Step, Task};
use crate::slab::Key;
use crate::tcp::{RecvFlags, SendFlags, State};
use std::io::{IoSlice, IoSliceMut};
use twinsock::consts as c;
use twinsock::raw::{Name, RawFd};
use twinsock::{Errno, PollEvents, RawAddr, Result};

impl Host {
    /// `send(2)` and its kin at their entry. TCP ignores a destination address, but the kernel copies it in.
    #[inline]
    pub(super) fn enter_send(&mut self, cx: &mut Cx<'_>, pid: Pid, fd: RawFd, flags: i32, addr: Option<&[u8]>) -> Result<Task> {
        let (file, socket) = self.socket_of(pid, fd)?;
        if let Some(addr) = addr {
            addr::check_length(addr)?;
        }
        if flags & c::MSG_FASTOPEN != 0 {
            return self.enter_fastopen(cx, file, socket, flags, addr.unwrap_or_default());
        }
        let nonblocking = self.files[file].nonblocking || flags & c::MSG_DONTWAIT != 0;
        Ok(Task::new(Kind::Send { socket }, file, nonblocking, flags))
    }

    /// `recv(2)` and its kin at their entry.
    #[inline]
    pub(super) fn enter_recv(&mut self, pid: Pid, fd: RawFd, flags: i32) -> Result<Task> {
        let (file, socket) = self.socket_of(pid, fd)?;
        let nonblocking = self.files[file].nonblocking || flags & c::MSG_DONTWAIT != 0;
        Ok(self.recv_task(file, socket, nonblocking, flags))
    }

    /// A receive at its entry, where it is settled how much it waits for.
    #[inline]
    pub(super) fn recv_task(&self, file: Key, socket: Key, nonblocking: bool, flags: i32) -> Task {
        let target = self.sockets[socket].tcb.options.rcvlowat;
        Task::new(Kind::Recv { socket, target }, file, nonblocking, flags)
    }

    /// A step of a call that sends.
    #[inline]
    pub(super) fn step_send(&mut self, cx: &mut Cx<'_>, pid: Pid, key: Key, task: &mut Task, iov: &[IoSlice<'_>]) -> Step {
        let tcb = &mut self.sockets[key].tcb;
        if task.done > 0 && (tcb.error().is_some() || tcb.shutdown_bits().write || !tcb.state().may_send()) {
            return Step::Done(Ok(task.done));
        }
        let has = |flag| task.flags & flag != 0;
        let flags = SendFlags { oob: has(c::MSG_OOB), more: has(c::MSG_MORE), eor: has(c::MSG_EOR) };
        match tcb.send(cx.now, iov, task.done, flags) {
            Ok(sent) => {
                task.done += sent;
                self.mark_dirty(key);
                if task.done == total(iov) { Step::Done(Ok(task.done)) } else { Step::Wait }
            }
            Err(Errno::AGAIN) => Step::Wait,
            Err(error) => {
                if error == Errno::PIPE && task.flags & c::MSG_NOSIGNAL == 0 {
                    self.raise_sigpipe(pid);
                }
                Step::Done(Err(error))
            }
        }
    }

    /// A step of `recv(2)` and `recvfrom(2)`.
    #[inline]
    pub(super) fn step_recvfrom(
        &mut self,
        cx: &mut Cx<'_>,
        socket: Key,
        task: &mut Task,
        into: &mut [u8],
        name: Option<&mut Name<'_>>,
    ) -> Step {
        match (self.step_recv(cx, socket, task, &mut [IoSliceMut::new(into)]), name) {
            // The sender of a stream has no address; the argument is judged only now.
            (Step::Done(Ok(len)), Some(name)) => Step::Done(addr::store_name(&RawAddr::EMPTY, name).map(|()| len)),
            // It may end with the part that it has.
            (Step::Wait, Some(name)) if task.done > 0 => match addr::store_name(&RawAddr::EMPTY, name) {
                Ok(()) => Step::Wait,
                Err(error) => Step::Done(Err(error)),
            },
            (step, _) => step,
        }
    }

    /// A step of `recvmsg(2)`.
    pub(super) fn step_recvmsg(&mut self, cx: &mut Cx<'_>, socket: Key, task: &mut Task, hdr: &mut RecvRef<'_, '_>) -> Step {
        let step = self.step_recv(cx, socket, task, hdr.iov);
        if let Step::Done(Ok(_)) = step {
            *hdr.name_len = 0;
            *hdr.flags = task.flags & c::MSG_OOB;
            if task.flags & c::MSG_OOB != 0 && total_mut(hdr.iov) == 0 {
                // The urgent byte was taken, and there was no room for it: `tcp_recv_urg`.
                *hdr.flags |= c::MSG_TRUNC;
            }
            *hdr.control_len = self.store_inq(socket, hdr.control, hdr.flags);
        }
        step
    }

    /// A step of a receive; one that does not wait and has found a part is ended by its caller.
    #[inline]
    pub(super) fn step_recv(&mut self, cx: &mut Cx<'_>, key: Key, task: &mut Task, iov: &mut [IoSliceMut<'_>]) -> Step {
        if task.flags & (c::MSG_ERRQUEUE | c::MSG_OOB | c::MSG_PEEK) != 0 {
            return self.step_recv_special(cx, key, task, iov);
        }
        let len = total_mut(iov);
        let flags = RecvFlags { trunc: task.flags & c::MSG_TRUNC != 0, ..RecvFlags::default() };
        let wants_all = task.flags & c::MSG_WAITALL != 0;
        let target = task.target();
        loop {
            let tcb = &mut self.sockets[key].tcb;
            if task.done > 0 && (tcb.at_mark() || tcb.readable_bytes() == 0) {
                // An end, an error and the urgent mark are left for the next call.
                return if tcb.at_mark() || tcb.recv_is_over() { Step::Done(Ok(task.done)) } else { Step::Wait };
            }
            match tcb.recv(cx.now, iov, task.done, flags) {
                Ok(0) => return Step::Done(Ok(task.done)),
                Ok(count) => {
                    task.done += count;
                    let is_enough = task.done == len || (!wants_all && task.done >= target);
                    self.mark_dirty(key);
                    self.retreat_peek_off(key, count);
                    if is_enough {
                        return Step::Done(Ok(task.done));
                    }
                }
                // `tcp_recvmsg_locked` asks for the second time only while there is room: whatever ends the wait, it answers 0.
                Err(Errno::AGAIN) if len == 0 && task.slept => return Step::Done(Ok(0)),
                Err(Errno::AGAIN) => return Step::Wait,
                Err(error) => return Step::Done(Err(error)),
            }
        }
    }

    /// Bytes were taken: a peek offset moves back with the stream (`sk_peek_offset_bwd`).
    #[inline]
    fn retreat_peek_off(&mut self, key: Key, count: usize) {
        if self.sockets[key].options.peek_off > 0 {
            let offset = &mut self.sockets[key].options.peek_off;
            *offset = offset.saturating_sub_unsigned(u32::try_from(count).unwrap_or(u32::MAX)).max(0);
        }
    }

    /// Receives that do not take from the stream: MSG_ERRQUEUE, MSG_OOB, MSG_PEEK.
    fn step_recv_special(&mut self, cx: &mut Cx<'_>, key: Key, task: &mut Task, iov: &mut [IoSliceMut<'_>]) -> Step {
        let is_peek = task.flags & c::MSG_PEEK != 0;
        let tcb = &mut self.sockets[key].tcb;
        if task.flags & c::MSG_ERRQUEUE != 0 {
            // Nothing that is modelled puts anything there.
            return Step::Done(Err(Errno::AGAIN));
        }
        if task.flags & c::MSG_OOB != 0 {
            let mut none = [0_u8; 0];
            let into = iov.iter_mut().find(|part| !part.is_empty()).map_or(&mut none[..], |part| &mut part[..]);
            return Step::Done(tcb.recv_urgent(into, is_peek));
        }
        let len = total_mut(iov);
        let wants_all = task.flags & c::MSG_WAITALL != 0;
        let target = task.target();
        loop {
            let done = u32::try_from(task.done).unwrap_or(u32::MAX);
            // SO_PEEK_OFF has moved on with what this call has peeked at.
            let offset = u32::try_from(self.sockets[key].options.peek_off).unwrap_or(done);
            let tcb = &mut self.sockets[key].tcb;
            if task.done > 0 && tcb.is_mark_at(offset) {
                return Step::Done(Ok(task.done));
            }
            if task.done > 0 && tcb.readable_bytes() <= crate::slab::to_usize(offset) {
                return if tcb.recv_is_over() { Step::Done(Ok(task.done)) } else { Step::Wait };
            }
            let flags = RecvFlags { peek: true, trunc: task.flags & c::MSG_TRUNC != 0, peek_offset: offset };
            match tcb.recv(cx.now, iov, task.done, flags) {
                Ok(0) => return Step::Done(Ok(task.done)),
                Ok(count) => {
                    task.done += count;
                    let is_enough = task.done == len || (!wants_all && task.done >= target);
                    self.advance_peek_off(key, count);
                    if is_enough {
                        return Step::Done(Ok(task.done));
                    }
                }
                Err(Errno::AGAIN) => return Step::Wait,
                Err(error) => return Step::Done(Err(error)),
            }
        }
    }

    /// Bytes were peeked at: SO_PEEK_OFF moves on behind them (`sk_peek_offset_fwd`).
    fn advance_peek_off(&mut self, key: Key, count: usize) {
        if self.sockets[key].options.peek_off >= 0 {
            let offset = &mut self.sockets[key].options.peek_off;
            *offset = offset.saturating_add_unsigned(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// Stores the control message of TCP_INQ, how many bytes are left to read; answers the bytes of control data.
    fn store_inq(&self, key: Key, control: &mut [u8], flags: &mut i32) -> usize {
        let socket = &self.sockets[key];
        let mut control = cmsg::Writer::new(control);
        if socket.options.inq {
            let left = i32::try_from(socket.tcb.inq()).unwrap_or(i32::MAX);
            control.put(c::SOL_TCP, TCP_CM_INQ, &left.to_ne_bytes());
        }
        if control.is_truncated {
            *flags |= c::MSG_CTRUNC;
        }
        control.used()
    }

    /// A step of `read(2)` on a pipe.
    pub(super) fn step_pipe_read(&mut self, pipe: Key, task: &mut Task, iov: &mut [IoSliceMut<'_>]) -> Step {
        let Some(ends) = self.pipes.get_mut(pipe) else { return Step::Done(Ok(0)) };
        let mode = Mode { packets: false, slept: task.slept };
        let step = match ends.pipe.read(iov, mode) {
            Err(Errno::AGAIN) => Step::Wait,
            result => Step::Done(result),
        };
        self.wake_pipe(pipe);
        step
    }

    /// A step of `write(2)` on a pipe.
    pub(super) fn step_pipe_write(&mut self, pid: Pid, pipe: Key, task: &mut Task, iov: &[IoSlice<'_>]) -> Step {
        let packets = task.file.and_then(|file| self.files.get(file)).is_some_and(super::file::File::keeps_packets);
        let Some(ends) = self.pipes.get_mut(pipe) else { return Step::Done(Err(Errno::PIPE)) };
        let mode = Mode { packets, slept: task.slept };
        let step = match ends.pipe.write(iov, task.done, mode) {
            Ok(written) => {
                task.done += written;
                if task.done == total(iov) { Step::Done(Ok(task.done)) } else { Step::Wait }
            }
            Err(Errno::AGAIN) => Step::Wait,
            Err(error) => {
                if error == Errno::PIPE {
                    self.raise_sigpipe(pid);
                }
                Step::Done(if task.done > 0 { Ok(task.done) } else { Err(error) })
            }
        };
        self.wake_pipe(pipe);
        step
    }

    /// Tells those who wait at a pipe's ends what happened to it.
    pub(super) fn wake_pipe(&mut self, pipe: Key) {
        let Some(ends) = self.pipes.get_mut(pipe) else { return };
        let wakes = ends.pipe.take_wakes();
        let (reader, writer) = (ends.reader, ends.writer);
        if wakes.readable
            && let Some(file) = reader
        {
            self.wake_file(file, poll::KEY_PIPE_READABLE, false);
        }
        if wakes.writable
            && let Some(file) = writer
        {
            self.wake_file(file, poll::KEY_PIPE_WRITABLE, false);
        }
        if wakes.closed {
            for file in reader.into_iter().chain(writer) {
                self.wake_file(file, poll::KEY_STATE, true);
            }
        }
    }

    /// SIGPIPE is sent to the process, `signal(7)`.
    pub(super) fn raise_sigpipe(&mut self, pid: Pid) {
        if let Ok(process) = self.process_mut(pid) {
            process.sigpipes += 1;
        }
    }

    /// How many SIGPIPE the process has been sent since the last time this was asked, `signal(7)`. The host itself ignores them.
    pub(crate) fn take_sigpipes(&mut self, pid: Pid) -> u32 {
        self.process_mut(pid).map_or(0, |process| std::mem::take(&mut process.sigpipes))
    }

    /// What `poll(2)` says of a socket.
    pub(super) fn socket_mask(&mut self, key: Key) -> PollEvents {
        let socket = &mut self.sockets[key];
        let mut mask = socket.tcb.poll_mask();
        match socket.tcb.state() {
            State::Listen => {
                if socket.listener.as_ref().is_some_and(|listener| listener.pending() > 0) {
                    mask |= PollEvents::IN | PollEvents::RDNORM;
                }
            }
            State::SynSent | State::SynReceived => {}
            State::Closed
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => {
                if !mask.contains(PollEvents::OUT) {
                    socket.tcb.want_write_space();
                }
            }
        }
        mask
    }
}

/// How many bytes a gathered buffer has.
#[inline]
fn total(iov: &[IoSlice<'_>]) -> usize {
    iov.iter().map(|part| part.len()).sum()
}

/// How many bytes a scattered buffer has room for.
#[inline]
fn total_mut(iov: &[IoSliceMut<'_>]) -> usize {
    iov.iter().map(|part| part.len()).sum()
}

/// `TCP_CM_INQ`, the type of TCP_INQ's control message.
const TCP_CM_INQ: i32 = c::TCP_INQ;
