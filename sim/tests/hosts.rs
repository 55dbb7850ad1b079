//! What befalls a whole machine: crash, restart, pause, resume, and what its peers see of it.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::Duration;
use twinsock::consts::{
    AF_INET, IPPROTO_TCP, MSG_WAITALL, O_CREAT, O_RDWR, O_TRUNC, SO_KEEPALIVE, SOCK_STREAM, SOL_SOCKET, TCP_KEEPIDLE,
};
use twinsock::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use twinsock::raw::Syscalls;
use twinsock::{Clock, Errno, Instant, JoinThread, SocketAddr, SocketApi, Spawn};
use twinsock_sim::{FailureKind, Host, Link, Misfortunes, Net, Report, Sim};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// Greets whoever connects to port 80, sends back what comes, and keeps every connection open.
fn serve(net: Net) {
    let listener = TcpListener::bind(&net, "0.0.0.0:80").unwrap();
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        drop(net.spawn(move || {
            stream.write_all(b"hello").unwrap();
            io::copy(&mut &stream, &mut &stream).ok();
        }));
    }
}

fn greeted(net: &Net) -> TcpStream<Net> {
    let mut stream = TcpStream::connect(net, "server:80").unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    stream
}

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

/// Two hosts; the server's serves whenever it is up.
fn server_and_client(sim: &Sim) -> (Host, Host) {
    sim.default_link(Link::new().delay(10 * MS));
    let (server, client) = (sim.host("server"), sim.host("client"));
    server.on_boot(|host| {
        host.spawn_daemon("server", serve);
    });
    sim.run_for(MS);
    (server, client)
}

#[test]
fn a_crash_is_silent() {
    let report = Sim::builder().keep_events(10_000).run(|sim| {
        let (server, client) = server_and_client(sim);
        client.spawn("client", |net| {
            let stream = greeted(&net);
            net.sleep(SECOND);
            drop(stream);
            net.sleep(SECOND);
        });
        sim.run_for(SECOND / 2);
        server.crash();
        assert!(!server.is_up());
    });
    let events = report.unwrap().events;
    let (_, after) = events.split_once(" server  crash\n").expect("the crash is an event");
    assert!(!after.contains("server  sent"), "{after}");
    assert!(after.contains("server  dropped (the machine is off)"), "the client's FIN finds nobody: {after}");
}

/// How long a sender waits for the peer's crashed host, and what it is told.
fn send_to_the_dead(retries: u32) -> (Option<i32>, Duration) {
    let report = Sim::builder().run(move |sim| {
        let (server, client) = server_and_client(sim);
        client.sysctl("net.ipv4.tcp_retries2", retries);
        let asking = client.spawn("client", |net| {
            let mut stream = greeted(&net);
            net.sleep(SECOND);
            let sent = net.now();
            stream.write_all(b"are you there?").unwrap();
            (errno(stream.read(&mut [0])), net.now() - sent)
        });
        sim.run_for(SECOND / 2);
        server.crash();
        sim.run_to_end().unwrap();
        asking.take().unwrap()
    });
    report.unwrap().value
}

#[test]
fn a_sender_gives_up_on_a_crashed_host_after_tcp_retries2() {
    // tcp_retries2 = 15 is "a hypothetical timeout of 924.6 seconds", tcp(7), reckoned with an RTO of 200 ms; this one is a round trip more.
    let (told, waited) = send_to_the_dead(15);
    assert_eq!(told, Some(Errno::TIMEDOUT.raw()));
    assert!((924..970).contains(&waited.as_secs()), "{waited:?}");
    let (told, waited) = send_to_the_dead(5);
    assert_eq!(told, Some(Errno::TIMEDOUT.raw()));
    assert!((12..15).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn keepalive_finds_a_crashed_host() {
    let report = Sim::builder().run(|sim| {
        let (server, client) = server_and_client(sim);
        client.sysctl("net.ipv4.tcp_keepalive_intvl", 10).sysctl("net.ipv4.tcp_keepalive_probes", 3);
        let waiting = client.spawn("client", |net| {
            let socket = net.getaddrinfo("server", 80).unwrap()[0];
            let addr = SocketAddr::from(socket).encode().unwrap();
            let fd = Syscalls::socket(&net, AF_INET, SOCK_STREAM, 0).unwrap();
            for (level, name, value) in [(SOL_SOCKET, SO_KEEPALIVE, 1_i32), (IPPROTO_TCP, TCP_KEEPIDLE, 60)] {
                Syscalls::setsockopt(&net, fd, level, name, &value.to_ne_bytes()).unwrap();
            }
            Syscalls::connect(&net, fd, addr.as_bytes()).unwrap();
            assert_eq!(Syscalls::recv(&net, fd, &mut [0; 5], MSG_WAITALL), Ok(5));
            let start = net.now();
            let told = Syscalls::recv(&net, fd, &mut [0], 0).unwrap_err();
            (told, (net.now() - start).as_secs())
        });
        sim.run_for(SECOND / 2);
        server.crash();
        sim.run_to_end().unwrap();
        assert_eq!(waiting.take(), Some((Errno::TIMEDOUT, 60 + 3 * 10)));
    });
    report.unwrap();
}

#[test]
fn a_rebooted_host_resets_old_connections_and_takes_new_ones() {
    let report = Sim::builder().run(|sim| {
        let (server, client) = server_and_client(sim);
        let asking = client.spawn("client", |net| {
            let mut stream = greeted(&net);
            net.sleep(SECOND);
            stream.write_all(b"are you there?").unwrap();
            let old = errno(stream.read(&mut [0]));
            greeted(&net);
            old
        });
        sim.run_for(SECOND / 2);
        server.restart();
        sim.run_to_end().unwrap();
        assert_eq!(asking.take(), Some(Some(Errno::CONNRESET.raw())));
    });
    report.unwrap();
}

#[test]
fn a_listener_is_gone_until_on_boot_starts_it() {
    let report = Sim::builder().run(|sim| {
        sim.default_link(Link::new().delay(10 * MS));
        let (server, client) = (sim.host("server"), sim.host("client"));
        server.spawn_daemon("server", serve);
        sim.run_for(MS);
        client.spawn("first", |net| drop(greeted(&net)));
        sim.run_to_end().unwrap();
        server.crash();
        client.spawn("unanswered", |net| {
            let addr = net.getaddrinfo("server", 80).unwrap()[0];
            let answer = TcpStream::connect_timeout(&net, &addr, 10 * SECOND);
            assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::TimedOut, "nobody says anything");
        });
        sim.run_to_end().unwrap();
        server.restart();
        client.spawn("refused", |net| {
            assert_eq!(errno(TcpStream::connect(&net, "server:80")), Some(Errno::CONNREFUSED.raw()));
        });
        sim.run_to_end().unwrap();
        server.on_boot(|host| {
            host.spawn_daemon("server", serve);
        });
        sim.run_for(MS);
        client.spawn("last", |net| drop(greeted(&net)));
    });
    report.unwrap();
}

#[test]
fn a_syn_that_is_repeated_reaches_the_host_when_it_is_up_again() {
    let report = Sim::builder().run(|sim| {
        let (server, client) = server_and_client(sim);
        server.crash();
        let connecting = client.spawn("client", |net| {
            greeted(&net);
            net.now().as_nanos() / 1_000_000_000
        });
        sim.run_for(5 * SECOND / 2);
        server.restart();
        sim.run_to_end().unwrap();
        assert_eq!(connecting.take(), Some(3), "the SYNs of 0, 1 and 2 s are lost, that of 3 s arrives");
    });
    report.unwrap();
}

/// Notes its end.
struct Note(Rc<RefCell<Vec<&'static str>>>, &'static str);

impl Drop for Note {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

#[test]
fn a_crash_unwinds_every_thread_once_and_frees_nothing_twice() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&log);
    let report = Sim::builder().run_here(move |sim| {
        let (host, other) = (sim.host("server"), sim.host("client"));
        for (name, daemon) in [("plain", false), ("daemon", true)] {
            let seen = Rc::clone(&seen);
            let body = move |net: Net| {
                let _note = Note(seen, name);
                let socket = TcpListener::bind(&net, "127.0.0.1:0");
                let thread = net.spawn(move || net.sleep(1000 * SECOND));
                thread.join().ok();
                drop(socket);
            };
            if daemon { drop(host.spawn_daemon(name, body)) } else { drop(host.spawn(name, body)) }
        }
        other.spawn("other", |net| net.sleep(3 * SECOND));
        sim.run_for(SECOND);
        host.crash();
        host.crash();
        assert!(log_is_empty(&log), "the stacks go when the run goes on");
        sim.run_for(SECOND);
        assert_eq!(*log.borrow(), ["plain", "daemon"]);
        host.restart();
        host.spawn("again", |net| {
            assert_eq!(net.pipe2(0), Ok([0, 1]), "a fresh descriptor table");
        });
        sim.run_to_end().unwrap();
        assert_eq!(*log.borrow(), ["plain", "daemon"]);
    });
    report.unwrap();
}

fn log_is_empty(log: &RefCell<Vec<&'static str>>) -> bool {
    log.borrow().is_empty()
}

#[test]
fn a_run_does_not_wait_for_processes_that_crashed() {
    let report = Sim::builder().run(|sim| {
        let host = sim.host("a");
        host.spawn("for ever", |net| net.sleep(Duration::MAX));
        sim.run_for(SECOND);
        host.crash();
    });
    assert_eq!(report.unwrap().elapsed, SECOND);
}

/// Runs `block` on a host that crashes meanwhile, and sees that it is unwound and the host starts again.
fn crashed_in(block: impl FnOnce(Net) + 'static) {
    let log = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&log);
    let report = Sim::builder().run_here(|sim| {
        let host = sim.host("server");
        sim.host("client").spawn_daemon("client", |net| {
            net.sleep(SECOND);
            let _open = TcpStream::connect(&net, "server:80");
            net.sleep(1000 * SECOND);
        });
        host.spawn("victim", move |net| {
            let _note = Note(Rc::clone(&seen), "unwound");
            block(net);
            seen.borrow_mut().push("returned");
        });
        sim.run_for(2 * SECOND);
        assert!(log_is_empty(&log), "the call blocks");
        host.crash();
        sim.run_for(SECOND);
        assert_eq!(*log.borrow(), ["unwound"]);
        host.restart();
        host.spawn("successor", |net| drop(TcpListener::bind(&net, "0.0.0.0:80").unwrap()));
        sim.run_to_end().unwrap();
    });
    report.unwrap();
}

#[test]
fn a_crash_ends_a_thread_inside_every_kind_of_blocked_call() {
    crashed_in(|net| drop(TcpListener::bind(&net, "0.0.0.0:81").unwrap().accept()));
    crashed_in(|net| drop(TcpStream::connect(&net, "10.99.0.1:80")));
    crashed_in(|net| {
        let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:80").unwrap().accept().unwrap();
        stream.read_exact(&mut [0]).ok();
    });
    crashed_in(|net| {
        let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:80").unwrap().accept().unwrap();
        stream.write_all(&vec![0; 64 << 20]).ok();
    });
    crashed_in(|net| net.sleep(1000 * SECOND));
    crashed_in(|net| assert_eq!(SocketApi::poll(&net, &mut [], None), Ok(0)));
    crashed_in(|net| {
        let [end, _other] = net.pipe2(0).unwrap();
        Syscalls::read(&net, end, &mut [0]).ok();
    });
    crashed_in(|net| {
        let listener = UnixListener::bind(&net, "/tmp/socket").unwrap();
        drop(listener.accept());
    });
    crashed_in(|net| {
        let (_sender, receiver) = twinsock::sync::channel::<_, ()>(&net);
        receiver.recv().ok();
    });
    crashed_in(|net| {
        let lock = twinsock::sync::Mutex::new(&net, 0);
        let _held = lock.lock();
        net.sleep(1000 * SECOND);
    });
    crashed_in(|net| {
        let epoll = net.epoll_create1(0).unwrap();
        Syscalls::epoll_wait(&net, epoll, &mut [twinsock::raw::EpollEvent { events: 0, data: 0 }], -1).ok();
    });
}

#[test]
fn what_was_sent_before_a_crash_still_arrives() {
    let report = Sim::builder().run(|sim| {
        sim.default_link(Link::new().delay(100 * MS));
        let (server, client) = (sim.host("server"), sim.host("client"));
        server.spawn_daemon("server", serve);
        sim.run_for(MS);
        let reading = client.spawn("client", |net| greeted(&net).peer_addr().is_ok());
        // The greeting leaves when the handshake's ACK arrives, at about 301 ms.
        sim.run_for(350 * MS);
        server.crash();
        sim.run_to_end().unwrap();
        assert_eq!(reading.take(), Some(true));
    });
    report.unwrap();
}

#[test]
fn files_outlive_a_crash_and_sockets_leave_stale_ones() {
    let report = Sim::builder().run(|sim| {
        let host = sim.host("a");
        host.spawn_daemon("before", |net| {
            let file = net.open("/var/tmp/log", O_CREAT | O_RDWR, 0o640).unwrap();
            Syscalls::write(&net, file, b"committed").unwrap();
            net.set_sysctl("net.core.somaxconn", "1").unwrap();
            let listener = UnixListener::bind(&net, "/run/service").unwrap();
            drop(listener.accept());
        });
        host.sysctl("net.ipv4.tcp_retries2", 7);
        sim.run_for(SECOND);
        host.restart();
        host.spawn("after", |net| {
            let (file, mut bytes) = (net.open("/var/tmp/log", O_RDWR, 0).unwrap(), [0; 20]);
            assert_eq!(Syscalls::read(&net, file, &mut bytes), Ok(9));
            assert_eq!(&bytes[..9], b"committed");
            net.open("/var/tmp/log", O_RDWR | O_TRUNC, 0).unwrap();
            assert_eq!(errno(UnixStream::connect(&net, "/run/service")), Some(Errno::CONNREFUSED.raw()));
            assert_eq!(errno(UnixListener::bind(&net, "/run/service")), Some(Errno::ADDRINUSE.raw()));
            net.unlink("/run/service").unwrap();
            UnixListener::bind(&net, "/run/service").unwrap();
            assert_eq!(net.sysctl("net.core.somaxconn").unwrap(), "4096", "what a process set is forgotten");
            assert_eq!(net.sysctl("net.ipv4.tcp_retries2").unwrap(), "7", "what the administrator set is not");
        });
    });
    report.unwrap();
}

#[test]
fn a_paused_host_answers_after_resume_and_its_peer_has_repeated_itself_meanwhile() {
    let report = Sim::builder().keep_events(10_000).run(|sim| {
        let (server, client) = server_and_client(sim);
        let asking = client.spawn("client", |net| {
            let mut stream = greeted(&net);
            net.sleep(SECOND);
            let start = net.now();
            stream.write_all(b"echo").unwrap();
            stream.read_exact(&mut [0; 4]).unwrap();
            net.now() - start
        });
        sim.run_for(SECOND / 2);
        server.pause();
        assert!(server.is_up() && server.is_paused());
        sim.run_for(10 * SECOND);
        server.resume();
        sim.run_to_end().unwrap();
        let waited = asking.take().unwrap();
        assert!((9 * SECOND..10 * SECOND).contains(&waited), "{waited:?}");
    });
    let events = report.unwrap().events;
    let (_, during) = events.split_once(" server  paused\n").expect("the pause is an event");
    let (during, after) = during.split_once(" server  resumed\n").expect("and its end is");
    assert!(!during.contains("server  "), "nothing happens there: {during}");
    assert!(during.matches("client  sent").count() >= 5, "{during}");
    assert!(after.matches("server  delivered").count() >= 5, "all of them were in the ring: {after}");
}

#[test]
fn the_ring_of_a_paused_host_holds_so_many_packets_and_no_more() {
    let report = Sim::builder().run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        let receiving = server.spawn("receiver", |net| {
            let socket = twinsock::net::UdpSocket::bind(&net, "0.0.0.0:53").unwrap();
            let mut count = 0;
            socket.set_read_timeout(Some(5 * SECOND)).unwrap();
            while socket.recv(&mut [0]).is_ok() {
                count += 1;
            }
            count
        });
        server.sysctl("net.core.rmem_default", 1 << 30);
        sim.run_for(MS);
        server.pause();
        client.spawn("sender", |net| {
            let socket = twinsock::net::UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
            socket.connect("server:53").unwrap();
            (0..2000).for_each(|_| assert_eq!(socket.send(b"x").unwrap(), 1));
        });
        sim.run_for(SECOND);
        server.resume();
        sim.run_to_end().unwrap();
        assert_eq!(receiving.take(), Some(twinsock_sim::world::NIC_RING_PACKETS));
    });
    report.unwrap();
}

#[test]
fn timers_that_are_overdue_go_off_at_resume() {
    let report = Sim::builder().run(|sim| {
        let host = sim.host("a");
        let waiting = host.spawn("p", |net| {
            let timeout = SocketApi::poll(&net, &mut [], Some(SECOND));
            (timeout, net.now().as_nanos() / 1_000_000)
        });
        sim.run_for(SECOND / 2);
        host.pause();
        sim.run_for(SECOND);
        host.resume();
        sim.run_to_end().unwrap();
        assert_eq!(waiting.take(), Some((Ok(0), 1500)));
    });
    report.unwrap();
}

#[test]
fn a_kill_waits_until_a_paused_host_goes_on_and_a_crash_does_not() {
    let report = Sim::builder().run(|sim| {
        let host = sim.host("a");
        let victim = host.spawn("victim", |net| net.sleep(100 * SECOND));
        let bystander = host.spawn("bystander", |net| net.sleep(100 * SECOND));
        sim.run_for(SECOND);
        host.pause();
        victim.kill();
        sim.run_for(SECOND);
        assert!(victim.is_alive());
        host.resume();
        sim.run_for(SECOND);
        assert!(!victim.is_alive() && bystander.is_alive());
        host.pause();
        host.crash();
        assert!(!bystander.is_alive() && !host.is_paused());
    });
    assert_eq!(report.unwrap().elapsed, 3 * SECOND);
}

#[test]
fn programs_may_do_all_this_to_other_hosts_and_to_their_own() {
    let report = Sim::builder().run(|sim| {
        let (server, client) = server_and_client(sim);
        let victim = server.clone();
        client.spawn("operator", move |net| {
            net.sleep(SECOND);
            victim.pause();
            net.sleep(SECOND);
            victim.resume();
            let _stream = greeted(&net);
            victim.crash();
            net.sleep(SECOND);
            victim.restart();
            net.sleep(SECOND);
            greeted(&net);
        });
        sim.run_to_end().unwrap();
        let (lonely, log) = (sim.host("lonely"), Rc::new(RefCell::new(Vec::new())));
        for act in [Host::crash, Host::restart, Host::pause] {
            let (own, log) = (lonely.clone(), Rc::clone(&log));
            lonely.restart();
            lonely.spawn("own", move |net| {
                net.sleep(SECOND);
                act(&own);
                log.borrow_mut().push(net.now());
            });
            sim.run_for(10 * SECOND);
        }
        assert!(log.borrow().is_empty(), "nobody comes back from that by himself");
        lonely.resume();
        sim.run_for(SECOND);
        assert_eq!(log.borrow().len(), 1, "but from a pause");
    });
    report.unwrap();
}

#[test]
fn a_run_in_which_everybody_waits_for_a_paused_host_says_so() {
    let failure = Sim::builder().run(|sim| {
        let host = sim.host("a");
        host.spawn("p", |net| net.sleep(SECOND));
        host.pause();
    });
    let FailureKind::Deadlock { waiting } = failure.unwrap_err().kind else { panic!("not a deadlock") };
    assert_eq!(waiting[0].what, "resume of its host, which is paused");
}

fn storm(seed: u64) -> Report<u64> {
    let report = Sim::builder().seed(seed).calls_max(100_000).run(|sim| {
        let (server, client) = server_and_client(sim);
        client.spawn("client", |net| {
            let end = Instant::ZERO + 60 * SECOND;
            while net.now() < end {
                if let Ok(mut stream) = TcpStream::connect(&net, "server:80") {
                    stream.set_read_timeout(Some(3 * SECOND)).unwrap();
                    let mut ask = || stream.read(&mut [0; 64]).is_ok_and(|count| count > 0) && stream.write_all(b"ping").is_ok();
                    while net.now() < end && ask() {
                        net.sleep(100 * MS);
                    }
                }
            }
        });
        for round in 0..8 {
            sim.run_for(Duration::from_millis(sim.draw("when", 5000).into()));
            match sim.draw(&format!("what {round}"), 3) {
                0 => server.restart(),
                1 => server.pause(),
                _ => server.crash(),
            }
            sim.run_for(Duration::from_millis(sim.draw("how long", 5000).into()));
            server.resume();
            if !server.is_up() {
                server.restart();
            }
        }
        sim.now().as_nanos()
    });
    report.unwrap()
}

#[test]
fn a_seed_is_a_run_with_crashes_too() {
    let digests: Vec<u64> = (0..20).map(|seed| storm(seed).digest).collect();
    assert_eq!(digests, (0..20).map(|seed| storm(seed).digest).collect::<Vec<u64>>());
    assert_eq!(digests.iter().collect::<std::collections::BTreeSet<_>>().len(), 20);
}

/// A client that asks a server which a swarm of crashes and pauses befalls, until it has been answered often enough.
fn swarm(builder: twinsock_sim::Builder) -> Report<()> {
    let report = builder.keep_story(true).run(|sim| {
        let (_server, client) = server_and_client(sim);
        client.spawn("client", |net| {
            let mut answers = 0;
            while answers < 30 {
                let Ok(mut stream) = TcpStream::connect(&net, "server:80") else { continue };
                stream.set_read_timeout(Some(SECOND)).unwrap();
                let mut ask = || stream.read_exact(&mut [0; 4]).and_then(|()| stream.write_all(b"ping"));
                while answers < 30 && ask().is_ok() {
                    answers += 1;
                    net.sleep(100 * MS);
                }
            }
        });
        sim.misfortunes(&Misfortunes::none().crashes(true).pauses(true).until(20 * SECOND));
    });
    report.unwrap()
}

#[test]
fn the_swarm_crashes_and_pauses_hosts_and_tells_of_it() {
    let stories: Vec<String> = (0..30)
        .flat_map(|seed| {
            let report = swarm(Sim::builder().seed(seed));
            assert_eq!(swarm(Sim::builder().seed(seed)).digest, report.digest, "a seed is a run");
            let replayed = swarm(Sim::builder().tape(report.tape).unwrap());
            assert_eq!(replayed.digest, report.digest, "a tape is the run that it was recorded of");
            replayed.story
        })
        .map(|told| told.to_string())
        .collect();
    for words in ["crash of server for ", "no longer: crash of server", "server stands still for ", "client stands still for "] {
        assert!(stories.iter().any(|line| line.contains(words)), "{words}");
    }
    assert!(!stories.iter().any(|line| line.contains("crash of client")), "it would never start again");
}
