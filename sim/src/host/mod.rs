//! One machine's kernel, sans-IO: system calls, packets and time go in as arguments, packets, wakes and deadlines are polled out.
//!
//! The map of the room: `cx` (what every entry takes and gives), `call` (system calls as values), `op` (calls that wait), `sysctl`
//! (kernel constants).

pub mod call;
mod cx;
pub mod epoll;
mod op;
pub mod pipe;
pub mod poll;
mod sysctl;

pub use call::Call;
pub use cx::{Credentials, Cx, Pid, Progress, SocketLine, Token};
pub use op::Op;
pub use sysctl::Sysctl;

use crate::packet::Packet;
use std::net::IpAddr;
use twinsock::{Errno, Instant, Result};

/// What a host is made of.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Its addresses besides loopback (127.0.0.0/8 and ::1, which every host has).
    pub addrs: Vec<IpAddr>,
    /// Kernel constants.
    pub sysctl: Sysctl,
    /// The MTU of its interface, in bytes.
    pub mtu_bytes: u32,
}

impl Default for HostConfig {
    fn default() -> HostConfig {
        HostConfig { addrs: Vec::new(), sysctl: Sysctl::default(), mtu_bytes: 1500 }
    }
}

/// One machine's kernel.
#[derive(Debug)]
pub struct Host {
    config: HostConfig,
    processes: u32,
}

impl Host {
    /// A machine that has just booted.
    #[must_use]
    pub fn new(config: HostConfig) -> Host {
        Host { config, processes: 0 }
    }

    /// Starts a process with an empty descriptor table.
    pub fn spawn_process(&mut self, _credentials: Credentials) -> Pid {
        self.processes += 1;
        Pid(self.processes)
    }

    /// Ends a process as `exit(2)` does: its descriptors are closed in the order of their numbers.
    ///
    /// Calls of its threads that still wait must be ended with [`Host::interrupt`].
    pub fn exit_process(&mut self, _cx: &mut Cx<'_>, _pid: Pid) {}

    /// Ends a process as a power cut does: its sockets are gone and nothing is sent.
    pub fn kill_silently(&mut self, _pid: Pid) {}

    /// Starts a system call of the thread `token` of process `pid`.
    pub fn begin(&mut self, _cx: &mut Cx<'_>, _pid: Pid, _token: Token, _call: &mut Call<'_, '_>) -> Progress {
        Progress::Done(Err(Errno::NOSYS))
    }

    /// Goes on with a call that waited, after a wake or at its deadline; `call` is the one that began it.
    pub fn resume(&mut self, _cx: &mut Cx<'_>, _op: Op, _call: &mut Call<'_, '_>) -> Progress {
        Progress::Done(Err(Errno::NOSYS))
    }

    /// Ends a call that waits, as a signal does: `EINTR`, or what was done so far.
    ///
    /// # Errors
    /// `EINTR`: nothing was done.
    pub fn interrupt(&mut self, _cx: &mut Cx<'_>, _op: Op) -> Result<usize> {
        Err(Errno::INTR)
    }

    /// Takes in a packet from a link or from this host itself.
    pub fn handle_packet(&mut self, _cx: &mut Cx<'_>, _packet: Packet) {}

    /// The next packet to send, among them those to the host's own addresses; to be polled until `None` after every entry.
    pub fn poll_transmit(&mut self, _cx: &mut Cx<'_>) -> Option<Packet> {
        None
    }

    /// When [`Host::handle_timeout`] wants to be called, at the latest; it may turn out that there is nothing to do then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, _cx: &mut Cx<'_>) {}

    /// The next thread to be resumed; each is named at most once per park.
    pub fn poll_wake(&mut self) -> Option<Token> {
        None
    }

    /// Whether the address is one of this host's.
    #[must_use]
    pub fn owns(&self, addr: IpAddr) -> bool {
        addr.is_loopback() || self.config.addrs.contains(&addr)
    }

    /// The sockets, as `netstat -an` lists them.
    #[must_use]
    pub fn netstat(&self) -> Vec<SocketLine> {
        Vec::new()
    }
}
