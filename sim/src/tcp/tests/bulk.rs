//! Long transfers: windows grow, losses are made up quickly.

use super::*;

/// Sends `total` bytes from A to B, which reads all the time; the virtual time it took.
fn transfer(pair: &mut Pair, total: usize) -> Duration {
    let start = pair.now;
    let data = vec![7; 65_536];
    let (mut sent, mut got) = (0, 0);
    while got < total {
        let now = pair.now;
        while sent < total {
            let len = data.len().min(total - sent);
            match pair.a.tcb.send(now, &[IoSlice::new(&data[..len])], 0, SendFlags::default()) {
                Ok(taken) => sent += taken,
                Err(_) => break,
            }
            pair.pump();
        }
        loop {
            let mut into = vec![0; 100_000];
            match pair.b.tcb.recv(now, &mut [IoSliceMut::new(&mut into)], 0, RecvFlags::default()) {
                Ok(len) => got += len,
                Err(_) => break,
            }
        }
        pair.pump();
        if got < total {
            assert!(pair.step(), "{got} of {total} bytes came, {sent} were sent, and nothing happens");
        }
    }
    pair.now.since(start)
}

#[test]
fn a_long_fat_path_is_filled() {
    let mut pair = Pair::new();
    pair.latency = Duration::from_millis(1);
    pair.connect();
    let took = transfer(&mut pair, 50_000_000);
    assert!(took < Duration::from_millis(200), "{took:?}");
}

#[test]
fn frames_lost_out_of_one_segment_are_all_made_up_without_a_timeout() {
    let mut pair = Pair::new();
    pair.latency = Duration::from_millis(5);
    pair.cuts_frames = true;
    pair.connect();
    let mut nth = 0;
    pair.rule(move |side, segment| {
        if side == Side::A && is_data(segment) {
            nth += 1;
            if nth == 2 || nth == 5 {
                return Fate::Drop;
            }
        }
        Fate::Deliver
    });
    let took = transfer(&mut pair, 10 * 1448);
    assert!(took < Duration::from_millis(40), "{took:?}");
}

#[test]
fn a_loss_now_and_then_costs_round_trips_not_timeouts() {
    let mut pair = Pair::new();
    pair.latency = Duration::from_millis(5);
    pair.connect();
    let mut nth = 0;
    pair.rule(move |side, segment| {
        if side == Side::A && is_data(segment) {
            nth += 1;
            if nth % 50 == 30 {
                return Fate::Drop;
            }
        }
        Fate::Deliver
    });
    let took = transfer(&mut pair, 5_000_000);
    assert!(took < Duration::from_secs(8), "{took:?}");
}

/// A pair without Nagle's rule, in which A has written 100 single bytes that nobody has acknowledged yet.
fn a_hundred_single_bytes(fate: Fate) -> Pair {
    let mut pair = Pair::new();
    pair.latency = Duration::from_millis(5);
    pair.connect();
    pair.a.tcb.options.nodelay = true;
    pair.log.clear();
    pair.rule(move |_, _| fate);
    for n in 0..100 {
        let now = pair.now;
        assert_eq!(pair.a.tcb.send(now, &[IoSlice::new(&[n])], 0, SendFlags::default()), Ok(1));
        pair.pump();
    }
    pair.heal();
    pair
}

fn sizes(pair: &Pair) -> Vec<usize> {
    pair.log.iter().filter(|entry| is_data(&entry.2)).map(|entry| entry.2.payload.len()).collect()
}

#[test]
fn the_initial_window_is_ten_segments_however_small() {
    let mut pair = a_hundred_single_bytes(Fate::Deliver);
    assert_eq!(sizes(&pair), [1; 10]);
    pair.pass(Duration::from_secs(1));
    assert_eq!(sizes(&pair)[10..], [90], "what had to wait goes out together");
    assert_eq!(pair.recv(Side::B, 200).expect("it is there").len(), 100);
}

#[test]
fn small_segments_are_repeated_together() {
    let mut pair = a_hundred_single_bytes(Fate::Drop);
    pair.pass(Duration::from_secs(3));
    assert_eq!(sizes(&pair)[..11], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 10]);
    assert_eq!(pair.recv(Side::B, 200).expect("it is there"), (0..100).collect::<Vec<u8>>());
}
