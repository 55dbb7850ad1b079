//! poll, select and epoll on the files of this host: `poll`, `epoll` and `pipe` decide, this file knows who waits where.

use super::Host;
use super::call::Call;
use super::cx::Pid;
use super::epoll::{self, Epoll};
use super::file::{EpollSet, File, Object, value};
use super::poll;
use super::task::{Kind, Step, Task};
use super::wait::Waiter;
use crate::slab::Key;
use twinsock::consts as c;
use twinsock::raw::{EpollEvent, FdSet, PollFd, RawFd};
use twinsock::{Errno, PollEvents, Result};

impl Host {
    /// What `poll(2)` says of a file.
    pub(super) fn file_mask(&mut self, file: Key) -> PollEvents {
        let Some(entry) = self.files.get(file) else { return PollEvents::NONE };
        match entry.object {
            Object::Socket(socket) => self.socket_mask(socket),
            Object::Dgram(dgram) => self.dgrams[dgram].poll_mask(entry.nonblocking),
            Object::Pipe(pipe, end) => self.pipes[pipe].pipe.poll_mask(end),
            Object::Local(id) => self.local.space.poll_mask(id),
            // DEFAULT_POLLMASK.
            Object::Plain(_) => PollEvents::IN | PollEvents::OUT | PollEvents::RDNORM | PollEvents::WRNORM,
            Object::Epoll(set) => self.with_epoll(set, |epoll, host| epoll.poll_mask(|key| host.file_mask(key.file))),
        }
    }

    /// Lets an epoll set look at its files: it is taken out meanwhile. It never looks at itself, since cycles are refused.
    fn with_epoll<T>(&mut self, set: Key, run: impl FnOnce(&mut Epoll<Key>, &mut Host) -> T) -> T {
        let mut epoll = std::mem::take(&mut self.epolls[set].epoll);
        let result = run(&mut epoll, self);
        self.epolls[set].epoll = epoll;
        result
    }

    /// What `poll(2)` says of a descriptor; `None`: it is not open.
    fn fd_mask(&mut self, pid: Pid, fd: RawFd) -> Option<PollEvents> {
        let file = self.file_of(pid, fd).ok()?;
        Some(self.file_mask(file))
    }

    /// A step of `poll(2)`. The descriptors are looked up again after every wait, as Linux does it.
    pub(super) fn step_poll(&mut self, pid: Pid, fds: &mut [PollFd]) -> Step {
        match poll::poll(fds, |fd| self.fd_mask(pid, fd)) {
            0 => Step::Wait,
            count => Step::Done(Ok(count)),
        }
    }

    /// A step of `select(2)`; at the `last` one the sets are emptied.
    pub(super) fn step_select(&mut self, pid: Pid, nfds: i32, sets: &mut [Option<&mut FdSet>; 3], last: bool) -> Step {
        match poll::select(nfds, sets, last, |fd| self.fd_mask(pid, fd)) {
            0 => Step::Wait,
            count => Step::Done(Ok(count)),
        }
    }

    /// A poll or select goes to sleep: it stands in the queues of all its files and holds them.
    pub(super) fn watch(&mut self, pid: Pid, sleeper: Key, call: &Call<'_, '_>, watched: &mut Vec<Key>) {
        let mut add = |fd: RawFd, filter: PollEvents| {
            let Ok(file) = self.file_of(pid, fd) else { return };
            self.queue_of(file).add_call(sleeper, filter, false);
            self.hold_file(file);
            watched.push(file);
        };
        if let Call::Poll { fds, .. } = call {
            for entry in fds.iter().filter(|entry| entry.fd >= 0) {
                add(entry.fd, poll::poll_filter(entry.events));
            }
        } else if let Call::Select { nfds, sets, .. } = call {
            poll::each_selected(*nfds, sets, add);
        }
    }

    /// `epoll_create1(2)`.
    pub(super) fn epoll_create1(&mut self, pid: Pid, flags: i32) -> Result<usize> {
        if flags & !c::EPOLL_CLOEXEC != 0 {
            return Err(Errno::INVAL);
        }
        let fd = self.process_mut(pid)?.reserve(0)?;
        let Host { files, epolls, .. } = self;
        // The set and its file name each other.
        let file = files.insert_with(|file| {
            let set = epolls.insert(EpollSet { epoll: Epoll::new(), file, sleepers: 0 });
            File::new(Object::Epoll(set), false)
        });
        self.hold_file(file);
        self.process_mut(pid)?.fill(fd, file, flags & c::EPOLL_CLOEXEC != 0);
        Ok(value(fd))
    }

    /// The epoll set behind a descriptor.
    fn epoll_of(&self, file: Key) -> Result<Key> {
        match self.files[file].object {
            Object::Epoll(set) => Ok(set),
            Object::Socket(_) | Object::Dgram(_) | Object::Pipe(..) | Object::Local(_) | Object::Plain(_) => Err(Errno::INVAL),
        }
    }

    /// `epoll_ctl(2)`.
    pub(super) fn epoll_ctl(&mut self, pid: Pid, epfd: RawFd, op: i32, fd: RawFd, event: Option<EpollEvent>) -> Result<usize> {
        let epoll_file = self.file_of(pid, epfd)?;
        let target = self.file_of(pid, fd)?;
        if let Object::Plain(_) = self.files[target].object {
            return Err(Errno::PERM);
        }
        if epoll_file == target {
            return Err(Errno::INVAL);
        }
        let set = self.epoll_of(epoll_file)?;
        let target_set = self.epoll_of(target).ok();
        let op = Epoll::<Key>::check_ctl(op, event, target_set.is_some())?;
        let key = epoll::Key { fd, file: target };
        let event = event.unwrap_or_default();
        let wake = match op {
            epoll::Op::Add => {
                if target_set.is_some() && self.makes_loop(epoll_file, target) {
                    return Err(Errno::LOOP);
                }
                let added = self.with_epoll(set, |epoll, host| epoll.add(key, event, || host.file_mask(target)))?;
                let is_exclusive = self.epolls[set].epoll.is_exclusive(added.item);
                self.queue_of(target).add_epoll(set, added.item, is_exclusive);
                added.wake
            }
            epoll::Op::Modify => self.with_epoll(set, |epoll, host| epoll.modify(key, event, || host.file_mask(target)))?,
            epoll::Op::Delete => {
                let item = self.epolls[set].epoll.delete(key)?;
                self.files[target].queue.remove(Waiter::Epoll(set, item));
                false
            }
        };
        if wake {
            self.wake_file(epoll_file, poll::KEY_EPOLL, false);
        }
        Ok(0)
    }

    /// Whether `epoll_file` watching `target` would close a cycle or nest too deep.
    fn makes_loop(&self, epoll_file: Key, target: Key) -> bool {
        let watched = |file: Key| match self.files[file].object {
            Object::Epoll(set) => {
                let keys = self.epolls[set].epoll.items().map(|(_, key)| key.file);
                keys.filter(|file| self.epoll_of(*file).is_ok()).collect()
            }
            Object::Socket(_) | Object::Dgram(_) | Object::Pipe(..) | Object::Local(_) | Object::Plain(_) => Vec::new(),
        };
        let watchers = |file: Key| self.files[file].queue.epoll_items().map(|(set, _)| self.epolls[set].file).collect();
        epoll::makes_loop(epoll_file, target, watched, watchers)
    }

    /// `epoll_wait(2)` at its entry.
    pub(super) fn enter_epoll_wait(&mut self, pid: Pid, epfd: RawFd, room: usize, is_immediate: bool) -> Result<Task> {
        let file = self.file_of(pid, epfd)?;
        if room == 0 {
            return Err(Errno::INVAL);
        }
        let set = self.epoll_of(file)?;
        Ok(Task::new(Kind::EpollWait { set }, file, is_immediate, 0))
    }

    /// A step of `epoll_wait(2)`.
    pub(super) fn step_epoll_wait(&mut self, set: Key, events: &mut [EpollEvent]) -> Step {
        if !self.epolls[set].epoll.has_ready() {
            return Step::Wait;
        }
        let count = self.with_epoll(set, |epoll, host| epoll.collect(events, |key| host.file_mask(key.file)));
        let entry = &self.epolls[set];
        let file = entry.file;
        if entry.epoll.has_ready() {
            self.wake_next(file, poll::KEY_EPOLL);
        }
        if count == 0 { Step::Wait } else { Step::Done(Ok(count)) }
    }
}
