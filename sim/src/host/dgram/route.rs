//! Where datagrams leave: to one host, to a group, to everybody, by an interface that was asked for (`ip_route_output_key`,
//! `ip6_route_output`).

use super::super::addr::{Addresses, is_multicast_or_broadcast};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::{Errno, Result};

/// An interface of a host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::host) enum Device {
    /// `lo`.
    Loopback,
    /// `eth0`.
    Wire,
}

impl Device {
    /// Its index, `if_nametoindex(3)`.
    pub(in crate::host) const fn index(self) -> i32 {
        match self {
            Device::Loopback => 1,
            Device::Wire => 2,
        }
    }
}

/// Who gets a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::host) enum Cast {
    /// One host.
    Unicast,
    /// Every host of a network.
    Broadcast,
    /// Every host that has joined a group.
    Multicast,
}

/// The way of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::host) struct Route {
    /// The address that it comes from.
    pub(in crate::host) source: IpAddr,
    /// The address that it goes to.
    pub(in crate::host) destination: IpAddr,
    /// The interface that it leaves by.
    pub(in crate::host) device: Device,
    /// The MTU of that interface.
    pub(in crate::host) mtu_bytes: u32,
    /// Who gets it.
    pub(in crate::host) cast: Cast,
    /// A broadcast that was allowed before.
    pub(in crate::host) is_allowed: bool,
}

impl Addresses {
    /// The interface of this index.
    pub(in crate::host) fn device(&self, index: i32) -> Option<Device> {
        match index {
            1 => Some(Device::Loopback),
            2 if self.has_interface() => Some(Device::Wire),
            _ => None,
        }
    }

    /// The interface that has an address.
    pub(in crate::host) fn device_of(&self, ip: IpAddr) -> Option<Device> {
        if is_multicast_or_broadcast(ip) || !self.owns(ip) {
            return None;
        }
        Some(if ip.is_loopback() { Device::Loopback } else { Device::Wire })
    }

    /// The interface on which a group is meant that is named by an index or else by an address, or by neither: `ip_mc_find_dev`,
    /// `ip6_mc_find_idev`.
    pub(super) fn device_for_group(&self, group: IpAddr, named: Ipv4Addr, ifindex: i32) -> Option<Device> {
        match (ifindex, named) {
            (0, Ipv4Addr::UNSPECIFIED) => self.first(group).map(|_| Device::Wire),
            (0, address) => self.device_of(address.into()),
            (ifindex, _) => self.device(ifindex),
        }
    }

    /// The first address of an interface, of the family of `like`.
    pub(in crate::host) fn primary(&self, device: Device, like: IpAddr) -> Option<IpAddr> {
        match (device, like) {
            (Device::Loopback, IpAddr::V4(_)) => Some(Ipv4Addr::LOCALHOST.into()),
            (Device::Loopback, IpAddr::V6(_)) => Some(Ipv6Addr::LOCALHOST.into()),
            (Device::Wire, like) => self.first(like),
        }
    }

    /// The route of a datagram from a source, which may be the wildcard, to a destination; all canonical. `by`: the interface that was
    /// asked for. With `any_source` the source need not be an address of this host.
    ///
    /// # Errors
    /// `ENETUNREACH`: no interface leads there, or the source is no address of this host. `EINVAL`: the source cannot be one, or is a
    /// loopback address of a packet that leaves. `EAFNOSUPPORT`: an IPv4 source for IPv6.
    pub(in crate::host) fn route_dgram(
        &self,
        source: IpAddr,
        destination: IpAddr,
        by: Option<Device>,
        any_source: bool,
    ) -> Result<Route> {
        match destination {
            IpAddr::V4(destination) => self.route_dgram_v4(source, destination, by, any_source),
            IpAddr::V6(destination) => self.route_dgram_v6(source, destination, by),
        }
    }

    fn route_dgram_v4(&self, source: IpAddr, to: Ipv4Addr, by: Option<Device>, any_source: bool) -> Result<Route> {
        let mut by = by;
        if !source.is_unspecified() {
            if source.is_multicast() || source == IpAddr::V4(Ipv4Addr::BROADCAST) {
                return Err(Errno::INVAL);
            }
            let device = self.device_of(source);
            if by.is_none() && (to.is_multicast() || to.is_broadcast()) {
                // "Special hack: user can direct multicasts and limited broadcast via necessary interface."
                by = Some(device.ok_or(Errno::NETUNREACH)?);
            } else if device.is_none() && !any_source {
                return Err(Errno::NETUNREACH);
            }
        }
        let to = match (to.is_unspecified(), source) {
            (false, _) => to,
            // The wildcard means this host.
            (true, IpAddr::V4(source)) if !source.is_unspecified() => source,
            (true, _) => Ipv4Addr::LOCALHOST,
        };
        let destination = IpAddr::V4(to);
        let is_loopback_broadcast = to == LOOPBACK_BROADCAST;
        let is_local = self.owns(destination) && !is_loopback_broadcast;
        let device = match by {
            Some(device) if !is_local || device == Device::Loopback => device,
            Some(Device::Wire) if to.is_loopback() => Device::Wire,
            Some(_) => Device::Loopback,
            None if is_local || is_loopback_broadcast => Device::Loopback,
            None => self.first(destination).map(|_| Device::Wire).ok_or(Errno::NETUNREACH)?,
        };
        let is_broadcast = to.is_broadcast() || (is_loopback_broadcast && device == Device::Loopback);
        let cast = match (to.is_multicast(), is_broadcast) {
            (true, _) => Cast::Multicast,
            (false, true) => Cast::Broadcast,
            (false, false) => Cast::Unicast,
        };
        if source.is_loopback() && device == Device::Wire {
            return Err(Errno::INVAL);
        }
        let route = self.from(source, destination, device, cast)?;
        if source.is_unspecified() && device == Device::Loopback && !self.owns(destination) {
            // inet_select_addr: the addresses of loopback are not for what goes beyond the host.
            return Ok(Route { source, ..route });
        }
        Ok(route)
    }

    fn route_dgram_v6(&self, source: IpAddr, to: Ipv6Addr, by: Option<Device>) -> Result<Route> {
        let destination = IpAddr::V6(if to.is_unspecified() { Ipv6Addr::LOCALHOST } else { to });
        let device = match (self.owns(destination), by) {
            (true, _) => Device::Loopback,
            // Loopback has no route to groups, nor to anywhere else.
            (false, Some(Device::Loopback)) => return Err(Errno::NETUNREACH),
            (false, Some(Device::Wire) | None) => self.first(destination).map(|_| Device::Wire).ok_or(Errno::NETUNREACH)?,
        };
        if source.is_ipv4() {
            return Err(Errno::AFNOSUPPORT);
        }
        let cast = if destination.is_multicast() { Cast::Multicast } else { Cast::Unicast };
        self.from(source, destination, device, cast)
    }

    /// The route with a source of the kernel's choice where there is none.
    fn from(&self, source: IpAddr, destination: IpAddr, device: Device, cast: Cast) -> Result<Route> {
        let mtu_bytes = self.mtu_to(destination, device == Device::Loopback);
        let preferred = match destination {
            // A host talks to its own address from that address; 127.0.0.1 is the primary address of the loopback network.
            ip if cast == Cast::Unicast && device == Device::Loopback && !ip.is_loopback() && self.owns(ip) => Some(ip),
            ip => self.primary(device, ip),
        };
        let source = if source.is_unspecified() { preferred.ok_or(Errno::NETUNREACH)? } else { source };
        Ok(Route { source, destination, device, mtu_bytes, cast, is_allowed: false })
    }
}

/// The broadcast address of the loopback network.
pub(super) const LOOPBACK_BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);
