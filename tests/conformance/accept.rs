//! `accept(2)`: what comes out of the queue, and in which state.

use crate::conformance;
use crate::support::scene::{bound, join, listener_of, reset};
use crate::support::sock::Sock;
use twinsock::{Domain, Errno, PollEvents, Shutdown};

conformance! {
    fn a_connection_that_died_in_the_queue_keeps_its_place(env: &E) {
        let (listener, addr) = listener_of(env, Domain::INET, 0);
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        reset(client);
        let late = Sock::tcp(env);
        late.set_nonblocking(true);
        assert_eq!(late.connect(&addr), Err(Errno::INPROGRESS));
        assert_eq!(late.mask(), PollEvents::NONE);
        assert!(listener.accept().is_ok());
    }

    fn a_shut_down_socket_that_listens_gives_shut_down_connections(env: &E) {
        let (socket, addr) = bound(env, Domain::INET);
        assert_eq!(socket.shutdown(Shutdown::Write), Err(Errno::NOTCONN), "and yet it takes effect");
        socket.listen(1).unwrap();
        let (_client, server) = join(&socket, Sock::tcp(env), &addr);
        assert_eq!(server.send(b"x"), Err(Errno::PIPE));
    }
}
