//! The arguments of a case's operations: handles, data, addresses, and how they are read from JSON.
//!
//! Reading fails with a sentence that says what was expected; [`super::op`] adds which argument of which operation it was.

use serde_json::Value;
use std::borrow::Cow;
use std::net::IpAddr;
use twinsock::raw::RawFd;

/// A descriptor, by the case's name for it or by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandleRef {
    /// A name: the descriptor that an earlier operation gave it to.
    Name(String),
    /// A number as it is.
    Number(RawFd),
}

/// Bytes to send or to expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many bytes of "abc...zabc...".
    Pattern(usize),
}

/// The port of an inet address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// This number.
    Number(u16),
    /// `%a`: a free one below the ephemeral range, the same wherever the case writes the same letters.
    Chosen(String),
    /// `P(h#n)`: the n-th port that the kernel chose for handle h, counted from 1.
    Of(String, usize),
}

/// An address argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addr {
    /// AF_INET or AF_INET6.
    Inet(IpAddr, Port),
    /// AF_UNIX: a path, or a name after `@`; `$T` and `$N` are filled in.
    Unix(String),
    /// AF_UNIX of length 2: the family alone.
    UnixFamily,
    /// AF_UNSPEC and zeros.
    Unspec,
    /// What `getsockname(2)` says of a handle.
    Own(String),
    /// What `getpeername(2)` says of a handle.
    Peer(String),
    /// Another address with another length (cut or padded with zeros) or family.
    Altered {
        /// The address that is altered.
        addr: Box<Addr>,
        /// The length passed.
        len: Option<usize>,
        /// The family written into it.
        family: Option<u16>,
    },
    /// These bytes.
    Hex(Vec<u8>),
}

/// One control message of `sendmsg`; `H` is how a descriptor is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control<H> {
    /// SCM_RIGHTS.
    Rights(Vec<H>),
    /// SCM_CREDENTIALS: pid (`None` is the process's own), uid, gid.
    Credentials(Option<i32>, u32, u32),
    /// Any other: level, type, payload.
    Raw(i32, i32, Vec<u8>),
}

/// A read argument, or what was expected.
pub type Read<T> = Result<T, String>;

/// How a value looks in a message: short, however long it is.
pub fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// "expected this, found that".
pub fn expected<T>(what: &str, value: &Value) -> Read<T> {
    Err(format!("expected {what}, found {}", shown(value)))
}

impl HandleRef {
    /// Reads a handle.
    pub(crate) fn read(value: &Value) -> Read<HandleRef> {
        if let Some(name) = value.as_str() {
            return Ok(HandleRef::Name(name.to_owned()));
        }
        match value.as_i64().and_then(|number| RawFd::try_from(number).ok()) {
            Some(number) => Ok(HandleRef::Number(number)),
            None => expected("a handle", value),
        }
    }
}

/// One byte per character.
pub fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// One character per byte.
pub fn from_latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

/// Bytes written as pairs of hexadecimal digits.
pub fn read_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Pairs of hexadecimal digits for bytes.
pub fn write_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Data {
    /// Reads data.
    pub(crate) fn read(value: &Value) -> Read<Data> {
        if let Some(bytes) = value.as_str().and_then(latin1) {
            return Ok(Data::Bytes(bytes));
        }
        match value.get("n").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()) {
            Some(n) => Ok(Data::Pattern(n)),
            None => expected("data: a string of bytes or {\"n\": count}", value),
        }
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Data::Bytes(bytes) => Cow::Borrowed(bytes),
            Data::Pattern(n) => Cow::Owned(pattern(*n)),
        }
    }

    /// The same data, all of it there: making many megabytes takes a while, which is not to be taken for the call's.
    pub(crate) fn made(&self) -> Data {
        Data::Bytes(self.bytes().into_owned())
    }
}

/// So many bytes of "abc...zabc...".
pub fn pattern(n: usize) -> Vec<u8> {
    let mut bytes = ALPHABET.repeat(n.div_ceil(ALPHABET.len()));
    bytes.truncate(n);
    bytes
}

const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

impl Port {
    fn read(text: &str) -> Option<Port> {
        if let Some(letters) = text.strip_prefix('%') {
            return (!letters.is_empty()).then(|| Port::Chosen(letters.to_owned()));
        }
        if let Some(inner) = text.strip_prefix("P(").and_then(|rest| rest.strip_suffix(')')) {
            return match inner.split_once('#') {
                None => Some(Port::Of(inner.to_owned(), 1)),
                Some((handle, nth)) => Some(Port::Of(handle.to_owned(), nth.parse().ok().filter(|nth| *nth > 0)?)),
            };
        }
        text.parse().ok().map(Port::Number)
    }
}

impl Addr {
    /// Reads an address.
    pub(crate) fn read(value: &Value) -> Read<Addr> {
        if let Some(text) = value.as_str() {
            return Addr::read_text(text).map_or_else(|| expected("an address", value), Ok);
        }
        if let Some(bytes) = value.get("hex").and_then(Value::as_str).and_then(read_hex) {
            return Ok(Addr::Hex(bytes));
        }
        let Some(inner) = value.get("addr") else { return expected("an address", value) };
        let addr = Box::new(Addr::read(inner)?);
        let len = match value.get("len") {
            None => None,
            Some(len) => match len.as_u64().and_then(|len| usize::try_from(len).ok()) {
                Some(len) => Some(len),
                None => return expected("the length of an address", len),
            },
        };
        let family = match value.get("family") {
            None => None,
            Some(family) => match family.as_u64().and_then(|family| u16::try_from(family).ok()) {
                Some(family) => Some(family),
                None => return expected("the number of an address family", family),
            },
        };
        Ok(Addr::Altered { addr, len, family })
    }

    fn read_text(text: &str) -> Option<Addr> {
        match text {
            "unspec" => return Some(Addr::Unspec),
            "unix:" => return Some(Addr::UnixFamily),
            _ => {}
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return Some(Addr::Unix(path.to_owned()));
        }
        if let Some(handle) = text.strip_prefix('@') {
            return match handle.strip_suffix(".peer") {
                Some(handle) => Some(Addr::Peer(handle.to_owned())),
                None => Some(Addr::Own(handle.to_owned())),
            };
        }
        let (host, port) = text.rsplit_once(':')?;
        let ip = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => IpAddr::V6(v6.parse().ok()?),
            None => IpAddr::V4(host.parse().ok()?),
        };
        Some(Addr::Inet(ip, Port::read(port)?))
    }
}

impl Control<HandleRef> {
    /// Reads the control messages of a `sendmsg`.
    pub(crate) fn read_list(value: &Value) -> Read<Vec<Control<HandleRef>>> {
        match value.as_array() {
            Some(list) => list.iter().map(Control::read).collect(),
            None if value.is_null() => Ok(Vec::new()),
            None => expected("a list of control messages", value),
        }
    }

    fn read(value: &Value) -> Read<Control<HandleRef>> {
        let Some([kind, payload]) = value.as_array().map(Vec::as_slice) else {
            return expected("a control message: [type, payload]", value);
        };
        match kind.as_str() {
            Some("SCM_RIGHTS") => Control::read_rights(payload).map(Control::Rights),
            Some("SCM_CREDENTIALS") => Control::read_credentials(payload),
            Some(_) => expected("SCM_RIGHTS, SCM_CREDENTIALS or [level, type]", kind),
            None => {
                let pair = kind.as_array().map(|pair| pair.iter().map(small).collect::<Vec<_>>());
                match (pair.as_deref(), payload.as_str().and_then(read_hex)) {
                    (Some([Some(level), Some(kind)]), Some(bytes)) => Ok(Control::Raw(*level, *kind, bytes)),
                    _ => expected("a control message: [[level, type], \"hex\"]", value),
                }
            }
        }
    }

    fn read_rights(value: &Value) -> Read<Vec<HandleRef>> {
        if let Some([handle, count]) = value.get("rep").and_then(Value::as_array).map(Vec::as_slice) {
            let Some(count) = count.as_u64().and_then(|n| usize::try_from(n).ok()) else {
                return expected("a number of handles", count);
            };
            return Ok(vec![HandleRef::read(handle)?; count]);
        }
        match value.as_array() {
            Some(list) => list.iter().map(HandleRef::read).collect(),
            None => expected("a list of handles or {\"rep\": [handle, count]}", value),
        }
    }

    fn read_credentials(value: &Value) -> Read<Control<HandleRef>> {
        let id = |value: &Value| {
            value.as_i64().and_then(|id| u32::try_from(id).ok().or_else(|| i32::try_from(id).ok().map(i32::cast_unsigned)))
        };
        let Some([pid, uid, gid]) = value.as_array().map(Vec::as_slice) else {
            return expected("[pid, uid, gid]", value);
        };
        let own = pid.as_str() == Some("PID");
        match (small(pid), id(uid), id(gid)) {
            (pid, Some(uid), Some(gid)) if own || pid.is_some() => Ok(Control::Credentials(pid, uid, gid)),
            _ => expected("[pid or \"PID\", uid, gid]", value),
        }
    }
}

/// A number that fits an int.
pub fn small(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|number| i32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_of_an_address_is_read() {
        let read = |value: Value| Addr::read(&value).expect("the address is well formed");
        assert_eq!(read(json!("127.0.0.1:80")), Addr::Inet("127.0.0.1".parse().unwrap(), Port::Number(80)));
        assert_eq!(read(json!("[::1]:%a")), Addr::Inet("::1".parse().unwrap(), Port::Chosen("a".into())));
        assert_eq!(read(json!("0.0.0.0:P(x#2)")), Addr::Inet("0.0.0.0".parse().unwrap(), Port::Of("x".into(), 2)));
        assert_eq!(read(json!("unix:")), Addr::UnixFamily);
        assert_eq!(read(json!("unix:@q$N")), Addr::Unix("@q$N".into()));
        assert_eq!(read(json!("@l.peer")), Addr::Peer("l".into()));
        assert_eq!(read(json!({"hex": "0100"})), Addr::Hex(vec![1, 0]));
        let altered = Addr::Altered { addr: Box::new(Addr::Own("l".into())), len: Some(15), family: None };
        assert_eq!(read(json!({"addr": "@l", "len": 15})), altered);
        for wrong in
            [json!("127.0.0.1"), json!("127.0.0.1:P(x#0)"), json!("[::1:80"), json!(7), json!({"len": 3}), json!({"hex": "1"})]
        {
            assert!(Addr::read(&wrong).is_err(), "{wrong} is not an address");
        }
    }

    #[test]
    fn data_is_bytes_or_a_pattern() {
        assert_eq!(*Data::read(&json!("a\u{ff}")).unwrap().bytes(), [b'a', 0xff]);
        assert_eq!(*Data::read(&json!({"n": 28})).unwrap().bytes(), *b"abcdefghijklmnopqrstuvwxyzab");
        assert!(Data::read(&json!("\u{100}")).is_err());
    }

    #[test]
    fn control_messages_are_read() {
        let list = json!([["SCM_RIGHTS", {"rep": ["a", 2]}], ["SCM_CREDENTIALS", ["PID", 0, 0]], [[1, 99], "00ff"]]);
        let a = || HandleRef::Name("a".into());
        let read = Control::read_list(&list).unwrap();
        assert_eq!(read, [Control::Rights(vec![a(), a()]), Control::Credentials(None, 0, 0), Control::Raw(1, 99, vec![0, 255])]);
        assert!(Control::read_list(&json!([["SCM_SECURITY", "00"]])).is_err());
    }
}
