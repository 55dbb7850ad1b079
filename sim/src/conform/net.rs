//! The simulator side: each case is a simulation of its own, one host with one process, no real time passes.

use super::backend::{Backend, Missing, Place, Possible};
use super::format::Case;
use super::kernel;
use super::op::FileAct;
use super::run::{self, Difference, Verdict};
use crate::{HostConfig, Net, Sim};
use std::sync::Arc;
use std::time::Duration;
use twinsock::Result;
use twinsock::raw::{RawFd, Vouch};

impl Backend for Net {
    type Thread = ();

    fn vouch(&self) -> Vouch {
        kernel::vouch()
    }

    fn this_thread(&self) {}

    fn interrupt(&self, _thread: (), _restart: bool) -> Possible<()> {
        Err(missing("signals"))
    }

    fn take_sigpipe(&self) -> bool {
        false
    }

    fn pid(&self) -> i32 {
        1
    }

    fn port_range(&self) -> (u16, u16) {
        (32_768, 60_999)
    }

    fn open_file(&self, _path: &str) -> Possible<Result<RawFd>> {
        Err(missing("files"))
    }

    fn file(&self, _path: &str, _act: FileAct) -> Possible<Result<bool>> {
        Err(missing("files"))
    }

    fn set_nofile(&self, _free: usize) -> Possible<Result<()>> {
        Err(missing("RLIMIT_NOFILE"))
    }

    fn sysctl(&self, _name: &str, _value: &str) -> Possible<Result<()>> {
        Err(missing("sysctls that change while the host runs"))
    }

    fn seteuid(&self, _uid: u32) -> Possible<Result<()>> {
        Err(missing("seteuid"))
    }
}

fn missing(what: &str) -> Missing {
    Missing(format!("the simulator has no {what}"))
}

/// Runs a case in a simulation on the calling OS thread.
pub fn run_case(number: usize, case: &Arc<Case>) -> Verdict {
    if case.uid.is_some() {
        return Verdict::Skipped(missing("unprivileged processes").to_string());
    }
    let place = Place::numbered(u32::try_from(number % 100_000_000).expect("eight digits fit"));
    let body = Arc::clone(case);
    let report = Sim::builder().run_here(move |sim| {
        let host = sim.host_with("host", HostConfig::default());
        host.spawn("case", move |net| run::run(&net, &place, &body, Duration::ZERO))
    });
    match report {
        Ok(report) => match report.value.take() {
            Some(ran) => ran.verdict,
            None => Verdict::Differ(Difference::fault(case, "the process ended without a verdict")),
        },
        Err(failure) => Verdict::Differ(Difference::fault(case, &failure.kind.to_string())),
    }
}
