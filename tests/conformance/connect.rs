//! `connect(2)`: success, refusal, waiting, and what is left afterwards.

use crate::conformance;
use crate::support::sock::Sock;
use twinsock::consts as c;
use twinsock::{PollEvents, SocketAddr};

conformance! {
    fn connecting_a_fresh_socket_to_unspec_changes_nothing(env: &E) {
        let socket = Sock::tcp(env);
        assert_eq!(socket.connect(&SocketAddr::Unspec), Ok(()));
        assert_eq!(socket.mask(), PollEvents::OUT | PollEvents::HUP);
        assert_eq!(socket.take_error(), None);
    }

    fn connecting_to_unspec_forgets_the_peek_offset(env: &E) {
        let socket = Sock::tcp(env);
        socket.set(c::SOL_SOCKET, c::SO_PEEK_OFF, 5).unwrap();
        assert_eq!(socket.connect(&SocketAddr::Unspec), Ok(()));
        assert_eq!(socket.get(c::SOL_SOCKET, c::SO_PEEK_OFF), Ok(-1));
    }
}
