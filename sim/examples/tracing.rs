//! A run that is listened to with `tracing`: what the programs say is stamped with virtual time, host and process, and the simulator says what happens
//! to them. `RUST_LOG` chooses, as everywhere:
//!
//! ```sh
//! cargo run -p twinsock-sim --features tracing-subscriber --example tracing
//! RUST_LOG=tracing=info,twinsock=debug cargo run -p twinsock-sim --features tracing-subscriber --example tracing
//! ```

use std::io::{Read, Write};
use std::time::Duration;
use tracing::{info, info_span, warn};
use tracing_subscriber::EnvFilter;
use twinsock::SocketApi;
use twinsock::net::{TcpListener, TcpStream};
use twinsock_sim::{Link, Ratio, Sim, SimTime};

fn serve<A: SocketApi>(api: &A) -> std::io::Result<()> {
    let (mut stream, peer) = TcpListener::bind(api, "0.0.0.0:7")?.accept()?;
    let _serving = info_span!("serving", %peer).entered();
    let mut word = [0; 5];
    stream.read_exact(&mut word)?;
    info!(word = %String::from_utf8_lossy(&word), "a word has come");
    Ok(())
}

fn main() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_timer(SimTime).with_ansi(false).init();
    let run = Sim::builder().seed(7).run(|sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(10)).loss(Ratio::new(1, 3)));
        sim.host("server").spawn("echo", |net| serve(&net).unwrap());
        sim.run_for(Duration::from_millis(1));
        sim.host("client").spawn("client", |net| {
            let mut stream = TcpStream::connect(&net, "server:7").unwrap();
            warn!("the way loses one packet in three");
            stream.write_all(b"hello").unwrap();
        });
    });
    run.unwrap();
}
