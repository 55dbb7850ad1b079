//! poll(2), select(2) and epoll(7) on sockets.

use super::*;
use twinsock::raw::{EpollEvent, FdSet};

fn epoll_add(net: &mut Net, proc: Proc, epfd: RawFd, fd: RawFd, events: i32) -> Result<usize> {
    let event = Some(EpollEvent { events: events.cast_unsigned(), data: u64::try_from(fd).unwrap() });
    net.call(proc, Call::EpollCtl { epfd, op: c::EPOLL_CTL_ADD, fd, event })
}

/// What `epoll_wait` reports at once.
fn ready(net: &mut Net, proc: Proc, epfd: RawFd) -> Vec<(u64, i32)> {
    let mut events = [EpollEvent::default(); 8];
    let count = net.call(proc, Call::EpollWait { epfd, events: &mut events, timeout: 0 }).unwrap();
    events[..count].iter().map(|event| (event.data, event.events.cast_signed())).collect()
}

#[test]
fn poll_waits_for_one_of_several() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let listener = net.listener(server, "10.0.0.1:81");
    let mut fds = [listener, -4, far].map(|fd| PollFd { fd, events: 1, revents: 9 });
    let op = net.park(server, 5, Call::Poll { fds: &mut fds, timeout: 250 });
    assert_eq!(op.deadline(), Some(net.now + Duration::from_millis(250)));
    assert_eq!(op.what().to_string(), "poll on 2 files");
    net.send(client, near, b"x").unwrap();
    assert_eq!(net.wakes(server), [5]);
    assert_eq!(net.resume(server, op, Call::Poll { fds: &mut fds, timeout: 250 }), Ok(1));
    assert_eq!(fds.map(|entry| entry.revents), [0, 0, 1]);
    net.recv(server, far).unwrap();
    let op = net.park(server, 5, Call::Poll { fds: &mut fds, timeout: 250 });
    net.advance(Duration::from_millis(250));
    assert_eq!(net.resume(server, op, Call::Poll { fds: &mut fds, timeout: 250 }), Ok(0));
    let op = net.park(server, 6, Call::Poll { fds: &mut [], timeout: 1 });
    net.now = op.deadline().unwrap();
    assert_eq!(net.resume(server, op, Call::Poll { fds: &mut [], timeout: 1 }), Ok(0), "an empty set sleeps");
}

#[test]
fn a_descriptor_closed_under_poll_is_pollnval_at_the_next_wake() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let mut fds = [PollFd { fd: far, events: 1, revents: 0 }];
    let op = net.park(server, 5, Call::Poll { fds: &mut fds, timeout: -1 });
    net.close(server, far).unwrap();
    assert_eq!(net.wakes(server), [] as [u64; 0]);
    net.send(client, near, b"x").unwrap();
    assert_eq!(net.wakes(server), [5]);
    assert_eq!(net.resume(server, op, Call::Poll { fds: &mut fds, timeout: -1 }), Ok(1));
    assert_eq!(fds[0].revents, 0x20);
    assert_eq!(net.error(client, near), Some(Errno::CONNRESET), "the poll held the socket, unread data and all");
}

#[test]
fn poll_is_woken_by_room_to_write() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.set(client, near, c::SOL_SOCKET, c::SO_SNDBUF, 8192).unwrap();
    let data = vec![0; 1 << 20];
    let send = || Call::Sendto { fd: near, data: &data, flags: c::MSG_DONTWAIT, addr: None };
    while net.call(client, send()).is_ok() {}
    assert_eq!(net.poll(client, near), PollEvents::NONE);
    let mut fds = [PollFd { fd: near, events: 4, revents: 0 }];
    let op = net.park(client, 5, Call::Poll { fds: &mut fds, timeout: -1 });
    while net.recv_with(server, far, 1 << 20, c::MSG_DONTWAIT).is_ok() {
        net.advance(Duration::from_millis(50));
    }
    assert_eq!(net.wakes(client), [5]);
    assert_eq!(net.resume(client, op, Call::Poll { fds: &mut fds, timeout: -1 }), Ok(1));
    assert_eq!(fds[0].revents, 4);
}

#[test]
fn select_reports_by_set_and_empties_them_at_a_timeout() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let (mut read, mut write) = (FdSet::new(), FdSet::new());
    read.insert(far);
    write.insert(far);
    let sets = [Some(&mut read), Some(&mut write), None];
    assert_eq!(net.call(server, Call::Select { nfds: far + 1, sets, timeout: None }), Ok(1));
    assert!(!read.contains(far) && write.contains(far));
    read.insert(far);
    let call = Call::Select { nfds: far + 1, sets: [Some(&mut read), None, None], timeout: Some(1000) };
    let op = net.park(server, 1, call);
    net.advance(Duration::from_millis(1));
    let call = Call::Select { nfds: far + 1, sets: [Some(&mut read), None, None], timeout: Some(1000) };
    assert_eq!(net.resume(server, op, call), Ok(0));
    assert_eq!(read, FdSet::new());
    read.insert(far);
    let op = net.park(server, 1, Call::Select { nfds: 9, sets: [Some(&mut read), None, None], timeout: None });
    net.send(client, near, b"x").unwrap();
    assert_eq!(net.wakes(server), [1]);
    let call = Call::Select { nfds: 9, sets: [Some(&mut read), None, None], timeout: None };
    assert_eq!(net.resume(server, op, call), Ok(1));
    assert!(read.contains(far));
    read.insert(8);
    let call = Call::Select { nfds: 9, sets: [Some(&mut read), None, None], timeout: None };
    assert_eq!(net.call(server, call), Err(Errno::BADF));
    assert_eq!(net.call(server, Call::Select { nfds: -1, sets: [None, None, None], timeout: None }), Err(Errno::INVAL));
    let call = Call::Select { nfds: 0, sets: [None, None, None], timeout: Some(-1) };
    assert_eq!(net.call(server, call), Err(Errno::INVAL));
}

#[test]
fn epoll_reports_levels_again_and_edges_once() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let level = fd(net.call(server, Call::EpollCreate1 { flags: 0 }));
    let edge = fd(net.call(server, Call::EpollCreate1 { flags: c::EPOLL_CLOEXEC }));
    let name = u64::try_from(far).unwrap();
    epoll_add(&mut net, server, level, far, c::EPOLLIN).unwrap();
    epoll_add(&mut net, server, edge, far, c::EPOLLIN | c::EPOLLOUT | c::EPOLLET).unwrap();
    assert_eq!(ready(&mut net, server, level), []);
    assert_eq!(ready(&mut net, server, edge), [(name, c::EPOLLOUT)]);
    assert_eq!(ready(&mut net, server, edge), []);
    for _ in 0..2 {
        net.send(client, near, b"ab").unwrap();
        assert_eq!(ready(&mut net, server, edge), [(name, c::EPOLLIN | c::EPOLLOUT)], "each arrival is an edge");
        net.recv_with(server, far, 1, 0).unwrap();
        assert_eq!(ready(&mut net, server, edge), [], "a partial read is none");
        assert_eq!(ready(&mut net, server, level), [(name, c::EPOLLIN)]);
        assert_eq!(ready(&mut net, server, level), [(name, c::EPOLLIN)]);
    }
    net.recv(server, far).unwrap();
    assert_eq!(ready(&mut net, server, level), []);
    net.send(server, far, b"x").unwrap();
    assert_eq!(ready(&mut net, server, edge), [], "an acknowledgment is no edge");
    net.shutdown(server, far, c::SHUT_WR).unwrap();
    assert_eq!(ready(&mut net, server, edge), [(name, c::EPOLLOUT)], "a local shutdown is");
}

#[test]
fn a_waiting_epoll_is_woken_one_waiter_per_edge() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    for (mode, expected) in [(c::EPOLLET, &[2][..]), (0, &[2, 1])] {
        let epfd = fd(net.call(server, Call::EpollCreate1 { flags: 0 }));
        epoll_add(&mut net, server, epfd, far, c::EPOLLIN | mode).unwrap();
        let mut events = [EpollEvent::default(); 4];
        let one = net.park(server, 1, Call::EpollWait { epfd, events: &mut events, timeout: -1 });
        let two = net.park(server, 2, Call::EpollWait { epfd, events: &mut events, timeout: -1 });
        net.send(client, near, b"x").unwrap();
        let mut woken = net.wakes(server);
        assert_eq!(woken, [2], "the last to come is the first to go");
        assert_eq!(net.resume(server, two, Call::EpollWait { epfd, events: &mut events, timeout: -1 }), Ok(1));
        woken.extend(net.wakes(server));
        assert_eq!(woken, expected, "level-triggered: both; edge-triggered: one");
        assert_eq!(net.enter(0, |host, cx| host.interrupt(cx, one)), Err(Errno::INTR));
        net.recv(server, far).unwrap();
        net.close(server, epfd).unwrap();
    }
}

#[test]
fn a_listener_is_an_edge_per_connection() {
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    let epfd = fd(net.call(server, Call::EpollCreate1 { flags: 0 }));
    epoll_add(&mut net, server, epfd, listener, c::EPOLLIN | c::EPOLLET).unwrap();
    let name = u64::try_from(listener).unwrap();
    for _ in 0..2 {
        let near = net.socket(client);
        net.connect(client, near, SERVER).unwrap();
        assert_eq!(ready(&mut net, server, epfd), [(name, c::EPOLLIN)]);
        assert_eq!(ready(&mut net, server, epfd), []);
    }
}

#[test]
fn a_connect_is_an_edge_when_it_ends() {
    let (mut net, server, client) = Net::two();
    let epfd = fd(net.call(client, Call::EpollCreate1 { flags: 0 }));
    let fd = net.nonblocking(client);
    let name = u64::try_from(fd).unwrap();
    let all = c::EPOLLIN | c::EPOLLOUT | c::EPOLLRDHUP | c::EPOLLET;
    epoll_add(&mut net, client, epfd, fd, all).unwrap();
    assert_eq!(ready(&mut net, client, epfd), [(name, c::EPOLLOUT | c::EPOLLHUP)], "a fresh socket");
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::INPROGRESS));
    let refused = c::EPOLLIN | c::EPOLLOUT | c::EPOLLERR | c::EPOLLHUP | c::EPOLLRDHUP;
    assert_eq!(ready(&mut net, client, epfd), [(name, refused)]);
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::CONNREFUSED));
    net.listener(server, SERVER);
    ready(&mut net, client, epfd);
    assert_eq!(net.connect(client, fd, SERVER), Err(Errno::INPROGRESS));
    assert_eq!(ready(&mut net, client, epfd), [(name, c::EPOLLOUT)]);
}

#[test]
fn epoll_forgets_a_file_at_its_last_close() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let epfd = fd(net.call(server, Call::EpollCreate1 { flags: 0 }));
    epoll_add(&mut net, server, epfd, far, c::EPOLLIN).unwrap();
    let dup = fd(net.call(server, Call::Dup { fd: far }));
    net.close(server, far).unwrap();
    net.send(client, near, b"x").unwrap();
    assert_eq!(ready(&mut net, server, epfd), [(u64::try_from(far).unwrap(), c::EPOLLIN)], "a dup keeps it");
    let remove = Call::EpollCtl { epfd, op: c::EPOLL_CTL_DEL, fd: far, event: None };
    assert_eq!(net.call(server, remove), Err(Errno::BADF));
    net.close(server, dup).unwrap();
    assert_eq!(ready(&mut net, server, epfd), []);
}

#[test]
fn epoll_sets_nest_but_not_in_circles() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let sets: Vec<RawFd> = (0..3).map(|_| fd(net.call(server, Call::EpollCreate1 { flags: 0 }))).collect();
    let name = |fd: RawFd| u64::try_from(fd).unwrap();
    epoll_add(&mut net, server, sets[0], far, c::EPOLLIN).unwrap();
    epoll_add(&mut net, server, sets[1], sets[0], c::EPOLLIN).unwrap();
    assert_eq!(epoll_add(&mut net, server, sets[1], sets[0], c::EPOLLIN), Err(Errno::EXIST));
    assert_eq!(epoll_add(&mut net, server, sets[0], sets[1], c::EPOLLIN), Err(Errno::LOOP));
    assert_eq!(epoll_add(&mut net, server, sets[0], sets[0], c::EPOLLIN), Err(Errno::INVAL));
    assert_eq!(epoll_add(&mut net, server, far, sets[0], c::EPOLLIN), Err(Errno::INVAL));
    assert_eq!(net.poll(server, sets[1]), PollEvents::NONE);
    let mut events = [EpollEvent::default(); 4];
    let op = net.park(server, 1, Call::EpollWait { epfd: sets[1], events: &mut events, timeout: -1 });
    net.send(client, near, b"x").unwrap();
    assert_eq!(net.wakes(server), [1]);
    assert_eq!(net.resume(server, op, Call::EpollWait { epfd: sets[1], events: &mut events, timeout: -1 }), Ok(1));
    assert_eq!(events[0].data, name(sets[0]));
    assert_eq!(net.poll(server, sets[1]), IN);
    assert_eq!(net.call(server, Call::EpollWait { epfd: sets[1], events: &mut [], timeout: 0 }), Err(Errno::INVAL));
    assert_eq!(net.call(server, Call::EpollWait { epfd: far, events: &mut events, timeout: 0 }), Err(Errno::INVAL));
    for fd in sets {
        net.close(server, fd).unwrap();
    }
    assert!(net.hosts[0].epolls.iter().next().is_none());
}
