//! The bodies of the fuzz targets: plain functions of an input. A target in `fuzz_targets/` is three lines around one of them, and `sim/tests/fuzz.rs` runs
//! them all over their seeds and over random inputs, on a stable compiler.
//!
//! | target | the input is | what must hold |
//! | --- | --- | --- |
//! | `calls` | system calls of threads on two hosts, and what befalls packets between them | no panic; answers are those of the man pages |
//! | `segment` | packets at a host in every state of TCP | no panic, nothing said that cannot be said on a wire, rest in the end |
//! | `whole_run` | the choices of a simulation | streams are whole or fail as on Linux; the same choices are the same run |
//! | `differential` | calls, made on the kernel and in the simulator | both answer the same |
//! | `canary` | the choices of a program that has a bug | the bug is found |

pub mod calls;
pub mod canary;
pub mod differential;
mod input;
pub mod segment;
pub mod whole_run;
