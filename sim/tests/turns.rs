//! Where very many threads are due at one moment, some of what they do is done for them, and the caches are made ready for the rest: it changes no event.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream, UdpSocket};
use twinsock::{Clock, Instant, Spawn};
use twinsock_sim::{Builder, Interleaving, Link, Net, Sim};

const ROUNDS: usize = 3;
const PORT: u16 = 7;
const BEGIN: Instant = Instant::from_nanos(1_000_000_000);

/// As it is, recorded, and with a debugger in wait at a step that never comes (of which the run says so on standard error): ways of a run that take other ways through the scheduler.
const MANNERS: [fn(Builder) -> Builder; 3] =
    [|builder| builder, |builder| builder.record(true), |builder| builder.break_at(u64::MAX - 1)];

/// Who went on with its program, as each noted it in memory that they share: for that nobody waits for a turn.
type Log = Arc<Mutex<Vec<u32>>>;

fn note(log: &Log, number: u32) {
    log.lock().unwrap().push(number);
}

/// The digest of a run in which many clients do the same at the same moments, so that each receive waits for its turn, and the order in which their programs
/// and the server's went on. While a run is recorded, every thread makes its calls itself.
fn crowd(clients: u32, seed: u64, interleaving: Interleaving, manner: fn(Builder) -> Builder) -> (u64, Vec<u32>) {
    crowd_around(clients, seed, interleaving, manner, || {})
}

/// The same with something else in its midst, while many wait in their calls.
fn crowd_around(
    clients: u32,
    seed: u64,
    interleaving: Interleaving,
    manner: fn(Builder) -> Builder,
    midst: impl FnOnce() + Send,
) -> (u64, Vec<u32>) {
    let log = Log::default();
    let (servers, clients_log) = (Arc::clone(&log), Arc::clone(&log));
    let builder = manner(Sim::builder().seed(seed).interleaving(interleaving));
    let report = builder.run(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)));
        let server = sim.host("server");
        let addr = SocketAddr::new(server.ipv4(), PORT);
        let process = server.spawn("server", move |net| {
            let listener = TcpListener::bind(&net, ("0.0.0.0", PORT)).unwrap();
            for number in 0..clients {
                let (stream, _) = listener.accept().unwrap();
                let log = Arc::clone(&servers);
                net.spawn(move || echo(stream, number, || note(&log, number)));
            }
            net.sleep(Duration::from_secs(10));
        });
        let clients: Vec<_> = (0..clients).map(|number| sim.host(&format!("client-{number}"))).collect();
        for (number, host) in (0..).zip(&clients) {
            let log = Arc::clone(&clients_log);
            host.spawn("client", move |net| client(&net, addr, number, || note(&log, !number)));
        }
        let doomed = &clients[7];
        sim.run_for(Duration::from_millis(1002));
        midst();
        doomed.crash();
        sim.run_for(Duration::from_micros(500));
        doomed.restart();
        sim.run_for(Duration::from_secs(5));
        process.kill();
    });
    let order = std::mem::take(&mut *log.lock().unwrap());
    (report.unwrap().digest, order)
}

fn echo(mut stream: TcpStream<Net>, number: u32, note: impl Fn()) {
    let mut message = [0; 64];
    // Some read more than there is at once, some less.
    let len = if number.is_multiple_of(3) { 64 } else { 40 };
    while let Ok(read @ 1..) = stream.read(&mut message[..len]) {
        note();
        if stream.write_all(&message[..read]).is_err() {
            return;
        }
    }
}

fn client(net: &Net, server: SocketAddr, number: u32, note: impl Fn()) {
    net.sleep(Duration::from_millis(1) + Duration::from_micros(20) * number);
    let mut stream = TcpStream::connect(net, server).unwrap();
    stream.set_nodelay(true).unwrap();
    match number % 5 {
        0 => stream.set_read_timeout(Some(Duration::from_micros(700))).unwrap(),
        1 => stream.set_nonblocking(true).unwrap(),
        _ => {}
    }
    net.sleep(BEGIN - net.now());
    let mut answer = [0; 64];
    for _ in 0..ROUNDS {
        stream.write_all(&answer).unwrap();
        let mut read = 0;
        while read < answer.len() {
            match stream.read(&mut answer[read..]) {
                Ok(0) => return,
                Ok(more) => {
                    note();
                    read += more;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => net.sleep(Duration::from_micros(100)),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn what_is_done_for_a_thread_is_what_it_would_have_done() {
    for interleaving in [Interleaving::FirstCome, Interleaving::Random, Interleaving::Pct { preemptions: 3 }] {
        let [plain, others @ ..] = MANNERS.map(|manner| crowd(100, 1, interleaving, manner));
        assert!(plain.1.len() > 2 * 99 * ROUNDS, "{} notes", plain.1.len());
        for other in others {
            assert!(other == plain, "{interleaving:?}");
        }
    }
}

#[test]
fn so_it_is_where_there_are_more_threads_than_the_caches_hold() {
    let [plain, others @ ..] = MANNERS.map(|manner| crowd(800, 2, Interleaving::Random, manner));
    assert!(others.iter().all(|other| *other == plain));
}

/// Calls are made in another way while any run of the program is recorded.
#[test]
fn a_run_is_as_alone_within_another_and_around_it() {
    let [small, large] = [20, 40].map(|clients| crowd(clients, 3, Interleaving::Random, MANNERS[0]));
    for (within, around) in [(MANNERS[0], MANNERS[1]), (MANNERS[1], MANNERS[0]), (MANNERS[1], MANNERS[1])] {
        let mut inner = None;
        let outer = crowd_around(40, 3, Interleaving::Random, around, || {
            inner = Some(crowd(20, 3, Interleaving::Random, within));
        });
        assert!(inner.expect("the outer one comes to its midst") == small, "within");
        assert!(outer == large, "around");
    }
}

/// A call that waits, and then a note that the program goes on.
type WaitingCall = fn(&Net, &dyn Fn());

const WAITING_CALLS: [WaitingCall; 5] = [
    |net, note| {
        let _accepted = TcpListener::bind(net, ("0.0.0.0", PORT)).unwrap().accept().map(|accepted| (accepted, note())).unwrap();
    },
    |net, note| {
        let _connected = TcpStream::connect(net, "10.0.0.1:9").map(|stream| (stream, note())).unwrap();
    },
    |net, note| {
        UdpSocket::bind(net, "0.0.0.0:7").unwrap().recv(&mut [0; 9]).map(|_| note()).unwrap();
    },
    |net, note| {
        UdpSocket::bind(net, "0.0.0.0:7").unwrap().recv_from(&mut [0; 9]).map(|_| note()).unwrap();
    },
    |net, note| {
        let mut stream = TcpStream::connect(net, "10.0.0.1:9").unwrap();
        net.sleep(Duration::from_millis(100));
        stream.read(&mut [0; 9]).map(|_| note()).unwrap();
    },
];

/// The order in which a process that makes this call and one that sleeps until half a microsecond before `returned` go on, and when the call returns.
fn order(call: WaitingCall, returned: Option<Instant>, manner: fn(Builder) -> Builder) -> (Vec<u32>, Instant) {
    let log = Log::default();
    let (callers, bystanders) = (Arc::clone(&log), Arc::clone(&log));
    let returns = Arc::new(Mutex::new(Instant::ZERO));
    let shown = Arc::clone(&returns);
    let report = manner(Sim::builder().seed(3)).run(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)));
        // Whatever the call waits for comes from here.
        sim.host("other").spawn_daemon("other", |net| {
            let listener = TcpListener::bind(&net, "0.0.0.0:9").unwrap();
            net.sleep(Duration::from_millis(50));
            let udp = UdpSocket::bind(&net, "0.0.0.0:9").unwrap();
            udp.send_to(&[1; 9], ("10.0.0.2", PORT)).unwrap();
            drop(TcpStream::connect(&net, ("10.0.0.2", PORT)));
            let (mut stream, _) = listener.accept().unwrap();
            net.sleep(Duration::from_millis(200));
            stream.write_all(&[1; 9]).unwrap();
            net.sleep(Duration::from_secs(1));
        });
        sim.host("caller").spawn("caller", move |net| {
            call(&net, &|| {
                note(&callers, 0);
                let now = net.now();
                *shown.lock().unwrap() = now;
            });
        });
        if let Some(at) = returned {
            sim.host("bystander").spawn("bystander", move |net| {
                // To look at the clock takes a microsecond.
                net.sleep(at.since(net.now()) - Duration::from_nanos(1500));
                note(&bystanders, 1);
            });
        }
    });
    report.unwrap();
    (std::mem::take(&mut *log.lock().unwrap()), *returns.lock().unwrap())
}

#[test]
fn a_call_that_has_waited_returns_after_all_that_is_due_before() {
    for (number, call) in WAITING_CALLS.into_iter().enumerate() {
        for manner in MANNERS {
            let (alone, returned) = order(call, None, manner);
            assert_eq!(alone, [0]);
            assert_eq!(order(call, Some(returned), manner), (vec![1, 0], returned), "call {number}");
        }
    }
}

/// Of two threads that have received from one socket at one moment, which was the first and which the second: in the order in which what they send then arrives, if a call costs so much.
fn passed_on(seed: u64, cost: Duration) -> [u8; 2] {
    let report = Sim::builder().seed(seed).interleaving(Interleaving::Random).call_cost(cost).run(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)));
        sim.host("server").spawn_daemon("server", |net| {
            let socket = Arc::new(UdpSocket::bind(&net, ("0.0.0.0", PORT)).unwrap());
            let count = Arc::new(AtomicU32::new(1));
            let pass_on = |socket: &UdpSocket<Net>, count: &AtomicU32| {
                socket.recv_from(&mut [0; 1]).unwrap();
                let number = count.fetch_add(1, Ordering::Relaxed);
                socket.send_to(&[u8::try_from(number).unwrap()], ("10.0.0.2", PORT)).unwrap();
            };
            let (other, others) = (Arc::clone(&socket), Arc::clone(&count));
            net.spawn(move || pass_on(&other, &others));
            pass_on(&socket, &count);
            net.sleep(Duration::from_secs(1));
        });
        let client = sim.host("client").spawn("client", |net| {
            let socket = UdpSocket::bind(&net, ("0.0.0.0", PORT)).unwrap();
            for _ in 0..2 {
                net.spawn(move || {
                    let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
                    net.sleep(BEGIN - net.now());
                    socket.send_to(&[0], ("10.0.0.1", PORT)).unwrap();
                });
            }
            std::array::from_fn(|_| {
                let mut into = [0; 1];
                socket.recv(&mut into).unwrap();
                into[0]
            })
        });
        sim.run_to_end().unwrap();
        client.take().unwrap()
    });
    report.unwrap().value
}

#[test]
fn what_follows_a_call_that_has_waited_may_come_after_what_others_do() {
    for cost in [Duration::ZERO, Duration::from_micros(1)] {
        let orders: Vec<[u8; 2]> = (0..200).map(|seed| passed_on(seed, cost)).collect();
        for order in [[1, 2], [2, 1]] {
            let count = orders.iter().filter(|of_seed| **of_seed == order).count();
            assert!(count > 25, "{cost:?}: {order:?} {count} times");
        }
    }
}

const MESSAGES: u32 = 400;
const MESSAGE: [u8; 64] = [7; 64];

/// The digest of a run in which some send without a pause what others receive, all of them due at the same moments, so that nearly each call waits for its
/// turn; and how many bytes came to those who received datagrams of `send(2)`, of `sendto(2)`, and a stream. The host of one of those who send crashes on its way.
fn floods(interleaving: Interleaving, manner: fn(Builder) -> Builder) -> (u64, [u32; 4]) {
    let received = Arc::new([const { AtomicU32::new(0) }; 4]);
    let builder = manner(Sim::builder().seed(3).interleaving(interleaving));
    let counts = Arc::clone(&received);
    let report = builder.run(move |sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)));
        let server = sim.host("server");
        let at = |port| SocketAddr::new(server.ipv4(), port);
        let [by_send, by_sendto, by_stream, doomed] = [1, 2, 3, 4].map(at);
        let process = server.spawn("server", move |net| {
            for (socket, number) in [(by_send, 0), (by_sendto, 1), (doomed, 3)] {
                let (socket, counts) = (UdpSocket::bind(&net, socket).unwrap(), Arc::clone(&counts));
                net.spawn(move || drain(&socket, number == 1, &counts[number]));
            }
            let (mut stream, _) = TcpListener::bind(&net, by_stream).unwrap().accept().unwrap();
            net.sleep(BEGIN + Duration::from_millis(1) - net.now());
            let mut message = [0; 64];
            while let Ok(read @ 1..) = stream.read(&mut message) {
                counts[2].fetch_add(u32::try_from(read).unwrap(), Ordering::Relaxed);
            }
        });
        let clients = ["send", "sendto", "stream", "doomed"].map(|name| sim.host(name));
        for (host, to) in [(&clients[0], by_send), (&clients[3], doomed)] {
            host.spawn("client", move |net| {
                let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
                socket.connect(to).unwrap();
                net.sleep(BEGIN - net.now());
                (0..MESSAGES).for_each(|_| _ = socket.send(&MESSAGE).unwrap());
            });
        }
        clients[1].spawn("client", move |net| {
            let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
            net.sleep(BEGIN - net.now());
            (0..MESSAGES).for_each(|_| _ = socket.send_to(&MESSAGE, by_sendto).unwrap());
        });
        clients[2].spawn("client", move |net| {
            let mut stream = TcpStream::connect(&net, by_stream).unwrap();
            net.sleep(BEGIN - net.now());
            (0..MESSAGES).for_each(|_| stream.write_all(&MESSAGE).unwrap());
        });
        sim.run_for(BEGIN - Instant::ZERO + Duration::from_micros(200));
        clients[3].crash();
        sim.run_for(Duration::from_secs(1));
        process.kill();
    });
    (report.unwrap().digest, std::array::from_fn(|number| received[number].load(Ordering::Relaxed)))
}

fn drain(socket: &UdpSocket<Net>, asks_who: bool, count: &AtomicU32) {
    let mut message = [0; 64];
    loop {
        let read = if asks_who { socket.recv_from(&mut message).unwrap().0 } else { socket.recv(&mut message).unwrap() };
        count.fetch_add(u32::try_from(read).unwrap(), Ordering::Relaxed);
    }
}

#[test]
fn who_waits_for_its_turn_in_every_call_loses_nothing() {
    for interleaving in [Interleaving::FirstCome, Interleaving::Random, Interleaving::Pct { preemptions: 3 }] {
        let runs = MANNERS.map(|manner| floods(interleaving, manner));
        assert_eq!(runs, [runs[0]; 3], "{interleaving:?}");
        let (_, [by_send, by_sendto, by_stream, of_doomed]) = runs[0];
        assert_eq!([by_send, by_sendto, by_stream], [64 * MESSAGES; 3], "{interleaving:?}");
        assert!((1..64 * MESSAGES).contains(&of_doomed), "{interleaving:?}: {of_doomed} bytes of one whose host crashes");
    }
}
