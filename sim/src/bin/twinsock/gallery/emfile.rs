//! Unbounded accept under `EMFILE`. A server accepts whoever comes, a thread and a descriptor for each, until there are no descriptors left.
//!
//! `accept(2)` then fails with `EMFILE`, which the buggy version takes for the end: it exits, and takes all sessions with it. The fixed one accepts no more
//! than it has room for; the others wait in the listener's queue, which is what that is for.

use super::{Bug, START, Version};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::sync::{Condvar, Mutex};
use twinsock::{Clock, Env, SocketApi};
use twinsock_sim::Sim;

pub const BUG: Bug =
    Bug { name: "unbounded-accept", what: "one client too many, and accept(2)'s EMFILE ends the server", seeds: 100, check };

/// How many descriptors the server's process may have.
const DESCRIPTORS: u32 = 16;

mod buggy {
    use super::*;

    pub fn serve<A: Env>(api: &A, listener: &TcpListener<A>) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept()?;
            api.spawn(move || session(stream));
        }
    }
}

mod fixed {
    use super::*;

    /// How many sessions there may be at a time: some descriptors are left for other things.
    const SESSIONS: u32 = DESCRIPTORS / 2;

    pub fn serve<A: Env>(api: &A, listener: &TcpListener<A>) -> io::Result<()> {
        let room = Arc::new((Mutex::new(api, SESSIONS), Condvar::new(api)));
        loop {
            *room.1.wait_while(room.0.lock(), |free| *free == 0) -= 1;
            let (stream, _) = listener.accept()?;
            let room = Arc::clone(&room);
            api.spawn(move || {
                session(stream);
                *room.0.lock() += 1;
                room.1.notify_one();
            });
        }
    }
}

/// Answers until the client goes.
fn session<A: SocketApi>(mut stream: TcpStream<A>) {
    let mut request = [0; 4];
    while stream.read_exact(&mut request).is_ok() && stream.write_all(b"pong").is_ok() {}
}

/// Stays for a while, and asks at the beginning and at the end.
fn client<A: SocketApi + Clock>(api: &A, server: &str, stay: Duration) -> io::Result<()> {
    let (mut stream, mut answer) = (TcpStream::connect(api, server)?, [0; 4]);
    for _ in 0..2 {
        stream.write_all(b"ping")?;
        stream.read_exact(&mut answer)?;
        api.sleep(stay);
    }
    Ok(())
}

fn check(sim: &Sim, version: Version) {
    let clients = sim.swarm("clients", 1..=30);
    let stay = Duration::from_millis(sim.swarm("milliseconds they stay", 1..=100).into());
    sim.host("server").process("server").rlimit_nofile(DESCRIPTORS).daemon().spawn(move |net| {
        let listener = TcpListener::bind(&net, "0.0.0.0:80")?;
        match version {
            Version::Buggy => buggy::serve(&net, &listener),
            Version::Fixed => fixed::serve(&net, &listener),
        }
    });
    sim.run_for(START);
    let host = sim.host("clients");
    for number in 1..=clients {
        host.spawn(&format!("client {number}"), move |net| {
            net.sleep(Duration::from_micros(number.into()));
            let served = client(&net, "server:80", stay);
            assert!(served.is_ok(), "every client is served: {served:?}");
        });
    }
}
