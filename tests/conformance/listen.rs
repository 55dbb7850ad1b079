//! `listen(2)`: the queue of connections, and the life of a listener.

use crate::conformance;
use crate::support::scene::listener;
use crate::support::sock::Sock;
use twinsock::PollEvents;
use twinsock::consts as c;

conformance! {
    fn tcp_defer_accept_holds_a_connection_until_it_says_something(env: &E) {
        let (listener, addr) = listener(env);
        listener.set(c::IPPROTO_TCP, c::TCP_DEFER_ACCEPT, 5).unwrap();
        let client = Sock::tcp(env);
        client.connect(&addr).unwrap();
        assert_eq!(listener.mask(), PollEvents::NONE);
        client.send_all(b"x");
        listener.expect_mask(PollEvents::IN);
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
    }

    fn so_reuseport_chooses_one_of_the_listeners(env: &E) {
        let first = Sock::tcp(env);
        first.set(c::SOL_SOCKET, c::SO_REUSEPORT, 1).unwrap();
        first.bind(&crate::support::scene::own_addr(0)).unwrap();
        first.listen(64).unwrap();
        let second = Sock::tcp(env);
        second.set(c::SOL_SOCKET, c::SO_REUSEPORT, 1).unwrap();
        second.bind(&first.name()).unwrap();
        second.listen(64).unwrap();
        let clients: Vec<_> = (0..32).map(|_| Sock::tcp(env)).collect();
        for client in &clients {
            client.connect(&first.name()).unwrap();
        }
        let mut admitted = 0;
        for listener in [&first, &second] {
            listener.set_nonblocking(true);
            while listener.accept().is_ok() {
                admitted += 1;
            }
        }
        assert_eq!(admitted, clients.len(), "every connection waits at exactly one of them");
    }
}
