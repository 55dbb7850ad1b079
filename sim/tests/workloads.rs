//! The workloads do what they say, small, in both worlds. How long they take is not looked at here.
#![cfg(feature = "cli")]

use twinsock::Os;
use twinsock_sim::workload::{
    Bulk, Churn, Crowd, Duo, Flood, PingPong, UdpPingPong, World, calls, empty_runs, idle_hours, memory,
};

const WORLDS: [World; 2] = [World::Simulator, World::Kernel];

#[test]
fn each_does_as_much_as_it_was_told() {
    for world in WORLDS {
        for bytes in [1, 64] {
            assert_eq!(PingPong { bytes, rounds: 20 }.run(world).count, 20);
        }
        assert_eq!(Bulk { writes: 20 }.run(world).count, 20 * 65536);
        assert_eq!(Churn { connections: 20 }.run(world).count, 20);
        assert_eq!(Crowd { clients: 10, rounds: 10 }.run(world).count, 100);
        assert_eq!(UdpPingPong { rounds: 20 }.run(world).count, 20);
    }
    assert_eq!(idle_hours(20).count, 20);
    assert_eq!(empty_runs(2, true).count + empty_runs(2, false).count, 4);
}

#[test]
fn a_simulated_flood_loses_nothing() {
    assert_eq!(Flood { datagrams: 10_000 }.run(World::Simulator).count, 10_000);
    // The kernel may lose what does not fit into a buffer.
    assert!(Flood { datagrams: 100 }.run(World::Kernel).count <= 100);
}

#[test]
fn a_byte_goes_through_a_pair_by_each_way() {
    let (pair, of_std) = (calls::Pair::new(), calls::StdPair::new());
    for done in [pair.batch(2, calls::Pair::through_os), pair.batch(2, calls::Pair::through_libc), of_std.batch(2)] {
        assert_eq!(done.count, 2);
    }
}

#[test]
fn memory_is_told_in_bytes() {
    assert!(memory::idle_connections(100) < 1 << 20);
    assert!(memory::idle_processes(100) < 1 << 20);
    memory::idle_kernel_connections(&Os, 10).unwrap();
}
