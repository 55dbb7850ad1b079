//! The arguments of one operation, taken one after the other; every failure says which argument and what was expected.

use super::names;
use super::op::{Op, Step};
use super::value::{HandleRef, Read, expected, small};
use serde_json::Value;

/// What is left of an operation's array.
pub struct Args<'a> {
    op: &'a str,
    rest: &'a [Value],
    /// How many were taken.
    taken: usize,
}

impl<'a> Args<'a> {
    /// The arguments of operation `op`.
    pub(crate) fn new(op: &'a str, rest: &'a [Value]) -> Args<'a> {
        Args { op, rest, taken: 0 }
    }

    /// The operation's name.
    pub(crate) fn op(&self) -> &'a str {
        self.op
    }

    /// Whether there is another argument.
    pub(crate) fn has_more(&self) -> bool {
        !self.rest.is_empty()
    }

    fn take(&mut self, what: &str) -> Read<&'a Value> {
        self.taken += 1;
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                Ok(first)
            }
            None => Err(format!("{}: argument {}: expected {what}, found nothing", self.op, self.taken)),
        }
    }

    fn explain<T>(&self, read: Read<T>) -> Read<T> {
        read.map_err(|what| format!("{}: argument {}: {what}", self.op, self.taken))
    }

    /// The next argument, by `read`.
    pub(crate) fn read<T>(&mut self, read: impl FnOnce(&Value) -> Read<T>) -> Read<T> {
        let value = self.take("an argument")?;
        self.explain(read(value))
    }

    fn parsed<T>(&mut self, what: &str, parse: impl FnOnce(&Value) -> Option<T>) -> Read<T> {
        let value = self.take(what)?;
        self.explain(parse(value).map_or_else(|| expected(what, value), Ok))
    }

    /// A name to be given.
    pub(crate) fn name(&mut self) -> Read<String> {
        self.parsed("a name", |value| value.as_str().map(str::to_owned))
    }

    /// A handle to be used.
    pub(crate) fn handle(&mut self) -> Read<HandleRef> {
        let value = self.take("a handle")?;
        self.explain(HandleRef::read(value))
    }

    /// A number, or a name that stands for one.
    pub(crate) fn named(&mut self, what: &str, number: impl FnOnce(&str) -> Option<i32>) -> Read<i32> {
        self.parsed(what, |value| value.as_str().map_or_else(|| small(value), number))
    }

    /// An int.
    pub(crate) fn int(&mut self) -> Read<i32> {
        self.parsed("an int", small)
    }

    /// An int, if there is another argument that is not null.
    pub(crate) fn int_if(&mut self) -> Read<Option<i32>> {
        if self.skip_missing() { Ok(None) } else { self.int().map(Some) }
    }

    /// An int, or `default` if there is none.
    pub(crate) fn int_or(&mut self, default: i32) -> Read<i32> {
        Ok(self.int_if()?.unwrap_or(default))
    }

    /// A number of bytes or of things.
    pub(crate) fn size(&mut self) -> Read<usize> {
        self.parsed("a size", |value| value.as_u64().and_then(|n| usize::try_from(n).ok()))
    }

    /// A size, if there is another argument that is not null.
    pub(crate) fn size_if(&mut self) -> Read<Option<usize>> {
        if self.skip_missing() { Ok(None) } else { self.size().map(Some) }
    }

    /// A number that is not negative.
    pub(crate) fn u64(&mut self) -> Read<u64> {
        self.parsed("a number", Value::as_u64)
    }

    /// A number that is not negative, or `default` if there is none.
    pub(crate) fn u64_or(&mut self, default: u64) -> Read<u64> {
        if self.skip_missing() { Ok(default) } else { self.u64() }
    }

    /// A user id or a mode.
    pub(crate) fn u32(&mut self) -> Read<u32> {
        self.parsed("a number", |value| value.as_u64().and_then(|n| u32::try_from(n).ok()))
    }

    /// A boolean, or `default` if there is none.
    pub(crate) fn bool_or(&mut self, default: bool) -> Read<bool> {
        if self.skip_missing() {
            return Ok(default);
        }
        self.parsed("true or false", |value| value.as_bool().or_else(|| value.as_i64().map(|n| n != 0)))
    }

    /// Flags whose names begin with `prefix`, or a number; none if there is no further argument.
    pub(crate) fn flags(&mut self, prefix: &str) -> Read<i32> {
        if self.skip_missing() {
            return Ok(0);
        }
        self.read(|value| match value.as_str() {
            Some(text) => names::mask(text, prefix).map_err(|part| format!("unknown flag `{part}`")),
            None => small(value).map_or_else(|| expected("flags", value), Ok),
        })
    }

    /// A call: an array of its own, or the rest of this one.
    pub(crate) fn nested_step(&mut self) -> Read<Step> {
        let (array, rest) = match self.rest.split_first() {
            Some((first, rest)) if first.is_array() => (first.clone(), rest),
            Some(_) | None => (Value::from(self.rest.to_vec()), [].as_slice()),
        };
        self.rest = rest;
        self.taken += 1;
        self.explain(Op::read(&array).and_then(|op| match op {
            Op::Call(step) => Ok(step),
            Op::Spawn { .. } | Op::Join { .. } | Op::Interrupt { .. } | Op::SamePort { .. } | Op::Eq { .. } | Op::Act(_) => {
                let name = array.get(0).and_then(Value::as_str).unwrap_or_default();
                Err(format!("expected a call, found {name}"))
            }
        }))
    }

    /// There must be no further argument.
    pub(crate) fn end(&self) -> Read<()> {
        match self.rest.first() {
            None => Ok(()),
            Some(extra) => Err(format!("{}: expected no argument {}, found {extra}", self.op, self.taken + 1)),
        }
    }

    /// Whether the argument is missing or null; a null is taken.
    fn skip_missing(&mut self) -> bool {
        match self.rest.split_first() {
            None => true,
            Some((first, rest)) if first.is_null() => {
                self.rest = rest;
                self.taken += 1;
                true
            }
            Some(_) => false,
        }
    }
}
