//! Recording: cases run for what they answer, and are written down with it.

use super::format::Case;
use super::net;
use super::os::Kernel;
use super::outcome::Outcome;
use super::report::Side;
use super::run::{Manner, Verdict};
use super::worker::Order;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;

/// What a world answers to the steps of a case, up to the first that blocks; or why it cannot run there.
///
/// # Errors
/// No worker can be started.
pub fn answers(
    kernel: &mut Kernel<'_>,
    side: Side,
    (index, case): (usize, &Arc<Case>),
    pause_ms: u32,
) -> io::Result<Result<Vec<Value>, String>> {
    let (verdict, answers) = match side {
        Side::Os => {
            let answered = kernel.run(case, Order { pause_ms, record: true, shared: !case.lo_only })?;
            (answered.verdict, answered.answers)
        }
        Side::Sim => {
            let ran = net::run_case(index, case, Manner { record: true, ..Manner::default() });
            (ran.verdict, ran.answers.iter().map(Outcome::to_json).collect())
        }
    };
    Ok(match verdict {
        Verdict::Agree => Ok(answers),
        Verdict::Skipped(why) => Err(why),
        Verdict::Differ(difference) => Err(difference.got.to_string()),
    })
}

impl Case {
    /// The line of the case with these answers as what is expected; steps beyond them are left out.
    pub(crate) fn line_with(&self, answers: &[Value]) -> Option<String> {
        let (last, before) = answers.split_last()?;
        let mut value: Value = serde_json::from_str(&self.line).ok()?;
        let steps = self.step_values(&value);
        let (op, setup) = steps.get(..answers.len())?.split_last()?;
        (value["setup"], value["setup_expect"]) = (json!(setup), json!(before));
        (value["op"], value["expect"]) = (op.clone(), last.clone());
        Some(value.to_string())
    }

    fn step_values(&self, value: &Value) -> Vec<Value> {
        let setup = value.get("setup").and_then(Value::as_array).into_iter().flatten();
        setup.chain(value.get("op")).take(self.steps.len()).cloned().collect()
    }
}
