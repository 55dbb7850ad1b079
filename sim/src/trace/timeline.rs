//! A run as a picture: one HTML file that needs nothing else. Hosts are lanes, packets slanted lines, calls and waits bars.
//!
//! The page is `timeline.html`; here its data is made, as columns of numbers and words, which a browser reads faster than objects.

use super::lines::{EventKind, TraceLine};
use super::recording::Recording;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The page, with a place for the data.
const PAGE: &str = include_str!("timeline.html");
/// That place.
const PLACE: &str = "/*DATA*/";

#[derive(Serialize)]
struct Data<'a> {
    title: &'a str,
    seed: u64,
    /// How many events came before the first one.
    dropped: u64,
    hosts: Vec<Host>,
    lanes: Vec<Lane>,
    kinds: [&'static str; EventKind::ALL.len()],
    connections: Vec<&'a str>,
    // A column for each field of an event.
    at: Vec<u64>,
    step: Vec<u64>,
    kind: Vec<usize>,
    /// The lane of its thread; `-2 - h` if it is of host `h` itself, -1 if it is of the world at large.
    lane: Vec<i64>,
    text: Vec<&'a str>,
    since: Vec<Option<u64>>,
    packet: Vec<Option<u64>>,
    /// The host that a packet is for.
    to: Vec<Option<usize>>,
    connection: Vec<Option<usize>>,
    begins: Vec<Option<&'a str>>,
    ends: Vec<Option<&'a str>>,
}

#[derive(Serialize)]
struct Host {
    name: String,
    lanes: Vec<usize>,
}

#[derive(Serialize)]
struct Lane {
    host: usize,
    name: String,
    /// The process: its name and number.
    process: String,
    /// When it is seen first.
    first: u64,
    /// When it is seen last.
    last: u64,
}

/// Writes the page of a recording, whose lines these are.
///
/// # Errors
/// The writer's.
///
/// ```
/// use twinsock_sim::Sim;
/// use twinsock_sim::trace::{lines, timeline};
/// let run = Sim::builder().record(true).run(|sim| drop(sim.host("a").spawn("p", |_net| {}))).unwrap();
/// let (recording, mut page) = (run.recording.unwrap(), Vec::new());
/// timeline::write(&recording, &lines(&recording), "a run", run.seed, &mut page).unwrap();
/// assert!(page.starts_with(b"<!doctype html>"));
/// ```
pub fn write(recording: &Recording, lines: &[TraceLine], title: &str, seed: u64, mut to: impl Write) -> io::Result<()> {
    let data = Data::new(recording, lines, title, seed);
    // Nothing in the data ends the element that holds it.
    let json = serde_json::to_string(&data)?.replace('<', "\\u003c");
    let (before, after) = PAGE.split_once(PLACE).unwrap_or((PAGE, ""));
    to.write_all(before.as_bytes())?;
    to.write_all(json.as_bytes())?;
    to.write_all(after.as_bytes())
}

impl<'a> Data<'a> {
    fn new(recording: &Recording, lines: &'a [TraceLine], title: &'a str, seed: u64) -> Data<'a> {
        let hosts = (0..).zip(&recording.addrs).map(|(number, _)| {
            let name = recording.names.host(number).map_or_else(|| format!("host {number}"), str::to_owned);
            Host { name, lanes: Vec::new() }
        });
        let mut hosts: Vec<Host> = hosts.collect();
        let numbers: BTreeMap<String, usize> = (0..).zip(&hosts).map(|(number, host)| (host.name.clone(), number)).collect();
        let number = |host: &Option<String>| host.as_ref().and_then(|host| numbers.get(host)).copied();
        let mut lanes: Vec<Lane> = Vec::new();
        let mut lane_of: BTreeMap<(usize, u32, u32), usize> = BTreeMap::new();
        let mut connections: BTreeMap<&str, usize> = BTreeMap::new();
        let mut lane = Vec::with_capacity(lines.len());
        let mut connection = Vec::with_capacity(lines.len());
        for line in lines {
            lane.push(match (number(&line.host), &line.process) {
                (None, _) => -1,
                (Some(host), None) => -2 - signed(host),
                (Some(host), Some(process)) => {
                    let index = *lane_of.entry((host, line.pid, line.thread)).or_insert_with(|| {
                        let thread = if line.thread == 0 { String::new() } else { format!(".{}", line.thread) };
                        hosts[host].lanes.push(lanes.len());
                        let name = format!("{process}[{}{thread}]", line.pid);
                        let process = format!("{process}[{}]", line.pid);
                        lanes.push(Lane { host, name, process, first: line.at, last: line.at });
                        lanes.len() - 1
                    });
                    lanes[index].last = line.at;
                    signed(index)
                }
            });
            let next = connections.len();
            connection.push(line.connection.as_deref().map(|name| *connections.entry(name).or_insert(next)));
        }
        let mut names: Vec<(&str, usize)> = connections.into_iter().collect();
        names.sort_by_key(|(_, number)| *number);
        let position =
            |kind: EventKind| EventKind::ALL.iter().position(|other| *other == kind).expect("every kind is one of all");
        Data {
            title,
            seed,
            dropped: recording.dropped(),
            lanes,
            kinds: EventKind::ALL.map(EventKind::name),
            connections: names.into_iter().map(|(name, _)| name).collect(),
            at: lines.iter().map(|line| line.at).collect(),
            step: lines.iter().map(|line| line.step).collect(),
            kind: lines.iter().map(|line| position(line.kind)).collect(),
            lane,
            text: lines.iter().map(|line| line.text.as_str()).collect(),
            since: lines.iter().map(|line| line.since).collect(),
            packet: lines.iter().map(|line| line.packet).collect(),
            to: lines.iter().map(|line| number(&line.to)).collect(),
            connection,
            begins: lines.iter().map(|line| line.begins.as_deref()).collect(),
            ends: lines.iter().map(|line| line.ends.as_deref()).collect(),
            hosts,
        }
    }
}

fn signed(index: usize) -> i64 {
    i64::try_from(index).expect("an index in memory fits")
}
