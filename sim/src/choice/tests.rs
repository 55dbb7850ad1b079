//! The promises of the one source of chance.

use super::*;
use crate::packet::{Latitude, Luck};

fn draws(choice: &mut Choice, stream: StreamId, n: u32, count: usize) -> Vec<u32> {
    (0..count).map(|_| choice.draw(stream, n)).collect()
}

#[test]
fn a_seed_gives_these_choices_for_ever() {
    let mut choice = Choice::from_seed(42);
    let wire = choice.stream(Door::Wire, "a-b");
    assert_eq!(draws(&mut choice, wire, 1000, 8), GOLDEN_THOUSANDS);
    let latitude = choice.stream(Door::Latitude, "host/server");
    assert_eq!(draws(&mut choice, latitude, u32::MAX, 4), GOLDEN_WORDS);
    let mut bytes = [0; 8];
    choice.fill(latitude, &mut bytes);
    assert_eq!(bytes, GOLDEN_ENTROPY);
}

// Computed from the description in `stream.rs` by an independent ChaCha.
const GOLDEN_THOUSANDS: [u32; 8] = [676, 718, 821, 406, 211, 665, 860, 36];
const GOLDEN_WORDS: [u32; 4] = [635108457, 414299268, 710462077, 3533415274];
const GOLDEN_ENTROPY: [u8; 8] = [73, 29, 79, 71, 237, 193, 241, 136];

#[test]
fn streams_do_not_shift_each_other() {
    let mut alone = Choice::from_seed(5);
    let b = alone.stream(Door::Wire, "b");
    let expected = draws(&mut alone, b, 100, 50);

    let mut together = Choice::from_seed(5);
    let others = [(Door::Wire, "a"), (Door::Run, "b"), (Door::Wire, "")].map(|(door, name)| together.stream(door, name));
    let b = together.stream(Door::Wire, "b");
    let drawn: Vec<u32> = (0..50)
        .map(|round| {
            let other = together.draw(others[round % 3], 100);
            assert!(other < 100);
            together.draw(b, 100)
        })
        .collect();
    assert_eq!(drawn, expected);
}

#[test]
fn seeds_doors_and_names_tell_streams_apart() {
    let mut seen = Vec::new();
    for seed in [0, 1, u64::MAX] {
        let mut choice = Choice::from_seed(seed);
        for door in Door::ALL {
            for name in ["", "a", "b", "ab"] {
                let stream = choice.stream(door, name);
                seen.push(draws(&mut choice, stream, u32::MAX, 2));
            }
        }
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn a_stream_is_the_same_whenever_it_is_asked_for() {
    let mut choice = Choice::from_seed(1);
    let first = choice.stream(Door::Run, "x");
    let other = choice.stream(Door::Misfortune, "x");
    assert_ne!(first, other);
    assert_eq!(choice.stream(Door::Run, "x"), first);
}

#[test]
fn where_there_is_no_choice_nothing_is_drawn() {
    let mut choice = Choice::from_seed(9);
    let stream = choice.stream(Door::Interleaving, "threads");
    let mut plain = Choice::from_seed(9);
    let same = plain.stream(Door::Interleaving, "threads");
    for _ in 0..100 {
        assert_eq!(choice.draw(stream, 1), 0);
        assert_eq!(choice.draw(stream, 10), plain.draw(same, 10));
    }
    assert_eq!(choice.tape(), plain.tape());
}

/// A run that uses several streams, and what it saw.
fn run(choice: &mut Choice) -> Vec<u32> {
    let streams =
        [(Door::Wire, "a-b"), (Door::Latitude, "host/a"), (Door::Interleaving, "")].map(|(door, name)| choice.stream(door, name));
    let mut seen = Vec::new();
    for round in 0..200 {
        for (index, stream) in streams.into_iter().enumerate() {
            let n = [2, 1, 7, 1 << 31, 300][(round + index) % 5];
            seen.push(choice.draw(stream, n));
        }
        let mut bytes = [0; 3];
        choice.fill(streams[1], &mut bytes);
        seen.extend(bytes.map(u32::from));
    }
    seen
}

#[test]
fn a_tape_replays_the_run_it_was_recorded_from() {
    for seed in 0..20 {
        let mut recorded = Choice::from_seed(seed);
        let seen = run(&mut recorded);
        let bytes = recorded.tape().to_bytes();
        let tape = Tape::from_bytes(&bytes).expect("what was written can be read");
        assert_eq!(tape, *recorded.tape());
        let mut replayed = Choice::from_tape(tape);
        assert_eq!(run(&mut replayed), seen);
        assert_eq!(replayed.tape().to_bytes(), bytes, "a replay records the tape it replays");
    }
}

#[test]
fn what_a_tape_lacks_is_boring_and_what_is_too_large_is_clamped() {
    let mut tape = Tape::new();
    for choice in [0, 0, 5, 0, 500] {
        tape.push(Door::Wire, "w", choice);
    }
    let mut choice = Choice::from_tape(tape);
    let missing = choice.stream(Door::Wire, "missing");
    let wire = choice.stream(Door::Wire, "w");
    assert_eq!(draws(&mut choice, wire, 10, 7), [0, 0, 5, 0, 9, 0, 0]);
    assert_eq!(draws(&mut choice, missing, 10, 3), [0, 0, 0]);
    assert_eq!(choice.tape().choices(Door::Wire, "w").collect::<Vec<_>>(), [0, 0, 5, 0, 9], "the tape holds what was chosen");
}

#[test]
fn a_boring_run_is_an_empty_tape() {
    let mut choice = Choice::boring();
    let stream = choice.stream(Door::Misfortune, "host/a");
    assert_eq!(draws(&mut choice, stream, 1000, 1000), [0; 1000]);
    assert_eq!(*choice.tape(), Tape::new());
    assert_eq!(choice.tape().to_bytes(), Tape::new().to_bytes());
}

#[test]
fn boring_entropy_does_not_repeat_itself() {
    let mut choice = Choice::boring();
    let (a, b) = (choice.stream(Door::Latitude, "a"), choice.stream(Door::Latitude, "b"));
    let mut sixteen = |stream| {
        let mut bytes = [0; 16];
        choice.fill(stream, &mut bytes);
        bytes
    };
    let (first, second, other) = (sixteen(a), sixteen(a), sixteen(b));
    assert!(first != second && first != other);
}

#[test]
fn luck_is_a_stream() {
    let mut choice = Choice::from_seed(3);
    let stream = choice.stream(Door::Latitude, "host/a");
    let lucky = LuckOf::new(&mut choice, stream).below(Latitude::EphemeralPort, 28_232);
    let mut again = Choice::from_seed(3);
    let stream = again.stream(Door::Latitude, "host/a");
    assert_eq!(again.draw(stream, 28_232), lucky);
}

#[test]
fn a_tape_lists_its_streams_and_choices() {
    let mut tape = Tape::new();
    let long: Vec<u32> = (0..300).map(|i| if i % 3 == 0 { u32::MAX - i } else { i % 2 * 128 }).collect();
    for choice in &long {
        tape.push(Door::Run, "later", *choice);
    }
    tape.push(Door::Interleaving, "first", 7);
    tape.push(Door::Wire, "boring", 0);
    assert_eq!(tape.streams().collect::<Vec<_>>(), [(Door::Interleaving, "first"), (Door::Run, "later")]);
    let end = long.iter().rposition(|choice| *choice != 0).unwrap() + 1;
    assert_eq!(tape.choices(Door::Run, "later").collect::<Vec<_>>(), long[..end]);
    assert_eq!(tape.choices(Door::Wire, "boring").count(), 0);
    assert_eq!(Tape::from_bytes(&tape.to_bytes()), Ok(tape));
}

#[test]
fn bytes_that_are_no_tape_are_told_from_one() {
    let good = [b"TWTAPE\x01\x01".as_slice(), &[1, 1, b'w', 4, 0, 2, 0x81, 0x01]].concat();
    assert_eq!(Tape::from_bytes(&good).unwrap().choices(Door::Wire, "w").collect::<Vec<_>>(), [0, 0, 129]);
    let broken = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Tape::from_bytes(&bytes).unwrap_err()
    };
    let error = |offset, expected| TapeError { offset, expected };
    assert_eq!(broken(0, b'X'), error(0, "\"TWTAPE\""));
    assert_eq!(broken(6, 2), error(6, "version 1"));
    assert_eq!(broken(7, 2), error(16, "the number of a door"));
    assert_eq!(broken(7, 0), error(8, "the end of the tape"));
    assert_eq!(broken(8, 5), error(8, "the number of a door, 0 to 4"));
    assert_eq!(broken(9, 100), error(16, "a name of the length given"));
    assert_eq!(broken(10, 0xff), error(10, "a name in UTF-8"));
    assert_eq!(broken(11, 5), error(16, "a track of the length given"));
    assert_eq!(broken(13, 0), error(13, "a number of boring choices, at least 1"));
    assert_eq!(broken(14, 0), error(14, "a choice from 1 to 2^32 - 1"));
    assert_eq!(broken(15, 0), error(14, "a number in its shortest form"));
    assert_eq!(broken(15, 0x80), error(16, "a choice"));
    assert_eq!(Tape::from_bytes(&[]).unwrap_err(), error(0, "\"TWTAPE\""));
    assert_eq!(broken(6, 2).to_string(), "not a tape of choices: at byte 6, expected version 1");
    let endless = [b"TWTAPE\x01".as_slice(), &[0xff; 10]].concat();
    assert_eq!(Tape::from_bytes(&endless).unwrap_err(), error(7, "a number below 2^64"));
}

#[test]
fn no_bytes_make_it_panic() {
    let mut tape = Tape::new();
    for (index, door) in Door::ALL.into_iter().enumerate() {
        for choice in [0, 3, 200, 0, 0, 70_000] {
            tape.push(door, &"n".repeat(index), choice);
        }
    }
    let good = tape.to_bytes();
    for at in 0..good.len() {
        assert!(Tape::from_bytes(&good[..at]).is_err(), "cut at {at}");
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            if let Ok(read) = Tape::from_bytes(&bytes) {
                assert_eq!(read.to_bytes(), bytes, "there is one way to write a tape");
            }
        }
    }
}
