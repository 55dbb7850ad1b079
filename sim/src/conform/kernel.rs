//! What the kernel side of conform asks of libc directly: signals, namespaces, users and limits. All of its `unsafe` is here.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use twinsock::raw::{RawFd, Vouch};
use twinsock::{Errno, Result};

/// The signal whose handler was installed without `SA_RESTART`.
pub const INTERRUPTING: libc::c_int = libc::SIGUSR1;
/// The signal whose handler was installed with `SA_RESTART`.
pub const RESTARTING: libc::c_int = libc::SIGUSR2;

fn last_errno() -> Errno {
    Errno::try_from(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn success(answer: libc::c_int) -> Result<()> {
    if answer == 0 { Ok(()) } else { Err(last_errno()) }
}

/// The promise under which a case's descriptor numbers are passed to the kernel.
pub fn vouch<A>() -> Vouch<A> {
    // SAFETY: the interpreter passes numbers that calls of the same case returned and that were not closed since, `NEVER_OPEN`, and numbers
    // that a case writes out itself. Cases run in a worker process that opens nothing else but its standard streams (0 to 2).
    unsafe { Vouch::new() }
}

/// The calling thread, `gettid(2)`.
pub fn this_thread() -> i32 {
    // SAFETY: no preconditions.
    unsafe { libc::gettid() }
}

/// Sends a signal to a thread of this process, `tgkill(2)`.
pub fn signal_thread(thread: i32, signal: libc::c_int) -> Result<()> {
    let process = std::process::id().cast_signed();
    // SAFETY: integers only; a thread that has ended is no longer found, which is an errno.
    let answer = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
    if answer == 0 { Ok(()) } else { Err(last_errno()) }
}

extern "C" fn on_signal(_signal: libc::c_int) {}

fn handle(signal: libc::c_int, flags: libc::c_int) -> Result<()> {
    // SAFETY: a sigaction is integers, a mask and an optional function pointer, all of which may be zero.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    let handler: extern "C" fn(libc::c_int) = on_signal;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = flags;
    // SAFETY: `action` is initialised, its handler does nothing, which any signal handler may.
    success(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) })
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

/// Installs the handlers of the two signals, and blocks SIGPIPE in this thread and those it starts, so that [`take_sigpipe`] finds it.
pub fn prepare_signals() -> Result<()> {
    handle(INTERRUPTING, 0)?;
    handle(RESTARTING, libc::SA_RESTART)?;
    let set = sigpipe_alone();
    // SAFETY: `set` is initialised; the old mask is not asked for.
    let answer = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
    if answer == 0 { Ok(()) } else { Err(Errno::from_raw(answer)) }
}

/// Takes a pending SIGPIPE of the calling thread; whether there was one.
pub fn take_sigpipe() -> bool {
    let set = sigpipe_alone();
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: set and timeout are initialised; the signal's details are not asked for.
    unsafe { libc::sigtimedwait(&raw const set, ptr::null_mut(), &raw const now) == libc::SIGPIPE }
}

/// Gives the calling thread namespaces of its own, `unshare(2)`.
pub fn unshare(flags: libc::c_int) -> Result<()> {
    // SAFETY: integers only; no thread of ours depends on sharing what is unshared.
    success(unsafe { libc::unshare(flags) })
}

/// Makes mounts private to this mount namespace, and mounts an empty file system on `/tmp`.
pub fn private_tmp() -> Result<()> {
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the strings are NUL-terminated, and mount(2) takes null pointers for the arguments that MS_PRIVATE does not use.
    success(unsafe { libc::mount(c"none".as_ptr(), c"/".as_ptr(), ptr::null(), flags, ptr::null()) })?;
    // SAFETY: the strings are NUL-terminated, and mount(2) takes a null pointer for no options.
    success(unsafe { libc::mount(c"tmpfs".as_ptr(), c"/tmp".as_ptr(), c"tmpfs".as_ptr(), 0, ptr::null()) })
}

/// Brings `lo` up, `netdevice(7)`.
pub fn bring_loopback_up() -> Result<()> {
    // SAFETY: integers only.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(last_errno());
    }
    // SAFETY: an ifreq is bytes and integers, which may be zero.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    for (place, byte) in request.ifr_name.iter_mut().zip(*b"lo") {
        *place = libc::c_char::try_from(byte).expect("ASCII fits char");
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).expect("the flags fit short");
    // SAFETY: SIOCSIFFLAGS reads the name and the flags of the ifreq that it is given.
    let answer = success(unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw const request) });
    // SAFETY: the descriptor was opened above and is nobody else's.
    unsafe { libc::close(fd) };
    answer
}

/// Closes every descriptor but the standard streams.
pub fn close_all() {
    // SAFETY: integers only. Nothing in a worker owns a descriptor above 2 while no case runs, so none is closed under its owner.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
}

/// Whether the number is an open descriptor.
pub fn is_open(fd: RawFd) -> bool {
    // SAFETY: F_GETFD reads a flag and touches no memory of ours.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// Soft and hard limit of `RLIMIT_NOFILE`.
pub fn nofile_limits() -> Result<(u64, u64)> {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` has room for the answer.
    success(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) })?;
    Ok((limits.rlim_cur, limits.rlim_max))
}

/// Sets the soft limit `RLIMIT_NOFILE`.
pub fn set_nofile_limit(soft: u64) -> Result<()> {
    let (_, hard) = nofile_limits()?;
    let limits = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limits` is initialised.
    success(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) })
}

/// The effective user.
pub fn effective_uid() -> u32 {
    // SAFETY: no preconditions.
    unsafe { libc::geteuid() }
}

/// The effective group.
pub fn effective_gid() -> u32 {
    // SAFETY: no preconditions.
    unsafe { libc::getegid() }
}

/// Changes the effective user of all threads.
pub fn set_effective_uid(uid: u32) -> Result<()> {
    // SAFETY: integers only.
    success(unsafe { libc::seteuid(uid) })
}

/// Becomes the user and group `id` for good, in all threads.
pub fn become_user(id: u32) -> Result<()> {
    // SAFETY: an empty list of groups is read from nowhere.
    success(unsafe { libc::setgroups(0, ptr::null()) })?;
    // SAFETY: integers only.
    success(unsafe { libc::setresgid(id, id, id) })?;
    // SAFETY: integers only.
    success(unsafe { libc::setresuid(id, id, id) })
}
