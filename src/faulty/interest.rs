//! What epoll instances are interested in, as far as calls told: `epoll_wait(2)` can be made spurious only about what is registered.
//!
//! The kernel's interest list cannot be read. So the calls that change one are followed, and an entry is forgotten when either number is
//! closed, also where a duplicate keeps the registration alive: better no fault than one about a socket that is gone.

use crate::consts as c;
use crate::raw::{EpollEvent, RawFd};
use std::collections::{BTreeMap, BTreeSet};

/// The interest lists of all epoll instances.
#[derive(Default)]
pub(super) struct Interest {
    /// By descriptor, then epoll descriptor: when it was added, and for what.
    entries: BTreeMap<(RawFd, RawFd), (u64, EpollEvent)>,
    epolls: BTreeSet<RawFd>,
    added: u64,
}

impl Interest {
    /// `epoll_ctl(2)` has succeeded.
    pub(super) fn change(&mut self, epfd: RawFd, op: i32, fd: RawFd, event: Option<EpollEvent>) {
        self.epolls.insert(epfd);
        match (op, event) {
            (c::EPOLL_CTL_ADD, Some(event)) => {
                self.added += 1;
                self.entries.insert((fd, epfd), (self.added, event));
            }
            (c::EPOLL_CTL_MOD, Some(event)) => {
                if let Some((_, own)) = self.entries.get_mut(&(fd, epfd)) {
                    *own = event;
                }
            }
            (_, _) => {
                self.entries.remove(&(fd, epfd));
            }
        }
    }

    /// The number is closed or given away.
    pub(super) fn forget(&mut self, fd: RawFd) {
        let own: Vec<_> = self.entries.range((fd, RawFd::MIN)..=(fd, RawFd::MAX)).map(|(key, _)| *key).collect();
        for key in own {
            self.entries.remove(&key);
        }
        if self.epolls.remove(&fd) {
            self.entries.retain(|(_, epfd), _| *epfd != fd);
        }
    }

    /// What `epfd` waits for, in the order in which it was added.
    pub(super) fn of(&self, epfd: RawFd) -> Vec<(RawFd, EpollEvent)> {
        let own = self.entries.iter().filter(|((_, of), _)| *of == epfd);
        let mut found: Vec<_> = own.map(|((fd, _), (added, event))| (*added, *fd, *event)).collect();
        found.sort_unstable_by_key(|(added, ..)| *added);
        found.into_iter().map(|(_, fd, event)| (fd, event)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: u64) -> EpollEvent {
        EpollEvent { events: 1, data }
    }

    #[test]
    fn the_list_follows_the_calls() {
        let mut interest = Interest::default();
        interest.change(9, c::EPOLL_CTL_ADD, 5, Some(event(1)));
        interest.change(9, c::EPOLL_CTL_ADD, 4, Some(event(2)));
        interest.change(8, c::EPOLL_CTL_ADD, 5, Some(event(3)));
        interest.change(9, c::EPOLL_CTL_MOD, 5, Some(event(4)));
        assert_eq!(interest.of(9), [(5, event(4)), (4, event(2))]);
        interest.change(9, c::EPOLL_CTL_DEL, 4, None);
        assert_eq!(interest.of(9), [(5, event(4))]);
        assert_eq!(interest.of(8), [(5, event(3))]);
    }

    #[test]
    fn a_closed_number_is_forgotten() {
        let mut interest = Interest::default();
        interest.change(9, c::EPOLL_CTL_ADD, 5, Some(event(1)));
        interest.change(9, c::EPOLL_CTL_ADD, 4, Some(event(2)));
        interest.forget(5);
        assert_eq!(interest.of(9), [(4, event(2))]);
        interest.forget(9);
        assert_eq!(interest.of(9), []);
    }
}
