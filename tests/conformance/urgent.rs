//! Urgent data: `MSG_OOB`, `SO_OOBINLINE`, `SIOCATMARK`, `POLLPRI`.

use crate::conformance;
use crate::support::scene::pair;
use twinsock::consts as c;
use twinsock::control::RecvControl;
use twinsock::{Errno, MsgFlags, PollEvents};

conformance! {
    fn a_lone_urgent_byte_is_not_readable(env: &E) {
        let (client, server) = pair(env);
        client.send_with(b"!", MsgFlags::OOB).unwrap();
        server.expect_mask(PollEvents::PRI | PollEvents::OUT);
        assert_eq!(server.fionread(), Ok(0));
        assert_eq!(server.recv_with(1, MsgFlags::OOB), Ok(b"!".to_vec()));
    }

    fn msg_peek_leaves_the_urgent_byte(env: &E) {
        let (client, server) = pair(env);
        client.send_with(b"!", MsgFlags::OOB).unwrap();
        server.wait(PollEvents::PRI);
        assert_eq!(server.recv_with(1, MsgFlags::OOB | MsgFlags::PEEK), Ok(b"!".to_vec()));
        assert_eq!(server.recv_with(1, MsgFlags::OOB), Ok(b"!".to_vec()));
    }

    fn a_read_stops_at_the_mark(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"before");
        client.send_with(b"!", MsgFlags::OOB).unwrap();
        client.send_all(b"after");
        server.wait(PollEvents::PRI);
        assert_eq!(server.at_mark(), Ok(false));
        assert_eq!(server.recv(99), Ok(b"before".to_vec()));
        assert_eq!(server.at_mark(), Ok(true));
        assert_eq!(server.recv_exactly(5), b"after");
        assert_eq!(server.recv_with(1, MsgFlags::OOB), Err(Errno::INVAL), "the reader has passed it");
    }

    fn a_second_urgent_byte_makes_the_first_ordinary(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"x");
        client.send_with(b"a", MsgFlags::OOB).unwrap();
        client.send_with(b"b", MsgFlags::OOB).unwrap();
        server.expect_fionread(2);
        assert_eq!(server.recv_with(1, MsgFlags::OOB), Ok(b"b".to_vec()));
        assert_eq!(server.recv(9), Ok(b"xa".to_vec()));
    }

    fn a_second_urgent_byte_displaces_a_first_that_is_next_to_be_read(env: &E) {
        let (client, server) = pair(env);
        client.send_with(b"a", MsgFlags::OOB).unwrap();
        server.wait(PollEvents::PRI);
        client.send_with(b"b", MsgFlags::OOB).unwrap();
        server.wait_for("the second urgent byte", |server| {
            server.recv_with(1, MsgFlags::OOB | MsgFlags::PEEK) == Ok(b"b".to_vec())
        });
        assert_eq!(server.recv_with(1, MsgFlags::OOB), Ok(b"b".to_vec()));
        assert_eq!(server.try_recv(9), Err(Errno::AGAIN));
    }

    fn so_oobinline_leaves_the_byte_in_the_stream(env: &E) {
        let (client, server) = pair(env);
        server.set(c::SOL_SOCKET, c::SO_OOBINLINE, 1).unwrap();
        client.send_all(b"a");
        client.send_with(b"!", MsgFlags::OOB).unwrap();
        client.send_all(b"b");
        server.expect_mask(PollEvents::IN | PollEvents::PRI | PollEvents::OUT);
        assert_eq!(server.recv_with(1, MsgFlags::OOB), Err(Errno::INVAL));
        assert_eq!(server.recv(9), Ok(b"a".to_vec()), "still stops at the mark");
        assert_eq!(server.at_mark(), Ok(true));
        assert_eq!(server.recv_exactly(2), b"!b");
    }

    fn an_unread_urgent_byte_is_unread_data(env: &E) {
        let (client, server) = pair(env);
        client.send_with(b"!", MsgFlags::OOB).unwrap();
        server.wait(PollEvents::PRI);
        server.close().unwrap();
        assert_eq!(client.recv(1), Err(Errno::CONNRESET));
    }

    fn an_urgent_byte_without_room_is_taken_and_truncated(env: &E) {
        let (client, server) = pair(env);
        client.send_with(b"!", MsgFlags::OOB).unwrap();
        server.wait(PollEvents::PRI);
        let (data, received) = server.recv_message(0, &mut RecvControl::new(0), MsgFlags::OOB).unwrap();
        let flags = received.flags.without(MsgFlags::CMSG_CLOEXEC);
        assert_eq!((data, flags), (vec![], MsgFlags::OOB | MsgFlags::TRUNC));
        assert_eq!(server.recv_with(1, MsgFlags::OOB), Err(Errno::INVAL), "it is gone");
    }
}
