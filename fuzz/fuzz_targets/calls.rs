//! Any bytes as the calls of programs: see `src/calls.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| twinsock_fuzz::calls::run(data));
