//! One UDP socket's protocol state, RFC 768 and `udp(7)`, as a value.
//!
//! It holds what Linux's `struct udp_sock` holds beyond names and options of the IP layer: the receive queue with its memory accounting,
//! the pending error and the error queue, the connected peer, the shutdown bits, the corked datagram. It does not know descriptors,
//! its own address, routes, blocking, or which other sockets there are: the host asks every candidate for its [`Udp::score`].
//!
//! - here: receiving, readiness, the choice of the receiver
//! - `send.rs`: sending and corking
//! - `frags.rs`: where what is corked lies
//! - `error.rs`: ICMP errors and `IP_RECVERR`'s queue
//! - `queue.rs`: the receive queue and what it charges

mod error;
mod frags;
mod queue;
mod send;

pub use error::{ErrorReport, ReceivedError};
pub use send::{Next, Route, SendFlags, lies_in_pages};

use crate::packet::{Datagram, Packet, copy_few};
use error::ErrorQueue;
use queue::ReceiveQueue;
use send::Corked;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use twinsock::{Errno, Instant, PollEvents, Result, Shutdown};

/// The default of `net.core.rmem_default` and `net.core.wmem_default`.
pub const BUFFER_DEFAULT_BYTES: u32 = 212_992;

/// The family that the socket was created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`, which carries IPv4 too unless `IPV6_V6ONLY` is set.
    V6,
}

/// What the IP header of an arriving packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpHeader {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
}

impl From<&Packet> for IpHeader {
    fn from(packet: &Packet) -> IpHeader {
        IpHeader { src: packet.src, dst: packet.dst, ttl: packet.ttl, tos: packet.tos }
    }
}

/// The options that change what the protocol does. Those that have an effect at once are methods of [`Udp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// `SO_BROADCAST`.
    pub broadcast: bool,
    /// `SO_RXQ_OVFL`: arriving datagrams note how many were dropped before them.
    pub rxq_ovfl: bool,
    /// `IP_PKTINFO` or `IPV6_RECVPKTINFO`: an arriving datagram is marked with its interface.
    pub pktinfo: bool,
    /// `SO_SELECT_ERR_QUEUE`: an error is POLLPRI too.
    pub select_err_queue: bool,
    /// `SO_SNDBUF`, as `getsockopt(2)` gives it. On loopback it limits nothing; a corked datagram counts against it.
    pub sndbuf_bytes: u32,
    /// `IP_MTU_DISCOVER` is `IP_PMTUDISC_DONT`: "fragmentation needed" is not reported.
    pub pmtudisc_dont: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            broadcast: false,
            rxq_ovfl: false,
            pktinfo: false,
            select_err_queue: false,
            sndbuf_bytes: BUFFER_DEFAULT_BYTES,
            pmtudisc_dont: false,
        }
    }
}

/// What was shut down; never undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ShutdownBits {
    /// `RCV_SHUTDOWN`.
    pub read: bool,
    /// `SEND_SHUTDOWN`.
    pub write: bool,
}

/// What happened since the last [`Udp::take_wakes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Wakes {
    /// A datagram arrived, `sk_data_ready`: one blocked receiver and all watchers.
    pub readable: bool,
    /// Send memory was given back, `sk_write_space`.
    pub writable: bool,
    /// The socket was shut down, `sk_state_change`: everybody.
    pub state: bool,
    /// An error came, `sk_error_report`.
    pub error: bool,
}

/// What became of an arriving datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is in the receive queue.
    Accepted,
    /// The receive buffer is full; the datagram is lost and counted.
    Dropped,
}

/// Flags of a receiving call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RecvFlags {
    /// `MSG_PEEK`.
    pub peek: bool,
    /// `MSG_TRUNC`: the answer is the datagram's real length.
    pub trunc: bool,
    /// `MSG_DONTWAIT` or `O_NONBLOCK`: after `shutdown(SHUT_RD)` such a call says EAGAIN, where one that may block says "end".
    pub nonblocking: bool,
}

/// What [`Udp::recv`] received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The answer of the call: bytes stored, or with `MSG_TRUNC` the datagram's length.
    pub len: usize,
    /// Some of the datagram did not fit: `MSG_TRUNC` in `msg_flags`.
    pub truncated: bool,
    /// Where it came from; `None` if there was none and the call ended because of a shutdown.
    pub from: Option<Source>,
}

/// Where a datagram came from, and what control messages can tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its IP header.
    pub header: IpHeader,
    /// The sender's port.
    pub src_port: u16,
    /// The port that it was sent to.
    pub dst_port: u16,
    /// When it arrived, for `SO_TIMESTAMP`.
    pub arrived: Instant,
    /// How many datagrams had been dropped when it arrived, for `SO_RXQ_OVFL`: a control message unless 0.
    pub dropped_before: u32,
    /// It is marked with its interface: `ipv4_pktinfo_prepare`. (What comes over IPv6 always is.)
    pub has_interface: bool,
    /// It is several datagrams of this size in one, the last one perhaps smaller, for `UDP_GRO`; 0: it is one.
    pub segment_bytes: u16,
}

impl Source {
    /// The sender's address.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        SocketAddr::new(self.header.src, self.src_port)
    }
}

/// A UDP socket.
#[derive(Debug)]
pub struct Udp {
    /// Options that are plain values.
    pub options: Options,
    family: Family,
    peer: Option<SocketAddr>,
    /// The address of the last peer of an AF_INET6 socket, which `AF_UNSPEC` leaves in `sk_v6_daddr`.
    last_peer_v6: Option<IpAddr>,
    shutdown: ShutdownBits,
    error: Option<Errno>,
    queue: ReceiveQueue,
    drops: u32,
    /// `SO_PEEK_OFF`; negative: off.
    peek_off: i32,
    errors: ErrorQueue,
    cork: bool,
    corked: Option<Box<Corked>>,
    wakes: Wakes,
}

impl Udp {
    /// A fresh socket of this family with a receive buffer of this size, `SO_RCVBUF` as `getsockopt(2)` gives it.
    #[must_use]
    pub fn new(family: Family, rcvbuf_bytes: u32) -> Udp {
        Udp {
            options: Options::default(),
            family,
            peer: None,
            last_peer_v6: None,
            shutdown: ShutdownBits::default(),
            error: None,
            queue: ReceiveQueue::new(rcvbuf_bytes),
            drops: 0,
            peek_off: -1,
            errors: ErrorQueue::default(),
            cork: false,
            corked: None,
            wakes: Wakes::default(),
        }
    }

    /// The family.
    #[cfg(test)]
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The connected peer, an IPv4-mapped one as IPv4; its port may be 0.
    #[must_use]
    pub const fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Connects, `connect(2)`: only this peer's datagrams are delivered from now on. What is queued stays, so does a pending error.
    pub fn connect(&mut self, peer: SocketAddr) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        self.peer = Some(peer);
        if self.family == Family::V6 {
            self.last_peer_v6 = Some(peer.ip());
        }
    }

    /// Dissolves the association, `connect(2)` with `AF_UNSPEC`. Over IPv6 datagrams of the former peer's address alone go on being
    /// delivered, as Linux has it.
    pub fn disconnect(&mut self) {
        self.peer = None;
    }

    /// Shuts down, `shutdown(2)`. The peer notices nothing.
    ///
    /// # Errors
    /// `ENOTCONN`: not connected; the bits are set all the same.
    pub fn shutdown(&mut self, how: Shutdown) -> Result<()> {
        match how {
            Shutdown::Read => self.shutdown.read = true,
            Shutdown::Write => self.shutdown.write = true,
            Shutdown::Both => self.shutdown = ShutdownBits { read: true, write: true },
        }
        self.wakes.state = true;
        if self.peer.is_some() { Ok(()) } else { Err(Errno::NOTCONN) }
    }

    /// What was shut down.
    #[cfg(test)]
    #[must_use]
    pub const fn shutdown_bits(&self) -> ShutdownBits {
        self.shutdown
    }

    /// A datagram arrives for this socket.
    #[inline]
    pub fn deliver(&mut self, now: Instant, header: IpHeader, datagram: &Datagram) -> Delivery {
        let delivery = self.take_in(now, &header.dst, datagram, |place| *place = header);
        self.wakes.readable |= delivery == Delivery::Accepted;
        delivery
    }

    /// The same of the datagram in a packet, where whoever waits for one is told by the caller and not by [`Udp::take_wakes`].
    #[inline(never)]
    pub fn deliver_silently(&mut self, now: Instant, packet: &Packet, datagram: &Datagram) -> Delivery {
        self.take_in(now, &packet.dst, datagram, |place| {
            // One after the other, for none of them is in registers.
            place.src = packet.src;
            place.dst = packet.dst;
            (place.ttl, place.tos) = (packet.ttl, packet.tos);
        })
    }

    /// A datagram to this address arrives, whose header is written to where it is going to stand.
    #[inline(always)]
    fn take_in(&mut self, now: Instant, dst: &IpAddr, datagram: &Datagram, write: impl FnOnce(&mut IpHeader)) -> Delivery {
        let Datagram { src_port, dst_port, segment_bytes: cut, ref payload, .. } = *datagram;
        let len = payload.len();
        let Some(source) = self.queue.push(dst, (payload, len), cut != 0) else {
            self.drops = self.drops.wrapping_add(1);
            return Delivery::Dropped;
        };
        write(&mut source.header);
        (source.src_port, source.dst_port, source.arrived) = (src_port, dst_port, now);
        source.dropped_before = if self.options.rxq_ovfl { self.drops } else { 0 };
        source.has_interface = self.options.pktinfo || dst.is_ipv6();
        source.segment_bytes = if len > usize::from(cut) { cut } else { 0 };
        Delivery::Accepted
    }

    /// A datagram of so many bytes to this address arrives, and is what a plain receive returns that has waited for it: with all that [`Udp::deliver`] and
    /// [`Udp::recv_plainly`] would have done. `false`: nothing has happened, it is for them.
    #[inline(always)]
    pub fn pass_on(&mut self, len: usize, dst: &IpAddr) -> bool {
        self.must_wait() && self.peek_off < 0 && self.queue.pass(len, dst)
    }

    /// A plain receive that finds a datagram and no error before it: its length, or what of it there is room for. `tell` is told its length and where it
    /// came from, and may leave it where it is. `None`: nothing has happened.
    #[inline(always)]
    pub fn recv_plainly(&mut self, into: &mut [u8], tell: impl FnOnce(usize, IpAddr, u16) -> bool) -> Option<usize> {
        if self.error.is_some() || self.peek_off >= 0 {
            return None;
        }
        self.queue.pop_if(|queued| {
            let data = queued.payload.as_slice();
            if !tell(data.len(), queued.source.header.src, queued.source.src_port) {
                return None;
            }
            let copied = data.len().min(into.len());
            copy_few(&mut into[..copied], &data[..copied]);
            Some(copied)
        })
    }

    /// Whether there is a datagram to be received.
    #[inline(always)]
    #[must_use]
    pub fn has_datagram(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether a plain receive finds nothing at all, neither a datagram nor an error nor the end.
    #[inline]
    #[must_use]
    pub fn must_wait(&self) -> bool {
        self.queue.is_empty() && self.error.is_none() && !self.shutdown.read
    }

    /// Whether nothing keeps a plain send from being a datagram at once: no error, no shutdown, no cork.
    #[inline]
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.error.is_none() && !self.shutdown.write && !self.cork && self.corked.is_none()
    }

    /// Receives one datagram, `recvmsg(2)` without `MSG_ERRQUEUE`.
    ///
    /// # Errors
    /// The pending error, which is consumed, also by `MSG_PEEK`. `EAGAIN`: no datagram is there.
    pub fn recv(&mut self, iov: &mut [IoSliceMut<'_>], flags: RecvFlags) -> Result<Received> {
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        let found = if flags.peek { self.queue.peek(self.peek_off) } else { self.queue.front().map(|front| (front, 0)) };
        let Some((queued, offset)) = found else {
            let ends = self.shutdown.read && !flags.nonblocking;
            return if ends { Ok(Received { len: 0, truncated: false, from: None }) } else { Err(Errno::AGAIN) };
        };
        let payload = &queued.payload.as_slice()[offset..];
        let room: usize = iov.iter().map(|part| part.len()).sum();
        let copied = room.min(payload.len());
        scatter(&payload[..copied], iov);
        let full = queued.payload.len();
        let received = Received {
            len: if flags.trunc { full } else { copied },
            // As udp_recvmsg() has it: after an offset also where the room is exactly what is left.
            truncated: room <= payload.len() && room < full,
            from: Some(queued.source),
        };
        if !flags.peek {
            self.queue.pop();
        }
        self.move_peek_off(flags.peek, received.len);
        Ok(received)
    }

    /// The pending error, consumed: `SO_ERROR`.
    pub fn take_error(&mut self) -> Option<Errno> {
        self.error.take()
    }

    /// The pending error.
    #[cfg(test)]
    #[must_use]
    pub const fn error(&self) -> Option<Errno> {
        self.error
    }

    /// What `poll(2)` says of the socket.
    #[must_use]
    pub fn poll_mask(&self) -> PollEvents {
        let mut mask = PollEvents::NONE;
        if self.error.is_some() || !self.errors.is_empty() {
            mask |= PollEvents::ERR;
            if self.options.select_err_queue {
                mask |= PollEvents::PRI;
            }
        }
        if self.shutdown.read {
            mask |= PollEvents::RDHUP | PollEvents::IN | PollEvents::RDNORM;
        }
        if self.shutdown.read && self.shutdown.write {
            mask |= PollEvents::HUP;
        }
        if !self.queue.is_empty() {
            mask |= PollEvents::IN | PollEvents::RDNORM;
        }
        if self.is_writable() {
            mask |= PollEvents::OUT | PollEvents::WRNORM | PollEvents::WRBAND;
        }
        mask
    }

    /// Notes that `poll(2)`, `select(2)` or `epoll(7)` looked at a blocking socket. It moves what has arrived to the reader's side, which
    /// only the giving back of receive memory can tell (`first_packet_length` in `net/ipv4/udp.c`).
    pub fn note_polled(&mut self) {
        if !self.shutdown.read {
            self.queue.refill();
        }
    }

    /// The size of the first datagram, `FIONREAD`; 0 if there is none, or if it is empty.
    pub fn readable_bytes(&mut self) -> usize {
        self.queue.refill();
        self.queue.front().map_or(0, |front| front.payload.len())
    }

    /// Send memory in use, `TIOCOUTQ`: the corked datagram's.
    #[must_use]
    pub fn outq_bytes(&self) -> u32 {
        self.corked.as_ref().map_or(0, |corked| corked.charge)
    }

    /// Receive memory in use, `SK_MEMINFO_RMEM_ALLOC`: what was read lazily counts on for a while.
    #[must_use]
    pub const fn rmem_alloc(&self) -> u32 {
        self.queue.rmem_alloc()
    }

    /// Receive memory that is set aside for what comes next, `SK_MEMINFO_FWD_ALLOC`.
    #[must_use]
    pub const fn set_aside(&self) -> u32 {
        self.queue.set_aside()
    }

    /// How many datagrams found the buffer full, `SK_MEMINFO_DROPS`.
    #[must_use]
    pub const fn drops(&self) -> u32 {
        self.drops
    }

    /// The receive buffer, `SO_RCVBUF`.
    #[must_use]
    pub const fn rcvbuf_bytes(&self) -> u32 {
        self.queue.rcvbuf_bytes()
    }

    /// Sets the receive buffer, `SO_RCVBUF`, to what `getsockopt(2)` is to give: doubled and clamped already.
    pub fn set_rcvbuf(&mut self, bytes: u32) {
        self.queue.set_rcvbuf(bytes);
    }

    /// `SO_PEEK_OFF`; negative: off.
    #[must_use]
    pub const fn peek_off(&self) -> i32 {
        self.peek_off
    }

    /// Sets `SO_PEEK_OFF`.
    pub fn set_peek_off(&mut self, offset: i32) {
        self.peek_off = offset;
    }

    /// What happened since the last time.
    pub fn take_wakes(&mut self) -> Wakes {
        std::mem::take(&mut self.wakes)
    }

    /// Whether a datagram from `src` to `dst` is for this socket, bound to `local`, and how well it matches: of several sockets the
    /// highest score receives, among equals the one bound last. Every match gets a copy of a multicast or broadcast datagram.
    ///
    /// Connected beats unconnected, an exact address beats the wildcard, `AF_INET` beats `AF_INET6` (Linux's `compute_score` and the
    /// order in which its tables are searched). `v6only` is `IPV6_V6ONLY`; addresses may be given as IPv4-mapped.
    #[must_use]
    pub fn score(&self, local: SocketAddr, v6only: bool, src: SocketAddr, dst: SocketAddr) -> Option<u32> {
        let dst_ip = dst.ip().to_canonical();
        let local_ip = local.ip().to_canonical();
        let family = match (self.family, dst_ip) {
            (Family::V4, IpAddr::V4(_)) => SCORE_FAMILY,
            (Family::V6, IpAddr::V4(_)) if !v6only => 0,
            (Family::V6, IpAddr::V6(_)) => 0,
            (Family::V4, IpAddr::V6(_)) | (Family::V6, IpAddr::V4(_)) => return None,
        };
        if local.port() != dst.port() {
            return None;
        }
        let exact = match (local_ip == dst_ip, local_ip.is_unspecified()) {
            (true, _) => SCORE_EXACT,
            (false, true) => 0,
            (false, false) => return None,
        };
        let peer_ip = if dst_ip.is_ipv6() { self.last_peer_v6 } else { self.peer.map(|peer| peer.ip()) };
        let peer_port = self.peer.map_or(0, |peer| peer.port());
        if peer_ip.is_some_and(|ip| ip != src.ip().to_canonical()) || (peer_port != 0 && peer_port != src.port()) {
            return None;
        }
        let connected = SCORE_PEER * (u32::from(peer_ip.is_some()) + u32::from(peer_port != 0));
        Some(exact + family + connected)
    }

    fn move_peek_off(&mut self, forward: bool, len: usize) {
        if self.peek_off >= 0 {
            let len = i32::try_from(len).unwrap_or(i32::MAX);
            self.peek_off = if forward { self.peek_off.saturating_add(len) } else { self.peek_off.saturating_sub(len).max(0) };
        }
    }
}

/// An exact local address: searched before the wildcard, so it outweighs the rest.
const SCORE_EXACT: u32 = 16;
/// Half of a matching peer.
const SCORE_PEER: u32 = 4;
/// A socket of the datagram's own family.
const SCORE_FAMILY: u32 = 1;

/// Copies `data` into the parts of `iov`, which have room for it.
fn scatter(mut data: &[u8], iov: &mut [IoSliceMut<'_>]) {
    for part in iov {
        let (now, later) = data.split_at(part.len().min(data.len()));
        part[..now.len()].copy_from_slice(now);
        data = later;
        if data.is_empty() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
