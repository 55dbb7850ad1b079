//! Whose datagrams a member of a multicast group hears, RFC 3678, on the loopback interface.

use crate::conformance;
use crate::support::scene::{own_ip, port_of, wildcard};
use crate::support::sock::Sock;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::consts as c;
use twinsock::{Domain, Env, Errno, Result, SocketAddr};

/// The index of the loopback interface.
const LO: u32 = 1;

/// A group, two members' sockets' port and two senders.
struct Scene<E: Env> {
    group: Ipv4Addr,
    member: Sock<E>,
    port: u16,
    senders: [Sock<E>; 2],
    sources: [Ipv4Addr; 2],
}

impl<E: Env> Scene<E> {
    fn new(env: &E) -> Scene<E> {
        let [_, run, high, low] = own_ip().octets();
        let group = Ipv4Addr::new(239, run, high, low);
        let member = Sock::udp(env);
        member.set(c::SOL_IP, c::IP_MULTICAST_ALL, 0).unwrap();
        member.bind(&wildcard(Domain::INET, 0)).unwrap();
        let port = port_of(&member.name());
        let sources = [own_ip(), own_ip()];
        let senders = sources.map(|source| {
            let sender = Sock::udp(env);
            sender.bind(&SocketAddr::inet(source.into(), 0)).unwrap();
            sender.set_bytes(c::SOL_IP, c::IP_MULTICAST_IF, &Ipv4Addr::LOCALHOST.octets()).unwrap();
            sender
        });
        Scene { group, member, port, senders, sources }
    }

    /// Which of the senders a socket of a port hears.
    fn heard_by(&self, socket: &Sock<E>, port: u16) -> [bool; 2] {
        [0, 1].map(|index| {
            self.senders[index].send_to(b"x", &SocketAddr::inet(self.group.into(), port)).unwrap();
            socket.try_recv(9).is_ok()
        })
    }

    fn heard(&self) -> [bool; 2] {
        self.heard_by(&self.member, self.port)
    }

    /// `struct ip_mreq_source` of one of the senders.
    fn change(&self, name: i32, source: usize) -> Result<()> {
        let request = [self.group, Ipv4Addr::LOCALHOST, self.sources[source]].map(|ip| ip.octets());
        self.member.set_bytes(c::SOL_IP, name, request.as_flattened())
    }

    /// `struct ip_mreq`.
    fn plain(&self, name: i32) -> Result<()> {
        let request = [self.group, Ipv4Addr::LOCALHOST].map(|ip| ip.octets());
        self.member.set_bytes(c::SOL_IP, name, request.as_flattened())
    }

    /// `struct ip_msfilter`.
    fn filter(&self, mode: i32, sources: &[Ipv4Addr]) -> Vec<u8> {
        let mut value = [self.group, Ipv4Addr::LOCALHOST].map(|ip| ip.octets()).as_flattened().to_vec();
        value.extend(mode.to_ne_bytes());
        value.extend(u32::try_from(sources.len()).unwrap().to_ne_bytes());
        value.extend(sources.iter().flat_map(|source| source.octets()));
        value
    }
}

/// `struct sockaddr_storage`.
fn storage(ip: IpAddr) -> Vec<u8> {
    let mut bytes = match ip {
        IpAddr::V4(ip) => [&2_u16.to_ne_bytes()[..], &[0; 2], &ip.octets()].concat(),
        IpAddr::V6(ip) => [&10_u16.to_ne_bytes()[..], &[0; 6], &ip.octets()].concat(),
    };
    bytes.resize(128, 0);
    bytes
}

/// `struct group_req`, or with a source `struct group_source_req`.
fn request(interface: u32, group: IpAddr, source: Option<IpAddr>) -> Vec<u8> {
    let mut bytes = [&interface.to_ne_bytes()[..], &[0; 4], &storage(group)].concat();
    bytes.extend(source.map(storage).into_iter().flatten());
    bytes
}

/// `struct group_filter`.
fn group_filter(interface: u32, group: IpAddr, mode: i32, sources: &[IpAddr]) -> Vec<u8> {
    let mut bytes = request(interface, group, None);
    bytes.extend(mode.to_ne_bytes());
    bytes.extend(u32::try_from(sources.len()).unwrap().to_ne_bytes());
    bytes.extend(sources.iter().flat_map(|source| storage(*source)));
    bytes
}

conformance! {
    fn a_source_that_is_blocked_is_not_heard(env: &E) {
        let scene = Scene::new(env);
        assert_eq!(scene.change(c::IP_BLOCK_SOURCE, 0), Err(Errno::INVAL), "before it has joined");
        scene.plain(c::IP_ADD_MEMBERSHIP).unwrap();
        assert_eq!(scene.heard(), [true, true]);
        assert_eq!(scene.change(c::IP_BLOCK_SOURCE, 0), Ok(()));
        assert_eq!(scene.heard(), [false, true]);
        assert_eq!(scene.change(c::IP_BLOCK_SOURCE, 0), Err(Errno::ADDRNOTAVAIL));
        assert_eq!(scene.change(c::IP_UNBLOCK_SOURCE, 1), Err(Errno::ADDRNOTAVAIL));
        assert_eq!(scene.change(c::IP_ADD_SOURCE_MEMBERSHIP, 0), Err(Errno::INVAL), "it hears all but some");
        assert_eq!(scene.change(c::IP_UNBLOCK_SOURCE, 0), Ok(()));
        assert_eq!(scene.heard(), [true, true]);
    }

    fn a_member_for_some_sources_hears_these_alone(env: &E) {
        let scene = Scene::new(env);
        assert_eq!(scene.change(c::IP_ADD_SOURCE_MEMBERSHIP, 0), Ok(()), "it joins");
        assert_eq!(scene.heard(), [true, false]);
        assert_eq!(scene.change(c::IP_ADD_SOURCE_MEMBERSHIP, 0), Err(Errno::ADDRNOTAVAIL));
        assert_eq!(scene.plain(c::IP_ADD_MEMBERSHIP), Err(Errno::ADDRINUSE));
        assert_eq!(scene.change(c::IP_BLOCK_SOURCE, 1), Err(Errno::INVAL));
        assert_eq!(scene.change(c::IP_ADD_SOURCE_MEMBERSHIP, 1), Ok(()));
        assert_eq!(scene.heard(), [true, true]);
        assert_eq!(scene.change(c::IP_DROP_SOURCE_MEMBERSHIP, 0), Ok(()));
        assert_eq!(scene.heard(), [false, true]);
        assert_eq!(scene.change(c::IP_DROP_SOURCE_MEMBERSHIP, 1), Ok(()), "without the last one it leaves");
        assert_eq!(scene.heard(), [false, false]);
        assert_eq!(scene.change(c::IP_DROP_SOURCE_MEMBERSHIP, 1), Err(Errno::INVAL));
        scene.plain(c::IP_ADD_MEMBERSHIP).unwrap();
        assert_eq!(scene.change(c::IP_ADD_SOURCE_MEMBERSHIP, 1), Ok(()), "while none is named, it may change its mind");
        assert_eq!(scene.heard(), [false, true]);
    }

    fn what_no_member_of_the_host_wants_is_heard_by_nobody(env: &E) {
        let scene = Scene::new(env);
        let stranger = Sock::udp(env);
        stranger.bind(&wildcard(Domain::INET, 0)).unwrap();
        let port = port_of(&stranger.name());
        assert_eq!(scene.heard_by(&stranger, port), [false, false]);
        scene.change(c::IP_ADD_SOURCE_MEMBERSHIP, 0).unwrap();
        assert_eq!(scene.heard_by(&stranger, port), [true, false], "IP_MULTICAST_ALL: it takes what the host takes");
        let stream = Sock::tcp(env);
        let group = request(LO, scene.group.into(), None);
        assert_eq!(stream.set_bytes(c::SOL_IP, c::MCAST_JOIN_GROUP, &group), Ok(()), "a stream is a member for its host");
        assert_eq!(scene.heard_by(&stranger, port), [true, true]);
        assert_eq!(scene.heard(), [true, false]);
        stream.close().unwrap();
        assert_eq!(scene.heard_by(&stranger, port), [true, false]);
    }

    fn a_filter_is_set_and_read_as_a_whole(env: &E) {
        let scene = Scene::new(env);
        let [first, second] = scene.sources;
        let set = |mode: i32, sources: &[Ipv4Addr]| scene.member.set_bytes(c::SOL_IP, c::IP_MSFILTER, &scene.filter(mode, sources));
        assert_eq!(set(c::MCAST_INCLUDE, &[first]), Err(Errno::INVAL), "before it has joined");
        scene.plain(c::IP_ADD_MEMBERSHIP).unwrap();
        for (mode, sources, heard) in [
            (c::MCAST_INCLUDE, vec![second], [false, true]),
            (c::MCAST_EXCLUDE, vec![second], [true, false]),
            (c::MCAST_EXCLUDE, vec![], [true, true]),
            (c::MCAST_INCLUDE, vec![first, second], [true, true]),
        ] {
            assert_eq!(set(mode, &sources), Ok(()));
            assert_eq!(scene.heard(), heard, "{mode} {sources:?}");
            let mut asked = scene.filter(9, &[Ipv4Addr::UNSPECIFIED; 4]);
            assert_eq!(scene.member.get_in_place(c::SOL_IP, c::IP_MSFILTER, &mut asked), Ok(16 + 4 * sources.len()));
            assert_eq!(asked[..16 + 4 * sources.len()], scene.filter(mode, &sources));
        }
        assert_eq!(set(2, &[first]), Err(Errno::INVAL));
        assert_eq!(set(c::MCAST_INCLUDE, &[first; 11]), Err(Errno::NOBUFS));
        let cut = scene.filter(c::MCAST_INCLUDE, &[first]);
        assert_eq!(scene.member.set_bytes(c::SOL_IP, c::IP_MSFILTER, &cut[..19]), Err(Errno::INVAL));
        assert_eq!(set(c::MCAST_INCLUDE, &[]), Ok(()), "to hear nobody is to leave");
        assert_eq!(scene.plain(c::IP_DROP_MEMBERSHIP), Err(Errno::ADDRNOTAVAIL));
    }

    fn groups_can_be_named_without_regard_to_the_family(env: &E) {
        let scene = Scene::new(env);
        let (group, sources) = (IpAddr::V4(scene.group), scene.sources.map(IpAddr::V4));
        let set = |name: i32, value: &[u8]| scene.member.set_bytes(c::SOL_IP, name, value);
        assert_eq!(set(c::MCAST_JOIN_GROUP, &request(LO, group, None)), Ok(()));
        assert_eq!(set(c::MCAST_JOIN_GROUP, &request(LO, group, None)), Err(Errno::ADDRINUSE));
        assert_eq!(set(c::MCAST_BLOCK_SOURCE, &request(LO, group, Some(sources[0]))), Ok(()));
        assert_eq!(scene.heard(), [false, true]);
        assert_eq!(set(c::MCAST_UNBLOCK_SOURCE, &request(LO, group, Some(sources[0]))), Ok(()));
        assert_eq!(set(c::MCAST_MSFILTER, &group_filter(LO, group, c::MCAST_INCLUDE, &sources[..1])), Ok(()));
        assert_eq!(scene.heard(), [true, false]);
        let mut asked = group_filter(LO, group, 9, &[sources[1]; 2]);
        assert_eq!(scene.member.get_in_place(c::SOL_IP, c::MCAST_MSFILTER, &mut asked), Ok(144 + 128));
        assert_eq!(asked[..272], group_filter(LO, group, c::MCAST_INCLUDE, &sources[..1]));
        assert_eq!(set(c::MCAST_LEAVE_GROUP, &request(LO, group, None)), Ok(()));
        assert_eq!(set(c::MCAST_LEAVE_GROUP, &request(LO, group, None)), Err(Errno::ADDRNOTAVAIL));
        assert_eq!(set(c::MCAST_JOIN_SOURCE_GROUP, &request(LO, group, Some(sources[1]))), Ok(()));
        assert_eq!(scene.heard(), [false, true]);
        assert_eq!(set(c::MCAST_LEAVE_SOURCE_GROUP, &request(LO, group, Some(sources[1]))), Ok(()));
        assert_eq!(scene.heard(), [false, false]);
        // What is wrong with a request.
        assert_eq!(set(c::MCAST_JOIN_GROUP, &request(9999, group, None)), Err(Errno::NODEV));
        assert_eq!(set(c::MCAST_JOIN_GROUP, &request(LO, sources[0], None)), Err(Errno::INVAL));
        assert_eq!(set(c::MCAST_JOIN_GROUP, &request(LO, group, None)[..135]), Err(Errno::INVAL));
        let other: IpAddr = "ff05::1:3".parse().unwrap();
        assert_eq!(set(c::MCAST_JOIN_GROUP, &request(LO, other, None)), Err(Errno::INVAL));
        assert_eq!(set(c::MCAST_BLOCK_SOURCE, &request(LO, group, Some(other))), Err(Errno::ADDRNOTAVAIL));
    }

    fn over_ipv6_sources_are_named_likewise(env: &E) {
        let socket = Sock::udp_of(env, Domain::INET6);
        let group: IpAddr = "ff05::1:3".parse().unwrap();
        let (one, other) = (IpAddr::V6(Ipv6Addr::LOCALHOST), "::2".parse().unwrap());
        let set = |name: i32, value: &[u8]| socket.set_bytes(c::SOL_IPV6, name, value);
        assert_eq!(set(c::MCAST_BLOCK_SOURCE, &request(LO, group, Some(one))), Err(Errno::INVAL));
        assert_eq!(set(c::MCAST_JOIN_SOURCE_GROUP, &request(LO, group, Some(one))), Ok(()));
        assert_eq!(set(c::MCAST_JOIN_SOURCE_GROUP, &request(LO, group, Some(one))), Err(Errno::ADDRNOTAVAIL));
        assert_eq!(set(c::MCAST_LEAVE_SOURCE_GROUP, &request(LO, group, Some(other))), Err(Errno::ADDRNOTAVAIL));
        assert_eq!(set(c::MCAST_LEAVE_SOURCE_GROUP, &request(LO, group, Some(one))), Ok(()));
        assert_eq!(set(c::MCAST_LEAVE_GROUP, &request(LO, group, None)), Err(Errno::ADDRNOTAVAIL));
        assert_eq!(set(c::MCAST_JOIN_GROUP, &request(LO, group, None)), Ok(()));
        for index in 1..=64 {
            let source = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, index).into();
            assert_eq!(set(c::MCAST_BLOCK_SOURCE, &request(LO, group, Some(source))), Ok(()));
        }
        assert_eq!(set(c::MCAST_BLOCK_SOURCE, &request(LO, group, Some(one))), Err(Errno::NOBUFS));
        let mut asked = group_filter(LO, group, 9, &[]);
        assert_eq!(socket.get_in_place(c::SOL_IPV6, c::MCAST_MSFILTER, &mut asked), Ok(144));
        assert_eq!(asked[136..], [c::MCAST_EXCLUDE, 64].map(i32::to_ne_bytes).concat());
        assert_eq!(set(c::MCAST_MSFILTER, &group_filter(LO, group, c::MCAST_INCLUDE, &[])), Ok(()), "to hear nobody is to leave");
        assert_eq!(set(c::MCAST_LEAVE_GROUP, &request(LO, group, None)), Err(Errno::ADDRNOTAVAIL));
        let of_v4 = request(LO, IpAddr::V4(Ipv4Addr::new(239, 1, 1, 1)), None);
        assert_eq!(set(c::MCAST_JOIN_GROUP, &of_v4), Err(Errno::ADDRNOTAVAIL));
    }
}
