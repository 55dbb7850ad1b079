//! The file name space of a host, as far as sockets have to do with it, `path_resolution(7)`: directories, sockets, plain files,
//! symbolic links.
//!
//! There are no hard links, no mounts and one working directory, the root. What a plain file holds is the host's business.

use super::Caller;
use super::id::UnixId;
use std::borrow::Cow;
use std::collections::BTreeMap;
use twinsock::{Errno, Result};

/// A file, whatever it is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InodeId(u32);

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// A directory.
    Directory,
    /// A plain file.
    File,
    /// A socket, bound or stale.
    Socket,
    /// A symbolic link, `symlink(7)`.
    Link,
}

#[derive(Debug)]
enum Content {
    /// Its entries, and the directory that it stands in.
    Directory(BTreeMap<Box<[u8]>, InodeId>, InodeId),
    File,
    /// The socket that is bound to it; `None` once that is closed.
    Socket(Option<UnixId>),
    /// What the link says, to be read from the directory that it stands in.
    Link(Box<[u8]>),
}

#[derive(Debug)]
struct Node {
    content: Content,
    /// Permissions, `chmod(2)`.
    mode: u32,
    uid: u32,
    gid: u32,
    /// It has a name.
    is_linked: bool,
}

/// The tree.
#[derive(Debug)]
pub struct Vfs {
    nodes: Vec<Option<Node>>,
    free: Vec<u32>,
}

/// Where a name is or would be.
struct Place<'a> {
    parent: InodeId,
    name: &'a [u8],
    found: Option<InodeId>,
    /// The path ends in a slash: only a directory will do.
    wants_directory: bool,
}

impl Default for Vfs {
    fn default() -> Vfs {
        Vfs::new()
    }
}

impl Vfs {
    /// The root, and `/tmp`, `/run` and `/var/tmp`.
    ///
    /// # Panics
    /// Never: an empty tree has room for these.
    #[must_use]
    pub fn new() -> Vfs {
        let mut vfs = Vfs { nodes: Vec::new(), free: Vec::new() };
        vfs.insert(Content::Directory(BTreeMap::new(), ROOT), 0o755, &KERNEL);
        let var = vfs.add_directory(ROOT, b"var", 0o755);
        vfs.add_directory(var, b"tmp", 0o1777);
        vfs.add_directory(ROOT, b"run", 0o755);
        vfs.add_directory(ROOT, b"tmp", 0o1777);
        vfs
    }

    /// Makes a directory, `mkdir(2)`.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `ENOTDIR`, `EACCES`, `ENAMETOOLONG`.
    pub fn mkdir(&mut self, path: &[u8], mode: u32, caller: &Caller) -> Result<InodeId> {
        let mut place = self.place(path, caller)?;
        place.wants_directory = false;
        self.create(&place, Content::Directory(BTreeMap::new(), place.parent), mode, caller)
    }

    /// Makes a plain file, `open(2)` with `O_CREAT | O_EXCL`.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `ENOTDIR`, `EACCES`, `EISDIR`, `ENAMETOOLONG`, `ELOOP`.
    pub fn mkfile(&mut self, path: &[u8], mode: u32, caller: &Caller) -> Result<InodeId> {
        let place = self.place(path, caller)?;
        if place.wants_directory {
            return Err(Errno::ISDIR);
        }
        self.create(&place, Content::File, mode, caller)
    }

    /// Makes a plain file, where the path ends in a link what that leads to, `open(2)` with `O_CREAT`.
    ///
    /// # Errors
    /// Those of [`Vfs::mkfile`].
    pub fn mkfile_behind_links(&mut self, path: &[u8], mode: u32, caller: &Caller) -> Result<InodeId> {
        let (mut from, mut path, mut links) = (ROOT, Cow::Borrowed(path), 0);
        loop {
            let place = self.place_from(from, &path, caller, &mut links)?;
            let Some(target) = place.found.and_then(|found| self.target(found)) else {
                if place.wants_directory {
                    return Err(Errno::ISDIR);
                }
                return self.create(&place, Content::File, mode, caller);
            };
            from = place.parent;
            path = Cow::Owned(target.to_vec());
            one_more(&mut links)?;
        }
    }

    /// Makes a symbolic link, `symlink(2)`.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT` (also: it says nothing), `ENOTDIR`, `EACCES`, `ENAMETOOLONG`, `ELOOP`.
    pub fn symlink(&mut self, target: &[u8], path: &[u8], caller: &Caller) -> Result<InodeId> {
        if target.is_empty() {
            return Err(Errno::NOENT);
        }
        let place = self.place(path, caller)?;
        // The kernel makes it with all permissions and asks for none of them.
        let linker = Caller { umask: 0, ..*caller };
        self.create(&place, Content::Link(target.into()), 0o777, &linker)
    }

    /// Makes a socket, `mknod(2)` as `unix_bind_bsd` calls it.
    pub(super) fn mksocket(&mut self, path: &[u8], socket: UnixId, caller: &Caller) -> Result<InodeId> {
        let place = self.place(path, caller)?;
        self.create(&place, Content::Socket(Some(socket)), 0o777, caller)
    }

    /// The file of this name, at the end of all links, `stat(2)`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ENAMETOOLONG`, `ELOOP`.
    pub fn lookup(&self, path: &[u8], caller: &Caller) -> Result<InodeId> {
        self.lookup_from(ROOT, path, caller, true, &mut 0)
    }

    /// The file of this name, which may be a link, `lstat(2)`.
    ///
    /// # Errors
    /// Those of [`Vfs::lookup`].
    pub fn lookup_link(&self, path: &[u8], caller: &Caller) -> Result<InodeId> {
        self.lookup_from(ROOT, path, caller, false, &mut 0)
    }

    fn lookup_from(&self, from: InodeId, path: &[u8], caller: &Caller, follow: bool, links: &mut u32) -> Result<InodeId> {
        let place = match self.place_from(from, path, caller, links) {
            // A path of dots and slashes names a directory on the way.
            Err(Errno::EXIST) => return self.walk(from, path, caller, links),
            place => place?,
        };
        let mut found = place.found.ok_or(Errno::NOENT)?;
        if (follow || place.wants_directory)
            && let Some(target) = self.target(found)
        {
            one_more(links)?;
            found = self.lookup_from(place.parent, target, caller, true, links)?;
        }
        if place.wants_directory && self.kind(found) != NodeKind::Directory {
            return Err(Errno::NOTDIR);
        }
        Ok(found)
    }

    /// Whether there is a file of this name, `access(2)` with `F_OK`.
    #[cfg(test)]
    #[must_use]
    pub fn exists(&self, path: &[u8], caller: &Caller) -> bool {
        self.lookup(path, caller).is_ok()
    }

    /// What a file is, `stat(2)`.
    #[must_use]
    pub fn kind(&self, inode: InodeId) -> NodeKind {
        match self.node(inode).content {
            Content::Directory(..) => NodeKind::Directory,
            Content::File => NodeKind::File,
            Content::Socket(_) => NodeKind::Socket,
            Content::Link(_) => NodeKind::Link,
        }
    }

    /// The permissions of a file, `stat(2)`.
    #[must_use]
    pub fn mode(&self, inode: InodeId) -> u32 {
        self.node(inode).mode
    }

    /// Whether a process may read (4), write (2), execute (1) a file, all of `want`.
    #[must_use]
    pub fn may(&self, inode: InodeId, want: u32, caller: &Caller) -> bool {
        let node = self.node(inode);
        let class = if caller.uid == node.uid {
            6
        } else if caller.gid == node.gid {
            3
        } else {
            0
        };
        caller.is_root() || (node.mode >> class) & want == want
    }

    /// Sets the permissions of a file, `chmod(2)`.
    ///
    /// # Errors
    /// `EPERM`: it is somebody else's. Those of [`Vfs::lookup`].
    pub fn chmod(&mut self, path: &[u8], mode: u32, caller: &Caller) -> Result<()> {
        let inode = self.lookup(path, caller)?;
        let node = self.node_mut(inode);
        if !caller.is_root() && caller.uid != node.uid {
            return Err(Errno::PERM);
        }
        node.mode = mode & 0o7777;
        Ok(())
    }

    /// Removes a name, `unlink(2)`. A socket bound to the file stays connected; it can only not be found any more.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `EISDIR`; `EPERM` in a sticky directory.
    pub fn unlink(&mut self, path: &[u8], caller: &Caller) -> Result<()> {
        let place = self.place(path, caller).map_err(|error| if error == Errno::EXIST { Errno::ISDIR } else { error })?;
        let found = place.found.ok_or(Errno::NOENT)?;
        match (self.kind(found), place.wants_directory) {
            (NodeKind::Directory, _) => return Err(Errno::ISDIR),
            (NodeKind::File | NodeKind::Socket | NodeKind::Link, true) => return Err(Errno::NOTDIR),
            (NodeKind::File | NodeKind::Socket | NodeKind::Link, false) => {}
        }
        self.may_remove(place.parent, found, caller)?;
        self.detach(place.parent, place.name);
        self.release(found);
        Ok(())
    }

    /// Removes an empty directory, `rmdir(2)`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ENOTEMPTY`, `EBUSY`; `EPERM` in a sticky directory.
    pub fn rmdir(&mut self, path: &[u8], caller: &Caller) -> Result<()> {
        let place = self.place(path, caller).map_err(|error| if error == Errno::EXIST { Errno::BUSY } else { error })?;
        let found = place.found.ok_or(Errno::NOENT)?;
        self.may_remove(place.parent, found, caller)?;
        if !self.entries(found)?.is_empty() {
            return Err(NOTEMPTY);
        }
        self.detach(place.parent, place.name);
        self.release(found);
        Ok(())
    }

    /// Gives a file another name, `rename(2)`; a file that had that name is gone.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `EISDIR`, `ENOTEMPTY`, `EINVAL` (into itself), `EBUSY`; `EPERM` in a sticky directory.
    pub fn rename(&mut self, from: &[u8], to: &[u8], caller: &Caller) -> Result<()> {
        let busy = |error| if error == Errno::EXIST { Errno::BUSY } else { error };
        let from = self.place(from, caller).map_err(busy)?;
        let to = self.place(to, caller).map_err(busy)?;
        let moved = from.found.ok_or(Errno::NOENT)?;
        if to.found == Some(moved) {
            return Ok(());
        }
        let is_directory = self.kind(moved) == NodeKind::Directory;
        if !is_directory && (from.wants_directory || to.wants_directory) {
            return Err(Errno::NOTDIR);
        }
        if is_directory && self.holds(moved, to.parent) {
            return Err(Errno::INVAL);
        }
        self.may_remove(from.parent, moved, caller)?;
        self.may_change(to.parent, caller)?;
        if let Some(replaced) = to.found {
            self.may_remove(to.parent, replaced, caller)?;
            match (is_directory, self.kind(replaced)) {
                (true, NodeKind::Directory) if !self.entries(replaced)?.is_empty() => return Err(NOTEMPTY),
                (true, NodeKind::Directory) | (false, NodeKind::File | NodeKind::Socket | NodeKind::Link) => {}
                (true, NodeKind::File | NodeKind::Socket | NodeKind::Link) => return Err(Errno::NOTDIR),
                (false, NodeKind::Directory) => return Err(Errno::ISDIR),
            }
            self.release(replaced);
        }
        self.detach(from.parent, from.name);
        self.attach(to.parent, to.name, moved);
        Ok(())
    }

    /// The socket that is bound to a file; `None`: it is not a socket, or its socket is closed.
    pub(super) fn socket_at(&self, inode: InodeId) -> Option<UnixId> {
        match self.node(inode).content {
            Content::Socket(socket) => socket,
            Content::Directory(..) | Content::File | Content::Link(_) => None,
        }
    }

    /// The socket bound to a file is closed: the file stays, unless it has no name.
    pub(super) fn forget_socket(&mut self, inode: InodeId) {
        let node = self.node_mut(inode);
        node.content = Content::Socket(None);
        if !node.is_linked {
            self.remove(inode);
        }
    }

    /// All sockets are gone: their files stay, stale, but for those that have no name.
    pub fn forget_all_sockets(&mut self) {
        let is_bound = |node: &Option<Node>| matches!(node, Some(Node { content: Content::Socket(Some(_)), .. }));
        let bound: Vec<u32> = self.nodes.iter().zip(0..).filter(|(node, _)| is_bound(node)).map(|(_, index)| index).collect();
        for index in bound {
            self.forget_socket(InodeId(index));
        }
    }

    /// Walks to the last component, `filename_parentat`, and does not follow it.
    ///
    /// # Errors
    /// `EEXIST`: the path has no last component, or it is `.` or `..`.
    fn place<'a>(&self, path: &'a [u8], caller: &Caller) -> Result<Place<'a>> {
        self.place_from(ROOT, path, caller, &mut 0)
    }

    fn place_from<'a>(&self, from: InodeId, path: &'a [u8], caller: &Caller, links: &mut u32) -> Result<Place<'a>> {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let start = path[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let parent = self.walk(from, &path[..start], caller, links)?;
        let name = &path[start..end];
        if matches!(name, b"" | b"." | b"..") {
            return Err(Errno::EXIST);
        }
        if name.len() > NAME_MAX_BYTES {
            return Err(Errno::NAMETOOLONG);
        }
        let found = self.entries(parent)?.get(name).copied();
        Ok(Place { parent, name, found, wants_directory: end < path.len() })
    }

    /// Follows a path all of whose components are directories, or links to such. The one it ends in may be searched.
    fn walk(&self, from: InodeId, path: &[u8], caller: &Caller, links: &mut u32) -> Result<InodeId> {
        let mut at = if path.first() == Some(&b'/') { ROOT } else { from };
        for name in path.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => at = self.parent(at),
                name => {
                    let found = self.entries(at)?.get(name).copied().ok_or(Errno::NOENT)?;
                    at = match self.target(found) {
                        Some(target) => {
                            one_more(links)?;
                            self.walk(at, target, caller, links)?
                        }
                        None => found,
                    };
                    self.entries(at)?;
                }
            }
            if !self.may(at, 1, caller) {
                return Err(Errno::ACCES);
            }
        }
        Ok(at)
    }

    /// What a link says; `None`: it is none.
    fn target(&self, inode: InodeId) -> Option<&[u8]> {
        match &self.node(inode).content {
            Content::Link(target) => Some(target),
            Content::Directory(..) | Content::File | Content::Socket(_) => None,
        }
    }

    fn create(&mut self, place: &Place<'_>, content: Content, mode: u32, caller: &Caller) -> Result<InodeId> {
        if place.found.is_some() {
            return Err(Errno::EXIST);
        }
        if place.wants_directory {
            return Err(Errno::NOENT);
        }
        self.may_change(place.parent, caller)?;
        let inode = self.insert(content, mode & !caller.umask & 0o7777, caller);
        self.attach(place.parent, place.name, inode);
        Ok(inode)
    }

    fn add_directory(&mut self, parent: InodeId, name: &[u8], mode: u32) -> InodeId {
        let inode = self.insert(Content::Directory(BTreeMap::new(), parent), mode, &KERNEL);
        self.attach(parent, name, inode);
        inode
    }

    fn insert(&mut self, content: Content, mode: u32, caller: &Caller) -> InodeId {
        let node = Some(Node { content, mode, uid: caller.uid, gid: caller.gid, is_linked: true });
        if let Some(index) = self.free.pop() {
            self.nodes[to_usize(index)] = node;
            return InodeId(index);
        }
        self.nodes.push(node);
        InodeId(u32::try_from(self.nodes.len() - 1).expect("a host has fewer than 2^32 files"))
    }

    fn may_change(&self, directory: InodeId, caller: &Caller) -> Result<()> {
        if self.may(directory, 3, caller) { Ok(()) } else { Err(Errno::ACCES) }
    }

    /// `may_delete`: the directory may be changed, and is not sticky or holds the caller's own file.
    fn may_remove(&self, directory: InodeId, file: InodeId, caller: &Caller) -> Result<()> {
        self.may_change(directory, caller)?;
        let owns = [directory, file].iter().any(|inode| self.node(*inode).uid == caller.uid);
        let is_sticky = self.node(directory).mode & 0o1000 != 0;
        if is_sticky && !owns && !caller.is_root() { Err(Errno::PERM) } else { Ok(()) }
    }

    /// Whether a directory is, or lies above, another.
    fn holds(&self, directory: InodeId, mut other: InodeId) -> bool {
        while other != directory && other != ROOT {
            other = self.parent(other);
        }
        other == directory
    }

    /// The directory above a directory; the root's is the root.
    fn parent(&self, inode: InodeId) -> InodeId {
        match self.node(inode).content {
            Content::Directory(_, parent) => parent,
            Content::File | Content::Socket(_) | Content::Link(_) => ROOT,
        }
    }

    fn attach(&mut self, directory: InodeId, name: &[u8], inode: InodeId) {
        if let Content::Directory(entries, _) = &mut self.node_mut(directory).content {
            entries.insert(name.into(), inode);
        }
        if let Content::Directory(_, parent) = &mut self.node_mut(inode).content {
            *parent = directory;
        }
    }

    fn detach(&mut self, directory: InodeId, name: &[u8]) {
        if let Content::Directory(entries, _) = &mut self.node_mut(directory).content {
            entries.remove(name);
        }
    }

    /// A file has lost its name; one that a socket is bound to stays until that is closed.
    fn release(&mut self, inode: InodeId) {
        self.node_mut(inode).is_linked = false;
        if self.socket_at(inode).is_none() {
            self.remove(inode);
        }
    }

    fn remove(&mut self, inode: InodeId) {
        self.nodes[to_usize(inode.0)] = None;
        self.free.push(inode.0);
    }

    fn entries(&self, inode: InodeId) -> Result<&BTreeMap<Box<[u8]>, InodeId>> {
        match &self.node(inode).content {
            Content::Directory(entries, _) => Ok(entries),
            Content::File | Content::Socket(_) | Content::Link(_) => Err(Errno::NOTDIR),
        }
    }

    fn node(&self, inode: InodeId) -> &Node {
        self.nodes[to_usize(inode.0)].as_ref().expect("a file that is referred to is there")
    }

    fn node_mut(&mut self, inode: InodeId) -> &mut Node {
        self.nodes[to_usize(inode.0)].as_mut().expect("a file that is referred to is there")
    }
}

fn to_usize(index: u32) -> usize {
    usize::try_from(index).expect("usize holds 32 bits")
}

/// Counts a link that is followed; there may be so many of them on one path.
fn one_more(links: &mut u32) -> Result<()> {
    *links += 1;
    if *links > LINKS_MAX { Err(Errno::LOOP) } else { Ok(()) }
}

const ROOT: InodeId = InodeId(0);
/// Who made the first directories.
const KERNEL: Caller = Caller { pid: 0, uid: 0, gid: 0, umask: 0 };
/// `NAME_MAX`.
const NAME_MAX_BYTES: usize = 255;
/// `MAXSYMLINKS`.
const LINKS_MAX: u32 = 40;
/// `ENOTEMPTY`.
const NOTEMPTY: Errno = Errno::from_raw(39);
