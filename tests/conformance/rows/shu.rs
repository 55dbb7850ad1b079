//! SHU: `shutdown(2)`, what it ends and for whom.

use crate::conformance;
use crate::support::raw;
use crate::support::scene::{FAMILIES, bound, pair, pair_of, pattern, reset_by_peer, udp_bound, udp_pair};
use crate::support::sock::Sock;
use crate::support::wait::Waiting;
use twinsock::{Domain, Errno, JoinThread, PollEvents, Shutdown, Type};

const EVERY: [Shutdown; 3] = [Shutdown::Read, Shutdown::Write, Shutdown::Both];

conformance! {
    fn shu_01_shutdown_needs_a_connection(env: &E) {
        for how in EVERY {
            assert_eq!(Sock::tcp(env).shutdown(how), Err(Errno::NOTCONN));
            assert_eq!(bound(env, Domain::INET).0.shutdown(how), Err(Errno::NOTCONN));
            assert_eq!(udp_bound(env, Domain::INET).0.shutdown(how), Err(Errno::NOTCONN));
        }
    }

    fn shu_02_a_local_stream_can_be_shut_down_without_a_connection(env: &E) {
        for how in EVERY {
            assert_eq!(Sock::unix(env, Type::STREAM).shutdown(how), Ok(()));
        }
    }

    fn shu_03_another_direction_is_invalid(env: &E) {
        let (client, _server) = pair(env);
        let (local, _peer) = Sock::unix_pair(env, Type::STREAM);
        for socket in [client, local] {
            for how in [3, -1] {
                assert_eq!(raw::shutdown(&socket, how), Err(Errno::INVAL), "direction {how}");
            }
            assert_eq!(socket.mask(), PollEvents::OUT, "nothing came of it");
        }
    }

    fn shu_04_shutting_down_writing_ends_the_stream_for_the_peer(env: &E) {
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

    fn shu_05_after_shutting_down_reading_what_arrives_later_is_handed_over(env: &E) {
        let (client, server) = pair(env);
        server.shutdown(Shutdown::Read).unwrap();
        assert_eq!(server.recv(9), Ok(vec![]));
        client.send_all(b"x");
        server.expect_fionread(1);
        assert_eq!(server.recv(9), Ok(b"x".to_vec()));
        assert_eq!(server.recv(9), Ok(vec![]));
    }

    fn shu_06_the_peer_does_not_notice_that_reading_was_shut_down(env: &E) {
        let (client, server) = pair(env);
        server.shutdown(Shutdown::Read).unwrap();
        assert_eq!(client.mask(), PollEvents::OUT);
        assert_eq!(client.send(b"x"), Ok(1));
        assert_eq!(client.send(b"x"), Ok(1));
        assert_eq!(client.try_recv(1), Err(Errno::AGAIN));
        server.send_all(b"y");
        assert_eq!(client.recv(1), Ok(b"y".to_vec()));
    }

    fn shu_07_after_shutting_down_reading_what_is_queued_is_still_handed_over(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            client.send_all(b"abc");
            server.wait(PollEvents::IN);
            assert_eq!(server.shutdown(Shutdown::Read), Ok(()));
            assert_eq!(server.recv(9), Ok(b"abc".to_vec()));
            assert_eq!(server.recv(9), Ok(vec![]));
        }
    }

    fn shu_08_shutting_down_both_ends_both(env: &E) {
        let (client, server) = pair(env);
        assert_eq!(client.shutdown(Shutdown::Both), Ok(()));
        assert_eq!(client.recv(1), Ok(vec![]));
        assert_eq!(client.send(b"x"), Err(Errno::PIPE));
        assert_eq!(server.recv(1), Ok(vec![]));
    }

    fn shu_09_a_shutdown_may_be_repeated_while_the_peer_is_open(env: &E) {
        let (client, _server) = pair(env);
        for how in [Shutdown::Read, Shutdown::Read, Shutdown::Write, Shutdown::Write, Shutdown::Both] {
            assert_eq!(client.shutdown(how), Ok(()));
        }
    }

    fn shu_10_when_both_have_ended_there_is_nothing_to_shut_down(env: &E) {
        let (client, server) = pair(env);
        client.shutdown(Shutdown::Write).unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        client.wait(PollEvents::HUP);
        server.wait(PollEvents::HUP);
        // The side that ended last learns by an acknowledgement that the other knows of it.
        server.wait_for("the last acknowledgement", |server| server.peer_name() == Err(Errno::NOTCONN));
        assert_eq!(client.shutdown(Shutdown::Both), Err(Errno::NOTCONN));
        assert_eq!(server.shutdown(Shutdown::Both), Err(Errno::NOTCONN));
        assert_eq!(client.recv(1), Ok(vec![]));
        assert_eq!(server.recv(1), Ok(vec![]));
        assert_eq!(client.peer_name(), Err(Errno::NOTCONN));
    }

    fn shu_11_unread_data_does_not_turn_shutdown_into_a_reset(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"unread");
        server.wait(PollEvents::IN);
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.recv(1), Ok(vec![]));
        assert_eq!(server.recv(9), Ok(b"unread".to_vec()));
    }

    fn shu_12_a_request_and_its_answer_end_by_half_close(env: &E) {
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

    fn shu_13_data_that_waits_in_the_buffer_goes_before_the_end(env: &E) {
        const BYTES: usize = 4_000_000;
        let ((client, server), data) = (pair(env), pattern(BYTES));
        let writer = env.spawn(move || {
            client.send_all(&data);
            client.shutdown(Shutdown::Write).unwrap();
            client
        });
        assert!(server.recv_to_end() == pattern(BYTES), "no byte is lost, changed or made up");
        writer.join().unwrap();
    }

    fn shu_14_a_connected_udp_socket_that_was_shut_down_does_not_send(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        assert_eq!(a.shutdown(Shutdown::Write), Ok(()));
        assert_eq!(a.send(b"x"), Err(Errno::PIPE));
        assert_eq!(a.send_to(b"x", &b.name()), Err(Errno::PIPE));
        assert_eq!(b.send(b"y"), Ok(1));
        assert_eq!(a.recv(9), Ok(b"y".to_vec()), "the other direction is open");
    }

    fn shu_15_a_connected_udp_socket_that_was_shut_down_does_not_wait(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        b.send(b"queued").unwrap();
        a.wait(PollEvents::IN);
        assert_eq!(a.shutdown(Shutdown::Read), Ok(()));
        assert_eq!(a.recv(9), Ok(b"queued".to_vec()));
        assert_eq!(a.recv(9), Ok(vec![]), "a call that may wait finds the end");
        assert_eq!(a.try_recv(9), Err(Errno::AGAIN), "one that may not finds nothing");
    }

    fn shu_16_shutdown_of_an_unconnected_udp_socket_works_although_it_fails(env: &E) {
        for how in [Shutdown::Read, Shutdown::Both] {
            let (a, _) = udp_bound(env, Domain::INET);
            let twin = a.dup();
            let reader = Waiting::begun(env, move || twin.recv(9));
            assert_eq!(a.shutdown(how), Err(Errno::NOTCONN));
            assert_eq!(reader.answer(), Ok(vec![]));
        }
    }

    fn shu_17_the_peer_of_a_local_stream_that_reads_no_more_cannot_send(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        b.send(b"before").unwrap();
        a.shutdown(Shutdown::Read).unwrap();
        assert_eq!(b.send(b"x"), Err(Errno::PIPE));
        assert_eq!(a.recv(9), Ok(b"before".to_vec()));
        assert_eq!(a.recv(9), Ok(vec![]));
        assert_eq!(a.send(b"back"), Ok(4), "the other direction is open");
        assert_eq!(b.recv(9), Ok(b"back".to_vec()));
    }

    fn shu_18_a_local_stream_that_was_shut_down_for_writing_ends(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        a.send(b"data").unwrap();
        a.shutdown(Shutdown::Write).unwrap();
        assert_eq!(a.send(b"x"), Err(Errno::PIPE));
        assert_eq!(b.recv(9), Ok(b"data".to_vec()));
        assert_eq!(b.recv(9), Ok(vec![]));
        assert_eq!(b.send(b"back"), Ok(4), "the other direction is open");
    }

    fn shu_19_a_local_datagram_needs_a_peer_that_receives(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        a.shutdown(Shutdown::Both).unwrap();
        assert_eq!(b.send(b"x"), Err(Errno::PIPE));
        a.close().unwrap();
        assert_eq!(b.send(b"x"), Err(Errno::CONNREFUSED));
        assert_eq!(b.send(b"x"), Err(Errno::NOTCONN), "it is connected no longer");
    }

    fn shu_20_local_sockets_can_be_shut_down_again_and_again(env: &E) {
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            let (a, b) = Sock::unix_pair(env, kind);
            for how in EVERY.into_iter().chain(EVERY) {
                assert_eq!(a.shutdown(how), Ok(()));
                assert_eq!(b.shutdown(how), Ok(()));
            }
        }
    }

    fn shu_21_shutdown_acts_on_the_connection_and_close_on_one_descriptor(env: &E) {
        let (client, server) = pair(env);
        let twin = client.dup();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(twin.send(b"x"), Err(Errno::PIPE));
        assert_eq!(server.recv(1), Ok(vec![]));

        let (client, server) = pair(env);
        let twin = client.dup();
        client.close().unwrap();
        assert_eq!(server.try_recv(1), Err(Errno::AGAIN));
        assert_eq!(twin.send(b"x"), Ok(1));
    }

    fn shu_22_close_with_unread_data_resets_although_reading_was_shut_down(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"unread");
        server.wait(PollEvents::IN);
        server.shutdown(Shutdown::Read).unwrap();
        server.close().unwrap();
        assert_eq!(client.recv(1), Err(Errno::CONNRESET));
    }

    fn shu_23_a_reset_connection_cannot_be_shut_down(env: &E) {
        for how in EVERY {
            let socket = reset_by_peer(env);
            assert_eq!(socket.shutdown(how), Err(Errno::NOTCONN));
            assert_eq!(socket.take_error(), Some(Errno::CONNRESET), "the error is still to be told");
        }
    }

    fn shu_24_two_ends_at_the_same_moment_are_orderly(env: &E) {
        let (client, server) = pair(env);
        client.shutdown(Shutdown::Write).unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.recv(1), Ok(vec![]));
        assert_eq!(server.recv(1), Ok(vec![]));
        assert_eq!(client.take_error(), None);
        assert_eq!(server.take_error(), None);
    }
}
