//! Open file descriptions: what descriptors stand for, shared by dups, kept alive by descriptors and by calls in progress.
//!
//! `close`, `dup`, `dup3`, `fcntl`, `ioctl` and the end of a process are here; what a file does is its object's business.

use super::cx::{Cx, Pid};
use super::epoll::Epoll;
use super::epoll::ItemId;
use super::pipe::{End, Pipe};
use super::process::{Descriptor, Process};
use super::task::{Kind, Task};
use super::wait::{Round, WaitQueue, Waiter};
use super::{Host, poll};
use crate::slab::Key;
use crate::unix::UnixId;
use twinsock::consts as c;
use twinsock::raw::RawFd;
use twinsock::{Errno, PollEvents, Result};

/// What an open file description is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Object {
    /// A stream socket.
    Socket(Key),
    /// A datagram socket.
    Dgram(Key),
    /// One end of a pipe.
    Pipe(Key, End),
    /// An epoll set.
    Epoll(Key),
    /// A local socket.
    Local(UnixId),
    /// A plain file, opened.
    Plain(Key),
}

/// An open file description.
#[derive(Debug)]
pub(super) struct File {
    pub(super) object: Object,
    /// Descriptors, calls in progress and messages in flight.
    refs: u32,
    /// Messages in flight.
    in_flight: u32,
    /// `O_NONBLOCK`.
    pub(super) nonblocking: bool,
    /// `O_APPEND`, which `F_SETFL` sets too.
    appends: bool,
    /// `O_DIRECT`, the same.
    is_direct: bool,
    pub(super) queue: WaitQueue,
}

const _: () = assert!(size_of::<Option<File>>() == 48, "there may be very many of them");

impl File {
    /// An open file description that nobody holds yet.
    #[inline(always)]
    pub(super) fn new(object: Object, nonblocking: bool) -> File {
        File { object, refs: 0, in_flight: 0, nonblocking, appends: false, is_direct: false, queue: WaitQueue::default() }
    }

    /// An open file description that a descriptor is about to hold.
    #[inline(always)]
    pub(super) fn held(object: Object, nonblocking: bool) -> File {
        File { refs: 1, ..File::new(object, nonblocking) }
    }

    /// One more descriptor or call holds the file.
    #[inline]
    pub(super) fn hold(&mut self) {
        self.refs += 1;
    }

    /// One of several descriptors and calls lets go of the file; `false`: it is the only one.
    #[inline]
    pub(super) fn put_one_of_several(&mut self) -> bool {
        let is_shared = self.refs > 1;
        self.refs -= u32::from(is_shared);
        is_shared
    }

    /// The same where it is known that there are several: [`File::is_shared`].
    #[inline]
    pub(super) fn put_shared(&mut self) {
        debug_assert!(self.is_shared(), "the last one to let go closes the file");
        self.refs -= 1;
    }

    /// How many hold the file.
    pub(super) fn refs(&self) -> u32 {
        self.refs
    }

    /// A message holds the file.
    pub(super) fn take_off(&mut self) {
        self.refs += 1;
        self.in_flight += 1;
    }

    /// What a message held is a descriptor now, or is about to be let go of.
    pub(super) fn land(&mut self) {
        self.in_flight -= 1;
    }

    /// Whether a message holds the file.
    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// Whether several descriptors and calls hold the file.
    #[inline]
    pub(super) fn is_shared(&self) -> bool {
        self.refs > 1
    }

    /// Sets `O_APPEND` and `O_DIRECT`.
    pub(super) fn set_status(&mut self, status: i32) {
        self.appends = status & c::O_APPEND != 0;
        self.is_direct = status & c::O_DIRECT != 0;
    }

    /// What `F_GETFL` tells beside the access mode.
    fn status(&self) -> i32 {
        let flags = [(self.nonblocking, c::O_NONBLOCK), (self.appends, c::O_APPEND), (self.is_direct, c::O_DIRECT)];
        flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum()
    }

    /// Whether every write goes to the end, `O_APPEND`.
    pub(super) fn appends(&self) -> bool {
        self.appends
    }

    /// Whether a pipe keeps the boundaries of writes, `O_DIRECT` of `pipe(2)`.
    pub(super) fn keeps_packets(&self) -> bool {
        self.is_direct
    }
}

/// An epoll set with what the host knows of it.
#[derive(Debug)]
pub(super) struct EpollSet {
    pub(super) epoll: Epoll<Key>,
    /// The set's own file.
    pub(super) file: Key,
    /// How many calls sleep in `epoll_wait(2)` on it.
    pub(super) sleepers: u32,
}

/// A pipe and the files of its ends, as long as they are open.
#[derive(Debug)]
pub(super) struct PipeEnds {
    pub(super) pipe: Pipe,
    pub(super) reader: Option<Key>,
    pub(super) writer: Option<Key>,
}

impl Host {
    /// The process, if it lives.
    #[inline]
    pub(super) fn process(&self, pid: Pid) -> Result<&Process> {
        let index = crate::slab::to_usize(pid.0);
        self.processes.get(index).and_then(Option::as_ref).ok_or(Errno::BADF)
    }

    /// The process, if it lives, to do something to it or its table.
    #[inline]
    pub(super) fn process_mut(&mut self, pid: Pid) -> Result<&mut Process> {
        self.tables = self.tables.wrapping_add(1);
        let index = crate::slab::to_usize(pid.0);
        self.processes.get_mut(index).and_then(Option::as_mut).ok_or(Errno::BADF)
    }

    /// What an epoll instance of a process is interested in, as far as the numbers still stand for what was registered, in order of the numbers. Nothing
    /// for what is no such instance.
    #[must_use]
    pub(crate) fn epoll_registered(&self, pid: Pid, epfd: RawFd) -> Vec<(RawFd, twinsock::raw::EpollEvent)> {
        let Ok(file) = self.file_of(pid, epfd) else { return Vec::new() };
        match self.files[file].object {
            Object::Epoll(set) => {
                let is_same = |key: &super::epoll::Key<Key>| self.file_of(pid, key.fd).is_ok_and(|file| file == key.file);
                self.epolls[set].epoll.registered().filter(|(key, _)| is_same(key)).map(|(key, event)| (key.fd, event)).collect()
            }
            Object::Socket(_) | Object::Dgram(_) | Object::Pipe(..) | Object::Local(_) | Object::Plain(_) => Vec::new(),
        }
    }

    /// The open file description behind a descriptor.
    #[inline]
    pub(super) fn file_of(&self, pid: Pid, fd: RawFd) -> Result<Key> {
        self.process(pid)?.file(fd)
    }

    /// The stream socket behind a descriptor, with its file.
    #[inline]
    pub(super) fn socket_of(&self, pid: Pid, fd: RawFd) -> Result<(Key, Key)> {
        let file = self.file_of(pid, fd)?;
        match self.files[file].object {
            Object::Socket(socket) => Ok((file, socket)),
            // Calls on datagram and local sockets have gone their own ways by now, see `enter_dgram` and `enter_local`.
            Object::Dgram(_) | Object::Pipe(..) | Object::Epoll(_) | Object::Local(_) | Object::Plain(_) => Err(Errno::NOTSOCK),
        }
    }

    /// The queue of a file, for somebody to stand in it: whoever waits there without an entry gets one first.
    #[inline]
    pub(super) fn queue_of(&mut self, file: Key) -> &mut WaitQueue {
        let queue = &mut self.files[file].queue;
        queue.seat(&mut self.sleepers);
        queue
    }

    /// A new open file description, held by nobody yet.
    pub(super) fn open_file(&mut self, object: Object, nonblocking: bool) -> Key {
        self.files.insert(File::new(object, nonblocking))
    }

    /// One more descriptor or call holds the file.
    #[inline]
    pub(super) fn hold_file(&mut self, file: Key) {
        self.files[file].hold();
    }

    /// One descriptor or call less holds the file; the last one closes it.
    ///
    /// With `may_linger`, may answer a task that waits for the closed socket's data (SO_LINGER): it holds the file still and ends with
    /// [`Host::end_linger`].
    pub(super) fn put_file(&mut self, cx: &mut Cx<'_>, file: Key, may_linger: bool) -> Option<Task> {
        // Gone already if the process was killed silently under the call.
        let entry = self.files.get_mut(file)?;
        if entry.put_one_of_several() {
            return None;
        }
        let object = if entry.queue.has_nobody() { entry.object } else { self.forget_watchers(file) };
        match object {
            Object::Socket(socket) => {
                if let Some(until) = self.release_socket(cx, socket, may_linger) {
                    return Some(Task::new(Kind::Linger { socket, until }, file, false, 0));
                }
            }
            Object::Dgram(dgram) => self.forget_dgram(dgram),
            Object::Pipe(pipe, end) => self.close_pipe_end(pipe, end),
            Object::Epoll(set) => self.close_epoll(set),
            Object::Local(id) => self.close_local(cx, id),
            Object::Plain(open) => self.close_plain(open),
        }
        self.files.forget(file);
        None
    }

    /// The closing call does not wait for the socket's data any longer.
    pub(super) fn end_linger(&mut self, file: Key) {
        let Some(entry) = self.files.remove(file) else { return };
        if let Object::Socket(socket) = entry.object {
            self.orphan_socket(socket);
        }
    }

    /// The file is being closed: no epoll set watches it any longer (`eventpoll_release`).
    pub(super) fn forget_watchers(&mut self, file: Key) -> Object {
        let Host { files, epolls, .. } = self;
        let entry = &mut files[file];
        for (set, item) in entry.queue.epoll_items() {
            epolls[set].epoll.remove(item);
        }
        entry.queue = WaitQueue::default();
        entry.object
    }

    pub(super) fn close_pipe_end(&mut self, key: Key, end: End) {
        let ends = &mut self.pipes[key];
        ends.pipe.close(end);
        match end {
            End::Read => ends.reader = None,
            End::Write => ends.writer = None,
        }
        if ends.pipe.is_gone() {
            self.pipes.remove(key);
        } else {
            self.wake_pipe(key);
        }
    }

    pub(super) fn close_epoll(&mut self, set: Key) {
        let Some(entry) = self.epolls.remove(set) else { return };
        for (item, key) in entry.epoll.items() {
            if let Some(file) = self.files.get_mut(key.file) {
                file.queue.remove(Waiter::Epoll(set, item));
            }
        }
    }

    /// Tells those who wait for the file of an event with this wake-up key.
    #[inline]
    pub(super) fn wake_file(&mut self, file: Key, key: PollEvents, all: bool) {
        let Some(entry) = self.files.get_mut(file) else { return };
        if let Some(woken) = entry.queue.wake_quiet(key) {
            if let Some(token) = woken {
                self.sleepers.wake_quiet(token);
            }
            return;
        }
        match entry.queue.only_call() {
            Some((call, filter)) => {
                if poll::wakes(key, filter) {
                    self.sleepers.wake(call);
                }
            }
            None if entry.queue.is_empty() => {}
            None => self.wake_queue(file, key, all),
        }
    }

    fn wake_queue(&mut self, file: Key, key: PollEvents, all: bool) {
        let mut round = Round::default();
        while let Some(who) = self.files[file].queue.next_told(&mut round, key, all) {
            let took = match who {
                Waiter::Call(call) => self.sleepers.wake(call),
                Waiter::Epoll(set, item) => self.tell_set(set, item, key),
            };
            round.took(took);
        }
    }

    /// Tells an epoll set of an event of a file that it watches, `ep_poll_callback`; those who wait for the set hear of it before whoever comes next
    /// (`ep_poll_safewake`). Answers whether the set takes the event from others.
    fn tell_set(&mut self, set: Key, item: ItemId, key: PollEvents) -> bool {
        let set = &mut self.epolls[set];
        let told = set.epoll.notify(item, key, set.sleepers > 0);
        let (file, taken) = (set.file, told.taken);
        if told.wake {
            self.wake_file(file, poll::KEY_EPOLL, false);
        }
        taken
    }

    /// `close(2)`: answers the task that waits, if it does, see [`Host::put_file`].
    pub(super) fn close(&mut self, cx: &mut Cx<'_>, pid: Pid, fd: RawFd) -> Result<Option<Task>> {
        let Descriptor { file, .. } = self.process_mut(pid)?.take(fd)?;
        Ok(self.put_file(cx, file, true))
    }

    /// `dup(2)`, and `F_DUPFD` with a number to begin from.
    pub(super) fn dup(&mut self, pid: Pid, fd: RawFd, from: i32, cloexec: bool) -> Result<usize> {
        let file = self.file_of(pid, fd)?;
        let process = self.process_mut(pid)?;
        let from = usize::try_from(from).ok().filter(|from| *from < process.limit()).ok_or(Errno::INVAL)?;
        let new = process.reserve(from)?;
        process.fill(new, file, cloexec);
        self.hold_file(file);
        Ok(value(new))
    }

    /// `dup3(2)`.
    pub(super) fn dup3(&mut self, cx: &mut Cx<'_>, pid: Pid, fd: RawFd, new: RawFd, flags: i32) -> Result<usize> {
        if flags & !c::O_CLOEXEC != 0 || fd == new {
            return Err(Errno::INVAL);
        }
        let process = self.process_mut(pid)?;
        // Linux looks at the limit before it looks at the old descriptor.
        if usize::try_from(new).map_or(true, |new| new >= process.limit()) {
            return Err(Errno::BADF);
        }
        let file = process.file(fd)?;
        let old = process.replace(new, file, flags & c::O_CLOEXEC != 0)?;
        self.hold_file(file);
        if let Some(old) = old {
            self.put_file(cx, old.file, false);
        }
        Ok(value(new))
    }

    /// `fcntl(2)`.
    pub(super) fn fcntl(&mut self, pid: Pid, fd: RawFd, command: i32, argument: i32) -> Result<usize> {
        let descriptor = self.process(pid)?.descriptor(fd)?;
        let file = &mut self.files[descriptor.file];
        match command {
            c::F_DUPFD => self.dup(pid, fd, argument, false),
            c::F_DUPFD_CLOEXEC => self.dup(pid, fd, argument, true),
            c::F_GETFD => Ok(usize::from(descriptor.cloexec)),
            c::F_SETFD => self.process_mut(pid)?.set_cloexec(fd, argument & c::FD_CLOEXEC != 0).map(|()| 0),
            c::F_GETFL => {
                let access = match file.object {
                    Object::Socket(_) | Object::Dgram(_) | Object::Epoll(_) | Object::Local(_) => c::O_RDWR,
                    Object::Plain(open) => self.plain.access(open),
                    Object::Pipe(_, End::Read) => c::O_RDONLY,
                    Object::Pipe(_, End::Write) => c::O_WRONLY,
                };
                Ok(value(access | file.status()))
            }
            c::F_SETFL => {
                let is_pipe = match file.object {
                    Object::Pipe(..) => true,
                    Object::Socket(_) | Object::Dgram(_) | Object::Epoll(_) | Object::Local(_) | Object::Plain(_) => false,
                };
                if argument & c::O_DIRECT != 0 && !is_pipe {
                    return Err(Errno::INVAL);
                }
                file.set_status(argument);
                file.nonblocking = argument & c::O_NONBLOCK != 0;
                Ok(0)
            }
            _ => Err(Errno::INVAL),
        }
    }

    /// `ioctl(2)` with a pointer to an int.
    pub(super) fn ioctl(&mut self, pid: Pid, fd: RawFd, request: u64, argument: &mut i32) -> Result<usize> {
        let file = self.file_of(pid, fd)?;
        match i32::try_from(request).map_err(|_| Errno::NOTTY)? {
            FIOCLEX => self.process_mut(pid)?.set_cloexec(fd, true)?,
            FIONCLEX => self.process_mut(pid)?.set_cloexec(fd, false)?,
            c::FIONBIO => self.files[file].nonblocking = *argument != 0,
            request => {
                let answer = match self.files[file].object {
                    Object::Socket(socket) => self.socket_ioctl(socket, request)?,
                    Object::Local(id) => self.local_ioctl(id, request)?,
                    Object::Dgram(dgram) => self.dgram_ioctl(dgram, request)?,
                    Object::Pipe(pipe, _) if request == c::FIONREAD => self.pipes[pipe].pipe.readable_bytes(),
                    Object::Plain(open) if request == c::FIONREAD => self.plain.readable_bytes(open)?,
                    // `ep_eventpoll_ioctl`.
                    Object::Epoll(_) => return Err(Errno::INVAL),
                    Object::Pipe(..) | Object::Plain(_) => return Err(Errno::NOTTY),
                };
                *argument = i32::try_from(answer).unwrap_or(i32::MAX);
            }
        }
        Ok(0)
    }

    /// `pipe2(2)`.
    pub(super) fn pipe2(&mut self, pid: Pid, flags: i32, out: &mut [RawFd; 2]) -> Result<usize> {
        if flags & !(c::O_CLOEXEC | c::O_NONBLOCK | c::O_DIRECT) != 0 {
            return Err(Errno::INVAL);
        }
        let process = self.process_mut(pid)?;
        let first = process.reserve(0)?;
        let second = process.reserve(0).inspect_err(|_| process.unreserve(first))?;
        let pipe = self.pipes.insert(PipeEnds { pipe: Pipe::new(), reader: None, writer: None });
        let mut files = [(first, End::Read), (second, End::Write)].map(|(fd, end)| {
            let file = self.open_file(Object::Pipe(pipe, end), flags & c::O_NONBLOCK != 0);
            self.files[file].set_status(flags & c::O_DIRECT);
            self.hold_file(file);
            (fd, file)
        });
        for (fd, file) in &mut files {
            self.process_mut(pid)?.fill(*fd, *file, flags & c::O_CLOEXEC != 0);
        }
        let ends = &mut self.pipes[pipe];
        (ends.reader, ends.writer) = (Some(files[0].1), Some(files[1].1));
        *out = [first, second];
        Ok(0)
    }
}

/// A non-negative int as the value of a system call.
pub(super) fn value(number: i32) -> usize {
    usize::try_from(number).expect("a descriptor or a set of flags is not negative")
}

/// `ioctl_tty(2)`'s siblings: set and clear FD_CLOEXEC.
const FIOCLEX: i32 = 0x5451;
const FIONCLEX: i32 = 0x5450;
