//! Two programs of which one waits for the other, in either world.

use super::{Done, World};
use crate::{Builder, Link, Net};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use twinsock::{Env, Os, Spawn};

/// How long a packet takes between two simulated hosts of a workload.
pub const LINK_DELAY: Duration = Duration::from_millis(1);

/// Where the simulated server waits.
const PORT: u16 = 7;

/// A server and its only client.
pub trait Duo: Copy + Send + Sync + 'static {
    /// What the server waits on.
    type Door<A: Env>: Send + 'static;

    /// Opens the server's door and says where it is.
    ///
    /// # Errors
    /// The address is taken.
    fn open<A: Env>(self, net: &A, at: SocketAddr) -> io::Result<(Self::Door<A>, SocketAddr)>;

    /// What the server does. On the kernel its door stays open until the client has come to its end, who may ask once more for an answer that is under way.
    ///
    /// # Errors
    /// A call failed that must not.
    fn serve<A: Env>(self, net: &A, door: &Self::Door<A>) -> io::Result<()>;

    /// What the client does; how much that was and how long it took, without the beginning and the end.
    ///
    /// # Errors
    /// A call failed that must not.
    fn drive<A: Env>(self, net: &A, server: SocketAddr) -> io::Result<Done>;

    /// Runs both.
    ///
    /// # Panics
    /// If a call of one of them fails that must not: on the kernel, when descriptors or ports run out.
    #[must_use]
    fn run(self, world: World) -> Done {
        match world.builder() {
            Some(builder) => simulated(self, builder),
            None => on_the_kernel(self),
        }
    }
}

fn simulated<D: Duo>(duo: D, builder: Builder) -> Done {
    let run = builder.run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.link(&server, &client, Link::new().delay(LINK_DELAY).mtu_bytes(1500));
        let addr = SocketAddr::new(server.ipv4(), PORT);
        server.spawn("server", move |net: Net| {
            let (door, _) = duo.open(&net, addr).expect("nobody else is on this host");
            duo.serve(&net, &door).expect("the server's calls succeed");
        });
        let client = client.spawn("client", move |net: Net| duo.drive(&net, addr).expect("the client's calls succeed"));
        sim.run_to_end().ok().and_then(|()| client.take())
    });
    run.expect("the run comes to its end").value.expect("a run that has ended has a result")
}

fn on_the_kernel<D: Duo>(duo: D) -> Done {
    let (door, addr) = duo.open(&Os, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
    let server = Os.spawn(move || duo.serve(&Os, &door).map(|()| door));
    let done = duo.drive(&Os, addr).expect("the client's calls succeed");
    let door = server.join().expect("the server does not panic").expect("the server's calls succeed");
    drop(door);
    done
}
