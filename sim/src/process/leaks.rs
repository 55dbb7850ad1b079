//! What a run leaves behind: threads that have not ended, sockets, pipes and other files that nobody has closed, timers that still run; and what
//! processes that ended left to their kernel to close.

use crate::host::{FileLine, Left, Pid, SocketLine, users_text};
use crate::process::scheduler::{Life, ProcId, Scheduler, State, ThreadId, Wait};
use crate::world::HostId;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use twinsock::Instant;
use twinsock::raw::RawFd;

/// What is done about what a run leaves behind when every process that keeps it going has ended.
///
/// ```
/// use twinsock_sim::{LeakCheck, Sim};
/// let run = Sim::builder().leaks(LeakCheck::Report).run(|sim| {
///     sim.host("a").spawn("p", |net| std::mem::forget(twinsock::SocketApi::epoll_create(&net).unwrap()));
/// });
/// let leaks = run.unwrap().leaks;
/// assert!(!leaks.is_clean(), "the process ended with a descriptor open");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeakCheck {
    /// Nobody looks.
    #[default]
    Off,
    /// The report of the run says what is left: [`Report::leaks`](crate::Report::leaks).
    Report,
    /// The same, and the run fails if something of it is a leak: [`FailureKind::Leak`](crate::FailureKind::Leak).
    Fail,
}

/// How much virtual time passes between the end of the last process that keeps a run going and the look at what is left, unless
/// [`Builder::leak_grace`](crate::Builder::leak_grace) says otherwise: longer than a connection may take to be closed by both ends, TIME_WAIT and
/// `net.ipv4.tcp_fin_timeout` included.
///
/// ```
/// use twinsock_sim::{LEAK_GRACE, LeakCheck, Sim};
/// let run = Sim::builder().leaks(LeakCheck::Report).run(|sim| drop(sim.host("a").spawn("p", |_net| {}))).unwrap();
/// assert!(run.elapsed >= LEAK_GRACE);
/// ```
pub const LEAK_GRACE: Duration = Duration::from_secs(150);

/// A thread that has not ended.
///
/// ```
/// use twinsock_sim::Sim;
/// Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| twinsock::Clock::sleep(&net, std::time::Duration::from_secs(9)));
///     sim.run_for(std::time::Duration::from_secs(1));
///     let thread = &sim.leaks().hosts[0].threads[0];
///     assert_eq!((thread.process.as_str(), thread.what.as_str()), ("p", "sleep"));
/// }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftThread {
    /// The name of its process.
    pub process: String,
    /// The number of its process.
    pub pid: Pid,
    /// Its own name.
    pub thread: String,
    /// What it waits for.
    pub what: String,
    /// Since when.
    pub since: Instant,
    /// Whether its process is a daemon.
    pub daemon: bool,
}

/// What a process that came to its end by itself left to its kernel.
///
/// ```
/// use twinsock_sim::{LeakCheck, Sim};
/// let run = Sim::builder().leaks(LeakCheck::Report).run(|sim| {
///     sim.host("a").spawn("p", |net| std::mem::forget(twinsock::SocketApi::epoll_create(&net).unwrap()));
/// });
/// let exit = &run.unwrap().leaks.hosts[0].exits[0];
/// assert_eq!((exit.process.as_str(), exit.descriptors.len()), ("p", 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAtExit {
    /// The name of the process.
    pub process: String,
    /// Its number.
    pub pid: Pid,
    /// When it ended.
    pub at: Instant,
    /// The descriptors that were open, each with what it was.
    pub descriptors: Vec<(RawFd, String)>,
    /// The names of the threads that had not ended, and were killed.
    pub threads: Vec<String>,
}

/// What is left on a host.
///
/// ```
/// use twinsock_sim::{LeakCheck, Sim};
/// let run = Sim::builder().leaks(LeakCheck::Report).run(|sim| {
///     sim.host("a").spawn("p", |net| std::mem::forget(twinsock::SocketApi::epoll_create(&net).unwrap()));
/// });
/// let leaks = run.unwrap().leaks;
/// assert_eq!(leaks.hosts.len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostLeaks {
    /// The name of the host.
    pub host: String,
    /// What processes left when they ended.
    pub exits: Vec<LeftAtExit>,
    /// Threads that are there.
    pub threads: Vec<LeftThread>,
    /// Sockets that are there, each with its timer if one runs; without those in TIME_WAIT.
    pub sockets: Vec<SocketLine>,
    /// Pipes, epoll instances, plain files and sockets without an address.
    pub files: Vec<FileLine>,
    /// How many open files are in messages that nobody has received.
    pub in_flight: usize,
    /// How many connections are in TIME_WAIT: each has a timer, and that is all there is to it.
    pub time_waits: usize,
}

/// What a run leaves behind, by host. Printed, it lists everything, a line each in the manner of `netstat(8)`; what is a leak has a `!` before
/// it.
///
/// A daemon, its descriptors and its listeners may be there at the end. A leak is what nobody meant to leave:
///
/// - a descriptor that was open, or a thread that ran, when its process came to its end by itself: the kernel cleans up after it;
/// - a socket or another file that no descriptor stands for: a connection that was never accepted, or whose other end never answers;
///   a file in a message that nobody receives;
/// - a connection in `CLOSE_WAIT`: its other end is done, and the program that holds this one has not closed it.
///
/// ```
/// use twinsock::net::TcpListener;
/// use twinsock_sim::{LeakCheck, Sim};
///
/// let run = Sim::builder().leaks(LeakCheck::Report).run(|sim| {
///     sim.host("server").spawn("kv", |net| std::mem::forget(TcpListener::bind(&net, "0.0.0.0:80").unwrap()));
/// });
/// let leaks = run.unwrap().leaks;
/// assert!(!leaks.is_clean());
/// assert_eq!(leaks.to_string(), "server     ! kv[1] ended with descriptor 0 open: tcp LISTEN 0.0.0.0:80\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaks {
    /// The hosts on which something is left.
    pub hosts: Vec<HostLeaks>,
    /// How many more processes left something when they ended.
    pub more_exits: u64,
}

/// How many processes that left something are kept: a server that leaks forks a thousand of them.
const EXITS_MAX: usize = 64;

/// What processes left when they ended, as long as somebody wants to know.
#[derive(Default)]
pub struct Exits {
    exits: Vec<(HostId, LeftAtExit)>,
    more: u64,
}

impl Leaks {
    /// Whether nothing of what is left is a leak.
    ///
    /// ```
    /// use twinsock_sim::{LeakCheck, Sim};
    /// let run = Sim::builder().leaks(LeakCheck::Report).run(|sim| drop(sim.host("a").spawn("p", |_net| {})));
    /// assert!(run.unwrap().leaks.is_clean());
    /// ```
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.more_exits == 0 && self.hosts.iter().all(HostLeaks::is_clean)
    }

    /// The kinds of leaks there are, as words: what makes two failures the same.
    pub(super) fn kinds(&self) -> String {
        let kinds: BTreeSet<String> = self.hosts.iter().flat_map(HostLeaks::kinds).collect();
        kinds.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// The lines, those of leaks alone if that is asked for.
    pub(super) fn lines(&self, only_leaks: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for host in &self.hosts {
            let found = host.lines();
            let shown = found.into_iter().filter(|(is_leak, _)| *is_leak || !only_leaks);
            lines.extend(shown.map(|(is_leak, line)| format!("{:<10} {} {line}", host.host, if is_leak { '!' } else { ' ' })));
        }
        if self.more_exits > 0 {
            lines.push(format!("and {} more processes that left something when they ended", self.more_exits));
        }
        lines
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines(false).into_iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl HostLeaks {
    /// Whether nothing of it is a leak.
    ///
    /// ```
    /// use twinsock_sim::{LeakCheck, Sim};
    /// let run = Sim::builder().leaks(LeakCheck::Report).run(|sim| {
    ///     sim.host("a").spawn("p", |net| std::mem::forget(twinsock::SocketApi::epoll_create(&net).unwrap()));
    /// });
    /// assert!(!run.unwrap().leaks.hosts[0].is_clean());
    /// ```
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.kinds().is_empty()
    }

    fn is_empty(&self) -> bool {
        let HostLeaks { host: _, exits, threads, sockets, files, in_flight, time_waits } = self;
        exits.is_empty() && threads.is_empty() && sockets.is_empty() && files.is_empty() && *in_flight == 0 && *time_waits == 0
    }

    fn kinds(&self) -> Vec<String> {
        let mut kinds = Vec::new();
        for LeftAtExit { process, descriptors, threads, .. } in &self.exits {
            kinds.extend((!descriptors.is_empty()).then(|| format!("descriptors of {process}")));
            kinds.extend((!threads.is_empty()).then(|| format!("threads of {process}")));
        }
        let sockets = self.sockets.iter().filter(|line| is_leaked(line));
        kinds.extend(sockets.map(|line| format!("{} in {}", line.protocol, line.state).trim_end_matches(" in ").to_owned()));
        kinds.extend(self.files.iter().filter(|file| file.users.is_empty()).map(|file| file.kind.to_owned()));
        kinds
    }

    /// Each thing on a line, and whether it is a leak.
    fn lines(&self) -> Vec<(bool, String)> {
        let mut lines = Vec::new();
        for LeftAtExit { process, pid, descriptors, threads, .. } in &self.exits {
            let open =
                descriptors.iter().map(|(fd, what)| (true, format!("{process}[{pid}] ended with descriptor {fd} open: {what}")));
            lines.extend(open);
            lines.extend(threads.iter().map(|thread| (true, format!("{process}[{pid}] ended while thread {thread} ran"))));
        }
        for LeftThread { process, pid, thread, what, since, daemon } in &self.threads {
            let daemon = if *daemon { " (daemon)" } else { "" };
            lines.push((false, format!("{process}[{pid}]{daemon}, thread {thread}: {what}, since {since:?}")));
        }
        let names = self.names();
        let process_name = |pid: Pid| {
            let found = names.iter().find(|(number, _)| *number == pid);
            found.map_or_else(|| "?".to_owned(), |(_, name)| (*name).to_owned())
        };
        lines.extend(self.sockets.iter().map(|line| (is_leaked(line), line.line(&process_name).to_string())));
        let file = |file: &FileLine| (file.users.is_empty(), format!("{file}{}", users_text(&file.users, &process_name)));
        lines.extend(self.files.iter().map(file));
        if self.in_flight > 0 {
            lines.push((false, format!("{} open files are in messages that nobody has received", self.in_flight)));
        }
        if self.time_waits > 0 {
            lines.push((false, format!("{} in TIME_WAIT", self.time_waits)));
        }
        lines
    }

    /// The names of the processes that are there.
    fn names(&self) -> Vec<(Pid, &str)> {
        self.threads.iter().map(|thread| (thread.pid, thread.process.as_str())).collect()
    }

    /// Without the sockets, which a failure lists anyway, and without the threads if `threads` says so.
    pub(crate) fn without_sockets(self, threads: bool) -> HostLeaks {
        HostLeaks { sockets: Vec::new(), time_waits: 0, threads: if threads { self.threads } else { Vec::new() }, ..self }
    }
}

/// Whether a socket that is there at the end is a leak.
fn is_leaked(line: &SocketLine) -> bool {
    line.users.is_empty() || line.state == "CLOSE_WAIT"
}

impl Scheduler {
    /// From here on it is kept what processes leave when they end.
    pub fn look_for_leaks(&mut self) {
        self.exits = Some(Box::default());
    }

    /// Whether that is kept.
    pub fn looks_for_leaks(&self) -> bool {
        self.exits.is_some()
    }

    /// What is left now.
    pub fn leaks(&self) -> Leaks {
        let exits = self.exits.as_deref();
        let mut hosts = Vec::new();
        for host in (0..self.world.host_count()).map(|host| HostId(u32::try_from(host).expect("fewer than 2^32 hosts"))) {
            let Left { sockets, time_waits, files, in_flight } = self.world.host(host).left(self.world.now());
            let of_host = exits.iter().flat_map(|exits| &exits.exits).filter(|(of, _)| *of == host);
            let left = HostLeaks {
                host: self.world.host_name(host).to_owned(),
                exits: of_host.map(|(_, exit)| exit.clone()).collect(),
                threads: self.left_threads(host),
                sockets,
                files,
                in_flight,
                time_waits,
            };
            hosts.extend((!left.is_empty()).then_some(left));
        }
        Leaks { hosts, more_exits: exits.map_or(0, |exits| exits.more) }
    }

    fn left_threads(&self, host: HostId) -> Vec<LeftThread> {
        let alive = self.processes.iter().filter(|process| process.host == host && process.life == Life::Alive);
        let threads = alive.flat_map(|process| process.threads().map(move |thread| (process, thread)));
        let left = threads.filter_map(|(process, id)| {
            let thread = &self.threads[id.index()];
            let (what, since) = match thread.state {
                State::Waiting(wait, since) => (self.describe(thread, wait), since),
                State::Ready | State::Due | State::Running => {
                    let is_in_call = thread.op.is_some() || thread.quiet.is_some();
                    let what = if is_in_call { self.describe(thread, Wait::Call) } else { "its turn".to_owned() };
                    (what, thread.clock().min(self.world.now()))
                }
                State::Ended => return None,
            };
            let (process, pid, daemon) = (process.name.to_string(), process.pid, process.daemon);
            Some(LeftThread { process, pid, thread: self.thread_name(id).to_owned(), what, since, daemon })
        });
        left.collect()
    }

    /// A process is about to end: what it leaves, if it has come to its end by itself and somebody wants to know.
    #[cold]
    pub(super) fn note_exit(&mut self, id: ProcId, threads: &[ThreadId]) {
        let process = &self.processes[id.index()];
        let has_ended = |thread: &ThreadId| self.threads[thread.index()].state == State::Ended;
        if !has_ended(&process.main) || self.rare.failure().is_some() {
            return;
        }
        let running = threads.iter().filter(|thread| !has_ended(thread));
        let left = LeftAtExit {
            process: process.name.to_string(),
            pid: process.pid,
            at: self.world.now(),
            descriptors: self.world.host(process.host).open_descriptors(process.pid, self.world.now()),
            threads: running.map(|thread| self.thread_name(*thread).to_owned()).collect(),
        };
        let host = process.host;
        if left.descriptors.is_empty() && left.threads.is_empty() {
            return;
        }
        let Some(exits) = &mut self.exits else { return };
        if exits.exits.len() < EXITS_MAX {
            exits.exits.push((host, left));
        } else {
            exits.more += 1;
        }
    }
}
