//! UDP between two hosts and within one.

use super::*;
use crate::host::call::RecvRef;
use std::io::{IoSlice, IoSliceMut};
use twinsock::raw::SendHdr;

fn udp(net: &mut Net, proc: Proc, domain: i32) -> RawFd {
    fd(net.call(proc, Call::Socket { domain, kind: c::SOCK_DGRAM, protocol: 0 }))
}

fn bound(net: &mut Net, proc: Proc, addr: &str) -> RawFd {
    let domain = if addr.starts_with('[') { c::AF_INET6 } else { c::AF_INET };
    let fd = udp(net, proc, domain);
    net.bind(proc, fd, addr).unwrap();
    fd
}

fn sendto(net: &mut Net, proc: Proc, fd: RawFd, data: &[u8], addr: &str) -> Result<usize> {
    net.call(proc, Call::Sendto { fd, data, flags: 0, addr: Some(sockaddr(addr).as_bytes()) })
}

/// What a nonblocking recvfrom answers: the data and the sender.
fn recvfrom(net: &mut Net, proc: Proc, fd: RawFd) -> Result<(Vec<u8>, String)> {
    let (mut into, mut bytes, mut len) = ([0; 100], [0; 128], 128);
    let name = Some(Name { bytes: &mut bytes, len: &mut len });
    let count = net.call(proc, Call::Recvfrom { fd, into: &mut into, flags: c::MSG_DONTWAIT, name })?;
    let from = SocketAddr::decode(&bytes[..usize::try_from(len).unwrap()]).unwrap().to_string();
    Ok((into[..count].to_vec(), from))
}

const PEER: &str = "10.0.0.1:53";

#[test]
fn datagrams_keep_their_boundaries_and_tell_their_sender() {
    let (mut net, server, client) = Net::two();
    let far = bound(&mut net, server, PEER);
    let near = udp(&mut net, client, c::AF_INET);
    assert_eq!(net.send(client, near, b"x"), Err(Errno::DESTADDRREQ));
    assert_ne!(net.port(client, near), 0, "even a send that fails takes a port");
    assert_eq!(sendto(&mut net, client, near, b"one", PEER), Ok(3));
    assert_eq!(sendto(&mut net, client, near, b"", PEER), Ok(0));
    let name = format!("10.0.0.2:{}", net.port(client, near));
    assert_eq!(recvfrom(&mut net, server, far), Ok((b"one".to_vec(), name.clone())));
    assert_eq!(recvfrom(&mut net, server, far), Ok((vec![], name.clone())));
    assert_eq!(recvfrom(&mut net, server, far), Err(Errno::AGAIN));
    assert_eq!(sendto(&mut net, server, far, b"two", &name), Ok(3));
    assert_eq!(net.recv_with(client, near, 2, 0), Ok(b"tw".to_vec()), "the rest is lost");
    assert_eq!(net.recv(client, near), Err(Errno::AGAIN));
    assert!(net.sockname(client, near).starts_with("0.0.0.0:"));
}

#[test]
fn a_blocked_receive_is_woken_one_at_a_time() {
    let (mut net, server, client) = Net::two();
    let far = bound(&mut net, server, PEER);
    let (mut a, mut b) = ([0; 8], [0; 8]);
    let one = net.park(server, 1, Call::Recvfrom { fd: far, into: &mut a, flags: 0, name: None });
    let two = net.park(server, 2, Call::Recvfrom { fd: far, into: &mut b, flags: 0, name: None });
    let near = udp(&mut net, client, c::AF_INET);
    sendto(&mut net, client, near, b"x", PEER).unwrap();
    assert_eq!(net.wakes(server), [1]);
    assert_eq!(net.resume(server, one, Call::Recvfrom { fd: far, into: &mut a, flags: 0, name: None }), Ok(1));
    net.shutdown(server, far, c::SHUT_RD).unwrap_err();
    assert_eq!(net.wakes(server), [2]);
    assert_eq!(net.resume(server, two, Call::Recvfrom { fd: far, into: &mut b, flags: 0, name: None }), Ok(0));
    assert_eq!(net.recv(server, far), Err(Errno::AGAIN), "a nonblocking receive never says end");
}

#[test]
fn connecting_filters_and_may_be_repeated() {
    let (mut net, server, client) = Net::two();
    let far = bound(&mut net, server, PEER);
    let other = bound(&mut net, server, "10.0.0.1:54");
    let near = udp(&mut net, client, c::AF_INET);
    assert_eq!(net.call(client, Call::Connect { fd: near, addr: sockaddr(PEER).as_bytes() }), Ok(0));
    assert_eq!(net.peername(client, near), Ok(PEER.to_owned()));
    let name = net.sockname(client, near);
    assert!(name.starts_with("10.0.0.2:"), "{name}");
    assert_eq!(sendto(&mut net, server, other, b"stranger", &name), Ok(8));
    assert_eq!(sendto(&mut net, server, far, b"friend", &name), Ok(6));
    assert_eq!(net.recv(client, near), Ok(b"friend".to_vec()));
    assert_eq!(net.recv(client, near), Err(Errno::AGAIN));
    assert_eq!(net.send(client, near, b"hello"), Ok(5));
    assert_eq!(net.recv(server, far), Ok(b"hello".to_vec()));
    assert_eq!(net.call(client, Call::Connect { fd: near, addr: sockaddr("10.0.0.1:54").as_bytes() }), Ok(0));
    assert_eq!(net.call(client, Call::Connect { fd: near, addr: &[0, 0] }), Ok(0));
    assert_eq!(net.sockname(client, near), "0.0.0.0:0", "what bind did not give goes");
    assert_eq!(net.peername(client, near), Err(Errno::NOTCONN));
    net.bind(client, near, "0.0.0.0:777").unwrap();
    net.call(client, Call::Connect { fd: near, addr: sockaddr(PEER).as_bytes() }).unwrap();
    net.call(client, Call::Connect { fd: near, addr: &[0, 0] }).unwrap();
    assert_eq!(net.sockname(client, near), "0.0.0.0:777");
}

#[test]
fn a_refusal_reaches_a_connected_sender_once() {
    let (mut net, _, client) = Net::two();
    let near = udp(&mut net, client, c::AF_INET);
    assert_eq!(sendto(&mut net, client, near, b"x", PEER), Ok(1));
    assert_eq!(net.poll(client, near).without(PollEvents::WRBAND), OUT, "an unconnected one never hears of it");
    net.call(client, Call::Connect { fd: near, addr: sockaddr(PEER).as_bytes() }).unwrap();
    assert_eq!(net.send(client, near, b"x"), Ok(1));
    assert_eq!(net.poll(client, near).without(PollEvents::WRBAND), mask(&[OUT, ERR]));
    assert_eq!(net.send(client, near, b"x"), Err(Errno::CONNREFUSED));
    assert_eq!(net.send(client, near, b"x"), Ok(1));
    assert_eq!(net.error(client, near), Some(Errno::CONNREFUSED));
}

#[test]
fn the_error_queue_tells_all() {
    let (mut net, _, client) = Net::two();
    let near = udp(&mut net, client, c::AF_INET);
    net.set(client, near, c::SOL_IP, c::IP_RECVERR, 1).unwrap();
    assert_eq!(sendto(&mut net, client, near, b"lost", PEER), Ok(4));
    let (mut data, mut control, mut name) = ([0; 8], [0; 64], [0; 16]);
    let (mut name_len, mut control_len, mut flags) = (0, 0, 0);
    let hdr = RecvRef {
        name: &mut name,
        name_len: &mut name_len,
        iov: &mut [IoSliceMut::new(&mut data)],
        control: &mut control,
        control_len: &mut control_len,
        flags: &mut flags,
    };
    assert_eq!(net.call(client, Call::Recvmsg { fd: near, hdr, flags: c::MSG_ERRQUEUE }), Ok(4));
    assert_eq!((&data[..4], flags, name_len), (&b"lost"[..], c::MSG_ERRQUEUE, 16));
    assert_eq!(SocketAddr::decode(&name).unwrap().to_string(), PEER);
    assert_eq!((control_len, control[16], control[20..23].to_vec()), (48, 111, vec![2, 3, 3]));
    assert_eq!(net.error(client, near), None, "reading the queue clears the error");
}

#[test]
fn the_best_match_receives() {
    let (mut net, server, client) = Net::two();
    let near = udp(&mut net, client, c::AF_INET);
    let mut sockets = Vec::new();
    for addr in ["[::]:53", "0.0.0.0:53", "10.0.0.1:53", "10.0.0.1:53"] {
        let domain = if addr.starts_with('[') { c::AF_INET6 } else { c::AF_INET };
        let fd = udp(&mut net, server, domain);
        net.set(server, fd, c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        net.bind(server, fd, addr).unwrap();
        sockets.push(fd);
    }
    while let Some(best) = sockets.pop() {
        sendto(&mut net, client, near, b"x", PEER).unwrap();
        assert_eq!(net.recv(server, best), Ok(b"x".to_vec()), "{} are left", sockets.len());
        net.close(server, best).unwrap();
    }
}

#[test]
fn a_reuseport_group_serves_each_sender_by_one_member() {
    let (mut net, server, client) = Net::two();
    let group: Vec<RawFd> = (0..3)
        .map(|_| {
            let fd = udp(&mut net, server, c::AF_INET);
            net.set(server, fd, c::SOL_SOCKET, c::SO_REUSEPORT, 1).unwrap();
            net.bind(server, fd, PEER).unwrap();
            fd
        })
        .collect();
    let mut used = [0; 3];
    for _ in 0..30 {
        let near = udp(&mut net, client, c::AF_INET);
        for _ in 0..2 {
            sendto(&mut net, client, near, b"x", PEER).unwrap();
        }
        for (member, used) in group.iter().zip(&mut used) {
            let mut count = 0;
            while net.recv(server, *member).is_ok() {
                count += 1;
            }
            assert!(count == 0 || count == 2, "one sender, one member");
            *used += count;
        }
    }
    assert!(used.iter().all(|used| *used > 0), "{used:?}");
}

#[test]
fn ports_conflict_within_a_protocol_only() {
    let (mut net, server, _) = Net::two();
    net.listener(server, PEER);
    let first = bound(&mut net, server, PEER);
    let second = udp(&mut net, server, c::AF_INET);
    assert_eq!(net.bind(server, second, PEER), Err(Errno::ADDRINUSE));
    net.close(server, first).unwrap();
    assert_eq!(net.bind(server, second, PEER), Ok(0), "a close frees the port at once");
    assert_eq!(net.listen(server, second, 1), Err(Errno::OPNOTSUPP));
    assert_eq!(net.accept(server, second), Err(Errno::OPNOTSUPP));
}

#[test]
fn an_exhausted_range_is_eagain() {
    let (mut net, _, client) = Net::two();
    net.hosts[1].sysctl_mut().set("net.ipv4.ip_local_port_range", "40000 40001").unwrap();
    for _ in 0..2 {
        bound(&mut net, client, "0.0.0.0:0");
    }
    let fd = udp(&mut net, client, c::AF_INET);
    assert_eq!(net.bind(client, fd, "0.0.0.0:0"), Err(Errno::ADDRINUSE));
    assert_eq!(sendto(&mut net, client, fd, b"x", PEER), Err(Errno::AGAIN));
    assert_eq!(net.call(client, Call::Connect { fd, addr: sockaddr(PEER).as_bytes() }), Err(Errno::AGAIN));
}

#[test]
fn destinations_that_cannot_be_reached() {
    let (mut net, _, client) = Net::two();
    let fd = udp(&mut net, client, c::AF_INET);
    assert_eq!(sendto(&mut net, client, fd, b"x", "10.0.0.1:0"), Err(Errno::INVAL));
    assert_eq!(sendto(&mut net, client, fd, b"x", "[::1]:5"), Err(Errno::AFNOSUPPORT));
    assert_eq!(sendto(&mut net, client, fd, b"x", "127.255.255.255:5"), Err(Errno::ACCES), "no SO_BROADCAST");
    let large = vec![0; 65_508];
    assert_eq!(sendto(&mut net, client, fd, &large, PEER), Err(Errno::MSGSIZE));
    let addr = sockaddr(PEER);
    let oob = Call::Sendto { fd, data: b"x", flags: c::MSG_OOB, addr: Some(addr.as_bytes()) };
    assert_eq!(net.call(client, oob), Err(Errno::OPNOTSUPP));
    let six = udp(&mut net, client, c::AF_INET6);
    net.set(client, six, c::SOL_IPV6, c::IPV6_V6ONLY, 1).unwrap();
    assert_eq!(sendto(&mut net, client, six, b"x", "[::ffff:10.0.0.1]:5"), Err(Errno::NETUNREACH));
    net.hosts.push(Host::new(HostConfig::default()));
    let lonely = net.spawn(2);
    let fd = udp(&mut net, lonely, c::AF_INET);
    assert_eq!(sendto(&mut net, lonely, fd, b"x", PEER), Err(Errno::NETUNREACH));
    assert_ne!(net.port(lonely, fd), 0);
}

#[test]
fn a_broadcast_reaches_every_wildcard() {
    let (mut net, server, _) = Net::two();
    let mut listeners = Vec::new();
    for addr in ["0.0.0.0:67", "0.0.0.0:67", "127.0.0.1:67"] {
        let fd = udp(&mut net, server, c::AF_INET);
        net.set(server, fd, c::SOL_SOCKET, c::SO_REUSEADDR, 1).unwrap();
        net.bind(server, fd, addr).unwrap();
        listeners.push(fd);
    }
    let sender = udp(&mut net, server, c::AF_INET);
    net.set(server, sender, c::SOL_SOCKET, c::SO_BROADCAST, 1).unwrap();
    assert_eq!(sendto(&mut net, server, sender, b"all", "127.255.255.255:67"), Ok(3));
    let received: Vec<bool> = listeners.iter().map(|fd| net.recv(server, *fd).is_ok()).collect();
    assert_eq!(received, [true, true, false], "not one that is bound to an address");
}

#[test]
fn ipv6_sockets_speak_ipv4_too() {
    let (mut net, server, client) = Net::two();
    let far = bound(&mut net, server, "[::]:53");
    let near = udp(&mut net, client, c::AF_INET);
    sendto(&mut net, client, near, b"four", PEER).unwrap();
    let (data, from) = recvfrom(&mut net, server, far).unwrap();
    assert_eq!(data, b"four");
    assert!(from.starts_with("[::ffff:10.0.0.2]:"), "{from}");
    assert_eq!(sendto(&mut net, server, far, b"back", &from), Ok(4));
    assert_eq!(recvfrom(&mut net, client, near), Ok((b"back".to_vec(), PEER.to_owned())));
    let six = udp(&mut net, client, c::AF_INET6);
    sendto(&mut net, client, six, b"six", "[fd00::1]:53").unwrap();
    assert!(recvfrom(&mut net, server, far).unwrap().1.starts_with("[fd00::2]:"));
}

#[test]
fn control_messages_tell_and_set() {
    let (mut net, server, client) = Net::two();
    let far = bound(&mut net, server, PEER);
    net.set(server, far, c::SOL_IP, c::IP_PKTINFO, 1).unwrap();
    net.set(server, far, c::SOL_IP, c::IP_RECVTTL, 1).unwrap();
    net.set(server, far, c::SOL_IP, c::IP_RECVTOS, 1).unwrap();
    let near = udp(&mut net, client, c::AF_INET);
    let mut set = [0; 24];
    set[..8].copy_from_slice(&20_u64.to_ne_bytes());
    set[12..16].copy_from_slice(&c::IP_TTL.to_ne_bytes());
    set[16..20].copy_from_slice(&9_i32.to_ne_bytes());
    let addr = sockaddr(PEER);
    let parts = [IoSlice::new(b"ab"), IoSlice::new(b"c")];
    let hdr = SendHdr { name: Some(addr.as_bytes()), iov: &parts, control: &set };
    assert_eq!(net.call(client, Call::Sendmsg { fd: near, hdr: &hdr, flags: 0 }), Ok(3));
    let (mut data, mut control, mut name) = ([0; 2], [0; 128], [0; 16]);
    let (mut name_len, mut control_len, mut flags) = (0, 0, 0);
    let hdr = RecvRef {
        name: &mut name,
        name_len: &mut name_len,
        iov: &mut [IoSliceMut::new(&mut data)],
        control: &mut control,
        control_len: &mut control_len,
        flags: &mut flags,
    };
    assert_eq!(net.call(server, Call::Recvmsg { fd: far, hdr, flags: 0 }), Ok(2));
    assert_eq!((flags, control_len), (c::MSG_TRUNC, 32 + 24 + 24));
    assert_eq!(control[16 + 8..16 + 12], [10, 0, 0, 1], "the destination");
    assert_eq!(control[32 + 16], 9, "the time to live");
}

#[test]
fn corked_data_is_one_datagram() {
    let (mut net, server, client) = Net::two();
    let far = bound(&mut net, server, PEER);
    let near = udp(&mut net, client, c::AF_INET);
    let addr = sockaddr(PEER);
    let more = Call::Sendto { fd: near, data: b"ab", flags: c::MSG_MORE, addr: Some(addr.as_bytes()) };
    assert_eq!(net.call(client, more), Ok(2));
    assert_eq!(net.recv(server, far), Err(Errno::AGAIN));
    assert_eq!(net.send(client, near, b"cd"), Ok(2));
    assert_eq!(net.recv(server, far), Ok(b"abcd".to_vec()));
    net.set(client, near, c::SOL_UDP, c::UDP_CORK, 1).unwrap();
    sendto(&mut net, client, near, b"ef", PEER).unwrap();
    assert_eq!(net.recv(server, far), Err(Errno::AGAIN));
    net.set(client, near, c::SOL_UDP, c::UDP_CORK, 0).unwrap();
    assert_eq!(net.recv(server, far), Ok(b"ef".to_vec()));
}

#[test]
fn options_of_a_udp_socket() {
    let (mut net, server, _) = Net::two();
    let fd = udp(&mut net, server, c::AF_INET);
    let invalid = Err(Errno::INVAL);
    for (level, name, expected) in [
        (c::SOL_SOCKET, c::SO_TYPE, Ok(c::SOCK_DGRAM)),
        (c::SOL_SOCKET, c::SO_PROTOCOL, Ok(17)),
        (c::SOL_SOCKET, c::SO_SNDBUF, Ok(212_992)),
        (c::SOL_SOCKET, c::SO_RCVBUF, Ok(212_992)),
        (c::SOL_SOCKET, c::SO_ACCEPTCONN, Ok(0)),
        (c::SOL_TCP, c::TCP_NODELAY, Err(Errno::OPNOTSUPP)),
        (c::SOL_UDP, c::UDP_CORK, Ok(0)),
        (c::SOL_UDP, 9999, Err(Errno::NOPROTOOPT)),
        (c::SOL_IP, c::IP_MULTICAST_TTL, Ok(1)),
    ] {
        assert_eq!(net.get(server, fd, level, name), expected, "{level} {name}");
    }
    for (level, name, value, expected) in [
        (c::SOL_SOCKET, c::SO_RCVBUF, 1, Ok(2304)),
        (c::SOL_SOCKET, c::SO_SNDBUF, 5000, Ok(10_000)),
        (c::SOL_IP, c::IP_TOS, 5, Ok(5)),
        (c::SOL_IP, c::IP_MULTICAST_TTL, -1, Ok(1)),
        (c::SOL_IP, c::IP_MULTICAST_TTL, 256, invalid),
        (c::SOL_UDP, c::UDP_SEGMENT, 65_536, invalid),
        (c::SOL_TCP, c::TCP_NODELAY, 1, Err(Errno::NOPROTOOPT)),
    ] {
        let result = net.set(server, fd, level, name, value).and_then(|_| net.get(server, fd, level, name));
        assert_eq!(result, expected, "{level} {name} = {value}");
    }
    let group =
        |net: &mut Net, name, group: [u8; 8]| net.call(server, Call::Setsockopt { fd, level: c::SOL_IP, name, value: &group });
    assert_eq!(group(&mut net, c::IP_ADD_MEMBERSHIP, [10, 0, 0, 1, 0, 0, 0, 0]), Err(Errno::INVAL));
    assert_eq!(group(&mut net, c::IP_ADD_MEMBERSHIP, [224, 0, 0, 9, 0, 0, 0, 0]), Ok(0));
    assert_eq!(group(&mut net, c::IP_ADD_MEMBERSHIP, [224, 0, 0, 9, 0, 0, 0, 0]), Err(Errno::ADDRINUSE));
    assert_eq!(group(&mut net, c::IP_DROP_MEMBERSHIP, [224, 0, 0, 8, 0, 0, 0, 0]), Err(Errno::ADDRNOTAVAIL));
}

#[test]
fn a_full_buffer_drops_the_newest() {
    let (mut net, server, client) = Net::two();
    let far = bound(&mut net, server, PEER);
    net.set(server, far, c::SOL_SOCKET, c::SO_RCVBUF, 0).unwrap();
    let near = udp(&mut net, client, c::AF_INET);
    for number in 0..4_u8 {
        assert_eq!(sendto(&mut net, client, near, &[number], PEER), Ok(1), "the sender never hears of it");
    }
    assert_eq!(net.recv(server, far), Ok(vec![0]));
    assert_eq!(net.recv(server, far), Ok(vec![1]));
    assert_eq!(net.recv(server, far), Err(Errno::AGAIN));
}

#[test]
fn shutdown_of_an_unconnected_socket_fails_and_works() {
    let (mut net, server, _) = Net::two();
    let fd = bound(&mut net, server, PEER);
    assert_eq!(net.poll(server, fd).without(PollEvents::WRBAND), OUT);
    assert_eq!(net.shutdown(server, fd, c::SHUT_RDWR), Err(Errno::NOTCONN));
    assert_eq!(sendto(&mut net, server, fd, b"x", PEER), Err(Errno::PIPE));
    assert_eq!(net.hosts[0].take_sigpipes(server.pid), 0);
    let mut into = [0; 4];
    assert_eq!(net.call(server, Call::Recvfrom { fd, into: &mut into, flags: 0, name: None }), Ok(0));
    assert_eq!(net.poll(server, fd).without(PollEvents::WRBAND), mask(&[IN, OUT, HUP, RDHUP]));
}
