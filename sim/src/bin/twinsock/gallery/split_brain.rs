//! Split brain. Of two nodes one drives a crane; the other one takes over when it hears nothing for a second.
//!
//! To hear nothing from a node is not to know that it is dead: if the network between the two is cut, both drive. The fixed version asks a third, the witness,
//! which gives the crane to one of them for a time, and to nobody else until that is over. Each node counts from when it asked, which was
//! earlier, so it stops in good time, whatever happens to the network.

use super::crane::Crane;
use super::{Bug, START, Version};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use twinsock::net::UdpSocket;
use twinsock::{Clock, Instant, SocketApi};
use twinsock_sim::{Link, Misfortunes, Sim};

pub const BUG: Bug =
    Bug { name: "split-brain", what: "when the network is cut, both nodes take themselves for the leader", seeds: 100, check };

/// One of the two nodes.
struct Node<A: SocketApi> {
    api: A,
    socket: UdpSocket<A>,
    /// 0 or 1.
    number: u8,
    other: &'static str,
}

mod buggy {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(1);
    const HEARTBEAT: Duration = Duration::from_millis(200);

    /// Waits until the node leads. Answers until when it does.
    pub fn lead<A: SocketApi + Clock>(node: &Node<A>) -> io::Result<Instant> {
        if node.number == 1 {
            node.socket.set_read_timeout(Some(SILENCE))?;
            while node.socket.recv(&mut [0]).is_ok() {}
        }
        node.socket.send_to(b"!", node.other)?;
        Ok(node.api.now() + HEARTBEAT)
    }
}

mod fixed {
    use super::*;

    /// Waits until the node leads. Answers until when it does.
    pub fn lead<A: SocketApi + Clock>(node: &Node<A>) -> io::Result<Instant> {
        node.socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        loop {
            // When it was asked is also what says which request a reply belongs to.
            let asked = node.api.now();
            let stamp = asked.as_nanos().to_be_bytes();
            node.socket.send_to(&[&[node.number][..], &stamp].concat(), "witness:7")?;
            let mut reply = [0; 9];
            while node.socket.recv(&mut reply).is_ok() {
                if reply[0] == 1 && reply[1..] == stamp {
                    // Half of what the witness gives: whoever looks at a clock and then acts may lose its processor in between.
                    return Ok(asked + GIVEN / 2);
                }
            }
        }
    }
}

/// How a node comes to lead.
type Lead<A> = fn(&Node<A>) -> io::Result<Instant>;

/// For how long the witness gives the crane away.
const GIVEN: Duration = Duration::from_secs(2);

/// Gives the crane to one node at a time, for a time. A request is the node's number and eight bytes by which it knows the reply.
fn witness<A: SocketApi + Clock>(api: &A) -> io::Result<()> {
    let (socket, mut request) = (UdpSocket::bind(api, "0.0.0.0:7")?, [0; 9]);
    let mut holder = (0, Instant::ZERO);
    loop {
        let (_, from) = socket.recv_from(&mut request)?;
        let (node, now) = (request[0], api.now());
        let given = holder.0 == node || holder.1 < now;
        if given {
            holder = (node, now + GIVEN);
        }
        request[0] = given.into();
        socket.send_to(&request, from)?;
    }
}

/// Drives the crane while the node leads.
fn drive<A: SocketApi + Clock>(node: &Node<A>, crane: &Crane, lead: Lead<A>) -> io::Result<()> {
    loop {
        let until = lead(node)?;
        while node.api.now() < until {
            crane.lift(&node.api, node.number);
        }
    }
}

fn check(sim: &Sim, version: Version) {
    sim.default_link(Link::new().delay(Duration::from_millis(1)));
    sim.host("witness").spawn_daemon("witness", |net| witness(&net));
    let crane = Arc::new(Crane::default());
    for (number, name, other) in [(0, "north", "south:7"), (1, "south", "north:7")] {
        let crane = Arc::clone(&crane);
        sim.host(name).spawn_daemon("node", move |net| {
            let lead = match version {
                Version::Buggy => buggy::lead,
                Version::Fixed => fixed::lead,
            };
            let socket = UdpSocket::bind(&net, "0.0.0.0:7")?;
            drive(&Node { api: net, socket, number, other }, &crane, lead)
        });
    }
    sim.run_for(START);
    sim.misfortunes(&Misfortunes::none().cuts(true).until(Duration::from_secs(10)));
    sim.run_for(Duration::from_secs(12));
}
