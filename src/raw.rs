//! The system calls as they are: descriptor numbers, raw address, length and option bytes, flags unchanged.
//!
//! [`Syscalls`] is the ground that everything else stands on: the typed [`SocketApi`](crate::SocketApi) is written once, over
//! it, for every world. One method is one system call; no retry, no rounding, no default. `Net` of `twinsock-sim` gives it to safe
//! code, since its descriptors are simulated. On `Os` a number may belong to somebody else (a `Vec` mapped over a file, a
//! `std::net::TcpStream`), so the caller must vouch for it: see [`Vouch`].

use crate::errno::Result;
use std::io::{IoSlice, IoSliceMut};

/// A descriptor number.
pub type RawFd = i32;

/// A value-result address argument: where an address goes, and its `socklen_t`.
///
/// `len` says on entry how much room is claimed (the kernel answers EINVAL to a negative one; one larger than `bytes` is
/// EFAULT) and holds afterwards the full length of the address, which may exceed what was stored.
#[derive(Debug)]
pub struct Name<'a> {
    /// Where the address is stored.
    pub bytes: &'a mut [u8],
    /// Room claimed, then length of the address.
    pub len: &'a mut i32,
}

/// What `sendmsg(2)` is given.
#[derive(Debug, Clone, Copy)]
pub struct SendHdr<'a> {
    /// Destination address, or `None` for a null pointer.
    pub name: Option<&'a [u8]>,
    /// The data, gathered.
    pub iov: &'a [IoSlice<'a>],
    /// Control messages, `cmsg(3)`.
    pub control: &'a [u8],
}

/// What `recvmsg(2)` is given and fills in.
#[derive(Debug)]
pub struct RecvHdr<'a, 'b> {
    /// Where the source address goes.
    pub name: &'a mut [u8],
    /// After the call: the length of the source address.
    pub name_len: usize,
    /// Where the data goes, scattered.
    pub iov: &'a mut [IoSliceMut<'b>],
    /// Where control messages go.
    pub control: &'a mut [u8],
    /// After the call: how many bytes of control messages came.
    pub control_len: usize,
    /// After the call: `msg_flags`.
    pub flags: i32,
}

/// An entry of `poll(2)`'s set.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollFd {
    /// The descriptor; a negative one is ignored.
    pub fd: RawFd,
    /// `POLL*` bits asked for.
    pub events: i16,
    /// `POLL*` bits answered.
    pub revents: i16,
}

/// An `epoll_event`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EpollEvent {
    /// `EPOLL*` bits.
    pub events: u32,
    /// The caller's own word, returned as given.
    pub data: u64,
}

/// How many descriptors a [`FdSet`] can name, `FD_SETSIZE`.
pub const FD_SETSIZE: usize = 1024;

/// A set of descriptors for `select(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FdSet {
    bits: [u64; FD_SETSIZE / 64],
}

impl Default for FdSet {
    fn default() -> FdSet {
        FdSet::new()
    }
}

impl FdSet {
    /// The empty set, `FD_ZERO`.
    #[must_use]
    pub const fn new() -> FdSet {
        FdSet { bits: [0; FD_SETSIZE / 64] }
    }

    /// Adds `fd`, `FD_SET`; a number that a set cannot hold (negative, or `FD_SETSIZE` and above) is left out, answer `false`.
    pub fn insert(&mut self, fd: RawFd) -> bool {
        let Some(index) = FdSet::index(fd) else { return false };
        self.bits[index / 64] |= 1 << (index % 64);
        true
    }

    /// Removes `fd`, `FD_CLR`.
    pub fn remove(&mut self, fd: RawFd) {
        if let Some(index) = FdSet::index(fd) {
            self.bits[index / 64] &= !(1 << (index % 64));
        }
    }

    /// Whether `fd` is in the set, `FD_ISSET`.
    #[must_use]
    pub fn contains(&self, fd: RawFd) -> bool {
        FdSet::index(fd).is_some_and(|index| self.bits[index / 64] & (1 << (index % 64)) != 0)
    }

    /// The 64-bit words of the set, lowest descriptors first, as the kernel takes them on a 64-bit machine.
    #[must_use]
    pub fn words(&self) -> &[u64; FD_SETSIZE / 64] {
        &self.bits
    }

    /// The words, to be written by the kernel.
    pub fn words_mut(&mut self) -> &mut [u64; FD_SETSIZE / 64] {
        &mut self.bits
    }

    fn index(fd: RawFd) -> Option<usize> {
        usize::try_from(fd).ok().filter(|index| *index < FD_SETSIZE)
    }
}

/// The socket system calls of one world, and the calls on descriptors that go with them.
///
/// Every method is named for its system call and documented by that call's man page (section 2). What a call returns beyond
/// success is the method's value; an error is the `errno`.
#[expect(clippy::missing_errors_doc, reason = "each method's errors are those of the man page it is named for")]
pub trait Syscalls {
    /// `socket(2)`: `kind` may carry `SOCK_NONBLOCK` and `SOCK_CLOEXEC`.
    fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd>;
    /// `socketpair(2)`.
    fn socketpair(&self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2]>;
    /// `bind(2)`.
    fn bind(&self, fd: RawFd, addr: &[u8]) -> Result<()>;
    /// `listen(2)`.
    fn listen(&self, fd: RawFd, backlog: i32) -> Result<()>;
    /// `accept4(2)`.
    fn accept4(&self, fd: RawFd, name: Option<Name<'_>>, flags: i32) -> Result<RawFd>;
    /// `connect(2)`.
    fn connect(&self, fd: RawFd, addr: &[u8]) -> Result<()>;
    /// `shutdown(2)`.
    fn shutdown(&self, fd: RawFd, how: i32) -> Result<()>;
    /// `getsockname(2)`.
    fn getsockname(&self, fd: RawFd, name: Name<'_>) -> Result<()>;
    /// `getpeername(2)`.
    fn getpeername(&self, fd: RawFd, name: Name<'_>) -> Result<()>;
    /// `getsockopt(2)`: `len` is the value-result `optlen`, never more than `value` holds (EFAULT).
    fn getsockopt(&self, fd: RawFd, level: i32, name: i32, value: &mut [u8], len: &mut i32) -> Result<()>;
    /// `setsockopt(2)`: `optlen` is the length of `value`.
    fn setsockopt(&self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<()>;
    /// `send(2)`.
    fn send(&self, fd: RawFd, data: &[u8], flags: i32) -> Result<usize>;
    /// `sendto(2)`; `addr` `None` is a null pointer.
    fn sendto(&self, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Result<usize>;
    /// `sendmsg(2)`.
    fn sendmsg(&self, fd: RawFd, hdr: &SendHdr<'_>, flags: i32) -> Result<usize>;
    /// `recv(2)`.
    fn recv(&self, fd: RawFd, into: &mut [u8], flags: i32) -> Result<usize>;
    /// `recvfrom(2)`.
    fn recvfrom(&self, fd: RawFd, into: &mut [u8], flags: i32, name: Option<Name<'_>>) -> Result<usize>;
    /// `recvmsg(2)`.
    fn recvmsg(&self, fd: RawFd, hdr: &mut RecvHdr<'_, '_>, flags: i32) -> Result<usize>;
    /// `read(2)`.
    fn read(&self, fd: RawFd, into: &mut [u8]) -> Result<usize>;
    /// `write(2)`.
    fn write(&self, fd: RawFd, data: &[u8]) -> Result<usize>;
    /// `readv(2)`.
    fn readv(&self, fd: RawFd, iov: &mut [IoSliceMut<'_>]) -> Result<usize>;
    /// `writev(2)`.
    fn writev(&self, fd: RawFd, iov: &[IoSlice<'_>]) -> Result<usize>;
    /// `fcntl(2)` with an integer argument: `F_GETFL`, `F_SETFL`, `F_GETFD`, `F_SETFD`, `F_DUPFD`, `F_DUPFD_CLOEXEC`.
    fn fcntl(&self, fd: RawFd, command: i32, argument: i32) -> Result<i32>;
    /// `ioctl(2)` with a pointer to an int: `FIONREAD`, `FIONBIO`, `SIOCATMARK`, `SIOCOUTQ`.
    fn ioctl(&self, fd: RawFd, request: u64, argument: &mut i32) -> Result<i32>;
    /// `pipe2(2)`: the read end, then the write end.
    fn pipe2(&self, flags: i32) -> Result<[RawFd; 2]>;
    /// `dup(2)`.
    fn dup(&self, fd: RawFd) -> Result<RawFd>;
    /// `dup3(2)`.
    fn dup3(&self, fd: RawFd, new: RawFd, flags: i32) -> Result<RawFd>;
    /// `close(2)`.
    fn close(&self, fd: RawFd) -> Result<()>;
    /// `poll(2)`: `timeout` in milliseconds, a negative one is for ever. Returns how many entries have `revents`.
    fn poll(&self, fds: &mut [PollFd], timeout: i32) -> Result<usize>;
    /// `select(2)`: `timeout` in microseconds, `None` is for ever. Returns how many bits are set.
    fn select(&self, nfds: i32, sets: [Option<&mut FdSet>; 3], timeout: Option<i64>) -> Result<usize>;
    /// `epoll_create1(2)`.
    fn epoll_create1(&self, flags: i32) -> Result<RawFd>;
    /// `epoll_ctl(2)`.
    fn epoll_ctl(&self, epfd: RawFd, op: i32, fd: RawFd, event: Option<EpollEvent>) -> Result<()>;
    /// `epoll_wait(2)`: `maxevents` is the length of `events`.
    fn epoll_wait(&self, epfd: RawFd, events: &mut [EpollEvent], timeout: i32) -> Result<usize>;
}

/// A promise that every descriptor number passed to the calls reached with it belongs to the one who passes it.
///
/// Closing or redirecting a number that somebody else owns breaks that owner's code, in memory-unsafe ways if it maps or
/// trusts the file (`std::io`, "I/O safety"). So [`SocketApi::calls`](crate::SocketApi::calls) asks for a `Vouch`, and making one is
/// `unsafe` outside this crate. The typed API needs none of its users: it passes only numbers of sockets that it owns.
///
/// ```
/// use twinsock::raw::{Syscalls, Vouch};
/// use twinsock::{Errno, Os, SocketApi};
///
/// // SAFETY: only numbers that `pipe2` returned are passed, and none of them after `close`.
/// let calls = Os.calls(unsafe { Vouch::new() });
/// let [read, write] = calls.pipe2(twinsock::consts::O_CLOEXEC)?;
/// assert_eq!(calls.write(write, b"x")?, 1);
/// assert_eq!(calls.write(read, b"x"), Err(Errno::BADF));
/// calls.close(read)?;
/// calls.close(write)?;
/// # Ok::<(), Errno>(())
/// ```
#[derive(Clone, Copy)]
pub struct Vouch(());

impl std::fmt::Debug for Vouch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vouch")
    }
}

impl Vouch {
    /// Promises that the caller owns each descriptor number it is going to pass.
    ///
    /// # Safety
    /// For as long as the value is used: every number given to a call belongs to the caller, or is one that nobody owns.
    #[must_use]
    pub const unsafe fn new() -> Vouch {
        Vouch(())
    }

    /// The typed API's own promise: it passes numbers of `Self::Socket` values only, which own them.
    pub(crate) const fn for_owned() -> Vouch {
        Vouch(())
    }
}
