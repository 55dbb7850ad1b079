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
fn what_seldom_happens_is_seldom_on_the_tape() {
    let mut choice = Choice::from_seed(1);
    let wire = choice.stream(Door::Wire, "a/b");
    let happened: Vec<bool> = (0..10_000).map(|_| choice.happens(wire, 1, 100)).collect();
    let count = happened.iter().filter(|happens| **happens).count();
    assert!((60..140).contains(&count), "{count} of 10,000, 1 in 100 each");
    assert_eq!(choice.tape().spike_count(), count);
    assert!(choice.tape().spikes(Door::Wire, "a/b").all(|(_, value)| value == 1));
    let mut replay = Choice::from_tape(choice.take_tape());
    let wire = replay.stream(Door::Wire, "a/b");
    let again: Vec<bool> = (0..10_000).map(|_| replay.happens(wire, 7, 1000)).collect();
    assert_eq!(again, happened, "a tape says what happens, however likely it is");
}

#[test]
fn what_always_or_never_happens_is_no_choice() {
    for mut choice in [Choice::from_seed(1), Choice::boring(), Choice::from_bytes(vec![255; 8])] {
        let wire = choice.stream(Door::Wire, "a/b");
        for (of, in_, expected) in [(0, 1, false), (0, 0, false), (1, 1, true), (9, 5, true)] {
            assert_eq!(choice.happens(wire, of, in_), expected, "{of} in {in_}");
        }
        assert_eq!(*choice.tape(), Tape::new());
    }
    let mut boring = Choice::boring();
    let wire = boring.stream(Door::Wire, "a/b");
    assert!(!boring.happens(wire, 99, 100), "the boring answer is no");
    let mut fuzzer = Choice::from_bytes(vec![0, 98, 99, 255]);
    let wire = fuzzer.stream(Door::Wire, "a/b");
    assert_eq!([(); 5].map(|()| fuzzer.happens(wire, 1, 100)), [false, false, true, false, false]);
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
fn a_tape_names_the_run_it_is_of() {
    let origin = |version: &str, test: &str| Origin { version: version.to_owned(), test: test.to_owned(), seed: 300 };
    let mut tape = Tape::new();
    tape.origin = origin("0.1.0", "kv::no_write_is_lost");
    let read = Tape::from_bytes(&tape.to_bytes()).unwrap();
    assert_eq!(read.origin, tape.origin);
    assert_eq!(read.origin.check(&origin("", "kv::no_write_is_lost")), Ok(()));
    assert_eq!(read.origin.check(&origin("0.1.0", "")), Ok(()));
    let refused = read.origin.check(&origin("0.2.0", "kv::no_write_is_lost")).unwrap_err().to_string();
    assert!(refused.contains("twinsock-sim 0.1.0") && refused.contains("this is twinsock-sim 0.2.0"), "{refused}");
    let refused = read.origin.check(&origin("0.1.0", "kv::other")).unwrap_err().to_string();
    assert!(refused.contains("test `kv::no_write_is_lost` (seed 300)") && refused.contains("test `kv::other`"), "{refused}");
}

#[test]
fn bytes_that_are_no_tape_are_told_from_one() {
    let good = [b"TWTAPE\x02\0\0\0\x01".as_slice(), &[1, 1, b'w', 4, 0, 2, 0x81, 0x01]].concat();
    assert_eq!(Tape::from_bytes(&good).unwrap().choices(Door::Wire, "w").collect::<Vec<_>>(), [0, 0, 129]);
    let broken = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Tape::from_bytes(&bytes).unwrap_err()
    };
    let error = |offset, expected| TapeError { offset, expected };
    assert_eq!(broken(0, b'X'), error(0, "\"TWTAPE\""));
    assert_eq!(broken(6, 1), error(6, "format 2"));
    assert_eq!(broken(8, 100), error(19, "a name of the length given"));
    assert_eq!(broken(10, 2), error(19, "the number of a door"));
    assert_eq!(broken(10, 0), error(11, "the end of the tape"));
    assert_eq!(broken(11, 5), error(11, "the number of a door, 0 to 4"));
    assert_eq!(broken(12, 100), error(19, "a name of the length given"));
    assert_eq!(broken(13, 0xff), error(13, "a name in UTF-8"));
    assert_eq!(broken(14, 5), error(19, "a track of the length given"));
    assert_eq!(broken(14, 0), error(15, "a track with a choice on it"));
    assert_eq!(broken(16, 0), error(16, "a number of boring choices, at least 1"));
    assert_eq!(broken(17, 0), error(17, "a choice from 1 to 2^32 - 1"));
    assert_eq!(broken(18, 0), error(17, "a number in its shortest form"));
    assert_eq!(broken(18, 0x80), error(19, "a choice"));
    assert_eq!(Tape::from_bytes(&[]).unwrap_err(), error(0, "\"TWTAPE\""));
    assert_eq!(broken(6, 1).to_string(), "not a tape of choices: at byte 6, expected format 2");
    let endless = [b"TWTAPE\x02\0\0".as_slice(), &[0xff; 10]].concat();
    assert_eq!(Tape::from_bytes(&endless).unwrap_err(), error(9, "a number below 2^64"));
    let bored = [b"TWTAPE\x02\0\0\0\x01".as_slice(), &[1, 1, b'w', 8, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 1]].concat();
    assert_eq!(Tape::from_bytes(&bored).unwrap_err(), error(16, "fewer than 2^40 boring choices in a row"));
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

#[test]
fn a_fuzzers_bytes_are_choices() {
    let mut choice = Choice::from_bytes(vec![7, 1, 2, 9]);
    let (a, b) = (choice.stream(Door::Wire, "a"), choice.stream(Door::Misfortune, "b"));
    assert_eq!(choice.draw(a, 4), 3, "7 modulo 4");
    assert_eq!(choice.draw(b, 256), 1, "one byte holds all below 256");
    assert_eq!(choice.draw(a, 1000), (2 + 9 * 256) % 1000, "and two those below 1000");
    assert_eq!(draws(&mut choice, b, 10, 3), [0, 0, 0], "behind the last byte everything is boring");
    let mut replay = Choice::from_tape(choice.take_tape());
    let (a, b) = (replay.stream(Door::Wire, "a"), replay.stream(Door::Misfortune, "b"));
    assert_eq!((draws(&mut replay, a, 1000, 2), replay.draw(b, 256)), (vec![3, 314 - 8], 1));
}

#[test]
fn a_story_tells_what_was_not_boring() {
    let mut tape = Tape::new();
    [0, 3, 1].into_iter().for_each(|choice| tape.push(Door::Wire, "a/b", choice));
    let mut choice = Choice::from_tape(tape);
    choice.keep_story();
    let wire = choice.stream(Door::Wire, "a/b");
    for (at, words) in [(1, "unheard"), (2, "lost"), (3, "late")] {
        choice.set_now(Instant::from_nanos(at * 1_000_000));
        choice.draw(wire, 10);
        if at < 3 {
            choice.tell(wire, words.to_owned());
        }
    }
    let told: Vec<String> = choice.story().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["0.002000000s  wire a/b: lost", "0.003000000s  wire a/b: 1 of 0..10"]);
}

#[test]
fn nothing_is_recorded_after_the_end() {
    let mut choice = Choice::from_seed(1);
    let wire = choice.stream(Door::Wire, "a/b");
    draws(&mut choice, wire, 1000, 10);
    let tape = choice.take_tape();
    draws(&mut choice, wire, 1000, 10);
    let late = choice.stream(Door::Wire, "b/a");
    draws(&mut choice, late, 1000, 10);
    assert_eq!(tape.choices(Door::Wire, "a/b").count(), 10);
}
