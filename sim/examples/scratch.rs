//! scratch
use std::time::{Duration, Instant};
use twinsock::Clock;
use twinsock_sim::Sim;
fn main() {
    for hosts in [10u64, 1000, 1000] {
        let t = Instant::now();
        Sim::builder()
            .run(|sim| {
                for h in 0..hosts {
                    sim.host(&format!("h{h}")).spawn("p", |net| {
                        for _ in 0..3600 {
                            net.sleep(Duration::from_secs(1))
                        }
                    });
                }
            })
            .unwrap();
        let el = t.elapsed();
        println!("{hosts} hosts: {:?} = {:.1} ns per sleep", el, el.as_nanos() as f64 / (3600.0 * hosts as f64));
    }
    let t = Instant::now();
    for _ in 0..100 {
        Sim::builder().run(|_| {}).unwrap();
    }
    println!("empty sim {:?}", t.elapsed() / 100);
    let t = Instant::now();
    for _ in 0..100 {
        Sim::builder().run_here(|_| {}).unwrap();
    }
    println!("empty sim here {:?}", t.elapsed() / 100);
    let t = Instant::now();
    for _ in 0..100 {
        Sim::builder()
            .run_here(|sim| {
                sim.host("a").spawn("p", |net| net.sleep(Duration::from_secs(3600)));
            })
            .unwrap();
    }
    println!("idle hour here {:?}", t.elapsed() / 100);
}
