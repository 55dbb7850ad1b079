//! Any bytes as the choices of a run: see `src/whole_run.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| twinsock_fuzz::whole_run::run(data));
