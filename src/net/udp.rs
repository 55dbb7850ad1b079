//! [`UdpSocket`], as `std::net` shapes it.

use super::addrs::{ToSocketAddrs, each_addr};
use super::handle::{Handle, inet, shared, timeouts};
use crate::api::SocketApi;
use crate::errno::Errno;
use crate::option::{self, Membership4, Membership6};
use crate::socket::Socket;
use crate::types::{Domain, MsgFlags, Type};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// A UDP socket, `std::net::UdpSocket`.
///
/// ```
/// use twinsock::{Os, SocketApi, net::UdpSocket};
///
/// fn datagram(api: &impl SocketApi) -> std::io::Result<()> {
///     let a = UdpSocket::bind(api, "127.0.0.1:0")?;
///     let b = UdpSocket::bind(api, "127.0.0.1:0")?;
///     a.send_to(b"hello", b.local_addr()?)?;
///     let mut bytes = [0; 16];
///     assert_eq!(b.recv_from(&mut bytes)?, (5, a.local_addr()?));
///     Ok(())
/// }
/// datagram(&Os).unwrap();
/// ```
pub struct UdpSocket<A: SocketApi>(pub(super) Handle<A>);

shared!(UdpSocket);
timeouts!(UdpSocket);

impl<A: SocketApi> UdpSocket<A> {
    /// A socket on the first of the addresses that can be bound.
    ///
    /// # Errors
    /// Those of [`SocketApi::bind`], for the last address; `InvalidInput`: there is no address.
    ///
    /// ```
    /// use twinsock::{Os, net::UdpSocket};
    /// let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// # drop(socket);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind(api: &A, addrs: impl ToSocketAddrs) -> io::Result<UdpSocket<A>> {
        each_addr(api, addrs, |addr| {
            let handle = Handle::new(api, if addr.is_ipv4() { Domain::INET } else { Domain::INET6 }, Type::DGRAM)?;
            handle.bind(&addr.into())?;
            Ok(UdpSocket(handle))
        })
    }

    /// Receives a datagram and the address it came from, `recvfrom(2)`; what does not fit is lost.
    ///
    /// # Errors
    /// Those of [`SocketApi::recvfrom`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// # let own = socket.local_addr()?;
    /// socket.send_to(b"hello", own)?;
    /// let mut bytes = [0; 16];
    /// assert_eq!(socket.recv_from(&mut bytes)?, (5, own));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline(always)]
    pub fn recv_from(&self, into: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, addr) = self.0.api.recvfrom(&self.0.socket, into, MsgFlags::NONE)?;
        Ok((len, inet(&addr)?))
    }

    /// As [`recv_from`](UdpSocket::recv_from), but leaves the datagram in the queue, `MSG_PEEK`.
    ///
    /// # Errors
    /// Those of [`SocketApi::recvfrom`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// # let own = socket.local_addr()?;
    /// socket.send_to(b"hello", own)?;
    /// assert_eq!(socket.peek_from(&mut [0; 16])?, (5, own));
    /// assert_eq!(socket.recv_from(&mut [0; 16])?, (5, own));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peek_from(&self, into: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, addr) = self.0.api.recvfrom(&self.0.socket, into, MsgFlags::PEEK)?;
        Ok((len, inet(&addr)?))
    }

    /// Sends a datagram to the first of the addresses, `sendto(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::sendto`]; `InvalidInput`: there is no address.
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// # let own = socket.local_addr()?;
    /// assert_eq!(socket.send_to(b"hello", own)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline(always)]
    pub fn send_to(&self, bytes: &[u8], addrs: impl ToSocketAddrs) -> io::Result<usize> {
        let Some(addr) = addrs.to_socket_addrs(&self.0.api)?.next() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to"));
        };
        Ok(self.0.api.sendto(&self.0.socket, bytes, MsgFlags::NONE, &addr.into())?)
    }

    /// Sets the only peer to send to and to receive from: the first of the addresses that works. `EINTR` is retried.
    ///
    /// # Errors
    /// Those of [`SocketApi::connect`] except `EINTR`, for the last address; `InvalidInput`: there is no address.
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// # let own = socket.local_addr()?;
    /// let peer = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// peer.connect(own)?;
    /// assert_eq!(peer.peer_addr()?, own);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect(&self, addrs: impl ToSocketAddrs) -> io::Result<()> {
        each_addr(&self.0.api, addrs, |addr| {
            loop {
                match self.0.api.connect(&self.0.socket, &addr.into()) {
                    Err(Errno::INTR) => {}
                    outcome => return Ok(outcome?),
                }
            }
        })
    }

    /// Sends a datagram to the peer, `send(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::send`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// # let own = socket.local_addr()?;
    /// let peer = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// peer.connect(own)?;
    /// assert_eq!(peer.send(b"hello")?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline(always)]
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes)
    }

    /// Receives a datagram from the peer, `recv(2)`; what does not fit is lost.
    ///
    /// # Errors
    /// Those of [`SocketApi::recv`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// # let own = socket.local_addr()?;
    /// socket.connect(own)?;
    /// socket.send(b"hello")?;
    /// assert_eq!(socket.recv(&mut [0; 2])?, 2, "the other three bytes are lost");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline(always)]
    pub fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        self.0.recv(into, MsgFlags::NONE)
    }

    /// As [`recv`](UdpSocket::recv), but leaves the datagram in the queue, `MSG_PEEK`.
    ///
    /// # Errors
    /// Those of [`SocketApi::recv`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// # let own = socket.local_addr()?;
    /// socket.send_to(b"hello", own)?;
    /// assert_eq!(socket.peek(&mut [0; 16])?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        self.0.recv(into, MsgFlags::PEEK)
    }

    /// The address of the peer, `getpeername(2)`.
    ///
    /// # Errors
    /// Those of [`SocketApi::getpeername`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// # let own = socket.local_addr()?;
    /// socket.connect(own)?;
    /// assert_eq!(socket.peer_addr()?, own);
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
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        inet(&self.0.getsockname()?)
    }

    /// Whether datagrams may go to broadcast addresses, `SO_BROADCAST`.
    ///
    /// # Errors
    /// Those of [`SocketApi::option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// assert!(!socket.broadcast()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn broadcast(&self) -> io::Result<bool> {
        self.0.option(option::SO_BROADCAST)
    }

    /// Says whether datagrams may go to broadcast addresses, `SO_BROADCAST`.
    ///
    /// # Errors
    /// Those of [`SocketApi::set_option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// socket.set_broadcast(true)?;
    /// assert_eq!(socket.broadcast()?, true);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.0.set_option(option::SO_BROADCAST, broadcast)
    }

    /// Time to live of packets, `IP_TTL`.
    ///
    /// # Errors
    /// Those of [`SocketApi::option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// assert_eq!(socket.ttl()?, 64);
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
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// socket.set_ttl(8)?;
    /// assert_eq!(socket.ttl()?, 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.0.set_option(option::IP_TTL, ttl.cast_signed())
    }

    /// Whether own multicast packets come back to this host, `IP_MULTICAST_LOOP`.
    ///
    /// # Errors
    /// Those of [`SocketApi::option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// assert!(socket.multicast_loop_v4()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.0.option(option::IP_MULTICAST_LOOP)
    }

    /// Says whether own multicast packets come back to this host, `IP_MULTICAST_LOOP`.
    ///
    /// # Errors
    /// Those of [`SocketApi::set_option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// socket.set_multicast_loop_v4(false)?;
    /// assert_eq!(socket.multicast_loop_v4()?, false);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_multicast_loop_v4(&self, multicast_loop: bool) -> io::Result<()> {
        self.0.set_option(option::IP_MULTICAST_LOOP, multicast_loop)
    }

    /// Time to live of multicast packets, `IP_MULTICAST_TTL`.
    ///
    /// # Errors
    /// Those of [`SocketApi::option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// assert_eq!(socket.multicast_ttl_v4()?, 1, "no router passes it on");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        Ok(self.0.option(option::IP_MULTICAST_TTL)?.cast_unsigned())
    }

    /// Sets the time to live of multicast packets, `IP_MULTICAST_TTL`.
    ///
    /// # Errors
    /// `EINVAL`: more than 255.
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let socket = UdpSocket::bind(&Os, "127.0.0.1:0")?;
    /// socket.set_multicast_ttl_v4(4)?;
    /// assert_eq!(socket.multicast_ttl_v4()?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.0.set_option(option::IP_MULTICAST_TTL, ttl.cast_signed())
    }

    /// Whether own multicast packets come back to this host, `IPV6_MULTICAST_LOOP`.
    ///
    /// # Errors
    /// Those of [`SocketApi::option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let Ok(socket) = UdpSocket::bind(&Os, "[::1]:0") else { return Ok::<(), std::io::Error>(()) };
    /// assert!(socket.multicast_loop_v6()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.0.option(option::IPV6_MULTICAST_LOOP)
    }

    /// Says whether own multicast packets come back to this host, `IPV6_MULTICAST_LOOP`.
    ///
    /// # Errors
    /// Those of [`SocketApi::set_option`].
    ///
    /// ```
    /// # use twinsock::{Os, net::UdpSocket};
    /// # let Ok(socket) = UdpSocket::bind(&Os, "[::1]:0") else { return Ok::<(), std::io::Error>(()) };
    /// socket.set_multicast_loop_v6(false)?;
    /// assert_eq!(socket.multicast_loop_v6()?, false);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_multicast_loop_v6(&self, multicast_loop: bool) -> io::Result<()> {
        self.0.set_option(option::IPV6_MULTICAST_LOOP, multicast_loop)
    }

    /// Joins a group on the interface with an address, `IP_ADD_MEMBERSHIP`.
    ///
    /// # Errors
    /// `EINVAL` (not a multicast address), `EADDRINUSE` (joined already), `ENODEV`, `ENOBUFS`.
    ///
    /// ```
    /// use twinsock::net::UdpSocket;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("member", |net| {
    ///         let socket = UdpSocket::bind(&net, "0.0.0.0:5353").unwrap();
    ///         socket.join_multicast_v4(&[224, 0, 0, 251].into(), &[0, 0, 0, 0].into()).unwrap();
    ///     });
    /// }).unwrap();
    /// ```
    pub fn join_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        let membership = Membership4 { multiaddr: *multiaddr, interface: *interface };
        self.0.set_option(option::IP_ADD_MEMBERSHIP, membership)
    }

    /// Leaves a group, `IP_DROP_MEMBERSHIP`.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` (not joined), `EINVAL`, `ENODEV`.
    ///
    /// ```
    /// use twinsock::net::UdpSocket;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("member", |net| {
    ///         let socket = UdpSocket::bind(&net, "0.0.0.0:5353").unwrap();
    ///         socket.join_multicast_v4(&[224, 0, 0, 251].into(), &[0, 0, 0, 0].into()).unwrap();
    ///         socket.leave_multicast_v4(&[224, 0, 0, 251].into(), &[0, 0, 0, 0].into()).unwrap();
    ///     });
    /// }).unwrap();
    /// ```
    pub fn leave_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        let membership = Membership4 { multiaddr: *multiaddr, interface: *interface };
        self.0.set_option(option::IP_DROP_MEMBERSHIP, membership)
    }

    /// Joins a group on the interface with an index, `IPV6_ADD_MEMBERSHIP`.
    ///
    /// # Errors
    /// `EINVAL` (not a multicast address), `EADDRINUSE` (joined already), `ENODEV`, `ENOBUFS`.
    ///
    /// ```
    /// use twinsock::net::UdpSocket;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("member", |net| {
    ///         let socket = UdpSocket::bind(&net, "[::]:5353").unwrap();
    ///         socket.join_multicast_v6(&"ff02::fb".parse().unwrap(), 0).unwrap();
    ///     });
    /// }).unwrap();
    /// ```
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.0.set_option(option::IPV6_ADD_MEMBERSHIP, Membership6 { multiaddr: *multiaddr, interface })
    }

    /// Leaves a group, `IPV6_DROP_MEMBERSHIP`.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` (not joined), `EINVAL`, `ENODEV`.
    ///
    /// ```
    /// use twinsock::net::UdpSocket;
    /// twinsock_sim::Sim::builder().run(|sim| {
    ///     sim.host("host").spawn("member", |net| {
    ///         let socket = UdpSocket::bind(&net, "[::]:5353").unwrap();
    ///         socket.join_multicast_v6(&"ff02::fb".parse().unwrap(), 0).unwrap();
    ///         socket.leave_multicast_v6(&"ff02::fb".parse().unwrap(), 0).unwrap();
    ///     });
    /// }).unwrap();
    /// ```
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.0.set_option(option::IPV6_DROP_MEMBERSHIP, Membership6 { multiaddr: *multiaddr, interface })
    }
}
