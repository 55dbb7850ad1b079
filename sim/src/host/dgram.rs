//! UDP sockets, `udp(7)`: `udp.rs` says what one socket does, this file gives it names, ports, routes and waiting callers.

use super::addr::{self, Family, is_multicast_or_broadcast};
use super::call::RecvRef;
use super::cmsg;
use super::cx::Cx;
use super::op::{Step, Task};
use super::ports::{Owner, Strictness};
use super::slab::Key;
use super::socket::Socket;
use super::{Host, poll};
use crate::packet::{Body, Icmp, IcmpError, Latitude, Packet};
use crate::udp::{IpHeader, Next, ReceivedError, RecvFlags, Route, SendFlags, Source, Udp};
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use twinsock::consts as c;
use twinsock::raw::Name;
use twinsock::{Errno, RawAddr, Result, Shutdown};

/// What control messages of a sendmsg set for one datagram.
#[derive(Clone, Copy, Debug, Default)]
struct SendControl {
    ttl: Option<u8>,
    tos: Option<u8>,
    source: Option<IpAddr>,
}

impl Socket {
    /// The socket's protocol state, of one that is known to be UDP's.
    fn udp_mut(&mut self) -> &mut Udp {
        self.udp.as_mut().expect("the socket is UDP's")
    }

    /// How well a datagram between these ends matches, see [`Udp::score`]; the socket bound last wins among equals.
    fn score(&self, src: SocketAddr, dst: SocketAddr) -> Option<(u32, u64)> {
        let local = SocketAddr::new(self.tuple.local, self.num);
        let score = self.udp.as_ref()?.score(local, self.v6only, src, dst)?;
        Some((score, self.bound_as))
    }

    /// Whether datagrams may be cut into fragments: IP_MTU_DISCOVER is neither DO, PROBE nor INTERFACE, IPV6_DONTFRAG is off.
    fn may_fragment(&self, remote: IpAddr) -> bool {
        let (level, name) = match remote {
            IpAddr::V4(_) => (c::SOL_IP, c::IP_MTU_DISCOVER),
            IpAddr::V6(_) => (c::SOL_IPV6, c::IPV6_MTU_DISCOVER),
        };
        let discovers = (2..=4).contains(&self.options.remembered(level, name));
        let dont = remote.is_ipv6() && self.options.remembered(c::SOL_IPV6, c::IPV6_DONTFRAG) != 0;
        !discovers && !dont
    }
}

impl Host {
    /// Gives an unbound socket a port, `inet_autobind`.
    ///
    /// # Errors
    /// `EAGAIN`: there is none left.
    fn autobind(&mut self, cx: &mut Cx<'_>, key: Key) -> Result<()> {
        if self.sockets[key].num == 0 {
            let port = self.choose_port_for_bind(cx, key).ok_or(Errno::AGAIN)?;
            self.hold_port(key, port, false);
        }
        Ok(())
    }

    /// A port for a UDP socket, `udp_lib_get_port`: any of the range that is free.
    pub(super) fn choose_udp_port(&self, cx: &mut Cx<'_>, key: Key) -> Option<u16> {
        let range = self.ephemeral_range();
        let count = u32::from(range.high) - u32::from(range.low) + 1;
        let start = cx.luck.below(Latitude::EphemeralPort, count);
        (0..count).map(|step| u32::from(range.low) + (start + step) % count).find_map(|port| {
            let port = u16::try_from(port).expect("a range of ports ends at 65535");
            let is_free = !range.reserved.contains(&port) && !self.port_conflicts(key, port, Strictness::Automatic);
            is_free.then_some(port)
        })
    }

    /// `connect(2)`: `ip4_datagram_connect`, `ip6_datagram_connect`. It may be repeated.
    pub(super) fn udp_connect(&mut self, cx: &mut Cx<'_>, key: Key, addr: &[u8]) -> Result<()> {
        self.autobind(cx, key)?;
        let socket = &self.sockets[key];
        let target = match (socket.family, addr::sa_family(addr)) {
            (Family::Inet6, Some(c::AF_INET)) if socket.v6only => return Err(Errno::AFNOSUPPORT),
            (Family::Inet6, Some(c::AF_INET)) => addr::decode(Family::Inet, addr, false)?,
            (family, _) => addr::decode(family, addr, false)?,
        };
        let remote = self.udp_destination(key, target.ip, target.scope_id)?;
        let (local, is_broadcast, _) = self.udp_route(key, remote, None)?;
        let socket = &mut self.sockets[key];
        if is_broadcast && !socket.udp_mut().options.broadcast {
            return Err(Errno::ACCES);
        }
        if socket.tuple.local.is_unspecified() {
            socket.tuple.local = local;
        }
        socket.tuple.remote = remote;
        socket.tuple.remote_port = target.port;
        socket.udp_mut().connect(SocketAddr::new(remote, target.port));
        Ok(())
    }

    /// `connect(2)` with AF_UNSPEC, `__udp_disconnect`: what bind did not give goes, the port too.
    pub(super) fn udp_disconnect(&mut self, key: Key) {
        self.sockets[key].udp_mut().disconnect();
        self.reset_names(key);
        if !self.sockets[key].port_locked {
            self.put_port(key);
            self.sockets[key].tuple.local_port = 0;
        }
    }

    /// The canonical address of a destination: the wildcard means this host.
    fn udp_destination(&self, key: Key, asked: IpAddr, scope_id: u32) -> Result<IpAddr> {
        let socket = &self.sockets[key];
        let bound = socket.tuple.local;
        let is_mapped = asked.is_ipv6() && addr::canonical(asked).is_ipv4();
        if is_mapped && socket.v6only {
            return Err(Errno::NETUNREACH);
        }
        match addr::canonical(asked) {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) if bound.is_ipv4() && !bound.is_unspecified() => Ok(bound),
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ok(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) if bound.is_ipv4() => Ok(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ok(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V6(v6) if v6.is_unicast_link_local() && scope_id == 0 => Err(Errno::INVAL),
            remote @ (IpAddr::V4(_) | IpAddr::V6(_)) => Ok(remote),
        }
    }

    /// The source address, whether the destination is a broadcast address, and the MTU.
    fn udp_route(&self, key: Key, remote: IpAddr, source: Option<IpAddr>) -> Result<(IpAddr, bool, u32)> {
        let bound = source.unwrap_or(self.sockets[key].tuple.local);
        let bound = if is_multicast_or_broadcast(bound) { self.sockets[key].family.any() } else { bound };
        if !bound.is_unspecified() && bound.is_ipv4() != remote.is_ipv4() {
            return Err(Errno::NETUNREACH);
        }
        let is_broadcast = is_multicast_or_broadcast(remote) && !remote.is_multicast();
        // Broadcasts stay on the loopback interface.
        let first_hop = if is_broadcast { Ipv4Addr::LOCALHOST.into() } else { remote };
        let route = self.addresses.route(bound, first_hop)?;
        Ok((route.source, is_broadcast, route.mtu_bytes))
    }

    /// A step of a call that sends; it never waits.
    pub(super) fn step_udp_send(
        &mut self,
        cx: &mut Cx<'_>,
        key: Key,
        task: &Task,
        iov: &[IoSlice<'_>],
        addr: Option<&[u8]>,
        control: &[u8],
    ) -> Step {
        let flags = SendFlags { oob: task.flags & c::MSG_OOB != 0, more: task.flags & c::MSG_MORE != 0 };
        let result = self.udp_send(cx, key, flags, iov, addr, control);
        self.settle_udp(key);
        Step::Done(result)
    }

    fn udp_send(
        &mut self,
        cx: &mut Cx<'_>,
        key: Key,
        flags: SendFlags,
        iov: &[IoSlice<'_>],
        addr: Option<&[u8]>,
        control: &[u8],
    ) -> Result<usize> {
        self.autobind(cx, key)?;
        let len = iov.iter().map(|part| part.len()).sum();
        let udp = self.sockets[key].udp.as_ref().expect("the socket is UDP's");
        let packet = match udp.begin_send(len, flags, || self.udp_target(key, addr))? {
            Next::Append => self.sockets[key].udp_mut().append(iov, flags)?,
            Next::To(dst) => {
                let set = self.send_control(key, control)?;
                let (local, broadcast, mtu_bytes) = self.udp_route(key, dst.ip(), set.source)?;
                let ttl_default = self.sysctl.ip_default_ttl;
                let socket = &mut self.sockets[key];
                let route = Route {
                    src: SocketAddr::new(local, socket.num),
                    ttl: set.ttl.or(socket.options.ttl_to(dst.ip())).unwrap_or(ttl_default),
                    tos: set.tos.unwrap_or(socket.options.tos_to(dst.ip())),
                    mtu_bytes,
                    fragment: socket.may_fragment(dst.ip()),
                    broadcast,
                };
                socket.udp_mut().send(route, dst, iov, flags)?
            }
        };
        self.outbox.extend(packet);
        Ok(len)
    }

    /// The destination in a call's address: `None`, there is none.
    fn udp_target(&self, key: Key, addr: Option<&[u8]>) -> Result<Option<SocketAddr>> {
        let Some(addr) = addr else { return Ok(None) };
        let socket = &self.sockets[key];
        let target = match (socket.family, addr::sa_family(addr)) {
            (Family::Inet, Some(c::AF_UNSPEC)) if addr.len() >= 16 => {
                let mut inet = addr.to_vec();
                let family = u16::try_from(c::AF_INET).expect("a family fits sa_family_t");
                inet[..2].copy_from_slice(&family.to_ne_bytes());
                addr::decode(Family::Inet, &inet, false)?
            }
            (Family::Inet, _) => addr::decode(Family::Inet, addr, false)?,
            (Family::Inet6, Some(c::AF_INET)) if socket.v6only => return Err(Errno::NETUNREACH),
            (Family::Inet6, Some(c::AF_INET)) => addr::decode(Family::Inet, addr, false)?,
            (Family::Inet6, Some(c::AF_INET6)) => addr::decode(Family::Inet6, addr, false)?,
            (Family::Inet6, Some(c::AF_UNSPEC)) => return Ok(None),
            (Family::Inet6, _) => return Err(Errno::INVAL),
        };
        let remote = self.udp_destination(key, target.ip, target.scope_id)?;
        Ok(Some(SocketAddr::new(remote, target.port)))
    }

    /// What control messages set for this datagram: `ip_cmsg_send`, `ip6_datagram_send_ctl`.
    fn send_control(&self, key: Key, control: &[u8]) -> Result<SendControl> {
        let mut set = SendControl::default();
        for message in cmsg::messages(control) {
            let cmsg::Control { level, kind, data } = message?;
            let number = data.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
            let byte = |number: Option<i32>| number.and_then(|number| u8::try_from(number).ok()).ok_or(Errno::INVAL);
            match (level, kind) {
                (c::SOL_SOCKET, kind) => cmsg::check_socket_level(kind)?,
                (c::SOL_IP, c::IP_TTL) => set.ttl = Some(byte(number.filter(|ttl| *ttl > 0))?),
                (c::SOL_IP, c::IP_TOS) if data.len() == 1 => set.tos = Some(data[0]),
                (c::SOL_IP, c::IP_TOS) | (c::SOL_IPV6, c::IPV6_TCLASS) => set.tos = Some(byte(number)?),
                (c::SOL_IPV6, c::IPV6_HOPLIMIT) => set.ttl = Some(byte(number)?),
                (c::SOL_IP, c::IP_PKTINFO) => {
                    let source: [u8; 4] = *data.get(4..8).and_then(|bytes| bytes.first_chunk()).ok_or(Errno::INVAL)?;
                    set.source = Some(IpAddr::from(source)).filter(|source| !source.is_unspecified());
                }
                (c::SOL_IPV6, c::IPV6_PKTINFO) => {
                    let source: [u8; 16] = *data.first_chunk().ok_or(Errno::INVAL)?;
                    let source = addr::canonical(IpAddr::from(source));
                    set.source = Some(source).filter(|source| !source.is_unspecified());
                }
                (c::SOL_IP | c::SOL_IPV6, _) => return Err(Errno::INVAL),
                _ => {}
            }
        }
        match set.source {
            Some(source) if !self.addresses.owns(source) && !self.sockets[key].options.freebind => Err(Errno::INVAL),
            _ => Ok(set),
        }
    }

    /// A step of `recvfrom(2)` and its kin.
    pub(super) fn step_udp_recvfrom(
        &mut self,
        key: Key,
        task: &Task,
        iov: &mut [IoSliceMut<'_>],
        name: Option<&mut Name<'_>>,
    ) -> Step {
        let family = self.sockets[key].family;
        let (len, from) = if task.flags & c::MSG_ERRQUEUE != 0 {
            match self.udp_recv_error(key, iov) {
                Ok(received) => (received.len, Some(received.report.dst)),
                Err(error) => return Step::Done(Err(error)),
            }
        } else {
            match self.udp_recv(key, task, iov) {
                Ok(received) => (received.len, received.from.map(|from| from.addr())),
                Err(Errno::AGAIN) => return Step::Wait,
                Err(error) => return Step::Done(Err(error)),
            }
        };
        let stored = match name {
            Some(name) => addr::store_name(&from.map_or(RawAddr::EMPTY, |from| shown(family, from)), name),
            None => Ok(()),
        };
        Step::Done(stored.map(|()| len))
    }

    fn udp_recv(&mut self, key: Key, task: &Task, iov: &mut [IoSliceMut<'_>]) -> Result<crate::udp::Received> {
        let peek = task.flags & c::MSG_PEEK != 0;
        let trunc = task.flags & c::MSG_TRUNC != 0;
        let flags = RecvFlags { peek, trunc, nonblocking: task.nonblocking };
        let received = self.sockets[key].udp_mut().recv(iov, flags);
        self.settle_udp(key);
        received
    }

    fn udp_recv_error(&mut self, key: Key, iov: &mut [IoSliceMut<'_>]) -> Result<ReceivedError> {
        let received = self.sockets[key].udp_mut().recv_error(iov);
        self.settle_udp(key);
        received
    }

    /// A step of `recvmsg(2)`.
    pub(super) fn step_udp_recvmsg(&mut self, key: Key, task: &Task, hdr: &mut RecvRef<'_, '_>) -> Step {
        let family = self.sockets[key].family;
        let mut control = cmsg::Writer::new(hdr.control);
        let (len, truncated, from, mut flags) = if task.flags & c::MSG_ERRQUEUE != 0 {
            match self.udp_recv_error(key, hdr.iov) {
                Ok(received) => {
                    put_report(&mut control, family, &received);
                    (received.len, received.truncated, Some(received.report.dst), c::MSG_ERRQUEUE)
                }
                Err(error) => return Step::Done(Err(error)),
            }
        } else {
            match self.udp_recv(key, task, hdr.iov) {
                Ok(received) => {
                    if let Some(from) = received.from {
                        self.put_source(&mut control, key, &from);
                    }
                    (received.len, received.truncated, received.from.map(|from| from.addr()), 0)
                }
                Err(Errno::AGAIN) => return Step::Wait,
                Err(error) => return Step::Done(Err(error)),
            }
        };
        flags |= if truncated { c::MSG_TRUNC } else { 0 } | if control.is_truncated { c::MSG_CTRUNC } else { 0 };
        *hdr.control_len = control.used();
        *hdr.flags = flags;
        let name = from.map_or(RawAddr::EMPTY, |from| shown(family, from));
        let stored = name.as_bytes().len().min(hdr.name.len());
        hdr.name[..stored].copy_from_slice(&name.as_bytes()[..stored]);
        *hdr.name_len = name.as_bytes().len();
        Step::Done(Ok(len))
    }

    /// The control messages about a datagram that were asked for, `ip_cmsg_recv`, `ip6_datagram_recv_ctl`.
    fn put_source(&self, control: &mut cmsg::Writer<'_>, key: Key, from: &Source) {
        let options = &self.sockets[key].options;
        let wants = |level, name| options.remembered(level, name) != 0;
        let header = &from.header;
        if from.dropped_before > 0 {
            control.put(c::SOL_SOCKET, c::SO_RXQ_OVFL, &from.dropped_before.to_ne_bytes());
        }
        let interface = if header.dst.is_loopback() { 1_i32 } else { 2 };
        if let IpAddr::V4(dst) = header.dst {
            if wants(c::SOL_IP, c::IP_PKTINFO) {
                let info = [interface.to_ne_bytes(), dst.octets(), dst.octets()].concat();
                control.put(c::SOL_IP, c::IP_PKTINFO, &info);
            }
            if wants(c::SOL_IP, c::IP_RECVTTL) {
                control.put(c::SOL_IP, c::IP_TTL, &i32::from(header.ttl).to_ne_bytes());
            }
            if wants(c::SOL_IP, c::IP_RECVTOS) {
                control.put(c::SOL_IP, c::IP_TOS, &[header.tos]);
            }
            if wants(c::SOL_IP, c::IP_ORIGDSTADDR) {
                let name = shown(Family::Inet, SocketAddr::new(header.dst, from.dst_port));
                control.put(c::SOL_IP, c::IP_ORIGDSTADDR, name.as_bytes());
            }
        }
        if self.sockets[key].family == Family::Inet6 {
            if wants(c::SOL_IPV6, c::IPV6_RECVPKTINFO) {
                let dst = match header.dst {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                    IpAddr::V6(v6) => v6,
                };
                control.put(c::SOL_IPV6, c::IPV6_PKTINFO, &[&dst.octets()[..], &interface.to_ne_bytes()].concat());
            }
            if wants(c::SOL_IPV6, c::IPV6_RECVHOPLIMIT) && header.dst.is_ipv6() {
                control.put(c::SOL_IPV6, c::IPV6_HOPLIMIT, &i32::from(header.ttl).to_ne_bytes());
            }
            if wants(c::SOL_IPV6, c::IPV6_RECVTCLASS) && header.dst.is_ipv6() {
                control.put(c::SOL_IPV6, c::IPV6_TCLASS, &i32::from(header.tos).to_ne_bytes());
            }
        }
    }

    /// `shutdown(2)`: the bits are set even where the answer is an error.
    pub(super) fn udp_shutdown(&mut self, key: Key, how: Shutdown) -> Result<usize> {
        let result = self.sockets[key].udp_mut().shutdown(how);
        self.settle_udp(key);
        result.map(|()| 0)
    }

    /// Wakes those who wait for what happened to a UDP socket.
    pub(super) fn settle_udp(&mut self, key: Key) {
        let socket = &mut self.sockets[key];
        let wakes = socket.udp_mut().take_wakes();
        let Some(file) = socket.file else { return };
        if wakes.error {
            self.wake_file(file, poll::KEY_ERROR, false);
        }
        if wakes.readable {
            self.wake_file(file, poll::KEY_READABLE, false);
        }
        if wakes.writable {
            self.wake_file(file, poll::KEY_WRITABLE, false);
        }
        if wakes.state {
            self.wake_file(file, poll::KEY_STATE, true);
        }
    }

    /// A datagram arrives: for the socket that matches best, a broadcast for every one that matches, or for nobody.
    pub(super) fn handle_datagram(&mut self, packet: Packet) {
        let header = IpHeader::from(&packet);
        let Body::Udp(datagram) = &packet.body else { return };
        let src = SocketAddr::new(packet.src, datagram.src_port);
        let dst = SocketAddr::new(packet.dst, datagram.dst_port);
        if is_multicast_or_broadcast(packet.dst) {
            let matches: Vec<Key> =
                self.udp_sockets(dst.port()).filter(|key| self.sockets[*key].score(src, dst).is_some()).collect();
            for key in matches {
                self.sockets[key].udp_mut().deliver(header, datagram.clone());
                self.settle_udp(key);
            }
        } else if let Some(key) = self.find_udp(src, dst) {
            let Body::Udp(datagram) = packet.body else { return };
            self.sockets[key].udp_mut().deliver(header, datagram);
            self.settle_udp(key);
        } else if self.addresses.owns(packet.dst) {
            // RFC 1122 section 4.1.3.1.
            let (src, dst, ttl) = (packet.dst, packet.src, self.sysctl.ip_default_ttl);
            let icmp = Icmp { error: IcmpError::PortUnreachable, about: Box::new(packet) };
            self.outbox.push_back(Packet { src, dst, ttl, tos: 0, body: Body::Icmp(icmp) });
        }
    }

    /// An ICMP error about a datagram: for the socket that an answer would have been for.
    pub(super) fn handle_udp_icmp(&mut self, header: IpHeader, icmp: &Icmp) {
        let Body::Udp(about) = &icmp.about.body else { return };
        let local = SocketAddr::new(icmp.about.src, about.src_port);
        let remote = SocketAddr::new(icmp.about.dst, about.dst_port);
        if let Some(key) = self.find_udp(remote, local) {
            self.sockets[key].udp_mut().handle_icmp(header, icmp);
            self.settle_udp(key);
        }
    }

    fn udp_sockets(&self, port: u16) -> impl Iterator<Item = Key> + '_ {
        self.udp_ports.owners(port).iter().filter_map(|owner| match owner {
            Owner::Socket(key) => Some(*key),
            Owner::TimeWait(_) => None,
        })
    }

    /// The socket that a datagram between these ends is for. Of a SO_REUSEPORT group one sender always reaches the same member.
    fn find_udp(&self, src: SocketAddr, dst: SocketAddr) -> Option<Key> {
        let score = |key: &Key| self.sockets[*key].score(src, dst);
        let best = self.udp_sockets(dst.port()).max_by_key(score)?;
        let (best_score, _) = score(&best)?;
        let is_member =
            |key: &Key| self.sockets[*key].options.reuse_port && score(key).is_some_and(|(score, _)| score == best_score);
        let mut group: Vec<Key> = Vec::new();
        if is_member(&best) && self.sockets[best].udp.as_ref().is_some_and(|udp| udp.peer().is_none()) {
            group.extend(self.udp_sockets(dst.port()).filter(is_member));
        }
        if group.len() < 2 {
            return Some(best);
        }
        group.sort_by_key(|key| self.sockets[*key].bound_as);
        let flow = super::conns::FourTuple { local: dst.ip(), remote: src.ip(), local_port: dst.port(), remote_port: src.port() };
        Some(group[super::slab::to_usize(flow.hash()) % group.len()])
    }
}

/// An address as a socket of this family shows it.
fn shown(family: Family, from: SocketAddr) -> RawAddr {
    addr::encode(&family.show(addr::canonical(from.ip()), from.port()))
}

/// The control message of an entry of the error queue: `struct sock_extended_err` and the offender's address.
fn put_report(control: &mut cmsg::Writer<'_>, family: Family, received: &ReceivedError) {
    let report = &received.report;
    let mut data = Vec::with_capacity(44);
    data.extend(report.errno.raw().to_ne_bytes());
    data.extend([report.origin.raw(), report.kind, report.code, 0]);
    data.extend(report.info.to_ne_bytes());
    data.extend(0_u32.to_ne_bytes());
    let is_v6 = family == Family::Inet6;
    match report.icmp {
        Some(header) => data.extend(shown(family, SocketAddr::new(header.src, 0)).as_bytes()),
        // AF_UNSPEC, all zero.
        None => data.resize(data.len() + if is_v6 { 28 } else { 16 }, 0),
    }
    let (level, kind) = if is_v6 { (c::SOL_IPV6, c::IPV6_RECVERR) } else { (c::SOL_IP, c::IP_RECVERR) };
    control.put(level, kind, &data);
}
