//! SEMANTICS of datagrams.

use super::*;

#[test]
fn a_datagram_tells_its_senders_name_and_is_cut_to_the_room() {
    let mut f = Fixture::new();
    let target = f.bound(Kind::Dgram, "/tmp/t");
    let sender = f.socket(Kind::Dgram);
    assert_eq!(f.send(sender, b"x"), Err(Errno::NOTCONN));
    f.sendto(sender, b"unnamed", "/tmp/t").unwrap();
    f.bind(sender, "@s").unwrap();
    f.sendto(sender, b"", "/tmp/t").unwrap();
    assert_eq!(f.space.readable_bytes(target), Ok(7), "FIONREAD is the first one's size");
    let (data, state) = f.recv_with(target, 2, PEEK).unwrap();
    assert_eq!((data, state.msg_flags), (b"un".to_vec(), twinsock::MsgFlags::TRUNC));
    let (data, state) = f.recv_with(target, 9, DONTWAIT).unwrap();
    assert_eq!((data, shown(state.name.as_deref())), (b"unnamed".to_vec(), "unix:@s".to_owned()), "as it is called by now");
    assert_eq!(f.recv(target, 9), Ok(Vec::new()), "an empty datagram is one");
    assert_eq!(f.recv(target, 9), Err(Errno::AGAIN));
}

#[test]
fn eleven_datagrams_wait_at_a_socket_that_is_not_connected_back() {
    let mut f = Fixture::new();
    let target = f.bound(Kind::Dgram, "@t");
    let sender = f.connected(Kind::Dgram, "@t");
    assert_eq!(f.fill(sender, 1), 11);
    assert_eq!(f.poll(sender), PollEvents::NONE);
    let other = f.socket(Kind::Dgram);
    assert_eq!(f.sendto(other, b"x", "@t"), Err(Errno::AGAIN));
    assert_eq!(f.poll(other), PollEvents::OUT, "an unconnected sender always may");
    f.wakes(sender);
    f.recv(target, 1).unwrap();
    assert!(f.wakes(sender).writable, "the connected one is told");
    assert_eq!(f.poll(sender), PollEvents::OUT);
}

#[test]
fn a_blocked_sender_waits_for_room_at_the_target() {
    let mut f = Fixture::new();
    let target = f.bound(Kind::Dgram, "@t");
    let sender = f.connected(Kind::Dgram, "@t");
    f.fill(sender, 1);
    let blocking = SendFlags { oob: false, nonblocking: false };
    let mut state = SendState::default();
    let failure = f.step_send(sender, b"x", None, blocking, &mut state).unwrap_err();
    assert_eq!(failure.wait, Some(WaitFor::Room(target)));
    f.wakes(target);
    f.recv(target, 1).unwrap();
    assert_eq!(f.wakes(target).room, Room::For(1));
    assert_eq!(f.step_send(sender, b"x", None, blocking, &mut state), Ok(1));
    let mut state = SendState::default();
    assert!(f.step_send(sender, b"x", None, blocking, &mut state).is_err());
    f.space.close(target);
    assert_eq!(f.wakes(target).room, Room::ForAll);
    assert_eq!(f.step_send(sender, b"x", None, blocking, &mut state), Err(Errno::CONNREFUSED.into()));
}

#[test]
fn a_sender_by_name_that_waited_looks_the_name_up_again() {
    let mut f = Fixture::new();
    let target = f.bound(Kind::Dgram, "@t");
    let sender = f.socket(Kind::Dgram);
    for _ in 0..11 {
        f.sendto(sender, b"x", "@t").unwrap();
    }
    let to = sockaddr("@t");
    let blocking = SendFlags { oob: false, nonblocking: false };
    let mut state = SendState::default();
    assert!(f.step_send(sender, b"late", Some(&to), blocking, &mut state).is_err());
    f.space.close(target);
    while f.space.poll_event().is_some() {}
    let heir = f.bound(Kind::Dgram, "@t");
    assert_eq!(f.step_send(sender, b"late", Some(&to), blocking, &mut state), Ok(4));
    assert_eq!(f.recv(heir, 9), Ok(b"late".to_vec()));
}

#[test]
fn only_bytes_limit_those_who_are_connected_to_each_other_or_themselves() {
    let mut f = Fixture::new();
    let (a, _) = f.pair(Kind::Dgram);
    assert_eq!(f.fill(a, 1), 278);
    let (a, b) = (f.bound(Kind::Dgram, "@a"), f.bound(Kind::Dgram, "@b"));
    f.connect(a, "@b").unwrap();
    f.connect(b, "@a").unwrap();
    assert_eq!(f.fill(a, 1000), 93);
    let own = f.bound(Kind::Dgram, "@own");
    f.connect(own, "@own").unwrap();
    assert_eq!(f.fill(own, 1), 278);
    assert_eq!(f.send(b, &vec![0; 212_961]), Err(Errno::MSGSIZE));
    assert_eq!(f.send(b, &vec![0; 212_960]), Ok(212_960));
    f.space.close(own);
}

#[test]
fn a_socket_connected_to_another_takes_nothing_from_others() {
    let mut f = Fixture::new();
    let (a, _b) = (f.bound(Kind::Dgram, "@a"), f.bound(Kind::Dgram, "@b"));
    f.connect(a, "@b").unwrap();
    let other = f.socket(Kind::Dgram);
    assert_eq!(f.sendto(other, b"x", "@a"), Err(Errno::PERM));
    assert_eq!(f.connect(other, "@a"), Err(Errno::PERM));
    f.space.connect(a, &ROOT, &unspec(), &mut Boring).unwrap();
    assert_eq!(f.sendto(other, b"x", "@a"), Ok(1));
    assert_eq!(f.peername(a), Err(Errno::NOTCONN));
}

#[test]
fn changing_the_peer_loses_what_the_old_one_sent() {
    let mut f = Fixture::new();
    let (a, b) = (f.bound(Kind::Dgram, "@a"), f.bound(Kind::Dgram, "@b"));
    f.bound(Kind::Dgram, "@c");
    f.sendto(b, b"kept", "@a").unwrap();
    f.connect(a, "@b").unwrap();
    f.connect(b, "@a").unwrap();
    assert_eq!(f.recv(a, 9), Ok(b"kept".to_vec()), "the first connect loses nothing");
    f.send(b, b"lost").unwrap();
    f.connect(a, "@c").unwrap();
    assert_eq!(f.recv(a, 9), Err(Errno::AGAIN));
    assert_eq!(f.space.take_error(b), Some(Errno::CONNRESET), "a peer that was connected back is told");
}

#[test]
fn a_target_that_closes_is_noticed_by_the_next_send_only() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Dgram);
    f.space.close(b);
    assert_eq!((f.poll(a), f.recv(a, 9)), (PollEvents::OUT, Err(Errno::AGAIN)));
    assert_eq!(f.send(a, b"x"), Err(Errno::CONNREFUSED));
    assert_eq!(f.send(a, b"x"), Err(Errno::NOTCONN));
}

#[test]
fn shutdown_does_not_reach_the_peer_but_its_messages() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Dgram);
    f.send(a, b"data").unwrap();
    f.space.shutdown(b, Shutdown::Read);
    assert_eq!(f.poll(a), PollEvents::OUT);
    let plain = SendFlags { oob: false, nonblocking: true };
    assert_eq!(f.send_with(a, b"x", None, plain), Err(Errno::PIPE.into()), "never SIGPIPE");
    assert_eq!(f.recv(b, 9), Ok(b"data".to_vec()));
    assert_eq!(f.recv(b, 9), Err(Errno::AGAIN), "a call that does not wait is not told of the end");
    assert_eq!(f.recv_with(b, 9, BLOCKING).unwrap().0, b"");
    let alone = f.socket(Kind::Dgram);
    f.space.shutdown(alone, Shutdown::Write);
    assert_eq!(f.send(alone, b"x"), Err(Errno::PIPE), "even where there is no peer");
}

#[test]
fn an_empty_datagram_is_peeked_at_once_under_an_offset() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Dgram);
    f.send(a, b"").unwrap();
    f.send(a, b"next").unwrap();
    f.space.options_mut(b).peek_off = 0;
    assert_eq!(f.recv_with(b, 9, PEEK).unwrap().0, b"");
    assert_eq!(f.recv_with(b, 2, PEEK).unwrap().0, b"ne");
    assert_eq!(f.recv_with(b, 9, PEEK).unwrap().0, b"xt");
}
