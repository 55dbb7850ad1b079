//! What is open on a host: what a run that is over has left behind, and what a process leaves to its kernel when it ends.

use super::Host;
use super::addr::Family;
use super::cx::Pid;
use super::file::Object;
use super::netstat::SocketLine;
use super::pipe::End;
use crate::slab::Key;
use std::collections::BTreeMap;
use std::fmt;
use twinsock::Instant;
use twinsock::raw::RawFd;

/// An open file description that is no socket with an address: those are [`SocketLine`]s.
///
/// ```
/// use twinsock_sim::{FileLine, Sim};
/// Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| {
///         let _epoll = twinsock::SocketApi::epoll_create(&net).unwrap();
///         twinsock::Clock::sleep(&net, std::time::Duration::from_secs(9));
///     });
///     sim.run_for(std::time::Duration::from_secs(1));
///     let FileLine { kind, what, .. } = &sim.leaks().hosts[0].files[0];
///     assert_eq!((*kind, what.as_str()), ("epoll", "watches 0 files"));
/// }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLine {
    /// `socket`, one without an address; `pipe`, `epoll`, `file`.
    pub kind: &'static str,
    /// Which: of a pipe the end and how much is in it, of an epoll instance how many files it watches.
    pub what: String,
    /// The descriptors that it is: none if only a message that nobody has received holds it.
    pub users: Vec<(Pid, RawFd)>,
}

/// What is open on a host, besides what only the kernel still knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The sockets, without those in TIME_WAIT.
    pub sockets: Vec<SocketLine>,
    /// How many connections are in TIME_WAIT.
    pub time_waits: usize,
    /// Everything else that is open.
    pub files: Vec<FileLine>,
    /// How many open files are in flight: in messages that nobody has received, `SCM_RIGHTS` of `unix(7)`.
    pub in_flight: usize,
}

impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<5} {}", self.kind, self.what)
    }
}

impl Host {
    /// What is open.
    #[must_use]
    pub(crate) fn left(&self, now: Instant) -> Left {
        let users = self.users();
        let files = self.files.iter().filter_map(|(key, file)| {
            let (kind, what) = self.nameless(file.object)?;
            Some(FileLine { kind, what, users: users.get(&key).cloned().unwrap_or_default() })
        });
        let files = files.collect();
        let in_flight = self.files.iter().filter(|(_, file)| file.is_in_flight()).count();
        let mut sockets = self.netstat(now);
        sockets.retain(|line| line.state != crate::tcp::State::TimeWait.name());
        Left { sockets, time_waits: self.time_waits.iter().count(), files, in_flight }
    }

    /// The descriptors that a process has open, in order of their numbers, each with what it is, on one line.
    #[must_use]
    pub(crate) fn open_descriptors(&self, pid: Pid, now: Instant) -> Vec<(RawFd, String)> {
        let Ok(process) = self.process(pid) else { return Vec::new() };
        let open: Vec<(RawFd, Key)> = process.descriptors().collect();
        if open.is_empty() {
            return Vec::new();
        }
        let mut named: BTreeMap<(Pid, RawFd), String> = BTreeMap::new();
        for line in self.netstat(now) {
            let text = line.ends().to_string();
            named.extend(line.users.into_iter().map(|user| (user, text.clone())));
        }
        let shown = |(fd, file): (RawFd, Key)| {
            let text = named.remove(&(pid, fd)).or_else(|| {
                let (kind, what) = self.nameless(self.files[file].object)?;
                Some(format!("{kind} {what}"))
            });
            (fd, text.unwrap_or_default())
        };
        open.into_iter().map(shown).collect()
    }

    /// What kind of thing it is and which, unless it is a socket that [`Host::netstat`] lists.
    fn nameless(&self, object: Object) -> Option<(&'static str, String)> {
        match object {
            Object::Socket(key) => {
                // One that is folded is connected.
                let socket = self.sockets.opened(key)?;
                let is_listed = socket.tcb.state() != crate::tcp::State::Closed || socket.num != 0;
                let family = if socket.family == Family::Inet { "tcp" } else { "tcp6" };
                (!is_listed).then(|| ("socket", format!("{family}, not bound")))
            }
            Object::Dgram(key) => {
                let dgram = &self.dgrams[key];
                let family = if dgram.family == Family::Inet { "udp" } else { "udp6" };
                (!dgram.is_named()).then(|| ("socket", format!("{family}, not bound")))
            }
            Object::Local(_) => None,
            Object::Pipe(key, end) => {
                let bytes = self.pipes[key].pipe.readable_bytes();
                let end = match end {
                    End::Read => "read end",
                    End::Write => "write end",
                };
                Some(("pipe", format!("{end}, {bytes} bytes in it")))
            }
            Object::Epoll(set) => Some(("epoll", format!("watches {} files", self.epolls[set].epoll.len()))),
            Object::Plain(open) => Some(match self.plain.readable_bytes(open) {
                Ok(left) => ("file", format!("{left} bytes to its end")),
                Err(_) => ("directory", "open".to_owned()),
            }),
        }
    }
}
