//! What `tracing` hears of a run: the simulator's events, and those of the programs, stamped with virtual time, host and process.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::subscriber::with_default;
use tracing::{debug, info, info_span};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use twinsock::net::{TcpListener, TcpStream, UdpSocket};
use twinsock::{Clock, Spawn};
use twinsock_sim::explore::{Campaign, TestId};
use twinsock_sim::{Sim, SimTime};

/// Lines that were heard.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

/// What is heard with this filter, as `RUST_LOG` has it, while `body` runs. One test at a time: what `tracing` remembers of a place of the program is for all
/// threads.
fn heard(filter: &str, body: impl FnOnce()) -> String {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_timer(SimTime)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    with_default(subscriber, body);
    let bytes = std::mem::take(&mut *lines.0.lock().unwrap());
    String::from_utf8(bytes).unwrap()
}

/// A word over a way that loses the first packet with data.
fn word(sim: &Sim) {
    let server = sim.host("server");
    server.spawn("echo", |net| {
        let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:7").unwrap().accept().unwrap();
        let _serving = info_span!("serving").entered();
        stream.read_exact(&mut [0; 5]).unwrap();
        info!("a word has come");
    });
    sim.run_for(Duration::from_millis(1));
    let client = sim.host("client");
    let rule = sim.drop_nth(&client, &server, 1, |frame| frame.is_data());
    client.spawn("client", |net| {
        let mut stream = TcpStream::connect(&net, "server:7").unwrap();
        debug!("connected");
        stream.write_all(b"hello").unwrap();
        net.sleep(Duration::from_secs(1));
    });
    sim.run_to_end().unwrap();
    drop(rule);
}

fn run() {
    Sim::builder().seed(7).run(word).unwrap();
}

#[test]
fn what_a_program_says_is_stamped_with_virtual_time_host_and_process() {
    let text = heard("tracing=debug", run);
    let lines: Vec<&str> = text.lines().collect();
    let [connected, came] = lines[..] else { panic!("{text}") };
    assert!(connected.starts_with("0.00100") && connected.contains("s client client[1.1] DEBUG tracing: connected"), "{text}");
    assert!(came.contains("s server echo[1]  INFO serving: tracing: a word has come"), "{text}");
}

#[test]
fn what_happens_is_told_in_order_with_its_own_moment() {
    let text = heard("twinsock=debug,tracing=debug", run);
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words:?} is missing: {text}"));
    let story = [
        "0.000000000s server echo[1]  INFO twinsock::process: start step=0 at=0 host=\"server\" process=\"echo\"",
        "DEBUG twinsock::call: bind(0, 0.0.0.0:7) = 0",
        "DEBUG twinsock::call: connect(0, 10.0.0.1:7) = 0",
        "DEBUG process{host=\"client\" process=\"client\" pid=1 thread=\"client\"",
        "}: tracing: connected",
        "DEBUG twinsock::packet: sent 10.0.0.2:",
        "DEBUG twinsock::packet: dropped (",
        "DEBUG twinsock::call: recvfrom(1, \"hello\", 5, 0) = 5",
        "}:serving: tracing: a word has come",
        "INFO twinsock::process: exit",
    ];
    let places = story.map(place);
    let first_call_of_client = text.find("twinsock::call: socket(").unwrap();
    assert!(places[1] > places[0] && first_call_of_client > places[0], "{text}");
    assert!(places[3] > places[2] && places[4] > places[2], "a call is told before the program goes on: {text}");
    assert!(places[6] > places[4] && places[8] > places[7], "{text}");
    assert_eq!(text.matches("dropped (").count(), 1, "{text}");
}

#[test]
fn a_filter_chooses_by_target_and_level() {
    assert_eq!(heard("off", run), "");
    let text = heard("twinsock::process=info", run);
    assert_eq!(text.lines().count(), 4, "two start and two end: {text}");
    let text = heard("twinsock::call=debug", run);
    assert!(text.lines().all(|line| line.contains(" DEBUG twinsock::call: ")), "{text}");
    let draw = || drop(Sim::builder().seed(7).run(|sim| sim.draw("a misfortune", 9)).unwrap());
    let text = heard("twinsock::choice=trace", draw);
    assert!(text.contains("TRACE twinsock::choice: chose ") && text.contains(" of 0..9 (misfortune)"), "{text}");
}

#[test]
fn a_call_is_told_as_strace_writes_it() {
    let text = heard("twinsock::call=debug", || {
        let run = Sim::builder().seed(7).run(|sim| {
            sim.host("a").spawn("p", |net| {
                let one = UdpSocket::bind(&net, "10.0.0.1:9").unwrap();
                one.set_nonblocking(true).unwrap();
                one.recv_from(&mut [0; 8]).unwrap_err();
                one.send_to(b"to itself", "10.0.0.1:9").unwrap();
                one.recv_from(&mut [0; 16]).unwrap();
                TcpStream::connect(&net, "10.0.0.1:80").unwrap_err();
            });
        });
        run.unwrap();
    });
    let told = [
        "socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 0 step=",
        "recvfrom(0, ..., 8, 0, ...) = -1 EAGAIN (resource temporarily unavailable) step=",
        "sendto(0, \"to itself\", 9, MSG_NOSIGNAL, 10.0.0.1:9) = 9 step=",
        "recvfrom(0, \"to itself\", 16, 0, 10.0.0.1:9) = 9 step=",
        "connect(1, 10.0.0.1:80) = -1 ECONNREFUSED (connection refused) step=",
        "close(0) = 0 step=",
    ];
    for words in told {
        assert!(text.contains(&format!(" DEBUG twinsock::call: {words}")), "{words} is missing: {text}");
    }
}

#[test]
fn a_run_that_is_listened_to_is_the_run_that_it_would_have_been() {
    let digest = || Sim::builder().seed(7).run(word).unwrap().digest;
    let alone = digest();
    let mut told = 0;
    heard("trace", || told = digest());
    assert_eq!(told, alone);
}

#[test]
fn spans_of_threads_that_take_turns_are_not_mixed_up() {
    let text = heard("tracing=info", || {
        let run = Sim::builder().seed(7).run(|sim| {
            sim.host("a").spawn("p", |net| {
                let _outer = info_span!("outer").entered();
                let other = net.spawn(move || {
                    let _other = info_span!("other").entered();
                    for _ in 0..3 {
                        net.sleep(Duration::from_millis(10));
                        info!("from the other");
                    }
                });
                for _ in 0..3 {
                    net.sleep(Duration::from_millis(10));
                    let _inner = info_span!("inner").entered();
                    info!("from the one");
                }
                twinsock::JoinThread::join(other).unwrap();
            });
        });
        run.unwrap();
    });
    let of = |words: &str| text.lines().filter(|line| line.ends_with(words)).count();
    assert_eq!((of("outer:inner: tracing: from the one"), of("INFO other: tracing: from the other")), (3, 3), "{text}");
}

#[test]
fn faults_and_panics_are_told() {
    let text = heard("twinsock=warn", || {
        let run = Sim::builder().seed(7).run(|sim| {
            let (a, b) = (sim.host("a"), sim.host("b"));
            sim.network().cut(&a, &b);
            b.crash();
            a.spawn("p", |_net| panic!("enough"));
        });
        run.unwrap_err();
    });
    for part in [" WARN twinsock::fault: cut off", " WARN twinsock::fault: ", "ERROR twinsock::process: panic: enough"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn of_a_campaign_the_run_that_is_told_is_heard() {
    let test = || TestId::of_program("tracing::campaign", std::path::Path::new(""), "run", "replay");
    let campaign = Campaign::new(test()).keeps_regressions(false).seeds(50).jobs(2);
    let body = |sim: &Sim| {
        let bytes = sim.swarm("bytes", 1..=1000);
        sim.host("a").spawn("p", move |_net| {
            info!(bytes, "it begins");
            assert!(bytes < 700, "too many");
        });
    };
    let text = heard("tracing=info", || assert!(!campaign.run(body).is_ok()));
    assert_eq!(text.lines().collect::<Vec<_>>(), ["0.000000000s a p[1]  INFO tracing: it begins bytes=700"], "the smallest one");
    let sound = Campaign::new(test()).keeps_regressions(false).only_seed(7).rerun_every(1);
    let text = heard("tracing=info", || assert!(sound.run(|sim| drop(sim.host("a").spawn("p", |_net| info!("once")))).is_ok()));
    assert_eq!(text.lines().count(), 1, "{text}");
}
