//! `listen(2)`: the queue of connections, and the life of a listener.

use crate::conformance;
use crate::support::scene::{FAMILIES, bound, connecting, ip_of, join, listener, listener_of, pair_of, port_of};
use crate::support::sock::Sock;
use twinsock::consts as c;
use twinsock::{Domain, Errno, PollEvents, Shutdown};

conformance! {
    fn backlog_plus_one_connections_are_admitted(env: &E) {
        for (family, backlog) in FAMILIES.into_iter().flat_map(|family| [0, 1, 2, 5].map(|backlog| (family, backlog))) {
            let (_listener, addr) = listener_of(env, family, backlog);
            let mut clients = Vec::new();
            for _ in 0..=backlog {
                let client = Sock::tcp_of(env, family);
                assert_eq!(client.connect(&addr), Ok(()), "backlog {backlog}, after {}", clients.len());
                clients.push(client);
            }
            let late = Sock::tcp_of(env, family);
            late.set_nonblocking(true);
            assert_eq!(late.connect(&addr), Err(Errno::INPROGRESS));
            assert_eq!(late.mask(), PollEvents::NONE, "backlog {backlog}: one too many");
        }
    }

    fn a_connection_beyond_the_backlog_gets_in_when_there_is_room(env: &E) {
        let (late, listener, clients, _) = connecting(env);
        let (_first, from) = listener.accept().unwrap();
        assert_eq!(from, clients[0].name());
        late.expect_mask(PollEvents::OUT);
        let (_second, from) = listener.accept().unwrap();
        assert_eq!(from, late.name());
    }

    fn listening_again_changes_the_backlog(env: &E) {
        let (listener, addr) = listener_of(env, Domain::INET, 0);
        let first = Sock::tcp(env);
        first.connect(&addr).unwrap();
        assert_eq!(listener.listen(1), Ok(()));
        let second = Sock::tcp(env);
        assert_eq!(second.connect(&addr), Ok(()));
        assert_eq!(listener.listen(0), Ok(()), "nothing queued is dropped");
        assert_eq!(listener.accept().unwrap().1, first.name());
        assert_eq!(listener.accept().unwrap().1, second.name());
    }

    fn a_negative_backlog_is_the_largest(env: &E) {
        let (_listener, addr) = listener_of(env, Domain::INET, -1);
        let clients: Vec<_> = (0..20).map(|_| Sock::tcp(env)).collect();
        for client in &clients {
            assert_eq!(client.connect(&addr), Ok(()));
        }
    }

    fn listen_binds_a_socket_that_is_not_bound(env: &E) {
        for family in FAMILIES {
            let listener = Sock::tcp_of(env, family);
            assert_eq!(listener.listen(1), Ok(()));
            assert!(ip_of(&listener.name()).is_unspecified());
            assert_ne!(port_of(&listener.name()), 0);
            let client = Sock::tcp_of(env, family);
            assert_eq!(client.connect(&listener.name()), Ok(()));
        }
    }

    fn a_connected_socket_does_not_listen(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            assert_eq!(client.listen(1), Err(Errno::INVAL));
            assert_eq!(server.listen(1), Err(Errno::INVAL));
        }
    }

    fn a_listener_is_readable_while_a_connection_waits_and_never_writable(env: &E) {
        for family in FAMILIES {
            let (listener, addr) = listener_of(env, family, 1);
            assert_eq!(listener.mask(), PollEvents::NONE);
            let client = Sock::tcp_of(env, family);
            client.connect(&addr).unwrap();
            listener.expect_mask(PollEvents::IN);
            assert!(listener.accept().is_ok());
            assert_eq!(listener.mask(), PollEvents::NONE);
        }
    }

    fn a_connection_that_ended_early_still_waits(env: &E) {
        let (listener, addr) = listener(env);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        client.close().unwrap();
        listener.expect_mask(PollEvents::IN);
    }

    fn a_listener_neither_sends_nor_receives(env: &E) {
        let (listener, _) = listener(env);
        assert_eq!(listener.recv(1), Err(Errno::NOTCONN));
        assert_eq!(listener.send(b"x"), Err(Errno::PIPE));
        assert_eq!(listener.fionread(), Err(Errno::INVAL));
        assert_eq!(listener.peer_name(), Err(Errno::NOTCONN));
    }

    fn so_acceptconn_is_set_while_listening(env: &E) {
        let (socket, _) = bound(env, Domain::INET);
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_ACCEPTCONN), Ok(0));
        socket.listen(1).unwrap();
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_ACCEPTCONN), Ok(1));
        socket.shutdown(Shutdown::Read).unwrap();
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_ACCEPTCONN), Ok(0));
    }

    fn shutting_down_reading_ends_listening(env: &E) {
        for how in [Shutdown::Read, Shutdown::Both] {
            let (listener, addr) = listener(env);
            assert_eq!(listener.shutdown(how), Ok(()));
            assert_eq!(listener.accept().err(), Some(Errno::INVAL));
            assert_eq!(listener.mask(), PollEvents::OUT | PollEvents::HUP);
            assert_eq!(Sock::tcp(env).connect(&addr), Err(Errno::CONNREFUSED));
        }
    }

    fn an_explicit_port_listens_again_after_shutdown(env: &E) {
        let (first, addr) = bound(env, Domain::INET);
        first.close().unwrap();
        let socket = Sock::tcp(env);
        socket.bind(&addr).unwrap();
        socket.listen(1).unwrap();
        socket.shutdown(Shutdown::Both).unwrap();
        assert_eq!(Sock::tcp(env).bind(&addr), Err(Errno::ADDRINUSE), "the port is kept");
        assert_eq!(socket.listen(1), Ok(()));
        assert_eq!(Sock::tcp(env).connect(&addr), Ok(()));
    }

    fn shutting_down_writing_does_nothing_to_a_listener(env: &E) {
        let (listener, addr) = listener(env);
        assert_eq!(listener.shutdown(Shutdown::Write), Ok(()));
        let (client, server) = join(&listener, Sock::tcp(env), &addr);
        server.send_all(b"x");
        assert_eq!(client.recv(1), Ok(b"x".to_vec()));
    }

    fn ending_a_listener_resets_the_connections_in_its_queue(env: &E) {
        let (closed, addr) = listener(env);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        closed.close().unwrap();
        assert_eq!(client.recv(1), Err(Errno::CONNRESET));

        let (shut, addr) = listener(env);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        shut.shutdown(Shutdown::Read).unwrap();
        assert_eq!(client.recv(1), Err(Errno::CONNRESET));

        let (dissolved, addr) = listener(env);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        dissolved.connect(&twinsock::SocketAddr::Unspec).unwrap();
        assert_eq!(client.recv(1), Err(Errno::CONNRESET));
    }

    fn accepted_connections_outlive_their_listener(env: &E) {
        let (listener, addr) = listener(env);
        let (client, server) = join(&listener, Sock::tcp(env), &addr);
        listener.close().unwrap();
        client.send_all(b"x");
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
        assert_eq!(Sock::tcp(env).connect(&addr), Err(Errno::CONNREFUSED));
    }

    fn tcp_defer_accept_holds_a_connection_until_it_says_something(env: &E) {
        let (listener, addr) = listener(env);
        listener.set(c::IPPROTO_TCP, c::TCP_DEFER_ACCEPT, 5).unwrap();
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        assert_eq!(listener.mask(), PollEvents::NONE);
        client.send_all(b"x");
        listener.expect_mask(PollEvents::IN);
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
    }

    fn so_reuseport_chooses_one_of_the_listeners(env: &E) {
        let first = Sock::tcp(env);
        first.set(c::SOL_SOCKET, c::SO_REUSEPORT, 1).unwrap();
        first.bind(&crate::support::scene::own_addr(0)).unwrap();
        first.listen(64).unwrap();
        let second = Sock::tcp(env);
        second.set(c::SOL_SOCKET, c::SO_REUSEPORT, 1).unwrap();
        second.bind(&first.name()).unwrap();
        second.listen(64).unwrap();
        let clients: Vec<_> = (0..32).map(|_| Sock::tcp(env)).collect();
        for client in &clients {
            client.connect(&first.name()).unwrap();
        }
        let mut admitted = 0;
        for listener in [&first, &second] {
            listener.set_nonblocking(true);
            while listener.accept().is_ok() {
                admitted += 1;
            }
        }
        assert_eq!(admitted, clients.len(), "every connection waits at exactly one of them");
    }
}
