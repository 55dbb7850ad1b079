//! The rows: what the suites of others check of sockets, one test for each.
//!
//! A group of rows is a file of tests and beside it a table, `adr.rs` and `adr.md`; the tables make up the page
//! `docs/src/conformance-rows.md`. A test begins with the id of its row, `adr_01_..`; `tests/tidy.rs` checks that rows and tests are
//! the same, and that a row without a test says why it has none.

mod adr;
mod bnd;
mod clo;
mod con;
mod err;
mod lis;
mod obj;
mod opt;
mod pol;
mod pol_waits;
mod shu;
mod sio;
mod sio_waits;
mod tmo;
mod udp;
mod unx;
