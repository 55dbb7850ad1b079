//! Control messages of datagrams: what a receiver is told beside the data, and what a sender asks for.

use crate::conformance;
use crate::support::scene::{FAMILIES, ip_of, own_ip, port_of, udp_bound, udp_pair};
use crate::support::sock::Sock;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use twinsock::consts as c;
use twinsock::control::{ControlMessage, PacketInfo4, PacketInfo6, RecvControl, SendControl, space};
use twinsock::{Domain, Env, Errno, MsgFlags, SocketAddr};

/// Receives one datagram and shows its control messages.
fn receive<E: Env>(socket: &Sock<E>, room: usize) -> (Vec<u8>, Vec<String>, MsgFlags) {
    let mut control = RecvControl::new(room);
    let (data, received) = socket.recv_message(99, &mut control, MsgFlags::NONE).expect("a datagram is there");
    let shown = control.drain().map(|message| match message {
        ControlMessage::PacketInfo4(info) => format!("pktinfo {} {} {}", info.ifindex, info.spec_dst, info.addr),
        ControlMessage::PacketInfo6(info) => format!("pktinfo6 {} {}", info.ifindex, info.addr),
        ControlMessage::Ttl(ttl) => format!("ttl {ttl}"),
        ControlMessage::Tos(tos) => format!("tos {tos}"),
        ControlMessage::HopLimit(hops) => format!("hops {hops}"),
        ControlMessage::TrafficClass(class) => format!("class {class}"),
        ControlMessage::Raw { level, kind, data } => format!("{level}/{kind} of {} bytes", data.len()),
        ControlMessage::Rights(_) | ControlMessage::Credentials(_) => "local".to_owned(),
    });
    (data, shown.collect(), received.flags.without(MsgFlags::CMSG_CLOEXEC))
}

fn v4_of(addr: &SocketAddr) -> Ipv4Addr {
    match ip_of(addr) {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) => panic!("{ip} is an IPv6 address"),
    }
}

conformance! {
    fn nothing_is_told_that_was_not_asked_for(env: &E) {
        for family in FAMILIES {
            let (a, b) = udp_pair(env, family);
            a.send(b"x").unwrap();
            assert_eq!(receive(&b, 256), (b"x".to_vec(), vec![], MsgFlags::NONE));
        }
    }

    fn ip_pktinfo_tells_where_a_datagram_went(env: &E) {
        let (receiver, to) = udp_bound(env, Domain::INET);
        receiver.set(c::SOL_IP, c::IP_PKTINFO, 1).unwrap();
        Sock::udp(env).send_to(b"x", &to).unwrap();
        let ip = ip_of(&to);
        assert_eq!(receive(&receiver, 256).1, [format!("pktinfo 1 {ip} {ip}")]);
    }

    fn ttl_and_tos_are_told(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        for option in [c::IP_RECVTTL, c::IP_RECVTOS] {
            b.set(c::SOL_IP, option, 1).unwrap();
        }
        a.send(b"x").unwrap();
        assert_eq!(receive(&b, 256).1, ["ttl 64", "tos 0"]);
        a.set(c::SOL_IP, c::IP_TTL, 7).unwrap();
        a.set(c::SOL_IP, c::IP_TOS, 5).unwrap();
        a.send(b"x").unwrap();
        assert_eq!(receive(&b, 256).1, ["ttl 7", "tos 5"]);
    }

    fn over_ipv6_destination_hop_limit_and_class_are_told(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET6);
        for option in [c::IPV6_RECVPKTINFO, c::IPV6_RECVHOPLIMIT, c::IPV6_RECVTCLASS] {
            b.set(c::SOL_IPV6, option, 1).unwrap();
        }
        a.set(c::SOL_IPV6, c::IPV6_UNICAST_HOPS, 9).unwrap();
        a.set(c::SOL_IPV6, c::IPV6_TCLASS, 3).unwrap();
        a.send(b"x").unwrap();
        assert_eq!(receive(&b, 256).1, ["pktinfo6 1 ::1", "hops 9", "class 3"]);
    }

    fn a_dual_stack_receiver_is_told_by_either_level(env: &E) {
        let dual = Sock::udp_of(env, Domain::INET6);
        dual.bind(&SocketAddr::inet(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)).unwrap();
        dual.set(c::SOL_IPV6, c::IPV6_RECVPKTINFO, 1).unwrap();
        dual.set(c::SOL_IPV6, c::IPV6_RECVHOPLIMIT, 1).unwrap();
        dual.set(c::SOL_IP, c::IP_RECVTTL, 1).unwrap();
        let ip = own_ip();
        Sock::udp(env).send_to(b"x", &SocketAddr::inet(IpAddr::V4(ip), port_of(&dual.name()))).unwrap();
        assert_eq!(receive(&dual, 256).1, [format!("pktinfo6 1 {}", ip.to_ipv6_mapped()), "ttl 64".to_owned()]);
    }

    fn messages_that_do_not_fit_are_cut(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        b.set(c::SOL_IP, c::IP_PKTINFO, 1).unwrap();
        b.set(c::SOL_IP, c::IP_RECVTTL, 1).unwrap();
        for _ in 0..3 {
            a.send(b"x").unwrap();
        }
        assert_eq!(receive(&b, 0).2, MsgFlags::CTRUNC);
        let (_, shown, flags) = receive(&b, space(12));
        assert_eq!((shown.len(), flags), (1, MsgFlags::CTRUNC), "room for the first only");
        let (_, shown, flags) = receive(&b, space(12) + space(4));
        assert_eq!((shown.len(), flags), (2, MsgFlags::NONE));
    }

    fn so_rxq_ovfl_counts_what_was_dropped_before(env: &E) {
        let ((receiver, to), sender) = (udp_bound(env, Domain::INET), Sock::udp(env));
        receiver.set(c::SOL_SOCKET, c::SO_RXQ_OVFL, 1).unwrap();
        receiver.set(c::SOL_SOCKET, c::SO_RCVBUF, 0).unwrap();
        for _ in 0..5 {
            sender.send_to(b"x", &to).unwrap();
        }
        assert_eq!(receive(&receiver, 256).1, [""; 0], "nothing was dropped before the first");
        receiver.try_recv(9).unwrap();
        sender.send_to(b"y", &to).unwrap();
        assert_eq!(receive(&receiver, 256).1, [format!("{}/{} of 4 bytes", c::SOL_SOCKET, c::SO_RXQ_OVFL)]);
    }

    fn a_timestamp_is_the_wall_clock(env: &E) {
        for (option, unit) in [(c::SO_TIMESTAMP, 1000), (c::SO_TIMESTAMPNS, 1)] {
            let (a, b) = udp_pair(env, Domain::INET);
            b.set(c::SOL_SOCKET, option, 1).unwrap();
            let now = || env.wall().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
            let before = now();
            a.send(b"x").unwrap();
            let mut control = RecvControl::new(64);
            b.recv_message(9, &mut control, MsgFlags::NONE).unwrap();
            let Some(ControlMessage::Raw { level, kind, data }) = control.drain().next() else { panic!("a timestamp") };
            assert_eq!((level, kind, data.len()), (c::SOL_SOCKET, option, 16));
            let word = |at: usize| u64::from_ne_bytes(*data[at..].first_chunk().unwrap());
            let stamp = std::time::Duration::from_secs(word(0)) + std::time::Duration::from_nanos(word(8) * unit);
            // A clock of microseconds tells the beginning of the microsecond.
            assert!(stamp + std::time::Duration::from_micros(1) >= before && stamp <= now(), "{before:?} {stamp:?}");
        }
    }

    fn a_sender_may_choose_its_address(env: &E) {
        let (receiver, to) = udp_bound(env, Domain::INET);
        let sender = Sock::udp(env);
        let mut control = SendControl::new();
        let from = own_ip();
        control.packet_info4(PacketInfo4 { ifindex: 0, spec_dst: from, addr: Ipv4Addr::UNSPECIFIED });
        assert_eq!(sender.send_message(b"x", &to, &control), Ok(1));
        assert_eq!(receiver.recv_from(9).map(|(_, addr)| v4_of(&addr)), Ok(from));
        let mut control = SendControl::new();
        control.packet_info4(PacketInfo4 { ifindex: 0, spec_dst: Ipv4Addr::new(192, 0, 2, 1), addr: Ipv4Addr::UNSPECIFIED });
        assert_eq!(sender.send_message(b"x", &to, &control), Err(Errno::NETUNREACH));
        let mut control = SendControl::new();
        control.packet_info4(PacketInfo4 { ifindex: 9999, spec_dst: from, addr: Ipv4Addr::UNSPECIFIED });
        assert_eq!(sender.send_message(b"x", &to, &control), Err(Errno::NODEV));
    }

    fn a_sender_over_ipv6_may_choose_its_address(env: &E) {
        let (receiver, to) = udp_bound(env, Domain::INET6);
        let sender = Sock::udp_of(env, Domain::INET6);
        let mut control = SendControl::new();
        control.packet_info6(PacketInfo6 { addr: Ipv6Addr::LOCALHOST, ifindex: 1 });
        assert_eq!(sender.send_message(b"x", &to, &control), Ok(1));
        assert_eq!(receiver.recv(9), Ok(b"x".to_vec()));
        let mut control = SendControl::new();
        control.packet_info6(PacketInfo6 { addr: "2001:db8::1".parse().unwrap(), ifindex: 0 });
        assert_eq!(sender.send_message(b"x", &to, &control), Err(Errno::INVAL));
        let mut control = SendControl::new();
        control.packet_info6(PacketInfo6 { addr: Ipv6Addr::UNSPECIFIED, ifindex: 9999 });
        assert_eq!(sender.send_message(b"x", &to, &control), Err(Errno::NODEV));
    }

    fn a_sender_may_choose_ttl_and_tos_of_one_datagram(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        for option in [c::IP_RECVTTL, c::IP_RECVTOS] {
            b.set(c::SOL_IP, option, 1).unwrap();
        }
        let mut control = SendControl::new();
        control.ttl(3).tos(8);
        a.send_message(b"x", &b.name(), &control).unwrap();
        a.send(b"y").unwrap();
        assert_eq!(receive(&b, 256).1, ["ttl 3", "tos 8"]);
        assert_eq!(receive(&b, 256).1, ["ttl 64", "tos 0"]);
    }

    fn a_sender_may_choose_hop_limit_and_class_of_one_datagram(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET6);
        for option in [c::IPV6_RECVHOPLIMIT, c::IPV6_RECVTCLASS] {
            b.set(c::SOL_IPV6, option, 1).unwrap();
        }
        let mut control = SendControl::new();
        control.hop_limit(3).traffic_class(255);
        a.send_message(b"x", &b.name(), &control).unwrap();
        assert_eq!(receive(&b, 256).1, ["hops 3", "class 255"]);
        let mut control = SendControl::new();
        control.hop_limit(-1).traffic_class(-1);
        a.send_message(b"x", &b.name(), &control).unwrap();
        assert_eq!(receive(&b, 256).1, ["hops 64", "class 255"], "-1 is the default of hops, and the low byte of a class");
    }

    fn a_control_message_that_cannot_be_is_refused(env: &E) {
        for (family, bad) in [
            (Domain::INET, (c::SOL_IP, c::IP_TTL, &0_i32.to_ne_bytes()[..])),
            (Domain::INET, (c::SOL_IP, c::IP_TTL, &256_i32.to_ne_bytes()[..])),
            (Domain::INET, (c::SOL_IP, c::IP_TTL, &[1][..])),
            (Domain::INET, (c::SOL_IP, c::IP_TOS, &[1, 2][..])),
            (Domain::INET, (c::SOL_IP, c::IP_PKTINFO, &[0; 8][..])),
            (Domain::INET, (c::SOL_IP, 9999, &[0; 4][..])),
            (Domain::INET, (c::SOL_SOCKET, 9999, &[0; 4][..])),
            (Domain::INET, (c::SOL_UDP, 9999, &[0; 4][..])),
            (Domain::INET6, (c::SOL_IPV6, c::IPV6_HOPLIMIT, &(-2_i32).to_ne_bytes()[..])),
            (Domain::INET6, (c::SOL_IPV6, c::IPV6_TCLASS, &256_i32.to_ne_bytes()[..])),
            (Domain::INET6, (c::SOL_IPV6, c::IPV6_PKTINFO, &[0; 16][..])),
            (Domain::INET6, (c::SOL_IPV6, 9999, &[0; 4][..])),
        ] {
            let (socket, to) = udp_bound(env, family);
            let mut control = SendControl::new();
            control.raw(bad.0, bad.1, bad.2).unwrap();
            assert_eq!(socket.send_message(b"x", &to, &control), Err(Errno::INVAL), "{bad:?}");
            assert_eq!(socket.try_recv(9), Err(Errno::AGAIN));
        }
    }

    fn a_control_message_of_another_level_is_ignored(env: &E) {
        let (socket, to) = udp_bound(env, Domain::INET);
        let mut control = SendControl::new();
        control.raw(c::SOL_TCP, 1, &[1]).unwrap();
        control.raw(c::SOL_IPV6, c::IPV6_HOPLIMIT, &[1]).unwrap();
        assert_eq!(socket.send_message(b"x", &to, &control), Ok(1));
        assert_eq!(socket.recv(9), Ok(b"x".to_vec()));
    }

    fn a_short_receive_says_so_in_msg_flags(env: &E) {
        let (a, b) = udp_pair(env, Domain::INET);
        a.send(b"abc").unwrap();
        let mut control = RecvControl::new(0);
        let (data, received) = b.recv_message(2, &mut control, MsgFlags::NONE).unwrap();
        assert_eq!((data, received.flags.without(MsgFlags::CMSG_CLOEXEC)), (b"ab".to_vec(), MsgFlags::TRUNC));
        assert_eq!(received.addr, a.name());
    }
}
