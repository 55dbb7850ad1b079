//! EOF taken for an error. A collector stores a batch when its sender ends the connection, and throws away what comes over a broken one.
//!
//! `read_exact` cannot tell an end between two records from one in the middle: both are `UnexpectedEof`. So the batch of every sender that just
//! closes, instead of saying that it will, is thrown away.

use super::{Bug, START, Version};
use std::io::{self, ErrorKind, Read, Write};
use twinsock::SocketApi;
use twinsock::net::{TcpListener, TcpStream};
use twinsock_sim::Sim;

pub const BUG: Bug =
    Bug { name: "eof-as-error", what: "a connection that ends between two records counts as broken", seeds: 50, check };

/// The length that says: there are no more.
const GOODBYE: u8 = 0;

mod buggy {
    use super::*;

    /// The length of the next record; `None` at the end.
    pub fn next<A: SocketApi>(mut stream: &TcpStream<A>) -> io::Result<Option<usize>> {
        let mut len = [0];
        stream.read_exact(&mut len)?;
        Ok((len[0] != GOODBYE).then_some(len[0].into()))
    }
}

mod fixed {
    use super::*;

    /// The length of the next record; `None` at the end.
    pub fn next<A: SocketApi>(mut stream: &TcpStream<A>) -> io::Result<Option<usize>> {
        let mut len = [0];
        loop {
            return match stream.read(&mut len) {
                Ok(0) => Ok(None),
                Ok(_) => Ok((len[0] != GOODBYE).then_some(len[0].into())),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }
}

/// How the next record's length is found.
type Next<A> = fn(&TcpStream<A>) -> io::Result<Option<usize>>;

/// One sender's batch.
fn collect<A: SocketApi>(mut stream: &TcpStream<A>, next: Next<A>) -> io::Result<Vec<String>> {
    let mut batch = Vec::new();
    while let Some(len) = next(stream)? {
        let mut record = vec![0; len];
        stream.read_exact(&mut record)?;
        batch.push(String::from_utf8_lossy(&record).into_owned());
    }
    Ok(batch)
}

fn send<A: SocketApi>(api: &A, collector: &str, records: &[String], says_goodbye: bool) -> io::Result<()> {
    let mut stream = TcpStream::connect(api, collector)?;
    for record in records {
        stream.write_all(&[u8::try_from(record.len()).expect("records are short")])?;
        stream.write_all(record.as_bytes())?;
    }
    if says_goodbye { stream.write_all(&[GOODBYE]) } else { Ok(()) }
}

fn check(sim: &Sim, version: Version) {
    let records: Vec<String> = (0..sim.swarm("records", 1..=9)).map(|number| format!("record {number}")).collect();
    let says_goodbye = *sim.swarm_of("the sender says goodbye", &[true, false]);
    let collector = sim.host("collector").spawn("collector", move |net| {
        let next = match version {
            Version::Buggy => buggy::next,
            Version::Fixed => fixed::next,
        };
        let (stream, _) = TcpListener::bind(&net, "0.0.0.0:514")?.accept()?;
        collect(&stream, next)
    });
    sim.run_for(START);
    let sent = records.clone();
    let sender = sim.host("sender").spawn("sender", move |net| send(&net, "collector:514", &sent, says_goodbye));
    sim.run_to_end().unwrap();
    sender.take().expect("it ended").expect("nothing is wrong with the network");
    let stored = collector.take().expect("it ended").unwrap_or_default();
    assert_eq!(stored, records, "what was sent is stored");
}
