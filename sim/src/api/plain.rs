//! [`Plain`]: the system calls of a process as they are, to which nothing happens.

use super::{Net, number};
use crate::host::{Asked, Call};
use crate::process::coroutine;
use crate::process::current::Running;
use crate::process::scheduler::{Opening, Posted, Scheduler, SendsBy, ShortRecv};
use std::cell::RefMut;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::ManuallyDrop;
use std::time::{Duration, SystemTime};
use twinsock::consts::MSG_CMSG_CLOEXEC;
use twinsock::raw::{EpollEvent, FdSet, Name, PollFd, RawFd, RecvHdr, SendHdr, Syscalls, Vouch};
use twinsock::{Clock, Errno, Instant, Result, SocketApi};

/// A process whose calls are made as they are, whatever faults its host is to have.
#[derive(Clone, Copy, Debug)]
pub struct Plain(pub(super) Net);

impl Syscalls for Plain {
    fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd> {
        let running = self.0.running()?;
        let scheduler = running.enter()?;
        running.call_one(scheduler, &mut Call::Socket { domain, kind, protocol }).map(number)
    }

    fn socketpair(&self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2]> {
        let mut out = [-1; 2];
        self.0.call_done(Call::Socketpair { domain, kind, protocol, out: &mut out })?;
        Ok(out)
    }

    fn bind(&self, fd: RawFd, addr: &[u8]) -> Result<()> {
        self.0.call_done(Call::Bind { fd, addr })
    }

    fn listen(&self, fd: RawFd, backlog: i32) -> Result<()> {
        self.0.call_done(Call::Listen { fd, backlog })
    }

    fn accept4(&self, fd: RawFd, mut name: Option<Name<'_>>, flags: i32) -> Result<RawFd> {
        let running = self.0.running()?;
        let mut scheduler = running.enter()?;
        let accepted = match scheduler.accept_short(running.thread, fd, name.as_mut(), flags) {
            Opening::Done(result) => result,
            Opening::Waits => {
                scheduler = running.suspend(scheduler);
                match scheduler.resume_opening(running.thread, name.as_mut()) {
                    Some(result) => result,
                    None => running.go_on(scheduler, &mut Call::Accept4 { fd, name, flags }),
                }
            }
            Opening::Long => running.call(scheduler, &mut Call::Accept4 { fd, name, flags }),
        };
        accepted.map(number)
    }

    fn connect(&self, fd: RawFd, addr: &[u8]) -> Result<()> {
        let running = self.0.running()?;
        let mut scheduler = running.enter()?;
        let connected = match scheduler.connect_short(running.thread, fd, addr) {
            Opening::Done(result) => result,
            Opening::Waits => {
                scheduler = running.suspend(scheduler);
                match scheduler.resume_opening(running.thread, None) {
                    Some(result) => result,
                    None => running.go_on(scheduler, &mut Call::Connect { fd, addr }),
                }
            }
            Opening::Long => running.call(scheduler, &mut Call::Connect { fd, addr }),
        };
        connected.map(|_| ())
    }

    fn shutdown(&self, fd: RawFd, how: i32) -> Result<()> {
        self.0.call_done(Call::Shutdown { fd, how })
    }

    fn getsockname(&self, fd: RawFd, name: Name<'_>) -> Result<()> {
        self.0.call_done(Call::Getsockname { fd, name })
    }

    fn getpeername(&self, fd: RawFd, name: Name<'_>) -> Result<()> {
        self.0.call_done(Call::Getpeername { fd, name })
    }

    fn getsockopt(&self, fd: RawFd, level: i32, name: i32, value: &mut [u8], len: &mut i32) -> Result<()> {
        self.0.call_done(Call::Getsockopt { fd, level, name, value, len })
    }

    fn setsockopt(&self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<()> {
        self.0.call_done(Call::Setsockopt { fd, level, name, value })
    }

    #[inline]
    fn send(&self, fd: RawFd, data: &[u8], flags: i32) -> Result<usize> {
        send(self.0, fd, data, flags).result()
    }

    #[inline]
    fn sendto(&self, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Result<usize> {
        sendto(self.0, fd, data, flags, addr).result()
    }

    fn sendmsg(&self, fd: RawFd, hdr: &SendHdr<'_>, flags: i32) -> Result<usize> {
        let running = self.0.running()?;
        let mut scheduler = running.enter()?;
        if let ([data], []) = (hdr.iov, hdr.control)
            && (hdr.name.is_none() && scheduler.send_short(running.thread, SendsBy::Sendmsg, fd, data, flags)
                || scheduler.send_dgram_short(running.thread, SendsBy::Sendmsg, fd, data, (flags, hdr.name)))
        {
            return Ok(data.len());
        }
        running.call(scheduler, &mut Call::Sendmsg { fd, hdr, flags })
    }

    #[inline(always)]
    fn recv(&self, fd: RawFd, into: &mut [u8], flags: i32) -> Result<usize> {
        recv(self.0, fd, into, flags).result()
    }

    #[inline(always)]
    fn recvfrom(&self, fd: RawFd, into: &mut [u8], flags: i32, name: Option<Name<'_>>) -> Result<usize> {
        recvfrom(self.0, fd, into, flags, name).result()
    }

    fn recvmsg(&self, fd: RawFd, hdr: &mut RecvHdr<'_, '_>, flags: i32) -> Result<usize> {
        let running = self.0.running()?;
        let mut scheduler = running.enter()?;
        let RecvHdr { name, iov: [into], .. } = hdr else {
            return running.call(scheduler, &mut Call::Recvmsg { fd, hdr: hdr.into(), flags });
        };
        let mut len = i32::try_from(name.len()).unwrap_or(i32::MAX);
        let mut name = Name { bytes: name, len: &mut len };
        let short = match scheduler.recv_dgram_short(running.thread, fd, into, (flags, Asked::All(&mut name))) {
            ShortRecv::Done(received) => Some(received),
            ShortRecv::Waits => {
                scheduler = running.suspend(scheduler);
                let received = scheduler.resume_dgram_short(running.thread, fd, into, Asked::All(&mut name));
                if received.is_none() {
                    return running.go_on(scheduler, &mut Call::Recvmsg { fd, hdr: hdr.into(), flags });
                }
                received
            }
            ShortRecv::Long => None,
        };
        let Some(received) = short else {
            return running.call(scheduler, &mut Call::Recvmsg { fd, hdr: hdr.into(), flags });
        };
        hdr.name_len = usize::try_from(len).unwrap_or(0);
        hdr.control_len = 0;
        hdr.flags = flags & MSG_CMSG_CLOEXEC;
        Ok(received)
    }

    #[inline(always)]
    fn read(&self, fd: RawFd, into: &mut [u8]) -> Result<usize> {
        read(self.0, fd, into).result()
    }

    #[inline]
    fn write(&self, fd: RawFd, data: &[u8]) -> Result<usize> {
        write(self.0, fd, data).result()
    }

    fn readv(&self, fd: RawFd, iov: &mut [IoSliceMut<'_>]) -> Result<usize> {
        self.0.call(Call::Readv { fd, iov })
    }

    fn writev(&self, fd: RawFd, iov: &[IoSlice<'_>]) -> Result<usize> {
        self.0.call(Call::Writev { fd, iov })
    }

    fn fcntl(&self, fd: RawFd, command: i32, argument: i32) -> Result<i32> {
        self.0.call_number(Call::Fcntl { fd, command, argument })
    }

    fn ioctl(&self, fd: RawFd, request: u64, argument: &mut i32) -> Result<i32> {
        self.0.call_number(Call::Ioctl { fd, request, argument })
    }

    fn pipe2(&self, flags: i32) -> Result<[RawFd; 2]> {
        let mut out = [-1; 2];
        self.0.call_done(Call::Pipe2 { flags, out: &mut out })?;
        Ok(out)
    }

    fn dup(&self, fd: RawFd) -> Result<RawFd> {
        self.0.call_number(Call::Dup { fd })
    }

    fn dup3(&self, fd: RawFd, new: RawFd, flags: i32) -> Result<RawFd> {
        self.0.call_number(Call::Dup3 { fd, new, flags })
    }

    fn close(&self, fd: RawFd) -> Result<()> {
        let running = self.0.running()?;
        super::close(&running, fd)
    }

    fn poll(&self, fds: &mut [PollFd], timeout: i32) -> Result<usize> {
        self.0.call(Call::Poll { fds, timeout })
    }

    fn select(&self, nfds: i32, sets: [Option<&mut FdSet>; 3], timeout: Option<i64>) -> Result<usize> {
        self.0.call(Call::Select { nfds, sets, timeout })
    }

    fn epoll_create1(&self, flags: i32) -> Result<RawFd> {
        self.0.call_number(Call::EpollCreate1 { flags })
    }

    fn epoll_ctl(&self, epfd: RawFd, op: i32, fd: RawFd, event: Option<EpollEvent>) -> Result<()> {
        self.0.call_done(Call::EpollCtl { epfd, op, fd, event })
    }

    fn epoll_wait(&self, epfd: RawFd, events: &mut [EpollEvent], timeout: i32) -> Result<usize> {
        self.0.call(Call::EpollWait { epfd, events, timeout })
    }
}

/// What a call that carries data returns, as the kernel has it: an error is negated. It stands in one register, and so do all arguments of the calls below.
#[derive(Clone, Copy)]
struct Returned(isize);

impl Returned {
    /// Nothing yet: the thread waits. No error has such a number: the kernel's are up to 4095.
    const WAITS: Returned = Returned(-4096);

    #[inline(always)]
    fn waits(self) -> bool {
        self.0 == Returned::WAITS.0
    }

    #[inline(always)]
    fn of(result: Result<usize>) -> Returned {
        match result {
            Ok(bytes) => Returned(bytes.cast_signed()),
            Err(errno) => Returned::failed(errno),
        }
    }

    #[cold]
    fn failed(errno: Errno) -> Returned {
        Returned(isize::try_from(errno.raw()).map_or(isize::MIN, isize::wrapping_neg))
    }

    #[inline(always)]
    fn result(self) -> Result<usize> {
        usize::try_from(self.0).map_err(|_| self.errno())
    }

    #[cold]
    fn errno(self) -> Errno {
        Errno::from_raw(i32::try_from(self.0.wrapping_neg()).expect("the numbers of errors are small"))
    }
}

#[inline(never)]
fn send(net: Net, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    send_from(net, false, fd, data, flags)
}

#[inline(never)]
fn write(net: Net, fd: RawFd, data: &[u8]) -> Returned {
    send_from(net, true, fd, data, 0)
}

/// `send(2)`, or `write(2)`, by TCP's short way, as far as that goes.
#[inline(always)]
fn send_from(net: Net, as_file: bool, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    let running = match net.running() {
        Ok(running) => running,
        Err(errno) => return Returned::failed(errno),
    };
    let scheduler = match running.begin() {
        Ok(scheduler) => scheduler,
        Err(errno) => return Returned::failed(errno),
    };
    if !as_file && scheduler.uses_dgram(running.thread, fd) {
        drop(scheduler);
        return send_dgram(net, fd, data, flags);
    }
    let mut scheduler = match running.enter_with(scheduler) {
        Ok(scheduler) => scheduler,
        Err(errno) => return Returned::failed(errno),
    };
    let is_sent = scheduler.send_stream(running.thread, SendsBy::stream(as_file), fd, data, flags);
    match is_sent {
        true => Returned(data.len().cast_signed()),
        false if as_file => write_else(*running, scheduler, fd, data),
        false => send_else(*running, scheduler, fd, data, flags),
    }
}

/// A send that is none of TCP's easy ones.
#[inline(never)]
fn send_else(running: Running, scheduler: RefMut<'_, Scheduler>, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    Returned::of(sendto_from(running, scheduler, fd, data, flags, None))
}

/// `send(2)` on the datagram socket that the thread used last. What it is told fits into registers, so that it takes the place of its caller.
#[inline(never)]
fn send_dgram(net: Net, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    Returned::of(sendto_in(net, fd, data, flags, None))
}

/// The same of a write.
#[inline(never)]
fn write_else(running: Running, scheduler: RefMut<'_, Scheduler>, fd: RawFd, data: &[u8]) -> Returned {
    Returned::of(running.call(scheduler, &mut Call::Write { fd, data }))
}

#[inline(never)]
fn sendto(net: Net, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Returned {
    Returned::of(sendto_in(net, fd, data, flags, addr))
}

#[inline(always)]
fn sendto_in(net: Net, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Result<usize> {
    let running = net.running()?;
    let scheduler = running.enter_here(running.begin()?)?;
    sendto_from(*running, scheduler, fd, data, flags, addr)
}

/// A call that may wait is begun by one function and gone on with by another, and the switch between them is the caller's own: the processor predicts returns by
/// the calls before them, and mistakes that from a frame that was entered before a switch.
#[inline(always)]
fn recv(net: Net, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    let begun = recv_begun(net, fd, into, flags);
    if begun.waits() {
        coroutine::suspend();
        return recv_ended(net, fd, into, flags);
    }
    begun
}

/// The same of a `read(2)`.
#[inline(always)]
fn read(net: Net, fd: RawFd, into: &mut [u8]) -> Returned {
    let begun = read_begun(net, fd, into);
    if begun.waits() {
        coroutine::suspend();
        return read_ended(net, fd, into);
    }
    begun
}

#[inline(never)]
fn recv_begun(net: Net, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    recv_into(net, false, fd, into, flags)
}

#[inline(never)]
fn read_begun(net: Net, fd: RawFd, into: &mut [u8]) -> Returned {
    recv_into(net, true, fd, into, 0)
}

#[inline(never)]
fn recv_ended(net: Net, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    recv_after(net, false, fd, into, flags)
}

#[inline(never)]
fn read_ended(net: Net, fd: RawFd, into: &mut [u8]) -> Returned {
    recv_after(net, true, fd, into, 0)
}

/// `recv(2)`, or `read(2)`, by TCP's short way, as far as that goes, or until the thread is to be switched from.
#[inline(always)]
fn recv_into(net: Net, as_file: bool, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    let running = match net.running() {
        Ok(running) => running,
        Err(errno) => return Returned::failed(errno),
    };
    let mut scheduler = match running.begin() {
        Ok(scheduler) => scheduler,
        Err(errno) => return Returned::failed(errno),
    };
    if !as_file && scheduler.uses_dgram(running.thread, fd) {
        drop(scheduler);
        // Whoever listens is told by that, once the call is over.
        let _running = ManuallyDrop::new(running);
        return recv_dgram_begun(net, fd, into, flags);
    }
    let mut has_waited = false;
    if !scheduler.goes_on(running.thread) {
        let posted = Posted { as_file, fd, flags, room: u32::try_from(into.len()).unwrap_or(u32::MAX) };
        (scheduler, has_waited) = match running.enter_slowly_to_receive(scheduler, posted) {
            Ok(entered) => entered,
            Err(errno) => return Returned::failed(errno),
        };
    }
    if !has_waited {
        match scheduler.recv_stream(running.thread, as_file, fd, into, flags) {
            ShortRecv::Done(received) => return Returned(received.cast_signed()),
            ShortRecv::Waits => {
                running.leave(scheduler);
                // The call does not return now: nobody is told that it does.
                let _running = ManuallyDrop::new(running);
                return Returned::WAITS;
            }
            ShortRecv::Long if as_file => return read_else(*running, scheduler, fd, into),
            ShortRecv::Long => {
                let received = recv_else(*running, scheduler, fd, into, flags);
                if received.waits() {
                    let _running = ManuallyDrop::new(running);
                }
                return received;
            }
        }
    }
    match scheduler.take_received(running.thread, as_file, fd, into, flags) {
        Some(received) => Returned(received.cast_signed()),
        None => recv_on(*running, scheduler, as_file, fd, into, flags),
    }
}

/// The thread that has begun such a receive has been switched to again.
#[inline(always)]
fn recv_after(net: Net, as_file: bool, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    let running = net.running().expect("who has begun the call is switched to");
    let mut scheduler = running.come_back();
    if !as_file && scheduler.uses_dgram(running.thread, fd) {
        drop(scheduler);
        return recv_dgram_ended(net, fd, into, flags);
    }
    match scheduler.take_received(running.thread, as_file, fd, into, flags) {
        Some(received) => Returned(received.cast_signed()),
        None => recv_on(*running, scheduler, as_file, fd, into, flags),
    }
}

/// Goes on with a receive that has waited on the short way, and has not ended.
#[inline(never)]
fn recv_on(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    as_file: bool,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
) -> Returned {
    Returned::of(match scheduler.resume_recv_short(running.thread, fd, into) {
        Some(received) => Ok(received),
        None if as_file => running.go_on(scheduler, &mut Call::Read { fd, into }),
        None => running.go_on(scheduler, &mut Call::Recvfrom { fd, into, flags, name: None }),
    })
}

/// A receive that is none of TCP's easy ones: one on another socket than the last one, perhaps, which may be one of datagrams.
#[cold]
#[inline(never)]
fn recv_else(running: Running, scheduler: RefMut<'_, Scheduler>, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    begun_recvfrom(running, scheduler, fd, into, flags, &mut None)
}

/// `recv(2)` on the datagram socket that the thread used last, as [`send_dgram`].
#[inline(never)]
fn recv_dgram_begun(net: Net, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    begin_recvfrom(net, fd, into, flags, &mut None)
}

#[inline(never)]
fn recv_dgram_ended(net: Net, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    end_recvfrom(net, fd, into, flags, &mut None)
}

/// The same of a read.
#[cold]
#[inline(never)]
fn read_else(running: Running, scheduler: RefMut<'_, Scheduler>, fd: RawFd, into: &mut [u8]) -> Returned {
    Returned::of(running.call(scheduler, &mut Call::Read { fd, into }))
}

/// `recvfrom(2)`, in two parts as `recv(2)`.
#[inline(always)]
fn recvfrom(net: Net, fd: RawFd, into: &mut [u8], flags: i32, mut name: Option<Name<'_>>) -> Returned {
    let begun = recvfrom_begun(net, fd, into, flags, &mut name);
    if begun.waits() {
        coroutine::suspend();
        return recvfrom_ended(net, fd, into, flags, &mut name);
    }
    begun
}

#[inline(never)]
fn recvfrom_begun(net: Net, fd: RawFd, into: &mut [u8], flags: i32, name: &mut Option<Name<'_>>) -> Returned {
    begin_recvfrom(net, fd, into, flags, name)
}

#[inline(never)]
fn recvfrom_ended(net: Net, fd: RawFd, into: &mut [u8], flags: i32, name: &mut Option<Name<'_>>) -> Returned {
    end_recvfrom(net, fd, into, flags, name)
}

/// Begins a receive by UDP's short way, or makes it by the long way.
#[inline(always)]
fn begin_recvfrom(net: Net, fd: RawFd, into: &mut [u8], flags: i32, name: &mut Option<Name<'_>>) -> Returned {
    let running = match net.running() {
        Ok(running) => running,
        Err(errno) => return Returned::failed(errno),
    };
    let scheduler = match running.begin() {
        Ok(scheduler) => scheduler,
        Err(errno) => return Returned::failed(errno),
    };
    let scheduler = match running.enter_here(scheduler) {
        Ok(scheduler) => scheduler,
        Err(errno) => return Returned::failed(errno),
    };
    let received = begun_recvfrom(*running, scheduler, fd, into, flags, name);
    if received.waits() {
        // The call does not return now: nobody is told that it does.
        let _running = ManuallyDrop::new(running);
    }
    received
}

/// The same at its turn.
#[inline(always)]
fn begun_recvfrom(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    name: &mut Option<Name<'_>>,
) -> Returned {
    match scheduler.recv_dgram_short(running.thread, fd, into, (flags, asked(name))) {
        ShortRecv::Done(received) => Returned(received.cast_signed()),
        ShortRecv::Waits => {
            running.leave(scheduler);
            Returned::WAITS
        }
        ShortRecv::Long => recvfrom_long(running, scheduler, fd, into, flags, name),
    }
}

/// The thread that has begun such a receive has been switched to again.
#[inline(always)]
fn end_recvfrom(net: Net, fd: RawFd, into: &mut [u8], flags: i32, name: &mut Option<Name<'_>>) -> Returned {
    let running = net.running().expect("who has begun the call is switched to");
    let mut scheduler = running.come_back();
    match scheduler.take_datagram(running.thread, fd, into, (flags, asked(name))) {
        Some(received) => Returned(received.cast_signed()),
        None => recvfrom_on(*running, scheduler, fd, into, flags, name),
    }
}

/// `sendto(2)` by UDP's short way, or by the long way.
#[inline(always)]
fn sendto_from(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    data: &[u8],
    flags: i32,
    addr: Option<&[u8]>,
) -> Result<usize> {
    if scheduler.send_dgram_short(running.thread, SendsBy::Sendto, fd, data, (flags, addr)) {
        return Ok(data.len());
    }
    running.call(scheduler, &mut Call::Sendto { fd, data, flags, addr })
}

/// Goes on with a `recvfrom(2)` that has waited on the short way, and has not ended.
#[inline(never)]
fn recvfrom_on(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    name: &mut Option<Name<'_>>,
) -> Returned {
    Returned::of(match scheduler.resume_dgram_short(running.thread, fd, into, asked(name)) {
        Some(received) => Ok(received),
        None => running.go_on(scheduler, &mut Call::Recvfrom { fd, into, flags, name: again(name) }),
    })
}

/// A `recvfrom(2)` that is none of the easy ones.
#[cold]
#[inline(never)]
fn recvfrom_long(
    running: Running,
    scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    name: &mut Option<Name<'_>>,
) -> Returned {
    Returned::of(running.call(scheduler, &mut Call::Recvfrom { fd, into, flags, name: again(name) }))
}

/// The same place for a name, for a call to be told of.
fn again<'a>(name: &'a mut Option<Name<'_>>) -> Option<Name<'a>> {
    name.as_mut().map(|name| Name { bytes: &mut *name.bytes, len: &mut *name.len })
}

/// What `recvfrom(2)` tells.
#[inline]
fn asked<'a, 'b>(name: &'a mut Option<Name<'b>>) -> Asked<'a, 'b> {
    name.as_mut().map_or(Asked::Nothing, Asked::Sender)
}

impl SocketApi for Plain {
    type Socket = super::NetSocket;
    type Calls = Plain;

    fn calls(&self, _vouch: Vouch<Plain>) -> &Plain {
        self
    }

    fn fileno(&self, socket: &Self::Socket) -> RawFd {
        self.0.fileno(socket)
    }

    fn adopt(&self, fd: RawFd, _vouch: Vouch<Plain>) -> Self::Socket {
        super::NetSocket { net: self.0, fd }
    }

    fn release(&self, socket: Self::Socket) -> RawFd {
        self.0.release(socket)
    }

    fn getaddrinfo(&self, node: &str, port: u16) -> io::Result<Vec<std::net::SocketAddr>> {
        self.0.getaddrinfo(node, port)
    }
}

impl Clock for Plain {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn wall(&self) -> SystemTime {
        self.0.wall()
    }

    fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_returns_is_the_same_on_the_other_side() {
        for bytes in [0, 1, 4096, isize::MAX.unsigned_abs()] {
            assert_eq!(Returned::of(Ok(bytes)).result(), Ok(bytes));
        }
        for errno in (1..=4095).map(Errno::from_raw) {
            assert_eq!(Returned::of(Err(errno)).result(), Err(errno));
            assert!(!Returned::of(Err(errno)).waits());
        }
    }
}
