//! Where seqpacket sockets differ from streams, and from datagrams.

use super::*;

#[test]
fn records_are_kept_and_what_does_not_fit_is_lost() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Seqpacket);
    for record in [&b"first"[..], b"", b"second"] {
        f.send(a, record).unwrap();
    }
    assert_eq!(f.space.readable_bytes(b), Ok(11), "FIONREAD counts all records");
    let (data, state) = f.recv_with(b, 3, DONTWAIT).unwrap();
    assert_eq!((data, state.msg_flags), (b"fir".to_vec(), twinsock::MsgFlags::TRUNC));
    assert_eq!(f.recv(b, 9), Ok(Vec::new()), "an empty record looks like the end");
    let (mut room, mut state) = ([0; 3], RecvState::new(false));
    let trunc = RecvFlags { trunc: true, waitall: true, ..BLOCKING };
    assert_eq!(f.step_recv(b, &mut room, trunc, &mut state), Ok(6), "the real length");
    assert_eq!((state.copied, f.recv(b, 9)), (3, Err(Errno::AGAIN)));
}

#[test]
fn a_name_is_ignored_and_urgent_data_unknown() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Seqpacket);
    assert_eq!(f.sendto(a, b"x", "@nobody"), Ok(1));
    let oob = SendFlags { oob: true, nonblocking: true };
    assert_eq!(f.send_with(a, b"x", None, oob), Err(Errno::OPNOTSUPP.into()));
    assert_eq!(f.recv_with(b, 1, RecvFlags { oob: true, ..DONTWAIT }).err(), Some(Errno::OPNOTSUPP));
    assert_eq!(f.space.at_mark(b), Err(Errno::OPNOTSUPP));
}

#[test]
fn unconnected_is_not_connected_for_both_directions() {
    let mut f = Fixture::new();
    let id = f.socket(Kind::Seqpacket);
    assert_eq!((f.recv(id, 1), f.send(id, b"x")), (Err(Errno::NOTCONN), Err(Errno::NOTCONN)));
    assert_eq!(f.poll(id), PollEvents::OUT | PollEvents::HUP);
}

#[test]
fn a_reset_comes_before_queued_data_and_to_a_sender_too() {
    let mut f = Fixture::new();
    for sends in [false, true] {
        let (a, b) = f.pair(Kind::Seqpacket);
        f.send(a, b"data").unwrap();
        f.send(b, b"unread").unwrap();
        f.space.close(a);
        let first = if sends { f.send(b, b"x") } else { f.recv(b, 9).map(|data| data.len()) };
        assert_eq!(first, Err(Errno::CONNRESET));
        assert_eq!(f.recv(b, 9), Ok(b"data".to_vec()));
        assert_eq!(f.recv(b, 9), Ok(Vec::new()), "also for a call that does not wait");
        let plain = SendFlags { oob: false, nonblocking: true };
        assert_eq!(f.send_with(b, b"x", None, plain), Err(Errno::PIPE.into()), "never SIGPIPE");
    }
}

#[test]
fn there_is_no_limit_to_the_number_of_records() {
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Seqpacket, "@l", 1);
    let client = f.connected(Kind::Seqpacket, "@l");
    f.accept(listener).unwrap();
    assert_eq!(f.fill(client, 1), 278);
}
