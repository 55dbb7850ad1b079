//! The virtual network.
pub mod host;
pub mod packet;
pub mod tcp;
pub mod udp;
