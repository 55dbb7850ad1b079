//! Sockets in the shapes of the standard library: `std::net` and `std::os::unix::net`, generic over the world.
//!
//! Code moves here from `std::net` by a changed `use` line and the API passed as first argument of constructors; names, signatures,
//! traits and errors are std's. `EINTR` is retried where std retries it (in `accept`, and in `connect` of TCP and UDP) and reported
//! where std reports it (everywhere else). Names are resolved by the world, [`SocketApi::getaddrinfo`](crate::SocketApi::getaddrinfo).
//!
//! ```
//! use std::io::{Read, Write};
//! use twinsock::net::{TcpListener, TcpStream};
//! use twinsock::{Env, JoinThread, Os};
//!
//! fn echo(env: &impl Env) -> std::io::Result<()> {
//!     let listener = TcpListener::bind(env, "127.0.0.1:0")?;
//!     let addr = listener.local_addr()?;
//!     let server = env.spawn(move || -> std::io::Result<()> {
//!         let (mut stream, _) = listener.accept()?;
//!         let mut bytes = [0; 5];
//!         stream.read_exact(&mut bytes)?;
//!         stream.write_all(&bytes)
//!     });
//!     let mut stream = TcpStream::connect(env, addr)?;
//!     stream.write_all(b"hello")?;
//!     let mut echo = String::new();
//!     stream.read_to_string(&mut echo)?;
//!     assert_eq!(echo, "hello");
//!     server.join().unwrap()
//! }
//! echo(&Os).unwrap();
//! ```

mod addrs;
mod handle;
mod tcp;
mod udp;
mod unix;

pub use crate::addr::UnixAddr;
pub use addrs::ToSocketAddrs;
pub use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6};
pub use tcp::{Incoming, TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixIncoming, UnixListener, UnixStream};
