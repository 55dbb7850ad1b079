//! What waiters and epoll are told.

use super::*;

#[test]
fn a_message_wakes_the_reader_and_its_reading_the_sender() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    f.send(a, b"x").unwrap();
    assert_eq!(f.wakes(b), Wakes { readable: true, ..Wakes::default() });
    f.recv(b, 9).unwrap();
    assert_eq!(f.wakes(a), Wakes { writable: true, ..Wakes::default() }, "though the buffer was never full");
}

#[test]
fn a_sender_is_told_of_memory_at_a_quarter_of_the_buffer() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    f.fill(a, 192);
    f.wakes(a);
    let mut reads = 0;
    while !f.wakes(a).writable {
        f.recv(b, 192).unwrap();
        reads += 1;
    }
    assert_eq!(reads, 278 - 212_992 / 4 / 768);
    assert!(f.poll(a).contains(PollEvents::OUT));
}

#[test]
fn a_shutdown_tells_both_ends_and_a_close_the_peer() {
    let mut f = Fixture::new();
    let state = Wakes { state: true, ..Wakes::default() };
    for kind in [Kind::Stream, Kind::Seqpacket] {
        let (a, b) = f.pair(kind);
        f.space.shutdown(a, Shutdown::Write);
        assert_eq!((f.space.poll_event(), f.space.poll_event()), (Some((a, state)), Some((b, state))));
        f.space.close(a);
        assert_eq!(f.wakes(b), state);
    }
    let (a, b) = f.pair(Kind::Dgram);
    f.space.close(a);
    assert_eq!(f.wakes(b), Wakes::default(), "a datagram socket hears nothing");
}

#[test]
fn a_connection_wakes_the_listener() {
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Stream, "@l", 1);
    f.wakes(listener);
    f.connected(Kind::Stream, "@l");
    assert_eq!(f.wakes(listener), Wakes { readable: true, ..Wakes::default() });
    assert_eq!(f.poll(listener), PollEvents::IN);
}

#[test]
fn a_larger_buffer_is_told() {
    let mut f = Fixture::new();
    let (a, _) = f.pair(Kind::Stream);
    f.space.set_sndbuf(a, 4608);
    f.fill(a, 192);
    f.wakes(a);
    f.space.set_sndbuf(a, 4608);
    assert!(!f.wakes(a).writable);
    f.space.set_sndbuf(a, 100_000);
    assert!(f.wakes(a).writable);
}

#[test]
fn a_message_that_found_nobody_gives_its_memory_back_and_tells() {
    let mut f = Fixture::new();
    let id = f.socket(Kind::Dgram);
    assert_eq!(f.sendto(id, b"x", "@nobody"), Err(Errno::CONNREFUSED));
    assert!(f.wakes(id).writable);
    assert_eq!(f.space.outq_bytes(id), 0);
}
