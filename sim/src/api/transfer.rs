//! `send(2)`, `recv(2)` and what is like them: the calls that carry data, which are tried by a short way first, and may wait.
//!
//! A receive that may wait is begun by one function and gone on with by another, and the switch between them is its caller's own.

use super::Net;
use crate::host::{Asked, Call};
use crate::process::coroutine;
use crate::process::current::Running;
use crate::process::scheduler::{Posted, Scheduler, SendsBy, ShortRecv};
use crate::seldom::unlikely;
use std::cell::RefMut;
use std::mem::ManuallyDrop;
use twinsock::raw::{Name, RawFd};
use twinsock::{Errno, Result};

/// What a call that may wait returns, as the kernel has it: an error is negated. It stands in one register, and so do all arguments of the calls below.
#[derive(Clone, Copy)]
pub(super) struct Returned(isize);

impl Returned {
    /// Nothing yet: the thread waits. No error has such a number: the kernel's are up to 4095.
    const WAITS: Returned = Returned(-4096);

    #[inline(always)]
    pub(super) fn waits(self) -> bool {
        self.0 == Returned::WAITS.0
    }

    /// Of a call that has begun: `None` if its thread waits.
    #[inline(always)]
    pub(super) fn begun(result: Result<Option<usize>>) -> Returned {
        result.transpose().map_or(Returned::WAITS, Returned::of)
    }

    #[inline(always)]
    pub(super) fn of(result: Result<usize>) -> Returned {
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
    pub(super) fn result(self) -> Result<usize> {
        usize::try_from(self.0).map_err(|_| self.errno())
    }

    #[cold]
    fn errno(self) -> Errno {
        Errno::from_raw(i32::try_from(self.0.wrapping_neg()).expect("the numbers of errors are small"))
    }
}

#[inline(never)]
pub(super) fn send(net: Net, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    send_from(net, false, fd, data, flags)
}

#[inline(never)]
pub(super) fn write(net: Net, fd: RawFd, data: &[u8]) -> Returned {
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
    if unlikely(!as_file && scheduler.uses_dgram(running.thread, fd)) {
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
pub(super) fn sendto(net: Net, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Returned {
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
pub(super) fn recv(net: Net, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    let begun = recv_begun(net, fd, into, flags);
    if begun.waits() {
        coroutine::suspend();
        return recv_ended(net, fd, into, flags);
    }
    begun
}

/// The same of a `read(2)`.
#[inline(always)]
pub(super) fn read(net: Net, fd: RawFd, into: &mut [u8]) -> Returned {
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
    if unlikely(!as_file && scheduler.uses_dgram(running.thread, fd)) {
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

/// The same of a read.
#[cold]
#[inline(never)]
fn read_else(running: Running, scheduler: RefMut<'_, Scheduler>, fd: RawFd, into: &mut [u8]) -> Returned {
    Returned::of(running.call(scheduler, &mut Call::Read { fd, into }))
}

/// `recvfrom(2)`, in two parts as `recv(2)`.
#[inline(always)]
pub(super) fn recvfrom(net: Net, fd: RawFd, into: &mut [u8], flags: i32, mut name: Option<Name<'_>>) -> Returned {
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
pub(super) fn again<'a>(name: &'a mut Option<Name<'_>>) -> Option<Name<'a>> {
    name.as_mut().map(|name| Name { bytes: &mut *name.bytes, len: &mut *name.len })
}

/// What `recvfrom(2)` tells.
#[inline]
fn asked<'a, 'b>(name: &'a mut Option<Name<'b>>) -> Asked<'a, 'b> {
    name.as_mut().map_or(Asked::Nothing, Asked::Sender)
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
