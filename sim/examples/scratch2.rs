//! scratch
use std::time::Duration;
use twinsock::Clock;
use twinsock_sim::Sim;
fn main() {
    let hosts = 10;
    let n = 3600;
    Sim::builder()
        .run_here(|sim| {
            for h in 0..hosts {
                sim.host(&format!("h{h}")).spawn("p", move |net| {
                    for _ in 0..n {
                        net.sleep(Duration::from_secs(1))
                    }
                });
            }
        })
        .unwrap();
}
