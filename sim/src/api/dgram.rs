//! `sendto(2)` and `recvfrom(2)`, which are tried by a datagram's short way first, and may wait; and what `send(2)` and `recv(2)` do on such a socket.
//!
//! Each is there twice, as those of [`transfer.rs`](super::transfer).

use super::Net;
use super::parts::{Returned, ended, in_parts, switched_to};
use crate::host::{Asked, Call};
use crate::process::current::{Calling, Entry, Running};
use crate::process::scheduler::{Back, Scheduler, SendsBy, ShortRecv};
use std::cell::RefMut;
use twinsock::Result;
use twinsock::raw::{Name, RawFd};

/// `send(2)` on the datagram socket that the thread used last, at its turn. What it is told fits into registers, so that it takes the place of its caller.
#[inline(never)]
pub(super) fn send_dgram_now<const ATTENDED: bool>(calling: Calling, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    sendto_now::<ATTENDED>(*calling, calling.shared.scheduler.borrow_mut(), fd, data, flags, None)
}

#[inline(never)]
pub(super) fn send_dgram_at_turn<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    go_on_sendto::<ATTENDED>(net, fd, data, flags, None)
}

#[inline(always)]
pub(super) fn sendto((net, is_attended): (Net, bool), fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Returned {
    let begun = match is_attended {
        true => sendto_attended(net, false, fd, data, flags, addr),
        false => sendto_begun::<false>(net, fd, data, flags, addr),
    };
    in_parts(begun, |begun| match begun {
        Returned::WAITS_AT_DGRAM => sendto_at_turn::<false>(net, fd, data, flags, addr),
        _ => sendto_attended(net, true, fd, data, flags, addr),
    })
}

#[cold]
#[inline(never)]
fn sendto_attended(net: Net, is_begun: bool, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Returned {
    let returned = match is_begun {
        true => sendto_at_turn::<true>(net, fd, data, flags, addr),
        false => sendto_begun::<true>(net, fd, data, flags, addr),
    };
    returned.attended()
}

#[inline(never)]
fn sendto_begun<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Returned {
    begin_sendto::<ATTENDED>(net, fd, data, flags, addr).unwrap_or_else(Returned::failed)
}

#[inline(always)]
fn begin_sendto<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Result<Returned> {
    let calling = net.running()?;
    let running = *calling;
    let scheduler = running.begin()?;
    Ok(match running.enter_or_leave(scheduler, |_| Returned::WAITS_AT_DGRAM)? {
        Entry::Acts(scheduler) => sendto_now::<ATTENDED>(running, scheduler, fd, data, flags, addr),
        Entry::Leaves(waits) => ended(waits, calling),
    })
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

/// `sendto(2)` by UDP's short way, or by the long way.
#[inline(always)]
pub(super) fn sendto_now<const ATTENDED: bool>(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    data: &[u8],
    flags: i32,
    addr: Option<&[u8]>,
) -> Returned {
    if scheduler.send_dgram_short::<ATTENDED>(running.thread, SendsBy::Sendto, fd, data, (flags, addr)) {
        return Returned::bytes(data.len());
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

/// `recv(2)` on the datagram socket that the thread used last, as [`send_dgram_now`].
#[inline(never)]
pub(super) fn recv_dgram_now<const ATTENDED: bool>(calling: Calling, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    let running = *calling;
    ended(recvfrom_now::<ATTENDED>(running, running.shared.scheduler.borrow_mut(), fd, into, flags, &mut None), calling)
}

#[inline(never)]
pub(super) fn recv_dgram_on<const ATTENDED: bool>(net: Net, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    go_on_recvfrom::<ATTENDED>(net, fd, into, flags, &mut None)
}

#[inline(always)]
pub(super) fn recvfrom(
    (net, is_attended): (Net, bool),
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    mut name: Option<Name<'_>>,
) -> Returned {
    let begun = match is_attended {
        true => recvfrom_attended(net, false, fd, into, flags, &mut name),
        false => recvfrom_begun::<false>(net, fd, into, flags, &mut name),
    };
    in_parts(begun, |begun| match begun {
        Returned::WAITS_AT_DGRAM => recvfrom_on::<false>(net, fd, into, flags, &mut name),
        _ => recvfrom_attended(net, true, fd, into, flags, &mut name),
    })
}

#[cold]
#[inline(never)]
fn recvfrom_attended(net: Net, is_begun: bool, fd: RawFd, into: &mut [u8], flags: i32, name: &mut Option<Name<'_>>) -> Returned {
    let returned = match is_begun {
        true => recvfrom_on::<true>(net, fd, into, flags, name),
        false => recvfrom_begun::<true>(net, fd, into, flags, name),
    };
    returned.attended()
}

#[inline(never)]
fn recvfrom_begun<const ATTENDED: bool>(
    net: Net,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    name: &mut Option<Name<'_>>,
) -> Returned {
    begin_recvfrom::<ATTENDED>(net, fd, into, flags, name).unwrap_or_else(Returned::failed)
}

#[inline(always)]
fn begin_recvfrom<const ATTENDED: bool>(
    net: Net,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    name: &mut Option<Name<'_>>,
) -> Result<Returned> {
    let calling = net.running()?;
    let running = *calling;
    let scheduler = running.begin()?;
    Ok(match running.enter_or_leave(scheduler, |_| Returned::WAITS_AT_DGRAM)? {
        Entry::Acts(scheduler) => ended(recvfrom_now::<ATTENDED>(running, scheduler, fd, into, flags, name), calling),
        Entry::Leaves(waits) => ended(waits, calling),
    })
}

#[inline(never)]
fn recvfrom_on<const ATTENDED: bool>(net: Net, fd: RawFd, into: &mut [u8], flags: i32, name: &mut Option<Name<'_>>) -> Returned {
    go_on_recvfrom::<ATTENDED>(net, fd, into, flags, name)
}

/// A receive by UDP's short way, or by the long way.
#[inline(always)]
pub(super) fn recvfrom_now<const ATTENDED: bool>(
    running: Running,
    mut scheduler: RefMut<'_, Scheduler>,
    fd: RawFd,
    into: &mut [u8],
    flags: i32,
    name: &mut Option<Name<'_>>,
) -> Returned {
    match scheduler.recv_dgram_short::<ATTENDED>(running.thread, fd, into, (flags, asked(name))) {
        ShortRecv::Done(received) => Returned::bytes(received),
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
            Returned::bytes(received)
        }
        Back::HasTurn => recvfrom_now::<ATTENDED>(running, scheduler, fd, into, flags, name),
        Back::Woken => recvfrom_otherwise(running, scheduler, fd, into, flags, name),
    }
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
        Some(received) => Returned::bytes(received),
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
