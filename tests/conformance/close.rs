//! `close(2)`: the end by FIN, the end by RST, and lingering.

use crate::conformance;
use crate::support::scene::pair;
use twinsock::{Errno, PollEvents, Shutdown};

conformance! {
    fn an_unread_end_is_not_unread_data(env: &E) {
        let (client, server) = pair(env);
        client.shutdown(Shutdown::Write).unwrap();
        server.wait(PollEvents::RDHUP);
        server.close().unwrap();
        assert_eq!(client.recv(1), Ok(vec![]));
        assert_eq!(client.take_error(), None);
    }

    fn close_with_unread_data_after_shutting_down_writing_ends_then_resets(env: &E) {
        let (client, server) = pair(env);
        client.send_all(b"unread");
        server.wait(PollEvents::IN);
        server.shutdown(Shutdown::Write).unwrap();
        server.close().unwrap();
        assert_eq!(client.recv(1), Ok(vec![]));
        client.wait(PollEvents::HUP);
        assert_eq!(client.send(b"x"), Err(Errno::PIPE));
    }

    fn a_linger_waits_until_the_data_is_delivered(env: &E) {
        let (client, server) = pair(env);
        client.set_linger(1, 20).unwrap();
        client.send_all(b"x");
        assert_eq!(client.close(), Ok(()));
        assert_eq!(server.recv_to_end(), b"x");
    }
}
