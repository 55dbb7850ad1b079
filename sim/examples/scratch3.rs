//! scratch
use std::io::{Read, Write};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock_sim::{Sim, Link};
fn main() {
    let n: u32 = 500;
    let r = Sim::builder().run_here(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)));
        sim.host("s").spawn("s", move |net| { let l = TcpListener::bind(&net, "0.0.0.0:7").unwrap(); let (mut s,_) = l.accept().unwrap(); s.set_nodelay(true).unwrap(); let mut b=[0;64]; for _ in 0..n { s.read_exact(&mut b).unwrap(); s.write_all(&b).unwrap(); } });
        sim.run_for(Duration::from_millis(1));
        sim.host("c").spawn("c", move |net| { let mut s = TcpStream::connect(&net, "s:7").unwrap(); s.set_nodelay(true).unwrap(); let mut b=[0;64]; for _ in 0..n-5 { s.write_all(&b).unwrap(); s.read_exact(&mut b).unwrap(); } panic!("x") });
    });
    println!("{}", r.unwrap_err());
}
