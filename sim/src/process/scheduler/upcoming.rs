//! Who is going to run soon: so that the caches are made ready for it, step by step, for what is to be fetched is found by what was fetched before.
//!
//! Several are prepared at once, every so many turns: each has pages of its own, and the processor looks up the places of several pages in the time that it takes
//! for one, but goes on with nothing else when it waits for that.
//!
//! Nothing here has any effect but on time: who comes is foreseen (and may not come), never drawn.

use super::{Scheduler, State, Thread, ThreadId};
use crate::host::Token;
use crate::prefetch::prefetch;
use crate::world::{Alarm, Soon};

/// From how many ready threads on that is worth while.
pub(super) const PREPARED_FROM: usize = 64;
/// From how many threads on there is more of them than the caches hold, of which a turn may look at some kilobytes.
const CROWDED_FROM: usize = 1536;
/// How many threads are prepared at once.
const FLOCK: usize = 8;
/// In how many steps.
const STEPS: usize = 6;

/// The threads that are going to run, where they are known: flocks of them, the first one being the last to run.
#[derive(Default)]
pub(super) struct Upcoming {
    flocks: [[Option<ThreadId>; FLOCK]; STEPS],
    /// How many turns it takes until the next flock is looked for.
    turns_left: usize,
}

impl Thread {
    /// Whether it goes on with a call that waits on the short way, usually a receive, or will begin one, in its next turn.
    fn receives(&self) -> bool {
        self.quiet.is_some() || self.posted.is_some()
    }
}

impl Scheduler {
    /// A thread has been chosen to run now: the caches are made ready for those that come after it, of which the first may be known.
    #[inline(always)]
    pub(super) fn prepare(&mut self, next: Option<usize>) {
        if self.threads.len() < CROWDED_FROM {
            return self.prepare_next(next);
        }
        match self.upcoming.turns_left.checked_sub(1) {
            Some(left) => self.upcoming.turns_left = left,
            None => self.prepare_flocks(),
        }
    }

    /// The next step of all flocks. The last one of them, when it has been made, runs after as many turns as it has threads.
    #[inline(never)]
    fn prepare_flocks(&mut self) {
        let Scheduler { world, turns, ready, threads, stack_ends, upcoming, .. } = self;
        upcoming.turns_left = FLOCK - 1;
        upcoming.flocks.rotate_right(1);
        for (place, thread) in upcoming.flocks[0].iter_mut().enumerate() {
            let foreseen = turns.foresee(world, STEPS * FLOCK + place, ready.len());
            *thread = foreseen.and_then(|index| ready.get(index));
            if let Some(slot) = thread.and_then(|thread| threads.get(thread.index())) {
                prefetch(slot);
            }
        }
        let threads_of =
            |step: usize| upcoming.flocks[step].iter().flatten().filter_map(|id| Some((id.index(), threads.get(id.index())?)));
        // One that has posted a receive will most likely wait on, and not be switched to.
        let is_switched_to = |(_, slot): &(usize, &Thread)| slot.posted.is_none();
        for (index, slot) in threads_of(1).filter(is_switched_to) {
            stack_ends[index].prefetch_all();
            if let Some(carrier) = &slot.carrier {
                prefetch(&**carrier);
            }
        }
        let users = |step: usize| threads_of(step).map(|(_, slot)| slot).filter(|slot| slot.recent.is_known());
        users(1).for_each(|slot| world.prefetch_host(slot.host));
        users(2).for_each(|slot| world.prefetch_call(slot.host, &slot.recent, slot.receives()));
        users(3).for_each(|slot| world.prefetch_socket(slot.host, &slot.recent));
        users(4).for_each(|slot| world.prefetch_buffers(slot.host, &slot.recent, slot.receives()));
        users(5).filter(|slot| !slot.receives()).for_each(|slot| world.prefetch_way(slot.host, &slot.recent));
    }

    /// The same for the next one alone, where all of it is in some cache.
    #[inline(always)]
    fn prepare_next(&self, next: Option<usize>) {
        if let Some(thread) = next.and_then(|next| self.ready.get(next))
            && let (Some(end), Some(slot)) = (self.stack_ends.get(thread.index()), self.threads.get(thread.index()))
        {
            end.prefetch();
            prefetch(slot);
        }
    }

    /// Something is going to happen, one of many things at this moment: the caches are made ready for those that come after it.
    #[inline(always)]
    pub(super) fn prepare_event(&mut self) {
        if self.threads.len() >= CROWDED_FROM {
            let Scheduler { world, threads, .. } = self;
            world.look_ahead(|soon| {
                let (Soon::Alarm(Alarm(number)) | Soon::Woken(Token(number))) = soon;
                if let Ok(index) = usize::try_from(number & u64::from(u32::MAX))
                    && let Some(slot) = threads.get(index)
                {
                    let state: &State = &slot.state;
                    prefetch(state);
                }
            });
        }
    }
}
