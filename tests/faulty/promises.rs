//! What each fault does to its call, and what it leaves to the next one: as if Linux had done it.

use crate::support::Env;
use crate::support::scene::{connecting, dead_end, full_listener, listener, pair, pattern};
use crate::support::sock::{Epoll, Sock, poll_all, select, select_read};
use crate::{conformance, ruled, under};
use std::io::{BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::time::Duration;
use twinsock::faulty::{Call, Fault, Faulty, Plan};
use twinsock::net::TcpStream;
use twinsock::{
    Domain, EpollFlags, Errno, MsgFlags, PollEvents, Protocol, SelectSet, SockFlags, SocketAddr, SocketApi, Type, UnixAddr,
};

/// A connection under rules.
fn ruled_pair<E: Env>(env: &E) -> (Faulty<E>, Sock<Faulty<E>>, Sock<Faulty<E>>) {
    let faulty = ruled(env);
    let (client, server) = pair(env);
    let [client, server] = under(&faulty, [client, server]);
    (faulty, client, server)
}

/// A listener under rules, and a client whose connection waits in its queue.
fn ruled_listener<E: Env>(env: &E) -> (Faulty<E>, Sock<Faulty<E>>, Sock<Faulty<E>>) {
    let faulty = ruled(env);
    let (listener, addr) = listener(env);
    let client = Sock::tcp(env);
    client.connect(&addr).unwrap();
    listener.wait(PollEvents::IN);
    let [listener, client] = under(&faulty, [listener, client]);
    (faulty, listener, client)
}

conformance! {
    fn an_interrupted_recv_takes_nothing(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        client.send_all(b"abc");
        let rule = faulty.nth(1, Call::Recv, Fault::Eintr);
        assert_eq!(server.recv(9), Err(Errno::INTR));
        assert_eq!(server.recv(9), Ok(b"abc".to_vec()));
        assert_eq!(rule.hits(), 1);
    }

    fn an_interrupted_send_sends_nothing(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        let _rule = faulty.nth(1, Call::Send, Fault::Eintr);
        assert_eq!(client.send(b"abc"), Err(Errno::INTR));
        assert_eq!(server.try_recv(9), Err(Errno::AGAIN));
        client.send_all(b"abc");
        assert_eq!(server.recv(9), Ok(b"abc".to_vec()));
    }

    fn an_interrupted_connect_goes_on(env: &E) {
        let faulty = ruled(env);
        let (listener, addr) = listener(env);
        let client = Sock::tcp(&faulty);
        let _rule = faulty.nth(1, Call::Connect, Fault::Eintr);
        assert_eq!(client.connect(&addr), Err(Errno::INTR));
        client.wait(PollEvents::OUT);
        assert_eq!(client.take_error(), None);
        assert_eq!(listener.accept().unwrap().1, client.name());
        assert_eq!(client.nonblocking(), Ok(false), "it blocks as before");
        assert_eq!(client.connect(&addr), Ok(()), "once, as after any connect that went on");
        assert_eq!(client.connect(&addr), Err(Errno::ISCONN));
    }

    fn an_interrupted_connect_tells_a_refusal_later(env: &E) {
        let faulty = ruled(env);
        let (_nobody, addr) = dead_end(env, Domain::INET);
        let client = Sock::tcp(&faulty);
        let _rule = faulty.nth(1, Call::Connect, Fault::Eintr);
        assert_eq!(client.connect(&addr), Err(Errno::INTR));
        assert_eq!(client.connect(&addr), Err(Errno::CONNREFUSED));
    }

    fn a_nonblocking_connect_is_not_interrupted(env: &E) {
        let faulty = ruled(env);
        let (_listener, _clients, addr) = full_listener(env);
        let client = Sock::tcp(&faulty);
        client.set_nonblocking(true);
        let rule = faulty.nth(1, Call::Connect, Fault::Eintr);
        assert_eq!(client.connect(&addr), Err(Errno::INPROGRESS));
        assert_eq!(rule.hits(), 0);
    }

    fn an_interrupted_accept_leaves_the_queue_alone(env: &E) {
        let (faulty, listener, client) = ruled_listener(env);
        let _rule = faulty.nth(1, Call::Accept4, Fault::Eintr);
        assert_eq!(listener.accept().err(), Some(Errno::INTR));
        assert_eq!(listener.accept().unwrap().1, client.name());
    }

    fn what_does_not_wait_is_not_interrupted(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        let rule = faulty.rule(|call| Fault::Eintr.can_hit(call.call).then_some(Fault::Eintr));
        assert_eq!(server.try_recv(1), Err(Errno::AGAIN));
        assert_eq!(client.send_with(b"x", MsgFlags::DONTWAIT), Ok(1));
        client.set_nonblocking(true);
        assert_eq!(client.recv(1), Err(Errno::AGAIN));
        assert_eq!(client.mask(), PollEvents::OUT);
        assert_eq!(Epoll::new(&faulty).now(), []);
        assert_eq!(server.recv_with(1, MsgFlags::OOB), Err(Errno::INVAL));
        assert_eq!(rule.hits(), 0);
    }

    fn waiting_for_several_is_interrupted(env: &E) {
        let (faulty, client, _server) = ruled_pair(env);
        let epoll = faulty.epoll_create().unwrap();
        let _rule = faulty.rule(|call| Fault::Eintr.can_hit(call.call).then_some(Fault::Eintr));
        let mut entries = [faulty.poll_entry(&client.socket, PollEvents::IN)];
        assert_eq!(faulty.poll(&mut entries, None), Err(Errno::INTR));
        let mut read = SelectSet::new();
        assert!(read.insert(&faulty, &client.socket));
        assert_eq!(faulty.select(Some(&mut read), None, None, None), Err(Errno::INTR));
        assert!(read.contains(&faulty, &client.socket), "the sets are as they were");
        assert_eq!(faulty.epoll_wait(&epoll, &mut [Default::default()], None), Err(Errno::INTR));
    }

    fn a_short_send_sends_a_part(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        let _rule = faulty.rule(|call| (call.call == Call::Send).then_some(Fault::Short));
        let data = pattern(1000);
        let sent = client.send(&data).unwrap();
        assert!((1..1000).contains(&sent));
        server.expect_fionread(sent);
        client.send_all(&data[sent..]);
        assert_eq!(server.recv_exactly(1000), data);
        let whole: usize = faulty.injected().iter().filter_map(|injected| injected.len).sum();
        assert_eq!(whole, 999, "each of the calls was cut, but for the one with a single byte left");
    }

    fn a_short_recv_leaves_the_rest(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        let data = pattern(100);
        client.send_all(&data);
        server.expect_fionread(100);
        let _rule = faulty.nth(1, Call::Recv, Fault::Short);
        let part = server.recv(100).unwrap();
        assert!((1..100).contains(&part.len()));
        assert_eq!(server.fionread(), Ok(100 - part.len()));
        assert_eq!([part, server.recv(100).unwrap()].concat(), data);
    }

    fn gathered_and_scattered_bytes_are_cut_between_slices_and_inside_them(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        let _rule = faulty.rule(|call| Fault::Short.can_hit(call.call).then_some(Fault::Short));
        let data = pattern(60);
        let (mut sent, mut received) = (0, Vec::new());
        while received.len() < 60 {
            if sent < 60 {
                let (one, two) = data[sent..].split_at((60 - sent) / 3);
                sent += client.send_vectored(&[IoSlice::new(one), IoSlice::new(two)]).unwrap();
            }
            let (mut one, mut two) = ([0; 7], [0; 40]);
            let iov = &mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
            let got = server.recv_vectored(iov).unwrap();
            assert_eq!(got.flags, MsgFlags::NONE, "nothing was cut off");
            received.extend_from_slice(&[&one[..], &two[..]].concat()[..got.len]);
        }
        assert_eq!(received, data);
        assert!(faulty.injected().iter().any(|injected| injected.call == Call::Recvmsg));
        assert!(faulty.injected().iter().any(|injected| injected.call == Call::Sendmsg));
    }

    fn an_urgent_byte_is_not_cut_off(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        let rule = faulty.nth(1, Call::Send, Fault::Short);
        assert_eq!(client.send_with(b"abc", MsgFlags::OOB), Ok(3));
        server.wait(PollEvents::PRI);
        assert_eq!(server.recv_with(1, MsgFlags::OOB), Ok(b"c".to_vec()));
        assert_eq!(rule.hits(), 0);
    }

    fn one_byte_is_not_cut(env: &E) {
        let (faulty, client, _server) = ruled_pair(env);
        let rule = faulty.nth(1, Call::Send, Fault::Short);
        assert_eq!(client.send(b"x"), Ok(1));
        assert_eq!(client.send(b""), Ok(0));
        assert_eq!(rule.hits(), 0);
    }

    fn a_full_table_leaves_the_connection_in_its_queue(env: &E) {
        let (faulty, listener, client) = ruled_listener(env);
        for fault in [Fault::Emfile, Fault::Enfile, Fault::Enobufs, Fault::Enomem, Fault::Econnaborted] {
            let _rule = faulty.nth(1, Call::Accept4, fault);
            assert_eq!(listener.accept().err(), fault.errno());
            assert_eq!(listener.mask(), PollEvents::IN, "the connection is still there");
        }
        let (server, from) = listener.accept().unwrap();
        assert_eq!(from, client.name());
        client.send_all(b"whole");
        assert_eq!(server.recv_exactly(5), b"whole");
    }

    fn a_full_table_is_told_by_an_empty_queue_too(env: &E) {
        let faulty = ruled(env);
        let (listener, _) = listener(env);
        listener.set_nonblocking(true);
        let [listener] = under(&faulty, [listener]);
        let _rule = faulty.nth(1, Call::Accept4, Fault::Emfile);
        assert_eq!(listener.accept().err(), Some(Errno::MFILE));
        assert_eq!(listener.accept().err(), Some(Errno::AGAIN));
    }

    fn what_does_not_listen_says_so_first(env: &E) {
        let faulty = ruled(env);
        let socket = Sock::tcp(&faulty);
        let rule = faulty.nth(1, Call::Accept4, Fault::Emfile);
        assert_eq!(socket.accept().err(), Some(Errno::INVAL));
        assert_eq!(rule.hits(), 0);
    }

    fn no_socket_no_descriptor_no_epoll(env: &E) {
        let faulty = ruled(env);
        let socket = Sock::tcp(&faulty);
        for fault in [Fault::Emfile, Fault::Enfile, Fault::Enobufs, Fault::Enomem] {
            let _rule = faulty.nth(1, Call::Socket, fault);
            let opened = Sock::open(&faulty, Domain::INET, Type::STREAM, Protocol::TCP);
            assert_eq!(opened.err(), fault.errno());
        }
        let _dup = faulty.nth(1, Call::Fcntl, Fault::Emfile);
        assert_eq!(faulty.dup(&socket.socket).err(), Some(Errno::MFILE));
        assert!(faulty.dup(&socket.socket).is_ok());
        let _epoll = faulty.nth(1, Call::EpollCreate1, Fault::Emfile);
        assert_eq!(faulty.epoll_create().err(), Some(Errno::MFILE));
        assert!(faulty.epoll_create().is_ok());
    }

    fn flags_are_read_with_a_full_table(env: &E) {
        let faulty = ruled(env);
        let socket = Sock::tcp(&faulty);
        let rule = faulty.nth(1, Call::Fcntl, Fault::Emfile);
        assert_eq!(socket.nonblocking(), Ok(false));
        assert_eq!(rule.hits(), 0);
    }

    fn a_wrong_argument_wins_over_a_full_table(env: &E) {
        let faulty = ruled(env);
        let rule = faulty.nth(1, Call::Socket, Fault::Emfile);
        let opened = faulty.socket(Domain::from_raw(9999), Type::STREAM, SockFlags::NONE, Protocol::DEFAULT);
        assert_eq!(opened.err(), Some(Errno::AFNOSUPPORT));
        assert_eq!(rule.hits(), 0);
    }

    fn a_send_without_memory_sends_nothing(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        for fault in [Fault::Enobufs, Fault::Enomem] {
            let _rule = faulty.nth(1, Call::Send, fault);
            assert_eq!(client.send(b"abc").err(), fault.errno());
            assert_eq!(server.try_recv(9), Err(Errno::AGAIN));
        }
        client.send_all(b"abc");
        assert_eq!(server.recv(9), Ok(b"abc".to_vec()));
    }

    fn a_recvmsg_without_memory_takes_nothing(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        client.send_all(b"abc");
        let _rule = faulty.nth(1, Call::Recvmsg, Fault::Enomem);
        let mut bytes = [0; 9];
        assert_eq!(server.recv_vectored(&mut [IoSliceMut::new(&mut bytes)]).err(), Some(Errno::NOMEM));
        assert_eq!(server.recv_vectored(&mut [IoSliceMut::new(&mut bytes)]).map(|received| received.len), Ok(3));
    }

    fn an_epoll_entry_without_memory_is_not_made(env: &E) {
        let (faulty, client, _server) = ruled_pair(env);
        let epoll = Epoll::new(&faulty);
        let _rule = faulty.nth(1, Call::EpollCtl, Fault::Enomem);
        assert_eq!(epoll.add(&client, EpollFlags::OUT, 1), Err(Errno::NOMEM));
        assert_eq!(epoll.now(), []);
        assert_eq!(epoll.add(&client, EpollFlags::OUT, 1), Ok(()));
        assert_eq!(epoll.now(), [(EpollFlags::OUT, 1)]);
    }

    fn a_spurious_poll_reports_what_is_not_there(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        server.set_nonblocking(true);
        let _rule = faulty.nth(1, Call::Poll, Fault::Spurious);
        assert_eq!(server.poll(PollEvents::IN, None), PollEvents::IN);
        assert_eq!(server.recv(1), Err(Errno::AGAIN));
        client.send_all(b"x");
        server.wait(PollEvents::IN);
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
    }

    fn a_spurious_poll_tells_the_truth_of_the_others(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        server.set_nonblocking(true);
        let _rule = faulty.nth(1, Call::Poll, Fault::Spurious);
        let set = [(&client, PollEvents::IN | PollEvents::OUT), (&server, PollEvents::IN)];
        assert_eq!(poll_all(&faulty, &set, None), (2, vec![PollEvents::OUT, PollEvents::IN]));
        let _rule = faulty.nth(1, Call::Poll, Fault::Spurious);
        assert_eq!(server.poll(PollEvents::IN | PollEvents::OUT, None), PollEvents::IN | PollEvents::OUT);
    }

    fn a_listener_is_reported_and_has_no_connection(env: &E) {
        let faulty = ruled(env);
        let (listener, _) = listener(env);
        listener.set_nonblocking(true);
        let [listener] = under(&faulty, [listener]);
        let _rule = faulty.nth(1, Call::Poll, Fault::Spurious);
        assert_eq!(listener.poll(PollEvents::IN, None), PollEvents::IN);
        assert_eq!(listener.accept().err(), Some(Errno::AGAIN));
    }

    fn who_would_block_is_not_deceived(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        let rule = faulty.rule(|call| Fault::Spurious.can_hit(call.call).then_some(Fault::Spurious));
        assert_eq!(server.poll(PollEvents::IN, Some(Duration::from_millis(1))), PollEvents::NONE);
        assert_eq!(server.mask(), PollEvents::OUT);
        assert!(!select_read(&server, Some(Duration::from_millis(1))));
        assert_eq!(select(&server, None), (false, true, false));
        client.send_all(b"x");
        assert_eq!(server.poll(PollEvents::IN, None), PollEvents::IN, "it is there");
        assert_eq!(rule.hits(), 0);
    }

    fn an_attempt_to_connect_is_not_reported_done(env: &E) {
        let faulty = ruled(env);
        let (socket, listener, _clients, _) = connecting(env);
        let [socket, _listener] = under(&faulty, [socket, listener]);
        let rule = faulty.rule(|call| Fault::Spurious.can_hit(call.call).then_some(Fault::Spurious));
        assert_eq!(socket.mask(), PollEvents::NONE);
        assert_eq!(rule.hits(), 0);
    }

    fn a_spurious_select_reports_what_is_not_there(env: &E) {
        let (faulty, _client, server) = ruled_pair(env);
        server.set_nonblocking(true);
        let _rule = faulty.nth(1, Call::Select, Fault::Spurious);
        assert!(select_read(&server, None));
        assert_eq!(server.recv(1), Err(Errno::AGAIN));
        let _rule = faulty.nth(1, Call::Select, Fault::Spurious);
        assert_eq!(select(&server, None), (true, true, false));
    }

    fn a_spurious_epoll_wait_reports_what_is_not_there(env: &E) {
        let faulty = Faulty::new(env.clone(), Plan::new(0).watch_epoll());
        let (client, server) = pair(env);
        server.set_nonblocking(true);
        let [client, server] = under(&faulty, [client, server]);
        let epoll = Epoll::new(&faulty);
        epoll.add(&server, EpollFlags::IN | EpollFlags::ET, 7).unwrap();
        epoll.add(&client, EpollFlags::IN, 8).unwrap();
        let _rule = faulty.nth(1, Call::EpollWait, Fault::Spurious);
        assert_eq!(epoll.wait(8, None), [(EpollFlags::IN, 7)], "the client would block");
        assert_eq!(server.recv(1), Err(Errno::AGAIN));
        client.send_all(b"x");
        server.wait(PollEvents::IN);
        assert_eq!(epoll.now(), [(EpollFlags::IN, 7)], "the edge is still to come");
    }

    fn a_spurious_epoll_wait_tells_the_truth_of_the_others(env: &E) {
        let faulty = Faulty::new(env.clone(), Plan::new(0).watch_epoll());
        let (client, server) = pair(env);
        server.set_nonblocking(true);
        let [client, server] = under(&faulty, [client, server]);
        let epoll = Epoll::new(&faulty);
        epoll.add(&server, EpollFlags::IN | EpollFlags::OUT, 7).unwrap();
        epoll.add(&client, EpollFlags::OUT, 8).unwrap();
        let _rule = faulty.nth(1, Call::EpollWait, Fault::Spurious);
        let both = EpollFlags::IN | EpollFlags::OUT;
        assert_eq!(epoll.wait(8, None), [(both, 7), (EpollFlags::OUT, 8)]);
    }

    fn what_is_closed_or_taken_out_is_not_reported(env: &E) {
        let faulty = Faulty::new(env.clone(), Plan::new(0).watch_epoll());
        let (client, server) = pair(env);
        client.set_nonblocking(true);
        server.set_nonblocking(true);
        let [client, server] = under(&faulty, [client, server]);
        let epoll = Epoll::new(&faulty);
        epoll.add(&server, EpollFlags::IN, 7).unwrap();
        epoll.add(&client, EpollFlags::IN, 8).unwrap();
        epoll.delete(&client).unwrap();
        drop(server);
        let rule = faulty.rule(|call| (call.call == Call::EpollWait).then_some(Fault::Spurious));
        assert_eq!(epoll.now(), []);
        assert_eq!(rule.hits(), 0);
    }

    fn a_slow_call_takes_its_time_and_is_made(env: &E) {
        let (faulty, client, server) = ruled_pair(env);
        let time = Duration::from_millis(20);
        let _rule = faulty.nth(1, Call::Send, Fault::Slow(time));
        let _close = faulty.nth(1, Call::Close, Fault::Slow(time));
        let start = env.now();
        assert_eq!(client.send(b"x"), Ok(1));
        assert!(env.now().since(start) >= time);
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
        let start = env.now();
        client.close().unwrap();
        assert!(env.now().since(start) >= time);
        assert_eq!(server.recv(1), Ok(vec![]));
    }

    fn streams_as_std_shapes_them_survive(env: &E) {
        let faulty = Faulty::new(env.clone(), Plan::new(1).with(Fault::Short.rate(2, 3)).with(Fault::Eintr.rate(1, 2)));
        let (client, server) = pair(env);
        let [client, server] = under(&faulty, [client, server]);
        let mut client = TcpStream::from_owned(&faulty, client.socket);
        client.write_all(b"one line\n").unwrap();
        client.write_all(b"and more").unwrap();
        drop(client);
        let mut server = BufReader::new(TcpStream::from_owned(&faulty, server.socket));
        let (mut line, mut rest) = (String::new(), String::new());
        server.read_line(&mut line).unwrap();
        server.read_to_string(&mut rest).unwrap();
        assert_eq!((&*line, &*rest), ("one line\n", "and more"));
        assert!(faulty.injected_count() > 2);
    }

    fn a_datagram_is_not_cut(env: &E) {
        let faulty = ruled(env);
        let pair = |kind| env.socketpair(Domain::UNIX, kind, SockFlags::NONE, Protocol::DEFAULT).unwrap();
        let rule = faulty.rule(|call| Fault::Short.can_hit(call.call).then_some(Fault::Short));
        for kind in [Type::DGRAM, Type::SEQPACKET] {
            let (one, other) = pair(kind);
            let (one, other) = (Sock::of(&faulty, faulty.wrap(one)), Sock::of(&faulty, faulty.wrap(other)));
            assert_eq!(one.send(b"datagram"), Ok(8));
            assert_eq!(other.recv(20), Ok(b"datagram".to_vec()));
        }
        assert_eq!(rule.hits(), 0);
    }

    fn a_local_stream_is_cut(env: &E) {
        let faulty = ruled(env);
        let (one, other) = env.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT).unwrap();
        let (one, other) = (Sock::of(&faulty, faulty.wrap(one)), Sock::of(&faulty, faulty.wrap(other)));
        let _rule = faulty.rule(|call| Fault::Short.can_hit(call.call).then_some(Fault::Short));
        one.send_all(b"in parts");
        assert_eq!(other.recv_exactly(8), b"in parts");
        assert!(faulty.injected_count() >= 2);
    }

    fn two_descriptors_or_none(env: &E) {
        let faulty = ruled(env);
        let pair = || faulty.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT);
        for fault in [Fault::Emfile, Fault::Enfile, Fault::Enobufs, Fault::Enomem] {
            let _rule = faulty.nth(1, Call::Socketpair, fault);
            assert_eq!(pair().err(), fault.errno());
        }
        assert!(pair().is_ok());
    }

    fn a_nonblocking_datagram_socket_is_reported_and_has_none(env: &E) {
        let faulty = ruled(env);
        let socket = Sock::open(&faulty, Domain::INET, Type::DGRAM, Protocol::UDP).unwrap();
        let rule = faulty.rule(|call| (call.call == Call::Poll).then_some(Fault::Spurious));
        assert_eq!(socket.poll(PollEvents::IN, Some(Duration::ZERO)), PollEvents::NONE, "a reader of this one would wait");
        socket.set_nonblocking(true);
        assert_eq!(socket.poll(PollEvents::IN, None), PollEvents::IN);
        assert_eq!(socket.recv(1), Err(Errno::AGAIN));
        assert_eq!(rule.hits(), 1);
    }

    fn an_interrupted_connect_to_a_full_queue_queues_nothing(env: &E) {
        let faulty = ruled(env);
        let listener = Sock::open(env, Domain::UNIX, Type::STREAM, Protocol::DEFAULT).unwrap();
        listener.bind(&SocketAddr::Unix(UnixAddr::Unnamed)).unwrap();
        listener.listen(0).unwrap();
        let client = || Sock::open(&faulty, Domain::UNIX, Type::STREAM, Protocol::DEFAULT).unwrap();
        let (first, second) = (client(), client());
        first.connect(&listener.name()).unwrap();
        let _rule = faulty.nth(1, Call::Connect, Fault::Eintr);
        assert_eq!(second.connect(&listener.name()), Err(Errno::INTR));
        assert!(listener.accept().is_ok());
        assert_eq!(second.connect(&listener.name()), Ok(()));
        assert!(listener.accept().is_ok());
    }
}
