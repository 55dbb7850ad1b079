//! Who is going to run soon: so that the caches are made ready for it, step by step, for what is to be fetched is found by what was fetched before.
//!
//! Nothing here has any effect but on time: who comes is foreseen (and may not come), never drawn.

use super::{Scheduler, State, ThreadId};
use crate::host::Recent;
use crate::prefetch::prefetch;
use crate::world::{Alarm, HostId, World};

/// From how many ready threads on that is worth while.
pub(super) const PREPARED_FROM: usize = 64;
/// From how many threads on there is more of them than the caches hold, of which a turn may look at some kilobytes.
const CROWDED_FROM: usize = 1536;
/// How many turns ahead a thread is looked for.
const TURNS_AHEAD: usize = 7;

/// The threads that are going to run, where they are known: the first one is the last, that is to run after [`TURNS_AHEAD`] - 1 others.
pub(super) type Upcoming = [Option<ThreadId>; TURNS_AHEAD];

impl Scheduler {
    /// A thread has been chosen to run now: the caches are made ready for those that come after it.
    #[inline(never)]
    pub(super) fn prepare(&mut self) {
        if self.threads.len() < CROWDED_FROM {
            return self.prepare_next();
        }
        let Scheduler { world, turns, ready, threads, stack_ends, upcoming, .. } = self;
        let last = turns.foresee(world, TURNS_AHEAD - 1, ready.len()).and_then(|index| ready.get(index)).copied();
        upcoming.copy_within(..TURNS_AHEAD - 1, 1);
        upcoming[0] = last;
        if let Some(thread) = last {
            prefetch(&threads[thread.index()]);
        }
        let thread_of = |place: usize| upcoming[place].map(|thread| (thread, &threads[thread.index()]));
        if let Some((thread, slot)) = thread_of(2) {
            stack_ends[thread.index()].prefetch();
            stack_ends[thread.index()].prefetch_beginning();
            if let Some(carrier) = &slot.carrier {
                prefetch(&**carrier);
            }
            if slot.recent.is_known() {
                world.prefetch_host(slot.host);
            }
        }
        for (place, fetch) in
            [(4, World::prefetch_socket as fn(&World, HostId, &Recent)), (5, World::prefetch_buffers), (6, World::prefetch_way)]
        {
            if let Some((_, slot)) = thread_of(place)
                && slot.recent.is_known()
            {
                fetch(world, slot.host, &slot.recent);
            }
        }
    }

    /// The same for the next one alone, where all of it is in some cache.
    #[inline(always)]
    fn prepare_next(&mut self) {
        let next = self.turns.foresee(&mut self.world, 0, self.ready.len());
        if let Some(thread) = next.and_then(|next| self.ready.get(next)) {
            self.stack_ends[thread.index()].prefetch();
            prefetch(&self.threads[thread.index()]);
        }
    }

    /// Something is going to happen, one of many things at this moment: the caches are made ready for those that come after it.
    #[inline(never)]
    pub(super) fn prepare_event(&mut self) {
        if self.threads.len() >= CROWDED_FROM
            && let Some(Alarm(number)) = self.world.look_ahead()
            && let Ok(index) = usize::try_from(number & u64::from(u32::MAX))
            && let Some(slot) = self.threads.get(index)
        {
            let state: &State = &slot.state;
            prefetch(state);
        }
    }
}
