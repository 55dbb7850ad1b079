//! The names of datagram sockets: bind, connect, disconnect, and the port that the kernel chooses.
//!
//! Each follows its function in `af_inet.c`, `af_inet6.c`, `datagram.c` or `udp.c`, check by check.

use super::super::Host;
use super::super::addr::{self, Family, Target};
use super::super::cx::{Cx, Pid};
use super::route::{Cast, Device};
use super::send::Flow;
use super::{Dgram, any_like};
use crate::slab::Key;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use twinsock::consts as c;
use twinsock::raw::Name;
use twinsock::{Errno, RawAddr, Result};

impl Dgram {
    /// `getsockname(2)`.
    pub(super) fn store_name(&self, name: &mut Name<'_>) -> Result<usize> {
        addr::store_name(&self.shown(self.local, self.port), name).map(|()| 0)
    }

    /// `getpeername(2)`: to be connected to port 0 is not to be connected.
    pub(super) fn store_peer_name(&self, name: &mut Name<'_>) -> Result<usize> {
        let peer = self.udp.peer().filter(|peer| peer.port() != 0).ok_or(Errno::NOTCONN)?;
        addr::store_name(&self.shown(peer.ip(), peer.port()), name).map(|()| 0)
    }

    /// An address as this socket shows it; one of IPv6 that needs a scope has that of the socket's interface.
    pub(in crate::host) fn shown(&self, ip: IpAddr, port: u16) -> RawAddr {
        match ip {
            IpAddr::V6(v6) if needs_scope(v6) => {
                let scope = u32::from(self.options.device());
                addr::encode(&twinsock::SocketAddr::V6(SocketAddrV6::new(v6, port, 0, scope)))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => addr::encode(&self.family.show(ip, port)),
        }
    }
}

impl Host {
    /// `bind(2)`: `__inet_bind`, `__inet6_bind`.
    pub(super) fn bind_dgram(&mut self, cx: &mut Cx<'_>, pid: Pid, key: Key, addr: &[u8]) -> Result<usize> {
        addr::check_length(addr)?;
        let is_root = self.process(pid)?.credentials.is_root();
        let family = self.dgrams[key].family;
        let target = addr::decode(family, addr, true)?;
        let ip = addr::canonical(target.ip);
        if family == Family::Inet {
            self.check_dgram_address(key, ip)?;
        }
        if target.port != 0 && target.port < self.sysctl.ip_unprivileged_port_start && !is_root {
            return Err(Errno::ACCES);
        }
        let dgram = &self.dgrams[key];
        if dgram.udp.peer().is_some() || dgram.is_named() {
            return Err(Errno::INVAL);
        }
        if family == Family::Inet6 {
            self.check_bind_v6(key, target)?;
        }
        self.bind_dgram_to(cx, key, target)
    }

    fn check_bind_v6(&mut self, key: Key, target: Target) -> Result<()> {
        let ip = addr::canonical(target.ip);
        let dgram = &mut self.dgrams[key];
        match ip {
            IpAddr::V4(_) if dgram.v6only => return Err(Errno::INVAL),
            IpAddr::V4(_) => {}
            IpAddr::V6(v6) => {
                if needs_scope(v6) {
                    if target.scope_id != 0 {
                        let device = self.addresses.device(index_of(target.scope_id)).ok_or(Errno::NODEV)?;
                        dgram.options.set_device(Some(device));
                    }
                    if dgram.options.device() == 0 {
                        return Err(Errno::INVAL);
                    }
                }
                if v6.is_multicast() {
                    return Ok(());
                }
            }
        }
        self.check_dgram_address(key, ip)
    }

    fn check_dgram_address(&self, key: Key, ip: IpAddr) -> Result<()> {
        let any_will_do = self.dgrams[key].options.may_bind_any() || self.sysctl.ip_nonlocal_bind;
        if any_will_do || self.addresses.may_bind(ip) { Ok(()) } else { Err(Errno::ADDRNOTAVAIL) }
    }

    /// Takes the address and the port, or nothing.
    fn bind_dgram_to(&mut self, cx: &mut Cx<'_>, key: Key, target: Target) -> Result<usize> {
        let ip = addr::canonical(target.ip);
        let dgram = &mut self.dgrams[key];
        let (old_ip, old_v6only) = (dgram.local, dgram.v6only);
        dgram.local = ip;
        dgram.v6only |= target.ip.is_ipv6() && ip.is_ipv6() && !ip.is_unspecified();
        if target.port != 0 || !dgram.options.bind_address_no_port {
            let port = match target.port {
                0 => self.choose_dgram_port(cx, key),
                port => Some(port).filter(|port| !self.dgram_port_conflicts(key, *port)),
            };
            let Some(port) = port else {
                let dgram = &mut self.dgrams[key];
                (dgram.local, dgram.v6only) = (old_ip, old_v6only);
                return Err(Errno::ADDRINUSE);
            };
            self.hold_dgram_port(key, port);
        }
        let dgram = &mut self.dgrams[key];
        // For IPv6 any address but `::` is a lock, for IPv4 any but 0.0.0.0.
        dgram.addr_locked |= !target.ip.is_unspecified();
        dgram.port_locked |= target.port != 0;
        Ok(0)
    }

    /// Whether somebody who will not share it has the port: `udp_lib_lport_inuse`, which asks the last to bind first, and of those who
    /// have SO_REUSEPORT no more than one.
    fn dgram_port_conflicts(&self, key: Key, port: u16) -> bool {
        self.dgram_port_is_shared(&self.dgram_ports, key, port) == Some(false)
    }

    /// Whether those who hold the port share it with this socket; `None`: nobody is in its way.
    fn dgram_port_is_shared(&self, table: &super::DgramPorts, key: Key, port: u16) -> Option<bool> {
        let mine = &self.dgrams[key];
        table.holders(port).iter().rev().filter(|other| **other != key).find_map(|other| {
            let other = &self.dgrams[*other];
            let (a, b) = (&mine.options, &other.options);
            let devices_differ = a.device() != 0 && b.device() != 0 && a.device() != b.device();
            if (a.reuse_addr && b.reuse_addr)
                || devices_differ
                || !(addr::overlap(mine.local, mine.v6only, other.local, other.v6only) || mine.meets_connected_v6(other))
            {
                return None;
            }
            Some(a.reuse_port && b.reuse_port && mine.uid == other.uid)
        })
    }

    fn choose_dgram_port(&mut self, cx: &mut Cx<'_>, key: Key) -> Option<u16> {
        let mut table = std::mem::take(&mut self.dgram_ports);
        let range = self.dgrams[key].options.port_range(&self.sysctl);
        let chosen = table.choose(&range, cx.luck, |table, port| self.dgram_port_is_shared(table, key, port) != Some(false));
        self.dgram_ports = table;
        chosen
    }

    fn hold_dgram_port(&mut self, key: Key, port: u16) {
        self.dgram_ports.hold(port, key);
        let named_at = self.dgram_ports.count_change();
        let dgram = &mut self.dgrams[key];
        dgram.port = port;
        dgram.named_at = named_at;
    }

    /// The socket gives its port back.
    pub(super) fn unname_dgram(&mut self, key: Key) {
        let port = std::mem::take(&mut self.dgrams[key].port);
        if port != 0 {
            self.dgram_ports.release(port, key);
        }
    }

    /// `inet_autobind`: a port of the kernel's choice, if there is none yet.
    ///
    /// # Errors
    /// `EAGAIN`: none is left.
    pub(super) fn autobind_dgram(&mut self, cx: &mut Cx<'_>, key: Key) -> Result<()> {
        if !self.dgrams[key].is_named() {
            let port = self.choose_dgram_port(cx, key).ok_or(Errno::AGAIN)?;
            self.hold_dgram_port(key, port);
        }
        Ok(())
    }

    /// `connect(2)`: `inet_dgram_connect`, `__ip4_datagram_connect`, `__ip6_datagram_connect`.
    pub(super) fn connect_dgram(&mut self, cx: &mut Cx<'_>, key: Key, addr: &[u8]) -> Result<usize> {
        addr::check_length(addr)?;
        let family = addr::sa_family(addr).ok_or(Errno::INVAL)?;
        if family == c::AF_UNSPEC {
            self.disconnect_dgram(key);
            return Ok(0);
        }
        self.autobind_dgram(cx, key)?;
        let dgram = &self.dgrams[key];
        let target = match dgram.family {
            Family::Inet6 if family == c::AF_INET => {
                if dgram.v6only {
                    return Err(Errno::AFNOSUPPORT);
                }
                addr::decode(Family::Inet, addr, false)?
            }
            own @ (Family::Inet | Family::Inet6) => addr::decode(own, addr, false)?,
        };
        let (destination, scope) = self.dgram_destination(key, target)?;
        // The interface that the address names stays, whatever comes of the address.
        if let Some(scope) = scope {
            self.dgrams[key].options.set_device(Some(scope));
        }
        self.associate(key, SocketAddr::new(destination, target.port))
    }

    /// Finds the route to the peer and takes names from it.
    fn associate(&mut self, key: Key, peer: SocketAddr) -> Result<usize> {
        let dgram = &self.dgrams[key];
        let source = dgram.source_towards(peer.ip());
        self.dgrams[key].write_flow(source, peer);
        let route = self.route_of_dgram(&self.dgrams[key], source, peer.ip(), 0)?;
        let dgram = &mut self.dgrams[key];
        dgram.write_flow(route.source, SocketAddr::new(route.destination, peer.port()));
        if route.cast == Cast::Broadcast && !dgram.udp.options.broadcast {
            return Err(Errno::ACCES);
        }
        dgram.flow.is_cached = true;
        dgram.udp.connect(SocketAddr::new(route.destination, peer.port()));
        if dgram.local.is_unspecified() {
            dgram.local = route.source;
            dgram.named_at = self.dgram_ports.count_change();
        }
        Ok(0)
    }

    /// Where a connect to this address goes, and the interface that it names (`None`: none).
    fn dgram_destination(&self, key: Key, target: Target) -> Result<(IpAddr, Option<Device>)> {
        let dgram = &self.dgrams[key];
        let v6 = match target.ip {
            IpAddr::V4(_) => return Ok((target.ip, None)),
            IpAddr::V6(v6) => v6,
        };
        if v6.is_unspecified() {
            // The wildcard means this host.
            let here = if dgram.is_v4_bound() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
            return Ok((here, None));
        }
        let ip = addr::canonical(target.ip);
        if ip.is_ipv4() {
            return if dgram.v6only { Err(Errno::NETUNREACH) } else { Ok((ip, None)) };
        }
        if !needs_scope(v6) {
            return Ok((ip, None));
        }
        let bound = i32::from(dgram.options.device());
        let scope = index_of(target.scope_id);
        if scope != 0 && bound != 0 && scope != bound {
            return Err(Errno::INVAL);
        }
        let by_group = if v6.is_multicast() { dgram.groups.device_v6() } else { 0 };
        match [scope, bound, by_group].into_iter().find(|index| *index != 0) {
            Some(index) => Ok((ip, Some(self.addresses.device(index).ok_or(Errno::NETUNREACH)?))),
            None => Err(Errno::INVAL),
        }
    }

    /// `__udp_disconnect`: the peer goes, and with it what bind did not give.
    fn disconnect_dgram(&mut self, key: Key) {
        let dgram = &mut self.dgrams[key];
        dgram.udp.disconnect();
        dgram.flow.is_cached = false;
        dgram.options.set_device(None);
        if !dgram.addr_locked {
            dgram.local = dgram.family.any();
            dgram.named_at = self.dgram_ports.count_change();
        }
        if !dgram.port_locked {
            self.unname_dgram(key);
        }
    }
}

impl Dgram {
    /// Whether it is to be bound to 0.0.0.0 and meets an AF_INET6 socket that only connect has given an address of IPv6: to
    /// `ipv4_rcv_saddr_equal` that is a socket of both families.
    fn meets_connected_v6(&self, other: &Dgram) -> bool {
        self.family == Family::Inet && self.local.is_unspecified() && other.local.is_ipv6() && !other.v6only
    }

    /// What a connect over IPv4 leaves in `inet->cork.fl`, whatever comes of it; what is corked goes by it, too.
    fn write_flow(&mut self, source: IpAddr, destination: SocketAddr) {
        if let (IpAddr::V4(source), SocketAddr::V4(destination)) = (source, destination) {
            self.flow = Flow { source: source.into(), destination: destination.into(), is_cached: false };
            self.udp.write_flow(SocketAddrV4::new(source, self.port), destination);
        }
    }

    /// Whether it is bound to an IPv4 address.
    fn is_v4_bound(&self) -> bool {
        self.local.is_ipv4() && !self.local.is_unspecified()
    }

    /// The source of what it sends to this address; the wildcard lets the route decide.
    pub(in crate::host) fn source_towards(&self, destination: IpAddr) -> IpAddr {
        let source = self.source();
        // A socket that was connected over IPv6 first has no IPv4 address of its own.
        if source.is_ipv6() && destination.is_ipv4() { any_like(destination) } else { source }
    }
}

/// `__ipv6_addr_needs_scope_id`: link-local, or a group of the interface or the link.
pub(super) fn needs_scope(ip: Ipv6Addr) -> bool {
    let scope = ip.octets()[1] & 0xf;
    ip.segments()[0] & 0xffc0 == 0xfe80 || (ip.is_multicast() && (scope == 1 || scope == 2))
}

/// A scope as the index of an interface; one that is too large is none that exists.
pub(super) fn index_of(scope_id: u32) -> i32 {
    i32::try_from(scope_id).unwrap_or(i32::MAX)
}
