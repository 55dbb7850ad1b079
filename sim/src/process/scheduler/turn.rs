//! How a thread comes to its next act, and how one that is woken in a call comes to go on with that: at once, or after what is due before, at its turn.

use super::next::is_next_at;
use super::short::FETCHED_FROM;
use super::{Scheduler, State, ThreadId, Wait, full_name};
use crate::process::failure::FailureKind;
use crate::process::turns::Mark;
use crate::seldom::unlikely;
use twinsock::Instant;

/// How a thread comes to its next act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comes {
    /// At once.
    Now,
    /// Something else is to happen first, or may be: [`Scheduler::comes_later`].
    Later,
    /// It is killed, the strategy has something to say before, or it would be too late: [`Scheduler::comes_with_care`].
    WithCare,
}

/// Whether the running thread has been chosen to act now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Chosen {
    /// No, or it has acted.
    #[default]
    No,
    /// Among all that are due now, or nobody else is.
    Now,
    /// The same, and a call in which it had waited is over. Its next act comes when all others have acted that are ready.
    Last,
}

impl Scheduler {
    /// How `thread` comes to its next act. If that is at once, for nothing is due before it, it is counted; otherwise nothing has happened.
    #[inline(always)]
    pub fn comes(&mut self, thread: ThreadId) -> Comes {
        let Scheduler { threads, world, turns, pulse, ready, rare, just_chosen, over_at, .. } = self;
        let Some(slot) = threads.get_mut(thread.index()) else { return Comes::WithCare };
        let clock = slot.clock;
        if unlikely(slot.killed) || unlikely(turns.is_at_mark_next()) || unlikely(clock >= *over_at) {
            return Comes::WithCare;
        }
        let is_chosen = *just_chosen == Chosen::Now && clock == world.now();
        if !(is_chosen || ready.is_empty() && !rare.may_be() && world.pass_until(clock)) {
            return Comes::Later;
        }
        turns.count();
        pulse.beat_at(turns.calls());
        *just_chosen = Chosen::No;
        Comes::Now
    }

    /// Counts `thread`'s next act, which does not come at once, and lets everything happen that is due before it; others may be chosen to run next, if it
    /// `may_choose`. Answers whether the thread acts now: otherwise it waits for its turn.
    #[inline(never)]
    pub fn comes_later(&mut self, thread: ThreadId, may_choose: bool) -> bool {
        self.count_act();
        if std::mem::take(&mut self.just_chosen) == Chosen::Last && !self.ready.is_empty() {
            return self.let_others_go(thread);
        }
        // Others are ready: nothing happens before one of them has been chosen.
        if !self.ready.is_empty() { self.wait_for_turn(thread, may_choose) } else { self.comes_after_events(thread, may_choose) }
    }

    /// The same where nobody is ready: what is due before the act happens first, unless something rare comes before both. Apart, so that the other way is short.
    #[inline(never)]
    fn comes_after_events(&mut self, thread: ThreadId, may_choose: bool) -> bool {
        if !self.rare.may_be() {
            self.step();
        }
        self.comes_to(thread) || self.wait_for_turn(thread, may_choose)
    }

    /// [`Scheduler::comes_later`] where the thread may be killed, the strategy may have something to say before the act, which may come at once, too, or that is later than the driver's limit:
    /// then it waits for its turn, which does not come before there is another limit. `None`: it is killed.
    #[cold]
    #[inline(never)]
    pub fn comes_with_care(&mut self, thread: ThreadId, may_choose: bool) -> Option<bool> {
        if self.threads[thread.index()].killed {
            return None;
        }
        let is_at_mark = self.count_act();
        let is_chosen = std::mem::take(&mut self.just_chosen) == Chosen::Now;
        let may_act = !is_at_mark || self.at_mark(thread);
        let clock = self.threads[thread.index()].clock;
        // At the end of time it is no limit.
        let is_in_time = clock < self.over_at || self.over_at == Instant::FAR;
        let acts = may_act && is_in_time && (is_chosen && clock == self.world.now() || self.comes_to(thread));
        Some(acts || self.wait_for_turn(thread, may_choose))
    }

    /// A thread that waits in a call is woken: it goes on with the call when what that costs has passed, after all that is due before.
    #[inline(never)]
    pub(super) fn wake_in_call(&mut self, thread: ThreadId) {
        if !self.wakes_plainly && self.world.trace().is_recording() {
            self.note_end_of_wait(thread);
        }
        let now = self.world.now();
        let slot = &mut self.threads[thread.index()];
        slot.clock = woken_at(slot.clock, now, self.call_cost_ns);
        slot.state = State::Due;
        // An alarm for the end of its patience is void.
        slot.turn = slot.turn.wrapping_add(1);
        let (clock, alarm) = (slot.clock, slot.alarm(thread));
        self.world.schedule_turn(clock, alarm);
    }

    /// The same where nobody else runs or is to run, and nothing happens, until the thread goes on: so it does. `false`: nothing has happened.
    #[inline(always)]
    pub(super) fn goes_on_at_once(&mut self, thread: ThreadId) -> bool {
        let Some(slot) = self.threads.get_mut(thread.index()) else { return false };
        let at = match slot.state {
            State::Waiting(Wait::Call, _) => woken_at(slot.clock, self.world.now(), self.call_cost_ns),
            State::Waiting(..) | State::Ready | State::Due | State::Running | State::Ended => return false,
        };
        if !is_next_at(&self.ready, self.straight_until, self.events_left, at) || !self.world.is_idle_until(at) {
            return false;
        }
        if self.world.trace().is_recording() {
            self.note_end_of_wait(thread);
        }
        self.begin_at(thread, at);
        true
    }

    /// Time passes, and the turn of a thread begins for which nobody else can be chosen.
    #[inline(always)]
    pub(super) fn begin_at(&mut self, thread: ThreadId, at: Instant) {
        let Scheduler { world, threads, stack_ends, events_left, just_chosen, .. } = self;
        // One of many has its stack fetched when its turn is near.
        if unlikely(threads.len() >= FETCHED_FROM) {
            stack_ends[thread.index()].prefetch();
        }
        let slot = &mut threads[thread.index()];
        slot.clock = at;
        slot.state = State::Running;
        slot.turn = slot.turn.wrapping_add(1);
        world.pass(at);
        *events_left -= 1;
        world.trace_mut().count_step();
        *just_chosen = Chosen::Now;
    }

    /// The running thread's call has waited and is over: its next act may come in the same turn.
    #[inline(always)]
    pub(super) fn goes_along(&mut self, thread: ThreadId) {
        if self.ready.is_empty() {
            return;
        }
        let Scheduler { world, turns, threads, names, just_chosen, call_cost_ns, .. } = self;
        let host = threads[thread.index()].host;
        if turns.lets_others_go(world, thread, host, &|world, thread| full_name(world, threads, names, thread)) {
            // Where calls cost nothing, others may act again and again without an end: there it stands among them.
            *just_chosen = if *call_cost_ns == 0 { Chosen::No } else { Chosen::Last };
        }
    }

    /// The running thread acts when all others have acted that are ready now.
    #[cold]
    fn let_others_go(&mut self, thread: ThreadId) -> bool {
        let now = self.world.now();
        let slot = &mut self.threads[thread.index()];
        debug_assert!(slot.clock <= now, "who lets others go would act now");
        slot.state = State::Ready;
        slot.turn = slot.turn.wrapping_add(1);
        self.ready.push_last(thread);
        false
    }

    /// The running thread is about to act. Answers whether the strategy has something to say first.
    #[inline(always)]
    fn count_act(&mut self) -> bool {
        let is_at_mark = self.turns.count();
        self.pulse.beat_at(self.turns.calls());
        is_at_mark
    }

    /// Lets everything happen that is due before the thread's next act, as long as nobody is ready. Answers whether the thread acts now.
    #[inline(always)]
    fn comes_to(&mut self, thread: ThreadId) -> bool {
        let clock = self.threads[thread.index()].clock;
        loop {
            if !self.ready.is_empty() || self.rare.interrupts() {
                return false;
            }
            if self.world.pass_until(clock) {
                return true;
            }
            self.step();
        }
    }

    /// Puts the running thread's turn into the queue, at its own clock. Where that is now, and all that the driver would do next is to choose among those whose
    /// turn it is, that is done here, if it `may_choose`. Answers whether it is that thread, which goes on at once.
    #[inline(always)]
    pub fn wait_for_turn(&mut self, thread: ThreadId, may_choose: bool) -> bool {
        let clock = self.threads[thread.index()].clock;
        if clock <= self.world.now() && self.is_a_turn_next() {
            // Its alarm would be the last one due now, and the next thing to happen.
            return self.chooses_at_once(thread, may_choose);
        }
        let slot = &mut self.threads[thread.index()];
        slot.state = State::Due;
        let alarm = slot.alarm(thread);
        self.world.schedule_turn(clock, alarm);
        false
    }

    /// Whether the driver, if it took over, would have nothing to do before it chooses among those whose turn it is now.
    #[inline(always)]
    fn is_a_turn_next(&self) -> bool {
        let now = self.world.now();
        !self.rare.interrupts() && self.rare.goes_on() && now < self.over_at && self.world.is_idle_until(now)
    }

    /// The running thread's turn has come: chooses as the driver would. Answers whether it is that thread, which goes on at once.
    #[inline(never)]
    fn chooses_at_once(&mut self, thread: ThreadId, may_choose: bool) -> bool {
        let chosen = if may_choose { self.choose_of_two(thread) } else { None };
        let chosen = match chosen {
            Some(chosen) => chosen,
            None => {
                self.make_ready(thread);
                if !may_choose || self.ready.is_empty() || !self.is_straight() {
                    return false;
                }
                self.choose().0
            }
        };
        if chosen != thread {
            self.chosen = Some(chosen);
        }
        chosen == thread
    }

    /// The strategy has something to say before a thread's call. Answers whether the thread goes on.
    #[cold]
    fn at_mark(&mut self, thread: ThreadId) -> bool {
        let Scheduler { world, turns, threads, names, .. } = self;
        let host = threads[thread.index()].host;
        match turns.at_mark(world, thread, host, &|world, thread| full_name(world, threads, names, thread)) {
            Mark::Pass => true,
            Mark::Pause(pause) => {
                self.threads[thread.index()].clock += pause;
                false
            }
            Mark::End => {
                self.rare.fail(FailureKind::Endless { calls: self.turns.calls() });
                false
            }
        }
    }
}

/// When a thread goes on with its call that is woken in it now.
#[inline(always)]
fn woken_at(clock: Instant, now: Instant, call_cost_ns: u64) -> Instant {
    Instant::from_nanos(clock.max(now).as_nanos().saturating_add(call_cost_ns))
}
