//! The language of the key-value store: one line asks, one line answers.
//!
//! ```text
//! request = verb *( SP word ) LF
//! word    = bare | DQUOTE *( character | escape ) DQUOTE
//! escape  = \\  \"  \n  \r  \t  \xHH
//! ```
//! A bare word is printable ASCII without space, quote and backslash; what else a value may hold is quoted, so that every byte can
//! be stored and every line can be read. A server answers requests in the order in which they came, however many arrive at once.

use std::fmt;

/// How long a line may be, its end included.
pub const LINE_MAX_BYTES: usize = 8 * 1024;

/// How long a key may be.
pub const KEY_MAX_BYTES: usize = 128;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Whether the server is there.
    Ping,
    /// Stores a value.
    Set { key: String, value: Vec<u8> },
    /// The value.
    Get { key: String },
    /// Removes keys; the answer counts those that were there.
    Del { keys: Vec<String> },
    /// Adds to the end of a value; the answer is its length.
    Append { key: String, value: Vec<u8> },
    /// The length of a value, 0 where there is none.
    Strlen { key: String },
    /// Adds to a number, 0 where there is none; the answer is the sum.
    Incr { key: String, by: i64 },
    /// As `Incr`, but the answer is `OK`, whatever others add meanwhile.
    Add { key: String, by: i64 },
    /// Stores `new` if the value is `old`.
    Cas { key: String, old: Vec<u8>, new: Vec<u8> },
    /// The keys that begin with a prefix, in order.
    Keys { prefix: String },
    /// How many keys begin with a prefix.
    Count { prefix: String },
    /// Ends this connection.
    Quit,
    /// Ends the server.
    Shutdown,
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Ok,
    Pong,
    Value(Vec<u8>),
    Nothing,
    Int(i64),
    Keys(Vec<String>),
    Conflict,
    Error(String),
}

/// Why a line is no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        Reply::Error(refusal.0)
    }
}

/// The verbs, with the fewest and the most words that each takes, and what these are.
const VERBS: [(&str, usize, usize, &str); 13] = [
    ("PING", 0, 0, "nothing"),
    ("SET", 2, 2, "KEY VALUE"),
    ("GET", 1, 1, "KEY"),
    ("DEL", 1, 64, "KEY..."),
    ("APPEND", 2, 2, "KEY VALUE"),
    ("STRLEN", 1, 1, "KEY"),
    ("INCR", 1, 2, "KEY [BY]"),
    ("ADD", 2, 2, "KEY BY"),
    ("CAS", 3, 3, "KEY OLD NEW"),
    ("KEYS", 0, 1, "[PREFIX]"),
    ("COUNT", 0, 1, "[PREFIX]"),
    ("QUIT", 0, 0, "nothing"),
    ("SHUTDOWN", 0, 0, "nothing"),
];

impl Request {
    /// Reads a request from a line without its end.
    pub fn parse(line: &[u8]) -> Result<Request, Refusal> {
        let mut words = words_of(line)?.into_iter();
        let verb = String::from_utf8_lossy(&words.next().unwrap_or_default()).into_owned();
        let Some((_, least, most, takes)) = VERBS.iter().find(|(name, ..)| *name == verb) else {
            return Err(Refusal(format!("unknown verb {}", Word(verb.as_bytes()))));
        };
        if words.len() < *least || words.len() > *most {
            return Err(Refusal(format!("{verb} takes {takes}, not {} words", words.len())));
        }
        let mut next = || words.next().unwrap_or_default();
        Ok(match verb.as_str() {
            "PING" => Request::Ping,
            "SET" => Request::Set { key: key_of(next())?, value: next() },
            "GET" => Request::Get { key: key_of(next())? },
            "DEL" => Request::Del { keys: words.map(key_of).collect::<Result<_, _>>()? },
            "APPEND" => Request::Append { key: key_of(next())?, value: next() },
            "STRLEN" => Request::Strlen { key: key_of(next())? },
            "INCR" => Request::Incr { key: key_of(next())?, by: words.next().map_or(Ok(1), |word| number_of(&word))? },
            "ADD" => Request::Add { key: key_of(next())?, by: number_of(&next())? },
            "CAS" => Request::Cas { key: key_of(next())?, old: next(), new: next() },
            "KEYS" => Request::Keys { prefix: prefix_of(next())? },
            "COUNT" => Request::Count { prefix: prefix_of(next())? },
            "QUIT" => Request::Quit,
            _ => Request::Shutdown,
        })
    }

    /// The keys and prefixes that the request names, to be changed in place.
    pub fn keys_mut(&mut self) -> Vec<&mut String> {
        match self {
            Request::Set { key, .. }
            | Request::Get { key }
            | Request::Append { key, .. }
            | Request::Strlen { key }
            | Request::Incr { key, .. }
            | Request::Add { key, .. }
            | Request::Cas { key, .. } => vec![key],
            Request::Del { keys } => keys.iter_mut().collect(),
            Request::Keys { prefix } | Request::Count { prefix } => vec![prefix],
            Request::Ping | Request::Quit | Request::Shutdown => Vec::new(),
        }
    }
}

impl fmt::Display for Request {
    /// The line that asks for it, without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |bytes| Word(bytes);
        match self {
            Request::Ping => f.write_str("PING"),
            Request::Set { key, value } => write!(f, "SET {} {}", word(key.as_bytes()), word(value)),
            Request::Get { key } => write!(f, "GET {}", word(key.as_bytes())),
            Request::Del { keys } => {
                f.write_str("DEL")?;
                keys.iter().try_for_each(|key| write!(f, " {}", word(key.as_bytes())))
            }
            Request::Append { key, value } => write!(f, "APPEND {} {}", word(key.as_bytes()), word(value)),
            Request::Strlen { key } => write!(f, "STRLEN {}", word(key.as_bytes())),
            Request::Incr { key, by } => write!(f, "INCR {} {by}", word(key.as_bytes())),
            Request::Add { key, by } => write!(f, "ADD {} {by}", word(key.as_bytes())),
            Request::Cas { key, old, new } => write!(f, "CAS {} {} {}", word(key.as_bytes()), word(old), word(new)),
            Request::Keys { prefix } => write!(f, "KEYS {}", word(prefix.as_bytes())),
            Request::Count { prefix } => write!(f, "COUNT {}", word(prefix.as_bytes())),
            Request::Quit => f.write_str("QUIT"),
            Request::Shutdown => f.write_str("SHUTDOWN"),
        }
    }
}

impl fmt::Display for Reply {
    /// The line that answers, without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Ok => f.write_str("OK"),
            Reply::Pong => f.write_str("PONG"),
            Reply::Value(value) => write!(f, "VALUE {}", Word(value)),
            Reply::Nothing => f.write_str("NOTHING"),
            Reply::Int(number) => write!(f, "INT {number}"),
            Reply::Keys(keys) => {
                write!(f, "KEYS {}", keys.len())?;
                keys.iter().try_for_each(|key| write!(f, " {}", Word(key.as_bytes())))
            }
            Reply::Conflict => f.write_str("CONFLICT"),
            Reply::Error(what) => write!(f, "ERR {what}"),
        }
    }
}

/// Bytes as a word of the protocol: bare if they can be, else quoted.
struct Word<'a>(&'a [u8]);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.iter().all(|byte| is_bare(*byte)) {
            return self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)));
        }
        f.write_str("\"")?;
        for byte in self.0 {
            match byte {
                b'\\' => f.write_str("\\\\"),
                b'"' => f.write_str("\\\""),
                b'\n' => f.write_str("\\n"),
                b'\r' => f.write_str("\\r"),
                b'\t' => f.write_str("\\t"),
                b' '..=b'~' => write!(f, "{}", char::from(*byte)),
                _ => write!(f, "\\x{byte:02x}"),
            }?;
        }
        f.write_str("\"")
    }
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}

/// The words of a line. Errors name the column, counted from 1.
fn words_of(line: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    if line.len() >= LINE_MAX_BYTES {
        return Err(too_long());
    }
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        let (word, end) = if line.get(at) == Some(&b'"') { quoted_word(line, at)? } else { bare_word(line, at)? };
        words.push(word);
        match line.get(end) {
            None => return Ok(words),
            Some(b' ') => at = end + 1,
            Some(_) => return Err(Refusal(format!("column {}: expected a space after a quoted word", end + 1))),
        }
    }
}

/// What a server says to a line without end.
pub fn too_long() -> Refusal {
    Refusal(format!("a line of more than {LINE_MAX_BYTES} bytes"))
}

/// The bare word at `at`, and where it ends.
fn bare_word(line: &[u8], at: usize) -> Result<(Vec<u8>, usize), Refusal> {
    let len = line[at..].iter().take_while(|byte| is_bare(**byte)).count();
    let end = at + len;
    if len == 0 {
        return Err(Refusal(format!("column {}: expected a word", at + 1)));
    }
    if line.get(end).is_some_and(|byte| *byte != b' ') {
        return Err(Refusal(format!("column {}: this byte must be in a quoted word", end + 1)));
    }
    Ok((line[at..end].to_vec(), end))
}

/// The quoted word whose opening quote is at `at`, and where it ends.
fn quoted_word(line: &[u8], at: usize) -> Result<(Vec<u8>, usize), Refusal> {
    let mut word = Vec::new();
    let mut next = at + 1;
    loop {
        match line.get(next) {
            None => return Err(Refusal(format!("column {}: this quote is never closed", at + 1))),
            Some(b'"') => return Ok((word, next + 1)),
            Some(b'\\') => {
                let (byte, len) =
                    escape(&line[next + 1..]).ok_or_else(|| Refusal(format!("column {}: unknown escape", next + 1)))?;
                word.push(byte);
                next += 1 + len;
            }
            Some(byte) => {
                word.push(*byte);
                next += 1;
            }
        }
    }
}

/// The byte that an escape stands for, and how much of `rest` it takes, the backslash left out.
fn escape(rest: &[u8]) -> Option<(u8, usize)> {
    Some(match rest.first()? {
        b'\\' => (b'\\', 1),
        b'"' => (b'"', 1),
        b'n' => (b'\n', 1),
        b'r' => (b'\r', 1),
        b't' => (b'\t', 1),
        b'x' => {
            let digits = std::str::from_utf8(rest.get(1..3)?).ok()?;
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            (u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?, 3)
        }
        _ => return None,
    })
}

fn key_of(word: Vec<u8>) -> Result<String, Refusal> {
    if word.is_empty() { Err(Refusal("a key is not empty".to_owned())) } else { prefix_of(word) }
}

fn prefix_of(word: Vec<u8>) -> Result<String, Refusal> {
    if word.len() > KEY_MAX_BYTES {
        return Err(Refusal(format!("a key of {} bytes, more than {KEY_MAX_BYTES}", word.len())));
    }
    String::from_utf8(word).map_err(|_| Refusal("a key is UTF-8".to_owned()))
}

fn number_of(word: &[u8]) -> Result<i64, Refusal> {
    let text = String::from_utf8_lossy(word);
    text.parse().map_err(|_| Refusal(format!("expected a number of 64 bits, not {}", Word(word))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> String {
        Request::parse(line.as_bytes()).expect_err("the line is no request").to_string()
    }

    #[test]
    fn a_request_reads_back_as_it_was_written() {
        let requests = [
            Request::Ping,
            Request::Set { key: "name".to_owned(), value: b"Ada Lovelace\n\xff\\\"".to_vec() },
            Request::Set { key: "empty".to_owned(), value: Vec::new() },
            Request::Get { key: "a key".to_owned() },
            Request::Del { keys: vec!["a".to_owned(), "b".to_owned()] },
            Request::Append { key: "log".to_owned(), value: b"\t.".to_vec() },
            Request::Strlen { key: "log".to_owned() },
            Request::Incr { key: "n".to_owned(), by: i64::MIN },
            Request::Add { key: "n".to_owned(), by: 7 },
            Request::Cas { key: "n".to_owned(), old: b"1".to_vec(), new: b"2".to_vec() },
            Request::Keys { prefix: String::new() },
            Request::Count { prefix: "s/".to_owned() },
            Request::Quit,
            Request::Shutdown,
        ];
        for request in requests {
            assert_eq!(Request::parse(request.to_string().as_bytes()), Ok(request));
        }
    }

    #[test]
    fn every_byte_can_be_stored() {
        let value: Vec<u8> = (0..=255).collect();
        let line = Request::Set { key: "all".to_owned(), value: value.clone() }.to_string();
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "a line is printable ASCII");
        assert_eq!(Request::parse(line.as_bytes()), Ok(Request::Set { key: "all".to_owned(), value }));
    }

    #[test]
    fn incr_adds_one_unless_told() {
        assert_eq!(Request::parse(b"INCR n"), Ok(Request::Incr { key: "n".to_owned(), by: 1 }));
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_where() {
        assert_eq!(refusal("FROB x"), "unknown verb FROB");
        assert_eq!(refusal("get x"), "unknown verb get");
        assert_eq!(refusal("GET"), "GET takes KEY, not 0 words");
        assert_eq!(refusal("PING x"), "PING takes nothing, not 1 words");
        assert_eq!(refusal(""), "column 1: expected a word");
        assert_eq!(refusal("GET  x"), "column 5: expected a word");
        assert_eq!(refusal("GET x "), "column 7: expected a word");
        assert_eq!(refusal("GET \"x"), "column 5: this quote is never closed");
        assert_eq!(refusal("GET \"x\"y"), "column 8: expected a space after a quoted word");
        assert_eq!(refusal("GET x\"y"), "column 6: this byte must be in a quoted word");
        assert_eq!(refusal("SET x \"\\q\""), "column 8: unknown escape");
        assert_eq!(refusal("SET x \"\\x+1\""), "column 8: unknown escape");
        assert_eq!(refusal("SET x \"\\x4"), "column 8: unknown escape");
        assert_eq!(refusal("INCR n one"), "expected a number of 64 bits, not one");
        assert_eq!(refusal("INCR n 9223372036854775808"), "expected a number of 64 bits, not 9223372036854775808");
        assert_eq!(refusal("GET \"\""), "a key is not empty");
        assert_eq!(refusal("GET \"\\xff\""), "a key is UTF-8");
        assert_eq!(refusal(&format!("GET {}", "k".repeat(KEY_MAX_BYTES + 1))), "a key of 129 bytes, more than 128");
        assert_eq!(refusal(&format!("GET {}", "k".repeat(LINE_MAX_BYTES))), "a line of more than 8192 bytes");
    }

    #[test]
    fn a_reply_is_one_line() {
        assert_eq!(Reply::Value(b"two\nlines".to_vec()).to_string(), r#"VALUE "two\nlines""#);
        assert_eq!(Reply::Keys(vec!["a".to_owned(), "b c".to_owned()]).to_string(), r#"KEYS 2 a "b c""#);
        assert_eq!(Reply::Int(-1).to_string(), "INT -1");
        assert_eq!(Reply::from(Refusal("no".to_owned())).to_string(), "ERR no");
    }
}
