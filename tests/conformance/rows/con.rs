//! CON: connect, what it answers at once, what it answers later, and what is left of an attempt.

use crate::conformance;
use crate::support::files::{Dir, World, abstract_name};
use crate::support::scene::{
    FAMILIES, ONE_PORT, bound, connecting, dead_end, elsewhere, full_listener, ip_of, join, listener, listener_of, loopback,
    own_addr, pair, pair_of, port_of, wildcard, with_port,
};
use crate::support::sock::Sock;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use twinsock::consts as c;
use twinsock::net::TcpStream;
use twinsock::{Domain, Errno, JoinThread, PollEvents, Shutdown, SocketAddr, Type};

const REFUSED: PollEvents = PollEvents::from_raw(c::POLLIN | c::POLLOUT | c::POLLERR | c::POLLHUP | c::POLLRDHUP);

/// A non-blocking socket that is being refused, the error still pending, and who refuses.
fn refused<E: World>(env: &E, domain: Domain) -> (Sock<E>, Sock<E>, SocketAddr) {
    let (dead, nobody) = dead_end(env, domain);
    let socket = Sock::tcp_of(env, domain);
    socket.set_nonblocking(true);
    assert_eq!(socket.connect(&nobody), Err(Errno::INPROGRESS));
    socket.expect_mask(REFUSED);
    (socket, dead, nobody)
}

/// A non-blocking socket that has connected without being told, and its listener.
fn connected_unseen<E: World>(env: &E, domain: Domain) -> (Sock<E>, Sock<E>, SocketAddr) {
    let (listener, addr) = listener_of(env, domain, 1);
    let socket = Sock::tcp_of(env, domain);
    socket.set_nonblocking(true);
    assert_eq!(socket.connect(&addr), Err(Errno::INPROGRESS));
    socket.expect_mask(PollEvents::OUT);
    (socket, listener, addr)
}

/// Two sockets that share a name by `SO_REUSEADDR`.
fn twins<E: World>(env: &E) -> (Sock<E>, Sock<E>) {
    let (one, other) = (Sock::tcp(env), Sock::tcp(env));
    for socket in [&one, &other] {
        socket.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).expect("a switch can be set");
    }
    one.bind(&own_addr(0)).expect("port 0 can be bound");
    other.bind(&one.name()).expect("both reuse the address");
    (one, other)
}

/// A socket connected to itself.
fn narcissus<E: World>(env: &E) -> Sock<E> {
    let (socket, name) = bound(env, Domain::INET);
    assert_eq!(socket.connect(&name), Ok(()));
    socket
}

/// A local listener at a name of its own.
fn local_listener<E: World>(env: &E, kind: Type, backlog: i32) -> (Sock<E>, SocketAddr) {
    let name = abstract_name();
    let listener = Sock::unix(env, kind);
    listener.bind(&name).expect("the name is new");
    listener.listen(backlog).expect("a bound socket can listen");
    (listener, name)
}

/// A local listener whose queue is full, and the client that fills it.
fn full_local_listener<E: World>(env: &E, kind: Type) -> (Sock<E>, Sock<E>, SocketAddr) {
    let (listener, name) = local_listener(env, kind, 0);
    let first = Sock::unix(env, kind);
    first.connect(&name).expect("backlog 0 admits one connection");
    (listener, first, name)
}

conformance! {
    fn con_01_nobody_there_refuses(env: &E) {
        for family in FAMILIES {
            let (gone, addr) = bound(env, family);
            gone.close().unwrap();
            assert_eq!(Sock::tcp_of(env, family).connect(&addr), Err(Errno::CONNREFUSED));
        }
    }

    fn con_02_a_bound_socket_that_does_not_listen_refuses(env: &E) {
        for family in FAMILIES {
            let (_dead, addr) = dead_end(env, family);
            assert_eq!(Sock::tcp_of(env, family).connect(&addr), Err(Errno::CONNREFUSED));
        }
    }

    fn con_03_a_nonblocking_connect_is_in_progress_first(env: &E) {
        for family in FAMILIES {
            let (listener, addr) = listener_of(env, family, 1);
            let socket = Sock::tcp_of(env, family);
            socket.set_nonblocking(true);
            assert_eq!(socket.connect(&addr), Err(Errno::INPROGRESS));
            assert!(listener.accept().is_ok());
        }
    }

    fn con_04_a_nonblocking_success_is_told_by_out(env: &E) {
        for family in FAMILIES {
            let (socket, _listener, addr) = connected_unseen(env, family);
            assert_eq!(socket.take_error(), None);
            assert_eq!(socket.peer_name(), Ok(addr));
        }
    }

    fn con_05_a_nonblocking_refusal_is_told_by_err_and_hup(env: &E) {
        for family in FAMILIES {
            let (socket, ..) = refused(env, family);
            assert_eq!(socket.mask(), REFUSED, "asking takes nothing");
        }
    }

    fn con_06_a_nonblocking_refusal_is_told_by_so_error_once(env: &E) {
        for family in FAMILIES {
            let (_dead, nobody) = dead_end(env, family);
            let socket = Sock::tcp_of(env, family);
            socket.set_nonblocking(true);
            assert_eq!(socket.connect(&nobody), Err(Errno::INPROGRESS));
            socket.expect_mask(REFUSED);
            assert_eq!(socket.take_error(), Some(Errno::CONNREFUSED));
            assert_eq!(socket.take_error(), None);
            assert_eq!(socket.mask(), REFUSED.without(PollEvents::ERR));
            assert_eq!(socket.listen(1), Err(Errno::INVAL), "the attempt is not over");
            assert_eq!(socket.recv(1), Ok(vec![]));
            assert_eq!(socket.send(b"x"), Err(Errno::PIPE));
            assert_eq!(socket.connect(&nobody), Err(Errno::CONNABORTED), "told once");
            assert_eq!(socket.connect(&nobody), Err(Errno::INPROGRESS), "a new attempt");
        }
    }

    fn con_07_a_nonblocking_refusal_is_told_by_the_next_connect(env: &E) {
        let (listener, addr) = listener(env);
        for taken_before in [false, true] {
            let (socket, _dead, nobody) = refused(env, Domain::INET);
            if taken_before {
                assert_eq!(socket.take_error(), Some(Errno::CONNREFUSED));
            }
            let told = if taken_before { Errno::CONNABORTED } else { Errno::CONNREFUSED };
            assert_eq!(socket.connect(&nobody), Err(told));
            assert_eq!(socket.mask(), PollEvents::OUT | PollEvents::HUP, "the socket is as new");
            assert_eq!(socket.connect(&addr), Err(Errno::INPROGRESS));
            socket.expect_mask(PollEvents::OUT);
            assert!(listener.accept().is_ok());
        }
    }

    fn con_08_a_nonblocking_refusal_is_told_by_send_and_by_recv(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let refused = || {
            let socket = Sock::tcp(env);
            socket.set_nonblocking(true);
            assert_eq!(socket.connect(&nobody), Err(Errno::INPROGRESS));
            socket.expect_mask(REFUSED);
            socket
        };
        let sender = refused();
        assert_eq!(sender.send(b"x"), Err(Errno::CONNREFUSED));
        assert_eq!(sender.send(b"x"), Err(Errno::PIPE));
        let receiver = refused();
        assert_eq!(receiver.recv(1), Err(Errno::CONNREFUSED));
        assert_eq!(receiver.recv(1), Ok(vec![]));
    }

    fn con_09_after_a_refusal_the_socket_is_as_new(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let (listener, addr) = listener(env);
        let socket = Sock::tcp(env);
        for _ in 0..3 {
            assert_eq!(socket.connect(&nobody), Err(Errno::CONNREFUSED));
            assert_eq!(socket.take_error(), None);
            assert_eq!(socket.recv(1), Err(Errno::NOTCONN));
            assert_eq!(socket.peer_name(), Err(Errno::NOTCONN));
            assert_eq!(socket.mask(), PollEvents::OUT | PollEvents::HUP);
        }
        let (client, server) = join(&listener, socket, &addr);
        server.send_all(b"x");
        assert_eq!(client.recv(1), Ok(b"x".to_vec()));
    }

    fn con_10_an_unseen_success_is_told_by_connect_once(env: &E) {
        for family in FAMILIES {
            let (socket, _listener, addr) = connected_unseen(env, family);
            assert_eq!(socket.connect(&addr), Ok(()));
            assert_eq!(socket.connect(&addr), Err(Errno::ISCONN));
        }
    }

    fn con_11_a_connected_socket_does_not_connect_again(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            let (_listener, addr) = listener_of(env, family, 1);
            assert_eq!(client.connect(&addr), Err(Errno::ISCONN));
            assert_eq!(server.connect(&addr), Err(Errno::ISCONN));
        }
    }

    fn con_12_an_attempt_under_way_is_already_one(env: &E) {
        let (socket, _listener, _clients, addr) = connecting(env);
        for _ in 0..2 {
            assert_eq!(socket.connect(&addr), Err(Errno::ALREADY));
        }
    }

    fn con_13_a_listener_does_not_connect(env: &E) {
        let (first, _) = listener(env);
        let (_second, addr) = listener(env);
        assert_eq!(first.connect(&addr), Err(Errno::ISCONN));
    }

    fn con_14_port_0_refuses(env: &E) {
        for family in FAMILIES {
            assert_eq!(Sock::tcp_of(env, family).connect(&with_port(&loopback(family), 0)), Err(Errno::CONNREFUSED));
        }
    }

    fn con_15_tcp_does_not_broadcast(env: &E) {
        for ip in [Ipv4Addr::BROADCAST, Ipv4Addr::new(127, 255, 255, 255), Ipv4Addr::new(224, 0, 0, 1)] {
            let socket = Sock::tcp(env);
            assert_eq!(socket.connect(&SocketAddr::inet(IpAddr::V4(ip), 9)), Err(Errno::NETUNREACH), "{ip}");
            assert_eq!(socket.name(), wildcard(Domain::INET, 0));
        }
    }

    fn con_16_a_socket_can_connect_to_itself(env: &E) {
        let socket = narcissus(env);
        assert_eq!(socket.peer_name(), Ok(socket.name()));
        socket.send_all(b"echo");
        assert_eq!(socket.recv_exactly(4), b"echo");
        assert_eq!(socket.mask(), PollEvents::OUT);
    }

    fn con_17_a_socket_ends_its_connection_to_itself(env: &E) {
        let socket = narcissus(env);
        socket.send_all(b"hi");
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(socket.recv_to_end(), b"hi");
        assert_eq!(socket.send(b"x"), Err(Errno::PIPE));
    }

    fn con_18_connecting_to_unspec_dissolves_the_connection(env: &E) {
        let (client, server) = pair(env);
        let (listener, addr) = listener(env);
        assert_eq!(client.connect(&SocketAddr::Unspec), Ok(()));
        assert_eq!(client.peer_name(), Err(Errno::NOTCONN));
        assert_eq!(client.mask(), PollEvents::OUT | PollEvents::ERR | PollEvents::HUP);
        assert_eq!(client.recv(1), Err(Errno::CONNRESET), "told once");
        assert_eq!(client.recv(1), Err(Errno::NOTCONN));
        assert_eq!(server.recv(1), Err(Errno::CONNRESET));
        assert_eq!(server.recv(1), Ok(vec![]));
        let (client, server) = join(&listener, client, &addr);
        client.send_all(b"again");
        assert_eq!(server.recv_exactly(5), b"again");
    }

    fn con_19_a_loopback_address_does_not_leave_the_host(env: &E) {
        let (socket, name) = bound(env, Domain::INET);
        assert_eq!(socket.connect(&elsewhere(9)), Err(Errno::INVAL));
        assert_eq!(socket.name(), name);
    }

    fn con_20_a_connection_is_its_four_names(env: &E) {
        let (_listener, addr) = listener(env);
        let (one, other) = twins(env);
        assert_eq!(one.connect(&addr), Ok(()));
        assert_eq!(other.connect(&addr), Err(Errno::ADDRNOTAVAIL));
        other.set_nonblocking(true);
        assert_eq!(other.connect(&addr), Err(Errno::ADDRNOTAVAIL));
    }

    fn con_21_one_name_connects_to_two_peers(env: &E) {
        let ((_one, first), (_other, second)) = (listener(env), listener(env));
        let (one, other) = twins(env);
        assert_eq!(one.connect(&first), Ok(()));
        assert_eq!(other.connect(&second), Ok(()));
        assert_eq!(one.name(), other.name());
    }

    fn con_22_a_path_that_is_not_there(env: &E) {
        let dir = Dir::new(env);
        env.mkfile(&dir.path("f")).unwrap();
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            assert_eq!(Sock::unix(env, kind).connect(&dir.addr("s")), Err(Errno::NOENT));
            assert_eq!(Sock::unix(env, kind).connect(&dir.addr("f/s")), Err(Errno::NOTDIR), "through a file");
        }
    }

    fn con_23_a_path_without_a_listener_refuses(env: &E) {
        let dir = Dir::new(env);
        env.mkfile(&dir.path("plain")).unwrap();
        let quiet = Sock::unix(env, Type::STREAM);
        quiet.bind(&dir.addr("quiet")).unwrap();
        let closed = Sock::unix(env, Type::STREAM);
        closed.bind(&dir.addr("closed")).unwrap();
        closed.listen(1).unwrap();
        closed.close().unwrap();
        for path in ["plain", "quiet", "closed"] {
            assert_eq!(Sock::unix(env, Type::STREAM).connect(&dir.addr(path)), Err(Errno::CONNREFUSED), "{path}");
        }
    }

    fn con_24_a_local_peer_is_of_the_same_type(env: &E) {
        let dir = Dir::new(env);
        let listener = Sock::unix(env, Type::STREAM);
        listener.bind(&dir.addr("stream")).unwrap();
        listener.listen(1).unwrap();
        let receiver = Sock::unix(env, Type::DGRAM);
        receiver.bind(&dir.addr("dgram")).unwrap();
        assert_eq!(Sock::unix(env, Type::STREAM).connect(&dir.addr("dgram")), Err(Errno::PROTOTYPE));
        assert_eq!(Sock::unix(env, Type::DGRAM).connect(&dir.addr("stream")), Err(Errno::PROTOTYPE));
        assert_eq!(Sock::unix(env, Type::SEQPACKET).connect(&dir.addr("stream")), Err(Errno::PROTOTYPE));
    }

    fn con_25_a_path_may_forbid_to_connect(env: &E) {
        let dir = Dir::new(env);
        let listener = Sock::unix(env, Type::STREAM);
        listener.bind(&dir.addr("s")).unwrap();
        listener.listen(2).unwrap();
        let client = Sock::unix(env, Type::STREAM);
        env.chmod(&dir.path("s"), 0o555).unwrap();
        assert_eq!(env.as_nobody(|| client.connect(&dir.addr("s"))), Err(Errno::ACCES));
        env.chmod(&dir.path("s"), 0o222).unwrap();
        assert_eq!(env.as_nobody(|| client.connect(&dir.addr("s"))), Ok(()), "reading is not asked for");
    }

    fn con_26_an_abstract_name_of_nobody_refuses(env: &E) {
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            assert_eq!(Sock::unix(env, kind).connect(&abstract_name()), Err(Errno::CONNREFUSED));
        }
    }

    fn con_27_a_local_connect_is_done_at_once(env: &E) {
        for kind in [Type::STREAM, Type::SEQPACKET] {
            let (_listener, name) = local_listener(env, kind, 2);
            for nonblocking in [false, true] {
                let client = Sock::unix(env, kind);
                client.set_nonblocking(nonblocking);
                assert_eq!(client.connect(&name), Ok(()));
                assert_eq!(client.mask(), PollEvents::OUT);
            }
        }
    }

    fn con_28_a_connected_local_socket_does_not_connect(env: &E) {
        for kind in [Type::STREAM, Type::SEQPACKET] {
            let (listener, name) = local_listener(env, kind, 4);
            let client = Sock::unix(env, kind);
            client.connect(&name).unwrap();
            assert_eq!(client.connect(&name), Err(Errno::ISCONN));
            assert_eq!(listener.connect(&name), Err(Errno::INVAL));
        }
    }

    fn con_29_a_full_local_queue_would_block(env: &E) {
        for kind in [Type::STREAM, Type::SEQPACKET] {
            let (listener, _first, name) = full_local_listener(env, kind);
            let client = Sock::unix(env, kind);
            client.set_nonblocking(true);
            assert_eq!(client.connect(&name), Err(Errno::AGAIN));
            listener.accept().unwrap();
            assert_eq!(client.connect(&name), Ok(()), "nothing is left of the first attempt");
        }
    }

    fn con_30_a_local_connect_waits_for_room(env: &E) {
        for kind in [Type::STREAM, Type::SEQPACKET] {
            let (listener, _first, name) = full_local_listener(env, kind);
            let (second, third) = (Sock::unix(env, kind), Sock::unix(env, kind));
            let to = name.clone();
            let waiting = env.spawn(move || (second.connect(&to), second));
            listener.accept().unwrap();
            let (connected, second) = waiting.join().unwrap();
            assert_eq!(connected, Ok(()));
            second.send(b"x").unwrap();
            // The queue is full again, with the second.
            let waiting = env.spawn(move || third.connect(&name));
            listener.close().unwrap();
            assert_eq!(waiting.join().unwrap(), Err(Errno::CONNREFUSED));
        }
    }

    fn con_31_a_longer_queue_admits_who_waits(env: &E) {
        for kind in [Type::STREAM, Type::SEQPACKET] {
            let (listener, _first, name) = full_local_listener(env, kind);
            let second = Sock::unix(env, kind);
            let waiting = env.spawn(move || second.connect(&name).map(|()| second));
            listener.listen(5).unwrap();
            assert!(waiting.join().unwrap().is_ok());
        }
    }

    fn con_32_shutdown_ends_an_attempt(env: &E) {
        for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
            let (socket, _listener, _clients, _) = connecting(env);
            assert_eq!(socket.shutdown(how), Ok(()));
            let mask = socket.poll(PollEvents::OUT, Some(Duration::ZERO));
            assert_eq!(mask, PollEvents::OUT | PollEvents::ERR | PollEvents::HUP);
            assert_eq!(socket.take_error(), Some(Errno::CONNRESET));
        }
    }

    fn con_33_an_unanswered_attempt_is_silent(env: &E) {
        let (socket, _listener, _clients, _) = connecting(env);
        assert_eq!(socket.mask(), PollEvents::NONE);
        assert_eq!(socket.poll(PollEvents::IN | PollEvents::OUT, Some(Duration::from_millis(20))), PollEvents::NONE);
        assert_ne!(port_of(&socket.name()), 0, "it has a name");
        assert_eq!(socket.peer_name(), Err(Errno::NOTCONN), "and no peer");
        assert_eq!(socket.accept().err(), Some(Errno::INVAL));
        assert_eq!(socket.listen(1), Err(Errno::INVAL));
        assert_eq!(socket.bind(&own_addr(0)), Err(Errno::INVAL));
    }

    fn con_34_an_attempt_neither_sends_nor_receives(env: &E) {
        let (socket, _listener, _clients, _) = connecting(env);
        assert_eq!(socket.recv(1), Err(Errno::AGAIN));
        assert_eq!(socket.send(b"x"), Err(Errno::AGAIN));
        assert_eq!(socket.mask(), PollEvents::NONE, "asking changes nothing");
    }

    fn con_35_connect_timeout_gives_up_no_earlier_than_asked(env: &E) {
        let (_listener, _clients, addr) = full_listener(env);
        let addr = std::net::SocketAddr::new(ip_of(&addr), port_of(&addr));
        let start = env.now();
        let late = TcpStream::connect_timeout(env, &addr, Duration::from_millis(30));
        assert_eq!(late.map(drop).unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(env.now().since(start) >= Duration::from_millis(30));
    }

    fn con_36_so_sndtimeo_ends_the_wait_and_not_the_attempt(env: &E) {
        let (listener, clients, addr) = full_listener(env);
        let socket = Sock::tcp(env);
        socket.set_timeout(c::SO_SNDTIMEO, 0, 20_000).unwrap();
        let start = env.clock_ticks();
        assert_eq!(socket.connect(&addr), Err(Errno::INPROGRESS));
        assert!(env.clock_ticks().since(start) >= Duration::from_millis(20));
        assert_eq!(socket.connect(&addr), Err(Errno::ALREADY), "waited again");

        let (first, from) = listener.accept().unwrap();
        assert_eq!(from, clients[0].name());
        drop(first);
        // The queue has room: the next SYN of the attempt is admitted.
        socket.expect_mask(PollEvents::OUT);
        assert_eq!(socket.connect(&addr), Ok(()));
    }

    fn con_37_a_syn_is_repeated_so_often_and_no_more(env: &E) {
        let (_listener, _clients, addr) = full_listener(env);
        let socket = Sock::tcp(env);
        // One repeat, that waits as long as the whole schedule of one: 3 s. The default of six is a matter of sim/tests/timing.rs.
        socket.set(c::IPPROTO_TCP, c::TCP_SYNCNT, 1).unwrap();
        let start = env.now();
        assert_eq!(socket.connect(&addr), Err(Errno::TIMEDOUT));
        let took = env.now().since(start);
        assert!((2500..5500).contains(&took.as_millis()), "{took:?}");
        assert_eq!(socket.mask(), PollEvents::OUT | PollEvents::HUP, "the socket is as new");
    }

    fn con_38_connect_needs_a_free_port(env: &E) {
        let (_one, first) = listener(env);
        let (_other, second) = listener(env);
        let narrow = || {
            let socket = Sock::tcp(env);
            socket.set(c::SOL_IP, c::IP_LOCAL_PORT_RANGE, ONE_PORT).unwrap();
            socket
        };
        let clients = [narrow(), narrow()];
        assert_eq!(clients[0].connect(&first), Ok(()));
        assert_eq!(clients[1].connect(&first), Err(Errno::ADDRNOTAVAIL));
        assert_eq!(clients[1].connect(&second), Ok(()), "a port serves several peers");
        assert_eq!(clients[0].name(), clients[1].name());
    }

    fn con_39_several_addresses_are_tried_in_turn(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let (_listener, somebody) = listener(env);
        let [nobody, somebody] = [nobody, somebody].map(|addr| std::net::SocketAddr::new(ip_of(&addr), port_of(&addr)));
        let everybody = std::net::SocketAddr::new(Ipv4Addr::BROADCAST.into(), 9);
        let connect = |addrs: &[std::net::SocketAddr]| TcpStream::connect(env, addrs).map(|stream| stream.peer_addr().unwrap());
        assert_eq!(connect(&[nobody, somebody]).unwrap(), somebody);
        assert_eq!(connect(&[nobody, nobody]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(connect(&[nobody, everybody]).unwrap_err().kind(), ErrorKind::NetworkUnreachable, "the last one's");
        assert_eq!(connect(&[everybody, nobody]).unwrap_err().kind(), ErrorKind::ConnectionRefused, "the last one's");
    }
}
