//! `epoll(7)`: level and edge triggered reports, the interest list and its errors.

use crate::conformance;
use crate::support::scene::{connecting, dead_end, fill, listener, pair, reset, small_pair};
use crate::support::sock::{Epoll, Sock};
use std::time::Duration;
use twinsock::{Domain, EpollFlags, Errno, JoinThread, PollEvents, Shutdown};

const IN: EpollFlags = EpollFlags::IN;
const OUT: EpollFlags = EpollFlags::OUT;
const ET: EpollFlags = EpollFlags::ET;
const HUP: EpollFlags = EpollFlags::HUP;
const ERR: EpollFlags = EpollFlags::ERR;
const RDHUP: EpollFlags = EpollFlags::RDHUP;

conformance! {
    fn what_is_ready_when_it_is_added_is_an_edge(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"a");
        server.wait(PollEvents::IN);
        let epoll = Epoll::new(env);
        epoll.add(&server, IN | ET, 7).unwrap();
        assert_eq!(epoll.now(), [(IN, 7)]);
        assert_eq!(epoll.now(), []);
        epoll.modify(&server, IN | OUT | ET, 8).unwrap();
        assert_eq!(epoll.now(), [(IN | OUT, 8)], "and when it is modified");
        assert_eq!(epoll.now(), []);
    }

    fn arrivals_between_two_waits_are_one_report(env: &E) {
        let (client, server) = pair(env);
        let epoll = Epoll::new(env);
        epoll.add(&server, IN | OUT | RDHUP | ET, 7).unwrap();
        assert_eq!(epoll.now(), [(OUT, 7)]);
        client.send_all(b"a");
        client.close().unwrap();
        server.wait(PollEvents::RDHUP);
        assert_eq!(epoll.now(), [(IN | OUT | RDHUP, 7)]);
        assert_eq!(epoll.now(), []);
    }

    fn oneshot_is_disarmed_by_its_report_until_it_is_modified(env: &E) {
        let (client, server) = pair(env);
        let epoll = Epoll::new(env);
        epoll.add(&server, IN | EpollFlags::ONESHOT, 7).unwrap();
        client.send_all(b"a");
        server.wait(PollEvents::IN);
        assert_eq!(epoll.now(), [(IN, 7)]);
        assert_eq!(epoll.now(), []);
        reset(client);
        server.wait(PollEvents::HUP);
        assert_eq!(epoll.now(), [], "not even a hang-up");
        epoll.modify(&server, IN | EpollFlags::ONESHOT, 8).unwrap();
        assert_eq!(epoll.now(), [(IN | ERR | HUP, 8)]);
    }

    fn errors_and_hang_ups_come_unasked(env: &E) {
        let (client, server) = pair(env);
        let epoll = Epoll::new(env);
        epoll.add(&server, EpollFlags::NONE, 7).unwrap();
        assert_eq!(epoll.now(), []);
        reset(client);
        server.wait(PollEvents::HUP);
        assert_eq!(epoll.now(), [(ERR | HUP, 7)]);
    }

    fn a_fresh_socket_and_a_refused_one_are_reported(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let socket = Sock::tcp(env);
        let epoll = Epoll::new(env);
        epoll.add(&socket, IN | OUT | RDHUP | ET, 7).unwrap();
        assert_eq!(epoll.now(), [(OUT | HUP, 7)]);
        socket.set_nonblocking(true);
        assert_eq!(socket.connect(&nobody), Err(Errno::INPROGRESS));
        socket.wait(PollEvents::ERR);
        assert_eq!(epoll.now(), [(IN | OUT | ERR | HUP | RDHUP, 7)]);
    }

    fn shutdown_of_a_listener_tells_who_watches_it(env: &E) {
        let (listener, addr) = listener(env);
        let (client, server) = pair(env);
        let epoll = Epoll::new(env);
        epoll.add(&listener, IN | ET, 1).unwrap();
        epoll.add(&server, IN | ET, 2).unwrap();
        assert_eq!(epoll.now(), []);
        listener.shutdown(Shutdown::Write).unwrap();
        client.send_all(b"x");
        server.wait(PollEvents::IN);
        let second = Sock::tcp(env);
        second.connect(&addr).unwrap();
        listener.wait(PollEvents::IN);
        assert_eq!(epoll.now(), [(IN, 1), (IN, 2)], "in the order in which they were told of");
    }

    fn a_listener_gives_an_edge_for_each_connection(env: &E) {
        let (listener, addr) = listener(env);
        let epoll = Epoll::new(env);
        epoll.add(&listener, IN | ET, 7).unwrap();
        let clients = [Sock::tcp(env), Sock::tcp(env)];
        for client in &clients {
            client.connect(&addr).unwrap();
            assert_eq!(epoll.wait(8, None), [(IN, 7)]);
        }
        assert!(listener.accept().is_ok());
        assert_eq!(epoll.now(), [], "the one that is left is no news");
    }

    fn room_is_an_edge_only_after_a_send_hit_the_full_buffer(env: &E) {
        let (client, server) = small_pair(env);
        let epoll = Epoll::new(env);
        epoll.add(&client, OUT | ET, 7).unwrap();
        assert_eq!(epoll.now(), [(OUT, 7)]);
        client.send_all(b"x");
        server.recv(1).unwrap();
        assert_eq!(epoll.now(), [], "an acknowledgement alone is none");
        let sent = fill(&client);
        server.recv_exactly(sent.len());
        assert_eq!(epoll.wait(8, None), [(OUT, 7)]);
    }

    fn ready_sockets_take_turns(env: &E) {
        let (a_client, a) = pair(env);
        let (b_client, b) = pair(env);
        let epoll = Epoll::new(env);
        epoll.add(&a, IN, 1).unwrap();
        epoll.add(&b, IN, 2).unwrap();
        a_client.send_all(b"x");
        a.wait(PollEvents::IN);
        b_client.send_all(b"x");
        b.wait(PollEvents::IN);
        assert_eq!(epoll.wait(8, None), [(IN, 1), (IN, 2)], "in the order of becoming ready");
        let turns = [epoll.wait(1, None), epoll.wait(1, None), epoll.wait(1, None)].concat();
        assert_eq!(turns, [(IN, 1), (IN, 2), (IN, 1)]);
    }

    fn the_interest_list_holds_a_socket_once(env: &E) {
        let (socket, _peer) = pair(env);
        let epoll = Epoll::new(env);
        assert_eq!(epoll.modify(&socket, IN, 1), Err(Errno::NOENT));
        assert_eq!(epoll.delete(&socket), Err(Errno::NOENT));
        assert_eq!(epoll.add(&socket, OUT, 1), Ok(()));
        assert_eq!(epoll.add(&socket, OUT, 2), Err(Errno::EXIST));
        assert_eq!(epoll.now(), [(OUT, 1)]);
        assert_eq!(epoll.modify(&socket, OUT, 3), Ok(()));
        assert_eq!(epoll.now(), [(OUT, 3)]);
        assert_eq!(epoll.delete(&socket), Ok(()));
        assert_eq!(epoll.now(), []);
    }

    fn a_duplicate_is_an_entry_of_its_own(env: &E) {
        let (client, server) = pair(env);
        let twin = server.dup();
        let epoll = Epoll::new(env);
        epoll.add(&server, IN, 1).unwrap();
        epoll.add(&twin, IN, 2).unwrap();
        client.send_all(b"x");
        server.wait(PollEvents::IN);
        let mut reports = epoll.wait(8, None);
        reports.sort_by_key(|(_, data)| *data);
        assert_eq!(reports, [(IN, 1), (IN, 2)]);
    }

    fn the_last_close_removes_the_entry(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"x");
        server.wait(PollEvents::IN);
        let epoll = Epoll::new(env);
        epoll.add(&server, IN, 1).unwrap();
        let twin = server.dup();
        server.close().unwrap();
        assert_eq!(epoll.now(), [(IN, 1)], "a duplicate keeps it");
        twin.close().unwrap();
        assert_eq!(epoll.now(), []);
    }

    fn exclusive_is_for_add_alone(env: &E) {
        let (socket, _peer) = pair(env);
        let epoll = Epoll::new(env);
        assert_eq!(epoll.add(&socket, IN | RDHUP | EpollFlags::EXCLUSIVE, 1), Err(Errno::INVAL));
        assert_eq!(epoll.add(&socket, IN | EpollFlags::ONESHOT | EpollFlags::EXCLUSIVE, 1), Err(Errno::INVAL));
        assert_eq!(epoll.add(&socket, IN | EpollFlags::EXCLUSIVE, 1), Ok(()));
        assert_eq!(epoll.modify(&socket, IN, 1), Err(Errno::INVAL));
    }

    fn a_set_that_watches_a_set_hears_of_it_before_whoever_comes_next_in_line(env: &E) {
        let (client, server) = pair(env);
        let (outer, inner) = (Epoll::new(env), Epoll::new(env));
        outer.add_epoll(&inner, IN, 1).unwrap();
        // Whoever is exclusive stands at the end of the line, the others each before those that came earlier.
        outer.add(&server, IN | EpollFlags::EXCLUSIVE, 2).unwrap();
        inner.add(&server, IN, 3).unwrap();
        client.send_all(b"a");
        server.wait(PollEvents::IN);
        assert_eq!(outer.now(), [(IN, 1), (IN, 2)]);
    }

    fn an_epoll_descriptor_is_readable_when_its_set_has_events(env: &E) {
        let (client, server) = pair(env);
        let (inner, outer) = (Epoll::new(env), Epoll::new(env));
        inner.add(&server, IN, 1).unwrap();
        outer.add_epoll(&inner, IN, 2).unwrap();
        assert_eq!(outer.now(), []);
        client.send_all(b"x");
        server.wait(PollEvents::IN);
        assert_eq!(outer.now(), [(IN, 2)]);
        assert_eq!(inner.add_epoll(&outer, IN, 3), Err(Errno::LOOP), "a cycle");
    }

    fn a_waiting_epoll_is_woken(env: &E) {
        let (client, server) = pair(env);
        let epoll = Epoll::new(env);
        epoll.add(&server, IN | RDHUP, 7).unwrap();
        let waiter = env.spawn(move || { let reports = epoll.wait(8, None); (server, reports) });
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(waiter.join().unwrap().1, [(IN | RDHUP, 7)]);
    }

    fn an_attempt_that_succeeds_late_wakes_epoll(env: &E) {
        let (late, listener, _clients, _) = connecting(env);
        let epoll = Epoll::new(env);
        epoll.add(&late, OUT, 7).unwrap();
        assert_eq!(epoll.now(), []);
        assert!(listener.accept().is_ok());
        assert_eq!(epoll.wait(8, None), [(OUT, 7)]);
    }

    fn epoll_waits_no_less_than_it_was_told(env: &E) {
        let epoll = Epoll::new(env);
        let start = env.now();
        assert_eq!(epoll.wait(8, Some(Duration::from_millis(15))), []);
        assert!(env.now().since(start) >= Duration::from_millis(15));
    }
}
