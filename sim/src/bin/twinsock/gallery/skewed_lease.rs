//! Clock-skewed lease. A server lends a crane until a moment of the wall clock, and who borrowed it compares that with a wall clock of its own.
//!
//! Two machines' wall clocks agree as far as somebody looks after them. On a machine whose clock is behind, a lease is over later than its lender thinks. The
//! fixed version is told for how long, and counts on its monotonic clock, from when it asked, which was earlier.

use super::crane::Crane;
use super::{Bug, START, Version};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Clock, Instant, SocketApi};
use twinsock_sim::{Link, Sim};

pub const BUG: Bug =
    Bug { name: "skewed-lease", what: "a lease until a moment of the wall clock, and clocks that differ", seeds: 100, check };

/// For how long the crane is lent.
const LENT: Duration = Duration::from_secs(4);
/// How long before its end a lease is used no more: who looks at a clock and then acts may lose its processor in between.
const MARGIN: Duration = Duration::from_secs(2);

/// What a borrower was told, and when it asked.
struct Lease {
    asked: Instant,
    /// Of the lender's wall clock.
    until: SystemTime,
    lasts: Duration,
}

mod buggy {
    use super::*;

    pub fn holds<A: Clock>(api: &A, lease: &Lease) -> bool {
        api.wall() + MARGIN < lease.until
    }
}

mod fixed {
    use super::*;

    pub fn holds<A: Clock>(api: &A, lease: &Lease) -> bool {
        api.now() + MARGIN < lease.asked + lease.lasts
    }
}

/// Whether a lease may be made use of.
type Holds<A> = fn(&A, &Lease) -> bool;

/// Lends the crane to one after the other: a connection is a request, answered by when and in how many milliseconds the lease ends, or by nothing.
fn lend<A: SocketApi + Clock>(api: &A) -> io::Result<()> {
    let mut ends = Instant::ZERO;
    for stream in TcpListener::bind(api, "0.0.0.0:80")?.incoming() {
        let mut stream = stream?;
        if ends < api.now() {
            ends = api.now() + LENT;
            let until = (api.wall() + LENT).duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
            let [until, lasts] = [until, LENT].map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).to_be_bytes());
            // Who has gone away is not waited for: the lease just ends.
            stream.write_all(&[until, lasts].concat()).ok();
        }
    }
    Ok(())
}

/// Asks for the crane.
fn borrow<A: SocketApi + Clock>(api: &A, lender: &str) -> io::Result<Option<Lease>> {
    let (asked, mut answer) = (api.now(), Vec::new());
    TcpStream::connect(api, lender)?.read_to_end(&mut answer)?;
    let Some((until, lasts)) = answer.split_first_chunk::<8>().and_then(|(until, rest)| Some((until, rest.first_chunk::<8>()?)))
    else {
        return Ok(None);
    };
    let [until, lasts] = [until, lasts].map(|bytes| Duration::from_millis(u64::from_be_bytes(*bytes)));
    Ok(Some(Lease { asked, until: SystemTime::UNIX_EPOCH + until, lasts }))
}

/// Works with the crane whenever it can be had.
fn work<A: SocketApi + Clock>(api: &A, number: u8, crane: &Crane, holds: Holds<A>) -> io::Result<()> {
    loop {
        match borrow(api, "lender:80")? {
            Some(lease) => {
                while holds(api, &lease) {
                    crane.lift(api, number);
                }
            }
            None => api.sleep(Duration::from_millis(300)),
        }
    }
}

fn check(sim: &Sim, version: Version) {
    let crane = Arc::new(Crane::default());
    sim.default_link(Link::new().delay(Duration::from_millis(1)));
    sim.host("lender").spawn_daemon("lender", |net| lend(&net));
    sim.run_for(START);
    for (number, name) in [(0, "north"), (1, "south")] {
        let host = sim.host(name);
        let behind = sim.draw(&format!("{name}'s clock is behind, in tenths of a second"), 101);
        host.set_clock(-100_000_000 * i64::from(behind), 0);
        let crane = Arc::clone(&crane);
        host.spawn_daemon("worker", move |net| {
            let holds = match version {
                Version::Buggy => buggy::holds,
                Version::Fixed => fixed::holds,
            };
            work(&net, number, &crane, holds)
        });
    }
    sim.run_for(Duration::from_secs(20));
}
