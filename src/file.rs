//! [`SocketFile`]: a buffered file on a socket, what [`Socket::makefile`](crate::Socket::makefile) gives.

use crate::api::SocketApi;
use crate::errno::{Errno, Result};
use crate::raw::RawFd;
use crate::types::MsgFlags;
use std::fmt;
use std::io::{self, BufRead, Read, Write};

/// `BUFSIZ`: the size of a buffer when none is asked for.
const DEFAULT_BUFFER_BYTES: usize = 8192;

/// A buffered file on a duplicate of a socket's descriptor.
///
/// It reads by [`Read`], [`BufRead`] and [`readline`](SocketFile::readline), and writes by [`Write`]. A call that fails loses
/// nothing: what was received stays in the buffer for the next read, what was not sent for the next write. Dropping the file
/// flushes it, without a report of errors; [`close`](SocketFile::close) reports them.
///
/// ```
/// use std::io::Write;
/// use twinsock::{Domain, Os, Protocol, Socket, SocketApi, Type};
///
/// fn lines(api: &impl SocketApi) -> std::io::Result<()> {
///     let (a, b) = Socket::pair(api, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
///     let mut writer = a.makefile("w", -1)?;
///     write!(writer, "first\nsecond\n")?;
///     writer.flush()?;
///     let mut reader = b.makefile("r", -1)?;
///     assert_eq!(reader.readline()?, b"first\n");
///     assert_eq!(reader.readline()?, b"second\n");
///     Ok(())
/// }
/// lines(&Os).unwrap();
/// ```
pub struct SocketFile<A: SocketApi> {
    api: A,
    /// `None` after `close`.
    owned: Option<A::Socket>,
    mode: Mode,
    buffering: Buffering,
    input: Input,
    output: Vec<u8>,
}

/// What the file may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Read,
    Write,
    Update,
}

/// When output goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buffering {
    /// At once; and no more is received than is asked for.
    None,
    /// At the end of each line.
    Line,
    /// When this many bytes are there.
    Full(usize),
}

impl Mode {
    /// The mode behind `fopen(3)`'s string: `r`, `w` or `a`, then `+` and `b` at most once each, in any order.
    fn parse(mode: &str) -> Result<Mode> {
        let mut letters = mode.chars();
        let plain = match letters.next() {
            Some('r') => Mode::Read,
            Some('w' | 'a') => Mode::Write,
            Some(_) | None => return Err(Errno::INVAL),
        };
        match letters.as_str() {
            "" | "b" => Ok(plain),
            "+" | "+b" | "b+" => Ok(Mode::Update),
            _ => Err(Errno::INVAL),
        }
    }
}

impl Buffering {
    fn of(bufsize: i32) -> Buffering {
        match usize::try_from(bufsize) {
            Ok(0) => Buffering::None,
            Ok(1) => Buffering::Line,
            Ok(size) => Buffering::Full(size),
            Err(_) => Buffering::Full(DEFAULT_BUFFER_BYTES),
        }
    }

    /// How much is received at once, and kept before it is sent.
    fn bytes(self) -> usize {
        match self {
            Buffering::None => 1,
            Buffering::Line => DEFAULT_BUFFER_BYTES,
            Buffering::Full(size) => size,
        }
    }
}

/// What has been received and not read: `bytes[start..end]`.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }

    /// Room for `count` more bytes behind the unread ones.
    fn room(&mut self, count: usize) -> Result<&mut [u8]> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let wanted = self.end + count;
        if self.bytes.len() < wanted {
            self.bytes.try_reserve(wanted - self.bytes.len()).map_err(|_| Errno::NOMEM)?;
            self.bytes.resize(wanted, 0);
        }
        Ok(&mut self.bytes[self.end..wanted])
    }
}

impl<A: SocketApi> SocketFile<A> {
    /// A file on the descriptor that `dup` makes.
    ///
    /// `mode` is `fopen(3)`'s: `"r"` to read, `"w"` or `"a"` to write, `"r+"`, `"w+"` or `"a+"` for both; a `b` changes nothing.
    /// `bufsize` 0 is unbuffered, 1 is buffered by lines, a larger one is the size of the buffer in bytes, a negative one leaves
    /// the size to the library (8192). A file that does both sends what is buffered before it waits for input.
    ///
    /// # Errors
    /// `EINVAL`: a bad mode. `ENOMEM`: no memory for the buffer. Those of `dup`.
    ///
    /// ```
    /// # use std::io::Write;
    /// # use twinsock::*;
    /// # let (a, b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
    /// let socket = a.into_owned().ok_or(Errno::BADF)?;
    /// let mut file = SocketFile::new(&Os, || Os.dup(&socket), "r+", 4096)?;
    /// file.write_all(b"hello")?;
    /// file.flush()?;
    /// assert_eq!(b.recv(16, MsgFlags::NONE)?, b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(api: &A, dup: impl FnOnce() -> Result<A::Socket>, mode: &str, bufsize: i32) -> Result<SocketFile<A>> {
        let (mode, buffering) = (Mode::parse(mode)?, Buffering::of(bufsize));
        let mut output = Vec::new();
        if mode != Mode::Read && buffering != Buffering::None {
            output.try_reserve(buffering.bytes()).map_err(|_| Errno::NOMEM)?;
        }
        let owned = Some(dup()?);
        Ok(SocketFile { api: api.clone(), owned, mode, buffering, input: Input::default(), output })
    }

    /// The descriptor's number; -1 after `close`.
    ///
    /// ```
    /// # use std::io::Write;
    /// # use twinsock::*;
    /// # let (a, b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
    /// let file = a.makefile("r", -1)?;
    /// assert_ne!(file.fileno(), a.fileno(), "a duplicate");
    /// # drop(b);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn fileno(&self) -> RawFd {
        self.owned.as_ref().map_or(-1, |owned| self.api.fileno(owned))
    }

    /// Reads a line with its newline. Without one it is the last line; an empty one is the end of the stream.
    ///
    /// # Errors
    /// `EBADF`: closed, or not open for reading. Those of [`SocketApi::recv`] except `EINTR`.
    ///
    /// ```
    /// # use std::io::Write;
    /// # use twinsock::*;
    /// # let (a, b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
    /// b.send(b"first\nlast", MsgFlags::NONE)?;
    /// drop(b);
    /// let mut file = a.makefile("r", -1)?;
    /// assert_eq!([file.readline()?, file.readline()?, file.readline()?], [&b"first\n"[..], b"last", b""]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn readline(&mut self) -> Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let unread = self.input.unread();
            if let Some(at) = unread[searched..].iter().position(|byte| *byte == b'\n') {
                return Ok(self.take(searched + at + 1));
            }
            searched = unread.len();
            match self.receive() {
                Ok(0) => return Ok(self.take(searched)),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Sends what is buffered and closes the descriptor; the socket that the file was made from stays open.
    ///
    /// The descriptor is closed in any case; all further operations fail with `EBADF`, a second `close` too.
    ///
    /// # Errors
    /// `EBADF`: closed already. What flushing or closing reports.
    ///
    /// ```
    /// # use std::io::Write;
    /// # use twinsock::*;
    /// # let (a, b) = Socket::pair(&Os, Domain::UNIX, Type::STREAM, Protocol::DEFAULT)?;
    /// let mut file = a.makefile("w", -1)?;
    /// file.write_all(b"buffered")?;
    /// file.close()?;
    /// assert_eq!(b.recv(16, MsgFlags::NONE)?, b"buffered");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close(&mut self) -> Result<()> {
        self.owned()?;
        let flushed = self.flush_output();
        self.output.clear();
        let owned = self.owned.take().ok_or(Errno::BADF)?;
        flushed.and(self.api.close(owned))
    }

    fn owned(&self) -> Result<&A::Socket> {
        self.owned.as_ref().ok_or(Errno::BADF)
    }

    fn readable(&self) -> Result<()> {
        match self.mode {
            Mode::Read | Mode::Update => self.owned().map(drop),
            Mode::Write => Err(Errno::BADF),
        }
    }

    fn writable(&self) -> Result<()> {
        match self.mode {
            Mode::Write | Mode::Update => self.owned().map(drop),
            Mode::Read => Err(Errno::BADF),
        }
    }

    /// The first `count` unread bytes.
    fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.input.unread()[..count].to_vec();
        self.input.consume(count);
        taken
    }

    /// Receives more behind the unread bytes: how many, 0 at the end of the stream.
    fn receive(&mut self) -> Result<usize> {
        self.readable()?;
        self.flush_output()?;
        let owned = self.owned.as_ref().ok_or(Errno::BADF)?;
        let count = self.api.recv(owned, self.input.room(self.buffering.bytes())?, MsgFlags::NONE)?;
        self.input.end += count;
        Ok(count)
    }

    fn send(&self, bytes: &[u8]) -> Result<usize> {
        self.api.send(self.owned()?, bytes, MsgFlags::NONE)
    }

    /// Sends what is buffered; what cannot be sent stays.
    fn flush_output(&mut self) -> Result<()> {
        let mut sent = 0;
        let outcome = loop {
            if sent == self.output.len() {
                break Ok(());
            }
            match self.send(&self.output[sent..]) {
                Ok(count) => sent += count,
                Err(Errno::INTR) => {}
                Err(errno) => break Err(errno),
            }
        };
        self.output.drain(..sent);
        outcome
    }

    /// Takes bytes that need not go out yet: how many.
    fn write_full(&mut self, bytes: &[u8]) -> Result<usize> {
        let size = self.buffering.bytes();
        if self.output.len() + bytes.len() > size {
            self.flush_output()?;
        }
        if bytes.len() >= size {
            return self.send(bytes);
        }
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Sends what ends with a newline and takes what follows it: how many bytes.
    fn write_lines(&mut self, bytes: &[u8]) -> Result<usize> {
        let Some(newline) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            return self.write_full(bytes);
        };
        self.flush_output()?;
        let (lines, rest) = bytes.split_at(newline + 1);
        let sent = self.send(lines)?;
        if sent < lines.len() {
            return Ok(sent);
        }
        let kept = rest.len().min(self.buffering.bytes());
        self.output.extend_from_slice(&rest[..kept]);
        Ok(sent + kept)
    }
}

impl<A: SocketApi> Read for SocketFile<A> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.readable()?;
        if into.is_empty() {
            return Ok(0);
        }
        if self.input.unread().is_empty() && into.len() >= self.buffering.bytes() {
            self.flush_output()?;
            return Ok(self.api.recv(self.owned()?, into, MsgFlags::NONE)?);
        }
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl<A: SocketApi> BufRead for SocketFile<A> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.readable()?;
        if self.input.unread().is_empty() {
            self.receive()?;
        }
        Ok(self.input.unread())
    }

    fn consume(&mut self, count: usize) {
        self.input.consume(count);
    }
}

impl<A: SocketApi> Write for SocketFile<A> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writable()?;
        let taken = match self.buffering {
            Buffering::None => self.send(bytes),
            Buffering::Line => self.write_lines(bytes),
            Buffering::Full(_) => self.write_full(bytes),
        };
        Ok(taken?)
    }

    /// Sends what is buffered.
    fn flush(&mut self) -> io::Result<()> {
        self.owned()?;
        Ok(self.flush_output()?)
    }
}

impl<A: SocketApi> Drop for SocketFile<A> {
    fn drop(&mut self) {
        if self.owned.is_some() {
            // Nobody is left to be told; `close` reports.
            self.flush_output().ok();
        }
    }
}

impl<A: SocketApi> fmt::Debug for SocketFile<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unread, unsent) = (self.input.unread().len(), self.output.len());
        write!(f, "SocketFile({}, {:?}, {unread} bytes unread, {unsent} unsent)", self.fileno(), self.mode)
    }
}
