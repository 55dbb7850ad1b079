//! Which of the threads that are due goes next, and which is made to step aside: the strategies of interleaving.
//!
//! Every thread has a clock, and every call moves it, so threads that are due at the same moment are few, and left alone they go on in step. What
//! makes other orders is preemption: a thread that is about to make a call loses its processor for a while, as on any kernel. When that
//! happens is drawn before the run, as the number of a call, so that a run without preemptions pays one comparison for each call.

use crate::choice::{Door, StreamId};
use crate::process::scheduler::{Ready, ThreadId};
use crate::world::{HostId, World};
use std::time::Duration;

/// How it is decided which of several threads that are due goes next.
///
/// ```
/// use twinsock_sim::{Interleaving, Sim};
/// let run = Sim::builder().interleaving(Interleaving::Pct { preemptions: 3 }).run(|_sim| {});
/// assert!(run.is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interleaving {
    /// First come, first served; nobody is preempted.
    FirstCome,
    /// Any of those that are due at the same moment, equally likely; nobody is preempted. A thread whose call has waited makes its next one in the same turn, but
    /// sometimes all others that are due go before that: as often as not at the beginning of a run, and about one in sixteen times later.
    #[default]
    Random,
    /// Probabilistic concurrency testing: threads have random priorities, and so many times at most, at calls drawn before the run, a thread falls to
    /// the lowest priority and loses its processor for a while, between one microsecond and an eighth of a second. A bug that needs `n` orderings to come about is found
    /// with `n - 1` preemptions ("A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", S. Burckhardt and others, 2010).
    Pct {
        /// How many times.
        preemptions: u32,
    },
    /// A strategy for every seed: one of the above, with up to three preemptions. What [`check!`](crate::check) uses.
    Mixed,
    /// For an [`Enumeration`](crate::choice::Enumeration): the lowest number goes first, and at every call there is the choice to lose the processor.
    Systematic {
        /// For how long.
        pause: Duration,
    },
}

/// The strategy of a run, in its course.
pub struct Turns {
    how: How,
    order: StreamId,
    /// After how many calls that have waited, and are over while others are due, it is drawn anew what comes with the last of them.
    waited: u64,
    /// Of how many that is drawn next.
    waited_of: u32,
    /// Whether with the last of them others go first.
    last_lets_go: bool,
    /// By which that is drawn, once there has been one.
    going: Option<StreamId>,
    /// How many calls were made.
    calls: u64,
    /// At which call there is something to do: a preemption, or the end.
    mark: u64,
    calls_max: u64,
    /// Those still to come, the next one last.
    preemptions: Vec<Preemption>,
}

enum How {
    FirstCome,
    Random,
    /// By thread, where it has been drawn.
    Priorities(Vec<Option<u32>>),
    Systematic {
        pause: Duration,
    },
}

struct Preemption {
    call: u64,
    pause: Duration,
    stream: StreamId,
}

/// What a thread that is about to make a call has come to.
pub enum Mark {
    /// Nothing: it goes on.
    Pass,
    /// It loses its processor for so long.
    Pause(Duration),
    /// It has made all the calls that the run may make.
    End,
}

/// How many calls a run is expected to make, unless somebody knows better.
pub const CALLS_EXPECTED: u64 = 1 << 16;
/// A pause is of up to 2^17 microseconds.
const PAUSE_US_LOG2: u32 = 17;
/// Of so many calls that have waited it is drawn with which of them, if any, a thread lets others go before its next one: of few at first, so that both orders are usual in a
/// short run, and of more in a long one, which has many such calls.
const WAITED_OF_MIN: u32 = 2;
/// At most of so many.
const WAITED_OF_MAX: u32 = 32;
/// How many priorities there are.
const PRIORITIES: u32 = 256;

impl Turns {
    /// A run's strategy. About `calls_expected` calls are made, and at most `calls_max`.
    pub fn new(interleaving: Interleaving, calls_expected: u64, calls_max: u64, world: &mut World) -> Turns {
        let choice = world.choice_mut();
        let order = choice.stream(Door::Interleaving, "threads");
        let (how, preemptions) = match interleaving {
            Interleaving::FirstCome => (How::FirstCome, 0),
            Interleaving::Random => (How::Random, 0),
            Interleaving::Pct { preemptions } => (How::Priorities(Vec::new()), preemptions),
            Interleaving::Systematic { pause } => (How::Systematic { pause }, 0),
            Interleaving::Mixed => {
                let stream = choice.stream(Door::Run, "interleaving");
                let drawn = choice.draw(stream, 5);
                if drawn > 0 && choice.keeps_story() {
                    choice.tell(
                        stream,
                        ["any order", "one preemption", "two preemptions", "three preemptions"][drawn as usize - 1].to_owned(),
                    );
                }
                match drawn {
                    0 => (How::FirstCome, 0),
                    1 => (How::Random, 0),
                    more => (How::Priorities(Vec::new()), more - 1),
                }
            }
        };
        let waited = match how {
            How::Random | How::Systematic { .. } => 0,
            // The one goes by who came first, the others make a thread step aside before any call.
            How::FirstCome | How::Priorities(_) => u64::MAX,
        };
        let mut turns = Turns {
            how,
            order,
            waited,
            waited_of: WAITED_OF_MIN,
            last_lets_go: false,
            going: None,
            calls: 0,
            mark: 0,
            calls_max,
            preemptions: Vec::new(),
        };
        turns.preemptions = (1..=preemptions).filter_map(|number| draw_preemption(number, calls_expected, world)).collect();
        turns.preemptions.sort_by_key(|preemption| std::cmp::Reverse(preemption.call));
        turns.set_mark();
        turns
    }

    fn set_mark(&mut self) {
        let next = match self.how {
            How::Systematic { .. } => self.calls + 1,
            How::FirstCome | How::Random | How::Priorities(_) => self.preemptions.last().map_or(u64::MAX, |next| next.call),
        };
        self.mark = next.min(self.calls_max);
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Whether [`Turns::at_mark`] will have something to say when the next call is counted.
    #[inline]
    pub fn is_at_mark_next(&self) -> bool {
        self.calls + 1 >= self.mark
    }

    /// Counts a call. Answers whether [`Turns::at_mark`] has something to say.
    #[inline]
    pub fn count(&mut self) -> bool {
        self.calls += 1;
        self.calls >= self.mark
    }

    /// What happens to the thread that is about to make the call just counted.
    pub fn at_mark(&mut self, world: &mut World, thread: ThreadId, host: HostId, name: NameOf<'_>) -> Mark {
        if self.calls >= self.calls_max {
            return Mark::End;
        }
        let mark = match self.how {
            How::Systematic { pause } => {
                let now = world.now();
                let situation = world.chains_mut().situation(now, std::iter::once(!u64::from(thread.0)));
                world.choice_mut().at(situation);
                let steps_aside = draw(world, self.order, 2) == 1;
                world.chains_mut().act(host, u64::from(thread.0), now, !steps_aside);
                if steps_aside {
                    tell(world, self.order, |world| format!("{} steps aside for {pause:?}", name(world, thread)));
                    Mark::Pause(pause)
                } else {
                    Mark::Pass
                }
            }
            How::FirstCome | How::Random | How::Priorities(_) => match self.preemptions.pop() {
                Some(preemption) => self.preempt(world, thread, &preemption, name),
                None => Mark::Pass,
            },
        };
        self.set_mark();
        mark
    }

    fn preempt(&mut self, world: &mut World, thread: ThreadId, preemption: &Preemption, name: NameOf<'_>) -> Mark {
        let Preemption { call, pause, stream } = *preemption;
        if world.choice().keeps_story() {
            let words = format!("{} steps aside for {pause:?}, before call {call} of the run", name(world, thread));
            world.choice_mut().remark(stream, words);
        }
        if let How::Priorities(priorities) = &mut self.how {
            *slot(priorities, thread) = Some(0);
        }
        Mark::Pause(pause)
    }

    /// A call of a thread has waited and is over, while others are due. Answers whether those go before the thread's next call, which would come in the same turn.
    #[inline(always)]
    pub fn lets_others_go(&mut self, world: &mut World, thread: ThreadId, host: HostId, name: NameOf<'_>) -> bool {
        let passes = self.waited > 1;
        if passes {
            self.waited -= 1;
        }
        !passes && self.decide_who_goes_first(world, thread, host, name)
    }

    #[cold]
    fn decide_who_goes_first(&mut self, world: &mut World, thread: ThreadId, host: HostId, name: NameOf<'_>) -> bool {
        match self.how {
            How::Random => {}
            How::FirstCome | How::Priorities(_) => return false,
            How::Systematic { .. } => {
                // It took what it had waited for before others did.
                let now = world.now();
                world.chains_mut().act(host, u64::from(thread.0), now, true);
                return false;
            }
        }
        let stream = *self.going.get_or_insert_with(|| world.choice_mut().stream(Door::Interleaving, "who lets others go"));
        if self.waited == 0 {
            let drawn = draw(world, stream, self.waited_of);
            tell(world, stream, |_| String::new());
            self.last_lets_go = drawn > 0;
            self.waited = u64::from(if self.last_lets_go { drawn } else { self.waited_of });
            self.waited_of = (2 * self.waited_of).min(WAITED_OF_MAX);
        }
        self.waited -= 1;
        let lets_go = self.waited == 0 && self.last_lets_go;
        if lets_go && world.choice().keeps_story() {
            let words = format!("{} lets others go before its next call", name(world, thread));
            world.choice_mut().remark(stream, words);
        }
        lets_go
    }

    /// Which of these threads is going to be next after so many of them, very probably, if they are all that are due until then: its index now.
    #[inline]
    pub fn foresee(&self, world: &mut World, turns: usize, ready: usize) -> Option<usize> {
        match self.how {
            How::FirstCome => Some(turns),
            How::Random => {
                // The chosen one's place goes to the first in line, so that whoever stands behind those stays where it is.
                let left = u32::try_from(ready.checked_sub(turns)?).ok()?;
                let next = world.choice_mut().foresee(self.order, turns, left)?;
                Some(turns + usize::try_from(next).ok()?)
            }
            How::Priorities(_) | How::Systematic { .. } => None,
        }
    }

    /// Which of so many threads that are due goes next: its index; and, if that is asked for, what [`Turns::foresee`] says of the one after it. `None`: that is
    /// for [`Turns::choose`], the usual one, where nobody wants to hear of it, not being the run's.
    #[inline(always)]
    pub fn choose_any(&mut self, world: &mut World, count: usize, foresees: bool) -> Option<(usize, Option<usize>)> {
        match self.how {
            How::Random if !world.choice().keeps_story() => {}
            How::FirstCome | How::Random | How::Priorities(_) | How::Systematic { .. } => return None,
        }
        let n = u32::try_from(count).expect("fewer than 2^32 threads are ready");
        let (value, next) = world.choice_mut().draw_foreseeing(self.order, n, foresees);
        record_draw(world, n, value);
        Some((usize::try_from(value).ok()?, next.and_then(|next| usize::try_from(next).ok())))
    }

    /// Which of several threads that are due goes next: its index.
    pub fn choose(&mut self, world: &mut World, ready: &Ready, name: NameOf<'_>) -> usize {
        let count = u32::try_from(ready.len()).expect("fewer than 2^32 threads are ready");
        match &mut self.how {
            How::FirstCome => 0,
            How::Random => {
                let value = draw(world, self.order, count);
                let index = usize::try_from(value).expect("an index fits usize");
                tell(world, self.order, |world| {
                    let [chosen, first] =
                        [index, 0].map(|place| ready.get(place).expect("a choice is one of those that are ready"));
                    goes_before(world, chosen, first, name)
                });
                index
            }
            How::Priorities(priorities) => {
                let mut best = (0, None);
                for (index, thread) in ready.iter().enumerate() {
                    let slot = slot(priorities, thread);
                    let priority = *slot.get_or_insert_with(|| draw_priority(world, thread, name));
                    if best.1.is_none_or(|best| priority > best) {
                        best = (index, Some(priority));
                    }
                }
                best.0
            }
            How::Systematic { .. } => {
                // By number and not by who came first, so that what a run can still come to depends on its situation alone.
                let mut threads: Vec<(ThreadId, usize)> = ready.iter().zip(0..).collect();
                threads.sort_unstable();
                let now = world.now();
                let situation = world.chains_mut().situation(now, threads.iter().map(|(thread, _)| u64::from(thread.0)));
                world.choice_mut().at(situation);
                let value = usize::try_from(draw(world, self.order, count)).expect("an index fits usize");
                tell(world, self.order, |world| goes_before(world, threads[value].0, threads[0].0, name));
                threads[value].1
            }
        }
    }
}

/// What a thread is called in a story and in the name of a stream.
pub type NameOf<'a> = &'a dyn Fn(&World, ThreadId) -> String;

/// Draws, and records the choice as an event of the run.
fn draw(world: &mut World, stream: StreamId, n: u32) -> u32 {
    let value = world.choice_mut().draw(stream, n);
    record_draw(world, n, value);
    value
}

#[inline(always)]
fn record_draw(world: &mut World, n: u32, value: u32) {
    let at = world.now();
    world.trace_mut().chose(at, Door::Interleaving.name(), n, value);
}

fn tell(world: &mut World, stream: StreamId, words: impl FnOnce(&World) -> String) {
    if world.choice().keeps_story() {
        let words = words(world);
        world.choice_mut().tell(stream, words);
    }
}

fn goes_before(world: &World, chosen: ThreadId, first: ThreadId, name: NameOf<'_>) -> String {
    format!("{} goes before {}", name(world, chosen), name(world, first))
}

/// Draws the call before which a thread is preempted, each power of two of them as likely as the next, and for how long.
///
/// A run may turn out longer or shorter than expected: what is drawn means the same, whatever was expected.
fn draw_preemption(number: u32, calls_expected: u64, world: &mut World) -> Option<Preemption> {
    let stream = world.choice_mut().stream(Door::Interleaving, &format!("preemption {number}"));
    let powers = calls_expected.clamp(1, u64::from(u32::MAX / 2)).ilog2() + 1;
    let mut part = |n: u32| {
        let value = draw(world, stream, n);
        // The preemption itself says what its parts come to.
        tell(world, stream, |_| String::new());
        value
    };
    let log2 = part(powers + 1).checked_sub(1)?;
    let call = (1 << log2) + part(1 << log2);
    let pause = Duration::from_micros(1 << part(PAUSE_US_LOG2 + 1));
    Some(Preemption { call: u64::from(call), pause, stream })
}

fn draw_priority(world: &mut World, thread: ThreadId, name: NameOf<'_>) -> u32 {
    let name = format!("priority of {}", name(world, thread));
    let stream = world.choice_mut().stream(Door::Interleaving, &name);
    let priority = draw(world, stream, PRIORITIES);
    tell(world, stream, |_| format!("{priority}"));
    priority
}

fn slot(priorities: &mut Vec<Option<u32>>, thread: ThreadId) -> &mut Option<u32> {
    let index = usize::try_from(thread.0).expect("a thread's number fits usize");
    if index >= priorities.len() {
        priorities.resize(index + 1, None);
    }
    &mut priorities[index]
}
