//! UNX: local sockets, as far as the other groups do not speak of them.

use crate::conformance;
use crate::support::files::{Dir, World, abstract_name};
use crate::support::rights::{pass, take};
use crate::support::sock::Sock;
use crate::support::wait::Waiting;
use std::io::IoSliceMut;
use twinsock::consts as c;
use twinsock::control::space;
use twinsock::{Errno, MsgFlags, PollEvents, SocketAddr, Type, UnixAddr};

fn dgram<E: World>(env: &E) -> Sock<E> {
    Sock::unix(env, Type::DGRAM)
}

fn bound<E: World>(env: &E, kind: Type, addr: &SocketAddr) -> Sock<E> {
    let socket = Sock::unix(env, kind);
    socket.bind(addr).expect("the name is free");
    socket
}

fn listener<E: World>(env: &E, addr: &SocketAddr) -> Sock<E> {
    let socket = bound(env, Type::STREAM, addr);
    socket.listen(8).expect("a bound socket can listen");
    socket
}

/// Sends one byte after the other until there is no room; answers how many.
fn fill<E: World>(socket: &Sock<E>, to: &SocketAddr) -> usize {
    let count = (0..1000).take_while(|_| socket.send_to_with(b"x", to, MsgFlags::DONTWAIT).is_ok()).count();
    assert_eq!(socket.send_to_with(b"x", to, MsgFlags::DONTWAIT), Err(Errno::AGAIN));
    count
}

conformance! {
    fn unx_01_a_datagram_needs_a_target_of_its_type(env: &E) {
        let dir = Dir::new(env);
        let socket = dgram(env);
        assert_eq!(socket.send_to(b"x", &dir.addr("nobody")), Err(Errno::NOENT));
        assert_eq!(socket.send_to(b"x", &abstract_name()), Err(Errno::CONNREFUSED));
        let _stream = listener(env, &dir.addr("stream"));
        assert_eq!(socket.send_to(b"x", &dir.addr("stream")), Err(Errno::PROTOTYPE));
    }

    fn unx_02_a_target_that_is_connected_hears_its_peer_alone(env: &E) {
        let dir = Dir::new(env);
        let to = bound(env, Type::DGRAM, &dir.addr("to"));
        let third = bound(env, Type::DGRAM, &dir.addr("third"));
        to.connect(&dir.addr("third")).unwrap();
        let from = dgram(env);
        assert_eq!(from.send_to(b"x", &dir.addr("to")), Err(Errno::PERM));
        assert_eq!(from.connect(&dir.addr("to")), Err(Errno::PERM));
        assert_eq!(third.send_to(b"y", &dir.addr("to")), Ok(1));
        to.connect(&SocketAddr::Unspec).unwrap();
        assert_eq!(from.send_to(b"x", &dir.addr("to")), Ok(1));
    }

    fn unx_03_the_queue_of_a_target_is_bounded_in_datagrams(env: &E) {
        let qlen: usize = env.sysctl("net.unix.max_dgram_qlen").parse().expect("a number");
        let dir = Dir::new(env);
        let to = bound(env, Type::DGRAM, &dir.addr("to"));
        let from = dgram(env);
        assert_eq!(fill(&from, &dir.addr("to")), qlen + 1);
        assert_eq!(from.mask(), PollEvents::OUT, "it could send to somebody else");
        from.connect(&dir.addr("to")).unwrap();
        assert_eq!(from.mask(), PollEvents::NONE);
        to.recv(9).unwrap();
        assert_eq!(from.mask(), PollEvents::OUT);
    }

    fn unx_04_a_datagram_waits_for_room_at_its_target(env: &E) {
        let dir = Dir::new(env);
        let to = bound(env, Type::DGRAM, &dir.addr("to"));
        let from = dgram(env);
        let queued = fill(&from, &dir.addr("to"));
        let addr = dir.addr("to");
        let sender = Waiting::begun(env, move || from.send_to(b"late", &addr));
        for _ in 0..queued {
            assert_eq!(to.recv(9), Ok(b"x".to_vec()));
        }
        assert_eq!(sender.answer(), Ok(4));
        assert_eq!(to.recv(9), Ok(b"late".to_vec()));
    }

    fn unx_05_a_datagram_is_smaller_than_the_buffer(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        assert_eq!(a.send(&vec![7; 10_000_000]), Err(Errno::MSGSIZE));
        a.set(c::SOL_SOCKET, c::SO_SNDBUF, 8192).unwrap();
        let buffer = usize::try_from(a.get(c::SOL_SOCKET, c::SO_SNDBUF).unwrap()).unwrap();
        assert_eq!(a.send(&vec![7; buffer - 31]), Err(Errno::MSGSIZE));
        assert_eq!(a.send(&vec![7; buffer - 32]), Ok(buffer - 32));
        assert_eq!(b.recv(99_999).map(|data| data.len()), Ok(buffer - 32));
    }

    fn unx_06_a_datagram_keeps_its_boundaries(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::DGRAM);
        for datagram in [&b"abcdef"[..], b"zz", b"", b"a long one", b"a long one"] {
            assert_eq!(a.send(datagram), Ok(datagram.len()));
        }
        assert_eq!(b.fionread(), Ok(6), "of the next one");
        assert_eq!(b.recv(2), Ok(b"ab".to_vec()), "and the rest is lost");
        assert_eq!(b.recv(9), Ok(b"zz".to_vec()));
        assert_eq!(b.recv(9), Ok(vec![]));
        let mut room = [0; 3];
        let got = b.recv_vectored(&mut [IoSliceMut::new(&mut room)]).unwrap();
        assert_eq!((got.len, got.flags), (3, MsgFlags::TRUNC));
        assert_eq!(b.recv_into(&mut room, MsgFlags::TRUNC), Ok(10));
        assert_eq!(b.try_recv(9), Err(Errno::AGAIN));
    }

    fn unx_07_a_datagram_tells_the_name_of_a_sender_that_has_one(env: &E) {
        let dir = Dir::new(env);
        let to = bound(env, Type::DGRAM, &dir.addr("to"));
        let from = dgram(env);
        from.send_to(b"x", &dir.addr("to")).unwrap();
        assert_eq!(to.recv_from(9), Ok((b"x".to_vec(), SocketAddr::Unspec)));
        from.send_to(b"y", &dir.addr("to")).unwrap();
        from.bind(&dir.addr("from")).unwrap();
        assert_eq!(to.recv_from(9), Ok((b"y".to_vec(), dir.addr("from"))), "the name is asked for at the end");
        from.send_to(b"", &dir.addr("to")).unwrap();
        assert_eq!(to.recv_from(9), Ok((vec![], dir.addr("from"))));
    }

    fn unx_08_the_address_of_a_sender_can_be_answered(env: &E) {
        let dir = Dir::new(env);
        let to = bound(env, Type::DGRAM, &dir.addr("to"));
        for addr in [dir.addr("from"), abstract_name()] {
            let from = bound(env, Type::DGRAM, &addr);
            from.send_to(b"question", &dir.addr("to")).unwrap();
            let (_, sender) = to.recv_from(9).unwrap();
            assert_eq!(to.send_to(b"answer", &sender), Ok(6));
            assert_eq!(from.recv_from(9), Ok((b"answer".to_vec(), dir.addr("to"))));
        }
    }

    fn unx_09_a_connect_that_fails_keeps_the_peer(env: &E) {
        let dir = Dir::new(env);
        let (first, second) = (bound(env, Type::DGRAM, &dir.addr("first")), bound(env, Type::DGRAM, &dir.addr("second")));
        let from = dgram(env);
        from.connect(&dir.addr("first")).unwrap();
        assert_eq!(from.connect(&abstract_name()), Err(Errno::CONNREFUSED));
        assert_eq!(from.connect(&dir.addr("nobody")), Err(Errno::NOENT));
        from.send(b"x").unwrap();
        assert_eq!(first.recv(9), Ok(b"x".to_vec()));
        assert_eq!(from.connect(&dir.addr("second")), Ok(()));
        from.send(b"y").unwrap();
        assert_eq!(second.recv(9), Ok(b"y".to_vec()));
        assert_eq!(first.try_recv(9), Err(Errno::AGAIN));
    }

    fn unx_10_a_new_socket_of_the_same_name_is_not_the_peer(env: &E) {
        let dir = Dir::new(env);
        let old = bound(env, Type::DGRAM, &dir.addr("s"));
        let from = dgram(env);
        from.connect(&dir.addr("s")).unwrap();
        old.close().unwrap();
        env.unlink(&dir.path("s")).unwrap();
        let new = bound(env, Type::DGRAM, &dir.addr("s"));
        assert_eq!(from.send(b"x"), Err(Errno::CONNREFUSED));
        assert_eq!(from.send(b"x"), Err(Errno::NOTCONN));
        assert_eq!(new.try_recv(9), Err(Errno::AGAIN));
        assert_eq!(from.send_to(b"x", &dir.addr("s")), Ok(1), "but it can be found");
    }

    fn unx_11_a_listener_whose_path_is_gone_serves_those_who_came_before(env: &E) {
        let dir = Dir::new(env);
        let listener = listener(env, &dir.addr("s"));
        let client = Sock::unix(env, Type::STREAM);
        client.connect(&dir.addr("s")).unwrap();
        env.unlink(&dir.path("s")).unwrap();
        assert_eq!(Sock::unix(env, Type::STREAM).connect(&dir.addr("s")), Err(Errno::NOENT));
        let (server, _) = listener.accept().unwrap();
        client.send(b"x").unwrap();
        assert_eq!(server.recv(9), Ok(b"x".to_vec()));
        assert_eq!((listener.name(), client.peer_name()), (dir.addr("s"), Ok(dir.addr("s"))));
    }

    fn unx_12_other_spellings_and_links_lead_to_the_same_socket(env: &E) {
        let dir = Dir::new(env);
        env.mkdir(&dir.path("d")).unwrap();
        let listener = listener(env, &dir.addr("d/s"));
        env.symlink(&dir.path("d/s"), &dir.path("link")).unwrap();
        env.symlink(std::path::Path::new("d"), &dir.path("to-d")).unwrap();
        for path in ["d/./s", "d//s", "d/../d/s", "link", "to-d/s"] {
            let client = Sock::unix(env, Type::STREAM);
            assert_eq!(client.connect(&dir.addr(path)), Ok(()), "{path}");
            assert!(listener.accept().is_ok());
            assert_eq!(client.peer_name(), Ok(dir.addr("d/s")), "the name that was bound");
        }
        assert_eq!(dgram(env).bind(&dir.addr("link")), Err(Errno::ADDRINUSE));
    }

    fn unx_13_a_renamed_file_is_found_by_its_new_name_and_connections_stay(env: &E) {
        let dir = Dir::new(env);
        let listener = listener(env, &dir.addr("old"));
        let client = Sock::unix(env, Type::STREAM);
        client.connect(&dir.addr("old")).unwrap();
        env.rename(&dir.path("old"), &dir.path("new")).unwrap();
        assert_eq!(Sock::unix(env, Type::STREAM).connect(&dir.addr("old")), Err(Errno::NOENT));
        assert_eq!(Sock::unix(env, Type::STREAM).connect(&dir.addr("new")), Ok(()));
        let (server, _) = listener.accept().unwrap();
        client.send_all(b"still here");
        assert_eq!(server.recv_exactly(10), b"still here");
        assert_eq!(client.peer_name(), Ok(dir.addr("old")), "a name is what was bound");
    }

    fn unx_14_so_peercred_names_the_process_at_the_other_end(env: &E) {
        let pid = |socket: &Sock<E>| {
            let credentials = socket.get_bytes(c::SOL_SOCKET, c::SO_PEERCRED, 12).expect("a local socket has SO_PEERCRED");
            u32::from_ne_bytes(credentials[..4].try_into().expect("four bytes"))
        };
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        let name = abstract_name();
        let listener = listener(env, &name);
        let client = Sock::unix(env, Type::STREAM);
        client.connect(&name).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!([&a, &b, &client, &server].map(pid), [env.pid(); 4]);
        assert_eq!(pid(&Sock::unix(env, Type::STREAM)), 0, "nobody is there");
    }

    fn unx_15_a_pair_of_streams_speaks_both_ways(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        a.send(b"pi").unwrap();
        b.send(b"po").unwrap();
        a.send(b"ng").unwrap();
        b.send(b"ng").unwrap();
        assert_eq!(b.recv(9), Ok(b"ping".to_vec()));
        assert_eq!(a.recv(9), Ok(b"pong".to_vec()));
    }

    fn unx_16_a_datagram_socket_can_be_its_own_peer(env: &E) {
        let dir = Dir::new(env);
        for addr in [dir.addr("s"), abstract_name()] {
            let socket = bound(env, Type::DGRAM, &addr);
            assert_eq!(socket.connect(&addr), Ok(()));
            assert_eq!(socket.peer_name(), Ok(addr.clone()));
            assert_eq!(socket.send(b"x"), Ok(1));
            assert_eq!(socket.recv_from(9), Ok((b"x".to_vec(), addr)));
        }
    }

    fn unx_17_a_stream_that_does_not_listen_refuses_itself(env: &E) {
        let dir = Dir::new(env);
        let socket = bound(env, Type::STREAM, &dir.addr("s"));
        assert_eq!(socket.connect(&dir.addr("s")), Err(Errno::CONNREFUSED));
        assert_eq!(socket.peer_name(), Err(Errno::NOTCONN));
    }

    fn unx_18_a_local_socket_tells_its_domain_and_type(env: &E) {
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            let socket = Sock::unix(env, kind);
            assert_eq!(socket.get(c::SOL_SOCKET, c::SO_DOMAIN), Ok(c::AF_UNIX));
            assert_eq!(socket.get(c::SOL_SOCKET, c::SO_TYPE), Ok(kind.raw()));
            assert_eq!(socket.get(c::SOL_SOCKET, c::SO_PROTOCOL), Ok(0));
        }
    }

    fn unx_19_so_linger_is_accepted_and_means_nothing(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        assert_eq!(a.set_linger(1, 0), Ok(()));
        let read_back = a.get_bytes(c::SOL_SOCKET, c::SO_LINGER, 8);
        assert_eq!(read_back, Ok([1i32.to_ne_bytes(), 0i32.to_ne_bytes()].concat()));
        a.send(b"data").unwrap();
        a.close().unwrap();
        assert_eq!(b.recv(9), Ok(b"data".to_vec()));
        assert_eq!(b.recv(9), Ok(vec![]), "the end, and no reset");
    }

    fn unx_20_a_local_socket_has_no_options_of_tcp(env: &E) {
        for kind in [Type::STREAM, Type::DGRAM] {
            let socket = Sock::unix(env, kind);
            for (level, name) in [(c::IPPROTO_TCP, c::TCP_NODELAY), (c::IPPROTO_IP, c::IP_TTL), (c::IPPROTO_IPV6, c::IPV6_V6ONLY)] {
                assert_eq!(socket.set(level, name, 1), Err(Errno::OPNOTSUPP));
                assert_eq!(socket.get(level, name), Err(Errno::OPNOTSUPP));
            }
        }
    }

    fn unx_21_descriptors_go_with_their_data_and_are_closed_where_they_find_no_room(env: &E) {
        let (a, b) = Sock::unix_pair(env, Type::STREAM);
        let (x, y) = Sock::unix_pair(env, Type::STREAM);
        pass(&a, b"with", &[&y]).unwrap();
        a.send(b"after").unwrap();
        let (data, sockets, _) = take(&b, space(4), MsgFlags::NONE);
        assert_eq!((data, sockets.len()), (b"with".to_vec(), 1), "a read ends with the message that brings them");
        x.send(b"x").unwrap();
        assert_eq!(sockets[0].recv(9), Ok(b"x".to_vec()));
        drop(sockets);
        assert_eq!(b.recv(9), Ok(b"after".to_vec()));

        pass(&a, b"m", &[&y, &y]).unwrap();
        y.close().unwrap();
        let (_, sockets, flags) = take(&b, space(4) - 4, MsgFlags::NONE);
        assert_eq!((sockets.len(), flags.intersects(MsgFlags::CTRUNC)), (1, true));
        assert_eq!(x.send(b"held"), Ok(4));
        drop(sockets);
        assert_eq!(x.send(b"gone"), Err(Errno::PIPE));
        let (x, y) = Sock::unix_pair(env, Type::STREAM);
        pass(&a, b"m", &[&y]).unwrap();
        y.close().unwrap();
        assert_eq!(b.recv(9), Ok(b"m".to_vec()), "recv has no use for them");
        assert_eq!(x.send(b"gone"), Err(Errno::PIPE));
    }

    fn unx_22_records_keep_their_boundaries_over_a_connection(env: &E) {
        let name = abstract_name();
        let listener = bound(env, Type::SEQPACKET, &name);
        listener.listen(1).unwrap();
        let a = Sock::unix(env, Type::SEQPACKET);
        a.connect(&name).unwrap();
        let (b, from) = listener.accept().unwrap();
        assert_eq!(from, UnixAddr::Unnamed.into());
        for record in [&b"first"[..], b"", b"third"] {
            assert_eq!(a.send(record), Ok(record.len()));
        }
        assert_eq!(b.fionread(), Ok(10), "of all records");
        let mut two = [0; 2];
        let got = b.recv_vectored(&mut [IoSliceMut::new(&mut two)]).unwrap();
        assert_eq!((got.len, got.flags), (2, MsgFlags::TRUNC), "and the rest is lost");
        assert_eq!(b.recv(9), Ok(vec![]), "an empty record looks like the end");
        assert_eq!(b.recv_with(9, MsgFlags::WAITALL), Ok(b"third".to_vec()));
    }
}
