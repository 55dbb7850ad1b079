//! Local datagrams, `unix(7)`.

use crate::conformance;
use crate::support::files::{World, abstract_name};
use crate::support::sock::Sock;
use std::time::UNIX_EPOCH;
use twinsock::consts as c;
use twinsock::control::RecvControl;
use twinsock::{Errno, MsgFlags, PollEvents, Shutdown, SocketAddr, Type};

const IN: PollEvents = PollEvents::IN;
const OUT: PollEvents = PollEvents::OUT;

fn dgram<E: World>(env: &E) -> Sock<E> {
    Sock::unix(env, Type::DGRAM)
}

fn bound<E: World>(env: &E) -> (Sock<E>, SocketAddr) {
    let (socket, name) = (dgram(env), abstract_name());
    socket.bind(&name).expect("the name is free");
    (socket, name)
}

/// Sends to `name` until its queue is full; answers how many went in.
fn fill<E: World>(socket: &Sock<E>, name: &SocketAddr) -> usize {
    socket.set_nonblocking(true);
    let count = (0..1000).take_while(|_| socket.send_to(b"x", name).is_ok()).count();
    assert_eq!(socket.send_to(b"x", name), Err(Errno::AGAIN));
    count
}

conformance! {
    fn datagrams_do_not_listen(env: &E) {
        assert_eq!(bound(env).0.listen(1), Err(Errno::OPNOTSUPP));
    }

    fn the_queue_of_a_target_that_answers_is_limited_by_memory_alone(env: &E) {
        let (_to, name) = bound(env);
        let limit = fill(&dgram(env), &name);
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        a.set_nonblocking(true);
        let sent = (0..1000).take_while(|_| a.send(b"x").is_ok()).count();
        assert!(sent > limit, "{sent}, and {limit} for a target that hears everybody");
        assert_eq!(a.mask(), PollEvents::NONE);
        drop(b);
    }

    fn shutdown_of_datagrams_is_ones_own(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        b.send(b"queued").unwrap();
        a.shutdown(Shutdown::Both).unwrap();
        assert_eq!(b.mask(), OUT, "the peer does not see it");
        assert_eq!(b.send(b"x"), Err(Errno::PIPE));
        assert_eq!(a.send(b"x"), Err(Errno::PIPE));
        assert_eq!(a.mask(), IN | OUT | PollEvents::HUP | PollEvents::RDHUP);
        assert_eq!(a.recv(9), Ok(b"queued".to_vec()));
        assert_eq!(a.recv(9), Ok(vec![]), "a call that may wait finds the end");
        assert_eq!(a.try_recv(9), Err(Errno::AGAIN), "one that may not finds nothing");
    }

    fn what_is_queued_stays_when_the_sender_goes(env: &E) {
        let (to, name) = bound(env);
        let (from, mine) = bound(env);
        from.send_to(b"last words", &name).unwrap();
        from.close().unwrap();
        assert_eq!(to.recv_from(99), Ok((b"last words".to_vec(), mine)));
    }

    fn datagrams_and_records_are_stamped_and_streams_are_not(env: &E) {
        const NAMES: [i32; 4] = [c::SO_TIMESTAMP, c::SO_TIMESTAMPNS, c::SO_TIMESTAMP_NEW, c::SO_TIMESTAMPNS_NEW];
        for kind in [Type::DGRAM, Type::SEQPACKET, Type::STREAM] {
            let (a, b) = Sock::unix_pair(env, kind);
            let told = |flags: MsgFlags| {
                let (_, mut told) = b.recv_told(9, flags).expect("a message is there");
                told.pop().map(|told| (told.kind, told.data))
            };
            a.send(b"early").unwrap();
            for name in NAMES {
                b.set(c::SOL_SOCKET, name, 1).unwrap();
                a.send(b"x").unwrap();
                let peeked = told(MsgFlags::PEEK);
                let read = told(MsgFlags::NONE);
                if kind == Type::STREAM {
                    assert_eq!((peeked, read), (None, None));
                    a.send(b"x").unwrap();
                    continue;
                }
                let (number, time) = read.expect("a time is told");
                assert_eq!((number, time.len()), (name, 16));
                assert_eq!(peeked.map(|(number, _)| number), Some(name), "what came before the option is stamped when it is looked at");
                let seconds = time.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes)).unwrap();
                let now = env.wall().duration_since(UNIX_EPOCH).unwrap().as_secs();
                assert!((now - 60..=now).contains(&seconds), "{seconds} of {now}");
            }
            b.set(c::SOL_SOCKET, c::SO_TIMESTAMP, 0).unwrap();
            a.send(b"x").unwrap();
            assert_eq!(told(MsgFlags::NONE), None);
        }
    }

    fn a_time_comes_before_credentials_and_may_be_cut_off(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        b.set(c::SOL_SOCKET, c::SO_TIMESTAMP, 1).unwrap();
        b.set(c::SOL_SOCKET, c::SO_PASSCRED, 1).unwrap();
        a.send(b"x").unwrap();
        let (_, told) = b.recv_told(9, MsgFlags::NONE).unwrap();
        let kinds: Vec<_> = told.into_iter().map(|told| told.kind).collect();
        assert_eq!(kinds, [c::SO_TIMESTAMP, c::SCM_CREDENTIALS]);
        let mut small = RecvControl::new(32);
        a.send(b"x").unwrap();
        let (_, received) = b.recv_message(9, &mut small, MsgFlags::NONE).unwrap();
        assert!(received.flags.contains(MsgFlags::CTRUNC));
    }
}
