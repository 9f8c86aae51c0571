//! What a run found, as a table for people and as JSON for programs.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::histogram::Histogram;

/// A figure. `value` is `None` when it could not be measured, such as the memory of a server whose process is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    pub name: String,
    pub unit: &'static str,
    pub value: Option<f64>,
}

#[derive(Clone, Debug)]
pub struct Report {
    scenario: &'static str,
    /// The machine, the server and the settings of the run.
    facts: Vec<(&'static str, String)>,
    measures: Vec<Measure>,
    /// The reports of what this is made of.
    runs: Vec<(String, Report)>,
    /// What makes the figures doubtful or the run a failure.
    problems: Vec<String>,
}

impl Report {
    pub fn new(scenario: &'static str) -> Self {
        Self { scenario, facts: Vec::new(), measures: Vec::new(), runs: Vec::new(), problems: Vec::new() }
    }

    pub fn fact(&mut self, name: &'static str, value: impl ToString) {
        self.facts.push((name, value.to_string()));
    }

    pub fn measure(&mut self, name: impl Into<String>, unit: &'static str, value: impl Into<Option<f64>>) {
        let value = value.into().filter(|value| value.is_finite());
        self.measures.push(Measure { name: name.into(), unit, value });
    }

    /// The usual quantiles, in milliseconds.
    pub fn latency(&mut self, name: &str, histogram: &Histogram) {
        for (label, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            self.measure(format!("{name} {label}"), "ms", histogram.quantile(quantile).map(milliseconds));
        }
        self.measure(format!("{name} max"), "ms", histogram.max().map(milliseconds));
    }

    /// Adds a run of several, whose figures stand beside those of the others of its scenario.
    pub fn put_beside(&mut self, name: &str, run: Report) {
        self.problems.extend(run.problems.iter().map(|problem| format!("{name}: {problem}")));
        self.runs.push((name.to_owned(), run));
    }

    pub fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    pub fn table(&self) -> String {
        let mut text = format!("moothall load {}\n", self.scenario);
        let facts: Vec<[&str; 3]> = self.facts.iter().map(|(name, value)| [*name, value.as_str(), ""]).collect();
        columns(&mut text, &facts, false);
        let values: Vec<String> = self.measures.iter().map(|measure| measure.value.map_or("–".into(), number)).collect();
        let measures: Vec<[&str; 3]> =
            self.measures.iter().zip(&values).map(|(measure, value)| [measure.name.as_str(), value.as_str(), measure.unit]).collect();
        columns(&mut text, &measures, true);
        self.runs.chunk_by(|(_, one), (_, next)| one.scenario == next.scenario).for_each(|runs| beside(&mut text, runs));
        for problem in &self.problems {
            let _ = writeln!(text, "PROBLEM: {problem}");
        }
        text
    }

    /// Measures are named with their unit: `"ack p50"` in `"ms"` is `ack_p50_ms`.
    pub fn json(&self) -> Value {
        let facts: Map<String, Value> = self.facts.iter().map(|(name, value)| (key(name, ""), json!(value))).collect();
        let measures: Map<String, Value> = self.measures.iter().map(|m| (key(&m.name, m.unit), json!(m.value))).collect();
        let mut report = json!({ "scenario": self.scenario, "facts": facts, "measures": measures, "problems": self.problems });
        if !self.runs.is_empty() {
            let runs: Map<String, Value> = self.runs.iter().map(|(name, run)| (name.clone(), run.json()["measures"].take())).collect();
            report["runs"] = json!(runs);
        }
        report
    }
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn key(name: &str, unit: &str) -> String {
    let unit = unit.replace("/s", "per_s").replace('%', "percent").replace('µ', "u");
    [name, &unit].join(" ").trim().to_lowercase().replace(',', "").replace([' ', '-'], "_")
}

/// Rows whose second column begins, or with `right` ends, at one place.
fn columns(text: &mut String, rows: &[[&str; 3]], right: bool) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (names, values) = (width(0), width(1));
    for [name, value, unit] in rows {
        let row = match right {
            true => format!("  {name:<names$}  {value:>values$} {unit}"),
            false => format!("  {name:<names$}  {value}"),
        };
        text.push_str(row.trim_end());
        text.push('\n');
    }
}

/// A line for each figure, a column for each run.
fn beside(text: &mut String, runs: &[(String, Report)]) {
    let Some((_, first)) = runs.first() else { return };
    let mut rows = vec![std::iter::once(first.scenario.to_owned()).chain(runs.iter().map(|(name, _)| name.clone())).collect::<Vec<_>>()];
    for (at, measure) in first.measures.iter().enumerate() {
        let value = |(_, run): &(String, Report)| run.measures.get(at).and_then(|measure| measure.value).map_or("–".into(), number);
        let name = if measure.unit.is_empty() { measure.name.clone() } else { format!("{}, {}", measure.name, measure.unit) };
        rows.push(std::iter::once(name).chain(runs.iter().map(value)).collect());
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=runs.len()).map(width).collect();
    for row in &rows {
        let _ = write!(text, "  {:<1$}", row[0], widths[0]);
        row.iter().zip(&widths).skip(1).for_each(|(cell, &width)| {
            let _ = write!(text, "  {cell:>width$}");
        });
        text.push('\n');
    }
}

/// Three digits that count, thousands apart.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, fraction)| (whole, Some(fraction)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{grouped}.{fraction}"),
        None => grouped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_shows_what_counts_of_it() {
        let shown = [0.0, 0.123, 9.876, 12.34, 123.4, 1_234.5, 1_234_567.0, -1_000.0].map(number);
        assert_eq!(shown, ["0", "0.12", "9.88", "12.3", "123", "1,234", "1,234,567", "-1,000"]);
    }

    fn report() -> Report {
        let mut report = Report::new("fanout");
        report.fact("cores", 2);
        report.fact("database", "sqlite");
        report.measure("deliveries", "/s", 1_234_567.0);
        report.measure("server CPU per 1,000 deliveries", "ms", None);
        report
    }

    #[test]
    fn a_table_lines_its_columns_up() {
        let mut report = report();
        report.problem("2 frames were lost");
        let expected = "moothall load fanout\n  \
            cores     2\n  \
            database  sqlite\n  \
            deliveries                       1,234,567 /s\n  \
            server CPU per 1,000 deliveries          – ms\n\
            PROBLEM: 2 frames were lost\n";
        assert_eq!(report.table(), expected);
    }

    #[test]
    fn runs_of_one_scenario_stand_beside_each_other() {
        let mut whole = Report::new("--messaging");
        for (name, value) in [("ws", Some(1.5)), ("socket.io", None)] {
            let mut run = Report::new("channel");
            run.measure("delivery p50", "ms", value);
            run.problem("slow");
            whole.put_beside(name, run);
        }
        let expected = "moothall load --messaging\n  \
            channel             ws  socket.io\n  \
            delivery p50, ms  1.50          –\n\
            PROBLEM: ws: slow\n\
            PROBLEM: socket.io: slow\n";
        assert_eq!(whole.table(), expected);
        assert_eq!(whole.json()["runs"], json!({ "ws": { "delivery_p50_ms": 1.5 }, "socket.io": { "delivery_p50_ms": null } }));
    }

    #[test]
    fn json_names_each_figure_with_its_unit_and_tells_what_was_not_measured() {
        let expected = json!({
            "scenario": "fanout",
            "facts": { "cores": "2", "database": "sqlite" },
            "measures": { "deliveries_per_s": 1_234_567.0, "server_cpu_per_1000_deliveries_ms": null },
            "problems": [],
        });
        assert_eq!(report().json(), expected);
    }

    #[test]
    fn a_figure_that_is_no_number_counts_as_not_measured() {
        let mut report = Report::new("idle");
        report.measure("rate", "/s", f64::NAN);
        assert_eq!(report.json()["measures"]["rate_per_s"], Value::Null);
    }
}
