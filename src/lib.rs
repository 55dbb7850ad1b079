//! One socket API, two worlds.
//!
//! A program that is written once against [`SocketApi`] runs on the kernel's sockets in production ([`Os`]) and on a deterministic
//! virtual network in tests (`Net` of the crate `twinsock-sim`). In the virtual network time is virtual, every packet's fate and
//! every thread's turn come from a seed, and the same seed gives the same run to the last byte; what an application sees of its
//! sockets is what Linux shows it.
//!
//! The world is a value. What creates sockets takes it as first argument, and what is generic over it runs in both:
//!
//! ```
//! use std::io::{BufRead, BufReader, Write};
//! use twinsock::net::{TcpListener, TcpStream};
//! use twinsock::{Env, JoinThread, Os};
//!
//! /// Answers each line with the line in capitals, until the client has finished.
//! fn serve(listener: &TcpListener<impl Env>) -> std::io::Result<()> {
//!     let (stream, _) = listener.accept()?;
//!     for line in BufReader::new(&stream).lines() {
//!         writeln!(&stream, "{}", line?.to_uppercase())?;
//!     }
//!     Ok(())
//! }
//!
//! fn program(env: &impl Env) -> std::io::Result<String> {
//!     let listener = TcpListener::bind(env, "127.0.0.1:0")?;
//!     let addr = listener.local_addr()?;
//!     let server = env.spawn(move || serve(&listener));
//!
//!     let stream = TcpStream::connect(env, addr)?;
//!     writeln!(&stream, "hello")?;
//!     let mut answer = String::new();
//!     BufReader::new(&stream).read_line(&mut answer)?;
//!     drop(stream);
//!     server.join().expect("the server does not panic")?;
//!     Ok(answer)
//! }
//!
//! assert_eq!(program(&Os).unwrap(), "HELLO\n"); // and the same on the virtual network
//! ```
//!
//! # The layers
//!
//! Each is written once, over the one below it; a world gives only the lowest.
//!
//! | layer | what it is |
//! |---|---|
//! | [`net`] | `TcpStream`, `TcpListener`, `UdpSocket`, `UnixStream`, ... as the standard library shapes them; `EINTR` retried where it does |
//! | [`Socket`] | the classic socket object: `accept bind close connect ... setsockopt shutdown`, and `makefile` |
//! | [`SocketApi`] | every socket call with typed arguments and owned sockets; errors are an [`Errno`]; no retry, no rounding |
//! | [`raw::Syscalls`] | the system calls as they are: numbers, bytes and flags |
//!
//! Beside them stand [`Clock`], [`Spawn`], [`Entropy`] and [`sync`]: what else a program may ask of its world ([`Env`] is all of
//! it in one name). A program that takes time, threads, chance and locks from there is reproducible in the simulator. [`Any`] is for
//! code that cannot be generic, and [`Faulty`] is a world whose system calls fail now and then, as the kernel's may.
//!
//! # What it costs
//!
//! Nothing: `Os` has size 0, `Socket<Os>` is 4 bytes, and each method is one libc call with nothing between: no allocation, no
//! lock, no retry. Like the standard library's, sockets are closed on exec and sending raises no SIGPIPE.
//!
//! # Where it runs
//!
//! On Linux, on architectures that number constants and errors as `asm-generic` does (x86, Arm, RISC-V, LoongArch, s390).
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

#[cfg(not(target_os = "linux"))]
compile_error!("twinsock runs on Linux: its real backend `Os` is Linux's system calls, and no other system's exists yet");

#[cfg(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc",
    target_arch = "sparc64"
))]
compile_error!("twinsock's constants are those of asm-generic; Linux numbers them differently on this architecture");

pub mod addr;
mod any;
pub mod api;
pub mod consts;
pub mod control;
pub mod env;
pub mod errno;
pub mod faulty;
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
pub use faulty::Faulty;
pub use file::SocketFile;
pub use os::{Os, OsCalls};
pub use poll::{EpollOp, PollFd, SelectSet};
pub use socket::Socket;
pub use types::{Domain, EpollFlags, MsgFlags, PollEvents, Protocol, Shutdown, SockFlags, Type};

/// The pages whose code runs as doctests.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/src/introduction.md")]
    struct Introduction;
    #[doc = include_str!("../docs/src/first-test.md")]
    struct FirstTest;
    #[doc = include_str!("../docs/src/porting.md")]
    struct Porting;
    #[doc = include_str!("../docs/src/api.md")]
    struct Api;
    #[doc = include_str!("../docs/src/production.md")]
    struct Production;
    #[doc = include_str!("../docs/src/determinism.md")]
    struct Determinism;
    #[doc = include_str!("../docs/src/faults.md")]
    struct Faults;
    #[doc = include_str!("../docs/src/explore.md")]
    struct Explore;
    #[doc = include_str!("../docs/src/shrinking.md")]
    struct Shrinking;
    #[doc = include_str!("../docs/src/properties.md")]
    struct Properties;
    #[doc = include_str!("../docs/src/traces.md")]
    struct Traces;
    #[doc = include_str!("../docs/src/tested.md")]
    struct Tested;
    #[doc = include_str!("../docs/src/comparison.md")]
    struct Comparison;
}
