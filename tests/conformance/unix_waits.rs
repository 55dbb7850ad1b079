//! Calls on local sockets that wait, and what ends their wait.

use crate::conformance;
use crate::support::files::abstract_name;
use crate::support::scene::fill;
use crate::support::sock::Sock;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{Errno, JoinThread, MsgFlags, PollEvents, Shutdown, Type};

conformance! {
    fn a_receive_waits_for_data_or_the_end(env: &E) {
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            let (a, b) = Sock::unix_pair(env, kind);
            let reader = env.spawn(move || {
                let first = b.recv(9);
                a_end(&b, kind);
                (first, b.recv(9))
            });
            a.send(b"data").unwrap();
            if kind != Type::DGRAM {
                a.shutdown(Shutdown::Write).unwrap();
            }
            assert_eq!(reader.join().unwrap(), (Ok(b"data".to_vec()), Ok(vec![])));
        }
    }

    fn a_send_that_waits_fails_when_the_peer_closes(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        fill(&a);
        let sender = env.spawn(move || a.send(&[0; 100_000]));
        b.recv(1).unwrap();
        b.close().unwrap();
        let failed = sender.join().unwrap();
        // The peer had not read all: whether the send waited already decides which.
        assert!(failed == Err(Errno::CONNRESET) || failed == Err(Errno::PIPE), "{failed:?}");
    }

    fn a_send_goes_on_when_the_peer_reads(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        let filled = fill(&a).len();
        let sender = env.spawn(move || a.send(&[9; 100_000]));
        assert_eq!(b.recv_exactly(filled + 100_000)[filled..], [9; 100_000]);
        assert_eq!(sender.join().unwrap(), Ok(100_000));
    }

    fn timeouts_of_local_sockets(env: &E) {
        let name = abstract_name();
        let listener = Sock::unix(env, Type::STREAM);
        listener.bind(&name).unwrap();
        listener.listen(0).unwrap();
        listener.set_timeout(c::SO_RCVTIMEO, 0, 20_000).unwrap();
        let start = env.now();
        assert_eq!(listener.accept().map(drop), Err(Errno::AGAIN));
        let (first, second) = (Sock::unix(env, Type::STREAM), Sock::unix(env, Type::STREAM));
        first.connect(&name).unwrap();
        second.set_timeout(c::SO_SNDTIMEO, 0, 20_000).unwrap();
        assert_eq!(second.connect(&name), Err(Errno::AGAIN));
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        b.set_timeout(c::SO_RCVTIMEO, 0, 20_000).unwrap();
        assert_eq!(b.recv(9), Err(Errno::AGAIN));
        a.send(b"part").unwrap();
        assert_eq!(b.recv_with(9, MsgFlags::WAITALL), Ok(b"part".to_vec()));
        assert!(env.now() - start >= Duration::from_millis(80));
    }

    fn a_blocking_receive_waits_for_so_rcvlowat(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        b.set(c::SOL_SOCKET, c::SO_RCVLOWAT, 4).unwrap();
        a.send(b"ab").unwrap();
        assert_eq!(b.mask(), PollEvents::IN | PollEvents::OUT, "poll does not care");
        let reader = env.spawn(move || b.recv(9));
        a.send(b"cd").unwrap();
        assert_eq!(reader.join().unwrap(), Ok(b"abcd".to_vec()));
    }

    fn accept_serves_one_waiter_for_each_connection(env: &E) {
        let name = abstract_name();
        let listener = Sock::unix(env, Type::STREAM);
        listener.bind(&name).unwrap();
        listener.listen(4).unwrap();
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let twin = listener.dup();
                env.spawn(move || twin.accept().map(|(server, _)| server.recv(9)))
            })
            .collect();
        for number in 0..3 {
            let client = Sock::unix(env, Type::STREAM);
            client.connect(&name).unwrap();
            client.send(&[number]).unwrap();
        }
        let mut got: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap().unwrap().unwrap()).collect();
        got.sort();
        assert_eq!(got, [vec![0], vec![1], vec![2]]);
    }
}

/// The end of a datagram socket is its own doing.
fn a_end<E: crate::support::files::World>(socket: &Sock<E>, kind: Type) {
    if kind == Type::DGRAM {
        socket.shutdown(Shutdown::Read).unwrap();
    }
}
