//! Whose datagrams a membership lets through, RFC 3678: `ip_mc_source`, `ip_mc_msfilter`, `ip6_mc_source`, `ip6_mc_msfilter`.
//!
//! A membership takes what comes from all but some, or from some alone. Stream sockets can be members by these requests, which
//! `IP_ADD_MEMBERSHIP` refuses them; they hear nothing, but their host does.

use super::super::Host;
use super::group::{Membership, Memberships, is_of};
use super::route::Device;
use crate::slab::{Key, to_usize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::consts as c;
use twinsock::{Errno, Result};

/// `sfmode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// `MCAST_INCLUDE`: only these.
    Include,
    /// `MCAST_EXCLUDE`: all but these.
    Exclude,
}

impl Mode {
    fn parse(number: u32) -> Result<Mode> {
        match i32::try_from(number) {
            Ok(c::MCAST_INCLUDE) => Ok(Mode::Include),
            Ok(c::MCAST_EXCLUDE) => Ok(Mode::Exclude),
            _ => Err(Errno::INVAL),
        }
    }

    const fn number(self) -> i32 {
        match self {
            Mode::Include => c::MCAST_INCLUDE,
            Mode::Exclude => c::MCAST_EXCLUDE,
        }
    }
}

/// The sources of a membership.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Filter {
    mode: Mode,
    /// `sflist`; `None`: there was never one, and the mode can still be changed by the way.
    sources: Option<Vec<IpAddr>>,
}

impl Filter {
    /// Everybody is heard.
    pub(super) const ALL: Filter = Filter { mode: Mode::Exclude, sources: None };
    /// Nobody is, yet.
    const NONE: Filter = Filter { mode: Mode::Include, sources: None };

    /// Whether a source's datagrams are taken.
    pub(super) fn passes(&self, source: IpAddr) -> bool {
        let is_named = self.sources.as_ref().is_some_and(|sources| sources.contains(&source));
        is_named == (self.mode == Mode::Include)
    }

    fn count(&self) -> usize {
        self.sources.as_ref().map_or(0, Vec::len)
    }
}

/// A change of one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Change {
    mode: Mode,
    /// It is added, or else taken out.
    adds: bool,
}

impl Change {
    /// What an option asks for, if it names one source.
    fn of(name: i32) -> Option<Change> {
        let (mode, adds) = match name {
            c::IP_BLOCK_SOURCE | c::MCAST_BLOCK_SOURCE => (Mode::Exclude, true),
            c::IP_UNBLOCK_SOURCE | c::MCAST_UNBLOCK_SOURCE => (Mode::Exclude, false),
            c::IP_ADD_SOURCE_MEMBERSHIP | c::MCAST_JOIN_SOURCE_GROUP => (Mode::Include, true),
            c::IP_DROP_SOURCE_MEMBERSHIP | c::MCAST_LEAVE_SOURCE_GROUP => (Mode::Include, false),
            _ => return None,
        };
        Some(Change { mode, adds })
    }

    /// It joins the group if it has to.
    fn joins(self) -> bool {
        self == Change { mode: Mode::Include, adds: true }
    }
}

/// Whose memberships they are.
#[derive(Clone, Copy, Debug)]
pub(in crate::host) enum Member {
    /// A datagram socket's.
    Dgram(Key),
    /// A stream socket's.
    Stream(Key),
}

/// Whether an option of a level is one of those here.
pub(in crate::host) fn is_source_option(level: i32, name: i32) -> bool {
    let is_of_v4 = (c::IP_UNBLOCK_SOURCE..=c::IP_MSFILTER).contains(&name);
    (level == c::SOL_IP && is_of_v4) || (c::MCAST_JOIN_GROUP..=c::MCAST_MSFILTER).contains(&name)
}

/// A group on an interface, as a request names it.
#[derive(Clone, Copy, Debug)]
struct Place {
    group: IpAddr,
    /// The address of the interface, IPv4 only.
    named: Ipv4Addr,
    /// Its index; 0: by the address, or any.
    ifindex: i32,
}

impl Memberships {
    /// The membership that a request means; over IPv6 an index of 0 means any interface.
    fn find(&mut self, place: &Place, device: Device) -> Option<(usize, &mut Membership)> {
        let is_it = |membership: &Membership| match place.group {
            IpAddr::V4(_) => membership.device == device,
            IpAddr::V6(_) => is_of(membership, place.ifindex),
        };
        self.0.iter_mut().enumerate().find(|(_, membership)| membership.group == place.group && is_it(membership))
    }

    /// `ip_mc_source`, `ip6_mc_source`.
    fn change_source(&mut self, place: &Place, device: Device, source: IpAddr, change: Change) -> Result<()> {
        let max = sources_max(place.group);
        let (at, membership) = self.find(place, device).ok_or(Errno::INVAL)?;
        let filter = &mut membership.filter;
        if filter.mode != change.mode {
            if filter.sources.is_some() {
                return Err(Errno::INVAL);
            }
            filter.mode = change.mode;
        }
        if change.adds {
            let sources = filter.sources.get_or_insert_default();
            return match sources.contains(&source) {
                _ if sources.len() >= max => Err(Errno::NOBUFS),
                true => Err(Errno::ADDRNOTAVAIL),
                false => {
                    sources.push(source);
                    Ok(())
                }
            };
        }
        let sources = filter.sources.as_mut().ok_or(Errno::ADDRNOTAVAIL)?;
        let found = sources.iter().position(|known| *known == source).ok_or(Errno::ADDRNOTAVAIL)?;
        if sources.len() == 1 && change.mode == Mode::Include {
            // To hear nobody is to leave.
            self.0.remove(at);
        } else {
            sources.remove(found);
        }
        Ok(())
    }

    /// `ip_mc_msfilter`, `ip6_mc_msfilter`: the whole filter at once.
    fn set_filter(&mut self, place: &Place, device: Device, mode: Mode, sources: Vec<IpAddr>) -> Result<()> {
        if mode == Mode::Include && sources.is_empty() {
            let (at, _) = self.find(place, device).ok_or(Errno::ADDRNOTAVAIL)?;
            self.0.remove(at);
            return Ok(());
        }
        let (_, membership) = self.find(place, device).ok_or(Errno::INVAL)?;
        membership.filter = Filter { mode, sources: Some(sources).filter(|sources| !sources.is_empty()) };
        Ok(())
    }
}

impl Host {
    fn memberships(&mut self, member: Member) -> &mut Memberships {
        match member {
            Member::Dgram(key) => &mut self.dgrams[key].groups.joined,
            Member::Stream(key) => self.stream_groups.entry(key).or_default(),
        }
    }

    fn device_of_place(&self, place: &Place) -> Result<Device> {
        self.addresses.device_for_group(place.group, place.named, place.ifindex).ok_or(Errno::NODEV)
    }

    /// Sets one of these options of IPPROTO_IP.
    pub(in crate::host) fn set_source_option_v4(&mut self, member: Member, name: i32, value: &[u8]) -> Result<()> {
        match name {
            c::IP_MSFILTER => {
                let (place, mode, sources) = parse_msfilter(value)?;
                self.set_whole_filter(member, &place, mode, sources)
            }
            c::MCAST_MSFILTER => {
                let (place, mode, sources) = parse_group_filter(value, IGMP_MAX_MSF)?;
                if !place.group.is_ipv4() || sources.iter().any(IpAddr::is_ipv6) {
                    return Err(Errno::ADDRNOTAVAIL);
                }
                self.set_whole_filter(member, &place, mode, sources)
            }
            c::MCAST_JOIN_GROUP | c::MCAST_LEAVE_GROUP => {
                let place = parse_group_req(value)?;
                if !place.group.is_ipv4() {
                    return Err(Errno::INVAL);
                }
                if name == c::MCAST_JOIN_GROUP {
                    self.join_place(member, &place, Filter::ALL)
                } else {
                    self.leave_place(member, &place)
                }
            }
            _ => {
                let (place, source) =
                    if name < c::MCAST_JOIN_GROUP { parse_mreq_source(value)? } else { parse_source_req(value)? };
                if !place.group.is_ipv4() || !source.is_ipv4() {
                    return Err(Errno::ADDRNOTAVAIL);
                }
                self.change_one_source(member, &place, source, name)
            }
        }
    }

    /// Sets one of these options of IPPROTO_IPV6.
    pub(in crate::host) fn set_source_option_v6(&mut self, member: Member, name: i32, value: &[u8]) -> Result<()> {
        match name {
            c::MCAST_MSFILTER => {
                let (place, mode, sources) = parse_group_filter(value, MLD_MAX_MSF)?;
                self.set_whole_filter(member, &place, mode, sources)
            }
            c::MCAST_JOIN_GROUP | c::MCAST_LEAVE_GROUP => {
                let place = parse_group_req(value)?;
                if !place.group.is_ipv6() {
                    return Err(Errno::ADDRNOTAVAIL);
                }
                if name == c::MCAST_JOIN_GROUP {
                    self.join_place(member, &place, Filter::ALL)
                } else {
                    self.leave_place(member, &place)
                }
            }
            _ => {
                let (place, source) = parse_source_req(value)?;
                if !place.group.is_ipv6() || !source.is_ipv6() {
                    return Err(Errno::ADDRNOTAVAIL);
                }
                self.change_one_source(member, &place, source, name)
            }
        }
    }

    fn join_place(&mut self, member: Member, place: &Place, filter: Filter) -> Result<()> {
        if !place.group.is_multicast() {
            return Err(Errno::INVAL);
        }
        let device = self.device_of_place(place);
        let joined = self.memberships(member);
        match place.group {
            IpAddr::V4(_) => joined.join(Membership { filter, ..Membership::new(place.group, device?, place.named) }),
            IpAddr::V6(_) => joined.join_v6(place.group, place.ifindex, device.ok(), filter),
        }
    }

    /// `ip_mc_leave_group`, `ipv6_sock_mc_drop`.
    fn leave_place(&mut self, member: Member, place: &Place) -> Result<()> {
        let device = self.device_of_place(place);
        if place.group.is_ipv4() && place.ifindex == 0 && device.is_err() {
            return Err(Errno::NODEV);
        }
        if !place.group.is_multicast() && place.group.is_ipv6() {
            return Err(Errno::INVAL);
        }
        let is_it = |membership: &Membership| match (place.group, device) {
            (IpAddr::V4(_), Ok(device)) => membership.device == device,
            (IpAddr::V4(_), Err(_)) => false,
            (IpAddr::V6(_), _) => is_of(membership, place.ifindex),
        };
        self.memberships(member).leave(|membership| membership.group == place.group && is_it(membership))
    }

    fn change_one_source(&mut self, member: Member, place: &Place, source: IpAddr, name: i32) -> Result<()> {
        let change = Change::of(name).ok_or(Errno::NOPROTOOPT)?;
        if change.joins() {
            match self.join_place(member, place, Filter::NONE) {
                // An earlier one with another source will do.
                Ok(()) | Err(Errno::ADDRINUSE) => {}
                Err(error) => return Err(error),
            }
        }
        if !place.group.is_multicast() {
            return Err(Errno::INVAL);
        }
        let device = self.device_of_place(place)?;
        self.memberships(member).change_source(place, device, source, change)
    }

    fn set_whole_filter(&mut self, member: Member, place: &Place, mode: u32, sources: Vec<IpAddr>) -> Result<()> {
        if !place.group.is_multicast() {
            return Err(Errno::INVAL);
        }
        let mode = Mode::parse(mode)?;
        let device = self.device_of_place(place)?;
        self.memberships(member).set_filter(place, device, mode, sources)
    }

    /// Reads `IP_MSFILTER` or `MCAST_MSFILTER`, whose value says which filter is meant; `None`: it is another option.
    pub(in crate::host) fn get_source_filter(
        &mut self,
        member: Member,
        (level, name): (i32, i32),
        value: &mut [u8],
        len: &mut i32,
    ) -> Option<Result<()>> {
        let is_v4 = match (level, name) {
            (c::SOL_IP, c::IP_MSFILTER) => return Some(self.get_msfilter(member, value, len)),
            (c::SOL_IP, c::MCAST_MSFILTER) => true,
            (c::SOL_IPV6, c::MCAST_MSFILTER) if self.is_v6(member) => false,
            _ => return None,
        };
        Some(self.get_group_filter(member, is_v4, value, len))
    }

    fn is_v6(&self, member: Member) -> bool {
        let family = match member {
            Member::Dgram(key) => self.dgrams[key].family,
            Member::Stream(key) => self.sockets[key].family,
        };
        family == super::super::addr::Family::Inet6
    }

    /// `ip_mc_msfget`.
    fn get_msfilter(&mut self, member: Member, value: &mut [u8], len: &mut i32) -> Result<()> {
        let value = room(value, *len, MSFILTER_BYTES)?;
        let place = msfilter_place(value)?;
        let wanted = word(value, 12)?;
        if !place.group.is_multicast() {
            return Err(Errno::INVAL);
        }
        let device = self.device_of_place(&place)?;
        let (_, membership) = self.memberships(member).find(&place, device).ok_or(Errno::ADDRNOTAVAIL)?;
        let filter = &membership.filter;
        let shown = filter.count().min(to_usize(wanted)).min((value.len() - MSFILTER_BYTES) / 4);
        put_word(value, 8, filter.mode.number());
        put_word(value, 12, count_of(filter));
        for (source, place) in filter.sources.iter().flatten().take(shown).zip(value[MSFILTER_BYTES..].chunks_exact_mut(4)) {
            if let IpAddr::V4(source) = source {
                place.copy_from_slice(&source.octets());
            }
        }
        *len = length(MSFILTER_BYTES + 4 * shown);
        Ok(())
    }

    /// `ip_mc_gsfget`, `ip6_mc_msfget`.
    fn get_group_filter(&mut self, member: Member, is_v4: bool, value: &mut [u8], len: &mut i32) -> Result<()> {
        let value = room(value, *len, GROUP_FILTER_BYTES)?;
        let refused = if is_v4 { Errno::INVAL } else { Errno::ADDRNOTAVAIL };
        let group = sockaddr(value, 8).ok().filter(|group| group.is_ipv4() == is_v4).ok_or(refused)?;
        let (ifindex, wanted) = (word(value, 0)?.cast_signed(), word(value, 140)?);
        if !group.is_multicast() {
            return Err(Errno::INVAL);
        }
        let joined = self.memberships(member).0.iter();
        let mut found = joined.filter(|membership| membership.group == group && membership.device.index() == ifindex);
        let filter = &found.next().ok_or(Errno::ADDRNOTAVAIL)?.filter;
        let shown = filter.count().min(to_usize(wanted)).min((value.len() - GROUP_FILTER_BYTES) / SOCKADDR_STORAGE_BYTES);
        put_word(value, 136, filter.mode.number());
        put_word(value, 140, count_of(filter));
        let places = value[GROUP_FILTER_BYTES..].chunks_exact_mut(SOCKADDR_STORAGE_BYTES);
        for (source, place) in filter.sources.iter().flatten().take(shown).zip(places) {
            put_sockaddr(place, *source);
        }
        *len = length(GROUP_FILTER_BYTES + SOCKADDR_STORAGE_BYTES * shown);
        Ok(())
    }
}

/// `net.ipv4.igmp_max_msf`, `net.ipv6.mld_max_msf`: how many sources a filter has at most.
fn sources_max(group: IpAddr) -> usize {
    to_usize(if group.is_ipv4() { IGMP_MAX_MSF } else { MLD_MAX_MSF })
}

fn count_of(filter: &Filter) -> i32 {
    i32::try_from(filter.count()).expect("a filter has few sources")
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("a filter has few sources")
}

/// The part of a value that the caller lets be written, which must hold this much.
fn room(value: &mut [u8], len: i32, least: usize) -> Result<&mut [u8]> {
    let len = usize::try_from(len).map_err(|_| Errno::INVAL)?;
    if len < least {
        return Err(Errno::INVAL);
    }
    value.get_mut(..len).ok_or(Errno::FAULT)
}

fn word(value: &[u8], at: usize) -> Result<u32> {
    value.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_ne_bytes(*bytes)).ok_or(Errno::INVAL)
}

fn put_word(value: &mut [u8], at: usize, number: i32) {
    value[at..at + 4].copy_from_slice(&number.to_ne_bytes());
}

fn in_addr(value: &[u8], at: usize) -> Result<Ipv4Addr> {
    value.get(at..).and_then(|rest| rest.first_chunk::<4>()).map(|octets| Ipv4Addr::from(*octets)).ok_or(Errno::INVAL)
}

/// The address in a `struct sockaddr_storage`.
fn sockaddr(value: &[u8], at: usize) -> Result<IpAddr> {
    let storage: &[u8; SOCKADDR_STORAGE_BYTES] = value.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Errno::INVAL)?;
    match i32::from(u16::from_ne_bytes([storage[0], storage[1]])) {
        c::AF_INET => Ok(in_addr(storage, 4)?.into()),
        c::AF_INET6 => {
            let octets: &[u8; 16] = storage[8..].first_chunk().ok_or(Errno::INVAL)?;
            Ok(Ipv6Addr::from(*octets).into())
        }
        _ => Err(Errno::ADDRNOTAVAIL),
    }
}

fn put_sockaddr(place: &mut [u8], ip: IpAddr) {
    place.fill(0);
    let (family, at, octets) = match ip {
        IpAddr::V4(ip) => (c::AF_INET, 4, ip.octets().to_vec()),
        IpAddr::V6(ip) => (c::AF_INET6, 8, ip.octets().to_vec()),
    };
    let family = u16::try_from(family).expect("the number of a family is small");
    place[..2].copy_from_slice(&family.to_ne_bytes());
    place[at..at + octets.len()].copy_from_slice(&octets);
}

/// `struct ip_mreq_source`: group, interface, source.
fn parse_mreq_source(value: &[u8]) -> Result<(Place, IpAddr)> {
    if value.len() != 12 {
        return Err(Errno::INVAL);
    }
    let place = Place { group: in_addr(value, 0)?.into(), named: in_addr(value, 4)?, ifindex: 0 };
    Ok((place, in_addr(value, 8)?.into()))
}

/// `struct group_req`: the interface's index, the group.
fn parse_group_req(value: &[u8]) -> Result<Place> {
    let group = sockaddr(value, 8);
    let ifindex = word(value, 0)?.cast_signed();
    // Another family is none of IPv4, and none of IPv6: the caller says which mistake that is.
    let group = match group {
        Err(Errno::ADDRNOTAVAIL) => return Err(Errno::ADDRNOTAVAIL),
        group => group?,
    };
    Ok(Place { group, named: Ipv4Addr::UNSPECIFIED, ifindex })
}

/// `struct group_source_req`: the same, and the source.
fn parse_source_req(value: &[u8]) -> Result<(Place, IpAddr)> {
    if value.len() < 8 + 2 * SOCKADDR_STORAGE_BYTES {
        return Err(Errno::INVAL);
    }
    Ok((parse_group_req(value)?, sockaddr(value, 8 + SOCKADDR_STORAGE_BYTES)?))
}

fn msfilter_place(value: &[u8]) -> Result<Place> {
    Ok(Place { group: in_addr(value, 0)?.into(), named: in_addr(value, 4)?, ifindex: 0 })
}

/// `struct ip_msfilter`: group, interface, mode, and so many sources.
fn parse_msfilter(value: &[u8]) -> Result<(Place, u32, Vec<IpAddr>)> {
    if value.len() < MSFILTER_BYTES {
        return Err(Errno::INVAL);
    }
    let count = checked_count(value, word(value, 12)?, IGMP_MAX_MSF)?;
    let sources = (0..count).map(|index| in_addr(value, MSFILTER_BYTES + 4 * index).map(IpAddr::V4)).collect::<Result<_>>()?;
    Ok((msfilter_place(value)?, word(value, 8)?, sources))
}

/// `struct group_filter`: the interface's index, the group, the mode, and so many sources.
fn parse_group_filter(value: &[u8], max: u32) -> Result<(Place, u32, Vec<IpAddr>)> {
    if value.len() < GROUP_FILTER_BYTES {
        return Err(Errno::INVAL);
    }
    let count = checked_count(value, word(value, 140)?, max)?;
    let at = |index: usize| GROUP_FILTER_BYTES + SOCKADDR_STORAGE_BYTES * index;
    if value.len() < at(count) {
        return Err(Errno::INVAL);
    }
    let sources = (0..count).map(|index| sockaddr(value, at(index))).collect::<Result<_>>()?;
    Ok((parse_group_req(value)?, word(value, 136)?, sources))
}

/// How many sources follow.
fn checked_count(value: &[u8], count: u32, max: u32) -> Result<usize> {
    if value.len() > OPTMEM_MAX_BYTES || count > max { Err(Errno::NOBUFS) } else { Ok(to_usize(count)) }
}

const IGMP_MAX_MSF: u32 = 10;
const MLD_MAX_MSF: u32 = 64;
/// `net.core.optmem_max`.
const OPTMEM_MAX_BYTES: usize = 131_072;
/// `IP_MSFILTER_SIZE(0)` and `GROUP_FILTER_SIZE(0)`.
const MSFILTER_BYTES: usize = 16;
const GROUP_FILTER_BYTES: usize = 144;
/// `sizeof(struct sockaddr_storage)`.
const SOCKADDR_STORAGE_BYTES: usize = 128;
