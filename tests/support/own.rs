//! What a process asks of its kernel about itself: signals, descriptors of its own, a network of its own. The simulator has these as calls of
//! `Net`, the kernel in libc.

use libc::c_int;
use std::fs::File;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;
use twinsock::{Clock, Errno, Instant, Os, Result};
use twinsock_sim::{HostConfig, Net, Signal, Sim, Tid};

/// A process of a world.
pub trait Own {
    /// A name under which a thread can be sent signals.
    type Thread: Copy + Send + 'static;
    /// `getpid(2)`.
    fn pid(&self) -> u32;
    /// The calling thread, `gettid(2)`.
    fn this_thread(&self) -> Self::Thread;
    /// The clock that the timeouts of socket calls are counted by. The kernel's goes on at its timer interrupts, `times(2)`: where one is
    /// late (a virtual machine that stood still), such a timeout is earlier by [`Clock::now`] than it was asked for.
    fn clock_ticks(&self) -> Instant;
    /// Whether a thread sleeps in a call, as far as this can be seen.
    fn sleeps(&self, thread: Self::Thread) -> bool;
    /// Sends a thread a signal whose handler does nothing, `tgkill(2)`.
    fn signal(&self, thread: Self::Thread, signal: Signal);
    /// From now on SIGPIPE is kept for [`Own::take_sigpipe`] where the calling thread raises it.
    fn keep_sigpipe(&self);
    /// Whether the calling thread has raised SIGPIPE since it was asked last.
    fn take_sigpipe(&self) -> bool;
    /// Gives the calling thread a table of descriptors of its own, without those that others have opened, and with room for fewer than
    /// [`DESCRIPTORS_MAX`].
    fn own_descriptors(&self);
    /// Keeps a promise on another host, which has loopback and nothing else. On the kernel that takes privileges; without them there is
    /// a line on standard error instead.
    fn on_lone_host(&self, promise: fn(&Self));
    /// Keeps a promise on another host, which has a network on which nobody has this address. On the kernel as
    /// [`Own::on_lone_host`].
    fn on_empty_network(&self, promise: fn(&Self, Ipv4Addr));
}

/// How many descriptors a table of [`Own::own_descriptors`] has room for. More than all tests that run at the same time open: on the
/// kernel the limit is the whole process's.
pub const DESCRIPTORS_MAX: u32 = 4096;

impl Own for Net {
    type Thread = Tid;

    fn pid(&self) -> u32 {
        self.getpid()
    }

    fn this_thread(&self) -> Tid {
        self.gettid().expect("a promise is kept by threads of its process")
    }

    fn clock_ticks(&self) -> Instant {
        self.now()
    }

    fn sleeps(&self, _thread: Tid) -> bool {
        // Time does not pass before everybody sleeps.
        true
    }

    fn signal(&self, thread: Tid, signal: Signal) {
        // A thread that has ended takes none.
        self.tgkill(thread, signal).ok();
    }

    fn keep_sigpipe(&self) {
        assert_eq!(self.take_sigpipes(), 0, "nothing was sent yet");
    }

    fn take_sigpipe(&self) -> bool {
        self.take_sigpipes() > 0
    }

    fn own_descriptors(&self) {
        self.set_rlimit_nofile(DESCRIPTORS_MAX).expect("a limit can be set");
    }

    fn on_lone_host(&self, promise: fn(&Net)) {
        let outcome = Sim::builder().run(|sim| {
            let lone = HostConfig { addrs: Vec::new(), ..HostConfig::default() };
            sim.host_with("lone", lone).spawn("promise", move |net| promise(&net));
        });
        if let Err(failure) = outcome {
            panic!("{failure}");
        }
    }

    fn on_empty_network(&self, promise: fn(&Net, Ipv4Addr)) {
        let outcome = Sim::builder().run(|sim| {
            sim.host("alone").spawn("promise", move |net| promise(&net, Ipv4Addr::new(10, 99, 0, 99)));
        });
        if let Err(failure) = outcome {
            panic!("{failure}");
        }
    }
}

impl Own for Os {
    type Thread = libc::pid_t;

    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn this_thread(&self) -> libc::pid_t {
        // SAFETY: it takes nothing.
        unsafe { libc::gettid() }
    }

    fn clock_ticks(&self) -> Instant {
        // SAFETY: nothing is written where the pointer is null.
        let ticks = unsafe { libc::times(ptr::null_mut()) };
        // SAFETY: integers only.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        let nanos = i128::from(ticks) * 1_000_000_000 / i128::from(per_second);
        Instant::from_nanos(u64::try_from(nanos).expect("the machine was started less than centuries ago"))
    }

    fn sleeps(&self, thread: libc::pid_t) -> bool {
        // proc_pid_syscall(5): "running", or the number of the call and its arguments. The channel that the thread reports by waits by
        // futex(2).
        let Ok(call) = std::fs::read_to_string(format!("/proc/self/task/{thread}/syscall")) else { return true };
        call.split_whitespace().next().is_some_and(|call| call != "running" && call != libc::SYS_futex.to_string())
    }

    fn signal(&self, thread: libc::pid_t, signal: Signal) {
        handle(signal).expect("a handler can be installed");
        let process = c_int::try_from(std::process::id()).expect("a process id is a pid_t");
        // SAFETY: integers only; the handlers of these signals do nothing.
        unsafe { libc::syscall(libc::SYS_tgkill, process, thread, number(signal)) };
    }

    fn keep_sigpipe(&self) {
        let set = sigpipe_alone();
        // SAFETY: `set` is initialised; the old mask is not asked for.
        let answer = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
        assert_eq!(answer, 0, "a signal can be blocked");
    }

    fn take_sigpipe(&self) -> bool {
        let set = sigpipe_alone();
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: set and timeout are initialised; the signal's details are not asked for.
        unsafe { libc::sigtimedwait(&raw const set, ptr::null_mut(), &raw const now) == libc::SIGPIPE }
    }

    fn own_descriptors(&self) {
        // SAFETY: integers only. The thread leaves the table that it shares before anything is closed, so that no owner loses a
        // descriptor; and a thread that has just begun owns none itself.
        let answer = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_UNSHARE) };
        assert_eq!(answer, 0, "close_range(2) knows CLOSE_RANGE_UNSHARE");
        let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `limits` is there to be written.
        let answer = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) };
        assert_eq!(answer, 0, "a limit can be read");
        limits.rlim_cur = limits.rlim_max.min(DESCRIPTORS_MAX.into());
        // SAFETY: `limits` is initialised.
        let answer = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) };
        assert_eq!(answer, 0, "a limit can be lowered");
    }

    fn on_lone_host(&self, promise: fn(&Os)) {
        in_own_network(move || promise(&Os));
    }

    fn on_empty_network(&self, promise: fn(&Os, Ipv4Addr)) {
        in_own_network(move || {
            let Ok(_wire) = empty_network(Ipv4Addr::new(198, 51, 100, 1)) else {
                eprintln!("skipped on the kernel: there is no /dev/net/tun");
                return;
            };
            promise(&Os, Ipv4Addr::new(198, 51, 100, 99));
        });
    }
}

/// Runs `body` in a network with nothing but loopback, `network_namespaces(7)`.
fn in_own_network(body: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        // SAFETY: integers only; no thread but this one is in the new network.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0 {
            bring_up("lo", None);
            body();
        } else {
            eprintln!("skipped on the kernel: a network of one's own takes CAP_SYS_ADMIN");
        }
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// An Ethernet interface whose other end is this file, which nobody reads: it asks for its neighbours in vain.
fn empty_network(own: Ipv4Addr) -> std::io::Result<File> {
    let wire = File::options().read(true).write(true).open("/dev/net/tun")?;
    let mut request = interface("tap");
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_TAP | libc::IFF_NO_PI).expect("the flags fit short");
    // SAFETY: TUNSETIFF reads and writes the ifreq that it is given.
    let answer = unsafe { libc::ioctl(wire.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    assert_eq!(answer, 0, "the network is this thread's own");
    bring_up("tap", Some(own));
    Ok(wire)
}

/// Gives an interface of the calling thread's network an address and brings it up, `netdevice(7)`.
fn bring_up(name: &str, addr: Option<Ipv4Addr>) {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket needs no interface");
    let mut request = interface(name);
    if let Some(addr) = addr {
        let mut bytes = [0; 14];
        bytes[2..6].copy_from_slice(&addr.octets());
        let data = bytes.map(|byte| libc::c_char::from_ne_bytes([byte]));
        let family = libc::sa_family_t::try_from(libc::AF_INET).expect("a family fits");
        request.ifr_ifru.ifru_addr = libc::sockaddr { sa_family: family, sa_data: data };
        // SAFETY: SIOCSIFADDR reads the name and the address of the ifreq that it is given.
        let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFADDR, &raw const request) };
        assert_eq!(answer, 0, "the network is this thread's own");
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).expect("the flags fit short");
    // SAFETY: SIOCSIFFLAGS reads the name and the flags of the ifreq that it is given.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    assert_eq!(answer, 0, "the network is this thread's own");
}

fn interface(name: &str) -> libc::ifreq {
    // SAFETY: an ifreq is bytes and integers, which may be zero.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    request
}

const fn number(signal: Signal) -> c_int {
    match signal {
        Signal::Interrupting => libc::SIGUSR1,
        Signal::Restarting => libc::SIGUSR2,
    }
}

extern "C" fn on_signal(_: c_int) {}

fn handle(signal: Signal) -> Result<()> {
    // SAFETY: a sigaction is integers, a mask and an optional function pointer, all of which may be zero.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    let handler: extern "C" fn(c_int) = on_signal;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = match signal {
        Signal::Interrupting => 0,
        Signal::Restarting => libc::SA_RESTART,
    };
    // SAFETY: `action` is initialised, its handler does nothing, which any signal handler may.
    let answer = unsafe { libc::sigaction(number(signal), &raw const action, ptr::null_mut()) };
    if answer == 0 { Ok(()) } else { Err(Errno::INVAL) }
}

fn sigpipe_alone() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set is initialised, SIGPIPE is a signal.
    unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE) };
    // SAFETY: sigemptyset has initialised it.
    unsafe { set.assume_init() }
}
