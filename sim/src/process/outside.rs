//! Code of the network's builder that runs between the events of a run: rules, which say what becomes of packets, and directors, which let
//! misfortunes happen. The queue calls for it ([`Scheduler::call_outside`]), and nothing of the simulation is borrowed
//! while it runs.

use crate::process::current::Shared;
use crate::process::scheduler::Scheduler;
use crate::world::{Alarm, Fate, PacketView, RuleId};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use twinsock::Instant;

/// Code of the network's builder that runs in between, with nothing borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outside {
    /// The rules are to say what becomes of a packet.
    Rules,
    /// The director of this number wants to be called.
    Director(u32),
}

/// No thread has this number: an alarm of its is for code outside.
pub const NO_THREAD: u32 = u32::MAX;

/// A rule.
pub struct Rule {
    decide: RefCell<Decide>,
    hits: Cell<u64>,
}

type Decide = Box<dyn FnMut(&PacketView<'_>) -> Fate>;

impl Rule {
    /// How often it has decided on something other than to let a frame pass.
    pub fn hits(&self) -> u64 {
        self.hits.get()
    }

    fn decide(&self, frame: &PacketView<'_>) -> Fate {
        let fate = (self.decide.borrow_mut())(frame);
        if fate != Fate::Pass {
            self.hits.set(self.hits.get() + 1);
        }
        fate
    }
}

/// Acts, and says when it wants to be called again.
type Direct = Box<dyn FnMut() -> Option<Instant>>;

/// The rules and directors of a simulation.
#[derive(Default)]
pub struct Outsiders {
    rules: RefCell<BTreeMap<RuleId, Rc<Rule>>>,
    next_rule: Cell<RuleId>,
    directors: RefCell<Vec<Option<Direct>>>,
}

impl Shared {
    /// Adds a rule, which is asked after those that there are.
    pub fn add_rule(&self, decide: Decide) -> (RuleId, Rc<Rule>) {
        let outsiders = &self.outsiders;
        let id = outsiders.next_rule.replace(outsiders.next_rule.get() + 1);
        let rule = Rc::new(Rule { decide: RefCell::new(decide), hits: Cell::new(0) });
        outsiders.rules.borrow_mut().insert(id, Rc::clone(&rule));
        (id, rule)
    }

    /// Takes a rule away. Answers whether others are left.
    pub fn remove_rule(&self, id: RuleId) -> bool {
        let removed = self.outsiders.rules.borrow_mut().remove(&id);
        // What it holds may use the simulation when it is dropped.
        drop(removed);
        !self.outsiders.rules.borrow().is_empty()
    }

    /// Adds a director, which is called at a moment, and again whenever it says so.
    pub fn add_director(&self, at: Instant, direct: Direct) {
        let mut directors = self.outsiders.directors.borrow_mut();
        directors.push(Some(direct));
        let number = u32::try_from(directors.len() - 1).expect("fewer than 2^32 directors");
        self.scheduler.borrow_mut().call_outside(at, Outside::Director(number));
    }

    /// Forgets rules and directors, and all that they hold.
    pub fn forget_outsiders(&self) {
        let rules = self.outsiders.rules.take();
        let directors = self.outsiders.directors.take();
        drop((rules, directors));
    }

    /// Runs what the queue has called for.
    pub fn serve(&self, outside: Outside) {
        match outside {
            Outside::Rules => self.ask_rules(),
            Outside::Director(number) => self.direct(number),
        }
    }

    /// Asks the rules what is to become of the packet that has come up: of each of its frames, one rule after the other until one has something to say.
    fn ask_rules(&self) {
        let Some(unjudged) = self.scheduler.borrow_mut().world_mut().take_unjudged() else { return };
        let fates: Vec<(Fate, RuleId)> = unjudged.frames().map(|frame| self.decide(&frame)).collect();
        self.scheduler.borrow_mut().world_mut().judge(unjudged, &fates);
    }

    fn decide(&self, frame: &PacketView<'_>) -> (Fate, RuleId) {
        let mut next = 0;
        loop {
            // A rule may make others, or end them.
            let found = self.outsiders.rules.borrow().range(next..).next().map(|(id, rule)| (*id, Rc::clone(rule)));
            let Some((id, rule)) = found else { return (Fate::Pass, 0) };
            let fate = rule.decide(frame);
            if fate != Fate::Pass {
                return (fate, id);
            }
            next = id + 1;
        }
    }

    fn direct(&self, number: u32) {
        let index = usize::try_from(number).expect("a director's number fits usize");
        let Some(mut direct) = self.outsiders.directors.borrow_mut().get_mut(index).and_then(Option::take) else { return };
        let again = direct();
        if let Some(at) = again {
            if let Some(place) = self.outsiders.directors.borrow_mut().get_mut(index) {
                *place = Some(direct);
            }
            self.scheduler.borrow_mut().call_outside(at, Outside::Director(number));
        }
    }
}

impl Scheduler {
    /// Lets code of the network's builder run at a moment.
    pub fn call_outside(&mut self, at: Instant, outside: Outside) {
        let number = match outside {
            Outside::Rules => u32::MAX,
            Outside::Director(number) => number,
        };
        self.world.schedule(at, Alarm(u64::from(NO_THREAD) | u64::from(number) << 32));
    }

    /// The queue has handed out an alarm of no thread.
    #[cold]
    pub(super) fn alarm_of_outside(&mut self, alarm: Alarm) {
        let number = u32::try_from(alarm.0 >> 32).expect("the upper half is 32 bits");
        self.rare.call(if alarm == Alarm::UNJUDGED { Outside::Rules } else { Outside::Director(number) });
    }
}
