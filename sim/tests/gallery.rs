//! The gallery of planted bugs, through the command: a few of them with few seeds for the fixed version, so that it is quick.
#![cfg(feature = "cli")]

use serde_json::Value;
use std::process::{Command, Output};

fn gallery(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinsock"));
    command.arg("gallery").args(args).env_clear().output().unwrap()
}

#[test]
fn bugs_are_found_shrunk_reproduced_and_gone_when_fixed() {
    let names = ["eintr-not-retried", "no-half-close", "lock-order", "unbounded-accept", "stale-connection", "skewed-lease"];
    let output = gallery(&[&["--json", "--fixed-seeds", "50"], &names[..]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    let all: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((output.status.code(), &all["ok"]), (Some(0), &Value::Bool(true)), "{all:#}");
    let bugs = all["bugs"].as_array().unwrap();
    assert_eq!(bugs.iter().map(|bug| bug["name"].as_str().unwrap()).collect::<Vec<_>>(), names);
    for bug in bugs {
        let number = |name: &str| bug[name].as_u64().unwrap();
        assert!(number("seeds") <= number("seeds_stated"), "{bug:#}");
        assert!((1..=10).contains(&number("choices")) && number("choices") < number("choices_before"), "{bug:#}");
        assert!(bug["reproduced"] == true && bug["gone"] == true, "{bug:#}");
        assert!(!bug["story"].as_array().unwrap().is_empty(), "{bug:#}");
    }
}

#[test]
fn the_table_has_a_row_for_each_bug() {
    let output = gallery(&["eof-as-error", "--fixed-seeds", "10"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let row = text.lines().find(|line| line.starts_with("eof-as-error")).unwrap();
    assert!(row.ends_with("holds under 10 seeds"), "{row}");
    assert!(
        text.ends_with("1 of 1 bugs found, shrunk, reproduced in a fresh process, and gone in the fixed version\n"),
        "{text}"
    );

    let markdown = gallery(&["eof-as-error", "--fixed-seeds", "10", "--markdown"]);
    let text = String::from_utf8_lossy(&markdown.stdout);
    assert!(
        text.starts_with("| bug | ") && text.contains("\n| `eof-as-error` | ") && text.contains("\nMeasured on 20"),
        "{text}"
    );
}

#[test]
fn at_least_twelve_bugs_are_named() {
    let output = gallery(&["--list"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.lines().count() >= 12, "{text}");
}

#[test]
fn a_bug_that_is_not_there_is_refused() {
    let output = gallery(&["no-such-bug"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("no-such-bug") && text.contains("explore --list"), "{text}");
}
