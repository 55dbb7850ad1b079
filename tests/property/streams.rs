//! Random streams: whatever the sizes of buffers, writes and reads, each byte arrives once, in order, and then the end.

use crate::support::Env;
use crate::support::scene::{byte_at, listener};
use crate::support::sock::Sock;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use twinsock::consts as c;
use twinsock::{Errno, JoinThread, MsgFlags, Os, PollEvents, Shutdown, SocketAddr};
use twinsock_sim::{Link, Sim};

/// How many streams each test tries.
const CASES: u32 = 60;

/// How a connection is used.
#[derive(Clone, Debug)]
struct Plan {
    /// SO_SNDBUF and SO_RCVBUF, where the kernel's own choice is not left.
    sndbuf: Option<i32>,
    rcvbuf: Option<i32>,
    nodelay: bool,
    /// The sizes of writes, each with `MSG_MORE` or not, by the end that connects and by the other.
    writes: [Vec<(usize, bool)>; 2],
    /// The sizes of reads, used in turn.
    reads: Vec<usize>,
    /// Whether reads wait for their full size, `MSG_WAITALL`.
    waitall: bool,
}

fn plans() -> impl Strategy<Value = Plan> {
    let size = || prop_oneof![4 => 1..200usize, 2 => 1000..5000usize, 1 => 10_000..120_000usize];
    let buffer = || prop::option::weighted(0.7, prop_oneof![1..5000i32, 5000..60_000i32]);
    let writes = || prop::collection::vec((size(), prop::bool::weighted(0.1)), 0..12);
    let reads = prop::collection::vec(size(), 1..5);
    (buffer(), buffer(), any::<bool>(), writes(), writes(), reads, prop::bool::weighted(0.2)).prop_map(
        |(sndbuf, rcvbuf, nodelay, there, back, reads, waitall)| Plan {
            sndbuf,
            rcvbuf,
            nodelay,
            writes: [there, back],
            reads,
            waitall,
        },
    )
}

impl Plan {
    fn prepare<E: Env>(&self, socket: &Sock<E>) {
        let sizes = [(c::SO_SNDBUF, self.sndbuf), (c::SO_RCVBUF, self.rcvbuf)];
        for (name, size) in sizes.into_iter().filter_map(|(name, size)| Some((name, size?))) {
            socket.set(c::SOL_SOCKET, name, size).expect("buffer sizes can be set");
        }
        socket.set(c::IPPROTO_TCP, c::TCP_NODELAY, i32::from(self.nodelay)).expect("TCP_NODELAY can be set");
    }

    fn total(&self, side: usize) -> usize {
        self.writes[side].iter().map(|(size, _)| size).sum()
    }
}

/// Checks bytes as they come.
struct Checker {
    received: usize,
    expected: usize,
}

impl Checker {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            assert_eq!(*byte, byte_at(self.received), "byte {}", self.received);
            self.received += 1;
        }
        assert!(self.received <= self.expected, "no byte is made up");
    }

    fn end(&self) {
        assert_eq!(self.received, self.expected, "no byte is lost");
    }
}

fn bytes(range: std::ops::Range<usize>) -> Vec<u8> {
    range.map(byte_at).collect()
}

/// One end of the connection, by blocking calls: a thread that writes, then ends its stream, and this one that reads to the end.
fn use_blocking<E: Env>(env: &E, socket: Sock<E>, plan: &Plan, side: usize) {
    let socket = Arc::new(socket);
    let (writer, writes) = (Arc::clone(&socket), plan.writes[side].clone());
    let writing = env.spawn(move || {
        let mut sent = 0;
        for (size, more) in writes {
            let flags = if more { MsgFlags::MORE } else { MsgFlags::NONE };
            let whole = writer.send_with(&bytes(sent..sent + size), flags);
            assert_eq!(whole, Ok(size), "a blocking send takes all");
            sent += size;
        }
        writer.shutdown(Shutdown::Write).expect("a connection can be shut down");
    });
    let mut checker = Checker { received: 0, expected: plan.total(1 - side) };
    let flags = if plan.waitall { MsgFlags::WAITALL } else { MsgFlags::NONE };
    for size in plan.reads.iter().cycle() {
        let part = socket.recv_with(*size, flags).expect("the bytes come, then the end");
        if part.is_empty() {
            break;
        }
        checker.take(&part);
    }
    checker.end();
    writing.join().expect("the writer ends");
}

/// One end of the connection, by nonblocking calls and `poll(2)`, all in this thread.
fn use_polling<E: Env>(socket: &Sock<E>, plan: &Plan, side: usize) {
    socket.set_nonblocking(true);
    let mut checker = Checker { received: 0, expected: plan.total(1 - side) };
    let (mut sent, mut open) = (0, true);
    let mut reads = plan.reads.iter().cycle();
    while open || sent <= plan.total(side) {
        let mut events = PollEvents::NONE;
        if open {
            events |= PollEvents::IN;
        }
        if sent < plan.total(side) {
            events |= PollEvents::OUT;
        }
        let ready = if events.is_empty() { events } else { socket.wait(events) };
        if ready.contains(PollEvents::IN) {
            match socket.recv(*reads.next().expect("there is a size")) {
                Ok(part) if part.is_empty() => open = false,
                Ok(part) => checker.take(&part),
                Err(errno) => assert_eq!(errno, Errno::AGAIN),
            }
        }
        if ready.contains(PollEvents::OUT) {
            match socket.send(&bytes(sent..plan.total(side).min(sent + 30_000))) {
                Ok(count) => sent += count,
                Err(errno) => assert_eq!(errno, Errno::AGAIN),
            }
        }
        if sent == plan.total(side) {
            socket.shutdown(Shutdown::Write).expect("a connection can be shut down");
            sent += 1;
        }
    }
    checker.end();
}

/// Both ends in one world: the one that connects blocks, the other polls.
fn both_ends<E: Env>(env: &E, plan: &Plan) {
    let (listener, addr) = listener(env);
    plan.prepare(&listener);
    let (server_env, server_plan) = (env.clone(), plan.clone());
    let server = env.spawn(move || {
        let (socket, _) = listener.accept().expect("a connection comes");
        use_polling(&socket, &server_plan, 1);
        drop(server_env);
    });
    let client = Sock::tcp(env);
    plan.prepare(&client);
    client.connect(&addr).expect("the listener admits a connection");
    use_blocking(env, client, plan, 0);
    server.join().expect("the server ends");
}

fn in_one_simulation(plan: &Plan) -> Result<(), String> {
    let plan = plan.clone();
    let report = Sim::builder().run_here(|sim| {
        sim.host("host").spawn("streams", move |net| both_ends(&net, &plan));
    });
    report.map(drop).map_err(|failure| failure.to_string())
}

fn between_two_hosts(plan: &Plan) -> Result<(), String> {
    const PORT: u16 = 7;
    let (server_plan, client_plan) = (plan.clone(), plan.clone());
    let report = Sim::builder().run_here(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)).jitter(Duration::from_micros(300)));
        let server = sim.host("server");
        let addr = SocketAddr::inet(server.ipv4(), PORT);
        let own = addr.clone();
        server.spawn("server", move |net| {
            let listener = Sock::tcp(&net);
            server_plan.prepare(&listener);
            listener.bind(&own).expect("nobody else has the port");
            listener.listen(1).expect("a bound socket can listen");
            let (socket, _) = listener.accept().expect("a connection comes");
            use_polling(&socket, &server_plan, 1);
        });
        sim.host("client").spawn("client", move |net| {
            let client = Sock::tcp(&net);
            client_plan.prepare(&client);
            client.connect(&addr).expect("the server listens");
            use_blocking(&net, client, &client_plan, 0);
        });
    });
    report.map(drop).map_err(|failure| failure.to_string())
}

#[test]
fn streams_are_whole_on_the_kernel() {
    super::check(CASES, &plans(), |plan| {
        both_ends(&Os, &plan);
        Ok(())
    });
}

#[test]
fn streams_are_whole_in_the_simulator() {
    super::check(CASES, &plans(), |plan| in_one_simulation(&plan));
}

#[test]
fn streams_are_whole_between_two_simulated_hosts() {
    super::check(CASES, &plans(), |plan| between_two_hosts(&plan));
}
