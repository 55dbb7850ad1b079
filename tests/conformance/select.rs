//! `select(2)`: the classic wait, over the numbers that `fileno` gives.

use crate::conformance;
use crate::support::scene::{fill, pair, small_pair};
use crate::support::sock::{select, select_read};
use std::time::Duration;
use twinsock::JoinThread;

const NOW: Option<Duration> = Some(Duration::ZERO);

conformance! {
    fn a_full_buffer_makes_a_socket_unwritable(env: &E) {
        let (client, _server) = small_pair(env);
        fill(&client);
        assert_eq!(select(&client, NOW), (false, false, false));
    }

    fn select_waits_until_something_happens(env: &E) {
        let (client, server) = pair(env);
        let waiter = env.spawn(move || {
            let read = select_read(&server, None);
            (read, server.recv(9))
        });
        client.send_all(b"x");
        assert_eq!(waiter.join().unwrap(), (true, Ok(b"x".to_vec())));
    }
}
