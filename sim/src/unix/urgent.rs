//! Urgent data on streams, `MSG_OOB` since Linux 5.15: `queue_oob`, `unix_stream_recv_urg`, `manage_oob`.
//!
//! The urgent byte is a message of its own in the queue. It is the mark until it is read, skipped, or another one comes; read out of line
//! it leaves an empty message behind.

use super::queue::{Store, byte_at, put_byte, stream_charge};
use super::recv::{RecvFlags, RecvState};
use super::send::SendState;
use super::{Caller, Failure, Kind, Outcome, UnixId, UnixSpace};
use std::io::{IoSlice, IoSliceMut};
use twinsock::{Errno, MsgFlags, Result};

impl<F: Copy> UnixSpace<F> {
    /// Whether the read position of a stream is at the mark, `SIOCATMARK`, or behind one that was read. A connection that waits counts.
    ///
    /// # Errors
    /// `EOPNOTSUPP`: not a stream.
    pub fn at_mark(&self, id: UnixId) -> Result<bool> {
        if self.socks[id].kind != Kind::Stream {
            return Err(Errno::OPNOTSUPP);
        }
        let queue = &self.socks[id].queue;
        let Some(first) = queue.records.front() else { return Ok(!self.socks[id].backlog.is_empty()) };
        let next_is_mark = queue.records.get(1).is_some_and(|next| next.is_mark);
        Ok(first.is_mark || (first.left() == 0 && (!queue.has_mark || next_is_mark)))
    }

    /// Queues the last byte as the urgent one.
    pub(super) fn send_urgent(
        &mut self,
        id: UnixId,
        other: UnixId,
        caller: &Caller,
        iov: &[IoSlice<'_>],
        state: &mut SendState<F>,
    ) -> Outcome<()> {
        self.reserve(id)?;
        // Unlike for plain bytes, there is no SIGPIPE.
        self.may_deliver(id, other, state).map_err(|failure| Failure { sigpipe: false, ..failure })?;
        let mut record = self.make_record(id, other, caller, &mut state.ancillary, 1, stream_charge(1));
        record.store = Store::Urgent(byte_at(iov, state.sent));
        record.is_mark = true;
        let queue = &mut self.socks[other].queue;
        queue.push_urgent(record);
        queue.inq_len += 1;
        self.wake(other, |wakes| wakes.readable = true);
        state.sent += 1;
        Ok(())
    }

    /// Receives the urgent byte out of line.
    pub(super) fn recv_urgent(
        &mut self,
        id: UnixId,
        iov: &mut [IoSliceMut<'_>],
        flags: RecvFlags,
        state: &mut RecvState<F>,
    ) -> Result<usize> {
        let sock = &mut self.socks[id];
        let Some(mut index) = sock.queue.mark().filter(|_| !sock.options.oobinline) else {
            return Err(Errno::INVAL);
        };
        if !flags.peek {
            sock.queue.clear_mark();
            sock.queue.inq_len -= 1;
            if index > 0 && sock.queue.records[index - 1].left() == 0 {
                index -= 1;
                self.drop_record(id, index);
            }
        }
        let record = &mut self.socks[id].queue.records[index];
        if let Store::Urgent(byte) = record.store {
            put_byte(byte, iov, 0);
        }
        if !flags.peek {
            record.consumed = 1;
        }
        state.msg_flags |= MsgFlags::OOB;
        Ok(1)
    }

    /// `manage_oob`: a reader is at an empty message or at the mark. Where it goes on; `None`: nowhere.
    pub(super) fn pass_mark(&mut self, id: UnixId, at: usize, peek: bool, state: &mut RecvState<F>) -> Option<usize> {
        let has_copied = state.copied > 0;
        let mut index = at;
        let queue = &self.socks[id].queue;
        let record = &queue.records[index];
        if record.left() == 0 {
            if has_copied && (!queue.has_mark || record.is_mark) {
                return None;
            }
            if peek {
                index += 1;
            } else {
                self.drop_record(id, index);
            }
        }
        let sock = &mut self.socks[id];
        if !sock.queue.records.get(index)?.is_mark {
            return Some(index);
        }
        if has_copied {
            return None;
        }
        let is_skipped = !sock.options.oobinline;
        if !peek {
            sock.queue.clear_mark();
            if is_skipped {
                self.drop_record(id, index);
            }
        } else if is_skipped {
            index += 1;
        }
        (index < self.socks[id].queue.records.len()).then_some(index)
    }

    /// Frees a message that nobody reads any more; the descriptors that came with it are dropped.
    fn drop_record(&mut self, id: UnixId, index: usize) {
        let record = self.socks[id].queue.remove(index);
        self.drop_rights(record.rights);
        self.uncharge(record.sender, record.charge);
    }
}
