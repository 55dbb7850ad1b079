//! CLO: `close(2)`, lingering, resets.

use crate::conformance;
use crate::support::raw;
use crate::support::scene::{FAMILIES, fill, join, listener, pair, pair_of, pattern, reset, reset_by_peer, small_pair};
use crate::support::sock::Sock;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{Errno, JoinThread, PollEvents, Shutdown, Type};

conformance! {
    fn clo_01_close_delivers_what_was_sent(env: &E) {
        const BYTES: usize = 300_000;
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            let writer = env.spawn(move || {
                client.send_all(&pattern(BYTES));
                client.close().unwrap();
            });
            assert!(server.recv_to_end() == pattern(BYTES), "no byte is lost, changed or made up");
            writer.join().unwrap();

            let (client, server) = pair_of(env, family);
            let sent = fill(&client);
            client.close().unwrap();
            assert!(server.recv_to_end() == sent, "no byte is lost, changed or made up");
        }
    }

    fn clo_02_close_with_unread_data_resets(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            client.send_all(b"unread");
            server.wait(PollEvents::IN);
            server.close().unwrap();
            assert_eq!(client.recv(1), Err(Errno::CONNRESET));
            assert_eq!(client.recv(1), Ok(vec![]));
            assert_eq!(client.send(b"x"), Err(Errno::PIPE));
        }
    }

    fn clo_03_a_linger_of_zero_resets(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            reset(server);
            assert_eq!(client.recv(1), Err(Errno::CONNRESET));
        }
    }

    fn clo_04_a_linger_gives_up_after_its_time_and_the_data_still_arrives(env: &E) {
        let (client, server) = small_pair(env);
        let sent = fill(&client);
        client.set_linger(1, 1).unwrap();
        client.set_nonblocking(true);
        let start = env.clock_ticks();
        assert_eq!(client.close(), Ok(()), "also on a nonblocking descriptor");
        assert!(env.clock_ticks().since(start) >= Duration::from_millis(900));
        assert!(server.recv_to_end() == sent, "no byte is lost, changed or made up");
    }

    fn clo_05_a_linger_without_a_connection_does_not_wait(env: &E) {
        let socket = Sock::tcp(env);
        socket.set_linger(1, 1000).unwrap();
        assert_eq!(socket.close(), Ok(()));
    }

    fn clo_06_a_closed_descriptor_is_bad_to_every_call(env: &E) {
        for (call, answer) in raw::calls_on_a_closed_number(env) {
            assert_eq!(answer, Err(Errno::BADF), "{call}");
        }
    }

    fn clo_07_a_pipe_is_not_a_socket(env: &E) {
        let answers = raw::socket_calls_on_a_pipe(env);
        assert!(answers.len() > 10);
        for (call, answer) in answers {
            assert_eq!(answer, Err(Errno::NOTSOCK), "{call}");
        }
    }

    fn clo_08_the_connection_ends_with_the_last_descriptor(env: &E) {
        let (client, server) = pair(env);
        let twin = client.dup();
        client.close().unwrap();
        assert_eq!(server.try_recv(1), Err(Errno::AGAIN));
        twin.send_all(b"x");
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
        twin.close().unwrap();
        assert_eq!(server.recv(1), Ok(vec![]));
    }

    fn clo_09_so_error_tells_a_reset_once(env: &E) {
        let hung_up = PollEvents::IN | PollEvents::OUT | PollEvents::HUP | PollEvents::RDHUP;
        let socket = reset_by_peer(env);
        assert_eq!(socket.mask(), hung_up | PollEvents::ERR);
        assert_eq!(socket.take_error(), Some(Errno::CONNRESET));
        assert_eq!(socket.mask(), hung_up);
        assert_eq!(socket.take_error(), None);
    }

    fn clo_10_a_local_peer_that_had_not_read_all_resets(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        b.close().unwrap();
        assert_eq!(a.recv(1), Ok(vec![]));

        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        a.send(b"unread").unwrap();
        b.close().unwrap();
        assert_eq!(a.recv(1), Err(Errno::CONNRESET));
        assert_eq!(a.recv(1), Ok(vec![]));
    }

    fn clo_11_a_send_to_a_closed_local_peer_fails_at_once(env: &E) {
        for kind in [Type::STREAM, Type::SEQPACKET] {
            let (a, b) = Sock::unix_pair(env, kind);
            b.close().unwrap();
            assert_eq!(a.send(b"x"), Err(Errno::PIPE));
            assert_eq!(a.take_error(), None);
        }
    }

    fn clo_12_a_closed_target_of_local_datagrams_refuses_once(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        b.close().unwrap();
        assert_eq!(a.mask(), PollEvents::OUT, "nothing is seen of it before");
        assert_eq!(a.send(b"x"), Err(Errno::CONNREFUSED));
        assert_eq!(a.send(b"x"), Err(Errno::NOTCONN), "it is connected no longer");
    }

    fn clo_13_a_closed_source_of_local_datagrams_is_silent(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        b.send(b"last").unwrap();
        b.close().unwrap();
        assert_eq!(a.try_recv(9), Ok(b"last".to_vec()));
        assert_eq!(a.try_recv(9), Err(Errno::AGAIN));
    }

    fn clo_14_a_reset_leaves_no_time_wait(env: &E) {
        let (listener, addr) = listener(env);
        let (client, server) = join(&listener, Sock::tcp(env), &addr);
        reset(server);
        listener.close().unwrap();
        client.wait(PollEvents::HUP);
        assert_eq!(Sock::tcp(env).bind(&addr), Ok(()), "without SO_REUSEADDR");
    }

    fn clo_15_closing_during_an_attempt_harms_nobody(env: &E) {
        let (listener, addr) = listener(env);
        let socket = Sock::tcp(env);
        socket.set_nonblocking(true);
        assert_eq!(socket.connect(&addr), Err(Errno::INPROGRESS));
        socket.close().unwrap();
        listener.wait(PollEvents::IN);
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.recv(1), Ok(vec![]));
        let (client, server) = join(&listener, Sock::tcp(env), &addr);
        client.send_all(b"x");
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
    }

    fn clo_16_what_was_queued_outlives_its_sender(env: &E) {
        for (client, server) in [pair(env), Sock::unix_pair(env, Type::STREAM), Sock::unix_pair(env, Type::SEQPACKET)] {
            client.send_all(b"last words");
            client.close().unwrap();
            assert_eq!(server.recv(99), Ok(b"last words".to_vec()));
            assert_eq!(server.recv(99), Ok(vec![]));
        }
    }

    fn clo_17_dropping_a_socket_closes_it(env: &E) {
        for (client, server) in [pair(env), Sock::unix_pair(env, Type::STREAM)] {
            let twin = client.dup();
            drop(client);
            assert_eq!(server.try_recv(1), Err(Errno::AGAIN), "not the last one");
            drop(twin);
            assert_eq!(server.recv(1), Ok(vec![]));
        }
    }

    fn clo_18_a_peer_that_went_in_two_steps_resets(env: &E) {
        let (client, server) = pair(env);
        client.shutdown(Shutdown::Write).unwrap();
        server.wait(PollEvents::RDHUP);
        client.close().unwrap();
        assert_eq!(server.send(b"x"), Ok(1));
        server.wait(PollEvents::HUP);
        assert_eq!(server.send(b"x"), Err(Errno::PIPE));
    }

    fn clo_19_a_reset_connection_remembers_its_own_name_and_options(env: &E) {
        let (client, server) = pair(env);
        let name = client.name();
        reset(server);
        client.wait(PollEvents::HUP);
        assert_eq!(client.name(), name);
        assert_eq!(client.set(c::SOL_SOCKET, c::SO_KEEPALIVE, 1), Ok(()));
        assert_eq!(client.get(c::SOL_SOCKET, c::SO_KEEPALIVE), Ok(1));
        assert_eq!(client.take_error(), Some(Errno::CONNRESET));
    }
}
