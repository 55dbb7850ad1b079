//! What came of it: a table, a line as each row is measured; the same as Markdown, with the day and the machine; and as JSON.

use super::measure::{Figures, Row};
use crate::stamp::{grouped, machine, today};
use serde_json::{Value, json};

/// The table's head.
pub fn head() -> String {
    let cells = ["", "what", "unit", "twinsock", "min .. max", "beside it", "", "min .. max", "ratio"];
    line(cells.map(str::to_owned))
}

/// A row, and below it why a side has no figure.
pub fn row(row: &Row) -> String {
    let (ours, beside) = (Cells::of(row.ours.as_ref()), Cells::of(row.beside.as_ref()));
    let ratio = row.ratio().map_or_else(String::new, figure);
    let name = row.beside.as_ref().map_or("", |figures| figures.name);
    let (workload, what, unit) = (row.case.workload.name().to_owned(), row.case.what.clone(), row.case.unit.name());
    let mut text = line([workload, what, unit, ours.median, ours.range, beside.median, name.to_owned(), beside.range, ratio]);
    for why in [ours.why, beside.why].into_iter().flatten() {
        text += &format!("    {why}\n");
    }
    text
}

/// Below the table.
pub fn foot() -> String {
    format!(
        "\nMedians; ratio: how many times as good ours is, in speed or in size. {}, {}, load {}.\n",
        today(),
        machine(),
        load()
    )
}

fn line(cells: [String; 9]) -> String {
    let [workload, what, unit, ours, ours_range, beside, name, beside_range, ratio] = cells;
    let text = format!(
        "{workload:<3} {what:<32} {unit:<14} {ours:>11} {ours_range:>25}   {beside:>9} {name:<14} {beside_range:>21} {ratio:>7}"
    );
    format!("{}\n", text.trim_end())
}

/// The table as Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text =
        "| | what | unit | twinsock | min .. max | beside it | min .. max | ratio |\n|---|---|---|---:|---:|---:|---:|---:|\n"
            .to_owned();
    for row in rows {
        let (ours, beside) = (Cells::of(row.ours.as_ref()), Cells::of(row.beside.as_ref()));
        let name = row.beside.as_ref().map_or("", |figures| figures.name);
        let ratio = row.ratio().map_or_else(String::new, figure);
        let ours_median = ours.why.unwrap_or(ours.median);
        let beside_median = beside.why.unwrap_or(beside.median);
        let (workload, what, unit) = (row.case.workload.name(), &row.case.what, row.case.unit.name());
        text += &format!(
            "| {workload} | {what} | {unit} | {ours_median} | {} | {name} {beside_median} | {} | {ratio} |\n",
            ours.range, beside.range
        );
    }
    text + &format!("\nMeasured on {}, {}, load {} at the end.\n", today(), machine(), load())
}

/// All of it, as one JSON object.
pub fn json(rows: &[Row]) -> String {
    let cases: Vec<Value> = rows.iter().map(row_as_json).collect();
    let head =
        json!({ "version": env!("CARGO_PKG_VERSION"), "date": today(), "machine": machine(), "load": load(), "cases": cases });
    format!("{head}\n")
}

fn row_as_json(row: &Row) -> Value {
    json!({
        "workload": row.case.workload.name(),
        "what": row.case.what,
        "unit": row.case.unit.name(),
        "more_is_better": row.case.unit.is_rate(),
        "twinsock": row.ours.as_ref().map(figures_as_json),
        "beside": row.beside.as_ref().map(figures_as_json),
        "ratio": row.ratio(),
    })
}

fn figures_as_json(figures: &Figures) -> Value {
    match figures.values() {
        Ok(values) => json!({
            "name": figures.name,
            "median": figures.median(),
            "min": values.first(),
            "max": values.last(),
            "rounds": values,
        }),
        Err(why) => json!({ "name": figures.name, "why_not": why }),
    }
}

/// What stands in one side's cells.
#[derive(Default)]
struct Cells {
    median: String,
    range: String,
    why: Option<String>,
}

impl Cells {
    fn of(figures: Option<&Figures>) -> Cells {
        match figures.map(|figures| (figures, figures.values())) {
            None => Cells::default(),
            Some((figures, Err(why))) => {
                Cells { median: "-".to_owned(), range: String::new(), why: Some(format!("{}: {why}", figures.name)) }
            }
            Some((figures, Ok(values))) => {
                let range = match values {
                    [first, .., last] => format!("{} .. {}", figure(*first), figure(*last)),
                    [_] | [] => String::new(),
                };
                Cells { median: figures.median().map_or_else(String::new, figure), range, why: None }
            }
        }
    }
}

/// Three digits or more, thousands apart.
fn figure(value: f64) -> String {
    match value {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => {
            let whole = format!("{value:.0}");
            whole.parse().map_or(whole, grouped::<u64>)
        }
    }
}

/// How many programs were running or waiting to run, over the last minute, `proc(5)`.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_or_more() {
        for (value, expected) in [(0.25, "0.25"), (9.999, "10.00"), (16.24, "16.2"), (123.4, "123"), (6_012_345.6, "6,012,346")] {
            assert_eq!(figure(value), expected);
        }
    }
}
