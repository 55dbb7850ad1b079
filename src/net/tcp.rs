//! [`TcpListener`] and [`TcpStream`], as `std::net` shapes them.

use super::addrs::{ToSocketAddrs, each_addr, no_address};
use super::handle::{Handle, inet, shared, stream, timeouts};
use crate::addr;
use crate::api::SocketApi;
use crate::env::Clock;
use crate::errno::Errno;
use crate::option::{self, Linger};
use crate::socket::Socket;
use crate::types::{Domain, MsgFlags, PollEvents, Type};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// std's backlog for TCP.
const BACKLOG: i32 = 128;

fn domain(addr: &SocketAddr) -> Domain {
    if addr.is_ipv4() { Domain::INET } else { Domain::INET6 }
}

/// A TCP socket that listens, `std::net::TcpListener`.
///
/// ```
/// use std::io::Write;
/// use twinsock::{Env, JoinThread, Os};
/// use twinsock::net::{TcpListener, TcpStream};
///
/// fn greet_two(env: &impl Env) -> std::io::Result<()> {
///     let listener = TcpListener::bind(env, ("127.0.0.1", 0))?;
///     let addr = listener.local_addr()?;
///     let greeter = env.spawn(move || {
///         listener.incoming().take(2).try_for_each(|stream| stream?.write_all(b"hello"))
///     });
///     for _ in 0..2 {
///         let stream = TcpStream::connect(env, addr)?;
///         assert_eq!(std::io::read_to_string(stream)?, "hello");
///     }
///     greeter.join().unwrap()
/// }
/// greet_two(&Os).unwrap();
/// ```
pub struct TcpListener<A: SocketApi>(pub(super) Handle<A>);

shared!(TcpListener);

impl<A: SocketApi> TcpListener<A> {
    /// Listens on the first of the addresses that can be bound, with `SO_REUSEADDR`.
    ///
    /// # Errors
    /// Those of [`SocketApi::bind`] and [`SocketApi::listen`], for the last address; `InvalidInput`: there is no address.
    ///
    /// ```
    /// use twinsock::{Os, net::TcpListener};
    /// let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// # drop(listener);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind(api: &A, addrs: impl ToSocketAddrs) -> io::Result<TcpListener<A>> {
        each_addr(api, addrs, |addr| {
            let handle = Handle::new(api, domain(&addr), Type::STREAM)?;
            handle.set_option(option::SO_REUSEADDR, true)?;
            handle.bind(&addr.into())?;
            api.listen(&handle.socket, BACKLOG)?;
            Ok(TcpListener(handle))
        })
    }

    /// The address listened on, `getsockname(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::getsockname`].
    ///
    /// ```
    /// # use twinsock::{Os, net::TcpListener};
    /// let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        inet(&self.0.getsockname()?)
    }

    /// Accepts a connection: the stream and the address of its other end. `EINTR` is retried.
    ///
    /// # Errors
    /// Those of [`SocketApi::accept`] except `EINTR`.
    ///
    /// ```
    /// use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// let client = TcpStream::connect(&Os, listener.local_addr()?)?;
    /// let (server, from) = listener.accept()?;
    /// assert_eq!((from, server.peer_addr()?), (client.local_addr()?, client.local_addr()?));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline(always)]
    pub fn accept(&self) -> io::Result<(TcpStream<A>, SocketAddr)> {
        let (handle, addr) = self.0.accept_uninterrupted()?;
        // Written where it is wanted, once.
        match addr {
            addr::SocketAddr::V4(v4) => Ok((TcpStream(handle), SocketAddr::V4(v4))),
            addr::SocketAddr::V6(v6) => Ok((TcpStream(handle), SocketAddr::V6(v6))),
            addr::SocketAddr::Unspec | addr::SocketAddr::Unix(_) => Err(Errno::INVAL.into()),
        }
    }

    /// Accepts connection after connection, without end.
    ///
    /// ```
    /// use std::io::{Write, copy};
    /// use twinsock::{Env, net::TcpListener};
    ///
    /// fn echo(env: &impl Env, listener: &TcpListener<impl Env>) -> std::io::Result<()> {
    ///     for stream in listener.incoming() {
    ///         let stream = stream?;
    ///         env.spawn(move || copy(&mut &stream, &mut &stream));
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn incoming(&self) -> Incoming<'_, A> {
        Incoming { listener: self }
    }

    /// Time to live of packets, `IP_TTL`.
    ///
    /// # Errors
    /// Those of [`SocketApi::option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::TcpListener};
    /// let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// assert_eq!(listener.ttl()?, 64);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(self.0.option(option::IP_TTL)?.cast_unsigned())
    }

    /// Sets the time to live of packets, `IP_TTL`; accepted connections inherit it.
    ///
    /// # Errors
    /// `EINVAL`: not between 1 and 255.
    ///
    /// ```
    /// # use twinsock::{Os, net::TcpListener};
    /// let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// listener.set_ttl(8)?;
    /// assert_eq!(listener.ttl()?, 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.0.set_option(option::IP_TTL, ttl.cast_signed())
    }
}

impl<'a, A: SocketApi> IntoIterator for &'a TcpListener<A> {
    type Item = io::Result<TcpStream<A>>;
    type IntoIter = Incoming<'a, A>;

    fn into_iter(self) -> Incoming<'a, A> {
        self.incoming()
    }
}

/// The connections of a listener, without end; from [`TcpListener::incoming`].
///
/// ```
/// use twinsock::{Os, net::{TcpListener, TcpStream}};
/// let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
/// let client = TcpStream::connect(&Os, listener.local_addr()?)?;
/// let first = listener.incoming().next().expect("it has no end")?;
/// assert_eq!(first.peer_addr()?, client.local_addr()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Incoming<'a, A: SocketApi> {
    listener: &'a TcpListener<A>,
}

impl<A: SocketApi> Iterator for Incoming<'_, A> {
    type Item = io::Result<TcpStream<A>>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

/// A TCP connection, `std::net::TcpStream`.
///
/// It reads and writes by `Read` and `Write`, also through a shared reference, so that two threads may use one stream.
///
/// ```
/// use std::io::{ErrorKind, Read};
/// use std::time::Duration;
/// use twinsock::{Env, Os};
/// use twinsock::net::{TcpListener, TcpStream};
///
/// fn impatient(env: &impl Env) -> std::io::Result<()> {
///     let listener = TcpListener::bind(env, ("127.0.0.1", 0))?;
///     let stream = TcpStream::connect_timeout(env, &listener.local_addr()?, Duration::from_secs(1))?;
///     stream.set_read_timeout(Some(Duration::from_millis(10)))?;
///     assert_eq!((&stream).read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::WouldBlock);
///     Ok(())
/// }
/// impatient(&Os).unwrap();
/// ```
pub struct TcpStream<A: SocketApi>(pub(super) Handle<A>);

shared!(TcpStream);
timeouts!(TcpStream);
stream!(TcpStream<A>, &TcpStream<A>);

impl<A: SocketApi> TcpStream<A> {
    /// Connects to the first of the addresses that answers. `EINTR` is retried.
    ///
    /// # Errors
    /// Those of [`SocketApi::connect`] except `EINTR`, for the last address; `InvalidInput`: there is no address.
    ///
    /// ```
    /// use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// let stream = TcpStream::connect(&Os, ("localhost", listener.local_addr()?.port()))?;
    /// # drop(stream);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline(always)]
    pub fn connect(api: &A, addrs: impl ToSocketAddrs) -> io::Result<TcpStream<A>> {
        // As `each_addr` does it, but in this very function: no frame but the caller's is between it and its wait.
        let mut last = None;
        for addr in addrs.to_socket_addrs(api)? {
            match TcpStream::connect_to(api, addr) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    #[inline(always)]
    fn connect_to(api: &A, addr: SocketAddr) -> io::Result<TcpStream<A>> {
        let handle = Handle::new(api, domain(&addr), Type::STREAM)?;
        handle.connect_uninterrupted(&addr.into())?;
        Ok(TcpStream(handle))
    }

    /// The address of the other end, `getpeername(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::getpeername`].
    ///
    /// ```
    /// # use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// # let stream = TcpStream::connect(&Os, listener.local_addr()?)?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        inet(&self.0.getpeername()?)
    }

    /// The socket's own address, `getsockname(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::getsockname`].
    ///
    /// ```
    /// # use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// # let stream = TcpStream::connect(&Os, listener.local_addr()?)?;
    /// assert_eq!(stream.local_addr()?.ip(), listener.local_addr()?.ip());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        inet(&self.0.getsockname()?)
    }

    /// Ends one or both halves of the connection, `shutdown(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::shutdown`].
    ///
    /// ```
    /// use std::io::Read;
    /// use std::net::Shutdown;
    /// # use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// # let stream = TcpStream::connect(&Os, listener.local_addr()?)?;
    /// stream.shutdown(Shutdown::Write)?;
    /// assert_eq!(listener.accept()?.0.read(&mut [0; 8])?, 0, "the end of the stream");
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
    /// use std::io::{Read, Write};
    /// # use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// # let stream = TcpStream::connect(&Os, listener.local_addr()?)?;
    /// (&stream).write_all(b"hello")?;
    /// let (mut server, _) = listener.accept()?;
    /// assert_eq!(server.peek(&mut [0; 1])?, 1);
    /// assert_eq!(server.read(&mut [0; 8])?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        self.0.recv(into, MsgFlags::PEEK)
    }

    /// What closing does with data that is not sent yet, `SO_LINGER`.
    ///
    /// # Errors
    /// Those of [`SocketApi::option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// # let stream = TcpStream::connect(&Os, listener.local_addr()?)?;
    /// assert_eq!(stream.linger()?, None, "closing does not wait");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.0.option(option::SO_LINGER)?.0)
    }

    /// Says what closing does with data that is not sent yet, `SO_LINGER`: see [`Linger`].
    ///
    /// # Errors
    /// Those of [`SocketApi::set_option`].
    ///
    /// ```
    /// use std::time::Duration;
    /// # use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// # let stream = TcpStream::connect(&Os, listener.local_addr()?)?;
    /// stream.set_linger(Some(Duration::ZERO))?; // closing is a reset
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.0.set_option(option::SO_LINGER, Linger(linger))
    }

    /// Whether small segments are sent at once, `TCP_NODELAY`.
    ///
    /// # Errors
    /// Those of [`SocketApi::option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// # let stream = TcpStream::connect(&Os, listener.local_addr()?)?;
    /// assert!(!stream.nodelay()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn nodelay(&self) -> io::Result<bool> {
        self.0.option(option::TCP_NODELAY)
    }

    /// Says whether small segments are sent at once, `TCP_NODELAY`.
    ///
    /// # Errors
    /// Those of [`SocketApi::set_option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// # let stream = TcpStream::connect(&Os, listener.local_addr()?)?;
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.0.set_option(option::TCP_NODELAY, nodelay)
    }

    /// Time to live of packets, `IP_TTL`.
    ///
    /// # Errors
    /// Those of [`SocketApi::option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// # let stream = TcpStream::connect(&Os, listener.local_addr()?)?;
    /// assert_eq!(stream.ttl()?, 64);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(self.0.option(option::IP_TTL)?.cast_unsigned())
    }

    /// Sets the time to live of packets, `IP_TTL`.
    ///
    /// # Errors
    /// `EINVAL`: not between 1 and 255.
    ///
    /// ```
    /// # use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// # let stream = TcpStream::connect(&Os, listener.local_addr()?)?;
    /// stream.set_ttl(8)?;
    /// assert_eq!(stream.ttl()?, 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.0.set_option(option::IP_TTL, ttl.cast_signed())
    }
}

impl<A: SocketApi + Clock> TcpStream<A> {
    /// Connects to an address, but waits at most `timeout`; `poll(2)` on a socket that does not block meanwhile.
    ///
    /// # Errors
    /// `TimedOut`: the time ran out, or the network's own limit. `InvalidInput`: a zero `timeout`. Those of [`SocketApi::connect`].
    ///
    /// ```
    /// use std::time::Duration;
    /// # use twinsock::{Os, net::{TcpListener, TcpStream}};
    /// let listener = TcpListener::bind(&Os, "127.0.0.1:0")?;
    /// let stream = TcpStream::connect_timeout(&Os, &listener.local_addr()?, Duration::from_secs(5))?;
    /// # drop(stream);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect_timeout(api: &A, addr: &SocketAddr, timeout: Duration) -> io::Result<TcpStream<A>> {
        let handle = Handle::new(api, domain(addr), Type::STREAM)?;
        handle.set_nonblocking(true)?;
        let outcome = api.connect(&handle.socket, &addr::SocketAddr::from(*addr));
        handle.set_nonblocking(false)?;
        match outcome {
            Ok(()) => return Ok(TcpStream(handle)),
            Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno.into()),
        }
        if timeout.is_zero() {
            return Err(Errno::INVAL.into());
        }
        wait_for_connection(&handle, timeout)?;
        Ok(TcpStream(handle))
    }
}

/// Waits until connecting has come to its end, and says how it ended.
fn wait_for_connection<A: SocketApi + Clock>(handle: &Handle<A>, timeout: Duration) -> io::Result<()> {
    let start = handle.api.now();
    loop {
        let rest = timeout.saturating_sub(handle.api.now() - start);
        if rest.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out"));
        }
        let mut fds = [handle.api.poll_entry(&handle.socket, PollEvents::OUT)];
        match handle.api.poll(&mut fds, Some(rest)) {
            Ok(0) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
            // A refused connection is OUT, ERR and HUP at once.
            Ok(_) if fds[0].revents().intersects(PollEvents::ERR | PollEvents::HUP) => {
                return Err(handle.take_error()?.unwrap_or_else(|| io::Error::other("no error set after POLLHUP")));
            }
            Ok(_) => return Ok(()),
        }
    }
}
