//! [`ToSocketAddrs`]: addresses by name, resolved by the world.

use crate::api::SocketApi;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::{io, iter, option, slice, vec};

/// What can be turned into addresses, `std::net::ToSocketAddrs`, with names resolved by the world that is passed.
///
/// ```
/// use twinsock::{Os, net::ToSocketAddrs};
/// let mut addrs = "127.0.0.1:80".to_socket_addrs(&Os).unwrap();
/// assert_eq!(addrs.next(), Some(([127, 0, 0, 1], 80).into()));
/// assert!("no-port".to_socket_addrs(&Os).is_err());
/// ```
pub trait ToSocketAddrs {
    /// The addresses.
    type Iter: Iterator<Item = SocketAddr>;

    /// The addresses, in the order in which they are to be tried.
    ///
    /// # Errors
    /// `InvalidInput`: not an address with a port. What [`SocketApi::getaddrinfo`] reports.
    ///
    /// ```
    /// use twinsock::{Os, net::ToSocketAddrs};
    /// let addrs: Vec<_> = ("127.0.0.1", 80).to_socket_addrs(&Os)?.collect();
    /// assert_eq!(addrs, [([127, 0, 0, 1], 80).into()]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn to_socket_addrs<A: SocketApi>(&self, api: &A) -> io::Result<Self::Iter>;
}

macro_rules! known {
    ($($type:ty),*) => {$(
        impl ToSocketAddrs for $type {
            type Iter = option::IntoIter<SocketAddr>;

            fn to_socket_addrs<A: SocketApi>(&self, _api: &A) -> io::Result<Self::Iter> {
                Ok(Some(SocketAddr::from(*self)).into_iter())
            }
        }
    )*};
}

known!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl ToSocketAddrs for (&str, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs<A: SocketApi>(&self, api: &A) -> io::Result<Self::Iter> {
        let (host, port) = *self;
        let addrs = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => api.getaddrinfo(host, port)?,
        };
        Ok(addrs.into_iter())
    }
}

impl ToSocketAddrs for (String, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs<A: SocketApi>(&self, api: &A) -> io::Result<Self::Iter> {
        (&*self.0, self.1).to_socket_addrs(api)
    }
}

impl ToSocketAddrs for str {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs<A: SocketApi>(&self, api: &A) -> io::Result<Self::Iter> {
        if let Ok(addr) = self.parse() {
            return Ok(vec![addr].into_iter());
        }
        let invalid = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
        let (host, port) = self.rsplit_once(':').ok_or_else(|| invalid("invalid socket address"))?;
        let port = port.parse().map_err(|_| invalid("invalid port value"))?;
        Ok(api.getaddrinfo(host, port)?.into_iter())
    }
}

impl ToSocketAddrs for String {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs<A: SocketApi>(&self, api: &A) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs(api)
    }
}

impl<'a> ToSocketAddrs for &'a [SocketAddr] {
    type Iter = iter::Cloned<slice::Iter<'a, SocketAddr>>;

    fn to_socket_addrs<A: SocketApi>(&self, _api: &A) -> io::Result<Self::Iter> {
        Ok(self.iter().cloned())
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    type Iter = T::Iter;

    fn to_socket_addrs<A: SocketApi>(&self, api: &A) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs(api)
    }
}

/// The first success among the addresses, or the last failure.
#[inline(always)]
pub(super) fn each_addr<A: SocketApi, T>(
    api: &A,
    addrs: impl ToSocketAddrs,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for addr in addrs.to_socket_addrs(api)? {
        match attempt(addr) {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(no_address))
}

/// As std has it.
#[cold]
pub(super) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses")
}
