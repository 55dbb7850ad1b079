//! What a seed costs: a run of two hosts and twenty messages, as campaigns make them, and what the tape of it costs.
//!
//! ```text
//! cargo bench -p twinsock-sim --bench explore
//! ```
//!
//! Time is this program's time on its processors, so that what else the machine does matters little; but real time for two threads.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use twinsock::net::{TcpListener, TcpStream};
use twinsock_sim::choice::Choice;
use twinsock_sim::explore::{Campaign, TestId};
use twinsock_sim::{Interleaving, Link, Misfortunes, Sim};

const MESSAGES: u32 = 20;

/// How long processors have worked for this program, `CLOCK_PROCESS_CPUTIME_ID` of `clock_gettime(2)`.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of this frame.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(answer, 0, "every Linux has this clock");
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).expect("nanoseconds are below a second"))
}

/// A client sends twenty messages, each after the answer to the one before.
fn twenty_messages(sim: &Sim) {
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.link(&server, &client, Link::new().delay(Duration::from_millis(1)));
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

/// The same, on a network and with hosts that the swarm breaks for a second, so that every seed comes to its end; these programs bear no faults of calls.
fn twenty_messages_and_misfortunes(sim: &Sim) {
    twenty_messages(sim);
    sim.misfortunes(&Misfortunes::all().calls(false).names(false).until(Duration::from_secs(1)));
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
                let (start, worked) = (Instant::now(), cpu_time());
                let outcome = campaign.clone().seeds(seeds).run(twenty_messages);
                assert!(outcome.is_ok(), "{outcome}");
                if name == "two threads" { start.elapsed() } else { cpu_time() - worked }
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
            let worked = cpu_time();
            let outcome = campaign().jobs(1).seeds(seeds).run(twenty_messages_and_misfortunes);
            assert!(outcome.is_ok(), "{outcome}");
            cpu_time() - worked
        });
    });
    group.finish();
}

/// What the tape costs: a run of which it is recorded, and one of which it is not.
fn tapes(criterion: &mut Criterion) {
    let bodies = [("", twenty_messages as fn(&Sim)), (", with misfortunes", twenty_messages_and_misfortunes)];
    for (name, body) in bodies {
        let mut group = criterion.benchmark_group(format!("the tape of a seed of two hosts and twenty messages{name}"));
        let source = |name, seed| match name {
            "recorded" => Choice::from_seed(seed),
            _ => Choice::from_seed(seed).unrecorded(),
        };
        for name in ["recorded", "not recorded"] {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|seeds| {
                    let worked = cpu_time();
                    for seed in 0..seeds {
                        // As a campaign does it.
                        let builder = Sim::builder().interleaving(Interleaving::Mixed).calls_expected(512).keep_events(0);
                        builder.run_with(source(name, seed), body).unwrap();
                    }
                    cpu_time() - worked
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, seeds, misfortunes, tapes);
criterion_main!(benches);
