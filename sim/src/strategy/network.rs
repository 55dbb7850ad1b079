//! Networks: which hosts there are, and what lies between each two of them.

use crate::link::{Link, Ratio};
use crate::sim::{Host, Sim};
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Hosts and their links, as a value.
///
/// ```
/// use proptest::strategy::{Strategy, ValueTree};
/// use proptest::test_runner::TestRunner;
/// use twinsock_sim::{Sim, strategy::{links, networks_of}};
/// let network = networks_of(&["server", "client"], links()).new_tree(&mut TestRunner::deterministic()).unwrap().current();
/// let names = Sim::builder().run(|sim| network.build(sim).iter().map(|host| host.name()).collect::<Vec<_>>());
/// assert_eq!(names.unwrap().value, ["server", "client"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The names of the hosts.
    pub hosts: Vec<String>,
    /// The link between the first and the second host, the first and the third, the second and the third, the first and the fourth, and so on: as many
    /// as the hosts have use for.
    pub links: Vec<Link>,
}

impl Network {
    /// Makes the hosts, in the order of their names, and links them.
    ///
    /// # Panics
    /// If a host's name is taken.
    ///
    /// ```
    /// use proptest::strategy::{Strategy, ValueTree};
    /// use proptest::test_runner::TestRunner;
    /// use twinsock_sim::{Sim, strategy::{links, networks}};
    /// let network = networks(2..=5, links()).new_tree(&mut TestRunner::deterministic()).unwrap().current();
    /// let hosts = Sim::builder().run(|sim| network.build(sim).len()).unwrap().value;
    /// assert!((2..=5).contains(&hosts));
    /// ```
    pub fn build(&self, sim: &Sim) -> Vec<Host> {
        let hosts: Vec<Host> = self.hosts.iter().map(|name| sim.host(name)).collect();
        let pairs = (0..hosts.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        for ((a, b), link) in pairs.zip(&self.links) {
            sim.link(&hosts[a], &hosts[b], link.clone());
        }
        hosts
    }
}

/// How many links so many hosts have use for.
fn pairs(hosts: usize) -> usize {
    hosts * hosts.saturating_sub(1) / 2
}

/// Durations of any order of magnitude up to 2^`most_log2` microseconds: a millisecond is as likely as a hundred.
fn micros(most_log2: u32) -> impl Strategy<Value = Duration> {
    (0..=most_log2).prop_flat_map(|log2| (0..1_u64 << log2).prop_map(Duration::from_micros))
}

/// Links that lose nothing, with a delay of up to a quarter of a second. They shrink to a link without delay and jitter.
///
/// ```
/// use proptest::strategy::{Strategy, ValueTree};
/// use proptest::test_runner::TestRunner;
/// use twinsock_sim::strategy::links;
/// let link = links().new_tree(&mut TestRunner::deterministic()).unwrap().current();
/// assert!(link.loss.is_never());
/// ```
pub fn links() -> impl Strategy<Value = Link> {
    (micros(18), micros(16)).prop_map(|(delay, jitter)| Link::new().delay(delay).jitter(jitter))
}

/// Links that also lose, duplicate, reorder and corrupt frames, up to one in four. They shrink to a link that does none of it.
///
/// ```
/// use proptest::strategy::{Strategy, ValueTree};
/// use proptest::test_runner::TestRunner;
/// use twinsock_sim::strategy::faulty_links;
/// let link = faulty_links().new_tree(&mut TestRunner::deterministic()).unwrap().current();
/// println!("{link:?}");
/// ```
pub fn faulty_links() -> impl Strategy<Value = Link> {
    let ratio = || {
        let some = (0..=8_u32).prop_map(|log2| Ratio::new(1, 4 << (8 - log2)));
        prop_oneof![4 => Just(Ratio::NEVER), 1 => some]
    };
    let faults = (ratio(), ratio(), (ratio(), micros(16)), ratio());
    (links(), faults).prop_map(|(link, (loss, duplication, (reordering, by), corruption))| {
        link.loss(loss).duplication(duplication).reordering(reordering, by).corruption(corruption)
    })
}

/// Networks of these hosts, each two of which have a link of their own. They shrink to links that nobody notices.
///
/// ```
/// use proptest::strategy::{Strategy, ValueTree};
/// use proptest::test_runner::TestRunner;
/// use twinsock_sim::strategy::{links, networks_of};
/// let tree = networks_of(&["a", "b", "c"], links()).new_tree(&mut TestRunner::deterministic());
/// assert!(tree.is_ok());
/// ```
pub fn networks_of(names: &[&str], link: impl Strategy<Value = Link>) -> impl Strategy<Value = Network> {
    let hosts: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    vec(link, pairs(hosts.len())).prop_map(move |links| Network { hosts: hosts.clone(), links })
}

/// Networks of so many hosts, named `host0`, `host1` and so on. They shrink to fewer hosts first.
///
/// ```
/// use proptest::strategy::{Strategy, ValueTree};
/// use proptest::test_runner::TestRunner;
/// use twinsock_sim::strategy::{faulty_links, networks};
/// let tree = networks(2..=5, faulty_links()).new_tree(&mut TestRunner::deterministic());
/// assert!(tree.is_ok());
/// ```
pub fn networks(hosts: RangeInclusive<usize>, link: impl Strategy<Value = Link>) -> impl Strategy<Value = Network> {
    let links_max = pairs(*hosts.end());
    // The links are drawn for all hosts there may be, so that those that stay keep theirs.
    (hosts, vec(link, links_max)).prop_map(|(hosts, mut links)| {
        links.truncate(pairs(hosts));
        Network { hosts: (0..hosts).map(|number| format!("host{number}")).collect(), links }
    })
}
