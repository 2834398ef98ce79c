//! The columns by which disputes are found.

use holdfast_domain::dispute::Dispute;
use serde_json::{Map, Value, json};

use crate::dispute::{DisputeActionRow, DisputeEvidenceRow};
use crate::document_table;
use crate::runtime::{Document, Documented, Projection, Table, document_version};

pub const PROJECTION: &str = "dispute";

#[must_use]
pub fn projection() -> Projection {
    let version = document_version::<Dispute>(1);
    Projection::new(PROJECTION, version).view::<Document<Dispute>>().facts::<DisputeEvidenceRow>().facts::<DisputeActionRow>()
}

impl Documented for Dispute {
    const TABLE: Table = document_table!(
        "disputes",
        "escrow_id",
        "booking_id",
        "payer_id",
        "payee_id",
        "raised_by",
        "assignee_id",
        "escalated",
        "dispute_status"
    );

    fn columns(&self) -> Map<String, Value> {
        let case = self.case();
        let columns = [
            ("escrow_id", json!(self.escrow_id())),
            ("booking_id", json!(case.and_then(|case| case.facts.reference.booking_id))),
            ("payer_id", json!(case.map(|case| case.facts.payer_id))),
            ("payee_id", json!(case.map(|case| case.facts.payee_id))),
            ("raised_by", json!(case.map(|case| case.raised_by))),
            ("assignee_id", json!(self.assignee_id())),
            ("escalated", json!(self.escalated_at().is_some())),
            ("dispute_status", json!(self.mark())),
        ];
        columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
