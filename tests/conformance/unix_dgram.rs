//! Local datagrams, `unix(7)`.

use crate::conformance;
use crate::support::files::{Dir, World, abstract_name};
use crate::support::sock::Sock;
use std::io::IoSliceMut;
use twinsock::consts as c;
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
    fn a_datagram_has_a_sender_and_boundaries(env: &E) {
        let dir = Dir::new(env);
        let (to, name) = bound(env);
        let from = dgram(env);
        assert_eq!(from.send_to(b"unnamed", &name), Ok(7));
        from.bind(&dir.addr("from")).unwrap();
        assert_eq!(from.send_to(b"", &name), Ok(0));
        assert_eq!(to.recv_from(9).unwrap(), (b"unnamed".to_vec(), dir.addr("from")), "the name is asked for at the end");
        assert_eq!(to.recv_from(9).unwrap(), (vec![], dir.addr("from")));
        assert_eq!(to.try_recv(9), Err(Errno::AGAIN));
        let (mut room, other) = ([0; 3], dgram(env));
        other.send_to(b"a long one", &name).unwrap();
        assert_eq!(to.fionread(), Ok(10));
        let got = to.recv_vectored(&mut [IoSliceMut::new(&mut room)]).unwrap();
        assert_eq!((got.len, got.flags, got.addr), (3, MsgFlags::TRUNC, SocketAddr::Unspec));
        other.send_to(b"a long one", &name).unwrap();
        assert_eq!(to.recv_into(&mut room, MsgFlags::TRUNC), Ok(10));
    }

    fn a_datagram_needs_a_target_that_will_have_it(env: &E) {
        let (to, name) = bound(env);
        let from = dgram(env);
        assert_eq!(from.send(b"x"), Err(Errno::NOTCONN));
        assert_eq!(from.send_to(b"x", &abstract_name()), Err(Errno::CONNREFUSED));
        let (_third, third) = bound(env);
        to.connect(&third).unwrap();
        assert_eq!(from.send_to(b"x", &name), Err(Errno::PERM), "it hears its peer alone");
        assert_eq!(from.connect(&name), Err(Errno::PERM));
        assert_eq!(from.listen(1), Err(Errno::OPNOTSUPP));
        to.connect(&SocketAddr::Unspec).unwrap();
        assert_eq!(from.send_to(b"x", &name), Ok(1));
    }

    fn the_queue_of_a_target_is_limited_unless_it_answers(env: &E) {
        let (to, name) = bound(env);
        let from = dgram(env);
        let limit = fill(&from, &name);
        assert!((1..200).contains(&limit), "max_dgram_qlen and one: {limit}");
        assert_eq!(from.mask(), OUT, "it could send to somebody else");
        from.connect(&name).unwrap();
        assert_eq!(from.mask(), PollEvents::NONE);
        assert_eq!(to.mask(), IN | OUT);
        to.recv(9).unwrap();
        assert_eq!(from.mask(), OUT);
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        a.set_nonblocking(true);
        let sent = (0..1000).take_while(|_| a.send(b"x").is_ok()).count();
        assert!(sent > limit, "a pair is limited by memory alone: {sent}");
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

    fn a_datagram_is_smaller_than_the_buffer(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        a.set(c::SOL_SOCKET, c::SO_SNDBUF, 8192).unwrap();
        let buffer = usize::try_from(a.get(c::SOL_SOCKET, c::SO_SNDBUF).unwrap()).unwrap();
        assert_eq!(a.send(&vec![7; buffer - 31]), Err(Errno::MSGSIZE));
        assert_eq!(a.send(&vec![7; buffer - 32]), Ok(buffer - 32));
        assert_eq!(b.recv(99_999).map(|data| data.len()), Ok(buffer - 32));
    }

    fn what_is_queued_stays_when_the_sender_goes(env: &E) {
        let (to, name) = bound(env);
        let (from, mine) = bound(env);
        from.send_to(b"last words", &name).unwrap();
        from.close().unwrap();
        assert_eq!(to.recv_from(99), Ok((b"last words".to_vec(), mine)));
    }
}
