//! `shutdown(2)`: half of a connection ends, and what each side sees.

use crate::conformance;
use crate::support::scene::{listener, pair};
use crate::support::sock::Sock;
use twinsock::{Errno, PollEvents, Shutdown, SocketAddr};

conformance! {
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

    fn data_for_a_socket_that_was_shut_down_both_ways_is_answered_by_a_reset(env: &E) {
        let (client, server) = pair(env);
        server.shutdown(Shutdown::Both).unwrap();
        client.wait(PollEvents::RDHUP);
        assert_eq!(client.send(b"x"), Ok(1));
        client.wait(PollEvents::HUP);
        assert_eq!(client.send(b"x"), Err(Errno::PIPE));
        assert_eq!(server.take_error(), Some(Errno::CONNRESET));
    }
}
