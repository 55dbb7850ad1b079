//! The built-in set of cases, compressed.
//!
//! It is made anew from case files with `cargo run -p twinsock-sim --example pack_cases -- FILE...`.

use std::io;

/// Case files one after the other, as a zlib stream (RFC 1950).
static PACKED: &[u8] = include_bytes!("cases.zlib");
/// How hard the packer tries: as hard as it can.
const LEVEL: u8 = 10;

/// How the built-in set is named in messages.
pub const NAME: &str = "the built-in set";

/// The text of the built-in set.
///
/// # Errors
/// The set is damaged: the package was built wrongly.
pub fn text() -> io::Result<String> {
    let damaged = |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("{NAME}: {what}"));
    let bytes = miniz_oxide::inflate::decompress_to_vec_zlib(PACKED).map_err(|error| damaged(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| damaged(error.to_string()))
}

/// Compresses the text of case files.
///
/// ```
/// use twinsock_sim::conform::pack;
/// let packed = pack(&"the same line\n".repeat(100));
/// assert!(packed.len() < 100);
/// ```
#[must_use]
pub fn pack(text: &str) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(text.as_bytes(), LEVEL)
}

#[cfg(test)]
mod tests {
    use super::super::format;
    use super::*;

    #[test]
    fn every_built_in_case_is_well_formed() {
        let (mut cases, mut errors) = (Vec::new(), Vec::new());
        format::read_file(NAME, text().expect("the set is whole").as_bytes(), &mut cases, &mut errors);
        assert_eq!(errors, []);
        let mut ids: Vec<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "no two cases have one id");
        assert!(all > 8_000, "the set has {all} cases");
    }
}
