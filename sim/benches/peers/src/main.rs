//! Runs W1 to W6 of all peers in turn, on this machine, and writes what they came to as Markdown.
//!
//! ```text
//! cargo run --release --manifest-path sim/benches/peers/Cargo.toml
//! cargo run --release --manifest-path sim/benches/peers/Cargo.toml -- --write docs/src/performance.md
//! cargo run --release --manifest-path sim/benches/peers/Cargo.toml -- --peers twinsock,smoltcp --rounds 3 W1-64 W6
//! ```
//! Each peer is a program of its own (a package of this workspace), built on its own, so that no feature that one needs slows another. A round of a
//! peer is one run of its program, which says how much it did in how much real time, set-up left out. How much that is, is found out before, so
//! that it takes about as long for each. In a round all peers have their turn.

mod runs;
#[path = "../../../src/bin/twinsock/stamp.rs"]
mod stamp;
mod table;

use peer::Workload;
use runs::{Effort, Peer};
use std::process::ExitCode;
use std::time::Duration;

/// Where the tables stand in a page that is written to.
const MARKERS: [&str; 2] = ["<!-- peers: begin -->\n", "<!-- peers: end -->\n"];

struct Options {
    workloads: Vec<Workload>,
    peers: Vec<Peer>,
    effort: Effort,
    write: Option<String>,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|options| compare(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("compare: {why}");
            ExitCode::from(2)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let effort = Effort { rounds: 5, round: Duration::from_millis(300) };
    let mut options = Options { workloads: Vec::new(), peers: Peer::ALL.to_vec(), effort, write: None };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--rounds" => options.effort.rounds = value()?.parse().map_err(|error| format!("--rounds: {error}"))?,
            "--millis" => {
                let millis = value()?.parse().map_err(|error| format!("--millis: {error}"))?;
                options.effort.round = Duration::from_millis(millis);
            }
            "--peers" => options.peers = value()?.split(',').map(Peer::by_name).collect::<Result<_, _>>()?,
            "--write" => options.write = Some(value()?),
            name => options.workloads.push(Workload::by_name(name).ok_or_else(|| unknown(name))?),
        }
    }
    if options.workloads.is_empty() {
        options.workloads = Workload::ALL.to_vec();
    }
    if options.effort.rounds == 0 {
        return Err("--rounds: at least one".to_owned());
    }
    Ok(options)
}

fn unknown(name: &str) -> String {
    let names: Vec<String> = Workload::ALL.into_iter().map(Workload::name).collect();
    format!("{name:?} is neither an option (--peers, --rounds, --millis, --write) nor a workload: {}", names.join(", "))
}

fn compare(options: &Options) -> Result<(), String> {
    for peer in &options.peers {
        peer.build()?;
    }
    let mut text = table::head(&options.peers, options.effort);
    for &workload in &options.workloads {
        let found = runs::of(workload, &options.peers, options.effort);
        let table = table::of(workload, &found);
        eprint!("{table}");
        text += &table;
    }
    text += &table::foot();
    match &options.write {
        None => print!("{text}"),
        Some(path) => {
            let page = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
            let page = between_markers(&page, &text).ok_or(format!(
                "{path} has no {:?} and {:?}",
                MARKERS[0].trim(),
                MARKERS[1].trim()
            ))?;
            std::fs::write(path, page).map_err(|error| format!("{path}: {error}"))?;
        }
    }
    Ok(())
}

/// The page with `text` in place of what is between the markers.
fn between_markers(page: &str, text: &str) -> Option<String> {
    let begin = page.find(MARKERS[0])? + MARKERS[0].len();
    let end = begin + page[begin..].find(MARKERS[1])?;
    Some(format!("{}{text}{}", &page[..begin], &page[end..]))
}
