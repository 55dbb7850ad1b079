//! The rules of the house, read from the source text: who may import whom, where `unsafe` may stand, what the simulator's core
//! must not ask the machine for, how long a file may get, and that what the documents name exists.
//!
//! Each rule is a function from one file to what is wrong with it, and has two tests: the house keeps it, and a planted breach is
//! found. A breach is reported as `file:line: what`. The rules come from `docs/src/`; an exception is a line in a table here.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

#[path = "tidy/calls.rs"]
mod calls;
#[path = "tidy/rows.rs"]
mod rows;
#[path = "tidy/scan.rs"]
mod scan;
use scan::{Source, Token};

/// Who may import whom in `sim/src`: a room, and the rooms that it may name. Nothing points left or up.
const SIM_IMPORTS: [(&str, &[&str]); 25] = [
    // How much data is copied.
    ("copy", &[]),
    // What the caches are made ready for.
    ("prefetch", &[]),
    // What is laid out of the way.
    ("seldom", &[]),
    // Tables that hold whatever the rooms put in.
    ("slab", &["prefetch"]),
    // Who has something to do when.
    ("deadlines", &["slab", "prefetch"]),
    // A queue of whatever the rooms put in.
    ("line", &[]),
    ("shared", &[]),
    ("packet", &["seldom"]),
    ("choice", &["packet"]),
    ("trace", &["packet", "seldom"]),
    // How what is said looks on a terminal.
    ("colour", &["trace"]),
    ("link", &["packet", "seldom"]),
    ("tcp", &["packet", "shared", "prefetch", "copy", "seldom"]),
    ("udp", &["packet", "line"]),
    ("unix", &["packet", "slab"]),
    ("host", &["tcp", "udp", "unix", "packet", "slab", "deadlines", "shared", "prefetch", "seldom"]),
    ("world", &["host", "link", "choice", "trace", "packet", "deadlines", "prefetch", "line", "seldom"]),
    ("process", &["world", "host", "choice", "trace", "prefetch", "line", "seldom"]),
    ("api", &["process", "world", "host", "seldom"]),
    ("sync", &["api", "process"]),
    ("sim", &["api", "sync", "process", "world", "host", "link", "choice", "trace", "colour"]),
    // What is written of a recording; `host` for when its wall clock starts.
    ("report", &["trace", "host"]),
    // A run seen from outside, and tapes; `trace` for its digest of a name.
    ("explore", &["sim", "api", "report", "choice", "trace", "colour"]),
    // Values that a run is built from, and tapes.
    ("strategy", &["sim", "link", "choice"]),
    (
        "lib",
        &["sim", "api", "report", "sync", "process", "world", "host", "tcp", "udp", "unix", "link", "choice", "trace", "packet"],
    ),
];

/// Rooms that use the public face only.
const FACE_ONLY: [&str; 3] = ["conform", "workload", "bin"];

/// Rooms that take time, chance and order as arguments: no clock, thread, hash order, float or global.
const CORE: [&str; 16] = [
    "copy",
    "prefetch",
    "seldom",
    "slab",
    "deadlines",
    "line",
    "shared",
    "packet",
    "choice",
    "trace",
    "link",
    "tcp",
    "udp",
    "unix",
    "host",
    "world",
];

/// Files of `src` that may name the real backend, besides `src/os/` itself.
const MAY_NAME_OS: [&str; 2] = ["src/lib.rs", "src/any.rs"];

/// Files that may hold `unsafe`, and how many times; `usize::MAX` where each block is argued on its own.
const UNSAFE: [(&str, usize); 13] = [
    ("src/os/syscalls.rs", usize::MAX),
    ("src/raw.rs", 1), // the declaration of `Vouch::new`
    ("sim/src/process/coroutine.rs", usize::MAX),
    ("sim/src/process/stack.rs", usize::MAX),      // the carrier's memory
    ("sim/src/prefetch.rs", 1),                    // advice to the processor's caches
    ("sim/src/copy.rs", usize::MAX),               // copies of much data in wide registers
    ("sim/src/process/current.rs", 1),             // the owner check of shared handles finds its simulation
    ("sim/src/process/breakpoint.rs", usize::MAX), // signal(2) and raise(3), for a debugger
    ("sim/src/process/overflow.rs", usize::MAX),   // the handler of SIGSEGV that names whose stack has overflowed
    ("sim/src/process/watchdog.rs", usize::MAX),   // the backtrace of a thread that is stuck
    ("sim/src/conform/kernel.rs", usize::MAX),     // the kernel side of conform
    ("sim/src/workload/calls.rs", 2),              // libc by hand, beside which `Os` is measured
    ("sim/src/explore/interrupt.rs", 1),           // signal(2), for Ctrl-C during a campaign
];

/// What stands at the top of the repository, besides names that begin with a dot and build output.
const TOP_LEVEL: [&str; 13] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "sim",
    "tests",
    "fuzz",
    "docs",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "rustfmt.toml",
];

/// How many lines a source file may have, examples not counted.
const FILE_MAX_LINES: usize = 700;

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Breach {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

type Rule = fn(&Source) -> Vec<Breach>;

fn breach(source: &Source, line: usize, what: impl Into<String>) -> Breach {
    Breach { path: source.path.clone(), line, what: what.into() }
}

/// The room of `sim/src` that a file belongs to: `tcp` for `sim/src/tcp/input.rs`.
fn sim_room(path: &str) -> Option<&str> {
    let first = path.strip_prefix("sim/src/")?.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

fn sim_imports_follow_the_table(source: &Source) -> Vec<Breach> {
    let Some(room) = sim_room(&source.path) else { return Vec::new() };
    if FACE_ONLY.contains(&room) {
        return face_only(source);
    }
    let Some((_, allowed)) = SIM_IMPORTS.iter().find(|(name, _)| *name == room) else {
        return vec![breach(source, 1, format!("the room `{room}` is not in the table of who may import whom"))];
    };
    let mut found = Vec::new();
    for path in source.crate_paths() {
        let Some(target) = path.names.first() else { continue };
        let is_room = SIM_IMPORTS.iter().any(|(name, _)| name == target) || FACE_ONLY.contains(&target.as_str());
        if target != room && is_room && !allowed.contains(&target.as_str()) {
            found.push(breach(source, path.line, format!("`{room}` must not import `{target}`")));
        } else if !is_room && room != "lib" {
            found.push(breach(source, path.line, format!("`crate::{target}` does not say which room it comes from")));
        }
    }
    found
}

/// Inside the crate through `sim` and `api` alone; outside it through what the crate's root exports, and the command also through `explore` and `colour`.
fn face_only(source: &Source) -> Vec<Breach> {
    let face: &[&str] =
        if source.path.starts_with("sim/src/bin/") { &["sim", "api", "explore", "colour"] } else { &["sim", "api"] };
    let is_inner = |name: &str| SIM_IMPORTS.iter().any(|(room, _)| *room == name) && !face.contains(&name);
    let inside = source.crate_paths().into_iter().filter(|_| !source.path.starts_with("sim/src/bin/"));
    let outside = source.paths().into_iter().filter(|path| path.names[0] == "twinsock_sim").map(|mut path| {
        path.names.remove(0);
        path
    });
    let named = inside.chain(outside).filter(|path| path.names.first().is_some_and(|name| is_inner(name)));
    named.map(|path| breach(source, path.line, format!("`{}` is not the public face", path.names[0]))).collect()
}

fn the_api_names_no_backend(source: &Source) -> Vec<Breach> {
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let is_os = source.path.starts_with("src/os/");
    for path in source.paths().into_iter().filter(|path| !path.test) {
        let outer = path.names[0].as_str();
        if outer == "twinsock_sim" {
            found.push(breach(source, path.line, "`src` must not import the simulator"));
        }
        if outer == "libc" && !is_os {
            found.push(breach(source, path.line, "an API file must not import `libc`"));
        }
    }
    let names_os =
        source.crate_paths().into_iter().filter(|path| !path.test && path.names.first().is_some_and(|name| name == "os"));
    if !is_os && !MAY_NAME_OS.contains(&source.path.as_str()) {
        found.extend(names_os.map(|path| breach(source, path.line, "an API file must not import `os`")));
    }
    found
}

fn unsafe_stands_where_it_may(source: &Source) -> Vec<Breach> {
    if !source.path.starts_with("src/") && !source.path.starts_with("sim/src/") {
        return Vec::new();
    }
    let allowed = UNSAFE.iter().find(|(path, _)| *path == source.path).map_or(0, |(_, count)| *count);
    let found = source.tokens.iter().filter(|token| token.text == "unsafe").skip(allowed);
    found.map(|token| breach(source, token.line, "`unsafe` in a file that may not hold it")).collect()
}

fn the_core_asks_the_machine_for_nothing(source: &Source) -> Vec<Breach> {
    if !sim_room(&source.path).is_some_and(|room| CORE.contains(&room)) {
        return Vec::new();
    }
    let names = [
        ("HashMap", "hash order"),
        ("HashSet", "hash order"),
        ("RandomState", "hash order"),
        ("thread_local", "a global"),
        ("Waker", "a waker"),
        ("f32", "a float"),
        ("f64", "a float"),
    ];
    let calls = [
        (["Instant", "now"], "a clock"),
        (["SystemTime", "now"], "a clock"),
        (["thread", "spawn"], "a thread"),
        (["thread", "sleep"], "a real sleep"),
        (["static", "mut"], "a global"),
    ];
    let mut found = Vec::new();
    for (index, token) in source.tokens.iter().enumerate() {
        for (_, what) in names.iter().filter(|(name, _)| *name == token.text) {
            found.push(breach(source, token.line, format!("{what} in the simulator's core: `{}`", token.text)));
        }
        for ([first, second], what) in calls {
            if token.text == first && follows(&source.tokens[index + 1..], second) {
                found.push(breach(source, token.line, format!("{what} in the simulator's core: `{first} {second}`")));
            }
        }
    }
    found
}

/// Whether `rest` goes on with `name`, with or without `::` before it.
fn follows(rest: &[Token], name: &str) -> bool {
    let rest = if rest.first().is_some_and(|token| token.text == "::") { &rest[1..] } else { rest };
    rest.first().is_some_and(|token| token.text == name)
}

fn no_test_is_ignored_or_sleeps(source: &Source) -> Vec<Breach> {
    let mut found = Vec::new();
    for (index, token) in source.tokens.iter().enumerate() {
        let is_attribute = index >= 1 && source.tokens[index - 1].text == "[";
        if token.text == "ignore" && is_attribute {
            found.push(breach(source, token.line, "`#[ignore]`: a test runs, or is not there"));
        }
        let is_test = source.path.starts_with("tests/") || source.path.starts_with("sim/tests/") || token.test;
        if is_test && token.text == "thread" && follows(&source.tokens[index + 1..], "sleep") {
            found.push(breach(source, token.line, "a real sleep in a test: wait through the API"));
        }
        if source.path.starts_with("tests/conformance/") && token.text == "mpsc" {
            found.push(breach(source, token.line, "a host channel in a promise: wait through the API"));
        }
    }
    found
}

/// How many lines a file has, the examples in its documentation not counted: each is read with the one item that it is of.
fn lines_without_examples(text: &str) -> usize {
    let (mut count, mut inside) = (0, false);
    for line in text.lines() {
        let fence = line.trim_start().strip_prefix("///").is_some_and(|doc| doc.trim_start().starts_with("```"));
        count += usize::from(!inside && !fence);
        inside ^= fence;
    }
    count
}

fn files_are_short_and_open_with_their_map(source: &Source) -> Vec<Breach> {
    if !source.path.starts_with("src/") && !source.path.starts_with("sim/src/") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let lines = lines_without_examples(&source.text);
    if lines > FILE_MAX_LINES {
        found.push(breach(source, lines, format!("{lines} lines, more than {FILE_MAX_LINES}: split it along its subject")));
    }
    if !source.text.starts_with("//!") {
        found.push(breach(source, 1, "the file does not open with its map, `//!`"));
    }
    found
}

/// The root's manifest: the simulator is a dev-dependency by path, without a version, and nothing else.
fn the_simulator_is_a_dev_dependency(manifest: &Source) -> Vec<Breach> {
    if manifest.path != "Cargo.toml" {
        return Vec::new();
    }
    let (mut section, mut found, mut seen) = ("", Vec::new(), false);
    for (index, line) in manifest.text.lines().enumerate() {
        if line.starts_with('[') {
            section = line.trim();
        }
        if !line.starts_with("twinsock-sim") {
            continue;
        }
        seen |= section == "[dev-dependencies]";
        if section != "[dev-dependencies]" || !line.contains("path = \"sim\"") || line.contains("version") {
            found.push(breach(manifest, index + 1, "`twinsock-sim` is a dev-dependency by path and without a version"));
        }
    }
    if !seen {
        found.push(breach(manifest, 1, "`twinsock-sim` is not among the dev-dependencies"));
    }
    found
}

/// Names and links in a document that claim a file exists, and the tests named in a table's `Test` column.
fn documents_name_what_exists(page: &Source, is_there: &dyn Fn(&str) -> bool, is_test: &dyn Fn(&str) -> bool) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut test_column = None;
    for (index, line) in page.text.lines().enumerate() {
        for name in scan::code_spans(line).into_iter().filter(|name| scan::claims_a_file(name)) {
            if !is_there(name) {
                found.push(breach(page, index + 1, format!("`{name}` is not there")));
            }
        }
        let folder = page.path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        for link in scan::links(line).into_iter().filter(|link| !is_there(&format!("{folder}{link}"))) {
            found.push(breach(page, index + 1, format!("the link `{link}` leads nowhere")));
        }
        if !line.starts_with('|') {
            test_column = None;
            continue;
        }
        let cells: Vec<&str> = line.split('|').collect();
        test_column = test_column
            .or_else(|| cells.iter().position(|cell| ["test", "tests"].contains(&cell.trim().to_lowercase().as_str())));
        let Some(cell) = test_column.and_then(|column| cells.get(column)) else { continue };
        for name in scan::code_spans(cell) {
            let function = name.rsplit("::").next().unwrap_or(name);
            if !scan::claims_a_file(name) && !is_test(function) {
                found.push(breach(page, index + 1, format!("no test is called `{function}`")));
            }
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the house with this ending, in order of its path.
fn house(ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("a folder of the repository can be read").path();
            let name = path.file_name().expect("an entry of a folder has a name").to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && !name.starts_with("target") && !name.starts_with("mutants.out") {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let inside = path.strip_prefix(root()).expect("the walk starts at the root");
                found.push(Source::new(&inside.to_string_lossy(), &text));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// The house's Rust, read once for all rules.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| house(".rs"));

#[track_caller]
fn assert_none(found: &[Breach]) {
    let lines: Vec<String> = found.iter().map(Breach::to_string).collect();
    assert!(found.is_empty(), "the house has rules (docs/src/decisions.md):\n{}", lines.join("\n"));
}

#[track_caller]
fn assert_kept(rule: Rule) {
    assert!(SOURCES.len() > 10, "the walk finds the house's files");
    let found: Vec<Breach> = SOURCES.iter().flat_map(rule).collect();
    assert_none(&found);
}

/// The lines at which `rule` finds something in a planted file.
fn lines_found(rule: Rule, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::new(path, text)).into_iter().map(|breach| breach.line).collect()
}

#[test]
fn the_house_keeps_its_import_table() {
    assert_kept(sim_imports_follow_the_table);
}

#[test]
fn a_planted_import_is_found() {
    let rule = sim_imports_follow_the_table;
    assert_eq!(lines_found(rule, "sim/src/tcp/input.rs", "//! x\nuse crate::host::Host;"), [2]);
    assert_eq!(lines_found(rule, "sim/src/tcp/input.rs", "use crate::{packet::Segment,\n world::World};"), [2]);
    assert_eq!(lines_found(rule, "sim/src/tcp/input.rs", "fn f() { super::super::link::Link::new() }"), [1]);
    assert_eq!(lines_found(rule, "sim/src/tcp/mod.rs", "mod tests {\n use super::super::choice::Choice; }"), [2]);
    assert_eq!(lines_found(rule, "sim/src/host/mod.rs", "use crate::Net;"), [1]);
    assert_eq!(lines_found(rule, "sim/src/attic/mod.rs", ""), [1]);
    assert_eq!(lines_found(rule, "sim/src/bin/twinsock.rs", "use twinsock_sim::world::World;"), [1]);
    assert_eq!(lines_found(rule, "sim/src/explore/mod.rs", "use crate::tcp::Tcb;"), [1]);
    let kept =
        "// use crate::host;\nuse crate::packet::{Segment, Luck};\nuse super::seq::SeqNumber;\nconst S: &str = \"crate::host\";";
    assert!(lines_found(rule, "sim/src/tcp/input.rs", kept).is_empty());
}

#[test]
fn the_api_of_the_house_names_no_backend() {
    assert_kept(the_api_names_no_backend);
}

#[test]
fn a_planted_backend_is_found() {
    let rule = the_api_names_no_backend;
    assert_eq!(lines_found(rule, "src/api.rs", "use libc::c_int;"), [1]);
    assert_eq!(lines_found(rule, "src/net/tcp.rs", "use crate::os::Os;"), [1]);
    assert_eq!(lines_found(rule, "src/net/tcp.rs", "\nuse super::super::os::Os;"), [2]);
    assert_eq!(lines_found(rule, "src/os/mod.rs", "use twinsock_sim::Net;"), [1]);
    assert!(lines_found(rule, "src/os/syscalls.rs", "use libc::c_int;").is_empty());
    assert!(lines_found(rule, "src/consts.rs", "#[cfg(test)]\nmod tests { fn f() { libc::AF_INET; } }").is_empty());
}

#[test]
fn the_house_keeps_unsafe_in_its_files() {
    assert_kept(unsafe_stands_where_it_may);
}

#[test]
fn a_planted_unsafe_is_found() {
    let rule = unsafe_stands_where_it_may;
    assert_eq!(lines_found(rule, "sim/src/tcp/tcb.rs", "// unsafe\nfn f() { unsafe { g() } }"), [2]);
    assert_eq!(lines_found(rule, "src/raw.rs", "unsafe fn new() {}\nunsafe fn more() {}"), [2]);
    assert!(lines_found(rule, "src/os/syscalls.rs", "unsafe { f() }").is_empty());
}

#[test]
fn the_core_of_the_house_asks_the_machine_for_nothing() {
    assert_kept(the_core_asks_the_machine_for_nothing);
}

#[test]
fn a_planted_clock_is_found() {
    let rule = the_core_asks_the_machine_for_nothing;
    let planted =
        "use std::collections::HashMap;\nlet a = Instant::now();\nlet b: f64;\nstd::thread::spawn(f);\nstatic mut N: u32;";
    assert_eq!(lines_found(rule, "sim/src/world/mod.rs", planted), [1, 2, 3, 4, 5]);
    assert!(lines_found(rule, "sim/src/bin/twinsock.rs", planted).is_empty());
    assert!(lines_found(rule, "sim/src/world/mod.rs", "/* f64 */ let a = 'x'; fn f<'a>(t: &'static str) {}").is_empty());
}

#[test]
fn the_tests_of_the_house_run_and_do_not_sleep() {
    assert_kept(no_test_is_ignored_or_sleeps);
}

#[test]
fn a_planted_ignore_is_found() {
    let rule = no_test_is_ignored_or_sleeps;
    assert_eq!(lines_found(rule, "sim/src/tcp/tcb.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}"), [2]);
    assert_eq!(lines_found(rule, "tests/conformance/main.rs", "thread::sleep(d);\nuse std::sync::mpsc;"), [1, 2]);
    assert_eq!(lines_found(rule, "sim/src/link/mod.rs", "#[cfg(test)]\nmod tests {\n thread::sleep(d); }"), [3]);
}

#[test]
fn the_files_of_the_house_are_short() {
    assert_kept(files_are_short_and_open_with_their_map);
}

#[test]
fn a_planted_long_file_is_found() {
    let long = format!("//! A map.\n{}", "\n".repeat(FILE_MAX_LINES));
    assert_eq!(lines_found(files_are_short_and_open_with_their_map, "src/api.rs", &long), [FILE_MAX_LINES + 1]);
    let examples = format!("//! A map.\n/// ```\n{}/// ```\nfn f() {{}}", "/// f();\n".repeat(FILE_MAX_LINES));
    assert!(lines_found(files_are_short_and_open_with_their_map, "src/api.rs", &examples).is_empty());
    assert_eq!(lines_found(files_are_short_and_open_with_their_map, "src/api.rs", "use std::io;"), [1]);
}

#[test]
fn the_manifest_depends_on_the_simulator_by_path() {
    let found: Vec<Breach> = house("Cargo.toml").iter().flat_map(the_simulator_is_a_dev_dependency).collect();
    assert_none(&found);
}

#[test]
fn a_planted_version_is_found() {
    let rule = the_simulator_is_a_dev_dependency;
    let planted = "[dev-dependencies]\ntwinsock-sim = { path = \"sim\", version = \"0.1\" }\n[dependencies]\ntwinsock-sim = { path = \"sim\" }";
    assert_eq!(lines_found(rule, "Cargo.toml", planted), [2, 4]);
    assert_eq!(lines_found(rule, "Cargo.toml", "[dependencies]"), [1]);
}

#[test]
fn the_top_of_the_house_has_no_other_names() {
    let mut strange = Vec::new();
    for entry in fs::read_dir(root()).expect("the root can be read") {
        let name = entry.expect("the root can be read").file_name().to_string_lossy().into_owned();
        let is_built = name.starts_with("target") || name.starts_with("mutants.out");
        if !name.starts_with('.') && !is_built && !TOP_LEVEL.contains(&name.as_str()) {
            strange.push(name);
        }
    }
    assert!(strange.is_empty(), "not a name of the top level: {strange:?}");
}

#[test]
fn the_documents_name_what_exists() {
    let tests: Vec<&str> = SOURCES.iter().flat_map(Source::functions).collect();
    let is_test = |name: &str| tests.contains(&name);
    let is_there = |name: &str| root().join(name).exists();
    let found: Vec<Breach> = house(".md").iter().flat_map(|page| documents_name_what_exists(page, &is_there, &is_test)).collect();
    assert_none(&found);
}

#[test]
fn every_page_is_in_the_book() {
    let summary = fs::read_to_string(root().join("docs/src/SUMMARY.md")).expect("the book has a summary");
    let linked: Vec<&str> = summary.lines().flat_map(scan::links).collect();
    for page in house(".md").iter().filter_map(|page| page.path.strip_prefix("docs/src/")) {
        assert!(page == "SUMMARY.md" || linked.contains(&page), "docs/src/SUMMARY.md does not name {page}");
    }
}

#[test]
fn a_planted_claim_is_found() {
    let page = Source::new(
        "docs/src/seed.md",
        "See `sim/src/attic.rs` and [this](gone.md), not [that](https://example.org).\n\n| what | Test |\n|---|---|\n| `a b` | `a_made_up_name` |\n| c | `suite::a_real_name` |\n",
    );
    let found = documents_name_what_exists(&page, &|_| false, &|name| name == "a_real_name");
    let lines: Vec<usize> = found.iter().map(|breach| breach.line).collect();
    assert_eq!(lines, [1, 1, 5]);
}
