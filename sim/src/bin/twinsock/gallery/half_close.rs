//! No half-close. A relay copies bytes both ways, and ends both halves of the connection when one has come to its end.
//!
//! `shutdown(2)` with `SHUT_WR` says "I have said everything", and the answer still comes. A relay that makes `SHUT_RDWR` of it cuts off the answer to
//! everybody who asks that way, unless the answer was faster.

use super::{Bug, START, Version};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;
use twinsock::net::{Shutdown, TcpListener, TcpStream};
use twinsock::{Clock, Env, SocketApi};
use twinsock_sim::{Link, Sim};

pub const BUG: Bug =
    Bug { name: "no-half-close", what: "a relay ends both directions when one has come to its end", seeds: 100, check };

mod buggy {
    use super::*;

    pub fn finish<A: SocketApi>(stream: &TcpStream<A>) -> io::Result<()> {
        stream.shutdown(Shutdown::Both)
    }
}

mod fixed {
    use super::*;

    pub fn finish<A: SocketApi>(stream: &TcpStream<A>) -> io::Result<()> {
        stream.shutdown(Shutdown::Write)
    }
}

/// How one who gets no more bytes is told.
type Finish<A> = fn(&TcpStream<A>) -> io::Result<()>;

/// Relays one client's connection to a server.
fn relay<A: Env>(api: &A, server: &str, finish: Finish<A>) -> io::Result<()> {
    let client = Arc::new(TcpListener::bind(api, "0.0.0.0:80")?.accept()?.0);
    let server = Arc::new(TcpStream::connect(api, server)?);
    let copy = move |from: Arc<TcpStream<A>>, to: Arc<TcpStream<A>>| {
        io::copy(&mut &*from, &mut &*to).and_then(|_| finish(&to)).ok();
    };
    let (there, back) = ((client.clone(), server.clone()), (server, client));
    api.spawn(move || copy(there.0, there.1));
    copy(back.0, back.1);
    Ok(())
}

/// Answers a question.
fn answer<A: SocketApi>(api: &A) -> io::Result<()> {
    let (mut stream, _) = TcpListener::bind(api, "0.0.0.0:80")?.accept()?;
    let mut question = [0; 9];
    stream.read_exact(&mut question)?;
    stream.write_all(b"it was six o'clock")
}

/// Asks, and says after a moment that this was all.
fn ask<A: SocketApi + Clock>(api: &A, relay: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(api, relay)?;
    stream.write_all(b"what time")?;
    api.sleep(Duration::from_millis(60));
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn check(sim: &Sim, version: Version) {
    let (client, middle, server) = (sim.host("client"), sim.host("relay"), sim.host("server"));
    sim.link(&middle, &server, Link::new().delay(Duration::from_millis(1)).jitter(Duration::from_millis(20)));
    server.spawn("server", |net| answer(&net).ok());
    middle.spawn("relay", move |net| {
        let finish = match version {
            Version::Buggy => buggy::finish,
            Version::Fixed => fixed::finish,
        };
        relay(&net, "server:80", finish).ok()
    });
    sim.run_for(START);
    client.spawn("client", |net| {
        let heard = ask(&net, "relay:80");
        assert!(heard.as_ref().is_ok_and(|heard| heard == "it was six o'clock"), "who asks is answered: {heard:?}");
    });
}
