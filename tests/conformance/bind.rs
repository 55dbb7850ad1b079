//! `bind(2)`: which addresses exist, and who may share a port.

use crate::conformance;
use crate::support::scene::{
    FAMILIES, bound, dead_end, ip_of, join, listener, loopback, own_addr, own_ip, pair_of, port_of, reset, wildcard, with_port,
};
use crate::support::sock::Sock;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::consts as c;
use twinsock::{Domain, Errno, PollEvents, SocketAddr};

conformance! {
    fn a_bound_port_is_in_use(env: &E) {
        for family in FAMILIES {
            let (_first, addr) = bound(env, family);
            assert_eq!(Sock::tcp_of(env, family).bind(&addr), Err(Errno::ADDRINUSE));
        }
    }

    fn port_zero_asks_for_any_free_port(env: &E) {
        let ip = IpAddr::V4(own_ip());
        let sockets: Vec<_> = (0..50).map(|_| Sock::tcp(env)).collect();
        let mut ports: Vec<u16> = Vec::new();
        for socket in &sockets {
            socket.bind(&SocketAddr::inet(ip, 0)).unwrap();
            assert_eq!(ip_of(&socket.name()), ip);
            ports.push(port_of(&socket.name()));
        }
        ports.sort_unstable();
        assert!(ports[0] >= 1024, "no privileged port is chosen");
        ports.dedup();
        assert_eq!(ports.len(), sockets.len(), "no port is given twice");
    }

    fn a_bound_socket_is_not_bound_again(env: &E) {
        for family in FAMILIES {
            let (socket, addr) = bound(env, family);
            assert_eq!(socket.bind(&loopback(family)), Err(Errno::INVAL));
            assert_eq!(socket.bind(&addr), Err(Errno::INVAL));
            assert_eq!(socket.name(), addr);
        }
    }

    fn an_address_of_no_interface_is_not_available(env: &E) {
        let documentation = [
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        ];
        for (family, ip) in FAMILIES.into_iter().zip(documentation) {
            assert_eq!(Sock::tcp_of(env, family).bind(&SocketAddr::inet(ip, 0)), Err(Errno::ADDRNOTAVAIL));
        }
    }

    fn every_address_of_127_is_local(env: &E) {
        let ip = IpAddr::V4(own_ip());
        let server = Sock::tcp(env);
        server.bind(&SocketAddr::inet(ip, 0)).unwrap();
        server.listen(1).unwrap();
        let client = Sock::tcp(env);
        client.connect(&server.name()).unwrap();
        assert_eq!(client.peer_name(), Ok(server.name()));
    }

    fn the_wildcard_overlaps_every_address_of_its_family(env: &E) {
        for family in FAMILIES {
            let (_specific, addr) = bound(env, family);
            assert_eq!(Sock::tcp_of(env, family).bind(&wildcard(family, port_of(&addr))), Err(Errno::ADDRINUSE));

            let any = Sock::tcp_of(env, family);
            any.bind(&wildcard(family, 0)).unwrap();
            let specific = with_port(&loopback(family), port_of(&any.name()));
            assert_eq!(Sock::tcp_of(env, family).bind(&specific), Err(Errno::ADDRINUSE));
        }
    }

    fn a_port_is_free_on_every_other_address(env: &E) {
        let (_first, addr) = bound(env, Domain::INET);
        let second = Sock::tcp(env);
        assert_eq!(second.bind(&own_addr(port_of(&addr))), Ok(()));
    }

    fn a_failed_bind_leaves_the_socket_as_it_was(env: &E) {
        let (_first, addr) = bound(env, Domain::INET);
        let second = Sock::tcp(env);
        assert_eq!(second.bind(&addr), Err(Errno::ADDRINUSE));
        assert_eq!(second.name(), wildcard(Domain::INET, 0));
        assert_eq!(second.bind(&own_addr(0)), Ok(()));
    }

    fn close_frees_a_port_that_was_only_bound(env: &E) {
        let (first, addr) = bound(env, Domain::INET);
        first.close().unwrap();
        assert_eq!(Sock::tcp(env).bind(&addr), Ok(()));
    }

    fn with_so_reuseaddr_on_both_two_bind_and_one_listens(env: &E) {
        let first = Sock::tcp(env);
        first.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        first.bind(&own_addr(0)).unwrap();
        let second = Sock::tcp(env);
        second.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        assert_eq!(second.bind(&first.name()), Ok(()));
        assert_eq!(first.listen(1), Ok(()));
        assert_eq!(second.listen(1), Err(Errno::ADDRINUSE));

        let third = Sock::tcp(env);
        third.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        assert_eq!(third.bind(&first.name()), Err(Errno::ADDRINUSE), "the first listens now");
    }

    fn so_reuseaddr_on_one_side_does_not_help(env: &E) {
        for (first_reuses, second_reuses) in [(0, 1), (1, 0)] {
            let first = Sock::tcp(env);
            first.set(c::SOL_SOCKET, c::SO_REUSEADDR, first_reuses).unwrap();
            first.bind(&own_addr(0)).unwrap();
            let second = Sock::tcp(env);
            second.set(c::SOL_SOCKET, c::SO_REUSEADDR, second_reuses).unwrap();
            assert_eq!(second.bind(&first.name()), Err(Errno::ADDRINUSE));
        }
    }

    fn with_so_reuseport_on_both_both_listen(env: &E) {
        let first = Sock::tcp(env);
        first.set(c::SOL_SOCKET, c::SO_REUSEPORT, 1).unwrap();
        first.bind(&own_addr(0)).unwrap();
        assert_eq!(first.listen(1), Ok(()));
        let second = Sock::tcp(env);
        assert_eq!(second.bind(&first.name()), Err(Errno::ADDRINUSE), "one-sided");
        second.set(c::SOL_SOCKET, c::SO_REUSEPORT, 1).unwrap();
        assert_eq!(second.bind(&first.name()), Ok(()));
        assert_eq!(second.listen(1), Ok(()));
    }

    fn the_dual_stack_wildcard_takes_the_port_of_both_families(env: &E) {
        let both = Sock::tcp_of(env, Domain::INET6);
        both.bind(&wildcard(Domain::INET6, 0)).unwrap();
        let port = port_of(&both.name());
        assert_eq!(Sock::tcp(env).bind(&wildcard(Domain::INET, port)), Err(Errno::ADDRINUSE));
        assert_eq!(Sock::tcp(env).bind(&own_addr(port)), Err(Errno::ADDRINUSE));
    }

    fn ipv6_v6only_leaves_the_port_of_ipv4_free(env: &E) {
        let six = Sock::tcp_of(env, Domain::INET6);
        six.set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, 1).unwrap();
        six.bind(&wildcard(Domain::INET6, 0)).unwrap();
        assert_eq!(Sock::tcp(env).bind(&own_addr(port_of(&six.name()))), Ok(()));
        assert_eq!(six.set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, 0), Err(Errno::INVAL), "bound already");
    }

    fn an_address_of_the_other_family_does_not_fit(env: &E) {
        let four = Sock::tcp(env);
        assert_eq!(four.bind(&loopback(Domain::INET6)), Err(Errno::AFNOSUPPORT));
        assert_eq!(four.connect(&loopback(Domain::INET6)), Err(Errno::AFNOSUPPORT));
        let six = Sock::tcp_of(env, Domain::INET6);
        assert_eq!(six.bind(&loopback(Domain::INET)), Err(Errno::INVAL), "a sockaddr_in is too short");
        assert_eq!(six.connect(&loopback(Domain::INET)), Err(Errno::INVAL), "a sockaddr_in is too short");
    }

    fn bind_takes_unspec_for_the_wildcard_of_ipv4(env: &E) {
        let four = Sock::tcp(env);
        assert_eq!(four.bind(&SocketAddr::Unspec), Ok(()));
        assert_eq!(ip_of(&four.name()), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        assert_ne!(port_of(&four.name()), 0);
    }

    fn a_connected_socket_is_bound(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            assert_eq!(client.bind(&loopback(family)), Err(Errno::INVAL));
            assert_eq!(server.bind(&loopback(family)), Err(Errno::INVAL));
        }
    }

    fn the_port_of_a_client_is_in_use(env: &E) {
        for family in FAMILIES {
            let (client, _server) = pair_of(env, family);
            assert_eq!(Sock::tcp_of(env, family).bind(&client.name()), Err(Errno::ADDRINUSE));
        }
    }

    fn the_side_that_closed_first_keeps_its_port_in_time_wait(env: &E) {
        for (old_reuses, new_reuses, expected) in
            [(0, 0, Err(Errno::ADDRINUSE)), (0, 1, Err(Errno::ADDRINUSE)), (1, 0, Err(Errno::ADDRINUSE)), (1, 1, Ok(()))]
        {
            let old = Sock::tcp(env);
            old.set(c::SOL_SOCKET, c::SO_REUSEADDR, old_reuses).unwrap();
            old.bind(&own_addr(0)).unwrap();
            old.listen(1).unwrap();
            let addr = old.name();
            let (client, server) = join(&old, Sock::tcp(env), &addr);
            old.close().unwrap();
            server.close().unwrap();
            assert_eq!(client.recv(1), Ok(vec![]));
            client.close().unwrap();

            let new = Sock::tcp(env);
            new.set(c::SOL_SOCKET, c::SO_REUSEADDR, new_reuses).unwrap();
            assert_eq!(new.bind(&addr), expected, "SO_REUSEADDR {old_reuses} on the old, {new_reuses} on the new");
        }
    }

    fn the_side_that_closed_last_leaves_nothing_behind(env: &E) {
        let (old, addr) = listener(env);
        let (client, server) = join(&old, Sock::tcp(env), &addr);
        old.close().unwrap();
        client.close().unwrap();
        assert_eq!(server.recv(1), Ok(vec![]));
        server.close().unwrap();
        let _new = loop {
            // The last ACK of the closing handshake may still be on its way.
            let new = Sock::tcp(env);
            match new.bind(&addr) {
                Ok(()) => break new,
                Err(errno) => assert_eq!(errno, Errno::ADDRINUSE),
            }
        };
    }

    fn a_reset_leaves_no_time_wait(env: &E) {
        let (old, addr) = listener(env);
        let (client, server) = join(&old, Sock::tcp(env), &addr);
        old.close().unwrap();
        reset(server);
        client.wait(PollEvents::HUP);
        assert_eq!(Sock::tcp(env).bind(&addr), Ok(()));
    }

    fn an_accepted_connection_keeps_the_port_of_its_listener(env: &E) {
        let (old, addr) = listener(env);
        let (_client, _server) = join(&old, Sock::tcp(env), &addr);
        old.close().unwrap();
        assert_eq!(Sock::tcp(env).bind(&addr), Err(Errno::ADDRINUSE));
    }

    fn a_refused_connect_keeps_an_explicit_port(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let (first, addr) = bound(env, Domain::INET);
        first.close().unwrap();
        let socket = Sock::tcp(env);
        socket.bind(&addr).unwrap();
        assert_eq!(socket.connect(&nobody), Err(Errno::CONNREFUSED));
        assert_eq!(socket.bind(&own_addr(0)), Err(Errno::INVAL), "still bound");
        assert_eq!(Sock::tcp(env).bind(&addr), Err(Errno::ADDRINUSE));
    }

    fn a_refused_connect_gives_a_chosen_port_back(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let socket = Sock::tcp(env);
        assert_eq!(socket.connect(&nobody), Err(Errno::CONNREFUSED));
        assert_eq!(socket.bind(&own_addr(0)), Ok(()));
    }
}
