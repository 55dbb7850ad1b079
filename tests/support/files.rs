//! Names of local sockets: files and directories of the world, and abstract names that nobody else uses.
//!
//! Programs see files through std; on the virtual network they are those of the simulated host.

use super::own::Own;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use twinsock::{Env, Errno, Os, Result, SocketAddr, UnixAddr};
use twinsock_sim::Net;

/// A world with a file name space.
pub trait World: Env + Own {
    /// `mkdir(2)`.
    fn mkdir(&self, path: &Path) -> Result<()>;
    /// Makes an empty plain file, `open(2)`.
    fn mkfile(&self, path: &Path) -> Result<()>;
    /// `unlink(2)`.
    fn unlink(&self, path: &Path) -> Result<()>;
    /// `rename(2)`.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// `symlink(2)`.
    fn symlink(&self, target: &Path, path: &Path) -> Result<()>;
    /// `access(2)` with `F_OK`.
    fn exists(&self, path: &Path) -> bool;
    /// Removes a directory with what is in it, where it would be left behind.
    fn clear(&self, dir: &Path);
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
