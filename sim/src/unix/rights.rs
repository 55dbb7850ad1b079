//! Descriptors in flight (`SCM_RIGHTS`) that nobody will receive: those of queues that are gone, and those of sockets that can only be
//! reached through each other's queues (`unix_gc`).

use super::sock::Life;
use super::{UnixId, UnixSpace};
use std::collections::{BTreeMap, BTreeSet};

impl<F: Copy> UnixSpace<F> {
    /// How many descriptors are in flight.
    #[cfg(test)]
    #[must_use]
    pub const fn rights_in_flight(&self) -> usize {
        self.in_flight
    }

    /// A descriptor that was in flight and will not be received: the host drops its reference. Polled until `None` after every call that
    /// may lose messages: close, connect, send, recv, [`UnixSpace::collect_garbage`].
    pub fn poll_dropped(&mut self) -> Option<F> {
        self.dropped.pop()
    }

    /// Drops the messages of sockets that no process can reach any more, `unix_gc`. Linux looks for them whenever a socket is freed, so a
    /// host calls this after every close and connect; it costs nothing while no descriptor is in flight. `file_of` says which socket a
    /// descriptor in flight is, if it is one, and how many references its file has in all, those in flight included.
    pub fn collect_garbage(&mut self, file_of: impl Fn(F) -> Option<(UnixId, usize)>) {
        if !std::mem::take(&mut self.may_have_garbage) || self.in_flight == 0 {
            return;
        }
        let edges = self.edges(&file_of);
        let reached = self.reachable(&edges);
        let is_lost = |id: &UnixId| !reached.contains(id) && edges.contains_key(id);
        let lost: BTreeMap<UnixId, BTreeSet<UnixId>> =
            edges.keys().filter(|id| is_lost(id)).map(|id| (*id, where_to(*id, &edges))).collect();
        // A group that holds only each other goes; what hangs on it is let go by that (`unix_scc_dead`).
        let is_last = |(id, reaches): &(&UnixId, &BTreeSet<UnixId>)| {
            reaches.iter().all(|next| lost.get(next).is_some_and(|back| back.contains(id)))
        };
        for (id, _) in lost.iter().filter(is_last) {
            self.purge(*id);
            for child in self.socks[*id].backlog.clone() {
                self.purge(child);
            }
        }
    }

    pub(super) fn drop_rights(&mut self, rights: Vec<F>) {
        self.in_flight -= rights.len();
        self.dropped.extend(rights);
    }

    /// The sockets in flight, the queues that they are in (a listener's, if that has not accepted the receiver yet), and whether a
    /// process has them too.
    fn edges(&self, file_of: &impl Fn(F) -> Option<(UnixId, usize)>) -> BTreeMap<UnixId, InFlight> {
        let mut edges: BTreeMap<UnixId, InFlight> = BTreeMap::new();
        let mut note = |queue_of: UnixId, receiver: UnixId| {
            for right in self.socks[queue_of].queue.records.iter().flat_map(|record| &record.rights) {
                if let Some((id, references)) = file_of(*right) {
                    let edge = edges.entry(id).or_default();
                    edge.count += 1;
                    edge.references = references;
                    edge.receivers.insert(receiver);
                }
            }
        };
        for (id, sock) in self.socks.iter().filter(|(_, sock)| sock.life == Life::Open) {
            note(id, id);
            for child in &sock.backlog {
                note(*child, id);
            }
        }
        edges
    }

    /// The sockets that a process has, and those that it could receive from them.
    fn reachable(&self, edges: &BTreeMap<UnixId, InFlight>) -> BTreeSet<UnixId> {
        let is_held = |id: &UnixId| edges.get(id).is_none_or(|edge| edge.references > edge.count);
        let open = self.socks.iter().filter(|(_, sock)| sock.life == Life::Open).map(|(id, _)| id);
        let mut reached: BTreeSet<UnixId> = open.filter(is_held).collect();
        loop {
            let receivable = edges.iter().filter(|(_, edge)| !edge.receivers.is_disjoint(&reached));
            let more: BTreeSet<UnixId> = receivable.map(|(id, _)| *id).filter(|id| !reached.contains(id)).collect();
            if more.is_empty() {
                return reached;
            }
            reached.extend(more);
        }
    }
}

/// A socket in flight.
#[derive(Debug, Default)]
struct InFlight {
    /// How often it is.
    count: usize,
    /// All references to its file.
    references: usize,
    /// In whose queues.
    receivers: BTreeSet<UnixId>,
}

/// The sockets whose queues hold a socket, directly or in one another.
fn where_to(id: UnixId, edges: &BTreeMap<UnixId, InFlight>) -> BTreeSet<UnixId> {
    let mut found = BTreeSet::new();
    let mut work = vec![id];
    while let Some(at) = work.pop() {
        let receivers = edges.get(&at).into_iter().flat_map(|edge| edge.receivers.iter().copied());
        work.extend(receivers.filter(|receiver| found.insert(*receiver)));
    }
    found
}
