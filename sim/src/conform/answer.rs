//! A call's answer, written as a case's result.

use super::bulk::errno_name;
use super::call::{Answer, Received, StoredName};
use super::handles::Handles;
use super::names;
use super::op::{Call, Named, Plain, Receiving, Shape, Step, Waiting};
use super::outcome::{End, Outcome};
use super::value::{HandleRef, from_latin1, write_hex};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, Ipv6Addr};
use twinsock::Errno;
use twinsock::consts::*;

/// Data longer than this is written as its length.
const DATA_SHOWN_BYTES: usize = 60;
/// `SCM_RIGHTS` and `SCM_CREDENTIALS` on a level of their own, as pairs.
const RIGHTS: (i32, i32) = (SOL_SOCKET, SCM_RIGHTS);
const CREDENTIALS: (i32, i32) = (SOL_SOCKET, SCM_CREDENTIALS);

/// Writes a call's answer as the result of its step, gives names to what it opened.
pub fn write(step: &Step, answer: twinsock::Result<Answer>, handles: &mut Handles, pid: i32) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(errno) => return failed(errno),
    };
    Outcome::from(match answer {
        Answer::Number(number) => write_number(&step.call, number),
        Answer::Opened(fds) => {
            for (name, fd) in step.new.iter().zip(&fds) {
                handles.open(name, *fd);
            }
            json!(if fds.len() == 1 { "fd" } else { "fds" })
        }
        Answer::Accepted(fd, name) => {
            for new in &step.new {
                handles.open(new, fd);
            }
            handles.write(&name.bytes)
        }
        Answer::Name(name) => {
            let sized = matches!(step.call, Call::Plain(_, Plain::Getsockname(Some(_)) | Plain::Getpeername(Some(_))));
            if sized { json!({"len": name.len, "stored": name.bytes.len()}) } else { handles.write(&name.bytes) }
        }
        Answer::Data(received) => write_received(&step.call, &received, handles, pid),
        Answer::Option(bytes, len) => {
            if let Call::Plain(_, Plain::Getsockopt(option, None)) = &step.call {
                write_option(option.shape, &bytes, len, pid)
            } else {
                json!({"len": len, "hex": write_hex(&bytes)})
            }
        }
        Answer::Polled(revents, ret) => {
            let masks: Vec<String> = revents.iter().map(|mask| names::write_mask(i32::from(*mask), names::POLL, true)).collect();
            let single = matches!(step.call, Call::Wait(Waiting::Poll { single: true, .. }));
            if single { json!(masks.concat()) } else { json!({"ret": ret, "revents": masks}) }
        }
        Answer::Selected(members, ret) => write_selected(&step.call, &members, ret),
        Answer::Events(events) => events
            .iter()
            .map(|event| {
                let mask = names::write_mask(event.events.cast_signed(), names::EPOLL, true);
                json!([handles.name(event.data), mask])
            })
            .collect(),
        Answer::Bulk(total) => {
            let prefix = step.new.first().map_or("", String::as_str);
            for (index, fd) in total.opened.iter().enumerate() {
                handles.open(&format!("{prefix}{index}"), *fd);
            }
            total.value
        }
    })
}

/// The result of a call that failed.
pub fn failed(errno: Errno) -> Outcome {
    Outcome::new(End::Errno(errno_name(errno)))
}

fn write_number(call: &Named, number: i64) -> Value {
    match (call, i32::try_from(number)) {
        (Call::Plain(_, Plain::Getfl), Ok(flags)) => json!(names::write_open_flags(flags)),
        (Call::Sleep(_), _) => Value::Null,
        (Call::Open(_) | Call::Plain(..) | Call::Send(..) | Call::Receive(..) | Call::Wait(_) | Call::Bulk(_), _) => {
            json!(number)
        }
    }
}

fn write_selected(call: &Named, ready: &[Vec<bool>; 3], ret: usize) -> Value {
    let Call::Wait(Waiting::Select { sets, .. }) = call else { return Value::Null };
    let members = |i: usize| -> Vec<Value> {
        let members = sets[i].iter().zip(&ready[i]).filter(|(_, ready)| **ready);
        members.map(|(handle, _)| write_handle(handle)).collect()
    };
    json!({"ret": ret, "r": members(0), "w": members(1), "x": members(2)})
}

fn write_handle(handle: &HandleRef) -> Value {
    match handle {
        HandleRef::Name(name) => json!(name),
        HandleRef::Number(number) => json!(number),
    }
}

/// Data as a string, or, if there is much, as its length.
fn write_data(bytes: &[u8]) -> Value {
    if bytes.len() > DATA_SHOWN_BYTES { json!({"n": bytes.len()}) } else { json!(from_latin1(bytes)) }
}

fn write_received(call: &Named, received: &Received, handles: &mut Handles, pid: i32) -> Value {
    let stored = received.stored.as_deref();
    let whole = write_data(&stored.unwrap_or_default().concat());
    let Call::Receive(_, how) = call else { return whole };
    match how {
        Receiving::Recv { flags, .. } if flags & MSG_TRUNC != 0 && received.n > 0 => {
            json!({"n": received.n, "stored": stored.map(|_| whole)})
        }
        Receiving::Recv { .. } | Receiving::Read { .. } => whole,
        Receiving::Recvfrom { .. } => json!({"data": whole, "from": write_from(&received.from, handles)}),
        Receiving::Recvmsg { listed, .. } => {
            let parts = || stored.unwrap_or_default().iter().map(|buffer| write_data(buffer)).collect();
            let data = if *listed { parts() } else { whole };
            let flags = names::write_mask(received.flags, names::MSG_REPORTED, false);
            let from = write_from(&received.from, handles);
            let mut value = json!({"n": received.n, "data": data, "from": from, "flags": flags});
            let control = write_control(&received.control, handles, pid);
            if !control.is_empty() {
                value["cmsg"] = Value::Array(control);
            }
            value
        }
    }
}

fn write_from(name: &StoredName, handles: &Handles) -> Value {
    if name.bytes.len() < name.len { json!({"len": name.len}) } else { handles.write(&name.bytes) }
}

fn ints(bytes: &[u8]) -> Vec<i32> {
    bytes.chunks_exact(4).map(|four| i32::from_ne_bytes(four.try_into().expect("chunks are of four bytes"))).collect()
}

fn longs(bytes: &[u8]) -> Vec<i64> {
    bytes.chunks_exact(8).map(|eight| i64::from_ne_bytes(eight.try_into().expect("chunks are of eight bytes"))).collect()
}

/// `[pid, uid, gid]`, the process's own pid as "PID".
fn write_credentials(ids: &[i32], pid: i32) -> Value {
    match ids {
        [own, rest @ ..] if *own == pid => {
            let rest = rest.iter().map(|id| json!(id));
            std::iter::once(json!("PID")).chain(rest).collect()
        }
        ids => json!(ids),
    }
}

fn write_option(shape: Shape, bytes: &[u8], len: i32, pid: i32) -> Value {
    let (numbers, plain) = (ints(bytes), json!({"len": len, "hex": write_hex(bytes)}));
    match (shape, numbers.as_slice(), len) {
        (Shape::Int, [number], 4) => json!(number),
        (Shape::Errno, [0], 4) => json!(0),
        (Shape::Errno, [number], 4) => json!(errno_name(Errno::from_raw(*number))),
        (Shape::Linger, [_, _], 8) => json!(numbers),
        (Shape::Timeval, [_, _, _, _], 16) => json!(longs(bytes)),
        (Shape::Credentials, [_, _, _], 12) => write_credentials(&numbers, pid),
        (Shape::TcpInfo, [_, ..], _) => json!(names::tcp_state(bytes[0])),
        (Shape::Text, _, _) => {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            json!({"len": len, "str": from_latin1(&bytes[..end])})
        }
        (Shape::Int | Shape::Errno | Shape::Linger | Shape::Timeval | Shape::Credentials | Shape::TcpInfo, _, _) => plain,
    }
}

/// The messages of a control buffer: (level, type), payload.
fn split_control(mut control: &[u8]) -> Vec<((i32, i32), &[u8])> {
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = WORD + 8;
    let mut messages = Vec::new();
    while let Some((len, rest)) = control.split_first_chunk::<WORD>() {
        let len = usize::from_ne_bytes(*len);
        let (Some(header), true) = (rest.first_chunk::<8>(), (HEADER..=control.len()).contains(&len)) else { break };
        let kind = ints(header);
        messages.push(((kind[0], kind[1]), &control[HEADER..len]));
        control = control.get(len.next_multiple_of(WORD)..).unwrap_or_default();
    }
    messages
}

fn write_control(control: &[u8], handles: &mut Handles, pid: i32) -> Vec<Value> {
    let mut list = Vec::new();
    for (kind, payload) in split_control(control) {
        list.push(match kind {
            RIGHTS => {
                let named: Vec<String> = ints(payload).into_iter().map(|fd| name_received(fd, handles)).collect();
                json!(["SCM_RIGHTS", named])
            }
            CREDENTIALS => json!(["SCM_CREDENTIALS", write_credentials(&ints(payload), pid)]),
            (IPPROTO_IP, IP_RECVERR) | (IPPROTO_IPV6, IPV6_RECVERR) => json!(["RECVERR", write_recverr(payload, handles)]),
            (IPPROTO_IP, IP_PKTINFO) if payload.len() >= 12 => {
                let ip = |at: usize| {
                    <[u8; 4]>::try_from(&payload[at..at + 4]).map(Ipv4Addr::from).expect("four bytes were taken").to_string()
                };
                json!(["IP_PKTINFO", [json!(ints(payload)[0]), json!(ip(4)), json!(ip(8))]])
            }
            (IPPROTO_IPV6, IPV6_PKTINFO) if payload.len() >= 20 => {
                let ip: [u8; 16] = payload[..16].try_into().expect("sixteen bytes were taken");
                json!(["IPV6_PKTINFO", [json!(Ipv6Addr::from(ip).to_string()), json!(ints(&payload[16..20])[0])]])
            }
            (level, kind) => json!([[level, kind], write_hex(payload)]),
        });
    }
    list
}

/// A received descriptor becomes rx0, rx1, ...
fn name_received(fd: i32, handles: &mut Handles) -> String {
    let taken = handles.slots().iter().filter(|slot| slot.name.starts_with("rx")).count();
    let name = format!("rx{taken}");
    handles.open(&name, fd);
    name
}

/// `struct sock_extended_err` and the address of the offender after it.
fn write_recverr(payload: &[u8], handles: &Handles) -> Value {
    let (Some(head), Some(offender)) = (payload.first_chunk::<16>(), payload.get(16..)) else { return json!(write_hex(payload)) };
    let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    json!({
        "errno": errno_name(Errno::from_raw(word(0).cast_signed())),
        "origin": head[4],
        "type": head[5],
        "code": head[6],
        "info": word(8),
        "data": word(12),
        "offender": handles.write(offender),
    })
}

#[cfg(test)]
mod tests {
    use super::super::backend::Place;
    use super::*;

    #[test]
    fn control_messages_are_written() {
        let mut handles = Handles::new(Place::numbered(1), (32_768, 60_999));
        let mut control = Vec::new();
        let mut add = |level: i32, kind: i32, payload: &[u8]| {
            control.extend((16 + payload.len()).to_ne_bytes());
            control.extend(level.to_ne_bytes());
            control.extend(kind.to_ne_bytes());
            control.extend(payload);
            control.resize(control.len().next_multiple_of(8), 0);
        };
        add(SOL_SOCKET, SCM_RIGHTS, &[5, 0, 0, 0, 6, 0, 0, 0]);
        add(SOL_SOCKET, SCM_CREDENTIALS, &[9, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]);
        add(6, 36, &[3, 0, 0, 0]);
        let written = write_control(&control, &mut handles, 9);
        let expected =
            [json!(["SCM_RIGHTS", ["rx0", "rx1"]]), json!(["SCM_CREDENTIALS", ["PID", 0, -1]]), json!([[6, 36], "03000000"])];
        assert_eq!(written, expected);
    }

    #[test]
    fn options_are_written_by_their_shape() {
        assert_eq!(write_option(Shape::Int, &7_i32.to_ne_bytes(), 4, 1), json!(7));
        assert_eq!(write_option(Shape::Int, &[1; 8], 8, 1), json!({"len": 8, "hex": "0101010101010101"}));
        assert_eq!(write_option(Shape::Errno, &104_i32.to_ne_bytes(), 4, 1), json!("ECONNRESET"));
        assert_eq!(write_option(Shape::Text, b"lo\0", 3, 1), json!({"len": 3, "str": "lo"}));
        assert_eq!(write_option(Shape::TcpInfo, &[8; 104], 104, 1), json!("CLOSE_WAIT"));
    }
}
