//! A late reply to another request. A client asks over UDP, asks the next thing when no answer comes in time, and takes what comes first for its answer.
//!
//! Datagrams come late, in another order, twice, or never. A reply has to say which request it belongs to, and whoever reads it has to look.

use super::{Bug, START, Version};
use std::io::{self, ErrorKind};
use std::time::Duration;
use twinsock::SocketApi;
use twinsock::net::UdpSocket;
use twinsock_sim::{Link, Sim};

pub const BUG: Bug =
    Bug { name: "late-reply", what: "a datagram that comes late is taken for the answer to the next request", seeds: 100, check };

mod buggy {
    use super::*;

    /// The answer to a request.
    pub fn answer<A: SocketApi>(socket: &UdpSocket<A>, _number: u8) -> io::Result<u8> {
        let mut reply = [0; 2];
        socket.recv(&mut reply)?;
        Ok(reply[1])
    }
}

mod fixed {
    use super::*;

    /// The answer to a request.
    pub fn answer<A: SocketApi>(socket: &UdpSocket<A>, number: u8) -> io::Result<u8> {
        let mut reply = [0; 2];
        loop {
            socket.recv(&mut reply)?;
            if reply[0] == number {
                return Ok(reply[1]);
            }
        }
    }
}

/// How the answer to a request is found.
type Answer<A> = fn(&UdpSocket<A>, u8) -> io::Result<u8>;

/// Answers requests, a number and a value, by the number and the value's double.
fn serve<A: SocketApi>(api: &A) -> io::Result<()> {
    let (socket, mut request) = (UdpSocket::bind(api, "0.0.0.0:53")?, [0; 2]);
    loop {
        let (_, from) = socket.recv_from(&mut request)?;
        socket.send_to(&[request[0], request[1] * 2], from)?;
    }
}

/// Has values doubled: `None` where no answer came in time.
fn double<A: SocketApi>(api: &A, server: &str, values: &[u8], answer: Answer<A>) -> io::Result<Vec<Option<u8>>> {
    let socket = UdpSocket::bind(api, "0.0.0.0:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut doubled = Vec::new();
    for (number, value) in (0..).zip(values) {
        socket.send(&[number, *value])?;
        doubled.push(match answer(&socket, number) {
            Ok(value) => Some(value),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => return Err(error),
        });
    }
    Ok(doubled)
}

fn check(sim: &Sim, version: Version) {
    sim.default_link(Link::new().delay(Duration::from_millis(1)).jitter(Duration::from_millis(60)));
    sim.host("server").spawn_daemon("server", |net| serve(&net));
    sim.run_for(START);
    sim.host("client").spawn("client", move |net| {
        let answer = match version {
            Version::Buggy => buggy::answer,
            Version::Fixed => fixed::answer,
        };
        let values = [1, 2, 3, 4, 5, 6, 7, 8];
        let doubled = double(&net, "server:53", &values, answer).expect("the server is there");
        for (value, doubled) in values.iter().zip(doubled) {
            assert!(doubled.is_none_or(|doubled| doubled == value * 2), "{value} times two is not {doubled:?}");
        }
    });
}
