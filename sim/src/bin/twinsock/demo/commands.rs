//! The command file: what the clients ask, session by session.
//!
//! ```text
//! # A comment.
//! session s001
//! SET name "Ada Lovelace"
//! GET name
//!
//! ADD shared/visits 1
//! ! FROB
//! ```
//! A session is one connection. The lines between two empty lines are sent at once (pipelined) and then their answers are awaited.
//! Keys belong to their session: `name` goes over the wire as `s001/name`, so that sessions do not disturb each other, in whatever
//! order they run. Keys that begin with `shared/` belong to all, and only `ADD` may name them, whose answer tells nothing of the
//! others. A line that begins with `! ` is sent as it is, and must be one that the server refuses. So every answer is known before
//! a run, and both worlds must give the same.

use super::protocol::{LINE_MAX_BYTES, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Keys that all sessions share begin with this.
const SHARED: &str = "shared/";

/// How much is sent before the answers are read. Less than the smallest receive buffer, so that client and server never both wait for
/// the other to read.
const BATCH_MAX_BYTES: usize = 2 * LINE_MAX_BYTES;

/// A command file that has been read.
#[derive(Debug, Default)]
pub struct Script {
    /// In the order of the file.
    pub sessions: Vec<Session>,
    /// The keys that all share, and the sum of what any prefix of any order may add up to.
    shared: BTreeMap<String, i64>,
}

/// What is asked on one connection.
#[derive(Debug, Default)]
pub struct Session {
    pub name: String,
    /// Each batch is sent at once, and then its answers are read.
    pub batches: Vec<Vec<Command>>,
}

/// One line to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Where it stands in the command file, counted from 1.
    pub line: usize,
    /// As it goes over the wire, without its end.
    pub text: String,
}

/// A line of a command file that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct BadLine {
    pub file: String,
    pub line: usize,
    pub what: String,
    pub expected: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}, expected {}", self.file, self.line, self.what, self.expected)
    }
}

/// What is wrong with a line, and what was expected.
type Complaint = (String, String);

impl Script {
    /// Reads a command file; `file` is its name, for the complaint.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Script, BadLine> {
        let mut reader = Reader::default();
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let mut line = 0;
        for text in bytes.split(|byte| *byte == b'\n') {
            line += 1;
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let read = reader.read(line, text);
            read.map_err(|(what, expected)| BadLine { file: file.to_owned(), line, what, expected })?;
        }
        if reader.script.commands() == 0 {
            let (what, expected) = ("the file asks for nothing".to_owned(), "`session NAME` and commands below it".to_owned());
            return Err(BadLine { file: file.to_owned(), line, what, expected });
        }
        Ok(reader.script)
    }

    /// How many commands there are.
    pub fn commands(&self) -> usize {
        self.sessions.iter().flat_map(|session| &session.batches).map(Vec::len).sum()
    }

    /// What is asked when all sessions have ended: the shared values, and how much is stored.
    pub fn audit(&self) -> Session {
        let gets = self.shared.keys().map(|key| Request::Get { key: key.clone() });
        let requests = gets.chain([Request::Count { prefix: String::new() }]);
        let commands = requests.map(|request| Command { line: 0, text: request.to_string() });
        Session { name: "audit".to_owned(), batches: commands.map(|command| vec![command]).collect() }
    }
}

#[derive(Default)]
struct Reader {
    script: Script,
    names: BTreeSet<String>,
    batch_bytes: usize,
    /// Whether the next command begins a batch.
    begins: bool,
}

impl Reader {
    fn read(&mut self, line: usize, bytes: &[u8]) -> Result<(), Complaint> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(complaint("the line is not UTF-8", "UTF-8, with other bytes as \\xHH in a quoted word"));
        };
        if text.trim().is_empty() {
            self.begins = true;
            return Ok(());
        }
        if text.starts_with('#') {
            return Ok(());
        }
        if let Some(name) = text.strip_prefix("session ") {
            return self.open_session(name);
        }
        let Some(session) = self.script.sessions.last() else {
            return Err(complaint(format!("`{text}` before any session"), "`session NAME` first"));
        };
        let text = match text.strip_prefix("! ") {
            Some(text) => refused(text)?,
            None => {
                let request = owned(&session.name, text)?;
                if let Request::Add { key, by } = &request {
                    self.add_up(key, *by)?;
                }
                within_limits(request)?
            }
        };
        self.push(Command { line, text });
        Ok(())
    }

    fn open_session(&mut self, name: &str) -> Result<(), Complaint> {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !is_name || format!("{name}/") == SHARED {
            return Err(complaint(format!("`{name}` names no session"), "letters, digits, `-` and `_`, and not `shared`"));
        }
        if !self.names.insert(name.to_owned()) {
            return Err(complaint(format!("a second session `{name}`"), "a new name"));
        }
        self.script.sessions.push(Session { name: name.to_owned(), batches: Vec::new() });
        self.begins = true;
        Ok(())
    }

    /// Notes what is added to a shared key, as if all of it had the same sign: then no order of additions overflows.
    fn add_up(&mut self, key: &str, by: i64) -> Result<(), Complaint> {
        if !key.starts_with(SHARED) {
            return Ok(());
        }
        let most = self.script.shared.entry(key.to_owned()).or_default();
        let sum = by.checked_abs().and_then(|by| most.checked_add(by));
        *most =
            sum.ok_or_else(|| complaint(format!("too much is added to `{key}`"), "a sum that fits into 64 bits in every order"))?;
        Ok(())
    }

    fn push(&mut self, command: Command) {
        let session = self.script.sessions.last_mut().expect("a command is read only once a session is open");
        let len = command.text.len() + 1;
        if self.begins || self.batch_bytes + len > BATCH_MAX_BYTES {
            session.batches.push(Vec::new());
            self.batch_bytes = 0;
            self.begins = false;
        }
        self.batch_bytes += len;
        session.batches.last_mut().expect("a session's first command begins a batch").push(command);
    }
}

fn complaint(what: impl Into<String>, expected: impl Into<String>) -> Complaint {
    (what.into(), expected.into())
}

/// A line that the server must refuse.
fn refused(text: &str) -> Result<String, Complaint> {
    if text.len() >= LINE_MAX_BYTES {
        return Err(complaint(format!("a line of {} bytes", text.len()), format!("less than {LINE_MAX_BYTES}")));
    }
    match Request::parse(text.as_bytes()) {
        Ok(_) => Err(complaint(format!("`{text}` is a proper request"), "after `! ` one that the server refuses")),
        Err(_) => Ok(text.to_owned()),
    }
}

/// A request whose keys belong to its session.
fn owned(session: &str, text: &str) -> Result<Request, Complaint> {
    let mut request = Request::parse(text.as_bytes()).map_err(|refusal| {
        complaint(format!("`{text}`: {refusal}"), "a request, or `! ` before a line that the server refuses")
    })?;
    if matches!(request, Request::Quit | Request::Shutdown) {
        return Err(complaint(format!("`{text}` ends more than a command"), "the session to end with its last line"));
    }
    let is_add = matches!(request, Request::Add { .. });
    for key in request.keys_mut() {
        if !key.starts_with(SHARED) {
            *key = format!("{session}/{key}");
        } else if !is_add {
            return Err(complaint(format!("`{text}` names a shared key"), "`ADD KEY BY`, whose answer is the same in any order"));
        }
    }
    Ok(request)
}

/// The request's line, if the server takes it now that its keys have grown.
fn within_limits(request: Request) -> Result<String, Complaint> {
    let text = request.to_string();
    match Request::parse(text.as_bytes()) {
        Ok(_) => Ok(text),
        Err(refusal) => Err(complaint(format!("with its session's name: {refusal}"), "a shorter line or key")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{COMMANDS, generator};
    use super::*;

    fn complaint_of(text: &str) -> String {
        Script::parse("file", text.as_bytes()).expect_err("the file is bad").to_string()
    }

    #[test]
    fn a_session_owns_its_keys_and_an_empty_line_awaits_answers() {
        let script =
            Script::parse("file", b"# c\nsession s1\nSET a 1\nGET a\n\nADD shared/n 2\n! FROB\n").expect("the file is good");
        let lines: Vec<Vec<(usize, &str)>> = script.sessions[0]
            .batches
            .iter()
            .map(|batch| batch.iter().map(|command| (command.line, command.text.as_str())).collect())
            .collect();
        assert_eq!(lines, [vec![(3, "SET s1/a 1"), (4, "GET s1/a")], vec![(6, "ADD shared/n 2"), (7, "FROB")]]);
        let audit: Vec<String> = script.audit().batches.concat().into_iter().map(|command| command.text).collect();
        assert_eq!(audit, ["GET shared/n", "COUNT \"\""]);
    }

    #[test]
    fn a_bad_line_is_named_with_what_was_expected() {
        assert_eq!(complaint_of("\nGET a"), "file:2: `GET a` before any session, expected `session NAME` first");
        assert_eq!(complaint_of("session s\nsession s"), "file:2: a second session `s`, expected a new name");
        assert!(complaint_of("session a/b").starts_with("file:1: `a/b` names no session, expected letters"));
        assert!(complaint_of("session shared\n").starts_with("file:1: `shared` names no session"));
        assert!(complaint_of("session s\nFROB").starts_with("file:2: `FROB`: unknown verb FROB, expected a request"));
        assert!(complaint_of("session s\nGET shared/n").contains("names a shared key, expected `ADD KEY BY`"));
        assert!(complaint_of("session s\nKEYS shared/").contains("names a shared key"));
        assert!(complaint_of("session s\n! GET a").contains("is a proper request, expected after `! `"));
        assert!(complaint_of("session s\nSHUTDOWN").contains("expected the session to end with its last line"));
        assert!(complaint_of("session s\nADD shared/n 9223372036854775807\nADD shared/n -1").starts_with("file:3: too much"));
        assert!(complaint_of(&format!("session s\nGET {}", "k".repeat(127))).contains("a key of 129 bytes"));
        assert!(complaint_of("").starts_with("file:1: the file asks for nothing"));
        let latin = Script::parse("file", b"session s\nSET a \xe9").expect_err("the file is bad");
        assert_eq!((latin.line, latin.what.as_str()), (2, "the line is not UTF-8"));
    }

    #[test]
    fn a_batch_fits_into_a_receive_buffer() {
        let line = format!("SET k {}\n", "v".repeat(6_000));
        let script = Script::parse("file", format!("session s\n{}", line.repeat(5)).as_bytes()).expect("the file is good");
        let sizes: Vec<usize> = script.sessions[0].batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 2, 1]);
    }

    #[test]
    fn the_command_file_is_what_its_generator_writes() {
        assert!(COMMANDS == generator::command_file(), "cargo run -p twinsock-sim --example demo_commands writes it");
        let script = Script::parse("commands.txt", COMMANDS.as_bytes()).expect("the command file is good");
        assert!(script.commands() >= 3_000, "{} commands", script.commands());
    }
}
