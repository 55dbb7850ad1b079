//! [`FaultyCalls`]: each system call of a world, with a fault or as it is.
//!
//! A call without a fault is the world's call, and the counter. One with a fault asks the kernel first whether the fault can happen to it (is the
//! descriptor open, does it block, is it a stream?), by calls that change nothing. Then it answers in the kernel's place, before the
//! call or instead of it, so that nothing is taken that is not handed over.

use super::plan::{Call, Fault};
use super::shared::Seeded;
use super::source::{Decision, Source};
use crate::api::SocketApi;
use crate::consts as c;
use crate::env::Clock;
use crate::errno::{Errno, Result};
use crate::raw::{EpollEvent, FdSet, Name, PollFd, RawFd, RecvHdr, SendHdr, Syscalls, Vouch};
use std::fmt;
use std::io::{IoSlice, IoSliceMut};

/// The system calls of [`Faulty`](super::Faulty), reached by [`SocketApi::calls`]; or of any world `A`, with the faults of any [`Source`].
///
/// ```
/// use twinsock::raw::{Syscalls, Vouch};
/// use twinsock::{Errno, Os, SocketApi, faulty::{Fault, Faulty, Plan}};
/// let faulty = Faulty::new(Os, Plan::new(7).with(Fault::Emfile.rate(1, 1)));
/// // SAFETY: no number is passed.
/// assert_eq!(faulty.calls(unsafe { Vouch::new() }).epoll_create1(0), Err(Errno::MFILE));
/// ```
pub struct FaultyCalls<A, S = Seeded> {
    pub(super) api: A,
    pub(super) source: S,
}

impl<A, S> fmt::Debug for FaultyCalls<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyCalls")
    }
}

/// A call that has been counted, and what is to happen to it. The thread's account is put back when this is dropped, after the call.
struct Begun<'a, S: Source + 'a> {
    _turn: S::Turn<'a>,
    decision: Option<Decision<S::Mark>>,
}

impl<S: Source> Begun<'_, S> {
    fn fault(&self) -> Option<(&Decision<S::Mark>, Fault)> {
        self.decision.as_ref().map(|decision| (decision, decision.fault))
    }
}

/// The way that bytes take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Out,
    In,
}

impl<A: SocketApi<Calls = A>, S> FaultyCalls<A, S> {
    /// The calls of the world `api`, with the faults of `source`. Only of a world that gives its calls to safe code, as the simulator does: on
    /// [`Os`](crate::Os) a descriptor's number may be somebody else's, and [`Faulty`](super::Faulty) asks for a [`Vouch`]. An example is at [`Source`].
    pub const fn new(api: A, source: S) -> FaultyCalls<A, S> {
        FaultyCalls { api, source }
    }
}

impl<A: SocketApi + Clock, S: Source> FaultyCalls<A, S> {
    /// The world's own calls. Numbers that are passed on are those that the caller vouched for, and those of descriptors just made.
    #[inline]
    pub(super) fn world(&self) -> &A::Calls {
        self.api.calls(Vouch::for_owned())
    }

    #[inline]
    fn begin_with(&self, call: Call, fd: Option<RawFd>, len: impl FnOnce() -> Option<usize>) -> Begun<'_, S> {
        let (turn, mut decision) = self.source.begin(call, fd, len);
        if let Some(slow) = decision.take_if(|decision| matches!(decision.fault, Fault::Slow(_))) {
            self.pause(&slow);
        }
        Begun { _turn: turn, decision }
    }

    /// Begins a call on a descriptor.
    #[inline]
    fn begin(&self, call: Call, fd: RawFd) -> Begun<'_, S> {
        self.begin_with(call, Some(fd), || None)
    }

    /// Begins a call on no descriptor, or on several.
    #[inline]
    fn begin_new(&self, call: Call) -> Begun<'_, S> {
        self.begin_with(call, None, || None)
    }

    #[cold]
    fn pause(&self, slow: &Decision<S::Mark>) {
        if let Fault::Slow(time) = slow.fault
            && self.source.claim(slow, None)
        {
            self.api.sleep(time);
        }
    }

    pub(super) fn claim(&self, decision: &Decision<S::Mark>) -> bool {
        self.source.claim(decision, None)
    }

    /// The file status flags, `F_GETFL`; `None` for a number that is not open.
    pub(super) fn status(&self, fd: RawFd) -> Option<i32> {
        self.world().fcntl(fd, c::F_GETFL, 0).ok()
    }

    /// An integer option of `SOL_SOCKET`; `None` for what is not a socket.
    pub(super) fn option(&self, fd: RawFd, name: i32) -> Option<i32> {
        let (mut value, mut len) = ([0; 4], 4);
        self.world().getsockopt(fd, c::SOL_SOCKET, name, &mut value, &mut len).ok()?;
        Some(i32::from_ne_bytes(value))
    }

    /// Whether a call on the descriptor waits, as far as the descriptor is concerned.
    fn blocks(&self, fd: RawFd) -> bool {
        self.status(fd).is_some_and(|status| status & c::O_NONBLOCK == 0)
    }

    /// Whether the socket is a stream of bytes: those that are not taken now can be taken later. A message is cut off instead, and
    /// the rest of it lost; that of a pipe too, if it is one of messages (`O_DIRECT`), which cannot be asked at its read end.
    fn is_stream_of_bytes(&self, fd: RawFd) -> bool {
        self.option(fd, c::SO_TYPE) == Some(c::SOCK_STREAM)
            && self.option(fd, c::SO_PROTOCOL).is_some_and(|protocol| [0, c::IPPROTO_TCP].contains(&protocol))
    }

    /// The error that a fault gives a call that has no state to be kept but an open descriptor.
    #[cold]
    fn refuse(&self, decision: &Decision<S::Mark>, can_happen: bool) -> Result<()> {
        match decision.fault.errno() {
            Some(errno) if can_happen && self.claim(decision) => Err(errno),
            Some(_) | None => Ok(()),
        }
    }

    /// What a call that made descriptors answers after all. It is made first, since an argument that is wrong wins over a full table; what
    /// it made is new, so that closing it shows nowhere.
    #[cold]
    fn unmake<const N: usize>(&self, decision: &Decision<S::Mark>, made: [RawFd; N]) -> Result<()> {
        self.refuse(decision, true).inspect_err(|_| {
            for fd in made {
                // close(2) releases the number whatever it answers.
                self.world().close(fd).ok();
            }
        })
    }

    /// A fault of `accept4(2)`. Linux makes descriptor and file before it looks into the queue, so all of these leave the queue alone;
    /// `ECONNABORTED` is of a connection that has come and gone.
    #[cold]
    fn refuse_accept(&self, decision: &Decision<S::Mark>, fd: RawFd) -> Result<()> {
        let listens = self.option(fd, c::SO_ACCEPTCONN) == Some(1);
        self.refuse(decision, listens && (decision.fault != Fault::Eintr || self.blocks(fd)))
    }

    /// `EINTR` of `connect(2)`: the attempt is made and goes on. `None` if it did not have to wait.
    #[cold]
    fn interrupt_connect(&self, decision: &Decision<S::Mark>, fd: RawFd, addr: &[u8]) -> Option<Result<()>> {
        let status = self.status(fd).filter(|status| status & c::O_NONBLOCK == 0)?;
        self.option(fd, c::SO_TYPE).filter(|kind| [c::SOCK_STREAM, c::SOCK_SEQPACKET].contains(kind))?;
        self.world().fcntl(fd, c::F_SETFL, status | c::O_NONBLOCK).ok()?;
        let answer = self.world().connect(fd, addr);
        // This fails only where the descriptor is gone meanwhile, or the thread killed.
        self.world().fcntl(fd, c::F_SETFL, status).ok();
        // EAGAIN: a unix listener's queue is full, and nothing is queued.
        if !matches!(answer, Err(Errno::INPROGRESS | Errno::ALREADY | Errno::AGAIN)) {
            return Some(answer);
        }
        self.claim(decision).then_some(Err(Errno::INTR))
    }

    /// How many of `len` bytes a call is to send or receive.
    #[inline]
    fn limit(&self, begun: &Begun<'_, S>, way: Way, fd: RawFd, len: usize, flags: i32) -> Result<usize> {
        match begun.fault() {
            None => Ok(len),
            Some((decision, fault)) => self.limit_faulty(decision, fault, way, fd, len, flags),
        }
    }

    #[cold]
    fn limit_faulty(
        &self,
        decision: &Decision<S::Mark>,
        fault: Fault,
        way: Way,
        fd: RawFd,
        len: usize,
        flags: i32,
    ) -> Result<usize> {
        // An urgent byte is one, and an error message a message.
        let ordinary = flags & (c::MSG_OOB | c::MSG_ERRQUEUE) == 0;
        match fault {
            Fault::Short => {
                if len < 2 || !ordinary || !self.is_stream_of_bytes(fd) {
                    return Ok(len);
                }
                let fewer = self.source.below(decision, u64::try_from(len - 1).expect("a length fits 64 bits"));
                let short = usize::try_from(fewer).expect("less than a length is a length") + 1;
                Ok(if self.source.claim(decision, Some(short)) { short } else { len })
            }
            Fault::Eintr => {
                let waits = len > 0 && ordinary && flags & c::MSG_DONTWAIT == 0 && self.blocks(fd);
                self.refuse(decision, waits).map(|()| len)
            }
            Fault::Enobufs | Fault::Enomem => {
                let is_socket = self.option(fd, c::SO_TYPE).is_some();
                self.refuse(decision, is_socket || way == Way::In).map(|()| len)
            }
            Fault::Spurious | Fault::Emfile | Fault::Enfile | Fault::Econnaborted | Fault::Slow(_) => Ok(len),
        }
    }
}

impl<A: SocketApi + Clock, S: Source> Syscalls for FaultyCalls<A, S> {
    fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd> {
        let begun = self.begin_new(Call::Socket);
        let fd = self.world().socket(domain, kind, protocol)?;
        begun.fault().map_or(Ok(()), |(decision, _)| self.unmake(decision, [fd])).map(|()| fd)
    }

    fn socketpair(&self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2]> {
        let begun = self.begin_new(Call::Socketpair);
        let ends = self.world().socketpair(domain, kind, protocol)?;
        begun.fault().map_or(Ok(()), |(decision, _)| self.unmake(decision, ends)).map(|()| ends)
    }

    fn bind(&self, fd: RawFd, addr: &[u8]) -> Result<()> {
        let _begun = self.begin(Call::Bind, fd);
        self.world().bind(fd, addr)
    }

    fn listen(&self, fd: RawFd, backlog: i32) -> Result<()> {
        let _begun = self.begin(Call::Listen, fd);
        self.world().listen(fd, backlog)
    }

    fn accept4(&self, fd: RawFd, name: Option<Name<'_>>, flags: i32) -> Result<RawFd> {
        let begun = self.begin(Call::Accept4, fd);
        if let Some((decision, _)) = begun.fault() {
            self.refuse_accept(decision, fd)?;
        }
        self.world().accept4(fd, name, flags)
    }

    fn connect(&self, fd: RawFd, addr: &[u8]) -> Result<()> {
        let begun = self.begin(Call::Connect, fd);
        let interrupted = begun.fault().and_then(|(decision, _)| self.interrupt_connect(decision, fd, addr));
        interrupted.unwrap_or_else(|| self.world().connect(fd, addr))
    }

    fn shutdown(&self, fd: RawFd, how: i32) -> Result<()> {
        let _begun = self.begin(Call::Shutdown, fd);
        self.world().shutdown(fd, how)
    }

    fn getsockname(&self, fd: RawFd, name: Name<'_>) -> Result<()> {
        let _begun = self.begin(Call::Getsockname, fd);
        self.world().getsockname(fd, name)
    }

    fn getpeername(&self, fd: RawFd, name: Name<'_>) -> Result<()> {
        let _begun = self.begin(Call::Getpeername, fd);
        self.world().getpeername(fd, name)
    }

    fn getsockopt(&self, fd: RawFd, level: i32, name: i32, value: &mut [u8], len: &mut i32) -> Result<()> {
        let _begun = self.begin(Call::Getsockopt, fd);
        self.world().getsockopt(fd, level, name, value, len)
    }

    fn setsockopt(&self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<()> {
        let _begun = self.begin(Call::Setsockopt, fd);
        self.world().setsockopt(fd, level, name, value)
    }

    #[inline]
    fn send(&self, fd: RawFd, data: &[u8], flags: i32) -> Result<usize> {
        let begun = self.begin_with(Call::Send, Some(fd), || Some(data.len()));
        let len = self.limit(&begun, Way::Out, fd, data.len(), flags)?;
        self.world().send(fd, &data[..len], flags)
    }

    fn sendto(&self, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Result<usize> {
        let begun = self.begin_with(Call::Sendto, Some(fd), || Some(data.len()));
        let len = self.limit(&begun, Way::Out, fd, data.len(), flags)?;
        self.world().sendto(fd, &data[..len], flags, addr)
    }

    fn sendmsg(&self, fd: RawFd, hdr: &SendHdr<'_>, flags: i32) -> Result<usize> {
        let begun = self.begin_with(Call::Sendmsg, Some(fd), || Some(total(hdr.iov)));
        if begun.decision.is_some() {
            let all = total(hdr.iov);
            let len = self.limit(&begun, Way::Out, fd, all, flags)?;
            if len < all {
                return self.world().sendmsg(fd, &SendHdr { iov: &cut(hdr.iov, len), ..*hdr }, flags);
            }
        }
        self.world().sendmsg(fd, hdr, flags)
    }

    #[inline]
    fn recv(&self, fd: RawFd, into: &mut [u8], flags: i32) -> Result<usize> {
        let begun = self.begin_with(Call::Recv, Some(fd), || Some(into.len()));
        let len = self.limit(&begun, Way::In, fd, into.len(), flags)?;
        self.world().recv(fd, &mut into[..len], flags)
    }

    fn recvfrom(&self, fd: RawFd, into: &mut [u8], flags: i32, name: Option<Name<'_>>) -> Result<usize> {
        let begun = self.begin_with(Call::Recvfrom, Some(fd), || Some(into.len()));
        let len = self.limit(&begun, Way::In, fd, into.len(), flags)?;
        self.world().recvfrom(fd, &mut into[..len], flags, name)
    }

    fn recvmsg(&self, fd: RawFd, hdr: &mut RecvHdr<'_, '_>, flags: i32) -> Result<usize> {
        let begun = self.begin_with(Call::Recvmsg, Some(fd), || Some(total_mut(hdr.iov)));
        if begun.decision.is_some() {
            let all = total_mut(hdr.iov);
            let len = self.limit(&begun, Way::In, fd, all, flags)?;
            if len < all {
                let mut iov = cut_mut(hdr.iov, len);
                let (name, control) = (&mut *hdr.name, &mut *hdr.control);
                let mut short = RecvHdr { name, name_len: 0, iov: &mut iov, control, control_len: 0, flags: 0 };
                let received = self.world().recvmsg(fd, &mut short, flags)?;
                (hdr.name_len, hdr.control_len, hdr.flags) = (short.name_len, short.control_len, short.flags);
                return Ok(received);
            }
        }
        self.world().recvmsg(fd, hdr, flags)
    }

    fn read(&self, fd: RawFd, into: &mut [u8]) -> Result<usize> {
        let begun = self.begin_with(Call::Read, Some(fd), || Some(into.len()));
        let len = self.limit(&begun, Way::In, fd, into.len(), 0)?;
        self.world().read(fd, &mut into[..len])
    }

    fn write(&self, fd: RawFd, data: &[u8]) -> Result<usize> {
        let begun = self.begin_with(Call::Write, Some(fd), || Some(data.len()));
        let len = self.limit(&begun, Way::Out, fd, data.len(), 0)?;
        self.world().write(fd, &data[..len])
    }

    fn readv(&self, fd: RawFd, iov: &mut [IoSliceMut<'_>]) -> Result<usize> {
        let begun = self.begin_with(Call::Readv, Some(fd), || Some(total_mut(iov)));
        if begun.decision.is_some() {
            let all = total_mut(iov);
            let len = self.limit(&begun, Way::In, fd, all, 0)?;
            if len < all {
                return self.world().readv(fd, &mut cut_mut(iov, len));
            }
        }
        self.world().readv(fd, iov)
    }

    fn writev(&self, fd: RawFd, iov: &[IoSlice<'_>]) -> Result<usize> {
        let begun = self.begin_with(Call::Writev, Some(fd), || Some(total(iov)));
        if begun.decision.is_some() {
            let all = total(iov);
            let len = self.limit(&begun, Way::Out, fd, all, 0)?;
            if len < all {
                return self.world().writev(fd, &cut(iov, len));
            }
        }
        self.world().writev(fd, iov)
    }

    fn fcntl(&self, fd: RawFd, command: i32, argument: i32) -> Result<i32> {
        let begun = self.begin(Call::Fcntl, fd);
        let answer = self.world().fcntl(fd, command, argument)?;
        match begun.fault() {
            Some((decision, _)) if [c::F_DUPFD, c::F_DUPFD_CLOEXEC].contains(&command) => {
                self.unmake(decision, [answer]).map(|()| answer)
            }
            Some(_) | None => Ok(answer),
        }
    }

    fn ioctl(&self, fd: RawFd, request: u64, argument: &mut i32) -> Result<i32> {
        let _begun = self.begin(Call::Ioctl, fd);
        self.world().ioctl(fd, request, argument)
    }

    fn pipe2(&self, flags: i32) -> Result<[RawFd; 2]> {
        let begun = self.begin_new(Call::Pipe2);
        let ends = self.world().pipe2(flags)?;
        begun.fault().map_or(Ok(()), |(decision, _)| self.unmake(decision, ends)).map(|()| ends)
    }

    fn dup(&self, fd: RawFd) -> Result<RawFd> {
        let begun = self.begin(Call::Dup, fd);
        let new = self.world().dup(fd)?;
        begun.fault().map_or(Ok(()), |(decision, _)| self.unmake(decision, [new])).map(|()| new)
    }

    fn dup3(&self, fd: RawFd, new: RawFd, flags: i32) -> Result<RawFd> {
        let _begun = self.begin(Call::Dup3, fd);
        let made = self.world().dup3(fd, new, flags)?;
        self.source.forget(made);
        Ok(made)
    }

    fn close(&self, fd: RawFd) -> Result<()> {
        let _begun = self.begin(Call::Close, fd);
        // Before the call, after which the number may be another thread's.
        self.source.forget(fd);
        self.world().close(fd)
    }

    fn poll(&self, fds: &mut [PollFd], timeout: i32) -> Result<usize> {
        let begun = self.begin_new(Call::Poll);
        let answer = begun.fault().and_then(|(decision, _)| self.poll_faulty(decision, fds, timeout));
        answer.unwrap_or_else(|| self.world().poll(fds, timeout))
    }

    fn select(&self, nfds: i32, mut sets: [Option<&mut FdSet>; 3], timeout: Option<i64>) -> Result<usize> {
        let begun = self.begin_new(Call::Select);
        let answer = begun.fault().and_then(|(decision, _)| self.select_faulty(decision, nfds, &mut sets, timeout));
        answer.unwrap_or_else(|| self.world().select(nfds, sets, timeout))
    }

    fn epoll_create1(&self, flags: i32) -> Result<RawFd> {
        let begun = self.begin_new(Call::EpollCreate1);
        let fd = self.world().epoll_create1(flags)?;
        begun.fault().map_or(Ok(()), |(decision, _)| self.unmake(decision, [fd])).map(|()| fd)
    }

    fn epoll_ctl(&self, epfd: RawFd, op: i32, fd: RawFd, event: Option<EpollEvent>) -> Result<()> {
        let begun = self.begin(Call::EpollCtl, epfd);
        if let Some((decision, _)) = begun.fault() {
            let are_open = [epfd, fd].into_iter().all(|fd| self.status(fd).is_some());
            self.refuse(decision, op == c::EPOLL_CTL_ADD && are_open)?;
        }
        self.world().epoll_ctl(epfd, op, fd, event)?;
        self.source.registered_now(epfd, op, fd, event);
        Ok(())
    }

    fn epoll_wait(&self, epfd: RawFd, events: &mut [EpollEvent], timeout: i32) -> Result<usize> {
        let begun = self.begin(Call::EpollWait, epfd);
        let answer = begun.fault().and_then(|(decision, _)| self.epoll_wait_faulty(decision, epfd, events, timeout));
        answer.unwrap_or_else(|| self.world().epoll_wait(epfd, events, timeout))
    }
}

fn total(iov: &[IoSlice<'_>]) -> usize {
    iov.iter().map(|slice| slice.len()).sum()
}

fn total_mut(iov: &[IoSliceMut<'_>]) -> usize {
    iov.iter().map(|slice| slice.len()).sum()
}

/// The slices up to `len` bytes.
fn cut<'a>(iov: &'a [IoSlice<'_>], mut len: usize) -> Vec<IoSlice<'a>> {
    let mut parts = Vec::new();
    for slice in iov {
        let part = slice.len().min(len);
        parts.push(IoSlice::new(&slice[..part]));
        len -= part;
        if len == 0 {
            break;
        }
    }
    parts
}

fn cut_mut<'a>(iov: &'a mut [IoSliceMut<'_>], mut len: usize) -> Vec<IoSliceMut<'a>> {
    let mut parts = Vec::new();
    for slice in iov {
        let part = slice.len().min(len);
        parts.push(IoSliceMut::new(&mut slice[..part]));
        len -= part;
        if len == 0 {
            break;
        }
    }
    parts
}
