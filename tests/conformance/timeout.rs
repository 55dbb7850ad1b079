//! `SO_RCVTIMEO` and `SO_SNDTIMEO`: how long a call waits.

use crate::conformance;
use crate::support::scene::{fill, pair, small_pair};
use twinsock::consts as c;
use twinsock::{Errno, JoinThread};

const SHORT_MICROS: i64 = 20_000;

conformance! {
    fn a_timeout_of_zero_is_for_ever(env: &E) {
        let (client, server) = pair(env);
        server.set_timeout(c::SO_RCVTIMEO, 0, SHORT_MICROS).unwrap();
        assert_eq!(server.recv(1), Err(Errno::AGAIN));
        server.set_timeout(c::SO_RCVTIMEO, 0, 0).unwrap();
        let reader = env.spawn(move || server.recv(1));
        client.send_all(b"x");
        assert_eq!(reader.join().unwrap(), Ok(b"x".to_vec()));
    }

    fn timeouts_do_not_bind_a_nonblocking_call(env: &E) {
        let (client, _server) = small_pair(env);
        client.set_timeout(c::SO_SNDTIMEO, 1000, 0).unwrap();
        client.set_timeout(c::SO_RCVTIMEO, 1000, 0).unwrap();
        fill(&client);
        assert_eq!(client.try_recv(1), Err(Errno::AGAIN));
    }
}
