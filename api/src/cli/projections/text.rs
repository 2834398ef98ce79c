//! What `holdfast projections` prints for people.

use holdfast_projections::rebuild::{Diff, RunRow, Status, Trial};

use crate::cli::print;

/// One row of `list`.
pub(super) fn status(status: &Status) -> Vec<String> {
    let mut state = Vec::new();
    if status.paused {
        state.push("paused".to_owned());
    }
    for (count, what) in [
        (status.paused_tenants.len() as u64, "tenants paused"),
        (status.stopped.len() as u64, "tenants stopped"),
        (status.other_version, "tenants of another version"),
    ] {
        if count > 0 {
            state.push(format!("{count} {what}"));
        }
    }
    let state = if state.is_empty() { "at work".to_owned() } else { state.join(", ") };
    let run = status
        .last_run
        .as_ref()
        .map_or_else(|| "none".to_owned(), |run| format!("{} {} {}", run.kind, run.state, run.requested_at.format("%Y-%m-%d %H:%M")));
    vec![
        status.name.to_owned(),
        status.version.to_string(),
        status.tenants.to_string(),
        status.position.to_string(),
        status.behind.to_string(),
        state,
        run,
    ]
}

/// One row of `runs`.
pub(super) fn run(run: &RunRow) -> Vec<String> {
    let tenant = run.tenant_id.map_or_else(|| "all".to_owned(), |tenant| tenant.to_string());
    let requested_at = run.requested_at.format("%Y-%m-%d %H:%M").to_string();
    let error = run.error.clone().unwrap_or_default();
    vec![run.id.to_string(), run.kind.to_string(), run.state.clone(), tenant, run.requested_by.clone(), requested_at, error]
}

pub(super) fn diff(diff: &Diff) -> String {
    let rows: Vec<Vec<String>> = diff
        .tables
        .iter()
        .map(|table| {
            let counts = [table.rows_before, table.rows_after, table.added, table.gone, table.changed];
            std::iter::once(table.table.clone()).chain(counts.iter().map(ToString::to_string)).collect()
        })
        .collect();
    let mut text = format!("{} tenants compared\n", diff.tenants);
    text.push_str(&print::table(&["table", "rows now", "rebuilt", "added", "gone", "changed"], &[1, 2, 3, 4, 5], &rows));
    let totals: Vec<Vec<String>> = diff
        .tables
        .iter()
        .flat_map(|table| table.totals.iter().map(|total| (table.table.clone(), total)))
        .map(|(table, total)| {
            let same = if total.before == total.after { "" } else { "differs" };
            let currency = total.currency.clone().unwrap_or_default();
            vec![table, total.column.clone(), currency, total.before.to_string(), total.after.to_string(), same.to_owned()]
        })
        .collect();
    if !totals.is_empty() {
        text.push_str("\n\n");
        text.push_str(&print::table(&["table", "sum of", "currency", "now", "rebuilt", ""], &[3, 4], &totals));
    }
    for table in &diff.tables {
        for sample in &table.samples {
            text.push_str(&format!("\n{} {}: tenant {} key {}", table.table, sample.what, sample.tenant_id, sample.key));
        }
    }
    text
}

pub(super) fn trial(trial: &Trial) -> String {
    let mut text = format!("{} at position {}: ", trial.event_type, trial.position);
    match &trial.error {
        Some(error) => text.push_str(&format!("does not fit: {error}")),
        None => text.push_str("fits now; `projections resume` lets it go on"),
    }
    for change in &trial.changes {
        text.push_str(&format!("\n{}{}", change.table, if change.before.is_none() { " (new row)" } else { "" }));
        for (column, after) in &change.after {
            let before = change.before.as_ref().and_then(|row| row.get(column));
            if before != Some(after) {
                let before = before.map_or_else(String::new, |before| format!("{before} -> "));
                text.push_str(&format!("\n  {column}: {before}{after}"));
            }
        }
    }
    text
}
