//! Local streams and sequences of packets, `unix(7)`: data, ends, readiness, options.

use crate::conformance;
use crate::support::files::{World, abstract_name};
use crate::support::scene::{fill, pattern};
use crate::support::sock::Sock;
use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;
use twinsock::consts as c;
use twinsock::poll::EpollOp;
use twinsock::raw::EpollEvent;
use twinsock::{EpollFlags, Errno, MsgFlags, PollEvents, Type, UnixAddr};

const IN: PollEvents = PollEvents::IN;
const OUT: PollEvents = PollEvents::OUT;
const HUP: PollEvents = PollEvents::HUP;
const RDHUP: PollEvents = PollEvents::RDHUP;

fn pair<E: World>(env: &E) -> (Sock<E>, Sock<E>) {
    Sock::unix_pair(env, Type::STREAM)
}

fn records<E: World>(env: &E) -> (Sock<E>, Sock<E>) {
    Sock::unix_pair(env, Type::SEQPACKET)
}

conformance! {
    fn a_local_stream_has_no_boundaries(env: &E) {
        let (a, b) = pair(env);
        a.send_all(b"one");
        a.send_vectored(&[IoSlice::new(b"two"), IoSlice::new(b""), IoSlice::new(b"three")]).unwrap();
        let (mut head, mut tail) = ([0; 5], [0; 9]);
        let got = b.recv_vectored(&mut [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)]).unwrap();
        assert_eq!((got.len, &head, &tail[..6]), (11, b"onetw", &b"othree"[..]));
        assert_eq!(a.send(b""), Ok(0));
        assert_eq!(b.try_recv(9), Err(Errno::AGAIN), "nothing is nothing");
    }

    fn a_large_message_passes_a_stream_whole(env: &E) {
        let (a, b) = pair(env);
        let data = pattern(1_000_000);
        let sent = data.clone();
        let sender = env.spawn(move || {
            assert_eq!(a.send(&sent), Ok(sent.len()), "a blocking send sends all");
        });
        assert_eq!(b.recv_to_end(), data);
        twinsock::JoinThread::join(sender).unwrap();
    }

    fn the_end_comes_after_the_data(env: &E) {
        for kind in [Type::STREAM, Type::SEQPACKET] {
            let (a, b) = Sock::unix_pair(env, kind);
            a.send(b"last").unwrap();
            a.close().unwrap();
            assert_eq!(b.mask(), IN | OUT | HUP | RDHUP);
            assert_eq!(b.recv(9), Ok(b"last".to_vec()));
            assert_eq!(b.recv(9), Ok(vec![]));
            assert_eq!(b.send(b"x"), Err(Errno::PIPE));
            assert_eq!(b.take_error(), None);
        }
    }

    fn what_the_peer_had_not_read_is_an_error(env: &E) {
        let (a, b) = pair(env);
        b.send(b"unread").unwrap();
        a.send(b"data").unwrap();
        a.close().unwrap();
        assert_eq!(b.mask(), IN | OUT | HUP | RDHUP | PollEvents::ERR);
        assert_eq!(b.send(b"x"), Err(Errno::PIPE), "a send does not take the error");
        assert_eq!(b.recv(9), Ok(b"data".to_vec()));
        assert_eq!(b.recv(9), Err(Errno::CONNRESET));
        assert_eq!(b.recv(9), Ok(vec![]));
        let (a, b) = records(env);
        b.send(b"unread").unwrap();
        a.send(b"data").unwrap();
        a.close().unwrap();
        assert_eq!(b.recv(9), Err(Errno::CONNRESET), "of records the error comes first");
        assert_eq!(b.recv(9), Ok(b"data".to_vec()));
    }

    fn a_socket_that_is_not_connected(env: &E) {
        let (stream, seqpacket) = (Sock::unix(env, Type::STREAM), Sock::unix(env, Type::SEQPACKET));
        assert_eq!(seqpacket.recv(1), Err(Errno::NOTCONN));
        for socket in [&stream, &seqpacket] {
            assert_eq!(socket.send(b"x"), Err(Errno::NOTCONN));
            assert_eq!(socket.mask(), OUT | HUP);
            assert_eq!(socket.listen(1), Err(Errno::INVAL), "it has no name");
        }
        assert_eq!(stream.accept().map(drop), Err(Errno::INVAL));
        assert_eq!(Sock::unix(env, Type::DGRAM).accept().map(drop), Err(Errno::OPNOTSUPP));
        let (a, _b) = pair(env);
        assert_eq!(a.connect(&abstract_name()), Err(Errno::CONNREFUSED), "the target is judged first");
    }

    fn a_backlog_of_one_admits_two_and_then_says_again(env: &E) {
        let name = abstract_name();
        let listener = Sock::unix(env, Type::STREAM);
        listener.bind(&name).unwrap();
        listener.listen(1).unwrap();
        assert_eq!(listener.mask(), PollEvents::NONE);
        let clients: Vec<_> = (0..3).map(|_| Sock::unix(env, Type::STREAM)).collect();
        clients.iter().for_each(|client| client.set_nonblocking(true));
        assert_eq!(clients[0].connect(&name), Ok(()));
        assert_eq!(clients[1].connect(&name), Ok(()));
        assert_eq!(clients[2].connect(&name), Err(Errno::AGAIN));
        assert_eq!(listener.mask(), IN);
        clients[0].send(b"early").unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.recv(9), Ok(b"early".to_vec()));
        assert_eq!(clients[2].connect(&name), Ok(()));
        assert_eq!(clients[2].connect(&name), Err(Errno::AGAIN), "a full queue is seen before one's own state");
        listener.close().unwrap();
        assert_eq!(clients[1].recv(9), Err(Errno::CONNRESET), "it was never accepted");
        assert_eq!(clients[0].connect(&name), Err(Errno::CONNREFUSED));
    }

    fn a_full_stream_is_writable_again_once_it_is_read_to_a_quarter(env: &E) {
        let (a, b) = pair(env);
        a.set(c::SOL_SOCKET, c::SO_SNDBUF, 8192).unwrap();
        let sent = fill(&a);
        assert_eq!(a.mask(), PollEvents::NONE);
        assert_eq!(b.recv_exactly(sent.len()), sent);
        assert_eq!(a.mask(), OUT);
        assert_eq!(a.outq(), Ok(0));
    }

    fn small_messages_are_charged_by_the_block(env: &E) {
        let (a, b) = pair(env);
        a.send(b"x").unwrap();
        assert_eq!(a.outq(), Ok(768));
        a.send(&[0; 193]).unwrap();
        assert_eq!(a.outq(), Ok(768 + 1280));
        b.recv(1).unwrap();
        assert_eq!(a.outq(), Ok(1280));
        assert_eq!(b.fionread(), Ok(193));
    }

    fn a_peek_leaves_the_data(env: &E) {
        let (a, b) = pair(env);
        a.send(b"ab").unwrap();
        a.send(b"cd").unwrap();
        assert_eq!(b.recv_with(3, MsgFlags::PEEK), Ok(b"abc".to_vec()));
        b.set(c::SOL_SOCKET, c::SO_PEEK_OFF, 1).unwrap();
        assert_eq!(b.recv_with(2, MsgFlags::PEEK), Ok(b"bc".to_vec()));
        assert_eq!(b.get(c::SOL_SOCKET, c::SO_PEEK_OFF), Ok(3));
        assert_eq!(b.recv(9), Ok(b"abcd".to_vec()));
        assert_eq!(b.get(c::SOL_SOCKET, c::SO_PEEK_OFF), Ok(0));
    }

    fn a_local_stream_has_an_urgent_byte(env: &E) {
        let (a, b) = pair(env);
        a.send_with(b"ab!", MsgFlags::OOB).unwrap();
        assert_eq!(b.fionread(), Ok(3), "it counts");
        assert_eq!(b.mask(), IN | OUT | PollEvents::PRI);
        assert_eq!(b.recv(9), Ok(b"ab".to_vec()), "a read stops at the mark");
        assert_eq!(b.at_mark(), Ok(true));
        assert_eq!(b.recv_with(1, MsgFlags::OOB), Ok(b"!".to_vec()));
        assert_eq!(b.recv_with(1, MsgFlags::OOB), Err(Errno::INVAL));
        assert_eq!(a.send_with(b"", MsgFlags::OOB), Err(Errno::OPNOTSUPP));
        let (a, _b) = records(env);
        assert_eq!(a.send_with(b"!", MsgFlags::OOB), Err(Errno::OPNOTSUPP));
        assert_eq!(a.at_mark(), Err(Errno::OPNOTSUPP));
    }

    fn local_options_read_as_they_were_set(env: &E) {
        let (a, _b) = pair(env);
        let level = c::SOL_SOCKET;
        let defaults = [
            (c::SO_ACCEPTCONN, 0), (c::SO_PASSCRED, 0), (c::SO_PEEK_OFF, -1), (c::SO_RCVLOWAT, 1), (c::SO_PRIORITY, 0), (c::SO_REUSEPORT, 0),
        ];
        for (name, value) in defaults {
            assert_eq!(a.get(level, name), Ok(value), "option {name}");
        }
        for name in [c::SO_PASSCRED, c::SO_REUSEADDR, c::SO_KEEPALIVE, c::SO_BROADCAST, c::SO_OOBINLINE] {
            a.set(level, name, 7).unwrap();
            assert_eq!(a.get(level, name), Ok(1), "option {name}");
        }
        a.set(level, c::SO_RCVLOWAT, -1).unwrap();
        assert_eq!(a.get(level, c::SO_RCVLOWAT), Ok(i32::MAX));
        a.set(level, c::SO_SNDBUF, 0).unwrap();
        assert_eq!(a.get(level, c::SO_SNDBUF), Ok(4608));
        assert_eq!(a.set(level, c::SO_REUSEPORT, 1), Err(Errno::OPNOTSUPP));
        assert_eq!(a.set(level, c::SO_ZEROCOPY, 1), Err(Errno::OPNOTSUPP));
        assert_eq!(a.set(level, c::SO_ERROR, 1), Err(Errno::NOPROTOOPT));
        assert_eq!(a.get_bytes(level, c::SO_PEERNAME, 2), Ok(vec![1, 0]));
        assert_eq!(a.get_bytes(level, c::SO_PEERNAME, 3), Err(Errno::INVAL));
        assert_eq!(a.name(), UnixAddr::Unnamed.into());
    }

    fn every_message_and_every_read_of_one_is_an_edge(env: &E) {
        let (a, b) = pair(env);
        let epoll = env.epoll_create().unwrap();
        for (data, socket) in [(1, &a), (2, &b)] {
            let flags = EpollFlags::IN | EpollFlags::OUT | EpollFlags::ET;
            env.epoll_ctl(&epoll, EpollOp::Add(EpollEvent { events: flags.raw().cast_unsigned(), data }), &socket.socket).unwrap();
        }
        let edges = || {
            let mut events = [EpollEvent::default(); 4];
            let count = env.epoll_wait(&epoll, &mut events, Some(Duration::ZERO)).unwrap();
            events[..count].iter().map(|event| (event.data, event.events)).collect::<Vec<_>>()
        };
        assert_eq!(edges(), [(1, 4), (2, 4)]);
        a.send(b"x").unwrap();
        assert_eq!(edges(), [(2, 5)]);
        a.send(b"yz").unwrap();
        assert_eq!(edges(), [(2, 5)]);
        b.recv(2).unwrap();
        assert_eq!(edges(), [(1, 4)], "one message was read to its end, the other was not");
        b.recv(2).unwrap();
        assert_eq!(edges(), [(1, 4)]);
        assert_eq!(edges(), []);
    }
}
