//! What a call was given: taken down as values, which become text, as `strace(1)` writes it, when somebody reads them.
//!
//! Whoever knows the call lists its arguments; here is how each kind of argument is kept and how it reads. Numbers that have names are written by
//! them, addresses as people write them, data as a string that is cut off.

use super::bytes::{Reader, put, put_len, put_signed};
use super::recording::Transfer;
use std::fmt::{self, Write as _};
use twinsock::SocketAddr;
use twinsock::consts::{self, SOCK_CLOEXEC, SOCK_NONBLOCK};
use twinsock::raw::RawFd;

/// Of how many bytes of data the beginning is kept, as strace shows it.
pub(super) const DATA_SHOWN_MAX_BYTES: usize = 32;

/// A family of constants: those whose names begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Af,
    Sock,
    SockFlags,
    Ipproto,
    Shut,
    Sol,
    So,
    Tcp,
    Udp,
    Ip,
    Ipv6,
    Msg,
    O,
    F,
    Request,
    Poll,
    Epoll,
    EpollCreate,
    EpollCtl,
}

impl Family {
    const ALL: [Family; 19] = [
        Family::Af,
        Family::Sock,
        Family::SockFlags,
        Family::Ipproto,
        Family::Shut,
        Family::Sol,
        Family::So,
        Family::Tcp,
        Family::Udp,
        Family::Ip,
        Family::Ipv6,
        Family::Msg,
        Family::O,
        Family::F,
        Family::Request,
        Family::Poll,
        Family::Epoll,
        Family::EpollCreate,
        Family::EpollCtl,
    ];

    const fn number(self) -> u8 {
        match self {
            Family::Af => 0,
            Family::Sock => 1,
            Family::SockFlags => 2,
            Family::Ipproto => 3,
            Family::Shut => 4,
            Family::Sol => 5,
            Family::So => 6,
            Family::Tcp => 7,
            Family::Udp => 8,
            Family::Ip => 9,
            Family::Ipv6 => 10,
            Family::Msg => 11,
            Family::O => 12,
            Family::F => 13,
            Family::Request => 14,
            Family::Poll => 15,
            Family::Epoll => 16,
            Family::EpollCreate => 17,
            Family::EpollCtl => 18,
        }
    }

    const fn prefixes(self) -> &'static [&'static str] {
        match self {
            Family::Af => &["AF_"],
            Family::Sock => &["SOCK_"],
            Family::SockFlags => &["SOCK_NONBLOCK", "SOCK_CLOEXEC"],
            Family::Ipproto => &["IPPROTO_"],
            Family::Shut => &["SHUT_"],
            Family::Sol => &["SOL_"],
            Family::So => &["SO_"],
            Family::Tcp => &["TCP_"],
            Family::Udp => &["UDP_"],
            Family::Ip => &["IP_"],
            Family::Ipv6 => &["IPV6_"],
            Family::Msg => &["MSG_"],
            Family::O => &["O_"],
            Family::F => &["F_"],
            Family::Request => &["FIO", "SIOC", "TIOC"],
            Family::Poll => &["POLL"],
            Family::Epoll => &["EPOLL"],
            Family::EpollCreate => &["EPOLL_CLOEXEC"],
            Family::EpollCtl => &["EPOLL_CTL_"],
        }
    }
}

/// What an item is: the byte that it begins with.
mod tag {
    pub const END: u8 = 0;
    pub const NUMBER: u8 = 1;
    pub const DOTS: u8 = 2;
    pub const NULL: u8 = 3;
    pub const OPEN: u8 = 4;
    pub const CLOSE: u8 = 5;
    pub const ONE_OF: u8 = 6;
    pub const FLAGS: u8 = 7;
    pub const KIND: u8 = 8;
    pub const DATA: u8 = 9;
    /// Data that begins as the last packet's did.
    pub const DATA_AGAIN: u8 = 10;
    pub const ADDR: u8 = 11;
    pub const INTEGER: u8 = 12;
    pub const PAIR: u8 = 13;
    pub const CONTROL: u8 = 14;
    pub const MSG_FLAGS: u8 = 15;
    pub const REQUEST: u8 = 16;
    pub const POLL_FD: u8 = 17;
    pub const POLL_FD_ANSWERED: u8 = 18;
    pub const MICROS: u8 = 19;
    pub const EPOLL_EVENT: u8 = 20;
}

/// The arguments of a call in the making, in their order.
#[derive(Debug)]
pub struct Arguments<'a> {
    bytes: &'a mut Vec<u8>,
    /// How the data of the last packet began.
    echo: &'a [u8; DATA_SHOWN_MAX_BYTES],
}

impl<'a> Arguments<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>, echo: &'a [u8; DATA_SHOWN_MAX_BYTES]) -> Arguments<'a> {
        Arguments { bytes, echo }
    }

    /// What `list` lists, as it reads.
    #[cfg(feature = "tracing")]
    pub(super) fn text(list: impl FnOnce(&mut Arguments<'_>)) -> String {
        let (mut bytes, echo) = (Vec::new(), [0; DATA_SHOWN_MAX_BYTES]);
        let mut arguments = Arguments::new(&mut bytes, &echo);
        list(&mut arguments);
        arguments.end();
        Text::read(&mut Reader::new(&bytes), &echo)
    }

    /// That is all.
    pub(super) fn end(self) {
        self.bytes.push(tag::END);
    }

    fn tagged(&mut self, tag: u8, number: i64) -> &mut Self {
        self.bytes.push(tag);
        put_signed(self.bytes, number);
        self
    }

    /// A number.
    #[inline]
    pub fn number(&mut self, number: impl Into<i64>) -> &mut Self {
        self.tagged(tag::NUMBER, number.into())
    }

    /// A count of bytes or of items.
    pub fn count(&mut self, count: usize) -> &mut Self {
        self.tagged(tag::NUMBER, i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Something that is not known yet.
    pub fn dots(&mut self) -> &mut Self {
        self.bytes.push(tag::DOTS);
        self
    }

    /// A null pointer.
    pub fn null(&mut self) -> &mut Self {
        self.bytes.push(tag::NULL);
        self
    }

    /// A list begins.
    pub fn open(&mut self) -> &mut Self {
        self.bytes.push(tag::OPEN);
        self
    }

    /// It ends.
    pub fn close(&mut self) -> &mut Self {
        self.bytes.push(tag::CLOSE);
        self
    }

    /// A constant of a family.
    pub fn one_of(&mut self, value: i32, family: Family) -> &mut Self {
        self.bytes.extend_from_slice(&[tag::ONE_OF, family.number()]);
        put_signed(self.bytes, i64::from(value));
        self
    }

    /// Constants of a family, a bit each.
    pub fn flags(&mut self, flags: i32, family: Family) -> &mut Self {
        self.bytes.extend_from_slice(&[tag::FLAGS, family.number()]);
        put_signed(self.bytes, i64::from(flags));
        self
    }

    /// The type of a socket, with the flags that may go with it.
    pub fn kind(&mut self, kind: i32) -> &mut Self {
        self.tagged(tag::KIND, i64::from(kind))
    }

    /// Data: its beginning is shown.
    pub fn data(&mut self, data: &[u8]) -> &mut Self {
        let shown = data.first_chunk::<DATA_SHOWN_MAX_BYTES>();
        let again = shown == Some(self.echo);
        self.bytes.push(if again { tag::DATA_AGAIN } else { tag::DATA });
        put_len(self.bytes, data.len());
        if !again {
            self.bytes.extend_from_slice(shown.map_or(data, |shown| shown));
        }
        self
    }

    /// Those of `sendto(2)` or `recvfrom(2)` on this descriptor.
    pub fn transfer(&mut self, fd: RawFd, transfer: &Transfer<'_>) {
        let Transfer { data, room, flags, name } = *transfer;
        self.number(fd).data(data).count(room).flags(flags, Family::Msg);
        if let Some(name) = name {
            self.addr(name);
        }
    }

    /// Those of a `recvfrom(2)` of up to `room` bytes that waits; it asks for a name as well, or not.
    pub fn awaited(&mut self, fd: RawFd, room: usize, flags: i32, is_named: bool) {
        self.number(fd).dots().count(room).flags(flags, Family::Msg);
        if is_named {
            self.dots();
        }
    }

    /// An address.
    pub fn addr(&mut self, addr: &[u8]) -> &mut Self {
        self.bytes.push(tag::ADDR);
        put_len(self.bytes, addr.len());
        self.bytes.extend_from_slice(addr);
        self
    }

    /// An option's value: an integer, or bytes.
    pub fn value(&mut self, value: &[u8]) -> &mut Self {
        match <[u8; 4]>::try_from(value) {
            Ok(integer) => self.tagged(tag::INTEGER, i64::from(i32::from_ne_bytes(integer))),
            Err(_) => self.data(value),
        }
    }

    /// Two descriptors.
    pub fn pair(&mut self, [one, other]: [RawFd; 2]) -> &mut Self {
        self.tagged(tag::PAIR, i64::from(one));
        put_signed(self.bytes, i64::from(other));
        self
    }

    /// So many bytes of ancillary data, if any.
    pub fn control(&mut self, bytes: usize) -> &mut Self {
        if bytes > 0 {
            self.bytes.push(tag::CONTROL);
            put_len(self.bytes, bytes);
        }
        self
    }

    /// The flags with which a message came.
    pub fn msg_flags(&mut self, flags: i32) -> &mut Self {
        self.tagged(tag::MSG_FLAGS, i64::from(flags))
    }

    /// What is asked of `ioctl(2)`.
    pub fn request(&mut self, request: u64) -> &mut Self {
        self.bytes.push(tag::REQUEST);
        put(self.bytes, request);
        self
    }

    /// An entry of `poll(2)`, with the answer if there is one.
    pub fn poll_fd(&mut self, fd: RawFd, events: i16, answer: Option<i16>) -> &mut Self {
        self.tagged(if answer.is_some() { tag::POLL_FD_ANSWERED } else { tag::POLL_FD }, i64::from(fd));
        put_signed(self.bytes, i64::from(events));
        if let Some(answer) = answer {
            put_signed(self.bytes, i64::from(answer));
        }
        self
    }

    /// Microseconds.
    pub fn micros(&mut self, micros: i64) -> &mut Self {
        self.tagged(tag::MICROS, micros)
    }

    /// An event of `epoll(7)`.
    pub fn epoll_event(&mut self, events: u32, data: u64) -> &mut Self {
        self.tagged(tag::EPOLL_EVENT, i64::from(events.cast_signed()));
        put(self.bytes, data);
        self
    }
}

/// Arguments as they read, without the parentheses.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    /// A list begins: its first item follows no other.
    begins: bool,
}

impl Text {
    /// The arguments that follow, up to their end; `echo` is the data of the last packet before them.
    pub(super) fn read(reader: &mut Reader<'_>, echo: &[u8; DATA_SHOWN_MAX_BYTES]) -> String {
        let mut text = Text::default();
        loop {
            let tag = reader.byte();
            if tag == tag::END {
                return text.text;
            }
            text.read_item(tag, reader, echo);
        }
    }

    fn read_item(&mut self, tag: u8, reader: &mut Reader<'_>, echo: &[u8; DATA_SHOWN_MAX_BYTES]) {
        match tag {
            tag::NUMBER => self.show(reader.signed()),
            tag::DOTS => self.item("..."),
            tag::NULL => self.item("NULL"),
            tag::OPEN => {
                self.item("[");
                self.begins = true;
            }
            tag::CLOSE => {
                self.begins = false;
                self.text.push(']');
            }
            tag::ONE_OF => {
                let family = family(reader);
                self.one_of(reader.signed_small(), family);
            }
            tag::FLAGS => {
                let family = family(reader);
                self.flags(reader.signed_small(), family);
            }
            tag::KIND => self.kind(reader.signed_small()),
            tag::DATA => {
                let of = reader.len();
                self.data(reader.take(of.min(DATA_SHOWN_MAX_BYTES)), of);
            }
            tag::DATA_AGAIN => self.data(echo, reader.len()),
            tag::ADDR => {
                let len = reader.len();
                self.addr(reader.take(len));
            }
            tag::INTEGER => self.show(format_args!("[{}]", reader.signed())),
            tag::PAIR => self.show(format_args!("[{}, {}]", reader.signed(), reader.signed())),
            tag::CONTROL => self.show(format_args!("control of {} bytes", reader.number())),
            tag::MSG_FLAGS => self.show(format_args!("msg_flags {}", bits(reader.signed_small(), Family::Msg))),
            tag::REQUEST => self.request(reader.number()),
            tag::POLL_FD => self.show(format_args!("{}: {}", reader.signed(), bits(reader.signed_small(), Family::Poll))),
            tag::POLL_FD_ANSWERED => {
                let (fd, events) = (reader.signed(), bits(reader.signed_small(), Family::Poll));
                self.show(format_args!("{fd}: {events} -> {}", bits(reader.signed_small(), Family::Poll)));
            }
            tag::MICROS => self.show(format_args!("{} us", reader.signed())),
            tag::EPOLL_EVENT => {
                let events = bits(reader.signed_small(), Family::Epoll);
                self.show(format_args!("{{{events}, data {}}}", reader.number()));
            }
            _ => unreachable!("an item begins with its tag"),
        }
    }

    /// What [`Arguments::transfer`] lists, of data that is `of` bytes long.
    pub(super) fn transfer(fd: RawFd, transfer: &Transfer<'_>, of: usize) -> String {
        let Transfer { data, room, flags, name } = *transfer;
        let mut text = Text::default();
        text.show(fd);
        text.data(data, of);
        text.show(room);
        text.flags(flags, Family::Msg);
        if let Some(name) = name {
            text.addr(name);
        }
        text.text
    }

    /// What [`Arguments::awaited`] lists.
    pub(super) fn awaited(fd: RawFd, room: usize, flags: i32, is_named: bool) -> String {
        let mut text = Text::default();
        text.show(fd);
        text.item("...");
        text.show(room);
        text.flags(flags, Family::Msg);
        if is_named {
            text.item("...");
        }
        text.text
    }

    /// Begins another item.
    fn item(&mut self, text: &str) {
        if !self.text.is_empty() && !self.begins {
            self.text.push_str(", ");
        }
        self.begins = false;
        self.text.push_str(text);
    }

    fn show(&mut self, value: impl fmt::Display) {
        self.item("");
        write!(self.text, "{value}").expect("a string takes it");
    }

    fn one_of(&mut self, value: i32, family: Family) {
        match name_of(value, family) {
            Some(name) => self.item(name),
            None => self.show(value),
        }
    }

    fn flags(&mut self, flags: i32, family: Family) {
        self.show(bits(flags, family));
    }

    fn kind(&mut self, kind: i32) {
        let flags = kind & (SOCK_NONBLOCK | SOCK_CLOEXEC);
        self.one_of(kind & !flags, Family::Sock);
        if flags != 0 {
            self.text.push('|');
            self.text.push_str(&bits(flags, Family::SockFlags));
        }
    }

    fn addr(&mut self, addr: &[u8]) {
        match SocketAddr::decode(addr) {
            Ok(addr) => self.show(addr),
            Err(_) => self.data(&addr[..addr.len().min(DATA_SHOWN_MAX_BYTES)], addr.len()),
        }
    }

    fn data(&mut self, shown: &[u8], of: usize) {
        let more = if shown.len() < of { "..." } else { "" };
        self.show(format_args!("\"{}\"{more}", shown.escape_ascii()));
    }

    fn request(&mut self, request: u64) {
        match i32::try_from(request).ok().and_then(|request| name_of(request, Family::Request)) {
            Some(name) => self.item(name),
            None => self.show(format_args!("{request:#x}")),
        }
    }
}

fn family(reader: &mut Reader<'_>) -> Family {
    Family::ALL[usize::from(reader.byte())]
}

/// The first constant of a family that has this value.
fn name_of(value: i32, family: Family) -> Option<&'static str> {
    let is_family = |name: &str| family.prefixes().iter().any(|prefix| name.starts_with(prefix));
    consts::ALL.iter().find(|(name, constant)| *constant == value && is_family(name)).map(|(name, _)| *name)
}

/// The names of the bits that are set, joined with `|`; what has no name is a number, and nothing is `0`.
fn bits(mask: i32, family: Family) -> String {
    let mut text = String::new();
    let mut left = mask;
    for (name, bit) in consts::ALL {
        let is_bit = bit.count_ones() == 1 && left & bit != 0;
        if is_bit && family.prefixes().iter().any(|prefix| name.starts_with(prefix)) && !name.starts_with("EPOLL_CTL_") {
            left &= !bit;
            let bar = if text.is_empty() { "" } else { "|" };
            write!(text, "{bar}{name}").expect("a string takes it");
        }
    }
    match (left, text.is_empty()) {
        (0, false) => text,
        (0, true) => "0".to_owned(),
        (left, true) => format!("{left:#x}"),
        (left, false) => format!("{text}|{left:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_without_a_name_are_a_number() {
        assert_eq!(bits(0, Family::Msg), "0");
        assert_eq!(bits(1 << 30 | 1 << 27 | 1, Family::Msg), "MSG_OOB|MSG_CMSG_CLOEXEC|0x8000000");
        assert_eq!(bits(1 << 27, Family::Msg), "0x8000000");
    }

    #[test]
    fn families_have_their_numbers() {
        assert!(Family::ALL.iter().enumerate().all(|(index, family)| usize::from(family.number()) == index));
    }

    #[test]
    fn items_of_a_list_stand_apart() {
        let mut bytes = Vec::new();
        let mut arguments = Arguments::new(&mut bytes, &[0; DATA_SHOWN_MAX_BYTES]);
        arguments.open().number(1).number(-2).close().dots().open().close().null().pair([3, 4]).micros(5).value(b"longer");
        arguments.end();
        let text = Text::read(&mut Reader::new(&bytes), &[0; DATA_SHOWN_MAX_BYTES]);
        assert_eq!(text, r#"[1, -2], ..., [], NULL, [3, 4], 5 us, "longer""#);
    }

    #[test]
    fn a_name_that_ends_like_a_beginning_is_followed_by_a_comma() {
        let mut bytes = Vec::new();
        let mut arguments = Arguments::new(&mut bytes, &[0; DATA_SHOWN_MAX_BYTES]);
        let path = SocketAddr::Unix(twinsock::UnixAddr::Path("/tmp/\n[".into()));
        arguments.addr(path.encode().unwrap().as_bytes()).number(5);
        arguments.end();
        assert_eq!(Text::read(&mut Reader::new(&bytes), &[0; DATA_SHOWN_MAX_BYTES]), r"unix:/tmp/\n[, 5");
    }

    #[test]
    fn data_of_the_last_packet_is_kept_once() {
        let (data, echo) = ([b'a'; 40], [b'a'; DATA_SHOWN_MAX_BYTES]);
        let mut bytes = Vec::new();
        let mut arguments = Arguments::new(&mut bytes, &echo);
        arguments.data(&data).data(b"ab");
        arguments.end();
        assert_eq!(bytes.len(), 2 + 2 + 2 + 1);
        let text = Text::read(&mut Reader::new(&bytes), &echo);
        assert_eq!(text, format!(r#""{}"..., "ab""#, "a".repeat(32)));
    }
}
