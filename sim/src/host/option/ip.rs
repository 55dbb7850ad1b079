//! Levels IPPROTO_IP, `ip(7)`, and IPPROTO_IPV6, `ipv6(7)`: `do_ip_getsockopt` and its three siblings.

use super::super::Host;
use super::super::addr::Family;
use super::plain::Values;
use super::{Answer, Options, SetCx, checked, in_range, int};
use crate::host::slab::Key;
use std::net::IpAddr;
use twinsock::consts as c;
use twinsock::{Errno, Result};

/// The bits of the type of service that belong to ECN, RFC 3168: a stream keeps its own.
const ECN_MASK: i32 = 3;
/// The priority that goes with a type of service, `ip_tos2prio`, by its bits 1 to 4.
const TOS_TO_PRIORITY: [i32; 16] = [0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4];
/// No IPv4 packet is larger, and so no path MTU.
const IP_MAX_MTU: u32 = 65_535;
/// The same of IPv6, whose header does not count: IP6_MAX_MTU.
const IP6_MAX_MTU: u32 = IP_MAX_MTU + 40;

impl Host {
    pub(super) fn get_ip_option(&mut self, key: Key, name: i32) -> Result<Answer> {
        let socket = &self.sockets[key];
        let options = &socket.options;
        let number = match name {
            c::IP_TOS => i32::from(options.tos),
            c::IP_TTL => i32::from(options.ttl.unwrap_or(self.sysctl.ip_default_ttl)),
            c::IP_MINTTL => i32::from(options.min_ttl),
            c::IP_FREEBIND => i32::from(options.freebind),
            c::IP_TRANSPARENT => i32::from(options.transparent),
            c::IP_BIND_ADDRESS_NO_PORT => i32::from(options.bind_address_no_port),
            c::IP_MTU => self.path_mtu(key)?,
            c::IP_MULTICAST_TTL => i32::from(options.multicast_ttl),
            c::IP_MULTICAST_ALL => i32::from(options.multicast_all.unwrap_or(socket.family == Family::Inet)),
            c::IP_HDRINCL | c::IP_NODEFRAG | c::IP_RECVFRAGSIZE | c::IP_UNICAST_IF => 0,
            c::IP_OPTIONS => return Ok(Answer::Bytes(Vec::new())),
            c::IP_MULTICAST_IF => return Ok(Answer::Bytes(vec![0; 4])),
            _ => options.plain.get(c::SOL_IP, name).ok_or(Errno::NOPROTOOPT)?,
        };
        Ok(Answer::Int(number))
    }

    /// The MTU of the path to the peer.
    fn path_mtu(&self, key: Key) -> Result<i32> {
        let tuple = &self.sockets[key].tuple;
        if tuple.remote_port == 0 {
            return Err(Errno::NOTCONN);
        }
        let route = self.addresses.route(tuple.local, tuple.remote).map_err(|_| Errno::NOTCONN)?;
        let largest = if tuple.remote.is_ipv4() { IP_MAX_MTU } else { IP6_MAX_MTU };
        Ok(super::shown(route.mtu_bytes.min(largest)))
    }

    pub(super) fn set_ip_option(&mut self, set: &SetCx, name: i32, value: &[u8]) -> Result<()> {
        // ip(7): one byte will do for a small value, none is a 0 for most.
        let number = match value {
            [] => 0,
            [byte] | [byte, _] | [byte, _, _] => i32::from(*byte),
            value => int(value)?,
        };
        let on = number != 0;
        let socket = &mut self.sockets[set.key];
        let is_stream = socket.udp.is_none();
        // The bits of ECN belong to TCP.
        let ecn_mask = if is_stream { ECN_MASK } else { 0 };
        let options = &mut socket.options;
        match name {
            c::IP_TTL
            | c::IP_MINTTL
            | c::IP_FREEBIND
            | c::IP_TRANSPARENT
            | c::IP_MULTICAST_TTL
            | c::IP_MULTICAST_LOOP
            | c::IP_MULTICAST_ALL
            | c::IP_MULTICAST_IF
                if value.is_empty() =>
            {
                return Err(Errno::INVAL);
            }
            c::IP_TOS => {
                let kept = i32::from(options.tos) & ecn_mask;
                let tos = (number & 0xff & !ecn_mask) | kept;
                if i32::from(options.tos) != tos {
                    options.tos = checked(tos);
                    options.priority = TOS_TO_PRIORITY[usize::from(options.tos & 0x1e) >> 1];
                }
            }
            c::IP_TTL if number == -1 => options.ttl = None,
            c::IP_TTL => options.ttl = Some(checked(in_range(number, 1, 255)?)),
            c::IP_MINTTL => options.min_ttl = checked(in_range(number, 0, 255)?),
            c::IP_FREEBIND => options.freebind = on,
            c::IP_TRANSPARENT if on && !set.is_root => return Err(Errno::PERM),
            c::IP_TRANSPARENT => options.transparent = on,
            c::IP_BIND_ADDRESS_NO_PORT => options.bind_address_no_port = on,
            // Multicast is not for streams.
            c::IP_MULTICAST_TTL | c::IP_MULTICAST_IF if is_stream => return Err(Errno::INVAL),
            c::IP_ADD_MEMBERSHIP | c::IP_DROP_MEMBERSHIP if is_stream => return Err(Errno::PROTO),
            c::IP_MULTICAST_ALL => options.multicast_all = Some(in_range(number, 0, 1)? != 0),
            c::IP_MULTICAST_TTL if number == -1 => options.multicast_ttl = 1,
            c::IP_MULTICAST_TTL => options.multicast_ttl = checked(in_range(number, 0, 255)?),
            c::IP_MULTICAST_IF => {}
            c::IP_ADD_MEMBERSHIP | c::IP_DROP_MEMBERSHIP => {
                let group: [u8; 4] = *value.first_chunk().filter(|_| value.len() >= 8).ok_or(Errno::INVAL)?;
                options.change_membership(group.into(), name == c::IP_ADD_MEMBERSHIP)?;
            }
            _ if Values::has(c::SOL_IP, name) => options.plain.set(c::SOL_IP, name, number)?,
            _ => return Err(Errno::NOPROTOOPT),
        }
        Ok(())
    }

    pub(super) fn get_ipv6_option(&mut self, key: Key, name: i32) -> Result<Answer> {
        let socket = &self.sockets[key];
        let options = &socket.options;
        let number = match name {
            c::IPV6_V6ONLY => i32::from(socket.v6only),
            c::IPV6_UNICAST_HOPS => i32::from(options.unicast_hops.unwrap_or(self.sysctl.ip_default_ttl)),
            c::IPV6_MULTICAST_HOPS => i32::from(options.multicast_ttl),
            c::IPV6_MULTICAST_ALL => 1,
            c::IPV6_MULTICAST_IF => 0,
            c::IPV6_TCLASS => i32::from(options.tclass),
            c::IPV6_MTU => self.path_mtu(key)?,
            c::IPV6_FREEBIND => i32::from(options.freebind),
            _ => options.plain.get(c::SOL_IPV6, name).ok_or(Errno::NOPROTOOPT)?,
        };
        Ok(Answer::Int(number))
    }

    pub(super) fn set_ipv6_option(&mut self, set: &SetCx, name: i32, value: &[u8]) -> Result<()> {
        let number = match name {
            c::IPV6_DONTFRAG | c::IPV6_RECVFRAGSIZE | c::IPV6_AUTOFLOWLABEL => int(value).unwrap_or(0),
            c::IPV6_MULTICAST_HOPS if self.sockets[set.key].udp.is_none() => return Err(Errno::NOPROTOOPT),
            _ if !is_ipv6_option(name) => return Err(Errno::NOPROTOOPT),
            _ => int(value)?,
        };
        let socket = &mut self.sockets[set.key];
        let is_stream = socket.udp.is_none();
        let ecn_mask = if is_stream { ECN_MASK } else { 0 };
        let options = &mut socket.options;
        match name {
            c::IPV6_V6ONLY if socket.num != 0 => return Err(Errno::INVAL),
            c::IPV6_V6ONLY => socket.v6only = number != 0,
            c::IPV6_UNICAST_HOPS if number == -1 => options.unicast_hops = None,
            c::IPV6_UNICAST_HOPS => options.unicast_hops = Some(checked(in_range(number, 0, 255)?)),
            c::IPV6_TCLASS => {
                // -1 is the default, 0.
                let tclass = in_range(number, -1, 255)?.max(0);
                options.tclass = checked((tclass & !ecn_mask) | (i32::from(options.tclass) & ecn_mask));
            }
            c::IPV6_FREEBIND => options.freebind = number != 0,
            c::IPV6_MULTICAST_HOPS if number == -1 => options.multicast_ttl = 1,
            c::IPV6_MULTICAST_HOPS => options.multicast_ttl = checked(in_range(number, 0, 255)?),
            c::IPV6_ADD_MEMBERSHIP | c::IPV6_DROP_MEMBERSHIP if is_stream => return Err(Errno::PROTO),
            c::IPV6_ADD_MEMBERSHIP | c::IPV6_DROP_MEMBERSHIP => {
                let group: [u8; 16] = *value.first_chunk().filter(|_| value.len() >= 20).ok_or(Errno::INVAL)?;
                options.change_membership(group.into(), name == c::IPV6_ADD_MEMBERSHIP)?;
            }
            _ => options.plain.set(c::SOL_IPV6, name, number)?,
        }
        Ok(())
    }
}

impl Options {
    /// Joins or leaves a multicast group.
    ///
    /// # Errors
    /// `EINVAL`: it is none. `EADDRINUSE`: joined already. `EADDRNOTAVAIL`: not joined.
    fn change_membership(&mut self, group: IpAddr, joins: bool) -> Result<()> {
        let place = self.groups.iter().position(|joined| *joined == group);
        match (joins, place) {
            (true, _) if !group.is_multicast() => return Err(Errno::INVAL),
            (true, Some(_)) => return Err(Errno::ADDRINUSE),
            (true, None) => self.groups.push(group),
            (false, Some(place)) => drop(self.groups.remove(place)),
            (false, None) => return Err(Errno::ADDRNOTAVAIL),
        }
        Ok(())
    }
}

/// Whether the option may be set.
fn is_ipv6_option(name: i32) -> bool {
    match name {
        c::IPV6_V6ONLY
        | c::IPV6_UNICAST_HOPS
        | c::IPV6_TCLASS
        | c::IPV6_FREEBIND
        | c::IPV6_MULTICAST_HOPS
        | c::IPV6_ADD_MEMBERSHIP
        | c::IPV6_DROP_MEMBERSHIP => true,
        _ => Values::has(c::SOL_IPV6, name),
    }
}
