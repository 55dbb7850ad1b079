//! Colours, for a person who watches: none in a file, a pipe or where programs look for mistakes.
//!
//! What is said is made of plain text, and painted line by line right before it goes out, so that a value that is printed is the same everywhere.

use crate::trace::{EventKind, TraceLine};
use anstyle::{AnsiColor, Style};
use std::io::{self, IsTerminal};

const LOUD: Style = AnsiColor::Red.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default();
const ODD: Style = AnsiColor::Yellow.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
const PLACE: Style = AnsiColor::Cyan.on_default();
const TITLE: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// Whether a person watches standard output, and wants colours.
///
/// ```
/// use twinsock_sim::colour;
/// let text = "seed 7 failed:\nthe test panicked:\n  too large\nreproduce: doc --seed 7";
/// println!("{}", if colour::on_stdout() { colour::report(text) } else { text.to_owned() });
/// ```
#[must_use]
pub fn on_stdout() -> bool {
    is_wanted(io::stdout().is_terminal(), &from_environment)
}

/// The same of what a test says: the harness may keep it, and print it on either.
pub(crate) fn in_a_test() -> bool {
    is_wanted(io::stdout().is_terminal() && io::stderr().is_terminal(), &from_environment)
}

#[expect(clippy::disallowed_methods, reason = "how a report looks; no run depends on it")]
fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// `NO_COLOR` (no-color.org) goes before `CLICOLOR_FORCE` and `FORCE_COLOR`, these before everything else; then `CLICOLOR=0`, a `CI` and a dumb
/// terminal want none.
fn is_wanted(is_terminal: bool, variable: &dyn Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|text| !text.is_empty());
    let is_on = |name: &str| variable(name).is_some_and(|text| !text.is_empty() && text != "0");
    if is_set("NO_COLOR") {
        return false;
    }
    let is_good_terminal = || {
        let is_dumb = variable("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        is_terminal && !is_dumb && !is_on("CI") && variable("CLICOLOR").is_none_or(|text| text != "0")
    };
    is_on("CLICOLOR_FORCE") || is_on("FORCE_COLOR") || is_good_terminal()
}

/// A line of a trace, painted by what it tells of.
///
/// ```
/// use twinsock_sim::{Sim, colour, trace};
/// let run = Sim::builder().record(true).run(|sim| drop(sim.host("a").spawn("p", |_net| {}))).unwrap();
/// let painted = trace::lines(&run.recording.unwrap()).iter().map(colour::trace_line).collect::<String>();
/// assert!(painted.contains("\u{1b}[32m"), "a process that starts is green");
/// ```
#[must_use]
pub fn trace_line(line: &TraceLine) -> String {
    let style = match line.kind {
        EventKind::Call if line.text.contains(" = -1 ") => ODD,
        EventKind::Call => Style::new(),
        EventKind::Wait | EventKind::Wake | EventKind::Timer | EventKind::Choice => FAINT,
        EventKind::Sent | EventKind::Arrived => PLACE,
        EventKind::Lost => BAD,
        EventKind::Wire => ODD,
        EventKind::Start => GOOD,
        EventKind::End if line.text.starts_with("panic") => LOUD,
        EventKind::End => GOOD,
        EventKind::Fault => LOUD,
    };
    painted(style, &line.to_string())
}

/// What came of a campaign, or a failure, painted.
///
/// ```
/// use twinsock_sim::{Sim, colour};
/// let failure = Sim::builder().run(|sim| drop(sim.host("a").spawn("p", |_net| panic!("lost")))).unwrap_err();
/// assert!(colour::report(&failure.to_string()).contains("\u{1b}[31m"), "what failed is red");
/// ```
#[must_use]
pub fn report(text: &str) -> String {
    let mut painter = Painter { is_what_failed: false };
    let lines: Vec<String> = text.lines().map(|line| painter.line(line)).collect();
    lines.join("\n")
}

/// What a line is, is known by how it begins, and by those before.
struct Painter {
    is_what_failed: bool,
}

/// What stands above a list.
const TITLES: [&str; 6] = ["last events", "sockets:", "left:", "it takes, ", "it fails though", "shrunk from "];
/// What names a file or a command.
const PLACES: [&str; 5] = ["tape: ", "timeline: ", "trace: ", "capture: ", "reproduce: "];

impl Painter {
    fn line(&mut self, line: &str) -> String {
        let follows = std::mem::take(&mut self.is_what_failed);
        if line.starts_with("seed ") && line.contains(" failed") || line.starts_with("simulation failed at ") {
            self.is_what_failed = true;
            return painted(TITLE, line);
        }
        let begins_what_failed = follows && !line.starts_with(' ');
        if begins_what_failed || follows && line.starts_with("  ") {
            self.is_what_failed = true;
            if !TITLES.iter().any(|title| line.starts_with(title)) {
                return painted(LOUD, line);
            }
            self.is_what_failed = false;
        }
        if let Some(label) = PLACES.iter().find(|label| line.starts_with(*label)) {
            return format!("{}{}", painted(TITLE, label.trim_end()) + " ", painted(PLACE, &line[label.len()..]));
        }
        if line.starts_with("not written: ") || line.contains(" could not be written: ") {
            return painted(BAD, line);
        }
        if TITLES.iter().any(|title| line.starts_with(title)) {
            return painted(TITLE, line);
        }
        if line.starts_with("  ") {
            return painted(of_event(line), line);
        }
        line.to_owned()
    }
}

/// A line of the last events, of the sockets, or of what is left.
fn of_event(line: &str) -> Style {
    let has = |words: &str| line.contains(words);
    if has("  panic: ") || has(" ! ") {
        LOUD
    } else if has("  dropped (") {
        BAD
    } else if has(" = -1 ") || has(" meets ") || has(" CLOSE_WAIT ") {
        ODD
    } else if has("  timer") || has("  chose ") || has("TIME_WAIT") {
        FAINT
    } else {
        Style::new()
    }
}

fn painted(style: Style, text: &str) -> String {
    if style.is_plain() { text.to_owned() } else { format!("{style}{text}{style:#}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(is_terminal: bool, variables: &[(&str, &str)]) -> bool {
        let variable = |name: &str| {
            let given = variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            given.or_else(|| (name == "TERM").then(|| "xterm".to_owned()))
        };
        is_wanted(is_terminal, &variable)
    }

    #[test]
    fn a_person_who_watches_gets_colours_and_nobody_else() {
        assert!(wanted(true, &[]) && !wanted(false, &[]));
        assert!(!wanted(true, &[("NO_COLOR", "1")]) && wanted(true, &[("NO_COLOR", "")]));
        assert!(!wanted(true, &[("CI", "true")]) && !wanted(true, &[("TERM", "dumb")]) && !wanted(true, &[("CLICOLOR", "0")]));
        assert!(wanted(false, &[("CLICOLOR_FORCE", "1")]) && wanted(false, &[("FORCE_COLOR", "3"), ("CI", "true")]));
        assert!(!wanted(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!wanted(true, &[("FORCE_COLOR", "1"), ("NO_COLOR", "1")]), "who wants none gets none");
    }

    #[test]
    fn a_painted_report_says_the_same() {
        let text = "t: 5 seeds, 1 failed\n\nseed 3 failed; its smallest run does so at 1s:\nhost a, process p panicked:\n  two\nshrunk from 9 to 1\n\
            it takes, of everything:\n  it was late\nlast events of each host:\n  1s a  dropped (loss) x\nsockets:\n  a tcp CLOSE_WAIT x\n\
            timeline: x.html\nreproduce: run";
        let painted = report(text);
        let mut plain = painted.clone();
        while let Some(start) = plain.find('\u{1b}') {
            let end = start + plain[start..].find('m').unwrap();
            plain.replace_range(start..=end, "");
        }
        assert_eq!(plain, text);
        let loud = |words: &str| painted.contains(&format!("{LOUD}{words}{LOUD:#}"));
        assert!(loud("host a, process p panicked:") && loud("  two") && !loud("shrunk from 9 to 1"), "{painted}");
        assert!(painted.contains(&format!("{BAD}  1s a  dropped (loss) x{BAD:#}")), "{painted}");
        assert!(painted.contains(&format!("{PLACE}x.html{PLACE:#}")), "{painted}");
    }
}
