//! Reading source text: tokens without comments, strings and lifetimes; the paths that a file names; code spans of a page.
//!
//! This is not a parser. It knows just enough of Rust to tell code from prose, to unfold `use` trees, and to see which module a
//! `super::` leaves.

/// One file of the house.
pub struct Source {
    /// Its path from the root.
    pub path: String,
    /// All of its text.
    pub text: String,
    /// Its code; empty unless it is a `.rs` file.
    pub tokens: Vec<Token>,
}

/// A word, a number, `::`, or one character of punctuation.
pub struct Token {
    pub text: String,
    pub line: usize,
    /// Whether it stands in a module under `#[cfg(test)]`, or in a file of tests.
    pub test: bool,
    /// The inline modules around it.
    inside: Vec<String>,
}

/// A path as code names it, with `use` trees unfolded.
pub struct NamedPath {
    pub names: Vec<String>,
    pub line: usize,
    pub test: bool,
    inside: Vec<String>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let code = if path.ends_with(".rs") { code_of(text) } else { String::new() };
        let mut tokens = tokens_of(&code);
        mark_modules(&mut tokens);
        if path.ends_with("tests.rs") || path.contains("/tests/") {
            tokens.iter_mut().for_each(|token| token.test = true);
        }
        Source { path: path.to_owned(), text: text.to_owned(), tokens }
    }

    /// Every path of at least two names. A member of a `use` tree is found twice, with the tree's stem and without it.
    pub fn paths(&self) -> Vec<NamedPath> {
        let mut found = Vec::new();
        for (index, token) in self.tokens.iter().enumerate() {
            let starts =
                is_word(&token.text) && self.text_at(index + 1) == "::" && (index == 0 || self.text_at(index - 1) != "::");
            if starts {
                self.unfold(index, &[], &mut found);
            }
        }
        found
    }

    /// The paths into this crate, each from the crate's root, whether written with `crate`, `self` or `super`.
    pub fn crate_paths(&self) -> Vec<NamedPath> {
        let file = module_of(&self.path);
        let mut found = Vec::new();
        for mut path in self.paths() {
            let mut base: Vec<String> = file.iter().chain(&path.inside).cloned().collect();
            match path.names[0].as_str() {
                "crate" => base.clear(),
                "self" | "super" => {}
                _ => continue,
            }
            for name in path.names.drain(..) {
                match name.as_str() {
                    "crate" | "self" => {}
                    "super" => drop(base.pop()),
                    _ => base.push(name),
                }
            }
            path.names = base;
            found.push(path);
        }
        found
    }

    /// The names of all functions.
    pub fn functions(&self) -> Vec<&str> {
        let pairs = self.tokens.windows(2);
        pairs.filter(|pair| pair[0].text == "fn").map(|pair| pair[1].text.as_str()).collect()
    }

    fn text_at(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| token.text.as_str())
    }

    /// Follows the path or `use` tree that starts at `index`; returns where it ends.
    fn unfold(&self, mut index: usize, prefix: &[String], found: &mut Vec<NamedPath>) -> usize {
        let mut names = prefix.to_vec();
        let start = &self.tokens[index];
        loop {
            if self.text_at(index) == "{" {
                index += 1;
                while index < self.tokens.len() && self.text_at(index) != "}" {
                    index = if self.text_at(index) == "," { index + 1 } else { self.unfold(index, &names, found).max(index + 1) };
                }
                return index + 1;
            }
            if !is_word(self.text_at(index)) && self.text_at(index) != "*" {
                break;
            }
            names.push(self.text_at(index).to_owned());
            index += 1;
            if self.text_at(index) != "::" {
                break;
            }
            index += 1;
        }
        if !names.is_empty() {
            found.push(NamedPath { names, line: start.line, test: start.test, inside: start.inside.clone() });
        }
        index
    }
}

/// The module that a file is: `["tcp", "input"]` for `sim/src/tcp/input.rs`.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.split_once("src/").map_or(path, |(_, inside)| inside);
    let names = inside.strip_suffix(".rs").unwrap_or(inside).split('/');
    names.filter(|name| !["lib", "mod", "main"].contains(name)).map(str::to_owned).collect()
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// `text` with comments, strings, character literals and lifetimes blanked out, line for line.
pub fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = prose_len(rest, code.chars().next_back());
        if len == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..len].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[len..];
        }
    }
    code
}

/// How long the comment, string, character or lifetime at the start of `rest` is; 0 if code stands there.
fn prose_len(rest: &str, before: Option<char>) -> usize {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_len(rest);
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        return 1 + quoted_len(quoted, '"');
    }
    if rest.starts_with('\'') {
        return quote_len(rest);
    }
    let prefix = rest.len() - rest.trim_start_matches(['r', 'b', 'c']).len();
    if in_word || prefix == 0 || prefix > 2 {
        return 0;
    }
    let hashes = rest[prefix..].len() - rest[prefix..].trim_start_matches('#').len();
    if rest[prefix + hashes..].starts_with('"') && rest[..prefix].contains('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        let start = prefix + hashes + 1;
        return rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len());
    }
    let is_quoted = hashes == 0 && rest[prefix..].starts_with(['"', '\'']);
    if is_quoted { prefix + prose_len(&rest[prefix..], None) } else { 0 }
}

fn block_comment_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let tail = &rest[at..];
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of what follows an opening quote, the closing one included.
fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// A character literal, or a lifetime.
fn quote_len(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    let (first, second) = (chars.next(), chars.next());
    let is_char = first == Some('\\') || second == Some('\'');
    if is_char {
        return 1 + quoted_len(&rest[1..], '\'');
    }
    let name = rest[1..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len() - 1);
    1 + name
}

fn tokens_of(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let len = if is_word(rest) {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(Token { text: rest[..len].to_owned(), line: index + 1, test: false, inside: Vec::new() });
            rest = rest[len..].trim_start();
        }
    }
    tokens
}

/// Tells each token which inline modules it stands in, and whether one of them is for tests only.
fn mark_modules(tokens: &mut [Token]) {
    let mut depth = 0_usize;
    let mut open: Vec<(usize, String, bool)> = Vec::new();
    let mut cfg_test = false;
    for index in 0..tokens.len() {
        let at = |offset: usize| tokens.get(index + offset).map_or("", |token| token.text.as_str());
        let is_cfg_test = at(0) == "cfg" && at(1) == "(" && at(2) == "test" && at(3) == ")";
        let opens_module = at(0) == "mod" && at(2) == "{";
        cfg_test |= is_cfg_test;
        if opens_module {
            open.push((depth, at(1).to_owned(), cfg_test));
        }
        match at(0) {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if open.last().is_some_and(|(at, _, _)| *at == depth) {
                    open.pop();
                }
            }
            _ => {}
        }
        if [";", "{", "}"].contains(&at(0)) || opens_module {
            cfg_test = false;
        }
        tokens[index].inside = open.iter().map(|(_, name, _)| name.clone()).collect();
        tokens[index].test = open.iter().any(|(_, _, test)| *test);
    }
}

/// What stands between backticks in a line.
pub fn code_spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// Whether a code span names a file or folder of the repository.
pub fn claims_a_file(name: &str) -> bool {
    let is_path = name.chars().all(|c| c.is_alphanumeric() || "._-/".contains(c));
    let starts = ["src/", "sim/", "tests/", "docs/", "fuzz/", ".ci/"];
    is_path && starts.iter().any(|start| name.starts_with(start))
}

/// Where the relative links of a line lead, without what follows `#`.
pub fn links(line: &str) -> Vec<&str> {
    let ends = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let paths = ends.map(|(link, _)| link.split('#').next().unwrap_or(link));
    paths.filter(|path| !path.is_empty() && !path.contains("://") && !path.contains('`')).collect()
}
