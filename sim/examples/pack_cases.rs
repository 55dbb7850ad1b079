//! Makes the built-in set of `twinsock conform`: `pack_cases FILE...` writes `sim/src/conform/cases.zlib` from case files.

use std::{env, fs, io};

fn main() -> io::Result<()> {
    let mut text = String::new();
    for file in env::args().skip(1) {
        let cases = fs::read_to_string(&file)?;
        text.push_str(cases.trim_end());
        text.push('\n');
    }
    let packed = twinsock_sim::conform::pack(&text);
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/src/conform/cases.zlib");
    fs::write(target, &packed)?;
    println!("{target}: {} cases, {} bytes for {}", text.lines().count(), packed.len(), text.len());
    Ok(())
}
