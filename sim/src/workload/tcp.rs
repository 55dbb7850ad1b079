//! W1, W2 and W3: a round trip, a stream and a connection of TCP.

use super::{Done, Duo, Stopwatch};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use twinsock::Env;
use twinsock::net::{TcpListener, TcpStream};

/// How much one call of [`Bulk`] writes, and how large its reader's buffer is.
pub const WRITE_BYTES: usize = 64 * 1024;

/// The largest message of [`PingPong`].
const MESSAGE_MAX_BYTES: usize = 64;

/// W1: a message there and back over one connection, the next one after the answer.
#[derive(Clone, Copy, Debug)]
pub struct PingPong {
    /// How large the message is, 64 bytes at most.
    pub bytes: usize,
    /// How many round trips there are.
    pub rounds: u64,
}

impl Duo for PingPong {
    type Door<A: Env> = TcpListener<A>;

    fn open<A: Env>(self, net: &A, at: SocketAddr) -> io::Result<(TcpListener<A>, SocketAddr)> {
        listening(net, at)
    }

    fn serve<A: Env>(self, _net: &A, listener: &TcpListener<A>) -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut space = [0; MESSAGE_MAX_BYTES];
        let message = &mut space[..self.bytes];
        while stream.read_exact(message).is_ok() {
            stream.write_all(message)?;
        }
        Ok(())
    }

    fn drive<A: Env>(self, net: &A, server: SocketAddr) -> io::Result<Done> {
        let mut stream = TcpStream::connect(net, server)?;
        stream.set_nodelay(true)?;
        let mut space = [7; MESSAGE_MAX_BYTES];
        let message = &mut space[..self.bytes];
        let watch = Stopwatch::start();
        for _ in 0..self.rounds {
            stream.write_all(message)?;
            stream.read_exact(message)?;
        }
        Ok(Done { count: self.rounds, taken: watch.elapsed() })
    }
}

/// W2: a stream of writes of 64 KiB, until the reader has it all. Counts bytes.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// How many writes there are.
    pub writes: u64,
}

impl Bulk {
    fn total(self) -> u64 {
        self.writes * u64::try_from(WRITE_BYTES).expect("64 KiB fits into 64 bits")
    }
}

impl Duo for Bulk {
    type Door<A: Env> = TcpListener<A>;

    fn open<A: Env>(self, net: &A, at: SocketAddr) -> io::Result<(TcpListener<A>, SocketAddr)> {
        listening(net, at)
    }

    fn serve<A: Env>(self, _net: &A, listener: &TcpListener<A>) -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut buffer = vec![0; WRITE_BYTES];
        let mut total = 0;
        loop {
            match stream.read(&mut buffer)? {
                0 => break,
                count => total += u64::try_from(count).expect("a count of bytes fits into 64 bits"),
            }
        }
        assert_eq!(total, self.total(), "no byte is lost or made up");
        Ok(())
    }

    fn drive<A: Env>(self, net: &A, server: SocketAddr) -> io::Result<Done> {
        let mut stream = TcpStream::connect(net, server)?;
        let block = vec![7; WRITE_BYTES];
        let watch = Stopwatch::start();
        for _ in 0..self.writes {
            stream.write_all(&block)?;
        }
        stream.shutdown(Shutdown::Write)?;
        assert_eq!(stream.read(&mut [0])?, 0, "the reader sends nothing, and closes when it has all");
        Ok(Done { count: self.total(), taken: watch.elapsed() })
    }
}

/// W3: a connection that is made, carries one byte and is closed by both, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// How many connections there are.
    pub connections: u64,
}

impl Duo for Churn {
    type Door<A: Env> = TcpListener<A>;

    fn open<A: Env>(self, net: &A, at: SocketAddr) -> io::Result<(TcpListener<A>, SocketAddr)> {
        listening(net, at)
    }

    fn serve<A: Env>(self, _net: &A, listener: &TcpListener<A>) -> io::Result<()> {
        for _ in 0..self.connections {
            let (mut stream, _) = listener.accept()?;
            stream.read_exact(&mut [0])?;
        }
        Ok(())
    }

    fn drive<A: Env>(self, net: &A, server: SocketAddr) -> io::Result<Done> {
        let watch = Stopwatch::start();
        for _ in 0..self.connections {
            let mut stream = TcpStream::connect(net, server)?;
            stream.write_all(&[7])?;
            assert_eq!(stream.read(&mut [0])?, 0, "the server closes when it has the byte");
        }
        Ok(Done { count: self.connections, taken: watch.elapsed() })
    }
}

fn listening<A: Env>(net: &A, at: SocketAddr) -> io::Result<(TcpListener<A>, SocketAddr)> {
    let listener = TcpListener::bind(net, at)?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}
