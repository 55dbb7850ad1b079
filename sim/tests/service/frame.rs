//! What nodes and clients say to each other: messages, and how they go over a stream.
//!
//! A frame is its length (two bytes, big-endian), a byte that says which message it is, and the fields as LEB128 numbers: seven bits a byte, lowest
//! first, the top bit saying that another byte follows.

use std::io::{self, Read, Write};
use twinsock::SocketApi;
use twinsock::net::TcpStream;

/// One line of the replicated log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The term of the leader that wrote it.
    pub term: u64,
    /// What it does: the key that gets a value, or nothing, in the first entry of a leader.
    pub put: Option<(u64, u64)>,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A candidate asks for a vote.
    Vote { term: u64, candidate: u64, last_index: u64, last_term: u64 },
    /// The answer to it.
    Voted { term: u64, granted: bool },
    /// A leader sends entries, or none, to say that it is there.
    Append { term: u64, leader: u64, prev_index: u64, prev_term: u64, commit: u64, round: u64, entries: Vec<Entry> },
    /// The answer to it: up to where the logs agree now, or, refused, how long the log is at most where they might.
    Appended { term: u64, agrees: bool, index: u64, round: u64 },
    /// A client asks for a key's value.
    Get { key: u64 },
    /// A client sets a key's value.
    Put { key: u64, value: u64 },
    /// The answer to `Get`; keys that nobody has set are 0.
    Value { value: u64 },
    /// The answer to `Put`: it has happened, and stays.
    Done,
    /// Nothing was done, since this is not the leader; that one, perhaps, is.
    NotLeader { leader: Option<u64> },
    /// What was asked for may happen, or not.
    Unknown,
}

/// No frame is longer.
const FRAME_MAX_BYTES: usize = 4096;

impl Message {
    /// The number of the message, and its fields.
    fn fields(&self) -> (u8, Vec<u64>) {
        match self {
            Message::Vote { term, candidate, last_index, last_term } => (0, vec![*term, *candidate, *last_index, *last_term]),
            Message::Voted { term, granted } => (1, vec![*term, u64::from(*granted)]),
            Message::Append { term, leader, prev_index, prev_term, commit, round, entries } => {
                let mut fields = vec![*term, *leader, *prev_index, *prev_term, *commit, *round];
                for Entry { term, put } in entries {
                    // A key is one more than it is, so that 0 is "nothing".
                    let (key, value) = put.map_or((0, 0), |(key, value)| (key + 1, value));
                    fields.extend([*term, key, value]);
                }
                (2, fields)
            }
            Message::Appended { term, agrees, index, round } => (3, vec![*term, u64::from(*agrees), *index, *round]),
            Message::Get { key } => (4, vec![*key]),
            Message::Put { key, value } => (5, vec![*key, *value]),
            Message::Value { value } => (6, vec![*value]),
            Message::Done => (7, vec![]),
            Message::NotLeader { leader } => (8, leader.iter().copied().collect()),
            Message::Unknown => (9, vec![]),
        }
    }

    fn of(number: u8, fields: &[u64]) -> Option<Message> {
        Some(match (number, fields) {
            (0, &[term, candidate, last_index, last_term]) => Message::Vote { term, candidate, last_index, last_term },
            (1, &[term, granted]) => Message::Voted { term, granted: granted != 0 },
            (2, &[term, leader, prev_index, prev_term, commit, round, ref entries @ ..]) => {
                let entry = |fields: &[u64]| Entry { term: fields[0], put: fields[1].checked_sub(1).map(|key| (key, fields[2])) };
                let chunks = entries.chunks_exact(3);
                if !chunks.remainder().is_empty() {
                    return None;
                }
                let entries = chunks.map(entry).collect();
                Message::Append { term, leader, prev_index, prev_term, commit, round, entries }
            }
            (3, &[term, agrees, index, round]) => Message::Appended { term, agrees: agrees != 0, index, round },
            (4, &[key]) => Message::Get { key },
            (5, &[key, value]) => Message::Put { key, value },
            (6, &[value]) => Message::Value { value },
            (7, &[]) => Message::Done,
            (8, &[]) => Message::NotLeader { leader: None },
            (8, &[leader]) => Message::NotLeader { leader: Some(leader) },
            (9, &[]) => Message::Unknown,
            _ => return None,
        })
    }

    /// The message as a frame.
    pub fn frame(&self) -> Vec<u8> {
        let (number, fields) = self.fields();
        let mut bytes = vec![0, 0, number];
        for mut field in fields {
            while field >= 0x80 {
                bytes.push(field.to_le_bytes()[0] | 0x80);
                field >>= 7;
            }
            bytes.push(field.to_le_bytes()[0]);
        }
        let len = u16::try_from(bytes.len() - 2).expect("a frame is short");
        bytes[..2].copy_from_slice(&len.to_be_bytes());
        bytes
    }

    /// The message of a frame without its length.
    fn parse(bytes: &[u8]) -> Option<Message> {
        let (number, rest) = bytes.split_first()?;
        let (mut fields, mut field, mut shift) = (Vec::new(), 0_u64, 0);
        for byte in rest {
            field |= u64::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                fields.push(field);
                (field, shift) = (0, 0);
            }
        }
        if shift == 0 { Message::of(*number, &fields) } else { None }
    }
}

/// A stream of messages.
pub struct Messages<A: SocketApi> {
    stream: TcpStream<A>,
    /// Bytes that were received and not looked at.
    bytes: [u8; FRAME_MAX_BYTES],
    filled: usize,
}

impl<A: SocketApi> Messages<A> {
    /// The messages of a stream.
    pub fn new(stream: TcpStream<A>) -> Messages<A> {
        Messages { stream, bytes: [0; FRAME_MAX_BYTES], filled: 0 }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The stream's.
    pub fn send(&mut self, message: &Message) -> io::Result<()> {
        self.stream.write_all(&message.frame())
    }

    /// Waits for a message.
    ///
    /// # Errors
    /// The stream's; `UnexpectedEof` at its end; `InvalidData`, if what comes is no message.
    pub fn recv(&mut self) -> io::Result<Message> {
        loop {
            if let Some((head, rest)) = self.bytes[..self.filled].split_first_chunk::<2>() {
                let len = usize::from(u16::from_be_bytes(*head));
                if let Some(frame) = rest.get(..len) {
                    let message = Message::parse(frame).ok_or(io::ErrorKind::InvalidData)?;
                    self.bytes.copy_within(2 + len..self.filled, 0);
                    self.filled -= 2 + len;
                    return Ok(message);
                }
            }
            match self.stream.read(&mut self.bytes[self.filled..]) {
                Ok(0) if self.filled == FRAME_MAX_BYTES => return Err(io::ErrorKind::InvalidData.into()),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => self.filled += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[test]
fn a_message_is_what_its_frame_says() {
    let entries = vec![Entry { term: 1, put: None }, Entry { term: 300, put: Some((0, u64::MAX)) }];
    let messages = [
        Message::Vote { term: 1, candidate: 2, last_index: 300, last_term: u64::MAX },
        Message::Voted { term: 128, granted: true },
        Message::Append { term: 2, leader: 1, prev_index: 0, prev_term: 0, commit: 3, round: 9, entries },
        Message::Appended { term: 2, agrees: false, index: 7, round: 1 },
        Message::Get { key: 1 },
        Message::Put { key: 1, value: 127 },
        Message::Value { value: 0 },
        Message::Done,
        Message::NotLeader { leader: None },
        Message::NotLeader { leader: Some(2) },
        Message::Unknown,
    ];
    for message in messages {
        let frame = message.frame();
        assert_eq!(Message::parse(&frame[2..]), Some(message));
        assert_eq!(usize::from(u16::from_be_bytes([frame[0], frame[1]])), frame.len() - 2);
    }
    for nonsense in [&[][..], &[99], &[1, 1], &[4, 0x80], &[2, 0, 0, 0, 0, 0, 0, 1]] {
        assert_eq!(Message::parse(nonsense), None, "{nonsense:?}");
    }
}
