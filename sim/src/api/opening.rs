//! `connect(2)` and `accept(2)`, which wait for the other end: each is begun by one function and gone on with by another, and the switch between them is its
//! caller's own, as with the calls of [`transfer.rs`](super::transfer).

use super::Net;
use super::transfer::{Returned, again};
use crate::host::Call;
use crate::process::coroutine;
use crate::process::scheduler::Opening;
use std::mem::ManuallyDrop;
use twinsock::Result;
use twinsock::raw::{Name, RawFd};

#[inline(always)]
pub(super) fn connect(net: Net, fd: RawFd, addr: &[u8]) -> Returned {
    let begun = connect_begun(net, fd, addr);
    if begun.waits() {
        coroutine::suspend();
        return connect_ended(net, fd, addr);
    }
    begun
}

#[inline(always)]
pub(super) fn accept4(net: Net, fd: RawFd, mut name: Option<Name<'_>>, flags: i32) -> Returned {
    let begun = accept_begun(net, fd, &mut name, flags);
    if begun.waits() {
        coroutine::suspend();
        return accept_ended(net, fd, &mut name, flags);
    }
    begun
}

#[inline(never)]
fn connect_begun(net: Net, fd: RawFd, addr: &[u8]) -> Returned {
    Returned::begun(begin_connect(net, fd, addr))
}

#[inline(never)]
fn connect_ended(net: Net, fd: RawFd, addr: &[u8]) -> Returned {
    let running = net.running().expect("who has begun the call is switched to");
    let mut scheduler = running.come_back();
    match scheduler.resume_opening(running.thread, None) {
        Some(Ok(zero)) => Returned::of(Ok(zero)),
        Some(Err(errno)) => Returned::of(Err(errno)),
        None => Returned::of(running.go_on(scheduler, &mut Call::Connect { fd, addr })),
    }
}

#[inline(never)]
fn accept_begun(net: Net, fd: RawFd, name: &mut Option<Name<'_>>, flags: i32) -> Returned {
    Returned::begun(begin_accept(net, fd, name, flags))
}

#[inline(never)]
fn accept_ended(net: Net, fd: RawFd, name: &mut Option<Name<'_>>, flags: i32) -> Returned {
    let running = net.running().expect("who has begun the call is switched to");
    let mut scheduler = running.come_back();
    match scheduler.resume_opening(running.thread, name.as_mut()) {
        Some(Ok(accepted)) => Returned::of(Ok(accepted)),
        Some(Err(errno)) => Returned::of(Err(errno)),
        None => Returned::of(running.go_on(scheduler, &mut Call::Accept4 { fd, name: again(name), flags })),
    }
}

/// What the call returns; `None`: the thread waits.
#[inline(always)]
fn begin_connect(net: Net, fd: RawFd, addr: &[u8]) -> Result<Option<usize>> {
    let running = net.running()?;
    let mut scheduler = running.enter()?;
    match scheduler.connect_short(running.thread, fd, addr) {
        Opening::Done(result) => return result.map(Some),
        Opening::Waits => running.leave(scheduler),
        Opening::Long => return running.call(scheduler, &mut Call::Connect { fd, addr }).map(Some),
    }
    // The call does not return now: nobody is told that it does.
    let _running = ManuallyDrop::new(running);
    Ok(None)
}

/// The same of `accept4(2)`.
#[inline(always)]
fn begin_accept(net: Net, fd: RawFd, name: &mut Option<Name<'_>>, flags: i32) -> Result<Option<usize>> {
    let running = net.running()?;
    let mut scheduler = running.enter()?;
    match scheduler.accept_short(running.thread, fd, name.as_mut(), flags) {
        Opening::Done(result) => return result.map(Some),
        Opening::Waits => running.leave(scheduler),
        Opening::Long => return running.call(scheduler, &mut Call::Accept4 { fd, name: again(name), flags }).map(Some),
    }
    let _running = ManuallyDrop::new(running);
    Ok(None)
}
