//! UDP between two hosts: routes, ICMP errors, the MTU, groups and broadcasts on the wire.

use super::*;
use crate::packet::{Body, IcmpError};

const ALL: &str = "255.255.255.255:5000";
const GROUP: &str = "239.1.2.3:5000";

/// `struct ip_mreqn` for eth0.
fn mreqn(group: &str) -> Vec<u8> {
    let group: Ipv4Addr = group.parse().unwrap();
    [group.octets(), [0; 4], 2_i32.to_ne_bytes()].concat()
}

fn set_bytes(net: &mut Net, proc: Proc, fd: RawFd, option: (i32, i32), value: &[u8]) -> Result<usize> {
    net.call(proc, Call::Setsockopt { fd, level: option.0, name: option.1, value })
}

#[test]
fn a_datagram_crosses_the_wire_and_its_answer_comes_back() {
    for (server_addr, client_ip) in [("10.0.0.1:53", "10.0.0.2"), ("[fd00::1]:53", "[fd00::2]")] {
        let (mut net, server, client) = Net::two();
        let far = net.udp_at(server, server_addr);
        let near = net.udp_of(client, if server_addr.starts_with('[') { c::AF_INET6 } else { c::AF_INET });
        assert_eq!(net.send_to(client, near, b"ask", server_addr), Ok(3));
        let (data, from) = net.recv_from(server, far).unwrap();
        assert_eq!(data, b"ask");
        assert_eq!(from, format!("{client_ip}:{}", net.port(client, near)));
        net.send_to(server, far, b"tell", &from).unwrap();
        assert_eq!(net.recv_from(client, near), Ok((b"tell".to_vec(), server_addr.to_owned())));
    }
}

#[test]
fn a_host_without_receiver_answers_with_icmp() {
    for (server_addr, family) in [("10.0.0.1:53", c::AF_INET), ("[fd00::1]:53", c::AF_INET6)] {
        let (mut net, _, client) = Net::two();
        let fd = net.udp_of(client, family);
        net.connect(client, fd, server_addr).unwrap();
        assert_eq!(net.send(client, fd, b"x"), Ok(1));
        assert_eq!(net.poll(client, fd), mask(&[OUT, PollEvents::WRBAND, ERR]));
        assert_eq!(net.recv(client, fd), Err(Errno::CONNREFUSED));
    }
}

#[test]
fn an_icmp_error_quotes_no_more_than_fits() {
    fn checked(packet: &Packet) -> bool {
        if let Body::Icmp(icmp) = &packet.body {
            let Body::Udp(about) = &icmp.about.body else { panic!("it is about a datagram") };
            let quoted = if packet.dst.is_ipv4() { 520 } else { 1184 };
            assert_eq!((icmp.error, about.payload.len()), (IcmpError::PortUnreachable, quoted));
        }
        false
    }
    let (mut net, _, client) = Net::two();
    net.loses = checked;
    for (addr, family) in [("10.0.0.1:53", c::AF_INET), ("[fd00::1]:53", c::AF_INET6)] {
        let fd = net.udp_of(client, family);
        let passed = net.passed;
        net.send_to(client, fd, &[0; 4000], addr).unwrap();
        assert_eq!(net.passed, passed + 2);
    }
}

#[test]
fn without_a_route_the_network_is_unreachable() {
    let mut net = Net::two().0;
    net.hosts[0] = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    let proc = net.spawn(0);
    let fd = net.udp_of(proc, c::AF_INET6);
    assert_eq!(net.send_to(proc, fd, b"x", "[fd00::2]:9"), Err(Errno::NETUNREACH));
    assert_ne!(net.port(proc, fd), 0, "the port was taken before");
    assert_eq!(net.connect(proc, fd, "[fd00::2]:9"), Err(Errno::NETUNREACH));
    let fd = net.udp_at(proc, "127.0.0.1:0");
    assert_eq!(net.send_to(proc, fd, b"x", "10.0.0.2:9"), Err(Errno::INVAL), "loopback is no source for the wire");
}

#[test]
fn a_datagram_larger_than_the_mtu_is_cut_unless_that_is_forbidden() {
    let (mut net, server, client) = Net::two();
    let far = net.udp_at(server, "10.0.0.1:53");
    let near = net.udp(client);
    net.connect(client, near, "10.0.0.1:53").unwrap();
    assert_eq!(net.get(client, near, c::SOL_IP, c::IP_MTU), Ok(1500));
    assert_eq!(net.send(client, near, &[7; 1473]), Ok(1473));
    assert_eq!(net.recv_with(server, far, 9000, c::MSG_DONTWAIT).map(|data| data.len()), Ok(1473));
    let do_not_cut = 2;
    net.set(client, near, c::SOL_IP, c::IP_MTU_DISCOVER, do_not_cut).unwrap();
    assert_eq!(net.send(client, near, &[7; 1473]), Err(Errno::MSGSIZE));
    assert_eq!(net.send(client, near, &[7; 1472]), Ok(1472));
    let six = net.udp_of(client, c::AF_INET6);
    net.set(client, six, c::SOL_IPV6, c::IPV6_DONTFRAG, 1).unwrap();
    assert_eq!(net.send_to(client, six, &[7; 1453], "[fd00::1]:9"), Err(Errno::MSGSIZE));
    assert_eq!(net.send_to(client, six, &[7; 1452], "[fd00::1]:9"), Ok(1452));
}

#[test]
fn a_broadcast_reaches_every_host() {
    let (mut net, server, client) = Net::two();
    let far = net.udp_at(server, "0.0.0.0:5000");
    let near = net.udp_at(client, "0.0.0.0:5000");
    let sender = net.udp(client);
    assert_eq!(net.send_to(client, sender, b"x", ALL), Err(Errno::ACCES));
    net.set(client, sender, c::SOL_SOCKET, c::SO_BROADCAST, 1).unwrap();
    assert_eq!(net.send_to(client, sender, b"x", ALL), Ok(1));
    let from = format!("10.0.0.2:{}", net.port(client, sender));
    assert_eq!(net.recv_from(server, far), Ok((b"x".to_vec(), from.clone())));
    assert_eq!(net.recv_from(client, near), Ok((b"x".to_vec(), from)), "it comes back, too");
}

#[test]
fn a_group_reaches_the_hosts_that_joined_it() {
    let (mut net, server, client) = Net::two();
    let far = net.udp_at(server, "0.0.0.0:5000");
    let sender = net.udp(client);
    net.send_to(client, sender, b"early", GROUP).unwrap();
    assert_eq!(net.recv(server, far), Err(Errno::AGAIN));
    assert!(!net.hosts[0].joined("239.1.2.3".parse().unwrap()));
    set_bytes(&mut net, server, far, (c::SOL_IP, c::IP_ADD_MEMBERSHIP), &mreqn("239.1.2.3")).unwrap();
    assert!(net.hosts[0].joined("239.1.2.3".parse().unwrap()));
    net.send_to(client, sender, b"heard", GROUP).unwrap();
    assert_eq!(net.recv(server, far), Ok(b"heard".to_vec()));
    set_bytes(&mut net, server, far, (c::SOL_IP, c::IP_DROP_MEMBERSHIP), &mreqn("239.1.2.3")).unwrap();
    net.send_to(client, sender, b"late", GROUP).unwrap();
    assert_eq!(net.recv(server, far), Err(Errno::AGAIN));
}

#[test]
fn a_group_of_ipv6_reaches_the_hosts_that_joined_it() {
    let (mut net, server, client) = Net::two();
    let far = net.udp_at(server, "[::]:5000");
    let group: std::net::Ipv6Addr = "ff02::1234".parse().unwrap();
    let request = [&group.octets()[..], &0_i32.to_ne_bytes()].concat();
    set_bytes(&mut net, server, far, (c::SOL_IPV6, c::IPV6_ADD_MEMBERSHIP), &request).unwrap();
    let sender = net.udp_of(client, c::AF_INET6);
    assert_eq!(net.send_to(client, sender, b"x", "[ff02::1234]:5000"), Ok(1));
    assert_eq!(net.recv(server, far), Ok(b"x".to_vec()));
    assert_eq!(net.connect(client, sender, "[ff02::1234]:5000"), Err(Errno::INVAL), "connect needs to know the interface");
    net.set(client, sender, c::SOL_IPV6, c::IPV6_MULTICAST_IF, 2).unwrap();
    assert_eq!(net.connect(client, sender, "[ff02::1234]:5000"), Ok(0));
}

#[test]
fn a_corked_copy_of_ipv6_is_lost_when_its_socket_connects_to_an_ipv4_peer() {
    let (mut net, server, client) = Net::two();
    let members = [(server, net.udp_at(server, "[::]:5000")), (client, net.udp_at(client, "[::]:5000"))];
    let group: std::net::Ipv6Addr = "ff02::1234".parse().unwrap();
    let request = [&group.octets()[..], &2_i32.to_ne_bytes()].concat();
    for (proc, fd) in members {
        set_bytes(&mut net, proc, fd, (c::SOL_IPV6, c::IPV6_ADD_MEMBERSHIP), &request).unwrap();
    }
    let sender = net.udp_of(client, c::AF_INET6);
    for is_lost in [false, true] {
        net.set(client, sender, c::SOL_UDP, c::UDP_CORK, 1).unwrap();
        assert_eq!(net.send_to(client, sender, b"x", "[ff02::1234]:5000"), Ok(1));
        if is_lost {
            net.connect(client, sender, "[::ffff:10.0.0.1]:5000").unwrap();
        }
        net.set(client, sender, c::SOL_UDP, c::UDP_CORK, 0).unwrap();
        for (proc, fd) in members {
            assert_eq!(net.recv(proc, fd).is_err(), is_lost, "no group has such an address");
        }
    }
}

#[test]
fn a_member_of_another_host_hears_the_sources_that_it_names() {
    let (mut net, server, client) = Net::two();
    let far = net.udp_at(server, "[::]:5000");
    let storage = |ip: &str| {
        let ip: std::net::Ipv6Addr = ip.parse().unwrap();
        let mut bytes = [&10_u16.to_ne_bytes()[..], &[0; 6], &ip.octets()].concat();
        bytes.resize(128, 0);
        bytes
    };
    let request = |source: &str| [&2_u64.to_ne_bytes()[..], &storage("ff02::1234"), &storage(source)].concat();
    let sender = net.udp_of(client, c::AF_INET6);
    for (name, source, is_heard) in [
        (c::MCAST_JOIN_SOURCE_GROUP, "fd00::9", false),
        (c::MCAST_JOIN_SOURCE_GROUP, "fd00::2", true),
        (c::MCAST_LEAVE_SOURCE_GROUP, "fd00::2", false),
    ] {
        set_bytes(&mut net, server, far, (c::SOL_IPV6, name), &request(source)).unwrap();
        net.send_to(client, sender, b"x", "[ff02::1234]:5000").unwrap();
        assert_eq!(net.recv(server, far).is_ok(), is_heard, "after {name} of {source}");
    }
}

#[test]
fn everybody_hears_the_groups_of_all_hosts() {
    let (mut net, server, client) = Net::two();
    let four = net.udp_at(server, "0.0.0.0:5000");
    let six = net.udp_at(server, "[fd00::1]:5001");
    let any_six = net.udp_at(server, "[::]:5002");
    let sender = net.udp(client);
    net.send_to(client, sender, b"four", "224.0.0.1:5000").unwrap();
    assert_eq!(net.recv(server, four), Ok(b"four".to_vec()));
    let sender = net.udp_of(client, c::AF_INET6);
    net.send_to(client, sender, b"no", "[ff02::1]:5001").unwrap();
    net.send_to(client, sender, b"six", "[ff02::1]:5002").unwrap();
    assert_eq!(net.recv(server, six), Err(Errno::AGAIN), "it is bound to another address");
    assert_eq!(net.recv(server, any_six), Ok(b"six".to_vec()));
}

#[test]
fn what_is_sent_to_a_group_comes_back_unless_that_is_switched_off() {
    let (mut net, _, client) = Net::two();
    let member = net.udp_at(client, "0.0.0.0:5000");
    set_bytes(&mut net, client, member, (c::SOL_IP, c::IP_ADD_MEMBERSHIP), &mreqn("239.1.2.3")).unwrap();
    let sender = net.udp(client);
    net.send_to(client, sender, b"x", GROUP).unwrap();
    assert_eq!(net.recv(client, member), Ok(b"x".to_vec()));
    net.set(client, sender, c::SOL_IP, c::IP_MULTICAST_LOOP, 0).unwrap();
    net.send_to(client, sender, b"y", GROUP).unwrap();
    assert_eq!(net.recv(client, member), Err(Errno::AGAIN));
}

#[test]
fn a_ttl_of_0_keeps_a_group_on_the_host() {
    let (mut net, server, client) = Net::two();
    let (far, near) = (net.udp_at(server, "0.0.0.0:5000"), net.udp_at(client, "0.0.0.0:5000"));
    for (proc, fd) in [(server, far), (client, near)] {
        set_bytes(&mut net, proc, fd, (c::SOL_IP, c::IP_ADD_MEMBERSHIP), &mreqn("239.1.2.3")).unwrap();
    }
    let sender = net.udp(client);
    net.set(client, sender, c::SOL_IP, c::IP_MULTICAST_TTL, 0).unwrap();
    net.send_to(client, sender, b"x", GROUP).unwrap();
    assert_eq!(net.recv(client, near), Ok(b"x".to_vec()));
    assert_eq!(net.recv(server, far), Err(Errno::AGAIN));
}

#[test]
fn a_broadcast_without_receiver_is_not_answered() {
    let (mut net, _, client) = Net::two();
    let sender = net.udp(client);
    net.set(client, sender, c::SOL_SOCKET, c::SO_BROADCAST, 1).unwrap();
    net.connect(client, sender, ALL).unwrap();
    net.send(client, sender, b"x").unwrap();
    net.send_to(client, sender, b"x", GROUP).unwrap();
    assert_eq!(net.error(client, sender), None);
    assert_eq!(net.passed, 2);
}

#[test]
fn an_icmp_error_from_a_router_reaches_the_connected_sender_alone() {
    for (error, expected) in [
        (IcmpError::HostUnreachable, None),
        (IcmpError::NetUnreachable, None),
        (IcmpError::AdministrativelyProhibited, Some(Errno::HOSTUNREACH)),
        (IcmpError::PortUnreachable, Some(Errno::CONNREFUSED)),
    ] {
        let (mut net, _, client) = Net::two();
        net.loses = |packet| match packet.body {
            Body::Udp(_) => true,
            Body::Tcp(_) | Body::Icmp(_) => false,
        };
        let fd = net.udp_at(client, "10.0.0.2:4000");
        net.connect(client, fd, "10.0.0.1:53").unwrap();
        net.send(client, fd, b"x").unwrap();
        let datagram = crate::packet::Datagram {
            src_port: 4000,
            dst_port: 53,
            payload: b"x".as_slice().into(),
            ..crate::packet::Datagram::EMPTY
        };
        let [src, dst, router] = ["10.0.0.2", "10.0.0.1", "10.0.0.9"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let about = Box::new(Packet { src, dst, ttl: 64, tos: 0, body: Body::Udp(datagram) });
        let icmp = Packet { src: router, dst: src, ttl: 64, tos: 0, body: Body::Icmp(crate::packet::Icmp { error, about }) };
        net.enter(1, |host, cx| host.handle_packet(cx, icmp));
        assert_eq!(net.error(client, fd), expected, "{error:?}");
    }
}
