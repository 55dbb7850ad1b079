//! Descriptors in flight (`SCM_RIGHTS`) that nobody will receive: those of queues that are gone, and those of sockets that can only be
//! reached through each other's queues (`unix_gc`).

use super::sock::Life;
use super::{UnixId, UnixSpace};
use std::collections::{BTreeMap, BTreeSet};

impl<F: Copy> UnixSpace<F> {
    /// How many descriptors are in flight.
    #[must_use]
    pub const fn rights_in_flight(&self) -> usize {
        self.in_flight
    }

    /// A descriptor that was in flight and will not be received: the host drops its reference. Polled until `None` after every call that
    /// may lose messages: close, connect, send, recv, [`UnixSpace::collect_garbage`].
    pub fn poll_dropped(&mut self) -> Option<F> {
        self.dropped.pop()
    }

    /// Drops the messages of sockets that no process can reach any more, `unix_gc`: for the host to call after a close, while descriptors
    /// are in flight. `file_of` says which socket a descriptor in flight is, if it is one, and how many references its file has in all.
    pub fn collect_garbage(&mut self, file_of: impl Fn(F) -> Option<(UnixId, usize)>) {
        if self.in_flight == 0 {
            return;
        }
        let reached = self.reachable(&file_of);
        let lost = |(id, _): &(UnixId, _)| !reached.contains(id);
        let garbage: Vec<UnixId> = self.socks.iter().filter(lost).map(|(id, _)| id).collect();
        for id in garbage {
            self.purge(id);
        }
    }

    pub(super) fn drop_rights(&mut self, rights: Vec<F>) {
        self.in_flight -= rights.len();
        self.dropped.extend(rights);
    }

    /// The sockets that a process has, and those that it could receive from them.
    fn reachable(&self, file_of: &impl Fn(F) -> Option<(UnixId, usize)>) -> BTreeSet<UnixId> {
        // Of each socket in flight, how often it is, and how many references there are.
        let mut in_flight: BTreeMap<UnixId, (usize, usize)> = BTreeMap::new();
        for (_, sock) in self.socks.iter() {
            for right in sock.queue.records.iter().flat_map(|record| &record.rights) {
                if let Some((id, references)) = file_of(*right) {
                    let (count, of) = in_flight.entry(id).or_default();
                    *count += 1;
                    *of = references;
                }
            }
        }
        let is_held = |id: &UnixId| in_flight.get(id).is_none_or(|(count, references)| references > count);
        let open = self.socks.iter().filter(|(_, sock)| sock.life == Life::Open).map(|(id, _)| id);
        let mut work: Vec<UnixId> = open.filter(is_held).collect();
        let mut reached: BTreeSet<UnixId> = work.iter().copied().collect();
        while let Some(id) = work.pop() {
            let sock = &self.socks[id];
            let rights = sock.queue.records.iter().flat_map(|record| &record.rights);
            let received = rights.filter_map(|right| file_of(*right).map(|(id, _)| id));
            let accepted = sock.backlog.iter().copied();
            for next in received.chain(accepted) {
                if reached.insert(next) {
                    work.push(next);
                }
            }
        }
        reached
    }
}
