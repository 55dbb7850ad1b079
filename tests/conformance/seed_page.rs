//! The rows of `docs/src/seed.md` against the tests: every test that the page names exists, and every test of `seed.rs` has a row.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The promises of a theme, as `theme::name`: each is a function of `conformance!`.
fn promises(file: &Path) -> BTreeSet<String> {
    let theme = file.file_stem().and_then(|stem| stem.to_str()).expect("a source file has a name");
    let source = std::fs::read_to_string(file).expect("a source file can be read");
    source
        .lines()
        .filter_map(|line| line.strip_prefix("    fn ")?.split_once("(env: &E) {"))
        .map(|(name, _)| format!("{theme}::{name}"))
        .collect()
}

/// What a page puts between backquotes and that looks like `theme::name`.
fn named_tests(page: &str, themes: &BTreeSet<String>) -> BTreeSet<String> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.split_once("::").is_some_and(|(theme, _)| themes.contains(theme))).map(str::to_owned).collect()
}

#[test]
fn every_test_named_by_the_seed_page_exists_and_every_seed_test_is_named() {
    let files: Vec<PathBuf> = std::fs::read_dir(root().join("tests/conformance"))
        .expect("the tests are there")
        .map(|entry| entry.expect("the directory can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    let existing: BTreeSet<String> = files.iter().flat_map(|file| promises(file)).collect();
    let themes: BTreeSet<String> =
        existing.iter().filter_map(|name| name.split_once("::")).map(|(theme, _)| theme.to_owned()).collect();
    let page = std::fs::read_to_string(root().join("docs/src/seed.md")).expect("the page is there");
    let named = named_tests(&page, &themes);

    let missing: Vec<_> = named.difference(&existing).collect();
    assert!(missing.is_empty(), "docs/src/seed.md names tests that do not exist: {missing:?}");
    let unnamed: Vec<_> = existing.iter().filter(|name| name.starts_with("seed::") && !named.contains(*name)).collect();
    assert!(unnamed.is_empty(), "docs/src/seed.md has no row for: {unnamed:?}");
    assert!(named.len() >= 35, "the page names its tests");
}
