//! Where things happen, and what hosts and processes are called.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Where something happened: in the world at large, on a host, or in a thread of a process of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub(super) host: u32,
    /// 0 is the host's kernel: no process has this number.
    pub(super) pid: u32,
    pub(super) thread: u32,
}

impl Place {
    /// The world at large.
    pub const WORLD: Place = Place { host: u32::MAX, pid: 0, thread: 0 };

    /// The kernel of a host.
    #[inline]
    #[must_use]
    pub const fn host(host: u32) -> Place {
        Place { host, pid: 0, thread: 0 }
    }

    /// The first thread of a process.
    #[inline]
    #[must_use]
    pub const fn process(host: u32, pid: u32) -> Place {
        Place { host, pid, thread: 0 }
    }

    /// Another thread of the same process.
    #[inline]
    #[must_use]
    pub const fn thread(self, thread: u32) -> Place {
        Place { thread, ..self }
    }

    /// The number of the host; `None` for the world at large.
    #[must_use]
    pub const fn host_number(self) -> Option<u32> {
        if self.host == u32::MAX { None } else { Some(self.host) }
    }

    /// The number of the process; `None` for a kernel and for the world at large.
    #[must_use]
    pub const fn pid(self) -> Option<u32> {
        if self.pid == 0 { None } else { Some(self.pid) }
    }

    /// The number of the thread: that of the run, 0 where none is meant.
    #[must_use]
    pub const fn thread_number(self) -> u32 {
        self.thread
    }
}

/// What hosts and processes are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    hosts: BTreeMap<u32, String>,
    /// By host: those of its processes, in the order of their numbers.
    processes: BTreeMap<u32, Vec<(u32, Arc<str>)>>,
}

impl Names {
    /// Names a host.
    pub fn name_host(&mut self, host: u32, name: &str) {
        self.hosts.insert(host, name.to_string());
    }

    /// Names a process of a host.
    pub fn name_process(&mut self, host: u32, pid: u32, name: impl Into<Arc<str>>) {
        let (processes, name) = (self.processes.entry(host).or_default(), name.into());
        match processes.binary_search_by_key(&pid, |(pid, _)| *pid) {
            Ok(known) => processes[known].1 = name,
            Err(place) => processes.insert(place, (pid, name)),
        }
    }

    /// The name of a host.
    #[must_use]
    pub fn host(&self, host: u32) -> Option<&str> {
        self.hosts.get(&host).map(String::as_str)
    }

    /// The name of a process of a host.
    #[must_use]
    pub fn process(&self, host: u32, pid: u32) -> Option<&str> {
        let processes = self.processes.get(&host)?;
        let known = processes.binary_search_by_key(&pid, |(pid, _)| *pid).ok()?;
        Some(&processes[known].1)
    }

    /// A place by its names: `server kv[7.1]` is thread 1 of process 7.
    #[must_use]
    pub fn place(&self, place: Place) -> impl fmt::Display {
        NamedPlace { place, names: self }
    }
}

struct NamedPlace<'a> {
    place: Place,
    names: &'a Names,
}

impl fmt::Display for NamedPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { host, pid, thread } = self.place;
        if self.place == Place::WORLD {
            return f.write_str("world");
        }
        match self.names.hosts.get(&host) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "host {host}")?,
        }
        if pid != 0 {
            let name = self.names.process(host, pid).unwrap_or("process");
            write!(f, " {name}[{pid}")?;
            if thread != 0 {
                write!(f, ".{thread}")?;
            }
            f.write_str("]")?;
        }
        Ok(())
    }
}
