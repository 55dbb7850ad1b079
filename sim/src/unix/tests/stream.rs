//! SEMANTICS of connections and of streams.

use super::*;

#[test]
fn backlog_plus_one_connections_wait() {
    for (backlog, admitted) in [(0, 1), (1, 2), (5, 6)] {
        let mut f = Fixture::new();
        let listener = f.listener(Kind::Stream, "@l", backlog);
        for _ in 0..admitted {
            f.connected(Kind::Stream, "@l");
        }
        let late = f.socket(Kind::Stream);
        let failure = f.try_connect(late, "@l").unwrap_err();
        assert_eq!((failure.errno, failure.wait), (Errno::AGAIN, Some(WaitFor::Room(listener))));
        assert_eq!(f.space.backlog(listener), (admitted, u32::try_from(backlog).unwrap()));
    }
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Stream, "@l", -1);
    assert_eq!(f.space.backlog(listener).1, 4096, "a negative backlog is the largest");
}

#[test]
fn a_blocked_connect_goes_on_after_accept_listen_or_close() {
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Stream, "@l", 0);
    f.connected(Kind::Stream, "@l");
    let waiting = f.socket(Kind::Stream);
    assert_eq!(f.connect(waiting, "@l"), Err(Errno::AGAIN));
    f.wakes(listener);
    f.accept(listener).unwrap();
    assert_eq!(f.wakes(listener).room, Room::For(1));
    assert_eq!(f.connect(waiting, "@l"), Ok(()));
    let next = f.socket(Kind::Stream);
    assert_eq!(f.connect(next, "@l"), Err(Errno::AGAIN));
    f.space.listen(listener, &ROOT, 5).unwrap();
    assert_eq!(f.wakes(listener).room, Room::ForAll, "the backlog has grown");
    f.space.listen(listener, &ROOT, 0).unwrap();
    assert_eq!(f.wakes(listener).room, Room::Full, "nobody waits");
    assert_eq!(f.connect(next, "@l"), Err(Errno::AGAIN));
    f.space.close(listener);
    assert_eq!(f.wakes(listener).room, Room::ForAll);
    assert_eq!(f.connect(next, "@l"), Err(Errno::CONNREFUSED));
}

#[test]
fn listen_needs_a_name_and_no_connection() {
    let mut f = Fixture::new();
    let unbound = f.socket(Kind::Stream);
    assert_eq!(f.space.listen(unbound, &ROOT, 1), Err(Errno::INVAL));
    let dgram = f.bound(Kind::Dgram, "@d");
    assert_eq!(f.space.listen(dgram, &ROOT, 1), Err(Errno::OPNOTSUPP));
    assert_eq!(f.accept(dgram), Err(Errno::OPNOTSUPP));
    assert_eq!(f.accept(unbound), Err(Errno::INVAL));
    let (a, _) = f.pair(Kind::Stream);
    f.bind(a, "@a").unwrap();
    assert_eq!(f.space.listen(a, &ROOT, 1), Err(Errno::INVAL));
}

#[test]
fn connect_judges_the_target_before_its_own_state() {
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Stream, "@l", 0);
    let client = f.connected(Kind::Stream, "@l");
    assert_eq!(f.connect(client, "@missing"), Err(Errno::CONNREFUSED));
    assert_eq!(f.connect(client, "@l"), Err(Errno::AGAIN), "full");
    f.accept(listener).unwrap();
    assert_eq!(f.connect(client, "@l"), Err(Errno::ISCONN));
    assert_eq!(f.connect(listener, "@l"), Err(Errno::INVAL));
    f.bound(Kind::Stream, "@bound");
    assert_eq!(f.connect(client, "@bound"), Err(Errno::CONNREFUSED), "bound is not listening");
}

#[test]
fn the_accepted_socket_has_its_listeners_name_and_passcred() {
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Stream, "@l", 1);
    f.space.options_mut(listener).passcred = true;
    f.space.options_mut(listener).rcvlowat = 7;
    let client = f.connected(Kind::Stream, "@l");
    assert_eq!(f.send(client, b"early"), Ok(5), "a connection is there before it is accepted");
    let server = f.accept(listener).unwrap();
    assert_eq!((f.sockname(server), f.peername(server)), ("unix:@l".to_owned(), Ok("unix:".to_owned())));
    assert_eq!(f.peername(client), Ok("unix:@l".to_owned()));
    assert_eq!((f.space.options(server).passcred, f.space.options(server).rcvlowat), (true, 1));
    f.bind(client, "@c").unwrap();
    assert_eq!(f.peername(server), Ok("unix:@c".to_owned()), "the name may come later");
    let (data, state) = f.recv_with(server, 9, DONTWAIT).unwrap();
    assert_eq!((data, shown(state.name.as_deref())), (b"early".to_vec(), "unix:@c".to_owned()));
}

#[test]
fn a_shut_listener_hands_over_what_waits_and_takes_no_more() {
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Stream, "@l", 3);
    f.connected(Kind::Stream, "@l");
    f.space.shutdown(listener, Shutdown::Read);
    let late = f.socket(Kind::Stream);
    assert_eq!(f.connect(late, "@l"), Err(Errno::CONNREFUSED));
    assert!(f.accept(listener).is_ok());
    assert_eq!(f.space.accept(listener, false), Err(Errno::INVAL.into()));
    assert_eq!(f.accept(listener), Err(Errno::AGAIN));
    f.space.listen(listener, &ROOT, 3).unwrap();
    assert_eq!(f.connect(late, "@l"), Err(Errno::CONNREFUSED), "listening again does not help");
}

#[test]
fn unconnected_is_invalid_to_read_and_not_connected_to_send() {
    let mut f = Fixture::new();
    let id = f.socket(Kind::Stream);
    assert_eq!(f.recv(id, 1), Err(Errno::INVAL));
    let plain = SendFlags { oob: false, nonblocking: true };
    assert_eq!(f.send_with(id, b"x", None, plain), Err(Errno::NOTCONN.into()), "and no SIGPIPE");
    assert_eq!(f.sendto(id, b"x", "@x"), Err(Errno::OPNOTSUPP));
    assert_eq!(f.peername(id), Err(Errno::NOTCONN));
    assert_eq!(f.poll(id), PollEvents::OUT | PollEvents::HUP);
    let (a, _) = f.pair(Kind::Stream);
    assert_eq!(f.sendto(a, b"x", "@x"), Err(Errno::ISCONN));
}

#[test]
fn a_stream_has_no_boundaries() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    f.send(a, b"one").unwrap();
    f.send(a, b"").unwrap();
    f.send(a, b"two").unwrap();
    assert_eq!(f.space.readable_bytes(b), Ok(6));
    assert_eq!(f.recv(b, 0), Ok(Vec::new()), "no room takes nothing");
    assert_eq!(f.recv_with(b, 5, PEEK).unwrap().0, b"onetw");
    assert_eq!(f.recv(b, 4), Ok(b"onet".to_vec()));
    assert_eq!(f.recv_with(b, 9, RecvFlags { trunc: true, ..DONTWAIT }).unwrap().0, b"wo", "MSG_TRUNC is ignored");
    assert_eq!(f.recv(b, 1), Err(Errno::AGAIN));
    assert_eq!(f.recv(b, 0), Err(Errno::AGAIN), "no room waits for data all the same");
}

#[test]
fn a_peek_offset_moves_with_what_is_looked_at_and_read() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    f.send(a, b"abc").unwrap();
    f.send(a, b"def").unwrap();
    f.space.options_mut(b).peek_off = 2;
    assert_eq!(f.recv_with(b, 2, PEEK).unwrap().0, b"cd");
    assert_eq!(f.recv(b, 3), Ok(b"abc".to_vec()));
    assert_eq!(f.space.options(b).peek_off, 1);
    assert_eq!(f.recv_with(b, 9, PEEK).unwrap().0, b"ef");
    assert_eq!(f.recv_with(b, 9, PEEK).err(), Some(Errno::AGAIN));
}

#[test]
fn a_blocking_read_waits_for_waitall_and_rcvlowat() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    let mut room = [0; 6];
    let mut state = RecvState::new(false);
    let waitall = RecvFlags { waitall: true, ..BLOCKING };
    f.send(a, b"ab").unwrap();
    let failure = f.step_recv(b, &mut room, waitall, &mut state).unwrap_err();
    assert_eq!((failure.wait, state.copied), (Some(WaitFor::Own), 2));
    f.send(a, b"cdefgh").unwrap();
    assert_eq!(f.step_recv(b, &mut room, waitall, &mut state), Ok(6));
    assert_eq!(&room, b"abcdef");
    f.space.options_mut(b).rcvlowat = 3;
    assert_eq!(f.poll(b), PollEvents::IN | PollEvents::OUT, "poll does not care");
    let mut state = RecvState::new(false);
    assert!(f.step_recv(b, &mut room, BLOCKING, &mut state).is_err());
    assert_eq!(f.step_recv(b, &mut room, DONTWAIT, &mut state), Ok(2), "the part, once the call waits no more");
}

#[test]
fn a_part_wins_over_the_error_which_is_lost() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    f.send(a, b"abc").unwrap();
    f.send(b, b"unread").unwrap();
    let (mut room, mut state) = ([0; 9], RecvState::new(false));
    let waitall = RecvFlags { waitall: true, ..BLOCKING };
    assert!(f.step_recv(b, &mut room, waitall, &mut state).is_err());
    f.space.close(a);
    assert_eq!(f.step_recv(b, &mut room, waitall, &mut state), Ok(3));
    assert_eq!(f.recv(b, 9), Ok(Vec::new()));
}

#[test]
fn shutdown_acts_on_the_peer_at_once() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    f.send(a, b"last").unwrap();
    f.space.shutdown(a, Shutdown::Write);
    assert_eq!(f.poll(b), PollEvents::IN | PollEvents::OUT | PollEvents::RDHUP);
    assert_eq!(f.poll(a), PollEvents::OUT);
    assert_eq!(f.recv(b, 9), Ok(b"last".to_vec()));
    assert_eq!(f.recv(b, 9), Ok(Vec::new()));
    let plain = SendFlags { oob: false, nonblocking: true };
    let broken = Failure { errno: Errno::PIPE, sigpipe: true, wait: None };
    assert_eq!(f.send_with(a, b"", None, plain), Err(broken), "even with nothing to send");
    f.space.shutdown(a, Shutdown::Read);
    assert_eq!(f.send_with(b, b"x", None, plain), Err(broken));
    let both = PollEvents::IN | PollEvents::OUT | PollEvents::HUP | PollEvents::RDHUP;
    assert_eq!((f.poll(a), f.poll(b)), (both, both));
}

#[test]
fn shutdown_bits_survive_connect() {
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Stream, "@l", 1);
    let client = f.socket(Kind::Stream);
    f.space.shutdown(client, Shutdown::Both);
    f.connect(client, "@l").unwrap();
    assert_eq!(f.send(client, b"x"), Err(Errno::PIPE));
    let server = f.accept(listener).unwrap();
    assert_eq!(f.send(server, b"x"), Err(Errno::PIPE));
    assert_eq!(f.recv(server, 1), Err(Errno::AGAIN), "the other direction knows nothing of it");
}

#[test]
fn a_peer_that_closes_leaves_its_data_and_the_end() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    f.send(a, b"data").unwrap();
    f.space.close(a);
    assert_eq!(f.poll(b), PollEvents::IN | PollEvents::OUT | PollEvents::HUP | PollEvents::RDHUP);
    assert_eq!(f.recv(b, 9), Ok(b"data".to_vec()));
    assert_eq!(f.recv(b, 9), Ok(Vec::new()));
    assert_eq!(f.send(b, b"x"), Err(Errno::PIPE));
    assert_eq!(f.peername(b), Ok("unix:".to_owned()), "it stays connected for ever");
    f.listener(Kind::Stream, "@l", 1);
    assert_eq!(f.connect(b, "@l"), Err(Errno::ISCONN));
}

#[test]
fn a_peer_that_closes_with_unread_data_resets() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    f.send(a, b"data").unwrap();
    f.send(b, b"unread").unwrap();
    f.space.close(a);
    assert!(f.poll(b).contains(PollEvents::ERR));
    assert_eq!(f.send(b, b"x"), Err(Errno::PIPE), "which does not consume the error");
    assert_eq!(f.recv(b, 9), Ok(b"data".to_vec()));
    assert_eq!(f.recv(b, 9), Err(Errno::CONNRESET));
    assert_eq!(f.recv(b, 9), Ok(Vec::new()));
}

#[test]
fn a_listener_that_closes_resets_what_waits() {
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Stream, "@l", 1);
    let client = f.connected(Kind::Stream, "@l");
    f.space.close(listener);
    assert_eq!(f.recv(client, 9), Err(Errno::CONNRESET));
    assert_eq!(f.recv(client, 9), Ok(Vec::new()));
}

#[test]
fn the_sender_is_charged_until_its_message_is_read() {
    let mut f = Fixture::new();
    for (len, count) in [(192, 278), (1000, 93)] {
        let (a, b) = f.pair(Kind::Stream);
        assert_eq!(f.fill(a, len), count);
        assert_eq!(f.poll(a), PollEvents::NONE);
        f.recv(b, 1).unwrap();
        assert_eq!(f.send(a, b"x"), Err(Errno::AGAIN), "not before a whole message is read");
        f.recv(b, len).unwrap();
        assert_eq!(f.send(a, b"x"), Ok(1));
        assert_eq!(f.poll(a), PollEvents::NONE, "POLLOUT needs three quarters free");
    }
    let (a, _) = f.pair(Kind::Stream);
    assert_eq!(f.send(a, &vec![0; 1 << 20]), Ok(219_264));
}

#[test]
fn a_blocked_sender_goes_on_where_it_was() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    let data: Vec<u8> = (0..1_000_000_u32).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
    let blocking = SendFlags { oob: false, nonblocking: false };
    let mut state = SendState::default();
    let mut received = Vec::new();
    loop {
        match f.step_send(a, &data, None, blocking, &mut state) {
            Ok(sent) => {
                assert_eq!(sent, data.len());
                break;
            }
            Err(failure) => assert_eq!(failure.wait, Some(WaitFor::Own)),
        }
        received.extend(f.recv(b, 100_000).unwrap());
    }
    while let Ok(more) = f.recv(b, 100_000) {
        received.extend(more);
    }
    assert!(received == data, "no byte is lost or made up");
}

#[test]
fn a_blocked_sender_is_told_of_a_reset_and_of_a_shutdown_without_sigpipe() {
    let mut f = Fixture::new();
    let blocking = SendFlags { oob: false, nonblocking: false };
    let plain = |errno| Err(Failure { errno, sigpipe: false, wait: None });
    let (a, b) = f.pair(Kind::Stream);
    let mut state = SendState::default();
    f.fill(a, 1000);
    assert!(f.step_send(a, b"x", None, blocking, &mut state).is_err());
    f.space.close(b);
    assert_eq!(f.step_send(a, b"x", None, blocking, &mut state), plain(Errno::CONNRESET));
    let (a, b) = f.pair(Kind::Stream);
    let mut state = SendState::default();
    f.fill(a, 1000);
    assert!(f.step_send(a, b"x", None, blocking, &mut state).is_err());
    f.space.shutdown(b, Shutdown::Read);
    assert_eq!(f.step_send(a, b"x", None, blocking, &mut state), plain(Errno::PIPE));
}

#[test]
fn peercred_tells_who_connected_listened_or_made_the_pair() {
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Stream, "@l", 1);
    let client = f.socket(Kind::Stream);
    assert_eq!(f.space.peercred(client), None);
    f.space.connect(client, &USER, &sockaddr("@l"), &mut Boring).unwrap();
    let server = f.accept(listener).unwrap();
    assert_eq!(f.space.peercred(client), Some(ROOT.credentials()));
    assert_eq!(f.space.peercred(server), Some(USER.credentials()));
    let (a, _) = f.pair(Kind::Dgram);
    assert_eq!(f.space.peercred(a), Some(ROOT.credentials()));
}

#[test]
fn nothing_is_left_of_sockets_that_are_closed() {
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Stream, "@l", 5);
    let clients = [(); 3].map(|()| f.connected(Kind::Stream, "@l"));
    let server = f.accept(listener).unwrap();
    f.send(server, b"x").unwrap();
    f.send(clients[1], b"y").unwrap();
    for id in [server, clients[0], listener, clients[1], clients[2]] {
        f.space.close(id);
        while f.space.poll_event().is_some() {}
    }
    assert_eq!(f.space.socks.iter().count(), 0);
}
