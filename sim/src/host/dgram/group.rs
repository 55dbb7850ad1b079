//! Multicast groups: those that a socket has joined, and how it sends to groups (`igmp.c`, `mcast.c`).

use super::super::Host;
use super::super::addr::Family;
use super::source::Filter;
use super::{Device, Dgram};
use crate::slab::Key;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::consts as c;
use twinsock::{Errno, Result};

/// A group that a socket has joined on an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Membership {
    pub(super) group: IpAddr,
    pub(super) device: Device,
    /// The address by which the interface was named, IPv4 only.
    pub(super) named: Ipv4Addr,
    /// Whose datagrams it takes.
    pub(super) filter: Filter,
}

impl Membership {
    /// Of one that takes everybody's.
    pub(super) const fn new(group: IpAddr, device: Device, named: Ipv4Addr) -> Membership {
        Membership { group, device, named, filter: Filter::ALL }
    }
}

/// The groups that a socket has joined.
#[derive(Default, Debug)]
pub(in crate::host) struct Memberships(pub(super) Vec<Membership>);

impl Memberships {
    /// Whether a group is joined on an interface, by one that takes this source's datagrams if there is one.
    fn takes(&self, group: IpAddr, device: Device, source: Option<IpAddr>) -> bool {
        self.0.iter().any(|membership| {
            let is_it = membership.group == group && membership.device == device;
            is_it && source.is_none_or(|source| membership.filter.passes(source))
        })
    }

    pub(super) fn join(&mut self, membership: Membership) -> Result<()> {
        if self.takes(membership.group, membership.device, None) {
            return Err(Errno::ADDRINUSE);
        }
        if membership.group.is_ipv4() && self.0.iter().filter(|other| other.group.is_ipv4()).count() >= IGMP_MAX_MEMBERSHIPS {
            return Err(Errno::NOBUFS);
        }
        self.0.push(membership);
        Ok(())
    }

    /// `ipv6_sock_mc_join`, whose interface is named by an index, 0 for any.
    pub(super) fn join_v6(&mut self, group: IpAddr, ifindex: i32, device: Option<Device>, filter: Filter) -> Result<()> {
        if self.0.iter().any(|membership| membership.group == group && is_of(membership, ifindex)) {
            return Err(Errno::ADDRINUSE);
        }
        let device = device.ok_or(Errno::NODEV)?;
        self.join(Membership { filter, ..Membership::new(group, device, Ipv4Addr::UNSPECIFIED) })
    }

    pub(super) fn leave(&mut self, matches: impl Fn(&Membership) -> bool) -> Result<()> {
        let at = self.0.iter().rposition(matches).ok_or(Errno::ADDRNOTAVAIL)?;
        self.0.remove(at);
        Ok(())
    }
}

/// What a socket sends to groups by, and those that it has joined.
#[derive(Debug)]
pub(in crate::host) struct Groups {
    /// `IP_MULTICAST_TTL`.
    pub(in crate::host) ttl_v4: u8,
    /// `IPV6_MULTICAST_HOPS`.
    pub(in crate::host) hops_v6: u8,
    device_v4: Option<Device>,
    source_v4: Ipv4Addr,
    device_v6: Option<Device>,
    pub(in crate::host) joined: Memberships,
}

impl Default for Groups {
    fn default() -> Groups {
        Groups {
            ttl_v4: 1,
            hops_v6: 1,
            device_v4: None,
            source_v4: Ipv4Addr::UNSPECIFIED,
            device_v6: None,
            joined: Memberships::default(),
        }
    }
}

impl Groups {
    /// The index of `IP_MULTICAST_IF`'s interface; 0: none.
    pub(super) fn device_v4(&self) -> i32 {
        self.device_v4.map_or(0, Device::index)
    }

    /// The address of `IP_MULTICAST_IF`.
    pub(in crate::host) fn source_v4(&self) -> Ipv4Addr {
        self.source_v4
    }

    /// `IPV6_MULTICAST_IF`.
    pub(in crate::host) fn device_v6(&self) -> i32 {
        self.device_v6.map_or(0, Device::index)
    }

    /// The time to live of what goes to a group.
    pub(super) fn ttl(&self, group: IpAddr) -> u8 {
        if group.is_ipv4() { self.ttl_v4 } else { self.hops_v6 }
    }
}

impl Dgram {
    /// Whether what it sends to a group comes back to this host, `sk_mc_loop`.
    pub(super) fn loops_groups(&self) -> bool {
        let (level, name) = match self.family {
            Family::Inet => (c::SOL_IP, c::IP_MULTICAST_LOOP),
            Family::Inet6 => (c::SOL_IPV6, c::IPV6_MULTICAST_LOOP),
        };
        self.options.plain_value(level, name) != 0
    }

    /// Whether it takes what arrives for a group that somebody of this host has joined: it has joined it, and its filter of sources passes
    /// the sender, or it has not and asks for all (`ip_mc_sf_allow`, `inet6_mc_check`).
    pub(super) fn takes_group(&self, group: IpAddr, device: Device, source: IpAddr) -> bool {
        // Over IPv6 the interface is not looked at.
        let is_it = |membership: &&Membership| membership.group == group && (group.is_ipv6() || membership.device == device);
        match (self.groups.joined.0.iter().find(is_it), group) {
            (Some(membership), _) => membership.filter.passes(source),
            (None, IpAddr::V4(_)) => self.options.takes_all_groups(self.family),
            (None, IpAddr::V6(_)) => self.options.plain_value(c::SOL_IPV6, c::IPV6_MULTICAST_ALL) != 0,
        }
    }
}

/// `struct ip_mreqn`, of which shorter forms have the first fields only.
struct Request {
    group: Ipv4Addr,
    address: Ipv4Addr,
    ifindex: i32,
}

impl Request {
    /// A request of two addresses at least.
    fn parse(value: &[u8]) -> Result<Request> {
        let word = |at: usize| value.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied();
        let (Some(group), Some(address)) = (word(0), word(4)) else { return Err(Errno::INVAL) };
        let ifindex = word(8).map_or(0, i32::from_ne_bytes);
        Ok(Request { group: group.into(), address: address.into(), ifindex })
    }
}

impl Host {
    /// Whether what is sent to this multicast or broadcast address on the wire is for this host.
    ///
    /// ```
    /// use twinsock_sim::HostConfig;
    /// use twinsock_sim::host::Host;
    /// let host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// assert!(host.joined("224.0.0.1".parse().unwrap()), "all hosts");
    /// assert!(!host.joined("224.0.0.251".parse().unwrap()), "no socket has joined it");
    /// ```
    #[must_use]
    pub fn joined(&self, group: IpAddr) -> bool {
        let has_address = self.addresses.first(group).is_some();
        has_address && (!group.is_multicast() || self.has_member(group, Device::Wire, None))
    }

    /// Whether the host has joined a group on an interface: a socket has, or everybody does. With a source, whether one of those that have
    /// takes its datagrams (`ip_check_mc_rcu`, `ipv6_chk_mcast_addr`): the others are not even looked at.
    pub(super) fn has_member(&self, group: IpAddr, device: Device, source: Option<IpAddr>) -> bool {
        let is_for_all = match group {
            IpAddr::V4(v4) => v4 == ALL_HOSTS_V4,
            IpAddr::V6(v6) => v6 == ALL_NODES_V6 || v6 == ALL_NODES_OF_INTERFACE_V6,
        };
        let takes = |joined: &Memberships| joined.takes(group, device, source);
        is_for_all || self.dgrams.iter().any(|(_, dgram)| takes(&dgram.groups.joined)) || self.stream_groups.values().any(takes)
    }

    /// `IP_ADD_MEMBERSHIP`: `ip_mc_join_group`.
    pub(in crate::host) fn join_group_v4(&mut self, key: Key, value: &[u8]) -> Result<()> {
        let request = Request::parse(value)?;
        if !request.group.is_multicast() {
            return Err(Errno::INVAL);
        }
        let device =
            self.addresses.device_for_group(request.group.into(), request.address, request.ifindex).ok_or(Errno::NODEV)?;
        self.dgrams[key].groups.joined.join(Membership::new(request.group.into(), device, request.address))
    }

    /// `IP_DROP_MEMBERSHIP`: `ip_mc_leave_group`.
    pub(in crate::host) fn leave_group_v4(&mut self, key: Key, value: &[u8]) -> Result<()> {
        let request = Request::parse(value)?;
        let device = self.addresses.device_for_group(request.group.into(), request.address, request.ifindex);
        if device.is_none() && request.ifindex == 0 && request.address.is_unspecified() {
            return Err(Errno::NODEV);
        }
        let group = IpAddr::V4(request.group);
        self.dgrams[key].groups.joined.leave(|membership| {
            membership.group == group
                && match device {
                    Some(device) => membership.device == device,
                    None => request.ifindex == 0 && membership.named == request.address,
                }
        })
    }

    /// `IPV6_ADD_MEMBERSHIP`: `ipv6_sock_mc_join`.
    pub(in crate::host) fn join_group_v6(&mut self, key: Key, value: &[u8]) -> Result<()> {
        let (group, ifindex) = group_v6(value)?;
        let device = self.addresses.device_for_group(group, Ipv4Addr::UNSPECIFIED, ifindex);
        self.dgrams[key].groups.joined.join_v6(group, ifindex, device, Filter::ALL)
    }

    /// `IPV6_DROP_MEMBERSHIP`: `ipv6_sock_mc_drop`.
    pub(in crate::host) fn leave_group_v6(&mut self, key: Key, value: &[u8]) -> Result<()> {
        let (group, ifindex) = group_v6(value)?;
        self.dgrams[key].groups.joined.leave(|membership| membership.group == group && is_of(membership, ifindex))
    }

    /// Sets `IP_MULTICAST_IF`: an address, `struct ip_mreq` or `struct ip_mreqn`.
    pub(in crate::host) fn set_multicast_if_v4(&mut self, key: Key, value: &[u8]) -> Result<()> {
        let request = match value {
            [a, b, c, d] | [a, b, c, d, _] | [a, b, c, d, _, _] | [a, b, c, d, _, _, _] => {
                Request { group: Ipv4Addr::UNSPECIFIED, address: Ipv4Addr::new(*a, *b, *c, *d), ifindex: 0 }
            }
            value => Request::parse(value)?,
        };
        let device = match (request.ifindex, request.address) {
            (0, Ipv4Addr::UNSPECIFIED) => None,
            (0, address) => Some(self.addresses.device_of(address.into()).ok_or(Errno::ADDRNOTAVAIL)?),
            (ifindex, _) => Some(self.addresses.device(ifindex).ok_or(Errno::ADDRNOTAVAIL)?),
        };
        let dgram = &mut self.dgrams[key];
        if let Some(device) = device
            && !dgram.may_use(device)
        {
            return Err(Errno::INVAL);
        }
        dgram.groups.device_v4 = device;
        dgram.groups.source_v4 = request.address;
        Ok(())
    }

    /// Sets `IPV6_MULTICAST_IF`, the index of an interface.
    pub(in crate::host) fn set_multicast_if_v6(&mut self, key: Key, ifindex: i32) -> Result<()> {
        let device = match ifindex {
            0 => None,
            ifindex => Some(self.addresses.device(ifindex).ok_or(Errno::NODEV)?),
        };
        let dgram = &mut self.dgrams[key];
        if let Some(device) = device
            && !dgram.may_use(device)
        {
            return Err(Errno::INVAL);
        }
        dgram.groups.device_v6 = device;
        Ok(())
    }
}

impl Dgram {
    /// Whether it is bound to no interface, or to this one.
    pub(super) fn may_use(&self, device: Device) -> bool {
        let bound = i32::from(self.options.device());
        bound == 0 || bound == device.index()
    }
}

/// Whether a request for the interface of this index, 0 for any, means a membership.
pub(super) fn is_of(membership: &Membership, ifindex: i32) -> bool {
    ifindex == 0 || membership.device.index() == ifindex
}

/// `struct ipv6_mreq`.
fn group_v6(value: &[u8]) -> Result<(IpAddr, i32)> {
    let group: [u8; 16] = *value.first_chunk().ok_or(Errno::INVAL)?;
    let ifindex = value[16..].first_chunk().ok_or(Errno::INVAL)?;
    let group = Ipv6Addr::from(group);
    if group.is_multicast() { Ok((group.into(), i32::from_ne_bytes(*ifindex))) } else { Err(Errno::INVAL) }
}

/// `net.ipv4.igmp_max_memberships`.
const IGMP_MAX_MEMBERSHIPS: usize = 20;
/// 224.0.0.1, RFC 1112 section 4.
const ALL_HOSTS_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// ff02::1 and ff01::1, RFC 4291 section 2.7.1.
const ALL_NODES_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_OF_INTERFACE_V6: Ipv6Addr = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 1);
