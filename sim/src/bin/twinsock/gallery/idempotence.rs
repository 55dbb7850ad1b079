//! Retry without idempotence. A client that waits too long for an answer sends its deposit again, and the bank books it again.
//!
//! Not to have heard an answer is not to know whether it was done. A request has to have a name of its own, by which the server knows it again.

use super::{Bug, START, Version};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::time::Duration;
use twinsock::SocketApi;
use twinsock::net::{TcpListener, TcpStream};
use twinsock_sim::{Link, Sim};

pub const BUG: Bug =
    Bug { name: "retry-without-idempotence", what: "a deposit whose answer is late is booked twice", seeds: 100, check };

/// The bank's books.
#[derive(Default)]
struct Books {
    balance: u32,
    /// The names of the deposits that were booked.
    booked: BTreeSet<u8>,
}

mod buggy {
    use super::*;

    pub fn book(books: &mut Books, _name: u8, amount: u32) {
        books.balance += amount;
    }
}

mod fixed {
    use super::*;

    pub fn book(books: &mut Books, name: u8, amount: u32) {
        if books.booked.insert(name) {
            books.balance += amount;
        }
    }
}

/// Books deposits, one for each connection: its name and its amount, answered by the balance.
fn bank<A: SocketApi>(api: &A, book: fn(&mut Books, u8, u32)) -> io::Result<()> {
    let mut books = Books::default();
    for stream in TcpListener::bind(api, "0.0.0.0:80")?.incoming() {
        let (mut stream, mut request) = (stream?, [0; 2]);
        if stream.read_exact(&mut request).is_ok() {
            book(&mut books, request[0], request[1].into());
            // Whoever has gone away asks again.
            stream.write_all(&books.balance.to_be_bytes()).ok();
        }
    }
    Ok(())
}

/// Deposits an amount and returns the balance, however often it has to ask.
fn deposit<A: SocketApi>(api: &A, bank: &str, name: u8, amount: u8) -> io::Result<u32> {
    let mut balance = [0; 4];
    loop {
        let mut stream = TcpStream::connect(api, bank)?;
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        stream.write_all(&[name, amount])?;
        match stream.read_exact(&mut balance) {
            Ok(()) => return Ok(u32::from_be_bytes(balance)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn check(sim: &Sim, version: Version) {
    sim.default_link(Link::new().delay(Duration::from_millis(1)).jitter(Duration::from_millis(120)));
    sim.host("bank").spawn_daemon("bank", move |net| {
        let book = match version {
            Version::Buggy => buggy::book,
            Version::Fixed => fixed::book,
        };
        bank(&net, book)
    });
    sim.run_for(START);
    sim.host("client").spawn("client", |net| {
        for number in 1..=5_u8 {
            let balance = deposit(&net, "bank:80", number, 10).expect("the bank answers");
            assert_eq!(balance, u32::from(number) * 10, "every deposit is booked once");
        }
    });
}
