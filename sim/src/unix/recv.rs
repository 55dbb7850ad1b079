//! What receiving has in common, `recvmsg(2)`: its flags, and what a call has found so far.

use super::addr::Address;
use super::{Kind, Outcome, UnixId, UnixSpace};
use std::io::IoSliceMut;
use std::sync::Arc;
use twinsock::control::Credentials;
use twinsock::{Instant, MsgFlags};

/// Flags of a receiving call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RecvFlags {
    /// `MSG_PEEK`.
    pub peek: bool,
    /// `MSG_TRUNC`: the answer is the message's real length (dgram and seqpacket).
    pub trunc: bool,
    /// `MSG_WAITALL`: wait for the full length (stream).
    pub waitall: bool,
    /// `MSG_OOB`.
    pub oob: bool,
    /// `MSG_DONTWAIT` or `O_NONBLOCK`; also at the deadline of a call that waited.
    pub nonblocking: bool,
}

/// What a receiving call has found; it is kept while the call waits.
#[derive(Debug)]
pub struct RecvState<F> {
    /// Bytes stored.
    pub copied: usize,
    /// The caller asks for the sender's name.
    pub wants_name: bool,
    /// The name of the sender, if it has one.
    pub name: Option<Arc<Address>>,
    /// What `SCM_CREDENTIALS` says: there if the socket has SO_PASSCRED.
    pub credentials: Option<Credentials>,
    /// When the datagram or record came: there if the socket has SO_TIMESTAMP or SO_TIMESTAMPNS.
    pub stamp: Option<Instant>,
    /// Descriptors that came with the data: the call's to install or to drop.
    pub rights: Vec<F>,
    /// They stay in the queue too: each one that is installed needs a reference of its own, the others need nothing.
    pub rights_peeked: bool,
    /// `MSG_TRUNC` and `MSG_OOB` as `msg_flags` has them.
    pub msg_flags: MsgFlags,
    /// Whose bytes are joined, under SO_PASSCRED.
    pub(super) writer: Option<Credentials>,
    /// How many bytes of a stream end the call, as `SO_RCVLOWAT` was at its first step.
    pub(super) target: Option<usize>,
}

impl<F> RecvState<F> {
    /// A call at its beginning; `wants_name`: it has room for the sender's name.
    #[must_use]
    pub const fn new(wants_name: bool) -> RecvState<F> {
        RecvState {
            copied: 0,
            wants_name,
            name: None,
            credentials: None,
            stamp: None,
            rights: Vec::new(),
            rights_peeked: false,
            msg_flags: MsgFlags::NONE,
            writer: None,
            target: None,
        }
    }

    /// Tells the credentials that were noted: `scm_recv`. At the end of a stream they are all 0.
    pub(super) fn tell_writer(&mut self) {
        let Credentials { pid, uid, gid } = self.writer.unwrap_or(Credentials { pid: 0, uid: 0, gid: 0 });
        let known = |id| if id == u32::MAX { OVERFLOW_ID } else { id };
        self.credentials = Some(Credentials { pid, uid: known(uid), gid: known(gid) });
    }
}

impl<F: Copy> UnixSpace<F> {
    /// Receives, `recvmsg(2)` and its kin: stores data behind the first `state.copied` bytes of `iov`, and what goes with it in `state`.
    ///
    /// A call that waited is made again with the same arguments and its `state`. A read of 0 bytes is not made at all (`read(2)`).
    ///
    /// # Errors
    /// `EAGAIN`: nothing is there; `Failure::wait` says where a call waits that may. The pending error, consumed.
    /// `EINVAL`: the stream is not connected, or has no urgent byte to be received out of line. `ENOTCONN`: the seqpacket socket is not
    /// connected. `EOPNOTSUPP`: `MSG_OOB` other than on a stream.
    #[inline]
    pub fn recv(&mut self, id: UnixId, iov: &mut [IoSliceMut<'_>], flags: RecvFlags, state: &mut RecvState<F>) -> Outcome<usize> {
        match self.socks[id].kind {
            Kind::Stream => self.recv_stream(id, iov, flags, state),
            Kind::Dgram | Kind::Seqpacket => self.recv_message(id, iov, flags, state),
        }
    }
}

/// What the kernel shows for an id that is none, `/proc/sys/kernel/overflowuid`.
const OVERFLOW_ID: u32 = 65_534;
