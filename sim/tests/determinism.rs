//! A seed is a run: same seed, same digest, wherever and however often it runs.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::sync::Mutex;
use twinsock::{Clock, Entropy, JoinThread, Spawn};
use twinsock_sim::{Link, Net, Sim};

/// The digest of seed 7. It changes when the simulator's behaviour does: then CHANGELOG.md says so, since recorded seeds mean other runs
/// from there on. Debug and release builds, every machine and every process must agree on it.
const DIGEST_OF_SEED_7: u64 = 0x3739_40de_d97d_b824;

/// A busy little network: three clients of several threads each, jitter on every link, random sizes and pauses.
fn run(seed: u64) -> u64 {
    let report = Sim::builder().seed(seed).run(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)).jitter(Duration::from_micros(500)));
        sim.host("server").spawn_daemon("echo", |net| {
            let listener = TcpListener::bind(&net, "0.0.0.0:7").unwrap();
            loop {
                let (stream, _) = listener.accept().unwrap();
                net.spawn(move || echo(stream));
            }
        });
        for n in 0..3 {
            sim.host(&format!("client{n}")).spawn("client", client);
        }
    });
    report.unwrap().digest
}

fn echo(mut stream: TcpStream<Net>) {
    let mut bytes = [0; 700];
    loop {
        let n = stream.read(&mut bytes).unwrap();
        if n == 0 {
            return;
        }
        stream.write_all(&bytes[..n]).unwrap();
    }
}

fn client(net: Net) {
    let total = Arc::new(Mutex::new(&net, 0_u64));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let total = Arc::clone(&total);
            net.spawn(move || {
                let mut random = [0; 2];
                net.fill(&mut random);
                net.sleep(Duration::from_micros(u64::from(random[0])));
                let mut stream = TcpStream::connect(&net, "server:7").unwrap();
                let message = vec![random[1]; 100 * usize::from(random[1])];
                stream.write_all(&message).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).unwrap();
                assert_eq!(answer, message);
                *total.lock() += u64::from(random[1]);
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn the_same_seed_gives_the_same_digest_twice_in_one_process() {
    assert_eq!(run(1), run(1));
}

#[test]
fn another_seed_gives_another_digest() {
    assert_ne!(run(1), run(2));
}

#[test]
fn a_simulation_on_another_thread_changes_nothing() {
    let alone = run(3);
    #[expect(clippy::disallowed_methods, reason = "the other simulation's OS thread")]
    let other = std::thread::spawn(|| (0..20).map(run).collect::<Vec<_>>());
    let beside: Vec<_> = (0..20).map(|_| run(3)).collect();
    assert!(beside.iter().all(|digest| *digest == alone));
    assert_eq!(other.join().unwrap()[3], alone);
}

#[test]
fn debug_and_release_and_every_machine_agree() {
    assert_eq!(run(7), DIGEST_OF_SEED_7, "if this change of behaviour is meant, note it in CHANGELOG.md: {:#018x}", run(7));
}

#[test]
fn two_processes_agree() {
    const CHILD: &str = "TWINSOCK_TEST_CHILD";
    #[expect(clippy::disallowed_methods, reason = "tells the child process from its parent; the run itself does not see it")]
    let is_child = std::env::var_os(CHILD).is_some();
    if is_child {
        println!("digest {:016x}", run(5));
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["two_processes_agree", "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8(child.stdout).unwrap();
    let expected = format!("digest {:016x}", run(5));
    assert!(printed.contains(&expected), "{printed}");
}
