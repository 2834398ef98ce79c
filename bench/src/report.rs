//! What is printed and written: a row per figure, the guard rails, and what disturbed the run.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::measure::{Latencies, Series};

/// What a figure has to reach.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// The higher the better.
    Above { at_least: f64, aim: f64 },
    /// The lower the better.
    Below { at_most: f64, aim: f64 },
    /// Told, not judged.
    None,
}

impl Goal {
    fn verdict(self, value: f64) -> &'static str {
        match self {
            Self::Above { aim, .. } if value >= aim => "aim reached",
            Self::Above { at_least, .. } if value >= at_least => "enough",
            Self::Below { aim, .. } if value <= aim => "aim reached",
            Self::Below { at_most, .. } if value <= at_most => "enough",
            Self::Above { .. } | Self::Below { .. } => "MISSED",
            Self::None => "",
        }
    }

    fn columns(self, unit: &str) -> (String, String) {
        match self {
            Self::Above { at_least, aim } => (format!("{}{unit}", short(at_least)), format!("{}{unit}", short(aim))),
            Self::Below { at_most, aim } => (format!("<= {}{unit}", short(at_most)), format!("<= {}{unit}", short(aim))),
            Self::None => (String::new(), String::new()),
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    figure: &'static str,
    what: String,
    unit: &'static str,
    ours: Series,
    /// None: the goal is about `ours` itself.
    reference: Option<Series>,
    ratio: Option<Series>,
    goal: Goal,
    verdict: &'static str,
}

impl Row {
    /// `ours / reference`.
    pub(crate) fn ratio(figure: &'static str, what: impl Into<String>, unit: &'static str, sides: (&Series, &Series), goal: Goal) -> Self {
        let (ours, reference) = sides;
        let ratio = ours.over(reference);
        let verdict = goal.verdict(ratio.median());
        Self { figure, what: what.into(), unit, ours: ours.clone(), reference: Some(reference.clone()), ratio: Some(ratio), goal, verdict }
    }

    pub(crate) fn value(figure: &'static str, what: impl Into<String>, unit: &'static str, ours: &Series, goal: Goal) -> Self {
        let verdict = goal.verdict(ours.median());
        Self { figure, what: what.into(), unit, ours: ours.clone(), reference: None, ratio: None, goal, verdict }
    }

    fn cells(&self) -> [String; 8] {
        let side =
            |series: &Series| format!("{} {} ({} - {})", short(series.median()), self.unit, short(series.min()), short(series.max()));
        let ratio = self.ratio.as_ref();
        let (at_least, aim) = self.goal.columns(if ratio.is_some() { "" } else { self.unit });
        [
            self.figure.to_owned(),
            self.what.clone(),
            side(&self.ours),
            self.reference.as_ref().map(side).unwrap_or_default(),
            ratio.map(|ratio| format!("{} ({} - {})", short(ratio.median()), short(ratio.min()), short(ratio.max()))).unwrap_or_default(),
            at_least,
            aim,
            self.verdict.to_owned(),
        ]
    }
}

/// Three figures that count, thousands apart.
pub(crate) fn short(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let magnitude = value.abs();
    if magnitude >= 1_000.0 {
        let whole = format!("{value:.0}");
        let (sign, digits) = whole.strip_prefix('-').map_or(("", whole.as_str()), |digits| ("-", digits));
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        return format!("{sign}{text}");
    }
    match magnitude {
        magnitude if magnitude >= 100.0 => format!("{value:.0}"),
        magnitude if magnitude >= 10.0 => format!("{value:.1}"),
        magnitude if magnitude >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// A guard rail: what must hold for the figures to count.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Guard {
    world: String,
    name: &'static str,
    /// None: not looked at, and `detail` says why.
    holds: Option<bool>,
    detail: String,
}

impl Guard {
    pub(crate) fn new(world: &str, name: &'static str, holds: Option<bool>, detail: impl Into<String>) -> Self {
        Self { world: world.to_owned(), name, holds, detail: detail.into() }
    }
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct LatencyNote {
    figure: &'static str,
    what: String,
    #[serde(flatten)]
    latencies: Latencies,
}

/// All that a run has to say. One JSON object in the file.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) build: &'static str,
    pub(crate) form: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) latencies: Vec<LatencyNote>,
    pub(crate) guards: Vec<Guard>,
    /// What the reader of the figures must know.
    pub(crate) notes: Vec<String>,
    pub(crate) disturbances: Vec<String>,
    /// Figures that did not come to their end.
    pub(crate) failures: Vec<String>,
}

impl Report {
    pub(crate) fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn latency(&mut self, figure: &'static str, what: impl Into<String>, latencies: Latencies) {
        self.latencies.push(LatencyNote { figure, what: what.into(), latencies });
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// False when a guard rail does not hold or a figure failed. A missed goal is no failure of the run.
    pub(crate) fn holds(&self) -> bool {
        self.failures.is_empty() && self.guards.iter().all(|guard| guard.holds != Some(false))
    }

    /// # Errors
    /// When nobody reads any more.
    pub(crate) fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{} build, {}; {}\n", self.build, self.form, self.machine)?;
        let head = ["", "figure", "ours", "reference", "ratio", "at least", "aim", ""].map(str::to_owned);
        let rows: Vec<[String; 8]> = std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..8).map(width).collect();
        for (nth, row) in rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(out, "{}", cells.join(" | ").trim_end())?;
            if nth == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                writeln!(out, "{}", rule.join("-|-"))?;
            }
        }
        writeln!(out, "\nSeries are medians of the rounds (least - most); ratios are formed round by round.")?;
        for note in &self.latencies {
            writeln!(out, "  {} {}: {}", note.figure, note.what, note.latencies)?;
        }
        writeln!(out, "\nguard rails")?;
        for guard in &self.guards {
            let verdict = match guard.holds {
                Some(true) => "ok",
                Some(false) => "FAILED",
                None => "not looked at",
            };
            writeln!(out, "  {verdict:<13} {:<12} {}: {}", guard.world, guard.name, guard.detail)?;
        }
        for (title, lines) in [("notes", &self.notes), ("failures", &self.failures)] {
            if !lines.is_empty() {
                writeln!(out, "\n{title}")?;
                lines.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
            }
        }
        if self.disturbances.is_empty() {
            writeln!(out, "\nNo other process took more than 5 % of the CPU while something was measured.")?;
        } else {
            writeln!(out, "\nDISTURBED: the figures of these rounds do not count")?;
            self.disturbances.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        }
        Ok(())
    }

    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, serde_json::to_vec_pretty(self)?).with_context(|| format!("cannot write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in
            [(1_234_567.0, "1,234,567"), (999.6, "1000"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.012_34, "0.0123")]
        {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn a_goal_is_missed_enough_or_reached() {
        let above = Goal::Above { at_least: 2.0, aim: 4.0 };
        assert_eq!([1.9, 2.0, 4.0].map(|value| above.verdict(value)), ["MISSED", "enough", "aim reached"]);
        let below = Goal::Below { at_most: 0.5, aim: 0.3 };
        assert_eq!([0.6, 0.5, 0.3].map(|value| below.verdict(value)), ["MISSED", "enough", "aim reached"]);
    }
}
