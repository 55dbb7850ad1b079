//! What a step costs; figures are printed, never judged: `cargo test --release -p twinsock-sim tcp::tests::speed -- --nocapture`.

use super::*;

#[test]
fn figures_of_a_dialogue_and_of_bulk() {
    let rounds: u32 = if cfg!(debug_assertions) { 1000 } else { 5_000_000 };
    let pair = Pair::connected();
    let now = pair.now;
    let (mut a, mut b) = (pair.a.tcb, pair.b.tcb);
    let step = |from: &mut Tcb, to: &mut Tcb, data: &[u8], into: &mut [u8]| {
        from.send(now, &[IoSlice::new(data)], 0, SendFlags::default()).expect("room");
        loop {
            let mut moved = false;
            while let Some(segment) = from.poll_transmit(now) {
                to.handle_segment(now, segment);
                moved = true;
            }
            while let Some(segment) = to.poll_transmit(now) {
                from.handle_segment(now, segment);
                moved = true;
            }
            if !moved {
                break;
            }
        }
        to.recv(now, &mut [IoSliceMut::new(into)], 0, RecvFlags::default()).expect("data")
    };
    let mut into = [0; 64];
    let start = real_now();
    for _ in 0..rounds {
        step(&mut a, &mut b, &[1; 64], &mut into);
        step(&mut b, &mut a, &[2; 64], &mut into);
    }
    println!("64 byte round trip: {:?}", start.elapsed() / rounds);
    println!("size of a block: {} bytes, of a segment: {}", size_of::<Tcb>(), size_of::<Segment>());

    let mut pair = Pair::with(loopback(), loopback());
    pair.connect();
    let (mut a, mut b) = (pair.a.tcb, pair.b.tcb);
    let data = vec![3; 65_536];
    let mut into = vec![0; 65_536];
    let writes: u32 = if cfg!(debug_assertions) { 100 } else { 100_000 };
    let start = real_now();
    let mut moved = 0_u64;
    for _ in 0..writes {
        moved += u64::try_from(step(&mut a, &mut b, &data, &mut into)).expect("a count");
    }
    let nanos = u64::try_from(start.elapsed().as_nanos()).expect("short").max(1);
    println!("bulk: {} MiB/s", moved * 1_000_000_000 / nanos / (1 << 20));
}

#[expect(clippy::disallowed_methods, reason = "this test measures real time and decides nothing by it")]
fn real_now() -> std::time::Instant {
    std::time::Instant::now()
}
