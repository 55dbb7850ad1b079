//! The system calls as they are: descriptor numbers, raw address, length and option bytes, flags unchanged.
//!
//! [`Syscalls`] is the ground that everything else stands on: the typed [`SocketApi`](crate::SocketApi) is written once, over
//! it, for every world. One method is one system call; no retry, no rounding, no default. `Net` of `twinsock-sim` gives it to safe
//! code, since its descriptors are simulated. On `Os` a number may belong to somebody else (a `Vec` mapped over a file, a
//! `std::net::TcpStream`), so the caller must vouch for it: see [`Vouch`].
//!
//! `raw/values.rs` has what calls are given and give back besides numbers and bytes.

mod values;

pub use values::{EpollEvent, FD_SETSIZE, FdSet, Name, PollFd, RecvHdr, SendHdr};

use crate::errno::Result;
use std::io::{IoSlice, IoSliceMut};
use std::marker::PhantomData;

/// A descriptor number.
///
/// ```
/// # use twinsock::{consts::*, raw::*};
/// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
/// let fd: RawFd = net.socket(AF_INET, SOCK_STREAM, 0).unwrap();
/// assert_eq!(fd, 0, "the lowest number that is free");
/// # }); }).unwrap();
/// ```
pub type RawFd = i32;

/// The socket system calls of one world, and the calls on descriptors that go with them.
///
/// Every method is named for its system call and documented by that call's man page (section 2). What a call returns beyond
/// success is the method's value; an error is the `errno`.
///
/// ```
/// # use twinsock::{consts::*, raw::*};
/// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
/// let fd = net.socket(AF_INET, SOCK_STREAM, 0).unwrap();
/// assert_eq!(net.write(fd, b"x"), Err(twinsock::Errno::PIPE), "it is not connected");
/// assert_eq!(net.close(99), Err(twinsock::Errno::BADF));
/// # }); }).unwrap();
/// ```
#[expect(clippy::missing_errors_doc, reason = "each method's errors are those of the man page it is named for")]
pub trait Syscalls {
    /// `socket(2)`: `kind` may carry `SOCK_NONBLOCK` and `SOCK_CLOEXEC`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// assert_eq!(net.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), Ok(0));
    /// # }); }).unwrap();
    /// ```
    fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd>;
    /// `socketpair(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// assert_eq!(net.socketpair(AF_UNIX, SOCK_STREAM, 0), Ok([0, 1]));
    /// # }); }).unwrap();
    /// ```
    fn socketpair(&self, domain: i32, kind: i32, protocol: i32) -> Result<[RawFd; 2]>;
    /// `bind(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let addr = twinsock::SocketAddr::inet([127, 0, 0, 1].into(), 80).encode().unwrap();
    /// let fd = net.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    /// assert_eq!(net.bind(fd, addr.as_bytes()), Ok(()));
    /// # }); }).unwrap();
    /// ```
    fn bind(&self, fd: RawFd, addr: &[u8]) -> Result<()>;
    /// `listen(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// let fd = net.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    /// assert_eq!(net.listen(fd, 128), Ok(()));
    /// # }); }).unwrap();
    /// ```
    fn listen(&self, fd: RawFd, backlog: i32) -> Result<()>;
    /// `accept4(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// let fd = net.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0).unwrap();
    /// net.listen(fd, 1).unwrap();
    /// assert_eq!(net.accept4(fd, None, 0), Err(twinsock::Errno::AGAIN));
    /// # }); }).unwrap();
    /// ```
    fn accept4(&self, fd: RawFd, name: Option<Name<'_>>, flags: i32) -> Result<RawFd>;
    /// `connect(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let addr = twinsock::SocketAddr::inet([127, 0, 0, 1].into(), 80).encode().unwrap();
    /// let fd = net.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    /// assert_eq!(net.connect(fd, addr.as_bytes()), Err(twinsock::Errno::CONNREFUSED));
    /// # }); }).unwrap();
    /// ```
    fn connect(&self, fd: RawFd, addr: &[u8]) -> Result<()>;
    /// `shutdown(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// assert_eq!(net.shutdown(a, SHUT_WR), Ok(()));
    /// assert_eq!(net.recv(b, &mut [0; 8], 0), Ok(0));
    /// # }); }).unwrap();
    /// ```
    fn shutdown(&self, fd: RawFd, how: i32) -> Result<()>;
    /// `getsockname(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// let fd = net.socket(AF_INET6, SOCK_DGRAM, 0).unwrap();
    /// let (mut bytes, mut len) = ([0; 128], 128);
    /// net.getsockname(fd, Name { bytes: &mut bytes, len: &mut len }).unwrap();
    /// assert_eq!(len, 28);
    /// # }); }).unwrap();
    /// ```
    fn getsockname(&self, fd: RawFd, name: Name<'_>) -> Result<()>;
    /// `getpeername(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// let fd = net.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    /// let name = Name { bytes: &mut [0; 16], len: &mut 16 };
    /// assert_eq!(net.getpeername(fd, name), Err(twinsock::Errno::NOTCONN));
    /// # }); }).unwrap();
    /// ```
    fn getpeername(&self, fd: RawFd, name: Name<'_>) -> Result<()>;
    /// `getsockopt(2)`: `len` is the value-result `optlen`, never more than `value` holds (EFAULT).
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// let fd = net.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    /// let (mut value, mut len) = ([0; 4], 4);
    /// net.getsockopt(fd, SOL_SOCKET, SO_TYPE, &mut value, &mut len).unwrap();
    /// assert_eq!((i32::from_ne_bytes(value), len), (SOCK_STREAM, 4));
    /// # }); }).unwrap();
    /// ```
    fn getsockopt(&self, fd: RawFd, level: i32, name: i32, value: &mut [u8], len: &mut i32) -> Result<()>;
    /// `setsockopt(2)`: `optlen` is the length of `value`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// let fd = net.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    /// assert_eq!(net.setsockopt(fd, SOL_TCP, TCP_NODELAY, &1_i32.to_ne_bytes()), Ok(()));
    /// # }); }).unwrap();
    /// ```
    fn setsockopt(&self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<()>;
    /// `send(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// assert_eq!(net.send(a, b"hello", MSG_NOSIGNAL), Ok(5));
    /// # let _ = b;
    /// # }); }).unwrap();
    /// ```
    fn send(&self, fd: RawFd, data: &[u8], flags: i32) -> Result<usize>;
    /// `sendto(2)`; `addr` `None` is a null pointer.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let addr = twinsock::SocketAddr::inet([127, 0, 0, 1].into(), 80).encode().unwrap();
    /// let fd = net.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    /// assert_eq!(net.sendto(fd, b"hello", 0, Some(addr.as_bytes())), Ok(5));
    /// # }); }).unwrap();
    /// ```
    fn sendto(&self, fd: RawFd, data: &[u8], flags: i32, addr: Option<&[u8]>) -> Result<usize>;
    /// `sendmsg(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// use std::io::IoSlice;
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// let iov = [IoSlice::new(b"hello")];
    /// assert_eq!(net.sendmsg(a, &SendHdr { name: None, iov: &iov, control: &[] }, 0), Ok(5));
    /// # let _ = b;
    /// # }); }).unwrap();
    /// ```
    fn sendmsg(&self, fd: RawFd, hdr: &SendHdr<'_>, flags: i32) -> Result<usize>;
    /// `recv(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// net.send(a, b"hello", 0).unwrap();
    /// assert_eq!(net.recv(b, &mut [0; 2], MSG_PEEK), Ok(2));
    /// assert_eq!(net.recv(b, &mut [0; 8], 0), Ok(5));
    /// # }); }).unwrap();
    /// ```
    fn recv(&self, fd: RawFd, into: &mut [u8], flags: i32) -> Result<usize>;
    /// `recvfrom(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// net.send(a, b"hello", 0).unwrap();
    /// assert_eq!(net.recvfrom(b, &mut [0; 8], 0, None), Ok(5));
    /// # }); }).unwrap();
    /// ```
    fn recvfrom(&self, fd: RawFd, into: &mut [u8], flags: i32, name: Option<Name<'_>>) -> Result<usize>;
    /// `recvmsg(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// use std::io::IoSliceMut;
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// net.send(a, b"hello", 0).unwrap();
    /// let (mut one, mut other) = ([0; 2], [0; 8]);
    /// let mut iov = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
    /// let mut hdr = RecvHdr { name: &mut [], name_len: 0, iov: &mut iov, control: &mut [], control_len: 0, flags: 0 };
    /// assert_eq!(net.recvmsg(b, &mut hdr, 0), Ok(5));
    /// assert_eq!((&one, &other[..3]), (b"he", &b"llo"[..]));
    /// # }); }).unwrap();
    /// ```
    fn recvmsg(&self, fd: RawFd, hdr: &mut RecvHdr<'_, '_>, flags: i32) -> Result<usize>;
    /// `read(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// net.write(a, b"hello").unwrap();
    /// assert_eq!(net.read(b, &mut [0; 8]), Ok(5));
    /// # }); }).unwrap();
    /// ```
    fn read(&self, fd: RawFd, into: &mut [u8]) -> Result<usize>;
    /// `write(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// assert_eq!(net.write(a, b"hello"), Ok(5));
    /// # let _ = b;
    /// # }); }).unwrap();
    /// ```
    fn write(&self, fd: RawFd, data: &[u8]) -> Result<usize>;
    /// `readv(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// use std::io::IoSliceMut;
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// net.write(a, b"hello").unwrap();
    /// let mut room = [0; 8];
    /// assert_eq!(net.readv(b, &mut [IoSliceMut::new(&mut room)]), Ok(5));
    /// # }); }).unwrap();
    /// ```
    fn readv(&self, fd: RawFd, iov: &mut [IoSliceMut<'_>]) -> Result<usize>;
    /// `writev(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// use std::io::IoSlice;
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// assert_eq!(net.writev(a, &[IoSlice::new(b"hello, "), IoSlice::new(b"world")]), Ok(12));
    /// # let _ = b;
    /// # }); }).unwrap();
    /// ```
    fn writev(&self, fd: RawFd, iov: &[IoSlice<'_>]) -> Result<usize>;
    /// `fcntl(2)` with an integer argument: `F_GETFL`, `F_SETFL`, `F_GETFD`, `F_SETFD`, `F_DUPFD`, `F_DUPFD_CLOEXEC`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// let fd = net.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0).unwrap();
    /// assert_eq!(net.fcntl(fd, F_GETFL, 0).unwrap() & O_NONBLOCK, O_NONBLOCK);
    /// # }); }).unwrap();
    /// ```
    fn fcntl(&self, fd: RawFd, command: i32, argument: i32) -> Result<i32>;
    /// `ioctl(2)` with a pointer to an int: `FIONREAD`, `FIONBIO`, `SIOCATMARK`, `SIOCOUTQ`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// net.write(a, b"hello").unwrap();
    /// let mut queued = 0;
    /// net.ioctl(b, FIONREAD.cast_unsigned().into(), &mut queued).unwrap();
    /// assert_eq!(queued, 5);
    /// # }); }).unwrap();
    /// ```
    fn ioctl(&self, fd: RawFd, request: u64, argument: &mut i32) -> Result<i32>;
    /// `pipe2(2)`: the read end, then the write end.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// let [read, write] = net.pipe2(O_CLOEXEC).unwrap();
    /// assert_eq!(net.write(write, b"x"), Ok(1));
    /// assert_eq!(net.read(read, &mut [0; 8]), Ok(1));
    /// # }); }).unwrap();
    /// ```
    fn pipe2(&self, flags: i32) -> Result<[RawFd; 2]>;
    /// `dup(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// assert_eq!(net.dup(a), Ok(2));
    /// # let _ = b;
    /// # }); }).unwrap();
    /// ```
    fn dup(&self, fd: RawFd) -> Result<RawFd>;
    /// `dup3(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// assert_eq!(net.dup3(a, 10, O_CLOEXEC), Ok(10));
    /// # let _ = b;
    /// # }); }).unwrap();
    /// ```
    fn dup3(&self, fd: RawFd, new: RawFd, flags: i32) -> Result<RawFd>;
    /// `close(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// assert_eq!((net.close(a), net.close(a)), (Ok(()), Err(twinsock::Errno::BADF)));
    /// # let _ = b;
    /// # }); }).unwrap();
    /// ```
    fn close(&self, fd: RawFd) -> Result<()>;
    /// `poll(2)`: `timeout` in milliseconds, a negative one is for ever. Returns how many entries have `revents`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// let mut fds = [PollFd { fd: a, events: 1, revents: 0 }]; // POLLIN
    /// assert_eq!(net.poll(&mut fds, 0), Ok(0));
    /// # let _ = b;
    /// # }); }).unwrap();
    /// ```
    fn poll(&self, fds: &mut [PollFd], timeout: i32) -> Result<usize>;
    /// `select(2)`: `timeout` in microseconds, `None` is for ever. Returns how many bits are set.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// let mut write = FdSet::new();
    /// write.insert(a);
    /// assert_eq!(net.select(a + 1, [None, Some(&mut write), None], None), Ok(1));
    /// # let _ = b;
    /// # }); }).unwrap();
    /// ```
    fn select(&self, nfds: i32, sets: [Option<&mut FdSet>; 3], timeout: Option<i64>) -> Result<usize>;
    /// `epoll_create1(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// assert_eq!(net.epoll_create1(EPOLL_CLOEXEC), Ok(0));
    /// # }); }).unwrap();
    /// ```
    fn epoll_create1(&self, flags: i32) -> Result<RawFd>;
    /// `epoll_ctl(2)`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// # let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// let epfd = net.epoll_create1(0).unwrap();
    /// assert_eq!(net.epoll_ctl(epfd, EPOLL_CTL_DEL, a, None), Err(twinsock::Errno::NOENT));
    /// # let _ = b;
    /// # }); }).unwrap();
    /// ```
    fn epoll_ctl(&self, epfd: RawFd, op: i32, fd: RawFd, event: Option<EpollEvent>) -> Result<()>;
    /// `epoll_wait(2)`: `maxevents` is the length of `events`.
    ///
    /// ```
    /// # use twinsock::{consts::*, raw::*};
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// let epfd = net.epoll_create1(0).unwrap();
    /// assert_eq!(net.epoll_wait(epfd, &mut [EpollEvent::default(); 8], 0), Ok(0));
    /// # }); }).unwrap();
    /// ```
    fn epoll_wait(&self, epfd: RawFd, events: &mut [EpollEvent], timeout: i32) -> Result<usize>;
}

/// A promise that every descriptor number passed to the calls reached with it belongs to the one who passes it.
///
/// Closing or redirecting a number that somebody else owns breaks that owner's code, in memory-unsafe ways if it maps or
/// trusts the file (`std::io`, "I/O safety"). So [`SocketApi::calls`](crate::SocketApi::calls) asks for a `Vouch`, and making one is
/// `unsafe` outside this crate. The typed API needs none of its users: it passes only numbers of sockets that it owns.
///
/// A `Vouch` is for one world, `A`: a world that somebody else has written is given them for its own calls, and cannot spend them on the kernel's.
///
/// ```compile_fail,E0308
/// use twinsock::raw::Vouch;
/// use twinsock::{Os, OsCalls, SocketApi};
///
/// #[derive(Clone)]
/// struct Thief;
///
/// impl SocketApi for Thief {
///     # type Socket = ();
///     # fn adopt(&self, _: i32, _: Vouch<Thief>) {}
///     # fn release(&self, _: ()) -> i32 { self.fileno(&()) }
///     # fn getaddrinfo(&self, _: &str, _: u16) -> std::io::Result<Vec<std::net::SocketAddr>> { Ok(Vec::new()) }
///     type Calls = OsCalls;
///     fn calls(&self, vouch: Vouch<Thief>) -> &OsCalls {
///         Os.calls(vouch) // a Vouch<Os> is wanted
///     }
///     fn fileno(&self, _: &()) -> i32 {
///         5 // somebody else's
///     }
/// }
/// ```
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
pub struct Vouch<A: ?Sized>(PhantomData<fn() -> *const A>);

impl<A: ?Sized> Clone for Vouch<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: ?Sized> Copy for Vouch<A> {}

impl<A: ?Sized> std::fmt::Debug for Vouch<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vouch")
    }
}

impl<A: ?Sized> Vouch<A> {
    /// Promises that the caller owns each descriptor number it is going to pass.
    ///
    /// # Safety
    /// For as long as the value is used: every number given to a call belongs to the caller, or is one that nobody owns.
    ///
    /// ```
    /// use twinsock::{Os, SocketApi, raw::{Syscalls, Vouch}};
    /// // SAFETY: no number is passed.
    /// let calls = Os.calls(unsafe { Vouch::new() });
    /// let epfd = calls.epoll_create1(0)?;
    /// # calls.close(epfd)?;
    /// # Ok::<(), twinsock::Errno>(())
    /// ```
    #[must_use]
    pub const unsafe fn new() -> Vouch<A> {
        Vouch(PhantomData)
    }

    /// The typed API's own promise: it passes numbers of `Self::Socket` values only, which own them.
    pub(crate) const fn for_owned() -> Vouch<A> {
        Vouch(PhantomData)
    }
}
