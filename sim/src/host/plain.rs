//! The file name space of a host, `path_resolution(7)`, and plain files in it: as much of `open(2)` and its kin as programs with local
//! sockets need.
//!
//! Names and permissions are in [`Vfs`](crate::unix::Vfs); here is what files hold, and what an open one is. A directory can be opened, but
//! nothing lists what is in it, and nothing seeks.

use super::Host;
use super::call::Call;
use super::cx::Pid;
use super::dispatch::check_iov;
use super::file::Object;
use crate::slab::{Key, Slab};
use crate::unix::{Caller, InodeId, NodeKind};
use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use twinsock::consts as c;
use twinsock::raw::RawFd;
use twinsock::{Errno, Result};

/// The plain files of a host.
#[derive(Debug)]
pub(super) struct PlainFiles {
    /// What those hold that have a name; the others live as long as they are open.
    named: BTreeMap<InodeId, Key>,
    contents: Slab<Content>,
    open: Slab<Opened>,
}

#[derive(Debug)]
struct Content {
    bytes: Vec<u8>,
    /// Names (one or none) and open file descriptions.
    refs: u32,
}

/// An open plain file or directory.
#[derive(Debug)]
struct Opened {
    /// What it holds; `None`: it is a directory.
    content: Option<Key>,
    offset: usize,
    /// `O_RDONLY`, `O_WRONLY` or `O_RDWR`, and `O_DIRECTORY`.
    access: i32,
}

impl PlainFiles {
    /// No file holds anything.
    pub(super) const fn new() -> PlainFiles {
        PlainFiles { named: BTreeMap::new(), contents: Slab::new(), open: Slab::new() }
    }

    /// How it was opened, as `F_GETFL` shows it.
    pub(super) fn access(&self, open: Key) -> i32 {
        self.open[open].access | O_LARGEFILE
    }

    /// `FIONREAD`: what is left to read.
    ///
    /// # Errors
    /// `ENOTTY`: it is a directory.
    pub(super) fn readable_bytes(&self, open: Key) -> Result<usize> {
        let Opened { content, offset, .. } = &self.open[open];
        let content = content.ok_or(Errno::NOTTY)?;
        Ok(self.contents[content].bytes.len().saturating_sub(*offset))
    }

    fn read(&mut self, open: Key, iov: &mut [IoSliceMut<'_>]) -> Result<usize> {
        let Opened { content, offset, access } = &mut self.open[open];
        if *access == c::O_WRONLY {
            return Err(Errno::BADF);
        }
        let content = content.ok_or(Errno::ISDIR)?;
        let mut left = self.contents[content].bytes.get(*offset..).unwrap_or_default();
        let before = left.len();
        for part in iov {
            let (now, rest) = left.split_at(part.len().min(left.len()));
            part[..now.len()].copy_from_slice(now);
            left = rest;
        }
        let count = before - left.len();
        *offset += count;
        Ok(count)
    }

    fn write(&mut self, open: Key, iov: &[IoSlice<'_>], appends: bool) -> Result<usize> {
        let Opened { content, offset, access } = &mut self.open[open];
        let Some(content) = content.filter(|_| *access != c::O_RDONLY) else { return Err(Errno::BADF) };
        let bytes = &mut self.contents[content].bytes;
        if appends {
            *offset = bytes.len();
        }
        let start = *offset;
        for part in iov {
            let end = *offset + part.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[*offset..end].copy_from_slice(part);
            *offset = end;
        }
        Ok(*offset - start)
    }

    /// What a file holds, which is nothing at first.
    fn content_of(&mut self, inode: InodeId) -> Key {
        let PlainFiles { named, contents, .. } = self;
        *named.entry(inode).or_insert_with(|| contents.insert(Content { bytes: Vec::new(), refs: 1 }))
    }

    /// The same for an open file more, emptied if it is to be.
    fn hold_content(&mut self, inode: InodeId, truncate: bool) -> Key {
        let key = self.content_of(inode);
        let content = &mut self.contents[key];
        content.refs += 1;
        if truncate {
            content.bytes.clear();
        }
        key
    }

    /// A file has lost its name.
    fn unname(&mut self, inode: InodeId) {
        if let Some(content) = self.named.remove(&inode) {
            self.put(content);
        }
    }

    /// Nobody has a file open any more, and those that have no name are gone.
    pub(super) fn close_all(&mut self) {
        let PlainFiles { named, contents, open } = self;
        let mut kept = Slab::new();
        for content in named.values_mut() {
            let bytes = contents.remove(*content).expect("what a name stands for is there").bytes;
            *content = kept.insert(Content { bytes, refs: 1 });
        }
        (*contents, *open) = (kept, Slab::new());
    }

    fn put(&mut self, content: Key) {
        self.contents[content].refs -= 1;
        if self.contents[content].refs == 0 {
            self.contents.remove(content);
        }
    }
}

/// The file name space, as the calls of a process find it. Paths are bytes without NUL; the working directory is the root.
impl Host {
    /// Opens a plain file or a directory, `open(2)`, with `O_RDONLY`, `O_WRONLY` or `O_RDWR` and `O_CREAT`, `O_EXCL`, `O_TRUNC`, `O_APPEND`,
    /// `O_NONBLOCK`, `O_CLOEXEC`, `O_DIRECTORY`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ENAMETOOLONG`: the path. `EEXIST`: `O_CREAT | O_EXCL` and the file is there. `EISDIR`: a directory,
    /// to be made or written. `ENOTDIR`: `O_DIRECTORY`, and it is none. `ENXIO`: a socket. `EMFILE`. `EINVAL`: another flag, or
    /// `O_CREAT | O_DIRECTORY`.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// let fd = host.open(pid, b"/tmp/log", c::O_CREAT | c::O_WRONLY, 0o644).unwrap();
    /// let progress = host.begin(&mut cx, pid, Token(1), &mut Call::Write { fd, data: b"a line" });
    /// assert!(matches!(progress, Progress::Done(Ok(6))));
    /// ```
    pub fn open(&mut self, pid: Pid, path: &[u8], flags: i32, mode: u32) -> Result<RawFd> {
        const CREATE: i32 = c::O_CREAT | c::O_EXCL | c::O_TRUNC;
        const KNOWN: i32 = O_ACCMODE | CREATE | c::O_APPEND | c::O_NONBLOCK | c::O_CLOEXEC | c::O_DIRECTORY;
        let caller = self.caller(pid)?;
        let access = flags & (O_ACCMODE | c::O_DIRECTORY);
        let makes_directory = flags & c::O_CREAT != 0 && flags & c::O_DIRECTORY != 0;
        if flags & !KNOWN != 0 || access & O_ACCMODE == O_ACCMODE || makes_directory {
            return Err(Errno::INVAL);
        }
        let fd = self.process_mut(pid)?.reserve(0)?;
        match self.open_inode(&caller, path, flags, mode) {
            Ok(inode) => {
                let is_directory = self.local.space.files.kind(inode) == NodeKind::Directory;
                let content = (!is_directory).then(|| self.plain.hold_content(inode, flags & c::O_TRUNC != 0));
                let open = self.plain.open.insert(Opened { content, offset: 0, access });
                let file = self.open_file(Object::Plain(open), flags & c::O_NONBLOCK != 0);
                self.files[file].set_status(flags & c::O_APPEND);
                self.hold_file(file);
                self.process_mut(pid)?.fill(fd, file, flags & c::O_CLOEXEC != 0);
                Ok(fd)
            }
            Err(error) => {
                self.process_mut(pid)?.unreserve(fd);
                Err(error)
            }
        }
    }

    fn open_inode(&mut self, caller: &Caller, path: &[u8], flags: i32, mode: u32) -> Result<InodeId> {
        let names = &mut self.local.space.files;
        let found = match names.lookup(path, caller) {
            Err(Errno::NOENT) if flags & c::O_CREAT != 0 && flags & c::O_EXCL != 0 => return names.mkfile(path, mode, caller),
            Err(Errno::NOENT) if flags & c::O_CREAT != 0 => return names.mkfile_behind_links(path, mode, caller),
            found => found?,
        };
        if flags & c::O_CREAT != 0 && flags & c::O_EXCL != 0 {
            return Err(Errno::EXIST);
        }
        let access = flags & O_ACCMODE;
        match names.kind(found) {
            NodeKind::Directory if access != c::O_RDONLY || flags & (c::O_CREAT | c::O_TRUNC) != 0 => return Err(Errno::ISDIR),
            NodeKind::Directory => {}
            NodeKind::File | NodeKind::Socket | NodeKind::Link if flags & c::O_DIRECTORY != 0 => return Err(Errno::NOTDIR),
            NodeKind::Socket => return Err(Errno::NXIO),
            // No path leads to a link.
            NodeKind::Link => return Err(Errno::LOOP),
            NodeKind::File => {}
        }
        let want = if access == c::O_WRONLY { 2 } else { 4 } | if access == c::O_RDWR || flags & c::O_TRUNC != 0 { 2 } else { 0 };
        if names.may(found, want, caller) { Ok(found) } else { Err(Errno::ACCES) }
    }

    /// Makes a directory, `mkdir(2)`.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `ENOTDIR`, `EACCES`, `ENAMETOOLONG`.
    pub(crate) fn mkdir(&mut self, pid: Pid, path: &[u8], mode: u32) -> Result<()> {
        let caller = self.caller(pid)?;
        self.local.space.files.mkdir(path, mode, &caller).map(|_| ())
    }

    /// Makes a symbolic link, `symlink(2)`.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `ENOTDIR`, `EACCES`, `ENAMETOOLONG`, `ELOOP`.
    pub(crate) fn symlink(&mut self, pid: Pid, target: &[u8], path: &[u8]) -> Result<()> {
        let caller = self.caller(pid)?;
        self.local.space.files.symlink(target, path, &caller).map(|_| ())
    }

    /// Removes an empty directory, `rmdir(2)`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ENOTEMPTY`, `EBUSY`; `EPERM` in a sticky directory.
    pub(crate) fn rmdir(&mut self, pid: Pid, path: &[u8]) -> Result<()> {
        let caller = self.caller(pid)?;
        self.local.space.files.rmdir(path, &caller)
    }

    /// Removes a name, `unlink(2)`; a file that is open, or a socket that is bound to it, goes on without.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `EISDIR`; `EPERM` in a sticky directory.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// let fd = host.open(pid, b"/tmp/log", c::O_CREAT | c::O_WRONLY, 0o644).unwrap();
    /// host.unlink(pid, b"/tmp/log").unwrap();
    /// assert_eq!(host.access(pid, b"/tmp/log"), Err(twinsock::Errno::NOENT));
    /// # let _ = fd;
    /// ```
    pub fn unlink(&mut self, pid: Pid, path: &[u8]) -> Result<()> {
        let caller = self.caller(pid)?;
        let names = &mut self.local.space.files;
        let found = names.lookup_link(path, &caller);
        names.unlink(path, &caller)?;
        self.plain.unname(found?);
        Ok(())
    }

    /// Gives a file another name, `rename(2)`; a file that had that name loses it.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `EISDIR`, `ENOTEMPTY`, `EINVAL` (into itself), `EBUSY`; `EPERM` in a sticky directory.
    pub(crate) fn rename(&mut self, pid: Pid, from: &[u8], to: &[u8]) -> Result<()> {
        let caller = self.caller(pid)?;
        let names = &mut self.local.space.files;
        let (moved, replaced) = (names.lookup_link(from, &caller), names.lookup_link(to, &caller));
        names.rename(from, to, &caller)?;
        if let Ok(replaced) = replaced
            && moved != Ok(replaced)
        {
            self.plain.unname(replaced);
        }
        Ok(())
    }

    /// Sets the permissions of a file, `chmod(2)`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`; `EPERM`: it is somebody else's.
    pub(crate) fn chmod(&mut self, pid: Pid, path: &[u8], mode: u32) -> Result<()> {
        let caller = self.caller(pid)?;
        self.local.space.files.chmod(path, mode, &caller)
    }

    /// Whether there is a file of this name, `access(2)` with `F_OK`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ENAMETOOLONG`: there is none, or the process cannot see it.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::host::{Call, Credentials, Cx, Host, HostConfig, Progress, Token};
    /// # use twinsock_sim::packet::Boring;
    /// # let mut host = Host::new(HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = host.spawn_process(Credentials::default());
    /// # let mut cx = Cx { now: Instant::ZERO, luck: &mut Boring };
    /// let fd = host.open(pid, b"/tmp/log", c::O_CREAT | c::O_WRONLY, 0o644).unwrap();
    /// assert_eq!(host.access(pid, b"/tmp/log"), Ok(()));
    /// # let _ = fd;
    /// ```
    pub fn access(&self, pid: Pid, path: &[u8]) -> Result<()> {
        let caller = self.caller(pid)?;
        self.local.space.files.lookup(path, &caller).map(|_| ())
    }

    /// Type and permissions of a file, `st_mode` of `stat(2)`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ENAMETOOLONG`: there is none, or the process cannot see it.
    pub(crate) fn stat_mode(&self, pid: Pid, path: &[u8]) -> Result<u32> {
        let caller = self.caller(pid)?;
        let files = &self.local.space.files;
        let inode = files.lookup(path, &caller)?;
        // inode(7): S_IFDIR, S_IFREG, S_IFSOCK, S_IFLNK.
        let kind = match files.kind(inode) {
            NodeKind::Directory => 0o040_000,
            NodeKind::File => 0o100_000,
            NodeKind::Socket => 0o140_000,
            NodeKind::Link => 0o120_000,
        };
        Ok(kind | files.mode(inode))
    }

    /// The calls that read and write, on a plain file; `None`: it is another call, or another file.
    pub(super) fn call_plain(&mut self, pid: Pid, call: &mut Call<'_, '_>) -> Option<Result<usize>> {
        let (Call::Read { fd, .. } | Call::Readv { fd, .. } | Call::Write { fd, .. } | Call::Writev { fd, .. }) = call else {
            return None;
        };
        let file = self.file_of(pid, *fd).ok()?;
        let entry = &self.files[file];
        let (appends, plain) = (entry.appends(), &mut self.plain);
        match (entry.object, call) {
            (Object::Plain(open), Call::Read { into, .. }) => Some(plain.read(open, &mut [IoSliceMut::new(into)])),
            (Object::Plain(open), Call::Readv { iov, .. }) => {
                Some(check_iov(iov.len(), Errno::INVAL).and_then(|()| plain.read(open, iov)))
            }
            (Object::Plain(open), Call::Write { data, .. }) => Some(plain.write(open, &[IoSlice::new(data)], appends)),
            (Object::Plain(open), Call::Writev { iov, .. }) => {
                Some(check_iov(iov.len(), Errno::INVAL).and_then(|()| plain.write(open, iov, appends)))
            }
            _ => None,
        }
    }

    /// The last close of an open plain file.
    pub(super) fn close_plain(&mut self, open: Key) {
        if let Some(content) = self.plain.open.remove(open).and_then(|opened| opened.content) {
            self.plain.put(content);
        }
    }
}

/// `O_ACCMODE`: the bits of `O_RDONLY`, `O_WRONLY` and `O_RDWR`.
const O_ACCMODE: i32 = 3;
/// `O_LARGEFILE`, which a 64-bit kernel shows of every plain file.
const O_LARGEFILE: i32 = 0o100_000;
