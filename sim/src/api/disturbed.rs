//! The system calls of a process: as they are, or with the faults that its host is to have; of which somebody wants to know in full, or nobody.
//!
//! How a fault happens is said in one place for both worlds, [`FaultyCalls`]; here is who decides: the choices of the run.

use super::Net;
use super::plain::Plain;
use crate::process::current;
use crate::process::faults::Mark;
use std::io::{IoSlice, IoSliceMut};
use twinsock::Result;
use twinsock::faulty::{Call, Decision, FaultyCalls, Source};
use twinsock::raw::{EpollEvent, FdSet, Name, PollFd, RawFd, RecvHdr, SendHdr, Syscalls};

/// The choices of the run decide on the faults of this process's calls.
struct ByChoice(Net);

impl Source for ByChoice {
    type Turn<'a> = ();
    type Mark = Mark;

    fn begin(&self, call: Call, fd: Option<RawFd>, _len: impl FnOnce() -> Option<usize>) -> ((), Option<Decision<Mark>>) {
        let drawn = match self.0.running() {
            Ok(running) if !std::thread::panicking() => {
                running.shared.scheduler.borrow_mut().draw_call_fault(running.thread, call, fd)
            }
            Ok(_) | Err(_) => None,
        };
        ((), drawn)
    }

    fn claim(&self, decision: &Decision<Mark>, len: Option<usize>) -> bool {
        let Ok(running) = self.0.running() else { return false };
        // It happens at the thread's turn, as the call would have.
        running.enter().is_ok_and(|mut scheduler| scheduler.claim_call_fault(running.thread, decision, len))
    }

    /// The boring answer is the most bytes, and the last of several.
    fn below(&self, decision: &Decision<Mark>, n: u64) -> u64 {
        let drawn = self.0.running().map_or(0, |running| running.shared.scheduler.borrow_mut().draw_of_fault(&decision.mark, n));
        n - 1 - drawn
    }

    fn registered(&self, epfd: RawFd) -> Vec<(RawFd, EpollEvent)> {
        self.0.running().map_or_else(
            |_| Vec::new(),
            |running| {
                let scheduler = running.shared.scheduler.borrow();
                let process = scheduler.process(scheduler.process_of(running.thread));
                scheduler.world().host(process.host).epoll_registered(process.pid, epfd)
            },
        )
    }
}

impl Net {
    #[cold]
    fn disturbed(self) -> FaultyCalls<Plain, ByChoice> {
        FaultyCalls::new(Plain { net: self, is_attended: true }, ByChoice(self))
    }
}

/// Each call of a process: one look at whether there is anything but the call itself, in any simulation of the program.
macro_rules! calls {
    ($(fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $result:ty;)*) => {
        impl Syscalls for Net {
            $(#[inline(always)]
            fn $name(&self $(, $arg: $type)*) -> $result {
                let is_minded = current::is_any_minded();
                if is_minded && current::is_disturbed(self.owner) {
                    return self.disturbed().$name($($arg),*);
                }
                Plain { net: *self, is_attended: is_minded }.$name($($arg),*)
            })*
        }
    };
}

calls! {
    fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd>;
    fn socketpair(&self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2]>;
    fn bind(&self, fd: RawFd, addr: &[u8]) -> Result<()>;
    fn listen(&self, fd: RawFd, backlog: i32) -> Result<()>;
    fn accept4(&self, fd: RawFd, name: Option<Name<'_>>, flags: i32) -> Result<RawFd>;
    fn connect(&self, fd: RawFd, addr: &[u8]) -> Result<()>;
    fn shutdown(&self, fd: RawFd, how: i32) -> Result<()>;
    fn getsockname(&self, fd: RawFd, name: Name<'_>) -> Result<()>;
    fn getpeername(&self, fd: RawFd, name: Name<'_>) -> Result<()>;
    fn getsockopt(&self, fd: RawFd, level: i32, name: i32, value: &mut [u8], len: &mut i32) -> Result<()>;
    fn setsockopt(&self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<()>;
    fn send(&self, fd: RawFd, data: &[u8], flags: i32) -> Result<usize>;
    fn sendto(&self, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Result<usize>;
    fn sendmsg(&self, fd: RawFd, hdr: &SendHdr<'_>, flags: i32) -> Result<usize>;
    fn recv(&self, fd: RawFd, into: &mut [u8], flags: i32) -> Result<usize>;
    fn recvfrom(&self, fd: RawFd, into: &mut [u8], flags: i32, name: Option<Name<'_>>) -> Result<usize>;
    fn recvmsg(&self, fd: RawFd, hdr: &mut RecvHdr<'_, '_>, flags: i32) -> Result<usize>;
    fn read(&self, fd: RawFd, into: &mut [u8]) -> Result<usize>;
    fn write(&self, fd: RawFd, data: &[u8]) -> Result<usize>;
    fn readv(&self, fd: RawFd, iov: &mut [IoSliceMut<'_>]) -> Result<usize>;
    fn writev(&self, fd: RawFd, iov: &[IoSlice<'_>]) -> Result<usize>;
    fn fcntl(&self, fd: RawFd, command: i32, argument: i32) -> Result<i32>;
    fn ioctl(&self, fd: RawFd, request: u64, argument: &mut i32) -> Result<i32>;
    fn pipe2(&self, flags: i32) -> Result<[RawFd; 2]>;
    fn dup(&self, fd: RawFd) -> Result<RawFd>;
    fn dup3(&self, fd: RawFd, new: RawFd, flags: i32) -> Result<RawFd>;
    fn close(&self, fd: RawFd) -> Result<()>;
    fn poll(&self, fds: &mut [PollFd], timeout: i32) -> Result<usize>;
    fn select(&self, nfds: i32, sets: [Option<&mut FdSet>; 3], timeout: Option<i64>) -> Result<usize>;
    fn epoll_create1(&self, flags: i32) -> Result<RawFd>;
    fn epoll_ctl(&self, epfd: RawFd, op: i32, fd: RawFd, event: Option<EpollEvent>) -> Result<()>;
    fn epoll_wait(&self, epfd: RawFd, events: &mut [EpollEvent], timeout: i32) -> Result<usize>;
}
