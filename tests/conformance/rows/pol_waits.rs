//! POL, continued: what a waiting `poll(2)` is woken by, `select(2)` and `epoll(7)`.

use crate::conformance;
use crate::support::raw;
use crate::support::scene::{connecting, dead_end, fill, listener, pair, reset, reset_by_peer, small_pair};
use crate::support::sock::{Epoll, Sock, poll_all, select, select_read};
use crate::support::wait::Waiting;
use std::sync::Arc;
use std::time::Duration;
use twinsock::{Domain, EpollFlags, Errno, MsgFlags, PollEvents, Shutdown, Type};

const IN: PollEvents = PollEvents::IN;
const OUT: PollEvents = PollEvents::OUT;
const HUP: PollEvents = PollEvents::HUP;
const ERR: PollEvents = PollEvents::ERR;
const RDHUP: PollEvents = PollEvents::RDHUP;
const NOW: Option<Duration> = Some(Duration::ZERO);

conformance! {
    fn pol_15_poll_waits_as_long_as_it_was_told(env: &E) {
        const SHORT: Duration = Duration::from_millis(15);
        let (client, server) = pair(env);
        assert_eq!(server.poll(IN, NOW), PollEvents::NONE);
        let start = env.now();
        assert_eq!(server.poll(IN, Some(SHORT)), PollEvents::NONE);
        assert!(env.now().since(start) >= SHORT, "never shorter");
        let waiter = Waiting::begun(env, move || server.poll(IN, None));
        client.send_all(b"x");
        assert_eq!(waiter.answer(), IN, "however long it took");
    }

    fn pol_17_a_waiting_poll_is_woken_by_whatever_happens(env: &E) {
        let wake = |events: PollEvents, act: fn(Sock<E>)| {
            let (client, server) = pair(env);
            let waiter = Waiting::begun(env, move || server.poll(events, None));
            act(client);
            waiter.answer()
        };
        assert_eq!(wake(IN, |peer| peer.send_all(b"x")), IN);
        assert_eq!(wake(IN, |peer| peer.close().unwrap()), IN);
        assert_eq!(wake(IN, |peer| peer.shutdown(Shutdown::Write).unwrap()), IN);
        assert_eq!(wake(IN, reset), IN | ERR | HUP);
        assert_eq!(wake(PollEvents::NONE, reset), ERR | HUP);

        let (listener, addr) = listener(env);
        let listener = Arc::new(listener);
        let waiting = Arc::clone(&listener);
        let waiter = Waiting::begun(env, move || waiting.poll(IN, None));
        let client = Sock::tcp(env);
        assert_eq!(client.connect(&addr), Ok(()));
        assert_eq!(waiter.answer(), IN);
    }

    fn pol_18_a_waiting_poll_is_woken_by_room(env: &E) {
        for (client, server) in [small_pair(env), Sock::unix_pair(env, Type::STREAM)] {
            let mut sent = fill(&client).len();
            // What was under way may still have made room.
            while client.mask() == OUT {
                sent += fill(&client).len();
            }
            let waiter = Waiting::start(env, move || (client.poll(OUT, None), client));
            server.recv_exactly(sent);
            assert_eq!(waiter.answer().0, OUT);
        }
    }

    fn pol_20_select_finds_data_ends_connections_and_errors_readable(env: &E) {
        let (client, server) = pair(env);
        assert_eq!(select(&server, NOW), (false, true, false));
        client.send_all(b"x");
        server.wait(IN);
        assert_eq!(select(&server, NOW), (true, true, false));
        server.recv(1).unwrap();
        assert_eq!(select(&server, NOW), (false, true, false));
        client.close().unwrap();
        server.wait(IN);
        assert_eq!(select(&server, NOW), (true, true, false));

        let (listener, addr) = listener(env);
        assert_eq!(select(&listener, NOW), (false, false, false));
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        listener.wait(IN);
        assert_eq!(select(&listener, NOW), (true, false, false));

        assert_eq!(select(&reset_by_peer(env), NOW), (true, true, false));
    }

    fn pol_21_select_finds_a_refused_attempt_readable_and_writable(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let socket = Sock::tcp(env);
        socket.set_nonblocking(true);
        assert_eq!(socket.connect(&nobody), Err(Errno::INPROGRESS));
        socket.wait(ERR);
        assert_eq!(select(&socket, NOW), (true, true, false));
    }

    fn pol_22_urgent_data_is_exceptional(env: &E) {
        let (client, server) = pair(env);
        assert_eq!(select(&server, NOW), (false, true, false));
        client.send_with(b"!", MsgFlags::OOB).unwrap();
        server.wait(PollEvents::PRI);
        assert_eq!(select(&server, NOW), (false, true, true));
    }

    fn pol_23_select_waits_no_less_than_it_was_told(env: &E) {
        const SHORT: Duration = Duration::from_millis(15);
        let (_client, server) = pair(env);
        let start = env.now();
        assert!(!select_read(&server, Some(SHORT)));
        assert!(env.now().since(start) >= SHORT);
        assert_eq!(raw::select_for(&server, -1), Err(Errno::INVAL));
    }

    fn pol_32_a_poll_for_the_end_alone_is_woken_by_it(env: &E) {
        for (a, b) in [pair(env), Sock::unix_pair(env, Type::STREAM)] {
            let waiter = Waiting::begun(env, move || a.poll(RDHUP, None));
            b.shutdown(Shutdown::Write).unwrap();
            assert_eq!(waiter.answer(), RDHUP);
        }
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        let waiter = Waiting::begun(env, move || a.poll(PollEvents::NONE, None));
        b.shutdown(Shutdown::Both).unwrap();
        assert_eq!(waiter.answer(), HUP);
    }

    fn pol_33_poll_of_nothing_is_a_sleep(env: &E) {
        let start = env.now();
        assert_eq!(poll_all(env, &[], Some(Duration::from_millis(15))), (0, vec![]));
        assert!(env.now().since(start) >= Duration::from_millis(15));
    }

    fn pol_35_epoll_reports_a_level_while_it_lasts_and_an_edge_once(env: &E) {
        const EDGE: EpollFlags = EpollFlags::ET;
        let (client, server) = pair(env);
        let (levels, edges) = (Epoll::new(env), Epoll::new(env));
        levels.add(&server, EpollFlags::IN, 1).unwrap();
        edges.add(&server, EpollFlags::IN | EDGE, 2).unwrap();
        assert_eq!((levels.now(), edges.now()), (vec![], vec![]));
        client.send_all(b"a");
        server.wait(IN);
        assert_eq!((levels.now(), edges.now()), (vec![(EpollFlags::IN, 1)], vec![(EpollFlags::IN, 2)]));
        assert_eq!((levels.now(), edges.now()), (vec![(EpollFlags::IN, 1)], vec![]), "nothing new has come");
        client.send_all(b"bc");
        server.expect_fionread(3);
        assert_eq!((levels.now(), edges.now()), (vec![(EpollFlags::IN, 1)], vec![(EpollFlags::IN, 2)]));
        server.recv(1).unwrap();
        assert_eq!((levels.now(), edges.now()), (vec![(EpollFlags::IN, 1)], vec![]), "reading a part is no arrival");
        server.recv(9).unwrap();
        assert_eq!((levels.now(), edges.now()), (vec![], vec![]));
    }

    fn pol_36_an_attempt_that_succeeds_late_wakes_poll(env: &E) {
        let (late, listener, _clients, _) = connecting(env);
        let waiter = Waiting::begun(env, move || late.poll(OUT, None));
        assert!(listener.accept().is_ok());
        assert_eq!(waiter.answer(), OUT);
    }
}
