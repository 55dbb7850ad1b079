//! twinsock: one socket API, two worlds.

#[cfg(not(target_os = "linux"))]
compile_error!("twinsock runs on Linux: its real backend `Os` is Linux's system calls, and no other system's exists yet");

pub mod addr;
mod any;
pub mod api;
pub mod consts;
pub mod control;
pub mod env;
pub mod errno;
mod file;
pub mod net;
pub mod option;
mod os;
pub mod poll;
pub mod raw;
mod socket;
pub mod sync;
pub mod types;

pub use addr::{RawAddr, SocketAddr, UnixAddr};
pub use any::{Any, Either};
pub use api::{Received, SocketApi};
pub use env::{Clock, Entropy, Env, Instant, JoinThread, Spawn};
pub use errno::{Errno, Result};
pub use file::SocketFile;
pub use os::{Os, OsCalls};
pub use poll::{EpollOp, PollFd, SelectSet};
pub use socket::Socket;
pub use types::{Domain, EpollFlags, MsgFlags, PollEvents, Protocol, Shutdown, SockFlags, Type};
