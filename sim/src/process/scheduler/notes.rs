//! What a recording holds of threads: their calls with all arguments, what they wait for, when they wake. Nothing here is done unless the run is
//! recorded, or somebody listens to it.

use super::short::{ReceivesBy, SendsBy};
use super::{Scheduler, State, ThreadId, Wait};
use crate::host::{Call, Pid};
use crate::process::names::name_of;
use crate::process::strace;
use crate::trace::{CallEnd, Ends, Event, Recording, Transfer};
use crate::world::HostId;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IoSlice;
use twinsock::raw::{RawFd, SendHdr};

impl Scheduler {
    /// A call has returned.
    #[cold]
    pub(super) fn note_call(&mut self, end: CallEnd, thread: ThreadId, call: &Call<'_, '_>) {
        let ends = self.ends_of(thread, end.fd);
        self.world.trace_mut().call_in_full(end, ends.as_ref(), |to| strace::list(call, end.result.ok(), to));
    }

    /// A send has returned that went the short way.
    #[cold]
    #[inline(never)]
    pub(super) fn note_short_send(
        &mut self,
        thread: ThreadId,
        fd: RawFd,
        how: SendsBy,
        data: &[u8],
        (flags, name): (i32, Option<&[u8]>),
    ) {
        if !self.world.trace().wants_calls() {
            return;
        }
        let (at, place, ends) = (self.world.now(), self.place(thread), self.ends_of(thread, Some(fd)));
        let end = || CallEnd { at, place, call: how.name(), fd: Some(fd), result: Ok(data.len()) };
        let trace = self.world.trace_mut();
        match how {
            SendsBy::Sendto => {
                trace.send_in_full((at, place), ends.as_ref(), fd, &Transfer { data, room: data.len(), flags, name });
            }
            SendsBy::Sendmsg => trace.call_in_full(end(), ends.as_ref(), |to| {
                let hdr = SendHdr { name, iov: &[IoSlice::new(data)], control: &[] };
                strace::list(&Call::Sendmsg { fd, hdr: &hdr, flags }, Some(data.len()), to);
            }),
            SendsBy::Write => trace.call_in_full(end(), ends.as_ref(), |to| {
                to.number(fd).data(data).count(data.len());
            }),
        }
    }

    /// The same of a receive.
    #[inline(always)]
    pub(super) fn note_short_recv(&mut self, thread: ThreadId, fd: RawFd, how: ReceivesBy, received: &Transfer<'_>) {
        if !self.world.trace().wants_calls() {
            return;
        }
        let (at, place, ends) = (self.world.now(), self.place(thread), self.ends_of(thread, Some(fd)));
        let Transfer { data, room, flags, name } = *received;
        let end = || CallEnd { at, place, call: how.name(), fd: Some(fd), result: Ok(data.len()) };
        let trace = self.world.trace_mut();
        match how {
            ReceivesBy::Recvfrom => trace.recv_in_full((at, place), ends.as_ref(), fd, received),
            ReceivesBy::Recvmsg => trace.call_in_full(end(), ends.as_ref(), |to| {
                strace::plain_message(to.number(fd), Some(data), name.unwrap_or_default(), flags);
            }),
            ReceivesBy::Read => trace.call_in_full(end(), ends.as_ref(), |to| {
                to.number(fd).data(data).count(room);
            }),
        }
    }

    #[inline(always)]
    fn ends_of(&self, thread: ThreadId, fd: Option<RawFd>) -> Option<Ends> {
        let slot = &self.threads[thread.index()];
        self.world.host(slot.host).connection_of(slot.pid, fd?, Ends::new)
    }

    /// A call is about to wait.
    #[inline]
    pub(super) fn note_parked(&mut self, thread: ThreadId, call: &Call<'_, '_>) {
        if self.world.trace().is_recording() {
            let (name, _) = name_of(call);
            let (at, place) = (self.world.now(), self.place(thread));
            self.world.trace_mut().waits_in_call(at, place, name, |to| strace::list(call, None, to));
        }
    }

    /// A receive that went the short way is about to wait; it asks for the sender's name or not.
    #[cold]
    #[inline(never)]
    pub(super) fn note_short_wait(
        &mut self,
        thread: ThreadId,
        how: ReceivesBy,
        (fd, room): (RawFd, usize),
        (flags, is_named): (i32, bool),
    ) {
        let (at, place) = (self.world.now(), self.place(thread));
        let trace = self.world.trace_mut();
        match how {
            ReceivesBy::Recvfrom => trace.waits_in_recv(at, place, (fd, room), (flags, is_named)),
            ReceivesBy::Recvmsg => trace.waits_in_call(at, place, how.name(), |to| {
                strace::plain_message(to.number(fd), None, &[], flags);
            }),
            ReceivesBy::Read => trace.waits_in_call(at, place, how.name(), |to| {
                to.number(fd).dots().count(room);
            }),
        }
    }

    /// A thread waits for something; of a call, [`Scheduler::note_parked`] has said more.
    #[cold]
    #[inline(never)]
    pub(super) fn note_wait(&mut self, thread: ThreadId) {
        let State::Waiting(wait, _) = self.threads[thread.index()].state else { return };
        let what = match wait {
            Wait::Call => return,
            Wait::Sleep => Cow::Borrowed("sleep"),
            Wait::Join(other) => Cow::Owned(format!("join of thread {}", self.thread_name(other))),
            Wait::Sync(name) => Cow::Borrowed(name),
        };
        let (at, place) = (self.world.now(), self.place(thread));
        self.world.trace_mut().waits_for(at, place, &what);
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
        self.note_end_of_wait(thread);
    }

    /// A thread waits no longer.
    #[cold]
    pub(super) fn note_end_of_wait(&mut self, thread: ThreadId) {
        let (at, place) = (self.world.now(), self.place(thread));
        self.world.trace_mut().wakes(at, place);
    }
}
