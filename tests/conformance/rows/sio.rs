//! SIO: what `send(2)` and `recv(2)` do to a stream: parts of messages, flags, ends and errors. What wakes a call that waits, and loss,
//! is in `sio_waits.rs`.

use crate::conformance;
use crate::support::files::Dir;
use crate::support::raw;
use crate::support::scene::{FAMILIES, fill, listener, pair, pair_of, pattern, reset, reset_by_peer, small_pair};
use crate::support::sock::Sock;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{Errno, MsgFlags, PollEvents, SocketAddr, Type};

conformance! {
    fn sio_01_two_sends_may_be_read_by_one_recv(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"ab");
        client.send_all(b"cd");
        server.expect_fionread(4);
        assert_eq!(server.recv(9), Ok(b"abcd".to_vec()));
    }

    fn sio_02_recv_takes_what_is_there_and_leaves_what_has_no_room(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"hello");
        assert_eq!(server.recv(3), Ok(b"hel".to_vec()));
        assert_eq!(server.recv(9), Ok(b"lo".to_vec()));
    }

    fn sio_03_recv_of_no_bytes_waits_for_data(env: &E) {
        let (_client, tcp) = pair(env);
        let (_peer, local) = Sock::unix_pair(env, Type::STREAM);
        for socket in [tcp, local] {
            socket.set_nonblocking(true);
            assert_eq!(socket.recv(0), Err(Errno::AGAIN));
        }
    }

    fn sio_04_recv_of_no_bytes_takes_none(env: &E) {
        for (client, server) in [pair(env), Sock::unix_pair(env, Type::STREAM)] {
            client.send_all(b"x");
            assert_eq!(server.recv(0), Ok(vec![]));
            assert_eq!(server.recv(1), Ok(b"x".to_vec()));
        }
    }

    fn sio_05_read_of_no_bytes_asks_for_nothing(env: &E) {
        assert_eq!(raw::read_nothing(&Sock::tcp(env)), Ok(0), "although it has no connection");
        assert_eq!(raw::read_nothing(&listener(env).0), Ok(0));
        assert_eq!(raw::read_nothing(&pair(env).0), Ok(0), "although nothing has come");
        assert_eq!(raw::read_nothing(&reset_by_peer(env)), Ok(0));
    }

    fn sio_06_send_of_no_bytes_sends_nothing(env: &E) {
        for (client, server) in [pair(env), Sock::unix_pair(env, Type::STREAM)] {
            assert_eq!(client.send(b""), Ok(0));
            assert_eq!(server.mask(), PollEvents::OUT);
            assert_eq!(server.try_recv(1), Err(Errno::AGAIN));
        }
    }

    fn sio_07_send_of_no_bytes_needs_a_connection(env: &E) {
        assert_eq!(Sock::tcp(env).send(b""), Err(Errno::PIPE));
        let (local, peer) = Sock::unix_pair(env, Type::STREAM);
        peer.close().unwrap();
        assert_eq!(local.send(b""), Err(Errno::PIPE));
    }

    fn sio_08_recv_needs_a_connection(env: &E) {
        for family in FAMILIES {
            assert_eq!(Sock::tcp_of(env, family).recv(1), Err(Errno::NOTCONN));
        }
    }

    fn sio_09_recv_on_a_local_stream_without_a_connection_is_invalid(env: &E) {
        assert_eq!(Sock::unix(env, Type::STREAM).recv(1), Err(Errno::INVAL));
    }

    fn sio_10_send_needs_a_peer(env: &E) {
        assert_eq!(Sock::tcp(env).send(b"x"), Err(Errno::PIPE));
        assert_eq!(Sock::unix(env, Type::STREAM).send(b"x"), Err(Errno::NOTCONN));
        assert_eq!(Sock::udp(env).send(b"x"), Err(Errno::DESTADDRREQ));
        assert_eq!(Sock::unix(env, Type::DGRAM).send(b"x"), Err(Errno::NOTCONN));
    }

    fn sio_11_a_destination_is_ignored_on_a_connection(env: &E) {
        let (client, server) = pair(env);
        let (elsewhere, addr) = listener(env);
        assert_eq!(client.send_to(b"x", &addr), Ok(1));
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
        assert_eq!(elsewhere.mask(), PollEvents::NONE);
    }

    fn sio_12_a_destination_does_not_connect(env: &E) {
        let (elsewhere, addr) = listener(env);
        assert_eq!(Sock::tcp(env).send_to(b"x", &addr), Err(Errno::PIPE));
        assert_eq!(elsewhere.mask(), PollEvents::NONE);
    }

    fn sio_13_a_local_stream_takes_no_destination(env: &E) {
        let dir = Dir::new(env);
        let listener = Sock::unix(env, Type::STREAM);
        listener.bind(&dir.addr("s")).unwrap();
        listener.listen(1).unwrap();
        let client = Sock::unix(env, Type::STREAM);
        client.connect(&dir.addr("s")).unwrap();
        assert_eq!(client.send_to(b"x", &dir.addr("s")), Err(Errno::ISCONN));
        assert_eq!(Sock::unix(env, Type::STREAM).send_to(b"x", &dir.addr("s")), Err(Errno::OPNOTSUPP));
    }

    fn sio_14_a_tcp_stream_names_no_sender(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"x");
        assert_eq!(server.recv_from(9), Ok((b"x".to_vec(), SocketAddr::Unspec)));
    }

    fn sio_15_a_local_stream_names_a_sender_that_has_a_name(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        a.send(b"x").unwrap();
        assert_eq!(b.recv_from(9), Ok((b"x".to_vec(), SocketAddr::Unspec)));
        let dir = Dir::new(env);
        a.bind(&dir.addr("a")).unwrap();
        a.send(b"y").unwrap();
        assert_eq!(b.recv_from(9), Ok((b"y".to_vec(), dir.addr("a"))));
    }

    fn sio_16_the_end_comes_after_the_data_and_stays(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            client.send_all(b"z");
            client.close().unwrap();
            assert_eq!(server.recv(9), Ok(b"z".to_vec()));
            for _ in 0..3 {
                assert_eq!(server.recv(9), Ok(vec![]));
            }
        }
    }

    fn sio_17_a_nonblocking_recv_without_data_would_block(env: &E) {
        let pairs = [pair_of(env, FAMILIES[0]), pair_of(env, FAMILIES[1]), Sock::unix_pair(env, Type::STREAM)];
        for (client, server) in pairs {
            server.set_nonblocking(true);
            assert_eq!(server.recv(1), Err(Errno::AGAIN));
            assert_eq!(server.recv_with(4, MsgFlags::WAITALL), Err(Errno::AGAIN));
            client.send_all(b"ab");
            server.wait(PollEvents::IN);
            assert_eq!(server.recv_with(4, MsgFlags::WAITALL), Ok(b"ab".to_vec()), "what is there");
        }
    }

    fn sio_18_a_nonblocking_send_takes_a_part_and_then_would_block(env: &E) {
        for (client, server) in [small_pair(env), Sock::unix_pair(env, Type::STREAM)] {
            client.set_nonblocking(true);
            let data = pattern(1 << 20);
            let mut sent = client.send(&data).expect("a part fits");
            assert!((1..data.len()).contains(&sent));
            let errno = loop {
                match client.send(&data[sent..]) {
                    Ok(more) => sent += more,
                    Err(errno) => break errno,
                }
            };
            assert_eq!(errno, Errno::AGAIN);
            assert_eq!(server.recv_exactly(sent), data[..sent]);
        }
    }

    fn sio_21_msg_peek_leaves_the_bytes_and_sees_more_when_more_has_come(env: &E) {
        for (client, server) in [pair(env), Sock::unix_pair(env, Type::STREAM)] {
            client.send_all(b"ab");
            assert_eq!(server.recv_with(9, MsgFlags::PEEK), Ok(b"ab".to_vec()));
            client.send_all(b"cd");
            server.expect_fionread(4);
            for _ in 0..2 {
                assert_eq!(server.recv_with(9, MsgFlags::PEEK), Ok(b"abcd".to_vec()));
            }
            assert_eq!(server.recv(9), Ok(b"abcd".to_vec()));
            assert_eq!(server.try_recv(1), Err(Errno::AGAIN));
        }
    }

    fn sio_22_msg_peek_at_the_end_is_the_end(env: &E) {
        for (client, server) in [pair(env), Sock::unix_pair(env, Type::STREAM)] {
            client.close().unwrap();
            for _ in 0..2 {
                assert_eq!(server.recv_with(1, MsgFlags::PEEK), Ok(vec![]));
            }
            assert_eq!(server.recv(1), Ok(vec![]));
        }
    }

    fn sio_24_msg_waitall_ends_early_at_the_end_and_when_its_time_is_up(env: &E) {
        for (client, server) in [pair(env), Sock::unix_pair(env, Type::STREAM)] {
            server.set_timeout(c::SO_RCVTIMEO, 0, 20_000).unwrap();
            client.send_all(b"ab");
            assert_eq!(server.recv_with(4, MsgFlags::WAITALL), Ok(b"ab".to_vec()), "after the time");
            assert_eq!(server.recv_with(4, MsgFlags::WAITALL), Err(Errno::AGAIN));
            server.set_timeout(c::SO_RCVTIMEO, 0, 0).unwrap();
            client.send_all(b"cd");
            client.close().unwrap();
            assert_eq!(server.recv_with(4, MsgFlags::WAITALL), Ok(b"cd".to_vec()), "at the end");
            assert_eq!(server.recv_with(4, MsgFlags::WAITALL), Ok(vec![]));
        }
    }

    fn sio_25_msg_waitall_with_msg_dontwait_takes_what_is_there(env: &E) {
        for (client, server) in [pair(env), Sock::unix_pair(env, Type::STREAM)] {
            client.send_all(b"ab");
            server.wait(PollEvents::IN);
            assert_eq!(server.recv_with(4, MsgFlags::WAITALL | MsgFlags::DONTWAIT), Ok(b"ab".to_vec()));
        }
    }

    fn sio_26_msg_dontwait_is_for_one_call(env: &E) {
        for (client, server) in [small_pair(env), Sock::unix_pair(env, Type::STREAM)] {
            assert_eq!(server.recv_with(1, MsgFlags::DONTWAIT), Err(Errno::AGAIN));
            assert_eq!(server.nonblocking(), Ok(false));
            fill(&client);
            assert_eq!(client.send_with(b"x", MsgFlags::DONTWAIT), Err(Errno::AGAIN));
            assert_eq!(client.nonblocking(), Ok(false));
        }
    }

    fn sio_27_msg_trunc_discards_the_bytes(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"abcdef");
        server.expect_fionread(6);
        let mut untouched = *b"....";
        assert_eq!(server.recv_into(&mut untouched, MsgFlags::TRUNC), Ok(4));
        assert_eq!(&untouched, b"....");
        assert_eq!(server.recv(9), Ok(b"ef".to_vec()));
        assert_eq!(server.try_recv(9), Err(Errno::AGAIN));
    }

    fn sio_28_without_urgent_data_msg_oob_is_invalid_and_does_not_block(env: &E) {
        let (client, server) = pair(env);
        assert_eq!(server.recv_with(1, MsgFlags::OOB), Err(Errno::INVAL));
        assert_eq!(client.send_with(b"", MsgFlags::OOB), Ok(0), "no byte, no urgent byte");
        client.send_all(b"x");
        server.wait(PollEvents::IN);
        assert_eq!(server.recv_with(1, MsgFlags::OOB), Err(Errno::INVAL));
    }

    fn sio_29_the_last_byte_of_an_urgent_send_goes_beside_the_stream(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            assert_eq!(client.send_with(b"ab!", MsgFlags::OOB), Ok(3));
            server.expect_mask(PollEvents::IN | PollEvents::PRI | PollEvents::OUT);
            assert_eq!(server.recv_with(9, MsgFlags::OOB), Ok(b"!".to_vec()));
            assert_eq!(server.recv_with(9, MsgFlags::OOB), Err(Errno::INVAL), "taken once");
            assert_eq!(server.recv(9), Ok(b"ab".to_vec()));
            assert_eq!(server.mask(), PollEvents::OUT);
        }
    }

    fn sio_30_the_first_send_to_a_closed_peer_succeeds_and_the_second_does_not(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            server.close().unwrap();
            client.wait(PollEvents::RDHUP);
            assert_eq!(client.send(b"1"), Ok(1));
            client.wait(PollEvents::HUP);
            assert_eq!(client.send(b"2"), Err(Errno::PIPE));
        }
    }

    fn sio_31_a_reset_after_the_end_is_the_end_to_recv(env: &E) {
        let (client, server) = pair(env);
        server.close().unwrap();
        client.wait(PollEvents::RDHUP);
        assert_eq!(client.send(b"1"), Ok(1));
        client.wait(PollEvents::HUP);
        for _ in 0..2 {
            assert_eq!(client.recv(1), Ok(vec![]));
        }
        assert_eq!(client.take_error(), Some(Errno::PIPE), "the reset is told as EPIPE, to those who do not ask for the end");
        assert_eq!(client.take_error(), None);
    }

    fn sio_32_data_before_a_reset_is_readable(env: &E) {
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

    fn sio_33_send_tells_a_reset_once(env: &E) {
        let socket = reset_by_peer(env);
        assert_eq!(socket.send(b"x"), Err(Errno::CONNRESET));
        assert_eq!(socket.send(b"x"), Err(Errno::PIPE));
    }

    fn sio_34_a_send_on_a_broken_stream_raises_sigpipe_unless_told_not_to(env: &E) {
        env.keep_sigpipe();
        let (local, peer) = Sock::unix_pair(env, Type::STREAM);
        peer.close().unwrap();
        for socket in [local, Sock::tcp(env)] {
            assert_eq!(raw::send(&socket, b"x", 0), Err(Errno::PIPE));
            assert!(env.take_sigpipe());
            assert_eq!(raw::send(&socket, b"x", c::MSG_NOSIGNAL), Err(Errno::PIPE));
            assert_eq!(socket.send(b"x"), Err(Errno::PIPE), "our own send never does");
            assert!(!env.take_sigpipe());
        }
    }

    fn sio_42_msg_more_and_tcp_cork_hold_a_part_until_the_rest_comes(env: &E) {
        // Linux gives up waiting for more after 200 ms.
        const CEILING: Duration = Duration::from_millis(200);
        let (client, server) = pair(env);
        let start = env.clock_ticks();
        assert_eq!(client.send_with(b"ab", MsgFlags::MORE), Ok(2));
        let early = server.try_recv(9);
        assert!(early == Err(Errno::AGAIN) || env.clock_ticks().since(start) >= CEILING, "{early:?}");
        client.send_all(b"cd");
        server.wait(PollEvents::IN);
        let mut got = early.unwrap_or_default();
        got.extend(server.recv(9).unwrap());
        assert_eq!(got, b"abcd");

        client.set(c::IPPROTO_TCP, c::TCP_CORK, 1).unwrap();
        client.send_all(b"ef");
        client.send_all(b"gh");
        client.set(c::IPPROTO_TCP, c::TCP_CORK, 0).unwrap();
        assert_eq!(server.recv_exactly(4), b"efgh");
    }

    fn sio_43_the_error_queue_is_empty_and_does_not_block(env: &E) {
        let (client, server) = pair(env);
        assert_eq!(server.recv_with(1, MsgFlags::ERRQUEUE), Err(Errno::AGAIN));
        client.send_all(b"x");
        server.wait(PollEvents::IN);
        assert_eq!(server.recv_with(1, MsgFlags::ERRQUEUE), Err(Errno::AGAIN));
    }

    fn sio_44_what_is_sent_apart_is_readable_as_it_arrives(env: &E) {
        let (client, server) = pair(env);
        for part in [b"a", b"b", b"c"] {
            client.send_all(part);
            assert_eq!(server.recv(9), Ok(part.to_vec()));
        }
    }

    fn sio_46_fionread_counts_the_unread_bytes(env: &E) {
        for (client, server) in [pair(env), Sock::unix_pair(env, Type::STREAM)] {
            assert_eq!(server.fionread(), Ok(0));
            client.send_all(b"hello");
            server.wait(PollEvents::IN);
            assert_eq!(server.fionread(), Ok(5));
            server.recv(2).unwrap();
            assert_eq!(server.fionread(), Ok(3));
        }
    }
}
