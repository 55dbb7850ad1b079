//! Missing timeout. A client asks one of two servers, and would ask the other one if the first failed; but who is cut off does not fail.
//!
//! Once a request has been acknowledged, nothing is left that the client's TCP would have to send, and so nothing by which it could notice: without a limit
//! of its own, `recv(2)` waits for ever.

use super::{Bug, START, Version};
use std::io::{self, Read, Write};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream, ToSocketAddrs};
use twinsock::{Clock, SocketApi};
use twinsock_sim::{Link, Sim};

pub const BUG: Bug = Bug {
    name: "missing-timeout",
    what: "a client waits for ever for the answer of a server that is cut off",
    seeds: 100,
    check,
};

mod buggy {
    use super::*;

    pub fn connect<A: SocketApi + Clock>(api: &A, server: &str) -> io::Result<TcpStream<A>> {
        TcpStream::connect(api, server)
    }
}

mod fixed {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    pub fn connect<A: SocketApi + Clock>(api: &A, server: &str) -> io::Result<TcpStream<A>> {
        let addr = server.to_socket_addrs(api)?.next().ok_or(io::ErrorKind::NotFound)?;
        let stream = TcpStream::connect_timeout(api, &addr, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

/// How a server is reached.
type Connect<A> = fn(&A, &str) -> io::Result<TcpStream<A>>;

/// Answers one byte with one byte, after thinking.
fn serve<A: SocketApi + Clock>(api: &A) -> io::Result<()> {
    for stream in TcpListener::bind(api, "0.0.0.0:80")?.incoming() {
        let (mut stream, mut question) = (stream?, [0]);
        if stream.read_exact(&mut question).is_ok() {
            api.sleep(Duration::from_millis(20));
            stream.write_all(&[!question[0]]).ok();
        }
    }
    Ok(())
}

/// Asks one server after the other, until one answers.
fn ask<A: SocketApi>(api: &A, servers: [&str; 2], question: u8, connect: Connect<A>) -> u8 {
    let ask_one = |server: &str| -> io::Result<u8> {
        let (mut stream, mut answer) = (connect(api, server)?, [0]);
        stream.write_all(&[question])?;
        stream.read_exact(&mut answer)?;
        Ok(answer[0])
    };
    servers.into_iter().cycle().find_map(|server| ask_one(server).ok()).expect("there is always a next server to be asked")
}

fn check(sim: &Sim, version: Version) {
    let cut = sim.draw("milliseconds until the first server is cut off", 200);
    sim.default_link(Link::new().delay(Duration::from_millis(1)));
    let servers = ["one", "two"].map(|name| sim.host(name));
    servers.iter().for_each(|host| drop(host.spawn_daemon("server", |net| serve(&net))));
    sim.run_for(START);
    sim.host("client").spawn("client", move |net| {
        let connect = match version {
            Version::Buggy => buggy::connect,
            Version::Fixed => fixed::connect,
        };
        for question in 0..5 {
            let asked = net.now();
            assert_eq!(ask(&net, ["one:80", "two:80"], question, connect), !question);
            let took = net.now() - asked;
            assert!(took < Duration::from_secs(10), "while a server can be reached, an answer comes soon, not after {took:?}");
        }
    });
    if cut > 0 {
        sim.run_for(Duration::from_millis(cut.into()));
        sim.isolate(&servers[0]);
    }
}
