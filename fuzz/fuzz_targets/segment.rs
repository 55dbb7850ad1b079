//! Any bytes as what a network and a program do to a host: see `src/segment.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| twinsock_fuzz::segment::run(data));
