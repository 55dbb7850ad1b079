//! `connect(2)` and `accept(2)`, which wait for the other end: calls in parts, as those of [`transfer.rs`](super::transfer).

use super::Net;
use super::transfer::{Returned, again, ended, in_parts, return_at_turn, switched_to};
use crate::host::Call;
use crate::process::current::Running;
use crate::process::scheduler::{Opening, Scheduler};
use std::cell::RefMut;
use twinsock::Result;
use twinsock::raw::{Name, RawFd};

#[inline(always)]
pub(super) fn connect(net: Net, fd: RawFd, addr: &[u8]) -> Returned {
    in_parts(connect_begun(net, fd, addr), |_| connect_ended(net, fd, addr))
}

#[inline(always)]
pub(super) fn accept4(net: Net, fd: RawFd, mut name: Option<Name<'_>>, flags: i32) -> Returned {
    in_parts(accept_begun(net, fd, &mut name, flags), |_| accept_ended(net, fd, &mut name, flags))
}

#[inline(never)]
fn connect_begun(net: Net, fd: RawFd, addr: &[u8]) -> Returned {
    begin_connect(net, fd, addr).unwrap_or_else(Returned::failed)
}

#[inline(never)]
fn connect_ended(net: Net, fd: RawFd, addr: &[u8]) -> Returned {
    let calling = switched_to(net);
    let running = *calling;
    let mut scheduler = running.come_back();
    if let Some(number) = scheduler.take_number(running.thread) {
        return Returned::of(Ok(number));
    }
    match scheduler.resume_opening(running.thread, None) {
        Some(result) => ended(at_turn(running, scheduler, result), calling),
        None => Returned::of(running.go_on(scheduler, &mut Call::Connect { fd, addr })),
    }
}

#[inline(never)]
fn accept_begun(net: Net, fd: RawFd, name: &mut Option<Name<'_>>, flags: i32) -> Returned {
    begin_accept(net, fd, name, flags).unwrap_or_else(Returned::failed)
}

#[inline(never)]
fn accept_ended(net: Net, fd: RawFd, name: &mut Option<Name<'_>>, flags: i32) -> Returned {
    let calling = switched_to(net);
    let running = *calling;
    let mut scheduler = running.come_back();
    if let Some(number) = scheduler.take_number(running.thread) {
        return Returned::of(Ok(number));
    }
    match scheduler.resume_opening(running.thread, name.as_mut()) {
        Some(result) => ended(at_turn(running, scheduler, result), calling),
        None => Returned::of(running.go_on(scheduler, &mut Call::Accept4 { fd, name: again(name), flags })),
    }
}

/// Such a call is over, and returns at its turn.
#[inline(always)]
fn at_turn(running: Running, scheduler: RefMut<'_, Scheduler>, result: Result<usize>) -> Returned {
    match result {
        Ok(number) => return_at_turn(running, scheduler, number, Returned::WAITS),
        Err(_) => {
            running.return_at_turn(scheduler);
            Returned::of(result)
        }
    }
}

#[inline(always)]
fn begin_connect(net: Net, fd: RawFd, addr: &[u8]) -> Result<Returned> {
    let calling = net.running()?;
    let running = *calling;
    let mut scheduler = running.enter()?;
    let returned = match scheduler.connect_short(running.thread, fd, addr) {
        Opening::Done(result) => Returned::of(result),
        Opening::Waits => {
            running.leave(scheduler);
            Returned::WAITS
        }
        Opening::Long => Returned::of(running.call(scheduler, &mut Call::Connect { fd, addr })),
    };
    Ok(ended(returned, calling))
}

/// The same of `accept4(2)`.
#[inline(always)]
fn begin_accept(net: Net, fd: RawFd, name: &mut Option<Name<'_>>, flags: i32) -> Result<Returned> {
    let calling = net.running()?;
    let running = *calling;
    let mut scheduler = running.enter()?;
    let returned = match scheduler.accept_short(running.thread, fd, name.as_mut(), flags) {
        Opening::Done(result) => Returned::of(result),
        Opening::Waits => {
            running.leave(scheduler);
            Returned::WAITS
        }
        Opening::Long => Returned::of(running.call(scheduler, &mut Call::Accept4 { fd, name: again(name), flags })),
    };
    Ok(ended(returned, calling))
}
