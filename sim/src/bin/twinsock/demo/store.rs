//! What the server keeps, and what each request does to it. No socket, thread or clock: the same store answers the requests of both
//! worlds, and, with no network at all, those of the reference that both are compared with.

use super::protocol::{Reply, Request};
use std::collections::BTreeMap;

/// How long a value may get.
pub const VALUE_MAX_BYTES: usize = 64 * 1024;

/// Values by key, in order.
#[derive(Debug, Default)]
pub struct Store {
    values: BTreeMap<String, Vec<u8>>,
}

impl Store {
    /// Does what is asked and says what came of it.
    pub fn apply(&mut self, request: Request) -> Reply {
        match request {
            Request::Ping => Reply::Pong,
            Request::Set { key, value } => {
                self.values.insert(key, value);
                Reply::Ok
            }
            Request::Get { key } => self.values.get(&key).cloned().map_or(Reply::Nothing, Reply::Value),
            Request::Del { keys } => Reply::count(keys.iter().filter(|key| self.values.remove(*key).is_some()).count()),
            Request::Append { key, value } => self.append(key, &value),
            Request::Strlen { key } => Reply::count(self.values.get(&key).map_or(0, Vec::len)),
            Request::Incr { key, by } => self.add(key, by).map_or_else(|error| error, Reply::Int),
            Request::Add { key, by } => self.add(key, by).map_or_else(|error| error, |_| Reply::Ok),
            Request::Cas { key, old, new } => self.compare_and_set(&key, &old, new),
            Request::Keys { prefix } => Reply::Keys(self.with_prefix(&prefix).cloned().collect()),
            Request::Count { prefix } => Reply::count(self.with_prefix(&prefix).count()),
            Request::Quit | Request::Shutdown => Reply::Ok,
        }
    }

    fn append(&mut self, key: String, value: &[u8]) -> Reply {
        let len = self.values.get(&key).map_or(0, Vec::len) + value.len();
        if len > VALUE_MAX_BYTES {
            return Reply::Error(format!("a value of {len} bytes, more than {VALUE_MAX_BYTES}"));
        }
        self.values.entry(key).or_default().extend_from_slice(value);
        Reply::count(len)
    }

    fn add(&mut self, key: String, by: i64) -> Result<i64, Reply> {
        let number = match self.values.get(&key) {
            None => 0,
            Some(value) => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<i64>().ok())
                .ok_or_else(|| Reply::Error("the value is not a number".to_owned()))?,
        };
        let sum = number.checked_add(by).ok_or_else(|| Reply::Error("the sum does not fit into 64 bits".to_owned()))?;
        self.values.insert(key, sum.to_string().into_bytes());
        Ok(sum)
    }

    fn compare_and_set(&mut self, key: &str, old: &[u8], new: Vec<u8>) -> Reply {
        match self.values.get_mut(key) {
            None => Reply::Nothing,
            Some(value) if value == old => {
                *value = new;
                Reply::Ok
            }
            Some(_) => Reply::Conflict,
        }
    }

    fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a String> {
        self.values.range(prefix.to_owned()..).map(|(key, _)| key).take_while(move |key| key.starts_with(prefix))
    }
}

impl Reply {
    fn count(count: usize) -> Reply {
        Reply::Int(i64::try_from(count).expect("a count of things in memory fits into 63 bits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers to these lines, asked of one store.
    fn answers(lines: &[&str]) -> Vec<String> {
        let mut store = Store::default();
        let ask =
            |line: &&str| Request::parse(line.as_bytes()).map_or_else(Reply::from, |request| store.apply(request)).to_string();
        lines.iter().map(ask).collect()
    }

    #[test]
    fn a_value_is_kept_until_it_is_replaced_or_removed() {
        let lines = ["GET a", "SET a 1", "GET a", "SET a 2", "GET a", "DEL a b", "GET a"];
        assert_eq!(answers(&lines), ["NOTHING", "OK", "VALUE 1", "OK", "VALUE 2", "INT 1", "NOTHING"]);
    }

    #[test]
    fn numbers_add_up_and_other_values_do_not() {
        let lines = ["INCR n", "INCR n 41", "ADD n -2", "GET n", "SET n x", "INCR n", "SET n 9223372036854775807", "ADD n 1"];
        let expected = ["INT 1", "INT 42", "OK", "VALUE 40", "OK", "ERR the value is not a number", "OK"];
        assert_eq!(answers(&lines)[..7], expected);
        assert_eq!(answers(&lines)[7], "ERR the sum does not fit into 64 bits");
    }

    #[test]
    fn append_adds_to_the_end_and_counts_bytes() {
        assert_eq!(answers(&["APPEND a xy", "APPEND a z", "STRLEN a", "STRLEN b"]), ["INT 2", "INT 3", "INT 3", "INT 0"]);
    }

    #[test]
    fn compare_and_set_stores_only_over_the_value_it_expects() {
        let lines = ["CAS a 1 2", "SET a 1", "CAS a 1 2", "CAS a 1 3", "GET a"];
        assert_eq!(answers(&lines), ["NOTHING", "OK", "OK", "CONFLICT", "VALUE 2"]);
    }

    #[test]
    fn keys_come_in_order_and_by_prefix() {
        let lines = ["SET b/2 x", "SET a x", "SET b/1 x", "KEYS b/", "COUNT", "KEYS c"];
        assert_eq!(answers(&lines)[3..], ["KEYS 2 b/1 b/2", "INT 3", "KEYS 0"]);
    }
}
