//! The clock, the hosts, the links and what is going to happen.

pub mod event;
