//! UDP sockets: what a datagram is, who receives it, and the names of both ends.

use crate::conformance;
use crate::support::scene::{FAMILIES, ip_of, own_addr, own_ip, pattern, port_of, udp_bound, udp_pair, wildcard, with_port};
use crate::support::sock::Sock;
use std::net::{IpAddr, Ipv6Addr};
use twinsock::consts as c;
use twinsock::net::UdpSocket;
use twinsock::{Domain, Errno, MsgFlags, SocketAddr};

conformance! {
    fn a_small_send_buffer_does_not_limit_a_datagram(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        a.set(c::SOL_SOCKET, c::SO_SNDBUF, 1).unwrap();
        assert_eq!(a.send(&pattern(60_000)), Ok(60_000));
        assert_eq!(b.recv(70_000).map(|data| data.len()), Ok(60_000));
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
