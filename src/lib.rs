//! twinsock: one socket API, two worlds.

pub mod addr;
pub mod api;
pub mod consts;
pub mod env;
pub mod errno;
pub mod raw;
pub mod types;

pub use addr::{RawAddr, SocketAddr, UnixAddr};
pub use api::SocketApi;
pub use env::{Clock, Entropy, Instant, JoinThread, Spawn};
pub use errno::{Errno, Result};
pub use types::{Domain, EpollFlags, MsgFlags, PollEvents, Protocol, Shutdown, SockFlags, Type};
