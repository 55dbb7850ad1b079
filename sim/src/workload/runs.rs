//! W5 and W9: what a whole run costs, in which programs sleep, or in which there are none.

use super::{Done, Stopwatch};
use crate::{Net, Sim};
use std::time::Duration;
use twinsock::Clock;

const HOUR: Duration = Duration::from_secs(3600);

/// W5: one virtual hour in which each of so many hosts wakes up every second. Counts the times; what it takes is the whole run.
///
/// # Panics
/// If the run fails.
#[must_use]
pub fn timers(hosts: u64) -> Done {
    let watch = Stopwatch::start();
    let run = Sim::builder().seed(1).run(|sim| {
        for index in 0..hosts {
            sim.host(&format!("host-{index}")).spawn("sleeper", |net: Net| {
                for _ in 0..HOUR.as_secs() {
                    net.sleep(Duration::from_secs(1));
                }
            });
        }
    });
    let report = run.expect("the run comes to its end");
    assert!(report.elapsed >= HOUR, "an hour has passed");
    Done { count: hosts * HOUR.as_secs(), taken: watch.elapsed() }
}

/// How many hours one run may last: a clock of 64 bits counts nanoseconds for five million.
const RUN_MAX_HOURS: u64 = 1_000_000;

/// Hours in which nothing happens, each of them one sleep of the only process.
///
/// # Panics
/// If a run fails.
#[must_use]
pub fn idle_hours(hours: u64) -> Done {
    let (mut left, mut taken) = (hours, Duration::ZERO);
    while left > 0 {
        let now = left.min(RUN_MAX_HOURS);
        taken += idle_run(now);
        left -= now;
    }
    Done { count: hours, taken }
}

fn idle_run(hours: u64) -> Duration {
    let run = Sim::builder().seed(1).run(|sim| {
        let process = sim.host("idle").spawn("sleeper", move |net: Net| {
            let watch = Stopwatch::start();
            for _ in 0..hours {
                net.sleep(HOUR);
            }
            watch.elapsed()
        });
        sim.run_to_end().ok().and_then(|()| process.take())
    });
    run.expect("the run comes to its end").value.expect("a run that has ended has a result")
}

/// W9: so many simulations made, run empty and dropped: each on an OS thread of its own, or all on the caller's.
///
/// # Panics
/// If a run fails.
#[must_use]
pub fn empty_runs(runs: u64, own_threads: bool) -> Done {
    let watch = Stopwatch::start();
    for seed in 0..runs {
        let builder = Sim::builder().seed(seed);
        let report = if own_threads { builder.run(|_| ()) } else { builder.run_here(|_| ()) };
        report.expect("an empty run comes to its end");
    }
    Done { count: runs, taken: watch.elapsed() }
}
