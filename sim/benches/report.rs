//! What looking costs: a run that is recorded against one that is not, and the writers of a report.
//!
//! Two estimates of one bench drift apart with the machine. So there is a ratio at the end, from runs of either kind in turn, each kind with its best
//! time: this is the figure to look at.

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use std::io::{Read, Write, sink};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::{Clock, Os};
use twinsock_sim::trace::{Recording, lines, pcapng, timeline};
use twinsock_sim::{EventKind, Link, Sim};

const ROUNDS: u32 = 8_000;
/// So many make more than 100,000 events.
const WRITTEN_ROUNDS: u32 = 8_400;
/// How many runs of each kind the ratio is of, and how many round trips they have: so few that a run fits into what a machine gives a thread at once.
const IN_TURN: u32 = 400;
const RATIO_ROUNDS: u32 = 2_000;
/// Where the wall clock starts; any moment does.
const EPOCH: Duration = Duration::from_secs(946_684_800);

/// So many round trips of 64 bytes.
fn ping_pong(record: bool, rounds: u32) -> Option<Box<Recording>> {
    let builder = Sim::builder().keep_events(0).record(record);
    let report = builder.run_here(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)));
        sim.host("server").spawn("echo", |net| {
            let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:7").unwrap().accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let mut word = [0; 64];
            while stream.read_exact(&mut word).is_ok() {
                stream.write_all(&word).unwrap();
            }
        });
        sim.run_for(Duration::from_millis(1));
        sim.host("client").spawn("client", move |net| {
            let mut stream = TcpStream::connect(&net, "10.0.0.1:7").unwrap();
            stream.set_nodelay(true).unwrap();
            let mut word = [7; 64];
            for _ in 0..rounds {
                stream.write_all(&word).unwrap();
                stream.read_exact(&mut word).unwrap();
            }
        });
    });
    report.unwrap().recording
}

fn recorded(c: &mut Criterion) {
    let mut group = c.benchmark_group("run of 8,000 round trips");
    group.sample_size(10);
    group.bench_function("not recorded", |b| b.iter(|| ping_pong(false, ROUNDS)));
    group.bench_function("recorded", |b| b.iter_batched(|| (), |()| ping_pong(true, ROUNDS), BatchSize::PerIteration));
    group.finish();
}

fn written(c: &mut Criterion) {
    let recording = ping_pong(true, WRITTEN_ROUNDS).unwrap();
    let lines = lines(&recording);
    let packets = lines.iter().filter(|line| line.kind == EventKind::Sent).count();
    println!("a recording of {} events, {packets} packets", lines.len());
    let mut group = c.benchmark_group("report");
    group.sample_size(10);
    group.throughput(Throughput::Elements(lines.len().try_into().unwrap()));
    group.bench_function("lines", |b| b.iter(|| twinsock_sim::trace::lines(&recording)));
    group.bench_function("timeline", |b| b.iter(|| timeline::write(&recording, &lines, "bench", 0, sink()).unwrap()));
    group.throughput(Throughput::Elements(packets.try_into().unwrap()));
    group.bench_function("capture", |b| b.iter(|| pcapng::write(&recording, &lines, EPOCH, sink()).unwrap()));
    group.finish();
}

/// The best run of each kind, taken in turn.
fn tell_ratio() {
    let mut best = [Duration::MAX; 2];
    for _ in 0..IN_TURN {
        for (best, record) in best.iter_mut().zip([false, true]) {
            let start = Os.now();
            let recording = ping_pong(record, RATIO_ROUNDS);
            *best = (*best).min(Os.now() - start);
            drop(recording);
        }
    }
    let [plain, recorded] = best;
    let ratio = recorded.as_secs_f64() / plain.as_secs_f64();
    println!(
        "recorded / not recorded, best of {IN_TURN} runs of {RATIO_ROUNDS} round trips in turn: {recorded:?} / {plain:?} = {ratio:.2}"
    );
}

criterion_group!(benches, recorded, written);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    tell_ratio();
}
