//! Urgent data, `tcp(7)`.

use super::*;
use twinsock::{Errno, PollEvents};

const OOB: SendFlags = SendFlags { oob: true, more: false, eor: false };
const PEEK: RecvFlags = RecvFlags { peek: true, trunc: false, peek_offset: 0 };

fn with_urgent() -> Pair {
    let mut pair = Pair::connected();
    pair.send(Side::A, b"abc").expect("room");
    pair.send_flags(Side::A, b"dU", OOB).expect("room");
    pair.send(Side::A, b"ef").expect("room");
    pair
}

#[test]
fn the_urgent_byte_is_apart() {
    let mut pair = with_urgent();
    assert!(pair.b.tcb.poll_mask().contains(PollEvents::PRI | PollEvents::IN));
    assert_eq!(pair.b.tcb.readable_bytes(), 4);
    let mut byte = [0];
    assert_eq!((pair.b.tcb.recv_urgent(&mut byte, true), byte), (Ok(1), *b"U"));
    assert_eq!((pair.b.tcb.recv_urgent(&mut byte, false), byte), (Ok(1), *b"U"));
    assert_eq!(pair.b.tcb.recv_urgent(&mut byte, false), Err(Errno::INVAL));
    assert_eq!(pair.recv_flags(Side::B, 99, PEEK), Ok(b"abcd".to_vec()));
    assert_eq!(pair.recv(Side::B, 99), Ok(b"abcd".to_vec()));
    assert!(pair.b.tcb.at_mark());
    assert_eq!(pair.recv(Side::B, 99), Ok(b"ef".to_vec()));
    assert!(!pair.b.tcb.at_mark());
}

#[test]
fn reading_past_the_mark_drops_the_urgent_byte() {
    let mut pair = with_urgent();
    assert_eq!(pair.recv(Side::B, 2), Ok(b"ab".to_vec()));
    assert_eq!(pair.recv(Side::B, 99), Ok(b"cd".to_vec()));
    assert_eq!(pair.recv(Side::B, 99), Ok(b"ef".to_vec()));
    assert_eq!(pair.b.tcb.recv_urgent(&mut [0], false), Err(Errno::INVAL));
    assert!(!pair.b.tcb.poll_mask().contains(PollEvents::PRI));
}

#[test]
fn an_urgent_byte_alone_is_not_readable() {
    let mut pair = Pair::connected();
    pair.send_flags(Side::A, b"U", OOB).expect("room");
    let mask = pair.b.tcb.poll_mask();
    assert!(mask.contains(PollEvents::PRI) && !mask.contains(PollEvents::IN));
    assert_eq!(pair.recv(Side::B, 9), Err(Errno::AGAIN));
    assert_eq!(pair.b.tcb.recv_urgent(&mut [0], false), Err(Errno::INVAL));
}

#[test]
fn a_second_urgent_byte_makes_the_first_ordinary() {
    let mut pair = Pair::connected();
    pair.send_flags(Side::A, b"aU", OOB).expect("room");
    pair.send_flags(Side::A, b"bV", OOB).expect("room");
    assert_eq!(pair.recv(Side::B, 9), Ok(b"aUb".to_vec()));
    let mut byte = [0];
    assert_eq!((pair.b.tcb.recv_urgent(&mut byte, false), byte), (Ok(1), *b"V"));
}

#[test]
fn so_oobinline_keeps_the_byte_in_the_stream() {
    let mut pair = with_urgent();
    pair.b.tcb.options.oobinline = true;
    assert_eq!(pair.b.tcb.recv_urgent(&mut [0], false), Err(Errno::INVAL));
    assert_eq!(pair.recv(Side::B, 99), Ok(b"abcd".to_vec()));
    assert!(pair.b.tcb.at_mark());
    assert_eq!(pair.recv(Side::B, 99), Ok(b"Uef".to_vec()));
}

#[test]
fn an_unread_urgent_byte_resets_at_close() {
    let mut pair = Pair::connected();
    pair.send_flags(Side::A, b"U", OOB).expect("room");
    pair.close(Side::B);
    assert_eq!(pair.a.tcb.error(), Some(Errno::CONNRESET));
}

#[test]
fn no_urgent_data_is_einval_and_after_a_reset_enotconn() {
    let mut pair = Pair::connected();
    assert_eq!(pair.b.tcb.recv_urgent(&mut [0], false), Err(Errno::INVAL));
    pair.send_flags(Side::A, b"U", OOB).expect("room");
    let now = pair.now;
    pair.a.tcb.close(now, Linger::Reset);
    pair.settle();
    assert_eq!(pair.b.tcb.recv_urgent(&mut [0], false), Err(Errno::NOTCONN));
}
