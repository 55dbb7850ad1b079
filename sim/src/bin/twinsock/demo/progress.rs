//! How far a run is: a bar where a person watches standard error, a few plain lines where not.

use crate::stamp::grouped;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many plain lines a run gets.
const PLAIN_LINES: usize = 4;

/// Counts answers and shows them. Shared by all clients; it never waits.
pub struct Progress {
    world: &'static str,
    total: usize,
    answered: AtomicUsize,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins to show a run of `total` commands in this world.
    pub fn new(world: &'static str, total: usize) -> Progress {
        Progress { world, total, answered: AtomicUsize::new(0), bar: std::io::stderr().is_terminal().then(|| bar(world, total)) }
    }

    /// So many more answers have come.
    pub fn answered(&self, count: usize) {
        let before = self.answered.fetch_add(count, Ordering::Relaxed);
        let now = before + count;
        match &self.bar {
            Some(bar) => bar.set_position(u64::try_from(now).unwrap_or(u64::MAX)),
            None if self.quarter(before) != self.quarter(now) => {
                eprintln!("{:<10} {:>7} of {} answers", self.world, grouped(now), grouped(self.total));
            }
            None => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn quarter(&self, answered: usize) -> usize {
        answered.min(self.total) * PLAIN_LINES / self.total.max(1)
    }
}

fn bar(world: &'static str, total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:<10} {bar:40} {human_pos:>7} of {human_len} answers {elapsed}");
    let bar = ProgressBar::new(u64::try_from(total).unwrap_or(u64::MAX)).with_prefix(world);
    bar.with_style(style.expect("the template names what indicatif knows"))
}
