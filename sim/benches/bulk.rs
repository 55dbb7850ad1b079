//! A stream of 64 KiB writes to a reader with a 64 KiB buffer: over a simulated link (MTU 1500, 1 ms), over the kernel's loopback, and
//! as the two `memcpy` that no stream can do without.
//!
//! ```text
//! cargo bench -p twinsock-sim --bench bulk
//! ```

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Env, Os, Spawn};
use twinsock_sim::{Link, Net, Sim};

const WRITE_BYTES: usize = 64 * 1024;

/// Reads to the end of the stream and says how much that was.
fn drain<A: Env>(listener: &TcpListener<A>) -> io::Result<u64> {
    let (mut stream, _) = listener.accept()?;
    let mut buffer = vec![0; WRITE_BYTES];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(total),
            count => total += u64::try_from(count).expect("a count of bytes fits into 64 bits"),
        }
    }
}

/// Writes `writes` blocks and waits until the other end has closed, having read them all; how long that took in real time.
fn pour<A: Env>(net: &A, server: (&str, u16), writes: u64) -> io::Result<Duration> {
    let mut stream = TcpStream::connect(net, server)?;
    let block = vec![7; WRITE_BYTES];
    let start = Instant::now();
    for _ in 0..writes {
        stream.write_all(&block)?;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_exact(&mut [0]).expect_err("the reader sends nothing, and closes");
    Ok(start.elapsed())
}

fn expected(writes: u64) -> u64 {
    writes * u64::try_from(WRITE_BYTES).expect("64 KiB fits into 64 bits")
}

fn simulated(writes: u64) -> Duration {
    let run = Sim::builder().seed(1).run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.link(&server, &client, Link::new().delay(Duration::from_millis(1)).mtu_bytes(1500));
        server.spawn("drain", move |net: Net| {
            let total = drain(&TcpListener::bind(&net, ("0.0.0.0", 7)).expect("bind")).expect("drain");
            assert_eq!(total, expected(writes), "no byte is lost or made up");
        });
        let client = client.spawn("pour", move |net: Net| pour(&net, ("server", 7), writes).expect("pour"));
        sim.run_to_end().ok().and_then(|()| client.take())
    });
    run.expect("the run comes to its end").value.expect("a run that has ended has a result")
}

fn kernel(writes: u64) -> Duration {
    let listener = TcpListener::bind(&Os, ("127.0.0.1", 0)).expect("bind");
    let port = listener.local_addr().expect("getsockname").port();
    let server = Os.spawn(move || drain(&listener));
    let taken = pour(&Os, ("127.0.0.1", port), writes).expect("pour");
    let total = server.join().expect("the server does not panic").expect("drain");
    assert_eq!(total, expected(writes), "no byte is lost or made up");
    taken
}

fn bulk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bulk 64 KiB writes");
    group.throughput(Throughput::Bytes(expected(1)));
    group.bench_function("simulator", |bencher| bencher.iter_custom(simulated));
    group.bench_function("kernel loopback", |bencher| bencher.iter_custom(kernel));
    let (source, mut middle, mut target) = (vec![7_u8; WRITE_BYTES], vec![0; WRITE_BYTES], vec![0; WRITE_BYTES]);
    group.bench_function("two memcpy", |bencher| {
        bencher.iter(|| {
            middle.copy_from_slice(black_box(&source));
            target.copy_from_slice(black_box(&middle));
            black_box(&target);
        });
    });
    group.finish();
}

criterion_group!(benches, bulk);
criterion_main!(benches);
