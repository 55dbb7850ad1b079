//! LIS: listeners, their queues, and what accept takes out of them.

use crate::conformance;
use crate::support::files::{World, abstract_name};
use crate::support::raw;
use crate::support::scene::{
    FAMILIES, bound, connecting, join, listener, listener_of, loopback, own_addr, pair, pair_of, port_of, reset,
};
use crate::support::sock::Sock;
use std::sync::Arc;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{Domain, Errno, JoinThread, PollEvents, Protocol, Shutdown, SockFlags, Type};

/// A client of the listener that it has not accepted.
fn unaccepted<E: World>(env: &E) -> (Sock<E>, Sock<E>) {
    let (listener, addr) = listener(env);
    let client = Sock::tcp(env);
    client.connect(&addr).expect("the listener admits a connection");
    (listener, client)
}

conformance! {
    fn lis_01_a_datagram_socket_does_not_listen(env: &E) {
        for socket in [Sock::udp(env), Sock::udp_of(env, Domain::INET6), Sock::unix(env, Type::DGRAM)] {
            assert_eq!(socket.listen(1), Err(Errno::OPNOTSUPP));
        }
    }

    fn lis_02_a_datagram_socket_does_not_accept(env: &E) {
        for socket in [Sock::udp(env), Sock::udp_of(env, Domain::INET6), Sock::unix(env, Type::DGRAM)] {
            assert_eq!(socket.accept().err(), Some(Errno::OPNOTSUPP));
        }
    }

    fn lis_03_a_local_listener_has_a_name(env: &E) {
        for kind in [Type::STREAM, Type::SEQPACKET] {
            let socket = Sock::unix(env, kind);
            assert_eq!(socket.listen(1), Err(Errno::INVAL));
            socket.bind(&abstract_name()).unwrap();
            assert_eq!(socket.listen(1), Ok(()));
        }
    }

    fn lis_04_a_connected_socket_does_not_listen(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            assert_eq!(client.listen(1), Err(Errno::INVAL));
            assert_eq!(server.listen(1), Err(Errno::INVAL));
        }
    }

    fn lis_05_listening_again_changes_the_backlog(env: &E) {
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

    fn lis_06_a_negative_backlog_is_the_largest(env: &E) {
        let (_listener, addr) = listener_of(env, Domain::INET, -1);
        let clients: Vec<_> = (0..20).map(|_| Sock::tcp(env)).collect();
        for client in &clients {
            assert_eq!(client.connect(&addr), Ok(()));
        }
    }

    fn lis_07_only_a_listener_accepts(env: &E) {
        assert_eq!(Sock::tcp(env).accept().err(), Some(Errno::INVAL));
        assert_eq!(bound(env, Domain::INET).0.accept().err(), Some(Errno::INVAL));
        let (client, server) = pair(env);
        assert_eq!(client.accept().err(), Some(Errno::INVAL));
        assert_eq!(server.accept().err(), Some(Errno::INVAL));
    }

    fn lis_08_only_a_local_listener_accepts(env: &E) {
        for kind in [Type::STREAM, Type::SEQPACKET] {
            let socket = Sock::unix(env, kind);
            assert_eq!(socket.accept().err(), Some(Errno::INVAL));
            socket.bind(&abstract_name()).unwrap();
            assert_eq!(socket.accept().err(), Some(Errno::INVAL), "a name is not enough");
            assert_eq!(Sock::unix_pair(env, kind).0.accept().err(), Some(Errno::INVAL));
        }
    }

    fn lis_09_accept_without_a_connection_would_block(env: &E) {
        for family in FAMILIES {
            let (listener, _) = listener_of(env, family, 1);
            listener.set_nonblocking(true);
            assert_eq!(listener.accept().err(), Some(Errno::AGAIN));
        }
    }

    fn lis_10_connections_are_accepted_in_the_order_in_which_they_were_made(env: &E) {
        let (listener, addr) = listener(env);
        let clients: Vec<_> = (0..10).map(|_| Sock::tcp(env)).collect();
        for client in &clients {
            client.connect(&addr).unwrap();
        }
        for client in &clients {
            assert_eq!(listener.accept().unwrap().1, client.name());
        }
    }

    fn lis_11_o_nonblock_is_not_inherited(env: &E) {
        let (listener, addr) = listener(env);
        listener.set_nonblocking(true);
        let _client = { let client = Sock::tcp(env); client.connect(&addr).unwrap(); client };
        listener.wait(PollEvents::IN);
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.nonblocking(), Ok(false));
    }

    fn lis_12_options_are_inherited_at_the_handshake(env: &E) {
        let (listener, addr) = listener(env);
        listener.set(c::IPPROTO_TCP, c::TCP_NODELAY, 1).unwrap();
        listener.set(c::SOL_SOCKET, c::SO_KEEPALIVE, 1).unwrap();
        listener.set_linger(1, 7).unwrap();
        listener.set(c::SOL_SOCKET, c::SO_RCVBUF, 20_000).unwrap();
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        listener.wait(PollEvents::IN);
        listener.set(c::SOL_SOCKET, c::SO_KEEPALIVE, 0).unwrap();
        listener.set(c::SOL_SOCKET, c::SO_OOBINLINE, 1).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.get(c::IPPROTO_TCP, c::TCP_NODELAY), Ok(1));
        assert_eq!(server.get(c::SOL_SOCKET, c::SO_KEEPALIVE), Ok(1), "as it was at the handshake");
        assert_eq!(server.get(c::SOL_SOCKET, c::SO_OOBINLINE), Ok(0), "set too late");
        assert_eq!(server.get(c::SOL_SOCKET, c::SO_RCVBUF), Ok(40_000));
        let linger = server.get_bytes(c::SOL_SOCKET, c::SO_LINGER, 8).unwrap();
        assert_eq!(linger, [1i32.to_ne_bytes(), 7i32.to_ne_bytes()].concat());
    }

    fn lis_13_backlog_plus_one_connections_are_admitted(env: &E) {
        let families = [Domain::INET, Domain::INET6, Domain::UNIX];
        for (family, backlog) in families.into_iter().flat_map(|family| [0, 1, 2, 3, 5].map(|backlog| (family, backlog))) {
            let open = || Sock::open(env, family, Type::STREAM, Protocol::DEFAULT).unwrap();
            let listener = open();
            listener.bind(&if family == Domain::UNIX { abstract_name() } else { loopback(family) }).unwrap();
            listener.listen(backlog).unwrap();
            let addr = listener.name();
            let mut clients = Vec::new();
            for _ in 0..=backlog {
                let client = open();
                assert_eq!(client.connect(&addr), Ok(()), "{family:?}, backlog {backlog}, after {}", clients.len());
                clients.push(client);
            }
            let late = open();
            late.set_nonblocking(true);
            let expected = if family == Domain::UNIX { Errno::AGAIN } else { Errno::INPROGRESS };
            assert_eq!(late.connect(&addr), Err(expected), "{family:?}, backlog {backlog}: one too many");
            let idle = if family == Domain::UNIX { PollEvents::OUT | PollEvents::HUP } else { PollEvents::NONE };
            assert_eq!(late.mask(), idle);
        }
    }

    fn lis_14_a_connection_beyond_the_backlog_gets_in_when_there_is_room(env: &E) {
        let (late, listener, clients, _) = connecting(env);
        let (_first, from) = listener.accept().unwrap();
        assert_eq!(from, clients[0].name());
        late.expect_mask(PollEvents::OUT);
        let (_second, from) = listener.accept().unwrap();
        assert_eq!(from, late.name());
    }

    fn lis_15_data_sent_before_accept_is_readable_after_it(env: &E) {
        for family in FAMILIES {
            let (listener, addr) = listener_of(env, family, 1);
            let client = Sock::tcp_of(env, family);
            client.connect(&addr).unwrap();
            client.send_all(b"early");
            let (server, _) = listener.accept().unwrap();
            assert_eq!(server.recv_exactly(5), b"early");
        }
    }

    fn lis_16_a_connection_closed_before_accept_is_accepted_with_its_data(env: &E) {
        let (listener, addr) = listener(env);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        client.send_all(b"bye");
        client.close().unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.recv_to_end(), b"bye");
    }

    fn lis_17_a_connection_reset_before_accept_is_accepted_and_tells_the_reset(env: &E) {
        let (listener, addr) = listener(env);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        let name = client.name();
        reset(client);
        let (server, from) = listener.accept().unwrap();
        assert_eq!(from, name, "accept still knows who it was");
        server.wait(PollEvents::HUP);
        assert_eq!(server.peer_name(), Err(Errno::NOTCONN));
        assert_eq!(server.recv(1), Err(Errno::CONNRESET));
        assert_eq!(server.recv(1), Ok(vec![]));
    }

    fn lis_18_ending_a_listener_resets_the_connections_in_its_queue(env: &E) {
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

    fn lis_19_closing_a_local_listener_resets_the_connections_in_its_queue(env: &E) {
        for (kind, refusal) in [(Type::STREAM, Errno::PIPE), (Type::SEQPACKET, Errno::CONNRESET)] {
            let orphan = || {
                let listener = Sock::unix(env, kind);
                listener.bind(&abstract_name()).unwrap();
                listener.listen(1).unwrap();
                let client = Sock::unix(env, kind);
                client.connect(&listener.name()).unwrap();
                listener.close().unwrap();
                client
            };
            assert_eq!(orphan().recv(1), Err(Errno::CONNRESET));
            assert_eq!(orphan().send(b"x"), Err(refusal), "{kind:?}");
        }
    }

    fn lis_20_accepted_connections_outlive_their_listener(env: &E) {
        let (listener, addr) = listener(env);
        let (client, server) = join(&listener, Sock::tcp(env), &addr);
        listener.close().unwrap();
        client.send_all(b"x");
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
        assert_eq!(Sock::tcp(env).connect(&addr), Err(Errno::CONNREFUSED));
    }

    fn lis_21_shutting_down_reading_ends_listening(env: &E) {
        for how in [Shutdown::Read, Shutdown::Both] {
            let (chosen, addr) = listener(env);
            assert_eq!(chosen.shutdown(how), Ok(()));
            assert_eq!(chosen.accept().err(), Some(Errno::INVAL));
            assert_eq!(chosen.mask(), PollEvents::OUT | PollEvents::HUP);
            assert_eq!(Sock::tcp(env).connect(&addr), Err(Errno::CONNREFUSED));
            assert_eq!(Sock::tcp(env).bind(&addr), Ok(()), "the port is free");

            let explicit = Sock::tcp(env);
            explicit.bind(&addr).unwrap();
            explicit.listen(1).unwrap();
            assert_eq!(explicit.shutdown(how), Ok(()));
            assert_eq!(Sock::tcp(env).connect(&addr), Err(Errno::CONNREFUSED));
            assert_eq!(Sock::tcp(env).bind(&addr), Err(Errno::ADDRINUSE), "the port is kept");
        }
    }

    fn lis_22_a_listener_that_was_shut_down_listens_again(env: &E) {
        let (chosen, addr) = listener(env);
        chosen.shutdown(Shutdown::Both).unwrap();
        assert_eq!(chosen.listen(1), Ok(()));
        assert_eq!(Sock::tcp(env).connect(&chosen.name()), Ok(()));
        chosen.close().unwrap();
        let explicit = Sock::tcp(env);
        explicit.bind(&own_addr(port_of(&addr))).unwrap();
        let addr = explicit.name();
        explicit.listen(1).unwrap();
        explicit.shutdown(Shutdown::Both).unwrap();
        assert_eq!(explicit.listen(1), Ok(()));
        assert_eq!(Sock::tcp(env).connect(&addr), Ok(()), "at the same place");
    }

    fn lis_23_shutting_down_writing_does_nothing_to_a_listener(env: &E) {
        let (listener, addr) = listener(env);
        assert_eq!(listener.shutdown(Shutdown::Write), Ok(()));
        let (client, server) = join(&listener, Sock::tcp(env), &addr);
        server.send_all(b"x");
        assert_eq!(client.recv(1), Ok(b"x".to_vec()));
    }

    fn lis_24_shutdown_ends_a_waiting_accept(env: &E) {
        for how in [Shutdown::Read, Shutdown::Both] {
            let (listener, _) = listener(env);
            let listener = Arc::new(listener);
            let waiting = Arc::clone(&listener);
            let thread = env.spawn(move || waiting.accept().err());
            assert_eq!(listener.shutdown(how), Ok(()));
            assert_eq!(thread.join().unwrap(), Some(Errno::INVAL));
        }
    }

    fn lis_25_close_does_not_end_a_waiting_accept(env: &E) {
        // Nothing tells when the other thread waits: it is given longer and longer, until the close does not come first.
        for round in 1.. {
            let (listener, addr) = listener(env);
            let number = raw::high_number(&listener);
            listener.close().unwrap();
            let other = env.clone();
            let waiting = env.spawn(move || raw::accept(&other, number));
            env.sleep(Duration::from_millis(10 * round));
            raw::close(env, number).unwrap();
            let client = Sock::tcp(env);
            let connected = client.connect(&addr);
            match waiting.join().unwrap() {
                Ok(server) => {
                    assert_eq!((connected, server.peer_name()), (Ok(()), Ok(client.name())));
                    assert_eq!(Sock::tcp(env).connect(&addr), Err(Errno::CONNREFUSED), "with the call the listener ends");
                    break;
                }
                Err(errno) => assert_eq!((errno, connected), (Errno::BADF, Err(Errno::CONNREFUSED)), "the close came first"),
            }
        }
    }

    fn lis_26_so_acceptconn_is_set_while_listening(env: &E) {
        let (socket, _) = bound(env, Domain::INET);
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_ACCEPTCONN), Ok(0));
        socket.listen(1).unwrap();
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_ACCEPTCONN), Ok(1));
        socket.shutdown(Shutdown::Read).unwrap();
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_ACCEPTCONN), Ok(0));
    }

    fn lis_27_a_listener_neither_sends_nor_receives(env: &E) {
        let (listener, _) = listener(env);
        assert_eq!(listener.recv(1), Err(Errno::NOTCONN));
        assert_eq!(listener.send(b"x"), Err(Errno::PIPE));
        assert_eq!(listener.fionread(), Err(Errno::INVAL));
        assert_eq!(listener.peer_name(), Err(Errno::NOTCONN));
    }

    fn lis_28_a_listener_is_readable_while_a_connection_waits_and_never_writable(env: &E) {
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

    fn lis_29_a_connection_that_ended_early_still_waits(env: &E) {
        let (listener, addr) = listener(env);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        client.close().unwrap();
        listener.expect_mask(PollEvents::IN);
    }

    fn lis_30_two_threads_in_accept_get_a_connection_each(env: &E) {
        let (listener, addr) = listener(env);
        let listener = Arc::new(listener);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let listener = Arc::clone(&listener);
                env.spawn(move || listener.accept().expect("a connection comes").1)
            })
            .collect();
        let clients: Vec<_> = (0..2).map(|_| Sock::tcp(env)).collect();
        for client in &clients {
            client.connect(&addr).unwrap();
        }
        let mut served: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let mut expected: Vec<_> = clients.iter().map(Sock::name).collect();
        served.sort();
        expected.sort();
        assert_eq!(served, expected);
    }

    fn lis_31_so_rcvtimeo_bounds_accept(env: &E) {
        let (listener, _) = listener(env);
        listener.set_timeout(c::SO_RCVTIMEO, 0, 20_000).unwrap();
        let start = env.clock_ticks();
        assert_eq!(listener.accept().err(), Some(Errno::AGAIN));
        assert!(env.clock_ticks().since(start) >= Duration::from_millis(20));
    }

    fn lis_32_accept4_knows_no_other_flag(env: &E) {
        let (listener, addr) = listener(env);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        assert_eq!(listener.accept_with(SockFlags::from_raw(1)).err(), Some(Errno::INVAL));
        assert!(listener.accept().is_ok(), "the connection still waits");
    }

    fn lis_33_accept4_sets_what_it_is_asked_for(env: &E) {
        for (flags, expected) in [
            (0, (false, false)),
            (c::SOCK_NONBLOCK, (true, false)),
            (c::SOCK_CLOEXEC, (false, true)),
            (c::SOCK_NONBLOCK | c::SOCK_CLOEXEC, (true, true)),
        ] {
            let (listener, _client) = unaccepted(env);
            assert_eq!(raw::accepted_modes(&listener, flags), Ok(expected));
        }
        let (listener, _client) = unaccepted(env);
        let (server, _) = listener.accept_with(SockFlags::NONBLOCK).unwrap();
        assert_eq!(server.recv(1), Err(Errno::AGAIN));
    }

    fn lis_34_a_server_serves_one_client_after_another(env: &E) {
        let (listener, addr) = listener(env);
        let server = env.spawn(move || {
            for _ in 0..20 {
                let (connection, _) = listener.accept().expect("a client comes");
                let request = connection.recv_to_end();
                connection.send_all(&request);
            }
        });
        for number in 0..20u8 {
            let client = Sock::tcp(env);
            client.connect(&addr).unwrap();
            client.send_all(&[number]);
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.recv_to_end(), [number]);
        }
        server.join().unwrap();
    }
}
