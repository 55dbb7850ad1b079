//! Faults of calls as choices: what may happen is said by a [`Plan`], whether it does is drawn.
//!
//! Each thread has a stream for each kind of call it makes, so that what happens to one call shifts little for others. 0 is "no fault".

use crate::choice::{Door, StreamId};
use crate::process::scheduler::{Scheduler, ThreadId};
use crate::trace::{CallName, Event, MachineEvent, Place, What};
use crate::world::HostId;
use std::collections::BTreeMap;
use std::fmt::Write;
use twinsock::faulty::{Call, Course, Decision, Fault, Plan};
use twinsock::raw::RawFd;

/// The streams of threads, by call: whether something happens, and how.
pub type FaultStreams = BTreeMap<(ThreadId, Call), [StreamId; 2]>;

/// What is kept of a fault that is drawn until it happens.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    rate: usize,
    call: Call,
    fd: Option<RawFd>,
    streams: [StreamId; 2],
}

impl Scheduler {
    /// Sets what may befall calls on a host from here on; `None`: nothing.
    pub fn set_call_faults(&mut self, host: HostId, plan: Option<Plan>) {
        if plan.is_some() || self.has_call_faults(host) {
            let what = What::Machine(MachineEvent::CallFaults { on: plan.is_some() });
            let at = self.world.now();
            self.world.trace_mut().record(Event { at, place: Place::host(host.0), what });
        }
        match plan {
            Some(plan) => drop(self.call_faults.insert(host, Course::new(&plan))),
            None => drop(self.call_faults.remove(&host)),
        }
    }

    /// Whether something may befall calls on a host.
    pub fn has_call_faults(&self, host: HostId) -> bool {
        self.call_faults.contains_key(&host)
    }

    /// Draws whether something is to happen to the call that the running thread is about to make.
    pub fn draw_call_fault(&mut self, thread: ThreadId, call: Call, fd: Option<RawFd>) -> Option<Decision<Mark>> {
        let host = self.process(self.process_of(thread)).host;
        if self.thread_mut(thread).killed || !self.call_faults.get(&host)?.concerns(call) {
            return None;
        }
        let streams = self.fault_streams(thread, call);
        let Scheduler { call_faults, world, .. } = self;
        let course = &call_faults.get(&host)?;
        let choice = world.choice_mut();
        // All of them are drawn, so that one that happens does not shift the others.
        let mut hits = Vec::new();
        for (place, num, den) in course.ratios(call) {
            if choice.happens(streams[0], num, den) {
                // What it comes to is said when it happens, if it can.
                choice.tell(streams[0], String::new());
                hits.push(place);
            }
        }
        let (rate, fault) = course.fault(call, |place, _, _| hits.contains(&place))?;
        Some(Decision { fault, mark: Mark { rate, call, fd, streams } })
    }

    fn fault_streams(&mut self, thread: ThreadId, call: Call) -> [StreamId; 2] {
        if let Some(streams) = self.fault_streams.get(&(thread, call)) {
            return *streams;
        }
        let name = format!("calls/{}/{}", self.full_name(thread), call);
        let choice = self.world.choice_mut();
        let streams = [choice.stream(Door::Latitude, &name), choice.stream(Door::Latitude, &format!("{name}/how"))];
        self.fault_streams.insert((thread, call), streams);
        streams
    }

    /// A fault happens to the running thread's call. `false`: its rate says that it has happened as often as it may.
    pub fn claim_call_fault(&mut self, thread: ThreadId, decision: &Decision<Mark>, len: Option<usize>) -> bool {
        let Decision { fault, mark: Mark { rate, call, fd, streams } } = *decision;
        let host = self.process(self.process_of(thread)).host;
        if !self.call_faults.get(&host).is_some_and(|faults| faults.claim(rate)) {
            return false;
        }
        let words = words(fault, len);
        if self.world.choice().keeps_story() {
            let of = fd.map_or_else(String::new, |fd| format!(" of fd {fd}"));
            let told = format!("{call}{of} in {}: {words}", self.full_name(thread));
            self.world.choice_mut().remark(streams[0], told);
        }
        self.record(thread, What::CallFault { call: CallName::new(call.name()), fd, fault: words.into() });
        if fault.errno().is_some() {
            // The call is not made, and costs what a call costs.
            self.charge(thread);
        }
        true
    }

    /// The running thread has asked for a name: if something is wrong with that, it has met it.
    pub fn note_lookup(&mut self, thread: ThreadId, name: &str) {
        if let Some(fault) = self.world.name_fault(name) {
            let fault = format!("{fault} for the name {name}").into();
            self.record(thread, What::CallFault { call: const { CallName::new("getaddrinfo") }, fd: None, fault });
        }
    }

    /// Draws one of `0..n` for a fault that has to choose, 0 being the boring one.
    pub fn draw_of_fault(&mut self, mark: &Mark, n: u64) -> u64 {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        let choice = self.world.choice_mut();
        let drawn = choice.draw(mark.streams[1], n);
        choice.tell(mark.streams[1], String::new());
        u64::from(drawn)
    }
}

fn words(fault: Fault, len: Option<usize>) -> String {
    let mut words = fault.to_string();
    if let Some(len) = len {
        write!(words, ", {len} bytes").expect("a string takes it");
    }
    words
}
