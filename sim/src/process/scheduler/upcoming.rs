//! Who is going to run soon: so that the caches are made ready for it, step by step, for what is to be fetched is found by what was fetched before.
//!
//! Several are prepared at once, every so many turns: each has pages of its own, and the processor looks up the places of several pages in the time that it takes
//! for one, but goes on with nothing else when it waits for that. The steps are taken in turns of their own: memory answers so many questions at a time, and whoever asks
//! more of it at once waits until it has.
//!
//! Nothing here has any effect but on time: who comes is foreseen (and may not come), never drawn.

use super::{Scheduler, State, Thread, ThreadId};
use crate::host::{Coming, Token};
use crate::prefetch::prefetch;
use crate::world::{Alarm, Soon};

/// From how many ready threads on that is worth while.
pub(super) const PREPARED_FROM: usize = 64;
/// From how many threads on there is more of them than the caches hold, of which a turn may look at some kilobytes.
pub(super) const CROWDED_FROM: usize = 1536;
/// How many threads are prepared at once.
const FLOCK: usize = 8;
/// How many flocks are being prepared.
const FLOCKS: usize = 3;

/// The threads that are going to run, where they are known: flocks of them, the first one being the last to run.
#[derive(Default)]
pub(super) struct Upcoming {
    flocks: [[Option<ThreadId>; FLOCK]; FLOCKS],
    /// How many turns ago a flock was looked for.
    turns: usize,
}

impl Thread {
    /// What it is going to do in its next turn.
    fn coming(&self) -> Coming {
        match (&self.posted, &self.quiet) {
            (Some(_), _) => Coming::Waits,
            (None, Some(_)) => Coming::Receives,
            (None, None) => Coming::Acts,
        }
    }
}

impl Scheduler {
    /// A thread has been chosen to run now: the caches are made ready for those that come after it, of which the first may be known.
    #[inline(always)]
    pub(super) fn prepare(&mut self, next: Option<usize>) {
        if self.threads.len() < CROWDED_FROM { self.prepare_next(next) } else { self.prepare_flock() }
    }

    /// The next step of a flock. The last one of them, when all are taken, runs after the turns in which that was done.
    #[inline(never)]
    fn prepare_flock(&mut self) {
        let Scheduler { world, turns, ready, threads, stack_ends, upcoming, .. } = self;
        let turn = upcoming.turns;
        upcoming.turns = (turn + 1) % FLOCK;
        if turn == 0 {
            upcoming.flocks.rotate_right(1);
            for (place, thread) in upcoming.flocks[0].iter_mut().enumerate() {
                let foreseen = turns.foresee(world, FLOCKS * FLOCK + place, ready.len());
                *thread = foreseen.and_then(|index| ready.get(index));
                if let Some(slot) = thread.and_then(|thread| threads.get(thread.index())) {
                    prefetch(slot);
                }
            }
            return;
        }
        let threads_of =
            |flock: usize| upcoming.flocks[flock].iter().flatten().filter_map(|id| Some((id.index(), threads.get(id.index())?)));
        let users = |flock: usize| threads_of(flock).map(|(_, slot)| slot).filter(|slot| slot.recent.is_known());
        // One that does something alone will most likely not be switched to.
        let switched = |flock: usize| {
            threads_of(flock)
                .filter(|(_, slot)| slot.coming() != Coming::Waits)
                .map(|(index, slot)| (stack_ends[index], slot.recent.is_known()))
        };
        match turn {
            1 => {
                for slot in users(1) {
                    world.prefetch_call(slot.host, &slot.recent, slot.coming());
                }
            }
            2 => users(2)
                .filter(|slot| slot.coming() != Coming::Waits)
                .for_each(|slot| world.prefetch_way(slot.host, &slot.recent)),
            3 => switched(0).for_each(|(end, _)| end.prefetch_beginning()),
            4 => users(1).for_each(|slot| world.prefetch_socket(slot.host, &slot.recent, slot.coming())),
            5 => switched(0).for_each(|(end, carries_data)| end.prefetch_frames(carries_data)),
            6 => users(0).for_each(|slot| world.prefetch_host(slot.host, slot.coming())),
            7 => users(1).for_each(|slot| world.prefetch_buffers(slot.host, &slot.recent, slot.coming())),
            _ => {}
        }
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
