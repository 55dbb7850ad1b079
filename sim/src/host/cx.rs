//! What every entry into a host is given, and what it gives back: names of processes and waiting threads, time and luck,
//! and the progress of a call.

use super::op::Op;
use crate::packet::Luck;
use std::fmt;
use twinsock::{Instant, Result};

/// Where a host's realtime clock starts, at [`Instant::ZERO`]: 2000-01-01 00:00:00 UTC, in seconds since the epoch.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use twinsock::Clock;
/// use twinsock_sim::{Sim, api::WALL_START_SECONDS};
/// let run = Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| {
///         let start = SystemTime::UNIX_EPOCH + Duration::from_secs(WALL_START_SECONDS);
///         assert!(net.wall().duration_since(start).unwrap() < Duration::from_millis(1));
///     });
/// });
/// run.unwrap();
/// ```
pub const WALL_START_SECONDS: u64 = 946_684_800;

/// A process of one host.
///
/// ```
/// use twinsock_sim::HostConfig;
/// use twinsock_sim::host::{Credentials, Host, Pid};
/// let mut host = Host::new(HostConfig::default());
/// assert_eq!(host.spawn_process(Credentials::default()), Pid(1));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pid(pub u32);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The driver's name for a thread that may wait; the host only hands it back.
///
/// ```
/// # use twinsock::{Instant, consts as c};
/// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
/// # use twinsock_sim::packet::Boring;
/// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
/// # let pid = host.spawn_process(Credentials::default());
/// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
/// # let udp = Call::Socket { domain: c::AF_INET, kind: c::SOCK_DGRAM, protocol: 0 };
/// # drop(host.begin(&mut cx, pid, Token(1), &mut { udp }));
/// # let addr = twinsock::SocketAddr::inet([10, 0, 0, 1].into(), 53).encode().unwrap();
/// # drop(host.begin(&mut cx, pid, Token(1), &mut Call::Bind { fd: 0, addr: addr.as_bytes() }));
/// # let mut byte = [0];
/// let mut recv = Call::Recvfrom { fd: 0, into: &mut byte, flags: 0, name: None };
/// let Progress::Parked(op) = host.begin(&mut cx, pid, Token(7), &mut recv) else { panic!("nothing is there") };
/// # drop((op, recv));
/// // What the driver called the waiter is what it is told to wake.
/// cx.now = Instant::ZERO;
/// let mut send = Call::Sendto { fd: 0, data: b"x", flags: 0, addr: Some(addr.as_bytes()) };
/// assert!(matches!(host.begin(&mut cx, pid, Token(8), &mut send), Progress::Done(Ok(1))));
/// while let Some(packet) = host.poll_transmit(&mut cx) {
///     host.handle_packet(&mut cx, packet);
/// }
/// assert_eq!(host.poll_wake(), Some(Token(7)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Token(pub u64);

/// Time and luck, passed into every call that may need them.
///
/// ```
/// use twinsock::Instant;
/// use twinsock_sim::host::Cx;
/// use twinsock_sim::packet::Boring;
/// let cx = Cx { now: Instant::from_nanos(5), luck: &mut Boring };
/// assert_eq!(cx.now.as_nanos(), 5);
/// ```
pub struct Cx<'a> {
    /// The current time.
    pub now: Instant,
    /// The source of kernel latitude.
    pub luck: &'a mut dyn Luck,
}

impl fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Who a process runs as, `credentials(7)`.
///
/// ```
/// use twinsock_sim::host::Credentials;
/// assert_eq!(Credentials::default().uid, 0, "root");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Credentials {
    /// The effective user id; 0 may do everything.
    pub uid: u32,
    /// The effective group id.
    pub gid: u32,
}

impl Credentials {
    /// Whether the process has the capabilities of root, `capabilities(7)`.
    #[must_use]
    pub(crate) const fn is_root(self) -> bool {
        self.uid == 0
    }
}

/// How far a system call has come.
///
/// ```
/// # use twinsock::{Instant, consts as c};
/// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
/// # use twinsock_sim::packet::Boring;
/// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
/// # let pid = host.spawn_process(Credentials::default());
/// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
/// match host.begin(&mut cx, pid, Token(1), &mut Call::Close { fd: 9 }) {
///     Progress::Done(result) => assert_eq!(result, Err(twinsock::Errno::BADF)),
///     Progress::Parked(_) => unreachable!("close(2) of what is not open does not wait"),
/// }
/// ```
#[derive(Debug)]
pub enum Progress {
    /// It has returned this.
    Done(Result<usize>),
    /// It waits: the driver keeps the operation and resumes it when its token is polled out or its deadline has come.
    Parked(Op),
}
