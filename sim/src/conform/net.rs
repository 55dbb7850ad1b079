//! The simulator side: each case is a simulation of its own, one host with one process, no real time passes.

use super::backend::{Backend, Missing, Place, Possible};
use super::format::Case;
use super::kernel;
use super::op::FileAct;
use super::run::{self, Difference, Manner, Ran, Verdict};
use crate::{HostConfig, Net, Signal, Sim, Tid};
use std::sync::Arc;
use twinsock::consts::{F_GETFD, O_CLOEXEC, O_CREAT, O_RDWR, O_TRUNC, O_WRONLY};
use twinsock::raw::{RawFd, Syscalls, Vouch};
use twinsock::{Errno, Result};

/// `RLIMIT_NOFILE` of a case's process.
const NOFILE: u32 = 1 << 20;
const PORT_RANGE: &str = "net.ipv4.ip_local_port_range";

impl Backend for Net {
    type Thread = Tid;

    fn vouch(&self) -> Vouch<Net> {
        kernel::vouch()
    }

    fn this_thread(&self) -> Tid {
        self.gettid().expect("a case runs in threads of its process")
    }

    fn interrupt(&self, thread: Tid, restart: bool) -> Possible<()> {
        let signal = if restart { Signal::Restarting } else { Signal::Interrupting };
        self.tgkill(thread, signal).map_err(|errno| Missing(format!("the thread took no signal: {errno}")))
    }

    fn take_sigpipe(&self) -> bool {
        self.take_sigpipes() > 0
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.getpid()).expect("process numbers of a case are small")
    }

    fn port_range(&self) -> (u16, u16) {
        let text = self.sysctl(PORT_RANGE).expect("a process of the host asks");
        let mut ports = text.split_whitespace().map(|port| port.parse().expect("the constant is two ports"));
        let mut next = || ports.next().expect("the constant is two ports");
        (next(), next())
    }

    fn open_file(&self, path: &str) -> Possible<Result<RawFd>> {
        // As `std::fs` opens it on the other side.
        Ok(self.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666))
    }

    fn file(&self, path: &str, act: FileAct) -> Possible<Result<bool>> {
        let done = match act {
            FileAct::Exists => return Ok(Ok(self.access(path).is_ok())),
            FileAct::Unlink => self.unlink(path),
            FileAct::Mkfile => self.open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o666).and_then(|fd| self.close(fd)),
            FileAct::Mkdir => self.mkdir(path, 0o777),
            FileAct::Chmod(mode) => self.chmod(path, mode),
        };
        Ok(done.map(|()| true))
    }

    fn set_nofile(&self, free: usize) -> Possible<Result<()>> {
        // The limit is the number of the first descriptor that no longer fits: the free one after `free` others.
        let mut unused = (0_u32..).filter(|fd| self.fcntl(fd.cast_signed(), F_GETFD, 0).is_err());
        let limit = unused.nth(free).expect("descriptor numbers do not end before an int does");
        Ok(self.set_rlimit_nofile(limit))
    }

    fn sysctl(&self, name: &str, value: &str) -> Possible<Result<()>> {
        match self.set_sysctl(name, value) {
            Err(Errno::NOENT) => Err(missing(&format!("sysctl {name}"))),
            done => Ok(done),
        }
    }

    fn seteuid(&self, uid: u32) -> Possible<Result<()>> {
        Ok(Net::seteuid(self, uid))
    }
}

fn missing(what: &str) -> Missing {
    Missing(format!("the simulator has no {what}"))
}

/// Runs a case in a simulation on the calling OS thread.
pub fn run_case(number: usize, case: &Arc<Case>, manner: Manner) -> Ran {
    let place = Place::numbered(u32::try_from(number % 100_000_000).expect("eight digits fit"));
    let body = Arc::clone(case);
    let report = Sim::builder().run_here(move |sim| {
        let host = sim.host_with("host", HostConfig::default());
        let user = body.uid.unwrap_or(0);
        // The recorder's hard limit was far away; `nofile` lowers it.
        host.process("case").uid(user).gid(user).rlimit_nofile(NOFILE).spawn(move |net| {
            let made = net.mkdir(&place.dir, 0o777).and_then(|()| net.chmod(&place.dir, 0o777));
            made.expect("a fresh host has an empty /tmp, which is anybody's");
            // A process has its standard streams; numbers of descriptors and limits count them.
            for _ in 0..3 {
                net.open("/tmp/stream", O_RDWR | O_CREAT, 0o666).expect("there is room for a file");
            }
            run::run(&net, &place, &body, manner)
        })
    });
    let fault =
        |why: &str| Ran { verdict: Verdict::Differ(Difference::fault(case, why)), answers: Vec::new(), left_waiting: false };
    match report {
        Ok(report) => report.value.take().unwrap_or_else(|| fault("the process ended without a verdict")),
        Err(failure) => fault(&failure.kind.to_string()),
    }
}
