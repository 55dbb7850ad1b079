//! What befalls a thread that is woken in a call before what the call costs has passed, when it goes on with it.

use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream, UdpSocket};
use twinsock::{Clock, Instant, MsgFlags, PollEvents, SocketApi, Spawn};
use twinsock_sim::{Builder, FailureKind, Host, Interleaving, Link, Net, Process, Signal, Sim};

const PORT: u16 = 7;
const MS: Duration = Duration::from_millis(1);
/// When a datagram arrives.
const ARRIVAL: Instant = Instant::from_nanos(11_000_000);
/// When it is received by one who waits for it.
const RETURN: Instant = Instant::from_nanos(11_001_000);
/// How much later another one arrives.
const BETWEEN: Duration = Duration::from_micros(700);
const HALF: Duration = Duration::from_nanos(500);

/// As it is, recorded, and with a debugger in wait at a step that never comes: ways of a run that take other ways through the scheduler.
const MANNERS: [fn(Builder) -> Builder; 3] =
    [|builder| builder, |builder| builder.record(true), |builder| builder.break_at(u64::MAX - 1)];

type Outcome = Result<usize, ErrorKind>;

/// What a process waits for in its first call, with what it does then, and when that call returned. A datagram comes at [`ARRIVAL`], half of a microsecond later `then` is done, and another one comes later.
fn woken<T: Send + 'static>(
    manner: fn(Builder) -> Builder,
    call: fn(&Net, &UdpSocket<Net>) -> T,
    then: fn(&Sim, &Host, &Process<(T, Instant)>),
) -> (u64, Option<(T, Instant)>) {
    let report = manner(Sim::builder().seed(1)).run(|sim| {
        sim.default_link(Link::new().delay(MS));
        let host = sim.host("receiver");
        let process = host.spawn("receiver", move |net| {
            let socket = UdpSocket::bind(&net, ("0.0.0.0", PORT)).unwrap();
            let value = call(&net, &socket);
            (value, net.true_time())
        });
        sim.host("sender").spawn("sender", |net| {
            let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
            net.sleep(Instant::from_nanos(10_000_000) - net.now());
            socket.send_to(&[1; 9], ("10.0.0.1", PORT)).unwrap();
            net.sleep(Instant::from_nanos(10_000_000) + BETWEEN - net.now());
            socket.send_to(&[1; 8], ("10.0.0.1", PORT)).unwrap();
        });
        sim.run_for(ARRIVAL - sim.now());
        assert_eq!(process.take().map(|_| ()), None, "it has been woken, no more");
        sim.run_for(HALF);
        then(sim, &host, &process);
        sim.run_for(Duration::from_secs(1));
        process.take()
    });
    let report = report.unwrap();
    (report.digest, report.value)
}

/// The same, which comes to the same in whatever manner.
fn woken_in_all_manners<T: PartialEq + Debug + Send + 'static>(
    call: fn(&Net, &UdpSocket<Net>) -> T,
    then: fn(&Sim, &Host, &Process<(T, Instant)>),
) -> Option<(T, Instant)> {
    let [plain, others @ ..] = MANNERS.map(|manner| woken(manner, call, then));
    for other in others {
        assert_eq!(other, plain);
    }
    plain.1
}

fn receive(_: &Net, socket: &UdpSocket<Net>) -> Outcome {
    socket.recv(&mut [0; 20]).map_err(|error| error.kind())
}

#[test]
fn a_run_that_is_cut_there_goes_on_as_one_that_is_not() {
    assert_eq!(woken_in_all_manners(receive, |_, _, _| {}), Some((Ok(9), RETURN)));
    let in_steps = woken_in_all_manners(receive, |sim, _, process| {
        sim.run_for(HALF - Duration::from_nanos(1));
        assert!(process.is_alive(), "what the call costs has not passed");
        sim.run_for(Duration::from_nanos(1));
        assert!(!process.is_alive(), "now it has");
    });
    assert_eq!(in_steps, Some((Ok(9), RETURN)));
}

#[test]
fn a_process_that_is_killed_there_receives_nothing() {
    let killed = woken_in_all_manners(receive, |sim, _, process| {
        process.kill();
        sim.run_for(Duration::ZERO);
        assert!(!process.is_alive());
    });
    assert_eq!(killed, None);
}

#[test]
fn a_host_that_loses_its_power_there_begins_anew() {
    let crashed = woken_in_all_manners(receive, |_, host, _| {
        host.crash();
        host.restart();
    });
    assert_eq!(crashed, None);
}

#[test]
fn a_signal_that_comes_there_ends_neither_that_call_nor_the_next() {
    let twice: fn(&Net, &UdpSocket<Net>) -> [Outcome; 2] = |net, socket| [receive(net, socket), receive(net, socket)];
    for signal in [
        |_: &Sim, _: &Host, process: &Process<_>| process.signal(Signal::Interrupting),
        |_: &Sim, _: &Host, process: &Process<_>| process.signal(Signal::Restarting),
    ] {
        assert_eq!(woken_in_all_manners(twice, signal), Some(([Ok(9), Ok(8)], RETURN + BETWEEN)));
    }
}

#[test]
fn a_host_that_stands_still_there_lets_it_go_on_afterwards() {
    let paused = woken_in_all_manners(receive, |sim, host, process| {
        host.pause();
        sim.run_for(MS);
        assert!(process.is_alive());
        host.resume();
    });
    assert_eq!(paused, Some((Ok(9), ARRIVAL + HALF + MS)), "what the call costs has passed meanwhile");
}

/// Polls for ten milliseconds, from this moment on.
fn poll(net: &Net, socket: &UdpSocket<Net>, from: Instant) -> usize {
    net.sleep(from - net.now());
    net.poll(&mut [net.poll_entry(socket.owned(), PollEvents::IN)], Some(10 * MS)).unwrap()
}

#[test]
fn a_deadline_that_passes_there_is_not_missed_if_something_has_come() {
    let late: fn(&Net, &UdpSocket<Net>) -> usize = |net, socket| poll(net, socket, Instant::from_nanos(1_000_500));
    assert_eq!(woken_in_all_manners(late, |_, _, _| {}), Some((1, RETURN)));
    // One that is woken by its deadline takes what comes before it goes on.
    let early: fn(&Net, &UdpSocket<Net>) -> usize = |net, socket| poll(net, socket, Instant::from_nanos(999_500));
    assert_eq!(woken_in_all_manners(early, |_, _, _| {}), Some((1, ARRIVAL + HALF)));
}

#[test]
fn who_finds_nothing_any_more_waits_on_and_is_charged_once() {
    let stolen: fn(&Net, &UdpSocket<Net>) -> Outcome = |net, socket| {
        let (thief, other) = (*net, socket.try_clone().unwrap());
        net.spawn(move || {
            thief.sleep(ARRIVAL + HALF - thief.now());
            assert_eq!(thief.recv(other.owned(), &mut [0; 20], MsgFlags::DONTWAIT), Ok(9));
        });
        receive(net, socket)
    };
    assert_eq!(woken_in_all_manners(stolen, |_, _, _| {}), Some((Ok(8), RETURN + BETWEEN)));
}

#[test]
fn a_clock_that_is_set_there_does_not_end_it() {
    let timed: fn(&Net, &UdpSocket<Net>) -> Outcome = |net, socket| {
        socket.set_read_timeout(Some(20 * MS)).unwrap();
        receive(net, socket)
    };
    let set = woken_in_all_manners(timed, |_, host, _| host.set_clock(1_000_000_000, 0));
    assert_eq!(set, Some((Ok(9), RETURN)));
}

/// The digest of a run in which a call costs more than an acknowledgment is delayed for: two ends of a connection answer each other in time all the same, with threads that send and threads that
/// receive; and when the last receive returns, which waits alone.
fn slow_calls(manner: fn(Builder) -> Builder) -> (u64, Option<Instant>) {
    const ROUNDS: u32 = 10;
    const ROUND: Duration = Duration::from_millis(100);
    let at = |net: &Net, ms: u32, round: u32| {
        net.sleep(Instant::from_nanos(5_000_000_000) + MS * ms + ROUND * round - net.true_time());
    };
    let report = manner(Sim::builder().seed(1).call_cost(Duration::from_millis(50))).run(|sim| {
        sim.default_link(Link::new().delay(20 * MS));
        let poll = move |net: Net, stream: TcpStream<Net>, ms| {
            for round in 0..ROUNDS {
                at(&net, ms, round);
                assert_eq!(net.recv(stream.owned(), &mut [0; 20], MsgFlags::DONTWAIT), Ok(9));
            }
            std::mem::forget(stream);
        };
        // Those who send make no call after the last one.
        let send = move |net: Net, stream: TcpStream<Net>, ms, rounds| {
            for round in 0..rounds {
                at(&net, ms, round);
                (&stream).write_all(&[1; 9]).unwrap();
            }
            std::mem::forget(stream);
        };
        let server = sim.host("server").spawn("server", move |net| {
            let (mut stream, _) = TcpListener::bind(&net, ("0.0.0.0", PORT)).unwrap().accept().unwrap();
            let [one, other] = [stream.try_clone().unwrap(), stream.try_clone().unwrap()];
            net.spawn(move || poll(net, one, 22));
            net.spawn(move || send(net, other, 50, ROUNDS));
            at(&net, 60, ROUNDS - 1);
            let read = stream.read(&mut [0; 20]).unwrap();
            assert!(read > 0, "the stream is open");
            net.true_time()
        });
        sim.host("client").spawn("client", move |net| {
            net.sleep(Duration::from_secs(1));
            let stream = TcpStream::connect(&net, ("10.0.0.1", PORT)).unwrap();
            let [one, other] = [stream.try_clone().unwrap(), stream.try_clone().unwrap()];
            net.spawn(move || poll(net, one, 72));
            net.spawn(move || send(net, other, 0, ROUNDS + 1));
            net.sleep(Duration::from_secs(10));
        });
        sim.run_to_end().unwrap();
        server.take()
    });
    let report = report.unwrap();
    (report.digest, report.value)
}

#[test]
fn a_call_may_take_longer_than_an_acknowledgment_is_delayed() {
    let [plain, others @ ..] = MANNERS.map(slow_calls);
    assert_eq!(plain.1, Some(Instant::from_nanos(6_070_000_000)));
    assert_eq!(others, [plain; 2]);
}

#[test]
fn who_lets_others_go_comes_although_they_never_wait() {
    for seed in 0..60 {
        let done = Arc::new(AtomicU32::new(0));
        let of_run = Arc::clone(&done);
        let builder = Sim::builder().seed(seed).interleaving(Interleaving::Random).call_cost(Duration::ZERO).calls_max(20_000);
        let report = builder.run(|sim| {
            sim.default_link(Link::new().delay(MS));
            sim.host("receiver").spawn("receiver", move |net| {
                for _ in 0..2 {
                    let done = Arc::clone(&of_run);
                    net.spawn(move || {
                        net.sleep(ARRIVAL - net.now());
                        while done.load(Ordering::Relaxed) == 0 {
                            net.now();
                        }
                    });
                }
                let socket = UdpSocket::bind(&net, ("0.0.0.0", PORT)).unwrap();
                socket.recv(&mut [0; 9]).unwrap();
                net.now();
                of_run.store(1, Ordering::Relaxed);
                net.sleep(MS);
            });
            sim.host("sender").spawn("sender", |net| {
                let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
                net.sleep(10 * MS);
                socket.send_to(&[1; 9], ("10.0.0.1", PORT)).unwrap();
            });
        });
        assert!(report.is_ok(), "seed {seed}: {}", report.unwrap_err());
    }
}

#[test]
fn an_idle_run_is_found_at_the_same_moment_in_whatever_manner() {
    let [plain, others @ ..] = MANNERS.map(|manner| {
        let failure = manner(Sim::builder().seed(1).idle_max(10_000)).run(|sim| {
            sim.default_link(Link::new().delay(MS));
            let wait = |stream: &TcpStream<Net>, net: &Net| {
                net.set_option(stream.owned(), twinsock::option::SO_KEEPALIVE, true).unwrap();
                net.set_option(stream.owned(), twinsock::option::TCP_KEEPIDLE, 1).unwrap();
            };
            sim.host("server").spawn("server", move |net| {
                let (mut stream, _) = TcpListener::bind(&net, ("0.0.0.0", PORT)).unwrap().accept().unwrap();
                wait(&stream, &net);
                while stream.read(&mut [0; 9]).is_ok() {
                    stream.write_all(&[1; 9]).unwrap();
                }
            });
            sim.host("client").spawn("client", move |net| {
                net.sleep(MS);
                let mut stream = TcpStream::connect(&net, ("10.0.0.1", PORT)).unwrap();
                wait(&stream, &net);
                for _ in 0..300 {
                    stream.write_all(&[1; 9]).unwrap();
                    stream.read_exact(&mut [0; 9]).unwrap();
                }
                stream.read(&mut [0; 9]).map(drop)
            });
        });
        let failure = failure.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::Idle { .. }), "{failure}");
        (failure.at, failure.digest)
    });
    assert_eq!(others, [plain; 2]);
}
