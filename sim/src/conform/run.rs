//! The interpreter: runs a case's steps one after the other in a world, and compares each answer with what the case expects.
//!
//! A call that may wait is made in a thread of its own, so that "it blocks" is an answer like any other.

use super::answer;
use super::backend::{Backend, Missing, Place};
use super::bulk::port_of;
use super::call::Answer;
use super::format::Case;
use super::handles::Handles;
use super::op::{Act, Bulk, Call, FileAct, Op, Ready, Step};
use super::outcome::{End, Loose, Outcome};
use super::plan;
use super::value::{Addr, HandleRef};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use twinsock::Result as CallResult;
use twinsock::consts::{SO_RCVBUF, SO_SNDBUF, SOL_SOCKET};
use twinsock::raw::Syscalls;
use twinsock::sync::RecvTimeoutError;

/// After how long a call is taken to block.
const BLOCKS_AFTER: Duration = Duration::from_millis(300);
/// The same in a run with pauses, which is made where the machine may be too busy for the other.
const BLOCKS_AFTER_ON_A_BUSY_MACHINE: Duration = Duration::from_millis(900);
/// How long a thread has before it is asked whether it blocks.
const SPAWN_PAUSE: Duration = Duration::from_millis(80);
/// How much longer than its window a timed step may take before it is taken to block, in times of what other calls have to return.
const TIMED_GRACE: u32 = 4;
/// How long other threads have to go on after a step, while there are any.
const SETTLE_PAUSE: Duration = Duration::from_millis(2);
/// What is accepted beyond twice the buffers, in bytes: the segments that are always taken whole, and their overhead.
const SIZES_SLACK_BYTES: u64 = 128 << 10;

/// What became of a case.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Every step answered as recorded.
    Agree,
    /// This step did not.
    Differ(Difference),
    /// It cannot run here, for this reason.
    Skipped(String),
}

/// The first step that answered otherwise than recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Which step, counted from 0; the case's own operation is the last.
    pub step: usize,
    /// What was recorded.
    pub expected: Value,
    /// What was answered.
    pub got: Value,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// The verdict.
    pub verdict: Verdict,
    /// What the steps answered that were made, if that was asked for.
    pub answers: Vec<Outcome>,
    /// Threads are left that still wait.
    pub left_waiting: bool,
}

/// Why a case ends before its last step.
pub enum Stop {
    /// The world lacks something.
    Missing(Missing),
    /// The step refers to something that is not there.
    Fault(String),
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Stop {
        Stop::Missing(missing)
    }
}

impl From<String> for Stop {
    fn from(fault: String) -> Stop {
        Stop::Fault(fault)
    }
}

/// How a case runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// The pause after each step.
    pub pause: Duration,
    /// What is expected does not count, what is answered is kept; a step that blocks is the last.
    pub record: bool,
}

/// Runs a case.
pub fn run<B: Backend>(backend: &B, place: &Place, case: &Case, manner: Manner) -> Ran {
    let handles = Handles::new(place.clone(), backend.port_range());
    let blocks_after = if manner.pause.is_zero() { BLOCKS_AFTER } else { BLOCKS_AFTER_ON_A_BUSY_MACHINE };
    let mut run = Run { backend, handles, blocks_after, tasks: BTreeMap::new(), abandoned: false, sent: BTreeMap::new() };
    let (mut verdict, mut answers) = (Verdict::Agree, Vec::new());
    for (index, (op, expected)) in case.steps.iter().zip(&case.expect).enumerate() {
        run.collect();
        let got = match run.step(op) {
            Ok(got) => got,
            Err(Stop::Missing(missing)) => {
                verdict = Verdict::Skipped(missing.to_string());
                break;
            }
            Err(Stop::Fault(why)) => Outcome::new(End::Fault(why)),
        };
        if !manner.pause.is_zero() {
            backend.sleep(manner.pause);
        }
        if manner.record {
            let last = got.end == End::Blocks;
            answers.push(got);
            if last {
                break;
            }
            continue;
        }
        if let Some(expected) = expected
            && !expected.agrees(&got, None)
            && !(case.env && expected.agrees(&got, Some(run.loose(op))))
        {
            verdict = Verdict::Differ(Difference { step: index, expected: expected.to_json(), got: got.to_json() });
            break;
        }
    }
    run.collect();
    let left_waiting = run.abandoned || run.tasks.values().any(|task| task.outcome.is_none());
    Ran { verdict, answers, left_waiting }
}

/// What a thread of a case says.
enum Message<T> {
    /// Its name, if the case may send it a signal.
    Started(T),
    /// Its call has returned.
    Ended(Ended),
}

/// A call that has returned.
struct Ended {
    answer: CallResult<Answer>,
    sigpipe: bool,
    took: Duration,
}

/// A thread of a case.
struct Task<'a, B: Backend> {
    step: &'a Step,
    messages: B::Receiver<Message<B::Thread>>,
    thread: Option<B::Thread>,
    /// The result, once the call has returned.
    outcome: Option<Outcome>,
}

struct Run<'a, B: Backend> {
    backend: &'a B,
    handles: Handles,
    /// After how long a call is taken to block.
    blocks_after: Duration,
    tasks: BTreeMap<&'a str, Task<'a, B>>,
    /// A call that was not spawned still waits.
    abandoned: bool,
    /// How many bytes `fill` sent, by handle.
    sent: BTreeMap<String, u64>,
}

impl<'a, B: Backend> Run<'a, B> {
    fn step(&mut self, op: &'a Op) -> Result<Outcome, Stop> {
        let outcome = match op {
            Op::Call(step) => self.call_and_wait(step)?,
            Op::Spawn { thread, step } => self.spawn(thread, step)?,
            Op::Join { thread, ms } => self.join(thread, Duration::from_millis(*ms))?,
            Op::Interrupt { thread, restart } => {
                let task = self.tasks.get(thread.as_str()).ok_or_else(|| format!("there is no thread {thread}"))?;
                let target = task.thread.ok_or_else(|| format!("thread {thread} has not said who it is"))?;
                self.backend.interrupt(target, *restart)?;
                Outcome::from(json!(0))
            }
            Op::SamePort { a, b } => {
                let [a, b] = [a, b].map(|name| plan::address(self, &Addr::Own(name.clone())));
                Outcome::from(json!(port_of(&a?) == port_of(&b?)))
            }
            Op::Eq { a, b } => {
                let (a, b) = (plan::address(self, a)?, plan::address(self, b)?);
                Outcome::from(json!(a == b))
            }
            Op::Act(act) => self.act(act)?,
        };
        if !self.tasks.is_empty() {
            self.backend.sleep(SETTLE_PAUSE);
        }
        Ok(outcome)
    }

    /// Makes a call and waits for it, for as long as it may take.
    fn call_and_wait(&mut self, step: &Step) -> Result<Outcome, Stop> {
        let call = plan::ready(self, &step.call)?;
        let limit = match (call.may_wait(), step.window) {
            (None, _) => {
                let ended = make(self.backend, &call);
                return Ok(self.finish(step, ended));
            }
            (Some(own), None) => self.blocks_after + own,
            (Some(_), Some((_, hi))) => Duration::from_millis(hi) + self.blocks_after * TIMED_GRACE,
        };
        let messages = self.start(call, false);
        match self.backend.channel_recv_timeout(&messages, limit) {
            Ok(Message::Ended(ended)) => Ok(self.finish(step, ended)),
            Ok(Message::Started(_)) | Err(RecvTimeoutError::Timeout) => {
                self.abandoned = true;
                Ok(Outcome::new(End::Blocks))
            }
            Err(RecvTimeoutError::Disconnected) => Err(Stop::Fault("the thread that made the call has died".to_owned())),
        }
    }

    /// Starts a thread that makes a call.
    fn start(&self, call: Ready, announce: bool) -> B::Receiver<Message<B::Thread>> {
        let (sender, receiver) = self.backend.channel();
        let backend = self.backend.clone();
        // The thread is not joined: it says what came of it, and one that waits for ever ends with its process.
        drop(self.backend.spawn(move || {
            if announce {
                // Nobody may be listening any more, once the case has ended.
                backend.channel_send(&sender, Message::Started(backend.this_thread())).ok();
            }
            let ended = make(&backend, &call);
            backend.channel_send(&sender, Message::Ended(ended)).ok();
        }));
        receiver
    }

    fn spawn(&mut self, thread: &'a str, step: &'a Step) -> Result<Outcome, Stop> {
        let call = plan::ready(self, &step.call)?;
        let messages = self.start(call, true);
        self.tasks.insert(thread, Task { step, messages, thread: None, outcome: None });
        self.backend.sleep(SPAWN_PAUSE);
        self.collect();
        plan::note_names(self, step);
        let done = self.tasks.get(thread).is_some_and(|task| task.outcome.is_some());
        Ok(Outcome::from(json!(if done { "done" } else { "blocked" })))
    }

    fn join(&mut self, thread: &str, limit: Duration) -> Result<Outcome, Stop> {
        let missing = || format!("there is no thread {thread}");
        let deadline = self.backend.now() + limit;
        loop {
            let task = self.tasks.get_mut(thread).ok_or_else(missing)?;
            if let Some(outcome) = task.outcome.take() {
                self.tasks.remove(thread);
                return Ok(outcome);
            }
            match self.backend.channel_recv_timeout(&task.messages, deadline.since(self.backend.now())) {
                Ok(message) => self.take(thread, message),
                Err(RecvTimeoutError::Timeout) => return Ok(Outcome::new(End::Blocks)),
                Err(RecvTimeoutError::Disconnected) => return Err(Stop::Fault(format!("thread {thread} has died"))),
            }
        }
    }

    /// Takes in what threads have said meanwhile.
    fn collect(&mut self) {
        let names: Vec<&'a str> = self.tasks.keys().copied().collect();
        for name in names {
            while let Some(message) = self.tasks.get(name).and_then(|task| self.backend.channel_try_recv(&task.messages).ok()) {
                self.take(name, message);
            }
        }
    }

    fn take(&mut self, name: &str, message: Message<B::Thread>) {
        let Some(step) = self.tasks.get(name).map(|task| task.step) else { return };
        let outcome = match message {
            Message::Started(thread) => {
                if let Some(task) = self.tasks.get_mut(name) {
                    task.thread = Some(thread);
                }
                return;
            }
            Message::Ended(ended) => self.finish(step, ended),
        };
        if let Some(task) = self.tasks.get_mut(name) {
            task.outcome = Some(outcome);
        }
    }

    /// Writes a returned call as a result, and takes note of what it changed.
    fn finish(&mut self, step: &Step, ended: Ended) -> Outcome {
        if let (Ok(Answer::Bulk(total)), Call::Bulk(Bulk::Fill { h: HandleRef::Name(name), .. })) = (&ended.answer, &step.call) {
            *self.sent.entry(name.clone()).or_default() += total.sent;
        }
        let mut outcome = answer::write(step, ended.answer, &mut self.handles, self.backend.pid());
        outcome.sigpipe = ended.sigpipe;
        if let Some((lo, hi)) = step.window {
            let ms = u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX);
            let in_time = (lo..=hi).contains(&ms);
            outcome.in_time = Some(in_time);
            outcome.ms = (!in_time).then_some(ms);
        }
        plan::note_names(self, step);
        outcome
    }

    fn act(&mut self, act: &Act) -> Result<Outcome, Stop> {
        let (done, value) = match act {
            Act::Nofile { n } => (self.backend.set_nofile(*n)?, Value::Null),
            Act::Sysctl { name, value } => {
                let written = self.backend.sysctl(name, value)?;
                self.handles.set_range(self.backend.port_range());
                (written, Value::Null)
            }
            Act::Seteuid { uid } => (self.backend.seteuid(*uid)?, json!(0)),
            Act::OpenFile { new, path } => {
                let opened = self.backend.open_file(&self.handles.path(path)?)?;
                let named = opened.map(|fd| self.handles.open(new, fd));
                (named.map(drop), json!("fd"))
            }
            Act::File { path, act } => {
                let done = self.backend.file(&self.handles.path(path)?, *act)?;
                match (done, act) {
                    (Ok(exists), FileAct::Exists) => (Ok(()), json!(exists)),
                    (done, _) => (done.map(drop), json!(0)),
                }
            }
        };
        Ok(done.map_or_else(answer::failed, |()| Outcome::from(value)))
    }

    /// How the numbers of a step are compared if they depend on the machine.
    fn loose(&self, op: &Op) -> Loose {
        let call = match op {
            Op::Call(step) | Op::Spawn { step, .. } => &step.call,
            // What was joined is gone from the tasks; it is about data more often than not, and numbers of data are bounded.
            Op::Join { .. } => return Loose::Sizes(self.sizes_bound()),
            Op::Interrupt { .. } | Op::SamePort { .. } | Op::Eq { .. } | Op::Act(_) => return Loose::Factor,
        };
        match call {
            Call::Send(..) | Call::Receive(..) | Call::Bulk(Bulk::Fill { .. } | Bulk::Drain { .. } | Bulk::DrainUntil { .. }) => {
                Loose::Sizes(self.sizes_bound())
            }
            Call::Open(_) | Call::Plain(..) | Call::Wait(_) | Call::Sleep(_) | Call::Bulk(_) => Loose::Factor,
        }
    }

    /// The most that a connection takes up: twice the buffers of its ends, and a little more.
    fn sizes_bound(&self) -> u64 {
        let calls = self.backend.calls(self.backend.vouch());
        let largest = |option: i32| {
            let size = |fd| {
                let (mut value, mut len) = ([0; 4], 4);
                calls
                    .getsockopt(fd, SOL_SOCKET, option, &mut value, &mut len)
                    .map_or(0, |()| u64::from(u32::from_ne_bytes(value)))
            };
            self.handles.slots().iter().map(|slot| size(slot.fd)).max().unwrap_or(0)
        };
        2 * (largest(SO_SNDBUF) + largest(SO_RCVBUF)) + SIZES_SLACK_BYTES
    }
}

/// Makes a call in the calling thread.
fn make<B: Backend>(backend: &B, call: &Ready) -> Ended {
    let begun = backend.now();
    let answer = call.make(backend);
    let took = backend.now().since(begun);
    Ended { answer, sigpipe: call.may_raise_sigpipe() && backend.take_sigpipe(), took }
}

/// What planning a call needs of a run: its names, and the calls that find addresses out.
impl<B: Backend> plan::Ground for Run<'_, B> {
    fn handles(&mut self) -> &mut Handles {
        &mut self.handles
    }

    fn sent(&self, handle: &str) -> u64 {
        self.sent.get(handle).copied().unwrap_or(0)
    }

    fn getsockname(&self, fd: i32) -> Option<Vec<u8>> {
        plan::name_of(|name| self.backend.calls(self.backend.vouch()).getsockname(fd, name))
    }

    fn getpeername(&self, fd: i32) -> Option<Vec<u8>> {
        plan::name_of(|name| self.backend.calls(self.backend.vouch()).getpeername(fd, name))
    }
}
