//! Names that do not resolve, slowly, or to the wrong addresses.

use super::Sim;
use super::network::Network;
use crate::world::NameFault;

impl Sim {
    /// Makes something wrong with a name, whoever asks for it, until [`Sim::heal_name`]. It need not be that of a host: with
    /// [`NameFault::Stale`] any name stands for any addresses.
    ///
    /// ```
    /// use twinsock::SocketApi;
    /// use twinsock_sim::{NameFault, Sim};
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     let host = sim.host("a");
    ///     sim.fail_name("a", NameFault::Again);
    ///     host.spawn("p", |net| {
    ///         let error = net.getaddrinfo("a", 80).unwrap_err();
    ///         assert!(error.to_string().contains("Temporary failure in name resolution"));
    ///     });
    ///     sim.run_to_end().unwrap();
    ///     sim.heal_name("a");
    ///     host.spawn("p", |net| assert!(net.getaddrinfo("a", 80).is_ok()));
    /// });
    /// report.unwrap();
    /// ```
    pub fn fail_name(&self, name: &str, fault: NameFault) {
        self.network().fail_name(name, fault);
    }

    /// Makes a name right again.
    ///
    /// ```
    /// use twinsock_sim::{NameFault, Sim};
    /// # Sim::builder().run(|sim| {
    /// sim.host("a");
    /// sim.fail_name("a", NameFault::NoName);
    /// sim.heal_name("a");
    /// # }).unwrap();
    /// ```
    pub fn heal_name(&self, name: &str) {
        self.network().heal_name(name);
    }
}

impl Network {
    /// As [`Sim::fail_name`].
    ///
    /// ```
    /// use twinsock_sim::{NameFault, Sim};
    /// # Sim::builder().run(|sim| {
    /// let network = sim.network();
    /// sim.host("operator").spawn("operator", move |_net| network.fail_name("db", NameFault::Again));
    /// # }).unwrap();
    /// ```
    pub fn fail_name(&self, name: &str, fault: NameFault) {
        self.world(|world| world.set_name_fault(name, Some(fault)));
    }

    /// As [`Sim::heal_name`].
    ///
    /// ```
    /// use twinsock_sim::{NameFault, Sim};
    /// # Sim::builder().run(|sim| {
    /// let network = sim.network();
    /// network.fail_name("db", NameFault::Again);
    /// network.heal_name("db");
    /// # }).unwrap();
    /// ```
    pub fn heal_name(&self, name: &str) {
        self.world(|world| world.set_name_fault(name, None));
    }
}
