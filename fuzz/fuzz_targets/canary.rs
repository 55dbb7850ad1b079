//! A bug that must be found: see `src/canary.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| twinsock_fuzz::canary::run(data));
