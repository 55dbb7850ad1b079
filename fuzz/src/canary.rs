//! The body of the fuzz target `canary`: a program with a bug, which the fuzzer must find. One that does not has gone blind: it runs, and sees nothing.
//!
//! The bug is the oldest there is: a server takes what one `recv` returns for a whole message. On a boring network it always is.

use std::io::{Read, Write};
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock_sim::choice::Choice;
use twinsock_sim::{Link, Misfortunes, Net, Sim};

const MESSAGE: &[u8; 2000] = &[7; 2000];

/// Runs one input, which chooses what befalls the network.
pub fn run(data: &[u8]) {
    let report = Sim::builder().watchdog(None).run_with(Choice::from_bytes(data.to_vec()), |sim| {
        sim.default_link(Link::new().delay(Duration::from_millis(1)));
        sim.host("server").spawn_daemon("server", server);
        sim.run_for(Duration::from_millis(1));
        sim.host("client").spawn("client", client);
        sim.misfortunes(&Misfortunes::none().links(true));
    });
    report.unwrap_or_else(|failure| panic!("{failure}"));
}

fn server(net: Net) {
    let listener = TcpListener::bind(&net, "0.0.0.0:80").expect("the port is free");
    let (mut stream, _) = listener.accept().expect("a client comes");
    let mut message = [0; MESSAGE.len()];
    let len = stream.read(&mut message).expect("the client writes");
    assert_eq!(len, MESSAGE.len(), "{PLANTED}");
}

fn client(net: Net) {
    let mut stream = TcpStream::connect(&net, "server:80").expect("the server listens");
    stream.write_all(MESSAGE).expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server closes");
}

/// What the bug is known by.
pub const PLANTED: &str = "the planted bug: half a message is taken for a whole one";
