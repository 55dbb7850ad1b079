//! TCP, RFC 9293, as a value: bytes and segments go in, segments, wakes and deadlines are polled out.
//!
//! A [`Tcb`] mirrors Linux's `tcp_sock` for its whole life, CLOSED included: it is made when its socket is made and is used again when
//! the socket connects again. It knows no descriptor, no address beyond the two port numbers, no clock, no waiting caller.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `fast.rs` | the shortest way of a few bytes through all of this |
//! | `state.rs` | the states of RFC 9293 section 3.3.2 |
//! | `config.rs` | what the host knows about a connection (`Config`), its sysctls, and the options that users set |
//! | `tcb.rs` | the control block, its constructors, what can be read off it |
//! | `user.rs`, `setopt.rs` | the user calls of section 3.10, `setsockopt(2)` where an option has effects |
//! | `poll.rs` | `poll(2)` masks and wakes |
//! | `input/` | section 3.10.7, SEGMENT ARRIVES, in the order of the RFC |
//! | `output.rs`, `window.rs` | what to send now; which window to advertise |
//! | `timer.rs`, `congestion.rs` | RFC 6298 with Linux's constants; RFC 5681 and 6582 |
//! | `send_buffer.rs`, `recv_buffer.rs` | the two queues of a stream |
//! | `fold.rs`, `ahead.rs` | what of an idle connection is its own; what the caches are made ready for |
//! | `listen.rs`, `time_wait.rs`, `spare.rs` | the queues of a listener; the rest of a connection in TIME-WAIT; buffers for the next connection |

mod ahead;
mod calm;
mod config;
mod congestion;
mod fast;
mod fold;
mod input;
mod listen;
mod output;
mod poll;
mod recv_buffer;
mod reset;
mod ring;
mod route;
mod rtt;
mod send_buffer;
mod setopt;
mod spare;
mod state;
mod tcb;
#[cfg(test)]
mod tests;
mod time_wait;
mod timer;
mod user;
mod window;

pub use calm::Taken;
pub use config::{Config, TcpSysctl};
pub use fold::Own;
pub use listen::{ListenVerdict, Listener, segment_for_listener};
pub use output::Sent;
pub use poll::Wakes;
pub use reset::reply_to_closed;
pub(crate) use rtt::JIFFY_US;
pub use state::State;
pub use tcb::{Info, Tcb};
pub use time_wait::{TimeWait, TimeWaitAction};
pub use user::{Linger, RecvFlags, SendFlags};
