//! Where a datagram lies that is built in parts: who adds to it and what else they send decides how many parts it can have.

use crate::conformance;
use crate::support::files::World;
use crate::support::scene::{FAMILIES, pair, udp_pair};
use crate::support::sock::Sock;
use twinsock::consts as c;
use twinsock::{Domain, Errno, JoinThread, MsgFlags, Result};

/// Another thread adds a byte to the datagram that `socket` builds.
fn add_as_another<E: World>(env: &E, socket: &Sock<E>) -> Result<usize> {
    let socket = socket.dup();
    let thread = env.spawn(move || socket.send_with(b"x", MsgFlags::MORE));
    thread.join().expect("the thread does not panic")
}

/// How often a byte can be added, up to `most` times.
fn count(most: usize, mut add: impl FnMut() -> Result<usize>) -> usize {
    for added in 0..most {
        match add() {
            Ok(len) => assert_eq!(len, 1),
            Err(error) => {
                assert_eq!(error, Errno::MSGSIZE);
                return added;
            }
        }
    }
    most
}

conformance! {
    fn a_datagram_has_18_parts_of_as_many_threads(env: &E) {
        for family in FAMILIES {
            let (a, b) = udp_pair(env, family);
            assert_eq!(count(99, || add_as_another(env, &a)), 18, "one in its own memory, 17 in pages of the threads");
            assert_eq!(a.outq(), Ok(0), "it is lost");
            assert_eq!(a.send(b"next"), Ok(4));
            assert_eq!(b.recv(99), Ok(b"next".to_vec()));
            a.set(c::SOL_UDP, c::UDP_SEGMENT, 100).unwrap();
            assert_eq!(count(99, || add_as_another(env, &a)), 17, "what is to be cut lies in pages from the first");
        }
    }

    fn a_datagram_has_any_number_of_parts_of_one_thread(env: &E) {
        for family in FAMILIES {
            let ((a, b), (other, _peer)) = (udp_pair(env, family), udp_pair(env, family));
            let added = count(99, || {
                assert_eq!(other.send(b"small"), Ok(5));
                a.send_with(b"x", MsgFlags::MORE)
            });
            assert_eq!(added, 99);
            assert_eq!(a.send(b""), Ok(0));
            assert_eq!(b.recv(999), Ok(vec![b'x'; 99]));
        }
    }

    fn what_a_thread_sends_meanwhile_parts_what_it_adds(env: &E) {
        let (a, _b) = udp_pair(env, Domain::INET);
        let (stream, _peer) = pair(env);
        // Once without a cork, so that the stream is known.
        assert_eq!(stream.send(b"s"), Ok(1));
        let by_stream = count(99, || {
            assert_eq!(stream.send(b"s"), Ok(1));
            a.send_with(b"x", MsgFlags::MORE)
        });
        assert_eq!(by_stream, 18);
        let (other, peer) = udp_pair(env, Domain::INET);
        let by_much = count(99, || {
            assert_eq!(other.send(&[7; 17_000]), Ok(17_000));
            assert_eq!(peer.recv(9), Ok(vec![7; 9]));
            a.send_with(b"x", MsgFlags::MORE)
        });
        assert_eq!(by_much, 18, "much data lies in pages");
        let by_cork = count(99, || {
            let added = a.send_with(b"x", MsgFlags::MORE)?;
            assert_eq!(other.send_with(b"y", MsgFlags::MORE), Ok(1));
            Ok(added)
        });
        assert_eq!(by_cork, 18);
    }

    fn what_another_thread_sends_meanwhile_does_not(env: &E) {
        let (a, _b) = udp_pair(env, Domain::INET);
        let (stream, _peer) = pair(env);
        let added = count(40, || {
            let stream = stream.dup();
            let thread = env.spawn(move || stream.send(b"s"));
            assert_eq!(thread.join().expect("the thread does not panic"), Ok(1));
            a.send_with(b"x", MsgFlags::MORE)
        });
        assert_eq!(added, 40);
    }
}
