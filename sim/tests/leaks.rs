//! What a run leaves behind: sockets, threads, files; and whether it fails for it.

use std::io::{Read, Write};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream, UnixStream};
use twinsock::raw::Syscalls;
use twinsock::{Clock, Spawn};
use twinsock_sim::explore::{Campaign, TestId};
use twinsock_sim::{FailureKind, LeakCheck, Leaks, Sim};

fn left_by(build: impl FnOnce(&Sim) + Send) -> Leaks {
    Sim::builder().seed(7).leaks(LeakCheck::Report).run(build).unwrap().leaks
}

#[test]
fn a_run_that_cleans_up_leaves_nothing() {
    let leaks = left_by(|sim| {
        sim.host("server").spawn("echo", |net| {
            let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:7").unwrap().accept().unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
        });
        sim.run_for(Duration::from_millis(1));
        sim.host("client").spawn("client", |net| {
            let (_one, _other) = UnixStream::pair(&net).unwrap();
            TcpStream::connect(&net, "server:7").unwrap().write_all(b"hello").unwrap();
        });
    });
    assert_eq!((leaks.is_clean(), leaks.to_string().as_str()), (true, ""), "TIME_WAIT is over, too");
}

#[test]
fn descriptors_and_threads_that_outlive_the_main_thread_are_leaks() {
    let leaks = left_by(|sim| {
        sim.host("a").spawn("p", |net| {
            let [_read, _write] = net.pipe2(0).unwrap();
            std::mem::forget(TcpListener::bind(&net, "10.0.0.1:80").unwrap());
            drop(net.spawn(move || net.sleep(Duration::from_secs(60))));
            net.epoll_create1(0).unwrap();
        });
    });
    let expected = "\
a          ! p[1] ended with descriptor 0 open: pipe read end, 0 bytes in it
a          ! p[1] ended with descriptor 1 open: pipe write end, 0 bytes in it
a          ! p[1] ended with descriptor 2 open: tcp LISTEN 10.0.0.1:80
a          ! p[1] ended with descriptor 3 open: epoll watches 0 files
a          ! p[1] ended while thread p/1 ran
";
    assert_eq!(leaks.to_string(), expected);
}

#[test]
fn a_killed_process_is_not_blamed() {
    let leaks = left_by(|sim| {
        let victim = sim.host("a").spawn("p", |net| {
            std::mem::forget(TcpListener::bind(&net, "0.0.0.0:80").unwrap());
            net.sleep(Duration::from_secs(60));
        });
        sim.run_for(Duration::from_secs(1));
        victim.kill();
    });
    assert_eq!(leaks, Leaks::default());
}

/// A server that never closes what it has accepted, and clients that do.
fn hoard(sim: &Sim) {
    sim.host("server").spawn_daemon("hoard", |net| {
        let listener = TcpListener::bind(&net, "0.0.0.0:80").unwrap();
        let _open: Vec<_> = listener.incoming().collect();
    });
    sim.run_for(Duration::from_secs(1));
    for number in 0..sim.swarm("clients", 1..=3) {
        sim.host(&format!("client {number}")).spawn("client", |net| drop(TcpStream::connect(&net, "server:80").unwrap()));
    }
}

#[test]
fn a_daemon_may_be_there_and_a_connection_that_it_forgot_may_not() {
    let leaks = left_by(hoard);
    assert!(!leaks.is_clean());
    let text = leaks.to_string();
    assert!(text.contains("server       hoard[1] (daemon), thread hoard: accept on fd 0"), "{text}");
    assert!(text.contains("server       tcp   LISTEN "), "{text}");
    assert!(text.contains(r#"server     ! tcp   CLOSE_WAIT "#) && text.contains(r#"users:(("hoard",pid=1,fd=1))"#), "{text}");
}

#[test]
fn a_leak_is_a_failure_if_asked_for() {
    let failure = Sim::builder().seed(7).leaks(LeakCheck::Fail).run(hoard).unwrap_err();
    assert!(matches!(&failure.kind, FailureKind::Leak { leaks } if !leaks.is_clean()));
    assert_eq!(failure.kind.site(), "leak of tcp in CLOSE_WAIT");
    let text = failure.to_string();
    assert!(text.contains("every process has ended, and something is left:\n  server     ! tcp   CLOSE_WAIT"), "{text}");
    assert!(text.contains("\nsockets:\n") && text.contains("\nreproduce: "), "{text}");
    Sim::builder().seed(7).run(hoard).unwrap();
}

#[test]
fn a_campaign_shrinks_a_leak() {
    let test = TestId::of_program("leaks::hoard", std::path::Path::new(""), "run", "replay");
    let campaign = Campaign::new(test).keeps_regressions(false).seeds(20).leaks(LeakCheck::Fail);
    let outcome = campaign.run(hoard);
    let [found] = outcome.found.as_slice() else { panic!("{outcome}") };
    assert_eq!(found.site, "leak of tcp in CLOSE_WAIT");
    assert!(found.failure.tape.spike_count() == 0, "a boring run leaks, too: {outcome}");
}

#[test]
fn a_failure_tells_what_else_was_there() {
    let failure = Sim::builder().seed(7).run(|sim| {
        let host = sim.host("a");
        host.spawn("sleeper", |net| {
            let _ends = net.pipe2(0).unwrap();
            net.sleep(Duration::from_secs(60));
        });
        host.spawn("hasty", |net| {
            net.sleep(Duration::from_secs(1));
            panic!("enough");
        });
    });
    let text = failure.unwrap_err().to_string();
    let left = text.split_once("\nleft:\n").unwrap_or_else(|| panic!("{text}")).1;
    assert!(left.contains("sleeper[1], thread sleeper: sleep, since 0.00000"), "{text}");
    assert!(left.contains(r#"pipe  read end, 0 bytes in it users:(("sleeper",pid=1,fd=0))"#), "{text}");
}
