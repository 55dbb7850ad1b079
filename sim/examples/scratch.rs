//! scratch
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use twinsock::net::{TcpListener, TcpStream};
use twinsock_sim::{Link, Sim};
fn main() {
    let n: u32 = std::env::args().nth(1).map_or(300_000, |s| s.parse().unwrap());
    for _ in 0..3 {
        let t = Instant::now();
        Sim::builder()
            .run_here(|sim| {
                sim.default_link(Link::new().delay(Duration::from_millis(1)));
                sim.host("s").spawn("s", move |net| {
                    let l = TcpListener::bind(&net, "0.0.0.0:7").unwrap();
                    let (mut s, _) = l.accept().unwrap();
                    s.set_nodelay(true).unwrap();
                    let mut b = [0; 64];
                    for _ in 0..n {
                        s.read_exact(&mut b).unwrap();
                        s.write_all(&b).unwrap();
                    }
                });
                sim.run_for(Duration::from_millis(1));
                sim.host("c").spawn("c", move |net| {
                    let mut s = TcpStream::connect(&net, "s:7").unwrap();
                    s.set_nodelay(true).unwrap();
                    let mut b = [0; 64];
                    for _ in 0..n {
                        s.write_all(&b).unwrap();
                        s.read_exact(&mut b).unwrap();
                    }
                });
            })
            .unwrap();
        println!("{:.1} ns per round trip", t.elapsed().as_nanos() as f64 / n as f64);
        if n < 100000 {
            break;
        }
    }
}
