//! A case file: one JSON object a line. Reading it gives typed cases, and for each line that is not one, its place and what was expected.

use super::op::Op;
use super::outcome::Outcome;
use super::value::{Read, expected, shown};
use serde_json::{Map, Value};
use std::fmt;

/// A recorded behaviour: steps, and what each must answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name, unique in its set.
    pub id: String,
    /// The group that it is counted in.
    pub group: String,
    /// The steps; the last one is the operation that the case is about.
    pub steps: Vec<Op>,
    /// What each step must answer; `None`: not checked here.
    pub expect: Vec<Option<Outcome>>,
    /// Needs a network of its own whose only interface is `lo`.
    pub lo_only: bool,
    /// Runs as this user and group.
    pub uid: Option<u32>,
    /// Holds for a privileged user, or changes who the user is.
    pub root: bool,
    /// Numbers depend on the machine: compared loosely.
    pub env: bool,
    /// Sends signals to threads.
    pub signals: bool,
    /// Its outcome on a kernel hangs on real time: on what has or has not happened after so many milliseconds.
    pub timed: bool,
    /// The line it was read from.
    pub line: String,
}

/// A line of a case file that is not a case.
///
/// ```
/// use twinsock_sim::conform::{ConformArgs, Side, conform};
/// let path = std::env::temp_dir().join(format!("twinsock-doc-cases-{}", std::process::id()));
/// std::fs::write(&path, "no case\n").unwrap();
/// let args = ConformArgs { cases: vec![path.clone()], sides: vec![Side::Sim], ..ConformArgs::default() };
/// let (_, malformed) = conform(&args).unwrap();
/// assert_eq!(malformed[0].line, 1);
/// # std::fs::remove_file(path).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Reads what a case file holds; empty lines are left out.
pub fn read_file(file: &str, bytes: &[u8], cases: &mut Vec<Case>, errors: &mut Vec<Malformed>) {
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let text = std::str::from_utf8(line).map_err(|error| {
            let at = error.valid_up_to();
            format!("expected a JSON object on one line, in UTF-8: byte {at} of the line is 0x{:02x}", line[at])
        });
        match text.map(str::trim).and_then(|text| if text.is_empty() { Ok(None) } else { Case::read(text).map(Some) }) {
            Ok(case) => cases.extend(case),
            Err(what) => errors.push(Malformed { file: file.to_owned(), line: index + 1, what }),
        }
    }
}

impl Case {
    /// Reads a line of a case file.
    ///
    /// # Errors
    /// A sentence that says where in the case what was expected.
    pub(crate) fn read(line: &str) -> Read<Case> {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("expected a JSON object on one line: {error}"))?;
        let Some(fields) = value.as_object() else { return expected("a case: a JSON object", &value) };
        let id = text(fields, "id")?;
        Case::read_fields(fields, line).map_err(|what| format!("case {id}: {what}"))
    }

    /// A step as the case file writes it.
    pub(crate) fn step_text(&self, step: usize) -> String {
        let value: Value = serde_json::from_str(&self.line).unwrap_or_default();
        let op =
            if step + 1 == self.steps.len() { value.get("op") } else { value.get("setup").and_then(|setup| setup.get(step)) };
        op.map(Value::to_string).unwrap_or_default()
    }

    fn read_fields(fields: &Map<String, Value>, line: &str) -> Read<Case> {
        one_of(fields, "family", &["inet", "inet6", "unix"])?;
        one_of(fields, "type", &["stream", "dgram", "seqpacket"])?;
        let mut steps = Vec::new();
        for (index, op) in list(fields, "setup")?.iter().enumerate() {
            steps.push(Op::read(op).map_err(|what| format!("setup[{index}]: {what}"))?);
        }
        steps.push(Op::read(field(fields, "op")?).map_err(|what| format!("op: {what}"))?);
        let mut expect = Vec::new();
        for (index, result) in list(fields, "setup_expect")?.iter().enumerate() {
            expect.push(Outcome::read_optional(result).map_err(|what| format!("setup_expect[{index}]: {what}"))?);
        }
        expect.push(Outcome::read_optional(field(fields, "expect")?).map_err(|what| format!("expect: {what}"))?);
        if steps.len() != expect.len() {
            return Err(format!(
                "setup_expect: expected {} results, one for each step, found {}",
                steps.len() - 1,
                expect.len() - 1
            ));
        }
        let tags = list(fields, "tags")?;
        let tagged = |tag: &str| tags.iter().any(|value| value.as_str() == Some(tag));
        Ok(Case {
            id: text(fields, "id")?,
            group: text(fields, "group")?,
            steps,
            expect,
            lo_only: fields.contains_key("requires") && one_of(fields, "requires", &["lo_only"])?,
            uid: read_uid(fields)?,
            root: tagged("root"),
            env: tagged("env"),
            signals: tagged("signals"),
            timed: ["blocks", "threads", "signals", "slow"].into_iter().any(tagged),
            line: line.to_owned(),
        })
    }
}

fn read_uid(fields: &Map<String, Value>) -> Read<Option<u32>> {
    match fields.get("uid") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().and_then(|uid| u32::try_from(uid).ok()) {
            Some(uid) => Ok(Some(uid)),
            None => expected("uid: a user id", value),
        },
    }
}

fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Read<&'a Value> {
    fields.get(name).ok_or_else(|| format!("expected a field \"{name}\""))
}

fn text(fields: &Map<String, Value>, name: &str) -> Read<String> {
    let value = field(fields, name)?;
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{name}: expected a string, found {}", shown(value)))
}

fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Read<&'a Vec<Value>> {
    let value = field(fields, name)?;
    value.as_array().ok_or_else(|| format!("{name}: expected a list, found {}", shown(value)))
}

fn one_of(fields: &Map<String, Value>, name: &str, known: &[&str]) -> Read<bool> {
    let value = text(fields, name)?;
    if known.contains(&value.as_str()) {
        Ok(true)
    } else {
        Err(format!("{name}: expected {}, found \"{value}\"", known.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id":"a","group":"g","family":"inet","type":"stream","setup":[["socket","x","inet","stream"]],"setup_expect":[null],"op":["close","x"],"expect":{"ok":0},"tags":["env"],"note":""}"#;

    #[test]
    fn a_malformed_line_is_named_and_the_others_are_read() {
        let bad_op = GOOD.replace("close", "shatter");
        let bad_flag = GOOD.replace(r#"["close","x"]"#, r#"["recv","x",1,"MSG_NONE"]"#);
        let short = GOOD.replace("[null]", "[]");
        let text = format!("{GOOD}\nnonsense\n\n{bad_op}\n{bad_flag}\n[1]\n{short}\n{{}}\n");
        let (mut cases, mut errors) = (Vec::new(), Vec::new());
        read_file("f.jsonl", text.as_bytes(), &mut cases, &mut errors);
        assert_eq!(cases.len(), 1);
        assert!(cases[0].env && !cases[0].root && cases[0].steps.len() == 2);
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(errors[0].starts_with("f.jsonl:2: expected a JSON object on one line: "), "{}", errors[0]);
        assert_eq!(errors[1], "f.jsonl:4: case a: op: unknown operation `shatter`");
        assert_eq!(errors[2], "f.jsonl:5: case a: op: recv: argument 3: unknown flag `MSG_NONE`");
        assert_eq!(errors[3], "f.jsonl:6: expected a case: a JSON object, found [1]");
        assert_eq!(errors[4], "f.jsonl:7: case a: setup_expect: expected 1 results, one for each step, found 0");
        assert_eq!(errors[5], "f.jsonl:8: expected a field \"id\"");
        assert_eq!(errors.len(), 6);
    }
}
