//! `poll(2)`: the mask of every state, and waiting for it.

use crate::conformance;
use crate::support::raw::{self, NEVER_OPEN};
use crate::support::scene::{FAMILIES, bound, connecting, fill, listener, pair, pair_of, reset, reset_by_peer, small_pair};
use crate::support::sock::{PATIENCE, Sock, poll_all};
use std::sync::Arc;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::raw::PollFd;
use twinsock::{Domain, JoinThread, PollEvents, Shutdown};

const IN: PollEvents = PollEvents::IN;
const OUT: PollEvents = PollEvents::OUT;
const HUP: PollEvents = PollEvents::HUP;
const ERR: PollEvents = PollEvents::ERR;
const RDHUP: PollEvents = PollEvents::RDHUP;

conformance! {
    fn a_socket_that_never_connected_is_writable_and_hung_up(env: &E) {
        for family in FAMILIES {
            assert_eq!(Sock::tcp_of(env, family).mask(), OUT | HUP);
            assert_eq!(bound(env, family).0.mask(), OUT | HUP);
        }
    }

    fn an_idle_connection_is_writable(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            assert_eq!((client.mask(), server.mask()), (OUT, OUT));
        }
    }

    fn unread_data_is_reported_until_it_is_read(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"ab");
        server.expect_mask(IN | OUT);
        server.recv(1).unwrap();
        assert_eq!(server.mask(), IN | OUT);
        server.recv(1).unwrap();
        assert_eq!(server.mask(), OUT);
    }

    fn the_end_of_the_peers_stream_is_in_and_rdhup(env: &E) {
        let (client, server) = pair(env);
        client.shutdown(Shutdown::Write).unwrap();
        server.expect_mask(IN | OUT | RDHUP);
        assert_eq!(client.mask(), OUT, "the side that ended sees no change");

        let (client, server) = pair(env);
        client.close().unwrap();
        server.expect_mask(IN | OUT | RDHUP);
    }

    fn ones_own_shutdown_shows(env: &E) {
        let (reads_ended, _peer) = pair(env);
        reads_ended.shutdown(Shutdown::Read).unwrap();
        assert_eq!(reads_ended.mask(), IN | OUT | RDHUP);

        let (writes_ended, _peer) = pair(env);
        writes_ended.shutdown(Shutdown::Write).unwrap();
        assert_eq!(writes_ended.mask(), OUT);

        let (both_ended, peer) = pair(env);
        both_ended.shutdown(Shutdown::Both).unwrap();
        assert_eq!(both_ended.mask(), IN | OUT | HUP | RDHUP);
        peer.expect_mask(IN | OUT | RDHUP);
    }

    fn when_both_streams_have_ended_both_sides_hang_up(env: &E) {
        let (client, server) = pair(env);
        client.shutdown(Shutdown::Write).unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        client.expect_mask(IN | OUT | HUP | RDHUP);
        server.expect_mask(IN | OUT | HUP | RDHUP);
    }

    fn a_reset_is_an_error_and_when_told_a_hang_up(env: &E) {
        let socket = reset_by_peer(env);
        assert_eq!(socket.mask(), IN | OUT | ERR | HUP | RDHUP);
        assert!(socket.take_error().is_some());
        assert_eq!(socket.mask(), IN | OUT | HUP | RDHUP);
    }

    fn errors_and_hang_ups_are_reported_unasked(env: &E) {
        let socket = reset_by_peer(env);
        assert_eq!(socket.poll(PollEvents::NONE, Some(PATIENCE)), ERR | HUP);
        assert_eq!(Sock::tcp(env).poll(PollEvents::NONE, Some(PATIENCE)), HUP);
    }

    fn rdhup_is_reported_only_when_asked(env: &E) {
        let (client, server) = pair(env);
        client.close().unwrap();
        assert_eq!(server.wait(IN), IN);
        assert_eq!(server.wait(RDHUP), RDHUP);
    }

    fn a_full_buffer_is_not_writable_until_it_has_drained(env: &E) {
        let (client, server) = small_pair(env);
        let sent = fill(&client);
        assert_eq!(client.mask(), PollEvents::NONE);
        server.recv_exactly(sent.len());
        client.expect_mask(OUT);
    }

    fn shutting_down_writing_makes_a_full_buffer_writable(env: &E) {
        let (client, _server) = small_pair(env);
        fill(&client);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.mask(), OUT);
    }

    fn rdnorm_and_wrnorm_come_with_in_and_out(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"x");
        server.wait(IN);
        let all = PollEvents::RDNORM | PollEvents::WRNORM | PollEvents::RDBAND | PollEvents::WRBAND;
        assert_eq!(server.poll(all, Some(PATIENCE)), PollEvents::RDNORM | PollEvents::WRNORM);
    }

    fn poll_waits_no_less_than_it_was_told(env: &E) {
        let (_client, server) = pair(env);
        let start = env.now();
        assert_eq!(server.poll(IN, Some(Duration::from_millis(15))), PollEvents::NONE);
        assert!(env.now().since(start) >= Duration::from_millis(15));
    }

    fn poll_of_nothing_is_a_sleep(env: &E) {
        let start = env.now();
        assert_eq!(poll_all(env, &[], Some(Duration::from_millis(15))), (0, vec![]));
        assert!(env.now().since(start) >= Duration::from_millis(15));
    }

    fn poll_reports_all_that_are_ready_in_the_order_given(env: &E) {
        let (a_client, a) = pair(env);
        let (_b_client, b) = pair(env);
        let (c_client, third) = pair(env);
        a_client.send_all(b"x");
        c_client.send_all(b"x");
        a.wait(IN);
        third.wait(IN);
        let answers = poll_all(env, &[(&a, IN), (&b, IN), (&third, IN)], None);
        assert_eq!(answers, (2, vec![IN, PollEvents::NONE, IN]));
    }

    fn one_socket_may_appear_twice(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"x");
        server.wait(IN);
        assert_eq!(poll_all(env, &[(&server, IN), (&server, OUT)], None), (2, vec![IN, OUT]));
    }

    fn a_number_that_is_not_open_is_invalid(env: &E) {
        let unopened = PollFd { fd: NEVER_OPEN, events: 0, revents: 0 };
        let skipped = PollFd { fd: -1, events: 1, revents: 0 };
        let mut set = [unopened, skipped];
        assert_eq!(raw::poll(env, &mut set, -1), Ok(1));
        assert_eq!(i32::from(set[0].revents), c::POLLNVAL);
        assert_eq!(set[1].revents, 0, "a negative number is skipped");
    }

    fn a_waiting_poll_is_woken_by_whatever_happens(env: &E) {
        let wake = |events: PollEvents, act: fn(Sock<E>)| {
            let (client, server) = pair(env);
            let waiter = env.spawn(move || server.poll(events, None));
            act(client);
            waiter.join().unwrap()
        };
        assert_eq!(wake(IN, |peer| peer.send_all(b"x")), IN);
        assert_eq!(wake(RDHUP, |peer| peer.close().unwrap()), RDHUP);
        assert_eq!(wake(IN, |peer| peer.shutdown(Shutdown::Write).unwrap()), IN);
        assert_eq!(wake(PollEvents::NONE, reset), ERR | HUP);
    }

    fn a_waiting_poll_is_woken_by_a_connection(env: &E) {
        let (listener, addr) = listener(env);
        let waiter = env.spawn(move || listener.poll(IN, None));
        let client = Sock::tcp(env);
        // The listener may be gone, with its thread, before connect returns: the wake is what counts.
        match client.connect(&addr) {
            Ok(()) => {}
            Err(errno) => assert_eq!(errno, twinsock::Errno::CONNRESET),
        }
        assert_eq!(waiter.join().unwrap(), IN);
    }

    fn a_waiting_poll_is_woken_by_room(env: &E) {
        let (client, server) = small_pair(env);
        let sent = fill(&client);
        let waiter = env.spawn(move || { let mask = client.poll(OUT, None); (client, mask) });
        server.recv_exactly(sent.len());
        assert_eq!(waiter.join().unwrap().1, OUT);
    }

    fn a_waiting_poll_is_woken_by_ones_own_shutdown(env: &E) {
        let (client, _server) = pair(env);
        let client = Arc::new(client);
        let waiting = Arc::clone(&client);
        let waiter = env.spawn(move || waiting.poll(IN, None));
        client.shutdown(Shutdown::Read).unwrap();
        assert_eq!(waiter.join().unwrap(), IN);
    }

    fn an_attempt_that_succeeds_late_wakes_poll(env: &E) {
        let (late, listener, _clients, _) = connecting(env);
        let waiter = env.spawn(move || late.poll(OUT, None));
        assert!(listener.accept().is_ok());
        assert_eq!(waiter.join().unwrap(), OUT);
    }

    fn an_attempt_by_a_cancelled_socket_is_an_error(env: &E) {
        let (socket, _listener, _clients, _) = connecting(env);
        socket.shutdown(Shutdown::Write).unwrap();
        let mask = socket.mask();
        assert!(mask.contains(OUT | ERR | HUP), "{mask:?}");
        assert_eq!(Sock::tcp_of(env, Domain::INET6).mask(), OUT | HUP);
    }
}
