//! The end: FIN in every state, half-close, RST and what it leaves, TIME-WAIT. The ends' views are those of `close(2)`, `shutdown(2)`.

use super::*;
use twinsock::{Errno, PollEvents, Shutdown};

#[test]
fn four_segments_close_a_connection() {
    let mut pair = Pair::connected();
    pair.close(Side::A);
    assert_eq!(pair.states(), (State::FinWait1, State::CloseWait));
    pair.pass(Duration::from_millis(4));
    assert_eq!(pair.states(), (State::FinWait2, State::CloseWait));
    pair.close(Side::B);
    assert_eq!(pair.dialogue(), ["A FIN", "B ACK", "B FIN", "A ACK"]);
    assert!(pair.a.time_wait.is_some() && pair.b.time_wait.is_none());
    assert!(pair.a.tcb.is_gone() && pair.b.tcb.is_gone());
    assert_eq!(pair.a.time_wait.expect("A closed first").deadline(), pair.now + Duration::from_secs(60));
}

#[test]
fn the_ack_of_a_fin_waits_like_that_of_data() {
    // A tick where there was never data, 40 ms where there was: it may ride on what the peer sends meanwhile.
    for (data, wait_ms) in [(false, 4), (true, 40)] {
        let mut pair = Pair::connected();
        if data {
            pair.send(Side::A, b"x").expect("connected");
        }
        pair.shutdown(Side::A, Shutdown::Write).expect("connected");
        pair.pass(Duration::from_millis(wait_ms - 1));
        assert_eq!(pair.a.tcb.state(), State::FinWait1);
        pair.pass(Duration::from_millis(1));
        assert_eq!(pair.a.tcb.state(), State::FinWait2);
    }
    let mut pair = Pair::connected();
    pair.shutdown(Side::A, Shutdown::Write).expect("connected");
    pair.send(Side::B, b"y").expect("half open");
    assert_eq!(pair.a.tcb.state(), State::FinWait2);
}

#[test]
fn what_msg_more_holds_goes_out_with_what_arrives() {
    let more = SendFlags { more: true, ..SendFlags::default() };
    let mut pair = Pair::connected();
    // The end that connected has not seen a window yet that it could tell the next header from.
    pair.send_flags(Side::A, b"held", more).expect("connected");
    pair.send(Side::B, b"1").expect("connected");
    assert_eq!(pair.recv(Side::B, 9), Ok(b"held".to_vec()));
    // Now it has: data with nothing new in its header pushes nothing, a FIN does.
    pair.send_flags(Side::A, b"more", more).expect("connected");
    pair.send(Side::B, b"2").expect("connected");
    assert_eq!(pair.recv(Side::B, 9), Err(Errno::AGAIN));
    pair.shutdown(Side::B, Shutdown::Write).expect("connected");
    assert_eq!(pair.recv(Side::B, 9), Ok(b"more".to_vec()));
}

#[test]
fn both_ends_may_close_at_once() {
    let mut pair = Pair::connected();
    pair.latency = Duration::from_millis(5);
    let now = pair.now;
    pair.a.tcb.close(now, Linger::None);
    pair.b.tcb.close(now, Linger::None);
    pair.pump();
    pair.step();
    assert_eq!(pair.states(), (State::Closing, State::Closing));
    pair.settle();
    assert!(pair.a.time_wait.is_some() && pair.b.time_wait.is_some());
}

#[test]
fn a_fin_follows_the_data() {
    let mut pair = Pair::connected();
    pair.b.tcb.set_rcvbuf(4096);
    let sent = pair.send(Side::A, &[5; 60_000]).expect("room");
    pair.close(Side::A);
    let mut got = 0;
    loop {
        match pair.recv(Side::B, 1000) {
            Ok(data) if data.is_empty() => break,
            Ok(data) => got += data.len(),
            Err(errno) => {
                assert_eq!(errno, Errno::AGAIN);
                assert!(pair.step(), "{got} of {sent} bytes and nothing happens");
            }
        }
    }
    assert_eq!(got, sent);
    assert!(pair.b.tcb.is_done());
}

#[test]
fn a_lost_fin_is_sent_again_in_every_state() {
    // FIN-WAIT-1, LAST-ACK, CLOSING: the first FIN of each end is lost.
    for (first, second) in [(Side::A, None), (Side::A, Some(Side::B)), (Side::B, Some(Side::A))] {
        let mut pair = Pair::connected();
        let mut lost = [false; 2];
        pair.rule(move |side, segment| {
            let index = usize::from(side == Side::B);
            if segment.control == Control::Fin && !std::mem::replace(&mut lost[index], true) { Fate::Drop } else { Fate::Deliver }
        });
        pair.close(first);
        if let Some(second) = second {
            pair.close(second);
        }
        pair.pass(Duration::from_secs(5));
        if second.is_some() {
            assert!(pair.a.tcb.is_gone() && pair.b.tcb.is_gone());
        } else {
            assert_eq!(pair.states(), (State::FinWait2, State::CloseWait));
        }
    }
}

#[test]
fn a_lost_last_ack_is_sent_again_from_time_wait() {
    let mut pair = Pair::connected();
    pair.close(Side::A);
    pair.rule(|side, _| if side == Side::A { Fate::Drop } else { Fate::Deliver });
    pair.close(Side::B);
    assert_eq!(pair.b.tcb.state(), State::LastAck);
    pair.heal();
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.b.tcb.state(), State::Closed);
    assert_eq!(pair.b.tcb.error(), None);
}

#[test]
fn half_closed_connections_go_on() {
    let mut pair = Pair::connected();
    pair.shutdown(Side::A, Shutdown::Write).expect("connected");
    assert_eq!(pair.states(), (State::FinWait1, State::CloseWait));
    assert_eq!(pair.recv(Side::B, 9), Ok(vec![]));
    pair.send(Side::B, b"still").expect("half open");
    assert_eq!(pair.recv(Side::A, 9), Ok(b"still".to_vec()));
    assert_eq!(pair.send(Side::A, b"x"), Err(Errno::PIPE));
    let mask = pair.b.tcb.poll_mask();
    assert!(mask.contains(PollEvents::IN | PollEvents::OUT | PollEvents::RDHUP) && !mask.contains(PollEvents::HUP));
    pair.pass(Duration::from_secs(300));
    assert_eq!(pair.states(), (State::FinWait2, State::CloseWait));
    pair.close(Side::B);
    assert_eq!(pair.recv(Side::A, 9), Ok(vec![]));
    assert_eq!(pair.a.tcb.state(), State::Closed);
    assert_eq!(pair.a.tcb.shutdown_bits(), crate::tcp::user::ShutdownBits::BOTH);
    assert!(pair.a.time_wait.is_some());
}

#[test]
fn close_with_unread_data_resets() {
    let mut pair = Pair::connected();
    pair.send(Side::A, b"unread").expect("room");
    pair.close(Side::B);
    assert_eq!(pair.states(), (State::Closed, State::Closed));
    assert_eq!(pair.recv(Side::A, 1), Err(Errno::CONNRESET));
    assert_eq!(pair.recv(Side::A, 1), Ok(vec![]));
    assert_eq!(pair.send(Side::A, b"x"), Err(Errno::PIPE));
    assert!(pair.a.time_wait.is_none() && pair.b.time_wait.is_none());
    assert!(pair.b.tcb.is_gone());
}

#[test]
fn data_before_a_reset_stays_readable() {
    let mut pair = Pair::connected();
    pair.send(Side::B, b"kept").expect("room");
    let now = pair.now;
    pair.b.tcb.close(now, Linger::Reset);
    pair.settle();
    let mask = pair.a.tcb.poll_mask();
    assert!(mask.contains(PollEvents::IN | PollEvents::OUT | PollEvents::ERR | PollEvents::HUP | PollEvents::RDHUP));
    assert_eq!(pair.recv(Side::A, 99), Ok(b"kept".to_vec()));
    assert_eq!(pair.recv(Side::A, 99), Err(Errno::CONNRESET));
    assert_eq!(pair.recv(Side::A, 99), Ok(vec![]));
}

#[test]
fn sending_to_a_closed_peer_works_once() {
    let mut pair = Pair::connected();
    pair.send(Side::B, b"bye").expect("room");
    pair.close(Side::B);
    assert_eq!(pair.send(Side::A, b"one"), Ok(3));
    assert_eq!(pair.a.tcb.error(), Some(Errno::PIPE));
    let mask = pair.a.tcb.poll_mask();
    assert!(mask.contains(PollEvents::IN | PollEvents::OUT | PollEvents::ERR | PollEvents::HUP | PollEvents::RDHUP));
    assert_eq!(pair.send(Side::A, b"two"), Err(Errno::PIPE));
    assert_eq!(pair.recv(Side::A, 9), Ok(b"bye".to_vec()));
    assert_eq!(pair.recv(Side::A, 9), Ok(vec![]));
}

#[test]
fn data_for_a_socket_that_is_shut_both_ways_kills_it() {
    let mut pair = Pair::connected();
    pair.send(Side::B, b"early").expect("room");
    pair.shutdown(Side::A, Shutdown::Both).expect("connected");
    assert_eq!(pair.send(Side::B, b"late"), Ok(4));
    assert_eq!(pair.b.tcb.take_error(), Some(Errno::PIPE));
    assert_eq!(pair.a.tcb.error(), Some(Errno::CONNRESET));
    assert_eq!(pair.recv(Side::A, 99), Ok(b"early".to_vec()));
}

#[test]
fn a_closed_socket_in_fin_wait_2_lasts_a_minute() {
    let mut pair = Pair::connected();
    pair.close(Side::A);
    pair.pass(Duration::from_millis(59_900));
    assert_eq!(pair.states(), (State::FinWait2, State::CloseWait));
    pair.pass(Duration::from_millis(200));
    assert!(pair.a.tcb.is_gone());
    assert_eq!(pair.send(Side::B, b"late"), Ok(4));
    assert_eq!(pair.b.tcb.error(), Some(Errno::PIPE));

    let mut pair = Pair::connected();
    pair.a.tcb.options.linger2 = 3;
    pair.close(Side::A);
    pair.pass(Duration::from_millis(3100));
    assert!(pair.a.tcb.is_gone());
}

#[test]
fn disconnect_resets_and_leaves_a_fresh_block() {
    let mut pair = Pair::connected();
    pair.send(Side::B, b"unread").expect("room");
    let now = pair.now;
    pair.a.tcb.disconnect(now);
    pair.settle();
    assert_eq!(pair.b.tcb.error(), Some(Errno::CONNRESET));
    let mask = pair.a.tcb.poll_mask();
    assert_eq!(mask, PollEvents::OUT | PollEvents::WRNORM | PollEvents::ERR | PollEvents::HUP);
    assert_eq!(pair.recv(Side::A, 9), Err(Errno::CONNRESET));
    assert_eq!(pair.recv(Side::A, 9), Err(Errno::NOTCONN));
    assert_eq!(pair.a.tcb.shutdown_bits(), crate::tcp::user::ShutdownBits::default());
    pair.b = End { listener: pair.b.listener.take(), ..End::new(pair.b.config) };
    pair.connect();
}

#[test]
fn a_reset_ends_time_wait_and_a_new_syn_replaces_it() {
    let mut pair = Pair::connected();
    pair.close(Side::B);
    pair.close(Side::A);
    let mut rest = pair.b.time_wait.expect("B closed first");
    let later = pair.now + Duration::from_secs(2);
    let fin =
        pair.log.iter().rfind(|(_, side, segment)| *side == Side::A && segment.control == Control::Fin).expect("A sent a FIN");
    assert!(matches!(rest.handle_segment(later, &fin.2), TimeWaitAction::Reply(_)));
    assert_eq!(rest.deadline(), later + Duration::from_secs(60));
    let mut syn = fin.2.clone();
    syn.control = Control::Syn;
    syn.ack = None;
    syn.seq += 100_000;
    syn.options.timestamps = None;
    assert!(matches!(rest.handle_segment(later, &syn), TimeWaitAction::NewConnection { .. }));
    let mut reset = fin.2.clone();
    reset.control = Control::Rst;
    reset.seq += 1;
    assert_eq!(rest.handle_segment(later, &reset), TimeWaitAction::Gone);
}

#[test]
fn lingering_waits_for_acknowledgments() {
    let mut pair = Pair::connected();
    pair.cut();
    pair.send(Side::A, b"slow").expect("room");
    let now = pair.now;
    pair.a.tcb.close(now, Linger::Wait);
    pair.settle();
    assert!(pair.a.tcb.has_unacked() && !pair.a.tcb.is_gone());
    pair.heal();
    pair.pass(Duration::from_secs(1));
    assert!(!pair.a.tcb.has_unacked());
    assert_eq!(pair.recv(Side::B, 9), Ok(b"slow".to_vec()));
}

#[test]
fn a_peer_that_reboots_answers_with_a_reset() {
    let mut pair = Pair::connected();
    pair.b = End::new(pair.b.config);
    pair.send(Side::A, b"anyone?").expect("room");
    assert_eq!(pair.recv(Side::A, 9), Err(Errno::CONNRESET));
}

#[test]
fn abort_of_an_embryonic_connection_resets_the_client() {
    let mut pair = Pair::new();
    pair.rule(|_, segment| if name(segment) == "ACK" { Fate::Drop } else { Fate::Deliver });
    pair.dial();
    pair.settle();
    pair.heal();
    let now = pair.now;
    pair.b.tcb.abort(now);
    pair.settle();
    assert_eq!(pair.a.tcb.error(), Some(Errno::CONNRESET));
}
