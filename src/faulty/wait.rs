//! Faults of the calls that wait for several descriptors: `poll(2)`, `select(2)`, `epoll_wait(2)`.
//!
//! A spurious answer is the real one, asked for at once, and one descriptor more that is said to be readable. That descriptor's socket does not
//! block, so that whoever believes it gets `EAGAIN`: a report that came true too early, or that another thread was faster to act on.
//! A blocking socket is left out, since Linux checks before it wakes a reader of one (`udp_poll` looks at checksums), and so is
//! writability: that a connection is writable says that it is established.

use super::calls::FaultyCalls;
use super::plan::Fault;
use super::source::{Decision, Source};
use crate::api::SocketApi;
use crate::consts as c;
use crate::env::Clock;
use crate::errno::Result;
use crate::raw::{EpollEvent, FdSet, Name, PollFd, RawFd, Syscalls};

/// What says that a socket is readable.
const READABLE: i32 = c::POLLIN | c::POLLRDNORM;

/// The same bits of an `epoll_event`.
const EPOLL_READABLE: u32 = (c::EPOLLIN | c::EPOLLRDNORM).cast_unsigned();

/// What a report says of a socket that is readable, or worse.
const EPOLL_KNOWN: u32 = EPOLL_READABLE | (c::EPOLLERR | c::EPOLLHUP).cast_unsigned();

/// Whether an entry asks for what `poll(2)` has not answered: whether the socket is readable, and nothing worse.
fn is_left_out(entry: &PollFd) -> bool {
    let known = READABLE | c::POLLERR | c::POLLHUP | c::POLLNVAL;
    i32::from(entry.events) & READABLE != 0 && i32::from(entry.revents) & known == 0
}

impl<A: SocketApi + Clock, S: Source> FaultyCalls<A, S> {
    /// The answer to `poll(2)`; `None` if the fault cannot happen and nothing was asked yet that answers the call.
    #[cold]
    pub(super) fn poll_faulty(&self, decision: &Decision<S::Mark>, fds: &mut [PollFd], timeout: i32) -> Option<Result<usize>> {
        if decision.fault != Fault::Spurious {
            return self.refuse_wait(decision, timeout != 0);
        }
        let ready = match self.world().poll(fds, 0) {
            Ok(ready) => ready,
            Err(errno) => return Some(Err(errno)),
        };
        let candidates: Vec<usize> =
            (0..fds.len()).filter(|index| is_left_out(&fds[*index]) && self.may_deceive(fds[*index].fd)).collect();
        match self.one_of(decision, &candidates).filter(|_| self.claim(decision)) {
            Some(index) => {
                let bits = i16::try_from(READABLE).expect("the bits of poll(2) are 16");
                let entry = &mut fds[index];
                let more = usize::from(entry.revents == 0);
                entry.revents |= entry.events & bits;
                Some(Ok(ready + more))
            }
            None => (ready > 0 || timeout == 0).then_some(Ok(ready)),
        }
    }

    /// The answer to `select(2)`; `None` as for `poll`, and then the sets are as they were.
    #[cold]
    pub(super) fn select_faulty(
        &self,
        decision: &Decision<S::Mark>,
        nfds: i32,
        sets: &mut [Option<&mut FdSet>; 3],
        timeout: Option<i64>,
    ) -> Option<Result<usize>> {
        if decision.fault != Fault::Spurious {
            return self.refuse_wait(decision, timeout != Some(0));
        }
        let before = sets.each_ref().map(|set| set.as_deref().copied());
        let ready = match self.world().select(nfds, sets.each_mut().map(|set| set.as_deref_mut()), Some(0)) {
            Ok(ready) => ready,
            Err(errno) => return Some(Err(errno)),
        };
        if let (Some(asked), Some(read)) = (before[0], sets[0].as_deref_mut()) {
            let candidates: Vec<RawFd> =
                (0..nfds).filter(|fd| asked.contains(*fd) && !read.contains(*fd) && self.may_deceive(*fd)).collect();
            if let Some(fd) = self.one_of(decision, &candidates).filter(|_| self.claim(decision)) {
                read.insert(fd);
                return Some(Ok(ready + 1));
            }
        }
        if ready > 0 || timeout == Some(0) {
            return Some(Ok(ready));
        }
        for (set, before) in sets.iter_mut().zip(before) {
            if let (Some(set), Some(before)) = (set.as_deref_mut(), before) {
                *set = before;
            }
        }
        None
    }

    /// The answer to `epoll_wait(2)`; `None` as for `poll`.
    #[cold]
    pub(super) fn epoll_wait_faulty(
        &self,
        decision: &Decision<S::Mark>,
        epfd: RawFd,
        events: &mut [EpollEvent],
        timeout: i32,
    ) -> Option<Result<usize>> {
        if decision.fault != Fault::Spurious {
            return self.refuse_wait(decision, timeout != 0 && !events.is_empty() && self.status(epfd).is_some());
        }
        let entries = self.source.registered(epfd);
        if entries.is_empty() {
            return None;
        }
        let ready = match self.world().epoll_wait(epfd, events, 0) {
            Ok(ready) => ready,
            Err(errno) => return Some(Err(errno)),
        };
        // After one report EPOLLONESHOT would have to rest.
        let asks = |event: &EpollEvent| event.events & EPOLL_READABLE != 0 && event.events & c::EPOLLONESHOT.cast_unsigned() == 0;
        let has_room = ready < events.len();
        let fits = |event: &EpollEvent| match events[..ready].iter().find(|other| other.data == event.data) {
            Some(reported) => reported.events & EPOLL_KNOWN == 0,
            None => has_room,
        };
        let left_out = |(fd, event): &(RawFd, EpollEvent)| asks(event) && fits(event) && self.may_deceive(*fd);
        let candidates: Vec<EpollEvent> = entries.into_iter().filter(left_out).map(|(_, event)| event).collect();
        if let Some(event) = self.one_of(decision, &candidates).filter(|_| self.claim(decision)) {
            let bits = event.events & EPOLL_READABLE;
            let reported = events[..ready].iter_mut().find(|other| other.data == event.data);
            let more = usize::from(reported.is_none());
            match reported {
                Some(reported) => reported.events |= bits,
                None => events[ready] = EpollEvent { events: bits, ..event },
            }
            return Some(Ok(ready + more));
        }
        (ready > 0 || timeout == 0).then_some(Ok(ready))
    }

    /// `EINTR`, where the call may wait, or `ENOMEM`.
    fn refuse_wait(&self, decision: &Decision<S::Mark>, waits: bool) -> Option<Result<usize>> {
        let errno = decision.fault.errno()?;
        let can_happen = decision.fault != Fault::Eintr || waits;
        (can_happen && self.claim(decision)).then_some(Err(errno))
    }

    /// Whether a socket can be reported readable without being so: a nonblocking one that receives or accepts.
    fn may_deceive(&self, fd: RawFd) -> bool {
        if self.status(fd).is_none_or(|status| status & c::O_NONBLOCK == 0) {
            return false;
        }
        let is_connected = || {
            let (mut bytes, mut len) = ([0; 16], 16);
            self.world().getpeername(fd, Name { bytes: &mut bytes, len: &mut len }).is_ok()
        };
        self.option(fd, c::SO_ACCEPTCONN) == Some(1) || self.option(fd, c::SO_TYPE) == Some(c::SOCK_DGRAM) || is_connected()
    }

    /// Which of several a fault happens to.
    fn one_of<T: Copy>(&self, decision: &Decision<S::Mark>, candidates: &[T]) -> Option<T> {
        let count = u64::try_from(candidates.len()).expect("a count fits 64 bits");
        let index = if count == 0 { 0 } else { self.source.below(decision, count) };
        candidates.get(usize::try_from(index).expect("an index is below the length")).copied()
    }
}
