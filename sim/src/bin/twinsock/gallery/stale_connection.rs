//! Stale connection. A client keeps its connection to a server for the next request, and the server restarts in between.
//!
//! Nobody tells the client: a machine that loses its power says no goodbye. When it is up again, its kernel answers the next request with a reset, since it knows no such
//! connection. The fixed version takes a failure on a connection that it kept for what it most likely is, and asks once more on a new one, as it may, since
//! to ask twice does no harm here.

use super::{Bug, START, Version};
use std::io::{self, Read, Write};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Clock, Env, SocketApi};
use twinsock_sim::{Host, Link, Sim};

pub const BUG: Bug = Bug {
    name: "stale-connection",
    what: "a request goes out on a connection from before the server's restart",
    seeds: 100,
    check,
};

/// A client, with the connection that it keeps.
struct Client<A: SocketApi> {
    api: A,
    server: &'static str,
    kept: Option<TcpStream<A>>,
}

impl<A: SocketApi> Client<A> {
    fn ask_on(&mut self, mut stream: TcpStream<A>, question: u8) -> io::Result<u8> {
        let mut answer = [0];
        stream.write_all(&[question])?;
        stream.read_exact(&mut answer)?;
        self.kept = Some(stream);
        Ok(answer[0])
    }

    fn ask_anew(&mut self, question: u8) -> io::Result<u8> {
        let stream = TcpStream::connect(&self.api, self.server)?;
        self.ask_on(stream, question)
    }
}

mod buggy {
    use super::*;

    pub fn ask<A: SocketApi>(client: &mut Client<A>, question: u8) -> io::Result<u8> {
        match client.kept.take() {
            Some(stream) => client.ask_on(stream, question),
            None => client.ask_anew(question),
        }
    }
}

mod fixed {
    use super::*;

    pub fn ask<A: SocketApi>(client: &mut Client<A>, question: u8) -> io::Result<u8> {
        match client.kept.take() {
            Some(stream) => client.ask_on(stream, question).or_else(|_| client.ask_anew(question)),
            None => client.ask_anew(question),
        }
    }
}

/// A thread for each connection, which answers bytes by bytes.
fn serve<A: Env>(api: &A) -> io::Result<()> {
    for stream in TcpListener::bind(api, "0.0.0.0:80")?.incoming() {
        let (mut stream, mut question) = (stream?, [0]);
        api.spawn(move || while stream.read_exact(&mut question).is_ok() && stream.write_all(&[!question[0]]).is_ok() {});
    }
    Ok(())
}

fn check(sim: &Sim, version: Version) {
    let crash = sim.draw("seconds until the server loses its power", 30);
    sim.default_link(Link::new().delay(Duration::from_millis(1)));
    let server = sim.host("server");
    server.on_boot(|host: &Host| drop(host.spawn_daemon("server", |net| serve(&net))));
    sim.run_for(START);
    sim.host("client").spawn("client", move |net| {
        let mut client = Client { api: net, server: "server:80", kept: None };
        let ask = match version {
            Version::Buggy => buggy::ask,
            Version::Fixed => fixed::ask,
        };
        for question in 0..3 {
            net.sleep(Duration::from_secs(10));
            let answer = ask(&mut client, question);
            assert!(answer.as_ref().is_ok_and(|answer| *answer == !question), "a server that is up answers: {answer:?}");
        }
    });
    // It is up again long before somebody asks: every tenth second is left alone.
    if !crash.is_multiple_of(10) {
        sim.run_for(Duration::from_secs(crash.into()));
        server.crash();
        sim.run_for(Duration::from_millis(100));
        server.restart();
    }
}
