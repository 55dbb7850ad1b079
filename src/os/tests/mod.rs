//! The kernel's world: constants agree with the C library, each call does what its man page says, and the types above the calls
//! keep their promises. (Promises that the simulator makes as well are tested on both, outside of this crate.)

mod any;
mod calls;
mod file;
mod net;
mod socket;
mod values;
