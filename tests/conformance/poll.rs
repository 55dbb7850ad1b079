//! `poll(2)`: the mask of every state, and waiting for it.

use crate::conformance;
use crate::support::scene::{connecting, fill, pair, small_pair};
use crate::support::sock::{Sock, poll_all};
use std::sync::Arc;
use twinsock::{Domain, JoinThread, PollEvents, Shutdown};

const IN: PollEvents = PollEvents::IN;
const OUT: PollEvents = PollEvents::OUT;
const HUP: PollEvents = PollEvents::HUP;
const ERR: PollEvents = PollEvents::ERR;
const RDHUP: PollEvents = PollEvents::RDHUP;

conformance! {
    fn rdhup_is_reported_only_when_asked(env: &E) {
        let (client, server) = pair(env);
        client.close().unwrap();
        assert_eq!(server.wait(IN), IN);
        assert_eq!(server.wait(RDHUP), RDHUP);
    }

    fn shutting_down_writing_makes_a_full_buffer_writable(env: &E) {
        let (client, _server) = small_pair(env);
        fill(&client);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.mask(), OUT);
    }

    fn one_socket_may_appear_twice(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"x");
        server.wait(IN);
        assert_eq!(poll_all(env, &[(&server, IN), (&server, OUT)], None), (2, vec![IN, OUT]));
    }

    fn a_waiting_poll_is_woken_by_ones_own_shutdown(env: &E) {
        let (client, _server) = pair(env);
        let client = Arc::new(client);
        let waiting = Arc::clone(&client);
        let waiter = env.spawn(move || waiting.poll(IN, None));
        client.shutdown(Shutdown::Read).unwrap();
        assert_eq!(waiter.join().unwrap(), IN);
    }

    fn an_attempt_by_a_cancelled_socket_is_an_error(env: &E) {
        let (socket, _listener, _clients, _) = connecting(env);
        socket.shutdown(Shutdown::Write).unwrap();
        let mask = socket.mask();
        assert!(mask.contains(OUT | ERR | HUP), "{mask:?}");
        assert_eq!(Sock::tcp_of(env, Domain::INET6).mask(), OUT | HUP);
    }
}
