//! Campaigns find what is planted, make it small, tell it, and find it again, also in a fresh process.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use twinsock::net::UdpSocket;
use twinsock::sync::Mutex;
use twinsock::{Clock, JoinThread, Spawn};
use twinsock_sim::choice::{Enumeration, Tape};
use twinsock_sim::explore::{Campaign, Outcome, Shard, TestId, merge};
use twinsock_sim::{FailureKind, Interleaving, Sim, always, check, reachable, sometimes};

/// A campaign of a made-up test, which leaves no tapes behind.
fn campaign(name: &str) -> Campaign {
    let test = TestId::new("twinsock-sim", env!("CARGO_MANIFEST_DIR"), file!(), &format!("explore::{name}::here"));
    Campaign::new(test).keeps_regressions(false)
}

/// A campaign whose tapes and records go to a folder of its own, empty at first.
fn campaign_in(folder: &str) -> (Campaign, PathBuf) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("planted.rs");
    std::fs::write(&file, "").unwrap();
    (Campaign::new(TestId::new("planted", folder.to_str().unwrap(), file.to_str().unwrap(), "planted::bug::here")), folder)
}

/// Checks that something was found, by so many seeds, and shrunk to so few choices.
#[track_caller]
fn assert_found(outcome: &Outcome, seeds_max: u64, spikes_max: usize, words: &str) {
    let [found] = outcome.found.as_slice() else { panic!("one thing is found: {outcome}") };
    println!("{outcome}\n");
    assert!(found.seed < seeds_max, "found by seed {}", found.seed);
    let shrunk = found.shrunk.as_ref().unwrap();
    assert!(shrunk.spikes <= spikes_max && !shrunk.cut_short, "{shrunk}");
    assert!(found.failure.kind.to_string().contains(words), "{}", found.failure);
    let told = found.failure.story.iter().filter(|told| told.is_choice()).count();
    assert_eq!(told, shrunk.spikes, "the story tells every choice");
}

/// Two threads that add to a number which each reads under a lock, and writes under the lock, but not under the same.
fn lost_update(sim: &Sim) {
    sim.host("a").spawn("bank", |net| {
        let balance = Arc::new(Mutex::new(&net, 0));
        let threads: Vec<_> = (0..2)
            .map(|teller| {
                let balance = Arc::clone(&balance);
                net.spawn(move || {
                    // The tellers do not come at the same time.
                    net.sleep(Duration::from_millis(1 + teller));
                    let read = *balance.lock();
                    *balance.lock() = read + 1;
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        always!(*balance.lock() == 2, "no deposit is lost");
    });
}

#[test]
fn a_lost_update_is_found_and_shrunk() {
    let outcome = campaign("lost_update").seeds(1000).run(lost_update);
    assert_found(&outcome, 1000, 5, "no deposit is lost");
}

/// Two threads that take two locks in opposite order, one long after the other.
fn lock_order(sim: &Sim) {
    sim.host("a").spawn("p", |net| {
        let locks = Arc::new([Mutex::new(&net, ()), Mutex::new(&net, ())]);
        let threads: Vec<_> = [(0, 1), (1, 0)]
            .into_iter()
            .map(|(first, second)| {
                let locks = Arc::clone(&locks);
                net.spawn(move || {
                    net.sleep(Duration::from_millis(first as u64));
                    let _outer = locks[first].lock();
                    let _inner = locks[second].lock();
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_deadlock_of_lock_order_is_found_and_shrunk() {
    let outcome = campaign("lock_order").seeds(1000).run(lock_order);
    assert_found(&outcome, 1000, 5, "deadlock");
    assert_eq!(outcome.found[0].site, "deadlock in lock");
}

/// Clients that ask whether a seat is free and then take it.
fn check_then_act(sim: &Sim) {
    let clients = sim.swarm("clients", 1..=4);
    sim.host("a").spawn("theatre", move |net| {
        let (taken, sold) = (Arc::new(Mutex::new(&net, false)), Arc::new(AtomicU32::new(0)));
        let threads: Vec<_> = (0..clients)
            .map(|client| {
                let (taken, sold) = (Arc::clone(&taken), Arc::clone(&sold));
                net.spawn(move || {
                    net.sleep(Duration::from_micros(u64::from(client) * 700));
                    let is_free = !*taken.lock();
                    sometimes!(!is_free, "a seat is taken already");
                    if is_free {
                        *taken.lock() = true;
                        sold.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(sold.load(Ordering::Relaxed), 1, "a seat is sold once");
    });
}

#[test]
fn a_check_that_is_stale_when_acted_on_is_found_and_shrunk() {
    let outcome = campaign("check_then_act").seeds(1000).run(check_then_act);
    assert_found(&outcome, 1000, 6, "a seat is sold once");
    let story: Vec<String> = outcome.found[0].failure.story.iter().map(ToString::to_string).collect();
    assert!(story.iter().any(|line| line.contains("run clients: 2")), "two clients are enough: {story:?}");
}

#[test]
fn enumeration_finds_the_lost_update_and_ends() {
    let all = Enumeration::new(1).pruned();
    let mut failed = 0;
    while let Some(choice) = all.next_run() {
        let builder = Sim::builder().interleaving(Interleaving::Systematic { pause: Duration::from_millis(10) });
        failed += u32::from(builder.run_with(choice, lost_update).is_err());
    }
    println!("{failed} of {} runs lose an update", all.runs());
    assert!(failed > 0 && all.runs() < 100, "{failed} of {}", all.runs());
}

/// Hosts that have nothing to do with each other, but one with two threads.
fn independent(sim: &Sim) -> Rc<Cell<u32>> {
    let seen = Rc::new(Cell::new(0));
    for name in ["a", "b", "c"] {
        let seen = Rc::clone(&seen);
        sim.host(name).spawn(name, move |net| {
            let value = Arc::new(AtomicU32::new(1));
            let other = Arc::clone(&value);
            let thread = net.spawn(move || {
                net.now();
                other.store(other.load(Ordering::Relaxed) * 3, Ordering::Relaxed);
            });
            net.now();
            value.store(value.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            thread.join().unwrap();
            if name == "a" {
                seen.set(value.load(Ordering::Relaxed));
            }
        });
    }
    seen
}

#[test]
fn pruning_leaves_out_runs_but_no_outcome() {
    let explore = |all: Enumeration| {
        let mut outcomes = std::collections::BTreeSet::new();
        while let Some(choice) = all.next_run() {
            let builder = Sim::builder().interleaving(Interleaving::Systematic { pause: Duration::from_micros(10) });
            outcomes.insert(builder.run_with(choice, independent).unwrap().value.get());
        }
        (outcomes, all.runs())
    };
    let (outcomes, runs) = explore(Enumeration::new(2));
    let (pruned_outcomes, pruned_runs) = explore(Enumeration::new(2).pruned());
    println!("{runs} runs, {pruned_runs} when pruned: {outcomes:?}");
    assert_eq!(outcomes, pruned_outcomes);
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [4, 6]);
    assert!(pruned_runs < runs, "{pruned_runs} of {runs}");
}

/// Two hosts write to a third at the same moment, on ways that they have used before: which of the two it hears first, and which of its own threads
/// speaks first afterwards.
fn a_race_on_the_wire(sim: &Sim) -> Rc<RefCell<String>> {
    let heard = Rc::new(RefCell::new(String::new()));
    let ear = Rc::clone(&heard);
    sim.host("judge").spawn("judge", move |net| {
        let socket = UdpSocket::bind(&net, "0.0.0.0:7").unwrap();
        let mut byte = [0];
        for _ in 0..4 {
            socket.recv(&mut byte).unwrap();
            ear.borrow_mut().push(byte[0].into());
        }
        net.sleep(Duration::from_secs(1));
        let first = Arc::new(AtomicU32::new(0));
        let speak = |first: &AtomicU32, number| first.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        let other = Arc::clone(&first);
        let thread = net.spawn(move || {
            net.now();
            speak(&other, 2);
        });
        net.now();
        speak(&first, 1);
        thread.join().unwrap();
        ear.borrow_mut().push_str(&first.load(Ordering::Relaxed).to_string());
    });
    for (name, byte, warms_up_at) in [("a", b'a', 1), ("b", b'b', 2)] {
        sim.host(name).spawn(name, move |net| {
            let socket = UdpSocket::bind(&net, "0.0.0.0:7").unwrap();
            for second in [warms_up_at, 3] {
                net.sleep(twinsock::Instant::from_nanos(second * 1_000_000_000) - net.now());
                socket.send_to(&[byte], "10.0.0.1:7").unwrap();
            }
        });
    }
    heard
}

#[test]
fn pruning_tells_apart_what_arrives_at_the_same_moment() {
    let explore = |all: Enumeration| {
        let mut heard = std::collections::BTreeSet::new();
        while let Some(choice) = all.next_run() {
            let builder = Sim::builder().interleaving(Interleaving::Systematic { pause: Duration::from_micros(10) });
            heard.insert(builder.run_with(choice, a_race_on_the_wire).unwrap().value.take());
        }
        (heard, all.runs())
    };
    let (heard, runs) = explore(Enumeration::new(2));
    let (pruned, pruned_runs) = explore(Enumeration::new(2).pruned());
    println!("{runs} runs, {pruned_runs} when pruned: {heard:?}");
    assert_eq!(heard, pruned);
    assert_eq!(heard.into_iter().collect::<Vec<_>>(), ["abab1", "abab2", "abba1", "abba2"]);
}

#[test]
fn a_campaign_that_finds_nothing_is_quiet() {
    check!(
        |sim| {
            let count = sim.swarm("count", 0..=9);
            sometimes!(count > 7, "many");
            reachable!("the beginning");
            sim.host("a").spawn("p", |net| net.sleep(Duration::from_secs(1)));
        },
        seeds = 200,
        expects = "many",
        expects = "the beginning",
        keeps_regressions = false,
    );
}

#[test]
fn a_failure_is_kept_as_a_tape_and_tried_first() {
    let (campaign, folder) = campaign_in("kept");
    let first = campaign.clone().seeds(1000).run(lost_update);
    let path = first.found[0].tape.clone().unwrap();
    assert!(path.starts_with(folder.join("twinsock-regressions")), "{}", path.display());
    let tape = Tape::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((tape.origin.test.as_str(), tape.origin.seed), ("planted::bug", first.found[0].seed));
    assert!(std::fs::read_to_string(path.with_extension("txt")).unwrap().contains("steps aside"));

    let again = campaign.clone().seeds(0).run(lost_update);
    assert_eq!((again.tapes, again.seeds), (1, 0));
    assert_eq!(again.found[0].failure.kind, first.found[0].failure.kind);
    assert!(again.found[0].reproduce.starts_with("TWINSOCK_TAPE="), "{again}");

    let fixed = campaign.seeds(10).run(|sim| drop(sim.host("a")));
    assert!(fixed.is_ok() && fixed.tapes == 1, "{fixed}");
}

#[test]
fn a_foreign_tape_is_named_and_left_out() {
    let (campaign, _) = campaign_in("foreign");
    let first = campaign.clone().seeds(1000).run(lost_update);
    let path = first.found[0].tape.clone().unwrap();
    let mut tape = Tape::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
    "0.0.9".clone_into(&mut tape.origin.version);
    std::fs::write(&path, tape.to_bytes()).unwrap();
    let outcome = campaign.seeds(0).run(lost_update);
    let text = outcome.to_string();
    assert!(outcome.found.is_empty() && text.contains("recorded by twinsock-sim 0.0.9"), "{text}");
    assert!(text.contains(concat!("this is twinsock-sim ", env!("CARGO_PKG_VERSION"))), "{text}");
}

#[test]
fn the_first_failing_seed_is_the_same_on_any_number_of_threads() {
    let of = |jobs| campaign("jobs").seeds(1000).jobs(jobs).shrink_runs(0).run(lost_update).found[0].seed;
    assert_eq!(of(1), of(4));
}

#[test]
fn failures_that_differ_are_collected() {
    let outcome = campaign("collected").seeds(100).collects(true).run(|sim| {
        let kind = sim.swarm("kind", 0..=3);
        sim.host("a").spawn("p", move |_| match kind {
            2 => panic!("two"),
            3 => panic!("three"),
            _ => {}
        });
    });
    let kinds: Vec<u32> = outcome.found.iter().map(|found| found.failure.story.last().unwrap().value).collect();
    assert!(kinds == [2, 3] || kinds == [3, 2], "{outcome}");
    assert_eq!(outcome.found.iter().map(|found| found.seeds).sum::<u64>(), outcome.failures);
    assert_eq!(outcome.seeds, 100);
}

#[test]
fn a_panic_of_the_test_itself_is_a_failure() {
    let outcome = campaign("own").seeds(3).run(|sim| {
        let process = sim.host("a").spawn("p", |_| 7);
        sim.run_to_end().unwrap();
        assert_eq!(process.take(), Some(8), "it answers eight");
    });
    assert!(matches!(&outcome.found[0].failure.kind, FailureKind::Test { message, .. } if message.contains("it answers eight")));
}

#[test]
fn a_program_without_end_is_a_failure() {
    let outcome = campaign("endless").seeds(1).calls_max(10_000).run(|sim| {
        sim.host("a").spawn("spinner", |net| {
            loop {
                net.now();
            }
        });
    });
    assert!(matches!(outcome.found[0].failure.kind, FailureKind::Endless { .. }), "{outcome}");
}

#[test]
fn a_seed_that_is_two_runs_is_named() {
    let calls = AtomicU32::new(0);
    let outcome = campaign("nondeterministic").seeds(20).jobs(1).run(|sim| {
        let odd = calls.fetch_add(1, Ordering::Relaxed) % 2;
        sim.host("a").spawn("p", move |net| net.sleep(Duration::from_millis(u64::from(odd))));
    });
    let divergence = outcome.divergence.as_ref().expect("two runs differ");
    assert!(divergence.event.is_some() && !outcome.is_ok(), "{outcome}");
    println!("{outcome}");
}

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

#[test]
fn what_a_thread_local_leaves_behind_is_found() {
    let leaky = |sim: &Sim| {
        LEFT.set(LEFT.get() + 1);
        let millis = LEFT.get();
        sim.host("a").spawn("p", move |net| net.sleep(Duration::from_millis(millis)));
    };
    let outcome = campaign("leak").seeds(20).run(leaky);
    assert!(outcome.divergence.expect("it leaks").cause.contains("thread-local"));
    assert!(campaign("leak").seeds(20).fresh_threads(true).run(leaky).is_ok(), "a fresh thread has nothing left on it");
}

#[test]
fn what_is_expected_and_never_holds_fails_the_campaign() {
    let body = |sim: &Sim| sometimes!(sim.swarm("n", 0..=1) > 1, "more than one");
    let lax = campaign("lax").run(body);
    assert!(lax.is_ok() && lax.to_string().contains("sometimes: more than one: reached 100 times, never held"), "{lax}");
    assert!(!campaign("strict").sometimes_must_hold(true).run(body).is_ok());
    let missing = campaign("missing").expects("a place that is not there").run(body);
    assert_eq!(missing.unmet, ["a place that is not there"]);
}

#[test]
fn shards_make_up_the_whole_and_a_rerun_changes_nothing() {
    let (campaign, folder) = campaign_in("shards");
    let body = |sim: &Sim| {
        let n = sim.swarm("n", 0..=99);
        sometimes!(n > 90, "large");
        sim.host("a").spawn("p", move |net| {
            net.sleep(Duration::from_millis(u64::from(n)));
            assert!(n != 13, "unlucky");
        });
    };
    let run = |folder: &PathBuf, number, count| {
        let shard = Shard::new(number, count).unwrap();
        campaign.clone().seeds(1001).collects(true).keeps_regressions(false).shard(shard).record(folder).run(body);
        folder.join(format!("planted-bug-{number}-of-{count}.jsonl"))
    };
    let whole = merge(&[run(&folder, 1, 1)]).unwrap();
    let mut records: Vec<PathBuf> = (1..=4).map(|number| run(&folder, number, 4)).collect();
    assert_eq!(merge(&records).unwrap(), whole, "the union is the whole");
    assert!(whole.failures > 0 && whole.found.len() == 1 && whole.found[0].seeds == whole.failures);

    let text = std::fs::read_to_string(&records[2]).unwrap();
    std::fs::write(&records[2], text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    assert!(merge(&records).unwrap_err().to_string().contains("run it again"), "a killed shard is told");
    run(&folder, 3, 4);
    assert_eq!(merge(&records).unwrap(), whole);

    let removed = records.remove(1);
    assert_eq!(merge(&records).unwrap_err().to_string(), "of 4 shards, these are missing: [2]");
    records.extend([removed.clone(), removed]);
    assert!(merge(&records).unwrap_err().to_string().contains("are records of the same shard"));
}

#[test]
fn a_run_of_any_source_is_its_tape() {
    for seed in 0..50 {
        let recorded = match Sim::builder().seed(seed).interleaving(Interleaving::Mixed).run_here(lost_update) {
            Ok(report) => (report.digest, report.tape),
            Err(failure) => (failure.digest, failure.tape),
        };
        let replay = Sim::builder().interleaving(Interleaving::Mixed).tape(recorded.1.clone()).unwrap();
        let replayed = match replay.run_here(lost_update) {
            Ok(report) => (report.digest, report.tape),
            Err(failure) => (failure.digest, failure.tape),
        };
        assert_eq!(replayed, recorded, "seed {seed}");
    }
}

/// Runs one of this file's tests in a fresh process, with variables that it would not have otherwise.
fn in_a_fresh_process(test: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(CHILD, "1");
    for name in ["TWINSOCK_SEED", "TWINSOCK_SEEDS", "TWINSOCK_SHARD", "TWINSOCK_SHARDS"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).output().unwrap()
}

const CHILD: &str = "TWINSOCK_TEST_CHILD";

#[expect(clippy::disallowed_methods, reason = "tells the child process from its parent; no run sees it")]
fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Not a promise but a victim: what others run in a process of its own. Alone it passes.
#[test]
fn victim() {
    if is_child() {
        check!(lost_update, keeps_regressions = false, shrink_runs = 500);
    }
}

#[test]
fn a_printed_seed_fails_again_in_a_fresh_process() {
    let failed = in_a_fresh_process("victim", &[]);
    let text = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && text.contains("no deposit is lost"), "{text}");
    assert!(text.contains("panicked at sim/tests/explore.rs:"), "the test's own place is named: {text}");
    let line = text.lines().find(|line| line.starts_with("reproduce: ")).unwrap();
    let seed = line.strip_prefix("reproduce: TWINSOCK_SEED=").and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(line.ends_with(" cargo test -p twinsock-sim --test explore victim -- --exact"), "{line}");

    let again = in_a_fresh_process("victim", &[("TWINSOCK_SEED", seed)]);
    let again = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.contains(line) && again.contains("explore::victim: 1 seeds, 1 failed"), "{again}");
    // Everything but how long it took is the same.
    let tail = |text: &str| text.split_once("\n\n").unwrap().1.to_owned();
    assert_eq!(tail(&again).lines().take(10).collect::<Vec<_>>(), tail(&text).lines().take(10).collect::<Vec<_>>());
}

/// A victim that unwraps a failed run, alone and within a campaign.
#[cfg(feature = "cli")]
#[test]
fn unwrapping_victim() {
    if is_child() {
        let fails = || Sim::builder().seed(3).run_here(|sim| drop(sim.host("a").spawn("p", |_net| panic!("lost"))));
        let outcome = campaign("nested").seeds(1).run(|_sim| drop(fails().unwrap()));
        let on_its_own_thread = campaign("nested").seeds(1).run(|_sim| {
            let run = Sim::builder().seed(3).run(|sim| {
                sim.host("a").spawn("p", |_net| panic!("lost"));
                sim.run_to_end().unwrap();
            });
            drop(run.unwrap());
        });
        for outcome in [outcome, on_its_own_thread] {
            assert!(!outcome.found[0].failure.kind.to_string().contains('\u{1b}'), "what becomes a part of a failure is plain");
        }
        println!("the campaign is told in plain words");
        drop(fails().unwrap());
    }
}

/// `unwrap` of a run that failed prints in colours for a person who watches, and for nobody else.
#[cfg(feature = "cli")]
#[test]
fn an_unwrapped_failure_is_coloured_on_a_terminal() {
    let painted = "\u{1b}[31m  lost";
    let plain = in_a_fresh_process("unwrapping_victim", &[("TERM", "xterm")]);
    let text = String::from_utf8_lossy(&plain.stderr).into_owned();
    assert!(text.contains("\n  lost\n") && !text.contains('\u{1b}'), "{text}");
    // On a terminal, as script(1) makes one; not every system has it.
    let on_a_terminal = |variables: &[(&str, &str)]| {
        let line = format!("{} unwrapping_victim --exact --nocapture", std::env::current_exe().unwrap().display());
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).stdin(std::process::Stdio::null()).env_clear();
        script.env("TERM", "xterm").env("PATH", "/usr/bin:/bin").env(CHILD, "1").envs(variables.iter().copied());
        script.output().ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Some(seen) = on_a_terminal(&[]) else { return };
    assert!(seen.contains("the campaign is told in plain words") && seen.contains(painted), "{seen}");
    for variable in [("NO_COLOR", "1"), ("CI", "true")] {
        let seen = on_a_terminal(&[variable]).unwrap();
        assert!(seen.contains("lost") && !seen.contains(painted), "{variable:?}: {seen}");
    }
}

#[test]
fn an_environment_that_makes_no_sense_is_refused_before_the_first_seed() {
    for (name, value, words) in [
        ("TWINSOCK_SHARD", "5/4", "there is no shard 5 of 4"),
        ("TWINSOCK_SEEDS", "many", "TWINSOCK_SEEDS is \"many\""),
        ("TWINSOCK_TAPE", "/nowhere/x.tape", "/nowhere/x.tape: No such file"),
    ] {
        let refused = in_a_fresh_process("victim", &[(name, value)]);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && text.contains(words) && !text.contains("seeds,"), "{text}");
    }
}

/// A victim that is at it for ever.
#[test]
fn long_victim() {
    if is_child() {
        check!(
            |sim| {
                let unlucky = sim.swarm("luck", 0..=999) == 13;
                sim.host("a").spawn("p", move |_| assert!(!unlucky, "unlucky"));
                println!("at it");
            },
            seeds = u64::MAX,
            collects = true,
            keeps_regressions = false,
        );
    }
}

#[test]
fn ctrl_c_reports_what_was_found_so_far() {
    use std::io::{BufRead, BufReader};
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["long_victim", "--exact", "--nocapture"])
        .env(CHILD, "1")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap() == "at it"));
    // A few thousand seeds, so that something has been found.
    lines.by_ref().take(5000).for_each(drop);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    lines.for_each(drop);
    let ended = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{text}");
    assert!(text.contains("interrupted") && text.contains("unlucky"), "{text}");
}
