//! The bodies of the fuzz targets over their seeds and over random inputs: a smoke test that needs neither a fuzzer nor a nightly
//! compiler.

#[expect(dead_code, reason = "some of it is for the programs of the fuzzer alone")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;
use targets::{calls, canary, differential, segment, whole_run};
use twinsock_sim::choice::{Choice, Door};
use twinsock_sim::conform::Twins;

/// The inputs that are kept with the target, by name; what a fuzzer has found here is run too.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut seeds: Vec<_> = fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

/// Runs a target over its seeds, and over inputs that are seeds with some bytes changed.
fn smoke(target: &str, run: fn(&[u8]), rounds: u32) {
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "a target has seeds");
    for (name, seed) in &seeds {
        eprintln!("seed {name}");
        run(seed);
    }
    let mut choice = Choice::from_seed(1);
    let stream = choice.stream(Door::Run, target);
    let count = u32::try_from(seeds.len()).unwrap();
    for round in 0..rounds {
        let mut input = seeds[choice.draw(stream, count) as usize].1.clone();
        for _ in 0..choice.draw(stream, 8) {
            let byte = u8::try_from(choice.draw(stream, 256)).unwrap();
            let at = choice.draw(stream, u32::try_from(input.len()).unwrap() + 1) as usize;
            match input.get_mut(at) {
                Some(old) if choice.draw(stream, 2) == 0 => *old = byte,
                Some(_) | None => input.insert(at, byte),
            }
        }
        eprintln!("round {round}: {input:?}");
        run(&input);
    }
}

#[test]
fn a_host_bears_any_segment() {
    smoke("segment", segment::run, 2_000);
}

#[test]
fn any_choices_are_a_run() {
    smoke("whole_run", whole_run::run, 60);
}

#[test]
fn the_canary_dies_of_choices_and_of_nothing_else() {
    canary::run(&[]);
    let mut choice = Choice::from_seed(1);
    let stream = choice.stream(Door::Run, "canary");
    let dies = |input: &[u8]| {
        let died = std::panic::catch_unwind(|| canary::run(input)).err()?;
        died.downcast_ref::<String>().map(|message| message.contains(canary::PLANTED))
    };
    let inputs = (0..1000).map(|_| [(); 64].map(|()| u8::try_from(choice.draw(stream, 256)).unwrap()));
    let deaths: Vec<bool> = inputs.filter_map(|input| dies(&input)).collect();
    assert!(!deaths.is_empty() && deaths.iter().all(|planted| *planted), "it has one bug, which is found: {deaths:?}");
}

#[test]
fn any_calls_are_answered() {
    smoke("calls", calls::run, 2_000);
}

#[test]
fn both_worlds_answer_the_same() {
    // Without the feature `cli` there is no command that could become a worker.
    let Some(worker) = option_env!("CARGO_BIN_EXE_twinsock") else { return };
    let mut twins = Twins::new(Path::new(worker));
    for (name, seed) in seeds("differential") {
        eprintln!("seed {name}");
        differential::compare(&mut twins, &seed);
    }
}
