//! What a shard did, as lines of JSON, and the shards of a campaign joined.
//!
//! A record is one file for each shard: a line that says what was to be done, a line for every failure and every assertion, and a last one that says what was
//! done. A file without that line is of a shard that was killed; when the shard is run again, the file is written anew.

use super::assertions::{Count, Counts};
use super::identity::TestId;
use super::report::Outcome;
use super::settings::SettingsError;
use super::shard::Shard;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version of the lines' meaning.
const FORMAT: u64 = 1;

/// Writes a shard's record into a folder, whole or not at all.
pub(super) fn write(folder: &Path, shard: Shard, (first_seed, seeds): (u64, u64), outcome: &Outcome) -> io::Result<()> {
    let mut lines = vec![json!({
        "line": "campaign", "format": FORMAT, "version": env!("CARGO_PKG_VERSION"), "test": outcome.test.full_name(),
        "shard": shard.number(), "shards": shard.count(), "first_seed": first_seed, "seeds": seeds,
    })];
    lines.extend(outcome.found.iter().map(|found| {
        json!({
            "line": "failure", "site": found.site, "seed": found.seed, "seeds": found.seeds, "kind": found.failure.kind.to_string(),
            "tape": found.tape.as_ref().map(|path| path.display().to_string()), "reproduce": found.reproduce,
        })
    }));
    lines.extend(
        outcome
            .divergence
            .iter()
            .map(|divergence| json!({ "line": "divergence", "seed": divergence.seed, "what": divergence.to_string() })),
    );
    lines.extend(outcome.assertions.iter().map(|(name, count)| {
        json!({ "line": "assertion", "name": name, "reached": count.reached, "held": count.held, "sometimes": count.is_sometimes })
    }));
    lines.push(json!({
        "line": "end", "seeds": outcome.seeds, "failures": outcome.failures, "interrupted": outcome.interrupted,
        "elapsed_us": u64::try_from(outcome.elapsed.as_micros()).unwrap_or(u64::MAX),
    }));
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::create_dir_all(folder)?;
    let name = format!("{}-{}-of-{}.jsonl", outcome.test.file_stem(), shard.number(), shard.count());
    let path = folder.join(name);
    let whole = path.with_extension(format!("jsonl.{}", std::process::id()));
    fs::write(&whole, text)?;
    fs::rename(&whole, path)
}

/// Makes the folder, and looks at the records of the test that are in it, before the first seed: they are of shards of the same campaign, or this one
/// would overlap with them and could not be joined with them.
///
/// # Errors
/// The folder cannot be made or read, or holds a record of another campaign of the test: which, and how they differ.
pub(super) fn prepare(folder: &Path, test: &TestId, shard: Shard, (first_seed, seeds): (u64, u64)) -> Result<(), SettingsError> {
    let this =
        Head { version: env!("CARGO_PKG_VERSION").to_owned(), test: test.full_name(), shards: shard.count(), first_seed, seeds };
    let about = |path: &Path, error: io::Error| SettingsError(format!("{}: {error}", path.display()));
    fs::create_dir_all(folder).map_err(|error| about(folder, error))?;
    for entry in fs::read_dir(folder).map_err(|error| about(folder, error))? {
        let path = entry.map_err(|error| about(folder, error))?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let first = text.lines().next().and_then(|line| serde_json::from_str::<Value>(line).ok());
        let Some((other, _)) = first.as_ref().and_then(|line| head_of(line).ok()) else { continue };
        if other.test == this.test
            && let Some(difference) = this.difference(&other, "this one's")
        {
            let place = path.display();
            return Err(SettingsError(format!(
                "{place} is the record of another campaign of the test, with which no shard of this one can be joined: {difference}"
            )));
        }
    }
    Ok(())
}

/// A campaign's shards, joined.
///
/// ```
/// # use twinsock_sim::explore::{Campaign, Shard, TestId, merge};
/// # let folder = std::env::temp_dir().join(format!("twinsock-doc-merged-{}", std::process::id()));
/// let test = TestId::of_program("doc", "tapes", "doc --seed", "doc --tape");
/// let campaign = Campaign::new(test).keeps_regressions(false).seeds(10).record(&folder);
/// for number in 1..=2 {
///     campaign.clone().shard(Shard::new(number, 2).unwrap()).run(|_sim| {});
/// }
/// let records: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
/// let merged = merge(&records).unwrap();
/// assert!(merged.seeds == 10 && merged.is_ok());
/// # std::fs::remove_dir_all(folder).unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The test.
    pub test: String,
    /// How many seeds were run.
    pub seeds: u64,
    /// How many of them failed.
    pub failures: u64,
    /// How much virtual time passed in all runs together, in microseconds.
    pub elapsed_us: u64,
    /// The failures, one for each site, in order of the first seed that has it.
    pub found: Vec<MergedFailure>,
    /// Seeds that were not one run but two.
    pub divergences: Vec<String>,
    /// What was counted.
    pub assertions: Counts,
}

/// A failure of one or several shards.
///
/// ```
/// # use twinsock_sim::explore::{Campaign, TestId, merge};
/// # let folder = std::env::temp_dir().join(format!("twinsock-doc-merged-failure-{}", std::process::id()));
/// let test = TestId::of_program("doc", "tapes", "doc --seed", "doc --tape");
/// let campaign = Campaign::new(test).keeps_regressions(false).record(&folder);
/// campaign.run(|sim| assert!(sim.swarm("size", 1..=9) < 5, "too large"));
/// # let records: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
/// let merged = merge(&records).unwrap();
/// assert!(merged.found[0].kind.contains("too large") && merged.found[0].reproduce.starts_with("doc --seed "));
/// # std::fs::remove_dir_all(folder).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedFailure {
    /// What it is known by.
    pub site: String,
    /// The first seed that has it.
    pub seed: u64,
    /// How many seeds have it.
    pub seeds: u64,
    /// What it is.
    pub kind: String,
    /// The command that runs it again.
    pub reproduce: String,
}

/// Records of which not all could be joined: what could be, and what is wrong with the others.
///
/// ```
/// use twinsock_sim::explore::{MergeError, merge};
/// let path = std::env::temp_dir().join(format!("twinsock-doc-{}.jsonl", std::process::id()));
/// std::fs::write(&path, r#"{"line":"campaign","format":1,"version":"0.1.0","test":"t","shard":1,"shards":2,"first_seed":0,"seeds":8}"#).unwrap();
/// let partly = merge(&[path.clone()]).unwrap_err();
/// assert_eq!(partly.merged.test, "t");
/// assert_eq!(partly.errors, [MergeError::Unfinished(path.clone()), MergeError::Missing(vec![2], 2)]);
/// # std::fs::remove_file(path).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartlyMerged {
    /// What could be read and joined: of a broken record, the lines before the one that is broken.
    pub merged: Merged,
    /// What is wrong. Never empty.
    pub errors: Vec<MergeError>,
}

impl fmt::Display for PartlyMerged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.errors.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for PartlyMerged {}

/// Why a record, or all of them, cannot be joined.
///
/// ```
/// use twinsock_sim::explore::{MergeError, merge};
/// assert_eq!(merge(&[]).unwrap_err().errors, [MergeError::Nothing]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeError {
    /// A file cannot be read, or is no record: which, at which line and byte, and what was expected there.
    File(PathBuf, String),
    /// A shard did not come to its end: run it again.
    Unfinished(PathBuf),
    /// A record is of another campaign than the first one.
    Foreign(PathBuf, String),
    /// Two records are of the same shard.
    Twice(PathBuf, PathBuf),
    /// Shards are missing: their numbers, and how many there are.
    Missing(Vec<u64>, u64),
    /// There is nothing to join.
    Nothing,
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MergeError::File(path, why) => write!(f, "{}: {why}", path.display()),
            MergeError::Unfinished(path) => write!(f, "{}: the shard did not come to its end; run it again", path.display()),
            MergeError::Foreign(path, why) => write!(f, "{}: the record is of another campaign: {why}", path.display()),
            MergeError::Twice(path, other) => {
                write!(f, "{} and {} are records of the same shard", other.display(), path.display())
            }
            MergeError::Missing(numbers, count) => write!(f, "of {count} shards, these are missing: {numbers:?}"),
            MergeError::Nothing => f.write_str("no record was given"),
        }
    }
}

impl std::error::Error for MergeError {}

/// What all shards of a campaign must agree on.
struct Head {
    version: String,
    test: String,
    shards: u64,
    first_seed: u64,
    seeds: u64,
}

impl Head {
    fn difference(&self, other: &Head, own: &str) -> Option<String> {
        let parts = [
            ("version", self.version.clone(), other.version.clone()),
            ("test", self.test.clone(), other.test.clone()),
            ("number of shards", self.shards.to_string(), other.shards.to_string()),
            ("first seed", self.first_seed.to_string(), other.first_seed.to_string()),
            ("number of seeds", self.seeds.to_string(), other.seeds.to_string()),
        ];
        let differs = parts.into_iter().find(|(_, one, other)| one != other);
        differs.map(|(what, one, other)| format!("its {what} is {other}, {own} {one}"))
    }
}

/// Joins the records of all shards of one campaign, whatever their order.
///
/// # Errors
/// A record cannot be read or is unfinished, shards are missing or there twice, or not all are of one campaign. The error holds what could be joined.
///
/// ```
/// use twinsock_sim::explore::{MergeError, merge};
/// let missing = merge(&["/no/such/record.jsonl".into()]).unwrap_err();
/// assert!(matches!(missing.errors[..], [MergeError::File(..)]));
/// ```
pub fn merge(records: &[PathBuf]) -> Result<Merged, Box<PartlyMerged>> {
    let mut joining = Joining::default();
    for path in records {
        let joined = joining.add(path);
        joining.errors.extend(joined.err());
    }
    joining.end()
}

/// Records that are being joined.
#[derive(Default)]
struct Joining<'a> {
    merged: Merged,
    /// The first that could be read.
    head: Option<Head>,
    /// By their numbers.
    shards: BTreeMap<u64, &'a PathBuf>,
    errors: Vec<MergeError>,
}

impl<'a> Joining<'a> {
    /// Adds a record, up to where it is broken.
    fn add(&mut self, path: &'a PathBuf) -> Result<(), MergeError> {
        let file = |why: String| MergeError::File(path.clone(), why);
        let bytes = fs::read(path).map_err(|error| file(error.to_string()))?;
        let (lines, broken) = lines_of(&bytes);
        let Some((_, first)) = lines.first() else {
            return Err(file(broken.unwrap_or_else(|| "an empty file".to_owned())));
        };
        let (this, number) = head_of(first).map_err(|expected| file(format!("line 1, byte 0: {expected}")))?;
        if let Some(difference) = self.head.as_ref().and_then(|head| head.difference(&this, "the first one's")) {
            return Err(MergeError::Foreign(path.clone(), difference));
        }
        if let Some(other) = self.shards.get(&number) {
            return Err(MergeError::Twice(path.clone(), (*other).clone()));
        }
        self.shards.insert(number, path);
        self.head.get_or_insert(this);
        for (number, (offset, line)) in (2..).zip(&lines[1..]) {
            self.merged.add(line).map_err(|expected| file(format!("line {number}, byte {offset}: {expected}")))?;
        }
        let is_end = |line: &Value| line["line"] == "end" && line["interrupted"] == false;
        match (broken, lines.last()) {
            (Some(broken), _) => Err(file(broken)),
            (None, Some((_, last))) if is_end(last) => Ok(()),
            (None, _) => Err(MergeError::Unfinished(path.clone())),
        }
    }

    fn end(self) -> Result<Merged, Box<PartlyMerged>> {
        let Joining { mut merged, head, shards, mut errors } = self;
        match head {
            Some(head) => {
                let missing: Vec<u64> = (1..=head.shards).filter(|number| !shards.contains_key(number)).collect();
                if !missing.is_empty() {
                    errors.push(MergeError::Missing(missing, head.shards));
                }
                merged.test = head.test;
            }
            None if errors.is_empty() => errors.push(MergeError::Nothing),
            None => {}
        }
        merged.found.sort_by_key(|found| found.seed);
        merged.divergences.sort();
        if errors.is_empty() { Ok(merged) } else { Err(Box::new(PartlyMerged { merged, errors })) }
    }
}

/// The lines of a record, each with the offset of its first byte, up to the first that is no JSON; of that one, the line and the byte.
fn lines_of(bytes: &[u8]) -> (Vec<(usize, Value)>, Option<String>) {
    let (mut lines, mut start) = (Vec::new(), 0);
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        match serde_json::from_slice(line) {
            Ok(value) => lines.push((start, value)),
            Err(error) => {
                // Of what is missing, the place is behind the last byte.
                let column = if error.is_eof() { line.trim_ascii_end().len() } else { error.column().saturating_sub(1) };
                let at = start + column.min(line.len());
                let cut_off = if line.ends_with(b"\n") { "" } else { "the file is cut off here: " };
                // Where in the line is said already.
                let words = error.to_string();
                let what = words.split_once(" at line ").map_or(words.as_str(), |(what, _)| what);
                return (lines, Some(format!("line {number}, byte {at}: {cut_off}{what}")));
            }
        }
        start += line.len();
    }
    (lines, None)
}

/// A field of a line, or what was expected.
fn field<'v, T>(line: &'v Value, name: &str, kind: &str, get: impl FnOnce(&'v Value) -> Option<T>) -> Result<T, String> {
    get(&line[name]).ok_or_else(|| format!("expected the field \"{name}\", {kind}, in {line}"))
}

fn text(line: &Value, name: &str) -> Result<String, String> {
    field(line, name, "a text", |value| value.as_str().map(str::to_owned))
}

fn number(line: &Value, name: &str) -> Result<u64, String> {
    field(line, name, "a number", Value::as_u64)
}

/// What the first line of a record says, and the number of its shard; or what was expected.
fn head_of(line: &Value) -> Result<(Head, u64), String> {
    if line["line"] != "campaign" {
        return Err(format!(
            "not a record of twinsock: expected its first line, {{\"line\":\"campaign\",\"format\":{FORMAT},...}}"
        ));
    }
    if line["format"] != FORMAT {
        return Err(format!("a record of format {}: this version reads format {FORMAT}", line["format"]));
    }
    let head = Head {
        version: text(line, "version")?,
        test: text(line, "test")?,
        shards: number(line, "shards")?,
        first_seed: number(line, "first_seed")?,
        seeds: number(line, "seeds")?,
    };
    let shard = number(line, "shard")?;
    if head.shards > SHARDS_MAX || !(1..=head.shards).contains(&shard) {
        return Err(format!(
            "expected a shard of 1 to `shards`, which is at most {SHARDS_MAX}: shard {shard} of {}",
            head.shards
        ));
    }
    Ok((head, shard))
}

/// Into how many shards a campaign is split at most, for records to be joined.
const SHARDS_MAX: u64 = 1_000_000;

impl fmt::Display for Merged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Merged { test, seeds, failures, elapsed_us, .. } = self;
        write!(f, "{test}: {seeds} seeds, {failures} failed, {:.2?} of virtual time", Duration::from_micros(*elapsed_us))?;
        for MergedFailure { seed, seeds, kind, reproduce, .. } in &self.found {
            write!(f, "\n\nseed {seed} failed")?;
            if *seeds > 1 {
                write!(f, ", and {} more in the same way", seeds - 1)?;
            }
            write!(f, ":\n{kind}\nreproduce: {reproduce}")?;
        }
        for divergence in &self.divergences {
            write!(f, "\n\n{divergence}")?;
        }
        for (name, count) in self.assertions.iter().filter(|(_, count)| count.never_held()) {
            write!(f, "\nsometimes: {name}: reached {} times, never held", count.reached)?;
        }
        Ok(())
    }
}

impl Merged {
    /// Whether nothing was found.
    ///
    /// ```
    /// use twinsock_sim::explore::Merged;
    /// assert!(Merged::default().is_ok() && !Merged { failures: 1, ..Merged::default() }.is_ok());
    /// ```
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failures == 0 && self.found.is_empty() && self.divergences.is_empty()
    }

    /// Adds what a line says, or nothing of it.
    ///
    /// # Errors
    /// It is none of a record: what was expected.
    fn add(&mut self, line: &Value) -> Result<(), String> {
        let (text, number) = (|name: &str| text(line, name), |name: &str| number(line, name));
        match text("line")?.as_str() {
            "failure" => {
                let (site, seed, seeds) = (text("site")?, number("seed")?, number("seeds")?);
                let failure = MergedFailure { site, seed, seeds, kind: text("kind")?, reproduce: text("reproduce")? };
                match self.found.iter_mut().find(|found| found.site == failure.site) {
                    Some(found) => {
                        let seeds = found.seeds + failure.seeds;
                        if failure.seed < found.seed {
                            *found = failure;
                        }
                        found.seeds = seeds;
                    }
                    None => self.found.push(failure),
                }
            }
            "divergence" => self.divergences.push(text("what")?),
            "assertion" => {
                let is_sometimes = field(line, "sometimes", "true or false", Value::as_bool)?;
                let count = Count { reached: number("reached")?, held: number("held")?, is_sometimes };
                self.assertions.entry(text("name")?).or_default().add(count);
            }
            "end" => {
                let (seeds, failures, elapsed_us) = (number("seeds")?, number("failures")?, number("elapsed_us")?);
                let sum = |sum: u64, more: u64| sum.checked_add(more).ok_or("expected numbers whose sum fits 64 bits".to_owned());
                let sums = (sum(self.seeds, seeds)?, sum(self.failures, failures)?, sum(self.elapsed_us, elapsed_us)?);
                (self.seeds, self.failures, self.elapsed_us) = sums;
            }
            _ => return Err(format!("expected a line of a record, a failure, divergence, assertion or end: {line}")),
        }
        Ok(())
    }
}
