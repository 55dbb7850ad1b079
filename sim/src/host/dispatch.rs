//! The table of system calls: which are done at once, which may wait, and what a step of a waiting call is.

use super::Host;
use super::call::Call;
use super::cx::{Cx, Pid};
use super::file::Object;
use super::op::{Entered, Kind, Step, Task, call_timeout};
use super::pipe::End;
use super::poll::{self, Timeout};
use std::io::{IoSlice, IoSliceMut};
use twinsock::raw::RawFd;
use twinsock::{Errno, Result};

/// `UIO_MAXIOV`: the most parts of a scattered or gathered buffer.
const IOV_MAX: usize = 1024;

impl Host {
    /// Checks a call's arguments and does it, or finds out what kind of call it is that may wait.
    pub(super) fn enter(&mut self, cx: &mut Cx<'_>, pid: Pid, call: &mut Call<'_, '_>) -> Entered {
        if let Call::Close { fd } = *call {
            return match self.close(cx, pid, fd) {
                Ok(None) => Entered::Done(Ok(0)),
                Ok(Some((file, until))) => Entered::Linger(fd, file, until),
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
            Call::Sendto { fd, flags, addr, .. } => (*fd, self.enter_send(pid, *fd, *flags, *addr)?),
            Call::Recvfrom { fd, flags, .. } => (*fd, self.enter_recv(pid, *fd, *flags)?),
            Call::Sendmsg { fd, hdr, flags } => {
                let task = self.enter_send(pid, *fd, *flags, hdr.name)?;
                check_iov(hdr.iov.len(), Errno::MSGSIZE)?;
                super::data::check_control(hdr.control)?;
                (*fd, task)
            }
            Call::Recvmsg { fd, hdr, flags } => {
                let task = self.enter_recv(pid, *fd, *flags)?;
                check_iov(hdr.iov.len(), Errno::MSGSIZE)?;
                (*fd, task)
            }
            Call::Read { fd, .. } => (*fd, self.enter_read(pid, *fd)?),
            Call::Readv { fd, iov } => {
                let task = self.enter_read(pid, *fd)?;
                check_iov(iov.len(), Errno::INVAL)?;
                (*fd, task)
            }
            Call::Write { fd, .. } => (*fd, self.enter_write(pid, *fd)?),
            Call::Writev { fd, iov } => {
                let task = self.enter_write(pid, *fd)?;
                check_iov(iov.len(), Errno::INVAL)?;
                (*fd, task)
            }
            Call::Accept4 { fd, flags, .. } => (*fd, self.enter_accept(pid, *fd, *flags)?),
            Call::Connect { fd, addr } => match self.enter_connect(cx, pid, *fd, addr)? {
                Some(task) => (*fd, task),
                None => return Ok(None),
            },
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
            Call::Socket { domain, kind, protocol } => self.socket(pid, *domain, *kind, *protocol),
            Call::Socketpair { domain, kind, protocol, .. } => self.socketpair(pid, *domain, *kind, *protocol),
            Call::Bind { fd, addr } => self.bind(cx, pid, *fd, addr),
            Call::Listen { fd, backlog } => self.listen(cx, pid, *fd, *backlog),
            Call::Shutdown { fd, how } => self.shutdown(cx, pid, *fd, *how),
            Call::Getsockname { fd, name } => self.getsockname(pid, *fd, name),
            Call::Getpeername { fd, name } => self.getpeername(pid, *fd, name),
            Call::Getsockopt { fd, level, name, value, len } => self.getsockopt(pid, *fd, *level, *name, value, len),
            Call::Setsockopt { fd, level, name, value } => self.setsockopt(cx, pid, *fd, *level, *name, value),
            Call::Fcntl { fd, command, argument } => self.fcntl(pid, *fd, *command, *argument),
            Call::Ioctl { fd, request, argument } => self.ioctl(pid, *fd, *request, argument),
            Call::Pipe2 { flags, out } => self.pipe2(pid, *flags, out),
            Call::Dup { fd } => self.dup(pid, *fd, 0, false),
            Call::Dup3 { fd, new, flags } => self.dup3(cx, pid, *fd, *new, *flags),
            Call::EpollCreate1 { flags } => self.epoll_create1(pid, *flags),
            Call::EpollCtl { epfd, op, fd, event } => self.epoll_ctl(pid, *epfd, *op, *fd, *event),
            // AF_UNSPEC: everything was done at entry.
            Call::Connect { .. } => Ok(0),
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
        match task.kind {
            Kind::Recv { socket } => self.step_recv_call(cx, socket, task, call),
            Kind::Send { socket } => self.step_send_call(cx, pid, socket, task, call),
            Kind::Accept { socket, reserved } => match call {
                Call::Accept4 { name, flags, .. } => self.step_accept(cx, pid, socket, reserved, name.as_mut(), *flags),
                other => wrong_call(task, other),
            },
            Kind::Connect { socket, disconnects, .. } => self.step_connect(cx, socket, disconnects),
            Kind::PipeRead { pipe } => match call {
                Call::Read { into, .. } => self.step_pipe_read(pipe, task, &mut [IoSliceMut::new(into)]),
                Call::Readv { iov, .. } => self.step_pipe_read(pipe, task, iov),
                other => wrong_call(task, other),
            },
            Kind::PipeWrite { pipe } => match call {
                Call::Write { data, .. } => self.step_pipe_write(pid, pipe, task, &[IoSlice::new(data)]),
                Call::Writev { iov, .. } => self.step_pipe_write(pid, pipe, task, iov),
                other => wrong_call(task, other),
            },
            Kind::Poll => match call {
                Call::Poll { fds, .. } => self.step_poll(pid, fds),
                other => wrong_call(task, other),
            },
            Kind::Select => match call {
                Call::Select { nfds, sets, .. } => self.step_select(pid, *nfds, sets, last),
                other => wrong_call(task, other),
            },
            Kind::EpollWait { set } => match call {
                Call::EpollWait { events, .. } => self.step_epoll_wait(set, events),
                other => wrong_call(task, other),
            },
            Kind::Linger { socket } => self.step_linger(socket),
        }
    }

    /// `read(2)`, `readv(2)`: of a socket a receive without flags.
    fn enter_read(&mut self, pid: Pid, fd: RawFd) -> Result<Task> {
        let file = self.file_of(pid, fd)?;
        let entry = &self.files[file];
        match entry.object {
            Object::Socket(socket) => Ok(Task::new(Kind::Recv { socket }, file, entry.nonblocking, 0)),
            Object::Pipe(pipe, End::Read) => Ok(Task::new(Kind::PipeRead { pipe }, file, entry.nonblocking, 0)),
            Object::Pipe(_, End::Write) => Err(Errno::BADF),
            Object::Epoll(_) => Err(Errno::INVAL),
        }
    }

    /// `write(2)`, `writev(2)`: of a socket a send without flags.
    fn enter_write(&mut self, pid: Pid, fd: RawFd) -> Result<Task> {
        let file = self.file_of(pid, fd)?;
        let entry = &self.files[file];
        match entry.object {
            Object::Socket(socket) => Ok(Task::new(Kind::Send { socket }, file, entry.nonblocking, 0)),
            Object::Pipe(pipe, End::Write) => Ok(Task::new(Kind::PipeWrite { pipe }, file, entry.nonblocking, 0)),
            Object::Pipe(_, End::Read) => Err(Errno::BADF),
            Object::Epoll(_) => Err(Errno::INVAL),
        }
    }
}

/// Refuses a buffer of too many parts.
fn check_iov(parts: usize, error: Errno) -> Result<()> {
    if parts > IOV_MAX { Err(error) } else { Ok(()) }
}

/// A driver resumed an operation with another call than the one that began it.
pub(super) fn wrong_call(task: &Task, call: &Call<'_, '_>) -> ! {
    unreachable!("{:?} is resumed with the call that began it, not {call:?}", task.kind)
}
