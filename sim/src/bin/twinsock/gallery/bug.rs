//! What a planted bug is: a small program in two versions, and the check that tells them apart.

use std::fmt;
use std::time::Duration;
use twinsock_sim::Sim;

/// After how long a server listens, however often it has lost its processor: what happens before is not what is looked at.
pub const START: Duration = Duration::from_secs(1);

/// A planted bug.
#[derive(Clone, Copy)]
pub struct Bug {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What is wrong, in one line.
    pub what: &'static str,
    /// Within how many seeds it is found.
    pub seeds: u64,
    /// Builds the network, runs the program in one of its versions, and asserts what it promises.
    pub check: fn(&Sim, Version),
}

/// Which version of a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// With the bug.
    Buggy,
    /// Without it.
    Fixed,
}

impl Bug {
    /// What its tapes say they were recorded from.
    pub fn test_name(&self) -> String {
        format!("{TEST_PREFIX}{}", self.name)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Buggy => "buggy",
            Version::Fixed => "fixed",
        })
    }
}

/// How the names of the gallery's tests begin.
pub const TEST_PREFIX: &str = "twinsock::gallery::";
