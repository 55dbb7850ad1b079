//! The clients: blocking sockets, a thread for each client, sessions dealt out in turn. Written once, for every world.

use super::commands::{Command, Script, Session};
use super::progress::Progress;
use super::transcript::{Exchange, Heard, Transcript, client_of};
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::sync::Arc;
use std::time::Duration;
use twinsock::net::TcpStream;
use twinsock::{Env, JoinThread};

/// How often a client tries to connect to a server that is still starting.
const CONNECT_TRIES_MAX: u32 = 200;

/// How long it waits between.
const CONNECT_PAUSE_MS: u64 = 10;

/// Where the server is: a name or an address, and a port.
pub type Server = (String, u16);

/// Why a client could not go on.
#[derive(Debug)]
pub struct Trouble {
    client: Option<usize>,
    session: String,
    error: io::Error,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.client {
            Some(client) => write!(f, "client {client}, session {}: {}", self.session, self.error),
            None => write!(f, "the {} at the end: {}", self.session, self.error),
        }
    }
}

/// Runs all clients, then looks at what their work left behind, then ends the server.
pub fn drive<W: Env>(
    world: &W,
    server: &Server,
    script: &Arc<Script>,
    clients: usize,
    progress: &Arc<Progress>,
) -> Result<Transcript, Trouble> {
    let start = |client| {
        let (world_of_thread, server) = (world.clone(), server.clone());
        let (script, progress) = (script.clone(), progress.clone());
        world.spawn(move || work(&world_of_thread, &server, &script, client, clients, &progress))
    };
    let threads: Vec<_> = (0..clients).map(start).collect();
    let panicked = |_| Err(trouble(None, "work", io::Error::other("a client's thread panicked")));
    let ends: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect();
    let audit = converse(world, server, &script.audit(), "SHUTDOWN", progress);
    let mut heard: Vec<(usize, Heard)> = Vec::new();
    for end in ends {
        heard.extend(end?);
    }
    heard.sort_by_key(|(index, _)| *index);
    let mut transcript: Transcript = heard.into_iter().map(|(_, heard)| heard).collect();
    let exchanges = audit.map_err(|error| trouble(None, "audit", error))?;
    transcript.push(Heard { client: None, session: "audit".to_owned(), exchanges });
    Ok(transcript)
}

/// One client: its share of the sessions, each with its place in the command file.
fn work<W: Env>(
    world: &W,
    server: &Server,
    script: &Script,
    client: usize,
    clients: usize,
    progress: &Progress,
) -> Result<Vec<(usize, Heard)>, Trouble> {
    let own = script.sessions.iter().enumerate().filter(|(index, _)| client_of(*index, clients) == client);
    own.map(|(index, session)| match converse(world, server, session, "QUIT", progress) {
        Ok(exchanges) => Ok((index, Heard { client: Some(client), session: session.name.clone(), exchanges })),
        Err(error) => Err(trouble(Some(client), &session.name, error)),
    })
    .collect()
}

fn trouble(client: Option<usize>, session: &str, error: io::Error) -> Trouble {
    Trouble { client, session: session.to_owned(), error }
}

/// One connection: each batch is written at once, and its answers are read before the next; `last` ends it.
fn converse<W: Env>(world: &W, server: &Server, session: &Session, last: &str, progress: &Progress) -> io::Result<Vec<Exchange>> {
    let stream = connect(world, server)?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(&stream);
    let mut exchanges = Vec::new();
    for batch in &session.batches {
        send(&stream, batch)?;
        for command in batch {
            let answer = read_answer(&mut answers)?;
            exchanges.push(Exchange { command: command.clone(), answer });
        }
        progress.answered(batch.len());
    }
    (&stream).write_all(format!("{last}\n").as_bytes())?;
    read_answer(&mut answers)?;
    let rest = answers.fill_buf()?;
    if rest.is_empty() { Ok(exchanges) } else { Err(io::Error::other("the server goes on after the last answer")) }
}

fn send<W: Env>(mut stream: &TcpStream<W>, batch: &[Command]) -> io::Result<()> {
    let mut text = String::new();
    for command in batch {
        text.push_str(&command.text);
        text.push('\n');
    }
    stream.write_all(text.as_bytes())
}

/// One line, without its end.
fn read_answer(answers: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(answer) => Ok(answer.to_owned()),
        None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection in the middle of an answer")),
    }
}

/// Connects, with patience for a server that does not listen yet.
fn connect<W: Env>(world: &W, (host, port): &Server) -> io::Result<TcpStream<W>> {
    let mut tries = 0;
    loop {
        tries += 1;
        match TcpStream::connect(world, (host.as_str(), *port)) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && tries < CONNECT_TRIES_MAX => {
                world.sleep(Duration::from_millis(CONNECT_PAUSE_MS));
            }
            result => return result,
        }
    }
}
