//! The workloads W1 to W7 (`twinsock_sim::workload`), on simulated hosts and on the kernel's loopback.
//!
//! ```text
//! cargo bench -p twinsock-sim --bench workloads
//! cargo bench -p twinsock-sim --bench workloads -- W1
//! ```
//! Each workload is one program, generic over its world; what differs is who runs it. Set-up (the run, the handshake) is not measured. `twinsock
//! bench` measures the same in a minute, with W8 and W9.
//!
//! Two estimates of one bench drift apart with the machine. So W7 ends with ratios, from short batches of each way in turn, each with its best
//! time: these are the figures to look at.

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, measurement::WallTime};
use rustix::net::{RecvFlags, SendFlags};
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;
use twinsock_sim::workload::calls::{Pair, StdPair};
use twinsock_sim::workload::{
    Bulk, Churn, Crowd, Done, Duo, Flood, PingPong, UdpPingPong, WRITE_BYTES, World, idle_hours, timers,
};

const BATCH: u64 = 2_000;
const BATCHES: u32 = 400;

/// A workload of two programs in both worlds, by how much of it there is.
fn in_both<D: Duo>(group: &mut BenchmarkGroup<'_, WallTime>, sized: fn(u64) -> D) {
    for (name, world) in [("simulator", World::Simulator), ("kernel loopback", World::Kernel)] {
        group.bench_function(name, |bencher| bencher.iter_custom(|size| for_all(size, sized(size).run(world))));
    }
}

/// How long `size` would have taken, had none been lost.
fn for_all(size: u64, done: Done) -> Duration {
    Duration::from_secs_f64(size as f64 / done.per_second())
}

fn ping_pong(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W1 TCP round trip, 1 B");
    in_both(&mut group, |rounds| PingPong { bytes: 1, rounds });
    group.finish();
    let mut group = criterion.benchmark_group("W1 TCP round trip, 64 B");
    in_both(&mut group, |rounds| PingPong { bytes: 64, rounds });
    group.finish();
}

fn bulk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W2 TCP stream, 64 KiB writes");
    group.throughput(Throughput::Bytes(u64::try_from(WRITE_BYTES).expect("64 KiB fits into 64 bits")));
    in_both(&mut group, |writes| Bulk { writes });
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

fn churn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W3 connect, accept, 1 B, close");
    in_both(&mut group, |connections| Churn { connections });
    group.finish();
}

fn crowd(criterion: &mut Criterion) {
    for clients in [10, 1_000] {
        let mut group = criterion.benchmark_group(format!("W4 a round trip of each of {clients} clients"));
        group.sample_size(10).throughput(Throughput::Elements(clients.into()));
        for (name, world) in [("simulator", World::Simulator), ("kernel loopback", World::Kernel)] {
            group.bench_function(name, |bencher| {
                let crowd = |rounds| Crowd { clients, rounds: u32::try_from(rounds).expect("few round trips") };
                bencher.iter_custom(|rounds| crowd(rounds).run(world).taken);
            });
        }
        group.finish();
    }
}

fn hours(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W5 a virtual second");
    group.sample_size(10);
    for hosts in [10, 1_000] {
        group.throughput(Throughput::Elements(hosts));
        group.bench_function(format!("{hosts} hosts, a 1 s timer"), |bencher| {
            bencher.iter_custom(|seconds| timers(hosts, seconds).taken);
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("W5 a virtual hour");
    group.bench_function("idle", |bencher| bencher.iter_custom(|hours| idle_hours(hours).taken));
    group.finish();
}

fn datagrams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W6 UDP round trip, 64 B");
    in_both(&mut group, |rounds| UdpPingPong { rounds });
    group.finish();
    let mut group = criterion.benchmark_group("W6 UDP flood, 64 B");
    in_both(&mut group, |datagrams| Flood { datagrams });
    group.finish();
}

/// A way for a byte through a pair of the kernel's sockets.
type Through = (&'static str, Box<dyn Fn(u64) -> Done>);

fn ways() -> [Through; 5] {
    let (by_os, by_libc, by_std) = (Pair::new(), Pair::new(), StdPair::new());
    let pair = || std::os::unix::net::UnixStream::pair().expect("there are descriptors for two sockets");
    let (one, other) = pair();
    let (by_socket2, into) = (socket2::Socket::from(OwnedFd::from(one)), socket2::Socket::from(OwnedFd::from(other)));
    let (by_rustix, end) = pair();
    [
        ("Os", Box::new(move |count| by_os.batch(count, Pair::through_os))),
        ("libc", Box::new(move |count| by_libc.batch(count, Pair::through_libc))),
        ("std", Box::new(move |count| by_std.batch(count))),
        (
            "socket2",
            Box::new(move |count| {
                by_os_clock(count, || {
                    let sent = black_box(&mut &by_socket2).write(&[7]).expect("there is room");
                    let received = black_box(&mut &into).read(&mut [0]).expect("there is a byte");
                    assert_eq!((sent, received), (1, 1), "the byte goes there and comes out");
                })
            }),
        ),
        (
            "rustix",
            Box::new(move |count| {
                by_os_clock(count, || {
                    let sent = rustix::net::send(black_box(&by_rustix), &[7], SendFlags::NOSIGNAL).expect("there is room");
                    let (_, received) =
                        rustix::net::recv(black_box(&end), &mut [0], RecvFlags::empty()).expect("there is a byte");
                    assert_eq!((sent, received), (1, 1), "the byte goes there and comes out");
                })
            }),
        ),
    ]
}

fn by_os_clock(count: u64, mut act: impl FnMut()) -> Done {
    use twinsock::{Clock, Os};
    let start = Os.now();
    for _ in 0..count {
        act();
    }
    Done { count, taken: Os.now() - start }
}

fn system_calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W7 send and recv 1 B");
    for (name, way) in ways() {
        group.bench_function(name, |bencher| bencher.iter_custom(|count| way(count).taken));
    }
    group.finish();
}

/// The best batch of each way, taken in turn.
fn tell_ratios() {
    let ways = ways();
    let mut best = [Duration::MAX; 5];
    for _ in 0..BATCHES {
        for (best, (_, way)) in best.iter_mut().zip(&ways) {
            *best = (*best).min(way(BATCH).taken);
        }
    }
    let os = best[0].as_secs_f64();
    for (best, (name, _)) in best.iter().zip(&ways).skip(1) {
        println!("Os / {name}, best of {BATCHES} batches in turn: {:.3}", os / best.as_secs_f64());
    }
}

criterion_group!(benches, ping_pong, bulk, churn, crowd, hours, datagrams, system_calls);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // A filter that asks for another workload does not ask for this.
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if asked.is_empty() || asked.iter().any(|name| name.contains("W7")) {
        tell_ratios();
    }
}
