//! The recorded behaviours of Linux: all of the built-in set in the simulator, a sample of it on this kernel.

use std::path::PathBuf;
use twinsock_sim::conform::{ConformArgs, Report, Side, conform};

/// The groups of which every case agrees in the simulator. The list only grows; a group that is not modelled wholly yet is missing.
const COMPLETE: &[&str] = &[
    "bind_conflict",
    "bind_error",
    "bind_state_conflict",
    "checked_details",
    "ephemeral",
    "epoll",
    "fd_errors",
    "fd_flags",
    "pending_error",
    "poll",
    "select",
    "sockopt",
    "sockopt_inherit",
    "sockopt_seq",
    "sockopt_state",
    "tcp_accept",
    "tcp_backlog",
    "tcp_blocking",
    "tcp_close",
    "tcp_connect",
    "tcp_data",
    "tcp_fin_wait_rst",
    "tcp_oob",
    "tcp_order",
    "tcp_peer_effect",
    "tcp_shutdown",
    "tcp_state_op",
    "tcp_syn_sent_blocking",
    "udp_basic",
    "udp_bcast",
    "udp_connect",
    "udp_error",
    "udp_poll",
    "udp_shutdown",
    "udp_state_op",
    "unix_addr",
    "unix_cmsg",
    "unix_connect",
    "unix_data",
    "unix_dgram",
    "unix_dgram_state_op",
    "unix_state_op",
];

/// How many cases of each group run on the kernel.
const KERNEL_SAMPLE: usize = 4;

fn run(args: &ConformArgs) -> Report {
    let (report, errors) = conform(args).expect("the built-in set can be read, and workers started");
    assert_eq!(errors, [], "the built-in set is well formed");
    println!("{}", report.to_table());
    report
}

#[test]
fn the_simulator_does_what_linux_did() {
    let report = run(&ConformArgs { sides: vec![Side::Sim], ..ConformArgs::default() });
    let complete = report.groups().filter(|(_, counts)| counts.differ == 0 && counts.skipped_total() == 0);
    let complete: Vec<&str> = complete.map(|(name, _)| name).collect();
    assert_eq!(complete, COMPLETE, "the groups that agree wholly are those of the list");
}

#[test]
fn this_kernel_does_what_linux_did() {
    // Without the feature `cli` there is no command that could become a worker.
    let Some(worker) = option_env!("CARGO_BIN_EXE_twinsock") else { return };
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if !release.starts_with("6.18.") {
        println!("skipped: the cases were recorded on Linux 6.18, this is {release}");
        return;
    }
    let worker = Some(PathBuf::from(worker));
    let report = run(&ConformArgs { sides: vec![Side::Os], sample: Some(KERNEL_SAMPLE), worker, ..ConformArgs::default() });
    for (reason, count) in &report.all().skipped {
        println!("skipped {count}: {reason}");
    }
    assert_eq!(report.all().differ, 0, "what differs is printed above");
}
