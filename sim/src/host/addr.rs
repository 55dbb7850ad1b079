//! Addresses: what `sockaddr` bytes say to bind and connect, which addresses exist, where packets to them leave, and how a
//! socket's names are shown.
//!
//! Inside the host an IPv4-mapped IPv6 address is the IPv4 address; only a socket's family decides how it is shown.

use super::pmtu::LearnedPaths;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use twinsock::consts::{AF_INET, AF_INET6, AF_UNSPEC, IPPROTO_ICMP, IPPROTO_ICMPV6};
use twinsock::raw::Name;
use twinsock::{Errno, RawAddr, Result, SocketAddr};

/// The family of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    /// `AF_INET`.
    Inet,
    /// `AF_INET6`.
    Inet6,
}

impl Family {
    /// The family's number.
    pub(super) const fn raw(self) -> i32 {
        match self {
            Family::Inet => AF_INET,
            Family::Inet6 => AF_INET6,
        }
    }

    /// The number of its ICMP.
    pub(super) const fn icmp(self) -> i32 {
        match self {
            Family::Inet => IPPROTO_ICMP,
            Family::Inet6 => IPPROTO_ICMPV6,
        }
    }

    /// The wildcard address.
    pub(super) const fn any(self) -> IpAddr {
        match self {
            Family::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }

    /// The address as a socket of this family shows it.
    pub(super) fn show(self, ip: IpAddr, port: u16) -> SocketAddr {
        match (self, ip) {
            (Family::Inet, IpAddr::V4(v4)) => SocketAddr::V4(SocketAddrV4::new(v4, port)),
            (Family::Inet6, IpAddr::V4(v4)) => SocketAddr::V6(SocketAddrV6::new(v4.to_ipv6_mapped(), port, 0, 0)),
            (Family::Inet | Family::Inet6, IpAddr::V6(v6)) => SocketAddr::V6(SocketAddrV6::new(v6, port, 0, 0)),
        }
    }
}

/// `sizeof(struct sockaddr_storage)`: no address is longer.
const SOCKADDR_STORAGE_BYTES: usize = 128;
/// `sizeof(struct sockaddr_in)`.
const SOCKADDR_IN_BYTES: usize = 16;
/// `sizeof(struct sockaddr_in6)` as RFC 2133 had it, without the scope id.
const SOCKADDR_IN6_RFC2133_BYTES: usize = 24;

/// An address and port as a call was given them: not yet canonical.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Target {
    pub(super) ip: IpAddr,
    pub(super) port: u16,
    pub(super) scope_id: u32,
}

/// `sa_family`, if there are enough bytes for it.
pub(super) fn sa_family(bytes: &[u8]) -> Option<i32> {
    bytes.first_chunk::<2>().map(|family| i32::from(u16::from_ne_bytes(*family)))
}

/// Refuses an address that the kernel would not even copy in.
pub(super) fn check_length(bytes: &[u8]) -> Result<()> {
    if bytes.len() > SOCKADDR_STORAGE_BYTES { Err(Errno::INVAL) } else { Ok(()) }
}

/// The address in these bytes, for a socket of `family`; the length has been checked against [`check_length`].
///
/// `AF_UNSPEC` is taken as `AF_INET` where `unspec_is_any` and the address is 0.0.0.0 (bind's compatibility rule).
#[inline(always)]
pub(super) fn decode(family: Family, bytes: &[u8], unspec_is_any: bool) -> Result<Target> {
    let minimum = match family {
        Family::Inet => SOCKADDR_IN_BYTES,
        Family::Inet6 => SOCKADDR_IN6_RFC2133_BYTES,
    };
    if bytes.len() < minimum {
        return Err(Errno::INVAL);
    }
    let said = sa_family(bytes).expect("the length was checked");
    let fields: &[u8; 6] = bytes[2..].first_chunk().expect("the length was checked");
    let [p0, p1, a, b, c, d] = *fields;
    let port = u16::from_be_bytes([p0, p1]);
    match family {
        Family::Inet => {
            let ip = Ipv4Addr::new(a, b, c, d);
            if said != AF_INET && !(said == AF_UNSPEC && unspec_is_any && ip.is_unspecified()) {
                return Err(Errno::AFNOSUPPORT);
            }
            Ok(Target { ip: IpAddr::V4(ip), port, scope_id: 0 })
        }
        Family::Inet6 => {
            if said != AF_INET6 {
                return Err(Errno::AFNOSUPPORT);
            }
            let ip: [u8; 16] = *bytes[8..].first_chunk().expect("the length was checked");
            let scope_id = bytes[24..].first_chunk().map_or(0, |scope| u32::from_ne_bytes(*scope));
            Ok(Target { ip: IpAddr::V6(Ipv6Addr::from(ip)), port, scope_id })
        }
    }
}

/// An IPv4-mapped address as the IPv4 address it means.
#[inline]
pub(super) fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// Whether the address is a multicast or limited broadcast address.
pub(super) fn is_multicast_or_broadcast(ip: IpAddr) -> bool {
    match ip {
        // 127.255.255.255 is the broadcast address of the loopback network.
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4 == Ipv4Addr::new(127, 255, 255, 255),
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}

/// Whether two bound addresses overlap on a port that both want, `inet_rcv_saddr_equal` with wildcards.
pub(super) fn overlap(a: IpAddr, a_v6only: bool, b: IpAddr, b_v6only: bool) -> bool {
    covers(a, a_v6only, b) || covers(b, b_v6only, a)
}

/// Whether `bound` takes in traffic for `ip`; `::` without IPV6_V6ONLY takes in both families.
pub(super) fn covers(bound: IpAddr, v6only: bool, ip: IpAddr) -> bool {
    if bound == ip {
        return true;
    }
    match (bound, ip) {
        (IpAddr::V4(wild), IpAddr::V4(_)) => wild.is_unspecified(),
        (IpAddr::V4(_), IpAddr::V6(_)) => false,
        (IpAddr::V6(wild), IpAddr::V6(_)) => wild.is_unspecified(),
        (IpAddr::V6(wild), IpAddr::V4(_)) => wild.is_unspecified() && !v6only,
    }
}

/// Stores a name through a value-result argument, `move_addr_to_user`.
///
/// # Errors
/// `EINVAL`: the length is negative. `EFAULT`: it claims more room than there is.
pub(super) fn store_name(raw: &RawAddr, name: &mut Name<'_>) -> Result<()> {
    let full = raw.as_bytes();
    let room = usize::try_from(*name.len).map_err(|_| Errno::INVAL)?;
    if room > name.bytes.len() {
        return Err(Errno::FAULT);
    }
    let stored = room.min(full.len());
    name.bytes[..stored].copy_from_slice(&full[..stored]);
    *name.len = i32::try_from(full.len()).expect("a sockaddr is at most 128 bytes");
    Ok(())
}

/// The bytes of an inet name.
pub(super) fn encode(addr: &SocketAddr) -> RawAddr {
    addr.encode().expect("an inet address always has a sockaddr")
}

/// The addresses of a host and the routes they imply.
#[derive(Debug)]
pub(super) struct Addresses {
    addrs: Vec<IpAddr>,
    /// The first of each family.
    first_v4: Option<Ipv4Addr>,
    first_v6: Option<Ipv6Addr>,
    /// Whether there is another beside those.
    has_more: bool,
    mtu_bytes: u32,
    pub(super) learned: LearnedPaths,
}

/// The MTU of the loopback interface.
const LOOPBACK_MTU_BYTES: u32 = 65536;
/// IP_MAX_MTU: no IPv4 packet is larger, and so no path MTU.
const IP_MAX_MTU: u32 = 65_535;
/// IP6_MAX_MTU: the same of IPv6, whose header does not count.
const IP6_MAX_MTU: u32 = IP_MAX_MTU + 40;

/// The size of the largest packet to this address.
const fn largest_packet(destination: IpAddr) -> u32 {
    if destination.is_ipv4() { IP_MAX_MTU } else { IP6_MAX_MTU }
}

/// Where packets to a destination leave from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Route {
    /// The preferred source address.
    pub(super) source: IpAddr,
    /// Whether the packets stay in the host.
    pub(super) is_local: bool,
    /// The MTU of the first hop.
    pub(super) mtu_bytes: u32,
}

impl Addresses {
    /// Loopback and these.
    pub(super) fn new(addrs: &[IpAddr], mtu_bytes: u32) -> Addresses {
        let learned = LearnedPaths::default();
        let mut own = Addresses { addrs: Vec::new(), first_v4: None, first_v6: None, has_more: false, mtu_bytes, learned };
        own.set(addrs);
        own
    }

    /// These instead, and loopback.
    pub(super) fn set(&mut self, addrs: &[IpAddr]) {
        self.addrs = addrs.iter().copied().map(canonical).collect();
        (self.first_v4, self.first_v6, self.has_more) = (None, None, false);
        for addr in &self.addrs {
            let is_first = match *addr {
                IpAddr::V4(v4) => *self.first_v4.get_or_insert(v4) == v4,
                IpAddr::V6(v6) => *self.first_v6.get_or_insert(v6) == v6,
            };
            self.has_more |= !is_first;
        }
    }

    /// Whether packets to the address are for this host.
    #[inline]
    pub(super) fn owns(&self, ip: IpAddr) -> bool {
        // Most hosts have one of each family.
        let is_first = match ip {
            IpAddr::V4(v4) => self.first_v4 == Some(v4) || v4.is_loopback(),
            IpAddr::V6(v6) => self.first_v6 == Some(v6) || v6.is_loopback(),
        };
        is_first || self.has_more && self.addrs.contains(&ip)
    }

    /// Whether there is an interface besides loopback.
    pub(super) fn has_interface(&self) -> bool {
        !self.addrs.is_empty()
    }

    /// The first address of that interface, of the family of `like`.
    #[inline]
    pub(super) fn first(&self, like: IpAddr) -> Option<IpAddr> {
        match like {
            IpAddr::V4(_) => self.first_v4.map(IpAddr::V4),
            IpAddr::V6(_) => self.first_v6.map(IpAddr::V6),
        }
    }

    /// The MTU of the path to an address by loopback, or by that interface.
    #[inline]
    pub(super) fn mtu_to(&self, destination: IpAddr, loopback: bool) -> u32 {
        let mtu = if loopback { LOOPBACK_MTU_BYTES } else { self.learned_mtu(destination).unwrap_or(self.mtu_bytes) };
        mtu.min(largest_packet(destination))
    }

    /// Whether a socket may be bound to the (canonical) address without IP_FREEBIND.
    pub(super) fn may_bind(&self, ip: IpAddr) -> bool {
        ip.is_unspecified() || self.owns(ip) || is_multicast_or_broadcast(ip)
    }

    /// The route to an address of the host itself.
    #[inline(never)]
    fn route_within(source: IpAddr, destination: IpAddr) -> Route {
        let preferred = match destination {
            // 127.0.0.1 is the primary address of the loopback network.
            IpAddr::V4(v4) if v4.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V4(_) | IpAddr::V6(_) => destination,
        };
        let source = if source.is_unspecified() { preferred } else { source };
        Route { source, is_local: true, mtu_bytes: LOOPBACK_MTU_BYTES.min(largest_packet(destination)) }
    }

    /// Whether packets from a source address, which may be the wildcard, to a (canonical) destination stay in the host.
    ///
    /// # Errors
    /// `ENETUNREACH`: no interface leads there. `EINVAL`: a loopback address cannot be the source of packets that leave.
    #[inline(always)]
    pub(super) fn stays_within(&self, source: &IpAddr, destination: &IpAddr) -> Result<bool> {
        if is_multicast_or_broadcast(*destination) {
            return Err(Errno::NETUNREACH);
        }
        if self.owns(*destination) {
            return Ok(true);
        }
        let leads_there = match destination {
            IpAddr::V4(_) => self.first_v4.is_some(),
            IpAddr::V6(_) => self.first_v6.is_some(),
        };
        if !leads_there {
            return Err(Errno::NETUNREACH);
        }
        if source.is_loopback() { Err(Errno::INVAL) } else { Ok(false) }
    }

    /// The route to a (canonical) destination from a source address, which may be the wildcard.
    ///
    /// # Errors
    /// Those of [`Addresses::stays_within`].
    #[inline(always)]
    pub(super) fn route(&self, source: IpAddr, destination: IpAddr) -> Result<Route> {
        if self.stays_within(&source, &destination)? {
            return Ok(Addresses::route_within(source, destination));
        }
        let first = self.first(destination).ok_or(Errno::NETUNREACH)?;
        let source = if source.is_unspecified() { first } else { source };
        Ok(Route { source, is_local: false, mtu_bytes: self.mtu_to(destination, false) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn wildcards_overlap_what_they_cover() {
        let cases = [
            ("0.0.0.0", false, "127.0.0.1", false, true),
            ("127.0.0.1", false, "127.0.0.2", false, false),
            ("0.0.0.0", false, "::", false, true),
            ("0.0.0.0", false, "::", true, false),
            ("127.0.0.1", false, "::", false, true),
            ("::1", true, "::", true, true),
            ("::1", true, "0.0.0.0", false, false),
            ("::1", true, "127.0.0.1", false, false),
        ];
        for (a, a_only, b, b_only, expected) in cases {
            assert_eq!(overlap(ip(a), a_only, ip(b), b_only), expected, "{a} and {b}");
            assert_eq!(overlap(ip(b), b_only, ip(a), a_only), expected, "{b} and {a}");
        }
    }

    #[test]
    fn a_short_room_gets_a_cut_name_and_the_full_length() {
        let raw = encode(&Family::Inet.show(ip("127.0.0.1"), 80));
        let (mut bytes, mut len) = ([0_u8; 8], 4);
        assert_eq!(store_name(&raw, &mut Name { bytes: &mut bytes, len: &mut len }), Ok(()));
        assert_eq!((len, bytes[2..4].to_vec(), bytes[4]), (16, 80_u16.to_be_bytes().to_vec(), 0));
        len = -1;
        assert_eq!(store_name(&raw, &mut Name { bytes: &mut bytes, len: &mut len }), Err(Errno::INVAL));
        len = 9;
        assert_eq!(store_name(&raw, &mut Name { bytes: &mut bytes, len: &mut len }), Err(Errno::FAULT));
    }

    #[test]
    fn a_host_without_addresses_reaches_only_itself() {
        let addresses = Addresses::new(&[], 1500);
        let any = Family::Inet.any();
        assert_eq!(addresses.route(any, ip("127.0.0.9")).map(|route| route.source), Ok(ip("127.0.0.1")));
        assert_eq!(addresses.route(any, ip("10.0.0.1")), Err(Errno::NETUNREACH));
        assert_eq!(addresses.route(any, ip("127.255.255.255")), Err(Errno::NETUNREACH));
    }
}
