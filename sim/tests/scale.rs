//! A campaign on many machines: its shards in processes of their own make up the whole, and what makes no sense is refused before the first seed.
//!
//! `sim/tests/scale/engines.sh` runs the same campaign under GNU parallel, under Slurm's array jobs and under `cargo nextest --partition`.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;
use twinsock::Clock;
use twinsock_sim::explore::merge;
use twinsock_sim::{Sim, check, sometimes};

/// Says that this process is to run the campaign that others look at.
const CHILD: &str = "TWINSOCK_TEST_CHILD";
/// The seed at which such a process is killed.
const KILLED_AT: &str = "TWINSOCK_TEST_KILLED_AT";

#[expect(clippy::disallowed_methods, reason = "tells a child process what its parent wants; no run sees it")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Some seeds fail, in two ways, and some of what is asserted holds sometimes.
fn planted(sim: &Sim) {
    let n = sim.swarm("n", 0..=199);
    sometimes!(n > 190, "large");
    sim.host("a").spawn("p", move |net| {
        net.sleep(Duration::from_millis(u64::from(n)));
        match n {
            13 => panic!("unlucky"),
            66 => panic!("unlucky, too"),
            _ => {}
        }
    });
}

/// Not a promise but what the others run, in a process of its own. Alone it passes.
#[test]
fn campaign() {
    if variable(CHILD).is_some() {
        let killed_at: Option<u64> = variable(KILLED_AT).and_then(|seed| seed.parse().ok());
        check!(
            |sim| {
                if Some(sim.seed()) == killed_at {
                    let pid = std::process::id().to_string();
                    Command::new("kill").args(["-KILL", &pid]).status().unwrap();
                }
                planted(sim);
            },
            collects = true,
            shrink_runs = 200,
            // Beside the test there would be tapes of failures that are meant.
            keeps_regressions = false,
        );
    }
}

/// Runs the campaign in a process of its own, where these variables and no others say what is to be done.
fn run(variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["campaign", "--exact", "--nocapture"]).env(CHILD, "1").env("TWINSOCK_SEEDS", "2001");
    for name in
        ["TWINSOCK_SEED", "TWINSOCK_SHARD", "TWINSOCK_SHARDS", "TWINSOCK_RECORD", "JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID"]
    {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).output().unwrap()
}

/// A folder for records, which is not there yet.
fn folder(name: &str) -> (PathBuf, String) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("scale").join(name);
    std::fs::remove_dir_all(&folder).ok();
    (folder.clone(), folder.to_str().unwrap().to_owned())
}

#[test]
fn four_processes_do_what_one_does_also_when_one_is_killed() {
    let (whole, at) = folder("whole");
    assert!(!run(&[("TWINSOCK_RECORD", &at)]).status.success(), "failures were found");
    let whole = merge(&[whole.join("scale-campaign-1-of-1.jsonl")]).unwrap();
    assert!(whole.seeds == 2001 && whole.found.len() == 2 && whole.failures > 2, "{whole:?}");

    let (shards, at) = folder("shards");
    for shard in ["1/4", "2/4", "3/4", "4/4"] {
        // The third is killed at a seed of its own, long before its end.
        let ended = run(&[("TWINSOCK_SHARD", shard), ("TWINSOCK_RECORD", &at), (KILLED_AT, "1002")]);
        assert_eq!(ended.status.code().is_none(), shard == "3/4", "{shard}: {ended:?}");
    }
    let records = [1, 2, 4].map(|shard| shards.join(format!("scale-campaign-{shard}-of-4.jsonl")));
    assert_eq!(merge(&records).unwrap_err().to_string(), "of 4 shards, these are missing: [3]");
    run(&[("TWINSOCK_SHARD", "3/4"), ("TWINSOCK_RECORD", &at)]);
    let records = [1, 2, 3, 4].map(|shard| shards.join(format!("scale-campaign-{shard}-of-4.jsonl")));
    assert_eq!(merge(&records).unwrap(), whole, "the union is the whole");
    run(&[("TWINSOCK_SHARD", "3/4"), ("TWINSOCK_RECORD", &at)]);
    assert_eq!(merge(&records).unwrap(), whole, "once more changes nothing");
}

#[test]
fn what_makes_no_sense_is_refused_before_the_first_seed() {
    let refused = |variables: &[(&str, &str)], words: &str| {
        let ended = run(variables);
        let text = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && text.contains(words) && !text.contains(" seeds,"), "{variables:?}: {text}");
    };
    refused(&[("TWINSOCK_SHARD", "0/4")], "there is no shard 0 of 4");
    refused(&[("TWINSOCK_SHARD", "4")], "expected i/n");
    refused(&[("TWINSOCK_SHARDS", "4")], "nobody says which shard this is");
    refused(&[("JOB_COMPLETION_INDEX", "1")], "nobody says how many shards there are");
    refused(&[("JOB_COMPLETION_INDEX", "4"), ("TWINSOCK_SHARDS", "4")], "there is no shard 5 of 4");
    refused(
        &[("SLURM_ARRAY_TASK_ID", "3"), ("SLURM_ARRAY_TASK_MIN", "3"), ("SLURM_ARRAY_TASK_COUNT", "1"), ("TWINSOCK_SHARDS", "4")],
        "say which shard it is",
    );
    refused(&[("TWINSOCK_SEED", "7"), ("TWINSOCK_SHARD", "1/4")], "TWINSOCK_SEED asks for one run");
    refused(&[("TWINSOCK_RECORD", "/dev/null/records")], "/dev/null/records: Not a directory");

    let (_, at) = folder("overlap");
    run(&[("TWINSOCK_SHARD", "1/3"), ("TWINSOCK_RECORD", &at)]);
    refused(&[("TWINSOCK_SHARD", "2/4"), ("TWINSOCK_RECORD", &at)], "its number of shards is 3, this one's 4");
    refused(
        &[("TWINSOCK_SHARD", "2/3"), ("TWINSOCK_RECORD", &at), ("TWINSOCK_SEEDS", "5")],
        "its number of seeds is 2001, this one's 5",
    );
}
