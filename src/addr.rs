//! Socket addresses: inet, inet6 and unix, to and from the bytes of a `sockaddr`.

use crate::consts::{AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC};
use crate::errno::{Errno, Result};
use std::ffi::OsStr;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The largest `sockaddr`, `sizeof(struct sockaddr_storage)`.
pub const SOCKADDR_MAX_BYTES: usize = 128;

/// `sizeof(((struct sockaddr_un *)0)->sun_path)`.
pub const SUN_PATH_MAX_BYTES: usize = 108;

/// The address of a local socket, `unix(7)`.
///
/// ```
/// use twinsock::UnixAddr;
/// let addr = UnixAddr::from_pathname("/run/server.sock")?;
/// assert_eq!(addr, UnixAddr::Path("/run/server.sock".into()));
/// # Ok::<(), twinsock::Errno>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnixAddr {
    /// A socket that was never bound.
    Unnamed,
    /// A file.
    Path(PathBuf),
    /// A name of the abstract name space: the bytes after the leading NUL.
    Abstract(Vec<u8>),
}

impl fmt::Debug for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnixAddr::Unnamed => f.write_str("unix:"),
            UnixAddr::Path(path) => write!(f, "unix:{}", path.as_os_str().as_bytes().escape_ascii()),
            UnixAddr::Abstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
        }
    }
}

/// A socket address of any family the API knows.
///
/// ```
/// use twinsock::SocketAddr;
/// let addr: SocketAddr = "127.0.0.1:80".parse::<std::net::SocketAddr>().unwrap().into();
/// assert_eq!(addr.port(), Some(80));
/// assert_eq!(SocketAddr::decode(addr.encode().unwrap().as_bytes()).unwrap(), addr);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SocketAddr {
    /// AF_UNSPEC: to `connect(2)`, "dissolve the association".
    Unspec,
    /// AF_INET.
    V4(SocketAddrV4),
    /// AF_INET6.
    V6(SocketAddrV6),
    /// AF_UNIX.
    Unix(UnixAddr),
}

/// The bytes of a `sockaddr`, without allocation.
///
/// ```
/// use twinsock::SocketAddr;
/// let raw = SocketAddr::inet([127, 0, 0, 1].into(), 80).encode()?;
/// assert_eq!(raw.as_bytes()[2..8], [0, 80, 127, 0, 0, 1], "port and address in network order");
/// # Ok::<(), twinsock::Errno>(())
/// ```
#[derive(Clone, Copy)]
pub struct RawAddr {
    bytes: [u8; SOCKADDR_MAX_BYTES],
    len: usize,
}

impl fmt::Debug for RawAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawAddr({:02x?})", self.as_bytes())
    }
}

impl RawAddr {
    /// An address of length 0.
    pub const EMPTY: RawAddr = RawAddr { bytes: [0; SOCKADDR_MAX_BYTES], len: 0 };

    /// The bytes.
    ///
    /// ```
    /// use twinsock::SocketAddr;
    /// assert_eq!(SocketAddr::inet([127, 0, 0, 1].into(), 80).encode()?.as_bytes().len(), 16, "struct sockaddr_in");
    /// # Ok::<(), twinsock::Errno>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    #[inline]
    fn family(family: i32) -> RawAddr {
        RawAddr::of(&family_bytes(family))
    }

    /// These, and nothing else yet.
    #[inline(always)]
    fn of<const N: usize>(first: &[u8; N]) -> RawAddr {
        let mut raw = RawAddr { len: N, ..RawAddr::EMPTY };
        raw.bytes[..N].copy_from_slice(first);
        raw
    }
}

/// `sa_family`.
#[inline(always)]
fn family_bytes(family: i32) -> [u8; 2] {
    u16::try_from(family).expect("an address family fits sa_family_t").to_ne_bytes()
}

impl SocketAddr {
    /// The bytes of the `sockaddr`.
    ///
    /// # Errors
    /// `EINVAL`: a unix path or name longer than `sun_path`, or a path with a NUL in it.
    ///
    /// ```
    /// use twinsock::SocketAddr;
    /// let addr = SocketAddr::inet([127, 0, 0, 1].into(), 80);
    /// assert_eq!(SocketAddr::decode(addr.encode()?.as_bytes())?, addr);
    /// # Ok::<(), twinsock::Errno>(())
    /// ```
    #[inline]
    pub fn encode(&self) -> Result<RawAddr> {
        match self {
            SocketAddr::Unspec => {
                let mut raw = RawAddr::family(AF_UNSPEC);
                raw.push(&[0; 14]);
                Ok(raw)
            }
            SocketAddr::V4(v4) => {
                let ([f0, f1], [p0, p1], [a, b, c, d]) = (family_bytes(AF_INET), v4.port().to_be_bytes(), v4.ip().octets());
                Ok(RawAddr::of(&[f0, f1, p0, p1, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]))
            }
            SocketAddr::V6(v6) => {
                let mut raw = RawAddr::family(AF_INET6);
                raw.push(&v6.port().to_be_bytes());
                raw.push(&v6.flowinfo().to_be_bytes());
                raw.push(&v6.ip().octets());
                raw.push(&v6.scope_id().to_ne_bytes());
                Ok(raw)
            }
            SocketAddr::Unix(unix) => unix.encode(),
        }
    }

    /// The address that these bytes of a `sockaddr` hold.
    ///
    /// # Errors
    /// `EINVAL`: too short for its family. `EAFNOSUPPORT`: a family that the API does not know.
    ///
    /// ```
    /// use twinsock::{Errno, SocketAddr};
    /// assert_eq!(SocketAddr::decode(&[2]), Err(Errno::INVAL));
    /// ```
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<SocketAddr> {
        let (Some(family), rest) = (bytes.first_chunk::<2>(), bytes.get(2..).unwrap_or_default()) else {
            return Err(Errno::INVAL);
        };
        match i32::from(u16::from_ne_bytes(*family)) {
            AF_UNSPEC => Ok(SocketAddr::Unspec),
            AF_INET => {
                let fields: &[u8; 6] = rest.first_chunk().ok_or(Errno::INVAL)?;
                let [p0, p1, a, b, c, d] = *fields;
                Ok(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p0, p1]))))
            }
            AF_INET6 => {
                let (port, rest) = rest.split_first_chunk().ok_or(Errno::INVAL)?;
                let (flowinfo, rest) = rest.split_first_chunk().ok_or(Errno::INVAL)?;
                let (ip, rest) = rest.split_first_chunk::<16>().ok_or(Errno::INVAL)?;
                // A sockaddr without sin6_scope_id (RFC 2133) is accepted, as the kernel does.
                let scope_id = rest.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
                let (port, flowinfo) = (u16::from_be_bytes(*port), u32::from_be_bytes(*flowinfo));
                Ok(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(*ip), port, flowinfo, scope_id)))
            }
            AF_UNIX => Ok(SocketAddr::Unix(UnixAddr::decode(rest))),
            _ => Err(Errno::AFNOSUPPORT),
        }
    }

    /// The port of an inet address.
    ///
    /// ```
    /// use twinsock::{SocketAddr, UnixAddr};
    /// assert_eq!(SocketAddr::inet([127, 0, 0, 1].into(), 80).port(), Some(80));
    /// assert_eq!(SocketAddr::Unix(UnixAddr::Unnamed).port(), None);
    /// ```
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            SocketAddr::V4(v4) => Some(v4.port()),
            SocketAddr::V6(v6) => Some(v6.port()),
            SocketAddr::Unspec | SocketAddr::Unix(_) => None,
        }
    }

    /// The address as the standard library's type, if it is an inet one.
    ///
    /// ```
    /// use twinsock::SocketAddr;
    /// assert_eq!(SocketAddr::inet([127, 0, 0, 1].into(), 80).as_inet(), Some(([127, 0, 0, 1], 80).into()));
    /// ```
    #[must_use]
    #[inline]
    pub fn as_inet(&self) -> Option<std::net::SocketAddr> {
        match self {
            SocketAddr::V4(v4) => Some((*v4).into()),
            SocketAddr::V6(v6) => Some((*v6).into()),
            SocketAddr::Unspec | SocketAddr::Unix(_) => None,
        }
    }

    /// An inet address from its parts.
    ///
    /// ```
    /// use std::net::Ipv6Addr;
    /// use twinsock::SocketAddr;
    /// assert_eq!(SocketAddr::inet(Ipv6Addr::LOCALHOST.into(), 80).to_string(), "[::1]:80");
    /// ```
    #[must_use]
    pub fn inet(ip: IpAddr, port: u16) -> SocketAddr {
        std::net::SocketAddr::new(ip, port).into()
    }
}

impl UnixAddr {
    /// The address of a file; an empty path is no name, as in std.
    ///
    /// # Errors
    /// `EINVAL`: a path that does not fit `sun_path`, or has a NUL in it.
    ///
    /// ```
    /// use twinsock::{Errno, UnixAddr};
    /// assert!(UnixAddr::from_pathname("/run/server.sock").is_ok());
    /// assert_eq!(UnixAddr::from_pathname("x".repeat(108)), Err(Errno::INVAL));
    /// ```
    pub fn from_pathname(path: impl AsRef<Path>) -> Result<UnixAddr> {
        let path = path.as_ref();
        if path.as_os_str().is_empty() {
            return Ok(UnixAddr::Unnamed);
        }
        let addr = UnixAddr::Path(path.to_path_buf());
        addr.encode()?;
        Ok(addr)
    }

    /// The address of a name in the abstract name space; the name may hold any bytes.
    ///
    /// # Errors
    /// `EINVAL`: a name that does not fit `sun_path` with its leading NUL.
    ///
    /// ```
    /// use twinsock::UnixAddr;
    /// assert_eq!(UnixAddr::from_abstract_name("server")?.as_abstract_name(), Some(&b"server"[..]));
    /// # Ok::<(), twinsock::Errno>(())
    /// ```
    pub fn from_abstract_name(name: impl AsRef<[u8]>) -> Result<UnixAddr> {
        let name = name.as_ref();
        if name.len() < SUN_PATH_MAX_BYTES { Ok(UnixAddr::Abstract(name.to_vec())) } else { Err(Errno::INVAL) }
    }

    /// Whether the socket has no name.
    ///
    /// ```
    /// use twinsock::{Os, net::UnixStream};
    /// let (a, _b) = UnixStream::pair(&Os)?;
    /// assert!(a.local_addr()?.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        *self == UnixAddr::Unnamed
    }

    /// The path, if the name is one.
    ///
    /// ```
    /// use std::path::Path;
    /// use twinsock::UnixAddr;
    /// assert_eq!(UnixAddr::from_pathname("/run/a")?.as_pathname(), Some(Path::new("/run/a")));
    /// # Ok::<(), twinsock::Errno>(())
    /// ```
    #[must_use]
    pub fn as_pathname(&self) -> Option<&Path> {
        match self {
            UnixAddr::Path(path) => Some(path),
            UnixAddr::Unnamed | UnixAddr::Abstract(_) => None,
        }
    }

    /// The bytes of an abstract name.
    ///
    /// ```
    /// use twinsock::UnixAddr;
    /// assert_eq!(UnixAddr::from_pathname("/run/a")?.as_abstract_name(), None);
    /// # Ok::<(), twinsock::Errno>(())
    /// ```
    #[must_use]
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        match self {
            UnixAddr::Abstract(name) => Some(name),
            UnixAddr::Unnamed | UnixAddr::Path(_) => None,
        }
    }

    /// The bytes of the `sockaddr_un`.
    fn encode(&self) -> Result<RawAddr> {
        let mut raw = RawAddr::family(AF_UNIX);
        match self {
            UnixAddr::Unnamed => {}
            UnixAddr::Path(path) => {
                let bytes = path.as_os_str().as_encoded_bytes();
                if bytes.is_empty() || bytes.len() >= SUN_PATH_MAX_BYTES || bytes.contains(&0) {
                    return Err(Errno::INVAL);
                }
                raw.push(bytes);
                raw.push(&[0]);
            }
            UnixAddr::Abstract(name) => {
                if name.len() >= SUN_PATH_MAX_BYTES {
                    return Err(Errno::INVAL);
                }
                raw.push(&[0]);
                raw.push(name);
            }
        }
        Ok(raw)
    }

    /// The address that `sun_path` holds.
    fn decode(sun_path: &[u8]) -> UnixAddr {
        match sun_path.first() {
            None => UnixAddr::Unnamed,
            Some(0) => UnixAddr::Abstract(sun_path[1..].to_vec()),
            Some(_) => {
                let end = sun_path.iter().position(|b| *b == 0).unwrap_or(sun_path.len());
                UnixAddr::Path(path_from_bytes(&sun_path[..end]))
            }
        }
    }
}

fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

impl From<std::net::SocketAddr> for SocketAddr {
    fn from(addr: std::net::SocketAddr) -> SocketAddr {
        match addr {
            std::net::SocketAddr::V4(v4) => SocketAddr::V4(v4),
            std::net::SocketAddr::V6(v6) => SocketAddr::V6(v6),
        }
    }
}

impl From<UnixAddr> for SocketAddr {
    fn from(addr: UnixAddr) -> SocketAddr {
        SocketAddr::Unix(addr)
    }
}

impl fmt::Debug for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketAddr::Unspec => f.write_str("unspec"),
            SocketAddr::V4(v4) => write!(f, "{v4}"),
            SocketAddr::V6(v6) => write!(f, "{v6}"),
            SocketAddr::Unix(unix) => write!(f, "{unix:?}"),
        }
    }
}

impl fmt::Display for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
