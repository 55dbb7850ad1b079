//! Names of local sockets: files and directories of the world, and abstract names that nobody else uses.
//!
//! Programs see files through std; on the virtual network they are those of the simulated host.

use super::own::Own;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use twinsock::raw::RawFd;
use twinsock::{Env, Errno, Os, Result, SocketAddr, UnixAddr};
use twinsock_sim::Net;

/// A world with a file name space.
pub trait World: Env + Own {
    /// `mkdir(2)`.
    fn mkdir(&self, path: &Path) -> Result<()>;
    /// Makes an empty plain file, `open(2)`.
    fn mkfile(&self, path: &Path) -> Result<()>;
    /// `open(2)` with permissions for everybody; the number is the caller's to close.
    fn open(&self, path: &Path, flags: i32) -> Result<RawFd>;
    /// `unlink(2)`.
    fn unlink(&self, path: &Path) -> Result<()>;
    /// `rename(2)`.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// `symlink(2)`.
    fn symlink(&self, target: &Path, path: &Path) -> Result<()>;
    /// `access(2)` with `F_OK`.
    fn exists(&self, path: &Path) -> bool;
    /// `chmod(2)`.
    fn chmod(&self, path: &Path, mode: u32) -> Result<()>;
    /// Type and permissions, `st_mode` of `stat(2)`.
    fn mode(&self, path: &Path) -> Result<u32>;
    /// A constant of the kernel, `sysctl(8)`.
    fn sysctl(&self, name: &str) -> String;
    /// What `body` gives when this thread has no privileges.
    fn as_nobody<T>(&self, body: impl FnOnce() -> T) -> T;
    /// Removes a directory with what is in it, where it would be left behind.
    fn clear(&self, dir: &Path);
}

/// The user without privileges.
const NOBODY: u32 = 65_534;

/// Makes this thread act for another user, and returns for whom it acted; `None`: it had no privileges to begin with, and has none now.
fn set_thread_euid(user: u32) -> Option<u32> {
    // SAFETY: the call takes nothing and cannot fail.
    let own = unsafe { libc::geteuid() };
    // SAFETY: the call takes three numbers. libc's own wrapper would change every thread of the process, that is every other test.
    let done = unsafe { libc::syscall(libc::SYS_setresuid, u32::MAX, user, u32::MAX) };
    (done == 0).then_some(own)
}

fn errno<T>(result: std::io::Result<T>) -> Result<()> {
    result.map(drop).map_err(|error| Errno::try_from(&error).expect("the kernel gives a number"))
}

impl World for Os {
    fn mkdir(&self, path: &Path) -> Result<()> {
        errno(fs::create_dir(path))
    }

    fn mkfile(&self, path: &Path) -> Result<()> {
        errno(fs::write(path, ""))
    }

    fn open(&self, path: &Path, flags: i32) -> Result<RawFd> {
        let path = CString::new(path.as_os_str().as_encoded_bytes()).expect("a path without NUL");
        // SAFETY: the path ends in NUL and lives as long as the call.
        let fd = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, 0o666) };
        if fd < 0 { Err(Errno::try_from(&std::io::Error::last_os_error()).expect("the kernel gives a number")) } else { Ok(fd) }
    }

    fn unlink(&self, path: &Path) -> Result<()> {
        errno(fs::remove_file(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        errno(fs::rename(from, to))
    }

    fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        errno(std::os::unix::fs::symlink(target, path))
    }

    fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    fn chmod(&self, path: &Path, mode: u32) -> Result<()> {
        errno(fs::set_permissions(path, fs::Permissions::from_mode(mode)))
    }

    fn mode(&self, path: &Path) -> Result<u32> {
        let found = path.symlink_metadata().map(|metadata| metadata.mode());
        found.map_err(|error| Errno::try_from(&error).expect("the kernel gives a number"))
    }

    fn sysctl(&self, name: &str) -> String {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        fs::read_to_string(path).expect("the constant is there").trim().to_owned()
    }

    fn as_nobody<T>(&self, body: impl FnOnce() -> T) -> T {
        let own = set_thread_euid(NOBODY);
        let outcome = body();
        if let Some(own) = own {
            set_thread_euid(own);
        }
        outcome
    }

    fn clear(&self, dir: &Path) {
        // A test that fails is reported for what failed first.
        fs::remove_dir_all(dir).ok();
    }
}

impl World for Net {
    fn mkdir(&self, path: &Path) -> Result<()> {
        Net::mkdir(self, path, 0o777)
    }

    fn mkfile(&self, path: &Path) -> Result<()> {
        use twinsock::consts::{O_CREAT, O_WRONLY};
        use twinsock::raw::Syscalls;
        self.open(path, O_CREAT | O_WRONLY, 0o666).and_then(|fd| self.close(fd))
    }

    fn open(&self, path: &Path, flags: i32) -> Result<RawFd> {
        Net::open(self, path, flags, 0o666)
    }

    fn unlink(&self, path: &Path) -> Result<()> {
        Net::unlink(self, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        Net::rename(self, from, to)
    }

    fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        Net::symlink(self, target, path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.access(path).is_ok()
    }

    fn chmod(&self, path: &Path, mode: u32) -> Result<()> {
        Net::chmod(self, path, mode)
    }

    fn mode(&self, path: &Path) -> Result<u32> {
        self.stat_mode(path)
    }

    fn sysctl(&self, name: &str) -> String {
        Net::sysctl(self, name).expect("the constant is there")
    }

    fn as_nobody<T>(&self, body: impl FnOnce() -> T) -> T {
        self.seteuid(NOBODY).expect("root may be anybody");
        let outcome = body();
        self.seteuid(0).expect("and root again");
        outcome
    }

    fn clear(&self, _dir: &Path) {}
}

/// A directory of one's own, gone with this value.
pub struct Dir<E: World> {
    env: E,
    path: PathBuf,
}

impl<E: World> Dir<E> {
    /// Makes one.
    pub fn new(env: &E) -> Dir<E> {
        // Short, so that paths in it fit a sockaddr_un.
        let path = PathBuf::from(format!("/tmp/{}", unique()));
        env.mkdir(&path).expect("/tmp is there, and the name is new");
        Dir { env: env.clone(), path }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The address of a path in it.
    pub fn addr(&self, name: &str) -> SocketAddr {
        UnixAddr::from_pathname(self.path(name)).expect("a short path fits").into()
    }
}

impl<E: World> Drop for Dir<E> {
    fn drop(&mut self) {
        self.env.clear(&self.path);
    }
}

/// An abstract name that nobody else uses.
pub fn abstract_name() -> SocketAddr {
    UnixAddr::from_abstract_name(unique()).expect("a short name fits").into()
}

fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("ts{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
