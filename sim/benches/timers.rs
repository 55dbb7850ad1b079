//! What an hour of virtual time costs: with 1,000 hosts that each sleep one second at a time, and with nobody awake.
//!
//! ```text
//! cargo bench -p twinsock-sim --bench timers
//! ```

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::{Duration, Instant};
use twinsock::Clock;
use twinsock_sim::{Net, Sim};

const HOUR: Duration = Duration::from_secs(3600);
const HOSTS: usize = 1_000;

/// An hour in which everybody wakes up every second.
fn busy_hour() {
    let run = Sim::builder().seed(1).run(|sim| {
        for index in 0..HOSTS {
            let host = sim.host(&format!("host-{index}"));
            host.spawn("sleeper", |net: Net| {
                for _ in 0..HOUR.as_secs() {
                    net.sleep(Duration::from_secs(1));
                }
            });
        }
    });
    let report = run.expect("the run comes to its end");
    assert!(report.elapsed >= HOUR, "an hour has passed");
}

/// How many hours one run may last: a clock of 64 bits counts nanoseconds for five million.
const RUN_MAX_HOURS: u64 = 1_000_000;

/// `hours` hours, each of them one sleep; what they took in real time.
fn idle_hours(mut hours: u64) -> Duration {
    let mut taken = Duration::ZERO;
    while hours > 0 {
        let now = hours.min(RUN_MAX_HOURS);
        taken += idle_run(now);
        hours -= now;
    }
    taken
}

fn idle_run(hours: u64) -> Duration {
    let run = Sim::builder().seed(1).run(|sim| {
        let process = sim.host("idle").spawn("sleeper", move |net: Net| {
            let start = Instant::now();
            for _ in 0..hours {
                net.sleep(HOUR);
            }
            start.elapsed()
        });
        sim.run_to_end().ok().and_then(|()| process.take())
    });
    run.expect("the run comes to its end").value.expect("a run that has ended has a result")
}

fn timers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("an hour");
    group.bench_function("idle", |bencher| bencher.iter_custom(idle_hours));
    group.sample_size(10);
    group.bench_function("1,000 hosts, 1 s sleeps", |bencher| bencher.iter(busy_hour));
    group.finish();
}

criterion_group!(benches, timers);
criterion_main!(benches);
