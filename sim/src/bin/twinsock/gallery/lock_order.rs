//! Lock order. A bank locks the two accounts of a transfer, first the one that pays.
//!
//! Two transfers in opposite directions at the same moment wait for each other for ever. Taking the locks in the order of the accounts' numbers, whoever
//! pays, makes a circle impossible.

use super::{Bug, START, Version};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;
use twinsock::net::{TcpListener, TcpStream};
use twinsock::sync::Mutex;
use twinsock::{Env, SocketApi};
use twinsock_sim::{Link, Sim};

pub const BUG: Bug =
    Bug { name: "lock-order", what: "two transfers lock the same two accounts in opposite order", seeds: 1000, check };

/// Accounts, by number.
type Accounts<A> = [Mutex<A, i64>; 2];

mod buggy {
    use super::*;

    pub fn transfer<A: Env>(accounts: &Accounts<A>, from: usize, to: usize, amount: i64) {
        let mut payer = accounts[from].lock();
        let mut payee = accounts[to].lock();
        *payer -= amount;
        *payee += amount;
    }
}

mod fixed {
    use super::*;

    pub fn transfer<A: Env>(accounts: &Accounts<A>, from: usize, to: usize, amount: i64) {
        let mut lower = accounts[from.min(to)].lock();
        let mut higher = accounts[from.max(to)].lock();
        let (payer, payee) = if from < to { (&mut *lower, &mut *higher) } else { (&mut *higher, &mut *lower) };
        *payer -= amount;
        *payee += amount;
    }
}

/// How an amount goes from one account to another.
type Transfer<A> = fn(&Accounts<A>, usize, usize, i64);

/// A thread for every teller, who sends the number of the account that pays the other one a coin, and hears when it is done.
fn bank<A: Env>(api: &A, transfer: Transfer<A>) -> io::Result<()> {
    let accounts = Arc::new([Mutex::new(api, 100), Mutex::new(api, 100)]);
    for stream in TcpListener::bind(api, "0.0.0.0:80")?.incoming() {
        let (mut stream, accounts) = (stream?, Arc::clone(&accounts));
        api.spawn(move || {
            let mut from = [0];
            while stream.read_exact(&mut from).is_ok() {
                let from = usize::from(from[0]);
                transfer(&accounts, from, 1 - from, 1);
                if stream.write_all(b"!").is_err() {
                    break;
                }
            }
        });
    }
    Ok(())
}

/// Has an account pay the other one, again and again.
fn teller<A: SocketApi>(api: &A, bank: &str, from: u8) -> io::Result<()> {
    let mut stream = TcpStream::connect(api, bank)?;
    for _ in 0..20 {
        stream.write_all(&[from])?;
        stream.read_exact(&mut [0])?;
    }
    Ok(())
}

fn check(sim: &Sim, version: Version) {
    let server = sim.host("bank");
    server.spawn_daemon("bank", move |net| {
        let transfer = match version {
            Version::Buggy => buggy::transfer,
            Version::Fixed => fixed::transfer,
        };
        bank(&net, transfer)
    });
    sim.run_for(START);
    for (from, name, delay) in [(0, "north", 300), (1, "south", 370)] {
        let host = sim.host(name);
        sim.link(&host, &server, Link::new().delay(Duration::from_micros(delay)));
        host.spawn("teller", move |net| teller(&net, "bank:80", from).expect("the bank answers"));
    }
}
