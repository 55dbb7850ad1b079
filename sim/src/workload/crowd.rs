//! W4: one server and many clients, each on a host of its own.

use super::{Done, LINK_DELAY, World};
use crate::{Builder, Link, Net};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Clock, Domain, Env, Instant, JoinThread, Os, Protocol, Socket, Spawn, Type};

const MESSAGE_BYTES: usize = 64;
const PORT: u16 = 7;
/// How far apart the clients connect, so that not all do at once.
const CONNECTS_EVERY: Duration = Duration::from_micros(20);
/// When the round trips begin, in simulated time: when even the last of 10,000 has long been connected.
const BEGIN: Instant = Instant::from_nanos(2_000_000_000);
/// The server's queue.
const BACKLOG: i32 = 4096;

/// W4: one server that has a thread for each connection, and clients that each make so many round trips of 64 bytes, all at once. Counts round trips,
/// from the first that any client begins to the last that one ends.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// How many clients there are, at most 10,000; on the kernel, two descriptors and two threads each.
    pub clients: u32,
    /// How many round trips each of them makes.
    pub rounds: u32,
}

/// When the first client began and when the last one ended, in real time. Never held across a call that waits.
type Span = Arc<Mutex<Option<(Instant, Instant)>>>;

impl Crowd {
    /// Runs it.
    ///
    /// # Panics
    /// If a call fails that must not: on the kernel, when descriptors or threads run out.
    #[must_use]
    pub fn run(self, world: World) -> Done {
        let span = Span::default();
        match world.builder() {
            Some(builder) => self.simulated(&span, builder),
            None => self.on_the_kernel(&span),
        }
        let (first, last) = span.lock().expect("no client has panicked").take().expect("there are clients");
        Done { count: u64::from(self.clients) * u64::from(self.rounds), taken: last.since(first) }
    }

    fn simulated(self, span: &Span, builder: Builder) {
        let run = builder.run(|sim| {
            sim.default_link(Link::new().delay(LINK_DELAY));
            let server = sim.host("server");
            let addr = SocketAddr::new(server.ipv4(), PORT);
            server.process("server").rlimit_nofile(self.clients + 8).spawn(move |net: Net| {
                let listener = listen(&net, addr).expect("nobody else is on this host");
                self.serve(&net, &listener).expect("the server's calls succeed");
            });
            for index in 0..self.clients {
                let span = Arc::clone(span);
                sim.host(&format!("client-{index}")).spawn("client", move |net: Net| {
                    net.sleep(CONNECTS_EVERY * index);
                    let begin = || net.sleep(BEGIN - net.now());
                    self.drive(&net, addr, begin, &span).expect("the client's calls succeed");
                });
            }
        });
        run.expect("the run comes to its end");
    }

    fn on_the_kernel(self, span: &Span) {
        let listener = listen(&Os, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
        let addr = listener.local_addr().expect("getsockname");
        let server = Os.spawn(move || self.serve(&Os, &listener));
        let barrier = Arc::new(Barrier::new(usize::try_from(self.clients).expect("a count of clients fits usize")));
        let clients: Vec<_> = (0..self.clients)
            .map(|_| {
                let (span, barrier) = (Arc::clone(span), Arc::clone(&barrier));
                let begin = move || {
                    barrier.wait();
                };
                Os.spawn(move || self.drive(&Os, addr, begin, &span))
            })
            .collect();
        for client in clients {
            client.join().expect("no client panics").expect("the client's calls succeed");
        }
        server.join().expect("the server does not panic").expect("the server's calls succeed");
    }

    fn serve<A: Env>(self, net: &A, listener: &TcpListener<A>) -> io::Result<()> {
        let threads: Vec<_> = (0..self.clients)
            .map(|_| {
                let (stream, _) = listener.accept()?;
                Ok(net.spawn(move || echo(stream)))
            })
            .collect::<io::Result<_>>()?;
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread of the server panics"))
    }

    fn drive<A: Env>(self, net: &A, server: SocketAddr, begin: impl FnOnce(), span: &Span) -> io::Result<()> {
        let mut stream = TcpStream::connect(net, server)?;
        stream.set_nodelay(true)?;
        let mut message = [7; MESSAGE_BYTES];
        begin();
        let first = Os.now();
        for _ in 0..self.rounds {
            stream.write_all(&message)?;
            stream.read_exact(&mut message)?;
        }
        let last = Os.now();
        let mut span = span.lock().expect("no client has panicked");
        *span = Some(span.map_or((first, last), |(before, after)| (first.min(before), last.max(after))));
        Ok(())
    }
}

fn echo<A: Env>(mut stream: TcpStream<A>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut message = [0; MESSAGE_BYTES];
    while stream.read_exact(&mut message).is_ok() {
        stream.write_all(&message)?;
    }
    Ok(())
}

/// A listener with a queue that is longer than std's.
fn listen<A: Env>(net: &A, at: SocketAddr) -> io::Result<TcpListener<A>> {
    let socket = Socket::new(net, Domain::INET, Type::STREAM, Protocol::DEFAULT)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_owned(net, socket.into_owned().expect("the socket is open")))
}
