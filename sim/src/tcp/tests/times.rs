//! When things are sent again, and when it is given up: Linux's times.

use super::*;
use twinsock::{Errno, PollEvents};

/// Lets A wait until it gives up; how long that took, in seconds, rounded.
fn time_to_give_up(pair: &mut Pair) -> u64 {
    let start = pair.now;
    while pair.a.tcb.state() != State::Closed {
        assert!(pair.step(), "A waits for ever");
    }
    let millis = u64::try_from(pair.now.since(start).as_millis()).expect("a test is short");
    (millis + 500) / 1000
}

#[test]
fn times_of_syn_retries() {
    for (retries, seconds) in [(1, 3), (2, 7), (3, 19), (5, 67), (6, 131), (7, 251)] {
        let mut pair = Pair::new();
        pair.cut();
        pair.a.tcb.options.syncnt = retries;
        let start = pair.now;
        pair.dial();
        assert_eq!(time_to_give_up(&mut pair), seconds, "TCP_SYNCNT {retries}");
        assert_eq!(pair.a.tcb.take_error(), Some(Errno::TIMEDOUT));
        if retries == 6 {
            let times = pair.times(Side::A, start, |_| true);
            assert_eq!(times, [0, 1000, 2000, 3000, 4000, 5000, 7000, 11_000, 19_000, 35_000, 67_000]);
        }
    }
}

#[test]
fn tcp_user_timeout_cuts_connecting() {
    let mut pair = Pair::new();
    pair.cut();
    pair.a.tcb.options.user_timeout_ms = 5500;
    pair.dial();
    assert_eq!(time_to_give_up(&mut pair), 6);
}

#[test]
fn times_of_data_retries() {
    let mut pair = Pair::connected();
    pair.cut();
    let start = pair.now;
    pair.send(Side::A, b"lost").expect("room");
    let seconds = time_to_give_up(&mut pair);
    assert!((925..=940).contains(&seconds), "{seconds}");
    let times = pair.times(Side::A, start, is_data);
    assert_eq!(&times[..6], [0, 200, 404, 812, 1628, 3260]);
    assert_eq!(times[times.len() - 1] - times[times.len() - 2], 120_000);
    let mask = pair.a.tcb.poll_mask();
    assert!(mask.contains(PollEvents::IN | PollEvents::OUT | PollEvents::ERR | PollEvents::HUP));
    assert_eq!(pair.recv(Side::A, 1), Err(Errno::TIMEDOUT));
    assert_eq!(pair.recv(Side::A, 1), Ok(vec![]));
    assert_eq!(pair.send(Side::A, b"x"), Err(Errno::PIPE));
}

#[test]
fn tcp_retries2_and_tcp_user_timeout_decide_when_to_give_up() {
    for (retries2, user_timeout_ms, tenths) in [(3, 0, 65), (5, 0, 130), (15, 1000, 14), (15, 3000, 34)] {
        let mut pair = Pair::new();
        pair.a.config.sysctl.tcp_retries2 = retries2;
        pair.a.tcb.options.user_timeout_ms = user_timeout_ms;
        pair.connect();
        pair.cut();
        let start = pair.now;
        pair.send(Side::A, b"lost").expect("room");
        time_to_give_up(&mut pair);
        assert_eq!(pair.now.since(start).as_millis() / 100, tenths, "{retries2} {user_timeout_ms}");
    }
}

#[test]
fn times_of_a_closed_socket_s_retries() {
    let mut pair = Pair::connected();
    pair.cut();
    let start = pair.now;
    pair.send(Side::A, b"lost").expect("room");
    pair.close(Side::A);
    time_to_give_up(&mut pair);
    let times = pair.times(Side::A, start, is_data);
    assert_eq!(&times[1..6], [204, 612, 1428, 3060, 6324]);
    assert_eq!(pair.now.since(start).as_secs(), 104);
    assert!(pair.a.tcb.is_gone());
}

#[test]
fn keepalive_finds_a_dead_peer() {
    let mut pair = Pair::new();
    pair.a.tcb.options.keepidle = 2;
    pair.a.tcb.options.keepintvl = 1;
    pair.a.tcb.options.keepcnt = 3;
    pair.connect();
    let now = pair.now;
    pair.a.tcb.set_keepalive(now, true);
    pair.pass(Duration::from_secs(20));
    assert_eq!(pair.a.tcb.state(), State::Established);
    let probes = pair.times(Side::A, now, |_| true);
    assert_eq!(probes[..3], [2000, 4000, 6000]);
    pair.log.clear();
    pair.cut();
    let start = pair.now;
    time_to_give_up(&mut pair);
    assert_eq!(pair.now.since(start).as_secs(), 5);
    assert_eq!(pair.a.tcb.take_error(), Some(Errno::TIMEDOUT));
    assert_eq!(pair.dialogue(), ["A ACK", "A ACK", "A ACK", "A RST"]);
}

#[test]
fn an_unanswered_syn_ack_is_forgotten() {
    let mut pair = Pair::new();
    pair.dial();
    pair.rule(|side, _| if side == Side::A { Fate::Drop } else { Fate::Deliver });
    let mut pair = Pair::new();
    pair.rule(|side, segment| if side == Side::A && segment.control != Control::Syn { Fate::Drop } else { Fate::Deliver });
    pair.dial();
    pair.settle();
    let start = pair.now;
    assert_eq!(pair.b.tcb.state(), State::SynReceived);
    while pair.b.tcb.state() != State::Closed {
        assert!(pair.step());
    }
    assert_eq!(pair.times(Side::B, start, |_| true), [0, 1000, 3000, 7000, 15_000, 31_000]);
    assert_eq!(pair.now.since(start).as_secs(), 63);
}

#[test]
fn a_slow_path_has_a_longer_timeout() {
    let mut pair = Pair::new();
    pair.latency = Duration::from_millis(150);
    pair.connect();
    for _ in 0..20 {
        pair.send(Side::A, b"sample").expect("room");
        pair.recv(Side::B, 99).expect("data");
    }
    let rto = pair.a.tcb.info().rto;
    assert!((Duration::from_millis(500)..=Duration::from_millis(510)).contains(&rto), "{rto:?}");
}
