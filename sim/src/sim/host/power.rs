//! Crash, restart, pause and resume of a host, and what it does when it boots.

use super::Host;
use crate::process::current;
use crate::process::scheduler::Scheduler;
use std::rc::Rc;

/// What befalls a whole machine. All of this may be done before a run, between its stretches, and by the programs of the simulation, at the
/// moment of their own clocks; what a thread does that is being unwound comes to nothing.
impl Host {
    /// The host loses its power.
    ///
    /// **Silence.** Its processes are gone and nothing is sent, no FIN and no RST: peers find out by their own timers, or by the RST of the host
    /// when it runs again. What it has sent before still arrives; what is on its way to it is lost. The stacks of its threads are unwound before
    /// anything else happens in the run: their destructors run, their calls answer `EIO`.
    ///
    /// **What is left** is what a disk holds: see [`Host::restart`]. A process that does this to its own host does not come back from it. Nothing
    /// happens to a host that is off.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::time::Duration;
    /// use twinsock::{Clock, Errno};
    /// use twinsock::net::{TcpListener, TcpStream};
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     let (server, client) = (sim.host("server"), sim.host("client"));
    ///     server.on_boot(|host| {
    ///         host.spawn_daemon("server", |net| {
    ///             let listener = TcpListener::bind(&net, "0.0.0.0:80").unwrap();
    ///             let open: Vec<_> = listener.incoming().collect();
    ///         });
    ///     });
    ///     sim.run_for(Duration::from_millis(1));
    ///     let asking = client.spawn("client", |net| {
    ///         let mut stream = TcpStream::connect(&net, "server:80").unwrap();
    ///         net.sleep(Duration::from_secs(60));
    ///         stream.write_all(b"are you there?").unwrap();
    ///         stream.read(&mut [0]).unwrap_err().raw_os_error()
    ///     });
    ///     sim.run_for(Duration::from_secs(1));
    ///     server.crash();
    ///     sim.run_for(Duration::from_secs(30));
    ///     server.restart();
    ///     sim.run_to_end().unwrap();
    ///     assert_eq!(asking.take(), Some(Some(Errno::CONNRESET.raw())), "the rebooted host knows no such connection");
    /// });
    /// report.unwrap();
    /// ```
    pub fn crash(&self) {
        self.act(|scheduler| scheduler.crash(self.id));
    }

    /// The host is switched on, after a [`crash`](Host::crash) if it was on: a fresh kernel under the same name and addresses, which answers to old
    /// connections with RST. Then it does what [`on_boot`](Host::on_boot) says.
    ///
    /// Plain files are there again, with owners, permissions and all that was written to them, as on a disk that is mounted with `sync`; so are the
    /// files of Unix sockets, to which nobody listens: `connect` answers `ECONNREFUSED`, and `bind` `EADDRINUSE` until somebody unlinks
    /// them. Files without a name, abstract names, pipes and everything else in memory are gone. Kernel constants are as
    /// [`HostConfig`](crate::HostConfig) and [`Host::sysctl`] set them; what a process set is forgotten.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::net::UdpSocket;
    /// use twinsock_sim::Sim;
    /// let run = Sim::builder().run(|sim| {
    ///     let host = sim.host("a");
    ///     host.on_boot(|host| {
    ///         host.spawn_daemon("dns", |net| UdpSocket::bind(&net, "0.0.0.0:53").unwrap().recv(&mut [0]).map(drop));
    ///     });
    ///     sim.run_for(Duration::from_secs(1));
    ///     host.restart();
    ///     sim.run_for(Duration::from_secs(1));
    ///     assert!(sim.netstat().contains("0.0.0.0:53"), "it boots, and does what it did before");
    /// });
    /// run.unwrap();
    /// ```
    pub fn restart(&self) {
        let is_done = self.act_unless_unwound(|scheduler| scheduler.restart(self.id));
        if is_done {
            self.shared.boot(self.id);
            self.stand_back();
        }
    }

    /// Whether it says what it does when it boots.
    pub(in crate::sim) fn boots(&self) -> bool {
        self.shared.has_boots(self.id)
    }

    /// The host loses its power, and whoever does it will call [`Host::recover`]; until then the run does not end, even if nobody is left. Answers
    /// whether there was power to lose.
    pub(in crate::sim) fn crash_for_a_while(&self) -> bool {
        let mut scheduler = self.shared.scheduler.borrow_mut();
        let is_up = scheduler.world().is_up(self.id);
        if is_up {
            scheduler.crash(self.id);
            scheduler.keep_going();
        }
        is_up
    }

    /// The host is switched on again, unless somebody has done so meanwhile.
    pub(in crate::sim) fn recover(&self) {
        self.shared.scheduler.borrow_mut().need_not_keep_going();
        if !self.is_up() {
            self.restart();
        }
    }

    /// Whether the host has power. One that is paused has.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let host = sim.host("a");
    /// host.crash();
    /// assert!(!host.is_up());
    /// host.restart();
    /// assert!(host.is_up());
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.shared.scheduler.borrow().world().is_up(self.id)
    }

    /// Does `boot` now, if the host is on, and again whenever it is switched on: what a machine's `init` starts. Those of one host follow each other in
    /// the order in which they were given.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     let (host, mut boots) = (sim.host("a"), 0);
    ///     host.on_boot(move |host| {
    ///         boots += 1;
    ///         host.spawn(&format!("boot {boots}"), |_net| {});
    ///     });
    ///     host.restart();
    /// });
    /// report.unwrap();
    /// ```
    pub fn on_boot(&self, mut boot: impl FnMut(&Host) + 'static) {
        let (shared, id) = (Rc::downgrade(&self.shared), self.id);
        if self.is_up() {
            boot(self);
        }
        let boot = move || {
            if let Some(shared) = shared.upgrade() {
                boot(&Host { shared, id });
            }
        };
        self.shared.add_boot(id, Box::new(boot));
    }

    /// The host stands still, as a virtual machine does whose hypervisor has other things to do: its processes and its kernel do nothing until
    /// [`Host::resume`].
    ///
    /// Its card goes on receiving into its ring, which holds [`NIC_RING_PACKETS`](crate::world::NIC_RING_PACKETS) packets; more are lost. Its clocks go
    /// on: programs find that time has passed, and everything that was to happen meanwhile is late. A process that is killed meanwhile ends when
    /// the host goes on. Nothing happens to a host that is off or paused.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::Clock;
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     let host = sim.host("a");
    ///     let sleeper = host.spawn("sleeper", |net| {
    ///         net.sleep(Duration::from_secs(1));
    ///         net.now().as_nanos() / 1_000_000_000
    ///     });
    ///     sim.run_for(Duration::from_millis(500));
    ///     host.pause();
    ///     sim.run_for(Duration::from_secs(60));
    ///     host.resume();
    ///     sim.run_to_end().unwrap();
    ///     assert_eq!(sleeper.take(), Some(60));
    /// });
    /// report.unwrap();
    /// ```
    pub fn pause(&self) {
        self.act(|scheduler| scheduler.pause(self.id));
    }

    /// The host goes on after a [`pause`](Host::pause): its overdue timers go off, then its kernel takes the packets out of the card's ring, then
    /// its processes go on. Nothing happens to a host that is not paused.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let host = sim.host("a");
    /// host.pause();
    /// sim.run_for(Duration::from_secs(1));
    /// host.resume();
    /// assert!(!host.is_paused());
    /// # }).unwrap();
    /// ```
    pub fn resume(&self) {
        self.act(|scheduler| scheduler.resume_host(self.id));
    }

    /// Whether the host stands still.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let host = sim.host("a");
    /// host.pause();
    /// assert!(host.is_paused() && host.is_up());
    /// # host.resume();
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.shared.scheduler.borrow().world().is_paused(self.id)
    }

    /// Acts upon the simulation, from outside or at the turn of the running thread.
    pub(super) fn act(&self, act: impl FnOnce(&mut Scheduler)) {
        if self.act_unless_unwound(act) {
            self.stand_back();
        }
    }

    /// Acts upon the simulation. Answers `false`, having done nothing, if the running thread is being unwound.
    fn act_unless_unwound(&self, act: impl FnOnce(&mut Scheduler)) -> bool {
        match current::running_in(self.shared.id) {
            None => act(&mut self.shared.scheduler.borrow_mut()),
            Some(running) => match running.enter() {
                Ok(mut scheduler) => act(&mut scheduler),
                Err(_) => return false,
            },
        }
        true
    }

    /// The running thread does not go on if its host does not.
    fn stand_back(&self) {
        let Some(running) = current::running_in(self.shared.id) else { return };
        let scheduler = self.shared.scheduler.borrow_mut();
        if !scheduler.is_on_running_host(running.thread) {
            drop(running.wait_for_turn(scheduler));
        }
    }
}
