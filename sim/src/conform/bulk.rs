//! Operations that stand for many calls: filling and draining buffers, crowds of connections, runs of ports.

use super::backend::Backend;
use super::names;
use super::op::{Bulk, Drain};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use twinsock::consts::*;
use twinsock::raw::{Name, RawFd, Syscalls};
use twinsock::{Errno, Result};

/// How long `fillup` lets acknowledgements arrive before it tries again: longer than any delayed ACK.
const FILL_PAUSE: Duration = Duration::from_millis(100);
/// How often `fillup` must find that nothing is accepted before it believes it.
const FILL_REFUSALS: u32 = 2;
/// How many sends `fill` makes at most: a socket that drops what it cannot keep (UDP) never fails.
const FILL_CALLS_MAX: u64 = 100_000;
/// How much a draining call asks for.
const DRAIN_BYTES: usize = 65_536;
/// How often `drain_until` looks, and for how long it waits without anything coming.
const DRAIN_PAUSE: Duration = Duration::from_millis(10);
const DRAIN_PATIENCE: Duration = Duration::from_secs(3);
/// How long `connect_n` waits before it looks what came of its connects.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);

/// What many calls came to.
#[derive(Clone, Debug, Default)]
pub struct Total {
    /// The operation's value.
    pub value: Value,
    /// Descriptors that stay open.
    pub opened: Vec<RawFd>,
    /// How many bytes were sent.
    pub sent: u64,
}

/// Makes the calls.
///
/// # Errors
/// The errno of a call whose failure is not part of the operation's value.
pub fn run<B: Backend>(backend: &B, calls: &(impl Syscalls + ?Sized), what: &Bulk<RawFd, Vec<u8>>) -> Result<Total> {
    match what {
        Bulk::Fill { h, chunk, patient: false } => {
            let filled = fill(calls, *h, *chunk);
            let value = json!({"n": filled.bytes, "calls": filled.calls, "errno": filled.errno.map(errno_name)});
            Ok(Total { value, sent: filled.bytes, ..Total::default() })
        }
        Bulk::Fill { h, chunk, patient: true } => Ok(fill_patiently(backend, calls, *h, *chunk)),
        Bulk::Drain { h, what } => Ok(drain(calls, *h, *what)),
        Bulk::DrainUntil { h, total, .. } => Ok(drain_until(backend, calls, *h, *total)),
        Bulk::ConnectN { family, kind, addr, n } => Ok(connect_many(backend, calls, (*family, *kind), addr, *n)),
        Bulk::AcceptN { h } => accept_many(calls, *h),
        Bulk::Bind0Many { kind, addr, n } => bind_many(backend, calls, *kind, addr, *n),
        Bulk::Parity { kind, addr, connect, n } => parity(calls, *kind, addr, *connect, *n),
    }
}

/// The name of an errno, or its number.
pub fn errno_name(errno: Errno) -> String {
    errno.name().map_or_else(|| errno.raw().to_string(), str::to_owned)
}

fn count(errors: &mut BTreeMap<String, u64>, errno: Errno) {
    *errors.entry(errno_name(errno)).or_default() += 1;
}

struct Filled {
    bytes: u64,
    calls: u64,
    errno: Option<Errno>,
}

fn fill(calls: &(impl Syscalls + ?Sized), fd: RawFd, chunk: usize) -> Filled {
    let data = super::value::pattern(chunk);
    let mut filled = Filled { bytes: 0, calls: 0, errno: None };
    while filled.calls < FILL_CALLS_MAX && filled.errno.is_none() {
        match calls.send(fd, &data, MSG_DONTWAIT) {
            Ok(n) => {
                filled.bytes += u64::try_from(n).expect("usize is at most 64 bits");
                filled.calls += 1;
            }
            Err(errno) => filled.errno = Some(errno),
        }
    }
    filled
}

/// Fills until nothing is accepted any more, also not after pauses, first by `chunk`, then by single bytes.
fn fill_patiently<B: Backend>(backend: &B, calls: &(impl Syscalls + ?Sized), fd: RawFd, chunk: usize) -> Total {
    let mut sent = 0;
    for chunk in [chunk, 1] {
        let mut refusals = 0;
        while refusals < FILL_REFUSALS {
            let filled = fill(calls, fd, chunk);
            sent += filled.bytes;
            refusals = if filled.bytes == 0 { refusals + 1 } else { 0 };
            match filled.errno {
                Some(Errno::AGAIN) => backend.sleep(FILL_PAUSE),
                Some(errno) => return Total { value: json!(errno_name(errno)), sent, ..Total::default() },
                None => return Total { value: json!("never full"), sent, ..Total::default() },
            }
        }
    }
    Total { value: json!("full"), sent, ..Total::default() }
}

fn drain(calls: &(impl Syscalls + ?Sized), fd: RawFd, what: Drain) -> Total {
    let mut buffer = vec![0; DRAIN_BYTES];
    let (mut bytes, mut made, mut errno) = (0_u64, 0_u64, None);
    while made < FILL_CALLS_MAX {
        match calls.recv(fd, &mut buffer, MSG_DONTWAIT) {
            Ok(0) if what != Drain::Datagrams => break,
            Ok(n) => {
                bytes += u64::try_from(n).expect("usize is at most 64 bits");
                made += 1;
            }
            Err(error) => {
                errno = Some(errno_name(error));
                break;
            }
        }
    }
    let value = match what {
        Drain::Counted => json!({"n": bytes, "calls": made, "errno": errno}),
        Drain::Discarded => Value::Null,
        Drain::Datagrams => json!(made),
    };
    Total { value, ..Total::default() }
}

fn drain_until<B: Backend>(backend: &B, calls: &(impl Syscalls + ?Sized), fd: RawFd, total: u64) -> Total {
    let mut buffer = vec![0; DRAIN_BYTES];
    let (mut bytes, mut waited) = (0_u64, Duration::ZERO);
    let then = loop {
        match calls.recv(fd, &mut buffer, MSG_DONTWAIT) {
            Ok(0) => break "eof".to_owned(),
            Ok(n) => {
                bytes += u64::try_from(n).expect("usize is at most 64 bits");
                waited = Duration::ZERO;
            }
            Err(Errno::AGAIN) if waited < DRAIN_PATIENCE => {
                backend.sleep(DRAIN_PAUSE);
                waited += DRAIN_PAUSE;
            }
            Err(errno) => break errno_name(errno),
        }
    };
    Total { value: json!({"all": bytes == total, "then": then}), ..Total::default() }
}

fn connect_many<B: Backend>(
    backend: &B,
    calls: &(impl Syscalls + ?Sized),
    (family, kind): (i32, i32),
    addr: &[u8],
    n: usize,
) -> Total {
    let mut opened = Vec::new();
    let (mut immediate, mut errors) = (0_u64, BTreeMap::new());
    for _ in 0..n {
        let fd = match calls.socket(family, kind | SOCK_NONBLOCK, 0) {
            Ok(fd) => fd,
            Err(errno) => {
                count(&mut errors, errno);
                break;
            }
        };
        opened.push(fd);
        match calls.connect(fd, addr) {
            Ok(()) => immediate += 1,
            Err(Errno::INPROGRESS) => {}
            Err(errno) => count(&mut errors, errno),
        }
    }
    let mut value = Map::from_iter([("immediate".to_owned(), json!(immediate))]);
    if family != AF_UNIX {
        backend.sleep(CONNECT_PAUSE);
        let states: Vec<String> = opened.iter().filter_map(|fd| tcp_state(calls, *fd)).collect();
        for (name, state) in [("established", "ESTABLISHED"), ("syn_sent", "SYN_SENT")] {
            value.insert(name.to_owned(), json!(states.iter().filter(|s| *s == state).count()));
        }
    }
    if !errors.is_empty() {
        value.insert("errors".to_owned(), json!(errors));
    }
    Total { value: Value::Object(value), opened, sent: 0 }
}

fn tcp_state(calls: &(impl Syscalls + ?Sized), fd: RawFd) -> Option<String> {
    let (mut info, mut len) = ([0; 1], 1);
    calls.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &mut info, &mut len).ok()?;
    Some(names::tcp_state(info[0]))
}

fn accept_many(calls: &(impl Syscalls + ?Sized), fd: RawFd) -> Result<Total> {
    let flags = calls.fcntl(fd, F_GETFL, 0)?;
    calls.fcntl(fd, F_SETFL, flags | O_NONBLOCK)?;
    let mut opened = Vec::new();
    let errno = loop {
        match calls.accept4(fd, None, 0) {
            Ok(new) => opened.push(new),
            Err(errno) => break errno,
        }
    };
    calls.fcntl(fd, F_SETFL, flags)?;
    Ok(Total { value: json!({"count": opened.len(), "errno": errno_name(errno)}), opened, sent: 0 })
}

/// The port in the bytes of an inet address.
pub fn port_of(addr: &[u8]) -> u16 {
    addr.get(2..4).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn own_port(calls: &(impl Syscalls + ?Sized), fd: RawFd) -> Result<u16> {
    let (mut bytes, mut len) = ([0; 28], 28);
    calls.getsockname(fd, Name { bytes: &mut bytes, len: &mut len })?;
    Ok(port_of(&bytes))
}

fn family_of(addr: &[u8]) -> i32 {
    addr.get(..2).map_or(AF_UNSPEC, |bytes| i32::from(u16::from_ne_bytes([bytes[0], bytes[1]])))
}

fn bind_many<B: Backend>(backend: &B, calls: &(impl Syscalls + ?Sized), kind: i32, addr: &[u8], n: usize) -> Result<Total> {
    let (mut opened, mut ports, mut errors) = (Vec::new(), Vec::new(), BTreeMap::new());
    for _ in 0..n {
        let fd = calls.socket(family_of(addr), kind, 0)?;
        opened.push(fd);
        match calls.bind(fd, addr) {
            Ok(()) => ports.push(own_port(calls, fd)?),
            Err(errno) => count(&mut errors, errno),
        }
    }
    let (low, high) = backend.port_range();
    let in_range = ports.iter().all(|port| (low..=high).contains(port));
    let bound = ports.len();
    ports.sort_unstable();
    ports.dedup();
    let value = json!({"ok": bound, "distinct": ports.len() == bound, "in_range": in_range, "errors": errors});
    Ok(Total { value, opened, sent: 0 })
}

/// Whether the ports that connect (or bind to port 0) chooses are even, odd, or both.
fn parity(calls: &(impl Syscalls + ?Sized), kind: i32, addr: &[u8], connect: bool, n: usize) -> Result<Total> {
    let (mut opened, mut odd) = (Vec::new(), 0);
    for _ in 0..n {
        let fd = calls.socket(family_of(addr), kind, 0)?;
        opened.push(fd);
        if connect {
            calls.connect(fd, addr)?;
        } else {
            calls.bind(fd, addr)?;
        }
        odd += usize::from(own_port(calls, fd)? % 2);
    }
    let value = match odd {
        0 => "even",
        all if all == n => "odd",
        _ => "mixed",
    };
    Ok(Total { value: json!(value), opened, sent: 0 })
}
