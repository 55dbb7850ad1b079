//! The event queue beside a model of it, and its corner cases.

use super::wheel::{Place, SLOTS};
use super::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::collections::BTreeMap;

/// The queue as one would write it without thinking of speed.
#[derive(Default)]
struct Model {
    events: BTreeMap<(u64, u64), u64>,
    pushed: u64,
}

impl Model {
    fn push(&mut self, at: u64, event: u64) {
        self.events.insert((at, self.pushed), event);
        self.pushed += 1;
    }

    fn pop(&mut self) -> Option<(u64, u64)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}

/// The facts of the map at the top of the file; the order itself is what the model checks.
fn check_wheel<E: Copy>(queue: &EventQueue<E>) {
    let (mut linked, mut earliest) = (0, u64::MAX);
    for level in 0..LEVELS {
        assert_eq!(queue.levels & (1 << level) != 0, queue.occupied[level] != 0, "the bitmap of levels tells the truth");
        let places = (0..SLOTS).map(|slot| Place { level, bit: 1 << slot, slot: level * SLOTS + slot });
        for place in places.filter(|place| queue.is_occupied(*place)) {
            let Slot { head, tail, head_at } = queue.slots[place.slot];
            let mut index = head;
            let is_mixed = queue.mixed[level] & place.bit != 0;
            assert_eq!(queue.node(head).at, head_at, "the instant of a list's head is known");
            while index != NONE {
                let node = queue.node(index);
                assert_eq!(queue.place(node.at), place, "an event is where its instant and the base say");
                assert!(head_at <= node.at, "the head of a list is its earliest event");
                assert!(is_mixed || head_at == node.at, "a list that is not mixed has one instant");
                if node.next == NONE {
                    assert_eq!(tail, index, "a list ends at its tail");
                }
                index = node.next;
                linked += 1;
                earliest = earliest.min(node.at);
            }
        }
    }
    assert!(earliest == queue.wheel_at, "the wheel's earliest instant is known");
    let line: Vec<_> = (0..queue.line.len()).filter_map(|of| queue.line.get(of)).collect();
    let front = queue.front.map(|_| queue.front_at);
    let outside: Vec<u64> = front.into_iter().chain(line.iter().map(|outside| outside.at)).collect();
    let short: Vec<_> = (0..queue.short.len()).filter_map(|of| queue.short.get(of)).collect();
    let is_short = queue.short_first.is_some();
    assert_eq!(linked + outside.len() + usize::from(is_short) + short.len(), queue.len(), "no event is lost or made up");
    assert!(short.iter().all(|outside| outside.event.is_some()), "an event is where it is expected");
    assert!(short.is_sorted_by_key(|outside| outside.at), "the short line is in order");
    assert!(is_short || short.is_empty(), "nobody stands behind nobody");
    assert!(short.first().is_none_or(|next| next.at >= queue.short_at), "its first is not behind the others");
    let last_at = short.last().map_or(if is_short { queue.short_at } else { 0 }, |last| last.at);
    assert_eq!((queue.short_at != u64::MAX, queue.short_last_at), (is_short, last_at), "its first and its last are known");
    assert!(front.is_some() || line.is_empty(), "nobody stands in line behind nothing");
    assert!(line.iter().all(|outside| outside.event.is_some()), "an event is where it is expected");
    assert!(outside.is_sorted(), "the line is in order");
    assert!(outside.last().is_none_or(|last| *last < queue.wheel_at), "the line is earlier than the wheel");
}

/// A delay of a kind that the simulator produces, or that is hard on a wheel.
fn delay(rng: &mut ChaCha8Rng, shape: u64) -> u64 {
    let wide = rng.next_u64();
    match shape {
        0 => 0,
        1 => wide % 3,
        2 => wide % 100_000,
        3 => 1_000_000 + wide % 4,
        4 => 1 << (wide % 64),
        5 => (1 << (wide % 64)) - 1,
        6 => wide >> (wide % 64),
        _ => 200_000_000 * (1 + wide % 3),
    }
}

fn run_against_the_model(seed: u64, steps: u32) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut queue = EventQueue::new();
    let mut model = Model::default();
    let (mut now, mut event) = (0_u64, 0);
    let target = 1 << (rng.next_u32() % 10);
    let shapes = u64::from(1 + rng.next_u32() % 8);
    let short_shapes = u64::from(rng.next_u32() % 4);
    for step in 0..steps {
        let grow = queue.len() < target && rng.next_u32() % 3 != 0;
        if grow {
            let at = now.saturating_add(delay(&mut rng, event % shapes));
            if event % shapes < short_shapes {
                queue.push_short(Instant::from_nanos(at), event);
            } else {
                queue.push(Instant::from_nanos(at), event);
            }
            model.push(at, event);
            event += 1;
        } else {
            let popped = queue.pop().map(|(at, event)| (at.as_nanos(), event));
            assert_eq!(popped, model.pop(), "seed {seed}, step {step}");
            now = popped.map_or(now, |(at, _)| at);
        }
        pop_some_of_now(&mut queue, &mut model, now);
        assert_eq!(queue.len(), model.events.len(), "seed {seed}, step {step}");
        assert_eq!(queue.peek().map(Instant::as_nanos), model.events.first_key_value().map(|((at, _), _)| *at));
        if step % 7 == 0 && !queue.is_empty() {
            check_wheel(&queue);
        }
    }
    while let Some((at, event)) = queue.pop() {
        assert_eq!(model.pop(), Some((at.as_nanos(), event)), "seed {seed}, draining");
    }
    assert_eq!(model.pop(), None);
}

/// Of those that are due at this moment, next of all, the wanted ones that are at hand are taken out, and no others.
fn pop_some_of_now(queue: &mut EventQueue<u64>, model: &mut Model, now: u64) {
    while queue.peek() == Some(Instant::from_nanos(now))
        && let Some(event) = queue.pop_if(|event| (event % 3 == 0).then_some(*event))
    {
        assert!(event % 3 == 0, "only what is wanted is taken");
        assert_eq!(model.pop(), Some((now, event)), "it is what would have been next");
    }
}

#[test]
fn a_run_of_equals_is_taken_as_far_as_it_is_wanted() {
    let mut queue = EventQueue::new();
    let [now, later] = [7, 8].map(Instant::from_nanos);
    (1..=4).for_each(|event| queue.push(now, event));
    queue.push_short(now, 5);
    queue.push_short(later, 6);
    let mut taken = Vec::new();
    while let Some(event) = queue.pop_if(|event| (*event != 4).then_some(*event)) {
        taken.push(event);
    }
    assert_eq!((&taken[..], queue.pop()), (&[1, 2, 3][..], Some((now, 4))));
    assert_eq!([(); 3].map(|()| queue.pop_if(|event| Some(*event))), [Some(5), Some(6), None]);
    assert_eq!(queue.pop(), None);
}

#[test]
fn it_pops_what_the_model_pops() {
    for seed in 0..300 {
        run_against_the_model(seed, 600);
    }
}

#[test]
fn a_displaced_front_comes_before_its_equals() {
    let mut queue = EventQueue::new();
    let at = Instant::from_nanos;
    queue.push(at(100), 'b');
    queue.push(at(100), 'c');
    queue.push(at(5), 'a');
    queue.push(at(100), 'd');
    let order: String = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
    assert_eq!(order, "abcd");
}

#[test]
fn an_event_at_the_instant_just_popped_comes_next() {
    let mut queue = EventQueue::new();
    queue.push(Instant::from_nanos(70), 1);
    queue.push(Instant::from_nanos(71), 3);
    assert_eq!(queue.pop(), Some((Instant::from_nanos(70), 1)));
    queue.push(Instant::from_nanos(70), 2);
    assert_eq!(queue.pop(), Some((Instant::from_nanos(70), 2)));
    assert_eq!(queue.pop(), Some((Instant::from_nanos(71), 3)));
}

#[test]
fn the_end_of_time_can_be_waited_for() {
    let mut queue = EventQueue::new();
    queue.push(Instant::FAR, 2);
    queue.push(Instant::ZERO, 1);
    queue.push(Instant::FAR, 3);
    let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
    assert_eq!(order, [(Instant::ZERO, 1), (Instant::FAR, 2), (Instant::FAR, 3)]);
}

#[test]
fn what_is_pushed_nearly_in_order_never_sees_the_wheel() {
    let mut queue = EventQueue::new();
    (0..1000).for_each(|micros| queue.push(Instant::from_nanos(1_000_000 + micros * 1000), micros));
    for micros in 1000..3000 {
        queue.push(Instant::from_nanos(micros * 1000), micros);
        assert_eq!(queue.pop().map(|(at, _)| at.as_nanos()), Some(micros * 1000));
        queue.push(Instant::from_nanos(1_000_000 + micros * 1000), micros);
        assert_eq!(queue.pop().map(|(at, _)| at.as_nanos()), Some(micros * 1000));
    }
    assert!(queue.nodes.is_empty(), "{} nodes", queue.nodes.len());
    // Far from both ends: what is behind it goes there.
    queue.push(Instant::from_nanos(3_500_000), 0);
    check_wheel(&queue);
    assert_eq!(queue.nodes.len(), 499);
}

#[test]
fn turns_pass_what_is_on_its_way() {
    let mut queue = EventQueue::new();
    (1..=1000).for_each(|micros| queue.push(Instant::from_nanos(micros * 1000), 'a'));
    for micros in 1..=1000 {
        let at = Instant::from_nanos(micros * 1000);
        for turn in ['b', 'c'] {
            queue.push_short(at, turn);
        }
        queue.push(Instant::from_nanos((1000 + micros) * 1000), 'a');
        check_wheel(&queue);
        assert_eq!([(); 3].map(|()| queue.pop()), ['a', 'b', 'c'].map(|event| Some((at, event))));
    }
    assert!(queue.nodes.is_empty(), "{} nodes", queue.nodes.len());
    // Those that come after the next one are seen, be they turns or not.
    let at = Instant::from_nanos(1_000_200);
    ['b', 'c', 'd', 'e'].into_iter().for_each(|turn| queue.push_short(at, turn));
    let mut seen = String::new();
    queue.scout(1, 2, |event| seen.push(*event));
    assert_eq!(seen, "cd");
    assert_eq!([(); 4].map(|()| queue.pop().map(|(_, event)| event)), ['b', 'c', 'd', 'e'].map(Some));
    // What comes at the moment of a turn comes after it.
    let at = Instant::from_nanos(1_000_500);
    queue.push_short(at, 'b');
    queue.push(at, 'a');
    queue.push_short(at, 'c');
    assert_eq!([(); 3].map(|()| queue.pop()), ['b', 'a', 'c'].map(|event| Some((at, event))));
}

#[test]
fn places_are_used_again() {
    let mut queue = EventQueue::new();
    for round in 0..1000 {
        queue.push(Instant::from_nanos(round * 2000), round);
        queue.push(Instant::from_nanos(round * 2000 + 1000), round);
        queue.pop();
        queue.pop();
    }
    assert!(queue.nodes.len() <= 1, "{} nodes for 2 events, one of them the front", queue.nodes.len());
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "an event is never in the past")]
fn an_event_in_the_past_is_a_mistake() {
    let mut queue = EventQueue::new();
    queue.push(Instant::from_nanos(10), ());
    queue.pop();
    queue.push(Instant::from_nanos(9), ());
}

#[test]
#[cfg(not(debug_assertions))]
fn an_event_in_the_past_happens_now() {
    let mut queue = EventQueue::new();
    queue.push(Instant::from_nanos(10), 1);
    queue.pop();
    queue.push(Instant::from_nanos(9), 2);
    assert_eq!(queue.pop(), Some((Instant::from_nanos(10), 2)));
}
