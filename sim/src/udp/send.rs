//! Sending: `udp_sendmsg`, `udpv6_sendmsg`, and the datagram that `MSG_MORE` and `UDP_CORK` build up.
//!
//! A call is two steps, with the host's routing between them: [`Udp::begin_send`] says where the datagram goes, then [`Udp::send`] (or
//! [`Udp::append`], for a datagram that has its destination already) makes the packet.

use super::frags::Frags;
use super::queue::{bytes_u32, charge, charge_paged, is_paged};
use super::{Family, Udp};
use crate::packet::{Body, Datagram, Packet, Payload};
use bytes::BytesMut;
use std::io::IoSlice;
use std::net::{SocketAddr, SocketAddrV4};
use twinsock::{Errno, Result};

/// Flags of a sending call, and who makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SendFlags {
    /// `MSG_OOB`: refused over IPv4, ignored over IPv6.
    pub oob: bool,
    /// `MSG_MORE`: the datagram is not complete.
    pub more: bool,
    /// The thread that calls, in whose page the data may come to lie: `current->task_frag`.
    pub thread: u64,
}

/// What a sending call does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Adds to the corked datagram: [`Udp::append`].
    Append,
    /// Finds the route to this destination, then [`Udp::send`].
    To(SocketAddr),
}

/// How the host sends to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Source address and port.
    pub src: SocketAddr,
    /// Time to live or hop limit: the option's, or a control message's.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// The MTU of the path.
    pub mtu_bytes: u32,
    /// Larger datagrams may be cut into fragments: `IP_MTU_DISCOVER` is not `IP_PMTUDISC_DO`, `_PROBE` or `_INTERFACE`, and
    /// `IPV6_DONTFRAG` is off.
    pub fragment: bool,
    /// The destination is a broadcast address.
    pub broadcast: bool,
    /// Routers are not to cut what fits the path: `IP_MTU_DISCOVER` is not `IP_PMTUDISC_DONT`. Over IPv6 they never do.
    pub dont_fragment: bool,
    /// Without a checksum: `SO_NO_CHECK`, over IPv6 `UDP_NO_CHECK6_TX`.
    pub no_check: bool,
    /// Its data lies in pages as it is built: it is to be cut, `UDP_SEGMENT`.
    pub in_pages: bool,
}

/// A datagram that is being built.
#[derive(Debug)]
pub(super) struct Corked {
    dst: SocketAddr,
    route: Route,
    data: BytesMut,
    /// Where in pages the data of its last fragment lies.
    frags: Frags,
    /// `sk_wmem_alloc`.
    pub charge: u32,
}

impl Corked {
    /// Of so many bytes more, those that go into a page: what the last fragment has room for. A further one begins with memory of its own.
    fn bytes_for_page(&self, len: usize) -> usize {
        let before = full_fragments(&self.route, self.dst, self.data.len());
        if before == full_fragments(&self.route, self.dst, self.data.len() + len) {
            return len;
        }
        let end = (before + 1) * fragment_bytes(&self.route, self.dst);
        let room = end.saturating_sub(bytes_u32(self.data.len() + UDP_HEADER_BYTES));
        usize::try_from(room).expect("a usize holds 32 bits")
    }

    /// Finds a place for so many bytes more.
    fn place(&mut self, len: usize, thread: u64) -> Result<()> {
        let for_page = self.bytes_for_page(len);
        self.frags.add(for_page, thread)?;
        if for_page < len {
            self.frags = Frags::default();
        }
        Ok(())
    }
}

impl Udp {
    /// The checks of a sending call that come before routing. `dst` decodes the call's address, if it has one (`None`: no address, or
    /// AF_UNSPEC over IPv6); an IPv4-mapped address is to be given as IPv4. It is not called where Linux does not look at the address.
    ///
    /// # Errors
    /// `EMSGSIZE`: more than 65535 bytes. `EOPNOTSUPP`: `MSG_OOB`. What `dst` fails with. `EINVAL`: the port is 0. `EDESTADDRREQ`: no
    /// address, and not connected.
    pub fn begin_send(&self, len: usize, flags: SendFlags, dst: impl FnOnce() -> Result<Option<SocketAddr>>) -> Result<Next> {
        let corked = self.corked.as_ref().map(|corked| corked.dst);
        let given = match self.family {
            Family::V4 => {
                check_v4(len, flags)?;
                if corked.is_some() {
                    return Ok(Next::Append);
                }
                dst()?
            }
            Family::V6 => {
                let given = dst()?;
                let goes_by_v4 = match (given, corked) {
                    (None, None) => self.peer.is_some_and(|peer| peer.is_ipv4()),
                    (given, corked) => given.is_some_and(|dst| dst.is_ipv4()) || corked.is_some_and(|dst| dst.is_ipv4()),
                };
                if goes_by_v4 {
                    check_v4(len, flags)?;
                }
                match (given, corked) {
                    (Some(given), Some(corked)) if given.is_ipv4() && corked.is_ipv6() => return Err(Errno::INVAL),
                    (_, Some(_)) => return Ok(Next::Append),
                    (given, None) => given,
                }
            }
        };
        match (given, self.peer) {
            (Some(given), _) if given.port() == 0 => Err(Errno::INVAL),
            (Some(given), _) => Ok(Next::To(given)),
            // An IPv4 peer of an IPv6 socket is handed on as if it were given.
            (None, Some(peer)) if peer.port() == 0 && peer.is_ipv4() && self.family == Family::V6 => Err(Errno::INVAL),
            (None, Some(peer)) => Ok(Next::To(peer)),
            (None, None) => Err(Errno::DESTADDRREQ),
        }
    }

    /// Sends a datagram with the data of `iov`; `None`: it is corked.
    ///
    /// # Errors
    /// `EACCES`: a broadcast without `SO_BROADCAST`. `EMSGSIZE`: too large for the protocol or the path. The pending error, which is
    /// consumed. `EPIPE`: shut down for writing (never with SIGPIPE). `ENOBUFS`: its fragments do not fit twice `SO_SNDBUF`.
    pub fn send(&mut self, route: Route, dst: SocketAddr, iov: &[IoSlice<'_>], flags: SendFlags) -> Result<Option<Packet>> {
        if route.broadcast && !self.options.broadcast {
            return Err(Errno::ACCES);
        }
        let len = total(iov);
        if len > data_max(&route, dst) {
            self.report_too_large(dst, route.mtu_bytes);
            return Err(Errno::MSGSIZE);
        }
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        if self.shutdown.write {
            return Err(Errno::PIPE);
        }
        if memory_before_last_fragment(&route, dst, len) > self.fragment_memory_max() {
            self.wakes.writable = true;
            return Err(Errno::NOBUFS);
        }
        if !self.cork && !flags.more {
            let payload = match iov {
                [one] => Payload::copy_of(one),
                several => gather(BytesMut::with_capacity(len), several).freeze().into(),
            };
            return Ok(Some(self.transmit(&route, dst, payload)));
        }
        let mut frags = Frags::default();
        if lies_in_pages(&route, dst, len) {
            frags.add(len, flags.thread)?;
        }
        let data = gather(BytesMut::with_capacity(len), iov);
        let charge = if route.in_pages { charge_paged(len) } else { charge(len, &dst.ip()) };
        self.corked = Some(Box::new(Corked { dst, route, data, frags, charge }));
        Ok(None)
    }

    /// Whether so many bytes more of the corked datagram are written into the page of the thread that adds them, or some of them.
    #[must_use]
    pub fn adds_to_page(&self, len: usize) -> bool {
        self.corked.as_ref().is_some_and(|corked| corked.bytes_for_page(len) > 0)
    }

    /// Adds the data of `iov` to the corked datagram, and sends it unless more is to follow.
    ///
    /// # Errors
    /// `EMSGSIZE`, `ENOBUFS`: it would be too large, see [`Udp::send`], and is dropped as a whole. `EMSGSIZE`, too: its data would lie in too many
    /// places.
    ///
    /// # Panics
    /// If no datagram is corked: [`Udp::begin_send`] did not answer [`Next::Append`].
    pub fn append(&mut self, iov: &[IoSlice<'_>], flags: SendFlags) -> Result<Option<Packet>> {
        let mut corked = self.corked.take().expect("data is added to a datagram that is corked");
        let len = total(iov);
        let built = corked.data.len() + len;
        let refused = if built > data_max(&corked.route, corked.dst) {
            self.report_too_large(corked.dst, corked.route.mtu_bytes);
            Some(Errno::MSGSIZE)
        } else if let Err(error) = corked.place(len, flags.thread) {
            Some(error)
        } else if memory_before_last_fragment(&corked.route, corked.dst, built) > self.fragment_memory_max() {
            Some(Errno::NOBUFS)
        } else {
            None
        };
        if let Some(error) = refused {
            self.wakes.writable = true;
            return Err(error);
        }
        corked.data = gather(corked.data, iov);
        corked.charge += bytes_u32(len);
        self.corked = Some(corked);
        Ok(if self.cork || flags.more { None } else { self.push() })
    }

    /// Sets the send buffer, `SO_SNDBUF`, to what `getsockopt(2)` is to give. Those who wait for space look again, whether it has grown
    /// or not.
    pub fn set_sndbuf(&mut self, bytes: u32) {
        self.options.sndbuf_bytes = bytes;
        self.wakes.writable |= self.is_writable();
    }

    /// Sets `UDP_CORK`; switching it off sends what was corked.
    pub fn set_cork(&mut self, on: bool) -> Option<Packet> {
        self.cork = on;
        if on { None } else { self.push() }
    }

    /// Whether `UDP_CORK` is set.
    #[must_use]
    pub const fn cork(&self) -> bool {
        self.cork
    }

    /// Whether a datagram is being built.
    #[must_use]
    pub const fn is_corked(&self) -> bool {
        self.corked.is_some()
    }

    /// A thread has put other data into its page: what it adds to the datagram from here on lies elsewhere.
    pub fn turn_page(&mut self, thread: u64) {
        if let Some(corked) = self.corked.as_deref_mut() {
            corked.frags.turn_page(thread);
        }
    }

    /// Writes an IPv4 flow, from this end to that one, to `inet->cork.fl`, which is that of the corked datagram, too: over IPv4 it goes there from here on,
    /// by the route that it has. An IPv6 one has its flow in a union with it: the source, the destination and both ports (`saddr`, `daddr`, `uli` of
    /// `struct flowi4`) stand where the first 12 bytes of its destination were. Its ports stay.
    pub fn write_flow(&mut self, source: SocketAddrV4, destination: SocketAddrV4) {
        let Some(corked) = self.corked.as_deref_mut() else { return };
        match &mut corked.dst {
            dst @ SocketAddr::V4(_) => {
                *dst = destination.into();
                corked.route.src.set_ip((*source.ip()).into());
            }
            SocketAddr::V6(dst) => {
                let mut octets = dst.ip().octets();
                octets[..4].copy_from_slice(&source.ip().octets());
                octets[4..8].copy_from_slice(&destination.ip().octets());
                octets[8..10].copy_from_slice(&destination.port().to_be_bytes());
                octets[10..12].copy_from_slice(&source.port().to_be_bytes());
                dst.set_ip(octets.into());
            }
        }
    }

    /// `sock_writeable`: less than half of the send buffer is in use.
    pub(super) fn is_writable(&self) -> bool {
        self.outq_bytes() + 1 < self.options.sndbuf_bytes / 2
    }

    fn fragment_memory_max(&self) -> u64 {
        2 * u64::from(self.options.sndbuf_bytes)
    }

    fn push(&mut self) -> Option<Packet> {
        let corked = *self.corked.take()?;
        Some(self.transmit(&corked.route, corked.dst, corked.data.freeze().into()))
    }

    fn transmit(&mut self, route: &Route, dst: SocketAddr, payload: Payload) -> Packet {
        // The packet's memory is given back as soon as it leaves: at once.
        self.wakes.writable = true;
        let headers: u32 = if dst.is_ipv4() { 28 } else { 48 };
        let fits = headers + bytes_u32(payload.len()) <= route.mtu_bytes;
        let datagram = Datagram {
            src_port: route.src.port(),
            dst_port: dst.port(),
            payload,
            // What the sender itself has cut into fragments may be cut further, `__ip_make_skb`.
            dont_fragment: fits && route.dont_fragment,
            no_check: route.no_check,
            segment_bytes: 0,
        };
        Packet { src: route.src.ip(), dst: dst.ip(), ttl: route.ttl, tos: route.tos, body: Body::Udp(datagram) }
    }
}

/// What `udp_sendmsg` checks before it looks at anything else.
fn check_v4(len: usize, flags: SendFlags) -> Result<()> {
    if len > 0xffff {
        Err(Errno::MSGSIZE)
    } else if flags.oob {
        Err(Errno::OPNOTSUPP)
    } else {
        Ok(())
    }
}

/// The most data that one datagram can carry there: 65507 bytes over IPv4, 65527 over IPv6, less if it must not be fragmented.
fn data_max(route: &Route, dst: SocketAddr) -> usize {
    let mtu = usize::try_from(route.mtu_bytes).expect("a usize holds 32 bits");
    let packet = match (dst, route.fragment) {
        (SocketAddr::V4(_), true) => 0xffff - 20,
        (SocketAddr::V4(_), false) => mtu.min(0xffff).saturating_sub(20),
        (SocketAddr::V6(_), true) => 0xffff.max(mtu.saturating_sub(40)),
        (SocketAddr::V6(_), false) => mtu.saturating_sub(40),
    };
    packet.saturating_sub(UDP_HEADER_BYTES).min(0xffff)
}

/// The send memory that a datagram holds when its last fragment is made, 0 if it needs none: `__ip_append_data` makes the first
/// fragment however small `SO_SNDBUF` is, and stops at a further one when twice that is exceeded.
fn memory_before_last_fragment(route: &Route, dst: SocketAddr, len: usize) -> u64 {
    u64::from(full_fragments(route, dst, len)) * u64::from(fragment_bytes(route, dst) + FRAGMENT_OVERHEAD_BYTES)
}

/// How many fragments there are before the last one of a datagram with this many bytes of data.
fn full_fragments(route: &Route, dst: SocketAddr, len: usize) -> u32 {
    let (datagram, fragment) = (bytes_u32(len + UDP_HEADER_BYTES), fragment_bytes(route, dst));
    let fits = route.mtu_bytes.saturating_sub(ip_header_bytes(dst));
    match dst {
        _ if datagram <= fits => 0,
        // The last one carries up to 7 bytes more than the others, if the MTU has room for them; over IPv6 only if it is the only one.
        SocketAddr::V4(_) => (datagram - fits).div_ceil(fragment),
        SocketAddr::V6(_) => (datagram - 1) / fragment,
    }
}

/// What every fragment but the last carries, a multiple of 8 bytes; IPv6 spends 8 more on its fragment header.
fn fragment_bytes(route: &Route, dst: SocketAddr) -> u32 {
    let fragment_header = if dst.is_ipv4() { 0 } else { 8 };
    (route.mtu_bytes.saturating_sub(ip_header_bytes(dst) + fragment_header) & !7).max(8)
}

const fn ip_header_bytes(dst: SocketAddr) -> u32 {
    if dst.is_ipv4() { 20 } else { 40 }
}

/// Whether so many bytes that are sent at once lie in pages of the thread that calls, in the last fragment: if they are to be cut, or are too many
/// for memory of their own.
pub fn lies_in_pages(route: &Route, dst: SocketAddr, len: usize) -> bool {
    route.in_pages || (is_paged(len, dst.ip()) && full_fragments(route, dst, len) == 0)
}

const UDP_HEADER_BYTES: usize = 8;

/// What the kernel's own structures add to a fragment.
const FRAGMENT_OVERHEAD_BYTES: u32 = 832;

fn total(iov: &[IoSlice<'_>]) -> usize {
    iov.iter().map(|part| part.len()).sum()
}

fn gather(mut into: BytesMut, iov: &[IoSlice<'_>]) -> BytesMut {
    for part in iov {
        into.extend_from_slice(part);
    }
    into
}
