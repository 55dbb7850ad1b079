//! SEMANTICS of urgent data on streams.

use super::*;
use twinsock::MsgFlags;

const OOB: RecvFlags = RecvFlags { oob: true, ..DONTWAIT };

fn send_oob(f: &mut Fixture, id: UnixId, data: &[u8]) -> Result<usize> {
    f.send_with(id, data, None, SendFlags { oob: true, nonblocking: true }).map_err(|failure| failure.errno)
}

#[test]
fn the_last_byte_is_urgent_and_read_out_of_line() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    assert_eq!(send_oob(&mut f, a, b""), Err(Errno::OPNOTSUPP));
    assert_eq!(send_oob(&mut f, a, b"ab!"), Ok(3));
    assert_eq!(f.poll(b), PollEvents::IN | PollEvents::PRI | PollEvents::OUT);
    assert_eq!(f.space.readable_bytes(b), Ok(3), "FIONREAD counts it");
    let peeked = f.recv_oob(b, RecvFlags { peek: true, ..OOB });
    assert_eq!(peeked, Ok((b'!', MsgFlags::OOB)));
    assert_eq!(f.recv_oob(b, OOB), Ok((b'!', MsgFlags::OOB)));
    assert_eq!(f.recv_oob(b, OOB), Err(Errno::INVAL), "once");
    assert_eq!(f.recv(b, 9), Ok(b"ab".to_vec()));
    assert_eq!(f.recv(b, 9), Err(Errno::AGAIN));
}

#[test]
fn a_read_stops_at_the_mark_and_the_next_one_skips_it() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    send_oob(&mut f, a, b"ab!").unwrap();
    f.send(a, b"cd").unwrap();
    assert_eq!((f.space.at_mark(b), f.recv(b, 9)), (Ok(false), Ok(b"ab".to_vec())));
    assert_eq!((f.space.at_mark(b), f.recv(b, 9)), (Ok(true), Ok(b"cd".to_vec())));
    assert_eq!(f.recv_oob(b, OOB), Err(Errno::INVAL));
}

#[test]
fn a_second_urgent_byte_makes_the_first_ordinary() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    send_oob(&mut f, a, b"1").unwrap();
    send_oob(&mut f, a, b"2").unwrap();
    assert_eq!(f.recv(b, 9), Ok(b"1".to_vec()));
    assert_eq!(f.recv_oob(b, OOB), Ok((b'2', MsgFlags::OOB)));
}

#[test]
fn in_line_the_byte_stays_in_the_stream() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    f.space.options_mut(b).oobinline = true;
    send_oob(&mut f, a, b"ab!").unwrap();
    assert_eq!(f.recv_oob(b, OOB), Err(Errno::INVAL));
    assert_eq!((f.recv(b, 9), f.recv(b, 9)), (Ok(b"ab".to_vec()), Ok(b"!".to_vec())));
}

#[test]
fn an_urgent_byte_that_was_read_is_not_unread_data() {
    let mut f = Fixture::new();
    let (a, b) = f.pair(Kind::Stream);
    send_oob(&mut f, a, b"!").unwrap();
    f.recv_oob(b, OOB).unwrap();
    f.space.close(b);
    assert_eq!(f.recv(a, 9), Ok(Vec::new()), "no reset");
    let (a, b) = f.pair(Kind::Stream);
    send_oob(&mut f, a, b"!").unwrap();
    f.space.close(b);
    assert_eq!(f.recv(a, 9), Err(Errno::CONNRESET));
}

impl Fixture {
    fn recv_oob(&mut self, id: UnixId, flags: RecvFlags) -> Result<(u8, MsgFlags)> {
        let (mut room, mut state) = ([0], RecvState::new(false));
        let count = self.step_recv(id, &mut room, flags, &mut state).map_err(|failure| failure.errno)?;
        assert_eq!(count, 1);
        Ok((room[0], state.msg_flags))
    }
}
