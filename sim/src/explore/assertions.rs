//! What holds in every run, in some run, or is reached at all, counted over a campaign.
//!
//! A run happens on one OS thread, so it counts there; the campaign collects after each run.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// How often an assertion was reached over the campaign, and how often it held.
///
/// ```
/// use twinsock_sim::explore::{Campaign, TestId};
/// let test = TestId::of_program("doc", "tapes", "doc --seed", "doc --tape");
/// let outcome = Campaign::new(test).seeds(10).keeps_regressions(false).run(|_sim| twinsock_sim::reachable!("here"));
/// assert!(outcome.assertions["here"].reached >= 10);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often it was reached.
    pub reached: u64,
    /// How often it held.
    pub held: u64,
    /// Whether that it never holds is worth a word: it is a [`sometimes!`](crate::sometimes).
    pub is_sometimes: bool,
}

impl Count {
    /// Adds what another run, or another shard, has counted.
    pub fn add(&mut self, other: Count) {
        self.reached = self.reached.saturating_add(other.reached);
        self.held = self.held.saturating_add(other.held);
        self.is_sometimes |= other.is_sometimes;
    }

    /// Whether it was reached and never held, though it is there to hold sometimes.
    ///
    /// ```
    /// use twinsock_sim::explore::Count;
    /// assert!(!Count::default().never_held(), "it was not reached");
    /// ```
    #[must_use]
    pub fn never_held(&self) -> bool {
        self.is_sometimes && self.held == 0
    }
}

/// Counts by the assertions' names.
///
/// ```
/// use twinsock_sim::explore::{Campaign, Counts, TestId};
/// let test = TestId::of_program("doc", "tapes", "doc --seed", "doc --tape");
/// let campaign = Campaign::new(test).seeds(10).rerun_every(0).keeps_regressions(false);
/// let counts: Counts = campaign.run(|sim| twinsock_sim::sometimes!(sim.swarm("n", 1..=2) == 2, "two")).assertions;
/// assert!(counts["two"].reached == 10 && counts["two"].held > 0);
/// ```
pub type Counts = BTreeMap<String, Count>;

thread_local! {
    static COUNTS: RefCell<BTreeMap<&'static str, Count>> = const { RefCell::new(BTreeMap::new()) };
}

/// Counts one assertion; what the macros call.
pub fn count(name: &'static str, held: bool, is_sometimes: bool) {
    let once = Count { reached: 1, held: u64::from(held), is_sometimes };
    COUNTS.with_borrow_mut(|counts| counts.entry(name).or_default().add(once));
}

/// What was counted on this OS thread since the last time.
pub(super) fn take() -> BTreeMap<&'static str, Count> {
    COUNTS.take()
}

pub(super) fn add(counts: &mut Counts, others: BTreeMap<&'static str, Count>) {
    for (name, count) in others {
        match counts.get_mut(name) {
            Some(sum) => sum.add(count),
            None => drop(counts.insert(name.to_owned(), count)),
        }
    }
}

/// Panics unless the condition holds, and counts how often it did. A name, a constant, comes second; words about what went wrong may follow, as in
/// [`assert!`].
///
/// ```
/// let balance = 3;
/// twinsock_sim::always!(balance >= 0, "no account is overdrawn", "balance {balance}");
/// ```
#[macro_export]
macro_rules! always {
    ($condition:expr, $name:expr $(,)?) => {{
        let held: bool = $condition;
        $crate::explore::assertions::count($name, held, false);
        if !held {
            ::std::panic!("always: {}", $name);
        }
    }};
    ($condition:expr, $name:expr, $($words:tt)+) => {{
        let held: bool = $condition;
        $crate::explore::assertions::count($name, held, false);
        if !held {
            ::std::panic!("always: {}: {}", $name, ::std::format!($($words)+));
        }
    }};
}

/// Counts how often the condition holds. A campaign in which it never does says so: the test does not test what it should.
///
/// ```
/// let retries = 0;
/// twinsock_sim::sometimes!(retries > 0, "a request is tried again");
/// ```
#[macro_export]
macro_rules! sometimes {
    ($condition:expr, $name:expr $(,)?) => {
        $crate::explore::assertions::count($name, $condition, true)
    };
}

/// Counts how often this place is reached. That it must be is said by [`Campaign::expects`](crate::explore::Campaign::expects), since what is never
/// reached cannot say so itself.
///
/// ```
/// twinsock_sim::reachable!("the log is compacted");
/// ```
#[macro_export]
macro_rules! reachable {
    ($name:expr $(,)?) => {
        $crate::explore::assertions::count($name, true, false)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_are_counted_by_name() {
        drop(take());
        for n in 0..5 {
            always!(n < 5, "small");
            sometimes!(n == 3, "three");
            sometimes!(n == 7, "seven");
        }
        reachable!("the end");
        let mut counts = Counts::new();
        add(&mut counts, take());
        assert_eq!(counts["small"], Count { reached: 5, held: 5, is_sometimes: false });
        assert_eq!(counts["three"], Count { reached: 5, held: 1, is_sometimes: true });
        assert_eq!((counts["seven"].never_held(), counts["three"].never_held()), (true, false));
        assert_eq!(counts["the end"].reached, 1);
        assert!(take().is_empty());
    }

    #[test]
    fn always_says_what_went_wrong() {
        let panic = std::panic::catch_unwind(|| always!(false, "no byte is lost", "{} of {}", 1, 2)).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), "always: no byte is lost: 1 of 2");
    }
}
