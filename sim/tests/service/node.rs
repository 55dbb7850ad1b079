//! A node of a replicated log, by hand on blocking sockets: the protocol is Raft ("In Search of an Understandable Consensus Algorithm", D. Ongaro, J.
//! Ousterhout, 2014), without snapshots and changes of membership; the log sets keys to values, and clients read and write them.
//!
//! A node is a process of several threads round one [`Core`]: one that accepts, one for each connection that was accepted, one for each peer, which asks it
//! for votes and sends it entries, one at a time, and one that calls elections. `core.rs` is what a node knows and decides, and calls no socket. All of it is
//! generic over the world: the same node runs on the kernel.

use super::core::{Core, Role};
use super::disk::Disk;
use super::frame::{Message, Messages};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::sync::{Condvar, Mutex, MutexGuard};
use twinsock::{Env, Instant};

/// A protocol bug, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A write is acknowledged when the leader has it, whoever else has.
    AcksBeforeQuorum,
    /// A vote is not on disk when it is given, so that after a restart there is another one in the same term.
    ForgetsItsVote,
    /// A leader answers reads without asking the others whether it still is one.
    ReadsWithoutQuorum,
}

/// A name or an address, and a port.
pub type Address = (String, u16);

/// Which node this is, among which.
#[derive(Clone, Debug)]
pub struct Config {
    /// This one's place among `nodes`.
    pub id: usize,
    /// Where all nodes listen, this one included.
    pub nodes: Vec<Address>,
    /// What is wrong with it.
    pub bug: Option<Bug>,
}

/// How often a leader says that it is there.
pub const HEARTBEAT: Duration = Duration::from_millis(150);
/// Who has not heard of a leader for so long, and up to twice that, calls an election.
pub const ELECTION: Duration = Duration::from_millis(400);
/// How long a peer may take to answer.
const PEER_TIMEOUT: Duration = Duration::from_millis(300);
/// How long a node lets a peer be that it could not reach.
const PEER_PAUSE: Duration = Duration::from_millis(60);
/// How long a client is kept waiting.
const CLIENT_TIMEOUT: Duration = Duration::from_millis(800);
/// After how long a connection that nobody uses is closed.
const IDLE: Duration = Duration::from_secs(3);

struct Node<E: Env> {
    env: E,
    config: Config,
    core: Mutex<E, Core>,
    /// There may be something to send to peers.
    work: Condvar<E>,
    /// Something was committed, a leader was confirmed, or it no longer is one.
    progress: Condvar<E>,
}

/// Runs a node, for ever.
pub fn run<E: Env>(env: &E, listener: &TcpListener<E>, config: Config, disk: Disk) {
    let mut core = Core::new(config.id, config.nodes.len(), config.bug, disk);
    core.put_off_election(env.now(), random(env));
    let (work, progress) = (Condvar::new(env), Condvar::new(env));
    let node = Arc::new(Node { env: env.clone(), config, core: Mutex::new(env, core), work, progress });
    for peer in (0..node.config.nodes.len()).filter(|peer| *peer != node.config.id) {
        let node = Arc::clone(&node);
        drop(env.spawn(move || node.talk_to(peer)));
    }
    let elector = Arc::clone(&node);
    drop(env.spawn(move || elector.call_elections()));
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let node = Arc::clone(&node);
                // Whatever ends a connection, the other end opens another.
                drop(env.spawn(move || drop(node.serve(stream))));
            }
            Err(_) => env.sleep(PEER_PAUSE),
        }
    }
}

/// Connects to a node, but waits at most so long; for answers, too.
///
/// # Errors
/// The network's, or that the name does not resolve.
pub fn connect<E: Env>(env: &E, (host, port): &Address, timeout: Duration) -> io::Result<Messages<E>> {
    let addrs = env.getaddrinfo(host, *port)?;
    let addr = addrs.first().ok_or(io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect_timeout(env, addr, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(Messages::new(stream))
}

/// A random number.
pub fn random(env: &impl Env) -> u32 {
    let mut bytes = [0; 4];
    env.fill(&mut bytes);
    u32::from_le_bytes(bytes)
}

impl<E: Env> Node<E> {
    /// What the thread for a peer does.
    fn talk_to(&self, peer: usize) {
        let mut connection = None;
        loop {
            let message = self.wait_for_work(peer);
            match self.ask(&mut connection, peer, &message) {
                Ok(answer) => self.hear(peer, &answer),
                Err(_) => {
                    // A late answer must not be taken for that to the next question.
                    connection = None;
                    self.env.sleep(PEER_PAUSE);
                }
            }
        }
    }

    fn ask(&self, connection: &mut Option<Messages<E>>, peer: usize, message: &Message) -> io::Result<Message> {
        let messages = match connection {
            Some(messages) => messages,
            None => connection.insert(connect(&self.env, &self.config.nodes[peer], PEER_TIMEOUT)?),
        };
        messages.send(message)?;
        messages.recv()
    }

    fn wait_for_work(&self, peer: usize) -> Message {
        let mut core = self.core.lock();
        loop {
            let now = self.env.now();
            match core.message_to(peer, now) {
                Ok(message) => return message,
                Err(None) => core = self.work.wait(core),
                Err(Some(at)) => core = self.work.wait_timeout(core, at - now).0,
            }
        }
    }

    fn hear(&self, peer: usize, answer: &Message) {
        let mut core = self.core.lock();
        core.hear(peer, answer, self.env.now());
        self.tell(&core);
    }

    /// Wakes whoever may go on now.
    fn tell(&self, core: &Core) {
        if core.role == Role::Leader {
            self.work.notify_all();
        }
        self.progress.notify_all();
    }

    fn call_elections(&self) {
        loop {
            let mut core = self.core.lock();
            let now = self.env.now();
            if core.role != Role::Leader && core.election_at <= now {
                core.call_election(now, random(&self.env));
                self.work.notify_all();
            }
            let wait = if core.role == Role::Leader { ELECTION } else { core.election_at - now };
            drop(core);
            self.env.sleep(wait);
        }
    }

    /// Answers what comes by a connection, until it ends.
    fn serve(&self, stream: TcpStream<E>) -> io::Result<()> {
        stream.set_read_timeout(Some(IDLE))?;
        let mut messages = Messages::new(stream);
        loop {
            let message = messages.recv()?;
            let answer = match message {
                Message::Get { key } => self.get(key),
                Message::Put { key, value } => self.put(key, value),
                Message::Vote { .. } | Message::Append { .. } => {
                    let (now, random) = (self.env.now(), random(&self.env));
                    let mut core = self.core.lock();
                    let was_leader = core.role == Role::Leader;
                    let answer = core.answer(&message, now, random);
                    if was_leader && core.role != Role::Leader {
                        self.progress.notify_all();
                    }
                    answer
                }
                Message::Voted { .. }
                | Message::Appended { .. }
                | Message::Value { .. }
                | Message::Done
                | Message::NotLeader { .. }
                | Message::Unknown => return Err(io::ErrorKind::InvalidData.into()),
            };
            messages.send(&answer)?;
        }
    }

    fn put(&self, key: u64, value: u64) -> Message {
        let mut core = self.core.lock();
        if core.role != Role::Leader {
            return core.not_leader();
        }
        let (term, index) = (core.term, core.append(Some((key, value))));
        self.work.notify_all();
        if self.config.bug == Some(Bug::AcksBeforeQuorum) {
            return Message::Done;
        }
        let core = self.wait_while_leader(core, term, |core| core.commit < index);
        if core.commit >= index && core.term_at(index) == term { Message::Done } else { Message::Unknown }
    }

    fn get(&self, key: u64) -> Message {
        let core = self.core.lock();
        if core.role != Role::Leader {
            return core.not_leader();
        }
        if self.config.bug == Some(Bug::ReadsWithoutQuorum) {
            return core.value(key);
        }
        // What earlier leaders have committed is known once an entry of this term is.
        let term = core.term;
        let mut core = self.wait_while_leader(core, term, |core| core.term_at(core.commit) != term);
        // Another leader would be known to a majority before it commits anything.
        let round = core.begin_round();
        self.work.notify_all();
        let core = self.wait_while_leader(core, term, |core| !core.is_confirmed(round));
        let is_sure =
            core.role == Role::Leader && core.term == term && core.term_at(core.commit) == term && core.is_confirmed(round);
        if is_sure { core.value(key) } else { core.not_leader() }
    }

    /// Waits while the condition holds, this is the leader of the term, and the client has patience.
    fn wait_while_leader<'a>(
        &self,
        mut core: MutexGuard<'a, E, Core>,
        term: u64,
        condition: impl Fn(&Core) -> bool,
    ) -> MutexGuard<'a, E, Core> {
        let deadline: Instant = self.env.now() + CLIENT_TIMEOUT;
        while condition(&core) && core.role == Role::Leader && core.term == term {
            let now = self.env.now();
            if now >= deadline {
                break;
            }
            core = self.progress.wait_timeout(core, deadline - now).0;
        }
        core
    }
}
