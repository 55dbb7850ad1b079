//! An aborted connection ends the server. A server takes every error of `accept` for the end of its listener.
//!
//! A client may be gone again before anybody has accepted its connection. `accept(2)` says so with `ECONNABORTED`, and the next one in the queue is waiting
//! already: it is an error of that connection, not of the listener.

use super::{Bug, START, Version};
use std::io::{self, ErrorKind, Read, Write};
use twinsock::SocketApi;
use twinsock::faulty::{Call, Fault, Plan};
use twinsock::net::{TcpListener, TcpStream};
use twinsock_sim::Sim;

pub const BUG: Bug = Bug {
    name: "aborted-accept",
    what: "a connection that is gone before accept(2), and its ECONNABORTED ends the server",
    seeds: 100,
    check,
};

mod buggy {
    use super::*;

    pub fn next<A: SocketApi>(listener: &TcpListener<A>) -> io::Result<TcpStream<A>> {
        listener.accept().map(|(stream, _)| stream)
    }
}

mod fixed {
    use super::*;

    pub fn next<A: SocketApi>(listener: &TcpListener<A>) -> io::Result<TcpStream<A>> {
        loop {
            match listener.accept() {
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                accepted => return accepted.map(|(stream, _)| stream),
            }
        }
    }
}

/// How the next client is had.
type Next<A> = fn(&TcpListener<A>) -> io::Result<TcpStream<A>>;

/// Answers one client after the other.
fn serve<A: SocketApi>(api: &A, next: Next<A>) -> io::Result<()> {
    let listener = TcpListener::bind(api, "0.0.0.0:80")?;
    loop {
        let mut stream = next(&listener)?;
        let mut request = [0; 4];
        if stream.read_exact(&mut request).is_ok() {
            // One that is gone meanwhile is nobody's loss.
            stream.write_all(b"pong").ok();
        }
    }
}

fn ask<A: SocketApi>(api: &A, server: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(api, server)?;
    stream.write_all(b"ping")?;
    stream.read_exact(&mut [0; 4])
}

fn check(sim: &Sim, version: Version) {
    let clients = sim.swarm("clients", 1..=9);
    let server = sim.host("server");
    server.call_faults(Plan::new(0).with(Fault::Econnaborted.rate(1, 20).on(&[Call::Accept4])));
    server.spawn_daemon("server", move |net| {
        let next = match version {
            Version::Buggy => buggy::next,
            Version::Fixed => fixed::next,
        };
        serve(&net, next)
    });
    sim.run_for(START);
    for number in 1..=clients {
        sim.host(&format!("client {number}")).spawn("client", |net| {
            let served = ask(&net, "server:80");
            assert!(served.is_ok(), "every client is served: {served:?}");
        });
    }
}
