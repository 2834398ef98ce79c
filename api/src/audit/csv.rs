//! The audit log as CSV (ANA-36): RFC 4180, one line per event, nothing in it that a spreadsheet takes for a formula.

use std::io;

use holdfast_projections::audit::AuditEntry;

pub(crate) const HEADER: [&str; 15] = [
    "position",
    "eventId",
    "action",
    "entityType",
    "entityId",
    "sequence",
    "actorId",
    "actorKind",
    "actorRoles",
    "requestId",
    "correlationId",
    "causationId",
    "change",
    "occurredAt",
    "recordedAt",
];

/// The line of names.
///
/// # Errors
/// Never in practice: it is written into memory.
pub(crate) fn header() -> io::Result<Vec<u8>> {
    lines([HEADER.map(str::to_owned)])
}

/// A line for each entry.
///
/// # Errors
/// Never in practice: they are written into memory.
pub(crate) fn entries(entries: &[AuditEntry]) -> io::Result<Vec<u8>> {
    lines(entries.iter().map(cells))
}

fn lines(records: impl IntoIterator<Item = [String; 15]>) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        writer.write_record(record.map(defused))?;
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

fn cells(entry: &AuditEntry) -> [String; 15] {
    [
        entry.position.to_string(),
        entry.event_id.to_string(),
        entry.action.clone(),
        entry.entity_type.clone(),
        entry.entity_id.to_string(),
        entry.sequence.to_string(),
        entry.actor_id.to_string(),
        entry.actor_kind.clone(),
        entry.actor_roles.0.join(" "),
        entry.request_id.to_string(),
        entry.correlation_id.to_string(),
        entry.causation_id.map(|id| id.to_string()).unwrap_or_default(),
        entry.change.as_ref().map(|change| change.0.to_string()).unwrap_or_default(),
        entry.occurred_at.to_rfc3339(),
        entry.recorded_at.to_rfc3339(),
    ]
}

/// Spreadsheets run cells that begin so; with an apostrophe before it, it is text.
fn defused(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_a_spreadsheet_would_run_are_text() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"] {
            assert_eq!(defused(cell.to_owned()), format!("'{cell}"));
        }
        for cell in ["escrow.released", "", "1=1", "a-b"] {
            assert_eq!(defused(cell.to_owned()), cell);
        }
    }

    #[test]
    fn commas_quotes_and_line_ends_stay_in_their_cell() {
        // ANA-36
        let mut record = HEADER.map(str::to_owned);
        record[12] = "{\"a\":\"x,\r\ny\"}".to_owned();
        let text = lines([record.clone()]).unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&text[..]);
        let read: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].iter().collect::<Vec<_>>(), record.each_ref());
        assert!(header().unwrap().ends_with(b"recordedAt\r\n"));
    }
}
