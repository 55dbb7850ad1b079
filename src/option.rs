//! Socket options by type: each constant names an option of `getsockopt(2)` and says what its value is.
//!
//! [`SocketApi::option`](crate::SocketApi::option) and [`set_option`](crate::SocketApi::set_option) take these; options that are not
//! here go by level, name and integer or bytes (`getsockopt`, `setsockopt` and their `_bytes` forms).

use crate::consts as c;
use crate::errno::{Errno, Result};
use crate::types::{Domain, Protocol, Type};
use std::marker::PhantomData;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The level and name of a socket option whose value is a `V`.
///
/// ```
/// use std::time::Duration;
/// use twinsock::option::{self, SocketOption, Timeout};
/// use twinsock::{Domain, Os, Protocol, Socket, Type, consts};
///
/// let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
/// socket.set_option(option::TCP_NODELAY, true)?;
/// socket.set_option(option::SO_RCVTIMEO, Timeout(Some(Duration::from_secs(2))))?;
/// assert_eq!(socket.option(option::SO_TYPE)?, Type::STREAM);
///
/// const TCP_THIN_DUPACK: SocketOption<bool> = SocketOption::new(consts::SOL_TCP, consts::TCP_THIN_DUPACK);
/// assert!(!socket.option(TCP_THIN_DUPACK)?);
/// # Ok::<(), twinsock::Errno>(())
/// ```
#[derive(Debug)]
pub struct SocketOption<V> {
    level: i32,
    name: i32,
    value: PhantomData<fn(V) -> V>,
}

impl<V> Clone for SocketOption<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for SocketOption<V> {}

impl<V: OptionValue> SocketOption<V> {
    /// An option that this module does not list.
    ///
    /// ```
    /// use twinsock::{consts, option::SocketOption};
    /// const TCP_QUICKACK: SocketOption<bool> = SocketOption::new(consts::SOL_TCP, consts::TCP_QUICKACK);
    /// # let _ = TCP_QUICKACK;
    /// ```
    #[must_use]
    pub const fn new(level: i32, name: i32) -> SocketOption<V> {
        SocketOption { level, name, value: PhantomData }
    }

    /// The level, `SOL_*` or `IPPROTO_*`.
    ///
    /// ```
    /// use twinsock::{consts, option};
    /// assert_eq!(option::TCP_NODELAY.level(), consts::SOL_TCP);
    /// ```
    #[must_use]
    pub const fn level(self) -> i32 {
        self.level
    }

    /// The name, `SO_*`, `TCP_*`, ...
    ///
    /// ```
    /// use twinsock::{consts, option};
    /// assert_eq!(option::TCP_NODELAY.name(), consts::TCP_NODELAY);
    /// ```
    #[must_use]
    pub const fn name(self) -> i32 {
        self.name
    }
}

/// A value that `getsockopt(2)` and `setsockopt(2)` carry as bytes.
///
/// ```
/// use twinsock::option::{OptionBytes, OptionValue};
///
/// /// A pair of ports, say.
/// struct Range(u16, u16);
///
/// impl OptionValue for Range {
///     const BYTES: usize = 4;
///     fn encode(&self) -> OptionBytes {
///         OptionBytes::of(&[&self.0.to_ne_bytes(), &self.1.to_ne_bytes()])
///     }
///     fn decode(bytes: &[u8]) -> twinsock::Result<Range> {
///         let [a, b, c, d] = *bytes.first_chunk().ok_or(twinsock::Errno::INVAL)?;
///         Ok(Range(u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])))
///     }
/// }
/// assert_eq!(Range::decode(Range(1, 2).encode().as_bytes())?.1, 2);
/// # Ok::<(), twinsock::Errno>(())
/// ```
pub trait OptionValue: Sized {
    /// How many bytes it has at most; no more than [`OPTION_MAX_BYTES`].
    const BYTES: usize;
    /// The bytes of the value, as the kernel reads them.
    ///
    /// ```
    /// use twinsock::option::OptionValue;
    /// assert_eq!(1_i32.encode().as_bytes(), 1_i32.to_ne_bytes());
    /// ```
    fn encode(&self) -> OptionBytes;
    /// The value that these bytes hold.
    ///
    /// # Errors
    /// `EINVAL`: fewer bytes than the value has.
    ///
    /// ```
    /// use twinsock::{Errno, option::OptionValue};
    /// assert_eq!(i32::decode(&[0; 3]), Err(Errno::INVAL));
    /// ```
    fn decode(bytes: &[u8]) -> Result<Self>;
}

/// How many bytes the largest value here has: an address of 16 bytes and an index.
pub const OPTION_MAX_BYTES: usize = 32;

/// The bytes of an option's value, without allocation.
///
/// ```
/// use twinsock::option::OptionBytes;
/// assert_eq!(OptionBytes::of(&[&[1], &[2, 3]]).as_bytes(), [1, 2, 3]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OptionBytes {
    bytes: [u8; OPTION_MAX_BYTES],
    len: usize,
}

impl OptionBytes {
    /// These parts, one after the other.
    ///
    /// # Panics
    /// If they have more than [`OPTION_MAX_BYTES`] together.
    ///
    /// ```
    /// use twinsock::option::OptionBytes;
    /// let linger = OptionBytes::of(&[&1_i32.to_ne_bytes(), &5_i32.to_ne_bytes()]);
    /// assert_eq!(linger.as_bytes().len(), 8);
    /// ```
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> OptionBytes {
        let mut value = OptionBytes { bytes: [0; OPTION_MAX_BYTES], len: 0 };
        for part in parts {
            value.bytes[value.len..value.len + part.len()].copy_from_slice(part);
            value.len += part.len();
        }
        value
    }

    /// The bytes.
    ///
    /// ```
    /// use twinsock::option::OptionValue;
    /// assert_eq!(true.encode().as_bytes(), 1_i32.to_ne_bytes());
    /// ```
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Takes `N` bytes from the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk().ok_or(Errno::INVAL)?;
    *bytes = rest;
    Ok(*first)
}

impl OptionValue for i32 {
    const BYTES: usize = 4;

    fn encode(&self) -> OptionBytes {
        OptionBytes::of(&[&self.to_ne_bytes()])
    }

    /// One byte is taken too: some options of `ip(7)` answer so.
    fn decode(mut bytes: &[u8]) -> Result<i32> {
        if let [byte] = bytes { Ok(i32::from(*byte)) } else { take(&mut bytes).map(i32::from_ne_bytes) }
    }
}

impl OptionValue for u32 {
    const BYTES: usize = 4;

    fn encode(&self) -> OptionBytes {
        self.cast_signed().encode()
    }

    fn decode(bytes: &[u8]) -> Result<u32> {
        i32::decode(bytes).map(i32::cast_unsigned)
    }
}

impl OptionValue for u64 {
    const BYTES: usize = 8;

    fn encode(&self) -> OptionBytes {
        OptionBytes::of(&[&self.to_ne_bytes()])
    }

    fn decode(mut bytes: &[u8]) -> Result<u64> {
        take(&mut bytes).map(u64::from_ne_bytes)
    }
}

impl OptionValue for bool {
    const BYTES: usize = 4;

    fn encode(&self) -> OptionBytes {
        i32::from(*self).encode()
    }

    fn decode(bytes: &[u8]) -> Result<bool> {
        Ok(i32::decode(bytes)? != 0)
    }
}

impl OptionValue for Ipv4Addr {
    const BYTES: usize = 4;

    fn encode(&self) -> OptionBytes {
        OptionBytes::of(&[&self.octets()])
    }

    fn decode(mut bytes: &[u8]) -> Result<Ipv4Addr> {
        take::<4>(&mut bytes).map(Ipv4Addr::from)
    }
}

macro_rules! number_value {
    ($($type:ty),*) => {$(
        impl OptionValue for $type {
            const BYTES: usize = 4;

            fn encode(&self) -> OptionBytes {
                self.raw().encode()
            }

            fn decode(bytes: &[u8]) -> Result<$type> {
                i32::decode(bytes).map(<$type>::from_raw)
            }
        }
    )*};
}

number_value!(Domain, Type, Protocol);

/// An error that waits on the socket; [`Errno`] 0 is none.
impl OptionValue for Option<Errno> {
    const BYTES: usize = 4;

    fn encode(&self) -> OptionBytes {
        self.map_or(0, Errno::raw).encode()
    }

    fn decode(bytes: &[u8]) -> Result<Option<Errno>> {
        let number = i32::decode(bytes)?;
        Ok((number != 0).then_some(Errno::from_raw(number)))
    }
}

/// How `close` treats data that is not sent yet, `SO_LINGER`: a `struct linger`.
///
/// ```
/// use std::time::Duration;
/// use twinsock::option::{Linger, SO_LINGER};
/// use twinsock::{Domain, Os, Protocol, Socket, Type};
/// let socket = Socket::new(&Os, Domain::INET, Type::STREAM, Protocol::TCP)?;
/// socket.set_option(SO_LINGER, Linger(Some(Duration::from_secs(5))))?;
/// # Ok::<(), twinsock::Errno>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linger(
    /// `None`: close returns at once and sending goes on. `Some`: close waits that long, in whole seconds (fractions are cut
    /// off); zero resets the connection.
    pub Option<Duration>,
);

impl OptionValue for Linger {
    const BYTES: usize = 8;

    fn encode(&self) -> OptionBytes {
        let seconds = self.0.map_or(0, |time| i32::try_from(time.as_secs()).unwrap_or(i32::MAX));
        OptionBytes::of(&[&i32::from(self.0.is_some()).to_ne_bytes(), &seconds.to_ne_bytes()])
    }

    fn decode(mut bytes: &[u8]) -> Result<Linger> {
        let on = i32::from_ne_bytes(take(&mut bytes)?) != 0;
        let seconds = i32::from_ne_bytes(take(&mut bytes)?).cast_unsigned();
        Ok(Linger(on.then_some(Duration::from_secs(seconds.into()))))
    }
}

/// How long a blocking call waits, `SO_RCVTIMEO` and `SO_SNDTIMEO`: a `struct timeval`.
///
/// The kernel counts it in the ticks of its timer, rounded up. Where these come late and all at once, as on a virtual machine that stood still, it is over
/// earlier by the monotonic clock.
///
/// ```
/// use std::time::Duration;
/// use twinsock::option::{SO_RCVTIMEO, Timeout};
/// use twinsock::{Domain, Errno, MsgFlags, Os, Protocol, Socket, Type};
/// let (a, _b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
/// a.set_option(SO_RCVTIMEO, Timeout(Some(Duration::from_millis(8))))?;
/// assert_eq!(a.recv(16, MsgFlags::NONE), Err(Errno::AGAIN));
/// # Ok::<(), twinsock::Errno>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(
    /// `None`: for ever, `{0, 0}`. `Some` of less than a microsecond is a microsecond, since 0 would be for ever.
    pub Option<Duration>,
);

impl OptionValue for Timeout {
    const BYTES: usize = 2 * size_of::<isize>();

    fn encode(&self) -> OptionBytes {
        let (seconds, micros) = match self.0 {
            None => (0, 0),
            Some(time) if time < Duration::from_micros(1) => (0, 1),
            // The kernel's timeval is two longs.
            Some(time) => (isize::try_from(time.as_secs()).unwrap_or(isize::MAX), time.subsec_micros()),
        };
        let micros = isize::try_from(micros).expect("less than a million fits any long");
        OptionBytes::of(&[&seconds.to_ne_bytes(), &micros.to_ne_bytes()])
    }

    fn decode(mut bytes: &[u8]) -> Result<Timeout> {
        let mut long = || take(&mut bytes).map(|long| u64::try_from(isize::from_ne_bytes(long)).unwrap_or(0));
        let time = Duration::from_secs(long()?) + Duration::from_micros(long()?);
        Ok(Timeout((!time.is_zero()).then_some(time)))
    }
}

/// A process's identity, `struct ucred`: of `SO_PEERCRED` and `SCM_CREDENTIALS`, `unix(7)`.
///
/// ```
/// use twinsock::{Domain, Os, Protocol, Socket, Type, option::SO_PEERCRED};
/// let (a, _b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
/// assert_eq!(a.option(SO_PEERCRED)?.pid.cast_unsigned(), std::process::id());
/// # Ok::<(), twinsock::Errno>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the fields of struct ucred")]
pub struct Credentials {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

impl OptionValue for Credentials {
    const BYTES: usize = 12;

    fn encode(&self) -> OptionBytes {
        OptionBytes::of(&[&self.pid.to_ne_bytes(), &self.uid.to_ne_bytes(), &self.gid.to_ne_bytes()])
    }

    fn decode(mut bytes: &[u8]) -> Result<Credentials> {
        Ok(Credentials {
            pid: i32::from_ne_bytes(take(&mut bytes)?),
            uid: u32::from_ne_bytes(take(&mut bytes)?),
            gid: u32::from_ne_bytes(take(&mut bytes)?),
        })
    }
}

/// A group to join on an interface, `struct ip_mreq`, `ip(7)`.
///
/// ```
/// use twinsock::option::{IP_ADD_MEMBERSHIP, Membership4};
/// use twinsock::{Domain, Errno, Os, Protocol, Socket, Type};
/// let socket = Socket::new(&Os, Domain::INET, Type::DGRAM, Protocol::UDP)?;
/// let no_group = Membership4 { multiaddr: [10, 0, 0, 1].into(), interface: [0, 0, 0, 0].into() };
/// assert_eq!(socket.set_option(IP_ADD_MEMBERSHIP, no_group), Err(Errno::INVAL));
/// # Ok::<(), twinsock::Errno>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership4 {
    /// The group.
    pub multiaddr: Ipv4Addr,
    /// The address of the interface; 0.0.0.0 lets the kernel choose.
    pub interface: Ipv4Addr,
}

impl OptionValue for Membership4 {
    const BYTES: usize = 8;

    fn encode(&self) -> OptionBytes {
        OptionBytes::of(&[&self.multiaddr.octets(), &self.interface.octets()])
    }

    fn decode(mut bytes: &[u8]) -> Result<Membership4> {
        Ok(Membership4 { multiaddr: take::<4>(&mut bytes)?.into(), interface: take::<4>(&mut bytes)?.into() })
    }
}

/// A group to join on an interface, `struct ipv6_mreq`, `ipv6(7)`.
///
/// ```
/// use twinsock::option::{Membership6, OptionValue};
/// let all_nodes = Membership6 { multiaddr: "ff02::1".parse().unwrap(), interface: 0 };
/// assert_eq!(all_nodes.encode().as_bytes().len(), 20, "struct ipv6_mreq");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership6 {
    /// The group.
    pub multiaddr: Ipv6Addr,
    /// The index of the interface; 0 lets the kernel choose.
    pub interface: u32,
}

impl OptionValue for Membership6 {
    const BYTES: usize = 20;

    fn encode(&self) -> OptionBytes {
        OptionBytes::of(&[&self.multiaddr.octets(), &self.interface.to_ne_bytes()])
    }

    fn decode(mut bytes: &[u8]) -> Result<Membership6> {
        let multiaddr = take::<16>(&mut bytes)?.into();
        Ok(Membership6 { multiaddr, interface: u32::from_ne_bytes(take(&mut bytes)?) })
    }
}

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $value:ty = $level:ident;)*) => {
        $($(#[$doc])* pub const $name: SocketOption<$value> = SocketOption::new(c::$level, c::$name);)*
    };
}

// socket(7)
options! {
    /// Whether an address in TIME-WAIT may be bound again.
    SO_REUSEADDR: bool = SOL_SOCKET;
    /// Whether several sockets may be bound to one address.
    SO_REUSEPORT: bool = SOL_SOCKET;
    /// The socket's type (reading only).
    SO_TYPE: Type = SOL_SOCKET;
    /// The socket's domain (reading only).
    SO_DOMAIN: Domain = SOL_SOCKET;
    /// The socket's protocol (reading only).
    SO_PROTOCOL: Protocol = SOL_SOCKET;
    /// The error that waits on the socket; reading takes it (reading only).
    SO_ERROR: Option<Errno> = SOL_SOCKET;
    /// Whether datagrams may go to broadcast addresses.
    SO_BROADCAST: bool = SOL_SOCKET;
    /// Limit of the send buffer in bytes; Linux doubles what is set.
    SO_SNDBUF: i32 = SOL_SOCKET;
    /// Limit of the receive buffer in bytes; Linux doubles what is set.
    SO_RCVBUF: i32 = SOL_SOCKET;
    /// Whether an idle connection is probed.
    SO_KEEPALIVE: bool = SOL_SOCKET;
    /// Whether urgent data stays in the stream.
    SO_OOBINLINE: bool = SOL_SOCKET;
    /// What `close` does with data that is not sent yet.
    SO_LINGER: Linger = SOL_SOCKET;
    /// How many bytes make a receive call return.
    SO_RCVLOWAT: i32 = SOL_SOCKET;
    /// How long receive calls and `accept` wait.
    SO_RCVTIMEO: Timeout = SOL_SOCKET;
    /// How long send calls and `connect` wait.
    SO_SNDTIMEO: Timeout = SOL_SOCKET;
    /// Whether the socket listens (reading only).
    SO_ACCEPTCONN: bool = SOL_SOCKET;
    /// Whether credentials come with each message, `unix(7)`.
    SO_PASSCRED: bool = SOL_SOCKET;
    /// Who made the other end, `unix(7)` (reading only).
    SO_PEERCRED: Credentials = SOL_SOCKET;
    /// The offset at which MSG_PEEK reads, -1 for off.
    SO_PEEK_OFF: i32 = SOL_SOCKET;
    /// A number that no other socket has (reading only).
    SO_COOKIE: u64 = SOL_SOCKET;
}

// tcp(7)
options! {
    /// Whether small segments are sent at once, without waiting for an ACK (no Nagle).
    TCP_NODELAY: bool = SOL_TCP;
    /// The largest segment in bytes.
    TCP_MAXSEG: i32 = SOL_TCP;
    /// Whether only full segments are sent.
    TCP_CORK: bool = SOL_TCP;
    /// Idle time before the first keepalive probe, in seconds.
    TCP_KEEPIDLE: i32 = SOL_TCP;
    /// Time between keepalive probes, in seconds.
    TCP_KEEPINTVL: i32 = SOL_TCP;
    /// How many keepalive probes may go unanswered.
    TCP_KEEPCNT: i32 = SOL_TCP;
    /// How often a SYN is sent again.
    TCP_SYNCNT: i32 = SOL_TCP;
    /// How long a closed socket stays in FIN-WAIT-2, in seconds; -1 for not at all.
    TCP_LINGER2: i32 = SOL_TCP;
    /// How long a listener waits for data before it hands out a connection, in seconds.
    TCP_DEFER_ACCEPT: i32 = SOL_TCP;
    /// Whether ACKs are sent at once; not permanent.
    TCP_QUICKACK: bool = SOL_TCP;
    /// How long data may stay unacknowledged, in milliseconds; 0 for the usual limit.
    TCP_USER_TIMEOUT: i32 = SOL_TCP;
    /// How much unsent data keeps the socket from being writable, in bytes.
    TCP_NOTSENT_LOWAT: u32 = SOL_TCP;
}

// ip(7)
options! {
    /// Time to live of unicast packets; 1 to 255, -1 for the default.
    IP_TTL: i32 = SOL_IP;
    /// Type of service of packets.
    IP_TOS: i32 = SOL_IP;
    /// Whether datagrams come with an IP_PKTINFO message.
    IP_PKTINFO: bool = SOL_IP;
    /// Whether datagrams come with their time to live.
    IP_RECVTTL: bool = SOL_IP;
    /// Whether datagrams come with their type of service.
    IP_RECVTOS: bool = SOL_IP;
    /// Whether ICMP errors are queued for MSG_ERRQUEUE.
    IP_RECVERR: bool = SOL_IP;
    /// The known path MTU of a connected socket (reading only).
    IP_MTU: i32 = SOL_IP;
    /// Time to live of multicast packets.
    IP_MULTICAST_TTL: i32 = SOL_IP;
    /// Whether own multicast packets come back to this host.
    IP_MULTICAST_LOOP: bool = SOL_IP;
    /// The interface of multicast packets, by its address.
    IP_MULTICAST_IF: Ipv4Addr = SOL_IP;
    /// Joins a group (setting only).
    IP_ADD_MEMBERSHIP: Membership4 = SOL_IP;
    /// Leaves a group (setting only).
    IP_DROP_MEMBERSHIP: Membership4 = SOL_IP;
}

// ipv6(7)
options! {
    /// Whether the socket leaves IPv4 alone.
    IPV6_V6ONLY: bool = SOL_IPV6;
    /// Hop limit of unicast packets.
    IPV6_UNICAST_HOPS: i32 = SOL_IPV6;
    /// Hop limit of multicast packets.
    IPV6_MULTICAST_HOPS: i32 = SOL_IPV6;
    /// Whether own multicast packets come back to this host.
    IPV6_MULTICAST_LOOP: bool = SOL_IPV6;
    /// The interface of multicast packets, by its index.
    IPV6_MULTICAST_IF: u32 = SOL_IPV6;
    /// Joins a group (setting only).
    IPV6_ADD_MEMBERSHIP: Membership6 = SOL_IPV6;
    /// Leaves a group (setting only).
    IPV6_DROP_MEMBERSHIP: Membership6 = SOL_IPV6;
    /// Whether datagrams come with an IPV6_PKTINFO message.
    IPV6_RECVPKTINFO: bool = SOL_IPV6;
    /// Whether datagrams come with their hop limit.
    IPV6_RECVHOPLIMIT: bool = SOL_IPV6;
    /// Whether datagrams come with their traffic class.
    IPV6_RECVTCLASS: bool = SOL_IPV6;
    /// Traffic class of packets.
    IPV6_TCLASS: i32 = SOL_IPV6;
}
