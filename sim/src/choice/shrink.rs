//! From a tape that makes a run fail to a small one that makes it fail in the same way.
//!
//! What is tried is a tape with fewer choices that are not boring, with smaller ones, or with earlier ones, and what is kept is what the run then
//! recorded, so that choices which no longer come up fall away by themselves. In order, until nothing helps or the runs are used up:
//!
//! 1. all of it boring; all of a door; all of a stream, by halves of the streams;
//! 2. of each stream, its choices by halves, quarters, ... and one by one;
//! 3. each choice lowered, by bisection;
//! 4. each choice made earlier, by deleting boring ones before it; each deleted, so that those behind it move up;
//! 5. each stream of a series, such as `misfortunes/33` or `preemption 3`, exchanged for an earlier one that makes no choice;
//! 6. of few choices that are left, one made as large as can be and another one boring, such as one long delay instead of two short ones.
//!
//! It knows neither runs nor failures: whoever asks brings a function that tells whether a tape still fails. The same tape and function
//! give the same result.

use super::{Door, Tape};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What came of shrinking.
///
/// ```
/// use twinsock_sim::choice::{Door, Tape, shrink::shrink};
/// let mut tape = Tape::new();
/// tape.push(Door::Wire, "a/b", 9);
/// let shrunk = shrink(&tape, 100, Some);
/// assert_eq!((shrunk.spikes_before, shrunk.spikes), (1, 0), "it fails whatever happens");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The smallest tape that was found.
    pub tape: Tape,
    /// How many choices of the tape at the beginning were not boring.
    pub spikes_before: usize,
    /// How many of `tape` are not.
    pub spikes: usize,
    /// How many runs were made.
    pub runs: u32,
    /// How many of them led to a smaller tape.
    pub steps: u32,
    /// Whether the runs were used up before nothing helped any more.
    pub cut_short: bool,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shrunk { spikes_before, spikes, runs, steps, .. } = self;
        write!(f, "shrunk from {spikes_before} choices that are not boring to {spikes}, in {steps} steps and {runs} runs")?;
        if self.cut_short { write!(f, ", and there it was cut short") } else { Ok(()) }
    }
}

/// Makes a failing tape small, in at most `runs_max` runs.
///
/// `still_fails` runs a tape; if it fails in the same way, the answer is the tape that the run recorded.
///
/// ```
/// use twinsock_sim::choice::{Door, Tape, shrink::shrink};
///
/// let mut tape = Tape::new();
/// [3, 9, 250, 4].map(|choice| tape.push(Door::Wire, "a/b", choice));
/// let shrunk = shrink(&tape, 1000, |tape| {
///     let fails = tape.choices(Door::Wire, "a/b").any(|choice| choice >= 100);
///     fails.then_some(tape)
/// });
/// assert_eq!(shrunk.tape.choices(Door::Wire, "a/b").collect::<Vec<_>>(), [100]);
/// ```
pub fn shrink(tape: &Tape, runs_max: u32, still_fails: impl FnMut(Tape) -> Option<Tape>) -> Shrunk {
    let start = Loose::of(tape);
    let spikes_before = start.weight().0;
    let mut shrinker = Shrinker {
        best: start,
        origin: tape,
        tried: BTreeSet::new(),
        runs: 0,
        runs_max,
        steps: 0,
        cut_short: false,
        still_fails,
    };
    shrinker.run();
    let Shrinker { best, runs, steps, cut_short, .. } = shrinker;
    let spikes = best.weight().0;
    Shrunk { tape: best.to_tape(tape), spikes_before, spikes, runs, steps, cut_short }
}

/// A tape taken apart: streams with their choices that are not boring, each with its place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Loose {
    lines: Vec<Line>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    key: Key,
    spikes: Vec<(u64, u32)>,
}

/// The name of a stream: what a shrinking tape's lines are known by.
type Key = (Door, String);

/// What the names of streams at a door begin with that differ in a number at the end.
type Series = (Door, String);

/// How large a tape is: the choices that are not boring, then their values, then their places, then the numbers of streams in their series.
type Weight = (usize, u64, u64, u64);

impl Loose {
    fn of(tape: &Tape) -> Loose {
        let line = |(door, name): (Door, &str)| Line { key: (door, name.to_owned()), spikes: tape.spikes(door, name).collect() };
        Loose { lines: tape.streams().map(line).collect() }
    }

    fn to_tape(&self, origin: &Tape) -> Tape {
        let mut tape = Tape::new();
        tape.origin = origin.origin.clone();
        for Line { key: (door, name), spikes } in &self.lines {
            let mut next = 0;
            for (place, choice) in spikes {
                tape.push_boring(*door, name, place.saturating_sub(next));
                tape.push(*door, name, *choice);
                next = place.saturating_add(1);
            }
        }
        tape
    }

    fn weight(&self) -> Weight {
        let spikes = || self.lines.iter().flat_map(|line| &line.spikes);
        let bits = spikes().map(|(_, choice)| u64::from(*choice)).fold(0, u64::saturating_add);
        let places = spikes().map(|(place, _)| *place).fold(0, u64::saturating_add);
        let numbers = self.lines.iter().filter_map(|line| numbered(&line.key.1)).map(|(_, number)| number);
        (spikes().count(), bits, places, numbers.fold(0, u64::saturating_add))
    }

    fn line(&self, key: &Key) -> Option<&Line> {
        self.lines.iter().find(|line| line.key == *key)
    }

    /// The same, but these streams of a series are those so many places before; `None` if one of those makes choices of its own.
    fn shifted(&self, series: &Series, numbers: &[u64], by: u64) -> Option<Loose> {
        let mut other = self.clone();
        for line in other.lines.iter_mut().filter(|line| line.key.0 == series.0) {
            match numbered(&line.key.1) {
                Some((stem, number)) if stem == series.1 && numbers.contains(&number) => {
                    line.key.1 = format!("{stem}{}", number.checked_sub(by)?);
                }
                Some(_) | None => {}
            }
        }
        // As a tape has them, by which what was tried is known again.
        other.lines.sort();
        let is_taken = other.lines.windows(2).any(|pair| pair[0].key == pair[1].key);
        (!is_taken).then_some(other)
    }

    /// The streams that belong to series: the numbers of each, in order.
    fn series(&self) -> BTreeMap<Series, Vec<u64>> {
        let mut all = BTreeMap::<Series, Vec<u64>>::new();
        for Line { key: (door, name), .. } in &self.lines {
            if let Some((stem, number)) = numbered(name) {
                all.entry((*door, stem.to_owned())).or_default().push(number);
            }
        }
        all.values_mut().for_each(|numbers| numbers.sort_unstable());
        all
    }

    /// The same, but for one stream's choices.
    fn with(&self, key: &Key, change: impl FnOnce(&mut Vec<(u64, u32)>)) -> Loose {
        let mut other = self.clone();
        if let Some(line) = other.lines.iter_mut().find(|line| line.key == *key) {
            change(&mut line.spikes);
        }
        other.lines.retain(|line| !line.spikes.is_empty());
        other
    }
}

struct Shrinker<'a, F> {
    best: Loose,
    origin: &'a Tape,
    tried: BTreeSet<Loose>,
    runs: u32,
    runs_max: u32,
    steps: u32,
    cut_short: bool,
    still_fails: F,
}

/// Of how many choices at most pairs are tried: there are as many as their square.
const CONCENTRATED_MAX: usize = 8;

/// In which order doors are emptied: first what makes a run large.
const DOORS: [Door; 5] = [Door::Run, Door::Misfortune, Door::Wire, Door::Latitude, Door::Interleaving];

impl<F: FnMut(Tape) -> Option<Tape>> Shrinker<'_, F> {
    fn run(&mut self) {
        let nothing = Loose { lines: Vec::new() };
        if self.best == nothing || self.attempt(nothing) {
            return;
        }
        loop {
            let before = self.best.weight();
            self.drop_doors();
            self.drop_streams();
            for key in self.keys() {
                self.drop_choices(&key);
            }
            for key in self.keys() {
                self.lower(&key);
                self.move_up(&key);
            }
            for (series, numbers) in self.best.series() {
                // All together, so that they stay as far apart as they are; then each, the first one first.
                self.shift(&series, &numbers);
                for number in self.best.series().get(&series).cloned().unwrap_or_default() {
                    self.shift(&series, &[number]);
                }
            }
            if self.best.weight() == before {
                self.concentrate();
            }
            if self.best.weight() == before || self.runs == self.runs_max {
                return;
            }
        }
    }

    /// Tries a tape that is no heavier than the best. Answers whether it took that one's place.
    fn attempt(&mut self, tape: Loose) -> bool {
        if tape.weight() >= self.best.weight() || !self.tried.insert(tape.clone()) {
            return false;
        }
        if self.runs == self.runs_max {
            self.cut_short = true;
            return false;
        }
        self.runs += 1;
        let Some(recorded) = (self.still_fails)(tape.to_tape(self.origin)) else { return false };
        let recorded = Loose::of(&recorded);
        // What was recorded is what was asked for, cut to what came up; should it be more, the run is not deterministic.
        let smaller = recorded.weight() < self.best.weight();
        if smaller {
            self.best = recorded;
            self.steps += 1;
        }
        smaller
    }

    fn keys(&self) -> Vec<Key> {
        DOORS
            .iter()
            .flat_map(|door| self.best.lines.iter().filter(|line| line.key.0 == *door))
            .map(|line| line.key.clone())
            .collect()
    }

    fn drop_doors(&mut self) {
        for door in DOORS {
            let mut tape = self.best.clone();
            tape.lines.retain(|line| line.key.0 != door);
            self.attempt(tape);
        }
    }

    fn drop_streams(&mut self) {
        let mut size = self.best.lines.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.best.lines.len() {
                let mut tape = self.best.clone();
                tape.lines.drain(from..(from + size).min(tape.lines.len()));
                if !self.attempt(tape) {
                    from += size;
                }
            }
            size /= 2;
        }
    }

    fn drop_choices(&mut self, key: &Key) {
        let mut size = self.spikes(key).div_ceil(2);
        while size > 0 {
            // From the end: what comes late depends on what came before, not the other way round.
            let mut to = self.spikes(key);
            while to > 0 {
                let from = to.saturating_sub(size);
                let tape = self.best.with(key, |spikes| drop(spikes.drain(from..to)));
                self.attempt(tape);
                to = from.min(self.spikes(key));
            }
            size /= 2;
        }
    }

    fn spikes(&self, key: &Key) -> usize {
        self.best.line(key).map_or(0, |line| line.spikes.len())
    }

    fn spike(&self, key: &Key, index: usize) -> Option<(u64, u32)> {
        self.best.line(key).and_then(|line| line.spikes.get(index)).copied()
    }

    /// Looks for the least value of each choice, as if all above it failed as well.
    fn lower(&mut self, key: &Key) {
        let mut index = 0;
        while let Some((_, choice)) = self.spike(key, index) {
            let (mut passes, mut fails) = (0, choice);
            // Most often it is 1, or as it is.
            for value in [1, choice - 1] {
                if value > 0 && self.set(key, index, value) {
                    fails = value;
                } else if value < fails {
                    passes = passes.max(value);
                }
            }
            while passes + 1 < fails {
                let middle = passes + (fails - passes) / 2;
                if self.set(key, index, middle) {
                    fails = middle;
                } else {
                    passes = middle;
                }
            }
            index += 1;
        }
    }

    fn set(&mut self, key: &Key, index: usize, value: u32) -> bool {
        let tape = self.best.with(key, |spikes| {
            if let Some(spike) = spikes.get_mut(index) {
                spike.1 = value;
            }
        });
        self.attempt(tape)
    }

    /// Looks for earlier streams of the same series that can make the choices of these instead.
    fn shift(&mut self, series: &Series, numbers: &[u64]) {
        let (mut numbers, mut by) = (numbers.to_vec(), numbers.iter().min().copied().unwrap_or(0));
        while by > 0 {
            if self.best.shifted(series, &numbers, by).is_some_and(|tape| self.attempt(tape)) {
                numbers.iter_mut().for_each(|number| *number -= by);
                by = by.min(numbers.iter().min().copied().unwrap_or(0));
            } else {
                by /= 2;
            }
        }
    }

    /// Looks for a choice that does alone what it did with another one, by being larger.
    fn concentrate(&mut self) {
        if self.best.weight().0 > CONCENTRATED_MAX {
            return;
        }
        let places = |best: &Loose| -> Vec<(Key, u64)> {
            let of = |line: &Line| line.spikes.iter().map(|(place, _)| (line.key.clone(), *place)).collect::<Vec<_>>();
            best.lines.iter().flat_map(of).collect()
        };
        let all = places(&self.best);
        for ((larger, at), (boring, away)) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            if (larger, at) == (boring, away) {
                continue;
            }
            let tape = self.best.with(larger, |spikes| {
                // Whoever draws cuts it to what there is.
                spikes.iter_mut().filter(|spike| spike.0 == *at).for_each(|spike| spike.1 = u32::MAX);
            });
            let tape = tape.with(boring, |spikes| spikes.retain(|spike| spike.0 != *away));
            if self.attempt(tape) {
                return;
            }
        }
    }

    fn move_up(&mut self, key: &Key) {
        let mut index = 0;
        while let Some((place, _)) = self.spike(key, index) {
            let before = index.checked_sub(1).and_then(|before| self.spike(key, before)).map_or(0, |(place, _)| place + 1);
            let mut by = place.saturating_sub(before);
            while by > 0 {
                let tape = self.best.with(key, |spikes| spikes[index..].iter_mut().for_each(|spike| spike.0 -= by));
                by = if self.attempt(tape) { 0 } else { by / 2 };
            }
            let tape = self.best.with(key, |spikes| {
                if index < spikes.len() {
                    spikes.remove(index);
                    spikes[index..].iter_mut().for_each(|spike| spike.0 -= 1);
                }
            });
            self.attempt(tape);
            index += 1;
        }
    }
}

/// A name that ends in a number, taken apart.
fn numbered(name: &str) -> Option<(&str, u64)> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name[stem.len()..].parse().ok()?;
    Some((stem, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Choice;

    /// A run that draws at three doors and "fails" if what it drew satisfies `bad`.
    fn shrunk(runs_max: u32, bad: impl Fn(&[u32], &[u32]) -> bool) -> (Shrunk, [Vec<u32>; 2]) {
        let run = |mut choice: Choice| {
            let clients = choice.stream(Door::Run, "clients");
            let count = choice.draw(clients, 8);
            let threads = choice.stream(Door::Interleaving, "threads");
            let order: Vec<u32> = (0..20 * (count + 1)).map(|_| choice.draw(threads, 3)).collect();
            let wire = choice.stream(Door::Wire, "a/b");
            let delays: Vec<u32> = (0..50).map(|_| choice.draw(wire, 1000)).collect();
            let bad = bad(&order, &delays);
            (bad, choice.take_tape(), [order, delays])
        };
        let (seed, tape) = (0..1000)
            .find_map(|seed| match run(Choice::from_seed(seed)) {
                (true, tape, _) => Some((seed, tape)),
                (false, ..) => None,
            })
            .expect("a seed finds it");
        let shrunk = shrink(&tape, runs_max, |tape| {
            let (bad, tape, _) = run(Choice::from_tape(tape));
            bad.then_some(tape)
        });
        let (bad, _, drawn) = run(Choice::from_tape(shrunk.tape.clone()));
        assert!(bad, "seed {seed}: the smallest tape still fails");
        (shrunk, drawn)
    }

    #[test]
    fn what_does_not_matter_goes() {
        let (shrunk, [order, _]) = shrunk(1000, |order, delays| order.contains(&2) && delays.iter().any(|delay| *delay >= 437));
        assert_eq!(shrunk.tape.choices(Door::Wire, "a/b").collect::<Vec<_>>(), [437], "lowered and moved up");
        assert_eq!((order.len(), order[0]), (20, 2), "one client, and at once");
        assert_eq!((shrunk.spikes, shrunk.cut_short), (2, false));
        assert!(shrunk.runs < 200, "{shrunk}");
    }

    #[test]
    fn what_belongs_together_stays() {
        let (shrunk, [order, _]) = shrunk(2000, |order, _| order.windows(3).any(|three| three == [1, 0, 2]));
        assert_eq!(order[..3], [1, 0, 2]);
        assert_eq!(shrunk.spikes, 2);
    }

    #[test]
    fn a_run_that_always_fails_shrinks_to_nothing_in_one_run() {
        let (shrunk, _) = shrunk(1000, |_, _| true);
        assert_eq!((shrunk.spikes, shrunk.runs, shrunk.steps), (0, 1, 1));
    }

    #[test]
    fn one_long_delay_does_what_many_short_ones_did() {
        let late = |delays: &[u32]| delays.iter().sum::<u32>() >= 1500;
        let (shrunk, [_, delays]) = shrunk(2000, |_, delays| late(&delays[..6]));
        assert_eq!((shrunk.spikes, delays.iter().sum::<u32>()), (2, 1500), "two delays, and no longer than they have to be");
    }

    #[test]
    fn an_earlier_stream_of_a_series_does_as_well() {
        let run = |tape: Tape| {
            let mut choice = Choice::from_tape(tape);
            let days = (0..50).map(|day| choice.stream(Door::Misfortune, &format!("day/{day}"))).collect::<Vec<_>>();
            let rains: Vec<bool> = days.into_iter().map(|day| choice.draw(day, 2) == 1).collect();
            // It has to rain on two days in a row, and not on the first four.
            let bad = rains.windows(2).skip(4).any(|days| days == [true, true]);
            bad.then(|| choice.take_tape())
        };
        let mut tape = Tape::new();
        [4, 9, 10, 40, 41, 42].iter().for_each(|day| tape.push(Door::Misfortune, &format!("day/{day}"), 1));
        let shrunk = shrink(&tape, 1000, run);
        let days: Vec<&str> = shrunk.tape.streams().map(|(_, name)| name).collect();
        assert_eq!(days, ["day/4", "day/5"]);
    }

    #[test]
    fn the_budget_is_kept_and_the_result_repeats() {
        let bad = |order: &[u32], _: &[u32]| order.iter().filter(|choice| **choice == 1).count() >= 10;
        let (first, _) = shrunk(7, bad);
        assert!(first.runs == 7 && first.cut_short);
        assert_eq!(shrunk(7, bad).0, first);
    }
}
