//! `twinsock::sync`: locks, condition variables and channels that wait in their own world.

use crate::conformance;
use crate::support::scene::pair;
use std::sync::Arc;
use std::time::Duration;
use twinsock::JoinThread;
use twinsock::sync::{Condvar, Mutex, RecvError, RecvTimeoutError, TryRecvError, channel};

conformance! {
    fn a_lock_is_held_by_one_thread_at_a_time(env: &E) {
        let total = Arc::new(Mutex::new(env, 0u64));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (env, total) = (env.clone(), Arc::clone(&total));
                env.clone().spawn(move || {
                    for _ in 0..50 {
                        let mut guard = total.lock();
                        let seen = *guard;
                        env.now();
                        *guard = seen + 1;
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*total.lock(), 200);
    }

    fn a_held_lock_cannot_be_taken(env: &E) {
        let lock = Mutex::new(env, 1);
        let guard = lock.lock();
        assert!(lock.try_lock().is_none());
        drop(guard);
        assert!(lock.try_lock().is_some_and(|value| *value == 1));
        assert_eq!(lock.into_inner(), 1);
    }

    fn a_lock_may_be_held_over_a_blocking_call(env: &E) {
        let (client, server) = pair(env);
        let lock = Arc::new(Mutex::new(env, server));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let lock = Arc::clone(&lock);
                env.spawn(move || lock.lock().recv_exactly(2))
            })
            .collect();
        client.send_all(b"ab");
        client.send_all(b"cd");
        let mut halves: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        halves.sort();
        assert_eq!(halves, [b"ab", b"cd"], "nobody reads between a reader's two bytes");
    }

    fn a_notified_waiter_sees_what_was_changed(env: &E) {
        let shared = Arc::new((Mutex::new(env, false), Condvar::new(env)));
        let waiting = Arc::clone(&shared);
        let waiter = env.spawn(move || {
            let (ready, changed) = &*waiting;
            let mut guard = ready.lock();
            while !*guard {
                guard = changed.wait(guard);
            }
        });
        *shared.0.lock() = true;
        shared.1.notify_one();
        waiter.join().unwrap();
    }

    fn notify_all_wakes_everybody(env: &E) {
        let shared = Arc::new((Mutex::new(env, 0), Condvar::new(env)));
        let waiters: Vec<_> = (0..5)
            .map(|_| {
                let shared = Arc::clone(&shared);
                env.spawn(move || {
                    let mut guard = shared.0.lock();
                    while *guard == 0 {
                        guard = shared.1.wait(guard);
                    }
                    *guard += 1;
                })
            })
            .collect();
        *shared.0.lock() = 1;
        shared.1.notify_all();
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(*shared.0.lock(), 6);
    }

    fn a_wait_ends_when_its_time_is_up(env: &E) {
        let (lock, changed) = (Mutex::new(env, ()), Condvar::new(env));
        let start = env.now();
        let mut guard = lock.lock();
        loop {
            let (again, waited) = changed.wait_timeout(guard, Duration::from_millis(10));
            guard = again;
            if waited.timed_out() {
                break;
            }
        }
        drop(guard);
        assert!(env.now().since(start) >= Duration::from_millis(10));
    }

    fn a_channel_keeps_the_order(env: &E) {
        let (sender, receiver) = channel(env);
        let thread = env.spawn(move || {
            for number in 0..100 {
                sender.send(number).expect("the receiver waits");
            }
        });
        for number in 0..100 {
            assert_eq!(receiver.recv(), Ok(number));
        }
        assert_eq!(receiver.recv(), Err(RecvError), "the sender is gone");
        thread.join().unwrap();
    }

    fn an_empty_channel_says_so(env: &E) {
        let (sender, receiver) = channel(env);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        let start = env.now();
        assert_eq!(receiver.recv_timeout(Duration::from_millis(10)), Err(RecvTimeoutError::Timeout));
        assert!(env.now().since(start) >= Duration::from_millis(10));
        sender.send(1).unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
        drop(sender);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(receiver.recv_timeout(Duration::from_secs(1000)), Err(RecvTimeoutError::Disconnected));
    }

    fn a_channel_without_a_receiver_gives_the_value_back(env: &E) {
        let (sender, receiver) = channel(env);
        drop(receiver);
        assert_eq!(sender.send(7).unwrap_err().0, 7);
    }

    fn many_senders_reach_one_receiver(env: &E) {
        let (sender, receiver) = channel(env);
        let threads: Vec<_> = (0..5)
            .map(|number| {
                let sender = sender.clone();
                env.spawn(move || sender.send(number).expect("the receiver waits"))
            })
            .collect();
        drop(sender);
        let mut numbers = Vec::new();
        while let Ok(number) = receiver.recv() {
            numbers.push(number);
        }
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
