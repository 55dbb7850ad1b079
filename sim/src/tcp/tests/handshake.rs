//! Opening: RFC 9293 section 3.5, options, refusals, simultaneous open.

use super::*;
use crate::packet::IcmpError;
use twinsock::{Errno, PollEvents, Shutdown};

#[test]
fn three_segments_open_a_connection() {
    let mut pair = Pair::new();
    pair.dial();
    pair.settle();
    assert_eq!(pair.dialogue(), ["A SYN", "B SYN-ACK", "A ACK"]);
    assert_eq!(pair.states(), (State::Established, State::Established));
    assert!(pair.a.wakes.has(Wakes::STATE) && pair.b.wakes.has(Wakes::STATE));
    assert_eq!(pair.a.tcb.poll_timeout(), None);
    assert_eq!(pair.b.tcb.poll_timeout(), None);
}

#[test]
fn windows_and_mss_of_the_handshake_are_linux_s() {
    for (mss, windows, mss_seen) in [(1460, [64_240, 65_160, 63], (1448, 1448)), (65_495, [65_495, 65_483, 64], (32_741, 32_768))]
    {
        let config = Config { mss_bytes: mss, ..Config::default() };
        let mut pair = Pair::with(config.clone(), config);
        pair.dial();
        pair.settle();
        let seen: Vec<u16> = pair.log.iter().map(|(_, _, segment)| segment.window).collect();
        assert_eq!(seen, windows);
        assert_eq!(pair.log[0].2.options.window_scale, Some(10));
        assert_eq!((pair.a.tcb.mss(), pair.b.tcb.mss()), mss_seen);
    }
}

#[test]
fn a_loopback_connection_has_linux_s_buffers() {
    let mut pair = Pair::with(loopback(), loopback());
    pair.connect();
    assert_eq!(pair.a.tcb.sndbuf(), 3_939_840);
    assert_eq!(pair.a.tcb.rcvbuf(), 131_072);
    assert_eq!(pair.a.tcb.window_clamp(), 65_536);
}

#[test]
fn tcp_maxseg_of_the_listener_binds_both_ends() {
    let mut pair = Pair::with(loopback(), loopback());
    pair.b.listener.as_mut().expect("B listens").options.maxseg = 900;
    pair.connect();
    assert_eq!((pair.a.tcb.mss(), pair.b.tcb.mss()), (888, 888));
}

#[test]
fn a_peer_without_options_gets_none() {
    let mut pair = Pair::new();
    let mut plain = Config::default();
    plain.sysctl.tcp_window_scaling = false;
    plain.sysctl.tcp_timestamps = false;
    pair.b.config = plain;
    pair.connect();
    assert_eq!((pair.a.tcb.mss(), pair.b.tcb.mss()), (1460, 1460));
    pair.send(Side::A, &[7; 3000]).expect("there is room");
    let last = &pair.log[0].2;
    assert_eq!(last.options.timestamps, None);
    assert_eq!(pair.recv(Side::B, 4000).expect("data is there").len(), 3000);
    assert!(pair.a.tcb.info().snd_wnd <= 65_535);
}

#[test]
fn no_listener_refuses() {
    let mut pair = Pair::new();
    pair.b.listener = None;
    pair.dial();
    pair.settle();
    assert_eq!(pair.dialogue(), ["A SYN", "B RST"]);
    assert_eq!(pair.a.tcb.state(), State::Closed);
    let mask = pair.a.tcb.poll_mask();
    for event in [PollEvents::IN, PollEvents::OUT, PollEvents::ERR, PollEvents::HUP, PollEvents::RDHUP] {
        assert!(mask.contains(event), "{mask:?} lacks {event:?}");
    }
    assert_eq!(pair.a.tcb.take_error(), Some(Errno::CONNREFUSED));
    assert_eq!(pair.recv(Side::A, 1), Ok(vec![]));
    assert_eq!(pair.send(Side::A, b"x"), Err(Errno::PIPE));
}

#[test]
fn a_refused_block_connects_again_after_disconnect() {
    let mut pair = Pair::new();
    let listener = pair.b.listener.take();
    pair.dial();
    pair.settle();
    pair.b.listener = listener;
    let now = pair.now;
    pair.a.tcb.disconnect(now);
    assert_eq!(pair.a.tcb.take_error(), Some(Errno::CONNREFUSED));
    assert_eq!(pair.recv(Side::A, 1), Err(Errno::NOTCONN));
    pair.connect();
}

#[test]
fn in_syn_sent_nothing_is_ready() {
    let mut pair = Pair::new();
    pair.cut();
    pair.dial();
    assert_eq!(pair.a.tcb.poll_mask(), PollEvents::NONE);
    assert_eq!(pair.send(Side::A, b"x"), Err(Errno::AGAIN));
    assert_eq!(pair.recv(Side::A, 1), Err(Errno::AGAIN));
}

#[test]
fn shutdown_in_syn_sent_cancels() {
    let mut pair = Pair::new();
    pair.cut();
    pair.dial();
    assert_eq!(pair.shutdown(Side::A, Shutdown::Read), Ok(()));
    assert_eq!(pair.a.tcb.state(), State::Closed);
    let mask = pair.a.tcb.poll_mask();
    assert!(mask.contains(PollEvents::OUT | PollEvents::ERR | PollEvents::HUP) && !mask.contains(PollEvents::IN));
    assert_eq!(pair.a.tcb.take_error(), Some(Errno::CONNRESET));
}

#[test]
fn a_lost_syn_and_a_lost_syn_ack_are_repeated_after_a_second() {
    for lost in ["SYN", "SYN-ACK"] {
        let mut pair = Pair::new();
        let mut first = true;
        pair.rule(move |_, segment| if std::mem::take(&mut first) && name(segment) == lost { Fate::Drop } else { Fate::Deliver });
        if lost == "SYN-ACK" {
            let mut seen = false;
            pair.rule(
                move |_, segment| {
                    if name(segment) == "SYN-ACK" && !std::mem::replace(&mut seen, true) { Fate::Drop } else { Fate::Deliver }
                },
            );
        }
        let start = pair.now;
        pair.dial();
        pair.settle();
        assert_ne!(pair.a.tcb.state(), State::Established);
        while pair.states() != (State::Established, State::Established) {
            assert!(pair.step());
        }
        assert_eq!(pair.now.since(start), Duration::from_secs(1));
    }
}

#[test]
fn a_lost_last_ack_of_the_handshake_is_made_up_by_data() {
    let mut pair = Pair::new();
    pair.rule(|_, segment| if name(segment) == "ACK" { Fate::Drop } else { Fate::Deliver });
    pair.dial();
    pair.settle();
    assert_eq!(pair.states(), (State::Established, State::SynReceived));
    pair.heal();
    pair.send(Side::A, b"hello").expect("connected");
    assert_eq!(pair.states(), (State::Established, State::Established));
    assert_eq!(pair.recv(Side::B, 10), Ok(b"hello".to_vec()));
}

#[test]
fn both_ends_may_open() {
    let mut pair = Pair::new();
    pair.b.listener = None;
    let (config, now) = (pair.a.config.clone(), pair.now);
    pair.latency = Duration::from_millis(5);
    pair.a.tcb.connect(now, &config, (1000, 80), 5000);
    pair.b.tcb.connect(now, &config, (80, 1000), 7000);
    pair.settle();
    assert_eq!(pair.states(), (State::Established, State::Established));
    pair.send(Side::A, b"ping").expect("connected");
    pair.send(Side::B, b"pong").expect("connected");
    assert_eq!(pair.recv(Side::B, 10), Ok(b"ping".to_vec()));
    assert_eq!(pair.recv(Side::A, 10), Ok(b"pong".to_vec()));
}

#[test]
fn a_block_connects_to_itself() {
    let config = loopback();
    let mut tcb = Tcb::new(&config);
    let now = Instant::ZERO;
    tcb.connect(now, &config, (1000, 1000), 5000);
    let pump = |tcb: &mut Tcb| {
        for _ in 0..20 {
            match tcb.poll_transmit(now) {
                Some(segment) => tcb.handle_segment(now, segment),
                None => return,
            }
        }
        panic!("a block answers itself for ever");
    };
    pump(&mut tcb);
    assert_eq!(tcb.state(), State::Established);
    assert_eq!(tcb.send(now, &[IoSlice::new(b"echo")], 0, SendFlags::default()), Ok(4));
    pump(&mut tcb);
    let mut into = [0; 10];
    assert_eq!(tcb.recv(now, &mut [IoSliceMut::new(&mut into)], 0, RecvFlags::default()), Ok(4));
    pump(&mut tcb);
    tcb.shutdown(now, Shutdown::Write).expect("connected");
    pump(&mut tcb);
    assert_eq!(tcb.state(), State::Closed);
    assert!(tcb.take_time_wait().is_some());
    assert_eq!(tcb.recv(now, &mut [IoSliceMut::new(&mut into)], 0, RecvFlags::default()), Ok(0));
}

#[test]
fn shutdown_bits_survive_connect_and_listen() {
    let mut pair = Pair::new();
    assert_eq!(pair.shutdown(Side::A, Shutdown::Write), Err(Errno::NOTCONN));
    pair.connect();
    assert_eq!(pair.send(Side::A, b"x"), Err(Errno::PIPE));

    let mut pair = Pair::new();
    let now = pair.now;
    let mut listener = Tcb::new(&Config::default());
    assert_eq!(listener.shutdown(now, Shutdown::Write), Err(Errno::NOTCONN));
    listener.listen();
    pair.b.listener = Some(listener);
    pair.dial();
    pair.settle();
    pair.pass(Duration::from_millis(40));
    // The child, which may not send, says so at once.
    assert_eq!((pair.a.tcb.state(), pair.b.tcb.state()), (State::CloseWait, State::FinWait2));
    assert_eq!(pair.send(Side::B, b"x"), Err(Errno::PIPE));
}

#[test]
fn icmp_is_fatal_while_connecting_and_a_remark_later() {
    for (error, errno) in [
        (IcmpError::HostUnreachable, Errno::HOSTUNREACH),
        (IcmpError::NetUnreachable, Errno::NETUNREACH),
        (IcmpError::AdministrativelyProhibited, Errno::HOSTUNREACH),
    ] {
        let mut pair = Pair::new();
        pair.cut();
        pair.dial();
        let (now, about) = (pair.now, pair.log[0].2.seq);
        pair.a.tcb.handle_icmp(now, error, about, true);
        assert_eq!((pair.a.tcb.state(), pair.a.tcb.take_error()), (State::Closed, Some(errno)));
    }
    let mut pair = Pair::connected();
    pair.cut();
    pair.send(Side::A, b"lost").expect("there is room");
    let (now, about) = (pair.now, pair.log[0].2.seq);
    pair.a.tcb.handle_icmp(now, IcmpError::HostUnreachable, about, true);
    assert_eq!((pair.a.tcb.state(), pair.a.tcb.error()), (State::Established, None));
    while pair.a.tcb.state() != State::Closed {
        assert!(pair.step());
    }
    assert_eq!(pair.a.tcb.error(), Some(Errno::HOSTUNREACH));
}

#[test]
fn a_path_that_carries_less_lowers_the_mss_and_data_goes_out_again() {
    let mut pair = Pair::connected();
    pair.rule(|_, segment| if segment.frame_bytes > 1000 { Fate::Drop } else { Fate::Deliver });
    pair.send(Side::A, &[1; 5000]).expect("there is room");
    let (now, about) = (pair.now, pair.log[0].2.seq);
    pair.a.tcb.handle_icmp(now, IcmpError::PacketTooBig { mtu_bytes: 1000 }, about, true);
    pair.settle();
    pair.pass(Duration::from_secs(3));
    assert_eq!(pair.recv(Side::B, 9000).expect("data is there").len(), 5000);
}

#[test]
fn tcp_defer_accept_waits_for_data() {
    let mut pair = Pair::new();
    pair.b.listener.as_mut().expect("B listens").options.defer_accept = 2;
    pair.dial();
    pair.settle();
    assert_eq!(pair.states(), (State::Established, State::SynReceived));
    pair.send(Side::A, b"now").expect("connected");
    assert_eq!(pair.states(), (State::Established, State::Established));
    assert_eq!(pair.recv(Side::B, 9), Ok(b"now".to_vec()));
}
