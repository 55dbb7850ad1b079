//! Faults of system calls as choices of a run: they happen, do what they do on Linux, are told, replayed and taken away again.

use std::io::{self, Read, Write};
use std::time::Duration;
use twinsock::consts::{AF_INET, O_NONBLOCK, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM};
use twinsock::faulty::{Call, Fault, Plan, Rate};
use twinsock::net::{TcpListener, TcpStream};
use twinsock::raw::{EpollEvent, Syscalls};
use twinsock::{Clock, Errno, JoinThread, SocketApi, Spawn};
use twinsock_sim::choice::shrink::shrink;
use twinsock_sim::{Builder, Failure, Host, Misfortunes, Net, Report, Sim};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a program on one host on which this happens.
fn on_a_host<T: Send + 'static>(rates: &[Rate], body: impl FnOnce(Net) -> T + Send + 'static) -> Report<T> {
    let plan = rates.iter().fold(Plan::new(0), |plan, rate| plan.with(*rate));
    let report = Sim::builder().keep_story(true).keep_events(1000).run(|sim| {
        let host = sim.host("a");
        host.call_faults(plan);
        let running = host.spawn("p", body);
        sim.run_to_end().unwrap();
        running.take().unwrap()
    });
    report.unwrap()
}

fn pair(net: Net) -> [i32; 2] {
    Syscalls::socketpair(&net, twinsock::consts::AF_UNIX, SOCK_STREAM, 0).unwrap()
}

#[test]
fn an_interrupted_recv_takes_nothing_and_the_story_and_the_trace_tell_of_it() {
    let report = on_a_host(&[Fault::Eintr.rate(1, 1).on(&[Call::Recv]).nth(1)], |net| {
        let [a, b] = pair(net);
        assert_eq!(Syscalls::send(&net, a, b"all of it", 0), Ok(9));
        let mut bytes = [0; 9];
        assert_eq!(Syscalls::recv(&net, b, &mut bytes, 0), Err(Errno::INTR));
        assert_eq!(Syscalls::recv(&net, b, &mut bytes, 0), Ok(9));
        b
    });
    let fd = report.value;
    let story: Vec<String> = report.story.iter().map(ToString::to_string).collect();
    assert!(story.iter().any(|line| line.contains(&format!("recv of fd {fd} in a/p: EINTR"))), "{story:?}");
    assert!(report.events.contains(&format!("recv({fd}) meets EINTR")), "{}", report.events);
}

#[test]
fn short_sends_and_receives_lose_nothing() {
    let report = on_a_host(&[Fault::Short.rate(1, 2)], |net| {
        let listener = TcpListener::bind(&net, "127.0.0.1:80").unwrap();
        let data: Vec<u8> = (0..100_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let (sent, mut received) = (data.clone(), Vec::new());
        let sender = net.spawn(move || TcpStream::connect(&net, "127.0.0.1:80").unwrap().write_all(&sent).unwrap());
        listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
        sender.join().unwrap();
        assert_eq!(received, data);
    });
    assert!(report.events.contains(" meets short, "), "{}", report.events);
}

#[test]
fn full_tables_and_lack_of_memory_refuse_what_makes_descriptors() {
    for (fault, errno) in [
        (Fault::Emfile, Errno::MFILE),
        (Fault::Enfile, Errno::NFILE),
        (Fault::Enobufs, Errno::NOBUFS),
        (Fault::Enomem, Errno::NOMEM),
    ] {
        on_a_host(&[fault.rate(1, 1).on(&[Call::Socket]).at_most(2)], move |net| {
            let made = [(); 3].map(|()| Syscalls::socket(&net, AF_INET, SOCK_STREAM, 0));
            assert_eq!(made, [Err(errno), Err(errno), Ok(0)], "nothing is left open");
        });
    }
}

#[test]
fn an_accept_that_fails_leaves_the_connection_in_its_queue() {
    let rates = [Fault::Emfile, Fault::Econnaborted, Fault::Eintr].map(|fault| fault.rate(1, 1).on(&[Call::Accept4]).at_most(1));
    on_a_host(&rates, |net| {
        let listener = TcpListener::bind(&net, "127.0.0.1:80").unwrap();
        let mut client = TcpStream::connect(&net, "127.0.0.1:80").unwrap();
        client.write_all(b"x").unwrap();
        // The interruption is not seen: accept is begun again, as std does it.
        let failures = [(); 2].map(|()| listener.accept().unwrap_err().raw_os_error());
        assert_eq!(failures, [Some(Errno::MFILE.raw()), Some(Errno::CONNABORTED.raw())]);
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0]).unwrap();
    });
}

#[test]
fn spurious_readiness_is_believed_and_finds_nothing() {
    let rates = [Fault::Spurious.rate(1, 1).on(&[Call::EpollWait, Call::Poll])];
    on_a_host(&rates, |net| {
        let epoll = net.epoll_create1(0).unwrap();
        let socket = Syscalls::socket(&net, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0).unwrap();
        let asked = EpollEvent { events: twinsock::consts::EPOLLIN.cast_unsigned(), data: 77 };
        Syscalls::epoll_ctl(&net, epoll, twinsock::consts::EPOLL_CTL_ADD, socket, Some(asked)).unwrap();
        let mut events = [EpollEvent { events: 0, data: 0 }; 4];
        assert_eq!(Syscalls::epoll_wait(&net, epoll, &mut events, -1), Ok(1));
        assert_eq!((events[0].events, events[0].data), (asked.events, 77));
        assert_eq!(Syscalls::recv(&net, socket, &mut [0], 0), Err(Errno::AGAIN));
        let mut poll = [twinsock::raw::PollFd { fd: socket, events: 1, revents: 0 }];
        assert_eq!((Syscalls::poll(&net, &mut poll, -1), poll[0].revents), (Ok(1), 1));
        assert_eq!(net.fcntl(socket, twinsock::consts::F_GETFL, 0).map(|flags| flags & O_NONBLOCK), Ok(O_NONBLOCK));
    });
}

#[test]
fn a_slow_call_takes_its_time_and_is_made() {
    let report = on_a_host(&[Fault::Slow(3 * SECOND).rate(1, 1).on(&[Call::Send]).nth(2)], |net| {
        let [a, b] = pair(net);
        let took = [(); 2].map(|()| {
            let start = net.now();
            assert_eq!(Syscalls::send(&net, a, b"x", 0), Ok(1));
            (net.now() - start).as_secs()
        });
        assert_eq!(Syscalls::recv(&net, b, &mut [0; 2], 0), Ok(2));
        took
    });
    assert_eq!(report.value, [0, 3]);
}

#[test]
fn a_program_that_only_meets_faults_lets_time_pass() {
    let report = on_a_host(&[Fault::Eintr.rate(1, 1).on(&[Call::Poll])], |net| {
        let deadline = net.now() + SECOND / 1000;
        while net.now() < deadline {
            assert_eq!(SocketApi::poll(&net, &mut [], Some(SECOND)), Err(Errno::INTR));
        }
    });
    assert!(report.elapsed >= SECOND / 1000);
}

/// Sends all, and takes no account of short sends or interruptions: it is wrong.
fn careless(builder: Builder) -> Result<Report<()>, Box<Failure>> {
    builder.keep_story(true).calls_max(100_000).run(|sim| {
        let (server, client) = (sim.host("server"), sim.host("client"));
        for host in [&server, &client] {
            host.call_faults(Plan::all(0, 1, 20));
        }
        server.spawn("server", |net| {
            let listener = retry(|| TcpListener::bind(&net, "0.0.0.0:80"));
            let (mut stream, _) = retry(|| listener.accept());
            let mut all = Vec::new();
            loop {
                let mut bytes = [0; 100];
                match retry(|| stream.read(&mut bytes)) {
                    0 => break,
                    count => all.extend_from_slice(&bytes[..count]),
                }
            }
            assert_eq!(all.len(), 3000, "every byte arrives");
        });
        client.spawn("client", |net| {
            let mut stream = retry(|| {
                net.sleep(SECOND / 100);
                TcpStream::connect(&net, "server:80")
            });
            for _ in 0..30 {
                // The mistake: how much was sent nobody looks at.
                let _sent = retry(|| stream.write(&[7; 100]));
            }
        });
    })
}

fn retry<T>(mut act: impl FnMut() -> io::Result<T>) -> T {
    loop {
        if let Ok(value) = act() {
            return value;
        }
    }
}

#[test]
fn a_seed_is_a_run_a_tape_replays_it_and_shrinking_leaves_the_one_fault_that_matters() {
    let seed = (0..100).find(|seed| careless(Sim::builder().seed(*seed)).is_err()).expect("the mistake is found");
    let failure = careless(Sim::builder().seed(seed)).unwrap_err();
    assert_eq!(careless(Sim::builder().seed(seed)).unwrap_err().digest, failure.digest);
    let replayed = careless(Sim::builder().tape(failure.tape.clone()).unwrap()).unwrap_err();
    assert_eq!(replayed.digest, failure.digest);
    let mut last = failure.clone();
    shrink(&failure.tape, 2000, |tape| {
        let again = careless(Sim::builder().tape(tape).unwrap()).err()?;
        let is_same = again.kind.site() == failure.kind.site();
        is_same.then(|| {
            last = again;
            last.tape.clone()
        })
    });
    let shrunk = careless(Sim::builder().tape(last.tape.clone()).unwrap()).unwrap_err();
    let told: Vec<String> = shrunk.story.iter().map(ToString::to_string).filter(|line| line.contains("/client: ")).collect();
    assert!(shrunk.story.iter().filter(|told| told.is_choice()).count() <= 3, "{:#?}", shrunk.story);
    assert!(told.iter().any(|line| line.contains("send of fd 0 in client/client: short, 99 bytes")), "{told:#?}");
}

#[test]
fn faults_of_one_host_leave_others_alone_and_can_be_ended() {
    let report = Sim::builder().run(|sim| {
        let plan = || Plan::new(0).with(Fault::Emfile.rate(1, 1).on(&[Call::EpollCreate1]));
        let makes = |host: &Host| {
            let making = host.spawn("p", |net| net.epoll_create1(0).is_ok());
            sim.run_for(SECOND);
            making.take().unwrap()
        };
        let (a, b) = (sim.host("a"), sim.host("b"));
        assert!(makes(&a) && makes(&b));
        a.call_faults(plan());
        assert!(!makes(&a) && makes(&b));
        a.restart();
        assert!(!makes(&a), "a plan outlives a restart");
        a.call_faults(Plan::new(0));
        assert!(makes(&a));
        // At the word of a program.
        let own = a.clone();
        a.spawn("operator", move |net| {
            own.call_faults(plan());
            assert_eq!(net.epoll_create1(0), Err(Errno::MFILE));
        });
    });
    report.unwrap();
}

#[test]
fn runs_without_call_faults_are_as_they_were() {
    let run = |disturbed: bool| {
        let report = Sim::builder().seed(5).run(|sim| {
            let host = sim.host("a");
            if disturbed {
                sim.host("b").call_faults(Plan::all(0, 1, 2));
            } else {
                sim.host("b");
            }
            host.spawn("p", |net| {
                let [a, b] = pair(net);
                Syscalls::send(&net, a, b"x", 0).unwrap();
                Syscalls::recv(&net, b, &mut [0], 0).unwrap();
            });
        });
        report.unwrap().digest
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn the_swarm_gives_calls_faults() {
    let run = |seed| {
        let report = Sim::builder().seed(seed).keep_story(true).run(|sim| {
            sim.host("a").spawn("p", |net| {
                for _ in 0..2000 {
                    drop(net.epoll_create());
                    let [a, b] =
                        retry(|| Syscalls::socketpair(&net, twinsock::consts::AF_UNIX, SOCK_STREAM, 0).map_err(io::Error::from));
                    let _sent = Syscalls::send(&net, a, b"xyz", 0);
                    let _received = Syscalls::recv(&net, b, &mut [0; 3], twinsock::consts::MSG_DONTWAIT);
                    for fd in [a, b] {
                        Syscalls::close(&net, fd).unwrap();
                    }
                    net.sleep(10 * SECOND / 1000);
                }
            });
            sim.misfortunes(&Misfortunes::none().calls(true).until(20 * SECOND));
        });
        report.unwrap()
    };
    let stories: Vec<String> = (0..20).flat_map(|seed| run(seed).story).map(|told| told.to_string()).collect();
    assert!((0..5).all(|seed| run(seed).digest == run(seed).digest));
    for words in ["calls on a meet ", "no longer: calls on a meet ", " in a/p: EMFILE", " in a/p: short, "] {
        assert!(stories.iter().any(|line| line.contains(words)), "{words}: {stories:#?}");
    }
}
