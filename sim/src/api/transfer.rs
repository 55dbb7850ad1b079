//! `send(2)`, `recv(2)` and what is like them: the calls that carry data, which are tried by a short way first, and may wait.
//!
//! A call that may wait, be it for its turn, is begun by one function and gone on with by another, and the switch between them is its caller's own.
//!
//! Each is there twice: for runs of which somebody may want to know in full (`ATTENDED`), and for all others, which need not keep at hand what would be to be
//! told when the call is over, nor ask. Which one is made is asked once for every call, in [`disturbed.rs`](super::disturbed).

use super::Net;
use crate::host::{Asked, Call};
use crate::process::coroutine;
use crate::process::current::{Calling, Entry, Running};
use crate::process::scheduler::{Back, Posted, Scheduler, SendsBy, ShortRecv};
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
    pub(super) const WAITS: Returned = Returned(-4096);
    /// The same of a call on a datagram socket, which goes on in another function.
    const WAITS_AT_DGRAM: Returned = Returned(-4097);

    #[inline(always)]
    pub(super) fn waits(self) -> bool {
        self.0 <= Returned::WAITS.0
    }

    #[inline(always)]
    fn is_at_dgram(self) -> bool {
        self.0 == Returned::WAITS_AT_DGRAM.0
    }

    #[inline(always)]
    pub(super) fn of(result: Result<usize>) -> Returned {
        match result {
            Ok(bytes) => Returned(bytes.cast_signed()),
            Err(errno) => Returned::failed(errno),
        }
    }

    #[cold]
    pub(super) fn failed(errno: Errno) -> Returned {
        let number = isize::try_from(errno.raw()).expect("the numbers of errors are small");
        assert!((1..-Returned::WAITS.0).contains(&number), "no error says that the thread waits, or that none is");
        Returned(-number)
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

/// A call that may wait is begun by one function and gone on with by another, and the switch between them is the caller's own: the processor predicts returns by
/// the calls before them, and mistakes that from a frame that was entered before a switch. The other one may be wanted again: it is the thread's turn that has
/// come, and its receive waits.
#[inline(always)]
pub(super) fn in_parts(begun: Returned, mut go_on: impl FnMut(Returned) -> Returned) -> Returned {
    let mut returned = begun;
    while returned.waits() {
        coroutine::suspend();
        returned = go_on(returned);
    }
    returned
}

/// The thread that has left the first part of a call, in the next one.
#[inline(always)]
pub(super) fn switched_to(net: Net) -> Calling {
    net.running().expect("who has begun the call is switched to")
}

/// A part of a call is over, and so is the call, unless the thread waits: then nobody is told that it is.
#[inline(always)]
pub(super) fn ended(returned: Returned, calling: Calling) -> Returned {
    if returned.waits() {
        let _calling = ManuallyDrop::new(calling);
    }
    returned
}

#[inline(always)]
pub(super) fn send<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    in_parts(send_begun::<ATTENDED>(net, fd, data, flags), |begun| {
        if begun.is_at_dgram() {
            send_dgram_at_turn::<ATTENDED>(net, fd, data, flags)
        } else {
            send_at_turn::<ATTENDED>(net, fd, data, flags)
        }
    })
}

#[inline(always)]
pub(super) fn write<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8]) -> Returned {
    in_parts(write_begun::<ATTENDED>(net, fd, data), |_| write_at_turn::<ATTENDED>(net, fd, data))
}

#[inline(never)]
fn send_begun<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    begin_send::<ATTENDED>(net, false, fd, data, flags)
}

#[inline(never)]
fn write_begun<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8]) -> Returned {
    begin_send::<ATTENDED>(net, true, fd, data, 0)
}

#[inline(never)]
fn send_at_turn<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    let calling = switched_to(net);
    let running = *calling;
    send_now::<ATTENDED>(running, running.come_back(), false, fd, data, flags)
}

#[inline(never)]
fn write_at_turn<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8]) -> Returned {
    let calling = switched_to(net);
    let running = *calling;
    send_now::<ATTENDED>(running, running.come_back(), true, fd, data, 0)
}

/// `send(2)`, or `write(2)`, by TCP's short way, as far as that goes, or until the thread is to be switched from.
#[inline(always)]
fn begin_send<const ATTENDED: bool>(net: Net, as_file: bool, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    let calling = match net.running() {
        Ok(calling) => calling,
        Err(errno) => return Returned::failed(errno),
    };
    let running = *calling;
    let scheduler = match running.begin() {
        Ok(scheduler) => scheduler,
        Err(errno) => return Returned::failed(errno),
    };
    let is_at_dgram = |scheduler: &Scheduler| unlikely(!as_file && scheduler.uses_dgram(running.thread, fd));
    let waits = |scheduler: &mut Scheduler| match !as_file && scheduler.uses_dgram(running.thread, fd) {
        true => Returned::WAITS_AT_DGRAM,
        false => Returned::WAITS,
    };
    match running.enter_or_leave(scheduler, waits) {
        Ok(Entry::Acts(scheduler)) if is_at_dgram(&scheduler) => {
            drop(scheduler);
            send_dgram_now::<ATTENDED>(calling, fd, data, flags)
        }
        Ok(Entry::Acts(scheduler)) => send_now::<ATTENDED>(running, scheduler, as_file, fd, data, flags),
        Ok(Entry::Leaves(waits)) => ended(waits, calling),
        Err(errno) => Returned::failed(errno),
    }
}

/// The same at its turn.
#[inline(always)]
fn send_now<const ATTENDED: bool>(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    as_file: bool,
    fd: RawFd,
    data: &[u8],
    flags: i32,
) -> Returned {
    match scheduler.send_stream::<ATTENDED>(running.thread, SendsBy::stream(as_file), fd, data, flags) {
        true => Returned(data.len().cast_signed()),
        false if as_file => write_else(running, scheduler, fd, data),
        false => send_else::<ATTENDED>(running, scheduler, fd, data, flags),
    }
}

/// A send that is none of TCP's easy ones.
#[inline(never)]
fn send_else<const ATTENDED: bool>(
    running: Running,
    scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    data: &[u8],
    flags: i32,
) -> Returned {
    sendto_now::<ATTENDED>(running, scheduler, fd, data, flags, None)
}

/// The same of a write.
#[inline(never)]
fn write_else(running: Running, scheduler: RefMut<'_, Scheduler>, fd: RawFd, data: &[u8]) -> Returned {
    Returned::of(running.call(scheduler, &mut Call::Write { fd, data }))
}

/// `send(2)` on the datagram socket that the thread used last, at its turn. What it is told fits into registers, so that it takes the place of its caller.
#[inline(never)]
fn send_dgram_now<const ATTENDED: bool>(calling: Calling, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    sendto_now::<ATTENDED>(*calling, calling.shared.scheduler.borrow_mut(), fd, data, flags, None)
}

#[inline(never)]
fn send_dgram_at_turn<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    go_on_sendto::<ATTENDED>(net, fd, data, flags, None)
}

#[inline(always)]
pub(super) fn sendto<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Returned {
    in_parts(sendto_begun::<ATTENDED>(net, fd, data, flags, addr), |_| sendto_at_turn::<ATTENDED>(net, fd, data, flags, addr))
}

#[inline(never)]
fn sendto_begun<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Returned {
    let calling = match net.running() {
        Ok(calling) => calling,
        Err(errno) => return Returned::failed(errno),
    };
    let running = *calling;
    let scheduler = match running.begin() {
        Ok(scheduler) => scheduler,
        Err(errno) => return Returned::failed(errno),
    };
    match running.enter_or_leave(scheduler, |_| Returned::WAITS_AT_DGRAM) {
        Ok(Entry::Acts(scheduler)) => sendto_now::<ATTENDED>(running, scheduler, fd, data, flags, addr),
        Ok(Entry::Leaves(waits)) => ended(waits, calling),
        Err(errno) => Returned::failed(errno),
    }
}

#[inline(never)]
fn sendto_at_turn<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Returned {
    go_on_sendto::<ATTENDED>(net, fd, data, flags, addr)
}

/// The turn has come for which such a send has waited.
#[inline(always)]
fn go_on_sendto<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Returned {
    let calling = switched_to(net);
    let running = *calling;
    sendto_now::<ATTENDED>(running, running.come_back(), fd, data, flags, addr)
}

#[inline(always)]
pub(super) fn recv<const ATTENDED: bool>(net: Net, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    in_parts(recv_begun::<ATTENDED>(net, fd, into, flags), |begun| {
        if begun.is_at_dgram() {
            recv_dgram_on::<ATTENDED>(net, fd, into, flags)
        } else {
            recv_on::<ATTENDED>(net, fd, into, flags)
        }
    })
}

/// The same of a `read(2)`.
#[inline(always)]
pub(super) fn read<const ATTENDED: bool>(net: Net, fd: RawFd, into: &mut [u8]) -> Returned {
    in_parts(read_begun::<ATTENDED>(net, fd, into), |_| read_on::<ATTENDED>(net, fd, into))
}

#[inline(never)]
fn recv_begun<const ATTENDED: bool>(net: Net, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    begin_recv::<ATTENDED>(net, false, fd, into, flags)
}

#[inline(never)]
fn read_begun<const ATTENDED: bool>(net: Net, fd: RawFd, into: &mut [u8]) -> Returned {
    begin_recv::<ATTENDED>(net, true, fd, into, 0)
}

#[inline(never)]
fn recv_on<const ATTENDED: bool>(net: Net, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    go_on_recv::<ATTENDED>(net, false, fd, into, flags)
}

#[inline(never)]
fn read_on<const ATTENDED: bool>(net: Net, fd: RawFd, into: &mut [u8]) -> Returned {
    go_on_recv::<ATTENDED>(net, true, fd, into, 0)
}

/// `recv(2)`, or `read(2)`, by TCP's short way, as far as that goes, or until the thread is to be switched from.
#[inline(always)]
fn begin_recv<const ATTENDED: bool>(net: Net, as_file: bool, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    let calling = match net.running() {
        Ok(calling) => calling,
        Err(errno) => return Returned::failed(errno),
    };
    let running = *calling;
    let scheduler = match running.begin() {
        Ok(scheduler) => scheduler,
        Err(errno) => return Returned::failed(errno),
    };
    let is_at_dgram = |scheduler: &Scheduler| unlikely(!as_file && scheduler.uses_dgram(running.thread, fd));
    let waits = |scheduler: &mut Scheduler| {
        if is_at_dgram(scheduler) {
            return Returned::WAITS_AT_DGRAM;
        }
        let room = u32::try_from(into.len()).unwrap_or(u32::MAX);
        scheduler.post(running.thread, Posted { fd, flags, room });
        Returned::WAITS
    };
    match running.enter_or_leave(scheduler, waits) {
        Ok(Entry::Acts(scheduler)) if is_at_dgram(&scheduler) => {
            drop(scheduler);
            recv_dgram_now::<ATTENDED>(calling, fd, into, flags)
        }
        Ok(Entry::Acts(scheduler)) => ended(recv_at_turn::<ATTENDED>(running, scheduler, as_file, fd, into, flags), calling),
        Ok(Entry::Leaves(waits)) => ended(waits, calling),
        Err(errno) => Returned::failed(errno),
    }
}

/// The same at its turn.
#[inline(always)]
fn recv_at_turn<const ATTENDED: bool>(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    as_file: bool,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
) -> Returned {
    match scheduler.recv_stream::<ATTENDED>(running.thread, as_file, fd, into, flags) {
        ShortRecv::Done(received) => Returned(received.cast_signed()),
        ShortRecv::Waits => {
            running.leave(scheduler);
            Returned::WAITS
        }
        ShortRecv::Long if as_file => read_else(running, scheduler, fd, into),
        ShortRecv::Long => recv_else::<ATTENDED>(running, scheduler, fd, into, flags),
    }
}

/// The thread that has begun such a receive, or waits for its turn with it, has been switched to again.
#[inline(always)]
fn go_on_recv<const ATTENDED: bool>(net: Net, as_file: bool, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    let calling = switched_to(net);
    let running = *calling;
    let scheduler = running.come_back();
    ended(recv_on_now::<ATTENDED>(running, scheduler, as_file, fd, into, flags), calling)
}

#[inline(always)]
fn recv_on_now<const ATTENDED: bool>(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    as_file: bool,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
) -> Returned {
    match scheduler.why_back(running.thread) {
        Back::Ended(data) => {
            let received = scheduler.take_received::<ATTENDED>((running.thread, data), as_file, fd, into, flags);
            Returned(received.cast_signed())
        }
        Back::HasTurn => recv_at_turn::<ATTENDED>(running, scheduler, as_file, fd, into, flags),
        Back::Woken => recv_on_otherwise(running, scheduler, as_file, fd, into, flags),
    }
}

/// Goes on with a receive that has waited on the short way, and has not ended.
#[inline(never)]
fn recv_on_otherwise(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    as_file: bool,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
) -> Returned {
    match scheduler.resume_recv_short(running.thread, as_file, fd, into) {
        Some(received) => Returned(received.cast_signed()),
        None => recv_on_in_full(running, scheduler, as_file, fd, into, flags),
    }
}

/// The same of one that is not easy any more.
#[inline(never)]
fn recv_on_in_full(
    running: Running,
    scheduler: RefMut<'_, Scheduler>,
    as_file: bool,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
) -> Returned {
    Returned::of(match as_file {
        true => running.go_on(scheduler, &mut Call::Read { fd, into }),
        false => running.go_on(scheduler, &mut Call::Recvfrom { fd, into, flags, name: None }),
    })
}

/// A receive that is none of TCP's easy ones: one on another socket than the last one, perhaps, which may be one of datagrams.
#[cold]
#[inline(never)]
fn recv_else<const ATTENDED: bool>(
    running: Running,
    scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
) -> Returned {
    recvfrom_now::<ATTENDED>(running, scheduler, fd, into, flags, &mut None)
}

/// The same of a read.
#[cold]
#[inline(never)]
fn read_else(running: Running, scheduler: RefMut<'_, Scheduler>, fd: RawFd, into: &mut [u8]) -> Returned {
    Returned::of(running.call(scheduler, &mut Call::Read { fd, into }))
}

/// `recv(2)` on the datagram socket that the thread used last, as [`send_dgram_now`].
#[inline(never)]
fn recv_dgram_now<const ATTENDED: bool>(calling: Calling, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    let running = *calling;
    ended(recvfrom_now::<ATTENDED>(running, running.shared.scheduler.borrow_mut(), fd, into, flags, &mut None), calling)
}

#[inline(never)]
fn recv_dgram_on<const ATTENDED: bool>(net: Net, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    go_on_recvfrom::<ATTENDED>(net, fd, into, flags, &mut None)
}

#[inline(always)]
pub(super) fn recvfrom<const ATTENDED: bool>(
    net: Net,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    mut name: Option<Name<'_>>,
) -> Returned {
    in_parts(recvfrom_begun::<ATTENDED>(net, fd, into, flags, &mut name), |_| {
        recvfrom_on::<ATTENDED>(net, fd, into, flags, &mut name)
    })
}

#[inline(never)]
fn recvfrom_begun<const ATTENDED: bool>(
    net: Net,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    name: &mut Option<Name<'_>>,
) -> Returned {
    let calling = match net.running() {
        Ok(calling) => calling,
        Err(errno) => return Returned::failed(errno),
    };
    let running = *calling;
    let scheduler = match running.begin() {
        Ok(scheduler) => scheduler,
        Err(errno) => return Returned::failed(errno),
    };
    match running.enter_or_leave(scheduler, |_| Returned::WAITS_AT_DGRAM) {
        Ok(Entry::Acts(scheduler)) => ended(recvfrom_now::<ATTENDED>(running, scheduler, fd, into, flags, name), calling),
        Ok(Entry::Leaves(waits)) => ended(waits, calling),
        Err(errno) => Returned::failed(errno),
    }
}

#[inline(never)]
fn recvfrom_on<const ATTENDED: bool>(net: Net, fd: RawFd, into: &mut [u8], flags: i32, name: &mut Option<Name<'_>>) -> Returned {
    go_on_recvfrom::<ATTENDED>(net, fd, into, flags, name)
}

/// A receive by UDP's short way, or by the long way.
#[inline(always)]
fn recvfrom_now<const ATTENDED: bool>(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    name: &mut Option<Name<'_>>,
) -> Returned {
    match scheduler.recv_dgram_short::<ATTENDED>(running.thread, fd, into, (flags, asked(name))) {
        ShortRecv::Done(received) => Returned(received.cast_signed()),
        ShortRecv::Waits => {
            running.leave(scheduler);
            Returned::WAITS_AT_DGRAM
        }
        ShortRecv::Long => recvfrom_long(running, scheduler, fd, into, flags, name),
    }
}

/// The thread that has begun such a receive, or waits for its turn with it, has been switched to again.
#[inline(always)]
fn go_on_recvfrom<const ATTENDED: bool>(
    net: Net,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    name: &mut Option<Name<'_>>,
) -> Returned {
    let calling = switched_to(net);
    let running = *calling;
    let scheduler = running.come_back();
    ended(recvfrom_on_now::<ATTENDED>(running, scheduler, fd, into, flags, name), calling)
}

#[inline(always)]
fn recvfrom_on_now<const ATTENDED: bool>(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    name: &mut Option<Name<'_>>,
) -> Returned {
    match scheduler.why_back(running.thread) {
        Back::Ended(data) => {
            let received = scheduler.take_datagram::<ATTENDED>((running.thread, data), fd, into, (flags, asked(name)));
            Returned(received.cast_signed())
        }
        Back::HasTurn => recvfrom_now::<ATTENDED>(running, scheduler, fd, into, flags, name),
        Back::Woken => recvfrom_otherwise(running, scheduler, fd, into, flags, name),
    }
}

/// `sendto(2)` by UDP's short way, or by the long way.
#[inline(always)]
fn sendto_now<const ATTENDED: bool>(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    data: &[u8],
    flags: i32,
    addr: Option<&[u8]>,
) -> Returned {
    if scheduler.send_dgram_short::<ATTENDED>(running.thread, SendsBy::Sendto, fd, data, (flags, addr)) {
        return Returned(data.len().cast_signed());
    }
    sendto_long(running, scheduler, fd, data, flags, addr)
}

/// A `sendto(2)` that is none of the easy ones.
#[inline(never)]
fn sendto_long(
    running: Running,
    scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    data: &[u8],
    flags: i32,
    addr: Option<&[u8]>,
) -> Returned {
    Returned::of(running.call(scheduler, &mut Call::Sendto { fd, data, flags, addr }))
}

/// Goes on with a `recvfrom(2)` that has waited on the short way, and has not ended.
#[inline(never)]
fn recvfrom_otherwise(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    name: &mut Option<Name<'_>>,
) -> Returned {
    match scheduler.resume_dgram_short(running.thread, fd, into, asked(name)) {
        Some(received) => Returned(received.cast_signed()),
        None => Returned::of(running.go_on(scheduler, &mut Call::Recvfrom { fd, into, flags, name: again(name) })),
    }
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
