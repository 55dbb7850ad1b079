//! The `twinsock` command.
fn main() {}
