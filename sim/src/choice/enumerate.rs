//! Every run there is, one after the other: the choices of the door of interleaving, enumerated depth first; all others are boring.
//!
//! The tree of choices is not stored, only the path to the run that is under way: how many answers each choice of it had, and which was
//! taken. The next run takes the deepest choice that has an answer left. How many choices of a run may be other than boring is bounded, which is what
//! makes the tree small enough: most bugs need one or two ("Delay-bounded scheduling", M. Emmi, S. Qadeer, Z. Rakamarić, 2011).

use super::Choice;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An enumeration of runs. Clones are the same enumeration.
///
/// ```
/// use twinsock_sim::choice::{Door, Enumeration};
///
/// let (all, mut seen) = (Enumeration::new(2), Vec::new());
/// while let Some(mut choice) = all.next_run() {
///     let stream = choice.stream(Door::Interleaving, "coin");
///     seen.push([(); 3].map(|()| choice.draw(stream, 2)));
/// }
/// assert_eq!(seen.len(), 7, "all but [1, 1, 1]");
/// ```
#[derive(Clone, Debug)]
pub struct Enumeration {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    path: Vec<Node>,
    /// How many choices of `path` have been made in the run under way.
    depth: usize,
    /// How many choices of `path` are other than boring.
    spikes: usize,
    spikes_max: usize,
    /// Situations that a run was in with this many spikes left to make; `None` if that does not matter.
    seen: Option<BTreeSet<(u64, usize)>>,
    /// The run under way has come to a situation that was there before: nothing branches off any more.
    pruned: bool,
    runs: u64,
    done: bool,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    n: u32,
    value: u32,
}

impl Enumeration {
    /// Of the runs in which at most `spikes_max` choices are other than boring.
    ///
    /// ```
    /// use twinsock_sim::choice::{Door, Enumeration};
    /// let all = Enumeration::new(1);
    /// let mut seen = Vec::new();
    /// while let Some(mut choice) = all.next_run() {
    ///     let stream = choice.stream(Door::Interleaving, "order");
    ///     seen.push(choice.draw(stream, 3));
    /// }
    /// assert_eq!(seen, [0, 1, 2]);
    /// ```
    #[must_use]
    pub fn new(spikes_max: usize) -> Enumeration {
        let state = State { path: Vec::new(), depth: 0, spikes: 0, spikes_max, seen: None, pruned: false, runs: 0, done: false };
        Enumeration { state: Arc::new(Mutex::new(state)) }
    }

    /// Leaves out runs that differ from one that was made in nothing but the order of acts on different hosts, and in choices that come to the same.
    ///
    /// That is sound if the programs are deterministic and the hosts share nothing but the network: no lock, channel or memory.
    ///
    /// ```
    /// use twinsock_sim::choice::Enumeration;
    /// use twinsock_sim::{Interleaving, Sim};
    /// let (all, pruned) = (Enumeration::new(1), Enumeration::new(1).pruned());
    /// for runs in [&all, &pruned] {
    ///     while let Some(choice) = runs.next_run() {
    ///         let builder = Sim::builder().interleaving(Interleaving::Systematic { pause: std::time::Duration::from_millis(1) });
    ///         let run = builder.run_with(choice, |sim| {
    ///             for name in ["a", "b"] {
    ///                 sim.host(name).spawn(name, |net| { twinsock::Clock::now(&net); });
    ///             }
    ///         });
    ///         run.unwrap();
    ///     }
    /// }
    /// assert!(pruned.runs() <= all.runs());
    /// ```
    #[must_use]
    pub fn pruned(self) -> Enumeration {
        self.state().seen.get_or_insert_default();
        self
    }

    /// The choices of the next run, after the one before has come to its end; `None` if there was none left.
    ///
    /// ```
    /// use twinsock_sim::choice::Enumeration;
    /// let all = Enumeration::new(1);
    /// let choice = all.next_run().unwrap();
    /// drop(choice); // a run in which nobody chose anything
    /// assert!(all.next_run().is_none());
    /// ```
    #[must_use]
    pub fn next_run(&self) -> Option<Choice> {
        let mut state = self.state();
        if state.runs > 0 && !state.advance() {
            return None;
        }
        state.runs += 1;
        Some(Choice::enumerated(self.clone()))
    }

    /// How many runs were handed out.
    ///
    /// ```
    /// use twinsock_sim::choice::Enumeration;
    /// let all = Enumeration::new(1);
    /// while all.next_run().is_some() {}
    /// assert_eq!(all.runs(), 1);
    /// ```
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.state().runs
    }

    /// Tells the enumeration what the run has come to, as a digest of everything that its future depends on but the choices to come. If that was there
    /// before, with no fewer choices left, the runs that go on from here were made already, and are not made again.
    pub(crate) fn at(&self, situation: u64) {
        self.state().at(situation);
    }

    pub(super) fn draw(&self, n: u32) -> u32 {
        self.state().draw(n)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn draw(&mut self, n: u32) -> u32 {
        let depth = self.depth;
        self.depth += 1;
        if depth == self.path.len() {
            let n = if self.pruned { 1 } else { n };
            self.path.push(Node { n, value: 0 });
        }
        // A program that is not deterministic may have fewer answers here than the last time.
        self.path[depth].value.min(n - 1)
    }

    fn at(&mut self, situation: u64) {
        let Some(seen) = &mut self.seen else { return };
        if self.depth < self.path.len() || self.pruned {
            return;
        }
        let left = self.spikes_max - self.spikes;
        let key = (situation, left);
        if seen.range(key..=(situation, usize::MAX)).next().is_some() {
            self.pruned = true;
        } else {
            seen.insert(key);
        }
    }

    /// Goes to the next path. Answers whether there is one.
    fn advance(&mut self) -> bool {
        if self.done {
            return false;
        }
        self.path.truncate(self.depth);
        (self.depth, self.pruned) = (0, false);
        while let Some(node) = self.path.last_mut() {
            let spikes_before = self.spikes - usize::from(node.value > 0);
            if node.value + 1 < node.n && spikes_before < self.spikes_max {
                node.value += 1;
                self.spikes = spikes_before + 1;
                return true;
            }
            self.spikes = spikes_before;
            self.path.pop();
        }
        self.done = true;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Door;

    fn all(spikes_max: usize, run: impl Fn(&mut Choice, &Enumeration) -> Vec<u32>) -> Vec<Vec<u32>> {
        let (enumeration, mut seen) = (Enumeration::new(spikes_max).pruned(), Vec::new());
        while let Some(mut choice) = enumeration.next_run() {
            seen.push(run(&mut choice, &enumeration));
        }
        assert!(enumeration.next_run().is_none());
        assert_eq!(enumeration.runs(), u64::try_from(seen.len()).expect("a length fits"));
        seen
    }

    #[test]
    fn every_run_is_made_once_and_the_boring_one_first() {
        let runs = all(usize::MAX, |choice, _| {
            let stream = choice.stream(Door::Interleaving, "threads");
            let first = choice.draw(stream, 3);
            // The number of choices depends on those made.
            (0..=first).map(|n| choice.draw(stream, n + 1)).chain([first]).collect()
        });
        let mut sorted = runs.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((runs[0].as_slice(), runs.len(), sorted.len()), ([0, 0].as_slice(), 1 + 2 + 2 * 3, 9));
    }

    #[test]
    fn the_bound_is_on_choices_that_are_not_boring() {
        let runs = all(1, |choice, _| {
            let stream = choice.stream(Door::Interleaving, "threads");
            (0..4).map(|_| choice.draw(stream, 3)).collect()
        });
        assert_eq!(runs.len(), 1 + 4 * 2);
    }

    #[test]
    fn other_doors_are_boring() {
        let runs = all(9, |choice, _| {
            let stream = choice.stream(Door::Wire, "a/b");
            vec![choice.draw(stream, 10)]
        });
        assert_eq!(runs, [[0]]);
    }

    #[test]
    fn what_is_in_a_known_situation_does_not_branch() {
        // Two choices whose order does not matter: after both, only their sum does.
        let run = |told: bool| {
            all(9, move |choice, enumeration| {
                let stream = choice.stream(Door::Interleaving, "threads");
                let sum = choice.draw(stream, 2) + choice.draw(stream, 2);
                if told {
                    enumeration.at(u64::from(sum));
                }
                vec![sum, choice.draw(stream, 2)]
            })
        };
        let (told, untold) = (run(true), run(false));
        assert_eq!((told.len(), untold.len()), (7, 8));
        for outcome in &untold {
            assert!(told.contains(outcome), "{outcome:?} is still found");
        }
    }
}
