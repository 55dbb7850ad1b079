//! What sending has in common, `sendmsg(2)`: its flags, its state over waits, and the wait for send memory (`sock_alloc_send_pskb`).

use super::control::Ancillary;
use super::queue::{Record, Store};
use super::sock::{Life, State};
use super::{Caller, Failure, Kind, Outcome, UnixId, UnixSpace, WaitFor};
use crate::packet::Luck;
use std::io::IoSlice;
use twinsock::control::Credentials;
use twinsock::{Errno, Result};

/// Flags of a sending call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SendFlags {
    /// `MSG_OOB`: the last byte is urgent.
    pub oob: bool,
    /// `MSG_DONTWAIT` or `O_NONBLOCK`; also at the deadline of a call that waited.
    pub nonblocking: bool,
}

/// How far a sending call has come; it is kept while the call waits.
#[derive(Debug)]
pub struct SendState<F> {
    /// Bytes queued, of a stream.
    pub sent: usize,
    /// What the control messages say. Descriptors that are still here when the call is over are the host's to drop.
    pub ancillary: Ancillary<F>,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing is checked yet.
    Entry,
    /// The arguments are checked; send memory is needed.
    Memory,
    /// A message waits for room at this socket.
    Room(UnixId),
}

impl<F> SendState<F> {
    /// A call at its beginning.
    #[must_use]
    pub const fn new(ancillary: Ancillary<F>) -> SendState<F> {
        SendState { sent: 0, ancillary, stage: Stage::Entry }
    }
}

impl<F> Default for SendState<F> {
    fn default() -> SendState<F> {
        SendState::new(Ancillary { rights: Vec::new(), credentials: None })
    }
}

impl<F: Copy> UnixSpace<F> {
    /// What a sending call checks before it looks at control messages: the state of a seqpacket socket.
    ///
    /// # Errors
    /// The pending error, which is consumed. `ENOTCONN`.
    pub fn before_control(&mut self, id: UnixId) -> Result<()> {
        let sock = &mut self.socks[id];
        if sock.kind != Kind::Seqpacket {
            return Ok(());
        }
        match (sock.error.take(), sock.state) {
            (Some(error), _) => Err(error),
            (None, State::Established) => Ok(()),
            (None, State::Close | State::Listen) => Err(Errno::NOTCONN),
        }
    }

    /// Sends, `sendmsg(2)` and its kin. `to` is the destination, a `sockaddr`; none if it is empty.
    ///
    /// A call that waited is made again with the same arguments and its `state`. A stream takes as much as there is memory for: what is
    /// sent already is in `state`, and the answer once the call is not to wait any more.
    ///
    /// # Errors
    /// `EAGAIN`: no send memory, or the target's queue is full; `Failure::wait` says where a call waits that may.
    /// `EPIPE`: shut down here or for reading at the peer, or the peer is gone (SIGPIPE on a stream). The pending error, consumed.
    /// `ENOTCONN`: there is no peer. `EISCONN`, `EOPNOTSUPP`: a stream takes no destination. `EMSGSIZE`: larger than the buffer.
    /// `ECONNREFUSED`: the datagram's target is gone. `EPERM`: it is connected to another, or takes no descriptors. `EOPNOTSUPP`: urgent
    /// data other than on a stream, or none of it. `ENOBUFS`: a message larger than any memory. Those of [`UnixSpace::connect`] for `to`.
    #[expect(clippy::too_many_arguments, reason = "they are those of the system call, and time's and luck's substitutes")]
    pub fn send(
        &mut self,
        id: UnixId,
        caller: &Caller,
        iov: &[IoSlice<'_>],
        to: Option<&[u8]>,
        flags: SendFlags,
        state: &mut SendState<F>,
        luck: &mut dyn Luck,
    ) -> Outcome<usize> {
        let to = to.filter(|to| !to.is_empty());
        match self.socks[id].kind {
            Kind::Stream => match self.send_stream(id, caller, iov, to, flags, state) {
                Err(failure) if state.sent > 0 && (failure.wait.is_none() || flags.nonblocking) => Ok(state.sent),
                result => without_wait(result, flags),
            },
            Kind::Dgram => without_wait(self.send_message(id, caller, iov, to, flags, state, luck), flags),
            Kind::Seqpacket => {
                if state.stage == Stage::Entry {
                    self.before_control(id)?;
                }
                without_wait(self.send_message(id, caller, iov, None, flags, state, luck), flags)
            }
        }
    }

    /// `sock_alloc_send_pskb`: send memory is there, or it is waited for.
    #[inline]
    pub(super) fn reserve(&mut self, id: UnixId) -> Outcome<()> {
        let sock = &mut self.socks[id];
        if let Some(error) = sock.error.take() {
            return Err(error.into());
        }
        if sock.shutdown.write {
            return Err(Errno::PIPE.into());
        }
        if sock.has_memory() { Ok(()) } else { Err(Failure::waiting(WaitFor::Own)) }
    }

    /// A message that found no receiver is freed, which tells that there is send memory (`sock_wfree`).
    #[cold]
    pub(super) fn give_back(&mut self, id: UnixId) {
        if self.socks[id].is_writable(1) {
            self.wake(id, |wakes| wakes.writable = true);
        }
    }

    /// A message of `id` for `other`, charged to its sender (`unix_scm_to_skb`, `unix_maybe_add_creds`).
    #[inline]
    pub(super) fn make_record(
        &mut self,
        id: UnixId,
        other: UnixId,
        caller: &Caller,
        ancillary: &mut Ancillary<F>,
        len: usize,
        charge: u32,
    ) -> Record<F> {
        let receiver = &self.socks[other];
        let wants_credentials = receiver.options.passcred || receiver.life == Life::Embryo;
        let stamp = receiver.options.timestamp.then_some(self.now);
        let sock = &mut self.socks[id];
        let credentials = match ancillary.credentials {
            Some(credentials) => credentials,
            None if wants_credentials || sock.options.passcred => caller.credentials(),
            None => NOBODY,
        };
        sock.wmem += charge;
        sock.refs += 1;
        let rights = std::mem::take(&mut ancillary.rights);
        self.in_flight += rights.len();
        let store = Store::Ring;
        Record { sender: id, len, consumed: 0, charge, credentials, store, is_mark: false, peeked: false, stamp, rights }
    }
}

/// A call that does not wait gets no hint where to.
fn without_wait<T>(result: Outcome<T>, flags: SendFlags) -> Outcome<T> {
    result.map_err(|failure| Failure { wait: failure.wait.filter(|_| !flags.nonblocking), ..failure })
}

/// What a message says of its sender when nobody asked for it: no pid, and ids that are none.
pub(super) const NOBODY: Credentials = Credentials { pid: 0, uid: u32::MAX, gid: u32::MAX };
