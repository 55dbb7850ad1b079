//! Levels IPPROTO_IP, `ip(7)`, and IPPROTO_IPV6, `ipv6(7)`: `do_ip_getsockopt` and its three siblings.

use super::super::Host;
use super::plain::Values;
use super::{Answer, Options, SetCx, checked, in_range, int};
use crate::host::dgram::{Member, is_source_option};
use crate::host::ports::Range;
use crate::host::socket::Ss;
use crate::host::sysctl::Sysctl;
use crate::slab::Key;
use twinsock::consts as c;
use twinsock::{Errno, Result};

/// The bits of the type of service that belong to ECN, RFC 3168: a stream keeps its own.
const ECN_MASK: i32 = 3;
/// The priority that goes with a type of service, `ip_tos2prio`, by its bits 1 to 4.
const TOS_TO_PRIORITY: [i32; 16] = [0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4];

/// `IPV6_MIN_MTU`, RFC 8200 section 5.
const IPV6_MIN_MTU: i32 = 1280;

impl Host {
    pub(super) fn get_ip_option(&mut self, key: Key, name: i32) -> Result<Answer> {
        let socket = &self.sockets[key];
        let options = &socket.options;
        let number = match name {
            c::IP_MTU => self.path_mtu(key)?,
            c::IP_MULTICAST_TTL => i32::from(socket.heard.ttl),
            c::IP_MULTICAST_ALL => i32::from(options.takes_all_groups(socket.family)),
            c::IP_MULTICAST_IF => return Ok(Answer::Bytes(vec![0; 4])),
            _ => return options.get_ip_level(name, self.sysctl.ip_default_ttl),
        };
        Ok(Answer::Int(number))
    }

    /// The MTU of the path to the peer.
    fn path_mtu(&self, key: Key) -> Result<i32> {
        let tuple = &self.sockets[key].tuple;
        // A connect that failed has left its route until its error is taken.
        if tuple.remote_port == 0 && self.sockets[key].ss == Ss::Unconnected {
            return Err(Errno::NOTCONN);
        }
        if self.sockets[key].has_lost_route {
            return Err(Errno::NOTCONN);
        }
        let route = self.addresses.route(tuple.local, tuple.remote).map_err(|_| Errno::NOTCONN)?;
        Ok(super::shown(route.mtu_bytes))
    }

    pub(super) fn set_ip_option(&mut self, set: &SetCx, name: i32, value: &[u8]) -> Result<()> {
        match name {
            // Multicast is not for streams.
            c::IP_MULTICAST_TTL | c::IP_MULTICAST_IF => Err(Errno::INVAL),
            c::IP_ADD_MEMBERSHIP | c::IP_DROP_MEMBERSHIP => Err(Errno::PROTO),
            // But these are.
            _ if is_source_option(c::SOL_IP, name) => self.set_source_option_v4(Member::Stream(set.key), name, value),
            _ => self.sockets[set.key].options.set_ip_level(set.is_root, ECN_MASK, name, value),
        }
    }
}

/// The value of an option of IPPROTO_IP, `ip(7)`: one byte will do for a small one, none is a 0 for most.
pub(super) fn ip_int(value: &[u8]) -> Result<i32> {
    match value {
        [] => Ok(0),
        [byte] | [byte, _] | [byte, _, _] => Ok(i32::from(*byte)),
        value => int(value),
    }
}

impl Options {
    /// The ports to choose from: the host's range with the ends that the socket has moved, `inet_sk_get_local_port_range`. An end that
    /// lies outside the host's range does not count.
    pub(in crate::host) fn port_range<'a>(&self, sysctl: &'a Sysctl) -> Range<'a> {
        let [low, high] = sysctl.ip_local_port_range;
        let narrowed = |own: u16, hosts: u16| if (low..=high).contains(&own) { own } else { hosts };
        let [own_low, own_high] = self.local_port_range;
        Range {
            low: narrowed(own_low, low),
            high: narrowed(own_high, high),
            is_own: self.local_port_range != [0, 0],
            reserved: &sysctl.ip_local_reserved_ports,
        }
    }

    /// The options of IPPROTO_IP that any socket has.
    pub(super) fn get_ip_level(&self, name: i32, default_ttl: u8) -> Result<Answer> {
        Ok(Answer::Int(match name {
            c::IP_TOS => i32::from(self.tos),
            c::IP_TTL => i32::from(self.ttl.unwrap_or(default_ttl)),
            c::IP_MINTTL => i32::from(self.min_ttl),
            c::IP_FREEBIND => i32::from(self.freebind),
            c::IP_TRANSPARENT => i32::from(self.transparent),
            c::IP_BIND_ADDRESS_NO_PORT => i32::from(self.bind_address_no_port),
            c::IP_LOCAL_PORT_RANGE => {
                let [low, high] = self.local_port_range.map(u16::to_le_bytes);
                i32::from_le_bytes([low[0], low[1], high[0], high[1]])
            }
            c::IP_HDRINCL | c::IP_NODEFRAG | c::IP_RECVFRAGSIZE | c::IP_UNICAST_IF => 0,
            c::IP_OPTIONS => return Ok(Answer::Bytes(Vec::new())),
            _ => self.plain.get(c::SOL_IP, name).ok_or(Errno::NOPROTOOPT)?,
        }))
    }

    /// Sets the options of IPPROTO_IP that any socket has. `kept`: the bits of the type of service that stay as they are.
    pub(super) fn set_ip_level(&mut self, is_root: bool, kept: i32, name: i32, value: &[u8]) -> Result<()> {
        let number = ip_int(value)?;
        let on = number != 0;
        let options = self;
        match name {
            c::IP_TTL | c::IP_MINTTL | c::IP_FREEBIND | c::IP_TRANSPARENT | c::IP_MULTICAST_LOOP | c::IP_MULTICAST_ALL
                if value.is_empty() =>
            {
                return Err(Errno::INVAL);
            }
            c::IP_TOS => {
                let tos = (number & 0xff & !kept) | (i32::from(options.tos) & kept);
                if i32::from(options.tos) != tos {
                    options.tos = checked(tos);
                    options.priority = TOS_TO_PRIORITY[usize::from(options.tos & 0x1e) >> 1];
                }
            }
            c::IP_TTL if number == -1 => options.ttl = None,
            c::IP_TTL => options.ttl = Some(checked(in_range(number, 1, 255)?)),
            c::IP_MINTTL => {
                options.min_ttl = checked(in_range(number, 0, 255)?);
                options.settle_look();
            }
            c::IP_FREEBIND => options.freebind = on,
            c::IP_TRANSPARENT if on && !is_root => return Err(Errno::PERM),
            c::IP_TRANSPARENT => options.transparent = on,
            c::IP_BIND_ADDRESS_NO_PORT => options.bind_address_no_port = on,
            c::IP_LOCAL_PORT_RANGE => {
                // ip(7): the upper end in the upper half, 0 for an end that is the host's.
                let [a, b, x, y] = number.to_le_bytes();
                let [low, high] = [u16::from_le_bytes([a, b]), u16::from_le_bytes([x, y])];
                if value.len() != 4 || (low != 0 && high != 0 && low > high) {
                    return Err(Errno::INVAL);
                }
                options.local_port_range = [low, high];
            }
            c::IP_MULTICAST_ALL => options.multicast_all = Some(in_range(number, 0, 1)? != 0),
            _ if Values::has(c::SOL_IP, name) => options.plain.set(c::SOL_IP, name, number)?,
            _ => return Err(Errno::NOPROTOOPT),
        }
        Ok(())
    }
}

impl Host {
    pub(super) fn get_ipv6_option(&mut self, key: Key, name: i32) -> Result<Answer> {
        let socket = &self.sockets[key];
        let options = &socket.options;
        let number = match name {
            c::IPV6_V6ONLY => i32::from(socket.v6only),
            c::IPV6_MULTICAST_HOPS => i32::from(socket.heard.hops),
            c::IPV6_MULTICAST_IF => i32::from(socket.heard.device),
            c::IPV6_MTU => self.path_mtu(key)?,
            _ => return options.get_ipv6_level(name, self.sysctl.ip_default_ttl),
        };
        Ok(Answer::Int(number))
    }

    pub(super) fn set_ipv6_option(&mut self, set: &SetCx, name: i32, value: &[u8]) -> Result<()> {
        let socket = &mut self.sockets[set.key];
        match name {
            c::IPV6_V6ONLY => {
                let number = int(value)?;
                if socket.num != 0 {
                    return Err(Errno::INVAL);
                }
                socket.v6only = number != 0;
                Ok(())
            }
            c::IPV6_ADD_MEMBERSHIP | c::IPV6_DROP_MEMBERSHIP => int(value).and(Err(Errno::PROTO)),
            _ if is_source_option(c::SOL_IPV6, name) => self.set_source_option_v6(Member::Stream(set.key), name, value),
            _ => socket.options.set_ipv6_level(ECN_MASK, name, value),
        }
    }
}

impl Options {
    /// The options of IPPROTO_IPV6 that any socket has.
    pub(super) fn get_ipv6_level(&self, name: i32, default_hops: u8) -> Result<Answer> {
        Ok(Answer::Int(match name {
            c::IPV6_UNICAST_HOPS => i32::from(self.unicast_hops.unwrap_or(default_hops)),
            c::IPV6_TCLASS => i32::from(self.tclass),
            c::IPV6_FREEBIND => i32::from(self.freebind),
            _ => self.plain.get(c::SOL_IPV6, name).ok_or(Errno::NOPROTOOPT)?,
        }))
    }

    /// Sets the options of IPPROTO_IPV6 that any socket has. `kept`: the bits of the traffic class that stay as they are.
    pub(super) fn set_ipv6_level(&mut self, kept: i32, name: i32, value: &[u8]) -> Result<()> {
        let number = match name {
            c::IPV6_DONTFRAG | c::IPV6_RECVFRAGSIZE | c::IPV6_AUTOFLOWLABEL => int(value).unwrap_or(0),
            _ if !is_ipv6_option(name) => return Err(Errno::NOPROTOOPT),
            _ => int(value)?,
        };
        let options = self;
        match name {
            c::IPV6_UNICAST_HOPS if number == -1 => options.unicast_hops = None,
            c::IPV6_UNICAST_HOPS => options.unicast_hops = Some(checked(in_range(number, 0, 255)?)),
            c::IPV6_TCLASS => {
                // -1 is the default, 0.
                let tclass = in_range(number, -1, 255)?.max(0);
                options.tclass = checked((tclass & !kept) | (i32::from(options.tclass) & kept));
            }
            c::IPV6_FREEBIND => options.freebind = number != 0,
            // Fragments are not modelled: it only bounds their size.
            c::IPV6_MTU if number != 0 && number < IPV6_MIN_MTU => return Err(Errno::INVAL),
            c::IPV6_MTU => {}
            _ => {
                options.plain.set(c::SOL_IPV6, name, number)?;
                options.settle_look();
            }
        }
        Ok(())
    }
}

/// Whether any socket has the option to be set.
fn is_ipv6_option(name: i32) -> bool {
    match name {
        c::IPV6_UNICAST_HOPS | c::IPV6_TCLASS | c::IPV6_MTU | c::IPV6_FREEBIND => true,
        _ => Values::has(c::SOL_IPV6, name),
    }
}
