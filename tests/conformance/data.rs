//! `send(2)` and `recv(2)` on a connection: bytes, their order, their end, and the errors in between.

use crate::conformance;
use crate::support::scene::{FAMILIES, fill, join, listener, pair, pair_of, pattern, reset, reset_by_peer, small_pair};
use crate::support::sock::Sock;
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;
use twinsock::consts as c;
use twinsock::{Errno, JoinThread, MsgFlags, PollEvents, Shutdown, SocketAddr};

/// More than the buffers of a connection hold, whatever their size.
const LARGE_BYTES: usize = 12 << 20;

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

    fn a_stream_has_no_record_boundaries(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"ab");
        client.send_all(b"cd");
        assert_eq!(server.recv_with(4, MsgFlags::WAITALL), Ok(b"abcd".to_vec()));
        client.send_all(b"hello");
        server.wait(PollEvents::IN);
        assert_eq!(server.recv(3), Ok(b"hel".to_vec()), "the rest stays");
        assert_eq!(server.recv(9), Ok(b"lo".to_vec()));
    }

    fn nothing_sent_is_nothing_received(env: &E) {
        let (client, server) = pair(env);
        assert_eq!(client.send(b""), Ok(0));
        assert_eq!(server.mask(), PollEvents::OUT);
        assert_eq!(server.try_recv(1), Err(Errno::AGAIN));
    }

    fn recv_of_no_bytes_waits_for_data_and_takes_none(env: &E) {
        let (client, server) = pair(env);
        assert_eq!(server.try_recv(0), Err(Errno::AGAIN));
        client.send_all(b"x");
        assert_eq!(server.recv(0), Ok(vec![]));
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
    }

    fn msg_dontwait_is_for_one_call(env: &E) {
        let (_client, server) = pair(env);
        assert_eq!(server.recv_with(1, MsgFlags::DONTWAIT), Err(Errno::AGAIN));
        assert_eq!(server.nonblocking(), Ok(false));
    }

    fn msg_peek_leaves_the_bytes(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"ab");
        assert_eq!(server.recv_with(9, MsgFlags::PEEK), Ok(b"ab".to_vec()));
        client.send_all(b"cd");
        let peek_all = MsgFlags::PEEK | MsgFlags::WAITALL;
        assert_eq!(server.recv_with(4, peek_all), Ok(b"abcd".to_vec()), "across segments");
        assert_eq!(server.recv_exactly(4), b"abcd");
        assert_eq!(server.try_recv(1), Err(Errno::AGAIN));
    }

    fn msg_peek_at_the_end_is_the_end(env: &E) {
        let (client, server) = pair(env);
        client.close().unwrap();
        for _ in 0..2 {
            assert_eq!(server.recv_with(1, MsgFlags::PEEK), Ok(vec![]));
        }
        assert_eq!(server.recv(1), Ok(vec![]));
    }

    fn msg_trunc_discards_the_bytes(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"abcdef");
        server.wait(PollEvents::IN);
        let mut untouched = *b"....";
        assert_eq!(server.recv_into(&mut untouched, MsgFlags::TRUNC), Ok(4));
        assert_eq!(&untouched, b"....");
        assert_eq!(server.recv(9), Ok(b"ef".to_vec()));
    }

    fn msg_waitall_waits_for_the_full_length(env: &E) {
        let (client, server) = pair(env);
        let reader = env.spawn(move || server.recv_with(4, MsgFlags::WAITALL));
        client.send_all(b"ab");
        client.send_all(b"cd");
        assert_eq!(reader.join().unwrap(), Ok(b"abcd".to_vec()));
    }

    fn msg_waitall_ends_early_at_the_end_of_the_stream(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"ab");
        client.close().unwrap();
        assert_eq!(server.recv_with(4, MsgFlags::WAITALL), Ok(b"ab".to_vec()));
        assert_eq!(server.recv_with(4, MsgFlags::WAITALL), Ok(vec![]));
    }

    fn msg_waitall_ends_early_at_a_reset_which_the_next_call_tells(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"ab");
        reset(client);
        assert_eq!(server.recv_with(4, MsgFlags::WAITALL), Ok(b"ab".to_vec()));
        assert_eq!(server.recv(1), Err(Errno::CONNRESET));
    }

    fn msg_waitall_with_msg_dontwait_takes_what_is_there(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"ab");
        server.wait(PollEvents::IN);
        assert_eq!(server.recv_with(4, MsgFlags::WAITALL | MsgFlags::DONTWAIT), Ok(b"ab".to_vec()));
    }

    fn the_error_queue_is_empty_and_does_not_block(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"x");
        server.wait(PollEvents::IN);
        assert_eq!(server.recv_with(1, MsgFlags::ERRQUEUE), Err(Errno::AGAIN));
    }

    fn a_stream_names_no_sender(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"x");
        assert_eq!(server.recv_from(9), Ok((b"x".to_vec(), SocketAddr::Unspec)));
    }

    fn a_destination_is_ignored_on_a_connection(env: &E) {
        let (client, server) = pair(env);
        let (_elsewhere, addr) = listener(env);
        assert_eq!(client.send_to(b"x", &addr), Ok(1));
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
    }

    fn a_destination_does_not_connect(env: &E) {
        let (_elsewhere, addr) = listener(env);
        let socket = Sock::tcp(env);
        assert_eq!(socket.send_to(b"x", &addr), Err(Errno::PIPE));
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

    fn fionread_counts_the_unread_bytes(env: &E) {
        let (client, server) = pair(env);
        assert_eq!(server.fionread(), Ok(0));
        client.send_all(b"hello");
        server.wait(PollEvents::IN);
        assert_eq!(server.fionread(), Ok(5));
        server.recv(2).unwrap();
        assert_eq!(server.fionread(), Ok(3));
    }

    fn the_end_of_the_stream_comes_after_the_data_and_stays(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            client.send_all(b"last words");
            client.close().unwrap();
            assert_eq!(server.recv_exactly(10), b"last words");
            for _ in 0..3 {
                assert_eq!(server.recv(1), Ok(vec![]));
            }
        }
    }

    fn data_before_rst_is_readable(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            client.send_all(b"data");
            reset(client);
            server.wait(PollEvents::HUP);
            assert_eq!(server.recv(9), Ok(b"data".to_vec()));
            assert_eq!(server.recv(9), Err(Errno::CONNRESET));
            assert_eq!(server.recv(9), Ok(vec![]));
        }
    }

    fn a_reset_is_told_once_by_whoever_asks_first(env: &E) {
        let receiver = reset_by_peer(env);
        assert_eq!(receiver.recv(1), Err(Errno::CONNRESET));
        assert_eq!(receiver.recv(1), Ok(vec![]));
        assert_eq!(receiver.send(b"x"), Err(Errno::PIPE));

        let sender = reset_by_peer(env);
        assert_eq!(sender.send(b"x"), Err(Errno::CONNRESET));
        assert_eq!(sender.send(b"x"), Err(Errno::PIPE));
        assert_eq!(sender.recv(1), Ok(vec![]));

        let asked = reset_by_peer(env);
        assert_eq!(asked.take_error(), Some(Errno::CONNRESET));
        assert_eq!(asked.take_error(), None);
        assert_eq!(asked.recv(1), Ok(vec![]));

        let peeked = reset_by_peer(env);
        assert_eq!(peeked.recv_with(1, MsgFlags::PEEK), Err(Errno::CONNRESET));
        assert_eq!(peeked.recv(1), Ok(vec![]));

        let nothing_sent = reset_by_peer(env);
        assert_eq!(nothing_sent.send(b""), Err(Errno::CONNRESET));
        assert_eq!(nothing_sent.recv(1), Ok(vec![]));
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

    fn a_pending_reset_goes_before_sending_and_behind_reading(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"d");
        reset(client);
        server.wait(PollEvents::HUP);
        assert_eq!(server.send(b"x"), Err(Errno::CONNRESET));
        assert_eq!(server.recv(1), Ok(b"d".to_vec()));
        assert_eq!(server.recv(1), Ok(vec![]));
    }

    fn the_first_send_to_a_closed_peer_succeeds_and_the_second_does_not(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            server.close().unwrap();
            client.wait(PollEvents::RDHUP);
            assert_eq!(client.send(b"1"), Ok(1));
            client.wait(PollEvents::HUP);
            assert_eq!(client.send(b"2"), Err(Errno::PIPE));
            assert_eq!(client.recv(1), Ok(vec![]), "the end of the stream, not a reset");
        }
    }

    fn a_reset_after_the_end_is_epipe(env: &E) {
        let (client, server) = pair(env);
        server.close().unwrap();
        client.wait(PollEvents::RDHUP);
        assert_eq!(client.send(b"1"), Ok(1));
        client.wait(PollEvents::HUP);
        assert_eq!(client.recv(1), Ok(vec![]));
        assert_eq!(client.take_error(), Some(Errno::PIPE));
        assert_eq!(client.take_error(), None);
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

    fn a_blocking_send_returns_when_all_is_queued(env: &E) {
        let (client, server) = pair(env);
        let writer = env.spawn(move || client.send(&pattern(LARGE_BYTES)));
        assert!(server.recv_to_end() == pattern(LARGE_BYTES), "no byte is lost, changed or made up");
        assert_eq!(writer.join().unwrap(), Ok(LARGE_BYTES));
    }

    fn a_blocking_send_that_the_peer_cuts_short_returns_its_part(env: &E) {
        let (client, server) = small_pair(env);
        let writer = env.spawn(move || {
            let first = client.send(&pattern(LARGE_BYTES));
            (first, client.send(b"x"), client.send(b"x"))
        });
        assert_eq!(server.recv_exactly(5000), pattern(5000));
        reset(server);
        let (first, second, third) = writer.join().unwrap();
        let part = first.expect("a part was queued before the reset");
        assert!((5000..LARGE_BYTES).contains(&part));
        assert_eq!((second, third), (Err(Errno::CONNRESET), Err(Errno::PIPE)));
    }

    fn both_directions_are_independent(env: &E) {
        const EACH_BYTES: usize = 1 << 20;
        let (client, server) = small_pair(env);
        let run = |socket: Sock<E>| {
            let socket = Arc::new(socket);
            let writer = Arc::clone(&socket);
            let writer = env.spawn(move || writer.send_all(&pattern(EACH_BYTES)));
            let reader = env.spawn(move || socket.recv_exactly(EACH_BYTES) == pattern(EACH_BYTES));
            (writer, reader)
        };
        let ends = [run(client), run(server)];
        for (writer, reader) in ends {
            writer.join().unwrap();
            assert!(reader.join().unwrap(), "no byte is lost, changed or made up");
        }
    }

    fn two_readers_share_a_stream_without_loss(env: &E) {
        let (client, server) = pair(env);
        let server = Arc::new(server);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let server = Arc::clone(&server);
                env.spawn(move || server.recv_to_end())
            })
            .collect();
        for number in 0..100u8 {
            client.send_all(&[number]);
        }
        client.close().unwrap();
        let mut all: Vec<u8> = readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<u8>>());
    }

    fn a_waiting_recv_is_woken_by_data_end_and_reset(env: &E) {
        let wake = |act: fn(Sock<E>)| {
            let (client, server) = pair(env);
            let reader = env.spawn(move || server.recv(9));
            act(client);
            reader.join().unwrap()
        };
        assert_eq!(wake(|client| client.send_all(b"x")), Ok(b"x".to_vec()));
        assert_eq!(wake(|client| client.shutdown(Shutdown::Write).unwrap()), Ok(vec![]));
        assert_eq!(wake(|client| client.close().unwrap()), Ok(vec![]));
        assert_eq!(wake(reset), Err(Errno::CONNRESET));
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

    fn msg_more_holds_a_part_until_the_rest_comes(env: &E) {
        let (client, server) = pair(env);
        assert_eq!(client.send_with(b"ab", MsgFlags::MORE), Ok(2));
        client.send_all(b"cd");
        server.wait(PollEvents::IN);
        assert_eq!(server.recv(9), Ok(b"abcd".to_vec()));
    }

    fn tcp_cork_holds_small_segments_until_it_is_pulled(env: &E) {
        let (client, server) = pair(env);
        client.set(c::IPPROTO_TCP, c::TCP_CORK, 1).unwrap();
        client.send_all(b"ab");
        client.send_all(b"cd");
        client.set(c::IPPROTO_TCP, c::TCP_CORK, 0).unwrap();
        server.wait(PollEvents::IN);
        assert_eq!(server.recv(9), Ok(b"abcd".to_vec()));
    }

    fn what_is_corked_is_sent_by_shutdown(env: &E) {
        let (client, server) = pair(env);
        client.set(c::IPPROTO_TCP, c::TCP_CORK, 1).unwrap();
        client.send_all(b"ab");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(server.recv_to_end(), b"ab");
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
}
