//! `dup(2)`: several descriptors, one open file description.

use crate::conformance;
use crate::support::scene::{listener, pair};
use crate::support::sock::Sock;
use twinsock::{Errno, PollEvents, Shutdown};

conformance! {
    fn a_duplicate_is_the_same_socket(env: &E) {
        let (client, server) = pair(env);
        let twin = client.dup();
        assert_ne!(twin.fd(), client.fd());
        assert_eq!(twin.name(), client.name());
        twin.send_all(b"a");
        client.send_all(b"b");
        assert_eq!(server.recv_exactly(2), b"ab");
        server.send_all(b"cd");
        assert_eq!(client.recv(1), Ok(b"c".to_vec()));
        assert_eq!(twin.recv(1), Ok(b"d".to_vec()));
    }

    fn o_nonblock_is_shared(env: &E) {
        let socket = Sock::tcp(env);
        let twin = socket.dup();
        socket.set_nonblocking(true);
        assert_eq!(twin.nonblocking(), Ok(true));
        twin.set_nonblocking(false);
        assert_eq!(socket.nonblocking(), Ok(false));
    }

    fn a_duplicated_listener_goes_on_listening(env: &E) {
        let (listener, addr) = listener(env);
        let twin = listener.dup();
        listener.close().unwrap();
        let client = Sock::tcp(env);
        assert_eq!(client.connect(&addr), Ok(()));
        assert_eq!(twin.accept().unwrap().1, client.name());
        twin.close().unwrap();
        assert_eq!(Sock::tcp(env).connect(&addr), Err(Errno::CONNREFUSED));
    }

    fn both_descriptors_poll_alike(env: &E) {
        let (client, server) = pair(env);
        let twin = server.dup();
        client.send_all(b"x");
        server.expect_mask(PollEvents::IN | PollEvents::OUT);
        assert_eq!(twin.mask(), server.mask());
        twin.recv(1).unwrap();
        assert_eq!(server.mask(), PollEvents::OUT);
    }
}
