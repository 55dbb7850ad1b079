//! ERR: how errors are told: as which kind of `io::Error`, to whom, how often.

use crate::conformance;
use crate::support::scene::{dead_end, ip_of, listener, own_ip, pair, port_of, reset, reset_by_peer};
use crate::support::sock::Sock;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::time::Duration;
use twinsock::consts as c;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Domain, Errno, MsgFlags, PollEvents, Protocol, Type};

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

conformance! {
    fn err_01_errors_have_the_kinds_of_std(env: &E) {
        let (_dead, nobody) = dead_end(env, Domain::INET);
        let nobody = SocketAddr::new(ip_of(&nobody), port_of(&nobody));
        assert_eq!(kind(TcpStream::connect(env, nobody)), Some(ErrorKind::ConnectionRefused));
        let listener = TcpListener::bind(env, (own_ip(), 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        assert_eq!(kind(TcpListener::bind(env, addr)), Some(ErrorKind::AddrInUse));
        let other = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 0);
        assert_eq!(kind(TcpListener::bind(env, other)), Some(ErrorKind::AddrNotAvailable));

        let mut client = TcpStream::connect(env, addr).unwrap();
        let (server, _) = listener.accept().unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(kind(listener.accept()), Some(ErrorKind::WouldBlock));
        server.set_linger(Some(Duration::ZERO)).unwrap();
        drop(server);
        let reset = client.read(&mut [0]).unwrap_err();
        assert_eq!((reset.kind(), reset.raw_os_error()), (ErrorKind::ConnectionReset, Some(104)));
        assert_eq!(kind(client.write(b"x")), Some(ErrorKind::BrokenPipe));
        assert_eq!(kind(client.shutdown(Shutdown::Both)), Some(ErrorKind::NotConnected));
    }

    fn err_02_an_errno_becomes_an_io_error_and_comes_back(env: &E) {
        for (errno, kind) in [
            (Errno::CONNREFUSED, ErrorKind::ConnectionRefused),
            (Errno::AGAIN, ErrorKind::WouldBlock),
            (Errno::PIPE, ErrorKind::BrokenPipe),
            (Errno::CONNRESET, ErrorKind::ConnectionReset),
            (Errno::ADDRINUSE, ErrorKind::AddrInUse),
            (Errno::ADDRNOTAVAIL, ErrorKind::AddrNotAvailable),
            (Errno::NOTCONN, ErrorKind::NotConnected),
            (Errno::INVAL, ErrorKind::InvalidInput),
            (Errno::TIMEDOUT, ErrorKind::TimedOut),
            (Errno::INTR, ErrorKind::Interrupted),
            (Errno::NETUNREACH, ErrorKind::NetworkUnreachable),
            // As std names it, if it does.
            (Errno::INPROGRESS, io::Error::from_raw_os_error(115).kind()),
        ] {
            let error = io::Error::from(errno);
            assert_eq!((error.kind(), error.raw_os_error()), (kind, Some(errno.raw())));
            assert_eq!(Errno::try_from(&error).unwrap(), errno);
        }
        let socket = Sock::tcp(env);
        let errno = socket.recv(1).unwrap_err();
        assert_eq!(io::Error::from(errno).kind(), ErrorKind::NotConnected, "and so do those of calls");
    }

    fn err_03_a_reset_is_told_once_by_whoever_asks_first(env: &E) {
        let receiver = reset_by_peer(env);
        assert_eq!(receiver.recv(1), Err(Errno::CONNRESET));
        assert_eq!(receiver.recv(1), Ok(vec![]));
        assert_eq!(receiver.send(b"x"), Err(Errno::PIPE));

        let sender = reset_by_peer(env);
        assert_eq!(sender.send(b"x"), Err(Errno::CONNRESET));
        assert_eq!(sender.send(b"x"), Err(Errno::PIPE));
        assert_eq!(sender.recv(1), Ok(vec![]));

        let asked = reset_by_peer(env);
        assert_eq!(asked.take_error(), Some(Errno::CONNRESET));
        assert_eq!(asked.take_error(), None);
        assert_eq!(asked.recv(1), Ok(vec![]));

        let peeked = reset_by_peer(env);
        assert_eq!(peeked.recv_with(1, MsgFlags::PEEK), Err(Errno::CONNRESET));
        assert_eq!(peeked.recv(1), Ok(vec![]));

        let nothing_sent = reset_by_peer(env);
        assert_eq!(nothing_sent.send(b""), Err(Errno::CONNRESET));
        assert_eq!(nothing_sent.recv(1), Ok(vec![]));

        let (_dead, nobody) = dead_end(env, Domain::INET);
        let refused = Sock::tcp(env);
        refused.set_nonblocking(true);
        assert_eq!(refused.connect(&nobody), Err(Errno::INPROGRESS));
        refused.wait(PollEvents::ERR);
        assert_eq!(refused.connect(&nobody), Err(Errno::CONNREFUSED), "connect tells a refusal");
        assert_eq!(refused.take_error(), None);
    }

    fn err_04_a_pending_reset_goes_before_sending_and_behind_reading(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"d");
        reset(client);
        server.wait(PollEvents::HUP);
        assert_eq!(server.send(b"x"), Err(Errno::CONNRESET));
        assert_eq!(server.recv(1), Ok(b"d".to_vec()));
        assert_eq!(server.recv(1), Ok(vec![]));

        let (client, server) = pair(env);
        client.send_all(b"d");
        reset(client);
        server.wait(PollEvents::HUP);
        assert_eq!(server.recv(1), Ok(b"d".to_vec()));
        assert_eq!(server.send(b"x"), Err(Errno::CONNRESET));
    }

    fn err_05_a_full_table_has_no_room_for_a_socket_or_a_connection(env: &E) {
        env.own_descriptors();
        let (listener, addr) = listener(env);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        listener.wait(PollEvents::IN);
        let mut twins = Vec::new();
        while let Ok(twin) = env.dup(&client.socket) {
            twins.push(Sock::of(env, twin));
        }
        assert!(twins.len() > 100);
        let open = || Sock::open(env, Domain::INET, Type::STREAM, Protocol::DEFAULT);
        assert_eq!(env.dup(&client.socket).err(), Some(Errno::MFILE));
        assert_eq!(open().err(), Some(Errno::MFILE));
        assert_eq!(listener.accept().err(), Some(Errno::MFILE));
        twins.pop();
        let (server, _) = listener.accept().expect("the connection still waits");
        client.send_all(b"x");
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
        assert_eq!(open().err(), Some(Errno::MFILE));
        twins.pop();
        assert!(open().is_ok());
    }

    fn err_06_without_a_route_the_network_is_unreachable(env: &E) {
        env.on_lone_host(|env| {
            let (four, six) = (Ipv4Addr::new(198, 51, 100, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
            for (domain, ip) in [(Domain::INET, IpAddr::V4(four)), (Domain::INET6, IpAddr::V6(six))] {
                let addr = twinsock::SocketAddr::inet(ip, 9);
                assert_eq!(Sock::tcp_of(env, domain).connect(&addr), Err(Errno::NETUNREACH));
                assert_eq!(Sock::udp_of(env, domain).connect(&addr), Err(Errno::NETUNREACH));
                assert_eq!(Sock::udp_of(env, domain).send_to(b"x", &addr), Err(Errno::NETUNREACH));
            }
        });
    }

    fn err_07_an_address_that_nobody_has_is_a_host_that_cannot_be_reached(env: &E) {
        env.on_empty_network(|env, nobody| {
            let addr = twinsock::SocketAddr::inet(IpAddr::V4(nobody), 9);
            let start = env.now();
            assert_eq!(Sock::tcp(env).connect(&addr), Err(Errno::HOSTUNREACH));
            assert!(env.now().since(start) >= Duration::from_secs(2), "three times it asks who has it");
            let socket = Sock::udp(env);
            socket.connect(&addr).unwrap();
            // It may be there again in a moment: UDP tells this to those alone who ask for all errors.
            socket.set(c::IPPROTO_IP, c::IP_RECVERR, 1).unwrap();
            assert_eq!(socket.send(b"x"), Ok(1), "nobody knows yet");
            assert_eq!(socket.recv(1), Err(Errno::HOSTUNREACH));
        });
    }
}
