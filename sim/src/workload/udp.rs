//! W6: datagrams there and back, and a flood of them.

use super::{Done, Duo, Stopwatch};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use twinsock::Env;
use twinsock::net::UdpSocket;

/// How large a datagram is.
pub const UDP_BYTES: usize = 64;

/// How long is waited for the answer to a datagram that may be lost, on the kernel when a buffer is full.
const PATIENCE: Duration = Duration::from_millis(20);

/// A datagram there and back, the next one after the answer.
#[derive(Clone, Copy, Debug)]
pub struct UdpPingPong {
    /// How many round trips there are.
    pub rounds: u64,
}

impl Duo for UdpPingPong {
    type Door<A: Env> = UdpSocket<A>;

    fn open<A: Env>(self, net: &A, at: SocketAddr) -> io::Result<(UdpSocket<A>, SocketAddr)> {
        bound(net, at)
    }

    fn serve<A: Env>(self, _net: &A, socket: &UdpSocket<A>) -> io::Result<()> {
        let mut datagram = [0; UDP_BYTES];
        for _ in 0..self.rounds {
            let (count, client) = socket.recv_from(&mut datagram)?;
            socket.send_to(&datagram[..count], client)?;
        }
        Ok(())
    }

    fn drive<A: Env>(self, net: &A, server: SocketAddr) -> io::Result<Done> {
        let socket = connected(net, server)?;
        let mut datagram = [7; UDP_BYTES];
        let watch = Stopwatch::start();
        for _ in 0..self.rounds {
            socket.send(&datagram)?;
            socket.recv(&mut datagram)?;
        }
        Ok(Done { count: self.rounds, taken: watch.elapsed() })
    }
}

/// Datagrams as fast as they can be sent, until the receiver has heard that there are no more. Counts what was received: what the kernel lost in
/// between, because a buffer was full, does not count.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// How many datagrams are sent.
    pub datagrams: u64,
}

impl Duo for Flood {
    type Door<A: Env> = UdpSocket<A>;

    fn open<A: Env>(self, net: &A, at: SocketAddr) -> io::Result<(UdpSocket<A>, SocketAddr)> {
        bound(net, at)
    }

    fn serve<A: Env>(self, _net: &A, socket: &UdpSocket<A>) -> io::Result<()> {
        let mut datagram = [0; UDP_BYTES];
        let mut received = 0_u64;
        // The empty one is the last.
        while socket.recv(&mut datagram)? > 0 {
            received += 1;
        }
        let (_, client) = socket.recv_from(&mut datagram)?;
        socket.send_to(&received.to_le_bytes(), client)?;
        Ok(())
    }

    fn drive<A: Env>(self, net: &A, server: SocketAddr) -> io::Result<Done> {
        let socket = connected(net, server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let datagram = [7; UDP_BYTES];
        let watch = Stopwatch::start();
        for _ in 0..self.datagrams {
            socket.send(&datagram)?;
        }
        let mut answer = [0; 8];
        loop {
            // One that ends the flood, and one to which the count is the answer; again if the full buffer had no place for them.
            socket.send(&[])?;
            socket.send(&[])?;
            if socket.recv(&mut answer).is_ok() {
                return Ok(Done { count: u64::from_le_bytes(answer), taken: watch.elapsed() });
            }
        }
    }
}

fn bound<A: Env>(net: &A, at: SocketAddr) -> io::Result<(UdpSocket<A>, SocketAddr)> {
    let socket = UdpSocket::bind(net, at)?;
    let addr = socket.local_addr()?;
    Ok((socket, addr))
}

fn connected<A: Env>(net: &A, server: SocketAddr) -> io::Result<UdpSocket<A>> {
    let socket = UdpSocket::bind(net, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?;
    socket.connect(server)?;
    Ok(socket)
}
