//! Waiting on UDP sockets: blocked receives, timeouts, poll and epoll.

use crate::conformance;
use crate::support::scene::{udp_bound, udp_pair};
use crate::support::sock::{Epoll, Sock, select};
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{Domain, EpollFlags, Errno, JoinThread, PollEvents, Shutdown};

conformance! {
    fn a_fresh_socket_is_writable_and_not_hung_up(env: &E) {
        let socket = Sock::udp(env);
        socket.expect_mask(PollEvents::OUT);
        let wide = PollEvents::OUT | PollEvents::WRNORM | PollEvents::WRBAND;
        assert_eq!(socket.poll(wide, Some(Duration::ZERO)), wide);
        assert_eq!(select(&socket, Some(Duration::ZERO)), (false, true, false));
    }

    fn a_receive_gives_up_after_its_timeout(env: &E) {
        let (socket, _) = udp_bound(env, Domain::INET);
        socket.set_timeout(c::SO_RCVTIMEO, 0, 30_000).unwrap();
        let start = env.now();
        assert_eq!(socket.recv(9), Err(Errno::AGAIN));
        assert!(env.now() - start >= Duration::from_millis(30));
    }

    fn shutdown_ends_a_blocked_receive(env: &E) {
        let (a, _b) = udp_pair(env, Domain::INET);
        let socket = a.dup();
        let reader = env.spawn(move || socket.recv(9));
        a.shutdown(Shutdown::Read).unwrap();
        assert_eq!(reader.join().unwrap(), Ok(vec![]));
    }

    fn so_rcvlowat_means_nothing_to_datagrams(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        b.set(c::SOL_SOCKET, c::SO_RCVLOWAT, 100).unwrap();
        a.send(b"x").unwrap();
        b.expect_mask(PollEvents::IN | PollEvents::OUT);
        assert_eq!(b.recv(9), Ok(b"x".to_vec()));
    }

    fn every_datagram_is_an_edge(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        let epoll = Epoll::new(env);
        epoll.add(&b, EpollFlags::IN | EpollFlags::ET, 1).unwrap();
        assert_eq!(epoll.now(), []);
        for _ in 0..2 {
            a.send(b"x").unwrap();
            assert_eq!(epoll.now(), [(EpollFlags::IN, 1)]);
            assert_eq!(epoll.now(), []);
        }
        b.recv(9).unwrap();
        assert_eq!(epoll.now(), [], "a read is no edge");
    }

    fn every_send_is_an_edge_for_its_sender(env: &E) {
        let (a, _b) = udp_pair(env, Domain::INET);
        let epoll = Epoll::new(env);
        epoll.add(&a, EpollFlags::OUT | EpollFlags::ET, 1).unwrap();
        assert_eq!(epoll.now(), [(EpollFlags::OUT, 1)]);
        assert_eq!(epoll.now(), []);
        a.send(b"x").unwrap();
        assert_eq!(epoll.now(), [(EpollFlags::OUT, 1)], "the buffer was given back");
        assert_eq!(epoll.now(), []);
    }

    fn a_level_triggered_datagram_is_reported_until_it_is_read(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET6);
        let epoll = Epoll::new(env);
        epoll.add(&b, EpollFlags::IN, 1).unwrap();
        a.send(b"x").unwrap();
        for _ in 0..2 {
            assert_eq!(epoll.now(), [(EpollFlags::IN, 1)]);
        }
        b.recv(9).unwrap();
        assert_eq!(epoll.now(), []);
    }

    fn a_blocked_receive_keeps_a_closed_socket_alive(env: &E) {
        let (receiver, to) = udp_bound(env, Domain::INET);
        let other = receiver.dup();
        let reader = env.spawn(move || other.recv(9));
        receiver.close().unwrap();
        // The thread has a descriptor of its own: the port is held until it is done.
        let sender = Sock::udp(env);
        sender.send_to(b"still", &to).unwrap();
        assert_eq!(reader.join().unwrap(), Ok(b"still".to_vec()));
        assert_eq!(Sock::udp(env).bind(&to), Ok(()));
    }
}
