//! The operations of a case, typed, and how one is read from its JSON array.

use super::args::Args;
use super::names;
use super::value::{Addr, Control, Data, HandleRef, Read, expected, latin1, read_hex, small};
use serde_json::Value;
use twinsock::consts::*;

/// How much room `recvmsg` has for control messages, unless the case says otherwise: more than 253 descriptors need.
const CONTROL_BYTES: usize = 4096;
/// How long `join` waits, unless the case says otherwise.
const JOIN_MS: u64 = 1500;
/// How many events `epoll_wait` asks for, unless the case says otherwise.
const EPOLL_EVENTS: usize = 16;

/// One step of a case. Handles in the place of a `String` are given by the operation, the others are used by it.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    Socket {
        new: String,
        family: i32,
        kind: i32,
        protocol: i32,
    },
    Socketpair {
        new: [String; 2],
        family: i32,
        kind: i32,
    },
    Pipe {
        new: [String; 2],
    },
    OpenFile {
        new: String,
        path: Addr,
    },
    Bind {
        h: HandleRef,
        addr: Addr,
    },
    Listen {
        h: HandleRef,
        backlog: i32,
    },
    Connect {
        h: HandleRef,
        addr: Addr,
    },
    Accept {
        new: String,
        h: HandleRef,
        flags: i32,
    },
    Send {
        h: HandleRef,
        data: Data,
        flags: i32,
    },
    Write {
        h: HandleRef,
        data: Data,
    },
    Sendto {
        h: HandleRef,
        data: Data,
        addr: Option<Addr>,
        flags: i32,
    },
    Sendmsg {
        h: HandleRef,
        iov: Vec<Data>,
        addr: Option<Addr>,
        flags: i32,
        control: Vec<Control>,
    },
    Recv {
        h: HandleRef,
        n: usize,
        flags: i32,
    },
    Read {
        h: HandleRef,
        n: usize,
    },
    Recvfrom {
        h: HandleRef,
        n: usize,
        flags: i32,
        addrlen: Option<usize>,
    },
    /// `listed`: the case gave a list of sizes, so the data is answered as a list.
    Recvmsg {
        h: HandleRef,
        sizes: Vec<usize>,
        listed: bool,
        flags: i32,
        control: usize,
    },
    Shutdown {
        h: HandleRef,
        how: i32,
    },
    Close {
        h: HandleRef,
    },
    Dup {
        new: String,
        h: HandleRef,
    },
    Getsockname {
        h: HandleRef,
        len: Option<i32>,
    },
    Getpeername {
        h: HandleRef,
        len: Option<i32>,
    },
    Getsockopt {
        h: HandleRef,
        option: OptionName,
        len: Option<i32>,
    },
    Setsockopt {
        h: HandleRef,
        option: OptionName,
        value: Vec<u8>,
    },
    Nonblock {
        h: HandleRef,
        on: bool,
    },
    Getfl {
        h: HandleRef,
    },
    Getfd {
        h: HandleRef,
    },
    Ioctl {
        h: HandleRef,
        request: i32,
        argument: i32,
    },
    /// `single`: one handle, so only its events are answered.
    Poll {
        entries: Vec<(HandleRef, i32)>,
        single: bool,
        timeout: i32,
    },
    Select {
        sets: [Vec<HandleRef>; 3],
        timeout: i32,
    },
    EpollCreate {
        new: String,
    },
    EpollCtl {
        e: HandleRef,
        op: i32,
        h: HandleRef,
        events: i32,
    },
    EpollWait {
        e: HandleRef,
        max: usize,
        timeout: i32,
    },
    Spawn {
        thread: String,
        op: Box<Op>,
    },
    Join {
        thread: String,
        ms: u64,
    },
    Interrupt {
        thread: String,
        restart: bool,
    },
    Timed {
        lo: u64,
        hi: u64,
        op: Box<Op>,
    },
    Sleep {
        ms: u64,
    },
    Fill {
        h: HandleRef,
        chunk: usize,
        patient: bool,
    },
    Drain {
        h: HandleRef,
        what: Drain,
    },
    DrainUntil {
        h: HandleRef,
        of: String,
    },
    ConnectN {
        prefix: String,
        family: i32,
        addr: Addr,
        n: usize,
        kind: i32,
    },
    AcceptN {
        prefix: String,
        h: HandleRef,
    },
    Bind0Many {
        kind: i32,
        n: usize,
        host: Addr,
    },
    ConnectParity {
        l: Addr,
        n: usize,
    },
    BindParity {
        kind: i32,
        n: usize,
    },
    SamePort {
        a: String,
        b: String,
    },
    Eq {
        a: Addr,
        b: Addr,
    },
    Nofile {
        n: usize,
    },
    Sysctl {
        name: String,
        value: String,
    },
    Seteuid {
        uid: u32,
    },
    File {
        path: Addr,
        act: FileAct,
    },
}

/// What `drain` and its kin answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Bytes, calls and the errno at the end.
    Counted,
    /// Nothing.
    Discarded,
    /// The number of datagrams.
    Datagrams,
}

/// What is done to the file name space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAct {
    Unlink,
    Exists,
    Mkfile,
    Mkdir,
    Chmod(u32),
}

/// A socket option and how its value is written in a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionName {
    /// The level's number.
    pub level: i32,
    /// The option's number.
    pub name: i32,
    /// How its value is written.
    pub shape: Shape,
}

/// How an option's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An int; other lengths as bytes.
    Int,
    /// SO_ERROR: 0 or an errno's name.
    Errno,
    /// SO_LINGER: two ints.
    Linger,
    /// SO_RCVTIMEO, SO_SNDTIMEO: seconds and microseconds.
    Timeval,
    /// SO_PEERCRED: pid, uid, gid.
    Credentials,
    /// TCP_INFO: the name of the state.
    TcpInfo,
    /// SO_BINDTODEVICE, TCP_CONGESTION: text and its length.
    Text,
}

impl Op {
    /// Reads an operation from its JSON array.
    ///
    /// # Errors
    /// A sentence that names the operation and, where there is one, the argument, and says what was expected.
    pub fn read(value: &Value) -> Read<Op> {
        let list = value.as_array().filter(|list| !list.is_empty());
        let Some((name, rest)) = list.and_then(|list| list.split_first()) else {
            return expected("an operation: a non-empty array", value);
        };
        let Some(name) = name.as_str() else { return expected("the name of an operation", name) };
        let mut args = Args::new(name, rest);
        let op = read_named(&mut args)?;
        args.end()?;
        Ok(op)
    }
}

fn read_named(args: &mut Args<'_>) -> Read<Op> {
    match args.op() {
        "socket" | "socketpair" | "pipe" | "openfile" | "dup" | "epoll_create" => read_opening(args),
        "bind" | "listen" | "connect" | "accept" | "shutdown" | "close" | "getsockname" | "getpeername" | "nonblock"
        | "getfl" | "getfd" | "ioctl" => read_plain(args),
        "send" | "write" | "sendto" | "sendmsg" | "recv" | "read" | "recvfrom" | "recvmsg" => read_data(args),
        "getsockopt" | "setsockopt" => read_option(args),
        "poll" | "select" | "epoll_ctl" | "epoll_wait" => read_poll(args),
        "spawn" | "join" | "interrupt" | "timed" | "sleep" => read_control(args),
        "fill" | "fillup" | "drain" | "discard" | "drain_until" | "count_dgrams" | "connect_n" | "accept_n" | "bind0_many"
        | "connect_parity" | "bind_parity" | "same_port" | "eq" => read_bulk(args),
        "nofile" | "sysctl" | "seteuid" | "unlink" | "exists" | "mkfile" | "mkdir" | "chmod" => read_environment(args),
        unknown => Err(format!("unknown operation `{unknown}`")),
    }
}

fn family(args: &mut Args<'_>) -> Read<i32> {
    args.named("a family: inet, inet6, unix, unspec or a number", |name| match name {
        "inet" => Some(AF_INET),
        "inet6" => Some(AF_INET6),
        "unix" => Some(AF_UNIX),
        "unspec" => Some(AF_UNSPEC),
        _ => None,
    })
}

fn kind(args: &mut Args<'_>) -> Read<i32> {
    args.named("a type: stream, dgram, seqpacket, raw, rdm or a number", |name| match name {
        "stream" => Some(SOCK_STREAM),
        "dgram" => Some(SOCK_DGRAM),
        "seqpacket" => Some(SOCK_SEQPACKET),
        "raw" => Some(SOCK_RAW),
        "rdm" => Some(SOCK_RDM),
        _ => None,
    })
}

fn read_opening(args: &mut Args<'_>) -> Read<Op> {
    Ok(match args.op() {
        "socket" => {
            let (new, family, kind) = (args.name()?, family(args)?, kind(args)?);
            let (protocol, flags) = (args.int_or(0)?, args.flags("SOCK_")?);
            Op::Socket { new, family, kind: kind | flags, protocol }
        }
        "socketpair" => {
            let new = [args.name()?, args.name()?];
            let family = if args.has_more() { family(args)? } else { AF_UNIX };
            let kind = if args.has_more() { kind(args)? } else { SOCK_STREAM };
            Op::Socketpair { new, family, kind: kind | args.flags("SOCK_")? }
        }
        "pipe" => Op::Pipe { new: [args.name()?, args.name()?] },
        "openfile" => Op::OpenFile { new: args.name()?, path: args.read(Addr::read)? },
        "dup" => Op::Dup { new: args.name()?, h: args.handle()? },
        _ => Op::EpollCreate { new: args.name()? },
    })
}

fn read_plain(args: &mut Args<'_>) -> Read<Op> {
    Ok(match args.op() {
        "bind" => Op::Bind { h: args.handle()?, addr: args.read(Addr::read)? },
        "listen" => Op::Listen { h: args.handle()?, backlog: args.int()? },
        "connect" => Op::Connect { h: args.handle()?, addr: args.read(Addr::read)? },
        "accept" => Op::Accept { new: args.name()?, h: args.handle()?, flags: args.flags("SOCK_")? },
        "shutdown" => {
            let h = args.handle()?;
            let how = args.named("RD, WR, RDWR or a number", |name| match name {
                "RD" => Some(SHUT_RD),
                "WR" => Some(SHUT_WR),
                "RDWR" => Some(SHUT_RDWR),
                _ => None,
            })?;
            Op::Shutdown { h, how }
        }
        "close" => Op::Close { h: args.handle()? },
        "getsockname" => Op::Getsockname { h: args.handle()?, len: args.int_if()? },
        "getpeername" => Op::Getpeername { h: args.handle()?, len: args.int_if()? },
        "nonblock" => Op::Nonblock { h: args.handle()?, on: args.bool_or(true)? },
        "getfl" => Op::Getfl { h: args.handle()? },
        "getfd" => Op::Getfd { h: args.handle()? },
        _ => {
            let h = args.handle()?;
            let (request, argument) = args.read(|value| match value.as_str() {
                Some("FIONREAD") => Ok((FIONREAD, 0)),
                Some("TIOCOUTQ") => Ok((TIOCOUTQ, 0)),
                Some("SIOCATMARK") => Ok((SIOCATMARK, 0)),
                Some("FIONBIO0") => Ok((FIONBIO, 0)),
                Some("FIONBIO1") => Ok((FIONBIO, 1)),
                Some(_) | None => expected("FIONREAD, TIOCOUTQ, SIOCATMARK, FIONBIO1 or FIONBIO0", value),
            })?;
            Op::Ioctl { h, request, argument }
        }
    })
}

fn optional_addr(value: &Value) -> Read<Option<Addr>> {
    if value.is_null() { Ok(None) } else { Addr::read(value).map(Some) }
}

fn read_data(args: &mut Args<'_>) -> Read<Op> {
    let op = args.op();
    let h = args.handle()?;
    Ok(match op {
        "send" => Op::Send { h, data: args.read(Data::read)?, flags: args.flags("MSG_")? },
        "write" => Op::Write { h, data: args.read(Data::read)? },
        "sendto" => Op::Sendto { h, data: args.read(Data::read)?, addr: args.read(optional_addr)?, flags: args.flags("MSG_")? },
        "sendmsg" => {
            let iov = args.read(|value| match value.as_array() {
                Some(list) => list.iter().map(Data::read).collect(),
                None => read_repeated(value),
            })?;
            let addr = if args.has_more() { args.read(optional_addr)? } else { None };
            let flags = args.flags("MSG_")?;
            let control = if args.has_more() { args.read(Control::read_list)? } else { Vec::new() };
            Op::Sendmsg { h, iov, addr, flags, control }
        }
        "recv" => Op::Recv { h, n: args.size()?, flags: args.flags("MSG_")? },
        "read" => Op::Read { h, n: args.size()? },
        "recvfrom" => Op::Recvfrom { h, n: args.size()?, flags: args.flags("MSG_")?, addrlen: args.size_if()? },
        _ => read_recvmsg(h, args)?,
    })
}

/// `{"rep": [x, n]}`: n times x.
fn read_repeated(value: &Value) -> Read<Vec<Data>> {
    let pair = value.get("rep").and_then(Value::as_array).map(Vec::as_slice);
    match pair {
        Some([data, count]) => match count.as_u64().and_then(|n| usize::try_from(n).ok()) {
            Some(count) => Ok(vec![Data::read(data)?; count]),
            None => expected("a count", count),
        },
        Some(_) | None => expected("a list of data", value),
    }
}

fn read_recvmsg(h: HandleRef, args: &mut Args<'_>) -> Read<Op> {
    let size = |value: &Value| match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
        Some(size) => Ok(size),
        None => expected("a size", value),
    };
    let (mut sizes, mut listed) = args.read(|value| match value.as_array() {
        Some(list) => Ok((list.iter().map(size).collect::<Read<Vec<usize>>>()?, true)),
        None => Ok((vec![size(value)?], false)),
    })?;
    let flags = args.flags("MSG_")?;
    let control = args.size_if()?.unwrap_or(CONTROL_BYTES);
    if let Some(count) = args.size_if()? {
        // As many buffers as this, the last size repeated.
        let last = sizes.last().copied().unwrap_or(0);
        listed |= count != sizes.len();
        sizes.resize(count, last);
    }
    Ok(Op::Recvmsg { h, sizes, listed, flags, control })
}

fn read_option(args: &mut Args<'_>) -> Read<Op> {
    let getting = args.op() == "getsockopt";
    let h = args.handle()?;
    let level = args.named("a level such as SOL_SOCKET", |name| match name {
        "SOL_UNKNOWN" => Some(names::UNKNOWN),
        known => names::constant(known, &["SOL_", "IPPROTO_"]),
    })?;
    let (name, shape) = args.read(|value| match value.as_str() {
        Some(text) if text == "X" || text.ends_with("_UNKNOWN") => Ok((names::UNKNOWN, Shape::Int)),
        Some(text) => match names::constant(text, &["SO_", "TCP_", "IP_", "IPV6_", "UDP_"]) {
            Some(number) => Ok((number, shape_of(text))),
            None => Err(format!("unknown option `{text}`")),
        },
        None => small(value).map_or_else(|| expected("an option", value), |number| Ok((number, Shape::Int))),
    })?;
    let option = OptionName { level, name, shape };
    if getting {
        return Ok(Op::Getsockopt { h, option, len: args.int_if()? });
    }
    let mut value = args.read(read_option_value)?;
    if let Some(len) = args.size_if()? {
        value.resize(len, 0);
    }
    Ok(Op::Setsockopt { h, option, value })
}

fn shape_of(option: &str) -> Shape {
    match option {
        "SO_ERROR" => Shape::Errno,
        "SO_LINGER" => Shape::Linger,
        "SO_RCVTIMEO" | "SO_SNDTIMEO" => Shape::Timeval,
        "SO_PEERCRED" => Shape::Credentials,
        "TCP_INFO" => Shape::TcpInfo,
        "SO_BINDTODEVICE" | "TCP_CONGESTION" | "TCP_ULP" => Shape::Text,
        _ => Shape::Int,
    }
}

fn read_option_value(value: &Value) -> Read<Vec<u8>> {
    const WHAT: &str = "an option's value: int, string, hex, linger, timeval, mreq or u64";
    if let Some(number) = value.as_i64() {
        // An int's 32 bits, whether the case writes them with a sign or without.
        let bits = i32::try_from(number).or_else(|_| u32::try_from(number).map(u32::cast_signed));
        return bits.map_or_else(|_| expected("a 32-bit int", value), |bits| Ok(bits.to_ne_bytes().to_vec()));
    }
    if let Some(text) = value.as_str() {
        return latin1(text).map_or_else(|| expected(WHAT, value), Ok);
    }
    let Some((form, inner)) = value.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next()) else {
        return expected(WHAT, value);
    };
    let pair = inner.as_array().and_then(|pair| Some((pair.first()?, pair.get(1)?)));
    let ints = pair.and_then(|(a, b)| Some((a.as_i64()?, b.as_i64()?)));
    let bytes = match (form.as_str(), pair, ints) {
        ("hex", _, _) => inner.as_str().and_then(read_hex),
        ("u64", _, _) => inner.as_u64().map(|number| number.to_ne_bytes().to_vec()),
        ("linger", _, Some((on, seconds))) => {
            i32::try_from(on).ok().zip(i32::try_from(seconds).ok()).map(|(a, b)| two(a.to_ne_bytes(), b.to_ne_bytes()))
        }
        ("timeval", _, Some((seconds, micros))) => Some(two(seconds.to_ne_bytes(), micros.to_ne_bytes())),
        ("mreq", Some((group, interface)), _) => read_mreq(group, interface),
        _ => None,
    };
    bytes.map_or_else(|| expected(WHAT, value), Ok)
}

fn two<const N: usize>(a: [u8; N], b: [u8; N]) -> Vec<u8> {
    [a, b].concat()
}

/// `struct ip_mreq` or `struct ipv6_mreq`.
fn read_mreq(group: &Value, interface: &Value) -> Option<Vec<u8>> {
    match group.as_str()?.parse().ok()? {
        std::net::IpAddr::V4(group) => {
            let interface: std::net::Ipv4Addr = interface.as_str()?.parse().ok()?;
            Some(two(group.octets(), interface.octets()))
        }
        std::net::IpAddr::V6(group) => {
            let mut bytes = group.octets().to_vec();
            bytes.extend(u32::try_from(interface.as_u64()?).ok()?.to_ne_bytes());
            Some(bytes)
        }
    }
}

fn events(value: &Value, prefix: &str) -> Read<i32> {
    if let Some(number) = small(value) {
        return Ok(number);
    }
    match value.as_str() {
        Some("ALL") => Ok(names::POLL_ALL),
        Some(text) => names::mask(text, prefix).map_err(|part| format!("unknown event `{part}`")),
        None => expected("events", value),
    }
}

fn read_poll(args: &mut Args<'_>) -> Read<Op> {
    Ok(match args.op() {
        "poll" => {
            let (mut entries, single) = args.read(read_poll_set)?;
            if args.has_more() {
                let mask = args.read(|value| events(value, "POLL"))?;
                if single {
                    entries[0].1 = mask;
                }
            }
            Op::Poll { entries, single, timeout: args.int_or(0)? }
        }
        "select" => {
            let set = |value: &Value| match value.as_array() {
                Some(list) => list.iter().map(HandleRef::read).collect(),
                None => expected("a list of handles", value),
            };
            Op::Select { sets: [args.read(set)?, args.read(set)?, args.read(set)?], timeout: args.int_or(0)? }
        }
        "epoll_ctl" => {
            let e = args.handle()?;
            let op = args.named("ADD, MOD, DEL or a number", |name| match name {
                "ADD" => Some(EPOLL_CTL_ADD),
                "MOD" => Some(EPOLL_CTL_MOD),
                "DEL" => Some(EPOLL_CTL_DEL),
                _ => None,
            })?;
            let h = args.handle()?;
            let events = if args.has_more() { args.read(|value| events(value, "EPOLL"))? } else { 0 };
            Op::EpollCtl { e, op, h, events }
        }
        _ => {
            let e = args.handle()?;
            let max = args.int_if()?.map_or(EPOLL_EVENTS, |max| usize::try_from(max).unwrap_or(0));
            Op::EpollWait { e, max, timeout: args.int_or(0)? }
        }
    })
}

fn read_poll_set(value: &Value) -> Read<(Vec<(HandleRef, i32)>, bool)> {
    let Some(list) = value.as_array() else {
        return Ok((vec![(HandleRef::read(value)?, names::POLL_ALL)], true));
    };
    let entry = |entry: &Value| match entry.as_array().map(Vec::as_slice) {
        Some([handle, mask]) => Ok((HandleRef::read(handle)?, events(mask, "POLL")?)),
        Some(_) | None => expected("[handle, events]", entry),
    };
    Ok((list.iter().map(entry).collect::<Read<_>>()?, false))
}

fn read_control(args: &mut Args<'_>) -> Read<Op> {
    Ok(match args.op() {
        "spawn" => {
            let thread = args.name()?;
            let op = args.nested()?;
            if matches!(op, Op::Spawn { .. } | Op::Join { .. } | Op::Interrupt { .. }) {
                return Err("spawn: a thread runs one call, not another spawn, join or interrupt".to_owned());
            }
            Op::Spawn { thread, op: Box::new(op) }
        }
        "join" => Op::Join { thread: args.name()?, ms: args.u64_or(JOIN_MS)? },
        "interrupt" => Op::Interrupt { thread: args.name()?, restart: args.bool_or(false)? },
        "timed" => {
            let (lo, hi) = (args.u64()?, args.u64()?);
            let op = args.nested()?;
            if matches!(op, Op::Spawn { .. } | Op::Join { .. } | Op::Interrupt { .. } | Op::Timed { .. }) {
                return Err("timed: one call is timed, not a spawn, join, interrupt or another timed".to_owned());
            }
            Op::Timed { lo, hi, op: Box::new(op) }
        }
        _ => Op::Sleep { ms: args.u64()? },
    })
}

fn read_bulk(args: &mut Args<'_>) -> Read<Op> {
    let op = args.op();
    Ok(match op {
        "fill" | "fillup" => Op::Fill { h: args.handle()?, chunk: args.size()?, patient: op == "fillup" },
        "drain" => Op::Drain { h: args.handle()?, what: Drain::Counted },
        "discard" => Op::Drain { h: args.handle()?, what: Drain::Discarded },
        "count_dgrams" => Op::Drain { h: args.handle()?, what: Drain::Datagrams },
        "drain_until" => Op::DrainUntil { h: args.handle()?, of: args.name()? },
        "connect_n" => {
            let (prefix, family, addr, n) = (args.name()?, family(args)?, args.read(Addr::read)?, args.size()?);
            Op::ConnectN { prefix, family, addr, n, kind: if args.has_more() { kind(args)? } else { SOCK_STREAM } }
        }
        "accept_n" => Op::AcceptN { prefix: args.name()?, h: args.handle()? },
        "bind0_many" => {
            let (kind, n) = (kind(args)?, args.size()?);
            let host = args.read(|value| {
                let host = value.as_str().unwrap_or_default();
                let text = if host.contains(':') { format!("[{host}]:0") } else { format!("{host}:0") };
                Addr::read(&Value::from(text)).or_else(|_| expected("an IP address", value))
            })?;
            Op::Bind0Many { kind, n, host }
        }
        "connect_parity" => Op::ConnectParity { l: Addr::Own(args.name()?), n: args.size()? },
        "bind_parity" => Op::BindParity { kind: kind(args)?, n: args.size()? },
        "same_port" => Op::SamePort { a: args.name()?, b: args.name()? },
        _ => Op::Eq { a: args.read(Addr::read)?, b: args.read(Addr::read)? },
    })
}

fn read_environment(args: &mut Args<'_>) -> Read<Op> {
    let act = match args.op() {
        "nofile" => return Ok(Op::Nofile { n: args.size()? }),
        "sysctl" => {
            let name = args.name()?;
            let value = args.read(|value| match value.as_str() {
                Some(text) => Ok(text.to_owned()),
                None if value.is_i64() => Ok(value.to_string()),
                None => expected("a sysctl's value", value),
            })?;
            return Ok(Op::Sysctl { name, value });
        }
        "seteuid" => return Ok(Op::Seteuid { uid: args.u32()? }),
        "unlink" => FileAct::Unlink,
        "exists" => FileAct::Exists,
        "mkfile" => FileAct::Mkfile,
        "mkdir" => FileAct::Mkdir,
        _ => FileAct::Chmod(0),
    };
    let path = args.read(Addr::read)?;
    let act = if let FileAct::Chmod(_) = act { FileAct::Chmod(args.u32()?) } else { act };
    Ok(Op::File { path, act })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_operation_is_read_with_its_defaults() {
        let x = || HandleRef::Name("x".into());
        let read = |value: Value| Op::read(&value).expect("the operation is well formed");
        let flags = SOCK_STREAM | SOCK_NONBLOCK;
        assert_eq!(
            read(json!(["socket", "x", "inet", "stream", 0, "SOCK_NONBLOCK"])),
            Op::Socket { new: "x".into(), family: AF_INET, kind: flags, protocol: 0 }
        );
        assert_eq!(read(json!(["recv", "x", 5])), Op::Recv { h: x(), n: 5, flags: 0 });
        assert_eq!(read(json!(["poll", "x"])), Op::Poll { entries: vec![(x(), names::POLL_ALL)], single: true, timeout: 0 });
        let nested = Op::Spawn { thread: "t".into(), op: Box::new(Op::Close { h: x() }) };
        assert_eq!(read(json!(["spawn", "t", ["close", "x"]])), nested);
        assert_eq!(read(json!(["spawn", "t", "close", "x"])), nested);
        let linger = read(json!(["setsockopt", "x", "SOL_SOCKET", "SO_LINGER", {"linger": [1, 0]}]));
        let option = OptionName { level: SOL_SOCKET, name: SO_LINGER, shape: Shape::Linger };
        assert_eq!(linger, Op::Setsockopt { h: x(), option, value: vec![1, 0, 0, 0, 0, 0, 0, 0] });
    }

    #[test]
    fn a_mistake_is_named() {
        let error = |value: Value| Op::read(&value).expect_err("the operation is malformed");
        assert_eq!(error(json!(["teleport", "x"])), "unknown operation `teleport`");
        assert_eq!(error(json!(["recv", "x", 5, "MSG_MAGIC"])), "recv: argument 3: unknown flag `MSG_MAGIC`");
        assert_eq!(error(json!(["recv", "x"])), "recv: argument 2: expected a size, found nothing");
        assert_eq!(error(json!(["close", "x", 1])), "close: expected no argument 2, found 1");
        assert_eq!(
            error(json!(["getsockopt", "x", "SOL_SOCKET", "SO_WHAT"])),
            "getsockopt: argument 3: unknown option `SO_WHAT`"
        );
        assert_eq!(error(json!([])), "expected an operation: a non-empty array, found []");
    }
}
