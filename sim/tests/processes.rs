//! Processes, threads, locks and time, without a network.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use twinsock::net::{TcpListener, UdpSocket};
use twinsock::sync::{Condvar, Mutex, RecvError, RecvTimeoutError, channel};
use twinsock::{Clock, Entropy, Errno, Instant, JoinThread, Spawn};
use twinsock_sim::{FailureKind, Interleaving, Net, Sim};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_idle_hour_passes_at_once() {
    let report = Sim::builder().run(|sim| {
        sim.host("a").spawn("sleeper", |net| net.sleep(3600 * SECOND));
    });
    assert_eq!(report.unwrap().elapsed, 3600 * SECOND);
}

#[test]
fn the_wall_clock_starts_in_2000_and_follows_the_monotonic_one() {
    let report = Sim::builder().run(|sim| {
        sim.host("a").spawn("p", |net| {
            net.sleep(10 * SECOND);
            let since = net.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            assert_eq!(since.as_secs(), 946_684_800 + 10);
        });
    });
    report.unwrap();
}

/// What a process may do for ever without waiting for anybody.
#[derive(Clone, Copy, Debug)]
enum Busy {
    /// Sends to a port at which nobody is.
    Sending,
    /// Opens and closes sockets.
    Opening,
    /// Reads the clock.
    Reading,
}

#[test]
fn a_limit_is_kept_whatever_a_process_does() {
    for (busy, interleaving) in [Busy::Sending, Busy::Opening, Busy::Reading]
        .into_iter()
        .flat_map(|busy| [(busy, Interleaving::FirstCome), (busy, Interleaving::Random)])
    {
        let run = Sim::builder().interleaving(interleaving).run(move |sim| {
            let nobody = SocketAddr::new(sim.host("b").ipv4(), 9);
            let done = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&done);
            let spinner = sim.host("a").spawn("spinner", move |net: Net| {
                let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
                loop {
                    match busy {
                        Busy::Sending => drop(socket.send_to(b"data", nobody)),
                        Busy::Opening => drop(UdpSocket::bind(&net, "0.0.0.0:0").unwrap()),
                        Busy::Reading => _ = net.now(),
                    }
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
            let mut before = 0;
            for number in 1..=3 {
                sim.run_for(Duration::from_millis(10));
                assert_eq!(sim.now(), Instant::ZERO + Duration::from_millis(10) * number, "{busy:?}");
                let now = done.load(Ordering::Relaxed);
                assert!(now > before, "{busy:?}: it goes on where it was");
                before = now;
            }
            spinner.kill();
        });
        run.unwrap();
    }
}

#[test]
fn nobody_acts_after_a_limit() {
    for seed in 0..40 {
        let run = Sim::builder().seed(seed).call_cost(Duration::from_nanos(100 + 700 * (seed % 3))).run(move |sim| {
            let server = sim.host("server");
            let addr = SocketAddr::new(server.ipv4(), 9);
            let latest = Arc::new(AtomicU64::new(0));
            server.process("echo").daemon().spawn(move |net: Net| {
                let socket = UdpSocket::bind(&net, addr).unwrap();
                let mut data = [0; 16];
                while let Ok((count, from)) = socket.recv_from(&mut data) {
                    socket.send_to(&data[..count], from).unwrap();
                }
            });
            for number in 0..3 {
                let latest = Arc::clone(&latest);
                sim.host(&format!("client-{number}")).process("client").daemon().spawn(move |net: Net| {
                    let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
                    socket.connect(addr).unwrap();
                    socket.set_nonblocking(number == 0).unwrap();
                    let mut data = [0; 16];
                    loop {
                        // What it does next is not done if this is not.
                        latest.fetch_max(net.now().as_nanos(), Ordering::Relaxed);
                        let mut turn = [0];
                        net.fill(&mut turn);
                        match turn[0] % 4 {
                            0 if number > 0 => _ = (socket.send(b"data"), socket.recv(&mut data)),
                            1 => net.sleep(Duration::from_nanos(300)),
                            _ => _ = socket.send(b"data"),
                        }
                    }
                });
            }
            let mut limit = Instant::ZERO;
            for _ in 0..20 {
                let more = Duration::from_nanos(u64::from(sim.draw("how long", 100_000)));
                limit += more;
                sim.run_for(more);
                assert_eq!(sim.now(), limit);
                // Who has come to its next act has left the last one when that was over, which may be later by what it cost.
                let latest = latest.load(Ordering::Relaxed);
                assert!(latest <= limit.as_nanos() + 2_000, "{latest} is much later than {limit:?}");
            }
        });
        run.unwrap();
    }
}

#[test]
fn a_program_that_spins_lets_time_pass() {
    let report = Sim::builder().run(|sim| {
        sim.host("a").spawn("spinner", |net| while net.now() < Instant::ZERO + Duration::from_millis(5) {});
    });
    assert!(report.unwrap().elapsed >= Duration::from_millis(4));
}

#[test]
fn threads_sleep_side_by_side_and_are_joined() {
    let report = Sim::builder().run(|sim| {
        sim.host("a").spawn("p", |net| {
            let threads: Vec<_> = (1..=3_u32)
                .map(|n| {
                    net.spawn(move || {
                        net.sleep(n * SECOND);
                        n
                    })
                })
                .collect();
            let sum: u32 = threads.into_iter().map(|t| t.join().unwrap()).sum();
            assert_eq!(sum, 6);
        });
    });
    assert_eq!(report.unwrap().elapsed.as_secs(), 3);
}

#[test]
fn a_lock_is_held_by_one_and_given_in_order() {
    let report = Sim::builder().run(|sim| {
        let process = sim.host("a").spawn("p", |net| {
            let log = Arc::new(Mutex::new(&net, Vec::new()));
            let gate = Arc::new(Mutex::new(&net, ()));
            let held = gate.lock();
            let threads: Vec<_> = (0..3)
                .map(|n| {
                    let (log, gate) = (Arc::clone(&log), Arc::clone(&gate));
                    net.spawn(move || {
                        let _held = gate.lock();
                        net.sleep(SECOND);
                        log.lock().push(n);
                    })
                })
                .collect();
            net.sleep(SECOND);
            drop(held);
            for thread in threads {
                thread.join().unwrap();
            }
            log.lock().clone()
        });
        sim.run_to_end().unwrap();
        let mut log = process.take().unwrap();
        log.sort_unstable();
        assert_eq!(log, [0, 1, 2]);
    });
    assert!(report.unwrap().elapsed >= 4 * SECOND);
}

#[test]
fn a_condition_variable_wakes_who_waits_and_times_out_who_is_not_told() {
    let report = Sim::builder().run(|sim| {
        sim.host("a").spawn("p", |net| {
            let pair = Arc::new((Mutex::new(&net, false), Condvar::new(&net)));
            let other = Arc::clone(&pair);
            let thread = net.spawn(move || {
                net.sleep(SECOND);
                *other.0.lock() = true;
                other.1.notify_one();
            });
            let mut ready = pair.0.lock();
            while !*ready {
                ready = pair.1.wait(ready);
            }
            assert!(net.now() >= Instant::ZERO + SECOND);
            let (_ready, timeout) = pair.1.wait_timeout(ready, SECOND);
            assert!(timeout.timed_out());
            thread.join().unwrap();
        });
    });
    assert_eq!(report.unwrap().elapsed.as_secs(), 2);
}

#[test]
fn a_channel_keeps_order_and_tells_the_end() {
    let report = Sim::builder().run(|sim| {
        sim.host("a").spawn("p", |net| {
            let (sender, receiver) = channel(&net);
            let thread = net.spawn(move || {
                for n in 0..5 {
                    net.sleep(SECOND);
                    sender.send(n).unwrap();
                }
            });
            assert_eq!(receiver.recv_timeout(SECOND / 2), Err(RecvTimeoutError::Timeout));
            let got: Vec<i32> = receiver.iter().collect();
            assert_eq!(got, [0, 1, 2, 3, 4]);
            assert_eq!(receiver.recv(), Err(RecvError));
            thread.join().unwrap();
        });
    });
    report.unwrap();
}

#[test]
fn entropy_is_the_seeds() {
    let draw = |seed| {
        let report = Sim::builder().seed(seed).run(|sim| {
            let process = sim.host("a").spawn("p", |net| {
                let mut bytes = [0; 16];
                net.fill(&mut bytes);
                bytes
            });
            sim.run_to_end().unwrap();
            process.take().unwrap()
        });
        report.unwrap().value
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn a_panic_fails_the_run_with_place_and_time() {
    let failure = Sim::builder()
        .seed(7)
        .run(|sim| {
            sim.host("db").spawn("server", |net| {
                net.sleep(SECOND);
                panic!("lost the log");
            });
            sim.host("idle").spawn("other", |net| net.sleep(100 * SECOND));
        })
        .unwrap_err();
    let text = failure.to_string();
    let FailureKind::Panic { host, process, message, location, .. } = failure.kind else { panic!("{text}") };
    assert_eq!((host.as_str(), process.as_str(), message.as_str()), ("db", "server", "lost the log"));
    assert!(location.unwrap().contains("processes.rs"));
    assert_eq!(failure.seed, 7);
    assert!(failure.at >= Instant::ZERO + SECOND && failure.at < Instant::ZERO + 2 * SECOND);
    assert!(failure.reproduce.contains("TWINSOCK_SEED=7"));
    assert!(failure.reproduce.contains("a_panic_fails_the_run_with_place_and_time"), "{}", failure.reproduce);
}

#[test]
fn a_panic_whose_destructor_needs_a_held_lock_fails_the_run_all_the_same() {
    struct Locks(Arc<Mutex<Net, ()>>);
    impl Drop for Locks {
        fn drop(&mut self) {
            drop(self.0.lock());
        }
    }
    let failure = Sim::builder()
        .run(|sim| {
            sim.host("a").spawn("p", |net| {
                let lock = Arc::new(Mutex::new(&net, ()));
                let held = Arc::clone(&lock);
                let _locks = Locks(lock);
                net.spawn(move || {
                    let _held = held.lock();
                    net.sleep(1000 * SECOND);
                });
                net.sleep(SECOND);
                panic!("the reason");
            });
        })
        .unwrap_err();
    let text = failure.to_string();
    assert!(text.contains("the reason") && text.contains("a lock that thread p/1 holds"), "{text}");
}

#[test]
fn a_deadlock_says_which_connection_is_waited_on() {
    let failure = Sim::builder()
        .run(|sim| {
            sim.host("a").spawn("p", |net| {
                let listener = TcpListener::bind(&net, "0.0.0.0:80").unwrap();
                listener.accept().unwrap();
            });
        })
        .unwrap_err();
    assert!(failure.to_string().contains("host a, thread p: accept on fd 0 (tcp 0.0.0.0:80 LISTEN)"), "{failure}");
}

#[test]
fn a_deadlock_is_reported_with_who_waits_for_what() {
    let failure = Sim::builder()
        .run(|sim| {
            sim.host("a").spawn("p", |net| {
                let left = Arc::new(Mutex::new(&net, ()));
                let right = Arc::new(Mutex::new(&net, ()));
                let (l, r) = (Arc::clone(&left), Arc::clone(&right));
                let thread = net.spawn(move || {
                    let _r = r.lock();
                    net.sleep(SECOND);
                    let _l = l.lock();
                });
                let _l = left.lock();
                net.sleep(SECOND);
                let _r = right.lock();
                thread.join().unwrap();
            });
        })
        .unwrap_err();
    let text = failure.to_string();
    let FailureKind::Deadlock { waiting } = failure.kind else { panic!("{text}") };
    let names: Vec<_> = waiting.iter().map(|w| (w.thread.as_str(), w.what.as_str())).collect();
    assert_eq!(names, [("p", "lock"), ("p/1", "lock")]);
}

#[test]
fn a_killed_process_is_unwound_and_its_calls_fail() {
    struct Loud(Rc<RefCell<Vec<&'static str>>>, Net);
    impl Drop for Loud {
        fn drop(&mut self) {
            let clock = self.1.now();
            // A call in a destructor of a killed thread returns at once.
            self.1.sleep(100 * SECOND);
            assert_eq!(clock, self.1.now());
            self.0.borrow_mut().push("dropped");
        }
    }
    let log = Rc::new(RefCell::new(Vec::new()));
    let report = Sim::builder().run_here(|sim| {
        let seen = Rc::clone(&log);
        let victim = sim.host("a").spawn("victim", move |net| {
            let _loud = Loud(Rc::clone(&seen), net);
            net.sleep(1000 * SECOND);
            seen.borrow_mut().push("never");
        });
        sim.run_for(10 * SECOND);
        assert!(victim.is_alive());
        victim.kill();
        sim.run_for(SECOND);
        assert!(!victim.is_alive());
        assert_eq!(victim.take(), None);
    });
    assert_eq!(report.unwrap().elapsed, 11 * SECOND);
    assert_eq!(*log.borrow(), ["dropped"]);
}

#[test]
fn a_killed_thread_that_catches_the_unwinding_still_ends() {
    let report = Sim::builder().run(|sim| {
        let victim = sim.host("a").spawn("victim", |net| {
            loop {
                let caught = std::panic::catch_unwind(|| net.sleep(1000 * SECOND));
                if caught.is_err() {
                    let mut refused = 0;
                    while twinsock::raw::Syscalls::close(&net, 99) == Err(Errno::IO) {
                        refused += 1;
                        assert!(refused < 1_000_000);
                    }
                }
            }
        });
        sim.run_for(SECOND);
        victim.kill();
    });
    report.unwrap();
}

#[test]
fn when_the_main_thread_ends_the_process_ends() {
    let report = Sim::builder().run(|sim| {
        sim.host("a").spawn("p", |net| {
            net.spawn(move || net.sleep(1000 * SECOND));
            net.sleep(SECOND);
        });
    });
    assert_eq!(report.unwrap().elapsed.as_secs(), 1);
}

#[test]
fn a_daemon_does_not_keep_the_run_going() {
    let report = Sim::builder().run(|sim| {
        sim.host("a").spawn_daemon("ticker", |net| {
            loop {
                net.sleep(SECOND);
            }
        });
        sim.host("b").spawn("worker", |net| net.sleep(10 * SECOND));
    });
    assert_eq!(report.unwrap().elapsed.as_secs(), 10);
}

#[test]
fn a_handle_answers_ebadf_outside_its_process() {
    let report = Sim::builder().run(|sim| {
        let shared = Rc::new(RefCell::new(None));
        let give = Rc::clone(&shared);
        sim.host("a").spawn("owner", move |net| {
            *give.borrow_mut() = Some(net);
            net.sleep(SECOND);
        });
        let take = Rc::clone(&shared);
        sim.host("b").spawn("thief", move |net| {
            net.sleep(SECOND / 2);
            let stolen = take.borrow().unwrap();
            assert_eq!(twinsock::raw::Syscalls::dup(&stolen, 0), Err(Errno::BADF));
        });
        sim.run_to_end().unwrap();
        let net = shared.borrow().unwrap();
        assert_eq!(twinsock::raw::Syscalls::dup(&net, 0), Err(Errno::BADF));
    });
    report.unwrap();
}

#[test]
fn one_simulation_runs_inside_another() {
    let report = Sim::builder().run(|sim| {
        sim.host("outer").spawn("p", |outer| {
            let inner = Sim::builder().run_here(|sim| {
                sim.host("inner").spawn("p", |net| net.sleep(5 * SECOND));
            });
            assert_eq!(inner.unwrap().elapsed, 5 * SECOND);
            outer.sleep(SECOND);
        });
    });
    assert_eq!(report.unwrap().elapsed.as_secs(), 1);
}
