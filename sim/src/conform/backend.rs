//! What cases ask of a world beyond its sockets, clock, threads and channels.

use super::op::FileAct;
use std::fmt;
use twinsock::raw::{RawFd, Vouch};
use twinsock::{Env, Result};

/// Something that this world cannot do (yet, or not here): the case that needs it is skipped, with this reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(pub String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An answer, unless the world cannot give any.
pub type Possible<T> = std::result::Result<T, Missing>;

/// A world in which cases run.
pub trait Backend: Env {
    /// Names a thread, so that it can be sent a signal.
    type Thread: Copy + Send + 'static;

    /// The promise under which descriptor numbers are passed: they are the case's own, or nobody's.
    fn vouch(&self) -> Vouch<Self>;
    /// The calling thread.
    fn this_thread(&self) -> Self::Thread;
    /// Sends a thread a signal whose handler does nothing and, with `restart`, was installed with `SA_RESTART`.
    fn interrupt(&self, thread: Self::Thread, restart: bool) -> Possible<()>;
    /// Whether the calling thread has been sent SIGPIPE since it was last asked.
    fn take_sigpipe(&self) -> bool;
    /// The process's number.
    fn pid(&self) -> i32;
    /// The sysctl `net.ipv4.ip_local_port_range`.
    fn port_range(&self) -> (u16, u16);
    /// Opens a plain file for reading and writing.
    fn open_file(&self, path: &str) -> Possible<Result<RawFd>>;
    /// Does something to the file name space; whether the file exists, if that was asked.
    fn file(&self, path: &str, act: FileAct) -> Possible<Result<bool>>;
    /// Sets the soft limit `RLIMIT_NOFILE` so that exactly `free` more descriptors fit.
    fn set_nofile(&self, free: usize) -> Possible<Result<()>>;
    /// Writes a sysctl.
    fn sysctl(&self, name: &str, value: &str) -> Possible<Result<()>>;
    /// Changes the effective user of the process, `seteuid(2)`.
    fn seteuid(&self, uid: u32) -> Possible<Result<()>>;
}

/// Where a case runs: what is unique to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The directory `$T`: 15 bytes long, as lengths of addresses in results depend on it.
    pub dir: String,
    /// The string `$N`.
    pub unique: String,
    /// The first of the ports that `%a` stands for, below every ephemeral range.
    pub first_port: u16,
}

impl Place {
    /// The place of the case of this number; numbers below 10^8 differ from each other.
    #[must_use]
    pub(crate) fn numbered(number: u32) -> Place {
        let unique = format!("{:08}", number % 100_000_000);
        // 20,000 ports, a case needs a few: cases that follow each other never share one.
        let first_port = u16::try_from(10_000 + number % 2_000 * 10).expect("10,000 to 29,990 fits");
        Place { dir: format!("/tmp/ts{unique}"), unique, first_port }
    }
}
