//! The swarm: which misfortunes there are in a run at all, how bad they are, and when they strike and end.
//!
//! Each seed gets another mixture ("Swarm testing", A. Groce and others, 2012): what exists is drawn from [`Door::Run`], once. A director then draws
//! from [`Door::Misfortune`], slot by slot, each of which has a stream of its own, what strikes, when and for how long; 0 is always
//! "nothing", the first victim, the earliest moment, the shortest time.

mod strike;

use super::Sim;
use super::network::Network;
use crate::choice::{Choice, Door, StreamId};
use crate::link::{Delay, GilbertElliott, Link, Ratio};
use crate::world::{HostId, World};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use strike::{Kind, Strike};
use twinsock::Instant;

/// Which misfortunes may befall a simulation: see [`Sim::misfortunes`].
///
/// ```
/// use std::time::Duration;
/// use twinsock_sim::Misfortunes;
/// let network_only = Misfortunes::none().links(true).cuts(true).holds(true).until(Duration::from_secs(5));
/// assert!(!network_only.crashes);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misfortunes {
    /// Links lose, delay, duplicate, reorder and corrupt frames, and are slow or narrow.
    pub links: bool,
    /// Ways between two hosts are cut, or one of the two ways, and hosts are cut off from all others.
    pub cuts: bool,
    /// What two hosts send each other is held back for a while.
    pub holds: bool,
    /// Hosts crash, and are switched on again a while later: those that say what they start then, with [`Host::on_boot`](super::Host::on_boot). A run
    /// does not end meanwhile.
    pub crashes: bool,
    /// Hosts stand still for a while.
    pub pauses: bool,
    /// Clocks of hosts are ahead or behind, or run faster or slower.
    pub clocks: bool,
    /// System calls have faults, those of hosts to which the test has not given a plan of its own.
    pub calls: bool,
    /// Names of hosts do not resolve, or slowly, or to an address that nobody has.
    pub names: bool,
    /// When all of it ends, as virtual time from [`Sim::misfortunes`] on: everything is mended then.
    pub until: Duration,
}

impl Misfortunes {
    /// All that there are, for ten seconds.
    ///
    /// ```
    /// use twinsock_sim::Misfortunes;
    /// let but_for_clocks = Misfortunes::all().clocks(false);
    /// assert!(but_for_clocks.crashes && !but_for_clocks.clocks);
    /// ```
    #[must_use]
    pub const fn all() -> Misfortunes {
        Misfortunes {
            links: true,
            cuts: true,
            holds: true,
            crashes: true,
            pauses: true,
            clocks: true,
            calls: true,
            names: true,
            until: Duration::from_secs(10),
        }
    }

    /// None, until some are added.
    ///
    /// ```
    /// use twinsock_sim::Misfortunes;
    /// assert!(!Misfortunes::none().cuts);
    /// ```
    #[must_use]
    pub const fn none() -> Misfortunes {
        Misfortunes {
            links: false,
            cuts: false,
            holds: false,
            crashes: false,
            pauses: false,
            clocks: false,
            calls: false,
            names: false,
            until: Duration::from_secs(10),
        }
    }

    /// Sets whether links may have faults.
    ///
    /// ```
    /// use twinsock_sim::Misfortunes;
    /// assert!(Misfortunes::none().links(true).links);
    /// ```
    #[must_use]
    pub const fn links(self, links: bool) -> Misfortunes {
        Misfortunes { links, ..self }
    }

    /// Sets whether ways may be cut.
    ///
    /// ```
    /// use twinsock_sim::Misfortunes;
    /// assert!(Misfortunes::none().cuts(true).cuts);
    /// ```
    #[must_use]
    pub const fn cuts(self, cuts: bool) -> Misfortunes {
        Misfortunes { cuts, ..self }
    }

    /// Sets whether packets may be held back.
    ///
    /// ```
    /// use twinsock_sim::Misfortunes;
    /// assert!(Misfortunes::none().holds(true).holds);
    /// ```
    #[must_use]
    pub const fn holds(self, holds: bool) -> Misfortunes {
        Misfortunes { holds, ..self }
    }

    /// Sets whether hosts may crash.
    ///
    /// ```
    /// use twinsock_sim::Misfortunes;
    /// assert!(Misfortunes::none().crashes(true).crashes);
    /// ```
    #[must_use]
    pub const fn crashes(self, crashes: bool) -> Misfortunes {
        Misfortunes { crashes, ..self }
    }

    /// Sets whether hosts may stand still.
    ///
    /// ```
    /// use twinsock_sim::Misfortunes;
    /// assert!(Misfortunes::none().pauses(true).pauses);
    /// ```
    #[must_use]
    pub const fn pauses(self, pauses: bool) -> Misfortunes {
        Misfortunes { pauses, ..self }
    }

    /// Sets whether clocks may be wrong.
    ///
    /// ```
    /// use twinsock_sim::Misfortunes;
    /// assert!(Misfortunes::none().clocks(true).clocks);
    /// ```
    #[must_use]
    pub const fn clocks(self, clocks: bool) -> Misfortunes {
        Misfortunes { clocks, ..self }
    }

    /// Sets whether calls may have faults.
    ///
    /// ```
    /// use twinsock_sim::Misfortunes;
    /// assert!(Misfortunes::none().calls(true).calls);
    /// ```
    #[must_use]
    pub const fn calls(self, calls: bool) -> Misfortunes {
        Misfortunes { calls, ..self }
    }

    /// Sets whether names may fail to resolve.
    ///
    /// ```
    /// use twinsock_sim::Misfortunes;
    /// assert!(Misfortunes::none().names(true).names);
    /// ```
    #[must_use]
    pub const fn names(self, names: bool) -> Misfortunes {
        Misfortunes { names, ..self }
    }

    /// Sets for how long, in virtual time. When it is over, everything is mended.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinsock_sim::Misfortunes;
    /// assert_eq!(Misfortunes::all().until(Duration::from_secs(60)).until, Duration::from_secs(60));
    /// ```
    #[must_use]
    pub const fn until(self, until: Duration) -> Misfortunes {
        Misfortunes { until, ..self }
    }
}

impl Sim {
    /// Lets misfortunes befall the simulation, which the seed decides: which kinds of them exist at all in this run and how bad they are, when they
    /// strike, whom, and for how long. After `misfortunes.until` everything is mended, so that a test can ask that the programs come to their end.
    ///
    /// To be called once hosts and links have been made: the links that there are get the faults of this run, and the default link gets them. A link that
    /// is set later has those that it says. Hosts that are made later can be victims.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::time::Duration;
    /// use twinsock::net::{TcpListener, TcpStream};
    /// use twinsock_sim::{Link, Misfortunes, Sim};
    ///
    /// for seed in 0..20 {
    ///     let report = Sim::builder().seed(seed).run(|sim| {
    ///         sim.default_link(Link::new().delay(Duration::from_millis(1)));
    ///         sim.host("server").spawn("server", |net| {
    ///             let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:80").unwrap().accept().unwrap();
    ///             let mut all = Vec::new();
    ///             stream.read_to_end(&mut all).unwrap();
    ///             assert_eq!(all.len(), 100_000, "whatever happens, the bytes arrive");
    ///         });
    ///         sim.run_for(Duration::from_millis(1));
    ///         sim.host("client").spawn("client", |net| {
    ///             TcpStream::connect(&net, "server:80").unwrap().write_all(&[7; 100_000]).unwrap();
    ///         });
    ///         sim.misfortunes(&Misfortunes::all().until(Duration::from_secs(5)));
    ///     });
    ///     report.unwrap();
    /// }
    /// ```
    pub fn misfortunes(&self, misfortunes: &Misfortunes) {
        let network = self.network();
        let (wear, kinds, slots) = network.draw(Door::Run, "misfortunes", |choice, stream| {
            let mut draws = Draws { choice, stream };
            let wear = if misfortunes.links { Wear::draw(&mut draws) } else { Wear::default() };
            let kinds: Vec<Kind> =
                Kind::ALL.into_iter().filter(|kind| kind.is_in(misfortunes) && draws.exists(kind.words())).collect();
            let slots = if kinds.is_empty() { 0 } else { draws.one_of("pace", &SLOTS) };
            (wear, kinds, slots)
        });
        let mut director = Director::new(network.clone(), kinds, self.now(), misfortunes.until, slots);
        director.wear(&wear);
        if let Some(first) = director.next() {
            network.add_director(first, move || director.act());
        }
    }
}

/// Into how many slots the time is divided; in each, something may strike.
const SLOTS: [u32; 3] = [10, 40, 200];

/// Draws of one stream, in words.
struct Draws<'a> {
    choice: &'a mut Choice,
    stream: StreamId,
}

impl Draws<'_> {
    fn tell(&mut self, words: impl FnOnce() -> String) {
        if self.choice.keeps_story() {
            self.choice.tell(self.stream, words());
        }
    }

    /// Whether this run knows such a thing.
    fn exists(&mut self, what: &str) -> bool {
        let exists = self.choice.happens(self.stream, 1, 2);
        if exists {
            self.tell(|| format!("there is: {what}"));
        }
        exists
    }

    /// One of these, the first being the boring one.
    fn one_of<T: Copy + fmt::Debug>(&mut self, what: &str, values: &[T]) -> T {
        let n = u32::try_from(values.len()).expect("a table is short");
        let drawn = self.choice.draw(self.stream, n);
        let value = values[usize::try_from(drawn).expect("an index fits usize")];
        if drawn > 0 {
            self.tell(|| format!("{what}: {value:?}"));
        }
        value
    }
}

/// How worn the links of this run are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wear {
    loss: Option<Ratio>,
    bursts: Option<GilbertElliott>,
    duplication: Option<Ratio>,
    reordering: Option<(Ratio, Duration)>,
    corruption: Option<Ratio>,
    delays: Option<Spread>,
    rate: Option<(u64, u32)>,
    mtu_bytes: Option<u32>,
}

/// What is added to a link's delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    Uniform(Duration),
    Exponential(Duration),
    HeavyTail(Duration),
}

impl Wear {
    fn draw(draws: &mut Draws<'_>) -> Wear {
        const RATIOS: [Ratio; 4] = [Ratio::new(1, 1000), Ratio::new(1, 100), Ratio::new(1, 20), Ratio::new(1, 5)];
        let ms = Duration::from_millis;
        let burst = |into_bad, out_of_bad| GilbertElliott {
            into_bad: Ratio::new(1, into_bad),
            out_of_bad: Ratio::new(1, out_of_bad),
            loss_good: Ratio::NEVER,
            loss_bad: Ratio::new(3, 4),
        };
        let bursts = [burst(1000, 2), burst(200, 4), burst(50, 10)];
        let late = [(Ratio::new(1, 100), ms(1)), (Ratio::new(1, 20), ms(5)), (Ratio::new(1, 4), ms(30))];
        let spreads = [
            Spread::Uniform(ms(1)),
            Spread::Uniform(ms(20)),
            Spread::Exponential(ms(5)),
            Spread::HeavyTail(ms(1)),
            Spread::HeavyTail(ms(10)),
        ];
        // Bytes in a second, and frames in the queue.
        let rates = [(10_000_000, 1000), (1_000_000, 100), (200_000, 20), (50_000, 8)];
        let mut pick = Picker { draws };
        Wear {
            loss: pick.of("loss", &RATIOS),
            bursts: pick.of("bursts of losses", &bursts),
            duplication: pick.of("duplication", &RATIOS),
            reordering: pick.of("reordering", &late),
            corruption: pick.of("corruption", &RATIOS),
            delays: pick.of("delays", &spreads),
            rate: pick.of("a slow link (bytes per second, frames in its queue)", &rates),
            mtu_bytes: pick.of("a narrow link (MTU)", &[1400, 1280, 576]),
        }
    }

    /// The link as it is when so worn.
    fn of(&self, link: &Link) -> Link {
        let mut worn = link.clone();
        worn.loss = self.loss.unwrap_or(worn.loss);
        worn.bursts = self.bursts.or(worn.bursts);
        worn.duplication = self.duplication.unwrap_or(worn.duplication);
        worn.corruption = self.corruption.unwrap_or(worn.corruption);
        if let Some((ratio, by)) = self.reordering {
            worn = worn.reordering(ratio, by);
        }
        let min = worn.delays.min();
        match self.delays {
            None => {}
            Some(Spread::Uniform(by)) => worn.delays = Delay::Uniform { min, max: min.saturating_add(by) },
            Some(Spread::Exponential(mean)) => worn.delays = Delay::Exponential { min, mean },
            Some(Spread::HeavyTail(scale)) => worn.delays = Delay::HeavyTail { min, scale },
        }
        if let Some((bytes_per_second, packets)) = self.rate {
            worn = worn.rate(bytes_per_second).queue_packets(packets);
        }
        worn.mtu_bytes = self.mtu_bytes.map_or(worn.mtu_bytes, |mtu_bytes| mtu_bytes.min(worn.mtu_bytes));
        worn
    }
}

struct Picker<'a, 'b> {
    draws: &'a mut Draws<'b>,
}

impl Picker<'_, '_> {
    fn of<T: Copy + fmt::Debug>(&mut self, what: &str, values: &[T]) -> Option<T> {
        self.draws.exists(what).then(|| self.draws.one_of(what, values))
    }
}

/// What a director does next.
#[derive(Debug)]
enum Act {
    /// Draws what strikes in the slot of this number.
    Slot(u32),
    Strike {
        slot: u32,
        strike: Strike,
        length: Duration,
    },
    Heal {
        slot: u32,
        strike: Strike,
    },
    /// Mends everything.
    End,
}

/// A link that is worn.
struct Worn {
    /// Of which direction; `None`: the default link.
    pair: Option<(HostId, HostId)>,
    worn: Link,
    /// As it was.
    link: Link,
}

/// Lets misfortunes happen.
struct Director {
    network: Network,
    kinds: Vec<Kind>,
    start: Instant,
    end: Instant,
    slot: Duration,
    /// What is to be done, in order.
    plan: BTreeMap<(Instant, u64), Act>,
    planned: u64,
    links: Vec<Worn>,
}

impl Director {
    fn new(network: Network, kinds: Vec<Kind>, start: Instant, until: Duration, slots: u32) -> Director {
        let (end, slot) = (start + until, until / slots.max(1));
        let mut director = Director { network, kinds, start, end, slot, plan: BTreeMap::new(), planned: 0, links: Vec::new() };
        if slots > 0 && !slot.is_zero() {
            director.plan(start, Act::Slot(0));
        }
        director
    }

    fn plan(&mut self, at: Instant, act: Act) {
        self.plan.insert((at, self.planned), act);
        self.planned += 1;
    }

    fn next(&self) -> Option<Instant> {
        self.plan.first_key_value().map(|((at, _), _)| *at)
    }

    /// Wears the links that there are, until the end.
    fn wear(&mut self, wear: &Wear) {
        if *wear != Wear::default() {
            self.links = self.network.world(|world| {
                let own: Vec<_> = world.own_links().map(|(pair, link)| (Some(pair), link.clone())).collect();
                let all = std::iter::once((None, world.default_link().clone())).chain(own);
                all.map(|(pair, link)| Worn { pair, worn: wear.of(&link), link }).collect()
            });
            self.network.world(|world| self.links.iter().for_each(|Worn { pair, worn, .. }| set_link(world, *pair, worn)));
        }
        if !self.links.is_empty() || !self.plan.is_empty() {
            self.plan(self.end, Act::End);
        }
    }

    /// Does what is due. Answers when more is.
    fn act(&mut self) -> Option<Instant> {
        let now = self.network.world(|world| world.now());
        while let Some(entry) = self.plan.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Act::Slot(number) => self.draw(number),
                Act::Strike { slot, strike, length } => {
                    if strike.strike(&self.network) {
                        self.remark(slot, || format!("{} for {length:?}", strike.words(&self.network)));
                        self.plan((now + length).min(self.end), Act::Heal { slot, strike });
                    }
                }
                Act::Heal { slot, strike } => {
                    self.remark(slot, || format!("no longer: {}", strike.words(&self.network)));
                    strike.heal(&self.network);
                }
                Act::End => self.finish(),
            }
        }
        self.next()
    }

    /// Draws what strikes in a slot, and plans for the next one.
    fn draw(&mut self, number: u32) {
        let begin = self.start + self.slot * number;
        if begin + self.slot < self.end {
            self.plan(begin + self.slot, Act::Slot(number + 1));
        }
        let hosts = self.network.hosts();
        let strikes: Vec<Strike> = self.kinds.iter().flat_map(|kind| kind.strikes(&self.network, &hosts)).collect();
        let n = u32::try_from(strikes.len()).expect("fewer than 2^32 misfortunes");
        if n == 0 {
            return;
        }
        let slot = self.slot;
        let lengths = Delay::HeavyTail { min: slot / 10, scale: slot };
        let drawn = self.network.draw(Door::Misfortune, &stream_of(number), |choice, stream| {
            if !choice.happens(stream, 1, STRIKES_ONE_IN) {
                return None;
            }
            // A remark says it all when it happens.
            choice.tell(stream, String::new());
            let mut draw = |n: u32| {
                let drawn = choice.draw(stream, n);
                choice.tell(stream, String::new());
                drawn
            };
            let strike = strikes[usize::try_from(draw(n)).expect("an index fits usize")].varied(&mut draw);
            Some((strike, slot * draw(WHEN) / WHEN, lengths.after(draw(lengths.answers()))))
        });
        if let Some((strike, offset, length)) = drawn {
            self.plan(begin + offset, Act::Strike { slot: number, strike, length });
        }
    }

    fn remark(&self, slot: u32, words: impl FnOnce() -> String) {
        let keeps = self.network.world(|world| world.choice().keeps_story());
        if keeps {
            let words = words();
            self.network.draw(Door::Misfortune, &stream_of(slot), |choice, stream| choice.remark(stream, words));
        }
    }

    /// Mends what is not mended yet; links that somebody has changed meanwhile are left alone.
    fn finish(&mut self) {
        for (_, act) in std::mem::take(&mut self.plan) {
            if let Act::Heal { slot, strike } = act {
                self.remark(slot, || format!("no longer: {}", strike.words(&self.network)));
                strike.heal(&self.network);
            }
        }
        self.network.world(|world| {
            for Worn { pair, worn, link } in &self.links {
                let current = pair.map_or(world.default_link(), |(from, to)| world.link(from, to));
                if current == worn {
                    set_link(world, *pair, link);
                }
            }
        });
    }
}

fn set_link(world: &mut World, pair: Option<(HostId, HostId)>, link: &Link) {
    match pair {
        Some((from, to)) => world.set_link_one_way(from, to, link.clone()),
        None => world.set_default_link(link.clone()),
    }
}

fn stream_of(slot: u32) -> String {
    format!("misfortunes/{slot}")
}

/// In one slot of so many something strikes.
const STRIKES_ONE_IN: u32 = 4;
/// Into how many moments a slot is divided.
const WHEN: u32 = 1000;
