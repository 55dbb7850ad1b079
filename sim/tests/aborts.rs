//! What a program says on standard error, and how it ends, where no value can tell: seen from outside, in a child process.

#![expect(clippy::disallowed_methods, reason = "children are told by their environment that they are children")]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::time::Duration;
use twinsock::net::TcpListener;
use twinsock::raw::Syscalls;
use twinsock::sync::Mutex;
use twinsock::{Clock, Errno};
use twinsock_sim::{Net, Sim};

const SIGABRT: i32 = 6;

/// Runs `body` in a child process, as the test of this name, and returns what it printed; `None` in the child itself.
fn in_a_child(test: &str, env: &[(&str, &str)], body: fn()) -> Option<(Output, String)> {
    const CHILD: &str = "TWINSOCK_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        body();
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(CHILD, "1").envs(env.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Some((output, text))
}

#[test]
fn a_call_outside_its_simulation_is_ebadf_and_one_line() {
    let body = || {
        let report = Sim::builder().run(|sim| {
            let net = sim.host("a").spawn("p", |net: Net| net);
            sim.run_to_end().unwrap();
            net.take().unwrap()
        });
        let net = report.unwrap().value;
        assert_eq!(net.socket(2, 1, 0), Err(Errno::BADF));
    };
    let Some((output, text)) = in_a_child("a_call_outside_its_simulation_is_ebadf_and_one_line", &[], body) else { return };
    assert!(output.status.success(), "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("twinsock")).collect();
    let [line] = lines[..] else { panic!("one line is expected: {text}") };
    assert!(line.contains("outside its simulation") && line.contains("EBADF"), "{line}");
}

#[test]
fn the_watchdog_aborts_a_process_that_blocks_its_os_thread() {
    fn waits_for_ever() {
        let (_sender, receiver) = mpsc::channel::<()>();
        receiver.recv().unwrap();
    }
    let body = || {
        let report = Sim::builder().watchdog(Some(Duration::from_millis(250))).run(|sim| {
            sim.host("a").spawn("stuck", |_net| waits_for_ever());
        });
        report.unwrap();
    };
    let Some((output, text)) = in_a_child("the_watchdog_aborts_a_process_that_blocks_its_os_thread", &[], body) else { return };
    assert_eq!(output.status.signal(), Some(SIGABRT), "{text}");
    for part in ["simulated thread stuck", "twinsock::sync", "waits_for_ever"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn a_panic_in_a_destructor_while_unwinding_is_told_before_the_abort() {
    struct Stubborn(TcpListener<Net>);
    impl Drop for Stubborn {
        fn drop(&mut self) {
            self.0.set_nonblocking(true).expect("a stubborn destructor");
        }
    }
    let body = || {
        let report = Sim::builder().seed(9).run(|sim| {
            let victim = sim.host("a").spawn("victim", |net| {
                let _stubborn = Stubborn(TcpListener::bind(&net, "0.0.0.0:80").unwrap());
                net.sleep(Duration::from_secs(60));
            });
            sim.run_for(Duration::from_secs(1));
            victim.kill();
        });
        report.unwrap();
    };
    let test = "a_panic_in_a_destructor_while_unwinding_is_told_before_the_abort";
    let Some((output, text)) = in_a_child(test, &[], body) else { return };
    assert_eq!(output.status.signal(), Some(SIGABRT), "{text}");
    for part in ["a stubborn destructor", "EIO", "TWINSOCK_SEED=9 cargo test", test] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn a_lock_that_an_unwinding_thread_holds_already_is_told_before_the_abort() {
    struct Twice(std::sync::Arc<Mutex<Net, ()>>);
    impl Drop for Twice {
        fn drop(&mut self) {
            let _first = self.0.lock();
            drop(self.0.lock());
        }
    }
    let body = || {
        let report = Sim::builder().run(|sim| {
            sim.host("a").spawn("p", |net| {
                let _twice = Twice(std::sync::Arc::new(Mutex::new(&net, ())));
                panic!("the first panic");
            });
        });
        report.unwrap();
    };
    let test = "a_lock_that_an_unwinding_thread_holds_already_is_told_before_the_abort";
    let Some((output, text)) = in_a_child(test, &[], body) else { return };
    assert_eq!(output.status.signal(), Some(SIGABRT), "{text}");
    assert!(text.contains("the first panic") && text.contains("a lock that is held"), "{text}");
}

#[test]
fn the_environment_gives_the_seed_and_a_bad_one_ends_the_run() {
    let body = || println!("seed {}", Sim::builder().seed(1).run(|sim| sim.seed()).unwrap().value);
    let test = "the_environment_gives_the_seed_and_a_bad_one_ends_the_run";
    let Some((output, text)) = in_a_child(test, &[("TWINSOCK_SEED", "77")], body) else { return };
    assert!(String::from_utf8_lossy(&output.stdout).contains("seed 77"), "{text}");
    let Some((output, text)) = in_a_child(test, &[("TWINSOCK_SEED", "0x4d")], body) else { return };
    assert!(!output.status.success());
    assert!(text.contains("TWINSOCK_SEED is \"0x4d\", expected a number from 0 to 18446744073709551615"), "{text}");
}

/// A process that waits twice, each time in a function of its own name.
fn a_run_of_a_few_steps() {
    #[inline(never)]
    fn waits_for_the_second_time(net: &Net) {
        net.sleep(Duration::from_secs(2));
    }
    // All on one OS thread, and nobody watches: threads that come and go beside the one that is looked at are more than gdb always bears.
    let report = Sim::builder().watchdog(None).run_here(|sim| {
        sim.host("a").spawn("p", |net| {
            net.sleep(Duration::from_secs(1));
            waits_for_the_second_time(&net);
        });
    });
    println!("it took {} steps", report.unwrap().steps);
}

#[test]
fn a_run_says_that_it_has_come_to_the_step_of_a_debugger() {
    let test = "a_run_says_that_it_has_come_to_the_step_of_a_debugger";
    let run = |step: &str| in_a_child(test, &[("TWINSOCK_BREAK", step)], a_run_of_a_few_steps);
    let Some((output, text)) = run("#3") else { return };
    assert!(output.status.success(), "{text}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("it took 3 steps"), "{text}");
    assert!(text.contains("twinsock: step 3: thread a/p at 3.00000"), "{text}");
    assert!(text.contains("no debugger is attached") && text.contains("gdb --args "), "{text}");
    let Some((output, text)) = run("4") else { return };
    assert!(output.status.success() && text.contains("step 4 was not reached: the run took 3 steps"), "{text}");
    let Some((output, text)) = run("later") else { return };
    assert!(!output.status.success() && text.contains("TWINSOCK_BREAK is \"later\", expected the number of a step"), "{text}");
}

#[test]
fn a_debugger_stops_where_the_thread_of_the_step_waits() {
    const TEST: &str = "a_debugger_stops_where_the_thread_of_the_step_waits";
    const CHILD: &str = "TWINSOCK_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return a_run_of_a_few_steps();
    }
    let this = std::env::current_exe().unwrap();
    let mut gdb = Command::new("gdb");
    gdb.args(["-batch", "-nx", "-ex", "run", "-ex", "backtrace", "-ex", "continue", "--args"]).arg(this);
    gdb.args([TEST, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env("TWINSOCK_BREAK", "3")
        .env("SHELL", "/bin/sh");
    let output = match gdb.output() {
        Ok(output) => output,
        // Where changes are checked, there has to be one.
        Err(error) => return assert!(std::env::var_os("TWINSOCK_NEEDS_GDB").is_none(), "gdb: {error}"),
    };
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for part in ["SIGTRAP", "twinsock_break", "waits_for_the_second_time", "it took 3 steps", "exited normally"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn a_stack_that_overflows_says_whose_it_is_and_what_to_set() {
    const TEST: &str = "a_stack_that_overflows_says_whose_it_is_and_what_to_set";
    #[inline(never)]
    fn depth(of: u64) -> u64 {
        let room = std::hint::black_box([of; 64]);
        if of == 0 { 0 } else { depth(of - 1) + room[7] }
    }
    let body = || {
        let report = Sim::builder().seed(9).stack_bytes(128 << 10).run(|sim| {
            let host = sim.host("north");
            host.spawn("shallow", |_net| assert_eq!(depth(10), 55));
            sim.run_to_end().unwrap();
            host.spawn("node", |net| {
                let thread = twinsock::Spawn::spawn(&net, || depth(1 << 40));
                twinsock::JoinThread::join(thread).unwrap();
            });
        });
        report.unwrap();
    };
    let Some((output, text)) = in_a_child(TEST, &[], body) else { return };
    assert_eq!(output.status.signal(), Some(SIGABRT), "{text}");
    let expected = "twinsock: host north, process node, thread node/1 has overflowed its stack of 131072 bytes.\n\
        twinsock: Builder::stack_bytes gives simulated threads more; the seed was 9\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn after_a_run_within_a_run_the_outer_ones_stacks_are_looked_after_again() {
    const TEST: &str = "after_a_run_within_a_run_the_outer_ones_stacks_are_looked_after_again";
    #[inline(never)]
    fn depth(of: u64) -> u64 {
        let room = std::hint::black_box([of; 64]);
        if of == 0 { 0 } else { depth(of - 1) + room[7] }
    }
    let body = || {
        let report = Sim::builder().stack_bytes(4 << 20).run_here(|sim| {
            Sim::builder().stack_bytes(128 << 10).run_here(|sim| drop(sim.host("inner").spawn("p", |_net| ()))).unwrap();
            sim.host("outer").spawn("p", |_net| assert!(depth(1 << 40) > 0));
        });
        report.unwrap();
    };
    let Some((output, text)) = in_a_child(TEST, &[], body) else { return };
    assert_eq!(output.status.signal(), Some(SIGABRT), "{text}");
    assert!(text.contains("twinsock: host outer, process p, thread p has overflowed its stack of 4194304 bytes.\n"), "{text}");
}

#[test]
fn an_os_thread_that_overflows_is_still_the_standard_librarys() {
    const TEST: &str = "an_os_thread_that_overflows_is_still_the_standard_librarys";
    #[inline(never)]
    fn depth(of: u64) -> u64 {
        let room = std::hint::black_box([of; 64]);
        if of == 0 { 0 } else { depth(of - 1) + room[7] }
    }
    let body = || {
        Sim::builder().run_here(|sim| drop(sim.host("a").spawn("p", |_net| ()))).unwrap();
        std::hint::black_box(depth(1 << 40));
    };
    let Some((output, text)) = in_a_child(TEST, &[], body) else { return };
    assert_eq!(output.status.signal(), Some(SIGABRT), "{text}");
    assert!(text.contains("has overflowed its stack") && !text.contains("twinsock: "), "{text}");
}

#[test]
fn the_watchdog_aborts_a_network_builder_that_never_goes_on() {
    const TEST: &str = "the_watchdog_aborts_a_network_builder_that_never_goes_on";
    fn judges_for_ever() -> twinsock_sim::Fate {
        let (_sender, receiver) = mpsc::channel::<()>();
        receiver.recv().unwrap();
        twinsock_sim::Fate::Pass
    }
    let body = || {
        let report = Sim::builder().watchdog(Some(Duration::from_millis(250))).run(|sim| {
            let _rule = sim.rule(|_frame| judges_for_ever());
            sim.host("a").spawn("p", |net| {
                twinsock::net::UdpSocket::bind(&net, "0.0.0.0:0").unwrap().send_to(b"x", "10.0.0.2:7").unwrap();
                net.sleep(Duration::from_secs(1));
            });
            sim.host("b");
            sim.run_to_end().unwrap();
        });
        report.unwrap();
    };
    let Some((output, text)) = in_a_child(TEST, &[], body) else { return };
    assert_eq!(output.status.signal(), Some(SIGABRT), "{text}");
    for part in ["no simulated thread has had a turn", "judges_for_ever"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}
