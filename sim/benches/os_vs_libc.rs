//! What the API costs on the kernel: a byte sent and received through `Os`, and by libc's functions called by hand.
//!
//! ```text
//! cargo bench -p twinsock-sim --bench os_vs_libc
//! ```
//! Two estimates of one bench drift apart with the machine. So after them comes a ratio, from short batches of the one and the other in
//! turn, each with its best time: that is the figure to look at.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use criterion::{Criterion, criterion_group};
use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use twinsock::{Domain, MsgFlags, Os, Protocol, SockFlags, SocketApi, Type};

type Socket = <Os as SocketApi>::Socket;

const BATCH: u32 = 2_000;
const BATCHES: u32 = 400;

fn pair() -> (Socket, Socket) {
    Os.socketpair(Domain::UNIX, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT).expect("socketpair")
}

fn through_os((one, other): &(Socket, Socket)) {
    let mut byte = [0];
    let sent = Os.send(black_box(one), black_box(b"x"), MsgFlags::NONE).expect("send");
    let received = Os.recv(black_box(other), black_box(&mut byte), MsgFlags::NONE).expect("recv");
    assert_eq!((sent, received), (1, 1), "the byte goes there and comes out");
}

fn through_libc((one, other): &(Socket, Socket)) {
    let mut byte = [0_u8];
    let data = black_box(b"x");
    // SAFETY: `data` is one readable byte, and the descriptor is open while its socket is borrowed.
    let sent = unsafe { libc::send(black_box(one).as_raw_fd(), data.as_ptr().cast(), 1, libc::MSG_NOSIGNAL) };
    let into = black_box(&mut byte);
    // SAFETY: `into` is one writable byte, and the descriptor is open while its socket is borrowed.
    let received = unsafe { libc::recv(black_box(other).as_raw_fd(), into.as_mut_ptr().cast(), 1, 0) };
    assert_eq!((sent, received), (1, 1), "the byte goes there and comes out");
}

fn os_vs_libc(criterion: &mut Criterion) {
    let pair = pair();
    let mut group = criterion.benchmark_group("send and recv 1 B");
    group.bench_function("Os", |bencher| bencher.iter(|| through_os(&pair)));
    group.bench_function("libc", |bencher| bencher.iter(|| through_libc(&pair)));
    group.finish();
}

fn batch(pair: &(Socket, Socket), call: fn(&(Socket, Socket))) -> Duration {
    let start = Instant::now();
    for _ in 0..BATCH {
        call(pair);
    }
    start.elapsed()
}

/// The best batch of each, taken in turn.
fn ratio() -> f64 {
    let pair = pair();
    let (mut os, mut libc) = (Duration::MAX, Duration::MAX);
    for _ in 0..BATCHES {
        os = os.min(batch(&pair, through_os));
        libc = libc.min(batch(&pair, through_libc));
    }
    os.as_secs_f64() / libc.as_secs_f64()
}

criterion_group!(benches, os_vs_libc);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    println!("Os / libc, best of {BATCHES} batches in turn: {:.3}", ratio());
}
