//! `connect(2)`: success, refusal, waiting, and what is left afterwards.

use crate::conformance;
use crate::support::sock::Sock;
use twinsock::{PollEvents, SocketAddr};

conformance! {
    fn connecting_a_fresh_socket_to_unspec_changes_nothing(env: &E) {
        let socket = Sock::tcp(env);
        assert_eq!(socket.connect(&SocketAddr::Unspec), Ok(()));
        assert_eq!(socket.mask(), PollEvents::OUT | PollEvents::HUP);
        assert_eq!(socket.take_error(), None);
    }
}
