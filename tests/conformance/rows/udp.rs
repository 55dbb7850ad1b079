//! UDP: datagrams, who receives them, connected sockets and their errors.

use crate::conformance;
use crate::support::files::World;
use crate::support::scene::{
    FAMILIES, elsewhere, ip_of, own_addr, own_ip, pattern, port_of, udp_bound, udp_orphan, udp_pair, wildcard, with_port,
};
use crate::support::sock::Sock;
use std::net::{IpAddr, Ipv4Addr};
use twinsock::consts as c;
use twinsock::{Domain, Errno, JoinThread, MsgFlags, PollEvents, SocketAddr};

/// A UDP socket bound to the wildcard.
fn wild<E: World>(env: &E) -> Sock<E> {
    let socket = Sock::udp(env);
    socket.bind(&wildcard(Domain::INET, 0)).expect("port 0 can be bound");
    socket
}

/// That a datagram of `largest` bytes arrives, and one of a byte more is not sent.
fn largest_is<E: World>(env: &E, family: Domain, largest: usize) {
    let (a, b) = udp_pair(env, family);
    let data = pattern(largest + 1);
    assert_eq!(a.send(&data), Err(Errno::MSGSIZE));
    assert_eq!(a.send(&data[1..]), Ok(largest));
    assert_eq!(b.recv(70_000).as_deref(), Ok(&data[1..]));
}

conformance! {
    fn udp_01_a_receive_gives_one_datagram(env: &E) {
        for family in FAMILIES {
            let (a, b) = udp_pair(env, family);
            a.send(b"ab").unwrap();
            a.send(b"cd").unwrap();
            assert_eq!(b.recv(9), Ok(b"ab".to_vec()));
            assert_eq!(b.recv(9), Ok(b"cd".to_vec()));
        }
    }

    fn udp_02_the_rest_of_a_short_receive_is_lost(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        a.send(b"abcdef").unwrap();
        a.send(b"g").unwrap();
        assert_eq!(b.recv(3), Ok(b"abc".to_vec()));
        assert_eq!(b.recv(9), Ok(b"g".to_vec()));
    }

    fn udp_03_msg_trunc_tells_the_real_length(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        a.send(b"abcdef").unwrap();
        let mut room = [0; 2];
        for flags in [MsgFlags::TRUNC | MsgFlags::PEEK, MsgFlags::TRUNC] {
            assert_eq!(b.recv_into(&mut room, flags), Ok(6));
            assert_eq!(&room, b"ab");
        }
        assert_eq!(b.try_recv(9), Err(Errno::AGAIN), "without MSG_PEEK it is taken");
    }

    fn udp_04_an_empty_datagram_is_a_datagram(env: &E) {
        for family in FAMILIES {
            let ((a, from), (b, to)) = (udp_bound(env, family), udp_bound(env, family));
            assert_eq!(a.send_to(b"", &to), Ok(0));
            b.expect_mask(PollEvents::IN | PollEvents::OUT);
            assert_eq!(b.fionread(), Ok(0));
            assert_eq!(b.recv_from(9), Ok((vec![], from)));
            b.expect_mask(PollEvents::OUT);
        }
    }

    fn udp_05_the_largest_datagram_of_ipv4(env: &E) {
        largest_is(env, Domain::INET, 65_507);
    }

    fn udp_06_the_largest_datagram_of_ipv6(env: &E) {
        largest_is(env, Domain::INET6, 65_527);
    }

    fn udp_07_an_unconnected_sender_never_hears_that_nobody_receives(env: &E) {
        for family in FAMILIES {
            let (gone, addr) = udp_bound(env, family);
            gone.close().unwrap();
            let (socket, _) = udp_bound(env, family);
            for _ in 0..3 {
                assert_eq!(socket.send_to(b"x", &addr), Ok(1));
            }
            assert_eq!(socket.try_recv(9), Err(Errno::AGAIN));
            assert_eq!(socket.take_error(), None);
        }
    }

    fn udp_08_a_connected_sender_hears_once(env: &E) {
        for family in FAMILIES {
            let (socket, _) = udp_orphan(env, family);
            for _ in 0..2 {
                assert_eq!(socket.send(b"x"), Ok(1));
                socket.wait(PollEvents::ERR);
                assert_eq!(socket.try_recv(9), Err(Errno::CONNREFUSED));
                assert_eq!(socket.try_recv(9), Err(Errno::AGAIN));
            }
        }
    }

    fn udp_09_poll_shows_an_error_and_leaves_it(env: &E) {
        let (socket, addr) = udp_orphan(env, Domain::INET);
        socket.send(b"x").unwrap();
        for _ in 0..2 {
            socket.expect_mask(PollEvents::OUT | PollEvents::ERR);
        }
        assert_eq!(socket.connect(&addr), Ok(()));
        assert_eq!(socket.connect(&SocketAddr::Unspec), Ok(()));
        assert_eq!(socket.take_error(), Some(Errno::CONNREFUSED), "connect does not clear it");
        socket.expect_mask(PollEvents::OUT);
    }

    fn udp_10_a_send_takes_the_error_of_the_last(env: &E) {
        for family in FAMILIES {
            let (socket, addr) = udp_orphan(env, family);
            assert_eq!(socket.send(b"lost"), Ok(4));
            socket.wait(PollEvents::ERR);
            let receiver = Sock::udp_of(env, family);
            receiver.bind(&addr).unwrap();
            assert_eq!(socket.send(b"not sent"), Err(Errno::CONNREFUSED));
            assert_eq!(socket.send(b"sent"), Ok(4));
            assert_eq!(receiver.recv(9), Ok(b"sent".to_vec()));
        }
    }

    fn udp_11_only_the_peer_is_heard(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        let (stranger, _) = udp_bound(env, Domain::INET);
        stranger.send_to(b"no", &b.name()).unwrap();
        assert_eq!(b.try_recv(9), Err(Errno::AGAIN));
        a.send(b"yes").unwrap();
        assert_eq!(b.recv(9), Ok(b"yes".to_vec()));
    }

    fn udp_12_what_was_queued_before_connect_stays(env: &E) {
        let ((receiver, to), (stranger, _), (_peer, peer_addr)) =
            (udp_bound(env, Domain::INET), udp_bound(env, Domain::INET), udp_bound(env, Domain::INET));
        stranger.send_to(b"early", &to).unwrap();
        receiver.connect(&peer_addr).unwrap();
        assert_eq!(receiver.recv(9), Ok(b"early".to_vec()));
    }

    fn udp_13_a_connected_socket_may_send_elsewhere(env: &E) {
        let (a, _b) = udp_pair(env, Domain::INET);
        let (other, addr) = udp_bound(env, Domain::INET);
        assert_eq!(a.send_to(b"x", &addr), Ok(1));
        assert_eq!(other.recv_from(9), Ok((b"x".to_vec(), a.name())));
    }

    fn udp_14_connect_may_be_repeated(env: &E) {
        let ((_a, a_addr), (b, b_addr)) = (udp_bound(env, Domain::INET), udp_bound(env, Domain::INET));
        let socket = Sock::udp(env);
        socket.connect(&a_addr).unwrap();
        let name = socket.name();
        assert_eq!(socket.connect(&b_addr), Ok(()));
        assert_eq!((socket.name(), socket.peer_name()), (name.clone(), Ok(b_addr)));
        socket.send(b"x").unwrap();
        assert_eq!(b.recv_from(9), Ok((b"x".to_vec(), name)));
    }

    fn udp_15_af_unspec_gives_back_what_bind_did_not_give(env: &E) {
        for family in FAMILIES {
            let (_peer, addr) = udp_bound(env, family);
            let dissolved = |socket: &Sock<E>| {
                socket.connect(&addr).unwrap();
                assert_eq!(socket.connect(&SocketAddr::Unspec), Ok(()));
                assert_eq!(socket.peer_name(), Err(Errno::NOTCONN));
                socket.name()
            };
            assert_eq!(dissolved(&Sock::udp_of(env, family)), wildcard(family, 0));
            let (socket, own) = udp_bound(env, family);
            assert_eq!(dissolved(&socket), with_port(&own, 0), "the address was asked for, the port was not");
            drop(socket);
            let socket = Sock::udp_of(env, family);
            socket.bind(&own).unwrap();
            assert_eq!(dissolved(&socket), own);
        }
    }

    fn udp_16_a_socket_can_be_its_own_peer(env: &E) {
        for family in FAMILIES {
            let (socket, addr) = udp_bound(env, family);
            assert_eq!(socket.connect(&addr), Ok(()));
            assert_eq!(socket.send(b"hello"), Ok(5));
            assert_eq!(socket.recv_from(9), Ok((b"hello".to_vec(), addr)));
        }
    }

    fn udp_17_connect_asks_nobody(env: &E) {
        for family in FAMILIES {
            let (gone, addr) = udp_bound(env, family);
            gone.close().unwrap();
            let socket = Sock::udp_of(env, family);
            assert_eq!(socket.connect(&addr), Ok(()));
            assert_eq!((socket.take_error(), socket.mask()), (None, PollEvents::OUT));
            assert_ne!(port_of(&socket.name()), 0);
        }
    }

    fn udp_18_connect_names_the_address_of_the_wildcard(env: &E) {
        let (socket, (_peer, addr)) = (wild(env), udp_bound(env, Domain::INET));
        let port = port_of(&socket.name());
        socket.connect(&addr).unwrap();
        assert_eq!(socket.name(), SocketAddr::inet(Ipv4Addr::LOCALHOST.into(), port));
    }

    fn udp_19_a_datagram_is_received_whole_with_its_sender(env: &E) {
        for family in FAMILIES {
            let ((receiver, to), (sender, from)) = (udp_bound(env, family), udp_bound(env, family));
            assert_eq!(sender.send_to(b"one", &to), Ok(3));
            assert_eq!(sender.send_to(b"two!", &to), Ok(4));
            assert_eq!(receiver.recv_from(100), Ok((b"one".to_vec(), from.clone())));
            assert_eq!(receiver.recv_from(100), Ok((b"two!".to_vec(), from)));
        }
    }

    fn udp_20_a_peek_leaves_the_datagram(env: &E) {
        let ((a, from), (b, to)) = (udp_bound(env, Domain::INET), udp_bound(env, Domain::INET));
        a.send_to(b"stay", &to).unwrap();
        for room in [2, 9] {
            let mut bytes = vec![0; room];
            let (count, sender) = env.recvfrom(&b.socket, &mut bytes, MsgFlags::PEEK).unwrap();
            assert_eq!((&bytes[..count], sender), (&b"stay"[..room.min(4)], from.clone()));
        }
        assert_eq!(b.recv_from(9), Ok((b"stay".to_vec(), from)));
    }

    fn udp_21_port_0_is_no_destination(env: &E) {
        for family in FAMILIES {
            let (socket, addr) = udp_bound(env, family);
            assert_eq!(socket.send_to(b"x", &with_port(&addr, 0)), Err(Errno::INVAL));
        }
    }

    fn udp_22_connect_to_port_0_is_a_connection_to_nobody(env: &E) {
        let (_peer, addr) = udp_bound(env, Domain::INET);
        let socket = Sock::udp(env);
        assert_eq!(socket.connect(&with_port(&addr, 0)), Ok(()));
        assert_eq!(socket.peer_name(), Err(Errno::NOTCONN));
        assert_eq!(socket.send(b"x"), Ok(1));
        assert_eq!(socket.send(b"x"), Err(Errno::CONNREFUSED));
    }

    fn udp_23_a_broadcast_must_be_allowed(env: &E) {
        let everybody = SocketAddr::inet(Ipv4Addr::new(127, 255, 255, 255).into(), 9);
        let socket = Sock::udp(env);
        assert_eq!(socket.send_to(b"x", &everybody), Err(Errno::ACCES));
        assert_eq!(socket.connect(&everybody), Err(Errno::ACCES));
        socket.set(c::SOL_SOCKET, c::SO_BROADCAST, 1).unwrap();
        assert_eq!(socket.send_to(b"x", &everybody), Ok(1));
        assert_eq!(socket.connect(&everybody), Ok(()));
    }

    fn udp_24_a_full_buffer_keeps_what_it_has(env: &E) {
        let ((receiver, to), sender) = (udp_bound(env, Domain::INET), Sock::udp(env));
        receiver.set(c::SOL_SOCKET, c::SO_RCVBUF, 4096).unwrap();
        for number in 0..200_u32 {
            let data = [&number.to_be_bytes()[..], &[0; 1000]].concat();
            assert_eq!(sender.send_to(&data, &to), Ok(data.len()), "the sender does not notice");
        }
        let got: Vec<_> = std::iter::from_fn(|| receiver.try_recv(4).ok()).collect();
        assert!((1..200).contains(&got.len()), "{} datagrams", got.len());
        assert!(got.iter().zip(0_u32..).all(|(data, number)| data[..] == number.to_be_bytes()), "the first ones, in order");
    }

    fn udp_25_a_receive_without_room_takes_a_datagram(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        a.send(b"a").unwrap();
        a.send(b"b").unwrap();
        assert_eq!(b.recv(0), Ok(vec![]));
        assert_eq!(b.recv(9), Ok(b"b".to_vec()));
    }

    fn udp_26_a_nonblocking_receive_does_not_wait(env: &E) {
        for family in FAMILIES {
            for socket in [Sock::udp_of(env, family), udp_bound(env, family).0] {
                socket.set_nonblocking(true);
                assert_eq!(socket.recv(9), Err(Errno::AGAIN));
            }
        }
    }

    fn udp_27_a_dual_stack_socket_receives_over_both_families(env: &E) {
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

    fn udp_28_one_datagram_serves_one_of_two_readers(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        let readers: Vec<_> = [b.dup(), b.dup()].into_iter().map(|socket| env.spawn(move || socket.recv(9))).collect();
        a.send(b"1").unwrap();
        a.send(b"2").unwrap();
        let mut got: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap().unwrap()).collect();
        got.sort();
        assert_eq!(got, [b"1", b"2"]);
    }

    fn udp_29_datagrams_keep_their_order_by_loopback(env: &E) {
        for family in FAMILIES {
            let (a, b) = udp_pair(env, family);
            for number in 0..50 {
                a.send(&[number]).unwrap();
            }
            for number in 0..50 {
                assert_eq!(b.recv(9), Ok(vec![number]));
            }
        }
    }

    fn udp_30_a_loopback_address_does_not_leave_the_host(env: &E) {
        let (socket, _) = udp_bound(env, Domain::INET);
        assert_eq!(socket.send_to(b"x", &elsewhere(9)), Err(Errno::INVAL));
        assert_eq!(socket.connect(&elsewhere(9)), Err(Errno::INVAL));
    }

    fn udp_31_another_address_is_not_heard(env: &E) {
        let (receiver, addr) = udp_bound(env, Domain::INET);
        let sender = wild(env);
        sender.send_to(b"other", &own_addr(port_of(&addr))).unwrap();
        assert_eq!(receiver.try_recv(9), Err(Errno::AGAIN));
        sender.send_to(b"own", &addr).unwrap();
        assert_eq!(receiver.recv(9), Ok(b"own".to_vec()));
    }

    fn udp_32_the_wildcard_hears_every_address(env: &E) {
        let (receiver, sender) = (wild(env), wild(env));
        for to in [own_addr(port_of(&receiver.name())), SocketAddr::inet(Ipv4Addr::LOCALHOST.into(), port_of(&receiver.name()))] {
            sender.send_to(b"x", &to).unwrap();
            assert_eq!(receiver.recv(9), Ok(b"x".to_vec()));
        }
    }

    fn udp_33_a_queued_datagram_is_in(env: &E) {
        for family in FAMILIES {
            let (a, b) = udp_pair(env, family);
            assert_eq!((Sock::udp_of(env, family).mask(), b.mask()), (PollEvents::OUT, PollEvents::OUT));
            a.send(b"x").unwrap();
            b.expect_mask(PollEvents::IN | PollEvents::OUT);
            b.recv(9).unwrap();
            assert_eq!(b.mask(), PollEvents::OUT);
        }
    }

    fn udp_34_a_blocked_receive_gets_the_datagram(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        let reader = env.spawn(move || b.recv_from(9));
        a.send(b"here").unwrap();
        assert_eq!(reader.join().unwrap(), Ok((b"here".to_vec(), a.name())));
    }

    fn udp_35_fionread_is_the_size_of_the_first_datagram(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        assert_eq!(b.fionread(), Ok(0));
        a.send(&pattern(5)).unwrap();
        a.send(&pattern(9)).unwrap();
        assert_eq!(b.fionread(), Ok(5));
        b.recv(1).unwrap();
        assert_eq!(b.fionread(), Ok(9));
        assert_eq!(a.outq(), Ok(0));
    }

    fn udp_36_a_member_of_a_group_is_reached_by_its_interface(env: &E) {
        let [_, run, high, low] = own_ip().octets();
        let group = Ipv4Addr::new(239, run, high, low);
        let receiver = wild(env);
        let to = SocketAddr::inet(group.into(), port_of(&receiver.name()));
        let sender = Sock::udp(env);
        sender.set_bytes(c::SOL_IP, c::IP_MULTICAST_IF, &Ipv4Addr::LOCALHOST.octets()).unwrap();
        let membership = [group.octets(), Ipv4Addr::LOCALHOST.octets()].concat();
        receiver.set_bytes(c::SOL_IP, c::IP_ADD_MEMBERSHIP, &membership).unwrap();
        for own_copy in [1, 0] {
            sender.set(c::SOL_IP, c::IP_MULTICAST_LOOP, own_copy).unwrap();
            assert_eq!(sender.send_to(b"all", &to), Ok(3));
            assert_eq!(receiver.recv(9), Ok(b"all".to_vec()), "the loopback interface brings back what it sends");
            assert_eq!(receiver.try_recv(9), Err(Errno::AGAIN), "once");
        }
        receiver.set_bytes(c::SOL_IP, c::IP_DROP_MEMBERSHIP, &membership).unwrap();
        sender.send_to(b"late", &to).unwrap();
        assert_eq!(receiver.try_recv(9), Err(Errno::AGAIN));
    }
}
