//! Control messages as bytes, and credentials.

use super::*;
use twinsock::control::{Credentials, SendControl};

fn message(kind: i32, ints: &[i32]) -> Vec<u8> {
    let data: Vec<u8> = ints.iter().flat_map(|int| int.to_ne_bytes()).collect();
    let mut bytes = (16 + data.len()).to_ne_bytes().to_vec();
    bytes.extend(twinsock::consts::SOL_SOCKET.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// Parses with descriptors 3 to 9 open and processes 100, 200 and 300 there.
fn parse(control: &[u8], caller: &Caller) -> std::result::Result<Ancillary<u32>, (Errno, Vec<u32>)> {
    let open = |fd| u32::try_from(fd).ok().filter(|fd| (3..10).contains(fd));
    parse_control(control, caller, |pid| [100, 200, 300].contains(&pid), open)
}

#[test]
fn rights_are_taken_and_given_back_after_an_error() {
    let both = [message(1, &[3, 4]), message(1, &[5])].concat();
    assert_eq!(parse(&both, &ROOT).unwrap().rights, [3, 4, 5]);
    assert!(parse(&message(1, &[]), &ROOT).unwrap().rights.is_empty());
    assert_eq!(parse(&message(1, &[3, 99]), &ROOT).unwrap_err(), (Errno::BADF, vec![3]));
    assert_eq!(parse(&message(1, &[-1]), &ROOT).unwrap_err(), (Errno::BADF, vec![]));
    assert_eq!(parse(&message(1, &[3; 254]), &ROOT).unwrap_err().0, Errno::INVAL);
    assert_eq!(parse(&message(1, &[3; 253]), &ROOT).unwrap().rights.len(), 253);
}

#[test]
fn unknown_messages_are_invalid_at_the_socket_level_and_ignored_elsewhere() {
    assert_eq!(parse(&message(99, &[0]), &ROOT).unwrap_err().0, Errno::INVAL);
    let mut other = SendControl::<()>::new();
    other.ttl(3);
    assert!(parse(other.as_bytes(), &ROOT).is_ok());
    let mut long = message(1, &[3]);
    long[0] = 200;
    assert_eq!(parse(&long, &ROOT).unwrap_err().0, Errno::INVAL, "longer than the buffer");
    long[0] = 3;
    assert_eq!(parse(&long, &ROOT).unwrap_err().0, Errno::INVAL, "shorter than a header");
    assert!(parse(&long[..15], &ROOT).is_ok(), "less than a header is nothing");
}

#[test]
fn root_may_claim_any_process_and_others_the_truth() {
    let claim = |ids: &[i32], caller| parse(&message(2, ids), caller).map(|parsed| parsed.credentials).map_err(|error| error.0);
    assert_eq!(claim(&[300, 5, 6], &ROOT), Ok(Some(Credentials { pid: 300, uid: 5, gid: 6 })));
    assert_eq!(claim(&[301, 0, 0], &ROOT), Err(Errno::SRCH));
    assert_eq!(claim(&[100, -1, 0], &ROOT), Err(Errno::INVAL));
    assert_eq!(claim(&[100, 0], &ROOT), Err(Errno::INVAL));
    assert_eq!(claim(&[200, 1000, 1000], &USER), Ok(Some(USER.credentials())));
    assert_eq!(claim(&[200, 0, 1000], &USER), Err(Errno::PERM));
    assert_eq!(claim(&[100, 1000, 1000], &USER), Err(Errno::PERM));
}

#[test]
fn a_socket_that_wants_credentials_gets_those_of_the_time_of_sending() {
    let mut f = Fixture::new();
    for kind in [Kind::Stream, Kind::Dgram, Kind::Seqpacket] {
        let (a, b) = f.pair(kind);
        f.send(a, b"before").unwrap();
        f.space.options_mut(b).passcred = true;
        f.send(a, b"after").unwrap();
        let nobody = Credentials { pid: 0, uid: 65_534, gid: 65_534 };
        let (data, state) = f.recv_with(b, 99, DONTWAIT).unwrap();
        assert_eq!((data, state.credentials), (b"before".to_vec(), Some(nobody)), "other writers' bytes are not joined");
        assert_eq!(f.recv_with(b, 99, DONTWAIT).unwrap().1.credentials, Some(ROOT.credentials()));
    }
    let (a, b) = f.pair(Kind::Stream);
    f.space.options_mut(b).passcred = true;
    f.space.close(a);
    let end = f.recv_with(b, 9, DONTWAIT).unwrap().1.credentials;
    assert_eq!(end, Some(Credentials { pid: 0, uid: 0, gid: 0 }), "there is a message at the end, too");
}

#[test]
fn bytes_sent_before_accept_know_their_sender() {
    let mut f = Fixture::new();
    let listener = f.listener(Kind::Stream, "@l", 1);
    let client = f.connected(Kind::Stream, "@l");
    f.send(client, b"x").unwrap();
    let server = f.accept(listener).unwrap();
    f.space.options_mut(server).passcred = true;
    assert_eq!(f.recv_with(server, 9, DONTWAIT).unwrap().1.credentials, Some(ROOT.credentials()));
}

#[test]
fn what_does_not_fit_is_cut_and_said() {
    let state = || {
        let mut state = RecvState::<u32>::new(false);
        state.credentials = Some(USER.credentials());
        state.rights = vec![3, 4, 5];
        state
    };
    for (room, len, truncated, left) in
        [(0, 0, true, 3), (16, 16, true, 3), (28, 28, true, 3), (56, 56, true, 1), (64, 64, false, 0)]
    {
        let (mut control, mut state) = (vec![0; room], state());
        let stored = store_control(&mut control, &mut state, |right| i32::try_from(right).ok());
        assert_eq!((stored, state.rights.len()), (Stored { len, truncated }, left), "{room} bytes");
    }
    let (mut control, mut state) = ([0; 99], state());
    let stored = store_control(&mut control, &mut state, |right| (right == 3).then_some(10));
    assert_eq!((stored, state.rights), (Stored { len: 32 + 24, truncated: true }, vec![4, 5]), "the table is full");
    let expected = [message(2, &[200, 1000, 1000]), message(1, &[10])].concat();
    assert_eq!(control[..stored.len], expected);
}
