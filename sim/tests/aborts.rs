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
