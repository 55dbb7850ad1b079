//! Whether what clients saw could have happened one after the other: linearizability of registers.
//!
//! "Testing and Proving Concurrent Objects" (J. Wing, C. Gong, 1993), with the memory of G. Lowe's "Testing for linearizability" (2017): an order
//! is built operation by operation; one may come next if it was called before any other that is left has returned, and if it answers what the register
//! holds by then. Which operations are placed, and the register's value, is all that matters for what follows, so no such state is looked at twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Reads the key.
    Get { key: u64 },
    /// Writes the key.
    Put { key: u64, value: u64 },
}

/// An operation of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What was asked for.
    pub call: Call,
    /// When, as a place in the order of all that happened.
    pub called: usize,
    /// When the answer was there; `None` if it never was: then it may have happened at any time, or not at all.
    pub returned: Option<usize>,
    /// What a `Get` answered.
    pub value: u64,
}

/// What clients did, in the order in which they did it.
#[derive(Clone, Debug, Default)]
pub struct History {
    operations: Vec<Operation>,
    happened: usize,
}

impl History {
    /// Notes a call, and answers its number.
    pub fn call(&mut self, call: Call) -> usize {
        self.operations.push(Operation { call, called: self.happened, returned: None, value: 0 });
        self.happened += 1;
        self.operations.len() - 1
    }

    /// Notes the answer to a call: to a `Get`, the value.
    pub fn answer(&mut self, number: usize, value: u64) {
        self.operations[number].value = value;
        self.operations[number].returned = Some(self.happened);
        self.happened += 1;
    }

    /// How many calls were answered.
    pub fn answered(&self) -> usize {
        self.operations.iter().filter(|operation| operation.returned.is_some()).count()
    }

    /// Whether it could have happened one after the other, keys being registers that hold 0 at first.
    ///
    /// # Errors
    /// The operations of the first key for which there is no such order.
    pub fn check(&self) -> Result<(), Unordered> {
        let mut keys = BTreeMap::<u64, Vec<Operation>>::new();
        for operation in &self.operations {
            match (operation.call, operation.returned) {
                // Nobody has seen what it answers.
                (Call::Get { .. }, None) => {}
                (Call::Get { key } | Call::Put { key, .. }, _) => keys.entry(key).or_default().push(*operation),
            }
        }
        match keys.into_iter().find(|(_, operations)| !is_linearizable(operations)) {
            None => Ok(()),
            Some((key, operations)) => Err(Unordered { key, operations }),
        }
    }
}

/// Operations on one key for which there is no order.
#[derive(Clone, Debug)]
pub struct Unordered {
    key: u64,
    operations: Vec<Operation>,
}

impl fmt::Display for Unordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no order of these operations on key {} explains their answers:", self.key)?;
        for Operation { call, called, returned, value } in &self.operations {
            write!(f, "\n  {called:>4} to ")?;
            match returned {
                Some(returned) => write!(f, "{returned:>4}: ")?,
                None => write!(f, " ...: ")?,
            }
            match call {
                Call::Get { .. } => write!(f, "get -> {value}")?,
                Call::Put { value, .. } => write!(f, "put {value}")?,
            }
        }
        Ok(())
    }
}

/// A set of operations, by their places.
type Placed = u128;

/// Whether there is an order of these operations on one register, which are sorted by when they were called.
fn is_linearizable(operations: &[Operation]) -> bool {
    assert!(operations.len() <= Placed::BITS as usize, "a key has at most {} operations", Placed::BITS);
    let must: Placed = (0..).zip(operations).filter(|(_, op)| op.returned.is_some()).map(|(place, _): (u32, _)| 1 << place).sum();
    let mut seen = BTreeSet::new();
    let mut states: Vec<(Placed, u64)> = vec![(0, 0)];
    while let Some((placed, register)) = states.pop() {
        if placed & must == must {
            return true;
        }
        if !seen.insert((placed, register)) {
            continue;
        }
        // Whoever was called after an answer that has no place yet must wait for it.
        let mut first_return = usize::MAX;
        for (place, operation) in (0_u32..).zip(operations) {
            if operation.called > first_return {
                break;
            }
            if placed >> place & 1 == 0 {
                first_return = first_return.min(operation.returned.unwrap_or(usize::MAX));
            }
        }
        for (place, operation) in (0_u32..).zip(operations).take_while(|(_, operation)| operation.called < first_return) {
            if placed >> place & 1 == 0 {
                match operation.call {
                    Call::Put { value, .. } => states.push((placed | 1 << place, value)),
                    Call::Get { .. } if operation.value == register => states.push((placed | 1 << place, register)),
                    Call::Get { .. } => {}
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history from words such as `a+w1` (a calls a write of 1), `a-` (it returns), `b+r` and `b-1` (a read that answers 1).
    fn history(words: &str) -> History {
        let (mut history, mut open) = (History::default(), BTreeMap::new());
        for word in words.split(' ') {
            let (client, what) = word.split_at(1);
            if let Some(value) = what.strip_prefix("+w") {
                open.insert(client, history.call(Call::Put { key: 0, value: value.parse().unwrap() }));
            } else if what == "+r" {
                open.insert(client, history.call(Call::Get { key: 0 }));
            } else {
                history.answer(open[client], what[1..].parse().unwrap_or(0));
            }
        }
        history
    }

    #[track_caller]
    fn holds(words: &str) {
        if let Err(error) = history(words).check() {
            panic!("{words}: {error}");
        }
    }

    #[track_caller]
    fn fails(words: &str) {
        assert!(history(words).check().is_err(), "{words}");
    }

    #[test]
    fn one_after_the_other() {
        holds("a+r a-0 a+w1 a- a+r a-1");
        fails("a+w1 a- a+r a-0");
        fails("a+w1 a- b+w2 b- a+r a-1");
    }

    #[test]
    fn at_the_same_time_either_may_be_first() {
        holds("a+w1 b+w2 a- b- a+r a-1");
        holds("a+w1 b+w2 a- b- a+r a-2");
        holds("a+w1 b+r b-0 a-");
        holds("a+w1 b+r b-1 a-");
        holds("a+w1 b+w2 b- c+r c-2 d+r d-1 a-");
        fails("a+w1 b+w2 c+r c-1 a- b- d+r d-2 c+r c-1");
    }

    #[test]
    fn what_was_seen_stays_seen() {
        fails("a+w1 b+r b-1 c+r c-0 a-");
        fails("a+w1 a- b+w2 c+r c-2 d+r d-1 b-");
    }

    #[test]
    fn what_never_returned_may_happen_at_any_time_or_never() {
        holds("a+w1 b+r b-0 b+r b-0");
        holds("a+w1 b+w2 b- b+r b-2 b+r b-1");
        fails("a+w1 b+w2 b- b+r b-1 b+r b-2");
        holds("a+r b+w1 b-");
    }

    #[test]
    fn keys_are_registers_of_their_own() {
        let mut history = History::default();
        let put = history.call(Call::Put { key: 1, value: 5 });
        history.answer(put, 0);
        let get = history.call(Call::Get { key: 2 });
        history.answer(get, 0);
        assert!(history.check().is_ok());
        assert_eq!(history.answered(), 2);
        let get = history.call(Call::Get { key: 2 });
        history.answer(get, 5);
        let error = history.check().unwrap_err().to_string();
        assert!(error.contains("key 2") && error.contains("get -> 5") && !error.contains("put 5"), "{error}");
    }

    /// Every history of three operations, against all orders of them.
    #[test]
    fn the_search_finds_what_trying_all_orders_finds() {
        let (mut checked, mut held) = (0, 0);
        for shape in 0..3_usize.pow(6) * 64 {
            let Some(operations) = small(shape) else { continue };
            let naive = permutations(&operations);
            assert_eq!(is_linearizable(&operations), naive, "{operations:?}");
            checked += 1;
            held += u32::from(naive);
        }
        assert!(held > 100 && checked - held > 100, "{held} of {checked} hold");
    }

    /// The history of this number: who is called or returns at each of six moments, and what they do.
    fn small(mut shape: usize) -> Option<Vec<Operation>> {
        let kinds = shape % 64;
        shape /= 64;
        let (mut called, mut returned) = ([None; 3], [None; 3]);
        for moment in 0..6 {
            let who = shape % 3;
            shape /= 3;
            match (called[who], returned[who]) {
                (None, _) => called[who] = Some(moment),
                (Some(_), None) => returned[who] = Some(moment),
                (Some(_), Some(_)) => return None,
            }
        }
        let operation = |who: usize| {
            let kind = kinds >> (2 * who) & 3;
            let number = u64::try_from(who).unwrap() + 1;
            let call = if kind < 2 { Call::Put { key: 0, value: number } } else { Call::Get { key: 0 } };
            // Reads answer 0 or what the next one writes; a write of kind 1 never returns.
            let returned = returned[who].filter(|_| kind != 1);
            Operation { call, called: called[who].unwrap(), returned, value: if kind == 2 { 0 } else { number % 3 + 1 } }
        };
        let mut operations: Vec<Operation> = (0..3).map(operation).collect();
        operations.sort_by_key(|operation| operation.called);
        Some(operations)
    }

    fn permutations(operations: &[Operation]) -> bool {
        let orders: [&[usize]; 16] = [
            &[0, 1, 2],
            &[0, 2, 1],
            &[1, 0, 2],
            &[1, 2, 0],
            &[2, 0, 1],
            &[2, 1, 0],
            &[0, 1],
            &[1, 0],
            &[0, 2],
            &[2, 0],
            &[1, 2],
            &[2, 1],
            &[0],
            &[1],
            &[2],
            &[],
        ];
        orders.into_iter().any(|order| {
            let left_out = (0..3).filter(|place| !order.contains(place));
            let mut register = 0;
            left_out.into_iter().all(|place| operations[place].returned.is_none())
                && order.iter().enumerate().all(|(at, place)| {
                    let operation = &operations[*place];
                    let late =
                        order[at + 1..].iter().any(|later| operations[*later].returned.is_some_and(|at| at < operation.called));
                    let right = match operation.call {
                        Call::Put { value, .. } => {
                            register = value;
                            true
                        }
                        Call::Get { .. } => operation.value == register,
                    };
                    right && !late
                })
        })
    }
}
