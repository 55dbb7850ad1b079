//! A listener's queues: connections being opened, and connections that wait for `accept(2)`.
//!
//! Generic over the host's name for a connection; the control blocks live with the host.

use super::reset::reply_to_closed;
use crate::packet::{Control, Segment};
use std::collections::VecDeque;

/// What a segment that is addressed to a listener, and to no connection of it, comes to: RFC 9293 section 3.10.7.2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenVerdict {
    /// Nothing.
    Ignore,
    /// This RST goes back.
    Reply(Segment),
    /// A connection request: admit it if [`Listener::admits_syn`], else drop it without a word.
    Syn,
}

/// RFC 9293 section 3.10.7.2: RST first, then ACK, then SYN.
#[must_use]
pub fn segment_for_listener(segment: &Segment) -> ListenVerdict {
    if segment.control == Control::Rst {
        return ListenVerdict::Ignore;
    }
    if segment.ack.is_some() {
        return reply_to_closed(segment).map_or(ListenVerdict::Ignore, ListenVerdict::Reply);
    }
    match segment.control {
        Control::Syn => ListenVerdict::Syn,
        Control::None | Control::Push | Control::Fin | Control::Rst => ListenVerdict::Ignore,
    }
}

/// The SYN queue and the accept queue of one listening socket, `listen(2)`.
#[derive(Clone, PartialEq, Debug)]
pub struct Listener<Id> {
    backlog: usize,
    half_open: Vec<Id>,
    accept_queue: VecDeque<Id>,
}

impl<Id: Copy + Eq> Listener<Id> {
    /// Empty queues. The host has capped the backlog to somaxconn.
    #[must_use]
    pub fn new(backlog: usize) -> Listener<Id> {
        Listener { backlog, half_open: Vec::new(), accept_queue: VecDeque::new() }
    }

    /// `listen(2)` again: what is queued stays.
    pub fn set_backlog(&mut self, backlog: usize) {
        self.backlog = backlog;
    }

    /// The backlog.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.backlog
    }

    /// Whether another SYN is let in: not with a full accept queue. The backlog does not bound the half-open connections, as on a
    /// Linux with SYN cookies.
    #[must_use]
    pub fn admits_syn(&self) -> bool {
        !self.is_full() && self.half_open.len() < HALF_OPEN_MAX
    }

    /// Whether the accept queue is full: it holds backlog + 1 connections. A half-open connection's last ACK is dropped then, so that it
    /// repeats its SYN-ACK: call this before giving its control block a segment with an ACK.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.accept_queue.len() > self.backlog
    }

    /// A SYN was admitted: its connection is half open.
    #[inline]
    pub fn add_half_open(&mut self, child: Id) {
        self.half_open.push(child);
    }

    /// A half-open connection is ESTABLISHED: it waits for `accept(2)`, behind those that were established before.
    pub fn establish(&mut self, child: Id) {
        // Mostly one at a time.
        if self.half_open.last() == Some(&child) {
            self.half_open.pop();
        } else {
            self.remove_half_open(child);
        }
        self.accept_queue.push_back(child);
    }

    /// A half-open connection failed or timed out. True if it was there.
    pub fn remove_half_open(&mut self, child: Id) -> bool {
        match self.half_open.iter().position(|half_open| *half_open == child) {
            Some(index) => {
                self.half_open.remove(index);
                true
            }
            None => false,
        }
    }

    /// `accept(2)`: the connection that was established first.
    pub fn accept(&mut self) -> Option<Id> {
        self.accept_queue.pop_front()
    }

    /// How many connections wait for `accept(2)`.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.accept_queue.len()
    }

    /// How many connections are half open.
    #[cfg(test)]
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// Empties both queues, as closing a listener does: first those that wait for `accept(2)`, then the half-open ones.
    pub fn drain(&mut self) -> impl Iterator<Item = Id> + '_ {
        self.accept_queue.drain(..).chain(self.half_open.drain(..))
    }
}

/// `tcp_max_syn_backlog`.
const HALF_OPEN_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backlog_and_one_connections_are_admitted() {
        for backlog in [0, 1, 5] {
            let mut listener = Listener::new(backlog);
            let mut admitted = 0;
            while listener.admits_syn() {
                listener.add_half_open(admitted);
                listener.establish(admitted);
                admitted += 1;
            }
            assert_eq!(admitted, backlog + 1);
        }
    }

    #[test]
    fn accept_is_in_order_of_completion() {
        let mut listener = Listener::new(5);
        for child in 0..3 {
            listener.add_half_open(child);
        }
        listener.establish(2);
        listener.establish(0);
        assert_eq!((listener.accept(), listener.accept(), listener.accept()), (Some(2), Some(0), None));
        assert_eq!(listener.half_open(), 1);
    }

    #[test]
    fn a_smaller_backlog_drops_nothing() {
        let mut listener = Listener::new(3);
        for child in 0..4 {
            listener.establish(child);
        }
        listener.set_backlog(0);
        assert!(!listener.admits_syn());
        assert_eq!(listener.drain().count(), 4);
    }
}
