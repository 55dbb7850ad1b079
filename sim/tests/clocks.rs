//! Clocks of hosts that are wrong: what programs see of them, and what waits by them.

use std::io::{self, Read};
use std::time::{Duration, SystemTime};
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Clock, Instant, JoinThread, SocketApi, Spawn};
use twinsock_sim::{Host, Link, Misfortunes, Net, Sim};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// What the clocks of a host show at this moment: nanoseconds of the monotonic one, and of the wall clock since 2000.
fn read(sim: &Sim, host: &Host) -> (u64, i128) {
    let reading = host.spawn("reader", |net| {
        let wall = net.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
        (net.now().as_nanos(), i128::try_from(wall).unwrap() - 946_684_800_000_000_000)
    });
    sim.run_for(Duration::ZERO);
    // Each look costs a microsecond of the thread's own time.
    sim.run_for(Duration::from_micros(10));
    reading.take().unwrap()
}

#[test]
fn drift_makes_clocks_part_by_the_stated_ppm_exactly() {
    let report = Sim::builder().call_cost(Duration::ZERO).run(|sim| {
        let hosts: Vec<(Host, i64)> =
            [0, 1, -1, 37, 500, -500, 100_000].map(|ppm| (sim.host(&format!("host {ppm}")), i64::from(ppm))).into();
        for (host, ppm) in &hosts {
            host.set_clock(0, i32::try_from(*ppm).unwrap());
        }
        sim.run_for(DAY);
        let readings: Vec<_> = hosts
            .iter()
            .map(|(host, ppm)| {
                let reading = host.spawn("reader", |net| (net.now().as_nanos(), net.wall()));
                (reading, *ppm)
            })
            .collect();
        sim.run_for(Duration::ZERO);
        for (reading, ppm) in readings {
            let (now, wall) = reading.take().unwrap();
            // 86 400 s are 86 400 000 000 microseconds: so many thousandths of a nanosecond are a ppm of them.
            let expected = 86_400_000_000_000_u64.saturating_add_signed(86_400_000 * ppm);
            assert_eq!(now, expected, "{ppm} ppm");
            assert_eq!(wall, SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_800) + Duration::from_nanos(expected));
        }
    });
    report.unwrap();
}

#[test]
fn a_sleep_takes_as_long_as_the_own_clock_says() {
    for (ppm, expected) in [(100_000, 3_272_727_272_728), (-100_000, 4_000_000_000_000), (0, 3_600_000_000_000)] {
        let report = Sim::builder().call_cost(Duration::ZERO).run(|sim| {
            let host = sim.host("a");
            host.set_clock(0, ppm);
            host.spawn("p", move |net| {
                let start = net.now();
                net.sleep(3600 * SECOND);
                assert!(net.now() - start >= 3600 * SECOND, "at least as long, by the own clock");
                assert!(net.now() - start <= 3600 * SECOND + Duration::from_nanos(2), "and no longer");
            });
        });
        assert_eq!(report.unwrap().elapsed, Duration::from_nanos(expected), "{ppm} ppm");
    }
}

#[test]
fn timeouts_of_calls_and_locks_go_by_the_own_clock() {
    let report = Sim::builder().run(|sim| {
        let host = sim.host("a");
        host.set_clock(0, 1_000_000);
        host.spawn("p", |net| {
            let took = |what: &str, wait: &mut dyn FnMut()| {
                let start = net.true_time();
                wait();
                let took = (net.true_time() - start).as_millis();
                assert_eq!(took, 5000, "{what}: ten seconds of a clock that is twice as fast");
            };
            took("poll", &mut || assert_eq!(SocketApi::poll(&net, &mut [], Some(10 * SECOND)), Ok(0)));
            let listener = TcpListener::bind(&net, "0.0.0.0:80").unwrap();
            let mut stream = TcpStream::connect(&net, "a:80").unwrap();
            stream.set_read_timeout(Some(10 * SECOND)).unwrap();
            took("recv", &mut || assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock));
            let (_sender, receiver) = twinsock::sync::channel::<_, ()>(&net);
            took("channel", &mut || assert!(receiver.recv_timeout(10 * SECOND).is_err()));
            let (lock, condvar) = (twinsock::sync::Mutex::new(&net, ()), twinsock::sync::Condvar::new(&net));
            took("condvar", &mut || assert!(condvar.wait_timeout(lock.lock(), 10 * SECOND).1.timed_out()));
            drop(listener);
        });
    });
    report.unwrap();
}

#[test]
fn the_kernels_timers_go_by_the_own_clock() {
    let report = Sim::builder().run(|sim| {
        let (host, silent) = (sim.host("a"), sim.host("silent"));
        host.set_clock(0, 1_000_000);
        sim.cut(&host, &silent);
        let to = (silent.ipv4(), 80);
        let connecting = host.spawn("p", move |net| {
            let gone = TcpStream::connect(&net, to).unwrap_err();
            assert_eq!(gone.kind(), io::ErrorKind::TimedOut);
            (net.now().as_nanos() / 1_000_000_000, net.true_time().as_nanos() / 1_000_000_000)
        });
        sim.run_to_end().unwrap();
        let (own, true_time) = connecting.take().unwrap();
        assert_eq!(own / 2, true_time, "the SYNs of tcp_syn_retries");
        assert!((120..140).contains(&own), "{own}");
    });
    report.unwrap();
}

#[test]
fn a_clock_that_is_set_changes_what_waits_already() {
    let report = Sim::builder().run(|sim| {
        let host = sim.host("a");
        let sleeping = host.spawn("sleeper", |net| {
            let thread = net.spawn(move || {
                SocketApi::poll(&net, &mut [], Some(100 * SECOND)).unwrap();
                net.true_time().as_nanos() / 1_000_000_000
            });
            net.sleep(100 * SECOND);
            (net.true_time().as_nanos() / 1_000_000_000, thread.join().unwrap())
        });
        sim.run_for(50 * SECOND);
        host.set_clock(0, 1_000_000);
        sim.run_to_end().unwrap();
        assert_eq!(sleeping.take(), Some((75, 75)), "half of it at each rate");
        let sleeping = host.spawn("sleeper", |net| {
            net.sleep(100 * SECOND);
            net.true_time().as_nanos() / 1_000_000_000
        });
        sim.run_for(25 * SECOND);
        host.set_clock(0, -500_000);
        sim.run_to_end().unwrap();
        assert_eq!(sleeping.take(), Some(75 + 25 + 100));
    });
    report.unwrap();
}

#[test]
fn a_step_moves_the_wall_clock_and_never_the_monotonic_one() {
    let report = Sim::builder().run(|sim| {
        let host = sim.host("a");
        let mut last = 0;
        for ahead in [0_i64, 3600, -3600, 5, -7200] {
            let (before, _) = read(sim, &host);
            host.set_clock(ahead * 1_000_000_000, 0);
            let true_time = i128::from(sim.now().as_nanos());
            let (now, wall) = read(sim, &host);
            assert!(now >= before && before >= last, "the monotonic clock never goes back");
            assert_eq!(wall, true_time + i128::from(ahead) * 1_000_000_000 + 1000, "ahead by {ahead} s");
            last = now;
            sim.run_for(SECOND);
        }
    });
    report.unwrap();
}

#[test]
fn a_host_that_boots_begins_its_monotonic_clock_and_keeps_the_time_of_day() {
    let report = Sim::builder().run(|sim| {
        let host = sim.host("a");
        host.set_clock(60_000_000_000, 0);
        sim.run_for(100 * SECOND);
        host.crash();
        sim.run_for(100 * SECOND);
        host.restart();
        sim.run_for(SECOND);
        let true_time = i128::from(sim.now().as_nanos());
        let (now, wall) = read(sim, &host);
        assert_eq!((now, wall), (1_000_002_000, true_time + 60_000_000_000 + 1000));
        // And what waits there waits as long as it says.
        host.spawn("sleeper", |net| net.sleep(10 * SECOND));
        let before = sim.now();
        sim.run_to_end().unwrap();
        assert_eq!((sim.now() - before).as_secs(), 10);
    });
    report.unwrap();
}

/// A lease of ten seconds, which its holder gives up by its own clock; whether the grantor, by its own, takes it back before.
fn lease_is_safe(drift_ppm: i32) -> bool {
    let report = Sim::builder().run(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)));
        let (grantor, holder) = (sim.host("grantor"), sim.host("holder"));
        grantor.set_clock(0, drift_ppm);
        let until = |net: Net| {
            net.sleep(10 * SECOND);
            net.true_time()
        };
        let granted = grantor.spawn("grantor", until);
        let held = holder.spawn("holder", until);
        sim.run_to_end().unwrap();
        held.take().unwrap() <= granted.take().unwrap()
    });
    report.unwrap().value
}

#[test]
fn a_lease_without_a_margin_is_not_safe_under_drift() {
    assert!(lease_is_safe(0) && lease_is_safe(-500));
    assert!(!lease_is_safe(500));
}

#[test]
fn the_swarm_sets_clocks_wrong_and_right_again_and_a_seed_is_a_run() {
    let run = |seed| {
        let report = Sim::builder().seed(seed).keep_story(true).run(|sim| {
            let host = sim.host("a");
            sim.host("b").spawn("p", |net| net.sleep(30 * SECOND));
            sim.misfortunes(&Misfortunes::none().clocks(true).until(20 * SECOND));
            sim.run_for(25 * SECOND);
            let true_time = i128::from(sim.now().as_nanos());
            assert_eq!(read(sim, &host).1, true_time + 1000, "the wall clock is right in the end");
            sim.now()
        });
        report.unwrap()
    };
    let reports: Vec<_> = (0..20).map(run).collect();
    assert!(reports.iter().zip(0..).all(|(report, seed)| report.digest == run(seed).digest));
    let told = |words: &str| reports.iter().any(|report| report.story.iter().any(|told| told.to_string().contains(words)));
    assert!(told("the clock of a is 10s ahead") && told("the clock of b is 500 ppm slow"), "{:#?}", reports[0].story);
    assert!(Instant::ZERO < reports[0].value);
}
