//! Multicast and broadcast, on the loopback interface.

use crate::conformance;
use crate::support::scene::{own_ip, port_of, wildcard};
use crate::support::sock::Sock;
use std::net::{Ipv4Addr, Ipv6Addr};
use twinsock::consts as c;
use twinsock::{Domain, Env, Errno, MsgFlags, SocketAddr};

/// A group that no other promise uses.
fn own_group() -> Ipv4Addr {
    let [_, run, high, low] = own_ip().octets();
    Ipv4Addr::new(239, run, high, low)
}

/// `struct ip_mreq`.
fn mreq(group: Ipv4Addr, interface: Ipv4Addr) -> Vec<u8> {
    [group.octets(), interface.octets()].concat()
}

fn join<E: Env>(socket: &Sock<E>, group: Ipv4Addr) -> Result<(), Errno> {
    socket.set_bytes(c::SOL_IP, c::IP_ADD_MEMBERSHIP, &mreq(group, Ipv4Addr::LOCALHOST))
}

fn leave<E: Env>(socket: &Sock<E>, group: Ipv4Addr) -> Result<(), Errno> {
    socket.set_bytes(c::SOL_IP, c::IP_DROP_MEMBERSHIP, &mreq(group, Ipv4Addr::LOCALHOST))
}

/// A socket bound to the wildcard, on a port that it shares.
fn receiver<E: Env>(env: &E, port: u16) -> Sock<E> {
    let socket = Sock::udp(env);
    socket.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
    socket.bind(&wildcard(Domain::INET, port)).unwrap();
    socket
}

/// A socket that sends to groups by loopback.
fn sender<E: Env>(env: &E) -> Sock<E> {
    let socket = Sock::udp(env);
    socket.set_bytes(c::SOL_IP, c::IP_MULTICAST_IF, &Ipv4Addr::LOCALHOST.octets()).unwrap();
    socket
}

fn addr(ip: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::inet(ip.into(), port)
}

conformance! {
    fn every_member_of_a_group_gets_a_copy(env: &E) {
        let group = own_group();
        let first = receiver(env, 0);
        let port = port_of(&first.name());
        let second = receiver(env, port);
        for socket in [&first, &second] {
            join(socket, group).unwrap();
        }
        let sender = sender(env);
        assert_eq!(sender.send_to(b"all", &addr(group, port)), Ok(3));
        for socket in [&first, &second] {
            let (data, from) = socket.recv_from(9).unwrap();
            assert_eq!((data, from), (b"all".to_vec(), addr(Ipv4Addr::LOCALHOST, port_of(&sender.name()))));
        }
    }

    fn a_corked_copy_is_for_whoever_the_socket_is_connected_to_by_then(env: &E) {
        let (group, other_group) = (own_group(), own_group());
        let member = receiver(env, 0);
        let port = port_of(&member.name());
        let here = own_ip();
        let bound = Sock::udp(env);
        bound.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        bound.bind(&addr(here, port)).unwrap();
        for is_member in [false, true] {
            if is_member {
                join(&member, group).unwrap();
            }
            // Who is bound to the address gets a copy, as does who takes any: the route is that of the group, which says who listens.
            for (to, bound_gets) in [(here, true), (own_ip(), false), (other_group, false)] {
                let sender = sender(env);
                assert_eq!(sender.send_to_with(b"x", &addr(group, 9), MsgFlags::MORE), Ok(1));
                sender.connect(&addr(to, port)).unwrap();
                assert_eq!(sender.send(b""), Ok(0));
                assert_eq!(member.try_recv(9).is_ok(), is_member, "{to}");
                assert_eq!(bound.try_recv(9).is_ok(), is_member && bound_gets, "{to}");
                assert_eq!(sender.take_error(), None);
            }
        }
    }

    fn a_group_that_nobody_has_joined_is_not_heard(env: &E) {
        let socket = receiver(env, 0);
        let sender = sender(env);
        assert_eq!(sender.send_to(b"x", &addr(own_group(), port_of(&socket.name()))), Ok(1));
        assert_eq!(socket.try_recv(9), Err(Errno::AGAIN));
        assert_eq!(sender.take_error(), None);
    }

    fn a_left_group_is_not_heard_any_longer(env: &E) {
        let (socket, group) = (receiver(env, 0), own_group());
        join(&socket, group).unwrap();
        assert_eq!(leave(&socket, group), Ok(()));
        sender(env).send_to(b"x", &addr(group, port_of(&socket.name()))).unwrap();
        assert_eq!(socket.try_recv(9), Err(Errno::AGAIN));
    }

    fn a_closed_member_takes_its_membership_along(env: &E) {
        let (socket, member, group) = (receiver(env, 0), receiver(env, 0), own_group());
        join(&member, group).unwrap();
        let to = addr(group, port_of(&socket.name()));
        let sender = sender(env);
        sender.send_to(b"x", &to).unwrap();
        assert_eq!(socket.try_recv(9), Ok(b"x".to_vec()), "IP_MULTICAST_ALL: the host is a member");
        member.close().unwrap();
        sender.send_to(b"y", &to).unwrap();
        assert_eq!(socket.try_recv(9), Err(Errno::AGAIN));
    }

    fn without_ip_multicast_all_only_own_groups_are_heard(env: &E) {
        let (socket, member, group) = (receiver(env, 0), receiver(env, 0), own_group());
        join(&member, group).unwrap();
        socket.set(c::SOL_IP, c::IP_MULTICAST_ALL, 0).unwrap();
        let to = addr(group, port_of(&socket.name()));
        let sender = sender(env);
        sender.send_to(b"x", &to).unwrap();
        assert_eq!(socket.try_recv(9), Err(Errno::AGAIN));
        join(&socket, group).unwrap();
        sender.send_to(b"y", &to).unwrap();
        assert_eq!(socket.try_recv(9), Ok(b"y".to_vec()));
    }

    fn a_socket_bound_to_a_group_hears_that_group_only(env: &E) {
        let (one, other) = (own_group(), own_group());
        let socket = Sock::udp(env);
        socket.bind(&addr(one, 0)).unwrap();
        let port = port_of(&socket.name());
        for group in [one, other] {
            join(&socket, group).unwrap();
        }
        let sender = sender(env);
        sender.send_to(b"other", &addr(other, port)).unwrap();
        sender.send_to(b"one", &addr(one, port)).unwrap();
        sender.send_to(b"unicast", &addr(Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_eq!(socket.recv(9), Ok(b"one".to_vec()));
        assert_eq!(socket.try_recv(9), Err(Errno::AGAIN));
    }

    fn memberships_are_checked(env: &E) {
        let (socket, group) = (Sock::udp(env), own_group());
        assert_eq!(join(&socket, Ipv4Addr::new(10, 0, 0, 1)), Err(Errno::INVAL));
        assert_eq!(leave(&socket, group), Err(Errno::ADDRNOTAVAIL));
        assert_eq!(join(&socket, group), Ok(()));
        assert_eq!(join(&socket, group), Err(Errno::ADDRINUSE));
        let nowhere = mreq(group, Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(socket.set_bytes(c::SOL_IP, c::IP_ADD_MEMBERSHIP, &nowhere), Err(Errno::NODEV));
        assert_eq!(socket.set_bytes(c::SOL_IP, c::IP_ADD_MEMBERSHIP, &[224, 1, 1, 1]), Err(Errno::INVAL));
        assert_eq!(leave(&socket, group), Ok(()));
        assert_eq!(leave(&socket, group), Err(Errno::ADDRNOTAVAIL));
    }

    fn a_socket_has_at_most_20_memberships(env: &E) {
        let socket = Sock::udp(env);
        for _ in 0..20 {
            assert_eq!(join(&socket, own_group()), Ok(()));
        }
        assert_eq!(join(&socket, own_group()), Err(Errno::NOBUFS));
    }

    fn the_multicast_interface_is_an_address_or_an_index(env: &E) {
        let socket = Sock::udp(env);
        let get = || socket.get_bytes(c::SOL_IP, c::IP_MULTICAST_IF, 4).unwrap();
        assert_eq!(get(), [0, 0, 0, 0]);
        assert_eq!(socket.set_bytes(c::SOL_IP, c::IP_MULTICAST_IF, &[127, 0, 0, 1]), Ok(()));
        assert_eq!(get(), [127, 0, 0, 1]);
        assert_eq!(socket.set_bytes(c::SOL_IP, c::IP_MULTICAST_IF, &[192, 0, 2, 1]), Err(Errno::ADDRNOTAVAIL));
        assert_eq!(socket.set_bytes(c::SOL_IP, c::IP_MULTICAST_IF, &[0; 4]), Ok(()));
        let mreqn = |index: i32| [&[0; 8][..], &index.to_ne_bytes()].concat();
        assert_eq!(socket.set_bytes(c::SOL_IP, c::IP_MULTICAST_IF, &mreqn(1)), Ok(()));
        assert_eq!(get(), [0, 0, 0, 0]);
        assert_eq!(socket.set_bytes(c::SOL_IP, c::IP_MULTICAST_IF, &mreqn(9999)), Err(Errno::ADDRNOTAVAIL));
        assert_eq!(socket.set_bytes(c::SOL_IP, c::IP_MULTICAST_IF, &[127, 0, 0]), Err(Errno::INVAL));
    }

    fn ipv6_memberships_are_checked(env: &E) {
        let socket = Sock::udp_of(env, Domain::INET6);
        let group: Ipv6Addr = "ff05::1234".parse().unwrap();
        let request = |group: Ipv6Addr, index: i32| [&group.octets()[..], &index.to_ne_bytes()].concat();
        let join = |request: &[u8]| socket.set_bytes(c::SOL_IPV6, c::IPV6_ADD_MEMBERSHIP, request);
        let leave = |request: &[u8]| socket.set_bytes(c::SOL_IPV6, c::IPV6_DROP_MEMBERSHIP, request);
        assert_eq!(join(&request(Ipv6Addr::LOCALHOST, 1)), Err(Errno::INVAL));
        assert_eq!(join(&request(group, 9999)), Err(Errno::NODEV));
        assert_eq!(leave(&request(group, 1)), Err(Errno::ADDRNOTAVAIL));
        assert_eq!(join(&request(group, 1)), Ok(()));
        assert_eq!(join(&request(group, 1)), Err(Errno::ADDRINUSE));
        assert_eq!(join(&request(group, 0)), Err(Errno::ADDRINUSE));
        assert_eq!(leave(&request(group, 0)), Ok(()));
        assert_eq!(join(&[0; 19]), Err(Errno::INVAL));
    }

    fn a_broadcast_reaches_every_wildcard_but_no_specific_address(env: &E) {
        let first = receiver(env, 0);
        let port = port_of(&first.name());
        let second = receiver(env, port);
        let specific = Sock::udp(env);
        specific.set(c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        specific.bind(&addr(own_ip(), port)).unwrap();
        let sender = Sock::udp(env);
        sender.set(c::SOL_SOCKET, c::SO_BROADCAST, 1).unwrap();
        sender.send_to(b"all", &addr(Ipv4Addr::new(127, 255, 255, 255), port)).unwrap();
        for socket in [&first, &second] {
            assert_eq!(socket.try_recv(9), Ok(b"all".to_vec()));
        }
        assert_eq!(specific.try_recv(9), Err(Errno::AGAIN));
    }

    fn a_bound_socket_broadcasts_by_the_interface_of_its_address(env: &E) {
        let receiver = receiver(env, 0);
        let sender = Sock::udp(env);
        sender.bind(&addr(Ipv4Addr::LOCALHOST, 0)).unwrap();
        sender.set(c::SOL_SOCKET, c::SO_BROADCAST, 1).unwrap();
        assert_eq!(sender.send_to(b"x", &addr(Ipv4Addr::BROADCAST, port_of(&receiver.name()))), Ok(1));
        assert_eq!(receiver.try_recv(9), Ok(b"x".to_vec()));
    }
}
