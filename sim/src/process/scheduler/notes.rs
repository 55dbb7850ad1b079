//! What a recording holds of threads: their calls with all arguments, what they wait for, when they wake. Nothing here is done unless the run is
//! recorded.

use super::{Scheduler, State, ThreadId, Wait};
use crate::host::{Call, Pid, strace};
use crate::process::names::name_of;
use crate::trace::{CallEnd, Connection, Event, Recording};
use crate::world::HostId;
use std::collections::BTreeMap;
use std::fmt::Write as _;

impl Scheduler {
    /// A call has returned.
    #[cold]
    pub(super) fn note_call(&mut self, end: CallEnd, thread: ThreadId, call: &Call<'_, '_>) {
        let slot = &self.threads[thread.index()];
        let ends = end.fd.and_then(|fd| self.world.host(slot.host).connection_of(slot.pid, fd));
        let connection = ends.map(|(protocol, local, remote)| Connection::new(protocol, local, remote));
        self.world.trace_mut().call_in_full(end, strace::arguments(call, Some(end.result)), connection);
    }

    /// A call is about to wait.
    #[inline]
    pub(super) fn note_parked(&mut self, thread: ThreadId, call: &Call<'_, '_>) {
        if self.world.trace().is_recording() {
            let (name, _) = name_of(call);
            let (at, place) = (self.world.now(), self.place(thread));
            self.world.trace_mut().waits(at, place, name.name(), Some(strace::arguments(call, None)));
        }
    }

    /// A thread waits for something; of a call, [`Scheduler::note_parked`] has said more.
    #[cold]
    pub(super) fn note_wait(&mut self, thread: ThreadId, wait: Wait) {
        let what = match wait {
            Wait::Call => return,
            Wait::Sleep => "sleep".to_owned(),
            Wait::Join(other) => format!("join of thread {}", self.thread_name(other)),
            Wait::Sync(name) => name.to_owned(),
        };
        let (at, place) = (self.world.now(), self.place(thread));
        self.world.trace_mut().waits(at, place, &what, None);
    }

    /// Everything that was recorded, at the end of the run, with the sockets that there were before what was left was ended.
    pub fn take_recording(&mut self, netstat: String) -> Option<Box<Recording>> {
        let mut recording = self.world.take_recording()?;
        recording.netstat = netstat;
        Some(Box::new(recording))
    }

    /// The sockets now, for the recording; empty where nothing is recorded.
    pub fn recorded_netstat(&self) -> String {
        if self.world.trace().is_recording() { self.netstat() } else { String::new() }
    }

    /// The last events, as many of each host as are to be shown, a line each, oldest first.
    pub fn last_events(&self) -> String {
        let trace = self.world.trace();
        let mut shown: Vec<Event> = trace.events().collect();
        if let Some(events_max) = self.shows_of_each_host {
            let mut of_host: BTreeMap<Option<u32>, usize> = BTreeMap::new();
            shown.reverse();
            shown.retain(|event| {
                let count = of_host.entry(event.place.host_number()).or_default();
                *count += 1;
                *count <= events_max
            });
            shown.reverse();
        }
        shown.iter().fold(String::new(), |text, event| text + &event.line(trace.names()).to_string() + "\n")
    }

    /// The sockets of all hosts, a line each, behind their host's name.
    pub fn netstat(&self) -> String {
        let (world, mut text) = (&self.world, String::new());
        for host in (0..world.host_count()).map(|host| HostId(u32::try_from(host).expect("fewer than 2^32 hosts"))) {
            let process_name = |pid: Pid| world.trace().names().process(host.0, pid.0).unwrap_or("?").to_owned();
            for line in world.host(host).netstat(world.now()) {
                writeln!(text, "{:<10} {}", world.host_name(host), line.line(&process_name)).expect("a string takes it");
            }
        }
        text
    }

    /// A thread is about to be ready: if it waited, it waits no longer.
    #[cold]
    pub(super) fn note_wake(&mut self, thread: ThreadId) {
        match self.threads[thread.index()].state {
            State::Waiting(..) => {}
            State::Due | State::Ready | State::Running | State::Ended => return,
        }
        let (at, place) = (self.world.now(), self.place(thread));
        self.world.trace_mut().wakes(at, place);
    }
}
