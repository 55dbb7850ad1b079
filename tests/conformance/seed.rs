//! The classic socket object (Python library reference, 1996, section 7.2.1), sentence by sentence: what Linux keeps of the page, and
//! what it does instead. `docs/src/seed.md` is the page with the names of these tests; `seed_page.rs` compares the two.

use crate::conformance;
use crate::support::scene::{ip_of, loopback, port_of};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{
    Domain, Env, Errno, JoinThread, MsgFlags, PollEvents, Protocol, SelectSet, Shutdown, Socket, SocketAddr, Type, UnixAddr,
};

const NONE: MsgFlags = MsgFlags::NONE;

fn tcp<E: Env>(env: &E) -> Socket<E> {
    Socket::new(env, Domain::INET, Type::STREAM, Protocol::DEFAULT).expect("a TCP socket can be made")
}

fn listener<E: Env>(env: &E) -> (Socket<E>, SocketAddr) {
    let socket = tcp(env);
    socket.bind(&loopback(Domain::INET)).expect("port 0 can be bound");
    socket.listen(5).expect("a bound socket can listen");
    let addr = socket.getsockname().expect("a bound socket has a name");
    (socket, addr)
}

/// The end that called connect, and the end that accept gave.
fn pair<E: Env>(env: &E) -> (Socket<E>, Socket<E>) {
    let (listener, addr) = listener(env);
    let client = tcp(env);
    client.connect(&addr).expect("the listener admits a connection");
    let (conn, _) = listener.accept().expect("a connection waits");
    (client, conn)
}

/// Waits by `poll(2)` until the socket has input or an end to tell.
fn wait_for_input<E: Env>(env: &E, socket: &Socket<E>) {
    let mut fds = [env.poll_entry(socket.owned().expect("the socket is open"), PollEvents::IN)];
    assert_eq!(env.poll(&mut fds, Some(Duration::from_secs(20))), Ok(1), "input comes");
}

/// Waits until `FIONREAD` says `count`.
fn wait_for_bytes<E: Env>(env: &E, socket: &Socket<E>, count: usize) {
    let deadline = env.now() + Duration::from_secs(20);
    while env.fionread(socket.owned().expect("the socket is open")) != Ok(count) {
        assert!(env.now() < deadline, "{count} bytes come");
    }
}

conformance! {
    fn accept_gives_a_new_socket_and_the_address_of_the_other_end(env: &E) {
        let (listener, addr) = listener(env);
        let client = tcp(env);
        client.connect(&addr).unwrap();
        let (conn, address) = listener.accept().unwrap();
        assert_eq!(address, client.getsockname().unwrap(), "the address bound to the socket on the other end");
        assert_ne!(conn.fileno(), listener.fileno(), "a new socket");
        client.send(b"x", NONE).unwrap();
        assert_eq!(conn.recv(1, NONE), Ok(b"x".to_vec()), "usable to receive");
        conn.send(b"y", NONE).unwrap();
        assert_eq!(client.recv(1, NONE), Ok(b"y".to_vec()), "usable to send");
    }

    fn accept_needs_a_listening_socket(env: &E) {
        let socket = tcp(env);
        assert_eq!(socket.accept().err(), Some(Errno::INVAL), "neither bound nor listening");
        socket.bind(&loopback(Domain::INET)).unwrap();
        assert_eq!(socket.accept().err(), Some(Errno::INVAL), "bound and not listening");
        let unbound = tcp(env);
        unbound.listen(1).unwrap();
        assert_ne!(port_of(&unbound.getsockname().unwrap()), 0, "Linux binds what listens without an address");
    }

    fn bind_gives_the_socket_an_address(env: &E) {
        let socket = tcp(env);
        let addr = loopback(Domain::INET);
        socket.bind(&addr).unwrap();
        assert_eq!(ip_of(&socket.getsockname().unwrap()), ip_of(&addr));
    }

    fn a_bound_socket_is_not_bound_again(env: &E) {
        let socket = tcp(env);
        socket.bind(&loopback(Domain::INET)).unwrap();
        assert_eq!(socket.bind(&loopback(Domain::INET)), Err(Errno::INVAL));
    }

    fn the_format_of_an_address_depends_on_the_family(env: &E) {
        let four = tcp(env);
        assert_eq!(four.bind(&loopback(Domain::INET6)), Err(Errno::AFNOSUPPORT));
        assert_eq!(four.connect(&UnixAddr::Abstract(b"a name longer than a sockaddr_in".to_vec()).into()), Err(Errno::AFNOSUPPORT));
        assert!(matches!(four.getsockname(), Ok(SocketAddr::V4(_))));
        let six = Socket::new(env, Domain::INET6, Type::STREAM, Protocol::DEFAULT).unwrap();
        assert_eq!(six.bind(&loopback(Domain::INET)), Err(Errno::INVAL), "too short for a sockaddr_in6");
        six.bind(&loopback(Domain::INET6)).unwrap();
        assert!(matches!(six.getsockname(), Ok(SocketAddr::V6(_))));
    }

    fn after_close_every_operation_fails(env: &E) {
        let (mut socket, _conn) = pair(env);
        let name = socket.getsockname().unwrap();
        assert_eq!(socket.close(), Ok(()));
        assert_eq!(socket.accept().err(), Some(Errno::BADF));
        assert_eq!(socket.bind(&name), Err(Errno::BADF));
        assert_eq!(socket.close(), Err(Errno::BADF));
        assert_eq!(socket.connect(&name), Err(Errno::BADF));
        assert_eq!(socket.fileno(), -1);
        assert_eq!(socket.getpeername(), Err(Errno::BADF));
        assert_eq!(socket.getsockname(), Err(Errno::BADF));
        assert_eq!(socket.getsockopt(c::SOL_SOCKET, c::SO_TYPE), Err(Errno::BADF));
        assert_eq!(socket.getsockopt_bytes(c::SOL_SOCKET, c::SO_TYPE, 4), Err(Errno::BADF));
        assert_eq!(socket.listen(1), Err(Errno::BADF));
        assert_eq!(socket.makefile("r", -1).err(), Some(Errno::BADF));
        assert_eq!(socket.recv(1, NONE), Err(Errno::BADF));
        assert_eq!(socket.recvfrom(1, NONE), Err(Errno::BADF));
        assert_eq!(socket.send(b"x", NONE), Err(Errno::BADF));
        assert_eq!(socket.sendto(b"x", NONE, &name), Err(Errno::BADF));
        assert_eq!(socket.setblocking(false), Err(Errno::BADF));
        assert_eq!(socket.setsockopt(c::SOL_SOCKET, c::SO_KEEPALIVE, 1), Err(Errno::BADF));
        assert_eq!(socket.setsockopt_bytes(c::SOL_SOCKET, c::SO_KEEPALIVE, &[1, 0, 0, 0]), Err(Errno::BADF));
        assert_eq!(socket.shutdown(Shutdown::Both), Err(Errno::BADF));
    }

    fn after_close_the_remote_end_gets_what_was_queued_and_no_more(env: &E) {
        let (mut client, conn) = pair(env);
        client.send(b"queued", NONE).unwrap();
        client.close().unwrap();
        assert_eq!(conn.recv(6, MsgFlags::WAITALL), Ok(b"queued".to_vec()));
        assert_eq!(conn.recv(1, NONE), Ok(vec![]));
    }

    fn close_with_unread_input_resets_instead(env: &E) {
        let (client, mut conn) = pair(env);
        client.send(b"unread", NONE).unwrap();
        conn.send(b"queued", NONE).unwrap();
        wait_for_input(env, &conn);
        wait_for_input(env, &client);
        conn.close().unwrap();
        assert_eq!(client.recv(6, MsgFlags::WAITALL), Ok(b"queued".to_vec()), "what has arrived is read first");
        assert_eq!(client.recv(1, NONE), Err(Errno::CONNRESET));
    }

    fn a_dropped_socket_is_closed(env: &E) {
        let (client, conn) = pair(env);
        drop(client);
        assert_eq!(conn.recv(1, NONE), Ok(vec![]));
    }

    fn connect_reaches_the_socket_at_the_address(env: &E) {
        let (listener, addr) = listener(env);
        let (_other_listener, _) = self::listener(env);
        let client = tcp(env);
        assert_eq!(client.connect(&addr), Ok(()));
        assert_eq!(listener.accept().unwrap().1, client.getsockname().unwrap());
    }

    fn fileno_is_a_small_integer(env: &E) {
        let (one, two) = (tcp(env), tcp(env));
        for socket in [&one, &two] {
            assert!((0..1024).contains(&socket.fileno()), "{}", socket.fileno());
        }
        assert_ne!(one.fileno(), two.fileno());
    }

    fn fileno_is_useful_with_select(env: &E) {
        let (client, conn) = pair(env);
        let readable = |timeout| {
            let mut read = SelectSet::new();
            assert!(read.insert(env, conn.owned().unwrap()));
            env.select(Some(&mut read), None, None, timeout)
        };
        assert_eq!(readable(Some(Duration::ZERO)), Ok(0));
        client.send(b"x", NONE).unwrap();
        assert_eq!(readable(None), Ok(1));
    }

    fn getpeername_is_the_remote_address(env: &E) {
        let (client, conn) = pair(env);
        assert_eq!(client.getpeername(), conn.getsockname());
        assert_eq!(conn.getpeername(), client.getsockname(), "with the port number of the remote socket");
        assert_ne!(port_of(&conn.getpeername().unwrap()), 0);
        assert_eq!(tcp(env).getpeername(), Err(Errno::NOTCONN), "without a connection there is none");
    }

    fn getsockname_is_the_sockets_own_address(env: &E) {
        let socket = tcp(env);
        assert_eq!(socket.getsockname(), Ok(SocketAddr::inet(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)));
        socket.bind(&loopback(Domain::INET)).unwrap();
        assert_ne!(port_of(&socket.getsockname().unwrap()), 0, "the port that the kernel chose");
    }

    fn getsockopt_gives_the_value_of_an_integer_option(env: &E) {
        let socket = tcp(env);
        assert_eq!(socket.getsockopt(c::SOL_SOCKET, c::SO_TYPE), Ok(c::SOCK_STREAM));
        assert_eq!(socket.getsockopt(c::IPPROTO_TCP, c::TCP_NODELAY), Ok(0));
        assert_eq!(socket.getsockopt(c::SOL_SOCKET, 9999), Err(Errno::NOPROTOOPT));
    }

    fn getsockopt_gives_at_most_as_many_bytes_as_asked(env: &E) {
        let socket = tcp(env);
        assert_eq!(socket.getsockopt_bytes(c::SOL_SOCKET, c::SO_TYPE, 99), Ok(c::SOCK_STREAM.to_ne_bytes().to_vec()));
        assert_eq!(socket.getsockopt_bytes(c::SOL_SOCKET, c::SO_TYPE, 2), Ok(c::SOCK_STREAM.to_ne_bytes()[..2].to_vec()));
        assert_eq!(socket.getsockopt_bytes(c::SOL_SOCKET, c::SO_LINGER, 8), Ok(vec![0; 8]), "a struct linger, for the caller to decode");
    }

    fn listen_queues_one_connection_more_than_backlog(env: &E) {
        for backlog in [0, 1, 5] {
            let socket = tcp(env);
            socket.bind(&loopback(Domain::INET)).unwrap();
            socket.listen(backlog).unwrap();
            let addr = socket.getsockname().unwrap();
            let clients: Vec<_> = (0..=backlog).map(|_| tcp(env)).collect();
            for client in &clients {
                assert_eq!(client.connect(&addr), Ok(()), "backlog {backlog}");
            }
            let late = tcp(env);
            late.setblocking(false).unwrap();
            assert_eq!(late.connect(&addr), Err(Errno::INPROGRESS));
            assert_eq!(late.connect(&addr), Err(Errno::ALREADY), "backlog {backlog}: no more are queued");
        }
    }

    fn a_backlog_beyond_the_maximum_is_not_an_error(env: &E) {
        let (socket, addr) = listener(env);
        assert_eq!(socket.listen(i32::MAX), Ok(()));
        assert_eq!(tcp(env).connect(&addr), Ok(()));
    }

    fn a_file_reads_and_writes_the_socket(env: &E) {
        use std::io::Write;
        let (client, conn) = pair(env);
        let mut writer = client.makefile("w", -1).unwrap();
        writer.write_all(b"one\ntwo\n").unwrap();
        writer.flush().unwrap();
        let mut reader = conn.makefile("r", -1).unwrap();
        assert_eq!(reader.readline(), Ok(b"one\n".to_vec()));
        assert_eq!(reader.readline(), Ok(b"two\n".to_vec()));
    }

    fn file_and_socket_are_closed_independently(env: &E) {
        let (mut client, conn) = pair(env);
        let mut file = client.makefile("r", -1).unwrap();
        assert_ne!(file.fileno(), client.fileno(), "a duplicate");
        client.close().unwrap();
        conn.send(b"line\n", NONE).unwrap();
        assert_eq!(file.readline(), Ok(b"line\n".to_vec()), "the file is open");
        assert_eq!(conn.recv(1, MsgFlags::DONTWAIT), Err(Errno::AGAIN), "and with it the connection");
        file.close().unwrap();
        assert_eq!(conn.recv(1, NONE), Ok(vec![]));

        let (client, conn) = pair(env);
        client.makefile("r", -1).unwrap().close().unwrap();
        conn.send(b"x", NONE).unwrap();
        assert_eq!(client.recv(1, NONE), Ok(b"x".to_vec()), "the socket is open");
    }

    fn mode_and_bufsize_are_those_of_open(env: &E) {
        use std::io::{Read, Write};
        let (client, conn) = pair(env);
        for bad in ["", "x", "rw", "r+b+"] {
            assert_eq!(client.makefile(bad, -1).err(), Some(Errno::INVAL), "mode {bad:?}");
        }
        assert!(client.makefile("r", -1).unwrap().write(b"x").is_err(), "not for writing");
        assert!(client.makefile("w", -1).unwrap().read(&mut [0]).is_err(), "not for reading");

        let mut unbuffered = client.makefile("wb", 0).unwrap();
        unbuffered.write_all(b"a").unwrap();
        assert_eq!(conn.recv(9, NONE), Ok(b"a".to_vec()), "0: no buffer");
        let mut by_line = client.makefile("w", 1).unwrap();
        by_line.write_all(b"b").unwrap();
        assert_eq!(conn.recv(9, MsgFlags::DONTWAIT), Err(Errno::AGAIN));
        by_line.write_all(b"c\n").unwrap();
        assert_eq!(conn.recv(3, MsgFlags::WAITALL), Ok(b"bc\n".to_vec()), "1: by line");
        let mut buffered = client.makefile("r+b", 100).unwrap();
        buffered.write_all(b"d\n").unwrap();
        assert_eq!(conn.recv(9, MsgFlags::DONTWAIT), Err(Errno::AGAIN));
        buffered.flush().unwrap();
        assert_eq!(conn.recv(2, MsgFlags::WAITALL), Ok(b"d\n".to_vec()), "n: a buffer of about n bytes");
    }

    fn recv_gives_at_most_bufsize_bytes(env: &E) {
        let (client, conn) = pair(env);
        client.send(b"abcdef", NONE).unwrap();
        wait_for_input(env, &conn);
        assert_eq!(conn.recv(4, NONE), Ok(b"abcd".to_vec()));
        assert_eq!(conn.recv(4, NONE), Ok(b"ef".to_vec()));
    }

    fn recv_takes_flags(env: &E) {
        let (client, conn) = pair(env);
        assert_eq!(conn.recv(1, MsgFlags::DONTWAIT), Err(Errno::AGAIN));
        client.send(b"x", NONE).unwrap();
        assert_eq!(conn.recv(1, MsgFlags::PEEK), Ok(b"x".to_vec()));
        assert_eq!(conn.recv(1, NONE), Ok(b"x".to_vec()));
    }

    fn recvfrom_on_a_stream_names_no_sender(env: &E) {
        let (client, conn) = pair(env);
        client.send(b"x", NONE).unwrap();
        assert_eq!(conn.recvfrom(9, MsgFlags::PEEK), Ok((b"x".to_vec(), SocketAddr::Unspec)), "flags as for recv");
        assert_eq!(conn.recvfrom(9, NONE), Ok((b"x".to_vec(), SocketAddr::Unspec)));
    }

    fn send_returns_the_number_of_bytes_sent(env: &E) {
        let (client, conn) = pair(env);
        assert_eq!(client.send(b"abc", NONE), Ok(3));
        assert_eq!(conn.recv(3, MsgFlags::WAITALL), Ok(b"abc".to_vec()));
        client.setblocking(false).unwrap();
        let large = vec![7; 64 << 20];
        let sent = client.send(&large, NONE).unwrap();
        assert!((1..large.len()).contains(&sent), "as many as there is room for: {sent}");
    }

    fn send_needs_a_connection(env: &E) {
        assert_eq!(tcp(env).send(b"x", NONE), Err(Errno::PIPE));
    }

    fn send_takes_flags(env: &E) {
        let (client, conn) = pair(env);
        assert_eq!(client.send(b"a!", MsgFlags::OOB), Ok(2));
        assert_eq!(conn.recv(9, NONE), Ok(b"a".to_vec()));
        assert_eq!(conn.recv(9, MsgFlags::OOB), Ok(b"!".to_vec()));
    }

    fn sendto_on_a_stream_ignores_the_address(env: &E) {
        let (client, conn) = pair(env);
        let (_elsewhere, addr) = listener(env);
        assert_eq!(client.sendto(b"x", NONE, &addr), Ok(1), "connected, although it should not be");
        assert_eq!(conn.recv(9, NONE), Ok(b"x".to_vec()));
        assert_eq!(tcp(env).sendto(b"x", NONE, &addr), Err(Errno::PIPE), "not connected, and the address does not help");
    }

    fn sockets_are_blocking_at_first(env: &E) {
        let (client, conn) = pair(env);
        for socket in [&client, &conn, &tcp(env)] {
            assert_eq!(env.nonblocking(socket.owned().unwrap()), Ok(false));
        }
    }

    fn a_nonblocking_call_that_cannot_proceed_fails(env: &E) {
        let (client, conn) = pair(env);
        client.setblocking(false).unwrap();
        assert_eq!(client.recv(1, NONE), Err(Errno::AGAIN), "no data");
        let chunk = [7; 65_536];
        let errno = loop {
            if let Err(errno) = client.send(&chunk, NONE) {
                break errno;
            }
        };
        assert_eq!(errno, Errno::AGAIN, "no room");
        drop(conn);
    }

    fn a_blocking_call_waits_until_it_can_proceed(env: &E) {
        let (client, conn) = pair(env);
        conn.setblocking(false).unwrap();
        conn.setblocking(true).unwrap();
        let client = Arc::new(client);
        let sender = Arc::clone(&client);
        let large = vec![7; 12 << 20];
        let total = large.len();
        let thread = env.spawn(move || sender.send(&large, NONE));
        let mut received = 0;
        while received < total {
            let part = conn.recv(1 << 20, NONE).unwrap();
            assert!(!part.is_empty());
            received += part.len();
        }
        assert_eq!(thread.join().unwrap(), Ok(total));
    }

    fn setsockopt_takes_an_integer(env: &E) {
        let socket = tcp(env);
        assert_eq!(socket.setsockopt(c::SOL_SOCKET, c::SO_KEEPALIVE, 1), Ok(()));
        assert_eq!(socket.getsockopt(c::SOL_SOCKET, c::SO_KEEPALIVE), Ok(1));
        assert_eq!(socket.setsockopt(c::SOL_SOCKET, 9999, 1), Err(Errno::NOPROTOOPT));
    }

    fn setsockopt_takes_bytes(env: &E) {
        let socket = tcp(env);
        let linger = [1i32.to_ne_bytes(), 5i32.to_ne_bytes()].concat();
        assert_eq!(socket.setsockopt_bytes(c::SOL_SOCKET, c::SO_LINGER, &linger), Ok(()));
        assert_eq!(socket.getsockopt_bytes(c::SOL_SOCKET, c::SO_LINGER, 8), Ok(linger));
        assert_eq!(socket.setsockopt_bytes(c::SOL_SOCKET, c::SO_LINGER, b"bad"), Err(Errno::INVAL), "the caller sees to the bits");
    }

    fn after_shutdown_0_what_is_queued_or_comes_later_is_still_received(env: &E) {
        let (client, conn) = pair(env);
        client.send(b"queued", NONE).unwrap();
        wait_for_input(env, &conn);
        assert_eq!(conn.shutdown(Shutdown::Read), Ok(()));
        assert_eq!(conn.recv(99, NONE), Ok(b"queued".to_vec()));
        assert_eq!(conn.recv(99, NONE), Ok(vec![]), "instead of waiting");
        client.send(b"later", NONE).unwrap();
        wait_for_bytes(env, &conn, 5);
        assert_eq!(conn.recv(99, NONE), Ok(b"later".to_vec()));
        assert_eq!(conn.send(b"x", NONE), Ok(1), "sending goes on");
        assert_eq!(client.recv(1, NONE), Ok(b"x".to_vec()));
    }

    fn after_shutdown_1_sends_are_disallowed(env: &E) {
        let (client, conn) = pair(env);
        assert_eq!(client.shutdown(Shutdown::Write), Ok(()));
        assert_eq!(client.send(b"x", NONE), Err(Errno::PIPE));
        assert_eq!(conn.recv(1, NONE), Ok(vec![]));
        conn.send(b"y", NONE).unwrap();
        assert_eq!(client.recv(1, NONE), Ok(b"y".to_vec()), "receiving goes on");
    }

    fn after_shutdown_2_neither_is_allowed(env: &E) {
        let (client, conn) = pair(env);
        assert_eq!(client.shutdown(Shutdown::Both), Ok(()));
        assert_eq!(client.send(b"x", NONE), Err(Errno::PIPE));
        assert_eq!(client.recv(1, NONE), Ok(vec![]));
        assert_eq!(conn.recv(1, NONE), Ok(vec![]));
    }

    fn shutdown_0_1_and_2_are_the_numbers_of_the_page(env: &E) {
        assert_eq!([Shutdown::Read, Shutdown::Write, Shutdown::Both].map(Shutdown::raw), [0, 1, 2]);
        assert_eq!(tcp(env).shutdown(Shutdown::Both), Err(Errno::NOTCONN));
    }
}
