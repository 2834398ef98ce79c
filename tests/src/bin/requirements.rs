//! Prints which requirements no test names: `cargo run -p holdfast-tests --bin requirements`.
//!
//! `--all` lists every id with the files that prove it. The exit status is 1 when something that is not open has no test.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use holdfast_tests::requirements::{requirements, unknown_ids};

fn main() -> Result<ExitCode> {
    let all = std::env::args().any(|argument| argument == "--all");
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let found = requirements(root)?;
    let mut out = std::io::stdout().lock();
    let (mut proven, mut open, mut missing) = (0, 0, 0);
    for requirement in &found {
        let state = match (&requirement.open, requirement.tests.is_empty()) {
            (_, false) => {
                proven += 1;
                if !all {
                    continue;
                }
                requirement.tests.iter().cloned().collect::<Vec<_>>().join(", ")
            }
            (Some(reason), true) => {
                open += 1;
                format!("open: {reason}")
            }
            (None, true) => {
                missing += 1;
                format!("NO TEST ({})", requirement.about)
            }
        };
        writeln!(out, "{:8} {state}", requirement.id)?;
    }
    for unknown in unknown_ids(root)? {
        writeln!(out, "unknown  {unknown}")?;
    }
    writeln!(out, "{} requirements: {proven} have tests, {open} are open, {missing} have none", found.len())?;
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
