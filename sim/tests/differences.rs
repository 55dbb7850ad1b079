//! Where the simulator differs from Linux on purpose: each row of `docs/src/differences.md` has its test here.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::time::{Duration, SystemTime};
use twinsock::control::SendControl;
use twinsock::net::{TcpListener, TcpStream, UdpSocket};
use twinsock::raw::Syscalls;
use twinsock::{Clock, Domain, Errno, MsgFlags, Protocol, SockFlags, SocketApi, Spawn, Type};
use twinsock_sim::{Link, Net, Sim};

/// Runs `body` as the only process of the only host.
fn alone(body: impl FnOnce(Net) + Send + 'static) {
    let report = Sim::builder().seed(7).run(|sim| {
        sim.host("alone").spawn("body", body);
    });
    report.expect("the run comes to its end");
}

#[test]
fn the_wall_clock_starts_in_the_year_2000() {
    alone(|net| {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_800);
        let since = net.wall().duration_since(start).expect("the wall clock goes forward");
        assert!(since < Duration::from_secs(1), "{since:?}");
    });
}

#[test]
fn a_sleep_ends_at_its_moment() {
    alone(|net| {
        let start = net.now();
        net.sleep(Duration::from_secs(3600));
        let slept = net.now() - start;
        assert!(slept < Duration::from_secs(3600) + Duration::from_micros(10), "{slept:?}");
    });
}

#[test]
fn a_program_that_spins_lets_time_pass() {
    let report = Sim::builder().seed(7).run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.link(&server, &client, Link::new().delay(Duration::from_millis(1)));
        server.spawn("spinner", |net: Net| {
            let listener = TcpListener::bind(&net, "0.0.0.0:80").expect("bind");
            listener.set_nonblocking(true).expect("fcntl");
            let accepted = std::iter::repeat_with(|| listener.accept()).find(|result| match result {
                Ok(_) => true,
                Err(error) => error.kind() != ErrorKind::WouldBlock,
            });
            accepted.expect("the iterator never ends").expect("a connection comes");
        });
        client.spawn("client", |net: Net| TcpStream::connect(&net, "server:80").map(drop).expect("connect"));
    });
    report.expect("the run comes to its end");
}

#[test]
fn a_broken_pipe_is_an_errno_and_no_signal() {
    alone(|net| {
        let socket = SocketApi::socket(&net, Domain::INET, Type::STREAM, SockFlags::NONE, Protocol::DEFAULT).expect("socket");
        // No MSG_NOSIGNAL: Linux raises SIGPIPE before it answers.
        assert_eq!(Syscalls::send(&net, net.fileno(&socket), b"x", 0), Err(Errno::PIPE));
    });
}

#[test]
fn what_is_not_modelled_is_an_errno() {
    alone(|net| {
        // SOCK_RAW, which Linux has for root, AF_NETLINK and AF_PACKET.
        let missing =
            [(Domain::INET, Type::from_raw(3)), (Domain::from_raw(16), Type::DGRAM), (Domain::from_raw(17), Type::DGRAM)];
        for (domain, kind) in missing {
            let error = SocketApi::socket(&net, domain, kind, SockFlags::NONE, Protocol::DEFAULT)
                .expect_err("no such socket is modelled");
            let expected = [Errno::AFNOSUPPORT, Errno::PROTONOSUPPORT, Errno::SOCKTNOSUPPORT];
            assert!(expected.contains(&error), "{domain:?} {kind:?}: {error}");
        }
    });
}

#[test]
fn only_one_thread_runs_at_a_time() {
    alone(|net| {
        let seen = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let seen = seen.clone();
                net.spawn(move || {
                    // Not one instruction: on a kernel another thread may come between. Here only a system call lets it.
                    let before = seen.load(std::sync::atomic::Ordering::Relaxed);
                    seen.store(before + 1, std::sync::atomic::Ordering::Relaxed);
                })
            })
            .collect();
        for thread in threads {
            twinsock::JoinThread::join(thread).expect("no thread panics");
        }
        assert_eq!(seen.load(std::sync::atomic::Ordering::Relaxed), 4);
    });
}

#[test]
fn lost_sockets_are_found_at_once() {
    alone(|net| {
        let pair =
            || SocketApi::socketpair(&net, Domain::UNIX, Type::STREAM, SockFlags::NONBLOCK, Protocol::DEFAULT).expect("a pair");
        let pass = |over, sockets: &[&<Net as SocketApi>::Socket]| {
            let mut control = SendControl::new();
            control.rights(&net, sockets);
            SocketApi::sendmsg(&net, over, &[IoSlice::new(b"m")], Some(&control), None, MsgFlags::NONE).expect("there is room");
        };
        let (mine, theirs) = pair();
        let (a, b) = pair();
        pass(&a, &[&a, &b, &theirs]);
        pass(&b, &[&a, &b]);
        drop((a, b, theirs));
        assert_eq!(SocketApi::recv(&net, &mine, &mut [0], MsgFlags::NONE), Err(Errno::AGAIN), "nobody has looked");
        drop(pair());
        assert_eq!(SocketApi::recv(&net, &mine, &mut [0], MsgFlags::NONE), Ok(0));
    });
}

#[test]
fn a_place_of_a_corked_datagram_begins_at_the_beginning_of_a_page() {
    alone(|net| {
        let receiver = UdpSocket::bind(&net, "127.0.0.1:53").expect("nobody has the port");
        let [corked, other] = [(); 2].map(|()| {
            let socket = UdpSocket::bind(&net, "127.0.0.1:0").expect("there are ports");
            socket.connect("127.0.0.1:53").expect("it is this host");
            socket
        });
        let add = |data: &[u8]| SocketApi::send(&net, corked.owned(), data, MsgFlags::MORE);
        assert_eq!(add(b"head"), Ok(4));
        // On Linux the page ends within one of the larger ones, which are two places then.
        for len in std::iter::repeat_n(1, 15).chain([20_000, 20_000]) {
            other.send(&[7; 20_000]).expect("there is room");
            assert_eq!(add(&vec![8; len]), Ok(len));
        }
        other.send(&[7; 20_000]).expect("there is room");
        assert_eq!(add(b"x"), Err(Errno::MSGSIZE));
        drop(receiver);
    });
}

#[test]
fn what_msg_more_holds_back_stays_whatever_memory_comes_in_needs() {
    alone(|net| {
        let listener = TcpListener::bind(&net, "127.0.0.1:80").expect("nobody has the port");
        let mut client = TcpStream::connect(&net, "127.0.0.1:80").expect("there is a listener");
        let (server, _) = listener.accept().expect("a connection waits");
        assert_eq!(SocketApi::send(&net, server.owned(), b"held", MsgFlags::MORE), Ok(4));
        for _ in 0..20 {
            client.write_all(&[7; 1_000]).expect("there is room");
        }
        client.set_nonblocking(true).expect("it can be set");
        assert_eq!(client.read(&mut [0; 9]).expect_err("nothing has come").kind(), ErrorKind::WouldBlock);
    });
}
