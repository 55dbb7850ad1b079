//! The tables of rows against their tests: every row names exactly one test, which begins with the row's id, or says why it has
//! none; every test has its row; the ids of a group go up by one, from 1 to as many rows as the group has.

use super::scan::{Source, code_spans};
use super::{Breach, SOURCES, assert_none, breach, house};

/// Where tables and tests are.
const FOLDER: &str = "tests/conformance/rows/";

/// The groups, and how many rows each has.
const GROUPS: [(&str, usize); 14] = [
    ("ADR", 34),
    ("BND", 34),
    ("CON", 39),
    ("LIS", 34),
    ("SIO", 48),
    ("SHU", 24),
    ("CLO", 19),
    ("UDP", 36),
    ("UNX", 22),
    ("OPT", 32),
    ("POL", 36),
    ("TMO", 17),
    ("OBJ", 16),
    ("ERR", 7),
];

/// One line of a table.
struct Row<'a> {
    line: usize,
    id: &'a str,
    tier: &'a str,
    what: &'a str,
    tests: Vec<&'a str>,
    reason: bool,
}

fn rows(table: &Source) -> Vec<Row<'_>> {
    let mut found = Vec::new();
    for (index, line) in table.text.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, id, tier, what, last, _] = cells[..] else { continue };
        if id != "Id" && !id.starts_with("---") {
            let tests = code_spans(last);
            found.push(Row { line: index + 1, id, tier, what, reason: tests.is_empty() && !last.is_empty(), tests });
        }
    }
    found
}

/// What a test of this row begins with: `adr_01_`.
fn prefix(id: &str) -> String {
    format!("{}_", id.to_lowercase().replace('-', "_"))
}

/// The promises of a file, with their lines.
fn promises(source: &Source) -> Vec<(usize, &str)> {
    let lines = source.text.lines().enumerate();
    lines.filter_map(|(index, line)| Some((index + 1, line.strip_prefix("    fn ")?.strip_suffix("(env: &E) {")?))).collect()
}

fn a_row_is_a_test(table: &Source, tests: &[&str]) -> Vec<Breach> {
    let group = table.path.rsplit('/').next().and_then(|name| name.strip_suffix(".md")).unwrap_or("").to_uppercase();
    let mut found = Vec::new();
    for (row, number) in rows(table).iter().zip(1..) {
        let wrong = |what: String| breach(table, row.line, format!("{}: {what}", row.id));
        if row.id != format!("{group}-{number:02}") {
            found.push(wrong(format!("the next row is {group}-{number:02}")));
        }
        if !["1", "2", "PY", "STD", "ABI", "out"].contains(&row.tier) {
            found.push(wrong(format!("there is no tier `{}`", row.tier)));
        }
        if row.what.is_empty() {
            found.push(wrong("it does not say what Linux does".to_owned()));
        }
        match row.tests[..] {
            [test] if !test.starts_with(&prefix(row.id)) => found.push(wrong(format!("`{test}` does not begin with the id"))),
            [test] if tests.iter().filter(|name| **name == test).count() != 1 => {
                found.push(wrong(format!("there is not one test `{test}`")));
            }
            [_] => {}
            [] if row.reason => {}
            _ => found.push(wrong("one test, or the reason why there is none".to_owned())),
        }
    }
    let (count, wanted) = (rows(table).len(), GROUPS.iter().find(|(name, _)| *name == group).map_or(0, |(_, count)| *count));
    if count != wanted {
        found.push(breach(table, 1, format!("{group} has {wanted} rows, and the table {count}")));
    }
    found
}

fn a_test_is_a_row(source: &Source, named: &[&str]) -> Vec<Breach> {
    if !source.path.starts_with(FOLDER) {
        return Vec::new();
    }
    let strangers = promises(source).into_iter().filter(|(_, name)| !named.contains(name));
    strangers.map(|(line, name)| breach(source, line, format!("no row names `{name}`"))).collect()
}

#[test]
fn every_row_is_a_test_and_every_test_a_row() {
    let tables: Vec<Source> = house(".md").into_iter().filter(|page| page.path.starts_with(FOLDER)).collect();
    let here = SOURCES.iter().filter(|source| source.path.starts_with(FOLDER));
    let tests: Vec<&str> = here.flat_map(promises).map(|(_, name)| name).collect();
    let named: Vec<&str> = tables.iter().flat_map(rows).flat_map(|row| row.tests).collect();
    let mut found: Vec<Breach> = tables.iter().flat_map(|table| a_row_is_a_test(table, &tests)).collect();
    found.extend(SOURCES.iter().flat_map(|source| a_test_is_a_row(source, &named)));
    assert_none(&found);
}

#[test]
fn every_group_has_a_table_on_the_page_of_the_rows() {
    let tables: Vec<Source> = house(".md").into_iter().filter(|page| page.path.starts_with(FOLDER)).collect();
    assert_eq!(tables.len(), GROUPS.len());
    let pages = house("conformance-rows.md");
    let page = pages.first().expect("the page is there");
    for path in tables.iter().map(|table| &table.path) {
        assert!(page.text.contains(&format!("{{{{#include ../../{path}}}}}")), "{} does not include {path}", page.path);
    }
}

#[test]
fn a_planted_row_is_found() {
    let table = "| Id | Tier | What | Test |\n|---|---|---|---|\n| ERR-01 | 1 | x | `err_01_a` |\n| ERR-02 | 1 | x | `err_02_gone` |\n\
                 | ERR-03 | 9 | x | no |\n| ERR-05 | 1 | | no |\n| ERR-05 | 1 | x | |\n| ERR-06 | 1 | x | `err_01_a` |\n| ERR-07 | 2 | x | `err_07_a` |\n";
    let table = Source::new("tests/conformance/rows/err.md", table);
    let lines: Vec<usize> = a_row_is_a_test(&table, &["err_01_a", "err_07_a"]).iter().map(|breach| breach.line).collect();
    assert_eq!(lines, [4, 5, 6, 6, 7, 8]);
    let short = Source::new("tests/conformance/rows/err.md", "");
    assert_eq!(a_row_is_a_test(&short, &[]).len(), 1, "rows are missing");
    let test = Source::new("tests/conformance/rows/err.rs", "    fn err_01_a(env: &E) {\n    fn stranger(env: &E) {");
    assert_eq!(a_test_is_a_row(&test, &["err_01_a"]).len(), 1);
}
