//! What a system call was given, in the order in which `strace(1)` writes it; what it gave through its arguments is among them once it has
//! returned.
//!
//! Nothing here is on the way of a call that nobody watches.

use crate::host::{Call, RecvRef};
use crate::trace::{Arguments, Family, Transfer};
use std::io::{IoSlice, IoSliceMut};
use twinsock::consts::*;
use twinsock::raw::{EpollEvent, FD_SETSIZE, FdSet, Name, PollFd, RawFd};

/// Lists the arguments of a call. `done` is what it returned, if it has and has succeeded: what it wrote through its arguments is shown then.
pub fn list(call: &Call<'_, '_>, done: Option<usize>, to: &mut Arguments<'_>) {
    match call {
        Call::Socket { domain, kind, protocol } => socket(to, *domain, *kind, *protocol),
        Call::Socketpair { domain, kind, protocol, out } => {
            socket(to, *domain, *kind, *protocol);
            pair(to, done, out);
        }
        Call::Bind { fd, addr } | Call::Connect { fd, addr } => _ = to.number(*fd).addr(addr),
        Call::Listen { fd, backlog } => _ = to.number(*fd).number(*backlog),
        Call::Accept4 { fd, name, flags } => {
            written_name(to.number(*fd), done, name.as_ref());
            to.flags(*flags, Family::Sock);
        }
        Call::Shutdown { fd, how } => _ = to.number(*fd).one_of(*how, Family::Shut),
        Call::Getsockname { fd, name } | Call::Getpeername { fd, name } => written_name(to.number(*fd), done, Some(name)),
        Call::Getsockopt { fd, level, name, value, len } => {
            let shown = done.and(usize::try_from(**len).ok()).unwrap_or(0).min(value.len());
            option(to.number(*fd), *level, *name, &value[..shown]);
        }
        Call::Setsockopt { fd, level, name, value } => option(to.number(*fd), *level, *name, value),
        Call::Sendto { fd, data, flags, addr } => {
            to.transfer(*fd, &Transfer { data, room: data.len(), flags: *flags, name: *addr });
        }
        Call::Sendmsg { fd, hdr, flags } => {
            iov(to.number(*fd), hdr.iov);
            to.control(hdr.control.len()).flags(*flags, Family::Msg);
            addr_if_some(to, hdr.name);
        }
        Call::Recvfrom { fd, into, flags, name } => {
            received(to.number(*fd), done, into);
            to.count(into.len()).flags(*flags, Family::Msg);
            if let Some(name) = name {
                written_name(to, done, Some(name));
            }
        }
        Call::Recvmsg { fd, hdr, flags } => {
            recvmsg(to.number(*fd), done, hdr);
            to.flags(*flags, Family::Msg);
        }
        Call::Read { fd, into } => {
            received(to.number(*fd), done, into);
            to.count(into.len());
        }
        Call::Write { fd, data } => _ = to.number(*fd).data(data).count(data.len()),
        Call::Readv { fd, iov } => iov_mut(to.number(*fd), done, iov),
        Call::Writev { fd, iov: from } => iov(to.number(*fd), from),
        Call::Fcntl { fd, command, argument } => fcntl(to.number(*fd), *command, *argument),
        Call::Ioctl { fd, request, argument } => _ = to.number(*fd).request(*request).number(**argument),
        Call::Pipe2 { flags, out } => {
            pair(to, done, out);
            to.flags(*flags, Family::O);
        }
        Call::Dup { fd } | Call::Close { fd } => _ = to.number(*fd),
        Call::Dup3 { fd, new, flags } => _ = to.number(*fd).number(*new).flags(*flags, Family::O),
        Call::Poll { fds, timeout } => {
            poll_fds(to, done, fds);
            to.number(*timeout);
        }
        Call::Select { nfds, sets, timeout } => select(to.number(*nfds), sets, *timeout),
        Call::EpollCreate1 { flags } => _ = to.flags(*flags, Family::EpollCreate),
        Call::EpollCtl { epfd, op, fd, event } => epoll_ctl(to.number(*epfd), *op, *fd, *event),
        Call::EpollWait { epfd, events, timeout } => epoll_wait(to.number(*epfd), done, events, *timeout),
    }
}

fn addr_if_some(to: &mut Arguments<'_>, addr: Option<&[u8]>) {
    if let Some(addr) = addr {
        to.addr(addr);
    }
}

fn select(to: &mut Arguments<'_>, sets: &[Option<&mut FdSet>; 3], timeout: Option<i64>) {
    fd_sets(to, sets);
    match timeout {
        None => to.null(),
        Some(micros) => to.micros(micros),
    };
}

fn epoll_ctl(to: &mut Arguments<'_>, op: i32, fd: RawFd, event: Option<EpollEvent>) {
    to.one_of(op, Family::EpollCtl).number(fd);
    if let Some(event) = event {
        to.epoll_event(event.events, event.data);
    }
}

fn epoll_wait(to: &mut Arguments<'_>, done: Option<usize>, events: &[EpollEvent], timeout: i32) {
    to.open();
    for event in &events[..done.unwrap_or(0).min(events.len())] {
        to.epoll_event(event.events, event.data);
    }
    to.close().count(events.len()).number(timeout);
}

fn socket(to: &mut Arguments<'_>, domain: i32, kind: i32, protocol: i32) {
    to.one_of(domain, Family::Af).kind(kind);
    if domain == AF_UNIX {
        to.number(protocol)
    } else {
        to.one_of(protocol, Family::Ipproto)
    };
}

fn option(to: &mut Arguments<'_>, level: i32, name: i32, value: &[u8]) {
    to.one_of(level, Family::Sol);
    match level {
        SOL_SOCKET => to.one_of(name, Family::So),
        SOL_TCP => to.one_of(name, Family::Tcp),
        SOL_UDP => to.one_of(name, Family::Udp),
        SOL_IP => to.one_of(name, Family::Ip),
        SOL_IPV6 => to.one_of(name, Family::Ipv6),
        _ => to.number(name),
    }
    .value(value);
}

/// An address that the kernel writes.
fn written_name(to: &mut Arguments<'_>, done: Option<usize>, name: Option<&Name<'_>>) {
    match (done, name) {
        (Some(_), Some(name)) => to.addr(written(name)),
        (None, Some(_)) => to.dots(),
        (Some(_) | None, None) => to.null(),
    };
}

/// What the kernel has written of an address.
pub fn written<'a>(name: &'a Name<'_>) -> &'a [u8] {
    let len = usize::try_from(*name.len).unwrap_or(0).min(name.bytes.len());
    &name.bytes[..len]
}

fn pair(to: &mut Arguments<'_>, done: Option<usize>, out: &[RawFd; 2]) {
    match done {
        Some(_) => to.pair(*out),
        None => to.dots(),
    };
}

fn received(to: &mut Arguments<'_>, done: Option<usize>, into: &[u8]) {
    match done {
        Some(count) => to.data(&into[..count.min(into.len())]),
        None => to.dots(),
    };
}

fn iov(to: &mut Arguments<'_>, iov: &[IoSlice<'_>]) {
    to.open();
    for slice in iov {
        to.data(slice);
    }
    to.close();
}

fn iov_mut(to: &mut Arguments<'_>, done: Option<usize>, iov: &[IoSliceMut<'_>]) {
    to.open();
    let mut left = done.unwrap_or(0);
    for slice in iov {
        let count = left.min(slice.len());
        left -= count;
        received(to, done.map(|_| count), slice);
    }
    to.close();
}

fn recvmsg(to: &mut Arguments<'_>, done: Option<usize>, hdr: &RecvRef<'_, '_>) {
    iov_mut(to, done, hdr.iov);
    if done.is_none() {
        return;
    }
    if *hdr.name_len > 0 {
        to.addr(&hdr.name[..(*hdr.name_len).min(hdr.name.len())]);
    }
    to.control(*hdr.control_len);
    let flags = *hdr.flags & !MSG_CMSG_CLOEXEC;
    if flags != 0 {
        to.msg_flags(flags);
    }
}

/// What `recvmsg(2)` gives into one slice, where no control message comes with it and nothing is cut off; `None`: it waits.
pub fn plain_message(to: &mut Arguments<'_>, data: Option<&[u8]>, name: &[u8], flags: i32) {
    to.open();
    received(to, data.map(<[u8]>::len), data.unwrap_or_default());
    to.close();
    if data.is_some() {
        to.addr(name);
    }
    to.flags(flags, Family::Msg);
}

fn fcntl(to: &mut Arguments<'_>, command: i32, argument: i32) {
    to.one_of(command, Family::F);
    match command {
        F_GETFD | F_GETFL => {}
        F_SETFL => _ = to.flags(argument, Family::O),
        _ => _ = to.number(argument),
    }
}

fn poll_fds(to: &mut Arguments<'_>, done: Option<usize>, fds: &[PollFd]) {
    to.open();
    for PollFd { fd, events, revents } in fds {
        to.poll_fd(*fd, *events, (done.is_some() && *revents != 0).then_some(*revents));
    }
    to.close();
}

fn fd_sets(to: &mut Arguments<'_>, sets: &[Option<&mut FdSet>; 3]) {
    for set in sets {
        let Some(set) = set else {
            to.null();
            continue;
        };
        to.open();
        for fd in (0..i32::try_from(FD_SETSIZE).expect("a small number")).filter(|fd| set.contains(*fd)) {
            to.number(fd);
        }
        to.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::names::name_of;
    use crate::trace::{CallEnd, Detail, Memory, Place, Trace};
    use twinsock::{Errno, Instant, Result, SocketAddr};

    /// What a recording shows of a call: while it waits, or once it has returned.
    fn arguments(call: &Call<'_, '_>, result: Option<Result<usize>>) -> String {
        let mut trace = Trace::new();
        trace.record_last(1, Memory::default());
        let (at, place, (name, fd)) = (Instant::from_nanos(1), Place::process(0, 1), name_of(call));
        match result {
            None => trace.waits_in_call(at, place, name, |to| list(call, None, to)),
            Some(result) => {
                trace.call_in_full(CallEnd { at, place, call: name, fd, result }, None, |to| list(call, result.ok(), to));
            }
        }
        let recorded = trace.take_recording(Vec::new()).unwrap().events().next().unwrap();
        match recorded.detail {
            Detail::Call { arguments, .. } => arguments.into(),
            Detail::Waits(text) => text.strip_prefix(name.name()).unwrap().trim_matches(['(', ')']).to_owned(),
            Detail::None | Detail::Packet(_) => unreachable!(),
        }
    }

    /// What a recording shows of a `recvmsg(2)` on the short way.
    fn short_message(data: Option<&[u8]>, name: &[u8], flags: i32) -> String {
        let mut trace = Trace::new();
        trace.record_last(1, Memory::default());
        let (at, place, call) = (Instant::from_nanos(1), Place::process(0, 1), crate::trace::CallName::new("recvmsg"));
        match data {
            None => trace.waits_in_call(at, place, call, |to| plain_message(to.number(3), None, name, flags)),
            Some(data) => {
                let end = CallEnd { at, place, call, fd: Some(3), result: Ok(data.len()) };
                trace.call_in_full(end, None, |to| plain_message(to.number(3), Some(data), name, flags));
            }
        }
        let recorded = trace.take_recording(Vec::new()).unwrap().events().next().unwrap();
        match recorded.detail {
            Detail::Call { arguments, .. } => arguments.into(),
            Detail::Waits(text) => text.strip_prefix("recvmsg").unwrap().trim_matches(['(', ')']).to_owned(),
            Detail::None | Detail::Packet(_) => unreachable!(),
        }
    }

    #[test]
    fn a_message_reads_the_same_on_both_ways() {
        let addr = SocketAddr::from("10.0.0.1:80".parse::<std::net::SocketAddr>().unwrap()).encode().unwrap();
        for flags in [0, MSG_DONTWAIT | MSG_CMSG_CLOEXEC] {
            let mut named = [0; 128];
            named[..16].copy_from_slice(addr.as_bytes());
            let mut data = *b"hello";
            let (mut name_len, mut control_len, mut told) = (16, 0, flags & MSG_CMSG_CLOEXEC);
            let (iov, control) = (&mut [IoSliceMut::new(&mut data)], &mut []);
            let hdr = RecvRef {
                name: &mut named,
                name_len: &mut name_len,
                iov,
                control,
                control_len: &mut control_len,
                flags: &mut told,
            };
            let call = Call::Recvmsg { fd: 3, hdr, flags };
            assert_eq!(arguments(&call, Some(Ok(5))), short_message(Some(b"hello"), addr.as_bytes(), flags));
            assert_eq!(arguments(&call, None), short_message(None, addr.as_bytes(), flags));
        }
    }

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
        assert_eq!(arguments(&recv, Some(Err(Errno::AGAIN))), "4, ..., 12, 0");
        let mut fds = [PollFd { fd: 3, events: 1, revents: 1 }];
        let poll = Call::Poll { fds: &mut fds, timeout: -1 };
        assert_eq!(arguments(&poll, Some(Ok(1))), "[3: POLLIN -> POLLIN], -1");
    }

    #[test]
    fn the_short_ways_read_as_the_long_ones() {
        let data: Vec<u8> = (0..40).collect();
        let (at, place) = (Instant::from_nanos(1), Place::process(0, 1));
        let mut trace = Trace::new();
        trace.record_last(100, Memory::default());
        let end = |call: &Call<'_, '_>| CallEnd { at, place, call: name_of(call).0, fd: Some(3), result: Ok(40) };
        for addr in ["10.0.0.1:80", "[fd00::1]:80", ""] {
            let addr = addr.parse::<std::net::SocketAddr>().ok().map(|addr| SocketAddr::from(addr).encode().unwrap());
            let addr = addr.as_ref().map(|addr| addr.as_bytes());
            let send = Call::Sendto { fd: 3, data: &data, flags: MSG_NOSIGNAL, addr };
            trace.call_in_full(end(&send), None, |to| list(&send, Some(40), to));
            let sent = Transfer { data: &data, room: 40, flags: MSG_NOSIGNAL, name: addr };
            trace.send_in_full(end(&send), None, 3, &sent);
            let (mut into, mut bytes, mut len) = ([&data[..], &[0; 24]].concat(), [0; 128], 0);
            let name = addr.map(|addr| {
                bytes[..addr.len()].copy_from_slice(addr);
                len = i32::try_from(addr.len()).unwrap();
                Name { bytes: &mut bytes, len: &mut len }
            });
            let recv = Call::Recvfrom { fd: 3, into: &mut into, flags: 0, name };
            let (call, _) = name_of(&recv);
            trace.waits_in_call(at, place, call, |to| list(&recv, None, to));
            trace.waits_in_recv(at, place, (3, 64), (0, addr.is_some()));
            trace.call_in_full(end(&recv), None, |to| list(&recv, Some(40), to));
            trace.recv_in_full(end(&recv), None, 3, &Transfer { data: &data, room: 64, flags: 0, name: addr });
        }
        let events: Vec<_> = trace.take_recording(Vec::new()).unwrap().events().collect();
        assert!(events.len() == 18 && events.chunks(2).all(|pair| pair[0] == pair[1]), "{events:#?}");
    }
}
