//! `SO_RCVTIMEO` and `SO_SNDTIMEO`: how long a call waits.

use crate::conformance;
use crate::support::scene::{fill, pair, pattern, small_pair};
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{Errno, JoinThread, MsgFlags, PollEvents};

const SHORT: Duration = Duration::from_millis(20);
const SHORT_MICROS: i64 = 20_000;

conformance! {
    fn so_rcvtimeo_bounds_recv(env: &E) {
        let (client, server) = pair(env);
        server.set_timeout(c::SO_RCVTIMEO, 0, SHORT_MICROS).unwrap();
        let start = env.now();
        assert_eq!(server.recv(1), Err(Errno::AGAIN));
        assert!(env.now().since(start) >= SHORT);
        client.send_all(b"x");
        assert_eq!(server.recv(1), Ok(b"x".to_vec()), "the socket is as good as before");
    }

    fn so_rcvtimeo_does_not_delay_data(env: &E) {
        let (client, server) = pair(env);
        server.set_timeout(c::SO_RCVTIMEO, 1000, 0).unwrap();
        client.send_all(b"x");
        assert_eq!(server.recv(1), Ok(b"x".to_vec()));
        client.close().unwrap();
        assert_eq!(server.recv(1), Ok(vec![]));
    }

    fn so_sndtimeo_bounds_send(env: &E) {
        let (client, server) = small_pair(env);
        client.set_timeout(c::SO_SNDTIMEO, 0, SHORT_MICROS).unwrap();
        let start = env.now();
        let part = client.send(&pattern(1 << 20)).expect("a part fits");
        assert!((1..1 << 20).contains(&part));
        assert!(env.now().since(start) >= SHORT);
        let mut sent = part;
        // Acknowledgements may make a little more room; then nothing fits.
        let errno = loop {
            match client.send(&pattern(1 << 20)[sent..]) {
                Ok(more) => sent += more,
                Err(errno) => break errno,
            }
        };
        assert_eq!(errno, Errno::AGAIN);
        assert_eq!(server.recv_exactly(sent), pattern(sent));
    }

    fn a_timeout_of_zero_is_for_ever(env: &E) {
        let (client, server) = pair(env);
        server.set_timeout(c::SO_RCVTIMEO, 0, SHORT_MICROS).unwrap();
        assert_eq!(server.recv(1), Err(Errno::AGAIN));
        server.set_timeout(c::SO_RCVTIMEO, 0, 0).unwrap();
        let reader = env.spawn(move || server.recv(1));
        client.send_all(b"x");
        assert_eq!(reader.join().unwrap(), Ok(b"x".to_vec()));
    }

    fn socket_timeouts_do_not_bind_poll(env: &E) {
        let (_client, server) = pair(env);
        server.set_timeout(c::SO_RCVTIMEO, 0, 4000).unwrap();
        let start = env.now();
        assert_eq!(server.poll(PollEvents::IN, Some(SHORT)), PollEvents::NONE);
        assert!(env.now().since(start) >= SHORT);
    }

    fn timeouts_do_not_bind_a_nonblocking_call(env: &E) {
        let (client, _server) = small_pair(env);
        client.set_timeout(c::SO_SNDTIMEO, 1000, 0).unwrap();
        client.set_timeout(c::SO_RCVTIMEO, 1000, 0).unwrap();
        fill(&client);
        assert_eq!(client.try_recv(1), Err(Errno::AGAIN));
    }
}
