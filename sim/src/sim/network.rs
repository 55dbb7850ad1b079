//! The network from outside: links, cuts, packets that are held back, rules. `network/of_sim.rs` is the same as methods of [`Sim`](crate::Sim).

mod of_sim;

use super::Host;
use crate::choice::{Choice, Door, StreamId};
use crate::host::InCsumErrors;
use crate::link::Link;
use crate::process::current::{self, Shared};
use crate::process::outside::Rule;
use crate::process::scheduler::Scheduler;
use crate::world::{Fate, HostId, PacketView, RuleId, World};
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use twinsock::Instant;

/// The network of a simulation: a handle that can be cloned, and kept by the simulation's own programs, so that a program can cut the way that its next
/// message would take. What [`Sim`](crate::Sim) can do to the network, this can.
///
/// What changes in the network changes for what is sent from then on. What is on its way arrives. Loopback is not part of the network: nothing of all
/// this happens to what a host sends to itself.
///
/// A program acts at its own moment of virtual time: whatever is due before happens first, as before a system call.
///
/// ```
/// use std::time::Duration;
/// use twinsock::{Clock, Errno};
/// use twinsock::net::{TcpListener, TcpStream};
/// use twinsock_sim::Sim;
///
/// let report = Sim::builder().run(|sim| {
///     let (server, client) = (sim.host("server"), sim.host("client"));
///     server.spawn_daemon("server", |net| TcpListener::bind(&net, "0.0.0.0:80").unwrap().accept().map(drop));
///     let network = sim.network();
///     client.clone().spawn("client", move |net| {
///         network.cut(&client, &server);
///         let gone = TcpStream::connect(&net, "server:80").unwrap_err();
///         assert_eq!(gone.raw_os_error(), Some(Errno::TIMEDOUT.raw()));
///         network.heal_all();
///         TcpStream::connect(&net, "server:80").unwrap();
///     });
/// });
/// report.unwrap();
/// ```
#[derive(Clone)]
pub struct Network {
    shared: Rc<Shared>,
}

impl Network {
    pub(super) fn new(shared: &Rc<Shared>) -> Network {
        Network { shared: Rc::clone(shared) }
    }

    fn with_scheduler<R>(&self, act: impl FnOnce(&mut Scheduler) -> R) -> R {
        if let Some(running) = current::running_in(self.shared.id)
            && let Ok(mut scheduler) = running.enter()
        {
            return act(&mut scheduler);
        }
        // Between the stretches of a run, and from a thread that is being unwound, which waits for nobody.
        act(&mut self.shared.scheduler.borrow_mut())
    }

    /// The current moment of virtual time, as [`Sim::now`](crate::Sim::now) gives it: for rules that note when they saw a frame.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let network = sim.network();
    /// assert_eq!(network.now(), sim.now());
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn now(&self) -> Instant {
        self.with_world(|world| world.now())
    }

    fn with_world<R>(&self, act: impl FnOnce(&mut World) -> R) -> R {
        self.with_scheduler(|scheduler| act(scheduler.world_mut()))
    }

    /// Sets the link of both directions between two hosts.
    ///
    /// What waits for its turn on the old link's wire arrives as if nothing had happened.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use twinsock_sim::{Link, Ratio, Sim};
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.link(&a, &b, Link::new().delay(Duration::from_millis(5)));
    /// sim.run_for(Duration::from_secs(10));
    /// sim.link(&a, &b, Link::new().delay(Duration::from_millis(5)).loss(Ratio::new(1, 2)));
    /// # }).unwrap();
    /// ```
    pub fn link(&self, a: &Host, b: &Host, link: Link) {
        self.with_world(|world| world.set_link(a.id, b.id, link));
    }

    /// Sets the link of one direction between two hosts.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use twinsock_sim::{Link, Sim};
    /// # Sim::builder().run(|sim| {
    /// # let (home, server) = (sim.host("home"), sim.host("server"));
    /// // ADSL: 16 Mbit/s down, 1 Mbit/s up.
    /// let line = Link::new().delay(Duration::from_millis(20)).queue_bytes(64 << 10);
    /// sim.network().link_one_way(&server, &home, line.clone().rate(2_000_000));
    /// sim.network().link_one_way(&home, &server, line.rate(125_000));
    /// # }).unwrap();
    /// ```
    pub fn link_one_way(&self, from: &Host, to: &Host, link: Link) {
        self.with_world(|world| world.set_link_one_way(from.id, to.id, link));
    }

    /// Sets the link between all hosts that have none of their own, those too that are added later.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use twinsock_sim::{Link, Sim};
    /// # Sim::builder().run(|sim| {
    /// sim.default_link(Link::new().delay(Duration::from_millis(1)).jitter(Duration::from_micros(100)));
    /// # }).unwrap();
    /// ```
    pub fn default_link(&self, link: Link) {
        self.with_world(|world| world.set_default_link(link));
    }

    /// Cuts both ways between two hosts: what they send each other is lost, and neither is told.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::time::Duration;
    /// use twinsock::net::{TcpListener, TcpStream};
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     let (server, client) = (sim.host("server"), sim.host("client"));
    ///     server.spawn("server", |net| {
    ///         let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:80").unwrap().accept().unwrap();
    ///         stream.read_to_end(&mut Vec::new()).unwrap();
    ///     });
    ///     sim.run_for(Duration::from_millis(1));
    ///     client.spawn("client", |net| TcpStream::connect(&net, "server:80").unwrap().write_all(b"hello").unwrap());
    ///     sim.cut(&server, &client);
    ///     sim.run_for(Duration::from_secs(10));
    ///     sim.heal(&server, &client);
    /// });
    /// let elapsed = report.unwrap().elapsed;
    /// assert!(elapsed > Duration::from_secs(10) && elapsed < Duration::from_secs(20), "the SYN is sent again");
    /// ```
    pub fn cut(&self, a: &Host, b: &Host) {
        self.with_world(|world| {
            world.cut(a.id, b.id);
            world.cut(b.id, a.id);
        });
    }

    /// Cuts the way from one host to another, and leaves the way back.
    ///
    /// ```
    /// # use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.cut_one_way(&a, &b);
    /// sim.heal_one_way(&a, &b);
    /// # }).unwrap();
    /// ```
    pub fn cut_one_way(&self, from: &Host, to: &Host) {
        self.with_world(|world| world.cut(from.id, to.id));
    }

    /// Mends both ways between two hosts. If one of them is isolated, it stays so.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.cut(&a, &b);
    /// sim.network().heal(&a, &b);
    /// # }).unwrap();
    /// ```
    pub fn heal(&self, a: &Host, b: &Host) {
        self.with_world(|world| {
            world.heal(a.id, b.id);
            world.heal(b.id, a.id);
        });
    }

    /// Mends the way from one host to another.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.cut(&a, &b);
    /// sim.network().heal_one_way(&b, &a); // a hears b, and b hears nothing
    /// # }).unwrap();
    /// ```
    pub fn heal_one_way(&self, from: &Host, to: &Host) {
        self.with_world(|world| world.heal(from.id, to.id));
    }

    /// Cuts a host off from all others, those too that are added later.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let leader = sim.host("leader");
    /// sim.isolate(&leader);
    /// sim.run_for(Duration::from_secs(30));
    /// sim.rejoin(&leader);
    /// # }).unwrap();
    /// ```
    pub fn isolate(&self, host: &Host) {
        self.with_world(|world| world.isolate(host.id));
    }

    /// Takes a host back that was isolated. Ways that were cut one by one stay cut.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.isolate(&a);
    /// sim.network().rejoin(&a);
    /// # drop(b);
    /// # }).unwrap();
    /// ```
    pub fn rejoin(&self, host: &Host) {
        self.with_world(|world| world.rejoin(host.id));
    }

    /// Cuts all ways between the hosts of one group and those of another.
    ///
    /// ```
    /// # use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let nodes = ["a", "b", "c", "d", "e"].map(|name| sim.host(name));
    /// let [a, b, c, d, e] = &nodes;
    /// sim.partition(&[a, b], &[c, d, e]);
    /// sim.heal_all();
    /// # }).unwrap();
    /// ```
    pub fn partition(&self, group: &[&Host], other: &[&Host]) {
        self.with_world(|world| {
            for (a, b) in group.iter().flat_map(|a| other.iter().map(move |b| (a.id, b.id))) {
                world.cut(a, b);
                world.cut(b, a);
            }
        });
    }

    /// Mends every way that is cut, takes back every host that is isolated, and releases what is held back.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.cut(&a, &b);
    /// sim.isolate(&a);
    /// sim.network().heal_all();
    /// # }).unwrap();
    /// ```
    pub fn heal_all(&self) {
        self.with_world(World::heal_all);
    }

    /// Holds back what two hosts send each other from here on: it is not lost, it waits.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     let (a, b) = (sim.host("a"), sim.host("b"));
    ///     let got = b.spawn("b", |net| {
    ///         let socket = twinsock::net::UdpSocket::bind(&net, "0.0.0.0:9").unwrap();
    ///         socket.recv(&mut [0; 9]).unwrap()
    ///     });
    ///     sim.hold(&a, &b);
    ///     a.spawn("a", |net| twinsock::net::UdpSocket::bind(&net, "0.0.0.0:0").unwrap().send_to(b"late", "b:9").map(drop));
    ///     sim.run_for(Duration::from_secs(1000));
    ///     assert_eq!(got.take(), None);
    ///     sim.release(&a, &b);
    ///     sim.run_for(Duration::from_secs(1));
    ///     assert_eq!(got.take(), Some(4));
    /// });
    /// report.unwrap();
    /// ```
    pub fn hold(&self, a: &Host, b: &Host) {
        self.hold_one_way(a, b);
        self.hold_one_way(b, a);
    }

    /// Holds back what one host sends to another, until [`Network::release_one_way`].
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.network().hold_one_way(&a, &b);
    /// sim.network().release_one_way(&a, &b);
    /// # }).unwrap();
    /// ```
    pub fn hold_one_way(&self, from: &Host, to: &Host) {
        self.with_world(|world| world.hold(from.id, to.id));
    }

    /// Sends what is held back between two hosts, in the order in which they sent it; it meets the link as if sent now.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.hold(&a, &b);
    /// sim.network().release(&a, &b);
    /// # }).unwrap();
    /// ```
    pub fn release(&self, a: &Host, b: &Host) {
        self.release_one_way(a, b);
        self.release_one_way(b, a);
    }

    /// Sends what is held back on the way from one host to another.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.hold(&a, &b);
    /// sim.network().release_one_way(&a, &b); // and what b sends still waits
    /// sim.network().release_one_way(&b, &a);
    /// # }).unwrap();
    /// ```
    pub fn release_one_way(&self, from: &Host, to: &Host) {
        self.with_world(|world| world.release(from.id, to.id));
    }

    /// Makes a rule: `decide` says of each frame that one host sends to another what becomes of it, before it meets its link. The rule holds until its
    /// guard is dropped. Of several rules the oldest that does not let a frame pass decides, and later ones do not see it. What a cut takes, no rule
    /// sees.
    ///
    /// Where a large TCP segment consists of many frames a rule sees each of them, and what it does to one leaves the others alone.
    ///
    /// `decide` runs between the events of the run, on nobody's stack and with nothing borrowed. It may keep state, use the network, hosts and
    /// processes from outside (cut, kill, make another rule, drop a guard), and panic, which ends the run. It is no program: a socket or clock used in it
    /// gives `EBADF`.
    ///
    /// ```
    /// use twinsock_sim::{Fate, Sim};
    ///
    /// # Sim::builder().run(|sim| {
    /// // The first answer of the web server is the last that it sends.
    /// let (server, network) = (sim.host("server"), sim.network());
    /// let guard = sim.network().rule(move |frame| {
    ///     if frame.from() == "server" && frame.src().port() == 80 && frame.is_data() {
    ///         network.isolate(&server);
    ///     }
    ///     Fate::Pass
    /// });
    /// assert_eq!(guard.hits(), 0);
    /// # drop(guard);
    /// # }).unwrap();
    /// ```
    pub fn rule(&self, decide: impl FnMut(&PacketView<'_>) -> Fate + 'static) -> RuleGuard {
        self.with_world(|world| world.set_judging(true));
        let (id, rule) = self.shared.add_rule(Box::new(decide));
        RuleGuard { network: self.clone(), id, rule }
    }

    /// Makes a rule that drops the `n`th of the frames from one host to another that `which` picks, and nothing else: `n` is 1 for the first.
    ///
    /// ```
    /// # use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// // "Drop the third data segment from a to b."
    /// let guard = sim.drop_nth(&a, &b, 3, |frame| frame.is_data());
    /// # drop(guard);
    /// # }).unwrap();
    /// ```
    pub fn drop_nth(&self, from: &Host, to: &Host, n: u64, which: impl FnMut(&PacketView<'_>) -> bool + 'static) -> RuleGuard {
        self.nth(from, to, n, Fate::Drop, which)
    }

    /// As [`Network::drop_nth`], of any fate.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use twinsock_sim::{Fate, Sim};
    /// # Sim::builder().run(|sim| {
    /// # let (a, b) = (sim.host("a"), sim.host("b"));
    /// let late = sim.network().nth(&a, &b, 1, Fate::Delay(Duration::from_secs(3)), |frame| frame.is_syn());
    /// # drop(late);
    /// # }).unwrap();
    /// ```
    pub fn nth(
        &self,
        from: &Host,
        to: &Host,
        n: u64,
        fate: Fate,
        mut which: impl FnMut(&PacketView<'_>) -> bool + 'static,
    ) -> RuleGuard {
        let (from, to) = (from.name(), to.name());
        let seen = Cell::new(0_u64);
        self.rule(move |frame| {
            if frame.from() != from || frame.to() != to || !which(frame) {
                return Fate::Pass;
            }
            seen.set(seen.get() + 1);
            if seen.get() == n { fate } else { Fate::Pass }
        })
    }

    /// How many packets came to a host with a wrong checksum, and were dropped: `InCsumErrors` of `/proc/net/snmp`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use twinsock::net::UdpSocket;
    /// use twinsock_sim::{Link, Ratio, Sim};
    ///
    /// # Sim::builder().run(|sim| {
    /// let (a, b) = (sim.host("a"), sim.host("b"));
    /// sim.link(&a, &b, Link::new().corruption(Ratio::ALWAYS));
    /// a.spawn("a", |net| UdpSocket::bind(&net, "0.0.0.0:0").unwrap().send_to(b"x", "b:9").unwrap());
    /// sim.run_for(Duration::from_secs(1));
    /// assert_eq!(sim.network().in_csum_errors(&b).udp, 1);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn in_csum_errors(&self, host: &Host) -> InCsumErrors {
        self.with_world(|world| world.host(host.id).in_csum_errors())
    }

    // For the swarm.

    pub(super) fn hosts(&self) -> Vec<HostId> {
        let count = u32::try_from(self.with_world(|world| world.host_count())).expect("fewer than 2^32 hosts");
        (0..count).map(HostId).collect()
    }

    pub(super) fn host(&self, id: HostId) -> Host {
        Host::new(&self.shared, id)
    }

    pub(super) fn world<R>(&self, act: impl FnOnce(&mut World) -> R) -> R {
        self.with_world(act)
    }

    pub(super) fn draw<R>(&self, door: Door, stream: &str, draws: impl FnOnce(&mut Choice, StreamId) -> R) -> R {
        self.with_world(|world| {
            let choice = world.choice_mut();
            let stream = choice.stream(door, stream);
            draws(choice, stream)
        })
    }

    pub(super) fn add_director(&self, at: Instant, direct: impl FnMut() -> Option<Instant> + 'static) {
        self.shared.add_director(at, Box::new(direct));
    }

    fn end_rule(&self, id: RuleId) {
        let is_judging = self.shared.remove_rule(id);
        self.with_world(|world| {
            world.set_judging(is_judging);
            world.rule_ended(id);
        });
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("simulation", &self.shared.id).finish_non_exhaustive()
    }
}

/// Keeps a rule in force: when it is dropped, the rule ends, and what it held back is sent. Made by [`Network::rule`].
///
/// ```
/// use twinsock_sim::Sim;
/// # Sim::builder().run(|sim| {
/// # let (a, b) = (sim.host("a"), sim.host("b"));
/// let rule = sim.drop_nth(&a, &b, 1, |frame| frame.is_syn());
/// drop(rule); // from here on nothing is dropped
/// # }).unwrap();
/// ```
#[must_use = "the rule ends when its guard is dropped"]
pub struct RuleGuard {
    network: Network,
    id: RuleId,
    rule: Rc<Rule>,
}

impl RuleGuard {
    /// How often the rule has decided on something other than to let a frame pass.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::net::{TcpListener, TcpStream};
    /// use twinsock_sim::Sim;
    /// let report = Sim::builder().run(|sim| {
    ///     let (a, b) = (sim.host("a"), sim.host("b"));
    ///     b.spawn("b", |net| TcpListener::bind(&net, "0.0.0.0:80").unwrap().accept().map(drop));
    ///     sim.run_for(Duration::from_millis(1));
    ///     let rule = sim.drop_nth(&a, &b, 1, |frame| frame.is_syn());
    ///     a.spawn("a", |net| TcpStream::connect(&net, "b:80").map(drop).unwrap());
    ///     sim.run_to_end().unwrap();
    ///     assert_eq!(rule.hits(), 1);
    /// });
    /// assert!(report.unwrap().elapsed > Duration::from_secs(1), "the SYN is sent again after a second");
    /// ```
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.rule.hits()
    }
}

impl Drop for RuleGuard {
    fn drop(&mut self) {
        self.network.end_rule(self.id);
    }
}

impl fmt::Debug for RuleGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleGuard").field("hits", &self.hits()).finish_non_exhaustive()
    }
}
