//! A worker process: runs cases on the kernel, one at a time, each in a network of its own.
//!
//! It reads an [`Order`] per line from its standard input: how a case runs, and the case. It answers each with a line of JSON, and asks
//! to be replaced when a case left something behind that the next one could notice.

use super::backend::{Backend, Missing, Place, Possible};
use super::format::Case;
use super::kernel;
use super::op::{Act, FileAct, Op};
use super::outcome::Outcome;
use super::run::{self, Difference, Manner, Ran, Verdict};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, BufRead, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use twinsock::raw::{RawFd, Vouch};
use twinsock::{Errno, Os, Result};

/// The argument that makes the `twinsock` command a worker.
///
/// ```
/// use twinsock_sim::conform::{WORKER_ARGUMENT, worker_main};
/// // How `main` of a program begins whose workers are the program itself.
/// if std::env::args().nth(1).as_deref() == Some(WORKER_ARGUMENT) {
///     worker_main();
/// }
/// ```
pub const WORKER_ARGUMENT: &str = "conform-worker";
/// Numbers of cases in one worker are apart from those in the next by this.
const CASES_PER_WORKER: u32 = 10_007;
/// How many cases that share a network run in one: what they leave behind (TIME_WAIT, ports) stays little.
const CASES_PER_NETWORK: u32 = 256;
/// How long the thread sleeps that measures how late threads are woken.
const METER_SLEEP: Duration = Duration::from_millis(2);
const PORT_RANGE: &str = "net.ipv4.ip_local_port_range";

/// How a worker is to run a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The pause after each step, in milliseconds.
    pub pause_ms: u32,
    /// Keep the answers instead of comparing them.
    pub record: bool,
    /// Use the network of the case before, if there was one: much faster, and as good for a case that chooses no ports by number.
    pub shared: bool,
}

impl Order {
    /// The line that asks for it.
    pub(crate) fn line(self, case: &Case) -> String {
        format!("{} {} {} {}", self.pause_ms, u8::from(self.record), u8::from(self.shared), case.line)
    }

    fn read(line: &str) -> Option<(Order, &str)> {
        let mut words = line.splitn(4, ' ');
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
        let (pause_ms, record, shared) = (number()?, number()? != 0, number()? != 0);
        Some((Order { pause_ms, record, shared }, words.next()?))
    }

    fn manner(self) -> Manner {
        Manner { pause: Duration::from_millis(self.pause_ms.into()), record: self.record }
    }
}

impl Backend for Os {
    type Thread = i32;

    fn vouch(&self) -> Vouch<Os> {
        kernel::vouch()
    }

    fn this_thread(&self) -> i32 {
        kernel::this_thread()
    }

    fn interrupt(&self, thread: i32, restart: bool) -> Possible<()> {
        let signal = if restart { kernel::RESTARTING } else { kernel::INTERRUPTING };
        kernel::signal_thread(thread, signal).map_err(|errno| Missing(format!("the thread took no signal: {errno}")))
    }

    fn take_sigpipe(&self) -> bool {
        kernel::take_sigpipe()
    }

    fn pid(&self) -> i32 {
        std::process::id().cast_signed()
    }

    fn port_range(&self) -> (u16, u16) {
        let text = fs::read_to_string(sysctl_path(PORT_RANGE)).unwrap_or_default();
        let mut ports = text.split_whitespace().filter_map(|port| port.parse().ok());
        (ports.next().unwrap_or(32_768), ports.next().unwrap_or(60_999))
    }

    fn open_file(&self, path: &str) -> Possible<Result<RawFd>> {
        let opened = fs::File::options().read(true).write(true).create(true).truncate(false).open(path);
        Ok(opened.map(IntoRawFd::into_raw_fd).map_err(errno_of))
    }

    fn file(&self, path: &str, act: FileAct) -> Possible<Result<bool>> {
        let done = match act {
            FileAct::Exists => return Ok(Ok(Path::new(path).symlink_metadata().is_ok())),
            FileAct::Unlink => fs::remove_file(path),
            FileAct::Mkfile => fs::write(path, ""),
            FileAct::Mkdir => fs::create_dir(path),
            FileAct::Chmod(mode) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        };
        Ok(done.map(|()| true).map_err(errno_of))
    }

    fn set_nofile(&self, free: usize) -> Possible<Result<()>> {
        // The limit is the number of the first descriptor that no longer fits: the free one after `free` others.
        let mut unused = (0..).filter(|fd| !kernel::is_open(*fd));
        let limit = unused.nth(free).expect("descriptor numbers do not end before an int does");
        Ok(kernel::set_nofile_limit(u64::from(limit.cast_unsigned())))
    }

    fn sysctl(&self, name: &str, value: &str) -> Possible<Result<()>> {
        match fs::write(sysctl_path(name), value) {
            Err(error) if error.raw_os_error() == Some(Errno::ROFS.raw()) => {
                Err(Missing("/proc/sys cannot be written".to_owned()))
            }
            done => Ok(done.map_err(errno_of)),
        }
    }

    fn seteuid(&self, uid: u32) -> Possible<Result<()>> {
        Ok(kernel::set_effective_uid(uid))
    }
}

fn sysctl_path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

#[expect(clippy::needless_pass_by_value, reason = "made to be passed to map_err")]
fn errno_of(error: io::Error) -> Errno {
    Errno::try_from(&error).unwrap_or(Errno::IO)
}

/// How far a worker is apart from the machine it runs on.
enum Apart {
    /// It is root, with namespaces of its own.
    Root,
    /// It is root of a user namespace of its own only.
    User,
    /// It has no namespaces, for this reason.
    No(String),
}

impl Apart {
    /// Takes as much as there is to be had.
    fn begin() -> Apart {
        if kernel::effective_uid() == 0 {
            return match kernel::unshare(libc::CLONE_NEWNS).and_then(|()| kernel::private_tmp()).and_then(|()| unshare_network())
            {
                Ok(()) => Apart::Root,
                Err(errno) => Apart::No(format!("root has no namespaces here: {errno}")),
            };
        }
        let (uid, gid) = (kernel::effective_uid(), kernel::effective_gid());
        let map = |id: u32| format!("0 {id} 1");
        let begun = kernel::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS)
            .and_then(|()| fs::write("/proc/self/setgroups", "deny").map_err(errno_of))
            .and_then(|()| fs::write("/proc/self/uid_map", map(uid)).map_err(errno_of))
            .and_then(|()| fs::write("/proc/self/gid_map", map(gid)).map_err(errno_of))
            .and_then(|()| kernel::private_tmp())
            .and_then(|()| unshare_network());
        match begun {
            Ok(()) => Apart::User,
            Err(errno) => Apart::No(format!("users have no namespaces here: {errno}")),
        }
    }

    /// Why a case cannot run, if it cannot.
    fn forbids(&self, case: &Case) -> Option<String> {
        let privileged = case.root || case.uid.is_some();
        match self {
            Apart::Root => None,
            Apart::User => privileged.then(|| "needs root".to_owned()),
            Apart::No(reason) if case.lo_only => Some(format!("needs a network of its own: {reason}")),
            Apart::No(_) => (privileged && kernel::effective_uid() != 0).then(|| "needs root".to_owned()),
        }
    }
}

fn unshare_network() -> Result<()> {
    kernel::unshare(libc::CLONE_NEWNET)?;
    kernel::bring_loopback_up()
}

/// A network of its own, where there are any to be had.
fn new_network(apart: &Apart) -> Result<()> {
    match apart {
        Apart::Root | Apart::User => unshare_network(),
        Apart::No(_) => Ok(()),
    }
}

/// The worker's whole life: answers cases until its standard input ends.
///
/// ```
/// use twinsock_sim::conform::{WORKER_ARGUMENT, worker_main};
/// // How `main` of a program begins whose workers are the program itself.
/// if std::env::args().nth(1).as_deref() == Some(WORKER_ARGUMENT) {
///     worker_main();
/// }
/// ```
pub fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conform worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    let apart = Apart::begin();
    kernel::prepare_signals()?;
    let (_, hard) = kernel::nofile_limits()?;
    // Apart from those of other workers, where directories and ports are shared with them.
    let mut number = std::process::id().wrapping_mul(CASES_PER_WORKER);
    // How many cases have run in the network that is there, if it is one to be shared.
    let mut shared: Option<u32> = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (order, line) = Order::read(&line).ok_or_else(|| io::Error::other("expected an order and a case"))?;
        number = number.wrapping_add(1);
        let case = Case::read(line).map_err(io::Error::other)?;
        kernel::set_nofile_limit(hard)?;
        if !order.shared || shared.is_none_or(|cases| cases >= CASES_PER_NETWORK) {
            new_network(&apart)?;
            shared = None;
        }
        shared = order.shared.then(|| shared.map_or(0, |cases| cases + 1));
        let meter = (order.pause_ms > 0).then(Meter::start);
        let (ran, spoilt) = run_case(&apart, number, &case, order.manner())?;
        let late_ms = meter.map_or(0, Meter::stop);
        let answers: Vec<Value> = ran.answers.iter().map(Outcome::to_json).collect();
        let spoilt = spoilt || ran.left_waiting;
        let verdict = verdict_to_json(&ran.verdict);
        let answer = json!({"verdict": verdict, "answers": answers, "late_ms": late_ms, "spoilt": spoilt});
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// Measures how late a thread of this process is woken: one that sleeps a little all the time, and looks at the clock.
struct Meter {
    stop: Sender<()>,
    thread: JoinHandle<Duration>,
}

impl Meter {
    fn start() -> Meter {
        let (stop, stopped) = mpsc::channel();
        #[expect(clippy::disallowed_methods, reason = "the kernel side runs in real time, on real threads")]
        let thread = std::thread::spawn(move || {
            let mut latest = Duration::ZERO;
            loop {
                let before = Instant::now();
                let is_over = stopped.recv_timeout(METER_SLEEP) != Err(RecvTimeoutError::Timeout);
                latest = latest.max(before.elapsed().saturating_sub(METER_SLEEP));
                if is_over {
                    return latest;
                }
            }
        });
        Meter { stop, thread }
    }

    /// The latest that it was woken, in milliseconds.
    fn stop(self) -> u64 {
        drop(self.stop);
        let latest = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        u64::try_from(latest.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Runs a case; whether it changed the process for good.
fn run_case(apart: &Apart, number: u32, case: &Case, manner: Manner) -> io::Result<(Ran, bool)> {
    if let Some(reason) = apart.forbids(case) {
        return Ok((Ran { verdict: Verdict::Skipped(reason), answers: Vec::new(), left_waiting: false }, false));
    }
    let place = Place::numbered(number);
    fs::create_dir(&place.dir)?;
    fs::set_permissions(&place.dir, fs::Permissions::from_mode(0o777))?;
    if let Some(uid) = case.uid {
        kernel::become_user(uid)?;
    }
    let ran = run::run(&Os, &place, case, manner);
    let spoilt = case.uid.is_some() || case.steps.iter().any(|op| matches!(op, Op::Act(Act::Seteuid { .. })));
    if !ran.left_waiting {
        kernel::close_all();
    }
    if matches!(apart, Apart::No(_)) {
        // In a mount namespace of its own the directory vanishes with the worker; here somebody else would have to see it.
        fs::remove_dir_all(&place.dir).ok();
    }
    Ok((ran, spoilt))
}

/// A verdict as the worker writes it.
fn verdict_to_json(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Agree => json!({}),
        Verdict::Differ(difference) => json!({"step": difference.step, "expected": difference.expected, "got": difference.got}),
        Verdict::Skipped(reason) => json!({"skipped": reason}),
    }
}

/// What a worker answers to an order.
pub struct Answered {
    /// The verdict.
    pub verdict: Verdict,
    /// The answers of the steps, if they were to be recorded.
    pub answers: Vec<Value>,
    /// How late the worker was woken at worst while a case ran with pauses, in milliseconds.
    pub late_ms: u64,
    /// It asks to be replaced.
    pub spoilt: bool,
}

impl Answered {
    /// Reads a worker's line.
    pub(crate) fn read(line: &str) -> Option<Answered> {
        let mut answer: Value = serde_json::from_str(line).ok()?;
        let (verdict, spoilt) = (read_verdict(answer.get("verdict")?)?, answer.get("spoilt")?.as_bool()?);
        let answers = answer.get_mut("answers")?.as_array_mut().map(std::mem::take)?;
        Some(Answered { verdict, answers, late_ms: answer.get("late_ms")?.as_u64()?, spoilt })
    }
}

fn read_verdict(verdict: &Value) -> Option<Verdict> {
    if let Some(reason) = verdict.get("skipped").and_then(Value::as_str) {
        return Some(Verdict::Skipped(reason.to_owned()));
    }
    let Some(step) = verdict.get("step").and_then(Value::as_u64) else { return Some(Verdict::Agree) };
    let (expected, got) = (verdict.get("expected")?.clone(), verdict.get("got")?.clone());
    Some(Verdict::Differ(Difference { step: usize::try_from(step).ok()?, expected, got }))
}
