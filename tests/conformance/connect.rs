//! `connect(2)`: success, refusal, waiting, and what is left afterwards.

use crate::conformance;
use crate::support::scene::{
    FAMILIES, connecting, dead_end, full_listener, ip_of, join, listener, listener_of, own_addr, own_ip, pair, pair_of, port_of,
    wildcard, with_port,
};
use crate::support::sock::Sock;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{Domain, Errno, PollEvents, Shutdown, SocketAddr};

const REFUSED: PollEvents = PollEvents::from_raw(c::POLLIN | c::POLLOUT | c::POLLERR | c::POLLHUP | c::POLLRDHUP);

conformance! {
    fn connect_does_not_wait_for_accept(env: &E) {
        for family in FAMILIES {
            let (_listener, addr) = listener_of(env, family, 1);
            let client = Sock::tcp_of(env, family);
            assert_eq!(client.connect(&addr), Ok(()));
            assert_eq!(client.peer_name(), Ok(addr));
        }
    }

    fn names_are_the_same_from_both_ends(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            assert_eq!(client.peer_name(), Ok(server.name()));
            assert_eq!(server.peer_name(), Ok(client.name()));
        }
    }

    fn nobody_listening_refuses(env: &E) {
        for family in FAMILIES {
            let (_dead, addr) = dead_end(env, family);
            assert_eq!(Sock::tcp_of(env, family).connect(&addr), Err(Errno::CONNREFUSED));
            let port_zero = with_port(&addr, 0);
            assert_eq!(Sock::tcp_of(env, family).connect(&port_zero), Err(Errno::CONNREFUSED));
        }
    }

    fn after_a_refusal_the_socket_is_as_new(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let (listener, addr) = listener(env);
        let socket = Sock::tcp(env);
        for _ in 0..3 {
            assert_eq!(socket.connect(&nobody), Err(Errno::CONNREFUSED));
            assert_eq!(socket.take_error(), None);
            assert_eq!(socket.recv(1), Err(Errno::NOTCONN));
            assert_eq!(socket.peer_name(), Err(Errno::NOTCONN));
            assert_eq!(socket.mask(), PollEvents::OUT | PollEvents::HUP);
        }
        let (client, server) = join(&listener, socket, &addr);
        server.send_all(b"x");
        assert_eq!(client.recv(1), Ok(b"x".to_vec()));
    }

    fn a_nonblocking_connect_is_always_in_progress_first(env: &E) {
        for family in FAMILIES {
            let (listener, addr) = listener_of(env, family, 1);
            let socket = Sock::tcp_of(env, family);
            socket.set_nonblocking(true);
            assert_eq!(socket.connect(&addr), Err(Errno::INPROGRESS));
            socket.expect_mask(PollEvents::OUT);
            assert_eq!(socket.take_error(), None);
            assert_eq!(socket.peer_name(), Ok(addr.clone()));
            assert_eq!(socket.connect(&addr), Ok(()), "told once");
            assert_eq!(socket.connect(&addr), Err(Errno::ISCONN));
            assert!(listener.accept().is_ok());
        }
    }

    fn a_nonblocking_refusal_is_told_by_so_error_once(env: &E) {
        for family in FAMILIES {
            let (_dead, nobody) = dead_end(env, family);
            let socket = Sock::tcp_of(env, family);
            socket.set_nonblocking(true);
            assert_eq!(socket.connect(&nobody), Err(Errno::INPROGRESS));
            socket.expect_mask(REFUSED);
            assert_eq!(socket.take_error(), Some(Errno::CONNREFUSED));
            assert_eq!(socket.take_error(), None);
            assert_eq!(socket.mask(), REFUSED.without(PollEvents::ERR));
            assert_eq!(socket.listen(1), Err(Errno::INVAL), "the attempt is not over");
            assert_eq!(socket.recv(1), Ok(vec![]));
            assert_eq!(socket.send(b"x"), Err(Errno::PIPE));
            assert_eq!(socket.connect(&nobody), Err(Errno::CONNABORTED), "told once");
            assert_eq!(socket.connect(&nobody), Err(Errno::INPROGRESS), "a new attempt");
        }
    }

    fn a_nonblocking_refusal_is_told_by_the_next_connect(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let (listener, addr) = listener(env);
        let socket = Sock::tcp(env);
        socket.set_nonblocking(true);
        assert_eq!(socket.connect(&nobody), Err(Errno::INPROGRESS));
        socket.expect_mask(REFUSED);
        assert_eq!(socket.connect(&nobody), Err(Errno::CONNREFUSED));
        assert_eq!(socket.mask(), PollEvents::OUT | PollEvents::HUP, "the socket is as new");
        assert_eq!(socket.connect(&addr), Err(Errno::INPROGRESS));
        socket.expect_mask(PollEvents::OUT);
        assert!(listener.accept().is_ok());
    }

    fn a_nonblocking_refusal_is_told_by_send_and_by_recv(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let refused = || {
            let socket = Sock::tcp(env);
            socket.set_nonblocking(true);
            assert_eq!(socket.connect(&nobody), Err(Errno::INPROGRESS));
            socket.expect_mask(REFUSED);
            socket
        };
        let sender = refused();
        assert_eq!(sender.send(b"x"), Err(Errno::CONNREFUSED));
        assert_eq!(sender.send(b"x"), Err(Errno::PIPE));
        let receiver = refused();
        assert_eq!(receiver.recv(1), Err(Errno::CONNREFUSED));
        assert_eq!(receiver.recv(1), Ok(vec![]));
    }

    fn a_connected_socket_does_not_connect_again(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            let (_listener, addr) = listener_of(env, family, 1);
            assert_eq!(client.connect(&addr), Err(Errno::ISCONN));
            assert_eq!(server.connect(&addr), Err(Errno::ISCONN));
        }
    }

    fn a_listener_does_not_connect(env: &E) {
        let (first, _) = listener(env);
        let (_second, addr) = listener(env);
        assert_eq!(first.connect(&addr), Err(Errno::ISCONN));
    }

    fn the_wildcard_as_destination_is_the_own_host(env: &E) {
        for family in FAMILIES {
            let listener = Sock::tcp_of(env, family);
            listener.bind(&wildcard(family, 0)).unwrap();
            listener.listen(1).unwrap();
            let port = port_of(&listener.name());
            let (client, server) = join(&listener, Sock::tcp_of(env, family), &wildcard(family, port));
            assert!(ip_of(&client.peer_name().unwrap()).is_loopback());
            assert!(ip_of(&server.name()).is_loopback(), "the listener's wildcard has become an address");
            assert!(ip_of(&client.name()).is_loopback());
        }
    }

    fn the_accepted_socket_shows_the_address_that_was_dialled(env: &E) {
        let listener = Sock::tcp(env);
        listener.bind(&wildcard(Domain::INET, 0)).unwrap();
        listener.listen(1).unwrap();
        let dialled = SocketAddr::inet(IpAddr::V4(own_ip()), port_of(&listener.name()));
        let (client, server) = join(&listener, Sock::tcp(env), &dialled);
        assert_eq!(server.name(), dialled);
        assert_eq!(ip_of(&client.name()), IpAddr::V4(Ipv4Addr::LOCALHOST), "the source of a client that is not bound");
    }

    fn a_bound_client_is_seen_under_its_own_name(env: &E) {
        let (listener, addr) = listener(env);
        let client = Sock::tcp(env);
        client.bind(&own_addr(0)).unwrap();
        let name = client.name();
        let (client, server) = join(&listener, client, &addr);
        assert_eq!(client.name(), name);
        assert_eq!(server.peer_name(), Ok(name));
    }

    fn an_unanswered_attempt_is_silent(env: &E) {
        let (socket, _listener, _clients, addr) = connecting(env);
        assert_eq!(socket.mask(), PollEvents::NONE);
        assert_eq!(socket.connect(&addr), Err(Errno::ALREADY));
        assert_ne!(port_of(&socket.name()), 0);
        assert_eq!(socket.peer_name(), Err(Errno::NOTCONN));
        assert_eq!(socket.recv(1), Err(Errno::AGAIN));
        assert_eq!(socket.send(b"x"), Err(Errno::AGAIN));
        assert_eq!(socket.accept().err(), Some(Errno::INVAL));
        assert_eq!(socket.listen(1), Err(Errno::INVAL));
        assert_eq!(socket.bind(&own_addr(0)), Err(Errno::INVAL));
    }

    fn shutdown_cancels_an_attempt(env: &E) {
        for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
            let (socket, _listener, _clients, _) = connecting(env);
            assert_eq!(socket.shutdown(how), Ok(()));
            assert_eq!(socket.take_error(), Some(Errno::CONNRESET));
        }
    }

    fn so_sndtimeo_ends_the_wait_and_not_the_attempt(env: &E) {
        let (listener, clients, addr) = full_listener(env);
        let socket = Sock::tcp(env);
        socket.set_timeout(c::SO_SNDTIMEO, 0, 20_000).unwrap();
        let start = env.now();
        assert_eq!(socket.connect(&addr), Err(Errno::INPROGRESS));
        assert!(env.now().since(start) >= Duration::from_millis(20));
        assert_eq!(socket.connect(&addr), Err(Errno::ALREADY), "waited again");

        let (first, from) = listener.accept().unwrap();
        assert_eq!(from, clients[0].name());
        drop(first);
        // The queue has room: the next SYN of the attempt is admitted.
        socket.expect_mask(PollEvents::OUT);
        assert_eq!(socket.connect(&addr), Ok(()));
    }

    fn a_socket_can_connect_to_itself(env: &E) {
        let socket = Sock::tcp(env);
        socket.bind(&own_addr(0)).unwrap();
        let name = socket.name();
        assert_eq!(socket.connect(&name), Ok(()));
        assert_eq!(socket.peer_name(), Ok(name));
        socket.send_all(b"echo");
        assert_eq!(socket.recv_exactly(4), b"echo");
        socket.send_all(b"hi");
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(socket.recv_to_end(), b"hi");
        assert_eq!(socket.send(b"x"), Err(Errno::PIPE));
    }

    fn connecting_to_unspec_dissolves_the_connection(env: &E) {
        let (client, server) = pair(env);
        let (listener, addr) = listener(env);
        assert_eq!(client.connect(&SocketAddr::Unspec), Ok(()));
        assert_eq!(client.peer_name(), Err(Errno::NOTCONN));
        assert_eq!(client.mask(), PollEvents::OUT | PollEvents::ERR | PollEvents::HUP);
        assert_eq!(client.recv(1), Err(Errno::CONNRESET), "told once");
        assert_eq!(client.recv(1), Err(Errno::NOTCONN));
        assert_eq!(server.recv(1), Err(Errno::CONNRESET));
        assert_eq!(server.recv(1), Ok(vec![]));
        let (client, server) = join(&listener, client, &addr);
        client.send_all(b"again");
        assert_eq!(server.recv_exactly(5), b"again");
    }

    fn connecting_a_fresh_socket_to_unspec_changes_nothing(env: &E) {
        let socket = Sock::tcp(env);
        assert_eq!(socket.connect(&SocketAddr::Unspec), Ok(()));
        assert_eq!(socket.mask(), PollEvents::OUT | PollEvents::HUP);
        assert_eq!(socket.take_error(), None);
    }

    fn ipv6_reaches_an_ipv4_listener_by_its_mapped_address(env: &E) {
        let (listener, addr) = listener(env);
        let IpAddr::V4(ip) = ip_of(&addr) else { unreachable!("the listener is of IPv4") };
        let mapped = SocketAddr::inet(IpAddr::V6(ip.to_ipv6_mapped()), port_of(&addr));
        let client = Sock::tcp_of(env, Domain::INET6);
        assert_eq!(client.connect(&mapped), Ok(()));
        let (server, from) = listener.accept().unwrap();
        assert_eq!(client.peer_name(), Ok(mapped), "mapped on this side");
        assert_eq!(server.name(), addr, "plain on that side");
        assert!(matches!(ip_of(&from), IpAddr::V4(_)));
    }

    fn a_dual_stack_listener_accepts_ipv4(env: &E) {
        let listener = Sock::tcp_of(env, Domain::INET6);
        listener.bind(&wildcard(Domain::INET6, 0)).unwrap();
        listener.listen(1).unwrap();
        let ip = own_ip();
        let client = Sock::tcp(env);
        assert_eq!(client.connect(&SocketAddr::inet(IpAddr::V4(ip), port_of(&listener.name()))), Ok(()));
        let (server, from) = listener.accept().unwrap();
        assert_eq!(ip_of(&server.name()), IpAddr::V6(ip.to_ipv6_mapped()));
        assert_eq!(ip_of(&from), IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()));
    }

    fn an_ipv6_only_listener_refuses_ipv4(env: &E) {
        let listener = Sock::tcp_of(env, Domain::INET6);
        listener.set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, 1).unwrap();
        listener.bind(&wildcard(Domain::INET6, 0)).unwrap();
        listener.listen(1).unwrap();
        let port = port_of(&listener.name());
        assert_eq!(Sock::tcp(env).connect(&own_addr(port)), Err(Errno::CONNREFUSED));
        assert_eq!(
            Sock::tcp_of(env, Domain::INET6).connect(&SocketAddr::inet(IpAddr::V6(Ipv6Addr::LOCALHOST), port)),
            Ok(())
        );
    }

    fn an_ipv6_only_socket_has_no_route_to_ipv4(env: &E) {
        let (_listener, addr) = listener(env);
        let IpAddr::V4(ip) = ip_of(&addr) else { unreachable!("the listener is of IPv4") };
        let socket = Sock::tcp_of(env, Domain::INET6);
        socket.set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, 1).unwrap();
        let mapped = SocketAddr::inet(IpAddr::V6(ip.to_ipv6_mapped()), port_of(&addr));
        assert_eq!(socket.connect(&mapped), Err(Errno::NETUNREACH));
    }

    fn tcp_does_not_broadcast(env: &E) {
        let socket = Sock::tcp(env);
        let broadcast = SocketAddr::inet(IpAddr::V4(Ipv4Addr::BROADCAST), 9);
        assert_eq!(socket.connect(&broadcast), Err(Errno::NETUNREACH));
        assert_eq!(socket.name(), wildcard(Domain::INET, 0));
    }

    fn a_connection_is_its_four_names(env: &E) {
        let (_one, first_addr) = listener(env);
        let (_two, second_addr) = listener(env);
        let client = own_addr(0);
        let a = Sock::tcp(env);
        a.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        a.bind(&client).unwrap();
        let b = Sock::tcp(env);
        b.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        b.bind(&a.name()).unwrap();
        assert_eq!(a.connect(&first_addr), Ok(()));
        assert_eq!(b.connect(&first_addr), Err(Errno::ADDRNOTAVAIL), "the same four names");
        assert_eq!(b.connect(&second_addr), Ok(()));
        assert_eq!(a.name(), b.name());
    }
}
