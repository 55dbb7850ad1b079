//! The files of a process's host, as far as local sockets have to do with them: names, permissions, plain files.

use super::Net;
use super::own::on_kernel;
use crate::host::{Host, Pid};
use std::path::Path;
use twinsock::Result;
use twinsock::raw::RawFd;

/// The file name space of the process's host. It begins with `/tmp`, `/run` and `/var/tmp`; the working directory is `/`.
impl Net {
    /// Opens a plain file or a directory, `open(2)`; `flags` are the `O_*` of [`twinsock::consts`]. [`Syscalls`](twinsock::raw::Syscalls)
    /// reads, writes and closes it.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ENAMETOOLONG`: the path. `EEXIST`: `O_CREAT | O_EXCL` and the file is there. `EISDIR`: a directory,
    /// to be made or written. `ENOTDIR`: `O_DIRECTORY`, and it is none. `ENXIO`: a socket. `EMFILE`. `EINVAL`: a flag that is not modelled,
    /// or `O_CREAT | O_DIRECTORY`. `EBADF`: the caller is not a thread of this process.
    ///
    /// ```
    /// use twinsock::consts::{O_CREAT, O_RDWR};
    /// use twinsock::raw::Syscalls;
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     sim.host("a").spawn("p", |net| {
    ///         let fd = net.open("/tmp/note", O_CREAT | O_RDWR, 0o600).unwrap();
    ///         assert_eq!(net.write(fd, b"kept"), Ok(4));
    ///         let (again, mut bytes) = (net.open("/tmp/note", O_RDWR, 0).unwrap(), [0; 9]);
    ///         assert_eq!(net.read(again, &mut bytes), Ok(4));
    ///     });
    /// });
    /// report.unwrap();
    /// ```
    pub fn open(&self, path: impl AsRef<Path>, flags: i32, mode: u32) -> Result<RawFd> {
        self.at_path(path, |kernel, pid, path| kernel.open(pid, path, flags, mode))
    }

    /// Makes a directory, `mkdir(2)`.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `ENOTDIR`, `EACCES`, `ENAMETOOLONG`. `EBADF`: the caller is not a thread of this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// net.mkdir("/tmp/a", 0o755).unwrap();
    /// assert_eq!(net.mkdir("/tmp/a", 0o755), Err(twinsock::Errno::EXIST));
    /// # }); }).unwrap();
    /// ```
    pub fn mkdir(&self, path: impl AsRef<Path>, mode: u32) -> Result<()> {
        self.at_path(path, |kernel, pid, path| kernel.mkdir(pid, path, mode))
    }

    /// Makes a symbolic link, `symlink(2)`. It leads to `target`, which is read from the directory that the link stands in.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT` (also: `target` is empty), `ENOTDIR`, `EACCES`, `ENAMETOOLONG`, `ELOOP`. `EBADF`: the caller is not a thread of
    /// this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// net.mkdir("/tmp/a", 0o755).unwrap();
    /// net.symlink("a", "/tmp/b").unwrap();
    /// assert_eq!(net.access("/tmp/b"), Ok(()));
    /// # }); }).unwrap();
    /// ```
    pub fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<()> {
        let target = target.as_ref().as_os_str().as_encoded_bytes();
        self.at_path(path, |kernel, pid, path| kernel.symlink(pid, target, path))
    }

    /// Removes an empty directory, `rmdir(2)`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ENOTEMPTY`, `EBUSY`; `EPERM` in a sticky directory. `EBADF`: the caller is not a thread of this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// net.mkdir("/tmp/a", 0o755).unwrap();
    /// assert_eq!(net.rmdir("/tmp/a"), Ok(()));
    /// # }); }).unwrap();
    /// ```
    pub fn rmdir(&self, path: impl AsRef<Path>) -> Result<()> {
        self.at_path(path, Host::rmdir)
    }

    /// Removes a name, `unlink(2)`. A socket bound to it stays connected; it can only not be found any more.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `EISDIR`; `EPERM` in a sticky directory. `EBADF`: the caller is not a thread of this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// let listener = twinsock::net::UnixListener::bind(&net, "/run/server.sock").unwrap();
    /// drop(listener);
    /// assert_eq!(net.unlink("/run/server.sock"), Ok(()), "the file was still there");
    /// # }); }).unwrap();
    /// ```
    pub fn unlink(&self, path: impl AsRef<Path>) -> Result<()> {
        self.at_path(path, Host::unlink)
    }

    /// Gives a file another name, `rename(2)`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `EISDIR`, `ENOTEMPTY`, `EINVAL` (into itself), `EBUSY`; `EPERM` in a sticky directory. `EBADF`: the
    /// caller is not a thread of this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// net.mkdir("/tmp/a", 0o755).unwrap();
    /// net.rename("/tmp/a", "/tmp/b").unwrap();
    /// assert_eq!(net.access("/tmp/a"), Err(twinsock::Errno::NOENT));
    /// # }); }).unwrap();
    /// ```
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
        let to = to.as_ref().as_os_str().as_encoded_bytes();
        self.at_path(from, |kernel, pid, from| kernel.rename(pid, from, to))
    }

    /// Sets the permissions of a file, `chmod(2)`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`; `EPERM`: it is somebody else's. `EBADF`: the caller is not a thread of this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// net.mkdir("/tmp/a", 0o755).unwrap();
    /// net.chmod("/tmp/a", 0o700).unwrap();
    /// assert_eq!(net.stat_mode("/tmp/a").unwrap() & 0o777, 0o700);
    /// # }); }).unwrap();
    /// ```
    pub fn chmod(&self, path: impl AsRef<Path>, mode: u32) -> Result<()> {
        self.at_path(path, |kernel, pid, path| kernel.chmod(pid, path, mode))
    }

    /// Whether there is a file of this name, `access(2)` with `F_OK`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ENAMETOOLONG`: there is none, or the process cannot see it. `EBADF`: the caller is not a thread of
    /// this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// assert_eq!(net.access("/run/server.sock"), Err(twinsock::Errno::NOENT));
    /// # }); }).unwrap();
    /// ```
    pub fn access(&self, path: impl AsRef<Path>) -> Result<()> {
        self.at_path(path, |kernel, pid, path| kernel.access(pid, path))
    }

    /// What a file is and what it permits to whom, `st_mode` of `stat(2)`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ENAMETOOLONG`: there is none, or the process cannot see it. `EBADF`: the caller is not a thread of
    /// this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// const S_IFMT: u32 = 0o170_000;
    /// assert_eq!(net.stat_mode("/tmp").unwrap() & S_IFMT, 0o040_000, "a directory");
    /// # }); }).unwrap();
    /// ```
    pub fn stat_mode(&self, path: impl AsRef<Path>) -> Result<u32> {
        self.at_path(path, |kernel, pid, path| kernel.stat_mode(pid, path))
    }

    fn at_path<R>(self, path: impl AsRef<Path>, act: impl FnOnce(&mut Host, Pid, &[u8]) -> Result<R>) -> Result<R> {
        let path = path.as_ref().as_os_str().as_encoded_bytes();
        self.enter(|scheduler, process| on_kernel(scheduler, process, |kernel, pid| act(kernel, pid, path)))?
    }
}
