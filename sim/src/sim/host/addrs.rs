//! The addresses of a host, changed.

use super::Host;
use std::net::IpAddr;

impl Host {
    /// Gives the host these addresses instead of those it has, besides loopback: what a lease that ran out, or a new network, does.
    ///
    /// Its name stands for the new ones at once (or not: [`NameFault::Stale`](crate::NameFault::Stale)). Sockets keep their names, as on Linux: a
    /// connection on an address that is gone sends nothing any more over IPv4, as there is no route for it, or what nobody can answer over IPv6; what is sent
    /// to the address is lost; both ends find out by their timers, unless the address comes back. New connections and sockets use the addresses that
    /// there are, and `bind` to one that is gone answers `EADDRNOTAVAIL`. A host keeps its addresses when it boots.
    ///
    /// ```
    /// use twinsock::net::{TcpListener, TcpStream};
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     let (server, client) = (sim.host("server"), sim.host("client"));
    ///     server.set_addrs(&["10.1.0.9".parse().unwrap()]);
    ///     server.spawn("server", |net| TcpListener::bind(&net, "0.0.0.0:80").unwrap().accept().map(drop));
    ///     sim.run_for(std::time::Duration::from_millis(1));
    ///     client.spawn("client", |net| {
    ///         let stream = TcpStream::connect(&net, "server:80").unwrap();
    ///         assert_eq!(stream.peer_addr().unwrap().to_string(), "10.1.0.9:80");
    ///     });
    /// });
    /// report.unwrap();
    /// ```
    ///
    /// # Panics
    /// If one of them is another host's.
    pub fn set_addrs(&self, addrs: &[IpAddr]) {
        self.act(|scheduler| scheduler.world_mut().set_addrs(self.id, addrs));
    }

    /// Gives the host one more address.
    ///
    /// # Panics
    /// If it is another host's.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let host = sim.host("a");
    /// host.add_addr("192.0.2.1".parse().unwrap());
    /// assert_eq!(host.addrs().len(), 3);
    /// # }).unwrap();
    /// ```
    pub fn add_addr(&self, addr: IpAddr) {
        let mut addrs = self.addrs();
        if !addrs.contains(&addr) {
            addrs.push(addr);
            self.set_addrs(&addrs);
        }
    }

    /// Takes an address from the host: see [`Host::set_addrs`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let host = sim.host("a");
    /// host.remove_addr(host.ipv4());
    /// assert!(host.addrs().iter().all(|addr| addr.is_ipv6()));
    /// # }).unwrap();
    /// ```
    pub fn remove_addr(&self, addr: IpAddr) {
        let mut addrs = self.addrs();
        addrs.retain(|own| *own != addr);
        self.set_addrs(&addrs);
    }
}
