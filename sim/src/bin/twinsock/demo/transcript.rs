//! What was asked and what was answered, in the order of each session, and where two transcripts differ.

use super::commands::{Command, Script, Session};
use super::protocol::{Reply, Request};
use super::store::Store;
use std::fmt;

/// One command and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub command: Command,
    pub answer: String,
}

/// What one session heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Which client ran it, counted from 0; `None` for the audit.
    pub client: Option<usize>,
    pub session: String,
    pub exchanges: Vec<Exchange>,
}

/// What all sessions heard, in the order of the command file, and at last what the audit did.
pub type Transcript = Vec<Heard>;

/// Which client runs the `index`-th session.
pub fn client_of(index: usize, clients: usize) -> usize {
    index % clients
}

/// The transcript that a run must give: the same commands, one session after the other, with no network at all.
pub fn reference(script: &Script, clients: usize) -> Transcript {
    let mut store = Store::default();
    let mut ask = |client, session: &Session| {
        let commands = session.batches.iter().flatten();
        let exchanges = commands.map(|command| {
            let reply = Request::parse(command.text.as_bytes()).map_or_else(Reply::from, |request| store.apply(request));
            Exchange { command: command.clone(), answer: reply.to_string() }
        });
        Heard { client, session: session.name.clone(), exchanges: exchanges.collect() }
    };
    let mut heard: Transcript = Vec::new();
    for (index, session) in script.sessions.iter().enumerate() {
        heard.push(ask(Some(client_of(index, clients)), session));
    }
    heard.push(ask(None, &script.audit()));
    heard
}

/// The first answer in which two transcripts differ.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    pub client: Option<usize>,
    pub session: String,
    pub command: Option<Command>,
    pub expected: Option<String>,
    pub got: Option<String>,
}

/// Compares two transcripts of one command file.
pub fn first_difference(expected: &Transcript, got: &Transcript) -> Option<Difference> {
    let longest = expected.len().max(got.len());
    for index in 0..longest {
        let (one, other) = (expected.get(index), got.get(index));
        let Some(heard) = one.or(other) else { continue };
        let exchanges = |side: Option<&Heard>| side.map_or(Vec::new(), |heard| heard.exchanges.clone());
        let (ones, others) = (exchanges(one), exchanges(other));
        let at = (0..ones.len().max(others.len())).find(|at| ones.get(*at) != others.get(*at));
        if let Some(at) = at {
            let (expected, got) = (ones.get(at), others.get(at));
            return Some(Difference {
                client: heard.client,
                session: heard.session.clone(),
                command: expected.or(got).map(|exchange| exchange.command.clone()),
                expected: expected.map(|exchange| exchange.answer.clone()),
                got: got.map(|exchange| exchange.answer.clone()),
            });
        }
        if one != other {
            let named = |side: Option<&Heard>| side.map(|heard| format!("session {}", heard.session));
            let session = heard.session.clone();
            return Some(Difference { client: heard.client, session, command: None, expected: named(one), got: named(other) });
        }
    }
    None
}

impl fmt::Display for Difference {
    /// Client, line, command; then what was expected and what came.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.client {
            Some(client) => write!(f, "client {client}, session {}", self.session)?,
            None => f.write_str("the audit at the end")?,
        }
        match &self.command {
            Some(command) if command.line > 0 => writeln!(f, ", line {}: {}", command.line, command.text)?,
            Some(command) => writeln!(f, ": {}", command.text)?,
            None => writeln!(f)?,
        }
        writeln!(f, "  expected {}", self.expected.as_deref().unwrap_or("no answer"))?;
        write!(f, "  got      {}", self.got.as_deref().unwrap_or("no answer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> Script {
        Script::parse("file", b"session a\nSET k 1\nGET k\nADD shared/n 2\nsession b\nGET k\nADD shared/n 3")
            .expect("the file is good")
    }

    #[test]
    fn the_reference_knows_every_answer() {
        let heard = reference(&script(), 2);
        let answers: Vec<Vec<&str>> =
            heard.iter().map(|heard| heard.exchanges.iter().map(|exchange| exchange.answer.as_str()).collect()).collect();
        assert_eq!(answers, [vec!["OK", "VALUE 1", "OK"], vec!["NOTHING", "OK"], vec!["VALUE 5", "INT 2"]]);
    }

    #[test]
    fn equal_transcripts_do_not_differ() {
        assert_eq!(first_difference(&reference(&script(), 2), &reference(&script(), 2)), None);
    }

    #[test]
    fn the_first_difference_names_client_line_and_answers() {
        let expected = reference(&script(), 2);
        let mut got = expected.clone();
        got[1].exchanges[0].answer = "VALUE 1".to_owned();
        got[2].exchanges[0].answer = "VALUE 4".to_owned();
        let text = first_difference(&expected, &got).expect("they differ").to_string();
        assert_eq!(text, "client 1, session b, line 6: GET b/k\n  expected NOTHING\n  got      VALUE 1");
    }

    #[test]
    fn a_missing_answer_is_a_difference() {
        let expected = reference(&script(), 2);
        let mut got = expected.clone();
        got[0].exchanges.pop();
        let text = first_difference(&expected, &got).expect("they differ").to_string();
        assert_eq!(text, "client 0, session a, line 4: ADD shared/n 2\n  expected OK\n  got      no answer");
        got.truncate(0);
        assert!(first_difference(&expected, &got).is_some());
    }
}
