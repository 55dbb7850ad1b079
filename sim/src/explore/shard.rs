//! Which of a campaign's seeds are this process's: every n-th, so that shards need not talk.

use std::fmt;
use std::str::FromStr;

/// One of several shares of a campaign.
///
/// ```
/// use twinsock_sim::explore::Shard;
/// let second = Shard::new(2, 4).unwrap();
/// assert_eq!((0..3).map(|place| second.nth(place)).collect::<Vec<_>>(), [1, 5, 9]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

/// A share that makes no sense: which variable says what.
///
/// ```
/// use twinsock_sim::explore::Shard;
/// let error = "5/4".parse::<Shard>().unwrap_err();
/// assert!(error.to_string().contains("there is no shard 5 of 4"), "{error}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardError(String);

impl fmt::Display for ShardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ShardError {}

/// Where array jobs say which of them this is: the index's variable, the first index, how far apart indices are, and how many there are.
const ENGINES: [Engine; 3] = [
    // kubernetes.io, "Indexed Job for Parallel Processing": the index counts from 0; how many completions there are is not told.
    Engine { name: "Kubernetes", index: "JOB_COMPLETION_INDEX", first: None, step: None, count: None },
    // slurm.schedmd.com/job_array.html: indices need not begin at 0, nor follow each other.
    Engine {
        name: "Slurm",
        index: "SLURM_ARRAY_TASK_ID",
        first: Some("SLURM_ARRAY_TASK_MIN"),
        step: Some("SLURM_ARRAY_TASK_STEP"),
        count: Some("SLURM_ARRAY_TASK_COUNT"),
    },
    // docs.aws.amazon.com/batch, "Array jobs" and "Environment variables": the index counts from 0.
    Engine {
        name: "AWS Batch",
        index: "AWS_BATCH_JOB_ARRAY_INDEX",
        first: None,
        step: None,
        count: Some("AWS_BATCH_JOB_ARRAY_SIZE"),
    },
];

struct Engine {
    name: &'static str,
    index: &'static str,
    first: Option<&'static str>,
    step: Option<&'static str>,
    count: Option<&'static str>,
}

impl Engine {
    /// The share of the job that has this index.
    fn shard(
        &self,
        at: u64,
        shards: Option<u64>,
        number: impl Fn(&str) -> Result<Option<u64>, ShardError>,
    ) -> Result<Shard, ShardError> {
        let Engine { name, index, first, step, count } = self;
        let given = |variable: &Option<&str>| variable.map(&number).transpose().map(Option::flatten);
        let wrong = |why: &dyn fmt::Display| ShardError(format!("{index} is {at}, as set by {name}: {why}"));
        let count = match (shards, given(count)?) {
            // A part of an array is submitted again: its jobs are numbered anew, and nobody knows which shards they are.
            (Some(shards), Some(count)) if shards != count => {
                let why = format!(
                    "it is one of {count}, but TWINSOCK_SHARDS is {shards}: say which shard it is with TWINSOCK_SHARD=i/{shards}"
                );
                return Err(wrong(&why));
            }
            (Some(count), _) | (None, Some(count)) => count,
            (None, None) => {
                let why = "nobody says how many shards there are: set TWINSOCK_SHARDS";
                return Err(wrong(&why));
            }
        };
        let step = given(step)?.unwrap_or(1).max(1);
        match at.checked_sub(given(first)?.unwrap_or(0)) {
            Some(distance) if distance.is_multiple_of(step) => {
                Shard::new((distance / step).saturating_add(1), count).map_err(|error| wrong(&error))
            }
            Some(_) | None => Err(wrong(&"no job of the array has that index")),
        }
    }
}

impl Shard {
    /// All there is.
    ///
    /// ```
    /// use twinsock_sim::explore::Shard;
    /// assert_eq!("1/1".parse(), Ok(Shard::WHOLE));
    /// ```
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// Share `number`, from 1, of `count`.
    ///
    /// # Errors
    /// There is no such share.
    ///
    /// ```
    /// use twinsock_sim::explore::Shard;
    /// assert!(Shard::new(2, 4).is_ok() && Shard::new(5, 4).is_err() && Shard::new(0, 4).is_err());
    /// ```
    pub fn new(number: u64, count: u64) -> Result<Shard, ShardError> {
        match number.checked_sub(1) {
            Some(index) if index < count => Ok(Shard { index, count }),
            Some(_) | None => Err(ShardError(format!("there is no shard {number} of {count}: they are numbered from 1"))),
        }
    }

    /// The share that the environment gives this process: `TWINSOCK_SHARD=i/n`, with `i` from 1 to `n`; or the index of an array job, whose size
    /// `TWINSOCK_SHARDS=n` says if the engine does not.
    ///
    /// # Errors
    /// What is set makes no sense, or is not enough.
    pub(super) fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Result<Shard, ShardError> {
        let number = |name: &str| match variable(name) {
            None => Ok(None),
            Some(text) => match text.trim().parse::<u64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(ShardError(format!("{name} is {text:?}, expected a number"))),
            },
        };
        let shards = number("TWINSOCK_SHARDS")?;
        if let Some(text) = variable("TWINSOCK_SHARD") {
            let shard: Shard = text.trim().parse().map_err(|error| ShardError(format!("TWINSOCK_SHARD is {text:?}: {error}")))?;
            if shards.is_some_and(|shards| shards != shard.count) {
                return Err(ShardError(format!("TWINSOCK_SHARD is {text:?}, but TWINSOCK_SHARDS says another number")));
            }
            return Ok(shard);
        }
        for engine in ENGINES {
            if let Some(at) = number(engine.index)? {
                return engine.shard(at, shards, number);
            }
        }
        match shards {
            None | Some(1) => Ok(Shard::WHOLE),
            Some(_) => {
                Err(ShardError("TWINSOCK_SHARDS is set, but nobody says which shard this is: set TWINSOCK_SHARD=i/n".to_owned()))
            }
        }
    }

    /// Which one, from 1.
    ///
    /// ```
    /// use twinsock_sim::explore::Shard;
    /// assert_eq!(Shard::new(2, 4).unwrap().number(), 2);
    /// ```
    #[must_use]
    pub fn number(self) -> u64 {
        self.index + 1
    }

    /// Of how many.
    ///
    /// ```
    /// use twinsock_sim::explore::Shard;
    /// assert_eq!(Shard::new(2, 4).unwrap().count(), 4);
    /// ```
    #[must_use]
    pub fn count(self) -> u64 {
        self.count
    }

    /// How many of `seeds` are this shard's.
    ///
    /// ```
    /// use twinsock_sim::explore::Shard;
    /// let shares: u64 = (1..=4).map(|number| Shard::new(number, 4).unwrap().share_of(10)).sum();
    /// assert_eq!(shares, 10);
    /// ```
    #[must_use]
    pub fn share_of(self, seeds: u64) -> u64 {
        seeds / self.count + u64::from(self.index < seeds % self.count)
    }

    /// The `nth` of this shard, from 0, counted from 0 among all.
    ///
    /// ```
    /// use twinsock_sim::explore::Shard;
    /// assert_eq!(Shard::new(1, 4).unwrap().nth(1), 4);
    /// ```
    #[must_use]
    pub fn nth(self, nth: u64) -> u64 {
        nth.saturating_mul(self.count).saturating_add(self.index)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    /// Share `i` of `n`, written `i/n`.
    fn from_str(text: &str) -> Result<Shard, ShardError> {
        let parts = text.split_once('/').map(|(number, count)| (number.parse().ok(), count.parse().ok()));
        let Some((Some(number), Some(count))) = parts else {
            return Err(ShardError("expected i/n, such as 1/4".to_owned()));
        };
        Shard::new(number, count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number(), self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Shard::from_environment(&variable).map(|shard| shard.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn shards_share_all_seeds_and_none_twice() {
        for (seeds, count) in [(100, 4), (7, 3), (2, 5), (0, 2)] {
            let shards: Vec<Shard> = (1..=count).map(|number| Shard::new(number, count).unwrap()).collect();
            let mut all: Vec<u64> =
                shards.iter().flat_map(|shard| (0..shard.share_of(seeds)).map(|nth| shard.nth(nth))).collect();
            all.sort_unstable();
            assert_eq!(all, (0..seeds).collect::<Vec<_>>());
        }
    }

    #[test]
    fn array_jobs_are_understood() {
        assert_eq!(given(&[]).unwrap(), "1/1");
        assert_eq!(given(&[("TWINSOCK_SHARD", "2/4"), ("JOB_COMPLETION_INDEX", "9")]).unwrap(), "2/4");
        assert_eq!(given(&[("JOB_COMPLETION_INDEX", "0"), ("TWINSOCK_SHARDS", "3")]).unwrap(), "1/3");
        let slurm = [("SLURM_ARRAY_TASK_ID", "12"), ("SLURM_ARRAY_TASK_MIN", "10"), ("SLURM_ARRAY_TASK_COUNT", "4")];
        assert_eq!(given(&slurm).unwrap(), "3/4");
        let stepped = [&slurm[..], &[("SLURM_ARRAY_TASK_STEP", "2"), ("TWINSOCK_SHARDS", "4")]].concat();
        assert_eq!(given(&stepped).unwrap(), "2/4");
        assert_eq!(given(&[("AWS_BATCH_JOB_ARRAY_INDEX", "1"), ("AWS_BATCH_JOB_ARRAY_SIZE", "2")]).unwrap(), "2/2");
    }

    #[test]
    fn a_shard_that_makes_no_sense_is_an_error() {
        let error = |variables: &[(&str, &str)], words: &str| {
            let error = given(variables).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        error(&[("TWINSOCK_SHARD", "0/4")], "no shard 0 of 4");
        error(&[("TWINSOCK_SHARD", "5/4")], "no shard 5 of 4");
        error(&[("TWINSOCK_SHARD", "1/0")], "no shard 1 of 0");
        error(&[("TWINSOCK_SHARD", "one")], "expected i/n");
        error(&[("TWINSOCK_SHARD", "1/4"), ("TWINSOCK_SHARDS", "5")], "another number");
        error(&[("TWINSOCK_SHARDS", "5")], "which shard");
        error(&[("JOB_COMPLETION_INDEX", "1")], "TWINSOCK_SHARDS");
        error(&[("JOB_COMPLETION_INDEX", "x")], "expected a number");
        error(&[("SLURM_ARRAY_TASK_ID", "9"), ("SLURM_ARRAY_TASK_COUNT", "4")], "no shard 10 of 4");
        let slurm = |at, step| [("SLURM_ARRAY_TASK_ID", at), ("SLURM_ARRAY_TASK_MIN", "3"), ("SLURM_ARRAY_TASK_STEP", step)];
        let count = |count| ("SLURM_ARRAY_TASK_COUNT", count);
        error(&[&slurm("6", "2")[..], &[count("4")]].concat(), "no job of the array");
        error(&[&slurm("1", "1")[..], &[count("4")]].concat(), "no job of the array");
        // `sbatch --array=3` after the third of four was killed: not the first of four.
        error(&[&slurm("3", "1")[..], &[count("1"), ("TWINSOCK_SHARDS", "4")]].concat(), "TWINSOCK_SHARD=i/4");
    }
}
