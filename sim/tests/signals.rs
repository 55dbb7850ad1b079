//! Signals, limits, users and kernel constants: what a process may ask of its kernel beyond sockets, `signal(7)`, `credentials(7)`.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream, UdpSocket};
use twinsock::option;
use twinsock::sync::channel;
use twinsock::{Clock, Domain, Errno, JoinThread, MsgFlags, Protocol, Result, SockFlags, SocketAddr, SocketApi, Spawn, Type};
use twinsock_sim::{Interleaving, Net, Signal, Sim};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn tcp(net: &Net) -> <Net as SocketApi>::Socket {
    net.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT).unwrap()
}

fn address(text: &str) -> SocketAddr {
    text.parse::<std::net::SocketAddr>().unwrap().into()
}

fn listener(net: &Net) -> (<Net as SocketApi>::Socket, SocketAddr) {
    let listener = tcp(net);
    net.bind(&listener, &address("127.0.0.1:0")).unwrap();
    net.listen(&listener, 8).unwrap();
    let addr = net.getsockname(&listener).unwrap();
    (listener, addr)
}

/// Both ends of a connection over loopback.
fn connection(net: &Net) -> [<Net as SocketApi>::Socket; 2] {
    let (listener, addr) = listener(net);
    let near = tcp(net);
    net.connect(&near, &addr).unwrap();
    let (far, _) = net.accept(&listener, SockFlags::NONE).unwrap();
    [near, far]
}

/// Has a thread make a call, sends it a signal after a second, and another second later does `then`; what the call answered.
fn signalled<T: Send + 'static>(
    net: &Net,
    signal: Signal,
    call: impl FnOnce(Net) -> T + Send + 'static,
    then: impl FnOnce(&Net),
) -> T {
    let (sender, receiver) = channel(net);
    let of_thread = *net;
    let thread = net.spawn(move || {
        sender.send(of_thread.gettid().unwrap()).unwrap();
        call(of_thread)
    });
    let tid = receiver.recv().unwrap();
    net.sleep(SECOND);
    net.tgkill(tid, signal).unwrap();
    net.sleep(SECOND);
    then(net);
    thread.join().unwrap()
}

/// Runs a program on a host of its own.
fn run(program: impl FnOnce(&Net) + Send + 'static) {
    let report = Sim::builder().run(|sim| {
        sim.host("a").spawn("p", move |net| program(&net));
    });
    report.unwrap();
}

#[test]
fn a_blocked_receive_ends_with_eintr() {
    run(|net| {
        let [near, far] = connection(net);
        let got = signalled(net, Signal::Interrupting, move |net| net.recv(&near, &mut [0; 8], MsgFlags::NONE), |_| ());
        assert_eq!(got, Err(Errno::INTR));
        drop(far);
    });
}

/// Two threads read from one socket, by turns that chance decides: the one that a signal has interrupted waits again, and wakes for bytes that the
/// other has taken already.
#[test]
fn a_signal_interrupts_one_receive_and_not_the_next() {
    let came_too_late = Arc::new(AtomicU32::new(0));
    for seed in 0..30 {
        let came_too_late = Arc::clone(&came_too_late);
        let report = Sim::builder().seed(seed).interleaving(Interleaving::Random).run(|sim| {
            sim.host("a").spawn("p", move |net| wait_twice_beside_another_reader(&net, &came_too_late));
        });
        report.unwrap();
    }
    assert!(came_too_late.load(Ordering::Relaxed) > 0, "otherwise nothing was tried");
}

fn wait_twice_beside_another_reader(net: &Net, came_too_late: &AtomicU32) {
    let [near, far] = connection(net);
    let near = Arc::new(near);
    let (sender, receiver) = channel(net);
    let (of_waiter, of_waiter_near) = (*net, Arc::clone(&near));
    let waiter = net.spawn(move || {
        sender.send(of_waiter.gettid().unwrap()).unwrap();
        let once = || of_waiter.recv(&of_waiter_near, &mut [0; 1], MsgFlags::NONE);
        (once(), once(), of_waiter.now())
    });
    let tid = receiver.recv().unwrap();
    net.sleep(SECOND);
    net.tgkill(tid, Signal::Interrupting).unwrap();
    net.sleep(SECOND);
    let of_other = *net;
    net.spawn(move || while of_other.recv(&near, &mut [0; 1], MsgFlags::DONTWAIT) != Ok(0) {});
    let since = net.now();
    for _ in 0..20 {
        net.send(&far, b"x", MsgFlags::NONE).unwrap();
        net.sleep(MILLISECOND);
    }
    drop(far);
    let (first, second, at) = waiter.join().unwrap();
    assert_eq!(first, Err(Errno::INTR));
    assert!(second.is_ok(), "{second:?}");
    came_too_late.fetch_add(u32::from(at - since >= MILLISECOND), Ordering::Relaxed);
}

#[test]
fn with_sa_restart_it_begins_again() {
    run(|net| {
        let [near, far] = connection(net);
        let receive = move |net: Net| net.recv(&near, &mut [0; 8], MsgFlags::NONE);
        let got = signalled(net, Signal::Restarting, receive, |net| {
            net.send(&far, b"late", MsgFlags::NONE).unwrap();
        });
        assert_eq!(got, Ok(4));
    });
}

#[test]
fn a_call_whose_socket_has_a_timeout_never_begins_again() {
    run(|net| {
        let [near, _far] = connection(net);
        net.set_option(&near, option::SO_RCVTIMEO, option::Timeout(Some(60 * SECOND))).unwrap();
        let got = signalled(net, Signal::Restarting, move |net| net.recv(&near, &mut [0; 8], MsgFlags::NONE), |_| ());
        assert_eq!(got, Err(Errno::INTR));
    });
}

#[test]
fn poll_and_epoll_wait_never_begin_again() {
    run(|net| {
        let polled = signalled(net, Signal::Restarting, |net| net.poll(&mut [], None), |_| ());
        assert_eq!(polled, Err(Errno::INTR));
        let epoll = net.epoll_create().unwrap();
        let wait = move |net: Net| net.epoll_wait(&epoll, &mut [twinsock::raw::EpollEvent::default()], None);
        assert_eq!(signalled(net, Signal::Restarting, wait, |_| ()), Err(Errno::INTR));
    });
}

#[test]
fn a_call_that_has_done_something_answers_how_much() {
    run(|net| {
        let [near, far] = connection(net);
        net.send(&far, b"abc", MsgFlags::NONE).unwrap();
        let receive = move |net: Net| net.recv(&near, &mut [0; 8], MsgFlags::WAITALL);
        assert_eq!(signalled(net, Signal::Restarting, receive, |_| ()), Ok(3));
    });
}

#[test]
fn a_blocked_accept_and_connect_begin_again() {
    run(|net| {
        let (listener, addr) = listener(net);
        let accept = move |net: Net| net.accept(&listener, SockFlags::NONE).map(drop);
        let then = move |net: &Net| net.connect(&tcp(net), &addr).unwrap();
        assert_eq!(signalled(net, Signal::Restarting, accept, then), Ok(()));
    });
    // A full backlog keeps a connect waiting; the signal ends the call, not the attempt.
    run(|net| {
        let (listener, addr) = listener(net);
        net.listen(&listener, 0).unwrap();
        let first = tcp(net);
        net.connect(&first, &addr).unwrap();
        let second = tcp(net);
        let other = addr.clone();
        let connect = move |net: Net| (net.connect(&second, &other), second);
        let (ended, second) = signalled(net, Signal::Interrupting, connect, |_| ());
        assert_eq!(ended, Err(Errno::INTR));
        assert_eq!(net.accept(&listener, SockFlags::NONE).map(drop), Ok(()));
        assert_eq!(net.connect(&second, &addr), Ok(()), "the attempt went on");
    });
}

#[test]
fn a_signal_to_a_thread_that_does_not_wait_in_a_call_changes_nothing() {
    run(|net| {
        let slept = signalled(
            net,
            Signal::Interrupting,
            |net| {
                let begun = net.now();
                net.sleep(5 * SECOND);
                net.now().since(begun)
            },
            |_| (),
        );
        assert!(slept >= 5 * SECOND);
        let own = net.gettid().unwrap();
        assert_eq!(net.tgkill(own, Signal::Interrupting), Ok(()));
        let (sender, receiver) = channel(net);
        let of_thread = *net;
        let ended = net.spawn(move || sender.send(of_thread.gettid().unwrap()).unwrap());
        ended.join().unwrap();
        assert_eq!(net.tgkill(receiver.recv().unwrap(), Signal::Interrupting), Err(Errno::SRCH));
    });
}

#[test]
fn a_test_may_signal_a_process() {
    let report = Sim::builder().run(|sim| {
        let process = sim.host("a").spawn("p", |net| net.poll(&mut [], None));
        sim.run_for(SECOND);
        assert!(process.is_alive());
        process.signal(Signal::Interrupting);
        sim.run_to_end().unwrap();
        assert_eq!(process.take(), Some(Err(Errno::INTR)));
    });
    assert_eq!(report.unwrap().elapsed.as_secs(), 1);
}

#[test]
fn sigpipe_is_told_to_the_process_that_wrote() {
    run(|net| {
        let [near, far] = connection(net);
        drop(far);
        let raw: &Net = net;
        assert_eq!(net.take_sigpipes(), 0);
        net.send(&near, b"x", MsgFlags::NONE).unwrap();
        assert_eq!(net.send(&near, b"y", MsgFlags::NONE), Err(Errno::PIPE));
        assert_eq!(net.take_sigpipes(), 0, "the typed face sends with MSG_NOSIGNAL");
        let written = twinsock::raw::Syscalls::write(raw, net.fileno(&near), b"z");
        assert_eq!((written, net.take_sigpipes(), net.take_sigpipes()), (Err(Errno::PIPE), 1, 0));
    });
}

#[test]
fn descriptors_end_at_the_limit() {
    let report = Sim::builder().run(|sim| {
        sim.host("a").process("p").rlimit_nofile(2).spawn(|net| {
            let first = tcp(&net);
            let second = tcp(&net);
            let third = |net: &Net| net.socket(Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT).map(drop);
            assert_eq!(third(&net), Err(Errno::MFILE));
            net.set_rlimit_nofile(3).unwrap();
            assert_eq!(third(&net), Ok(()));
            drop((first, second));
        });
    });
    report.unwrap();
}

#[test]
fn only_root_has_privileges() {
    let bind = |net: &Net, port: u16| -> Result<()> { net.bind(&tcp(net), &address(&format!("0.0.0.0:{port}"))) };
    let report = Sim::builder().run(|sim| {
        let host = sim.host("a");
        host.process("user").uid(1000).gid(1000).spawn(move |net| {
            assert_eq!(net.geteuid(), 1000);
            assert_eq!(bind(&net, 80), Err(Errno::ACCES));
            assert_eq!(net.seteuid(0), Err(Errno::PERM));
            assert_eq!(net.set_sysctl("net.core.somaxconn", "1"), Err(Errno::ACCES));
        });
        host.spawn("root", move |net| {
            assert_eq!(net.seteuid(1000), Ok(()));
            assert_eq!((net.geteuid(), bind(&net, 80)), (1000, Err(Errno::ACCES)));
            assert_eq!(net.seteuid(0), Ok(()), "root stays its real user");
            assert_eq!(bind(&net, 80), Ok(()));
        });
    });
    report.unwrap();
}

#[test]
fn processes_of_a_host_have_numbers_of_their_own() {
    let report = Sim::builder().run(|sim| {
        let host = sim.host("a");
        let pids = ["p", "q"].map(|name| host.spawn(name, |net| net.getpid()));
        sim.run_to_end().unwrap();
        let [p, q] = pids.map(|process| process.take().unwrap());
        assert!(p > 0 && q > 0 && p != q);
    });
    report.unwrap();
}

#[test]
fn a_sysctl_changes_while_the_host_runs() {
    let report = Sim::builder().run(|sim| {
        let host = sim.host("a");
        let server = host.spawn_daemon("server", |net| {
            let listener = TcpListener::bind(&net, "127.0.0.1:80").unwrap();
            net.sleep(10 * SECOND);
            drop(listener);
        });
        sim.run_for(SECOND);
        host.sysctl("net.ipv4.ip_local_port_range", "41000 41001");
        let client = host.spawn("client", |net| {
            assert_eq!(net.sysctl("net.ipv4.ip_local_port_range").as_deref(), Ok("41000\t41001"));
            assert_eq!(net.sysctl("net.ipv4.no_such"), Err(Errno::NOENT));
            net.set_sysctl("net.ipv4.ip_local_port_range", "42000 42000").unwrap();
            assert_eq!(net.set_sysctl("net.core.somaxconn", "many"), Err(Errno::INVAL));
            let stream = TcpStream::connect(&net, "127.0.0.1:80").unwrap();
            let socket = UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
            (stream.local_addr().unwrap().port(), socket.local_addr().unwrap().port())
        });
        sim.run_for(SECOND);
        assert_eq!(client.take(), Some((42000, 42000)));
        assert_eq!(host.sysctl_value("net.ipv4.ip_local_port_range"), "42000\t42000");
        server.kill();
    });
    report.unwrap();
}

#[test]
#[should_panic(expected = "net.core.somaxconn cannot be set to lots: ")]
fn a_sysctl_that_cannot_be_set_is_a_mistake_of_the_test() {
    Sim::builder()
        .run_here(|sim| {
            sim.host("a").sysctl("net.core.somaxconn", "lots");
        })
        .unwrap();
}

/// What `call` gives while a signal interrupts it after a second; a client connects after two.
fn interrupted<T: 'static>(call: impl FnOnce(&Net) -> T + 'static) -> T {
    let report = Sim::builder().run_here(|sim| {
        let server = sim.host("server").spawn("server", |net| call(&net));
        sim.host("client").spawn("client", |net| {
            net.sleep(2 * SECOND);
            // A server that has its answer is gone.
            TcpStream::connect(&net, "server:80").ok();
        });
        sim.run_for(SECOND);
        server.signal(Signal::Interrupting);
        sim.run_to_end().unwrap();
        server.take().unwrap()
    });
    report.unwrap().value
}

#[test]
fn the_shapes_of_std_retry_accept_and_connect_and_report_other_interruptions() {
    let accepted = interrupted(|net| TcpListener::bind(net, "0.0.0.0:80").unwrap().accept().map(drop));
    assert!(accepted.is_ok(), "{accepted:?}");
    let connected = interrupted(|net| {
        let _listener = TcpListener::bind(net, "0.0.0.0:80").unwrap();
        // Nobody has the address: the signal comes while the host asks who has it, and the attempt goes on to its end.
        TcpStream::connect(net, "10.9.9.9:80").map(drop).map_err(|error| error.kind())
    });
    assert_eq!(connected, Err(ErrorKind::HostUnreachable));
    let received = interrupted(|net| {
        let (near, _far) = (UdpSocket::bind(net, "0.0.0.0:53").unwrap(), TcpListener::bind(net, "0.0.0.0:80").unwrap());
        near.recv(&mut [0; 10]).map_err(|error| error.kind())
    });
    assert_eq!(received, Err(ErrorKind::Interrupted));
}
