//! The receive buffer of a UDP socket, and datagrams that are built in parts.

use crate::conformance;
use crate::support::scene::{FAMILIES, pattern, udp_bound, udp_pair};
use crate::support::sock::Sock;
use twinsock::consts as c;
use twinsock::{Domain, Env, Errno, MsgFlags, SocketAddr};

/// Sends `count` datagrams of `len` bytes.
fn flood<E: Env>(sender: &Sock<E>, to: &SocketAddr, len: usize, count: usize) {
    for _ in 0..count {
        assert_eq!(sender.send_to(&vec![7; len], to), Ok(len));
    }
}

/// Receives all that is there, and counts it.
fn drain<E: Env>(receiver: &Sock<E>) -> usize {
    std::iter::from_fn(|| receiver.try_recv(70_000).ok()).count()
}

/// `SK_MEMINFO_DROPS`.
fn drops<E: Env>(socket: &Sock<E>) -> u32 {
    let bytes = socket.get_bytes(c::SOL_SOCKET, c::SO_MEMINFO, 36).expect("SO_MEMINFO can be read");
    u32::from_ne_bytes(*bytes[32..].first_chunk().expect("nine words"))
}

conformance! {
    fn a_full_buffer_drops_what_comes_silently(env: &E) {
        let ((receiver, to), sender) = (udp_bound(env, Domain::INET), Sock::udp(env));
        receiver.set(c::SOL_SOCKET, c::SO_RCVBUF, 106_496).unwrap();
        flood(&sender, &to, 100, 300);
        assert_eq!(drops(&receiver), 44);
        assert_eq!(drain(&receiver), 256);
    }

    fn a_datagram_is_charged_by_its_size(env: &E) {
        for (len, fits) in [(197, 256), (198, 166), (1000, 92), (4000, 25)] {
            let ((receiver, to), sender) = (udp_bound(env, Domain::INET), Sock::udp(env));
            receiver.set(c::SOL_SOCKET, c::SO_RCVBUF, 106_496).unwrap();
            flood(&sender, &to, len, fits + 5);
            assert_eq!(drain(&receiver), fits, "datagrams of {len} bytes");
        }
    }

    fn an_empty_buffer_takes_one_datagram_of_any_size(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        b.set(c::SOL_SOCKET, c::SO_RCVBUF, 0).unwrap();
        assert_eq!(b.get(c::SOL_SOCKET, c::SO_RCVBUF), Ok(2304));
        for _ in 0..3 {
            assert_eq!(a.send(&pattern(60_000)), Ok(60_000));
        }
        assert_eq!(drain(&b), 1);
    }

    fn room_comes_back_in_quarters(env: &E) {
        let ((receiver, to), sender) = (udp_bound(env, Domain::INET), Sock::udp(env));
        receiver.set(c::SOL_SOCKET, c::SO_RCVBUF, 8192).unwrap();
        flood(&sender, &to, 1, 30);
        let mut reads = 0;
        let before = drops(&receiver);
        loop {
            flood(&sender, &to, 1, 1);
            if drops(&receiver) == before + reads {
                break;
            }
            receiver.try_recv(9).unwrap();
            reads += 1;
        }
        assert_eq!(reads, 5, "a quarter of 16384 bytes is five datagrams of 832");
    }

    fn a_closed_socket_loses_its_queue(env: &E) {
        let ((first, addr), sender) = (udp_bound(env, Domain::INET), Sock::udp(env));
        sender.send_to(b"x", &addr).unwrap();
        first.close().unwrap();
        let second = Sock::udp(env);
        second.bind(&addr).unwrap();
        assert_eq!(second.try_recv(9), Err(Errno::AGAIN));
    }

    fn msg_more_builds_one_datagram(env: &E) {
        for family in FAMILIES {
            let (a, b) = udp_pair(env, family);
            assert_eq!(a.send_with(b"one ", MsgFlags::MORE), Ok(4));
            assert_eq!(a.send_with(b"two ", MsgFlags::MORE), Ok(4));
            assert_eq!(b.try_recv(99), Err(Errno::AGAIN));
            assert_ne!(a.outq(), Ok(0));
            assert_eq!(a.send(b"three"), Ok(5));
            assert_eq!(a.outq(), Ok(0));
            assert_eq!(b.recv(99), Ok(b"one two three".to_vec()));
        }
    }

    fn a_corked_datagram_goes_when_the_cork_does(env: &E) {
        for family in FAMILIES {
            let ((receiver, to), (sender, _)) = (udp_bound(env, family), udp_bound(env, family));
            sender.set(c::SOL_UDP, c::UDP_CORK, 1).unwrap();
            assert_eq!(sender.send_to(b"a", &to), Ok(1));
            assert_eq!(sender.send_to(b"b", &to), Ok(1));
            assert_eq!(receiver.try_recv(9), Err(Errno::AGAIN));
            sender.set(c::SOL_UDP, c::UDP_CORK, 0).unwrap();
            assert_eq!(receiver.recv(9), Ok(b"ab".to_vec()));
        }
    }

    fn a_datagram_that_grows_too_large_is_dropped_whole(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        a.send_with(&pattern(40_000), MsgFlags::MORE).unwrap();
        assert_eq!(a.send(&pattern(40_000)), Err(Errno::MSGSIZE));
        assert_eq!(b.try_recv(9), Err(Errno::AGAIN));
        assert_eq!(a.send(b"next"), Ok(4));
        assert_eq!(b.recv(9), Ok(b"next".to_vec()));
    }

    fn udp_segment_cuts_data_into_datagrams(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        a.set(c::SOL_UDP, c::UDP_SEGMENT, 4).unwrap();
        assert_eq!(a.send(b"abcdefghij"), Ok(10));
        for part in ["abcd", "efgh", "ij"] {
            assert_eq!(b.recv(99), Ok(part.as_bytes().to_vec()));
        }
        assert_eq!(a.send(&pattern(4 * 128 + 1)), Err(Errno::INVAL));
        assert_eq!(b.try_recv(9), Err(Errno::AGAIN));
    }

    fn so_peek_off_walks_through_the_queue(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        a.send(b"abcd").unwrap();
        a.send(b"efgh").unwrap();
        b.set(c::SOL_SOCKET, c::SO_PEEK_OFF, 1).unwrap();
        assert_eq!(b.recv_with(2, MsgFlags::PEEK), Ok(b"bc".to_vec()));
        assert_eq!(b.recv_with(9, MsgFlags::PEEK), Ok(b"d".to_vec()));
        assert_eq!(b.recv_with(9, MsgFlags::PEEK), Ok(b"efgh".to_vec()));
        assert_eq!(b.recv(9), Ok(b"abcd".to_vec()));
        assert_eq!(b.get(c::SOL_SOCKET, c::SO_PEEK_OFF), Ok(4));
    }
}
