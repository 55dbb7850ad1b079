//! One who has left spoils it for all. A news server writes to one subscriber after the other, and gives up at the first error.
//!
//! Who writes to a connection that the other end has closed is told so by `EPIPE` or `ECONNRESET`. That is news about one subscriber, and no reason
//! not to tell the others.

use super::{Bug, START, Version};
use std::io::{self, Read, Write};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Clock, SocketApi};
use twinsock_sim::Sim;

pub const BUG: Bug =
    Bug { name: "dead-subscriber", what: "EPIPE from one subscriber ends the broadcast to all others", seeds: 100, check };

/// Those who want news.
type Subscribers<A> = Vec<TcpStream<A>>;

mod buggy {
    use super::*;

    pub fn tell_all<A: SocketApi>(subscribers: &mut Subscribers<A>, news: &[u8]) -> io::Result<()> {
        subscribers.iter_mut().try_for_each(|subscriber| subscriber.write_all(news))
    }
}

mod fixed {
    use super::*;

    pub fn tell_all<A: SocketApi>(subscribers: &mut Subscribers<A>, news: &[u8]) -> io::Result<()> {
        subscribers.retain_mut(|subscriber| subscriber.write_all(news).is_ok());
        Ok(())
    }
}

/// How news is told.
type TellAll<A> = fn(&mut Subscribers<A>, &[u8]) -> io::Result<()>;

const SUBSCRIBERS: usize = 3;
const NEWS: [u8; 5] = *b"abcde";

/// Waits for its subscribers, then tells them news, one a second.
fn broadcast<A: SocketApi + Clock>(api: &A, tell_all: TellAll<A>) -> io::Result<()> {
    let listener = TcpListener::bind(api, "0.0.0.0:80")?;
    let mut subscribers: Subscribers<A> = listener.incoming().take(SUBSCRIBERS).collect::<io::Result<_>>()?;
    for news in NEWS {
        api.sleep(Duration::from_secs(1));
        tell_all(&mut subscribers, &[news])?;
    }
    Ok(())
}

fn subscribe<A: SocketApi>(api: &A, server: &str) -> io::Result<Vec<u8>> {
    let (mut stream, mut heard) = (TcpStream::connect(api, server)?, Vec::new());
    stream.read_to_end(&mut heard)?;
    Ok(heard)
}

fn check(sim: &Sim, version: Version) {
    let leaves = sim.draw("seconds until a subscriber is killed", 7);
    sim.host("server").spawn("server", move |net| {
        let tell_all = match version {
            Version::Buggy => buggy::tell_all,
            Version::Fixed => fixed::tell_all,
        };
        broadcast(&net, tell_all).ok()
    });
    sim.run_for(START);
    let host = sim.host("readers");
    let readers = ["first", "second", "third"].map(|name| host.spawn(name, |net| subscribe(&net, "server:80")));
    if leaves > 0 {
        // After the first second, all have subscribed.
        sim.run_for(Duration::from_secs(leaves.into()));
        readers[0].kill();
    }
    sim.run_to_end().unwrap();
    for reader in &readers[1..] {
        let heard = reader.take().expect("it ended").expect("its connection is whole");
        assert_eq!(heard, NEWS, "who stays hears everything");
    }
}
