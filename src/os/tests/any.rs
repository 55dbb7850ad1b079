//! A run-time choice; both worlds are the kernel's here, which is enough to see that they are kept apart.

use crate::net::{TcpListener, TcpStream, UdpSocket};
use crate::sync::{Condvar, Mutex, channel};
use crate::{Any, Clock, Entropy, Env, Errno, JoinThread, MsgFlags, Os, PollEvents, SocketApi};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

type Either = Any<Os, Os>;

fn talk(env: &impl Env) -> io::Result<()> {
    let listener = TcpListener::bind(env, "localhost:0")?;
    let addr = listener.local_addr()?;
    let world = env.clone();
    let client = env.spawn(move || TcpStream::connect(&world, addr)?.write_all(b"hello"));
    let (mut stream, _) = listener.accept()?;
    let mut fds = [env.poll_entry(stream.owned(), PollEvents::IN)];
    assert_eq!(env.poll(&mut fds, None), Ok(1));
    assert_eq!(fds[0].revents(), PollEvents::IN);
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    assert_eq!(text, "hello");
    client.join().expect("no panic")
}

#[test]
fn each_arm_is_a_whole_world() -> io::Result<()> {
    for world in [Either::Real(Os), Either::Sim(Os)] {
        talk(&world)?;
        let start = world.now();
        world.sleep(Duration::from_micros(1));
        assert!(world.now() > start && world.wall().elapsed().is_ok());
        let mut bytes = [0; 64];
        world.fill(&mut bytes);
        assert!(bytes.iter().any(|byte| *byte != 0));
    }
    talk(&Os)
}

#[test]
fn a_socket_of_one_world_is_ebadf_to_the_other() -> io::Result<()> {
    let (real, sim) = (Either::Real(Os), Either::Sim(Os));
    let socket = UdpSocket::bind(&real, "127.0.0.1:0")?;
    assert_eq!(sim.fileno(socket.owned()), -1);
    assert_eq!(sim.recv(socket.owned(), &mut [0], MsgFlags::DONTWAIT), Err(Errno::BADF));
    assert_eq!(sim.close(socket.into_owned()), Err(Errno::BADF));
    Ok(())
}

fn locks_and_channels(env: &impl Env) {
    let mut mutex = Mutex::new(env, 1);
    *mutex.get_mut() += 1;
    let guard = mutex.lock();
    assert!(mutex.try_lock().is_none());
    drop(guard);
    assert_eq!(mutex.try_lock().map(|value| *value), Some(2));
    assert_eq!(format!("{mutex:?}"), "Mutex(2)");

    let condvar = Condvar::new(env);
    let (guard, result) = condvar.wait_timeout(mutex.lock(), Duration::from_micros(10));
    assert!(result.timed_out());
    drop(guard);
    assert_eq!(mutex.into_inner(), 2);

    let shared = Arc::new((Mutex::new(env, 0), Condvar::new(env)));
    let other = shared.clone();
    let thread = env.spawn(move || {
        drop(other.1.wait_while(other.0.lock(), |turn| *turn != 1));
        *other.0.lock() = 2;
        other.1.notify_all();
        panic!("a panicked holder does not poison");
    });
    *shared.0.lock() = 1;
    shared.1.notify_all();
    drop(shared.1.wait_while(shared.0.lock(), |turn| *turn != 2));
    assert!(thread.join().is_err());
    assert_eq!(*shared.0.lock(), 2);

    let (sender, receiver) = channel(env);
    assert!(receiver.try_recv().is_err());
    assert!(receiver.recv_timeout(Duration::from_micros(10)).is_err());
    let second = sender.clone();
    assert!(sender.send(1).is_ok() && second.send(2).is_ok());
    assert_eq!((receiver.recv(), receiver.try_iter().collect::<Vec<_>>()), (Ok(1), vec![2]));
    drop((sender, second));
    assert_eq!(receiver.into_iter().next(), None);
    let (sender, receiver) = channel(env);
    drop(receiver);
    assert_eq!(sender.send(7).map_err(|error| error.0), Err(7));
}

#[test]
fn locks_and_channels_are_those_of_the_world() {
    locks_and_channels(&Os);
    locks_and_channels(&Either::Real(Os));
    locks_and_channels(&Either::Sim(Os));
}
