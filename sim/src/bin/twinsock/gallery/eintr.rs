//! `EINTR` not retried. A server reads requests, and takes an interrupted `recv` for the end of the connection.
//!
//! A signal with a handler that was installed without `SA_RESTART`, such as the one that asks for the configuration to be read again, ends the call
//! in which the process waits with `EINTR`: nothing has happened to the connection (`signal(7)`). `Read::read` reports it, as the standard library's does.

use super::{Bug, START, Version};
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Clock, SocketApi};
use twinsock_sim::{Signal, Sim};

pub const BUG: Bug = Bug { name: "eintr-not-retried", what: "a signal while recv(2) waits ends the session", seeds: 100, check };

mod buggy {
    use super::*;

    pub fn receive<A: SocketApi>(mut stream: &TcpStream<A>, into: &mut [u8]) -> io::Result<usize> {
        stream.read(into)
    }
}

mod fixed {
    use super::*;

    pub fn receive<A: SocketApi>(mut stream: &TcpStream<A>, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match stream.read(into) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => return received,
            }
        }
    }
}

/// How bytes are received.
type Receive<A> = fn(&TcpStream<A>, &mut [u8]) -> io::Result<usize>;

/// Answers the requests of one client after the other: each is one byte, and so is the answer.
fn serve<A: SocketApi>(api: &A, receive: Receive<A>) -> io::Result<()> {
    for stream in TcpListener::bind(api, "0.0.0.0:80")?.incoming() {
        let mut stream = stream?;
        let mut request = [0];
        while let Ok(1) = receive(&stream, &mut request) {
            stream.write_all(&[!request[0]])?;
        }
    }
    Ok(())
}

/// Asks five times, and thinks in between.
fn ask<A: SocketApi + Clock>(api: &A, server: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(api, server)?;
    for number in 0..5 {
        api.sleep(Duration::from_millis(20));
        stream.write_all(&[number])?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        assert_eq!(answer, [!number]);
    }
    Ok(())
}

fn check(sim: &Sim, version: Version) {
    let signal = sim.draw("milliseconds until SIGHUP", 200);
    let server = sim.host("server").spawn_daemon("server", move |net| {
        let receive = match version {
            Version::Buggy => buggy::receive,
            Version::Fixed => fixed::receive,
        };
        serve(&net, receive)
    });
    sim.run_for(START);
    sim.host("client").spawn("client", |net| {
        let answered = ask(&net, "server:80");
        assert!(answered.is_ok(), "every request is answered: {answered:?}");
    });
    if signal > 0 {
        sim.run_for(Duration::from_millis(signal.into()));
        server.signal(Signal::Interrupting);
    }
}
