//! A host from outside: what runs on it, what it is called, what its kernel is set to. What befalls it is in `host/`.

mod addrs;
mod calls;
mod clock;
mod power;

use crate::api::Net;
use crate::host::Credentials;
use crate::process::coroutine::Carrier;
use crate::process::current::Shared;
use crate::process::scheduler::ProcId;
use crate::process::signal::Signal;
use crate::world::HostId;
use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

/// A host of a simulation. Clones are the same host, and may be kept by the programs of the simulation.
///
/// ```
/// use twinsock_sim::Sim;
/// # Sim::builder().run(|sim| {
/// let host = sim.host("a");
/// let operator = host.clone();
/// sim.host("b").spawn("operator", move |_net| operator.restart());
/// host.spawn("killed by the restart", |net| twinsock::Clock::sleep(&net, std::time::Duration::from_secs(3600)));
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Host {
    shared: Rc<Shared>,
    pub(super) id: HostId,
}

impl Host {
    pub(super) fn new(shared: &Rc<Shared>, id: HostId) -> Host {
        Host { shared: Rc::clone(shared), id }
    }

    /// Starts a process named `name` that runs `body`; the run ends when all such processes have ended.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let process = sim.host("a").spawn("p", |net| net.true_time().as_nanos());
    /// sim.run_to_end().unwrap();
    /// assert_eq!(process.take(), Some(0));
    /// # }).unwrap();
    /// ```
    pub fn spawn<T: 'static>(&self, name: &str, body: impl FnOnce(Net) -> T + 'static) -> Process<T> {
        self.process(name).spawn(body)
    }

    /// Starts a process that does not keep the run going: it is killed when all others have ended.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// use twinsock::net::TcpListener;
    /// sim.host("server").spawn_daemon("server", |net| {
    ///     for stream in TcpListener::bind(&net, "0.0.0.0:80").unwrap().incoming() {
    ///         drop(stream);
    ///     }
    /// });
    /// # }).unwrap();
    /// ```
    pub fn spawn_daemon<T: 'static>(&self, name: &str, body: impl FnOnce(Net) -> T + 'static) -> Process<T> {
        self.process(name).daemon().spawn(body)
    }

    /// A process that is to be started: root's, unless the builder is told otherwise.
    ///
    /// ```
    /// use twinsock::{Errno, net::TcpListener};
    /// use twinsock_sim::Sim;
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     sim.host("server").process("httpd").uid(33).gid(33).spawn(|net| {
    ///         let refused = TcpListener::bind(&net, "0.0.0.0:80").unwrap_err();
    ///         assert_eq!(refused.raw_os_error(), Some(Errno::ACCES.raw()));
    ///     });
    /// });
    /// report.unwrap();
    /// ```
    pub fn process<'a>(&'a self, name: &'a str) -> ProcessBuilder<'a> {
        ProcessBuilder { host: self, name, credentials: Credentials::default(), rlimit_nofile: None, daemon: false }
    }

    /// Sets a constant of the host's kernel by its Linux name, `sysctl(8)`, while the host runs: sockets follow as on Linux, some at once,
    /// some when they are made or connect. It is set again whenever the host boots, as by `sysctl.d(5)`.
    ///
    /// # Panics
    /// If there is no constant of that name, or it cannot have that value: a mistake of whoever builds the network.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| {
    /// let host = sim.host("server");
    /// host.sysctl("net.core.somaxconn", 128).sysctl("net.ipv4.ip_local_port_range", "40000 40099");
    /// assert_eq!(host.sysctl_value("net.core.somaxconn"), "128");
    /// # }).unwrap();
    /// ```
    pub fn sysctl(&self, name: &str, value: impl fmt::Display) -> &Host {
        let value = value.to_string();
        let set = self.shared.scheduler.borrow_mut().world_mut().set_sysctl(self.id, name, &value);
        if let Err(errno) = set {
            panic!("{name} cannot be set to {value}: {errno}");
        }
        self
    }

    /// A constant of the host's kernel by its Linux name, as `/proc/sys` shows it.
    ///
    /// # Panics
    /// If there is no constant of that name.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// assert_eq!(sim.host("a").sysctl_value("net.ipv4.tcp_syn_retries"), "6");
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn sysctl_value(&self, name: &str) -> String {
        let found = self.shared.scheduler.borrow().world().host(self.id).sysctl().get(name);
        found.unwrap_or_else(|| panic!("there is no kernel constant {name}"))
    }

    /// The addresses of the host, besides loopback.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// assert_eq!(sim.host("a").addrs(), ["10.0.0.1".parse::<std::net::IpAddr>().unwrap(), "fd00::1".parse().unwrap()]);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn addrs(&self) -> Vec<IpAddr> {
        self.shared.scheduler.borrow().world().addrs(self.id).to_vec()
    }

    /// The first IPv4 address of the host.
    ///
    /// # Panics
    /// If it was made without one.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// assert_eq!(sim.host("a").ipv4().to_string(), "10.0.0.1");
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn ipv4(&self) -> IpAddr {
        self.addrs().into_iter().find(IpAddr::is_ipv4).expect("the host has an IPv4 address")
    }

    /// The first IPv6 address of the host.
    ///
    /// # Panics
    /// If it was made without one.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// assert_eq!(sim.host("a").ipv6().to_string(), "fd00::1");
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn ipv6(&self) -> IpAddr {
        self.addrs().into_iter().find(IpAddr::is_ipv6).expect("the host has an IPv6 address")
    }

    /// The name of the host.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// assert_eq!(sim.host("a").name(), "a");
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn name(&self) -> String {
        self.shared.scheduler.borrow().world().host_name(self.id).to_owned()
    }
}

/// How a process is started. [`Host::process`] makes one.
///
/// ```
/// use twinsock_sim::Sim;
/// # Sim::builder().run(|sim| {
/// let host = sim.host("a");
/// let process = host.process("httpd").uid(33).gid(33).rlimit_nofile(64).spawn(|_net| "done");
/// sim.run_to_end().unwrap();
/// assert_eq!(process.take(), Some("done"));
/// # }).unwrap();
/// ```
#[derive(Clone)]
#[must_use = "the process starts with `spawn`"]
pub struct ProcessBuilder<'a> {
    host: &'a Host,
    name: &'a str,
    credentials: Credentials,
    rlimit_nofile: Option<u32>,
    daemon: bool,
}

impl ProcessBuilder<'_> {
    /// The user that it runs as, `credentials(7)`; 0, which may do everything, by default.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// sim.host("a").process("nobody").uid(65534).spawn(|net| {
    ///     assert!(twinsock::net::TcpListener::bind(&net, "0.0.0.0:80").is_err(), "a privileged port");
    /// });
    /// # }).unwrap();
    /// ```
    pub fn uid(mut self, uid: u32) -> Self {
        self.credentials.uid = uid;
        self
    }

    /// The group that it runs as; 0 by default.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// sim.host("a").process("nobody").uid(65534).gid(65534).spawn(|net| {
    ///     let (a, _b) = twinsock::net::UnixStream::pair(&net).unwrap();
    ///     assert_eq!(a.peer_cred().unwrap().gid, 65534);
    /// });
    /// # }).unwrap();
    /// ```
    pub fn gid(mut self, gid: u32) -> Self {
        self.credentials.gid = gid;
        self
    }

    /// Its limit on the numbers of descriptors, `RLIMIT_NOFILE` of `getrlimit(2)`; 1024 by default.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// use twinsock::SocketApi;
    /// sim.host("a").process("small").rlimit_nofile(1).spawn(|net| {
    ///     let _one = net.epoll_create().unwrap();
    ///     assert_eq!(net.epoll_create().err(), Some(twinsock::Errno::MFILE));
    /// });
    /// # }).unwrap();
    /// ```
    pub fn rlimit_nofile(mut self, limit: u32) -> Self {
        self.rlimit_nofile = Some(limit);
        self
    }

    /// It does not keep the run going: it is killed when all others have ended.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// sim.host("a").process("background").daemon().spawn(|net| loop {
    ///     twinsock::Clock::sleep(&net, std::time::Duration::from_secs(1));
    /// });
    /// # }).unwrap();
    /// ```
    pub fn daemon(mut self) -> Self {
        self.daemon = true;
        self
    }

    /// Starts the process, which runs `body`.
    ///
    /// # Panics
    /// If no stack can be mapped for its main thread, or the host is off.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let process = sim.host("a").process("p").spawn(|_net| 42);
    /// sim.run_to_end().unwrap();
    /// assert_eq!(process.take(), Some(42));
    /// # }).unwrap();
    /// ```
    pub fn spawn<T: 'static>(self, body: impl FnOnce(Net) -> T + 'static) -> Process<T> {
        let Host { shared, id: host } = self.host;
        let output = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&output);
        let mut scheduler = shared.scheduler.borrow_mut();
        assert!(scheduler.world().is_up(*host), "a host that is off runs no process {}: on_boot starts one", self.name);
        let net = Net::new(shared.id, scheduler.next_process());
        let stack_bytes = scheduler.stack_bytes;
        let carrier = Carrier::new(
            stack_bytes,
            Box::new(move || {
                let value = body(net);
                *slot.borrow_mut() = Some(value);
            }),
        )
        .expect("a stack for another simulated thread can be mapped (see vm.max_map_count)");
        let id = scheduler.spawn_process(*host, self.name, self.credentials, self.daemon, carrier);
        if let Some(limit) = self.rlimit_nofile {
            let pid = scheduler.process(id).pid;
            scheduler.world_mut().host_mut(*host).set_rlimit_nofile(pid, limit);
        }
        Process { shared: Rc::clone(shared), id, output }
    }
}

/// A process of a simulation.
///
/// ```
/// use std::time::Duration;
/// use twinsock_sim::Sim;
/// # Sim::builder().run(|sim| {
/// let process = sim.host("a").spawn("p", |net| twinsock::Clock::sleep(&net, Duration::from_secs(3600)));
/// sim.run_for(Duration::from_secs(1));
/// process.kill();
/// sim.run_to_end().unwrap();
/// assert_eq!((process.is_alive(), process.take()), (false, None));
/// # }).unwrap();
/// ```
pub struct Process<T> {
    shared: Rc<Shared>,
    id: ProcId,
    output: Rc<RefCell<Option<T>>>,
}

impl<T> Process<T> {
    /// Kills the process, as SIGKILL does: its sockets are closed by the kernel, then its threads are unwound. Takes effect before anything else
    /// happens in the run.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let process = sim.host("a").spawn("p", |net| twinsock::Clock::sleep(&net, Duration::from_secs(3600)));
    /// sim.run_for(Duration::from_secs(1));
    /// process.kill();
    /// sim.run_for(Duration::from_secs(1));
    /// assert!(!process.is_alive());
    /// # }).unwrap();
    /// ```
    pub fn kill(&self) {
        self.shared.scheduler.borrow_mut().kill(self.id);
    }

    /// Sends the process a signal whose handler does nothing, `kill(2)`: its main thread takes it. If that waits in a system call, the call
    /// ends, or begins again, as `signal(7)` says; otherwise nothing comes of it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::{Signal, Sim};
    /// # Sim::builder().run(|sim| {
    /// let process = sim.host("a").spawn("p", |net| {
    ///     let socket = twinsock::net::UdpSocket::bind(&net, "0.0.0.0:7").unwrap();
    ///     socket.recv(&mut [0]).unwrap_err().kind()
    /// });
    /// sim.run_for(Duration::from_secs(1));
    /// process.signal(Signal::Interrupting);
    /// sim.run_to_end().unwrap();
    /// assert_eq!(process.take(), Some(std::io::ErrorKind::Interrupted));
    /// # }).unwrap();
    /// ```
    pub fn signal(&self, signal: Signal) {
        let mut scheduler = self.shared.scheduler.borrow_mut();
        let main = scheduler.process(self.id).main;
        scheduler.signal(main, signal);
    }

    /// Whether the process has not ended.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let process = sim.host("a").spawn("p", |_net| {});
    /// assert!(process.is_alive());
    /// sim.run_to_end().unwrap();
    /// assert!(!process.is_alive());
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.shared.scheduler.borrow().is_alive(self.id)
    }

    /// What the process's main thread returned, once it has; `None` before that, after a kill, and the second time.
    ///
    /// ```
    /// use twinsock_sim::Sim;
    /// # Sim::builder().run(|sim| {
    /// let process = sim.host("a").spawn("p", |_net| "what it returns");
    /// assert_eq!(process.take(), None);
    /// sim.run_to_end().unwrap();
    /// assert_eq!(process.take(), Some("what it returns"));
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn take(&self) -> Option<T> {
        self.output.borrow_mut().take()
    }
}
