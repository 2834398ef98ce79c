//! `holdfast verify`.

use std::process::ExitCode;

use super::context::Global;
use super::print;
use crate::verify;

/// Check every invariant that can be checked on the live databases.
///
/// Folds every tenant's log from its beginning and compares read models and ledger with it. Changes nothing and may run beside
/// a working system. Prints what was checked with counts, and the ids that fail; fails when there are any.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let opened = global.open(verify::NEEDS).await?;
    let result = verify::run(&opened.settings).await;
    opened.close().await?;
    let report = result?;
    if arguments.json {
        print::json(&report)?;
    } else {
        print::line(report.text())?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
