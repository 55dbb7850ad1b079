//! What is recorded of a run, and what is written of it: the trace, the capture, the timeline.

use pcap_file::pcapng::{Block, PcapNgReader};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use twinsock::faulty::{Call, Fault, Plan};
use twinsock::net::{TcpListener, TcpStream, UdpSocket};
use twinsock::{Clock, SocketApi, Spawn};
use twinsock_sim::choice::Tape;
use twinsock_sim::trace::{EventKind, TraceLine, lines, read_trace};
use twinsock_sim::{Link, NameFault, Ratio, Report, Signal, Sim, write_report};

/// A client sends a server some data through a link that loses frames, and asks the time by UDP.
fn exchange(seed: u64, loss: Ratio, record: bool) -> Report<()> {
    let run = Sim::builder().seed(seed).record(record).run(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(5)).loss(loss));
        sim.host("server").spawn("sink", |net| {
            let listener = TcpListener::bind(&net, "0.0.0.0:9").unwrap();
            let udp = UdpSocket::bind(&net, "0.0.0.0:37").unwrap();
            net.spawn(move || {
                let mut asked = [0; 16];
                let (_, from) = udp.recv_from(&mut asked).unwrap();
                udp.send_to(b"late", from).unwrap();
            });
            let (mut stream, _) = listener.accept().unwrap();
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            assert_eq!(got.len(), 200_000);
        });
        sim.host("client").spawn("source", |net| {
            net.sleep(Duration::from_millis(1));
            let udp = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
            udp.send_to(b"time?", "10.0.0.1:37").unwrap();
            let mut stream = TcpStream::connect(&net, "10.0.0.1:9").unwrap();
            stream.write_all(&vec![7; 200_000]).unwrap();
        });
        sim.run_to_end().unwrap();
        // What is under way still arrives, and the last ACK is sent.
        sim.run_for(Duration::from_secs(2));
    });
    run.unwrap()
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

#[test]
fn a_recorded_run_is_the_run_it_would_have_been() {
    let (plain, recorded) = (exchange(7, Ratio::new(1, 50), false), exchange(7, Ratio::new(1, 50), true));
    assert_eq!((plain.digest, plain.steps, plain.calls), (recorded.digest, recorded.steps, recorded.calls));
    assert!(plain.recording.is_none() && recorded.recording.is_some());
}

/// Words there and back, beside programs that make something happen at every moment, or at none: then, calls may take their shortest ways.
fn words(beside: u32) -> Vec<TraceLine> {
    let run = Sim::builder().seed(7).record(true).run(|sim| {
        sim.default_link(Link::new().delay(Duration::from_micros(50)));
        sim.host("server").spawn("echo", |net| {
            let udp = UdpSocket::bind(&net, "0.0.0.0:7").unwrap();
            let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:7").unwrap().accept().unwrap();
            let mut word = [0; 40];
            for _ in 0..20 {
                stream.read_exact(&mut word).unwrap();
                stream.write_all(&word).unwrap();
                let (_, from) = udp.recv_from(&mut word).unwrap();
                udp.send_to(&word, from).unwrap();
            }
        });
        sim.host("client").spawn("client", |net| {
            net.sleep(Duration::from_micros(10));
            let udp = UdpSocket::bind(&net, "0.0.0.0:9").unwrap();
            let mut stream = TcpStream::connect(&net, "10.0.0.1:7").unwrap();
            for round in 0..20 {
                let mut word = [round; 40];
                stream.write_all(&word).unwrap();
                stream.read_exact(&mut word).unwrap();
                udp.send_to(&word, "10.0.0.1:7").unwrap();
                udp.recv(&mut word).unwrap();
            }
        });
        for other in 0..beside {
            sim.host(&format!("other-{other}"))
                .spawn("beside", |net| (0..5000).for_each(|_| net.sleep(Duration::from_micros(1))));
        }
    });
    let mut lines = lines(&run.unwrap().recording.unwrap());
    lines.retain(|line| matches!(line.host.as_deref(), Some("server" | "client")));
    // How many turns the others had in between is another matter.
    lines.iter_mut().for_each(|line| line.step = 0);
    lines
}

#[test]
fn what_is_recorded_of_a_call_does_not_depend_on_its_way() {
    let (alone, among_others) = (words(0), words(3));
    let (end, half) = (alone.last().unwrap().at, among_others.len() / 2);
    assert!(half > 100 && end > 2_000_000, "{half} lines, until {end}");
    for (alone, among_others) in alone.iter().zip(&among_others) {
        assert_eq!(alone, among_others);
    }
    assert!(alone.len() <= among_others.len(), "the others go on a little longer");
}

#[test]
fn a_report_lists_the_sockets_that_there_were_at_the_end() {
    let failure = Sim::builder().record(true).run(|sim| {
        sim.host("server").spawn("server", |net| {
            let listener = TcpListener::bind(&net, "0.0.0.0:80").unwrap();
            listener.accept().unwrap();
        });
        sim.run_for(Duration::from_millis(1));
        sim.host("client").spawn("client", |_net| panic!("while others wait"));
    });
    let failure = failure.unwrap_err();
    let recording = failure.recording.unwrap();
    assert!(recording.netstat.contains("0.0.0.0:80") && recording.netstat == failure.netstat, "{}", recording.netstat);
}

#[test]
fn a_connection_is_followed_from_its_first_syn_to_its_last_ack() {
    let recording = exchange(7, Ratio::NEVER, true).recording.unwrap();
    let lines = lines(&recording);
    let is_tcp =
        |line: &&TraceLine| line.connection.as_ref().is_some_and(|name| name.starts_with("tcp ") && name.contains("10.0.0.1:9"));
    let packets: Vec<&TraceLine> = lines.iter().filter(is_tcp).filter(|line| line.packet.is_some()).collect();
    assert!(packets[0].text.contains("tcp [S]"), "{}", packets[0]);
    let last = packets.last().unwrap();
    assert!(last.kind == EventKind::Arrived && last.text.contains("tcp [.]"), "{last}");
    let calls: BTreeSet<&str> = lines
        .iter()
        .filter(is_tcp)
        .filter(|line| line.kind == EventKind::Call)
        .filter_map(|line| line.text.split('(').next())
        .collect();
    assert_eq!(calls, BTreeSet::from(["close", "connect", "recvfrom", "sendto"]));
}

#[test]
fn every_packet_that_is_sent_arrives_or_is_lost_under_its_own_number() {
    let recording = exchange(7, Ratio::new(1, 20), true).recording.unwrap();
    let lines = lines(&recording);
    let numbers = |kind: EventKind| -> BTreeSet<u64> {
        lines.iter().filter(|line| line.kind == kind).map(|line| line.packet.expect("a packet has a number")).collect()
    };
    let (sent, arrived, lost) = (numbers(EventKind::Sent), numbers(EventKind::Arrived), numbers(EventKind::Lost));
    assert!(!lost.is_empty() && !arrived.is_empty());
    assert_eq!(sent, &arrived | &lost, "nothing is under way for ever");
}

#[test]
fn a_call_that_waited_says_since_when() {
    let recording = exchange(7, Ratio::NEVER, true).recording.unwrap();
    let connect =
        lines(&recording).into_iter().find(|line| line.kind == EventKind::Call && line.text.starts_with("connect(")).unwrap();
    assert_eq!(connect.text, "connect(1, 10.0.0.1:9) = 0");
    assert_eq!(connect.at - connect.since.unwrap(), 10_001_000, "a round trip, and what the call takes");
    assert_eq!((connect.host.as_deref(), connect.process.as_deref()), (Some("client"), Some("source")));
}

#[test]
fn a_fault_that_lasts_says_what_begins_and_what_ends() {
    let run = Sim::builder().record(true).run(|sim| {
        let (a, b) = (sim.host("a"), sim.host("b"));
        sim.cut_one_way(&a, &b);
        b.pause();
        sim.run_for(Duration::from_secs(1));
        sim.heal(&a, &b);
        b.resume();
        b.crash();
        b.restart();
    });
    let lines = lines(&run.unwrap().recording.unwrap());
    let words = |line: &TraceLine| {
        let (sign, name) = line.begins.as_ref().map_or_else(|| ("-", line.ends.as_ref()), |name| ("+", Some(name)));
        name.map(|name| format!("{} {sign}{name}", line.host.as_ref().unwrap()))
    };
    let troubles: Vec<String> = lines.iter().filter_map(words).collect();
    assert_eq!(troubles, ["a +cut b", "b +pause", "a -cut b", "b -pause", "b +crash", "b -crash"]);
}

#[test]
fn what_befalls_names_calls_links_and_threads_is_told() {
    let run = Sim::builder().record(true).run(|sim| {
        let (a, b) = (sim.host("a"), sim.host("b"));
        sim.fail_name("b", NameFault::Again);
        a.spawn("asks", |net| net.getaddrinfo("b", 80).unwrap_err());
        sim.run_to_end().unwrap();
        sim.heal_name("b");
        sim.heal_name("b");
        a.call_faults(Plan::new(0).with(Fault::Eintr.rate(1, 1).on(&[Call::Accept4])));
        a.call_faults(Plan::new(0));
        // The network as it is built is no event.
        sim.run_for(Duration::from_millis(1));
        sim.link(&a, &b, Link::new().delay(Duration::from_millis(1)));
        sim.link(&a, &b, Link::new().delay(Duration::from_millis(1)));
        let waits = b.spawn("waits", |net| UdpSocket::bind(&net, "0.0.0.0:9").unwrap().recv_from(&mut [0]).unwrap_err());
        sim.run_for(Duration::from_millis(1));
        waits.signal(Signal::Interrupting);
        waits.kill();
    });
    let lines = lines(&run.unwrap().recording.unwrap());
    let told = |line: &TraceLine| format!("{} {}", line.host.as_deref().unwrap_or("-"), line.text);
    let faults: Vec<String> = lines.iter().filter(|line| line.kind == EventKind::Fault).map(told).collect();
    let expected = [
        "- the name b: EAI_AGAIN",
        "a getaddrinfo() meets EAI_AGAIN for the name b",
        "- the name b is right again",
        "a calls meet faults from here on",
        "a calls meet no more faults",
        "a another link from here to b",
        "b another link from here to a",
        "b signal (interrupting)",
    ];
    assert_eq!(faults, expected);
    assert_eq!(lines.iter().filter(|line| line.begins.is_some()).count(), 2);
}

#[test]
fn a_recording_keeps_the_last_events_and_says_how_many_came_before() {
    let run = |events_max: usize| {
        let run = Sim::builder().seed(7).record_last(events_max).run(|sim| {
            sim.host("server").spawn("sink", |net| {
                let udp = UdpSocket::bind(&net, "0.0.0.0:9").unwrap();
                let mut got = [0; 64];
                for _ in 0..2000 {
                    udp.recv_from(&mut got).unwrap();
                }
            });
            sim.host("client").spawn("source", |net| {
                let udp = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
                for number in 0..2000_u32 {
                    udp.send_to(&number.to_le_bytes(), "10.0.0.1:9").unwrap();
                    net.sleep(Duration::from_millis(1));
                }
            });
        });
        run.unwrap()
    };
    let (whole, last) = (run(1_000_000), run(1000));
    assert_eq!(whole.digest, last.digest);
    let (whole, last) = (whole.recording.unwrap(), last.recording.unwrap());
    let (all, kept) = (lines(&whole), lines(&last));
    let dropped = usize::try_from(last.dropped()).unwrap();
    assert_eq!((whole.dropped(), dropped + kept.len()), (0, all.len()));
    assert!((1000..2000).contains(&kept.len()), "{}", kept.len());
    let is_same = |(one, other): (&TraceLine, &TraceLine)| {
        // What was sent before the first event has no number any more where it arrives.
        one == other || other.packet.is_none() && TraceLine { packet: None, ..one.clone() } == *other
    };
    assert!(all[dropped..].iter().zip(&kept).all(is_same));
    let folder = folder("last");
    let files = write_report(&folder, "the last", 7, &last).unwrap();
    let words = format!("{dropped} earlier events were dropped");
    assert!(fs::read_to_string(files.text).unwrap().starts_with(&words));
    assert_eq!(read_trace(&fs::read(files.trace).unwrap()).unwrap().dropped, last.dropped());
    assert!(fs::read_to_string(files.timeline).unwrap().contains(&format!("\"dropped\":{dropped}")));
    let capture = fs::read(files.capture.unwrap()).unwrap();
    assert!(capture.windows(words.len()).any(|bytes| bytes == words.as_bytes()));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_trace_file_is_read_as_it_was_written_and_says_where_it_is_broken() {
    let report = exchange(7, Ratio::NEVER, true);
    let recording = report.recording.unwrap();
    let folder = folder("trace");
    let files = write_report(&folder, "exchange", report.seed, &recording).unwrap();
    let bytes = fs::read(files.trace).unwrap();
    let read = read_trace(&bytes).unwrap();
    assert_eq!((read.seed, read.broken), (7, None));
    assert_eq!(read.lines, lines(&recording));
    let cut = read_trace(&bytes[..bytes.len() / 2]).unwrap();
    let broken = cut.broken.unwrap();
    assert!(broken.what.starts_with("the file is cut off here: "), "{broken}");
    assert_eq!(broken.line, cut.lines.len() + 2);
    assert!(cut.lines.len() > 20 && cut.lines[..] == read.lines[..cut.lines.len()]);
    let foreign = String::from_utf8(bytes).unwrap().replacen("\"twinsock_trace\":1", "\"twinsock_trace\":9", 1);
    let refused = read_trace(foreign.as_bytes()).unwrap_err().to_string();
    assert!(refused.contains("a trace of format 9") && refused.contains("reads format 1"), "{refused}");
    fs::remove_dir_all(folder).unwrap();
}

/// What a small run comes to: a trace file, and its tape.
fn small_files() -> (Vec<u8>, Vec<u8>) {
    let run = Sim::builder().seed(3).record(true).run(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)).loss(Ratio::new(1, 3)));
        sim.host("a").spawn("waits", |net| UdpSocket::bind(&net, "0.0.0.0:9").unwrap().recv_from(&mut [0; 9]).unwrap());
        sim.host("b").spawn("sends", |net| {
            let udp = UdpSocket::bind(&net, "0.0.0.0:0").unwrap();
            for _ in 0..5 {
                udp.send_to(b"news", "10.0.0.1:9").unwrap();
                net.sleep(Duration::from_millis(1));
            }
        });
    });
    let run = run.unwrap();
    let folder = folder("small");
    let files = write_report(&folder, "small", run.seed, &run.recording.unwrap()).unwrap();
    let trace = fs::read(files.trace).unwrap();
    fs::remove_dir_all(folder).unwrap();
    (trace, run.tape.to_bytes())
}

#[test]
fn a_trace_that_is_cut_off_anywhere_says_where_and_gives_what_comes_before() {
    let (trace, _) = small_files();
    let whole = read_trace(&trace).unwrap();
    assert!(whole.broken.is_none() && whole.lines.len() > 10);
    let first_line = trace.iter().position(|byte| *byte == b'\n').unwrap();
    for cut in 0..trace.len() {
        match read_trace(&trace[..cut]) {
            Err(error) => assert!(cut < first_line && error.offset == 0, "byte {cut}: {error}"),
            // All but the end of the last line is there.
            Ok(read) if cut == trace.len() - 1 => assert_eq!(read, whole),
            Ok(read) => {
                let start = trace[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
                let broken = read.broken.unwrap();
                assert!(broken.what.contains("cut off here"), "byte {cut}: {broken}");
                assert!((start..=cut).contains(&broken.offset), "byte {cut}: {broken}, the line begins at {start}");
                assert_eq!(read.lines[..], whole.lines[..read.lines.len()], "byte {cut}");
                assert_eq!(broken.line, read.lines.len() + 2, "byte {cut}");
            }
        }
    }
}

#[test]
fn a_tape_that_is_cut_off_anywhere_says_where() {
    let (_, tape) = small_files();
    assert!(Tape::from_bytes(&tape).is_ok() && tape.len() > 40);
    for cut in 0..tape.len() {
        let error = Tape::from_bytes(&tape[..cut]).unwrap_err();
        assert!(error.offset <= cut, "byte {cut}: {error}");
    }
}

#[test]
fn damaged_traces_and_tapes_are_read_or_refused() {
    let (trace, tape) = small_files();
    for at in 0..trace.len() {
        for other in [0, b'"', b'{', 0xff] {
            let mut damaged = trace.clone();
            damaged[at] = other;
            if let Ok(read) = read_trace(&damaged)
                && let Some(broken) = read.broken
            {
                assert!(broken.offset <= trace.len(), "byte {at}: {broken}");
            }
        }
    }
    for at in 0..tape.len() {
        for bit in 0..8 {
            let mut damaged = tape.clone();
            damaged[at] ^= 1 << bit;
            match Tape::from_bytes(&damaged) {
                // There is one way to write a tape.
                Ok(read) => assert_eq!(read.to_bytes(), damaged, "byte {at}"),
                Err(error) => assert!(error.offset <= tape.len(), "byte {at}: {error}"),
            }
        }
    }
}

#[test]
fn a_timeline_needs_nothing_but_itself() {
    let report = exchange(7, Ratio::new(1, 50), true);
    let folder = folder("timeline");
    let files = write_report(&folder, "a </script> in a title", report.seed, &report.recording.unwrap()).unwrap();
    let page = fs::read_to_string(files.timeline).unwrap();
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains(" src=") && !page.contains("@import"));
    assert_eq!(page.matches("</script>").count(), 2, "no data ends the element that holds it");
    assert!(page.contains("connect(1, 10.0.0.1:9) = 0") && page.contains("\"name\":\"server\""));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_report_that_cannot_be_written_names_the_file() {
    let report = exchange(7, Ratio::NEVER, true);
    let folder = folder("full");
    fs::create_dir_all(folder.join("capture.pcapng")).unwrap();
    let error = write_report(&folder, "exchange", 7, &report.recording.unwrap()).unwrap_err();
    assert!(error.to_string().contains("capture.pcapng cannot be written: "), "{error}");
    let names =
        |paths: &[PathBuf]| paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&error.written), ["netstat.txt", "trace.txt", "timeline.html", "trace.jsonl"]);
    assert!(error.written.iter().all(|path| path.exists()), "the others are there");
    fs::remove_dir_all(folder).unwrap();
}

/// How many frames carry data that was sent before.
fn retransmissions(lines: &[TraceLine]) -> usize {
    let mut highest = std::collections::BTreeMap::new();
    let mut count = 0;
    for line in lines.iter().filter(|line| line.kind == EventKind::Sent && line.text.contains(" tcp [")) {
        let number = |name: &str| -> u32 {
            let rest = &line.text[line.text.find(name).unwrap() + name.len()..];
            rest.split(' ').next().unwrap().parse().unwrap()
        };
        let (seq, len) = (number(" seq "), number(" len "));
        let takes = len + u32::from(line.text.contains("[S") || line.text.contains("[F"));
        let way = line.text.split(" tcp ").next().unwrap().to_owned();
        let end: &mut u32 = highest.entry(way).or_insert(seq);
        if takes > 0 && seq.wrapping_sub(*end) > 1 << 31 {
            count += usize::try_from(len.div_ceil(1448).max(1)).unwrap();
        }
        if seq.wrapping_add(takes).wrapping_sub(*end) < 1 << 31 {
            *end = seq.wrapping_add(takes);
        }
    }
    count
}

/// Whether a machine without Wireshark's reader is a failure, as it is where changes are checked.
#[expect(clippy::disallowed_methods, reason = "what the machine must have; no run depends on it")]
fn needs_tshark() -> bool {
    std::env::var_os("TWINSOCK_NEEDS_TSHARK").is_some()
}

#[test]
fn a_capture_holds_every_frame_once_and_wireshark_agrees() {
    let report = exchange(11, Ratio::new(1, 30), true);
    let recording = report.recording.unwrap();
    let folder = folder("capture");
    let files = write_report(&folder, "exchange", report.seed, &recording).unwrap();
    let capture = files.capture.unwrap();
    let mut reader = PcapNgReader::new(fs::File::open(&capture).unwrap()).unwrap();
    let (mut interfaces, mut frames, mut comments, mut last) = (0, 0, 0, Duration::ZERO);
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::InterfaceDescription(_) => interfaces += 1,
            Block::EnhancedPacket(packet) => {
                assert!(packet.timestamp >= last && packet.data.len() <= 1500 && packet.interface_id < 2);
                (frames, last) = (frames + 1, packet.timestamp);
                comments += usize::from(!packet.options.is_empty());
            }
            Block::SectionHeader(_)
            | Block::Packet(_)
            | Block::SimplePacket(_)
            | Block::NameResolution(_)
            | Block::InterfaceStatistics(_)
            | Block::SystemdJournalExport(_)
            | Block::Unknown(_) => {}
        }
    }
    let lines = lines(&recording);
    let lost = lines.iter().filter(|line| line.kind == EventKind::Lost).count();
    assert_eq!(interfaces, 2);
    assert!(frames > 140 && comments > 0 && comments <= lost, "{frames} frames, {comments} comments, {lost} losses");
    let repeated = retransmissions(&lines);
    assert!(repeated > 0);
    match Command::new("tshark").arg("--version").output() {
        Ok(_) => {
            let count = |filter: &str| {
                let options = [
                    "-o",
                    "tcp.check_checksum:TRUE",
                    "-o",
                    "ip.check_checksum:TRUE",
                    "-o",
                    "udp.check_checksum:TRUE",
                    "-Y",
                    filter,
                ];
                let output = Command::new("tshark").arg("-r").arg(&capture).args(options).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()
            };
            assert_eq!(count("frame"), frames);
            assert_eq!(count("_ws.malformed || tcp.checksum.status==0 || ip.checksum.status==0 || udp.checksum.status==0"), 0);
            assert_eq!(count("tcp.analysis.retransmission || tcp.analysis.fast_retransmission"), repeated);
        }
        Err(error) => assert!(!needs_tshark(), "tshark: {error}"),
    }
    fs::remove_dir_all(folder).unwrap();
}
