//! What proptest makes of a property over commands, a network and a schedule: what fails is found, and shrunk to what matters of each.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::cell::Cell;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream, UdpSocket};
use twinsock::sync::Mutex;
use twinsock::{Clock, Instant, JoinThread, Spawn};
use twinsock_sim::strategy::{
    Fault, FaultPlan, Network, Planned, Schedule, faults, faulty_links, links, networks, networks_of, schedules,
};
use twinsock_sim::{Misfortunes, Net, Sim};

/// Deposits, each by a teller of its own, who reads the balance under the lock, and writes it under the lock, but not under the same.
fn deposits_are_all_there(amounts: &[u32], network: &Network, schedule: &Schedule) -> Result<(), TestCaseError> {
    let run = schedule.run(|sim| {
        let bank = network.build(sim).swap_remove(0);
        let amounts = amounts.to_vec();
        bank.spawn("bank", move |net| {
            let balance = Arc::new(Mutex::new(&net, 0));
            let total: u32 = amounts.iter().sum();
            let teller = |(number, amount): (u32, u32)| {
                let balance = Arc::clone(&balance);
                net.spawn(move || {
                    // They do not come at the same time.
                    net.sleep(Duration::from_millis(1) * number);
                    let read = *balance.lock();
                    *balance.lock() = read + amount;
                })
            };
            let tellers: Vec<_> = (1..).zip(amounts).map(teller).collect();
            tellers.into_iter().for_each(|teller| teller.join().unwrap());
            assert_eq!(*balance.lock(), total, "no deposit is lost");
        });
    });
    prop_assert!(run.is_ok(), "{}", run.unwrap_err());
    Ok(())
}

#[test]
fn a_lost_update_is_shrunk_in_all_its_parts() {
    let runs = Cell::new(0);
    let config = Config { cases: 2000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let all = (schedules(), vec(1..1000_u32, 0..10), networks(1..=4, links()));
    let outcome = runner.run(&all, |(schedule, amounts, network)| {
        runs.set(runs.get() + 1);
        deposits_are_all_there(&amounts, &network, &schedule)
    });
    let Err(TestError::Fail(reason, (schedule, amounts, network))) = outcome else { panic!("it is found: {outcome:?}") };
    println!("{} runs: {amounts:?}, {network:?}, {schedule:?}", runs.get());
    assert!(reason.message().contains("no deposit is lost"), "{reason}");
    assert!(amounts.len() >= 2 && amounts.iter().all(|amount| *amount == 1), "the least amounts: {amounts:?}");
    assert_eq!(network.hosts, ["host0"], "one host is enough");
    // The strategy; when the one preemption that matters happens (its order of magnitude, and where in it), and for how long.
    let told = format!("{schedule:?}");
    let is_small = told.starts_with("Schedule(all boring but [run interleaving #0: ") && told.matches('#').count() <= 4;
    assert!(is_small && told.matches("interleaving preemption").count() == 3, "one preemption is enough: {told}");
    assert!(deposits_are_all_there(&amounts, &network, &schedule).is_err(), "what is shown fails");
}

/// Pays, and when no answer comes pays again: the bank may have heard the first time.
fn pay(net: &Net, amount: u32) {
    loop {
        let asked = TcpStream::connect(net, "bank:7").and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_millis(500)))?;
            stream.write_all(&amount.to_be_bytes())?;
            stream.read_exact(&mut [0])
        });
        if asked.is_ok() {
            return;
        }
        net.sleep(Duration::from_millis(100));
    }
}

fn nothing_is_paid_twice(
    (schedule, faults, network, amounts): &(Schedule, FaultPlan, Network, Vec<u32>),
) -> Result<(), TestCaseError> {
    let total: u32 = amounts.iter().sum();
    let run = schedule.run(|sim| {
        let hosts = network.build(sim);
        let balance = Arc::new(AtomicU32::new(0));
        let paid = Arc::clone(&balance);
        hosts[0].spawn_daemon("bank", move |net| {
            let listener = TcpListener::bind(&net, "0.0.0.0:7").unwrap();
            for stream in listener.incoming() {
                let (mut stream, mut amount) = (stream.unwrap(), [0; 4]);
                stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                if stream.read_exact(&mut amount).is_ok() {
                    paid.fetch_add(u32::from_be_bytes(amount), Ordering::Relaxed);
                    // Whoever does not hear it asks again.
                    stream.write_all(&[1]).ok();
                }
            }
        });
        sim.run_for(Duration::from_secs(1));
        let amounts = amounts.clone();
        hosts[1].spawn("client", move |net| amounts.iter().for_each(|amount| pay(&net, *amount)));
        faults.unfold(sim, &hosts);
        sim.run_to_end().ok();
        assert_eq!(balance.load(Ordering::Relaxed), total, "what is paid is paid once");
    });
    prop_assert!(run.is_ok(), "{}", run.unwrap_err());
    Ok(())
}

#[test]
fn a_payment_made_twice_is_shrunk_in_all_its_parts() {
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let some = Misfortunes::none().cuts(true).holds(true).pauses(true).until(Duration::from_secs(5));
    let network = networks_of(&["bank", "client"], faulty_links());
    // What comes first is made small first: when things happen before what fills the time until then.
    let all = (schedules(), faults(2, &some), network, vec(1..1000_u32, 0..10));
    let outcome = runner.run(&all, |all| nothing_is_paid_twice(&all));
    let Err(TestError::Fail(reason, all)) = outcome else { panic!("it is found: {outcome:?}") };
    println!("{reason}\n{all:?}");
    let (schedule, faults, network, amounts) = &all;
    assert!(reason.message().contains("what is paid is paid once"), "{reason}");
    assert!(!amounts.is_empty() && amounts.iter().all(|amount| *amount == 1), "payments of the least amount: {amounts:?}");
    // Whatever keeps an answer back for half a second will do: one fault of the network or of the link, or a preemption.
    let told = format!("{schedule:?}");
    assert!(faults.faults.len() <= 1 && told.matches('#').count() <= 4, "{faults:?}, {network:?}, {told}");
    assert!(nothing_is_paid_twice(&all).is_err(), "what is shown fails");
}

#[test]
fn every_fault_of_a_plan_happens_and_ends() {
    let all = [Fault::Cut(0, 1), Fault::CutOneWay(1, 0), Fault::Isolate(1), Fault::Hold(0, 1), Fault::Pause(1), Fault::Crash(1)];
    for fault in all {
        // Two that overlap are one; those of hosts that there are not are none.
        let ms = Duration::from_millis;
        let planned = |fault, at, length| Planned { fault, at: ms(at), length: ms(length) };
        let plan = FaultPlan {
            faults: vec![
                planned(fault, 3000, 4200),
                planned(fault, 1000, 3000),
                planned(Fault::Cut(1, 1), 0, 9000),
                planned(Fault::Pause(2), 0, 9000),
            ],
        };
        let report = Sim::builder().run(|sim| {
            let hosts = [sim.host("asker"), sim.host("server")];
            hosts[1].on_boot(|host| {
                host.spawn_daemon("server", |net| {
                    let socket = UdpSocket::bind(&net, "0.0.0.0:7").unwrap();
                    while let Ok((len, from)) = socket.recv_from(&mut [0; 9]) {
                        socket.send_to(&[7; 9][..len], from).unwrap();
                    }
                });
            });
            // Asks twice a second, and notes which answers came in time.
            let asker = hosts[0].spawn("asker", |net| {
                let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
                socket.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
                net.sleep(Duration::from_millis(250));
                let answers = (0..20_u8).map(|number| {
                    socket.send_to(&[number], "server:7").unwrap();
                    let answered = socket.recv_from(&mut [0; 9]).is_ok();
                    net.sleep(Duration::from_millis(500 * (u64::from(number) + 1) + 250) - (net.now() - Instant::ZERO));
                    answered
                });
                answers.collect::<Vec<bool>>()
            });
            plan.unfold(sim, &hosts);
            sim.run_to_end().unwrap();
            asker.take().unwrap()
        });
        // From one second on to seven and a bit.
        let expected: Vec<bool> = (0..20).map(|number| !(2..14).contains(&number)).collect();
        assert_eq!(report.unwrap().value, expected, "{fault:?}");
    }
}

#[test]
fn a_clock_is_wrong_while_the_plan_says_so() {
    // What a host whose clock is wrong between 1.5 and 2.5 seconds of true time takes for the first, second and third second, in milliseconds.
    for (fault, expected) in [(Fault::Ahead(0, 5000), [1000, 7000, 3000]), (Fault::Drift(0, 100_000), [1000, 2050, 3000])] {
        let report = Sim::builder().call_cost(Duration::ZERO).run(|sim| {
            let host = sim.host("wrong");
            let (all, told) = (Arc::new(std::sync::Mutex::new(Vec::new())), host.clone());
            let seen = Arc::clone(&all);
            // A host that is right wakes the other one's programs, by a datagram a second.
            host.spawn("told", move |net| {
                let socket = UdpSocket::bind(&net, "0.0.0.0:7").unwrap();
                for _ in 0..3 {
                    socket.recv(&mut [0]).unwrap();
                    let year = std::time::UNIX_EPOCH + Duration::from_secs(946_684_800);
                    seen.lock().unwrap().push(net.wall().duration_since(year).unwrap().as_millis());
                }
            });
            sim.host("right").spawn("tells", |net| {
                let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
                for _ in 0..3 {
                    net.sleep(Duration::from_secs(1));
                    socket.send_to(&[1], "wrong:7").unwrap();
                }
            });
            let (at, length) = (Duration::from_millis(1500), Duration::from_secs(1));
            FaultPlan { faults: vec![Planned { fault, at, length }] }.unfold(sim, &[told]);
            sim.run_to_end().unwrap();
            all.lock().unwrap().clone()
        });
        assert_eq!(report.unwrap().value, expected, "{fault:?}");
    }
}

#[test]
fn a_schedule_that_nobody_has_run_stays_as_it_is() {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(0..1000_u32, schedules()), |(number, _)| {
        prop_assert!(number < 10);
        Ok(())
    });
    let Err(TestError::Fail(_, (number, schedule))) = outcome else { panic!("it is found: {outcome:?}") };
    assert_eq!(number, 10);
    assert!(format!("{schedule:?}").starts_with("Schedule(seed "), "{schedule:?}");
}

proptest! {
    #![proptest_config(Config { cases: 100, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_same_schedule_is_the_same_run(network in networks_of(&["server", "client"], faulty_links()), schedule in schedules()) {
        let digest = || {
            let run = schedule.run(|sim| {
                let hosts = network.build(sim);
                hosts[0].spawn("server", |net| {
                    let (stream, _) = TcpListener::bind(&net, "0.0.0.0:7")?.accept()?;
                    std::io::copy(&mut &stream, &mut &stream)
                });
                sim.run_for(Duration::from_secs(1));
                hosts[1].spawn("client", |net| {
                    let mut stream = TcpStream::connect(&net, "server:7").unwrap();
                    stream.write_all(b"hello").unwrap();
                    stream.read_exact(&mut [0; 5]).unwrap();
                });
            });
            run.unwrap().digest
        };
        prop_assert_eq!(digest(), digest());
    }
}
