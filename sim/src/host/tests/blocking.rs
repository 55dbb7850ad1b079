//! Calls that wait: wakes, timeouts, signals, and a close under them.

use super::*;

fn recv_call(fd: RawFd, into: &mut [u8], flags: i32) -> Call<'_, '_> {
    Call::Recvfrom { fd, into, flags, name: None }
}

#[test]
fn a_receive_waits_for_data() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let mut into = [0; 8];
    let op = net.park(server, 7, recv_call(far, &mut into, 0));
    assert_eq!(op.deadline(), None);
    assert_eq!(op.what().to_string(), format!("recv on fd {far}"));
    let described = net.hosts[0].describe(&op);
    assert!(described.contains("tcp 10.0.0.1:80 <-> 10.0.0.2:3"), "{described}");
    assert_eq!(net.wakes(server), [] as [u64; 0]);
    net.send(client, near, b"one").unwrap();
    net.send(client, near, b"two").unwrap();
    assert_eq!(net.wakes(server), [7], "once per park");
    assert_eq!(net.resume(server, op, recv_call(far, &mut into, 0)), Ok(6));
    assert_eq!(&into[..6], b"onetwo");
    net.send(client, near, b"x").unwrap();
    assert_eq!(net.wakes(server), [] as [u64; 0], "nobody waits any more");
}

#[test]
fn a_call_woken_in_vain_goes_on_waiting() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let (mut first, mut second) = ([0; 8], [0; 8]);
    let one = net.park(server, 1, recv_call(far, &mut first, 0));
    let two = net.park(server, 2, recv_call(far, &mut second, 0));
    net.send(client, near, b"x").unwrap();
    assert_eq!(net.wakes(server), [1, 2], "all readers are woken, first come first served");
    assert_eq!(net.resume(server, two, recv_call(far, &mut second, 0)), Ok(1));
    let mut call = recv_call(far, &mut first, 0);
    let progress = net.enter(0, |host, cx| host.resume(cx, one, &mut call));
    let Progress::Parked(one) = progress else { panic!("nothing is left: {progress:?}") };
    net.send(client, near, b"y").unwrap();
    assert_eq!(net.wakes(server), [1]);
    assert_eq!(net.resume(server, one, recv_call(far, &mut first, 0)), Ok(1));
}

#[test]
fn a_disconnect_cuts_a_receive_off_and_leaves_the_error() {
    let (mut net, server, client) = Net::two();
    let (far, _near) = net.connection(server, client);
    let mut into = [0; 8];
    let op = net.park(server, 1, recv_call(far, &mut into, 0));
    net.call(server, Call::Connect { fd: far, addr: &[0; 16] }).unwrap();
    assert_eq!(net.wakes(server), [1]);
    assert_eq!(net.resume(server, op, recv_call(far, &mut into, 0)), Err(Errno::PIPE));
    assert_eq!(net.error(server, far), Some(Errno::CONNRESET));
}

#[test]
fn a_receive_times_out() {
    let (mut net, server, client) = Net::two();
    let (far, _near) = net.connection(server, client);
    net.set_timeout(server, far, c::SO_RCVTIMEO, 101);
    let mut into = [0; 8];
    let op = net.park(server, 1, recv_call(far, &mut into, 0));
    let deadline = op.deadline().unwrap();
    assert_eq!(deadline - net.now, Duration::from_millis(104), "rounded up to a tick of 4 ms");
    net.set_timeout(server, far, c::SO_RCVTIMEO, 0);
    net.advance(Duration::from_millis(104));
    assert_eq!(net.resume(server, op, recv_call(far, &mut into, 0)), Err(Errno::AGAIN));
    let flags = c::O_NONBLOCK;
    let op = net.park(server, 1, recv_call(far, &mut into, 0));
    net.call(server, Call::Fcntl { fd: far, command: c::F_SETFL, argument: flags }).unwrap();
    assert_eq!(net.wakes(server), [] as [u64; 0], "O_NONBLOCK does not end a call that waits");
    assert_eq!(net.enter(0, |host, cx| host.interrupt(cx, op)), Err(Errno::INTR));
    assert_eq!(net.recv_with(server, far, 1, 0), Err(Errno::AGAIN));
}

#[test]
fn waitall_returns_its_part_at_the_end() {
    for (how, after) in [("close", Ok(0)), ("reset", Err(Errno::CONNRESET)), ("signal", Err(Errno::AGAIN))] {
        let (mut net, server, client) = Net::two();
        let (far, near) = net.connection(server, client);
        let mut into = [0; 8];
        let op = net.park(server, 1, recv_call(far, &mut into, c::MSG_WAITALL));
        net.send(client, near, b"abc").unwrap();
        let mut call = recv_call(far, &mut into, c::MSG_WAITALL);
        let Progress::Parked(op) = net.enter(0, |host, cx| host.resume(cx, op, &mut call)) else { panic!("8 bytes") };
        net.wakes(server);
        let result = match how {
            "signal" => net.enter(0, |host, cx| host.interrupt(cx, op)),
            how => {
                if how == "reset" {
                    net.set_linger(client, near, 0);
                }
                net.close(client, near).unwrap();
                assert_eq!(net.wakes(server), [1]);
                net.resume(server, op, recv_call(far, &mut into, c::MSG_WAITALL))
            }
        };
        assert_eq!(result, Ok(3), "{how}");
        assert_eq!(&into[..3], b"abc");
        assert_eq!(net.recv(server, far).map(|data| data.len()), after, "{how}");
    }
}

#[test]
fn rcvlowat_makes_a_blocking_receive_wait_for_more() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.set(server, far, c::SOL_SOCKET, c::SO_RCVLOWAT, 4).unwrap();
    let mut into = [0; 8];
    let op = net.park(server, 1, recv_call(far, &mut into, 0));
    net.send(client, near, b"abc").unwrap();
    assert_eq!(net.poll(server, far), OUT);
    assert_eq!(net.wakes(server), [] as [u64; 0]);
    net.send(client, near, b"d").unwrap();
    assert_eq!(net.wakes(server), [1]);
    assert_eq!(net.resume(server, op, recv_call(far, &mut into, 0)), Ok(4));
    net.send(client, near, b"ab").unwrap();
    assert_eq!(net.recv(server, far), Ok(b"ab".to_vec()), "a nonblocking receive takes what is there");
}

#[test]
fn a_blocking_send_returns_when_all_is_queued() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.set(client, near, c::SOL_SOCKET, c::SO_SNDBUF, 8192).unwrap();
    net.set(server, far, c::SOL_SOCKET, c::SO_RCVBUF, 8192).unwrap();
    let data: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    let mut call = Call::Sendto { fd: near, data: &data, flags: 0, addr: None };
    let Progress::Parked(mut op) = net.begin(client, 3, &mut call) else { panic!("it does not fit") };
    let mut received = Vec::new();
    let sent = loop {
        net.advance(Duration::from_millis(50));
        let mut into = vec![0; 65_536];
        while let Ok(count) = net.call(server, Call::Recvfrom { fd: far, into: &mut into, flags: c::MSG_DONTWAIT, name: None }) {
            received.extend(&into[..count]);
        }
        if net.wakes(client) == [3] {
            match net.enter(1, |host, cx| host.resume(cx, op, &mut call)) {
                Progress::Done(result) => break result,
                Progress::Parked(again) => op = again,
            }
        }
        assert!(net.now < Instant::from_nanos(60_000_000_000), "{} bytes in a minute", received.len());
    };
    assert_eq!(sent, Ok(data.len()));
    while received.len() < data.len() {
        net.advance(Duration::from_millis(50));
        received.extend(net.recv_with(server, far, 65_536, c::MSG_DONTWAIT).unwrap_or_default());
    }
    assert_eq!(received, data, "no byte is lost or made up");
}

#[test]
fn a_full_buffer_ends_a_nonblocking_send_with_a_part_and_then_eagain() {
    let (mut net, server, client) = Net::two();
    let (_far, near) = net.connection(server, client);
    net.set(client, near, c::SOL_SOCKET, c::SO_SNDBUF, 8192).unwrap();
    let data = vec![7; 16 << 20];
    let send = || Call::Sendto { fd: near, data: &data, flags: c::MSG_DONTWAIT, addr: None };
    let part = net.call(client, send()).unwrap();
    assert!(part > 0 && part < data.len());
    while net.call(client, send()).is_ok() {}
    assert_eq!(net.call(client, send()), Err(Errno::AGAIN));
    net.set_timeout(client, near, c::SO_SNDTIMEO, 40);
    let blocking = || Call::Sendto { fd: near, data: &data, flags: 0, addr: None };
    let op = net.park(client, 1, blocking());
    net.now = op.deadline().unwrap();
    assert_eq!(net.resume(client, op, blocking()), Err(Errno::AGAIN));
}

#[test]
fn two_blocked_accepts_are_served_first_come_first() {
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    let accept = || Call::Accept4 { fd: listener, name: None, flags: 0 };
    let first = net.park(server, 1, accept());
    let second = net.park(server, 2, accept());
    let other = net.socket(server);
    assert_eq!(other, 3, "the waiting calls have reserved 1 and 2");
    for (token, op) in [(1, first), (2, second)] {
        let near = net.socket(client);
        net.connect(client, near, SERVER).unwrap();
        assert_eq!(net.wakes(server), [token]);
        assert_eq!(net.resume(server, op, accept()), Ok(usize::try_from(token).unwrap()));
    }
}

#[test]
fn an_interrupted_accept_passes_its_wake_on() {
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    let accept = || Call::Accept4 { fd: listener, name: None, flags: 0 };
    let first = net.park(server, 1, accept());
    let second = net.park(server, 2, accept());
    let near = net.socket(client);
    net.connect(client, near, SERVER).unwrap();
    assert_eq!(net.enter(0, |host, cx| host.interrupt(cx, first)), Err(Errno::INTR));
    assert_eq!(net.wakes(server), [2], "the wake of the first is not spent");
    assert_eq!(net.resume(server, second, accept()), Ok(2));
    assert_eq!(net.socket(server), 1, "the reserved number is free again");
}

#[test]
fn shutdown_ends_a_blocked_accept_and_receive() {
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    let accept = || Call::Accept4 { fd: listener, name: None, flags: 0 };
    let op = net.park(server, 1, accept());
    net.shutdown(server, listener, c::SHUT_RD).unwrap();
    assert_eq!(net.wakes(server), [1]);
    assert_eq!(net.resume(server, op, accept()), Err(Errno::INVAL));
    net.close(server, listener).unwrap();
    let (far, _near) = net.connection(server, client);
    let mut into = [0; 8];
    let op = net.park(server, 1, recv_call(far, &mut into, 0));
    net.shutdown(server, far, c::SHUT_RD).unwrap();
    assert_eq!(net.wakes(server), [1]);
    assert_eq!(net.resume(server, op, recv_call(far, &mut into, 0)), Ok(0));
}

#[test]
fn a_connect_is_ended_by_shutdown_or_af_unspec() {
    for (how, expected) in [("shutdown", Errno::CONNRESET), ("unspec", Errno::PIPE)] {
        let (mut net, _, client) = Net::two();
        net.loses = |_| true;
        let fd = net.socket(client);
        let addr = sockaddr(SERVER);
        let connect = || Call::Connect { fd, addr: addr.as_bytes() };
        let op = net.park(client, 1, connect());
        match how {
            "shutdown" => net.shutdown(client, fd, c::SHUT_RDWR),
            _ => net.call(client, Call::Connect { fd, addr: &[0, 0] }),
        }
        .unwrap();
        assert_eq!(net.wakes(client), [1]);
        assert_eq!(net.resume(client, op, connect()), Err(expected), "{how}");
    }
}

#[test]
fn sndtimeo_bounds_connect() {
    let (mut net, _, client) = Net::two();
    net.loses = |_| true;
    let fd = net.socket(client);
    net.set_timeout(client, fd, c::SO_SNDTIMEO, 200);
    let addr = sockaddr(SERVER);
    let connect = || Call::Connect { fd, addr: addr.as_bytes() };
    for expected in [Errno::INPROGRESS, Errno::ALREADY] {
        let op = net.park(client, 1, connect());
        net.advance(Duration::from_millis(200));
        assert_eq!(net.resume(client, op, connect()), Err(expected));
    }
}

#[test]
fn a_blocked_call_keeps_its_socket_alive() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let mut into = [0; 8];
    let op = net.park(server, 1, recv_call(far, &mut into, 0));
    net.close(server, far).unwrap();
    assert_eq!(net.recv(client, near), Err(Errno::AGAIN), "no FIN yet");
    net.send(client, near, b"still").unwrap();
    assert_eq!(net.wakes(server), [1]);
    assert_eq!(net.resume(server, op, recv_call(far, &mut into, 0)), Ok(5));
    assert_eq!(net.recv(client, near), Ok(vec![]), "the FIN comes when the call returns");
}

#[test]
fn a_closed_listener_still_serves_the_accept_that_waits() {
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    let accept = || Call::Accept4 { fd: listener, name: None, flags: 0 };
    let op = net.park(server, 1, accept());
    net.close(server, listener).unwrap();
    let near = net.socket(client);
    assert_eq!(net.connect(client, near, SERVER), Ok(0));
    assert!(net.resume(server, op, accept()).is_ok());
    let late = net.socket(client);
    assert_eq!(net.connect(client, late, SERVER), Err(Errno::CONNREFUSED));
}

#[test]
fn a_process_that_dies_silently_leaves_its_calls_stale() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    let mut into = [0; 8];
    let op = net.park(server, 1, recv_call(far, &mut into, 0));
    let passed = net.passed;
    net.hosts[0].kill_silently(server.pid);
    net.enter(0, |_, _| ());
    assert_eq!(net.passed, passed, "nothing is sent");
    assert_eq!(net.enter(0, |host, cx| host.interrupt(cx, op)), Err(Errno::INTR));
    assert!(net.netstat(0).is_empty());
    assert_eq!(net.call(server, Call::Close { fd: far }), Err(Errno::BADF));
    net.send(client, near, b"anybody?").unwrap();
    assert_eq!(net.recv(client, near), Err(Errno::CONNRESET), "the RST of the rebooted host");
}

#[test]
fn exit_closes_descriptors_in_order() {
    let (mut net, server, client) = Net::two();
    let (_far, near) = net.connection(server, client);
    while net.enter(0, |host, cx| host.exit_process(cx, server.pid)) {}
    assert_eq!(net.recv(client, near), Ok(vec![]));
    assert_eq!(net.call(server, Call::Dup { fd: 0 }), Err(Errno::BADF));
}
