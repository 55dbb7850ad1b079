//! What the environment asks of a campaign.

use super::campaign::Campaign;
use super::shard::{Shard, ShardError};
use crate::sim;
use std::fmt;
use std::path::PathBuf;

/// The step at which a debugger is to stop, by `TWINSOCK_BREAK`.
///
/// # Errors
/// It is no step.
///
/// ```
/// use twinsock_sim::{Sim, explore::step_from_environment};
/// let builder = Sim::builder();
/// // TWINSOCK_BREAK=66
/// let builder = match step_from_environment().unwrap() {
///     Some(step) => builder.break_at(step),
///     None => builder,
/// };
/// # assert!(builder.run(|_sim| {}).is_ok());
/// ```
pub fn step_from_environment() -> Result<Option<u64>, SettingsError> {
    sim::step_from_environment().map_err(SettingsError)
}

/// What the environment asks for; what it does not mention stays as the test set it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub seeds: Option<u64>,
    pub only_seed: Option<u64>,
    pub only_tape: Option<PathBuf>,
    pub jobs: Option<usize>,
    pub collects: bool,
    pub shard: Option<Shard>,
    pub record: Option<PathBuf>,
    pub break_at: Option<u64>,
}

/// A variable of the environment that makes no sense.
///
/// ```
/// use twinsock_sim::explore::{Campaign, SettingsError, TestId};
/// /// Whatever the environment asks for, or why that makes no sense.
/// fn campaign() -> Result<Campaign, SettingsError> {
///     Campaign::new(TestId::of_program("doc", "tapes", "doc --seed", "doc --tape")).as_the_environment_asks()
/// }
/// assert!(campaign().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(pub(super) String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

impl From<ShardError> for SettingsError {
    fn from(error: ShardError) -> SettingsError {
        SettingsError(error.to_string())
    }
}

impl Settings {
    #[expect(clippy::disallowed_methods, reason = "what to run is asked of the environment before the first run")]
    pub fn from_environment() -> Result<Settings, SettingsError> {
        let variable = |name: &str| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned());
        let settings = Settings::from_variables(&variable)?;
        Ok(Settings { break_at: step_from_environment()?, ..settings }).and_then(Settings::checked)
    }

    fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Settings, SettingsError> {
        let number = |name: &str| match variable(name) {
            None => Ok(None),
            Some(text) => match text.trim().replace('_', "").parse::<u64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(SettingsError(format!("{name} is {text:?}, expected a number from 0 to {}", u64::MAX))),
            },
        };
        let jobs = match number("TWINSOCK_JOBS")? {
            Some(0) => return Err(SettingsError("TWINSOCK_JOBS is 0: somebody has to do it".to_owned())),
            jobs => jobs.map(|jobs| usize::try_from(jobs).unwrap_or(usize::MAX)),
        };
        let path = |name: &str| variable(name).filter(|text| !text.is_empty()).map(PathBuf::from);
        let settings = Settings {
            seeds: number("TWINSOCK_SEEDS")?,
            only_seed: number("TWINSOCK_SEED")?,
            only_tape: path("TWINSOCK_TAPE"),
            jobs,
            collects: number("TWINSOCK_COLLECT")?.is_some_and(|number| number > 0),
            shard: Some(Shard::from_environment(variable)?).filter(|shard| *shard != Shard::WHOLE),
            record: path("TWINSOCK_RECORD"),
            break_at: None,
        };
        // One run is no share of a campaign, and its record would pass for one.
        let alone = if settings.only_seed.is_some() {
            Some("TWINSOCK_SEED")
        } else {
            settings.only_tape.is_some().then_some("TWINSOCK_TAPE")
        };
        let shared = if settings.record.is_some() { Some("TWINSOCK_RECORD") } else { settings.shard.map(|_| "a shard") };
        match (alone, shared) {
            (Some(alone), Some(shared)) => {
                Err(SettingsError(format!("{alone} asks for one run, and {shared} for a share of a campaign")))
            }
            (Some(_), None) | (None, Some(_) | None) => Ok(settings),
        }
    }

    /// A debugger stops at a step of one run.
    fn checked(self) -> Result<Settings, SettingsError> {
        let is_one_run = self.only_seed.is_some() || self.only_tape.is_some();
        if self.break_at.is_some() && !is_one_run {
            let what = "TWINSOCK_BREAK names a step of one run: TWINSOCK_SEED or TWINSOCK_TAPE has to say which";
            return Err(SettingsError(what.to_owned()));
        }
        Ok(self)
    }

    pub fn apply(self, campaign: &mut Campaign) {
        let Settings { seeds, only_seed, only_tape, jobs, collects, shard, record, break_at } = self;
        campaign.seeds = seeds.unwrap_or(campaign.seeds);
        campaign.only_seed = only_seed.or(campaign.only_seed);
        campaign.only_tape = only_tape;
        campaign.jobs = jobs.or(campaign.jobs);
        campaign.collects |= collects;
        campaign.shard = shard.unwrap_or(campaign.shard);
        campaign.record = record.or(campaign.record.take());
        campaign.break_at = break_at.or(campaign.break_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let variable = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Settings::from_variables(&variable).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_is_understood() {
        assert_eq!(given(&[]), Ok(Settings::default()));
        let all = [("TWINSOCK_SEEDS", "1_000_000"), ("TWINSOCK_JOBS", "2"), ("TWINSOCK_SHARD", "2/3"), ("TWINSOCK_COLLECT", "1")];
        let settings = given(&all).unwrap();
        assert_eq!((settings.seeds, settings.jobs, settings.collects), (Some(1_000_000), Some(2), true));
        assert_eq!(settings.shard.map(|shard| shard.to_string()).as_deref(), Some("2/3"));
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        assert!(given(&[("TWINSOCK_SEED", "0x7")]).unwrap_err().contains("TWINSOCK_SEED is \"0x7\""));
        assert!(given(&[("TWINSOCK_SEEDS", "-1")]).unwrap_err().contains("expected a number"));
        assert!(given(&[("TWINSOCK_JOBS", "0")]).unwrap_err().contains("TWINSOCK_JOBS"));
        assert!(given(&[("TWINSOCK_SHARD", "4")]).unwrap_err().contains("TWINSOCK_SHARD"));
        let one = |name, value| given(&[("TWINSOCK_SEED", "7"), (name, value)]).unwrap_err();
        assert!(one("TWINSOCK_SHARD", "1/4").contains("TWINSOCK_SEED asks for one run, and a shard"));
        assert!(one("TWINSOCK_RECORD", "r").contains("TWINSOCK_RECORD"));
        let stops = Settings { break_at: Some(66), ..Settings::default() };
        assert!(stops.clone().checked().unwrap_err().to_string().contains("TWINSOCK_SEED or TWINSOCK_TAPE"));
        assert!(Settings { only_seed: Some(7), ..stops }.checked().is_ok());
    }
}
