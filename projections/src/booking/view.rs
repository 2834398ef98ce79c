//! The columns by which bookings are found.

use holdfast_domain::booking::{Booking, BookingStatus};
use serde_json::{Map, Value, json};

use crate::document_table;
use crate::runtime::{Document, Documented, Projection, Table, document_version};

pub const PROJECTION: &str = "booking";

#[must_use]
pub fn projection() -> Projection {
    Projection::new(PROJECTION, document_version::<Booking>(1)).view::<Document<Booking>>()
}

impl Documented for Booking {
    const TABLE: Table = document_table!(
        "bookings",
        "job_id",
        "talent_id",
        "payer_id",
        "from_ts",
        "to_ts",
        "payout_status",
        "dispute_status",
        "payout_due_at"
    );

    fn columns(&self) -> Map<String, Value> {
        let (parties, slot) = (self.parties(), self.slot());
        // Without an agreement Holdfast has no money of it to pay out.
        let is_due = self.is_agreed() && Booking::status(self) == BookingStatus::Completed;
        let payout_due_at = self.work().eligible_for_release_at.filter(|_| is_due);
        let columns = [
            ("job_id", json!(parties.map(|parties| parties.job_id))),
            ("talent_id", json!(parties.map(|parties| parties.talent_id))),
            ("payer_id", json!(parties.and_then(|parties| parties.payer_id))),
            ("from_ts", json!(slot.map(|slot| slot.from))),
            ("to_ts", json!(slot.map(|slot| slot.to))),
            ("payout_status", json!(self.payout_status())),
            ("dispute_status", json!(self.dispute_status())),
            ("payout_due_at", json!(payout_due_at)),
        ];
        columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
