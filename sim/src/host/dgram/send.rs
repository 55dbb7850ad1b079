//! Sending datagrams: `udp_sendmsg`, `udpv6_sendmsg` around the value that holds the protocol, and the way out.

use super::super::Host;
use super::super::addr::{self, Family};
use super::super::cx::{Cx, Pid, Token};
use super::control::{self, Overrides, SendCx};
use super::route::{Cast, Device, Route};
use super::short::ShortWay;
use super::{Dgram, input::Arrival};
use crate::packet::{Body, Datagram, Packet};
use crate::slab::Key;
use crate::udp::{self, Next, SendFlags};
use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use twinsock::consts as c;
use twinsock::{Errno, Instant, Result};

/// What a call sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) iov: &'a [IoSlice<'a>],
    pub(super) name: Option<&'a [u8]>,
    pub(super) control: &'a [u8],
    /// `MSG_*` flags.
    pub(super) flags: i32,
    /// Who calls.
    pub(super) thread: Token,
}

/// The way of a datagram that is being made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    route: Route,
    /// It is cut into datagrams of this size, `UDP_SEGMENT`; 0: it is not.
    segment: u16,
}

/// What a socket remembers of the way to its peer: `sk_dst_cache`, and the ends in `inet->cork.fl`, which IPv4 uses with it. A corked
/// datagram leaves its own ends there, since one flow serves both, and what is sent to the peer next goes where it went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::host) struct Flow {
    /// The source of what is sent by the route that is remembered.
    pub(super) source: IpAddr,
    /// Its destination.
    pub(super) destination: SocketAddr,
    /// The route is known, and so need not be looked up, nor be allowed, again.
    pub(in crate::host) is_cached: bool,
}

/// What is asked for about the way of a datagram.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    overrides: Overrides,
    /// The interface; 0: any.
    ifindex: i32,
}

impl Dgram {
    /// The destination in the address of a send, and its scope; an IPv4-mapped address as IPv4. `None`: AF_UNSPEC over IPv6.
    fn decode_destination(&self, name: &[u8]) -> Result<Option<(SocketAddr, u32)>> {
        let v4 = |name: &[u8]| {
            let fields: &[u8; 8] = name.first_chunk().filter(|_| name.len() >= 16).ok_or(Errno::INVAL)?;
            let [_, _, p0, p1, a, b, c, d] = *fields;
            let ip = Ipv4Addr::new(a, b, c, d);
            Ok(Some((SocketAddr::new(ip.into(), u16::from_be_bytes([p0, p1])), 0)))
        };
        if self.family == Family::Inet {
            let destination = v4(name)?;
            return match addr::sa_family(name) {
                // AF_UNSPEC is taken for AF_INET.
                Some(c::AF_INET | c::AF_UNSPEC) => Ok(destination),
                Some(_) | None => Err(Errno::AFNOSUPPORT),
            };
        }
        match addr::sa_family(name).ok_or(Errno::INVAL)? {
            c::AF_INET6 => {
                let target = addr::decode(Family::Inet6, name, false)?;
                let is_any_over_v4 = target.ip.is_unspecified() && self.source().is_ipv4();
                let ip = if is_any_over_v4 { Ipv4Addr::LOCALHOST.into() } else { addr::canonical(target.ip) };
                if ip.is_ipv4() && self.v6only {
                    return Err(Errno::NETUNREACH);
                }
                Ok(Some((SocketAddr::new(ip, target.port), target.scope_id)))
            }
            c::AF_INET if self.v6only => Err(Errno::NETUNREACH),
            c::AF_INET => v4(name),
            c::AF_UNSPEC => Ok(None),
            _ => Err(Errno::INVAL),
        }
    }

    /// Whether AF_UNSPEC sends to an IPv4-mapped peer over IPv6, where no route leads to it: `udpv6_sendmsg` no longer looks.
    fn is_mapped_to_nobody(&self, name: &[u8]) -> bool {
        let is_mapped = self.udp.peer().is_some_and(|peer| peer.is_ipv4()) && !self.udp.is_corked();
        self.family == Family::Inet6 && is_mapped && addr::sa_family(name) == Some(c::AF_UNSPEC)
    }

    /// Whether a datagram larger than the MTU may be cut into fragments: `ip_sk_ignore_df`, IPV6_DONTFRAG.
    fn may_fragment(&self, over_v4: bool, dontfrag: Option<bool>) -> bool {
        let (level, name) = if over_v4 { (c::SOL_IP, c::IP_MTU_DISCOVER) } else { (c::SOL_IPV6, c::IPV6_MTU_DISCOVER) };
        let keeps_whole = (IP_PMTUDISC_DO..=IP_PMTUDISC_INTERFACE).contains(&self.options.plain_value(level, name));
        let dontfrag = dontfrag.unwrap_or_else(|| self.options.plain_value(c::SOL_IPV6, c::IPV6_DONTFRAG) != 0);
        !keeps_whole && (over_v4 || !dontfrag)
    }

    /// Whether routers may not cut what fits the path into fragments, `ip_dont_fragment`: not where it is known to carry less than a packet must be
    /// able to have.
    fn forbids_fragments(&self, over_v4: bool, mtu_bytes: u32) -> bool {
        let is_dont = self.options.plain_value(c::SOL_IP, c::IP_MTU_DISCOVER) == IP_PMTUDISC_DONT;
        !over_v4 || (!is_dont && mtu_bytes > MIN_PMTU_BYTES)
    }

    fn sends_no_checksum(&self, over_v4: bool) -> bool {
        let (level, name) = if over_v4 { (c::SOL_SOCKET, c::SO_NO_CHECK) } else { (c::SOL_UDP, c::UDP_NO_CHECK6_TX) };
        self.options.plain_value(level, name) != 0
    }
}

impl Host {
    /// A call that sends; it never waits.
    pub(super) fn send_dgram(&mut self, cx: &mut Cx<'_>, pid: Pid, key: Key, message: &Message<'_>) -> Result<usize> {
        self.autobind_dgram(cx, key)?;
        self.addresses.forget_old_paths(cx.now);
        let len = message.iov.iter().map(|part| part.len()).sum();
        let (oob, more) = (message.flags & c::MSG_OOB != 0, message.flags & c::MSG_MORE != 0);
        let flags = SendFlags { oob, more, thread: message.thread.0 };
        let dgram = &self.dgrams[key];
        if message.name.is_some_and(|name| dgram.is_mapped_to_nobody(name)) {
            return Err(Errno::NETUNREACH);
        }
        let mut scope = 0;
        let next = dgram.udp.begin_send(len, flags, || {
            let destination = message.name.map_or(Ok(None), |name| dgram.decode_destination(name))?;
            Ok(destination.map(|(destination, scope_id)| {
                scope = scope_id;
                destination
            }))
        })?;
        match next {
            Next::Append => {
                let udp = &mut self.dgrams[key].udp;
                let adds_to_page = udp.adds_to_page(len);
                let packet = udp.append(message.iov, flags);
                if adds_to_page && packet.is_ok() {
                    self.turn_page(message.thread, Some(key));
                }
                self.leave_dgram(cx.now, key, packet)?;
            }
            Next::To(to) => {
                let overrides = self.overrides(pid, key, to.ip(), message.control)?;
                let wanted = Wanted { overrides, ifindex: overrides.ifindex_or(scope) };
                // The first datagram to a peer finds the flow, by which the others go.
                let steady = message.name.is_some() || self.dgrams[key].flow.is_cached;
                let (route, port) = match self.is_for_peer(key, to.ip(), message) {
                    true => self.route_dgram_to_peer(key, to, flags)?,
                    false => (self.route_dgram_to(key, to.ip(), &wanted)?, to.port()),
                };
                self.send_on_route(cx.now, key, port, &route, &wanted, (message.iov, flags))?;
                self.dgrams[key].keep_way(message, steady);
            }
        }
        Ok(len)
    }

    fn overrides(&self, pid: Pid, key: Key, to: IpAddr, control: &[u8]) -> Result<Overrides> {
        if control.is_empty() {
            return Ok(Overrides::default());
        }
        let dgram = &self.dgrams[key];
        let cx = SendCx {
            addresses: &self.addresses,
            over_v4: to.is_ipv4(),
            is_v6_socket: dgram.family == Family::Inet6,
            is_root: self.process(pid)?.credentials.is_root(),
            any_source: dgram.options.may_bind_any(),
        };
        control::parse(control, &cx)
    }

    fn route_dgram_to(&self, key: Key, to: IpAddr, wanted: &Wanted) -> Result<Route> {
        let dgram = &self.dgrams[key];
        let source = wanted.overrides.source.unwrap_or_else(|| dgram.source_towards(to));
        self.route_of_dgram(dgram, source, to, wanted.ifindex)
    }

    /// Whether a call sends to the peer by the route that is remembered: it says nothing about the way, and the peer is of the socket's
    /// own family (`connected` of `udp_sendmsg`, `udpv6_sendmsg`).
    fn is_for_peer(&self, key: Key, to: IpAddr, message: &Message<'_>) -> bool {
        let dgram = &self.dgrams[key];
        let is_direct = message.flags & c::MSG_DONTROUTE != 0 || dgram.options.plain_value(c::SOL_SOCKET, c::SO_DONTROUTE) != 0;
        let is_plain = message.name.is_none() && message.control.is_empty() && !is_direct && !to.is_multicast();
        is_plain && to.is_ipv4() == (dgram.family == Family::Inet)
    }

    /// The route to the peer and its port; once they are known, a broadcast needs no permission and IPv4 takes the ends of the flow, but for the
    /// destination of what is corked: that is the peer.
    fn route_dgram_to_peer(&mut self, key: Key, to: SocketAddr, flags: SendFlags) -> Result<(Route, u16)> {
        let route = self.route_dgram_to(key, to.ip(), &Wanted::default())?;
        let dgram = &mut self.dgrams[key];
        if !dgram.flow.is_cached {
            dgram.flow.is_cached = route.cast != Cast::Broadcast || dgram.udp.options.broadcast;
            return Ok((route, to.port()));
        }
        let route = Route { is_allowed: true, ..route };
        if to.is_ipv6() {
            return Ok((route, to.port()));
        }
        let Flow { source, destination, .. } = dgram.flow;
        let destination = if flags.more || dgram.udp.cork() { to } else { destination };
        Ok((Route { source, destination: destination.ip(), ..route }, destination.port()))
    }

    /// The route of a datagram of this socket. `ifindex`: the interface that the call asks for; else it is the socket's.
    pub(in crate::host) fn route_of_dgram(&self, dgram: &Dgram, source: IpAddr, to: IpAddr, ifindex: i32) -> Result<Route> {
        let mut source = source;
        let mut index = [ifindex, i32::from(dgram.options.device())].into_iter().find(|index| *index != 0).unwrap_or(0);
        match to {
            IpAddr::V4(v4) if v4.is_multicast() => {
                if index == 0 {
                    index = dgram.groups.device_v4();
                }
                if source.is_unspecified() {
                    source = dgram.groups.source_v4().into();
                }
            }
            IpAddr::V6(v6) if v6.is_multicast() && index == 0 => index = dgram.groups.device_v6(),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        let by = match index {
            0 => None,
            index => {
                let missing = if to.is_ipv4() { Errno::NODEV } else { Errno::NETUNREACH };
                Some(self.addresses.device(index).ok_or(missing)?)
            }
        };
        self.addresses.route_dgram(source, to, by, dgram.options.transparent)
    }

    fn send_on_route(
        &mut self,
        now: Instant,
        key: Key,
        port: u16,
        route: &Route,
        wanted: &Wanted,
        (iov, flags): (&[IoSlice<'_>], SendFlags),
    ) -> Result<()> {
        let default_ttl = self.sysctl.ip_default_ttl;
        let dgram = &mut self.dgrams[key];
        let to = route.destination;
        let overrides = &wanted.overrides;
        let set_ttl = match route.cast {
            Cast::Multicast => Some(dgram.groups.ttl(to)),
            Cast::Unicast | Cast::Broadcast => dgram.options.ttl_to(&to),
        };
        let segment = overrides.segment.unwrap_or(dgram.options.udp_segment);
        let is_cut = segment > 0;
        let by = udp::Route {
            src: SocketAddr::new(route.source, dgram.port),
            ttl: overrides.ttl.or(set_ttl).unwrap_or(default_ttl),
            tos: overrides.tos.unwrap_or_else(|| dgram.options.tos_to(&to)),
            // What UDP_SEGMENT cuts meets the MTU when it is cut.
            mtu_bytes: if is_cut { IP_MAX_MTU } else { route.mtu_bytes },
            fragment: is_cut || dgram.may_fragment(to.is_ipv4(), overrides.dontfrag),
            broadcast: route.cast == Cast::Broadcast && !route.is_allowed,
            dont_fragment: dgram.forbids_fragments(to.is_ipv4(), route.mtu_bytes),
            no_check: dgram.sends_no_checksum(to.is_ipv4()),
            in_pages: is_cut,
        };
        dgram.way = Some(Way { route: *route, segment });
        let packet = dgram.udp.send(by, SocketAddr::new(to, port), iov, flags);
        let lies_in_pages = udp::lies_in_pages(&by, SocketAddr::new(to, port), iov.iter().map(|part| part.len()).sum());
        // Whatever becomes of the data: only a broadcast that is not allowed is refused before the flow is written.
        let is_corked = flags.more || dgram.udp.cork();
        if to.is_ipv4() && is_corked && (!by.broadcast || dgram.udp.options.broadcast) {
            dgram.flow.source = route.source;
            dgram.flow.destination = SocketAddr::new(to, port);
        }
        if lies_in_pages && packet.is_ok() {
            self.turn_page(Token(flags.thread), Some(key));
        }
        self.leave_dgram(now, key, packet)
    }

    /// A datagram leaves, or is not complete yet; a sender who waits hears of the space first.
    pub(in crate::host) fn leave_dgram(&mut self, now: Instant, key: Key, packet: Result<Option<Packet>>) -> Result<()> {
        let is_built = self.dgrams[key].udp.is_corked();
        self.note_cork(key, is_built);
        let way = if is_built { None } else { self.dgrams[key].way.take() };
        self.settle_dgram(key);
        let (Some(mut packet), Some(way)) = (packet?, way) else { return Ok(()) };
        if let (Body::Udp(datagram), true) = (&mut packet.body, packet.dst.is_ipv4()) {
            // Over IPv4 a corked datagram comes from the port that the socket has by now, over IPv6 from the one it had.
            datagram.src_port = self.dgrams[key].port;
        }
        if let (Body::Udp(datagram), true) = (&mut packet.body, way.segment != 0) {
            check_segments(&way.route, datagram, usize::from(way.segment))?;
            datagram.segment_bytes = way.segment;
        }
        self.carry(now, key, packet, &way.route);
        Ok(())
    }

    /// Whether a packet's address, which was written over in its cork ([`udp::Udp::write_flow`]), is no use any more: over IPv4 on loopback if it is not this
    /// host's, for there the route alone says whose it is; over IPv6 nobody has such an address, and no group.
    fn is_astray(&self, packet: &Packet, route: &Route) -> bool {
        let is_elsewhere = route.cast == Cast::Unicast && route.device == Device::Loopback && !self.addresses.owns(packet.dst);
        packet.dst != route.destination && (packet.dst.is_ipv6() || is_elsewhere)
    }

    /// Hands on such a packet: its route still leads to this host, if it did, where it is for whom no address is too strange.
    fn carry_astray(&mut self, now: Instant, packet: &Packet, route: &Route) {
        let leads_here = route.cast == Cast::Unicast && self.addresses.owns(route.destination);
        if let (Body::Udp(datagram), true) = (&packet.body, leads_here) {
            let device = route.device;
            let header = packet.into();
            self.deliver_to_one(&Arrival { now, header, device }, datagram);
        }
    }

    /// Hands a packet to those who get it: to the wire, to this host, or to both. (`ip_mc_output`, `ip6_finish_output2`.)
    fn carry(&mut self, now: Instant, key: Key, packet: Packet, route: &Route) {
        if self.is_astray(&packet, route) {
            self.carry_astray(now, &packet, route);
            return;
        }
        let is_local = self.addresses.owns(packet.dst);
        let has_loopback_address = packet.dst.is_loopback() || packet.src.is_loopback();
        let (comes_back, leaves) = match (route.cast, route.device) {
            (Cast::Unicast, Device::Loopback) => (false, is_local),
            // A martian is dropped by the first who sees it.
            (Cast::Unicast, Device::Wire) => (false, !has_loopback_address),
            (Cast::Broadcast | Cast::Multicast, Device::Loopback) => (true, false),
            (Cast::Broadcast, Device::Wire) => (true, true),
            (Cast::Multicast, Device::Wire) => {
                let has_ttl = packet.ttl > 0;
                let loops = self.dgrams[key].loops_groups() && (has_ttl || packet.dst.is_ipv4());
                (loops, has_ttl && !is_interface_local(packet.dst))
            }
        };
        if let (true, Body::Udp(datagram)) = (comes_back, &packet.body) {
            let arrival = Arrival { now, header: (&packet).into(), device: route.device };
            self.deliver_to_all(&arrival, route.destination, datagram);
        }
        let is_cut = matches!(&packet.body, Body::Udp(datagram) if datagram.segment_bytes != 0);
        let is_short = leaves
            && !is_cut
            && route.cast == Cast::Unicast
            && route.device == Device::Wire
            && !self.addresses.has_learned_paths();
        self.dgrams[key].gone = if is_short { ShortWay::of(&packet, self.changes) } else { None };
        if !leaves {
            return;
        }
        match (&packet.body, route.device) {
            (Body::Udp(datagram), Device::Wire) if is_cut => {
                for piece in datagram.pieces() {
                    let body = Body::Udp(Datagram { segment_bytes: 0, ..piece });
                    self.outbox.push_back(Packet { body, ..packet });
                }
            }
            (_, Device::Wire | Device::Loopback) => self.outbox.push_back(packet),
        }
    }
}

/// Whether a group never leaves its interface: scope 1 of RFC 4291 section 2.7.
fn is_interface_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.octets()[1] & 0xf <= 1,
    }
}

/// The checks on data that UDP_SEGMENT cuts, `udp_send_skb`.
fn check_segments(route: &Route, datagram: &Datagram, segment: usize) -> Result<()> {
    let len = datagram.payload.len();
    let headers = if route.destination.is_ipv4() { 28 } else { 48 };
    if headers + len.min(segment) > crate::slab::to_usize(route.mtu_bytes) {
        return Err(Errno::MSGSIZE);
    }
    // Whoever cuts makes the checksums, too.
    if len > segment * UDP_MAX_SEGMENTS || datagram.no_check { Err(Errno::INVAL) } else { Ok(()) }
}

/// The most datagrams that one call makes under UDP_SEGMENT.
const UDP_MAX_SEGMENTS: usize = 128;
/// `IP_MAX_MTU`: no IP packet is larger.
const IP_MAX_MTU: u32 = 65_535;
const IP_PMTUDISC_DONT: i32 = 0;
/// `net.ipv4.route.min_pmtu`: a path of no more is locked there, and may fragment.
const MIN_PMTU_BYTES: u32 = 552;
/// `IP_PMTUDISC_DO`, and `IP_PMTUDISC_INTERFACE`, the last of those that do not fragment; those of IPv6 are the same.
const IP_PMTUDISC_DO: i32 = 2;
const IP_PMTUDISC_INTERFACE: i32 = 4;
