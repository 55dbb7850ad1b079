//! Control messages, `cmsg(3)`: what `sendmsg` and `recvmsg` carry beside the data.
//!
//! [`SendControl`] encodes messages to be sent; [`RecvControl`] has room for messages that come and hands them out by type. Sockets
//! that come with `SCM_RIGHTS` are owned from the moment the call returns: those that nobody takes are closed.

use crate::api::SocketApi;
use crate::consts as c;
use crate::errno::{Errno, Result};
pub use crate::option::Credentials;
use crate::option::OptionValue;
use crate::raw::Vouch;
use std::fmt;
use std::marker::PhantomData;
use std::net::{Ipv4Addr, Ipv6Addr};

/// `sizeof(struct cmsghdr)`: a `size_t` and two ints.
const HEADER_BYTES: usize = size_of::<usize>() + 2 * size_of::<i32>();

/// `CMSG_ALIGN`: messages start at multiples of a `size_t`.
const fn align(len: usize) -> usize {
    len.next_multiple_of(size_of::<usize>())
}

/// How many bytes a message with `len` bytes of data takes, `CMSG_SPACE`.
///
/// ```
/// use twinsock::control::space;
/// assert_eq!(space(4), 24, "a header of 16 bytes, and an int padded to 8");
/// ```
#[must_use]
pub const fn space(len: usize) -> usize {
    align(HEADER_BYTES) + align(len)
}

/// Where a datagram arrived, or from where to send it, over IPv4: `struct in_pktinfo`, `ip(7)`.
///
/// ```
/// use twinsock::control::{PacketInfo4, SendControl};
/// let from = PacketInfo4 { ifindex: 0, spec_dst: [127, 0, 0, 2].into(), addr: [0, 0, 0, 0].into() };
/// let mut control = SendControl::<()>::new();
/// control.packet_info4(from);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketInfo4 {
    /// Index of the interface; 0 lets routing decide.
    pub ifindex: i32,
    /// The local address: the source of a packet that is sent.
    pub spec_dst: Ipv4Addr,
    /// The destination in the header of a received packet.
    pub addr: Ipv4Addr,
}

/// Where a datagram arrived, or from where to send it, over IPv6: `struct in6_pktinfo`, `ipv6(7)`.
///
/// ```
/// use std::net::Ipv6Addr;
/// use twinsock::control::{PacketInfo6, SendControl};
/// let mut control = SendControl::<()>::new();
/// control.packet_info6(PacketInfo6 { addr: Ipv6Addr::LOCALHOST, ifindex: 0 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketInfo6 {
    /// The destination of a received packet, or the source of one that is sent.
    pub addr: Ipv6Addr,
    /// Index of the interface; 0 lets routing decide.
    pub ifindex: i32,
}

/// Control messages to be sent with [`SocketApi::sendmsg`].
///
/// ```
/// use std::io::{IoSlice, IoSliceMut};
/// use twinsock::control::{ControlMessage, RecvControl, SendControl};
/// use twinsock::{Domain, MsgFlags, Os, Protocol, SockFlags, SocketApi, Type};
///
/// fn pass_a_socket(api: &impl SocketApi) -> twinsock::Result<()> {
///     let (a, b) = api.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
///     let (mine, theirs) = api.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
///
///     let mut control = SendControl::new();
///     control.rights(api, &[&theirs]);
///     api.sendmsg(&a, &[IoSlice::new(b"!")], Some(&control), None, MsgFlags::NONE)?;
///
///     let mut control = RecvControl::new(twinsock::control::space(4));
///     let mut byte = [0];
///     api.recvmsg(&b, &mut [IoSliceMut::new(&mut byte)], Some(&mut control), MsgFlags::NONE)?;
///     let Some(ControlMessage::Rights(sockets)) = control.drain().next() else { panic!("no rights") };
///     api.send(&sockets[0], b"hello", MsgFlags::NONE)?;
///
///     let mut bytes = [0; 5];
///     api.recv(&mine, &mut bytes, MsgFlags::NONE)?;
///     assert_eq!(&bytes, b"hello");
///     Ok(())
/// }
/// pass_a_socket(&Os).unwrap();
/// ```
pub struct SendControl<'a, S> {
    bytes: Vec<u8>,
    sockets: PhantomData<&'a S>,
}

impl<S> Default for SendControl<'_, S> {
    fn default() -> Self {
        SendControl::new()
    }
}

impl<S> fmt::Debug for SendControl<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendControl({} bytes)", self.bytes.len())
    }
}

impl<'a, S> SendControl<'a, S> {
    /// No messages.
    ///
    /// ```
    /// use twinsock::control::SendControl;
    /// assert!(SendControl::<()>::new().as_bytes().is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> SendControl<'a, S> {
        SendControl { bytes: Vec::new(), sockets: PhantomData }
    }

    /// The messages, encoded.
    ///
    /// ```
    /// use twinsock::control::{SendControl, space};
    /// let mut control = SendControl::<()>::new();
    /// control.ttl(3);
    /// assert_eq!(control.as_bytes().len(), space(4));
    /// ```
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Hands over sockets (`SCM_RIGHTS`, `unix(7)`): the receiver gets duplicates of them.
    ///
    /// ```
    /// use twinsock::control::SendControl;
    /// use twinsock::*;
    /// let socket = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)?;
    /// let mut control = SendControl::new();
    /// control.rights(&Os, &[&socket]);
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn rights<A: SocketApi<Socket = S>>(&mut self, api: &A, sockets: &[&'a S]) -> &mut Self {
        let start = self.start(c::SOL_SOCKET, c::SCM_RIGHTS);
        for socket in sockets {
            self.bytes.extend_from_slice(&api.fileno(socket).to_ne_bytes());
        }
        self.finish(start)
    }

    /// Says who sends (`SCM_CREDENTIALS`, `unix(7)`); the kernel checks it.
    ///
    /// ```
    /// use twinsock::control::{Credentials, SendControl};
    /// let mut control = SendControl::<()>::new();
    /// control.credentials(Credentials { pid: 1, uid: 0, gid: 0 });
    /// ```
    pub fn credentials(&mut self, credentials: Credentials) -> &mut Self {
        self.message(c::SOL_SOCKET, c::SCM_CREDENTIALS, credentials.encode().as_bytes())
    }

    /// Chooses interface and source address (`IP_PKTINFO`).
    ///
    /// ```
    /// use twinsock::control::{PacketInfo4, SendControl};
    /// # let info = PacketInfo4 { ifindex: 0, spec_dst: [127, 0, 0, 2].into(), addr: [0, 0, 0, 0].into() };
    /// let mut control = SendControl::<()>::new();
    /// control.packet_info4(info).ttl(8);
    /// ```
    pub fn packet_info4(&mut self, info: PacketInfo4) -> &mut Self {
        let mut data = [0; 12];
        data[..4].copy_from_slice(&info.ifindex.to_ne_bytes());
        data[4..8].copy_from_slice(&info.spec_dst.octets());
        data[8..].copy_from_slice(&info.addr.octets());
        self.message(c::SOL_IP, c::IP_PKTINFO, &data)
    }

    /// Chooses interface and source address (`IPV6_PKTINFO`).
    ///
    /// ```
    /// use twinsock::control::{PacketInfo6, SendControl};
    /// # let info = PacketInfo6 { addr: std::net::Ipv6Addr::LOCALHOST, ifindex: 0 };
    /// let mut control = SendControl::<()>::new();
    /// control.packet_info6(info).hop_limit(8);
    /// ```
    pub fn packet_info6(&mut self, info: PacketInfo6) -> &mut Self {
        let mut data = [0; 20];
        data[..16].copy_from_slice(&info.addr.octets());
        data[16..].copy_from_slice(&info.ifindex.to_ne_bytes());
        self.message(c::SOL_IPV6, c::IPV6_PKTINFO, &data)
    }

    /// Time to live of this packet (`IP_TTL`).
    ///
    /// ```
    /// use twinsock::control::SendControl;
    /// let mut control = SendControl::<()>::new();
    /// control.ttl(1);
    /// assert!(!control.as_bytes().is_empty());
    /// ```
    pub fn ttl(&mut self, ttl: i32) -> &mut Self {
        self.message(c::SOL_IP, c::IP_TTL, &ttl.to_ne_bytes())
    }

    /// Type of service of this packet (`IP_TOS`).
    ///
    /// ```
    /// use twinsock::control::SendControl;
    /// let mut control = SendControl::<()>::new();
    /// control.tos(0x10);
    /// assert!(!control.as_bytes().is_empty());
    /// ```
    pub fn tos(&mut self, tos: u8) -> &mut Self {
        self.message(c::SOL_IP, c::IP_TOS, &i32::from(tos).to_ne_bytes())
    }

    /// Hop limit of this packet (`IPV6_HOPLIMIT`).
    ///
    /// ```
    /// use twinsock::control::SendControl;
    /// let mut control = SendControl::<()>::new();
    /// control.hop_limit(1);
    /// assert!(!control.as_bytes().is_empty());
    /// ```
    pub fn hop_limit(&mut self, hops: i32) -> &mut Self {
        self.message(c::SOL_IPV6, c::IPV6_HOPLIMIT, &hops.to_ne_bytes())
    }

    /// Traffic class of this packet (`IPV6_TCLASS`).
    ///
    /// ```
    /// use twinsock::control::SendControl;
    /// let mut control = SendControl::<()>::new();
    /// control.traffic_class(0x10);
    /// assert!(!control.as_bytes().is_empty());
    /// ```
    pub fn traffic_class(&mut self, class: i32) -> &mut Self {
        self.message(c::SOL_IPV6, c::IPV6_TCLASS, &class.to_ne_bytes())
    }

    /// Any other message, by level, type and bytes.
    ///
    /// # Errors
    /// `EINVAL` for `SCM_RIGHTS`: sockets are handed over by [`rights`](SendControl::rights), which knows that they are open.
    ///
    /// ```
    /// use twinsock::{Errno, consts, control::SendControl};
    /// let mut control = SendControl::<()>::new();
    /// control.raw(consts::SOL_IP, consts::IP_TTL, &9_i32.to_ne_bytes())?;
    /// assert_eq!(control.raw(consts::SOL_SOCKET, consts::SCM_RIGHTS, &[0; 4]).err(), Some(Errno::INVAL));
    /// # Ok::<(), Errno>(())
    /// ```
    pub fn raw(&mut self, level: i32, kind: i32, data: &[u8]) -> Result<&mut Self> {
        if (level, kind) == (c::SOL_SOCKET, c::SCM_RIGHTS) {
            return Err(Errno::INVAL);
        }
        Ok(self.message(level, kind, data))
    }

    fn message(&mut self, level: i32, kind: i32, data: &[u8]) -> &mut Self {
        let start = self.start(level, kind);
        self.bytes.extend_from_slice(data);
        self.finish(start)
    }

    /// Begins a message: its header, the length still to come. Returns where it begins.
    fn start(&mut self, level: i32, kind: i32) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; size_of::<usize>()]);
        self.bytes.extend_from_slice(&level.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn finish(&mut self, start: usize) -> &mut Self {
        let len = self.bytes.len() - start;
        self.bytes[start..start + size_of::<usize>()].copy_from_slice(&len.to_ne_bytes());
        self.bytes.resize(align(self.bytes.len()), 0);
        self
    }
}

/// A control message that came.
///
/// ```
/// use twinsock::control::ControlMessage;
/// fn hops<S>(message: &ControlMessage<'_, S>) -> Option<i32> {
///     match message {
///         ControlMessage::Ttl(hops) | ControlMessage::HopLimit(hops) => Some(*hops),
///         _ => None,
///     }
/// }
/// assert_eq!(hops(&ControlMessage::<()>::Ttl(64)), Some(64));
/// ```
#[derive(Debug)]
pub enum ControlMessage<'a, S> {
    /// `SCM_RIGHTS`: sockets (or other descriptors) that the sender handed over.
    Rights(Vec<S>),
    /// `SCM_CREDENTIALS`: who sent the message.
    Credentials(Credentials),
    /// `IP_PKTINFO`.
    PacketInfo4(PacketInfo4),
    /// `IPV6_PKTINFO`.
    PacketInfo6(PacketInfo6),
    /// `IP_TTL`.
    Ttl(i32),
    /// `IP_TOS`.
    Tos(u8),
    /// `IPV6_HOPLIMIT`.
    HopLimit(i32),
    /// `IPV6_TCLASS`.
    TrafficClass(i32),
    /// Any other message.
    Raw {
        /// `cmsg_level`.
        level: i32,
        /// `cmsg_type`.
        kind: i32,
        /// The data.
        data: &'a [u8],
    },
}

/// Room for control messages that [`SocketApi::recvmsg`] fills, and then the messages.
///
/// ```
/// use std::io::IoSliceMut;
/// use twinsock::control::{ControlMessage, RecvControl, space};
/// use twinsock::*;
/// # let (a, b) = Os.socketpair(Domain::UNIX, Type::DGRAM, SockFlags::NONE, Protocol::DEFAULT)?;
/// Os.set_option(&b, option::SO_PASSCRED, true)?;
/// Os.send(&a, b"x", MsgFlags::NONE)?;
/// let mut control = RecvControl::new(space(12));
/// Os.recvmsg(&b, &mut [IoSliceMut::new(&mut [0])], Some(&mut control), MsgFlags::NONE)?;
/// assert!(matches!(control.drain().next(), Some(ControlMessage::Credentials(_))));
/// # Ok::<(), Errno>(())
/// ```
pub struct RecvControl<A: SocketApi> {
    bytes: Vec<u8>,
    /// How many bytes the last call filled.
    len: usize,
    /// How many of them have been handed out.
    taken: usize,
    /// The world of the last call, whose numbers `SCM_RIGHTS` has.
    api: Option<A>,
}

impl<A: SocketApi> RecvControl<A> {
    /// Room for `capacity` bytes of messages; see [`space`] for what one takes.
    ///
    /// ```
    /// use twinsock::{Os, control::{RecvControl, space}};
    /// let for_one_socket = RecvControl::<Os>::new(space(4));
    /// # drop(for_one_socket);
    /// ```
    #[must_use]
    pub fn new(capacity: usize) -> RecvControl<A> {
        RecvControl { bytes: vec![0; capacity], len: 0, taken: 0, api: None }
    }

    /// The messages of the last call that have not been handed out yet, in their order.
    ///
    /// ```
    /// use twinsock::{Os, control::RecvControl};
    /// assert_eq!(RecvControl::<Os>::new(64).drain().count(), 0, "no call has filled it");
    /// ```
    pub fn drain(&mut self) -> Drain<'_, A> {
        Drain { bytes: &self.bytes[..self.len], taken: &mut self.taken, api: self.api.as_ref() }
    }

    /// Closes what nobody took and gives the room to the next call.
    pub(crate) fn refill(&mut self, api: &A) -> &mut [u8] {
        self.clear();
        self.api = Some(api.clone());
        &mut self.bytes
    }

    /// Says how many bytes the call filled.
    pub(crate) fn set_filled(&mut self, len: usize) {
        self.len = len.min(self.bytes.len());
    }

    fn clear(&mut self) {
        self.drain().for_each(drop);
        self.len = 0;
        self.taken = 0;
    }
}

impl<A: SocketApi> Drop for RecvControl<A> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<A: SocketApi> fmt::Debug for RecvControl<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecvControl({} of {} bytes, {} taken)", self.len, self.bytes.len(), self.taken)
    }
}

/// The messages of a call; from [`RecvControl::drain`].
///
/// ```
/// use twinsock::{Os, control::RecvControl};
/// let mut control = RecvControl::<Os>::new(64);
/// for message in control.drain() {
///     println!("{message:?}");
/// }
/// ```
pub struct Drain<'a, A: SocketApi> {
    bytes: &'a [u8],
    taken: &'a mut usize,
    api: Option<&'a A>,
}

impl<A: SocketApi> fmt::Debug for Drain<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Drain({} of {} bytes taken)", self.taken, self.bytes.len())
    }
}

impl<'a, A: SocketApi> Iterator for Drain<'a, A> {
    type Item = ControlMessage<'a, A::Socket>;

    fn next(&mut self) -> Option<Self::Item> {
        let api = self.api?;
        let rest = self.bytes.get(*self.taken..)?;
        let (len, fields) = rest.split_first_chunk()?;
        let (level, fields) = fields.split_first_chunk()?;
        let (kind, _) = fields.split_first_chunk()?;
        let len = usize::from_ne_bytes(*len);
        let data = rest.get(HEADER_BYTES..len)?;
        // Taken before it is looked at, so that no number becomes two sockets.
        *self.taken += align(len);
        Some(decode(api, i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind), data))
    }
}

/// The message by its type; one whose data is not as expected stays raw.
fn decode<'a, A: SocketApi>(api: &A, level: i32, kind: i32, data: &'a [u8]) -> ControlMessage<'a, A::Socket> {
    let raw = ControlMessage::Raw { level, kind, data };
    let int = i32::decode(data).ok();
    match (level, kind) {
        (c::SOL_SOCKET, c::SCM_RIGHTS) => {
            let (numbers, _) = data.as_chunks();
            let numbers = numbers.iter().map(|number| i32::from_ne_bytes(*number)).filter(|number| *number >= 0);
            ControlMessage::Rights(numbers.map(|number| api.adopt(number, Vouch::for_owned())).collect())
        }
        (c::SOL_SOCKET, c::SCM_CREDENTIALS) => Credentials::decode(data).map_or(raw, ControlMessage::Credentials),
        (c::SOL_IP, c::IP_PKTINFO) => packet_info4(data).map_or(raw, ControlMessage::PacketInfo4),
        (c::SOL_IP, c::IP_TTL) => int.map_or(raw, ControlMessage::Ttl),
        (c::SOL_IP, c::IP_TOS) => data.first().map_or(raw, |tos| ControlMessage::Tos(*tos)),
        (c::SOL_IPV6, c::IPV6_PKTINFO) => packet_info6(data).map_or(raw, ControlMessage::PacketInfo6),
        (c::SOL_IPV6, c::IPV6_HOPLIMIT) => int.map_or(raw, ControlMessage::HopLimit),
        (c::SOL_IPV6, c::IPV6_TCLASS) => int.map_or(raw, ControlMessage::TrafficClass),
        _ => raw,
    }
}

fn packet_info4(data: &[u8]) -> Option<PacketInfo4> {
    let (ifindex, data) = data.split_first_chunk()?;
    let (spec_dst, data) = data.split_first_chunk::<4>()?;
    let addr = data.first_chunk::<4>()?;
    Some(PacketInfo4 { ifindex: i32::from_ne_bytes(*ifindex), spec_dst: (*spec_dst).into(), addr: (*addr).into() })
}

fn packet_info6(data: &[u8]) -> Option<PacketInfo6> {
    let (addr, data) = data.split_first_chunk::<16>()?;
    let ifindex = data.first_chunk()?;
    Some(PacketInfo6 { addr: (*addr).into(), ifindex: i32::from_ne_bytes(*ifindex) })
}
