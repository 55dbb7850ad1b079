//! What the parts cost of which every figure is made: a switch, an event, a call, a choice, a word of the digest.
//!
//! ```text
//! cargo bench -p twinsock-sim --bench micro
//! ```

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use twinsock::net::UdpSocket;
use twinsock::{Clock, Os};
use twinsock_sim::choice::{Choice, Door};
use twinsock_sim::trace::Digest;
use twinsock_sim::world::event::EventQueue;
use twinsock_sim::{Net, Sim};

/// How long it takes in real time.
fn timed(act: impl FnOnce()) -> Duration {
    let start = Os.now();
    act();
    Os.now() - start
}

/// What so many processes of a host take for `each` of theirs; the hosts and stacks are made before that.
fn simulated(processes: u64, each: impl Fn(&Net) + Copy + 'static) -> Duration {
    let run = Sim::builder().seed(1).run_here(|sim| {
        let host = sim.host("host");
        for _ in 0..processes {
            host.spawn("process", move |net: Net| {
                net.sleep(Duration::from_secs(1));
                each(&net);
            });
        }
        sim.run_for(Duration::from_millis(500));
        timed(|| sim.run_to_end().expect("the run comes to its end"))
    });
    run.expect("the run comes to its end").value
}

fn switches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("switch");
    for processes in [1, 2, 100] {
        group.bench_function(format!("a sleep that another of {processes} processes follows"), |bencher| {
            bencher.iter_custom(|count| {
                let each = count.div_ceil(processes);
                simulated(processes, move |net| (0..each).for_each(|_| net.sleep(Duration::from_micros(1))))
            });
        });
    }
    group.finish();
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("event, pushed and popped");
    for pending in [1_u64, 1_000, 10_000] {
        group.bench_function(format!("{pending} pending"), |bencher| {
            let mut queue = EventQueue::new();
            let mut delay = 1_u64;
            // Delays up to 100 us, of a sequence that repeats itself late enough (Knuth's MMIX).
            let mut next = || {
                delay = delay.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                Duration::from_nanos((delay >> 33) % 100_000)
            };
            for event in 0..pending {
                queue.push(twinsock::Instant::ZERO + next(), event);
            }
            bencher.iter(|| {
                let (at, event) = queue.pop().expect("there are as many as at first");
                queue.push(at + next(), black_box(event));
            });
        });
    }
    group.finish();
}

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call");
    group.bench_function("recv that fails with EAGAIN", |bencher| {
        bencher.iter_custom(|count| {
            simulated(1, move |net| {
                let socket = UdpSocket::bind(net, "0.0.0.0:9").expect("nobody else is on this host");
                socket.set_nonblocking(true).expect("a socket may be non-blocking");
                for _ in 0..count {
                    black_box(socket.recv(&mut [0])).expect_err("there is nothing to receive");
                }
            })
        });
    });
    group.bench_function("clock_gettime", |bencher| {
        bencher.iter_custom(|count| {
            simulated(1, move |net| {
                for _ in 0..count {
                    black_box(net.now());
                }
            })
        });
    });
    group.finish();
}

fn choices(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a draw, recorded");
    group.throughput(Throughput::Elements(1));
    for n in [2, 1000, u32::MAX] {
        for (source, name) in [(Choice::from_seed as fn(u64) -> Choice, "seed"), (|_| Choice::boring(), "boring")] {
            group.bench_function(format!("{name}, of {n}"), |bencher| {
                bencher.iter_custom(|draws| {
                    let mut choice = source(1);
                    let stream = choice.stream(Door::Wire, "a/b");
                    timed(|| {
                        black_box((0..draws).fold(0_u32, |sum, _| sum.wrapping_add(choice.draw(stream, n))));
                    })
                });
            });
        }
    }
    group.finish();
}

fn digests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("digest");
    group.bench_function("four words", |bencher| {
        let mut digest = Digest::new();
        let mut word = 0_u64;
        bencher.iter(|| {
            word += 1;
            digest.fold4(word, word, word, word);
            digest.value()
        });
    });
    group.throughput(Throughput::Bytes(1460));
    group.bench_function("data of 1460 bytes", |bencher| {
        let (mut digest, data) = (Digest::new(), [7; 1460]);
        bencher.iter(|| {
            digest.fold_data(black_box(&data));
            digest.value()
        });
    });
    group.finish();
}

criterion_group!(benches, switches, events, calls, choices, digests);
criterion_main!(benches);
