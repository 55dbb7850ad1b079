//! [`UnixListener`], [`UnixStream`] and [`UnixDatagram`], as `std::os::unix::net` shapes them.

use super::handle::{Handle, shared, stream, timeouts, unix};
use crate::addr::{SocketAddr, UnixAddr};
use crate::api::SocketApi;
use crate::option::{self, Credentials};
use crate::socket::Socket;
use crate::types::{Domain, MsgFlags, Type};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::time::Duration;

/// std's backlog for unix sockets: as much as `net.core.somaxconn` allows.
const BACKLOG: i32 = -1;

/// The methods that say who is at the ends.
macro_rules! names {
    ($type:ident) => {
        impl<A: SocketApi> $type<A> {
            /// The socket's own address, `getsockname(2)`.
            ///
            /// # Errors
            /// Those of [`SocketApi::getsockname`].
            ///
            /// ```
            /// # use twinsock::{Os, net::UnixStream};
            /// let (a, _b) = UnixStream::pair(&Os)?;
            /// assert!(a.local_addr()?.is_unnamed());
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn local_addr(&self) -> io::Result<UnixAddr> {
                unix(self.0.getsockname()?)
            }
        }
    };
}

/// The methods of sockets that have a peer.
macro_rules! peers {
    ($type:ident) => {
        impl<A: SocketApi> $type<A> {
            /// Two connected sockets without a name, `socketpair(2)`.
            ///
            /// # Errors
            /// Those of [`SocketApi::socketpair`].
            ///
            /// ```
            /// # use twinsock::{Os, net::UnixStream};
            /// let (a, b) = UnixStream::pair(&Os)?;
            /// # drop((a, b));
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn pair(api: &A) -> io::Result<($type<A>, $type<A>)> {
                let (a, b) = Handle::pair(api, Self::TYPE)?;
                Ok(($type(a), $type(b)))
            }

            /// The address of the other end, `getpeername(2)`.
            ///
            /// # Errors
            /// Those of [`SocketApi::getpeername`].
            ///
            /// ```
            /// # use twinsock::{Os, net::UnixStream};
            /// let (a, _b) = UnixStream::pair(&Os)?;
            /// assert!(a.peer_addr()?.is_unnamed());
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn peer_addr(&self) -> io::Result<UnixAddr> {
                unix(self.0.getpeername()?)
            }

            /// Ends one or both halves of the connection, `shutdown(2)`.
            ///
            /// # Errors
            /// Those of [`SocketApi::shutdown`].
            ///
            /// ```
            /// use std::io::Read;
            /// # use twinsock::{Os, net::UnixStream};
            /// let (a, mut b) = UnixStream::pair(&Os)?;
            /// a.shutdown(std::net::Shutdown::Write)?;
            /// assert_eq!(b.read(&mut [0; 8])?, 0, "the end of the stream");
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                self.0.shutdown(how)
            }

            /// Receives without taking out of the queue, `MSG_PEEK`.
            ///
            /// # Errors
            /// Those of [`SocketApi::recv`].
            ///
            /// ```
            /// use std::io::Write;
            /// # use twinsock::{Os, net::UnixStream};
            /// let (mut a, b) = UnixStream::pair(&Os)?;
            /// a.write_all(b"hello")?;
            /// assert_eq!((b.peek(&mut [0; 8])?, b.peek(&mut [0; 8])?), (5, 5));
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
                self.0.recv(into, MsgFlags::PEEK)
            }
        }
    };
}

/// A unix socket that listens, `std::os::unix::net::UnixListener`.
///
/// ```
/// use twinsock::net::{UnixListener, UnixStream};
/// twinsock_sim::Sim::builder().run(|sim| {
///     sim.host("host").spawn("program", |net| {
///         let listener = UnixListener::bind(&net, "/run/server.sock").unwrap();
///         let client = UnixStream::connect(&net, "/run/server.sock").unwrap();
///         let (server, _) = listener.accept().unwrap();
///         # drop((client, server));
///     });
/// }).unwrap();
/// ```
pub struct UnixListener<A: SocketApi>(pub(super) Handle<A>);

shared!(UnixListener);
names!(UnixListener);

impl<A: SocketApi> UnixListener<A> {
    /// Listens on a path; the file must not exist yet, and stays when the listener is closed.
    ///
    /// # Errors
    /// Those of [`SocketApi::bind`] and [`SocketApi::listen`]; `InvalidInput`: a path that is too long or has a NUL in it.
    ///
    /// ```
    /// use twinsock::net::UnixListener;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("program", |net| {
    ///         let listener = UnixListener::bind(&net, "/run/server.sock").unwrap();
    ///         drop(listener);
    ///         assert!(UnixListener::bind(&net, "/run/server.sock").is_err(), "the file is still there");
    ///     });
    /// }).unwrap();
    /// ```
    pub fn bind(api: &A, path: impl AsRef<Path>) -> io::Result<UnixListener<A>> {
        UnixListener::bind_addr(api, &UnixAddr::from_pathname(path)?)
    }

    /// Listens on an address.
    ///
    /// # Errors
    /// Those of [`SocketApi::bind`] and [`SocketApi::listen`].
    ///
    /// ```
    /// use twinsock::net::UnixListener;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("program", |net| {
    ///         let name = twinsock::UnixAddr::from_abstract_name("server").unwrap();
    ///         let listener = UnixListener::bind_addr(&net, &name).unwrap();
    ///         assert_eq!(listener.local_addr().unwrap(), name);
    ///     });
    /// }).unwrap();
    /// ```
    pub fn bind_addr(api: &A, addr: &UnixAddr) -> io::Result<UnixListener<A>> {
        let handle = Handle::new(api, Domain::UNIX, Type::STREAM)?;
        handle.bind(&SocketAddr::Unix(addr.clone()))?;
        api.listen(&handle.socket, BACKLOG)?;
        Ok(UnixListener(handle))
    }

    /// Accepts a connection: the stream and the address of its other end. `EINTR` is retried.
    ///
    /// # Errors
    /// Those of [`SocketApi::accept`] except `EINTR`.
    ///
    /// ```
    /// use twinsock::net::{UnixListener, UnixStream};
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("program", |net| {
    ///         let listener = UnixListener::bind(&net, "/run/server.sock").unwrap();
    ///         let _client = UnixStream::connect(&net, "/run/server.sock").unwrap();
    ///         assert!(listener.accept().unwrap().1.is_unnamed(), "clients seldom have a name");
    ///     });
    /// }).unwrap();
    /// ```
    pub fn accept(&self) -> io::Result<(UnixStream<A>, UnixAddr)> {
        let (handle, addr) = self.0.accept_uninterrupted()?;
        Ok((UnixStream(handle), unix(addr)?))
    }

    /// Accepts connection after connection, without end.
    ///
    /// ```
    /// use twinsock::net::{UnixListener, UnixStream};
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("program", |net| {
    ///         let listener = UnixListener::bind(&net, "/run/server.sock").unwrap();
    ///         let _client = UnixStream::connect(&net, "/run/server.sock").unwrap();
    ///         for stream in listener.incoming().take(1) {
    ///             stream.unwrap();
    ///         }
    ///     });
    /// }).unwrap();
    /// ```
    pub fn incoming(&self) -> UnixIncoming<'_, A> {
        UnixIncoming { listener: self }
    }
}

impl<'a, A: SocketApi> IntoIterator for &'a UnixListener<A> {
    type Item = io::Result<UnixStream<A>>;
    type IntoIter = UnixIncoming<'a, A>;

    fn into_iter(self) -> UnixIncoming<'a, A> {
        self.incoming()
    }
}

/// The connections of a listener, without end; from [`UnixListener::incoming`].
///
/// ```
/// use twinsock::net::{UnixListener, UnixStream};
/// twinsock_sim::Sim::builder().run(|sim| {
///     sim.host("host").spawn("program", |net| {
///         let listener = UnixListener::bind(&net, "/run/server.sock").unwrap();
///         let _client = UnixStream::connect(&net, "/run/server.sock").unwrap();
///         assert!(listener.incoming().next().unwrap().is_ok());
///     });
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct UnixIncoming<'a, A: SocketApi> {
    listener: &'a UnixListener<A>,
}

impl<A: SocketApi> Iterator for UnixIncoming<'_, A> {
    type Item = io::Result<UnixStream<A>>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

/// A unix stream, `std::os::unix::net::UnixStream`.
///
/// ```
/// use std::io::{Read, Write};
/// use twinsock::{Os, SocketApi, net::UnixStream};
///
/// fn talk(api: &impl SocketApi) -> std::io::Result<()> {
///     let (mut a, mut b) = UnixStream::pair(api)?;
///     a.write_all(b"hello")?;
///     drop(a);
///     let mut text = String::new();
///     b.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     Ok(())
/// }
/// talk(&Os).unwrap();
/// ```
pub struct UnixStream<A: SocketApi>(pub(super) Handle<A>);

shared!(UnixStream);
names!(UnixStream);
peers!(UnixStream);
timeouts!(UnixStream);
stream!(UnixStream<A>, &UnixStream<A>);

impl<A: SocketApi> UnixStream<A> {
    const TYPE: Type = Type::STREAM;

    /// Connects to the socket at a path.
    ///
    /// # Errors
    /// Those of [`SocketApi::connect`]; `InvalidInput`: a path that is too long or has a NUL in it.
    ///
    /// ```
    /// use twinsock::net::UnixStream;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("program", |net| {
    ///         let refused = UnixStream::connect(&net, "/run/server.sock").unwrap_err();
    ///         assert_eq!(refused.kind(), std::io::ErrorKind::NotFound);
    ///     });
    /// }).unwrap();
    /// ```
    pub fn connect(api: &A, path: impl AsRef<Path>) -> io::Result<UnixStream<A>> {
        UnixStream::connect_addr(api, &UnixAddr::from_pathname(path)?)
    }

    /// Connects to an address.
    ///
    /// # Errors
    /// Those of [`SocketApi::connect`].
    ///
    /// ```
    /// use twinsock::net::{UnixListener, UnixStream};
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("program", |net| {
    ///         let name = twinsock::UnixAddr::from_abstract_name("server").unwrap();
    ///         let _listener = UnixListener::bind_addr(&net, &name).unwrap();
    ///         let stream = UnixStream::connect_addr(&net, &name).unwrap();
    ///         assert_eq!(stream.peer_addr().unwrap(), name);
    ///     });
    /// }).unwrap();
    /// ```
    pub fn connect_addr(api: &A, addr: &UnixAddr) -> io::Result<UnixStream<A>> {
        let handle = Handle::new(api, Domain::UNIX, Type::STREAM)?;
        api.connect(&handle.socket, &SocketAddr::Unix(addr.clone()))?;
        Ok(UnixStream(handle))
    }

    /// Who made the other end, `SO_PEERCRED`.
    ///
    /// # Errors
    /// Those of [`SocketApi::option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UnixStream};
    /// let (a, _b) = UnixStream::pair(&Os)?;
    /// assert_eq!(a.peer_cred()?.pid.cast_unsigned(), std::process::id());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peer_cred(&self) -> io::Result<Credentials> {
        self.0.option(option::SO_PEERCRED)
    }
}

/// A unix datagram socket, `std::os::unix::net::UnixDatagram`.
///
/// ```
/// use twinsock::{Os, SocketApi, net::UnixDatagram};
///
/// fn datagram(api: &impl SocketApi) -> std::io::Result<()> {
///     let (a, b) = UnixDatagram::pair(api)?;
///     a.send(b"hello")?;
///     let mut bytes = [0; 16];
///     assert_eq!(b.recv(&mut bytes)?, 5);
///     Ok(())
/// }
/// datagram(&Os).unwrap();
/// ```
pub struct UnixDatagram<A: SocketApi>(pub(super) Handle<A>);

shared!(UnixDatagram);
names!(UnixDatagram);
peers!(UnixDatagram);
timeouts!(UnixDatagram);

impl<A: SocketApi> UnixDatagram<A> {
    const TYPE: Type = Type::DGRAM;

    /// A socket at a path; the file must not exist yet, and stays when the socket is closed.
    ///
    /// # Errors
    /// Those of [`SocketApi::bind`]; `InvalidInput`: a path that is too long or has a NUL in it.
    ///
    /// ```
    /// use twinsock::net::UnixDatagram;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("program", |net| {
    ///         let socket = UnixDatagram::bind(&net, "/run/log.sock").unwrap();
    ///         assert_eq!(socket.local_addr().unwrap().as_pathname(), Some("/run/log.sock".as_ref()));
    ///     });
    /// }).unwrap();
    /// ```
    pub fn bind(api: &A, path: impl AsRef<Path>) -> io::Result<UnixDatagram<A>> {
        UnixDatagram::bind_addr(api, &UnixAddr::from_pathname(path)?)
    }

    /// A socket at an address.
    ///
    /// # Errors
    /// Those of [`SocketApi::bind`].
    ///
    /// ```
    /// use twinsock::net::UnixDatagram;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("program", |net| {
    ///         let name = twinsock::UnixAddr::from_abstract_name("log").unwrap();
    ///         let socket = UnixDatagram::bind_addr(&net, &name).unwrap();
    ///         # drop(socket);
    ///     });
    /// }).unwrap();
    /// ```
    pub fn bind_addr(api: &A, addr: &UnixAddr) -> io::Result<UnixDatagram<A>> {
        let socket = UnixDatagram::unbound(api)?;
        socket.0.bind(&SocketAddr::Unix(addr.clone()))?;
        Ok(socket)
    }

    /// A socket without an address.
    ///
    /// # Errors
    /// Those of [`SocketApi::socket`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UnixDatagram};
    /// let socket = UnixDatagram::unbound(&Os)?;
    /// assert!(socket.local_addr()?.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unbound(api: &A) -> io::Result<UnixDatagram<A>> {
        Ok(UnixDatagram(Handle::new(api, Domain::UNIX, Type::DGRAM)?))
    }

    /// Sets the only peer to send to and to receive from, by its path.
    ///
    /// # Errors
    /// Those of [`SocketApi::connect`]; `InvalidInput`: a path that is too long or has a NUL in it.
    ///
    /// ```
    /// use twinsock::net::UnixDatagram;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("program", |net| {
    ///         let log = UnixDatagram::bind(&net, "/run/log.sock").unwrap();
    ///         let socket = UnixDatagram::unbound(&net).unwrap();
    ///         socket.connect("/run/log.sock").unwrap();
    ///         socket.send(b"started").unwrap();
    ///         assert_eq!(log.recv(&mut [0; 64]).unwrap(), 7);
    ///     });
    /// }).unwrap();
    /// ```
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.connect_addr(&UnixAddr::from_pathname(path)?)
    }

    /// Sets the only peer to send to and to receive from.
    ///
    /// # Errors
    /// Those of [`SocketApi::connect`].
    ///
    /// ```
    /// use twinsock::net::UnixDatagram;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("program", |net| {
    ///         let name = twinsock::UnixAddr::from_abstract_name("log").unwrap();
    ///         let _log = UnixDatagram::bind_addr(&net, &name).unwrap();
    ///         UnixDatagram::unbound(&net).unwrap().connect_addr(&name).unwrap();
    ///     });
    /// }).unwrap();
    /// ```
    pub fn connect_addr(&self, addr: &UnixAddr) -> io::Result<()> {
        Ok(self.0.api.connect(&self.0.socket, &SocketAddr::Unix(addr.clone()))?)
    }

    /// Receives a datagram and the address it came from, `recvfrom(2)`; what does not fit is lost.
    ///
    /// # Errors
    /// Those of [`SocketApi::recvfrom`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UnixDatagram};
    /// # let (a, b) = UnixDatagram::pair(&Os)?;
    /// a.send(b"hello")?;
    /// let (len, from) = b.recv_from(&mut [0; 16])?;
    /// assert!(len == 5 && from.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn recv_from(&self, into: &mut [u8]) -> io::Result<(usize, UnixAddr)> {
        let (len, addr) = self.0.api.recvfrom(&self.0.socket, into, MsgFlags::NONE)?;
        Ok((len, unix(addr)?))
    }

    /// As [`recv_from`](UnixDatagram::recv_from), but leaves the datagram in the queue, `MSG_PEEK`.
    ///
    /// # Errors
    /// Those of [`SocketApi::recvfrom`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UnixDatagram};
    /// # let (a, b) = UnixDatagram::pair(&Os)?;
    /// a.send(b"hello")?;
    /// assert_eq!(b.peek_from(&mut [0; 16])?.0, 5);
    /// assert_eq!(b.recv(&mut [0; 16])?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peek_from(&self, into: &mut [u8]) -> io::Result<(usize, UnixAddr)> {
        let (len, addr) = self.0.api.recvfrom(&self.0.socket, into, MsgFlags::PEEK)?;
        Ok((len, unix(addr)?))
    }

    /// Receives a datagram, `recv(2)`; what does not fit is lost.
    ///
    /// # Errors
    /// Those of [`SocketApi::recv`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UnixDatagram};
    /// # let (a, b) = UnixDatagram::pair(&Os)?;
    /// a.send(b"hello")?;
    /// assert_eq!(b.recv(&mut [0; 2])?, 2, "the other three bytes are lost");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        self.0.recv(into, MsgFlags::NONE)
    }

    /// Sends a datagram to the socket at a path, `sendto(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::sendto`]; `InvalidInput`: a path that is too long or has a NUL in it.
    ///
    /// ```
    /// use twinsock::net::UnixDatagram;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("program", |net| {
    ///         let log = UnixDatagram::bind(&net, "/run/log.sock").unwrap();
    ///         UnixDatagram::unbound(&net).unwrap().send_to(b"started", "/run/log.sock").unwrap();
    ///         assert_eq!(log.recv(&mut [0; 64]).unwrap(), 7);
    ///     });
    /// }).unwrap();
    /// ```
    pub fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.send_to_addr(bytes, &UnixAddr::from_pathname(path)?)
    }

    /// Sends a datagram to an address, `sendto(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::sendto`].
    ///
    /// ```
    /// use twinsock::net::UnixDatagram;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("program", |net| {
    ///         let name = twinsock::UnixAddr::from_abstract_name("log").unwrap();
    ///         let _log = UnixDatagram::bind_addr(&net, &name).unwrap();
    ///         UnixDatagram::unbound(&net).unwrap().send_to_addr(b"started", &name).unwrap();
    ///     });
    /// }).unwrap();
    /// ```
    pub fn send_to_addr(&self, bytes: &[u8], addr: &UnixAddr) -> io::Result<usize> {
        Ok(self.0.api.sendto(&self.0.socket, bytes, MsgFlags::NONE, &SocketAddr::Unix(addr.clone()))?)
    }

    /// Sends a datagram to the peer, `send(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::send`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UnixDatagram};
    /// # let (a, b) = UnixDatagram::pair(&Os)?;
    /// assert_eq!(a.send(b"hello")?, 5);
    /// # drop(b);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes)
    }
}
