//! [`Socket`]: the classic socket object, with the methods that socket objects have had since 1996, by their names.

use crate::addr::SocketAddr;
use crate::api::SocketApi;
use crate::errno::{Errno, Result};
use crate::file::SocketFile;
use crate::option::{OptionValue, SocketOption};
use crate::raw::RawFd;
use crate::types::{Domain, MsgFlags, Protocol, Shutdown, SockFlags, Type};
use std::fmt;

/// A socket of the world `A`.
///
/// Each method is the system call it is named for, so [`SocketApi`] documents the errors; [`makefile`](Socket::makefile) alone is
/// not a system call. Dropping the socket closes it. After [`close`](Socket::close) every method fails with `EBADF`.
///
/// ```
/// use twinsock::{Domain, MsgFlags, Os, Protocol, Socket, SocketAddr, SocketApi, Type};
///
/// fn hello(api: &impl SocketApi) -> twinsock::Result<()> {
///     let listener = Socket::new(api, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
///     listener.bind(&SocketAddr::inet([127, 0, 0, 1].into(), 0))?;
///     listener.listen(1)?;
///
///     let client = Socket::new(api, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
///     client.connect(&listener.getsockname()?)?;
///     let (conn, address) = listener.accept()?;
///     assert_eq!(address, client.getsockname()?);
///
///     client.send(b"Hello, world", MsgFlags::NONE)?;
///     assert_eq!(conn.recv(1024, MsgFlags::NONE)?, b"Hello, world");
///     Ok(())
/// }
/// hello(&Os).unwrap();
/// ```
pub struct Socket<A: SocketApi> {
    api: A,
    /// `None` after `close`.
    owned: Option<A::Socket>,
}

impl<A: SocketApi> Socket<A> {
    /// Creates a socket, `socket(2)`; it blocks.
    ///
    /// # Errors
    /// Those of [`SocketApi::socket`].
    ///
    /// ```
    /// # use twinsock::*;
    /// let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// # drop(socket);
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn new(api: &A, domain: Domain, kind: Type, protocol: Protocol) -> Result<Socket<A>> {
        let owned = api.socket(domain, kind, SockFlags::NONE, protocol)?;
        Ok(Socket::from_owned(api, owned))
    }

    /// Creates two connected sockets, `socketpair(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::socketpair`].
    ///
    /// ```
    /// # use twinsock::*;
    /// let (a, b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
    /// a.send(b"x", MsgFlags::NONE)?;
    /// assert_eq!(b.recv(16, MsgFlags::NONE)?, b"x");
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn pair(api: &A, domain: Domain, kind: Type, protocol: Protocol) -> Result<(Socket<A>, Socket<A>)> {
        let (a, b) = api.socketpair(domain, kind, SockFlags::NONE, protocol)?;
        Ok((Socket::from_owned(api, a), Socket::from_owned(api, b)))
    }

    /// A socket object around an owned descriptor.
    ///
    /// ```
    /// # use twinsock::*;
    /// let owned = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONBLOCK, Protocol::DEFAULT)?;
    /// let socket = Socket::from_owned(&Os, owned);
    /// # drop(socket);
    /// # Ok::<(), Errno>(())
    /// ```
    #[must_use]
    pub fn from_owned(api: &A, owned: A::Socket) -> Socket<A> {
        Socket { api: api.clone(), owned: Some(owned) }
    }

    /// The owned descriptor; `None` after `close`.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// let owned = socket.into_owned().ok_or(Errno::BADF)?;
    /// Os.close(owned)?;
    /// # Ok::<(), Errno>(())
    /// ```
    #[must_use]
    pub fn into_owned(self) -> Option<A::Socket> {
        self.owned
    }

    /// The owned descriptor, for calls of [`SocketApi`] that have no method here.
    ///
    /// # Errors
    /// `EBADF`: the socket is closed.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// assert_eq!(Os.nonblocking(socket.owned()?), Ok(false));
    /// # Ok::<(), Errno>(())
    /// ```
    #[inline]
    pub fn owned(&self) -> Result<&A::Socket> {
        self.owned.as_ref().ok_or(Errno::BADF)
    }

    /// The world of the socket.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// assert_eq!(*socket.api(), Os);
    /// # Ok::<(), Errno>(())
    /// ```
    #[must_use]
    pub fn api(&self) -> &A {
        &self.api
    }

    /// Accepts a connection, `accept(2)`: a new socket and the address of its other end.
    ///
    /// The socket must be bound to an address and listening.
    ///
    /// # Errors
    /// Those of [`SocketApi::accept`].
    ///
    /// ```
    /// # use twinsock::*;
    /// let listener = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// listener.bind(&SocketAddr::inet([127, 0, 0, 1].into(), 0))?;
    /// listener.listen(1)?;
    /// let client = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// client.connect(&listener.getsockname()?)?;
    /// let (conn, address) = listener.accept()?;
    /// assert_eq!((conn.getpeername()?, client.getsockname()?), (address.clone(), address));
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn accept(&self) -> Result<(Socket<A>, SocketAddr)> {
        let (owned, address) = self.api.accept(self.owned()?, SockFlags::NONE)?;
        Ok((Socket::from_owned(&self.api, owned), address))
    }

    /// Binds the socket to an address, `bind(2)`. It must not be bound already.
    ///
    /// # Errors
    /// Those of [`SocketApi::bind`].
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::DGRAM, Protocol::DEFAULT)?;
    /// socket.bind(&SocketAddr::inet([127, 0, 0, 1].into(), 0))?;
    /// assert_eq!(socket.bind(&SocketAddr::inet([127, 0, 0, 1].into(), 0)), Err(Errno::INVAL));
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn bind(&self, address: &SocketAddr) -> Result<()> {
        self.api.bind(self.owned()?, address)
    }

    /// Closes the socket, `close(2)`: all further operations fail with `EBADF`, a second `close` too.
    ///
    /// The other end receives what has been sent and then the end of the stream; if input is left unread, Linux resets the
    /// connection instead.
    ///
    /// # Errors
    /// `EBADF`: closed already. Those of [`SocketApi::close`].
    ///
    /// ```
    /// # use twinsock::*;
    /// let mut socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// socket.close()?;
    /// assert_eq!((socket.close(), socket.fileno()), (Err(Errno::BADF), -1));
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn close(&mut self) -> Result<()> {
        self.api.close(self.owned.take().ok_or(Errno::BADF)?)
    }

    /// Connects to a socket at an address, `connect(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::connect`].
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::DGRAM, Protocol::DEFAULT)?;
    /// # socket.bind(&SocketAddr::inet([127, 0, 0, 1].into(), 0))?;
    /// let peer = Socket::new(&Os, Domain::INET, Type::DGRAM, Protocol::DEFAULT)?;
    /// peer.connect(&socket.getsockname()?)?;
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn connect(&self, address: &SocketAddr) -> Result<()> {
        self.api.connect(self.owned()?, address)
    }

    /// The descriptor's number, a small integer; -1 after `close`.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// assert!(socket.fileno() >= 0);
    /// # Ok::<(), Errno>(())
    /// ```
    #[must_use]
    pub fn fileno(&self) -> RawFd {
        self.owned.as_ref().map_or(-1, |owned| self.api.fileno(owned))
    }

    /// The address of the other end, `getpeername(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::getpeername`].
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// assert_eq!(socket.getpeername(), Err(Errno::NOTCONN));
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn getpeername(&self) -> Result<SocketAddr> {
        self.api.getpeername(self.owned()?)
    }

    /// The socket's own address, `getsockname(2)`; this tells which port the kernel chose.
    ///
    /// # Errors
    /// Those of [`SocketApi::getsockname`].
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::DGRAM, Protocol::DEFAULT)?;
    /// # socket.bind(&SocketAddr::inet([127, 0, 0, 1].into(), 0))?;
    /// assert_ne!(socket.getsockname()?.port(), Some(0));
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn getsockname(&self) -> Result<SocketAddr> {
        self.api.getsockname(self.owned()?)
    }

    /// The value of an integer option, `getsockopt(2)`; levels and names are in [`crate::consts`].
    ///
    /// # Errors
    /// Those of [`SocketApi::getsockopt`].
    ///
    /// ```
    /// # use twinsock::*;
    /// use twinsock::consts::{SO_TYPE, SOCK_STREAM, SOL_SOCKET};
    /// # let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// assert_eq!(socket.getsockopt(SOL_SOCKET, SO_TYPE)?, SOCK_STREAM);
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn getsockopt(&self, level: i32, name: i32) -> Result<i32> {
        self.api.getsockopt(self.owned()?, level, name)
    }

    /// The value of an option as bytes, at most `buflen` of them, `getsockopt(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::getsockopt_bytes`]; `ENOMEM`: no memory for `buflen` bytes.
    ///
    /// ```
    /// # use twinsock::*;
    /// use twinsock::consts::{SO_LINGER, SOL_SOCKET};
    /// # let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// assert_eq!(socket.getsockopt_bytes(SOL_SOCKET, SO_LINGER, 64)?, [0; 8]);
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn getsockopt_bytes(&self, level: i32, name: i32, buflen: usize) -> Result<Vec<u8>> {
        let owned = self.owned()?;
        let mut bytes = buffer(buflen)?;
        let len = self.api.getsockopt_bytes(owned, level, name, &mut bytes)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Listens for connections, `listen(2)`. Linux lets `backlog` + 1 of them wait, up to the sysctl `net.core.somaxconn`.
    ///
    /// # Errors
    /// Those of [`SocketApi::listen`].
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// socket.listen(5)?;
    /// assert_eq!(socket.option(option::SO_ACCEPTCONN)?, true);
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn listen(&self, backlog: i32) -> Result<()> {
        self.api.listen(self.owned()?, backlog)
    }

    /// A buffered file on a duplicate of the descriptor: file and socket may be closed independently.
    ///
    /// `mode` and `bufsize` are those of the classic `open()`: see [`SocketFile::new`].
    ///
    /// # Errors
    /// `EINVAL`: a bad mode. `EMFILE`. `ENOMEM`: no memory for the buffer.
    ///
    /// ```
    /// # use twinsock::*;
    /// use std::io::Write;
    /// # let (a, b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
    /// writeln!(a.makefile("w", -1).unwrap(), "hello").unwrap();
    /// assert_eq!(b.makefile("r", -1)?.readline()?, b"hello\n");
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn makefile(&self, mode: &str, bufsize: i32) -> Result<SocketFile<A>> {
        let owned = self.owned()?;
        SocketFile::new(&self.api, || self.api.dup(owned), mode, bufsize)
    }

    /// Receives up to `bufsize` bytes, `recv(2)`; none is the end of the stream.
    ///
    /// # Errors
    /// Those of [`SocketApi::recv`]; `ENOMEM`: no memory for `bufsize` bytes.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
    /// a.send(b"hello", MsgFlags::NONE)?;
    /// assert_eq!(b.recv(2, MsgFlags::NONE)?, b"he");
    /// assert_eq!(b.recv(64, MsgFlags::NONE)?, b"llo");
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn recv(&self, bufsize: usize, flags: MsgFlags) -> Result<Vec<u8>> {
        let owned = self.owned()?;
        let mut bytes = buffer(bufsize)?;
        let len = self.api.recv(owned, &mut bytes, flags)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Receives into a buffer, `recv(2)`, and returns how many bytes; with `MSG_TRUNC` that may be more than there is room for.
    ///
    /// # Errors
    /// Those of [`SocketApi::recv`].
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
    /// a.send(b"hello", MsgFlags::NONE)?;
    /// let mut bytes = [0; 16];
    /// assert_eq!(b.recv_into(&mut bytes, MsgFlags::NONE)?, 5);
    /// # Ok::<(), Errno>(())
    /// ```
    #[inline]
    pub fn recv_into(&self, into: &mut [u8], flags: MsgFlags) -> Result<usize> {
        self.api.recv(self.owned()?, into, flags)
    }

    /// Receives up to `bufsize` bytes and the address of the socket that sent them, `recvfrom(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::recvfrom`]; `ENOMEM`: no memory for `bufsize` bytes.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::DGRAM, Protocol::DEFAULT)?;
    /// # socket.bind(&SocketAddr::inet([127, 0, 0, 1].into(), 0))?;
    /// let own = socket.getsockname()?;
    /// socket.sendto(b"hello", MsgFlags::NONE, &own)?;
    /// assert_eq!(socket.recvfrom(64, MsgFlags::NONE)?, (b"hello".to_vec(), own));
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn recvfrom(&self, bufsize: usize, flags: MsgFlags) -> Result<(Vec<u8>, SocketAddr)> {
        let owned = self.owned()?;
        let mut bytes = buffer(bufsize)?;
        let (len, address) = self.api.recvfrom(owned, &mut bytes, flags)?;
        bytes.truncate(len);
        Ok((bytes, address))
    }

    /// Receives into a buffer, `recvfrom(2)`: how many bytes, and the address of the socket that sent them.
    ///
    /// # Errors
    /// Those of [`SocketApi::recvfrom`].
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::DGRAM, Protocol::DEFAULT)?;
    /// # socket.bind(&SocketAddr::inet([127, 0, 0, 1].into(), 0))?;
    /// let own = socket.getsockname()?;
    /// socket.sendto(b"hello", MsgFlags::NONE, &own)?;
    /// assert_eq!(socket.recvfrom_into(&mut [0; 64], MsgFlags::NONE)?, (5, own));
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn recvfrom_into(&self, into: &mut [u8], flags: MsgFlags) -> Result<(usize, SocketAddr)> {
        self.api.recvfrom(self.owned()?, into, flags)
    }

    /// Sends bytes on a connected socket, `send(2)`, and returns how many were taken.
    ///
    /// # Errors
    /// Those of [`SocketApi::send`].
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
    /// assert_eq!(a.send(b"hello", MsgFlags::NONE)?, 5);
    /// # drop(b);
    /// # Ok::<(), Errno>(())
    /// ```
    #[inline]
    pub fn send(&self, bytes: &[u8], flags: MsgFlags) -> Result<usize> {
        self.api.send(self.owned()?, bytes, flags)
    }

    /// Sends bytes to an address, `sendto(2)`, and returns how many were taken. The socket should not be connected.
    ///
    /// # Errors
    /// Those of [`SocketApi::sendto`].
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::DGRAM, Protocol::DEFAULT)?;
    /// # socket.bind(&SocketAddr::inet([127, 0, 0, 1].into(), 0))?;
    /// assert_eq!(socket.sendto(b"hello", MsgFlags::NONE, &socket.getsockname()?)?, 5);
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn sendto(&self, bytes: &[u8], flags: MsgFlags, address: &SocketAddr) -> Result<usize> {
        self.api.sendto(self.owned()?, bytes, flags, address)
    }

    /// Sets blocking or non-blocking mode; all sockets start in blocking mode.
    ///
    /// In non-blocking mode, a call that cannot proceed at once fails with `EAGAIN` (`connect`: `EINPROGRESS`).
    ///
    /// # Errors
    /// `EBADF`: the socket is closed.
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
    /// a.setblocking(false)?;
    /// assert_eq!(a.recv(64, MsgFlags::NONE), Err(Errno::AGAIN));
    /// # drop(b);
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn setblocking(&self, flag: bool) -> Result<()> {
        self.api.set_nonblocking(self.owned()?, !flag)
    }

    /// Sets an integer option, `setsockopt(2)`; levels and names are in [`crate::consts`].
    ///
    /// # Errors
    /// Those of [`SocketApi::setsockopt`].
    ///
    /// ```
    /// # use twinsock::*;
    /// use twinsock::consts::{SO_KEEPALIVE, SOL_SOCKET};
    /// # let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// socket.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)?;
    /// assert_eq!(socket.getsockopt(SOL_SOCKET, SO_KEEPALIVE)?, 1);
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn setsockopt(&self, level: i32, name: i32, value: i32) -> Result<()> {
        self.api.setsockopt(self.owned()?, level, name, value)
    }

    /// Sets an option whose value is given as bytes, `setsockopt(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::setsockopt`].
    ///
    /// ```
    /// # use twinsock::*;
    /// use twinsock::consts::{SOL_TCP, TCP_CONGESTION};
    /// # let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// socket.setsockopt_bytes(SOL_TCP, TCP_CONGESTION, b"reno")?;
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn setsockopt_bytes(&self, level: i32, name: i32, value: &[u8]) -> Result<()> {
        self.api.setsockopt_bytes(self.owned()?, level, name, value)
    }

    /// Ends one or both halves of the connection, `shutdown(2)`: further receives, sends or both are disallowed.
    ///
    /// After [`Shutdown::Read`] Linux still hands over what is queued and what arrives, and then the end of the stream.
    ///
    /// # Errors
    /// Those of [`SocketApi::shutdown`].
    ///
    /// ```
    /// # use twinsock::*;
    /// # let (a, b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
    /// a.shutdown(Shutdown::Write)?;
    /// assert_eq!(b.recv(64, MsgFlags::NONE)?, b"", "the end of the stream");
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
        self.api.shutdown(self.owned()?, how)
    }

    /// The value of an option by its type; the options are in [`crate::option`].
    ///
    /// # Errors
    /// Those of [`SocketApi::option`].
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// assert_eq!(socket.option(option::SO_TYPE)?, Type::STREAM);
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn option<V: OptionValue>(&self, option: SocketOption<V>) -> Result<V> {
        self.api.option(self.owned()?, option)
    }

    /// Sets an option by its type; the options are in [`crate::option`].
    ///
    /// # Errors
    /// Those of [`SocketApi::set_option`].
    ///
    /// ```
    /// # use twinsock::*;
    /// # let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    /// socket.set_option(option::TCP_NODELAY, true)?;
    /// assert!(socket.option(option::TCP_NODELAY)?);
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn set_option<V: OptionValue>(&self, option: SocketOption<V>, value: V) -> Result<()> {
        self.api.set_option(self.owned()?, option, value)
    }
}

impl<A: SocketApi> fmt::Debug for Socket<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fileno() {
            -1 => f.write_str("Socket(closed)"),
            fd => write!(f, "Socket({fd})"),
        }
    }
}

/// Zeros to receive into: as many as asked for, but no more than one call can fill (`MAX_RW_COUNT`).
fn buffer(len: usize) -> Result<Vec<u8>> {
    const MAX_RW_COUNT: usize = 0x7FFF_F000;
    let len = len.min(MAX_RW_COUNT);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Errno::NOMEM)?;
    bytes.resize(len, 0);
    Ok(bytes)
}
