//! An epoll instance against a file table of one mask each.

use super::*;
use crate::host::poll::{KEY_PIPE_READABLE, KEY_READABLE, KEY_STATE, KEY_WRITABLE};

const LT_IN: u32 = IN;
const ET_IN: u32 = IN | ET;

/// Files are numbered; a file's mask is `masks[file]`. Descriptor numbers are files plus 10, unless said.
struct Bench {
    epoll: Epoll<usize>,
    masks: [PollEvents; 8],
}

impl Bench {
    fn new() -> Bench {
        Bench { epoll: Epoll::new(), masks: [PollEvents::OUT; 8] }
    }

    fn key(file: usize) -> Key<usize> {
        Key { fd: 10 + RawFd::try_from(file).unwrap(), file }
    }

    fn add(&mut self, file: usize, events: u32) -> ItemId {
        let event = EpollEvent { events, data: u64::try_from(file).unwrap() };
        self.epoll.add(Bench::key(file), event, || self.masks[file]).unwrap().item
    }

    fn arrive(&mut self, item: ItemId) -> Notified {
        let file = self.epoll.key(item).unwrap().file;
        self.masks[file] |= PollEvents::IN | PollEvents::RDNORM;
        self.epoll.notify(item, KEY_READABLE, true)
    }

    /// `epoll_wait(2)` without waiting: the data words and the events.
    fn wait(&mut self, max: usize) -> Vec<(u64, u32)> {
        let mut out = vec![EpollEvent::default(); max];
        let masks = self.masks;
        let count = self.epoll.collect(&mut out, |key| masks[key.file]);
        out[..count].iter().map(|event| (event.data, event.events)).collect()
    }
}

#[test]
fn level_triggered_is_reported_while_ready() {
    let mut bench = Bench::new();
    let item = bench.add(0, LT_IN);
    assert_eq!(bench.wait(4), []);
    assert!(bench.arrive(item).wake);
    assert_eq!(bench.wait(4), [(0, IN)]);
    assert_eq!(bench.wait(4), [(0, IN)]);
    bench.masks[0] = PollEvents::OUT;
    assert!(bench.epoll.has_ready(), "a drained file stays in the list until it is looked at");
    assert_eq!(bench.wait(4), []);
    assert!(!bench.epoll.has_ready());
}

#[test]
fn order_is_that_of_becoming_ready() {
    let mut bench = Bench::new();
    let items = [0, 1, 2].map(|file| bench.add(file, LT_IN));
    for index in [2, 0, 1] {
        bench.arrive(items[index]);
    }
    assert_eq!(bench.wait(8), [(2, IN), (0, IN), (1, IN)]);
    assert_eq!(bench.wait(8), [(2, IN), (0, IN), (1, IN)]);
}

#[test]
fn files_ready_at_add_come_in_order_of_add() {
    let mut bench = Bench::new();
    for file in [3, 1, 2] {
        bench.masks[file] |= PollEvents::IN;
        bench.add(file, LT_IN);
    }
    assert_eq!(bench.wait(8), [(3, IN), (1, IN), (2, IN)]);
}

#[test]
fn one_event_at_a_time_rotates_the_list() {
    let mut bench = Bench::new();
    for file in [0, 1, 2] {
        bench.masks[file] |= PollEvents::IN;
        bench.add(file, LT_IN);
    }
    let first: Vec<u64> = (0..5).flat_map(|_| bench.wait(1)).map(|(data, _)| data).collect();
    assert_eq!(first, [0, 1, 2, 0, 1]);
    assert_eq!(bench.wait(2), [(2, IN), (0, IN)]);
    assert_eq!(bench.wait(3), [(1, IN), (2, IN), (0, IN)]);
}

#[test]
fn edge_triggered_is_reported_once_an_arrival() {
    let mut bench = Bench::new();
    bench.masks[0] |= PollEvents::IN;
    let item = bench.add(0, ET_IN | OUT);
    assert_eq!(bench.wait(4), [(0, IN | OUT)], "ready at ADD");
    assert_eq!(bench.wait(4), []);
    bench.arrive(item);
    bench.arrive(item);
    assert_eq!(bench.wait(4), [(0, IN | OUT)], "two arrivals merge, with the mask of now");
    assert_eq!(bench.wait(4), []);
    let event = EpollEvent { events: ET_IN, data: 7 };
    assert_eq!(bench.epoll.modify(Bench::key(0), event, || bench.masks[0]), Ok(true));
    assert_eq!(bench.wait(4), [(7, IN)], "MOD of a ready file reports again");
    assert_eq!(bench.wait(4), []);
}

#[test]
fn an_edge_that_is_gone_when_looked_at_is_not_reported() {
    let mut bench = Bench::new();
    let item = bench.add(0, ET_IN);
    bench.arrive(item);
    bench.masks[0] = PollEvents::OUT;
    assert_eq!(bench.wait(4), []);
    assert!(!bench.epoll.has_ready());
}

#[test]
fn an_event_not_asked_for_is_filtered_by_its_key() {
    let mut bench = Bench::new();
    let item = bench.add(0, ET_IN);
    bench.wait(4);
    bench.masks[0] |= PollEvents::IN;
    assert_eq!(bench.epoll.notify(item, KEY_WRITABLE, true), Notified { wake: false, taken: false });
    assert!(!bench.epoll.has_ready());
    assert!(bench.epoll.notify(item, KEY_STATE, true).wake, "a change of state may be anything");
    assert_eq!(bench.wait(4), [(0, IN)]);
}

#[test]
fn errors_and_hang_ups_come_unasked() {
    let mut bench = Bench::new();
    let item = bench.add(0, 0);
    bench.masks[0] = PollEvents::IN | PollEvents::HUP | PollEvents::ERR;
    assert!(bench.epoll.notify(item, PollEvents::ERR, false).wake);
    assert_eq!(bench.wait(4), [(0, ERR_HUP)]);
}

#[test]
fn oneshot_reports_once_until_modified() {
    let mut bench = Bench::new();
    let item = bench.add(0, IN | ONESHOT);
    bench.arrive(item);
    assert_eq!(bench.wait(4), [(0, IN)]);
    bench.masks[0] |= PollEvents::HUP;
    assert!(!bench.epoll.notify(item, KEY_STATE, true).wake, "not even a hang-up");
    assert_eq!(bench.wait(4), []);
    let event = EpollEvent { events: IN | ONESHOT, data: 0 };
    assert_eq!(bench.epoll.modify(Bench::key(0), event, || bench.masks[0]), Ok(true));
    assert_eq!(bench.wait(4), [(0, IN | c::EPOLLHUP.cast_unsigned())]);
    assert_eq!(bench.wait(4), []);
}

#[test]
fn an_exclusive_entry_takes_the_wake_up_only_for_a_waiter() {
    let mut bench = Bench::new();
    let item = bench.add(0, IN | EXCLUSIVE);
    assert!(bench.epoll.is_exclusive(item));
    assert_eq!(bench.epoll.notify(item, KEY_PIPE_READABLE, false), Notified { wake: true, taken: false });
    assert_eq!(bench.epoll.notify(item, KEY_PIPE_READABLE, true), Notified { wake: true, taken: true });
    let plain = bench.add(1, IN);
    assert_eq!(bench.epoll.notify(plain, KEY_READABLE, true), Notified { wake: true, taken: false });
}

#[test]
fn exclusive_is_for_add_only_and_not_for_every_event() {
    let check = |op, events, nested| Epoll::<usize>::check_ctl(op, Some(EpollEvent { events, data: 0 }), nested);
    let rdhup = c::EPOLLRDHUP.cast_unsigned();
    assert_eq!(check(c::EPOLL_CTL_ADD, IN | ET | EXCLUSIVE, false), Ok(Op::Add));
    assert_eq!(check(c::EPOLL_CTL_ADD, IN | EXCLUSIVE | rdhup, false), Err(Errno::INVAL));
    assert_eq!(check(c::EPOLL_CTL_ADD, IN | EXCLUSIVE | ONESHOT, false), Err(Errno::INVAL));
    assert_eq!(check(c::EPOLL_CTL_ADD, IN | EXCLUSIVE, true), Err(Errno::INVAL));
    assert_eq!(check(c::EPOLL_CTL_MOD, IN | EXCLUSIVE, false), Err(Errno::INVAL));
    assert_eq!(check(c::EPOLL_CTL_MOD, IN | rdhup, true), Ok(Op::Modify));
    let mut bench = Bench::new();
    bench.add(0, IN | EXCLUSIVE);
    let event = EpollEvent { events: IN, data: 0 };
    assert_eq!(bench.epoll.modify(Bench::key(0), event, || PollEvents::NONE), Err(Errno::INVAL));
}

#[test]
fn wrong_operations_are_refused() {
    assert_eq!(Epoll::<usize>::check_ctl(9, Some(EpollEvent::default()), false), Err(Errno::INVAL));
    assert_eq!(Epoll::<usize>::check_ctl(c::EPOLL_CTL_ADD, None, false), Err(Errno::FAULT));
    assert_eq!(Epoll::<usize>::check_ctl(c::EPOLL_CTL_DEL, None, false), Ok(Op::Delete));
    let mut bench = Bench::new();
    let event = EpollEvent { events: IN, data: 0 };
    assert_eq!(bench.epoll.modify(Bench::key(0), event, || PollEvents::IN), Err(Errno::NOENT));
    assert_eq!(bench.epoll.delete(Bench::key(0)), Err(Errno::NOENT));
    let item = bench.add(0, IN);
    assert_eq!(bench.epoll.add(Bench::key(0), event, || PollEvents::IN), Err(Errno::EXIST));
    assert_eq!(bench.epoll.delete(Bench::key(0)), Ok(item));
    assert_eq!(bench.epoll.delete(Bench::key(0)), Err(Errno::NOENT));
}

#[test]
fn a_number_reused_for_another_file_is_another_entry() {
    let mut bench = Bench::new();
    bench.add(0, IN);
    let reused = Key { fd: 10, file: 1 };
    assert!(bench.epoll.add(reused, EpollEvent { events: IN, data: 1 }, || PollEvents::NONE).is_ok());
    assert_eq!(bench.epoll.len(), 2, "the first lives on while its file has another descriptor");
    bench.masks = [PollEvents::IN; 8];
    let old = bench.epoll.find(Bench::key(0)).unwrap();
    bench.arrive(old);
    assert_eq!(bench.wait(4), [(0, IN)]);
}

#[test]
fn a_removed_item_is_never_reported_nor_confused_with_its_successor() {
    let mut bench = Bench::new();
    let old = bench.add(0, LT_IN);
    let kept = bench.add(1, LT_IN);
    let last = bench.add(2, LT_IN);
    for item in [old, kept, last] {
        bench.arrive(item);
    }
    bench.epoll.remove(old);
    bench.epoll.remove(old);
    bench.epoll.remove(last);
    let new = bench.add(3, LT_IN);
    assert_eq!(bench.epoll.notify(last, KEY_STATE, true), Notified { wake: false, taken: false });
    assert_eq!(bench.epoll.key(new), Some(Bench::key(3)));
    assert_eq!(bench.epoll.key(last), None);
    assert_eq!(bench.wait(4), [(1, IN)]);
    assert_eq!(bench.epoll.items().map(|(item, _)| item).collect::<Vec<_>>(), [kept, new]);
}

#[test]
fn a_nested_instance_is_readable_while_it_has_something_to_report() {
    let mut bench = Bench::new();
    let item = bench.add(0, ET_IN);
    bench.arrive(item);
    let masks = bench.masks;
    let readable = PollEvents::IN | PollEvents::RDNORM;
    assert_eq!(bench.epoll.poll_mask(|key| masks[key.file]), readable);
    assert_eq!(bench.epoll.poll_mask(|key| masks[key.file]), readable, "looking is not taking, edge-triggered or not");
    assert_eq!(bench.epoll.poll_mask(|_| PollEvents::OUT), PollEvents::NONE);
    assert!(!bench.epoll.has_ready(), "what turned out not to be ready is dropped");
}

#[test]
fn cycles_and_deep_nests_are_loops() {
    // 0 watches 1 watches 2 ...: a chain.
    let below = |length: u32| move |at: u32| if at < length { vec![at + 1] } else { vec![] };
    assert!(makes_loop(2, 0, below(2), |_| vec![]), "0 watches 1 watches 2 watches 0");
    assert!(!makes_loop(9, 0, below(3), |_| vec![]));
    assert!(makes_loop(9, 0, below(4), |_| vec![]));
    assert!(makes_loop(9, 0, below(2), |at| if at < 11 { vec![at + 1] } else { vec![] }));
    assert!(!makes_loop(9, 0, below(1), |at| if at < 11 { vec![at + 1] } else { vec![] }));
}

/// The ready list as a plain queue: what the intrusive list must come to.
#[derive(Default)]
struct Model {
    ready: Vec<usize>,
    entries: BTreeMap<usize, u32>,
}

impl Model {
    fn push(&mut self, file: usize) {
        if !self.ready.contains(&file) {
            self.ready.push(file);
        }
    }

    fn wait(&mut self, max: usize, masks: &[PollEvents; 8]) -> Vec<(u64, u32)> {
        let mut out = Vec::new();
        let mut again = Vec::new();
        let mut scan = std::mem::take(&mut self.ready).into_iter();
        while out.len() < max {
            let Some(file) = scan.next() else { break };
            let events = self.entries[&file];
            let revents = masks[file].raw().cast_unsigned() & events & !MODES;
            if revents == 0 {
                continue;
            }
            out.push((u64::try_from(file).unwrap(), revents));
            if events & ONESHOT != 0 {
                self.entries.insert(file, events & MODES);
            } else if events & ET == 0 {
                again.push(file);
            }
        }
        self.ready = scan.chain(again).collect();
        out
    }
}

#[test]
fn any_sequence_of_calls_agrees_with_a_plain_queue() {
    let mut state = 0x9e37_79b9_u32;
    let mut draw = move |n: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % n
    };
    let mut bench = Bench::new();
    let mut model = Model::default();
    for _ in 0..20_000 {
        let file = usize::try_from(draw(8)).unwrap();
        let events = [IN, IN | OUT, ET_IN, ET_IN | OUT, IN | ONESHOT, OUT][usize::try_from(draw(6)).unwrap()];
        let event = EpollEvent { events, data: u64::try_from(file).unwrap() };
        bench.masks[file] = [PollEvents::NONE, PollEvents::IN, PollEvents::OUT][usize::try_from(draw(3)).unwrap()];
        let mask = bench.masks[file];
        match draw(8) {
            0 => {
                let added = bench.epoll.add(Bench::key(file), event, || mask);
                assert_eq!(added.is_err(), model.entries.contains_key(&file));
                if added.is_ok() {
                    model.entries.insert(file, events | ERR_HUP);
                    if report(events, mask) != 0 {
                        model.push(file);
                    }
                }
            }
            1 => {
                let modified = bench.epoll.modify(Bench::key(file), event, || mask);
                assert_eq!(modified.is_err(), !model.entries.contains_key(&file));
                if modified.is_ok() {
                    model.entries.insert(file, events | ERR_HUP);
                    if report(events, mask) != 0 {
                        model.push(file);
                    }
                }
            }
            2 => {
                assert_eq!(bench.epoll.delete(Bench::key(file)).is_ok(), model.entries.remove(&file).is_some());
                model.ready.retain(|ready| *ready != file);
            }
            3..6 => {
                if let Some(item) = bench.epoll.find(Bench::key(file)) {
                    let key = [KEY_READABLE, KEY_WRITABLE, KEY_STATE][usize::try_from(draw(3)).unwrap()];
                    let counts = model.entries[&file] & !MODES != 0 && wakes(key, events_asked(model.entries[&file]));
                    assert_eq!(bench.epoll.notify(item, key, false).wake, counts);
                    if counts {
                        model.push(file);
                    }
                }
            }
            _ => {
                let max = usize::try_from(1 + draw(5)).unwrap();
                assert_eq!(bench.wait(max), model.wait(max, &bench.masks));
            }
        }
        assert_eq!(bench.epoll.has_ready(), !model.ready.is_empty());
    }
}
