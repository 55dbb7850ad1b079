//! What can befall a whole machine.

use super::event::Trouble;
use std::fmt;

/// What can befall a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineEvent {
    /// It lost its power.
    Crash,
    /// It was switched on again.
    Restart,
    /// It stands still.
    Pause,
    /// It goes on.
    Resume,
    /// Its clock was set.
    Clock {
        /// By how many nanoseconds the wall clock is ahead of the true time.
        ahead_ns: i64,
        /// By how many millionths both clocks are faster.
        ppm: i32,
    },
    /// Its addresses were changed.
    Addrs,
    /// Calls of its processes may fail from here on, or no longer.
    CallFaults {
        /// They may.
        on: bool,
    },
}

impl MachineEvent {
    /// What begins with it, or what ends.
    pub(super) fn trouble(self) -> Option<Trouble> {
        match self {
            MachineEvent::Crash => Some(Trouble::Begins("crash")),
            MachineEvent::Restart => Some(Trouble::Ends("crash")),
            MachineEvent::Pause => Some(Trouble::Begins("pause")),
            MachineEvent::Resume => Some(Trouble::Ends("pause")),
            MachineEvent::CallFaults { on: true } => Some(Trouble::Begins("call faults")),
            MachineEvent::CallFaults { on: false } => Some(Trouble::Ends("call faults")),
            MachineEvent::Clock { .. } | MachineEvent::Addrs => None,
        }
    }

    /// A number and two more, for the digest.
    pub(super) fn words(self) -> (u32, u64, u64) {
        match self {
            MachineEvent::Crash => (0, 0, 0),
            MachineEvent::Restart => (1, 0, 0),
            MachineEvent::Pause => (2, 0, 0),
            MachineEvent::Resume => (3, 0, 0),
            MachineEvent::Clock { ahead_ns, ppm } => (4, ahead_ns.cast_unsigned(), u64::from(ppm.cast_unsigned())),
            MachineEvent::Addrs => (5, 0, 0),
            MachineEvent::CallFaults { on } => (6, u64::from(on), 0),
        }
    }
}

impl fmt::Display for MachineEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MachineEvent::Crash => f.write_str("crash"),
            MachineEvent::Restart => f.write_str("restart"),
            MachineEvent::Pause => f.write_str("paused"),
            MachineEvent::Resume => f.write_str("resumed"),
            MachineEvent::Addrs => f.write_str("has other addresses"),
            MachineEvent::CallFaults { on: true } => f.write_str("calls meet faults from here on"),
            MachineEvent::CallFaults { on: false } => f.write_str("calls meet no more faults"),
            MachineEvent::Clock { ahead_ns, ppm } => write!(f, "clock set to {ahead_ns:+} ns and {ppm:+} ppm"),
        }
    }
}
