//! The virtual network.
pub mod choice;
pub mod host;
pub mod link;
pub mod packet;
pub mod tcp;
pub mod trace;
pub mod world;
