//! Socket options of UDP sockets: defaults, ranges, and what is read back.

use crate::conformance;
use crate::support::scene::{FAMILIES, own_addr, udp_bound, udp_pair};
use crate::support::sock::{Sock, Told};
use twinsock::consts as c;
use twinsock::{Domain, Env, Errno, MsgFlags, SocketAddr};

/// Options that are 0 or 1, and 0 at first.
const SWITCHES: [(i32, i32); 19] = [
    (c::SOL_SOCKET, c::SO_REUSEADDR),
    (c::SOL_SOCKET, c::SO_REUSEPORT),
    (c::SOL_SOCKET, c::SO_BROADCAST),
    (c::SOL_SOCKET, c::SO_KEEPALIVE),
    (c::SOL_SOCKET, c::SO_OOBINLINE),
    (c::SOL_SOCKET, c::SO_DONTROUTE),
    (c::SOL_SOCKET, c::SO_NO_CHECK),
    (c::SOL_SOCKET, c::SO_TIMESTAMP),
    (c::SOL_SOCKET, c::SO_RXQ_OVFL),
    (c::SOL_SOCKET, c::SO_SELECT_ERR_QUEUE),
    (c::SOL_IP, c::IP_RECVERR),
    (c::SOL_IP, c::IP_PKTINFO),
    (c::SOL_IP, c::IP_RECVTTL),
    (c::SOL_IP, c::IP_RECVTOS),
    (c::SOL_IP, c::IP_FREEBIND),
    (c::SOL_UDP, c::UDP_CORK),
    (c::SOL_UDP, c::UDP_NO_CHECK6_TX),
    (c::SOL_UDP, c::UDP_NO_CHECK6_RX),
    (c::SOL_UDP, c::UDP_GRO),
];

conformance! {
    fn a_switch_of_a_datagram_socket_is_off_at_first(env: &E) {
        for family in FAMILIES {
            let socket = Sock::udp_of(env, family);
            for (level, name) in SWITCHES {
                assert_eq!(socket.get(level, name), Ok(0), "option {level}/{name}");
                assert_eq!(socket.set(level, name, 42), Ok(()), "option {level}/{name}");
                assert_eq!(socket.get(level, name), Ok(1), "option {level}/{name}");
                assert_eq!(socket.set(level, name, 0), Ok(()), "option {level}/{name}");
                assert_eq!(socket.get(level, name), Ok(0), "option {level}/{name}");
            }
        }
    }

    fn what_a_datagram_socket_is_can_be_read(env: &E) {
        for family in FAMILIES {
            let socket = Sock::udp_of(env, family);
            assert_eq!(socket.get(c::SOL_SOCKET, c::SO_TYPE), Ok(c::SOCK_DGRAM));
            assert_eq!(socket.get(c::SOL_SOCKET, c::SO_PROTOCOL), Ok(c::IPPROTO_UDP));
            assert_eq!(socket.get(c::SOL_SOCKET, c::SO_DOMAIN), Ok(family.raw()));
            assert_eq!(socket.get(c::SOL_SOCKET, c::SO_ACCEPTCONN), Ok(0));
        }
    }

    fn datagram_buffers_are_doubled_and_bounded(env: &E) {
        let socket = Sock::udp(env);
        for (name, minimum) in [(c::SO_SNDBUF, 4608), (c::SO_RCVBUF, 2304)] {
            assert_eq!(socket.get(c::SOL_SOCKET, name), Ok(212_992));
            socket.set(c::SOL_SOCKET, name, 10_000).unwrap();
            assert_eq!(socket.get(c::SOL_SOCKET, name), Ok(20_000));
            socket.set(c::SOL_SOCKET, name, 0).unwrap();
            assert_eq!(socket.get(c::SOL_SOCKET, name), Ok(minimum));
            socket.set(c::SOL_SOCKET, name, i32::MAX).unwrap();
            let largest = socket.get(c::SOL_SOCKET, name).unwrap();
            socket.set(c::SOL_SOCKET, name, -1).unwrap();
            assert_eq!(socket.get(c::SOL_SOCKET, name), Ok(largest));
        }
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_BUF_LOCK), Ok(3));
    }

    fn so_rcvlowat_is_kept(env: &E) {
        let socket = Sock::udp(env);
        for (set, read) in [(5, 5), (0, 1), (-1, i32::MAX)] {
            socket.set(c::SOL_SOCKET, c::SO_RCVLOWAT, set).unwrap();
            assert_eq!(socket.get(c::SOL_SOCKET, c::SO_RCVLOWAT), Ok(read));
        }
        assert_eq!(socket.set(c::SOL_SOCKET, c::SO_SNDLOWAT, 1), Err(Errno::NOPROTOOPT));
    }

    fn a_datagram_keeps_the_bits_of_ecn(env: &E) {
        let socket = Sock::udp(env);
        socket.set(c::SOL_IP, c::IP_TOS, 5).unwrap();
        assert_eq!(socket.get(c::SOL_IP, c::IP_TOS), Ok(5));
        let socket = Sock::udp_of(env, Domain::INET6);
        for (set, read) in [(3, 3), (255, 255), (-1, 0)] {
            socket.set(c::SOL_IPV6, c::IPV6_TCLASS, set).unwrap();
            assert_eq!(socket.get(c::SOL_IPV6, c::IPV6_TCLASS), Ok(read));
        }
        assert_eq!(socket.set(c::SOL_IPV6, c::IPV6_TCLASS, 256), Err(Errno::INVAL));
    }

    fn the_ttl_of_groups_has_its_range(env: &E) {
        let socket = Sock::udp(env);
        assert_eq!(socket.get(c::SOL_IP, c::IP_MULTICAST_TTL), Ok(1));
        for (set, read) in [(0, 0), (255, 255), (-1, 1)] {
            socket.set(c::SOL_IP, c::IP_MULTICAST_TTL, set).unwrap();
            assert_eq!(socket.get(c::SOL_IP, c::IP_MULTICAST_TTL), Ok(read));
        }
        assert_eq!(socket.set(c::SOL_IP, c::IP_MULTICAST_TTL, 256), Err(Errno::INVAL));
        assert_eq!(socket.set_bytes(c::SOL_IP, c::IP_MULTICAST_TTL, &[9]), Ok(()), "a byte will do");
        assert_eq!(socket.get(c::SOL_IP, c::IP_MULTICAST_TTL), Ok(9));
        assert_eq!(socket.set_bytes(c::SOL_IP, c::IP_MULTICAST_TTL, &[]), Err(Errno::INVAL));
        let socket = Sock::udp_of(env, Domain::INET6);
        assert_eq!(socket.get(c::SOL_IPV6, c::IPV6_MULTICAST_HOPS), Ok(1));
        for (set, read) in [(0, 0), (255, 255), (-1, 1)] {
            socket.set(c::SOL_IPV6, c::IPV6_MULTICAST_HOPS, set).unwrap();
            assert_eq!(socket.get(c::SOL_IPV6, c::IPV6_MULTICAST_HOPS), Ok(read));
        }
        assert_eq!(socket.set(c::SOL_IPV6, c::IPV6_MULTICAST_HOPS, -2), Err(Errno::INVAL));
    }

    fn the_other_options_of_groups_are_switches(env: &E) {
        let socket = Sock::udp(env);
        assert_eq!(socket.get(c::SOL_IP, c::IP_MULTICAST_LOOP), Ok(1));
        assert_eq!(socket.set(c::SOL_IP, c::IP_MULTICAST_LOOP, 7), Ok(()));
        assert_eq!(socket.get(c::SOL_IP, c::IP_MULTICAST_ALL), Ok(1));
        assert_eq!(socket.set(c::SOL_IP, c::IP_MULTICAST_ALL, 7), Err(Errno::INVAL));
        let socket = Sock::udp_of(env, Domain::INET6);
        assert_eq!(socket.get(c::SOL_IP, c::IP_MULTICAST_ALL), Ok(0));
        assert_eq!(socket.get(c::SOL_IPV6, c::IPV6_MULTICAST_LOOP), Ok(1));
        assert_eq!(socket.set(c::SOL_IPV6, c::IPV6_MULTICAST_LOOP, 7), Err(Errno::INVAL));
        assert_eq!(socket.get(c::SOL_IPV6, c::IPV6_MULTICAST_ALL), Ok(1));
        assert_eq!(socket.get(c::SOL_IPV6, c::IPV6_MULTICAST_IF), Ok(0));
        assert_eq!(socket.set(c::SOL_IPV6, c::IPV6_MULTICAST_IF, 1), Ok(()));
        assert_eq!(socket.get(c::SOL_IPV6, c::IPV6_MULTICAST_IF), Ok(1));
        assert_eq!(socket.set(c::SOL_IPV6, c::IPV6_MULTICAST_IF, 9999), Err(Errno::NODEV));
    }

    fn udp_segment_has_16_bits(env: &E) {
        let socket = Sock::udp(env);
        assert_eq!(socket.get(c::SOL_UDP, c::UDP_SEGMENT), Ok(0));
        assert_eq!(socket.set(c::SOL_UDP, c::UDP_SEGMENT, 65_535), Ok(()));
        assert_eq!(socket.get(c::SOL_UDP, c::UDP_SEGMENT), Ok(65_535));
        assert_eq!(socket.set(c::SOL_UDP, c::UDP_SEGMENT, 65_536), Err(Errno::INVAL));
        assert_eq!(socket.set(c::SOL_UDP, c::UDP_SEGMENT, -1), Err(Errno::INVAL));
        assert_eq!(socket.set_bytes(c::SOL_UDP, c::UDP_CORK, &[1, 0, 0]), Err(Errno::INVAL));
    }

    fn a_datagram_socket_has_no_options_of_tcp(env: &E) {
        let four = Sock::udp(env);
        assert_eq!(four.get(c::SOL_TCP, c::TCP_NODELAY), Err(Errno::OPNOTSUPP));
        assert_eq!(four.set(c::SOL_TCP, c::TCP_NODELAY, 1), Err(Errno::NOPROTOOPT));
        let six = Sock::udp_of(env, Domain::INET6);
        assert_eq!(six.get(c::SOL_TCP, c::TCP_NODELAY), Err(Errno::NOPROTOOPT));
        assert_eq!(six.set(c::SOL_TCP, c::TCP_NODELAY, 1), Err(Errno::NOPROTOOPT));
        for level in [c::SOL_SOCKET, c::SOL_UDP, c::SOL_IP] {
            assert_eq!(four.get(level, 9999), Err(Errno::NOPROTOOPT), "level {level}");
            assert_eq!(four.set(level, 9999, 1), Err(Errno::NOPROTOOPT), "level {level}");
        }
    }

    fn ipv6_v6only_is_for_unbound_sockets(env: &E) {
        let (socket, _) = udp_bound(env, Domain::INET6);
        assert_eq!(socket.set(c::SOL_IPV6, c::IPV6_V6ONLY, 0), Err(Errno::INVAL));
        assert_eq!(socket.get(c::SOL_IPV6, c::IPV6_V6ONLY), Ok(1), "bind to an address of IPv6 has set it");
    }

    fn ip_mtu_is_that_of_the_path_to_the_peer(env: &E) {
        let (_peer, addr) = udp_bound(env, Domain::INET);
        let socket = Sock::udp(env);
        assert_eq!(socket.get(c::SOL_IP, c::IP_MTU), Err(Errno::NOTCONN));
        socket.connect(&addr).unwrap();
        assert_eq!(socket.get(c::SOL_IP, c::IP_MTU), Ok(65_535));
        let (_peer, addr) = udp_bound(env, Domain::INET6);
        let socket = Sock::udp_of(env, Domain::INET6);
        assert_eq!(socket.get(c::SOL_IPV6, c::IPV6_MTU), Err(Errno::NOTCONN));
        socket.connect(&addr).unwrap();
        assert_eq!(socket.get(c::SOL_IPV6, c::IPV6_MTU), Ok(65_536));
    }

    fn so_peername_is_the_peer(env: &E) {
        let (_peer, addr) = udp_bound(env, Domain::INET);
        let socket = Sock::udp(env);
        assert_eq!(socket.get_bytes(c::SOL_SOCKET, c::SO_PEERNAME, 16), Err(Errno::NOTCONN));
        socket.connect(&addr).unwrap();
        let name = socket.get_bytes(c::SOL_SOCKET, c::SO_PEERNAME, 16).unwrap();
        assert_eq!(SocketAddr::decode(&name), Ok(addr));
    }

    fn ip_bind_address_no_port_leaves_the_port_to_the_first_send(env: &E) {
        let socket = Sock::udp(env);
        socket.set(c::SOL_IP, c::IP_BIND_ADDRESS_NO_PORT, 1).unwrap();
        let ip = own_addr(0);
        socket.bind(&ip).unwrap();
        assert_eq!(socket.name(), ip);
        let (_peer, addr) = udp_bound(env, Domain::INET);
        socket.send_to(b"x", &addr).unwrap();
        assert_ne!(socket.name(), ip);
    }

    fn a_local_option_is_not_for_datagrams(env: &E) {
        let socket = Sock::udp(env);
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_PASSCRED), Err(Errno::OPNOTSUPP));
        assert_eq!(socket.set(c::SOL_SOCKET, c::SO_PASSCRED, 1), Err(Errno::OPNOTSUPP));
    }

    fn udp_gro_takes_what_udp_segment_has_cut_as_one(env: &E) {
        for family in FAMILIES {
            let (a, b) = udp_pair(env, family);
            b.set(c::SOL_UDP, c::UDP_GRO, 1).unwrap();
            a.set(c::SOL_UDP, c::UDP_SEGMENT, 4).unwrap();
            a.send(b"abcdefghij").unwrap();
            assert_eq!(b.fionread(), Ok(10));
            assert_eq!(receive(&b), (b"abcdefghij".to_vec(), vec![Told { level: c::SOL_UDP, kind: c::UDP_GRO, data: vec![4, 0, 0, 0] }]));
            // One that need not be cut is nothing special.
            a.send(b"klm").unwrap();
            assert_eq!(receive(&b), (b"klm".to_vec(), vec![]));
            // It is settled when they arrive whether they come as one, and when they are read whether that is told.
            a.send(b"abcdef").unwrap();
            b.set(c::SOL_UDP, c::UDP_GRO, 0).unwrap();
            assert_eq!(receive(&b), (b"abcdef".to_vec(), vec![]));
            a.send(b"abcdef").unwrap();
            b.set(c::SOL_UDP, c::UDP_GRO, 1).unwrap();
            assert_eq!([receive(&b), receive(&b)], [(b"abcd".to_vec(), vec![]), (b"ef".to_vec(), vec![])]);
        }
    }

    fn what_is_cut_counts_by_its_bytes(env: &E) {
        for (gro, memory) in [(1, 832 + 3000), (0, 3 * 832 + 3000)] {
            let (a, b) = udp_pair(env, Domain::INET);
            b.set(c::SOL_UDP, c::UDP_GRO, gro).unwrap();
            a.set(c::SOL_UDP, c::UDP_SEGMENT, 1000).unwrap();
            a.send(&[7; 3000]).unwrap();
            let meminfo = b.get_bytes(c::SOL_SOCKET, c::SO_MEMINFO, 36).unwrap();
            assert_eq!(meminfo.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes)), Some(memory), "UDP_GRO {gro}");
        }
    }

    fn what_is_to_be_cut_counts_by_its_bytes_while_it_is_corked(env: &E) {
        for (family, segment, len, memory) in
            [(Domain::INET, 0, 500, 1280), (Domain::INET, 100, 0, 832), (Domain::INET, 100, 500, 1332), (Domain::INET6, 2000, 1000, 1832)]
        {
            let (a, _b) = udp_pair(env, family);
            a.set(c::SOL_UDP, c::UDP_SEGMENT, segment).unwrap();
            assert_eq!(a.send_with(&vec![7; len], MsgFlags::MORE), Ok(len));
            assert_eq!(a.outq(), Ok(memory), "UDP_SEGMENT {segment}, {len} bytes");
        }
    }

    fn what_udp_segment_cuts_has_checksums(env: &E) {
        for (family, level, name) in [(Domain::INET, c::SOL_SOCKET, c::SO_NO_CHECK), (Domain::INET6, c::SOL_UDP, c::UDP_NO_CHECK6_TX)] {
            let (a, _b) = udp_pair(env, family);
            a.set(c::SOL_UDP, c::UDP_SEGMENT, 2).unwrap();
            a.set(level, name, 1).unwrap();
            assert_eq!(a.send(b"abcd"), Err(Errno::INVAL));
            assert_eq!(a.send(b"a"), Err(Errno::INVAL));
        }
    }

    fn what_is_uncorked_in_vain_is_no_error_of_the_option(env: &E) {
        for family in FAMILIES {
            let (a, b) = udp_pair(env, family);
            a.set(c::SOL_UDP, c::UDP_SEGMENT, 1).unwrap();
            a.set(c::SOL_UDP, c::UDP_CORK, 1).unwrap();
            assert_eq!(a.send(&[7; 129]), Ok(129));
            assert_eq!(a.set(c::SOL_UDP, c::UDP_CORK, 0), Ok(()));
            assert_eq!(b.try_recv(9), Err(Errno::AGAIN), "it has more segments than there may be");
            assert_eq!((a.outq(), a.take_error()), (Ok(0), None));
        }
    }

    fn over_ipv6_a_datagram_without_checksum_is_for_who_asks_for_it(env: &E) {
        for (family, tx, rx, arrives) in [
            (Domain::INET6, 1, 0, false),
            (Domain::INET6, 1, 1, true),
            (Domain::INET6, 0, 1, true),
            (Domain::INET, 1, 0, true),
        ] {
            let (a, b) = udp_pair(env, family);
            a.set(c::SOL_UDP, c::UDP_NO_CHECK6_TX, tx).unwrap();
            b.set(c::SOL_UDP, c::UDP_NO_CHECK6_RX, rx).unwrap();
            a.send(b"x").unwrap();
            let expected = if arrives { Ok(b"x".to_vec()) } else { Err(Errno::AGAIN) };
            assert_eq!(b.try_recv(9), expected, "{family:?} {tx} {rx}");
            b.close().unwrap();
            a.send(b"y").unwrap();
            let refusal = if tx == 1 && family == Domain::INET6 { None } else { Some(Errno::CONNREFUSED) };
            assert_eq!(a.take_error(), refusal, "{family:?} {tx}");
        }
    }

    fn a_page_stays_set_aside_when_all_is_read(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        let set_aside = || {
            let meminfo = b.get_bytes(c::SOL_SOCKET, c::SO_MEMINFO, 36).unwrap();
            meminfo[16..].first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
        };
        assert_eq!(set_aside(), Some(0));
        a.send(b"x").unwrap();
        assert_eq!(set_aside(), Some(4096 - 832));
        b.recv(9).unwrap();
        assert_eq!(set_aside(), Some(4096));
    }
}

/// Receives a datagram with its control messages.
fn receive<E: Env>(socket: &Sock<E>) -> (Vec<u8>, Vec<Told>) {
    socket.recv_told(99, MsgFlags::NONE).expect("a datagram is there")
}
