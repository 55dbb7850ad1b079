//! Programs that take faults as they come: they ask again after `EINTR`, go on after a part, wait again where there was nothing. Every byte
//! arrives once, in order, and then the end; whatever happens to their calls, in both worlds.

use crate::conformance;
use crate::support::Env;
use crate::support::scene::{byte_at, listener, pattern};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use twinsock::faulty::{Fault, Faulty, Plan};
use twinsock::option::SO_ERROR;
use twinsock::raw::EpollEvent;
use twinsock::{
    Domain, EpollFlags, EpollOp, Errno, JoinThread, MsgFlags, PollEvents, Protocol, Result, Shutdown, SockFlags, SocketAddr,
    SocketApi, Spawn, Type,
};
use twinsock_sim::{Link, Sim};

/// How many clients there are, and how much each sends.
const CLIENTS: usize = 3;
const BYTES: usize = 3000;

/// Makes a call again for as long as what it says may pass.
fn persist<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(Errno::INTR | Errno::NOBUFS | Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::CONNABORTED) => {}
            answer => return answer,
        }
    }
}

fn send_all<E: Env>(env: &E, socket: &E::Socket, mut data: &[u8]) -> Result<()> {
    while !data.is_empty() {
        let count = persist(|| SocketApi::send(env, socket, data, MsgFlags::NONE))?;
        data = &data[count..];
    }
    Ok(())
}

fn connect<E: Env>(env: &E, addr: &SocketAddr) -> Result<E::Socket> {
    let socket = persist(|| env.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP))?;
    match env.connect(&socket, addr) {
        Err(Errno::INTR) => {
            // The attempt goes on: its outcome comes by poll(2) and SO_ERROR, see connect(2).
            let mut entries = [env.poll_entry(&socket, PollEvents::OUT)];
            persist(|| env.poll(&mut entries, None))?;
            env.option(&socket, SO_ERROR)?.map_or(Ok(socket), Err)
        }
        answer => answer.map(|()| socket),
    }
}

/// Sends back what comes, until the end.
fn echo<E: Env>(env: &E, socket: &E::Socket) -> Result<()> {
    let mut bytes = [0; 700];
    loop {
        match persist(|| SocketApi::recv(env, socket, &mut bytes, MsgFlags::NONE))? {
            0 => return env.shutdown(socket, Shutdown::Write),
            count => send_all(env, socket, &bytes[..count])?,
        }
    }
}

/// A thread for each connection.
fn serve_by_threads<E: Env>(env: &E, listener: &E::Socket) {
    let threads: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (socket, _) = persist(|| env.accept(listener, SockFlags::NONE)).expect("a connection comes");
            let own = env.clone();
            env.spawn(move || echo(&own, &socket).expect("the client waits for the end"))
        })
        .collect();
    for thread in threads {
        thread.join().expect("a server thread ends");
    }
}

/// What one connection of [`serve_by_events`] still has to send.
struct Connection<S> {
    socket: S,
    output: Vec<u8>,
    ended: bool,
}

/// Acts on a connection until it would wait: `true` once all is done.
fn advance<E: Env>(env: &E, connection: &mut Connection<E::Socket>) -> bool {
    let mut bytes = [0; 300];
    while !connection.ended {
        match persist(|| SocketApi::recv(env, &connection.socket, &mut bytes, MsgFlags::NONE)) {
            Ok(0) => connection.ended = true,
            Ok(count) => connection.output.extend_from_slice(&bytes[..count]),
            Err(errno) => {
                assert_eq!(errno, Errno::AGAIN);
                break;
            }
        }
    }
    while !connection.output.is_empty() {
        match persist(|| SocketApi::send(env, &connection.socket, &connection.output, MsgFlags::NONE)) {
            Ok(count) => drop(connection.output.drain(..count)),
            Err(errno) => {
                assert_eq!(errno, Errno::AGAIN);
                return false;
            }
        }
    }
    connection.ended
}

/// All connections in one thread, by edge-triggered `epoll(7)`.
fn serve_by_events<E: Env>(env: &E, listener: &E::Socket) {
    const LISTENER: u64 = 0;
    let epoll = persist(|| env.epoll_create()).expect("an epoll instance can be made");
    let add = |socket: &E::Socket, flags, data| {
        persist(|| env.epoll_ctl(&epoll, EpollOp::Add(EpollEvent::new(flags, data)), socket)).expect("a socket can be added");
    };
    env.set_nonblocking(listener, true).expect("O_NONBLOCK can be set");
    add(listener, EpollFlags::IN, LISTENER);
    let (mut connections, mut accepted) = (BTreeMap::new(), 0);
    while accepted < CLIENTS || !connections.is_empty() {
        let mut events = [EpollEvent::default(); 4];
        let count = persist(|| env.epoll_wait(&epoll, &mut events, None)).expect("epoll_wait answers");
        for event in &events[..count] {
            if event.data == LISTENER {
                match persist(|| env.accept(listener, SockFlags::NONBLOCK)) {
                    Ok((socket, _)) => {
                        accepted += 1;
                        let data = LISTENER + u64::try_from(accepted).expect("a few clients");
                        add(&socket, EpollFlags::IN | EpollFlags::OUT | EpollFlags::ET, data);
                        connections.insert(data, Connection { socket, output: Vec::new(), ended: false });
                    }
                    Err(errno) => assert_eq!(errno, Errno::AGAIN),
                }
                continue;
            }
            let connection = connections.get_mut(&event.data).expect("only what is registered is reported");
            if advance(env, connection) {
                connections.remove(&event.data);
            }
        }
    }
}

/// Sends in one thread and receives in another: what came back.
fn ask<E: Env>(env: &E, addr: &SocketAddr) -> Vec<u8> {
    let socket = Arc::new(connect(env, addr).expect("the server listens"));
    let (own, writer) = (env.clone(), Arc::clone(&socket));
    let writing = env.spawn(move || {
        send_all(&own, &writer, &pattern(BYTES)).expect("the server reads");
        own.shutdown(&writer, Shutdown::Write).expect("a connection can be shut down");
    });
    let (mut all, mut bytes) = (Vec::new(), [0; 500]);
    loop {
        match persist(|| SocketApi::recv(env, &socket, &mut bytes, MsgFlags::NONE)).expect("the server answers") {
            0 => break,
            count => all.extend_from_slice(&bytes[..count]),
        }
    }
    writing.join().expect("the writer ends");
    all
}

type Serve<E> = fn(&E, &<E as SocketApi>::Socket);

/// Server and clients in one process, under plans of all faults.
fn all_in_one<E: Env>(env: &E, serve: Serve<Faulty<E>>) {
    for seed in 0..4 {
        let plan = Plan::all(seed, 1, 4).with(Fault::Slow(Duration::from_micros(200)).rate(1, 50));
        let faulty = Faulty::new(env.clone(), plan);
        let (listener, addr) = listener(env);
        let (own, listener) = (faulty.clone(), faulty.wrap(listener.socket));
        let server = faulty.spawn(move || serve(&own, &listener));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (own, addr) = (faulty.clone(), addr.clone());
                faulty.spawn(move || ask(&own, &addr))
            })
            .collect();
        for client in clients {
            whole(&client.join().expect("a client ends"));
        }
        server.join().expect("the server ends");
        assert!(faulty.injected_count() > 20, "the plan is no formality");
    }
}

fn whole(bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        assert_eq!(*byte, byte_at(index), "byte {index}");
    }
    assert_eq!(bytes.len(), BYTES, "no byte is lost or made up");
}

conformance! {
    fn blocking_programs_lose_nothing(env: &E) {
        all_in_one(env, serve_by_threads);
    }

    fn event_loops_lose_nothing(env: &E) {
        all_in_one(env, serve_by_events);
    }
}

/// Simulated machines, each with a plan of its own: the run's digest and length.
fn between_machines(seed: u64) -> (u64, u64) {
    const PORT: u16 = 7;
    let report = Sim::builder().seed(seed).run_here(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)).jitter(Duration::from_micros(300)));
        let server = sim.host("server");
        let addr = SocketAddr::inet(server.ipv4(), PORT);
        let own = addr.clone();
        server.spawn("server", move |net| {
            let faulty = Faulty::new(net, Plan::all(seed, 1, 4));
            let listener = persist(|| faulty.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP)).unwrap();
            faulty.bind(&listener, &own).unwrap();
            faulty.listen(&listener, 8).unwrap();
            serve_by_events(&faulty, &listener);
            assert!(faulty.injected_count() > 0);
        });
        for name in ["one", "two", "three"] {
            let addr = addr.clone();
            sim.host(name).spawn("client", move |net| {
                let faulty = Faulty::new(net, Plan::all(seed, 1, 4));
                whole(&ask(&faulty, &addr));
                assert!(faulty.injected_count() > 0);
            });
        }
    });
    let report = report.unwrap_or_else(|failure| panic!("{failure}"));
    (report.digest, report.steps)
}

#[test]
fn machines_lose_nothing_and_repeat_themselves() {
    for seed in 0..10 {
        assert_eq!(between_machines(seed), between_machines(seed));
    }
}
