//! `select(2)`: the classic wait, over the numbers that `fileno` gives.

use crate::conformance;
use crate::support::raw::select_of_a_closed_number;
use crate::support::scene::{dead_end, fill, listener, pair, reset_by_peer, small_pair};
use crate::support::sock::{Sock, select, select_read};
use std::time::Duration;
use twinsock::{Domain, Errno, JoinThread, MsgFlags, PollEvents};

const NOW: Option<Duration> = Some(Duration::ZERO);

conformance! {
    fn data_and_the_end_make_a_socket_readable(env: &E) {
        let (client, server) = pair(env);
        assert_eq!(select(&server, NOW), (false, true, false));
        client.send_all(b"x");
        server.wait(PollEvents::IN);
        assert_eq!(select(&server, NOW), (true, true, false));
        server.recv(1).unwrap();
        assert_eq!(select(&server, NOW), (false, true, false));
        client.close().unwrap();
        server.wait(PollEvents::IN);
        assert_eq!(select(&server, NOW), (true, true, false));
    }

    fn a_waiting_connection_makes_a_listener_readable(env: &E) {
        let (listener, addr) = listener(env);
        assert_eq!(select(&listener, NOW), (false, false, false));
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        listener.wait(PollEvents::IN);
        assert_eq!(select(&listener, NOW), (true, false, false));
    }

    fn a_full_buffer_makes_a_socket_unwritable(env: &E) {
        let (client, _server) = small_pair(env);
        fill(&client);
        assert_eq!(select(&client, NOW), (false, false, false));
    }

    fn an_error_is_readable_and_writable_and_not_exceptional(env: &E) {
        assert_eq!(select(&reset_by_peer(env), NOW), (true, true, false));
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let socket = Sock::tcp(env);
        socket.set_nonblocking(true);
        assert_eq!(socket.connect(&nobody), Err(Errno::INPROGRESS));
        socket.wait(PollEvents::ERR);
        assert_eq!(select(&socket, NOW), (true, true, false));
    }

    fn urgent_data_is_exceptional(env: &E) {
        let (client, server) = pair(env);
        client.send_with(b"!", MsgFlags::OOB).unwrap();
        server.wait(PollEvents::PRI);
        assert_eq!(select(&server, NOW), (false, true, true));
    }

    fn select_waits_until_something_happens(env: &E) {
        let (client, server) = pair(env);
        let waiter = env.spawn(move || {
            let read = select_read(&server, None);
            (read, server.recv(9))
        });
        client.send_all(b"x");
        assert_eq!(waiter.join().unwrap(), (true, Ok(b"x".to_vec())));
    }

    fn select_waits_no_less_than_it_was_told(env: &E) {
        let (_client, server) = pair(env);
        let start = env.now();
        assert!(!select_read(&server, Some(Duration::from_millis(15))));
        assert!(env.now().since(start) >= Duration::from_millis(15));
    }

    fn select_of_a_number_that_is_not_open_fails(env: &E) {
        assert_eq!(select_of_a_closed_number(env), Err(Errno::BADF));
    }
}
