//! What a program asks of its world besides sockets: time, threads, chance.

use crate::conformance;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};
use twinsock::{Instant, JoinThread};

conformance! {
    fn the_monotonic_clock_does_not_go_back(env: &E) {
        let mut last = env.now();
        for _ in 0..1000 {
            let now = env.now();
            assert!(now >= last);
            last = now;
        }
        assert_ne!(last, Instant::FAR);
    }

    fn sleep_is_not_too_short(env: &E) {
        for duration in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(100), Duration::from_millis(3)] {
            let start = env.now();
            env.sleep(duration);
            assert!(env.now().since(start) >= duration);
        }
    }

    fn both_clocks_run(env: &E) {
        let (start, wall_start) = (env.now(), env.wall());
        env.sleep(Duration::from_millis(10));
        assert!(env.now() > start);
        let passed = env.wall().duration_since(wall_start).expect("the wall clock went on");
        assert!(passed >= Duration::from_millis(9), "{passed:?}");
    }

    fn the_wall_clock_is_in_this_century(env: &E) {
        let year_2000 = SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_800);
        assert!(env.wall() >= year_2000);
    }

    fn join_returns_what_the_thread_returned(env: &E) {
        let threads: Vec<_> = (0..10).map(|number| env.spawn(move || number * number)).collect();
        let squares: Vec<i32> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(squares, [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]);
    }

    fn what_a_thread_did_is_seen_after_join(env: &E) {
        let counter = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = (0..10)
            .map(|_| {
                let counter = Arc::clone(&counter);
                env.spawn(move || counter.fetch_add(1, Ordering::Relaxed))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(counter.load(Ordering::Relaxed), 10);
    }

    fn a_thread_starts_threads(env: &E) {
        let inner = env.clone();
        let outer = env.spawn(move || inner.spawn(|| 7).join().unwrap() + 1);
        assert_eq!(outer.join().unwrap(), 8);
    }

    fn every_sleeper_sleeps_its_own_time(env: &E) {
        let (sender, receiver) = twinsock::sync::channel(env);
        let threads: Vec<_> = [30, 10, 20]
            .map(|millis| {
                let (env, sender) = (env.clone(), sender.clone());
                let start = env.now();
                env.clone().spawn(move || {
                    env.sleep(Duration::from_millis(millis));
                    sender.send((millis, env.now().since(start))).expect("the receiver waits");
                })
            })
            .into();
        for _ in 0..3 {
            let (millis, slept) = receiver.recv().unwrap();
            assert!(slept >= Duration::from_millis(millis));
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }

    fn chance_fills_what_it_is_given(env: &E) {
        let (mut first, mut second) = ([0; 64], [0; 64]);
        env.fill(&mut first);
        env.fill(&mut second);
        assert_ne!(first, second);
        assert_ne!(first, [0; 64]);
        env.fill(&mut []);
    }
}
