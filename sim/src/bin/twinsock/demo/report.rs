//! What the demo tells at its end.

use super::commands::Script;
use super::transcript::{Difference, Transcript, first_difference};
use super::worlds::{Outcome, Simulated};
use crate::stamp::grouped;
use std::io::{self, Write};

/// What is said about the runs as a whole.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every world gave every answer that was expected, and equal seeds equal digests.
    Same,
    /// The first answer that differs: who expected, who answered.
    Differs { expected_by: &'static str, got_from: &'static str, difference: Difference },
    /// Two runs of one seed went different ways.
    Strays { seed: u64, digests: [u64; 2] },
}

/// Compares the outcomes with one another and with the reference, and the two simulated runs by their digests.
pub fn judge(reference: &Transcript, outcomes: &[Outcome]) -> Verdict {
    let named = |outcome: &Outcome| (outcome.world, outcome.transcript.clone());
    let runs: Vec<(&'static str, Transcript)> = outcomes.iter().map(named).collect();
    // Next neighbours first: with both worlds, the kernel says what was expected of the simulator.
    let pairs = runs.windows(2).map(|pair| (&pair[0], &pair[1]));
    let in_order = ("no network", reference.clone());
    let against_reference = runs.iter().map(|run| (&in_order, run));
    for ((expected_by, expected), (got_from, got)) in pairs.chain(against_reference) {
        if let Some(difference) = first_difference(expected, got) {
            return Verdict::Differs { expected_by, got_from, difference };
        }
    }
    let simulated: Vec<&Simulated> = outcomes.iter().filter_map(|outcome| outcome.simulated.as_ref()).collect();
    match simulated.windows(2).find(|pair| pair[0].digest != pair[1].digest) {
        Some(pair) => Verdict::Strays { seed: pair[0].seed, digests: [pair[0].digest, pair[1].digest] },
        None => Verdict::Same,
    }
}

/// Writes the figures of each run, then the verdict.
pub fn write(
    out: &mut impl Write,
    script: &Script,
    clients: usize,
    seed: u64,
    outcomes: &[Outcome],
    verdict: &Verdict,
) -> io::Result<()> {
    let (commands, sessions) = (grouped(script.commands()), grouped(script.sessions.len()));
    let audit = grouped(script.audit().batches.len());
    writeln!(out, "{commands} commands in {sessions} sessions, {clients} clients at a time; {audit} more when all have ended")?;
    for outcome in outcomes {
        let answers: usize = outcome.transcript.iter().map(|heard| heard.exchanges.len()).sum();
        write!(out, "{:<10} {:>7} answers  real {:>7.3} s", outcome.world, grouped(answers), outcome.real.as_secs_f64())?;
        match &outcome.simulated {
            Some(run) => writeln!(
                out,
                "  virtual {:>7.3} s  seed {}  digest {:016x}",
                run.virtual_time.as_secs_f64(),
                run.seed,
                run.digest
            )?,
            None => writeln!(out)?,
        }
    }
    match verdict {
        Verdict::Same => writeln!(out, "same: {}", what_is_same(outcomes)),
        Verdict::Differs { expected_by, got_from, difference } => {
            writeln!(out, "DIFFERENT: expected as with {expected_by}, got from {got_from}\n{difference}")?;
            writeln!(out, "again: twinsock demo --seed {seed} --clients {clients}")
        }
        Verdict::Strays { seed, digests: [first, second] } => {
            writeln!(
                out,
                "DIFFERENT: seed {seed} gave digest {first:016x}, then {second:016x}; see \"When a run hangs, or its digest changes\" in README.md"
            )
        }
    }
}

fn what_is_same(outcomes: &[Outcome]) -> String {
    let simulated = outcomes.iter().filter(|outcome| outcome.simulated.is_some()).count();
    let transcripts =
        if simulated < outcomes.len() && simulated > 0 { "one transcript in both worlds" } else { "the transcript expected" };
    let digests = if simulated > 1 { ", one digest for one seed" } else { "" };
    format!("{transcripts}{digests}")
}

#[cfg(test)]
mod tests {
    use super::super::transcript::reference;
    use super::*;
    use std::time::Duration;

    fn script() -> Script {
        Script::parse("file", b"session a\nSET k 1\nGET k\n").expect("the file is good")
    }

    fn outcome(world: &'static str, digest: Option<u64>) -> Outcome {
        let simulated = digest.map(|digest| Simulated { seed: 7, virtual_time: Duration::from_millis(1500), digest });
        Outcome { world, transcript: reference(&script(), 1), real: Duration::from_millis(20), simulated, not_written: None }
    }

    fn told(outcomes: &[Outcome]) -> (Verdict, String) {
        let verdict = judge(&reference(&script(), 1), outcomes);
        let mut text = Vec::new();
        write(&mut text, &script(), 1, 7, outcomes, &verdict).expect("a Vec takes what is written");
        (verdict, String::from_utf8(text).expect("the report is UTF-8"))
    }

    #[test]
    fn equal_runs_are_the_same() {
        let (verdict, text) =
            told(&[outcome("kernel", None), outcome("simulator", Some(0xd1)), outcome("simulator", Some(0xd1))]);
        assert_eq!(verdict, Verdict::Same);
        assert!(text.contains("kernel           3 answers  real   0.020 s\n"), "{text}");
        assert!(text.contains("virtual   1.500 s  seed 7  digest 00000000000000d1\n"), "{text}");
        assert!(text.ends_with("same: one transcript in both worlds, one digest for one seed\n"), "{text}");
    }

    #[test]
    fn a_wrong_answer_is_told_with_who_expected_it() {
        let mut wrong = outcome("simulator", Some(0xd1));
        wrong.transcript[0].exchanges[1].answer = "NOTHING".to_owned();
        let (_, text) = told(&[outcome("kernel", None), wrong]);
        let expected = "expected as with kernel, got from simulator\nclient 0, session a, line 3: GET a/k\n  expected VALUE 1\n  got      NOTHING\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn both_worlds_wrong_in_the_same_way_is_a_difference() {
        let mut outcomes = [outcome("kernel", None), outcome("simulator", Some(0xd1))];
        for outcome in &mut outcomes {
            outcome.transcript[0].exchanges[1].answer = "NOTHING".to_owned();
        }
        assert!(matches!(told(&outcomes).0, Verdict::Differs { expected_by: "no network", .. }));
    }

    #[test]
    fn two_digests_for_one_seed_are_told() {
        let (verdict, text) = told(&[outcome("simulator", Some(0xd1)), outcome("simulator", Some(0xd2))]);
        assert_eq!(verdict, Verdict::Strays { seed: 7, digests: [0xd1, 0xd2] });
        assert!(text.contains("seed 7 gave digest 00000000000000d1, then 00000000000000d2"), "{text}");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([7, 1_000, 1_234_567].map(grouped), ["7", "1,000", "1,234,567"]);
    }
}
