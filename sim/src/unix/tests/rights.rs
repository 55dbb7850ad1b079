//! Descriptors in flight. A descriptor is a number here; a socket's number is its file's.

use super::*;

fn dropped(f: &mut Fixture) -> Vec<u32> {
    std::iter::from_fn(|| f.space.poll_dropped()).collect()
}

#[test]
fn they_come_with_the_first_byte_of_their_message_and_end_the_read() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    f.send(a, b"plain").unwrap();
    f.send_rights(a, b"with", &[7, 8]).unwrap();
    f.send(a, b"more").unwrap();
    assert_eq!(f.space.rights_in_flight(), 2);
    let (data, state) = f.recv_with(b, 99, DONTWAIT).unwrap();
    assert_eq!((data, state.rights), (b"plainwith".to_vec(), vec![7, 8]));
    assert_eq!(f.space.rights_in_flight(), 0);
    assert_eq!(f.recv(b, 99), Ok(b"more".to_vec()));
}

#[test]
fn a_short_read_takes_them_all_the_same() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    f.send_rights(a, b"with", &[7]).unwrap();
    assert_eq!(f.recv_with(b, 1, DONTWAIT).unwrap().1.rights, [7]);
    assert!(f.recv_with(b, 9, DONTWAIT).unwrap().1.rights.is_empty());
}

#[test]
fn a_peek_duplicates_them() {
    let mut f = Fixture::new();
    for kind in [Kind::Stream, Kind::Dgram, Kind::Seqpacket] {
        let (a, b) = f.pair(kind);
        f.send_rights(a, b"x", &[7]).unwrap();
        let state = f.recv_with(b, 9, PEEK).unwrap().1;
        assert_eq!((state.rights, state.rights_peeked), (vec![7], true));
        let state = f.recv_with(b, 9, DONTWAIT).unwrap().1;
        assert_eq!((state.rights, state.rights_peeked), (vec![7], false));
    }
}

#[test]
fn nothing_is_sent_with_no_bytes_of_a_stream_but_an_empty_message_is_one() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    assert_eq!(f.send_rights(a, b"", &[7]), Ok(0));
    assert_eq!((f.recv(b, 9), f.space.rights_in_flight()), (Err(Errno::AGAIN), 0));
    let (a, b) = f.pair(Kind::Dgram);
    let mut state = SendState::new(Ancillary { rights: vec![7], credentials: None });
    let flags = SendFlags { oob: false, nonblocking: true };
    assert_eq!(f.step_send(a, b"", None, flags, &mut state), Ok(0));
    assert_eq!(f.recv_with(b, 9, DONTWAIT).unwrap().1.rights, [7]);
}

#[test]
fn a_queue_that_goes_drops_them() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Seqpacket);
    f.send_rights(a, b"x", &[7]).unwrap();
    f.send_rights(a, b"y", &[8, 9]).unwrap();
    f.space.close(b);
    let mut lost = dropped(&mut f);
    lost.sort_unstable();
    assert_eq!((lost, f.space.rights_in_flight()), (vec![7, 8, 9], 0));
}

#[test]
fn a_socket_that_takes_none_is_not_sent_any() {
    let mut f = Fixture::new();
    for kind in [Kind::Stream, Kind::Dgram] {
        let (a, b) = f.pair(kind);
        f.space.options_mut(b).passrights = false;
        assert_eq!(f.send_rights(a, b"x", &[7]), Err(Errno::PERM));
        assert_eq!(f.send(a, b"x"), Ok(1));
    }
}

/// Files as a host counts them: of each socket, how many references there are.
fn collect(f: &mut Fixture, files: &[(UnixId, usize)]) -> Vec<u32> {
    let file_of = |right: u32| files.iter().copied().find(|(id, _)| id.number() == right);
    f.space.collect_garbage(file_of);
    dropped(f)
}

#[test]
fn a_socket_in_its_own_queue_is_garbage_once_nobody_else_has_it() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Dgram);
    f.send_rights(a, b"b in b", &[b.number()]).unwrap();
    let closed = f.socket(Kind::Stream);
    f.space.close(closed);
    assert!(collect(&mut f, &[(b, 2)]).is_empty(), "a process has it too");
    assert!(collect(&mut f, &[(b, 1)]).is_empty(), "nobody looks before a socket is freed");
    let closed = f.socket(Kind::Stream);
    f.space.close(closed);
    assert_eq!(collect(&mut f, &[(b, 1)]), [b.number()]);
}

#[test]
fn a_cycle_through_an_unaccepted_connection_is_found() {
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Stream, "@l", 1);
    let client = f.connected(Kind::Stream, "@l");
    f.send_rights(client, b"the listener in its own backlog", &[listener.number()]).unwrap();
    let files = [(listener, 1)];
    let (a, b) = f.pair(Kind::Stream);
    f.send_rights(a, b"held by somebody", &[listener.number()]).unwrap();
    f.space.close(a);
    assert!(collect(&mut f, &[(listener, 2)]).is_empty(), "b can still receive it");
    f.space.close(b);
    assert_eq!(dropped(&mut f), [listener.number()]);
    assert_eq!(collect(&mut f, &files), [listener.number()]);
}

#[test]
fn what_hangs_on_a_cycle_is_let_go_by_it() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Dgram);
    let (c, d) = f.pair(Kind::Dgram);
    f.send_rights(a, b"b and d in b", &[b.number(), d.number()]).unwrap();
    f.send(c, b"unread").unwrap();
    let closed = f.socket(Kind::Stream);
    f.space.close(closed);
    let mut lost = collect(&mut f, &[(b, 1), (d, 1)]);
    lost.sort_unstable();
    assert_eq!(lost, [b.number(), d.number()]);
    assert_eq!(f.space.readable_bytes(d), Ok(6), "only the cycle is emptied; the rest is closed by its host");
}
