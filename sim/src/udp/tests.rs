//! UDP sockets on one host's loopback, talked to as a host does.

use super::*;
use crate::packet::{Body, Icmp, IcmpError};
use std::io::IoSlice;
use twinsock::Errno;

const HOST: &str = "127.0.0.1";
const NONBLOCKING: RecvFlags = RecvFlags { peek: false, trunc: false, nonblocking: true };
const PEEK: RecvFlags = RecvFlags { peek: true, ..NONBLOCKING };
pub(super) const MORE: SendFlags = SendFlags { more: true, ..PLAIN };
const PLAIN: SendFlags = SendFlags { oob: false, more: false, thread: 1 };

pub(super) fn at(port: u16) -> SocketAddr {
    SocketAddr::new(HOST.parse().unwrap(), port)
}

pub(super) fn at6(port: u16) -> SocketAddr {
    SocketAddr::new("::1".parse().unwrap(), port)
}

pub(super) fn socket() -> Udp {
    Udp::new(Family::V4, BUFFER_DEFAULT_BYTES)
}

pub(super) fn route(src: SocketAddr) -> Route {
    Route {
        src,
        ttl: 64,
        tos: 0,
        mtu_bytes: 65_536,
        fragment: true,
        broadcast: false,
        dont_fragment: true,
        no_check: false,
        in_pages: false,
    }
}

/// A `sendto(2)` from port 1.
fn sendto(udp: &mut Udp, data: &[u8], flags: SendFlags, dst: Option<SocketAddr>) -> Result<Option<Packet>> {
    let src = if udp.family() == Family::V6 { at6(1) } else { at(1) };
    let iov = [IoSlice::new(data)];
    match udp.begin_send(data.len(), flags, || Ok(dst))? {
        Next::Append => udp.append(&iov, flags),
        Next::To(dst) => udp.send(route(src), dst, &iov, flags),
    }
}

fn payload(packet: &Packet) -> &[u8] {
    match &packet.body {
        Body::Udp(datagram) => datagram.payload.as_slice(),
        Body::Tcp(_) | Body::Icmp(_) => panic!("UDP sends UDP"),
    }
}

fn deliver(udp: &mut Udp, packet: &Packet) -> Delivery {
    match &packet.body {
        Body::Udp(datagram) => udp.deliver(Instant::ZERO, packet.into(), datagram),
        Body::Tcp(_) | Body::Icmp(_) => panic!("UDP sends UDP"),
    }
}

/// Delivers a datagram of this many bytes, from port 1 to port 2.
fn arrive(udp: &mut Udp, len: usize) -> Delivery {
    let (src, dst) = if udp.family() == Family::V6 { (at6(1), at6(2)) } else { (at(1), at(2)) };
    let header = IpHeader { src: src.ip(), dst: dst.ip(), ttl: 64, tos: 0 };
    udp.deliver(Instant::ZERO, header, &Datagram { src_port: 1, dst_port: 2, payload: vec![b'x'; len].into(), ..Datagram::EMPTY })
}

fn recv(udp: &mut Udp, room: usize, flags: RecvFlags) -> Result<Vec<u8>> {
    let mut bytes = vec![0; room];
    let received = udp.recv(&mut [IoSliceMut::new(&mut bytes)], flags)?;
    bytes.truncate(received.len);
    Ok(bytes)
}

/// The answer to this packet from a host without a socket for it, or from a router.
fn icmp(udp: &mut Udp, packet: &Packet, error: IcmpError) {
    let header = IpHeader { src: packet.dst, dst: packet.src, ttl: 64, tos: 0 };
    udp.handle_icmp(header, &Icmp { error, about: Box::new(packet.clone()) });
}

fn fill(udp: &mut Udp, len: usize) -> usize {
    (0..).take_while(|_| arrive(udp, len) == Delivery::Accepted).count()
}

#[test]
fn a_datagram_arrives_as_it_was_sent() {
    let (mut a, mut b) = (socket(), socket());
    let iov = [IoSlice::new(b"hel"), IoSlice::new(b""), IoSlice::new(b"lo")];
    let packet = a.send(Route { ttl: 9, tos: 4, ..route(at(1)) }, at(2), &iov, PLAIN).unwrap().unwrap();
    assert_eq!((packet.src, packet.dst, packet.ttl, packet.tos), (at(1).ip(), at(2).ip(), 9, 4));
    assert_eq!(deliver(&mut b, &packet), Delivery::Accepted);
    assert!(b.take_wakes().readable);
    let (mut x, mut y) = ([0; 2], [0; 9]);
    let received = b.recv(&mut [IoSliceMut::new(&mut x), IoSliceMut::new(&mut y)], NONBLOCKING).unwrap();
    assert_eq!((received.len, received.truncated), (5, false));
    assert_eq!([&x[..], &y[..3]].concat(), b"hello");
    let source = received.from.unwrap();
    assert_eq!((source.addr(), source.dst_port, source.header.ttl, source.header.tos), (at(1), 2, 9, 4));
}

#[test]
fn a_datagram_that_does_not_fit_is_cut_and_says_so() {
    let mut udp = socket();
    for _ in 0..3 {
        arrive(&mut udp, 5);
    }
    let mut room = [0; 3];
    let received = udp.recv(&mut [IoSliceMut::new(&mut room)], NONBLOCKING).unwrap();
    assert_eq!((received.len, received.truncated), (3, true));
    let trunc = RecvFlags { trunc: true, ..NONBLOCKING };
    let received = udp.recv(&mut [IoSliceMut::new(&mut room)], trunc).unwrap();
    assert_eq!((received.len, received.truncated), (5, true));
    assert_eq!(recv(&mut udp, 0, NONBLOCKING), Ok(vec![]), "a receive of nothing takes a datagram");
    assert_eq!(recv(&mut udp, 9, NONBLOCKING), Err(Errno::AGAIN));
}

#[test]
fn an_empty_datagram_is_a_datagram() {
    let mut udp = socket();
    arrive(&mut udp, 0);
    assert!(udp.poll_mask().contains(PollEvents::IN | PollEvents::RDNORM));
    assert_eq!(udp.readable_bytes(), 0);
    assert_eq!(recv(&mut udp, 9, NONBLOCKING), Ok(vec![]));
    assert!(!udp.poll_mask().contains(PollEvents::IN));
}

#[test]
fn peeking_leaves_the_datagram() {
    let mut udp = socket();
    arrive(&mut udp, 4);
    arrive(&mut udp, 7);
    assert_eq!(udp.readable_bytes(), 4);
    for _ in 0..3 {
        assert_eq!(recv(&mut udp, 9, PEEK).unwrap().len(), 4);
    }
    assert_eq!(recv(&mut udp, 9, NONBLOCKING).unwrap().len(), 4);
    assert_eq!(udp.readable_bytes(), 7);
}

#[test]
fn peek_off_walks_over_the_queue() {
    let mut udp = socket();
    udp.set_peek_off(0);
    for len in [4, 0, 3] {
        arrive(&mut udp, len);
    }
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push((recv(&mut udp, 2, PEEK).map(|bytes| bytes.len()), udp.peek_off()));
    }
    assert_eq!(seen, [(Ok(2), 2), (Ok(2), 4), (Ok(0), 4), (Ok(2), 6), (Ok(1), 7), (Err(Errno::AGAIN), 7)]);
    assert_eq!((recv(&mut udp, 2, NONBLOCKING).unwrap().len(), udp.peek_off()), (2, 5));
}

#[test]
fn charges_are_those_of_the_kernel() {
    let v4 = [(0, 832), (197, 832), (198, 1280), (645, 1280), (646, 2304), (1669, 2304), (1670, 4352), (3717, 4352)];
    let large = [(3718, 8448), (7813, 8448), (7814, 16_640), (16_004, 16_640), (16_005, 16_837), (65_507, 66_339)];
    for (len, charge) in v4.into_iter().chain(large) {
        let mut udp = socket();
        arrive(&mut udp, len);
        assert_eq!(udp.rmem_alloc(), charge, "{len} bytes over IPv4");
    }
    for (len, charge) in [(184, 832), (185, 1280), (15_991, 16_640), (15_992, 16_824), (65_488, 66_320), (65_527, 67_144)] {
        let mut udp = Udp::new(Family::V6, BUFFER_DEFAULT_BYTES);
        arrive(&mut udp, len);
        assert_eq!(udp.rmem_alloc(), charge, "{len} bytes over IPv6");
    }
}

#[test]
fn a_full_buffer_drops_silently() {
    for (len, count) in [(1, 256), (500, 166), (1000, 92), (1472, 92), (4000, 25), (65_507, 3)] {
        let mut udp = socket();
        assert_eq!(fill(&mut udp, len), count, "datagrams of {len} bytes");
        assert_eq!(udp.drops(), 1);
    }
    let mut small = Udp::new(Family::V4, 2304);
    assert_eq!(fill(&mut small, 1), 2);
    let mut small = Udp::new(Family::V4, 2304);
    assert_eq!(fill(&mut small, 65_507), 1, "one of any size goes into an empty buffer");
    small.take_wakes();
    arrive(&mut small, 1);
    assert_eq!(small.take_wakes(), Wakes::default(), "a drop wakes nobody");
}

#[test]
fn memory_is_given_back_a_quarter_at_a_time() {
    for (rcvbuf, reads_until_room) in [(BUFFER_DEFAULT_BYTES, 64), (16_384, 5)] {
        let mut udp = Udp::new(Family::V4, rcvbuf);
        fill(&mut udp, 1);
        let mut reads = 0;
        while arrive(&mut udp, 1) == Delivery::Dropped {
            recv(&mut udp, 1, NONBLOCKING).unwrap();
            reads += 1;
        }
        assert_eq!(reads, reads_until_room);
    }
}

#[test]
fn memory_is_given_back_when_the_readers_own_queue_is_empty() {
    let mut udp = Udp::new(Family::V4, 16_384);
    for _ in 0..3 {
        arrive(&mut udp, 1);
    }
    recv(&mut udp, 1, NONBLOCKING).unwrap();
    for _ in 0..3 {
        arrive(&mut udp, 1);
    }
    let mut left = Vec::new();
    for _ in 0..5 {
        recv(&mut udp, 1, NONBLOCKING).unwrap();
        left.push(udp.rmem_alloc());
    }
    assert_eq!(left, [4992, 2496, 2496, 2496, 0], "the reader took over three, then three");
}

#[test]
fn a_poll_of_a_blocking_socket_takes_over_what_has_arrived() {
    for (noted, left) in [(true, [4992, 4992, 2496]), (false, [4992, 4992, 4992])] {
        let mut udp = socket();
        for _ in 0..3 {
            arrive(&mut udp, 1);
        }
        if noted {
            udp.note_polled();
        }
        for _ in 0..3 {
            arrive(&mut udp, 1);
        }
        let seen = [(); 3].map(|()| {
            recv(&mut udp, 1, NONBLOCKING).unwrap();
            udp.rmem_alloc()
        });
        assert_eq!(seen, left);
    }
}

#[test]
fn drops_are_told_with_the_next_datagram() {
    let mut udp = Udp::new(Family::V4, 2304);
    udp.options.rxq_ovfl = true;
    fill(&mut udp, 1);
    for _ in 0..2 {
        let received = udp.recv(&mut [], NONBLOCKING).unwrap();
        assert_eq!(received.from.unwrap().dropped_before, 0);
    }
    arrive(&mut udp, 1);
    assert_eq!(udp.recv(&mut [], NONBLOCKING).unwrap().from.unwrap().dropped_before, 1);
}

#[test]
fn a_send_needs_a_destination() {
    let mut udp = socket();
    assert_eq!(sendto(&mut udp, b"x", PLAIN, None), Err(Errno::DESTADDRREQ));
    assert_eq!(sendto(&mut udp, b"x", PLAIN, Some(at(0))), Err(Errno::INVAL));
    assert_eq!(sendto(&mut udp, &[0; 65_536], PLAIN, None), Err(Errno::MSGSIZE));
    assert_eq!(sendto(&mut udp, b"x", SendFlags { oob: true, ..PLAIN }, Some(at(2))), Err(Errno::OPNOTSUPP));
    let refused = udp.begin_send(1, PLAIN, || Err(Errno::AFNOSUPPORT));
    assert_eq!(refused, Err(Errno::AFNOSUPPORT));
    udp.connect(at(0));
    assert!(sendto(&mut udp, b"x", PLAIN, None).unwrap().is_some(), "a peer's port may be 0");
    assert!(sendto(&mut udp, b"x", PLAIN, Some(at(7))).unwrap().is_some(), "a connected socket may send elsewhere");
    udp.disconnect();
    assert_eq!(sendto(&mut udp, b"x", PLAIN, None), Err(Errno::DESTADDRREQ));
}

#[test]
fn the_largest_datagram_is_65507_bytes_over_ipv4_and_65527_over_ipv6() {
    let (mut v4, mut v6) = (socket(), Udp::new(Family::V6, BUFFER_DEFAULT_BYTES));
    assert!(sendto(&mut v4, &[0; 65_507], PLAIN, Some(at(2))).is_ok());
    assert_eq!(sendto(&mut v4, &[0; 65_508], PLAIN, Some(at(2))), Err(Errno::MSGSIZE));
    assert!(sendto(&mut v6, &[0; 65_527], PLAIN, Some(at6(2))).is_ok());
    assert_eq!(sendto(&mut v6, &[0; 65_528], PLAIN, Some(at6(2))), Err(Errno::MSGSIZE));
    assert_eq!(sendto(&mut v6, &[0; 65_508], PLAIN, Some(at(2))), Err(Errno::MSGSIZE), "IPv4 from an IPv6 socket");
    let narrow = Route { mtu_bytes: 1500, fragment: false, ..route(at(1)) };
    assert!(v4.send(narrow, at(2), &[IoSlice::new(&[0; 1472])], PLAIN).is_ok());
    assert_eq!(v4.send(narrow, at(2), &[IoSlice::new(&[0; 1473])], PLAIN), Err(Errno::MSGSIZE));
}

#[test]
fn only_a_fragmented_datagram_minds_the_send_buffer() {
    let (mut v4, mut v6) = (socket(), Udp::new(Family::V6, BUFFER_DEFAULT_BYTES));
    v4.options.sndbuf_bytes = 4608;
    v6.options.sndbuf_bytes = 4608;
    assert!(sendto(&mut v4, &[0; 65_507], PLAIN, Some(at(2))).is_ok());
    assert!(sendto(&mut v6, &[0; 65_488], PLAIN, Some(at6(2))).is_ok());
    v6.take_wakes();
    assert_eq!(sendto(&mut v6, &[0; 65_489], PLAIN, Some(at6(2))), Err(Errno::NOBUFS), "it exceeds the MTU of loopback");
    assert!(v6.take_wakes().writable, "what was made of it is given back");
    sendto(&mut v6, b"x", MORE, Some(at6(2))).unwrap();
    assert_eq!(sendto(&mut v6, &[0; 65_488], PLAIN, None), Err(Errno::NOBUFS), "nor when it is built piece by piece");
    assert!(!v6.is_corked());
    let ethernet = Route { mtu_bytes: 1500, ..route(at(1)) };
    assert!(v4.send(ethernet, at(2), &[IoSlice::new(&[0; 4_000])], PLAIN).is_ok());
    assert_eq!(v4.send(ethernet, at(2), &[IoSlice::new(&[0; 20_000])], PLAIN), Err(Errno::NOBUFS));
    v4.options.sndbuf_bytes = BUFFER_DEFAULT_BYTES;
    assert!(v4.send(ethernet, at(2), &[IoSlice::new(&[0; 65_507])], PLAIN).is_ok());
}

#[test]
fn a_broadcast_needs_permission() {
    let mut udp = socket();
    let route = Route { broadcast: true, ..route(at(1)) };
    let dst = SocketAddr::new("255.255.255.255".parse().unwrap(), 9);
    assert_eq!(udp.send(route, dst, &[], PLAIN), Err(Errno::ACCES));
    udp.options.broadcast = true;
    assert!(udp.send(route, dst, &[], PLAIN).is_ok());
}

#[test]
fn every_send_gives_its_memory_back_at_once() {
    let mut udp = socket();
    sendto(&mut udp, b"x", PLAIN, Some(at(2))).unwrap();
    assert_eq!(udp.take_wakes(), Wakes { writable: true, ..Wakes::default() });
    sendto(&mut udp, b"x", MORE, Some(at(2))).unwrap();
    assert_eq!(udp.take_wakes(), Wakes::default(), "nothing has left");
    assert_eq!(udp.outq_bytes(), 832);
    sendto(&mut udp, b"y", PLAIN, None).unwrap();
    assert!(udp.take_wakes().writable);
}

#[test]
fn msg_more_builds_one_datagram() {
    let mut udp = socket();
    assert_eq!(sendto(&mut udp, b"a", MORE, Some(at(2))), Ok(None));
    assert_eq!(sendto(&mut udp, b"b", MORE, Some(at(0))), Ok(None), "a further address is not looked at");
    let packet = sendto(&mut udp, b"c", PLAIN, None).unwrap().unwrap();
    assert_eq!(payload(&packet), b"abc");
    assert_eq!(sendto(&mut udp, b"d", PLAIN, None), Err(Errno::DESTADDRREQ), "nothing is corked any more");
}

#[test]
fn udp_cork_holds_until_it_is_switched_off() {
    let mut udp = socket();
    assert_eq!(udp.set_cork(true), None);
    for part in [&b"a"[..], b"", b"b"] {
        assert_eq!(sendto(&mut udp, part, PLAIN, Some(at(2))), Ok(None));
    }
    assert_eq!(payload(&udp.set_cork(false).unwrap()), b"ab");
    assert_eq!(udp.set_cork(false), None);
    udp.set_cork(true);
    sendto(&mut udp, b"", PLAIN, Some(at(2))).unwrap();
    assert_eq!(payload(&udp.set_cork(false).unwrap()), b"", "an empty datagram is one");
}

#[test]
fn a_corked_ipv4_datagram_goes_by_the_flow() {
    let mut udp = socket();
    sendto(&mut udp, b"a", MORE, Some(at(2))).unwrap();
    udp.write_flow("127.0.0.9:1".parse().unwrap(), "127.0.0.2:3".parse().unwrap());
    let packet = sendto(&mut udp, b"b", PLAIN, None).unwrap().unwrap();
    let Body::Udp(datagram) = packet.body else { panic!("UDP sends UDP") };
    assert_eq!((packet.src.to_string(), packet.dst.to_string(), datagram.dst_port), ("127.0.0.9".into(), "127.0.0.2".into(), 3));
}

#[test]
fn an_ipv4_flow_stands_where_the_destination_of_a_corked_ipv6_datagram_was() {
    let mut udp = Udp::new(Family::V6, BUFFER_DEFAULT_BYTES);
    sendto(&mut udp, b"a", MORE, Some(at6(2))).unwrap();
    udp.write_flow("127.0.0.1:1".parse().unwrap(), "127.0.0.2:513".parse().unwrap());
    let packet = sendto(&mut udp, b"b", PLAIN, None).unwrap().unwrap();
    let IpAddr::V6(dst) = packet.dst else { panic!("{} is no IPv6 address", packet.dst) };
    assert_eq!(dst.octets()[..10], [127, 0, 0, 1, 127, 0, 0, 2, 2, 1]);
    assert_eq!(dst.octets()[10..], [0, 1, 0, 0, 0, 1], "the source port; the rest is the old one");
}

#[test]
fn a_corked_datagram_that_grows_too_large_is_lost() {
    let mut udp = socket();
    sendto(&mut udp, &[0; 60_000], MORE, Some(at(2))).unwrap();
    assert_eq!(sendto(&mut udp, &[0; 5_507], MORE, None), Ok(None));
    udp.take_wakes();
    assert_eq!(sendto(&mut udp, &[0; 1], MORE, None), Err(Errno::MSGSIZE));
    assert!(!udp.is_corked());
    assert!(udp.take_wakes().writable, "its memory is given back");
}

#[test]
fn a_corked_datagram_counts_against_the_send_buffer() {
    let mut udp = socket();
    udp.options.sndbuf_bytes = 4608;
    assert!(udp.poll_mask().contains(PollEvents::OUT));
    sendto(&mut udp, &[0; 1000], MORE, Some(at(2))).unwrap();
    assert!(!udp.poll_mask().contains(PollEvents::OUT));
    sendto(&mut udp, &[], PLAIN, None).unwrap();
    assert!(udp.poll_mask().contains(PollEvents::OUT));
}

#[test]
fn families_do_not_mix_in_a_corked_datagram() {
    let mut udp = Udp::new(Family::V6, BUFFER_DEFAULT_BYTES);
    sendto(&mut udp, b"a", MORE, Some(at(2))).unwrap();
    assert_eq!(payload(&sendto(&mut udp, b"b", PLAIN, Some(at6(2))).unwrap().unwrap()), b"ab");
    sendto(&mut udp, b"a", MORE, Some(at6(2))).unwrap();
    assert_eq!(sendto(&mut udp, b"b", PLAIN, Some(at(2))), Err(Errno::INVAL));
    assert_eq!(payload(&sendto(&mut udp, b"c", PLAIN, Some(at6(0))).unwrap().unwrap()), b"ac");
    assert!(sendto(&mut udp, b"x", SendFlags { oob: true, ..PLAIN }, Some(at6(2))).is_ok(), "IPv6 ignores MSG_OOB");
}

#[test]
fn a_refusal_is_told_once_to_a_connected_sender() {
    let mut udp = socket();
    udp.connect(at(9));
    let packet = sendto(&mut udp, b"x", PLAIN, None).unwrap().unwrap();
    for consume in 0..4 {
        udp.take_wakes();
        icmp(&mut udp, &packet, IcmpError::PortUnreachable);
        assert_eq!(udp.take_wakes(), Wakes { error: true, ..Wakes::default() });
        assert!(udp.poll_mask().contains(PollEvents::ERR));
        arrive(&mut udp, 1);
        let refused = Err(Errno::CONNREFUSED);
        match consume {
            0 => assert_eq!(sendto(&mut udp, b"y", PLAIN, None).map(|_| ()), refused),
            1 => assert_eq!(recv(&mut udp, 1, NONBLOCKING).map(|_| ()), refused, "before queued data"),
            2 => assert_eq!(recv(&mut udp, 1, PEEK).map(|_| ()), refused),
            _ => assert_eq!(udp.take_error(), Some(Errno::CONNREFUSED)),
        }
        assert!(!udp.poll_mask().contains(PollEvents::ERR));
        assert!(recv(&mut udp, 1, NONBLOCKING).is_ok(), "the following call works again");
        assert!(sendto(&mut udp, b"y", PLAIN, None).unwrap().is_some());
    }
}

#[test]
fn the_pending_error_outlives_connect_and_shutdown() {
    let mut udp = socket();
    udp.connect(at(9));
    let packet = sendto(&mut udp, b"x", PLAIN, None).unwrap().unwrap();
    icmp(&mut udp, &packet, IcmpError::PortUnreachable);
    udp.connect(at(8));
    udp.shutdown(Shutdown::Write).unwrap();
    udp.disconnect();
    assert_eq!(sendto(&mut udp, &[0; 65_508], PLAIN, Some(at(2))), Err(Errno::MSGSIZE), "size comes first");
    assert_eq!(sendto(&mut udp, b"x", PLAIN, Some(at(2))), Err(Errno::CONNREFUSED), "then the error");
    assert_eq!(sendto(&mut udp, b"x", PLAIN, Some(at(2))), Err(Errno::PIPE), "then the shutdown");
}

#[test]
fn an_unconnected_sender_hears_of_no_refusal() {
    let mut udp = socket();
    let packet = sendto(&mut udp, b"x", PLAIN, Some(at(9))).unwrap().unwrap();
    udp.take_wakes();
    icmp(&mut udp, &packet, IcmpError::PortUnreachable);
    assert_eq!((udp.error(), udp.take_wakes()), (None, Wakes::default()));
}

#[test]
fn a_connected_socket_is_told_of_hard_errors_only() {
    let mtu = IcmpError::PacketTooBig { mtu_bytes: 1400 };
    for (error, told) in [
        (IcmpError::NetUnreachable, None),
        (IcmpError::HostUnreachable, None),
        (IcmpError::TimeExceeded, None),
        (IcmpError::AdministrativelyProhibited, Some(Errno::HOSTUNREACH)),
        (IcmpError::PortUnreachable, Some(Errno::CONNREFUSED)),
        (mtu, Some(Errno::MSGSIZE)),
    ] {
        let mut udp = socket();
        udp.connect(at(9));
        let packet = sendto(&mut udp, b"x", PLAIN, None).unwrap().unwrap();
        icmp(&mut udp, &packet, error);
        assert_eq!(udp.take_error(), told, "{error:?}");
        udp.options.pmtudisc_dont = true;
        if error == mtu {
            icmp(&mut udp, &packet, error);
            assert_eq!(udp.take_error(), None);
        }
    }
}

#[test]
fn recverr_queues_the_datagram_that_failed() {
    let mut udp = socket();
    udp.set_recverr_v4(true);
    let packet = sendto(&mut udp, b"hello", PLAIN, Some(at(9))).unwrap().unwrap();
    icmp(&mut udp, &packet, IcmpError::PortUnreachable);
    assert_eq!(recv(&mut udp, 9, NONBLOCKING), Err(Errno::CONNREFUSED), "unconnected or not");
    assert!(udp.poll_mask().contains(PollEvents::ERR), "the queue is an error too");
    let mut room = [0; 3];
    let received = udp.recv_error(&mut [IoSliceMut::new(&mut room)]).unwrap();
    assert_eq!((received.len, received.truncated, &room), (3, true, b"hel"));
    let report = received.report;
    assert_eq!(
        (report.errno, report.origin, report.kind, report.code, report.info),
        (Errno::CONNREFUSED, error::Origin::Icmp, 3, 3, 0)
    );
    assert_eq!((report.dst, report.icmp.unwrap().src), (at(9), at(9).ip()));
    assert_eq!(udp.recv_error(&mut []), Err(Errno::AGAIN));
    assert!(!udp.poll_mask().contains(PollEvents::ERR));
    assert_eq!(udp.rmem_alloc(), 0);
}

#[test]
fn reading_the_error_queue_moves_the_pending_error_on() {
    let mut udp = socket();
    udp.set_recverr_v4(true);
    let packet = sendto(&mut udp, b"1", PLAIN, Some(at(9))).unwrap().unwrap();
    icmp(&mut udp, &packet, IcmpError::PortUnreachable);
    icmp(&mut udp, &packet, IcmpError::HostUnreachable);
    assert_eq!(udp.take_error(), Some(Errno::HOSTUNREACH));
    udp.take_wakes();
    assert_eq!(udp.recv_error(&mut []).unwrap().report.errno, Errno::CONNREFUSED);
    assert_eq!(udp.error(), Some(Errno::HOSTUNREACH), "that of the next entry");
    assert!(udp.take_wakes().error);
    assert_eq!(udp.recv_error(&mut []).unwrap().report.errno, Errno::HOSTUNREACH);
    assert_eq!((udp.error(), udp.take_wakes()), (None, Wakes::default()));
}

#[test]
fn switching_recverr_off_empties_the_queue_and_keeps_the_error() {
    let mut udp = socket();
    udp.set_recverr_v4(true);
    let packet = sendto(&mut udp, b"1", PLAIN, Some(at(9))).unwrap().unwrap();
    icmp(&mut udp, &packet, IcmpError::PortUnreachable);
    udp.set_recverr_v4(false);
    assert_eq!(udp.recv_error(&mut []), Err(Errno::AGAIN));
    assert_eq!((udp.error(), udp.rmem_alloc()), (Some(Errno::CONNREFUSED), 0));
}

#[test]
fn the_error_queue_counts_against_the_receive_buffer() {
    let mut udp = Udp::new(Family::V4, 2304);
    udp.set_recverr_v4(true);
    let packet = sendto(&mut udp, b"1", PLAIN, Some(at(9))).unwrap().unwrap();
    for _ in 0..6 {
        icmp(&mut udp, &packet, IcmpError::PortUnreachable);
    }
    assert_eq!((udp.rmem_alloc(), udp.drops()), (1664, 0));
    assert_eq!(udp.error(), Some(Errno::CONNREFUSED), "an error that finds no room is pending all the same");
}

#[test]
fn a_datagram_that_is_too_large_is_a_local_error_on_the_queue() {
    let mut udp = socket();
    udp.set_recverr_v4(true);
    assert_eq!(sendto(&mut udp, &[0; 65_508], PLAIN, Some(at(9))), Err(Errno::MSGSIZE));
    let report = udp.recv_error(&mut []).unwrap().report;
    assert_eq!((report.errno, report.origin, report.info), (Errno::MSGSIZE, error::Origin::Local, 0xffff));
    assert_eq!((report.dst, report.icmp), (at(0), None), "the port is the connected peer's");
    assert_eq!(udp.error(), None);
    let mut v6 = Udp::new(Family::V6, BUFFER_DEFAULT_BYTES);
    v6.set_recverr_v6(true);
    assert_eq!(sendto(&mut v6, &[0; 65_528], PLAIN, Some(at6(9))), Err(Errno::MSGSIZE));
    let report = v6.recv_error(&mut []).unwrap().report;
    assert_eq!((report.info, report.dst), (65_536, at6(9)));
}

#[test]
fn icmpv6_has_its_own_numbers() {
    for (error, errno, kind, code) in [
        (IcmpError::PortUnreachable, Errno::CONNREFUSED, 1, 4),
        (IcmpError::AdministrativelyProhibited, Errno::ACCES, 1, 1),
        (IcmpError::PacketTooBig { mtu_bytes: 1280 }, Errno::MSGSIZE, 2, 0),
    ] {
        let mut udp = Udp::new(Family::V6, BUFFER_DEFAULT_BYTES);
        udp.set_recverr_v6(true);
        let packet = sendto(&mut udp, b"1", PLAIN, Some(at6(9))).unwrap().unwrap();
        icmp(&mut udp, &packet, error);
        let report = udp.recv_error(&mut []).unwrap().report;
        assert_eq!((report.errno, report.origin, report.kind, report.code), (errno, error::Origin::Icmp6, kind, code));
    }
}

#[test]
fn shutdown_sets_its_bits_even_where_it_fails() {
    let mut udp = socket();
    assert_eq!(udp.shutdown(Shutdown::Both), Err(Errno::NOTCONN));
    assert!(udp.take_wakes().state);
    udp.connect(at(9));
    udp.disconnect();
    assert_eq!(udp.shutdown_bits(), ShutdownBits { read: true, write: true });
    assert_eq!(sendto(&mut udp, b"x", PLAIN, Some(at(9))), Err(Errno::PIPE));
    udp.connect(at(9));
    assert_eq!(udp.shutdown(Shutdown::Read), Ok(()));
}

#[test]
fn after_shutdown_a_blocking_receive_ends_and_a_nonblocking_one_says_eagain() {
    let mut udp = socket();
    udp.connect(at(1));
    udp.shutdown(Shutdown::Read).unwrap();
    let blocking = RecvFlags::default();
    assert_eq!(udp.recv(&mut [], blocking), Ok(Received { len: 0, truncated: false, from: None }));
    assert_eq!(recv(&mut udp, 9, NONBLOCKING), Err(Errno::AGAIN));
    arrive(&mut udp, 3);
    assert_eq!(recv(&mut udp, 9, blocking).unwrap().len(), 3, "datagrams still come");
}

#[test]
fn a_corked_datagram_is_finished_after_shutdown() {
    let mut udp = socket();
    udp.connect(at(2));
    sendto(&mut udp, b"aa", MORE, None).unwrap();
    udp.shutdown(Shutdown::Write).unwrap();
    assert_eq!(payload(&sendto(&mut udp, b"bb", PLAIN, None).unwrap().unwrap()), b"aabb");
    assert_eq!(sendto(&mut udp, b"q", PLAIN, None), Err(Errno::PIPE));
}

#[test]
fn poll_masks_are_those_of_linux() {
    let out = PollEvents::OUT | PollEvents::WRNORM | PollEvents::WRBAND;
    let readable = PollEvents::IN | PollEvents::RDNORM;
    let mut udp = socket();
    assert_eq!(udp.poll_mask(), out, "a fresh socket has no HUP");
    arrive(&mut udp, 1);
    assert_eq!(udp.poll_mask(), out | readable);
    recv(&mut udp, 1, NONBLOCKING).unwrap();
    udp.connect(at(9));
    let packet = sendto(&mut udp, b"x", PLAIN, None).unwrap().unwrap();
    icmp(&mut udp, &packet, IcmpError::PortUnreachable);
    assert_eq!(udp.poll_mask(), out | PollEvents::ERR);
    udp.options.select_err_queue = true;
    assert_eq!(udp.poll_mask(), out | PollEvents::ERR | PollEvents::PRI);
    udp.take_error();
    udp.shutdown(Shutdown::Write).unwrap();
    assert_eq!(udp.poll_mask(), out);
    udp.shutdown(Shutdown::Read).unwrap();
    assert_eq!(udp.poll_mask(), out | readable | PollEvents::RDHUP | PollEvents::HUP);
}

#[test]
fn the_receiver_is_the_best_match() {
    let (src, dst) = (at(1), at(2));
    let score = |family, local: &str, peer: Option<SocketAddr>, v6only| {
        let mut udp = Udp::new(family, BUFFER_DEFAULT_BYTES);
        if let Some(peer) = peer {
            udp.connect(peer);
        }
        udp.score(local.parse().unwrap(), v6only, src, dst)
    };
    let ranked = [
        score(Family::V4, "127.0.0.1:2", Some(src), false),
        score(Family::V6, "[::ffff:127.0.0.1]:2", Some(src), false),
        score(Family::V4, "127.0.0.1:2", Some(at(0)), false),
        score(Family::V4, "127.0.0.1:2", None, false),
        score(Family::V6, "[::ffff:127.0.0.1]:2", None, false),
        score(Family::V4, "0.0.0.0:2", None, false),
        score(Family::V6, "[::]:2", None, false),
    ];
    assert!(ranked.iter().all(Option::is_some));
    assert!(ranked.is_sorted_by(|better, worse| better > worse), "{ranked:?}");
    for (family, local, peer, v6only) in [
        (Family::V4, "127.0.0.1:3", None, false),
        (Family::V4, "127.0.0.2:2", None, false),
        (Family::V6, "[::]:2", None, true),
        (Family::V6, "[::1]:2", None, false),
        (Family::V4, "127.0.0.1:2", Some(at(8)), false),
        (Family::V4, "127.0.0.1:2", Some("127.0.0.2:1".parse().unwrap()), false),
    ] {
        assert_eq!(score(family, local, peer, v6only), None, "{local} {peer:?}");
    }
}

#[test]
fn an_ipv4_socket_gets_no_ipv6_datagram() {
    let udp = socket();
    assert_eq!(udp.score("0.0.0.0:2".parse().unwrap(), false, at6(1), at6(2)), None);
    let udp = Udp::new(Family::V6, BUFFER_DEFAULT_BYTES);
    assert!(udp.score("[::]:2".parse().unwrap(), true, at6(1), at6(2)).is_some());
}
