//! The only place that writes to standard output.

use std::io::{self, Write as _};

/// Writes one line. A reader that went away (`| head`) ends the program quietly.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn line(text: impl std::fmt::Display) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result,
    }
}

/// Writes `value` as one JSON object.
///
/// # Errors
/// When it cannot be written.
pub fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// Columns padded to their widest cell; `right` marks the columns of numbers.
#[must_use]
pub fn table(header: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let format = |cells: Vec<&str>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") })
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![format(header.to_vec()), widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join("  ")];
    lines.extend(rows.iter().map(|row| format(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_stand_to_the_right() {
        let text = super::table(&["name", "n"], &[1], &[vec!["a".into(), "5".into()], vec!["long name".into(), "1234".into()]]);
        assert_eq!(text, "name          n\n---------  ----\na             5\nlong name  1234");
    }
}
