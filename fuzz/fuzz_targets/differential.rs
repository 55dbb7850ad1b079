//! Any bytes as calls on the kernel and in the simulator: see `src/differential.rs`.
#![no_main]

use twinsock_fuzz::differential;

libfuzzer_sys::fuzz_target!(init: differential::serve_if_asked(), |data: &[u8]| differential::run(data));
