//! W5 and W9: what a whole run costs, in which programs sleep, or in which there are none.

use super::{Done, Stopwatch, World};
use crate::{Net, Sim};
use std::time::Duration;
use twinsock::{Clock, Os, Spawn};

const HOUR: Duration = Duration::from_secs(3600);

/// W5: so many virtual seconds, in each of which each of so many hosts wakes up once. Counts the times it does; the hosts are made before that.
///
/// # Panics
/// If the run fails.
#[must_use]
pub fn timers(hosts: u64, seconds: u64) -> Done {
    timers_in(World::Simulator, hosts, seconds)
}

/// The same in one of the simulator's worlds.
///
/// # Panics
/// If the run fails, or the world is the kernel's.
#[must_use]
pub fn timers_in(world: World, hosts: u64, seconds: u64) -> Done {
    let builder = world.builder().expect("only a simulator's hours are short");
    let run = builder.run(|sim| {
        for index in 0..hosts {
            sim.host(&format!("host-{index}")).spawn("sleeper", move |net: Net| {
                for _ in 0..seconds {
                    net.sleep(Duration::from_secs(1));
                }
            });
        }
        // By then all of them sleep.
        sim.run_for(Duration::from_millis(500));
        let watch = Stopwatch::start();
        sim.run_to_end().map(|()| watch.elapsed())
    });
    let report = run.expect("the run comes to its end");
    assert!(report.elapsed >= Duration::from_secs(seconds), "the time has passed");
    Done { count: hosts * seconds, taken: report.value.expect("the run has not failed") }
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

/// What stands beside W9: so many OS threads that are started, do nothing and are waited for.
///
/// # Panics
/// If the machine has no thread left.
#[must_use]
pub fn empty_threads(threads: u64) -> Done {
    let watch = Stopwatch::start();
    for _ in 0..threads {
        Os.spawn(|| ()).join().expect("a thread that does nothing does not panic");
    }
    Done { count: threads, taken: watch.elapsed() }
}
