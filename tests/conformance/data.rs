//! `send(2)` and `recv(2)` on a connection: bytes, their order, their end, and the errors in between.

use crate::conformance;
use crate::support::scene::{FAMILIES, fill, join, listener, pair, pair_of, pattern, reset, reset_by_peer, small_pair};
use crate::support::wait::Waiting;
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;
use twinsock::consts as c;
use twinsock::{Errno, JoinThread, MsgFlags, PollEvents, Shutdown, SocketAddr};

conformance! {
    fn bytes_arrive_in_order(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            for part in [&b"a"[..], b"bc", b"def"] {
                assert_eq!(client.send(part), Ok(part.len()));
            }
            assert_eq!(server.recv_exactly(6), b"abcdef");
            server.send_all(b"back");
            assert_eq!(client.recv_exactly(4), b"back");
        }
    }

    fn msg_waitall_ends_early_at_a_reset_which_the_next_call_tells(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"ab");
        reset(client);
        assert_eq!(server.recv_with(4, MsgFlags::WAITALL), Ok(b"ab".to_vec()));
        assert_eq!(server.recv(1), Err(Errno::CONNRESET));
    }

    fn buffers_are_gathered_and_scattered_in_order(env: &E) {
        let (client, server) = pair(env);
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        assert_eq!(client.send_vectored(&parts), Ok(5));
        server.wait(PollEvents::IN);
        let (mut first, mut second) = ([0; 1], [0; 9]);
        let mut room = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut []), IoSliceMut::new(&mut second)];
        let received = server.recv_vectored(&mut room).unwrap();
        assert_eq!((received.len, received.addr, received.flags), (5, SocketAddr::Unspec, MsgFlags::NONE));
        assert_eq!((&first[..], &second[..4]), (&b"a"[..], &b"bcde"[..]));
    }

    fn a_pending_error_survives_calls_that_do_not_ask_for_it(env: &E) {
        let socket = reset_by_peer(env);
        socket.mask();
        assert_eq!(socket.peer_name(), Err(Errno::NOTCONN));
        assert_eq!(socket.shutdown(Shutdown::Both), Err(Errno::NOTCONN));
        assert_eq!(socket.accept().err(), Some(Errno::INVAL));
        assert_eq!(socket.listen(1), Err(Errno::INVAL));
        assert_eq!(socket.connect(&socket.name()), Err(Errno::ISCONN));
        assert_eq!(socket.fionread(), Ok(0));
        assert_eq!(socket.recv_with(1, MsgFlags::ERRQUEUE), Err(Errno::AGAIN));
        assert_eq!(socket.take_error(), Some(Errno::CONNRESET));
    }

    fn a_dead_connection_stays_connected_until_it_is_dissolved(env: &E) {
        let socket = reset_by_peer(env);
        let (listener, addr) = listener(env);
        assert_eq!(socket.take_error(), Some(Errno::CONNRESET));
        assert_eq!(socket.connect(&addr), Err(Errno::ISCONN));
        assert_eq!(socket.connect(&SocketAddr::Unspec), Ok(()));
        join(&listener, socket, &addr);
    }

    fn a_full_buffer_would_block(env: &E) {
        let (client, server) = small_pair(env);
        let sent = fill(&client);
        assert!(!sent.is_empty());
        assert_eq!(client.send_with(b"x", MsgFlags::DONTWAIT), Err(Errno::AGAIN));
        assert_eq!(server.recv_exactly(sent.len()), sent);
        client.wait(PollEvents::OUT);
        assert_eq!(client.send_with(b"x", MsgFlags::DONTWAIT), Ok(1));
        assert_eq!(server.recv(9), Ok(b"x".to_vec()));
    }

    fn so_rcvlowat_makes_poll_and_recv_wait(env: &E) {
        let (client, server) = pair(env);
        server.set(c::SOL_SOCKET, c::SO_RCVLOWAT, 4).unwrap();
        client.send_all(b"abc");
        server.expect_fionread(3);
        assert_eq!(server.mask(), PollEvents::OUT, "three bytes are not enough");
        let reader = env.spawn(move || server.recv(9));
        // As many again: a reader that waits has taken the first three, and Linux wakes it by the next four.
        client.send_all(b"defg");
        assert_eq!(reader.join().unwrap(), Ok(b"abcdefg".to_vec()));
    }

    fn so_rcvlowat_does_not_bind_a_nonblocking_recv(env: &E) {
        let (client, server) = pair(env);
        server.set(c::SOL_SOCKET, c::SO_RCVLOWAT, 4).unwrap();
        client.send_all(b"abc");
        server.expect_fionread(3);
        assert_eq!(server.try_recv(9), Ok(b"abc".to_vec()));
    }

    fn what_is_corked_is_sent_by_shutdown(env: &E) {
        let (client, server) = pair(env);
        client.set(c::IPPROTO_TCP, c::TCP_CORK, 1).unwrap();
        client.send_all(b"ab");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(server.recv_to_end(), b"ab");
    }

    fn what_comes_after_msg_eor_is_not_held_with_what_came_before(env: &E) {
        let (client, server) = pair(env);
        client.set(c::IPPROTO_TCP, c::TCP_CORK, 1).unwrap();
        assert_eq!(client.send(b"a"), Ok(1));
        assert_eq!(client.send_with(b"b", MsgFlags::EOR), Ok(1));
        assert_eq!(server.try_recv(9), Err(Errno::AGAIN));
        assert_eq!(client.send(b"c"), Ok(1));
        assert_eq!(server.recv(9), Ok(b"ab".to_vec()));
        assert_eq!(server.try_recv(9), Err(Errno::AGAIN));
        client.set(c::IPPROTO_TCP, c::TCP_CORK, 0).unwrap();
        assert_eq!(server.recv(9), Ok(b"c".to_vec()));
    }

    fn nagle_holds_a_small_segment_no_longer_than_its_predecessor_is_unacknowledged(env: &E) {
        let (client, server) = pair(env);
        for round in 0..3u8 {
            client.send_all(&[round]);
            client.send_all(&[round + 100]);
            assert_eq!(server.recv_exactly(2), [round, round + 100]);
            server.send_all(&[round]);
            assert_eq!(client.recv_exactly(1), [round]);
        }
    }

    fn with_tcp_nodelay_no_segment_waits_for_another(env: &E) {
        let (client, server) = pair(env);
        client.set(c::IPPROTO_TCP, c::TCP_NODELAY, 1).unwrap();
        server.set(c::IPPROTO_TCP, c::TCP_NODELAY, 1).unwrap();
        for round in 0..10 {
            client.send_all(b"ab");
            client.send_all(b"cd");
            server.expect_fionread(4);
            assert_eq!(server.recv_exactly(4), b"abcd", "round {round}");
            server.send_all(b"ef");
            server.send_all(b"gh");
            assert_eq!(client.recv_exactly(4), b"efgh");
        }
    }

    fn every_size_of_send_arrives_whole(env: &E) {
        let (client, server) = pair(env);
        for size in [1, 2, 63, 64, 65, 1447, 1448, 1449, 4095, 4096, 65_535, 65_536, 65_537, 200_000] {
            client.send_all(&pattern(size));
            assert!(server.recv_exactly(size) == pattern(size), "{size} bytes");
        }
    }

    fn a_receive_waits_for_what_so_rcvlowat_was_when_it_began(env: &E) {
        let (client, server) = pair(env);
        let server = Arc::new(server);
        server.set(c::SOL_SOCKET, c::SO_RCVLOWAT, 4).unwrap();
        let reader = Waiting::begun(env, { let server = server.clone(); move || server.recv(9) });
        client.send_all(b"ab");
        server.set(c::SOL_SOCKET, c::SO_RCVLOWAT, 1).unwrap();
        client.send_all(b"c");
        client.send_all(b"d");
        assert_eq!(reader.answer(), Ok(b"abcd".to_vec()));
    }
}
