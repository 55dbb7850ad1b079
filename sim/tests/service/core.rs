//! What a node knows and decides, without a socket, a thread or a clock: section 5 of the Raft paper, and for reads section 8.
//!
//! Indices of the log count from 1; 0 is before its beginning.

use super::disk::Disk;
use super::frame::{Entry, Message};
use super::node::{Bug, ELECTION, HEARTBEAT};
use std::collections::BTreeMap;
use std::time::Duration;
use twinsock::Instant;

/// What a node is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It follows a leader, or waits for one.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
}

/// What a candidate or leader knows of a peer.
#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    /// Whether it has answered the question for a vote.
    answered: bool,
    granted: bool,
    /// The entry to be sent next.
    next: u64,
    /// Up to where its log is known to agree.
    matched: u64,
    /// The last round of questions in which it took this node for the leader.
    round: u64,
    heartbeat_at: Instant,
}

/// A node's state.
pub struct Core {
    id: usize,
    bug: Option<Bug>,
    disk: Disk,
    /// As on the disk.
    pub term: u64,
    vote: Option<u64>,
    log: Vec<Entry>,
    /// What it is.
    pub role: Role,
    leader: Option<u64>,
    /// When it calls an election.
    pub election_at: Instant,
    /// Up to here the log stays as it is.
    pub commit: u64,
    /// What the log says up to there.
    values: BTreeMap<u64, u64>,
    /// By node; this one's own is not used.
    peers: Vec<Peer>,
    /// The last round of questions.
    round: u64,
}

/// How many entries are sent at once.
const ENTRIES_MAX: usize = 16;

fn count(len: usize) -> u64 {
    u64::try_from(len).expect("a length in memory fits 64 bits")
}

fn place(index: u64) -> usize {
    usize::try_from(index).expect("the log is in memory")
}

impl Core {
    /// A node that starts, with what is on its disk.
    pub fn new(id: usize, nodes: usize, bug: Option<Bug>, disk: Disk) -> Core {
        let stored = disk.read();
        Core {
            id,
            bug,
            disk,
            term: stored.term,
            vote: stored.vote,
            log: stored.log,
            role: Role::Follower,
            leader: None,
            election_at: Instant::ZERO,
            commit: 0,
            values: BTreeMap::new(),
            peers: vec![Peer::default(); nodes],
            round: 0,
        }
    }

    /// The term of an entry; 0 before the beginning, and where there is none.
    pub fn term_at(&self, index: u64) -> u64 {
        index.checked_sub(1).and_then(|index| self.log.get(place(index))).map_or(0, |entry| entry.term)
    }

    fn last_index(&self) -> u64 {
        count(self.log.len())
    }

    /// How many nodes a majority is.
    fn quorum(&self) -> usize {
        self.peers.len() / 2 + 1
    }

    /// How many nodes there are for which `holds`, this one included.
    fn nodes_that(&self, holds: impl Fn(&Peer) -> bool) -> usize {
        1 + self.peers.iter().enumerate().filter(|(node, peer)| *node != self.id && holds(peer)).count()
    }

    /// Puts off the next election by a time that others are unlikely to choose, too.
    pub fn put_off_election(&mut self, now: Instant, random: u32) {
        self.election_at = now + ELECTION + Duration::from_millis(u64::from(random % 400));
    }

    /// Becomes a candidate.
    pub fn call_election(&mut self, now: Instant, random: u32) {
        self.put_off_election(now, random);
        (self.role, self.leader) = (Role::Candidate, None);
        (self.term, self.vote) = (self.term + 1, Some(count(self.id)));
        self.write_vote();
        self.peers.iter_mut().for_each(|peer| (peer.answered, peer.granted) = (false, false));
    }

    fn write_vote(&self) {
        if self.bug != Some(Bug::ForgetsItsVote) {
            self.disk.write_vote(self.term, self.vote);
        }
    }

    /// What is to be sent to a peer now, or when there may be something.
    pub fn message_to(&self, peer: usize, now: Instant) -> Result<Message, Option<Instant>> {
        let Peer { answered, next, round, heartbeat_at, .. } = self.peers[peer];
        match self.role {
            Role::Candidate if !answered => {
                let last_index = self.last_index();
                let last_term = self.term_at(last_index);
                Ok(Message::Vote { term: self.term, candidate: count(self.id), last_index, last_term })
            }
            Role::Leader if next <= self.last_index() || round < self.round || heartbeat_at <= now => {
                let prev_index = next - 1;
                let entries = self.log[place(prev_index)..].iter().take(ENTRIES_MAX).copied().collect();
                Ok(Message::Append {
                    term: self.term,
                    leader: count(self.id),
                    prev_index,
                    prev_term: self.term_at(prev_index),
                    commit: self.commit,
                    round: self.round,
                    entries,
                })
            }
            Role::Leader => Err(Some(heartbeat_at)),
            Role::Candidate | Role::Follower => Err(None),
        }
    }

    /// A peer's answer.
    pub fn hear(&mut self, peer: usize, answer: &Message, now: Instant) {
        match *answer {
            Message::Voted { term, .. } | Message::Appended { term, .. } if term > self.term => self.follow(term),
            Message::Voted { term, granted } if self.role == Role::Candidate && term == self.term => {
                (self.peers[peer].answered, self.peers[peer].granted) = (true, granted);
                if self.nodes_that(|peer| peer.granted) >= self.quorum() {
                    self.lead(now);
                }
            }
            Message::Appended { term, agrees, index, round } if self.role == Role::Leader && term == self.term => {
                let peer = &mut self.peers[peer];
                peer.round = peer.round.max(round);
                peer.heartbeat_at = now + HEARTBEAT;
                if agrees {
                    peer.matched = peer.matched.max(index);
                    peer.next = peer.matched + 1;
                } else {
                    peer.next = (peer.next - 1).min(index + 1).max(1);
                }
                self.commit_what_a_majority_has();
            }
            // Of a term that is over, or no answer at all.
            Message::Voted { .. }
            | Message::Appended { .. }
            | Message::Vote { .. }
            | Message::Append { .. }
            | Message::Get { .. }
            | Message::Put { .. }
            | Message::Value { .. }
            | Message::Done
            | Message::NotLeader { .. }
            | Message::Unknown => {}
        }
    }

    fn lead(&mut self, now: Instant) {
        (self.role, self.leader) = (Role::Leader, Some(count(self.id)));
        let next = self.last_index() + 1;
        self.peers.fill(Peer { next, heartbeat_at: now, ..Peer::default() });
        self.round = 0;
        self.append(None);
    }

    /// Adds an entry to a leader's log, and answers its index.
    pub fn append(&mut self, put: Option<(u64, u64)>) -> u64 {
        let entry = Entry { term: self.term, put };
        self.disk.write_log(self.log.len(), &[entry]);
        self.log.push(entry);
        self.last_index()
    }

    fn commit_what_a_majority_has(&mut self) {
        let mut index = self.last_index();
        // Entries of earlier terms are committed with the first of this one: section 5.4.2.
        while index > self.commit && self.term_at(index) == self.term {
            if self.nodes_that(|peer| peer.matched >= index) >= self.quorum() {
                self.commit_up_to(index);
                return;
            }
            index -= 1;
        }
    }

    fn commit_up_to(&mut self, index: u64) {
        let puts = self.log[place(self.commit)..place(index)].iter().filter_map(|entry| entry.put);
        self.values.extend(puts);
        self.commit = index;
    }

    /// Follows whoever leads in this term, which is higher, or has a leader now.
    fn follow(&mut self, term: u64) {
        self.role = Role::Follower;
        if term > self.term {
            (self.term, self.vote, self.leader) = (term, None, None);
            self.write_vote();
        }
    }

    /// Answers a candidate or a leader.
    pub fn answer(&mut self, message: &Message, now: Instant, random: u32) -> Message {
        match *message {
            Message::Vote { term, candidate, last_index, last_term } => {
                if term > self.term {
                    self.follow(term);
                }
                let own = (self.term_at(self.last_index()), self.last_index());
                let is_free = self.vote.is_none_or(|vote| vote == candidate);
                let granted = term == self.term && is_free && (last_term, last_index) >= own;
                if granted {
                    self.vote = Some(candidate);
                    self.write_vote();
                    self.put_off_election(now, random);
                }
                Message::Voted { term: self.term, granted }
            }
            Message::Append { term, leader, prev_index, prev_term, commit, round, ref entries } => {
                let refused = |core: &Core, index| Message::Appended { term: core.term, agrees: false, index, round };
                if term < self.term {
                    return refused(self, 0);
                }
                self.follow(term);
                self.leader = Some(leader);
                self.put_off_election(now, random);
                if prev_index > self.last_index() || self.term_at(prev_index) != prev_term {
                    return refused(self, self.last_index().min(prev_index.saturating_sub(1)));
                }
                self.take_over(prev_index, entries);
                let index = prev_index + count(entries.len());
                if commit.min(index) > self.commit {
                    self.commit_up_to(commit.min(index));
                }
                Message::Appended { term: self.term, agrees: true, index, round }
            }
            Message::Voted { .. }
            | Message::Appended { .. }
            | Message::Get { .. }
            | Message::Put { .. }
            | Message::Value { .. }
            | Message::Done
            | Message::NotLeader { .. }
            | Message::Unknown => self.not_leader(),
        }
    }

    /// Makes the log the leader's behind `prev_index`, where the two agree.
    fn take_over(&mut self, prev_index: u64, entries: &[Entry]) {
        let agree = (prev_index + 1..).zip(entries).take_while(|(index, entry)| self.term_at(*index) == entry.term).count();
        if let new @ [_, ..] = &entries[agree..] {
            let len = place(prev_index) + agree;
            self.log.truncate(len);
            self.log.extend_from_slice(new);
            self.disk.write_log(len, new);
        }
    }

    /// Begins a round of questions whether this still is the leader.
    pub fn begin_round(&mut self) -> u64 {
        self.round += 1;
        self.round
    }

    /// Whether a majority took this for the leader in that round, or later.
    pub fn is_confirmed(&self, round: u64) -> bool {
        self.nodes_that(|peer| peer.round >= round) >= self.quorum()
    }

    /// The answer to a client that asked for a key.
    pub fn value(&self, key: u64) -> Message {
        Message::Value { value: self.values.get(&key).copied().unwrap_or(0) }
    }

    /// The answer to a client that should ask another node.
    pub fn not_leader(&self) -> Message {
        Message::NotLeader { leader: self.leader.filter(|leader| *leader != count(self.id)) }
    }
}
