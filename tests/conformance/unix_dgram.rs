//! Local datagrams, `unix(7)`.

use crate::conformance;
use crate::support::files::{World, abstract_name};
use crate::support::sock::Sock;
use twinsock::{Errno, PollEvents, Shutdown, SocketAddr, Type};

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
}
