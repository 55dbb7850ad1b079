//! Message framing across segments. A log server splits what one `recv` gives into lines, and takes the piece at the end for a line, too.
//!
//! TCP is a stream of bytes: where a `recv` ends says nothing about where a line does. As long as a batch fits into what the network carries at once, the
//! two are the same by accident.

use super::{Bug, START, Version};
use std::io::{self, Read, Write};
use std::time::Duration;
use twinsock::SocketApi;
use twinsock::net::{TcpListener, TcpStream};
use twinsock_sim::{Link, Sim};

pub const BUG: Bug = Bug { name: "framing", what: "a line that comes in two segments is stored as two lines", seeds: 100, check };

mod buggy {
    use super::*;

    /// The lines of a stream.
    pub fn lines<A: SocketApi>(stream: &mut TcpStream<A>) -> io::Result<Vec<String>> {
        let (mut lines, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            let len = stream.read(&mut buffer)?;
            if len == 0 {
                return Ok(lines);
            }
            lines.extend(String::from_utf8_lossy(&buffer[..len]).lines().map(str::to_owned));
        }
    }
}

mod fixed {
    use super::*;
    use std::io::{BufRead, BufReader};

    /// The lines of a stream.
    pub fn lines<A: SocketApi>(stream: &mut TcpStream<A>) -> io::Result<Vec<String>> {
        BufReader::new(stream).lines().collect()
    }
}

/// Sends a batch of lines.
fn ship<A: SocketApi>(api: &A, server: &str, lines: &[String]) -> io::Result<()> {
    TcpStream::connect(api, server)?.write_all(lines.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes())
}

fn check(sim: &Sim, version: Version) {
    let count = sim.swarm("lines", 1..=1_000);
    sim.default_link(Link::new().delay(Duration::from_millis(5)));
    let sent: Vec<String> = (0..count).map(|number| format!("{number}: GET /index.html HTTP/1.1 200 OK")).collect();
    let server = sim.host("server").spawn("logd", move |net| {
        let lines = match version {
            Version::Buggy => buggy::lines,
            Version::Fixed => fixed::lines,
        };
        let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:514")?.accept()?;
        lines(&mut stream)
    });
    sim.run_for(START);
    let batch = sent.clone();
    sim.host("web").spawn("shipper", move |net| ship(&net, "server:514", &batch).expect("the server takes it"));
    sim.run_to_end().unwrap();
    let stored = server.take().expect("it ended").expect("nothing is wrong with the network");
    let wrong = stored.iter().zip(&sent).find(|(stored, sent)| stored != sent);
    assert_eq!(wrong, None, "the lines that were sent are stored");
    assert_eq!(stored.len(), sent.len(), "the lines that were sent are stored");
}
