//! A replicated log of three nodes, under every fault there is: what its clients see could have happened one after the other, and would not with a
//! protocol bug planted. The same nodes run on the kernel.
//!
//! The nodes: `frame.rs`, `disk.rs`, `core.rs`, `node.rs`. Who looks at them: `client.rs`, and `history.rs`, the checker.

mod client;
mod core;
mod disk;
mod frame;
mod history;
mod node;

use client::Plan;
use disk::Disk;
use history::History;
use node::{Address, Bug, Config};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use twinsock::net::TcpListener;
use twinsock::{Clock, Instant, Os, Spawn};
use twinsock_sim::explore::{Campaign, Outcome, TestId};
use twinsock_sim::{Host, Link, Misfortunes, Sim, always, check, sometimes};

const NODES: usize = 3;
const PORT: u16 = 7000;
/// How long a run is.
const RUN: Duration = Duration::from_secs(10);
/// When the last misfortune is over.
const HEALED: Duration = Duration::from_secs(7);
/// Within how much time after that there is a leader again, whom clients have found.
const RECOVERED: Duration = Duration::from_millis(1500);
const MS: Duration = Duration::from_millis(1);

fn nodes() -> Vec<Address> {
    (0..NODES).map(|id| (format!("node{id}"), PORT)).collect()
}

/// Starts a node, now and whenever its host boots.
fn start(sim: &Sim, id: usize, bug: Option<Bug>) -> Host {
    let (host, disk) = (sim.host(&nodes()[id].0), Disk::default());
    host.on_boot(move |host| {
        let (config, disk) = (Config { id, nodes: nodes(), bug }, disk.clone());
        host.spawn_daemon("node", move |net| {
            // A kernel that is out of something may have it again soon.
            let listener = loop {
                match TcpListener::bind(&net, ("0.0.0.0", PORT)) {
                    Ok(listener) => break listener,
                    Err(_) => net.sleep(10 * MS),
                }
            };
            node::run(&net, &listener, config, disk);
        });
    });
    host
}

/// What befalls the nodes until `HEALED`.
type Trouble = fn(&Sim, &[Host]);

/// All that befalls links and hosts.
fn all_misfortunes(sim: &Sim, _nodes: &[Host]) {
    sim.misfortunes(&Misfortunes::all().until(HEALED));
    sim.run_for(HEALED);
}

/// Two nodes that do not hear of each other but through the third, which is switched off and on again and again.
fn a_chain(sim: &Sim, nodes: &[Host]) {
    sim.cut(&nodes[0], &nodes[2]);
    for _ in 0..6 {
        sim.run_for(MS * sim.draw("on", 1000));
        nodes[1].crash();
        sim.run_for(MS * sim.draw("off", 100));
        nodes[1].restart();
    }
    sim.heal(&nodes[0], &nodes[2]);
    sim.run_for((Instant::ZERO + HEALED) - sim.now());
}

/// Three nodes and a few clients, for ten seconds.
fn service(sim: &Sim, bug: Option<Bug>, trouble: Trouble) {
    let delay = MS * sim.swarm("delay", 1..=30);
    sim.default_link(Link::new().delay(delay).jitter(delay * sim.swarm("jitter", 0..=3)));
    let hosts: Vec<Host> = (0..NODES).map(|id| start(sim, id, bug)).collect();
    let history = Arc::new(Mutex::new(History::default()));
    let (keys, pause) = (sim.swarm("keys", 1..=2), MS * sim.swarm("pause", 500..=1500));
    let start_client = |number: u32, pause| {
        let plan = Plan { number: number.into(), nodes: nodes(), keys, pause, until: Instant::ZERO + RUN };
        let history = Arc::clone(&history);
        sim.host(&format!("client{number}")).spawn("client", move |net| client::run(&net, &plan, &history));
    };
    let clients = sim.swarm("clients", 2..=4);
    (0..clients).for_each(|number| start_client(number, pause));
    trouble(sim, &hosts);
    // Others may have done all they wanted by now.
    start_client(clients, 300 * MS);
    sim.run_for(RECOVERED);
    let before = history.lock().unwrap().answered();
    if sim.run_to_end().is_ok() {
        let history = history.lock().unwrap();
        sometimes!(history.answered() > 30, "many operations are answered");
        always!(history.answered() > before, "the service is there again when everything is mended");
        if let Err(error) = history.check() {
            panic!("{error}");
        }
    }
}

#[test]
fn what_clients_see_is_linearizable() {
    check!(|sim| service(sim, None, all_misfortunes), seeds = 300);
}

fn campaign(name: &str) -> Campaign {
    let test = TestId::new("twinsock-sim", env!("CARGO_MANIFEST_DIR"), file!(), &format!("service::{name}::here"));
    Campaign::new(test).keeps_regressions(false).shrink_runs(0)
}

#[track_caller]
fn assert_found(outcome: &Outcome) {
    println!("{outcome}");
    let [found] = outcome.found.as_slice() else { panic!("the bug is found: {outcome}") };
    assert!(found.failure.kind.to_string().contains("no order of these operations"), "{}", found.failure);
}

#[test]
fn a_chain_of_nodes_is_linearizable() {
    check!(|sim| service(sim, None, a_chain), seeds = 50);
}

#[test]
fn an_acknowledgement_before_the_quorum_is_found() {
    assert_found(
        &campaign("acks_before_quorum").seeds(20_000).run(|sim| service(sim, Some(Bug::AcksBeforeQuorum), all_misfortunes)),
    );
}

#[test]
fn a_vote_that_is_forgotten_is_found() {
    assert_found(&campaign("forgets_its_vote").seeds(20_000).run(|sim| service(sim, Some(Bug::ForgetsItsVote), a_chain)));
}

#[test]
fn a_read_from_a_leader_that_no_longer_is_one_is_found() {
    assert_found(
        &campaign("reads_without_quorum").seeds(20_000).run(|sim| service(sim, Some(Bug::ReadsWithoutQuorum), all_misfortunes)),
    );
}

#[test]
fn it_runs_on_the_kernel() {
    let listeners = [(); NODES].map(|()| TcpListener::bind(&Os, "127.0.0.1:0").unwrap());
    let nodes: Vec<Address> =
        listeners.iter().map(|listener| ("127.0.0.1".to_owned(), listener.local_addr().unwrap().port())).collect();
    for (id, listener) in listeners.into_iter().enumerate() {
        let config = Config { id, nodes: nodes.clone(), bug: None };
        // They run until the process ends.
        drop(Os.spawn(move || node::run(&Os, &listener, config, Disk::default())));
    }
    let history = Arc::new(Mutex::new(History::default()));
    let until = Os.now() + Duration::from_secs(3);
    let clients: Vec<_> = (0..3)
        .map(|number| {
            let plan = Plan { number, nodes: nodes.clone(), keys: 2, pause: 100 * MS, until };
            let history = Arc::clone(&history);
            Os.spawn(move || client::run(&Os, &plan, &history))
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let history = history.lock().unwrap();
    assert!(history.answered() > 20, "{} operations are answered", history.answered());
    if let Err(error) = history.check() {
        panic!("{error}");
    }
}
