//! W8: what idle connections and idle processes take of the machine's memory.
//!
//! Memory that an earlier workload has given back to the allocator would be found again, and count for nothing: each of these is to be the first that
//! a program of the machine does.

use crate::{Link, Net, Sim};
use std::net::SocketAddr;
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Clock, Env};

/// How many connections a client host makes: fewer than there are ports in `net.ipv4.ip_local_port_range`.
const CONNECTIONS_PER_HOST: u32 = 20_000;
const PORT: u16 = 7;
const LONG: Duration = Duration::from_secs(1_000_000);

/// Bytes of this program: what of it is resident, but for what is mapped of files, and the page tables behind it.
///
/// # Panics
/// If `/proc` does not tell, `proc(5)`.
#[must_use]
pub fn resident_bytes() -> u64 {
    // The counters of `statm` lag behind by some pages for each processor; this one walks. How much of the program's own code is mapped when it is first run goes by how
    // its file lies in the page cache: a copy of it has a megabyte less, or more.
    kib("/proc/self/smaps_rollup", "Anonymous:") * 1024 + kib("/proc/self/status", "VmPTE:") * 1024
}

/// Bytes of the kernel's slabs, where its sockets are; of the whole machine.
fn slab_bytes() -> u64 {
    kib("/proc/meminfo", "Slab:") * 1024
}

fn kib(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_suffix("kB")?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{file} does not tell {name}"))
}

/// Bytes for each of so many simulated connections, both ends together, that are open and over which nothing goes.
///
/// # Panics
/// If the run fails.
#[must_use]
pub fn idle_connections(connections: u32) -> u64 {
    let run = Sim::builder().seed(1).run_here(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)));
        let before = resident_bytes();
        let server = sim.host("server");
        let addr = SocketAddr::new(server.ipv4(), PORT);
        server.process("server").rlimit_nofile(connections + 8).daemon().spawn(move |net: Net| {
            let listener = TcpListener::bind(&net, addr).expect("nobody else is on this host");
            let _open: Vec<_> = (0..connections).map(|_| listener.accept().expect("a client comes").0).collect();
            net.sleep(LONG);
        });
        let mut left = connections;
        while left > 0 {
            let count = left.min(CONNECTIONS_PER_HOST);
            let host = sim.host(&format!("client-{left}"));
            host.process("client").rlimit_nofile(count + 8).daemon().spawn(move |net: Net| {
                let _open: Vec<_> = (0..count).map(|_| TcpStream::connect(&net, addr).expect("the server listens")).collect();
                net.sleep(LONG);
            });
            left -= count;
        }
        sim.run_for(Duration::from_secs(3600));
        assert!(!sim.has_failed(), "all have connected");
        resident_bytes().saturating_sub(before) / u64::from(connections)
    });
    run.expect("the run comes to its end").value
}

/// Bytes for each of so many simulated processes that sleep.
///
/// # Panics
/// If the run fails, or there are more stacks than the machine lets a program map (`vm.max_map_count`).
#[must_use]
pub fn idle_processes(processes: u32) -> u64 {
    let run = Sim::builder().seed(1).run_here(|sim| {
        let before = resident_bytes();
        let host = sim.host("host");
        for _ in 0..processes {
            host.spawn_daemon("idle", |net: Net| net.sleep(LONG));
        }
        sim.run_for(Duration::from_secs(1));
        assert!(!sim.has_failed(), "all are asleep");
        resident_bytes().saturating_sub(before) / u64::from(processes)
    });
    run.expect("the run comes to its end").value
}

/// Bytes of the kernel's slabs for each of so many connections of its loopback, both ends together.
///
/// # Errors
/// Descriptors or ports run out before there are so many.
pub fn idle_kernel_connections<A: Env>(net: &A, connections: u32) -> std::io::Result<u64> {
    let listener = TcpListener::bind(net, "127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    let mut open = Vec::new();
    let before = slab_bytes();
    for _ in 0..connections {
        let client = TcpStream::connect(net, addr)?;
        open.push((client, listener.accept()?.0));
    }
    let after = slab_bytes();
    drop(open);
    Ok(after.saturating_sub(before) / u64::from(connections))
}
