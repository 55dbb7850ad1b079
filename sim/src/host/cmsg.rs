//! Control messages, `cmsg(3)`: read from what `sendmsg(2)` is given, written to what `recvmsg(2)` gives.

use twinsock::consts as c;
use twinsock::{Errno, Result};

/// A control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Control<'a> {
    pub(super) level: i32,
    pub(super) kind: i32,
    pub(super) data: &'a [u8],
}

/// The control messages in these bytes, `for_each_cmsghdr`.
///
/// # Errors
/// Of an item, `EINVAL`: its length does not fit; it is the last.
pub(super) fn messages(mut control: &[u8]) -> impl Iterator<Item = Result<Control<'_>>> {
    std::iter::from_fn(move || {
        if control.len() < HEADER_BYTES {
            return None;
        }
        let word = |at: usize| control[at..].first_chunk::<4>().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
        let len = control.first_chunk::<8>().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
        let (level, kind) = (word(8), word(12));
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len < HEADER_BYTES || len > control.len() {
            control = &[];
            return Some(Err(Errno::INVAL));
        }
        let data = &control[HEADER_BYTES..len];
        control = control.get(align(len)..).unwrap_or_default();
        Some(Ok(Control { level, kind, data }))
    })
}

/// Whether a socket takes this message of level SOL_SOCKET, `__sock_cmsg_send`: the right ones are for local sockets and ignored.
///
/// # Errors
/// `EINVAL`: it does not.
pub(super) fn check_socket_level(kind: i32) -> Result<()> {
    match kind {
        c::SCM_RIGHTS | c::SCM_CREDENTIALS | c::SO_TIMESTAMPING => Ok(()),
        _ => Err(Errno::INVAL),
    }
}

/// Writes control messages one behind the other, `put_cmsg`.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    room: &'a mut [u8],
    used: usize,
    /// Something did not fit: MSG_CTRUNC.
    pub(super) is_truncated: bool,
}

impl<'a> Writer<'a> {
    /// Writes into this room.
    pub(super) fn new(room: &'a mut [u8]) -> Writer<'a> {
        Writer { room, used: 0, is_truncated: false }
    }

    /// Appends a message; one that does not fit is cut, and dropped if not even its header fits.
    pub(super) fn put(&mut self, level: i32, kind: i32, data: &[u8]) {
        let free = &mut self.room[self.used..];
        if free.len() < HEADER_BYTES {
            self.is_truncated = true;
            return;
        }
        let whole = HEADER_BYTES + data.len();
        let len = whole.min(free.len());
        self.is_truncated |= len < whole;
        let written = u64::try_from(len).expect("a control message is short");
        free[..8].copy_from_slice(&written.to_ne_bytes());
        free[8..12].copy_from_slice(&level.to_ne_bytes());
        free[12..16].copy_from_slice(&kind.to_ne_bytes());
        free[HEADER_BYTES..len].copy_from_slice(&data[..len - HEADER_BYTES]);
        self.used += align(len).min(free.len());
    }

    /// How many bytes the messages take.
    pub(super) const fn used(&self) -> usize {
        self.used
    }
}

/// `CMSG_ALIGN` on a 64-bit machine.
const fn align(len: usize) -> usize {
    len.next_multiple_of(8)
}

/// `sizeof(struct cmsghdr)` on a 64-bit machine.
pub(super) const HEADER_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut room = [0; 45];
        let mut writer = Writer::new(&mut room);
        writer.put(1, 2, &[1, 2, 3, 4]);
        writer.put(0, 8, &[7]);
        assert!(writer.used() == 45 && !writer.is_truncated);
        let read: Vec<_> = messages(&room).collect();
        assert_eq!(read[0], Ok(Control { level: 1, kind: 2, data: &[1, 2, 3, 4] }));
        assert_eq!(read[1], Ok(Control { level: 0, kind: 8, data: &[7] }));
        assert_eq!(read.len(), 2);
        let mut writer = Writer::new(&mut room[..20]);
        writer.put(1, 2, &[0; 8]);
        assert!(writer.is_truncated && writer.used() == 20);
        assert_eq!(messages(&[0; 16]).collect::<Vec<_>>(), [Err(Errno::INVAL)]);
    }
}
