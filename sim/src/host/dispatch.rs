//! The table of system calls: which are done at once, which may wait, and what a step of a waiting call is.

use super::Host;
use super::call::Call;
use super::cmsg;
use super::cx::{Cx, Pid, Token};
use super::dgram::DgramEntered;
use super::file::Object;
use super::op::call_timeout;
use super::pipe::End;
use super::poll::{self, Timeout};
use super::task::{Entered, Kind, Step, Task};
use std::io::{IoSlice, IoSliceMut};
use twinsock::consts as c;
use twinsock::raw::RawFd;
use twinsock::{Errno, Result};

/// `UIO_MAXIOV`: the most parts of a scattered or gathered buffer.
const IOV_MAX: usize = 1024;

impl Host {
    /// Checks a call's arguments and does it, or finds out what kind of call it is that may wait.
    pub(super) fn enter(&mut self, cx: &mut Cx<'_>, pid: Pid, token: Token, call: &mut Call<'_, '_>) -> Entered {
        if let Some(at) = self.local_target(pid, call) {
            return self.enter_local(cx, pid, at, call);
        }
        if let Some(result) = self.call_plain(pid, call) {
            return Entered::Done(result);
        }
        if let Some((fd, file, dgram)) = self.dgram_behind(pid, call) {
            return match self.enter_dgram(cx, (pid, token), file, dgram, call) {
                Ok(DgramEntered::Done(value)) => Entered::Done(Ok(value)),
                Ok(DgramEntered::Task(task)) => Entered::Task(fd, task),
                Err(error) => Entered::Done(Err(error)),
            };
        }
        match self.enter_waiting(cx, pid, call) {
            Ok(Some((fd, task))) => Entered::Task(fd, task),
            Ok(None) => Entered::Done(self.call_at_once(cx, pid, call)),
            Err(error) => Entered::Done(Err(error)),
        }
    }

    /// The calls that may wait: their checks at entry. `None`: it is another call.
    fn enter_waiting(&mut self, cx: &mut Cx<'_>, pid: Pid, call: &mut Call<'_, '_>) -> Result<Option<(RawFd, Task)>> {
        let (fd, task) = match call {
            Call::Sendto { fd, flags, addr, .. } => (*fd, self.enter_send(cx, pid, *fd, *flags, *addr)?),
            Call::Recvfrom { fd, flags, .. } => (*fd, self.enter_recv(pid, *fd, *flags)?),
            Call::Sendmsg { fd, hdr, flags } => {
                // Only a call that connects looks at the name.
                let name = hdr.name.filter(|_| *flags & c::MSG_FASTOPEN != 0);
                let task = self.enter_send(cx, pid, *fd, *flags, name)?;
                check_iov(hdr.iov.len(), Errno::MSGSIZE)?;
                (*fd, task)
            }
            Call::Recvmsg { fd, hdr, flags } => {
                let task = self.enter_recv(pid, *fd, *flags)?;
                check_iov(hdr.iov.len(), Errno::MSGSIZE)?;
                (*fd, task)
            }
            Call::Read { fd, .. } => (*fd, self.enter_read(pid, *fd, 0)?),
            Call::Readv { fd, iov } => (*fd, self.enter_read(pid, *fd, iov.len())?),
            Call::Write { fd, .. } => (*fd, self.enter_write(pid, *fd, 0)?),
            Call::Writev { fd, iov } => (*fd, self.enter_write(pid, *fd, iov.len())?),
            Call::Accept4 { fd, flags, .. } => (*fd, self.enter_accept(pid, *fd, *flags)?),
            // On a stream socket it has gone its own way, see `begin`.
            Call::Connect { fd, .. } => return self.socket_of(pid, *fd).and(Ok(None)),
            Call::Poll { fds, .. } => {
                if fds.len() > self.process(pid)?.limit() {
                    return Err(Errno::INVAL);
                }
                (-1, Task::on_set(Kind::Poll, call_timeout(cx.now, call) == Timeout::Immediate))
            }
            Call::Select { nfds, sets, timeout } => {
                let timeout = Timeout::from_select_micros(cx.now, *timeout)?;
                poll::check_select(*nfds, sets, |fd| self.file_of(pid, fd).is_ok())?;
                (-1, Task::on_set(Kind::Select, timeout == Timeout::Immediate))
            }
            Call::EpollWait { epfd, events, timeout } => {
                let is_immediate = Timeout::from_millis(cx.now, *timeout) == Timeout::Immediate;
                (*epfd, self.enter_epoll_wait(pid, *epfd, events.len(), is_immediate)?)
            }
            Call::Socket { .. }
            | Call::Socketpair { .. }
            | Call::Bind { .. }
            | Call::Listen { .. }
            | Call::Shutdown { .. }
            | Call::Getsockname { .. }
            | Call::Getpeername { .. }
            | Call::Getsockopt { .. }
            | Call::Setsockopt { .. }
            | Call::Fcntl { .. }
            | Call::Ioctl { .. }
            | Call::Pipe2 { .. }
            | Call::Dup { .. }
            | Call::Dup3 { .. }
            | Call::Close { .. }
            | Call::EpollCreate1 { .. }
            | Call::EpollCtl { .. } => return Ok(None),
        };
        Ok(Some((fd, task)))
    }

    /// The calls that never wait.
    fn call_at_once(&mut self, cx: &mut Cx<'_>, pid: Pid, call: &mut Call<'_, '_>) -> Result<usize> {
        match call {
            Call::Socketpair { domain, kind, protocol, out } => self.socketpair(pid, *domain, *kind, *protocol, out),
            Call::Bind { fd, addr } => self.bind(cx, pid, *fd, addr),
            Call::Listen { fd, backlog } => self.listen(cx, pid, *fd, *backlog),
            Call::Shutdown { fd, how } => self.shutdown(cx, pid, *fd, *how),
            Call::Getsockname { fd, name } => self.getsockname(pid, *fd, name),
            Call::Getpeername { fd, name } => self.getpeername(pid, *fd, name),
            Call::Getsockopt { fd, level, name, value, len } => self.getsockopt(cx.now, pid, *fd, (*level, *name), value, len),
            Call::Setsockopt { fd, level, name, value } => self.setsockopt(cx, pid, *fd, *level, *name, value),
            Call::Fcntl { fd, command, argument } => self.fcntl(pid, *fd, *command, *argument),
            Call::Ioctl { fd, request, argument } => self.ioctl(pid, *fd, *request, argument),
            Call::Pipe2 { flags, out } => self.pipe2(pid, *flags, out),
            Call::Dup { fd } => self.dup(pid, *fd, 0, false),
            Call::Dup3 { fd, new, flags } => self.dup3(cx, pid, *fd, *new, *flags),
            Call::EpollCreate1 { flags } => self.epoll_create1(pid, *flags),
            Call::EpollCtl { epfd, op, fd, event } => self.epoll_ctl(pid, *epfd, *op, *fd, *event),
            Call::Socket { .. } | Call::Connect { .. } => {
                unreachable!("a socket, and a connect of a stream socket, have gone their own way")
            }
            Call::Accept4 { .. }
            | Call::Sendto { .. }
            | Call::Sendmsg { .. }
            | Call::Recvfrom { .. }
            | Call::Recvmsg { .. }
            | Call::Read { .. }
            | Call::Write { .. }
            | Call::Readv { .. }
            | Call::Writev { .. }
            | Call::Close { .. }
            | Call::Poll { .. }
            | Call::Select { .. }
            | Call::EpollWait { .. } => unreachable!("a call that may wait is entered as such"),
        }
    }

    /// One step of a call that may wait; `last`: it will not wait any longer.
    #[inline]
    pub(super) fn step(&mut self, cx: &mut Cx<'_>, pid: Pid, task: &mut Task, call: &mut Call<'_, '_>, last: bool) -> Step {
        match (task.kind, call) {
            (Kind::Recv { socket, .. }, Call::Recvfrom { into, name, .. }) => {
                self.step_recvfrom(cx, socket, task, into, name.as_mut())
            }
            // A read of no bytes does not look at the socket.
            (Kind::Recv { .. }, Call::Read { into: [], .. }) => Step::Done(Ok(0)),
            (Kind::Recv { .. }, Call::Readv { iov, .. }) if iov.iter().all(|part| part.is_empty()) => Step::Done(Ok(0)),
            (Kind::Recv { socket, .. }, Call::Read { into, .. }) => {
                self.step_recv(cx, socket, task, &mut [IoSliceMut::new(into)])
            }
            (Kind::Recv { socket, .. }, Call::Readv { iov, .. }) => self.step_recv(cx, socket, task, iov),
            (Kind::Recv { socket, .. }, Call::Recvmsg { hdr, .. }) => self.step_recvmsg(cx, socket, task, hdr),
            (Kind::Send { socket }, Call::Sendto { data, .. } | Call::Write { data, .. }) => {
                self.step_send(cx, pid, socket, task, &[IoSlice::new(data)])
            }
            (Kind::Send { socket }, Call::Sendmsg { hdr, .. }) => match check_stream_control(hdr.control) {
                Ok(()) => self.step_send(cx, pid, socket, task, hdr.iov),
                Err(error) => Step::Done(Err(error)),
            },
            (Kind::Send { socket }, Call::Writev { iov, .. }) => self.step_send(cx, pid, socket, task, iov),
            (Kind::Accept { socket, reserved }, Call::Accept4 { name, flags, .. }) => {
                self.step_accept(cx, pid, socket, reserved, name.as_mut(), *flags)
            }
            (Kind::Connect { socket, disconnects, .. }, call) => {
                let step = self.step_connect(cx, socket, disconnects);
                match (step, call) {
                    (Step::Done(Ok(_)), call @ (Call::Sendto { .. } | Call::Sendmsg { .. })) => {
                        // MSG_FASTOPEN: connected, now it sends.
                        task.kind = Kind::Send { socket };
                        self.step(cx, pid, task, call, last)
                    }
                    (step, _) => step,
                }
            }
            (Kind::PipeRead { pipe }, Call::Read { into, .. }) => self.step_pipe_read(pipe, task, &mut [IoSliceMut::new(into)]),
            (Kind::PipeRead { pipe }, Call::Readv { iov, .. }) => self.step_pipe_read(pipe, task, iov),
            (Kind::PipeWrite { pipe }, Call::Write { data, .. }) => self.step_pipe_write(pid, pipe, task, &[IoSlice::new(data)]),
            (Kind::PipeWrite { pipe }, Call::Writev { iov, .. }) => self.step_pipe_write(pid, pipe, task, iov),
            (Kind::Poll, Call::Poll { fds, .. }) => self.step_poll(pid, fds),
            (Kind::Select, Call::Select { nfds, sets, .. }) => self.step_select(pid, *nfds, sets, last),
            (Kind::EpollWait { set }, Call::EpollWait { events, .. }) => self.step_epoll_wait(set, events),
            (Kind::Linger { socket, .. }, _) => self.step_linger(socket),
            (Kind::Local { .. }, call) => self.step_local(cx, pid, task, call, last),
            (Kind::DgramRecv { dgram }, call) => self.step_dgram_recv(dgram, task, call),
            (kind, call) => unreachable!("{kind:?} is resumed with the call that began it, not {call:?}"),
        }
    }

    /// `read(2)`, `readv(2)`: of a socket a receive without flags.
    fn enter_read(&mut self, pid: Pid, fd: RawFd, parts: usize) -> Result<Task> {
        let file = self.file_of(pid, fd)?;
        let entry = &self.files[file];
        let task = match entry.object {
            Object::Socket(socket) => self.recv_task(file, socket, entry.nonblocking, 0),
            Object::Pipe(pipe, End::Read) => Task::new(Kind::PipeRead { pipe }, file, entry.nonblocking, 0),
            Object::Pipe(_, End::Write) => return Err(Errno::BADF),
            Object::Dgram(_) | Object::Epoll(_) => return Err(Errno::INVAL),
            Object::Local(_) | Object::Plain(_) => unreachable!("calls on local sockets and plain files are entered as such"),
        };
        check_iov(parts, Errno::INVAL).map(|()| task)
    }

    /// `write(2)`, `writev(2)`: of a socket a send without flags.
    fn enter_write(&mut self, pid: Pid, fd: RawFd, parts: usize) -> Result<Task> {
        let file = self.file_of(pid, fd)?;
        let entry = &self.files[file];
        let task = match entry.object {
            Object::Socket(socket) => Task::new(Kind::Send { socket }, file, entry.nonblocking, 0),
            Object::Pipe(pipe, End::Write) => Task::new(Kind::PipeWrite { pipe }, file, entry.nonblocking, 0),
            Object::Pipe(_, End::Read) => return Err(Errno::BADF),
            Object::Dgram(_) | Object::Epoll(_) => return Err(Errno::INVAL),
            Object::Local(_) | Object::Plain(_) => unreachable!("calls on local sockets and plain files are entered as such"),
        };
        check_iov(parts, Errno::INVAL).map(|()| task)
    }
}

/// Checks the control messages of `sendmsg(2)` on a stream, `sock_cmsg_send`: other levels than SOL_SOCKET are ignored.
fn check_stream_control(control: &[u8]) -> Result<()> {
    for message in cmsg::messages(control) {
        let message = message?;
        if message.level == c::SOL_SOCKET {
            cmsg::check_socket_level(message.kind)?;
        }
    }
    Ok(())
}

/// Refuses a buffer of too many parts.
pub(super) fn check_iov(parts: usize, error: Errno) -> Result<()> {
    if parts > IOV_MAX { Err(error) } else { Ok(()) }
}
