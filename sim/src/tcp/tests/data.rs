//! Data: order of checks, windows, Nagle's rule, acknowledgments, losses.

use super::*;
use twinsock::{Errno, PollEvents, Shutdown};

#[test]
fn what_is_sent_is_received() {
    let mut pair = Pair::connected();
    assert_eq!(pair.send(Side::A, b"hello"), Ok(5));
    assert!(pair.b.wakes.has(Wakes::READABLE));
    assert_eq!(pair.b.tcb.readable_bytes(), 5);
    assert_eq!(pair.recv(Side::B, 3), Ok(b"hel".to_vec()));
    assert_eq!(pair.recv(Side::B, 3), Ok(b"lo".to_vec()));
    assert_eq!(pair.recv(Side::B, 3), Err(Errno::AGAIN));
}

#[test]
fn a_dialogue_carries_its_acks_on_data() {
    let mut pair = Pair::connected();
    for _ in 0..3 {
        pair.send(Side::A, b"ping").expect("room");
        pair.recv(Side::B, 9).expect("data");
        pair.send(Side::B, b"pong").expect("room");
        pair.recv(Side::A, 9).expect("data");
    }
    pair.log.clear();
    pair.send(Side::A, b"ping").expect("room");
    pair.recv(Side::B, 9).expect("data");
    pair.send(Side::B, b"pong").expect("room");
    pair.recv(Side::A, 9).expect("data");
    assert_eq!(pair.dialogue(), ["A DATA 4", "B DATA 4"]);
}

#[test]
fn an_ack_with_nothing_to_ride_on_waits_40_ms() {
    let mut pair = Pair::connected();
    pair.send(Side::A, b"ping").expect("room");
    pair.send(Side::B, b"pong").expect("room");
    pair.send(Side::A, b"ping").expect("room");
    let start = pair.now;
    pair.log.clear();
    pair.pass(Duration::from_millis(100));
    assert_eq!(pair.times(Side::B, start, |segment| !is_data(segment)), [40]);
}

#[test]
fn gathered_and_scattered_slices_are_one_stream() {
    let mut pair = Pair::connected();
    let now = pair.now;
    let parts: [&[u8]; 4] = [b"ab", b"", b"cde", b"f"];
    let iov: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    assert_eq!(pair.a.tcb.send(now, &iov, 1, SendFlags::default()), Ok(5));
    pair.settle();
    let (mut one, mut none, mut two) = ([0; 3], [0; 0], [0; 9]);
    let mut iov = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut none), IoSliceMut::new(&mut two)];
    assert_eq!(pair.b.tcb.recv(now, &mut iov, 2, RecvFlags::default()), Ok(5));
    assert_eq!((&one, &two[..4]), (&[0, 0, b'b'], &b"cdef"[..]));
}

#[test]
fn peek_leaves_and_trunc_discards() {
    let mut pair = Pair::connected();
    pair.send(Side::A, &[1; 100]).expect("room");
    pair.send(Side::A, &[2; 100]).expect("room");
    let peek = RecvFlags { peek: true, ..RecvFlags::default() };
    assert_eq!(pair.recv_flags(Side::B, 150, peek).expect("data")[99..101], [1, 2]);
    let later = RecvFlags { peek: true, peek_offset: 100, ..RecvFlags::default() };
    assert_eq!(pair.recv_flags(Side::B, 150, later), Ok(vec![2; 100]));
    let trunc = RecvFlags { trunc: true, ..RecvFlags::default() };
    assert_eq!(pair.recv_flags(Side::B, 100, trunc), Ok(vec![0; 100]));
    assert_eq!(pair.recv(Side::B, 1000), Ok(vec![2; 100]));
}

#[test]
fn a_read_of_nothing_needs_something_to_read() {
    let mut pair = Pair::connected();
    assert_eq!(pair.recv(Side::B, 0), Err(Errno::AGAIN));
    pair.send(Side::A, b"x").expect("room");
    assert_eq!(pair.recv(Side::B, 0), Ok(vec![]));
    assert_eq!(pair.recv(Side::B, 1), Ok(b"x".to_vec()));
}

#[test]
fn a_fresh_socket_sends_epipe_and_reads_enotconn() {
    let mut pair = Pair::new();
    assert_eq!(pair.send(Side::A, b"x"), Err(Errno::PIPE));
    assert_eq!(pair.send(Side::A, b""), Err(Errno::PIPE));
    assert_eq!(pair.recv(Side::A, 1), Err(Errno::NOTCONN));
    assert_eq!(pair.a.tcb.poll_mask(), PollEvents::OUT | PollEvents::WRNORM | PollEvents::HUP);
}

#[test]
fn poll_wants_rcvlowat_bytes() {
    let mut pair = Pair::connected();
    pair.b.tcb.set_rcvlowat(4);
    pair.b.wakes = Wakes::NONE;
    pair.send(Side::A, b"abc").expect("room");
    assert!(!pair.b.tcb.poll_mask().contains(PollEvents::IN) && !pair.b.wakes.has(Wakes::READABLE));
    pair.send(Side::A, b"d").expect("room");
    assert!(pair.b.tcb.poll_mask().contains(PollEvents::IN) && pair.b.wakes.has(Wakes::READABLE));
}

#[test]
fn nagle_s_rule_holds_the_second_small_segment_until_the_first_is_acknowledged() {
    let mut pair = Pair::connected();
    pair.latency = Duration::from_millis(10);
    let now = pair.now;
    for data in [b"one", b"two"] {
        pair.a.tcb.send(now, &[IoSlice::new(data)], 0, SendFlags::default()).expect("room");
        pair.pump();
    }
    assert_eq!(pair.dialogue(), ["A DATA 3"]);
    pair.settle();
    assert_eq!(pair.dialogue(), ["A DATA 3", "B ACK", "A DATA 3", "B ACK"]);
}

#[test]
fn tcp_nodelay_holds_nothing() {
    let mut pair = Pair::connected();
    pair.latency = Duration::from_millis(10);
    pair.a.tcb.set_nodelay(true);
    let now = pair.now;
    for data in [b"one", b"two"] {
        pair.a.tcb.send(now, &[IoSlice::new(data)], 0, SendFlags::default()).expect("room");
        pair.pump();
    }
    assert_eq!(pair.dialogue(), ["A DATA 3", "A DATA 3"]);
}

const MORE: SendFlags = SendFlags { oob: false, more: true, eor: false };

#[test]
fn msg_more_holds_a_partial_segment_for_200_ms() {
    let mut pair = Pair::connected();
    let start = pair.now;
    pair.send_flags(Side::A, b"held", MORE).expect("room");
    assert_eq!(pair.a.tcb.outq_bytes(), 4);
    assert_eq!(pair.recv(Side::B, 9), Err(Errno::AGAIN));
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.times(Side::A, start, is_data), [204]);
    assert_eq!(pair.recv(Side::B, 9), Ok(b"held".to_vec()));
}

#[test]
fn what_is_held_is_released() {
    type Release = fn(&mut Pair);
    let releases: [(Release, &[u8]); 5] = [
        (|pair| assert!(pair.send(Side::A, b"!").is_ok()), b"held!"),
        (|pair| pair.a.tcb.set_nodelay(true), b"held"),
        (|pair| pair.a.tcb.set_cork(false), b"held"),
        (|pair| assert!(pair.shutdown(Side::A, Shutdown::Write).is_ok()), b"held"),
        (|pair| pair.close(Side::A), b"held"),
    ];
    for (release, expected) in releases {
        let mut pair = Pair::connected();
        pair.send_flags(Side::A, b"held", MORE).expect("room");
        release(&mut pair);
        pair.settle();
        assert_eq!(pair.recv(Side::B, 9), Ok(expected.to_vec()));
    }
    let mut pair = Pair::connected();
    pair.a.tcb.set_cork(true);
    pair.send(Side::A, b"held").expect("room");
    pair.send(Side::A, b"held").expect("room");
    assert_eq!(pair.b.tcb.readable_bytes(), 0);
    pair.a.tcb.set_cork(false);
    pair.settle();
    assert_eq!(pair.recv(Side::B, 9), Ok(b"heldheld".to_vec()));
}

#[test]
fn msg_eor_ends_a_segment() {
    let end = SendFlags { eor: true, ..SendFlags::default() };
    let mut pair = Pair::connected();
    pair.a.tcb.set_cork(true);
    pair.send(Side::A, b"one ").expect("room");
    pair.send_flags(Side::A, b"two", end).expect("room");
    assert_eq!(pair.b.tcb.readable_bytes(), 0, "it is held like any other at the end");
    pair.send(Side::A, b"three").expect("room");
    pair.send(Side::A, b" four").expect("room");
    assert_eq!(
        pair.recv(Side::B, 99),
        Ok(b"one two".to_vec()),
        "what comes next is no part of it, and it is not at the end any more"
    );
    pair.a.tcb.set_cork(false);
    pair.settle();
    assert_eq!(pair.recv(Side::B, 99), Ok(b"three four".to_vec()));
}

#[test]
fn a_full_buffer_would_block_and_wakes_when_a_third_is_free() {
    let mut pair = Pair::connected();
    pair.a.tcb.set_sndbuf(16_384);
    pair.b.tcb.set_rcvbuf(16_384);
    let mut total = 0;
    let mut full = 0;
    for _ in 0..200 {
        match pair.send(Side::A, &[3; 4096]) {
            Ok(sent) => total += sent,
            Err(errno) => {
                assert_eq!(errno, Errno::AGAIN);
                full += 1;
            }
        }
        pair.pass(Duration::from_millis(50));
    }
    assert!(full > 0 && total > 16_384 && total <= 2 * (16_384 + 16_384) + 131_072, "{total} bytes were accepted");
    assert!(!pair.a.tcb.poll_mask().contains(PollEvents::OUT));
    pair.a.wakes = Wakes::NONE;
    let mut read = 0;
    while read < total {
        read += pair.recv(Side::B, 8192).map(|data| data.len()).unwrap_or_default();
        if read < total && !pair.b.tcb.poll_mask().contains(PollEvents::IN) {
            assert!(pair.step(), "{read} of {total} bytes came and nothing happens");
        }
    }
    assert!(pair.a.wakes.has(Wakes::WRITABLE));
    assert!(pair.a.tcb.poll_mask().contains(PollEvents::OUT));
}

#[test]
fn a_whole_segment_is_accepted_however_small_the_buffer() {
    let mut pair = Pair::with(loopback(), loopback());
    pair.connect();
    pair.a.tcb.set_sndbuf(4608);
    let now = pair.now;
    let sent = pair.a.tcb.send(now, &[IoSlice::new(&[0; 200_000])], 0, SendFlags::default()).expect("room");
    assert!((32_000..=65_536).contains(&sent), "{sent}");
}

#[test]
fn a_closed_window_is_probed_until_it_opens() {
    let mut pair = Pair::connected();
    pair.b.tcb.set_rcvbuf(8192);
    let mut total = 0;
    for _ in 0..100 {
        total += pair.send(Side::A, &[9; 1000]).unwrap_or_default();
    }
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.a.tcb.info().snd_wnd, 0);
    pair.log.clear();
    pair.pass(Duration::from_secs(20));
    let probes = pair.times(Side::A, Instant::ZERO, |segment| !is_data(segment));
    assert!((3..=10).contains(&probes.len()), "{probes:?}");
    assert_eq!(pair.a.tcb.state(), State::Established);
    // Even when the window update is lost, a probe finds out.
    pair.rule(|side, _| if side == Side::B { Fate::Drop } else { Fate::Deliver });
    let mut got = pair.recv(Side::B, 100_000).expect("data").len();
    pair.heal();
    while got < total {
        let more = pair.recv(Side::B, 100_000).map(|data| data.len()).unwrap_or_default();
        got += more;
        assert!(more > 0 || pair.step(), "{got} of {total} bytes came and nothing happens");
    }
    assert_eq!(got, total);
}

#[test]
fn a_lost_segment_is_sent_again() {
    let mut pair = Pair::connected();
    let mut first = true;
    pair.rule(move |_, segment| if is_data(segment) && std::mem::take(&mut first) { Fate::Drop } else { Fate::Deliver });
    let start = pair.now;
    pair.send(Side::A, b"again").expect("room");
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.times(Side::A, start, is_data), [0, 200]);
    assert_eq!(pair.recv(Side::B, 9), Ok(b"again".to_vec()));
}

#[test]
fn three_duplicate_acks_send_the_hole_again_at_once() {
    let mut pair = Pair::connected();
    pair.a.tcb.set_nodelay(true);
    pair.latency = Duration::from_millis(5);
    let mut seen = 0;
    pair.rule(move |side, segment| {
        if side == Side::A && is_data(segment) {
            seen += 1;
            if seen == 1 {
                return Fate::Drop;
            }
        }
        Fate::Deliver
    });
    let (start, now) = (pair.now, pair.now);
    for byte in 0..5 {
        pair.a.tcb.send(now, &[IoSlice::new(&[byte; 1448])], 0, SendFlags::default()).expect("room");
        pair.pump();
    }
    pair.settle();
    assert_eq!(pair.times(Side::A, start, is_data), [0, 0, 0, 0, 0, 10]);
    assert_eq!(pair.recv(Side::B, 9000).expect("data").len(), 5 * 1448);
}

#[test]
fn reordered_segments_arrive_in_order() {
    let mut pair = Pair::connected();
    pair.a.tcb.set_nodelay(true);
    let mut nth = 0_u64;
    pair.rule(move |side, segment| {
        if side == Side::A && is_data(segment) {
            nth += 1;
            return Fate::Delay(Duration::from_millis(20 - nth));
        }
        Fate::Deliver
    });
    let now = pair.now;
    let mut expected = Vec::new();
    for byte in 0..10 {
        pair.a.tcb.send(now, &[IoSlice::new(&[byte; 100])], 0, SendFlags::default()).expect("room");
        pair.pump();
        expected.extend([byte; 100]);
    }
    pair.settle();
    assert_eq!(pair.recv(Side::B, 9000), Ok(expected));
}

#[test]
fn a_repeated_segment_is_acknowledged_and_counts_once() {
    let mut pair = Pair::connected();
    pair.rule(|side, segment| if side == Side::B && !is_data(segment) { Fate::Drop } else { Fate::Deliver });
    pair.send(Side::A, b"once").expect("room");
    pair.heal();
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.recv(Side::B, 99), Ok(b"once".to_vec()));
    assert_eq!(pair.a.tcb.outq_bytes(), 0);
}

#[test]
fn shutdown_read_is_local_and_later_data_is_readable() {
    let mut pair = Pair::connected();
    pair.shutdown(Side::B, Shutdown::Read).expect("connected");
    assert_eq!(pair.recv(Side::B, 9), Ok(vec![]));
    pair.send(Side::A, b"late").expect("the peer notices nothing");
    assert_eq!(pair.recv(Side::B, 9), Ok(b"late".to_vec()));
    let mask = pair.b.tcb.poll_mask();
    assert!(mask.contains(PollEvents::IN | PollEvents::RDHUP | PollEvents::OUT) && !mask.contains(PollEvents::HUP));
}

#[test]
fn write_space_is_announced_only_after_a_full_buffer() {
    let mut pair = Pair::connected();
    pair.a.wakes = Wakes::NONE;
    pair.send(Side::A, &[1; 1000]).expect("room");
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.a.tcb.outq_bytes(), 0);
    assert!(!pair.a.wakes.any());
}

#[test]
fn tcp_notsent_lowat_limits_what_waits() {
    let mut pair = Pair::connected();
    pair.cut();
    pair.a.tcb.options.notsent_lowat = 10_000;
    let mut total = 0;
    while let Ok(sent) = pair.send(Side::A, &[1; 1000]) {
        total += sent;
    }
    let unsent = pair.a.tcb.info().notsent_bytes;
    assert!((10_000..80_000).contains(&unsent), "{unsent} of {total}");
}

#[test]
fn a_peer_that_does_not_read_takes_about_as_much_as_on_linux() {
    // SO_SNDBUF, SO_RCVBUF as read back, the size of a send; what Linux accepted at once and in the end.
    let measured = [
        (16_384, 16_384, 4096, 20_480, 28_672),
        (8192, 8192, 4096, 10_240, 12_288),
        (4608, 2304, 1152, 4032, 5184),
        (131_072, 131_072, 65_536, 159_744, 269_480),
    ];
    for (sndbuf, rcvbuf, size, least, most) in measured {
        let mut pair = Pair::with(loopback(), loopback());
        pair.a.tcb.set_sndbuf(sndbuf);
        pair.b.listener.as_mut().expect("B listens").set_rcvbuf(rcvbuf);
        pair.connect();
        let data = vec![1; size];
        let mut total = 0;
        for _ in 0..20 {
            while let Ok(sent) = pair.send(Side::A, &data) {
                total += sent;
            }
            pair.pass(Duration::from_millis(100));
        }
        assert!((least * 3 / 4..=most * 5 / 4).contains(&total), "{sndbuf} {rcvbuf} {size}: {total}");
    }
}
