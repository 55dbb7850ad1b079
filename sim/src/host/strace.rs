//! A system call as `strace(1)` writes it: its name, what it was given, and, once it has returned, what it gave.
//!
//! Numbers that have names are written by them, addresses as people write them, data as a string that is cut off. Nothing here is on the way of
//! a call that nobody watches.

use super::call::{Call, RecvRef};
use std::fmt::Write as _;
use std::io::{IoSlice, IoSliceMut};
use twinsock::consts::*;
use twinsock::raw::{FD_SETSIZE, FdSet, Name, PollFd, RawFd};
use twinsock::{Result, SocketAddr, consts};

/// Of how many bytes of data a line shows the beginning, as strace does.
const DATA_SHOWN_MAX_BYTES: usize = 32;

/// The arguments of a call, without the parentheses. `result` is what it returned, if it has: what the call wrote through its arguments is shown then.
#[must_use]
pub fn arguments(call: &Call<'_, '_>, result: Option<Result<usize>>) -> String {
    let mut line = Line { text: String::new() };
    line.call(call, result.and_then(Result::ok));
    line.text
}

/// Arguments, as far as they are written.
struct Line {
    text: String,
}

impl Line {
    /// `done` is what the call returned, if it succeeded.
    fn call(&mut self, call: &Call<'_, '_>, done: Option<usize>) {
        match call {
            Call::Socket { domain, kind, protocol } => self.domain(*domain).kind(*kind).protocol(*domain, *protocol),
            Call::Socketpair { domain, kind, protocol, out } => {
                self.domain(*domain).kind(*kind).protocol(*domain, *protocol).pair(done, out)
            }
            Call::Bind { fd, addr } | Call::Connect { fd, addr } => self.number(*fd).addr(addr),
            Call::Listen { fd, backlog } => self.number(*fd).number(*backlog),
            Call::Accept4 { fd, name, flags } => self.number(*fd).name(done, name.as_ref()).flags(*flags, &["SOCK_"]),
            Call::Shutdown { fd, how } => self.number(*fd).one_of(*how, &["SHUT_"]),
            Call::Getsockname { fd, name } | Call::Getpeername { fd, name } => self.number(*fd).name(done, Some(name)),
            Call::Getsockopt { fd, level, name, value, len } => {
                let shown = done.and(usize::try_from(**len).ok()).unwrap_or(0).min(value.len());
                self.number(*fd).level(*level).option(*level, *name).value(&value[..shown])
            }
            Call::Setsockopt { fd, level, name, value } => self.number(*fd).level(*level).option(*level, *name).value(value),
            Call::Sendto { fd, data, flags, addr } => {
                self.number(*fd).data(data).number(data.len()).flags(*flags, &["MSG_"]);
                self.if_some(*addr, Line::addr)
            }
            Call::Sendmsg { fd, hdr, flags } => {
                self.number(*fd).iov(hdr.iov).control(hdr.control.len()).flags(*flags, &["MSG_"]);
                self.if_some(hdr.name, Line::addr)
            }
            Call::Recvfrom { fd, into, flags, name } => {
                self.number(*fd).received(done, into).number(into.len()).flags(*flags, &["MSG_"]);
                self.if_some(name.as_ref(), |line, name| line.name(done, Some(name)))
            }
            Call::Recvmsg { fd, hdr, flags } => self.number(*fd).recvmsg(done, hdr).flags(*flags, &["MSG_"]),
            Call::Read { fd, into } => self.number(*fd).received(done, into).number(into.len()),
            Call::Write { fd, data } => self.number(*fd).data(data).number(data.len()),
            Call::Readv { fd, iov } => self.number(*fd).iov_mut(done, iov),
            Call::Writev { fd, iov } => self.number(*fd).iov(iov),
            Call::Fcntl { fd, command, argument } => self.number(*fd).fcntl(*command, *argument),
            Call::Ioctl { fd, request, argument } => self.number(*fd).request(*request).number(**argument),
            Call::Pipe2 { flags, out } => self.pair(done, out).flags(*flags, &["O_"]),
            Call::Dup { fd } | Call::Close { fd } => self.number(*fd),
            Call::Dup3 { fd, new, flags } => self.number(*fd).number(*new).flags(*flags, &["O_"]),
            Call::Poll { fds, timeout } => self.poll_fds(done, fds).number(*timeout),
            Call::Select { nfds, sets, timeout } => self.number(*nfds).sets(sets).timeout(*timeout),
            Call::EpollCreate1 { flags } => self.flags(*flags, &["EPOLL_CLOEXEC"]),
            Call::EpollCtl { epfd, op, fd, event } => {
                self.number(*epfd).one_of(*op, &["EPOLL_CTL_"]).number(*fd);
                self.if_some(*event, |line, event| line.epoll_event(event.events, event.data))
            }
            Call::EpollWait { epfd, events, timeout } => {
                self.number(*epfd).item("[");
                for event in &events[..done.unwrap_or(0).min(events.len())] {
                    self.epoll_event(event.events, event.data);
                }
                self.text.push(']');
                self.number(events.len()).number(*timeout)
            }
        };
    }

    /// Begins another item.
    fn item(&mut self, text: &str) -> &mut Line {
        if !self.text.is_empty() && !self.text.ends_with(['[', '{']) {
            self.text.push_str(", ");
        }
        self.text.push_str(text);
        self
    }

    fn if_some<'a, T>(&'a mut self, value: Option<T>, write: impl FnOnce(&'a mut Line, T) -> &'a mut Line) -> &'a mut Line {
        match value {
            Some(value) => write(self, value),
            None => self,
        }
    }

    fn number(&mut self, number: impl std::fmt::Display) -> &mut Line {
        self.item(&number.to_string())
    }

    /// A constant of one of these families.
    fn one_of(&mut self, value: i32, prefixes: &[&str]) -> &mut Line {
        match name_of(value, prefixes) {
            Some(name) => self.item(name),
            None => self.number(value),
        }
    }

    fn flags(&mut self, flags: i32, prefixes: &[&str]) -> &mut Line {
        let text = bits(flags, prefixes);
        self.item(&text)
    }

    fn domain(&mut self, domain: i32) -> &mut Line {
        self.one_of(domain, &["AF_"])
    }

    fn kind(&mut self, kind: i32) -> &mut Line {
        let flags = kind & (SOCK_NONBLOCK | SOCK_CLOEXEC);
        let mut text = name_of(kind & !flags, &["SOCK_"]).map_or_else(|| (kind & !flags).to_string(), str::to_owned);
        if flags != 0 {
            write!(text, "|{}", bits(flags, &["SOCK_NONBLOCK", "SOCK_CLOEXEC"])).expect("a string takes it");
        }
        self.item(&text)
    }

    fn protocol(&mut self, domain: i32, protocol: i32) -> &mut Line {
        if domain == AF_UNIX { self.number(protocol) } else { self.one_of(protocol, &["IPPROTO_"]) }
    }

    fn level(&mut self, level: i32) -> &mut Line {
        self.one_of(level, &["SOL_"])
    }

    fn option(&mut self, level: i32, option: i32) -> &mut Line {
        let prefix = match level {
            SOL_SOCKET => "SO_",
            SOL_TCP => "TCP_",
            SOL_UDP => "UDP_",
            SOL_IP => "IP_",
            SOL_IPV6 => "IPV6_",
            _ => return self.number(option),
        };
        self.one_of(option, &[prefix])
    }

    /// An option's value: an integer, or bytes.
    fn value(&mut self, value: &[u8]) -> &mut Line {
        match <[u8; 4]>::try_from(value) {
            Ok(integer) => self.number(format_args!("[{}]", i32::from_ne_bytes(integer))),
            Err(_) => self.data(value),
        }
    }

    fn addr(&mut self, bytes: &[u8]) -> &mut Line {
        match SocketAddr::decode(bytes) {
            Ok(addr) => self.number(addr),
            Err(_) => self.data(bytes),
        }
    }

    /// An address that the kernel writes.
    fn name(&mut self, done: Option<usize>, name: Option<&Name<'_>>) -> &mut Line {
        match (done, name) {
            (Some(_), Some(name)) => {
                let len = usize::try_from(*name.len).unwrap_or(0).min(name.bytes.len());
                self.addr(&name.bytes[..len])
            }
            (None, Some(_)) => self.item("..."),
            (Some(_) | None, None) => self.item("NULL"),
        }
    }

    fn pair(&mut self, done: Option<usize>, out: &[RawFd; 2]) -> &mut Line {
        match done {
            Some(_) => self.number(format_args!("[{}, {}]", out[0], out[1])),
            None => self.item("..."),
        }
    }

    fn data(&mut self, data: &[u8]) -> &mut Line {
        let shown = &data[..data.len().min(DATA_SHOWN_MAX_BYTES)];
        let more = if shown.len() < data.len() { "..." } else { "" };
        self.number(format_args!("\"{}\"{more}", shown.escape_ascii()))
    }

    fn received(&mut self, done: Option<usize>, into: &[u8]) -> &mut Line {
        match done {
            Some(count) => self.data(&into[..count.min(into.len())]),
            None => self.item("..."),
        }
    }

    fn iov(&mut self, iov: &[IoSlice<'_>]) -> &mut Line {
        self.item("[");
        for slice in iov {
            self.data(slice);
        }
        self.text.push(']');
        self
    }

    fn iov_mut(&mut self, done: Option<usize>, iov: &[IoSliceMut<'_>]) -> &mut Line {
        self.item("[");
        let mut left = done.unwrap_or(0);
        for slice in iov {
            let count = left.min(slice.len());
            left -= count;
            self.received(done.map(|_| count), slice);
        }
        self.text.push(']');
        self
    }

    fn control(&mut self, bytes: usize) -> &mut Line {
        if bytes == 0 { self } else { self.number(format_args!("control of {bytes} bytes")) }
    }

    fn recvmsg(&mut self, done: Option<usize>, hdr: &RecvRef<'_, '_>) -> &mut Line {
        self.iov_mut(done, hdr.iov);
        if done.is_none() {
            return self;
        }
        if *hdr.name_len > 0 {
            self.addr(&hdr.name[..(*hdr.name_len).min(hdr.name.len())]);
        }
        self.control(*hdr.control_len);
        if *hdr.flags & !MSG_CMSG_CLOEXEC != 0 {
            self.number(format_args!("msg_flags {}", bits(*hdr.flags & !MSG_CMSG_CLOEXEC, &["MSG_"])));
        }
        self
    }

    fn fcntl(&mut self, command: i32, argument: i32) -> &mut Line {
        self.one_of(command, &["F_"]);
        match command {
            F_GETFD | F_GETFL => self,
            F_SETFL => self.flags(argument, &["O_"]),
            _ => self.number(argument),
        }
    }

    fn request(&mut self, request: u64) -> &mut Line {
        match i32::try_from(request).ok().and_then(|request| name_of(request, &["FIO", "SIOC", "TIOC"])) {
            Some(name) => self.item(name),
            None => self.number(format_args!("{request:#x}")),
        }
    }

    fn poll_fds(&mut self, done: Option<usize>, fds: &[PollFd]) -> &mut Line {
        self.item("[");
        for PollFd { fd, events, revents } in fds {
            let answer = if done.is_some() && *revents != 0 {
                format!(" -> {}", bits(i32::from(*revents), &["POLL"]))
            } else {
                String::new()
            };
            self.number(format_args!("{fd}: {}{answer}", bits(i32::from(*events), &["POLL"])));
        }
        self.text.push(']');
        self
    }

    fn sets(&mut self, sets: &[Option<&mut FdSet>; 3]) -> &mut Line {
        for set in sets {
            match set {
                None => self.item("NULL"),
                Some(set) => {
                    self.item("[");
                    let fds = (0..i32::try_from(FD_SETSIZE).expect("a small number")).filter(|fd| set.contains(*fd));
                    fds.fold(&mut *self, |line, fd| line.number(fd));
                    self.text.push(']');
                    &mut *self
                }
            };
        }
        self
    }

    /// In microseconds.
    fn timeout(&mut self, timeout: Option<i64>) -> &mut Line {
        match timeout {
            None => self.item("NULL"),
            Some(micros) => self.number(format_args!("{micros} us")),
        }
    }

    fn epoll_event(&mut self, events: u32, data: u64) -> &mut Line {
        let events = bits(events.cast_signed(), &["EPOLL"]);
        self.number(format_args!("{{{events}, data {data}}}"))
    }
}

/// The first constant of this value whose name begins with one of `prefixes`.
fn name_of(value: i32, prefixes: &[&str]) -> Option<&'static str> {
    let is_family = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    consts::ALL.iter().find(|(name, constant)| *constant == value && is_family(name)).map(|(name, _)| *name)
}

/// The names of the bits that are set, joined with `|`; what has no name is a number, and nothing is `0`.
fn bits(mask: i32, prefixes: &[&str]) -> String {
    let mut text = String::new();
    let mut left = mask;
    for (name, bit) in consts::ALL {
        let is_bit = bit.count_ones() == 1 && left & bit != 0;
        if is_bit && prefixes.iter().any(|prefix| name.starts_with(prefix)) && !name.starts_with("EPOLL_CTL_") {
            left &= !bit;
            let bar = if text.is_empty() { "" } else { "|" };
            write!(text, "{bar}{name}").expect("a string takes it");
        }
    }
    match (left, text.is_empty()) {
        (0, false) => text,
        (left, true) => format!("{left:#x}").replace("0x0", "0"),
        (left, false) => format!("{text}|{left:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reads_as_strace_writes_it() {
        let socket = Call::Socket { domain: AF_INET, kind: SOCK_STREAM | SOCK_CLOEXEC, protocol: IPPROTO_TCP };
        assert_eq!(arguments(&socket, Some(Ok(3))), "AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP");
        let addr = SocketAddr::from("10.0.0.1:80".parse::<std::net::SocketAddr>().unwrap()).encode().unwrap();
        assert_eq!(arguments(&Call::Connect { fd: 3, addr: addr.as_bytes() }, None), "3, 10.0.0.1:80");
        let send = Call::Sendto { fd: 3, data: b"a\n\0", flags: MSG_NOSIGNAL | MSG_DONTWAIT, addr: None };
        assert_eq!(arguments(&send, None), r#"3, "a\n\x00", 3, MSG_DONTWAIT|MSG_NOSIGNAL"#);
        let option = 1_i32.to_ne_bytes();
        let set = Call::Setsockopt { fd: 3, level: SOL_SOCKET, name: SO_REUSEADDR, value: &option };
        assert_eq!(arguments(&set, Some(Ok(0))), "3, SOL_SOCKET, SO_REUSEADDR, [1]");
    }

    #[test]
    fn what_a_call_writes_is_shown_once_it_has_returned() {
        let mut into = *b"hello, world";
        let recv = Call::Recvfrom { fd: 4, into: &mut into, flags: 0, name: None };
        assert_eq!(arguments(&recv, None), "4, ..., 12, 0");
        assert_eq!(arguments(&recv, Some(Ok(5))), r#"4, "hello", 12, 0"#);
        assert_eq!(arguments(&recv, Some(Err(twinsock::Errno::AGAIN))), "4, ..., 12, 0");
        let mut fds = [PollFd { fd: 3, events: 1, revents: 1 }];
        let poll = Call::Poll { fds: &mut fds, timeout: -1 };
        assert_eq!(arguments(&poll, Some(Ok(1))), "[3: POLLIN -> POLLIN], -1");
    }

    #[test]
    fn bits_without_a_name_are_a_number() {
        assert_eq!(bits(0, &["MSG_"]), "0");
        assert_eq!(bits(1 << 30 | 1 << 27 | 1, &["MSG_"]), "MSG_OOB|MSG_CMSG_CLOEXEC|0x8000000");
        assert_eq!(bits(1 << 27, &["MSG_"]), "0x8000000");
    }
}
