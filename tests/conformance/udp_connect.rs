//! Connected UDP sockets: the association, what it filters, and how it is dissolved.

use crate::conformance;
use crate::support::scene::{FAMILIES, ip_of, own_addr, port_of, udp_bound, udp_pair, wildcard, with_port};
use crate::support::sock::Sock;
use std::net::IpAddr;
use twinsock::consts as c;
use twinsock::{Domain, Errno, MsgFlags, PollEvents, Shutdown, SocketAddr};

conformance! {
    fn connect_sets_both_names(env: &E) {
        for family in FAMILIES {
            let (_peer, addr) = udp_bound(env, family);
            let socket = Sock::udp_of(env, family);
            assert_eq!(socket.peer_name(), Err(Errno::NOTCONN));
            assert_eq!(socket.connect(&addr), Ok(()));
            assert_eq!(socket.peer_name(), Ok(addr));
            assert!(ip_of(&socket.name()).is_loopback() && port_of(&socket.name()) != 0, "{:?}", socket.name());
        }
    }

    fn a_connected_sender_is_told_that_it_is_not_the_peer(env: &E) {
        let (_a, b) = udp_pair(env, Domain::INET);
        let stranger = Sock::udp(env);
        stranger.connect(&b.name()).unwrap();
        stranger.send(b"x").unwrap();
        assert_eq!(stranger.try_recv(9), Err(Errno::CONNREFUSED));
    }

    fn a_connected_socket_beats_an_unconnected_one(env: &E) {
        let (sender, from) = udp_bound(env, Domain::INET);
        let (open, connected) = (Sock::udp(env), Sock::udp(env));
        for socket in [&open, &connected] {
            socket.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        }
        connected.bind(&own_addr(0)).unwrap();
        connected.connect(&from).unwrap();
        open.bind(&connected.name()).unwrap();
        sender.send_to(b"x", &open.name()).unwrap();
        assert_eq!(connected.recv(9), Ok(b"x".to_vec()));
        let other = Sock::udp(env);
        other.send_to(b"y", &open.name()).unwrap();
        assert_eq!(open.recv(9), Ok(b"y".to_vec()));
    }

    fn af_unspec_dissolves_the_association(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        assert_eq!(a.connect(&SocketAddr::Unspec), Ok(()));
        assert_eq!(a.peer_name(), Err(Errno::NOTCONN));
        assert_eq!(a.send(b"x"), Err(Errno::DESTADDRREQ));
        b.send(b"y").unwrap();
        assert_ne!(a.try_recv(9), Ok(b"y".to_vec()), "the port was the kernel's choice: it is gone");
    }

    fn a_socket_connected_over_ipv4_does_not_change_to_ipv6(env: &E) {
        let socket = Sock::udp_of(env, Domain::INET6);
        let (_four, four) = udp_bound(env, Domain::INET);
        let mapped = SocketAddr::inet(std::net::IpAddr::V6(match ip_of(&four) {
            std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            std::net::IpAddr::V6(ip) => ip,
        }), port_of(&four));
        assert_eq!(socket.connect(&mapped), Ok(()));
        assert_eq!(socket.peer_name(), Ok(mapped));
        let (_six, six) = udp_bound(env, Domain::INET6);
        assert_eq!(socket.connect(&six), Err(Errno::AFNOSUPPORT));
        assert_eq!(socket.send_to(b"x", &six), Err(Errno::AFNOSUPPORT));
    }

    fn a_shutdown_needs_a_peer_but_works_without(env: &E) {
        let (socket, addr) = udp_bound(env, Domain::INET);
        assert_eq!(socket.shutdown(Shutdown::Write), Err(Errno::NOTCONN));
        assert_eq!(socket.send_to(b"x", &addr), Err(Errno::PIPE));
        assert_eq!(socket.shutdown(Shutdown::Read), Err(Errno::NOTCONN));
        assert_eq!(socket.recv(9), Ok(vec![]), "a read that would wait ends");
        assert_eq!(socket.try_recv(9), Err(Errno::AGAIN));
        socket.expect_mask(PollEvents::IN | PollEvents::OUT | PollEvents::HUP | PollEvents::RDHUP);
    }

    fn a_shutdown_of_a_connected_socket_is_not_noticed_by_its_peer(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        b.send(b"queued").unwrap();
        assert_eq!(a.shutdown(Shutdown::Read), Ok(()));
        assert_eq!(b.send(b"late"), Ok(4));
        a.expect_mask(PollEvents::IN | PollEvents::OUT | PollEvents::RDHUP);
        assert_eq!(a.recv(9), Ok(b"queued".to_vec()));
        assert_eq!(a.recv(9), Ok(b"late".to_vec()));
        assert_eq!(a.recv(9), Ok(vec![]));
        assert_eq!(a.shutdown(Shutdown::Write), Ok(()));
        assert_eq!(a.send(b"x"), Err(Errno::PIPE));
        b.expect_mask(PollEvents::OUT);
    }

    fn shutdown_bits_survive_connect_and_af_unspec(env: &E) {
        let (socket, addr) = udp_bound(env, Domain::INET);
        assert_eq!(socket.shutdown(Shutdown::Write), Err(Errno::NOTCONN));
        socket.connect(&addr).unwrap();
        assert_eq!(socket.send(b"x"), Err(Errno::PIPE));
        socket.connect(&SocketAddr::Unspec).unwrap();
        assert_eq!(socket.send_to_with(b"x", &addr, MsgFlags::NONE), Err(Errno::PIPE));
    }

    fn after_af_unspec_an_ipv6_socket_still_hears_its_former_peer_alone(env: &E) {
        let (four, four_addr) = udp_bound(env, Domain::INET);
        let (six, _) = udp_bound(env, Domain::INET6);
        let probe = Sock::udp_of(env, Domain::INET6);
        probe.bind(&wildcard(Domain::INET6, 0)).unwrap();
        let port = port_of(&probe.name());
        probe.close().unwrap();
        let socket = Sock::udp_of(env, Domain::INET6);
        socket.bind(&wildcard(Domain::INET6, port)).unwrap();
        socket.connect(&four_addr).unwrap();
        socket.connect(&SocketAddr::Unspec).unwrap();
        six.send_to(b"six", &with_port(&six.name(), port)).unwrap();
        four.send_to(b"four", &with_port(&four_addr, port)).unwrap();
        assert_eq!(socket.try_recv(9), Ok(b"four".to_vec()));
        assert_eq!(socket.try_recv(9), Err(Errno::AGAIN), "sk_v6_daddr stays");
    }

    fn a_broadcast_that_was_allowed_at_connect_stays_allowed(env: &E) {
        let socket = Sock::udp(env);
        socket.set(c::SOL_SOCKET, c::SO_BROADCAST, 1).unwrap();
        let everybody = SocketAddr::inet(std::net::Ipv4Addr::new(127, 255, 255, 255).into(), 9);
        socket.connect(&everybody).unwrap();
        socket.set(c::SOL_SOCKET, c::SO_BROADCAST, 0).unwrap();
        assert_eq!(socket.send(b"x"), Ok(1));
        assert_eq!(socket.send_to(b"x", &everybody), Err(Errno::ACCES));
        socket.set(c::SOL_IP, c::IP_TOS, 8).unwrap();
        assert_eq!(socket.send(b"x"), Err(Errno::ACCES), "the route is looked up anew");
    }

    fn the_mtu_of_the_path_is_known_while_the_route_is(env: &E) {
        let (_peer, addr) = udp_bound(env, Domain::INET);
        let socket = Sock::udp(env);
        socket.connect(&addr).unwrap();
        assert_eq!(socket.get(c::SOL_IP, c::IP_MTU), Ok(65_535));
        socket.set(c::SOL_IP, c::IP_TOS, 8).unwrap();
        assert_eq!(socket.get(c::SOL_IP, c::IP_MTU), Err(Errno::NOTCONN));
        socket.send(b"x").unwrap();
        assert_eq!(socket.get(c::SOL_IP, c::IP_MTU), Ok(65_535));
    }

    fn what_is_corked_goes_to_the_peer_wherever_the_last_one_went(env: &E) {
        let ((peer, addr), (other, elsewhere)) = (udp_bound(env, Domain::INET), udp_bound(env, Domain::INET));
        let socket = Sock::udp(env);
        socket.connect(&addr).unwrap();
        assert_eq!(socket.send_to_with(b"a", &elsewhere, MsgFlags::MORE), Ok(1));
        assert_eq!(socket.send(b"b"), Ok(1));
        assert_eq!(other.recv(9), Ok(b"ab".to_vec()));
        assert_eq!(socket.send(b"c"), Ok(1), "it follows the flow that is left, inet->cork.fl");
        assert_eq!(other.recv(9), Ok(b"c".to_vec()));
        assert_eq!(socket.send_with(b"d", MsgFlags::MORE), Ok(1));
        assert_eq!(socket.send(b"e"), Ok(1));
        assert_eq!(peer.recv(9), Ok(b"de".to_vec()));
        assert_eq!(socket.send(b"f"), Ok(1), "and that is the peer's again");
        assert_eq!(peer.recv(9), Ok(b"f".to_vec()));
    }

    fn what_is_corked_follows_a_connect_to_another_address(env: &E) {
        let (_first, addr) = udp_bound(env, Domain::INET);
        let second = Sock::udp(env);
        second.bind(&SocketAddr::inet(std::net::Ipv4Addr::new(127, 0, 0, 9).into(), 0)).unwrap();
        let socket = Sock::udp(env);
        assert_eq!(socket.send_to_with(b"a", &addr, MsgFlags::MORE), Ok(1));
        let gone = second.name();
        socket.connect(&gone).unwrap();
        assert_eq!(socket.send(b"b"), Ok(1));
        assert_eq!(second.recv(9), Ok(b"ab".to_vec()));
        second.close().unwrap();
        assert_eq!(socket.send_to_with(b"c", &addr, MsgFlags::MORE), Ok(1));
        socket.connect(&gone).unwrap();
        assert_eq!(socket.send(b"d"), Ok(1));
        assert_eq!(socket.take_error(), Some(Errno::CONNREFUSED));
    }

    fn what_is_corked_goes_by_its_route_to_whom_a_connect_has_named_in_vain(env: &E) {
        let receiver = Sock::udp(env);
        receiver.bind(&wildcard(Domain::INET, 0)).unwrap();
        let port = port_of(&receiver.name());
        let (_peer, addr) = udp_bound(env, Domain::INET);
        let local = std::net::Ipv4Addr::LOCALHOST;
        for is_bound in [false, true] {
            let socket = Sock::udp(env);
            if is_bound {
                socket.bind(&SocketAddr::inet(local.into(), 0)).unwrap();
            }
            assert_eq!(socket.send_to_with(b"a", &addr, MsgFlags::MORE), Ok(1));
            let all = SocketAddr::inet(std::net::Ipv4Addr::new(127, 255, 255, 255).into(), port);
            assert_eq!(socket.connect(&all), Err(Errno::ACCES), "there is no SO_BROADCAST");
            assert_eq!(socket.send(b"b"), Ok(1));
            let (data, from) = receiver.recv_from(9).unwrap();
            assert_eq!((data, ip_of(&from)), (b"ab".to_vec(), local.into()), "who takes any address gets it, the route says that it is here");
            assert_eq!(socket.peer_name(), Err(Errno::NOTCONN));
        }
        let socket = Sock::udp(env);
        socket.bind(&SocketAddr::inet(local.into(), 0)).unwrap();
        assert_eq!(socket.send_to_with(b"c", &addr, MsgFlags::MORE), Ok(1));
        assert!(socket.connect(&SocketAddr::inet(std::net::Ipv4Addr::new(192, 0, 2, 1).into(), port)).is_err(), "not from 127.0.0.1");
        assert_eq!(socket.send(b"d"), Ok(1));
        assert_eq!(receiver.recv(9), Ok(b"cd".to_vec()));
        let (_gone, two) = udp_bound(env, Domain::INET);
        assert_eq!(socket.send_to_with(b"e", &two, MsgFlags::MORE), Ok(1));
        socket.connect(&SocketAddr::inet(std::net::Ipv4Addr::new(127, 0, 0, 99).into(), port)).unwrap();
        assert_eq!(socket.send(b"f"), Ok(1));
        assert_eq!(receiver.recv_from(9), Ok((b"ef".to_vec(), socket.name())));
    }

    fn a_corked_ipv6_datagram_is_lost_when_its_socket_connects_to_an_ipv4_peer(env: &E) {
        let (receiver, to) = udp_bound(env, Domain::INET6);
        let (other, mapped) = udp_bound(env, Domain::INET);
        let mapped = match ip_of(&mapped) {
            IpAddr::V4(ip) => SocketAddr::inet(ip.to_ipv6_mapped().into(), port_of(&mapped)),
            IpAddr::V6(ip) => panic!("{ip} is an IPv6 address"),
        };
        let socket = Sock::udp_of(env, Domain::INET6);
        assert_eq!(socket.send_to_with(b"abc", &to, MsgFlags::MORE), Ok(3));
        assert_eq!(socket.connect(&mapped), Ok(()));
        assert_eq!(socket.send(b"def"), Ok(3), "it ends the datagram");
        assert_eq!((receiver.try_recv(9), other.try_recv(9)), (Err(Errno::AGAIN), Err(Errno::AGAIN)));
        assert_eq!((socket.outq(), socket.take_error()), (Ok(0), None));
        assert_eq!(socket.send(b"ghi"), Ok(3));
        assert_eq!(other.recv(9), Ok(b"ghi".to_vec()));
    }

    fn a_corked_ipv6_datagram_reaches_who_takes_any_address_when_its_socket_connects_to_an_ipv4_peer(env: &E) {
        let receiver = Sock::udp_of(env, Domain::INET6);
        receiver.bind(&wildcard(Domain::INET6, 0)).unwrap();
        let (_other, four) = udp_bound(env, Domain::INET);
        let socket = Sock::udp_of(env, Domain::INET6);
        socket.connect(&SocketAddr::inet(std::net::Ipv6Addr::LOCALHOST.into(), port_of(&receiver.name()))).unwrap();
        assert_eq!(socket.send_with(b"abc", MsgFlags::MORE), Ok(3));
        assert_eq!(socket.connect(&four), Ok(()));
        assert_eq!(socket.send(b"def"), Ok(3), "it ends the datagram");
        let (data, from) = receiver.recv_from(9).unwrap();
        assert_eq!(data, b"abcdef".to_vec(), "the route still leads here");
        assert_eq!(ip_of(&from), IpAddr::V6(std::net::Ipv6Addr::LOCALHOST));
    }
}
