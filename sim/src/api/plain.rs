//! [`Plain`]: the system calls of a process as they are, to which nothing happens.

use super::dgram::{recvfrom, sendto};
use super::opening::{accept4, connect};
use super::transfer::{read, recv, send, write};
use super::{Net, number};
use crate::host::{Asked, Call};
use crate::process::scheduler::{SendsBy, ShortRecv};
use std::io::{self, IoSlice, IoSliceMut};
use std::time::{Duration, SystemTime};
use twinsock::consts::MSG_CMSG_CLOEXEC;
use twinsock::raw::{EpollEvent, FdSet, Name, PollFd, RawFd, RecvHdr, SendHdr, Syscalls, Vouch};
use twinsock::{Clock, Instant, Result, SocketApi};

/// A process whose calls are made as they are, whatever faults its host is to have.
#[derive(Clone, Copy, Debug)]
pub struct Plain {
    /// The process.
    pub(super) net: Net,
    /// Whether somebody may want to know of its calls, or of other events, in full.
    pub(super) is_attended: bool,
}

impl Plain {
    /// What the calls that are there twice are told.
    #[inline(always)]
    fn how(self) -> (Net, bool) {
        (self.net, self.is_attended)
    }
}

impl Syscalls for Plain {
    fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd> {
        let running = self.net.running()?;
        let scheduler = running.enter()?;
        running.call_one(scheduler, &mut Call::Socket { domain, kind, protocol }).map(number)
    }

    fn socketpair(&self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2]> {
        let mut out = [-1; 2];
        self.net.call_done(Call::Socketpair { domain, kind, protocol, out: &mut out })?;
        Ok(out)
    }

    fn bind(&self, fd: RawFd, addr: &[u8]) -> Result<()> {
        self.net.call_done(Call::Bind { fd, addr })
    }

    fn listen(&self, fd: RawFd, backlog: i32) -> Result<()> {
        self.net.call_done(Call::Listen { fd, backlog })
    }

    #[inline(always)]
    fn accept4(&self, fd: RawFd, name: Option<Name<'_>>, flags: i32) -> Result<RawFd> {
        accept4(self.how(), fd, name, flags).result().map(number)
    }

    #[inline(always)]
    fn connect(&self, fd: RawFd, addr: &[u8]) -> Result<()> {
        connect(self.how(), fd, addr).result().map(|_| ())
    }

    fn shutdown(&self, fd: RawFd, how: i32) -> Result<()> {
        self.net.call_done(Call::Shutdown { fd, how })
    }

    fn getsockname(&self, fd: RawFd, name: Name<'_>) -> Result<()> {
        self.net.call_done(Call::Getsockname { fd, name })
    }

    fn getpeername(&self, fd: RawFd, name: Name<'_>) -> Result<()> {
        self.net.call_done(Call::Getpeername { fd, name })
    }

    fn getsockopt(&self, fd: RawFd, level: i32, name: i32, value: &mut [u8], len: &mut i32) -> Result<()> {
        self.net.call_done(Call::Getsockopt { fd, level, name, value, len })
    }

    fn setsockopt(&self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<()> {
        self.net.call_done(Call::Setsockopt { fd, level, name, value })
    }

    #[inline(always)]
    fn send(&self, fd: RawFd, data: &[u8], flags: i32) -> Result<usize> {
        send(self.how(), fd, data, flags).result()
    }

    #[inline(always)]
    fn sendto(&self, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Result<usize> {
        sendto(self.how(), fd, data, flags, addr).result()
    }

    fn sendmsg(&self, fd: RawFd, hdr: &SendHdr<'_>, flags: i32) -> Result<usize> {
        let running = self.net.running()?;
        let mut scheduler = running.enter()?;
        if let ([data], []) = (hdr.iov, hdr.control)
            && (hdr.name.is_none() && scheduler.send_short(running.thread, SendsBy::Sendmsg, fd, data, flags)
                || scheduler.send_dgram_short::<true>(running.thread, SendsBy::Sendmsg, fd, data, (flags, hdr.name)))
        {
            return Ok(data.len());
        }
        running.call(scheduler, &mut Call::Sendmsg { fd, hdr, flags })
    }

    #[inline(always)]
    fn recv(&self, fd: RawFd, into: &mut [u8], flags: i32) -> Result<usize> {
        recv(self.how(), fd, into, flags).result()
    }

    #[inline(always)]
    fn recvfrom(&self, fd: RawFd, into: &mut [u8], flags: i32, name: Option<Name<'_>>) -> Result<usize> {
        recvfrom(self.how(), fd, into, flags, name).result()
    }

    fn recvmsg(&self, fd: RawFd, hdr: &mut RecvHdr<'_, '_>, flags: i32) -> Result<usize> {
        let running = self.net.running()?;
        let mut scheduler = running.enter()?;
        let RecvHdr { name, iov: [into], .. } = hdr else {
            return running.call(scheduler, &mut Call::Recvmsg { fd, hdr: hdr.into(), flags });
        };
        let mut len = i32::try_from(name.len()).unwrap_or(i32::MAX);
        let mut name = Name { bytes: name, len: &mut len };
        let received = match scheduler.recv_dgram_short::<true>(running.thread, fd, into, (flags, Asked::All(&mut name))) {
            ShortRecv::Done(received) => received,
            ShortRecv::Waits => {
                scheduler = running.suspend(scheduler);
                match scheduler.resume_dgram_short(running.thread, fd, into, Asked::All(&mut name)) {
                    Some(received) => received,
                    None => return running.go_on(scheduler, &mut Call::Recvmsg { fd, hdr: hdr.into(), flags }),
                }
            }
            ShortRecv::Long => return running.call(scheduler, &mut Call::Recvmsg { fd, hdr: hdr.into(), flags }),
        };
        hdr.name_len = usize::try_from(len).unwrap_or(0);
        hdr.control_len = 0;
        hdr.flags = flags & MSG_CMSG_CLOEXEC;
        Ok(received)
    }

    #[inline(always)]
    fn read(&self, fd: RawFd, into: &mut [u8]) -> Result<usize> {
        read(self.how(), fd, into).result()
    }

    #[inline(always)]
    fn write(&self, fd: RawFd, data: &[u8]) -> Result<usize> {
        write(self.how(), fd, data).result()
    }

    fn readv(&self, fd: RawFd, iov: &mut [IoSliceMut<'_>]) -> Result<usize> {
        self.net.call(Call::Readv { fd, iov })
    }

    fn writev(&self, fd: RawFd, iov: &[IoSlice<'_>]) -> Result<usize> {
        self.net.call(Call::Writev { fd, iov })
    }

    fn fcntl(&self, fd: RawFd, command: i32, argument: i32) -> Result<i32> {
        self.net.call_number(Call::Fcntl { fd, command, argument })
    }

    fn ioctl(&self, fd: RawFd, request: u64, argument: &mut i32) -> Result<i32> {
        self.net.call_number(Call::Ioctl { fd, request, argument })
    }

    fn pipe2(&self, flags: i32) -> Result<[RawFd; 2]> {
        let mut out = [-1; 2];
        self.net.call_done(Call::Pipe2 { flags, out: &mut out })?;
        Ok(out)
    }

    fn dup(&self, fd: RawFd) -> Result<RawFd> {
        self.net.call_number(Call::Dup { fd })
    }

    fn dup3(&self, fd: RawFd, new: RawFd, flags: i32) -> Result<RawFd> {
        self.net.call_number(Call::Dup3 { fd, new, flags })
    }

    fn close(&self, fd: RawFd) -> Result<()> {
        let running = self.net.running()?;
        super::close(&running, fd)
    }

    fn poll(&self, fds: &mut [PollFd], timeout: i32) -> Result<usize> {
        self.net.call(Call::Poll { fds, timeout })
    }

    fn select(&self, nfds: i32, sets: [Option<&mut FdSet>; 3], timeout: Option<i64>) -> Result<usize> {
        self.net.call(Call::Select { nfds, sets, timeout })
    }

    fn epoll_create1(&self, flags: i32) -> Result<RawFd> {
        self.net.call_number(Call::EpollCreate1 { flags })
    }

    fn epoll_ctl(&self, epfd: RawFd, op: i32, fd: RawFd, event: Option<EpollEvent>) -> Result<()> {
        self.net.call_done(Call::EpollCtl { epfd, op, fd, event })
    }

    fn epoll_wait(&self, epfd: RawFd, events: &mut [EpollEvent], timeout: i32) -> Result<usize> {
        self.net.call(Call::EpollWait { epfd, events, timeout })
    }
}

impl SocketApi for Plain {
    type Socket = super::NetSocket;
    type Calls = Plain;

    fn calls(&self, _vouch: Vouch<Plain>) -> &Plain {
        self
    }

    fn fileno(&self, socket: &Self::Socket) -> RawFd {
        self.net.fileno(socket)
    }

    fn adopt(&self, fd: RawFd, _vouch: Vouch<Plain>) -> Self::Socket {
        super::NetSocket { net: self.net, fd }
    }

    fn release(&self, socket: Self::Socket) -> RawFd {
        self.net.release(socket)
    }

    fn getaddrinfo(&self, node: &str, port: u16) -> io::Result<Vec<std::net::SocketAddr>> {
        self.net.getaddrinfo(node, port)
    }
}

impl Clock for Plain {
    fn now(&self) -> Instant {
        self.net.now()
    }

    fn wall(&self) -> SystemTime {
        self.net.wall()
    }

    fn sleep(&self, duration: Duration) {
        self.net.sleep(duration);
    }
}
