//! Close with unread input. A server refuses an upload that is too large and closes, while the upload is still coming in.
//!
//! `close(2)` with input that nobody read sends a reset, not an end (RFC 1122 section 4.2.2.13; Linux does so), and the reset may overtake the refusal:
//! the client hears `ECONNRESET`, and not why. The fixed version ends its half, reads on for a while, and closes then.

use super::{Bug, START, Version};
use std::io::{self, Read, Write};
use std::time::Duration;
use twinsock::SocketApi;
use twinsock::net::{Shutdown, TcpListener, TcpStream};
use twinsock_sim::{Link, Sim};

pub const BUG: Bug = Bug {
    name: "close-with-unread-input",
    what: "a refusal is lost, since close(2) with unread input is a reset",
    seeds: 100,
    check,
};

mod buggy {
    use super::*;

    pub fn end<A: SocketApi>(stream: TcpStream<A>) -> io::Result<()> {
        drop(stream);
        Ok(())
    }
}

mod fixed {
    use super::*;

    /// How long and how much is read on.
    const LINGER: Duration = Duration::from_secs(2);
    const LINGER_BYTES: u64 = 1 << 20;

    pub fn end<A: SocketApi>(stream: TcpStream<A>) -> io::Result<()> {
        stream.shutdown(Shutdown::Write)?;
        stream.set_read_timeout(Some(LINGER))?;
        io::copy(&mut (&stream).take(LINGER_BYTES), &mut io::sink()).map(drop)
    }
}

/// The largest upload, in bytes.
const UPLOAD_MAX: u32 = 10_000;

/// Takes one upload: its length, then its bytes.
fn serve<A: SocketApi>(api: &A, end: fn(TcpStream<A>) -> io::Result<()>) -> io::Result<()> {
    let (mut stream, _) = TcpListener::bind(api, "0.0.0.0:80")?.accept()?;
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let len = u32::from_be_bytes(len);
    if len > UPLOAD_MAX {
        stream.write_all(b"413 too large")?;
    } else {
        io::copy(&mut (&stream).take(len.into()), &mut io::sink())?;
        stream.write_all(b"200 thank you")?;
    }
    end(stream)
}

fn upload<A: SocketApi>(api: &A, server: &str, bytes: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(api, server)?;
    stream.write_all(&u32::try_from(bytes.len()).expect("an upload is below 4 GiB").to_be_bytes())?;
    stream.write_all(bytes)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn check(sim: &Sim, version: Version) {
    let bytes = sim.swarm("bytes", 1..=100_000);
    sim.default_link(Link::new().delay(Duration::from_millis(1)).jitter(Duration::from_millis(5)));
    sim.host("server").spawn("server", move |net| {
        let end = match version {
            Version::Buggy => buggy::end,
            Version::Fixed => fixed::end,
        };
        serve(&net, end).ok()
    });
    sim.run_for(START);
    sim.host("client").spawn("client", move |net| {
        let answer = upload(&net, "server:80", &vec![7; usize::try_from(bytes).expect("it is small")]);
        let expected = if bytes > UPLOAD_MAX { "413 too large" } else { "200 thank you" };
        assert!(answer.as_ref().is_ok_and(|answer| answer == expected), "whoever uploads hears what came of it: {answer:?}");
    });
}
