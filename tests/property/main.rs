//! Random sequences of calls over several TCP sockets, on both worlds from one source.
//!
//! - `call`: the calls, and how a random sequence of them is made.
//! - `datagrams`: calls on UDP sockets, on which the worlds must agree.
//! - `doors`: a call that waits at a listener and what happens meanwhile, on which the worlds must agree.
//! - `exchange`: flags, urgent data and epoll on one connection, on which the worlds must agree.
//! - `local`: local sockets of all types, on which the worlds must agree.
//! - `model`: a naive model of TCP on one host, which says for each call which outcomes are allowed.
//! - `options`: random `getsockopt(2)` and `setsockopt(2)`, on which the worlds must agree.
//! - `run`: makes the calls in a world, asks the model about each outcome, and keeps the transcript.
//! - `streams`: random sizes of buffers, writes and reads, by blocking calls and by `poll(2)`.
//! - `waits`: a call that waits and what happens meanwhile, on which the worlds must agree.
//!
//! A failure prints the shortest sequence that proptest found and its transcript; such a sequence becomes a scenario of
//! `scenarios`.

#[expect(dead_code, reason = "the sequences use a part of what the promises use")]
#[path = "../support/mod.rs"]
mod support;

mod call;
mod datagrams;
mod doors;
mod exchange;
mod local;
mod model;
mod options;
mod run;
mod scenarios;
mod streams;
mod waits;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use twinsock_sim::{Net, Sim};

/// How many sequences each test tries, unless `PROPTEST_CASES` says otherwise: a few seconds' worth.
const CASES: u32 = 1000;

/// Where the sequences begin, unless `PROPTEST_RNG_SEED` says otherwise: every run tries the same ones.
const SEED: u64 = 1996;

fn check<S: Strategy>(cases: u32, inputs: &S, verdict: impl Fn(S::Value) -> Result<(), String>) {
    let outcome = runner(cases).0.run(inputs, |input| verdict(input).map_err(TestCaseError::fail));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// Makes on a simulated host what was made on the kernel, with this transcript, and tells the first line that differs.
fn compare(name: &str, kernel: &[String], simulated: impl FnOnce(Net) -> Vec<String> + 'static) -> Result<(), String> {
    let run = Sim::builder().run_here(|sim| sim.host("host").spawn(name, simulated));
    let report = run.map_err(|failure| failure.to_string())?;
    let simulator = report.value.take().expect("a process that has ended has an outcome");
    assert_eq!(kernel.len(), simulator.len(), "every act has its line in both worlds");
    match kernel.iter().zip(&simulator).position(|(one, other)| one != other) {
        None => Ok(()),
        Some(at) => Err(format!("{}\nkernel:    {}\nsimulator: {}", kernel[..at].join("\n"), kernel[at], simulator[at])),
    }
}

/// A runner of so many cases, unless the environment says otherwise, and how many they are.
fn runner(cases: u32) -> (TestRunner, u32) {
    let mut config = Config { failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    let cases = config.cases;
    (TestRunner::new(config), cases)
}

#[test]
fn the_kernel_does_what_the_model_allows() {
    check(CASES, &call::sequences(), |calls| run::on_os(&calls).map(drop));
}

#[test]
fn the_simulator_does_what_the_model_allows() {
    check(CASES, &call::sequences(), |calls| run::on_sim(&calls).map(drop));
}

#[test]
fn both_worlds_do_the_same() {
    check(CASES, &call::sequences(), |calls| run::differ(&calls));
}
