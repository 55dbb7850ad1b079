//! [`Net`]: the door through which a simulated program reaches its world.
//!
//! A `Net` stands for one process. It may be copied and sent anywhere, and so may its sockets; they work while a thread of that process
//! runs, and answer EBADF anywhere else.

mod dgram;
mod disturbed;
mod files;
mod opening;
mod own;
mod parts;
mod plain;
mod transfer;

pub use own::Tid;

use crate::host::Call;
use crate::process::coroutine::{self, Carrier};
use crate::process::current::{self, Calling, Owner, Running};
use crate::process::scheduler::{ProcId, ThreadId, Wait};
use crate::seldom::unlikely;
use crate::world::LookupError;
use std::io;
use std::mem::ManuallyDrop;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use twinsock::raw::{RawFd, Vouch};
use twinsock::{Clock, Entropy, Errno, Instant, JoinThread, Result, SocketApi, Spawn};

pub use crate::host::WALL_START_SECONDS;

/// The world of one simulated process: its host's sockets, the virtual clock, its threads, its randomness.
///
/// ```
/// use twinsock::{Clock, Entropy, net::UdpSocket};
/// use twinsock_sim::{Net, Sim};
/// let report = Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net: Net| {
///         let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
///         let mut nonce = [0; 8];
///         net.fill(&mut nonce);
///         net.sleep(std::time::Duration::from_secs(1));
///         socket.send_to(&nonce, "127.0.0.1:9").unwrap();
///     });
/// });
/// report.unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Net {
    owner: Owner,
}

/// A descriptor of a simulated process; dropping it closes it.
///
/// ```
/// use twinsock::{Domain, Protocol, SockFlags, SocketApi, Type};
/// let run = twinsock_sim::Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| {
///         let socket = net.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::TCP).unwrap();
///         assert_eq!(net.fileno(&socket), 0, "the lowest that is free");
///     });
/// });
/// run.unwrap();
/// ```
#[derive(Debug)]
pub struct NetSocket {
    net: Net,
    fd: RawFd,
}

impl Net {
    pub(crate) fn new(sim: u32, process: ProcId) -> Net {
        Net { owner: Owner::new(sim, process) }
    }

    /// Its simulation's number.
    pub(crate) fn sim(self) -> u32 {
        self.owner.sim()
    }

    #[inline(always)]
    pub(crate) fn running(self) -> Result<Calling> {
        current::running(self.owner)
    }

    /// Makes a system call: waits for its turn, then for as long as the call does.
    fn call(self, mut call: Call<'_, '_>) -> Result<usize> {
        let running = self.running()?;
        let scheduler = running.enter()?;
        running.call(scheduler, &mut call)
    }

    fn call_done(self, call: Call<'_, '_>) -> Result<()> {
        self.call(call).map(|_| ())
    }

    fn call_number(self, call: Call<'_, '_>) -> Result<RawFd> {
        self.call(call).map(number)
    }
}

/// `close(2)`.
fn close(running: &Running, fd: RawFd) -> Result<()> {
    let scheduler = running.enter()?;
    running.call_one(scheduler, &mut Call::Close { fd }).map(|_| ())
}

/// The answer of a call that is a descriptor or a set of flags.
fn number(answer: usize) -> RawFd {
    RawFd::try_from(answer).expect("a call's small number fits an int")
}

impl Drop for NetSocket {
    fn drop(&mut self) {
        let running = if self.fd < 0 { None } else { current::running_quietly(self.net.owner) };
        match running {
            None => {}
            Some(running) if std::thread::panicking() => running.close_without_waiting(self.fd),
            // close(2) releases the descriptor whatever it answers, and a destructor has nobody to tell.
            Some(running) => drop(close(&running, self.fd)),
        }
    }
}

impl SocketApi for Net {
    type Socket = NetSocket;
    type Calls = Net;

    fn calls(&self, _vouch: Vouch<Net>) -> &Net {
        self
    }

    fn fileno(&self, socket: &NetSocket) -> RawFd {
        if socket.net == *self { socket.fd } else { -1 }
    }

    fn adopt(&self, fd: RawFd, _vouch: Vouch<Net>) -> NetSocket {
        NetSocket { net: *self, fd }
    }

    fn release(&self, mut socket: NetSocket) -> RawFd {
        std::mem::replace(&mut socket.fd, -1)
    }

    fn getaddrinfo(&self, node: &str, port: u16) -> io::Result<Vec<std::net::SocketAddr>> {
        let with_port = |ip: IpAddr| std::net::SocketAddr::new(ip, port);
        if let Ok(ip) = node.parse::<IpAddr>() {
            return Ok(vec![with_port(ip)]);
        }
        if node == "localhost" {
            return Ok(vec![with_port(IpAddr::V4(Ipv4Addr::LOCALHOST)), with_port(IpAddr::V6(Ipv6Addr::LOCALHOST))]);
        }
        let running = self.running()?;
        let mut scheduler = running.enter()?;
        scheduler.charge(running.thread);
        let time = scheduler.world().resolve_time(node);
        if !time.is_zero() {
            drop(scheduler);
            self.sleep(time);
            scheduler = running.enter()?;
        }
        scheduler.note_lookup(running.thread, node);
        // As std tells it of gai_strerror(3).
        let error = match scheduler.world().resolve(node) {
            Ok(addrs) => return Ok(addrs.iter().map(|ip| with_port(*ip)).collect()),
            Err(LookupError::Again) => "Temporary failure in name resolution",
            Err(LookupError::NoName) => "Name or service not known",
        };
        Err(io::Error::other(format!("failed to lookup address information: {error} ({node})")))
    }
}

impl Clock for Net {
    /// The host's monotonic clock as the calling thread sees it: zero when the host booted, and no faster or slower than the world's time, unless
    /// [`Host::set_clock`](crate::Host::set_clock) says so. [`Instant::ZERO`] outside the simulation.
    fn now(&self) -> Instant {
        let Ok(running) = current::running_anywhere(self.sim()) else { return Instant::ZERO };
        match running.enter() {
            Ok(mut scheduler) => {
                scheduler.charge(running.thread);
                scheduler.own_clock(running.thread)
            }
            Err(_) => running.clock(),
        }
    }

    fn wall(&self) -> SystemTime {
        let nanos = match current::running_anywhere(self.sim()) {
            Ok(running) => {
                // One that is being unwound may look at its watch, too.
                if let Ok(mut scheduler) = running.enter() {
                    scheduler.charge(running.thread);
                }
                running.wall()
            }
            Err(_) => WALL_START_SECONDS * 1_000_000_000,
        };
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
    }

    /// In two parts, as `recv(2)` is (`api/parts.rs`).
    #[inline(always)]
    fn sleep(&self, duration: Duration) {
        if let Some(deadline) = begin_to_sleep(self.sim(), duration) {
            coroutine::suspend();
            sleep_on(self.sim(), deadline);
        }
    }
}

/// The running thread is about to be switched from, until its clock shows what is answered; `None` if it does not sleep.
#[inline(never)]
fn begin_to_sleep(sim: u32, duration: Duration) -> Option<Instant> {
    let running = current::running_anywhere(sim).ok()?;
    let mut scheduler = running.enter().ok()?;
    let deadline = scheduler.own_clock(running.thread) + duration;
    scheduler.wait(running.thread, Wait::Sleep, Some(deadline));
    running.leave(scheduler);
    // The call does not return now: nobody is told that it does.
    let _running = ManuallyDrop::new(running);
    Some(deadline)
}

/// The thread has been woken; perhaps in vain, because the host's clock was set meanwhile.
#[inline(never)]
fn sleep_on(sim: u32, deadline: Instant) {
    let running = current::running_anywhere(sim).expect("who sleeps is switched to");
    let mut scheduler = running.come_back();
    while unlikely(scheduler.own_clock(running.thread) < deadline) {
        scheduler.wait(running.thread, Wait::Sleep, Some(deadline));
        scheduler = running.suspend(scheduler);
    }
}

impl Spawn for Net {
    type Join<T: Send + 'static> = NetJoin<T>;

    /// # Panics
    /// Outside the simulation, where there is no process for the thread to belong to; and when no stack can be mapped.
    fn spawn<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> NetJoin<T> {
        let running = self.running().expect("a thread is spawned by a running thread of its process");
        // A killed thread may spawn: its child is never run, being of a process that has ended.
        drop(running.enter());
        let output = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&output);
        let mut scheduler = running.shared.scheduler.borrow_mut();
        let stack_bytes = scheduler.stack_bytes;
        let body = Box::new(move || {
            let value = body();
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        });
        let carrier =
            Carrier::new(stack_bytes, body).expect("a stack for another simulated thread can be mapped (see vm.max_map_count)");
        let thread = scheduler.spawn_thread(running.thread, carrier);
        scheduler.charge(running.thread);
        NetJoin { net: *self, thread, output }
    }
}

/// The right to wait for a simulated thread.
///
/// ```
/// use twinsock::{JoinThread, Spawn};
/// let run = twinsock_sim::Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| {
///         let thread = net.spawn(|| 6 * 7);
///         assert_eq!(thread.join().unwrap(), 42);
///     });
/// });
/// run.unwrap();
/// ```
#[derive(Debug)]
pub struct NetJoin<T> {
    net: Net,
    thread: ThreadId,
    output: Arc<Mutex<Option<T>>>,
}

impl<T: Send + 'static> JoinThread<T> for NetJoin<T> {
    /// Fails with [`Errno`] as payload where there is nothing to wait for: the caller is outside the simulation, or either thread was killed.
    /// (A thread that panics fails the whole run.)
    fn join(self) -> std::thread::Result<T> {
        let wait = || -> Result<()> {
            let running = current::running_anywhere(self.net.sim())?;
            drop(running.enter()?);
            running.wait_for_end(self.thread);
            Ok(())
        };
        let waited = wait();
        match self.output.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(value) => Ok(value),
            None => Err(Box::new(waited.err().unwrap_or(Errno::SRCH))),
        }
    }
}

impl Entropy for Net {
    /// Fills from the process's own stream of chance; leaves zeros outside the simulation.
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
        let Ok(running) = self.running() else { return };
        if let Ok(mut scheduler) = running.enter() {
            let stream = scheduler.entropy(self.owner.process());
            scheduler.world_mut().choice_mut().fill(stream, bytes);
            scheduler.charge(running.thread);
        }
    }
}
