//! Segments that do not belong: RFC 9293 section 3.10.7, RFC 5961, RFC 7323 section 5.

use super::*;
use crate::packet::SeqNumber;
use crate::tcp::{ListenVerdict, segment_for_listener};

/// A segment of A as it would be now.
fn genuine(pair: &mut Pair) -> Segment {
    pair.send(Side::A, b"x").expect("room");
    pair.recv(Side::B, 9).expect("data");
    let (_, _, mut segment) =
        pair.log.iter().rfind(|(_, side, segment)| *side == Side::A && is_data(segment)).expect("sent").clone();
    segment.seq += 1;
    segment.payload = Payload::EMPTY;
    segment.control = Control::None;
    segment
}

/// B gets `segment`; what it answers.
fn answer(pair: &mut Pair, segment: Segment) -> Vec<String> {
    pair.log.clear();
    let now = pair.now;
    pair.b.tcb.handle_segment(now, segment);
    pair.drain();
    pair.dialogue()
}

#[test]
fn only_the_exact_number_resets() {
    let mut pair = Pair::connected();
    let mut reset = genuine(&mut pair);
    reset.control = Control::Rst;
    reset.seq += 1;
    assert_eq!(answer(&mut pair, reset.clone()), ["B ACK"]);
    assert_eq!(pair.b.tcb.state(), State::Established);
    let mut outside = reset.clone();
    outside.seq += 10_000_000;
    assert!(answer(&mut pair, outside).is_empty());
    reset.seq = SeqNumber::new(reset.seq.value() - 1);
    assert!(answer(&mut pair, reset).is_empty());
    assert_eq!(pair.b.tcb.error(), Some(twinsock::Errno::CONNRESET));
}

#[test]
fn a_syn_in_the_window_is_challenged_twice_a_second() {
    let mut pair = Pair::connected();
    let mut syn = genuine(&mut pair);
    syn.control = Control::Syn;
    syn.ack = None;
    assert_eq!(answer(&mut pair, syn.clone()), ["B ACK"]);
    assert!(answer(&mut pair, syn.clone()).is_empty());
    pair.now += Duration::from_millis(500);
    assert_eq!(answer(&mut pair, syn), ["B ACK"]);
    assert_eq!(pair.b.tcb.state(), State::Established);
}

#[test]
fn an_ack_of_what_was_not_sent_is_challenged() {
    let mut pair = Pair::connected();
    let mut forged = genuine(&mut pair);
    forged.ack = forged.ack.map(|ack| ack + 1000);
    forged.payload = Payload::copy_of(b"forged");
    assert_eq!(answer(&mut pair, forged), ["B ACK"]);
    assert_eq!(pair.b.tcb.readable_bytes(), 0);
}

#[test]
fn an_ack_from_far_back_is_challenged() {
    let mut pair = Pair::connected();
    let mut forged = genuine(&mut pair);
    forged.ack = forged.ack.map(|ack| SeqNumber::new(ack.value().wrapping_sub(100_000_000)));
    forged.payload = Payload::copy_of(b"forged");
    assert_eq!(answer(&mut pair, forged), ["B ACK"]);
    assert_eq!(pair.b.tcb.readable_bytes(), 0);
}

#[test]
fn an_old_timestamp_is_not_accepted() {
    let mut pair = Pair::connected();
    pair.pass(Duration::from_secs(1));
    let mut old = genuine(&mut pair);
    let timestamps = old.options.timestamps.as_mut().expect("timestamps are on");
    timestamps.value -= 500;
    old.payload = Payload::copy_of(b"old");
    assert_eq!(answer(&mut pair, old), ["B ACK"]);
    assert_eq!(pair.b.tcb.readable_bytes(), 0);
}

#[test]
fn data_beyond_the_window_is_cut_off() {
    let mut pair = Pair::connected();
    let mut large = genuine(&mut pair);
    let window = pair.b.tcb.info().rcv_wnd;
    large.seq += window - 10;
    large.payload = Payload::copy_of(&[1; 100]);
    assert_eq!(answer(&mut pair, large), ["B ACK"]);
    assert_eq!(pair.b.tcb.readable_bytes(), 0);
}

#[test]
fn a_segment_without_ack_is_dropped() {
    let mut pair = Pair::connected();
    let mut bare = genuine(&mut pair);
    bare.ack = None;
    bare.payload = Payload::copy_of(b"no ack");
    assert!(answer(&mut pair, bare).is_empty());
    assert_eq!(pair.b.tcb.readable_bytes(), 0);
}

#[test]
fn a_wrong_ack_in_the_handshake_draws_a_reset() {
    let mut pair = Pair::new();
    pair.cut();
    pair.dial();
    let mut wrong = pair.log[0].2.clone();
    (wrong.src_port, wrong.dst_port) = (80, 1000);
    wrong.ack = Some(wrong.seq + 77);
    let now = pair.now;
    pair.a.tcb.handle_segment(now, wrong);
    let reset = pair.a.tcb.poll_transmit(now).expect("a RST");
    assert_eq!((reset.control, reset.seq, reset.ack), (Control::Rst, SeqNumber::new(5077), None));
    assert_eq!(pair.a.tcb.state(), State::SynSent);
}

#[test]
fn listeners_answer_acks_with_resets_and_ignore_resets() {
    let mut pair = Pair::connected();
    let mut segment = genuine(&mut pair);
    assert!(matches!(segment_for_listener(&segment), ListenVerdict::Reply(_)));
    segment.control = Control::Rst;
    assert_eq!(segment_for_listener(&segment), ListenVerdict::Ignore);
    segment.control = Control::Syn;
    segment.ack = None;
    assert_eq!(segment_for_listener(&segment), ListenVerdict::Syn);
}

#[test]
fn no_connection_no_answer_to_a_reset() {
    let mut pair = Pair::connected();
    let mut segment = genuine(&mut pair);
    segment.ack = None;
    segment.payload = Payload::copy_of(b"12345");
    let reset = reply_to_closed(&segment).expect("a RST");
    assert_eq!((reset.seq.value(), reset.ack), (0, Some(segment.seq + 5)));
    assert_eq!(reply_to_closed(&reset), None);
}
