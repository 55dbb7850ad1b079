//! A process as its kernel sees it: credentials, limits and the table of descriptors.

use super::cx::Credentials;
use crate::slab::{Key, to_usize};
use twinsock::raw::RawFd;
use twinsock::{Errno, Result};

/// The soft limit on descriptors that a process starts with, as most systems set it.
pub(super) const RLIMIT_NOFILE_DEFAULT: u32 = 1024;

/// An entry of the descriptor table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor {
    /// The open file description.
    pub(super) file: Key,
    /// `FD_CLOEXEC`, which belongs to the descriptor alone.
    pub(super) cloexec: bool,
}

/// A number of the table: nobody has it, or a file's descriptor does, or [`RESERVED`].
type Entry = Option<Key>;

const FREE: Entry = None;
/// A call in progress is going to fill it (`get_unused_fd_flags`): until then it is not open.
const RESERVED: Entry = Some(Key::NOBODY);
const _: () = assert!(size_of::<Entry>() == 8, "a process may have very many descriptors");

/// The file of an entry, if it is open.
#[inline(always)]
fn open(entry: Entry) -> Option<Key> {
    entry.filter(|file| *file != Key::NOBODY)
}

/// The `close_on_exec` bits of Linux's table, those of 64 numbers in each.
#[derive(Debug, Default)]
struct CloseOnExec(Vec<u64>);

impl CloseOnExec {
    fn get(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|bits| bits >> (number % 64) & 1 == 1)
    }

    fn set(&mut self, number: usize, to: bool) {
        if self.0.len() <= number / 64 {
            self.0.resize(number / 64 + 1, 0);
        }
        let (bits, bit) = (&mut self.0[number / 64], 1 << (number % 64));
        *bits = if to { *bits | bit } else { *bits & !bit };
    }
}

/// A process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) credentials: Credentials,
    /// The real user id, which is the saved one too.
    real_uid: u32,
    /// `RLIMIT_NOFILE`: one more than the largest number a descriptor may have.
    pub(super) rlimit_nofile: u32,
    /// How many SIGPIPE it has been sent and nobody has taken note of.
    pub(super) sigpipes: u32,
    table: Vec<Entry>,
    /// Most processes open nothing.
    close_on_exec: Option<Box<CloseOnExec>>,
    /// No number below this one is free.
    lowest: u32,
}

const _: () = assert!(size_of::<Process>() == 56, "there may be very many of them");

impl Process {
    /// A process without descriptors.
    pub(super) const fn new(credentials: Credentials) -> Process {
        Process {
            credentials,
            real_uid: credentials.uid,
            rlimit_nofile: RLIMIT_NOFILE_DEFAULT,
            sigpipes: 0,
            table: Vec::new(),
            close_on_exec: None,
            lowest: 0,
        }
    }

    /// Changes the effective user, `seteuid(2)`.
    ///
    /// # Errors
    /// `EPERM`: the process is not root's, and this is not its real user.
    pub(super) fn seteuid(&mut self, uid: u32) -> Result<()> {
        if !self.credentials.is_root() && uid != self.real_uid && uid != self.credentials.uid {
            return Err(Errno::PERM);
        }
        self.credentials.uid = uid;
        Ok(())
    }

    /// The descriptor of this number.
    ///
    /// # Errors
    /// `EBADF`: it is not open.
    #[inline]
    pub(super) fn descriptor(&self, fd: RawFd) -> Result<Descriptor> {
        let file = self.file(fd)?;
        Ok(Descriptor { file, cloexec: self.closes_on_exec(index(fd)) })
    }

    /// The file of this number.
    ///
    /// # Errors
    /// `EBADF`: it is not open.
    #[inline]
    pub(super) fn file(&self, fd: RawFd) -> Result<Key> {
        let index = usize::try_from(fd).map_err(|_| Errno::BADF)?;
        self.table.get(index).copied().and_then(open).ok_or(Errno::BADF)
    }

    /// The number that the next descriptor gets, at least `from`.
    #[inline(always)]
    fn lowest_free(&self, from: usize) -> Result<usize> {
        let start = from.max(to_usize(self.lowest));
        let is_used = self.table.get(start).is_some_and(|entry| entry.is_some());
        let number = if is_used { self.first_free(start) } else { start };
        if number < self.limit() { Ok(number) } else { Err(Errno::MFILE) }
    }

    /// The first number from `start` on that is free.
    #[cold]
    fn first_free(&self, start: usize) -> usize {
        start + self.table.iter().skip(start).take_while(|entry| entry.is_some()).count()
    }

    /// The files of its descriptors.
    pub(super) fn files(&self) -> impl Iterator<Item = Key> + '_ {
        self.table.iter().copied().filter_map(open)
    }

    /// Its descriptors, in the order of their numbers, with their files.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = (RawFd, Key)> + '_ {
        (0..).zip(&self.table).filter_map(|(fd, entry)| Some((fd, open(*entry)?)))
    }

    /// `RLIMIT_NOFILE` as an index.
    pub(super) fn limit(&self) -> usize {
        usize::try_from(self.rlimit_nofile).expect("usize holds 32 bits")
    }

    /// Reserves the lowest free number that is at least `from`.
    ///
    /// # Errors
    /// `EMFILE`: there is none below the limit.
    #[inline]
    pub(super) fn reserve(&mut self, from: usize) -> Result<RawFd> {
        let number = self.lowest_free(from)?;
        if from <= to_usize(self.lowest) {
            self.lowest = number_of(number) + 1;
        }
        self.put(number, RESERVED);
        Ok(RawFd::try_from(number).expect("RLIMIT_NOFILE keeps descriptors in the range of int"))
    }

    /// Opens a number that was reserved.
    #[inline]
    pub(super) fn fill(&mut self, reserved: RawFd, file: Key, cloexec: bool) {
        let number = index(reserved);
        self.mark_cloexec(number, cloexec);
        self.table[number] = Some(file);
    }

    /// Gives up a number that was reserved.
    #[inline(always)]
    pub(super) fn unreserve(&mut self, reserved: RawFd) {
        self.put(index(reserved), FREE);
        self.lowest = self.lowest.min(number_of(index(reserved)));
    }

    /// Opens this number, as `dup3(2)` does, and answers what was open there.
    ///
    /// # Errors
    /// `EBADF`: the number is not below the limit. `EBUSY`: a call in progress has reserved it.
    pub(super) fn replace(&mut self, fd: RawFd, file: Key, cloexec: bool) -> Result<Option<Descriptor>> {
        let number = usize::try_from(fd).ok().filter(|number| *number < self.limit()).ok_or(Errno::BADF)?;
        match self.table.get(number).copied().flatten() {
            Some(Key::NOBODY) => Err(Errno::BUSY),
            Some(_) | None => Ok(self.open(number, Descriptor { file, cloexec })),
        }
    }

    /// Opens a number, and answers what was open there.
    fn open(&mut self, number: usize, Descriptor { file, cloexec }: Descriptor) -> Option<Descriptor> {
        let was = self.mark_cloexec(number, cloexec);
        open(self.put(number, Some(file))).map(|file| Descriptor { file, cloexec: was })
    }

    /// Whether a number is to be closed by `execve(2)` from here on; answers whether it was.
    #[inline(always)]
    fn mark_cloexec(&mut self, number: usize, cloexec: bool) -> bool {
        let was = self.closes_on_exec(number);
        if was != cloexec {
            self.close_on_exec.get_or_insert_default().set(number, cloexec);
        }
        was
    }

    #[inline]
    fn closes_on_exec(&self, number: usize) -> bool {
        self.close_on_exec.as_ref().is_some_and(|bits| bits.get(number))
    }

    #[inline(always)]
    fn put(&mut self, number: usize, entry: Entry) -> Entry {
        if self.table.len() <= number {
            self.lengthen(number + 1);
        }
        std::mem::replace(&mut self.table[number], entry)
    }

    #[cold]
    fn lengthen(&mut self, len: usize) {
        self.table.resize(len, FREE);
    }

    /// Takes the descriptor of this number out.
    ///
    /// # Errors
    /// `EBADF`: it is not open.
    #[inline]
    pub(super) fn take(&mut self, fd: RawFd) -> Result<Descriptor> {
        let descriptor = self.descriptor(fd)?;
        self.unreserve(fd);
        Ok(descriptor)
    }

    /// Sets or clears `FD_CLOEXEC`.
    ///
    /// # Errors
    /// `EBADF`: it is not open.
    pub(super) fn set_cloexec(&mut self, fd: RawFd, cloexec: bool) -> Result<()> {
        self.file(fd)?;
        self.close_on_exec.get_or_insert_default().set(index(fd), cloexec);
        Ok(())
    }

    /// Takes the open descriptor with the lowest number out.
    pub(super) fn take_first(&mut self) -> Option<Descriptor> {
        let number = self.table.iter().position(|entry| open(*entry).is_some())?;
        let cloexec = self.closes_on_exec(number);
        open(self.put(number, FREE)).map(|file| Descriptor { file, cloexec })
    }
}

/// A number of the table as one that is kept.
#[inline(always)]
fn number_of(index: usize) -> u32 {
    u32::try_from(index).expect("RLIMIT_NOFILE keeps descriptors in the range of int")
}

/// The index of a number that is in the table.
#[inline(always)]
fn index(fd: RawFd) -> usize {
    usize::try_from(fd).expect("a number of the table is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    #[test]
    fn the_lowest_free_number_is_taken() {
        let key = Slab::new().insert(());
        let mut process = Process::new(Credentials::default());
        let install = |process: &mut Process, from| {
            let fd = process.reserve(from)?;
            assert_eq!(process.descriptor(fd).unwrap_err(), Errno::BADF, "a reserved number is not open");
            process.fill(fd, key, false);
            Ok(fd)
        };
        for expected in 0..4 {
            assert_eq!(install(&mut process, 0), Ok(expected));
        }
        assert!(process.take(1).is_ok() && process.take(2).is_ok());
        assert_eq!(install(&mut process, 2), Ok(2), "F_DUPFD starts from its argument");
        assert_eq!(install(&mut process, 0), Ok(1));
        assert_eq!(install(&mut process, 10), Ok(10));
        assert_eq!(install(&mut process, 0), Ok(4));
        process.rlimit_nofile = 6;
        let last = process.reserve(0);
        assert_eq!(last, Ok(5));
        assert_eq!(install(&mut process, 0), Err(Errno::MFILE));
        process.unreserve(5);
        assert_eq!(install(&mut process, 0), Ok(5));
        assert_eq!(process.replace(6, key, false).unwrap_err(), Errno::BADF);
    }
}
