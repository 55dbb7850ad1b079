//! What can be done to the network, as methods of the simulation: each hands on to that of [`Network`].

use super::{Network, RuleGuard};
use crate::link::Link;
use crate::sim::{Host, Sim};
use crate::world::{Fate, PacketView};

impl Sim {
    /// A handle of the network that programs of the simulation can keep.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// let network = sim.network();
    /// sim.host("operator").spawn("operator", move |_net| network.cut(&a, &b));
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn network(&self) -> Network {
        Network::new(&self.shared)
    }

    /// Sets the link of both directions between two hosts: see [`Network::link`], where there is an example.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::{Link, Sim};
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.link(&a, &b, Link::new().delay(Duration::from_millis(5)));
    /// # }).unwrap();
    /// ```
    pub fn link(&self, a: &Host, b: &Host, link: Link) {
        self.network().link(a, b, link);
    }

    /// Sets the link of one direction between two hosts: see [`Network::link_one_way`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::{Link, Sim};
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.link_one_way(&a, &b, Link::new().delay(Duration::from_millis(5)));
    /// # }).unwrap();
    /// ```
    pub fn link_one_way(&self, from: &Host, to: &Host, link: Link) {
        self.network().link_one_way(from, to, link);
    }

    /// Sets the link between all hosts that have none of their own: see [`Network::default_link`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::{Link, Sim};
    /// # Sim::builder().run(|sim| {
    /// sim.default_link(Link::new().delay(Duration::from_millis(5)));
    /// # }).unwrap();
    /// ```
    pub fn default_link(&self, link: Link) {
        self.network().default_link(link);
    }

    /// Cuts both ways between two hosts: see [`Network::cut`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.cut(&a, &b);
    /// # }).unwrap();
    /// ```
    pub fn cut(&self, a: &Host, b: &Host) {
        self.network().cut(a, b);
    }

    /// Cuts the way from one host to another: see [`Network::cut_one_way`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.cut_one_way(&a, &b);
    /// # }).unwrap();
    /// ```
    pub fn cut_one_way(&self, from: &Host, to: &Host) {
        self.network().cut_one_way(from, to);
    }

    /// Mends both ways between two hosts: see [`Network::heal`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.cut(&a, &b);
    /// sim.heal(&a, &b);
    /// # }).unwrap();
    /// ```
    pub fn heal(&self, a: &Host, b: &Host) {
        self.network().heal(a, b);
    }

    /// Mends the way from one host to another: see [`Network::heal_one_way`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.cut_one_way(&a, &b);
    /// sim.heal_one_way(&a, &b);
    /// # }).unwrap();
    /// ```
    pub fn heal_one_way(&self, from: &Host, to: &Host) {
        self.network().heal_one_way(from, to);
    }

    /// Cuts a host off from all others: see [`Network::isolate`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.isolate(&a);
    /// # drop(b);
    /// # }).unwrap();
    /// ```
    pub fn isolate(&self, host: &Host) {
        self.network().isolate(host);
    }

    /// Takes a host back that was isolated: see [`Network::rejoin`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.isolate(&a);
    /// sim.rejoin(&a);
    /// # drop(b);
    /// # }).unwrap();
    /// ```
    pub fn rejoin(&self, host: &Host) {
        self.network().rejoin(host);
    }

    /// Cuts all ways between two groups of hosts: see [`Network::partition`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.partition(&[&a], &[&b]);
    /// # }).unwrap();
    /// ```
    pub fn partition(&self, group: &[&Host], other: &[&Host]) {
        self.network().partition(group, other);
    }

    /// Mends everything: see [`Network::heal_all`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.cut(&a, &b);
    /// sim.heal_all();
    /// # }).unwrap();
    /// ```
    pub fn heal_all(&self) {
        self.network().heal_all();
    }

    /// Holds back what two hosts send each other: see [`Network::hold`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.hold(&a, &b);
    /// sim.release(&a, &b);
    /// # }).unwrap();
    /// ```
    pub fn hold(&self, a: &Host, b: &Host) {
        self.network().hold(a, b);
    }

    /// Sends what is held back between two hosts: see [`Network::release`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.hold(&a, &b);
    /// sim.release(&a, &b);
    /// # }).unwrap();
    /// ```
    pub fn release(&self, a: &Host, b: &Host) {
        self.network().release(a, b);
    }

    /// Makes a rule for what becomes of frames: see [`Network::rule`].
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// let no_resets = sim.rule(|frame| if frame.is_rst() { Fate::Drop } else { Fate::Pass });
    /// # drop((no_resets, a, b));
    /// # }).unwrap();
    /// ```
    pub fn rule(&self, decide: impl FnMut(&PacketView<'_>) -> Fate + 'static) -> RuleGuard {
        self.network().rule(decide)
    }

    /// Drops the `n`th of the frames that `which` picks: see [`Network::drop_nth`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// let first_syn = sim.drop_nth(&a, &b, 1, |frame| frame.is_syn());
    /// # drop(first_syn);
    /// # }).unwrap();
    /// ```
    pub fn drop_nth(&self, from: &Host, to: &Host, n: u64, which: impl FnMut(&PacketView<'_>) -> bool + 'static) -> RuleGuard {
        self.network().drop_nth(from, to, n, which)
    }
}
