//! `connect(2)` and `accept(2)` that wait alone are hardly taken note of: it changes nothing of a run. While a run is recorded they are calls like any
//! other, and so the digest of a run that is recorded is what that of any run must be.

use std::sync::Arc;
use std::time::Duration;
use twinsock::raw::{self, RawFd};
use twinsock::sync::channel;
use twinsock::{
    Clock, Domain, Entropy, Errno, JoinThread, MsgFlags, Protocol, Shutdown, SockFlags, SocketAddr, SocketApi, Spawn, Type,
    consts,
};
use twinsock_sim::{HostConfig, Interleaving, Link, Net, Ratio, Signal, Sim};

type Socket = <Net as SocketApi>::Socket;

const MS: Duration = Duration::from_millis(1);
const SERVER: &str = "10.9.0.1:7";
/// Nobody listens there, and nobody is there.
const REFUSED: &str = "10.9.0.1:8";
const NOBODY: &str = "10.9.0.77:7";

fn address(text: &str) -> SocketAddr {
    text.parse::<std::net::SocketAddr>().unwrap().into()
}

fn tcp(net: &Net) -> Socket {
    net.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT).unwrap()
}

fn listener(net: &Net, at: &str) -> Socket {
    let listener = tcp(net);
    net.bind(&listener, &address(at)).unwrap();
    net.listen(&listener, 2).unwrap();
    listener
}

/// Threads accept from one listener, some of them for a while only, and are sent signals.
fn serve(net: &Net) {
    let listener = Arc::new(listener(net, SERVER));
    let mut threads = Vec::new();
    for _ in 0..3 {
        let (of_thread, shared) = (*net, Arc::clone(&listener));
        let (sender, receiver) = channel(net);
        let thread = net.spawn(move || {
            let net = of_thread;
            sender.send(net.gettid().unwrap()).unwrap();
            for round in 0..40_u8 {
                let accepted = net.accept(&shared, if round % 2 == 0 { SockFlags::NONE } else { SockFlags::CLOEXEC });
                match accepted {
                    Ok((stream, _)) => {
                        net.recv(&stream, &mut [0; 4], MsgFlags::NONE).ok();
                    }
                    Err(Errno::INVAL) => return,
                    Err(_) => net.sleep(MS / 4),
                }
            }
        });
        threads.push((thread, receiver.recv().unwrap()));
    }
    for _ in 0..30 {
        let mut drawn = [0; 3];
        net.fill(&mut drawn);
        let [pause, whom, how] = drawn;
        net.sleep(MS * u32::from(pause) / 64);
        let signal = if how % 2 == 0 { Signal::Interrupting } else { Signal::Restarting };
        // It may have ended.
        net.tgkill(threads[usize::from(whom) % 3].1, signal).ok();
    }
    net.sleep(40 * MS);
    // Who still waits finds that nobody listens.
    net.shutdown(&listener, Shutdown::Both).unwrap();
    for (thread, _) in threads {
        thread.join().unwrap();
    }
}

/// Connects to somebody who answers, or refuses, or is not there; for a while only, or until another thread sends a signal, closes or dissolves it.
fn ask(net: &Net) {
    for _ in 0..12 {
        let mut drawn = [0; 4];
        net.fill(&mut drawn);
        let [whom, how, when, pause] = drawn;
        let to = address([SERVER, SERVER, SERVER, SERVER, REFUSED, NOBODY][usize::from(whom) % 6]);
        let socket = Arc::new(tcp(net));
        if how % 5 == 0 {
            let timeout = [0_i64, 3000].map(i64::to_ne_bytes).concat();
            net.setsockopt_bytes(&socket, consts::SOL_SOCKET, consts::SO_SNDTIMEO, &timeout).unwrap();
        }
        let disturber = (how % 3 == 0).then(|| {
            let (of_thread, me, shared) = (*net, net.gettid().unwrap(), Arc::clone(&socket));
            net.spawn(move || {
                let net = of_thread;
                net.sleep(MS * u32::from(when) / 64);
                // Whatever comes of it.
                match when % 4 {
                    0 => net.tgkill(me, Signal::Interrupting).ok(),
                    1 => net.tgkill(me, Signal::Restarting).ok(),
                    2 => raw::Syscalls::connect(&net, net.fileno(&shared), &[0; 16]).ok(),
                    _ => net.connect(&shared, &address(SERVER)).ok(),
                };
            })
        });
        net.connect(&socket, &to).ok();
        net.send(&socket, b"x", MsgFlags::NONE).ok();
        net.sleep(MS * u32::from(pause) / 128);
        if let Some(disturber) = disturber {
            disturber.join().unwrap();
        }
    }
}

/// The same over loopback, where all happens before a call returns.
fn talk_to_itself(net: &Net) {
    let listener = Arc::new(listener(net, "127.0.0.1:7"));
    let (of_thread, shared) = (*net, Arc::clone(&listener));
    let server = net.spawn(move || {
        for _ in 0..10 {
            of_thread.accept(&shared, SockFlags::NONE).unwrap();
        }
    });
    for round in 0..10_u8 {
        let socket = tcp(net);
        net.connect(&socket, &address("127.0.0.1:7")).unwrap();
        if round % 3 == 0 {
            net.sleep(MS);
        }
    }
    server.join().unwrap();
}

fn run(seed: u64, record: bool) -> u64 {
    let builder = Sim::builder().seed(seed).interleaving(Interleaving::Mixed).record(record);
    let report = builder.run(|sim| {
        sim.default_link(Link::new().delay(MS));
        let config = HostConfig { addrs: vec!["10.9.0.1".parse().unwrap()], ..HostConfig::default() };
        let server = sim.host_with("server", config);
        server.spawn_daemon("server", |net: Net| serve(&net));
        for number in 0..3_u8 {
            let client = sim.host(&format!("client{number}"));
            if number == 2 {
                sim.link(&client, &server, Link::new().delay(MS).jitter(MS / 2).loss(Ratio::new(1, 10)));
            }
            client.spawn("client", |net: Net| ask(&net));
            client.spawn("itself", |net: Net| talk_to_itself(&net));
        }
        sim.run_for(30 * MS);
        server.crash();
        sim.run_for(20 * MS);
        server.restart();
    });
    report.unwrap().digest
}

#[test]
fn calls_that_wait_alone_are_as_others() {
    for seed in 0..12 {
        assert_eq!(run(seed, false), run(seed, true), "seed {seed}");
    }
}

/// What `send(2)` answers a thread whose descriptor other threads have made another one while it waited in `connect(2)`: the connection lives on in a copy of it.
fn send_after_connect(meanwhile: fn(&Net, RawFd)) -> Result<usize, Errno> {
    let report = Sim::builder().run(move |sim| {
        sim.default_link(Link::new().delay(MS));
        let config = HostConfig { addrs: vec!["10.9.0.1".parse().unwrap()], ..HostConfig::default() };
        sim.host_with("server", config).spawn_daemon("server", |net: Net| {
            let listener = listener(&net, SERVER);
            net.sleep(1000 * MS);
            drop(listener);
        });
        let client = sim.host("client").spawn("client", move |net: Net| {
            let fd = net.release(tcp(&net));
            let of_thread = net;
            let disturber = net.spawn(move || {
                of_thread.sleep(MS / 2);
                raw::Syscalls::dup(&of_thread, fd).unwrap();
                meanwhile(&of_thread, fd);
            });
            raw::Syscalls::connect(&net, fd, address(SERVER).encode().unwrap().as_bytes()).unwrap();
            let sent = raw::Syscalls::send(&net, fd, b"x", 0);
            disturber.join().unwrap();
            sent
        });
        sim.run_for(100 * MS);
        client.take().unwrap()
    });
    report.unwrap().value
}

#[test]
fn a_descriptor_that_is_closed_while_its_connect_waits_is_not_used_after_it() {
    assert_eq!(send_after_connect(|_, _| {}), Ok(1));
    assert_eq!(send_after_connect(|net, fd| raw::Syscalls::close(net, fd).unwrap()), Err(Errno::BADF));
}

#[test]
fn a_descriptor_that_is_another_file_after_its_connect_is_that_file() {
    let to_a_pipe = |net: &Net, fd: RawFd| {
        let [_, writer] = raw::Syscalls::pipe2(net, 0).unwrap();
        raw::Syscalls::dup3(net, writer, fd, 0).unwrap();
    };
    assert_eq!(send_after_connect(to_a_pipe), Err(Errno::NOTSOCK));
}

/// A server accepts while an entry of its timers is left that is too early: what it was for, the repetition of a byte, has gone with its socket. Nothing happens then but that all wait for
/// ever.
fn accepts_until_all_wait(records: bool) -> (Duration, u64, u64) {
    let failure = Sim::builder().record(records).run(|sim| {
        sim.default_link(Link::new().delay(MS));
        let config = HostConfig { addrs: vec!["10.9.0.1".parse().unwrap()], ..HostConfig::default() };
        let server = sim.host_with("server", config);
        server.spawn("server", |net: Net| {
            let listener = listener(&net, SERVER);
            let (stream, _) = net.accept(&listener, SockFlags::NONE).unwrap();
            net.sleep(1200 * MS);
            net.send(&stream, b"x", MsgFlags::NONE).unwrap();
            // Its timer would go off 200 ms after that.
            net.sleep(150 * MS);
            let linger = [1_i32, 0].map(i32::to_ne_bytes).concat();
            net.setsockopt_bytes(&stream, consts::SOL_SOCKET, consts::SO_LINGER, &linger).unwrap();
            net.close(stream).unwrap();
            net.sleep(46 * MS);
            net.accept(&listener, SockFlags::NONE).unwrap();
        });
        sim.host("client").spawn("client", |net: Net| {
            let stream = tcp(&net);
            net.connect(&stream, &address(SERVER)).unwrap();
            net.recv(&stream, &mut [0; 4], MsgFlags::NONE).unwrap();
            assert_eq!(net.recv(&stream, &mut [0; 4], MsgFlags::NONE), Err(Errno::CONNRESET));
        });
        // What comes after the deadlock comes at its moment, which so is a part of the digest.
        sim.run_to_end().unwrap_err();
        server.crash();
    });
    let failure = failure.unwrap_err();
    (failure.at.since(twinsock::Instant::ZERO), failure.digest, failure.step)
}

#[test]
fn all_wait_from_the_same_moment_on_recorded_or_not() {
    let plain = accepts_until_all_wait(false);
    assert_eq!(plain, accepts_until_all_wait(true));
    // The last thing to happen is that the server wakes, 1.396 s after it has accepted; its timer's moment, 4 ms later, is none.
    assert!((1_397 * MS..1_400 * MS).contains(&plain.0), "{:?}", plain.0);
}
