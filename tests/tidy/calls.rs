//! The book's page of calls against the source: every method has exactly one row in its section, every row names methods that exist, and a
//! row of [`SocketApi`] names the call and the errors that the method's own documentation does.
//!
//! [`SocketApi`]: twinsock::SocketApi

use super::scan::{Source, code_spans};
use super::{Breach, SOURCES, assert_none, breach, house};

/// A section of the page, and where the methods of its rows are declared: a file, and what the lines begin with that open the blocks.
struct Section {
    heading: &'static str,
    file: &'static str,
    blocks: &'static [&'static str],
    /// Whether the rows name calls and errors.
    errors: bool,
}

const SECTIONS: [Section; 4] = [
    Section { heading: "## SocketApi", file: "src/api.rs", blocks: &["pub trait SocketApi"], errors: true },
    Section { heading: "## Socket", file: "src/socket.rs", blocks: &["impl<A: SocketApi> Socket<A> {"], errors: false },
    Section {
        heading: "## Clock, Spawn and Entropy",
        file: "src/env.rs",
        blocks: &["pub trait Clock", "pub trait Spawn", "pub trait JoinThread", "pub trait Entropy"],
        errors: false,
    },
    Section {
        heading: "## sync",
        file: "src/sync.rs",
        blocks: &[
            "impl<A: Primitives, T: Send + 'static> Mutex<A, T> {",
            "impl<A: Primitives> Condvar<A> {",
            "impl<A: Primitives, T: Send + 'static> Sender<A, T> {",
            "impl<A: Primitives, T: Send + 'static> Receiver<A, T> {",
        ],
        errors: false,
    },
];

/// Methods of `sync` that are as obvious as `Mutex` itself.
const UNSAID: [&str; 1] = ["new"];

/// A method and its documentation.
struct Method {
    name: String,
    docs: String,
}

/// A row of the page: its line, the methods that it names, and all of its text.
struct Row<'a> {
    line: usize,
    methods: Vec<&'a str>,
    text: &'a str,
}

fn methods(source: &Source, blocks: &[&str]) -> Vec<Method> {
    let (mut found, mut inside, mut docs) = (Vec::new(), false, String::new());
    for line in source.text.lines() {
        if blocks.iter().any(|block| line.starts_with(block)) {
            inside = true;
        } else if line == "}" {
            inside = false;
        } else if inside && let Some(text) = line.strip_prefix("    ///") {
            docs.push_str(text);
            docs.push('\n');
        } else if inside && let Some(rest) = line.strip_prefix("    pub fn ").or(line.strip_prefix("    fn ")) {
            let name = rest.split(['(', '<']).next().unwrap_or(rest);
            found.push(Method { name: name.to_owned(), docs: std::mem::take(&mut docs) });
        } else if inside && line.trim().is_empty() {
            docs.clear();
        }
    }
    found
}

fn rows<'a>(page: &'a Source, heading: &str) -> Vec<Row<'a>> {
    let (mut found, mut inside) = (Vec::new(), false);
    for (index, line) in page.text.lines().enumerate() {
        if line.starts_with("## ") {
            inside = line == heading;
        } else if inside && line.starts_with("| `") {
            let cell = line.split('|').nth(1).unwrap_or("");
            let methods = code_spans(cell).into_iter().map(|name| name.rsplit("::").next().unwrap_or(name)).collect();
            found.push(Row { line: index + 1, methods, text: line });
        }
    }
    found
}

/// The names of `errno.h` in a text, but for EBADF, which is said once for all calls.
fn errnos(text: &str) -> Vec<&str> {
    let is_errno = |name: &&str| {
        name.len() > 2
            && name.starts_with('E')
            && *name != "EBADF"
            && name.chars().all(|char| char.is_ascii_uppercase() || char.is_ascii_digit())
    };
    code_spans(text).into_iter().filter(is_errno).collect()
}

fn a_section_names_all(page: &Source, heading: &str, methods: &[Method], errors: bool) -> Vec<Breach> {
    let rows = rows(page, heading);
    let mut found = Vec::new();
    for row in &rows {
        for name in row.methods.iter().filter(|name| !methods.iter().any(|method| method.name == **name) && **name != "channel") {
            found.push(breach(page, row.line, format!("there is no method `{name}`")));
        }
    }
    for method in methods.iter().filter(|method| !UNSAID.contains(&method.name.as_str()) || errors) {
        let named: Vec<&Row> = rows.iter().filter(|row| row.methods.contains(&method.name.as_str())).collect();
        // Two types of one section may have a method of the same name.
        let wanted = methods.iter().filter(|other| other.name == method.name).count();
        if named.len() != wanted {
            found.push(breach(
                page,
                1,
                format!("`{}` has {} rows in {heading}, and should have {wanted}", method.name, named.len()),
            ));
        }
        if let Some(row) = named.first().filter(|_| errors) {
            let call = method.docs.split('`').find(|span| span.ends_with("(2)") || span.ends_with("(3)"));
            if let Some(call) = call.filter(|call| !row.text.contains(*call)) {
                found.push(breach(page, row.line, format!("the documentation of `{}` names {call}", method.name)));
            }
            let refers = row.text.contains("those of") || row.text.contains("the same");
            for errno in errnos(&method.docs).into_iter().filter(|errno| !refers && !row.text.contains(&format!("`{errno}`"))) {
                found.push(breach(page, row.line, format!("the documentation of `{}` names {errno}", method.name)));
            }
        }
    }
    found
}

#[test]
fn every_call_has_its_row_in_the_book() {
    let pages = house("api.md");
    let page = pages.first().expect("the page of calls is there");
    let mut found = Vec::new();
    for Section { heading, file, blocks, errors } in &SECTIONS {
        let source = SOURCES.iter().find(|source| source.path == *file).expect("the file is there");
        let methods = methods(source, blocks);
        assert!(methods.len() > 4, "{file} has methods");
        found.extend(a_section_names_all(page, heading, &methods, *errors));
    }
    assert_none(&found);
}

#[test]
fn a_planted_call_is_found() {
    let source = Source::new(
        "src/api.rs",
        "pub trait SocketApi {\n    /// Binds, `bind(2)`.\n    ///\n    /// # Errors\n    /// `EINVAL`.\n    fn bind(&self);\n    /// Not there.\n    fn gone(&self) {}\n}\n",
    );
    let page = Source::new(
        "docs/src/api.md",
        "## SocketApi\n| `bind` | `connect(2)` | | `EPERM` |\n| `made_up` | | | |\n## Socket\n| `gone` | | | |\n",
    );
    let methods = methods(&source, &["pub trait SocketApi"]);
    let found = a_section_names_all(&page, "## SocketApi", &methods, true);
    let lines: Vec<usize> = found.iter().map(|breach| breach.line).collect();
    assert_eq!(lines, [3, 2, 2, 1], "{found:?}");
}
