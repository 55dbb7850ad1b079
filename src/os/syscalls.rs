//! The kernel's calls by libc: one method, one call. All `unsafe` of this crate is in this file.
//!
//! Nothing is allocated, locked, retried or rounded. What makes each call safe to offer is that pointers come from Rust
//! references and lengths from the same slices; where a call could be talked into more (`ioctl`, `fcntl`, `select`, options whose
//! bytes hold addresses), the argument is checked first. Ownership of descriptor numbers is the caller's promise, see
//! [`Vouch`](crate::raw::Vouch).

use crate::consts as c;
use crate::errno::{Errno, Result};
use crate::poll;
use crate::raw::{EpollEvent, FD_SETSIZE, FdSet, Name, PollFd, RawFd, RecvHdr, SendHdr, Syscalls};
use libc::{c_int, msghdr, sockaddr, socklen_t, timespec, timeval};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{FromRawFd, OwnedFd};
use std::{mem, ptr, slice};

/// The kernel's system calls; reached by [`SocketApi::calls`](crate::SocketApi::calls) of [`Os`](crate::Os).
#[derive(Debug)]
pub struct OsCalls(());

/// The one value, of size 0: calls have no state.
pub(super) static CALLS: OsCalls = OsCalls(());

// What the pointer casts below rely on.
const _: () = {
    assert!(size_of::<PollFd>() == size_of::<libc::pollfd>(), "PollFd is a pollfd");
    assert!(align_of::<PollFd>() == align_of::<libc::pollfd>(), "PollFd is a pollfd");
    assert!(mem::offset_of!(PollFd, events) == mem::offset_of!(libc::pollfd, events), "PollFd is a pollfd");
    assert!(mem::offset_of!(PollFd, revents) == mem::offset_of!(libc::pollfd, revents), "PollFd is a pollfd");
    assert!(size_of::<FdSet>() == size_of::<libc::fd_set>(), "FdSet is as large as an fd_set");
    assert!(align_of::<FdSet>() >= align_of::<libc::fd_set>(), "FdSet is aligned for an fd_set");
    assert!(size_of::<EpollEvent>() >= size_of::<libc::epoll_event>(), "epoll events are unpacked in place");
    assert!(align_of::<EpollEvent>() >= align_of::<libc::epoll_event>(), "epoll events are unpacked in place");
    assert!(size_of::<i32>() == size_of::<socklen_t>(), "Name::len is a socklen_t");
};

#[cold]
fn last_errno() -> Errno {
    Errno::from_raw(io::Error::last_os_error().raw_os_error().unwrap_or_default())
}

/// The answer of a call that returns 0, a descriptor or a small number; -1 for an error.
#[inline]
fn number(answer: c_int) -> Result<c_int> {
    if answer < 0 { Err(last_errno()) } else { Ok(answer) }
}

/// The answer of a call that returns nothing but success.
#[inline]
fn success(answer: c_int) -> Result<()> {
    number(answer).map(drop)
}

/// The answer of a call that returns a count.
#[inline]
fn count<N>(answer: N) -> Result<usize>
where
    usize: TryFrom<N>,
{
    usize::try_from(answer).map_err(|_| last_errno())
}

/// A length as `socklen_t`; one that does not fit becomes one that the kernel rejects (-1 as an int: EINVAL).
#[inline]
fn socklen(len: usize) -> socklen_t {
    socklen_t::try_from(len).unwrap_or(socklen_t::MAX)
}

/// An integer in the C library's own type, which differs between C libraries.
#[inline]
fn fit<F, T: TryFrom<F>>(value: F) -> Result<T> {
    T::try_from(value).map_err(|_| Errno::INVAL)
}

/// The pointers of a value-result address argument; the kernel stores at most `*len` bytes, none if that is negative (EINVAL).
#[inline]
fn name_pointers(name: Name<'_>) -> Result<(*mut sockaddr, *mut socklen_t)> {
    if usize::try_from(*name.len).is_ok_and(|claimed| claimed > name.bytes.len()) {
        return Err(Errno::FAULT);
    }
    Ok((name.bytes.as_mut_ptr().cast(), ptr::from_mut(name.len).cast()))
}

#[inline]
fn optional_name_pointers(name: Option<Name<'_>>) -> Result<(*mut sockaddr, *mut socklen_t)> {
    name.map_or(Ok((ptr::null_mut(), ptr::null_mut())), name_pointers)
}

/// A null pointer for an empty slice, so that the kernel takes the argument as absent.
#[inline]
fn pointer_or_null(bytes: &mut [u8]) -> *mut u8 {
    if bytes.is_empty() { ptr::null_mut() } else { bytes.as_mut_ptr() }
}

#[inline]
fn empty_msghdr() -> msghdr {
    // SAFETY: a msghdr is pointers and integers; all zeros are null pointers and zeros.
    unsafe { mem::zeroed() }
}

/// Whether the bytes of this option hold user addresses that the kernel writes to; a slice cannot vouch for such an address.
///
/// They are `copybuf_address` of `TCP_ZEROCOPY_RECEIVE`, the arrays of `MPTCP_FULL_INFO`, and `counters` and `entries` of
/// netfilter's tables (`IPT_SO_SET_REPLACE`, `ARPT_SO_SET_REPLACE`, `EBT_SO_SET_ENTRIES` and its readers).
#[inline]
fn holds_address(level: i32, name: i32) -> bool {
    const SOL_MPTCP: i32 = 284;
    match level {
        c::SOL_TCP => name == c::TCP_ZEROCOPY_RECEIVE,
        c::SOL_IP => matches!(name, 64 | 96 | 128..=131),
        c::SOL_IPV6 => name == 64,
        SOL_MPTCP => name == 4,
        _ => false,
    }
}

/// Whether `fcntl(2)` takes an integer (or nothing) with this command.
#[inline]
fn takes_integer(command: i32) -> bool {
    matches!(
        command,
        libc::F_DUPFD
            | libc::F_DUPFD_CLOEXEC
            | libc::F_GETFD
            | libc::F_SETFD
            | libc::F_GETFL
            | libc::F_SETFL
            | libc::F_GETOWN
            | libc::F_SETOWN
            | libc::F_GETPIPE_SZ
            | libc::F_SETPIPE_SZ
    )
}

/// Whether `ioctl(2)` takes a pointer to an int (or nothing) with this request.
#[inline]
fn takes_int_pointer(request: u64) -> bool {
    /// Bytes not sent yet, `linux/sockios.h`.
    const SIOCOUTQNSD: i32 = 0x894B;
    const REQUESTS: [i32; 5] = [c::FIONREAD, c::FIONBIO, c::SIOCATMARK, c::TIOCOUTQ, SIOCOUTQNSD];
    REQUESTS.iter().any(|known| u64::from(known.cast_unsigned()) == request)
}

/// The words of an `fd_set` hold `unsigned long`s: on a 32-bit big-endian machine the halves of ours are swapped.
#[inline]
fn swap_halves(sets: &mut [Option<&mut FdSet>; 3]) {
    if cfg!(all(target_pointer_width = "32", target_endian = "big")) {
        for word in sets.iter_mut().flatten().flat_map(|set| set.words_mut()) {
            *word = word.rotate_left(32);
        }
    }
}

#[inline]
fn set_pointer(set: &mut Option<&mut FdSet>) -> *mut libc::fd_set {
    set.as_deref_mut().map_or(ptr::null_mut(), |set| set.words_mut().as_mut_ptr().cast())
}

impl Syscalls for OsCalls {
    #[inline]
    fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd> {
        // SAFETY: integers only.
        number(unsafe { libc::socket(domain, kind, protocol) })
    }

    #[inline]
    fn socketpair(&self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2]> {
        let mut pair = [-1; 2];
        // SAFETY: `pair` has room for the two ints that the call stores.
        success(unsafe { libc::socketpair(domain, kind, protocol, pair.as_mut_ptr()) })?;
        Ok(pair)
    }

    #[inline]
    fn bind(&self, fd: RawFd, addr: &[u8]) -> Result<()> {
        // SAFETY: the kernel reads `addr.len()` bytes of `addr` and keeps no pointer.
        success(unsafe { libc::bind(fd, addr.as_ptr().cast(), socklen(addr.len())) })
    }

    #[inline]
    fn listen(&self, fd: RawFd, backlog: i32) -> Result<()> {
        // SAFETY: integers only.
        success(unsafe { libc::listen(fd, backlog) })
    }

    #[inline]
    fn accept4(&self, fd: RawFd, name: Option<Name<'_>>, flags: i32) -> Result<RawFd> {
        let (addr, len) = optional_name_pointers(name)?;
        // SAFETY: both are null, or `addr` has room for the `*len` bytes it claims; `name_pointers` checked that.
        number(unsafe { libc::accept4(fd, addr, len, flags) })
    }

    #[inline]
    fn connect(&self, fd: RawFd, addr: &[u8]) -> Result<()> {
        // SAFETY: the kernel reads `addr.len()` bytes of `addr` and keeps no pointer.
        success(unsafe { libc::connect(fd, addr.as_ptr().cast(), socklen(addr.len())) })
    }

    #[inline]
    fn shutdown(&self, fd: RawFd, how: i32) -> Result<()> {
        // SAFETY: integers only.
        success(unsafe { libc::shutdown(fd, how) })
    }

    #[inline]
    fn getsockname(&self, fd: RawFd, name: Name<'_>) -> Result<()> {
        let (addr, len) = name_pointers(name)?;
        // SAFETY: `addr` has room for the `*len` bytes it claims; `name_pointers` checked that.
        success(unsafe { libc::getsockname(fd, addr, len) })
    }

    #[inline]
    fn getpeername(&self, fd: RawFd, name: Name<'_>) -> Result<()> {
        let (addr, len) = name_pointers(name)?;
        // SAFETY: `addr` has room for the `*len` bytes it claims; `name_pointers` checked that.
        success(unsafe { libc::getpeername(fd, addr, len) })
    }

    #[inline]
    fn getsockopt(&self, fd: RawFd, level: i32, name: i32, value: &mut [u8], len: &mut i32) -> Result<()> {
        if holds_address(level, name) {
            return Err(Errno::NOPROTOOPT);
        }
        // Kernels before 6.9 took a negative length for a huge one here and there; with a null pointer that is EFAULT.
        let pointer = match usize::try_from(*len) {
            Ok(claimed) if claimed > value.len() => return Err(Errno::FAULT),
            Ok(_) => value.as_mut_ptr(),
            Err(_) => ptr::null_mut(),
        };
        // SAFETY: `pointer` is null, or has room for the `*len` bytes it claims; the option holds no address (checked above).
        success(unsafe { libc::getsockopt(fd, level, name, pointer.cast(), ptr::from_mut(len).cast()) })
    }

    #[inline]
    fn setsockopt(&self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<()> {
        if holds_address(level, name) {
            return Err(Errno::NOPROTOOPT);
        }
        // SAFETY: the kernel reads `value.len()` bytes of `value`; they hold no address that it writes to (checked above).
        success(unsafe { libc::setsockopt(fd, level, name, value.as_ptr().cast(), socklen(value.len())) })
    }

    #[inline]
    fn send(&self, fd: RawFd, data: &[u8], flags: i32) -> Result<usize> {
        // SAFETY: the kernel reads `data.len()` bytes of `data`.
        count(unsafe { libc::send(fd, data.as_ptr().cast(), data.len(), flags) })
    }

    #[inline]
    fn sendto(&self, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Result<usize> {
        let (to, len) = addr.map_or((ptr::null(), 0), |addr| (addr.as_ptr(), socklen(addr.len())));
        // SAFETY: the kernel reads `data.len()` bytes of `data` and `len` bytes of `to`.
        count(unsafe { libc::sendto(fd, data.as_ptr().cast(), data.len(), flags, to.cast(), len) })
    }

    #[inline]
    fn sendmsg(&self, fd: RawFd, hdr: &SendHdr<'_>, flags: i32) -> Result<usize> {
        let mut msg = empty_msghdr();
        if let Some(name) = hdr.name {
            msg.msg_name = name.as_ptr().cast_mut().cast();
            msg.msg_namelen = socklen(name.len());
        }
        msg.msg_iov = hdr.iov.as_ptr().cast_mut().cast();
        msg.msg_iovlen = fit(hdr.iov.len())?;
        if !hdr.control.is_empty() {
            msg.msg_control = hdr.control.as_ptr().cast_mut().cast();
            msg.msg_controllen = fit(hdr.control.len())?;
        }
        // SAFETY: each pointer comes from a slice with its own length, and sendmsg(2) only reads; an IoSlice is an iovec.
        count(unsafe { libc::sendmsg(fd, &raw const msg, flags) })
    }

    #[inline]
    fn recv(&self, fd: RawFd, into: &mut [u8], flags: i32) -> Result<usize> {
        // SAFETY: `into` has room for `into.len()` bytes.
        count(unsafe { libc::recv(fd, into.as_mut_ptr().cast(), into.len(), flags) })
    }

    #[inline]
    fn recvfrom(&self, fd: RawFd, into: &mut [u8], flags: i32, name: Option<Name<'_>>) -> Result<usize> {
        let (addr, len) = optional_name_pointers(name)?;
        // SAFETY: `into` has room for its length; `addr` is null, or has room for the `*len` bytes it claims.
        count(unsafe { libc::recvfrom(fd, into.as_mut_ptr().cast(), into.len(), flags, addr, len) })
    }

    #[inline]
    fn recvmsg(&self, fd: RawFd, hdr: &mut RecvHdr<'_, '_>, flags: i32) -> Result<usize> {
        let mut msg = empty_msghdr();
        msg.msg_name = pointer_or_null(hdr.name).cast();
        msg.msg_namelen = socklen(hdr.name.len());
        msg.msg_iov = hdr.iov.as_mut_ptr().cast();
        msg.msg_iovlen = fit(hdr.iov.len())?;
        msg.msg_control = pointer_or_null(hdr.control).cast();
        msg.msg_controllen = fit(hdr.control.len())?;
        // SAFETY: each pointer is null or comes from a unique slice with its own length; an IoSliceMut is an iovec.
        let received = count(unsafe { libc::recvmsg(fd, &raw mut msg, flags) })?;
        hdr.name_len = fit(msg.msg_namelen)?;
        hdr.control_len = fit(msg.msg_controllen)?;
        hdr.flags = msg.msg_flags;
        Ok(received)
    }

    #[inline]
    fn read(&self, fd: RawFd, into: &mut [u8]) -> Result<usize> {
        // SAFETY: `into` has room for `into.len()` bytes.
        count(unsafe { libc::read(fd, into.as_mut_ptr().cast(), into.len()) })
    }

    #[inline]
    fn write(&self, fd: RawFd, data: &[u8]) -> Result<usize> {
        // SAFETY: the kernel reads `data.len()` bytes of `data`.
        count(unsafe { libc::write(fd, data.as_ptr().cast(), data.len()) })
    }

    #[inline]
    fn readv(&self, fd: RawFd, iov: &mut [IoSliceMut<'_>]) -> Result<usize> {
        // SAFETY: an IoSliceMut is an iovec with room for its length, and there are `iov.len()` of them.
        count(unsafe { libc::readv(fd, iov.as_mut_ptr().cast(), fit(iov.len())?) })
    }

    #[inline]
    fn writev(&self, fd: RawFd, iov: &[IoSlice<'_>]) -> Result<usize> {
        // SAFETY: an IoSlice is an iovec, and there are `iov.len()` of them; the kernel only reads.
        count(unsafe { libc::writev(fd, iov.as_ptr().cast(), fit(iov.len())?) })
    }

    #[inline]
    fn fcntl(&self, fd: RawFd, command: i32, argument: i32) -> Result<i32> {
        if !takes_integer(command) {
            return Err(Errno::INVAL);
        }
        // SAFETY: integers only: `takes_integer` leaves no command that takes `argument` for an address.
        number(unsafe { libc::fcntl(fd, command, argument) })
    }

    #[inline]
    fn ioctl(&self, fd: RawFd, request: u64, argument: &mut i32) -> Result<i32> {
        if !takes_int_pointer(request) {
            return Err(Errno::NOTTY);
        }
        // SAFETY: `takes_int_pointer` leaves only requests that read or store one int through the pointer.
        number(unsafe { libc::ioctl(fd, fit(request)?, ptr::from_mut(argument)) })
    }

    #[inline]
    fn pipe2(&self, flags: i32) -> Result<[RawFd; 2]> {
        let mut ends = [-1; 2];
        // SAFETY: `ends` has room for the two ints that the call stores.
        success(unsafe { libc::pipe2(ends.as_mut_ptr(), flags) })?;
        Ok(ends)
    }

    #[inline]
    fn dup(&self, fd: RawFd) -> Result<RawFd> {
        // SAFETY: integers only.
        number(unsafe { libc::dup(fd) })
    }

    #[inline]
    fn dup3(&self, fd: RawFd, new: RawFd, flags: i32) -> Result<RawFd> {
        // SAFETY: integers only; that `new` is the caller's to replace is what a Vouch promises.
        number(unsafe { libc::dup3(fd, new, flags) })
    }

    #[inline]
    fn close(&self, fd: RawFd) -> Result<()> {
        // SAFETY: integers only; that `fd` is the caller's to close is what a Vouch promises.
        success(unsafe { libc::close(fd) })
    }

    #[inline]
    fn poll(&self, fds: &mut [PollFd], timeout: i32) -> Result<usize> {
        // SAFETY: a PollFd is a pollfd (asserted above), and there are `fds.len()` of them.
        count(unsafe { libc::poll(fds.as_mut_ptr().cast(), fit(fds.len())?, timeout) })
    }

    #[inline]
    fn select(&self, nfds: i32, mut sets: [Option<&mut FdSet>; 3], timeout: Option<i64>) -> Result<usize> {
        // A set ends at FD_SETSIZE: there are no bits above it that could be set, and the kernel must not look for them.
        let nfds = nfds.min(c_int::try_from(FD_SETSIZE).expect("FD_SETSIZE is 1024"));
        let mut limit = match timeout {
            None => None,
            Some(micros) => {
                Some(timeval { tv_sec: fit(micros.div_euclid(1_000_000))?, tv_usec: fit(micros.rem_euclid(1_000_000))? })
            }
        };
        let limit = limit.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        swap_halves(&mut sets);
        let [read, write, except] = sets.each_mut().map(set_pointer);
        // SAFETY: each set is null or holds FD_SETSIZE bits, at least `nfds`; `limit` is null or a timeval of ours.
        let answer = count(unsafe { libc::select(nfds, read, write, except, limit) });
        swap_halves(&mut sets);
        answer
    }

    #[inline]
    fn epoll_create1(&self, flags: i32) -> Result<RawFd> {
        // SAFETY: integers only.
        number(unsafe { libc::epoll_create1(flags) })
    }

    #[inline]
    fn epoll_ctl(&self, epfd: RawFd, op: i32, fd: RawFd, event: Option<EpollEvent>) -> Result<()> {
        let mut event = event.map(|event| libc::epoll_event { events: event.events, u64: event.data });
        let pointer = event.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        // SAFETY: `pointer` is null or an epoll_event of ours.
        success(unsafe { libc::epoll_ctl(epfd, op, fd, pointer) })
    }

    #[inline]
    fn epoll_wait(&self, epfd: RawFd, events: &mut [EpollEvent], timeout: i32) -> Result<usize> {
        let maxevents = fit(events.len())?;
        let base = events.as_mut_ptr();
        // The kernel's event is no larger than ours (12 bytes on x86-64, 16 elsewhere): it stores into the same memory, and the
        // answers are spread out afterwards, the last one first so that none is overwritten before it is read.
        let packed = base.cast::<libc::epoll_event>();
        // SAFETY: `packed` has room and alignment for `maxevents` of the kernel's events (asserted above).
        let ready = count(unsafe { libc::epoll_wait(epfd, packed, maxevents, timeout) })?;
        for index in (0..ready).rev() {
            // SAFETY: `index` is below `ready`, which is at most `events.len()`, so the pointer stays inside the slice.
            let from = unsafe { packed.add(index) };
            // SAFETY: the kernel stored event `index`, and only the unpacked ones above it, which end after it, were written since.
            let event = unsafe { from.read() };
            // SAFETY: `index` is below `events.len()`.
            let to = unsafe { base.add(index) };
            // SAFETY: `to` points to an element of `events`, borrowed uniquely.
            unsafe { to.write(EpollEvent { events: event.events, data: event.u64 }) };
        }
        Ok(ready)
    }
}

/// Typed entries of `poll(2)` as raw ones, in place.
#[inline]
pub(super) fn raw_entries<'a, S>(fds: &'a mut [poll::PollFd<'_, S>]) -> &'a mut [PollFd] {
    let len = fds.len();
    // SAFETY: a typed entry is `repr(transparent)` over a raw one; the slice stays borrowed, and any bits written are valid.
    unsafe { slice::from_raw_parts_mut(fds.as_mut_ptr().cast(), len) }
}

/// Makes an owned descriptor of a number that a call has just returned.
#[inline]
pub(super) fn own(fd: RawFd) -> OwnedFd {
    assert!(fd >= 0, "only a number that a call returned is adopted");
    // SAFETY: the number is not -1; that it is open and nobody else's is what the caller's Vouch promises.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// The monotonic clock in nanoseconds, `clock_gettime(2)`.
#[inline]
pub(super) fn monotonic_nanos() -> u64 {
    // SAFETY: a timespec is integers, which may be zero.
    let mut now: timespec = unsafe { mem::zeroed() };
    // SAFETY: `now` has room for the timespec that the call stores.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert_eq!(answer, 0, "every Linux has CLOCK_MONOTONIC");
    let part = |value: Result<u64>| value.expect("the monotonic clock starts at zero");
    part(fit(now.tv_sec)) * 1_000_000_000 + part(fit(now.tv_nsec))
}

/// Random bytes into the start of `bytes`: how many, `getrandom(2)`.
pub(super) fn getrandom(bytes: &mut [u8]) -> Result<usize> {
    // SAFETY: `bytes` has room for `bytes.len()` bytes.
    count(unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) })
}
