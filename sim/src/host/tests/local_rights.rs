//! Descriptors and credentials that pass through local sockets.

use super::local::{DGRAM, STREAM, local};
use super::*;
use std::io::{IoSlice, IoSliceMut};
use twinsock::raw::{RecvHdr, SendHdr};

fn cmsg(kind: i32, data: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + data.len()).to_ne_bytes().to_vec();
    bytes.extend(c::SOL_SOCKET.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

pub(super) fn rights(fds: &[RawFd]) -> Vec<u8> {
    cmsg(c::SCM_RIGHTS, &fds.iter().flat_map(|fd| fd.to_ne_bytes()).collect::<Vec<_>>())
}

/// What `recvmsg` gave: data, descriptors, credentials, flags.
#[derive(Debug, Default, PartialEq, Eq)]
struct Got {
    data: Vec<u8>,
    fds: Vec<RawFd>,
    credentials: Option<[i32; 3]>,
    flags: i32,
}

impl Net {
    fn sendmsg(&mut self, proc: Proc, fd: RawFd, data: &[u8], control: &[u8]) -> Result<usize> {
        let hdr = SendHdr { name: None, iov: &[IoSlice::new(data)], control };
        self.call(proc, Call::Sendmsg { fd, hdr: &hdr, flags: c::MSG_DONTWAIT })
    }

    fn recvmsg(&mut self, proc: Proc, fd: RawFd, room: usize, flags: i32) -> Result<Got> {
        let (mut into, mut control) = ([0; 64], vec![0; room]);
        let mut iov = [IoSliceMut::new(&mut into)];
        let mut hdr = RecvHdr { name: &mut [], name_len: 0, iov: &mut iov, control: &mut control, control_len: 0, flags: 0 };
        let len = self.call(proc, Call::Recvmsg { fd, hdr: (&mut hdr).into(), flags: flags | c::MSG_DONTWAIT })?;
        let (control_len, flags) = (hdr.control_len, hdr.flags);
        let mut got = Got { data: into[..len].to_vec(), flags, ..Got::default() };
        for message in crate::host::cmsg::messages(&control[..control_len]) {
            let message = message?;
            let words = message.data.as_chunks::<4>().0.iter().map(|word| i32::from_ne_bytes(*word)).collect::<Vec<_>>();
            match message.kind {
                c::SCM_RIGHTS => got.fds = words,
                c::SCM_CREDENTIALS => got.credentials = Some(words.try_into().unwrap()),
                kind => panic!("an unexpected message {kind}"),
            }
        }
        Ok(got)
    }
}

#[test]
fn a_descriptor_is_passed_to_another_process() {
    let (mut net, server, client) = Net::two();
    let other = net.spawn(0);
    let (far, near) = net.connection(server, client);
    let listener = net.local_listener(server, STREAM, "@l", 1);
    let end = net.local(other, STREAM);
    net.connect_local(other, end, "@l").unwrap();
    let mine = fd(net.accept(server, listener));
    assert_eq!(net.sendmsg(server, mine, b"!", &rights(&[far])), Ok(1));
    net.close(server, far).unwrap();
    net.send(client, near, b"to whoever has it").unwrap();
    let got = net.recvmsg(other, end, 64, c::MSG_CMSG_CLOEXEC).unwrap();
    assert_eq!((got.data, got.fds.clone(), got.flags), (b"!".to_vec(), vec![1], c::MSG_CMSG_CLOEXEC));
    assert_eq!(net.call(other, Call::Fcntl { fd: 1, command: c::F_GETFD, argument: 0 }), Ok(1));
    assert_eq!(net.recv(other, 1), Ok(b"to whoever has it".to_vec()));
    net.close(other, 1).unwrap();
    assert_eq!(net.recv(client, near), Ok(vec![]), "that was the last one");
}

#[test]
fn what_does_not_fit_is_closed() {
    let (mut net, p, _) = Net::two();
    let (a, b) = net.pair(p, STREAM);
    let sent = |net: &mut Net| {
        let (x, y) = net.pair(p, STREAM);
        net.sendmsg(p, a, b"m", &rights(&[y, y])).unwrap();
        net.close(p, y).unwrap();
        x
    };
    let x = sent(&mut net);
    let got = net.recvmsg(p, b, 20, 0).unwrap();
    assert_eq!((got.fds.len(), got.flags), (1, c::MSG_CTRUNC), "room for one");
    assert_eq!(net.send(p, x, b"held"), Ok(4));
    net.close(p, got.fds[0]).unwrap();
    assert_eq!(net.send(p, x, b"gone"), Err(Errno::PIPE));
    let x = sent(&mut net);
    assert_eq!(net.recv(p, b), Ok(b"m".to_vec()), "recv takes no descriptors");
    assert_eq!(net.send(p, x, b"gone"), Err(Errno::PIPE));
    let x = sent(&mut net);
    net.hosts[0].set_rlimit_nofile(p.pid, 5);
    let got = net.recvmsg(p, b, 64, 0).unwrap();
    assert_eq!((got.fds, got.flags), (vec![], c::MSG_CTRUNC), "no free number");
    assert_eq!(net.send(p, x, b"gone"), Err(Errno::PIPE));
}

#[test]
fn a_peek_copies_descriptors() {
    let (mut net, p, _) = Net::two();
    let (a, b) = net.pair(p, DGRAM);
    let (x, y) = net.pair(p, STREAM);
    net.sendmsg(p, a, b"m", &rights(&[y])).unwrap();
    net.close(p, y).unwrap();
    let peeked = net.recvmsg(p, b, 64, c::MSG_PEEK).unwrap();
    let cut = net.recvmsg(p, b, 0, c::MSG_PEEK).unwrap();
    assert_eq!((cut.fds, cut.flags), (vec![], c::MSG_CTRUNC));
    let taken = net.recvmsg(p, b, 64, 0).unwrap();
    assert_ne!(peeked.fds, taken.fds);
    for fd in [peeked.fds[0], taken.fds[0]] {
        assert_eq!(net.send(p, x, b"held"), Ok(4));
        net.close(p, fd).unwrap();
    }
    assert_eq!(net.send(p, x, b"gone"), Err(Errno::PIPE));
}

#[test]
fn a_send_that_fails_takes_nothing() {
    let (mut net, p, _) = Net::two();
    let (a, b) = net.pair(p, STREAM);
    let (x, y) = net.pair(p, STREAM);
    assert_eq!(net.sendmsg(p, a, b"m", &rights(&[y, 99])), Err(Errno::BADF));
    assert_eq!(net.sendmsg(p, a, b"m", &rights(&vec![y; 254])), Err(Errno::INVAL));
    assert_eq!(net.sendmsg(p, a, b"m", &cmsg(77, &[])), Err(Errno::INVAL));
    assert_eq!(net.sendmsg(p, a, b"", &rights(&[y])), Ok(0), "nothing is sent");
    net.close(p, b).unwrap();
    assert_eq!(net.sendmsg(p, a, b"m", &rights(&[y])), Err(Errno::PIPE));
    net.close(p, y).unwrap();
    assert_eq!(net.send(p, x, b"gone"), Err(Errno::PIPE), "nobody holds it any longer");
}

#[test]
fn a_queue_that_goes_lets_go_of_what_is_in_it() {
    let (mut net, p, _) = Net::two();
    // A chain: the end of each pair waits in the queue of the next.
    let (first, mut held) = net.pair(p, STREAM);
    for _ in 0..50 {
        let (a, b) = net.pair(p, STREAM);
        net.sendmsg(p, a, b"m", &rights(&[held])).unwrap();
        net.close(p, held).unwrap();
        net.close(p, a).unwrap();
        held = b;
    }
    assert_eq!(net.send(p, first, b"held"), Ok(4));
    net.close(p, held).unwrap();
    assert_eq!(net.send(p, first, b"gone"), Err(Errno::PIPE));
    assert_eq!(net.poll(p, first), mask(&[IN, OUT, HUP, RDHUP, ERR, PollEvents::WRBAND]));
}

#[test]
fn a_cycle_is_collected() {
    let (mut net, p, client) = Net::two();
    let (near, far) = {
        let (far, near) = net.connection(p, client);
        (near, far)
    };
    let (a, b) = net.pair(p, STREAM);
    net.sendmsg(p, a, b"m", &rights(&[b, far])).unwrap();
    for fd in [b, far] {
        net.close(p, fd).unwrap();
    }
    net.send(client, near, b"unread").unwrap();
    assert_eq!(net.send(p, a, b"x"), Ok(1), "its own queue holds it");
    let (c2, d2) = net.pair(p, STREAM);
    net.sendmsg(p, c2, b"m", &rights(&[c2, d2])).unwrap();
    net.sendmsg(p, d2, b"m", &rights(&[c2])).unwrap();
    net.close(p, c2).unwrap();
    net.close(p, d2).unwrap();
    net.close(p, a).unwrap();
    assert_eq!(net.recv(client, near), Err(Errno::CONNRESET), "a TCP socket in a lost queue is closed too");
}

#[test]
fn what_was_passed_on_outlives_a_process_that_is_killed() {
    let (mut net, p, _) = Net::two();
    let dies = net.spawn(0);
    let listener = net.local_listener(p, STREAM, "@l", 1);
    let theirs = net.local(dies, STREAM);
    net.connect_local(dies, theirs, "@l").unwrap();
    let mine = fd(net.accept(p, listener));
    let (x, y) = net.pair(dies, STREAM);
    let (z, w) = net.pair(dies, STREAM);
    net.sendmsg(dies, theirs, b"1", &rights(&[x, y])).unwrap();
    let got = net.recvmsg(p, mine, 64, 0).unwrap().fds;
    net.sendmsg(dies, theirs, b"2", &rights(&[z, w])).unwrap();
    net.hosts[0].kill_silently(dies.pid);
    assert_eq!(net.send(p, got[0], b"alive"), Ok(5));
    assert_eq!(net.recv(p, got[1]), Ok(b"alive".to_vec()));
    let got = net.recvmsg(p, mine, 64, 0).unwrap().fds;
    assert_eq!(net.send(p, got[0], b"in flight"), Ok(9));
}

#[test]
fn credentials_are_told_to_those_who_ask() {
    let (mut net, p, _) = Net::two();
    let pid = i32::try_from(p.pid.0).unwrap();
    let (a, b) = net.pair(p, DGRAM);
    net.send(p, a, b"m").unwrap();
    assert_eq!(net.recvmsg(p, b, 64, 0).unwrap().credentials, None);
    net.set(p, b, c::SOL_SOCKET, c::SO_PASSCRED, 1).unwrap();
    net.send(p, a, b"m").unwrap();
    assert_eq!(net.recvmsg(p, b, 64, 0).unwrap().credentials, Some([pid, 0, 0]));
    let claim = |net: &mut Net, proc, fd, words: [i32; 3]| {
        net.sendmsg(proc, fd, b"m", &cmsg(c::SCM_CREDENTIALS, &words.map(i32::to_ne_bytes).concat()))
    };
    assert_eq!(claim(&mut net, p, a, [pid, 7, 8]), Ok(1), "root may say so");
    assert_eq!(net.recvmsg(p, b, 64, 0).unwrap().credentials, Some([pid, 7, 8]));
    assert_eq!(claim(&mut net, p, a, [4_000_000, 0, 0]), Err(Errno::SRCH));
    let user = net.hosts[0].spawn_process(Credentials { uid: 5, gid: 6 });
    let user = Proc { host: 0, pid: user };
    let (c2, _) = net.pair(user, DGRAM);
    assert_eq!(claim(&mut net, user, c2, [pid, 5, 6]), Err(Errno::PERM));
    let (mut room, short) = ([0; 64], net.recvmsg(p, b, 3, 0));
    assert_eq!(short, Err(Errno::AGAIN));
    net.send(p, a, b"m").unwrap();
    assert_eq!(net.recvmsg(p, b, 3, 0).unwrap().flags, c::MSG_CTRUNC);
    room[0] = 1;
    let unnamed = net.local(p, DGRAM);
    net.set(p, unnamed, c::SOL_SOCKET, c::SO_PASSCRED, 1).unwrap();
    net.bind_local(p, a, "@a").unwrap();
    assert_eq!(
        net.call(p, Call::Sendto { fd: unnamed, data: &room, flags: 0, addr: Some(local("@a").as_bytes()) }),
        Err(Errno::PERM)
    );
    assert_ne!(net.sockname(p, unnamed), "Unnamed", "SO_PASSCRED gives a name");
}
