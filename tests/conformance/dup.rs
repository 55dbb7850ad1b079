//! `dup(2)`: several descriptors, one open file description.

use crate::conformance;
use crate::support::scene::{listener, pair};
use crate::support::sock::Sock;
use twinsock::{Errno, PollEvents};

conformance! {
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
