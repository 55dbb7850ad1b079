//! Ready and not ready. A server waits with `poll` until its socket is readable, and takes it for an error that nothing is there to read.
//!
//! That `poll(2)` and `select(2)` report a descriptor is a hint: what was there may have been thrown away since, or taken by somebody else (`select(2)`, BUGS). A
//! socket that does not block says `EAGAIN` then, and the thing to do is to wait again.

use super::{Bug, START, Version};
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;
use twinsock::faulty::{Call, Fault, Plan};
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Clock, PollEvents, SocketApi};
use twinsock_sim::Sim;

pub const BUG: Bug = Bug {
    name: "spurious-readiness",
    what: "poll(2) says readable, recv(2) finds nothing, and EAGAIN ends the session",
    seeds: 100,
    check,
};

mod buggy {
    use super::*;

    pub fn receive<A: SocketApi>(api: &A, mut stream: &TcpStream<A>, into: &mut [u8]) -> io::Result<usize> {
        wait(api, stream)?;
        stream.read(into)
    }
}

mod fixed {
    use super::*;

    pub fn receive<A: SocketApi>(api: &A, mut stream: &TcpStream<A>, into: &mut [u8]) -> io::Result<usize> {
        loop {
            wait(api, stream)?;
            match stream.read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }
}

/// Waits until there is something to read.
fn wait<A: SocketApi>(api: &A, stream: &TcpStream<A>) -> io::Result<()> {
    api.poll(&mut [api.poll_entry(stream.owned(), PollEvents::IN)], None)?;
    Ok(())
}

/// How bytes are received.
type Receive<A> = fn(&A, &TcpStream<A>, &mut [u8]) -> io::Result<usize>;

/// Answers the requests of one client: each is one byte, and so is the answer.
fn serve<A: SocketApi>(api: &A, receive: Receive<A>) -> io::Result<()> {
    let (mut stream, _) = TcpListener::bind(api, "0.0.0.0:80")?.accept()?;
    stream.set_nonblocking(true)?;
    let mut request = [0];
    while receive(api, &stream, &mut request)? == 1 {
        stream.write_all(&[!request[0]])?;
    }
    Ok(())
}

/// Asks five times, and thinks in between.
fn ask<A: SocketApi + Clock>(api: &A, server: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(api, server)?;
    for number in 0..5 {
        api.sleep(Duration::from_millis(20));
        stream.write_all(&[number])?;
        stream.read_exact(&mut [0])?;
    }
    Ok(())
}

fn check(sim: &Sim, version: Version) {
    let server = sim.host("server");
    server.call_faults(Plan::new(0).with(Fault::Spurious.rate(1, 30).on(&[Call::Poll])));
    server.spawn("server", move |net| {
        let receive = match version {
            Version::Buggy => buggy::receive,
            Version::Fixed => fixed::receive,
        };
        serve(&net, receive).ok()
    });
    sim.run_for(START);
    sim.host("client").spawn("client", |net| {
        let answered = ask(&net, "server:80");
        assert!(answered.is_ok(), "every request is answered: {answered:?}");
    });
}
