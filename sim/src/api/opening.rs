//! `connect(2)` and `accept(2)`, which wait for the other end: calls in parts, whose first is there twice, as those of [`transfer.rs`](super::transfer).

use super::Net;
use super::dgram::again;
use super::parts::{Returned, ended, in_parts, switched_to};
use crate::host::Call;
use crate::process::scheduler::Opening;
use twinsock::Result;
use twinsock::raw::{Name, RawFd};

#[inline(always)]
pub(super) fn connect((net, is_attended): (Net, bool), fd: RawFd, addr: &[u8]) -> Returned {
    let begun = if is_attended { connect_begun::<true>(net, fd, addr) } else { connect_begun::<false>(net, fd, addr) };
    in_parts(begun, |_| connect_ended(net, fd, addr))
}

#[inline(always)]
pub(super) fn accept4((net, is_attended): (Net, bool), fd: RawFd, mut name: Option<Name<'_>>, flags: i32) -> Returned {
    let begun = match is_attended {
        true => accept_begun::<true>(net, fd, &mut name, flags),
        false => accept_begun::<false>(net, fd, &mut name, flags),
    };
    in_parts(begun, |_| accept_ended(net, fd, &mut name, flags))
}

#[inline(never)]
fn connect_begun<const ATTENDED: bool>(net: Net, fd: RawFd, addr: &[u8]) -> Returned {
    begin_connect::<ATTENDED>(net, fd, addr).unwrap_or_else(Returned::failed)
}

#[inline(never)]
fn connect_ended(net: Net, fd: RawFd, addr: &[u8]) -> Returned {
    let calling = switched_to(net);
    let running = *calling;
    let mut scheduler = running.come_back();
    match scheduler.resume_opening(running.thread, None) {
        Some(result) => Returned::of(result),
        None => Returned::of(running.go_on(scheduler, &mut Call::Connect { fd, addr })),
    }
}

#[inline(never)]
fn accept_begun<const ATTENDED: bool>(net: Net, fd: RawFd, name: &mut Option<Name<'_>>, flags: i32) -> Returned {
    begin_accept::<ATTENDED>(net, fd, name, flags).unwrap_or_else(Returned::failed)
}

#[inline(never)]
fn accept_ended(net: Net, fd: RawFd, name: &mut Option<Name<'_>>, flags: i32) -> Returned {
    let calling = switched_to(net);
    let running = *calling;
    let mut scheduler = running.come_back();
    match scheduler.resume_opening(running.thread, name.as_mut()) {
        Some(result) => Returned::of(result),
        None => Returned::of(running.go_on(scheduler, &mut Call::Accept4 { fd, name: again(name), flags })),
    }
}

#[inline(always)]
fn begin_connect<const ATTENDED: bool>(net: Net, fd: RawFd, addr: &[u8]) -> Result<Returned> {
    let calling = net.running()?;
    let running = *calling;
    let mut scheduler = running.enter()?;
    let returned = match scheduler.connect_short::<ATTENDED>(running.thread, fd, addr) {
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
fn begin_accept<const ATTENDED: bool>(net: Net, fd: RawFd, name: &mut Option<Name<'_>>, flags: i32) -> Result<Returned> {
    let calling = net.running()?;
    let running = *calling;
    let mut scheduler = running.enter()?;
    let returned = match scheduler.accept_short::<ATTENDED>(running.thread, fd, name.as_mut(), flags) {
        Opening::Done(result) => Returned::of(result),
        Opening::Waits => {
            running.leave(scheduler);
            Returned::WAITS
        }
        Opening::Long => Returned::of(running.call(scheduler, &mut Call::Accept4 { fd, name: again(name), flags })),
    };
    Ok(ended(returned, calling))
}
