//! The body of the fuzz target `differential`: calls that the input chooses are made on the kernel and in the simulator, and both must answer the same.
//!
//! The calls are those of `twinsock conform --random`, drawn from the input instead of a seed: sockets of all families, pipes, epoll sets, files, the
//! likely calls more often. Nothing blocks, as that would be told from real time. On the kernel they are made by a worker process in a network of its own,
//! which is this program again. What the kernel answers now this way, now that, does not count; a difference is made short before it is told.

use std::path::PathBuf;
use std::process::exit;
use twinsock_sim::conform::{Twins, WORKER_ARGUMENT, worker_main};

/// Runs one input, with workers that are this program.
pub fn run(data: &[u8]) {
    thread_local! {
        static TWINS: std::cell::RefCell<Twins<'static>> = {
            let program: PathBuf = std::env::current_exe().expect("a program has a file");
            std::cell::RefCell::new(Twins::new(Box::leak(program.into_boxed_path())))
        };
    }
    TWINS.with_borrow_mut(|twins| compare(twins, data));
}

/// Runs one input with the workers that there are.
pub fn compare(twins: &mut Twins<'_>, data: &[u8]) {
    let report = twins.compare(data).expect("a worker can be started");
    assert!(report.differences.is_empty(), "{}", report.to_text());
}

/// Becomes a worker, if that is what this program was started for.
pub fn serve_if_asked() {
    if std::env::args().any(|argument| argument == WORKER_ARGUMENT) {
        let code = worker_main();
        exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
}
