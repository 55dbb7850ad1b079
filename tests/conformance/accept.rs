//! `accept(2)`: what comes out of the queue, and in which state.

use crate::conformance;
use crate::support::scene::{FAMILIES, bound, join, listener, listener_of, pair, reset};
use crate::support::sock::Sock;
use std::sync::Arc;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{Domain, Errno, JoinThread, PollEvents, Shutdown, SockFlags};

conformance! {
    fn accept_without_a_connection_would_block(env: &E) {
        for family in FAMILIES {
            let (listener, _) = listener_of(env, family, 1);
            listener.set_nonblocking(true);
            assert_eq!(listener.accept().err(), Some(Errno::AGAIN));
        }
    }

    fn only_a_listener_accepts(env: &E) {
        assert_eq!(Sock::tcp(env).accept().err(), Some(Errno::INVAL));
        assert_eq!(bound(env, Domain::INET).0.accept().err(), Some(Errno::INVAL));
        let (client, server) = pair(env);
        assert_eq!(client.accept().err(), Some(Errno::INVAL));
        assert_eq!(server.accept().err(), Some(Errno::INVAL));
    }

    fn connections_are_accepted_in_the_order_in_which_they_were_made(env: &E) {
        let (listener, addr) = listener(env);
        let clients: Vec<_> = (0..10).map(|_| Sock::tcp(env)).collect();
        for client in &clients {
            client.connect(&addr).unwrap();
        }
        for client in &clients {
            assert_eq!(listener.accept().unwrap().1, client.name());
        }
    }

    fn o_nonblock_is_not_inherited(env: &E) {
        let (listener, addr) = listener(env);
        listener.set_nonblocking(true);
        let _client = { let client = Sock::tcp(env); client.connect(&addr).unwrap(); client };
        listener.wait(PollEvents::IN);
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.nonblocking(), Ok(false));
    }

    fn accept4_gives_o_nonblock_when_asked(env: &E) {
        let (listener, addr) = listener(env);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        let (server, _) = listener.accept_with(SockFlags::NONBLOCK).unwrap();
        assert_eq!(server.nonblocking(), Ok(true));
        assert_eq!(server.recv(1), Err(Errno::AGAIN));
    }

    fn accept4_knows_no_other_flag(env: &E) {
        let (listener, addr) = listener(env);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        assert_eq!(listener.accept_with(SockFlags::from_raw(1)).err(), Some(Errno::INVAL));
        assert!(listener.accept().is_ok(), "the connection still waits");
    }

    fn data_sent_before_accept_is_readable_after_it(env: &E) {
        for family in FAMILIES {
            let (listener, addr) = listener_of(env, family, 1);
            let client = Sock::tcp_of(env, family);
            client.connect(&addr).unwrap();
            client.send_all(b"early");
            let (server, _) = listener.accept().unwrap();
            assert_eq!(server.recv_exactly(5), b"early");
        }
    }

    fn a_connection_closed_before_accept_is_accepted_with_its_data(env: &E) {
        let (listener, addr) = listener(env);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        client.send_all(b"bye");
        client.close().unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.recv_to_end(), b"bye");
    }

    fn a_connection_reset_before_accept_is_accepted_and_tells_the_reset(env: &E) {
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

    fn a_connection_that_died_in_the_queue_keeps_its_place(env: &E) {
        let (listener, addr) = listener_of(env, Domain::INET, 0);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        reset(client);
        let late = Sock::tcp(env);
        late.set_nonblocking(true);
        assert_eq!(late.connect(&addr), Err(Errno::INPROGRESS));
        assert_eq!(late.mask(), PollEvents::NONE);
        assert!(listener.accept().is_ok());
    }

    fn so_rcvtimeo_bounds_accept(env: &E) {
        let (listener, _) = listener(env);
        listener.set_timeout(c::SO_RCVTIMEO, 0, 20_000).unwrap();
        let start = env.now();
        assert_eq!(listener.accept().err(), Some(Errno::AGAIN));
        assert!(env.now().since(start) >= Duration::from_millis(20));
    }

    fn two_threads_in_accept_get_a_connection_each(env: &E) {
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

    fn shutdown_ends_a_waiting_accept(env: &E) {
        for how in [Shutdown::Read, Shutdown::Both] {
            let (listener, _) = listener(env);
            let listener = Arc::new(listener);
            let waiting = Arc::clone(&listener);
            let thread = env.spawn(move || waiting.accept().err());
            assert_eq!(listener.shutdown(how), Ok(()));
            assert_eq!(thread.join().unwrap(), Some(Errno::INVAL));
        }
    }

    fn a_shut_down_socket_that_listens_gives_shut_down_connections(env: &E) {
        let (socket, addr) = bound(env, Domain::INET);
        assert_eq!(socket.shutdown(Shutdown::Write), Err(Errno::NOTCONN), "and yet it takes effect");
        socket.listen(1).unwrap();
        let (_client, server) = join(&socket, Sock::tcp(env), &addr);
        assert_eq!(server.send(b"x"), Err(Errno::PIPE));
    }
}
