//! The recorded behaviours of Linux: all of the built-in set in the simulator, a sample of it on this kernel.

use std::path::PathBuf;
use twinsock_sim::conform::{ConformArgs, Report, Side, conform, random};

/// How many cases the built-in set has.
const CASES: usize = 8_801;

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
    assert_eq!(report.all().total(), CASES, "the whole set has run");
    assert_eq!(report.all().differ, 0, "what differs is printed above");
    assert_eq!(report.all().skipped_total(), 0, "nothing is missing");
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

/// A case file of these lines, which goes when it is dropped.
struct CaseFile(PathBuf);

impl CaseFile {
    fn new(name: &str, lines: &[&str]) -> CaseFile {
        let path = std::env::temp_dir().join(format!("twinsock-{}-{name}.jsonl", std::process::id()));
        std::fs::write(&path, lines.join("\n")).expect("the directory for temporary files takes one");
        CaseFile(path)
    }
}

impl Drop for CaseFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn case(id: &str, op: &str, expect: &str) -> String {
    let head = format!(r#""id":"{id}","group":"g","family":"inet","type":"stream","tags":[],"note":"""#);
    format!(r#"{{{head},"setup":[["socket","x","inet","stream"]],"setup_expect":[{{"ok":"fd"}}],"op":{op},"expect":{expect}}}"#)
}

#[test]
fn a_line_that_is_no_case_is_named_and_the_other_cases_run() {
    let good = case("good", r#"["listen","x",1]"#, r#"{"ok":0}"#);
    let unknown_op = case("op", r#"["teleport","x"]"#, r#"{"ok":0}"#);
    let unknown_flag = case("flag", r#"["recv","x",1,"MSG_MAGIC"]"#, r#"{"ok":""}"#);
    let wrong = case("wrong", r#"["close","x"]"#, r#"{"errno":"EBADF"}"#);
    let file = CaseFile::new("malformed", &[&good, "{", &unknown_op, "", &unknown_flag, r#"{"id":"bare"}"#, &wrong]);
    let args = ConformArgs { cases: vec![file.0.clone()], sides: vec![Side::Sim], ..ConformArgs::default() };
    let (report, errors) = conform(&args).expect("the file can be read");
    let named: Vec<String> =
        errors.iter().map(|error| error.to_string().replace(&file.0.display().to_string(), "FILE")).collect();
    assert!(named[0].starts_with("FILE:2: expected a JSON object on one line"), "{}", named[0]);
    assert_eq!(
        named[1..],
        [
            "FILE:3: case op: op: unknown operation `teleport`",
            "FILE:5: case flag: op: recv: argument 3: unknown flag `MSG_MAGIC`",
            "FILE:6: case bare: expected a field \"family\"",
        ]
    );
    assert_eq!((report.all().agree, report.all().differ, report.all().skipped_total()), (1, 1, 0));
    let json = report.to_json();
    assert_eq!(json["differences"][0]["id"], "wrong");
    assert_eq!(json["differences"][0]["expected"].to_string(), r#"{"errno":"EBADF"}"#);
    assert_eq!(json["differences"][0]["got"].to_string(), r#"{"ok":0}"#);
}

#[test]
fn a_case_that_differs_on_the_kernel_runs_again_and_is_counted() {
    let Some(worker) = option_env!("CARGO_BIN_EXE_twinsock").map(PathBuf::from) else { return };
    let right = case("right", r#"["close","x"]"#, r#"{"ok":0}"#);
    let wrong = case("wrong", r#"["close","x"]"#, r#"{"errno":"EBADF"}"#);
    let file = CaseFile::new("rerun", &[&right, &wrong]);
    let args = ConformArgs {
        cases: vec![file.0.clone()],
        sides: vec![Side::Os, Side::Sim],
        worker: Some(worker),
        ..ConformArgs::default()
    };
    let (report, _) = conform(&args).expect("workers can be started");
    assert_eq!((report.all().agree, report.all().differ, report.rerun()), (2, 2, 1));
    assert_eq!(report.to_json()["rerun"], 1);
    assert!(report.to_table().contains("rerun: 1 "), "{}", report.to_table());
}

/// How many random sequences the test runs: a few thousand calls.
const SEQUENCES: u64 = 250;

#[test]
fn random_sequences_of_calls_have_the_same_answers_in_both_worlds() {
    let Some(worker) = option_env!("CARGO_BIN_EXE_twinsock").map(PathBuf::from) else { return };
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if !release.starts_with("6.18.") {
        println!("skipped: the simulator does what Linux 6.18 does, this is {release}");
        return;
    }
    let args = ConformArgs { seed: 1, worker: Some(worker), ..ConformArgs::default() };
    let report = random(&args, SEQUENCES).expect("workers can be started");
    println!("{}", report.to_text());
    assert_eq!(report.sequences, SEQUENCES);
    assert!(report.calls > 10 * SEQUENCES, "a sequence makes many calls");
    assert!(report.differences.is_empty(), "what differs is printed above");
    let again = random(&args, SEQUENCES).expect("workers can be started");
    assert_eq!(again.calls, report.calls, "a seed is a set of sequences");
}
