//! Socket options: `getsockopt(2)` and `setsockopt(2)` by level, `socket(7)`, `tcp(7)`, `ip(7)`, `ipv6(7)`.
//!
//! What TCP itself reads lives in the control block, what the host reads in [`Options`]; options that are only remembered are rows of
//! a table ([`plain`]). Lengths, clamps and errors are those of Linux.

mod datagram;
mod ip;
mod plain;
mod socket_level;
mod stamps;
mod tcp_level;
pub(super) mod unix_level;

use super::Host;
use super::addr::Family;
use super::cx::{Cx, Pid};
use super::dgram::{Device, Member};
use crate::shared::Shared;
use crate::slab::Key;
use stamps::Stamps;
use std::net::IpAddr;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::raw::RawFd;
use twinsock::{Errno, Instant, Result};

/// The options of a socket that the host reads.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Options {
    /// `SO_REUSEADDR`.
    pub(super) reuse_addr: bool,
    /// `SO_REUSEPORT`.
    pub(super) reuse_port: bool,
    /// `IP_FREEBIND`.
    pub(super) freebind: bool,
    /// `IP_TRANSPARENT`.
    pub(super) transparent: bool,
    /// `IP_BIND_ADDRESS_NO_PORT`.
    pub(super) bind_address_no_port: bool,
    /// `IP_LOCAL_PORT_RANGE`, first and last; 0: the host's.
    local_port_range: [u16; 2],
    /// `TCP_INQ`.
    pub(super) inq: bool,
    /// `IP_MINTTL`.
    min_ttl: u8,
    /// The headers of packets below this time to live, or hop limit, are looked at: those that `IP_MINTTL` may drop, or all, see
    /// [`Options::notes_headers`].
    pub(super) look_below_ttl: u16,
    /// `IP_TOS`.
    tos: u8,
    /// `IPV6_TCLASS`.
    tclass: u8,
    /// `IP_TTL`; `None`: the host's default.
    ttl: Option<u8>,
    /// `IPV6_UNICAST_HOPS`; `None`: the host's default.
    unicast_hops: Option<u8>,
    /// `SO_LINGER` is on.
    linger_on: bool,
    /// `l_linger`, as last set together with `l_onoff`.
    linger_seconds: u32,
    /// `SO_RCVTIMEO`; `None`: for ever.
    pub(super) receive_timeout: Option<Duration>,
    /// `SO_SNDTIMEO`; `None`: for ever.
    pub(super) send_timeout: Option<Duration>,
    /// `SO_PEEK_OFF`; negative: none.
    pub(super) peek_off: i32,
    /// `UDP_SEGMENT`.
    pub(super) udp_segment: u16,
    /// `SO_PRIORITY`.
    priority: i32,
    /// `TCP_FASTOPEN`.
    fastopen: i32,
    /// `SO_BINDTODEVICE`, as an interface index; 0: none.
    device: u8,
    /// `SO_MAX_PACING_RATE`.
    max_pacing_rate: u64,
    /// `TCP_CONGESTION`; `None`: the host's default.
    congestion: Option<&'static str>,
    /// `IP_MULTICAST_ALL`; until it is set, on for AF_INET and off for AF_INET6 sockets.
    multicast_all: Option<bool>,
    /// `SO_TIMESTAMP` and its kin.
    pub(super) stamps: Stamps,
    plain: plain::Values,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            reuse_addr: false,
            reuse_port: false,
            freebind: false,
            transparent: false,
            bind_address_no_port: false,
            local_port_range: [0, 0],
            inq: false,
            min_ttl: 0,
            look_below_ttl: 0,
            tos: 0,
            tclass: 0,
            ttl: None,
            unicast_hops: None,
            linger_on: false,
            linger_seconds: 0,
            receive_timeout: None,
            send_timeout: None,
            peek_off: -1,
            udp_segment: 0,
            priority: 0,
            fastopen: 0,
            device: 0,
            max_pacing_rate: u64::MAX,
            congestion: None,
            multicast_all: None,
            stamps: Stamps::default(),
            plain: plain::Values::default(),
        }
    }
}

impl Shared<Options> {
    /// What a connection takes over from its listener: all but SO_PRIORITY and TCP_FASTOPEN. `None`: the same.
    #[inline]
    pub(super) fn heritage(&self) -> Option<Shared<Options>> {
        (self.priority != 0 || self.fastopen != 0).then(|| self.without_own())
    }

    #[cold]
    fn without_own(&self) -> Shared<Options> {
        let mut options = self.clone();
        (options.priority, options.fastopen) = (0, 0);
        options
    }
}

/// Whether an option, however it is set, makes the routes void that are known, `sk_dst_reset`.
fn names_way(level: i32, name: i32) -> bool {
    level == c::SOL_SOCKET && (name == c::SO_DONTROUTE || name == c::SO_BINDTODEVICE)
}

impl Options {
    /// What routes depend on: a change makes those that are known void, `sk_dst_reset`.
    fn way(&self) -> (u8, u8, i32) {
        (self.tos, self.tclass, self.plain_value(c::SOL_SOCKET, c::SO_MARK))
    }

    /// Whether any address may be bound.
    pub(super) fn may_bind_any(&self) -> bool {
        self.freebind || self.transparent
    }

    /// The interface of `SO_BINDTODEVICE`, as an index; 0: none.
    pub(super) fn device(&self) -> u8 {
        self.device
    }

    /// Binds to an interface, or to none.
    pub(super) fn set_device(&mut self, device: Option<Device>) {
        self.device = device.map_or(0, |device| checked(device.index()));
    }

    /// The value of an option that is a row of the table of plain ones.
    pub(super) fn plain_value(&self, level: i32, name: i32) -> i32 {
        self.plain.get(level, name).expect("the option is a row of the table")
    }

    /// Whether no option of that table has been set yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.plain.is_untouched()
    }

    /// Whether a packet that arrives over IPv4 with this time to live is dropped, `IP_MINTTL`.
    pub(super) fn drops_ttl(&self, ttl: u8) -> bool {
        ttl < self.min_ttl
    }

    /// Whether a TCP socket of AF_INET6 remembers the interface and the hop limit of what it has received last, which only
    /// `IPV6_MULTICAST_IF` and `IPV6_MULTICAST_HOPS` can tell (`tcp_v6_do_rcv`): `IPV6_RECVPKTINFO`, `IPV6_RECVHOPLIMIT`.
    pub(super) fn notes_headers(&self) -> [bool; 2] {
        [c::IPV6_RECVPKTINFO, c::IPV6_RECVHOPLIMIT].map(|name| self.plain_value(c::SOL_IPV6, name) != 0)
    }

    /// Options have changed that decide which headers are looked at.
    fn settle_look(&mut self) {
        let all = u16::from(u8::MAX) + 1;
        self.look_below_ttl = if self.notes_headers() == [false; 2] { u16::from(self.min_ttl) } else { all };
    }

    /// The seconds of `SO_LINGER`, if it is on.
    pub(super) fn linger(&self) -> Option<u32> {
        self.linger_on.then_some(self.linger_seconds)
    }

    /// `IP_MULTICAST_ALL` of a socket of this family: what arrives over IPv4 for a group of this host is taken, whoever joined it.
    pub(super) fn takes_all_groups(&self, family: Family) -> bool {
        self.multicast_all.unwrap_or(family == Family::Inet)
    }

    /// The time to live of packets to this address, if the user has set it.
    #[inline]
    pub(super) fn ttl_to(&self, remote: &IpAddr) -> Option<u8> {
        if remote.is_ipv4() { self.ttl } else { self.unicast_hops }
    }

    /// The type of service of packets to this address.
    #[inline]
    pub(super) fn tos_to(&self, remote: &IpAddr) -> u8 {
        if remote.is_ipv4() { self.tos } else { self.tclass }
    }
}

/// The value of an option.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// An int.
    Int(i32),
    /// A structure or a string.
    Bytes(Vec<u8>),
}

/// What setting an option may depend on.
pub(super) struct SetCx {
    now: Instant,
    key: Key,
    /// CAP_NET_ADMIN.
    is_root: bool,
}

impl Host {
    /// `getsockopt(2)`.
    pub(super) fn getsockopt(
        &mut self,
        now: Instant,
        pid: Pid,
        fd: RawFd,
        (level, name): (i32, i32),
        value: &mut [u8],
        len: &mut i32,
    ) -> Result<usize> {
        let (_, key) = self.socket_of(pid, fd)?;
        let room = usize::try_from(*len).map_err(|_| Errno::INVAL)?;
        if room > value.len() {
            return Err(Errno::FAULT);
        }
        if let Some(done) = self.get_source_filter(Member::Stream(key), (level, name), value, len) {
            return done.map(|()| 0);
        }
        let family = self.sockets[key].family;
        let answer = match (level, family) {
            (c::SOL_SOCKET, _) => self.get_socket_option(key, name, room)?,
            (c::SOL_TCP, _) => self.get_tcp_option(now, key, name)?,
            (c::SOL_IP, _) => self.get_ip_option(key, name)?,
            (c::SOL_IPV6, Family::Inet6) => self.get_ipv6_option(key, name)?,
            (_, Family::Inet) => return Err(Errno::OPNOTSUPP),
            (_, Family::Inet6) => return Err(Errno::NOPROTOOPT),
        };
        *len = store_answer(&answer, level, room, value);
        Ok(0)
    }

    /// `setsockopt(2)`.
    pub(super) fn setsockopt(
        &mut self,
        cx: &mut Cx<'_>,
        pid: Pid,
        fd: RawFd,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Result<usize> {
        let (_, key) = self.socket_of(pid, fd)?;
        let is_root = self.process(pid)?.credentials.is_root();
        let set = SetCx { now: cx.now, key, is_root };
        let way = self.sockets[key].options.way();
        match (level, self.sockets[key].family) {
            (c::SOL_SOCKET, _) => self.set_socket_option(&set, name, value)?,
            (c::SOL_TCP, _) => self.set_tcp_option(&set, name, value)?,
            (c::SOL_IP, _) => self.set_ip_option(&set, name, value)?,
            (c::SOL_IPV6, Family::Inet6) => self.set_ipv6_option(&set, name, value)?,
            (_, Family::Inet | Family::Inet6) => return Err(Errno::NOPROTOOPT),
        }
        let socket = &mut self.sockets[key];
        socket.has_lost_route |= names_way(level, name) || socket.options.way() != way;
        // Some options let go of segments or wake somebody.
        self.settle(cx.now, key);
        Ok(0)
    }
}

/// Stores an option's value; answers how long it is there.
fn store_answer(answer: &Answer, level: i32, room: usize, value: &mut [u8]) -> i32 {
    let stored = match answer {
        // ip(7): a room too small for an int gets one byte, if the value fits.
        Answer::Int(number) if level == c::SOL_IP && (1..4).contains(&room) && (0..256).contains(number) => {
            value[0] = number.to_le_bytes()[0];
            1
        }
        Answer::Int(number) => store(&number.to_ne_bytes(), room, value),
        Answer::Bytes(bytes) => store(bytes, room, value),
    };
    i32::try_from(stored).expect("no option is that long")
}

/// Copies as much of an option's value as there is room for; answers how much.
fn store(bytes: &[u8], room: usize, value: &mut [u8]) -> usize {
    let stored = bytes.len().min(room);
    value[..stored].copy_from_slice(&bytes[..stored]);
    stored
}

/// The int at the beginning of an option's value; longer ones are fine.
///
/// # Errors
/// `EINVAL`: there are fewer bytes than an int has.
fn int(value: &[u8]) -> Result<i32> {
    value.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes)).ok_or(Errno::INVAL)
}

/// A value that must lie in a range.
fn in_range(number: i32, low: i32, high: i32) -> Result<i32> {
    if (low..=high).contains(&number) { Ok(number) } else { Err(Errno::INVAL) }
}

/// A count as an int option shows it.
fn shown(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A value that was checked to lie in the range of a smaller type.
fn checked<T: TryFrom<i32>>(number: i32) -> T {
    let Ok(number) = T::try_from(number) else { unreachable!("the range of {number} was checked") };
    number
}
