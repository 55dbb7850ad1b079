//! Any bytes as what a network and a program do to a host: see `src/segment.rs`.
#![no_main]

#[path = "../src/segment.rs"]
mod segment;

libfuzzer_sys::fuzz_target!(|data: &[u8]| segment::run(data));
