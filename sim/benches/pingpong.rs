//! A 64-byte message there and back between two blocking programs: on two simulated hosts, and beside it on the kernel's loopback.
//!
//! ```text
//! cargo bench -p twinsock-sim --bench pingpong
//! ```
//! The program is one function, generic over its world; what differs is who runs it. Set-up (the run, the handshake) is not measured.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Env, Os, Spawn};
use twinsock_sim::{Link, Net, Sim};

const MESSAGE_BYTES: usize = 64;

/// Answers each message with itself until the client closes.
fn echo<A: Env>(listener: &TcpListener<A>) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut message = [0; MESSAGE_BYTES];
    while stream.read_exact(&mut message).is_ok() {
        stream.write_all(&message)?;
    }
    Ok(())
}

/// Sends `rounds` messages, each after the answer to the one before; how long that took in real time.
fn ping<A: Env>(net: &A, server: (&str, u16), rounds: u64) -> io::Result<Duration> {
    let mut stream = TcpStream::connect(net, server)?;
    stream.set_nodelay(true)?;
    let mut message = [7; MESSAGE_BYTES];
    let start = Instant::now();
    for _ in 0..rounds {
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
    }
    Ok(start.elapsed())
}

fn simulated(rounds: u64) -> Duration {
    let run = Sim::builder().seed(1).run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.link(&server, &client, Link::new().delay(Duration::from_micros(50)));
        server.spawn("echo", |net: Net| echo(&TcpListener::bind(&net, ("0.0.0.0", 7)).expect("bind")).expect("echo"));
        let client = client.spawn("ping", move |net: Net| ping(&net, ("server", 7), rounds).expect("ping"));
        sim.run_to_end().ok().and_then(|()| client.take())
    });
    run.expect("the run comes to its end").value.expect("a run that has ended has a result")
}

fn kernel(rounds: u64) -> Duration {
    let listener = TcpListener::bind(&Os, ("127.0.0.1", 0)).expect("bind");
    let port = listener.local_addr().expect("getsockname").port();
    let server = Os.spawn(move || echo(&listener));
    let taken = ping(&Os, ("127.0.0.1", port), rounds).expect("ping");
    server.join().expect("the server does not panic").expect("echo");
    taken
}

fn pingpong(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pingpong 64 B");
    group.bench_function("simulator", |bencher| bencher.iter_custom(simulated));
    group.bench_function("kernel loopback", |bencher| bencher.iter_custom(kernel));
    group.finish();
}

criterion_group!(benches, pingpong);
criterion_main!(benches);
