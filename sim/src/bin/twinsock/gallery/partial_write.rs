//! Lost partial write. An uploader limits how long a write may wait, and takes every `Ok` of `write` for all of the record.
//!
//! `send(2)` on a blocking socket waits until everything has found room, so the program works, until the reader is slow, the buffer is full and
//! the time is up: what has found room by then is what `send` reports, and the rest was never sent.

use super::{Bug, START, Version};
use std::io::{self, Read, Write};
use std::time::Duration;
use twinsock::net::{Shutdown, TcpListener, TcpStream};
use twinsock::{Clock, SocketApi, option};
use twinsock_sim::Sim;

pub const BUG: Bug =
    Bug { name: "lost-partial-write", what: "an upload takes any Ok of write(2) for the whole record", seeds: 100, check };

mod buggy {
    use super::*;

    pub fn send<A: SocketApi>(mut stream: &TcpStream<A>, record: &[u8]) -> io::Result<()> {
        stream.write(record).map(drop)
    }
}

mod fixed {
    use super::*;

    pub fn send<A: SocketApi>(mut stream: &TcpStream<A>, record: &[u8]) -> io::Result<()> {
        stream.write_all(record)
    }
}

/// How a record is handed to the socket.
type Send<A> = fn(&TcpStream<A>, &[u8]) -> io::Result<()>;

/// Stores a record; `Ok` says that the server has it all, or will.
fn put<A: SocketApi>(api: &A, server: &str, record: &[u8], send: Send<A>) -> io::Result<()> {
    let stream = TcpStream::connect(api, server)?;
    api.set_option(stream.owned(), option::SO_SNDBUF, 16 << 10)?;
    stream.set_write_timeout(Some(Duration::from_millis(500)))?;
    send(&stream, record)?;
    stream.shutdown(Shutdown::Write)
}

/// Takes one record, onto a disk that may stall.
fn store<A: SocketApi + Clock>(api: &A, stall: Duration) -> io::Result<Vec<u8>> {
    let (mut stream, _) = TcpListener::bind(api, "0.0.0.0:80")?.accept()?;
    api.sleep(stall);
    let mut record = Vec::new();
    stream.read_to_end(&mut record)?;
    Ok(record)
}

fn check(sim: &Sim, version: Version) {
    let record = vec![7; *sim.swarm_of("bytes", &[1_000, 50_000, 1_000_000])];
    let stall = *sim.swarm_of("the disk stalls for", &[0, 10, 100, 1_000, 10_000].map(Duration::from_millis));
    let server = sim.host("server").spawn("store", move |net| store(&net, stall));
    sim.run_for(START);
    let sent = record.clone();
    let client = sim.host("client").spawn("upload", move |net| {
        let send = match version {
            Version::Buggy => buggy::send,
            Version::Fixed => fixed::send,
        };
        put(&net, "server:80", &sent, send)
    });
    sim.run_to_end().unwrap();
    let (said, stored) = (client.take().expect("it ended"), server.take().expect("it ended"));
    if said.is_ok() {
        assert_eq!(stored.map(|stored| stored.len()).ok(), Some(record.len()), "what was put is stored");
    }
}
