//! The program of the integrity tests, and what must hold of it: a server and its clients, each connection's two ways at work at the same time. Every byte
//! says where it belongs. The fuzz target `whole_run` runs it, too.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Clock, Entropy, Errno, JoinThread, SocketApi, Spawn, option};
use twinsock_sim::{Link, Misfortunes, Net, Sim, sometimes};

const MS: Duration = Duration::from_millis(1);
/// How long misfortunes go on.
const HEALED: Duration = Duration::from_secs(8);
/// Within how much time after that everything has come to its end. An outage of eight seconds leaves a retransmission timer of up to sixteen; a slow reader
/// and the last keepalive probes need the rest.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// How one end's part in one way came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The writer has shut its half down; the reader has seen the end of the stream.
    Whole,
    Failed(Errno),
    /// Its host has lost its power.
    Crashed,
}

/// The two ends of one way of a connection.
#[derive(Clone, Debug, Default)]
struct Stream {
    size: usize,
    sent: usize,
    received: usize,
    written: Option<End>,
    read: Option<End>,
}

/// A connection: its two ways, and what has become of its two hosts.
#[derive(Clone, Debug, Default)]
struct Connection {
    ways: [Stream; 2],
    /// The server knows of it.
    is_accepted: bool,
    has_crashed: bool,
}

/// All connections.
type Streams = Arc<Mutex<Vec<Connection>>>;

fn note(streams: &Streams, (id, way): (usize, Way), act: impl FnOnce(&mut Stream)) {
    act(&mut streams.lock().unwrap()[id].ways[way as usize]);
}

/// What the byte at an offset of a stream is: nothing that is lost, moved or of another stream fits.
fn byte((id, way): (usize, Way), offset: usize) -> u8 {
    let mixed = u64::try_from(offset).unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 29;
    mixed.to_le_bytes()[0] ^ u8::try_from(id % 100).unwrap() ^ (way as u8) << 7
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().expect("an error of the network has an errno"))
}

/// What a call may answer without anything being wrong with the connection.
const PASSING: [Errno; 7] =
    [Errno::INTR, Errno::AGAIN, Errno::NOBUFS, Errno::NOMEM, Errno::MFILE, Errno::NFILE, Errno::CONNABORTED];

/// Calls again while the kernel is out of something, or a signal came.
fn patiently<T>(net: Net, mut call: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match call() {
            Err(error) if error.raw_os_error().is_some_and(|raw| PASSING.contains(&Errno::from_raw(raw))) => net.sleep(MS),
            outcome => return outcome,
        }
    }
}

/// Writes a stream, in pieces of all sizes.
fn write(net: Net, mut stream: &TcpStream<Net>, name: (usize, Way), size: usize, streams: &Streams) {
    let mut sent = 0;
    let end = loop {
        if sent == size {
            break patiently(net, || stream.shutdown(Shutdown::Write))
                .map_or_else(|error| End::Failed(errno(&error)), |()| End::Whole);
        }
        let piece = random(net, 5000) as usize + 1;
        let bytes: Vec<u8> = (sent..size.min(sent + piece)).map(|offset| byte(name, offset)).collect();
        match patiently(net, || stream.write(&bytes)) {
            Ok(len) => sent += len,
            Err(error) => break End::Failed(errno(&error)),
        }
        note(streams, name, |stream| stream.sent = sent);
    };
    note(streams, name, |stream| stream.written = Some(end));
}

/// Reads a stream, sometimes slowly, and looks at every byte.
fn read(net: Net, mut stream: &TcpStream<Net>, name: (usize, Way), streams: &Streams) {
    let (mut received, mut bytes) = (0, [0; 8192]);
    let end = loop {
        if random(net, 16) == 0 {
            net.sleep(MS * random(net, 300));
        }
        let room = random(net, 8191) as usize + 1;
        match patiently(net, || stream.read(&mut bytes[..room])) {
            Ok(0) => break End::Whole,
            Ok(len) => {
                for (offset, got) in (received..).zip(&bytes[..len]) {
                    assert_eq!(*got, byte(name, offset), "byte {offset} of {name:?}");
                }
                received += len;
            }
            Err(error) => break End::Failed(errno(&error)),
        }
        note(streams, name, |stream| stream.received = received);
    };
    note(streams, name, |stream| (stream.received, stream.read) = (received, Some(end)));
}

fn random(net: Net, below: u32) -> u32 {
    let mut bytes = [0; 4];
    net.fill(&mut bytes);
    u32::from_le_bytes(bytes) % below
}

/// Both ways of one end of a connection, on two threads.
fn both(net: Net, stream: TcpStream<Net>, id: usize, (out, back): (Way, Way), streams: &Streams) {
    // Who only reads learns of a peer that has crashed by these alone.
    for (option, value) in [(option::TCP_KEEPIDLE, 5), (option::TCP_KEEPINTVL, 2), (option::TCP_KEEPCNT, 5)] {
        patiently(net, || Ok(net.set_option(stream.owned(), option, value)?)).unwrap();
    }
    patiently(net, || Ok(net.set_option(stream.owned(), option::SO_KEEPALIVE, true)?)).unwrap();
    let size = streams.lock().unwrap()[id].ways[out as usize].size;
    let stream = Arc::new(stream);
    let (writer, streams_too) = (Arc::clone(&stream), Arc::clone(streams));
    let writing = net.spawn(move || write(net, &writer, (id, out), size, &streams_too));
    read(net, &stream, (id, back), streams);
    // A process ends with its main thread.
    drop(writing.join());
}

fn server(net: Net, buffer: i32, streams: &Streams) {
    let listener = patiently(net, || TcpListener::bind(&net, "0.0.0.0:9")).unwrap();
    if buffer > 0 {
        for option in [option::SO_RCVBUF, option::SO_SNDBUF] {
            patiently(net, || Ok(net.set_option(listener.owned(), option, buffer)?)).unwrap();
        }
    }
    loop {
        let (stream, _) = patiently(net, || listener.accept()).unwrap();
        let streams = Arc::clone(streams);
        drop(net.spawn(move || {
            // The first byte says which connection it is. Without it nobody knows what to expect.
            let mut id = [0];
            if patiently(net, || (&stream).read_exact(&mut id)).is_ok() {
                streams.lock().unwrap()[usize::from(id[0])].is_accepted = true;
                both(net, stream, id[0].into(), (Way::Down, Way::Up), &streams);
            }
        }));
    }
}

/// The server's first address: of a name, the second would be tried as well, and its answer be the one that is heard.
const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 0, 0, 1), 9);

/// Connects to the server, also to one that does not listen yet, as it has stood still from its first moment.
fn connect(net: Net) -> std::io::Result<TcpStream<Net>> {
    for _ in 0..20 {
        match patiently(net, || TcpStream::connect(&net, SERVER)) {
            Err(error) if errno(&error) == Errno::CONNREFUSED => net.sleep(Duration::from_secs(1)),
            other => return other,
        }
    }
    patiently(net, || TcpStream::connect(&net, SERVER))
}

fn client(net: Net, id: usize, streams: &Streams) {
    net.sleep(MS * random(net, 3000));
    let refused = |errno| {
        for way in [Way::Up, Way::Down] {
            note(streams, (id, way), |stream| {
                (stream.written, stream.read) = (Some(End::Failed(errno)), Some(End::Failed(errno)))
            });
        }
    };
    let number = [u8::try_from(id).unwrap()];
    let connected = connect(net).and_then(|stream| {
        patiently(net, || (&stream).write_all(&number))?;
        Ok(stream)
    });
    match connected {
        Ok(stream) => both(net, stream, id, (Way::Up, Way::Down), streams),
        Err(error) => refused(errno(&error)),
    }
}

/// What a host that has crashed had under way has come to an end. `ends` are its own of a connection.
fn crashed(connection: &mut Connection, ends: fn(&mut [Stream; 2]) -> [&mut Option<End>; 2]) {
    connection.has_crashed = true;
    for end in ends(&mut connection.ways) {
        end.get_or_insert(End::Crashed);
    }
}

/// A server and its clients, each of which has a connection; both ends write and read at the same time.
fn streams(sim: &Sim) -> Streams {
    sim.default_link(Link::new().delay(MS * sim.swarm("delay", 0..=50)));
    let connections = sim.swarm("connections", 1..=4) as usize;
    let stream = |name: &str| {
        let (scale, order) = (sim.swarm(&format!("{name}, scale"), 0..=1000), sim.swarm(&format!("{name}, order"), 0..=9));
        Stream { size: 1 + (scale as usize) * (1 << order), ..Stream::default() }
    };
    let connection =
        |id| Connection { ways: [stream(&format!("up {id}")), stream(&format!("down {id}"))], ..Connection::default() };
    let streams: Streams = Arc::new(Mutex::new((0..connections).map(connection).collect()));
    let buffer = *sim.swarm_of("buffers", &[0, 2304, 10_000, 100_000]);
    let all = Arc::clone(&streams);
    sim.host("server").on_boot(move |host| {
        for connection in all.lock().unwrap().iter_mut().filter(|connection| connection.is_accepted) {
            crashed(connection, |[up, down]| [&mut up.read, &mut down.written]);
        }
        let streams = Arc::clone(&all);
        host.spawn_daemon("server", move |net| server(net, buffer, &streams));
    });
    for id in 0..connections {
        let (all, mut boots) = (Arc::clone(&streams), 0);
        sim.host(&format!("client{id}")).on_boot(move |host| {
            boots += 1;
            if boots > 1 {
                crashed(&mut all.lock().unwrap()[id], |[up, down]| [&mut up.written, &mut down.read]);
                return;
            }
            let streams = Arc::clone(&all);
            host.spawn_daemon("client", move |net| {
                // By then the server listens, usually.
                net.sleep(Duration::from_secs(1));
                client(net, id, &streams);
            });
        });
    }
    streams
}

/// Lets the run go on until all streams have come to their ends.
fn until_all_have_ended(sim: &Sim, streams: &Streams) {
    let has_ended = |Connection { ways: [up, down], is_accepted, .. }: &Connection| {
        up.written.is_some() && down.read.is_some() && (!is_accepted || up.read.is_some() && down.written.is_some())
    };
    let limit = sim.now() + HEALED + PATIENCE;
    while !sim.has_failed() && !streams.lock().unwrap().iter().all(has_ended) {
        assert!(sim.now() < limit, "something stands still: {:?}", streams.lock().unwrap());
        sim.run_for(Duration::from_secs(1));
    }
}

/// Without faults of hosts, a connection lives longer than any outage of a few seconds: `tcp_retries2` lets it wait for a quarter of an hour.
pub fn the_network_fails(sim: &Sim) {
    let streams = streams(sim);
    sim.misfortunes(&Misfortunes::all().crashes(false).until(HEALED));
    until_all_have_ended(sim, &streams);
    for stream in streams.lock().unwrap().iter().flat_map(|connection| &connection.ways) {
        assert_eq!((stream.written, stream.read), (Some(End::Whole), Some(End::Whole)), "both ends are well: {stream:?}");
        assert_eq!((stream.sent, stream.received), (stream.size, stream.size), "every byte arrives: {stream:?}");
    }
    sometimes!(sim.now().as_nanos() > 20_000_000_000, "a stream needs its time");
}

/// What Linux answers at one end of a connection whose other end has crashed: the rebooted host resets it, or nobody answers; who has not heard of that by
/// an error meets a pipe that is broken.
const LOST: [Errno; 3] = [Errno::CONNRESET, Errno::TIMEDOUT, Errno::PIPE];

/// With faults of hosts, too, a stream ends with its last byte, or with an errno that its crash explains.
pub fn the_hosts_fail(sim: &Sim) {
    let streams = streams(sim);
    sim.misfortunes(&Misfortunes::all().until(HEALED));
    until_all_have_ended(sim, &streams);
    let streams = streams.lock().unwrap();
    for (connection, way) in streams.iter().flat_map(|connection| [(connection, 0), (connection, 1)]) {
        let (stream, back) = (&connection.ways[way], &connection.ways[1 - way]);
        // A connection has one error. If the other thread of this end has had it, this one sees an end, as on Linux.
        let error_is_taken = matches!(back.written, Some(End::Failed(_)));
        if stream.read == Some(End::Whole) && !error_is_taken {
            assert_eq!(stream.received, stream.size, "the end of the stream is after its last byte: {connection:?}");
        }
        for end in [stream.written, stream.read].into_iter().flatten() {
            let End::Failed(errno) = end else { continue };
            sometimes!(errno == Errno::CONNRESET, "a rebooted host resets a connection");
            sometimes!(errno == Errno::TIMEDOUT, "a connection times out");
            sometimes!(stream.received > 0 && stream.received < stream.size, "a stream ends in the middle");
            let is_refused = !connection.is_accepted && errno == Errno::CONNREFUSED;
            assert!(LOST.contains(&errno) || is_refused, "{errno}: {connection:?}");
            assert!(connection.has_crashed || !connection.is_accepted, "{errno}, and nobody crashed: {connection:?}");
        }
    }
}
