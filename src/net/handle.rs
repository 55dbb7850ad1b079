//! [`Handle`]: what all types of this room are made of, an owned descriptor and its world; and the methods they share.

use crate::addr::{SocketAddr, UnixAddr};
use crate::api::SocketApi;
use crate::errno::{Errno, Result};
use crate::option::{OptionValue, SO_ERROR, SocketOption, Timeout};
use crate::types::{Domain, MsgFlags, Protocol, Shutdown, SockFlags, Type};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::time::Duration;

/// `UIO_MAXIOV`: how many slices one call takes; std cuts off the rest.
const IOV_MAX: usize = 1024;

/// An owned descriptor and its world.
pub(super) struct Handle<A: SocketApi> {
    pub(super) api: A,
    pub(super) socket: A::Socket,
}

impl<A: SocketApi> Handle<A> {
    pub(super) fn new(api: &A, domain: Domain, kind: Type) -> Result<Handle<A>> {
        let socket = api.socket(domain, kind, SockFlags::NONE, Protocol::DEFAULT)?;
        Ok(Handle { api: api.clone(), socket })
    }

    pub(super) fn pair(api: &A, kind: Type) -> Result<(Handle<A>, Handle<A>)> {
        let (a, b) = api.socketpair(Domain::UNIX, kind, SockFlags::NONE, Protocol::DEFAULT)?;
        Ok((Handle { api: api.clone(), socket: a }, Handle { api: api.clone(), socket: b }))
    }

    pub(super) fn dup(&self) -> Result<Handle<A>> {
        Ok(Handle { socket: self.api.dup(&self.socket)?, api: self.api.clone() })
    }

    pub(super) fn bind(&self, addr: &SocketAddr) -> Result<()> {
        self.api.bind(&self.socket, addr)
    }

    /// Connects, again after `EINTR`: connecting went on meanwhile, and may have come to its end.
    #[inline(always)]
    pub(super) fn connect_uninterrupted(&self, addr: &SocketAddr) -> Result<()> {
        loop {
            match self.api.connect(&self.socket, addr) {
                Err(Errno::INTR) => {}
                Err(Errno::ISCONN) => return Ok(()),
                outcome => return outcome,
            }
        }
    }

    /// Accepts, again after `EINTR`.
    #[inline(always)]
    pub(super) fn accept_uninterrupted(&self) -> Result<(Handle<A>, SocketAddr)> {
        loop {
            match self.api.accept(&self.socket, SockFlags::NONE) {
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
                Ok((socket, addr)) => return Ok((Handle { api: self.api.clone(), socket }, addr)),
            }
        }
    }

    #[inline(always)]
    pub(super) fn recv(&self, into: &mut [u8], flags: MsgFlags) -> io::Result<usize> {
        Ok(self.api.recv(&self.socket, into, flags)?)
    }

    #[inline(always)]
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.api.send(&self.socket, bytes, MsgFlags::NONE)?)
    }

    /// Receives until all of `into` is filled, after a first call that came to `outcome`; again after `EINTR`.
    #[cold]
    pub(super) fn recv_rest(&self, mut into: &mut [u8], mut outcome: io::Result<usize>) -> io::Result<()> {
        loop {
            match outcome {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "failed to fill whole buffer")),
                Ok(received) => into = &mut into[received..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if into.is_empty() {
                return Ok(());
            }
            outcome = self.recv(into, MsgFlags::NONE);
        }
    }

    /// Sends until all of `bytes` is sent, after a first call that came to `outcome`; again after `EINTR`.
    #[cold]
    pub(super) fn send_rest(&self, mut bytes: &[u8], mut outcome: io::Result<usize>) -> io::Result<()> {
        loop {
            match outcome {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::WriteZero, "failed to write whole buffer")),
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if bytes.is_empty() {
                return Ok(());
            }
            outcome = self.send(bytes);
        }
    }

    /// As `readv(2)`: no room is no call.
    pub(super) fn recv_vectored(&self, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if into.iter().all(|slice| slice.is_empty()) {
            return Ok(0);
        }
        let most = into.len().min(IOV_MAX);
        Ok(self.api.recvmsg(&self.socket, &mut into[..most], None, MsgFlags::NONE)?.len)
    }

    /// As `writev(2)`, without SIGPIPE: no data is no call.
    pub(super) fn send_vectored(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        if bytes.iter().all(|slice| slice.is_empty()) {
            return Ok(0);
        }
        Ok(self.api.sendmsg(&self.socket, &bytes[..bytes.len().min(IOV_MAX)], None, None, MsgFlags::NONE)?)
    }

    pub(super) fn shutdown(&self, how: std::net::Shutdown) -> io::Result<()> {
        let how = match how {
            std::net::Shutdown::Read => Shutdown::Read,
            std::net::Shutdown::Write => Shutdown::Write,
            std::net::Shutdown::Both => Shutdown::Both,
        };
        Ok(self.api.shutdown(&self.socket, how)?)
    }

    pub(super) fn option<V: OptionValue>(&self, option: SocketOption<V>) -> io::Result<V> {
        Ok(self.api.option(&self.socket, option)?)
    }

    pub(super) fn set_option<V: OptionValue>(&self, option: SocketOption<V>, value: V) -> io::Result<()> {
        Ok(self.api.set_option(&self.socket, option, value)?)
    }

    pub(super) fn timeout(&self, option: SocketOption<Timeout>) -> io::Result<Option<Duration>> {
        Ok(self.option(option)?.0)
    }

    /// Zero is refused, as in std: it would mean "for ever".
    pub(super) fn set_timeout(&self, option: SocketOption<Timeout>, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            return Err(Errno::INVAL.into());
        }
        self.set_option(option, Timeout(timeout))
    }

    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.option(SO_ERROR)?.map(io::Error::from))
    }

    pub(super) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        Ok(self.api.set_nonblocking(&self.socket, nonblocking)?)
    }

    pub(super) fn getsockname(&self) -> Result<SocketAddr> {
        self.api.getsockname(&self.socket)
    }

    pub(super) fn getpeername(&self) -> Result<SocketAddr> {
        self.api.getpeername(&self.socket)
    }

    /// The fields that std prints: own address, the other end's, number.
    pub(super) fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct(name);
        if let Ok(addr) = self.getsockname() {
            fields.field("addr", &addr);
        }
        if let Ok(peer) = self.getpeername() {
            fields.field("peer", &peer);
        }
        fields.field("fd", &self.api.fileno(&self.socket)).finish()
    }
}

/// The address of an inet socket, in std's type.
#[inline]
pub(super) fn inet(addr: &SocketAddr) -> io::Result<std::net::SocketAddr> {
    addr.as_inet().ok_or_else(|| Errno::INVAL.into())
}

/// The address of a unix socket; a sender without a name has an empty address.
pub(super) fn unix(addr: SocketAddr) -> io::Result<UnixAddr> {
    match addr {
        SocketAddr::Unix(addr) => Ok(addr),
        SocketAddr::Unspec => Ok(UnixAddr::Unnamed),
        SocketAddr::V4(_) | SocketAddr::V6(_) => Err(Errno::INVAL.into()),
    }
}

/// The methods and traits that all types of this room have.
macro_rules! shared {
    ($type:ident) => {
        impl<A: SocketApi> $type<A> {
            /// The type around an owned descriptor.
            ///
            /// ```
            /// use twinsock::*;
            /// let owned = Os.socket(Domain::INET, Type::DGRAM, SockFlags::NONE, Protocol::UDP)?;
            /// let socket = net::UdpSocket::from_owned(&Os, owned);
            /// # drop(socket);
            /// # Ok::<(), std::io::Error>(())
            /// ```
            #[must_use]
            pub fn from_owned(api: &A, owned: A::Socket) -> $type<A> {
                $type(Handle { api: api.clone(), socket: owned })
            }

            /// The owned descriptor.
            ///
            /// ```
            /// use twinsock::{Os, SocketApi, net::UnixStream};
            /// let (a, _b) = UnixStream::pair(&Os)?;
            /// Os.close(a.into_owned())?;
            /// # Ok::<(), std::io::Error>(())
            /// ```
            #[must_use]
            pub fn into_owned(self) -> A::Socket {
                self.0.socket
            }

            /// The owned descriptor, for calls of [`SocketApi`] that have no method here.
            ///
            /// ```
            /// use twinsock::{Os, SocketApi, net::UnixStream};
            /// let (a, _b) = UnixStream::pair(&Os)?;
            /// assert_eq!(Os.fionread(a.owned())?, 0);
            /// # Ok::<(), std::io::Error>(())
            /// ```
            #[must_use]
            pub fn owned(&self) -> &A::Socket {
                &self.0.socket
            }

            /// The world of the socket.
            ///
            /// ```
            /// use twinsock::{Os, SocketApi, net::UnixStream};
            /// let (a, _b) = UnixStream::pair(&Os)?;
            /// assert_eq!(*a.api(), Os);
            /// # Ok::<(), std::io::Error>(())
            /// ```
            #[must_use]
            pub fn api(&self) -> &A {
                &self.0.api
            }

            /// A second handle for the same socket, [`SocketApi::dup`].
            ///
            /// # Errors
            /// `EMFILE`.
            ///
            /// ```
            /// use std::io::{Read, Write};
            /// use twinsock::{Os, net::UnixStream};
            /// let (a, mut b) = UnixStream::pair(&Os)?;
            /// a.try_clone()?.write_all(b"hello")?;
            /// assert_eq!(b.read(&mut [0; 8])?, 5);
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn try_clone(&self) -> io::Result<$type<A>> {
                Ok($type(self.0.dup()?))
            }

            /// Takes the error that waits on the socket, `SO_ERROR`.
            ///
            /// # Errors
            /// Those of [`SocketApi::option`].
            ///
            /// ```
            /// use twinsock::{Os, net::UnixStream};
            /// let (a, _b) = UnixStream::pair(&Os)?;
            /// assert!(a.take_error()?.is_none());
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.0.take_error()
            }

            /// Makes calls on the socket wait or not; its clones follow.
            ///
            /// # Errors
            /// Those of [`SocketApi::set_nonblocking`].
            ///
            /// ```
            /// use std::io::{ErrorKind, Read};
            /// use twinsock::{Os, net::UnixStream};
            /// let (mut a, _b) = UnixStream::pair(&Os)?;
            /// a.set_nonblocking(true)?;
            /// assert_eq!(a.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                self.0.set_nonblocking(nonblocking)
            }
        }

        impl<A: SocketApi> From<$type<A>> for Socket<A> {
            fn from(socket: $type<A>) -> Socket<A> {
                Socket::from_owned(&socket.0.api, socket.0.socket)
            }
        }

        impl<A: SocketApi> fmt::Debug for $type<A> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.debug(stringify!($type), f)
            }
        }
    };
}

/// The methods of types that send and receive.
macro_rules! timeouts {
    ($type:ident) => {
        impl<A: SocketApi> $type<A> {
            /// How long receiving waits, `SO_RCVTIMEO`; `None` for ever.
            ///
            /// # Errors
            /// Those of [`SocketApi::option`].
            ///
            /// ```
            /// use twinsock::{Os, net::UdpSocket};
            /// let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
            /// assert_eq!(socket.read_timeout()?, None);
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
                self.0.timeout(option::SO_RCVTIMEO)
            }

            /// Limits how long receiving waits, `SO_RCVTIMEO`; it fails with `WouldBlock` then.
            ///
            /// # Errors
            /// `InvalidInput`: a zero `Duration`.
            ///
            /// ```
            /// use std::io::ErrorKind;
            /// use std::time::Duration;
            /// use twinsock::{Os, net::UdpSocket};
            /// let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
            /// socket.set_read_timeout(Some(Duration::from_millis(8)))?;
            /// assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.0.set_timeout(option::SO_RCVTIMEO, timeout)
            }

            /// How long sending waits, `SO_SNDTIMEO`; `None` for ever.
            ///
            /// # Errors
            /// Those of [`SocketApi::option`].
            ///
            /// ```
            /// use twinsock::{Os, net::UdpSocket};
            /// let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
            /// assert_eq!(socket.write_timeout()?, None);
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
                self.0.timeout(option::SO_SNDTIMEO)
            }

            /// Limits how long sending waits, `SO_SNDTIMEO`; it fails with `WouldBlock` then.
            ///
            /// # Errors
            /// `InvalidInput`: a zero `Duration`.
            ///
            /// ```
            /// use std::time::Duration;
            /// use twinsock::{Os, net::UdpSocket};
            /// let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
            /// socket.set_write_timeout(Some(Duration::from_secs(1)))?;
            /// assert_eq!(socket.write_timeout()?, Some(Duration::from_secs(1)));
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.0.set_timeout(option::SO_SNDTIMEO, timeout)
            }
        }
    };
}

/// `Read` and `Write` of a stream, on the type and on a reference to it.
macro_rules! stream {
    ($($type:ty),*) => {$(
        impl<A: SocketApi> Read for $type {
            #[inline(always)]
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                self.0.recv(into, MsgFlags::NONE)
            }

            fn read_vectored(&mut self, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.0.recv_vectored(into)
            }

            /// As the trait has it; what one call brings, as it usually does, takes no loop.
            #[inline(always)]
            fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
                if into.is_empty() {
                    return Ok(());
                }
                match self.0.recv(into, MsgFlags::NONE) {
                    Ok(received) if received == into.len() => Ok(()),
                    first => self.0.recv_rest(into, first),
                }
            }
        }

        impl<A: SocketApi> Write for $type {
            #[inline(always)]
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.send(bytes)
            }

            fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
                self.0.send_vectored(bytes)
            }

            /// As the trait has it; what one call takes, as it usually does, takes no loop.
            #[inline(always)]
            fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
                if bytes.is_empty() {
                    return Ok(());
                }
                match self.0.send(bytes) {
                    Ok(sent) if sent == bytes.len() => Ok(()),
                    first => self.0.send_rest(bytes, first),
                }
            }

            /// Nothing is buffered here.
            #[inline]
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    )*};
}

pub(super) use {shared, stream, timeouts};
