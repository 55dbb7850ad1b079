//! What proptest makes of a property over commands, a network and a schedule: what fails is found, and shrunk to what matters of each.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::cell::Cell;
use std::sync::Arc;
use twinsock::sync::Mutex;
use twinsock::{Clock, JoinThread, Spawn};
use twinsock_sim::strategy::{Network, Schedule, networks, networks_of, schedules};

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
                    net.sleep(std::time::Duration::from_millis(1) * number);
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
    let all = (schedules(), vec(1..1000_u32, 0..10), networks(1..=4));
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
    fn the_same_schedule_is_the_same_run(network in networks_of(&["server", "client"]), schedule in schedules()) {
        let digest = || {
            let run = schedule.run(|sim| {
                let hosts = network.build(sim);
                hosts[0].spawn("server", |net| {
                    let (stream, _) = twinsock::net::TcpListener::bind(&net, "0.0.0.0:7")?.accept()?;
                    std::io::copy(&mut &stream, &mut &stream)
                });
                sim.run_for(std::time::Duration::from_secs(1));
                hosts[1].spawn("client", |net| {
                    use std::io::{Read, Write};
                    let mut stream = twinsock::net::TcpStream::connect(&net, "server:7").unwrap();
                    stream.write_all(b"hello").unwrap();
                    stream.read_exact(&mut [0; 5]).unwrap();
                });
            });
            run.unwrap().digest
        };
        prop_assert_eq!(digest(), digest());
    }
}
