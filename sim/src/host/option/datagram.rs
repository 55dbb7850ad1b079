//! The options of datagram sockets: level IPPROTO_UDP, `udp(7)`, and what differs from streams at the other levels
//! (`udp_lib_setsockopt`, `do_ip_setsockopt`, `do_ipv6_setsockopt`).

use super::super::Host;
use super::super::addr::{Family, encode};
use super::super::cx::{Cx, Pid};
use super::ip::ip_int;
use super::socket_level::{RCVBUF_LOCK, RCVBUF_MIN_BYTES, SNDBUF_LOCK, SNDBUF_MIN_BYTES, doubled, peer_name};
use super::{Answer, Options, checked, in_range, int, names_way, shown, store_answer};
use crate::host::dgram::{Dgram, Member, is_source_option};
use crate::slab::Key;
use twinsock::consts as c;
use twinsock::{Errno, Result};

/// `IP_PMTUDISC_DONT`, and `IPV6_PMTUDISC_DONT`.
const PMTUDISC_DONT: i32 = 0;
/// A level and the number of an option there.
type OptionName = (i32, i32);

/// Who sets an option.
struct SetBy {
    key: Key,
    /// CAP_NET_ADMIN.
    is_root: bool,
}

impl Host {
    /// `getsockopt(2)` of a datagram socket.
    pub(in crate::host) fn get_dgram_option(
        &mut self,
        key: Key,
        (level, name): OptionName,
        value: &mut [u8],
        len: &mut i32,
    ) -> Result<usize> {
        let room = usize::try_from(*len).map_err(|_| Errno::INVAL)?;
        if room > value.len() {
            return Err(Errno::FAULT);
        }
        if let Some(done) = self.get_source_filter(Member::Dgram(key), (level, name), value, len) {
            return done.map(|()| 0);
        }
        let answer = match (level, self.dgrams[key].family) {
            (c::SOL_SOCKET, _) => self.dgrams[key].get_socket_option(name, room, key)?,
            (c::SOL_UDP, _) => Answer::Int(self.dgrams[key].get_udp_option(name)?),
            (c::SOL_IP, _) => self.get_dgram_ip_option(key, name)?,
            (c::SOL_IPV6, Family::Inet6) => self.get_dgram_ipv6_option(key, name)?,
            (_, Family::Inet) => return Err(Errno::OPNOTSUPP),
            (_, Family::Inet6) => return Err(Errno::NOPROTOOPT),
        };
        *len = store_answer(&answer, level, room, value);
        Ok(0)
    }

    /// `setsockopt(2)` of a datagram socket.
    pub(in crate::host) fn set_dgram_option(
        &mut self,
        cx: &mut Cx<'_>,
        pid: Pid,
        key: Key,
        (level, name): OptionName,
        value: &[u8],
    ) -> Result<usize> {
        let set = SetBy { key, is_root: self.process(pid)?.credentials.is_root() };
        let way = self.dgrams[key].options.way();
        match (level, self.dgrams[key].family) {
            (c::SOL_SOCKET, _) => self.set_dgram_socket_option(&set, name, value)?,
            (c::SOL_UDP, _) => self.set_udp_option(cx, key, name, int(value)?)?,
            (c::SOL_IP, _) => self.set_dgram_ip_option(&set, name, value)?,
            (c::SOL_IPV6, Family::Inet6) => self.set_dgram_ipv6_option(key, name, value)?,
            (_, Family::Inet | Family::Inet6) => return Err(Errno::NOPROTOOPT),
        }
        let dgram = &mut self.dgrams[key];
        let informs = |level: i32, name: i32| dgram.options.plain_value(level, name) != 0;
        let informs_v6 = dgram.family == Family::Inet6 && informs(c::SOL_IPV6, c::IPV6_RECVPKTINFO);
        dgram.udp.options.pktinfo = informs(c::SOL_IP, c::IP_PKTINFO) || informs_v6;
        if names_way(level, name) || dgram.options.way() != way {
            dgram.flow.is_cached = false;
        }
        Ok(0)
    }

    fn set_dgram_socket_option(&mut self, set: &SetBy, name: i32, value: &[u8]) -> Result<()> {
        let (wmem_max, rmem_max) = (self.sysctl.wmem_max, self.sysctl.rmem_max);
        let has_wire = self.addresses.has_interface();
        let dgram = &mut self.dgrams[set.key];
        if name == c::SO_BINDTODEVICE {
            return dgram.options.bind_to_device(has_wire, set.is_root, value);
        }
        let number = int(value)?;
        match name {
            // A negative size is a large unsigned one.
            c::SO_SNDBUF => self.set_dgram_sndbuf(set.key, number.cast_unsigned().min(wmem_max))?,
            c::SO_RCVBUF => dgram.set_rcvbuf(number.cast_unsigned().min(rmem_max))?,
            c::SO_SNDBUFFORCE | c::SO_RCVBUFFORCE if !set.is_root => return Err(Errno::PERM),
            c::SO_SNDBUFFORCE => self.set_dgram_sndbuf(set.key, number.max(0).cast_unsigned())?,
            c::SO_RCVBUFFORCE => dgram.set_rcvbuf(number.max(0).cast_unsigned())?,
            c::SO_PEEK_OFF => dgram.udp.set_peek_off(number),
            c::SO_RCVLOWAT => {
                let lowat = if number < 0 { i32::MAX } else { number.max(1) };
                dgram.options.plain.set(c::SOL_SOCKET, name, lowat)?;
            }
            _ => {
                dgram.options.set_socket_level(set.is_root, name, value)?;
                match name {
                    c::SO_BROADCAST => dgram.udp.options.broadcast = number != 0,
                    c::SO_RXQ_OVFL => dgram.udp.options.rxq_ovfl = number != 0,
                    c::SO_SELECT_ERR_QUEUE => dgram.udp.options.select_err_queue = number != 0,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn set_dgram_sndbuf(&mut self, key: Key, bytes: u32) -> Result<()> {
        let dgram = &mut self.dgrams[key];
        dgram.udp.set_sndbuf(doubled(bytes, SNDBUF_MIN_BYTES));
        dgram.options.lock_buffer(SNDBUF_LOCK)?;
        self.settle_dgram(key);
        Ok(())
    }

    fn set_udp_option(&mut self, cx: &mut Cx<'_>, key: Key, name: i32, number: i32) -> Result<()> {
        let dgram = &mut self.dgrams[key];
        match name {
            c::UDP_CORK => {
                let packet = dgram.udp.set_cork(number != 0);
                // What becomes of it nobody is told, `udp_lib_setsockopt`.
                self.leave_dgram(cx.now, key, Ok(packet)).ok();
            }
            // None of the encapsulations is modelled.
            c::UDP_ENCAP if number == 0 => {}
            c::UDP_SEGMENT => dgram.options.udp_segment = checked(in_range(number, 0, i32::from(u16::MAX))?),
            _ => dgram.options.plain.set(c::SOL_UDP, name, number)?,
        }
        Ok(())
    }

    fn get_dgram_ip_option(&mut self, key: Key, name: i32) -> Result<Answer> {
        let dgram = &self.dgrams[key];
        Ok(Answer::Int(match name {
            c::IP_MTU => self.dgram_mtu(key)?,
            c::IP_MULTICAST_TTL => i32::from(dgram.groups.ttl_v4),
            c::IP_MULTICAST_ALL => i32::from(dgram.options.takes_all_groups(dgram.family)),
            c::IP_MULTICAST_IF => return Ok(Answer::Bytes(dgram.groups.source_v4().octets().to_vec())),
            c::IP_RECVERR => i32::from(dgram.udp.recverr_v4()),
            _ => return dgram.options.get_ip_level(name, self.sysctl.ip_default_ttl),
        }))
    }

    fn set_dgram_ip_option(&mut self, set: &SetBy, name: i32, value: &[u8]) -> Result<()> {
        let number = ip_int(value)?;
        let dgram = &mut self.dgrams[set.key];
        match name {
            c::IP_MULTICAST_TTL if value.is_empty() => return Err(Errno::INVAL),
            c::IP_MULTICAST_TTL if number == -1 => dgram.groups.ttl_v4 = 1,
            c::IP_MULTICAST_TTL => dgram.groups.ttl_v4 = checked(in_range(number, 0, 255)?),
            c::IP_MULTICAST_IF => self.set_multicast_if_v4(set.key, value)?,
            c::IP_ADD_MEMBERSHIP => self.join_group_v4(set.key, value)?,
            c::IP_DROP_MEMBERSHIP => self.leave_group_v4(set.key, value)?,
            c::IP_RECVERR => dgram.udp.set_recverr_v4(number != 0),
            _ if is_source_option(c::SOL_IP, name) => self.set_source_option_v4(Member::Dgram(set.key), name, value)?,
            _ => {
                // A datagram may say what it wants in the bits of ECN.
                dgram.options.set_ip_level(set.is_root, 0, name, value)?;
                if name == c::IP_MTU_DISCOVER && dgram.family == Family::Inet {
                    dgram.udp.options.pmtudisc_dont = number == PMTUDISC_DONT;
                }
            }
        }
        Ok(())
    }

    fn get_dgram_ipv6_option(&mut self, key: Key, name: i32) -> Result<Answer> {
        let dgram = &self.dgrams[key];
        Ok(Answer::Int(match name {
            c::IPV6_V6ONLY => i32::from(dgram.v6only),
            c::IPV6_MTU => self.dgram_mtu(key)?,
            c::IPV6_MULTICAST_HOPS => i32::from(dgram.groups.hops_v6),
            c::IPV6_MULTICAST_IF => dgram.groups.device_v6(),
            c::IPV6_RECVERR => i32::from(dgram.udp.recverr_v6()),
            _ => return dgram.options.get_ipv6_level(name, self.sysctl.ip_default_ttl),
        }))
    }

    fn set_dgram_ipv6_option(&mut self, key: Key, name: i32, value: &[u8]) -> Result<()> {
        let dgram = &mut self.dgrams[key];
        match name {
            c::IPV6_V6ONLY => {
                let number = int(value)?;
                if dgram.is_named() {
                    return Err(Errno::INVAL);
                }
                dgram.v6only = number != 0;
            }
            c::IPV6_MULTICAST_HOPS => {
                let hops = in_range(int(value)?, -1, 255)?;
                dgram.groups.hops_v6 = if hops == -1 { 1 } else { checked(hops) };
            }
            c::IPV6_MULTICAST_IF => self.set_multicast_if_v6(key, int(value)?)?,
            c::IPV6_ADD_MEMBERSHIP => self.join_group_v6(key, value)?,
            c::IPV6_DROP_MEMBERSHIP => self.leave_group_v6(key, value)?,
            c::IPV6_RECVERR => dgram.udp.set_recverr_v6(int(value)? != 0),
            _ if is_source_option(c::SOL_IPV6, name) => self.set_source_option_v6(Member::Dgram(key), name, value)?,
            _ => {
                dgram.options.set_ipv6_level(0, name, value)?;
                if name == c::IPV6_MTU_DISCOVER {
                    dgram.udp.options.pmtudisc_dont = int(value)? == PMTUDISC_DONT;
                }
            }
        }
        Ok(())
    }

    /// The MTU of the path to the peer, as long as the path is known.
    fn dgram_mtu(&self, key: Key) -> Result<i32> {
        let dgram = &self.dgrams[key];
        let peer = dgram.udp.peer().filter(|_| dgram.flow.is_cached).ok_or(Errno::NOTCONN)?;
        let route = self.route_of_dgram(dgram, dgram.source_towards(peer.ip()), peer.ip(), 0).map_err(|_| Errno::NOTCONN)?;
        Ok(shown(route.mtu_bytes))
    }
}

impl Dgram {
    fn get_socket_option(&mut self, name: i32, room: usize, key: Key) -> Result<Answer> {
        let number = match name {
            c::SO_TYPE => c::SOCK_DGRAM,
            c::SO_PROTOCOL => c::IPPROTO_UDP,
            c::SO_DOMAIN => self.family.raw(),
            c::SO_ACCEPTCONN => 0,
            c::SO_ERROR => self.udp.take_error().map_or(0, Errno::raw),
            c::SO_SNDBUF => shown(self.udp.options.sndbuf_bytes),
            c::SO_RCVBUF => shown(self.udp.rcvbuf_bytes()),
            c::SO_PEEK_OFF => self.udp.peek_off(),
            c::SO_MEMINFO => return Ok(Answer::Bytes(self.meminfo().map(u32::to_ne_bytes).concat())),
            c::SO_PEERNAME => {
                let peer = self.udp.peer().filter(|peer| peer.port() != 0);
                let peer = peer.map(|peer| encode(&self.family.show(peer.ip(), peer.port())));
                return peer_name(peer, room).map(Answer::Bytes);
            }
            _ => return self.options.get_socket_level(name, room, key),
        };
        Ok(Answer::Int(number))
    }

    fn get_udp_option(&self, name: i32) -> Result<i32> {
        Ok(match name {
            c::UDP_CORK => i32::from(self.udp.cork()),
            c::UDP_ENCAP => 0,
            c::UDP_SEGMENT => i32::from(self.options.udp_segment),
            _ => self.options.plain.get(c::SOL_UDP, name).ok_or(Errno::NOPROTOOPT)?,
        })
    }

    /// `SO_MEMINFO`, in the order of `SK_MEMINFO_RMEM_ALLOC` to `SK_MEMINFO_DROPS`.
    fn meminfo(&self) -> [u32; 9] {
        let udp = &self.udp;
        let (read, set_aside) = (udp.rmem_alloc(), udp.set_aside());
        [read, udp.rcvbuf_bytes(), udp.outq_bytes(), udp.options.sndbuf_bytes, set_aside, 0, 0, 0, udp.drops()]
    }

    fn set_rcvbuf(&mut self, bytes: u32) -> Result<()> {
        self.udp.set_rcvbuf(doubled(bytes, RCVBUF_MIN_BYTES));
        self.options.lock_buffer(RCVBUF_LOCK)
    }
}

impl Options {
    /// The user has set the size of a buffer, which `SO_BUF_LOCK` shows.
    fn lock_buffer(&mut self, lock: i32) -> Result<()> {
        let locks = self.plain_value(c::SOL_SOCKET, c::SO_BUF_LOCK) | lock;
        self.plain.set(c::SOL_SOCKET, c::SO_BUF_LOCK, locks)
    }
}
