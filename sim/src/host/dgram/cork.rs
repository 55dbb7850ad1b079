//! Whose page the data of corked datagrams lies in, and what else is written there meanwhile: `current->task_frag`, of which datagrams
//! and streams of all sockets take their places.

use super::super::Host;
use super::super::call::Call;
use super::super::cx::{Pid, Progress, Token};
use super::super::file::Object;
use crate::slab::Key;

/// The sockets that build a datagram.
#[derive(Debug, Default)]
pub(in crate::host) struct Corks(Vec<Key>);

impl Host {
    /// Whether any socket builds a datagram. Meanwhile streams go the long way, which takes note of what they send.
    #[inline]
    pub(in crate::host) fn has_corks(&self) -> bool {
        !self.corks.0.is_empty()
    }

    /// A call has ended that may have begun or ended a datagram.
    #[inline]
    pub(super) fn note_cork(&mut self, key: Key, is_built: bool) {
        if is_built || self.has_corks() {
            self.note_cork_slowly(key, is_built);
        }
    }

    #[inline(never)]
    fn note_cork_slowly(&mut self, key: Key, is_built: bool) {
        if !self.has_corks() {
            // Whoever remembers a stream looks it up again, and is sent the long way.
            self.tables = self.tables.wrapping_add(1);
        }
        let dgrams = &self.dgrams;
        self.corks.0.retain(|cork| *cork != key && dgrams.get(*cork).is_some());
        if is_built {
            self.corks.0.push(key);
        }
    }

    /// A thread has written into its page what belongs to this socket's datagram, or to none that is corked.
    #[inline]
    pub(super) fn turn_page(&mut self, thread: Token, of: Option<Key>) {
        for cork in &self.corks.0 {
            if let Some(dgram) = self.dgrams.get_mut(*cork).filter(|_| Some(*cork) != of) {
                dgram.udp.turn_page(thread.0);
            }
        }
    }

    /// A call has been made; if it is one that sends on a stream, it has written into the page of its thread.
    pub(in crate::host) fn note_stream_sent(&mut self, pid: Pid, thread: Token, call: &Call<'_, '_>, progress: &Progress) {
        let (Call::Sendto { fd, .. } | Call::Sendmsg { fd, .. } | Call::Write { fd, .. } | Call::Writev { fd, .. }) = call else {
            return;
        };
        let is_stream = self.file_of(pid, *fd).is_ok_and(|file| matches!(self.files[file].object, Object::Socket(_)));
        let has_written = match progress {
            Progress::Done(sent) => sent.is_ok_and(|len| len > 0),
            Progress::Parked(_) => true,
        };
        if is_stream && has_written {
            self.turn_page(thread, None);
        }
    }
}
