//! What a step answered, or must answer, and when two answers agree.

use super::value::{Read, expected};
use serde_json::{Map, Value, json};

/// The answer of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// The call raised SIGPIPE.
    pub sigpipe: bool,
    /// Of a timed step: whether its duration lay in the window.
    pub in_time: Option<bool>,
    /// Of a timed step outside its window: the duration.
    pub ms: Option<u64>,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The call succeeded with this value.
    Ok(Value),
    /// It failed with the errno of this name.
    Errno(String),
    /// It had not returned in time.
    Blocks,
    /// The step could not be made, for this reason: never what a case expects.
    Fault(String),
}

/// How numbers are compared in a case whose numbers depend on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loose {
    /// Amounts of data that fit into buffers: anything from one byte to this bound.
    Sizes(u64),
    /// Other integers: within a factor of 2.
    Factor,
}

impl From<Value> for Outcome {
    fn from(value: Value) -> Outcome {
        Outcome::new(End::Ok(value))
    }
}

impl Outcome {
    /// An answer without SIGPIPE, untimed.
    pub(crate) fn new(end: End) -> Outcome {
        Outcome { end, sigpipe: false, in_time: None, ms: None }
    }

    /// Reads a result of a case; `null` is none.
    pub(crate) fn read_optional(value: &Value) -> Read<Option<Outcome>> {
        if value.is_null() { Ok(None) } else { Outcome::read(value).map(Some) }
    }

    fn read(value: &Value) -> Read<Outcome> {
        const WHAT: &str = "a result: one of \"ok\", \"errno\", \"blocks\", with \"sigpipe\", \"in_time\" or \"ms\"";
        let Some(fields) = value.as_object() else { return expected(WHAT, value) };
        let mut ends = Vec::new();
        let mut outcome = Outcome::new(End::Blocks);
        for (name, inner) in fields {
            match (name.as_str(), inner.as_str(), inner.as_bool()) {
                ("ok", _, _) => ends.push(End::Ok(inner.clone())),
                ("errno", Some(errno), _) => ends.push(End::Errno(errno.to_owned())),
                ("blocks", _, Some(true)) => ends.push(End::Blocks),
                ("sigpipe", _, Some(raised)) => outcome.sigpipe = raised,
                ("in_time", _, Some(in_time)) => outcome.in_time = Some(in_time),
                ("ms", _, _) => outcome.ms = inner.as_u64(),
                _ => return expected(WHAT, value),
            }
        }
        match (ends.pop(), ends.pop()) {
            (Some(end), None) => Ok(Outcome { end, ..outcome }),
            _ => expected(WHAT, value),
        }
    }

    /// The answer as a case file writes it.
    pub(crate) fn to_json(&self) -> Value {
        let mut fields = Map::new();
        match &self.end {
            End::Ok(value) => fields.insert("ok".to_owned(), value.clone()),
            End::Errno(name) => fields.insert("errno".to_owned(), json!(name)),
            End::Blocks => fields.insert("blocks".to_owned(), json!(true)),
            End::Fault(why) => fields.insert("fault".to_owned(), json!(why)),
        };
        if self.sigpipe {
            fields.insert("sigpipe".to_owned(), json!(true));
        }
        if let Some(in_time) = self.in_time {
            fields.insert("in_time".to_owned(), json!(in_time));
        }
        if let Some(ms) = self.ms {
            fields.insert("ms".to_owned(), json!(ms));
        }
        Value::Object(fields)
    }

    /// Whether `got` is what this says; with `loose`, as far as a case asks whose numbers depend on the machine.
    pub(crate) fn agrees(&self, got: &Outcome, loose: Option<Loose>) -> bool {
        if self.sigpipe != got.sigpipe || self.in_time != got.in_time {
            return false;
        }
        match (&self.end, &got.end) {
            (End::Ok(want), End::Ok(got)) => alike(want, got, loose),
            (End::Errno(want), End::Errno(got)) => want == got || canonical(want) == canonical(got),
            (End::Blocks, End::Blocks) => true,
            (End::Ok(_) | End::Errno(_) | End::Blocks | End::Fault(_), _) => false,
        }
    }
}

/// The one name of an errno that has two.
fn canonical(name: &str) -> &str {
    match name {
        "EWOULDBLOCK" => "EAGAIN",
        "ENOTSUP" => "EOPNOTSUPP",
        name => name,
    }
}

fn alike(want: &Value, got: &Value, loose: Option<Loose>) -> bool {
    if want == got {
        return true;
    }
    if let (Some(want), Some(got)) = (want.as_str(), got.as_str()) {
        return same_mask(want, got);
    }
    if let (Some(want), Some(got)) = (want.as_array(), got.as_array()) {
        return want.len() == got.len() && want.iter().zip(got).all(|(want, got)| alike(want, got, loose));
    }
    if is_stored_whole(want, got) || is_stored_whole(got, want) {
        return true;
    }
    let Some(loose) = loose else {
        // Strict, but a mask inside an object may still be written in another order.
        return objects_alike(want, got, None);
    };
    if let (Some(want), Some(got)) = (want.as_i64(), got.as_i64()) {
        return numbers_alike(want, got, loose);
    }
    if let (Some(want), Some(got)) = (amount(want), amount(got)) {
        return numbers_alike(want, got, loose);
    }
    objects_alike(want, got, Some(loose))
}

fn objects_alike(want: &Value, got: &Value, loose: Option<Loose>) -> bool {
    let (Some(want), Some(got)) = (want.as_object(), got.as_object()) else { return false };
    // An empty count of errors may be left out.
    let told = |name: &str, value: &Value| name != "errors" || value.as_object().is_none_or(|errors| !errors.is_empty());
    let names = |fields: &Map<String, Value>| fields.iter().filter(|(name, value)| told(name, value)).count();
    // How many calls an amount takes depends on how it came.
    let how = |name: &str| if name == "calls" { loose.map(|_| Loose::Sizes(u64::MAX)) } else { loose };
    names(want) == names(got)
        && want
            .iter()
            .filter(|(name, value)| told(name, value))
            .all(|(name, want)| got.get(name).is_some_and(|got| alike(want, got, how(name))))
}

/// Whether `data` says the same as `stored`, the form that MSG_TRUNC has: a length, and what was stored, which is all of it.
fn is_stored_whole(data: &Value, stored: &Value) -> bool {
    let (Some(text), Some(fields)) = (data.as_str(), stored.as_object()) else { return false };
    let stored = fields.get("stored").and_then(Value::as_str);
    fields.len() == 2
        && stored == Some(text)
        && fields.get("n").and_then(Value::as_u64) == u64::try_from(text.chars().count()).ok()
}

/// How many bytes data is: `{"n": N}`, or a string.
fn amount(data: &Value) -> Option<i64> {
    match data.as_str() {
        Some(text) => i64::try_from(text.chars().count()).ok(),
        None => data.as_object().filter(|fields| fields.len() == 1)?.get("n")?.as_i64(),
    }
}

fn numbers_alike(want: i64, got: i64, loose: Loose) -> bool {
    if want == got {
        return true;
    }
    if want <= 0 || got <= 0 {
        return false;
    }
    match loose {
        Loose::Sizes(bound) => got.unsigned_abs() <= bound,
        Loose::Factor => want.max(got) <= 2 * want.min(got),
    }
}

/// Whether two texts are masks of the same bits.
fn same_mask(want: &str, got: &str) -> bool {
    let is_mask =
        |text: &str| text.split('|').all(|part| ["POLL", "EPOLL", "MSG_", "O_"].iter().any(|prefix| part.starts_with(prefix)));
    if !is_mask(want) || !is_mask(got) {
        return false;
    }
    let (mut want, mut got): (Vec<&str>, Vec<&str>) = (want.split('|').collect(), got.split('|').collect());
    want.sort_unstable();
    got.sort_unstable();
    want == got
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(want: Value, got: Value, loose: Option<Loose>) -> bool {
        let read = |value| Outcome::read(&value).expect("the result is well formed");
        read(want).agrees(&read(got), loose)
    }

    #[test]
    fn answers_agree_when_they_are_equal() {
        assert!(agree(json!({"ok": 0}), json!({"ok": 0}), None));
        assert!(agree(json!({"errno": "EWOULDBLOCK"}), json!({"errno": "EAGAIN"}), None));
        assert!(agree(json!({"ok": "POLLIN|POLLOUT"}), json!({"ok": "POLLOUT|POLLIN"}), None));
        assert!(agree(json!({"ok": [["a", "EPOLLIN|EPOLLET"]]}), json!({"ok": [["a", "EPOLLET|EPOLLIN"]]}), None));
        assert!(agree(json!({"ok": "he"}), json!({"ok": {"n": 2, "stored": "he"}}), None));
        assert!(!agree(json!({"ok": "he"}), json!({"ok": {"n": 5, "stored": "he"}}), None));
        assert!(!agree(json!({"ok": "POLLIN"}), json!({"ok": "0"}), None));
        assert!(!agree(json!({"errno": "EPIPE", "sigpipe": true}), json!({"errno": "EPIPE"}), None));
        assert!(!agree(json!({"ok": 4608}), json!({"ok": 4609}), None));
        assert!(!agree(json!({"blocks": true}), json!({"ok": 0}), None));
    }

    #[test]
    fn numbers_of_the_machine_are_compared_loosely() {
        assert!(agree(json!({"ok": 4608}), json!({"ok": 9216}), Some(Loose::Factor)));
        assert!(!agree(json!({"ok": 4608}), json!({"ok": 9217}), Some(Loose::Factor)));
        assert!(!agree(json!({"ok": 0}), json!({"ok": 1}), Some(Loose::Factor)));
        let fill = |n: u32| json!({"ok": {"n": n, "calls": n / 1000, "errno": "EAGAIN"}});
        assert!(agree(fill(93_000), fill(9_000), Some(Loose::Sizes(400_000))));
        assert!(!agree(fill(93_000), fill(500_000), Some(Loose::Sizes(400_000))));
        assert!(agree(json!({"ok": {"n": 100}}), json!({"ok": "abc"}), Some(Loose::Sizes(400_000))));
        assert!(!agree(json!({"ok": 1}), json!({"errno": "EAGAIN"}), Some(Loose::Factor)));
    }

    #[test]
    fn a_result_has_one_end() {
        assert!(Outcome::read(&json!({"ok": 0, "errno": "EPIPE"})).is_err());
        assert!(Outcome::read(&json!({"sigpipe": true})).is_err());
        assert!(Outcome::read(&json!({"okay": 1})).is_err());
        assert_eq!(Outcome::read_optional(&json!(null)), Ok(None));
    }
}
