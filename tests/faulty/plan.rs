//! Whether a fault happens: what it depends on, and what it does not. The examples are frozen: a seed means the same in every version.

use crate::support::Env;
use crate::support::scene::{listener, pair};
use crate::support::sock::Sock;
use crate::{conformance, ruled, under};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use twinsock::faulty::{Call, Fault, Faulty, Injected, Plan};
use twinsock::{Clock, Domain, Errno, JoinThread, MsgFlags, PollEvents, Protocol, SocketApi, Spawn, Type};

fn lines(injected: &[Injected]) -> Vec<String> {
    injected.iter().map(Injected::to_string).collect()
}

/// Opens `count` sockets: which of the calls failed.
fn open_sockets<E: Env>(env: &E, count: usize) -> Vec<usize> {
    let open = || Sock::open(env, Domain::INET, Type::STREAM, Protocol::TCP);
    (0..count).filter(|_| open().is_err()).collect()
}

/// A little of everything, in a fixed order.
fn a_sequence<E: Env>(env: &E, plan: Plan) -> Vec<Injected> {
    let faulty = Faulty::new(env.clone(), plan);
    let (listener, _) = listener(env);
    listener.set_nonblocking(true);
    let (client, server) = pair(env);
    server.set_nonblocking(true);
    let [listener, client, server] = under(&faulty, [listener, client, server]);
    for _ in 0..6 {
        assert!(listener.accept().is_err());
        client.send(&[0; 20]).ok();
        server.recv(20).ok();
        client.send_with(&[0; 20], MsgFlags::DONTWAIT).ok();
        server.recv_with(10, MsgFlags::PEEK).ok();
        Sock::open(&faulty, Domain::INET, Type::STREAM, Protocol::TCP).ok();
    }
    faulty.injected()
}

conformance! {
    fn a_seed_is_frozen(env: &E) {
        assert_eq!(lines(&a_sequence(env, Plan::all(42, 1, 6))), GOLDEN);
    }

    fn another_seed_is_another_sequence(env: &E) {
        assert_ne!(a_sequence(env, Plan::all(43, 1, 6)), a_sequence(env, Plan::all(42, 1, 6)));
    }

    fn nothing_happens_without_a_plan(env: &E) {
        assert_eq!(a_sequence(env, Plan::new(42)), []);
    }

    fn a_thread_is_hit_by_how_it_was_spawned(env: &E) {
        let faulty = Faulty::new(env.clone(), Plan::new(5).with(Fault::Emfile.rate(1, 4)));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let own = faulty.clone();
                faulty.spawn(move || {
                    let inner = own.clone();
                    let grandchild = own.spawn(move || open_sockets(&inner, 12));
                    let mut failed = open_sockets(&own, 12);
                    // Calls into the world by other ways leave the account alone.
                    own.sleep(Duration::from_micros(50));
                    failed.extend(open_sockets(&own, 12).iter().map(|index| index + 12));
                    (failed, grandchild.join().unwrap())
                })
            })
            .collect();
        let mut failed = vec![open_sockets(&faulty, 24)];
        for thread in threads {
            let (child, grandchild) = thread.join().unwrap();
            failed.extend([child, grandchild]);
        }
        assert_eq!(failed, THREADS);
        let mut paths: Vec<String> = faulty.injected().iter().map(|injected| injected.thread.to_string()).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths, ["0", "0.0", "0.0.0", "0.1", "0.1.0", "0.2", "0.2.0"]);
    }

    fn two_faulty_worlds_count_for_themselves(env: &E) {
        let plan = Plan::new(5).with(Fault::Emfile.rate(1, 4));
        let (one, other) = (Faulty::new(env.clone(), plan.clone()), Faulty::new(env.clone(), plan));
        let mut failed = [vec![], vec![]];
        for index in 0..24 {
            for (world, failed) in [&one, &other].into_iter().zip(&mut failed) {
                if !open_sockets(world, 1).is_empty() {
                    failed.push(index);
                }
            }
        }
        assert_eq!(failed, [THREADS[0], THREADS[0]]);
    }

    fn one_inside_another_adds_up(env: &E) {
        let inside = Faulty::new(env.clone(), Plan::new(1).with(Fault::Emfile.rate(1, 1).at_most(1)));
        let outside = Faulty::new(inside.clone(), Plan::new(2).with(Fault::Enfile.rate(1, 1).nth(3)));
        assert_eq!(open_sockets(&outside, 9), [0, 2]);
        assert_eq!([inside.injected_count(), outside.injected_count()], [1, 1]);
    }

    fn a_rate_may_be_about_one_call_in_order(env: &E) {
        let plan = Plan::new(1).with(Fault::Emfile.rate(1, 1).on(&[Call::Socket]).nth(3));
        let faulty = Faulty::new(env.clone(), plan);
        assert!(faulty.dup(&Sock::tcp(&faulty).socket).is_ok(), "another call");
        assert_eq!(open_sockets(&faulty, 6), [1]);
    }

    fn a_rate_may_have_an_end(env: &E) {
        let faulty = Faulty::new(env.clone(), Plan::new(1).with(Fault::Emfile.rate(1, 1).at_most(4)));
        assert_eq!(open_sockets(&faulty, 9), [0, 1, 2, 3]);
    }

    fn what_cannot_happen_does_not_count(env: &E) {
        let plan = Plan::new(1).with(Fault::Eintr.rate(1, 1).on(&[Call::Recv]).at_most(1));
        let faulty = Faulty::new(env.clone(), plan);
        let (client, server) = pair(env);
        let [client, _server] = under(&faulty, [client, server]);
        assert_eq!(client.try_recv(1), Err(Errno::AGAIN));
        assert_eq!(client.recv(1), Err(Errno::INTR));
        assert_eq!(client.try_recv(1), Err(Errno::AGAIN));
        assert_eq!(lines(&faulty.injected()), ["thread 0 call 1: recv: EINTR"]);
    }

    fn the_record_keeps_the_latest(env: &E) {
        let faulty = Faulty::new(env.clone(), Plan::new(1).with(Fault::Enfile.rate(1, 1)).keep(2));
        open_sockets(&faulty, 5);
        assert_eq!(faulty.injected_count(), 5);
        assert_eq!(lines(&faulty.injected()), ["thread 0 call 3: socket: ENFILE", "thread 0 call 4: socket: ENFILE"]);
        let faulty = Faulty::new(env.clone(), Plan::new(1).with(Fault::Enfile.rate(1, 1)).keep(0));
        open_sockets(&faulty, 5);
        assert_eq!((faulty.injected_count(), faulty.injected()), (5, vec![]));
    }

    fn a_rule_ends_with_its_guard(env: &E) {
        let faulty = ruled(env);
        let rule = faulty.rule(|call| (call.call == Call::Socket).then_some(Fault::Emfile));
        assert_eq!(open_sockets(&faulty, 2), [0, 1]);
        assert_eq!(rule.hits(), 2);
        drop(rule);
        assert!(open_sockets(&faulty, 2).is_empty());
    }

    fn a_rule_sees_the_call(env: &E) {
        let faulty = ruled(env);
        let (client, server) = pair(env);
        let [client, server] = under(&faulty, [client, server]);
        let (fd, seen) = (client.fd(), Arc::new(AtomicU32::new(0)));
        let counted = Arc::clone(&seen);
        let rule = faulty.rule(move |call| {
            counted.fetch_add(1, Ordering::Relaxed);
            let large = call.fd == Some(fd) && call.len.is_some_and(|len| len > 10);
            (large && call.thread.to_string() == "0" && call.index == 1).then_some(Fault::Short)
        });
        client.send_all(&[1; 5]);
        assert!(client.send(&[1; 50]).unwrap() < 50);
        client.send_all(&[1; 50]);
        assert_eq!(server.recv_with(20, MsgFlags::WAITALL).map(|bytes| bytes.len()), Ok(20));
        assert_eq!((rule.hits(), seen.load(Ordering::Relaxed)), (1, 4));
    }

    fn the_first_rule_that_wants_something_wins(env: &E) {
        let faulty = Faulty::new(env.clone(), Plan::new(1).with(Fault::Enomem.rate(1, 1)));
        let _none = faulty.rule(|_| None);
        let one = faulty.nth(1, Call::Socket, Fault::Emfile);
        let two = faulty.nth(2, Call::Socket, Fault::Enfile);
        open_sockets(&faulty, 3);
        let faults: Vec<Fault> = faulty.injected().iter().map(|injected| injected.fault).collect();
        assert_eq!(faults, [Fault::Emfile, Fault::Enomem, Fault::Enfile], "the second rule did not see the first call");
        assert_eq!((one.hits(), two.hits()), (1, 1));
    }

    fn a_rule_cannot_ask_for_what_cannot_happen(env: &E) {
        let faulty = ruled(env);
        let rule = faulty.rule(|_| Some(Fault::Econnaborted));
        assert!(open_sockets(&faulty, 3).is_empty());
        assert_eq!(rule.hits(), 0);
    }

    fn readiness_is_spurious_by_rate_too(env: &E) {
        let faulty = Faulty::new(env.clone(), Plan::new(3).with(Fault::Spurious.rate(1, 2)));
        let (client, server) = pair(env);
        server.set_nonblocking(true);
        let [_client, server] = under(&faulty, [client, server]);
        let reports = (0..100).filter(|_| server.poll(PollEvents::IN, Some(Duration::ZERO)) == PollEvents::IN).count();
        assert!((30..70).contains(&reports));
        assert_eq!(u64::try_from(reports), Ok(faulty.injected_count()));
    }
}

#[test]
#[should_panic(expected = "a rate is a ratio from 0 to 1, not 3/2")]
fn a_rate_is_at_most_one() {
    let _rate = Fault::Eintr.rate(3, 2);
}

#[test]
#[should_panic(expected = "ECONNABORTED does not happen to send")]
fn a_fault_has_its_calls() {
    let _rate = Fault::Econnaborted.rate(1, 2).on(&[Call::Send]);
}

/// Which of a thread's first 24 sockets [`a_thread_is_hit_by_how_it_was_spawned`] loses, the grandchildren's first 12: `0`, `0.0`,
/// `0.0.0`, `0.1`, ...
const THREADS: [&[usize]; 7] = [
    &[4, 8, 11, 14, 17],
    &[1, 3, 4, 9, 11, 13, 18, 20, 21, 22],
    &[7, 9],
    &[6, 7, 8, 15],
    &[4, 5, 9],
    &[2, 3, 5, 9, 12, 20],
    &[6],
];

/// What seed 42 does to [`a_sequence`].
const GOLDEN: [&str; 14] = [
    "thread 0 call 0: accept4: EMFILE",
    "thread 0 call 1: send: ENOBUFS",
    "thread 0 call 6: accept4: ECONNABORTED",
    "thread 0 call 8: recv: short, 12 bytes",
    "thread 0 call 11: socket: ENOBUFS",
    "thread 0 call 12: accept4: ENOBUFS",
    "thread 0 call 15: send: ENOBUFS",
    "thread 0 call 18: accept4: ECONNABORTED",
    "thread 0 call 19: send: short, 12 bytes",
    "thread 0 call 21: send: ENOBUFS",
    "thread 0 call 23: socket: ENOMEM",
    "thread 0 call 29: socket: ENFILE",
    "thread 0 call 31: send: short, 17 bytes",
    "thread 0 call 33: send: ENOBUFS",
];
