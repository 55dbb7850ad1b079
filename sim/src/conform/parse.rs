//! How an operation is read from its JSON array.

use super::args::Args;
use super::names;
use super::op::{Act, Bulk, Call, Drain, FileAct, Named, Op, Open, OptionName, Plain, Receiving, Sending, Shape, Step, Waiting};
use super::value::{Addr, Control, Data, HandleRef, Port, Read, expected, latin1, read_hex, small};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use twinsock::consts::*;

/// How much room `recvmsg` has for control messages, unless the case says otherwise: more than 253 descriptors need.
const CONTROL_BYTES: usize = 4096;
/// How long an option's value may be: no option reads as much, and a length is filled with as many bytes.
const OPTION_MAX_BYTES: usize = 1 << 20;
/// How long `join` waits, unless the case says otherwise.
const JOIN_MS: u64 = 1500;
/// How many events `epoll_wait` asks for, unless the case says otherwise.
const EPOLL_EVENTS: usize = 16;

impl Op {
    /// Reads an operation from its JSON array.
    ///
    /// # Errors
    /// A sentence that names the operation and, where there is one, the argument, and says what was expected.
    pub(crate) fn read(value: &Value) -> Read<Op> {
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
        "socket" | "socketpair" | "pipe" | "dup" | "epoll_create" | "accept" => read_opening(args),
        "bind" | "listen" | "connect" | "shutdown" | "close" | "getsockname" | "getpeername" | "nonblock" | "getfl" | "getfd"
        | "ioctl" | "getsockopt" | "setsockopt" => {
            let h = args.handle()?;
            let plain = if args.op().ends_with("sockopt") { read_option(args)? } else { read_plain(args)? };
            Ok(one(Call::Plain(h, plain)))
        }
        "send" | "write" | "sendto" | "sendmsg" => Ok(one(Call::Send(args.handle()?, read_send(args)?))),
        "recv" | "read" | "recvfrom" | "recvmsg" => Ok(one(Call::Receive(args.handle()?, read_receive(args)?))),
        "poll" | "select" | "epoll_ctl" | "epoll_wait" => Ok(one(Call::Wait(read_wait(args)?))),
        "sleep" => Ok(one(Call::Sleep(args.u64()?))),
        "spawn" | "join" | "interrupt" | "timed" | "same_port" | "eq" => read_control(args),
        "fill" | "fillup" | "drain" | "discard" | "drain_until" | "count_dgrams" | "connect_n" | "accept_n" | "bind0_many"
        | "connect_parity" | "bind_parity" => read_bulk(args),
        "nofile" | "sysctl" | "seteuid" | "openfile" | "unlink" | "exists" | "mkfile" | "mkdir" | "chmod" => {
            read_act(args).map(Op::Act)
        }
        unknown => Err(format!("unknown operation `{unknown}`")),
    }
}

/// A step that opens nothing and is not timed.
fn one(call: Named) -> Op {
    named(Vec::new(), call)
}

/// A step that gives names to what it opens.
fn named(new: Vec<String>, call: Named) -> Op {
    Op::Call(Step { new, call, window: None })
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
    let mut new = vec![args.name()?];
    let open = match args.op() {
        "socket" => {
            let (family, kind) = (family(args)?, kind(args)?);
            let (protocol, flags) = (args.int_or(0)?, args.flags("SOCK_")?);
            Open::Socket { family, kind: kind | flags, protocol }
        }
        "socketpair" => {
            new.push(args.name()?);
            let family = if args.has_more() { family(args)? } else { AF_UNIX };
            let kind = if args.has_more() { kind(args)? } else { SOCK_STREAM };
            Open::Socketpair { family, kind: kind | args.flags("SOCK_")? }
        }
        "pipe" => {
            new.push(args.name()?);
            Open::Pipe
        }
        "dup" => Open::Dup(args.handle()?),
        "accept" => Open::Accept { h: args.handle()?, flags: args.flags("SOCK_")? },
        _ => Open::EpollCreate,
    };
    Ok(named(new, Call::Open(open)))
}

fn read_plain(args: &mut Args<'_>) -> Read<Plain<Addr>> {
    Ok(match args.op() {
        "bind" => Plain::Bind(args.read(Addr::read)?),
        "listen" => Plain::Listen(args.int()?),
        "connect" => Plain::Connect(args.read(Addr::read)?),
        "shutdown" => Plain::Shutdown(args.named("RD, WR, RDWR or a number", |name| match name {
            "RD" => Some(SHUT_RD),
            "WR" => Some(SHUT_WR),
            "RDWR" => Some(SHUT_RDWR),
            _ => None,
        })?),
        "close" => Plain::Close,
        "getsockname" => Plain::Getsockname(args.int_if()?),
        "getpeername" => Plain::Getpeername(args.int_if()?),
        "nonblock" => Plain::Nonblock(args.bool_or(true)?),
        "getfl" => Plain::Getfl,
        "getfd" => Plain::Getfd,
        _ => {
            let (request, argument) = args.read(|value| match value.as_str() {
                Some("FIONREAD") => Ok((FIONREAD, 0)),
                Some("TIOCOUTQ") => Ok((TIOCOUTQ, 0)),
                Some("SIOCATMARK") => Ok((SIOCATMARK, 0)),
                Some("FIONBIO0") => Ok((FIONBIO, 0)),
                Some("FIONBIO1") => Ok((FIONBIO, 1)),
                Some(_) | None => expected("FIONREAD, TIOCOUTQ, SIOCATMARK, FIONBIO1 or FIONBIO0", value),
            })?;
            Plain::Ioctl { request, argument }
        }
    })
}

fn optional_addr(value: &Value) -> Read<Option<Addr>> {
    if value.is_null() { Ok(None) } else { Addr::read(value).map(Some) }
}

fn read_send(args: &mut Args<'_>) -> Read<Sending<HandleRef, Addr>> {
    Ok(match args.op() {
        "send" => Sending::Send { data: args.read(Data::read)?, flags: args.flags("MSG_")? },
        "write" => Sending::Write { data: args.read(Data::read)? },
        "sendto" => {
            let (data, addr) = (args.read(Data::read)?, args.read(optional_addr)?);
            Sending::Sendto { data, addr, flags: args.flags("MSG_")? }
        }
        _ => {
            let iov = args.read(|value| match value.as_array() {
                Some(list) => list.iter().map(Data::read).collect(),
                None => read_repeated(value),
            })?;
            let addr = if args.has_more() { args.read(optional_addr)? } else { None };
            let flags = args.flags("MSG_")?;
            let control = if args.has_more() { args.read(Control::read_list)? } else { Vec::new() };
            Sending::Sendmsg { iov, addr, flags, control }
        }
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

fn read_receive(args: &mut Args<'_>) -> Read<Receiving> {
    Ok(match args.op() {
        "recv" => Receiving::Recv { n: args.size()?, flags: args.flags("MSG_")? },
        "read" => Receiving::Read { n: args.size()? },
        "recvfrom" => Receiving::Recvfrom { n: args.size()?, flags: args.flags("MSG_")?, addrlen: args.size_if()? },
        _ => read_recvmsg(args)?,
    })
}

fn read_recvmsg(args: &mut Args<'_>) -> Read<Receiving> {
    let size = |value: &Value| match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
        Some(size) => Ok(size),
        None => expected("a size", value),
    };
    let (mut sizes, mut listed) = args.read(|value| match value.as_array() {
        Some(list) => Ok((list.iter().map(size).collect::<Read<Vec<usize>>>()?, true)),
        None => match value.get("rep").and_then(Value::as_array).map(Vec::as_slice) {
            Some([buffer, count]) => Ok((vec![size(buffer)?; size(count)?], true)),
            Some(_) | None => Ok((vec![size(value)?], false)),
        },
    })?;
    let flags = args.flags("MSG_")?;
    let control = args.size_if()?.unwrap_or(CONTROL_BYTES);
    if let Some(count) = args.size_if()? {
        // As many buffers as this, the last size repeated.
        let last = sizes.last().copied().unwrap_or(0);
        listed |= count != sizes.len();
        sizes.resize(count, last);
    }
    Ok(Receiving::Recvmsg { sizes, listed, flags, control })
}

fn read_option(args: &mut Args<'_>) -> Read<Plain<Addr>> {
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
    if args.op() == "getsockopt" {
        return Ok(Plain::Getsockopt(option, args.int_if()?));
    }
    let mut value = args.read(read_option_value)?;
    if let Some(len) = args.size_if()? {
        if len > OPTION_MAX_BYTES {
            return Err(format!("setsockopt: expected an option length of at most {OPTION_MAX_BYTES}, found {len}"));
        }
        value.resize(len, 0);
    }
    Ok(Plain::Setsockopt(option, value))
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

fn poll_events(value: &Value) -> Read<i16> {
    events(value, "POLL").and_then(|mask| i16::try_from(mask).or_else(|_| expected("poll's events, 16 bits", value)))
}

fn read_wait(args: &mut Args<'_>) -> Read<Waiting<HandleRef>> {
    Ok(match args.op() {
        "poll" => {
            let (mut entries, single) = args.read(read_poll_set)?;
            if args.has_more() {
                let mask = args.read(poll_events)?;
                if single {
                    entries[0].1 = mask;
                }
            }
            Waiting::Poll { entries, single, timeout: args.int_or(0)? }
        }
        "select" => {
            let set = |value: &Value| match value.as_array() {
                Some(list) => list.iter().map(HandleRef::read).collect(),
                None => expected("a list of handles", value),
            };
            Waiting::Select { sets: [args.read(set)?, args.read(set)?, args.read(set)?], timeout: args.int_or(0)? }
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
            Waiting::EpollCtl { e, op, h, events, data: 0 }
        }
        _ => {
            let e = args.handle()?;
            let max = args.int_if()?.map_or(EPOLL_EVENTS, |max| usize::try_from(max).unwrap_or(0));
            Waiting::EpollWait { e, max, timeout: args.int_or(0)? }
        }
    })
}

fn read_poll_set(value: &Value) -> Read<(Vec<(HandleRef, i16)>, bool)> {
    let Some(list) = value.as_array() else {
        return Ok((vec![(HandleRef::read(value)?, names::POLL_ALL_BITS)], true));
    };
    let entry = |entry: &Value| match entry.as_array().map(Vec::as_slice) {
        Some([handle, mask]) => Ok((HandleRef::read(handle)?, poll_events(mask)?)),
        Some(_) | None => expected("[handle, events]", entry),
    };
    Ok((list.iter().map(entry).collect::<Read<_>>()?, false))
}

fn read_control(args: &mut Args<'_>) -> Read<Op> {
    Ok(match args.op() {
        "spawn" => Op::Spawn { thread: args.name()?, step: args.nested_step()? },
        "join" => Op::Join { thread: args.name()?, ms: args.u64_or(JOIN_MS)? },
        "interrupt" => Op::Interrupt { thread: args.name()?, restart: args.bool_or(false)? },
        "timed" => {
            let window = (args.u64()?, args.u64()?);
            let step = args.nested_step()?;
            if step.window.is_some() {
                return Err("timed: expected one call, found another timed".to_owned());
            }
            Op::Call(Step { window: Some(window), ..step })
        }
        "same_port" => Op::SamePort { a: args.name()?, b: args.name()? },
        _ => Op::Eq { a: args.read(Addr::read)?, b: args.read(Addr::read)? },
    })
}

fn read_bulk(args: &mut Args<'_>) -> Read<Op> {
    let mut new = Vec::new();
    let op = args.op();
    let bulk = match op {
        "fill" | "fillup" => Bulk::Fill { h: args.handle()?, chunk: args.size()?, patient: op == "fillup" },
        "drain" => Bulk::Drain { h: args.handle()?, what: Drain::Counted },
        "discard" => Bulk::Drain { h: args.handle()?, what: Drain::Discarded },
        "count_dgrams" => Bulk::Drain { h: args.handle()?, what: Drain::Datagrams },
        "drain_until" => Bulk::DrainUntil { h: args.handle()?, of: args.name()?, total: 0 },
        "connect_n" => {
            new.push(args.name()?);
            let (family, addr, n) = (family(args)?, args.read(Addr::read)?, args.size()?);
            Bulk::ConnectN { family, addr, n, kind: if args.has_more() { kind(args)? } else { SOCK_STREAM } }
        }
        "accept_n" => {
            new.push(args.name()?);
            Bulk::AcceptN { h: args.handle()? }
        }
        "bind0_many" => {
            let (kind, n) = (kind(args)?, args.size()?);
            let host = |value: &Value| value.as_str().and_then(|host| host.parse::<IpAddr>().ok());
            let host = args.read(|value| host(value).map_or_else(|| expected("an IP address", value), Ok))?;
            Bulk::Bind0Many { kind, n, addr: Addr::Inet(host, Port::Number(0)) }
        }
        "connect_parity" => {
            let addr = Addr::Own(args.name()?);
            Bulk::Parity { kind: SOCK_STREAM, addr, connect: true, n: args.size()? }
        }
        _ => {
            let addr = Addr::Inet(Ipv4Addr::LOCALHOST.into(), Port::Number(0));
            Bulk::Parity { kind: kind(args)?, addr, connect: false, n: args.size()? }
        }
    };
    Ok(named(new, Call::Bulk(bulk)))
}

fn read_act(args: &mut Args<'_>) -> Read<Act> {
    let act = match args.op() {
        "nofile" => return Ok(Act::Nofile { n: args.size()? }),
        "sysctl" => {
            let name = args.name()?;
            let value = args.read(|value| match value.as_str() {
                Some(text) => Ok(text.to_owned()),
                None if value.is_i64() => Ok(value.to_string()),
                None => expected("a sysctl's value", value),
            })?;
            return Ok(Act::Sysctl { name, value });
        }
        "seteuid" => return Ok(Act::Seteuid { uid: args.u32()? }),
        "openfile" => return Ok(Act::OpenFile { new: args.name()?, path: args.read(Addr::read)? }),
        "unlink" => FileAct::Unlink,
        "exists" => FileAct::Exists,
        "mkfile" => FileAct::Mkfile,
        "mkdir" => FileAct::Mkdir,
        _ => {
            let path = args.read(Addr::read)?;
            return Ok(Act::File { path, act: FileAct::Chmod(args.u32()?) });
        }
    };
    Ok(Act::File { path: args.read(Addr::read)?, act })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_operation_is_read_with_its_defaults() {
        let x = || HandleRef::Name("x".into());
        let read = |value: Value| Op::read(&value).expect("the operation is well formed");
        let socket = Open::Socket { family: AF_INET, kind: SOCK_STREAM | SOCK_NONBLOCK, protocol: 0 };
        assert_eq!(
            read(json!(["socket", "x", "inet", "stream", 0, "SOCK_NONBLOCK"])),
            named(vec!["x".into()], Call::Open(socket))
        );
        let sizes = vec![1; 3];
        let buffers = Receiving::Recvmsg { sizes, listed: true, flags: 0, control: CONTROL_BYTES };
        assert_eq!(read(json!(["recvmsg", "x", {"rep": [1, 3]}])), one(Call::Receive(x(), buffers)));
        assert_eq!(read(json!(["recv", "x", 5])), one(Call::Receive(x(), Receiving::Recv { n: 5, flags: 0 })));
        let Op::Call(Step { call: Call::Wait(Waiting::Poll { entries, single: true, timeout: 0 }), .. }) =
            read(json!(["poll", "x"]))
        else {
            panic!("poll of one handle")
        };
        assert_eq!(entries.iter().map(|(h, mask)| (h, i32::from(*mask))).collect::<Vec<_>>(), [(&x(), names::POLL_ALL)]);
        let step = Step { new: Vec::new(), call: Call::Plain(x(), Plain::Close), window: None };
        let nested = Op::Spawn { thread: "t".into(), step: step.clone() };
        assert_eq!(read(json!(["spawn", "t", ["close", "x"]])), nested);
        assert_eq!(read(json!(["spawn", "t", "close", "x"])), nested);
        assert_eq!(read(json!(["timed", 1, 2, ["close", "x"]])), Op::Call(Step { window: Some((1, 2)), ..step }));
        let linger = read(json!(["setsockopt", "x", "SOL_SOCKET", "SO_LINGER", {"linger": [1, 0]}]));
        let option = OptionName { level: SOL_SOCKET, name: SO_LINGER, shape: Shape::Linger };
        assert_eq!(linger, one(Call::Plain(x(), Plain::Setsockopt(option, vec![1, 0, 0, 0, 0, 0, 0, 0]))));
    }

    #[test]
    fn a_mistake_is_named() {
        let error = |value: Value| Op::read(&value).expect_err("the operation is malformed");
        assert_eq!(error(json!(["teleport", "x"])), "unknown operation `teleport`");
        assert_eq!(error(json!(["recv", "x", 5, "MSG_MAGIC"])), "recv: argument 3: unknown flag `MSG_MAGIC`");
        assert_eq!(
            error(json!(["setsockopt", "x", "SOL_SOCKET", "SO_KEEPALIVE", 1, i32::MAX])),
            "setsockopt: expected an option length of at most 1048576, found 2147483647"
        );
        assert_eq!(error(json!(["recv", "x"])), "recv: argument 2: expected a size, found nothing");
        assert_eq!(error(json!(["close", "x", 1])), "close: expected no argument 2, found 1");
        assert_eq!(
            error(json!(["getsockopt", "x", "SOL_SOCKET", "SO_WHAT"])),
            "getsockopt: argument 3: unknown option `SO_WHAT`"
        );
        assert_eq!(error(json!(["spawn", "t", ["join", "t"]])), "spawn: argument 2: expected a call, found join");
        assert_eq!(error(json!([])), "expected an operation: a non-empty array, found []");
    }
}
