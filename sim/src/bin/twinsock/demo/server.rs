//! The server: blocking sockets, a thread for each connection, one store behind a lock. Written once, for every world.

use super::protocol::{LINE_MAX_BYTES, Reply, Request, too_long};
use super::store::Store;
use std::io::{self, Read, Write};
use std::sync::Arc;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::sync::Mutex;
use twinsock::{Env, JoinThread};

/// What the connections share.
#[derive(Default)]
struct Shared {
    store: Store,
    /// Whether a client has asked the server to end.
    closing: bool,
}

/// How a conversation ended.
#[derive(PartialEq, Eq)]
enum Ended {
    Connection,
    Server,
}

/// Serves whoever connects, until one of them asks for SHUTDOWN.
pub fn serve<W: Env>(world: &W, listener: &TcpListener<W>) -> io::Result<()> {
    let port = listener.local_addr()?.port();
    let shared = Arc::new(Mutex::new(world, Shared::default()));
    let mut threads = Vec::new();
    loop {
        let (stream, _) = listener.accept()?;
        if shared.lock().closing {
            break;
        }
        let (world_of_thread, shared) = (world.clone(), shared.clone());
        threads.push(world.spawn(move || {
            // A client that goes away in the middle of its conversation is its own affair.
            if let Ok(Ended::Server) = converse(&stream, &shared) {
                shared.lock().closing = true;
                // `accept` above waits: a last connection wakes it.
                drop(TcpStream::connect(&world_of_thread, ("127.0.0.1", port)));
            }
        }));
    }
    let ends: Vec<_> = threads.into_iter().map(JoinThread::join).collect();
    if ends.iter().any(Result::is_err) { Err(io::Error::other("a thread of the server panicked")) } else { Ok(()) }
}

/// Answers one connection's lines in their order, all that have come at once with one write.
fn converse<W: Env>(mut stream: &TcpStream<W>, shared: &Mutex<W, Shared>) -> io::Result<Ended> {
    stream.set_nodelay(true)?;
    let mut unread = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(Ended::Connection);
        }
        unread.extend_from_slice(&chunk[..count]);
        let mut answers = String::new();
        let mut ended = None;
        while let Some(end) = unread.iter().position(|byte| *byte == b'\n').filter(|_| ended.is_none()) {
            let request = Request::parse(&unread[..end]);
            ended = ended_by(&request);
            let reply = request.map_or_else(Reply::from, |request| shared.lock().store.apply(request));
            answers.push_str(&format!("{reply}\n"));
            unread.drain(..=end);
        }
        if unread.len() > LINE_MAX_BYTES {
            answers.push_str(&format!("{}\n", Reply::from(too_long())));
            ended = Some(Ended::Connection);
        }
        stream.write_all(answers.as_bytes())?;
        if let Some(ended) = ended {
            return Ok(ended);
        }
    }
}

fn ended_by<E>(request: &Result<Request, E>) -> Option<Ended> {
    let is = |ends: Request| request.as_ref().is_ok_and(|request| *request == ends);
    if is(Request::Quit) {
        Some(Ended::Connection)
    } else if is(Request::Shutdown) {
        Some(Ended::Server)
    } else {
        None
    }
}
