//! The commands `explore`, `replay`, `merge` and `bench`, with what they are made for and with what makes no sense.
#![cfg(feature = "cli")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder of its own for each test, empty at first.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("commands").join(name);
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The command, in a folder, without an environment.
fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinsock"));
    command.args(args).env_clear().current_dir(folder);
    command
}

/// Runs it: its exit code, and what it wrote to standard output and to standard error.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    said(&command(folder, args).output().unwrap())
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn refused(folder: &Path, args: &[&str], words: &[&str]) {
    let (code, out, err) = run(folder, args);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    for words in words {
        assert!(err.contains(words), "{words:?} is not in {err}");
    }
}

/// The tapes that a command left in its folder.
fn tapes_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder.join("twinsock-regressions")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "tape")).collect()
}

/// The only one.
#[track_caller]
fn tape_in(folder: &Path) -> PathBuf {
    let tapes = tapes_in(folder);
    let [tape] = tapes.as_slice() else { panic!("one tape: {tapes:?}") };
    tape.clone()
}

#[expect(clippy::disallowed_methods, reason = "another process is waited for, and nothing but the file system tells")]
fn wait_until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}

#[test]
fn a_bug_is_found_kept_and_replayed() {
    let folder = folder("found");
    let (code, out, err) = run(&folder, &["explore", "eintr-not-retried"]);
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    assert!(out.contains("every request is answered") && out.contains("milliseconds until SIGHUP"), "{out}");
    let line = out.lines().find_map(|line| line.strip_prefix("reproduce: ")).unwrap();
    assert!(line.contains("explore eintr-not-retried --seed "), "{line}");

    // In a fresh process, the tape fails at the same moment of the same run.
    let tape = tape_in(&folder);
    let (code, replayed, _) = run(&folder, &["replay", tape.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{replayed}");
    let tail = |text: &str| text.split_once("last events of each host:\n").unwrap().1.split("tape: ").next().unwrap().to_owned();
    assert_eq!(tail(&replayed), tail(&out));
    let (code, fixed, _) = run(&folder, &["replay", "--fixed", tape.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{fixed}");

    // The tape is tried first.
    let (code, again, _) = run(&folder, &["explore", "eintr-not-retried", "--json"]);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!((code, &again["tapes"], &again["seeds"]), (Some(1), &1.into(), &0.into()), "{again:#}");
    assert!(again["found"][0]["reproduce"].as_str().unwrap().contains("replay twinsock-regressions/"), "{again:#}");
}

#[test]
fn a_fixed_program_holds_and_keeps_nothing() {
    let folder = folder("fixed");
    let (code, out, err) = run(&folder, &["explore", "eintr-not-retried", "--fixed", "--seeds", "40", "--first-seed", "100"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with("twinsock::gallery::eintr-not-retried: 40 seeds, 0 failed"), "{out}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = folder("senseless");
    refused(&folder, &["explore"], &["<NAME>"]);
    refused(&folder, &["explore", "no-such-bug"], &["no-such-bug", "explore --list"]);
    refused(&folder, &["explore", "framing", "--seeds", "many"], &["many"]);
    refused(&folder, &["explore", "framing", "--shard", "5/4"], &["no shard 5 of 4"]);
    refused(&folder, &["explore", "framing", "--shard", "half"], &["expected i/n"]);
    refused(&folder, &["explore", "framing", "--seed", "1", "--seeds", "2"], &["cannot be used with"]);
    let output = command(&folder, &["explore", "framing"]).env("TWINSOCK_SEEDS", "-3").output().unwrap();
    let (code, out, err) = said(&output);
    assert!(code == Some(2) && out.is_empty() && err.contains("TWINSOCK_SEEDS is \"-3\""), "{err}");
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let folder = folder("pipe");
    let mut child = command(&folder, &["explore", "eof-as-error"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let (code, _, err) = said(&child.wait_with_output().unwrap());
    assert_eq!((code, err.as_str()), (Some(1), ""));
}

#[test]
fn bugs_are_listed() {
    let (code, out, _) = run(&folder("list"), &["explore", "--list"]);
    assert!(code == Some(0) && out.contains("\nlock-order ") && out.lines().count() >= 12, "{out}");
}

#[test]
fn a_tape_of_another_version_or_test_is_refused_and_both_are_named() {
    use twinsock_sim::choice::Tape;
    let folder = folder("foreign");
    run(&folder, &["explore", "eof-as-error"]);
    let path = tape_in(&folder);
    let tape = Tape::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
    let altered = |version: &str, test: &str| {
        let mut tape = tape.clone();
        tape.origin.version = version.to_owned();
        tape.origin.test = test.to_owned();
        let path = folder.join("altered.tape");
        std::fs::write(&path, tape.to_bytes()).unwrap();
        path
    };
    let here = concat!("this is twinsock-sim ", env!("CARGO_PKG_VERSION"));
    let refused = |path: PathBuf, words: &[&str]| refused(&folder, &["replay", path.to_str().unwrap()], words);
    let ours = tape.origin.test.as_str();
    refused(altered("0.0.9", ours), &["altered.tape: ", "recorded by twinsock-sim 0.0.9", ours, here]);
    refused(
        altered("0.1.0", "kv::slow::no_write_is_lost"),
        &[
            "from test `kv::slow::no_write_is_lost`",
            here,
            "eof-as-error",
            "altered.tape cargo test slow::no_write_is_lost -- --exact",
        ],
    );
    refused(altered("0.1.0", ""), &["does not say which test", here]);
    std::fs::write(folder.join("noise.tape"), "noise").unwrap();
    refused(folder.join("noise.tape"), &["noise.tape: not a tape of choices: at byte 5"]);
    refused(folder.join("missing.tape"), &["missing.tape: No such file"]);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(folder.join("cut.tape"), &bytes[..bytes.len() - 1]).unwrap();
    let seed = tape.origin.seed;
    let beginning = format!("its beginning says that it was recorded by twinsock-sim 0.1.0 from test `{ours}`, seed {seed}");
    let again = format!(" explore eof-as-error --seed {seed}");
    refused(folder.join("cut.tape"), &["cut.tape: not a tape of choices: at byte ", &beginning, &again]);
    let at = bytes.len() - 1;
    let (code, _, err) = run(&folder, &["replay", folder.join("cut.tape").to_str().unwrap()]);
    assert!(code == Some(2) && err.contains(&format!("at byte {at}, expected ")), "{err}");
}

#[test]
fn shards_are_merged_and_what_is_missing_or_there_twice_is_named() {
    let folder = folder("merged");
    let explore = |shard: &str, records: &str| {
        let args =
            ["explore", "framing", "--collect", "--seeds", "40", "--shrink-runs", "0", "--shard", shard, "--record", records];
        let tapes = format!("tapes-{records}-{}", shard.replace('/', "-"));
        run(&folder, &[&args[..], &["--tapes", &tapes]].concat())
    };
    explore("1/1", "whole");
    for shard in ["1/3", "2/3", "3/3"] {
        explore(shard, "parts");
    }
    let merged = |args: &[&str]| {
        let (code, out, err) = run(&folder, &[&["merge", "--json"], args].concat());
        assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let (whole, parts) = (merged(&["whole"]), merged(&["parts"]));
    assert_eq!(parts, whole, "the union is the whole");
    assert_eq!((&parts["seeds"], &parts["test"]), (&40.into(), &"twinsock::gallery::framing".into()));

    let record = |number: u32| format!("parts/twinsock-gallery-framing-{number}-of-3.jsonl");
    let (one, two, three) = (record(1), record(2), record(3));
    assert_eq!(merged(&[&three, &one, &two]), whole, "in any order");
    let (code, text, _) = run(&folder, &["merge", "parts"]);
    assert!(code == Some(1) && text.contains("the lines that were sent are stored") && text.contains("reproduce: "), "{text}");

    refused(&folder, &["merge", "nowhere"], &["nowhere: No such file"]);
    refused(&folder, &["merge", "."], &["no record"]);
    refused(&folder, &["merge"], &["<FILE|FOLDER>"]);

    // What is wrong is named, and the rest is joined and told.
    let partly = |args: &[&str], words: &[&str]| {
        let (code, out, err) = run(&folder, &[&["merge", "--json"], args].concat());
        assert_eq!(code, Some(2), "{out}\n{err}");
        let merged: Value = serde_json::from_str(&out).unwrap();
        let errors = merged["errors"].as_array().unwrap().iter().map(|error| format!("twinsock: {}\n", error.as_str().unwrap()));
        assert_eq!(err, errors.collect::<String>());
        words.iter().for_each(|words| assert!(err.contains(words), "{words:?} is not in {err}"));
        merged
    };
    let without = partly(&[&one, &three], &["of 3 shards, these are missing: [2]"]);
    assert!(without["seeds"].as_u64().unwrap() < 40 && !without["found"].as_array().unwrap().is_empty(), "{without:#}");
    let twice = partly(&[&one, &two, &two, &three], &["-2-of-3.jsonl", "records of the same shard"]);
    let foreign = partly(&["parts", "whole"], &["1-of-1.jsonl: the record is of another campaign", "number of shards is 1"]);
    for all in [twice, foreign] {
        assert_eq!((&all["seeds"], &all["found"]), (&whole["seeds"], &whole["found"]));
    }
    let text = std::fs::read_to_string(folder.join(&two)).unwrap();
    let broken = |text: &str, words: &[&str]| {
        std::fs::write(folder.join(&two), text).unwrap();
        partly(&["parts"], words)
    };
    let first_line = text.lines().next().unwrap();
    let unfinished = broken(first_line, &["2-of-3.jsonl: the shard did not come to its end; run it again"]);
    assert_eq!((&unfinished["seeds"], &unfinished["found"]), (&without["seeds"], &without["found"]));
    let last_line = text.lines().count();
    let cut_off = broken(
        &text[..text.len() - 5],
        &[&format!("2-of-3.jsonl: line {last_line}, byte {}: ", text.len() - 5), "the file is cut off here: "],
    );
    assert_eq!(cut_off["found"], whole["found"], "the failures come before the last line");
    assert_eq!(cut_off["seeds"], without["seeds"], "how many seeds it had stands in the last line");
    let odd = format!("{first_line}\n{{\"line\":\"failure\",\"site\":7}}\n");
    let place = format!("2-of-3.jsonl: line 2, byte {}: expected the field \"site\", a text, in ", first_line.len() + 1);
    broken(&odd, &[&place]);
    broken("{\"line\": \"campaign\"}\n", &["2-of-3.jsonl: line 1, byte 0: a record of format null", "these are missing: [2]"]);
    broken("GIF89a", &["2-of-3.jsonl: line 1, byte 0: the file is cut off here: expected value"]);
    let (code, out, err) = run(&folder, &["merge", "parts"]);
    assert!(code == Some(2) && out.contains("reproduce: ") && err.contains("2-of-3.jsonl: "), "{out}\n{err}");
    refused(&folder, &["merge", &two], &["2-of-3.jsonl: line 1, byte 0"]);
}

#[test]
fn a_trace_that_is_cut_off_or_foreign_is_shown_up_to_there() {
    let folder = folder("traces");
    let (code, _, err) = run(&folder, &["demo", "--backend", "sim", "--clients", "1", "--report", "demo"]);
    assert_eq!(code, Some(0), "{err}");
    let bytes = std::fs::read(folder.join("demo/trace.jsonl")).unwrap();
    std::fs::write(folder.join("cut.jsonl"), &bytes[..100_000]).unwrap();
    let (code, out, err) = run(&folder, &["trace", "cut.jsonl"]);
    let lines = out.lines().count();
    assert!(code == Some(2) && lines > 100, "{err}");
    let place = format!("cut.jsonl: line {}, byte ", lines + 2);
    assert!(err.contains(&place) && err.contains("the file is cut off here: ") && err.contains("is above"), "{err}");
    std::fs::write(folder.join("foreign.jsonl"), "GIF89a").unwrap();
    refused(&folder, &["trace", "foreign.jsonl"], &["foreign.jsonl: line 1, byte 0: not a trace of twinsock: expected "]);
    refused(&folder, &["trace", "none.jsonl"], &["none.jsonl: No such file"]);
}

#[test]
fn a_command_or_case_file_that_is_none_is_refused_by_file_and_line() {
    let folder = folder("inputs");
    let commands = |bytes: &[u8], words: &[&str]| {
        std::fs::write(folder.join("commands"), bytes).unwrap();
        refused(&folder, &["demo", "--backend", "sim", "--commands", "commands"], words);
    };
    commands(b"session a\nSET k 1\nTELEPORT\n", &["commands:3: "]);
    commands(b"session a\nSET k \xff\n", &["commands:2: the line is not UTF-8"]);
    commands(b"", &["commands:1: the file asks for nothing"]);
    refused(&folder, &["demo", "--commands", "none"], &["none: No such file"]);

    // The cases that can be read run.
    std::fs::write(folder.join("cases"), b"GIF89a\n\xff\xfe\n{\"id\": \"cut").unwrap();
    let (code, out, err) = run(&folder, &["conform", "--backend", "sim", "--cases", "cases"]);
    assert_eq!(code, Some(2), "{out}\n{err}");
    for words in ["cases:1: expected a JSON object", "cases:2: expected a JSON object on one line, in UTF-8: byte 0", "cases:3: "]
    {
        assert!(err.contains(words), "{words:?} is not in {err}");
    }
    refused(&folder, &["conform", "--cases", "none"], &["none: No such file"]);
}

#[test]
fn ctrl_c_tells_what_was_found_and_leaves_every_failure_s_tape() {
    let folder = folder("interrupted");
    let args = ["explore", "framing", "--collect", "--seeds", "100000000"];
    let child = command(&folder, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A tape is there as soon as a failure is seen.
    wait_until(|| !tapes_in(&folder).is_empty());
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let (code, out, err) = said(&child.wait_with_output().unwrap());
    assert_eq!(code, Some(130), "{out}\n{err}");
    assert!(out.contains("; interrupted") && out.contains("the lines that were sent are stored"), "{out}");
    for tape in tapes_in(&folder) {
        let (code, replayed, _) = run(&folder, &["replay", tape.to_str().unwrap()]);
        assert_eq!(code, Some(1), "{replayed}");
    }
}

#[test]
fn a_bench_measures_each_workload() {
    let folder = folder("bench");
    let small = ["bench", "--rounds", "2", "--millis", "1", "--quick"];
    let (code, out, err) = run(&folder, &[&small[..], &["--json"]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let cases = told["cases"].as_array().unwrap();
    for workload in ["W1", "W2", "W3", "W4", "W5", "W6", "W7", "W9"] {
        assert!(cases.iter().any(|case| case["workload"] == workload), "{workload} is not in {told:#}");
    }
    for case in cases {
        let [median, min, max] = ["median", "min", "max"].map(|name| case["twinsock"][name].as_f64().unwrap());
        assert!(0.0 < min && min <= median && median <= max, "{case:#}");
    }

    let (code, out, err) = run(&folder, &[&small[..], &["w1", "W9", "--backend", "sim"]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("TCP round trip, 64 bytes") && out.contains("empty simulation") && !out.contains("kernel"), "{out}");
    let (code, out, err) = run(&folder, &["bench", "W8", "--idle", "50", "--markdown"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("| W8 | idle process | bytes each |") && out.contains("Measured on "), "{out}");
}

#[test]
fn a_bench_of_nothing_is_refused() {
    let folder = folder("bench_of_nothing");
    refused(&folder, &["bench", "W0"], &["W0", "they are W1, W2, W3, W4, W5, W6, W7, W8, W9"]);
    refused(&folder, &["bench", "--rounds", "0"], &["rounds"]);
    refused(&folder, &["bench", "--backend", "moon"], &["moon", "os, sim, both"]);
    refused(&folder, &["bench", "--json", "--markdown"], &["cannot be used with"]);
    refused(&folder, &["bench", "--memory", "dust:1"], &["dust"]);
}

/// How many characters begin a colour, or end one.
fn escapes(text: &str) -> usize {
    text.matches('\u{1b}').count()
}

#[test]
fn colours_are_for_who_watches_a_terminal() {
    let folder = folder("colours");
    let bug = ["explore", "eintr-not-retried"];
    let (_, plain, _) = run(&folder, &bug);
    assert_eq!(escapes(&plain), 0, "a pipe gets none: {plain}");
    let in_colour =
        |variables: &[(&str, &str)]| said(&command(&folder, &bug).envs(variables.iter().copied()).output().unwrap()).1;
    let forced = in_colour(&[("CLICOLOR_FORCE", "1")]);
    assert!(escapes(&forced) > 10, "{forced}");
    assert_eq!(escapes(&in_colour(&[("FORCE_COLOR", "1"), ("NO_COLOR", "1")])), 0);

    // On a terminal, as script(1) makes one.
    let line = format!("{} explore eintr-not-retried", env!("CARGO_BIN_EXE_twinsock"));
    let on_a_terminal = |variables: &[(&str, &str)]| {
        let mut script = Command::new("script");
        script
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::null())
            .env_clear()
            .env("TERM", "xterm")
            .envs(variables.iter().copied());
        script.env("PATH", "/usr/bin:/bin").current_dir(&folder);
        // It belongs to every Debian, but perhaps not to other systems.
        script.output().ok().map(|output| said(&output).1)
    };
    if let Some(seen) = on_a_terminal(&[]) {
        assert!(seen.contains("every request is answered") && escapes(&seen) > 10, "{seen}");
        // The progress bar hides and clears its line, in no colour.
        let seen = on_a_terminal(&[("NO_COLOR", "1")]).unwrap();
        assert!(!seen.contains("\u{1b}[31m") && !seen.contains("\u{1b}[1m"), "{seen}");
        assert!(!on_a_terminal(&[("CI", "true")]).unwrap().contains("\u{1b}[1m"));
    }

    let trace = std::fs::read_dir(folder.join("twinsock-regressions")).unwrap().map(|entry| entry.unwrap().path());
    let trace =
        trace.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "report")).unwrap().join("trace.jsonl");
    let shown = |variables: &[(&str, &str)]| {
        said(&command(&folder, &["trace", trace.to_str().unwrap()]).envs(variables.iter().copied()).output().unwrap()).1
    };
    let (plain, painted) = (shown(&[]), shown(&[("CLICOLOR_FORCE", "1")]));
    assert!(escapes(&plain) == 0 && escapes(&painted) > 10 && plain.lines().count() == painted.lines().count(), "{painted}");
}

#[test]
fn a_failure_is_told_where_its_report_cannot_be_written() {
    let folder = folder("full");
    run(&folder, &["explore", "eintr-not-retried"]);
    let tape = tape_in(&folder);
    let report = tape.with_extension("report");
    std::fs::remove_file(&tape).unwrap();
    std::fs::remove_file(report.join("trace.jsonl")).unwrap();
    // A disk that is full, as far as this file goes: full(4).
    std::os::unix::fs::symlink("/dev/full", report.join("trace.jsonl")).unwrap();
    let (code, out, err) = run(&folder, &["explore", "eintr-not-retried"]);
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    for part in [
        "every request is answered",
        "it takes, of everything that could have gone otherwise:",
        "last events of each host:",
        "sockets:",
        "not written: ",
        "trace.jsonl cannot be written: No space left on device (os error 28)",
        "tape: ",
        "reproduce: ",
    ] {
        assert!(out.contains(part), "{part} is missing: {out}");
    }

    assert!(out.contains("timeline: ") && report.join("timeline.html").exists(), "what has room is there: {out}");
    assert!(!report.join("trace.jsonl").exists(), "and nothing that is half written");

    // The timeline is what does not fit: the trace is named in its place.
    let text = std::fs::metadata(report.join("trace.txt")).unwrap().len();
    let limit = text.div_ceil(1024) + 1;
    let small = |command: &str| {
        // `ulimit -f` is RLIMIT_FSIZE, in units of 512 or of 1,024 bytes; write(2) is EFBIG where SIGXFSZ is ignored.
        let line = format!("trap '' XFSZ; ulimit -f {limit}; exec {} {command}", env!("CARGO_BIN_EXE_twinsock"));
        let mut shell = Command::new("bash");
        shell.args(["-c", &line]).env_clear().env("PATH", "/usr/bin:/bin").current_dir(&folder);
        said(&shell.output().unwrap())
    };
    let tape = tape_in(&folder);
    std::fs::remove_file(&tape).unwrap();
    let (code, out, err) = small("explore eintr-not-retried");
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    for part in ["timeline.html cannot be written: File too large (os error 27)", "\ntrace: ", "trace.txt\n", "reproduce: "] {
        assert!(out.contains(part), "{part} is missing: {out}");
    }
    let (code, out, err) = small(&format!("replay {} --report small", tape.display()));
    assert_eq!(code, Some(1), "{out}");
    assert!(err.contains("timeline.html cannot be written: ") && out.contains("every request is answered"), "{err}\n{out}");
    let (code, out, err) = small("demo --backend sim --clients 1 --report demo");
    assert_eq!(code, Some(3), "{out}");
    assert!(err.contains("timeline.html cannot be written: ") && out.contains("same: the transcript expected"), "{err}\n{out}");

    // No folder at all.
    std::fs::write(folder.join("file"), "").unwrap();
    let (code, out, _) = run(&folder, &["explore", "eintr-not-retried", "--tapes", "file"]);
    assert_eq!(code, Some(1), "{out}");
    for part in ["every request is answered", "cannot be written: ", "reproduce: "] {
        assert!(out.contains(part), "{part} is missing: {out}");
    }
}
