//! BND: which addresses can be bound, who is in whose way, and when a name is free again.

use crate::conformance;
use crate::support::files::{Dir, World, abstract_name};
use crate::support::scene::{
    FAMILIES, ONE_PORT, bound, free_in_both, join, listener, loopback, own_addr, pair_of, port_of, udp_bound, wildcard, with_port,
};
use crate::support::sock::Sock;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::consts as c;
use twinsock::{Domain, Errno, Protocol, SocketAddr, Type};

/// A TCP socket with an option of `SOL_SOCKET` on.
fn with<E: World>(env: &E, option: i32) -> Sock<E> {
    let socket = Sock::tcp(env);
    socket.set(c::SOL_SOCKET, option, 1).expect("a switch can be set");
    socket
}

/// Two bound to one address by `SO_REUSEADDR`.
fn two_at_one_address<E: World>(env: &E) -> (Sock<E>, Sock<E>) {
    let (first, second) = (with(env, c::SO_REUSEADDR), with(env, c::SO_REUSEADDR));
    first.bind(&own_addr(0)).expect("port 0 can be bound");
    assert_eq!(second.bind(&first.name()), Ok(()));
    (first, second)
}

conformance! {
    fn bnd_01_an_address_of_no_interface_is_not_available(env: &E) {
        // Of the blocks for documentation, RFC 5737 and RFC 3849.
        let nobodys = [IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];
        for (family, ip) in FAMILIES.into_iter().zip(nobodys) {
            for socket in [Sock::tcp_of(env, family), Sock::udp_of(env, family)] {
                assert_eq!(socket.bind(&SocketAddr::inet(ip, 9999)), Err(Errno::ADDRNOTAVAIL));
            }
        }
    }

    fn bnd_02_a_bound_socket_is_not_bound_again(env: &E) {
        for family in FAMILIES {
            let (socket, addr) = bound(env, family);
            assert_eq!(socket.bind(&loopback(family)), Err(Errno::INVAL));
            assert_eq!(socket.bind(&addr), Err(Errno::INVAL));
            assert_eq!(socket.name(), addr);
        }
    }

    fn bnd_03_a_bound_port_is_in_use(env: &E) {
        for family in FAMILIES {
            let (_first, addr) = bound(env, family);
            assert_eq!(Sock::tcp_of(env, family).bind(&addr), Err(Errno::ADDRINUSE));
            let (_first, addr) = udp_bound(env, family);
            assert_eq!(Sock::udp_of(env, family).bind(&addr), Err(Errno::ADDRINUSE));
        }
    }

    fn bnd_04_tcp_and_udp_have_ports_of_their_own(env: &E) {
        let (_udp, addr) = udp_bound(env, Domain::INET);
        let tcp = Sock::tcp(env);
        assert_eq!(tcp.bind(&addr), Ok(()));
        assert_eq!(tcp.listen(1), Ok(()));
    }

    fn bnd_05_the_wildcard_overlaps_every_address_of_its_family(env: &E) {
        for family in FAMILIES {
            let (_specific, addr) = bound(env, family);
            assert_eq!(Sock::tcp_of(env, family).bind(&wildcard(family, port_of(&addr))), Err(Errno::ADDRINUSE));

            let any = Sock::tcp_of(env, family);
            any.bind(&wildcard(family, 0)).unwrap();
            let specific = with_port(&loopback(family), port_of(&any.name()));
            assert_eq!(Sock::tcp_of(env, family).bind(&specific), Err(Errno::ADDRINUSE));
        }
    }

    fn bnd_06_a_port_is_free_on_every_other_address(env: &E) {
        let (_first, addr) = bound(env, Domain::INET);
        let second = Sock::tcp(env);
        assert_eq!(second.bind(&own_addr(port_of(&addr))), Ok(()));
    }

    fn bnd_07_with_so_reuseaddr_on_both_two_bind(env: &E) {
        let (first, second) = two_at_one_address(env);
        assert_eq!(first.name(), second.name());
    }

    fn bnd_08_one_of_two_at_an_address_listens(env: &E) {
        let (first, second) = two_at_one_address(env);
        assert_eq!(first.listen(1), Ok(()));
        assert_eq!(second.listen(1), Err(Errno::ADDRINUSE));
    }

    fn bnd_09_so_reuseaddr_does_not_help_beside_a_listener(env: &E) {
        let first = with(env, c::SO_REUSEADDR);
        first.bind(&own_addr(0)).unwrap();
        first.listen(1).unwrap();
        assert_eq!(with(env, c::SO_REUSEADDR).bind(&first.name()), Err(Errno::ADDRINUSE));
    }

    fn bnd_10_so_reuseaddr_on_one_side_does_not_help(env: &E) {
        for (first_reuses, second_reuses) in [(0, 1), (1, 0)] {
            let first = Sock::tcp(env);
            first.set(c::SOL_SOCKET, c::SO_REUSEADDR, first_reuses).unwrap();
            first.bind(&own_addr(0)).unwrap();
            let second = Sock::tcp(env);
            second.set(c::SOL_SOCKET, c::SO_REUSEADDR, second_reuses).unwrap();
            assert_eq!(second.bind(&first.name()), Err(Errno::ADDRINUSE));
        }
    }

    fn bnd_11_so_reuseaddr_may_be_set_after_bind(env: &E) {
        let (first, addr) = bound(env, Domain::INET);
        let second = Sock::tcp(env);
        for socket in [&first, &second] {
            socket.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        }
        assert_eq!(second.bind(&addr), Ok(()));
    }

    fn bnd_12_the_side_that_closed_first_keeps_its_port_in_time_wait(env: &E) {
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

    fn bnd_13_the_side_that_closed_last_leaves_nothing_behind(env: &E) {
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

    fn bnd_14_an_accepted_connection_keeps_the_port_of_its_listener(env: &E) {
        for (old_reuses, new_reuses, expected) in
            [(0, 0, Err(Errno::ADDRINUSE)), (0, 1, Err(Errno::ADDRINUSE)), (1, 0, Err(Errno::ADDRINUSE)), (1, 1, Ok(()))]
        {
            let old = Sock::tcp(env);
            old.set(c::SOL_SOCKET, c::SO_REUSEADDR, old_reuses).unwrap();
            old.bind(&own_addr(0)).unwrap();
            old.listen(1).unwrap();
            let addr = old.name();
            let (_client, _server) = join(&old, Sock::tcp(env), &addr);
            old.close().unwrap();
            let new = Sock::tcp(env);
            new.set(c::SOL_SOCKET, c::SO_REUSEADDR, new_reuses).unwrap();
            assert_eq!(new.bind(&addr), expected, "SO_REUSEADDR {old_reuses} on the old, {new_reuses} on the new");
        }
    }

    fn bnd_15_with_so_reuseport_on_both_both_listen(env: &E) {
        let (first, second) = (with(env, c::SO_REUSEPORT), with(env, c::SO_REUSEPORT));
        first.bind(&own_addr(0)).unwrap();
        assert_eq!(second.bind(&first.name()), Ok(()));
        assert_eq!(first.listen(1), Ok(()));
        assert_eq!(second.listen(1), Ok(()));
        let third = with(env, c::SO_REUSEPORT);
        assert_eq!(third.bind(&first.name()), Ok(()), "beside listeners, too");
        assert_eq!(third.listen(1), Ok(()));
    }

    fn bnd_16_so_reuseport_on_one_side_does_not_help(env: &E) {
        for (first_reuses, second_reuses) in [(0, 1), (1, 0)] {
            let (first, second) = (Sock::tcp(env), Sock::tcp(env));
            first.set(c::SOL_SOCKET, c::SO_REUSEPORT, first_reuses).unwrap();
            second.set(c::SOL_SOCKET, c::SO_REUSEPORT, second_reuses).unwrap();
            first.bind(&own_addr(0)).unwrap();
            assert_eq!(second.bind(&first.name()), Err(Errno::ADDRINUSE));
        }
    }

    fn bnd_17_of_those_who_share_a_port_the_last_to_bind_receives(env: &E) {
        let first = Sock::udp(env);
        let second = Sock::udp(env);
        for socket in [&first, &second] {
            socket.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        }
        first.bind(&own_addr(0)).unwrap();
        second.bind(&first.name()).unwrap();
        let sender = Sock::udp(env);
        sender.send_to(b"x", &first.name()).unwrap();
        assert_eq!(second.recv(9), Ok(b"x".to_vec()));
        let to = first.name();
        second.close().unwrap();
        sender.send_to(b"y", &to).unwrap();
        assert_eq!(first.recv(9), Ok(b"y".to_vec()));
    }

    fn bnd_18_a_connected_socket_is_bound(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            let (_peer, addr) = udp_bound(env, family);
            let datagrams = Sock::udp_of(env, family);
            datagrams.connect(&addr).unwrap();
            for socket in [client, server, datagrams] {
                assert_eq!(socket.bind(&loopback(family)), Err(Errno::INVAL));
            }
        }
    }

    fn bnd_19_the_dual_stack_wildcard_takes_the_port_of_both_families(env: &E) {
        for (only, expected) in [(0, Err(Errno::ADDRINUSE)), (1, Ok(()))] {
            for specific in [false, true] {
                let port = free_in_both(env);
                let six = Sock::tcp_of(env, Domain::INET6);
                six.set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, only).unwrap();
                six.bind(&wildcard(Domain::INET6, port)).unwrap();
                let four = if specific { own_addr(port) } else { wildcard(Domain::INET, port) };
                assert_eq!(Sock::tcp(env).bind(&four), expected, "IPV6_V6ONLY {only}, {four}");
            }
        }
    }

    fn bnd_20_the_loopback_of_ipv6_is_not_of_ipv4(env: &E) {
        let port = free_in_both(env);
        let four = Sock::tcp(env);
        four.bind(&wildcard(Domain::INET, port)).unwrap();
        let six = with_port(&loopback(Domain::INET6), port);
        assert_eq!(Sock::tcp_of(env, Domain::INET6).bind(&six), Ok(()));
    }

    fn bnd_21_the_port_of_a_client_is_in_use(env: &E) {
        for family in FAMILIES {
            let (client, _server) = pair_of(env, family);
            assert_eq!(Sock::tcp_of(env, family).bind(&client.name()), Err(Errno::ADDRINUSE));
        }
    }

    fn bnd_22_the_port_of_a_client_is_shared_if_both_reuse_it(env: &E) {
        for (client_reuses, expected) in [(0, Err(Errno::ADDRINUSE)), (1, Ok(()))] {
            let (listener, addr) = listener(env);
            let client = Sock::tcp(env);
            client.set(c::SOL_SOCKET, c::SO_REUSEADDR, client_reuses).unwrap();
            // From an address of its own: connect(2) may give it the port of another test's client, of which this one knows nothing.
            client.set(c::IPPROTO_IP, c::IP_BIND_ADDRESS_NO_PORT, 1).unwrap();
            client.bind(&own_addr(0)).unwrap();
            let (client, _server) = join(&listener, client, &addr);
            assert_eq!(with(env, c::SO_REUSEADDR).bind(&client.name()), expected, "SO_REUSEADDR {client_reuses} on the client");
        }
    }

    fn bnd_23_close_frees_a_port_that_was_only_bound(env: &E) {
        let (first, addr) = bound(env, Domain::INET);
        first.close().unwrap();
        assert_eq!(Sock::tcp(env).bind(&addr), Ok(()));
    }

    fn bnd_24_a_failed_bind_leaves_the_socket_as_it_was(env: &E) {
        let (_first, addr) = bound(env, Domain::INET);
        let second = Sock::tcp(env);
        assert_eq!(second.bind(&addr), Err(Errno::ADDRINUSE));
        assert_eq!(second.name(), wildcard(Domain::INET, 0));
        assert_eq!(second.bind(&own_addr(0)), Ok(()));
    }

    fn bnd_25_a_port_below_1024_needs_privileges(env: &E) {
        for family in FAMILIES {
            let low = with_port(&loopback(family), 80);
            for socket in [Sock::tcp_of(env, family), Sock::udp_of(env, family)] {
                assert_eq!(env.as_nobody(|| socket.bind(&low)), Err(Errno::ACCES));
                assert_eq!(socket.name(), wildcard(family, 0));
                assert_eq!(env.as_nobody(|| socket.bind(&loopback(family))), Ok(()), "others need none");
            }
        }
    }

    fn bnd_26_a_path_that_is_there_is_taken(env: &E) {
        let dir = Dir::new(env);
        let first = Sock::unix(env, Type::STREAM);
        first.bind(&dir.addr("s")).unwrap();
        env.mkfile(&dir.path("f")).unwrap();
        env.mkdir(&dir.path("d")).unwrap();
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            for there in ["s", "f", "d"] {
                assert_eq!(Sock::unix(env, kind).bind(&dir.addr(there)), Err(Errno::ADDRINUSE), "{there}");
            }
        }
    }

    fn bnd_27_a_path_outlives_its_socket(env: &E) {
        let dir = Dir::new(env);
        let first = Sock::unix(env, Type::STREAM);
        first.bind(&dir.addr("s")).unwrap();
        first.close().unwrap();
        assert!(env.exists(&dir.path("s")));
        let second = Sock::unix(env, Type::STREAM);
        assert_eq!(second.bind(&dir.addr("s")), Err(Errno::ADDRINUSE));
        second.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        assert_eq!(second.bind(&dir.addr("s")), Err(Errno::ADDRINUSE), "SO_REUSEADDR does not matter");
        env.unlink(&dir.path("s")).unwrap();
        assert_eq!(second.bind(&dir.addr("s")), Ok(()));
    }

    fn bnd_28_a_path_leads_through_directories(env: &E) {
        let dir = Dir::new(env);
        env.mkfile(&dir.path("f")).unwrap();
        env.mkdir(&dir.path("d")).unwrap();
        let socket = Sock::unix(env, Type::STREAM);
        assert_eq!(socket.bind(&dir.addr("no/s")), Err(Errno::NOENT));
        assert_eq!(socket.bind(&dir.addr("f/s")), Err(Errno::NOTDIR));
        assert_eq!(socket.bind(&dir.addr("d/s")), Ok(()));
    }

    fn bnd_29_a_local_socket_has_one_name(env: &E) {
        let dir = Dir::new(env);
        let socket = Sock::unix(env, Type::STREAM);
        socket.bind(&dir.addr("s")).unwrap();
        assert_eq!(socket.bind(&dir.addr("other")), Err(Errno::INVAL));
        assert!(!env.exists(&dir.path("other")), "no file is left behind");
        assert_eq!(socket.bind(&abstract_name()), Err(Errno::INVAL));
        assert_eq!(socket.name(), dir.addr("s"));
    }

    fn bnd_30_an_abstract_name_is_free_with_its_socket_and_of_each_type_apart(env: &E) {
        let name = abstract_name();
        let named = |kind| {
            let socket = Sock::unix(env, kind);
            socket.bind(&name).map(|()| socket)
        };
        let stream = named(Type::STREAM).unwrap();
        let _dgram = named(Type::DGRAM).unwrap();
        assert_eq!(named(Type::STREAM).err(), Some(Errno::ADDRINUSE));
        stream.close().unwrap();
        let _again = named(Type::STREAM).unwrap();
        assert_eq!(Sock::unix(env, Type::SEQPACKET).connect(&name), Err(Errno::CONNREFUSED), "a third type");
    }

    fn bnd_31_the_ends_of_a_pair_can_be_named(env: &E) {
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            let (a, b) = Sock::unix_pair(env, kind);
            for (end, other) in [(&a, &b), (&b, &a)] {
                let name = abstract_name();
                assert_eq!(end.bind(&name), Ok(()));
                assert_eq!(other.peer_name(), Ok(name));
            }
        }
    }

    fn bnd_32_a_bound_client_is_seen_under_its_own_name(env: &E) {
        let (listener, addr) = listener(env);
        let client = Sock::tcp(env);
        client.bind(&own_addr(0)).unwrap();
        let name = client.name();
        let (client, server) = join(&listener, client, &addr);
        assert_eq!(client.name(), name);
        assert_eq!(server.peer_name(), Ok(name));
    }

    fn bnd_33_the_file_of_a_socket_is_a_socket(env: &E) {
        let dir = Dir::new(env);
        Sock::unix(env, Type::STREAM).bind(&dir.addr("s")).unwrap();
        env.mkdir(&dir.path("d")).unwrap();
        // inode(7): the type is S_IFSOCK. A directory is made with permissions 0777 as well.
        assert_eq!(env.mode(&dir.path("s")).unwrap() & 0o170_000, 0o140_000);
        assert_eq!(env.mode(&dir.path("s")).unwrap() & 0o777, env.mode(&dir.path("d")).unwrap() & 0o777);
    }

    fn bnd_34_port_0_needs_a_free_port(env: &E) {
        for kind in [Type::STREAM, Type::DGRAM] {
            let narrow = || {
                let socket = Sock::open(env, Domain::INET, kind, Protocol::DEFAULT).unwrap();
                socket.set(c::SOL_IP, c::IP_LOCAL_PORT_RANGE, ONE_PORT).unwrap();
                socket
            };
            let ip = own_addr(0);
            let (first, second) = (narrow(), narrow());
            assert_eq!(first.bind(&ip), Ok(()));
            assert_eq!(i32::from(port_of(&first.name())), ONE_PORT & 0xffff);
            assert_eq!(second.bind(&ip), Err(Errno::ADDRINUSE));
            first.close().unwrap();
            assert_eq!(second.bind(&ip), Ok(()));
        }
    }
}
