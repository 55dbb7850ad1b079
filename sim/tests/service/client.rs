//! A client of the log: it reads and writes a few keys, looks for the leader, and notes what it saw.

use super::frame::{Message, Messages};
use super::history::{Call, History};
use super::node::{Address, connect, random};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use twinsock::{Env, Instant};

/// What a client does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its number, from 0.
    pub number: u64,
    /// The nodes.
    pub nodes: Vec<Address>,
    /// How many keys there are.
    pub keys: u32,
    /// The longest time between two operations.
    pub pause: Duration,
    /// When it stops.
    pub until: Instant,
}

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long a client waits before it asks another node.
const RETRY: Duration = Duration::from_millis(50);
/// How many operations a client asks for at most, so that the checker's sets have room for those of all clients.
const OPERATIONS_MAX: usize = 24;
/// How many nodes it asks before it gives an operation up.
const TRIES: u32 = 20;

/// Runs a client to its end.
pub fn run<E: Env>(env: &E, plan: &Plan, history: &Arc<Mutex<History>>) {
    let note = |act: &dyn Fn(&mut History) -> usize| act(&mut history.lock().unwrap_or_else(PoisonError::into_inner));
    let mut leader = Leader { env, plan, node: 0, connection: None };
    let mut puts = 0;
    for _ in 0..OPERATIONS_MAX {
        env.sleep(plan.pause / 256 * (random(env) % 257));
        if env.now() >= plan.until {
            return;
        }
        let key = u64::from(random(env) % plan.keys);
        let (call, message) = if random(env).is_multiple_of(2) {
            puts += 1;
            // No value is written twice.
            let value = plan.number * 1_000_000 + puts;
            (Call::Put { key, value }, Message::Put { key, value })
        } else {
            (Call::Get { key }, Message::Get { key })
        };
        let number = note(&|history| history.call(call));
        let answer = match leader.ask(&message) {
            Some(Message::Value { value }) => value,
            Some(Message::Done) => 0,
            _ => continue,
        };
        note(&|history| {
            history.answer(number, answer);
            number
        });
    }
}

/// Whoever may be the leader, and the connection to it.
struct Leader<'a, E: Env> {
    env: &'a E,
    plan: &'a Plan,
    node: usize,
    connection: Option<Messages<E>>,
}

impl<E: Env> Leader<'_, E> {
    /// The leader's answer; `None`, or that it is unknown, if the request may have been done or not.
    fn ask(&mut self, message: &Message) -> Option<Message> {
        for _ in 0..TRIES {
            match self.ask_this_one(message) {
                Ok(Message::NotLeader { leader }) => {
                    let leader = leader.and_then(|leader| usize::try_from(leader).ok());
                    self.turn_to(leader.unwrap_or(self.node + 1));
                }
                Ok(answer) => return Some(answer),
                Err(Some(_)) => {
                    self.turn_to(self.node + 1);
                    return None;
                }
                Err(None) => self.turn_to(self.node + 1),
            }
            self.env.sleep(RETRY);
        }
        None
    }

    fn turn_to(&mut self, node: usize) {
        self.node = node % self.plan.nodes.len();
        self.connection = None;
    }

    /// The answer; `None` if nothing was sent, and the error otherwise.
    fn ask_this_one(&mut self, message: &Message) -> Result<Message, Option<io::Error>> {
        let messages = match &mut self.connection {
            Some(messages) => messages,
            None => self.connection.insert(connect(self.env, &self.plan.nodes[self.node], TIMEOUT).map_err(|_| None)?),
        };
        messages.send(message)?;
        Ok(messages.recv()?)
    }
}
