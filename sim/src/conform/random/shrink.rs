//! A difference made short: steps are left out while the worlds still answer differently.

use super::{Found, differ, draw, is_steady, read};
use crate::conform::os::Kernel;
use crate::conform::run::Difference;
use serde_json::Value;
use std::io;

/// The shortest sequence that was found to differ, with the kernel's answers, and where it does.
pub fn shrink(kernel: &mut Kernel<'_>, line: &str, first: Found) -> io::Result<(String, Difference)> {
    let (id, family, kind) = head(line);
    let mut best = first;
    let mut steps = steps_of(line);
    steps.truncate(best.at.step + 1);
    let mut width = steps.len() / 2;
    while width > 0 {
        let mut at = 0;
        while at + width < steps.len() {
            let mut shorter = steps.clone();
            shorter.drain(at..at + width);
            match differs(kernel, &draw::line_of(&id, (&family, &kind), &shorter))? {
                Some(found) => {
                    shorter.truncate(found.at.step + 1);
                    (steps, best) = (shorter, found);
                }
                None => at += 1,
            }
        }
        width /= 2;
    }
    Ok((best.line, best.at))
}

/// Whether the worlds answer a shorter sequence differently, and steadily so.
fn differs(kernel: &mut Kernel<'_>, line: &str) -> io::Result<Option<Found>> {
    let sequence = read(line);
    let Some(found) = differ(kernel, &sequence, 0)?.1 else { return Ok(None) };
    Ok(if is_steady(kernel, &sequence, &found)? { Some(found) } else { None })
}

fn head(line: &str) -> (String, String, String) {
    let value: Value = serde_json::from_str(line).unwrap_or_default();
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("id"), text("family"), text("type"))
}

fn steps_of(line: &str) -> Vec<Value> {
    let value: Value = serde_json::from_str(line).unwrap_or_default();
    let setup = value.get("setup").and_then(Value::as_array).into_iter().flatten();
    setup.chain(value.get("op")).cloned().collect()
}
