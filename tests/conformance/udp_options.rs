//! Socket options of UDP sockets: defaults, ranges, and what is read back.

use crate::conformance;
use crate::support::scene::{FAMILIES, own_addr, udp_bound};
use crate::support::sock::Sock;
use twinsock::consts as c;
use twinsock::{Domain, Errno, SocketAddr};

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
}
