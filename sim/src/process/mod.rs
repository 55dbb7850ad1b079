//! Processes and threads: the driver that runs programs over a world.
//!
//! One thread of one process runs at a time, on a coroutine ([`coroutine`]), all of a simulation on one OS thread. A thread has a
//! clock of its own: every system call costs it a little, and whoever is earliest goes next. Before a call takes place, everything
//! that is due earlier happens; a thread that finds nobody else due goes on without a switch.
//!
//! - [`scheduler`]: who is there, who waits, who is next; no program's code runs under its borrow.
//! - [`turns`]: the strategies by which the next one is chosen, and preemption.
//! - [`driver`]: the loop that resumes threads, ends them, kills them.
//! - [`current`]: which simulation and process the running code belongs to; the owner check of shared handles.
//! - [`outside`]: rules and directors, the code of the network's builder that runs in between.
//! - [`faults`]: what befalls calls, by choice.
//! - [`signal`]: what signals do to calls that wait.
//! - [`failure`]: what a failed run says: panic, deadlock, and the line that reproduces it.
//! - [`leaks`]: what a run leaves behind.
//! - [`breakpoint`]: stops for a debugger at a step.
//! - [`listener`], `telling`: who listens to `tracing`, and what they hear.
//! - [`memory`]: where recordings have theirs from.
//! - [`overflow`]: says whose stack has overflowed.
//! - [`watchdog`]: aborts a program that blocks its OS thread.

pub mod breakpoint;
pub mod coroutine;
pub mod current;
pub mod driver;
pub mod failure;
pub mod faults;
pub mod leaks;
pub mod listener;
pub mod memory;
mod names;
pub mod outside;
pub mod overflow;
pub mod scheduler;
pub mod signal;
mod stack;
mod strace;
#[cfg(feature = "tracing")]
pub mod telling;
pub mod turns;
pub mod watchdog;

/// What unwinds a killed thread.
pub struct Killed;
