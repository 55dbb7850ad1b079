//! What a connection needs for a while and the next one can have again: buffers that are empty, and what is left of it at its end.
//!
//! A connection that is over leaves its buffers here, and its host gives them to one that begins ([`Tcb::furnish`]). Without any a connection makes its
//! own, and notices no difference.

use super::recv_buffer::RecvBuffer;
use super::send_buffer::SendBuffer;
use super::tcb::Tcb;
use super::time_wait::TimeWait;
use crate::packet::Segment;

/// Buffers that nobody uses.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Spare {
    send: Option<Box<SendBuffer>>,
    recv: Option<Box<RecvBuffer>>,
    /// RSTs that wait to be sent; mostly none, and room for some.
    replies: Vec<Segment>,
    /// Not spare, but rare too: the rest of a connection that has just entered TIME-WAIT.
    pub(super) time_wait: Option<TimeWait>,
}

impl Tcb {
    /// Gives the block what an earlier connection has left.
    pub fn furnish(&mut self, mut spare: Box<Spare>) {
        if let Some(own) = &mut self.spare {
            std::mem::swap(&mut own.replies, &mut spare.replies);
        }
        self.spare = Some(spare);
    }

    /// A segment waits to be sent, before everything else.
    #[cold]
    pub(super) fn push_reply(&mut self, reply: Segment) {
        self.spare.get_or_insert_default().replies.push(reply);
        self.owes_replies = true;
    }

    /// The first such segment is sent.
    #[cold]
    pub(super) fn take_reply(&mut self, into: &mut Segment) {
        let Some(spare) = &mut self.spare else { return };
        *into = spare.replies.remove(0);
        self.owes_replies = !spare.replies.is_empty();
    }

    /// What the block leaves, which is gone: [`Tcb::is_gone`], or nobody asks for its data any more.
    pub fn take_spare(&mut self) -> Option<Box<Spare>> {
        self.spare_send();
        if let Some(mut recv) = self.recv.take()
            && recv.make_spare()
        {
            self.spare.get_or_insert_default().recv = Some(recv);
        }
        let mut spare = self.spare.take()?;
        self.owes_replies = false;
        spare.replies.clear();
        if spare.replies.capacity() > REPLIES_KEPT_MAX {
            spare.replies = Vec::new();
        }
        spare.time_wait = None;
        Some(spare)
    }

    /// The block is gone, and what it holds goes.
    pub fn let_go(&mut self) {
        self.send = None;
        self.recv = None;
        self.spare = None;
    }

    /// There is nothing to send any more.
    pub(super) fn spare_send(&mut self) {
        if let Some(mut send) = self.send.take()
            && send.make_spare()
        {
            self.spare.get_or_insert_default().send = Some(send);
        }
    }

    /// The send queue, made at the first need.
    #[inline]
    pub(super) fn send_buffer(&mut self) -> &mut SendBuffer {
        let Tcb { send, spare, .. } = self;
        send.get_or_insert_with(|| spare.as_mut().and_then(|spare| spare.send.take()).unwrap_or_default())
    }

    /// The receive queue, made at the first need.
    pub(super) fn recv_buffer(&mut self) -> &mut RecvBuffer {
        let Tcb { recv, spare, .. } = self;
        recv.get_or_insert_with(|| spare.as_mut().and_then(|spare| spare.recv.take()).unwrap_or_default())
    }
}

/// For how many answers that wait a connection leaves room to the next one.
const REPLIES_KEPT_MAX: usize = 8;
