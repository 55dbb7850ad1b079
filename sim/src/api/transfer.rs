//! `send(2)`, `recv(2)`, `write(2)` and `read(2)`: the calls that carry data, which are tried by a short way first, and may wait.
//!
//! Each is there twice: for runs of which somebody may want to know in full (`ATTENDED`), and for all others, whose usual way need not keep at hand what would be
//! to be told when the call is over, nor ask. Which one is made is asked once for every call, in [`disturbed.rs`](super::disturbed).

use super::Net;
use super::dgram::{recv_dgram_now, recv_dgram_on, recvfrom_now, send_dgram_at_turn, send_dgram_now, sendto_now};
use super::parts::{Returned, ended, in_parts, switched_to};
use crate::host::Call;
use crate::process::current::{Entry, Running};
use crate::process::scheduler::{Back, Posted, Scheduler, SendsBy, ShortRecv};
use crate::seldom::unlikely;
use std::cell::RefMut;
use twinsock::Result;
use twinsock::raw::RawFd;

#[inline(always)]
pub(super) fn send((net, is_attended): (Net, bool), fd: RawFd, data: &[u8], flags: i32) -> Returned {
    let begun = if is_attended { send_attended(net, None, fd, data, flags) } else { send_begun::<false>(net, fd, data, flags) };
    in_parts(begun, |begun| match begun {
        Returned::WAITS => send_at_turn::<false>(net, fd, data, flags),
        Returned::WAITS_AT_DGRAM => send_dgram_at_turn::<false>(net, fd, data, flags),
        begun => send_attended(net, Some(begun), fd, data, flags),
    })
}

#[cold]
#[inline(never)]
fn send_attended(net: Net, begun: Option<Returned>, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    let returned = match begun {
        None => send_begun::<true>(net, fd, data, flags),
        Some(begun) if begun.is_attended_at_dgram() => send_dgram_at_turn::<true>(net, fd, data, flags),
        Some(_) => send_at_turn::<true>(net, fd, data, flags),
    };
    returned.attended()
}

#[inline(always)]
pub(super) fn write((net, is_attended): (Net, bool), fd: RawFd, data: &[u8]) -> Returned {
    let begun = if is_attended { write_attended(net, false, fd, data) } else { write_begun::<false>(net, fd, data) };
    in_parts(begun, |begun| match begun {
        Returned::WAITS => write_at_turn::<false>(net, fd, data),
        _ => write_attended(net, true, fd, data),
    })
}

#[cold]
#[inline(never)]
fn write_attended(net: Net, is_begun: bool, fd: RawFd, data: &[u8]) -> Returned {
    let returned = if is_begun { write_at_turn::<true>(net, fd, data) } else { write_begun::<true>(net, fd, data) };
    returned.attended()
}

#[inline(never)]
fn send_begun<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8], flags: i32) -> Returned {
    begin_send::<ATTENDED>(net, false, fd, data, flags).unwrap_or_else(Returned::failed)
}

#[inline(never)]
fn write_begun<const ATTENDED: bool>(net: Net, fd: RawFd, data: &[u8]) -> Returned {
    begin_send::<ATTENDED>(net, true, fd, data, 0).unwrap_or_else(Returned::failed)
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
fn begin_send<const ATTENDED: bool>(net: Net, as_file: bool, fd: RawFd, data: &[u8], flags: i32) -> Result<Returned> {
    let calling = net.running()?;
    let running = *calling;
    let scheduler = running.begin()?;
    let is_at_dgram = |scheduler: &Scheduler| unlikely(!as_file && scheduler.uses_dgram(running.thread, fd));
    let waits = |scheduler: &mut Scheduler| match !as_file && scheduler.uses_dgram(running.thread, fd) {
        true => Returned::WAITS_AT_DGRAM,
        false => Returned::WAITS,
    };
    Ok(match running.enter_or_leave(scheduler, waits)? {
        Entry::Acts(scheduler) if is_at_dgram(&scheduler) => {
            drop(scheduler);
            send_dgram_now::<ATTENDED>(calling, fd, data, flags)
        }
        Entry::Acts(scheduler) => send_now::<ATTENDED>(running, scheduler, as_file, fd, data, flags),
        Entry::Leaves(waits) => ended(waits, calling),
    })
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
        true => Returned::bytes(data.len()),
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

#[inline(always)]
pub(super) fn recv((net, is_attended): (Net, bool), fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    let begun = if is_attended { recv_attended(net, None, fd, into, flags) } else { recv_begun::<false>(net, fd, into, flags) };
    in_parts(begun, |begun| match begun {
        Returned::WAITS => recv_on::<false>(net, fd, into, flags),
        Returned::WAITS_AT_DGRAM => recv_dgram_on::<false>(net, fd, into, flags),
        begun => recv_attended(net, Some(begun), fd, into, flags),
    })
}

#[cold]
#[inline(never)]
fn recv_attended(net: Net, begun: Option<Returned>, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    let returned = match begun {
        None => recv_begun::<true>(net, fd, into, flags),
        Some(begun) if begun.is_attended_at_dgram() => recv_dgram_on::<true>(net, fd, into, flags),
        Some(_) => recv_on::<true>(net, fd, into, flags),
    };
    returned.attended()
}

/// The same of a `read(2)`.
#[inline(always)]
pub(super) fn read((net, is_attended): (Net, bool), fd: RawFd, into: &mut [u8]) -> Returned {
    let begun = if is_attended { read_attended(net, false, fd, into) } else { read_begun::<false>(net, fd, into) };
    in_parts(begun, |begun| match begun {
        Returned::WAITS => read_on::<false>(net, fd, into),
        _ => read_attended(net, true, fd, into),
    })
}

#[cold]
#[inline(never)]
fn read_attended(net: Net, is_begun: bool, fd: RawFd, into: &mut [u8]) -> Returned {
    let returned = if is_begun { read_on::<true>(net, fd, into) } else { read_begun::<true>(net, fd, into) };
    returned.attended()
}

#[inline(never)]
fn recv_begun<const ATTENDED: bool>(net: Net, fd: RawFd, into: &mut [u8], flags: i32) -> Returned {
    begin_recv::<ATTENDED>(net, false, fd, into, flags).unwrap_or_else(Returned::failed)
}

#[inline(never)]
fn read_begun<const ATTENDED: bool>(net: Net, fd: RawFd, into: &mut [u8]) -> Returned {
    begin_recv::<ATTENDED>(net, true, fd, into, 0).unwrap_or_else(Returned::failed)
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
fn begin_recv<const ATTENDED: bool>(net: Net, as_file: bool, fd: RawFd, into: &mut [u8], flags: i32) -> Result<Returned> {
    let calling = net.running()?;
    let running = *calling;
    let scheduler = running.begin()?;
    let is_at_dgram = |scheduler: &Scheduler| unlikely(!as_file && scheduler.uses_dgram(running.thread, fd));
    let waits = |scheduler: &mut Scheduler| {
        if is_at_dgram(scheduler) {
            return Returned::WAITS_AT_DGRAM;
        }
        let room = u32::try_from(into.len()).unwrap_or(u32::MAX);
        scheduler.post(running.thread, Posted { fd, flags, room });
        Returned::WAITS
    };
    Ok(match running.enter_or_leave(scheduler, waits)? {
        Entry::Acts(scheduler) if is_at_dgram(&scheduler) => {
            drop(scheduler);
            recv_dgram_now::<ATTENDED>(calling, fd, into, flags)
        }
        Entry::Acts(scheduler) => ended(recv_at_turn::<ATTENDED>(running, scheduler, as_file, fd, into, flags), calling),
        Entry::Leaves(waits) => ended(waits, calling),
    })
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
        ShortRecv::Done(received) => Returned::bytes(received),
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
            Returned::bytes(received)
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
        Some(received) => Returned::bytes(received),
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
