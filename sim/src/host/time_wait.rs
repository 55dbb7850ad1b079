//! Connections in TIME-WAIT, apart from sockets: what is left of each, `struct inet_timewait_sock`, and when they end.

use super::Host;
use super::conns::{Conns, FourTuple};
use super::cx::Cx;
use super::handshake::SynFrom;
use super::holder::{Conn, Holder};
use super::ports::{Claim, Ports};
use super::socket::Socket;
use crate::packet::Segment;
use crate::slab::{Key, Slab};
use crate::tcp::{JIFFY_US, TimeWait, TimeWaitAction};
use std::collections::VecDeque;
use twinsock::Instant;

/// A connection in TIME-WAIT and what it still occupies.
#[derive(Debug)]
pub(super) struct TimeWaitEntry {
    pub(super) rest: TimeWait,
    pub(super) tuple: FourTuple,
    /// Its place among the holders of the port.
    pub(super) place: u32,
    uid: u32,
    v6only: bool,
    reuse_addr: bool,
    reuse_port: bool,
}

const _: () = assert!(size_of::<TimeWaitEntry>() <= 104, "there may be very many of them");

impl TimeWaitEntry {
    /// What it claims of its port, as its socket did.
    pub(super) fn claim(&self) -> Claim {
        let &TimeWaitEntry { tuple: FourTuple { local: ip, .. }, uid, v6only, reuse_addr, reuse_port, .. } = self;
        Claim { ip, v6only, reuse_addr, reuse_port, is_listening: false, is_time_wait: true, uid }
    }
}

impl Socket {
    /// The socket's connection, whose hash this is, takes the place of one in TIME-WAIT of the same name, which is over: in the index and among the holders of its port.
    pub(super) fn take_place(
        &mut self,
        key: Key,
        hash: u32,
        old: Key,
        (time_waits, ports, conns): (&mut Slab<TimeWaitEntry>, &mut Ports, &mut Conns),
    ) {
        let holder = Holder::from(Conn::Socket(key));
        (self.num, self.place) = (self.tuple.local_port, time_waits[old].place);
        ports.hand_over(self.num, self.place, holder);
        conns.hand_over(hash, Conn::TimeWait(old).into(), holder);
        self.is_hashed = true;
        time_waits.forget(old);
    }
}

impl Host {
    /// A segment for a connection in TIME-WAIT.
    pub(super) fn segment_for_time_wait(
        &mut self,
        cx: &mut Cx<'_>,
        key: Key,
        tuple: &FourTuple,
        (segment, ttl): (&Segment, u8),
        from: SynFrom,
    ) {
        match self.time_waits[key].rest.handle_segment(cx.now, segment) {
            TimeWaitAction::Ignore => {}
            TimeWaitAction::Reply(reply) => self.reply(tuple, reply),
            TimeWaitAction::Gone => self.forget_time_wait(key),
            TimeWaitAction::NewConnection { iss } => {
                // Without a listener, or at an address that is gone, the old connection goes on dying.
                if self.addresses.owns(tuple.local)
                    && let Some(listener) = self.find_listener(cx, tuple)
                {
                    let from = SynFrom { replaced: Some((key, iss)), ..from };
                    self.segment_for_listener(cx, listener, tuple, (segment, ttl), from);
                    // With or without a new one in its place.
                    self.forget_time_wait(key);
                }
            }
        }
    }

    /// A socket's connection goes on in TIME-WAIT, without the socket, if that is what it has come to.
    #[inline(never)]
    pub(super) fn enter_time_wait(&mut self, key: Key) -> bool {
        let Host { sockets, time_waits, ports, conns, .. } = self;
        let socket = &mut sockets[key];
        let Some(rest) = socket.tcb.take_time_wait() else { return false };
        socket.is_hashed = false;
        let (port, place) = (socket.tuple.local_port, socket.place);
        let Claim { uid, v6only, reuse_addr, reuse_port, .. } = socket.claim();
        let deadline = rest.deadline();
        let tuple = &socket.tuple;
        let entry = time_waits.insert_with(|_| TimeWaitEntry { rest, tuple: *tuple, place, uid, v6only, reuse_addr, reuse_port });
        let holder = Holder::from(Conn::TimeWait(entry));
        if !socket.port_locked && socket.num == port {
            // The socket has no more need of the port.
            socket.num = 0;
            ports.hand_over(port, place, holder);
        } else {
            // Its socket holds the port at this moment: whose choice the port was does not change.
            time_waits[entry].place = ports.hold(port, holder, true);
        }
        conns.hand_over(socket.tuple.hash(), Conn::Socket(key).into(), holder);
        self.enter_end(deadline, entry);
        true
    }

    /// A connection in TIME-WAIT is over. The timer is of the one that ends first.
    pub(super) fn forget_time_wait(&mut self, key: Key) {
        self.end_time_wait(key);
        if self.time_wait_ends.front().is_some_and(|(_, first)| *first == key) {
            self.arm_time_waits();
        }
    }

    /// The same where it is seen to afterwards when the next one ends. One whose place another has taken is gone already.
    fn end_time_wait(&mut self, key: Key) {
        let Some(entry) = self.time_waits.get(key) else { return };
        self.conns.remove(&entry.tuple, Conn::TimeWait(key).into());
        let (port, place) = (entry.tuple.local_port, entry.place);
        self.time_waits.forget(key);
        self.release_place(port, place);
    }

    /// Those whose time in TIME-WAIT is over go, and the timer is set to when the next ones do. Entries are not taken out
    /// when a connection goes early or stays longer.
    pub(super) fn time_waits_timer(&mut self, now: Instant) {
        while let Some((_, key)) = pop_if(&mut self.time_wait_ends, |at, _| at <= now) {
            self.prefetch_ends();
            match self.time_waits.get(key).map(|entry| entry.rest.deadline()) {
                Some(deadline) if deadline <= now => self.end_time_wait(key),
                Some(deadline) => self.enter_end(deadline, key),
                None => {}
            }
        }
        self.arm_time_waits();
    }

    /// When the first connection in TIME-WAIT ends, or is looked at again.
    fn first_time_wait(&mut self) -> Option<Instant> {
        let Host { time_waits, time_wait_ends, .. } = self;
        while pop_if(time_wait_ends, |_, key| time_waits.get(key).is_none()).is_some() {}
        time_wait_ends.front().map(|(at, _)| *at)
    }

    /// Sets the timer to that moment.
    fn arm_time_waits(&mut self) {
        let first = self.first_time_wait().unwrap_or(Instant::FAR);
        self.timers.set_time_waits(first);
    }

    /// Makes the caches ready for those that end next: nobody has looked at them for a minute. Of one what its end looks for, of one that comes a little
    /// later itself.
    fn prefetch_ends(&self) {
        if let Some(entry) = self.time_wait_ends.get(LOOKED_FOR_AHEAD).and_then(|(_, key)| self.time_waits.get(*key)) {
            self.conns.prefetch(entry.tuple.hash());
        }
        if let Some((_, key)) = self.time_wait_ends.get(ENDS_AHEAD) {
            self.time_waits.prefetch_close(key.number());
        }
    }

    /// Enters when a connection in TIME-WAIT ends: nearly always after all others.
    fn enter_end(&mut self, deadline: Instant, key: Key) {
        let at = on_the_wheel(deadline);
        let ends = &mut self.time_wait_ends;
        if ends.back().is_some_and(|(last, _)| *last <= at) {
            ends.push_back((at, key));
            return;
        }
        let place = ends.iter().rposition(|(other, _)| *other <= at).map_or(0, |before| before + 1);
        ends.insert(place, (at, key));
        if place == 0 {
            self.timers.set_time_waits(at);
        }
    }
}

/// How many others end before the one that is fetched.
const ENDS_AHEAD: usize = 8;
/// How many before the one of which what its end looks for is.
const LOOKED_FOR_AHEAD: usize = 3;

/// When a timer of a minute goes off that is due at this moment, together with all that are due a little before it: `calc_index` of `kernel/time/timer.c`.
fn on_the_wheel(at: Instant) -> Instant {
    (at.as_nanos() / WHEEL_STEP_NS + 1).checked_mul(WHEEL_STEP_NS).map_or(at, Instant::from_nanos)
}

/// A step of the wheel that far off, 512 ticks: `LVL_GRAN`.
const WHEEL_STEP_NS: u64 = 512 * 1000 * JIFFY_US as u64;

/// Takes out the first entry if it is such a one.
fn pop_if(ends: &mut VecDeque<(Instant, Key)>, is_such: impl FnOnce(Instant, Key) -> bool) -> Option<(Instant, Key)> {
    if ends.front().is_some_and(|(at, key)| is_such(*at, *key)) { ends.pop_front() } else { None }
}
