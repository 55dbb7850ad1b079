//! What happens next, and who runs then.

use super::rare::First;
use super::turn::Chosen;
use super::upcoming::{CROWDED_FROM, PREPARED_FROM};
use super::{Ready, Scheduler, State, ThreadId, Turn, Wait, full_name};
use crate::host::Token;
use crate::process::breakpoint;
use crate::process::failure::FailureKind;
use crate::process::outside::NO_THREAD;
use crate::seldom::unlikely;
use crate::world::{Alarm, Happened};
use std::time::Duration;
use twinsock::Instant;

/// After how many events it is looked whether threads have had turns meanwhile.
pub(super) const EVENTS_BETWEEN_LOOKS: u32 = 1024;

impl Scheduler {
    /// Lets the next thing in the world's queue happen; behind one that makes nobody ready, also the turn of a thread that is due then.
    #[inline(never)]
    pub(super) fn step(&mut self) {
        match self.world.happen(|_| None) {
            Some(Happened::Woken(token)) => _ = self.wake(thread_of(token)),
            Some(Happened::Ended(_)) => unreachable!("no receive may end"),
            Some(Happened::Alarm(alarm)) => self.alarm(alarm),
            Some(Happened::Something) => {
                self.collect_wakes();
                if self.ready.is_empty()
                    && let Some((thread, alarm)) = self.world.next_alarm(thread_of_alarm)
                {
                    self.turn_comes(thread, alarm);
                }
            }
            None => {}
        }
    }

    /// The same, and chooses the thread that is woken by it, if nobody else can be chosen until that goes on.
    #[inline(always)]
    fn step_and_choose(&mut self) -> Option<ThreadId> {
        let Scheduler { world, ready, straight_until, events_left, call_cost_ns, .. } = self;
        // Who goes on at once is one more event, as where its turn is put into the queue: where something is looked for at that, it is put there.
        let goes_on = |now: Instant| {
            let at = Instant::from_nanos(now.as_nanos().saturating_add(*call_cost_ns));
            is_next_at(ready, *straight_until, *events_left, at).then_some(at)
        };
        match world.happen(goes_on)? {
            Happened::Ended(ended) => return Some(self.recv_ended(ended)),
            Happened::Woken(token) => return self.wake_and_choose(thread_of(token)),
            Happened::Alarm(alarm) => match thread_of_alarm(alarm) {
                Some(thread) => {
                    self.turn_comes(thread, alarm);
                    self.turns_come();
                }
                // What is outside goes before whoever has a turn at this moment and stands behind it.
                None => self.alarm_of_outside(alarm),
            },
            Happened::Something => self.collect_wakes(),
        }
        None
    }

    #[inline(never)]
    fn wake_and_choose(&mut self, thread: ThreadId) -> Option<ThreadId> {
        let goes_on = self.goes_on_at_once(thread);
        if !goes_on {
            self.wake(thread);
        }
        goes_on.then_some(thread)
    }

    #[inline(always)]
    fn alarm(&mut self, alarm: Alarm) {
        match thread_of_alarm(alarm) {
            Some(thread) => self.turn_comes(thread, alarm),
            None => self.alarm_of_outside(alarm),
        }
    }

    /// An alarm of this thread's goes off.
    #[inline(always)]
    fn turn_comes(&mut self, thread: ThreadId, Alarm(number): Alarm) {
        let slot = &self.threads[thread.index()];
        if u64::from(slot.turn) == number >> 32 {
            match slot.state {
                State::Due | State::Waiting(Wait::Sleep | Wait::Join(_) | Wait::Sync(_), _) => self.make_ready(thread),
                State::Waiting(Wait::Call, _) => self.wake_in_call(thread),
                State::Ready | State::Running | State::Ended => {}
            }
        }
    }

    /// The turns of threads that come now, if they are next of all: as [`Scheduler::next_turn`] would let them come, one after the other.
    #[inline(always)]
    fn turns_come(&mut self) {
        while !self.looks_next()
            && let Some((thread, alarm)) = self.world.next_alarm(thread_of_alarm)
        {
            self.events_left -= 1;
            if self.threads.len() >= CROWDED_FROM {
                self.prepare_event();
            }
            self.turn_comes(thread, alarm);
        }
    }

    /// Nothing later than this happens, from here on; without it, everything does.
    pub fn set_limit(&mut self, limit: Option<Instant>) {
        self.over_at = limit.map_or(Instant::FAR, |limit| limit + Duration::from_nanos(1));
        self.straighten();
    }

    /// A debugger stops at the beginning of this turn.
    pub(crate) fn break_at(&mut self, step: u64) {
        self.break_at = step;
        self.straighten();
    }

    /// Looks anew whether turns are taken, and threads woken, without any more ado.
    pub(super) fn straighten(&mut self) {
        let is_straight = self.stalled.is_empty() && self.break_at == u64::MAX;
        self.straight_until = if is_straight { self.over_at } else { Instant::ZERO };
        self.wakes_plainly = self.stalled.is_empty() && !self.world.trace().is_recording();
    }

    /// Whether turns are taken without any more ado.
    #[inline(always)]
    pub(super) fn is_straight(&self) -> bool {
        self.straight_until > Instant::ZERO
    }

    /// Who is next. With a `limit`, that of [`Scheduler::set_limit`], nothing later than that happens.
    ///
    /// # Errors
    /// What is to be done instead.
    #[inline]
    pub fn next_turn(&mut self, limit: Option<Instant>) -> Result<ThreadId, Turn> {
        if let Some(thread) = self.chosen {
            self.chosen = None;
            if !self.acts_alone(thread) {
                return Ok(thread);
            }
        }
        loop {
            if self.rare.may_be()
                && let Some(turn) = self.rare_turn(limit)
            {
                return Err(turn);
            }
            // Everything that is due now happens before somebody is chosen, so that the choice is among all.
            if !self.ready.is_empty() && self.world.is_idle_now() {
                let (thread, may_act_alone) = self.choose();
                if may_act_alone && self.acts_alone(thread) {
                    continue;
                }
                return Ok(thread);
            }
            let at = self.world.next_at();
            if unlikely(at >= self.over_at)
                && let Some(turn) = self.is_over(at, limit)
            {
                return Err(turn);
            }
            if unlikely(self.pass()) {
                return Err(Turn::Stop);
            }
            if unlikely(self.threads.len() >= CROWDED_FROM) {
                self.prepare_event();
            }
            if let Some(thread) = self.step_and_choose() {
                return Ok(thread);
            }
        }
    }

    /// What is due at the earliest is too late, or at the end of time, where it may be nothing at all: the driver's turn, unless there is something.
    #[cold]
    fn is_over(&mut self, at: Instant, limit: Option<Instant>) -> Option<Turn> {
        match limit {
            Some(limit) if at > limit || self.world.next_due().is_none() => Some(self.reach(limit)),
            None if self.world.next_due().is_none() => Some(Turn::Deadlock),
            Some(_) | None => None,
        }
    }

    /// The driver's turn, if something comes before all else.
    #[cold]
    fn rare_turn(&mut self, limit: Option<Instant>) -> Option<Turn> {
        match self.rare.next()? {
            First::Failure => Some(Turn::Stop),
            First::Outside(outside) => {
                self.pass();
                Some(Turn::Outside(outside))
            }
            First::Kill(process) => Some(Turn::Kill(process)),
            First::Nobody => limit.is_none().then_some(Turn::Stop),
        }
    }

    /// Something happens. A run in which no thread takes part in what happens never ends: answers whether this one fails for that.
    #[inline(always)]
    fn pass(&mut self) -> bool {
        self.events_left -= 1;
        self.events_left == 0 && self.looks_idle()
    }

    /// Whether it is looked for that when the next thing happens.
    #[inline(always)]
    fn looks_next(&self) -> bool {
        self.events_left == 1
    }

    #[cold]
    fn looks_idle(&mut self) -> bool {
        self.events_left = EVENTS_BETWEEN_LOOKS;
        let turns = self.world.trace().steps();
        if turns != self.turns_seen {
            self.turns_seen = turns;
            self.idle = 0;
            return false;
        }
        self.idle += u64::from(EVENTS_BETWEEN_LOOKS);
        self.pulse.beat();
        if self.idle >= self.idle_max {
            let waiting = self.waiting();
            self.rare.fail(FailureKind::Idle { events: self.idle, waiting });
        }
        self.rare.failure().is_some()
    }

    fn reach(&mut self, limit: Instant) -> Turn {
        if self.world.now() < limit {
            self.world.set_now(limit);
        }
        Turn::Stop
    }

    /// Which of the ready threads is next, and whether it may do alone what it does: see [`Scheduler::acts_alone`].
    #[inline(always)]
    pub(super) fn choose(&mut self) -> (ThreadId, bool) {
        let chosen = if self.ready.len() == 1 { self.ready.take(0) } else { self.choose_among_several() };
        let thread = chosen.expect("the choice is below the number of ready threads");
        (thread, self.begin_turn(thread))
    }

    /// [`Scheduler::choose`] where one thread is ready, and another, whose turn has come, is the second. `None`: nothing has happened, it is another case.
    #[inline(always)]
    pub(super) fn choose_of_two(&mut self, second: ThreadId) -> Option<ThreadId> {
        if self.ready.len() != 1 || !self.is_straight() || !self.wakes_plainly {
            return None;
        }
        let Scheduler { world, turns, ready, threads, .. } = self;
        let (index, _) = turns.choose_any(world, 2, false)?;
        let slot = &mut threads[second.index()];
        slot.turn = slot.turn.wrapping_add(1);
        let mut chosen = second;
        if index == 0 {
            slot.state = State::Ready;
            chosen = ready.replace_only(second).expect("one is ready");
        }
        self.begin_turn(chosen);
        Some(chosen)
    }

    /// A ready thread has been chosen, and its turn begins. Answers whether it may do alone what it does in it: see [`Scheduler::acts_alone`].
    #[inline(always)]
    fn begin_turn(&mut self, thread: ThreadId) -> bool {
        let now = self.world.now();
        let slot = &mut self.threads[thread.index()];
        slot.state = State::Running;
        slot.clock = slot.clock.max(now);
        let may_act_alone = slot.posted.is_some();
        self.world.trace_mut().count_step();
        self.just_chosen = Chosen::Now;
        if self.world.trace().steps() == self.break_at {
            self.reach_break(thread);
        }
        may_act_alone
    }

    /// A debugger stops at this turn: on the thread's own stack, if it has begun to run.
    #[cold]
    fn reach_break(&mut self, thread: ThreadId) {
        let slot = &mut self.threads[thread.index()];
        if slot.carrier.as_ref().is_some_and(|carrier| carrier.started()) {
            slot.is_held_up = true;
        } else {
            breakpoint::stop(self.break_at, self.where_it_is(thread));
        }
    }

    /// A thread and the moment, for people.
    pub(in crate::process) fn where_it_is(&self, thread: ThreadId) -> String {
        format!("thread {} at {:?} of virtual time", self.full_name(thread), self.world.now())
    }

    #[inline(always)]
    fn choose_among_several(&mut self) -> Option<ThreadId> {
        let Scheduler { world, turns, ready, .. } = self;
        let are_many = ready.len() > PREPARED_FROM;
        let (index, next) = match turns.choose_any(world, ready.len(), are_many) {
            Some(choice) => choice,
            None => self.choose_with_words(),
        };
        let chosen = self.ready.take(index);
        if are_many {
            self.prepare(next);
        }
        chosen
    }

    /// Which of the ready threads goes next, in the words of the run's story if that is kept, and which after it if that is known.
    #[inline(never)]
    fn choose_with_words(&mut self) -> (usize, Option<usize>) {
        let Scheduler { world, turns, ready, threads, names, .. } = self;
        let index = turns.choose(world, ready, &|world, thread| full_name(world, threads, names, thread));
        (index, turns.foresee(world, 0, ready.len() - 1))
    }
}

/// Whether a thread that goes on with its call at that moment is the next to run, where nothing happens until then.
#[inline(always)]
pub(super) fn is_next_at(ready: &Ready, straight_until: Instant, events_left: u32, at: Instant) -> bool {
    ready.is_empty() && at < straight_until && events_left > 1
}

/// Whose alarm it is, if it is a thread's.
#[inline(always)]
fn thread_of_alarm(Alarm(number): Alarm) -> Option<ThreadId> {
    let low = u32::try_from(number & u64::from(u32::MAX)).expect("the low half is 32 bits");
    (low != NO_THREAD).then_some(ThreadId(low))
}

/// The thread that a waiter is.
#[inline]
pub(super) fn thread_of(Token(token): Token) -> ThreadId {
    ThreadId(u32::try_from(token).expect("a token is a thread's number"))
}
