//! Control messages of datagrams, `cmsg(3)`, `ip(7)`, `ipv6(7)`: those that a send is given, and those that a receive gives.

use super::super::addr::Addresses;
use super::super::cmsg::{Control, messages};
use super::name::index_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::consts as c;
use twinsock::{Errno, Result};

/// What control messages change about one datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Overrides {
    /// Its source address.
    pub(super) source: Option<IpAddr>,
    /// The index of the interface that it leaves by; 0: none is asked for.
    pub(super) ifindex: i32,
    /// Its time to live or hop limit.
    pub(super) ttl: Option<u8>,
    /// Its type of service or traffic class.
    pub(super) tos: Option<u8>,
    /// `IPV6_DONTFRAG`.
    pub(super) dontfrag: Option<bool>,
    /// `UDP_SEGMENT`.
    pub(super) segment: Option<u16>,
}

/// What decides which control messages are allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendCx<'a> {
    pub(super) addresses: &'a Addresses,
    /// The datagram goes over IPv4.
    pub(super) over_v4: bool,
    /// The socket is of AF_INET6.
    pub(super) is_v6_socket: bool,
    /// CAP_NET_ADMIN.
    pub(super) is_root: bool,
    /// Any source address will do, `IP_FREEBIND` and `IP_TRANSPARENT`.
    pub(super) any_source: bool,
}

impl Control<'_> {
    /// Its data, which must have this many bytes.
    fn exactly<const N: usize>(&self) -> Result<[u8; N]> {
        self.data.try_into().map_err(|_| Errno::INVAL)
    }

    /// Its data, an int.
    fn int(&self) -> Result<i32> {
        Ok(i32::from_ne_bytes(self.exactly()?))
    }
}

/// What the control messages of a send ask for: `udp_cmsg_send`, then `ip_cmsg_send` or `ip6_datagram_send_ctl`.
///
/// # Errors
/// `EINVAL`: malformed, unknown, or of a value that cannot be. `EPERM`: not without privilege. `ENODEV`: no such interface.
pub(super) fn parse(control: &[u8], cx: &SendCx<'_>) -> Result<Overrides> {
    let mut overrides = Overrides::default();
    for message in messages(control) {
        let message = message?;
        if message.level == c::SOL_UDP {
            match message.kind {
                c::UDP_SEGMENT => overrides.segment = Some(u16::from_ne_bytes(message.exactly()?)),
                _ => return Err(Errno::INVAL),
            }
        }
    }
    for message in messages(control) {
        let message = message?;
        match message.level {
            c::SOL_SOCKET => check_socket_level(&message, cx)?,
            c::SOL_IPV6 if cx.over_v4 && cx.is_v6_socket && message.kind == c::IPV6_PKTINFO => {
                let (addr, ifindex) = in6_pktinfo(&message)?;
                let v4 = addr.to_ipv4_mapped().ok_or(Errno::INVAL)?;
                overrides.set_source(IpAddr::V4(v4), ifindex);
            }
            c::SOL_IP if cx.over_v4 => overrides.ip(&message)?,
            c::SOL_IPV6 if !cx.over_v4 => overrides.ipv6(&message, cx)?,
            _ => {}
        }
    }
    Ok(overrides)
}

/// `__sock_cmsg_send`.
fn check_socket_level(message: &Control<'_>, cx: &SendCx<'_>) -> Result<()> {
    match message.kind {
        c::SCM_RIGHTS | c::SCM_CREDENTIALS => Ok(()),
        c::SO_TIMESTAMPING => message.int().map(drop),
        c::SO_MARK if !cx.is_root => Err(Errno::PERM),
        c::SO_MARK => message.int().map(drop),
        c::SO_PRIORITY => match message.int()? {
            0..=6 => Ok(()),
            _ if cx.is_root => Ok(()),
            _ => Err(Errno::PERM),
        },
        _ => Err(Errno::INVAL),
    }
}

fn in6_pktinfo(message: &Control<'_>) -> Result<(Ipv6Addr, i32)> {
    let addr: [u8; 16] = *message.data.first_chunk().ok_or(Errno::INVAL)?;
    let ifindex = message.data[16..].first_chunk().ok_or(Errno::INVAL)?;
    Ok((Ipv6Addr::from(addr), i32::from_ne_bytes(*ifindex)))
}

/// A byte in a control message's int.
fn byte(number: i32, low: i32) -> Result<u8> {
    if number < low { Err(Errno::INVAL) } else { u8::try_from(number).map_err(|_| Errno::INVAL) }
}

impl Overrides {
    fn set_source(&mut self, source: IpAddr, ifindex: i32) {
        // Over IPv4 the wildcard stands for what the route prefers, also where the socket is bound; over IPv6 for nothing.
        self.source = Some(source).filter(|ip| ip.is_ipv4() || !ip.is_unspecified());
        if ifindex != 0 {
            self.ifindex = ifindex;
        }
    }

    fn ip(&mut self, message: &Control<'_>) -> Result<()> {
        match message.kind {
            c::IP_PKTINFO => {
                let [i0, i1, i2, i3, a, b, c, d, ..]: [u8; 12] = message.exactly()?;
                self.set_source(Ipv4Addr::new(a, b, c, d).into(), i32::from_ne_bytes([i0, i1, i2, i3]));
            }
            c::IP_TTL => self.ttl = Some(byte(message.int()?, 1)?),
            c::IP_TOS => {
                self.tos = Some(match message.data {
                    [tos] => *tos,
                    _ => byte(message.int()?, 0)?,
                });
            }
            // IP options are not modelled: those that are none are fine.
            c::IP_RETOPTS if message.data.is_empty() => {}
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    fn ipv6(&mut self, message: &Control<'_>, cx: &SendCx<'_>) -> Result<()> {
        match message.kind {
            c::IPV6_PKTINFO => {
                let (addr, ifindex) = in6_pktinfo(message)?;
                if ifindex != 0 && cx.addresses.device(ifindex).is_none() {
                    return Err(Errno::NODEV);
                }
                if !addr.is_unspecified() && !cx.any_source && !cx.addresses.owns(addr.into()) {
                    return Err(Errno::INVAL);
                }
                self.set_source(addr.into(), ifindex);
            }
            c::IPV6_HOPLIMIT => {
                let hops = message.int()?;
                self.ttl = if hops == -1 { None } else { Some(byte(hops, 0)?) };
            }
            c::IPV6_TCLASS => {
                let class = message.int()?;
                // -1 is not the default here: the header gets its low byte.
                self.tos = Some(if class == -1 { u8::MAX } else { byte(class, 0)? });
            }
            c::IPV6_DONTFRAG => {
                self.dontfrag = Some(match message.int()? {
                    0 => false,
                    1 => true,
                    _ => return Err(Errno::INVAL),
                });
            }
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    /// The interface that is asked for by a control message, or else by a destination's scope.
    pub(super) fn ifindex_or(&self, scope_id: u32) -> i32 {
        if self.ifindex == 0 { index_of(scope_id) } else { self.ifindex }
    }
}
