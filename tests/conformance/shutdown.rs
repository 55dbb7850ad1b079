//! `shutdown(2)`: half of a connection ends, and what each side sees.

use crate::conformance;
use crate::support::scene::{FAMILIES, bound, listener, pair, pair_of, pattern, reset_by_peer, small_pair};
use crate::support::sock::Sock;
use std::sync::Arc;
use twinsock::consts as c;
use twinsock::{Domain, Errno, JoinThread, PollEvents, Shutdown, SocketAddr};

conformance! {
    fn shutdown_needs_a_connection(env: &E) {
        for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
            assert_eq!(Sock::tcp(env).shutdown(how), Err(Errno::NOTCONN));
            assert_eq!(bound(env, Domain::INET).0.shutdown(how), Err(Errno::NOTCONN));
        }
    }

    fn shutdown_without_a_connection_takes_effect_all_the_same(env: &E) {
        let socket = Sock::tcp(env);
        assert_eq!(socket.shutdown(Shutdown::Read), Err(Errno::NOTCONN));
        let all = PollEvents::IN | PollEvents::OUT | PollEvents::HUP | PollEvents::RDHUP;
        assert_eq!(socket.mask(), all);
        assert_eq!(socket.recv(1), Ok(vec![]));
    }

    fn the_bits_of_a_shutdown_survive_connect(env: &E) {
        let (listener, addr) = listener(env);
        let socket = Sock::tcp(env);
        assert_eq!(socket.shutdown(Shutdown::Write), Err(Errno::NOTCONN));
        socket.connect(&addr).unwrap();
        assert_eq!(socket.send(b"x"), Err(Errno::PIPE));
        assert!(listener.accept().is_ok());
        socket.connect(&SocketAddr::Unspec).unwrap();
        assert_eq!(socket.take_error(), Some(Errno::CONNRESET));
        socket.connect(&addr).unwrap();
        assert_eq!(socket.send(b"x"), Ok(1), "dissolving clears them");
    }

    fn shutting_down_writing_ends_the_stream_for_the_peer(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            client.send_all(b"bye");
            assert_eq!(client.shutdown(Shutdown::Write), Ok(()));
            assert_eq!(server.recv_to_end(), b"bye");
            assert_eq!(client.send(b"x"), Err(Errno::PIPE));
            assert_eq!(client.send(b""), Err(Errno::PIPE));
            server.send_all(b"response");
            assert_eq!(client.recv_exactly(8), b"response");
        }
    }

    fn a_request_and_its_answer_end_by_half_close(env: &E) {
        let (client, server) = pair(env);
        let server = env.spawn(move || {
            let request = server.recv_to_end();
            server.send_all(&request.to_ascii_uppercase());
        });
        client.send_all(b"request");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.recv_to_end(), b"REQUEST");
        server.join().unwrap();
    }

    fn data_that_waits_in_the_buffer_goes_before_the_end(env: &E) {
        const BYTES: usize = 300_000;
        let (client, server) = pair(env);
        let writer = env.spawn(move || {
            client.send_all(&pattern(BYTES));
            client.shutdown(Shutdown::Write).unwrap();
            client
        });
        assert!(server.recv_to_end() == pattern(BYTES));
        writer.join().unwrap();
    }

    fn after_shutting_down_reading_what_is_queued_is_still_handed_over(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            client.send_all(b"abc");
            server.wait(PollEvents::IN);
            assert_eq!(server.shutdown(Shutdown::Read), Ok(()));
            assert_eq!(server.recv(9), Ok(b"abc".to_vec()));
            assert_eq!(server.recv(9), Ok(vec![]));
        }
    }

    fn after_shutting_down_reading_what_arrives_later_is_handed_over_too(env: &E) {
        let (client, server) = pair(env);
        server.shutdown(Shutdown::Read).unwrap();
        assert_eq!(server.recv(9), Ok(vec![]));
        client.send_all(b"x");
        server.expect_fionread(1);
        assert_eq!(server.recv(9), Ok(b"x".to_vec()));
        assert_eq!(server.recv(9), Ok(vec![]));
    }

    fn the_peer_does_not_notice_that_reading_was_shut_down(env: &E) {
        let (client, server) = pair(env);
        server.shutdown(Shutdown::Read).unwrap();
        assert_eq!(client.mask(), PollEvents::OUT);
        assert_eq!(client.send(b"x"), Ok(1));
        assert_eq!(client.send(b"x"), Ok(1));
        assert_eq!(client.try_recv(1), Err(Errno::AGAIN));
        server.send_all(b"y");
        assert_eq!(client.recv(1), Ok(b"y".to_vec()));
    }

    fn shutting_down_both_ends_both(env: &E) {
        let (client, server) = pair(env);
        assert_eq!(client.shutdown(Shutdown::Both), Ok(()));
        assert_eq!(client.recv(1), Ok(vec![]));
        assert_eq!(client.send(b"x"), Err(Errno::PIPE));
        assert_eq!(server.recv(1), Ok(vec![]));
    }

    fn a_shutdown_may_be_repeated_while_the_peer_is_open(env: &E) {
        let (client, _server) = pair(env);
        for how in [Shutdown::Read, Shutdown::Read, Shutdown::Write, Shutdown::Write, Shutdown::Both] {
            assert_eq!(client.shutdown(how), Ok(()));
        }
    }

    fn when_both_have_ended_there_is_nothing_to_shut_down(env: &E) {
        let (client, server) = pair(env);
        client.shutdown(Shutdown::Write).unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        client.wait(PollEvents::HUP);
        server.wait(PollEvents::HUP);
        assert_eq!(client.shutdown(Shutdown::Both), Err(Errno::NOTCONN));
        assert_eq!(server.shutdown(Shutdown::Both), Err(Errno::NOTCONN));
        assert_eq!(client.recv(1), Ok(vec![]));
        assert_eq!(server.recv(1), Ok(vec![]));
        assert_eq!(client.peer_name(), Err(Errno::NOTCONN));
    }

    fn a_reset_connection_cannot_be_shut_down(env: &E) {
        let socket = reset_by_peer(env);
        assert_eq!(socket.shutdown(Shutdown::Write), Err(Errno::NOTCONN));
    }

    fn unread_data_does_not_turn_shutdown_into_a_reset(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"unread");
        server.wait(PollEvents::IN);
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.recv(1), Ok(vec![]));
        assert_eq!(server.recv(9), Ok(b"unread".to_vec()));
    }

    fn data_for_a_socket_that_was_shut_down_both_ways_is_answered_by_a_reset(env: &E) {
        let (client, server) = pair(env);
        server.shutdown(Shutdown::Both).unwrap();
        client.wait(PollEvents::RDHUP);
        assert_eq!(client.send(b"x"), Ok(1));
        client.wait(PollEvents::HUP);
        assert_eq!(client.send(b"x"), Err(Errno::PIPE));
        assert_eq!(server.take_error(), Some(Errno::CONNRESET));
    }

    fn shutting_down_reading_wakes_a_waiting_recv(env: &E) {
        for how in [Shutdown::Read, Shutdown::Both] {
            let (_client, server) = pair(env);
            let server = Arc::new(server);
            let waiting = Arc::clone(&server);
            let reader = env.spawn(move || waiting.recv(1));
            server.shutdown(how).unwrap();
            assert_eq!(reader.join().unwrap(), Ok(vec![]));
        }
    }

    fn shutting_down_writing_wakes_a_waiting_send(env: &E) {
        let (client, _server) = small_pair(env);
        let client = Arc::new(client);
        let waiting = Arc::clone(&client);
        let writer = env.spawn(move || {
            let first = waiting.send(&pattern(1 << 20));
            (first, waiting.send(b"x"))
        });
        // Not before the writer has something in the buffer.
        client.wait_for("the writer to queue something", |client| client.outq() != Ok(0));
        client.shutdown(Shutdown::Write).unwrap();
        let (first, second) = writer.join().unwrap();
        assert!(first.is_ok_and(|part| (1..1 << 20).contains(&part)), "the part that was queued");
        assert_eq!(second, Err(Errno::PIPE));
    }

    fn tcp_info_tells_the_state(env: &E) {
        const ESTABLISHED: u8 = 1;
        const CLOSE: u8 = 7;
        const CLOSE_WAIT: u8 = 8;
        const LISTEN: u8 = 10;
        let state = |socket: &Sock<E>| socket.get_bytes(c::IPPROTO_TCP, c::TCP_INFO, 1).unwrap()[0];
        assert_eq!(state(&Sock::tcp(env)), CLOSE);
        assert_eq!(state(&listener(env).0), LISTEN);
        let (client, server) = pair(env);
        assert_eq!(state(&client), ESTABLISHED);
        assert_eq!(state(&server), ESTABLISHED);
        client.close().unwrap();
        server.wait(PollEvents::RDHUP);
        assert_eq!(state(&server), CLOSE_WAIT);
    }
}
