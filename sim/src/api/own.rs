//! What a simulated process may ask of its kernel about itself and its host, beyond sockets: signals, limits, users, constants.
//!
//! None of these calls waits. They are on [`Net`] only: a program that runs on both worlds has `libc` for them on the other.

use super::Net;
use crate::host::{Credentials, Host, Pid};
use crate::process::scheduler::{ProcId, Scheduler, ThreadId};
use crate::process::signal::Signal;
use twinsock::{Errno, Instant, Result};

/// A thread of a simulation, as `gettid(2)` names it.
///
/// ```
/// use twinsock_sim::{Sim, Tid};
/// Sim::builder().run(|sim| {
///     sim.host("a").spawn("p", |net| { let _me: Tid = net.gettid().unwrap(); });
/// }).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tid(ThreadId);

impl Net {
    /// The number of the process on its host, `getpid(2)`; 0 outside the process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// assert_eq!(net.getpid(), 1);
    /// # }); }).unwrap();
    /// ```
    #[must_use]
    pub fn getpid(&self) -> u32 {
        self.peek(|scheduler, process| scheduler.process(process).pid.0).unwrap_or(0)
    }

    /// The calling thread, `gettid(2)`: a name under which it can be sent signals.
    ///
    /// # Errors
    /// `EBADF`: the caller is not a thread of this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// let thread = net.gettid().unwrap();
    /// # let _ = thread;
    /// # }); }).unwrap();
    /// ```
    pub fn gettid(&self) -> Result<Tid> {
        Ok(Tid(self.running()?.thread))
    }

    /// The true time, that of [`Sim::now`](crate::Sim::now), whatever the host's clock shows: for what a test notes about several hosts. No program can
    /// know it, and it costs no time. Zero outside the process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// assert_eq!(net.true_time(), twinsock::Instant::ZERO);
    /// # }); }).unwrap();
    /// ```
    #[must_use]
    pub fn true_time(&self) -> Instant {
        let Ok(running) = self.running() else { return Instant::ZERO };
        running.shared.scheduler.borrow().clock(running.thread)
    }

    /// Sends a thread of this process a signal whose handler does nothing, `tgkill(2)`. If it waits in a system call, that ends, or begins
    /// again, as `signal(7)` says; otherwise nothing comes of it.
    ///
    /// # Errors
    /// `ESRCH`: the process has no such thread, or has it no more. `EBADF`: the caller is not a thread of this process.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock::{Clock, Errno, JoinThread, Spawn, SocketApi};
    /// use twinsock_sim::{Signal, Sim};
    ///
    /// let report = Sim::builder().run(|sim| {
    ///     sim.host("a").spawn("p", |net| {
    ///         let (sender, receiver) = twinsock::sync::channel(&net);
    ///         let thread = net.spawn(move || {
    ///             sender.send(net.gettid().unwrap()).unwrap();
    ///             net.poll(&mut [], None)
    ///         });
    ///         let tid = receiver.recv().unwrap();
    ///         net.sleep(Duration::from_secs(1));
    ///         net.tgkill(tid, Signal::Restarting).unwrap();
    ///         assert_eq!(thread.join().unwrap(), Err(Errno::INTR), "poll never begins again");
    ///     });
    /// });
    /// report.unwrap();
    /// ```
    pub fn tgkill(&self, thread: Tid, signal: Signal) -> Result<()> {
        self.enter(|scheduler, process| {
            if !scheduler.has_thread(process, thread.0) {
                return Err(Errno::SRCH);
            }
            scheduler.signal(thread.0, signal);
            Ok(())
        })?
    }

    /// How many times the process was sent SIGPIPE since it last asked, as `sigtimedwait(2)` would tell a process that blocks the signal. The
    /// simulator ends no process by it.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// use twinsock::{consts::*, raw::Syscalls};
    /// let [a, b] = net.socketpair(AF_UNIX, SOCK_STREAM, 0).unwrap();
    /// net.close(b).unwrap();
    /// assert_eq!(net.write(a, b"x"), Err(twinsock::Errno::PIPE));
    /// assert_eq!(net.take_sigpipes(), 1);
    /// # }); }).unwrap();
    /// ```
    #[must_use]
    pub fn take_sigpipes(&self) -> u32 {
        self.peek(|scheduler, process| on_kernel(scheduler, process, Host::take_sigpipes)).unwrap_or(0)
    }

    /// Sets the limit on the numbers of descriptors: all are below it, `setrlimit(2)` with `RLIMIT_NOFILE`.
    ///
    /// # Errors
    /// `EBADF`: the caller is not a thread of this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// net.set_rlimit_nofile(0).unwrap();
    /// assert_eq!(twinsock::SocketApi::epoll_create(&net).err(), Some(twinsock::Errno::MFILE));
    /// # }); }).unwrap();
    /// ```
    pub fn set_rlimit_nofile(&self, limit: u32) -> Result<()> {
        self.enter(|scheduler, process| on_kernel(scheduler, process, |kernel, pid| kernel.set_rlimit_nofile(pid, limit)))
    }

    /// The effective user of the process, `geteuid(2)`; `u32::MAX` outside the process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// assert_eq!(net.geteuid(), 0);
    /// # }); }).unwrap();
    /// ```
    #[must_use]
    pub fn geteuid(&self) -> u32 {
        let found = self.peek(|scheduler, process| on_kernel(scheduler, process, |kernel, pid| kernel.credentials(pid)));
        found.ok().flatten().map_or(u32::MAX, |credentials| credentials.uid)
    }

    /// Changes the effective user of the process, `seteuid(2)`. Only root's has privileges.
    ///
    /// # Errors
    /// `EPERM`: the process is not root's, and this is not its real user. `EBADF`: the caller is not a thread of this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// net.seteuid(1000).unwrap();
    /// assert_eq!(net.geteuid(), 1000);
    /// # }); }).unwrap();
    /// ```
    pub fn seteuid(&self, uid: u32) -> Result<()> {
        self.enter(|scheduler, process| on_kernel(scheduler, process, |kernel, pid| kernel.seteuid(pid, uid)))?
    }

    /// A constant of the host's kernel by its name, as `/proc/sys` shows it, `sysctl(8)`.
    ///
    /// # Errors
    /// `ENOENT`: there is none of that name. `EBADF`: the caller is not a thread of this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// assert_eq!(net.sysctl("net.core.somaxconn").as_deref(), Ok("4096"));
    /// # }); }).unwrap();
    /// ```
    pub fn sysctl(&self, name: &str) -> Result<String> {
        let found = self.peek(|scheduler, process| on_kernel(scheduler, process, |kernel, _| kernel.sysctl().get(name)))?;
        found.ok_or(Errno::NOENT)
    }

    /// Sets a constant of the host's kernel, as writing to `/proc/sys` does, `sysctl(8)`.
    ///
    /// # Errors
    /// `ENOENT`: there is none of that name. `EINVAL`: it cannot have that value. `EACCES`: the process is not root's. `EBADF`: the caller is
    /// not a thread of this process.
    ///
    /// ```
    /// # twinsock_sim::Sim::builder().run(|sim| { sim.host("host").spawn("program", |net| {
    /// net.set_sysctl("net.core.somaxconn", "128").unwrap();
    /// assert_eq!(net.sysctl("net.core.somaxconn").as_deref(), Ok("128"));
    /// # }); }).unwrap();
    /// ```
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<()> {
        let write = |kernel: &mut Host, pid| {
            if !kernel.credentials(pid).is_some_and(Credentials::is_root) {
                return Err(Errno::ACCES);
            }
            kernel.sysctl_mut().set(name, value)
        };
        self.enter(|scheduler, process| on_kernel(scheduler, process, write))?
    }

    /// Looks at what is the process's own: nothing that is due can change it, so that nothing has to happen first.
    fn peek<R>(self, look: impl FnOnce(&mut Scheduler, ProcId) -> R) -> Result<R> {
        let running = self.running()?;
        let mut scheduler = running.shared.scheduler.borrow_mut();
        Ok(look(&mut scheduler, self.owner.process()))
    }

    /// Acts at the calling thread's turn, and charges it for a call.
    pub(super) fn enter<R>(self, act: impl FnOnce(&mut Scheduler, ProcId) -> R) -> Result<R> {
        let running = self.running()?;
        let mut scheduler = running.enter()?;
        let result = act(&mut scheduler, self.owner.process());
        scheduler.charge(running.thread);
        Ok(result)
    }
}

/// Asks the kernel of the process's host.
pub(super) fn on_kernel<R>(scheduler: &mut Scheduler, process: ProcId, ask: impl FnOnce(&mut Host, Pid) -> R) -> R {
    let (host, pid) = (scheduler.process(process).host, scheduler.process(process).pid);
    ask(scheduler.world_mut().host_mut(host), pid)
}
