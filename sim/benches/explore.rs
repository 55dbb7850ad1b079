//! What a seed costs: a run of two hosts and twenty messages, as campaigns make them, and what the tape of it costs.
//!
//! ```text
//! cargo bench -p twinsock-sim --bench explore
//! ```

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::io::{Read, Write};
use std::time::Instant;
use twinsock::net::{TcpListener, TcpStream};
use twinsock_sim::choice::{Choice, Door};
use twinsock_sim::explore::{Campaign, TestId};
use twinsock_sim::{Interleaving, Link, Misfortunes, Sim};

const MESSAGES: u32 = 20;

/// A client sends twenty messages, each after the answer to the one before.
fn twenty_messages(sim: &Sim) {
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.link(&server, &client, Link::new().delay(std::time::Duration::from_millis(1)));
    server.spawn("echo", |net| {
        let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:7").unwrap().accept().unwrap();
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            stream.write_all(&message).unwrap();
        }
    });
    client.spawn("client", |net| {
        let mut stream = TcpStream::connect(&net, "server:7");
        while stream.is_err() {
            stream = TcpStream::connect(&net, "server:7");
        }
        let mut stream = stream.unwrap();
        let mut message = [7; 64];
        for _ in 0..MESSAGES {
            stream.write_all(&message).unwrap();
            stream.read_exact(&mut message).unwrap();
        }
    });
}

/// The same, on a network that the swarm breaks for a second, so that every seed comes to its end.
fn twenty_messages_and_misfortunes(sim: &Sim) {
    twenty_messages(sim);
    sim.misfortunes(&Misfortunes::all().until(std::time::Duration::from_secs(1)));
}

fn campaign() -> Campaign {
    let test = TestId::new("twinsock-sim", env!("CARGO_MANIFEST_DIR"), file!(), "explore::twenty_messages::here");
    Campaign::new(test).keeps_regressions(false).rerun_every(0)
}

fn seeds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a seed of two hosts and twenty messages");
    group.throughput(Throughput::Elements(1));
    let cases = [
        ("one thread", campaign().jobs(1)),
        ("two threads", campaign().jobs(2)),
        ("one thread, each seed on a fresh one", campaign().jobs(1).fresh_threads(true)),
        ("one thread, first come first served", campaign().jobs(1).interleaving(Interleaving::FirstCome)),
    ];
    for (name, campaign) in cases {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|seeds| {
                let start = Instant::now();
                let outcome = campaign.clone().seeds(seeds).run(twenty_messages);
                assert!(outcome.is_ok(), "{outcome}");
                start.elapsed()
            });
        });
    }
    group.finish();
}

fn misfortunes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a seed of two hosts and twenty messages, with misfortunes");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one thread", |bencher| {
        bencher.iter_custom(|seeds| {
            let start = Instant::now();
            let outcome = campaign().jobs(1).seeds(seeds).run(twenty_messages_and_misfortunes);
            assert!(outcome.is_ok(), "{outcome}");
            start.elapsed()
        });
    });
    group.finish();
}

fn draws(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a draw, recorded");
    group.throughput(Throughput::Elements(1));
    for n in [2, 1000, u32::MAX] {
        for (source, name) in [(Choice::from_seed as fn(u64) -> Choice, "seed"), (|_| Choice::boring(), "boring")] {
            group.bench_function(format!("{name}, of {n}"), |bencher| {
                bencher.iter_custom(|draws| {
                    let mut choice = source(1);
                    let stream = choice.stream(Door::Wire, "a/b");
                    let start = Instant::now();
                    let sum = (0..draws).fold(0_u32, |sum, _| sum.wrapping_add(choice.draw(stream, n)));
                    std::hint::black_box(sum);
                    start.elapsed()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, seeds, misfortunes, draws);
criterion_main!(benches);
