//! Writes the command file of `twinsock demo`:
//!
//! ```text
//! cargo run -p twinsock-sim --example demo_commands > sim/src/bin/twinsock/commands.txt
//! ```
//! The file is the same on every machine: its only chance is a xorshift generator that begins with a constant. A hundred sessions
//! each take the part of a visitor of a small shop, in five scenes (a profile, a cart, a diary, a lock, a clean-up), in an order drawn
//! for the session; each scene sends a few commands at once, waits for the answers, and goes on. Every session adds to the shared
//! counters, whose sums the audit checks. The texts are chosen to need every escape, the sizes to need several segments.

use std::fmt::Write as _;

/// How many connections the clients make.
const SESSIONS: usize = 100;

#[cfg_attr(test, expect(dead_code, reason = "the demo's tests take the generator, not the program"))]
fn main() {
    print!("{}", command_file());
}

/// The whole command file.
pub fn command_file() -> String {
    let mut file = String::from(
        "# What the clients of `twinsock demo` ask. Written by: cargo run -p twinsock-sim --example demo_commands\n\
         # An empty line awaits the answers to the lines above it; keys belong to their session, except shared/.\n",
    );
    let mut chance = Chance(0x7477_696e_736f_636b);
    for index in 1..=SESSIONS {
        write!(file, "\nsession s{index:03}\nPING\n\n").expect("writing to a String does not fail");
        let mut scenes: [fn(&mut Chance) -> String; 5] = [profile, cart, diary, lock, clean_up];
        for last in (1..scenes.len()).rev() {
            scenes.swap(last, chance.below(last + 1));
        }
        for scene in scenes {
            file.push_str(&scene(&mut chance));
            file.push('\n');
        }
        write!(file, "ADD shared/visits 1\nADD shared/balance {}\n", balance(&mut chance))
            .expect("writing to a String does not fail");
    }
    file
}

/// A name that needs quotes, read back and compared.
fn profile(chance: &mut Chance) -> String {
    let name = chance.pick(&["Ada", "\"Grace Hopper\"", "\"Karen Sp\\xc3\\xa4rck Jones\"", "\"Radia\\tPerlman\"", "\"\""]);
    let age = 20 + chance.below(70);
    format!(
        "SET name {name}\nSET age {age}\nGET name\nSTRLEN name\nINCR age\n\nCAS age {} old\nCAS age {} {age}\nGET age\n",
        age + 7,
        age + 1
    )
}

/// Counters, one of which is no number.
fn cart(chance: &mut Chance) -> String {
    let mut scene = String::new();
    for item in 0..2 + chance.below(4) {
        let (count, more) = (1 + chance.below(9), chance.below(5));
        writeln!(scene, "INCR cart/{item} {count}\nINCR cart/{item} -{more}").expect("writing to a String does not fail");
    }
    scene.push_str("KEYS cart/\nCOUNT cart/\n\nSET cart/note \"leave at \\\"door\\\"\"\nINCR cart/note\nADD shared/carts 1\n");
    scene
}

/// A value that grows to several segments, read as a whole.
fn diary(chance: &mut Chance) -> String {
    let mut scene = String::new();
    for day in 0..2 + chance.below(4) {
        let text = "dear diary \\\\ ".repeat(1 + chance.below(24));
        writeln!(scene, "APPEND diary \"day {day}\\r\\n{text}\\x00\"").expect("writing to a String does not fail");
    }
    scene.push_str("GET diary\n\nSTRLEN diary\nADD shared/entries 1\n");
    scene
}

/// Compare and set, as a lock that is taken, missed and released.
fn lock(chance: &mut Chance) -> String {
    let owner = chance.below(1000);
    format!(
        "SET lock free\nCAS lock free owner-{owner}\nCAS lock free owner-{}\n\nGET lock\nCAS lock owner-{owner} free\nGET lock\n",
        owner + 1
    )
}

/// Removal, and lines that the server refuses without losing the connection.
fn clean_up(chance: &mut Chance) -> String {
    let wrong =
        chance.pick(&["FROB", "GET", "get name", "SET name \"open", "INCR age one", "GET two words", "SET a \\q", "DEL \"\""]);
    format!("SET scrap 1\nDEL scrap age missing\nGET scrap\n! {wrong}\nPING\n\nKEYS\nCOUNT \"\"\n")
}

/// A sum of money that may be negative.
fn balance(chance: &mut Chance) -> String {
    let sign = chance.pick(&["", "-"]);
    format!("{sign}{}", 1 + chance.below(100_000))
}

/// Marsaglia's xorshift64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let limit = u64::try_from(limit).expect("a usize fits into 64 bits");
        usize::try_from(self.0 % limit).expect("less than a usize")
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}
