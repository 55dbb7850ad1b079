//! [`SocketApi`]: the socket calls with typed arguments and owned sockets, written once for every world.
//!
//! A world gives its system calls ([`Syscalls`]) and a socket type that owns a descriptor; the methods here encode the arguments,
//! make exactly one call, and decode the answer. They ask for `MSG_NOSIGNAL` and for close-on-exec (`SOCK_CLOEXEC`,
//! `MSG_CMSG_CLOEXEC`, ...), and for nothing else of their own.

use crate::addr::{SOCKADDR_MAX_BYTES, SocketAddr};
use crate::consts as c;
use crate::control::{RecvControl, SendControl};
use crate::errno::Result;
use crate::option::{OPTION_MAX_BYTES, OptionValue, SocketOption};
use crate::poll::{EpollOp, PollFd, SelectSet, timeout_micros, timeout_millis};
use crate::raw::{self, EpollEvent, Name, RawFd, RecvHdr, SendHdr, Syscalls, Vouch};
use crate::types::{Domain, MsgFlags, PollEvents, Protocol, Shutdown, SockFlags, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::time::Duration;

const SOCKADDR_MAX_LEN: i32 = 128;

/// The socket API of one world.
///
/// `Os` is the kernel's; `Net` of `twinsock-sim` is one simulated process's; [`Any`](crate::Any) chooses at run time.
/// Sockets block or not as on Linux: that is a property of the socket (`O_NONBLOCK`) and of the call (`MSG_DONTWAIT`).
///
/// ```
/// use twinsock::{Domain, MsgFlags, Os, Protocol, Result, Shutdown, SockFlags, SocketAddr, SocketApi, Type};
///
/// fn one_byte(api: &impl SocketApi) -> Result<()> {
///     let listener = api.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
///     api.bind(&listener, &SocketAddr::inet([127, 0, 0, 1].into(), 0))?;
///     api.listen(&listener, 1)?;
///
///     let client = api.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
///     api.connect(&client, &api.getsockname(&listener)?)?;
///     let (server, _) = api.accept(&listener, SockFlags::NONE)?;
///
///     assert_eq!(api.send(&client, b"!", MsgFlags::NONE)?, 1);
///     api.shutdown(&client, Shutdown::Write)?;
///     let mut byte = [0];
///     assert_eq!(api.recv(&server, &mut byte, MsgFlags::NONE)?, 1);
///     assert_eq!(api.recv(&server, &mut byte, MsgFlags::NONE)?, 0, "the end of the stream");
///     api.close(server)
/// }
/// one_byte(&Os).unwrap();
/// ```
pub trait SocketApi: Clone + Send + Sync + 'static {
    /// Owns a descriptor: dropping it closes the descriptor.
    type Socket: Send + Sync + 'static;
    /// The system calls behind the methods.
    type Calls: Syscalls + ?Sized;

    /// The system calls of this world; `Vouch` says that only numbers the caller owns will be passed.
    ///
    /// ```
    /// # use twinsock::*;
    /// use twinsock::raw::{Syscalls, Vouch};
    /// let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// // SAFETY: the number is that of `socket`, which is open.
    /// let calls = Os.calls(unsafe { Vouch::new() });
    /// calls.listen(Os.fileno(&socket), 1)?;
    /// # Ok::<(), Errno>(())
    /// ```
    fn calls(&self, vouch: Vouch<Self>) -> &Self::Calls;
    /// The descriptor's number, `fileno(3)`; -1 where `socket` is not of this world or process.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// assert!(Os.fileno(&socket) >= 0);
    /// # Ok::<(), Errno>(())
    /// ```
    fn fileno(&self, socket: &Self::Socket) -> RawFd;
    /// Takes ownership of a descriptor that a call has just returned.
    ///
    /// ```
    /// # use twinsock::*;
    /// # use twinsock::raw::{Syscalls, Vouch};
    /// // SAFETY: the number is one that the call has just returned, and nobody else owns it.
    /// let (vouch, owned) = unsafe { (Vouch::new(), Vouch::new()) };
    /// let socket = Os.adopt(Os.calls(vouch).socket(consts::AF_INET, consts::SOCK_STREAM, 0)?, owned);
    /// Os.close(socket)?;
    /// # Ok::<(), Errno>(())
    /// ```
    fn adopt(&self, fd: RawFd, vouch: Vouch<Self>) -> Self::Socket;
    /// Gives up ownership without closing.
    ///
    /// ```
    /// # use twinsock::*;
    /// # use std::os::fd::{FromRawFd, OwnedFd};
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// let number = Os.release(socket);
    /// // SAFETY: `release` gave up the number, so nobody owns it.
    /// drop(unsafe { OwnedFd::from_raw_fd(number) });
    /// # Ok::<(), Errno>(())
    /// ```
    fn release(&self, socket: Self::Socket) -> RawFd;

    /// The addresses of `node` (a name or a literal address), each with `port`, `getaddrinfo(3)` for stream sockets.
    ///
    /// # Errors
    /// A name that does not resolve, as an `io::Error` without errno; or the errno of the failed look-up.
    ///
    /// ```
    /// use twinsock::{Os, SocketApi};
    /// assert_eq!(Os.getaddrinfo("127.0.0.1", 80).unwrap(), [([127, 0, 0, 1], 80).into()]);
    /// ```
    fn getaddrinfo(&self, node: &str, port: u16) -> io::Result<Vec<std::net::SocketAddr>>;

    /// Creates a socket, `socket(2)`.
    ///
    /// # Errors
    /// `EAFNOSUPPORT`, `EINVAL`, `ESOCKTNOSUPPORT`, `EPROTONOSUPPORT`: the combination does not exist. `EMFILE`, `ENFILE`: the
    /// table of descriptors is full. `ENOBUFS`, `ENOMEM`. `EACCES`.
    ///
    /// ```
    /// # use twinsock::*;
    /// let stream = Os.socket(Domain::INET6, Type::STREAM, SockFlags::NONBLOCK, Protocol::DEFAULT)?;
    /// let wrong = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::UDP);
    /// assert_eq!(wrong.err(), Some(Errno::PROTONOSUPPORT));
    /// # Ok::<(), Errno>(())
    /// ```
    fn socket(&self, domain: Domain, kind: Type, flags: SockFlags, protocol: Protocol) -> Result<Self::Socket> {
        let kind = kind.raw() | (flags | SockFlags::CLOEXEC).raw();
        let fd = self.calls(Vouch::for_owned()).socket(domain.raw(), kind, protocol.raw())?;
        Ok(self.adopt(fd, Vouch::for_owned()))
    }

    /// Gives the socket a local address, `bind(2)`.
    ///
    /// # Errors
    /// `EADDRINUSE`, `EADDRNOTAVAIL`, `EINVAL` (bound already, or a bad length), `EACCES` (a privileged port), `EAFNOSUPPORT`.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::DGRAM, SockFlags::NONE, Protocol::UDP)?;
    /// Os.bind(&socket, &SocketAddr::inet([127, 0, 0, 1].into(), 0))?;
    /// assert_ne!(Os.getsockname(&socket)?.port(), Some(0), "the kernel has chosen one");
    /// # Ok::<(), Errno>(())
    /// ```
    fn bind(&self, socket: &Self::Socket, addr: &SocketAddr) -> Result<()> {
        self.calls(Vouch::for_owned()).bind(self.fileno(socket), addr.encode()?.as_bytes())
    }

    /// Accepts a connection, `accept4(2)`: the new socket and the address of its other end.
    ///
    /// # Errors
    /// `EAGAIN` (nothing waits, and the socket does not block or its `SO_RCVTIMEO` ran out), `EINVAL` (not listening), `EMFILE`,
    /// `EOPNOTSUPP` (not a connection-oriented type), `EINTR`.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let listener = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONBLOCK, Protocol::TCP)?;
    /// # Os.listen(&listener, 1)?;
    /// assert_eq!(Os.accept(&listener, SockFlags::NONE).err(), Some(Errno::AGAIN), "it does not block, and nobody waits");
    /// # let client = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// Os.connect(&client, &Os.getsockname(&listener)?)?;
    /// let (server, from) = Os.accept(&listener, SockFlags::NONE)?;
    /// assert_eq!(from, Os.getsockname(&client)?);
    /// # Ok::<(), Errno>(())
    /// ```
    // Calls that mostly wait are a part of their caller: where threads are switched between on their stacks, one that has waited returns through every frame
    // above its wait to where the processor does not foresee that it does.
    #[inline(always)]
    fn accept(&self, socket: &Self::Socket, flags: SockFlags) -> Result<(Self::Socket, SocketAddr)> {
        let mut bytes = [0; SOCKADDR_MAX_BYTES];
        let mut len = SOCKADDR_MAX_LEN;
        let name = Name { bytes: &mut bytes, len: &mut len };
        let flags = (flags | SockFlags::CLOEXEC).raw();
        let fd = self.calls(Vouch::for_owned()).accept4(self.fileno(socket), Some(name), flags)?;
        Ok((self.adopt(fd, Vouch::for_owned()), known_name(&bytes, len)))
    }

    /// Sends data on a connected socket, `send(2)`; the answer may be less than the length of `data`.
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE`, `ECONNRESET`, `ENOTCONN`, `EDESTADDRREQ`, `EMSGSIZE`, `EINTR`, `ETIMEDOUT`, ...
    ///
    /// ```
    /// # use twinsock::*;
    /// let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    /// assert_eq!(Os.send(&a, b"hello", MsgFlags::NONE)?, 5);
    /// drop(b);
    /// assert_eq!(Os.send(&a, b"hello", MsgFlags::NONE), Err(Errno::PIPE));
    /// # Ok::<(), Errno>(())
    /// ```
    #[inline(always)]
    fn send(&self, socket: &Self::Socket, data: &[u8], flags: MsgFlags) -> Result<usize> {
        let flags = (flags | MsgFlags::NOSIGNAL).raw();
        self.calls(Vouch::for_owned()).send(self.fileno(socket), data, flags)
    }

    /// Receives data, `recv(2)`; 0 is the end of a stream.
    ///
    /// # Errors
    /// `EAGAIN`, `ECONNRESET`, `ENOTCONN`, `ECONNREFUSED`, `EINTR`, `ETIMEDOUT`, ...
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    /// # Os.send(&a, b"hello", MsgFlags::NONE)?;
    /// let mut bytes = [0; 16];
    /// assert_eq!(Os.recv(&b, &mut bytes, MsgFlags::PEEK)?, 5);
    /// assert_eq!(Os.recv(&b, &mut bytes, MsgFlags::NONE)?, 5);
    /// assert_eq!(Os.recv(&b, &mut bytes, MsgFlags::DONTWAIT), Err(Errno::AGAIN));
    /// # Ok::<(), Errno>(())
    /// ```
    #[inline(always)]
    fn recv(&self, socket: &Self::Socket, into: &mut [u8], flags: MsgFlags) -> Result<usize> {
        self.calls(Vouch::for_owned()).recv(self.fileno(socket), into, flags.raw())
    }

    /// Creates two connected sockets, `socketpair(2)`.
    ///
    /// # Errors
    /// `EOPNOTSUPP`: not of the `UNIX` domain. `EAFNOSUPPORT`, `EPROTONOSUPPORT`, `ESOCKTNOSUPPORT`, `EMFILE`, `ENFILE`.
    ///
    /// ```
    /// # use twinsock::*;
    /// let (a, b) = Os.socketpair(Domain::UNIX, Type::SEQPACKET, SockFlags::NONE, Protocol::DEFAULT)?;
    /// # drop((a, b));
    /// # Ok::<(), Errno>(())
    /// ```
    fn socketpair(
        &self,
        domain: Domain,
        kind: Type,
        flags: SockFlags,
        protocol: Protocol,
    ) -> Result<(Self::Socket, Self::Socket)> {
        let kind = kind.raw() | (flags | SockFlags::CLOEXEC).raw();
        let [a, b] = self.calls(Vouch::for_owned()).socketpair(domain.raw(), kind, protocol.raw())?;
        Ok((self.adopt(a, Vouch::for_owned()), self.adopt(b, Vouch::for_owned())))
    }

    /// Lets others connect to the socket, `listen(2)`; Linux lets `backlog` + 1 connections wait.
    ///
    /// # Errors
    /// `EADDRINUSE` (another socket listens on the address, or no port is free), `EINVAL` (connected already, or a unix socket
    /// that is not bound), `EOPNOTSUPP` (not a connection-oriented type).
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// Os.listen(&socket, 16)?;
    /// assert!(Os.getsockname(&socket)?.port() > Some(0), "a socket without an address gets one");
    /// # Ok::<(), Errno>(())
    /// ```
    fn listen(&self, socket: &Self::Socket, backlog: i32) -> Result<()> {
        self.calls(Vouch::for_owned()).listen(self.fileno(socket), backlog)
    }

    /// Connects the socket, `connect(2)`. For datagrams this sets the peer; [`SocketAddr::Unspec`] dissolves the association.
    ///
    /// # Errors
    /// `ECONNREFUSED` (nobody listens there), `EINPROGRESS` (a non-blocking TCP socket: the outcome comes by `poll` and
    /// `SO_ERROR`; or `SO_SNDTIMEO` ran out), `EALREADY`, `EISCONN`, `ETIMEDOUT`, `ENETUNREACH`, `EHOSTUNREACH`, `EADDRNOTAVAIL`
    /// (no port is free), `EAFNOSUPPORT`, `EINVAL`, `ENOENT` and `EAGAIN` (unix), `EINTR` (connecting goes on).
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::DGRAM, SockFlags::NONE, Protocol::UDP)?;
    /// Os.connect(&socket, &SocketAddr::inet([127, 0, 0, 1].into(), 53))?;
    /// Os.connect(&socket, &SocketAddr::Unspec)?;
    /// assert_eq!(Os.getpeername(&socket), Err(Errno::NOTCONN));
    /// # Ok::<(), Errno>(())
    /// ```
    #[inline(always)]
    fn connect(&self, socket: &Self::Socket, addr: &SocketAddr) -> Result<()> {
        // A name is large: it stays where it was made.
        let name = addr.encode();
        let name = name.as_ref().map_err(|error| *error)?;
        self.calls(Vouch::for_owned()).connect(self.fileno(socket), name.as_bytes())
    }

    /// Sends data to an address, `sendto(2)`. A connection-oriented socket that is connected ignores the address.
    ///
    /// # Errors
    /// Those of [`send`](SocketApi::send) and, for the address, `EAFNOSUPPORT`, `EINVAL`, `EISCONN` (unix), `ENETUNREACH`, `EACCES`
    /// (a broadcast address without `SO_BROADCAST`).
    ///
    /// ```
    /// # use twinsock::*;
    /// # let a = Os.socket(Domain::INET, Type::DGRAM, SockFlags::NONE, Protocol::UDP)?;
    /// # let b = Os.socket(Domain::INET, Type::DGRAM, SockFlags::NONE, Protocol::UDP)?;
    /// Os.bind(&b, &SocketAddr::inet([127, 0, 0, 1].into(), 0))?;
    /// assert_eq!(Os.sendto(&a, b"hello", MsgFlags::NONE, &Os.getsockname(&b)?)?, 5);
    /// # Ok::<(), Errno>(())
    /// ```
    #[inline(always)]
    fn sendto(&self, socket: &Self::Socket, data: &[u8], flags: MsgFlags, addr: &SocketAddr) -> Result<usize> {
        let flags = (flags | MsgFlags::NOSIGNAL).raw();
        // A name is large: it stays where it was made.
        let name = addr.encode();
        let name = name.as_ref().map_err(|error| *error)?;
        self.calls(Vouch::for_owned()).sendto(self.fileno(socket), data, flags, Some(name.as_bytes()))
    }

    /// Sends gathered data with control messages, to an address if there is one, `sendmsg(2)`.
    ///
    /// # Errors
    /// Those of [`sendto`](SocketApi::sendto); `EINVAL` (a control message that the socket does not take), `EMSGSIZE` (more than
    /// 1024 slices), `EPERM` (credentials of somebody else), `ETOOMANYREFS` (too many sockets in flight).
    ///
    /// ```
    /// # use twinsock::*;
    /// use std::io::IoSlice;
    /// # let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    /// let parts = [IoSlice::new(b"hello, "), IoSlice::new(b"world")];
    /// assert_eq!(Os.sendmsg(&a, &parts, None, None, MsgFlags::NONE)?, 12);
    /// # drop(b);
    /// # Ok::<(), Errno>(())
    /// ```
    fn sendmsg(
        &self,
        socket: &Self::Socket,
        iov: &[IoSlice<'_>],
        control: Option<&SendControl<'_, Self::Socket>>,
        addr: Option<&SocketAddr>,
        flags: MsgFlags,
    ) -> Result<usize> {
        let name = addr.map(SocketAddr::encode).transpose()?;
        let control = control.map_or(&[][..], SendControl::as_bytes);
        let hdr = SendHdr { name: name.as_ref().map(|name| name.as_bytes()), iov, control };
        self.calls(Vouch::for_owned()).sendmsg(self.fileno(socket), &hdr, (flags | MsgFlags::NOSIGNAL).raw())
    }

    /// Receives data and says who sent it, `recvfrom(2)`; [`SocketAddr::Unspec`] where that is not said: on connection-oriented
    /// sockets, and by unix senders without a name.
    ///
    /// # Errors
    /// Those of [`recv`](SocketApi::recv).
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::DGRAM, SockFlags::NONE, Protocol::UDP)?;
    /// # Os.bind(&socket, &SocketAddr::inet([127, 0, 0, 1].into(), 0))?;
    /// let own = Os.getsockname(&socket)?;
    /// Os.sendto(&socket, b"hello", MsgFlags::NONE, &own)?;
    /// assert_eq!(Os.recvfrom(&socket, &mut [0; 16], MsgFlags::NONE)?, (5, own));
    /// # Ok::<(), Errno>(())
    /// ```
    #[inline(always)]
    fn recvfrom(&self, socket: &Self::Socket, into: &mut [u8], flags: MsgFlags) -> Result<(usize, SocketAddr)> {
        let mut bytes = [0; SOCKADDR_MAX_BYTES];
        let mut len = SOCKADDR_MAX_LEN;
        let name = Name { bytes: &mut bytes, len: &mut len };
        let received = self.calls(Vouch::for_owned()).recvfrom(self.fileno(socket), into, flags.raw(), Some(name))?;
        Ok((received, known_name(&bytes, len)))
    }

    /// Receives scattered data with control messages and flags, `recvmsg(2)`.
    ///
    /// # Errors
    /// Those of [`recv`](SocketApi::recv); `EMSGSIZE` (more than 1024 slices).
    ///
    /// ```
    /// # use twinsock::*;
    /// use std::io::IoSliceMut;
    /// # let (a, b) = Os.socketpair(Domain::UNIX, Type::DGRAM, SockFlags::NONE, Protocol::DEFAULT)?;
    /// # Os.send(&a, b"hello", MsgFlags::NONE)?;
    /// let mut room = [0; 2];
    /// let received = Os.recvmsg(&b, &mut [IoSliceMut::new(&mut room)], None, MsgFlags::NONE)?;
    /// assert!(received.len == 2 && received.flags.contains(MsgFlags::TRUNC), "the rest is lost");
    /// # Ok::<(), Errno>(())
    /// ```
    fn recvmsg(
        &self,
        socket: &Self::Socket,
        iov: &mut [IoSliceMut<'_>],
        mut control: Option<&mut RecvControl<Self>>,
        flags: MsgFlags,
    ) -> Result<Received> {
        let mut name = [0; SOCKADDR_MAX_BYTES];
        let room = control.as_mut().map_or(&mut [][..], |control| control.refill(self));
        let mut hdr = RecvHdr { name: &mut name, name_len: 0, iov, control: room, control_len: 0, flags: 0 };
        let flags = (flags | MsgFlags::CMSG_CLOEXEC).raw();
        let len = self.calls(Vouch::for_owned()).recvmsg(self.fileno(socket), &mut hdr, flags)?;
        let (name_len, control_len, flags) = (hdr.name_len, hdr.control_len, MsgFlags::from_raw(hdr.flags));
        if let Some(control) = control {
            control.set_filled(control_len);
        }
        let name_len = i32::try_from(name_len).unwrap_or(SOCKADDR_MAX_LEN);
        Ok(Received { len, addr: known_name(&name, name_len), flags: flags.without(MsgFlags::CMSG_CLOEXEC) })
    }

    /// Ends one or both halves of a connection, `shutdown(2)`.
    ///
    /// # Errors
    /// `ENOTCONN`. On TCP that error does not mean that nothing happened: the halves are shut for this socket all the same.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    /// Os.shutdown(&a, Shutdown::Write)?;
    /// assert_eq!(Os.recv(&b, &mut [0; 1], MsgFlags::NONE)?, 0, "the end of the stream");
    /// assert_eq!(Os.send(&b, b"still open", MsgFlags::NONE)?, 10);
    /// # Ok::<(), Errno>(())
    /// ```
    fn shutdown(&self, socket: &Self::Socket, how: Shutdown) -> Result<()> {
        self.calls(Vouch::for_owned()).shutdown(self.fileno(socket), how.raw())
    }

    /// Closes the socket, `close(2)`, and reports what dropping it would not. The descriptor is gone in any case.
    ///
    /// # Errors
    /// `EINTR` (a lingering close), `EIO`.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// Os.close(socket)?;
    /// # Ok::<(), Errno>(())
    /// ```
    fn close(&self, socket: Self::Socket) -> Result<()> {
        let fd = self.release(socket);
        self.calls(Vouch::for_owned()).close(fd)
    }

    /// A second descriptor for the same socket, `fcntl(2)` with `F_DUPFD_CLOEXEC`; they share flags, options and position.
    ///
    /// # Errors
    /// `EMFILE`.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    /// let again = Os.dup(&a)?;
    /// drop(a);
    /// assert_eq!(Os.send(&again, b"still open", MsgFlags::NONE)?, 10);
    /// # drop(b);
    /// # Ok::<(), Errno>(())
    /// ```
    fn dup(&self, socket: &Self::Socket) -> Result<Self::Socket> {
        let fd = self.calls(Vouch::for_owned()).fcntl(self.fileno(socket), c::F_DUPFD_CLOEXEC, 0)?;
        Ok(self.adopt(fd, Vouch::for_owned()))
    }

    /// The socket's own address, `getsockname(2)`.
    ///
    /// # Errors
    /// `ENOTSOCK`, `ENOBUFS`.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// assert_eq!(Os.getsockname(&socket)?, SocketAddr::inet([0, 0, 0, 0].into(), 0));
    /// # Ok::<(), Errno>(())
    /// ```
    fn getsockname(&self, socket: &Self::Socket) -> Result<SocketAddr> {
        let mut bytes = [0; SOCKADDR_MAX_BYTES];
        let mut len = SOCKADDR_MAX_LEN;
        let name = Name { bytes: &mut bytes, len: &mut len };
        self.calls(Vouch::for_owned()).getsockname(self.fileno(socket), name)?;
        decode_name(&bytes, len)
    }

    /// The address of the other end, `getpeername(2)`.
    ///
    /// # Errors
    /// `ENOTCONN`, `ENOTSOCK`, `ENOBUFS`.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// assert_eq!(Os.getpeername(&socket), Err(Errno::NOTCONN));
    /// # Ok::<(), Errno>(())
    /// ```
    fn getpeername(&self, socket: &Self::Socket) -> Result<SocketAddr> {
        let mut bytes = [0; SOCKADDR_MAX_BYTES];
        let mut len = SOCKADDR_MAX_LEN;
        let name = Name { bytes: &mut bytes, len: &mut len };
        self.calls(Vouch::for_owned()).getpeername(self.fileno(socket), name)?;
        decode_name(&bytes, len)
    }

    /// The value of an integer option, `getsockopt(2)`.
    ///
    /// # Errors
    /// `ENOPROTOOPT` (no such option at that level), `EOPNOTSUPP`, `EINVAL` (a value that is shorter than an int).
    ///
    /// ```
    /// # use twinsock::*;
    /// use twinsock::consts::{SO_TYPE, SOCK_STREAM, SOL_SOCKET};
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// assert_eq!(Os.getsockopt(&socket, SOL_SOCKET, SO_TYPE)?, SOCK_STREAM);
    /// # Ok::<(), Errno>(())
    /// ```
    fn getsockopt(&self, socket: &Self::Socket, level: i32, name: i32) -> Result<i32> {
        self.option(socket, SocketOption::<i32>::new(level, name))
    }

    /// The value of an option as bytes, `getsockopt(2)`: stores up to `into.len()` of them and returns how many.
    ///
    /// # Errors
    /// `ENOPROTOOPT` (no such option at that level), `EINVAL`, `EOPNOTSUPP`, `ERANGE` (some options: too little room).
    ///
    /// ```
    /// # use twinsock::*;
    /// use twinsock::consts::{SO_LINGER, SOL_SOCKET};
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// assert_eq!(Os.getsockopt_bytes(&socket, SOL_SOCKET, SO_LINGER, &mut [0; 16])?, 8, "struct linger");
    /// # Ok::<(), Errno>(())
    /// ```
    fn getsockopt_bytes(&self, socket: &Self::Socket, level: i32, name: i32, into: &mut [u8]) -> Result<usize> {
        let mut len = i32::try_from(into.len()).unwrap_or(i32::MAX);
        self.calls(Vouch::for_owned()).getsockopt(self.fileno(socket), level, name, into, &mut len)?;
        // Some options say how long the value is, not how much of it was stored.
        Ok(usize::try_from(len).unwrap_or(0).min(into.len()))
    }

    /// Sets an integer option, `setsockopt(2)`.
    ///
    /// # Errors
    /// `ENOPROTOOPT` (no such option at that level), `EINVAL`, `EDOM`, `EPERM`, `EACCES`, `EISCONN`, `EOPNOTSUPP`, ...
    ///
    /// ```
    /// # use twinsock::*;
    /// use twinsock::consts::{SO_KEEPALIVE, SOL_SOCKET};
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// Os.setsockopt(&socket, SOL_SOCKET, SO_KEEPALIVE, 1)?;
    /// # Ok::<(), Errno>(())
    /// ```
    fn setsockopt(&self, socket: &Self::Socket, level: i32, name: i32, value: i32) -> Result<()> {
        self.setsockopt_bytes(socket, level, name, &value.to_ne_bytes())
    }

    /// Sets an option whose value is given as bytes, `setsockopt(2)`.
    ///
    /// # Errors
    /// Those of [`setsockopt`](SocketApi::setsockopt).
    ///
    /// ```
    /// # use twinsock::*;
    /// use twinsock::consts::{SOL_TCP, TCP_CONGESTION};
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// Os.setsockopt_bytes(&socket, SOL_TCP, TCP_CONGESTION, b"reno")?;
    /// # Ok::<(), Errno>(())
    /// ```
    fn setsockopt_bytes(&self, socket: &Self::Socket, level: i32, name: i32, value: &[u8]) -> Result<()> {
        self.calls(Vouch::for_owned()).setsockopt(self.fileno(socket), level, name, value)
    }

    /// The value of an option by its type, `getsockopt(2)`; the options are in [`crate::option`].
    ///
    /// # Errors
    /// Those of [`getsockopt_bytes`](SocketApi::getsockopt_bytes).
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// assert_eq!(Os.option(&socket, option::SO_DOMAIN)?, Domain::INET);
    /// # Ok::<(), Errno>(())
    /// ```
    fn option<V: OptionValue>(&self, socket: &Self::Socket, option: SocketOption<V>) -> Result<V> {
        const { assert!(V::BYTES <= OPTION_MAX_BYTES, "an option's value has at most OPTION_MAX_BYTES") };
        let mut bytes = [0; OPTION_MAX_BYTES];
        let room = &mut bytes[..V::BYTES];
        let len = self.getsockopt_bytes(socket, option.level(), option.name(), room)?;
        V::decode(&bytes[..len])
    }

    /// Sets an option by its type, `setsockopt(2)`; the options are in [`crate::option`].
    ///
    /// # Errors
    /// Those of [`setsockopt`](SocketApi::setsockopt).
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// Os.set_option(&socket, option::TCP_NODELAY, true)?;
    /// assert!(Os.option(&socket, option::TCP_NODELAY)?);
    /// # Ok::<(), Errno>(())
    /// ```
    fn set_option<V: OptionValue>(&self, socket: &Self::Socket, option: SocketOption<V>, value: V) -> Result<()> {
        self.setsockopt_bytes(socket, option.level(), option.name(), value.encode().as_bytes())
    }

    /// Makes calls on the socket wait or not (`O_NONBLOCK`), `ioctl(2)` with `FIONBIO`; its duplicates follow.
    ///
    /// # Errors
    /// `EBADF`: the socket is not of this world or process.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    /// Os.set_nonblocking(&a, true)?;
    /// assert_eq!(Os.recv(&a, &mut [0; 1], MsgFlags::NONE), Err(Errno::AGAIN));
    /// # drop(b);
    /// # Ok::<(), Errno>(())
    /// ```
    fn set_nonblocking(&self, socket: &Self::Socket, nonblocking: bool) -> Result<()> {
        let mut argument = i32::from(nonblocking);
        ioctl(self, socket, c::FIONBIO, &mut argument)
    }

    /// Whether calls on the socket do not wait, `fcntl(2)` with `F_GETFL`.
    ///
    /// # Errors
    /// `EBADF`: the socket is not of this world or process.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// assert!(!Os.nonblocking(&socket)?, "sockets block at first");
    /// # Ok::<(), Errno>(())
    /// ```
    fn nonblocking(&self, socket: &Self::Socket) -> Result<bool> {
        let flags = self.calls(Vouch::for_owned()).fcntl(self.fileno(socket), c::F_GETFL, 0)?;
        Ok(flags & c::O_NONBLOCK != 0)
    }

    /// How many bytes can be read (a stream), or the length of the next datagram, `ioctl(2)` with `FIONREAD`.
    ///
    /// # Errors
    /// `EINVAL`: a socket that listens.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    /// Os.send(&a, b"hello", MsgFlags::NONE)?;
    /// assert_eq!(Os.fionread(&b)?, 5);
    /// # Ok::<(), Errno>(())
    /// ```
    fn fionread(&self, socket: &Self::Socket) -> Result<usize> {
        let mut bytes = 0;
        ioctl(self, socket, c::FIONREAD, &mut bytes)?;
        Ok(usize::try_from(bytes).unwrap_or(0))
    }

    /// How many bytes (and a FIN) have been sent but are not acknowledged (TCP), or not received (unix, UDP), `ioctl(2)` with
    /// `SIOCOUTQ`.
    ///
    /// # Errors
    /// `EINVAL`: a socket that listens.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    /// assert_eq!(Os.siocoutq(&a)?, 0, "nothing waits at the other end");
    /// # drop(b);
    /// # Ok::<(), Errno>(())
    /// ```
    fn siocoutq(&self, socket: &Self::Socket) -> Result<usize> {
        let mut bytes = 0;
        ioctl(self, socket, c::TIOCOUTQ, &mut bytes)?;
        Ok(usize::try_from(bytes).unwrap_or(0))
    }

    /// Whether the next byte to be read is the one after urgent data, `ioctl(2)` with `SIOCATMARK`, `sockatmark(3)`.
    ///
    /// # Errors
    /// `ENOTTY`, `EINVAL`: the socket's type knows no urgent data.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// assert!(!Os.siocatmark(&socket)?);
    /// # Ok::<(), Errno>(())
    /// ```
    fn siocatmark(&self, socket: &Self::Socket) -> Result<bool> {
        let mut at_mark = 0;
        ioctl(self, socket, c::SIOCATMARK, &mut at_mark)?;
        Ok(at_mark != 0)
    }

    /// An entry for [`poll`](SocketApi::poll).
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// assert_eq!(Os.poll_entry(&socket, PollEvents::IN).events(), PollEvents::IN);
    /// # Ok::<(), Errno>(())
    /// ```
    fn poll_entry<'a>(&self, socket: &'a Self::Socket, events: PollEvents) -> PollFd<'a, Self::Socket> {
        PollFd::new(self, socket, events)
    }

    /// Waits until a socket is ready, `poll(2)`: how many entries have `revents`, 0 when `timeout` ran out (`None`: never).
    ///
    /// The timeout is rounded up to milliseconds.
    ///
    /// # Errors
    /// `EINTR`, `EINVAL` (more entries than descriptors may be open), `ENOMEM`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::{Domain, MsgFlags, Os, PollEvents, Protocol, SockFlags, SocketApi, Type};
    ///
    /// fn one_of_two(api: &impl SocketApi) -> twinsock::Result<()> {
    ///     let (a, b) = api.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    ///     api.send(&a, b"x", MsgFlags::NONE)?;
    ///     let mut fds = [api.poll_entry(&a, PollEvents::IN), api.poll_entry(&b, PollEvents::IN)];
    ///     assert_eq!(api.poll(&mut fds, Some(Duration::from_secs(5)))?, 1);
    ///     assert_eq!(fds.map(|fd| fd.revents()), [PollEvents::NONE, PollEvents::IN]);
    ///     Ok(())
    /// }
    /// one_of_two(&Os).unwrap();
    /// ```
    fn poll(&self, fds: &mut [PollFd<'_, Self::Socket>], timeout: Option<Duration>) -> Result<usize> {
        poll_copied(self.calls(Vouch::for_owned()), fds, timeout_millis(timeout))
    }

    /// Waits until a socket is ready, `select(2)`: leaves in the sets those that are, and returns how many; 0 when `timeout` ran
    /// out (`None`: never).
    ///
    /// The timeout is rounded up to microseconds.
    ///
    /// # Errors
    /// `EBADF` (a socket that is not open), `EINTR`, `EINVAL`, `ENOMEM`.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    /// Os.send(&a, b"x", MsgFlags::NONE)?;
    /// let mut read = SelectSet::new();
    /// read.insert(&Os, &b);
    /// assert_eq!(Os.select(Some(&mut read), None, None, None)?, 1);
    /// # Ok::<(), Errno>(())
    /// ```
    fn select(
        &self,
        read: Option<&mut SelectSet<'_, Self::Socket>>,
        write: Option<&mut SelectSet<'_, Self::Socket>>,
        except: Option<&mut SelectSet<'_, Self::Socket>>,
        timeout: Option<Duration>,
    ) -> Result<usize> {
        let nfds = |set: &Option<&mut SelectSet<'_, Self::Socket>>| set.as_ref().map_or(0, |set| set.nfds);
        let nfds = nfds(&read).max(nfds(&write)).max(nfds(&except));
        let sets = [read.map(SelectSet::fds_mut), write.map(SelectSet::fds_mut), except.map(SelectSet::fds_mut)];
        self.calls(Vouch::for_owned()).select(nfds, sets, timeout_micros(timeout))
    }

    /// Creates an epoll instance, `epoll_create1(2)`.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`.
    ///
    /// ```
    /// # use twinsock::*;
    /// let epoll = Os.epoll_create()?;
    /// # drop(epoll);
    /// # Ok::<(), Errno>(())
    /// ```
    fn epoll_create(&self) -> Result<Self::Socket> {
        let fd = self.calls(Vouch::for_owned()).epoll_create1(c::EPOLL_CLOEXEC)?;
        Ok(self.adopt(fd, Vouch::for_owned()))
    }

    /// Changes the interest list of an epoll instance, `epoll_ctl(2)`.
    ///
    /// The entry stays as long as any duplicate of `socket` is open, in this process or another.
    ///
    /// # Errors
    /// `EEXIST` (add: it is in the list), `ENOENT` (modify, delete: it is not), `EINVAL`, `ELOOP`, `ENOSPC`, `EPERM`.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    /// let (epoll, event) = (Os.epoll_create()?, raw::EpollEvent::new(EpollFlags::IN, 1));
    /// Os.epoll_ctl(&epoll, EpollOp::Add(event), &a)?;
    /// assert_eq!(Os.epoll_ctl(&epoll, EpollOp::Add(event), &a), Err(Errno::EXIST));
    /// Os.epoll_ctl(&epoll, EpollOp::Delete, &a)?;
    /// # drop(b);
    /// # Ok::<(), Errno>(())
    /// ```
    fn epoll_ctl(&self, epoll: &Self::Socket, op: EpollOp, socket: &Self::Socket) -> Result<()> {
        let (op, event) = match op {
            EpollOp::Add(event) => (c::EPOLL_CTL_ADD, Some(event)),
            EpollOp::Modify(event) => (c::EPOLL_CTL_MOD, Some(event)),
            EpollOp::Delete => (c::EPOLL_CTL_DEL, None),
        };
        self.calls(Vouch::for_owned()).epoll_ctl(self.fileno(epoll), op, self.fileno(socket), event)
    }

    /// Waits for events, `epoll_wait(2)`: stores up to `events.len()` of them and returns how many; 0 when `timeout` ran out
    /// (`None`: never).
    ///
    /// The timeout is rounded up to milliseconds.
    ///
    /// # Errors
    /// `EINTR`, `EINVAL` (not an epoll instance, or no room for events).
    ///
    /// ```
    /// use twinsock::raw::EpollEvent;
    /// use twinsock::{Domain, EpollFlags, EpollOp, MsgFlags, Os, Protocol, SockFlags, SocketApi, Type};
    ///
    /// fn an_event(api: &impl SocketApi) -> twinsock::Result<()> {
    ///     let (a, b) = api.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
    ///     let epoll = api.epoll_create()?;
    ///     api.epoll_ctl(&epoll, EpollOp::Add(EpollEvent::new(EpollFlags::IN, 7)), &b)?;
    ///     api.send(&a, b"x", MsgFlags::NONE)?;
    ///     let mut events = [EpollEvent::default(); 8];
    ///     assert_eq!(api.epoll_wait(&epoll, &mut events, None)?, 1);
    ///     assert_eq!(events[0], EpollEvent::new(EpollFlags::IN, 7));
    ///     Ok(())
    /// }
    /// an_event(&Os).unwrap();
    /// ```
    fn epoll_wait(&self, epoll: &Self::Socket, events: &mut [EpollEvent], timeout: Option<Duration>) -> Result<usize> {
        self.calls(Vouch::for_owned()).epoll_wait(self.fileno(epoll), events, timeout_millis(timeout))
    }
}

/// What [`SocketApi::recvmsg`] says beside data and control messages.
///
/// ```
/// # use twinsock::*;
/// # use std::io::IoSliceMut;
/// # let (a, b) = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
/// # Os.send(&a, b"hello", MsgFlags::NONE)?;
/// # let mut room = [0; 8];
/// let Received { len, addr, flags } = Os.recvmsg(&b, &mut [IoSliceMut::new(&mut room)], None, MsgFlags::NONE)?;
/// assert_eq!((len, addr, flags), (5, SocketAddr::Unspec, MsgFlags::NONE));
/// # Ok::<(), Errno>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many bytes came; with `MSG_TRUNC` asked for, the whole length of a datagram.
    pub len: usize,
    /// Who sent them; [`SocketAddr::Unspec`] where that is not said, as by [`SocketApi::recvfrom`].
    pub addr: SocketAddr,
    /// `TRUNC`, `CTRUNC`, `EOR`, `OOB`, `ERRQUEUE`.
    pub flags: MsgFlags,
}

/// `ioctl(2)` with a pointer to an int.
fn ioctl<A: SocketApi>(api: &A, socket: &A::Socket, request: i32, argument: &mut i32) -> Result<()> {
    let request = u64::from(request.cast_unsigned());
    api.calls(Vouch::for_owned()).ioctl(api.fileno(socket), request, argument).map(drop)
}

/// `poll(2)` on a copy of the entries; `Os` needs none.
fn poll_copied<S>(calls: &(impl Syscalls + ?Sized), fds: &mut [PollFd<'_, S>], timeout: i32) -> Result<usize> {
    const FEW: usize = 16;
    let none = raw::PollFd { fd: -1, events: 0, revents: 0 };
    let (mut few, mut many) = ([none; FEW], Vec::new());
    let copies = match few.get_mut(..fds.len()) {
        Some(copies) => copies,
        None => {
            many.resize(fds.len(), none);
            &mut many[..]
        }
    };
    for (copy, fd) in copies.iter_mut().zip(&*fds) {
        *copy = fd.raw();
    }
    let ready = calls.poll(copies, timeout)?;
    for (copy, fd) in copies.iter().zip(fds) {
        fd.set_raw_revents(copy.revents);
    }
    Ok(ready)
}

/// The address that came with data or a connection; one of an unknown family is left out rather than losing what it came with.
#[inline]
fn known_name(bytes: &[u8], len: i32) -> SocketAddr {
    decode_name(bytes, len).unwrap_or(SocketAddr::Unspec)
}

/// The address that a call stored in `bytes`, having said that it is `len` long.
#[inline]
fn decode_name(bytes: &[u8], len: i32) -> Result<SocketAddr> {
    let len = usize::try_from(len).unwrap_or(0).min(bytes.len());
    if len == 0 { Ok(SocketAddr::Unspec) } else { SocketAddr::decode(&bytes[..len]) }
}
