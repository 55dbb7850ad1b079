//! A stream from a client to a server, for tests of what happens to it on its way.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;
use twinsock::Clock;
use twinsock::net::{TcpListener, TcpStream};
use twinsock_sim::{Host, Link, Process, Sim};

/// Bytes that count up.
pub fn numbered(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// A stream from `client` to `server`: what arrived, and how long after the connection was accepted the end was seen.
pub struct Transfer {
    pub server: Host,
    pub client: Host,
    pub got: Process<(Vec<u8>, Duration)>,
    len: usize,
}

impl Transfer {
    pub fn new(sim: &Sim, link: Link, len: usize) -> Transfer {
        let (server, client) = (sim.host("server"), sim.host("client"));
        let got = server.spawn("server", |net| {
            let (mut stream, _) = TcpListener::bind(&net, "0.0.0.0:80").unwrap().accept().unwrap();
            let start = net.now();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            (all, net.now() - start)
        });
        client.spawn("client", move |net| {
            net.sleep(Duration::from_millis(1));
            let mut stream = TcpStream::connect(&net, "server:80").unwrap();
            stream.write_all(&numbered(len)).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
        });
        sim.link(&server, &client, link);
        Transfer { server, client, got, len }
    }

    /// Runs to the end, where every byte has arrived; answers how long it took.
    pub fn check(&self, sim: &Sim) -> Duration {
        sim.run_to_end().unwrap();
        let (all, taken) = self.got.take().expect("the server has ended");
        assert!(all == numbered(self.len), "every byte, once, in order: {} of {}", all.len(), self.len);
        taken
    }
}
