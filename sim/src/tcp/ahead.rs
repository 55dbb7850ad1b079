//! What of a control block the caches are made ready for. Nothing here has any effect but on time.

use super::config::Options;
use super::recv_buffer::RecvBuffer;
use super::send_buffer::SendBuffer;
use super::tcb::Tcb;
use crate::prefetch::{prefetch, prefetch_bytes};
use std::mem::offset_of;

impl Tcb {
    /// How much of a block, from its beginning on, the calm ways ([`calm.rs`](super::calm)) look at.
    pub(crate) const CALM_BYTES: usize = offset_of!(Tcb, options) + offset_of!(Options, rto_max_ms) + size_of::<u32>();
    /// The same of a receive that has only to wait.
    pub(crate) const CALM_TO_WAIT_BYTES: usize = offset_of!(Tcb, timestamps);

    /// Makes the caches ready for what ways that are not calm look at besides.
    pub(crate) fn prefetch_rest(&self) {
        let from = std::ptr::from_ref(self).wrapping_byte_add(Tcb::CALM_BYTES);
        prefetch_bytes(from.cast(), offset_of!(Tcb, size_goal) - Tcb::CALM_BYTES);
    }

    /// The same for the constants of its kernel.
    pub(crate) fn prefetch_constants(&self) {
        prefetch(&*self.sysctl);
    }

    /// The same for its send queue, from which the next bytes to be sent are found.
    pub(crate) fn prefetch_send(&self) {
        if let Some(send) = &self.send {
            prefetch_bytes(std::ptr::from_ref(&**send).cast(), SendBuffer::HOT_BYTES);
        }
    }

    /// The same for what these are put into.
    pub(crate) fn prefetch_chunk(&self) {
        if let Some(send) = &self.send {
            send.prefetch_next();
        }
    }

    /// The same for its receive queue.
    pub(crate) fn prefetch_recv(&self) {
        if let Some(recv) = &self.recv {
            prefetch_bytes(std::ptr::from_ref(&**recv).cast(), RecvBuffer::HOT_BYTES);
        }
    }
}
