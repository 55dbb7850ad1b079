//! Calls on local sockets that wait: who is woken, in what order, and what ends a wait.

use super::local::{DGRAM, SEQPACKET, STREAM, local};
use super::*;

fn recv(fd: RawFd, into: &mut [u8]) -> Call<'_, '_> {
    Call::Recvfrom { fd, into, flags: 0, name: None }
}

fn send<'a>(fd: RawFd, data: &'a [u8]) -> Call<'a, 'a> {
    Call::Sendto { fd, data, flags: 0, addr: None }
}

#[test]
fn a_receive_waits_for_data_and_for_the_end() {
    let (mut net, p, _) = Net::two();
    for kind in [STREAM, SEQPACKET, DGRAM] {
        let (a, b) = net.pair(p, kind);
        let mut into = [0; 9];
        let op = net.park(p, 1, recv(b, &mut into));
        assert!(net.wakes(p).is_empty());
        net.send(p, a, b"data").unwrap();
        assert_eq!(net.wakes(p), [1]);
        assert_eq!(net.resume(p, op, recv(b, &mut into)), Ok(4));
        let op = net.park(p, 2, recv(b, &mut into));
        net.shutdown(p, if kind == DGRAM { b } else { a }, if kind == DGRAM { c::SHUT_RD } else { c::SHUT_WR }).unwrap();
        assert_eq!(net.wakes(p), [2]);
        assert_eq!(net.resume(p, op, recv(b, &mut into)), Ok(0));
    }
}

#[test]
fn readers_of_datagrams_are_woken_one_by_one_and_those_of_a_stream_together() {
    let (mut net, p, _) = Net::two();
    for (kind, expected) in [(DGRAM, vec![1]), (STREAM, vec![1, 2])] {
        let (a, b) = net.pair(p, kind);
        let (mut one, mut two) = ([0; 9], [0; 9]);
        let first = net.park(p, 1, recv(b, &mut one));
        let second = net.park(p, 2, recv(b, &mut two));
        net.send(p, a, b"x").unwrap();
        assert_eq!(net.wakes(p), expected);
        assert_eq!(net.resume(p, first, recv(b, &mut one)), Ok(1));
        assert_eq!(net.enter(0, |host, cx| host.interrupt(cx, second)), Err(Errno::INTR));
    }
}

#[test]
fn accept_waits_and_is_served_in_order() {
    let (mut net, p, _) = Net::two();
    let listener = net.local_listener(p, STREAM, "@l", 5);
    let accept = || Call::Accept4 { fd: listener, name: None, flags: 0 };
    let first = net.park(p, 1, accept());
    let second = net.park(p, 2, accept());
    let near = net.local(p, STREAM);
    net.connect_local(p, near, "@l").unwrap();
    assert_eq!(net.wakes(p), [1]);
    assert_eq!(net.resume(p, first, accept()), Ok(1), "the number was reserved from the start");
    net.shutdown(p, listener, c::SHUT_RD).unwrap();
    assert_eq!(net.wakes(p), [2]);
    assert_eq!(net.resume(p, second, accept()), Err(Errno::INVAL));
    assert_eq!(net.local(p, STREAM), 2, "its number is free again");
}

#[test]
fn a_connect_waits_for_room_in_the_backlog() {
    let (mut net, p, _) = Net::two();
    let listener = net.local_listener(p, STREAM, "@l", 0);
    let first = net.local(p, STREAM);
    net.connect_local(p, first, "@l").unwrap();
    let (name, second, third) = (local("@l"), net.local(p, STREAM), net.local(p, STREAM));
    let connect = |fd| Call::Connect { fd, addr: name.as_bytes() };
    let waits = net.park(p, 1, connect(second));
    let waits_too = net.park(p, 2, connect(third));
    net.accept(p, listener).unwrap();
    assert_eq!(net.wakes(p), [1], "room for one");
    assert_eq!(net.resume(p, waits, connect(second)), Ok(0));
    net.close(p, listener).unwrap();
    assert_eq!(net.wakes(p), [2]);
    assert_eq!(net.resume(p, waits_too, connect(third)), Err(Errno::CONNREFUSED));
}

#[test]
fn a_connect_that_gives_up_passes_its_wake_on() {
    let (mut net, p, _) = Net::two();
    let listener = net.local_listener(p, STREAM, "@l", 0);
    let first = net.local(p, STREAM);
    net.connect_local(p, first, "@l").unwrap();
    let (name, second, third) = (local("@l"), net.local(p, STREAM), net.local(p, STREAM));
    let connect = |fd| Call::Connect { fd, addr: name.as_bytes() };
    let waits = net.park(p, 1, connect(second));
    let waits_too = net.park(p, 2, connect(third));
    net.accept(p, listener).unwrap();
    assert_eq!(net.enter(0, |host, cx| host.interrupt(cx, waits)), Err(Errno::INTR));
    assert_eq!(net.wakes(p), [2], "the first is gone already");
    assert_eq!(net.resume(p, waits_too, connect(third)), Ok(0));
}

#[test]
fn a_datagram_waits_for_room_at_its_target() {
    let (mut net, p, _) = Net::two();
    let (a, b) = (net.local(p, DGRAM), net.local(p, DGRAM));
    net.bind_local(p, b, "@b").unwrap();
    while net.sendto_local(p, a, b"x", "@b").is_ok() {}
    let name = local("@b");
    let sendto = || Call::Sendto { fd: a, data: b"late", flags: 0, addr: Some(name.as_bytes()) };
    let op = net.park(p, 1, sendto());
    net.recv(p, b).unwrap();
    assert_eq!(net.wakes(p), [1]);
    assert_eq!(net.resume(p, op, sendto()), Ok(4));
    let op = net.park(p, 2, sendto());
    net.close(p, b).unwrap();
    assert_eq!(net.wakes(p), [2]);
    assert_eq!(net.resume(p, op, sendto()), Err(Errno::CONNREFUSED));
}

#[test]
fn a_long_send_goes_on_until_all_is_sent_or_ends_with_its_part() {
    let (mut net, p, _) = Net::two();
    let (a, b) = net.pair(p, STREAM);
    let data = vec![7; 300_000];
    let op = net.park(p, 1, send(a, &data));
    let mut got = 0;
    let mut op = Some(op);
    while let Some(waiting) = op.take() {
        got += net.recv_with(p, b, 65_536, c::MSG_DONTWAIT).unwrap_or_default().len();
        if net.wakes(p).is_empty() {
            op = Some(waiting);
            continue;
        }
        match net.enter(0, |host, cx| host.resume(cx, waiting, &mut send(a, &data))) {
            Progress::Done(result) => assert_eq!(result, Ok(300_000)),
            Progress::Parked(again) => op = Some(again),
        }
    }
    while let Ok(more) = net.recv_with(p, b, 65_536, c::MSG_DONTWAIT) {
        got += more.len();
    }
    assert_eq!(got, 300_000);
    let op = net.park(p, 1, send(a, &data));
    assert_eq!(net.enter(0, |host, cx| host.interrupt(cx, op)), Ok(219_264), "a signal ends it with its part");
}

#[test]
fn timeouts_end_waits() {
    let (mut net, p, _) = Net::two();
    let (a, b) = net.pair(p, STREAM);
    net.set_timeout(p, b, c::SO_RCVTIMEO, 100);
    let mut into = [0; 9];
    let op = net.park(p, 1, recv(b, &mut into));
    assert_eq!(op.deadline(), Some(net.now + Duration::from_millis(100)));
    net.advance(Duration::from_millis(100));
    assert_eq!(net.resume(p, op, recv(b, &mut into)), Err(Errno::AGAIN));
    // A part is an answer.
    fn waitall(fd: RawFd, into: &mut [u8]) -> Call<'_, '_> {
        Call::Recvfrom { fd, into, flags: c::MSG_WAITALL, name: None }
    }
    net.send(p, a, b"part").unwrap();
    let op = net.park(p, 2, waitall(b, &mut into));
    net.advance(Duration::from_millis(100));
    assert_eq!(net.resume(p, op, waitall(b, &mut into)), Ok(4));
    net.set_timeout(p, b, c::SO_RCVTIMEO, -1000);
    assert_eq!(net.call(p, recv(b, &mut into)), Err(Errno::AGAIN), "a negative timeout is none at all");
    let listener = net.local_listener(p, STREAM, "@l", 0);
    let (one, two) = (net.local(p, STREAM), net.local(p, STREAM));
    net.connect_local(p, one, "@l").unwrap();
    net.set_timeout(p, two, c::SO_SNDTIMEO, 40);
    let name = local("@l");
    let connect = || Call::Connect { fd: two, addr: name.as_bytes() };
    let op = net.park(p, 3, connect());
    net.advance(Duration::from_millis(40));
    assert_eq!(net.resume(p, op, connect()), Err(Errno::AGAIN));
    net.close(p, listener).unwrap();
}

#[test]
fn a_socket_lives_as_long_as_a_call_on_it() {
    let (mut net, p, _) = Net::two();
    let (a, b) = net.pair(p, STREAM);
    let mut into = [0; 9];
    let op = net.park(p, 1, recv(b, &mut into));
    net.close(p, b).unwrap();
    assert_eq!(net.send(p, a, b"still"), Ok(5), "the call has the socket");
    assert_eq!(net.wakes(p), [1]);
    assert_eq!(net.resume(p, op, recv(b, &mut into)), Ok(5));
    assert_eq!(net.send(p, a, b"gone"), Err(Errno::PIPE));
}

#[test]
fn the_end_of_a_process_is_the_end_of_its_sockets() {
    let (mut net, p, _) = Net::two();
    let listener = net.local_listener(p, STREAM, "@l", 1);
    let (dies, near) = (net.spawn(0), net.local(p, STREAM));
    let theirs = net.local(dies, STREAM);
    net.connect_local(dies, theirs, "@l").unwrap();
    let far = fd(net.accept(p, listener));
    let mut into = [0; 9];
    let op = net.park(p, 1, recv(far, &mut into));
    net.hosts[0].kill_silently(dies.pid);
    assert_eq!(net.wakes(p), [1], "a host knows what became of its own processes");
    assert_eq!(net.resume(p, op, recv(far, &mut into)), Ok(0));
    net.close(p, near).unwrap();
}

#[test]
fn a_call_of_a_killed_process_ends() {
    let (mut net, ..) = Net::two();
    let dies = net.spawn(0);
    let (_, b) = net.pair(dies, STREAM);
    let mut into = [0; 9];
    let op = net.park(dies, 1, recv(b, &mut into));
    net.hosts[0].kill_silently(dies.pid);
    assert_eq!(net.enter(0, |host, cx| host.interrupt(cx, op)), Err(Errno::INTR));
}

#[test]
fn a_wait_is_described() {
    let (mut net, p, _) = Net::two();
    let listener = net.local_listener(p, STREAM, "/tmp/server", 1);
    let op = net.park(p, 1, Call::Accept4 { fd: listener, name: None, flags: 0 });
    assert_eq!(net.hosts[0].describe(&op), "accept on fd 0 (unix:/tmp/server)");
    assert_eq!(net.enter(0, |host, cx| host.interrupt(cx, op)), Err(Errno::INTR));
}
