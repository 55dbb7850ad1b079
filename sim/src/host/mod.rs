//! One machine's kernel, sans-IO: system calls, packets and time go in as arguments, packets, wakes and deadlines are polled out.
//!
//! A host knows no link, no world and no thread. Its driver passes it calls ([`Host::begin`], [`Host::resume`]), packets
//! ([`Host::handle_packet`]) and the time ([`Host::handle_timeout`]), and after each of these polls [`Host::poll_transmit`],
//! [`Host::poll_wake`] and [`Host::poll_timeout`].
//!
//! | file | what it holds |
//! | --- | --- |
//! | `cx.rs`, `call.rs` | what entries take and give; system calls as values |
//! | `dispatch.rs`, `op.rs`, `opening.rs` | the table of calls; calls in progress: begin, wait, resume, time out, interrupt; connect and accept, short |
//! | `process.rs`, `file.rs`, `wait.rs` | descriptors; open file descriptions; who waits for them |
//! | `ahead.rs` | what the caches are made ready for |
//! | `ready.rs`, `poll.rs`, `epoll.rs`, `pipe.rs` | readiness and pipes |
//! | `socket.rs`, `stream.rs`, `data.rs`, `fast.rs`, `calm.rs` | sockets and their names; bind to close; send and receive; the same, short; what of that is done with a socket |
//! | `dgram.rs`, `dgram/`, `cmsg.rs` | datagram sockets: calls, ports, packets, groups; control messages |
//! | `local.rs`, `local_call.rs`, `rights.rs` | local sockets; their calls that may wait; descriptors in flight |
//! | `plain.rs`, `power.rs` | the file name space and plain files; what outlives a loss of power |
//! | `inet.rs`, `handshake.rs`, `time_wait.rs`, `conns.rs`, `crowds.rs`, `ports.rs`, `buckets.rs`, `holder.rs`, `timers.rs`, `addr.rs`, `pmtu.rs` | packets and timers; how connections begin; what is left of them; connections by 4-tuple, very many of them to one destination; ports; addresses, routes and path MTUs |
//! | `option/`, `sysctl.rs` | socket options; kernel constants |
//! | `netstat.rs`, `left.rs`, `snmp.rs` | what a person asks of a machine: sockets, what is open; counters |
//! | `sockets.rs`, `folded.rs`, `fifo.rs`, and the room `slab` | the tables and queues behind all of this |
//!
//! Names in `Key` are generation-checked indices, so that a call in progress may outlive what it names when a process is killed.

mod addr;
mod ahead;
mod buckets;
mod call;
mod calm;
mod cmsg;
mod conns;
mod crowds;
mod cx;
mod data;
mod dgram;
mod dispatch;
mod epoll;
mod fast;
pub(crate) mod fifo;
mod file;
mod folded;
mod handshake;
mod holder;
mod inet;
mod left;
mod local;
mod local_call;
mod netstat;
mod op;
mod opening;
mod option;
mod pipe;
mod plain;
mod pmtu;
mod poll;
mod ports;
mod power;
mod process;
mod ready;
mod recent;
mod rights;
mod snmp;
mod socket;
mod sockets;
mod stream;

mod sysctl;
mod task;
#[cfg(test)]
mod tests;
mod time_wait;
mod timers;
mod wait;

pub use call::{Call, RecvRef};
pub use cx::{Credentials, Cx, Pid, Progress, Token, WALL_START_SECONDS};
pub(crate) use dgram::{Asked, store_inet_name};
pub(crate) use fast::{Ends, Landing, QuietCall, Short, ShortSend};
pub use left::FileLine;
pub(crate) use left::Left;
pub(crate) use netstat::users_text;
pub use netstat::{SocketLine, Timer};
pub use op::Op;
pub(crate) use recent::Recent;
pub(crate) use snmp::InCsumErrors;
pub use sysctl::Sysctl;

pub(crate) use ahead::Coming;

use crate::packet::Packet;
use crate::shared::Shared;
use crate::slab::{self, Key, KeyQueue, Slab};
use crate::tcp::Config;
use addr::{Addresses, canonical};
use conns::Conns;
use dgram::{Corks, Dgram, DgramPorts, Memberships};
use file::{EpollSet, File, Object, PipeEnds};
use local::Local;
use option::Options;
use plain::PlainFiles;
use ports::Ports;
use process::Process;
use sockets::Sockets;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use time_wait::TimeWaitEntry;
use timers::TimerQueue;
use twinsock::{Errno, Instant, Result};
use wait::Sleepers;

/// What a host is made of.
///
/// ```
/// use twinsock_sim::{HostConfig, Sim};
/// let jumbo = HostConfig { addrs: vec!["192.0.2.1".parse().unwrap()], mtu_bytes: 9000, ..HostConfig::default() };
/// Sim::builder().run(|sim| drop(sim.host_with("storage", jumbo))).unwrap();
/// ```
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
///
/// The fields stand in memory as they stand here: what every call and packet looks at is together, see `ahead.rs`.
///
/// ```
/// # use twinsock::{Instant, consts as c};
/// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
/// # use twinsock_sim::packet::Boring;
/// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
/// # let pid = host.spawn_process(Credentials::default());
/// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
/// // Driven by hand: a call begins, and what it comes to is polled out.
/// let mut call = Call::Pipe2 { flags: 0, out: &mut [0; 2] };
/// assert!(matches!(host.begin(&mut cx, pid, Token(1), &mut call), Progress::Done(Ok(0))));
/// assert!(host.poll_transmit(&mut cx).is_none() && host.poll_timeout().is_none() && host.poll_wake().is_none());
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct Host {
    sockets: Sockets,
    /// Counts the times that a table of descriptors may have changed, a process ended, or a datagram was corked where there was none: what was looked up
    /// at this count is still so.
    tables: u32,
    files: Slab<File>,
    /// Sockets that may have segments to send, first come first served.
    dirty: KeyQueue,
    /// Packets that no socket has to send any more.
    outbox: VecDeque<Packet>,
    timers: TimerQueue,
    sleepers: Sleepers,
    /// By pid; number 0 is nobody's.
    processes: Vec<Option<Process>>,
    addresses: Addresses,
    sysctl: Sysctl,
    /// The options of a stream socket for which none has been set, once there has been one.
    default_options: Option<Shared<Options>>,
    dgrams: Slab<Dgram>,
    corks: Corks,
    pipes: Slab<PipeEnds>,
    epolls: Slab<EpollSet>,
    local: Local,
    plain: PlainFiles,
    /// TCP's ports.
    ports: Ports,
    /// UDP's ports.
    dgram_ports: DgramPorts,
    conns: Conns,
    time_waits: Slab<TimeWaitEntry>,
    /// When they end, in that order: all wait equally long, and so those that come go to the end. Some may be gone, or end later.
    time_wait_ends: VecDeque<(Instant, Key)>,
    /// The hash of the connection that is likely to be asked for next.
    likely_next: u32,
    /// What makes initial sequence numbers hard to guess; drawn when the first is needed.
    iss_secret: Option<u32>,
    /// The same of timestamps.
    timestamp_secret: Option<u32>,
    /// Operations that are over, for those to come.
    #[expect(clippy::vec_box, reason = "an operation moves from here and back as it is, without its parts being moved")]
    spare_ops: Vec<Box<op::Waiting>>,
    /// What a connection that is being made is told, which holds a view of the constants that need not be taken anew for each.
    tcp_config: Config,
    /// Who is told when all of it is out: what a call sends over loopback is taken in before the call's own socket wakes anybody.
    late_wakes: VecDeque<inet::LateWake>,
    /// What the wall clock shows when the monotonic one shows zero, in nanoseconds since the epoch.
    wall_start: u64,
    /// The groups that stream sockets have joined, which hear nothing of them: only the host does.
    stream_groups: BTreeMap<Key, Memberships>,
    in_csum_errors: InCsumErrors,
    /// Counts the times that its addresses or constants may have changed.
    changes: u32,
}

impl Host {
    /// A machine that has just booted.
    ///
    /// ```
    /// use twinsock_sim::HostConfig;
    /// use twinsock_sim::host::Host;
    /// let host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// assert!(host.owns("10.0.0.1".parse().unwrap()));
    /// ```
    #[must_use]
    pub fn new(config: HostConfig) -> Host {
        Host {
            addresses: Addresses::new(&config.addrs, config.mtu_bytes),
            local: Local::new(&config.sysctl),
            tcp_config: Config::without_path(config.sysctl.tcp.clone()),
            plain: PlainFiles::new(),
            sysctl: config.sysctl,
            processes: vec![None],
            tables: 0,
            files: Slab::new(),
            sockets: Sockets::default(),
            default_options: None,
            dgrams: Slab::new(),
            corks: Corks::default(),
            pipes: Slab::new(),
            epolls: Slab::new(),
            sleepers: Sleepers::new(),
            ports: Ports::default(),
            dgram_ports: DgramPorts::default(),
            conns: Conns::default(),
            time_waits: Slab::new(),
            time_wait_ends: VecDeque::new(),
            likely_next: 0,
            iss_secret: None,
            timestamp_secret: None,
            timers: TimerQueue::default(),
            spare_ops: Vec::new(),
            dirty: KeyQueue::new(),
            outbox: VecDeque::new(),
            late_wakes: VecDeque::new(),
            wall_start: WALL_START_SECONDS * 1_000_000_000,
            stream_groups: BTreeMap::new(),
            in_csum_errors: InCsumErrors::default(),
            changes: 0,
        }
    }

    /// Starts a process with an empty descriptor table.
    ///
    /// ```
    /// use twinsock_sim::HostConfig;
    /// use twinsock_sim::host::{Credentials, Host};
    /// let mut host = Host::new(HostConfig::default());
    /// let (root, user) = (host.spawn_process(Credentials::default()), host.spawn_process(Credentials { uid: 1000, gid: 1000 }));
    /// assert_ne!(root, user);
    /// ```
    pub fn spawn_process(&mut self, credentials: Credentials) -> Pid {
        let pid = self.next_pid();
        self.processes.push(Some(Process::new(credentials)));
        pid
    }

    /// Goes on ending a process as `exit(2)` does: closes its open descriptor of the lowest number. Answers whether there are more; what each
    /// sends is carried away before the next is closed, as on Linux.
    ///
    /// Calls of its threads that still wait hold their files until they are ended with [`Host::interrupt`].
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
    /// while host.exit_process(&mut cx, pid) {}
    /// assert!(host.netstat(cx.now).is_empty(), "its socket is closed");
    /// ```
    pub fn exit_process(&mut self, cx: &mut Cx<'_>, pid: Pid) -> bool {
        let Ok(process) = self.process_mut(pid) else { return false };
        match process.take_first() {
            Some(descriptor) => {
                self.put_file(cx, descriptor.file, false);
                true
            }
            None => {
                self.remove_process(pid);
                false
            }
        }
    }

    /// Ends a process as a power cut does: its sockets are gone and nothing is sent.
    ///
    /// Calls of its threads that still wait find their files gone: they end with `EINTR`.
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
    /// host.kill_silently(pid);
    /// assert!(host.netstat(cx.now).is_empty() && host.poll_transmit(&mut cx).is_none());
    /// ```
    pub fn kill_silently(&mut self, pid: Pid) {
        while let Ok(process) = self.process_mut(pid) {
            let Some(descriptor) = process.take_first() else { break };
            // A dup may have been gone through already.
            if self.files.get(descriptor.file).is_none() {
                continue;
            }
            if self.is_passed_on(descriptor.file) {
                self.drop_one(descriptor.file);
            } else {
                self.drop_file(descriptor.file);
            }
        }
        self.remove_process(pid);
    }

    fn next_pid(&self) -> Pid {
        Pid(u32::try_from(self.processes.len()).expect("a host runs fewer than 2^32 processes in its life"))
    }

    fn remove_process(&mut self, pid: Pid) {
        if let Some(process) = self.processes.get_mut(slab::to_usize(pid.0)) {
            self.tables = self.tables.wrapping_add(1);
            *process = None;
        }
    }

    /// A file goes without a word to anybody.
    fn drop_file(&mut self, file: Key) {
        match self.forget_watchers(file) {
            Object::Socket(socket) => {
                if let Some(mut listener) = self.sockets[socket].listener.take() {
                    let port = self.sockets[socket].num;
                    self.ports.unlisten(port, socket);
                    for child in listener.drain().collect::<Vec<_>>() {
                        self.forget_socket(child);
                    }
                }
                self.stream_groups.remove(&socket);
                self.forget_socket(socket);
            }
            Object::Dgram(dgram) => self.forget_dgram(dgram),
            Object::Pipe(pipe, end) => self.close_pipe_end(pipe, end),
            Object::Epoll(set) => self.close_epoll(set),
            Object::Local(id) => self.close_local_silently(id),
            Object::Plain(open) => self.close_plain(open),
        }
        self.files.remove(file);
    }

    /// One holder of a file less; the last one's end says nothing to anybody.
    fn drop_one(&mut self, file: Key) {
        if self.files.get_mut(file).is_some_and(|file| !file.put_one_of_several()) {
            self.drop_file(file);
        }
    }

    /// Whether others than a process, which is about to end, and its calls have a file: it was passed on, and cannot just go.
    fn is_passed_on(&self, file: Key) -> bool {
        let is_open = |process: &Process| process.files().any(|open| open == file);
        self.files[file].is_in_flight() || self.processes.iter().flatten().any(is_open)
    }

    /// Sets the limit on a process's descriptors, `RLIMIT_NOFILE` of `setrlimit(2)`: numbers below it may be used.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// host.set_rlimit_nofile(pid, 1);
    /// let progress = host.begin(&mut cx, pid, Token(1), &mut Call::Pipe2 { flags: 0, out: &mut [0; 2] });
    /// assert!(matches!(progress, Progress::Done(Err(twinsock::Errno::MFILE))));
    /// ```
    pub fn set_rlimit_nofile(&mut self, pid: Pid, limit: u32) {
        if let Ok(process) = self.process_mut(pid) {
            process.rlimit_nofile = limit.min(NR_OPEN);
        }
    }

    /// Who a process runs as; `None`: it has ended.
    #[must_use]
    pub(crate) fn credentials(&self, pid: Pid) -> Option<Credentials> {
        self.process(pid).ok().map(|process| process.credentials)
    }

    /// Changes the effective user of a process, `seteuid(2)`. Its sockets stay those of the user who made them.
    ///
    /// # Errors
    /// `EPERM`: the process is not root's, and this is not its real user. `ESRCH`: it has ended.
    pub(crate) fn seteuid(&mut self, pid: Pid, uid: u32) -> Result<()> {
        self.process_mut(pid).map_err(|_| Errno::SRCH)?.seteuid(uid)
    }

    /// Sets the wall clock, `clock_settime(2)`: it shows so many nanoseconds since the epoch when the monotonic clock shows zero.
    pub(crate) fn set_wall_start(&mut self, nanos: u64) {
        self.wall_start = nanos;
    }

    /// What the host's wall clock shows at a moment, in nanoseconds.
    fn wall_clock(&self, at: Instant) -> u64 {
        self.wall_start.saturating_add(at.as_nanos())
    }

    /// The kernel constants.
    #[must_use]
    pub(crate) fn sysctl(&self) -> &Sysctl {
        &self.sysctl
    }

    /// The kernel constants, to be changed; sockets follow as on Linux, some at once, some when they are made or connect.
    pub(crate) fn sysctl_mut(&mut self) -> &mut Sysctl {
        self.sockets.disturb_all();
        self.changes = self.changes.wrapping_add(1);
        &mut self.sysctl
    }

    /// The next thread to be resumed; each is named at most once per park.
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
    /// drop(host.begin(&mut cx, pid, Token(8), &mut Call::Sendto { fd: 0, data: b"x", flags: 0, addr: Some(addr.as_bytes()) }));
    /// while let Some(packet) = host.poll_transmit(&mut cx) {
    ///     host.handle_packet(&mut cx, packet);
    /// }
    /// assert_eq!((host.poll_wake(), host.poll_wake()), (Some(Token(7)), None));
    /// ```
    #[inline]
    pub fn poll_wake(&mut self) -> Option<Token> {
        self.sleepers.next_woken()
    }

    /// Gives the machine these addresses instead of those it has, `ip-address(8)`. Sockets keep the names they have.
    pub(crate) fn set_addrs(&mut self, addrs: &[IpAddr]) {
        self.changes = self.changes.wrapping_add(1);
        self.addresses.set(addrs);
        let keys: Vec<Key> = self.sockets.iter().map(|(key, _)| key).collect();
        for key in keys {
            let socket = &mut self.sockets[key];
            if !socket.tcb.state().is_synchronized() {
                continue;
            }
            // Over IPv4 a route begins at an address of the host, over IPv6 where there is any interface.
            let (local, remote) = (socket.tuple.local, socket.tuple.remote);
            let has_route = self.addresses.owns(local) || (local.is_ipv6() && self.addresses.first(remote).is_some());
            socket.tcb.follow_route(has_route, local.is_ipv6().then_some(Errno::NETUNREACH));
            self.mark_dirty(key);
            self.sockets.fold(key);
        }
    }

    /// Whether there is a thread to be resumed.
    #[inline]
    #[must_use]
    pub(crate) fn has_woken(&self) -> bool {
        self.sleepers.has_woken()
    }

    /// Whether the address is one of this host's.
    ///
    /// ```
    /// use twinsock_sim::HostConfig;
    /// use twinsock_sim::host::Host;
    /// let host = Host::new(HostConfig::default());
    /// assert!(host.owns("127.0.0.1".parse().unwrap()) && !host.owns("10.0.0.1".parse().unwrap()));
    /// ```
    #[must_use]
    pub fn owns(&self, addr: IpAddr) -> bool {
        self.addresses.owns(canonical(addr))
    }
}

/// `fs.nr_open`: no limit on descriptors is higher.
const NR_OPEN: u32 = 1 << 20;
