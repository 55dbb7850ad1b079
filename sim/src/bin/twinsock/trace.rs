//! `twinsock trace`: prints what a trace file holds, or the part of it that is asked for.

use clap::Args;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use twinsock_sim::{EventKind, TraceLine, colour, read_trace};

/// What `twinsock trace` may be told.
#[derive(Args)]
pub struct Options {
    /// The file: `trace.jsonl` of a report
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only what happened on this host, and the packets that were for it
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Only what this process did; NAME, or NAME[PID]
    #[arg(long, value_name = "NAME")]
    process: Option<String>,
    /// Only these kinds of events
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    kind: Vec<EventKind>,
    /// Only this connection, from its first SYN to its last ACK: an end of it, such as `10.0.0.2:40000`, or `#N`, the one of packet N
    #[arg(long, value_name = "END|#PACKET")]
    connection: Option<String>,
    /// Nothing before this moment of virtual time: `1.5`, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    from: Option<u64>,
    /// Nothing after this moment
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    until: Option<u64>,
    /// Nothing before this step
    #[arg(long, value_name = "N")]
    step: Option<u64>,
    /// Only lines that hold this text
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Print lines of JSON, as in the file
    #[arg(long)]
    json: bool,
}

fn kind(text: &str) -> Result<EventKind, String> {
    let known = EventKind::ALL.map(EventKind::name).join(", ");
    EventKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| format!("expected one of {known}"))
}

/// Seconds, with up to nine digits behind the point, in nanoseconds.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "expected seconds, such as 1.5".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.len().min(9);
    let number = |text: &str| if text.is_empty() { Ok(0) } else { text.parse::<u64>().map_err(|_| wrong()) };
    let nanos = number(&part[..digits])? * 10_u64.pow(u32::try_from(9 - digits).map_err(|_| wrong())?);
    number(whole)?.checked_mul(1_000_000_000).and_then(|whole| whole.checked_add(nanos)).ok_or_else(wrong)
}

/// Prints, and says where a file is broken.
pub fn run(options: &Options) -> ExitCode {
    let path = options.file.display();
    let bytes = match std::fs::read(&options.file) {
        Ok(bytes) => bytes,
        Err(error) => return crate::complain(&format!("{path}: {error}"), 2),
    };
    let file = match read_trace(&bytes) {
        Ok(file) => file,
        Err(error) => return crate::complain(&format!("{path}: {error}"), 2),
    };
    let asked = match Asked::of(options, &file.lines) {
        Ok(asked) => asked,
        Err(what) => return crate::complain(&what, 2),
    };
    if let Some(words) = file.dropped_words() {
        eprintln!("{path}: {words}");
    }
    let is_painted = colour::on_stdout();
    let mut out = BufWriter::new(io::stdout().lock());
    let written = file.lines.iter().filter(|line| asked.is_for(line)).try_for_each(|line| {
        if options.json {
            serde_json::to_writer(&mut out, line).map_err(io::Error::from).and_then(|()| writeln!(out))
        } else if is_painted {
            writeln!(out, "{}", colour::trace_line(line))
        } else {
            writeln!(out, "{line}")
        }
    });
    match (written.and_then(|()| out.flush()), file.broken) {
        // Whoever reads has read enough, as `head` does.
        (Err(error), _) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        (Err(error), _) => crate::complain(&format!("standard output: {error}"), 3),
        (Ok(()), Some(broken)) => crate::complain(&format!("{path}: {broken}; what comes before is above"), 2),
        (Ok(()), None) => ExitCode::SUCCESS,
    }
}

/// What is asked for.
struct Asked<'a> {
    options: &'a Options,
    /// The connection that is meant.
    connection: Option<Meant<'a>>,
}

/// Which connection is meant.
enum Meant<'a> {
    /// The one of this name.
    Whole(&'a str),
    /// Those that have this end.
    End(&'a str),
}

impl<'a> Asked<'a> {
    fn of(options: &'a Options, lines: &'a [TraceLine]) -> Result<Asked<'a>, String> {
        let connection = match options.connection.as_deref() {
            None => None,
            Some(text) => match text.strip_prefix('#') {
                None => Some(Meant::End(text)),
                Some(number) => {
                    let number: u64 =
                        number.parse().map_err(|_| format!("--connection {text}: expected #N, the number of a packet"))?;
                    let of_packet =
                        lines.iter().find(|line| line.packet == Some(number)).and_then(|line| line.connection.as_deref());
                    let found =
                        of_packet.ok_or_else(|| format!("--connection {text}: no packet of this number has a connection"))?;
                    Some(Meant::Whole(found))
                }
            },
        };
        Ok(Asked { options, connection })
    }

    fn is_for(&self, line: &TraceLine) -> bool {
        let Options { host, process, kind, from, until, step, grep, .. } = self.options;
        (host.is_none() || *host == line.host || *host == line.to)
            && process.as_ref().is_none_or(|asked| is_process(asked, line))
            && (kind.is_empty() || kind.contains(&line.kind))
            && from.is_none_or(|from| line.at >= from)
            && until.is_none_or(|until| line.at <= until)
            && step.is_none_or(|step| line.step >= step)
            && grep.as_ref().is_none_or(|text| line.text.contains(text))
            && self.connection.as_ref().is_none_or(|meant| is_connection(meant, line))
    }
}

fn is_process(asked: &str, line: &TraceLine) -> bool {
    line.process.as_ref().is_some_and(|name| name == asked || format!("{name}[{}]", line.pid) == asked)
}

fn is_connection(meant: &Meant<'_>, line: &TraceLine) -> bool {
    line.connection.as_deref().is_some_and(|connection| match meant {
        Meant::Whole(whole) => connection == *whole,
        Meant::End(end) => connection.split(' ').skip(1).any(|other| other == *end),
    })
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn seconds_are_exact() {
        assert_eq!(seconds("1.5"), Ok(1_500_000_000));
        assert_eq!(seconds("0.000000001"), Ok(1));
        assert_eq!(seconds("3"), Ok(3_000_000_000));
        assert!(seconds("x").is_err() && seconds("1.x").is_err() && seconds("99999999999").is_err());
    }
}
