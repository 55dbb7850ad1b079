//! Links that change, ways that are cut, and packets that are held back.

use super::super::{HostId, World};
use crate::link::Link;
use crate::trace::{Event, NetworkEvent, Place, What};
use twinsock::Instant;

impl World {
    /// Sets the link of every pair of hosts that has none of its own.
    ///
    /// Pairs that have exchanged packets already take it up as well.
    ///
    /// ```
    /// # use twinsock::{Instant, consts as c};
    /// # use twinsock_sim::choice::Choice;
    /// # use twinsock_sim::host::{Call, Credentials, HostConfig, Progress, Token};
    /// # use twinsock_sim::trace::Trace;
    /// # use twinsock_sim::world::World;
    /// # let mut world = World::new(Choice::from_seed(7), Trace::new());
    /// # let host = world.add_host("a", HostConfig { addrs: vec!["10.0.0.1".parse().unwrap()], ..HostConfig::default() });
    /// # let pid = world.spawn_process(host, Credentials::default());
    /// use twinsock_sim::Link;
    /// world.set_default_link(Link::new().delay(std::time::Duration::from_millis(10)));
    /// # assert_eq!(world.step(), None);
    /// ```
    pub fn set_default_link(&mut self, link: Link) {
        for (pair, at) in &self.path_index {
            if !self.links.contains_key(pair) {
                self.paths[*at].link = link.clone();
                self.paths[*at].direction.restart();
            }
        }
        if self.default_link != link {
            self.note_link(Place::WORLD, None);
        }
        self.default_link = link;
        self.refresh_all();
    }

    /// The link of every pair of hosts that has none of its own.
    #[must_use]
    pub(crate) fn default_link(&self) -> &Link {
        &self.default_link
    }

    /// Sets the link of both directions between two hosts.
    pub(crate) fn set_link(&mut self, a: HostId, b: HostId, link: Link) {
        self.set_link_one_way(a, b, link.clone());
        self.set_link_one_way(b, a, link);
    }

    /// Sets the link of one direction between two hosts. What is on its way stays there; what waits for its turn on the wire has had it.
    pub(crate) fn set_link_one_way(&mut self, from: HostId, to: HostId, link: Link) {
        if *self.link(from, to) != link {
            self.note_link(Place::host(from.0), Some(to));
        }
        if let Some(at) = self.path_index.get(&(from, to)).copied() {
            self.paths[at].link = link.clone();
            self.paths[at].direction.restart();
            self.refresh(at);
        }
        self.links.insert((from, to), link);
    }

    /// The link of one direction between two hosts.
    #[must_use]
    pub(crate) fn link(&self, from: HostId, to: HostId) -> &Link {
        self.links.get(&(from, to)).unwrap_or(&self.default_link)
    }

    /// The directions that have a link of their own.
    pub(crate) fn own_links(&self) -> impl Iterator<Item = ((HostId, HostId), &Link)> {
        self.links.iter().map(|(pair, link)| (*pair, link))
    }

    /// Cuts the way from a host to another: what is sent there is lost.
    pub(crate) fn cut(&mut self, from: HostId, to: HostId) {
        if self.wires.cuts.insert((from, to)) {
            self.note_network(NetworkEvent::Cut, from, Some(to));
            self.refresh_all();
        }
    }

    /// Mends the way from a host to another.
    pub(crate) fn heal(&mut self, from: HostId, to: HostId) {
        if self.wires.cuts.remove(&(from, to)) {
            self.note_network(NetworkEvent::Heal, from, Some(to));
            self.refresh_all();
        }
    }

    /// Cuts a host off from all others.
    pub(crate) fn isolate(&mut self, host: HostId) {
        if self.wires.isolated.insert(host) {
            self.note_network(NetworkEvent::Isolate, host, None);
            self.refresh_all();
        }
    }

    /// Takes a host back that was cut off from all others.
    pub(crate) fn rejoin(&mut self, host: HostId) {
        if self.wires.isolated.remove(&host) {
            self.note_network(NetworkEvent::Rejoin, host, None);
            self.refresh_all();
        }
    }

    /// Holds back what is sent from a host to another from here on.
    pub(crate) fn hold(&mut self, from: HostId, to: HostId) {
        if self.wires.holds.insert((from, to)) {
            self.note_network(NetworkEvent::Hold, from, Some(to));
            self.refresh_all();
        }
    }

    /// Puts on the wire what was held back from a host to another, in order.
    pub(crate) fn release(&mut self, from: HostId, to: HostId) {
        if !self.wires.holds.remove(&(from, to)) {
            return;
        }
        self.note_network(NetworkEvent::Release, from, Some(to));
        self.refresh_all();
        if let Some(at) = self.path_index.get(&(from, to)).copied() {
            for slot in std::mem::take(&mut self.paths[at].held) {
                self.enter(at, slot);
            }
        }
    }

    /// Mends every way, takes back every host that is cut off, and releases all that [`World::hold`] holds back.
    pub(crate) fn heal_all(&mut self) {
        for (from, to) in std::mem::take(&mut self.wires.cuts) {
            self.note_network(NetworkEvent::Heal, from, Some(to));
        }
        for host in std::mem::take(&mut self.wires.isolated) {
            self.note_network(NetworkEvent::Rejoin, host, None);
        }
        self.refresh_all();
        for (from, to) in self.wires.holds.clone() {
            self.release(from, to);
        }
    }

    /// Whether what a host sends to another now is lost because the way is cut, or one of them is cut off from all.
    #[must_use]
    pub(crate) fn is_cut(&self, from: HostId, to: HostId) -> bool {
        let wires = &self.wires;
        wires.cuts.contains(&(from, to)) || wires.isolated.contains(&from) || wires.isolated.contains(&to)
    }

    /// Whether packets are shown to rules, see [`World::take_unjudged`].
    pub(crate) fn set_judging(&mut self, judging: bool) {
        if self.wires.judging != judging {
            self.wires.judging = judging;
            self.refresh_all();
        }
    }

    /// The network as it is built is no event; what changes of it later is.
    fn note_link(&mut self, place: Place, to: Option<HostId>) {
        if self.now > Instant::ZERO {
            let what = What::Network { event: NetworkEvent::Link, to: to.map(|to| to.0) };
            self.trace.record(Event { at: self.now, place, what });
        }
    }

    fn note_network(&mut self, event: NetworkEvent, from: HostId, to: Option<HostId>) {
        let what = What::Network { event, to: to.map(|to| to.0) };
        self.trace.record(Event { at: self.now, place: Place::host(from.0), what });
    }

    /// Brings every path up to date with links, cuts, holds and rules.
    pub(in crate::world) fn refresh_all(&mut self) {
        (0..self.paths.len()).for_each(|at| self.refresh(at));
    }

    /// Brings a path up to date. Whoever asks for the story, or for what every host has gone through, sees every packet.
    pub(super) fn refresh(&mut self, at: usize) {
        let (from, to) = (self.paths[at].from, self.paths[at].to);
        let is_cut = self.is_cut(from, to);
        let is_held = self.wires.holds.contains(&(from, to));
        let is_watched = self.wires.judging || self.choice.keeps_story() || self.chains.is_some();
        let path = &mut self.paths[at];
        (path.is_cut, path.is_held) = (is_cut, is_held);
        let is_open = !is_cut && !is_held && !is_watched;
        path.direction.set_express(is_open.then_some(&path.link));
    }
}
