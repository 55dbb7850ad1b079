//! shutdown(2), close(2), SO_LINGER, and what the peer sees of them.

use super::*;

#[test]
fn half_close_lets_the_other_direction_go_on() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.send(client, near, b"request").unwrap();
    assert_eq!(net.shutdown(client, near, c::SHUT_WR), Ok(0));
    assert_eq!(net.poll(client, near), OUT);
    assert_eq!(net.recv(server, far), Ok(b"request".to_vec()));
    assert_eq!(net.recv(server, far), Ok(vec![]));
    assert_eq!(net.poll(server, far), mask(&[IN, OUT, RDHUP]));
    assert_eq!(net.send(server, far, b"answer"), Ok(6));
    assert_eq!(net.recv(client, near), Ok(b"answer".to_vec()));
    assert_eq!(net.shutdown(server, far, c::SHUT_WR), Ok(0));
    assert_eq!(net.recv(client, near), Ok(vec![]));
    assert_eq!(net.poll(client, near), mask(&[IN, OUT, HUP, RDHUP]));
    assert_eq!(net.poll(server, far), mask(&[IN, OUT, HUP, RDHUP]));
    assert_eq!(net.shutdown(server, far, c::SHUT_WR), Err(Errno::NOTCONN));
    assert_eq!(net.shutdown(server, far, 3), Err(Errno::INVAL));
}

#[test]
fn shutting_the_reading_side_is_local() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    assert_eq!(net.shutdown(server, far, c::SHUT_RD), Ok(0));
    assert_eq!(net.recv(server, far), Ok(vec![]));
    assert_eq!(net.poll(server, far), mask(&[IN, OUT, RDHUP]));
    assert_eq!(net.send(client, near, b"late"), Ok(4));
    assert_eq!(net.recv(server, far), Ok(b"late".to_vec()));
    assert_eq!(net.poll(client, near), OUT);
}

#[test]
fn closing_with_unread_data_resets_the_peer() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.send(client, near, b"unread").unwrap();
    net.send(server, far, b"queued").unwrap();
    net.close(server, far).unwrap();
    assert_eq!(net.recv(client, near), Ok(b"queued".to_vec()));
    assert_eq!(net.recv(client, near), Err(Errno::CONNRESET));
    assert_eq!(net.recv(client, near), Ok(vec![]));
    assert!(net.netstat(0).is_empty(), "a reset leaves no TIME_WAIT");
}

#[test]
fn linger_0_resets() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.set_linger(server, far, 0);
    assert_eq!(net.close(server, far), Ok(0));
    assert_eq!(net.send(client, near, b"x"), Err(Errno::CONNRESET));
    assert_eq!(net.send(client, near, b"x"), Err(Errno::PIPE));
}

#[test]
fn linger_waits_for_the_last_acknowledgment() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.set_linger(client, near, 5);
    net.call(client, Call::Fcntl { fd: near, command: c::F_SETFL, argument: c::O_NONBLOCK }).unwrap();
    net.loses = |_| true;
    net.send(client, near, b"slow").unwrap();
    let op = net.park(client, 4, Call::Close { fd: near });
    assert_eq!(op.deadline(), Some(net.now + Duration::from_secs(5)), "also where O_NONBLOCK is set");
    assert_eq!(net.call(client, Call::Dup { fd: near }), Err(Errno::BADF), "the number is free at once");
    net.loses = |_| false;
    net.advance(Duration::from_secs(2));
    assert_eq!(net.wakes(client), [4]);
    assert_eq!(net.resume(client, op, Call::Close { fd: near }), Ok(0));
    assert_eq!(net.recv(server, far), Ok(b"slow".to_vec()));
    assert_eq!(net.recv(server, far), Ok(vec![]));
}

#[test]
fn linger_gives_up_at_its_time_but_the_data_is_still_delivered() {
    for by_signal in [false, true] {
        let (mut net, server, client) = Net::two();
        let (far, near) = net.connection(server, client);
        net.set_linger(client, near, 1);
        net.loses = |_| true;
        net.send(client, near, b"slow").unwrap();
        let op = net.park(client, 4, Call::Close { fd: near });
        net.advance(Duration::from_secs(1));
        let result = match by_signal {
            true => net.enter(1, |host, cx| host.interrupt(cx, op)),
            false => net.resume(client, op, Call::Close { fd: near }),
        };
        assert_eq!(result, Ok(0));
        net.loses = |_| false;
        net.advance(Duration::from_secs(4));
        assert_eq!(net.recv(server, far), Ok(b"slow".to_vec()));
        assert_eq!(net.recv(server, far), Ok(vec![]));
        net.close(server, far).unwrap();
        assert!(net.hosts[1].files.iter().next().is_none());
    }
}

#[test]
fn linger_returns_when_the_fin_is_acknowledged_which_waits_like_any_ack() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.set_linger(client, near, 5);
    net.send(client, near, b"fast").unwrap();
    let mut call = Call::Close { fd: near };
    match net.begin(client, 1, &mut call) {
        Progress::Done(result) => panic!("the FIN is acknowledged after 40 ms, but close answered {result:?}"),
        Progress::Parked(op) => {
            assert!(net.wakes(client).is_empty());
            net.advance(Duration::from_millis(40));
            assert_eq!(net.wakes(client), [1], "the FIN is acknowledged");
            assert_eq!(net.resume(client, op, call), Ok(0));
        }
    }
    assert_eq!(net.recv(server, far), Ok(b"fast".to_vec()));
    assert_eq!(net.recv(server, far), Ok(vec![]));
}

#[test]
fn only_the_first_closer_waits_out_time_wait() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.close(server, far).unwrap();
    assert_eq!(net.netstat(0)[0].state, "FIN_WAIT1");
    net.advance(Duration::from_millis(4));
    assert_eq!(net.netstat(0)[0].state, "FIN_WAIT2");
    net.close(client, near).unwrap();
    assert_eq!(net.netstat(0)[0].state, "TIME_WAIT");
    assert!(net.netstat(1).is_empty());
    net.advance(Duration::from_secs(59));
    assert_eq!(net.netstat(0).len(), 1);
    net.advance(Duration::from_secs(2));
    assert!(net.netstat(0).is_empty());
    assert!(net.hosts[0].sockets.iter().next().is_none());
}

#[test]
fn connections_in_time_wait_end_together() {
    const STEP_NS: u64 = 2_048_000_000;
    let (mut net, server, client) = Net::two();
    let listener = net.listener(server, SERVER);
    let mut due = Vec::new();
    for _ in 0..2 {
        let near = net.socket(client);
        assert_eq!(net.connect(client, near, SERVER), Ok(0));
        let far = fd(net.accept(server, listener));
        net.close(server, far).unwrap();
        net.close(client, near).unwrap();
        due.push(net.now + Duration::from_secs(60));
        net.advance(Duration::from_millis(300));
    }
    let step = |at: Instant| at.as_nanos().next_multiple_of(STEP_NS);
    assert_eq!(step(due[0]), step(due[1]), "they are due within one step of the wheel");
    let waiting = |net: &Net| net.netstat(0).iter().filter(|line| line.state == "TIME_WAIT").count();
    let end = Instant::from_nanos(step(due[0]));
    net.advance(end - net.now - Duration::from_nanos(1));
    assert_eq!(waiting(&net), 2, "neither goes before the other");
    net.advance(Duration::from_nanos(1));
    assert_eq!(waiting(&net), 0);
}

#[test]
fn a_syn_ends_a_connection_in_time_wait_whether_it_is_admitted_or_not() {
    let (mut net, server, client) = Net::two();
    let listener = net.socket(server);
    net.bind(server, listener, SERVER).unwrap();
    net.listen(server, listener, 0).unwrap();
    let connect = |net: &mut Net, port: &str| {
        let near = net.nonblocking(client);
        net.bind(client, near, port).unwrap();
        assert_eq!(net.connect(client, near, SERVER), Err(Errno::INPROGRESS));
        near
    };
    let states = |net: &Net| net.netstat(0).iter().map(|line| line.state).collect::<Vec<_>>();
    let mut others = Vec::new();
    for admits in [true, false, true] {
        let near = connect(&mut net, "10.0.0.2:7000");
        let far = fd(net.accept(server, listener));
        net.close(server, far).unwrap();
        net.close(client, near).unwrap();
        assert!(states(&net).contains(&"TIME_WAIT"));
        net.advance(Duration::from_millis(10));
        if !admits {
            // One connection fills a queue of none.
            others.push(connect(&mut net, "10.0.0.2:7001"));
        }
        let near = connect(&mut net, "10.0.0.2:7000");
        assert!(!states(&net).contains(&"TIME_WAIT"));
        if !admits {
            others.push(fd(net.accept(server, listener)));
            net.advance(Duration::from_secs(1));
        }
        let far = fd(net.accept(server, listener));
        assert_eq!(net.peername(server, far), Ok("10.0.0.2:7000".to_owned()), "the SYN, or the one that repeats it, is admitted");
        net.close(client, near).unwrap();
        net.close(server, far).unwrap();
        net.advance(Duration::from_secs(63));
        assert!(net.netstat(1).len() <= others.len(), "nothing is left where the connection was closed first");
    }
    let [near, far] = others[..] else { panic!("one was not admitted") };
    net.close(client, near).unwrap();
    net.close(server, far).unwrap();
    net.close(server, listener).unwrap();
    net.advance(Duration::from_secs(63));
    assert!(net.hosts.iter().all(|host| host.netstat(net.now).is_empty()));
    let again = net.socket(server);
    assert_eq!(net.bind(server, again, SERVER), Ok(0), "nobody holds the port");
}

#[test]
fn data_for_a_closed_socket_in_fin_wait2_is_answered_with_a_reset() {
    let (mut net, server, client) = Net::two();
    let (far, near) = net.connection(server, client);
    net.close(server, far).unwrap();
    assert_eq!(net.send(client, near, b"x"), Ok(1));
    assert_eq!(net.error(client, near), Some(Errno::PIPE));
    assert!(net.netstat(0).is_empty());
}

#[test]
fn an_orphan_in_fin_wait2_goes_after_a_minute() {
    let (mut net, server, client) = Net::two();
    let (far, _near) = net.connection(server, client);
    net.close(server, far).unwrap();
    net.advance(Duration::from_secs(58));
    assert_eq!(net.netstat(0).len(), 1);
    net.advance(Duration::from_secs(5));
    assert!(net.netstat(0).is_empty());
}
