//! `O_NONBLOCK`: a property of the open file description, for every call on it.

use crate::conformance;
use crate::support::scene::{FAMILIES, fill, pair};
use crate::support::sock::Sock;
use twinsock::{Errno, JoinThread};

conformance! {
    fn o_nonblock_can_be_set_and_cleared(env: &E) {
        for family in FAMILIES {
            let socket = Sock::tcp_of(env, family);
            assert_eq!(socket.nonblocking(), Ok(false));
            socket.set_nonblocking(true);
            assert_eq!(socket.nonblocking(), Ok(true));
            socket.set_nonblocking(false);
            assert_eq!(socket.nonblocking(), Ok(false));
        }
    }

    fn blocking_calls_return_to_blocking(env: &E) {
        let (client, server) = pair(env);
        server.set_nonblocking(true);
        assert_eq!(server.recv(1), Err(Errno::AGAIN));
        server.set_nonblocking(false);
        let reader = env.spawn(move || server.recv(1));
        client.send_all(b"x");
        assert_eq!(reader.join().unwrap(), Ok(b"x".to_vec()));
    }

    fn o_nonblock_is_not_the_peers_business(env: &E) {
        let (client, server) = pair(env);
        client.set_nonblocking(true);
        assert_eq!(server.nonblocking(), Ok(false));
    }

    fn what_a_nonblocking_sender_queued_arrives(env: &E) {
        let (client, server) = pair(env);
        let sent = fill(&client);
        client.close().unwrap();
        assert!(server.recv_to_end() == sent, "no byte is lost, changed or made up");
    }
}
