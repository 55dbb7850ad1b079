//! How far a campaign is, for whoever watches: plain lines by default, and few of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far a campaign is.
///
/// ```
/// use std::time::Duration;
/// use twinsock_sim::explore::Snapshot;
/// let half = Snapshot { done: 50, seeds: 100, failures: 0, elapsed: Duration::ZERO, took: Duration::from_secs(1) };
/// assert_eq!((half.seeds_per_second(), half.left()), (50, Some(Duration::from_secs(1))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Seeds that were run.
    pub done: u64,
    /// Seeds that are to be run.
    pub seeds: u64,
    /// How many of them failed.
    pub failures: u64,
    /// How much virtual time passed in all runs together.
    pub elapsed: Duration,
    /// How much real time passed.
    pub took: Duration,
}

impl Snapshot {
    /// Seeds for each second of real time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::explore::Snapshot;
    /// let took = Duration::from_secs(2);
    /// let snapshot = Snapshot { done: 50, seeds: 100, failures: 0, elapsed: Duration::ZERO, took };
    /// assert_eq!(snapshot.seeds_per_second(), 25);
    /// ```
    #[must_use]
    pub fn seeds_per_second(&self) -> u64 {
        let micros = self.took.as_micros().max(1);
        u64::try_from(u128::from(self.done) * 1_000_000 / micros).unwrap_or(u64::MAX)
    }

    /// How much real time the seeds that are left will take, as far as one can tell; `None` before the first is done.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::explore::Snapshot;
    /// let took = Duration::from_secs(2);
    /// let snapshot = Snapshot { done: 50, seeds: 100, failures: 0, elapsed: Duration::ZERO, took };
    /// assert_eq!(snapshot.left(), Some(Duration::from_secs(2)));
    /// ```
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        let left = u128::from(self.seeds.saturating_sub(self.done));
        let nanos = (left * self.took.as_nanos()).checked_div(u128::from(self.done))?;
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

/// Whoever watches a campaign. It is told now and then, from the thread that began the campaign, and at the end.
///
/// ```
/// use std::sync::Arc;
/// use twinsock_sim::explore::{Campaign, Snapshot, TestId, Watch};
///
/// struct Quiet;
/// impl Watch for Quiet {
///     fn progress(&self, _snapshot: &Snapshot) {}
/// }
/// let test = TestId::of_program("doc", "tapes", "doc --seed", "doc --tape");
/// assert!(Campaign::new(test).keeps_regressions(false).watch(Arc::new(Quiet)).run(|_sim| {}).is_ok());
/// ```
pub trait Watch: Sync {
    /// How far the campaign is.
    ///
    /// ```
    /// use twinsock_sim::explore::{Snapshot, Watch};
    /// struct Dots;
    /// impl Watch for Dots {
    ///     fn progress(&self, _snapshot: &Snapshot) {
    ///         eprint!(".");
    ///     }
    /// }
    /// # Dots.progress(&Snapshot { done: 1, seeds: 2, failures: 0, elapsed: Default::default(), took: Default::default() });
    /// ```
    fn progress(&self, snapshot: &Snapshot);
    /// It has come to its end.
    ///
    /// ```
    /// use twinsock_sim::explore::{Snapshot, Watch};
    /// struct Sum;
    /// impl Watch for Sum {
    ///     fn progress(&self, _snapshot: &Snapshot) {}
    ///     fn end(&self, snapshot: &Snapshot) {
    ///         eprintln!("{} seeds, {} failed", snapshot.done, snapshot.failures);
    ///     }
    /// }
    /// # Sum.end(&Snapshot { done: 2, seeds: 2, failures: 0, elapsed: Default::default(), took: Default::default() });
    /// ```
    fn end(&self, _snapshot: &Snapshot) {}
}

/// Who watches unless somebody else does: a bar where a person looks at standard error and the feature `cli` is on, else plain lines.
pub(super) fn default_watch() -> Box<dyn Watch> {
    #[cfg(feature = "cli")]
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        return Box::new(super::bar::Bar::new());
    }
    Box::new(Lines::default())
}

/// A line on standard error every ten seconds: a test that is quick says nothing.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// How many intervals have had their line.
    said: AtomicU64,
}

const LINE_EVERY_SECONDS: u64 = 10;

impl Watch for Lines {
    fn progress(&self, snapshot: &Snapshot) {
        let interval = snapshot.took.as_secs() / LINE_EVERY_SECONDS;
        if self.said.fetch_max(interval, Ordering::Relaxed) < interval {
            let Snapshot { done, seeds, failures, elapsed, .. } = snapshot;
            let left = snapshot.left().map_or(0, |left| left.as_secs());
            eprintln!(
                "twinsock: {done} of {seeds} seeds, {failures} failed, {} seeds/s, {} s of virtual time, {left} s left",
                snapshot.seeds_per_second(),
                elapsed.as_secs(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_what_was_done() {
        let took = Duration::from_secs(2);
        let snapshot = Snapshot { done: 0, seeds: 100, failures: 0, elapsed: Duration::ZERO, took };
        assert_eq!((snapshot.left(), snapshot.seeds_per_second()), (None, 0));
        let snapshot = Snapshot { done: 40, ..snapshot };
        assert_eq!((snapshot.left(), snapshot.seeds_per_second()), (Some(Duration::from_secs(3)), 20));
    }
}
