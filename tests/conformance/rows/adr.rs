//! ADR: making sockets, the formats of addresses, and the names that sockets show.

use crate::conformance;
use crate::support::files::{Dir, abstract_name};
use crate::support::raw;
use crate::support::scene::{
    FAMILIES, ip_of, join, listener, listener_of, loopback, own_addr, own_ip, pair_of, port_of, reset_by_peer, udp_bound,
    wildcard,
};
use crate::support::sock::Sock;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::consts as c;
use twinsock::net::TcpListener;
use twinsock::{Domain, Errno, Protocol, SockFlags, SocketAddr, Type, UnixAddr};

/// A `sockaddr_in` with any family.
fn sockaddr_in(family: i32, ip: Ipv4Addr, port: u16) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&u16::try_from(family).expect("a family has 16 bits").to_ne_bytes());
    bytes[2..4].copy_from_slice(&port.to_be_bytes());
    bytes[4..8].copy_from_slice(&ip.octets());
    bytes
}

/// A `sockaddr_un`, `len` bytes of name.
fn sockaddr_un(name: &[u8]) -> Vec<u8> {
    let family = u16::try_from(c::AF_UNIX).expect("a family has 16 bits");
    [&family.to_ne_bytes(), name].concat()
}

conformance! {
    fn adr_01_an_unknown_family_is_not_supported(env: &E) {
        // AF_UNSPEC is a family of addresses, not of sockets.
        for family in [c::AF_UNSPEC, -1, 200, 250] {
            let made = Sock::open(env, Domain::from_raw(family), Type::STREAM, Protocol::DEFAULT);
            assert_eq!(made.err(), Some(Errno::AFNOSUPPORT), "family {family}");
        }
    }

    fn adr_02_a_number_of_no_type_is_invalid(env: &E) {
        for kind in [12, 15, -1, c::SOCK_STREAM | 0x40] {
            let made = Sock::open(env, Domain::INET, Type::from_raw(kind), Protocol::DEFAULT);
            assert_eq!(made.err(), Some(Errno::INVAL), "type {kind}");
        }
    }

    fn adr_03_inet_has_no_records_over_a_connection(env: &E) {
        for kind in [Type::from_raw(0), Type::SEQPACKET, Type::from_raw(c::SOCK_RDM)] {
            for family in FAMILIES {
                let made = Sock::open(env, family, kind, Protocol::DEFAULT);
                assert_eq!(made.err(), Some(Errno::SOCKTNOSUPPORT), "{family:?} {kind:?}");
            }
        }
    }

    fn adr_04_a_protocol_belongs_to_its_type(env: &E) {
        for family in FAMILIES {
            for (kind, own, other) in [(Type::STREAM, Protocol::TCP, Protocol::UDP), (Type::DGRAM, Protocol::UDP, Protocol::TCP)] {
                assert!(Sock::open(env, family, kind, own).is_ok());
                assert_eq!(Sock::open(env, family, kind, other).err(), Some(Errno::PROTONOSUPPORT));
            }
        }
    }

    fn adr_05_the_protocol_of_a_local_socket_is_none_or_its_family(env: &E) {
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            let open = |protocol| Sock::open(env, Domain::UNIX, kind, Protocol::from_raw(protocol)).map(drop);
            assert_eq!(open(0), Ok(()));
            assert_eq!(open(1), Ok(()));
            assert_eq!(open(6), Err(Errno::PROTONOSUPPORT));
        }
    }

    fn adr_06_only_local_sockets_come_in_pairs(env: &E) {
        for family in FAMILIES {
            let made = env.socketpair(family, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT);
            assert_eq!(made.err(), Some(Errno::OPNOTSUPP));
        }
    }

    fn adr_07_both_ends_of_a_pair_are_unnamed(env: &E) {
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            let (a, b) = Sock::unix_pair(env, kind);
            for end in [a, b] {
                assert_eq!(end.name(), UnixAddr::Unnamed.into());
                assert_eq!(end.peer_name(), Ok(UnixAddr::Unnamed.into()));
            }
        }
    }

    fn adr_08_a_fresh_socket_has_the_wildcard_name_and_no_peer(env: &E) {
        for family in FAMILIES {
            let socket = Sock::tcp_of(env, family);
            assert_eq!(socket.name(), wildcard(family, 0));
            assert_eq!(socket.peer_name(), Err(Errno::NOTCONN));
        }
    }

    fn adr_09_a_fresh_local_socket_is_unnamed(env: &E) {
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            assert_eq!(Sock::unix(env, kind).name(), UnixAddr::Unnamed.into());
        }
    }

    fn adr_10_port_0_is_a_port_of_the_range(env: &E) {
        let range = env.sysctl("net.ipv4.ip_local_port_range");
        let mut ends = range.split_whitespace().map(|port| port.parse::<u16>().expect("two ports"));
        let (low, high) = (ends.next().expect("two ports"), ends.next().expect("two ports"));
        for family in FAMILIES {
            for socket in [Sock::tcp_of(env, family), Sock::udp_of(env, family)] {
                socket.bind(&loopback(family)).unwrap();
                assert!((low..=high).contains(&port_of(&socket.name())), "{:?}", socket.name());
            }
        }
    }

    fn adr_11_every_address_of_127_is_local(env: &E) {
        let ip = IpAddr::V4(own_ip());
        let server = Sock::tcp(env);
        server.bind(&SocketAddr::inet(ip, 0)).unwrap();
        server.listen(1).unwrap();
        let client = Sock::tcp(env);
        client.connect(&server.name()).unwrap();
        assert_eq!(client.peer_name(), Ok(server.name()));
    }

    fn adr_12_the_wildcard_as_destination_is_the_own_host(env: &E) {
        for family in FAMILIES {
            let listener = Sock::tcp_of(env, family);
            listener.bind(&wildcard(family, 0)).unwrap();
            listener.listen(1).unwrap();
            let port = port_of(&listener.name());
            let (client, server) = join(&listener, Sock::tcp_of(env, family), &wildcard(family, port));
            assert!(ip_of(&client.peer_name().unwrap()).is_loopback());
            assert!(ip_of(&server.name()).is_loopback(), "the listener's wildcard has become an address");
            assert!(ip_of(&client.name()).is_loopback());
        }
    }

    fn adr_13_connect_names_the_client(env: &E) {
        for (family, source) in [(Domain::INET, IpAddr::V4(Ipv4Addr::LOCALHOST)), (Domain::INET6, IpAddr::V6(Ipv6Addr::LOCALHOST))] {
            let (_listener, addr) = listener_of(env, family, 1);
            let client = Sock::tcp_of(env, family);
            client.connect(&addr).unwrap();
            assert_eq!(ip_of(&client.name()), source);
            assert_ne!(port_of(&client.name()), 0);
        }
    }

    fn adr_14_names_are_the_same_from_both_ends(env: &E) {
        for family in FAMILIES {
            let (client, server) = pair_of(env, family);
            assert_eq!(client.peer_name(), Ok(server.name()));
            assert_eq!(server.peer_name(), Ok(client.name()));
        }
    }

    fn adr_15_the_accepted_socket_shows_the_address_that_was_dialled(env: &E) {
        let listener = Sock::tcp(env);
        listener.bind(&wildcard(Domain::INET, 0)).unwrap();
        listener.listen(1).unwrap();
        let dialled = SocketAddr::inet(IpAddr::V4(own_ip()), port_of(&listener.name()));
        let (client, server) = join(&listener, Sock::tcp(env), &dialled);
        assert_eq!(server.name(), dialled);
        assert_eq!(ip_of(&client.name()), IpAddr::V4(Ipv4Addr::LOCALHOST), "the source of a client that is not bound");
    }

    fn adr_16_a_dual_stack_listener_accepts_ipv4(env: &E) {
        let listener = Sock::tcp_of(env, Domain::INET6);
        listener.bind(&wildcard(Domain::INET6, 0)).unwrap();
        listener.listen(1).unwrap();
        let ip = own_ip();
        let client = Sock::tcp(env);
        assert_eq!(client.connect(&SocketAddr::inet(IpAddr::V4(ip), port_of(&listener.name()))), Ok(()));
        let (server, from) = listener.accept().unwrap();
        assert_eq!(ip_of(&server.name()), IpAddr::V6(ip.to_ipv6_mapped()));
        assert_eq!(ip_of(&from), IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()));
    }

    fn adr_17_an_ipv6_only_listener_refuses_ipv4(env: &E) {
        let listener = Sock::tcp_of(env, Domain::INET6);
        listener.set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, 1).unwrap();
        listener.bind(&wildcard(Domain::INET6, 0)).unwrap();
        listener.listen(1).unwrap();
        let port = port_of(&listener.name());
        assert_eq!(Sock::tcp(env).connect(&own_addr(port)), Err(Errno::CONNREFUSED));
        assert_eq!(
            Sock::tcp_of(env, Domain::INET6).connect(&SocketAddr::inet(IpAddr::V6(Ipv6Addr::LOCALHOST), port)),
            Ok(())
        );
    }

    fn adr_18_ipv6_reaches_an_ipv4_listener_by_its_mapped_address(env: &E) {
        let (listener, addr) = listener(env);
        let IpAddr::V4(ip) = ip_of(&addr) else { unreachable!("the listener is of IPv4") };
        let mapped = SocketAddr::inet(IpAddr::V6(ip.to_ipv6_mapped()), port_of(&addr));
        let client = Sock::tcp_of(env, Domain::INET6);
        assert_eq!(client.connect(&mapped), Ok(()));
        let (server, from) = listener.accept().unwrap();
        assert_eq!(client.peer_name(), Ok(mapped), "mapped on this side");
        assert_eq!(server.name(), addr, "plain on that side");
        assert!(matches!(ip_of(&from), IpAddr::V4(_)));
    }

    fn adr_19_an_ipv6_only_socket_has_no_route_to_ipv4(env: &E) {
        let (_listener, addr) = listener(env);
        let IpAddr::V4(ip) = ip_of(&addr) else { unreachable!("the listener is of IPv4") };
        let socket = Sock::tcp_of(env, Domain::INET6);
        socket.set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, 1).unwrap();
        let mapped = SocketAddr::inet(IpAddr::V6(ip.to_ipv6_mapped()), port_of(&addr));
        assert_eq!(socket.connect(&mapped), Err(Errno::NETUNREACH));
    }

    fn adr_20_an_address_of_the_other_family_does_not_fit(env: &E) {
        let four = Sock::tcp(env);
        assert_eq!(four.bind(&loopback(Domain::INET6)), Err(Errno::AFNOSUPPORT));
        assert_eq!(four.connect(&loopback(Domain::INET6)), Err(Errno::AFNOSUPPORT));
        let six = Sock::tcp_of(env, Domain::INET6);
        assert_eq!(six.bind(&loopback(Domain::INET)), Err(Errno::INVAL), "a sockaddr_in is too short");
        assert_eq!(six.connect(&loopback(Domain::INET)), Err(Errno::INVAL), "a sockaddr_in is too short");
    }

    fn adr_21_a_short_address_is_invalid(env: &E) {
        let addr = sockaddr_in(c::AF_INET, Ipv4Addr::LOCALHOST, 9);
        for len in [0, 1, 2, 3, 8, 15] {
            for socket in [Sock::tcp(env), Sock::udp(env)] {
                assert_eq!(raw::bind(&socket, &addr[..len]), Err(Errno::INVAL), "bind, {len} bytes");
                assert_eq!(raw::connect(&socket, &addr[..len]), Err(Errno::INVAL), "connect, {len} bytes");
            }
        }
    }

    fn adr_22_bind_takes_unspec_for_the_wildcard_of_ipv4(env: &E) {
        let four = Sock::tcp(env);
        assert_eq!(raw::bind(&four, &sockaddr_in(c::AF_UNSPEC, Ipv4Addr::LOCALHOST, 0)), Err(Errno::AFNOSUPPORT));
        assert_eq!(raw::bind(&four, &sockaddr_in(c::AF_UNSPEC, Ipv4Addr::UNSPECIFIED, 0)), Ok(()));
        assert_eq!(ip_of(&four.name()), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        assert_ne!(port_of(&four.name()), 0);
        assert_eq!(Sock::tcp(env).bind(&SocketAddr::Unspec), Ok(()), "what the typed API passes");
        assert_eq!(Sock::tcp_of(env, Domain::INET6).bind(&SocketAddr::Unspec), Err(Errno::INVAL), "too short for IPv6");
    }

    fn adr_23_an_abstract_name_is_bytes(env: &E) {
        let SocketAddr::Unix(UnixAddr::Abstract(plain)) = abstract_name() else { unreachable!("an abstract name is made") };
        let named = |end: &[u8]| -> SocketAddr { UnixAddr::Abstract([&plain[..], end].concat()).into() };
        let sockets: Vec<_> = [&b""[..], b"\0", b"\0x", b"\0\0"]
            .into_iter()
            .map(|end| {
                let socket = Sock::unix(env, Type::STREAM);
                assert_eq!(socket.bind(&named(end)), Ok(()), "{} is a name of its own", end.escape_ascii());
                assert_eq!(socket.name(), named(end));
                socket
            })
            .collect();
        drop(sockets);
    }

    fn adr_24_an_abstract_name_has_up_to_107_bytes(env: &E) {
        let SocketAddr::Unix(UnixAddr::Abstract(mut name)) = abstract_name() else { unreachable!("an abstract name is made") };
        name.resize(107, b'h');
        let longest: SocketAddr = UnixAddr::from_abstract_name(&name).unwrap().into();
        let socket = Sock::unix(env, Type::STREAM);
        assert_eq!(socket.bind(&longest), Ok(()));
        assert_eq!(socket.name(), longest);
        name.push(b'h');
        assert_eq!(UnixAddr::from_abstract_name(&name), Err(Errno::INVAL));
    }

    fn adr_25_no_name_asks_for_one(env: &E) {
        let socket = Sock::unix(env, Type::DGRAM);
        socket.bind(&UnixAddr::Unnamed.into()).unwrap();
        let name = socket.name();
        let SocketAddr::Unix(UnixAddr::Abstract(digits)) = &name else { panic!("{name} is not abstract") };
        assert!(digits.len() == 5 && digits.iter().all(u8::is_ascii_hexdigit), "{digits:?}");
        assert_eq!(socket.bind(&UnixAddr::Unnamed.into()), Ok(()), "again is no mistake");
        assert_eq!(socket.name(), name);
        assert_eq!(socket.bind(&abstract_name()), Err(Errno::INVAL));
    }

    fn adr_26_a_path_has_up_to_108_bytes(env: &E) {
        let dir = Dir::new(env);
        let long = |len: usize| {
            let path = dir.path("a");
            let missing = len - path.as_os_str().len();
            dir.path(&format!("a{}", "a".repeat(missing)))
        };
        let longest: SocketAddr = UnixAddr::from_pathname(long(107)).unwrap().into();
        let socket = Sock::unix(env, Type::STREAM);
        assert_eq!(socket.bind(&longest), Ok(()));
        assert_eq!(socket.name(), longest);
        assert_eq!(UnixAddr::from_pathname(long(109)), Err(Errno::INVAL));

        let full = long(108);
        let unterminated = sockaddr_un(full.as_os_str().as_encoded_bytes());
        let socket = Sock::unix(env, Type::STREAM);
        assert_eq!(raw::bind(&socket, &unterminated), Ok(()));
        assert!(env.exists(&full), "all 108 bytes are the name");
        assert_eq!(raw::bind(&Sock::unix(env, Type::STREAM), &[&unterminated[..], b"a"].concat()), Err(Errno::INVAL));
    }

    fn adr_27_a_path_is_shown_as_it_was_given(env: &E) {
        let dir = Dir::new(env);
        env.mkdir(&dir.path("d")).unwrap();
        for spelling in ["/a", "d/../b", "./c"] {
            let addr = dir.addr(spelling.trim_start_matches('/'));
            let SocketAddr::Unix(UnixAddr::Path(path)) = addr else { unreachable!("a path is made") };
            let text = path.to_str().unwrap().replacen('/', "//", 1);
            let addr: SocketAddr = UnixAddr::from_pathname(text).unwrap().into();
            let socket = Sock::unix(env, Type::STREAM);
            socket.bind(&addr).unwrap();
            assert_eq!(format!("{:?}", socket.name()), format!("{addr:?}"), "to the letter");
        }
        assert!(env.exists(&dir.path("b")), "it was resolved all the same");
    }

    fn adr_28_a_local_connection_is_named_by_its_listener(env: &E) {
        let dir = Dir::new(env);
        let addr = dir.addr("s");
        let listener = Sock::unix(env, Type::STREAM);
        listener.bind(&addr).unwrap();
        listener.listen(1).unwrap();
        let client = Sock::unix(env, Type::STREAM);
        client.connect(&addr).unwrap();
        let (server, from) = listener.accept().unwrap();
        assert_eq!((server.name(), client.peer_name()), (addr.clone(), Ok(addr)));
        assert_eq!((from, server.peer_name()), (UnixAddr::Unnamed.into(), Ok(UnixAddr::Unnamed.into())));
    }

    fn adr_29_without_a_connection_there_is_no_peer(env: &E) {
        for family in FAMILIES {
            assert_eq!(Sock::tcp_of(env, family).peer_name(), Err(Errno::NOTCONN));
            assert_eq!(udp_bound(env, family).0.peer_name(), Err(Errno::NOTCONN));
            assert_eq!(listener_of(env, family, 1).0.peer_name(), Err(Errno::NOTCONN));
        }
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            assert_eq!(Sock::unix(env, kind).peer_name(), Err(Errno::NOTCONN));
        }
    }

    fn adr_30_the_peer_is_named_before_it_accepts(env: &E) {
        for family in FAMILIES {
            let (_listener, addr) = listener_of(env, family, 1);
            let client = Sock::tcp_of(env, family);
            assert_eq!(client.connect(&addr), Ok(()));
            assert_eq!(client.peer_name(), Ok(addr));
        }
    }

    fn adr_31_a_reset_connection_has_no_peer(env: &E) {
        let socket = reset_by_peer(env);
        assert_eq!(socket.peer_name(), Err(Errno::NOTCONN), "whether or not the error was told");
        assert_eq!(socket.recv(1), Err(Errno::CONNRESET));
        assert_eq!(socket.peer_name(), Err(Errno::NOTCONN));
    }

    fn adr_32_a_port_has_16_bits(env: &E) {
        for text in ["127.0.0.1:65536", "127.0.0.1:-1", "[::1]:100000"] {
            let error = TcpListener::bind(env, text).map(drop).unwrap_err();
            assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, None), "{text}");
        }
    }

    fn adr_33_listen_binds_a_socket_that_is_not_bound(env: &E) {
        for family in FAMILIES {
            let listener = Sock::tcp_of(env, family);
            assert_eq!(listener.listen(1), Ok(()));
            assert!(ip_of(&listener.name()).is_unspecified());
            assert_ne!(port_of(&listener.name()), 0);
            let client = Sock::tcp_of(env, family);
            assert_eq!(client.connect(&listener.name()), Ok(()));
        }
    }

    fn adr_34_the_first_send_binds_to_a_port(env: &E) {
        let (_receiver, to) = udp_bound(env, Domain::INET);
        let socket = Sock::udp(env);
        assert_eq!(port_of(&socket.name()), 0);
        socket.send_to(b"x", &to).unwrap();
        let port = port_of(&socket.name());
        assert_ne!(port, 0);
        assert!(ip_of(&socket.name()).is_unspecified());
        socket.send_to(b"x", &to).unwrap();
        assert_eq!(port_of(&socket.name()), port);
    }
}
