//! Two runs of one seed that differ: where they part, and why that may be.

use std::fmt;

/// Two runs of one seed that were not the same.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use twinsock_sim::explore::{Campaign, TestId};
/// # let test = TestId::of_program("doc", std::env::temp_dir().join("twinsock-doc-tapes"), "doc --seed", "doc --tape");
/// static RUNS: AtomicU64 = AtomicU64::new(0);
/// let outcome = Campaign::new(test).keeps_regressions(false).seeds(1).run(|sim| {
///     // How long it sleeps depends on what ran before.
///     let nanos = RUNS.fetch_add(1, Ordering::Relaxed);
///     sim.host("a").spawn("p", move |net| twinsock::Clock::sleep(&net, std::time::Duration::from_nanos(nanos)));
/// });
/// let divergence = outcome.divergence.unwrap();
/// assert!(divergence.seed == 0 && divergence.to_string().contains("likely cause: "));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The seed.
    pub seed: u64,
    /// The digests of the two runs.
    pub digests: [u64; 2],
    /// The first event that differs, by number, and what each run had there; `None` if they parted in something that no event shows, or only
    /// sometimes do.
    pub event: Option<(usize, [String; 2])>,
    /// What is likely to be behind it.
    pub cause: &'static str,
}

/// How many events of each run are compared.
pub(super) const EVENTS_MAX: usize = 1_000_000;

impl Divergence {
    /// Of two runs' events, a line each. `leaks` says whether a run on a fresh OS thread is the first one again.
    pub(super) fn of(seed: u64, digests: [u64; 2], events: [&str; 2], leaks: bool) -> Divergence {
        let mut lines = events.map(str::lines);
        let mut index = 0;
        let event = loop {
            match lines.each_mut().map(Iterator::next) {
                [None, None] => break None,
                [one, other] if one == other => index += 1,
                parted => break Some((index, parted.map(|line| line.unwrap_or("(the end of the run)").to_owned()))),
            }
        };
        let cause = if leaks { LEAK } else { event.as_ref().map_or(UNSEEN, |(_, [one, other])| likely_cause(one, other)) };
        Divergence { seed, digests, event, cause }
    }
}

const LEAK: &str = "a thread-local or static that an earlier run left behind (each run is the same on a fresh OS thread)";
const UNSEEN: &str = "data of the same length that differs, such as the order of a std HashMap printed into a message; \
                      or real time or real randomness, which differ only now and then";
const TIME: &str = "real time: std::time::Instant or SystemTime where twinsock::Clock belongs";
const DATA: &str = "data that differs: real randomness where twinsock::Entropy belongs, an address printed as a number, or the order of a std HashMap";
const PATH: &str =
    "the order of a std HashMap or HashSet, real randomness, an OS thread, or a static that an earlier run left behind";

fn likely_cause(one: &str, other: &str) -> &'static str {
    let halves = [one, other].map(|line| line.split_once(' ').unwrap_or((line, "")));
    let [(at, what), (other_at, other_what)] = halves;
    // The same call with another result or of another length.
    let head = |what: &str| what.split_once(" = ").or(what.split_once(" len ")).map(|(head, _)| head.to_owned());
    if at != other_at && what == other_what {
        TIME
    } else if head(what).is_some() && head(what) == head(other_what) {
        DATA
    } else {
        PATH
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = self.digests;
        writeln!(f, "seed {} is not one run but two: digest {one:016x}, then {other:016x}", self.seed)?;
        match &self.event {
            Some((index, [one, other])) => writeln!(f, "they part at event {index}:\n  first  {one}\n  second {other}")?,
            None => writeln!(f, "no event shows where they part")?,
        }
        write!(f, "likely cause: {}", self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_that_differs_is_named() {
        let one = "0.1s a p[1]  socket() = 3\n0.2s a p[1]  send(3) = 10\n0.3s a p[1]  close(3) = 0\n";
        let other = one.replace("= 10", "= 12");
        let divergence = Divergence::of(7, [1, 2], [one, &other], false);
        let lines = ["0.2s a p[1]  send(3) = 10", "0.2s a p[1]  send(3) = 12"].map(str::to_owned);
        assert_eq!((divergence.event, divergence.cause), (Some((1, lines)), DATA));
    }

    #[test]
    fn the_likely_cause_follows_from_the_events() {
        let of = |other: &str, leaks| Divergence::of(7, [1, 2], ["0.1s a p[1]  send(3) = 1\n", other], leaks).cause;
        assert_eq!(of("0.2s a p[1]  send(3) = 1\n", false), TIME);
        assert_eq!(of("0.1s a p[1]  recv(3) = 1\n", false), PATH);
        assert_eq!(of("", false), PATH);
        assert_eq!(of("0.1s a p[1]  send(3) = 1\n", false), UNSEEN);
        assert_eq!(of("0.1s a p[1]  recv(3) = 1\n", true), LEAK);
    }
}
