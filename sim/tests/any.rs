//! One program over `Any<Os, Net>`: the world is chosen at run time, and the two are never mixed.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::sync::{Mutex, channel};
use twinsock::{Any, Clock, Env, Errno, JoinThread, MsgFlags, Os, SocketApi, Spawn};
use twinsock_sim::{Net, Sim};

type World = Any<Os, Net>;

/// Not generic: compiled once, for both worlds.
fn shout(world: &World, text: &str) -> io::Result<String> {
    let listener = TcpListener::bind(world, "127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    let (sender, receiver) = channel(world);
    let server = world.spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        sender.send(text.len()).expect("somebody waits for the length");
        stream.write_all(text.to_uppercase().as_bytes())
    });
    let mut stream = TcpStream::connect(world, addr)?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    assert_eq!(receiver.recv(), Ok(text.len()));
    server.join().expect("the server does not panic")?;
    io::read_to_string(stream)
}

fn is_env<E: Env>(_env: &E) {}

#[test]
fn one_program_runs_in_the_world_that_is_chosen() {
    is_env(&World::Real(Os));
    assert_eq!(shout(&World::Real(Os), "kernel").unwrap(), "KERNEL");
    let report = Sim::builder().run(|sim| {
        sim.host("a").spawn("p", |net| assert_eq!(shout(&World::Sim(net), "simulator").unwrap(), "SIMULATOR"));
    });
    report.unwrap();
}

#[test]
fn a_socket_of_the_other_world_is_ebadf() {
    let report = Sim::builder().run(|sim| {
        sim.host("a").spawn("p", |net| {
            let (real, simulated) = (World::Real(Os), World::Sim(net));
            let listener = TcpListener::bind(&simulated, "0.0.0.0:80").unwrap();
            assert_eq!(real.fileno(listener.owned()), -1);
            assert_eq!(real.recv(listener.owned(), &mut [0], MsgFlags::NONE), Err(Errno::BADF));
            assert!(simulated.fileno(listener.owned()) >= 0);
        });
    });
    report.unwrap();
}

#[test]
fn locks_are_of_the_world_that_made_them() {
    let report = Sim::builder().run(|sim| {
        sim.host("a").spawn("p", |net| {
            let world = World::Sim(net);
            let lock = std::sync::Arc::new(Mutex::new(&world, 0));
            let other = std::sync::Arc::clone(&lock);
            let held = lock.lock();
            let thread = world.spawn(move || *other.lock() += 1);
            // The other thread waits meanwhile, in virtual time: a std lock would hold up the whole run.
            world.sleep(std::time::Duration::from_secs(1));
            drop(held);
            thread.join().unwrap();
            assert_eq!(*lock.lock(), 1);
        });
    });
    report.unwrap();
}
