//! UDP sockets: what a datagram is, who receives it, and the names of both ends.

use crate::conformance;
use crate::support::scene::{FAMILIES, ip_of, own_addr, own_ip, pattern, port_of, udp_bound, udp_pair, wildcard, with_port};
use crate::support::sock::Sock;
use std::net::{IpAddr, Ipv6Addr};
use twinsock::consts as c;
use twinsock::net::UdpSocket;
use twinsock::{Domain, Errno, MsgFlags, Protocol, SocketAddr, Type};

/// The most data that a datagram carries.
fn largest(domain: Domain) -> usize {
    if domain == Domain::INET6 { 65_527 } else { 65_507 }
}

conformance! {
    fn a_datagram_is_received_whole_with_its_sender(env: &E) {
        for family in FAMILIES {
            let ((receiver, to), (sender, from)) = (udp_bound(env, family), udp_bound(env, family));
            assert_eq!(sender.send_to(b"one", &to), Ok(3));
            assert_eq!(sender.send_to(b"two!", &to), Ok(4));
            assert_eq!(receiver.recv_from(100), Ok((b"one".to_vec(), from.clone())));
            assert_eq!(receiver.recv_from(100), Ok((b"two!".to_vec(), from)));
        }
    }

    fn datagrams_are_not_joined_and_the_rest_of_a_short_read_is_lost(env: &E) {
        let ((receiver, to), (sender, _)) = (udp_bound(env, Domain::INET), udp_bound(env, Domain::INET));
        sender.send_to(b"abcdef", &to).unwrap();
        sender.send_to(b"g", &to).unwrap();
        assert_eq!(receiver.recv(3), Ok(b"abc".to_vec()));
        assert_eq!(receiver.recv(10), Ok(b"g".to_vec()));
    }

    fn msg_trunc_tells_the_real_length(env: &E) {
        let ((receiver, to), (sender, _)) = (udp_bound(env, Domain::INET), udp_bound(env, Domain::INET));
        sender.send_to(b"abcdef", &to).unwrap();
        let mut room = [0; 2];
        assert_eq!(receiver.recv_into(&mut room, MsgFlags::TRUNC | MsgFlags::PEEK), Ok(6));
        assert_eq!(receiver.recv_into(&mut room, MsgFlags::NONE), Ok(2));
        assert_eq!(&room, b"ab");
    }

    fn an_empty_datagram_is_a_datagram(env: &E) {
        for family in FAMILIES {
            let (a, b) = udp_pair(env, family);
            assert_eq!(a.send(b""), Ok(0));
            assert_eq!(a.send(b"x"), Ok(1));
            assert_eq!(b.fionread(), Ok(0));
            assert_eq!(b.recv(10), Ok(vec![]));
            assert_eq!(b.fionread(), Ok(1));
            assert_eq!(b.recv(0), Ok(vec![]), "a receive without room takes a datagram too");
            assert_eq!(b.try_recv(10), Err(Errno::AGAIN));
        }
    }

    fn the_largest_datagram_fits_and_one_byte_more_does_not(env: &E) {
        for family in FAMILIES {
            let (a, b) = udp_pair(env, family);
            let data = pattern(largest(family) + 1);
            assert_eq!(a.send(&data), Err(Errno::MSGSIZE));
            assert_eq!(a.send(&data[1..]), Ok(data.len() - 1));
            assert_eq!(b.recv(70_000).as_deref(), Ok(&data[1..]));
        }
    }

    fn a_small_send_buffer_does_not_limit_a_datagram(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        a.set(c::SOL_SOCKET, c::SO_SNDBUF, 1).unwrap();
        assert_eq!(a.send(&pattern(60_000)), Ok(60_000));
        assert_eq!(b.recv(70_000).map(|data| data.len()), Ok(60_000));
    }

    fn a_peek_leaves_the_datagram(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        a.send(b"stay").unwrap();
        assert_eq!(b.recv_with(2, MsgFlags::PEEK), Ok(b"st".to_vec()));
        assert_eq!(b.recv_with(9, MsgFlags::PEEK), Ok(b"stay".to_vec()));
        assert_eq!(b.recv(9), Ok(b"stay".to_vec()));
    }

    fn msg_waitall_does_not_wait_for_more_than_a_datagram(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        a.send(b"ab").unwrap();
        assert_eq!(b.recv_with(10, MsgFlags::WAITALL), Ok(b"ab".to_vec()));
    }

    fn a_send_without_a_destination_needs_one(env: &E) {
        for family in FAMILIES {
            let socket = Sock::udp_of(env, family);
            assert_eq!(socket.send(b"x"), Err(Errno::DESTADDRREQ));
            assert_ne!(port_of(&socket.name()), 0, "it has a port all the same");
        }
    }

    fn port_0_is_no_destination(env: &E) {
        for family in FAMILIES {
            let (socket, addr) = udp_bound(env, family);
            assert_eq!(socket.send_to(b"x", &with_port(&addr, 0)), Err(Errno::INVAL));
        }
    }

    fn a_destination_of_another_family_is_refused(env: &E) {
        let v6 = SocketAddr::inet(IpAddr::V6(Ipv6Addr::LOCALHOST), 9);
        assert_eq!(Sock::udp(env).send_to(b"x", &v6), Err(Errno::AFNOSUPPORT));
    }

    fn a_send_out_of_band_is_refused_over_ipv4_only(env: &E) {
        let (socket, addr) = udp_bound(env, Domain::INET);
        assert_eq!(socket.send_to_with(b"x", &addr, MsgFlags::OOB), Err(Errno::OPNOTSUPP));
        let (socket, addr) = udp_bound(env, Domain::INET6);
        assert_eq!(socket.send_to_with(b"x", &addr, MsgFlags::OOB), Ok(1));
        assert_eq!(socket.recv(9), Ok(b"x".to_vec()));
    }

    fn the_first_send_binds_to_a_port(env: &E) {
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

    fn a_receive_does_not_bind(env: &E) {
        let socket = Sock::udp(env);
        assert_eq!(socket.try_recv(9), Err(Errno::AGAIN));
        assert_eq!(port_of(&socket.name()), 0);
    }

    fn a_bound_udp_port_is_in_use_until_it_is_closed(env: &E) {
        for family in FAMILIES {
            let (first, addr) = udp_bound(env, family);
            let second = Sock::udp_of(env, family);
            assert_eq!(second.bind(&addr), Err(Errno::ADDRINUSE));
            first.close().unwrap();
            assert_eq!(second.bind(&addr), Ok(()));
        }
    }

    fn a_socket_is_bound_once(env: &E) {
        let (socket, addr) = udp_bound(env, Domain::INET);
        assert_eq!(socket.bind(&addr), Err(Errno::INVAL));
        assert_eq!(socket.bind(&with_port(&addr, 0)), Err(Errno::INVAL));
    }

    fn tcp_and_udp_have_ports_of_their_own(env: &E) {
        let (_udp, addr) = udp_bound(env, Domain::INET);
        let tcp = Sock::tcp(env);
        assert_eq!(tcp.bind(&addr), Ok(()));
        assert_eq!(tcp.listen(1), Ok(()));
    }

    fn a_wildcard_is_in_the_way_of_every_address(env: &E) {
        let all = Sock::udp(env);
        all.bind(&wildcard(Domain::INET, 0)).unwrap();
        let port = port_of(&all.name());
        assert_eq!(Sock::udp(env).bind(&own_addr(port)), Err(Errno::ADDRINUSE));
        let six = Sock::udp_of(env, Domain::INET6);
        assert_eq!(six.bind(&wildcard(Domain::INET6, port)), Err(Errno::ADDRINUSE));
        six.set(c::SOL_IPV6, c::IPV6_V6ONLY, 1).unwrap();
        assert_eq!(six.bind(&wildcard(Domain::INET6, port)), Ok(()));
    }

    fn two_share_a_port_if_both_reuse_the_address(env: &E) {
        let (first, addr) = udp_bound(env, Domain::INET);
        let second = Sock::udp(env);
        second.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        assert_eq!(second.bind(&addr), Err(Errno::ADDRINUSE));
        first.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        assert_eq!(second.bind(&addr), Ok(()));
    }

    fn of_those_who_share_a_port_the_last_to_bind_receives(env: &E) {
        let first = Sock::udp(env);
        let second = Sock::udp(env);
        for socket in [&first, &second] {
            socket.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        }
        first.bind(&own_addr(0)).unwrap();
        second.bind(&first.name()).unwrap();
        let sender = Sock::udp(env);
        sender.send_to(b"x", &first.name()).unwrap();
        assert_eq!(second.recv(9), Ok(b"x".to_vec()));
        let to = first.name();
        second.close().unwrap();
        sender.send_to(b"y", &to).unwrap();
        assert_eq!(first.recv(9), Ok(b"y".to_vec()));
    }

    fn an_exact_address_beats_the_wildcard(env: &E) {
        let exact = Sock::udp(env);
        let all = Sock::udp(env);
        for socket in [&exact, &all] {
            socket.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        }
        exact.bind(&own_addr(0)).unwrap();
        let port = port_of(&exact.name());
        all.bind(&wildcard(Domain::INET, port)).unwrap();
        let sender = Sock::udp(env);
        sender.send_to(b"exact", &exact.name()).unwrap();
        sender.send_to(b"other", &own_addr(port)).unwrap();
        assert_eq!(exact.recv(9), Ok(b"exact".to_vec()));
        assert_eq!(all.recv(9), Ok(b"other".to_vec()));
    }

    fn a_reuseport_group_spreads_senders_and_keeps_each_at_its_place(env: &E) {
        let group: Vec<_> = (0..3).map(|_| Sock::udp(env)).collect();
        let mut addr = own_addr(0);
        for member in &group {
            member.set(c::SOL_SOCKET, c::SO_REUSEPORT, 1).unwrap();
            member.bind(&addr).unwrap();
            addr = member.name();
        }
        let senders: Vec<_> = (0..60).map(|_| Sock::udp(env)).collect();
        for sender in &senders {
            for _ in 0..2 {
                sender.send_to(b"x", &addr).unwrap();
            }
        }
        let mut total = 0;
        for member in &group {
            let mut ports = Vec::new();
            while let Ok((_, from)) = member.env.recvfrom(&member.socket, &mut [0; 9], MsgFlags::DONTWAIT) {
                ports.push(port_of(&from));
            }
            total += ports.len();
            assert!(!ports.is_empty(), "everybody gets some of 60 senders");
            assert!(ports.chunk_by(|a, b| a == b).all(|chunk| chunk.len() == 2), "a sender always meets the same one");
        }
        assert_eq!(total, 120);
    }

    fn a_dual_stack_socket_receives_over_both_families(env: &E) {
        let dual = Sock::udp_of(env, Domain::INET6);
        dual.bind(&wildcard(Domain::INET6, 0)).unwrap();
        let port = port_of(&dual.name());
        let v4 = Sock::udp(env);
        let ip = own_ip();
        v4.bind(&SocketAddr::inet(IpAddr::V4(ip), 0)).unwrap();
        v4.send_to(b"four", &own_addr(port)).unwrap();
        let (data, from) = dual.recv_from(9).unwrap();
        assert_eq!((data, ip_of(&from)), (b"four".to_vec(), IpAddr::V6(ip.to_ipv6_mapped())));
        dual.send_to(b"back", &from).unwrap();
        let (data, from) = v4.recv_from(9).unwrap();
        assert_eq!((data, port_of(&from)), (b"back".to_vec(), port));
        let (v6, v6_addr) = udp_bound(env, Domain::INET6);
        dual.send_to(b"six", &v6_addr).unwrap();
        assert_eq!(v6.recv(9), Ok(b"six".to_vec()));
    }

    fn an_ipv6_only_socket_does_not_send_over_ipv4(env: &E) {
        let six = Sock::udp_of(env, Domain::INET6);
        six.set(c::SOL_IPV6, c::IPV6_V6ONLY, 1).unwrap();
        let mapped = SocketAddr::inet(IpAddr::V6(own_ip().to_ipv6_mapped()), 9);
        assert_eq!(six.send_to(b"x", &mapped), Err(Errno::NETUNREACH));
        assert_eq!(six.connect(&mapped), Err(Errno::NETUNREACH));
    }

    fn the_wildcard_as_a_destination_means_this_host(env: &E) {
        for family in FAMILIES {
            let all = Sock::udp_of(env, family);
            all.bind(&wildcard(family, 0)).unwrap();
            let sender = Sock::udp_of(env, family);
            sender.send_to(b"x", &wildcard(family, port_of(&all.name()))).unwrap();
            let (_, from) = all.recv_from(9).unwrap();
            assert!(ip_of(&from).is_loopback(), "{from:?}");
        }
    }

    fn a_datagram_socket_does_not_listen_or_accept(env: &E) {
        let (socket, _) = udp_bound(env, Domain::INET);
        assert_eq!(socket.listen(1), Err(Errno::OPNOTSUPP));
        assert_eq!(socket.accept().err(), Some(Errno::OPNOTSUPP));
    }

    fn the_protocol_of_a_datagram_socket_is_udp(env: &E) {
        for family in FAMILIES {
            assert!(Sock::open(env, family, Type::DGRAM, Protocol::UDP).is_ok());
            assert_eq!(Sock::open(env, family, Type::DGRAM, Protocol::TCP).err(), Some(Errno::PROTONOSUPPORT));
        }
    }

    fn a_vectored_send_is_one_datagram(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        let parts = [&b"one"[..], b"", b"two"].map(std::io::IoSlice::new);
        assert_eq!(a.send_vectored(&parts), Ok(6));
        let (mut x, mut y) = ([0; 4], [0; 9]);
        let received = b.recv_vectored(&mut [std::io::IoSliceMut::new(&mut x), std::io::IoSliceMut::new(&mut y)]).unwrap();
        assert_eq!((received.len, &x, &y[..2]), (6, b"onet", &b"wo"[..]));
    }

    fn the_std_shaped_udp_socket_sends_and_receives(env: &E) {
        let a = UdpSocket::bind(env, (own_ip(), 0)).unwrap();
        let b = UdpSocket::bind(env, (own_ip(), 0)).unwrap();
        let (a_addr, b_addr) = (a.local_addr().unwrap(), b.local_addr().unwrap());
        assert_eq!(a.send_to(b"hello", b_addr).unwrap(), 5);
        let mut room = [0; 16];
        assert_eq!(b.peek_from(&mut room).unwrap(), (5, a_addr));
        assert_eq!(b.recv_from(&mut room).unwrap(), (5, a_addr));
        b.connect(a_addr).unwrap();
        assert_eq!(b.peer_addr().unwrap(), a_addr);
        b.send(b"back").unwrap();
        assert_eq!(a.recv(&mut room).unwrap(), 4);
        assert_eq!(&room[..4], b"back");
    }
}
