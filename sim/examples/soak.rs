//! Very many calls of `Os`, with as many descriptors and as much memory at the end as at the beginning:
//! `cargo run --release -p twinsock-sim --example soak -- 1000000000`.
//!
//! The calls are those of a program that serves for a long time: messages over a pair and over UDP, connections that come and go, `poll`, `select` and
//! epoll, files on sockets, passed descriptors, options, and calls that fail. Each line of the output says how many have been made, what a call takes, and how many
//! descriptors and how much memory the process has. It ends with status 1 if either has grown since the first of them.

use std::fs;
use std::io::{BufRead, IoSlice, IoSliceMut, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;
use twinsock::control::{self, RecvControl, SendControl};
use twinsock::raw::EpollEvent;
use twinsock::{
    Clock, Domain, EpollFlags, EpollOp, Errno, Instant, MsgFlags, Os, PollEvents, Protocol, SelectSet, Shutdown, SockFlags,
    Socket, SocketAddr, SocketApi, Type, option,
};

type Owned = <Os as SocketApi>::Socket;

/// How many calls are made if the command line does not say.
const CALLS: u64 = 10_000_000;
/// How many lines tell of the progress.
const LINES: u64 = 20;
/// How many messages are passed in a round, and how often a round serves a connection.
const MESSAGES: u32 = 200;
const ROUNDS_PER_CONNECTION: u32 = 5;
/// How much more memory the process may have at the end than at the first line: an allocator's noise, and not a byte for each thousandth call.
const GROWTH_MAX_KIB: u64 = 512;
const NOW: Option<Duration> = Some(Duration::ZERO);

/// Counts the calls that have been made.
struct Count(u64);

impl Count {
    /// A call that succeeds.
    fn made<T>(&mut self, result: twinsock::Result<T>) -> T {
        self.0 += 1;
        result.expect("nothing is in the way of this call")
    }

    /// A call that fails like this.
    fn failed<T>(&mut self, result: twinsock::Result<T>, errno: Errno) {
        self.0 += 1;
        assert_eq!(result.err(), Some(errno));
    }
}

/// What is open all the time.
struct Program {
    pair: (Owned, Owned),
    datagrams: (Owned, Owned),
    datagrams_at: SocketAddr,
    listener: Owned,
    listens_at: SocketAddr,
    epoll: Owned,
    count: Count,
}

impl Program {
    fn new() -> twinsock::Result<Program> {
        let pair = Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONBLOCK, Protocol::DEFAULT)?;
        let udp = || {
            let socket = Os.socket(Domain::INET, Type::DGRAM, SockFlags::NONBLOCK, Protocol::DEFAULT)?;
            Os.bind(&socket, &SocketAddr::inet(Ipv4Addr::LOCALHOST.into(), 0))?;
            Ok::<Owned, Errno>(socket)
        };
        let datagrams = (udp()?, udp()?);
        let listener = Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT)?;
        Os.bind(&listener, &SocketAddr::inet(Ipv4Addr::LOCALHOST.into(), 0))?;
        Os.listen(&listener, 16)?;
        let epoll = Os.epoll_create()?;
        Os.epoll_ctl(&epoll, EpollOp::Add(EpollEvent::new(EpollFlags::IN, 1)), &pair.1)?;
        let (datagrams_at, listens_at) = (Os.getsockname(&datagrams.1)?, Os.getsockname(&listener)?);
        Ok(Program { pair, datagrams, datagrams_at, listener, listens_at, epoll, count: Count(0) })
    }

    fn messages(&mut self) {
        let Program { pair: (a, b), datagrams: (c, d), datagrams_at, count, .. } = self;
        let mut into = [0; 64];
        for _ in 0..MESSAGES {
            count.made(Os.send(a, b"a message of the soak", MsgFlags::NONE));
            assert_eq!(count.made(Os.recv(b, &mut into, MsgFlags::NONE)), 21);
            count.failed(Os.recv(b, &mut into, MsgFlags::NONE), Errno::AGAIN);
            count.made(Os.sendto(c, b"a datagram", MsgFlags::NONE, datagrams_at));
            assert_eq!(count.made(Os.recvfrom(d, &mut into, MsgFlags::NONE)).0, 10);
        }
    }

    fn waits(&mut self) {
        let Program { pair: (a, b), epoll, count, .. } = self;
        let (mut events, mut into) = ([EpollEvent::default(); 4], [0; 8]);
        assert_eq!(count.made(Os.epoll_wait(epoll, &mut events, NOW)), 0);
        count.made(Os.send(a, b"x", MsgFlags::NONE));
        assert_eq!(count.made(Os.epoll_wait(epoll, &mut events, None)), 1);
        assert_eq!(count.made(Os.poll(&mut [Os.poll_entry(b, PollEvents::IN)], None)), 1);
        let mut readable = SelectSet::new();
        readable.insert(&Os, b);
        assert_eq!(count.made(Os.select(Some(&mut readable), None, None, NOW)), 1);
        assert_eq!(count.made(Os.fionread(b)), 1);
        count.made(Os.recv(b, &mut into, MsgFlags::PEEK));
        count.made(Os.recv(b, &mut into, MsgFlags::NONE));
        assert_eq!(count.made(Os.poll(&mut [Os.poll_entry(b, PollEvents::IN)], NOW)), 0);
        count.made(Os.epoll_ctl(epoll, EpollOp::Delete, b));
        count.made(Os.epoll_ctl(epoll, EpollOp::Add(EpollEvent::new(EpollFlags::IN, 1)), b));
    }

    /// A descriptor goes from one end of a pair to the other, and is closed there.
    fn passes_on(&mut self) {
        let Program { pair: (a, b), datagrams, count, .. } = self;
        let mut sent = SendControl::new();
        sent.rights(&Os, &[&datagrams.0]);
        count.made(Os.sendmsg(a, &[IoSlice::new(b"fd")], Some(&sent), None, MsgFlags::NONE));
        let (mut into, mut came) = ([0; 8], RecvControl::<Os>::new(control::space(4)));
        count.made(Os.recvmsg(b, &mut [IoSliceMut::new(&mut into)], Some(&mut came), MsgFlags::NONE));
        // What nobody takes is closed: a call that the library makes.
        drop(came);
        count.0 += 1;
    }

    /// A connection comes, a line goes each way, and it goes: with a reset, so that no port stays in TIME_WAIT.
    fn connection(&mut self) -> std::io::Result<()> {
        let count = &mut self.count;
        let client = count.made(Os.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT));
        count.made(Os.connect(&client, &self.listens_at));
        let (server, _) = count.made(Os.accept(&self.listener, SockFlags::NONE));
        count.made(Os.set_option(&client, option::TCP_NODELAY, true));
        let mut client = Socket::from_owned(&Os, client);
        let mut server = Socket::from_owned(&Os, server);
        // makefile and its close are a call each, as are a flush of one line and the read of one.
        let (mut asks, mut hears) = (count.made(client.makefile("w", -1)), count.made(server.makefile("r", -1)));
        asks.write_all(b"a line of the soak\n")?;
        asks.flush()?;
        let mut line = Vec::new();
        hears.read_until(b'\n', &mut line)?;
        assert_eq!(line, b"a line of the soak\n");
        count.0 += 2;
        count.made(asks.close());
        count.made(hears.close());
        count.made(server.send(&line, MsgFlags::NONE));
        let mut into = [0; 64];
        assert_eq!(count.made(client.recv_into(&mut into, MsgFlags::NONE)), line.len());
        count.made(server.shutdown(Shutdown::Write));
        assert_eq!(count.made(client.recv_into(&mut into, MsgFlags::NONE)), 0);
        count.made(client.set_option(option::SO_LINGER, option::Linger(Some(Duration::ZERO))));
        count.made(client.close());
        count.made(server.close());
        count.failed(client.send(b"x", MsgFlags::NONE), Errno::BADF);
        // The last is answered by the library itself.
        count.0 -= 1;
        Ok(())
    }

    fn round(&mut self) {
        for _ in 0..ROUNDS_PER_CONNECTION {
            self.messages();
            self.waits();
            self.passes_on();
        }
        self.connection().expect("a line arrives");
    }
}

/// What the process has.
#[derive(Clone, Copy)]
struct Held {
    descriptors: usize,
    memory_kib: u64,
}

impl Held {
    fn now() -> Held {
        let status = fs::read_to_string("/proc/self/status").expect("proc(5) is mounted");
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
        let descriptors = fs::read_dir("/proc/self/fd").expect("proc(5) is mounted").count();
        Held { descriptors, memory_kib: memory.expect("a process has memory") }
    }
}

fn tell(made: u64, start: Instant, held: Held) {
    let nanos = Os.now().since(start).as_nanos() / u128::from(made.max(1));
    println!("{made:>12} calls {nanos:>6} ns each {:>4} descriptors {:>8} KiB", held.descriptors, held.memory_kib);
}

fn main() -> ExitCode {
    let calls = match std::env::args().nth(1).map(|text| text.parse::<u64>()) {
        None => CALLS,
        Some(Ok(calls)) => calls,
        Some(Err(error)) => {
            eprintln!("soak: {error}, expected how many calls to make");
            return ExitCode::FAILURE;
        }
    };
    let mut program = Program::new().expect("a few sockets can be made");
    let start = Os.now();
    let (mut warm, mut last) = (None, Held::now());
    for line in 1..=LINES {
        while program.count.0 < calls / LINES * line {
            program.round();
        }
        last = Held::now();
        tell(program.count.0, start, last);
        // The first stretch is the warm-up.
        warm.get_or_insert(last);
    }
    let warm = warm.unwrap_or(last);
    if last.descriptors != warm.descriptors || last.memory_kib > warm.memory_kib + GROWTH_MAX_KIB {
        eprintln!("soak: the process has grown");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
