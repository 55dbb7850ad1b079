//! Many simulations in one program: what one takes of memory, mappings and OS threads is given back when it ends, so that none depends on how
//! many ran before it. Counted, not timed.

use std::io::{Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use twinsock::Clock;
use twinsock::net::{TcpListener, TcpStream, UdpSocket};
use twinsock_sim::{Net, Sim};

/// The counters are the whole program's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run in which a bit of everything happens.
fn build(sim: &Sim) {
    let (server, client) = (sim.host("server"), sim.host("client"));
    let addr = std::net::SocketAddr::new(server.ipv4(), 7);
    server.spawn("server", move |net: Net| {
        let (listener, datagrams) = (TcpListener::bind(&net, addr).unwrap(), UdpSocket::bind(&net, addr).unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).unwrap();
        stream.write_all(&bytes).unwrap();
        let (len, from) = datagrams.recv_from(&mut bytes).unwrap();
        datagrams.send_to(&bytes[..len], from).unwrap();
    });
    client.spawn("client", move |net: Net| {
        // By then the server listens.
        net.sleep(Duration::from_millis(1));
        let socket = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
        let mut stream = TcpStream::connect(&net, addr).unwrap();
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        socket.send_to(b"hello", addr).unwrap();
        socket.recv(&mut [0; 5]).unwrap();
    });
    // One that is unwound, and one that never runs.
    server.spawn_daemon("idle", |net: Net| net.sleep(Duration::from_secs(1_000_000)));
    client.spawn_daemon("late", |_| ());
}

fn run_here(seed: u64) {
    Sim::builder().seed(seed).run_here(build).unwrap();
}

fn run_apart(seed: u64) {
    Sim::builder().seed(seed).run(build).unwrap();
}

/// What the program holds: resident KiB, mappings, OS threads.
fn held() -> [usize; 3] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let mappings = std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    [value("VmRSS:"), mappings, value("Threads:")]
}

/// Runs so many to reach what is kept for reuse, then so many more, which must not take anything in addition.
fn nothing_piles_up(run: fn(u64), before: u64, more: u64) {
    (0..before).for_each(run);
    let [resident, mappings, threads] = held();
    (before..before + more).for_each(run);
    let [resident_now, mappings_now, threads_now] = held();
    assert!(threads_now <= threads, "OS threads: {threads} before, {threads_now} after");
    // An allocator may take or give back a mapping or two, and count late.
    assert!(mappings_now <= mappings + 8, "mappings: {mappings} before, {mappings_now} after");
    let allowed_kib = 1024 + usize::try_from(more).unwrap() / 20;
    assert!(resident_now <= resident + allowed_kib, "resident: {resident} KiB before, {resident_now} KiB after {more} runs");
}

/// One test, for the harness has threads of its own for each, which would be counted.
#[test]
fn thousands_of_runs_leave_nothing() {
    let _alone = alone();
    nothing_piles_up(run_here, 500, 10_000);
    nothing_piles_up(run_apart, 200, 1_000);
    nothing_piles_up(|seed| drop(Sim::builder().seed(seed).run_here(|_| ()).unwrap()), 500, 10_000);
}

#[test]
fn forty_thousand_processes_can_wait_at_once() {
    // More than vm.max_map_count would let a program have stacks with two mappings each, where the kernel knows guards of pages (Linux 6.13).
    let _alone = alone();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|number| number.parse().unwrap_or(0_u32));
    if (numbers.next(), numbers.next()) < (Some(6), Some(13)) {
        return;
    }
    let report = Sim::builder().run(|sim| {
        let host = sim.host("host");
        for _ in 0..40_000 {
            host.spawn("waiter", |net: Net| net.sleep(Duration::from_secs(1)));
        }
    });
    assert_eq!(report.unwrap().elapsed, Duration::from_secs(1));
}
