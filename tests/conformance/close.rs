//! `close(2)`: the end by FIN, the end by RST, and lingering.

use crate::conformance;
use crate::support::scene::{FAMILIES, fill, join, listener, pair, pair_of, reset, small_pair};
use crate::support::sock::Sock;
use std::time::Duration;
use twinsock::{Errno, PollEvents, Shutdown};

conformance! {
    fn close_delivers_what_was_sent(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            let sent = fill(&client);
            client.close().unwrap();
            assert!(server.recv_to_end() == sent, "no byte is lost, changed or made up");
        }
    }

    fn close_with_unread_data_resets(env: &E) {
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

    fn close_with_unread_data_after_shutting_down_reading_resets(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"unread");
        server.wait(PollEvents::IN);
        server.shutdown(Shutdown::Read).unwrap();
        server.close().unwrap();
        assert_eq!(client.recv(1), Err(Errno::CONNRESET));
    }

    fn an_unread_end_is_not_unread_data(env: &E) {
        let (client, server) = pair(env);
        client.shutdown(Shutdown::Write).unwrap();
        server.wait(PollEvents::RDHUP);
        server.close().unwrap();
        assert_eq!(client.recv(1), Ok(vec![]));
        assert_eq!(client.take_error(), None);
    }

    fn close_with_unread_data_after_shutting_down_writing_ends_then_resets(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"unread");
        server.wait(PollEvents::IN);
        server.shutdown(Shutdown::Write).unwrap();
        server.close().unwrap();
        assert_eq!(client.recv(1), Ok(vec![]));
        client.wait(PollEvents::HUP);
        assert_eq!(client.send(b"x"), Err(Errno::PIPE));
    }

    fn a_linger_of_zero_resets(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            reset(server);
            assert_eq!(client.recv(1), Err(Errno::CONNRESET));
        }
    }

    fn a_linger_waits_until_the_data_is_delivered(env: &E) {
        let (client, server) = pair(env);
        client.set_linger(1, 20).unwrap();
        client.send_all(b"x");
        assert_eq!(client.close(), Ok(()));
        assert_eq!(server.recv_to_end(), b"x");
    }

    fn a_linger_gives_up_after_its_time_and_the_data_still_arrives(env: &E) {
        let (client, server) = small_pair(env);
        let sent = fill(&client);
        client.set_linger(1, 1).unwrap();
        client.set_nonblocking(true);
        let start = env.now();
        assert_eq!(client.close(), Ok(()), "also on a nonblocking descriptor");
        assert!(env.now().since(start) >= Duration::from_millis(900));
        assert!(server.recv_to_end() == sent, "no byte is lost, changed or made up");
    }

    fn a_linger_without_a_connection_does_not_wait(env: &E) {
        let socket = Sock::tcp(env);
        socket.set_linger(1, 1000).unwrap();
        assert_eq!(socket.close(), Ok(()));
    }

    fn dropping_a_socket_closes_it(env: &E) {
        let (client, server) = pair(env);
        drop(client);
        assert_eq!(server.recv(1), Ok(vec![]));
    }

    fn data_for_a_closed_socket_is_answered_by_a_reset(env: &E) {
        let (client, server) = pair(env);
        server.close().unwrap();
        client.wait(PollEvents::RDHUP);
        assert_eq!(client.send(b"x"), Ok(1));
        client.expect_mask(PollEvents::IN | PollEvents::OUT | PollEvents::ERR | PollEvents::HUP | PollEvents::RDHUP);
        assert_eq!(client.take_error(), Some(Errno::PIPE));
    }

    fn simultaneous_closes_are_orderly(env: &E) {
        let (client, server) = pair(env);
        client.shutdown(Shutdown::Write).unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.recv(1), Ok(vec![]));
        assert_eq!(server.recv(1), Ok(vec![]));
        assert_eq!(client.take_error(), None);
        assert_eq!(server.take_error(), None);
    }

    fn a_reset_connection_remembers_its_own_name_and_options(env: &E) {
        let (client, server) = pair(env);
        let name = client.name();
        reset(server);
        client.wait(PollEvents::HUP);
        assert_eq!(client.name(), name);
        assert_eq!(client.set(twinsock::consts::SOL_SOCKET, twinsock::consts::SO_KEEPALIVE, 1), Ok(()));
        assert_eq!(client.take_error(), Some(Errno::CONNRESET));
    }

    fn closing_during_an_attempt_harms_nobody(env: &E) {
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
}
